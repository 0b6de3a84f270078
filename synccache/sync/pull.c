/*
 * One pull: what changed, what came in parts read again, and now and then a
 * look at everything, since deletions are invisible to an ordinary account.
 * All of it is one transaction, cookie included.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/pull.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/sync/pace.h"
#include "synccache/sync/rescope.h"
#include "synccache/sync/site.h"

/* In the order of preference; the last is never refused. */
static const struct dss_strategy *const strategies[] = {
	&dss_dirsync_replication,
	&dss_dirsync_security,
	&dss_listing,
};
#define NSTRATEGIES (sizeof(strategies) / sizeof(strategies[0]))
#define RELIST_MS   60000

bool dss_pull_complete(struct dss_sync *s)
{
	struct dss_meta meta;
	struct dss_txn *txn;
	bool complete;

	if (dss_txn_begin(s->store, false, &txn) != 0)
		return false;
	complete = dss_meta_load(txn, &meta) == 0 &&
		   dss_meta_serves(&meta, s->config.domain.name);
	dss_txn_abort(txn);
	return complete;
}

void dss_pull_count(struct dss_sync *s)
{
	s->status.progress++;
	dss_status_changed(s);
}

void dss_pull_phase(struct dss_sync *s, const char *phase, uint64_t expected)
{
	s->status.progress = 0;
	s->status.expected = expected;
	s->status.progress_since = ds_now_ms();
	dss_status_state(s, DSS_PULLING, phase);
}

struct dss_search dss_pull_search(struct dss_pull *p, const char *const *attrs,
				  int (*entry)(void *,
					       const struct dss_entry *))
{
	return (struct dss_search){
		.base = p->s->domain.base_dn,
		.scope = DSS_SCOPE_TREE,
		.filter = DSS_PULL_FILTER,
		.attrs = attrs,
		.entry = entry,
		.arg = p,
		.silence_ms = DSS_PULL_SILENCE_MS,
		.silent = p->s->silent,
		.silent_arg = p->s,
	};
}

static bool is_mapped(const struct dss_sync *s)
{
	return s->config.sync.attributes == DS_ATTRIBUTES_MAPPED;
}

const char *const *dss_pull_attributes(const struct dss_sync *s)
{
	return dss_object_attributes(is_mapped(s));
}

void dss_pull_notice(struct dss_sync *s, enum dss_notice which,
		     const char *text)
{
	char *now = s->status.notice[which];

	if (strcmp(now, text) == 0)
		return;
	if (text[0])
		ds_log(DS_LOG_WARN, "%s", text);
	(void)snprintf(now, DSS_TEXT, "%s", text);
	dss_status_changed(s);
}

bool dss_pull_moves_ids(const struct dss_pull *p)
{
	return p->accept || p->s->renumber;
}

/* ---- what is not there any more ---- */

static int list_all(struct dss_pull *p)
{
	size_t known = 0;
	int err = dss_txn_count(p->m.txn, &known);

	if (err)
		return err;
	dss_pull_phase(p->s, "looking for deletions", known);
	err = p->strategy->list(p);
	if (err == DS_OK)
		err = dss_reread_incomplete(p);
	if (err == DS_OK)
		p->meta.reconciled = (uint64_t)time(NULL);
	return err;
}

static int on_base(void *arg, const struct dss_entry *entry)
{
	bool *found = arg;

	(void)entry;
	*found = true;
	return DS_OK;
}

static int base_exists(struct dss_pull *p, const char *base, bool *ret_found)
{
	static const char *const attrs[] = { "1.1", NULL };
	struct dss_search search = dss_pull_search(p, attrs, on_base);
	int err;

	*ret_found = false;
	search.base = base;
	search.scope = DSS_SCOPE_BASE;
	search.filter = "(objectClass=*)";
	search.arg = ret_found;
	err = dss_conn_search(p->s->conn, &search, false);
	return err == DS_ERR_NOTFOUND || err == DS_ERR_DENIED ? DS_OK : err;
}

/* Holds what is gone below the base, however little it is. */
static int hold_below(struct dss_pull *p, const char *base)
{
	for (size_t i = 0; i < p->m.gone.count; i++) {
		const struct ds_guid *guid = &p->m.gone.list[i];
		struct dss_object obj;
		uint32_t found;
		int err = dss_mirror_get(&p->m, guid, &obj);

		if (err == DS_OK && dss_scope_below(obj.dn, base) &&
		    dss_guidmap_find(&p->m.dead, guid, &found))
			err = dss_mirror_flag(&p->m, &obj.guid,
					      obj.flags | DSS_OBJ_HELD);
		if (err != DS_OK && err != DS_ERR_NOTFOUND &&
		    err != DS_ERR_FORMAT)
			return err;
	}
	return DS_OK;
}

/*
 * A base that is not there (renamed, or not to be read any more) would take
 * all that is below it away.
 */
static int guard_bases(struct dss_pull *p)
{
	char notice[DSS_TEXT] = "";

	for (char **base = p->s->config.sync.bases; *base; base++) {
		bool found;
		int err = base_exists(p, *base, &found);

		if (err == DS_OK && !found && !p->accept)
			err = hold_below(p, *base);
		if (err)
			return err;
		if (!found)
			(void)snprintf(notice, sizeof(notice),
				       "sync.bases: \"%s\" is not in the "
				       "directory, or may not be read: what "
				       "was known below it stays",
				       *base);
	}
	dss_pull_notice(p->s, DSS_NOTICE_BASES, notice);
	return DS_OK;
}

static int drop_gone(struct dss_pull *p)
{
	size_t dropped = 0, held = 0;
	int err = DS_OK;

	if (p->full || p->reconcile)
		err = dss_mirror_missing(&p->m);
	if (err == DS_OK && (p->full || p->reconcile))
		err = guard_bases(p);
	p->m.went = p->valve.gone;
	if (err == DS_OK)
		err = dss_mirror_drop(&p->m,
				      p->s->config.sync.max_delete_percent,
				      p->accept, &dropped, &held);
	if (!p->accept)
		p->valve.gone = p->m.went;
	if (err == DS_OK && dropped > 0)
		ds_log(DS_LOG_INFO, "%zu objects are gone from the domain",
		       dropped);
	if (err == DS_OK && held > 0)
		ds_log(DS_LOG_WARN,
		       "%zu objects are gone from the domain at "
		       "once: held back; accept with dssyncctl "
		       "sync --accept-deletes",
		       held);
	return err;
}

/* What the cookie stands for: a change of it asks for a full load. */
static int make_request(bool mapped, char *buf, size_t cap)
{
	size_t used;
	int n = snprintf(buf, cap, "%s", DSS_PULL_FILTER);

	if (n < 0 || (size_t)n >= cap)
		return DS_ERR_LIMIT;
	used = (size_t)n;
	for (const char *const *a = dss_object_attributes(mapped); *a; a++) {
		n = snprintf(buf + used, cap - used, " %s", *a);
		if (n < 0 || (size_t)n >= cap - used)
			return DS_ERR_LIMIT;
		used += (size_t)n;
	}
	return DS_OK;
}

static const struct dss_strategy *find_strategy(const char *key)
{
	for (size_t i = 0; i < NSTRATEGIES; i++) {
		if (strcmp(strategies[i]->key, key) == 0)
			return strategies[i];
	}
	return NULL;
}

static int on_domain(void *arg, const struct dss_entry *entry)
{
	struct dss_pull *p = arg;

	dss_policy_read(entry, &p->s->domain.policy);
	return DS_OK;
}

/* The domain object is no user: no change of it comes by itself. */
static int read_policy(struct dss_pull *p)
{
	static const char *const attrs[] = { "maxPwdAge", "lockoutDuration",
					     NULL };
	const struct dss_search search = {
		.base = p->s->domain.base_dn,
		.scope = DSS_SCOPE_BASE,
		.filter = "(objectClass=*)",
		.attrs = attrs,
		.entry = on_domain,
		.arg = p,
		.silence_ms = DSS_PULL_SILENCE_MS,
	};

	return dss_conn_search(p->s->conn, &search, false);
}

/* Decides what kind of pull this is, from what the store stands for. */
static int prepare(struct dss_pull *p, uint32_t flags, bool full)
{
	const struct dss_sync *s = p->s;
	char request[sizeof(p->meta.request)];
	bool other_domain;
	int err = dss_meta_load(p->m.txn, &p->meta);

	if (err == DS_OK)
		err = make_request(is_mapped(s), request, sizeof(request));
	if (err == DS_OK)
		err = dss_meta_cookie(p->m.txn, &p->cookie);
	if (err)
		return err;
	other_domain = p->meta.sid.count > 0 &&
		       !ds_sid_equal(&p->meta.sid, &s->domain.sid);
	if (other_domain) {
		ds_log(DS_LOG_NOTICE, "the domain has another SID than the "
				      "mirror: it is loaded anew");
		err = dss_txn_clear(p->m.txn);
	}
	p->strategy = find_strategy(p->meta.strategy);
	p->full = full || !p->meta.complete || other_domain ||
		  p->cookie.len == 0 || (flags & DS_PULL_FULL) ||
		  !p->strategy || strcmp(p->meta.request, request) != 0;
	p->asked_full = (flags & DS_PULL_FULL) != 0;
	p->moved = !p->full && strcmp(p->meta.server, s->status.server) != 0;
	p->first = !p->meta.complete || other_domain;
	p->accept = (flags & DS_PULL_ACCEPT_DELETES) != 0;
	p->meta.sid = s->domain.sid;
	(void)snprintf(p->meta.request, sizeof(p->meta.request), "%s",
		       request);
	(void)snprintf(p->meta.server, sizeof(p->meta.server), "%s",
		       s->status.server);
	(void)snprintf(p->meta.base_dn, sizeof(p->meta.base_dn), "%s",
		       s->domain.base_dn);
	(void)snprintf(p->meta.netbios, sizeof(p->meta.netbios), "%s",
		       s->domain.netbios);
	if (p->meta.hash_key[0] == 0 &&
	    getrandom(p->meta.hash_key, sizeof(p->meta.hash_key), 0) < 0)
		err = DS_ERR_SYS;
	return err;
}

/*
 * Where the server's database stands, for the next pull.  One that was put
 * back, as by a restore, is another one now: it gives its numbers out again,
 * or tells all that it has, but not what it has not any more.
 */
static int mark(struct dss_pull *p)
{
	struct dss_usn last;
	int err = dss_usn_read(p->s->conn, DSS_PULL_SILENCE_MS, &p->usn);

	p->marked = err == DS_OK;
	if (err && err != DS_ERR_NOTFOUND && err != DS_ERR_DENIED)
		return err;
	if (p->full || p->moved || !p->marked ||
	    !dss_usn_load(p->m.txn, &last) || dss_usn_follows(&last, &p->usn))
		return DS_OK;
	ds_log(DS_LOG_NOTICE,
	       "the database of %s is not what it was: full load",
	       p->s->status.server);
	p->full = true;
	return DS_OK;
}

/* Never together with all the others (pace.h). */
static bool reconcile_due(const struct dss_pull *p)
{
	struct dss_sync *s = p->s;
	int64_t interval = (int64_t)s->config.sync.reconcile_interval * 1000;
	uint64_t now = (uint64_t)time(NULL);

	if (p->accept)
		return true;
	if (now >= p->meta.reconciled && (now - p->meta.reconciled) * 1000 <
					     (uint64_t)dss_pace_due(interval))
		return false;
	if (!s->reconcile_at)
		s->reconcile_at =
		    ds_now_ms() + dss_pace_put_off(interval, dss_chance());
	return ds_now_ms() >= s->reconcile_at;
}

/* ---- what changed ---- */

/* Says which strategy is at work, and why; in the log when it changes. */
static void use(struct dss_pull *p, const struct dss_strategy *strategy,
		const char *refusal)
{
	struct dss_status *st = &p->s->status;
	char before[sizeof(st->strategy_why)];

	p->strategy = strategy;
	st->strategy = strategy->name;
	memcpy(before, st->strategy_why, sizeof(before));
	(void)snprintf(st->strategy_why, sizeof(st->strategy_why), "%s%s%s%s",
		       strategy->why, refusal[0] ? " (" : "", refusal,
		       refusal[0] ? ")" : "");
	if (strcmp(before, st->strategy_why) != 0)
		ds_log(DS_LOG_INFO, "%s: changes by %s: %s", st->server,
		       st->strategy, st->strategy_why);
}

/* The first that is not refused does the full load, and all until the next. */
static int load_all(struct dss_pull *p)
{
	char refusal[DSS_TEXT / 2] = "";
	int err = DS_ERR_VERSION;

	for (size_t i = 0; i < NSTRATEGIES && err == DS_ERR_VERSION; i++) {
		/* Refused later than at the first word, it is a failure. */
		p->cookie.len = 0;
		p->strategy = strategies[i];
		err = strategies[i]->changes(p);
		if (err == DS_OK)
			use(p, strategies[i], refusal);
		if (err != DS_ERR_VERSION || p->cookie.len > 0)
			break;
		(void)snprintf(refusal, sizeof(refusal), "%s",
			       dss_conn_text(p->s->conn));
	}
	return err;
}

static int fetch_changes(struct dss_pull *p)
{
	if (p->full)
		return load_all(p);
	if (!p->s->status.strategy)
		use(p, p->strategy, "");
	return p->strategy->changes(p);
}

/*
 * Whom a search does not find may exist: who logs in as such a one again and
 * again must not have everything listed each time.
 */
static void list_in_doubt(struct dss_pull *p)
{
	if (!p->s->doubt || p->full || ds_now_ms() < p->s->relist_at)
		return;
	p->s->relist_at = ds_now_ms() + RELIST_MS;
	p->reconcile = true;
}

/* What went counts for a reconcile_interval, or until somebody asks for all:
 * full loads that a server brings about may follow each other. */
static int load_valve(struct dss_pull *p)
{
	uint64_t now = (uint64_t)time(NULL);
	int err = dss_valve_load(p->m.txn, &p->valve);

	if (p->first || p->asked_full || p->accept || now < p->valve.since ||
	    now - p->valve.since >= p->s->config.sync.reconcile_interval)
		p->valve = (struct dss_valve){ .since = now };
	return err;
}

static int fetch(struct dss_pull *p)
{
	size_t known = 0;
	int err = dss_txn_count(p->m.txn, &known);

	p->m.full = p->full;
	p->reconcile = !p->full && reconcile_due(p);
	dss_pull_phase(p->s,
		       p->first  ? "first load"
		       : p->full ? "full load"
				 : "changes",
		       p->full ? known : 0);
	if (err == DS_OK)
		err = load_valve(p);
	if (err == DS_OK)
		err = fetch_changes(p);
	if (err == DS_OK)
		err = dss_faded_accept(p);
	if (err == DS_OK)
		err = dss_mirror_relink(&p->m);
	if (err == DS_OK)
		err = dss_reread_partial(p);
	if (err == DS_OK)
		err = dss_reread_incomplete(p);
	if (err == DS_OK)
		err = dss_reread_asked(p);
	if (err == DS_OK)
		list_in_doubt(p);
	if (err == DS_OK && p->reconcile)
		err = list_all(p);
	if (err == DS_OK)
		err = dss_faded_check(p);
	if (err == DS_OK)
		err = drop_gone(p);
	return err;
}

/* ---- who of it is shown ---- */

static int rescope(struct dss_sync *s, struct dss_mirror *m,
		   struct dss_rescope *r)
{
	int err = dss_rescope(m, r);

	if (err || !r->looked)
		return err;
	dss_pull_notice(s, DSS_NOTICE_SCOPE, r->notice);
	if (r->left > 0)
		ds_log(DS_LOG_INFO, "%zu objects left the scope", r->left);
	if (r->kept > 0)
		ds_log(DS_LOG_WARN,
		       "%zu objects would leave the scope at once: they stay; "
		       "accept with dssyncctl sync --accept-deletes",
		       r->kept);
	return DS_OK;
}

static int rescope_pull(struct dss_pull *p)
{
	struct dss_rescope r = {
		.config = &p->s->config,
		.domain_sid = &p->meta.sid,
		.netbios = p->meta.netbios,
		.store = p->s->store,
		.first = p->first,
		.accept = p->accept,
	};

	return rescope(p->s, &p->m, &r);
}

/* Fewer attributes need no load: the cookie is good for them, too. */
static int rescope_attributes(struct dss_sync *s, struct dss_mirror *m,
			      struct dss_meta *meta)
{
	char more[sizeof(meta->request)], fewer[sizeof(meta->request)];
	int err = make_request(true, more, sizeof(more));

	if (err == DS_OK)
		err = make_request(false, fewer, sizeof(fewer));
	if (err || is_mapped(s) || strcmp(meta->request, more) != 0)
		return err;
	ds_log(DS_LOG_INFO, "attributes that are only shown are forgotten");
	memcpy(meta->request, fewer, sizeof(fewer));
	err = dss_mirror_bare(m);
	return err ? err : dss_meta_save(m->txn, meta);
}

int dss_pull_rescope(struct dss_sync *s)
{
	struct dss_mirror m;
	struct dss_meta meta;
	struct dss_txn *txn;
	struct dss_rescope r = { .config = &s->config,
				 .domain_sid = &meta.sid,
				 .netbios = meta.netbios,
				 .look = true };
	int err = dss_txn_begin(s->store, true, &txn);

	if (err)
		return err;
	dss_mirror_init(&m, txn, false);
	err = dss_meta_load(txn, &meta);
	if (err == DS_OK && dss_meta_serves(&meta, s->config.domain.name)) {
		err = rescope_attributes(s, &m, &meta);
		if (err == DS_OK)
			err = rescope(s, &m, &r);
	}
	dss_mirror_done(&m);
	/* A unit that was renamed is known by its new name by a listing. */
	s->doubt |= r.notice[0] != 0;
	if (err == DS_OK)
		return dss_txn_commit(txn);
	dss_txn_abort(txn);
	return err;
}

static int save(struct dss_pull *p)
{
	size_t objects = 0;
	int err = dss_txn_count(p->m.txn, &objects);

	if (err)
		return err;
	/* A domain has users; one that shows none withholds them. */
	if (p->first && objects == 0)
		return DS_ERR_NOTFOUND;
	err = p->first ? dss_lost_check(p) : DS_OK;
	if (err)
		return err;
	p->meta.objects = objects;
	p->s->status.objects = objects;
	p->policy_changed =
	    !dss_policy_equal(&p->meta.policy, &p->s->domain.policy);
	p->meta.policy = p->s->domain.policy;
	(void)snprintf(p->meta.strategy, sizeof(p->meta.strategy), "%s",
		       p->strategy->key);
	p->meta.complete = true;
	if (p->full)
		p->meta.reconciled = (uint64_t)time(NULL);
	err = dss_meta_save(p->m.txn, &p->meta);
	if (err == DS_OK)
		err = dss_valve_save(p->m.txn, &p->valve);
	if (err == DS_OK)
		err = dss_usn_save(p->m.txn, p->marked ? &p->usn : NULL);
	if (err == DS_OK)
		err = dss_site_save(p->s, p->m.txn);
	return err ? err : dss_meta_set_cookie(p->m.txn, &p->cookie);
}

/* What a delta shows is one look: only a look at all takes it back. */
static void tell_passed_over(struct dss_pull *p)
{
	char notice[DSS_TEXT] = "", guid[DS_GUID_STR_MAX];

	if (p->refused > 0)
		(void)snprintf(notice, sizeof(notice),
			       "objects that the server tells of, and that "
			       "the host's account may not read: %llu, the "
			       "first of them %s",
			       (unsigned long long)p->refused,
			       ds_guid_to_str(&p->barred, guid));
	if (p->m.malformed > 0)
		(void)snprintf(notice, sizeof(notice),
			       "entries without a usable objectGUID are "
			       "passed over: %llu, the first of them \"%s\"",
			       (unsigned long long)p->m.malformed,
			       p->m.malformed_dn);
	if (notice[0] || p->full || p->reconcile)
		dss_pull_notice(p->s, DSS_NOTICE_ENTRIES, notice);
}

/* One attempt: a transaction that is kept whole or not at all. */
static int attempt(struct dss_sync *s, uint32_t flags, bool full,
		   bool *ret_changed)
{
	struct dss_pull p = { .s = s };
	struct dss_txn *txn;
	int saved, err = dss_txn_begin(s->store, true, &txn);

	if (err)
		return err;
	dss_mirror_init(&p.m, txn, false);
	err = prepare(&p, flags, full);
	if (err == DS_OK)
		err = mark(&p);
	if (err == DS_OK)
		err = fetch(&p);
	if (err == DS_OK)
		err = rescope_pull(&p);
	if (err == DS_OK && p.reconcile)
		err = read_policy(&p);
	if (err == DS_OK)
		err = save(&p);
	if (err == DS_OK)
		err = dss_txn_commit(txn);
	else
		dss_txn_abort(txn);
	saved = errno;
	if (err == DS_OK) {
		if (p.full || p.accept || !s->faded_by_load)
			dss_pull_notice(s, DSS_NOTICE_FADED, "");
		tell_passed_over(&p);
		s->doubt &= !p.full && !p.reconcile;
		if (p.full || p.reconcile)
			s->reconcile_at = 0;
		*ret_changed = p.m.changed > 0 || p.first || p.policy_changed;
		s->nasked -= p.asked;
		memmove(s->asked, s->asked + p.asked,
			s->nasked * sizeof(s->asked[0]));
	}
	dss_mirror_done(&p.m);
	free(p.cookie.data);
	errno = saved;
	return err;
}

int dss_pull(struct dss_sync *s, uint32_t flags, bool *ret_changed)
{
	int err;

	s->why[0] = 0;
	err = attempt(s, flags, false, ret_changed);
	if (err == DS_ERR_VERSION && !(flags & DS_PULL_FULL)) {
		ds_log(DS_LOG_NOTICE,
		       "%s cannot go on from the last change that it told "
		       "(%s): full load",
		       s->status.server,
		       s->why[0] ? s->why : dss_conn_text(s->conn));
		s->why[0] = 0;
		err = attempt(s, flags, true, ret_changed);
	}
	return err;
}

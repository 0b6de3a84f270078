/*
 * One pull: DirSync to its end, what came in parts read again, and now and
 * then a listing of everything, since deletions are invisible to an ordinary
 * account.  All of it is one transaction, cookie included.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "lib/log.h"
#include "lib/snapshot.h"
#include "lib/wire.h"
#include "synccache/sync/meta.h"
#include "synccache/sync/mirror.h"
#include "synccache/sync/sync.h"
#include "synccache/sync/usn.h"
#include "synccache/sync/valve.h"

typedef int (*identity_getter)(const struct ds_snap *snap, uint32_t index,
			       struct ds_snap_identity *ret_id);

/* Tombstones keep their objectClass, and only that (MS-ADTS 3.1.1.5.5). */
#define FILTER                                                                \
	"(|(&(objectClass=user)(!(objectClass=computer)))(objectClass=group)" \
	")"
#define SILENCE_MS  60000
#define ROUNDS_MAX  1000000 /* of DirSync in one pull */
#define GUID_DN_MAX 64

struct pull {
	struct dss_sync *s;
	struct dss_mirror m;
	struct dss_meta meta;
	struct dss_cookie cookie;
	bool first; /* there was nothing whole before */
	bool full, reconcile, accept;
};

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

static void count_one(struct dss_sync *s)
{
	s->status.progress++;
	dss_status_changed(s);
}

static void begin_phase(struct dss_sync *s, const char *phase,
			uint64_t expected)
{
	s->status.progress = 0;
	s->status.expected = expected;
	s->status.progress_since = ds_now_ms();
	dss_status_state(s, DSS_PULLING, phase);
}

static int on_delta(void *arg, const struct dss_entry *entry)
{
	struct pull *p = arg;

	count_one(p->s);
	return dss_mirror_delta(&p->m, entry);
}

static int on_nothing(void *arg, const struct dss_entry *entry)
{
	(void)arg;
	(void)entry;
	return DS_OK;
}

static int on_listed(void *arg, const struct dss_entry *entry)
{
	struct pull *p = arg;

	count_one(p->s);
	return dss_mirror_listed(&p->m, entry);
}

static struct dss_search tree_search(struct pull *p, const char *const *attrs,
				     int (*entry)(void *,
						  const struct dss_entry *))
{
	return (struct dss_search){
		.base = p->s->domain.base_dn,
		.scope = DSS_SCOPE_TREE,
		.filter = FILTER,
		.attrs = attrs,
		.entry = entry,
		.arg = p,
		.silence_ms = SILENCE_MS,
	};
}

static const char *const *wanted(const struct dss_sync *s)
{
	return dss_object_attributes(s->config.sync.attributes ==
				     DS_ATTRIBUTES_MAPPED);
}

static int on_whole(void *arg, const struct dss_entry *entry)
{
	struct pull *p = arg;

	count_one(p->s);
	return dss_mirror_whole(&p->m, entry);
}

/*
 * The listing that takes DirSync's place: all objects, or those changed since
 * the mark in the cookie's place, each as a whole.  A server that does not
 * say where it stands is listed from the start each time.
 */
static int paged(struct pull *p)
{
	struct dss_search search = tree_search(p, wanted(p->s), on_whole);
	struct dss_usn last, now;
	char filter[sizeof(FILTER) + 64];
	int err, marked = dss_usn_read(p->s->conn, SILENCE_MS, &now);

	if (marked != DS_OK && marked != DS_ERR_NOTFOUND &&
	    marked != DS_ERR_DENIED)
		return marked;
	if (!p->full) {
		if (!dss_usn_from_cookie(&p->cookie, &last) ||
		    marked != DS_OK ||
		    !ds_guid_equal(&last.invocation, &now.invocation)) {
			(void)snprintf(p->s->why, sizeof(p->s->why),
				       "its database is another one");
			return DS_ERR_VERSION;
		}
		(void)snprintf(filter, sizeof(filter),
			       "(&" FILTER "(uSNChanged>=%llu))",
			       (unsigned long long)last.highest + 1);
		search.filter = filter;
	}
	search.extended_dn = true;
	err = dss_conn_search(p->s->conn, &search, true);
	if (err == DS_OK && marked == DS_OK)
		err = dss_usn_to_cookie(&now, &p->cookie);
	return err;
}

static int dirsync(struct pull *p)
{
	struct dss_search search = tree_search(p, wanted(p->s), on_delta);
	bool more = true;
	int err = DS_OK;

	search.extended_dn = true;
	for (int round = 0; more && err == DS_OK; round++) {
		if (round == ROUNDS_MAX)
			return DS_ERR_LIMIT;
		err = dss_conn_dirsync(p->s->conn, &search, &p->cookie, &more);
	}
	return err;
}

/* ---- one whole object, by GUID ---- */

struct reread {
	struct dss_object obj;
	struct dss_arena arena;
	struct dss_guids groups; /* memberOf */
	bool found;
	uint32_t next; /* first member of the next slice; 0: all are there */
};

static int take_groups(struct reread *r, const struct dss_entry *entry)
{
	const struct dss_attr *attr = dss_entry_find(entry, "memberOf");

	for (size_t i = 0; attr && i < attr->count; i++) {
		struct ds_guid guid;
		const char *dn;

		if (dss_extdn_parse(&attr->values[i], &guid, &dn) == DS_OK &&
		    dss_guids_add(&r->groups, &guid) != 0)
			return DS_ERR_NOMEM;
	}
	return DS_OK;
}

/*
 * Applies the entry and moves the result into the arena, by way of its stored
 * form: the entry's bytes are gone when the search goes on.
 */
static int keep_object(struct reread *r, const struct dss_entry *entry)
{
	struct ds_guid guid = r->obj.guid;
	const uint8_t *data;
	size_t len;
	int err = dss_object_apply(&r->obj, entry, DSS_APPLY_READ, &r->arena);

	if (err == DS_OK)
		err = dss_object_encode(&r->obj, &r->arena, &data, &len);
	return err ? err : dss_object_decode(&guid, data, len, &r->obj);
}

static int on_reread(void *arg, const struct dss_entry *entry)
{
	struct reread *r = arg;
	struct ds_guid guid;

	/* Another object than the one asked for is nobody's. */
	if (dss_entry_guid(entry, &guid) != 0 ||
	    !ds_guid_equal(&guid, &r->obj.guid))
		return DS_OK;
	r->found = true;
	r->next = 0;
	for (size_t i = 0; i < entry->count; i++) {
		uint32_t low, high;
		size_t len;

		if (dss_range_parse(entry->attrs[i].name, &len, &low, &high))
			continue;
		if (high != UINT32_MAX && high >= low)
			r->next = high + 1;
	}
	if (take_groups(r, entry) != 0)
		return DS_ERR_NOMEM;
	return keep_object(r, entry);
}

static int reread_once(struct pull *p, struct reread *r)
{
	static const char *attrs[64];
	const char *const *all = wanted(p->s);
	char base[GUID_DN_MAX], guid[DS_GUID_STR_MAX], range[48];
	struct dss_search search = tree_search(p, attrs, on_reread);
	size_t n = 0;

	(void)snprintf(base, sizeof(base), "<GUID=%s>",
		       ds_guid_to_str(&r->obj.guid, guid));
	(void)snprintf(range, sizeof(range), "member;range=%u-*", r->next);
	attrs[n++] = "objectGUID";
	attrs[n++] = "memberOf";
	if (r->next > 0)
		attrs[n++] = range;
	for (; r->next == 0 && *all; all++)
		attrs[n++] = *all;
	attrs[n] = NULL;
	search.base = base;
	search.scope = DSS_SCOPE_BASE;
	search.filter = "(objectClass=*)";
	search.extended_dn = true;
	search.arg = r;
	return dss_conn_search(p->s->conn, &search, false);
}

static int store_reread(struct pull *p, const struct reread *r)
{
	int err;

	if (!r->found || r->obj.kind == DSS_KIND_NONE)
		return dss_guids_add(&p->m.gone, &r->obj.guid);
	err = dss_mirror_replace(&p->m, &r->obj);
	/*
	 * An object that appears without being new (it became readable): its
	 * groups have no change to report.
	 */
	for (size_t i = 0; i < r->groups.count && err == DS_OK; i++)
		err = dss_mirror_join(&p->m, &r->obj.guid, &r->groups.list[i]);
	return err;
}

static int reread(struct pull *p, const struct ds_guid *guid)
{
	struct reread r = { .found = false };
	uint32_t last;
	int err;

	dss_object_init(&r.obj, guid);
	do {
		last = r.next;
		err = reread_once(p, &r);
	} while (err == DS_OK && r.next > last);
	if (err == DS_ERR_NOTFOUND)
		err = DS_OK;
	if (err == DS_OK)
		err = store_reread(p, &r);
	count_one(p->s);
	free(r.groups.list);
	dss_arena_done(&r.arena);
	return err;
}

/* The rest of the members that came in slices. */
static int reread_partial(struct pull *p)
{
	struct dss_guids *todo = &p->m.partial;

	for (size_t i = 0; i < todo->count; i++) {
		int err = reread(p, &todo->list[i]);

		if (err)
			return err;
	}
	todo->count = 0;
	return DS_OK;
}

/* What a delta told only in part, or a listing showed for the first time. */
static int reread_incomplete(struct pull *p)
{
	struct dss_guids *todo = &p->m.incomplete;

	if (todo->count > 0)
		begin_phase(p->s, "reading single objects", todo->count);
	for (size_t i = 0; i < todo->count; i++) {
		struct dss_object obj;
		int err = dss_mirror_get(&p->m, &todo->list[i], &obj);

		if (err == DS_OK && dss_object_complete(&obj))
			continue; /* another entry completed it */
		err = reread(p, &todo->list[i]);
		if (err)
			return err;
	}
	todo->count = 0;
	return DS_OK;
}

/* ---- the whole ---- */

static int list_all(struct pull *p)
{
	static const char *const attrs[] = { "objectGUID", NULL };
	struct dss_search search = tree_search(p, attrs, on_listed);
	size_t known = 0;
	int err = dss_txn_count(p->m.txn, &known);

	if (err)
		return err;
	begin_phase(p->s, "looking for deletions", known);
	err = dss_conn_search(p->s->conn, &search, true);
	if (err == DS_OK)
		err = reread_incomplete(p);
	if (err == DS_OK)
		p->meta.reconciled = (uint64_t)time(NULL);
	return err;
}

static int drop_gone(struct pull *p)
{
	size_t dropped = 0, held = 0;
	int err = DS_OK;

	if (p->full || p->reconcile)
		err = dss_mirror_missing(&p->m);
	if (err == DS_OK)
		err = dss_mirror_drop(&p->m,
				      p->s->config.sync.max_delete_percent,
				      p->accept, &dropped, &held);
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
static int make_request(const struct dss_sync *s, char *buf, size_t cap)
{
	size_t used;
	int n = snprintf(buf, cap, "%s", FILTER);

	if (n < 0 || (size_t)n >= cap)
		return DS_ERR_LIMIT;
	used = (size_t)n;
	for (const char *const *a = wanted(s); *a; a++) {
		n = snprintf(buf + used, cap - used, " %s", *a);
		if (n < 0 || (size_t)n >= cap - used)
			return DS_ERR_LIMIT;
		used += (size_t)n;
	}
	return DS_OK;
}

/* Decides what kind of pull this is, from what the store stands for. */
static int prepare(struct pull *p, uint32_t flags)
{
	const struct dss_sync *s = p->s;
	char request[sizeof(p->meta.request)];
	bool other_domain;
	int err = dss_meta_load(p->m.txn, &p->meta);

	if (err == DS_OK)
		err = make_request(s, request, sizeof(request));
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
	p->full = !p->meta.complete || other_domain || p->cookie.len == 0 ||
		  (flags & DS_PULL_FULL) ||
		  strcmp(p->meta.request, request) != 0 ||
		  strcmp(p->meta.server, s->status.server) != 0;
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

/* A host's own share of the interval, so that hosts do not come together. */
static uint64_t reconcile_after(const struct pull *p)
{
	uint64_t interval = p->s->config.sync.reconcile_interval;
	uint64_t spread = interval / 5;

	return interval - spread / 2 +
	       (spread ? p->meta.hash_key[0] % spread : 0);
}

static bool reconcile_due(const struct pull *p)
{
	uint64_t now = (uint64_t)time(NULL);

	return p->accept || now < p->meta.reconciled ||
	       now - p->meta.reconciled >= reconcile_after(p);
}

/* Says which strategy is at work, and why; in the log when it changes. */
static void strategy(struct pull *p, const char *name, const char *why)
{
	struct dss_status *st = &p->s->status;

	if (!st->strategy || strcmp(st->strategy, name) != 0)
		ds_log(DS_LOG_INFO, "%s: changes by %s: %s", st->server, name,
		       why);
	st->strategy = name;
	(void)snprintf(st->strategy_why, sizeof(st->strategy_why), "%s", why);
}

static int fetch_changes(struct pull *p)
{
	struct dss_usn usn;
	char why[DSS_TEXT];
	int err;

	if (p->full || !dss_usn_from_cookie(&p->cookie, &usn)) {
		err = dirsync(p);
		if (err == DS_OK)
			strategy(p, "dirsync",
				 "the server takes it, and the host's account "
				 "needs no right for it");
		if (err != DS_ERR_VERSION || p->cookie.len > 0)
			return err;
		(void)snprintf(why, sizeof(why), "DirSync is refused (%s)",
			       dss_conn_text(p->s->conn));
		strategy(p, "paged", why);
	} else if (!p->s->status.strategy) {
		strategy(p, "paged", "DirSync was refused before");
	}
	return paged(p);
}

/*
 * A base that is not there (renamed, or not to be read any more) would take
 * all that is below it away.
 */
static bool bases_exist(struct pull *p)
{
	static const char *const attrs[] = { "1.1", NULL };
	struct dss_search search = tree_search(p, attrs, on_nothing);

	search.scope = DSS_SCOPE_BASE;
	search.filter = "(objectClass=*)";
	for (char **base = p->s->config.sync.bases; *base; base++) {
		search.base = *base;
		if (dss_conn_search(p->s->conn, &search, false) !=
		    DS_ERR_NOTFOUND)
			continue;
		(void)snprintf(p->s->why, sizeof(p->s->why),
			       "sync.bases: \"%s\" is not in the directory, "
			       "or may not be read: what is published stays "
			       "as it is",
			       *base);
		return false;
	}
	return true;
}

/* The bases, where something could get lost with them. */
static int check_bases(struct pull *p)
{
	if ((!p->full && !p->reconcile) || bases_exist(p))
		return DS_OK;
	if (p->full)
		return DS_ERR_DENIED;
	/* Changes go on; what was there is looked for another time. */
	ds_log(DS_LOG_WARN, "%s", p->s->why);
	p->s->why[0] = 0;
	p->reconcile = false;
	p->meta.reconciled = (uint64_t)time(NULL);
	return DS_OK;
}

static int fetch(struct pull *p)
{
	size_t known = 0;
	int err = dss_txn_count(p->m.txn, &known);

	p->m.full = p->full;
	p->reconcile = !p->full && reconcile_due(p);
	if (p->full)
		p->cookie.len = 0;
	begin_phase(p->s, p->full ? "first load" : "changes",
		    p->full ? known : 0);
	if (err == DS_OK)
		err = check_bases(p);
	if (err == DS_OK)
		err = fetch_changes(p);
	if (err == DS_OK)
		err = reread_partial(p);
	if (err == DS_OK)
		err = reread_incomplete(p);
	if (err == DS_OK && p->reconcile)
		err = list_all(p);
	if (err == DS_OK)
		err = drop_gone(p);
	return err;
}

/* How many published users (or groups) of this domain are not in the store. */
static size_t count_lost(struct pull *p, const struct ds_snap *snap,
			 uint32_t count, identity_getter get, size_t *total)
{
	size_t lost = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct ds_snap_identity id;
		struct ds_sid domain;
		const uint8_t *data;
		uint32_t rid;
		size_t len;

		if (get(snap, i, &id) != 0 ||
		    ds_sid_split(&id.sid, &domain, &rid) != 0 ||
		    !ds_sid_equal(&domain, &p->s->domain.sid))
			continue;
		++*total;
		if (dss_txn_get(p->m.txn, &id.guid, &data, &len) ==
		    DS_ERR_NOTFOUND)
			lost++;
	}
	return lost;
}

/*
 * The valve of a first load, which has no store to compare with: a store
 * that was made anew must not empty the host because the account can read
 * less than before.  What is published says what there was.
 */
static int check_published(struct pull *p)
{
	struct ds_snap snap;
	size_t lost, total = 0;

	if (p->accept ||
	    ds_snap_open(DS_PUBLIC_SNAP, DS_SNAP_BASE, 0, &snap) != 0)
		return DS_OK;
	lost = count_lost(p, &snap, ds_snap_user_count(&snap),
			  ds_snap_user_identity, &total);
	lost += count_lost(p, &snap, ds_snap_group_count(&snap),
			   ds_snap_group_identity, &total);
	ds_snap_close(&snap);
	if (dss_valve_allows(lost, total,
			     p->s->config.sync.max_delete_percent))
		return DS_OK;
	(void)snprintf(p->s->why, sizeof(p->s->why),
		       "the directory does not show %zu of %zu published "
		       "users and groups: may the host's account still read "
		       "them? If they are gone: dssyncctl sync "
		       "--accept-deletes",
		       lost, total);
	return DS_ERR_DENIED;
}

static int save(struct pull *p)
{
	size_t objects = 0;
	int err = dss_txn_count(p->m.txn, &objects);

	if (err)
		return err;
	/* A domain has users; one that shows none withholds them. */
	if (p->first && objects == 0)
		return DS_ERR_NOTFOUND;
	err = p->first ? check_published(p) : DS_OK;
	if (err)
		return err;
	p->meta.objects = objects;
	p->s->status.objects = objects;

	p->meta.complete = true;
	if (p->full)
		p->meta.reconciled = (uint64_t)time(NULL);
	err = dss_meta_save(p->m.txn, &p->meta);
	return err ? err : dss_meta_set_cookie(p->m.txn, &p->cookie);
}

/* One attempt: a transaction that is kept whole or not at all. */
static int attempt(struct dss_sync *s, uint32_t flags, bool *ret_changed)
{
	struct pull p = { .s = s };
	struct dss_txn *txn;
	int saved, err = dss_txn_begin(s->store, true, &txn);

	if (err)
		return err;
	dss_mirror_init(&p.m, txn, false);
	err = prepare(&p, flags);
	if (err == DS_OK)
		err = fetch(&p);
	if (err == DS_OK)
		err = save(&p);
	if (err == DS_OK)
		err = dss_txn_commit(txn);
	else
		dss_txn_abort(txn);
	saved = errno;
	if (p.m.malformed > 0)
		ds_log(DS_LOG_WARN, "%llu entries without a usable objectGUID",
		       (unsigned long long)p.m.malformed);
	if (err == DS_OK)
		*ret_changed = p.m.changed > 0 || p.first;
	dss_mirror_done(&p.m);
	free(p.cookie.data);
	errno = saved;
	return err;
}

int dss_pull(struct dss_sync *s, uint32_t flags, bool *ret_changed)
{
	int err;

	s->why[0] = 0;
	err = attempt(s, flags, ret_changed);
	if (err == DS_ERR_VERSION && !(flags & DS_PULL_FULL)) {
		ds_log(DS_LOG_NOTICE,
		       "%s cannot go on from the last change that it told "
		       "(%s): full load",
		       s->status.server,
		       s->why[0] ? s->why : dss_conn_text(s->conn));
		s->why[0] = 0;
		err = attempt(s, flags | DS_PULL_FULL, ret_changed);
	}
	return err;
}

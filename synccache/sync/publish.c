/*
 * From the store to the two snapshots in stage/, and to the monitor, who
 * publishes them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/snapshot_write.h"
#include "lib/wire.h"
#include "synccache/sync/meta.h"
#include "synccache/sync/model.h"
#include "synccache/sync/pins.h"
#include "synccache/sync/snapshots.h"
#include "synccache/sync/sync.h"

#define LOCAL_PASSWD "/etc/passwd"
#define LOCAL_GROUP  "/etc/group"
#define LOCAL_SHELLS "/etc/shells"
/* Pages that these freed cannot be used again while a reader stays. */
#define COMMITS_MAX 256
/* A model above this, of some 40,000 users, is kept for a while only. */
#define SMALL           ((size_t)48 << 20)
#define LARGE_KEPT_MS   (10 * 60 * 1000)
#define WITHHELD_LOGGED 20 /* names in one go; explain has them all */

static int check_one(void *arg, const struct ds_guid *guid,
		     const uint8_t *data, size_t len)
{
	struct dss_object obj;

	--*(uint64_t *)arg;
	return dss_object_decode(guid, data, len, &obj);
}

int dss_publish_check(struct dss_sync *s)
{
	struct dss_meta meta;
	struct dss_txn *txn;
	int err = dss_txn_begin(s->store, false, &txn);

	if (err)
		return err;
	err = dss_meta_load(txn, &meta);
	if (err == DS_OK)
		err = dss_txn_each(txn, check_one, &meta.objects);
	if (err == DS_OK && meta.objects != 0)
		err = DS_ERR_FORMAT;
	dss_txn_abort(txn);
	return err;
}

/* A file in the making, beside the one whose place it takes. */
struct draft {
	char path[4096], tmp[4096];
	int fd;
};

static int draft_open(struct draft *d, const char *dir, const char *name)
{
	if ((size_t)snprintf(d->path, sizeof(d->path), "%s/%s", dir, name) >=
		sizeof(d->path) ||
	    (size_t)snprintf(d->tmp, sizeof(d->tmp), "%s/%s.new", dir, name) >=
		sizeof(d->tmp))
		return DS_ERR_INVAL;
	d->fd = open(
	    d->tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	return d->fd < 0 ? DS_ERR_SYS : DS_OK;
}

/* In its place if all went well, and gone otherwise. */
static int draft_close(struct draft *d, int err)
{
	int saved = errno;

	if (close(d->fd) != 0 && err == DS_OK) {
		saved = errno;
		err = DS_ERR_SYS;
	}
	if (err == DS_OK && rename(d->tmp, d->path) != 0) {
		saved = errno;
		err = DS_ERR_SYS;
	}
	if (err)
		(void)unlink(d->tmp);
	errno = saved;
	return err;
}

static int write_base(struct dss_sync *s, struct dss_model *model,
		      const struct dss_meta *meta)
{
	const struct dss_facts facts = { .config = &s->config,
					 .domain_sid = meta->sid };
	struct ds_snapw *w = NULL;
	struct draft d;
	int err = draft_open(&d, s->stage_dir, "base.1.snap");

	if (err)
		return err;
	err =
	    dss_snapshot_base(model, meta->netbios, meta->hash_key, d.fd, &w);
	if (err == DS_OK)
		err = dss_pins_publish(model, &facts, w);
	if (err == DS_OK)
		err = ds_snapw_write(w, d.fd);
	ds_snapw_free(w);
	err = draft_close(&d, err);
	if (err == DS_OK)
		model->base_changed = false;
	return err;
}

static int write_accounts(struct dss_sync *s, struct dss_model *model,
			  const struct dss_meta *meta)
{
	struct ds_snapw *w = NULL;
	struct draft d;
	int err = draft_open(&d, s->stage_dir, "accounts.1.snap");

	if (err)
		return err;
	err = dss_snapshot_accounts(model, &meta->policy, meta->netbios,
				    meta->hash_key, d.fd, &w);
	if (err == DS_OK)
		err = ds_snapw_write(w, d.fd);
	ds_snapw_free(w);
	err = draft_close(&d, err);
	if (err == DS_OK)
		model->accounts_changed = false;
	return err;
}

/* What did not change lies in the stage from the last time. */
static int write_changed(struct dss_sync *s, const struct dss_meta *meta)
{
	struct dss_model *model = &s->resident.model;
	int err = DS_OK;

	if (model->base_changed)
		err = write_base(s, model, meta);
	if (err == DS_OK && model->accounts_changed)
		err = write_accounts(s, model, meta);
	return err;
}

/* True the first time that this is said of the object. */
static bool is_news(struct dss_sync *s, const struct ds_snap_note *note)
{
	struct ds_guid key = note->guid;
	bool fresh = false;

	/* The same object for another reason is news again. */
	key.b[0] ^= (uint8_t)note->reason;
	return dss_guidmap_add(&s->told, &key, 1, &fresh) == DS_OK && fresh;
}

/* What the valve holds back is said in a list of its own. */
static bool is_told(const struct ds_snap_note *note, bool held)
{
	if (held || note->reason == DS_WH_HELD_BACK)
		return held && note->reason == DS_WH_HELD_BACK;
	return note->reason == DS_WH_IN_PART ||
	       ds_withheld_by_fault(note->reason);
}

/* By an older object, which may be gone without a word. */
static bool is_taken(const struct ds_snap_note *note)
{
	return note->reason == DS_WH_NAME_CONFLICT ||
	       note->reason == DS_WH_ID_CONFLICT;
}

/*
 * Names in the log what is withheld, broken, or held back: each once.  What
 * stands in the way of such an object is to be looked for in the directory.
 */
static void log_notes(struct dss_sync *s, const struct dss_model *model,
		      bool held)
{
	size_t shown = 0;

	for (size_t i = 0; i < model->nnotes; i++) {
		const struct ds_snap_note *note = &model->notes[i];
		bool in_part = note->reason == DS_WH_IN_PART;

		if (!is_told(note, held) || !is_news(s, note))
			continue;
		s->doubt |= is_taken(note);
		if (++shown > WITHHELD_LOGGED)
			continue;
		ds_log(DS_LOG_NOTICE, "%s \"%s\" is %s: %s",
		       note->group ? "group" : "user", note->name,
		       held      ? "held back"
		       : in_part ? "published in part"
				 : "withheld",
		       note->detail);
	}
	if (shown > WITHHELD_LOGGED)
		ds_log(DS_LOG_NOTICE, "%zu more%s: dssyncctl explain NAME",
		       shown - WITHHELD_LOGGED, held ? " held back" : "");
}

/* Keeps what the status shows of the model. */
static void remember(struct dss_sync *s, const struct dss_model *model)
{
	struct dss_status *st = &s->status;

	dss_status_done(st);
	memset(st->held, 0, sizeof(st->held));
	st->nheld = 0;
	st->users = model->nusers;
	st->groups = model->ngroups;
	st->withheld = st->in_part = 0;
	for (size_t i = 0; i < model->nnotes; i++) {
		const struct ds_snap_note *note = &model->notes[i];

		if (note->reason != DS_WH_HELD_BACK) {
			st->withheld += ds_withheld_by_fault(note->reason);
			st->in_part += note->reason == DS_WH_IN_PART;
			continue;
		}
		if (st->nheld < DSS_HELD_SHOWN)
			st->held[st->nheld] =
			    strndup(note->name, DSS_HELD_NAME);
		if (st->nheld >= DSS_HELD_SHOWN || st->held[st->nheld])
			st->nheld++;
	}
	log_notes(s, model, true);
	log_notes(s, model, false);
}

/* ---- the model ---- */

/* A store that was made anew knows nothing; what is published does. */
static int recover_pins(const struct dss_meta *meta, struct dss_arena *arena,
			struct dss_pins *ret_pins)
{
	struct ds_snap snap;
	int err;

	if (ds_snap_open(DS_PUBLIC_SNAP, DS_SNAP_BASE, 0, &snap) != 0)
		return DS_OK;
	err = dss_pins_recover(&snap, &meta->sid, arena, ret_pins);
	ds_snap_close(&snap);
	if (err == DS_OK && ret_pins->known)
		ds_log(DS_LOG_INFO,
		       "how ids were given out is known from the published "
		       "snapshot");
	return err;
}

/* DS_ERR_CONFLICT: ids would change that were given out. */
static int load_pins(struct dss_sync *s, struct dss_txn *txn,
		     const struct dss_meta *meta, struct dss_arena *arena,
		     struct dss_pins *ret_pins)
{
	int err = dss_pins_load(txn, &meta->sid, arena, ret_pins);

	if (err == DS_OK && !ret_pins->known)
		err = recover_pins(meta, arena, ret_pins);
	if (err || dss_pins_agree(ret_pins, &s->config, arena))
		return err;
	if (!s->renumber)
		return DS_ERR_CONFLICT;
	*ret_pins = (struct dss_pins){ .known = false };
	return DS_OK;
}

/* True if nothing but the objects can have changed since the last time. */
static bool same_facts(const struct dss_sync *s, const struct dss_meta *meta)
{
	const struct dss_basis *basis = &s->basis;

	return !s->renumber && basis->locals_stamp != 0 &&
	       basis->locals_stamp == s->locals_stamp &&
	       ds_sid_equal(&basis->sid, &meta->sid) &&
	       memcmp(basis->hash_key, meta->hash_key,
		      sizeof(basis->hash_key)) == 0 &&
	       strcmp(basis->netbios, meta->netbios) == 0 &&
	       strcmp(basis->base_dn, meta->base_dn) == 0;
}

static void keep_facts(struct dss_sync *s, const struct dss_meta *meta)
{
	struct dss_basis *basis = &s->basis;

	basis->used_ms = ds_now_ms();
	basis->slack = true;
	basis->locals_stamp = s->locals_stamp;
	basis->sid = meta->sid;
	memcpy(basis->hash_key, meta->hash_key, sizeof(basis->hash_key));
	basis->policy = meta->policy;
	memcpy(basis->netbios, meta->netbios, sizeof(basis->netbios));
	memcpy(basis->base_dn, meta->base_dn, sizeof(basis->base_dn));
}

/* Brings s->resident to what txn shows; txn is taken over in any case. */
static int load_model(struct dss_sync *s, struct dss_txn *txn,
		      const struct dss_meta *meta)
{
	struct dss_facts facts = {
		.config = &s->config,
		.domain_sid = meta->sid,
		.netbios = meta->netbios,
		.base_dn = meta->base_dn,
	};
	struct dss_pins pins = { .known = false };
	struct dss_locals locals = { 0 };
	struct dss_arena arena = { 0 };
	uint64_t builds = s->resident.builds;
	const uint8_t *record;
	size_t len;
	int err = load_pins(s, txn, meta, &arena, &pins);

	if (err == DS_OK)
		err = dss_locals_load(LOCAL_PASSWD, LOCAL_GROUP, LOCAL_SHELLS,
				      &locals);
	facts.locals = &locals;
	facts.pins = pins.slices;
	facts.npins = pins.nslices;
	if (err || !same_facts(s, meta))
		dss_resident_done(&s->resident);
	if (err)
		dss_txn_abort(txn);
	else
		err = dss_resident_load(&s->resident, txn, meta->objects,
					&facts);
	/* Limits of accounts are worked out from it. */
	if (!dss_policy_equal(&s->basis.policy, &meta->policy))
		s->resident.model.accounts_changed = true;
	if (err == DS_OK)
		keep_facts(s, meta);
	/* An update gives no new ids. */
	if (err == DS_OK && s->resident.builds != builds)
		err = dss_pins_encode(&s->resident.model, &facts, &arena,
				      &record, &len);
	if (err == DS_OK && s->resident.builds != builds)
		err = dss_pins_save(s->store, record, len);
	/* Else the next time would be an update, and save no pins. */
	if (err)
		dss_publish_forget(s);
	dss_locals_done(&locals);
	dss_arena_done(&arena);
	return err;
}

/* *ret_staged: there is something else to publish than the last time. */
static int stage(struct dss_sync *s, bool all, bool *ret_staged)
{
	struct dss_model *model = &s->resident.model;
	struct dss_meta meta;
	struct dss_txn *txn;
	int err = dss_txn_begin(s->store, false, &txn);

	if (err)
		return err;
	err = dss_meta_load(txn, &meta);
	if (err == DS_OK && !dss_meta_serves(&meta, s->config.domain.name))
		err = DS_ERR_NOTFOUND;
	if (err) {
		dss_txn_abort(txn);
		return err;
	}
	err = load_model(s, txn, &meta);
	if (err)
		return err;
	remember(s, model);
	s->status.objects = s->resident.count;
	model->base_changed |= all;
	model->accounts_changed |= all;
	*ret_staged = model->base_changed || model->accounts_changed;
	return write_changed(s, &meta);
}

int dss_publish(struct dss_sync *s, bool all)
{
	bool staged = false;
	int err;

	s->restage = false;
	dss_status_state(s, DSS_PUBLISHING, "building the snapshot");
	s->locals_stamp =
	    dss_locals_stamp(LOCAL_PASSWD, LOCAL_GROUP, LOCAL_SHELLS);
	err = stage(s, all, &staged);
	if (err || !staged)
		return err;
	dss_status_state(s, DSS_PUBLISHING, "publishing");
	err = dss_channel_publish(s);
	if (err == DS_ERR_FORMAT) /* the monitor's word */
		err = DS_ERR_INVAL;
	if (err == DS_OK) {
		s->renumber = false;
		s->status.last_change = (uint64_t)time(NULL);
		ds_log(DS_LOG_INFO,
		       "published generation %llu: %llu users, "
		       "%llu groups, %llu withheld",
		       (unsigned long long)s->status.generation,
		       (unsigned long long)s->status.users,
		       (unsigned long long)s->status.groups,
		       (unsigned long long)s->status.withheld);
	}
	return err;
}

bool dss_publish_stale(const struct dss_sync *s)
{
	return s->locals_stamp !=
	       dss_locals_stamp(LOCAL_PASSWD, LOCAL_GROUP, LOCAL_SHELLS);
}

void dss_publish_settle(struct dss_sync *s)
{
	const struct dss_resident *r = &s->resident;
	size_t size = r->model.arena.size + r->count * sizeof(*r->objs);
	int64_t unused = ds_now_ms() - s->basis.used_ms;
	bool old = r->txn && dss_txn_age(r->txn) > COMMITS_MAX;

	if (size > SMALL && (old || unused > LARGE_KEPT_MS))
		dss_publish_forget(s);
	/* There is nothing to publish: it only follows. */
	else if (old)
		s->restage |= dss_publish(s, false) != DS_OK;
	if (s->basis.slack)
		(void)malloc_trim(0);
	s->basis.slack = false;
}

void dss_publish_forget(struct dss_sync *s)
{
	dss_resident_done(&s->resident);
}

/*
 * From the store to the two snapshots in stage/, and to the monitor, who
 * publishes them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/snapshot_write.h"
#include "synccache/sync/meta.h"
#include "synccache/sync/model.h"
#include "synccache/sync/pins.h"
#include "synccache/sync/snapshots.h"
#include "synccache/sync/sync.h"

#define LOCAL_PASSWD    "/etc/passwd"
#define LOCAL_GROUP     "/etc/group"
#define WITHHELD_LOGGED 20 /* names in one go; explain has them all */

struct objects {
	struct dss_object *list;
	size_t count, cap;
};

static int visit(void *arg, const struct ds_guid *guid, const uint8_t *data,
		 size_t len)
{
	struct objects *objs = arg;

	if (objs->count == objs->cap)
		return DS_ERR_LIMIT;
	return dss_object_decode(guid, data, len, &objs->list[objs->count++]);
}

/*
 * All objects, or DS_ERR_FORMAT: a store that lost some must never be
 * published, or the host would be emptied.
 */
static int load_objects(struct dss_txn *txn, const struct dss_meta *meta,
			struct objects *objs)
{
	int err = dss_txn_count(txn, &objs->cap);

	if (err == DS_OK && objs->cap != meta->objects)
		err = DS_ERR_FORMAT;
	if (err)
		return err;
	objs->list = calloc(objs->cap + 1, sizeof(*objs->list));
	if (!objs->list)
		return DS_ERR_NOMEM;
	err = dss_txn_each(txn, visit, objs);
	if (err == DS_ERR_LIMIT ||
	    (err == DS_OK && objs->count != meta->objects))
		err = DS_ERR_FORMAT;
	return err;
}

int dss_publish_check(struct dss_sync *s)
{
	struct objects objs = { 0 };
	struct dss_meta meta;
	struct dss_txn *txn;
	int err = dss_txn_begin(s->store, false, &txn);

	if (err)
		return err;
	err = dss_meta_load(txn, &meta);
	if (err == DS_OK)
		err = load_objects(txn, &meta, &objs);
	dss_txn_abort(txn);
	free(objs.list);
	return err;
}

static int write_file(struct ds_snapw *w, const char *dir, const char *name)
{
	char path[4096], tmp[4096];
	int fd, err, saved;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >=
		sizeof(path) ||
	    (size_t)snprintf(tmp, sizeof(tmp), "%s/%s.new", dir, name) >=
		sizeof(tmp))
		return DS_ERR_INVAL;
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		  0600);
	if (fd < 0)
		return DS_ERR_SYS;
	err = ds_snapw_write(w, fd);
	saved = errno;
	if (close(fd) != 0 && err == DS_OK) {
		saved = errno;
		err = DS_ERR_SYS;
	}
	if (err == DS_OK && rename(tmp, path) != 0) {
		saved = errno;
		err = DS_ERR_SYS;
	}
	if (err)
		(void)unlink(tmp);
	errno = saved;
	return err;
}

static int write_both(struct dss_sync *s, const struct dss_model *model,
		      const struct dss_meta *meta)
{
	struct ds_snapw *w = NULL;
	int err = dss_snapshot_base(model, meta->netbios, meta->hash_key, &w);

	if (err == DS_OK)
		err = write_file(w, s->stage_dir, "base.1.snap");
	ds_snapw_free(w);
	w = NULL;
	if (err == DS_OK)
		err = dss_snapshot_accounts(model, meta->netbios,
					    meta->hash_key, &w);
	if (err == DS_OK)
		err = write_file(w, s->stage_dir, "accounts.1.snap");
	ds_snapw_free(w);
	return err;
}

/* Names the withheld in the log when there are others than before. */
static void log_withheld(const struct dss_model *model)
{
	size_t shown = 0;

	for (size_t i = 0; i < model->nnotes && shown < WITHHELD_LOGGED; i++) {
		const struct ds_snap_note *note = &model->notes[i];

		if (!ds_withheld_by_fault(note->reason))
			continue;
		ds_log(DS_LOG_NOTICE, "%s \"%s\" is withheld: %s",
		       note->group ? "group" : "user", note->name,
		       note->detail);
		shown++;
	}
}

/* Keeps what the status shows of the model. */
static void remember(struct dss_sync *s, const struct dss_model *model)
{
	struct dss_status *st = &s->status;
	uint64_t before = st->withheld;

	dss_status_done(st);
	memset(st->held, 0, sizeof(st->held));
	st->nheld = 0;
	st->users = model->nusers;
	st->groups = model->ngroups;
	st->withheld = 0;
	for (size_t i = 0; i < model->nnotes; i++) {
		const struct ds_snap_note *note = &model->notes[i];

		if (note->reason != DS_WH_HELD_BACK) {
			st->withheld += ds_withheld_by_fault(note->reason);
			continue;
		}
		if (st->nheld < DSS_HELD_SHOWN)
			st->held[st->nheld] =
			    strndup(note->name, DSS_HELD_NAME);
		if (st->nheld >= DSS_HELD_SHOWN || st->held[st->nheld])
			st->nheld++;
	}
	if (st->withheld != before)
		log_withheld(model);
}

/* What stage() leaves for when its transaction is over. */
struct kept {
	struct dss_arena arena;
	const uint8_t *pins;
	size_t len;
};

/* DS_ERR_CONFLICT: ids would change that were given out. */
static int load_pins(struct dss_sync *s, struct dss_txn *txn,
		     const struct dss_meta *meta, struct dss_arena *arena,
		     struct dss_pins *ret_pins)
{
	int err = dss_pins_load(txn, &meta->sid, arena, ret_pins);

	if (err || dss_pins_agree(ret_pins, &s->config, arena))
		return err;
	if (!s->renumber)
		return DS_ERR_CONFLICT;
	*ret_pins = (struct dss_pins){ .known = false };
	return DS_OK;
}

static int stage(struct dss_sync *s, struct dss_txn *txn, struct kept *kept)
{
	struct dss_locals locals = { 0 };
	struct objects objs = { 0 };
	struct dss_pins pins = { .known = false };
	struct dss_facts facts;
	struct dss_model model;
	struct dss_meta meta;
	int err = dss_meta_load(txn, &meta);

	if (err == DS_OK && !dss_meta_serves(&meta, s->config.domain.name))
		err = DS_ERR_NOTFOUND;
	if (err == DS_OK)
		err = load_pins(s, txn, &meta, &kept->arena, &pins);
	if (err == DS_OK)
		err = dss_locals_load(LOCAL_PASSWD, LOCAL_GROUP, &locals);
	if (err == DS_OK)
		err = load_objects(txn, &meta, &objs);
	if (err == DS_OK) {
		facts = (struct dss_facts){
			.config = &s->config,
			.locals = &locals,
			.domain_sid = meta.sid,
			.netbios = meta.netbios,
			.base_dn = meta.base_dn,
			.pins = pins.slices,
			.npins = pins.nslices,
		};

		err = dss_model_build(objs.list, objs.count, &facts, &model);
	}
	if (err == DS_OK) {
		remember(s, &model);
		s->status.objects = objs.count;
		err = write_both(s, &model, &meta);
		if (err == DS_OK)
			err = dss_pins_encode(&model, &facts, &kept->arena,
					      &kept->pins, &kept->len);
		dss_model_done(&model);
	}
	free(objs.list);
	dss_locals_done(&locals);
	return err;
}

int dss_publish(struct dss_sync *s)
{
	struct kept kept = { .pins = NULL };
	struct dss_txn *txn;
	int err;

	s->restage = false;
	dss_status_state(s, DSS_PUBLISHING, "building the snapshot");
	s->locals_stamp = dss_locals_stamp(LOCAL_PASSWD, LOCAL_GROUP);
	err = dss_txn_begin(s->store, false, &txn);
	if (err)
		return err;
	err = stage(s, txn, &kept);
	dss_txn_abort(txn);
	if (err == DS_OK)
		err = dss_pins_save(s->store, kept.pins, kept.len);
	dss_arena_done(&kept.arena);
	if (err == DS_OK) {
		dss_status_state(s, DSS_PUBLISHING, "publishing");
		err = dss_channel_publish(s);
		if (err == DS_ERR_FORMAT) /* the monitor's word */
			err = DS_ERR_INVAL;
	}
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
	return s->locals_stamp != dss_locals_stamp(LOCAL_PASSWD, LOCAL_GROUP);
}

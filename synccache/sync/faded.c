/*
 * What a pull would take from objects that stay.
 *
 * An attribute that may not be read any more looks like one without a value,
 * and a load begins each object blank.  So before a pull is kept, each object
 * that it changed is held against the one that the store had.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "synccache/sync/history.h"

/* What somebody is, is called, belongs to, and may. */
#define ESSENTIAL                                                             \
	(DSS_F_CLASS | DSS_F_SID | DSS_F_SAM | DSS_F_UPN | DSS_F_UAC |        \
	 DSS_F_GROUP_TYPE | DSS_F_PRIMARY | DSS_F_CREATED | DSS_F_EXPIRES |   \
	 DSS_F_PWD_SET | DSS_F_LOCKOUT | DSS_F_HOURS | DSS_F_MEMBER)

struct faded {
	struct dss_pull *p;
	struct dss_txn *before;
	struct dss_arena arena;
	struct dss_domains domains;
	uint32_t watched;                   /* enum dss_field */
	struct dss_tally had[DSS_FIELDS];   /* each field, before */
	struct dss_tally fresh[DSS_FIELDS]; /* objects that lose it now */
	struct dss_guids ids;               /* whose id would move */
	char example[DSS_HELD_NAME];
};

static uint32_t watched(const struct ds_config *config)
{
	uint32_t fields = ESSENTIAL;

	if (config->identity.id_mapping == DS_IDMAP_ATTRIBUTE)
		fields |= DSS_F_UID_NUMBER | DSS_F_GID_NUMBER;
	/* It says who is shown: without it everybody is of the cloud. */
	if (config->sync.origin != DS_ORIGIN_ALL)
		fields |= DSS_F_HISTORY;
	return fields;
}

/* `present`, with a bit for members, too. */
static uint32_t fields_of(const struct dss_object *obj)
{
	return (obj->present & ~(uint32_t)DSS_F_MEMBER) |
	       (obj->nmembers > 0 ? DSS_F_MEMBER : 0);
}

static void count(struct dss_tally tally[DSS_FIELDS], uint32_t fields,
		  const struct dss_object *obj)
{
	for (unsigned i = 0; i < DSS_FIELDS; i++) {
		if (fields & (1u << i))
			dss_tally_add(&tally[i], obj->flags);
	}
}

/* ---- ids ---- */

static bool id_moves(const struct faded *f, const struct dss_object *old,
		     const struct dss_object *now)
{
	struct ds_sid was, is;

	if (!dss_history_first(&f->domains, old, &was))
		return false;
	return !dss_history_first(&f->domains, now, &is) ||
	       !ds_sid_equal(&was, &is);
}

/* Gives them the history back that the store had. */
static int keep_ids(struct faded *f)
{
	size_t shown = 0;

	for (size_t i = 0; i < f->ids.count; i++) {
		const struct ds_guid *guid = &f->ids.list[i];
		struct dss_object old;
		const uint8_t *data;
		size_t len;
		int err = dss_txn_get(f->before, guid, &data, &len);

		if (err == DS_OK)
			err = dss_object_decode(guid, data, len, &old);
		if (err == DS_OK)
			err = dss_mirror_keep_history(&f->p->m, &old);
		if (err)
			return err;
		shown += !(old.flags & DSS_OBJ_HISTORY);
	}
	if (shown > 0)
		ds_log(DS_LOG_WARN,
		       "the SIDs that give %zu objects their ids are not in "
		       "their sIDHistory any more: their ids stay; accept "
		       "others with dssyncctl sync --accept-deletes",
		       shown);
	return DS_OK;
}

static int visit_kept(void *arg, const struct ds_guid *guid,
		      const uint8_t *data, size_t len)
{
	struct dss_pull *p = arg;

	if (!(dss_object_flags(data, len) & DSS_OBJ_HISTORY))
		return DS_OK;
	return dss_guids_add(&p->m.partial, guid);
}

int dss_faded_accept(struct dss_pull *p)
{
	if (p->full || !dss_pull_moves_ids(p))
		return DS_OK;
	return dss_txn_each(p->m.txn, visit_kept, p);
}

/* ---- attributes ---- */

/* True if somebody who was a member is still to be seen. */
static bool has_left_members(const struct dss_pull *p,
			     const struct dss_object *old)
{
	for (size_t i = 0; i < old->nmembers; i++) {
		const uint8_t *data;
		uint32_t found;
		size_t len;

		if (p->full ? dss_guidmap_find(&p->m.seen, &old->members[i],
					       &found)
			    : dss_txn_get(p->m.txn, &old->members[i], &data,
					  &len) == DS_OK)
			return true;
	}
	return false;
}

static int visit_changed(void *arg, const struct dss_moved *moved)
{
	struct faded *f = arg;
	struct dss_object old, now;
	uint32_t lost;
	int err;

	if (!moved->old || !moved->now ||
	    dss_object_decode(moved->guid, moved->old, moved->old_len, &old))
		return DS_OK; /* new, or not to be told what it was */
	err = dss_object_decode(moved->guid, moved->now, moved->now_len, &now);
	if (err)
		return err;
	lost =
	    fields_of(&old) & ~(fields_of(&now) | now.malformed) & f->watched;
	if ((lost & DSS_F_MEMBER) && !has_left_members(f->p, &old))
		lost &= ~(uint32_t)DSS_F_MEMBER;
	if (lost && !f->example[0])
		(void)ds_escape(f->example, sizeof(f->example), old.sam);
	count(f->fresh, lost, &old);
	return id_moves(f, &old, &now) ? dss_guids_add(&f->ids, moved->guid)
				       : DS_OK;
}

static int visit_before(void *arg, const struct ds_guid *guid,
			const uint8_t *data, size_t len)
{
	struct faded *f = arg;
	struct dss_object obj;

	if (dss_object_decode(guid, data, len, &obj) == 0)
		count(f->had, fields_of(&obj) & f->watched, &obj);
	return DS_OK;
}

/* The fields that too many objects lose. */
static uint32_t too_many(const struct faded *f)
{
	uint64_t percent = f->p->s->config.sync.max_delete_percent;
	uint32_t fields = 0;

	for (unsigned i = 0; i < DSS_FIELDS; i++) {
		if (!dss_tally_allows(&f->fresh[i], &f->had[i],
				      &f->p->valve.lost[i], percent))
			fields |= 1u << i;
	}
	return fields;
}

/* Says what cannot be read any more, and what to do. */
static void complain(struct faded *f, uint32_t fields)
{
	char names[256], notice[DSS_TEXT];
	uint64_t lost = 0, had = 0;
	struct dss_sync *s = f->p->s;

	for (unsigned i = 0; i < DSS_FIELDS; i++) {
		const struct dss_tally *sum = &f->p->valve.lost[i];

		if (!(fields & (1u << i)) || f->fresh[i].all <= lost)
			continue;
		lost = f->fresh[i].all + sum->all;
		had = f->had[i].all + sum->all;
	}
	(void)dss_object_fields(fields, names, sizeof(names));
	(void)snprintf(
	    notice, sizeof(notice),
	    "%llu of %llu objects, \"%s\" one of them, do not show what they "
	    "did: %s. What was known of them stays. The host's account needs "
	    "the right to read these attributes back (\"Read all "
	    "properties\"); if the values are gone indeed: dssyncctl sync "
	    "%s--accept-deletes",
	    (unsigned long long)lost, (unsigned long long)had, f->example,
	    names, f->p->full ? "--full " : "");
	dss_pull_notice(s, DSS_NOTICE_FADED, notice);
	s->faded_by_load = f->p->full;
	(void)snprintf(s->why, sizeof(s->why),
		       "too many objects would lose what the host knows of "
		       "them: %s",
		       names);
}

/* The valve, for what goes from within. */
static int judge(struct faded *f)
{
	struct dss_valve *valve = &f->p->valve;
	uint32_t fields;
	int err;

	if (f->p->accept)
		return DS_OK;
	/* As if nobody had had it: few enough, whatever there is. */
	if (too_many(f) != 0) {
		err = dss_txn_each(f->before, visit_before, f);
		if (err)
			return err;
	}
	fields = too_many(f);
	if (fields) {
		complain(f, fields);
		return DS_ERR_DENIED;
	}
	for (unsigned i = 0; i < DSS_FIELDS; i++)
		dss_tally_sum(&valve->lost[i], &f->fresh[i]);
	return DS_OK;
}

int dss_faded_check(struct dss_pull *p)
{
	struct faded f = { .p = p, .watched = watched(&p->s->config) };
	int err;

	if (p->first || p->m.changed == 0)
		return DS_OK;
	err = dss_txn_begin(p->s->store, false, &f.before);
	if (err)
		return err;
	err = dss_domains_list(&p->s->config, &p->s->domain.sid, &f.arena,
			       &f.domains);
	if (err == DS_OK)
		err = dss_mirror_stored(&p->m, f.before, visit_changed, &f);
	if (err == DS_OK)
		err = judge(&f);
	if (err == DS_OK && !dss_pull_moves_ids(p))
		err = keep_ids(&f);
	dss_txn_abort(f.before);
	dss_arena_done(&f.arena);
	free(f.ids.list);
	return err;
}

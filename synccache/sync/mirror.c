/*
 * The changes of mirror.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/mirror.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "synccache/sync/grow.h"

int dss_guids_add(struct dss_guids *guids, const struct ds_guid *guid)
{
	struct ds_guid *list =
	    dss_grown(guids->list, guids->count, &guids->cap, sizeof(*list));

	if (!list)
		return DS_ERR_NOMEM;
	guids->list = list;
	guids->list[guids->count++] = *guid;
	return DS_OK;
}

void dss_mirror_init(struct dss_mirror *m, struct dss_txn *txn, bool full)
{
	memset(m, 0, sizeof(*m));
	m->txn = txn;
	m->full = full;
}

void dss_mirror_done(struct dss_mirror *m)
{
	dss_guidmap_done(&m->seen);
	dss_guidmap_done(&m->dead);
	free(m->incomplete.list);
	free(m->partial.list);
	free(m->back.list);
	free(m->gone.list);
	free(m->stored.list);
	dss_arena_done(&m->scratch);
}

int dss_mirror_get(struct dss_mirror *m, const struct ds_guid *guid,
		   struct dss_object *ret_obj)
{
	const uint8_t *data;
	size_t len;
	int err = dss_txn_get(m->txn, guid, &data, &len);

	return err ? err : dss_object_decode(guid, data, len, ret_obj);
}

/*
 * Stores the object unless it is there in this very form.  Whether it is in
 * the scope is not the directory's to say: of the flags in `keep` the stored
 * ones stay.
 */
static int put_keeping(struct dss_mirror *m, const struct dss_object *obj,
		       uint32_t keep)
{
	struct dss_object now = *obj;
	const uint8_t *data, *old;
	size_t len, old_len;
	int err = dss_txn_get(m->txn, &obj->guid, &old, &old_len);
	bool known = err == DS_OK;

	if (err != DS_OK && err != DS_ERR_NOTFOUND)
		return err;
	now.flags &= ~keep;
	if (known)
		now.flags |= dss_object_flags(old, old_len) & keep;
	err = dss_object_encode(&now, &m->scratch, &data, &len);
	if (err)
		return err;
	if (known && old_len == len && memcmp(old, data, len) == 0)
		return DS_OK;
	m->changed++;
	err = dss_txn_put(m->txn, &obj->guid, data, len);
	if (err == DS_OK && m->stored.count <= DSS_STORED_FEW)
		err = dss_guids_add(&m->stored, &obj->guid);
	return err;
}

static int put(struct dss_mirror *m, const struct dss_object *obj)
{
	return put_keeping(m, obj, DSS_OBJ_IN | DSS_OBJ_KEPT);
}

int dss_mirror_flag(struct dss_mirror *m, const struct ds_guid *guid,
		    uint32_t flags)
{
	struct dss_object obj;
	int err = dss_mirror_get(m, guid, &obj);

	if (err)
		return err;
	dss_arena_reset(&m->scratch);
	obj.flags = flags;
	return put_keeping(m, &obj, 0);
}

static int visit_all(void *arg, const struct ds_guid *guid,
		     const uint8_t *data, size_t len)
{
	(void)data;
	(void)len;
	return dss_guids_add(arg, guid);
}

int dss_mirror_bare(struct dss_mirror *m)
{
	struct dss_guids all = { .count = 0 };
	int err = dss_txn_each(m->txn, visit_all, &all);

	for (size_t i = 0; i < all.count && err == DS_OK; i++) {
		struct dss_object obj;

		err = dss_mirror_get(m, &all.list[i], &obj);
		dss_arena_reset(&m->scratch);
		if (err == DS_OK) {
			dss_object_bare(&obj);
			err = put(m, &obj);
		}
	}
	free(all.list);
	return err;
}

int dss_mirror_keep_history(struct dss_mirror *m, const struct dss_object *old)
{
	struct dss_object obj;
	int err = dss_mirror_get(m, &old->guid, &obj);

	if (err)
		return err;
	dss_arena_reset(&m->scratch);
	obj.history = old->history;
	obj.history_len = old->history_len;
	obj.nhistory = old->nhistory;
	obj.present |= DSS_F_HISTORY;
	obj.flags |= DSS_OBJ_HISTORY;
	return put(m, &obj);
}

/* What the transaction has of it, or nothing. */
static int get_any(struct dss_txn *txn, const struct ds_guid *guid,
		   const uint8_t **ret_data, size_t *ret_len)
{
	int err = dss_txn_get(txn, guid, ret_data, ret_len);

	return err == DS_ERR_NOTFOUND ? DS_OK : err;
}

static int visit_one(struct dss_mirror *m, struct dss_txn *before,
		     const struct ds_guid *guid, dss_visit_moved visit,
		     void *arg)
{
	struct dss_moved moved = { .guid = guid };
	int err = get_any(before, guid, &moved.old, &moved.old_len);

	if (err == DS_OK)
		err = get_any(m->txn, guid, &moved.now, &moved.now_len);
	return err ? err : visit(arg, &moved);
}

int dss_mirror_stored(struct dss_mirror *m, struct dss_txn *before,
		      dss_visit_moved visit, void *arg)
{
	struct dss_guids *stored = &m->stored;
	int err = DS_OK;

	if (stored->count > DSS_STORED_FEW)
		return dss_txn_diff(before, m->txn, visit, arg);
	if (stored->count > 0)
		qsort(stored->list, stored->count, sizeof(*stored->list),
		      dss_guid_order);
	for (size_t i = 0; i < stored->count && err == DS_OK; i++) {
		if (i == 0 ||
		    !ds_guid_equal(&stored->list[i - 1], &stored->list[i]))
			err =
			    visit_one(m, before, &stored->list[i], visit, arg);
	}
	return err;
}

int dss_mirror_gone(struct dss_mirror *m, const struct ds_guid *guid)
{
	const uint8_t *data;
	size_t len;
	bool fresh;
	int err = dss_txn_get(m->txn, guid, &data, &len);

	if (err) /* of a full load, most tombstones are nobody's we knew */
		return err == DS_ERR_NOTFOUND ? DS_OK : err;
	err = dss_guidmap_add(&m->dead, guid, 1, &fresh);
	return err || !fresh ? err : dss_guids_add(&m->gone, guid);
}

bool dss_mirror_there(struct dss_mirror *m, const struct ds_guid *guid)
{
	uint32_t found;

	if (!dss_guidmap_find(&m->dead, guid, &found))
		return false;
	dss_guidmap_remove(&m->dead, guid);
	return true;
}

/* *ret_new: it was not seen before. */
static int see(struct dss_mirror *m, const struct ds_guid *guid, bool *ret_new)
{
	(void)dss_mirror_there(m, guid);
	return dss_guidmap_add(&m->seen, guid, 1, ret_new);
}

static int forget(struct dss_mirror *m, const struct ds_guid *guid)
{
	int err = dss_txn_del(m->txn, guid);

	if (err == DS_OK)
		m->changed++;
	return err == DS_ERR_NOTFOUND ? DS_OK : err;
}

/* Without an objectGUID it is nobody; the rest goes on. */
static int pass_over(struct dss_mirror *m, const struct dss_entry *entry)
{
	if (m->malformed++ == 0)
		(void)ds_escape(m->malformed_dn, sizeof(m->malformed_dn),
				entry->dn);
	return DS_OK;
}

static bool is_deleted(const struct dss_entry *entry)
{
	const struct dss_attr *attr = dss_entry_find(entry, "isDeleted");
	bool deleted = false;

	return attr && attr->count == 1 &&
	       dss_value_bool(&attr->values[0], &deleted) == DS_OK && deleted;
}

/*
 * Whether it was deleted and is there again.  Since when is not told: the
 * tombstone may have come and gone between two pulls, and isDeleted, now
 * cleared, be all that is left of it.
 */
static bool is_back(struct dss_mirror *m, const struct dss_entry *entry,
		    const struct ds_guid *guid)
{
	return dss_mirror_there(m, guid) ||
	       (!m->full && dss_entry_find(entry, "isDeleted"));
}

/*
 * With object security, what went out of sight comes as a GUID without a DN:
 * to be looked at.
 */
static bool has_name(const struct dss_entry *entry)
{
	struct dss_value dn = { (const uint8_t *)entry->dn,
				strlen(entry->dn) };
	const char *plain = entry->dn;
	struct ds_guid guid;

	return dss_extdn_parse(&dn, &guid, &plain) == DS_ERR_FORMAT ||
	       plain[0];
}

/* What is known of the object so far; blank if nothing that can be read. */
static int load(struct dss_mirror *m, const struct ds_guid *guid, bool blank,
		struct dss_object *ret_obj)
{
	int err = blank ? DS_ERR_NOTFOUND : dss_mirror_get(m, guid, ret_obj);

	if (err == DS_ERR_NOTFOUND || err == DS_ERR_FORMAT) {
		dss_object_init(ret_obj, guid);
		err = DS_OK;
	}
	return err;
}

/* True if a server cut the members: their rest has to be asked for. */
static bool is_sliced(const struct dss_entry *entry, enum dss_apply how)
{
	for (size_t i = 0; i < entry->count; i++) {
		uint32_t low, high;
		size_t len;

		if (dss_range_parse(entry->attrs[i].name, &len, &low, &high) ||
		    high == UINT32_MAX)
			continue;
		if (how == DSS_APPLY_READ || low != high || low > 1)
			return true;
	}
	return false;
}

/* Notes what must be read again. */
static int note_parts(struct dss_mirror *m, const struct dss_object *obj,
		      const struct dss_entry *entry, enum dss_apply how)
{
	int err = DS_OK;

	if (is_sliced(entry, how))
		err = dss_guids_add(&m->partial, &obj->guid);
	if (err == DS_OK && !dss_object_complete(obj))
		err = dss_guids_add(&m->incomplete, &obj->guid);
	return err;
}

/* Stores what the entry makes of the object. */
static int take(struct dss_mirror *m, struct dss_object *obj,
		const struct dss_entry *entry, enum dss_apply how)
{
	int err = dss_object_apply(obj, entry, how, &m->scratch);

	if (err)
		return err;
	if (obj->kind == DSS_KIND_OTHER)
		return dss_mirror_gone(m, &obj->guid);
	err = note_parts(m, obj, entry, how);
	return err ? err : put(m, obj);
}

int dss_mirror_whole(struct dss_mirror *m, const struct dss_entry *entry)
{
	struct dss_object obj;
	struct ds_guid guid;
	bool fresh;
	int err;

	if (dss_entry_guid(entry, &guid) != 0)
		return pass_over(m, entry);
	err = see(m, &guid, &fresh);
	if (err)
		return err;
	dss_arena_reset(&m->scratch);
	dss_object_init(&obj, &guid);
	return take(m, &obj, entry, DSS_APPLY_READ);
}

int dss_mirror_delta(struct dss_mirror *m, const struct dss_entry *entry)
{
	struct dss_object obj;
	struct ds_guid guid;
	bool fresh = false;
	int err = DS_OK;

	if (dss_entry_guid(entry, &guid) != 0)
		return pass_over(m, entry);
	if (is_deleted(entry))
		return dss_mirror_gone(m, &guid);
	if (!has_name(entry))
		return dss_guids_add(&m->partial, &guid);
	/* What was taken from it when it went is not always told, and that
	 * it left its groups never. */
	if (is_back(m, entry, &guid)) {
		err = dss_guids_add(&m->partial, &guid);
		if (err == DS_OK)
			err = dss_guids_add(&m->back, &guid);
	}
	if (err == DS_OK && m->full)
		err = see(m, &guid, &fresh);
	dss_arena_reset(&m->scratch);
	if (err == DS_OK)
		err = load(m, &guid, m->full && fresh, &obj);
	if (err)
		return err;
	obj.flags &= ~(uint32_t)DSS_OBJ_HELD;
	if (dss_entry_find(entry, "sIDHistory"))
		obj.flags &= ~(uint32_t)DSS_OBJ_HISTORY;
	return take(m, &obj, entry, DSS_APPLY_DELTA);
}

int dss_mirror_listed(struct dss_mirror *m, const struct dss_entry *entry)
{
	const struct dss_entry only_dn = { .dn = entry->dn };
	struct dss_object obj;
	struct ds_guid guid;
	bool fresh;
	int err;

	if (dss_entry_guid(entry, &guid) != 0)
		return pass_over(m, entry);
	if (is_deleted(entry))
		return DS_OK;
	err = see(m, &guid, &fresh);
	if (err)
		return err;
	err = dss_mirror_get(m, &guid, &obj);
	if (err == DS_ERR_NOTFOUND || err == DS_ERR_FORMAT)
		return dss_guids_add(&m->incomplete, &guid);
	if (err)
		return err;
	/* A renamed parent changes DNs without a word in DirSync. */
	dss_arena_reset(&m->scratch);
	obj.flags &= ~(uint32_t)DSS_OBJ_HELD;
	err = dss_object_apply(&obj, &only_dn, DSS_APPLY_READ, &m->scratch);
	return err ? err : put(m, &obj);
}

int dss_mirror_replace(struct dss_mirror *m, const struct dss_object *obj)
{
	bool fresh;
	int err;

	if (obj->kind != DSS_KIND_USER && obj->kind != DSS_KIND_GROUP)
		return dss_mirror_gone(m, &obj->guid);
	err = see(m, &obj->guid, &fresh);
	if (err)
		return err;
	dss_arena_reset(&m->scratch);
	return put(m, obj);
}

int dss_mirror_join(struct dss_mirror *m, const struct ds_guid *member,
		    const struct ds_guid *group)
{
	struct ds_guid one = *member;
	struct dss_object obj;
	int err = dss_mirror_get(m, group, &obj);

	if (err == DS_ERR_NOTFOUND || err == DS_ERR_FORMAT)
		return DS_OK; /* not mirrored, or read again anyway */
	if (err || obj.kind != DSS_KIND_GROUP)
		return err;
	dss_arena_reset(&m->scratch);
	err = dss_members_change(&obj, true, &one, 1, &m->scratch);
	return err ? err : put(m, &obj);
}

static int visit_missing(void *arg, const struct ds_guid *guid,
			 const uint8_t *data, size_t len)
{
	struct dss_mirror *m = arg;
	uint32_t found;

	(void)data;
	(void)len;
	if (dss_guidmap_find(&m->seen, guid, &found))
		return DS_OK;
	return dss_mirror_gone(m, guid);
}

int dss_mirror_missing(struct dss_mirror *m)
{
	return dss_txn_each(m->txn, visit_missing, m);
}

/* The fewer are looked for among the more. */
static bool has_dead(const struct dss_guids *dead,
		     const struct dss_object *obj)
{
	bool fewer = dead->count < obj->nmembers;
	const struct ds_guid *few = fewer ? dead->list : obj->members;
	const struct ds_guid *many = fewer ? obj->members : dead->list;
	size_t nfew = fewer ? dead->count : obj->nmembers;
	size_t nmany = fewer ? obj->nmembers : dead->count;

	for (size_t i = 0; i < nfew; i++) {
		if (dss_guids_have(many, nmany, &few[i]))
			return true;
	}
	return false;
}

struct sweep {
	const struct dss_guids *dead; /* sorted */
	struct dss_guids groups;      /* that have one of them as member */
	struct dss_guids users;       /* ... as manager */
	struct dss_tally known;       /* objects that are not held */
};

static int visit_sweep(void *arg, const struct ds_guid *guid,
		       const uint8_t *data, size_t len)
{
	struct sweep *sweep = arg;
	struct dss_object obj;

	if (dss_object_decode(guid, data, len, &obj) != 0)
		return DS_OK;
	if (!(obj.flags & DSS_OBJ_HELD))
		dss_tally_add(&sweep->known, obj.flags);
	if ((obj.present & DSS_F_MANAGER) &&
	    dss_guids_have(sweep->dead->list, sweep->dead->count,
			   &obj.manager))
		return dss_guids_add(&sweep->users, guid);
	return has_dead(sweep->dead, &obj)
		   ? dss_guids_add(&sweep->groups, guid)
		   : DS_OK;
}

static int add_all(struct dss_guids *to, const struct dss_guids *from)
{
	int err = DS_OK;

	for (size_t i = 0; i < from->count && err == DS_OK; i++)
		err = dss_guids_add(to, &from->list[i]);
	return err;
}

int dss_mirror_relink(struct dss_mirror *m)
{
	struct sweep sweep = { .dead = &m->back };
	int err;

	if (m->back.count == 0)
		return DS_OK;
	qsort(m->back.list, m->back.count, sizeof(*m->back.list),
	      dss_guid_order);
	err = dss_txn_each(m->txn, visit_sweep, &sweep);
	if (err == DS_OK)
		err = add_all(&m->partial, &sweep.groups);
	if (err == DS_OK)
		err = add_all(&m->partial, &sweep.users);
	m->back.count = 0;
	free(sweep.groups.list);
	free(sweep.users.list);
	return err;
}

/* Takes the dead out of the groups that list them. */
static int unlink_dead(struct dss_mirror *m, const struct dss_guids *dead,
		       const struct dss_guids *groups)
{
	for (size_t i = 0; i < groups->count; i++) {
		struct dss_object obj;
		int err = dss_mirror_get(m, &groups->list[i], &obj);

		if (err == DS_ERR_NOTFOUND)
			continue;
		dss_arena_reset(&m->scratch);
		if (err == DS_OK)
			err = dss_members_change(&obj, false, dead->list,
						 dead->count, &m->scratch);
		if (err == DS_OK)
			err = put(m, &obj);
		if (err)
			return err;
	}
	return DS_OK;
}

/* The same for users, whose manager is dead. */
static int unlink_managers(struct dss_mirror *m, const struct dss_guids *dead,
			   const struct dss_guids *users)
{
	for (size_t i = 0; i < users->count; i++) {
		struct dss_object obj;
		int err = dss_mirror_get(m, &users->list[i], &obj);

		if (err == DS_ERR_NOTFOUND)
			continue; /* dead too */
		if (err == DS_OK &&
		    !dss_guids_have(dead->list, dead->count, &obj.manager))
			continue; /* the manager is only held */
		dss_arena_reset(&m->scratch);
		memset(&obj.manager, 0, sizeof(obj.manager));
		obj.manager_dn = "";
		obj.present &= ~(uint32_t)DSS_F_MANAGER;
		if (err == DS_OK)
			err = put(m, &obj);
		if (err)
			return err;
	}
	return DS_OK;
}

/* Keeps of `gone` what is stored, each once; not yet held ones are counted. */
static int weed_gone(struct dss_mirror *m, struct dss_tally *ret_new)
{
	struct dss_guids *gone = &m->gone;
	struct dss_tally fresh = { 0, 0 };
	size_t kept = 0;

	if (gone->count > 0)
		qsort(gone->list, gone->count, sizeof(*gone->list),
		      dss_guid_order);
	for (size_t i = 0; i < gone->count; i++) {
		struct dss_object obj;
		uint32_t found;
		int err;

		if (kept > 0 &&
		    ds_guid_equal(&gone->list[kept - 1], &gone->list[i]))
			continue;
		if (!dss_guidmap_find(&m->dead, &gone->list[i], &found))
			continue; /* back again */
		err = dss_mirror_get(m, &gone->list[i], &obj);
		if (err == DS_ERR_NOTFOUND)
			continue;
		if (err != DS_OK && err != DS_ERR_FORMAT)
			return err;
		if (err == DS_ERR_FORMAT)
			dss_tally_add(&fresh, 0);
		else if (!(obj.flags & DSS_OBJ_HELD))
			dss_tally_add(&fresh, obj.flags);
		gone->list[kept++] = gone->list[i];
	}
	gone->count = kept;
	*ret_new = fresh;
	return DS_OK;
}

static int hold(struct dss_mirror *m, const struct ds_guid *guid)
{
	struct dss_object obj;
	int err = dss_mirror_get(m, guid, &obj);

	if (err)
		return err == DS_ERR_FORMAT ? forget(m, guid) : err;
	dss_arena_reset(&m->scratch);
	obj.flags |= DSS_OBJ_HELD;
	return put(m, &obj);
}

/* Deletes those of `gone` that are not held, or all of them. */
static int drop(struct dss_mirror *m, bool all, const struct sweep *sweep,
		size_t *ret_dropped)
{
	struct dss_guids *gone = &m->gone;
	size_t dropped = 0;
	int err = DS_OK;

	for (size_t i = 0; i < gone->count; i++) {
		struct dss_object obj;

		err = dss_mirror_get(m, &gone->list[i], &obj);
		if (err == DS_OK && (obj.flags & DSS_OBJ_HELD) && !all)
			continue;
		err = forget(m, &gone->list[i]);
		if (err)
			return err;
		gone->list[dropped++] = gone->list[i];
	}
	gone->count = dropped;
	*ret_dropped = dropped;
	err = unlink_dead(m, gone, &sweep->groups);
	return err ? err : unlink_managers(m, gone, &sweep->users);
}

int dss_mirror_drop(struct dss_mirror *m, uint64_t max_percent, bool accept,
		    size_t *ret_dropped, size_t *ret_held)
{
	struct sweep sweep = { .dead = &m->gone };
	struct dss_tally fresh = { 0, 0 };
	size_t dropped = 0, held = 0;
	int err = weed_gone(m, &fresh);

	/* Nothing is gone: the usual case, which is not to read it all. */
	if (err == DS_OK && m->gone.count == 0) {
		*ret_dropped = *ret_held = 0;
		return DS_OK;
	}
	if (err == DS_OK)
		err = dss_txn_each(m->txn, visit_sweep, &sweep);
	if (err == DS_OK &&
	    (accept ||
	     dss_tally_allows(&fresh, &sweep.known, &m->went, max_percent))) {
		err = drop(m, accept, &sweep, &dropped);
		dss_tally_sum(&m->went, &fresh);
	} else if (err == DS_OK) {
		for (size_t i = 0; i < m->gone.count && err == DS_OK; i++)
			err = hold(m, &m->gone.list[i]);
		held = fresh.all;
	}
	free(sweep.groups.list);
	free(sweep.users.list);
	if (err)
		return err;
	*ret_dropped = dropped;
	*ret_held = held;
	return DS_OK;
}

/*
 * One whole object by its GUID, its members to the last slice.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/pull.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "synccache/sync/valve.h"

#define GUID_DN_MAX 64
#define ATTRS_MAX   80
#define STARTS_MAX  8 /* of members that move while they are read */

struct reread {
	struct dss_object obj;
	struct dss_arena arena;
	struct dss_guids groups; /* memberOf */
	uint32_t groups_next; /* first of its next slice; 0: all are there */
	bool found;
	uint32_t next; /* first member of the next slice; 0: all are there */
	/*
	 * Slices overlap by one member: where one goes meanwhile, those
	 * behind it move up, and one would be in no slice.
	 */
	bool overlaps, moved;
	struct ds_guid last; /* member of the slice before */
};

static int take_groups_of(struct reread *r, const struct dss_attr *attr)
{
	for (size_t i = 0; i < attr->count; i++) {
		struct ds_guid guid;
		const char *dn;

		if (dss_extdn_parse(&attr->values[i], &guid, &dn) == DS_OK &&
		    dss_guids_add(&r->groups, &guid) != 0)
			return DS_ERR_NOMEM;
	}
	return DS_OK;
}

/* The attribute as a slice ("member;range=0-1499"), or NULL. */
static const struct dss_attr *find_slice(const struct dss_entry *entry,
					 const char *name, uint32_t *ret_low,
					 uint32_t *ret_high)
{
	const size_t name_len = strlen(name);
	size_t len;

	for (size_t i = 0; i < entry->count; i++) {
		const struct dss_attr *attr = &entry->attrs[i];

		if (dss_range_parse(attr->name, &len, ret_low, ret_high) ==
			DS_OK &&
		    len == name_len && strncasecmp(attr->name, name, len) == 0)
			return attr;
	}
	return NULL;
}

/* A server may cut these as it does members. */
static int take_groups(struct reread *r, const struct dss_entry *entry)
{
	uint32_t low = 0, high = UINT32_MAX;
	const struct dss_attr *all = dss_entry_find(entry, "memberOf");
	const struct dss_attr *slice =
	    find_slice(entry, "memberOf", &low, &high);
	int err = all ? take_groups_of(r, all) : DS_OK;

	if (err == DS_OK && slice)
		err = take_groups_of(r, slice);
	r->groups_next =
	    slice && high != UINT32_MAX && high >= low ? high + 1 : 0;
	return err;
}

/*
 * Applies the entry and moves the result into a new arena, by way of its
 * stored form: the entry's bytes are gone when the search goes on.  After an
 * error the object is not to be used.
 */
static int keep_object(struct reread *r, const struct dss_entry *entry)
{
	struct ds_guid guid = r->obj.guid;
	struct dss_arena after = { 0 };
	const uint8_t *data;
	size_t len;
	int err = dss_object_apply(&r->obj, entry, DSS_APPLY_READ, &r->arena);

	if (err == DS_OK)
		err = dss_object_encode(&r->obj, &after, &data, &len);
	/* What slice after slice leaves behind is more than its result. */
	dss_arena_done(&r->arena);
	r->arena = after;
	return err ? err : dss_object_decode(&guid, data, len, &r->obj);
}

static bool same_member(const struct dss_value *value,
			const struct ds_guid *guid)
{
	struct ds_guid found;
	const char *dn;

	return dss_extdn_parse(value, &found, &dn) == DS_OK &&
	       ds_guid_equal(&found, guid);
}

/* Whether the slice goes on from the one before, and where the next begins. */
static void take_slice(struct reread *r, const struct dss_attr *slice,
		       uint32_t low, uint32_t high)
{
	const char *dn;

	if (r->overlaps)
		r->moved = slice->count == 0 ||
			   !same_member(&slice->values[0], &r->last);
	r->overlaps = false;
	r->next = 0;
	if (high == UINT32_MAX || high < low)
		return;
	r->overlaps = high > low && slice->count > 0 &&
		      dss_extdn_parse(&slice->values[slice->count - 1],
				      &r->last, &dn) == DS_OK;
	r->next = r->overlaps ? high : high + 1;
}

static void take_slices(struct reread *r, const struct dss_entry *entry)
{
	const struct dss_attr none = { .count = 0 };
	uint32_t low = 0, high = UINT32_MAX;
	const struct dss_attr *slice =
	    find_slice(entry, "member", &low, &high);

	if (slice)
		take_slice(r, slice, low, high);
	else
		take_slice(r, &none, 0, UINT32_MAX);
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
	if (r->next == 0 && take_groups(r, entry) != 0)
		return DS_ERR_NOMEM;
	take_slices(r, entry);
	return keep_object(r, entry);
}

static int search_one(struct dss_pull *p, struct reread *r,
		      const char *const *attrs,
		      int (*entry)(void *arg, const struct dss_entry *entry))
{
	char base[GUID_DN_MAX], guid[DS_GUID_STR_MAX];
	struct dss_search search = dss_pull_search(p, attrs, entry);

	(void)snprintf(base, sizeof(base), "<GUID=%s>",
		       ds_guid_to_str(&r->obj.guid, guid));
	search.base = base;
	search.scope = DSS_SCOPE_BASE;
	search.filter = "(objectClass=*)";
	search.extended_dn = true;
	search.arg = r;
	return dss_conn_search(p->s->conn, &search, false);
}

static int reread_once(struct dss_pull *p, struct reread *r)
{
	const char *attrs[ATTRS_MAX];
	const char *const *all = dss_pull_attributes(p->s);
	char range[48];
	size_t n = 0;

	(void)snprintf(range, sizeof(range), "member;range=%u-*", r->next);
	attrs[n++] = "objectGUID";
	if (r->next > 0)
		attrs[n++] = range;
	else
		attrs[n++] = "memberOf";
	for (; r->next == 0 && *all && n < ATTRS_MAX - 1; all++)
		attrs[n++] = *all;
	attrs[n] = NULL;
	return search_one(p, r, attrs, on_reread);
}

static int on_groups(void *arg, const struct dss_entry *entry)
{
	struct reread *r = arg;
	struct ds_guid guid;

	return dss_entry_guid(entry, &guid) == DS_OK &&
		       ds_guid_equal(&guid, &r->obj.guid)
		   ? take_groups(r, entry)
		   : DS_OK;
}

/* The rest of memberOf, where the server cut it. */
static int reread_groups(struct dss_pull *p, struct reread *r)
{
	uint32_t last = 0;
	int err = DS_OK;

	while (err == DS_OK && r->groups_next > last) {
		char range[48];
		const char *const attrs[] = { "objectGUID", range, NULL };

		last = r->groups_next;
		r->groups_next = 0;
		(void)snprintf(range, sizeof(range), "memberOf;range=%u-*",
			       last);
		err = search_one(p, r, attrs, on_groups);
	}
	return err;
}

static int store_reread(struct dss_pull *p, const struct reread *r)
{
	int err;

	if (!r->found || r->obj.kind == DSS_KIND_NONE) {
		/* Gone, or not for a search to find: its listing knows. */
		if (p->strategy->beyond) {
			p->unseen = true;
			return DS_OK;
		}
		return dss_mirror_gone(&p->m, &r->obj.guid);
	}
	err = dss_mirror_replace(&p->m, &r->obj);
	/*
	 * An object that appears without being new (it became readable): its
	 * groups have no change to report.
	 */
	for (size_t i = 0; i < r->groups.count && err == DS_OK; i++)
		err = dss_mirror_join(&p->m, &r->obj.guid, &r->groups.list[i]);
	return err;
}

/* One object that the server tells of, and does not show: as if it did not
 * tell, so that it does not stop the rest. */
static int note_refused(struct dss_pull *p, struct reread *r)
{
	r->found = false;
	if (p->refused++ == 0)
		p->barred = r->obj.guid;
	return DS_ERR_NOTFOUND;
}

static int reread(struct dss_pull *p, const struct ds_guid *guid)
{
	struct reread r = { .found = false };
	unsigned starts = 0;
	uint32_t last;
	bool again;
	int err;

	dss_object_init(&r.obj, guid);
	do {
		last = r.next;
		r.found = r.moved = false; /* until this slice shows it */
		err = reread_once(p, &r);
		again = r.moved && ++starts < STARTS_MAX;
		r.overlaps &= !again;
		r.next = again ? 0 : r.next;
	} while (err == DS_OK && (again || r.next > last));
	if (err == DS_OK)
		err = reread_groups(p, &r);
	if (err == DS_ERR_DENIED && dss_conn_forbidden(p->s->conn))
		err = note_refused(p, &r);
	if (err == DS_ERR_NOTFOUND)
		err = DS_OK;
	if (err == DS_OK)
		err = store_reread(p, &r);
	dss_pull_count(p->s);
	free(r.groups.list);
	dss_arena_done(&r.arena);
	return err;
}

/* The rest of the members that came in slices. */
int dss_reread_partial(struct dss_pull *p)
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
int dss_reread_incomplete(struct dss_pull *p)
{
	struct dss_guids *todo = &p->m.incomplete;

	if (todo->count > 0)
		dss_pull_phase(p->s, "reading single objects", todo->count);
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

static bool worth_it(struct dss_pull *p, const struct ds_guid *guid,
		     int *ret_err)
{
	struct dss_object obj;
	int err = dss_mirror_get(&p->m, guid, &obj);

	*ret_err = err == DS_ERR_NOTFOUND ? DS_OK : err;
	return err == DS_OK && !(obj.flags & DSS_OBJ_HELD);
}

int dss_reread_asked(struct dss_pull *p)
{
	struct dss_sync *s = p->s;
	size_t known = 0;
	int err = dss_txn_count(p->m.txn, &known);

	if (p->full || p->reconcile)
		s->away = 0;
	for (; err == DS_OK && p->asked < s->nasked; p->asked++) {
		const struct ds_guid guid = s->asked[p->asked];
		size_t gone = p->m.gone.count;

		/* A full load finds them anyway. */
		if (p->full || !worth_it(p, &guid, &err))
			continue;
		p->unseen = false;
		err = reread(p, &guid);
		s->doubt |= p->unseen;
		if (err || p->m.gone.count == gone)
			continue;
		if (dss_valve_allows(s->away + 1, known + s->away,
				     s->config.sync.max_delete_percent))
			s->away++;
		else
			(void)dss_mirror_there(&p->m, &guid);
	}
	return err;
}

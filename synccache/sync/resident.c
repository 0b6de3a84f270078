/*
 * Loading, and following the store.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/resident.h"

#include <stdlib.h>
#include <string.h>

#include "synccache/sync/grow.h"

/* What updates leave behind in the model's arena, until it is built anew. */
#define WASTE_MAX ((size_t)8 << 20)

/* ---- the whole ---- */

struct loading {
	struct dss_object *objs; /* by GUID */
	size_t count, cap;
};

static int visit(void *arg, const struct ds_guid *guid, const uint8_t *data,
		 size_t len)
{
	struct loading *l = arg;

	if (l->count == l->cap)
		return DS_ERR_FORMAT;
	return dss_object_decode(guid, data, len, &l->objs[l->count++]);
}

struct place {
	uint64_t age;
	uint32_t rank; /* by GUID */
};

static int place_order(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->age != y->age)
		return x->age < y->age ? -1 : 1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

/*
 * Into the order of age: whoever walks over all of them later walks through
 * memory from one end to the other.
 */
static int sort_objects(struct dss_resident *r, const struct loading *l)
{
	struct place *place = calloc(l->count + 1, sizeof(*place));
	int err = DS_ERR_NOMEM;

	r->cap = l->count + DSS_NEWCOMERS;
	r->objs = calloc(r->cap, sizeof(*r->objs));
	r->by_guid = calloc(r->cap, sizeof(*r->by_guid));
	if (!place || !r->objs || !r->by_guid)
		goto out;
	for (size_t i = 0; i < l->count; i++)
		place[i] =
		    (struct place){ dss_model_age(&l->objs[i]), (uint32_t)i };
	qsort(place, l->count, sizeof(*place), place_order);
	for (size_t i = 0; i < l->count; i++) {
		r->objs[i] = l->objs[place[i].rank];
		r->by_guid[place[i].rank] = (uint32_t)i;
	}
	r->count = r->nobjs = l->count;
	err = DS_OK;
out:
	free(place);
	return err;
}

/*
 * All objects, or DS_ERR_FORMAT: a store that lost some must never be
 * published, or the host would be emptied.
 */
static int load_objects(struct dss_resident *r, size_t expected)
{
	struct loading l = { .cap = expected };
	int err;

	if (expected > INT32_MAX)
		return DS_ERR_LIMIT;
	l.objs = calloc(expected + 1, sizeof(*l.objs));
	if (!l.objs)
		return DS_ERR_NOMEM;
	err = dss_txn_each(r->txn, visit, &l);
	if (err == DS_OK && l.count != expected)
		err = DS_ERR_FORMAT;
	if (err == DS_OK)
		err = sort_objects(r, &l);
	free(l.objs);
	return err;
}

static int build(struct dss_resident *r, struct dss_txn *txn, size_t expected,
		 const struct dss_facts *facts)
{
	int err;

	dss_resident_done(r);
	r->txn = txn;
	err = load_objects(r, expected);
	if (err == DS_OK)
		err = dss_model_build(r->objs, r->count, facts, &r->model);
	r->built_size = r->model.arena.size;
	r->builds++;
	return err;
}

/* ---- what changed ---- */

struct following {
	struct dss_resident *r;
	struct changed {
		struct dss_object *obj; /* ours */
		struct dss_object now;
		bool went;
	} * list;
	size_t count, cap;
};

/* Its place among those that are there, or where it belongs. */
static size_t place_of(const struct dss_resident *r,
		       const struct ds_guid *guid, bool *ret_found)
{
	size_t low = 0, high = r->count;

	*ret_found = false;
	while (low < high && !*ret_found) {
		size_t mid = low + (high - low) / 2;
		int order = memcmp(guid->b, r->objs[r->by_guid[mid]].guid.b,
				   DS_GUID_LEN);

		*ret_found = order == 0;
		if (order > 0)
			low = mid + 1;
		else
			high = mid;
	}
	return high;
}

/* One that is not there yet, as one of no kind; NULL: there is no room. */
static struct dss_object *find_or_add(struct dss_resident *r,
				      const struct ds_guid *guid)
{
	bool found;
	size_t place = place_of(r, guid, &found);
	uint32_t *at = r->by_guid + place;

	if (found)
		return &r->objs[*at];
	if (r->nobjs == r->cap)
		return NULL;
	memmove(at + 1, at, (r->count - place) * sizeof(*at));
	r->count++;
	*at = (uint32_t)r->nobjs++;
	dss_object_init(&r->objs[*at], guid);
	return &r->objs[*at];
}

static void forget(struct dss_resident *r, const struct ds_guid *guid)
{
	bool found;
	size_t place = place_of(r, guid, &found);
	uint32_t *at = r->by_guid + place;

	r->count--;
	memmove(at, at + 1, (r->count - place) * sizeof(*at));
}

static int add_changed(struct following *f, const struct changed *changed)
{
	struct changed *list =
	    dss_grown(f->list, f->count, &f->cap, sizeof(*list));

	if (!list)
		return DS_ERR_NOMEM;
	f->list = list;
	f->list[f->count++] = *changed;
	return DS_OK;
}

/* DS_ERR_CONFLICT: more came than there is room for. */
static int visit_moved(void *arg, const struct dss_moved *moved)
{
	struct following *f = arg;
	struct changed changed = { .went = !moved->now };
	int err = DS_OK;

	changed.obj = find_or_add(f->r, moved->guid);
	if (!changed.obj)
		return DS_ERR_CONFLICT;
	if (moved->now)
		err = dss_object_decode(moved->guid, moved->now,
					moved->now_len, &changed.now);
	else
		dss_object_init(&changed.now, moved->guid);
	if (err)
		return err;
	if (!moved->now || !moved->old || moved->old_len != moved->now_len ||
	    memcmp(moved->old, moved->now, moved->now_len) != 0)
		return add_changed(f, &changed);
	*changed.obj = changed.now; /* the same, but it lies elsewhere */
	return DS_OK;
}

static int update_model(struct following *f, const struct dss_facts *facts)
{
	struct dss_resident *r = f->r;
	struct dss_change *changes = calloc(f->count + 1, sizeof(*changes));
	int err;

	if (!changes)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < f->count; i++)
		changes[i] =
		    (struct dss_change){ f->list[i].obj, &f->list[i].now };
	err = dss_model_update(&r->model, facts, r->objs, r->nobjs, changes,
			       f->count);
	for (size_t i = 0; i < f->count && err == DS_OK; i++) {
		if (f->list[i].went)
			forget(r, &f->list[i].now.guid);
	}
	free(changes);
	return err;
}

/* DS_ERR_CONFLICT: it is to be built instead. */
static int follow(struct dss_resident *r, struct dss_txn *txn, size_t expected,
		  const struct dss_facts *facts)
{
	struct following f = { .r = r };
	int err = DS_ERR_CONFLICT;

	if (r->txn && r->model.arena.size - r->built_size <= WASTE_MAX)
		err = dss_txn_diff(r->txn, txn, visit_moved, &f);
	if (err == DS_OK)
		err = update_model(&f, facts);
	free(f.list);
	if (err == DS_OK && r->count != expected)
		err = DS_ERR_CONFLICT;
	if (err)
		return err;
	dss_txn_abort(r->txn);
	r->txn = txn;
	r->updates++;
	return DS_OK;
}

int dss_resident_load(struct dss_resident *r, struct dss_txn *txn,
		      size_t expected, const struct dss_facts *facts)
{
	int err = follow(r, txn, expected, facts);

	if (err == DS_ERR_CONFLICT) {
		err = build(r, txn, expected, facts);
		txn = NULL;
	}
	if (err) {
		dss_resident_done(r);
		dss_txn_abort(txn);
	}
	return err;
}

void dss_resident_done(struct dss_resident *r)
{
	dss_model_done(&r->model);
	free(r->objs);
	free(r->by_guid);
	dss_txn_abort(r->txn);
	*r = (struct dss_resident){ .builds = r->builds,
				    .updates = r->updates };
}

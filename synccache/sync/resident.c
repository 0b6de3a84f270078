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

static int visit(void *arg, const struct ds_guid *guid, const uint8_t *data,
		 size_t len)
{
	struct dss_resident *r = arg;

	if (r->nobjs == r->cap)
		return DS_ERR_FORMAT;
	return dss_object_decode(guid, data, len, &r->objs[r->nobjs++]);
}

/*
 * All objects, or DS_ERR_FORMAT: a store that lost some must never be
 * published, or the host would be emptied.
 */
static int load_objects(struct dss_resident *r, size_t expected)
{
	int err;

	if (expected > INT32_MAX)
		return DS_ERR_LIMIT;
	r->cap = expected + DSS_NEWCOMERS;
	r->objs = calloc(r->cap, sizeof(*r->objs));
	r->by_guid = calloc(r->cap, sizeof(*r->by_guid));
	if (!r->objs || !r->by_guid)
		return DS_ERR_NOMEM;
	err = dss_txn_each(r->txn, visit, r);
	if (err == DS_OK && r->nobjs != expected)
		err = DS_ERR_FORMAT;
	for (r->count = 0; r->count < r->nobjs; r->count++)
		r->by_guid[r->count] = (uint32_t)r->count;
	return err;
}

struct place {
	uint64_t age;
	uint32_t rank; /* by GUID */
	uint32_t at;   /* until now */
};

static int place_order(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->age != y->age)
		return x->age < y->age ? -1 : 1;
	return (x->rank > y->rank) - (x->rank < y->rank);
}

static int list_places(const struct dss_resident *r, struct place *place)
{
	uint32_t *rank = calloc(r->nobjs + 1, sizeof(*rank));
	size_t used = 0;

	if (!rank)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < r->count; i++)
		rank[r->by_guid[i]] = (uint32_t)i + 1;
	/* Most are in order already. */
	for (size_t at = 0; at < r->nobjs; at++) {
		if (rank[at] > 0)
			place[used++] =
			    (struct place){ dss_model_age(&r->objs[at]),
					    rank[at] - 1, (uint32_t)at };
	}
	free(rank);
	qsort(place, r->count, sizeof(*place), place_order);
	return DS_OK;
}

/* True if they only have to close up. */
static bool in_order(const struct place *place, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		if (place[i].at < place[i - 1].at)
			return false;
	}
	return true;
}

/*
 * Into the order of age, without those that went: whoever walks over all of
 * them later walks through memory from one end to the other.
 */
static int sort_objects(struct dss_resident *r)
{
	struct place *place = calloc(r->count + 1, sizeof(*place));
	struct dss_object *objs = r->objs;
	int err = place ? list_places(r, place) : DS_ERR_NOMEM;

	if (err == DS_OK && !in_order(place, r->count)) {
		objs = calloc(r->cap, sizeof(*objs));
		err = objs ? DS_OK : DS_ERR_NOMEM;
	}
	for (size_t i = 0; i < r->count && err == DS_OK; i++) {
		objs[i] = r->objs[place[i].at];
		r->by_guid[place[i].rank] = (uint32_t)i;
	}
	free(place);
	if (err)
		return err;
	if (objs != r->objs)
		free(r->objs);
	r->objs = objs;
	r->nobjs = r->count;
	return DS_OK;
}

/* The model of the objects that are there. */
static int build(struct dss_resident *r, const struct dss_facts *facts)
{
	int err;

	dss_model_done(&r->model);
	err = sort_objects(r);
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
		uint32_t at; /* in objs */
		bool went;
		struct dss_object now;
	} * list; /* by rising GUID */
	size_t count, cap;
	uint32_t *places; /* in by_guid, of the newcomers: objs' last */
	size_t nplaces, places_cap;
	bool moved; /* objs does not lie where the model was made of it */
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

static int make_room(struct following *f)
{
	struct dss_resident *r = f->r;
	size_t cap = r->cap + r->cap / 4 + DSS_NEWCOMERS;
	struct dss_object *objs = reallocarray(r->objs, cap, sizeof(*objs));
	uint32_t *by_guid;

	if (!objs)
		return DS_ERR_NOMEM;
	r->objs = objs;
	f->moved = true;
	by_guid = reallocarray(r->by_guid, cap, sizeof(*by_guid));
	if (!by_guid)
		return DS_ERR_NOMEM;
	r->by_guid = by_guid;
	r->cap = cap;
	return DS_OK;
}

/* One that is not there yet, as one of no kind. */
static int add(struct following *f, const struct ds_guid *guid, size_t place)
{
	struct dss_resident *r = f->r;
	uint32_t *places =
	    dss_grown(f->places, f->nplaces, &f->places_cap, sizeof(*places));
	int err;

	if (!places)
		return DS_ERR_NOMEM;
	f->places = places;
	err = r->nobjs == r->cap ? make_room(f) : DS_OK;
	if (err)
		return err;
	f->places[f->nplaces++] = (uint32_t)place;
	dss_object_init(&r->objs[r->nobjs++], guid);
	return DS_OK;
}

static int find_or_add(struct following *f, const struct ds_guid *guid,
		       uint32_t *ret_at)
{
	struct dss_resident *r = f->r;
	bool found;
	size_t place = place_of(r, guid, &found);
	int err = found ? DS_OK : add(f, guid, place);

	if (err == DS_OK)
		*ret_at = found ? r->by_guid[place] : (uint32_t)(r->nobjs - 1);
	return err;
}

/* Who came, the last first: so the others move once. */
static void enter(struct following *f)
{
	struct dss_resident *r = f->r;
	size_t end = r->count, first = r->nobjs - f->nplaces;

	r->count += f->nplaces;
	for (size_t k = f->nplaces; k > 0; k--) {
		uint32_t *at = r->by_guid + f->places[k - 1];

		memmove(at + k, at, (end - f->places[k - 1]) * sizeof(*at));
		at[k - 1] = (uint32_t)(first + k - 1);
		end = f->places[k - 1];
	}
}

static void leave(struct following *f)
{
	struct dss_resident *r = f->r;
	size_t kept = 0, k = 0;

	for (size_t i = 0; i < r->count; i++) {
		while (k < f->count && !f->list[k].went)
			k++;
		if (k < f->count && f->list[k].at == r->by_guid[i])
			k++;
		else
			r->by_guid[kept++] = r->by_guid[i];
	}
	r->count = kept;
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

static int visit_moved(void *arg, const struct dss_moved *moved)
{
	struct following *f = arg;
	struct changed changed = { .went = !moved->now };
	int err = find_or_add(f, moved->guid, &changed.at);

	if (err)
		return err;
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
	/* The same, but it lies elsewhere. */
	f->r->objs[changed.at] = changed.now;
	return DS_OK;
}

/* DS_ERR_CONFLICT: the model is to be built. */
static int update_model(struct following *f, const struct dss_facts *facts)
{
	struct dss_resident *r = f->r;
	struct dss_change *changes;
	int err;

	if (f->moved || r->model.arena.size - r->built_size > WASTE_MAX)
		return DS_ERR_CONFLICT;
	changes = calloc(f->count + 1, sizeof(*changes));
	if (!changes)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < f->count; i++)
		changes[i] = (struct dss_change){ &r->objs[f->list[i].at],
						  &f->list[i].now };
	err = dss_model_update(&r->model, facts, r->objs, r->nobjs, changes,
			       f->count);
	free(changes);
	return err;
}

static void take_over(struct following *f)
{
	for (size_t i = 0; i < f->count; i++)
		f->r->objs[f->list[i].at] = f->list[i].now;
	enter(f);
	leave(f);
}

/* From what txn had to what it has now: `r->txn`. */
static int follow(struct dss_resident *r, struct dss_txn *old, size_t expected,
		  const struct dss_facts *facts)
{
	struct following f = { .r = r };
	int model = DS_OK, err = dss_txn_diff(old, r->txn, visit_moved, &f);

	if (err == DS_OK) {
		model = update_model(&f, facts);
		take_over(&f);
	}
	free(f.list);
	free(f.places);
	if (err == DS_OK && r->count != expected)
		err = DS_ERR_FORMAT;
	if (err)
		return err;
	if (model == DS_ERR_CONFLICT)
		return build(r, facts);
	r->updates += model == DS_OK;
	return model;
}

int dss_resident_load(struct dss_resident *r, struct dss_txn *txn,
		      size_t expected, const struct dss_facts *facts)
{
	struct dss_txn *old = r->txn;
	int err;

	r->txn = txn;
	if (old) {
		err = follow(r, old, expected, facts);
		dss_txn_abort(old);
	} else {
		err = load_objects(r, expected);
		if (err == DS_OK)
			err = build(r, facts);
	}
	if (err)
		dss_resident_done(r);
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

/*
 * A change of a few objects, without building the model anew.
 *
 * Names, ids and who is published depend on the whole.  So a change may be
 * taken over only where it cannot touch them; what may differ is listed
 * below, and anything else, also what is added to objects later, asks for a
 * build.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/model_impl.h"

#include <stdlib.h>
#include <string.h>

#include "synccache/sync/fields.h"

/*
 * Fields that decide nothing, by their bits in `present`.  A value that breaks
 * its format is always said of its object.
 */
#define TEXTS                                                                 \
	(DSS_F_DISPLAY | DSS_F_NICKNAME | DSS_F_OBJECT_ID | DSS_F_LEGACY_ID | \
	 DSS_F_MAIL | DSS_F_MEMBER | DSS_F_MANAGER | DSS_F_SHOWN)
#define TIMES (DSS_F_LOCKOUT | DSS_F_HOURS | DSS_F_EXPIRES | DSS_F_PWD_SET)

struct delta {
	uint32_t group, user; /* of the model */
	bool gained;
};

struct update {
	struct dss_model *model;
	const struct dss_facts *facts;
	struct dss_graph *graph;
	struct dss_edge *added, *removed;
	size_t nadded, nremoved, room;
	bool *touched; /* one a user of the model */
	struct delta *deltas;
	size_t ndeltas, deltas_cap;
	struct dss_arena scratch;
};

/* ---- what may change ---- */

static uint32_t mix(uint32_t old, uint32_t now, uint32_t free_bits)
{
	return (now & ~free_bits) | (old & free_bits);
}

/* What only the base tells of an object, but for its DN. */
static void copy_texts(struct dss_object *obj, const struct dss_object *from)
{
	obj->present = mix(from->present, obj->present, TEXTS);
	obj->display = from->display;
	obj->nickname = from->nickname;
	obj->object_id = from->object_id;
	obj->legacy_id = from->legacy_id;
	obj->mail = from->mail;
	obj->manager = from->manager;
	obj->manager_dn = from->manager_dn;
	obj->shown = from->shown;
	obj->shown_len = from->shown_len;
	obj->members = from->members;
	obj->nmembers = from->nmembers;
}

/* What only the accounts tell. */
static void copy_times(struct dss_object *obj, const struct dss_object *from)
{
	obj->present = mix(from->present, obj->present, TIMES);
	obj->expires = from->expires;
	obj->pwd_last_set = from->pwd_last_set;
	obj->lockout_time = from->lockout_time;
	memcpy(obj->hours, from->hours, sizeof(obj->hours));
}

/* Whether two objects would be stored as the same; DS_ERR_NOMEM. */
static int same(struct update *u, const struct dss_object *a,
		const struct dss_object *b, bool *ret_same)
{
	const uint8_t *p, *q;
	size_t len, other;

	dss_arena_reset(&u->scratch);
	if (dss_object_encode(a, &u->scratch, &p, &len) != 0 ||
	    dss_object_encode(b, &u->scratch, &q, &other) != 0)
		return DS_ERR_NOMEM;
	*ret_same = len == other && memcmp(p, q, len) == 0;
	return DS_OK;
}

/* DS_ERR_CONFLICT: the change decides something. */
static int check(struct update *u, const struct dss_change *change)
{
	const struct dss_links *links = u->model->links;
	const struct dss_object *old = change->obj, *now = change->now;
	struct dss_object obj = *now;
	uint32_t number;
	bool equal = false;
	bool published =
	    dss_guidmap_find(&links->by_guid, &old->guid, &number) &&
	    (DSS_IS_USER(number) ||
	     links->group_of[DSS_NUMBER(number)] != DSS_NO_NODE);
	int err;

	if (published &&
	    (!old->dn[0] || !now->dn[0] ||
	     dss_in_scope(u->facts, old) != dss_in_scope(u->facts, now)))
		return DS_ERR_CONFLICT;
	copy_texts(&obj, old);
	copy_times(&obj, old);
	obj.uac = mix(old->uac, now->uac, ~DSS_UAC_KINDS);
	if (published && old->sam[0]) /* else a note may name it */
		obj.dn = old->dn;
	err = same(u, old, &obj, &equal);
	if (err)
		return err;
	return equal ? DS_OK : DS_ERR_CONFLICT;
}

/* ---- edges ---- */

static void note_edge(const struct update *u, const struct ds_guid *guid,
		      uint32_t group, struct dss_edge *edges, size_t *count)
{
	uint32_t member;

	/* A member that the mirror does not know is no edge. */
	if (dss_guidmap_find(&u->model->links->by_guid, guid, &member))
		edges[(*count)++] = (struct dss_edge){ member, group };
}

/* Both lists of members are sorted. */
static void compare_members(struct update *u, const struct dss_change *change)
{
	const struct dss_object *old = change->obj, *now = change->now;
	size_t i = 0, k = 0;
	uint32_t number;

	if (!dss_guidmap_find(&u->model->links->by_guid, &old->guid,
			      &number) ||
	    DSS_IS_USER(number))
		return;
	while (i < old->nmembers || k < now->nmembers) {
		int order = i == old->nmembers ? 1
			    : k == now->nmembers
				? -1
				: memcmp(&old->members[i], &now->members[k],
					 DS_GUID_LEN);

		if (order < 0)
			note_edge(u, &old->members[i], DSS_NUMBER(number),
				  u->removed, &u->nremoved);
		else if (order > 0)
			note_edge(u, &now->members[k], DSS_NUMBER(number),
				  u->added, &u->nadded);
		i += order <= 0;
		k += order >= 0;
	}
}

static int find_edges(struct update *u, const struct dss_change *changes,
		      size_t count)
{
	for (size_t i = 0; i < count; i++)
		u->room += changes[i].obj->nmembers + changes[i].now->nmembers;
	u->added = calloc(u->room + 1, sizeof(*u->added));
	u->removed = calloc(u->room + 1, sizeof(*u->removed));
	if (!u->added || !u->removed)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < count; i++)
		compare_members(u, &changes[i]);
	return DS_OK;
}

/* ---- whom they touch ---- */

static bool touch(struct update *u, const struct dss_edge *edges, size_t count,
		  bool *below)
{
	bool nested = false;

	for (size_t i = 0; i < count; i++) {
		uint32_t number = DSS_NUMBER(edges[i].member);

		if (DSS_IS_USER(edges[i].member))
			u->touched[number] = true;
		else
			nested = below[number] = true;
	}
	return nested;
}

/*
 * The users at the edges, and all who are in a group at an edge.  The graph
 * has the old edges and the new ones, so that both kinds are found.
 */
static int touch_all(struct update *u)
{
	const struct dss_graph *graph = u->graph;
	bool *below = calloc(graph->ngroups + 1, sizeof(*below));
	bool nested;
	int err = below ? DS_OK : DS_ERR_NOMEM;

	if (err)
		return err;
	nested = touch(u, u->added, u->nadded, below);
	nested |= touch(u, u->removed, u->nremoved, below);
	if (nested)
		err = dss_graph_below(graph, below);
	for (size_t i = 0; i < graph->nusers && nested; i++) {
		const struct dss_list *list = &graph->direct[i];

		for (uint32_t k = 0; k < list->count && !u->touched[i]; k++)
			u->touched[i] = below[list->item[k]];
	}
	free(below);
	return err;
}

/* ---- what follows for them ---- */

static int add_delta(struct update *u, uint32_t gid, uint32_t user,
		     bool gained)
{
	if (u->ndeltas == u->deltas_cap) {
		size_t cap = u->deltas_cap ? u->deltas_cap * 2 : 64;
		struct delta *deltas =
		    reallocarray(u->deltas, cap, sizeof(*deltas));

		if (!deltas)
			return DS_ERR_NOMEM;
		u->deltas = deltas;
		u->deltas_cap = cap;
	}
	u->deltas[u->ndeltas++] = (struct delta){ gid, user, gained };
	return DS_OK;
}

/* Two rising lists of gids; the difference, by gid for now. */
static int compare_gids(struct update *u, uint32_t user, const uint32_t *old,
			size_t nold, const uint32_t *now, size_t nnow)
{
	size_t i = 0, k = 0;

	while (i < nold || k < nnow) {
		bool lost = i < nold && (k == nnow || old[i] < now[k]);
		bool gained = k < nnow && (i == nold || now[k] < old[i]);

		if ((lost && add_delta(u, old[i], user, false)) ||
		    (gained && add_delta(u, now[k], user, true)))
			return DS_ERR_NOMEM;
		i += !gained;
		k += !lost;
	}
	return DS_OK;
}

static int walk_again(struct update *u, uint32_t index)
{
	struct dss_model *model = u->model;
	struct dss_model_user *user = &model->users[index];
	struct dss_list groups = dss_graph_walk(u->graph, index);
	uint32_t *gids, *kept, count;
	size_t before = u->ndeltas;

	dss_arena_reset(&u->scratch);
	gids = dss_arena_alloc(&u->scratch, groups.count, sizeof(*gids));
	if (!gids)
		return DS_ERR_NOMEM;
	count = dss_gids_of(model, user, &groups, gids);
	if (compare_gids(u, index, user->gids, user->ngids, gids, count))
		return DS_ERR_NOMEM;
	if (u->ndeltas == before)
		return DS_OK;
	kept = dss_arena_alloc(&model->arena, count, sizeof(*kept));
	if (!kept)
		return DS_ERR_NOMEM;
	memcpy(kept, gids, count * sizeof(*kept));
	user->gids = kept;
	user->ngids = count;
	return DS_OK;
}

struct gid {
	uint32_t gid, group;
};

static int gid_order(const void *a, const void *b)
{
	uint32_t x = ((const struct gid *)a)->gid;
	uint32_t y = ((const struct gid *)b)->gid;

	return (x > y) - (x < y);
}

static int delta_order(const void *a, const void *b)
{
	const struct delta *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return (x->user > y->user) - (x->user < y->user);
}

/* From gids to groups, in the order in which they are needed. */
static int sort_deltas(struct update *u)
{
	const struct dss_model *model = u->model;
	struct gid *by_gid = calloc(model->ngroups + 1, sizeof(*by_gid));

	if (!by_gid)
		return DS_ERR_NOMEM;
	for (uint32_t g = 0; g < model->ngroups; g++)
		by_gid[g] = (struct gid){ model->groups[g].gid, g };
	qsort(by_gid, model->ngroups, sizeof(*by_gid), gid_order);
	for (size_t i = 0; i < u->ndeltas; i++) {
		struct gid key = { .gid = u->deltas[i].group };
		const struct gid *found = bsearch(&key, by_gid, model->ngroups,
						  sizeof(*by_gid), gid_order);

		u->deltas[i].group = found->group; /* it was published so */
	}
	free(by_gid);
	qsort(u->deltas, u->ndeltas, sizeof(*u->deltas), delta_order);
	return DS_OK;
}

/* One group's members, with its deltas: both by rising user. */
static int merge_members(struct update *u, const struct delta *deltas,
			 size_t count)
{
	struct dss_model_group *group = &u->model->groups[deltas->group];
	uint32_t *members = dss_arena_alloc(
	    &u->model->arena, group->nmembers + count, sizeof(*members));
	uint32_t used = 0;
	size_t i = 0, k = 0;

	if (!members)
		return DS_ERR_NOMEM;
	while (i < group->nmembers || k < count) {
		if (k == count || (i < group->nmembers &&
				   group->members[i] < deltas[k].user)) {
			members[used++] = group->members[i++];
			continue;
		}
		if (deltas[k].gained)
			members[used++] = deltas[k].user;
		else
			i++;
		k++;
	}
	group->members = members;
	group->nmembers = used;
	return DS_OK;
}

static int give_members(struct update *u)
{
	size_t from = 0;
	int err;

	if (u->ndeltas == 0 ||
	    u->facts->config->identity.group_members == DS_MEMBERS_NONE)
		return DS_OK;
	err = sort_deltas(u);
	while (err == DS_OK && from < u->ndeltas) {
		size_t end = from + 1;

		while (end < u->ndeltas &&
		       u->deltas[end].group == u->deltas[from].group)
			end++;
		err = merge_members(u, u->deltas + from, end - from);
		from = end;
	}
	return err;
}

static int relink(struct update *u)
{
	int err = DS_OK;

	if (u->nadded + u->nremoved == 0)
		return DS_OK;
	u->touched = calloc(u->model->nusers + 1, sizeof(*u->touched));
	if (!u->touched)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < u->nadded && err == DS_OK; i++)
		err = dss_graph_link(u->graph, &u->added[i], &u->model->arena);
	if (err == DS_OK)
		err = touch_all(u);
	for (size_t i = 0; i < u->nremoved; i++)
		dss_graph_unlink(u->graph, &u->removed[i]);
	for (uint32_t i = 0; i < u->model->nusers && err == DS_OK; i++) {
		if (u->touched[i])
			err = walk_again(u, i);
	}
	return err ? err : give_members(u);
}

/* ---- the object itself ---- */

/* Which of the two files tells of the difference. */
static int note_changed(struct update *u, const struct dss_change *change)
{
	struct dss_object base = *change->obj, account = *change->obj;
	bool same_base = false, same_account = false;
	int err;

	copy_times(&base, change->now);
	copy_texts(&account, change->now);
	account.dn = change->now->dn;
	err = same(u, &base, change->now, &same_base);
	if (err == DS_OK)
		err = same(u, &account, change->now, &same_account);
	u->model->base_changed |= !same_base;
	u->model->accounts_changed |= !same_account;
	return err;
}

static int take_over(struct update *u, const struct dss_change *change)
{
	struct dss_model *model = u->model;
	const struct dss_links *links = model->links;
	struct dss_model_user *user;
	uint32_t number, flags;
	int err;

	/* Of others there is nothing to be seen. */
	if (!dss_guidmap_find(&links->by_guid, &change->obj->guid, &number)) {
		*change->obj = *change->now;
		return DS_OK;
	}
	err = note_changed(u, change);
	*change->obj = *change->now;
	flags = dss_identity_flags(u->facts, change->obj);
	if (!DSS_IS_USER(number)) {
		number = links->group_of[DSS_NUMBER(number)];
		if (number != DSS_NO_NODE)
			model->groups[number].flags = flags;
		return err;
	}
	user = &model->users[DSS_NUMBER(number)];
	model->accounts_changed |= user->flags != flags;
	user->flags = flags;
	user->gecos =
	    dss_gecos(&model->arena, change->obj->display, user->name);
	return user->gecos ? err : DS_ERR_NOMEM;
}

int dss_model_update(struct dss_model *model, const struct dss_facts *facts,
		     const struct dss_change *changes, size_t count)
{
	struct update u = { .model = model,
			    .facts = facts,
			    .graph = &model->links->graph };
	int err = DS_OK;

	for (size_t i = 0; i < count && err == DS_OK; i++)
		err = check(&u, &changes[i]);
	if (err == DS_OK)
		err = find_edges(&u, changes, count);
	for (size_t i = 0; i < count && err == DS_OK; i++)
		err = take_over(&u, &changes[i]);
	if (err == DS_OK)
		err = relink(&u);
	free(u.added);
	free(u.removed);
	free(u.touched);
	free(u.deltas);
	dss_arena_done(&u.scratch);
	return err;
}

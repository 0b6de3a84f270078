/*
 * Memberships of a model that follows changes: which edges came and went, who
 * is touched by them, and what that changes for them and their groups.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/model_update.h"

#include <stdlib.h>
#include <string.h>

#include "synccache/sync/grow.h"

/* ---- edges ---- */

static void note_edge(const struct dss_update *u, const struct ds_guid *guid,
		      uint32_t group, struct dss_edge *edges, size_t *count)
{
	uint32_t member;

	/* A member that the mirror does not know is no edge. */
	if (dss_guidmap_find(&u->model->links->by_guid, guid, &member))
		edges[(*count)++] = (struct dss_edge){ member, group };
}

/* Both lists of members are sorted. */
static void compare_members(struct dss_update *u,
			    const struct dss_change *change)
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

/* The primary group of a user who came, and all that listed them before. */
static void find_groups(struct dss_update *u, const struct dss_who *who)
{
	const struct dss_guidmap *by_guid = &u->model->links->by_guid;
	uint32_t user = 0, group = 0;

	(void)dss_guidmap_find(by_guid, &who->change->now->guid, &user);
	(void)dss_guidmap_find(by_guid, &who->primary->guid, &group);
	u->added[u->nadded++] = (struct dss_edge){ user, DSS_NUMBER(group) };
	for (size_t i = 0; i < u->nobjs; i++) {
		const struct dss_object *obj = &u->objs[i];

		if (dss_guids_have(obj->members, obj->nmembers,
				   &who->change->now->guid) &&
		    dss_guidmap_find(by_guid, &obj->guid, &group) &&
		    !DSS_IS_USER(group))
			u->added[u->nadded++] =
			    (struct dss_edge){ user, DSS_NUMBER(group) };
	}
}

int dss_relink_find(struct dss_update *u)
{
	size_t room = u->nwho * (u->model->links->graph.ngroups + 1) + 1;

	for (size_t i = 0; i < u->nchanges; i++)
		room +=
		    u->changes[i].obj->nmembers + u->changes[i].now->nmembers;
	u->added = calloc(room, sizeof(*u->added));
	u->removed = calloc(room, sizeof(*u->removed));
	if (!u->added || !u->removed)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < u->nwho; i++) {
		if (u->who[i].is && !u->who[i].was)
			find_groups(u, &u->who[i]);
	}
	for (size_t i = 0; i < u->nchanges; i++)
		compare_members(u, &u->changes[i]);
	return DS_OK;
}

/* ---- whom they touch ---- */

static bool touch(struct dss_update *u, const struct dss_edge *edges,
		  size_t count, bool *below)
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
static int touch_all(struct dss_update *u)
{
	const struct dss_graph *graph = &u->model->links->graph;
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

static int add_delta(struct dss_update *u, uint32_t gid, uint32_t user,
		     bool gained)
{
	struct dss_gid_delta *deltas =
	    dss_grown(u->deltas, u->ndeltas, &u->deltas_cap, sizeof(*deltas));

	if (!deltas)
		return DS_ERR_NOMEM;
	u->deltas = deltas;
	u->deltas[u->ndeltas++] = (struct dss_gid_delta){ gid, user, gained };
	return DS_OK;
}

/* Two rising lists of gids; the difference, by gid for now. */
static int compare_gids(struct dss_update *u, uint32_t user,
			const uint32_t *old, size_t nold, const uint32_t *now,
			size_t nnow)
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

static int walk_again(struct dss_update *u, uint32_t index)
{
	struct dss_model *model = u->model;
	struct dss_model_user *user = &model->users[index];
	struct dss_list groups =
	    dss_graph_walk(&u->model->links->graph, index);
	uint32_t *gids, *kept;
	size_t before = u->ndeltas;

	dss_keep_published(model, user, &groups);
	dss_arena_reset(&u->scratch);
	gids = dss_arena_alloc(&u->scratch, groups.count, sizeof(*gids));
	if (!gids)
		return DS_ERR_NOMEM;
	for (uint32_t k = 0; k < groups.count; k++)
		gids[k] = model->groups[groups.item[k]].gid;
	if (compare_gids(u, index, user->gids, user->ngids, gids,
			 groups.count))
		return DS_ERR_NOMEM;
	if (u->ndeltas == before)
		return DS_OK;
	kept = dss_arena_alloc(&model->arena, groups.count, sizeof(*kept));
	if (!kept)
		return DS_ERR_NOMEM;
	memcpy(kept, gids, groups.count * sizeof(*kept));
	user->gids = kept;
	user->ngids = groups.count;
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
	const struct dss_gid_delta *x = a, *y = b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return (x->user > y->user) - (x->user < y->user);
}

/* From gids to groups, in the order in which they are needed. */
static int sort_deltas(struct dss_update *u)
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
static int merge_members(struct dss_update *u,
			 const struct dss_gid_delta *deltas, size_t count)
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

static int give_members(struct dss_update *u)
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

int dss_relink(struct dss_update *u)
{
	int err = DS_OK;

	if (u->nadded + u->nremoved == 0)
		return DS_OK;
	u->touched = calloc(u->model->nusers + 1, sizeof(*u->touched));
	if (!u->touched)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < u->nadded && err == DS_OK; i++)
		err = dss_graph_link(&u->model->links->graph, &u->added[i],
				     &u->model->arena);
	if (err == DS_OK)
		err = touch_all(u);
	for (size_t i = 0; i < u->nremoved; i++)
		dss_graph_unlink(&u->model->links->graph, &u->removed[i]);
	for (uint32_t i = 0; i < u->model->nusers && err == DS_OK; i++) {
		if (u->touched[i])
			err = walk_again(u, i);
	}
	return err ? err : give_members(u);
}

/*
 * Memberships: from GUIDs to gid lists and member lists.
 *
 * Nesting runs through every security group of the mirror, published or not,
 * as in an access token (MS-ADTS 3.1.1.4.5.19, tokenGroups); distribution
 * groups lead nowhere.  A member that the mirror does not know is no edge: so
 * a deleted member leaves its groups though nobody says so.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/model_impl.h"

#include <stdlib.h>

#include "synccache/sync/grow.h"

struct members {
	struct dss_build *b;
	struct dss_links *links;
	uint32_t *group_node; /* graph number of a group -> node */
	size_t ngroups;
	struct dss_edge *edges;
	size_t nedges, cap;
	struct dss_arena scratch;
};

static int number_nodes(struct members *m)
{
	struct dss_build *b = m->b;
	struct dss_links *links = m->links;
	bool fresh;

	m->group_node =
	    dss_arena_alloc(&m->scratch, b->count, sizeof(*m->group_node));
	if (!m->group_node)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < b->count; i++) {
		const struct dss_node *node = &b->nodes[i];
		uint32_t number;

		if (node->security)
			number = DSS_GROUP(m->ngroups);
		else if (node->obj->kind == DSS_KIND_USER &&
			 node->published != DSS_NO_NODE)
			number = DSS_USER(node->published);
		else
			continue;
		if (dss_guidmap_add(&links->by_guid, &node->obj->guid, number,
				    &fresh))
			return DS_ERR_NOMEM;
		if (node->security)
			m->group_node[m->ngroups++] = (uint32_t)i;
	}
	links->group_of = dss_arena_alloc(dss_build_arena(b), m->ngroups,
					  sizeof(*links->group_of));
	if (!links->group_of)
		return DS_ERR_NOMEM;
	for (size_t g = 0; g < m->ngroups; g++)
		links->group_of[g] = b->nodes[m->group_node[g]].published;
	return DS_OK;
}

static int add_edge(struct members *m, uint32_t member, uint32_t group)
{
	struct dss_edge *edges =
	    dss_grown(m->edges, m->nedges, &m->cap, sizeof(*edges));

	if (!edges)
		return DS_ERR_NOMEM;
	m->edges = edges;
	m->edges[m->nedges++] = (struct dss_edge){ member, group };
	return DS_OK;
}

/* DS_ERR_NOMEM; a group that is none of the graph's is no edge. */
static int add_primary(struct members *m, const struct dss_node *node,
		       uint32_t primary)
{
	uint32_t group;

	if (primary == DSS_NO_NODE ||
	    !dss_guidmap_find(&m->links->by_guid,
			      &m->b->nodes[primary].obj->guid, &group))
		return DS_OK;
	return add_edge(m, DSS_USER(node->published), group >> 1);
}

/* The groups' own lists, and each user's primary group. */
static int collect_edges(struct members *m)
{
	struct dss_build *b = m->b;

	for (size_t g = 0; g < m->ngroups; g++) {
		const struct dss_object *obj = b->nodes[m->group_node[g]].obj;

		for (size_t k = 0; k < obj->nmembers; k++) {
			uint32_t member;

			if (!dss_guidmap_find(&m->links->by_guid,
					      &obj->members[k], &member))
				continue;
			if (add_edge(m, member, (uint32_t)g))
				return DS_ERR_NOMEM;
		}
	}
	for (size_t i = 0; i < b->count; i++) {
		const struct dss_node *node = &b->nodes[i];

		if (node->obj->kind != DSS_KIND_USER ||
		    node->published == DSS_NO_NODE)
			continue;
		if (add_primary(m, node, node->primary) ||
		    (node->token != node->primary &&
		     add_primary(m, node, node->token)))
			return DS_ERR_NOMEM;
	}
	return DS_OK;
}

uint32_t dss_gids_of(const struct dss_model *model,
		     const struct dss_model_user *user,
		     const struct dss_list *groups, uint32_t *gids)
{
	uint32_t count = 0;

	for (uint32_t k = 0; k < groups->count; k++) {
		uint32_t group = model->links->group_of[groups->item[k]];

		if (group == DSS_NO_NODE ||
		    model->groups[group].gid == user->gid)
			continue;
		gids[count++] = model->groups[group].gid;
	}
	dss_sort_numbers(gids, count);
	return count;
}

static int give_gids(struct members *m, const struct dss_lists *lists)
{
	struct dss_model *model = m->b->model;
	size_t total = lists->at[model->nusers];
	uint32_t *gids = dss_arena_alloc(&model->arena, total, sizeof(*gids));

	if (!gids)
		return DS_ERR_NOMEM;
	for (size_t u = 0; u < model->nusers; u++) {
		struct dss_model_user *user = &model->users[u];
		struct dss_list groups = { lists->item + lists->at[u],
					   (uint32_t)(lists->at[u + 1] -
						      lists->at[u]) };

		user->gids = gids;
		user->ngids = dss_gids_of(model, user, &groups, gids);
		gids += user->ngids;
	}
	return DS_OK;
}

/*
 * Keeps of each user's groups those that are published, without the primary
 * one, as indices of the model's groups: whom a group has as member is whose
 * gids have its gid.
 */
static void keep_published(const struct members *m, struct dss_lists *lists)
{
	const struct dss_model *model = m->b->model;
	size_t used = 0, from = 0;

	for (size_t u = 0; u < model->nusers; u++) {
		size_t end = lists->at[u + 1];

		for (; from < end; from++) {
			uint32_t group = m->links->group_of[lists->item[from]];

			if (group != DSS_NO_NODE &&
			    model->groups[group].gid != model->users[u].gid)
				lists->item[used++] = group;
		}
		lists->at[u + 1] = used;
	}
}

static int give_members(struct members *m, struct dss_lists *lists)
{
	struct dss_build *b = m->b;
	struct dss_model *model = b->model;
	struct dss_lists users;
	int err;

	if (b->facts->config->identity.group_members == DS_MEMBERS_NONE)
		return DS_OK;
	keep_published(m, lists);
	err = dss_lists_invert(lists, model->nusers, model->ngroups,
			       dss_build_arena(b), &users);
	if (err)
		return err;
	for (size_t g = 0; g < model->ngroups; g++) {
		model->groups[g].members = users.item + users.at[g];
		model->groups[g].nmembers =
		    (uint32_t)(users.at[g + 1] - users.at[g]);
	}
	return DS_OK;
}

static int build(struct members *m)
{
	struct dss_build *b = m->b;
	struct dss_lists lists;
	int err = number_nodes(m);

	if (err == DS_OK)
		err = collect_edges(m);
	if (err == DS_OK)
		err = dss_graph_init(&m->links->graph, m->edges, m->nedges,
				     b->model->nusers, b->model->users_cap,
				     m->ngroups, dss_build_arena(b));
	if (err == DS_OK)
		err = dss_graph_closure(&m->links->graph, &m->scratch, &lists);
	if (err == DS_OK)
		err = give_gids(m, &lists);
	return err ? err : give_members(m, &lists);
}

int dss_build_members(struct dss_build *b)
{
	struct members m = { .b = b };
	int err = DS_ERR_NOMEM;

	m.links = dss_arena_alloc(dss_build_arena(b), 1, sizeof(*m.links));
	b->model->links = m.links;
	if (m.links)
		err = build(&m);
	free(m.edges);
	dss_arena_done(&m.scratch);
	return err;
}

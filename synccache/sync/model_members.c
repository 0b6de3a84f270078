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
#include <string.h>

#include "synccache/sync/graph.h"
#include "synccache/sync/guidmap.h"

struct members {
	struct dss_build *b;
	uint32_t *group_node; /* graph number of a group -> node */
	size_t ngroups;
	struct dss_guidmap by_guid; /* -> DSS_USER() or DSS_GROUP() */
	struct dss_edge *edges;
	size_t nedges, cap;
};

static int number_nodes(struct members *m)
{
	struct dss_build *b = m->b;
	bool fresh;

	m->group_node = dss_arena_alloc(dss_build_arena(b), b->count,
					sizeof(*m->group_node));
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
		if (dss_guidmap_add(&m->by_guid, &node->obj->guid, number,
				    &fresh))
			return DS_ERR_NOMEM;
		if (node->security)
			m->group_node[m->ngroups++] = (uint32_t)i;
	}
	return DS_OK;
}

static int add_edge(struct members *m, uint32_t member, uint32_t group)
{
	if (m->nedges == m->cap) {
		size_t cap = m->cap ? m->cap * 2 : 1024;
		struct dss_edge *edges =
		    reallocarray(m->edges, cap, sizeof(*edges));

		if (!edges)
			return DS_ERR_NOMEM;
		m->edges = edges;
		m->cap = cap;
	}
	m->edges[m->nedges++] = (struct dss_edge){ member, group };
	return DS_OK;
}

/* DS_ERR_NOMEM; a group that is none of the graph's is no edge. */
static int add_primary(struct members *m, const struct dss_node *node,
		       uint32_t primary)
{
	uint32_t group;

	if (primary == DSS_NO_NODE ||
	    !dss_guidmap_find(&m->by_guid, &m->b->nodes[primary].obj->guid,
			      &group))
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

			if (!dss_guidmap_find(&m->by_guid, &obj->members[k],
					      &member))
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

/*
 * Keeps of each user's groups those that are published, without the primary
 * one, as indices of the model's groups.
 */
static void keep_published(const struct members *m, struct dss_lists *lists)
{
	struct dss_build *b = m->b;
	size_t used = 0, from = 0;

	for (size_t u = 0; u < b->model->nusers; u++) {
		size_t end = lists->at[u + 1];

		for (; from < end; from++) {
			uint32_t g = lists->item[from];
			const struct dss_node *node =
			    &b->nodes[m->group_node[g]];

			if (node->published != DSS_NO_NODE &&
			    node->id != b->model->users[u].gid)
				lists->item[used++] = node->published;
		}
		lists->at[u + 1] = used;
	}
}

static int give_gids(struct dss_build *b, const struct dss_lists *lists)
{
	struct dss_model *model = b->model;
	size_t total = lists->at[model->nusers];
	uint32_t *gids =
	    dss_arena_alloc(dss_build_arena(b), total, sizeof(*gids));

	if (!gids)
		return DS_ERR_NOMEM;
	for (size_t k = 0; k < total; k++)
		gids[k] = model->groups[lists->item[k]].gid;
	for (size_t u = 0; u < model->nusers; u++) {
		struct dss_model_user *user = &model->users[u];
		size_t n = lists->at[u + 1] - lists->at[u];

		dss_sort_numbers(gids + lists->at[u], n);
		user->gids = gids + lists->at[u];
		user->ngids = (uint32_t)n;
	}
	return DS_OK;
}

static int give_members(struct dss_build *b, const struct dss_lists *lists)
{
	struct dss_model *model = b->model;
	struct dss_lists users;
	int err;

	if (b->facts->config->identity.group_members == DS_MEMBERS_NONE)
		return DS_OK;
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

int dss_build_members(struct dss_build *b)
{
	struct members m = { .b = b };
	struct dss_lists lists;
	int err = number_nodes(&m);

	if (err == DS_OK)
		err = collect_edges(&m);
	if (err == DS_OK)
		err = dss_graph_closure(m.edges, m.nedges, b->model->nusers,
					m.ngroups, dss_build_arena(b), &lists);
	free(m.edges);
	dss_guidmap_done(&m.by_guid);
	if (err)
		return err;
	keep_published(&m, &lists);
	err = give_gids(b, &lists);
	if (err)
		return err;
	return give_members(b, &lists);
}

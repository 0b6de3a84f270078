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

#define AHEAD 8 /* members whose place is fetched before it is read */

struct members {
	struct dss_build *b;
	struct dss_links *links;
	uint32_t *group_node; /* graph number of a group -> node */
	size_t ngroups;
	struct dss_edge *edges;
	size_t nedges;
	struct dss_lists lists; /* of each user: groups of the model */
	size_t lists_cap;
	struct dss_arena scratch;
};

/* By id: what is sorted by the graph's numbers is sorted by gid. */
static int order(const void *a, const void *b, void *arg)
{
	const struct dss_node *nodes = arg;
	uint32_t x = nodes[*(const uint32_t *)a].id;
	uint32_t y = nodes[*(const uint32_t *)b].id;

	return (x > y) - (x < y);
}

static int number_groups(struct members *m)
{
	struct dss_build *b = m->b;
	struct dss_links *links = m->links;
	bool fresh;

	for (size_t i = 0; i < b->count; i++) {
		if (b->nodes[i].security)
			m->group_node[m->ngroups++] = (uint32_t)i;
	}
	qsort_r(m->group_node, m->ngroups, sizeof(*m->group_node), order,
		b->nodes);
	links->group_of = dss_arena_alloc(dss_build_arena(b), m->ngroups,
					  sizeof(*links->group_of));
	if (!links->group_of)
		return DS_ERR_NOMEM;
	for (size_t g = 0; g < m->ngroups; g++) {
		const struct dss_node *node = &b->nodes[m->group_node[g]];

		links->group_of[g] = node->published;
		if (dss_guidmap_add(&links->by_guid, &node->obj->guid,
				    DSS_GROUP(g), &fresh))
			return DS_ERR_NOMEM;
	}
	return DS_OK;
}

static int number_users(struct members *m)
{
	const struct dss_model *model = m->b->model;
	bool fresh;

	for (size_t i = 0; i < model->nusers; i++) {
		if (dss_guidmap_add(&m->links->by_guid,
				    &model->users[i].obj->guid, DSS_USER(i),
				    &fresh))
			return DS_ERR_NOMEM;
	}
	return DS_OK;
}

static int number_nodes(struct members *m)
{
	int err;

	m->group_node =
	    dss_arena_alloc(&m->scratch, m->b->count, sizeof(*m->group_node));
	if (!m->group_node)
		return DS_ERR_NOMEM;
	err = number_groups(m);
	return err ? err : number_users(m);
}

/* For all members, and two groups that a user is in by being one. */
static int make_room(struct members *m)
{
	const struct dss_build *b = m->b;
	size_t room = 2 * b->model->nusers;

	for (size_t g = 0; g < m->ngroups; g++)
		room += b->nodes[m->group_node[g]].obj->nmembers;
	m->edges = reallocarray(NULL, room + 1, sizeof(*m->edges));
	return m->edges ? DS_OK : DS_ERR_NOMEM;
}

static void add_edge(struct members *m, uint32_t member, uint32_t group)
{
	m->edges[m->nedges++] = (struct dss_edge){ member, group };
}

/* A group that is none of the graph's is no edge. */
static void add_primary(struct members *m, const struct dss_node *node,
			uint32_t primary)
{
	uint32_t group;

	if (primary != DSS_NO_NODE &&
	    dss_guidmap_find(&m->links->by_guid,
			     &m->b->nodes[primary].obj->guid, &group))
		add_edge(m, DSS_USER(node->published), DSS_NUMBER(group));
}

/* The groups' own lists, and each user's primary group. */
static int collect_edges(struct members *m)
{
	struct dss_build *b = m->b;
	int err = make_room(m);

	if (err)
		return err;

	for (size_t g = 0; g < m->ngroups; g++) {
		const struct dss_object *obj = b->nodes[m->group_node[g]].obj;

		for (size_t k = 0; k < obj->nmembers; k++) {
			uint32_t member;

			if (k + AHEAD < obj->nmembers)
				dss_guidmap_ahead(&m->links->by_guid,
						  &obj->members[k + AHEAD]);
			if (dss_guidmap_find(&m->links->by_guid,
					     &obj->members[k], &member))
				add_edge(m, member, (uint32_t)g);
		}
	}
	for (size_t i = 0; i < b->count; i++) {
		const struct dss_node *node = &b->nodes[i];

		if (node->obj->kind != DSS_KIND_USER ||
		    node->published == DSS_NO_NODE)
			continue;
		add_primary(m, node, node->primary);
		if (node->token != node->primary)
			add_primary(m, node, node->token);
	}
	return DS_OK;
}

void dss_keep_published(const struct dss_model *model,
			const struct dss_model_user *user,
			struct dss_list *groups)
{
	const uint32_t *group_of = model->links->group_of;
	uint32_t count = 0;

	for (uint32_t k = 0; k < groups->count; k++) {
		uint32_t group = group_of[groups->item[k]];

		if (group != DSS_NO_NODE &&
		    model->groups[group].gid != user->gid)
			groups->item[count++] = groups->item[k];
	}
	dss_sort_numbers(groups->item, count);
	for (uint32_t k = 0; k < count; k++)
		groups->item[k] = group_of[groups->item[k]];
	groups->count = count;
}

static int give_gids(struct members *m, size_t u,
		     const struct dss_list *groups)
{
	struct dss_model *model = m->b->model;
	uint32_t *gids =
	    dss_arena_alloc(&model->arena, groups->count, sizeof(*gids));

	if (!gids)
		return DS_ERR_NOMEM;
	for (uint32_t k = 0; k < groups->count; k++)
		gids[k] = model->groups[groups->item[k]].gid;
	model->users[u].gids = gids;
	model->users[u].ngids = groups->count;
	return DS_OK;
}

/* Whom a group has as member is whose gids have its gid. */
static int append(struct members *m, size_t u, const struct dss_list *groups)
{
	struct dss_lists *lists = &m->lists;
	size_t used = lists->at[u];

	if (groups->count > m->lists_cap - used) {
		size_t cap = m->lists_cap * 2 + groups->count + 1024;
		uint32_t *item = reallocarray(lists->item, cap, sizeof(*item));

		if (!item)
			return DS_ERR_NOMEM;
		lists->item = item;
		m->lists_cap = cap;
	}
	if (groups->count > 0)
		memcpy(lists->item + used, groups->item,
		       groups->count * sizeof(*groups->item));
	lists->at[u + 1] = used + groups->count;
	return DS_OK;
}

static int walk(struct members *m)
{
	const struct dss_model *model = m->b->model;
	int err = DS_OK;

	m->lists.at = dss_arena_alloc(&m->scratch, model->nusers + 1,
				      sizeof(*m->lists.at));
	if (!m->lists.at)
		return DS_ERR_NOMEM;
	for (size_t u = 0; u < model->nusers && err == DS_OK; u++) {
		struct dss_list groups = dss_graph_walk(&m->links->graph, u);

		dss_keep_published(model, &model->users[u], &groups);
		err = give_gids(m, u, &groups);
		if (err == DS_OK)
			err = append(m, u, &groups);
	}
	return err;
}

static int give_members(struct members *m)
{
	struct dss_build *b = m->b;
	struct dss_model *model = b->model;
	struct dss_lists users;
	int err;

	if (b->facts->config->identity.group_members == DS_MEMBERS_NONE)
		return DS_OK;
	err = dss_lists_invert(&m->lists, model->nusers, model->ngroups,
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
	int err = number_nodes(m);

	if (err == DS_OK)
		err = collect_edges(m);
	if (err == DS_OK)
		err = dss_graph_init(&m->links->graph, m->edges, m->nedges,
				     b->model->nusers, b->model->users_cap,
				     m->ngroups, dss_build_arena(b));
	if (err == DS_OK)
		err = walk(m);
	return err ? err : give_members(m);
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
	free(m.lists.item);
	dss_arena_done(&m.scratch);
	return err;
}

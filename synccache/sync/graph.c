/*
 * The closure is one walk a user, each group entered once: linear in what is
 * reached, and a cycle is a group that was entered already.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/graph.h"

#include <stdlib.h>
#include <string.h>

static struct dss_list *list_of(const struct dss_graph *graph, uint32_t member)
{
	return DSS_IS_USER(member) ? &graph->direct[DSS_NUMBER(member)]
				   : &graph->parents[DSS_NUMBER(member)];
}

/* Gives each of the lists, which have their counts, its room in a block. */
static uint32_t *share_out(struct dss_list *lists, size_t count,
			   uint32_t *block)
{
	for (size_t i = 0; i < count; i++) {
		lists[i].item = block;
		block += lists[i].count;
		lists[i].count = 0;
	}
	return block;
}

int dss_graph_init(struct dss_graph *graph, const struct dss_edge *edges,
		   size_t nedges, size_t nusers, size_t users_cap,
		   size_t ngroups, struct dss_arena *arena)
{
	struct dss_graph g = { .nusers = nusers,
			       .ngroups = ngroups,
			       .users_cap = users_cap };
	uint32_t *block = dss_arena_alloc(arena, nedges, sizeof(*block));

	g.direct = dss_arena_alloc(arena, users_cap, sizeof(*g.direct));
	g.parents = dss_arena_alloc(arena, ngroups, sizeof(*g.parents));
	g.entered = dss_arena_alloc(arena, ngroups, sizeof(*g.entered));
	g.reached = dss_arena_alloc(arena, ngroups, sizeof(*g.reached));
	if (!block || !g.direct || !g.parents || !g.entered || !g.reached)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < nedges; i++)
		list_of(&g, edges[i].member)->count++;
	block = share_out(g.direct, nusers, block);
	(void)share_out(g.parents, ngroups, block);
	for (size_t i = 0; i < nedges; i++) {
		struct dss_list *list = list_of(&g, edges[i].member);

		list->item[list->count++] = edges[i].group;
	}
	*graph = g;
	return DS_OK;
}

int dss_graph_insert(struct dss_graph *graph, size_t user)
{
	struct dss_list *at = graph->direct + user;

	if (graph->nusers == graph->users_cap)
		return DS_ERR_LIMIT;
	memmove(at + 1, at, (graph->nusers - user) * sizeof(*at));
	*at = (struct dss_list){ .count = 0 };
	graph->nusers++;
	return DS_OK;
}

void dss_graph_remove(struct dss_graph *graph, size_t user)
{
	struct dss_list *at = graph->direct + user;

	graph->nusers--;
	memmove(at, at + 1, (graph->nusers - user) * sizeof(*at));
}

int dss_graph_link(struct dss_graph *graph, const struct dss_edge *edge,
		   struct dss_arena *arena)
{
	struct dss_list *list = list_of(graph, edge->member);
	uint32_t *item =
	    dss_arena_alloc(arena, (size_t)list->count + 1, sizeof(*item));

	if (!item)
		return DS_ERR_NOMEM;
	if (list->count > 0)
		memcpy(item, list->item, list->count * sizeof(*item));
	item[list->count++] = edge->group;
	list->item = item;
	return DS_OK;
}

void dss_graph_unlink(struct dss_graph *graph, const struct dss_edge *edge)
{
	struct dss_list *list = list_of(graph, edge->member);

	for (uint32_t i = 0; i < list->count; i++) {
		if (list->item[i] != edge->group)
			continue;
		list->item[i] = list->item[--list->count];
		return;
	}
}

static uint32_t enter(struct dss_graph *graph, const struct dss_list *list,
		      uint32_t count)
{
	for (uint32_t k = 0; k < list->count; k++) {
		uint32_t group = list->item[k];

		if (graph->entered[group] == graph->walk)
			continue;
		graph->entered[group] = graph->walk;
		graph->reached[count++] = group;
	}
	return count;
}

struct dss_list dss_graph_walk(struct dss_graph *graph, size_t user)
{
	uint32_t count;

	if (++graph->walk == 0) { /* once in 2^32 walks */
		memset(graph->entered, 0,
		       graph->ngroups * sizeof(*graph->entered));
		graph->walk = 1;
	}
	count = enter(graph, &graph->direct[user], 0);
	for (uint32_t done = 0; done < count; done++)
		count =
		    enter(graph, &graph->parents[graph->reached[done]], count);
	return (struct dss_list){ graph->reached, count };
}

int dss_graph_below(const struct dss_graph *graph, bool *below)
{
	struct dss_arena scratch = { 0 };
	struct dss_lists parents = { 0 }, members;
	size_t total = 0, ntodo = 0, used = 0;
	uint32_t *todo;
	int err = DS_ERR_NOMEM;

	for (size_t i = 0; i < graph->ngroups; i++)
		total += graph->parents[i].count;
	parents.at =
	    dss_arena_alloc(&scratch, graph->ngroups + 1, sizeof(*parents.at));
	parents.item = dss_arena_alloc(&scratch, total, sizeof(*parents.item));
	todo = dss_arena_alloc(&scratch, graph->ngroups, sizeof(*todo));
	if (!parents.at || !parents.item || !todo)
		goto out;
	for (size_t i = 0; i < graph->ngroups; i++) {
		const struct dss_list *list = &graph->parents[i];

		if (list->count > 0)
			memcpy(parents.item + used, list->item,
			       list->count * sizeof(*list->item));
		used += list->count;
		parents.at[i + 1] = used;
		if (below[i])
			todo[ntodo++] = (uint32_t)i;
	}
	err = dss_lists_invert(&parents, graph->ngroups, graph->ngroups,
			       &scratch, &members);
	if (err)
		goto out;
	while (ntodo > 0) {
		uint32_t group = todo[--ntodo];

		for (size_t k = members.at[group]; k < members.at[group + 1];
		     k++) {
			uint32_t member = members.item[k];

			if (!below[member])
				todo[ntodo++] = member;
			below[member] = true;
		}
	}
out:
	dss_arena_done(&scratch);
	return err;
}

static int number_order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

void dss_sort_numbers(uint32_t *list, size_t count)
{
	/* Most lists are short: a call for each comparison costs more. */
	if (count > 32) {
		qsort(list, count, sizeof(*list), number_order);
		return;
	}
	for (size_t i = 1; i < count; i++) {
		uint32_t n = list[i];
		size_t k = i;

		for (; k > 0 && list[k - 1] > n; k--)
			list[k] = list[k - 1];
		list[k] = n;
	}
}

int dss_lists_invert(const struct dss_lists *lists, size_t nlists,
		     size_t count, struct dss_arena *arena,
		     struct dss_lists *ret_inverted)
{
	struct dss_lists out;
	size_t total = 0;

	out.at = dss_arena_alloc(arena, count + 1, sizeof(*out.at));
	out.item =
	    dss_arena_alloc(arena, lists->at[nlists], sizeof(*out.item));
	if (!out.at || !out.item)
		return DS_ERR_NOMEM;
	for (size_t k = 0; k < lists->at[nlists]; k++)
		out.at[lists->item[k]]++;
	for (size_t i = 0; i < count; i++) {
		size_t n = out.at[i];

		out.at[i] = total;
		total += n;
	}
	for (size_t i = 0; i < nlists; i++) {
		for (size_t k = lists->at[i]; k < lists->at[i + 1]; k++)
			out.item[out.at[lists->item[k]]++] = (uint32_t)i;
	}
	/* Now at[i] is where list i ends: back to where it starts. */
	memmove(out.at + 1, out.at, count * sizeof(*out.at));
	out.at[0] = 0;
	*ret_inverted = out;
	return DS_OK;
}

/*
 * The closure is one walk a user, each group entered once: linear in what is
 * reached, and a cycle is a group that was entered already.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/graph.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Empty lists with room: at[] holds how many items each is to have. */
static int lists_new(struct dss_lists *lists, size_t count,
		     struct dss_arena *arena)
{
	size_t total = 0;

	for (size_t i = 0; i < count; i++) {
		size_t n = lists->at[i];

		lists->at[i] = total;
		total += n;
	}
	lists->at[count] = total;
	lists->item = dss_arena_alloc(arena, total, sizeof(*lists->item));
	return lists->item ? DS_OK : DS_ERR_NOMEM;
}

/* After filling, at[i] is where list i ends: back to where it starts. */
static void lists_filled(struct dss_lists *lists, size_t count)
{
	memmove(lists->at + 1, lists->at, count * sizeof(*lists->at));
	lists->at[0] = 0;
}

/* The groups of each member of one kind (0 users, 1 groups). */
static int by_member(const struct dss_edge *edges, size_t nedges, size_t count,
		     uint32_t kind, struct dss_arena *arena,
		     struct dss_lists *ret_lists)
{
	struct dss_lists lists;

	lists.at = dss_arena_alloc(arena, count + 1, sizeof(*lists.at));
	if (!lists.at)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < nedges; i++) {
		if ((edges[i].member & 1) == kind)
			lists.at[edges[i].member >> 1]++;
	}
	if (lists_new(&lists, count, arena) != 0)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < nedges; i++) {
		if ((edges[i].member & 1) == kind)
			lists.item[lists.at[edges[i].member >> 1]++] =
			    edges[i].group;
	}
	lists_filled(&lists, count);
	*ret_lists = lists;
	return DS_OK;
}

struct walk {
	const struct dss_lists *parents; /* of each group */
	uint32_t *entered;               /* by which user (index + 1) last */
	uint32_t *reached;               /* groups of the current user */
	size_t count;
};

static void enter(struct walk *w, const struct dss_lists *lists, size_t i,
		  uint32_t mark)
{
	for (size_t k = lists->at[i]; k < lists->at[i + 1]; k++) {
		uint32_t group = lists->item[k];

		if (w->entered[group] == mark)
			continue;
		w->entered[group] = mark;
		w->reached[w->count++] = group;
	}
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

/* All groups of one user into w->reached. */
static void walk_user(struct walk *w, const struct dss_lists *direct,
		      size_t user)
{
	uint32_t mark = (uint32_t)user + 1;

	w->count = 0;
	enter(w, direct, user, mark);
	for (size_t done = 0; done < w->count; done++)
		enter(w, w->parents, w->reached[done], mark);
	dss_sort_numbers(w->reached, w->count);
}

static int append(struct dss_lists *out, size_t *cap, size_t used,
		  const struct walk *w)
{
	if (w->count > *cap - used) {
		size_t more = *cap + *cap / 2 + w->count;
		uint32_t *item = reallocarray(out->item, more, sizeof(*item));

		if (!item)
			return DS_ERR_NOMEM;
		out->item = item;
		*cap = more;
	}
	if (w->count > 0)
		memcpy(out->item + used, w->reached,
		       w->count * sizeof(*w->reached));
	return DS_OK;
}

int dss_graph_closure(const struct dss_edge *edges, size_t nedges,
		      size_t nusers, size_t ngroups, struct dss_arena *arena,
		      struct dss_lists *ret_groups)
{
	struct dss_lists direct, parents, out = { 0 };
	struct walk w = { .parents = &parents };
	size_t cap = 0, used = 0;
	uint32_t *item;
	int err = DS_ERR_NOMEM;

	w.entered = calloc(ngroups + 1, sizeof(*w.entered));
	w.reached = calloc(ngroups + 1, sizeof(*w.reached));
	out.at = dss_arena_alloc(arena, nusers + 1, sizeof(*out.at));
	if (!w.entered || !w.reached || !out.at)
		goto out;
	if (by_member(edges, nedges, nusers, 0, arena, &direct) ||
	    by_member(edges, nedges, ngroups, 1, arena, &parents))
		goto out;
	for (size_t i = 0; i < nusers; i++) {
		walk_user(&w, &direct, i);
		if (append(&out, &cap, used, &w) != 0)
			goto out;
		used += w.count;
		out.at[i + 1] = used;
	}
	item = dss_arena_alloc(arena, used, sizeof(*item));
	if (!item)
		goto out;
	if (used > 0)
		memcpy(item, out.item, used * sizeof(*item));
	ret_groups->at = out.at;
	ret_groups->item = item;
	err = DS_OK;
out:
	free(out.item);
	free(w.entered);
	free(w.reached);
	return err;
}

int dss_lists_invert(const struct dss_lists *lists, size_t nlists,
		     size_t count, struct dss_arena *arena,
		     struct dss_lists *ret_inverted)
{
	struct dss_lists out;

	out.at = dss_arena_alloc(arena, count + 1, sizeof(*out.at));
	if (!out.at)
		return DS_ERR_NOMEM;
	for (size_t k = 0; k < lists->at[nlists]; k++)
		out.at[lists->item[k]]++;
	if (lists_new(&out, count, arena) != 0)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < nlists; i++) {
		for (size_t k = lists->at[i]; k < lists->at[i + 1]; k++)
			out.item[out.at[lists->item[k]]++] = (uint32_t)i;
	}
	lists_filled(&out, count);
	*ret_inverted = out;
	return DS_OK;
}

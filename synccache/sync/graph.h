/*
 * Who is in which group, nested to any depth, cycles and all.  Pure: numbers
 * in, numbers out.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_GRAPH_H
#define DSS_GRAPH_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "synccache/sync/arena.h"

/* Lists of numbers, one after the other: list i is item[at[i] .. at[i+1]]. */
struct dss_lists {
	uint32_t *item;
	size_t *at; /* count + 1 of them */
};

/* One direct membership: the member is in the group. */
struct dss_edge {
	uint32_t member; /* see DSS_USER and DSS_GROUP */
	uint32_t group;
};
#define DSS_USER(i)  ((uint32_t)(i) << 1)
#define DSS_GROUP(i) ((uint32_t)(i) << 1 | 1u)

/*
 * For each user, every group that they are in, directly or through groups, in
 * rising order, each once.  The result is the arena's.  DS_ERR_NOMEM.
 */
DS_MUST_CHECK int dss_graph_closure(const struct dss_edge *edges,
				    size_t nedges, size_t nusers,
				    size_t ngroups, struct dss_arena *arena,
				    struct dss_lists *ret_groups);

/*
 * Turns the lists around: for each of `count` numbers, the lists that have
 * it, in rising order.  DS_ERR_NOMEM.
 */
DS_MUST_CHECK int dss_lists_invert(const struct dss_lists *lists,
				   size_t nlists, size_t count,
				   struct dss_arena *arena,
				   struct dss_lists *ret_inverted);

/* Into rising order. */
void dss_sort_numbers(uint32_t *list, size_t count);

#endif

/*
 * Who is in which group, nested to any depth, cycles and all.  Pure: numbers
 * in, numbers out.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_GRAPH_H
#define DSS_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "synccache/sync/arena.h"

/* One direct membership: the member is in the group. */
struct dss_edge {
	uint32_t member; /* see DSS_USER and DSS_GROUP */
	uint32_t group;
};
#define DSS_USER(i)         ((uint32_t)(i) << 1)
#define DSS_GROUP(i)        ((uint32_t)(i) << 1 | 1u)
#define DSS_NUMBER(member)  ((member) >> 1)
#define DSS_IS_USER(member) (((member)&1u) == 0)

struct dss_list {
	uint32_t *item;
	uint32_t count;
};

/* An edge that was given twice is there twice.  An arena owns it all. */
struct dss_graph {
	size_t nusers, ngroups, users_cap;
	struct dss_list *direct;  /* of each user: the groups that list them */
	struct dss_list *parents; /* of each group: likewise */
	/* Of a walk: by which one a group was entered last, and which were. */
	uint32_t *entered, *reached;
	uint32_t walk;
};

DS_MUST_CHECK int dss_graph_init(struct dss_graph *graph,
				 const struct dss_edge *edges, size_t nedges,
				 size_t nusers, size_t users_cap,
				 size_t ngroups, struct dss_arena *arena);
/*
 * Makes room for a user without edges, or takes one away with theirs: later
 * ones are counted on, or back.  DS_ERR_LIMIT: there are users_cap already.
 */
DS_MUST_CHECK int dss_graph_insert(struct dss_graph *graph, size_t user);
void dss_graph_remove(struct dss_graph *graph, size_t user);
/* Adds an edge.  DS_ERR_NOMEM. */
DS_MUST_CHECK int dss_graph_link(struct dss_graph *graph,
				 const struct dss_edge *edge,
				 struct dss_arena *arena);
/* Takes one such edge away, if there is one. */
void dss_graph_unlink(struct dss_graph *graph, const struct dss_edge *edge);

/*
 * Every group that the user is in, directly or through groups, each once and
 * in no order; borrowed until the next call.
 */
struct dss_list dss_graph_walk(struct dss_graph *graph, size_t user);

/*
 * Adds to below[] (one a group) every group that is in one of those that are
 * marked there already, directly or through others.  DS_ERR_NOMEM.
 */
DS_MUST_CHECK int dss_graph_below(const struct dss_graph *graph, bool *below);

/* Lists of numbers, one after the other: list i is item[at[i] .. at[i+1]]. */
struct dss_lists {
	uint32_t *item;
	size_t *at; /* count + 1 of them */
};

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

/*
 * What the model stands on: maps by text and by GUID, and the graph of
 * memberships.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "synccache/sync/graph.h"
#include "synccache/sync/guidmap.h"
#include "synccache/sync/map.h"

static void test_map(void **state)
{
	static char key[5000][8];
	struct dss_map map = { 0 };
	uint32_t v;

	(void)state;
	assert_false(dss_map_find(&map, "x", 1, &v));
	for (uint32_t i = 0; i < 5000; i++) {
		(void)snprintf(key[i], sizeof(key[i]), "%u", i);
		assert_int_equal(
		    dss_map_add(&map, key[i], strlen(key[i]), i, &v), 0);
		assert_int_equal(v, i);
	}
	for (uint32_t i = 0; i < 5000; i++) {
		assert_int_equal(
		    dss_map_add(&map, key[i], strlen(key[i]), 7, &v), 0);
		assert_int_equal(v, i);
	}
	assert_false(dss_map_find(&map, "5000", 4, &v));
	dss_map_done(&map);
}

/* ---- the graph, against the obvious, slow way ---- */

enum { USERS = 12, GROUPS = 10, EDGES = 30 };

struct links {
	unsigned seed;
	struct dss_edge edges[EDGES];
	struct dss_graph graph;
	struct dss_arena arena;
	bool in[USERS + GROUPS][GROUPS]; /* nested ones too */
};

static struct dss_edge any_edge(struct links *l)
{
	unsigned from;

	l->seed = l->seed * 1103515245u + 12345u;
	from = (l->seed >> 8) % (USERS + GROUPS);
	return (struct dss_edge){
		.member =
		    from < USERS ? DSS_USER(from) : DSS_GROUP(from - USERS),
		.group = (l->seed >> 20) % GROUPS,
	};
}

static void close_over(struct links *l)
{
	memset(l->in, 0, sizeof(l->in));
	for (int e = 0; e < EDGES; e++) {
		uint32_t member = l->edges[e].member;
		uint32_t from = DSS_NUMBER(member);

		if (!DSS_IS_USER(member))
			from += USERS;
		l->in[from][l->edges[e].group] = true;
	}
	for (int k = 0; k < GROUPS; k++)
		for (int i = 0; i < USERS + GROUPS; i++)
			for (int j = 0; j < GROUPS; j++)
				l->in[i][j] |=
				    l->in[i][k] && l->in[USERS + k][j];
}

static void check_walks(struct links *l)
{
	for (int i = 0; i < USERS; i++) {
		struct dss_list list = dss_graph_walk(&l->graph, (size_t)i);
		uint32_t at = 0;

		dss_sort_numbers(list.item, list.count);
		for (uint32_t j = 0; j < GROUPS; j++) {
			if (!l->in[i][j])
				continue;
			assert_true(at < list.count);
			assert_int_equal(list.item[at++], j);
		}
		assert_int_equal(at, list.count);
	}
}

/* All walks, turned around. */
static void check_inverted(struct links *l)
{
	static uint32_t item[USERS * GROUPS];
	size_t at[USERS + 1] = { 0 };
	struct dss_lists lists = { item, at }, back;

	for (size_t i = 0; i < USERS; i++) {
		struct dss_list list = dss_graph_walk(&l->graph, i);

		memcpy(item + at[i], list.item, list.count * sizeof(*item));
		at[i + 1] = at[i] + list.count;
	}
	assert_int_equal(
	    dss_lists_invert(&lists, USERS, GROUPS, &l->arena, &back), 0);
	for (uint32_t j = 0; j < GROUPS; j++) {
		size_t from = back.at[j];

		for (uint32_t i = 0; i < USERS; i++) {
			if (!l->in[i][j])
				continue;
			assert_int_equal(back.item[from++], i);
		}
		assert_int_equal(from, back.at[j + 1]);
	}
}

static void check_below(struct links *l)
{
	for (int of = 0; of < GROUPS; of++) {
		bool below[GROUPS] = { false };

		below[of] = true;
		assert_int_equal(dss_graph_below(&l->graph, below), 0);
		for (int i = 0; i < GROUPS; i++)
			assert_int_equal(below[i],
					 i == of || l->in[USERS + i][of]);
	}
}

static void test_graph(void **state)
{
	struct links l = { .seed = 7 };

	(void)state;
	for (int round = 0; round < 200; round++) {
		for (int e = 0; e < EDGES; e++)
			l.edges[e] = any_edge(&l);
		assert_int_equal(dss_graph_init(&l.graph, l.edges, EDGES,
						USERS, USERS, GROUPS,
						&l.arena),
				 0);
		close_over(&l);
		check_walks(&l);
		check_inverted(&l);
		check_below(&l);
		/* Edges go, one of equal ones at a time, and others come. */
		for (int e = 0; e < EDGES; e += 3) {
			dss_graph_unlink(&l.graph, &l.edges[e]);
			l.edges[e] = any_edge(&l);
			assert_int_equal(
			    dss_graph_link(&l.graph, &l.edges[e], &l.arena),
			    0);
			close_over(&l);
			check_walks(&l);
		}
		check_below(&l);
		dss_arena_done(&l.arena);
	}
}

/* A user goes, and comes again between the others with the same edges. */
static void test_graph_users(void **state)
{
	struct links l = { .seed = 11 };

	(void)state;
	for (int e = 0; e < EDGES; e++)
		l.edges[e] = any_edge(&l);
	assert_int_equal(dss_graph_init(&l.graph, l.edges, EDGES, USERS, USERS,
					GROUPS, &l.arena),
			 0);
	close_over(&l);
	for (uint32_t user = 0; user < USERS; user++) {
		assert_int_equal(dss_graph_insert(&l.graph, user),
				 DS_ERR_LIMIT);
		dss_graph_remove(&l.graph, user);
		assert_int_equal(dss_graph_insert(&l.graph, user), 0);
		assert_int_equal(dss_graph_walk(&l.graph, user).count, 0);
		for (int e = 0; e < EDGES; e++) {
			if (l.edges[e].member == DSS_USER(user))
				assert_int_equal(dss_graph_link(&l.graph,
								&l.edges[e],
								&l.arena),
						 0);
		}
		check_walks(&l);
	}
	dss_arena_done(&l.arena);
}

#define GUIDS 3000

static void add_one(void *arg, uint32_t *value)
{
	(void)arg;
	++*value;
}

/* Against a plain list: what was put in is found until it is taken out. */
static void test_guidmap(void **state)
{
	static bool there[GUIDS];
	struct dss_guidmap map = { .slot = NULL };
	struct ds_guid guid = { .b = { 0 } };
	uint32_t seed = 5, value, count = 0;

	(void)state;
	dss_guidmap_remove(&map, &guid);
	for (uint32_t round = 0; round < 40000; round++) {
		uint32_t i = (seed = seed * 1103515245u + 12345u) >> 16;
		bool fresh;

		i %= GUIDS;
		memcpy(guid.b, &i, sizeof(i));
		assert_int_equal(dss_guidmap_find(&map, &guid, &value),
				 there[i]);
		if (there[i]) {
			assert_int_equal(value, i);
			dss_guidmap_remove(&map, &guid);
		} else {
			assert_int_equal(
			    dss_guidmap_add(&map, &guid, i, &fresh), 0);
			assert_true(fresh);
		}
		there[i] = !there[i];
	}
	dss_guidmap_each(&map, add_one, NULL);
	for (uint32_t i = 0; i < GUIDS; i++) {
		memcpy(guid.b, &i, sizeof(i));
		assert_int_equal(dss_guidmap_find(&map, &guid, &value),
				 there[i]);
		if (there[i])
			assert_int_equal(value, i + 1);
		count += there[i];
	}
	assert_int_equal(map.used, count);
	assert_true(map.cap / 2 >= count && count > GUIDS / 3);
	dss_guidmap_done(&map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_map),
		cmocka_unit_test(test_graph),
		cmocka_unit_test(test_graph_users),
		cmocka_unit_test(test_guidmap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

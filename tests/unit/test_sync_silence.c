/*
 * A domain controller that falls silent in the middle of an answer: how long
 * it gets, by a clock that goes on while nobody speaks.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <unistd.h>

#include "synccache/sync/store.h"
#include "tests/unit/dc_world.h"

#define SECOND 1000
#define SLACK  100           /* of rounding */
#define MUCH   (30 * SECOND) /* a slow machine is no failure */

static char dir[] = "/tmp/dssync-test-XXXXXX";
static struct dc_world *world;
static int bulk_id;

/* An entry, and no end. */
static void begins(struct script_server *sv, const struct script_request *rq)
{
	bulk_id = rq->id;
	script_user(sv, rq->id, 1);
	dc_world_hush(world, sv, true);
}

/* The first connection's, when it is asked for the third time. */
static void ends_at_last(struct dc_world *w)
{
	if (w->dcs[0].probed < 3)
		return;
	script_done_with(&w->conns[0], bulk_id, SCRIPT_DIRSYNC, 0, "cookie");
	dc_world_hush(w, &w->conns[0], false);
}

static int setup(void **state)
{
	static char *no_list[] = { NULL };
	struct dc_world *w;
	bool rebuilt;

	if (dc_world_setup(state) != 0)
		return -1;
	w = world = *state;
	w->dcs[0] =
	    (struct dc_host){ .name = "dc1.example.com", .site = "WEST" };
	w->s.config.sync.bases = w->s.config.sync.groups = no_list;
	w->s.config.sync.reconcile_interval = 3600;
	w->s.silent = dss_dc_probe;
	strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	return mkdtemp(dir) ? dss_store_open(dir, &rebuilt, &w->s.store) : -1;
}

static int teardown(void **state)
{
	struct dc_world *w = *state;

	dss_store_close(w->s.store);
	(void)!dss_store_remove(dir);
	(void)rmdir(dir);
	return dc_world_teardown(state);
}

/* One pull, which ends with `err` after so long. */
static void pull(struct dc_world *w, int err, int64_t ms)
{
	bool changed = false;
	int64_t took;

	assert_int_equal(dss_dc_connect(&w->s), 0);
	took = -dc_test_now();
	w->bulk = begins;
	assert_int_equal(dss_pull(&w->s, 0, &changed), err);
	took += dc_test_now();
	assert_in_range(took, ms - SLACK, ms + MUCH);
}

/* A minute of silence, and five seconds for a sign of life. */
static void test_hangs(void **state)
{
	struct dc_world *w = *state;

	w->dcs[0].hangs = true;
	pull(w, DS_ERR_TIMEOUT, 65 * SECOND);
	assert_int_equal(w->dcs[0].probed, 1);
	assert_int_equal(w->dcs[0].connected, 2);
}

/* No time is lost with one that refuses. */
static void test_is_gone(void **state)
{
	struct dc_world *w = *state;

	assert_int_equal(dss_dc_connect(&w->s), 0);
	w->dcs[0].down = true;
	assert_int_equal(dss_dc_probe(&w->s), DS_ERR_SYS);
	w->dcs[0].down = false;
	assert_int_equal(dss_dc_probe(&w->s), DS_OK);
}

static void test_is_slow(void **state)
{
	struct dc_world *w = *state;

	w->probe = ends_at_last;
	pull(w, DS_OK, 3 * 60 * SECOND);
	assert_int_equal(w->dcs[0].probed, 3);
}

/* One that lives and never ends is left after ten minutes. */
static void test_never_ends(void **state)
{
	struct dc_world *w = *state;

	pull(w, DS_ERR_TIMEOUT, 10 * 60 * SECOND);
	assert_int_equal(w->dcs[0].probed, 10);
}

#define WORLD_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_hangs),
		WORLD_TEST(test_is_gone),
		WORLD_TEST(test_is_slow),
		WORLD_TEST(test_never_ends),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

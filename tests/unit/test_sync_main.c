/*
 * When dssync-sync publishes: its main file, with what waits and what
 * publishes in the test's hands.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <sys/socket.h>

#include "synccache/sync/sync.h"

static int test_wait(struct dss_sync *s, int fd, bool write,
		     int64_t deadline_ms);
static int test_publish(struct dss_sync *s, bool all);
int dss_main(int argc, char **argv);

#define dss_wait    test_wait
#define dss_publish test_publish
#define main        dss_main
#define listen      dss_listen /* not the C library's */
#include "synccache/sync/main.c"
#undef main
#undef listen

static bool meanwhile;   /* the monitor asks for the files while we wait */
static unsigned written; /* publications */
static bool whole;       /* the last had all files written */
static int64_t when;     /* it was, in ds_now_ms() */

static int test_wait(struct dss_sync *s, int fd, bool write,
		     int64_t deadline_ms)
{
	(void)write;
	assert_int_equal(fd, -1);
	s->restage |= meanwhile;
	while (ds_now_ms() < deadline_ms)
		(void)usleep(1000);
	return DS_ERR_TIMEOUT;
}

static int test_publish(struct dss_sync *s, bool all)
{
	s->restage = false;
	whole = all;
	when = ds_now_ms();
	written++;
	return DS_OK;
}

/* Files that are to be written anew are, also if it is said while a
 * publication of something else waits for its time. */
static void test_asked_meanwhile(void **state)
{
	struct dss_sync s = { .stop = false };
	struct plan plan = { .publish = 0 };

	(void)state;
	for (unsigned turn = 1; turn <= 2; turn++) {
		int64_t due = ds_now_ms() + 50;

		plan.publish = due;
		meanwhile = turn == 2;
		assert_true(publish(&s, &plan));
		assert_int_equal(written, turn);
		assert_int_equal(whole, turn == 2);
		assert_true(when >= due);
		assert_true(plan.publish >= when + COALESCE_MS);
		assert_false(s.restage);
	}
}

/* When the server hangs up, the next try is soon, and the status says when. */
static void test_hung_up(void **state)
{
	static struct dss_sync s;
	const struct dss_waiter waiter = { NULL, NULL };
	struct plan plan = { .pull = ds_now_ms() + 3600000 };
	uint64_t now = (uint64_t)time(NULL);
	int pair[2];

	(void)state;
	s.config.sync.interval = 3600;
	s.status.next_try = now + 3600;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(dss_conn_new(pair[0], "dc1", &waiter, &s.conn), 0);
	assert_int_equal(close(pair[1]), 0);
	dss_listen(&s, &plan);
	assert_null(s.conn);
	assert_in_range(plan.pull, ds_now_ms() + RECONNECT_MS - 1000,
			ds_now_ms() + RECONNECT_MS + DSS_PACE_SPREAD_MS);
	assert_in_range(s.status.next_try, now,
			now + (RECONNECT_MS + DSS_PACE_SPREAD_MS) / 1000 + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_asked_meanwhile),
		cmocka_unit_test(test_hung_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

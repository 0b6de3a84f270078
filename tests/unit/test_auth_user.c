/*
 * pam-user.sock: what a user may take of it, and what that leaves for root.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

#include "synccache/auth/gate.h"
#include "tests/unit/gate_world.h"

/* Until nothing that was answered before counts. */
static void rest(void)
{
	run_for(DSA_REST_MS + 50);
}

static void test_user_answer(void **state)
{
	bool handle = false;
	int fd;

	(void)state;
	rest();
	fd = ask_as_user(DS_MSG_AUTH, "ok");
	assert_int_equal(result_of(fd, PATIENCE_MS, &handle), DS_AUTH_OK);
	assert_true(handle);
	(void)close(fd);
	assert_int_equal(audited.caller, getuid());
	assert_string_equal(audited.reason, "2 descriptors");
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_ACCOUNT, ""), PATIENCE_MS),
	    DS_AUTH_OK);
	no_worker_left();
	/* Who is nobody in the domain does not even get to hang. */
	mirrored = false;
	fd = call_at(&user_address);
	assert_int_equal(result_and_close(fd, DSA_REQUEST_MS / 2), -1);
	mirrored = true;
}

/* A user who asks and asks gets so many answers at a time. */
static void test_user_rests(void **state)
{
	int fd;

	(void)state;
	rest();
	gate_rest_ms = 2000;
	for (int i = 0; i < DSA_UID_RESTS_MAX; i++) {
		fd = ask_as_user(DS_MSG_ACCOUNT, "");
		assert_int_equal(result_of(fd, PATIENCE_MS, NULL), DS_AUTH_OK);
		/* Its caller need not wait. */
		assert_int_equal(result_and_close(fd, 0), -1);
	}
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_ACCOUNT, ""), PATIENCE_MS),
	    -1);
	/* Not so at root's gate. */
	for (int i = 0; i < 2 * DSA_UID_RESTS_MAX; i++)
		assert_int_equal(
		    result_and_close(ask(DS_MSG_ACCOUNT, ""), PATIENCE_MS),
		    DS_AUTH_OK);
	rest();
	gate_rest_ms = 200;
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_ACCOUNT, ""), PATIENCE_MS),
	    DS_AUTH_OK);
}

/* What works on after its answer is root's, or holds the user's own slot. */
static void test_user_does_not_linger(void **state)
{
	int before = late_words;

	(void)state;
	rest();
	server.offline.on = true;
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_AUTH, "linger"), PATIENCE_MS),
	    DS_AUTH_OK);
	assert_int_equal(server.jobs.running[DSA_JOB_LINGER], 0);
	assert_int_equal(server.jobs.running[DSA_JOB_USER_CHECK], 1);
	assert_int_equal(
	    result_and_close(ask(DS_MSG_AUTH, "linger"), PATIENCE_MS),
	    DS_AUTH_OK);
	assert_int_equal(server.jobs.running[DSA_JOB_LINGER], 1);
	assert_int_equal(server.jobs.running[DSA_JOB_CHECK], 0);
	/* Both are heard, and neither lives longer for it. */
	for (int i = 0; i < PATIENCE_MS / 10 && late_words < before + 2; i++)
		run_for(10);
	assert_int_equal(late_words, before + 2);
	assert_int_equal(audited.result, DS_AUTH_OK);
	server.offline.on = false;
	no_worker_left();
}

/* One more than a user may have is cut off before the first of them. */
static void test_user_connections(void **state)
{
	int hang[DSA_UID_CONNS_MAX], more;

	(void)state;
	rest();
	gate_request_ms = 2000;
	for (int i = 0; i < DSA_UID_CONNS_MAX; i++)
		hang[i] = call_at(&user_address);
	more = call_at(&user_address);
	/* Root's gate has not noticed. */
	assert_int_equal(
	    result_and_close(ask(DS_MSG_ACCOUNT, ""), PATIENCE_MS),
	    DS_AUTH_OK);
	assert_int_equal(result_and_close(more, PATIENCE_MS), -1);
	assert_int_equal(result_of(hang[0], 0, NULL), -2);
	for (int i = 0; i < DSA_UID_CONNS_MAX; i++)
		assert_int_equal(result_and_close(hang[i], PATIENCE_MS), -1);
	gate_request_ms = PATIENCE_MS;
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_AUTH, "ok"), PATIENCE_MS),
	    DS_AUTH_OK);
	no_worker_left();
}

static void test_user_workers(void **state)
{
	int first, second;

	(void)state;
	rest();
	/* One worker a user, though another is free. */
	first = ask_as_user(DS_MSG_AUTH, "told");
	workers_run(DSA_JOB_USER_CHECK, 1);
	gate_queue_ms = 300;
	second = ask_as_user(DS_MSG_AUTH, "ok");
	run_for(50);
	assert_int_equal(server.jobs.running[DSA_JOB_USER_CHECK], 1);
	assert_int_equal(result_and_close(ask(DS_MSG_AUTH, "ok"), PATIENCE_MS),
			 DS_AUTH_OK);
	assert_int_equal(result_and_close(second, PATIENCE_MS),
			 DS_AUTH_UNAVAILABLE);
	gate_queue_ms = PATIENCE_MS;
	tell(first);
	assert_int_equal(result_and_close(first, PATIENCE_MS), DS_AUTH_OK);
	/* Then the next is served, whoever waits. */
	rest();
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_AUTH, "ok"), PATIENCE_MS),
	    DS_AUTH_OK);
	no_worker_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_user_answer),
		cmocka_unit_test(test_user_rests),
		cmocka_unit_test(test_user_does_not_linger),
		cmocka_unit_test(test_user_connections),
		cmocka_unit_test(test_user_workers),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/*
 * pam-user.sock: what a user may take of it, and what that leaves for root.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/wire.h"
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
	assert_int_equal(result_of(fd, 1000, &handle), DS_AUTH_OK);
	assert_true(handle);
	(void)close(fd);
	assert_int_equal(audited.caller, getuid());
	assert_string_equal(audited.reason, "2 descriptors");
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_ACCOUNT, ""), 1000),
	    DS_AUTH_OK);
	no_worker_left();
	/* Who is nobody in the domain does not even get to hang. */
	mirrored = false;
	fd = call_at(&user_address);
	assert_int_equal(result_and_close(fd, DSA_REQUEST_MS / 2), -1);
	mirrored = true;
}

/* Whether there is no answer after so many, while the first rests. */
static bool is_refused_for_now(void)
{
	int fd[DSA_UID_RESTS_MAX];
	bool refused;

	rest();
	for (int i = 0; i < DSA_UID_RESTS_MAX; i++) {
		fd[i] = ask_as_user(DS_MSG_ACCOUNT, "");
		assert_int_equal(result_of(fd[i], 1000, NULL), DS_AUTH_OK);
		/* Its caller need not wait. */
		assert_int_equal(result_and_close(fd[i], 0), -1);
	}
	refused = result_and_close(ask_as_user(DS_MSG_ACCOUNT, ""), 1000) < 0;
	/* Not so at root's gate. */
	for (int i = 0; i < 2 * DSA_UID_RESTS_MAX; i++)
		assert_int_equal(
		    result_and_close(ask(DS_MSG_ACCOUNT, ""), 1000),
		    DS_AUTH_OK);
	return refused;
}

/* A user who asks and asks gets so many answers at a time. */
static void test_user_rests(void **state)
{
	int tries = 10; /* on a slow machine the rest may be over */

	(void)state;
	while (!is_refused_for_now())
		assert_true(--tries > 0);
	rest();
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_ACCOUNT, ""), 1000),
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
	    result_and_close(ask_as_user(DS_MSG_AUTH, "linger"), 1000),
	    DS_AUTH_OK);
	assert_int_equal(server.jobs.running[DSA_JOB_LINGER], 0);
	assert_int_equal(server.jobs.running[DSA_JOB_USER_CHECK], 1);
	assert_int_equal(result_and_close(ask(DS_MSG_AUTH, "linger"), 1000),
			 DS_AUTH_OK);
	assert_int_equal(server.jobs.running[DSA_JOB_LINGER], 1);
	assert_int_equal(server.jobs.running[DSA_JOB_CHECK], 0);
	/* Both are heard, and neither lives longer for it. */
	for (int i = 0; i < 200 && late_words < before + 2; i++)
		run_for(10);
	assert_int_equal(late_words, before + 2);
	assert_int_equal(audited.result, DS_AUTH_OK);
	server.offline.on = false;
	no_worker_left();
}

/* Whether one more is cut off before the first of those that hang. */
static bool is_refused_at_once(void)
{
	int hang[DSA_UID_CONNS_MAX], more;
	bool at_once;

	for (int i = 0; i < DSA_UID_CONNS_MAX; i++)
		hang[i] = call_at(&user_address);
	more = call_at(&user_address);
	/* Root's gate has not noticed. */
	assert_int_equal(result_and_close(ask(DS_MSG_ACCOUNT, ""), 1000),
			 DS_AUTH_OK);
	assert_int_equal(result_and_close(more, 2000), -1);
	at_once = result_of(hang[0], 0, NULL) == -2;
	for (int i = 0; i < DSA_UID_CONNS_MAX; i++)
		assert_int_equal(
		    result_and_close(hang[i], DSA_REQUEST_MS + 500), -1);
	return at_once;
}

static void test_user_connections(void **state)
{
	int tries = 10; /* on a slow machine their time may be up, too */

	(void)state;
	rest();
	while (!is_refused_at_once())
		assert_true(--tries > 0);
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_AUTH, "ok"), 1000),
	    DS_AUTH_OK);
	no_worker_left();
}

static void test_user_workers(void **state)
{
	int first, second;

	(void)state;
	rest();
	/* One worker a user, though another is free. */
	first = ask_as_user(DS_MSG_AUTH, "hang");
	run_for(50);
	second = ask_as_user(DS_MSG_AUTH, "ok");
	run_for(50);
	assert_int_equal(server.jobs.running[DSA_JOB_USER_CHECK], 1);
	assert_int_equal(result_and_close(ask(DS_MSG_AUTH, "ok"), 1000),
			 DS_AUTH_OK);
	assert_int_equal(result_and_close(second, DSA_QUEUE_MS + 500),
			 DS_AUTH_UNAVAILABLE);
	assert_int_equal(result_and_close(first, DSA_CHECK_MS + 500),
			 DS_AUTH_UNAVAILABLE);
	/* Then the next is served, whoever waits. */
	rest();
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_AUTH, "ok"), 1000),
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

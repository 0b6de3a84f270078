/*
 * pam.sock and its workers: limits, queue, deadlines, isolation, hostile
 * callers, and the delays after failures.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/auth/delay.h"
#include "synccache/auth/gate.h"
#include "tests/unit/gate_world.h"

static void test_answer(void **state)
{
	bool handle = false;
	int fd = ask(DS_MSG_AUTH, "ok");

	(void)state;
	assert_int_equal(result_of(fd, PATIENCE_MS, &handle), DS_AUTH_OK);
	assert_true(handle);
	assert_int_equal(dsa_handles_count(server.handles), 1);
	assert_string_equal(audited.user, "alice@example.com");
	assert_true(dsa_proven_has(&server.proven, ds_now_ms(), getpid(),
				   &(struct dsa_subject){ .uid = 1 }));
	/* The connection and the channel, nothing else of the server. */
	assert_string_equal(audited.reason, "2 descriptors");
	(void)close(fd);
	assert_int_equal(
	    result_and_close(ask(DS_MSG_ACCOUNT, ""), PATIENCE_MS),
	    DS_AUTH_OK);
	no_worker_left();
}

/* Only what a KDC has accepted spares the account phase its live check. */
static void test_offline_proves_nothing(void **state)
{
	const struct dsa_subject nobody = { .uid = 1 };

	(void)state;
	memset(&server.proven, 0, sizeof(server.proven));
	probes = 0;
	offline_used = 0;
	assert_int_equal(
	    result_and_close(ask(DS_MSG_AUTH, "offline"), PATIENCE_MS),
	    DS_AUTH_OK);
	assert_int_equal(probes, 1);
	assert_int_equal(offline_used, 1);
	/* It has taken 90.5 ms, as it says. */
	assert_true(heard_began <= ds_now_ms() - 90);
	assert_false(
	    dsa_proven_has(&server.proven, ds_now_ms(), getpid(), &nobody));
	assert_int_equal(result_and_close(ask(DS_MSG_AUTH, "ok"), PATIENCE_MS),
			 DS_AUTH_OK);
	assert_true(
	    dsa_proven_has(&server.proven, ds_now_ms(), getpid(), &nobody));
	no_worker_left();
}

/* One that waits for a live check holds up nobody. */
static void test_account_later(void **state)
{
	int slow;

	(void)state;
	gate_request_ms = 300;
	answer_later = true;
	later_said = NULL;
	slow = ask(DS_MSG_ACCOUNT, "");
	for (int i = 0; i < PATIENCE_MS / 10 && later_said == NULL; i++)
		run_for(10);
	assert_int_equal(result_of(slow, 50, NULL), -2);
	assert_int_equal(account_caller, getpid());
	answer_later = false;
	{
		dsa_account_said said = later_said;
		void *arg = later_arg;

		assert_int_equal(
		    result_and_close(ask(DS_MSG_ACCOUNT, ""), PATIENCE_MS),
		    DS_AUTH_OK);
		/* The request's own deadline is over, not the answer's. */
		run_for(DSA_REQUEST_MS + 100);
		said(arg, DS_AUTH_LOCKED, "text");
	}
	gate_request_ms = PATIENCE_MS;
	assert_int_equal(result_and_close(slow, PATIENCE_MS), DS_AUTH_LOCKED);
}

/* Nothing is said before it is known why, or that nobody says. */
static void test_revoked(void **state)
{
	const struct dsa_verdict disabled = { DS_AUTH_DISABLED, true };
	int fd;

	(void)state;
	may_ask_why = false;
	assert_int_equal(
	    result_and_close(ask(DS_MSG_AUTH, "revoked"), PATIENCE_MS),
	    DS_AUTH_DENIED);
	may_ask_why = true;
	why_said = NULL;
	fd = ask(DS_MSG_AUTH, "revoked");
	for (int i = 0; i < PATIENCE_MS / 10 && why_said == NULL; i++)
		run_for(10);
	assert_non_null(why_said);
	no_worker_left();
	assert_int_equal(result_of(fd, 50, NULL), -2);
	audited.result = DS_AUTH_OK;
	why_said(why_arg, &disabled, "the domain says why");
	assert_int_equal(result_and_close(fd, PATIENCE_MS), DS_AUTH_DISABLED);
	assert_int_equal(audited.result, DS_AUTH_DISABLED);
	assert_non_null(strstr(audited.reason, "; the domain says why"));
	may_ask_why = false;
}

/* What is said before the proof says that there is such a user. */
static void test_text_for_strangers(void **state)
{
	static const struct {
		uint16_t type;
		const char *from, *script;
		bool text;
	} rows[] = {
		{ DS_MSG_AUTH, "", "no kdc", true },
		{ DS_MSG_AUTH, "192.0.2.9", "no kdc", false },
		{ DS_MSG_AUTH, "192.0.2.9", "die", false },
		{ DS_MSG_AUTH, "192.0.2.9", "ok", true },
		/* Whoever changes a password has come in. */
		{ DS_MSG_CHANGE, "192.0.2.9", "no kdc", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		rhost = rows[i].from;
		assert_true(result_and_close(ask(rows[i].type, rows[i].script),
					     1000) >= 0);
		assert_int_equal(said_text[0] != '\0', rows[i].text);
	}
	rhost = "";
	no_worker_left();
}

static int ask_host(bool as_user)
{
	uint8_t buf[DS_HEADER_LEN];
	struct ds_writer w;
	int fd = as_user ? call_at(&user_address) : call();

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_HOST, 42);
	assert_int_equal(ds_frame_end(&w), 0);
	assert_int_equal(write(fd, buf, w.len), w.len);
	return fd;
}

/* doctor's question; a locker has none. */
static void test_host(void **state)
{
	(void)state;
	assert_int_equal(result_and_close(ask(DS_MSG_HOST, ""), 1000), -1);
	assert_int_equal(result_and_close(ask_host(false), 1000),
			 DS_AUTH_DENIED);
	assert_string_equal(said_text, "why");
	assert_int_equal(result_and_close(ask_host(true), 1000), -1);
}

static void test_worker_dies(void **state)
{
	(void)state;
	assert_int_equal(
	    result_and_close(ask(DS_MSG_AUTH, "die"), PATIENCE_MS),
	    DS_AUTH_UNAVAILABLE);
	assert_string_equal(audited.user, "alice@example.com");
	assert_int_equal(audited.result, DS_AUTH_UNAVAILABLE);
	assert_int_equal(
	    result_and_close(ask(DS_MSG_AUTH, "nonsense"), PATIENCE_MS),
	    DS_AUTH_UNAVAILABLE);
	no_worker_left();
}

static void test_worker_deadline(void **state)
{
	static const char *const scripts[] = { "hang", "chatter" };

	(void)state;
	gate_check_ms = 700;
	/* Talk does not buy time. */
	for (int i = 0; i < 2; i++) {
		int64_t begin = ds_now_ms();

		assert_int_equal(result_and_close(ask(DS_MSG_AUTH, scripts[i]),
						  PATIENCE_MS),
				 DS_AUTH_UNAVAILABLE);
		assert_true(ds_now_ms() - begin >= gate_check_ms - 50);
	}
	gate_check_ms = PATIENCE_MS;
	no_worker_left();
	/* One that has answered and stays is ended too. */
	assert_int_equal(
	    result_and_close(ask(DS_MSG_AUTH, "linger"), PATIENCE_MS),
	    DS_AUTH_OK);
	no_worker_left();
}

static void test_queue(void **state)
{
	int busy[DSA_CHECKS_MAX], late;

	(void)state;
	for (int i = 0; i < DSA_CHECKS_MAX; i++)
		busy[i] = ask(DS_MSG_AUTH, "told");
	workers_run(DSA_JOB_CHECK, DSA_CHECKS_MAX);
	gate_queue_ms = 300;
	late = ask(DS_MSG_AUTH, "ok");
	/* No slot, but others need none. */
	assert_int_equal(
	    result_and_close(ask(DS_MSG_ACCOUNT, ""), PATIENCE_MS),
	    DS_AUTH_OK);
	assert_int_equal(result_and_close(late, PATIENCE_MS),
			 DS_AUTH_UNAVAILABLE);
	assert_string_equal(audited.reason, "all workers are busy");
	gate_queue_ms = PATIENCE_MS;
	/* One that waits when a slot comes free is served. */
	late = ask(DS_MSG_AUTH, "ok");
	assert_int_equal(result_of(late, 50, NULL), -2);
	tell(busy[0]);
	assert_int_equal(result_and_close(late, PATIENCE_MS), DS_AUTH_OK);
	tell(busy[1]);
	for (int i = 0; i < DSA_CHECKS_MAX; i++)
		assert_int_equal(result_and_close(busy[i], PATIENCE_MS),
				 DS_AUTH_OK);
	no_worker_left();
}

static void test_hanging_callers(void **state)
{
	int hang[DSA_CONNS_MAX], late;

	(void)state;
	gate_request_ms = 2000;
	for (int i = 0; i < DSA_CONNS_MAX; i++)
		hang[i] = call();
	run_for(50);
	/* Full: this one waits in the backlog until the others are cut off. */
	late = ask(DS_MSG_ACCOUNT, "");
	assert_int_equal(result_of(late, 100, NULL), -2);
	assert_int_equal(result_and_close(late, PATIENCE_MS), DS_AUTH_OK);
	for (int i = 0; i < DSA_CONNS_MAX; i++)
		assert_int_equal(result_and_close(hang[i], PATIENCE_MS), -1);
	gate_request_ms = PATIENCE_MS;
}

static void test_slow_writer(void **state)
{
	uint8_t buf[512];
	struct ds_writer w = request(buf, sizeof(buf), DS_MSG_AUTH, "ok");
	int fd = call();

	(void)state;
	for (size_t i = 0; i < w.len; i++) {
		assert_int_equal(write(fd, buf + i, 1), 1);
		if (i % 16 == 0)
			run_for(1);
	}
	assert_int_equal(result_and_close(fd, PATIENCE_MS), DS_AUTH_OK);
	/* A byte now and then does not keep a connection. */
	gate_request_ms = 300;
	fd = call();
	for (int i = 0; i < 8; i++) {
		(void)!send(fd, buf + i, 1, MSG_NOSIGNAL);
		run_for(DSA_REQUEST_MS / 6);
	}
	assert_int_equal(result_and_close(fd, 0), -1);
	gate_request_ms = PATIENCE_MS;
	no_worker_left();
}

static void check_cut_off(const void *p, size_t len)
{
	int fd = call();

	assert_int_equal(write(fd, p, len), len);
	assert_int_equal(result_and_close(fd, DSA_REQUEST_MS / 2), -1);
}

static void test_hostile_headers(void **state)
{
	uint8_t buf[512];

	(void)state;
	check_cut_off("\0\0\0\0\0\0\0\0\0\0\0\0", 12);     /* version 0 */
	check_cut_off("\0\0\0\0\1\0\2\0\0\0\0\0", 12);     /* a reply */
	check_cut_off("\0\0\0\0\1\0\x20\0\0\0\0\0", 12);   /* ctl.sock's */
	check_cut_off("\xff\xff\0\0\1\0\1\0\0\0\0\0", 12); /* too large */
	check_cut_off("\xff\xff\xff\xff\1\0\1\0\0\0\0\0", 12);
	/* A frame that ends in the middle: the worker never starts. */
	(void)request(buf, sizeof(buf), DS_MSG_AUTH, "ok");
	{
		int fd = call();

		assert_int_equal(write(fd, buf, 40), 40);
		(void)shutdown(fd, SHUT_WR);
		/* At once: no place is kept for what cannot come. */
		assert_int_equal(result_and_close(fd, DSA_REQUEST_MS / 2), -1);
		assert_int_equal(server.jobs.running[DSA_JOB_CHECK], 0);
	}
}

/* Whoever hangs up before a worker is free costs none. */
static void test_gone_before_its_turn(void **state)
{
	int busy[DSA_CHECKS_MAX], gone;

	(void)state;
	for (int i = 0; i < DSA_CHECKS_MAX; i++)
		busy[i] = ask(DS_MSG_AUTH, "told");
	workers_run(DSA_JOB_CHECK, DSA_CHECKS_MAX);
	gone = ask(DS_MSG_AUTH, "wrong");
	run_for(20);
	(void)close(gone);
	audited.times = 0;
	for (int i = 0; i < DSA_CHECKS_MAX; i++) {
		tell(busy[i]);
		assert_int_equal(result_and_close(busy[i], PATIENCE_MS),
				 DS_AUTH_OK);
	}
	no_worker_left();
	assert_int_equal(audited.times, DSA_CHECKS_MAX);
}

/* ---- delays after failures ---- */

static void fail_times(int times)
{
	while (times-- > 0)
		assert_int_equal(
		    result_and_close(ask(DS_MSG_AUTH, "wrong"), PATIENCE_MS),
		    DS_AUTH_BAD_PASSWORD);
}

static void test_delay(void **state)
{
	int waiting, second;
	int64_t begin;

	(void)state;
	rhost = "192.0.2.1";
	/* No KDC, no failure. */
	for (int i = 0; i < 5; i++)
		assert_int_equal(
		    result_and_close(ask(DS_MSG_AUTH, "no kdc"), PATIENCE_MS),
		    DS_AUTH_UNAVAILABLE);
	begin = ds_now_ms();
	fail_times(2);
	/* "May it be changed here?" proves nothing. */
	assert_int_equal(
	    result_and_close(ask(DS_MSG_CHANGE, "unchecked"), PATIENCE_MS),
	    DS_AUTH_OK);
	fail_times(1);
	/* One waits for its turn; another is refused. */
	waiting = ask(DS_MSG_AUTH, "told wrong");
	second = ask(DS_MSG_AUTH, "ok");
	assert_int_equal(result_and_close(second, PATIENCE_MS),
			 DS_AUTH_DELAYED);
	assert_int_equal(audited.result, DS_AUTH_DELAYED);
	assert_string_equal(audited.user, "alice@example.com");
	tell(waiting);
	assert_int_equal(result_and_close(waiting, PATIENCE_MS),
			 DS_AUTH_BAD_PASSWORD);
	assert_true(ds_now_ms() - begin >= DSA_DELAY_FIRST_MS);
	/* Who comes from elsewhere is not concerned. */
	waiting = ask(DS_MSG_AUTH, "ok");
	rhost = "192.0.2.2";
	assert_int_equal(result_and_close(ask(DS_MSG_AUTH, "ok"), PATIENCE_MS),
			 DS_AUTH_OK);
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_AUTH, "ok"), PATIENCE_MS),
	    DS_AUTH_OK);
	rhost = "192.0.2.1";
	/* The right password has waited as well, and ends it. */
	assert_int_equal(result_and_close(waiting, PATIENCE_MS), DS_AUTH_OK);
	fail_times(2);
	assert_int_equal(result_and_close(ask(DS_MSG_AUTH, "ok"), PATIENCE_MS),
			 DS_AUTH_OK);
	rhost = "";
	no_worker_left();
}

/* Who hangs up while waiting is not checked. */
static void test_delayed_and_gone(void **state)
{
	int fd;

	(void)state;
	rhost = "192.0.2.3";
	gate_delay_ms = 2000;
	fail_times(3);
	audited.result = DS_AUTH_OK;
	fd = ask(DS_MSG_AUTH, "wrong");
	run_for(20);
	(void)close(fd);
	run_for(DSA_DELAY_FIRST_MS + 100);
	assert_int_equal(audited.result, DS_AUTH_OK);
	gate_delay_ms = 800;
	rhost = "";
	no_worker_left();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_account_later),
		cmocka_unit_test(test_offline_proves_nothing),
		cmocka_unit_test(test_revoked),
		cmocka_unit_test(test_text_for_strangers),
		cmocka_unit_test(test_host),
		cmocka_unit_test(test_worker_dies),
		cmocka_unit_test(test_worker_deadline),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_hanging_callers),
		cmocka_unit_test(test_slow_writer),
		cmocka_unit_test(test_hostile_headers),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_delayed_and_gone),
		cmocka_unit_test(test_gone_before_its_turn),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

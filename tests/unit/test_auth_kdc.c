/*
 * Talking to KDCs: how long each is waited for, and when the next is asked.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/wire.h"
#include "tests/unit/kdc_world.h"

static void test_first(void **state)
{
	(void)state;
	world(ANSWER, ANSWER, ANSWER);
	assert_int_equal(ask_them(false), 0);
	assert_asked(0, 1);
	assert_asked(1, 0);
	assert_asked(2, 0);
}

/* Another worker has found out which one answers; no list is made then. */
static void test_near(void **state)
{
	(void)state;
	near = "127.0.0.2";
	world(SILENT, ANSWER, ANSWER);
	assert_string_equal(dsa_kdc_address(&kdc), "");
	assert_int_equal(ask_them(true), 0);
	assert_string_equal(dsa_kdc_address(&kdc), "127.0.0.2");
	assert_int_equal(kdc.count, 0);
	assert_asked(0, 0);
	assert_asked(1, 1);
	stop(2);
	near = "";
}

/* ... and now it does not: asked once, then the others. */
static void test_near_fails(void **state)
{
	static const enum manner bad[] = { REFUSE, SILENT, HANG_UP };

	(void)state;
	near = "127.0.0.1";
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		world(bad[i], ANSWER, REFUSE);
		assert_int_equal(ask_them(false), 0);
		assert_string_equal(dsa_kdc_address(&kdc), "127.0.0.2");
		assert_asked(0, bad[i] == SILENT ? 1 : 0);
		assert_asked(1, 1);
		stop(2);
	}
	/* A password that it may have is not sent to another. */
	world(SILENT, ANSWER, ANSWER);
	kdc.deadline = ds_now_ms() + 500;
	assert_int_equal(ask_them(true), KRB5_KDC_UNREACH);
	assert_string_equal(dsa_kdc_address(&kdc), "");
	assert_asked(0, 1);
	assert_asked(1, 0);
	stop(2);
	near = "";
}

static void test_slow_but_complete(void **state)
{
	(void)state;
	world(DRIBBLE, REFUSE, REFUSE);
	assert_int_equal(ask_them(true), 0);
	stop_all();
}

static void test_failover(void **state)
{
	static const enum manner bad[] = { REFUSE,  SILENT,  HANG_UP,
					   CUT,     HUGE,    TOO_MUCH,
					   NOTHING, TRICKLE, STARTING };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		world(bad[i], REFUSE, ANSWER);
		assert_int_equal(ask_them(false), 0);
		/* It is the first one from now on. */
		assert_string_equal(dsa_kdc_address(&kdc), "127.0.0.3");
		assert_int_equal(ask_them(true), 0);
		stop(0);
		stop(1);
		assert_asked(2, 2);
	}
}

static void test_busy(void **state)
{
	(void)state;
	world(BUSY, REFUSE, REFUSE);
	assert_int_equal(ask_them(true), 0);
	assert_asked(0, 1);
	stop(1);
	stop(2);
}

/* A password that may have arrived is not sent to the next one as well. */
static void test_once(void **state)
{
	(void)state;
	world(SILENT, ANSWER, ANSWER);
	kdc.deadline = ds_now_ms() + 500;
	assert_int_equal(ask_them(true), KRB5_KDC_UNREACH);
	assert_asked(0, 1);
	assert_asked(1, 0);
	assert_asked(2, 0);
	/* One that hung up has not read it. */
	world(HANG_UP, ANSWER, ANSWER);
	assert_int_equal(ask_them(true), 0);
	stop(0);
	assert_asked(1, 1);
	stop(2);
	/* One that was not reached never had it. */
	world(REFUSE, ANSWER, ANSWER);
	assert_int_equal(ask_them(true), 0);
	stop(0);
	assert_asked(1, 1);
	stop(2);
}

static void test_none(void **state)
{
	const char *text;

	(void)state;
	world(REFUSE, REFUSE, REFUSE);
	assert_int_equal(ask_them(false), KRB5_KDC_UNREACH);
	text = krb5_get_error_message(ctx, KRB5_KDC_UNREACH);
	assert_non_null(strstr(text, "127.0.0.3: Connection refused"));
	krb5_free_error_message(ctx, text);
	stop_all();
}

/* In a hurry too, the one that says nothing leaves time for the next. */
static void test_hurry(void **state)
{
	int64_t deadline;

	(void)state;
	world(SILENT, SILENT, ANSWER);
	kdc.connect_ms = kdc.answer_ms = kdc.last_ms = 60000;
	dsa_kdc_hurry(&kdc, 3000);
	assert_int_equal(ask_them(false), 0);
	assert_string_equal(dsa_kdc_address(&kdc), "127.0.0.3");
	/* It is over with the first answer. */
	assert_int_equal(kdc.share_ms, 0);
	assert_int_equal(kdc.deadline, kdc.patience);
	for (int i = 0; i < KDCS; i++)
		assert_asked(i, 1);
	world(SILENT, SILENT, SILENT);
	kdc.connect_ms = kdc.answer_ms = kdc.last_ms = 60000;
	deadline = kdc.deadline;
	dsa_kdc_hurry(&kdc, 600);
	assert_int_equal(ask_them(false), KRB5_KDC_UNREACH);
	assert_true(kdc.deadline < deadline);
	stop_all();
}

/* The last one may take all the time that there is. */
static void test_patience_with_the_last(void **state)
{
	int64_t begin = ds_now_ms();

	(void)state;
	world(REFUSE, REFUSE, SILENT);
	kdc.deadline = begin + 800;
	assert_int_equal(ask_them(false), KRB5_KDC_UNREACH);
	assert_true(ds_now_ms() - begin >= 750);
	stop_all();
}

static void test_time(void **state)
{
	int64_t begin = ds_now_ms();

	(void)state;
	world(SILENT, TRICKLE, SILENT);
	kdc.answer_ms = 300;
	dsa_kdc_until(&kdc, begin + 500);
	/* Also after an answer. */
	assert_int_equal(kdc.patience, begin + 500);
	dsa_kdc_until(&kdc, INT64_MAX);
	assert_int_equal(kdc.deadline, begin + 500);
	assert_int_equal(ask_them(false), KRB5_KDC_UNREACH);
	assert_true(ds_now_ms() - begin >= 450);
	assert_true(ds_now_ms() - begin < KDC_PATIENT);
	stop(0);
	stop(1);
	assert_asked(2, 0); /* its turn never came */
}

/* It has looked at nothing, so that even a password goes to the next one; if
 * there is none, no KDC has answered. */
static void test_starting(void **state)
{
	(void)state;
	world(STARTING, ANSWER, REFUSE);
	assert_int_equal(ask_them(true), 0);
	assert_string_equal(dsa_kdc_address(&kdc), "127.0.0.2");
	assert_asked(0, 1);
	assert_asked(1, 1);
	stop(2);
	world(STARTING, REFUSE, REFUSE);
	kdc.deadline = ds_now_ms() + 500;
	assert_int_equal(ask_them(false), KRB5_KDC_UNREACH);
	assert_int_equal(dsa_kdc_word(&kdc, KRB5_KDC_UNREACH), DSA_KDC_SILENT);
	stop_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_near),
		cmocka_unit_test(test_near_fails),
		cmocka_unit_test(test_slow_but_complete),
		cmocka_unit_test(test_failover),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_hurry),
		cmocka_unit_test(test_patience_with_the_last),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_starting),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

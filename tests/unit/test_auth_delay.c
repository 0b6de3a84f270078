/*
 * Delays after failed checks: who pays, how much, for how long, and that a
 * full table is nobody's way out.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "synccache/auth/delay.h"

#define ROOM 8

static struct dsa_delays *delays;

static uint64_t key(unsigned char object, const char *rhost, const char *ruser)
{
	struct dsa_subject s = { .guid = { { object } } };

	(void)snprintf(s.rhost, sizeof(s.rhost), "%s", rhost);
	(void)snprintf(s.ruser, sizeof(s.ruser), "%s", ruser);
	return dsa_delays_key(delays, &s);
}

/* The wait, -1 for no delay. */
static int64_t wait_at(int64_t now, uint64_t k)
{
	int64_t wait = -7;

	if (!dsa_delays_apply(delays, now, k, &wait)) {
		assert_int_equal(wait, -7);
		return -1;
	}
	return wait;
}

static void fail_times(int times, int64_t now, uint64_t k)
{
	while (times-- > 0)
		dsa_delays_failed(delays, now, k);
}

static int setup(void **state)
{
	(void)state;
	delays = dsa_delays_new(ROOM);
	return delays == NULL;
}

static int teardown(void **state)
{
	(void)state;
	dsa_delays_free(delays);
	return 0;
}

static void test_growth(void **state)
{
	static const int64_t want[] = { -1,   -1,    1000,  2000,  4000,
					8000, 16000, 30000, 30000, 30000 };
	uint64_t k = key(1, "192.0.2.1", "");

	(void)state;
	assert_int_equal(wait_at(0, k), -1);
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		dsa_delays_failed(delays, 5000, k);
		assert_int_equal(wait_at(5000, k), want[i]);
	}
	/* It runs down, and then still only one at a time is let in. */
	assert_int_equal(wait_at(34999, k), 1);
	assert_int_equal(wait_at(35000, k), 0);
	assert_int_equal(wait_at(5000 + DSA_DELAY_FORGET_MS - 1, k), 0);
	assert_int_equal(wait_at(5000 + DSA_DELAY_FORGET_MS, k), -1);
	/* Forgotten is forgotten: the next failure is a first one. */
	dsa_delays_failed(delays, 5000 + DSA_DELAY_FORGET_MS, k);
	assert_int_equal(wait_at(5000 + DSA_DELAY_FORGET_MS, k), -1);
	/* No overflow, however long it goes on. */
	fail_times(100000, 2000000, k);
	assert_int_equal(wait_at(2000000, k), 30000);
	dsa_delays_passed(delays, k);
	assert_int_equal(wait_at(2000000, k), -1);
}

static void test_who_pays(void **state)
{
	struct dsa_subject locker = { .caller = 700001 };
	uint64_t k;

	(void)state;
	fail_times(9, 0, key(1, "192.0.2.1", ""));
	assert_int_equal(wait_at(0, key(1, "192.0.2.1", "")), 30000);
	/* The same user from elsewhere, others from there, su by others. */
	assert_int_equal(wait_at(0, key(1, "192.0.2.2", "")), -1);
	assert_int_equal(wait_at(0, key(1, "", "")), -1);
	assert_int_equal(wait_at(0, key(2, "192.0.2.1", "")), -1);
	fail_times(9, 0, key(1, "", "mallory"));
	assert_int_equal(wait_at(0, key(1, "", "mallory")), 30000);
	assert_int_equal(wait_at(0, key(1, "", "bob")), -1);
	assert_int_equal(wait_at(0, key(1, "", "")), -1);
	/* At the users' socket who asks counts, whatever they say. */
	k = dsa_delays_key(delays, &locker);
	fail_times(9, 0, k);
	locker.guid.b[0] = 9;
	(void)snprintf(locker.rhost, sizeof(locker.rhost), "elsewhere");
	(void)snprintf(locker.ruser, sizeof(locker.ruser), "somebody");
	assert_int_equal(dsa_delays_key(delays, &locker), k);
	locker.caller++;
	assert_int_not_equal(dsa_delays_key(delays, &locker), k);
}

static void test_places(void **state)
{
	(void)state;
	/* One customer's network is one place. */
	assert_int_equal(key(1, "2001:db8:1:2::1", ""),
			 key(1, "2001:db8:1:2:ffff:1:2:3", ""));
	assert_int_not_equal(key(1, "2001:db8:1:2::1", ""),
			     key(1, "2001:db8:1:3::1", ""));
	assert_int_equal(key(1, "fe80::1%eth0", ""), key(1, "fe80::2", ""));
	assert_int_equal(key(1, "::ffff:192.0.2.1", ""),
			 key(1, "192.0.2.1", ""));
	assert_int_not_equal(key(1, "192.0.2.1", ""), key(1, "192.0.2.2", ""));
	assert_int_not_equal(key(1, "host.example.com", ""),
			     key(1, "host.example.org", ""));
	/* Fields do not run into one another. */
	assert_int_not_equal(key(1, "ab", "c"), key(1, "a", "bc"));
}

static void test_full_table(void **state)
{
	uint64_t victim = key(1, "192.0.2.1", ""), young;
	char rhost[32];

	(void)state;
	fail_times(5, 1000, victim);
	young = key(2, "192.0.2.1", "");
	fail_times(2, 1001, young);
	/* Failures from all over the world do not wash it off ... */
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(rhost, sizeof(rhost), "10.0.%d.%d", i / 250,
			       i % 250);
		dsa_delays_failed(delays, 2000 + i, key(3, rhost, ""));
	}
	assert_int_equal(wait_at(3000, victim), 2000);
	/* ... only what had cost nothing yet. */
	dsa_delays_failed(delays, 3001, young);
	assert_int_equal(wait_at(3001, young), -1);
	/* Full of delays: more are not counted, and none is lost. */
	for (unsigned char i = 0; i < 2 * ROOM; i++)
		fail_times(4, 4000, key(10 + i, "192.0.2.9", ""));
	assert_int_equal(wait_at(4000, victim), 1000);
	assert_int_equal(wait_at(4000, key(10, "192.0.2.9", "")), 2000);
	assert_int_equal(wait_at(4000, key(9 + 2 * ROOM, "192.0.2.9", "")),
			 -1);
	/* Time makes room. */
	fail_times(4, 4000 + DSA_DELAY_FORGET_MS, key(99, "192.0.2.9", ""));
	assert_int_equal(
	    wait_at(4000 + DSA_DELAY_FORGET_MS, key(99, "192.0.2.9", "")),
	    2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_growth, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_pays, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_places, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_table, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Verifiers and the house clock: what is kept of a password, in which bytes,
 * and how old it is.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "tests/unit/offline_world.h"

static int check_password(const uint8_t host_key[DSA_HOST_KEY_LEN],
			  const struct ds_guid *guid, const char *password,
			  const struct dsa_verifier *v)
{
	uint8_t key[DSA_CHECK_LEN];

	assert_int_equal(dsa_verifier_key(host_key, guid, password, key), 0);
	return dsa_verifier_check(key, v);
}

/* ---- the record ---- */

static void test_password(void **state)
{
	struct dsa_verifier v = make(&alice, "Correct-Horse-1"), again;

	(void)state;
	assert_int_equal(v.log_n, 10);
	assert_int_equal(check_password(host, &alice, "Correct-Horse-1", &v),
			 0);
	assert_int_equal(check_password(host, &alice, "Correct-Horse-2", &v),
			 DS_ERR_DENIED);
	assert_int_equal(check_password(host, &alice, "", &v), DS_ERR_DENIED);
	/* Another object, and another host, with the same password. */
	assert_int_equal(check_password(host, &bob, "Correct-Horse-1", &v),
			 DS_ERR_DENIED);
	assert_int_equal(
	    check_password(other_host, &alice, "Correct-Horse-1", &v),
	    DS_ERR_DENIED);
	again = make(&alice, "Correct-Horse-1");
	assert_memory_not_equal(again.salt, v.salt, sizeof(v.salt));
	assert_memory_not_equal(again.check, v.check, sizeof(v.check));
}

/* scrypt is the one of RFC 7914, whatever library is there. */
static void test_known_answer(void **state)
{
	/* Made with another implementation: HMAC-SHA-256 and scrypt of
	 * Python's hashlib, N 1024, r 8, p 1. */
	static const uint8_t expected[DSA_CHECK_LEN] = {
		0xe9, 0x6d, 0x11, 0x00, 0x2b, 0xce, 0x05, 0xb4,
		0x61, 0x7a, 0x28, 0x38, 0xe9, 0x51, 0x2a, 0x75,
		0x22, 0x67, 0x67, 0xd8, 0x14, 0xa9, 0xb7, 0x98,
		0x92, 0xc3, 0x82, 0x78, 0xb6, 0x1d, 0x85, 0x43
	};
	struct dsa_verifier v = { .log_n = 10, .r = 8, .p = 1 };

	(void)state;
	memset(v.salt, 0x5a, sizeof(v.salt));
	memcpy(v.check, expected, sizeof(expected));
	assert_int_equal(check_password(host, &alice, "Correct-Horse-1", &v),
			 0);
}

static void test_record(void **state)
{
	struct dsa_verifier v = make(&alice, "x"), read;
	uint8_t block[DSA_BLOCK_LEN];

	(void)state;
	assert_int_equal(dsa_verifier_seal(&v, host, block), 0);
	assert_int_equal(dsa_verifier_open(block, host, &read), 0);
	assert_memory_equal(&read.guid, &v.guid, sizeof(v.guid));
	assert_memory_equal(read.salt, v.salt, sizeof(v.salt));
	assert_memory_equal(read.check, v.check, sizeof(v.check));
	assert_int_equal(read.made_ms, v.made_ms);
	assert_int_equal(read.made_real, v.made_real);
	assert_int_equal(read.pwd_last_set, v.pwd_last_set);
	assert_memory_equal(read.clock_id, v.clock_id, sizeof(v.clock_id));
	assert_int_equal(dsa_verifier_open(block, other_host, &read),
			 DS_ERR_DENIED);
	/* No byte can be changed: not the date, not the code. */
	for (size_t i = 0; i < DSA_BLOCK_LEN; i++) {
		block[i] ^= 1;
		assert_int_equal(dsa_verifier_open(block, host, &read),
				 DS_ERR_DENIED);
		block[i] ^= 1;
	}
	for (size_t len = 0; len < DSA_BLOCK_LEN; len++)
		assert_int_equal(dsa_verifier_parse(block, len, &read),
				 DS_ERR_FORMAT);
}

static void test_parameters_are_bounded(void **state)
{
	static const uint32_t bad[][3] = {
		{ 9, 8, 1 },  { 18, 8, 1 },  { 63, 8, 1 },
		{ 15, 0, 1 }, { 15, 17, 1 }, { 15, 8, 0 },
		{ 15, 8, 5 }, { 0, 0, 0 },   { UINT32_MAX, 8, 1 },
	};
	struct dsa_verifier v = make(&alice, "x"), read;
	uint8_t block[DSA_BLOCK_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		v.log_n = bad[i][0];
		v.r = bad[i][1];
		v.p = bad[i][2];
		assert_int_equal(dsa_verifier_seal(&v, host, block), 0);
		assert_int_equal(dsa_verifier_open(block, host, &read),
				 DS_ERR_FORMAT);
	}
	v.log_n = 17;
	v.r = 16;
	v.p = 4;
	assert_int_equal(dsa_verifier_seal(&v, host, block), 0);
	assert_int_equal(dsa_verifier_open(block, host, &read), 0);
}

static void test_tries_record(void **state)
{
	struct dsa_tries t = { .salt = "salt", .count = 3, .boot_ms = 77 };
	struct dsa_tries read;
	uint8_t block[DSA_BLOCK_LEN];

	(void)state;
	assert_int_equal(dsa_tries_seal(&t, host, block), 0);
	assert_int_equal(dsa_tries_open(block, host, &read), 0);
	assert_int_equal(read.count, 3);
	assert_int_equal(read.boot_ms, 77);
	for (size_t i = 0; i < DSA_BLOCK_LEN; i++) {
		block[i] ^= 1;
		assert_int_equal(dsa_tries_open(block, host, &read),
				 DS_ERR_DENIED);
		block[i] ^= 1;
	}
}

/* ---- the house clock ---- */

static uint64_t advance(struct dsa_clock *c, struct dsa_now now)
{
	dsa_clock_advance(c, &now);
	return c->total_ms;
}

static void test_clock_runs(void **state)
{
	struct dsa_clock c = started(at(5000, 100, 1));

	(void)state;
	assert_int_equal(c.total_ms, 0);
	assert_int_equal(advance(&c, at(6000, 1100, 1)), 1000);
	/* Asleep: CLOCK_BOOTTIME counts that too. */
	assert_int_equal(advance(&c, at(9000, 4100, 1)), 4000);
	/* Off for a while, by a clock that nobody touched. */
	assert_int_equal(advance(&c, at(69000, 500, 2)), 64000);
}

static void test_clock_that_is_set_back(void **state)
{
	struct dsa_clock c = started(at(100 * DAY_MS, 1000, 1));

	(void)state;
	/* Three days later somebody says that it is ten days before. */
	assert_int_equal(advance(&c, at(90 * DAY_MS, 1000 + 3 * DAY_MS, 1)),
			 3 * DAY_MS);
	/* And again, every day. */
	for (int day = 4; day <= 6; day++)
		assert_int_equal(
		    advance(&c, at((90 - day) * DAY_MS,
				   1000 + (uint64_t)day * DAY_MS, 1)),
		    (uint64_t)day * DAY_MS);
	/* And before a reboot: what the new boot has lasted counts. */
	assert_int_equal(advance(&c, at(10 * DAY_MS, 7000, 2)),
			 6 * (uint64_t)DAY_MS + 7000);
	/* It never goes back, whatever it is shown. */
	assert_int_equal(advance(&c, at(INT64_MIN, 0, 2)),
			 6 * (uint64_t)DAY_MS + 7000);
	assert_true(advance(&c, at(INT64_MAX, UINT64_MAX, 3)) >
		    6 * (uint64_t)DAY_MS + 7000);
	assert_int_equal(advance(&c, at(0, 0, 4)), UINT64_MAX);
}

static void test_clock_that_is_set_forward(void **state)
{
	struct dsa_clock c = started(at(1000, 1000, 1));

	(void)state;
	/* Fails closed: nobody knows that it was a mistake. */
	assert_int_equal(advance(&c, at(1000 + 9 * DAY_MS, 2000, 1)),
			 9 * DAY_MS);
	assert_int_equal(advance(&c, at(3000, 3000, 1)), 9 * DAY_MS + 1000);
}

static void test_clock_record(void **state)
{
	struct dsa_clock c = started(at(5, 6, 7)), read;
	uint8_t block[DSA_BLOCK_LEN];

	(void)state;
	(void)advance(&c, at(1005, 1006, 7));
	dsa_clock_put(&c, block, sizeof(block));
	assert_int_equal(dsa_clock_parse(block, sizeof(block), &read), 0);
	assert_memory_equal(&read, &c, sizeof(c));
	for (size_t len = 0; len < 64; len++)
		assert_int_equal(dsa_clock_parse(block, len, &read),
				 DS_ERR_FORMAT);
	block[0]++;
	assert_int_equal(dsa_clock_parse(block, sizeof(block), &read),
			 DS_ERR_FORMAT);
}

static void test_now(void **state)
{
	static const uint8_t none[DSA_BOOT_ID_LEN];
	struct dsa_now a, b;

	(void)state;
	dsa_now_read(&a);
	dsa_now_read(&b);
	assert_memory_equal(a.boot_id, b.boot_id, sizeof(a.boot_id));
	assert_memory_not_equal(a.boot_id, none, sizeof(none));
	assert_true(b.boot_ms >= a.boot_ms);
	assert_true(a.boot_ms > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_password),
		cmocka_unit_test(test_known_answer),
		cmocka_unit_test(test_record),
		cmocka_unit_test(test_parameters_are_bounded),
		cmocka_unit_test(test_tries_record),
		cmocka_unit_test(test_clock_runs),
		cmocka_unit_test(test_clock_that_is_set_back),
		cmocka_unit_test(test_clock_that_is_set_forward),
		cmocka_unit_test(test_clock_record),
		cmocka_unit_test(test_now),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

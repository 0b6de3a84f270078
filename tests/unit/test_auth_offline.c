/*
 * Offline logins: the rules.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "synccache/auth/offline.h"
#include "synccache/auth/policy.h"
#include "tests/unit/offline_world.h"

#define UAC_NORMAL 0x200u

static struct ds_config config = {
	.login = { .offline = true,
		   .offline_days = 7,
		   .offline_attempts = 3,
		   .offline_delay = 1800 },
};

static struct {
	struct ds_snap_account account;
	struct dsa_verifier verifier;
	struct dsa_tries tries;
	struct dsa_clock clock;
	struct dsa_now now;
} w;

static int fresh(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.verifier = make(&alice, "Correct-Horse-1");
	memcpy(w.tries.salt, w.verifier.salt, sizeof(w.tries.salt));
	w.now = at(NOW_SECONDS * 1000, 10000, 1);
	w.clock = started(w.now);
	w.clock.total_ms = w.verifier.made_ms + 5;
	w.account = (struct ds_snap_account){
		.guid = alice,
		.uac = UAC_NORMAL,
		.pwd_last_set = w.verifier.pwd_last_set,
		.has_limits = true,
		.limits = { .pwd_expires = DS_NEVER },
	};
	return 0;
}

static struct dsa_offline_verdict judge(void)
{
	return dsa_offline_judge(&config, &w.account, &w.verifier, &w.tries,
				 &w.clock, &w.now);
}

static void pass(uint64_t ms)
{
	w.now.real_ms += (int64_t)ms;
	w.now.boot_ms += ms;
	dsa_clock_advance(&w.clock, &w.now);
}

#define assert_admitted() assert_int_equal(judge().result, DS_AUTH_OK)
#define assert_refused(code, words)                                           \
	do {                                                                  \
		assert_int_equal(judge().result, code);                       \
		assert_non_null(strstr(judge().reason, words));               \
	} while (0)

static void test_admitted(void **state)
{
	(void)state;
	assert_admitted();
	assert_string_equal(judge().reason, "");
	assert_int_equal(judge().left_ms, 7 * (uint64_t)DAY_MS - 5);
}

static void test_state_of_the_account(void **state)
{
	(void)state;
	w.account.uac = UAC_NORMAL | 0x2;
	assert_refused(DS_AUTH_DISABLED, "the mirror says so");
	w.account.uac = 0x1000;
	assert_refused(DS_AUTH_DENIED, "the mirror says so");
	w.account.uac = UAC_NORMAL | 0x40000;
	assert_refused(DS_AUTH_DENIED, "smart card");
	w.account.uac = UAC_NORMAL;
	w.account.account_expires = dsa_filetime(NOW_SECONDS);
	assert_refused(DS_AUTH_EXPIRED, "the mirror says so");
	w.account.account_expires = dsa_filetime(NOW_SECONDS + 60);
	assert_admitted();
	w.account.flags = DS_ID_HELD;
	assert_refused(DS_AUTH_DENIED, "held");
	w.account.flags = 0;
	w.account.limits.locked_until = dsa_filetime(NOW_SECONDS + 60);
	assert_refused(DS_AUTH_LOCKED, "the mirror says so");
	w.account.limits.locked_until = 0;
	w.account.limits.has_hours = true;
	assert_refused(DS_AUTH_HOURS, "the mirror says so");
	w.account.limits.has_hours = false;
	w.account.limits.pwd_expires = dsa_filetime(NOW_SECONDS);
	assert_refused(DS_AUTH_UNAVAILABLE, "must be changed");
	w.account.limits.pwd_expires = 0;
	assert_refused(DS_AUTH_UNAVAILABLE, "must be changed");
	w.account.limits.pwd_expires = DS_NEVER;
	assert_admitted();
	w.account.has_limits = false;
	assert_refused(DS_AUTH_DENIED, "does not know");
}

static void test_of_somebody_else(void **state)
{
	(void)state;
	w.account.guid = bob;
	assert_refused(DS_AUTH_DENIED, "something else");
	w.account.guid = alice;
	w.tries.salt[0]++;
	assert_refused(DS_AUTH_DENIED, "something else");
}

static void test_password_changed_elsewhere(void **state)
{
	uint64_t made = dsa_filetime(NOW_SECONDS);

	(void)state;
	w.account.pwd_last_set = made + 10000000;
	assert_refused(DS_AUTH_UNAVAILABLE, "password was changed");
	/* Clocks differ: not so certain that it was before. */
	w.account.pwd_last_set = dsa_filetime(NOW_SECONDS - 299);
	assert_refused(DS_AUTH_UNAVAILABLE, "password was changed");
	/* The login was with the new one, the mirror heard of it later. */
	w.account.pwd_last_set = dsa_filetime(NOW_SECONDS - 300);
	assert_admitted();
	/* Back: a domain controller was restored. */
	w.account.pwd_last_set = w.verifier.pwd_last_set - 1;
	assert_refused(DS_AUTH_UNAVAILABLE, "password was changed");
	w.account.pwd_last_set = UINT64_MAX;
	assert_refused(DS_AUTH_UNAVAILABLE, "password was changed");
}

/* Kerberos goes by the KDC's clock; the host's may be years ahead. */
static void test_dated_by_the_kdc(void **state)
{
	struct dsa_health health = { .has_clock = true, .clock = -9 * 86400 };

	(void)state;
	w.now.real_ms += 9 * DAY_MS;
	assert_int_equal(dsa_offline_made(&w.now, &health), NOW_SECONDS);
	health.clock = 60;
	w.now.real_ms = (NOW_SECONDS - 60) * 1000;
	assert_int_equal(dsa_offline_made(&w.now, &health), NOW_SECONDS);
	/* Who does not know when the login was takes no other password. */
	health.has_clock = false;
	w.verifier.made_real = dsa_offline_made(&w.now, &health);
	assert_int_equal(w.verifier.made_real, 0);
	assert_admitted();
	w.account.pwd_last_set++;
	assert_refused(DS_AUTH_UNAVAILABLE, "password was changed");
}

static void test_days(void **state)
{
	(void)state;
	pass(7 * (uint64_t)DAY_MS - 6);
	assert_admitted();
	assert_int_equal(judge().left_ms, 1);
	pass(1);
	assert_refused(DS_AUTH_UNAVAILABLE, "offline_days");
	/* A clock that is set back does not bring it back. */
	w.now.real_ms -= 30 * DAY_MS;
	pass(0);
	assert_refused(DS_AUTH_UNAVAILABLE, "offline_days");
	/* Nor does a reboot. */
	w.now = at(NOW_SECONDS * 1000, 5, 9);
	pass(0);
	assert_refused(DS_AUTH_UNAVAILABLE, "offline_days");
	/* Nor a clock that is another one, or starts again. */
	w.clock = started(w.now);
	assert_refused(DS_AUTH_UNAVAILABLE, "nobody knows");
	w.clock.total_ms = w.verifier.made_ms + 5;
	assert_admitted();
	w.clock.id[0]++;
	assert_refused(DS_AUTH_UNAVAILABLE, "nobody knows");
}

static void test_tries(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_admitted();
		dsa_tries_count(&w.tries, &w.now);
	}
	assert_refused(DS_AUTH_UNAVAILABLE, "too many tries");
	pass(1799999);
	assert_refused(DS_AUTH_UNAVAILABLE, "too many tries");
	pass(1);
	/* One more, and then the next pause. */
	assert_admitted();
	dsa_tries_count(&w.tries, &w.now);
	assert_refused(DS_AUTH_UNAVAILABLE, "too many tries");
	pass(1800000);
	assert_admitted();
}

static void test_pause_and_clocks(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++)
		dsa_tries_count(&w.tries, &w.now);
	/* Set forward, or back: the uptime alone counts. */
	w.now.real_ms += DAY_MS;
	assert_refused(DS_AUTH_UNAVAILABLE, "too many tries");
	w.now.real_ms -= 2 * DAY_MS;
	assert_refused(DS_AUTH_UNAVAILABLE, "too many tries");
	/* A reboot starts the pause anew. */
	w.now = at(w.now.real_ms + DAY_MS, 1799999, 2);
	assert_refused(DS_AUTH_UNAVAILABLE, "too many tries");
	w.now.boot_ms++;
	assert_admitted();
	/* In an unknown boot, or since one, no pause ends. */
	w.now.boot_id[0] = 0;
	w.now.boot_ms = 400 * (uint64_t)DAY_MS;
	assert_refused(DS_AUTH_UNAVAILABLE, "too many tries");
	w.now.boot_id[0] = 3;
	assert_admitted();
	w.tries.boot_id[0] = 0;
	assert_refused(DS_AUTH_UNAVAILABLE, "too many tries");
	w.tries.count = 2;
	assert_admitted();
	w.tries.count = UINT32_MAX;
	dsa_tries_count(&w.tries, &w.now);
	assert_int_equal(w.tries.count, UINT32_MAX);
}

static void test_texts(void **state)
{
	char text[DS_TEXT_MAX + 1], other[DS_TEXT_MAX + 1];

	(void)state;
	dsa_offline_text(DS_AUTH_OK, 2 * (uint64_t)DAY_MS + 1, text,
			 sizeof(text));
	assert_non_null(strstr(text, "Signed in offline"));
	assert_non_null(strstr(text, "2 more days."));
	dsa_offline_text(DS_AUTH_OK, DAY_MS, text, sizeof(text));
	assert_non_null(strstr(text, "1 more day."));
	dsa_offline_text(DS_AUTH_OK, 1, text, sizeof(text));
	assert_non_null(strstr(text, "less than a day"));
	/* Why not is nobody's business who has proven nothing. */
	dsa_offline_text(DS_AUTH_BAD_PASSWORD, 0, text, sizeof(text));
	for (int r = DS_AUTH_UNKNOWN; r <= DS_AUTH_UNAVAILABLE; r++) {
		dsa_offline_text((enum ds_auth_result)r, 0, other,
				 sizeof(other));
		assert_string_equal(text, other);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_admitted, fresh),
		cmocka_unit_test_setup(test_state_of_the_account, fresh),
		cmocka_unit_test_setup(test_of_somebody_else, fresh),
		cmocka_unit_test_setup(test_password_changed_elsewhere, fresh),
		cmocka_unit_test_setup(test_dated_by_the_kdc, fresh),
		cmocka_unit_test_setup(test_days, fresh),
		cmocka_unit_test_setup(test_tries, fresh),
		cmocka_unit_test_setup(test_pause_and_clocks, fresh),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

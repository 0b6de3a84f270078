/*
 * Offline logins without a daemon: the record and its KDF, the house clock,
 * the rules, and the folder on a real disk.  Clocks are arguments, so that
 * days, reboots and set clocks take no time.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "synccache/auth/offline.h"
#include "synccache/auth/offstore.h"
#include "synccache/auth/policy.h"

#define DAY_MS      INT64_C(86400000)
#define NOW_SECONDS INT64_C(1800000000)
#define UAC_NORMAL  0x200u

static const uint8_t host[DSA_HOST_KEY_LEN] = { 7, 7, 7 };
static const uint8_t other_host[DSA_HOST_KEY_LEN] = { 8 };
static const struct ds_guid alice = { { 0xa1, 2, 3 } };
static const struct ds_guid bob = { { 0xb0, 2, 3 } };

static int check_password(const uint8_t host_key[DSA_HOST_KEY_LEN],
			  const struct ds_guid *guid, const char *password,
			  const struct dsa_verifier *v)
{
	uint8_t key[DSA_CHECK_LEN];

	assert_int_equal(dsa_verifier_key(host_key, guid, password, key), 0);
	return dsa_verifier_check(key, v);
}

static struct dsa_verifier make(const struct ds_guid *guid,
				const char *password)
{
	struct dsa_verifier v = { .guid = *guid,
				  .made_ms = 1000,
				  .made_real = NOW_SECONDS,
				  .pwd_last_set =
				      dsa_filetime(NOW_SECONDS - 86400),
				  .clock_id = "house clock one" };
	uint8_t key[DSA_CHECK_LEN];

	assert_int_equal(dsa_verifier_key(host, guid, password, key), 0);
	assert_int_equal(dsa_verifier_make(key, &v), 0);
	return v;
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

static struct dsa_now at(int64_t real_ms, uint64_t boot_ms, uint8_t boot)
{
	return (struct dsa_now){ .real_ms = real_ms,
				 .boot_ms = boot_ms,
				 .boot_id = { boot } };
}

static struct dsa_clock started(struct dsa_now now)
{
	struct dsa_clock c;

	dsa_clock_start(&c, (const uint8_t *)"house clock one", &now);
	return c;
}

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

/* ---- the rules ---- */

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

/* ---- the folder ---- */

static char top[] = "/tmp/dsa-offline-XXXXXX";
static char path[64];
static int dir = -1;

static int make_top(void **state)
{
	(void)state;
	if (mkdtemp(top) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/offline", top);
	return 0;
}

static int remove_top(void **state)
{
	(void)state;
	return rmdir(top);
}

static int open_folder(void **state)
{
	(void)fresh(state);
	return dsa_store_open(path, true, &dir);
}

static int close_folder(void **state)
{
	(void)state;
	(void)close(dir);
	/* All that was made is gone. */
	return dsa_store_remove(path) != 0 || access(path, F_OK) == 0;
}

static void keep(const struct dsa_verifier *v)
{
	uint64_t epoch;

	assert_int_equal(dsa_store_epoch(dir, &epoch), 0);
	assert_int_equal(dsa_store_keep(dir, epoch, host, v), 0);
}

static char *name_of(const struct ds_guid *guid)
{
	static char name[128];
	char text[DS_GUID_STR_MAX];

	(void)snprintf(name, sizeof(name), "%s/%s.verifier", path,
		       ds_guid_to_str(guid, text));
	return name;
}

static void test_keep(void **state)
{
	struct dsa_record r;
	struct stat st;

	(void)state;
	assert_int_equal(dsa_record_open(dir, &alice, host, &r),
			 DS_ERR_NOTFOUND);
	keep(&w.verifier);
	assert_int_equal(dsa_store_count(dir), 1);
	assert_int_equal(stat(name_of(&alice), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, DSA_RECORD_LEN);
	assert_int_equal(dsa_record_open(dir, &alice, host, &r), 0);
	assert_memory_equal(r.verifier.check, w.verifier.check, DSA_CHECK_LEN);
	assert_int_equal(r.tries.count, 0);
	dsa_record_close(&r);
	assert_int_equal(dsa_record_open(dir, &bob, host, &r),
			 DS_ERR_NOTFOUND);
	/* As another host finds it, in a copy of the folder. */
	assert_int_equal(dsa_record_open(dir, &alice, other_host, &r),
			 DS_ERR_DENIED);
}

static void test_moved_to_another_name(void **state)
{
	char from[128];
	struct dsa_record r;

	(void)state;
	keep(&w.verifier);
	(void)snprintf(from, sizeof(from), "%s", name_of(&alice));
	assert_int_equal(rename(from, name_of(&bob)), 0);
	assert_int_equal(dsa_record_open(dir, &bob, host, &r), 0);
	w.account.guid = bob;
	w.verifier = r.verifier;
	assert_refused(DS_AUTH_DENIED, "something else");
	dsa_record_close(&r);
}

/* What another process has counted is there, whatever became of it. */
static void count_in_child(bool killed)
{
	struct dsa_record r;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct dsa_now now = at(1, 2, 3);

		if (dsa_record_open(dir, &alice, host, &r) != 0)
			_exit(1);
		dsa_tries_count(&r.tries, &now);
		if (dsa_record_count(&r, host) != 0)
			_exit(2);
		if (killed)
			(void)kill(getpid(), SIGKILL);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(killed ? WIFSIGNALED(status) : status == 0);
}

static void test_count_survives(void **state)
{
	struct dsa_record r;

	(void)state;
	keep(&w.verifier);
	for (int i = 0; i < 4; i++)
		count_in_child(i % 2 != 0);
	/* A restart. */
	(void)close(dir);
	assert_int_equal(dsa_store_open(path, true, &dir), 0);
	assert_int_equal(dsa_record_open(dir, &alice, host, &r), 0);
	assert_int_equal(r.tries.count, 4);
	assert_int_equal(r.tries.boot_ms, 2);
	r.tries.count++;
	assert_int_equal(dsa_record_count(&r, host), 0);
	dsa_record_unlock(&r);
	assert_int_equal(dsa_record_settle(&r), 0);
	dsa_record_forgive(&r, host);
	dsa_record_close(&r);
	assert_int_equal(dsa_record_open(dir, &alice, host, &r), 0);
	assert_int_equal(r.tries.count, 0);
	dsa_record_close(&r);
	/* And a login with the domain starts anew. */
	count_in_child(false);
	keep(&w.verifier);
	assert_int_equal(dsa_record_open(dir, &alice, host, &r), 0);
	assert_int_equal(r.tries.count, 0);
	dsa_record_close(&r);
}

static void put_file(const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	(void)close(fd);
}

/* Nothing is taken for written that is not. */
static void test_datasync(void **state)
{
	struct dsa_datasync sync;
	int ends[2];

	(void)state;
	put_file("some");
	dsa_datasync_begin(&sync, openat(dir, "some", O_WRONLY));
	assert_int_equal(dsa_datasync_end(&sync), 0);
	(void)close((int)sync.request.aio_fildes);
	/* What the kernel does not even begin. */
	dsa_datasync_begin(&sync, -1);
	assert_int_equal(dsa_datasync_end(&sync), DS_ERR_SYS);
	assert_int_equal(pipe(ends), 0);
	dsa_datasync_begin(&sync, ends[1]);
	assert_int_equal(dsa_datasync_end(&sync), DS_ERR_SYS);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* Many at once: none of their counts is lost. */
static void test_counts_of_many(void **state)
{
	struct dsa_record r;
	pid_t pid[8];
	int status;

	(void)state;
	keep(&w.verifier);
	for (int i = 0; i < 8; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			for (int k = 0; k < 5; k++)
				count_in_child(false);
			_exit(0);
		}
	}
	for (int i = 0; i < 8; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(dsa_record_open(dir, &alice, host, &r), 0);
	assert_int_equal(r.tries.count, 40);
	dsa_record_close(&r);
}

static void test_cut_files(void **state)
{
	struct dsa_record r;

	(void)state;
	keep(&w.verifier);
	for (off_t len = DSA_RECORD_LEN - 1; len >= 0; len -= 93) {
		assert_int_equal(truncate(name_of(&alice), len), 0);
		assert_int_equal(dsa_record_open(dir, &alice, host, &r),
				 DS_ERR_FORMAT);
	}
	/* As long as it should be, and empty, as after a crash. */
	assert_int_equal(truncate(name_of(&alice), DSA_RECORD_LEN), 0);
	assert_int_equal(dsa_record_open(dir, &alice, host, &r),
			 DS_ERR_DENIED);
}

/* No count is torn, so the whole record is worth nothing. */
static void test_damaged_tries(void **state)
{
	struct dsa_record r;
	int fd;

	(void)state;
	keep(&w.verifier);
	fd = open(name_of(&alice), O_WRONLY);
	assert_int_equal(pwrite(fd, "", 1, DSA_BLOCK_LEN + 24 + 1), 1);
	assert_int_equal(pwrite(fd, "x", 1, DSA_BLOCK_LEN + 24), 1);
	(void)close(fd);
	assert_int_equal(dsa_record_open(dir, &alice, host, &r),
			 DS_ERR_DENIED);
}

static void test_files_that_are_not_ours(void **state)
{
	char elsewhere[96];
	struct dsa_record r;

	(void)state;
	(void)snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", top);
	keep(&w.verifier);
	/* A good record, behind a link. */
	assert_int_equal(rename(name_of(&alice), elsewhere), 0);
	assert_int_equal(symlink(elsewhere, name_of(&alice)), 0);
	assert_int_equal(dsa_record_open(dir, &alice, host, &r),
			 DS_ERR_UNSAFE);
	/* A new one takes the name, and leaves alone what it led to. */
	assert_int_equal(truncate(elsewhere, 3), 0);
	keep(&w.verifier);
	assert_int_equal(dsa_record_open(dir, &alice, host, &r), 0);
	dsa_record_close(&r);
	/* Two names. */
	assert_int_equal(unlink(elsewhere), 0);
	assert_int_equal(link(name_of(&alice), elsewhere), 0);
	assert_int_equal(dsa_record_open(dir, &alice, host, &r),
			 DS_ERR_UNSAFE);
	assert_int_equal(unlink(elsewhere), 0);
	/* Open to others. */
	assert_int_equal(chmod(name_of(&alice), 0640), 0);
	assert_int_equal(dsa_record_open(dir, &alice, host, &r),
			 DS_ERR_UNSAFE);
	/* A pipe: nobody waits for its writer. */
	assert_int_equal(unlink(name_of(&alice)), 0);
	assert_int_equal(mkfifo(name_of(&alice), 0600), 0);
	assert_int_equal(dsa_record_open(dir, &alice, host, &r),
			 DS_ERR_UNSAFE);
}

static void test_folder_that_is_not_ours(void **state)
{
	char link_path[96];
	int fd;

	(void)state;
	assert_int_equal(chmod(path, 0750), 0);
	assert_int_equal(dsa_store_open(path, true, &fd), DS_ERR_UNSAFE);
	assert_int_equal(chmod(path, 0700), 0);
	(void)snprintf(link_path, sizeof(link_path), "%s/link", top);
	assert_int_equal(symlink(path, link_path), 0);
	assert_int_equal(dsa_store_open(link_path, true, &fd), DS_ERR_UNSAFE);
	/* Nor is anything removed behind it. */
	keep(&w.verifier);
	assert_int_equal(dsa_store_remove(link_path), DS_ERR_UNSAFE);
	assert_int_equal(dsa_store_count(dir), 1);
	assert_int_equal(unlink(link_path), 0);
	assert_int_equal(dsa_store_open(link_path, false, &fd),
			 DS_ERR_NOTFOUND);
}

/* Somebody must hear of what stays. */
static void test_remove(void **state)
{
	char name[96];

	(void)state;
	keep(&w.verifier);
	(void)snprintf(name, sizeof(name), "%s/folder", path);
	assert_int_equal(mkdir(name, 0700), 0);
	assert_int_equal(dsa_store_remove(path), DS_ERR_SYS);
	assert_int_equal(errno, ENOTEMPTY);
	assert_int_equal(dsa_store_count(dir), 0);
	assert_int_equal(rmdir(name), 0);
	assert_int_equal(dsa_store_remove(path), 0);
	assert_int_equal(dsa_store_remove(path), 0);
}

static void test_host_key(void **state)
{
	struct dsa_secret one, two;
	char name[96];
	struct stat st;

	(void)state;
	(void)snprintf(name, sizeof(name), "%s/host.key", path);
	assert_int_equal(dsa_store_key(dir, &one), 0);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(dsa_store_key(dir, &two), 0);
	assert_memory_equal(one.p, two.p, DSA_HOST_KEY_LEN);
	dsa_secret_done(&two);
	/* Others have read it, or it was cut: it is no secret any more. */
	assert_int_equal(chmod(name, 0644), 0);
	assert_int_equal(dsa_store_key(dir, &two), 0);
	assert_memory_not_equal(one.p, two.p, DSA_HOST_KEY_LEN);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	dsa_secret_done(&one);
	assert_int_equal(truncate(name, 5), 0);
	assert_int_equal(dsa_store_key(dir, &one), 0);
	assert_memory_not_equal(one.p, two.p, DSA_HOST_KEY_LEN);
	dsa_secret_done(&one);
	dsa_secret_done(&two);
}

static void test_clock_file(void **state)
{
	struct dsa_clock read;

	(void)state;
	assert_int_equal(dsa_store_read_clock(dir, host, &read),
			 DS_ERR_NOTFOUND);
	for (uint64_t i = 1; i < 4; i++) {
		w.clock.total_ms = i;
		assert_int_equal(dsa_store_write_clock(dir, host, &w.clock),
				 0);
		assert_int_equal(dsa_store_read_clock(dir, host, &read), 0);
		assert_int_equal(read.total_ms, i);
	}
	assert_int_equal(dsa_store_read_clock(dir, other_host, &read),
			 DS_ERR_DENIED);
}

static void test_no_more_than_there_may_be(void **state)
{
	struct dsa_verifier v = w.verifier;
	struct dsa_record r;

	(void)state;
	for (uint8_t i = 0; i < 4; i++) {
		struct timespec used[2] = { { .tv_sec = 1000 + i },
					    { .tv_sec = 1000 + i } };

		v.guid.b[0] = i;
		keep(&v);
		assert_int_equal(
		    utimensat(AT_FDCWD, name_of(&v.guid), used, 0), 0);
	}
	/* One that is there already needs no room. */
	v.guid.b[0] = 3;
	keep(&v);
	assert_int_equal(dsa_store_count(dir), 4);
	v.guid.b[0] = 9;
	keep(&v);
	assert_int_equal(dsa_store_count(dir), 4);
	assert_int_equal(dsa_record_open(dir, &v.guid, host, &r), 0);
	dsa_record_close(&r);
	v.guid.b[0] = 0;
	assert_int_equal(dsa_record_open(dir, &v.guid, host, &r),
			 DS_ERR_NOTFOUND);
}

static void test_drop(void **state)
{
	struct dsa_verifier b = w.verifier;
	uint32_t count = 77;

	(void)state;
	b.guid = bob;
	keep(&w.verifier);
	keep(&b);
	assert_int_equal(dsa_store_drop(dir, &alice, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(dsa_store_count(dir), 1);
	assert_int_equal(dsa_store_drop(dir, &alice, &count), 0);
	assert_int_equal(count, 0);
	keep(&w.verifier);
	assert_int_equal(dsa_store_drop(dir, NULL, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(dsa_store_count(dir), 0);
}

/* A login that was under way when its verifier was dropped leaves none. */
static void test_drop_during_a_login(void **state)
{
	uint32_t count;
	uint64_t epoch;

	(void)state;
	assert_int_equal(dsa_store_epoch(dir, &epoch), 0);
	assert_int_equal(dsa_store_drop(dir, &alice, &count), 0);
	assert_int_equal(dsa_store_keep(dir, epoch, host, &w.verifier),
			 DS_ERR_CONFLICT);
	assert_int_equal(dsa_store_count(dir), 0);
	keep(&w.verifier);
	assert_int_equal(dsa_store_count(dir), 1);
}

static bool is_alice(const struct ds_guid *guid, const void *arg)
{
	assert_ptr_equal(arg, &w);
	return ds_guid_equal(guid, &alice);
}

static void test_sweep(void **state)
{
	struct dsa_verifier b = w.verifier;
	struct dsa_secret key;
	uint32_t count;
	uint64_t epoch;

	(void)state;
	b.guid = bob;
	keep(&w.verifier);
	keep(&b);
	assert_int_equal(dsa_store_key(dir, &key), 0);
	dsa_secret_done(&key);
	put_file("new.a1020300-half-written");
	assert_int_equal(dsa_store_epoch(dir, &epoch), 0);
	assert_int_equal(dsa_store_sweep(dir, is_alice, &w, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(dsa_store_count(dir), 1);
	assert_int_equal(access(name_of(&alice), F_OK), 0);
	assert_int_equal(faccessat(dir, "new.a1020300-half-written", F_OK, 0),
			 -1);
	assert_int_equal(faccessat(dir, "host.key", F_OK, 0), 0);
	/* Logins under way are none of its business. */
	assert_int_equal(dsa_store_keep(dir, epoch, host, &w.verifier), 0);
}

/* As many as there are slots at once, and the next waits. */
static void test_slots(void **state)
{
	int one, two, three, status;
	pid_t pid;

	(void)state;
	assert_int_equal(dsa_store_slot(dir, 2, &one), 0);
	assert_int_equal(dsa_store_slot(dir, 2, &two), 0);
	pid = fork();
	if (pid == 0) {
		/* A lock is its descriptor's, and a worker has none. */
		(void)close(one);
		(void)close(two);
		_exit(dsa_store_slot(dir, 2, &three) == 0 ? 0 : 1);
	}
	assert_true(pid > 0);
	(void)usleep(50000);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	/* Whichever it waits for. */
	(void)close(one);
	(void)close(two);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/*
 * A disk that takes nothing more, as a process sees it: the limit on a file's
 * size.  What was there stays whole, and tries are still counted.
 */
static void test_full_disk(void **state)
{
	struct rlimit none = { 0, RLIM_INFINITY }, before;
	struct dsa_verifier v = w.verifier;
	struct dsa_record r;
	uint64_t epoch;
	int result;

	(void)state;
	keep(&w.verifier);
	assert_int_equal(dsa_store_epoch(dir, &epoch), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none.rlim_max = before.rlim_max;
	none.rlim_cur = DSA_RECORD_LEN - 1;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	v.made_ms = 99;
	result = dsa_store_keep(dir, epoch, host, &v);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(result, DS_ERR_SYS);
	assert_int_equal(dsa_store_count(dir), 1);
	assert_int_equal(dsa_record_open(dir, &alice, host, &r), 0);
	assert_int_equal(r.verifier.made_ms, w.verifier.made_ms);
	/* A try that cannot be counted is none: the caller hears of it. */
	none.rlim_cur = DSA_BLOCK_LEN;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	result = dsa_record_count(&r, host);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(result, DS_ERR_SYS);
	dsa_record_close(&r);
}

#define IN_FOLDER(test)                                                       \
	cmocka_unit_test_setup_teardown(test, open_folder, close_folder)

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
		cmocka_unit_test_setup(test_admitted, fresh),
		cmocka_unit_test_setup(test_state_of_the_account, fresh),
		cmocka_unit_test_setup(test_of_somebody_else, fresh),
		cmocka_unit_test_setup(test_password_changed_elsewhere, fresh),
		cmocka_unit_test_setup(test_dated_by_the_kdc, fresh),
		cmocka_unit_test_setup(test_days, fresh),
		cmocka_unit_test_setup(test_tries, fresh),
		cmocka_unit_test_setup(test_pause_and_clocks, fresh),
		cmocka_unit_test(test_texts),
		IN_FOLDER(test_keep),
		IN_FOLDER(test_moved_to_another_name),
		IN_FOLDER(test_count_survives),
		IN_FOLDER(test_datasync),
		IN_FOLDER(test_counts_of_many),
		IN_FOLDER(test_cut_files),
		IN_FOLDER(test_damaged_tries),
		IN_FOLDER(test_files_that_are_not_ours),
		IN_FOLDER(test_folder_that_is_not_ours),
		IN_FOLDER(test_remove),
		IN_FOLDER(test_host_key),
		IN_FOLDER(test_clock_file),
		IN_FOLDER(test_no_more_than_there_may_be),
		IN_FOLDER(test_drop),
		IN_FOLDER(test_drop_during_a_login),
		IN_FOLDER(test_sweep),
		IN_FOLDER(test_slots),
		IN_FOLDER(test_full_disk),
	};

	return cmocka_run_group_tests(tests, make_top, remove_top);
}

/*
 * Passwords against verifiers on a real disk, as workers do it: what a try
 * costs, whatever becomes of who makes it, and many at once.  The KDF is a
 * short one, and the test may be told of it, or die in it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/auth/offstore.h"
#include "synccache/auth/policy.h"
#include "tests/unit/offline_world.h"

static int kdf_checks, kdf_makes, settled; /* calls */
static bool dies_in_kdf, disk_fails;

static int seam_check(const uint8_t key[DSA_CHECK_LEN],
		      const struct dsa_verifier *verifier)
{
	kdf_checks++;
	if (dies_in_kdf)
		(void)kill(getpid(), SIGKILL);
	return dsa_verifier_check(key, verifier);
}

static int seam_make(const uint8_t key[DSA_CHECK_LEN],
		     struct dsa_verifier *verifier)
{
	kdf_makes++;
	return dsa_verifier_make(key, verifier);
}

static int seam_settle(struct dsa_record *record)
{
	int r = dsa_record_settle(record);

	settled++;
	return disk_fails ? DS_ERR_SYS : r;
}

#define DSA_OFFLINE_DIR    path
#define dsa_verifier_check seam_check
#define dsa_verifier_make  seam_make
#define dsa_record_settle  seam_settle
#include "synccache/auth/offcheck.c" /* NOLINT: with the seams */

#define RIGHT "Correct-Horse-1"
#define WRONG "Wrong-Horse-1"
#define MANY  12

static struct dsa_server server;
static struct ds_snap_account account;
static int dir;
static int slot[2] = { -1, -1 }; /* that the test holds */

/* ---- the world: a host on which alice has logged in ---- */

static void keep(const char *password)
{
	struct dsa_offcheck c;

	dsa_offcheck_begin(&c, &server, &account, password);
	dsa_offcheck_keep(&c);
	dsa_offcheck_end(&c);
}

static int open_folder(void **state)
{
	struct dsa_offserver *o = &server.offline;
	struct dsa_now now;

	(void)state;
	server.config.login.offline_days = 7;
	server.config.login.offline_attempts = 3;
	server.config.login.offline_delay = 1800;
	account = (struct ds_snap_account){
		.guid = alice,
		.uac = 0x200,
		.pwd_last_set = dsa_filetime(1700000000),
		.has_limits = true,
		.limits = { .pwd_expires = DS_NEVER },
	};
	if (dsa_store_open(path, true, &dir) != 0 ||
	    dsa_store_key(dir, &o->key) != 0)
		return 1;
	dsa_now_read(&now);
	dsa_clock_start(&o->clock, (const uint8_t *)"house clock one", &now);
	o->on = true;
	o->slots = 2;
	keep(RIGHT);
	kdf_checks = kdf_makes = settled = 0;
	dies_in_kdf = disk_fails = false;
	return 0;
}

static int close_folder(void **state)
{
	(void)state;
	dsa_secret_done(&server.offline.key);
	(void)close(dir);
	return dsa_store_remove(path);
}

static struct dsa_login check_until(const char *password, int64_t end_ms)
{
	struct dsa_offcheck c;
	struct dsa_login login = { .result = DS_AUTH_DENIED };

	dsa_offcheck_begin(&c, &server, &account, password);
	if (!dsa_offcheck_run(&c, end_ms, &login))
		fail();
	dsa_offcheck_end(&c);
	return login;
}

static struct dsa_login check(const char *password)
{
	return check_until(password, INT64_MAX);
}

/* As a worker, whose exit status is the result. */
static pid_t start(const char *password)
{
	pid_t pid = fork();

	if (pid == 0) {
		/* A lock is its descriptor's, and a worker has none. */
		for (int i = 0; i < 2; i++)
			if (slot[i] >= 0)
				(void)close(slot[i]);
		_exit((int)check(password).result);
	}
	assert_true(pid > 0);
	return pid;
}

static int end_of(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* As the next one finds them. */
static uint32_t tries(void)
{
	struct dsa_record r;
	uint32_t count;

	assert_int_equal(
	    dsa_record_open(dir, &alice, server.offline.key.p, 0, &r), 0);
	count = r.tries.count;
	dsa_record_close(&r);
	return count;
}

#define assert_refused(login, code, words)                                    \
	do {                                                                  \
		struct dsa_login l_ = (login);                                \
                                                                              \
		assert_int_equal(l_.result, code);                            \
		assert_non_null(strstr(l_.reason, words));                    \
		assert_false(l_.proven);                                      \
		assert_non_null(strstr(l_.text, "not accepted offline"));     \
	} while (0)

/* ---- one ---- */

static void test_right(void **state)
{
	struct dsa_login login;

	(void)state;
	assert_refused(check(WRONG), DS_AUTH_BAD_PASSWORD, "wrong password");
	assert_int_equal(tries(), 1);
	login = check(RIGHT);
	assert_int_equal(login.result, DS_AUTH_OK);
	assert_true(login.proven && login.offline);
	assert_int_equal(login.kdc_ms, -1);
	assert_non_null(strstr(login.text, "Signed in offline"));
	/* It makes up for what came before. */
	assert_int_equal(tries(), 0);
	assert_int_equal(kdf_checks, 2);
	assert_int_equal(kdf_makes, 0);
}

static void test_off(void **state)
{
	struct dsa_login login = { .kdc_ms = 77 };
	struct dsa_offcheck c;

	(void)state;
	server.offline.on = false;
	dsa_offcheck_begin(&c, &server, &account, RIGHT);
	assert_false(dsa_offcheck_run(&c, INT64_MAX, &login));
	assert_int_equal(login.kdc_ms, 77);
	dsa_offcheck_keep(&c);
	dsa_offcheck_end(&c);
	assert_int_equal(kdf_checks + kdf_makes, 0);
}

/* Whoever ends it before the answer has had the try all the same. */
static void test_killed_in_the_kdf(void **state)
{
	(void)state;
	dies_in_kdf = true;
	for (uint32_t i = 1; i <= 3; i++) {
		assert_int_equal(end_of(start(WRONG)), -SIGKILL);
		assert_int_equal(tries(), i);
	}
	/* What is not admitted does not get so far. */
	assert_int_equal(end_of(start(RIGHT)), DS_AUTH_UNAVAILABLE);
	dies_in_kdf = false;
	assert_refused(check(RIGHT), DS_AUTH_UNAVAILABLE, "too many tries");
	assert_int_equal(tries(), 3);
}

/* No answer leaves before its count is on the disk. */
static void test_disk_that_fails(void **state)
{
	(void)state;
	disk_fails = true;
	assert_refused(check(WRONG), DS_AUTH_UNAVAILABLE, "be counted");
	assert_refused(check(RIGHT), DS_AUTH_UNAVAILABLE, "be counted");
	assert_int_equal(settled, 2);
	assert_int_equal(tries(), 2);
}

/* One KDF, of either kind, so that its time tells nothing. */
static void assert_one_kdf(const struct dsa_login *login, int checks)
{
	assert_int_equal(kdf_checks, checks);
	assert_int_equal(kdf_makes, 1 - checks);
	assert_true(login->offline_kdf_us > 0);
	kdf_checks = kdf_makes = 0;
}

static void test_every_refusal_takes_the_kdf(void **state)
{
	struct dsa_login login;

	(void)state;
	for (int i = 0; i < 3; i++) {
		login = check(WRONG);
		assert_one_kdf(&login, 1);
	}
	login = check(WRONG);
	assert_refused(login, DS_AUTH_UNAVAILABLE, "too many tries");
	assert_one_kdf(&login, 0);
	login = check(RIGHT);
	assert_refused(login, DS_AUTH_UNAVAILABLE, "too many tries");
	assert_one_kdf(&login, 0);
	account.uac |= 2;
	login = check(RIGHT);
	assert_refused(login, DS_AUTH_DISABLED, "the mirror says so");
	assert_one_kdf(&login, 0);
	/* Who has never been here. */
	account.uac = 0x200;
	account.guid.b[0]++;
	login = check(RIGHT);
	assert_refused(login, DS_AUTH_UNAVAILABLE, "there is no verifier");
	assert_one_kdf(&login, 0);
}

static void test_drop(void **state)
{
	(void)state;
	assert_int_equal(dsa_offcheck_count(&server), 1);
	dsa_offcheck_drop(&server, &account);
	assert_int_equal(dsa_offcheck_count(&server), 0);
	assert_refused(check(RIGHT), DS_AUTH_UNAVAILABLE,
		       "there is no verifier");
}

/* ---- many ---- */

static int count_of(const char *password, enum ds_auth_result result)
{
	pid_t pid[MANY];
	int count = 0;

	for (int i = 0; i < MANY; i++)
		pid[i] = start(password);
	for (int i = 0; i < MANY; i++)
		count += end_of(pid[i]) == (int)result;
	return count;
}

static void test_wrong_ones_at_once(void **state)
{
	(void)state;
	assert_int_equal(count_of(WRONG, DS_AUTH_BAD_PASSWORD), 3);
	assert_int_equal(tries(), 3);
	assert_int_equal(count_of(RIGHT, DS_AUTH_UNAVAILABLE), MANY);
}

/* Each has made up for its own try before the next is judged. */
static void test_right_ones_at_once(void **state)
{
	(void)state;
	server.config.login.offline_attempts = 1;
	assert_int_equal(count_of(RIGHT, DS_AUTH_OK), MANY);
	assert_int_equal(tries(), 0);
}

/* ---- no place ---- */

static void test_no_place_in_time(void **state)
{
	pid_t pid;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(dsa_store_slot(dir, 2, 0, &slot[i]), 0);
	assert_refused(check_until(RIGHT, ds_now_ms() + 30),
		       DS_AUTH_UNAVAILABLE, "too many passwords");
	assert_refused(check_until(WRONG, 0), DS_AUTH_UNAVAILABLE,
		       "too many passwords");
	assert_int_equal(kdf_checks + kdf_makes, 0);
	assert_int_equal(tries(), 0);
	/* One that may wait longer gets its turn. */
	pid = start(RIGHT);
	for (int i = 0; i < 2; i++) {
		(void)close(slot[i]);
		slot[i] = -1;
	}
	assert_int_equal(end_of(pid), DS_AUTH_OK);
	assert_int_equal(tries(), 0);
}

static void test_record_of_another_try(void **state)
{
	struct dsa_record r;

	(void)state;
	assert_int_equal(
	    dsa_record_open(dir, &alice, server.offline.key.p, 0, &r), 0);
	assert_refused(check_until(RIGHT, ds_now_ms() + 30),
		       DS_AUTH_UNAVAILABLE, "too many passwords");
	dsa_record_close(&r);
	assert_int_equal(kdf_checks + kdf_makes, 0);
	assert_int_equal(tries(), 0);
}

#define IN_FOLDER(test)                                                       \
	cmocka_unit_test_setup_teardown(test, open_folder, close_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_right),
		IN_FOLDER(test_off),
		IN_FOLDER(test_killed_in_the_kdf),
		IN_FOLDER(test_disk_that_fails),
		IN_FOLDER(test_every_refusal_takes_the_kdf),
		IN_FOLDER(test_drop),
		IN_FOLDER(test_wrong_ones_at_once),
		IN_FOLDER(test_right_ones_at_once),
		IN_FOLDER(test_no_place_in_time),
		IN_FOLDER(test_record_of_another_try),
	};

	return cmocka_run_group_tests(tests, make_top, remove_top);
}

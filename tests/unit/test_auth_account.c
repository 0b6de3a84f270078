/*
 * The account phase: states, limits, the live check.
 * account.c, policy.c, allow.c, proven.c and mirror.c are the real ones over
 * a small domain's snapshots; the live check is scripted.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/snapshot_stamp.h"
#include "lib/snapshot_write.h"
#include "lib/wire.h"
#include "synccache/auth/audit.h"
#include "synccache/auth/auth.h"
#include "synccache/auth/policy.h"
#include "tests/unit/auth_world.h"

#define DENIED "Your account may not log in here."
#define PID    4711

static char *nothing[] = { NULL };
static char pins[] = "/tmp/dsa-allow-XXXXXX";

/* ---- what stands around account.c ---- */

void dsa_report_changed(struct dsa_server *s)
{
	(void)s;
}

static enum ds_auth_result audited;
static char why[256];

void dsa_audit(const char *event, const struct dsa_subject *subject,
	       enum ds_auth_result result, const char *reason, int64_t kdc_ms)
{
	(void)subject;
	assert_string_equal(event, "account");
	assert_int_equal(kdc_ms, -1);
	audited = result;
	(void)snprintf(why, sizeof(why), "%s", reason);
}

/* What a live check finds. */
static int look_err;
static struct dsa_looked looked;

/* ---- the world ---- */

static struct dsa_caller caller;

static int setup(void **state)
{
	int fd = mkstemp(pins);

	(void)close(fd);
	return auth_world_setup(state);
}

static int teardown(void **state)
{
	dsa_allow_free(server.allow);
	(void)unlink(pins);
	return auth_world_teardown(state);
}

static void load_lists(ds_strv users, ds_strv groups)
{
	server.config.login.allow_users = users;
	server.config.login.allow_groups = groups;
	dsa_allow_free(server.allow);
	server.allow = dsa_allow_new(&server.config, pins);
	assert_non_null(server.allow);
}

static int fresh(void **state)
{
	(void)state;
	auth_world_fresh();
	server.config.login.live_check = DS_LIVE_NEVER;
	memset(&server.proven, 0, sizeof(server.proven));
	(void)unlink(pins);
	load_lists(nothing, nothing);
	look_err = 0;
	caller = (struct dsa_caller){ .pid = PID };
	looked = (struct dsa_looked){ .uac = 0x200,
				      .pwd_last_set = 1,
				      .pwd_expires = DS_NEVER };
	return 0;
}

static struct ds_guid guid_of(int user)
{
	return (struct ds_guid){ { (uint8_t)(user + 1) } };
}

struct answer {
	bool came;
	enum ds_auth_result result;
	char text[DS_TEXT_MAX + 1];
};

static void said(void *arg, enum ds_auth_result result, const char *text)
{
	struct answer *a = arg;

	assert_false(a->came);
	a->came = true;
	a->result = result;
	(void)snprintf(a->text, sizeof(a->text), "%s", text);
}

static struct answer ask_bytes(const void *p, size_t len)
{
	struct ds_frame frame = {
		.type = DS_MSG_ACCOUNT, .seq = 1, .payload = p, .len = len
	};
	struct answer a = { .came = false };

	look_heard = NULL;
	dsa_account_ask(&server, &caller, &frame, said, &a);
	if (look_heard != NULL) {
		assert_false(a.came);
		look_heard(look_arg, look_err, look_err == 0 ? &looked : NULL);
	}
	assert_true(a.came);
	assert_int_equal(audited, a.result);
	return a;
}

static struct answer ask_guid(const struct ds_guid *guid)
{
	struct dsa_subject s = { .guid = *guid, .service = "sshd" };
	uint8_t buf[512];
	struct ds_writer w;

	ds_writer_init(&w, buf, sizeof(buf));
	dsa_subject_write(&w, &s);
	return ask_bytes(buf, w.len);
}

static void check(int user, enum ds_auth_result want)
{
	struct ds_guid g = guid_of(user);

	assert_int_equal(ask_guid(&g).result, want);
}

/* The world's accounts again, but W_DRILEY as given. */
static const struct ds_snap_account driley = {
	.guid = { { W_DRILEY + 1 } },
	.upn = DRILEY,
	.sam = "driley",
	.name = DRILEY,
	.uid = WORLD_UID0 + W_DRILEY,
	.uac = 0x200,
	.pwd_last_set = 1,
	.has_limits = true,
	.limits = { .pwd_expires = DS_NEVER },
	.sid = { .authority = 5, .sub = { 21, 1, 2, 3, 1000 }, .count = 5 },
};

static void publish(const struct ds_snap_account *account)
{
	struct ds_snap_stamp stamp = { .kind = DS_SNAP_ACCOUNTS,
				       .generation = 2,
				       .id_min = WORLD_ID_MIN,
				       .id_max = WORLD_ID_MAX,
				       .domain = WORLD_DOMAIN };
	struct ds_snapw *w =
	    ds_snapw_new(DS_SNAP_ACCOUNTS, "AADDSCONTOSO", NULL);
	char path[] = "/tmp/dsa-snap-XXXXXX";
	FILE *staged = tmpfile();
	int fd = mkstemp(path);

	assert_non_null(w);
	assert_non_null(staged);
	assert_int_equal(ds_snapw_account(w, account), 0);
	assert_int_equal(ds_snapw_write(w, fileno(staged)), 0);
	assert_int_equal(
	    ds_snap_stamp_copy(fileno(staged), fd, 1 << 20, &stamp), 0);
	assert_int_equal(ds_snap_open(path, DS_SNAP_ACCOUNTS, geteuid(),
				      &server.mirror.accounts),
			 0);
	(void)fclose(staged);
	(void)close(fd);
	(void)unlink(path);
	ds_snapw_free(w);
}

static void check_account(const struct ds_snap_account *account,
			  enum ds_auth_result want, const char *want_text)
{
	struct ds_guid g = guid_of(W_DRILEY);
	struct answer a;

	publish(account);
	a = ask_guid(&g);
	assert_int_equal(a.result, want);
	assert_string_equal(a.text, want_text);
	ds_snap_close(&server.mirror.accounts);
}

/* driley with one thing changed. */
#define CHECK(field, value, result, text)                                     \
	do {                                                                  \
		struct ds_snap_account account_ = driley;                     \
		account_.field = (value);                                     \
		check_account(&account_, (result), (text));                   \
	} while (0)

/* ---- the mirror ---- */

static void test_states(void **state)
{
	uint64_t now = dsa_filetime(time(NULL));

	(void)state;
	check(W_DRILEY, DS_AUTH_OK);
	check(77, DS_AUTH_UNKNOWN);
	check_account(&driley, DS_AUTH_OK, "");
	CHECK(uac, 0x202, DS_AUTH_DISABLED, "Your account is disabled.");
	CHECK(uac, 0x1000, DS_AUTH_DENIED, DENIED);
	CHECK(account_expires, 1, DS_AUTH_EXPIRED,
	      "Your account has expired.");
	CHECK(limits.locked_until, now + 1000000000, DS_AUTH_LOCKED,
	      "Your account is locked; try again later.");
	CHECK(limits.locked_until, now - 1000000000, DS_AUTH_OK, "");
	CHECK(limits.has_hours, true, DS_AUTH_HOURS,
	      "Your account may not log in at this time.");
	CHECK(limits.pwd_expires, 0, DS_AUTH_NEW_PASSWORD,
	      "Your password must be changed. Change it at https://x");
	CHECK(limits.pwd_expires, now, DS_AUTH_NEW_PASSWORD,
	      "Your password must be changed. Change it at https://x");
	/* A policy that is not known denies. */
	CHECK(has_limits, false, DS_AUTH_DENIED, DENIED);
	/* The two files disagree about whose uid that is. */
	CHECK(uid, WORLD_UID0 + W_SMITH, DS_AUTH_DENIED, DENIED);
	server.mirror.accounts = (struct ds_snap){ 0 };
	check(W_DRILEY, DS_AUTH_UNAVAILABLE);
}

/* At pam-user.sock nobody learns what state another account is in. */
static void test_another_user_asks(void **state)
{
	(void)state;
	caller.uid = WORLD_UID0 + W_SMITH;
	CHECK(uac, 0x202, DS_AUTH_DENIED, DENIED);
	assert_string_equal(why, DSA_NOT_YOURSELF);
	caller.uid = WORLD_UID0 + W_DRILEY;
	CHECK(uac, 0x202, DS_AUTH_DISABLED, "Your account is disabled.");
}

static void test_malformed(void **state)
{
	(void)state;
	assert_int_equal(ask_bytes("", 0).result, DS_AUTH_DENIED);
	assert_int_equal(ask_bytes("\1\0\0\0x", 5).result, DS_AUTH_DENIED);
}

/* 2026-11-21 was a Saturday, the last day of the week of logonHours. */
static void test_hours(void **state)
{
	const uint64_t saturday = dsa_filetime(1795219200);
	const uint64_t hour = (uint64_t)3600 * 10000000;
	struct ds_snap_limits limits = { .has_hours = true };

	(void)state;
	for (unsigned int h = 0; h < 168; h++) {
		uint64_t then = saturday + ((h + 24) % 168) * hour;

		memset(limits.hours, 0, sizeof(limits.hours));
		assert_int_equal(dsa_account_limits(&limits, then),
				 DS_AUTH_HOURS);
		limits.hours[h / 8] = (uint8_t)(1u << (h % 8));
		assert_int_equal(dsa_account_limits(&limits, then),
				 DS_AUTH_OK);
		assert_int_equal(dsa_account_limits(&limits, then + hour - 1),
				 DS_AUTH_OK);
		assert_int_equal(dsa_account_limits(&limits, then + hour),
				 DS_AUTH_HOURS);
		assert_int_equal(dsa_account_limits(&limits, then - 1),
				 DS_AUTH_HOURS);
	}
	limits.has_hours = false;
	assert_int_equal(dsa_account_limits(&limits, saturday), DS_AUTH_OK);
}

static void check_warning(uint64_t left, uint32_t flags, const char *want)
{
	const uint64_t now = dsa_filetime(1795219200);
	struct ds_snap_account account = driley;
	char text[DS_TEXT_MAX + 1];

	account.flags = flags;
	account.limits.pwd_expires = now + left;
	assert_string_equal(
	    dsa_expiry_text(&server.config, &account, now, text, sizeof(text)),
	    want);
}

static void test_warning(void **state)
{
	const uint64_t day = (uint64_t)86400 * 10000000;

	(void)state;
	check_warning(0, 0, "");
	check_warning(1, 0,
		      "Your password expires today. Change it at https://x");
	check_warning(
	    day, 0, "Your password expires in 1 day. Change it at https://x");
	check_warning(14 * day - 1, DS_ID_CUSTOM_OU,
		      "Your password expires in 13 days. Change it with "
		      "passwd.");
	check_warning(14 * day, 0, "");
	check_warning(DS_NEVER - dsa_filetime(1795219200), 0, "");
	*server.config.login.password_change_url = '\0';
	check_warning(2 * day, 0, "Your password expires in 2 days.");
	*server.config.login.password_change_url = 'h';
	/* It is said to who may come in. */
	CHECK(limits.pwd_expires, dsa_filetime(time(NULL)) + 3 * day + day / 2,
	      DS_AUTH_OK,
	      "Your password expires in 3 days. Change it at https://x");
}

/* ---- the live check ---- */

static void test_look_is_asked(void **state)
{
	struct dsa_subject s = { .guid = { { W_DRILEY + 1 } },
				 .service = "sshd" };

	(void)state;
	check(W_DRILEY, DS_AUTH_OK);
	assert_int_equal(looks, 0); /* never */
	server.config.login.live_check = DS_LIVE_KEYS;
	check(W_DRILEY, DS_AUTH_OK);
	assert_int_equal(looks, 1);
	assert_string_equal(why, "checked live");
	/* Whose password a KDC has just accepted: this login's and no other.
	 */
	dsa_proven_put(&server.proven, ds_now_ms(), PID, &s);
	check(W_DRILEY, DS_AUTH_OK);
	assert_int_equal(looks, 1);
	check(W_SMITH, DS_AUTH_OK);
	assert_int_equal(looks, 2);
	memset(&server.proven, 0, sizeof(server.proven));
	dsa_proven_put(&server.proven, ds_now_ms(), PID + 1, &s);
	dsa_proven_put(&server.proven, ds_now_ms(), 0, &s);
	dsa_proven_put(&server.proven, ds_now_ms() - DSA_PROVEN_MS, PID, &s);
	(void)snprintf(s.service, sizeof(s.service), "sudo");
	dsa_proven_put(&server.proven, ds_now_ms(), PID, &s);
	check(W_DRILEY, DS_AUTH_OK);
	assert_int_equal(looks, 3);
	(void)snprintf(s.service, sizeof(s.service), "sshd");
	dsa_proven_put(&server.proven, ds_now_ms(), PID, &s);
	server.config.login.live_check = DS_LIVE_ALWAYS;
	check(W_DRILEY, DS_AUTH_OK);
	assert_int_equal(looks, 4);
}

/* However many wait at pam-user.sock: there is room for root's question. */
static void test_users_looks_are_few(void **state)
{
	struct dsa_subject s = { .guid = { { W_DRILEY + 1 } } };
	struct answer answers[17] = { 0 };
	struct ds_frame frame = { .type = DS_MSG_ACCOUNT };
	void *waiting[16];
	uint8_t buf[512];
	struct ds_writer w;

	(void)state;
	ds_writer_init(&w, buf, sizeof(buf));
	dsa_subject_write(&w, &s);
	frame.payload = buf;
	frame.len = w.len;
	server.config.login.live_check = DS_LIVE_ALWAYS;
	caller.uid = WORLD_UID0 + W_DRILEY;
	for (int i = 0; i < 17; i++) {
		dsa_account_ask(&server, &caller, &frame, said, &answers[i]);
		if (i < 16)
			waiting[i] = look_arg;
	}
	assert_int_equal(looks, 16);
	assert_false(answers[15].came);
	assert_int_equal(answers[16].result, DS_AUTH_UNAVAILABLE);
	caller.uid = 0;
	check(W_DRILEY, DS_AUTH_OK);
	assert_int_equal(looks, 17);
	caller.uid = WORLD_UID0 + W_DRILEY;
	for (int i = 0; i < 16; i++) {
		look_heard(waiting[i], 0, &looked);
		assert_int_equal(answers[i].result, DS_AUTH_OK);
	}
	check(W_DRILEY, DS_AUTH_OK);
	assert_int_equal(server.user_looks, 0);
}

static void test_look_decides(void **state)
{
	(void)state;
	server.config.login.live_check = DS_LIVE_KEYS;
	look_err = DS_ERR_NOTFOUND;
	check_account(&driley, DS_AUTH_DENIED, DENIED);
	assert_string_equal(why,
			    "the domain does not show this object any more");
	look_err = 0;
	looked.uac = 0x202;
	check_account(&driley, DS_AUTH_DISABLED, "Your account is disabled.");
	looked.uac = 0x200;
	looked.uac_computed = 0x10;
	check_account(&driley, DS_AUTH_LOCKED,
		      "Your account is locked; try again later.");
	looked.uac_computed = 0;
	looked.has_hours = true;
	check_account(&driley, DS_AUTH_HOURS,
		      "Your account may not log in at this time.");
	looked.has_hours = false;
	looked.account_expires = 1;
	check_account(&driley, DS_AUTH_EXPIRED, "Your account has expired.");
	looked.account_expires = 0;
	looked.pwd_expires = 1;
	check_account(&driley, DS_AUTH_NEW_PASSWORD,
		      "Your password must be changed. Change it at https://x");
	looked.uac |= 0x10000;
	check_account(&driley, DS_AUTH_OK, "");
	looked.uac = 0x200;
	/* Not readable: the mirror's, if it knows this password. */
	looked.pwd_expires = 0;
	CHECK(limits.pwd_expires, 5, DS_AUTH_NEW_PASSWORD,
	      "Your password must be changed. Change it at https://x");
	looked.pwd_last_set = 2;
	CHECK(limits.pwd_expires, 5, DS_AUTH_OK, "");
	looked.uac_computed = 0x800000;
	CHECK(limits.pwd_expires, DS_NEVER, DS_AUTH_NEW_PASSWORD,
	      "Your password must be changed. Change it at https://x");
}

/* What the mirror had wrong, the domain puts right. */
static void test_look_permits(void **state)
{
	(void)state;
	server.config.login.live_check = DS_LIVE_KEYS;
	CHECK(uac, 0x202, DS_AUTH_OK, "");
	CHECK(limits.locked_until, DS_NEVER, DS_AUTH_OK, "");
	CHECK(limits.pwd_expires, 0, DS_AUTH_OK, "");
	CHECK(flags, DS_ID_HELD, DS_AUTH_OK, "");
	CHECK(has_limits, false, DS_AUTH_OK, "");
}

static void test_no_answer(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		look_err = i == 0 ? DS_ERR_TIMEOUT : 0;
		look_fails = i == 0 ? 0 : DS_ERR_UNAVAIL;
		server.config.login.live_check = DS_LIVE_KEYS;
		check_account(&driley, DS_AUTH_OK, "");
		CHECK(uac, 0x202, DS_AUTH_DISABLED,
		      "Your account is disabled.");
		CHECK(flags, DS_ID_HELD, DS_AUTH_DENIED, DENIED);
		server.config.login.live_check = DS_LIVE_ALWAYS;
		check_account(&driley, DS_AUTH_UNAVAILABLE,
			      "The domain cannot be asked about your account "
			      "now; try again later.");
	}
	server.config.login.live_check = DS_LIVE_NEVER;
	CHECK(flags, DS_ID_HELD, DS_AUTH_DENIED, DENIED);
}

/* The KDC's word stands against a mirror that is behind; disabled stays. */
static void test_proven(void **state)
{
	struct dsa_subject s = { .guid = { { W_DRILEY + 1 } },
				 .service = "sshd" };
	uint64_t now = dsa_filetime(time(NULL));

	(void)state;
	server.config.login.live_check = DS_LIVE_KEYS;
	dsa_proven_put(&server.proven, ds_now_ms(), PID, &s);
	CHECK(limits.locked_until, DS_NEVER, DS_AUTH_OK, "");
	CHECK(flags, DS_ID_HELD, DS_AUTH_OK, "");
	CHECK(uac, 0x202, DS_AUTH_DISABLED, "Your account is disabled.");
	assert_int_equal(looks, 0);
	/* Nobody is warned of what the mirror only guesses ... */
	CHECK(limits.pwd_expires, 0, DS_AUTH_OK, "");
	CHECK(limits.pwd_expires, now + 10000000, DS_AUTH_OK, "");
	assert_int_equal(looks, 2);
	looked.pwd_expires = now + 10000000000;
	CHECK(limits.pwd_expires, 0, DS_AUTH_OK,
	      "Your password expires today. Change it at https://x");
	/* ... and without an answer the KDC's word is enough, ... */
	look_fails = DS_ERR_UNAVAIL;
	CHECK(limits.pwd_expires, 0, DS_AUTH_OK, "");
	/* ... unless the administrator wants an answer each time. */
	server.config.login.live_check = DS_LIVE_ALWAYS;
	check_account(&driley, DS_AUTH_UNAVAILABLE,
		      "The domain cannot be asked about your account now; try "
		      "again later.");
	look_fails = 0;
	look_err = DS_ERR_NOTFOUND;
	check_account(&driley, DS_AUTH_DENIED, DENIED);
}

static void test_proven_ring(void **state)
{
	static struct dsa_proven proven;
	struct dsa_subject s = { .service = "sshd" };

	(void)state;
	for (int pid = 1; pid <= DSA_PROVEN_MAX + 1; pid++)
		dsa_proven_put(&proven, 1000, pid, &s);
	assert_false(dsa_proven_has(&proven, 1000, 1, &s));
	assert_true(dsa_proven_has(&proven, 1000, 2, &s));
	assert_true(dsa_proven_has(&proven, 1000, DSA_PROVEN_MAX + 1, &s));
	assert_false(dsa_proven_has(&proven, 1000 + DSA_PROVEN_MS, 2, &s));
}

/* ---- the lists ---- */

/* Whom they name is test_auth_allow's. */
static void test_lists(void **state)
{
	char user[] = DRILEY;
	char *users[] = { user, NULL };

	(void)state;
	load_lists(users, nothing);
	check(W_DRILEY, DS_AUTH_OK);
	check(W_SMITH, DS_AUTH_DENIED);
	assert_string_equal(why, "not in allow_users or allow_groups");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_states, fresh),
		cmocka_unit_test_setup(test_malformed, fresh),
		cmocka_unit_test_setup(test_another_user_asks, fresh),
		cmocka_unit_test(test_hours),
		cmocka_unit_test_setup(test_warning, fresh),
		cmocka_unit_test_setup(test_look_is_asked, fresh),
		cmocka_unit_test_setup(test_users_looks_are_few, fresh),
		cmocka_unit_test_setup(test_look_decides, fresh),
		cmocka_unit_test_setup(test_look_permits, fresh),
		cmocka_unit_test_setup(test_no_answer, fresh),
		cmocka_unit_test_setup(test_proven, fresh),
		cmocka_unit_test(test_proven_ring),
		cmocka_unit_test_setup(test_lists, fresh),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/*
 * Whose user is it?  pam_sm_authenticate and pam_sm_acct_mgmt
 * over users that are ours, are not, or pretend.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/pam_fake.h"
#include "tests/unit/pam_seams.h"
#include "tests/unit/pam_world.h"

#define DENIED      "NOTICE \"" WORLD_UPN "\" denied: "
#define NOT_ITS     "the uid is one of the domain's, the name is not its"
#define MUST_CHANGE "NOTICE \"" WORLD_UPN "\": the password must be changed"

/* What somebody else has to know, and the decision. */
static void expect_lines(pam_handle_t *pamh, const char *event,
			 const char *detail, const char *result,
			 const char *why)
{
	const char *line =
	    why ? fake_audit(event, pamh->items[PAM_USER], result, why) : NULL;

	if (detail)
		fake_expect_log(pamh, detail, line, NULL);
	else
		fake_expect_log(pamh, line, NULL);
}

/*
 * All stages for a user of whom the server must hear nothing; `why` NULL: the
 * module has nothing to say either.
 */
static void stages(const char *user, int auth, int account, const char *detail,
		   const char *result, const char *why)
{
	pam_handle_t *pamh = fake_start(user);

	world_server_start();
	pamh->answer = "never asked";
	assert_int_equal(pam_sm_authenticate(pamh, 0, 0, NULL), auth);
	expect_lines(pamh, "auth", detail,
		     strcmp(result, "denied") == 0 ? "unknown" : result, why);
	fake_expect_shown(pamh, NULL); /* no prompt */
	assert_int_equal(pamh->delay, 0);
	assert_int_equal(pam_sm_acct_mgmt(pamh, 0, 0, NULL), account);
	expect_lines(pamh, "account", detail, result, why);
	world_server_stop();
	assert_int_equal(world_requests(), 0);
	fake_end(pamh);
}

static void not_ours(const char *user)
{
	pam_handle_t *pamh = fake_start(user);

	stages(user, PAM_USER_UNKNOWN, PAM_USER_UNKNOWN, NULL, "", NULL);
	assert_int_equal(pam_sm_setcred(pamh, PAM_ESTABLISH_CRED, 0, NULL),
			 PAM_USER_UNKNOWN);
	assert_int_equal(pam_sm_open_session(pamh, 0, 0, NULL),
			 PAM_USER_UNKNOWN);
	assert_int_equal(pam_sm_close_session(pamh, 0, 0, NULL),
			 PAM_USER_UNKNOWN);
	assert_int_equal(pam_sm_chauthtok(pamh, PAM_PRELIM_CHECK, 0, NULL),
			 PAM_USER_UNKNOWN);
	fake_end(pamh);
}

static void local_users(void **state)
{
	(void)state;
	not_ours("root");
	not_ours("local");
	not_ours("nobody-knows");
	not_ours("");
	not_ours(NULL);
	unlink(pam_test_snapshot); /* and without a snapshot just so */
	not_ours("root");
	not_ours("local");
	not_ours("nobody-knows");
}

/* A local root keeps its uid whatever the domain calls its users. */
static void root_by_another_name(void **state)
{
	(void)state;
	world_passwd(WORLD_UPN, 0);
	not_ours(WORLD_UPN);
}

/* passwd has the name first, with a uid of its own. */
static void local_user_of_that_name(void **state)
{
	(void)state;
	world_passwd(WORLD_UPN, 1000);
	stages(WORLD_UPN, PAM_USER_UNKNOWN, PAM_USER_UNKNOWN,
	       "NOTICE \"" WORLD_UPN "\" has uid 1000 in passwd, but 200001 "
	       "in the domain: not taken for the domain's user",
	       "", NULL);
}

/* ... or one that the domain gave to somebody else. */
static void other_uid_in_range(void **state)
{
	(void)state;
	world_passwd(WORLD_UPN, 200002);
	stages(WORLD_UPN, PAM_USER_UNKNOWN, PAM_PERM_DENIED,
	       "NOTICE \"" WORLD_UPN "\" has uid 200002 in passwd, but 200001 "
	       "in the domain: not taken for the domain's user",
	       "denied", NOT_ITS);
}

/* A name that passwd knows, with our uid, and the snapshot does not. */
static void unresolved_in_range(void **state)
{
	(void)state;
	world_passwd("gone@aaddscontoso.com", WORLD_UID);
	stages("gone@aaddscontoso.com", PAM_USER_UNKNOWN, PAM_PERM_DENIED,
	       NULL, "denied", NOT_ITS);
	/* The ends of the range, and what lies beyond. */
	world_passwd("low", WORLD_ID_MIN);
	world_passwd("high", WORLD_ID_MAX);
	stages("low", PAM_USER_UNKNOWN, PAM_PERM_DENIED, NULL, "denied",
	       NOT_ITS);
	stages("high", PAM_USER_UNKNOWN, PAM_PERM_DENIED, NULL, "denied",
	       NOT_ITS);
	world_passwd("below", WORLD_ID_MIN - 1);
	world_passwd("above", WORLD_ID_MAX + 1);
	not_ours("below");
	not_ours("above");
}

/* ---- snapshots that cannot be used ---- */

static void no_snapshot(const char *why)
{
	char log[256];

	snprintf(log, sizeof(log), "ERR %s: %s", pam_test_snapshot, why);
	stages(WORLD_UPN, PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, log,
	       "unavailable", "unavailable");
	not_ours("local");
	not_ours("root");
	/* The floor and the ceiling of what may be ours. */
	world_passwd("floor", 199999);
	not_ours("floor");
	world_passwd("floor", 0x80000000u);
	not_ours("floor");
	world_passwd("floor", 0x7fffffffu);
	stages("floor", PAM_AUTHINFO_UNAVAIL, PAM_AUTHINFO_UNAVAIL, log,
	       "unavailable", "unavailable");
}

static void snapshot_missing(void **state)
{
	(void)state;
	unlink(pam_test_snapshot);
	no_snapshot(strerror(ENOENT));
}

static void snapshot_hostile(void **state)
{
	static const uint8_t junk[8192] = "not a snapshot";
	int fd;

	(void)state;
	assert_int_equal(chmod(pam_test_snapshot, 0666), 0);
	no_snapshot(ds_strerror(DS_ERR_UNSAFE));
	assert_int_equal(chmod(pam_test_snapshot, 0644), 0);
	pam_test_owner++;
	no_snapshot(ds_strerror(DS_ERR_UNSAFE));
	pam_test_owner--;
	fd = open(pam_test_snapshot, O_WRONLY | O_TRUNC | O_CLOEXEC);
	no_snapshot(ds_strerror(DS_ERR_FORMAT)); /* empty */
	assert_int_equal(write(fd, junk, sizeof(junk)), sizeof(junk));
	no_snapshot(ds_strerror(DS_ERR_FORMAT));
	close(fd);
}

/* A snapshot whose body names a uid outside page 0's range. */
static void snapshot_out_of_range(void **state)
{
	static const uint32_t uids[] = { 0, 1000, 199999, 300001,
					 0x80000000u };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(uids) / sizeof(*uids); i++) {
		world_publish(uids[i]);
		world_passwd(WORLD_UPN, uids[i]);
		not_ours(WORLD_UPN);
	}
}

static void passwd_fails(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_passwd_error(EIO);
	assert_int_equal(pam_sm_authenticate(pamh, 0, 0, NULL),
			 PAM_AUTHINFO_UNAVAIL);
	assert_int_equal(pam_sm_acct_mgmt(pamh, 0, 0, NULL),
			 PAM_AUTHINFO_UNAVAIL);
	fake_expect_log(
	    pamh,
	    fake_audit("auth", WORLD_UPN, "unavailable", "Input/output error"),
	    fake_audit("account", WORLD_UPN, "unavailable",
		       "Input/output error"),
	    NULL);
	world_passwd_error(ERANGE); /* for ever */
	assert_int_equal(pam_sm_acct_mgmt(pamh, 0, 0, NULL),
			 PAM_AUTHINFO_UNAVAIL);
	fake_expect_log(pamh,
			fake_audit("account", WORLD_UPN, "unavailable",
				   "Numerical result out of range"),
			NULL);
	world_passwd_error(ENOENT);
	assert_int_equal(pam_sm_acct_mgmt(pamh, 0, 0, NULL), PAM_USER_UNKNOWN);
	fake_end(pamh);
}

/* ---- the account stage ---- */

static void results(void **state)
{
	static const struct {
		uint32_t result;
		int code;
		const char *log;
		const char *shown;
	} rows[] = {
		{ DS_AUTH_OK, PAM_SUCCESS, NULL, "INFO Say this." },
		{ DS_AUTH_NEW_PASSWORD, PAM_NEW_AUTHTOK_REQD, MUST_CHANGE,
		  "INFO Say this." },
		{ DS_AUTH_BAD_PASSWORD, PAM_AUTH_ERR,
		  DENIED "the password is wrong", "ERROR Say this." },
		{ DS_AUTH_UNKNOWN, PAM_PERM_DENIED,
		  DENIED "dssync-auth does not know the user",
		  "ERROR Say this." },
		{ DS_AUTH_DISABLED, PAM_PERM_DENIED,
		  DENIED "the account is disabled", "ERROR Say this." },
		{ DS_AUTH_EXPIRED, PAM_ACCT_EXPIRED,
		  DENIED "the account has expired", "ERROR Say this." },
		{ DS_AUTH_LOCKED, PAM_PERM_DENIED,
		  DENIED "the account is locked", "ERROR Say this." },
		{ DS_AUTH_HOURS, PAM_PERM_DENIED,
		  DENIED "outside the logon hours", "ERROR Say this." },
		{ DS_AUTH_DENIED, PAM_PERM_DENIED, DENIED "denied",
		  "ERROR Say this." },
		{ DS_AUTH_UNAVAILABLE, PAM_AUTHINFO_UNAVAIL,
		  DENIED "nobody can check the password now",
		  "ERROR Say this." },
		{ 12, PAM_SYSTEM_ERR,
		  DENIED "an unknown answer of dssync-auth",
		  "ERROR Say this." },
	};
	pam_handle_t *pamh;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		world_server_start();
		pamh = fake_start(WORLD_UPN);
		world_reply_account(rows[i].result, "Say this.");
		assert_int_equal(pam_sm_acct_mgmt(pamh, 0, 0, NULL),
				 rows[i].code);
		fake_expect_log(pamh, rows[i].log, NULL);
		fake_expect_shown(pamh, rows[i].shown, NULL);
		fake_end(pamh);
		world_server_stop();
	}
}

static void request_fields(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);
	const struct world_request *request;
	char word[DS_WORD_MAX + 1];
	struct ds_frame frame;
	struct ds_reader r;
	size_t len;
	int i;
	static const char *const words[] = { WORLD_UPN, "sshd", "ssh",
					     "192.0.2.7", "" };

	(void)state;
	world_server_start();
	world_reply_account(DS_AUTH_OK, "");
	assert_int_equal(pam_sm_acct_mgmt(pamh, 0, 0, NULL), PAM_SUCCESS);
	request = world_request(0);
	assert_int_equal(ds_frame_parse(request->buf, request->len, &frame),
			 0);
	assert_int_equal(frame.type, DS_MSG_ACCOUNT);
	ds_reader_init(&r, frame.payload, frame.len);
	assert_memory_equal(ds_get_blob(&r, &len), world_guid.b, DS_GUID_LEN);
	for (i = 0; i < 5; i++) {
		ds_get_str(&r, word, sizeof(word));
		assert_string_equal(word, words[i]);
	}
	assert_int_equal(ds_reader_end(&r), 0);
	fake_end(pamh);
}

static void expect_unavailable(pam_handle_t *pamh, const char *what)
{
	char why[256];

	snprintf(why, sizeof(why), "%s: %s", pam_test_socket, what);
	fake_expect_log(
	    pamh, fake_audit("account", WORLD_UPN, "unavailable", why), NULL);
}

static void server_gone(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);
	struct world_step *step;

	(void)state;
	assert_int_equal(pam_sm_acct_mgmt(pamh, 0, 0, NULL),
			 PAM_AUTHINFO_UNAVAIL);
	expect_unavailable(pamh, "unavailable");
	world_server_start();
	step = world_reply_account(DS_AUTH_OK, "");
	step->reply[6] = DS_MSG_AUTH_REPLY;
	assert_int_equal(pam_sm_acct_mgmt(pamh, 0, 0, NULL),
			 PAM_AUTHINFO_UNAVAIL);
	expect_unavailable(pamh, "malformed data");
	fake_end(pamh);
}

/* The KDC said so at auth, the mirror is older: the account stage says it. */
static void must_change(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_auth(DS_AUTH_NEW_PASSWORD, "Change it at example.", false);
	world_reply_account(DS_AUTH_OK, "");
	world_reply_account(DS_AUTH_DISABLED, "");
	world_reply_account(DS_AUTH_OK, "");
	pamh->items[PAM_AUTHTOK] = "secret";
	assert_int_equal(pam_sm_authenticate(pamh, 0, 0, NULL), PAM_SUCCESS);
	fake_expect_log(pamh,
			"INFO \"" WORLD_UPN
			"\" authenticated as object " WORLD_GUID_TEXT
			"; the password must be changed",
			NULL);
	fake_expect_shown(pamh, "INFO Change it at example.", NULL);
	assert_int_equal(pam_sm_acct_mgmt(pamh, 0, 0, NULL),
			 PAM_NEW_AUTHTOK_REQD);
	fake_expect_log(pamh, MUST_CHANGE, NULL);

	/* A worse answer is not softened ... */
	assert_int_equal(pam_sm_acct_mgmt(pamh, 0, 0, NULL), PAM_PERM_DENIED);
	fake_expect_log(pamh, DENIED "the account is disabled", NULL);
	/* ... and what was about one user is not about another. */
	world_publish(200002);
	world_passwd(WORLD_UPN, 200002);
	assert_int_equal(pam_sm_acct_mgmt(pamh, 0, 0, NULL), PAM_SUCCESS);
	fake_end(pamh);
}

#define TEST(f) cmocka_unit_test_setup(f, world_fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(local_users),
		TEST(root_by_another_name),
		TEST(local_user_of_that_name),
		TEST(other_uid_in_range),
		TEST(unresolved_in_range),
		TEST(snapshot_missing),
		TEST(snapshot_hostile),
		TEST(snapshot_out_of_range),
		TEST(passwd_fails),
		TEST(results),
		TEST(request_fields),
		TEST(server_gone),
		TEST(must_change),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}

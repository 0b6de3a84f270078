/*
 * setcred and session: the handle's way from the password to the ticket
 * cache, with dssync-ccache played by this file.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/pam_seams.h" /* before internal.h, as everywhere */

#include "pam_dssync/internal.h"
#include "tests/unit/pam_fake.h"
#include "tests/unit/pam_world.h"

#define TICKET     "\x05\x04ticket with \0 inside"
#define TICKET_LEN (sizeof(TICKET) - 1)
#define NO_CACHE   "WARN no ticket cache for the session of \"" WORLD_UPN "\": "
#define CCNAME     "FILE:/tmp/krb5cc_200001_a1"

/* ---- dssync-ccache ---- */

static struct {
	int err;
	const char *print;
	char calls[8][128]; /* "store", "destroy NAME" */
	int count;
	char ticket[64];
	size_t ticket_len;
} helper;

/* In the place of pam_dssync/child.c. */
int pds_child_run(const struct pds_child *child, int64_t deadline_ms,
		  char *out, size_t cap)
{
	assert_string_equal(child->argv[0], pam_test_helper);
	assert_int_equal(child->uid, WORLD_UID);
	assert_int_equal(child->gid, WORLD_GID);
	assert_true(deadline_ms > 0);
	assert_in_range(helper.count, 0, 7);
	snprintf(helper.calls[helper.count++], sizeof(helper.calls[0]),
		 "%s%s%s", child->argv[1], child->argv[2] ? " " : "",
		 child->argv[2] ? child->argv[2] : "");
	if (strcmp(child->argv[1], "destroy") != 0) {
		assert_in_range(child->input_len, 1, sizeof(helper.ticket));
		memcpy(helper.ticket, child->input, child->input_len);
		helper.ticket_len = child->input_len;
	} else {
		*out = '\0';
		return helper.err;
	}
	if (helper.err)
		return helper.err;
	assert_in_range(strlen(helper.print), 0, cap - 1);
	strcpy(out, helper.print);
	return 0;
}

static int fresh(void **state)
{
	memset(&helper, 0, sizeof(helper));
	helper.print = CCNAME "\n";
	return world_fresh(state);
}

/* A handle as auth has left it. */
static pam_handle_t *logged_in(void)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	assert_int_equal(pam_putenv(pamh, WORLD_HANDLE_ENV), 0);
	world_server_start();
	return pamh;
}

static void good_cache(pam_handle_t *pamh)
{
	assert_int_equal(helper.count, 1);
	assert_string_equal(helper.calls[0], "store");
	assert_int_equal(helper.ticket_len, TICKET_LEN);
	assert_memory_equal(helper.ticket, TICKET, TICKET_LEN);
	assert_string_equal(pam_getenv(pamh, "KRB5CCNAME"), CCNAME);
	assert_null(pam_getenv(pamh, "DSSYNC_HANDLE"));
}

/* What sshd does: setcred, open_session, setcred again, and the end. */
static void whole_session(void **state)
{
	pam_handle_t *pamh = logged_in();

	(void)state;
	world_reply_ticket(DS_AUTH_OK, TICKET, TICKET_LEN);
	assert_int_equal(pam_sm_setcred(pamh, PAM_ESTABLISH_CRED, 0, NULL),
			 PAM_SUCCESS);
	good_cache(pamh);
	assert_int_equal(pam_sm_open_session(pamh, 0, 0, NULL), PAM_SUCCESS);
	assert_int_equal(pam_sm_setcred(pamh, PAM_ESTABLISH_CRED, 0, NULL),
			 PAM_SUCCESS);
	good_cache(pamh);
	assert_int_equal(world_requests(), 1);
	assert_int_equal(pam_sm_close_session(pamh, 0, 0, NULL), PAM_SUCCESS);
	assert_int_equal(helper.count, 2);
	assert_string_equal(helper.calls[1], "destroy " CCNAME);
	assert_null(pam_getenv(pamh, "KRB5CCNAME"));
	assert_int_equal(pam_sm_setcred(pamh, PAM_DELETE_CRED, 0, NULL),
			 PAM_SUCCESS);
	assert_int_equal(helper.count, 2);
	fake_end(pamh);
}

static void session_first(void **state)
{
	pam_handle_t *pamh = logged_in();

	(void)state;
	world_reply_ticket(DS_AUTH_OK, TICKET, TICKET_LEN);
	assert_int_equal(pam_sm_open_session(pamh, 0, 0, NULL), PAM_SUCCESS);
	good_cache(pamh);
	assert_int_equal(pam_sm_setcred(pamh, PAM_REINITIALIZE_CRED, 0, NULL),
			 PAM_SUCCESS);
	assert_int_equal(helper.count, 1);
	assert_int_equal(pam_sm_setcred(pamh, PAM_DELETE_CRED, 0, NULL),
			 PAM_SUCCESS);
	assert_string_equal(helper.calls[1], "destroy " CCNAME);
	fake_end(pamh);
}

/* The whole way, the middle in another process: only the environment goes. */
static void keyboard_interactive(void **state)
{
	pam_handle_t *child = fake_start(WORLD_UPN);
	pam_handle_t *monitor = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_auth(DS_AUTH_OK, "", true);
	world_reply_account(DS_AUTH_OK, "");
	world_reply_ticket(DS_AUTH_OK, TICKET, TICKET_LEN);
	child->items[PAM_AUTHTOK] = "secret";
	assert_int_equal(pam_sm_authenticate(child, 0, 0, NULL), PAM_SUCCESS);
	assert_int_equal(pam_sm_acct_mgmt(child, 0, 0, NULL), PAM_SUCCESS);
	fake_expect_log(child,
			"INFO \"" WORLD_UPN
			"\" authenticated as object " WORLD_GUID_TEXT,
			NULL);
	fake_copy_env(monitor, child);
	fake_end(child);
	assert_int_equal(pam_sm_setcred(monitor, PAM_ESTABLISH_CRED, 0, NULL),
			 PAM_SUCCESS);
	good_cache(monitor);
	fake_end(monitor);
}

static void ticket_request(void **state)
{
	pam_handle_t *pamh = logged_in();
	const struct world_request *request;
	struct ds_frame frame;
	struct ds_reader r;
	size_t len;

	(void)state;
	world_reply_ticket(DS_AUTH_OK, TICKET, TICKET_LEN);
	assert_int_equal(pam_sm_open_session(pamh, 0, 0, NULL), PAM_SUCCESS);
	request = world_request(0);
	assert_int_equal(ds_frame_parse(request->buf, request->len, &frame),
			 0);
	assert_int_equal(frame.type, DS_MSG_TICKET);
	ds_reader_init(&r, frame.payload, frame.len);
	assert_memory_equal(ds_get_blob(&r, &len), world_handle,
			    DS_HANDLE_LEN);
	assert_int_equal(len, DS_HANDLE_LEN);
	assert_int_equal(ds_get_u32(&r), WORLD_UID);
	assert_int_equal(ds_reader_end(&r), 0);
	fake_end(pamh);
}

/* A login that was allowed does not fail for want of a ticket. */
static void never_denied(pam_handle_t *pamh, const char *log, int calls)
{
	assert_int_equal(pam_sm_open_session(pamh, 0, 0, NULL), PAM_SUCCESS);
	fake_expect_log(pamh, log, NULL);
	assert_null(pam_getenv(pamh, "KRB5CCNAME"));
	assert_null(pam_getenv(pamh, "DSSYNC_HANDLE"));
	assert_null(pds_ccache_recall(&(struct pds_call){ .pamh = pamh }));
	assert_int_equal(helper.count, calls);
	/* Once is enough, and nothing is there to be removed. */
	assert_int_equal(pam_sm_setcred(pamh, 0, 0, NULL), PAM_SUCCESS);
	assert_int_equal(pam_sm_close_session(pamh, 0, 0, NULL), PAM_SUCCESS);
	assert_int_equal(helper.count, calls);
	fake_end(pamh);
	world_server_stop();
	helper.count = 0;
}

static void ticket_refused(void **state)
{
	static uint8_t big[DS_CCACHE_MAX + 1];
	pam_handle_t *pamh = logged_in();

	(void)state;
	world_reply_ticket(DS_AUTH_UNAVAILABLE, "", 0);
	never_denied(pamh, NO_CACHE "denied", 0);
	pamh = logged_in();
	world_reply_ticket(77, TICKET, TICKET_LEN);
	never_denied(pamh, NO_CACHE "denied", 0);
	pamh = logged_in();
	world_reply_ticket(DS_AUTH_OK, "", 0);
	never_denied(pamh, NO_CACHE "malformed data", 0);
	pamh = logged_in();
	world_reply_ticket(DS_AUTH_OK, big, sizeof(big));
	never_denied(pamh, NO_CACHE "malformed data", 0);
	pamh = logged_in();
	world_reply_account(DS_AUTH_OK, "");
	never_denied(pamh, NO_CACHE "malformed data", 0);
	pamh = logged_in();
	world_server_stop();
	never_denied(pamh, NO_CACHE "unavailable", 0);
}

static void helper_fails(void **state)
{
	static const struct {
		int err;
		const char *print, *log;
	} rows[] = {
		{ DS_ERR_DENIED, "", NO_CACHE "denied" },
		{ DS_ERR_TIMEOUT, "", NO_CACHE "timed out" },
		{ DS_ERR_LIMIT, "", NO_CACHE "limit exceeded" },
		{ 0, "", NO_CACHE "malformed data" },
		{ 0, "\n", NO_CACHE "malformed data" },
		{ 0, "FILE:/tmp/x", NO_CACHE "malformed data" },
		{ 0, "FILE:\n", NO_CACHE "malformed data" },
		{ 0, ":/tmp/x\n", NO_CACHE "malformed data" },
		{ 0, "/tmp/x\n", NO_CACHE "malformed data" },
		{ 0, "file:/tmp/x\n", NO_CACHE "malformed data" },
		{ 0, "FILE:/tmp/x\nLD_PRELOAD=/x\n",
		  NO_CACHE "malformed data" },
		{ 0, "FILE:/tmp/x y\n", NO_CACHE "malformed data" },
		{ 0, "FILE:/tmp/\x1b[2J\n", NO_CACHE "malformed data" },
		{ 0, "FILE:/tmp/\xc3\xa4\n", NO_CACHE "malformed data" },
	};
	pam_handle_t *pamh;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pamh = logged_in();
		world_reply_ticket(DS_AUTH_OK, TICKET, TICKET_LEN);
		helper.err = rows[i].err;
		helper.print = rows[i].print;
		never_denied(pamh, rows[i].log, 1);
	}
}

static void cache_types(void **state)
{
	static const char *const names[] = {
		"FILE:/tmp/krb5cc_1", "DIR::/run/user/1/krb5cc/tkt1",
		"KEYRING:persistent:1:krb_ccache_x", "KCM:200001:99"
	};
	char line[64];
	pam_handle_t *pamh;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		pamh = logged_in();
		world_reply_ticket(DS_AUTH_OK, TICKET, TICKET_LEN);
		snprintf(line, sizeof(line), "%s\n", names[i]);
		helper.print = line;
		assert_int_equal(pam_sm_open_session(pamh, 0, 0, NULL),
				 PAM_SUCCESS);
		assert_string_equal(pam_getenv(pamh, "KRB5CCNAME"), names[i]);
		fake_end(pamh);
		world_server_stop();
	}
}

/* libpam refuses to remember: the cache that was made goes away again. */
static void cannot_remember(void **state)
{
	pam_handle_t *pamh = logged_in();

	(void)state;
	world_reply_ticket(DS_AUTH_OK, TICKET, TICKET_LEN);
	pamh->fail_set_data = true;
	assert_int_equal(pam_sm_open_session(pamh, 0, 0, NULL), PAM_SUCCESS);
	fake_expect_log(pamh, NO_CACHE "out of memory", NULL);
	assert_int_equal(helper.count, 2);
	assert_string_equal(helper.calls[1], "destroy " CCNAME);
	assert_null(pam_getenv(pamh, "KRB5CCNAME"));
	fake_end(pamh);
}

static void destroy_fails(void **state)
{
	pam_handle_t *pamh = logged_in();

	(void)state;
	world_reply_ticket(DS_AUTH_OK, TICKET, TICKET_LEN);
	assert_int_equal(pam_sm_open_session(pamh, 0, 0, NULL), PAM_SUCCESS);
	helper.err = DS_ERR_DENIED;
	assert_int_equal(pam_sm_close_session(pamh, 0, 0, NULL), PAM_SUCCESS);
	fake_expect_log(pamh,
			"WARN cannot remove the ticket cache of \"" WORLD_UPN
			"\": denied",
			NULL);
	fake_end(pamh);
}

/* A second password in the same handle: the first cache is not forgotten. */
static void second_ticket(void **state)
{
	pam_handle_t *pamh = logged_in();

	(void)state;
	world_reply_ticket(DS_AUTH_OK, TICKET, TICKET_LEN);
	world_reply_ticket(DS_AUTH_OK, TICKET, TICKET_LEN);
	assert_int_equal(pam_sm_open_session(pamh, 0, 0, NULL), PAM_SUCCESS);
	pam_putenv(pamh, WORLD_HANDLE_ENV);
	helper.print = "FILE:/tmp/other\n";
	assert_int_equal(pam_sm_setcred(pamh, PAM_ESTABLISH_CRED, 0, NULL),
			 PAM_SUCCESS);
	assert_string_equal(pam_getenv(pamh, "KRB5CCNAME"), "FILE:/tmp/other");
	assert_int_equal(helper.count, 3);
	assert_string_equal(helper.calls[2], "destroy " CCNAME);
	fake_end(pamh);
}

/* The session's own cache is made new again, under its name. */
static void reauthentication(void **state)
{
	static const int flags[] = { PAM_REINITIALIZE_CRED, PAM_REFRESH_CRED,
				     PAM_REFRESH_CRED | PAM_SILENT };
	pam_handle_t *pamh = logged_in();
	int i;

	(void)state;
	world_reply_ticket(DS_AUTH_OK, TICKET, TICKET_LEN);
	assert_int_equal(pam_sm_open_session(pamh, 0, 0, NULL), PAM_SUCCESS);
	for (i = 0; i < 3; i++) {
		world_reply_ticket(DS_AUTH_OK, TICKET, TICKET_LEN);
		pam_putenv(pamh, WORLD_HANDLE_ENV);
		assert_int_equal(pam_sm_setcred(pamh, flags[i], 0, NULL),
				 PAM_SUCCESS);
		assert_int_equal(helper.count, 2 + i);
		assert_string_equal(helper.calls[1 + i], "refresh " CCNAME);
	}
	assert_string_equal(pam_getenv(pamh, "KRB5CCNAME"), CCNAME);
	assert_int_equal(pam_sm_close_session(pamh, 0, 0, NULL), PAM_SUCCESS);
	assert_string_equal(helper.calls[4], "destroy " CCNAME);
	fake_end(pamh);
}

/*
 * A program that runs as its user has the cache of the session around it; one
 * of root's does not believe its environment.
 */
static void reauthentication_elsewhere(void **state)
{
	static const char *const odd[] = { "",       "FILE:",  "/tmp/x",
					   ":x",     "file:x", "FILE:a b",
					   "FILE:\n" };
	pam_handle_t *pamh;
	size_t i;

	(void)state;
	assert_int_equal(setenv("KRB5CCNAME", "KEYRING:theirs", 1), 0);
	pamh = logged_in();
	world_reply_ticket(DS_AUTH_OK, TICKET, TICKET_LEN);
	assert_int_equal(pam_sm_setcred(pamh, PAM_REFRESH_CRED, 0, NULL),
			 PAM_SUCCESS);
	if (geteuid() == 0) {
		/* Unlocks; or is sudo, which opens a session. */
		assert_int_equal(helper.count, 0);
		assert_int_equal(pam_sm_open_session(pamh, 0, 0, NULL),
				 PAM_SUCCESS);
		assert_null(pam_getenv(pamh, "DSSYNC_HANDLE"));
		good_cache(pamh);
	} else {
		assert_int_equal(helper.count, 1);
		assert_string_equal(helper.calls[0], "refresh KEYRING:theirs");
		/* It is not this program's to remove. */
		assert_int_equal(pam_sm_close_session(pamh, 0, 0, NULL),
				 PAM_SUCCESS);
		assert_int_equal(helper.count, 1);
	}
	fake_end(pamh);
	for (i = 0; geteuid() != 0 && i < sizeof(odd) / sizeof(*odd); i++) {
		assert_int_equal(setenv("KRB5CCNAME", odd[i], 1), 0);
		world_server_stop();
		pamh = logged_in();
		assert_int_equal(
		    pam_sm_setcred(pamh, PAM_REFRESH_CRED, 0, NULL),
		    PAM_SUCCESS);
		assert_null(pam_getenv(pamh, "DSSYNC_HANDLE"));
		assert_int_equal(helper.count, 1);
		fake_end(pamh);
	}
	unsetenv("KRB5CCNAME");
}

/* sudo: the password was the caller's, the session is root's. */
static void another_user(void **state)
{
	pam_handle_t *pamh = logged_in();

	(void)state;
	pamh->items[PAM_USER] = "root";
	assert_int_equal(pam_sm_setcred(pamh, PAM_ESTABLISH_CRED, 0, NULL),
			 PAM_USER_UNKNOWN);
	assert_null(pam_getenv(pamh, "DSSYNC_HANDLE"));
	assert_int_equal(pam_sm_open_session(pamh, 0, 0, NULL),
			 PAM_USER_UNKNOWN);
	assert_int_equal(world_requests(), 0);
	assert_int_equal(helper.count, 0);
	fake_end(pamh);
}

/* What somebody else put into the environment is thrown away. */
static void forged_handles(void **state)
{
	static const char *const forged[] = {
		"DSSYNC_HANDLE=",
		"DSSYNC_HANDLE=a0",
		WORLD_HANDLE_ENV "00",
		"DSSYNC_HANDLE=A0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
		"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf",
		"DSSYNC_HANDLE=a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
		"b0b1b2b3b4b5b6b7b8b9babbbcbdbe\n\n",
	};
	pam_handle_t *pamh;
	size_t i;

	(void)state;
	world_server_start();
	for (i = 0; i < sizeof(forged) / sizeof(*forged); i++) {
		pamh = fake_start(WORLD_UPN);
		assert_int_equal(pam_putenv(pamh, forged[i]), 0);
		assert_int_equal(pam_sm_open_session(pamh, 0, 0, NULL),
				 PAM_SUCCESS);
		assert_null(pam_getenv(pamh, "DSSYNC_HANDLE"));
		fake_end(pamh);
	}
	assert_int_equal(world_requests(), 0);
}

/* A key login has no handle; a close without an open still cleans up. */
static void without_password(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	assert_int_equal(pam_sm_setcred(pamh, PAM_ESTABLISH_CRED, 0, NULL),
			 PAM_SUCCESS);
	assert_int_equal(pam_sm_open_session(pamh, 0, 0, NULL), PAM_SUCCESS);
	assert_int_equal(pam_sm_close_session(pamh, 0, 0, NULL), PAM_SUCCESS);
	pam_putenv(pamh, WORLD_HANDLE_ENV);
	pam_putenv(pamh, "KRB5CCNAME=KCM:not-ours");
	assert_int_equal(pam_sm_setcred(pamh, PAM_DELETE_CRED, 0, NULL),
			 PAM_SUCCESS);
	assert_null(pam_getenv(pamh, "DSSYNC_HANDLE"));
	assert_string_equal(pam_getenv(pamh, "KRB5CCNAME"), "KCM:not-ours");
	assert_int_equal(world_requests(), 0);
	assert_int_equal(helper.count, 0);
	/* No snapshot: the session of one who is in already goes on. */
	unlink(pam_test_snapshot);
	assert_int_equal(pam_sm_open_session(pamh, PAM_SILENT, 0, NULL),
			 PAM_SUCCESS);
	fake_drop(pamh);
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whole_session),        TEST(session_first),
		TEST(keyboard_interactive), TEST(ticket_request),
		TEST(ticket_refused),       TEST(helper_fails),
		TEST(cache_types),          TEST(cannot_remember),
		TEST(destroy_fails),        TEST(second_ticket),
		TEST(reauthentication),     TEST(reauthentication_elsewhere),
		TEST(another_user),         TEST(forged_handles),
		TEST(without_password),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}

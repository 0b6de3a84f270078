/*
 * pam_sm_chauthtok: what is asked of the user and of the server, in which
 * order, and what comes of each answer.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "lib/proto.h"
#include "tests/unit/pam_fake.h"
#include "tests/unit/pam_seams.h"
#include "tests/unit/pam_world.h"

#define WHO     "\"" WORLD_UPN "\": "
#define PRELIM  PAM_PRELIM_CHECK
#define UPDATE  PAM_UPDATE_AUTHTOK
#define OLD_ASK "PROMPT Current password: "
#define NEW_ASK "PROMPT New password: "
#define NO_FORM                                                               \
	fake_audit("password", WORLD_UPN, "denied",                           \
		   "a password is empty or too long")
#define CHANGED  "NOTICE " WHO "the password was changed"
#define REJECTED "NOTICE " WHO "the domain rejects the new password"

/* The n-th request is a CHANGE with these two passwords. */
static void check_request(int n, const char *old_password,
			  const char *new_password)
{
	const struct world_request *request = world_request(n);
	struct ds_frame frame;
	struct ds_reader r;
	size_t len;
	char text[DS_PASSWORD_MAX + 1];

	assert_int_equal(ds_frame_parse(request->buf, request->len, &frame),
			 0);
	assert_int_equal(frame.type, DS_MSG_CHANGE);
	ds_reader_init(&r, frame.payload, frame.len);
	assert_memory_equal(ds_get_blob(&r, &len), world_guid.b, DS_GUID_LEN);
	for (int i = 0; i < 5; i++)
		(void)ds_get_blob(&r, &len);
	ds_get_str(&r, text, sizeof(text));
	assert_string_equal(text, old_password);
	ds_get_str(&r, text, sizeof(text));
	assert_string_equal(text, new_password);
	assert_int_equal(ds_reader_end(&r), 0);
}

static int change(pam_handle_t *pamh, int flags, const char *option)
{
	return pam_sm_chauthtok(pamh, flags, option ? 1 : 0, &option);
}

static void changed(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_change(DS_AUTH_OK, "");
	world_reply_change(DS_AUTH_OK, "");
	world_reply_change(DS_AUTH_OK, "");
	pamh->answer = "old";
	assert_int_equal(change(pamh, PRELIM, NULL), PAM_SUCCESS);
	fake_expect_shown(pamh, OLD_ASK, NULL);
	pamh->answer = "new";
	assert_int_equal(change(pamh, UPDATE, NULL), PAM_SUCCESS);
	fake_expect_shown(pamh, NEW_ASK, NULL);
	fake_expect_log(pamh, CHANGED, NULL);
	world_server_stop();
	assert_int_equal(world_requests(), 3);
	check_request(0, "", "");
	check_request(1, "old", "");
	check_request(2, "old", "new");
	fake_end(pamh);
}

/* Nothing is asked of a user whose password is changed elsewhere. */
static void elsewhere(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_change(DS_AUTH_DENIED, "It is changed at example.");
	assert_int_equal(change(pamh, PRELIM, NULL), PAM_PERM_DENIED);
	fake_expect_shown(pamh, "ERROR It is changed at example.", NULL);
	fake_expect_log(pamh, "NOTICE " WHO "denied", NULL);
	fake_end(pamh);
}

static void wrong_old_password(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_change(DS_AUTH_OK, "");
	world_reply_change(DS_AUTH_BAD_PASSWORD, "");
	pamh->answer = "old";
	assert_int_equal(change(pamh, PRELIM, NULL), PAM_AUTH_ERR);
	fake_expect_shown(pamh, OLD_ASK, NULL);
	fake_expect_log(pamh, "NOTICE " WHO "the password is wrong", NULL);
	fake_end(pamh);
}

static void rejected(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_change(DS_AUTH_REJECTED, "Too short.\033[2J");
	pamh->items[PAM_OLDAUTHTOK] = "old";
	pamh->answer = "new";
	assert_int_equal(change(pamh, UPDATE, NULL), PAM_AUTHTOK_ERR);
	fake_expect_shown(pamh, NEW_ASK, "ERROR Too short.\\x1b[2J", NULL);
	fake_expect_log(pamh, REJECTED, NULL);
	fake_end(pamh);
}

/* The first prompts for nothing, the second takes what others asked for. */
static void stacked(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_change(DS_AUTH_OK, "");
	pamh->answer = "never asked";
	assert_int_equal(change(pamh, PRELIM, "use_first_pass"),
			 PAM_AUTHTOK_RECOVERY_ERR);
	assert_int_equal(change(pamh, UPDATE, "use_authtok"),
			 PAM_AUTHTOK_RECOVERY_ERR);
	pamh->items[PAM_OLDAUTHTOK] = "old";
	assert_int_equal(change(pamh, UPDATE, "use_authtok"), PAM_AUTHTOK_ERR);
	assert_int_equal(change(pamh, UPDATE, "use_first_pass"),
			 PAM_AUTHTOK_ERR);
	world_reply_change(DS_AUTH_OK, "");
	world_reply_change(DS_AUTH_OK, "");
	assert_int_equal(change(pamh, PRELIM, "use_first_pass"), PAM_SUCCESS);
	pamh->items[PAM_AUTHTOK] = "new";
	world_reply_change(DS_AUTH_OK, "");
	assert_int_equal(change(pamh, UPDATE, "use_authtok"), PAM_SUCCESS);
	fake_expect_log(pamh, CHANGED, NULL);
	fake_expect_shown(pamh, NULL);
	world_server_stop();
	check_request(3, "old", "new");
	fake_end(pamh);
}

static void bad_forms(void **state)
{
	static char long_one[DS_PASSWORD_MAX + 2];
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	memset(long_one, 'x', sizeof(long_one) - 1);
	world_server_start();
	world_reply_change(DS_AUTH_OK, "");
	pamh->items[PAM_OLDAUTHTOK] = "";
	assert_int_equal(change(pamh, PRELIM, NULL), PAM_AUTHTOK_RECOVERY_ERR);
	fake_expect_log(pamh, NO_FORM, NULL);
	pamh->items[PAM_OLDAUTHTOK] = "old";
	pamh->items[PAM_AUTHTOK] = "";
	assert_int_equal(change(pamh, UPDATE, NULL), PAM_AUTHTOK_ERR);
	fake_expect_log(pamh, NO_FORM, NULL);
	pamh->items[PAM_AUTHTOK] = long_one;
	assert_int_equal(change(pamh, UPDATE, NULL), PAM_AUTHTOK_ERR);
	fake_expect_log(pamh, NO_FORM, NULL);
	/* The longest that there may be, in both places. */
	long_one[DS_PASSWORD_MAX] = '\0';
	pamh->items[PAM_OLDAUTHTOK] = long_one;
	world_reply_change(DS_AUTH_OK, "");
	assert_int_equal(change(pamh, UPDATE, NULL), PAM_SUCCESS);
	fake_expect_log(pamh, CHANGED, NULL);
	world_server_stop();
	assert_int_equal(world_requests(), 2);
	check_request(1, long_one, long_one);
	fake_end(pamh);
}

static void conversation_fails(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_change(DS_AUTH_OK, "");
	assert_int_equal(change(pamh, PRELIM, NULL), PAM_AUTHTOK_RECOVERY_ERR);
	fake_expect_shown(pamh, OLD_ASK, NULL);
	pamh->items[PAM_OLDAUTHTOK] = "old";
	pamh->get_authtok = PAM_TRY_AGAIN; /* the two differ */
	assert_int_equal(change(pamh, UPDATE, NULL), PAM_TRY_AGAIN);
	pamh->get_authtok = PAM_CONV_AGAIN;
	assert_int_equal(change(pamh, UPDATE, NULL), PAM_INCOMPLETE);
	fake_end(pamh);
}

static void no_server(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);
	char why[256];

	(void)state;
	assert_int_equal(change(pamh, PRELIM, NULL), PAM_TRY_AGAIN);
	fake_expect_shown(pamh,
			  "ERROR The password cannot be changed now; try "
			  "again later.",
			  NULL);
	snprintf(why, sizeof(why), "%s: unavailable", pam_test_socket);
	fake_expect_log(
	    pamh, fake_audit("password", WORLD_UPN, "unavailable", why), NULL);
	/* A reply to something else decides nothing. */
	world_server_start();
	world_reply_account(DS_AUTH_OK, "");
	assert_int_equal(change(pamh, PRELIM, NULL), PAM_TRY_AGAIN);
	world_server_stop();
	fake_drop(pamh);
}

/* sshd would not pass on the text else. */
static void forced_refusals(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_change(DS_AUTH_DENIED, "Elsewhere.");
	assert_int_equal(
	    change(pamh, PRELIM | PAM_CHANGE_EXPIRED_AUTHTOK, NULL),
	    PAM_AUTH_ERR);
	pamh->items[PAM_OLDAUTHTOK] = "old";
	pamh->items[PAM_AUTHTOK] = "new";
	world_reply_change(DS_AUTH_REJECTED, "Too short.");
	assert_int_equal(
	    change(pamh, UPDATE | PAM_CHANGE_EXPIRED_AUTHTOK, NULL),
	    PAM_AUTH_ERR);
	fake_expect_shown(pamh, "ERROR Elsewhere.", "ERROR Too short.", NULL);
	fake_drop(pamh);
}

/* After a forced change the account stage has nothing more to ask for. */
static void changed_in_time(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_auth(DS_AUTH_NEW_PASSWORD, "", false);
	world_reply_account(DS_AUTH_OK, "");
	world_reply_change(DS_AUTH_OK, "");
	world_reply_account(DS_AUTH_OK, "");
	pamh->items[PAM_AUTHTOK] = "old";
	assert_int_equal(pam_sm_authenticate(pamh, 0, 0, NULL), PAM_SUCCESS);
	assert_int_equal(pam_sm_acct_mgmt(pamh, 0, 0, NULL),
			 PAM_NEW_AUTHTOK_REQD);
	pamh->items[PAM_OLDAUTHTOK] = "old";
	pamh->items[PAM_AUTHTOK] = "new";
	assert_int_equal(change(pamh, UPDATE, NULL), PAM_SUCCESS);
	assert_int_equal(pam_sm_acct_mgmt(pamh, 0, 0, NULL), PAM_SUCCESS);
	fake_drop(pamh);
}

#define TEST(f) cmocka_unit_test_setup(f, world_fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(changed),
		TEST(elsewhere),
		TEST(wrong_old_password),
		TEST(rejected),
		TEST(stacked),
		TEST(bad_forms),
		TEST(conversation_fails),
		TEST(no_server),
		TEST(forced_refusals),
		TEST(changed_in_time),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}

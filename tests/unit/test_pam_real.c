/*
 * The module loaded by the real libpam: its dispatcher, prompts, data and
 * environment, with the project's own profile lines.  Only the places are the
 * test's (pam_seams.h): the module finds them in this program.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <security/pam_appl.h>

#include "tests/unit/pam_seams.h"
#include "tests/unit/pam_world.h"

#define MODULE DS_BUILDDIR "/tests/unit/.libs/pam_dssync_test.so"

/* What the terminal showed, and what the user types. */
static char shown[1024];
static const char *typed;

static int converse(int count, const struct pam_message **msg,
		    struct pam_response **ret, void *data)
{
	struct pam_response *answers = calloc((size_t)count, sizeof(*answers));
	int i;

	(void)data;
	for (i = 0; i < count; i++) {
		strncat(shown, msg[i]->msg, sizeof(shown) - strlen(shown) - 2);
		strcat(shown, "|");
		if (msg[i]->msg_style == PAM_PROMPT_ECHO_OFF) {
			if (!typed) {
				free(answers);
				return PAM_CONV_ERR;
			}
			answers[i].resp = strdup(typed);
		}
	}
	*ret = answers;
	return PAM_SUCCESS;
}

static FILE *service(const char *name)
{
	char path[160];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", world_dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	return f;
}

/*
 * A line of the project's profile for pam-auth-update, as that program would
 * write it: "success=end" jumps over the pam_deny that ends the block, which
 * stands for pam_unix here, too.
 */
static void put_line(FILE *f, const char *type, const char *line)
{
	const char *end = strstr(line, "success=end");
	const char *module = strstr(line, "pam_dssync.so");

	assert_non_null(module);
	if (end) {
		fprintf(f, "%s %.*ssuccess=1%.*s", type, (int)(end - line),
			line, (int)(module - end - 11), end + 11);
		fprintf(f, "%s nodelay\n", MODULE);
		fprintf(f, "%s requisite pam_deny.so\n", type);
	} else {
		fprintf(f, "%s %.*s%s\n", type, (int)(module - line), line,
			MODULE);
	}
	fprintf(f, "%s required pam_permit.so\n", type);
}

/* The lines of one profile file; the first one's control is returned. */
static void put_profile(FILE *f, const char *path, char control[256])
{
	FILE *profile = fopen(path, "r");
	char line[256], type[16] = "";

	assert_non_null(profile);
	*control = '\0';
	while (fgets(line, sizeof(line), profile)) {
		if (*line == '\t') {
			put_line(f, type, line + 1);
			if (!*control)
				snprintf(control, 256, "%.*s",
					 (int)strcspn(line + 1, "]") + 1,
					 line + 1);
		} else if (strcspn(line, ":\n") < sizeof(type)) {
			snprintf(type, sizeof(type), "%.*s",
				 (int)strcspn(line, ":\n"), line);
			*type = (char)(*type | 0x20); /* "Auth" */
		}
	}
	fclose(profile);
}

static void write_services(void)
{
	char control[256], password[256];
	FILE *f = service("profile");

	put_profile(f, DS_SRCDIR "/packaging/pam/dssync", control);
	put_profile(f, DS_SRCDIR "/packaging/pam/dssync-password", password);
	fclose(f);
	assert_string_equal(control, password);
	assert_memory_equal(control, "[success=end ", 13);

	f = service("missing");
	fprintf(f,
		"auth [success=1 %s /nonexistent/pam_dssync.so\n"
		"auth required pam_permit.so\n",
		control + 13);
	fclose(f);
}

static pam_handle_t *begin(const char *service, const char *user)
{
	static const struct pam_conv conv = { converse, NULL };
	pam_handle_t *pamh = NULL;

	*shown = '\0';
	typed = "secret";
	assert_int_equal(
	    pam_start_confdir(service, user, &conv, world_dir, &pamh),
	    PAM_SUCCESS);
	return pamh;
}

static void whole_login(void **state)
{
	pam_handle_t *pamh = begin("profile", WORLD_UPN);
	const void *item;
	FILE *f;

	(void)state;
	/* dssync-ccache as a script: stores, prints the name, removes. */
	f = fopen(pam_test_helper, "w");
	assert_non_null(f);
	fprintf(f,
		"#!/bin/sh\ncase $1 in\n"
		"store) cat >%s/out/ticket; echo FILE:%s/out/ticket ;;\n"
		"destroy) rm -f \"${2#FILE:}\" ;;\nesac\n",
		world_dir, world_dir);
	fclose(f);
	assert_int_equal(chmod(pam_test_helper, 0755), 0);

	world_server_start();
	world_reply_auth(DS_AUTH_OK, "Welcome.", true);
	world_reply_account(DS_AUTH_OK, "");
	world_reply_ticket(DS_AUTH_OK, "\x05\x04ticket", 8);
	assert_int_equal(pam_authenticate(pamh, 0), PAM_SUCCESS);
	assert_string_equal(shown, "Password: |Welcome.|");
	assert_string_equal(pam_getenv(pamh, "DSSYNC_HANDLE"),
			    &WORLD_HANDLE_ENV[sizeof("DSSYNC_HANDLE")]);
	assert_int_equal(pam_acct_mgmt(pamh, 0), PAM_SUCCESS);
	assert_int_equal(pam_setcred(pamh, PAM_ESTABLISH_CRED), PAM_SUCCESS);
	assert_null(pam_getenv(pamh, "DSSYNC_HANDLE"));
	assert_int_equal(pam_open_session(pamh, 0), PAM_SUCCESS);
	if (geteuid() == 0) { /* else there is no way to be the user */
		char path[128], want[128];
		struct stat st;

		snprintf(path, sizeof(path), "%s/out/ticket", world_dir);
		snprintf(want, sizeof(want), "FILE:%s/out/ticket", world_dir);
		assert_non_null(pam_getenv(pamh, "KRB5CCNAME"));
		assert_string_equal(pam_getenv(pamh, "KRB5CCNAME"), want);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_uid, WORLD_UID);
		assert_int_equal(st.st_gid, WORLD_GID);
		assert_int_equal(st.st_mode & 07777, 0600);
		assert_int_equal(st.st_size, 8);
		assert_int_equal(pam_close_session(pamh, 0), PAM_SUCCESS);
		assert_int_equal(stat(path, &st), -1);
	} else {
		assert_null(pam_getenv(pamh, "KRB5CCNAME"));
		assert_int_equal(pam_close_session(pamh, 0), PAM_SUCCESS);
	}
	assert_int_equal(pam_setcred(pamh, PAM_DELETE_CRED), PAM_SUCCESS);
	assert_int_equal(pam_get_item(pamh, PAM_USER, &item), PAM_SUCCESS);
	assert_string_equal(item, WORLD_UPN);
	pam_end(pamh, PAM_SUCCESS);
}

/* With the profile every refusal reaches the application as what it is. */
static void refusals(void **state)
{
	static const int rows[][2] = {
		{ DS_AUTH_BAD_PASSWORD, PAM_AUTH_ERR },
		{ DS_AUTH_UNKNOWN, PAM_AUTH_ERR }, /* pam_deny's word */
		{ DS_AUTH_DISABLED, PAM_PERM_DENIED },
		{ DS_AUTH_EXPIRED, PAM_ACCT_EXPIRED },
		{ DS_AUTH_LOCKED, PAM_PERM_DENIED },
		{ DS_AUTH_HOURS, PAM_PERM_DENIED },
		{ DS_AUTH_DENIED, PAM_PERM_DENIED },
		{ DS_AUTH_UNAVAILABLE, PAM_AUTHINFO_UNAVAIL },
		{ 4711, PAM_SYSTEM_ERR },
	};
	pam_handle_t *pamh;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		pamh = begin("profile", WORLD_UPN);
		world_server_start();
		world_reply_auth((uint32_t)rows[i][0], "", true);
		assert_int_equal(pam_authenticate(pamh, PAM_SILENT),
				 rows[i][1]);
		assert_null(pam_getenv(pamh, "DSSYNC_HANDLE"));
		pam_end(pamh, rows[i][1]);
		world_server_stop();
	}
}

static void must_change(void **state)
{
	pam_handle_t *pamh = begin("profile", WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_auth(DS_AUTH_NEW_PASSWORD, "At example.", false);
	world_reply_account(DS_AUTH_OK, "");
	world_reply_change(DS_AUTH_DENIED, "At example.");
	assert_int_equal(pam_authenticate(pamh, 0), PAM_SUCCESS);
	assert_int_equal(pam_acct_mgmt(pamh, 0), PAM_NEW_AUTHTOK_REQD);
	assert_int_equal(pam_chauthtok(pamh, PAM_CHANGE_EXPIRED_AUTHTOK),
			 PAM_AUTH_ERR);
	assert_string_equal(shown, "Password: |At example.|At example.|");
	pam_end(pamh, PAM_PERM_DENIED);
}

/* Local users pass the module by: no prompt, no word to the server. */
static void local_users(void **state)
{
	static const char *const users[] = { "root", "local", "unknown" };
	pam_handle_t *pamh;
	size_t i;

	(void)state;
	world_server_start();
	for (i = 0; i < 3; i++) {
		pamh = begin("profile", users[i]);
		assert_int_equal(pam_authenticate(pamh, 0), PAM_AUTH_ERR);
		assert_int_equal(pam_acct_mgmt(pamh, 0), PAM_SUCCESS);
		assert_int_equal(pam_open_session(pamh, 0), PAM_SUCCESS);
		assert_int_equal(pam_close_session(pamh, 0), PAM_SUCCESS);
		assert_string_equal(shown, "");
		pam_end(pamh, PAM_SUCCESS);
	}
	assert_int_equal(world_requests(), 0);
}

/* Nobody is locked out by a module that is not there. */
/*
 * dssync-auth is in somebody else's hands and says yes to everything: nobody
 * but the mirrored object is let in, and it is not even asked about others.
 */
static void yes_to_everything(void **state)
{
	static const struct {
		const char *user;
		uid_t uid;
		bool ours; /* a uid of the range, which is never ignored */
	} rows[] = {
		{ "root", 0, false },
		{ "local", 1000, false },
		{ "daemon", 1, false },
		{ "dynamic", 61184, false },
		{ "nobody", 65534, false },
		{ "overflow", 0x80000000u, false },
		{ "nothing", (uid_t)-1, false },
		{ "stranger", 200002, true },
		{ "alias", WORLD_UID, true },
		/* The name is right, and means somebody else on this host. */
		{ WORLD_UPN, 0, false },
		{ WORLD_UPN, 1000, false },
		{ WORLD_UPN, 65534, false },
		{ WORLD_UPN, WORLD_UID + 1, true },
	};
	pam_handle_t *pamh;
	size_t i;

	(void)state;
	world_server_start();
	for (i = 0; i < 8; i++)
		world_reply_auth(DS_AUTH_OK, "yes", true);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		world_passwd(rows[i].user, rows[i].uid);
		pamh = begin("profile", rows[i].user);
		assert_int_equal(pam_authenticate(pamh, 0), PAM_AUTH_ERR);
		assert_int_equal(pam_acct_mgmt(pamh, 0),
				 rows[i].ours ? PAM_PERM_DENIED : PAM_SUCCESS);
		assert_null(pam_getenv(pamh, "DSSYNC_HANDLE"));
		pam_end(pamh, PAM_SUCCESS);
	}
	assert_int_equal(world_requests(), 0);
	/* So that the rest can fail. */
	world_passwd(WORLD_UPN, WORLD_UID);
	pamh = begin("profile", WORLD_UPN);
	assert_int_equal(pam_authenticate(pamh, 0), PAM_SUCCESS);
	pam_end(pamh, PAM_SUCCESS);
}

static void module_missing(void **state)
{
	pam_handle_t *pamh = begin("missing", "local");

	(void)state;
	assert_int_equal(pam_authenticate(pamh, 0), PAM_SUCCESS);
	pam_end(pamh, PAM_SUCCESS);
}

static void user_gives_up(void **state)
{
	pam_handle_t *pamh = begin("profile", WORLD_UPN);

	(void)state;
	typed = NULL;
	assert_int_equal(pam_authenticate(pamh, 0), PAM_AUTH_ERR);
	pam_end(pamh, PAM_AUTH_ERR);
}

static void no_leaks(void **state)
{
	int before, i;

	(void)state;
	must_change(state); /* libpam and the log are warm now */
	world_server_stop();
	before = unit_fds();
	for (i = 0; i < 5; i++) {
		must_change(state);
		world_server_stop();
	}
	assert_int_equal(unit_fds(), before);
}

static int setup(void **state)
{
	char out[128];

	if (world_setup(state) != 0)
		return -1;
	write_services();
	snprintf(out, sizeof(out), "%s/out", world_dir);
	if (mkdir(out, 0700) < 0)
		return -1;
	if (geteuid() == 0 && chown(out, WORLD_UID, WORLD_GID) < 0)
		return -1;
	return 0;
}

static int teardown(void **state)
{
	char out[128];

	snprintf(out, sizeof(out), "%s/out", world_dir);
	rmdir(out);
	return world_teardown(state);
}

#define TEST(f) cmocka_unit_test_setup(f, world_fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whole_login),       TEST(refusals),
		TEST(must_change),       TEST(local_users),
		TEST(yes_to_everything), TEST(module_missing),
		TEST(user_gives_up),     TEST(no_leaks),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

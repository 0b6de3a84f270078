/*
 * pam_sm_authenticate: options, prompts, what is sent, and what every answer
 * becomes, with the exact log lines.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/pam_fake.h"
#include "tests/unit/pam_seams.h"
#include "tests/unit/pam_world.h"

#define PASSWORD "Tr0ub4dor&3 \xc3\xa4\x01"
#define AUTHENTICATED                                                         \
	"INFO \"" WORLD_UPN "\" authenticated as object " WORLD_GUID_TEXT
#define REFUSED "NOTICE \"" WORLD_UPN "\" not authenticated: "

static int authenticate(pam_handle_t *pamh, int flags, const char *option)
{
	const char *argv[] = { option };

	return pam_sm_authenticate(pamh, flags, option ? 1 : 0, argv);
}

static void success(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_auth(DS_AUTH_OK, "", true);
	pamh->answer = PASSWORD;
	assert_int_equal(authenticate(pamh, 0, NULL), PAM_SUCCESS);
	fake_expect_shown(pamh, "PROMPT Password: ", NULL);
	fake_expect_log(pamh, AUTHENTICATED, NULL);
	assert_int_equal(pamh->delay, 2000000);
	assert_string_equal(pamh->env[0], WORLD_HANDLE_ENV);
	assert_null(pamh->env[1]);
	fake_end(pamh);
}

/* Field by field as lib/proto.h says; PAM_USER as typed. */
static void request_fields(void **state)
{
	pam_handle_t *pamh = fake_start("DRiley@AADDSCONTOSO.COM");
	char word[DS_WORD_MAX + 1], password[DS_PASSWORD_MAX + 1];
	const struct world_request *request;
	struct ds_frame frame;
	struct ds_reader r;
	const uint8_t *guid;
	size_t len;

	(void)state;
	world_server_start();
	world_reply_auth(DS_AUTH_OK, "", false);
	pamh->items[PAM_AUTHTOK] = PASSWORD;
	pamh->items[PAM_TTY] = NULL;
	assert_int_equal(authenticate(pamh, 0, NULL), PAM_SUCCESS);
	fake_expect_log(pamh,
			"INFO \"DRiley@AADDSCONTOSO.COM\" authenticated "
			"as object " WORLD_GUID_TEXT,
			NULL);
	assert_null(pamh->env[0]); /* no handle came */
	assert_string_equal(pamh->items[PAM_USER], "DRiley@AADDSCONTOSO.COM");

	request = world_request(0);
	assert_int_equal(ds_frame_parse(request->buf, request->len, &frame),
			 0);
	assert_int_equal(frame.type, DS_MSG_AUTH);
	ds_reader_init(&r, frame.payload, frame.len);
	guid = ds_get_blob(&r, &len);
	assert_int_equal(len, DS_GUID_LEN);
	assert_memory_equal(guid, world_guid.b, DS_GUID_LEN);
	ds_get_str(&r, word, sizeof(word));
	assert_string_equal(word, "DRiley@AADDSCONTOSO.COM");
	ds_get_str(&r, word, sizeof(word));
	assert_string_equal(word, "sshd");
	ds_get_str(&r, word, sizeof(word));
	assert_string_equal(word, "");
	ds_get_str(&r, word, sizeof(word));
	assert_string_equal(word, "192.0.2.7");
	ds_get_str(&r, word, sizeof(word));
	assert_string_equal(word, "");
	ds_get_str(&r, password, sizeof(password));
	assert_string_equal(password, PASSWORD);
	assert_int_equal(ds_reader_end(&r), 0);
	fake_end(pamh);
}

static void long_items_are_cut(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);
	const struct world_request *request;
	char rhost[DS_WORD_MAX + 200];

	(void)state;
	memset(rhost, 'h', sizeof(rhost) - 1);
	rhost[sizeof(rhost) - 1] = '\0';
	pamh->items[PAM_RHOST] = rhost;
	pamh->items[PAM_AUTHTOK] = "x";
	world_server_start();
	world_reply_auth(DS_AUTH_OK, "", false);
	assert_int_equal(authenticate(pamh, 0, NULL), PAM_SUCCESS);
	fake_expect_log(pamh, AUTHENTICATED, NULL);
	request = world_request(0);
	assert_int_equal(request->len, DS_HEADER_LEN + 4 + DS_GUID_LEN + 4 +
					   strlen(WORLD_UPN) + 4 + 4 + 4 + 3 +
					   4 + DS_WORD_MAX + 4 + 4 + 1);
	fake_end(pamh);
}

/* Every decision, and a number from the future. */
static void results(void **state)
{
	static const struct {
		uint32_t result;
		int code;
		const char *log;
		const char *shown; /* of the text "Say this." */
	} rows[] = {
		{ DS_AUTH_OK, PAM_SUCCESS, AUTHENTICATED, "INFO Say this." },
		{ DS_AUTH_NEW_PASSWORD, PAM_SUCCESS,
		  AUTHENTICATED "; the password must be changed",
		  "INFO Say this." },
		{ DS_AUTH_BAD_PASSWORD, PAM_AUTH_ERR,
		  REFUSED "the password is wrong", "ERROR Say this." },
		{ DS_AUTH_UNKNOWN, PAM_USER_UNKNOWN,
		  REFUSED "dssync-auth does not know the user",
		  "ERROR Say this." },
		{ DS_AUTH_DISABLED, PAM_PERM_DENIED,
		  REFUSED "the account is disabled", "ERROR Say this." },
		{ DS_AUTH_EXPIRED, PAM_ACCT_EXPIRED,
		  REFUSED "the account has expired", "ERROR Say this." },
		{ DS_AUTH_LOCKED, PAM_PERM_DENIED,
		  REFUSED "the account is locked", "ERROR Say this." },
		{ DS_AUTH_HOURS, PAM_PERM_DENIED,
		  REFUSED "outside the logon hours", "ERROR Say this." },
		{ DS_AUTH_DENIED, PAM_PERM_DENIED, REFUSED "denied",
		  "ERROR Say this." },
		{ DS_AUTH_UNAVAILABLE, PAM_AUTHINFO_UNAVAIL,
		  REFUSED "nobody can check the password now",
		  "ERROR Say this." },
		{ DS_AUTH_DELAYED, PAM_AUTH_ERR,
		  REFUSED "not checked after too many failures",
		  "ERROR Say this." },
		{ 12, PAM_SYSTEM_ERR,
		  REFUSED "an unknown answer of dssync-auth",
		  "ERROR Say this." },
		{ UINT32_MAX, PAM_SYSTEM_ERR,
		  REFUSED "an unknown answer of dssync-auth",
		  "ERROR Say this." },
	};
	pam_handle_t *pamh;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		world_server_start();
		pamh = fake_start(WORLD_UPN);
		pamh->items[PAM_AUTHTOK] = "secret";
		world_reply_auth(rows[i].result, "Say this.", true);
		assert_int_equal(authenticate(pamh, 0, NULL), rows[i].code);
		fake_expect_log(pamh, rows[i].log, NULL);
		fake_expect_shown(pamh, rows[i].shown, NULL);
		/* A refusal leaves nothing that a session could use. */
		if (rows[i].code == PAM_SUCCESS)
			assert_non_null(pamh->env[0]);
		else
			assert_null(pamh->env[0]);
		if (rows[i].code != PAM_SUCCESS)
			assert_null(pamh->data[0].name);
		fake_end(pamh);
		world_server_stop();
	}
}

static void silent(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_auth(DS_AUTH_DISABLED, "Your account is disabled.", false);
	pamh->items[PAM_AUTHTOK] = "secret";
	assert_int_equal(authenticate(pamh, PAM_SILENT, NULL),
			 PAM_PERM_DENIED);
	fake_expect_shown(pamh, NULL);
	fake_expect_log(pamh, REFUSED "the account is disabled", NULL);
	fake_end(pamh);
}

static void texts_are_cleaned(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_auth(DS_AUTH_OK,
			 "a\x1b[2Jb\r\nc\xc2\x9b \xff \xc3\xa4 \"q\"", false);
	pamh->items[PAM_AUTHTOK] = "secret";
	assert_int_equal(authenticate(pamh, 0, NULL), PAM_SUCCESS);
	fake_expect_shown(pamh,
			  "INFO a\\x1b[2Jb\\x0d\\x0ac\\xc2\\x9b \\xff "
			  "\xc3\xa4 \"q\"",
			  NULL);
	fake_expect_log(pamh, AUTHENTICATED, NULL);
	fake_end(pamh);
}

static void longest_text(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);
	char text[DS_TEXT_MAX + 1], want[4 * DS_TEXT_MAX + 8] = "INFO ";
	int i;

	(void)state;
	memset(text, 1, DS_TEXT_MAX);
	text[DS_TEXT_MAX] = '\0';
	for (i = 0; i < DS_TEXT_MAX; i++)
		strcat(want, "\\x01");
	world_server_start();
	world_reply_auth(DS_AUTH_OK, text, false);
	pamh->items[PAM_AUTHTOK] = "secret";
	assert_int_equal(authenticate(pamh, 0, NULL), PAM_SUCCESS);
	fake_expect_shown(pamh, want, NULL);
	fake_expect_log(pamh, AUTHENTICATED, NULL);
	fake_end(pamh);
}

/* ---- passwords that never reach the wire ---- */

static void refused_unsent(const char *password, int flags, const char *why)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	world_server_start();
	pamh->items[PAM_AUTHTOK] = password;
	assert_int_equal(authenticate(pamh, flags, NULL), PAM_AUTH_ERR);
	fake_expect_log(
	    pamh, fake_audit("auth", WORLD_UPN, "bad-password", why), NULL);
	world_server_stop();
	assert_int_equal(world_requests(), 0);
	fake_end(pamh);
}

static void empty_password(void **state)
{
	(void)state;
	refused_unsent("", 0, "the password is empty");
	refused_unsent("", PAM_DISALLOW_NULL_AUTHTOK, "the password is empty");
}

static void password_length(void **state)
{
	char password[DS_PASSWORD_MAX + 2];
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	memset(password, 'p', sizeof(password));
	password[DS_PASSWORD_MAX + 1] = '\0';
	refused_unsent(password, 0, "the password is too long");

	password[DS_PASSWORD_MAX] = '\0';
	world_server_start();
	world_reply_auth(DS_AUTH_OK, "", false);
	pamh->items[PAM_AUTHTOK] = password;
	assert_int_equal(authenticate(pamh, 0, NULL), PAM_SUCCESS);
	fake_expect_log(pamh, AUTHENTICATED, NULL);
	assert_memory_equal(world_request(0)->buf + world_request(0)->len -
				DS_PASSWORD_MAX,
			    password, DS_PASSWORD_MAX);
	fake_end(pamh);
}

/* A line's pairs are quoted, and what is long takes none of the rest away. */
static void strange_words_in_a_line(void **state)
{
	static char rhost[6000], want[1024];
	pam_handle_t *pamh = fake_start(WORLD_UPN);
	char caller[32] = "";

	(void)state;
	memset(rhost, 1, sizeof(rhost) - 1);
	pamh->items[PAM_AUTHTOK] = "";
	pamh->items[PAM_SERVICE] = NULL;
	pamh->items[PAM_TTY] = "a\" result=\"ok\\\n";
	pamh->items[PAM_RHOST] = "";
	pamh->items[PAM_RUSER] = "M\xc3\xbcller";
	if (geteuid() != 0)
		snprintf(caller, sizeof(caller), " caller=\"%u\"", geteuid());
	assert_int_equal(authenticate(pamh, 0, NULL), PAM_AUTH_ERR);
	snprintf(want, sizeof(want),
		 "NOTICE audit event=auth user=\"" WORLD_UPN "\"%s "
		 "result=\"bad-password\" reason=\"the password is empty\" "
		 "tty=\"a\\\" result=\\\"ok\\\\\\x0a\" "
		 "ruser=\"M\xc3\xbcller\"",
		 caller);
	fake_expect_log(pamh, want, NULL);

	pamh->items[PAM_TTY] = pamh->items[PAM_RHOST] = rhost;
	pamh->items[PAM_SERVICE] = pamh->items[PAM_RUSER] = rhost;
	assert_int_equal(authenticate(pamh, 0, NULL), PAM_AUTH_ERR);
	assert_non_null(strstr(pamh->log[0], " result=\"bad-password\" "));
	assert_int_equal(pamh->log[0][strlen(pamh->log[0]) - 1], '"');
	fake_drop(pamh);
}

/* ---- prompting ---- */

static void use_first_pass(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	pamh->answer = "never asked";
	assert_int_equal(authenticate(pamh, 0, "use_first_pass"),
			 PAM_AUTH_ERR);
	fake_expect_shown(pamh, NULL);
	world_reply_auth(DS_AUTH_OK, "", false);
	pamh->items[PAM_AUTHTOK] = "from before";
	assert_int_equal(authenticate(pamh, 0, "use_first_pass"), PAM_SUCCESS);
	fake_expect_log(pamh, AUTHENTICATED, NULL);
	assert_int_equal(world_requests(), 1);
	fake_end(pamh);
}

/* One that failed is not asked for again: one exchange a password. */
static void try_first_pass(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_auth(DS_AUTH_BAD_PASSWORD, "", false);
	pamh->items[PAM_AUTHTOK] = "from before";
	assert_int_equal(authenticate(pamh, 0, "try_first_pass"),
			 PAM_AUTH_ERR);
	fake_expect_shown(pamh, NULL);
	fake_expect_log(pamh, REFUSED "the password is wrong", NULL);
	assert_int_equal(world_requests(), 1);
	fake_end(pamh);
}

static void conversation_fails(void **state)
{
	static const int codes[][2] = { { PAM_CONV_ERR, PAM_AUTH_ERR },
					{ PAM_CONV_AGAIN, PAM_INCOMPLETE },
					{ PAM_BUF_ERR, PAM_BUF_ERR },
					{ PAM_SYSTEM_ERR, PAM_AUTH_ERR } };
	pam_handle_t *pamh = fake_start(WORLD_UPN);
	size_t i;

	(void)state;
	assert_int_equal(authenticate(pamh, 0, NULL), PAM_AUTH_ERR);
	fake_expect_shown(pamh, "PROMPT Password: ", NULL);
	for (i = 0; i < 4; i++) {
		pamh->get_authtok = codes[i][0];
		assert_int_equal(authenticate(pamh, 0, NULL), codes[i][1]);
	}
	for (i = 0; i < 2; i++) {
		pamh->get_user = i ? PAM_CONV_AGAIN : PAM_CONV_ERR;
		assert_int_equal(authenticate(pamh, 0, NULL),
				 i ? PAM_INCOMPLETE : PAM_CONV_ERR);
	}
	fake_end(pamh);
}

/* ---- options ---- */

static void options(void **state)
{
	static const char *argv[] = { "nodelay", "use_frist_pass", "debug",
				      "tell=\n\"me" };
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_auth(DS_AUTH_OK, "", false);
	pamh->answer = PASSWORD;
	assert_int_equal(pam_sm_authenticate(pamh, PAM_SILENT, 4, argv),
			 PAM_SUCCESS);
	fake_expect_log(pamh, "ERR unknown option \"use_frist_pass\"",
			"ERR unknown option \"tell=\\x0a\\\"me\"",
			"DEBUG auth: \"" WORLD_UPN "\", flags 0x8000",
			AUTHENTICATED, "DEBUG auth: code 0", NULL);
	fake_expect_shown(pamh, "PROMPT Password: ", NULL);
	assert_int_equal(pamh->delay, 0);
	fake_end(pamh);
}

/* ---- nobody answers, or badly ---- */

static void broken(const char *what)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);
	char why[256];

	snprintf(why, sizeof(why), "%s: %s", pam_test_socket, what);
	pamh->items[PAM_AUTHTOK] = "secret";
	assert_int_equal(authenticate(pamh, 0, NULL), PAM_AUTHINFO_UNAVAIL);
	fake_expect_log(
	    pamh, fake_audit("auth", WORLD_UPN, "unavailable", why), NULL);
	assert_null(pamh->env[0]);
	fake_end(pamh);
	world_server_stop();
}

static void no_server(void **state)
{
	(void)state;
	broken(ds_strerror(DS_ERR_UNAVAIL)); /* no file */
	world_server_start();
	world_server_stop();
	broken(ds_strerror(DS_ERR_UNAVAIL)); /* a file, nobody listens */
}

static void foreign_socket(void **state)
{
	(void)state;
	world_server_start();
	pam_test_socket_owner = geteuid() + 1;
	broken(ds_strerror(DS_ERR_UNSAFE));
}

static void slow_server(void **state)
{
	(void)state;
	pam_test_timeout = 100;
	world_server_start();
	world_reply_auth(DS_AUTH_OK, "", true)->delay_ms = 30000;
	broken(ds_strerror(DS_ERR_TIMEOUT));
	world_server_start();
	world_step()->deaf = true;
	broken(ds_strerror(DS_ERR_TIMEOUT));
}

/* A byte now and then does not move the deadline. */
static void dripping_server(void **state)
{
	struct world_step *step;

	(void)state;
	pam_test_timeout = 150;
	world_server_start();
	step = world_step();
	memset(step->reply, 0, 40);
	memcpy(step->reply, "\x10\0\0\0\x01\0\x02\0\x01\0\0\0", DS_HEADER_LEN);
	step->len = 40;
	step->byte_ms = 40;
	broken(ds_strerror(DS_ERR_TIMEOUT));
}

/* A reply made of these bytes. */
static void raw(const void *bytes, size_t len, int err)
{
	struct world_step *step;

	world_server_start();
	step = world_step();
	memcpy(step->reply, bytes, len);
	step->len = len;
	broken(ds_strerror(err));
}

/* The n-th byte of a good reply changed. */
static void patched(size_t at, uint8_t value, int err)
{
	uint8_t reply[256];
	struct ds_writer w;

	ds_writer_init(&w, reply, sizeof(reply));
	ds_frame_begin(&w, DS_MSG_AUTH_REPLY, 1);
	ds_put_u32(&w, DS_AUTH_OK);
	ds_put_str(&w, "text");
	ds_put_blob(&w, world_handle, DS_HANDLE_LEN);
	assert_int_equal(ds_frame_end(&w), 0);
	reply[at] = value;
	raw(reply, w.len, err);
}

static void bad_replies(void **state)
{
	(void)state;
	raw("", 0, DS_ERR_CLOSED);
	raw("HTTP/1.1 200 OK\r\n\r\n", 19, DS_ERR_VERSION);
	raw("\x08\0\0\0\x01", 5, DS_ERR_FORMAT); /* half a header */
	patched(0, 200, DS_ERR_FORMAT);          /* longer than what came */
	patched(0, 47, DS_ERR_FORMAT);           /* shorter: blob cut */
	patched(2, 0x02, DS_ERR_LIMIT);          /* over the frame maximum */
	patched(1, 0x20, DS_ERR_LIMIT);          /* over our buffer */
	patched(4, 2, DS_ERR_VERSION);
	patched(6, DS_MSG_ACCOUNT_REPLY, DS_ERR_FORMAT);
	patched(6, DS_MSG_AUTH, DS_ERR_FORMAT);
	patched(8, 2, DS_ERR_FORMAT);                    /* another seq */
	patched(DS_HEADER_LEN + 4, 0xff, DS_ERR_FORMAT); /* text too long */
	patched(DS_HEADER_LEN + 8, 0, DS_ERR_FORMAT);    /* NUL in text */
	patched(DS_HEADER_LEN + 12, 31, DS_ERR_FORMAT);  /* short handle */
}

/* Of another message, of another length, or with bytes left over. */
static void bad_fields(void **state)
{
	uint8_t reply[1024], text[DS_TEXT_MAX + 1];
	struct ds_writer w;
	int i;

	(void)state;
	memset(text, 't', sizeof(text));
	for (i = 0; i < 4; i++) {
		ds_writer_init(&w, reply, sizeof(reply));
		ds_frame_begin(&w, DS_MSG_AUTH_REPLY, 1);
		ds_put_u32(&w, DS_AUTH_OK);
		if (i == 0) /* one byte too many */
			ds_put_blob(&w, text, sizeof(text));
		else if (i > 1)
			ds_put_str(&w, "");
		ds_put_blob(&w, world_handle,
			    i == 2 ? DS_HANDLE_LEN - 1 : DS_HANDLE_LEN);
		if (i == 3)
			ds_put_u8(&w, 0);
		assert_int_equal(ds_frame_end(&w), 0);
		raw(reply, w.len, DS_ERR_FORMAT);
	}
}

/* Memory that libpam does not have costs the memory, not the login. */
static void nothing_remembered(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	world_server_start();
	world_reply_auth(DS_AUTH_OK, "", true);
	pamh->items[PAM_AUTHTOK] = "secret";
	pamh->fail_set_data = true;
	pamh->fail_putenv = true;
	assert_int_equal(authenticate(pamh, 0, NULL), PAM_SUCCESS);
	fake_expect_log(pamh, AUTHENTICATED,
			"ERR no memory to remember the login",
			"ERR no memory to remember the ticket", NULL);
	fake_end(pamh);
}

#define TEST(f) cmocka_unit_test_setup(f, world_fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(success),
		TEST(request_fields),
		TEST(long_items_are_cut),
		TEST(results),
		TEST(silent),
		TEST(texts_are_cleaned),
		TEST(longest_text),
		TEST(empty_password),
		TEST(password_length),
		TEST(strange_words_in_a_line),
		TEST(use_first_pass),
		TEST(try_first_pass),
		TEST(conversation_fails),
		TEST(options),
		TEST(no_server),
		TEST(foreign_socket),
		TEST(slow_server),
		TEST(dripping_server),
		TEST(bad_replies),
		TEST(bad_fields),
		TEST(nothing_remembered),
	};

	return cmocka_run_group_tests(tests, world_setup, world_teardown);
}

/*
 * The audit lines: every field in the JSON file and in the journal, hostile
 * values, and files that cannot be written.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/log.h"
#include "synccache/auth/audit.h"

static char path[] = "/tmp/dsa-audit-XXXXXX";
static char log_path[] = "/tmp/dsa-audit-log-XXXXXX";

/* ---- the journal is this ---- */

static char entries[32][1024];
static size_t entry_count;
int journal_error;

int sd_journal_sendv(const struct iovec *iov, int n);
int sd_journal_sendv(const struct iovec *iov, int n)
{
	entry_count = (size_t)n;
	for (int i = 0; i < n; i++)
		(void)snprintf(entries[i], sizeof(entries[i]), "%.*s",
			       (int)iov[i].iov_len,
			       (const char *)iov[i].iov_base);
	return journal_error;
}

#ifdef HAVE_SYSTEMD
static bool has_entry(const char *entry)
{
	for (size_t i = 0; i < entry_count; i++)
		if (strcmp(entries[i], entry) == 0)
			return true;
	return false;
}

#endif

/* ---- reading back ---- */

static char *read_all(const char *name)
{
	static char buf[65536];
	FILE *f = fopen(name, "r");
	size_t n;

	assert_non_null(f);
	n = fread(buf, 1, sizeof(buf) - 1, f);
	buf[n] = '\0';
	(void)fclose(f);
	return buf;
}

static char *line_of(const char *name, int number)
{
	char *line = strtok(read_all(name), "\n");

	while (number-- > 0)
		line = strtok(NULL, "\n");
	return line;
}

static json_t *parse(int number)
{
	json_error_t error;
	char *line = line_of(path, number);
	json_t *json;

	assert_non_null(line);
	json = json_loads(line, JSON_REJECT_DUPLICATES, &error);
	assert_non_null(json);
	return json;
}

static const char *text(const json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static struct dsa_subject subject(void)
{
	return (struct dsa_subject){
		.user = "DRiley@AADDSContoso.com",
		.service = "sshd",
		.tty = "ssh",
		.rhost = "192.0.2.7",
		.ruser = "bob",
		.name = "driley@aaddscontoso.com",
		.guid = { { 1 } },
		.uid = 1283001104,
	};
}

static int setup(void **state)
{
	int fd = mkstemp(path), log_fd = mkstemp(log_path);

	(void)state;
	ds_log_init("test", DS_LOG_INFO);
	assert_true(fd >= 0 && log_fd >= 0);
	(void)close(fd);
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	dsa_audit_file(fd);
	(void)close(fd);
	assert_int_equal(dup2(log_fd, STDERR_FILENO), STDERR_FILENO);
	(void)close(log_fd);
	entry_count = 0;
	journal_error = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unsetenv("JOURNAL_STREAM");
	(void)unlink(path);
	(void)unlink(log_path);
	memcpy(path + sizeof(path) - 7, "XXXXXX", 6);
	memcpy(log_path + sizeof(log_path) - 7, "XXXXXX", 6);
	return 0;
}

/* ---- tests ---- */

static void test_every_field(void **state)
{
	struct dsa_subject s = subject();
	json_t *json;

	(void)state;
	dsa_audit("auth", &s, DS_AUTH_BAD_PASSWORD, "Preauthentication failed",
		  15);
	json = parse(0);
	assert_int_equal(json_object_size(json), 13);
	assert_int_equal(strlen(text(json, "time")),
			 strlen("2026-11-21T15:02:35.267Z"));
	assert_string_equal(text(json, "event"), "auth");
	assert_string_equal(text(json, "user"), "DRiley@AADDSContoso.com");
	assert_string_equal(text(json, "name"), "driley@aaddscontoso.com");
	assert_string_equal(text(json, "guid"),
			    "00000001-0000-0000-0000-000000000000");
	assert_int_equal(json_integer_value(json_object_get(json, "uid")),
			 1283001104);
	assert_string_equal(text(json, "service"), "sshd");
	assert_string_equal(text(json, "tty"), "ssh");
	assert_string_equal(text(json, "rhost"), "192.0.2.7");
	assert_string_equal(text(json, "ruser"), "bob");
	assert_string_equal(text(json, "result"), "bad-password");
	assert_string_equal(text(json, "reason"), "Preauthentication failed");
	assert_int_equal(json_integer_value(json_object_get(json, "kdc_ms")),
			 15);
	json_decref(json);
	/* No journal: the same on standard error. */
	assert_non_null(
	    strstr(read_all(log_path),
		   " audit event=auth user=\"DRiley@AADDSContoso.com\" "
		   "name=\"driley@aaddscontoso.com\" "
		   "guid=\"00000001-0000-0000-0000-000000000000\" "
		   "uid=\"1283001104\" result=\"bad-password\" "
		   "reason=\"Preauthentication failed\" kdc_ms=\"15\" "
		   "service=\"sshd\" tty=\"ssh\" rhost=\"192.0.2.7\" "
		   "ruser=\"bob\"\n"));
}

static void test_what_is_not_known_is_left_out(void **state)
{
	struct dsa_subject s = { .user = "", .caller = 700001 };
	json_t *json;

	(void)state;
	dsa_audit("account", &s, DS_AUTH_DELAYED, "", -1);
	json = parse(0);
	assert_int_equal(json_object_size(json), 6);
	assert_string_equal(text(json, "user"), "");
	assert_string_equal(text(json, "result"), "delayed");
	assert_int_equal(json_integer_value(json_object_get(json, "caller")),
			 700001);
	json_decref(json);
}

/* One line each, whatever somebody types; and it reads back. */
static void test_hostile_values(void **state)
{
	static const struct {
		const char *typed, *read;
	} rows[] = {
		{ "a\nevent=auth", NULL },
		{ "a\"},{\"result\":\"ok\"", NULL },
		{ "tab\t, bell\a, escape\33[2J, del\177", NULL },
		{ "\\ back", NULL },
		{ "Müller ✓", NULL },
		{ "\xff\xfe", "\\xff\\xfe" },
		{ "\xc0\xaf", "\\xc0\\xaf" },
		{ "%s%n", NULL },
	};
	const size_t n = sizeof(rows) / sizeof(*rows);
	struct dsa_subject s = subject();
	size_t i;

	(void)state;
	for (i = 0; i < n; i++) {
		(void)snprintf(s.user, sizeof(s.user), "%s", rows[i].typed);
		dsa_audit("auth", &s, DS_AUTH_UNKNOWN, rows[i].typed, -1);
	}
	for (i = 0; i < n; i++) {
		json_t *json = parse((int)i);
		const char *want =
		    rows[i].read != NULL ? rows[i].read : rows[i].typed;

		assert_string_equal(text(json, "user"), want);
		assert_string_equal(text(json, "reason"), want);
		assert_string_equal(text(json, "result"), "unknown");
		json_decref(json);
	}
	assert_null(line_of(path, (int)n));
	assert_null(line_of(log_path, (int)n));
}

/* What a caller says at length does not push the decision off the line. */
static void test_long_values(void **state)
{
	struct dsa_subject s = subject();

	(void)state;
	memset(s.user, 1, sizeof(s.user) - 1);
	memset(s.service, 1, sizeof(s.service) - 1);
	memset(s.tty, 1, sizeof(s.tty) - 1);
	memset(s.rhost, 1, sizeof(s.rhost) - 1);
	memset(s.ruser, 1, sizeof(s.ruser) - 1);
	s.name[0] = '\0';
	dsa_audit("auth", &s, DS_AUTH_DENIED, "No.", -1);
	assert_non_null(
	    strstr(read_all(log_path), " result=\"denied\" reason=\"No.\""));
}

static void test_journal(void **state)
{
#ifdef HAVE_SYSTEMD
	struct dsa_subject s = subject();

	(void)state;
	assert_int_equal(setenv("JOURNAL_STREAM", "1:2", 1), 0);
	ds_log_init("test", DS_LOG_INFO);
	(void)snprintf(s.user, sizeof(s.user), "a\nDSSYNC_RESULT=ok");
	dsa_audit("auth", &s, DS_AUTH_OK, "", 7);
	assert_true(has_entry("PRIORITY=5"));
	assert_true(has_entry("SYSLOG_IDENTIFIER=dssync-auth"));
	assert_true(has_entry("DSSYNC_EVENT=auth"));
	/* An entry has its length: a newline in it forges nothing. */
	assert_true(has_entry("DSSYNC_USER=a\nDSSYNC_RESULT=ok"));
	assert_true(has_entry("DSSYNC_UID=1283001104"));
	assert_true(has_entry("DSSYNC_KDC_MS=7"));
	assert_false(has_entry("DSSYNC_REASON="));
	assert_int_equal(entry_count, 4 + 1 + 10);
	assert_true(has_entry(
	    "MESSAGE=audit event=auth user=\"a\\x0aDSSYNC_RESULT=ok\" "
	    "name=\"driley@aaddscontoso.com\" "
	    "guid=\"00000001-0000-0000-0000-000000000000\" "
	    "uid=\"1283001104\" result=\"ok\" kdc_ms=\"7\" "
	    "service=\"sshd\" tty=\"ssh\" rhost=\"192.0.2.7\" "
	    "ruser=\"bob\""));
	assert_string_equal(read_all(log_path), "");
	/* A journal that does not take it: it is not lost. */
	journal_error = -1;
	dsa_audit("auth", &s, DS_AUTH_OK, "", 7);
	assert_non_null(strstr(read_all(log_path), "audit event=auth"));
#else
	(void)state;
#endif
}

static void test_full_disk(void **state)
{
	struct dsa_subject s = subject();
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	dsa_audit_file(fd);
	(void)close(fd);
	for (int i = 0; i < 5; i++)
		dsa_audit("auth", &s, DS_AUTH_OK, "", 1);
	/* Said once, before the line that was lost first. */
	assert_non_null(strstr(line_of(log_path, 0), "audit event=auth"));
	assert_non_null(
	    strstr(line_of(log_path, 1), "audit_file: No space left"));
	assert_null(line_of(log_path, 6));
	fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	dsa_audit_file(fd);
	(void)close(fd);
	dsa_audit("auth", &s, DS_AUTH_OK, "", 1);
	assert_non_null(
	    strstr(line_of(log_path, 7), "written again; 5 lines"));
	json_decref(parse(0));
}

/* The disk takes half a line: the next one begins on a line of its own. */
static void test_torn_line(void **state)
{
	struct rlimit before, little = { 100, RLIM_INFINITY };
	struct dsa_subject s = subject();

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	little.rlim_max = before.rlim_max;
	(void)signal(SIGXFSZ, SIG_IGN);
	/* The log must not feel it. */
	assert_true(freopen("/dev/null", "w", stderr) != NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
	dsa_audit("auth", &s, DS_AUTH_OK, "", 1);
	dsa_audit("auth", &s, DS_AUTH_OK, "", 2);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	dsa_audit("auth", &s, DS_AUTH_OK, "", 3);
	assert_int_equal(strlen(line_of(path, 0)), 100);
	json_decref(parse(1));
	assert_null(line_of(path, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_every_field, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
		    test_what_is_not_known_is_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_values, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_long_values, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_journal, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full_disk, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_torn_line, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

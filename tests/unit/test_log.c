/*
 * Foreign strings in log lines: nothing forges a line or moves a cursor.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"

static void test_escape(void **state)
{
	static const struct {
		const char *in, *quoted, *clean;
	} v[] = {
		{ "driley", "driley", "driley" },
		{ "a\nb", "a\\x0ab", "a\\x0ab" },
		{ "\033[31m", "\\x1b[31m", "\\x1b[31m" },
		{ "\x7f", "\\x7f", "\\x7f" },
		{ "\"\\", "\\\"\\\\", "\"\\" },
		{ "J\xc3\xbcrgen", "J\xc3\xbcrgen", "J\xc3\xbcrgen" },
		{ "\xc2\x9b", "\\xc2\\x9b", "\\xc2\\x9b" }, /* C1: CSI */
		{ "\xff\xc3", "\\xff\\xc3", "\\xff\\xc3" },
		{ "\xc0\x80", "\\xc0\\x80", "\\xc0\\x80" }, /* overlong */
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80", "\\xed\\xa0\\x80" },
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80",
		  "\\xf4\\x90\\x80\\x80" },
	};
	char out[64];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		assert_string_equal(ds_escape(out, sizeof(out), v[i].in),
				    v[i].quoted);
		assert_string_equal(ds_clean(out, sizeof(out), v[i].in),
				    v[i].clean);
	}
}

static void test_escape_cut(void **state)
{
	char out[12];
	size_t cap;

	(void)state;
	assert_string_equal(ds_escape(out, 8, "abcdefgh"), "abcd...");
	assert_string_equal(ds_escape(out, 12, "abcdefgh"), "abcdefgh");
	for (cap = 1; cap < sizeof(out); cap++) {
		memset(out, 'x', sizeof(out));
		ds_escape(out, cap, "\n\n\n\n\n\n\n\n");
		assert_non_null(memchr(out, '\0', cap));
	}
}

/* What a call writes to standard error. */
static char *captured(void (*call)(void))
{
	static char text[8192];
	char name[] = "/tmp/dssync-log-XXXXXX";
	int fd = mkstemp(name), saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_true(fd >= 0 && saved >= 0);
	unlink(name);
	dup2(fd, STDERR_FILENO);
	call();
	dup2(saved, STDERR_FILENO);
	n = pread(fd, text, sizeof(text) - 1, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	close(saved);
	return text;
}

static void log_forgery(void)
{
	ds_log(DS_LOG_ERR, "user '%s'", "x\nJan 1 sshd: Accepted \033[2J");
}

static void log_quiet(void)
{
	ds_log(DS_LOG_DEBUG, "not shown");
}

static void log_long(void)
{
	static char huge[10000];

	memset(huge, 'a', sizeof(huge) - 1);
	ds_log(DS_LOG_ERR, "%s", huge);
}

static void log_decision(void)
{
	const struct ds_field fields[] = {
		{ "user", "a\" result=\"ok" },
		{ "guid", NULL },
		{ "result", "denied" },
	};

	ds_audit("auth", fields, 3);
}

static void test_lines(void **state)
{
	const char *text;

	(void)state;
	ds_log_init("unit", DS_LOG_INFO);
	text = captured(log_forgery);
	assert_non_null(strstr(text, "error: user 'x\\x0aJan"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	assert_null(strchr(text, '\033'));
	assert_string_equal(captured(log_quiet), "");
	text = captured(log_long);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	text = captured(log_decision);
	assert_non_null(strstr(text, "audit event=auth user=\"a\\\" "
				     "result=\\\"ok\" result=\"denied\"\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_escape),
		cmocka_unit_test(test_escape_cut),
		cmocka_unit_test(test_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

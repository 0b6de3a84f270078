/*
 * The small pure parts of sync: DNS answers and their order, fields, the local
 * files, and how long is waited.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "synccache/sync/fields.h"
#include "synccache/sync/locals.h"
#include "synccache/sync/pace.h"
#include "lib/srv.h"

/* A DNS answer with one question and `n` records, and room for more. */
struct dns {
	uint8_t buf[1024];
	size_t len;
};

static void put(struct dns *d, const void *p, size_t len)
{
	memcpy(d->buf + d->len, p, len);
	d->len += len;
}

static void put16(struct dns *d, unsigned v)
{
	const uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	put(d, b, 2);
}

#define QUESTION                                                              \
	"\x05_ldap\x04_tcp\x07"                                               \
	"example\x03"                                                         \
	"com"

static void dns_begin(struct dns *d, unsigned answers)
{
	d->len = 0;
	put16(d, 1);      /* id */
	put16(d, 0x8180); /* a response */
	put16(d, 1);
	put16(d, answers);
	put16(d, 0);
	put16(d, 0);
	put(d, QUESTION, sizeof(QUESTION)); /* the final NUL is the root */
	put16(d, 33);
	put16(d, 1);
}

/* An SRV record for the question's name; `name` is in wire form. */
static void dns_srv(struct dns *d, unsigned priority, unsigned weight,
		    const char *name, size_t len)
{
	put16(d, 0xc00c);
	put16(d, 33);
	put16(d, 1);
	put16(d, 0);
	put16(d, 600);
	put16(d, (unsigned)(6 + len));
	put16(d, priority);
	put16(d, weight);
	put16(d, 389);
	put(d, name, len);
}

#define DC1                                                                   \
	"\x03"                                                                \
	"DC1\x07"                                                             \
	"example\x03"                                                         \
	"com"
#define DC2                                                                   \
	"\x03"                                                                \
	"dc2\xc0\x17" /* a pointer to example.com */

static void test_srv_parse(void **state)
{
	struct ds_srv list[DS_SRV_MAX];
	struct dns d;
	size_t n = 99;

	(void)state;
	dns_begin(&d, 4);
	dns_srv(&d, 10, 100, DC1, sizeof(DC1));
	dns_srv(&d, 0, 5, DC2, sizeof(DC2) - 1);
	dns_srv(&d, 0, 5, "", 1); /* "." : there is no service */
	dns_srv(&d, 0, 5,
		"\x03"
		"a b\0",
		5); /* not a host name */
	assert_int_equal(ds_srv_parse(d.buf, d.len, list, &n), 0);
	assert_int_equal(n, 2);
	assert_string_equal(list[0].host, "dc1.example.com");
	assert_int_equal(list[0].priority, 10);
	assert_int_equal(list[0].weight, 100);
	assert_int_equal(list[0].port, 389);
	assert_string_equal(list[1].host, "dc2.example.com");
}

/* Cut anywhere: never a step outside, never a record that is not whole. */
static void test_srv_cut(void **state)
{
	struct ds_srv list[DS_SRV_MAX];
	struct dns d;

	(void)state;
	dns_begin(&d, 2);
	dns_srv(&d, 10, 100, DC1, sizeof(DC1));
	dns_srv(&d, 0, 5, DC2, sizeof(DC2) - 1);
	for (size_t len = 0; len < d.len; len++) {
		uint8_t *copy = malloc(len + 1);
		size_t n = 0;

		assert_non_null(copy);
		memcpy(copy, d.buf, len);
		if (ds_srv_parse(copy, len, list, &n) == 0)
			assert_true(n < 2);
		free(copy);
	}
}

static uint32_t fixed_draw(void *arg, uint32_t n)
{
	uint32_t v = *(uint32_t *)arg;

	return v < n ? v : n - 1;
}

static void test_srv_order(void **state)
{
	struct ds_srv list[] = {
		{ 20, 0, 389, "late" },
		{ 10, 1, 389, "light" },
		{ 10, 99, 389, "heavy" },
		{ 10, 0, 389, "zero" },
	};
	uint32_t draw = 50;

	(void)state;
	ds_srv_order(list, 4, fixed_draw, &draw);
	assert_string_equal(list[0].host, "heavy");
	assert_string_equal(list[3].host, "late");
	draw = 0; /* those of weight 0 have their chance */
	ds_srv_order(list, 4, fixed_draw, &draw);
	assert_string_equal(list[0].host, "zero");
	draw = 1;
	ds_srv_order(list, 4, fixed_draw, &draw);
	assert_string_equal(list[0].host, "light");
}

static void test_srv_append(void **state)
{
	struct ds_srv list[DS_SRV_MAX] = { { .host = "b", .priority = 9 },
					   { .host = "a" } };
	struct ds_srv all[DS_SRV_MAX] = { { .host = "c" },
					  { .host = "a" },
					  { .host = "d" },
					  { .host = "b" } };
	size_t count = 2;

	(void)state;
	ds_srv_append(list, &count, all, 4);
	assert_int_equal(count, 4);
	assert_string_equal(list[0].host, "b");
	assert_false(list[0].away || list[1].away);
	assert_string_equal(list[2].host, "c");
	assert_string_equal(list[3].host, "d");
	assert_true(list[2].away && list[3].away);
	/* Without a site nobody is away from it. */
	count = 0;
	ds_srv_append(list, &count, all, 4);
	assert_int_equal(count, 4);
	assert_false(list[0].away || list[3].away);
	for (size_t i = 0; i < DS_SRV_MAX; i++)
		(void)snprintf(all[i].host, sizeof(all[i].host), "x%zu", i);
	ds_srv_append(list, &count, all, DS_SRV_MAX);
	assert_int_equal(count, DS_SRV_MAX);
}

static void test_host_in_domain(void **state)
{
	char longest[300];

	(void)state;
	assert_true(ds_host_in_domain("dc1.example.com", "example.com"));
	assert_true(ds_host_in_domain("DC1.Site.EXAMPLE.com", "example.com"));
	assert_false(ds_host_in_domain("example.com", "example.com"));
	assert_false(ds_host_in_domain(".example.com", "example.com"));
	assert_false(ds_host_in_domain("a..example.com", "example.com"));
	assert_false(ds_host_in_domain("dc1.badexample.com", "example.com"));
	assert_false(ds_host_in_domain("dc1.example.com.", "example.com"));
	assert_false(ds_host_in_domain("dc1.example.com.evil", "example.com"));
	assert_false(ds_host_in_domain("dc1/x.example.com", "example.com"));
	assert_false(ds_host_in_domain("dc1@x.example.com", "example.com"));
	assert_false(ds_host_in_domain("", "example.com"));
	assert_false(ds_host_in_domain("dc1.example.com", ""));
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + 260, ".example.com", 13);
	assert_false(ds_host_in_domain(longest, "example.com"));
}

static void test_gecos(void **state)
{
	struct dss_arena arena = { 0 };
	char big[400];

	(void)state;
	assert_string_equal(dss_gecos(&arena, "Dana Riley", "d"),
			    "Dana Riley");
	assert_string_equal(dss_gecos(&arena,
				      "a:b\nc\x7f"
				      "d\xc2\x85"
				      "e",
				      "d"),
			    "a b c d e");
	assert_string_equal(dss_gecos(&arena, "J\xc3\xbcrgen \xff!", "d"),
			    "J\xc3\xbcrgen ?!");
	memset(big, 'x', sizeof(big));
	memcpy(big + DSS_GECOS_MAX - 1, "\xc3\xbc", 2);
	big[sizeof(big) - 1] = 0;
	/* Cut before the character that does not fit whole. */
	assert_int_equal(strlen(dss_gecos(&arena, big, "d")),
			 DSS_GECOS_MAX - 1);
	/* Never empty, nor as good as. */
	assert_string_equal(dss_gecos(&arena, "", "anna@c.com"), "anna@c.com");
	assert_string_equal(dss_gecos(&arena, " :\n\t ", "anna@c.com"),
			    "anna@c.com");
	dss_arena_done(&arena);
}

static void test_home(void **state)
{
	static const char *const bad[] = {
		"home/%u", "",        "/home/%u/", "/home//%u", "/home/../%u",
		"/%q",     "/home/%", "/a:b",      "/a\nb",     "/"
	};
	const struct dss_home with = { "anna@c.com", "c.com", "C", 4711 };
	struct dss_arena arena = { 0 };
	char big[DSS_HOME_MAX + 8];
	const char *home;

	(void)state;
	assert_int_equal(
	    dss_home_expand(&arena, "/h/%D/%d/%U/%u/%i/%%", &with, &home), 0);
	assert_string_equal(home, "/h/C/c.com/anna/anna@c.com/4711/%");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(dss_home_expand(&arena, bad[i], &with, &home),
				 DS_ERR_FORMAT);
	memset(big, 'x', sizeof(big));
	big[0] = '/';
	big[sizeof(big) - 1] = 0;
	assert_int_equal(dss_home_expand(&arena, big, &with, &home),
			 DS_ERR_FORMAT);
	dss_arena_done(&arena);
}

static void write_file(char *path, const char *text)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(close(fd), 0);
}

static void test_locals(void **state)
{
	char passwd[] = "/tmp/dssync-test-XXXXXX";
	char group[] = "/tmp/dssync-test-XXXXXX";
	const char *shells = "/nonexistent/shells";
	struct dss_locals locals;
	uint64_t stamp;

	(void)state;
	write_file(passwd, "root:x:0:0::/root:/bin/sh\n"
			   "Anna:x:1000:1001:::\nbroken line\n");
	write_file(group, "root:x:0:\nsudo:x:27:anna\n");
	assert_int_equal(dss_locals_load(passwd, group, shells, &locals), 0);
	assert_true(dss_locals_has_id(&locals, 0));
	assert_true(dss_locals_has_id(&locals, 27));
	assert_true(dss_locals_has_id(&locals, 1001));
	assert_false(dss_locals_has_id(&locals, 28));
	assert_true(dss_locals_has_name(&locals, "anna"));
	assert_true(dss_locals_has_name(&locals, "SUDO"));
	assert_false(dss_locals_has_name(&locals, "ann"));
	/* Without a list there is nothing to go by. */
	assert_string_equal(dss_locals_shell(&locals, "/bin/zsh"), "/bin/zsh");
	dss_locals_done(&locals);
	stamp = dss_locals_stamp(passwd, group, shells);
	assert_int_equal(dss_locals_stamp(passwd, group, shells), stamp);
	assert_int_equal(unlink(group), 0);
	/* Nothing may be published when a file cannot be read. */
	assert_int_equal(dss_locals_load(passwd, group, shells, &locals),
			 DS_ERR_SYS);
	assert_int_equal(dss_locals_stamp(passwd, group, shells), 0);
	assert_int_equal(unlink(passwd), 0);
}

static void expect_shell(const struct dss_locals *locals, const char *wanted,
			 const char *given)
{
	assert_string_equal(dss_locals_shell(locals, wanted), given);
}

static void test_shells(void **state)
{
	char empty[] = "/tmp/dssync-test-XXXXXX";
	char shells[] = "/tmp/dssync-test-XXXXXX";
	struct dss_locals locals;
	uint64_t stamp;

	(void)state;
	write_file(empty, "");
	write_file(shells,
		   "# valid login shells\n/bin/sh\n /bin/bash # the one\n"
		   "#/bin/zsh\n/usr/bin/git-shell\nfish\n\n"
		   "/usr/bin/ksh");
	stamp = dss_locals_stamp(empty, empty, empty);
	assert_int_not_equal(dss_locals_stamp(empty, empty, shells), stamp);
	assert_int_not_equal(dss_locals_stamp(empty, empty, "/none"), 0);
	assert_int_equal(dss_locals_load(empty, empty, shells, &locals), 0);
	expect_shell(&locals, "/bin/bash", "/bin/bash");
	expect_shell(&locals, "/usr/bin/ksh", "/usr/bin/ksh");
	expect_shell(&locals, "/bin/zsh", DSS_FALLBACK_SHELL);
	expect_shell(&locals, "/usr/bin/fish", DSS_FALLBACK_SHELL);
	expect_shell(&locals, "/bin/ksh", DSS_FALLBACK_SHELL);
	/* Nobody gets more than the administrator gave. */
	expect_shell(&locals, "/usr/bin/git-shell", "/usr/bin/git-shell");
	expect_shell(&locals, "/usr/sbin/nologin", "/usr/sbin/nologin");
	expect_shell(&locals, "/bin/false", "/bin/false");
	expect_shell(&locals, "/bin/rbash", "/bin/rbash");
	expect_shell(&locals, "/opt/menu", "/opt/menu");
	dss_locals_done(&locals);
	/* A list of none is a list. */
	assert_int_equal(dss_locals_load(empty, empty, empty, &locals), 0);
	expect_shell(&locals, "/bin/bash", DSS_FALLBACK_SHELL);
	dss_locals_done(&locals);
	assert_int_equal(unlink(empty), 0);
	assert_int_equal(unlink(shells), 0);
}

#define HOSTS 10000

/* 0 to the largest, in steps: what 10,000 hosts draw. */
static uint32_t chance_of(uint32_t host)
{
	return (uint32_t)(((uint64_t)host << 32) / HOSTS);
}

static void test_pace_bounds(void **state)
{
	(void)state;
	assert_int_equal(dss_pace_part(1000, 0), 0);
	assert_int_equal(dss_pace_part(1000, UINT32_MAX), 999);
	assert_int_equal(dss_pace_part(INT32_MAX, UINT32_MAX), INT32_MAX - 1);
	assert_int_equal(dss_pace_wait(30000, 0), 30000);
	assert_int_equal(dss_pace_wait(30000, UINT32_MAX), 15001);
	/* Where people wait for the first snapshot nothing is put off. */
	assert_int_equal(dss_pace_start(30000, false, UINT32_MAX), 0);
	assert_int_equal(dss_pace_start(30000, true, 0), 0);
	assert_int_equal(dss_pace_start(5000, true, UINT32_MAX), 4999);
	assert_int_equal(dss_pace_start(3600000, true, UINT32_MAX),
			 DSS_PACE_SPREAD_MS - 1);
	assert_int_equal(dss_pace_due(3600000), 3240000);
	assert_int_equal(dss_pace_put_off(3600000, 0), 0);
	assert_int_equal(dss_pace_put_off(3600000, UINT32_MAX), 719999);
	assert_int_equal(dss_pace_put_off(604800000, UINT32_MAX), 120959999);
	assert_int_equal(dss_pace_put_off(0, UINT32_MAX), 0);
	assert_int_equal(dss_pace_backoff(1, 300000, 0), 1000);
	assert_int_equal(dss_pace_backoff(1, 300000, UINT32_MAX), 2999);
	assert_int_equal(dss_pace_backoff(3, 300000, 0), 4000);
	assert_int_equal(dss_pace_backoff(9, 300000, 0), 150000);
	assert_int_equal(dss_pace_backoff(UINT32_MAX, 60000, 0), 30000);
}

/* The most hosts whose time lies within one second. */
static unsigned crowd(const int64_t *at)
{
	static unsigned second[1000];
	unsigned most = 0;

	memset(second, 0, sizeof(second));
	for (size_t i = 0; i < HOSTS; i++) {
		assert_in_range(at[i], 0, 999999);
		if (++second[at[i] / 1000] > most)
			most = second[at[i] / 1000];
	}
	return most;
}

/*
 * 10,000 hosts of an interval of 30 s: no second has more of them than 4 of
 * 100 after they woke together, than 7 after one notification had them all
 * pull at once, nor than 5 from the fifth pull after that on.
 */
static void test_pace_spread(void **state)
{
	static int64_t at[HOSTS];
	uint32_t seed = 7;

	(void)state;
	for (uint32_t i = 0; i < HOSTS; i++)
		at[i] = dss_pace_start(30000, true, chance_of(i));
	assert_in_range(crowd(at), 1, HOSTS * 4 / 100);
	for (uint32_t i = 0; i < HOSTS; i++)
		at[i] = dss_pace_wait(30000, chance_of(i));
	assert_in_range(crowd(at), 1, HOSTS * 7 / 100);
	for (int pull = 2; pull <= 20; pull++) {
		for (uint32_t i = 0; i < HOSTS; i++) {
			seed = seed * 1664525u + 1013904223u;
			at[i] += dss_pace_wait(30000, seed);
		}
		if (pull >= 5)
			assert_in_range(crowd(at), 1, HOSTS * 5 / 100);
	}
	/* Nor does more than one in 200 list everything in one second, though
	 * it has become due for all of them while they slept. */
	for (uint32_t i = 0; i < HOSTS; i++)
		at[i] = dss_pace_put_off(3600000, chance_of(i));
	assert_in_range(crowd(at), 1, HOSTS / 200);
	/* Those who failed together are not back together. */
	for (uint32_t i = 0; i < HOSTS; i++)
		at[i] = dss_pace_backoff(5, 300000, chance_of(i));
	assert_in_range(crowd(at), 1, HOSTS * 4 / 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_srv_parse),
		cmocka_unit_test(test_srv_cut),
		cmocka_unit_test(test_srv_order),
		cmocka_unit_test(test_srv_append),
		cmocka_unit_test(test_host_in_domain),
		cmocka_unit_test(test_gecos),
		cmocka_unit_test(test_home),
		cmocka_unit_test(test_locals),
		cmocka_unit_test(test_shells),
		cmocka_unit_test(test_pace_bounds),
		cmocka_unit_test(test_pace_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

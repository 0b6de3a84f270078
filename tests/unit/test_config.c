/*
 * dssync.conf: values, defaults, and what is said about mistakes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/config.h"
#include "lib/config_table.h"
#include "lib/snapshot.h"

static char path[] = "/tmp/dssync-config-XXXXXX";

static int setup(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0)
		return -1;
	return close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(path);
}

static int load(const char *text, struct ds_config *config,
		struct ds_problems *problems)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, 0644), 0);
	return ds_config_load(path, config, problems);
}

static void test_defaults(void **state)
{
	struct ds_problems problems = { 0 };
	struct ds_config c;
	char realm[64];

	(void)state;
	assert_int_equal(
	    load("[domain]\nname = AADDSContoso.com\n", &c, &problems), 0);
	assert_int_equal(problems.count, 0);
	assert_string_equal(c.domain.name, "aaddscontoso.com");
	assert_string_equal(ds_config_realm(&c, realm, sizeof(realm)),
			    "AADDSCONTOSO.COM");
	assert_null(c.domain.servers[0]);
	assert_string_equal(c.domain.keytab, "/etc/krb5.keytab");
	assert_int_equal(c.sync.interval, 30);
	assert_int_equal(c.sync.reconcile_interval, 3600);
	assert_int_equal(c.identity.id_range.min, 200000);
	assert_int_equal(c.identity.id_range.max, 2000200000);
	assert_string_equal(c.identity.home, "/home/%u");
	assert_int_equal(c.login.offline_delay, 1800);
	assert_int_equal(ds_config_policy(&c), 0);
	ds_config_done(&c);
}

static void test_values(void **state)
{
	static const char text[] = "# a comment\n"
				   "[domain]\n"
				   "name = a.example ; and another\n"
				   "servers = dc1.a.example,  dc2.a.example\n"
				   "   dc3.a.example\n"
				   "[identity]\n"
				   "short_names = sam\n"
				   "spellings = canonical\n"
				   "id_mapping = rid\n"
				   "id_range = 10000-20000\n"
				   "[sync]\n"
				   "interval = 2m\n"
				   "notify = no\n";
	struct ds_problems problems = { 0 };
	struct ds_config c;

	(void)state;
	assert_int_equal(load(text, &c, &problems), 0);
	assert_string_equal(c.domain.name, "a.example");
	assert_string_equal(c.domain.servers[1], "dc2.a.example");
	assert_string_equal(c.domain.servers[2], "dc3.a.example");
	assert_null(c.domain.servers[3]);
	assert_int_equal(c.sync.interval, 120);
	assert_false(c.sync.notify);
	assert_int_equal(c.identity.id_range.max, 20000);
	assert_int_equal(ds_config_policy(&c),
			 DS_SNAP_SHORT_NAMES | DS_SNAP_CANONICAL);
	ds_config_done(&c);
}

/* The text, then parts of the problems in their order. */
static void expect(const char *text, const char *first, const char *second)
{
	struct ds_problems problems = { 0 };
	struct ds_config c;
	char where[64];

	assert_int_equal(load(text, &c, &problems), DS_ERR_CONFIG);
	assert_true(problems.count >= 1);
	snprintf(where, sizeof(where), "%s:", path);
	assert_ptr_equal(strstr(problems.line[0], where), problems.line[0]);
	if (!strstr(problems.line[0], first))
		fail_msg("'%s' lacks '%s'", problems.line[0], first);
	assert_int_equal(problems.count, second ? 2 : 1);
	if (second && !strstr(problems.line[1], second))
		fail_msg("'%s' lacks '%s'", problems.line[1], second);
	ds_problems_done(&problems);
}

#define OK "[domain]\nname = a.example\n"

static void test_mistakes(void **state)
{
	(void)state;
	expect("", ":1: [domain] name is missing", NULL);
	expect("[domain]\n", "expected the DNS name", NULL);
	expect("[domain]\nname = a.example\nnmae = b\n",
	       ":3: unknown key 'nmae' in [domain]", NULL);
	expect(OK "[login ]\nx = 1\n", ":3: unknown section [login ]", NULL);
	expect(OK "[nonsense]\n", ":3: unknown section [nonsense]", NULL);
	expect("name = a.example\n" OK, ":1: key 'name' stands before", NULL);
	expect(OK "nonsense\n", ":3: neither a [section] nor", NULL);
	expect(OK "name = b.example\n", ":3: [domain] name is set twice",
	       NULL);
	expect(OK "[sync]\ninterval = 0\nmax_delete_percent = 101\n",
	       ":4: [sync] interval = '0' will not do; expected a time",
	       ":5: [sync] max_delete_percent");
	expect("[domain]\nname = nodots\n", "name = 'nodots' will not do",
	       NULL);
	expect("[domain]\nname = -a.example\n", "will not do", NULL);
	expect("[domain]\nname = a..example\n", "will not do", NULL);
	expect(OK "keytab = krb5.keytab\n", "expected the absolute path",
	       NULL);
	expect(OK "keytab = /etc/../x\n", "expected the absolute path", NULL);
	expect(OK "[sync]\nnotify = maybe\n", "expected yes or no", NULL);
	expect(OK "[identity]\nshort_names = all\n", "expected none or sam",
	       NULL);
	expect(OK "[identity]\nhome = /home/users\n", "with %u, %U or %i",
	       NULL);
	expect(OK "[identity]\nhome = /home/%x\n", "with %u, %U or %i", NULL);
	expect(OK "[identity]\nid_range = 5-900000\n", "MIN-MAX", NULL);
	expect(OK "[identity]\nid_range = 200000-2147483648\n", "MIN-MAX",
	       NULL);
	expect(OK "[identity]\nid_range = 200000-300000\n",
	       "too small for id_mapping = sid", NULL);
	expect(OK "[identity]\nid_mapping = sidhistory\n",
	       "expected sid_history_domains, too", NULL);
	expect(OK "[identity]\nsid_history_domains = S-1-5-21-1-2-3-500\n",
	       "expected domain SIDs", NULL);
	expect(OK "[identity]\nsid_history_domains = S-1-5-32-1-2\n",
	       "expected domain SIDs", NULL);
	expect(OK "[login]\noffline_days = 0\n",
	       "expected a number of days from 1", NULL);
	expect(OK "[login]\noffline_attempts = 0\n",
	       "expected a number from 1", NULL);
	expect(OK "[login]\noffline_delay = 0s\n", "from 1s to 7d", NULL);
}

static void test_long_line(void **state)
{
	char text[10000];
	size_t len;

	(void)state;
	len = (size_t)snprintf(text, sizeof(text), OK "servers = ");
	memset(text + len, 'a', 9000);
	strcpy(text + len + 9000, "\n[sync]\nnotify = no\n");
	expect(text, ":3: the line is longer than", NULL);
}

static void test_file(void **state)
{
	struct ds_problems problems = { 0 };
	struct ds_config c;

	(void)state;
	assert_int_equal(load(OK, &c, &problems), 0);
	ds_config_done(&c);
	assert_int_equal(chmod(path, 0664), 0);
	assert_int_equal(ds_config_load(path, &c, &problems), DS_ERR_CONFIG);
	assert_non_null(strstr(problems.line[0], "mode 0664"));
	ds_problems_done(&problems);
	assert_int_equal(ds_config_load("/nonexistent/x", &c, &problems),
			 DS_ERR_CONFIG);
	assert_int_equal(problems.count, 1);
	assert_non_null(strstr(problems.line[0], "cannot be read"));
	ds_problems_done(&problems);
	assert_int_equal(ds_config_load("/tmp", &c, &problems), DS_ERR_CONFIG);
	ds_problems_done(&problems);
}

/* What is printed is a config file that means the same. */
static void test_print(void **state)
{
	struct ds_problems problems = { 0 };
	struct ds_config c;
	char *text;
	size_t len;
	FILE *out;

	(void)state;
	assert_int_equal(
	    load(OK "servers = b.a.example, c.a.example\n", &c, &problems), 0);
	out = open_memstream(&text, &len);
	ds_config_print(&c, out);
	fclose(out);
	ds_config_done(&c);
	assert_non_null(strstr(text, "servers = b.a.example, c.a.example\n"));
	assert_non_null(strstr(text, "id_range = 200000-2000200000\n"));
	assert_int_equal(load(text, &c, &problems), 0);
	assert_string_equal(c.identity.reserved_names[0], "root");
	assert_string_equal(c.identity.reserved_names[70], "dssync-auth");
	ds_config_done(&c);
	free(text);
}

/* Every key of the table stands in dssync.conf(5), with its default. */
static void test_man_page(void **state)
{
	static char page[65536];
	char item[64];
	FILE *f = fopen(DS_SRCDIR "/man/dssync.conf.5", "r");
	size_t i, n;

	(void)state;
	assert_non_null(f);
	n = fread(page, 1, sizeof(page) - 1, f);
	fclose(f);
	page[n] = '\0';
	for (i = 0; i < ds_config_key_count; i++) {
		snprintf(item, sizeof(item), ".It Cm %s ",
			 ds_config_keys[i].name);
		if (!strstr(page, item))
			fail_msg("dssync.conf(5) lacks '%s'", item);
	}
}

/* reserved_names promises a complete list there. */
static void test_man_page_reserved(void **state)
{
	static char page[65536];
	struct ds_problems problems = { 0 };
	struct ds_config c;
	FILE *f = fopen(DS_SRCDIR "/man/dssync.conf.5", "r");
	size_t i, n;

	(void)state;
	assert_non_null(f);
	n = fread(page, 1, sizeof(page) - 1, f);
	fclose(f);
	page[n] = '\0';
	assert_int_equal(load(OK, &c, &problems), 0);
	for (i = 0; c.identity.reserved_names[i]; i++)
		if (!strstr(page, c.identity.reserved_names[i]))
			fail_msg("dssync.conf(5) lacks '%s'",
				 c.identity.reserved_names[i]);
	ds_config_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_print),
		cmocka_unit_test(test_man_page),
		cmocka_unit_test(test_man_page_reserved),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

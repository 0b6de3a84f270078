/*
 * allow_users and allow_groups: whom they name, and what a name is pinned to.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "synccache/auth/allow.h"
#include "tests/unit/snap_world.h"

#define DRILEY "driley@aaddscontoso.com"

static struct ds_config config;
static struct dsa_allow *allow;
static struct ds_snap base;
static uint8_t *image;
static char *nothing[] = { NULL };
static char pins[] = "/tmp/dsa-allow-XXXXXX";

static int setup(void **state)
{
	size_t len;
	int fd = mkstemp(pins);

	(void)state;
	(void)close(fd);
	image = world_image(0, 1, &len);
	return ds_snap_attach(image, len, DS_SNAP_BASE, &base);
}

static int teardown(void **state)
{
	(void)state;
	dsa_allow_free(allow);
	free(image);
	return 0;
}

/* Without pins of an earlier test. */
static int fresh(void **state)
{
	(void)state;
	(void)unlink(pins);
	return 0;
}

static void load_lists(ds_strv users, ds_strv groups)
{
	config.login.allow_users = users;
	config.login.allow_groups = groups;
	dsa_allow_free(allow);
	allow = dsa_allow_new(&config, pins);
	assert_non_null(allow);
}

static void check(int number, bool want)
{
	struct ds_snap_user user;

	assert_int_equal(
	    ds_snap_user_by_uid(&base, WORLD_UID0 + (uint32_t)number, &user),
	    0);
	dsa_allow_refresh(allow, &base);
	assert_true(dsa_allow_has(allow, &base, &user) == want);
}

static void test_empty(void **state)
{
	(void)state;
	load_lists(nothing, nothing);
	check(W_DRILEY, true);
	check(W_BACKUP, true);
}

/* driley is in the admins and in sudo, smith in the admins only. */
static void test_allow(void **state)
{
	char none[] = "nosuch@aaddscontoso.com", user[] = DRILEY,
	     sudo[] = "SUDO@aaddscontoso.com",
	     all[] = "AADDSCONTOSO\\domain users", broken[] = "a\nb",
	     user_sid[] = "S-1-5-21-1-2-3-1001",
	     group_sid[] = "S-1-5-21-1-2-3-515";
	char *names[] = { none, NULL, NULL };

	(void)state;
	load_lists(names, nothing);
	check(W_DRILEY, false);
	names[1] = user;
	load_lists(names, nothing);
	check(W_DRILEY, true);
	check(W_SMITH, false);
	names[1] = user_sid;
	load_lists(names, nothing);
	check(W_DRILEY, false);
	check(W_SMITH, true);
	/* A user's name in the list of groups grants nothing, and so on. */
	names[1] = user;
	load_lists(nothing, names);
	check(W_DRILEY, false);
	names[1] = sudo;
	load_lists(nothing, names);
	check(W_DRILEY, true);
	check(W_SMITH, false);
	names[1] = group_sid;
	load_lists(nothing, names);
	check(W_DRILEY, true);
	check(W_SMITH, false);
	names[1] = all; /* the primary group counts */
	load_lists(nothing, names);
	check(W_SMITH, true);
	names[1] = broken;
	load_lists(nothing, names);
	check(W_SMITH, false);
}

static void write_pins(const char *text)
{
	FILE *file = fopen(pins, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static void check_pins(const char *want)
{
	char text[512] = "";
	FILE *file = fopen(pins, "r");
	struct stat st;

	assert_non_null(file);
	assert_int_equal(fstat(fileno(file), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	(void)fclose(file);
	assert_string_equal(text, want);
}

static void test_pins(void **state)
{
	char user[] = "Driley@aaddscontoso.com",
	     sudo[] = "sudo@aaddscontoso.com";
	char *users[] = { user, NULL }, *groups[] = { sudo, NULL };

	(void)state;
	load_lists(users, groups);
	check(W_DRILEY, true);
	check_pins("user 00000001-0000-0000-0000-000000000000 "
		   "Driley@aaddscontoso.com\n"
		   "group 00000280-0000-0000-0000-000000000000 "
		   "sudo@aaddscontoso.com\n");
	/* The names meant others first: smith, and the admins. */
	write_pins("user 00000002-0000-0000-0000-000000000000 " DRILEY "\n"
		   "group 00000180-0000-0000-0000-000000000000 "
		   "SUDO@aaddscontoso.com\n");
	load_lists(users, nothing);
	check(W_DRILEY, false);
	check(W_SMITH, true);
	load_lists(nothing, groups);
	check(W_SMITH, true);
	check(W_BACKUP, false);
	/* Who is gone lets nobody in, whatever has the name now. */
	write_pins("user 00000099-0000-0000-0000-000000000000 " DRILEY "\n");
	load_lists(users, nothing);
	check(W_DRILEY, false);
	/* A name that is not configured any more is pinned anew later. */
	load_lists(nothing, groups);
	check(W_DRILEY, true);
	check_pins("group 00000280-0000-0000-0000-000000000000 "
		   "sudo@aaddscontoso.com\n");
}

static void test_broken_pins(void **state)
{
	static const char *const broken[] = {
		"user 00000001-0000-0000-0000-000000000000 " DRILEY,
		"user 00000001-0000-0000-0000-00000000000 " DRILEY "\n",
		"user 00000001-0000-0000-0000-000000000000 \n",
		"\n",
		"x\n",
	};
	char user[] = DRILEY, sid[] = "S-1-5-21-1-2-3-1001";
	char *users[] = { user, sid, NULL };

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(*broken); i++) {
		write_pins(broken[i]);
		load_lists(users, nothing);
		check(W_DRILEY, false);
		check(W_SMITH, true); /* a SID needs no pin */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_empty, fresh),
		cmocka_unit_test_setup(test_allow, fresh),
		cmocka_unit_test_setup(test_pins, fresh),
		cmocka_unit_test_setup_teardown(test_broken_pins, fresh,
						fresh),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

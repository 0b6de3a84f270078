/*
 * Names: each spelling of each kind of account, and what may be published.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/resolve.h"
#include "lib/snapshot_stamp.h"
#include "lib/snapshot_write.h"
#include "tests/unit/snap_world.h"

#define NOBODY (-1)

struct row {
	const char *typed;
	int who; /* W_... or WG_..., or NOBODY */
};

static void check_users(uint32_t policy, const struct row *row, size_t n)
{
	struct ds_snap_user user;
	struct ds_snap snap;
	uint8_t *image;
	size_t size;
	int r;

	image = world_image(policy, 1, &size);
	assert_int_equal(ds_snap_attach(image, size, DS_SNAP_BASE, &snap), 0);
	for (; n--; row++) {
		memset(&user, 0x55, sizeof(user));
		r = ds_resolve_user(&snap, row->typed, &user);
		if (row->who == NOBODY) {
			if (r != DS_ERR_NOTFOUND)
				fail_msg("'%s' resolves to '%s'", row->typed,
					 user.blob);
			continue;
		}
		if (r != 0 || user.index != (uint32_t)row->who)
			fail_msg("'%s': %d", row->typed, r);
		assert_int_equal(user.uid, WORLD_UID0 + (uint32_t)row->who);
	}
	ds_snap_close(&snap);
	free(image);
}

static void check_groups(uint32_t policy, const struct row *row, size_t n)
{
	struct ds_snap_group group;
	struct ds_snap snap;
	uint8_t *image;
	size_t size;
	int r;

	image = world_image(policy, 1, &size);
	assert_int_equal(ds_snap_attach(image, size, DS_SNAP_BASE, &snap), 0);
	for (; n--; row++) {
		r = ds_resolve_group(&snap, row->typed, &group);
		if (row->who == NOBODY
			? r != DS_ERR_NOTFOUND
			: r != 0 || group.index != (uint32_t)row->who)
			fail_msg("'%s': %d", row->typed, r);
	}
	ds_snap_close(&snap);
	free(image);
}

#define ROWS(r) (r), sizeof(r) / sizeof(*(r))

static void users_by_default(void **state)
{
	static const struct row rows[] = {
		{ "driley@aaddscontoso.com", W_DRILEY },
		{ "DRiley@AADDSContoso.COM", W_DRILEY },
		{ "AADDSCONTOSO\\driley", W_DRILEY },
		{ "aaddscontoso\\DRILEY", W_DRILEY },
		{ "driley", NOBODY },
		{ "jane.smith@contoso.com", W_SMITH },
		/* a generated sAMAccountName */
		{ "AADDSCONTOSO\\smithj (3AF2)", W_SMITH },
		{ "smithj (3af2)@aaddscontoso.com", W_SMITH },
		{ "smithj (3AF2)", NOBODY },
		/* sam@dnsdomain only with the domain's own suffix */
		{ "smithj (3af2)@contoso.com", NOBODY },
		{ "driley@contoso.com", NOBODY },
		{ "jane.smith@aaddscontoso.com", NOBODY },
		{ "svc.backup@aaddscontoso.com", W_BACKUP },
		{ "AADDSCONTOSO\\svc.backup", W_BACKUP },
		/* the UPN goes first, the sAMAccountName has another way */
		{ "bob@aaddscontoso.com", W_BOB_UPN },
		{ "AADDSCONTOSO\\bob", W_BOB_SAM },
		{ "alice@contoso.com", W_BOB_SAM },
		/* other bytes than ASCII letters are exact */
		{ "j\303\274rgen@contoso.com", W_JUERGEN },
		{ "J\303\274RGEN@contoso.com", W_JUERGEN },
		{ "j\303\234rgen@contoso.com", NOBODY },
		{ "root@aaddscontoso.com", W_ROOT },
		{ "root", NOBODY },
		{ "0@aaddscontoso.com", W_ZERO },
		{ "0", NOBODY },
		{ "OTHER\\driley", NOBODY },
		{ "AADDSCONTOS\\driley", NOBODY },
		{ "AADDSCONTOSOX\\driley", NOBODY },
		{ "\\driley", NOBODY },
		{ "AADDSCONTOSO\\", NOBODY },
		{ "AADDSCONTOSO\\\\driley", NOBODY },
		{ "AADDSCONTOSO\\driley@aaddscontoso.com", NOBODY },
		{ "aaddscontoso.com\\driley", NOBODY },
		{ "@aaddscontoso.com", NOBODY },
		{ "driley@", NOBODY },
		{ "driley@aaddscontoso.com@aaddscontoso.com", NOBODY },
		{ "driley@aaddscontoso.com ", NOBODY },
		{ " driley@aaddscontoso.com", NOBODY },
		{ "driley@aaddscontoso.com.", NOBODY },
		{ "", NOBODY },
		{ "@", NOBODY },
		{ "\\", NOBODY },
	};

	(void)state;
	check_users(0, ROWS(rows));
}

static void users_by_short_name(void **state)
{
	static const struct row rows[] = {
		{ "driley", W_DRILEY },
		{ "DRILEY", W_DRILEY },
		{ "smithj (3AF2)", W_SMITH },
		{ "driley@aaddscontoso.com", W_DRILEY },
		{ "AADDSCONTOSO\\driley", W_DRILEY },
		{ "bob", W_BOB_SAM },
		{ "jane.smith", NOBODY }, /* a UPN's prefix is no name */
		{ "root", NOBODY },       /* reserved by the writer */
		{ "0", NOBODY },          /* a number */
	};

	(void)state;
	check_users(DS_SNAP_SHORT_NAMES, ROWS(rows));
	/* name_format = sam makes the bare name canonical. */
	check_users(DS_SNAP_BARE_USERS, ROWS(rows));
}

static void users_by_canonical_name_only(void **state)
{
	static const struct row rows[] = {
		{ "driley@aaddscontoso.com", W_DRILEY },
		{ "Driley@aaddscontoso.com", NOBODY },
		{ "AADDSCONTOSO\\driley", NOBODY },
		{ "smithj (3af2)@aaddscontoso.com", NOBODY },
		{ "svc.backup@aaddscontoso.com", W_BACKUP },
		{ "SVC.backup@aaddscontoso.com", NOBODY },
		{ "driley", NOBODY },
	};
	static const struct row bare[] = {
		{ "driley", W_DRILEY },
		{ "DRILEY", NOBODY },
		{ "driley@aaddscontoso.com", NOBODY },
		{ "root@aaddscontoso.com", W_ROOT },
	};

	(void)state;
	check_users(DS_SNAP_CANONICAL, ROWS(rows));
	check_users(DS_SNAP_CANONICAL | DS_SNAP_SHORT_NAMES, ROWS(rows));
	check_users(DS_SNAP_CANONICAL | DS_SNAP_BARE_USERS, ROWS(bare));
}

static void groups(void **state)
{
	static const struct row qualified[] = {
		{ "domain users@aaddscontoso.com", WG_USERS },
		{ "Domain Users@AADDSContoso.com", WG_USERS },
		{ "AADDSCONTOSO\\domain users", WG_USERS },
		{ "domain users", NOBODY },
		{ "sudo@aaddscontoso.com", WG_SUDO },
		{ "sudo", NOBODY },
		{ "sudo@contoso.com", NOBODY },
		{ "driley@aaddscontoso.com", NOBODY }, /* a user */
		{ "", NOBODY },
	};
	static const struct row bare[] = {
		{ "domain users", WG_USERS },
		{ "Domain Users", WG_USERS },
		{ "domain users@aaddscontoso.com", WG_USERS },
		{ "sudo", WG_SUDO },
	};
	static const struct row canonical[] = {
		{ "sudo@aaddscontoso.com", WG_SUDO },
		{ "Sudo@aaddscontoso.com", NOBODY },
		{ "AADDSCONTOSO\\sudo", NOBODY },
	};

	(void)state;
	check_groups(0, ROWS(qualified));
	/* short_names is about users */
	check_groups(DS_SNAP_SHORT_NAMES, ROWS(qualified));
	check_groups(DS_SNAP_BARE_GROUPS, ROWS(bare));
	check_groups(DS_SNAP_CANONICAL, ROWS(canonical));
}

/* What was built, through files, which is the writer's only way out. */
static void open_built(struct ds_snapw *w, struct ds_snap *snap)
{
	struct ds_snap_stamp stamp = { .kind = DS_SNAP_BASE,
				       .policy = DS_SNAP_SHORT_NAMES,
				       .id_min = WORLD_ID_MIN,
				       .id_max = WORLD_ID_MAX,
				       .domain = "d" };
	char from_path[] = "resolve_XXXXXX", to_path[] = "resolve_XXXXXX";
	int from = mkstemp(from_path), to = mkstemp(to_path);

	assert_true(from >= 0 && to >= 0);
	assert_int_equal(ds_snapw_write(w, from), 0);
	assert_int_equal(ds_snap_stamp_copy(from, to, 1 << 20, &stamp), 0);
	assert_int_equal(ds_snap_open(to_path, DS_SNAP_BASE, geteuid(), snap),
			 0);
	close(from);
	close(to);
	unlink(from_path);
	unlink(to_path);
	ds_snapw_free(w);
}

static uint32_t add_user(struct ds_snapw *w, const char *name, const char *upn,
			 const char *sam)
{
	static uint32_t uid = WORLD_UID0;
	struct ds_snapw_user u = { .name = name,
				   .gecos = "",
				   .home = "/h",
				   .shell = "",
				   .uid = uid++,
				   .gid = WORLD_GID0,
				   .key_upn = upn,
				   .key_sam = sam,
				   .id.sid.count = 1 };
	uint32_t index;

	assert_int_equal(ds_snapw_user(w, &u, &index), 0);
	return index;
}

/* Long names, each length, so that every path of the folding is taken. */
static void every_length(void **state)
{
	struct ds_snapw *w = ds_snapw_new(DS_SNAP_BASE, "D", NULL);
	char typed[300], name[300];
	struct ds_snap_user user;
	struct ds_snap snap;
	uint32_t len;

	(void)state;
	assert_non_null(w);
	memset(typed, 'X', sizeof(typed));
	memset(name, 'x', sizeof(name));
	name[0] = typed[0] = '@';
	for (len = 3; len <= DS_NAME_MAX; len++) {
		name[len] = '\0';
		assert_int_equal(add_user(w, name, name, NULL), len - 3);
		name[len] = 'x';
	}
	open_built(w, &snap);
	for (len = 3; len < sizeof(typed); len++) {
		char *exact = malloc(len + 1); /* a byte more is seen */

		memcpy(exact, typed, len);
		exact[len] = '\0';
		assert_int_equal(ds_resolve_user(&snap, exact, &user),
				 len > DS_NAME_MAX ? DS_ERR_NOTFOUND : 0);
		if (len <= DS_NAME_MAX)
			assert_int_equal(user.index, len - 3);
		free(exact);
	}
	ds_snap_close(&snap);
}

static void neighbours_of_letters(void **state)
{
	/* Each differs from another by the bit that folding sets. */
	static const char *const names[] = { "a[z@d", "a{z@d", "a`z@d",
					     "a^z@d", "a~z@d", "a_z@d",
					     "a]z@d", "a}z@d", "a z@d" };
	struct ds_snapw *w = ds_snapw_new(DS_SNAP_BASE, "D", NULL);
	struct ds_snap_user user;
	struct ds_snap snap;
	char typed[8];
	uint32_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		assert_int_equal(add_user(w, names[i], names[i], NULL), i);
	open_built(w, &snap);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(typed, sizeof(typed), "A%cZ@D", names[i][1]);
		assert_int_equal(ds_resolve_user(&snap, typed, &user), 0);
		assert_int_equal(user.index, i);
	}
	assert_int_equal(ds_resolve_user(&snap, "a@z@d", &user),
			 DS_ERR_NOTFOUND);
	ds_snap_close(&snap);
}

static void names_that_lead_nowhere(void **state)
{
	struct ds_snapw *w = ds_snapw_new(DS_SNAP_BASE, "D", NULL);
	struct ds_snap_user user;
	struct ds_snap snap;

	(void)state;
	add_user(w, "a@d", NULL, "contested");
	add_user(w, "b@d", NULL, "x@y");
	assert_int_equal(ds_snapw_reserve(w, DS_NS_UPN, "Contested@D"), 0);
	open_built(w, &snap);
	/* a reserved UPN does not fall through to the sAMAccountName */
	assert_int_equal(ds_resolve_user(&snap, "contested@d", &user),
			 DS_ERR_NOTFOUND);
	assert_int_equal(ds_resolve_user(&snap, "D\\contested", &user), 0);
	assert_int_equal(ds_resolve_user(&snap, "contested", &user), 0);
	/* a sAMAccountName with '@' is never matched */
	assert_int_equal(ds_resolve_user(&snap, "D\\x@y", &user),
			 DS_ERR_NOTFOUND);
	assert_int_equal(ds_resolve_user(&snap, "x@y@d", &user),
			 DS_ERR_NOTFOUND);
	assert_int_equal(ds_resolve_user(&snap, "x@y", &user),
			 DS_ERR_NOTFOUND);
	ds_snap_close(&snap);
}

static void names_that_may_be(void **state)
{
	static const char *const good[] = { "driley@aaddscontoso.com",
					    "a",
					    "smithj (3AF2)",
					    "...",
					    "o'neil",
					    "\303\274",
					    "-x@y",
					    "a b" };
	static const char *const bad[] = {
		"",     ".",    "..",      "a:b",  "a,b",      "a/b",
		"a\\b", "a\nb", "a\177b",  "a\tb", "\300\200", "\355\240\200",
		"\377", "\303", "\302\205" /* a C1 control */
	};
	static const char *const not_bare[] = { "0",  "123", "0x1f", "0X",
						"#a", "%a",  "+a",   "-a",
						"~a", "!a",  "@a",   ".a",
						" a", "a ",  "a@b",  "" };
	char longest[257];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(ds_name_ok(good[i]));
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_false(ds_name_ok(bad[i]));
		assert_false(ds_sam_ok(bad[i]));
		assert_false(ds_bare_ok(bad[i]));
	}
	for (i = 0; i < sizeof(not_bare) / sizeof(*not_bare); i++)
		assert_false(ds_bare_ok(not_bare[i]));
	assert_true(ds_bare_ok("driley"));
	assert_true(ds_bare_ok("1a"));
	assert_true(ds_bare_ok("a-b.c"));
	assert_true(ds_sam_ok("a b"));
	assert_false(ds_sam_ok("a@b"));
	memset(longest, 'a', sizeof(longest));
	longest[256] = '\0';
	assert_false(ds_name_ok(longest));
	longest[255] = '\0';
	assert_true(ds_name_ok(longest));
}

/* The client of a ticket: a sAMAccountName, under every policy. */
static void kerberos_clients(void **state)
{
	static const struct row rows[] = {
		{ "driley", W_DRILEY },
		{ "DRILEY", W_DRILEY },
		{ "smithj (3AF2)", W_SMITH },
		{ "svc.backup", W_BACKUP },
		{ "bobby", W_BOB_UPN },
		{ "j\303\274rgen", W_JUERGEN },
		{ "root", W_ROOT },
		{ "0", W_ZERO },
		/* Another object's UPN is bob@aaddscontoso.com. */
		{ "bob", NOBODY },
		/* The prefix of a UPN, a UPN, other ways to write a name. */
		{ "jane.smith", NOBODY },
		{ "alice", NOBODY },
		{ "driley@aaddscontoso.com", NOBODY },
		{ "AADDSCONTOSO\\driley", NOBODY },
		{ "driley ", NOBODY },
		{ "host1$", NOBODY },
		{ "", NOBODY },
	};
	static const uint32_t policies[] = { 0, DS_SNAP_CANONICAL,
					     DS_SNAP_SHORT_NAMES,
					     DS_SNAP_BARE_USERS };
	char longest[DS_NAME_MAX + 2] = "";
	struct ds_snap_user user;
	struct ds_snap snap;
	uint8_t *image;
	size_t size, i, k;
	int r;

	(void)state;
	memset(longest, 'a', sizeof(longest) - 1);
	for (k = 0; k < sizeof(policies) / sizeof(*policies); k++) {
		image = world_image(policies[k], 1, &size);
		assert_int_equal(
		    ds_snap_attach(image, size, DS_SNAP_BASE, &snap), 0);
		for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
			r = ds_resolve_client(&snap, rows[i].typed, &user);
			if (rows[i].who == NOBODY
				? r != DS_ERR_NOTFOUND
				: r != 0 ||
				      user.index != (uint32_t)rows[i].who)
				fail_msg("'%s': %d", rows[i].typed, r);
		}
		for (i = 0; i < 4; i++)
			assert_int_equal(
			    ds_resolve_client(&snap, longest + i, &user),
			    DS_ERR_NOTFOUND);
		ds_snap_close(&snap);
		free(image);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(users_by_default),
		cmocka_unit_test(users_by_short_name),
		cmocka_unit_test(users_by_canonical_name_only),
		cmocka_unit_test(groups),
		cmocka_unit_test(kerberos_clients),
		cmocka_unit_test(every_length),
		cmocka_unit_test(neighbours_of_letters),
		cmocka_unit_test(names_that_lead_nowhere),
		cmocka_unit_test(names_that_may_be),
	};
	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}

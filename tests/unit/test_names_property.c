/*
 * Random directories under random policies: what must hold whatever the
 * directory says.  The seed is fixed, DSSYNC_SEED in the environment gives
 * another.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "lib/resolve.h"
#include "lib/utf8.h"
#include "tests/unit/names_world.h"

#define ROUNDS 1500
#define PEOPLE 24
#define GROUPS 16

static struct names_world world;
static uint32_t seed = 20231114;
static size_t seen;

static uint32_t pick(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % below;
}

/* ---- a random directory --------------------------------------------------
 */

static const char *const words[] = {
	"root",
	"wheel",
	"docker",
	"postgres",
	"anna",
	"Anna",
	"ANNA",
	"bob",
	"0",
	"1000",
	"0x10",
	"#0",
	"%w",
	"-r",
	"+x",
	"~",
	".",
	"..",
	"a b",
	"a_b",
	"a-b",
	"A B",
	" a",
	"a ",
	"a@b",
	"a:b",
	"a/b",
	"a\\b",
	"a,b",
	"",
	"a\nb",
	"a\377",
	"j\303\274",
	"J\303\234",
	"smith (3af2)",
	"systemd network",
	"systemd-network",
	"local team",
	"local_team",
	"@",
	" ",
	"  ",
	"!",
	"a.b",
};
#define WORDS (sizeof(words) / sizeof(words[0]))

static const char *random_sam(void)
{
	return words[pick(WORDS)];
}

static const char *random_upn(void)
{
	static const char *const suffix[] = { "@example.com", "@Example.COM",
					      "@contoso.com", "@", "" };

	if (pick(6) == 0)
		return "";
	return dss_arena_printf(&world.arena, "%s%s", words[pick(WORDS)],
				suffix[pick(5)]);
}

/* Any bytes that a directory may hold; with what breaks a line. */
static const char *random_display(void)
{
	static const char bytes[] =
	    "a:\n\r\t\x1b\x7f\xc2\x85\xc3\xbc\xff\xe2\x80 ,&%/.";
	uint32_t len = pick(4) ? pick(12) : pick(600);
	char *s = dss_arena_alloc(&world.arena, len + 1, 1);

	assert_non_null(s);
	for (uint32_t i = 0; i < len; i++)
		s[i] = bytes[pick(sizeof(bytes) - 1)];
	return s;
}

static void age(struct dss_object *obj)
{
	obj->created = 1 + pick(40);
	if (pick(12) == 0)
		obj->present &= ~(uint32_t)DSS_F_CREATED;
	if (pick(20) == 0)
		obj->malformed |= DSS_F_UAC | DSS_F_GROUP_TYPE;
}

/* The directory's own number: any, none, or another's. */
static void number(struct dss_object *obj, uint32_t *field, uint32_t bit)
{
	static const uint32_t odd[] = {
		0, 999, 1000, 61184, 65535, 2147483647, BASE_ID + 1003, 199999
	};

	switch (pick(8)) {
	case 0:
		obj->present &= ~bit;
		break;
	case 1:
		obj->present &= ~bit;
		obj->malformed |= bit;
		break;
	case 2:
		*field = odd[pick(sizeof(odd) / sizeof(odd[0]))];
		break;
	default:
		*field = 300000 + pick(60);
	}
}

static void numbers(struct dss_object *obj)
{
	if (obj->kind == DSS_KIND_USER)
		number(obj, &obj->uid_number, DSS_F_UID_NUMBER);
	if (obj->kind == DSS_KIND_USER && pick(2))
		obj->present |= DSS_F_GID_NUMBER;
	if (obj->present & DSS_F_GID_NUMBER)
		number(obj, &obj->gid_number, DSS_F_GID_NUMBER);
}

static void populate(void)
{
	nw_clear(&world);
	for (uint32_t i = 0; i < GROUPS; i++) {
		/* a RID twice now and then */
		age(nw_group(&world, 1000 + pick(GROUPS * 4), random_sam()));
		world.objs[world.count - 1].guid.b[4] = (uint8_t)i;
	}
	for (uint32_t i = 0; i < PEOPLE; i++) {
		age(nw_user(&world, 2000 + pick(PEOPLE * 4), random_sam(),
			    random_upn()));
		world.objs[world.count - 1].guid.b[4] = (uint8_t)(64 + i);
		world.objs[world.count - 1].display = random_display();
	}
	for (size_t i = 1; i < world.count; i++)
		numbers(&world.objs[i]);
	for (uint32_t i = 0; i < 40; i++) {
		struct dss_object *group = &world.objs[pick(GROUPS) + 1];
		struct ds_guid member =
		    world.objs[pick((uint32_t)world.count)].guid;

		assert_int_equal(
		    dss_members_change(group, true, &member, 1, &world.arena),
		    0);
	}
}

static void policy(void)
{
	static char wheel[] = "wheel", root[] = "root", docker[] = "DOCKER",
		    network[] = "Systemd-Network", postgres[] = "postgres",
		    team[] = "LOCAL_team";
	static char *reserved[] = { wheel, root, docker, network, NULL };
	static char *names[] = { team, postgres };
	static char u[] = "/home/%u", bare[] = "/%U", all[] = "/h/%D/%d/%i/%U";
	static char *homes[] = { u, bare, all };
	static char none[] = "", under[] = "_", dash[] = "-", dot[] = ".",
		    plus[] = "+";
	static char *replacements[] = { none, under, dash, dot, plus };
	static uint32_t ids[] = { 0, 1000, BASE_ID + 1003, BASE_ID + 1040,
				  BASE_ID + 2005 };
	static const int mappings[] = { DS_IDMAP_SID, DS_IDMAP_SID,
					DS_IDMAP_RID, DS_IDMAP_ATTRIBUTE };
	struct ds_config *c = &world.config;

	c->identity.name_format = pick(2) ? DS_FORMAT_SAM : DS_FORMAT_UPN;
	c->identity.group_format =
	    pick(2) ? DS_FORMAT_SAM : DS_FORMAT_QUALIFIED;
	c->identity.short_names = pick(2) ? DS_SHORT_SAM : DS_SHORT_NONE;
	c->identity.spellings =
	    pick(4) ? DS_SPELLINGS_ANY : DS_SPELLINGS_CANONICAL;
	c->identity.id_mapping = mappings[pick(4)];
	/* With rid the range of systemd's dynamic users is reached, and the
	 * directory's numbers are any. */
	c->identity.id_range.min =
	    c->identity.id_mapping == DS_IDMAP_RID         ? 59150
	    : c->identity.id_mapping == DS_IDMAP_ATTRIBUTE ? 1000
							   : 200000;
	c->identity.space_replacement = replacements[pick(5)];
	c->identity.reserved_names = reserved;
	c->identity.home = homes[pick(3)];
	world.locals.names = names;
	world.locals.nnames = 2;
	world.locals.ids = ids;
	world.locals.nids = sizeof(ids) / sizeof(ids[0]);
}

/* ---- what must hold ------------------------------------------------------
 */

static bool one_of(const char *name, char *const *list, size_t n)
{
	for (size_t i = 0; i < n && list[i]; i++)
		if (strcasecmp(list[i], name) == 0)
			return true;
	return false;
}

/* Says no to what could mean somebody local, in words of its own. */
static void check_name(const char *name, bool bare_allowed)
{
	const char *end = name + strlen(name) - 1;
	char *rest;

	assert_int_not_equal(*name, '\0');
	for (const char *p = name; *p; p++) {
		assert_null(strchr(":,/\\\n\177", *p));
		assert_false(*p >= 'A' && *p <= 'Z');
	}
	if (strchr(name, '@'))
		return;
	assert_true(bare_allowed);
	assert_null(strchr("#%+-~!@. ", *name));
	assert_int_not_equal(*end, ' ');
	(void)strtoul(name, &rest, 0);
	assert_int_not_equal(*rest, '\0');
	assert_false(one_of(name, world.config.identity.reserved_names, 99));
	assert_false(one_of(name, world.locals.names, world.locals.nnames));
}

static void check_id(uint32_t id)
{
	assert_true(id >= 1000 && id <= 2147483647);
	assert_false(id >= 61184 && id <= 65535);
	assert_true(id >= world.config.identity.id_range.min);
	for (size_t i = 0; i < world.locals.nids; i++)
		assert_int_not_equal(id, world.locals.ids[i]);
}

/* A passwd line is a line of seven fields, none of them empty. */
static void check_fields(const struct ds_snap_user *user)
{
	const char *gecos = user->blob + user->gecos;
	const char *home = user->blob + user->home;
	const char *shell = user->blob + user->shell;
	uint32_t cp;

	assert_true(strlen(gecos) > 0 && strlen(gecos) <= 255);
	for (const char *p = gecos; *p;) {
		size_t n = ds_utf8_decode(p, &cp);

		assert_true(n > 0 && cp >= 0x20 && cp != ':');
		assert_false(cp >= 0x7f && cp < 0xa0);
		p += n;
	}
	assert_int_equal(home[0], '/');
	assert_true(strlen(home) > 1);
	assert_null(strpbrk(home, ":\n\r\t\033\177"));
	assert_null(strstr(home, "//"));
	assert_null(strstr(home, "/./"));
	assert_null(strstr(home, "/../"));
	assert_int_not_equal(home[strlen(home) - 1], '/');
	assert_string_not_equal(strrchr(home, '/'), "/.");
	assert_string_not_equal(strrchr(home, '/'), "/..");
	assert_string_equal(shell, "/bin/bash");
}

static void check_users(const struct ds_snap *snap)
{
	bool bare = world.config.identity.name_format == DS_FORMAT_SAM;

	seen += ds_snap_user_count(snap);
	for (uint32_t i = 0; i < ds_snap_user_count(snap); i++) {
		struct ds_snap_user user, found;

		assert_int_equal(ds_snap_user_at(snap, i, &user), 0);
		check_name(user.blob, bare);
		check_id(user.uid);
		check_id(user.gid);
		for (uint32_t k = 0; k < user.ngids; k++)
			check_id(user.gids[k]);
		assert_int_equal(ds_resolve_user(snap, user.blob, &found), 0);
		assert_int_equal(found.index, i);
		assert_int_equal(ds_snap_user_by_uid(snap, user.uid, &found),
				 0);
		assert_int_equal(found.index, i);
		check_fields(&user);
		for (uint32_t k = 0; k < i; k++) {
			assert_int_equal(ds_snap_user_at(snap, k, &found), 0);
			assert_int_not_equal(found.uid, user.uid);
			assert_string_not_equal(found.blob, user.blob);
		}
	}
}

static void check_groups(const struct ds_snap *snap)
{
	bool bare = world.config.identity.group_format == DS_FORMAT_SAM;

	for (uint32_t i = 0; i < ds_snap_group_count(snap); i++) {
		struct ds_snap_group group, found;

		assert_int_equal(ds_snap_group_at(snap, i, &group), 0);
		check_name(group.blob, bare);
		check_id(group.gid);
		assert_int_equal(ds_resolve_group(snap, group.blob, &found),
				 0);
		assert_int_equal(found.index, i);
		assert_int_equal(ds_snap_group_by_gid(snap, group.gid, &found),
				 0);
		assert_int_equal(found.index, i);
		for (uint32_t k = 0; k < i; k++) {
			assert_int_equal(ds_snap_group_at(snap, k, &found), 0);
			assert_int_not_equal(found.gid, group.gid);
			assert_string_not_equal(found.blob, group.blob);
		}
	}
}

/* ---- nothing is taken away -----------------------------------------------
 */

/* The i-th of all that anybody could type here; false: there are no more. */
static bool spelling(size_t i, char *buf, size_t cap)
{
	static const char *const before[] = { "", "", "EXAMPLE\\", "" };
	static const char *const after[] = { "", "@example.com", "",
					     "@contoso.com" };

	if (i >= WORDS * 4)
		return false;
	snprintf(buf, cap, "%s%s%s", before[i % 4], words[i / 4],
		 after[i % 4]);
	return true;
}

/* What each spelling means: the object's GUID, zeros for nobody. */
static void meanings(const struct ds_snap *snap, struct ds_guid *users,
		     struct ds_guid *groups)
{
	struct ds_snap_identity id;
	struct ds_snap_group group;
	struct ds_snap_user user;
	char typed[64];

	memset(users, 0, WORDS * 4 * sizeof(*users));
	memset(groups, 0, WORDS * 4 * sizeof(*groups));
	for (size_t i = 0; spelling(i, typed, sizeof(typed)); i++) {
		if (ds_resolve_user(snap, typed, &user) == 0 &&
		    ds_snap_user_identity(snap, user.index, &id) == 0)
			users[i] = id.guid;
		if (ds_resolve_group(snap, typed, &group) == 0 &&
		    ds_snap_group_identity(snap, group.index, &id) == 0)
			groups[i] = id.guid;
	}
}

static void newcomer_takes_nothing(void)
{
	static struct ds_guid before[2][WORDS * 4], after[2][WORDS * 4];
	static const struct ds_guid nobody;
	struct dss_object *obj;
	struct ds_snap snap;
	char typed[64];

	nw_publish(&world, NULL);
	assert_int_equal(
	    ds_snap_open(nw_path(), DS_SNAP_BASE, geteuid(), &snap), 0);
	meanings(&snap, before[0], before[1]);
	ds_snap_close(&snap);
	obj = pick(2)
		  ? nw_user(&world, 2000 + pick(PEOPLE * 4), random_sam(),
			    random_upn())
		  : nw_group(&world, 1000 + pick(GROUPS * 4), random_sam());
	/* Younger than those of unknown age too, whom the GUID orders. */
	obj->guid.b[0] = 0xff;
	obj->present &= ~(uint32_t)DSS_F_CREATED;
	numbers(obj);
	nw_publish(&world, NULL);
	assert_int_equal(
	    ds_snap_open(nw_path(), DS_SNAP_BASE, geteuid(), &snap), 0);
	meanings(&snap, after[0], after[1]);
	ds_snap_close(&snap);
	for (size_t i = 0; spelling(i, typed, sizeof(typed)); i++)
		for (int k = 0; k < 2; k++)
			if (!ds_guid_equal(&before[k][i], &nobody) &&
			    !ds_guid_equal(&before[k][i], &after[k][i]))
				fail_msg("'%s' was taken from its owner",
					 typed);
}

static void random_directories(void **state)
{
	const char *given = getenv("DSSYNC_SEED");
	int rounds = ROUNDS / (int)unit_step();
	struct ds_snap snap;

	(void)state;
	if (given)
		seed = (uint32_t)strtoul(given, NULL, 0) | 1;
	nw_init(&world);
	for (int round = 0; round < rounds; round++) {
		policy();
		populate();
		nw_publish(&world, NULL);
		assert_int_equal(
		    ds_snap_open(nw_path(), DS_SNAP_BASE, geteuid(), &snap),
		    0);
		check_users(&snap);
		check_groups(&snap);
		ds_snap_close(&snap);
		newcomer_takes_nothing();
	}
	print_message("%zu users seen\n", seen);
	assert_true(seen > (size_t)rounds);
	nw_done(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_directories),
	};

	return cmocka_run_group_tests(tests, nw_group_setup,
				      nw_group_teardown);
}

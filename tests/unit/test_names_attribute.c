/*
 * id_mapping = attribute: uidNumber and gidNumber are the ids, and nothing
 * else is; who lacks one, or has a bad one, is withheld and told why.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/names_world.h"

static struct names_world world;
static struct dss_model model;
static uint32_t local_ids[] = { 20005 };

static int setup(void **state)
{
	(void)state;
	nw_init(&world);
	world.config.identity.id_mapping = DS_IDMAP_ATTRIBUTE;
	world.config.identity.id_range.min = 10000;
	world.locals.ids = local_ids;
	world.locals.nids = 1;
	world.objs[0].gid_number = 10513; /* Domain Users */
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dss_model_done(&model);
	nw_done(&world);
	return 0;
}

static struct dss_object *user(uint32_t rid, uint32_t uid)
{
	const char *name = dss_arena_printf(&world.arena, "u%u", rid);
	struct dss_object *obj =
	    nw_user(&world, rid, name,
		    dss_arena_printf(&world.arena, "%s@contoso.com", name));

	obj->uid_number = uid;
	return obj;
}

static struct dss_object *group(uint32_t rid, uint32_t gid)
{
	struct dss_object *obj =
	    nw_group(&world, rid, dss_arena_printf(&world.arena, "g%u", rid));

	obj->gid_number = gid;
	return obj;
}

static void own_gid(struct dss_object *obj, uint32_t gid)
{
	obj->gid_number = gid;
	obj->present |= DSS_F_GID_NUMBER;
}

static void build(void)
{
	dss_model_done(&model);
	nw_publish(&world, &model);
}

static const struct dss_model_user *find(uint32_t rid)
{
	for (size_t i = 0; i < model.nusers; i++)
		if (model.users[i].obj->created == 1000 + rid)
			return &model.users[i];
	return NULL;
}

static void expect(uint32_t rid, uint32_t uid, uint32_t gid)
{
	const struct dss_model_user *u = find(rid);

	assert_non_null(u);
	assert_int_equal(u->uid, uid);
	assert_int_equal(u->gid, gid);
}

/* Withheld for this reason, and the sentence has this in it. */
static void withheld(uint32_t rid, enum ds_withheld reason, const char *part)
{
	for (size_t i = 0; i < model.nnotes; i++) {
		const struct ds_snap_note *note = &model.notes[i];

		if (((uint32_t)note->guid.b[1] << 8 | note->guid.b[2]) != rid)
			continue;
		assert_int_equal(note->reason, reason);
		if (!strstr(note->detail, part))
			fail_msg("%u: %s", rid, note->detail);
		return;
	}
	fail_msg("%u is not withheld", rid);
}

static void numbers_are_ids(void **state)
{
	struct nw_answer a;

	(void)state;
	user(1101, 10001);
	user(1102, 2000200000);
	own_gid(user(1103, 10003), 20001);
	group(1001, 20001);
	group(1002, 10001); /* a uid is no gid */
	build();
	expect(1101, 10001, 10513);
	expect(1102, 2000200000, 10513);
	expect(1103, 10003, 20001);
	assert_int_equal(model.nnotes, 0);
	assert_int_equal(model.nslices, 0);
	nw_ask_user(NW_NSS, "u1101@contoso.com", &a);
	assert_int_equal(a.id, 10001);
	nw_ask_group(NW_NSS, "g1001@" DOMAIN, &a);
	assert_int_equal(a.id, 20001);
}

/* The number of an account that cannot be published is not given away. */
static void broken_keeps_its_number(void **state)
{
	(void)state;
	user(1101, 10001)->malformed |= DSS_F_UAC;
	user(1102, 10001);
	user(1103, 10002)->present &= ~(uint32_t)DSS_F_UAC;
	user(1104, 10002);
	user(1105, 0)->present &= ~(uint32_t)(DSS_F_UAC | DSS_F_UID_NUMBER);
	user(1106, 10003);
	build();
	withheld(1101, DS_WH_MALFORMED, "userAccountControl");
	withheld(1102, DS_WH_ID_CONFLICT, "u1101");
	withheld(1104, DS_WH_ID_CONFLICT, "u1103");
	assert_int_equal(model.nnotes, 5); /* one for each */
	assert_int_equal(model.nusers, 1);
	expect(1106, 10003, 10513);
}

static void what_is_refused(void **state)
{
	(void)state;
	user(1101, 0)->present &= ~(uint32_t)DSS_F_UID_NUMBER;
	user(1102, 0)->present &= ~(uint32_t)DSS_F_UID_NUMBER;
	world.objs[world.count - 1].malformed |= DSS_F_UID_NUMBER;
	user(1103, 0);
	user(1104, 999);
	user(1105, 9999);
	user(1106, 62000);
	user(1107, 2000200001);
	user(1108, 20005);
	user(1109, 10001);
	user(1110, 10001);
	group(1001, 0)->present &= ~(uint32_t)DSS_F_GID_NUMBER;
	group(1002, 20005);
	group(1003, 10513);
	build();
	withheld(1101, DS_WH_NO_ID, "it has no uidNumber");
	withheld(1102, DS_WH_MALFORMED, "its uidNumber is no number");
	withheld(1103, DS_WH_ID_RANGE, "outside id_range");
	withheld(1104, DS_WH_ID_RANGE, "outside id_range");
	withheld(1105, DS_WH_ID_RANGE, "outside id_range");
	withheld(1106, DS_WH_ID_RANGE, "reserved for the system");
	withheld(1107, DS_WH_ID_RANGE, "outside id_range");
	withheld(1108, DS_WH_LOCAL_ID, "20005");
	expect(1109, 10001, 10513);
	withheld(1110, DS_WH_ID_CONFLICT, "u1109");
	withheld(1001, DS_WH_NO_ID, "it has no gidNumber");
	withheld(1002, DS_WH_LOCAL_ID, "20005");
	withheld(1003, DS_WH_ID_CONFLICT, "Domain Users");
	assert_int_equal(model.nusers, 1);
	assert_int_equal(model.ngroups, 1);
}

/* The number of an object that the domain did not make is nobody's. */
static void foreign_sid(void **state)
{
	(void)state;
	user(1101, 10001)->sid.sub[3]++;
	user(1102, 10002)->sid.count = 0;
	build();
	withheld(1101, DS_WH_MALFORMED, "SID");
	withheld(1102, DS_WH_MALFORMED, "SID");
	assert_int_equal(model.nusers, 0);
}

static void primary_group(void **state)
{
	static char team[] = "OU=Teams," BASE_DN, *bases[] = { team, NULL };

	(void)state;
	own_gid(user(1101, 10001), 20001);
	own_gid(user(1102, 10002), 20002); /* no group */
	own_gid(user(1103, 10003), 20005); /* a local one's */
	own_gid(user(1104, 10004), 0);
	user(1105, 10005)->malformed |= DSS_F_GID_NUMBER; /* no value, then */
	group(1001, 20001);
	build();
	expect(1101, 10001, 20001);
	withheld(1102, DS_WH_FIELD, "has its gidNumber 20002");
	withheld(1103, DS_WH_FIELD, "has its gidNumber 20005");
	withheld(1104, DS_WH_FIELD, "has its gidNumber 0");
	withheld(1105, DS_WH_FIELD, "its gidNumber is no number");
	/* Outside of the scope it is published as somebody's primary. */
	world.config.sync.bases = bases;
	world.objs[1].dn = "CN=u,OU=Teams," BASE_DN;
	build();
	expect(1101, 10001, 20001);
	/* ... and it, and the directory's own, are all that is. */
	assert_int_equal(model.ngroups, 2);
	/* Without a gidNumber the primary group's own counts. */
	world.objs[1].present &= ~(uint32_t)DSS_F_GID_NUMBER;
	build();
	expect(1101, 10001, 10513);
	world.objs[0].present &= ~(uint32_t)DSS_F_GID_NUMBER;
	build();
	withheld(1101, DS_WH_FIELD, "neither it nor its primary group");
	assert_int_equal(model.nusers, 0);
}

/*
 * Whoever may write a gidNumber gets that one gid, not what the group is
 * nested in; the directory's own groups stay.
 */
static void number_is_no_membership(void **state)
{
	struct dss_object *inner, *outer;
	const struct dss_model_user *u;

	(void)state;
	own_gid(user(1101, 10001), 20001);
	own_gid(user(1102, 10002), 10513);
	inner = group(1001, 20001);
	outer = group(1002, 20002);
	assert_int_equal(
	    dss_members_change(outer, true, &inner->guid, 1, &world.arena), 0);
	build();
	u = find(1101);
	assert_int_equal(u->gid, 20001);
	assert_int_equal(u->ngids, 1);
	assert_int_equal(u->gids[0], 10513);
	/* The same group by number and by membership nests. */
	assert_int_equal(dss_members_change(outer, true, &world.objs[0].guid,
					    1, &world.arena),
			 0);
	build();
	u = find(1102);
	assert_int_equal(u->gid, 10513);
	assert_int_equal(u->ngids, 1);
	assert_int_equal(u->gids[0], 20002);
}

/* An account without a number keeps its names from others all the same. */
static void names_stay(void **state)
{
	struct nw_answer a;

	(void)state;
	user(1101, 0)->present &= ~(uint32_t)DSS_F_UID_NUMBER;
	user(1102, 10002)->upn = "U1101@contoso.com";
	build();
	assert_int_equal(model.nusers, 0);
	withheld(1102, DS_WH_NAME_CONFLICT, "u1101");
	nw_ask_user(NW_NSS, "u1101@contoso.com", &a);
	assert_int_equal(a.id, 0);
}

/* Elsewhere the numbers are nobody's business. */
static void other_mappings_ignore_them(void **state)
{
	(void)state;
	world.config.identity.id_mapping = DS_IDMAP_SID;
	world.config.identity.id_range.min = 200000;
	own_gid(user(1101, 5), 7);
	world.objs[1].malformed |= DSS_F_UID_NUMBER | DSS_F_GID_NUMBER;
	build();
	expect(1101, BASE_ID + 1101, BASE_ID + 513);
	assert_int_equal(model.nnotes, 0);
}

#define ATTRIBUTE_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ATTRIBUTE_TEST(numbers_are_ids),
		ATTRIBUTE_TEST(what_is_refused),
		ATTRIBUTE_TEST(broken_keeps_its_number),
		ATTRIBUTE_TEST(foreign_sid),
		ATTRIBUTE_TEST(primary_group),
		ATTRIBUTE_TEST(number_is_no_membership),
		ATTRIBUTE_TEST(names_stay),
		ATTRIBUTE_TEST(other_mappings_ignore_them),
	};

	return cmocka_run_group_tests(tests, nw_group_setup,
				      nw_group_teardown);
}

/*
 * id_mapping = sidhistory: whose SID counts, which group is the primary one,
 * who is refused; and slices, given out once and never moved.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/names_world.h"

/* The vectors of test_sid.c: 674001013 and 770801107. */
#define ONPREM      "S-1-5-21-3623811015-3361044348-30300820"
#define FOREST      "S-1-5-21-2153326666-2176343378-3404031434"
#define STRANGER    "S-1-5-21-1-2-3"
#define TWIN        "S-1-5-21-7-7-20033" /* its slice is ONPREM's */
#define ONPREM_BASE 674000000u
#define FOREST_BASE 770800000u

static struct names_world world;
static struct dss_model model;
static char onprem[] = ONPREM, forest[] = FOREST, own[] = DOMAIN_SID;
static char *domains[] = { onprem, forest, own, NULL };

static int setup(void **state)
{
	(void)state;
	nw_init(&world);
	world.config.identity.id_mapping = DS_IDMAP_SIDHISTORY;
	world.config.identity.sid_history_domains = domains;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dss_model_done(&model);
	nw_done(&world);
	return 0;
}

static struct dss_object *user(uint32_t rid, const char *sid)
{
	const char *name = dss_arena_printf(&world.arena, "u%u", rid);
	struct dss_object *obj =
	    nw_user(&world, rid, name,
		    dss_arena_printf(&world.arena, "%s@contoso.com", name));

	if (sid)
		nw_history(&world, obj, sid);
	return obj;
}

static void build(void)
{
	dss_model_done(&model);
	nw_publish(&world, &model);
}

/* The user's uid and gid; 0: withheld. */
static void expect(uint32_t rid, uint32_t uid, uint32_t gid)
{
	for (size_t i = 0; i < model.nusers; i++) {
		const struct dss_model_user *u = &model.users[i];

		if (u->obj->created != 1000 + rid)
			continue;
		assert_int_equal(u->uid, uid);
		assert_int_equal(u->gid, gid);
		return;
	}
	assert_int_equal(uid, 0);
}

static const struct ds_snap_note *note_of(uint32_t rid)
{
	for (size_t i = 0; i < model.nnotes; i++) {
		const uint8_t *b = model.notes[i].guid.b;

		if (((uint32_t)b[1] << 8 | b[2]) == rid)
			return &model.notes[i];
	}
	return NULL;
}

static int reason(uint32_t rid)
{
	return note_of(rid) ? (int)note_of(rid)->reason : 0;
}

static const char *detail(uint32_t rid)
{
	return note_of(rid) ? note_of(rid)->detail : "";
}

static const struct dss_model_group *group(uint32_t gid)
{
	for (size_t i = 0; i < model.ngroups; i++)
		if (model.groups[i].gid == gid)
			return &model.groups[i];
	return NULL;
}

static void whose_sid_counts(void **state)
{
	(void)state;
	user(1101, ONPREM "-1013");
	user(1102, FOREST "-1107");
	user(1103, STRANGER "-1108"); /* not listed */
	user(1104, NULL);
	/* The order is the configuration's, whatever the values'. */
	nw_history(&world, user(1105, FOREST "-1200"), ONPREM "-1014");
	/* The managed domain's own SIDs are nobody's history. */
	user(1106, DOMAIN_SID "-1104");
	nw_history(&world, user(1107, STRANGER "-1"), FOREST "-1300");
	/* Twice the same is one. */
	nw_history(&world, user(1108, ONPREM "-1015"), ONPREM "-1015");
	build();
	expect(1101, ONPREM_BASE + 1013, ONPREM_BASE + 513);
	expect(1102, FOREST_BASE + 1107, FOREST_BASE + 513);
	expect(1103, BASE_ID + 1103, BASE_ID + 513);
	expect(1104, BASE_ID + 1104, BASE_ID + 513);
	expect(1105, ONPREM_BASE + 1014, ONPREM_BASE + 513);
	expect(1106, BASE_ID + 1106, BASE_ID + 513);
	expect(1107, FOREST_BASE + 1300, FOREST_BASE + 513);
	expect(1108, ONPREM_BASE + 1015, ONPREM_BASE + 513);
	assert_int_equal(model.nnotes, 0);
}

/* An objectSid that cannot be read leaves its object alone out. */
static void history_without_sid(void **state)
{
	struct dss_object *obj = user(1101, ONPREM "-1013");

	(void)state;
	obj->sid = (struct ds_sid){ .count = 0 };
	obj->present &= ~(uint32_t)DSS_F_SID;
	user(1102, ONPREM "-1014");
	build();
	expect(1101, 0, 0);
	assert_int_equal(reason(1101), DS_WH_MALFORMED);
	expect(1102, ONPREM_BASE + 1014, ONPREM_BASE + 513);
}

/* What is nobody's account, or nobody's domain, is no history either. */
static void odd_values(void **state)
{
	static const char *const odd[] = { "S-1-1-0",      "S-1-5-18",
					   "S-1-5-32-544", "S-1-5-21-500",
					   DOMAIN_SID,     ONPREM,
					   FOREST,         ONPREM "-1-1013",
					   "S-1-22-1-1000" };

	(void)state;
	for (uint32_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		user(1101 + i, odd[i]);
	/* The objectSid of somebody else, in both directions. */
	user(1201, DOMAIN_SID "-1202");
	user(1202, DOMAIN_SID "-1201");
	/* A group's is no user's: these are two lists of ids. */
	nw_history(&world, nw_group(&world, 1001, "Team"), ONPREM "-1013");
	user(1301, ONPREM "-1013");
	build();
	for (uint32_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		expect(1101 + i, BASE_ID + 1101 + i, BASE_ID + 513);
	expect(1201, BASE_ID + 1201, BASE_ID + 513);
	expect(1202, BASE_ID + 1202, BASE_ID + 513);
	expect(1301, ONPREM_BASE + 1013, ONPREM_BASE + 513);
	assert_non_null(group(ONPREM_BASE + 1013));
	assert_int_equal(model.nnotes, 0);
}

/* The old id and the new one, for whoever looks for the owner of a file. */
static void shown(void **state)
{
	struct nw_answer a;

	(void)state;
	nw_history(&world, user(1101, ONPREM "-1013"), FOREST "-1107");
	build();
	nw_ask_user(NW_CLI, "u1101@contoso.com", &a);
	assert_int_equal(a.id, ONPREM_BASE + 1013);
	assert_non_null(strstr(nw_explained(),
			       "[{\"sid\": \"" DOMAIN_SID "-1101\", "
			       "\"id\": 266801101}, "
			       "{\"sid\": \"" ONPREM "-1013\", "
			       "\"id\": 674001013}, "
			       "{\"sid\": \"" FOREST "-1107\", "
			       "\"id\": 770801107}]"));
}

static void refused(void **state)
{
	(void)state;
	/* Two users with one value: the older has it. */
	user(1102, ONPREM "-1013");
	user(1101, ONPREM "-1013");
	/* Two SIDs of one domain: no rule says which. */
	nw_history(&world, user(1103, ONPREM "-1"), ONPREM "-2");
	/* ... but only of the one that counts. */
	nw_history(&world, user(1104, ONPREM "-3"), FOREST "-2");
	nw_history(&world, user(1105, FOREST "-5"), FOREST "-6");
	/* A value that breaks its format, whatever the others say. */
	user(1106, ONPREM "-7")->malformed |= DSS_F_HISTORY;
	user(1107, NULL)->malformed |= DSS_F_HISTORY;
	build();
	expect(1101, ONPREM_BASE + 1013, ONPREM_BASE + 513);
	expect(1102, 0, 0);
	assert_int_equal(reason(1102), DS_WH_ID_CONFLICT);
	expect(1103, 0, 0);
	assert_int_equal(reason(1103), DS_WH_ID_CONFLICT);
	expect(1104, ONPREM_BASE + 3, ONPREM_BASE + 513);
	expect(1105, 0, 0);
	expect(1106, 0, 0);
	expect(1107, 0, 0);
	/* Where history does not count, it does no harm. */
	world.config.identity.id_mapping = DS_IDMAP_SID;
	build();
	expect(1101, BASE_ID + 1101, BASE_ID + 513);
	expect(1106, BASE_ID + 1106, BASE_ID + 513);
	/* It is said all the same. */
	assert_int_equal(model.nnotes, 2);
	assert_int_equal(reason(1106), DS_WH_IN_PART);
	assert_int_equal(reason(1107), DS_WH_IN_PART);
}

static void primary_group(void **state)
{
	struct nw_answer a;

	(void)state;
	user(1101, ONPREM "-1013");
	user(1102, NULL);
	build();
	/* A group of its own, and the directory's stays one of the user's. */
	assert_non_null(group(ONPREM_BASE + 513));
	assert_string_equal(
	    group(ONPREM_BASE + 513)->name,
	    "s-1-5-21-3623811015-3361044348-30300820-513@" DOMAIN);
	assert_int_equal(model.users[0].ngids, 1);
	assert_int_equal(model.users[0].gids[0], BASE_ID + 513);
	assert_int_equal(model.users[1].ngids, 0);
	nw_ask_group(NW_NSS, NETBIOS "\\" ONPREM "-513", &a);
	assert_int_equal(a.id, ONPREM_BASE + 513);
	/* Not for domains that nobody comes from. */
	assert_null(group(FOREST_BASE + 513));
	/* A group of the directory that has that SID as history is it. */
	nw_history(&world, nw_group(&world, 1001, "Old Users"), ONPREM "-513");
	build();
	expect(1101, ONPREM_BASE + 1013, ONPREM_BASE + 513);
	assert_string_equal(group(ONPREM_BASE + 513)->name,
			    "old users@" DOMAIN);
	assert_int_equal(model.nnotes, 0);
}

static void groups_too(void **state)
{
	struct ds_guid member;
	struct dss_object *team;

	(void)state;
	member = user(1101, ONPREM "-1013")->guid;
	team = nw_group(&world, 1001, "Team");
	nw_history(&world, team, FOREST "-1500");
	assert_int_equal(
	    dss_members_change(team, true, &member, 1, &world.arena), 0);
	build();
	assert_non_null(group(FOREST_BASE + 1500));
	assert_int_equal(model.users[0].ngids, 2);
	assert_int_equal(model.users[0].gids[1], FOREST_BASE + 1500);
}

/* The group's name cannot be had by a directory that got there first. */
static void made_up_group_is_not_to_be_had(void **state)
{
	(void)state;
	nw_group(&world, 1, ONPREM "-513")->created = 1;
	user(1101, ONPREM "-1013");
	build();
	expect(1101, ONPREM_BASE + 1013, ONPREM_BASE + 513);
	assert_int_equal(group(ONPREM_BASE + 513)->nmembers, 0);
	assert_null(group(BASE_ID + 1));
	assert_int_equal(reason(1), DS_WH_NAME_CONFLICT);
}

/* ---- slices --------------------------------------------------------------
 */

/* One slice for two domains: SSSD would give TWIN the next one, or ONPREM if
 * it met TWIN first (test_names_idmap.c).  We refuse, and say so. */
static void clash_is_refused(void **state)
{
	static char twin[] = TWIN;
	char *list[] = { onprem, twin, NULL };

	(void)state;
	world.config.identity.sid_history_domains = list;
	user(1101, ONPREM "-1013");
	user(1102, TWIN "-2000");
	build();
	expect(1101, ONPREM_BASE + 1013, ONPREM_BASE + 513);
	expect(1102, 0, 0);
	assert_int_equal(reason(1102), DS_WH_ID_CONFLICT);
	assert_string_equal(detail(1102), "the ids of " TWIN " would be those "
					  "of " ONPREM ", which has them "
					  "already");
	/* In the other order the other one, */
	list[0] = twin, list[1] = onprem;
	build();
	expect(1101, 0, 0);
	expect(1102, ONPREM_BASE + 2000, ONPREM_BASE + 513);
	assert_string_equal(detail(1101), "the ids of " ONPREM " would be "
					  "those of " TWIN ", which has them "
					  "already");
	/* unless it was given away before. */
	world.facts.pins = (const struct dss_slice[]){ { 3369, ONPREM } };
	world.facts.npins = 1;
	build();
	expect(1101, ONPREM_BASE + 1013, ONPREM_BASE + 513);
	expect(1102, 0, 0);
	world.facts.npins = 0;
}

static void secondary_slices(void **state)
{
	(void)state;
	user(250123, NULL);
	user(1101, ONPREM "-250123");
	user(1102, ONPREM "-250124");
	build();
	/* The vector of the secondary slice. */
	expect(1101, 1787250123u, ONPREM_BASE + 513);
	expect(1102, 1787250124u, ONPREM_BASE + 513);
	/* managed, two of history, and a secondary one of each of two */
	assert_int_equal(model.nslices, 5);
	assert_string_equal(model.slices[0].name, DOMAIN_SID);
	assert_string_equal(model.slices[1].name, ONPREM);
	assert_string_equal(model.slices[2].name, FOREST);
	assert_string_equal(model.slices[3].name, DOMAIN_SID "-200000");
	assert_string_equal(model.slices[4].name, ONPREM "-200000");
	/* A newcomer does not take the slice of one that is pinned. */
	world.facts.pins = (const struct dss_slice[]){ { model.slices[3].slice,
							 ONPREM "-200000" } };
	world.facts.npins = 1;
	build();
	expect(250123, 0, 0);
	expect(1101, 1787250123u, ONPREM_BASE + 513);
	world.facts.npins = 0;
}

#define HISTORY_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HISTORY_TEST(whose_sid_counts),
		HISTORY_TEST(history_without_sid),
		HISTORY_TEST(odd_values),
		HISTORY_TEST(shown),
		HISTORY_TEST(refused),
		HISTORY_TEST(primary_group),
		HISTORY_TEST(groups_too),
		HISTORY_TEST(made_up_group_is_not_to_be_had),
		HISTORY_TEST(clash_is_refused),
		HISTORY_TEST(secondary_slices),
	};

	return cmocka_run_group_tests(tests, nw_group_setup,
				      nw_group_teardown);
}

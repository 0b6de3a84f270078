/*
 * From objects to what is published: names, ids and fields.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include "tests/unit/model_world.h"

static void test_names_and_ids(void **state)
{
	struct world *w = *state;

	add_group(w, 513, "Domain Users");
	add_user(w, 1101, "driley", "DRiley@Contoso.COM");
	add_user(w, 1102, "svc (1a2b)", "");
	build(w);
	assert_int_equal(w->model.nusers, 2);
	assert_int_equal(w->model.nnotes, 0);
	assert_string_equal(user(w, 1101)->name, "driley@contoso.com");
	assert_string_equal(user(w, 1101)->home, "/home/driley@contoso.com");
	assert_string_equal(user(w, 1101)->shell, "/bin/bash");
	assert_int_equal(user(w, 1101)->uid, BASE_ID + 1101);
	assert_int_equal(user(w, 1101)->gid, BASE_ID + 513);
	assert_string_equal(user(w, 1102)->name, "svc (1a2b)@example.com");
	assert_string_equal(group(w, 513)->name, "domain users@example.com");
	/* Members by primary group are not listed, as in the directory. */
	assert_int_equal(group(w, 513)->nmembers, 0);
	assert_int_equal(user(w, 1101)->ngids, 0);
}

static void test_rid_mapping(void **state)
{
	struct world *w = *state;

	w->config.identity.id_mapping = DS_IDMAP_RID;
	add_group(w, 513, "Domain Users");
	add_user(w, 1101, "driley", "driley@contoso.com");
	build(w);
	assert_int_equal(user(w, 1101)->uid, 201101);
	assert_int_equal(user(w, 1101)->gid, 200513);
}

static void test_never_published(void **state)
{
	struct world *w = *state;

	add_group(w, 513, "Domain Users");
	add_user(w, 1101, "host$", "")->uac = 0x1000;
	add_user(w, 1102, "trust$", "")->uac = 0x800;
	add_user(w, 1103, "dc$", "")->uac = 0x2000;
	add_user(w, 1104, "both$", "")->uac = 0x1200;
	add(w, DSS_KIND_OTHER, 1105, "pc$");
	add_group(w, 1106, "mailing list")->group_type = 2;
	assert_int_equal(
	    ds_sid_parse_str("S-1-5-32-544",
			     &add_group(w, 544, "Administrators")->sid),
	    0);
	/* Disabled accounts own files: they stay. */
	add_user(w, 1107, "gone", "gone@contoso.com")->uac = 0x202;
	build(w);
	assert_int_equal(w->model.nusers, 1);
	assert_int_equal(w->model.users[0].flags, DS_ID_DISABLED);
	assert_int_equal(w->model.ngroups, 1);
	assert_int_equal(w->model.nnotes, 0);
}

static void test_duplicate_upn(void **state)
{
	struct world *w = *state;

	add_group(w, 513, "Domain Users");
	add_user(w, 1102, "b", "Bob@contoso.com");
	add_user(w, 1101, "a", "bob@CONTOSO.com");
	build(w);
	assert_non_null(user(w, 1101));
	assert_null(user(w, 1102));
	assert_int_equal(withheld(w, 1102), DS_WH_NAME_CONFLICT);
	/* The same age: the GUID decides, however they come. */
	w->objs[1].created = w->objs[2].created;
	build(w);
	assert_int_equal(w->model.nusers, 1);
	assert_string_equal(w->model.users[0].obj->sam, "a");
}

static void test_unknown_age_is_newest(void **state)
{
	struct world *w = *state;

	add_group(w, 513, "Domain Users");
	add_user(w, 1101, "a", "bob@contoso.com")->present &=
	    ~(uint32_t)DSS_F_CREATED;
	add_user(w, 1102, "b", "bob@contoso.com");
	build(w);
	assert_null(user(w, 1101));
	assert_non_null(user(w, 1102));
}

/* A newcomer's UPN equals what an older one is called by sAMAccountName. */
static void test_upn_takes_no_implicit_name(void **state)
{
	struct world *w = *state;

	add_group(w, 513, "Domain Users");
	add_user(w, 1101, "bob", "robert@contoso.com");
	add_user(w, 1102, "mallory", "Bob@Example.com");
	build(w);
	assert_non_null(user(w, 1101));
	assert_int_equal(withheld(w, 1102), DS_WH_NAME_CONFLICT);
	/* The other way round the newcomer loses only that spelling. */
	w->objs[2].created = 1;
	build(w);
	assert_int_equal(w->model.nusers, 2);
	assert_int_equal(w->model.nnotes, 0);
	/* ... unless it has no other. */
	w->objs[1].upn = "";
	build(w);
	assert_int_equal(w->model.nusers, 1);
	assert_int_equal(withheld(w, 1101), DS_WH_NAME_CONFLICT);
}

/* A name's owner keeps it also when it is withheld for another reason. */
static void test_withheld_owner_keeps_name(void **state)
{
	struct world *w = *state;

	add_group(w, 513, "Domain Users");
	add_user(w, 1101, "a", "bob@contoso.com")->malformed = DSS_F_UAC;
	add_user(w, 1102, "b", "bob@contoso.com");
	build(w);
	assert_int_equal(w->model.nusers, 0);
	assert_int_equal(withheld(w, 1101), DS_WH_MALFORMED);
	assert_int_equal(withheld(w, 1102), DS_WH_NAME_CONFLICT);
}

static void test_duplicate_sam(void **state)
{
	struct world *w = *state;

	add_group(w, 513, "Domain Users");
	add_group(w, 1101, "Team");
	add_group(w, 1102, "tEAM");
	add_user(w, 1103, "x", "x1@contoso.com");
	add_user(w, 1104, "X", "x2@contoso.com");
	/* A user and a group may be called the same. */
	add_user(w, 1105, "team", "team@contoso.com");
	build(w);
	assert_non_null(group(w, 1101));
	assert_int_equal(withheld(w, 1102), DS_WH_NAME_CONFLICT);
	assert_non_null(user(w, 1103));
	assert_int_equal(withheld(w, 1104), DS_WH_NAME_CONFLICT);
	assert_non_null(user(w, 1105));
}

static void test_bad_names(void **state)
{
	static const char *const bad[] = { "a:b@c", "a/b@c",  "a\\b@c",
					   "a,b@c", "a\nb@c", "a\xff@c",
					   "bare" };
	struct world *w = *state;
	uint32_t rid = 1101;

	add_group(w, 513, "Domain Users");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		add_user(w, rid++, bad[i], bad[i]);
	add_group(w, 1200, "a:b");
	add_group(w, 1201, "a@b");
	/* A broken sAMAccountName is not matched; the UPN is good. */
	add_user(w, 1202, "a@b", "good@contoso.com");
	build(w);
	assert_int_equal(w->model.nusers, 1);
	assert_null(w->model.users[0].key_sam);
	assert_int_equal(w->model.ngroups, 1);
	for (uint32_t i = 1101; i < rid; i++)
		assert_int_equal(withheld(w, i), DS_WH_NAME_SYNTAX);
	assert_int_equal(withheld(w, 1200), DS_WH_NAME_SYNTAX);
	assert_int_equal(withheld(w, 1201), DS_WH_NAME_SYNTAX);
}

static void test_local_ids(void **state)
{
	struct world *w = *state;
	uint32_t ids[] = { 0, 1000, BASE_ID + 1101, BASE_ID + 1102,
			   BASE_ID + 1200 };

	w->locals.ids = ids;
	w->locals.nids = sizeof(ids) / sizeof(ids[0]);
	add_group(w, 513, "Domain Users");
	add_user(w, 1101, "a", "a@contoso.com");
	add_group(w, 1102, "local");
	/* Its primary group's gid is a local one's. */
	add_group(w, 1200, "also local");
	add_user(w, 1103, "b", "b@contoso.com")->primary_rid = 1200;
	build(w);
	assert_int_equal(withheld(w, 1101), DS_WH_LOCAL_ID);
	assert_int_equal(withheld(w, 1102), DS_WH_LOCAL_ID);
	assert_int_equal(withheld(w, 1103), DS_WH_FIELD);
	assert_int_equal(w->model.nusers, 0);
	assert_int_equal(w->model.ngroups, 1);
}

static void test_foreign_and_duplicate_ids(void **state)
{
	struct world *w = *state;

	add_group(w, 513, "Domain Users");
	assert_int_equal(
	    ds_sid_parse_str("S-1-5-21-1-2-3-1101",
			     &add_user(w, 1101, "a", "a@contoso.com")->sid),
	    0);
	add_user(w, 1102, "b", "b@contoso.com");
	add_user(w, 1103, "c", "c@contoso.com")->sid = w->objs[2].sid;
	add_user(w, 1104, "d", "d@contoso.com")->sid.count = 0;
	build(w);
	assert_int_equal(withheld(w, 1101), DS_WH_MALFORMED);
	assert_non_null(user(w, 1102));
	assert_int_equal(withheld(w, 1103), DS_WH_ID_CONFLICT);
	assert_int_equal(withheld(w, 1104), DS_WH_MALFORMED);
}

static void test_id_range(void **state)
{
	struct world *w = *state;

	w->config.identity.id_mapping = DS_IDMAP_RID;
	w->config.identity.id_range.max = 201000;
	add_group(w, 513, "Domain Users");
	add_user(w, 900, "a", "a@contoso.com");
	add_user(w, 1101, "b", "b@contoso.com");
	build(w);
	assert_non_null(user(w, 900));
	assert_int_equal(withheld(w, 1101), DS_WH_ID_RANGE);
	/* Ids of the system are refused whatever the range says. */
	w->config.identity.id_range.min = 60784; /* + 900: 61684 */
	w->config.identity.id_range.max = 70000;
	build(w);
	assert_int_equal(withheld(w, 900), DS_WH_ID_RANGE);
}

static void test_bare_names(void **state)
{
	static char wheel[] = "wheel", locals[] = "postgres";
	static char *reserved[] = { wheel, NULL };
	char *local_names[] = { locals };
	struct world *w = *state;

	w->config.identity.name_format = DS_FORMAT_SAM;
	w->config.identity.group_format = DS_FORMAT_SAM;
	w->config.identity.reserved_names = reserved;
	w->locals.names = local_names;
	w->locals.nnames = 1;
	add_group(w, 513, "Domain Users");
	add_group(w, 1001, "Wheel");
	add_group(w, 1002, "0");
	add_group(w, 1003, "staff");
	add_user(w, 1101, "Postgres", "p@contoso.com");
	add_user(w, 1102, "#0", "z@contoso.com");
	add_user(w, 1103, "Anna", "a@contoso.com");
	build(w);
	assert_string_equal(user(w, 1103)->name, "anna");
	assert_int_equal(w->model.nusers, 1);
	assert_string_equal(group(w, 1003)->name, "staff");
	assert_int_equal(w->model.ngroups, 2);
	assert_int_equal(w->model.nnotes, 4);
}

/* With qualified names they are published, but not found by a bare name. */
static void test_not_bare(void **state)
{
	static char wheel[] = "wheel", locals[] = "postgres";
	static char *reserved[] = { wheel, NULL };
	char *local_names[] = { locals };
	struct world *w = *state;

	w->config.identity.reserved_names = reserved;
	w->locals.names = local_names;
	w->locals.nnames = 1;
	add_group(w, 513, "Domain Users");
	add_user(w, 1101, "Postgres", "p@contoso.com");
	add_user(w, 1102, "WHEEL", "w@contoso.com");
	add_user(w, 1103, "Anna", "a@contoso.com");
	build(w);
	assert_true(user(w, 1101)->not_bare);
	assert_true(user(w, 1102)->not_bare);
	assert_false(user(w, 1103)->not_bare);
}

static void test_home_that_climbs(void **state)
{
	static char climbing[] = "/home/%U";
	struct world *w = *state;

	w->config.identity.home = climbing;
	add_group(w, 513, "Domain Users");
	add_user(w, 1101, "a", "..@contoso.com");
	add_user(w, 1102, "b", "@contoso.com");
	add_user(w, 1103, "c", "c@contoso.com");
	build(w);
	assert_int_equal(withheld(w, 1101), DS_WH_FIELD);
	assert_int_equal(withheld(w, 1102), DS_WH_FIELD);
	assert_string_equal(user(w, 1103)->home, "/home/c");
}

static void test_held(void **state)
{
	struct world *w = *state;

	add_group(w, 513, "Domain Users");
	add_user(w, 1101, "a", "a@contoso.com")->flags = DSS_OBJ_HELD;
	build(w);
	assert_non_null(user(w, 1101));
	assert_int_equal(user(w, 1101)->flags, DS_ID_HELD);
	assert_int_equal(withheld(w, 1101), DS_WH_HELD_BACK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MODEL_TEST(test_names_and_ids),
		MODEL_TEST(test_rid_mapping),
		MODEL_TEST(test_never_published),
		MODEL_TEST(test_duplicate_upn),
		MODEL_TEST(test_unknown_age_is_newest),
		MODEL_TEST(test_upn_takes_no_implicit_name),
		MODEL_TEST(test_withheld_owner_keeps_name),
		MODEL_TEST(test_duplicate_sam),
		MODEL_TEST(test_bad_names),
		MODEL_TEST(test_local_ids),
		MODEL_TEST(test_foreign_and_duplicate_ids),
		MODEL_TEST(test_id_range),
		MODEL_TEST(test_bare_names),
		MODEL_TEST(test_not_bare),
		MODEL_TEST(test_home_that_climbs),
		MODEL_TEST(test_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

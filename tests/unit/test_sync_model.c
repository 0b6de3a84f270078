/*
 * From objects to what is published: names, ids, memberships, fields; and
 * that order does not matter.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/resolve.h"
#include "lib/snapshot_stamp.h"
#include "synccache/sync/model.h"
#include "synccache/sync/snapshots.h"
#include "tests/unit/sync_scope.h"

#define DOMAIN      "example.com"
#define DOMAIN_SID  "S-1-5-21-1004336348-1177238915-682003330"
#define BASE_ID     266800000u /* this domain's slice, PROTOCOL "Vectors" */
#define BASE_DN     "DC=example,DC=com"
#define UAC_NORMAL  0x200u
#define SECURITY    0x80000002u
#define MAX_OBJECTS 64

static char *no_list[] = { NULL };
static char domain_name[] = DOMAIN, home[] = "/home/%u", shell[] = "/bin/bash",
	    empty[] = "";

struct world {
	struct ds_config config;
	struct dss_locals locals;
	struct dss_facts facts;
	struct dss_object objs[MAX_OBJECTS];
	size_t count;
	struct dss_arena arena; /* of member lists */
	struct dss_model model;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	w->config.domain.name = domain_name;
	w->config.sync.bases = no_list;
	w->config.sync.groups = no_list;
	w->config.identity.name_format = DS_FORMAT_UPN;
	w->config.identity.group_format = DS_FORMAT_QUALIFIED;
	w->config.identity.id_range.min = 200000;
	w->config.identity.id_range.max = 2000200000;
	w->config.identity.home = home;
	w->config.identity.shell = shell;
	w->config.identity.space_replacement = empty;
	w->config.identity.reserved_names = no_list;
	w->facts.config = &w->config;
	w->facts.locals = &w->locals;
	w->facts.netbios = "EXAMPLE";
	w->facts.base_dn = BASE_DN;
	*state = w;
	return ds_sid_parse_str(DOMAIN_SID, &w->facts.domain_sid);
}

static int teardown(void **state)
{
	struct world *w = *state;

	dss_model_done(&w->model);
	dss_arena_done(&w->arena);
	free(w);
	return 0;
}

/* The object's number is also its RID. */
static struct dss_object *add(struct world *w, enum dss_kind kind,
			      uint32_t rid, const char *sam)
{
	struct ds_guid guid = { { (uint8_t)(rid >> 8), (uint8_t)rid, 1 } };
	struct dss_object *obj = &w->objs[w->count++];

	assert_true(w->count <= MAX_OBJECTS);
	dss_object_init(obj, &guid);
	obj->kind = kind;
	obj->sam = sam;
	obj->dn = "CN=x,OU=AADDC Users," BASE_DN;
	obj->created = 1000 + rid; /* older: a lower number */
	obj->present = DSS_F_CLASS | DSS_F_SID | DSS_F_SAM | DSS_F_CREATED;
	assert_int_equal(ds_sid_join(&w->facts.domain_sid, rid, &obj->sid), 0);
	return obj;
}

static struct dss_object *add_user(struct world *w, uint32_t rid,
				   const char *sam, const char *upn)
{
	struct dss_object *obj = add(w, DSS_KIND_USER, rid, sam);

	obj->upn = upn;
	obj->uac = UAC_NORMAL;
	obj->primary_rid = 513;
	obj->present |= DSS_F_UAC | DSS_F_PRIMARY;
	return obj;
}

static struct dss_object *add_group(struct world *w, uint32_t rid,
				    const char *sam)
{
	struct dss_object *obj = add(w, DSS_KIND_GROUP, rid, sam);

	obj->group_type = SECURITY;
	obj->present |= DSS_F_GROUP_TYPE;
	return obj;
}

static void join(struct world *w, struct dss_object *group,
		 const struct dss_object *member)
{
	struct ds_guid guid = member->guid;

	assert_int_equal(dss_members_change(group, true, &guid, 1, &w->arena),
			 0);
}

static void build(struct world *w)
{
	dss_model_done(&w->model);
	assert_int_equal(scope_mark(&w->facts, w->objs, w->count), 0);
	assert_int_equal(
	    dss_model_build(w->objs, w->count, &w->facts, &w->model), 0);
}

static const struct dss_model_user *user(const struct world *w, uint32_t rid)
{
	for (size_t i = 0; i < w->model.nusers; i++) {
		if (w->model.users[i].obj->created == 1000 + rid)
			return &w->model.users[i];
	}
	return NULL;
}

static const struct dss_model_group *group(const struct world *w, uint32_t rid)
{
	for (size_t i = 0; i < w->model.ngroups; i++) {
		if (w->model.groups[i].obj->created == 1000 + rid)
			return &w->model.groups[i];
	}
	return NULL;
}

/* The reason for which the object is withheld; 0: none. */
static int withheld(const struct world *w, uint32_t rid)
{
	for (size_t i = 0; i < w->model.nnotes; i++) {
		const uint8_t *b = w->model.notes[i].guid.b;

		if (((uint32_t)b[0] << 8 | b[1]) == rid)
			return (int)w->model.notes[i].reason;
	}
	return 0;
}

static bool in_group(const struct world *w, uint32_t rid, uint32_t group_rid)
{
	const struct dss_model_user *u = user(w, rid);

	assert_non_null(u);
	for (uint32_t i = 0; i < u->ngids; i++) {
		if (u->gids[i] == BASE_ID + group_rid)
			return true;
	}
	return false;
}

static bool lists(const struct world *w, uint32_t group_rid, uint32_t rid)
{
	const struct dss_model_group *g = group(w, group_rid);

	assert_non_null(g);
	for (uint32_t i = 0; i < g->nmembers; i++) {
		if (w->model.users[g->members[i]].obj->created == 1000 + rid)
			return true;
	}
	return false;
}

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

static void test_nesting(void **state)
{
	struct world *w = *state;
	struct dss_object *users, *a, *b, *c, *list, *held;
	struct dss_object *u;

	users = add_group(w, 513, "Domain Users");
	a = add_group(w, 1001, "a");
	b = add_group(w, 1002, "b");
	c = add_group(w, 1003, "c");
	list = add_group(w, 1004, "mailing list");
	held = add_group(w, 1005, "bad:name");
	add_group(w, 1006, "everyone");
	add_group(w, 1007, "by mail");
	u = add_user(w, 1101, "u", "u@contoso.com");
	add_user(w, 1102, "v", "v@contoso.com");
	list->group_type = 2;
	/* u in a in b in c in a: a ring. */
	join(w, a, u);
	join(w, b, a);
	join(w, c, b);
	join(w, a, c);
	/* Through the primary group. */
	join(w, &w->objs[6], users);
	/* A distribution list leads nowhere; a withheld group does. */
	join(w, list, u);
	join(w, &w->objs[7], list);
	join(w, held, u);
	join(w, b, held);
	build(w);
	assert_true(in_group(w, 1101, 1001));
	assert_true(in_group(w, 1101, 1002));
	assert_true(in_group(w, 1101, 1003));
	assert_true(in_group(w, 1101, 1006));
	assert_false(in_group(w, 1101, 513));
	assert_int_equal(user(w, 1101)->ngids, 4);
	assert_int_equal(user(w, 1102)->ngids, 1);
	assert_true(lists(w, 1003, 1101));
	assert_true(lists(w, 1006, 1102));
	assert_false(lists(w, 1003, 1102));
	assert_int_equal(group(w, 1007)->nmembers, 0);
	for (uint32_t i = 1; i < user(w, 1101)->ngids; i++)
		assert_true(user(w, 1101)->gids[i - 1] <
			    user(w, 1101)->gids[i]);
}

static void test_no_member_lists(void **state)
{
	struct world *w = *state;

	w->config.identity.group_members = DS_MEMBERS_NONE;
	add_group(w, 513, "Domain Users");
	add_group(w, 1001, "a");
	join(w, &w->objs[1], add_user(w, 1101, "u", "u@contoso.com"));
	build(w);
	assert_int_equal(group(w, 1001)->nmembers, 0);
	assert_true(in_group(w, 1101, 1001));
}

/* A member that the mirror does not know is no edge. */
static void test_unknown_member(void **state)
{
	struct world *w = *state;
	struct ds_guid stranger = { { 9, 9, 9 } };

	add_group(w, 513, "Domain Users");
	add_group(w, 1001, "a");
	assert_int_equal(
	    dss_members_change(&w->objs[1], true, &stranger, 1, &w->arena), 0);
	build(w);
	assert_int_equal(group(w, 1001)->nmembers, 0);
}

static void test_scope(void **state)
{
	static char base[] = "ou=wanted," BASE_DN;
	static char *bases[] = { base, NULL };
	struct world *w = *state;

	w->config.sync.bases = bases;
	/* Outside, but somebody's primary group. */
	add_group(w, 513, "Domain Users");
	add_group(w, 1001, "outside");
	add_group(w, 1002, "inside")->dn = "CN=i,OU=Wanted," BASE_DN;
	add_user(w, 1101, "in", "u@contoso.com")->dn =
	    "CN=u,OU=x,OU=Wanted," BASE_DN;
	/* Outside: claims no name either. */
	add_user(w, 1001, "out", "u@contoso.com");
	add_user(w, 1103, "near", "n@contoso.com")->dn =
	    "CN=nOU=Wanted," BASE_DN;
	build(w);
	assert_int_equal(w->model.nusers, 1);
	assert_non_null(user(w, 1101));
	assert_non_null(group(w, 513));
	assert_non_null(group(w, 1002));
	assert_null(group(w, 1001));
	/* Said, not published; what is published all the same is not. */
	assert_int_equal(w->model.nnotes, 3);
	assert_int_equal(withheld(w, 1001), DS_WH_SCOPE);
	assert_int_equal(withheld(w, 1103), DS_WH_SCOPE);
	assert_int_equal(withheld(w, 513), 0);
}

static void test_origin(void **state)
{
	struct world *w = *state;

	add_group(w, 513, "Domain Users");
	add_user(w, 1101, "cloud", "c@contoso.com");
	add_user(w, 1102, "onprem", "o@contoso.com")->nhistory = 1;
	w->config.sync.origin = DS_ORIGIN_ONPREM;
	build(w);
	assert_null(user(w, 1101));
	assert_int_equal(user(w, 1102)->flags, DS_ID_ONPREM);
	assert_non_null(group(w, 513));
	w->config.sync.origin = DS_ORIGIN_CLOUD;
	build(w);
	assert_non_null(user(w, 1101));
	assert_null(user(w, 1102));
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

static void shuffle(struct world *w, unsigned seed)
{
	for (size_t i = w->count; i > 1; i--) {
		size_t j;
		struct dss_object tmp = w->objs[i - 1];

		seed = seed * 1103515245u + 12345u;
		j = (seed >> 8) % i;
		w->objs[i - 1] = w->objs[j];
		w->objs[j] = tmp;
	}
}

static size_t snapshot(const struct world *w, uint8_t *buf, size_t cap)
{
	static const uint64_t key[2] = { 1, 2 };
	int fd = memfd_create("snapshot", MFD_CLOEXEC);
	struct ds_snapw *writer = NULL;
	ssize_t len;

	assert_int_equal(dss_snapshot_base(&w->model, "EXAMPLE", key, &writer),
			 0);
	assert_int_equal(ds_snapw_write(writer, fd), 0);
	ds_snapw_free(writer);
	len = pread(fd, buf, cap, 0);
	assert_true(len > 0 && (size_t)len < cap);
	assert_int_equal(close(fd), 0);
	return (size_t)len;
}

/* The same objects in any order give the same bytes. */
static void test_order_does_not_matter(void **state)
{
	static uint8_t first[1 << 20], other[1 << 20];
	struct world *w = *state;
	size_t len;

	add_group(w, 513, "Domain Users");
	for (uint32_t i = 0; i < 8; i++)
		add_group(w, 1001 + i, "g")->sam =
		    dss_arena_printf(&w->arena, "g%u", i / 2 * 2);
	for (uint32_t i = 0; i < 40; i++) {
		struct dss_object *u = add_user(
		    w, 1101 + i, dss_arena_printf(&w->arena, "u%u", i),
		    dss_arena_printf(&w->arena, "u%u@c.com", i % 30));

		u->created = 5; /* the GUID decides */
		join(w, &w->objs[1 + i % 8], u);
	}
	join(w, &w->objs[1], &w->objs[3]);
	join(w, &w->objs[3], &w->objs[1]);
	build(w);
	assert_true(w->model.nnotes > 0);
	len = snapshot(w, first, sizeof(first));
	for (unsigned seed = 1; seed < 20; seed++) {
		shuffle(w, seed);
		build(w);
		assert_int_equal(snapshot(w, other, sizeof(other)), len);
		assert_memory_equal(first, other, len);
	}
}

/* Through the snapshot to the reader: names resolve as they should. */
static void test_resolves(void **state)
{
	static const uint64_t key[2] = { 1, 2 };
	struct ds_snap_stamp stamp = { .kind = DS_SNAP_BASE,
				       .generation = 1,
				       .id_min = 200000,
				       .id_max = 2000200000,
				       .domain = DOMAIN };
	char path[] = "/tmp/dssync-test-XXXXXX";
	struct world *w = *state;
	struct ds_snapw *writer = NULL;
	struct ds_snap_user found;
	struct ds_snap_group team;
	struct ds_snap snap;
	int from = memfd_create("stage", MFD_CLOEXEC), to = mkstemp(path);

	add_group(w, 513, "Domain Users");
	add_group(w, 1001, "Team One");
	add_user(w, 1101, "driley (1a)", "driley@contoso.com");
	join(w, &w->objs[1], &w->objs[2]);
	build(w);
	assert_int_equal(dss_snapshot_base(&w->model, "EXAMPLE", key, &writer),
			 0);
	assert_int_equal(ds_snapw_write(writer, from), 0);
	ds_snapw_free(writer);
	assert_int_equal(ds_snap_stamp_copy(from, to, 1 << 20, &stamp), 0);
	assert_int_equal(ds_snap_open(path, DS_SNAP_BASE, getuid(), &snap), 0);
	assert_int_equal(ds_resolve_user(&snap, "DRiley@contoso.com", &found),
			 0);
	assert_int_equal(found.uid, BASE_ID + 1101);
	assert_int_equal(found.ngids, 1);
	assert_int_equal(
	    ds_resolve_user(&snap, "example\\DRILEY (1A)", &found), 0);
	assert_string_equal(found.blob, "driley@contoso.com");
	assert_int_equal(
	    ds_resolve_group(&snap, "Team One@example.com", &team), 0);
	assert_int_equal(team.nmembers, 1);
	ds_snap_close(&snap);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(close(from), 0);
	assert_int_equal(close(to), 0);
}

#define MODEL_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

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
		MODEL_TEST(test_nesting),
		MODEL_TEST(test_no_member_lists),
		MODEL_TEST(test_unknown_member),
		MODEL_TEST(test_scope),
		MODEL_TEST(test_origin),
		MODEL_TEST(test_bare_names),
		MODEL_TEST(test_not_bare),
		MODEL_TEST(test_home_that_climbs),
		MODEL_TEST(test_held),
		MODEL_TEST(test_order_does_not_matter),
		MODEL_TEST(test_resolves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

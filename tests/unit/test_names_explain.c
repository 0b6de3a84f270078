/*
 * dssyncctl explain: whoever is not published is found by any of its names,
 * with what is in the way, the rule, and what to type instead.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/names_world.h"

static struct names_world world;
static char wheel[] = "wheel", team[] = "localteam", blank[] = "_";
static char *reserved[] = { wheel, NULL };
static char *local_names[] = { team };
static uint32_t local_ids[] = { BASE_ID + 1210 };

static int setup(void **state)
{
	(void)state;
	nw_init(&world);
	world.config.identity.reserved_names = reserved;
	world.locals.names = local_names;
	world.locals.nnames = 1;
	world.locals.ids = local_ids;
	world.locals.nids = 1;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	nw_done(&world);
	return 0;
}

/* Nobody answers to the name, and all of these are said of it. */
static void says(const char *typed, const char *const *parts)
{
	struct nw_answer a;

	nw_ask_user(NW_EXPLAIN, typed, &a);
	assert_int_equal(a.id, 0);
	for (; *parts; parts++)
		if (!strstr(nw_explained(), *parts))
			fail_msg("'%s': no '%s' in %s", typed, *parts,
				 nw_explained());
}
#define SAYS(typed, ...)                                                      \
	says(typed, (const char *const[]){ __VA_ARGS__, NULL })

static void says_not(const char *typed, const char *part)
{
	struct nw_answer a;

	nw_ask_user(NW_EXPLAIN, typed, &a);
	if (strstr(nw_explained(), part))
		fail_msg("'%s': %s", typed, nw_explained());
}

/* In every spelling of a user that is in the way of nobody. */
static void all_spellings(const char *sam, const char *upn, const char *part,
			  const char *rule)
{
	char typed[NW_NAME], guid_word[] = "objectGUID";

	SAYS(upn, part, rule, guid_word, upn);
	SAYS(sam, part, rule, guid_word);
	snprintf(typed, sizeof(typed), "%s@" DOMAIN, sam);
	SAYS(typed, part, rule, guid_word);
	snprintf(typed, sizeof(typed), NETBIOS "\\%s", sam);
	SAYS(typed, part, rule, guid_word);
	for (char *p = typed; *p; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 32);
	SAYS(typed, part, rule, guid_word);
}

static void each_reason(void **state)
{
	static char base[] = "OU=AADDC Users," BASE_DN;
	static char *bases[] = { base, NULL };

	(void)state;
	world.config.sync.bases = bases;
	nw_user(&world, 1201, "ann", "ann@contoso.com");
	nw_user(&world, 1202, "ben", "Ann@contoso.com");
	nw_user(&world, 1203, "ANN", "carl@contoso.com");
	nw_user(&world, 1204, "dora", "d:ora@contoso.com");
	nw_user(&world, 1205, "emil", "emil@contoso.com")->dn =
	    "CN=e,OU=Elsewhere," BASE_DN;
	nw_user(&world, 1210, "fred", "f.red@contoso.com");
	nw_user(&world, 1207, "gina", "g@contoso.com")->malformed =
	    DSS_F_EXPIRES;
	nw_user(&world, 1208, "hugo", "h@contoso.com")->primary_rid = 1;
	nw_user(&world, 1209, "ines", "i@contoso.com")->sid.sub[0] = 5;
	nw_group(&world, 1001, "Team")->malformed = DSS_F_CREATED;
	nw_publish(&world, NULL);
	SAYS("team@" DOMAIN, "breaks its format: whenCreated",
	     "fails the sanity checks");
	SAYS("ben@" DOMAIN, "\\\"ann\\\"", "of two objects");
	SAYS("EXAMPLE\\Ben", "\\\"ann\\\"", "of two objects");
	SAYS("ben", "the older object \\\"ann\\\"", "ann@contoso.com",
	     "created 1970-01-01 00:36:41 UTC", "whenCreated",
	     "this one is created 1970-01-01 00:36:42");
	SAYS("carl@contoso.com", "the older object \\\"ann\\\" ",
	     "has the name",
	     "of two objects that want one name the older keeps it");
	all_spellings("dora", "d:ora@contoso.com", "characters that no name",
		      "a name that could break a file");
	all_spellings("emil", "emil@contoso.com", "is out of scope",
		      "says who is mirrored here");
	all_spellings("fred", "f.red@contoso.com",
		      "in the local passwd or group", "never the directory's");
	all_spellings("gina", "g@contoso.com", "breaks its format",
		      "fails the sanity checks");
	all_spellings("hugo", "h@contoso.com", "its primary group is unknown",
		      "whole passwd entry");
	all_spellings("ines", "i@contoso.com", "its SID is missing",
		      "fails the sanity checks");
}

/* Held back means published still: it resolves, and the reason is there. */
static void held_back(void **state)
{
	struct nw_answer a;

	(void)state;
	nw_user(&world, 1211, "jana", "j@contoso.com")->flags = DSS_OBJ_HELD;
	nw_publish(&world, NULL);
	nw_ask_user(NW_EXPLAIN, "j@contoso.com", &a);
	assert_int_equal(a.id, BASE_ID + 1211);
	assert_non_null(strstr(nw_explained(), "is held back"));
	assert_non_null(strstr(nw_explained(), "--accept-deletes"));
}

static void ids(void **state)
{
	(void)state;
	nw_user(&world, 1201, "ann", "ann@contoso.com");
	nw_user(&world, 1202, "ben", "b.en@contoso.com")->sid =
	    world.objs[1].sid;
	nw_publish(&world, NULL);
	all_spellings("ben", "b.en@contoso.com",
		      "\\\"ann\\\" (ann@contoso.com",
		      "an id belongs to one object");
	world.config.identity.id_mapping = DS_IDMAP_ATTRIBUTE;
	world.objs[2].present &= ~(uint32_t)DSS_F_UID_NUMBER;
	nw_publish(&world, NULL);
	all_spellings("ben", "b.en@contoso.com", "has no uidNumber",
		      "publishes what has a uidNumber");
	world.config.identity.id_mapping = DS_IDMAP_RID;
	world.config.identity.id_range.max = 200600;
	nw_publish(&world, NULL);
	all_spellings("ben", "b.en@contoso.com", "falls outside id_range",
		      "only ids inside id_range");
}

static void bare_names(void **state)
{
	(void)state;
	world.config.identity.name_format = DS_FORMAT_SAM;
	world.config.identity.group_format = DS_FORMAT_SAM;
	nw_user(&world, 1201, "wheel", "w.heel@contoso.com");
	nw_user(&world, 1202, "1000", "thousand@contoso.com");
	nw_group(&world, 1001, "LocalTeam");
	nw_publish(&world, NULL);
	all_spellings("wheel", "w.heel@contoso.com", "reserved or local name",
		      "mean a local account");
	all_spellings("1000", "thousand@contoso.com", "taken for a number",
		      "mean a local account");
	SAYS("localteam", "the group 'localteam'", "reserved or local name");
	SAYS("localteam@" DOMAIN, "reserved or local name");
	SAYS(NETBIOS "\\LOCALTEAM", "reserved or local name");
}

static void blanks(void **state)
{
	(void)state;
	world.config.identity.space_replacement = blank;
	nw_user(&world, 1201, "smith_(1)", "john@contoso.com");
	nw_user(&world, 1202, "Smith (1)", "jane@contoso.com");
	nw_publish(&world, NULL);
	SAYS("jane@contoso.com", "the older object \\\"smith_(1)\\\"",
	     "of two objects that want one name");
}

/* The older object has it, and the other one is told of nonetheless. */
static void told_beside_the_owner(void **state)
{
	struct nw_answer a;

	(void)state;
	nw_user(&world, 1201, "ann", "ann@contoso.com");
	nw_user(&world, 1202, "ben", "ANN@contoso.com");
	nw_publish(&world, NULL);
	nw_ask_user(NW_EXPLAIN, "ann@contoso.com", &a);
	assert_int_equal(a.id, BASE_ID + 1201);
	assert_non_null(strstr(nw_explained(), "\"sAMAccountName\": \"ben\""));
	assert_non_null(strstr(nw_explained(), "is withheld"));
	/* ... but not beside somebody else. */
	says_not(DOMAIN, "ben");
}

static void nobody_at_all(void **state)
{
	(void)state;
	nw_user(&world, 1201, "ann", "a.nn@contoso.com");
	nw_user(&world, 1202, "bob", "bob@contoso.com")->dn = "";
	nw_publish(&world, NULL);
	SAYS("gone@contoso.com", "only after its password was changed",
	     "inside the scope of the synchronization");
	SAYS("gone", "only after its password was changed");
	SAYS(NETBIOS "\\gone", "only after its password was changed");
	SAYS("OTHER\\ann", "is not " NETBIOS, "a.nn@contoso.com");
	SAYS("ann", "short_names = none",
	     "\"instead\": [\"a.nn@contoso.com\"]");
	SAYS("ann@example.org", "\"instead\": [\"a.nn@contoso.com\"]");
	SAYS("domain users", "\"instead\": [\"domain users@" DOMAIN "\"]");
	says_not("ann@example.org", "only after its password");
}

/* A name is said to be like another's, not to be it. */
static void alike(void **state)
{
	(void)state;
	nw_user(&world, 1201, "ann", "ann@contoso.com")->malformed = DSS_F_UAC;
	nw_publish(&world, NULL);
	SAYS("ann@fabrikam.com", "of a similar name", "\"withheld\": []");
	says_not("anna@contoso.com", "ann@contoso.com");
	says_not("OTHER\\ann", "\"sAMAccountName\": \"ann\"");
}

#define EXPLAIN_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EXPLAIN_TEST(each_reason),
		EXPLAIN_TEST(held_back),
		EXPLAIN_TEST(ids),
		EXPLAIN_TEST(bare_names),
		EXPLAIN_TEST(blanks),
		EXPLAIN_TEST(told_beside_the_owner),
		EXPLAIN_TEST(nobody_at_all),
		EXPLAIN_TEST(alike),
	};

	return cmocka_run_group_tests(tests, nw_group_setup,
				      nw_group_teardown);
}

/*
 * Spelling x name_format x short_names x spellings x group_format x id_mapping
 * x kind of conflict x kind of name.  Each case is built by the real model and
 * writer, and resolved by NSS, by PAM and by dssyncctl, which must agree with
 * the tables here: these say what the rules of dssync.conf(5) come to, and
 * share no code with what they test.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/resolve.h"
#include "tests/unit/names_world.h"

/*
 * The people: E is older than Y; the groups: G is older than H.  E and G have
 * the sAMAccountName of the case, "yuri" is Y's and "heron" H's.
 */
#define E_RID 1101u
#define Y_RID 1201u
#define G_RID 1001u
#define H_RID 1002u
#define EVE   "eve@contoso.com"
#define YURI  "yuri@contoso.com"

/* ---- the table of names --------------------------------------------------
 */

enum {
	FINE = 1,  /* may be published and found bare */
	ODD = 2,   /* only with its domain: a number, an odd first letter */
	TAKEN = 3, /* only with its domain: reserved or local */
	NEVER = 4, /* never published, never matched */
};
static const struct name_rule {
	const char *sam;
	int kind;
} names[] = {
	{ "anna", FINE },
	{ "Anna", FINE },
	{ "smith (3AF2)", FINE },
	{ "j\303\274rgen", FINE },
	{ "1e3", FINE },
	{ "0y", FINE },
	{ "a#b%c+d-e~f!g.h", FINE },
	{ "wheel", TAKEN },
	{ "Docker", TAKEN },
	{ "postgres", TAKEN },
	{ "LocalTeam", TAKEN },
	{ "0", ODD },
	{ "1000", ODD },
	{ "0x1f", ODD },
	{ "0X1F", ODD },
	{ "#0", ODD },
	{ "%wheel", ODD },
	{ "+n", ODD },
	{ "-n", ODD },
	{ "~n", ODD },
	{ "!n", ODD },
	{ ".n", ODD },
	{ " n", ODD },
	{ "n ", ODD },
	{ "an@na", NEVER },
	{ "@n", NEVER },
	{ "a:b", NEVER },
	{ "a,b", NEVER },
	{ "a/b", NEVER },
	{ "a\\b", NEVER },
	{ "a\nb", NEVER },
	{ "a\177b", NEVER },
	{ "a\302\200b", NEVER },
	{ "a\377b", NEVER },
	{ "..", NEVER },
	{ ".", NEVER },
};

/* ---- the table of conflicts ----------------------------------------------
 */

enum conflict {
	NONE,
	UPN_SAME,        /* Y's UPN is E's in other letters */
	UPN_IS_IMPLICIT, /* Y's UPN is E's sam@domain */
	IMPLICIT_IS_UPN, /* E's UPN is Y's sam@domain */
	SAM_SAME,        /* Y's sAMAccountName is E's in other letters */
	ID_SAME,         /* Y has E's SID and uidNumber */
	NO_UPN,          /* E has none */
	NO_UPN_TAKEN,    /* Y has none, and its sam@domain is E's UPN */
	AGE_UNKNOWN,     /* as UPN_SAME, and nobody knows how old E is */
	OWNER_WITHHELD,  /* as IMPLICIT_IS_UPN, and E is malformed */
	LOCAL_ID,        /* E's and G's ids are local ones */
	CONFLICTS
};

/*
 * Who answers to what: eve@contoso.com, SAM@example.com, EXAMPLE\SAM,
 * yuri@contoso.com, yuri@example.com, EXAMPLE\yuri.
 */
static const char rules[CONFLICTS][2][6 + 1] = {
	/*		      any name   NEVER */
	[NONE] = { "EEEYYY", "E--YYY" },
	[UPN_SAME] = { "EEE---", "E-----" },
	[UPN_IS_IMPLICIT] = { "EEE---", "" }, /* nothing to equal */
	[IMPLICIT_IS_UPN] = { "-EEYEY", "---YEY" },
	[SAM_SAME] = { "EEE---", "E--Y--" },
	[ID_SAME] = { "EEE---", "E-----" },
	[NO_UPN] = { "-EEYYY", "---YYY" },
	[NO_UPN_TAKEN] = { "-EE-E-", "----E-" },
	[AGE_UNKNOWN] = { "Y---YY", "Y---YY" },
	[OWNER_WITHHELD] = { "---Y-Y", "---Y-Y" },
	[LOCAL_ID] = { "---YYY", "---YYY" },
};
/* The same for the groups: SAM@example.com, heron@example.com. */
static const char group_rules[CONFLICTS][2 + 1] = {
	[NONE] = "GH",
	[UPN_SAME] = "GH",
	[UPN_IS_IMPLICIT] = "GH",
	[IMPLICIT_IS_UPN] = "GH",
	[SAM_SAME] = "G-",
	[ID_SAME] = "G-",
	[NO_UPN] = "GH",
	[NO_UPN_TAKEN] = "GH",
	[AGE_UNKNOWN] = "GH",
	[OWNER_WITHHELD] = "GH",
	[LOCAL_ID] = "-H",
};

/* ---- a case --------------------------------------------------------------
 */

struct mix {
	const struct name_rule *name;
	enum conflict conflict;
	bool bare_users, short_names, bare_groups, canonical, by_number;
};

static struct names_world world;
static char wheel[] = "WHEEL", docker[] = "docker", team[] = "LOCALteam",
	    postgres[] = "postgres";
static char *reserved[] = { wheel, docker, NULL };
static char *local_names[] = { team, postgres };
static uint32_t local_ids[] = { BASE_ID + G_RID, BASE_ID + E_RID };
static size_t cases;

static void upper(char *dst, const char *src)
{
	do
		*dst++ = *src >= 'a' && *src <= 'z' ? (char)(*src - 32) : *src;
	while (*src++);
}

static void lower(char *dst, const char *src)
{
	do
		*dst++ = *src >= 'A' && *src <= 'Z' ? (char)(*src + 32) : *src;
	while (*src++);
}

static void set_policy(const struct mix *m)
{
	struct ds_config *c = &world.config;

	c->identity.name_format =
	    m->bare_users ? DS_FORMAT_SAM : DS_FORMAT_UPN;
	c->identity.group_format =
	    m->bare_groups ? DS_FORMAT_SAM : DS_FORMAT_QUALIFIED;
	c->identity.short_names =
	    m->short_names ? DS_SHORT_SAM : DS_SHORT_NONE;
	c->identity.spellings =
	    m->canonical ? DS_SPELLINGS_CANONICAL : DS_SPELLINGS_ANY;
	c->identity.id_mapping =
	    m->by_number ? DS_IDMAP_ATTRIBUTE : DS_IDMAP_SID;
	c->identity.reserved_names = reserved;
	world.locals.names = local_names;
	world.locals.nnames = 2;
	world.locals.ids = local_ids;
	world.locals.nids = m->conflict == LOCAL_ID ? 2 : 0;
}

static void populate(const struct mix *m)
{
	static char shout[NW_NAME], implicit[NW_NAME];
	struct dss_object *e, *y, *g, *h;

	nw_clear(&world);
	upper(shout, m->name->sam);
	snprintf(implicit, sizeof(implicit), "%s@EXAMPLE.com", m->name->sam);
	e = nw_user(&world, E_RID, m->name->sam, "Eve@Contoso.com");
	y = nw_user(&world, Y_RID, "Yuri", "Yuri@contoso.com");
	g = nw_group(&world, G_RID, m->name->sam);
	h = nw_group(&world, H_RID, "Heron");
	if (m->conflict == UPN_SAME || m->conflict == AGE_UNKNOWN)
		y->upn = "eVE@contoso.COM";
	if (m->conflict == UPN_IS_IMPLICIT)
		y->upn = implicit;
	if (m->conflict == IMPLICIT_IS_UPN || m->conflict == NO_UPN_TAKEN ||
	    m->conflict == OWNER_WITHHELD)
		e->upn = "YURI@example.com";
	if (m->conflict == SAM_SAME)
		y->sam = h->sam = shout;
	if (m->conflict == ID_SAME) {
		y->sid = e->sid, h->sid = g->sid;
		y->uid_number = e->uid_number, h->gid_number = g->gid_number;
	}
	if (m->conflict == NO_UPN)
		e->upn = "";
	if (m->conflict == NO_UPN_TAKEN)
		y->upn = "";
	if (m->conflict == AGE_UNKNOWN)
		e->present &= ~(uint32_t)DSS_F_CREATED;
	if (m->conflict == OWNER_WITHHELD)
		e->malformed = DSS_F_UAC;
}

/* ---- what is expected ----------------------------------------------------
 */

/* The published name of E, Y, G or H. */
static void published(const struct mix *m, char who, char *buf)
{
	const char *sam = who == 'Y'   ? "yuri"
			  : who == 'H' ? "heron"
				       : m->name->sam;
	bool bare = who == 'E' || who == 'Y' ? m->bare_users : m->bare_groups;
	char full[NW_NAME];

	snprintf(full, sizeof(full), bare ? "%s" : "%s@" DOMAIN, sam);
	/* the conflicts that give E and Y another UPN than "theirs" */
	if (who == 'Y' && !bare && m->conflict != NO_UPN_TAKEN)
		strcpy(full, m->conflict == AGE_UNKNOWN ? EVE : YURI);
	if (who == 'E' && !bare && m->conflict != NO_UPN)
		strcpy(full, m->conflict == IMPLICIT_IS_UPN ||
				     m->conflict == NO_UPN_TAKEN
				 ? "yuri@" DOMAIN
				 : EVE);
	lower(buf, full);
}

static uint32_t id_of(char who)
{
	return BASE_ID + (who == 'E'   ? E_RID
			  : who == 'Y' ? Y_RID
			  : who == 'G' ? G_RID
				       : H_RID);
}

static void check(const struct mix *m, bool group, const char *typed, char who)
{
	char name[NW_NAME] = "";
	uint32_t id = 0;

	if (who != '-')
		published(m, who, name);
	if (who != '-' && !(m->canonical && strcmp(typed, name) != 0))
		id = id_of(who);
	for (enum nw_way way = 0; way < NW_WAYS; way++) {
		struct nw_answer a;

		(group ? nw_ask_group : nw_ask_user)(way, typed, &a);
		cases++;
		if (a.id == id &&
		    (!id || !a.name[0] || strcmp(a.name, name) == 0))
			continue;
		fail_msg("%s '%s' by %s, sAMAccountName '%s', conflict %d, "
			 "name_format=%s short_names=%s group_format=%s "
			 "spellings=%s: got %u '%s', expected %u '%s'",
			 group ? "group" : "user", typed, nw_way_names[way],
			 m->name->sam, (int)m->conflict,
			 m->bare_users ? "sam" : "upn",
			 m->short_names ? "sam" : "none",
			 m->bare_groups ? "sam" : "qualified",
			 m->canonical ? "canonical" : "any", a.id, a.name, id,
			 id ? name : "nobody");
	}
}

/* As typed and in capitals. */
static void check_cases(const struct mix *m, bool group, const char *typed,
			char who)
{
	char shout[NW_NAME];

	check(m, group, typed, who);
	upper(shout, typed);
	check(m, group, shout, who);
}

static void check_sam(const struct mix *m, bool group, const char *sam,
		      char qualified, char netbios, char bare)
{
	char typed[NW_NAME], nobody = '-';

	snprintf(typed, sizeof(typed), "%s@" DOMAIN, sam);
	check_cases(m, group, typed, qualified);
	snprintf(typed, sizeof(typed), NETBIOS "\\%s", sam);
	check_cases(m, group, typed, netbios);
	check_cases(m, group, sam, bare);
	snprintf(typed, sizeof(typed), "%s@example.org", sam);
	check(m, group, typed, nobody);
	snprintf(typed, sizeof(typed), "OTHER\\%s", sam);
	check(m, group, typed, nobody);
	snprintf(typed, sizeof(typed), DOMAIN "\\%s", sam);
	check(m, group, typed, nobody);
	snprintf(typed, sizeof(typed), NETBIOS "\\%s@" DOMAIN, sam);
	check(m, group, typed, nobody);
}

static void check_users(const struct mix *m)
{
	bool never = m->name->kind == NEVER;
	bool bare = m->bare_users || m->short_names;
	char who[6 + 1];

	memcpy(who, rules[m->conflict][never], sizeof(who));
	/* A bare form that could mean somebody else is not published. */
	for (char *p = who; *p; p++)
		if (*p == 'E' && m->bare_users && m->name->kind != FINE)
			*p = '-';
	/* ... nor is a sAMAccountName of that kind Y's, which has E's. */
	if (never && m->conflict == SAM_SAME && m->bare_users)
		who[3] = '-';
	check_cases(m, false, EVE, who[0]);
	check_sam(m, false, m->name->sam, who[1], who[2],
		  bare && m->name->kind == FINE ? who[2] : '-');
	check_cases(m, false, YURI, who[3]);
	check_sam(m, false, "yuri", who[4], who[5], bare ? who[5] : '-');
	check(m, false, "eve", '-');
	check(m, false, "heron", '-');
	check(m, false, "heron@" DOMAIN, '-');
}

static void check_groups(const struct mix *m)
{
	int kind = m->name->kind;
	char g = group_rules[m->conflict][0], h = group_rules[m->conflict][1];

	if (kind == NEVER || (m->bare_groups && kind != FINE))
		g = '-';
	check_sam(m, true, m->name->sam, g, g, m->bare_groups ? g : '-');
	check_sam(m, true, "heron", h, h, m->bare_groups ? h : '-');
	check(m, true, EVE, '-');
	check(m, true, "yuri", '-');
}

static void run(const struct mix *m)
{
	if (!rules[m->conflict][m->name->kind == NEVER][0])
		return;
	set_policy(m);
	populate(m);
	nw_publish(&world, NULL);
	check_users(m);
	check_groups(m);
}

#define NAMES (sizeof(names) / sizeof(names[0]))

static void matrix(void **state)
{
	size_t step = unit_step();

	(void)state;
	assert_true(step == 1 || (NAMES % step && (size_t)CONFLICTS % step));
	nw_init(&world);
	for (size_t i = 0; i < NAMES * CONFLICTS * 32; i += step)
		run(&(struct mix){
		    .name = &names[i / 32 / CONFLICTS],
		    .conflict = (enum conflict)(i / 32 % CONFLICTS),
		    .bare_users = i & 1,
		    .short_names = i & 2,
		    .bare_groups = i & 4,
		    .canonical = i & 8,
		    .by_number = i & 16,
		});
	print_message("%zu answers compared\n", cases);
	nw_done(&world);
}

/* ---- space_replacement ---------------------------------------------------
 */

static void expect_user(const char *typed, uint32_t rid, const char *name)
{
	for (enum nw_way way = 0; way < NW_WAYS; way++) {
		struct nw_answer a;

		nw_ask_user(way, typed, &a);
		if (a.id != (rid ? BASE_ID + rid : 0) ||
		    (rid && a.name[0] && strcmp(a.name, name) != 0))
			fail_msg("'%s' by %s: %u '%s'", typed,
				 nw_way_names[way], a.id, a.name);
	}
}

static void expect_group(const char *typed, uint32_t rid, const char *name)
{
	struct nw_answer a;

	nw_ask_group(NW_NSS, typed, &a);
	if (a.id != (rid ? BASE_ID + rid : 0) ||
	    (rid && strcmp(a.name, name) != 0))
		fail_msg("group '%s': %u '%s'", typed, a.id, a.name);
}

static void set_blank(const char *c)
{
	static char text[2];

	set_policy(&(struct mix){ .bare_users = true, .bare_groups = true });
	text[0] = *c;
	world.config.identity.space_replacement = text;
}

static void blanks(void **state)
{
	static const char smith[] = "smith_(3af2)";
	struct ds_snap_user user;
	struct ds_snap snap;

	(void)state;
	nw_init(&world);
	set_blank("_");
	nw_user(&world, 1101, "Smith (3AF2)", "jane@contoso.com");
	nw_user(&world, 1102, "smith_(3AF2)", "john@contoso.com");
	nw_user(&world, 1103, "x", "x y@example.com");
	nw_user(&world, 1104, "under_score", "u@contoso.com");
	nw_publish(&world, NULL);
	expect_user("smith_(3af2)", 1101, smith);
	expect_user("SMITH (3af2)", 1101, smith);
	expect_user("EXAMPLE\\Smith (3AF2)", 1101, smith);
	expect_user("smith_(3af2)@example.com", 1101, smith);
	expect_user("smith (3af2)@example.com", 1101, smith);
	expect_user("jane@contoso.com", 1101, smith);
	expect_user("john@contoso.com", 0, NULL); /* the younger */
	/* A UPN keeps its blanks. */
	expect_user("x y@example.com", 1103, "x");
	expect_user("x_y@example.com", 0, NULL);
	expect_group("domain_users", 513, "domain_users");
	expect_group("Domain Users@example.com", 513, "domain_users");
	/* For a KDC they are two names. */
	assert_int_equal(
	    ds_snap_open(nw_path(), DS_SNAP_BASE, geteuid(), &snap), 0);
	assert_int_equal(ds_resolve_client(&snap, "smith (3AF2)", &user), 0);
	assert_int_equal(user.uid, BASE_ID + 1101);
	assert_int_equal(ds_resolve_client(&snap, "smith_(3af2)", &user),
			 DS_ERR_NOTFOUND);
	assert_int_equal(ds_resolve_client(&snap, "under_score", &user), 0);
	assert_int_equal(ds_resolve_client(&snap, "under score", &user),
			 DS_ERR_NOTFOUND);
	ds_snap_close(&snap);
	nw_done(&world);
}

/* "a b" is also how "a_b" may be typed: a newcomer does not get it. */
static void blanks_of_a_newcomer(void **state)
{
	(void)state;
	nw_init(&world);
	set_blank("_");
	world.config.identity.name_format = DS_FORMAT_UPN;
	nw_user(&world, 1101, "a_b", "anna@contoso.com");
	nw_user(&world, 1102, "x", "c_d@example.com");
	nw_publish(&world, NULL);
	expect_user("a b@example.com", 1101, "anna@contoso.com");
	nw_user(&world, 1103, "A B", "carl@contoso.com");
	nw_user(&world, 1104, "dora", "A B@example.com");
	nw_publish(&world, NULL);
	expect_user("a b@example.com", 1101, "anna@contoso.com");
	expect_user("EXAMPLE\\a b", 1101, "anna@contoso.com");
	expect_user("carl@contoso.com", 0, NULL);
	expect_user("EXAMPLE\\dora", 0, NULL);
	/* A UPN is no sAMAccountName: these are two names. */
	nw_user(&world, 1105, "y", "c d@example.com");
	nw_publish(&world, NULL);
	expect_user("c_d@example.com", 1102, "c_d@example.com");
	expect_user("c d@example.com", 1105, "c d@example.com");
	nw_done(&world);
}

/* What becomes a reserved, local or odd name by it stays away. */
static void blanks_and_the_shield(void **state)
{
	static char unit[] = "systemd-network", local[] = "LOCAL-team",
		    spaced[] = "old team";
	static char *units[] = { unit, NULL };
	static char *locals[] = { local, spaced };

	(void)state;
	nw_init(&world);
	set_blank("-");
	world.config.identity.reserved_names = units;
	world.locals.names = locals;
	world.locals.nnames = 2;
	nw_group(&world, 1001, "Systemd Network");
	nw_group(&world, 1002, "local team");
	nw_group(&world, 1003, "old team");
	nw_group(&world, 1004, " n");
	nw_group(&world, 1005, "n ");
	nw_group(&world, 1006, "new team");
	nw_publish(&world, NULL);
	expect_group("systemd-network", 0, NULL);
	expect_group("systemd network", 0, NULL);
	expect_group("local-team", 0, NULL);
	expect_group("local team", 0, NULL);
	expect_group("old-team", 0, NULL);
	expect_group("old team", 0, NULL);
	expect_group("-n", 0, NULL);
	expect_group("n-", 0, NULL);
	expect_group("new-team", 1006, "new-team");
	nw_done(&world);
}

/* ---- PAM's own rule ------------------------------------------------------
 */

/* The name leads to a local user: that is not the domain's, whatever uid. */
static void pam_wants_the_same_uid(void **state)
{
	static const uint32_t uids[] = { 0, 1000, BASE_ID + 1102,
					 2147483648u };
	struct nw_answer a;

	(void)state;
	nw_init(&world);
	set_policy(&(struct mix){ .bare_users = true });
	nw_user(&world, 1101, "ann", "ann@contoso.com");
	nw_user(&world, 1102, "ben", "ben@contoso.com");
	nw_publish(&world, NULL);
	for (size_t i = 0; i < sizeof(uids) / sizeof(uids[0]); i++) {
		nw_local_user("ann", uids[i]);
		nw_ask_user(NW_PAM, "ann", &a);
		assert_int_equal(a.id, 0);
	}
	nw_local_user("ann", BASE_ID + 1101);
	nw_ask_user(NW_PAM, "ann", &a);
	assert_int_equal(a.id, BASE_ID + 1101);
	nw_local_user(NULL, 0);
	nw_done(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(matrix),
		cmocka_unit_test(blanks),
		cmocka_unit_test(blanks_of_a_newcomer),
		cmocka_unit_test(blanks_and_the_shield),
		cmocka_unit_test(pam_wants_the_same_uid),
	};

	return cmocka_run_group_tests(tests, nw_group_setup,
				      nw_group_teardown);
}

/*
 * Who is in the scope (sync.bases, origin, groups), and who stays in it when
 * what it stands on falls away.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

#include "synccache/sync/rescope.h"
#include "tests/unit/sync_entry.h"

#define HERE  "OU=Here,DC=example,DC=com"
#define THERE "OU=There,DC=example,DC=com"

struct world {
	char dir[64];
	struct dss_store *store;
	struct ds_config config;
	struct ds_sid sid;
	char *bases[4], *groups[6];
	struct dss_mirror m; /* between open_mirror and commit */
	struct dss_rescope last;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	bool rebuilt;

	if (!w)
		return -1;
	strcpy(w->dir, "/tmp/dssync-test-XXXXXX");
	if (!mkdtemp(w->dir) ||
	    dss_store_open(w->dir, &rebuilt, &w->store) != 0)
		return -1;
	default_config(&w->config);
	w->config.sync.bases = w->bases;
	w->config.sync.groups = w->groups;
	*state = w;
	return ds_sid_parse_str(DOMAIN_SID, &w->sid);
}

static int teardown(void **state)
{
	struct world *w = *state;

	dss_store_close(w->store);
	(void)!dss_store_remove(w->dir);
	(void)rmdir(w->dir);
	free(w);
	return 0;
}

/* ---- what is in the store ---- */

static void open_mirror(struct world *w)
{
	struct dss_txn *txn;

	assert_int_equal(dss_txn_begin(w->store, true, &txn), 0);
	dss_mirror_init(&w->m, txn, false);
}

static void commit(struct world *w)
{
	assert_int_equal(dss_txn_commit(w->m.txn), 0);
	dss_mirror_done(&w->m);
}

static void put_user(struct world *w, unsigned n, const char *dn,
		     const char *primary)
{
	struct test_entry t;
	char sam[16];

	(void)snprintf(sam, sizeof(sam), "user%u", n);
	entry_user(&t, n, sam);
	t.attrs[5].values =
	    &(struct dss_value){ (const uint8_t *)primary, strlen(primary) };
	t.e.dn = dn;
	assert_int_equal(dss_mirror_whole(&w->m, &t.e), 0);
}

/* Members first .. last, and another one unless it is 0. */
static void put_group(struct world *w, unsigned n, const char *sam,
		      unsigned first, unsigned last, unsigned more)
{
	struct test_entry t;
	char text[50][128];
	unsigned k = 0;

	entry_group(&t, n, sam);
	t.e.dn = "CN=g," HERE;
	entry_attr(&t, "member");
	for (unsigned i = first; i <= last; i++)
		(void)member_dn(i, text[k++]);
	if (more)
		(void)member_dn(more, text[k++]);
	for (unsigned i = 0; i < k; i++)
		entry_value(&t, text[i], strlen(text[i]));
	assert_int_equal(dss_mirror_whole(&w->m, &t.e), 0);
}

static void drop(struct world *w, unsigned n)
{
	struct ds_guid guid = test_guid(n);
	size_t dropped, held;

	assert_int_equal(dss_mirror_gone(&w->m, &guid), 0);
	assert_int_equal(dss_mirror_drop(&w->m, 20, false, &dropped, &held),
			 0);
	assert_int_equal(dropped, 1);
	w->m.gone.count = 0;
	dss_guidmap_done(&w->m.dead);
}

/* Users 1 .. 20 here, 21 .. 40 there; teams of ten, and one of teams. */
static void fill(struct world *w)
{
	open_mirror(w);
	for (unsigned n = 1; n <= 40; n++)
		put_user(w, n, n <= 20 ? "CN=u," HERE : "CN=u," THERE, "513");
	put_group(w, 101, "Team One", 1, 10, 0);
	put_group(w, 102, "team-two", 11, 20, 0);
	put_group(w, 103, "nested", 12, 11, 101);
	put_group(w, 104, "circle", 30, 30, 105);
	put_group(w, 105, "elcric", 31, 31, 104);
	put_group(w, 106, "nobody", 2, 1, 0);
	commit(w);
}

static uint32_t flags_of(struct world *w, unsigned n)
{
	struct ds_guid guid = test_guid(n);
	struct dss_object obj;

	open_mirror(w);
	assert_int_equal(dss_mirror_get(&w->m, &guid, &obj), 0);
	dss_txn_abort(w->m.txn);
	dss_mirror_done(&w->m);
	return obj.flags;
}

/* What a pull that ended so does about it, and its end. */
static void pulled(struct world *w, bool first, bool accept)
{
	w->last = (struct dss_rescope){ .config = &w->config,
					.domain_sid = &w->sid,
					.netbios = NETBIOS,
					.store = w->store,
					.first = first,
					.accept = accept };
	assert_int_equal(dss_rescope(&w->m, &w->last), 0);
	commit(w);
}

/* A pull that found nothing new. */
static void rescope(struct world *w, bool first, bool accept)
{
	open_mirror(w);
	pulled(w, first, accept);
}

/* A pull that found a group's members to be these. */
static void pull_group(struct world *w, unsigned n, const char *sam,
		       unsigned first, unsigned last)
{
	open_mirror(w);
	put_group(w, n, sam, first, last, 0);
	pulled(w, false, false);
}

/* A pull that found an object gone. */
static void pull_loss(struct world *w, unsigned n)
{
	open_mirror(w);
	drop(w, n);
	pulled(w, false, false);
}

/* Exactly `first` .. `last` of the users have the flag. */
static void assert_users(struct world *w, uint32_t flag, unsigned first,
			 unsigned last)
{
	for (unsigned n = 1; n <= 40; n++) {
		bool has = flags_of(w, n) & flag;

		if (has != (n >= first && n <= last))
			fail_msg("user %u: flags %u", n, flags_of(w, n));
	}
}

static void limit_to(struct world *w, const char *group)
{
	memcpy(&w->groups[0], &group, sizeof(group));
}

/* Filled, and of the users those of Team One are in the scope: 1 .. 10. */
static void fill_limited(struct world *w)
{
	fill(w);
	limit_to(w, "Team One");
	rescope(w, true, false);
}

/* ---- who is in it ---- */

static void test_no_scope(void **state)
{
	struct world *w = *state;

	fill(w);
	assert_false(dss_scope_limits(&w->config));
	rescope(w, true, false);
	assert_false(w->last.looked);
	assert_users(w, DSS_OBJ_IN | DSS_OBJ_KEPT, 0, 0);
}

static void test_spellings(void **state)
{
	struct world *w = *state;
	static const char *const good[] = {
		"Team One",
		"tEAM oNE",
		"team one@EXAMPLE.com",
		"example\\team one",
		DOMAIN_SID "-1101",
	};
	static const char *const bad[] = {
		"Team",
		"team one@example.org",
		"OTHER\\Team One",
		DOMAIN_SID "-1",
		"user1",
		"team_one",
	};

	fill(w);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		limit_to(w, good[i]);
		rescope(w, false, true);
		assert_users(w, DSS_OBJ_IN, 1, 10);
		assert_string_equal(w->last.notice, "");
		assert_true(flags_of(w, 101) & DSS_OBJ_IN);
		assert_false(flags_of(w, 102) & DSS_OBJ_IN);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		limit_to(w, bad[i]);
		rescope(w, false, true);
		assert_users(w, DSS_OBJ_IN, 0, 0);
		assert_non_null(strstr(w->last.notice, bad[i]));
	}
	/* As it is published. */
	w->config.identity.space_replacement = (char[]){ "_" };
	rescope(w, false, true);
	assert_users(w, DSS_OBJ_IN, 1, 10);
}

static void test_nested(void **state)
{
	struct world *w = *state;
	static char two[] = "team-two";

	fill(w);
	limit_to(w, "nested");
	w->groups[1] = two;
	rescope(w, false, false);
	assert_users(w, DSS_OBJ_IN, 1, 20);
	assert_true(flags_of(w, 101) & DSS_OBJ_IN);
	assert_true(flags_of(w, 103) & DSS_OBJ_IN);
	assert_false(flags_of(w, 104) & DSS_OBJ_IN);
	w->groups[1] = NULL;
	limit_to(w, "elcric");
	rescope(w, false, false);
	assert_users(w, DSS_OBJ_IN, 30, 31);
	/* By the primary group, too. */
	open_mirror(w);
	put_user(w, 5, "CN=u," HERE, "1106");
	pulled(w, false, false);
	assert_true(w->last.looked);
	assert_false(flags_of(w, 5) & DSS_OBJ_IN);
	limit_to(w, "nobody");
	rescope(w, false, false);
	assert_users(w, DSS_OBJ_IN, 5, 5);
	assert_string_equal(w->last.notice, "");
}

static void test_with_bases(void **state)
{
	static char here[] = HERE, there[] = "ou=there,dc=EXAMPLE,dc=com",
		    none[] = "OU=None,DC=example,DC=com";
	struct world *w = *state;

	fill(w);
	w->bases[0] = here;
	rescope(w, false, false);
	assert_users(w, DSS_OBJ_IN, 1, 20);
	/* Both have to fit. */
	limit_to(w, "nested");
	rescope(w, false, false);
	assert_users(w, DSS_OBJ_IN, 1, 10);
	w->groups[0] = NULL;
	w->bases[1] = there;
	rescope(w, false, false);
	assert_users(w, DSS_OBJ_IN, 1, 40);
	/* Nothing left out any more: no flags, none are needed. */
	w->bases[0] = w->bases[1] = NULL;
	rescope(w, false, false);
	assert_users(w, DSS_OBJ_IN, 0, 0);
	/* A base that is not there leaves things as they are. */
	w->bases[0] = none;
	rescope(w, false, false);
	assert_users(w, DSS_OBJ_KEPT, 1, 40);
	assert_non_null(strstr(w->last.notice, none));
}

/* As people write them. */
static void test_base_spellings(void **state)
{
	static const struct {
		const char *dn, *base;
		bool below;
	} rows[] = {
		{ "CN=u,OU=A,DC=x,DC=y", "OU=A,DC=x,DC=y", true },
		{ "CN=u,OU=A,DC=x,DC=y", "ou=a, dc=X,  DC=y", true },
		{ "OU=A,DC=x,DC=y", "OU=A, DC=x, DC=y", true },
		{ "CN=u,OU=AA,DC=x,DC=y", "OU=A, DC=x, DC=y", false },
		{ "DC=x,DC=y", "OU=A, DC=x, DC=y", false },
		{ "CN=u,OU=B\\, A,DC=x", "OU=B\\, A, DC=x", true },
		{ "CN=u,OU=B\\,A,DC=x", "OU=B\\, A, DC=x", false },
		{ "CN=u,OU=B A,DC=x", "OU=B A,DC=x", true },
		{ "CN=u,OU=BA,DC=x", "OU=B A,DC=x", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (dss_scope_below(rows[i].dn, rows[i].base) != rows[i].below)
			fail_msg("%s", rows[i].base);
	}
}

/* The unit was renamed, and only a listing says so of those below it. */
static void test_base_renamed(void **state)
{
	static char there[] = "OU=Renamed,DC=example,DC=com";
	struct world *w = *state;

	fill(w);
	w->bases[0] = there;
	for (unsigned again = 0; again < 2; again++) {
		open_mirror(w);
		w->last = (struct dss_rescope){ .config = &w->config,
						.domain_sid = &w->sid,
						.netbios = NETBIOS,
						.look = true };
		assert_int_equal(dss_rescope(&w->m, &w->last), 0);
		commit(w);
		assert_users(w, DSS_OBJ_KEPT, 1, 40);
	}
	open_mirror(w);
	for (unsigned n = 21; n <= 40; n++)
		put_user(w, n, "CN=u,OU=Renamed,DC=example,DC=com", "513");
	pulled(w, false, false);
	assert_string_equal(w->last.notice, "");
	assert_users(w, DSS_OBJ_IN | DSS_OBJ_KEPT, 21, 40);
}

/* ---- as things change ---- */

static void test_changes_follow(void **state)
{
	struct world *w = *state;

	fill_limited(w);
	assert_int_equal(w->last.left, 0);
	/* Nothing changed: not even looked at. */
	rescope(w, false, false);
	assert_false(w->last.looked);
	open_mirror(w);
	put_group(w, 101, "Team One", 2, 10, 33);
	/* A new one that is nobody's member. */
	put_user(w, 50, "CN=u," HERE, "513");
	pulled(w, false, false);
	assert_int_equal(w->last.left, 1);
	assert_int_equal(w->last.kept, 0);
	assert_false(flags_of(w, 1) & DSS_OBJ_IN);
	assert_true(flags_of(w, 33) & DSS_OBJ_IN);
	assert_false(flags_of(w, 50) & DSS_OBJ_IN);
	/* An object that is told of again stays where it is. */
	open_mirror(w);
	put_user(w, 33, "CN=moved," HERE, "513");
	commit(w);
	assert_true(flags_of(w, 33) & DSS_OBJ_IN);
}

/* As the pull leaves it; true: everybody's place was looked at. */
static bool looks_at(struct world *w, unsigned n,
		     void (*change)(struct dss_object *obj))
{
	struct ds_guid guid = test_guid(n);
	struct dss_object obj;

	open_mirror(w);
	assert_int_equal(dss_mirror_get(&w->m, &guid, &obj), 0);
	change(&obj);
	assert_int_equal(dss_mirror_replace(&w->m, &obj), 0);
	assert_int_equal(w->m.changed, 1);
	pulled(w, false, false);
	return w->last.looked;
}

static void shown_otherwise(struct dss_object *obj)
{
	obj->display = obj->upn = obj->sam = "another@example.com";
	obj->uac ^= 2;
}

static void is_moved(struct dss_object *obj)
{
	obj->dn = "CN=u," THERE;
}

static void is_from_elsewhere(struct dss_object *obj)
{
	static const uint8_t blob[] = { 0, 0, 0, 0 };

	obj->history = blob;
	obj->history_len = sizeof(blob);
	obj->nhistory = 1;
	obj->present |= DSS_F_HISTORY;
}

static void has_another_primary_group(struct dss_object *obj)
{
	obj->primary_rid++;
}

static void loses_a_member(struct dss_object *obj)
{
	obj->nmembers--;
}

static void test_what_no_scope_asks_for(void **state)
{
	static char here[] = HERE;
	struct world *w = *state;

	fill_limited(w);
	assert_false(looks_at(w, 1, shown_otherwise));
	assert_true(flags_of(w, 1) & DSS_OBJ_IN);
	assert_true(looks_at(w, 1, has_another_primary_group));
	assert_true(looks_at(w, 2, is_moved));
	assert_true(looks_at(w, 3, is_from_elsewhere));
	assert_true(looks_at(w, 101, loses_a_member));
	assert_true(looks_at(w, 101, shown_otherwise)); /* its name */
	/* Without groups nobody asks who is a member. */
	w->groups[0] = NULL;
	w->bases[0] = here;
	rescope(w, false, true);
	assert_false(looks_at(w, 4, shown_otherwise));
	assert_false(looks_at(w, 4, has_another_primary_group));
	assert_false(looks_at(w, 102, loses_a_member));
	assert_true(looks_at(w, 4, is_moved));
	/* Who comes and who goes are looked at, beside others, too. */
	open_mirror(w);
	put_user(w, 60, "CN=u," HERE, "513");
	pulled(w, false, false);
	assert_true(w->last.looked);
	assert_true(flags_of(w, 60) & DSS_OBJ_IN);
	open_mirror(w);
	drop(w, 60);
	pulled(w, false, false);
	assert_true(w->last.looked);
}

/* A rename changes nothing, and whoever takes the old name is nobody. */
static void test_pinned(void **state)
{
	struct world *w = *state;

	fill_limited(w);
	open_mirror(w);
	put_group(w, 101, "Team Uno", 1, 10, 0);
	put_group(w, 102, "Team One", 11, 20, 0);
	pulled(w, false, false);
	assert_users(w, DSS_OBJ_IN, 1, 10);
	assert_string_equal(w->last.notice, "");
	/* Deletions that are accepted are no reason to let the pin go ... */
	rescope(w, false, true);
	assert_users(w, DSS_OBJ_IN, 1, 10);
	/* ... unless it is the group that is gone. */
	pull_loss(w, 101);
	assert_users(w, DSS_OBJ_KEPT, 1, 10);
	assert_users(w, DSS_OBJ_IN, 0, 0);
	assert_non_null(strstr(w->last.notice, "another has its name"));
	assert_non_null(strstr(w->last.notice, "nobody is taken out"));
	rescope(w, false, true);
	assert_users(w, DSS_OBJ_KEPT, 0, 0);
	assert_users(w, DSS_OBJ_IN, 11, 20);
	assert_string_equal(w->last.notice, "");
}

/* A domain that was made anew has groups of its own. */
static void test_another_domain(void **state)
{
	struct world *w = *state;

	fill_limited(w);
	open_mirror(w);
	drop(w, 101);
	put_group(w, 201, "Team One", 11, 20, 0);
	pulled(w, true, false);
	assert_users(w, DSS_OBJ_IN, 11, 20);
	assert_users(w, DSS_OBJ_KEPT, 0, 0);
	assert_string_equal(w->last.notice, "");
	/* Which are pinned now, as the first ones were. */
	pull_group(w, 201, "Team Uno", 11, 20);
	assert_users(w, DSS_OBJ_IN, 11, 20);
}

static void test_vanished_group(void **state)
{
	static char two[] = "team-two";
	struct world *w = *state;

	w->groups[1] = two;
	fill_limited(w);
	pull_loss(w, 101);
	/* Ten are few enough for the valve, and yet they stay. */
	assert_users(w, DSS_OBJ_KEPT, 1, 10);
	assert_users(w, DSS_OBJ_IN, 11, 20);
	assert_int_equal(w->last.kept, 10);
	/* Everything else goes on: one of the others leaves. */
	pull_group(w, 102, "team-two", 12, 20);
	assert_users(w, DSS_OBJ_KEPT, 1, 10);
	assert_users(w, DSS_OBJ_IN, 12, 20);
	assert_non_null(strstr(w->last.notice, "Team One"));
	/* The group is back, with most of them. */
	pull_group(w, 101, "Team One", 1, 9);
	assert_users(w, DSS_OBJ_KEPT, 10, 10);
	assert_string_equal(w->last.notice, "");
	rescope(w, false, true);
	assert_users(w, DSS_OBJ_KEPT, 0, 0);
	assert_int_equal(w->last.left, 1);
}

static void test_emptied_group(void **state)
{
	struct world *w = *state;

	fill_limited(w);
	pull_group(w, 101, "Team One", 2, 1);
	assert_users(w, DSS_OBJ_KEPT, 1, 10);
	assert_non_null(strstr(w->last.notice, "has no member"));
}

/* Too many at once, though the group is there. */
static void test_mass_leave(void **state)
{
	static char here[] = HERE;
	struct world *w = *state;

	fill(w);
	w->bases[0] = here;
	rescope(w, true, false);
	open_mirror(w);
	for (unsigned n = 1; n <= 15; n++)
		put_user(w, n, "CN=u," THERE, "513");
	pulled(w, false, false);
	assert_users(w, DSS_OBJ_KEPT, 1, 15);
	assert_int_equal(w->last.kept, 15);
	rescope(w, false, true);
	assert_users(w, DSS_OBJ_KEPT, 0, 0);
	assert_users(w, DSS_OBJ_IN, 16, 20);
}

/* The administrator's own change is no accident, unless it means nothing. */
static void test_config_changes(void **state)
{
	struct world *w = *state;

	fill(w);
	rescope(w, true, false);
	limit_to(w, "Team One");
	rescope(w, false, false);
	assert_int_equal(w->last.kept, 0);
	assert_users(w, DSS_OBJ_IN, 1, 10);
	limit_to(w, "Taem One");
	rescope(w, false, false);
	assert_users(w, DSS_OBJ_KEPT, 1, 10);
	assert_non_null(strstr(w->last.notice, "is not a group"));
	limit_to(w, "team-two");
	rescope(w, false, false);
	assert_users(w, DSS_OBJ_KEPT, 0, 0);
	assert_users(w, DSS_OBJ_IN, 11, 20);
	/* On a host that never had anybody, it means nobody. */
	limit_to(w, "nothing");
	rescope(w, true, false);
	assert_users(w, DSS_OBJ_IN | DSS_OBJ_KEPT, 0, 0);
}

#define SCOPE_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCOPE_TEST(test_no_scope),
		SCOPE_TEST(test_spellings),
		SCOPE_TEST(test_nested),
		SCOPE_TEST(test_with_bases),
		cmocka_unit_test(test_base_spellings),
		SCOPE_TEST(test_base_renamed),
		SCOPE_TEST(test_changes_follow),
		SCOPE_TEST(test_what_no_scope_asks_for),
		SCOPE_TEST(test_pinned),
		SCOPE_TEST(test_another_domain),
		SCOPE_TEST(test_vanished_group),
		SCOPE_TEST(test_emptied_group),
		SCOPE_TEST(test_mass_leave),
		SCOPE_TEST(test_config_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

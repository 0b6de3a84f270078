/*
 * Whole pulls from a scripted server: DirSync in several replies, cookies and
 * DirSync refused, members in slices, pages, referrals, the valve.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <signal.h>

#include "tests/unit/pull_world.h"

/* ---- scripts and tests ---- */

static void in_three(struct script_server *sv, const struct script_request *rq)
{
	char cookie[16];

	(void)snprintf(cookie, sizeof(cookie), "part-%d", sv->step);
	script_user(sv, rq->id, (unsigned)sv->step);
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, sv->step < 3, cookie);
}

static void test_continuation(void **state)
{
	struct pull_world *w = *state;

	assert_int_equal(world_pull(w, 0, in_three), 0);
	assert_int_equal(w->server.step, 3);
	assert_string_equal(w->server.last[0].cookie, "");
	assert_string_equal(w->server.last[1].cookie, "part-1");
	assert_string_equal(w->server.last[2].cookie, "part-2");
	assert_int_equal(world_objects(w), 3);
	assert_string_equal(w->s.status.strategy, "dirsync");
	assert_int_equal(world_pull(w, 0, script_two_users), 0);
	assert_string_equal(w->server.last[0].cookie, "part-3");
}

static void refuses_cookie(struct script_server *sv,
			   const struct script_request *rq)
{
	if (rq->cookie[0])
		script_done(sv, rq->id, LDAP_UNWILLING_TO_PERFORM);
	else
		script_two_users(sv, rq);
}

static void test_cookie_refused(void **state)
{
	struct pull_world *w = *state;

	assert_int_equal(world_pull(w, 0, script_two_users), 0);
	assert_int_equal(world_pull(w, 0, refuses_cookie), 0);
	assert_int_equal(w->server.step, 2);
	assert_string_equal(w->server.last[0].cookie, "cookie-2");
	assert_string_equal(w->server.last[1].cookie, "");
	assert_string_equal(w->s.status.strategy, "dirsync");
	assert_int_equal(world_objects(w), 2);
}

/* Ten users in two pages, with referrals between them. */
static void only_pages(struct script_server *sv,
		       const struct script_request *rq)
{
	bool second = strcmp(rq->cookie, "page-2") == 0;

	if (rq->dirsync) {
		script_done(sv, rq->id, LDAP_INSUFFICIENT_ACCESS);
		return;
	}
	script_reference(sv, rq->id);
	for (unsigned n = 1; n <= 5 && !rq->narrowed; n++)
		script_user(sv, rq->id, second ? 5 + n : n);
	if (rq->narrowed)
		script_user(sv, rq->id, 11);
	script_reference(sv, rq->id);
	script_done_with(sv, rq->id, SCRIPT_PAGED, 0,
			 second || rq->narrowed ? "" : "page-2");
}

static void test_paged(void **state)
{
	struct pull_world *w = *state;

	assert_int_equal(world_pull(w, 0, only_pages), 0);
	assert_int_equal(world_objects(w), 10);
	assert_string_equal(w->s.status.strategy, "paged");
	assert_non_null(strstr(w->s.status.strategy_why, "scripted"));
	/* Then only what changed, and without asking for DirSync again. */
	assert_int_equal(world_pull(w, 0, only_pages), 0);
	assert_int_equal(w->server.step, 1);
	assert_true(w->server.last[0].narrowed);
	assert_int_equal(world_objects(w), 11);
	/* Another database: its numbers mean something else. */
	w->server.invocation = 'j';
	assert_int_equal(world_pull(w, 0, only_pages), 0);
	assert_true(w->server.last[0].dirsync);
	assert_false(w->server.last[1].narrowed);
	assert_int_equal(world_objects(w), 10);
}

/* A group's members come by twos, whatever is asked for. */
static void slices(struct script_server *sv, const struct script_request *rq)
{
	unsigned first = 0;
	char name[32];

	if (rq->dirsync) {
		script_group(sv, rq->id, 30, "member;range=0-1", 0, 1);
		for (unsigned n = 1; n <= 5; n++)
			script_user(sv, rq->id, n);
		script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
		return;
	}
	(void)sscanf(rq->last_attr, "member;range=%u-", &first);
	(void)snprintf(name, sizeof(name),
		       first < 4 ? "member;range=%u-%u" : "member;range=%u-*",
		       first, first + 1);
	script_group(sv, rq->id, 30, name, first, first + 1);
	script_done(sv, rq->id, LDAP_SUCCESS);
}

static void test_slices(void **state)
{
	struct pull_world *w = *state;

	assert_int_equal(world_pull(w, 0, slices), 0);
	assert_int_equal(world_members(w, 30), 6);
	assert_int_equal(w->server.step, 4);
}

static void many(struct script_server *sv, const struct script_request *rq)
{
	for (unsigned n = 1; n <= 60; n++)
		script_user(sv, rq->id, n);
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
}

/* The account may read next to nothing any more. */
static void test_valve(void **state)
{
	struct pull_world *w = *state;

	assert_int_equal(world_pull(w, 0, many), 0);
	assert_int_equal(world_pull(w, DS_PULL_FULL, script_two_users), 0);
	assert_int_equal(world_objects(w), 60);
	assert_int_equal(world_pull(w, DS_PULL_FULL | DS_PULL_ACCEPT_DELETES,
				    script_two_users),
			 0);
	assert_int_equal(world_objects(w), 2);
}

/* Of the many, five are gone; and so is the base, or not. */
static void all_but_five(struct script_server *sv,
			 const struct script_request *rq)
{
	for (unsigned n = 6; n <= 60; n++)
		script_user(sv, rq->id, n);
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
}

static void base_gone(struct script_server *sv,
		      const struct script_request *rq)
{
	if (strcmp(rq->base, SCRIPT_BASE_DN) != 0)
		script_done(sv, rq->id, LDAP_NO_SUCH_OBJECT);
	else
		all_but_five(sv, rq);
}

/* Not readable: no error, and no entry. */
static void base_hidden(struct script_server *sv,
			const struct script_request *rq)
{
	if (strcmp(rq->base, SCRIPT_BASE_DN) != 0)
		script_done(sv, rq->id, LDAP_SUCCESS);
	else
		all_but_five(sv, rq);
}

static void base_there(struct script_server *sv,
		       const struct script_request *rq)
{
	if (strcmp(rq->base, SCRIPT_BASE_DN) != 0) {
		script_user(sv, rq->id, 6);
		script_done(sv, rq->id, LDAP_SUCCESS);
	} else {
		all_but_five(sv, rq);
	}
}

/* Five are few enough for the valve; not where their base is gone, too. */
static void test_vanished_base(void **state)
{
	static char ou[] = "OU=AADDC Users," SCRIPT_BASE_DN;
	char *bases[] = { ou, NULL };
	struct pull_world *w = *state;
	const char *notice = w->s.status.notice[DSS_NOTICE_BASES];

	assert_int_equal(world_pull(w, 0, many), 0);
	w->s.config.sync.bases = bases;
	assert_int_equal(world_pull(w, DS_PULL_FULL, base_gone), 0);
	assert_non_null(strstr(notice, ou));
	assert_int_equal(world_objects(w), 60);
	assert_int_equal(world_pull(w, DS_PULL_FULL, base_hidden), 0);
	assert_non_null(strstr(notice, ou));
	assert_int_equal(world_objects(w), 60);
	/* It is back without them: they wait to be let go all the same. */
	assert_int_equal(world_pull(w, DS_PULL_FULL, base_there), 0);
	assert_string_equal(notice, "");
	assert_int_equal(world_objects(w), 60);
	assert_int_equal(
	    world_pull(w, DS_PULL_FULL | DS_PULL_ACCEPT_DELETES, base_there),
	    0);
	assert_int_equal(world_objects(w), 55);
}

static void test_base_is_there(void **state)
{
	static char ou[] = "OU=AADDC Users," SCRIPT_BASE_DN;
	char *bases[] = { ou, NULL };
	struct pull_world *w = *state;

	w->s.config.sync.bases = bases;
	assert_int_equal(world_pull(w, 0, many), 0);
	assert_int_equal(world_pull(w, DS_PULL_FULL, base_there), 0);
	assert_int_equal(world_objects(w), 55);
}

/* With the replication right: tombstones come, and so does what no search
 * shows. */
static void replicates(struct script_server *sv,
		       const struct script_request *rq)
{
	struct test_entry t;

	if (!rq->dirsync) { /* a search finds nobody */
		script_done_with(sv, rq->id, SCRIPT_PAGED, 0, "");
		return;
	}
	for (unsigned n = 1; n <= 5 && !rq->cookie[0]; n++) {
		if (n == 3 && strcmp(rq->first_attr, "objectClass") == 0)
			continue; /* gone since */
		script_user(sv, rq->id, n);
	}
	if (rq->cookie[0]) {
		entry_begin(&t, 2);
		entry_text(&t, "isDeleted", "TRUE");
		script_entry(sv, rq->id, &t.e);
		entry_begin(&t, 9); /* no search shows the rest of it */
		entry_text(&t, "displayName", "Nine");
		script_entry(sv, rq->id, &t.e);
	}
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "r");
}

static void test_replication_right(void **state)
{
	struct pull_world *w = *state;
	int asked = 0;

	w->server.right = true;
	assert_int_equal(world_pull(w, 0, replicates), 0);
	assert_int_equal(world_objects(w), 5);
	assert_true(w->server.last[0].replication);
	assert_non_null(strstr(w->s.status.strategy_why, "has the repl"));
	assert_int_equal(world_pull(w, 0, replicates), 0);
	assert_int_equal(world_members(w, 2), -1);
	assert_int_equal(world_members(w, 9), 0);
	/* The look for deletions is by DirSync, too. */
	w->s.config.sync.reconcile_interval = 0;
	assert_int_equal(world_pull(w, 0, replicates), 0);
	for (int i = 0; i < w->server.step; i++)
		asked += w->server.last[i].replication;
	assert_int_equal(asked, 2);
	assert_int_equal(world_members(w, 3), -1);
	/* 2 was shown again by the listing, and is found by no search. */
	assert_int_equal(world_members(w, 1), 0);
	/* The right is withdrawn: anew, with the one that needs none. */
	w->server.right = false;
	assert_int_equal(world_pull(w, 0, script_two_users), 0);
	assert_false(w->server.last[0].replication);
	assert_string_equal(w->server.last[0].cookie, "");
	assert_non_null(strstr(w->s.status.strategy_why, "without"));
	assert_int_equal(world_objects(w), 2);
}

/* What went out of sight comes without a name, and is looked at. */
static void nameless(struct script_server *sv, const struct script_request *rq)
{
	struct test_entry t;

	if (!rq->cookie[0] && rq->dirsync) {
		script_two_users(sv, rq);
		return;
	}
	if (!rq->dirsync) {
		script_done(sv, rq->id, LDAP_NO_SUCH_OBJECT);
		return;
	}
	entry_begin(&t, 1);
	t.e.dn = "";
	script_entry(sv, rq->id, &t.e);
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
}

static void test_nameless(void **state)
{
	struct pull_world *w = *state;

	assert_int_equal(world_pull(w, 0, nameless), 0);
	assert_int_equal(world_pull(w, 0, nameless), 0);
	assert_int_equal(w->server.step, 2);
	assert_int_equal(world_objects(w), 1);
	assert_int_equal(world_members(w, 1), -1);
}

/* No change, and nobody that is asked for by GUID but user 1. */
static void looked_for(struct script_server *sv,
		       const struct script_request *rq)
{
	if (rq->dirsync) {
		script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
	} else if (strstr(rq->base, "<GUID=070100d5")) {
		script_user(sv, rq->id, 1);
		script_done(sv, rq->id, LDAP_SUCCESS);
	} else {
		script_done(sv, rq->id, LDAP_NO_SUCH_OBJECT);
	}
}

static void dies(struct script_server *sv, const struct script_request *rq)
{
	script_user(sv, rq->id, 7);
	sv->over = true;
}

/* What a live look missed goes, alone, and only as far as the valve lets it.
 */
static void test_asked(void **state)
{
	struct pull_world *w = *state;

	assert_int_equal(world_pull(w, 0, many), 0);
	w->s.asked[0] = test_guid(1); /* it is there again */
	w->s.asked[1] = test_guid(2);
	w->s.asked[2] = test_guid(99); /* nobody we know */
	w->s.nasked = 3;
	assert_int_not_equal(world_pull(w, 0, dies), 0);
	assert_int_equal(w->s.nasked, 3);
	assert_int_equal(world_pull(w, 0, looked_for), 0);
	assert_int_equal(w->s.nasked, 0);
	assert_int_equal(world_objects(w), 59);
	assert_int_equal(world_members(w, 1), 0);
	assert_int_equal(world_members(w, 2), -1);
	/* One by one: 12 of 60 are 20 percent. */
	for (unsigned n = 3; n < 20; n++) {
		w->s.asked[0] = test_guid(n);
		w->s.nasked = 1;
		assert_int_equal(world_pull(w, 0, looked_for), 0);
	}
	assert_int_equal(world_objects(w), 48);
}

#define WORLD_TEST(t)                                                         \
	cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_continuation),
		WORLD_TEST(test_cookie_refused),
		WORLD_TEST(test_paged),
		WORLD_TEST(test_slices),

		WORLD_TEST(test_valve),
		WORLD_TEST(test_vanished_base),
		WORLD_TEST(test_base_is_there),
		WORLD_TEST(test_replication_right),
		WORLD_TEST(test_nameless),
		WORLD_TEST(test_asked),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

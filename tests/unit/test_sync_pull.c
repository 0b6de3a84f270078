/*
 * Whole pulls from a scripted server: DirSync in several replies, cookies and
 * DirSync refused, members in slices, pages, referrals, the replication right.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <signal.h>

#include "lib/wire.h"
#include "synccache/sync/meta.h"
#include "tests/unit/pull_world.h"

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

static int refusal;

static void refuses_cookie(struct script_server *sv,
			   const struct script_request *rq)
{
	if (rq->cookie[0])
		script_done(sv, rq->id, refusal);
	else
		script_two_users(sv, rq);
}

static void test_cookie_refused(void **state)
{
	/* What Windows and Samba were seen to say of one. */
	static const int codes[] = { LDAP_UNWILLING_TO_PERFORM,
				     LDAP_UNAVAILABLE_CRITICAL_EXTENSION,
				     LDAP_PROTOCOL_ERROR,
				     LDAP_OPERATIONS_ERROR,
				     LDAP_INSUFFICIENT_ACCESS };
	struct pull_world *w = *state;

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		refusal = codes[i];
		assert_int_equal(world_pull(w, DS_PULL_FULL, script_two_users),
				 0);
		assert_int_equal(world_pull(w, 0, refuses_cookie), 0);
		assert_int_equal(w->server.step, 2);
		assert_string_equal(w->server.last[0].cookie, "cookie-2");
		assert_string_equal(w->server.last[1].cookie, "");
		assert_string_equal(w->s.status.strategy, "dirsync");
		assert_int_equal(world_objects(w), 2);
	}
}

/* One object that the server tells of, and refuses to show. */
static void refuses_one(struct script_server *sv,
			const struct script_request *rq)
{
	struct test_entry t;

	if (!rq->dirsync) {
		script_done(sv, rq->id, LDAP_INSUFFICIENT_ACCESS);
		return;
	}
	script_user(sv, rq->id, 1);
	entry_begin(&t, 2);
	entry_text(&t, "displayName", "Two");
	script_entry(sv, rq->id, &t.e);
	script_user(sv, rq->id, 3);
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
}

static void test_one_refused(void **state)
{
	struct pull_world *w = *state;
	const char *notice = w->s.status.notice[DSS_NOTICE_ENTRIES];

	assert_int_equal(world_pull(w, 0, refuses_one), 0);
	assert_int_equal(world_members(w, 1), 0);
	assert_int_equal(world_members(w, 2), -1);
	assert_int_equal(world_members(w, 3), 0);
	assert_non_null(strstr(notice, "may not read: 1, the first of them "));
	assert_int_equal(world_pull(w, DS_PULL_FULL, script_two_users), 0);
	assert_string_equal(notice, "");
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
	assert_int_equal(w->server.step, 6); /* the slices overlap */
}

/* User 2 becomes readable, whose five groups, 30 to 34, come by twos. */
static void groups_by_twos(struct script_server *sv,
			   const struct script_request *rq)
{
	unsigned first = 0, last;
	char name[64], text[2][128];
	struct test_entry t;

	if (rq->dirsync && !rq->cookie[0]) {
		script_user(sv, rq->id, 1);
		for (unsigned n = 30; n < 35; n++)
			script_group(sv, rq->id, n, "member;range=1-1", 1, 1);
	}
	if (rq->dirsync && rq->cookie[0]) {
		entry_begin(&t, 2);
		entry_text(&t, "displayName", "Two");
		script_entry(sv, rq->id, &t.e);
	}
	if (rq->dirsync) {
		script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
		return;
	}
	(void)sscanf(rq->last_attr, "memberOf;range=%u-", &first);
	last = first + 1 < 4 ? first + 1 : 4;
	(void)snprintf(name, sizeof(name),
		       last < 4 ? "memberOf;range=%u-%u"
				: "memberOf;range=%u-*",
		       first, last);
	if (first == 0)
		entry_user(&t, 2, "two");
	else
		entry_begin(&t, 2);
	entry_attr(&t, name);
	for (unsigned n = first; n <= last; n++) {
		member_dn(30 + n, text[n - first]);
		entry_value(&t, text[n - first], strlen(text[n - first]));
	}
	script_entry(sv, rq->id, &t.e);
	script_done(sv, rq->id, LDAP_SUCCESS);
}

static void test_groups_in_slices(void **state)
{
	struct pull_world *w = *state;

	assert_int_equal(world_pull(w, 0, groups_by_twos), 0);
	assert_int_equal(world_pull(w, 0, groups_by_twos), 0);
	assert_int_equal(w->server.step, 4);
	for (unsigned n = 30; n < 35; n++)
		assert_int_equal(world_members(w, n), 2);
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

/* ---- fewer attributes ---- */

static void with_manager(struct script_server *sv,
			 const struct script_request *rq)
{
	struct test_entry t;
	char text[128];

	if (!rq->cookie[0]) {
		entry_user(&t, 1, "one");
		entry_text(&t, "displayName", "One");
		entry_text(&t, "l", "Bern");
		entry_text(&t, "department",
			   "a\x01"
			   "b");
		entry_text(&t, "uidNumber", "5");
		entry_text(&t, "manager;range=1-1", member_dn(2, text));
		script_entry(sv, rq->id, &t.e);
		script_user(sv, rq->id, 2);
	}
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
}

/* They go without a load; more of them need one. */
static void test_fewer_attributes(void **state)
{
	struct pull_world *w = *state;
	struct dss_object obj;
	struct dss_txn *txn;
	bool there;

	w->s.config.sync.attributes = DS_ATTRIBUTES_MAPPED;
	assert_int_equal(world_pull(w, 0, with_manager), 0);
	txn = world_object(w, 1, &obj, &there);
	assert_true(there && obj.shown_len > 0 && obj.manager_dn[0]);
	dss_txn_abort(txn);
	w->s.config.sync.attributes = DS_ATTRIBUTES_IDENTITY;
	assert_int_equal(dss_pull_rescope(&w->s), 0);
	txn = world_object(w, 1, &obj, &there);
	assert_true(there && obj.shown_len == 0 && !obj.manager_dn[0]);
	assert_string_equal(obj.display, "");
	assert_string_equal(obj.sam, "one");
	assert_int_equal(obj.uid_number, 5);
	assert_int_equal(obj.malformed, 0);
	dss_txn_abort(txn);
	assert_int_equal(world_pull(w, 0, with_manager), 0);
	assert_string_equal(w->server.last[0].cookie, "c");
	w->s.config.sync.attributes = DS_ATTRIBUTES_MAPPED;
	assert_int_equal(dss_pull_rescope(&w->s), 0);
	assert_int_equal(world_pull(w, 0, with_manager), 0);
	assert_string_equal(w->server.last[0].cookie, "");
	txn = world_object(w, 1, &obj, &there);
	assert_true(there && obj.shown_len > 0);
	dss_txn_abort(txn);
}

/* ---- a listing that is due ---- */

static void set_reconciled(struct pull_world *w, uint64_t when)
{
	struct dss_meta meta;
	struct dss_txn *txn;

	assert_int_equal(dss_txn_begin(w->s.store, true, &txn), 0);
	assert_int_equal(dss_meta_load(txn, &meta), 0);
	meta.reconciled = when;
	assert_int_equal(dss_meta_save(txn, &meta), 0);
	assert_int_equal(dss_txn_commit(txn), 0);
}

static void lists(struct script_server *sv, const struct script_request *rq)
{
	if (rq->dirsync) {
		script_two_users(sv, rq);
		return;
	}
	for (unsigned n = 1; n <= 2; n++)
		script_user(sv, rq->id, n);
	script_done_with(sv, rq->id, SCRIPT_PAGED, 0, "");
}

/* Those who all find it due when they wake do not list all at once. */
static void test_listing_put_off(void **state)
{
	const int64_t hour = 3600000;
	struct pull_world *w = *state;
	int64_t at, last = 0;

	assert_int_equal(world_pull(w, 0, lists), 0);
	for (unsigned n = 0; n < 3; n++) {
		set_reconciled(w, 1);
		assert_int_equal(world_pull(w, 0, lists), 0);
		assert_int_equal(w->server.step, 1);
		at = w->s.reconcile_at;
		assert_in_range(at, ds_now_ms() - 60000,
				ds_now_ms() + hour / 5);
		assert_int_not_equal(at, last);
		last = at;
		/* Not by one pull more. */
		assert_int_equal(world_pull(w, 0, lists), 0);
		assert_int_equal(w->s.reconcile_at, at);
		/* Until its time has come. */
		w->s.reconcile_at = ds_now_ms();
		assert_int_equal(world_pull(w, 0, lists), 0);
		assert_true(w->server.step > 1 && w->server.last[1].paged);
		assert_int_equal(w->s.reconcile_at, 0);
		assert_int_equal(world_pull(w, 0, lists), 0);
		assert_int_equal(w->server.step, 1);
	}
	/* Who asks need not wait. */
	set_reconciled(w, 1);
	assert_int_equal(world_pull(w, DS_PULL_ACCEPT_DELETES, lists), 0);
	assert_true(w->server.step > 1 && w->server.last[1].paged);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_continuation),
		WORLD_TEST(test_cookie_refused),
		WORLD_TEST(test_one_refused),
		WORLD_TEST(test_paged),
		WORLD_TEST(test_slices),
		WORLD_TEST(test_groups_in_slices),
		WORLD_TEST(test_replication_right),
		WORLD_TEST(test_fewer_attributes),
		WORLD_TEST(test_listing_put_off),
		WORLD_TEST(test_nameless),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

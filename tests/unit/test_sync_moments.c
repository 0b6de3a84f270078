/*
 * Unlucky moments of a directory, in whole pulls from a scripted server: a
 * database that went back in time, an object that is deleted and comes back,
 * members that change while they are read.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <signal.h>

#include "tests/unit/pull_world.h"

/* ---- a database that went back ---- */

static const char *usn = "1000";

static void says_usn(struct script_server *sv, const struct script_request *rq)
{
	struct test_entry t;

	memset(&t, 0, sizeof(t));
	t.e.attrs = t.attrs;
	t.e.dn = "";
	entry_text(&t, "highestCommittedUSN", usn);
	entry_text(&t, "dsServiceName", "CN=NTDS Settings,CN=DC1");
	script_entry(sv, rq->id, &t.e);
	script_done(sv, rq->id, LDAP_SUCCESS);
}

static void only_lists(struct script_server *sv,
		       const struct script_request *rq)
{
	if (rq->dirsync) {
		script_done(sv, rq->id, LDAP_INSUFFICIENT_ACCESS);
		return;
	}
	for (unsigned n = 1; n <= 2 && !rq->narrowed; n++)
		script_user(sv, rq->id, n);
	script_done_with(sv, rq->id, SCRIPT_PAGED, 0, "");
}

/* Restored without a new invocationId: its numbers are given out again. */
static void test_numbers_went_back(void **state)
{
	struct pull_world *w = *state;

	w->server.root = says_usn;
	usn = "1000";
	assert_int_equal(world_pull(w, 0, only_lists), 0);
	assert_int_equal(world_pull(w, 0, only_lists), 0);
	assert_int_equal(w->server.step, 1);
	assert_true(w->server.last[0].narrowed);
	usn = "999";
	assert_int_equal(world_pull(w, 0, only_lists), 0);
	assert_false(w->server.last[w->server.step - 1].narrowed);
}

static void says_nothing(struct script_server *sv,
			 const struct script_request *rq)
{
	script_done(sv, rq->id, LDAP_SUCCESS);
}

/* Group 30 with two members; afterwards, whoever asks is told all of it anew,
 * with one. */
static void restored(struct script_server *sv, const struct script_request *rq)
{
	for (unsigned n = 1; n <= 2; n++)
		script_user(sv, rq->id, n);
	script_group(sv, rq->id, 30, "member;range=1-1", 1,
		     sv->invocation == 'i' ? 2 : 1);
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
}

static void test_restored(void **state)
{
	struct pull_world *w = *state;

	assert_int_equal(world_pull(w, 0, restored), 0);
	assert_int_equal(world_members(w, 30), 2);
	w->server.invocation = 'j';
	assert_int_equal(world_pull(w, 0, restored), 0);
	assert_int_equal(world_members(w, 30), 1);
	/* Only once. */
	assert_int_equal(world_pull(w, 0, restored), 0);
	assert_int_equal(w->server.step, 1);
	assert_string_equal(w->server.last[0].cookie, "c");
	/* A server that does not say so any more is believed. */
	w->server.root = says_nothing;
	assert_int_equal(world_pull(w, 0, restored), 0);
	assert_string_equal(w->server.last[0].cookie, "c");
}

/* ---- deleted, and back ---- */

static void comes_back(struct script_server *sv,
		       const struct script_request *rq)
{
	struct test_entry t;

	if (!rq->dirsync) {
		script_user(sv, rq->id, 1);
		script_done(sv, rq->id, LDAP_SUCCESS);
		return;
	}
	if (!rq->cookie[0]) {
		script_two_users(sv, rq);
		return;
	}
	entry_begin(&t, 1);
	if (strcmp(rq->cookie, "cookie-2") == 0) {
		entry_text(&t, "isDeleted", "TRUE");
	} else {
		entry_attr(&t, "isDeleted");
		entry_text(&t, "displayName", "back");
	}
	script_entry(sv, rq->id, &t.e);
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC,
			 strcmp(rq->cookie, "cookie-2") == 0, "cookie-3");
}

static void test_comes_back(void **state)
{
	struct pull_world *w = *state;

	w->server.right = true;
	assert_int_equal(world_pull(w, 0, comes_back), 0);
	assert_int_equal(world_pull(w, 0, comes_back), 0);
	assert_int_equal(w->server.step, 3);
	assert_int_equal(world_objects(w), 2);
}

/* Group 30 had 1 and 2, and 1 went and came: it is no member any more, and
 * nothing that the group says tells of it. */
static bool told_both; /* that it went, too */

static void came_back_alone(struct script_server *sv,
			    const struct script_request *rq)
{
	struct test_entry t;

	if (!rq->dirsync) {
		if (strstr(rq->base, "<GUID=071e00d5"))
			script_group(sv, rq->id, 30, "member", 2, 2);
		else
			script_user(sv, rq->id, 1);
		script_done(sv, rq->id, LDAP_SUCCESS);
		return;
	}
	if (!rq->cookie[0]) {
		script_group(sv, rq->id, 30, "member;range=1-1", 1, 2);
		script_two_users(sv, rq);
		return;
	}
	if (told_both) {
		entry_begin(&t, 1);
		entry_text(&t, "isDeleted", "TRUE");
		script_entry(sv, rq->id, &t.e);
	}
	entry_begin(&t, 1);
	entry_attr(&t, "isDeleted");
	entry_text(&t, "userAccountControl", "512");
	script_entry(sv, rq->id, &t.e);
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "cookie-3");
}

static void test_comes_back_alone(void **state)
{
	struct pull_world *w = *state;

	w->server.right = true;
	for (unsigned n = 0; n < 2; n++) {
		told_both = n > 0;
		assert_int_equal(world_pull(w, DS_PULL_FULL, came_back_alone),
				 0);
		assert_int_equal(world_members(w, 30), 2);
		assert_int_equal(world_pull(w, 0, came_back_alone), 0);
		assert_int_equal(world_members(w, 30), 1);
		assert_int_equal(world_objects(w), 3);
	}
}

/* ---- no users any more ---- */

static const char *class_word = "user";

static void other_class(struct script_server *sv,
			const struct script_request *rq)
{
	for (unsigned n = 1; n <= 60; n++) {
		struct test_entry t;

		entry_user(&t, n, "somebody");
		t.values[2] = (struct dss_value){ (const uint8_t *)class_word,
						  strlen(class_word) };
		script_entry(sv, rq->id, &t.e);
	}
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
}

static void test_other_class(void **state)
{
	struct pull_world *w = *state;

	class_word = "user";
	assert_int_equal(world_pull(w, 0, other_class), 0);
	assert_int_equal(world_objects(w), 60);
	class_word = "computer";
	assert_int_equal(world_pull(w, 0, other_class), 0);
	assert_int_equal(world_objects(w), 60);
}

/* ---- members that change while they are read ---- */

#define WIDTH 4
static unsigned first_member, step_of_change;

/* Up to 11, by slices.  While they are read, 0 is a member no more. */
static void shifts(struct script_server *sv, const struct script_request *rq)
{
	unsigned first = 0, last;
	char name[64];

	if (sv->step == (int)step_of_change)
		first_member = 1;
	(void)sscanf(rq->last_attr, "member;range=%u-", &first);
	first += first_member;
	last = first + WIDTH - 1;
	if (last >= 11)
		last = 11;
	(void)snprintf(name, sizeof(name),
		       last == 11 ? "member;range=%u-*" : "member;range=%u-%u",
		       first - first_member, last - first_member);
	script_group(sv, rq->id, 30, name, first, last);
	if (rq->dirsync)
		script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
	else
		script_done(sv, rq->id, LDAP_SUCCESS);
}

/* It is deleted in between. */
static void vanishes(struct script_server *sv, const struct script_request *rq)
{
	if (sv->step < 4)
		shifts(sv, rq);
	else
		script_done(sv, rq->id, LDAP_NO_SUCH_OBJECT);
}

static bool has_member(struct pull_world *w, unsigned n)
{
	struct ds_guid guid = test_guid(30), member = test_guid(n);
	struct dss_object obj;
	struct dss_txn *txn;
	const uint8_t *data;
	size_t len;
	bool found;

	assert_int_equal(dss_txn_begin(w->s.store, false, &txn), 0);
	assert_int_equal(dss_txn_get(txn, &guid, &data, &len), 0);
	assert_int_equal(dss_object_decode(&guid, data, len, &obj), 0);
	found = dss_guids_have(obj.members, obj.nmembers, &member);
	dss_txn_abort(txn);
	return found;
}

static void test_members_move(void **state)
{
	struct pull_world *w = *state;

	for (step_of_change = 2; step_of_change < 7; step_of_change++) {
		first_member = 0;
		assert_int_equal(world_pull(w, DS_PULL_FULL, shifts), 0);
		for (unsigned n = 1; n <= 11; n++)
			assert_true(has_member(w, n));
	}
	/* What was read of one that is no more is nobody's. */
	assert_int_equal(world_pull(w, DS_PULL_FULL, vanishes), 0);
	assert_int_equal(world_members(w, 30), -1);
}

#define WORLD_TEST(t)                                                         \
	cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_numbers_went_back),
		WORLD_TEST(test_restored),
		WORLD_TEST(test_comes_back),
		WORLD_TEST(test_comes_back_alone),
		WORLD_TEST(test_other_class),
		WORLD_TEST(test_members_move),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

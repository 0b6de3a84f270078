/*
 * The changes to the mirror: deltas, listings, deletions and the safety valve.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include "synccache/sync/valve.h"
#include "tests/unit/sync_store.h"

static void test_delta(void **state)
{
	struct fixture *f = *state;
	struct test_entry t;
	struct dss_mirror m;

	fill(f, 5);
	assert_int_equal(count_objects(f), 6);
	/* The same again changes nothing. */
	begin(f, &m, false);
	add_user(&m, 2);
	assert_int_equal(m.changed, 0);
	/* A change of an attribute does. */
	entry_begin(&t, 2);
	entry_text(&t, "displayName", "Second");
	assert_int_equal(dss_mirror_delta(&m, &t.e), 0);
	assert_int_equal(m.changed, 1);
	assert_int_equal(m.incomplete.count, 0);
	/* A delta of an object that nobody knows has to be read whole. */
	entry_begin(&t, 77);
	entry_text(&t, "displayName", "Stranger");
	assert_int_equal(dss_mirror_delta(&m, &t.e), 0);
	assert_int_equal(m.incomplete.count, 1);
	/* An entry without a GUID is counted and passed over. */
	entry_begin(&t, 78);
	t.attrs[0].values = NULL;
	t.attrs[0].count = 0;
	assert_int_equal(dss_mirror_delta(&m, &t.e), 0);
	assert_int_equal(m.malformed, 1);
	dss_txn_abort(m.txn);
	dss_mirror_done(&m);
}

/* A first load forgets what was there, also of the objects it shows. */
static void test_full_starts_blank(void **state)
{
	struct fixture *f = *state;
	struct test_entry t;
	struct dss_mirror m;
	size_t members = 0, dropped, held;

	fill(f, 5);
	begin(f, &m, true);
	for (unsigned i = 1; i <= 5; i++)
		add_user(&m, i);
	/* In two parts, as a server may send it: the second adds. */
	add_group(&m, 500, 2, 2);
	entry_begin(&t, 500);
	entry_attr(&t, "member;range=1-1");
	{
		char text[128];

		member_dn(4, text);
		entry_value(&t, text, strlen(text));
		assert_int_equal(dss_mirror_delta(&m, &t.e), 0);
	}
	assert_int_equal(dss_mirror_missing(&m), 0);
	assert_int_equal(dss_mirror_drop(&m, 20, false, &dropped, &held), 0);
	assert_int_equal(dropped, 0);
	commit(&m);
	assert_true(has(f, 500, NULL, &members));
	assert_int_equal(members, 2);
}

static void list(struct dss_mirror *m, unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++) {
		struct test_entry t;

		entry_begin(&t, i);
		assert_int_equal(dss_mirror_listed(m, &t.e), 0);
	}
}

/* A deleted member leaves its groups though nobody says so. */
static void test_listing_deletes(void **state)
{
	struct fixture *f = *state;
	struct dss_mirror m;
	size_t dropped, held, members = 0;

	fill(f, 20);
	begin(f, &m, false);
	list(&m, 2, 20);
	list(&m, 500, 500);
	assert_int_equal(dss_mirror_missing(&m), 0);
	assert_int_equal(dss_mirror_drop(&m, 20, false, &dropped, &held), 0);
	assert_int_equal(dropped, 1);
	assert_int_equal(held, 0);
	commit(&m);
	assert_false(has(f, 1, NULL, NULL));
	assert_true(has(f, 500, NULL, &members));
	assert_int_equal(members, 2);
}

/* A listing that shows what the mirror lacks has it read. */
static void test_listing_finds(void **state)
{
	struct fixture *f = *state;
	struct dss_mirror m;

	fill(f, 3);
	begin(f, &m, false);
	list(&m, 1, 4);
	assert_int_equal(m.incomplete.count, 1);
	assert_int_equal(m.changed, 0);
	dss_txn_abort(m.txn);
	dss_mirror_done(&m);
}

static void test_valve_rule(void **state)
{
	(void)state;
	assert_true(dss_valve_allows(0, 0, 20));
	assert_true(dss_valve_allows(10, 10, 20)); /* the floor */
	assert_false(dss_valve_allows(11, 40, 20));
	assert_true(dss_valve_allows(20, 100, 20));
	assert_false(dss_valve_allows(21, 100, 20));
	assert_true(dss_valve_allows(10, 1000, 0));
	assert_false(dss_valve_allows(11, 1000, 0));
	assert_true(dss_valve_allows(100, 100, 400));
}

/* Only `first` .. `last` are still listed; what the valve does about it. */
static void reconcile(struct fixture *f, unsigned first, unsigned last,
		      bool accept, size_t *ret_dropped, size_t *ret_held)
{
	struct dss_mirror m;

	begin(f, &m, false);
	list(&m, first, last);
	list(&m, 500, 500);
	assert_int_equal(dss_mirror_missing(&m), 0);
	assert_int_equal(
	    dss_mirror_drop(&m, 20, accept, ret_dropped, ret_held), 0);
	commit(&m);
}

static void test_valve_holds(void **state)
{
	struct fixture *f = *state;
	size_t dropped, held;
	uint32_t flags = 0;

	fill(f, 60);
	reconcile(f, 31, 60, false, &dropped, &held);
	assert_int_equal(dropped, 0);
	assert_int_equal(held, 30);
	assert_true(has(f, 1, &flags, NULL));
	assert_int_equal(flags, DSS_OBJ_HELD);
	/* Nobody new is missing: they stay held, and are not counted again. */
	reconcile(f, 31, 60, false, &dropped, &held);
	assert_int_equal(dropped + held, 0);
	assert_true(has(f, 1, &flags, NULL));
	/* Everything else keeps syncing: one more deletion is carried out. */
	reconcile(f, 32, 60, false, &dropped, &held);
	assert_int_equal(dropped, 1);
	assert_false(has(f, 31, NULL, NULL));
	assert_true(has(f, 1, &flags, NULL));
	/* Shown again: no longer held. */
	reconcile(f, 1, 60, false, &dropped, &held);
	assert_true(has(f, 1, &flags, NULL));
	assert_int_equal(flags, 0);
	/* Accepted: gone, with the memberships. */
	reconcile(f, 40, 60, false, &dropped, &held);
	assert_true(held > 10);
	reconcile(f, 40, 60, true, &dropped, &held);
	assert_int_equal(held, 0);
	assert_false(has(f, 1, NULL, NULL));
	{
		size_t members = 9;

		assert_true(has(f, 500, NULL, &members));
		assert_int_equal(members, 0);
	}
}

/* Twelve are few of sixty, but all that the host shows. */
static void test_valve_of_a_scope(void **state)
{
	struct fixture *f = *state;
	struct dss_mirror m;
	size_t dropped, held;
	uint32_t flags = 0;

	fill(f, 60);
	begin(f, &m, false);
	for (unsigned n = 1; n <= 12; n++) {
		struct ds_guid guid = test_guid(n);

		assert_int_equal(
		    dss_mirror_flag(&m, &guid,
				    n == 1 ? DSS_OBJ_KEPT : DSS_OBJ_IN),
		    0);
	}
	commit(&m);
	reconcile(f, 13, 60, false, &dropped, &held);
	assert_int_equal(dropped, 0);
	assert_int_equal(held, 12);
	assert_true(has(f, 12, &flags, NULL));
	assert_int_equal(flags, DSS_OBJ_IN | DSS_OBJ_HELD);
	reconcile(f, 1, 60, false, &dropped, &held);
	/* The other way round the domain counts. */
	reconcile(f, 1, 47, false, &dropped, &held);
	assert_int_equal(held, 13);
	reconcile(f, 1, 60, false, &dropped, &held);
	reconcile(f, 2, 49, false, &dropped, &held);
	assert_int_equal(dropped, 12);
}

static void test_tombstone(void **state)
{
	struct fixture *f = *state;
	struct test_entry t;
	struct dss_mirror m;
	size_t dropped, held;

	fill(f, 5);
	begin(f, &m, false);
	entry_begin(&t, 3);
	entry_text(&t, "isDeleted", "TRUE");
	assert_int_equal(dss_mirror_delta(&m, &t.e), 0);
	entry_begin(&t, 99); /* never known */
	entry_text(&t, "isDeleted", "TRUE");
	assert_int_equal(dss_mirror_delta(&m, &t.e), 0);
	assert_int_equal(dss_mirror_drop(&m, 20, false, &dropped, &held), 0);
	assert_int_equal(dropped, 1);
	commit(&m);
	assert_false(has(f, 3, NULL, NULL));
}

/* Nobody says that a manager is gone, either. */
static void test_dead_manager(void **state)
{
	struct fixture *f = *state;
	struct dss_mirror m;
	struct test_entry t;
	struct dss_object obj;
	struct ds_guid guid = test_guid(2);
	size_t dropped, held;
	char text[128];

	fill(f, 5);
	begin(f, &m, false);
	entry_begin(&t, 2);
	entry_text(&t, "manager;range=1-1", member_dn(3, text));
	assert_int_equal(dss_mirror_delta(&m, &t.e), 0);
	assert_int_equal(dss_mirror_get(&m, &guid, &obj), 0);
	assert_true(obj.present & DSS_F_MANAGER);
	entry_begin(&t, 3);
	entry_text(&t, "isDeleted", "TRUE");
	assert_int_equal(dss_mirror_delta(&m, &t.e), 0);
	assert_int_equal(dss_mirror_drop(&m, 20, false, &dropped, &held), 0);
	assert_int_equal(dropped, 1);
	assert_int_equal(dss_mirror_get(&m, &guid, &obj), 0);
	assert_false(obj.present & DSS_F_MANAGER);
	assert_string_equal(obj.manager_dn, "");
	commit(&m);
}

/* ... and one that the valve holds is still somebody's. */
static void test_held_manager(void **state)
{
	struct fixture *f = *state;
	struct dss_mirror m;
	struct test_entry t;
	struct dss_object obj;
	struct ds_guid guid = test_guid(2),
		       gone[2] = { test_guid(3), test_guid(4) };
	size_t dropped, held;
	char text[128];

	fill(f, 20);
	begin(f, &m, false);
	entry_begin(&t, 2);
	entry_text(&t, "manager;range=1-1", member_dn(3, text));
	assert_int_equal(dss_mirror_delta(&m, &t.e), 0);
	assert_int_equal(dss_mirror_flag(&m, &gone[0], DSS_OBJ_HELD), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(dss_mirror_gone(&m, &gone[i]), 0);
	assert_int_equal(dss_mirror_drop(&m, 20, false, &dropped, &held), 0);
	assert_int_equal(dropped, 1);
	assert_int_equal(dss_mirror_get(&m, &guid, &obj), 0);
	assert_true(obj.present & DSS_F_MANAGER);
	assert_true(ds_guid_equal(&obj.manager, &gone[0]));
	commit(&m);
	assert_true(has(f, 3, NULL, NULL));
	assert_false(has(f, 4, NULL, NULL));
}

/* A newly readable user brings memberships that no group reports. */
static void test_join(void **state)
{
	struct fixture *f = *state;
	struct ds_guid user = test_guid(4), group = test_guid(500),
		       nobody = test_guid(501);
	struct dss_mirror m;
	size_t members = 0;

	fill(f, 5);
	begin(f, &m, false);
	assert_int_equal(dss_mirror_join(&m, &user, &group), 0);
	assert_int_equal(dss_mirror_join(&m, &user, &nobody), 0);
	commit(&m);
	assert_true(has(f, 500, NULL, &members));
	assert_int_equal(members, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_valve_rule),
		STORE_TEST(test_delta),
		STORE_TEST(test_full_starts_blank),
		STORE_TEST(test_listing_deletes),
		STORE_TEST(test_listing_finds),
		STORE_TEST(test_valve_holds),
		STORE_TEST(test_valve_of_a_scope),
		STORE_TEST(test_tombstone),
		STORE_TEST(test_dead_manager),
		STORE_TEST(test_held_manager),
		STORE_TEST(test_join),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

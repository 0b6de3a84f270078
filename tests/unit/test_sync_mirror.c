/*
 * The store and the changes to it: deltas, listings, deletions and the safety
 * valve, and that a transaction is whole or nothing, also when the process
 * dies in it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "synccache/sync/guard.h"
#include "synccache/sync/mirror.h"
#include "synccache/sync/valve.h"
#include "tests/unit/sync_entry.h"

struct fixture {
	char dir[64];
	struct dss_store *store;
};

static void open_store(struct fixture *f, bool expect_rebuilt)
{
	bool rebuilt = !expect_rebuilt;

	assert_int_equal(dss_store_open(f->dir, &rebuilt, &f->store), 0);
	assert_int_equal(rebuilt, expect_rebuilt);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	strcpy(f->dir, "/tmp/dssync-test-XXXXXX");
	if (!mkdtemp(f->dir))
		return -1;
	*state = f;
	open_store(f, false);
	return 0;
}

static void path_of(const struct fixture *f, const char *name, char *buf,
		    size_t cap)
{
	(void)snprintf(buf, cap, "%s/%s", f->dir, name);
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	char path[128];

	dss_store_close(f->store);
	path_of(f, "data.mdb", path, sizeof(path));
	(void)unlink(path);
	path_of(f, "lock.mdb", path, sizeof(path));
	(void)unlink(path);
	(void)rmdir(f->dir);
	free(f);
	return 0;
}

static struct dss_txn *begin(struct fixture *f, struct dss_mirror *m,
			     bool full)
{
	struct dss_txn *txn = NULL;

	assert_int_equal(dss_txn_begin(f->store, true, &txn), 0);
	dss_mirror_init(m, txn, full);
	return txn;
}

static void commit(struct dss_mirror *m)
{
	assert_int_equal(dss_txn_commit(m->txn), 0);
	dss_mirror_done(m);
}

static void add_user(struct dss_mirror *m, unsigned n)
{
	struct test_entry t;
	char sam[16];

	(void)snprintf(sam, sizeof(sam), "user%u", n);
	entry_user(&t, n, sam);
	assert_int_equal(dss_mirror_delta(m, &t.e), 0);
}

static void add_group(struct dss_mirror *m, unsigned n, unsigned first,
		      unsigned last)
{
	struct test_entry t;
	char text[32][128];

	entry_group(&t, n, "team");
	entry_attr(&t, "member;range=1-1");
	for (unsigned i = first; i <= last; i++) {
		member_dn(i, text[i - first]);
		entry_value(&t, text[i - first], strlen(text[i - first]));
	}
	assert_int_equal(dss_mirror_delta(m, &t.e), 0);
}

/* Users 1 .. n and group 500 of users 1 .. 3. */
static void fill(struct fixture *f, unsigned n)
{
	struct dss_mirror m;

	begin(f, &m, true);
	for (unsigned i = 1; i <= n; i++)
		add_user(&m, i);
	add_group(&m, 500, 1, 3);
	assert_int_equal(m.incomplete.count, 0);
	commit(&m);
}

static size_t count_objects(struct fixture *f)
{
	struct dss_txn *txn;
	size_t count = 0;

	assert_int_equal(dss_txn_begin(f->store, false, &txn), 0);
	assert_int_equal(dss_txn_count(txn, &count), 0);
	dss_txn_abort(txn);
	return count;
}

static bool has(struct fixture *f, unsigned n, uint32_t *ret_flags,
		size_t *ret_members)
{
	struct ds_guid guid = test_guid(n);
	struct dss_object obj;
	struct dss_mirror m;
	int err;

	begin(f, &m, false);
	err = dss_mirror_get(&m, &guid, &obj);
	if (err == DS_OK && ret_flags)
		*ret_flags = obj.flags;
	if (err == DS_OK && ret_members)
		*ret_members = obj.nmembers;
	dss_txn_abort(m.txn);
	dss_mirror_done(&m);
	return err == DS_OK;
}

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
		assert_int_equal(dss_guids_add(&m.gone, &gone[i]), 0);
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

static void test_abort_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	struct dss_mirror m;

	fill(f, 5);
	begin(f, &m, true);
	assert_int_equal(dss_txn_clear(m.txn), 0);
	add_user(&m, 50);
	assert_int_equal(dss_txn_meta_put(m.txn, "cookie", "new", 3), 0);
	dss_txn_abort(m.txn);
	dss_mirror_done(&m);
	assert_int_equal(count_objects(f), 6);
	assert_false(has(f, 50, NULL, NULL));
}

/* The process is killed in the middle of a transaction. */
static void test_kill_leaves_nothing(void **state)
{
	struct fixture *f = *state;
	int status;
	pid_t pid;

	fill(f, 5);
	dss_store_close(f->store); /* a store does not outlive a fork */
	f->store = NULL;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct dss_mirror m;
		bool rebuilt;

		if (dss_store_open(f->dir, &rebuilt, &f->store) != 0 ||
		    dss_txn_begin(f->store, true, &m.txn) != 0)
			_exit(1);
		dss_mirror_init(&m, m.txn, false);
		for (unsigned i = 100; i < 3000; i++)
			add_user(&m, i);
		(void)kill(getpid(), SIGKILL);
		_exit(1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	open_store(f, false);
	assert_int_equal(count_objects(f), 6);
	assert_true(has(f, 5, NULL, NULL));
	assert_false(has(f, 100, NULL, NULL));
}

/* The map is full: nothing is lost, and a larger one takes it all. */
static void test_full_store(void **state)
{
	struct fixture *f = *state;
	struct dss_txn *txn;
	struct ds_guid guid;
	uint8_t data[2000];
	unsigned n = 100;
	int err = DS_OK;

	fill(f, 5);
	assert_int_equal(dss_store_grow(f->store, 0), DS_ERR_LIMIT);
	assert_int_equal(dss_store_grow(f->store, 256 << 10), 0);
	memset(data, 7, sizeof(data));
	assert_int_equal(dss_txn_begin(f->store, true, &txn), 0);
	for (; n < 1000 && err == DS_OK; n++) {
		guid = test_guid(n);
		err = dss_txn_put(txn, &guid, data, sizeof(data));
	}
	assert_int_equal(err, DS_ERR_LIMIT);
	dss_txn_abort(txn);
	assert_int_equal(count_objects(f), 6);
	/* Twice as much, until it is enough; one of them takes the group's
	 * place. */
	for (unsigned rounds = 0; err == DS_ERR_LIMIT; rounds++) {
		assert_true(rounds < 10);
		assert_int_equal(dss_store_grow(f->store, 0), 0);
		assert_int_equal(dss_txn_begin(f->store, true, &txn), 0);
		err = DS_OK;
		for (n = 100; n < 1000 && err == DS_OK; n++) {
			guid = test_guid(n);
			err = dss_txn_put(txn, &guid, data, sizeof(data));
		}
		if (err)
			dss_txn_abort(txn);
	}
	assert_int_equal(dss_txn_commit(txn), 0);
	assert_int_equal(count_objects(f), 905);
}

static void damage(struct fixture *f, off_t at, size_t len)
{
	char path[128], junk[512];
	int fd;

	memset(junk, 0xa5, sizeof(junk));
	path_of(f, "data.mdb", path, sizeof(path));
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, junk, len, at), (ssize_t)len);
	assert_int_equal(close(fd), 0);
}

/* Damage is noticed, and what is left is an empty store that works. */
static void test_damaged_store(void **state)
{
	struct fixture *f = *state;
	char path[128];

	fill(f, 50);
	dss_store_close(f->store);
	f->store = NULL;
	damage(f, 0, 512);
	damage(f, 4096, 512);
	open_store(f, true);
	assert_int_equal(count_objects(f), 0);
	fill(f, 50);
	dss_store_close(f->store);
	f->store = NULL;
	path_of(f, "data.mdb", path, sizeof(path));
	assert_int_equal(truncate(path, 8192), 0);
	open_store(f, true);
	assert_int_equal(count_objects(f), 0);
}

static void test_other_version(void **state)
{
	struct fixture *f = *state;
	struct dss_txn *txn;

	fill(f, 5);
	assert_int_equal(dss_txn_begin(f->store, true, &txn), 0);
	assert_int_equal(
	    dss_txn_meta_put(txn, "version", "dssync store 0", 15), 0);
	assert_int_equal(dss_txn_commit(txn), 0);
	dss_store_close(f->store);
	f->store = NULL;
	open_store(f, true);
	assert_int_equal(count_objects(f), 0);
}

static void test_guard(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(dss_guard_enter(f->dir), 0);
	assert_int_equal(dss_guard_enter(f->dir), 1);
	assert_int_equal(dss_guard_enter(f->dir), 2);
	dss_guard_leave(f->dir);
	assert_int_equal(dss_guard_enter(f->dir), 0);
	dss_guard_leave(f->dir);
	/* What is then done about it. */
	fill(f, 5);
	dss_store_close(f->store);
	f->store = NULL;
	assert_int_equal(dss_store_remove(f->dir), 0);
	assert_int_equal(dss_store_remove(f->dir), 0);
	open_store(f, false);
	assert_int_equal(count_objects(f), 0);
}

static void test_private(void **state)
{
	struct fixture *f = *state;
	char path[128];
	struct stat st;

	path_of(f, "data.mdb", path, sizeof(path));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

#define STORE_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

/* ---- differences ---- */

static struct dss_txn *begin_reading(struct fixture *f)
{
	struct dss_txn *txn = NULL;

	assert_int_equal(dss_txn_begin(f->store, false, &txn), 0);
	return txn;
}

struct difference {
	char text[16]; /* a letter for each of the GUIDs 0 to 9 */
	size_t shown;
};

static int visit_difference(void *arg, const struct dss_moved *moved)
{
	struct difference *d = arg;
	char *letter = &d->text[moved->guid->b[0]];

	d->shown++;
	if (!moved->old)
		*letter = 'n';
	else if (!moved->now)
		*letter = 'g';
	else if (moved->old_len != moved->now_len ||
		 memcmp(moved->old, moved->now, moved->now_len) != 0)
		*letter = 'c';
	return DS_OK;
}

static void put_some(struct fixture *f, unsigned from, unsigned to,
		     unsigned char fill, size_t size)
{
	static uint8_t data[8192];
	struct dss_txn *txn = NULL;

	memset(data, fill, sizeof(data));
	assert_int_equal(dss_txn_begin(f->store, true, &txn), 0);
	for (unsigned i = from; i < to; i++) {
		struct ds_guid guid = { { (uint8_t)i } };

		assert_int_equal(dss_txn_put(txn, &guid, data, size), 0);
	}
	assert_int_equal(dss_txn_commit(txn), 0);
}

/* A reader that stays open sees what came, went and changed since. */
static void test_difference(void **state)
{
	struct fixture *f = *state;
	struct difference d = { .text = "----------" };
	const struct ds_guid gone = { { 2 } };
	struct dss_txn *old, *now, *txn = NULL;

	put_some(f, 0, 8, 1, 100);
	put_some(f, 8, 9, 1, 8000); /* on pages of its own */
	old = begin_reading(f);
	assert_int_equal(dss_txn_age(old), 0);
	now = begin_reading(f);
	assert_int_equal(dss_txn_diff(old, now, visit_difference, &d), 0);
	assert_int_equal(d.shown, 0);
	dss_txn_abort(now);
	put_some(f, 5, 6, 2, 100);
	put_some(f, 9, 10, 1, 100);
	assert_int_equal(dss_txn_begin(f->store, true, &txn), 0);
	assert_int_equal(dss_txn_del(txn, &gone), 0);
	assert_int_equal(dss_txn_commit(txn), 0);
	/* Pages are used again, but for those that somebody may read. */
	for (unsigned i = 0; i < 20; i++)
		put_some(f, 7, 8, (unsigned char)i, 90);
	assert_int_equal(dss_txn_age(old), 23);
	now = begin_reading(f);
	assert_int_equal(dss_txn_diff(old, now, visit_difference, &d), 0);
	assert_string_equal(d.text, "--g--c-c-n");
	assert_true(d.shown < 10); /* not what stayed where it was */
	dss_txn_abort(now);
	dss_txn_abort(old);
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
		STORE_TEST(test_tombstone),
		STORE_TEST(test_dead_manager),
		STORE_TEST(test_held_manager),
		STORE_TEST(test_join),
		STORE_TEST(test_abort_leaves_nothing),
		STORE_TEST(test_kill_leaves_nothing),
		STORE_TEST(test_full_store),
		STORE_TEST(test_damaged_store),
		STORE_TEST(test_other_version),
		STORE_TEST(test_guard),
		STORE_TEST(test_private),
		STORE_TEST(test_difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The store itself: that a transaction is whole or nothing, also when the
 * process dies in it, that damage is noticed, and what a reader sees of the
 * changes since.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "synccache/sync/guard.h"
#include "tests/unit/sync_store.h"

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

/* ---- differences ---- */

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

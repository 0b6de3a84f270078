/*
 * A store in a folder of its own, and what tests of sync put into it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TEST_SYNC_STORE_H
#define TEST_SYNC_STORE_H

#include "tests/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

#include "synccache/sync/mirror.h"
#include "tests/unit/sync_entry.h"

struct fixture {
	char dir[64];
	struct dss_store *store;
};

static inline void open_store(struct fixture *f, bool expect_rebuilt)
{
	bool rebuilt = !expect_rebuilt;

	assert_int_equal(dss_store_open(f->dir, &rebuilt, &f->store), 0);
	assert_int_equal(rebuilt, expect_rebuilt);
}

static inline int setup(void **state)
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

static inline void path_of(const struct fixture *f, const char *name,
			   char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "%s/%s", f->dir, name);
}

static inline int teardown(void **state)
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

static inline struct dss_txn *begin(struct fixture *f, struct dss_mirror *m,
				    bool full)
{
	struct dss_txn *txn = NULL;

	assert_int_equal(dss_txn_begin(f->store, true, &txn), 0);
	dss_mirror_init(m, txn, full);
	return txn;
}

static inline void commit(struct dss_mirror *m)
{
	assert_int_equal(dss_txn_commit(m->txn), 0);
	dss_mirror_done(m);
}

static inline void add_user(struct dss_mirror *m, unsigned n)
{
	struct test_entry t;
	char sam[16];

	(void)snprintf(sam, sizeof(sam), "user%u", n);
	entry_user(&t, n, sam);
	assert_int_equal(dss_mirror_delta(m, &t.e), 0);
}

static inline void add_group(struct dss_mirror *m, unsigned n, unsigned first,
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
static inline void fill(struct fixture *f, unsigned n)
{
	struct dss_mirror m;

	begin(f, &m, true);
	for (unsigned i = 1; i <= n; i++)
		add_user(&m, i);
	add_group(&m, 500, 1, 3);
	assert_int_equal(m.incomplete.count, 0);
	commit(&m);
}

static inline size_t count_objects(struct fixture *f)
{
	struct dss_txn *txn;
	size_t count = 0;

	assert_int_equal(dss_txn_begin(f->store, false, &txn), 0);
	assert_int_equal(dss_txn_count(txn, &count), 0);
	dss_txn_abort(txn);
	return count;
}

static inline bool has(struct fixture *f, unsigned n, uint32_t *ret_flags,
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

#define STORE_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

#endif

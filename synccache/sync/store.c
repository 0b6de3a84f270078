/*
 * The store on LMDB: the one file that knows it.  A reader maps the file, so
 * the mirror costs no memory of ours at rest.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/store.h"

#include <errno.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STORE_VERSION "dssync store 3"
/* Address space, not disk: far above 500,000 users. */
#define MAP_SIZE  ((size_t)8 << 30)
#define FILE_MODE 0600
#define PATH_SIZE 4096

struct dss_store {
	MDB_env *env;
	MDB_dbi objects, meta;
	bool full; /* a write met the limit of the map */
};

struct dss_txn {
	struct dss_store *store;
	MDB_txn *txn;
};

/* The one mapping of LMDB's errors. */
static int store_err(int rc)
{
	switch (rc) {
	case MDB_SUCCESS:
		return DS_OK;
	case MDB_NOTFOUND:
		return DS_ERR_NOTFOUND;
	case MDB_CORRUPTED:
	case MDB_PAGE_NOTFOUND:
	case MDB_INVALID:
	case MDB_VERSION_MISMATCH:
	case MDB_INCOMPATIBLE:
	case MDB_PANIC:
	case MDB_BAD_VALSIZE:
		return DS_ERR_FORMAT;
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
		return DS_ERR_LIMIT;
	case ENOMEM:
		return DS_ERR_NOMEM;
	default:
		if (rc < 0) /* LMDB's own: it met what cannot be */
			return DS_ERR_FORMAT;
		errno = rc;
		return DS_ERR_SYS;
	}
}

/*
 * LMDB takes its header's word for the file's size; a shorter file would be a
 * bus error at the first page that is missing.
 */
static int check_size(MDB_env *env, const char *data_path)
{
	MDB_envinfo info;
	MDB_stat st;
	struct stat file;

	if (mdb_env_info(env, &info) || mdb_env_stat(env, &st))
		return DS_ERR_FORMAT;
	if (stat(data_path, &file) != 0)
		return DS_ERR_SYS;
	return (uint64_t)file.st_size / st.ms_psize > info.me_last_pgno
		   ? DS_OK
		   : DS_ERR_FORMAT;
}

static int check_version(struct dss_store *store)
{
	struct dss_txn *txn;
	const uint8_t *data;
	size_t len;
	int err = dss_txn_begin(store, true, &txn);

	if (err)
		return err;
	err = dss_txn_meta_get(txn, "version", &data, &len);
	if (err == DS_ERR_NOTFOUND)
		err = dss_txn_meta_put(txn, "version", STORE_VERSION,
				       sizeof(STORE_VERSION));
	else if (err == DS_OK && (len != sizeof(STORE_VERSION) ||
				  memcmp(data, STORE_VERSION, len) != 0))
		err = DS_ERR_VERSION;
	if (err) {
		dss_txn_abort(txn);
		return err;
	}
	return dss_txn_commit(txn);
}

static int open_tables(struct dss_store *store)
{
	MDB_txn *txn;
	int rc = mdb_txn_begin(store->env, NULL, 0, &txn);

	if (rc)
		return store_err(rc);
	rc = mdb_dbi_open(txn, "objects", MDB_CREATE, &store->objects);
	if (rc == 0)
		rc = mdb_dbi_open(txn, "meta", MDB_CREATE, &store->meta);
	if (rc) {
		mdb_txn_abort(txn);
		return store_err(rc);
	}
	return store_err(mdb_txn_commit(txn));
}

static int try_open(const char *dir, const char *data_path,
		    struct dss_store **ret_store)
{
	struct dss_store *store = calloc(1, sizeof(*store));
	int err;

	if (!store)
		return DS_ERR_NOMEM;
	err = store_err(mdb_env_create(&store->env));
	if (err)
		goto out;
	err = store_err(mdb_env_set_mapsize(store->env, MAP_SIZE));
	if (err == DS_OK)
		err = store_err(mdb_env_set_maxdbs(store->env, 4));
	if (err == DS_OK)
		err = store_err(mdb_env_open(
		    store->env, dir, MDB_NOTLS | MDB_NORDAHEAD, FILE_MODE));
	if (err == DS_OK)
		err = check_size(store->env, data_path);
	if (err == DS_OK)
		err = open_tables(store);
	if (err == DS_OK)
		err = check_version(store);
out:
	if (err) {
		dss_store_close(store);
		return err;
	}
	*ret_store = store;
	return DS_OK;
}

/* "DIR/NAME" into buf; DS_ERR_INVAL if it does not fit. */
static int file_in(const char *dir, const char *name, char *buf, size_t cap)
{
	return (size_t)snprintf(buf, cap, "%s/%s", dir, name) < cap
		   ? DS_OK
		   : DS_ERR_INVAL;
}

int dss_store_remove(const char *dir)
{
	static const char *const names[] = { "data.mdb", "lock.mdb" };
	char path[PATH_SIZE];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int err = file_in(dir, names[i], path, sizeof(path));

		if (err)
			return err;
		if (unlink(path) != 0 && errno != ENOENT)
			return DS_ERR_SYS;
	}
	return DS_OK;
}

int dss_store_open(const char *dir, bool *ret_rebuilt,
		   struct dss_store **ret_store)
{
	char data[PATH_SIZE];
	bool rebuilt = false;
	int err = file_in(dir, "data.mdb", data, sizeof(data));

	if (err)
		return err;
	err = try_open(dir, data, ret_store);
	if (err == DS_ERR_FORMAT || err == DS_ERR_VERSION) {
		rebuilt = true;
		err = dss_store_remove(dir);
		if (err == DS_OK)
			err = try_open(dir, data, ret_store);
	}
	if (err == DS_OK)
		*ret_rebuilt = rebuilt;
	return err;
}

int dss_store_grow(struct dss_store *store, size_t size)
{
	MDB_envinfo info;

	if (size == 0 && !store->full)
		return DS_ERR_LIMIT;
	if (mdb_env_info(store->env, &info))
		return DS_ERR_FORMAT;
	if (size == 0 && info.me_mapsize > SIZE_MAX / 4)
		return DS_ERR_LIMIT;
	if (mdb_env_set_mapsize(store->env, size ? size : info.me_mapsize * 2))
		return DS_ERR_LIMIT;
	store->full = false;
	return DS_OK;
}

void dss_store_close(struct dss_store *store)
{
	if (!store)
		return;
	if (store->env)
		mdb_env_close(store->env);
	free(store);
}

int dss_txn_begin(struct dss_store *store, bool write,
		  struct dss_txn **ret_txn)
{
	struct dss_txn *txn = calloc(1, sizeof(*txn));
	int rc;

	if (!txn)
		return DS_ERR_NOMEM;
	txn->store = store;
	rc =
	    mdb_txn_begin(store->env, NULL, write ? 0 : MDB_RDONLY, &txn->txn);
	if (rc) {
		free(txn);
		return store_err(rc);
	}
	*ret_txn = txn;
	return DS_OK;
}

int dss_txn_commit(struct dss_txn *txn)
{
	int rc = mdb_txn_commit(txn->txn);

	free(txn);
	return store_err(rc);
}

void dss_txn_abort(struct dss_txn *txn)
{
	if (!txn)
		return;
	mdb_txn_abort(txn->txn);
	free(txn);
}

/* LMDB's values are not const, but it does not change what goes in. */
static MDB_val to_val(const void *data, size_t len)
{
	MDB_val val = { .mv_size = len };

	memcpy(&val.mv_data, &data, sizeof(data));
	return val;
}

static int get(struct dss_txn *txn, MDB_dbi table, MDB_val key,
	       const uint8_t **ret_data, size_t *ret_len)
{
	MDB_val val;
	int rc = mdb_get(txn->txn, table, &key, &val);

	if (rc)
		return store_err(rc);
	*ret_data = val.mv_data;
	*ret_len = val.mv_size;
	return DS_OK;
}

static int written(struct dss_store *store, int rc)
{
	store->full |= rc == MDB_MAP_FULL;
	return store_err(rc);
}

static int put(struct dss_txn *txn, MDB_dbi table, MDB_val key, MDB_val val)
{
	return written(txn->store, mdb_put(txn->txn, table, &key, &val, 0));
}

int dss_txn_get(struct dss_txn *txn, const struct ds_guid *guid,
		const uint8_t **ret_data, size_t *ret_len)
{
	return get(txn, txn->store->objects, to_val(guid->b, DS_GUID_LEN),
		   ret_data, ret_len);
}

int dss_txn_put(struct dss_txn *txn, const struct ds_guid *guid,
		const uint8_t *data, size_t len)
{
	return put(txn, txn->store->objects, to_val(guid->b, DS_GUID_LEN),
		   to_val(data, len));
}

int dss_txn_del(struct dss_txn *txn, const struct ds_guid *guid)
{
	MDB_val key = to_val(guid->b, DS_GUID_LEN);

	return written(txn->store,
		       mdb_del(txn->txn, txn->store->objects, &key, NULL));
}

int dss_txn_each(struct dss_txn *txn, dss_visit visit, void *arg)
{
	MDB_cursor *cursor;
	MDB_val key, val;
	int err =
	    store_err(mdb_cursor_open(txn->txn, txn->store->objects, &cursor));

	if (err)
		return err;
	while ((err = store_err(
		    mdb_cursor_get(cursor, &key, &val, MDB_NEXT))) == DS_OK) {
		struct ds_guid guid;

		if (key.mv_size != DS_GUID_LEN)
			err = DS_ERR_FORMAT;
		else
			memcpy(guid.b, key.mv_data, DS_GUID_LEN);
		if (err == DS_OK)
			err = visit(arg, &guid, val.mv_data, val.mv_size);
		if (err)
			break;
	}
	mdb_cursor_close(cursor);
	return err == DS_ERR_NOTFOUND ? DS_OK : err;
}

/* One side of a comparison. */
struct side {
	MDB_cursor *cursor;
	MDB_val key, val;
	struct ds_guid guid;
	bool end;
};

static int side_next(struct side *side)
{
	int err = store_err(
	    mdb_cursor_get(side->cursor, &side->key, &side->val, MDB_NEXT));

	if (err == DS_ERR_NOTFOUND) {
		side->end = true;
		return DS_OK;
	}
	if (err == DS_OK && side->key.mv_size != DS_GUID_LEN)
		err = DS_ERR_FORMAT;
	if (err == DS_OK)
		memcpy(side->guid.b, side->key.mv_data, DS_GUID_LEN);
	return err;
}

static int side_open(struct side *side, struct dss_txn *txn)
{
	int err = store_err(
	    mdb_cursor_open(txn->txn, txn->store->objects, &side->cursor));

	return err ? err : side_next(side);
}

/* Visits the first object of either side, or of both, and passes it. */
static int side_step(struct side *old, struct side *now, dss_visit_moved visit,
		     void *arg)
{
	int order = old->end   ? 1
		    : now->end ? -1
			       : memcmp(old->guid.b, now->guid.b, DS_GUID_LEN);
	struct dss_moved moved = { .guid =
				       order <= 0 ? &old->guid : &now->guid };
	int err = DS_OK;

	if (order <= 0) {
		moved.old = old->val.mv_data;
		moved.old_len = old->val.mv_size;
	}
	if (order >= 0) {
		moved.now = now->val.mv_data;
		moved.now_len = now->val.mv_size;
	}
	/* Pages are never changed in place while somebody may read them. */
	if (moved.old != moved.now)
		err = visit(arg, &moved);
	if (err == DS_OK && order <= 0)
		err = side_next(old);
	if (err == DS_OK && order >= 0)
		err = side_next(now);
	return err;
}

int dss_txn_diff(struct dss_txn *old, struct dss_txn *txn,
		 dss_visit_moved visit, void *arg)
{
	struct side was = { .cursor = NULL }, now = { .cursor = NULL };
	int err = side_open(&was, old);

	if (err == DS_OK)
		err = side_open(&now, txn);
	while (err == DS_OK && !(was.end && now.end))
		err = side_step(&was, &now, visit, arg);
	if (was.cursor)
		mdb_cursor_close(was.cursor);
	if (now.cursor)
		mdb_cursor_close(now.cursor);
	return err;
}

uint64_t dss_txn_age(struct dss_txn *txn)
{
	MDB_envinfo info;

	if (mdb_env_info(txn->store->env, &info) != 0)
		return 0;
	return info.me_last_txnid - mdb_txn_id(txn->txn);
}

int dss_txn_count(struct dss_txn *txn, size_t *ret_count)
{
	MDB_stat st;
	int rc = mdb_stat(txn->txn, txn->store->objects, &st);

	if (rc)
		return store_err(rc);
	*ret_count = st.ms_entries;
	return DS_OK;
}

int dss_txn_clear(struct dss_txn *txn)
{
	return store_err(mdb_drop(txn->txn, txn->store->objects, 0));
}

int dss_txn_meta_get(struct dss_txn *txn, const char *name,
		     const uint8_t **ret_data, size_t *ret_len)
{
	return get(txn, txn->store->meta, to_val(name, strlen(name)), ret_data,
		   ret_len);
}

int dss_txn_meta_put(struct dss_txn *txn, const char *name, const void *data,
		     size_t len)
{
	return put(txn, txn->store->meta, to_val(name, strlen(name)),
		   to_val(data, len));
}

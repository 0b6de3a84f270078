/*
 * The store: the mirror on disk (LMDB), one writer.  Objects by GUID and a few
 * named facts (meta) change together in one transaction or not at all.
 *
 * Bytes read from a transaction are borrowed: from a reading one until it
 * ends, from a writing one until its next change.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_STORE_H
#define DSS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/guid.h"

struct dss_store;
struct dss_txn;

/*
 * Opens or creates the store in the directory `dir` (files 0600).  One that
 * is damaged or of another version is removed and made anew, with
 * *ret_rebuilt true: the directory still has everything.  DS_ERR_SYS (errno).
 */
DS_MUST_CHECK int dss_store_open(const char *dir, bool *ret_rebuilt,
				 struct dss_store **ret_store);
void dss_store_close(struct dss_store *store);
/*
 * How large the store may become, in bytes; 0: twice of what it was.  Nothing
 * may be open in it: a transaction that met the limit (DS_ERR_LIMIT) has to
 * be aborted, and all that was read is void.  DS_ERR_LIMIT: no more room in
 * this process's address space, or it was not this limit that was met.
 */
DS_MUST_CHECK int dss_store_grow(struct dss_store *store, size_t size);
/* Removes a closed store.  DS_ERR_SYS; one that is not there is no error. */
DS_MUST_CHECK int dss_store_remove(const char *dir);

/* DS_ERR_FORMAT anywhere below means a damaged store. */
DS_MUST_CHECK int dss_txn_begin(struct dss_store *store, bool write,
				struct dss_txn **ret_txn);
/* Ends and frees the transaction, whatever it returns. */
DS_MUST_CHECK int dss_txn_commit(struct dss_txn *txn);
void dss_txn_abort(struct dss_txn *txn); /* NULL is fine */

DS_MUST_CHECK int dss_txn_get(struct dss_txn *txn, const struct ds_guid *guid,
			      const uint8_t **ret_data, size_t *ret_len);
DS_MUST_CHECK int dss_txn_put(struct dss_txn *txn, const struct ds_guid *guid,
			      const uint8_t *data, size_t len);
DS_MUST_CHECK int dss_txn_del(struct dss_txn *txn, const struct ds_guid *guid);
/* In the order of the GUIDs' bytes, until the visitor fails. */
typedef int (*dss_visit)(void *arg, const struct ds_guid *guid,
			 const uint8_t *data, size_t len);
DS_MUST_CHECK int dss_txn_each(struct dss_txn *txn, dss_visit visit,
			       void *arg);
/*
 * What another transaction (of the same store, still open) has otherwise than
 * this later one, in the order of the GUIDs: `old` or `now` is NULL where it
 * lacks the object.  Values that only lie elsewhere than before are shown too,
 * since who borrowed them must look there now; the others are not read.
 */
struct dss_moved {
	const struct ds_guid *guid;
	const uint8_t *old, *now;
	size_t old_len, now_len;
};
typedef int (*dss_visit_moved)(void *arg, const struct dss_moved *moved);
DS_MUST_CHECK int dss_txn_diff(struct dss_txn *old, struct dss_txn *txn,
			       dss_visit_moved visit, void *arg);
/* How many transactions were committed since this reading one began. */
uint64_t dss_txn_age(struct dss_txn *txn);
/* How many objects there are. */
DS_MUST_CHECK int dss_txn_count(struct dss_txn *txn, size_t *ret_count);
/* Removes all objects; meta stays. */
DS_MUST_CHECK int dss_txn_clear(struct dss_txn *txn);

DS_MUST_CHECK int dss_txn_meta_get(struct dss_txn *txn, const char *name,
				   const uint8_t **ret_data, size_t *ret_len);
DS_MUST_CHECK int dss_txn_meta_put(struct dss_txn *txn, const char *name,
				   const void *data, size_t len);

#endif

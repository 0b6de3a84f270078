/*
 * Where a domain controller's database stands: the change number (MS-ADTS
 * 3.1.1.1.9), and the database's invocationId.  A paged listing goes on from
 * there: kept in the place of a DirSync cookie, it is told from one by how it
 * begins.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_USN_H
#define DSS_USN_H

#include "synccache/sync/conn.h"
#include "synccache/sync/store.h"

struct dss_usn {
	uint64_t highest;
	struct ds_guid invocation;
};

/* Asks the server.  DS_ERR_NOTFOUND: it does not say; else as a search. */
DS_MUST_CHECK int dss_usn_read(struct dss_conn *conn, int64_t silence_ms,
			       struct dss_usn *ret_usn);
/* Whether `now` is the same database as `then`, and not put back since. */
bool dss_usn_follows(const struct dss_usn *then, const struct dss_usn *now);

/* DS_ERR_NOMEM. */
DS_MUST_CHECK int dss_usn_to_cookie(const struct dss_usn *usn,
				    struct dss_cookie *cookie);
/* False: this is DirSync's, or none. */
bool dss_usn_from_cookie(const struct dss_cookie *cookie,
			 struct dss_usn *ret_usn);

/* Where the server of the last pull stood; false: it is not known. */
bool dss_usn_load(struct dss_txn *txn, struct dss_usn *ret_usn);
/* NULL: it is not known. */
DS_MUST_CHECK int dss_usn_save(struct dss_txn *txn, const struct dss_usn *usn);

#endif

/*
 * Where a paged listing stands: the change number (MS-ADTS 3.1.1.1.9) of one
 * database of one domain controller, known by its invocationId.  Kept in the
 * place of a DirSync cookie, and told from one by how it begins.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_USN_H
#define DSS_USN_H

#include "synccache/sync/conn.h"

struct dss_usn {
	uint64_t highest;
	struct ds_guid invocation;
};

/* Asks the server.  DS_ERR_NOTFOUND: it does not say; else as a search. */
DS_MUST_CHECK int dss_usn_read(struct dss_conn *conn, int64_t silence_ms,
			       struct dss_usn *ret_usn);
/* DS_ERR_NOMEM. */
DS_MUST_CHECK int dss_usn_to_cookie(const struct dss_usn *usn,
				    struct dss_cookie *cookie);
/* False: this is DirSync's, or none. */
bool dss_usn_from_cookie(const struct dss_cookie *cookie,
			 struct dss_usn *ret_usn);

#endif

/*
 * The arrays behind a dss_entry, reused for every entry of a connection.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_ENTRY_BUF_H
#define DSS_ENTRY_BUF_H

#include "synccache/sync/entry.h"

struct dss_entry_buf {
	struct dss_attr *attrs;
	size_t attrs_cap;
	struct dss_value *values;
	size_t values_cap;
	size_t count, total; /* attributes and values of this entry */
};

void dss_entry_buf_done(struct dss_entry_buf *buf);
/* Forgets the entry before. */
void dss_entry_buf_begin(struct dss_entry_buf *buf);
/* An attribute, then its values; all borrowed.  DS_ERR_NOMEM. */
DS_MUST_CHECK int dss_entry_buf_attr(struct dss_entry_buf *buf,
				     const char *name);
DS_MUST_CHECK int dss_entry_buf_value(struct dss_entry_buf *buf,
				      const void *data, size_t len);
/* The entry, valid until the next begins. */
void dss_entry_buf_end(struct dss_entry_buf *buf, const char *dn,
		       struct dss_entry *ret_entry);

#endif

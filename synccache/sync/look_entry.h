/*
 * The answer to a live look (DS_MSG_LOOK, lib/proto.h): what one entry says,
 * and its form on the wire.  Pure.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_LOOK_ENTRY_H
#define DSS_LOOK_ENTRY_H

#include "lib/buf.h"
#include "lib/snapshot.h"
#include "synccache/sync/entry.h"

#define DSS_LOOK_NAME   1024
#define DSS_LOOK_PACKET (4096) /* more than an answer can have */

struct dss_look {
	uint32_t control, control_computed;
	uint64_t expires, password_set, locked, password_expires;
	size_t hours_len; /* 0: at any hour; or DS_HOURS_LEN */
	uint8_t hours[DS_HOURS_LEN];
	char upn[DSS_LOOK_NAME + 1], sam[DSS_LOOK_NAME + 1];
};

/* What to ask for; NULL-terminated. */
extern const char *const dss_look_attributes[];

/*
 * Reads the entry of the object `guid`.  What is missing, or is not of its
 * type, is zero or empty, such hours have no hour; without a
 * userAccountControl nobody knows anything.  DS_ERR_FORMAT: it is another
 * object's; DS_ERR_DENIED: the account may not read its userAccountControl.
 */
DS_MUST_CHECK int dss_look_read(const struct dss_entry *entry,
				const struct ds_guid *guid,
				struct dss_look *ret_look);

/* A whole LOOK_REPLY; look may be NULL where code is not DS_OK. */
DS_MUST_CHECK int dss_look_reply(struct ds_writer *w, uint32_t seq, int code,
				 const struct dss_look *look);

#endif

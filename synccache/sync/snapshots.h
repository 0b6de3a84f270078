/*
 * The model in the snapshot's form.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_SNAPSHOTS_H
#define DSS_SNAPSHOTS_H

#include "lib/snapshot_write.h"
#include "synccache/sync/limits.h"
#include "synccache/sync/model.h"

/*
 * An object that the format cannot hold is left out and logged; the rest
 * goes on.  For the most part it is in fd then (ds_snapw_begin()), and
 * ds_snapw_write() writes the rest.  DS_ERR_NOMEM, DS_ERR_LIMIT, DS_ERR_SYS
 * (errno).  The caller frees.
 */
DS_MUST_CHECK int dss_snapshot_base(const struct dss_model *model,
				    const char *netbios,
				    const uint64_t hash_key[2], int fd,
				    struct ds_snapw **ret_w);
DS_MUST_CHECK int dss_snapshot_accounts(const struct dss_model *model,
					const struct dss_policy *policy,
					const char *netbios,
					const uint64_t hash_key[2], int fd,
					struct ds_snapw **ret_w);

#endif

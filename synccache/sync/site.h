/*
 * The Active Directory site of this host (MS-ADTS 6.1.1.2.2): the configured
 * one, else the one that the last proven domain controller said, which is
 * remembered in the store.  Its controllers are asked for first.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_SITE_H
#define DSS_SITE_H

#include <stdbool.h>

#include "synccache/sync/netlogon.h"
#include "synccache/sync/store.h"
#include "synccache/sync/sync.h"

/* Its name, borrowed until the next call below; "": none is known. */
const char *dss_site(const struct dss_sync *s);
/*
 * True where a domain controller's word counts: neither a site nor servers
 * are configured.
 */
bool dss_site_wanted(const struct dss_sync *s);

/* At the start: from the configuration, or from the store. */
void dss_site_start(struct dss_sync *s);
/*
 * What a proven domain controller said; NULL: nothing that could be read,
 * which changes nothing.  A name that will not do for DNS is none, and logged.
 */
void dss_site_learn(struct dss_sync *s, const char *host,
		    const struct dss_netlogon *said);
/* True if the server has said that it is of another site than this host. */
bool dss_site_elsewhere(const struct dss_sync *s);
/* Remembers what was learnt, in the pull's transaction. */
DS_MUST_CHECK int dss_site_save(const struct dss_sync *s, struct dss_txn *txn);

#endif

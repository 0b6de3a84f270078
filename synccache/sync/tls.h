/*
 * The transports ldaps and starttls: which CAs, and what to tell when a
 * server's certificate is refused.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_TLS_H
#define DSS_TLS_H

#include "synccache/sync/sync.h"

/* The port of the configured transport, where nothing else is said. */
uint16_t dss_tls_port(const struct dss_sync *s);
/* Its word in the configuration. */
const char *dss_tls_name(const struct dss_sync *s);

/*
 * Protects a new connection to host as configured, before anything is said
 * over it; nothing to do for gssapi, whose bind seals.  Errors as
 * dss_conn_tls(), with what was wrong in why (cap bytes, untouched on
 * success).
 */
DS_MUST_CHECK int dss_tls_protect(struct dss_sync *s, struct dss_conn *conn,
				  const char *host, uint16_t port, char *why,
				  size_t cap);

#endif

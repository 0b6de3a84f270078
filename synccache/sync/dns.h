/*
 * Names to servers and addresses.  The C library's questions block, so a
 * child asks them, and is ended when it takes too long; meanwhile the loop
 * goes on.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_DNS_H
#define DSS_DNS_H

#include <sys/socket.h>

#include "lib/srv.h"
#include "synccache/sync/sync.h"

#define DSS_ADDRESSES_MAX 8

struct dss_address {
	struct sockaddr_storage sa;
	socklen_t len;
};

/* ds_srv_lookup() for the domain and this host's site; DS_ERR_CLOSED, too. */
DS_MUST_CHECK int dss_dns_servers(struct dss_sync *s,
				  struct ds_srv ret_list[DS_SRV_MAX],
				  size_t *ret_count);
/*
 * The addresses of a host, with the port.  DS_ERR_NOTFOUND: it has none;
 * DS_ERR_TIMEOUT, DS_ERR_CLOSED, DS_ERR_SYS.
 */
DS_MUST_CHECK int
dss_dns_addresses(struct dss_sync *s, const char *host, uint16_t port,
		  struct dss_address ret_list[DSS_ADDRESSES_MAX],
		  size_t *ret_count);

#endif

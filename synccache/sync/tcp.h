/*
 * A TCP connection with a deadline.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_TCP_H
#define DSS_TCP_H

#include "synccache/sync/sync.h"

/*
 * Connects to the first address of host that answers; the socket does not
 * block, and notices a dead peer.  DS_ERR_NOTFOUND: the name has no address;
 * DS_ERR_SYS (errno), DS_ERR_TIMEOUT, DS_ERR_CLOSED.
 */
DS_MUST_CHECK int dss_tcp_connect(struct dss_sync *s, const char *host,
				  uint16_t port, int64_t timeout_ms,
				  int *ret_fd);

#endif

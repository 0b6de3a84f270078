/*
 * A library's call that blocks on a socket, run aside while everything else
 * goes on: libldap's TLS handshake cannot be done in steps.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_ASIDE_H
#define DSS_ASIDE_H

#include "synccache/sync/conn.h"

/*
 * Calls work(arg) in a thread and waits for its end.  fd, a connected socket,
 * blocks meanwhile; at the deadline, or if the waiter's owner is to end, it
 * is shut down, which ends whatever the work does with it.  Nothing that the
 * work touches may be touched by others.  DS_OK: it ended by itself;
 * DS_ERR_TIMEOUT, DS_ERR_CLOSED: it was ended; DS_ERR_SYS: it did not begin.
 */
DS_MUST_CHECK int dss_aside(const struct dss_waiter *waiter, int fd,
			    int64_t deadline_ms, void (*work)(void *arg),
			    void *arg);

#endif

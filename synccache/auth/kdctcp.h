/*
 * One connection to a KDC: connecting, a request, a reply (RFC 4120 7.2.2: a
 * length of four bytes, big-endian, comes first both ways).  All of it ends at
 * a deadline, ds_now_ms(); errors are errnos, ETIMEDOUT at the deadline.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_KDCTCP_H
#define DSA_KDCTCP_H

#include <krb5.h>
#include <netdb.h>
#include <stdint.h>

#include "lib/err.h"

#define DSA_TCP_REPLY_MAX 262144 /* bytes */

/* The descriptor does not block. */
DS_MUST_CHECK int dsa_tcp_connect(const struct addrinfo *ai, int64_t deadline,
				  int *ret_fd);
DS_MUST_CHECK int dsa_tcp_send(int fd, const krb5_data *request,
			       int64_t deadline);
/*
 * EMSGSIZE: an empty reply, or one above DSA_TCP_REPLY_MAX; ECONNRESET: it
 * ends early.  *ret_reply is freed by krb5_free_data_contents().
 */
DS_MUST_CHECK int dsa_tcp_recv(int fd, int64_t deadline, krb5_data *ret_reply);

#endif

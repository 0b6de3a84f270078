/*
 * Tickets that wait for their session, each under a random one-time handle.
 * Pure but for getrandom(2); the clock is the caller's.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_HANDLES_H
#define DSA_HANDLES_H

#include <sys/types.h>

#include "lib/proto.h"
#include "synccache/auth/secret.h"

#define DSA_TICKET_MS        120000
#define DSA_TICKETS_MAX      1024
#define DSA_TICKET_BYTES_MAX (16u << 20) /* of all tickets together */
/*
 * One user's share: sudo and others have passwords checked for which no
 * session is opened, as often as somebody likes.
 */
#define DSA_TICKETS_UID_MAX      128
#define DSA_TICKET_BYTES_UID_MAX (DSA_TICKET_BYTES_MAX / 8)
#define DSA_PRINCIPAL_MAX        511 /* bytes without the NUL */

struct dsa_handles;

/* Room for `max` tickets; NULL: no memory. */
struct dsa_handles *dsa_handles_new(size_t max);
/* Wipes all of them. */
void dsa_handles_free(struct dsa_handles *h);

/*
 * Keeps a copy of the cache until now_ms + DSA_TICKET_MS, to be redeemed by
 * `uid`, whose oldest make room where it is more than one user's share.
 * DS_ERR_LIMIT: full, or the ticket is larger than DS_CCACHE_MAX;
 * DS_ERR_NOMEM; DS_ERR_SYS: no randomness.
 */
DS_MUST_CHECK int dsa_handles_put(struct dsa_handles *h, int64_t now_ms,
				  uid_t uid, const char *principal,
				  const void *ccache, size_t len,
				  uint8_t ret_handle[DS_HANDLE_LEN]);

struct dsa_ticket {
	char principal[DSA_PRINCIPAL_MAX + 1];
	struct dsa_secret ccache;
};

/*
 * Takes a ticket out; the caller's to free with dsa_secret_done(&.ccache).
 * DS_ERR_NOTFOUND: no such handle, too late, taken before, or not this uid's
 * (then it is destroyed as well: who asks so is not who should).
 */
DS_MUST_CHECK int dsa_handles_take(struct dsa_handles *h, int64_t now_ms,
				   const uint8_t handle[DS_HANDLE_LEN],
				   uid_t uid, struct dsa_ticket *ret_ticket);
/* Wipes what waits for this uid. */
void dsa_handles_forget(struct dsa_handles *h, uid_t uid);
/* Wipes what is over its time. */
void dsa_handles_expire(struct dsa_handles *h, int64_t now_ms);
size_t dsa_handles_count(const struct dsa_handles *h);

#endif

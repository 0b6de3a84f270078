/*
 * What workers find out about KDCs, and the main process keeps for the next:
 * which one proved itself and is asked first, and which ones answered and
 * proved nothing.  Those are asked after all others for some minutes; whoever
 * answers at port 88 of an address that DNS names stands in no other's way.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_FOUND_H
#define DSA_FOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define DSA_KDCS_MAX        8  /* that are tried */
#define DSA_KDC_ADDRESS_MAX 63 /* with a scope: fe80::...%eth0 */
#define DSA_DOUBT_MS        300000
#define DSA_KDC_KEEP_MS     600000

/* One worker's; numeric addresses. */
struct dsa_found {
	/* Shown to have the domain's keys, and answered last; "": none. */
	char kdc[DSA_KDC_ADDRESS_MAX + 1];
	/* Answered for the host's own exchange, and not so that its key
	 * could open the answer. */
	char failed[DSA_KDCS_MAX][DSA_KDC_ADDRESS_MAX + 1];
	size_t failed_count;
};

/* On a worker's channel: str kdc, u8 failed_count, and that many str. */
void dsa_found_put(struct ds_writer *w, const struct dsa_found *found);
void dsa_found_get(struct ds_reader *r, struct dsa_found *ret_found);

/* Whom to ask last.  Workers inherit it; comparable byte by byte. */
struct dsa_doubts {
	struct dsa_doubt {
		char address[DSA_KDC_ADDRESS_MAX + 1]; /* "": none */
		int64_t until_ms;                      /* ds_now_ms() */
	} at[DSA_KDCS_MAX];
};

bool dsa_doubts_has(const struct dsa_doubts *doubts, int64_t now_ms,
		    const char *address);
/* Until DSA_DOUBT_MS from now; the one that ends first makes room.  True: it
 * was not there, so that somebody is to be told. */
bool dsa_doubts_add(struct dsa_doubts *doubts, int64_t now_ms,
		    const char *address);
void dsa_doubts_drop(struct dsa_doubts *doubts, const char *address);

struct dsa_server;
/*
 * After an exchange with KDCs.  The next worker asks the one that proved
 * itself, if there was one; now and then one asks DNS again, because a domain
 * controller that DNS no longer names still answers.  Logs who is doubted,
 * once.
 */
void dsa_found_keep(struct dsa_server *server, const struct dsa_found *found);

#endif

/*
 * Delays after failed password checks.
 *
 * Counted is who was tried together with from where: the object, the remote
 * host (of IPv6 the /64, which one customer has) and the user of this host who
 * asks through su or sudo; at pam-user.sock the user who asks.  So a stranger
 * who guesses from one place delays nobody who comes from another.  (Guesses
 * from many places are for the domain's own lockout.)
 *
 * The table is bounded.  When it is full, what has been forgotten makes room,
 * then what has not been delayed yet; an entry under delay never does, so
 * nobody can wash off a delay by failing elsewhere.  What finds no room is not
 * counted.  An entry is a keyed hash: no name is kept.
 *
 * Pure but for getrandom(2) once; the clock is the caller's.  Nothing survives
 * the process.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_DELAY_H
#define DSA_DELAY_H

#include "synccache/auth/audit.h"

#define DSA_DELAY_ENTRIES   4096
#define DSA_DELAY_FREE      3      /* failures without a delay */
#define DSA_DELAY_FORGET_MS 900000 /* after the last failure */
#ifndef DSA_DELAY_FIRST_MS         /* only tests have others */
#define DSA_DELAY_FIRST_MS 1000    /* doubled by each further failure */
#define DSA_DELAY_LAST_MS  30000
#endif

struct dsa_delays;

/* NULL: no memory, or no randomness. */
struct dsa_delays *dsa_delays_new(size_t max);
void dsa_delays_free(struct dsa_delays *d);

uint64_t dsa_delays_key(const struct dsa_delays *d,
			const struct dsa_subject *subject);
/*
 * True: failures are to be paid for; the next check, and only one, may begin
 * after *ret_wait_ms (0: now).
 */
bool dsa_delays_apply(const struct dsa_delays *d, int64_t now_ms, uint64_t key,
		      int64_t *ret_wait_ms);
void dsa_delays_failed(struct dsa_delays *d, int64_t now_ms, uint64_t key);
/* The password was right: all is forgotten. */
void dsa_delays_passed(struct dsa_delays *d, uint64_t key);

#endif

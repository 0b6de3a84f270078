/*
 * The house clock: how much time has certainly passed on this host, whatever
 * was done to its clock.
 *
 * It counts milliseconds.  Whenever it is looked at it advances by the larger
 * of what the wall clock and CLOCK_BOOTTIME say has passed; after a reboot
 * CLOCK_BOOTTIME says how long ago that was.  It never goes back.  Which
 * attack each rule stops:
 * - the wall clock set back, or back and forth: CLOCK_BOOTTIME cannot be set,
 *   and counts sleep as well;
 * - the wall clock stopped or set back before a reboot: the uptime counts, and
 *   the time before it was counted while the host ran (every ten minutes, and
 *   when the daemon ends);
 * - the state deleted, or restored from another host: the clock has a random
 *   id, and what was dated by another clock is too old.
 * A wall clock that was far ahead for a moment ends what was dated before it;
 * the next login at the domain starts anew.  Nothing here can see that a host
 * was off while its hardware clock was set back, or that a whole disk was put
 * back as it was.
 *
 * Stored as a block of verifier.h's family:
 *
 *     "DSSYNCC1"  id(16)  u64 milliseconds  u64 wall clock in milliseconds
 *     since 1970  boot id(16)  u64 CLOCK_BOOTTIME in milliseconds
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_HOUSECLOCK_H
#define DSA_HOUSECLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define DSA_CLOCK_ID_LEN 16
#define DSA_BOOT_ID_LEN  16

/* A look at the kernel's clocks. */
struct dsa_now {
	int64_t real_ms; /* since the epoch */
	uint64_t boot_ms;
	uint8_t boot_id[DSA_BOOT_ID_LEN]; /* zeros: not known */
};

struct dsa_clock {
	uint8_t id[DSA_CLOCK_ID_LEN];
	uint64_t total_ms;
	struct dsa_now seen;
};

/* Zeros are none. */
bool dsa_boot_is_known(const uint8_t boot_id[DSA_BOOT_ID_LEN]);

/* The boot id is read from /proc the first time. */
void dsa_now_read(struct dsa_now *ret_now);

/*
 * Milliseconds since `boot_ms` of boot `boot_id`, at least: across a reboot
 * only the time since it.  Neither a clock that is set nor a reboot makes
 * this longer than it was.
 */
uint64_t dsa_since(const struct dsa_now *now,
		   const uint8_t boot_id[DSA_BOOT_ID_LEN], uint64_t boot_ms);

/* A new one that starts now. */
void dsa_clock_start(struct dsa_clock *clock,
		     const uint8_t id[DSA_CLOCK_ID_LEN],
		     const struct dsa_now *now);
void dsa_clock_advance(struct dsa_clock *clock, const struct dsa_now *now);

/* Pure; any bytes will do.  DS_ERR_FORMAT. */
DS_MUST_CHECK int dsa_clock_parse(const uint8_t *block, size_t len,
				  struct dsa_clock *ret_clock);
/* All of the block but its code. */
void dsa_clock_put(const struct dsa_clock *clock, uint8_t *block, size_t len);

#endif

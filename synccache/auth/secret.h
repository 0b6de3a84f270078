/*
 * The one type for secrets: pages of their own, locked where the limit
 * allows, left out of core dumps, wiped before they are given back.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_SECRET_H
#define DSA_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct dsa_secret {
	uint8_t *p; /* NULL: none; else cap bytes, zeros at first */
	size_t cap;
	size_t len; /* the owner's to use */
};

enum dsa_secret_fork {
	DSA_SECRET_SHARED,  /* a forked worker sees the bytes */
	DSA_SECRET_PRIVATE, /* a forked worker sees zeros */
};

/*
 * DS_ERR_NOMEM, also where there are more than a handful of shared ones; never
 * fails because of the lock limit.  DSA_SECRET_PRIVATE fails rather than give
 * memory that a worker could read.
 */
DS_MUST_CHECK int dsa_secret_init(struct dsa_secret *ret_secret, size_t cap,
				  enum dsa_secret_fork fork);
/* As init, with a copy of len bytes. */
DS_MUST_CHECK int dsa_secret_copy(struct dsa_secret *ret_secret, const void *p,
				  size_t len, enum dsa_secret_fork fork);
/* Wipes and unmaps; p is NULL after.  An empty one is fine. */
void dsa_secret_done(struct dsa_secret *secret);

/*
 * Locks this whole process where RLIMIT_MEMLOCK is unlimited; with a limit a
 * later allocation would fail in the middle of a login, so then only the
 * secrets' own pages are locked.  Returns whether it did.
 */
bool dsa_secret_lock_process(void);

/*
 * In a worker, first of all: mlock(2) is not inherited.  Locks this process as
 * the above does or, with a limit, the shared secrets that it has inherited.
 */
void dsa_secret_lock_forked(void);

/* At most 256 random bytes, which come whole: getrandom(2).  DS_ERR_SYS. */
DS_MUST_CHECK int dsa_random(void *buf, size_t len);

#endif

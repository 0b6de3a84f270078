/*
 * Memory that lives and dies together: one computation allocates from it and
 * everything goes with dss_arena_done().
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_ARENA_H
#define DSS_ARENA_H

#include <stddef.h>

#include "lib/err.h"

struct dss_arena_chunk;
struct dss_arena {
	struct dss_arena_chunk *head; /* all zero: empty */
	size_t size;                  /* bytes in all its chunks */
};

/*
 * Zeroed memory for count elements of size bytes, aligned for anything; NULL
 * when there is none (an overflow of the product included).
 */
void *dss_arena_alloc(struct dss_arena *arena, size_t count, size_t size);
/* A copy of len bytes and a NUL after them. */
char *dss_arena_strndup(struct dss_arena *arena, const char *s, size_t len);
/* The three, one after the other. */
char *dss_arena_join(struct dss_arena *arena, const char *a, const char *b,
		     const char *c);
char *dss_arena_printf(struct dss_arena *arena, const char *fmt, ...)
    DS_PRINTF(2, 3);
/* Empties it, and keeps a chunk for the next round. */
void dss_arena_reset(struct dss_arena *arena);
void dss_arena_done(struct dss_arena *arena);

#endif

/*
 * What the files of the reader share; nobody else includes this.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_SNAPSHOT_IMPL_H
#define DS_SNAPSHOT_IMPL_H

#include "lib/snapshot.h"
#include "lib/snapshot_format.h"

static inline const void *snap_sec(const struct ds_snap *snap,
				   enum ds_fmt_section sec)
{
	return snap->base + snap->sec[sec].off;
}

static inline uint32_t snap_count(const struct ds_snap *snap,
				  enum ds_fmt_section sec)
{
	return (uint32_t)snap->sec[sec].count;
}

/* Whether [off, off + len) lies in `size`, without overflow. */
static inline bool snap_inside(uint64_t off, uint64_t len, uint64_t size)
{
	return off <= size && size - off >= len;
}

/*
 * The entries of the table `sec` that may hold what hashes to `bucket`: the
 * half-open range [*first, *end) of entry numbers.  False: damaged.
 */
static inline bool snap_bucket(const uint32_t *start, uint32_t count,
			       uint32_t bucket, uint32_t *first, uint32_t *end)
{
	*first = start[bucket];
	*end = start[bucket + 1];
	return *first <= *end && *end <= count;
}

/* The string at `off` in TEXT if it ends there, else NULL. */
const char *snap_string(const struct ds_snap *snap, uint32_t off);
/* Whether `name`, of `len` bytes without a NUL inside, may leave the reader;
 * without `bare` it must hold a '@'. */
bool snap_name_ok(const char *name, size_t len, bool bare);

#endif

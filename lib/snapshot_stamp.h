/*
 * The monitor's part in a snapshot: page 0, which only root writes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_SNAPSHOT_STAMP_H
#define DS_SNAPSHOT_STAMP_H

#include "lib/snapshot.h"

/*
 * Copies `from` (a staged file of at most max_size bytes, read from offset 0)
 * to the empty file `to`, byte for byte, with page 0 made from *stamp; size
 * and checksums are filled in.  Nothing of the body is interpreted.
 * DS_ERR_LIMIT: larger than max_size; DS_ERR_FORMAT: shorter than a page.
 */
DS_MUST_CHECK int ds_snap_stamp_copy(int from, int to, size_t max_size,
				     const struct ds_snap_stamp *stamp);

#endif

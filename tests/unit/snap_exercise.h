/*
 * Asks an image everything that can be asked, and aborts if an answer breaks a
 * promise of the reader: for damaged, hostile and random images.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef SNAP_EXERCISE_H
#define SNAP_EXERCISE_H

#include "lib/snapshot.h"

/*
 * Opens the image as both kinds; all that opens is exercised.  Returns how
 * many users and groups were answered.
 */
unsigned snap_exercise_image(const void *image, size_t size);
/* The names of the small domain and `extra` (may be NULL), through both
 * resolvers and the module's own formatting. */
unsigned snap_exercise(const struct ds_snap *snap, const char *extra);

#endif

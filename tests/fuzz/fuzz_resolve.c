/*
 * Any bytes as a typed name, against a good snapshot of each policy; and as a
 * name to be judged.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/resolve.h"
#include "tests/unit/snap_exercise.h"
#include "tests/unit/snap_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ds_snap snaps[16];
	char *typed;
	size_t i, len;

	for (i = 0; i < 16 && !snaps[i].base; i++) {
		uint8_t *image = world_image((uint32_t)i, 1, &len);

		if (ds_snap_attach(image, len, DS_SNAP_BASE, &snaps[i]) != 0)
			abort();
	}
	typed = malloc(size + 1);
	if (!typed)
		abort();
	memcpy(typed, data, size);
	typed[size] = '\0';
	for (i = 0; i < 16; i++)
		snap_exercise(&snaps[i], typed);
	if (ds_bare_ok(typed) && !ds_sam_ok(typed))
		abort();
	if (ds_sam_ok(typed) && !ds_name_ok(typed))
		abort();
	free(typed);
	return 0;
}

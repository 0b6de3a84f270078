/*
 * Any bytes as a snapshot: opened as they are, and, as the monitor would have
 * stamped them, with a good page 0 before whatever follows theirs; all lookups
 * on what opens.  The first byte of the page chooses kind and policy.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/snap_exercise.h"
#include "tests/unit/snap_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ds_fmt_page0 *page;
	uint8_t *image;

	snap_exercise_image(data, size);
	if (size < DS_FMT_PAGE)
		return 0;
	image = malloc(size);
	if (!image)
		abort();
	memcpy(image, data, size);
	page = (void *)image;
	memset(page, 0, sizeof(*page));
	memcpy(page->magic, DS_FMT_MAGIC, sizeof(page->magic));
	page->major = DS_FMT_MAJOR;
	page->kind = data[0] & 0x10 ? DS_SNAP_ACCOUNTS : DS_SNAP_BASE;
	page->policy = data[0] & 15;
	page->id_min = WORLD_ID_MIN;
	page->id_max = WORLD_ID_MAX;
	strcpy(page->domain, WORLD_DOMAIN);
	world_restamp(image, size);
	snap_exercise_image(image, size);
	free(image);
	return 0;
}

/*
 * A snapshot that ends at a page that cannot be read, so that one byte beyond
 * is a crash.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TEST_SNAP_EDGE_H
#define TEST_SNAP_EDGE_H

#include "tests/unit/unit.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/snap_world.h"

/* An image, ending where memory ends. */
struct edge {
	uint8_t *map, *image;
	size_t map_size, size;
};

static inline void edge_make(struct edge *e, const uint8_t *image, size_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t room = (size + page - 1) / page * page;

	assert_int_equal(size % 8, 0);
	e->map_size = room + page;
	e->map = mmap(NULL, e->map_size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(e->map != MAP_FAILED);
	assert_int_equal(mprotect(e->map + room, page, PROT_NONE), 0);
	e->image = e->map + room - size;
	e->size = size;
	memcpy(e->image, image, size);
}

static inline void edge_done(struct edge *e)
{
	munmap(e->map, e->map_size);
}

static inline void edge_world(struct edge *e)
{
	size_t size;
	uint8_t *image = world_image(0, 1, &size);

	edge_make(e, image, size);
	free(image);
}

#endif

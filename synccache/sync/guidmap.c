/*
 * The map of guidmap.h: open addressing, at most half full.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/guidmap.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CAP_FIRST 1024

struct dss_guidmap_slot {
	struct ds_guid guid;
	uint32_t value;
	uint32_t used;
};

/*
 * Who makes objects may choose some GUIDs, but does not know this process's
 * multipliers: their slots cannot be made to collide.
 */
static const uint64_t *multipliers(void)
{
	static uint64_t key[2];

	if (!key[0]) {
		if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
			key[0] = (uint64_t)(uintptr_t)&key;
		key[0] |= 1;
		key[1] |= 1;
	}
	return key;
}

/* Where the search for the GUID begins. */
static size_t home_of(const struct dss_guidmap *map,
		      const struct ds_guid *guid)
{
	const uint64_t *key = multipliers();
	uint64_t half[2];

	memcpy(half, guid->b, sizeof(half));
	half[0] *= key[0];
	half[1] *= key[1];
	return (size_t)((half[0] >> 32) ^ (half[1] >> 29) ^ half[0]) &
	       (map->cap - 1);
}

/* The slot that has the GUID, or the free one where it belongs. */
static struct dss_guidmap_slot *probe(const struct dss_guidmap *map,
				      const struct ds_guid *guid)
{
	size_t i = home_of(map, guid);

	while (map->slot[i].used && !ds_guid_equal(&map->slot[i].guid, guid))
		i = (i + 1) & (map->cap - 1);
	return &map->slot[i];
}

static int grow(struct dss_guidmap *map)
{
	struct dss_guidmap bigger = { .cap =
					  map->cap ? map->cap * 4 : CAP_FIRST,
				      .used = map->used };

	bigger.slot = calloc(bigger.cap, sizeof(*bigger.slot));
	if (!bigger.slot)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < map->cap; i++) {
		if (map->slot[i].used)
			*probe(&bigger, &map->slot[i].guid) = map->slot[i];
	}
	free(map->slot);
	*map = bigger;
	return DS_OK;
}

int dss_guidmap_add(struct dss_guidmap *map, const struct ds_guid *guid,
		    uint32_t value, bool *ret_new)
{
	struct dss_guidmap_slot *slot;

	if (map->used >= map->cap / 2 && grow(map) != 0)
		return DS_ERR_NOMEM;
	slot = probe(map, guid);
	*ret_new = !slot->used;
	if (!slot->used) {
		*slot = (struct dss_guidmap_slot){ *guid, value, 1 };
		map->used++;
	}
	return DS_OK;
}

bool dss_guidmap_find(const struct dss_guidmap *map,
		      const struct ds_guid *guid, uint32_t *ret_value)
{
	const struct dss_guidmap_slot *slot;

	if (!map->slot)
		return false;
	slot = probe(map, guid);
	if (!slot->used)
		return false;
	*ret_value = slot->value;
	return true;
}

void dss_guidmap_ahead(const struct dss_guidmap *map,
		       const struct ds_guid *guid)
{
	if (map->slot)
		__builtin_prefetch(&map->slot[home_of(map, guid)]);
}

void dss_guidmap_remove(struct dss_guidmap *map, const struct ds_guid *guid)
{
	struct dss_guidmap_slot *gap, *slot;
	size_t i, mask = map->cap - 1;

	gap = map->slot ? probe(map, guid) : NULL;
	if (!gap || !gap->used)
		return;
	/* Whoever was put behind it for want of room moves up. */
	for (i = (size_t)(gap - map->slot);;) {
		i = (i + 1) & mask;
		slot = &map->slot[i];
		if (!slot->used)
			break;
		if (((i - home_of(map, &slot->guid)) & mask) <
		    ((i - (size_t)(gap - map->slot)) & mask))
			continue;
		*gap = *slot;
		gap = slot;
	}
	memset(gap, 0, sizeof(*gap));
	map->used--;
}

void dss_guidmap_each(struct dss_guidmap *map,
		      void (*visit)(void *arg, uint32_t *value), void *arg)
{
	for (size_t i = 0; i < map->cap; i++) {
		if (map->slot[i].used)
			visit(arg, &map->slot[i].value);
	}
}

void dss_guidmap_done(struct dss_guidmap *map)
{
	free(map->slot);
	memset(map, 0, sizeof(*map));
}

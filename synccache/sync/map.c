/*
 * The hash map of map.h: open addressing, at most half full.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/siphash.h"

struct dss_map_slot {
	const void *key; /* NULL: free */
	uint32_t len, hash, value;
};

/* One key a process: order never shows, so it need not be reproducible. */
static const uint64_t *hash_key(void)
{
	static uint64_t key[2];
	static bool made;

	if (!made) {
		if (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key))
			key[0] = (uint64_t)(uintptr_t)&made;
		made = true;
	}
	return key;
}

static uint32_t hash_of(const void *key, size_t len)
{
	return (uint32_t)ds_siphash13(hash_key(), key, len);
}

static struct dss_map_slot *probe(const struct dss_map *map, const void *key,
				  size_t len, uint32_t hash)
{
	size_t i = hash & (map->cap - 1);

	for (;; i = (i + 1) & (map->cap - 1)) {
		struct dss_map_slot *slot = &map->slot[i];

		if (!slot->key || (slot->hash == hash && slot->len == len &&
				   memcmp(slot->key, key, len) == 0))
			return slot;
	}
}

static int resize(struct dss_map *map, size_t cap)
{
	struct dss_map bigger = { .cap = cap, .used = map->used };

	bigger.slot = calloc(bigger.cap, sizeof(*bigger.slot));
	if (!bigger.slot)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < map->cap; i++) {
		const struct dss_map_slot *slot = &map->slot[i];

		if (slot->key)
			*probe(&bigger, slot->key, slot->len, slot->hash) =
			    *slot;
	}
	free(map->slot);
	*map = bigger;
	return DS_OK;
}

int dss_map_reserve(struct dss_map *map, size_t count)
{
	size_t cap = 64;

	while (cap / 2 <= count)
		cap *= 2;
	return cap > map->cap ? resize(map, cap) : DS_OK;
}

int dss_map_add(struct dss_map *map, const void *key, size_t len,
		uint32_t value, uint32_t *ret_found)
{
	uint32_t hash = hash_of(key, len);
	struct dss_map_slot *slot;

	if (len > UINT32_MAX)
		return DS_ERR_NOMEM;
	if (map->used >= map->cap / 2 &&
	    resize(map, map->cap ? map->cap * 2 : 64) != 0)
		return DS_ERR_NOMEM;
	slot = probe(map, key, len, hash);
	if (!slot->key) {
		*slot =
		    (struct dss_map_slot){ key, (uint32_t)len, hash, value };
		map->used++;
	}
	*ret_found = slot->value;
	return DS_OK;
}

bool dss_map_find(const struct dss_map *map, const void *key, size_t len,
		  uint32_t *ret_value)
{
	const struct dss_map_slot *slot;

	if (!map->slot)
		return false;
	slot = probe(map, key, len, hash_of(key, len));
	if (!slot->key)
		return false;
	*ret_value = slot->value;
	return true;
}

void dss_map_done(struct dss_map *map)
{
	free(map->slot);
	memset(map, 0, sizeof(*map));
}

/*
 * The hash map of map.h: open addressing, at most half full.  The slots are
 * small, since they are met in no order; the entries lie in the order in which
 * they came.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/map.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/siphash.h"

struct dss_map_slot {
	uint32_t hash;
	uint32_t number; /* of the entry, and 1; 0: free */
};

struct dss_map_entry {
	const void *key;
	uint32_t len, value;
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

static bool is_key(const struct dss_map_entry *entry, const void *key,
		   size_t len)
{
	return entry->len == len && memcmp(entry->key, key, len) == 0;
}

/* The slot that has the key, or the free one where it belongs. */
static struct dss_map_slot *probe(const struct dss_map *map, const void *key,
				  size_t len, uint32_t hash)
{
	size_t i = hash & (map->cap - 1);

	for (;; i = (i + 1) & (map->cap - 1)) {
		struct dss_map_slot *slot = &map->slot[i];

		if (!slot->number ||
		    (slot->hash == hash &&
		     is_key(&map->entry[slot->number - 1], key, len)))
			return slot;
	}
}

static int resize(struct dss_map *map, size_t cap)
{
	struct dss_map_entry *entry =
	    reallocarray(map->entry, cap / 2, sizeof(*entry));
	struct dss_map_slot *slot;

	if (!entry)
		return DS_ERR_NOMEM;
	map->entry = entry;
	slot = calloc(cap, sizeof(*slot));
	if (!slot)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < map->cap; i++) {
		size_t k = map->slot[i].hash & (cap - 1);

		if (!map->slot[i].number)
			continue;
		while (slot[k].number)
			k = (k + 1) & (cap - 1);
		slot[k] = map->slot[i];
	}
	free(map->slot);
	map->slot = slot;
	map->cap = cap;
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

	if (len > UINT32_MAX || map->used >= UINT32_MAX)
		return DS_ERR_NOMEM;
	if (map->used >= map->cap / 2 &&
	    resize(map, map->cap ? map->cap * 2 : 64) != 0)
		return DS_ERR_NOMEM;
	slot = probe(map, key, len, hash);
	if (!slot->number) {
		map->entry[map->used++] =
		    (struct dss_map_entry){ key, (uint32_t)len, value };
		*slot = (struct dss_map_slot){ hash, (uint32_t)map->used };
	}
	*ret_found = map->entry[slot->number - 1].value;
	return DS_OK;
}

bool dss_map_find(const struct dss_map *map, const void *key, size_t len,
		  uint32_t *ret_value)
{
	const struct dss_map_slot *slot;

	if (!map->slot)
		return false;
	slot = probe(map, key, len, hash_of(key, len));
	if (!slot->number)
		return false;
	*ret_value = map->entry[slot->number - 1].value;
	return true;
}

void dss_map_done(struct dss_map *map)
{
	free(map->slot);
	free(map->entry);
	memset(map, 0, sizeof(*map));
}

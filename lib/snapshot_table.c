/*
 * Arrays and tables of a snapshot in the making.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/snapshot_table.h"

#include <stdlib.h>
#include <string.h>

#include "lib/snapshot_format.h"

int dsw_vec_grow(struct dsw_vec *v, size_t len)
{
	size_t cap = v->cap;
	uint8_t *p;

	if (len > SIZE_MAX / 4 || cap > SIZE_MAX / 4)
		return DS_ERR_NOMEM;
	cap = cap + cap / 2 + len + 64;
	p = realloc(v->p, cap);
	if (!p)
		return DS_ERR_NOMEM;
	v->p = p;
	v->cap = cap;
	return 0;
}

void dsw_vec_done(struct dsw_vec *v)
{
	free(v->p);
	memset(v, 0, sizeof(*v));
}

/* Spreads ids, and the low bits of hashes, over the slots. */
static uint32_t slot_of(const struct dsw_table *t, uint64_t h)
{
	return (uint32_t)((h * 0x9e3779b97f4a7c15u) >> 32) & (t->nslots - 1);
}

static void slot_put(struct dsw_table *t, uint32_t number)
{
	uint32_t i = slot_of(t, t->item[number].h);

	while (t->slot[i])
		i = (i + 1) & (t->nslots - 1);
	t->slot[i] = number + 1;
}

/* At least half of the slots stay empty. */
static int resize(struct dsw_table *t, uint32_t cap)
{
	struct dsw_item *item;
	uint32_t *slot, i;

	if (cap > DS_FMT_OBJECTS_MAX)
		return DS_ERR_NOMEM;
	item = realloc(t->item, cap * sizeof(*item));
	if (!item)
		return DS_ERR_NOMEM;
	t->item = item;
	slot = calloc((size_t)cap * 2, sizeof(*slot));
	if (!slot)
		return DS_ERR_NOMEM;
	free(t->slot);
	t->slot = slot;
	t->nslots = cap * 2;
	t->cap = cap;
	for (i = 0; i < t->count; i++)
		slot_put(t, i);
	return 0;
}

void dsw_table_ahead(const struct dsw_table *t, uint64_t h)
{
	if (t->nslots)
		__builtin_prefetch(&t->slot[slot_of(t, h)]);
}

const struct dsw_item *dsw_table_next(const struct dsw_table *t, uint64_t h,
				      uint32_t *pos)
{
	uint32_t number;

	while (t->nslots) {
		number = t->slot[(slot_of(t, h) + *pos) & (t->nslots - 1)];
		if (!number)
			return NULL;
		++*pos;
		if (t->item[number - 1].h == h)
			return &t->item[number - 1];
	}
	return NULL;
}

int dsw_table_reserve(struct dsw_table *t, uint32_t count)
{
	uint32_t cap = t->cap ? t->cap : 64;

	while (cap < count)
		cap *= 2;
	return cap > t->cap ? resize(t, cap) : 0;
}

int dsw_table_add(struct dsw_table *t, uint64_t h, uint32_t index,
		  uint32_t key)
{
	int r = t->count < t->cap ? 0 : resize(t, t->cap ? t->cap * 2 : 64);

	if (r != 0)
		return r;
	t->item[t->count] = (struct dsw_item){ h, index, key };
	slot_put(t, t->count++);
	return 0;
}

void dsw_table_done(struct dsw_table *t)
{
	free(t->item);
	free(t->slot);
	memset(t, 0, sizeof(*t));
}

static uint32_t bucket_of(const struct dsw_table *t, uint32_t i,
			  const uint64_t key[2], unsigned bits)
{
	if (t->kind == DSW_IDS)
		return ds_fmt_id_bucket(key, (uint32_t)t->item[i].h, bits);
	return (uint32_t)t->item[i].h & (((uint32_t)1 << bits) - 1);
}

static void put_entry(const struct dsw_table *t, uint32_t i, uint32_t *entries,
		      uint32_t at)
{
	const struct dsw_item *item = &t->item[i];

	if (t->kind == DSW_NAMES) {
		entries[3 * at] = (uint32_t)(item->h >> 32);
		entries[3 * at + 1] = item->index;
		entries[3 * at + 2] = item->key;
		return;
	}
	entries[2 * at] =
	    t->kind == DSW_IDS ? (uint32_t)item->h : (uint32_t)(item->h >> 32);
	entries[2 * at + 1] = item->index;
}

int dsw_table_layout(const struct dsw_table *t, const uint64_t hash_key[2],
		     uint32_t **ret_buf, size_t *ret_len)
{
	unsigned bits = ds_fmt_bits(t->count);
	size_t buckets = (size_t)1 << bits;
	size_t words =
	    buckets + 1 + (size_t)t->count * (t->kind == DSW_NAMES ? 3 : 2);
	uint32_t *start = calloc(words, sizeof(*start)), i, b;

	if (!start)
		return DS_ERR_NOMEM;
	/* Count into start[b + 1], add up, then start[b] moves to its end
	 * while the entries are put, and is moved back. */
	for (i = 0; i < t->count; i++)
		start[bucket_of(t, i, hash_key, bits) + 1]++;
	for (b = 0; b < buckets; b++)
		start[b + 1] += start[b];
	for (i = 0; i < t->count; i++) {
		b = bucket_of(t, i, hash_key, bits);
		put_entry(t, i, start + buckets + 1, start[b]++);
	}
	memmove(start + 1, start, buckets * sizeof(*start));
	start[0] = 0;
	*ret_buf = start;
	*ret_len = words * sizeof(*start);
	return 0;
}

/*
 * SID -> uid/gid.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/idmap.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SLICE_SEED 0xdeadbeefu

static uint32_t rotl(uint32_t v, int bits)
{
	return v << bits | v >> (32 - bits);
}

static uint32_t scramble(uint32_t k)
{
	return rotl(k * 0xcc9e2d51u, 15) * 0x1b873593u;
}

uint32_t ds_murmur3(const void *key, size_t len, uint32_t seed)
{
	const uint8_t *p = key;
	uint32_t h = seed, k;
	size_t i, tail;

	for (i = 0; i + 4 <= len; i += 4) {
		k = (uint32_t)p[i] | (uint32_t)p[i + 1] << 8 |
		    (uint32_t)p[i + 2] << 16 | (uint32_t)p[i + 3] << 24;
		h = rotl(h ^ scramble(k), 13) * 5 + 0xe6546b64u;
	}
	for (k = 0, tail = len; tail > i; tail--)
		k = k << 8 | p[tail - 1];
	h ^= scramble(k);
	h ^= (uint32_t)len;
	h = (h ^ h >> 16) * 0x85ebca6bu;
	h = (h ^ h >> 13) * 0xc2b2ae35u;
	return h ^ h >> 16;
}

/*
 * The domain's string and RID of a domain account: S-1-5-21-a-b-c-RID
 * (MS-DTYP 2.4.2.4).  Builtin and well-known SIDs have no id.
 */
static int split_domain(const struct ds_sid *sid, char *ret_domain,
			uint32_t *ret_rid)
{
	struct ds_sid domain;
	int r;

	if (sid->authority != 5 || sid->count != 5 || sid->sub[0] != 21)
		return DS_ERR_FORMAT;
	r = ds_sid_split(sid, &domain, ret_rid);
	if (r)
		return r;
	ds_sid_to_str(&domain, ret_domain);
	return DS_OK;
}

int ds_idmap_slice(const struct ds_sid *sid, uint32_t min, uint32_t max,
		   uint32_t *ret_slice)
{
	char name[DS_SID_STR_MAX + 16];
	uint32_t rid, first, slices;
	size_t len;
	int r;

	if (max < min || max - min < DS_IDMAP_SLICE)
		return DS_ERR_RANGE;
	slices = (max - min) / DS_IDMAP_SLICE;
	r = split_domain(sid, name, &rid);
	if (r)
		return r;
	first = rid / DS_IDMAP_SLICE * DS_IDMAP_SLICE;
	len = strlen(name);
	if (first) /* a secondary slice, named by the first RID in it */
		len += (size_t)snprintf(name + len, sizeof(name) - len,
					"-%" PRIu32, first);
	*ret_slice = ds_murmur3(name, len, SLICE_SEED) % slices;
	return DS_OK;
}

int ds_idmap_sid(const struct ds_sid *sid, uint32_t min, uint32_t max,
		 uint32_t *ret_id)
{
	uint32_t slice;
	uint64_t id;
	int r;

	r = ds_idmap_slice(sid, min, max, &slice);
	if (r)
		return r;
	id = min + (uint64_t)slice * DS_IDMAP_SLICE +
	     sid->sub[sid->count - 1] % DS_IDMAP_SLICE;
	if (id > max)
		return DS_ERR_RANGE;
	*ret_id = (uint32_t)id;
	return DS_OK;
}

int ds_idmap_rid(const struct ds_sid *sid, uint32_t min, uint32_t max,
		 uint32_t *ret_id)
{
	char domain[DS_SID_STR_MAX];
	uint32_t rid;
	int r;

	r = split_domain(sid, domain, &rid);
	if (r)
		return r;
	if (max < min || rid > max - min)
		return DS_ERR_RANGE;
	*ret_id = min + rid;
	return DS_OK;
}

/*
 * libFuzzer target: what a directory may send of an object, and what the
 * store may hold of one.  An object made from any entry can be stored and is
 * the same when it comes back.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/idmap.h"
#include "synccache/sync/look_entry.h"
#include "synccache/sync/object.h"
#include "synccache/sync/pins.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_ATTRS 32

/* Stored bytes with a checksum that fits, so that more than it is tried. */
static void decode(const uint8_t *data, size_t size)
{
	static const struct ds_guid guid;
	struct dss_object obj;
	uint8_t *copy = malloc(size + 1);
	uint32_t sum;

	if (!copy)
		abort();
	memcpy(copy, data, size);
	if (size > 4) {
		sum = ds_murmur3(copy + 4, size - 4, 0x64737301u);
		memcpy(copy, &sum, sizeof(sum));
	}
	if (dss_object_decode(&guid, copy, size, &obj) == 0 &&
	    (strlen(obj.sam) > size || obj.nmembers > size))
		abort();
	free(copy);
}

/* The record of ids, of one domain. */
static void decode_pins(const uint8_t *data, size_t size)
{
	struct dss_arena arena = { NULL };
	struct dss_pins pins;
	struct ds_sid domain;

	if (ds_sid_parse_str("S-1-5-21-1-2-3", &domain) != 0 ||
	    dss_pins_decode(data, size, &domain, &arena, &pins) != 0)
		abort();
	for (uint32_t i = 0; pins.known && i < pins.nslices; i++) {
		if (strlen(pins.slices[i].name) > size)
			abort();
	}
	dss_arena_done(&arena);
}

static const char *attr_name(uint8_t pick)
{
	static const char *const ranges[] = { "member;range=1-1",
					      "member;range=0-0",
					      "member;range=0-*",
					      "member;range=" };
	const char *const *names = dss_object_attributes(true);
	size_t count = 0;

	while (names[count])
		count++;
	pick %= (uint8_t)(count + 4);
	return pick < count ? names[pick] : ranges[pick - count];
}

/* The bytes as an entry: attribute, length, value; 255: a value more. */
static size_t make_entry(const uint8_t *data, size_t size,
			 struct dss_arena *arena, struct dss_attr *attrs)
{
	size_t count = 0;

	while (size >= 2 && count < MAX_ATTRS) {
		size_t len = data[1] < size - 2 ? data[1] : size - 2;
		struct dss_value *value =
		    dss_arena_alloc(arena, 1, sizeof(*value));

		if (!value)
			abort();
		value->data = (const uint8_t *)dss_arena_strndup(
		    arena, (const char *)data + 2, len);
		value->len = len;
		attrs[count++] = (struct dss_attr){ attr_name(data[0]), value,
						    len == 0 ? 0 : 1 };
		data += 2 + len;
		size -= 2 + len;
	}
	return count;
}

static void apply(const uint8_t *data, size_t size, enum dss_apply how)
{
	static const struct ds_guid guid;
	struct dss_attr attrs[MAX_ATTRS];
	struct dss_entry entry = { .dn = "CN=x", .attrs = attrs };
	struct dss_arena arena = { 0 };
	struct dss_object obj, back;
	const uint8_t *stored, *again;
	struct ds_guid shown;
	struct dss_look look;
	size_t len, len2;

	entry.count = make_entry(data, size, &arena, attrs);
	if (dss_entry_guid(&entry, &shown) == DS_OK &&
	    dss_look_read(&entry, &shown, &look) == DS_OK &&
	    (strlen(look.upn) > DSS_LOOK_NAME || look.hours_len > 21))
		abort();
	dss_object_init(&obj, &guid);
	if (dss_object_apply(&obj, &entry, how, &arena) != 0 ||
	    dss_object_encode(&obj, &arena, &stored, &len) != 0 ||
	    dss_object_decode(&guid, stored, len, &back) != 0 ||
	    dss_object_encode(&back, &arena, &again, &len2) != 0 ||
	    len != len2 || memcmp(stored, again, len) != 0)
		abort();
	dss_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	decode(data, size);
	decode_pins(data, size);
	apply(data, size, DSS_APPLY_DELTA);
	apply(data, size, DSS_APPLY_READ);
	return 0;
}

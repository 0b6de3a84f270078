/*
 * The parts that a snapshot is collected in: growing arrays in the file's own
 * layout, and tables that know what they hold already.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_SNAPSHOT_TABLE_H
#define DS_SNAPSHOT_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/err.h"

/* An array of bytes; zeroed is empty.  Its beginning may be in the file. */
struct dsw_vec {
	uint8_t *p;
	size_t len, cap; /* of what is in memory */
	size_t before;   /* bytes that are not */
};

/* Makes room for that many more bytes.  DS_ERR_NOMEM. */
DS_MUST_CHECK int dsw_vec_grow(struct dsw_vec *v, size_t len);
static inline DS_MUST_CHECK int dsw_vec_add(struct dsw_vec *v,
					    const void *data, size_t len)
{
	int r = v->cap - v->len < len ? dsw_vec_grow(v, len) : 0;

	if (r != 0)
		return r;
	if (len)
		memcpy(v->p + v->len, data, len);
	v->len += len;
	return 0;
}
static inline size_t dsw_vec_size(const struct dsw_vec *v)
{
	return v->before + v->len;
}
void dsw_vec_done(struct dsw_vec *v);

/*
 * Entries of one table, in the order they came.  `h` is the hash of a name or
 * GUID, or the id itself in an id table; `key` the offset of a name.
 */
struct dsw_item {
	uint64_t h;
	uint32_t index;
	uint32_t key;
};
enum dsw_kind { DSW_NAMES = 3, DSW_IDS = 2, DSW_GUIDS = 1 };
struct dsw_table {
	enum dsw_kind kind;
	struct dsw_item *item;
	uint32_t count, cap;
	uint32_t *slot; /* open addressing over item numbers + 1 */
	uint32_t nslots;
};

/*
 * Iterates over the items with this `h`: start with *pos = 0; NULL ends.
 */
const struct dsw_item *dsw_table_next(const struct dsw_table *t, uint64_t h,
				      uint32_t *pos);
/* Says that this `h` is looked for soon: its slot is far away. */
void dsw_table_ahead(const struct dsw_table *t, uint64_t h);
/* Makes room for so many items in all.  DS_ERR_NOMEM. */
DS_MUST_CHECK int dsw_table_reserve(struct dsw_table *t, uint32_t count);
DS_MUST_CHECK int dsw_table_add(struct dsw_table *t, uint64_t h,
				uint32_t index, uint32_t key);
void dsw_table_done(struct dsw_table *t);

/*
 * The table as the file has it (snapshot_format.h); the caller frees *ret_buf.
 */
DS_MUST_CHECK int dsw_table_layout(const struct dsw_table *t,
				   const uint64_t hash_key[2],
				   uint32_t **ret_buf, size_t *ret_len);

#endif

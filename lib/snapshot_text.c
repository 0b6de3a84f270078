/*
 * What a snapshot is put together from: strings, lists, records and keys.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <string.h>
#include <unistd.h>

#include "lib/blocks.h"
#include "lib/resolve.h"
#include "lib/siphash.h"
#include "lib/snapshot_write_impl.h"

/* Room for so many more bytes, where the section has a limit. */
static bool has_room(const struct ds_snapw *w, enum ds_fmt_section sec,
		     size_t len)
{
	const struct dsw_place *place = &w->place[sec];

	return !place->at || len <= place->room - dsw_vec_size(&w->sec[sec]);
}

static int add(struct ds_snapw *w, enum ds_fmt_section sec, const void *data,
	       size_t len)
{
	int r = has_room(w, sec, len) ? dsw_vec_add(&w->sec[sec], data, len)
				      : DS_ERR_INVAL;

	return r || w->sec[sec].len < DSW_KEPT ? r : dsw_spill(w, sec);
}

bool dsw_is_at(struct ds_snapw *w, enum ds_fmt_section sec, size_t off,
	       const void *data, size_t len)
{
	const struct dsw_vec *v = &w->sec[sec];
	uint8_t buf[DS_NAME_MAX + 1];
	ssize_t n;

	if (off >= v->before)
		return len <= dsw_vec_size(v) - off &&
		       memcmp(v->p + (off - v->before), data, len) == 0;
	if (len > sizeof(buf))
		return false;
	n = pread(w->fd, buf, len, (off_t)(w->place[sec].at + off));
	if (n < 0)
		return dsw_finish(w, DS_ERR_SYS) != 0;
	return n == (ssize_t)len && memcmp(buf, data, len) == 0;
}

int dsw_add_bytes(struct ds_snapw *w, const void *data, size_t len,
		  uint32_t *ret_off)
{
	struct dsw_vec *text = &w->sec[DS_SEC_TEXT];
	size_t off = dsw_vec_size(text);

	if (len > DS_FMT_TEXT_MAX - off)
		return DS_ERR_LIMIT;
	*ret_off = (uint32_t)off;
	return dsw_vec_add(text, data, len);
}

int dsw_begin(struct ds_snapw *w)
{
	w->begin = dsw_vec_size(&w->sec[DS_SEC_TEXT]);
	return w->sec[DS_SEC_TEXT].len < DSW_KEPT ? 0
						  : dsw_spill(w, DS_SEC_TEXT);
}

/* The place of a string that is not empty. */
static struct dsw_string *string_of(struct ds_snapw *w, const char *s,
				    size_t len)
{
	const unsigned char *c = (const unsigned char *)s;
	uint32_t h = (uint32_t)len << 24 | (uint32_t)c[0] << 16 |
		     (uint32_t)c[len / 2] << 8 | c[len - 2];

	return &w->string[h * 0x9e3779b1u >> (32 - DSW_STRING_BITS)];
}

void dsw_note_string(struct ds_snapw *w, uint32_t off, const char *s,
		     size_t len)
{
	if (len > 1)
		*string_of(w, s, len) =
		    (struct dsw_string){ off, (uint32_t)len };
}

static bool is_same(struct ds_snapw *w, const struct dsw_string *string,
		    const char *s, size_t len)
{
	return string->len == len && string->off >= w->begin &&
	       dsw_is_at(w, DS_SEC_TEXT, string->off, s, len);
}

int dsw_add_string(struct ds_snapw *w, const char *s, uint32_t *ret_off)
{
	size_t len = s ? strlen(s) + 1 : 0;
	struct dsw_string *string;
	int r;

	*ret_off = 0;
	if (len <= 1)
		return 0;
	string = string_of(w, s, len);
	if (is_same(w, string, s, len)) {
		*ret_off = string->off;
		return 0;
	}
	r = dsw_add_bytes(w, s, len, ret_off);
	*string = (struct dsw_string){ *ret_off, (uint32_t)len };
	return r;
}

int dsw_add_list(struct ds_snapw *w, const uint32_t *list, uint32_t count,
		 uint32_t *ret_first)
{
	size_t first = dsw_vec_size(&w->sec[DS_SEC_LISTS]) / sizeof(*list);

	if (count > DS_FMT_TEXT_MAX - first)
		return DS_ERR_LIMIT;
	*ret_first = (uint32_t)first;
	return add(w, DS_SEC_LISTS, list, count * sizeof(*list));
}

int dsw_add_record(struct ds_snapw *w, enum ds_fmt_section sec,
		   const void *rec, size_t size)
{
	int r = add(w, sec, rec, size);

	if (r == 0)
		w->count[sec]++;
	return r;
}

int dsw_put_sid(uint8_t field[68], const struct ds_sid *sid)
{
	_Static_assert(DS_SID_BIN_MAX == 68, "the field holds any SID");
	if (sid->count < 1 || sid->count > DS_SID_MAX_SUBAUTHS)
		return DS_ERR_FORMAT;
	(void)ds_sid_to_bin(sid, field);
	return 0;
}

int dsw_finish(struct ds_snapw *w, int err)
{
	if (err != 0)
		w->err = err;
	return err;
}

int dsw_conflict(const struct ds_snapw *w, bool taken)
{
	return w->err ? w->err : taken ? DS_ERR_CONFLICT : 0;
}

bool dsw_key_find(struct ds_snapw *w, const struct dsw_table *table,
		  const struct dsw_key *key, const struct dsw_item **ret_item)
{
	const struct dsw_item *item;
	uint32_t pos = 0;

	while ((item = dsw_table_next(table, key->h, &pos))) {
		if (dsw_is_at(w, DS_SEC_TEXT, item->key, key->s,
			      key->len + 1)) {
			*ret_item = item;
			return true;
		}
	}
	return false;
}

/* Whole words: the string's last one has what follows it there. */
static void fold(char *s, size_t len)
{
	uint64_t x;

	for (size_t i = 0; i < len; i += sizeof(x)) {
		memcpy(&x, s + i, sizeof(x));
		x = ds_fold8(x);
		memcpy(s + i, &x, sizeof(x));
	}
}

int dsw_key_make(struct ds_snapw *w, struct dsw_table *table, bool folded,
		 const char *s, struct dsw_key *key)
{
	key->table = s ? table : NULL;
	if (!s)
		return 0;
	key->len = strlen(s);
	if (key->len > DS_NAME_MAX)
		return DS_ERR_LIMIT;
	if (!ds_name_ok(s))
		return DS_ERR_FORMAT;
	memcpy(key->s, s, key->len);
	memset(key->s + key->len, 0, sizeof(uint64_t));
	if (folded)
		fold(key->s, key->len);
	key->h = ds_siphash13(w->hash_key, key->s, key->len);
	dsw_table_ahead(table, key->h);
	return 0;
}

bool dsw_key_taken(struct ds_snapw *w, const struct dsw_key *key)
{
	const struct dsw_item *item;

	return key->table && dsw_key_find(w, key->table, key, &item);
}

int dsw_key_add(struct ds_snapw *w, const struct dsw_key *key,
		const char *name, uint32_t name_off, uint32_t index)
{
	uint32_t off = name_off;
	int r = 0;

	if (!key->table)
		return 0;
	if (!name || strcmp(key->s, name) != 0)
		r = dsw_add_string(w, key->s, &off);
	return r ? r : dsw_table_add(key->table, key->h, index, off);
}

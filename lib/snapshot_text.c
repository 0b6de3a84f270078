/*
 * What a snapshot is put together from: strings, lists, records and keys.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <string.h>

#include "lib/resolve.h"
#include "lib/siphash.h"
#include "lib/snapshot_write_impl.h"

int dsw_add_bytes(struct ds_snapw *w, const void *data, size_t len,
		  uint32_t *ret_off)
{
	struct dsw_vec *text = &w->sec[DS_SEC_TEXT];
	size_t off = text->len;

	if (len > DS_FMT_TEXT_MAX - off)
		return DS_ERR_LIMIT;
	*ret_off = (uint32_t)off;
	return dsw_vec_add(text, data, len);
}

int dsw_add_string(struct ds_snapw *w, const char *s, uint32_t *ret_off)
{
	if (!s || !*s) {
		*ret_off = 0;
		return 0;
	}
	return dsw_add_bytes(w, s, strlen(s) + 1, ret_off);
}

int dsw_add_list(struct ds_snapw *w, const uint32_t *list, uint32_t count,
		 uint32_t *ret_first)
{
	struct dsw_vec *lists = &w->sec[DS_SEC_LISTS];
	size_t first = lists->len / sizeof(*list);

	if (count > DS_FMT_TEXT_MAX - first)
		return DS_ERR_LIMIT;
	*ret_first = (uint32_t)first;
	return dsw_vec_add(lists, list, count * sizeof(*list));
}

int dsw_add_record(struct ds_snapw *w, enum ds_fmt_section sec,
		   const void *rec, size_t size)
{
	int r = dsw_vec_add(&w->sec[sec], rec, size);

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

bool dsw_key_find(const struct ds_snapw *w, const struct dsw_table *table,
		  const struct dsw_key *key, const struct dsw_item **ret_item)
{
	const char *text = (const char *)w->sec[DS_SEC_TEXT].p;
	const struct dsw_item *item;
	uint32_t pos = 0;

	while ((item = dsw_table_next(table, key->h, &pos))) {
		if (strcmp(text + item->key, key->s) == 0) {
			*ret_item = item;
			return true;
		}
	}
	return false;
}

int dsw_key_make(struct ds_snapw *w, struct dsw_table *table, bool fold,
		 const char *s, struct dsw_key *key)
{
	const struct dsw_item *item;
	size_t i;

	key->table = s ? table : NULL;
	if (!s)
		return 0;
	key->len = strlen(s);
	if (key->len > DS_NAME_MAX)
		return DS_ERR_LIMIT;
	if (!ds_name_ok(s))
		return DS_ERR_FORMAT;
	memcpy(key->s, s, key->len + 1);
	for (i = 0; fold && i < key->len; i++)
		key->s[i] |=
		    (char)((unsigned char)(s[i] - 'A') < 26 ? 0x20 : 0);
	key->h = ds_siphash13(w->hash_key, key->s, key->len);
	return dsw_key_find(w, table, key, &item) ? DS_ERR_CONFLICT : 0;
}

int dsw_key_add(struct ds_snapw *w, const struct dsw_key *key,
		const char *name, uint32_t name_off, uint32_t index)
{
	uint32_t off = name_off;
	int r;

	if (!key->table)
		return 0;
	if (!name || strcmp(key->s, name) != 0) {
		r = dsw_add_bytes(w, key->s, key->len + 1, &off);
		if (r != 0)
			return r;
	}
	return dsw_table_add(key->table, key->h, index, off);
}

/*
 * The stored form of an object: a checksum, a version, the fields in the
 * order below.  Strings carry their NUL, so that a decoded object can borrow
 * them.  A version that is not ours is DS_ERR_FORMAT: the mirror is then
 * loaded anew, since the directory still has everything.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/object.h"

#include <string.h>

#include "lib/buf.h"
#include "lib/idmap.h"
#include "synccache/sync/shown.h"

#define OBJECT_VERSION 4
#define CHECKSUM_SEED  0x64737301u

static const size_t string_at[] = {
	offsetof(struct dss_object, dn),
	offsetof(struct dss_object, sam),
	offsetof(struct dss_object, upn),
	offsetof(struct dss_object, display),
	offsetof(struct dss_object, nickname),
	offsetof(struct dss_object, object_id),
	offsetof(struct dss_object, legacy_id),
	offsetof(struct dss_object, mail),
	offsetof(struct dss_object, manager_dn),
};
#define NSTRINGS (sizeof(string_at) / sizeof(string_at[0]))

static const char *get_string(const struct dss_object *obj, size_t i)
{
	const char *s;

	memcpy(&s, (const char *)obj + string_at[i], sizeof(s));
	return s;
}

static void set_string(struct dss_object *obj, size_t i, const char *s)
{
	memcpy((char *)obj + string_at[i], &s, sizeof(s));
}

static size_t encoded_max(const struct dss_object *obj)
{
	size_t size = 192 + DS_SID_BIN_MAX + obj->history_len +
		      obj->shown_len + obj->nmembers * sizeof(*obj->members);

	for (size_t i = 0; i < NSTRINGS; i++)
		size += 5 + strlen(get_string(obj, i));
	return size;
}

int dss_object_encode(const struct dss_object *obj, struct dss_arena *arena,
		      const uint8_t **ret_data, size_t *ret_len)
{
	size_t cap = encoded_max(obj);
	uint8_t sid[DS_SID_BIN_MAX];
	uint8_t *data;
	struct ds_writer w, head;

	if (obj->nmembers > UINT32_MAX / sizeof(*obj->members))
		return DS_ERR_LIMIT;
	data = dss_arena_alloc(arena, cap, 1);
	if (!data)
		return DS_ERR_NOMEM;
	ds_writer_init(&w, data, cap);
	ds_put_u32(&w, 0); /* the checksum, below */
	ds_put_u16(&w, OBJECT_VERSION);
	ds_put_u32(&w, obj->kind);
	ds_put_u32(&w, obj->flags);
	ds_put_u32(&w, obj->present);
	ds_put_u32(&w, obj->malformed);
	ds_put_u32(&w, obj->uac);
	ds_put_u32(&w, obj->group_type);
	ds_put_u32(&w, obj->primary_rid);
	ds_put_u32(&w, obj->uid_number);
	ds_put_u32(&w, obj->gid_number);
	ds_put_u64(&w, obj->created);
	ds_put_u64(&w, obj->expires);
	ds_put_u64(&w, obj->pwd_last_set);
	ds_put_u64(&w, obj->lockout_time);
	ds_put_blob(&w, obj->hours, sizeof(obj->hours));
	ds_put_blob(&w, sid,
		    obj->sid.count ? ds_sid_to_bin(&obj->sid, sid) : 0);
	for (size_t i = 0; i < NSTRINGS; i++) {
		const char *s = get_string(obj, i);

		ds_put_blob(&w, s, strlen(s) + 1);
	}
	ds_put_blob(&w, obj->manager.b, DS_GUID_LEN);
	ds_put_blob(&w, obj->shown, obj->shown_len);
	ds_put_u32(&w, obj->nhistory);
	ds_put_blob(&w, obj->history, obj->history_len);
	ds_put_blob(&w, obj->members, obj->nmembers * sizeof(*obj->members));
	if (w.err)
		return w.err;
	ds_writer_init(&head, data, 4);
	ds_put_u32(&head, ds_murmur3(data + 4, w.len - 4, CHECKSUM_SEED));
	*ret_data = data;
	*ret_len = w.len;
	return DS_OK;
}

uint32_t dss_object_flags(const void *data, size_t len)
{
	struct ds_reader r;

	ds_reader_init(&r, data, len);
	(void)ds_get_u32(&r);
	if (ds_get_u16(&r) != OBJECT_VERSION)
		return 0;
	(void)ds_get_u32(&r);
	return ds_get_u32(&r);
}

static int decode_strings(struct ds_reader *r, struct dss_object *obj)
{
	for (size_t i = 0; i < NSTRINGS; i++) {
		size_t len = 0;
		const uint8_t *s = ds_get_blob(r, &len);

		if (!s || len == 0 || memchr(s, 0, len) != s + len - 1)
			return DS_ERR_FORMAT;
		set_string(obj, i, (const char *)s);
	}
	return DS_OK;
}

static int decode_shown(struct ds_reader *r, struct dss_object *obj)
{
	size_t len = 0;
	const uint8_t *p = ds_get_blob(r, &len);

	if (!p || len != DS_GUID_LEN)
		return DS_ERR_FORMAT;
	memcpy(obj->manager.b, p, DS_GUID_LEN);
	len = 0;
	p = ds_get_blob(r, &len);
	if (!p || !dss_shown_valid(p, len))
		return DS_ERR_FORMAT;
	obj->shown = p;
	obj->shown_len = len;
	return DS_OK;
}

static int decode_hours(struct ds_reader *r, struct dss_object *obj)
{
	size_t len = 0;
	const uint8_t *p = ds_get_blob(r, &len);

	if (!p || len != sizeof(obj->hours))
		return DS_ERR_FORMAT;
	memcpy(obj->hours, p, len);
	return DS_OK;
}

static int decode_lists(struct ds_reader *r, struct dss_object *obj)
{
	const uint8_t *p;
	size_t len = 0;

	obj->nhistory = ds_get_u32(r);
	p = ds_get_blob(r, &len);
	obj->history = p;
	obj->history_len = p ? len : 0;
	len = 0;
	p = ds_get_blob(r, &len);
	if (!p || len % sizeof(*obj->members))
		return DS_ERR_FORMAT;
	/* A GUID is bytes: any alignment will do. */
	obj->members = (const struct ds_guid *)(const void *)p;
	obj->nmembers = len / sizeof(*obj->members);
	return ds_reader_end(r);
}

int dss_object_decode(const struct ds_guid *guid, const void *data, size_t len,
		      struct dss_object *ret_obj)
{
	struct dss_object obj;
	struct ds_reader r;
	const uint8_t *sid;
	size_t sid_len = 0;
	uint32_t sum;

	dss_object_init(&obj, guid);
	ds_reader_init(&r, data, len);
	sum = ds_get_u32(&r);
	if (len < 6 || ds_get_u16(&r) != OBJECT_VERSION ||
	    sum !=
		ds_murmur3((const uint8_t *)data + 4, len - 4, CHECKSUM_SEED))
		return DS_ERR_FORMAT;
	obj.kind = ds_get_u32(&r);
	obj.flags = ds_get_u32(&r);
	obj.present = ds_get_u32(&r);
	obj.malformed = ds_get_u32(&r);
	obj.uac = ds_get_u32(&r);
	obj.group_type = ds_get_u32(&r);
	obj.primary_rid = ds_get_u32(&r);
	obj.uid_number = ds_get_u32(&r);
	obj.gid_number = ds_get_u32(&r);
	obj.created = ds_get_u64(&r);
	obj.expires = ds_get_u64(&r);
	obj.pwd_last_set = ds_get_u64(&r);
	obj.lockout_time = ds_get_u64(&r);
	if (decode_hours(&r, &obj) != 0)
		return DS_ERR_FORMAT;
	sid = ds_get_blob(&r, &sid_len);
	if (!sid || (sid_len > 0 && ds_sid_parse_bin(sid, sid_len, &obj.sid)))
		return DS_ERR_FORMAT;
	if (decode_strings(&r, &obj) != 0 || decode_shown(&r, &obj) != 0 ||
	    decode_lists(&r, &obj) != 0)
		return DS_ERR_FORMAT;
	*ret_obj = obj;
	return DS_OK;
}

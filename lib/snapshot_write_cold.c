/*
 * The snapshot writer: notes, attributes that people look at, accounts.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <string.h>

#include "lib/resolve.h"
#include "lib/siphash.h"
#include "lib/snapshot_write_impl.h"

int ds_snapw_note(struct ds_snapw *w, const struct ds_snap_note *note)
{
	struct ds_fmt_note rec = { .reason = (uint16_t)note->reason,
				   .group = note->group };
	int r;

	if (w->err)
		return w->err;
	if (w->count[DS_SEC_NOTES] >= DS_FMT_OBJECTS_MAX)
		return DS_ERR_LIMIT;
	memcpy(rec.guid, note->guid.b, DS_GUID_LEN);
	if ((r = dsw_begin(w)) != 0 ||
	    (r = dsw_add_string(w, note->name, &rec.name)) != 0 ||
	    (r = dsw_add_string(w, note->detail, &rec.detail)) != 0 ||
	    (r = dsw_add_string(w, note->sam, &rec.sam)) != 0 ||
	    (r = dsw_add_string(w, note->upn, &rec.upn)) != 0)
		return dsw_finish(w, r);
	return dsw_finish(w,
			  dsw_add_record(w, DS_SEC_NOTES, &rec, sizeof(rec)));
}

int ds_snapw_record(struct ds_snapw *w, const void *data, uint32_t len)
{
	if (w->err)
		return w->err;
	if (w->count[DS_SEC_RECORD] || len == 0 || len > DS_FMT_OBJECTS_MAX)
		return DS_ERR_INVAL;
	w->count[DS_SEC_RECORD] = len;
	return dsw_finish(w, dsw_vec_add(&w->sec[DS_SEC_RECORD], data, len));
}

/* Objects have the same attributes in the same order: mostly it is the one
 * behind the last. */
static int find_attr(struct ds_snapw *w, const char *name,
		     struct dsw_attr **ret_attr)
{
	size_t i = w->next_attr;
	struct dsw_attr *attr;
	int r;

	if (i >= w->nattrs || w->attr[i].name != name)
		for (i = 0; i < w->nattrs && w->attr[i].name != name; i++)
			;
	attr = &w->attr[i];
	if (i == w->nattrs) {
		r = dsw_add_string(w, name, &attr->off);
		if (r != 0)
			return r;
		attr->name = name;
		attr->value = 0;
		attr->last[0] = '\0';
		w->nattrs += w->nattrs < DSW_ATTR_NAMES;
	}
	w->next_attr = i + 1;
	*ret_attr = attr;
	return 0;
}

static int add_value(struct ds_snapw *w, struct dsw_attr *attr,
		     const char *value)
{
	size_t len;

	/* "" stands for one that is too long, too. */
	if (value[0] && strcmp(attr->last, value) == 0)
		return 0;
	len = strlen(value) + 1;
	if (len > sizeof(attr->last))
		attr->last[0] = '\0';
	else
		memcpy(attr->last, value, len);
	return dsw_add_string(w, value, &attr->value);
}

int ds_snapw_attr(struct ds_snapw *w, const char *name, const char *value)
{
	uint32_t users = w->count[DS_SEC_USERS];
	uint32_t groups = w->count[DS_SEC_GROUPS];
	struct ds_fmt_attr rec = {
		.owner =
		    groups > 0 ? (groups - 1) | DS_FMT_ATTR_GROUP : users - 1,
	};
	struct dsw_attr *attr;
	int r;

	if (w->err)
		return w->err;
	if (users == 0 && groups == 0)
		return DS_ERR_INVAL;
	if (w->count[DS_SEC_ATTRS] >= DS_FMT_OBJECTS_MAX)
		return DS_ERR_LIMIT;
	if ((r = find_attr(w, name, &attr)) != 0 ||
	    (r = add_value(w, attr, value)) != 0)
		return dsw_finish(w, r);
	rec.name = attr->off;
	rec.value = attr->value;
	return dsw_finish(w,
			  dsw_add_record(w, DS_SEC_ATTRS, &rec, sizeof(rec)));
}

static bool guid_taken(struct ds_snapw *w, uint64_t h,
		       const struct ds_guid *guid)
{
	const struct dsw_item *item;
	uint32_t pos = 0;

	while ((item = dsw_table_next(&w->table[DS_SEC_GUID], h, &pos)))
		if (dsw_is_at(w, DS_SEC_ACCOUNTS,
			      item->index * sizeof(struct ds_fmt_account) +
				  offsetof(struct ds_fmt_account, guid),
			      guid->b, DS_GUID_LEN))
			return true;
	return false;
}

static int add_limits(struct ds_snapw *w, const struct ds_snap_limits *limits,
		      uint32_t *ret_at)
{
	struct ds_fmt_limits rec = {
		.pwd_expires = limits->pwd_expires,
		.locked_until = limits->locked_until,
		.has_hours = limits->has_hours,
	};
	uint32_t words[sizeof(rec) / sizeof(uint32_t)], first;
	int r;

	memcpy(rec.hours, limits->hours, sizeof(rec.hours));
	memcpy(words, &rec, sizeof(rec));
	r = dsw_add_list(w, words, sizeof(words) / sizeof(*words), &first);
	if (r == 0)
		*ret_at = first + 1;
	return r;
}

int ds_snapw_account(struct ds_snapw *w, const struct ds_snap_account *acc)
{
	struct ds_fmt_account rec = { .account_expires = acc->account_expires,
				      .pwd_last_set = acc->pwd_last_set,
				      .uid = acc->uid,
				      .uac = acc->uac,
				      .flags = acc->flags };
	uint32_t index = w->count[DS_SEC_ACCOUNTS];
	uint64_t h = ds_siphash13(w->hash_key, acc->guid.b, DS_GUID_LEN);
	int r;

	dsw_table_ahead(&w->table[DS_SEC_GUID], h);
	if ((r = w->err) != 0 || (r = dsw_put_sid(rec.sid, &acc->sid)) != 0)
		return r;
	if (!ds_name_ok(acc->name))
		return DS_ERR_FORMAT;
	if ((r = dsw_conflict(w, guid_taken(w, h, &acc->guid))) != 0)
		return r;
	if (index >= DS_FMT_OBJECTS_MAX)
		return DS_ERR_LIMIT;
	memcpy(rec.guid, acc->guid.b, DS_GUID_LEN);
	if ((r = dsw_begin(w)) != 0 ||
	    (r = dsw_add_string(w, acc->upn, &rec.upn)) != 0 ||
	    (r = dsw_add_string(w, acc->sam, &rec.sam)) != 0 ||
	    (r = dsw_add_string(w, acc->name, &rec.name)) != 0 ||
	    (acc->has_limits &&
	     (r = add_limits(w, &acc->limits, &rec.limits)) != 0) ||
	    (r = dsw_table_add(&w->table[DS_SEC_GUID], h, index, 0)) != 0)
		return dsw_finish(w, r);
	return dsw_finish(
	    w, dsw_add_record(w, DS_SEC_ACCOUNTS, &rec, sizeof(rec)));
}

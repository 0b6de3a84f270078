/*
 * The answer to a live look, from an entry to the wire.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/look_entry.h"

#include <string.h>

#include "lib/proto.h"

const char *const dss_look_attributes[] = {
	"objectGUID",
	"userAccountControl",
	"msDS-User-Account-Control-Computed",
	"accountExpires",
	"pwdLastSet",
	"lockoutTime",
	"msDS-UserPasswordExpiryTimeComputed",
	"logonHours",
	"userPrincipalName",
	"sAMAccountName",
	NULL,
};

static const struct dss_value *single(const struct dss_entry *entry,
				      const char *name)
{
	const struct dss_attr *attr = dss_entry_find(entry, name);

	return attr && attr->count == 1 ? &attr->values[0] : NULL;
}

/* The flags are a signed 32-bit INTEGER (MS-ADTS 2.2.16). */
static bool take_flags(const struct dss_entry *entry, const char *name,
		       uint32_t *flags)
{
	const struct dss_value *value = single(entry, name);
	int64_t n;

	if (!value || dss_value_int(value, &n) != 0 || n < INT32_MIN ||
	    n > UINT32_MAX)
		return false;
	*flags = (uint32_t)n;
	return true;
}

static uint64_t take_time(const struct dss_entry *entry, const char *name)
{
	const struct dss_value *value = single(entry, name);
	int64_t n;

	if (!value || dss_value_int(value, &n) != 0 || n < 0)
		return 0;
	return (uint64_t)n;
}

static void take_name(const struct dss_entry *entry, const char *name,
		      char *buf)
{
	const struct dss_value *value = single(entry, name);
	const char *text;

	if (value && dss_value_text(value, DSS_LOOK_NAME, &text) == DS_OK)
		memcpy(buf, text, strlen(text) + 1);
}

/* Hours that cannot be read are none, as in the mirror (object.c). */
static void take_hours(const struct dss_entry *entry, struct dss_look *look)
{
	const struct dss_attr *attr = dss_entry_find(entry, "logonHours");

	if (!attr || attr->count == 0)
		return;
	look->hours_len = DS_HOURS_LEN;
	if (attr->count == 1 && attr->values[0].len == DS_HOURS_LEN)
		memcpy(look->hours, attr->values[0].data, DS_HOURS_LEN);
}

int dss_look_read(const struct dss_entry *entry, const struct ds_guid *guid,
		  struct dss_look *ret_look)
{
	struct dss_look look = { .hours_len = 0 };
	struct ds_guid shown;

	if (dss_entry_guid(entry, &shown) != 0 || !ds_guid_equal(&shown, guid))
		return DS_ERR_FORMAT;
	if (!take_flags(entry, "userAccountControl", &look.control))
		return DS_ERR_DENIED;
	(void)take_flags(entry, "msDS-User-Account-Control-Computed",
			 &look.control_computed);
	look.expires = take_time(entry, "accountExpires");
	look.password_set = take_time(entry, "pwdLastSet");
	look.locked = take_time(entry, "lockoutTime");
	look.password_expires =
	    take_time(entry, "msDS-UserPasswordExpiryTimeComputed");
	take_hours(entry, &look);
	take_name(entry, "userPrincipalName", look.upn);
	take_name(entry, "sAMAccountName", look.sam);
	*ret_look = look;
	return DS_OK;
}

int dss_look_reply(struct ds_writer *w, uint32_t seq, int code,
		   const struct dss_look *look)
{
	static const struct dss_look nothing;

	if (code != DS_OK || !look)
		look = &nothing;
	ds_frame_begin(w, DS_MSG_LOOK_REPLY, seq);
	ds_put_u32(w, (uint32_t)-code);
	ds_put_u32(w, look->control);
	ds_put_u32(w, look->control_computed);
	ds_put_u64(w, look->expires);
	ds_put_u64(w, look->password_set);
	ds_put_u64(w, look->locked);
	ds_put_u64(w, look->password_expires);
	ds_put_blob(w, look->hours, look->hours_len);
	ds_put_str(w, look->upn);
	ds_put_str(w, look->sam);
	return ds_frame_end(w);
}

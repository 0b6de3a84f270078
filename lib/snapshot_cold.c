/*
 * The cold part of a snapshot: identities, what was withheld, and accounts.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <string.h>

#include "lib/siphash.h"
#include "lib/snapshot_impl.h"

const char *snap_string(const struct ds_snap *snap, uint32_t off)
{
	uint64_t size = snap->sec[DS_SEC_TEXT].count;
	const char *text = snap_sec(snap, DS_SEC_TEXT);

	if (off >= size || !memchr(text + off, '\0', (size_t)(size - off)))
		return NULL;
	return text + off;
}

/* A SID in its field: its own count says how long it is. */
static int get_sid(const uint8_t field[68], struct ds_sid *ret_sid)
{
	size_t len = 8 + 4 * (size_t)field[1];

	return len > 68 ? DS_ERR_FORMAT
			: ds_sid_parse_bin(field, len, ret_sid);
}

static int ident_at(const struct ds_snap *snap, enum ds_fmt_section sec,
		    uint32_t index, struct ds_snap_identity *ret_id)
{
	const struct ds_fmt_ident *rec = snap_sec(snap, sec);
	struct ds_snap_identity id;

	if (index >= snap_count(snap, sec))
		return DS_ERR_NOTFOUND;
	rec += index;
	if (get_sid(rec->sid, &id.sid) != 0 ||
	    !(id.upn = snap_string(snap, rec->upn)) ||
	    !(id.sam = snap_string(snap, rec->sam)) ||
	    !(id.display_name = snap_string(snap, rec->display_name)) ||
	    !(id.nickname = snap_string(snap, rec->nickname)) ||
	    !(id.object_id = snap_string(snap, rec->object_id)) ||
	    !(id.dn = snap_string(snap, rec->dn)))
		return DS_ERR_FORMAT;
	memcpy(id.guid.b, rec->guid, DS_GUID_LEN);
	id.flags = rec->flags;
	*ret_id = id;
	return 0;
}

int ds_snap_user_identity(const struct ds_snap *snap, uint32_t index,
			  struct ds_snap_identity *ret_id)
{
	return ident_at(snap, DS_SEC_USER_IDENT, index, ret_id);
}

int ds_snap_group_identity(const struct ds_snap *snap, uint32_t index,
			   struct ds_snap_identity *ret_id)
{
	return ident_at(snap, DS_SEC_GROUP_IDENT, index, ret_id);
}

/*
 * The first record of the owner.  Records of a file that does not keep their
 * order are not found, or belong to the owner all the same.
 */
static uint32_t first_attr(const struct ds_snap *snap, uint32_t owner)
{
	const struct ds_fmt_attr *rec = snap_sec(snap, DS_SEC_ATTRS);
	uint32_t low = 0, high = snap_count(snap, DS_SEC_ATTRS);

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (rec[mid].owner < owner)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* As LDAP spells attributes (RFC 4512 1.4): nothing for a terminal to do. */
static bool attr_name_ok(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");

	return len > 0 && len <= 64 && name[len] == '\0';
}

static int attr_at(const struct ds_snap *snap, uint32_t owner, uint32_t n,
		   struct ds_snap_attr *ret_attr)
{
	const struct ds_fmt_attr *rec = snap_sec(snap, DS_SEC_ATTRS);
	uint32_t first = first_attr(snap, owner);
	struct ds_snap_attr attr;

	if (n >= snap_count(snap, DS_SEC_ATTRS) - first ||
	    rec[first + n].owner != owner)
		return DS_ERR_NOTFOUND;
	if (!(attr.name = snap_string(snap, rec[first + n].name)) ||
	    !(attr.value = snap_string(snap, rec[first + n].value)) ||
	    !attr_name_ok(attr.name))
		return DS_ERR_FORMAT;
	*ret_attr = attr;
	return 0;
}

int ds_snap_user_attr(const struct ds_snap *snap, uint32_t index, uint32_t n,
		      struct ds_snap_attr *ret_attr)
{
	if (index >= snap_count(snap, DS_SEC_USERS))
		return DS_ERR_NOTFOUND;
	return attr_at(snap, index, n, ret_attr);
}

int ds_snap_group_attr(const struct ds_snap *snap, uint32_t index, uint32_t n,
		       struct ds_snap_attr *ret_attr)
{
	if (index >= snap_count(snap, DS_SEC_GROUPS))
		return DS_ERR_NOTFOUND;
	return attr_at(snap, index | DS_FMT_ATTR_GROUP, n, ret_attr);
}

int ds_snap_record(const struct ds_snap *snap, const uint8_t **ret_data,
		   size_t *ret_len)
{
	if (!snap_count(snap, DS_SEC_RECORD))
		return DS_ERR_NOTFOUND;
	*ret_data = snap_sec(snap, DS_SEC_RECORD);
	*ret_len = snap_count(snap, DS_SEC_RECORD);
	return 0;
}

uint32_t ds_snap_note_count(const struct ds_snap *snap)
{
	return snap_count(snap, DS_SEC_NOTES);
}

int ds_snap_note_at(const struct ds_snap *snap, uint32_t index,
		    struct ds_snap_note *ret_note)
{
	const struct ds_fmt_note *rec = snap_sec(snap, DS_SEC_NOTES);
	struct ds_snap_note note;

	if (index >= snap_count(snap, DS_SEC_NOTES))
		return DS_ERR_NOTFOUND;
	rec += index;
	if (!(note.name = snap_string(snap, rec->name)) ||
	    !(note.detail = snap_string(snap, rec->detail)) ||
	    !(note.sam = snap_string(snap, rec->sam)) ||
	    !(note.upn = snap_string(snap, rec->upn)))
		return DS_ERR_FORMAT;
	note.reason = (enum ds_withheld)rec->reason;
	note.group = rec->group != 0;
	memcpy(note.guid.b, rec->guid, DS_GUID_LEN);
	*ret_note = note;
	return 0;
}

/* Those of an account of minor version 0 are not known. */
static int limits_at(const struct ds_snap *snap, uint32_t at,
		     struct ds_snap_account *acc)
{
	const uint32_t *lists = snap_sec(snap, DS_SEC_LISTS);
	struct ds_fmt_limits rec;

	acc->has_limits = at != 0;
	acc->limits = (struct ds_snap_limits){ 0 };
	if (at == 0)
		return 0;
	if (!snap_inside(at - 1, sizeof(rec) / sizeof(*lists),
			 snap->sec[DS_SEC_LISTS].count))
		return DS_ERR_FORMAT;
	memcpy(&rec, lists + at - 1, sizeof(rec));
	acc->limits.pwd_expires = rec.pwd_expires;
	acc->limits.locked_until = rec.locked_until;
	acc->limits.has_hours = rec.has_hours != 0;
	memcpy(acc->limits.hours, rec.hours, sizeof(rec.hours));
	return 0;
}

static int account_at(const struct ds_snap *snap, uint32_t index,
		      struct ds_snap_account *ret_account)
{
	const struct ds_fmt_account *rec = snap_sec(snap, DS_SEC_ACCOUNTS);
	struct ds_snap_account acc;

	if (index >= snap_count(snap, DS_SEC_ACCOUNTS))
		return DS_ERR_FORMAT;
	rec += index;
	if (get_sid(rec->sid, &acc.sid) != 0 ||
	    !ds_snap_id_ok(snap, rec->uid) ||
	    !(acc.upn = snap_string(snap, rec->upn)) ||
	    !(acc.sam = snap_string(snap, rec->sam)) ||
	    !(acc.name = snap_string(snap, rec->name)) ||
	    !snap_name_ok(acc.name, strlen(acc.name),
			  snap->stamp.policy & DS_SNAP_BARE_USERS) ||
	    limits_at(snap, rec->limits, &acc) != 0)
		return DS_ERR_FORMAT;
	memcpy(acc.guid.b, rec->guid, DS_GUID_LEN);
	acc.uid = rec->uid;
	acc.uac = rec->uac;
	acc.account_expires = rec->account_expires;
	acc.pwd_last_set = rec->pwd_last_set;
	acc.flags = rec->flags;
	*ret_account = acc;
	return 0;
}

int ds_snap_account_by_guid(const struct ds_snap *snap,
			    const struct ds_guid *guid,
			    struct ds_snap_account *ret_account)
{
	const uint32_t *start = snap_sec(snap, DS_SEC_GUID);
	const struct ds_fmt_guid_entry *entry;
	uint32_t count = snap_count(snap, DS_SEC_GUID), i, end, mask;
	struct ds_snap_account acc;
	uint64_t h;
	int r;

	if (count == 0)
		return DS_ERR_NOTFOUND;
	h = ds_siphash13(snap->hash_key, guid->b, DS_GUID_LEN);
	mask = ((uint32_t)1 << ds_fmt_bits(count)) - 1;
	if (!snap_bucket(start, count, (uint32_t)h & mask, &i, &end))
		return DS_ERR_FORMAT;
	entry = (const void *)(start + mask + 2);
	for (; i < end; i++) {
		if (entry[i].tag != (uint32_t)(h >> 32))
			continue;
		if ((r = account_at(snap, entry[i].index, &acc)) != 0)
			return r;
		if (!ds_guid_equal(&acc.guid, guid))
			continue;
		*ret_account = acc;
		return 0;
	}
	return DS_ERR_NOTFOUND;
}

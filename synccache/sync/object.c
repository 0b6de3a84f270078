/*
 * What an entry does to an object: one row an attribute, one setter a type.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "synccache/sync/shown.h"

/* Bytes; longer values are refused.  Windows' own limits are lower. */
#define TEXT_MAX    1024
#define DN_MAX      4096
#define HISTORY_MAX 256 /* values */

struct row;
/* DS_OK, DS_ERR_FORMAT (the value is refused) or DS_ERR_NOMEM. */
typedef int (*setter)(struct dss_object *obj, const struct row *row,
		      const struct dss_attr *attr, struct dss_arena *arena);

struct row {
	const char *name;
	uint32_t field; /* enum dss_field */
	setter set;
	size_t offset; /* of the member that it fills, where that is simple */
};

static int64_t one_int(const struct dss_attr *attr, int *ret_err)
{
	int64_t n = 0;

	*ret_err = attr->count == 1 ? dss_value_int(&attr->values[0], &n)
				    : DS_ERR_FORMAT;
	return n;
}

/* INTEGER is signed in LDAP; bit masks and RIDs are kept unsigned. */
static int set_u32(struct dss_object *obj, const struct row *row,
		   const struct dss_attr *attr, struct dss_arena *arena)
{
	int err;
	int64_t n = one_int(attr, &err);
	uint32_t v = (uint32_t)n;

	(void)arena;
	if (err || n < INT32_MIN || n > UINT32_MAX)
		return DS_ERR_FORMAT;
	memcpy((char *)obj + row->offset, &v, sizeof(v));
	return DS_OK;
}

/* uidNumber and gidNumber, RFC 2307 2.2: INTEGER, but no id is negative. */
static int set_number(struct dss_object *obj, const struct row *row,
		      const struct dss_attr *attr, struct dss_arena *arena)
{
	int err;
	int64_t n = one_int(attr, &err);

	if (err || n < 0 || n > INT32_MAX)
		return DS_ERR_FORMAT;
	return set_u32(obj, row, attr, arena);
}

static int set_filetime(struct dss_object *obj, const struct row *row,
			const struct dss_attr *attr, struct dss_arena *arena)
{
	int err;
	int64_t n = one_int(attr, &err);
	uint64_t v = (uint64_t)n;

	(void)arena;
	if (err || n < 0)
		return DS_ERR_FORMAT;
	memcpy((char *)obj + row->offset, &v, sizeof(v));
	return DS_OK;
}

static int set_time(struct dss_object *obj, const struct row *row,
		    const struct dss_attr *attr, struct dss_arena *arena)
{
	uint64_t v;

	(void)arena;
	if (attr->count != 1 || dss_value_time(&attr->values[0], &v))
		return DS_ERR_FORMAT;
	memcpy((char *)obj + row->offset, &v, sizeof(v));
	return DS_OK;
}

static int set_text(struct dss_object *obj, const struct row *row,
		    const struct dss_attr *attr, struct dss_arena *arena)
{
	const char *s;

	(void)arena;
	if (attr->count != 1 || dss_value_text(&attr->values[0], TEXT_MAX, &s))
		return DS_ERR_FORMAT;
	memcpy((char *)obj + row->offset, &s, sizeof(s));
	return DS_OK;
}

static int set_hours(struct dss_object *obj, const struct row *row,
		     const struct dss_attr *attr, struct dss_arena *arena)
{
	(void)row;
	(void)arena;
	if (attr->count != 1 || attr->values[0].len != DS_HOURS_LEN)
		return DS_ERR_FORMAT;
	memcpy(obj->hours, attr->values[0].data, DS_HOURS_LEN);
	return DS_OK;
}

/* The tenant's object id: a GUID string by all accounts, or its 16 bytes. */
static int set_object_id(struct dss_object *obj, const struct row *row,
			 const struct dss_attr *attr, struct dss_arena *arena)
{
	struct ds_guid guid;
	char *s;

	if (attr->count != 1 || attr->values[0].len != DS_GUID_LEN)
		return set_text(obj, row, attr, arena);
	memcpy(guid.b, attr->values[0].data, DS_GUID_LEN);
	s = dss_arena_alloc(arena, DS_GUID_STR_MAX, 1);
	if (!s)
		return DS_ERR_NOMEM;
	ds_guid_to_str(&guid, s);
	memcpy((char *)obj + row->offset, &s, sizeof(s));
	return DS_OK;
}

static int set_sid(struct dss_object *obj, const struct row *row,
		   const struct dss_attr *attr, struct dss_arena *arena)
{
	(void)row;
	(void)arena;
	if (attr->count != 1)
		return DS_ERR_FORMAT;
	return ds_sid_parse_bin(attr->values[0].data, attr->values[0].len,
				&obj->sid);
}

static bool value_is(const struct dss_value *value, const char *word)
{
	return value->len == strlen(word) &&
	       strncasecmp((const char *)value->data, word, value->len) == 0;
}

static int set_class(struct dss_object *obj, const struct row *row,
		     const struct dss_attr *attr, struct dss_arena *arena)
{
	uint32_t kind = DSS_KIND_OTHER;

	(void)row;
	(void)arena;
	for (size_t i = 0; i < attr->count; i++) {
		if (value_is(&attr->values[i], "computer")) {
			kind = DSS_KIND_OTHER;
			break;
		}
		if (value_is(&attr->values[i], "user"))
			kind = DSS_KIND_USER;
		else if (value_is(&attr->values[i], "group"))
			kind = DSS_KIND_GROUP;
	}
	obj->kind = kind;
	return DS_OK;
}

/* Keeps the well-formed ones; DS_ERR_FORMAT if there were others. */
static int set_history(struct dss_object *obj, const struct row *row,
		       const struct dss_attr *attr, struct dss_arena *arena)
{
	size_t max = attr->count < HISTORY_MAX ? attr->count : HISTORY_MAX;
	size_t cap = max * (4 + DS_SID_BIN_MAX);
	uint8_t *data = dss_arena_alloc(arena, cap, 1);
	int err = attr->count > max ? DS_ERR_FORMAT : DS_OK;
	struct ds_writer w;
	uint32_t kept = 0;

	(void)row;
	if (!data)
		return DS_ERR_NOMEM;
	ds_writer_init(&w, data, cap);
	for (size_t i = 0; i < max; i++) {
		const struct dss_value *v = &attr->values[i];
		struct ds_sid sid;

		if (ds_sid_parse_bin(v->data, v->len, &sid)) {
			err = DS_ERR_FORMAT;
			continue;
		}
		ds_put_blob(&w, v->data, v->len);
		kept++;
	}
	obj->history = data;
	obj->history_len = w.len;
	obj->nhistory = kept;
	return err;
}

/* An extended DN, as asked for: without its GUID it is nobody. */
static int set_manager(struct dss_object *obj, const struct row *row,
		       const struct dss_attr *attr, struct dss_arena *arena)
{
	struct ds_guid guid;
	const char *dn;

	(void)row;
	if (attr->count != 1 || dss_extdn_parse(&attr->values[0], &guid, &dn))
		return DS_ERR_FORMAT;
	dn = dss_arena_strndup(arena, dn, strnlen(dn, DN_MAX));
	if (!dn)
		return DS_ERR_NOMEM;
	obj->manager = guid;
	obj->manager_dn = dn;
	return DS_OK;
}

#define AT(m) offsetof(struct dss_object, m)
static const struct row rows[] = {
	{ "objectClass", DSS_F_CLASS, set_class, 0 },
	{ "objectSid", DSS_F_SID, set_sid, 0 },
	{ "sAMAccountName", DSS_F_SAM, set_text, AT(sam) },
	{ "userPrincipalName", DSS_F_UPN, set_text, AT(upn) },
	{ "userAccountControl", DSS_F_UAC, set_u32, AT(uac) },
	{ "groupType", DSS_F_GROUP_TYPE, set_u32, AT(group_type) },
	{ "primaryGroupID", DSS_F_PRIMARY, set_u32, AT(primary_rid) },
	{ "whenCreated", DSS_F_CREATED, set_time, AT(created) },
	{ "accountExpires", DSS_F_EXPIRES, set_filetime, AT(expires) },
	{ "pwdLastSet", DSS_F_PWD_SET, set_filetime, AT(pwd_last_set) },
	{ "lockoutTime", DSS_F_LOCKOUT, set_filetime, AT(lockout_time) },
	{ "logonHours", DSS_F_HOURS, set_hours, 0 },
	{ "displayName", DSS_F_DISPLAY, set_text, AT(display) },
	{ "msDS-AzureADMailNickname", DSS_F_NICKNAME, set_text, AT(nickname) },
	{ "msDS-aadObjectId", DSS_F_OBJECT_ID, set_object_id, AT(object_id) },
	{ "msDS-AzureADObjectId", DSS_F_LEGACY_ID, set_object_id,
	  AT(legacy_id) },
	{ "mail", DSS_F_MAIL, set_text, AT(mail) },
	{ "sIDHistory", DSS_F_HISTORY, set_history, 0 },
	{ "manager", DSS_F_MANAGER, set_manager, 0 },
	{ "uidNumber", DSS_F_UID_NUMBER, set_number, AT(uid_number) },
	{ "gidNumber", DSS_F_GID_NUMBER, set_number, AT(gid_number) },
};
#define NROWS (sizeof(rows) / sizeof(rows[0]))

/* What identity and login do without. */
#define SHOWN                                                                 \
	(DSS_F_DISPLAY | DSS_F_NICKNAME | DSS_F_OBJECT_ID | DSS_F_LEGACY_ID | \
	 DSS_F_MAIL | DSS_F_MANAGER)
#define SHOWN_MAX 32 /* names of shown.h */

const char *const *dss_object_attributes(bool mapped)
{
	static const char *names[2][NROWS + SHOWN_MAX + 4];
	const char **list = names[mapped];
	size_t n = 0;

	/* objectGUID comes unasked with DirSync, but not with a search. */
	list[n++] = "objectGUID";
	list[n++] = "member";
	list[n++] = "isDeleted";
	for (size_t i = 0; i < NROWS; i++) {
		if (mapped || !(rows[i].field & SHOWN))
			list[n++] = rows[i].name;
	}
	for (unsigned i = 0; mapped && i < SHOWN_MAX && dss_shown_name(i); i++)
		list[n++] = dss_shown_name(i);
	list[n] = NULL;
	return list;
}

const char *dss_object_fields(uint32_t fields, char *buf, size_t cap)
{
	size_t used = 0;

	buf[0] = 0;
	for (size_t i = 0; i < NROWS + 2; i++) {
		uint32_t field = i < NROWS    ? rows[i].field
				 : i == NROWS ? DSS_F_MEMBER
					      : DSS_F_SHOWN;
		const char *name = i < NROWS    ? rows[i].name
				   : i == NROWS ? "member"
						: "a descriptive attribute";
		int n;

		if (!(fields & field))
			continue;
		n = snprintf(buf + used, cap - used, "%s%s", used ? ", " : "",
			     name);
		if (n < 0 || (size_t)n >= cap - used)
			break;
		used += (size_t)n;
	}
	return buf;
}

void dss_object_init(struct dss_object *obj, const struct ds_guid *guid)
{
	memset(obj, 0, sizeof(*obj));
	obj->guid = *guid;
	obj->dn = obj->sam = obj->upn = obj->display = obj->nickname =
	    obj->object_id = obj->legacy_id = obj->mail = obj->manager_dn = "";
}

/* Forgets one attribute. */
static void clear_field(struct dss_object *obj, const struct row *row)
{
	struct dss_object blank;

	dss_object_init(&blank, &obj->guid);
	if (row->set == set_sid)
		obj->sid = blank.sid;
	else if (row->set == set_class)
		obj->kind = DSS_KIND_NONE;
	else if (row->set == set_history)
		obj->nhistory = 0, obj->history_len = 0;
	else if (row->set == set_hours)
		memset(obj->hours, 0, sizeof(obj->hours));
	else if (row->set == set_manager)
		obj->manager = blank.manager, obj->manager_dn = "";
	else
		memcpy((char *)obj + row->offset, (char *)&blank + row->offset,
		       row->set == set_u32 || row->set == set_number
			   ? sizeof(uint32_t)
			   : sizeof(uint64_t));
	obj->present &= ~row->field;
	obj->malformed &= ~row->field;
}

void dss_object_bare(struct dss_object *obj)
{
	for (size_t i = 0; i < NROWS; i++) {
		if (rows[i].field & SHOWN)
			clear_field(obj, &rows[i]);
	}
	obj->malformed &= ~(uint32_t)DSS_F_SHOWN;
	obj->shown_len = 0;
}

static int apply_row(struct dss_object *obj, const struct row *row,
		     const struct dss_attr *attr, struct dss_arena *arena)
{
	int err;

	clear_field(obj, row);
	if (attr->count == 0)
		return DS_OK;
	err = row->set(obj, row, attr, arena);
	if (err == DS_ERR_NOMEM)
		return err;
	if (err == DS_OK || row->set == set_history)
		obj->present |= row->field;
	if (err != DS_OK)
		obj->malformed |= row->field;
	return DS_OK;
}

int dss_guid_order(const void *a, const void *b)
{
	return memcmp(a, b, DS_GUID_LEN);
}

bool dss_guids_have(const struct ds_guid *list, size_t count,
		    const struct ds_guid *guid)
{
	return count > 0 &&
	       bsearch(guid, list, count, sizeof(*list), dss_guid_order);
}

/* Sorts and removes duplicates; returns how many are left. */
static size_t guid_set(struct ds_guid *guids, size_t count)
{
	size_t kept = 0;

	if (count > 0)
		qsort(guids, count, sizeof(*guids), dss_guid_order);
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 || !ds_guid_equal(&guids[kept - 1], &guids[i]))
			guids[kept++] = guids[i];
	}
	return kept;
}

int dss_members_change(struct dss_object *obj, bool add, struct ds_guid *guids,
		       size_t count, struct dss_arena *arena)
{
	size_t i = 0, j = 0, n = 0;
	struct ds_guid *out;

	count = guid_set(guids, count);
	if (count == 0)
		return DS_OK;
	if (obj->nmembers > SIZE_MAX - count)
		return DS_ERR_NOMEM;
	out = dss_arena_alloc(arena, obj->nmembers + count, sizeof(*out));
	if (!out)
		return DS_ERR_NOMEM;
	while (i < obj->nmembers || j < count) {
		int order = i == obj->nmembers ? 1
			    : j == count
				? -1
				: dss_guid_order(&obj->members[i], &guids[j]);

		if (order < 0)
			out[n++] = obj->members[i];
		else if (add)
			out[n++] = guids[j];
		if (order <= 0)
			i++;
		if (order >= 0)
			j++;
	}
	obj->members = out;
	obj->nmembers = n;
	return DS_OK;
}

static int apply_members(struct dss_object *obj, const struct dss_attr *attr,
			 enum dss_apply how, struct dss_arena *arena)
{
	size_t name_len = 0, count = 0;
	uint32_t low = 0, high = UINT32_MAX;
	int ranged = dss_range_parse(attr->name, &name_len, &low, &high);
	bool delta = ranged == DS_OK && how == DSS_APPLY_DELTA;
	struct ds_guid *guids;

	if (ranged == DS_ERR_FORMAT || (delta && (low != high || low > 1))) {
		obj->malformed |= DSS_F_MEMBER;
		return DS_OK;
	}
	/* Beside a range, a search returns the bare name without values. */
	if (ranged != DS_OK && how == DSS_APPLY_READ && attr->count == 0)
		return DS_OK;
	if (!delta && low == 0) {
		obj->nmembers = 0;
		obj->malformed &= ~(uint32_t)DSS_F_MEMBER;
	}
	guids = dss_arena_alloc(arena, attr->count, sizeof(*guids));
	if (!guids)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < attr->count; i++) {
		const char *dn;

		if (dss_extdn_parse(&attr->values[i], &guids[count], &dn))
			obj->malformed |= DSS_F_MEMBER;
		else
			count++;
	}
	return dss_members_change(obj, !delta || low == 1, guids, count,
				  arena);
}

static const struct row *find_row(const char *name)
{
	for (size_t i = 0; i < NROWS; i++) {
		if (strcasecmp(rows[i].name, name) == 0)
			return &rows[i];
	}
	return NULL;
}

/*
 * "manager" is a link like "member", of one value: where values come as
 * changes, the old one's end is told beside the new one.
 */
static int apply_manager(struct dss_object *obj, const struct dss_attr *attr,
			 struct dss_arena *arena)
{
	const struct row *row = find_row("manager");
	struct dss_object gone = { .present = 0 };
	size_t name_len;
	uint32_t low, high;

	if (dss_range_parse(attr->name, &name_len, &low, &high) != DS_OK ||
	    low == 1)
		return apply_row(obj, row, attr, arena);
	for (size_t i = 0; i < attr->count; i++) {
		const struct dss_attr one = { .values = &attr->values[i],
					      .count = 1 };

		if (set_manager(&gone, row, &one, arena) == DS_ERR_NOMEM)
			return DS_ERR_NOMEM;
		if (ds_guid_equal(&gone.manager, &obj->manager))
			clear_field(obj, row);
	}
	return DS_OK;
}

static int apply_dn(struct dss_object *obj, const char *dn,
		    struct dss_arena *arena)
{
	struct dss_value value = { (const uint8_t *)dn, strlen(dn) };
	const char *plain = dn;
	struct ds_guid guid;

	/* A broken prefix is shown as it came: nothing depends on it. */
	(void)!dss_extdn_parse(&value, &guid, &plain);
	obj->dn = dss_arena_strndup(arena, plain, strnlen(plain, DN_MAX));
	return obj->dn ? DS_OK : DS_ERR_NOMEM;
}

int dss_object_apply(struct dss_object *obj, const struct dss_entry *entry,
		     enum dss_apply how, struct dss_arena *arena)
{
	int err = apply_dn(obj, entry->dn, arena);
	bool known;

	for (size_t i = 0; i < entry->count && err == DS_OK; i++) {
		const struct dss_attr *attr = &entry->attrs[i];
		const struct row *row = find_row(attr->name);
		size_t len = strcspn(attr->name, ";");

		if (row)
			err = apply_row(obj, row, attr, arena);
		else if (len == 6 && strncasecmp(attr->name, "member", 6) == 0)
			err = apply_members(obj, attr, how, arena);
		else if (len == 7 &&
			 strncasecmp(attr->name, "manager", 7) == 0)
			err = apply_manager(obj, attr, arena);
		else
			err = dss_shown_apply(obj, attr, arena, &known);
	}
	return err;
}

bool dss_object_complete(const struct dss_object *obj)
{
	const uint32_t base = DSS_F_CLASS | DSS_F_SID | DSS_F_SAM;
	uint32_t seen = obj->present | obj->malformed;
	uint32_t need = base;

	if (obj->kind == DSS_KIND_OTHER)
		return true;
	if (obj->kind == DSS_KIND_USER)
		need |= DSS_F_UAC | DSS_F_PRIMARY | DSS_F_CREATED;
	if (obj->kind == DSS_KIND_GROUP)
		need |= DSS_F_GROUP_TYPE | DSS_F_CREATED;
	return (seen & need) == need;
}

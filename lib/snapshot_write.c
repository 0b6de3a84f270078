/*
 * The snapshot writer.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/snapshot_write.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/resolve.h"
#include "lib/siphash.h"
#include "lib/snapshot_format.h"
#include "lib/snapshot_table.h"

#define ATTR_NAMES 64 /* the names of more are stored again and again */

struct ds_snapw {
	uint64_t hash_key[2];
	char netbios[16];
	int err; /* DS_ERR_NOMEM: half an object may be in */
	/* Sections in the file's layout; those of tables stay empty. */
	struct dsw_vec sec[DS_SEC_COUNT];
	uint32_t count[DS_SEC_COUNT];
	struct dsw_table table[DS_SEC_COUNT];
	/* pw_name and gr_name, which no table of the file has. */
	struct dsw_table user_names, group_names;
	/* Attributes that are in TEXT already, with their latest values:
	 * neighbours often share one. */
	struct attr {
		const char *name;
		uint32_t off, value;
	} attr[ATTR_NAMES + 1];
	size_t nattrs;
};

/* One name to be added to a table, folded if it is a key. */
struct key {
	struct dsw_table *table;
	char s[DS_NAME_MAX + 1];
	size_t len;
	uint64_t h;
};

struct ds_snapw *ds_snapw_new(enum ds_snap_kind kind, const char *netbios,
			      const uint64_t hash_key[2])
{
	struct ds_snapw *w;
	size_t i;

	(void)kind; /* page 0 has it; both kinds are built alike */
	if (netbios && strlen(netbios) >= sizeof(w->netbios))
		return NULL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	for (i = 0; netbios && netbios[i]; i++)
		w->netbios[i] = netbios[i] >= 'a' && netbios[i] <= 'z'
				    ? (char)(netbios[i] - 0x20)
				    : netbios[i];
	for (i = DS_SEC_UPN; i <= DS_SEC_GROUP_SAM; i++)
		w->table[i].kind = DSW_NAMES;
	w->table[DS_SEC_UID].kind = w->table[DS_SEC_GID].kind = DSW_IDS;
	w->table[DS_SEC_GUID].kind = DSW_GUIDS;
	w->user_names.kind = w->group_names.kind = DSW_NAMES;
	if (hash_key)
		memcpy(w->hash_key, hash_key, sizeof(w->hash_key));
	else if (getrandom(w->hash_key, sizeof(w->hash_key), 0) !=
		 (ssize_t)sizeof(w->hash_key))
		goto fail;
	/* Offset 0 of TEXT is the empty string. */
	if (dsw_vec_add(&w->sec[DS_SEC_TEXT], "", 1) != 0)
		goto fail;
	return w;
fail:
	ds_snapw_free(w);
	return NULL;
}

void ds_snapw_free(struct ds_snapw *w)
{
	int i;

	if (!w)
		return;
	for (i = 0; i < DS_SEC_COUNT; i++) {
		dsw_vec_done(&w->sec[i]);
		dsw_table_done(&w->table[i]);
	}
	dsw_table_done(&w->user_names);
	dsw_table_done(&w->group_names);
	free(w);
}

/* ---- pieces ------------------------------------------------------------- */

static int add_bytes(struct ds_snapw *w, const void *data, size_t len,
		     uint32_t *ret_off)
{
	struct dsw_vec *text = &w->sec[DS_SEC_TEXT];
	size_t off = text->len;

	if (len > DS_FMT_TEXT_MAX - off)
		return DS_ERR_LIMIT;
	*ret_off = (uint32_t)off;
	return dsw_vec_add(text, data, len);
}

static int add_string(struct ds_snapw *w, const char *s, uint32_t *ret_off)
{
	if (!s || !*s) {
		*ret_off = 0;
		return 0;
	}
	return add_bytes(w, s, strlen(s) + 1, ret_off);
}

static int add_list(struct ds_snapw *w, const uint32_t *list, uint32_t count,
		    uint32_t *ret_first)
{
	struct dsw_vec *lists = &w->sec[DS_SEC_LISTS];
	size_t first = lists->len / sizeof(*list);

	if (count > DS_FMT_TEXT_MAX - first)
		return DS_ERR_LIMIT;
	*ret_first = (uint32_t)first;
	return dsw_vec_add(lists, list, count * sizeof(*list));
}

static int add_record(struct ds_snapw *w, enum ds_fmt_section sec,
		      const void *rec, size_t size)
{
	int r = dsw_vec_add(&w->sec[sec], rec, size);

	if (r == 0)
		w->count[sec]++;
	return r;
}

static bool field_ok(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20 || *s == 0x7f || *s == ':')
			return false;
	return true;
}

/* `s` is NULL (no such key), or becomes a key of `table` unless taken. */
static int key_make(struct ds_snapw *w, struct dsw_table *table, bool fold,
		    const char *s, struct key *k)
{
	const struct dsw_item *item;
	uint32_t pos = 0;
	size_t i;

	k->table = s ? table : NULL;
	if (!s)
		return 0;
	if (strlen(s) > DS_NAME_MAX)
		return DS_ERR_LIMIT;
	if (!ds_name_ok(s))
		return DS_ERR_FORMAT;
	k->len = strlen(s);
	for (i = 0; i <= k->len; i++)
		k->s[i] = fold && s[i] >= 'A' && s[i] <= 'Z'
			      ? (char)(s[i] + 0x20)
			      : s[i];
	k->h = ds_siphash13(w->hash_key, k->s, k->len);
	while ((item = dsw_table_next(table, k->h, &pos)))
		if (strcmp((char *)w->sec[DS_SEC_TEXT].p + item->key, k->s) ==
		    0)
			return DS_ERR_CONFLICT;
	return 0;
}

/* `name`, at `name_off`, is reused where the key says the same. */
static int key_add(struct ds_snapw *w, const struct key *k, const char *name,
		   uint32_t name_off, uint32_t index)
{
	uint32_t off = name_off;
	int r;

	if (!k->table)
		return 0;
	if (!name || strcmp(k->s, name) != 0) {
		r = add_bytes(w, k->s, k->len + 1, &off);
		if (r != 0)
			return r;
	}
	return dsw_table_add(k->table, k->h, index, off);
}

static bool id_taken(const struct dsw_table *t, uint32_t id)
{
	uint32_t pos = 0;

	return dsw_table_next(t, id, &pos) != NULL;
}

static int put_sid(uint8_t field[68], const struct ds_sid *sid)
{
	uint8_t bin[DS_SID_BIN_MAX];

	_Static_assert(DS_SID_BIN_MAX == 68, "the field holds any SID");
	if (sid->count < 1 || sid->count > DS_SID_MAX_SUBAUTHS)
		return DS_ERR_FORMAT;
	memcpy(field, bin, ds_sid_to_bin(sid, bin));
	return 0;
}

static int add_identity(struct ds_snapw *w, enum ds_fmt_section sec,
			const struct ds_snap_identity *id)
{
	struct ds_fmt_ident rec = { .flags = id->flags };
	int r;

	memcpy(rec.guid, id->guid.b, DS_GUID_LEN);
	if ((r = put_sid(rec.sid, &id->sid)) != 0 ||
	    (r = add_string(w, id->upn, &rec.upn)) != 0 ||
	    (r = add_string(w, id->sam, &rec.sam)) != 0 ||
	    (r = add_string(w, id->display_name, &rec.display_name)) != 0 ||
	    (r = add_string(w, id->nickname, &rec.nickname)) != 0 ||
	    (r = add_string(w, id->object_id, &rec.object_id)) != 0 ||
	    (r = add_string(w, id->dn, &rec.dn)) != 0)
		return r;
	return add_record(w, sec, &rec, sizeof(rec));
}

/* What was checked before cannot fail; memory and the file's limits can, and
 * leave half an object behind. */
static int finish(struct ds_snapw *w, int r)
{
	if (r != 0)
		w->err = r;
	return r;
}

/* ---- users -------------------------------------------------------------- */

static int check_user(const struct ds_snapw_user *u)
{
	const char *s[] = { u->gecos, u->home, u->shell };
	size_t i, total = strlen(u->name) + 1 + sizeof("*");

	for (i = 0; i < 3; i++) {
		if (!field_ok(s[i]))
			return DS_ERR_FORMAT;
		total += strlen(s[i]) + 1;
	}
	if (u->home[0] != '/' || (u->shell[0] && u->shell[0] != '/'))
		return DS_ERR_FORMAT;
	if (total > DS_FMT_BLOB_MAX || u->ngids > DS_FMT_GIDS_MAX)
		return DS_ERR_LIMIT;
	return u->id.sid.count ? 0 : DS_ERR_FORMAT;
}

static int add_user(struct ds_snapw *w, const struct ds_snapw_user *u,
		    struct ds_fmt_user *rec)
{
	const char *part[] = { u->name, "*", u->gecos, u->home, u->shell };
	uint32_t off[6] = { 0 }, ignored;
	int i, r;

	for (i = 0; i < 5; i++) {
		size_t len = strlen(part[i]) + 1;

		r = add_bytes(w, part[i], len, i ? &ignored : &rec->blob);
		if (r != 0)
			return r;
		off[i + 1] = off[i] + (uint32_t)len;
	}
	rec->passwd = (uint16_t)off[1];
	rec->gecos = (uint16_t)off[2];
	rec->home = (uint16_t)off[3];
	rec->shell = (uint16_t)off[4];
	rec->blob_len = (uint16_t)off[5];
	if ((r = add_list(w, u->gids, u->ngids, &rec->gids)) != 0)
		return r;
	return add_record(w, DS_SEC_USERS, rec, sizeof(*rec));
}

int ds_snapw_user(struct ds_snapw *w, const struct ds_snapw_user *u,
		  uint32_t *ret_index)
{
	struct ds_fmt_user rec = { .uid = u->uid,
				   .gid = u->gid,
				   .ngids = u->ngids,
				   .flags =
				       u->not_bare ? DS_FMT_NOT_BARE : 0 };
	uint32_t index = w->count[DS_SEC_USERS];
	struct key name, upn, sam;
	int r;

	if ((r = w->err) != 0 || (r = check_user(u)) != 0 ||
	    (r = key_make(w, &w->user_names, false, u->name, &name)) != 0 ||
	    (r = key_make(w, &w->table[DS_SEC_UPN], true, u->key_upn, &upn)) !=
		0 ||
	    (r = key_make(w, &w->table[DS_SEC_USER_SAM], true, u->key_sam,
			  &sam)) != 0)
		return r;
	if (id_taken(&w->table[DS_SEC_UID], u->uid))
		return DS_ERR_CONFLICT;
	if (index >= DS_FMT_OBJECTS_MAX)
		return DS_ERR_LIMIT;
	if ((r = add_user(w, u, &rec)) != 0 ||
	    (r = add_identity(w, DS_SEC_USER_IDENT, &u->id)) != 0 ||
	    (r = dsw_table_add(&w->table[DS_SEC_UID], u->uid, index, 0)) !=
		0 ||
	    (r = key_add(w, &name, u->name, rec.blob, index)) != 0 ||
	    (r = key_add(w, &upn, u->name, rec.blob, index)) != 0 ||
	    (r = key_add(w, &sam, u->name, rec.blob, index)) != 0)
		return finish(w, r);
	*ret_index = index;
	return 0;
}

/* ---- groups, notes, accounts -------------------------------------------- */

static int members_size(struct ds_snapw *w, const struct ds_snapw_group *g,
			uint32_t *ret_size)
{
	const struct ds_fmt_user *users = (void *)w->sec[DS_SEC_USERS].p;
	uint64_t size = 0;
	uint32_t i;

	if (g->nmembers > w->count[DS_SEC_USERS])
		return DS_ERR_INVAL;
	for (i = 0; i < g->nmembers; i++) {
		if (g->members[i] >= w->count[DS_SEC_USERS])
			return DS_ERR_INVAL;
		size += users[g->members[i]].passwd; /* name and NUL */
	}
	if (size > UINT32_MAX)
		return DS_ERR_LIMIT;
	*ret_size = (uint32_t)size;
	return 0;
}

static int add_group(struct ds_snapw *w, const struct ds_snapw_group *g,
		     struct ds_fmt_group *rec)
{
	uint32_t ignored;
	int r;

	rec->passwd = (uint16_t)(strlen(g->name) + 1);
	rec->blob_len = (uint16_t)(rec->passwd + sizeof("*"));
	if ((r = add_bytes(w, g->name, rec->passwd, &rec->blob)) != 0 ||
	    (r = add_bytes(w, "*", sizeof("*"), &ignored)) != 0 ||
	    (r = add_list(w, g->members, g->nmembers, &rec->members)) != 0)
		return r;
	return add_record(w, DS_SEC_GROUPS, rec, sizeof(*rec));
}

int ds_snapw_group(struct ds_snapw *w, const struct ds_snapw_group *g)
{
	struct ds_fmt_group rec = { .gid = g->gid, .nmembers = g->nmembers };
	uint32_t index = w->count[DS_SEC_GROUPS];
	struct key name, sam;
	int r;

	if ((r = w->err) != 0 ||
	    (r = key_make(w, &w->group_names, false, g->name, &name)) != 0 ||
	    (r = key_make(w, &w->table[DS_SEC_GROUP_SAM], true, g->key_sam,
			  &sam)) != 0 ||
	    (r = members_size(w, g, &rec.members_size)) != 0)
		return r;
	if (g->id.sid.count == 0)
		return DS_ERR_FORMAT;
	if (id_taken(&w->table[DS_SEC_GID], g->gid))
		return DS_ERR_CONFLICT;
	if (index >= DS_FMT_OBJECTS_MAX)
		return DS_ERR_LIMIT;
	if ((r = add_group(w, g, &rec)) != 0 ||
	    (r = add_identity(w, DS_SEC_GROUP_IDENT, &g->id)) != 0 ||
	    (r = dsw_table_add(&w->table[DS_SEC_GID], g->gid, index, 0)) !=
		0 ||
	    (r = key_add(w, &name, g->name, rec.blob, index)) != 0 ||
	    (r = key_add(w, &sam, g->name, rec.blob, index)) != 0)
		return finish(w, r);
	return 0;
}

int ds_snapw_reserve(struct ds_snapw *w, enum ds_snap_ns ns, const char *key)
{
	static const enum ds_fmt_section sections[] = {
		[DS_NS_UPN] = DS_SEC_UPN,
		[DS_NS_USER_SAM] = DS_SEC_USER_SAM,
		[DS_NS_GROUP_SAM] = DS_SEC_GROUP_SAM,
	};
	struct key k;
	int r;

	if ((r = w->err) != 0 ||
	    (r = key_make(w, &w->table[sections[ns]], true, key, &k)) != 0)
		return r;
	return finish(w, key_add(w, &k, NULL, 0, DS_FMT_NOBODY));
}

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
	if ((r = add_string(w, note->name, &rec.name)) != 0 ||
	    (r = add_string(w, note->detail, &rec.detail)) != 0 ||
	    (r = add_string(w, note->sam, &rec.sam)) != 0 ||
	    (r = add_string(w, note->upn, &rec.upn)) != 0)
		return finish(w, r);
	return finish(w, add_record(w, DS_SEC_NOTES, &rec, sizeof(rec)));
}

static int find_attr(struct ds_snapw *w, const char *name,
		     struct attr **ret_attr)
{
	struct attr *attr = w->attr;
	struct attr *end = attr + w->nattrs;
	int r;

	while (attr < end && attr->name != name)
		attr++;
	if (attr == end) {
		r = add_string(w, name, &attr->off);
		if (r != 0)
			return r;
		attr->name = name;
		attr->value = 0;
		w->nattrs += w->nattrs < ATTR_NAMES;
	}
	*ret_attr = attr;
	return 0;
}

static int add_value(struct ds_snapw *w, struct attr *attr, const char *value)
{
	const char *text = (const char *)w->sec[DS_SEC_TEXT].p;

	if (strcmp(text + attr->value, value) == 0)
		return 0;
	return add_string(w, value, &attr->value);
}

int ds_snapw_attr(struct ds_snapw *w, const char *name, const char *value)
{
	uint32_t users = w->count[DS_SEC_USERS];
	uint32_t groups = w->count[DS_SEC_GROUPS];
	struct ds_fmt_attr rec = {
		.owner =
		    groups > 0 ? (groups - 1) | DS_FMT_ATTR_GROUP : users - 1,
	};
	struct attr *attr;
	int r;

	if (w->err)
		return w->err;
	if (users == 0 && groups == 0)
		return DS_ERR_INVAL;
	if (w->count[DS_SEC_ATTRS] >= DS_FMT_OBJECTS_MAX)
		return DS_ERR_LIMIT;
	if ((r = find_attr(w, name, &attr)) != 0 ||
	    (r = add_value(w, attr, value)) != 0)
		return finish(w, r);
	rec.name = attr->off;
	rec.value = attr->value;
	return finish(w, add_record(w, DS_SEC_ATTRS, &rec, sizeof(rec)));
}

static bool guid_taken(const struct ds_snapw *w, uint64_t h,
		       const struct ds_guid *guid)
{
	const struct ds_fmt_account *acc = (void *)w->sec[DS_SEC_ACCOUNTS].p;
	const struct dsw_item *item;
	uint32_t pos = 0;

	while ((item = dsw_table_next(&w->table[DS_SEC_GUID], h, &pos)))
		if (memcmp(acc[item->index].guid, guid->b, DS_GUID_LEN) == 0)
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
	r = add_list(w, words, sizeof(words) / sizeof(*words), &first);
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

	if ((r = w->err) != 0 || (r = put_sid(rec.sid, &acc->sid)) != 0)
		return r;
	if (!ds_name_ok(acc->name))
		return DS_ERR_FORMAT;
	if (guid_taken(w, h, &acc->guid))
		return DS_ERR_CONFLICT;
	if (index >= DS_FMT_OBJECTS_MAX)
		return DS_ERR_LIMIT;
	memcpy(rec.guid, acc->guid.b, DS_GUID_LEN);
	if ((r = add_string(w, acc->upn, &rec.upn)) != 0 ||
	    (r = add_string(w, acc->sam, &rec.sam)) != 0 ||
	    (r = add_string(w, acc->name, &rec.name)) != 0 ||
	    (acc->has_limits &&
	     (r = add_limits(w, &acc->limits, &rec.limits)) != 0) ||
	    (r = dsw_table_add(&w->table[DS_SEC_GUID], h, index, 0)) != 0)
		return finish(w, r);
	return finish(w, add_record(w, DS_SEC_ACCOUNTS, &rec, sizeof(rec)));
}

/* ---- the file ----------------------------------------------------------- */

static int write_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;
	ssize_t n;

	while (len) {
		n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return DS_ERR_SYS;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_padded(int fd, const void *data, size_t len)
{
	static const uint8_t zero[DS_FMT_ALIGN];
	int r = write_all(fd, data, len);

	return r != 0 ? r : write_all(fd, zero, -len % DS_FMT_ALIGN);
}

/* Tables become sections like the others. */
static int layout_tables(struct ds_snapw *w)
{
	uint32_t *buf;
	size_t len;
	int i, r;

	for (i = 0; i < DS_SEC_COUNT; i++) {
		if (!w->table[i].count)
			continue;
		r = dsw_table_layout(&w->table[i], w->hash_key, &buf, &len);
		if (r != 0)
			return r;
		dsw_vec_done(&w->sec[i]);
		w->sec[i] = (struct dsw_vec){ (uint8_t *)buf, len, len };
		w->count[i] = w->table[i].count;
	}
	return 0;
}

int ds_snapw_write(struct ds_snapw *w, int fd)
{
	static const uint8_t page0[DS_FMT_PAGE];
	uint64_t off = DS_FMT_PAGE + sizeof(struct ds_fmt_body);
	struct ds_fmt_body body = { 0 };
	int i, r;

	if ((r = w->err) != 0 || (r = layout_tables(w)) != 0)
		return r;
	w->count[DS_SEC_TEXT] = (uint32_t)w->sec[DS_SEC_TEXT].len;
	w->count[DS_SEC_LISTS] =
	    (uint32_t)(w->sec[DS_SEC_LISTS].len / sizeof(uint32_t));
	memcpy(body.hash_key, w->hash_key, sizeof(body.hash_key));
	memcpy(body.netbios, w->netbios, sizeof(body.netbios));
	for (i = 0; i < DS_SEC_COUNT; i++) {
		if (!w->count[i])
			continue;
		body.sec[i].off = off;
		body.sec[i].count = w->count[i];
		off += (w->sec[i].len + DS_FMT_ALIGN - 1) &
		       ~(uint64_t)(DS_FMT_ALIGN - 1);
	}
	if ((r = write_all(fd, page0, sizeof(page0))) != 0 ||
	    (r = write_all(fd, &body, sizeof(body))) != 0)
		return r;
	for (i = 0; i < DS_SEC_COUNT; i++) {
		if (!w->count[i])
			continue;
		r = write_padded(fd, w->sec[i].p, w->sec[i].len);
		if (r != 0)
			return r;
	}
	return 0;
}

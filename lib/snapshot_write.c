/*
 * The snapshot writer: users and groups, and the names that find them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "lib/blocks.h"
#include "lib/snapshot_write_impl.h"

struct ds_snapw *ds_snapw_new(enum ds_snap_kind kind, const char *netbios,
			      const uint64_t hash_key[2])
{
	struct ds_snapw *w;
	size_t i;

	if (netbios && strlen(netbios) >= sizeof(w->netbios))
		return NULL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->kind = kind;
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

/* ---- identities ---------------------------------------------------------
 */

static int add_identity(struct ds_snapw *w, enum ds_fmt_section sec,
			const struct ds_snap_identity *id)
{
	struct ds_fmt_ident rec = { .flags = id->flags };
	int r;

	memcpy(rec.guid, id->guid.b, DS_GUID_LEN);
	if ((r = dsw_put_sid(rec.sid, &id->sid)) != 0 ||
	    (r = dsw_add_string(w, id->upn, &rec.upn)) != 0 ||
	    (r = dsw_add_string(w, id->sam, &rec.sam)) != 0 ||
	    (r = dsw_add_string(w, id->display_name, &rec.display_name)) !=
		0 ||
	    (r = dsw_add_string(w, id->nickname, &rec.nickname)) != 0 ||
	    (r = dsw_add_string(w, id->object_id, &rec.object_id)) != 0 ||
	    (r = dsw_add_string(w, id->dn, &rec.dn)) != 0)
		return r;
	return dsw_add_record(w, sec, &rec, sizeof(rec));
}

/* ---- users -------------------------------------------------------------- */

static bool id_taken(const struct dsw_table *t, uint32_t id)
{
	uint32_t pos = 0;

	return dsw_table_next(t, id, &pos) != NULL;
}

/* The strings of a passwd entry, in its order. */
#define PARTS 5
struct parts {
	const char *s[PARTS];
	size_t len[PARTS]; /* with the NUL */
};

static int check_user(const struct ds_snapw_user *u, struct parts *parts)
{
	size_t i, total = 0;

	*parts = (struct parts){ .s = { u->name, "*", u->gecos, u->home,
					u->shell } };
	for (i = 0; i < PARTS; i++) {
		size_t len = strlen(parts->s[i]);

		if (i > 1 && !ds_field_ok(parts->s[i], len))
			return DS_ERR_FORMAT;
		parts->len[i] = len + 1;
		total += len + 1;
	}
	if (u->home[0] != '/' || (u->shell[0] && u->shell[0] != '/'))
		return DS_ERR_FORMAT;
	if (total > DS_FMT_BLOB_MAX || u->ngids > DS_FMT_GIDS_MAX)
		return DS_ERR_LIMIT;
	return u->id.sid.count ? 0 : DS_ERR_FORMAT;
}

static int add_user(struct ds_snapw *w, const struct ds_snapw_user *u,
		    const struct parts *parts, struct ds_fmt_user *rec)
{
	uint32_t off[PARTS + 1] = { 0 };
	int i, r;

	if ((r = dsw_begin(w)) != 0)
		return r;
	for (i = 0; i < PARTS; i++) {
		uint32_t at;

		r = dsw_add_bytes(w, parts->s[i], parts->len[i], &at);
		if (r != 0)
			return r;
		if (i == 0)
			rec->blob = at;
		dsw_note_string(w, at, parts->s[i], parts->len[i]);
		off[i + 1] = off[i] + (uint32_t)parts->len[i];
	}
	rec->passwd = (uint16_t)off[1];
	rec->gecos = (uint16_t)off[2];
	rec->home = (uint16_t)off[3];
	rec->shell = (uint16_t)off[4];
	rec->blob_len = (uint16_t)off[5];
	if ((r = dsw_add_list(w, u->gids, u->ngids, &rec->gids)) != 0)
		return r;
	return dsw_add_record(w, DS_SEC_USERS, rec, sizeof(*rec));
}

/* True if a user before has this pw_name, which is also their UPN. */
static bool is_upn_name(struct ds_snapw *w, const struct dsw_key *name)
{
	const struct ds_fmt_user *users = (void *)w->sec[DS_SEC_USERS].p;
	const struct dsw_item *item;

	return dsw_key_find(w, &w->table[DS_SEC_UPN], name, &item) &&
	       item->index < w->count[DS_SEC_USERS] &&
	       users[item->index].blob == item->key;
}

struct names {
	struct dsw_key name, upn, sam;
};

/*
 * The usual pw_name is the UPN, and then its table of names suffices: the
 * other one has those that are not.
 */
static int make_names(struct ds_snapw *w, const struct ds_snapw_user *u,
		      struct names *n)
{
	int r =
	    dsw_key_make(w, &w->table[DS_SEC_UPN], true, u->key_upn, &n->upn);

	if (r == 0)
		r = dsw_key_make(w, &w->table[DS_SEC_USER_SAM], true,
				 u->key_sam, &n->sam);
	n->name.table = NULL;
	if (r == 0 && (!u->key_upn || strcmp(n->upn.s, u->name) != 0))
		r = dsw_key_make(w, &w->user_names, false, u->name, &n->name);
	return r;
}

static bool names_taken(struct ds_snapw *w, const struct names *n)
{
	const struct dsw_item *item;

	if (dsw_key_taken(w, &n->upn) || dsw_key_taken(w, &n->sam))
		return true;
	if (!n->name.table)
		return dsw_key_find(w, &w->user_names, &n->upn, &item);
	return dsw_key_taken(w, &n->name) || is_upn_name(w, &n->name);
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
	struct parts parts;
	struct names n;
	bool taken;
	int r;

	dsw_table_ahead(&w->table[DS_SEC_UID], u->uid);
	if ((r = w->err) != 0 || (r = check_user(u, &parts)) != 0 ||
	    (r = make_names(w, u, &n)) != 0)
		return r;
	taken = names_taken(w, &n) || id_taken(&w->table[DS_SEC_UID], u->uid);
	if ((r = dsw_conflict(w, taken)) != 0)
		return r;
	if (index >= DS_FMT_OBJECTS_MAX)
		return DS_ERR_LIMIT;
	if ((r = add_user(w, u, &parts, &rec)) != 0 ||
	    (r = add_identity(w, DS_SEC_USER_IDENT, &u->id)) != 0 ||
	    (r = dsw_table_add(&w->table[DS_SEC_UID], u->uid, index, 0)) !=
		0 ||
	    (r = dsw_key_add(w, &n.name, u->name, rec.blob, index)) != 0 ||
	    (r = dsw_key_add(w, &n.upn, u->name, rec.blob, index)) != 0 ||
	    (r = dsw_key_add(w, &n.sam, u->name, rec.blob, index)) != 0)
		return dsw_finish(w, r);
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
	if ((r = dsw_begin(w)) != 0 ||
	    (r = dsw_add_bytes(w, g->name, rec->passwd, &rec->blob)) != 0 ||
	    (r = dsw_add_bytes(w, "*", sizeof("*"), &ignored)) != 0 ||
	    (r = dsw_add_list(w, g->members, g->nmembers, &rec->members)) != 0)
		return r;
	dsw_note_string(w, rec->blob, g->name, rec->passwd);
	return dsw_add_record(w, DS_SEC_GROUPS, rec, sizeof(*rec));
}

int ds_snapw_group(struct ds_snapw *w, const struct ds_snapw_group *g)
{
	struct ds_fmt_group rec = { .gid = g->gid, .nmembers = g->nmembers };
	uint32_t index = w->count[DS_SEC_GROUPS];
	struct dsw_key name, sam;
	bool taken;
	int r;

	if ((r = w->err) != 0 ||
	    (r = dsw_key_make(w, &w->group_names, false, g->name, &name)) !=
		0 ||
	    (r = dsw_key_make(w, &w->table[DS_SEC_GROUP_SAM], true, g->key_sam,
			      &sam)) != 0 ||
	    (r = members_size(w, g, &rec.members_size)) != 0)
		return r;
	if (g->id.sid.count == 0)
		return DS_ERR_FORMAT;
	taken = dsw_key_taken(w, &name) || dsw_key_taken(w, &sam) ||
		id_taken(&w->table[DS_SEC_GID], g->gid);
	if ((r = dsw_conflict(w, taken)) != 0)
		return r;
	if (index >= DS_FMT_OBJECTS_MAX)
		return DS_ERR_LIMIT;
	if ((r = add_group(w, g, &rec)) != 0 ||
	    (r = add_identity(w, DS_SEC_GROUP_IDENT, &g->id)) != 0 ||
	    (r = dsw_table_add(&w->table[DS_SEC_GID], g->gid, index, 0)) !=
		0 ||
	    (r = dsw_key_add(w, &name, g->name, rec.blob, index)) != 0 ||
	    (r = dsw_key_add(w, &sam, g->name, rec.blob, index)) != 0)
		return dsw_finish(w, r);
	return 0;
}

int ds_snapw_reserve(struct ds_snapw *w, enum ds_snap_ns ns, const char *key)
{
	static const enum ds_fmt_section sections[] = {
		[DS_NS_UPN] = DS_SEC_UPN,
		[DS_NS_USER_SAM] = DS_SEC_USER_SAM,
		[DS_NS_GROUP_SAM] = DS_SEC_GROUP_SAM,
	};
	struct dsw_key k;
	int r;

	if ((r = w->err) != 0 ||
	    (r = dsw_key_make(w, &w->table[sections[ns]], true, key, &k)) !=
		0 ||
	    (r = dsw_conflict(w, dsw_key_taken(w, &k))) != 0)
		return r;
	r = dsw_begin(w);
	if (r == 0)
		r = dsw_key_add(w, &k, NULL, 0, DS_FMT_NOBODY);
	return dsw_finish(w, r);
}

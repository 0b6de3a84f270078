/*
 * The flags of rescope.h, and the record of what the scope was.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/rescope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"
#include "synccache/sync/valve.h"

#define RECORD         "scope"
#define RECORD_VERSION 1

struct work {
	struct dss_mirror *m;
	struct dss_rescope *r;
	struct dss_scope_set scope;
	struct dss_arena arena;
	const uint8_t *key; /* the configuration, as bytes */
	size_t key_len;
	bool limited;  /* before */
	bool same;     /* the configuration is that of the record */
	bool vanished; /* a part was there, and is not any more */
	struct dss_object *objs;
	size_t count, cap;
	bool *in;
};

/* ---- the record ---- */

static size_t config_size(const struct ds_config *config)
{
	size_t size = 16;

	for (char **item = config->sync.bases; *item; item++)
		size += 4 + strlen(*item);
	for (char **item = config->sync.groups; *item; item++)
		size += 4 + strlen(*item);
	return size;
}

static void put_list(struct ds_writer *w, ds_strv list)
{
	uint32_t count = 0;

	while (list[count])
		count++;
	ds_put_u32(w, count);
	for (uint32_t i = 0; i < count; i++)
		ds_put_str(w, list[i]);
}

static int make_key(struct work *k)
{
	const struct ds_config *config = k->r->config;
	size_t cap = config_size(config);
	uint8_t *buf = dss_arena_alloc(&k->arena, cap, 1);
	struct ds_writer w;

	if (!buf)
		return DS_ERR_NOMEM;
	ds_writer_init(&w, buf, cap);
	ds_put_u32(&w, (uint32_t)config->sync.origin);
	put_list(&w, config->sync.bases);
	put_list(&w, config->sync.groups);
	k->key = buf;
	k->key_len = w.len;
	return w.err;
}

static struct dss_scope_part *find_part(struct work *k, const uint8_t *name,
					size_t len)
{
	for (size_t i = 0; i < k->scope.nparts; i++) {
		struct dss_scope_part *part = &k->scope.parts[i];

		if (strlen(part->name) == len &&
		    memcmp(part->name, name, len) == 0)
			return part;
	}
	return NULL;
}

/* One part as it was: its pin; `there` says that it was there, for now. */
static void read_part(struct work *k, struct ds_reader *r)
{
	size_t len = 0, guid_len = 0;
	const uint8_t *name = ds_get_blob(r, &len), *guid;
	bool there = ds_get_u8(r) != 0;
	struct dss_scope_part *part = name ? find_part(k, name, len) : NULL;

	guid = ds_get_blob(r, &guid_len);
	if (!guid || !part)
		return;
	part->there = there;
	if (part->group && guid_len == DS_GUID_LEN) {
		part->pinned = true;
		memcpy(part->guid.b, guid, DS_GUID_LEN);
	}
}

static int load_record(struct work *k)
{
	const uint8_t *data, *key;
	size_t len, key_len = 0;
	struct ds_reader r;
	uint32_t count;
	int err = dss_txn_meta_get(k->m->txn, RECORD, &data, &len);

	if (err == DS_ERR_NOTFOUND)
		return DS_OK;
	if (err)
		return err;
	ds_reader_init(&r, data, len);
	if (ds_get_u8(&r) != RECORD_VERSION)
		return DS_ERR_FORMAT;
	k->limited = ds_get_u8(&r) != 0;
	key = ds_get_blob(&r, &key_len);
	k->same =
	    key && key_len == k->key_len && memcmp(key, k->key, key_len) == 0;
	count = ds_get_u32(&r);
	for (uint32_t i = 0; i < count && r.err == DS_OK; i++)
		read_part(k, &r);
	return ds_reader_end(&r);
}

static int save_record(struct work *k)
{
	size_t cap = 32 + k->key_len;
	struct ds_writer w;
	uint8_t *buf;

	for (size_t i = 0; i < k->scope.nparts; i++)
		cap += 16 + DS_GUID_LEN + strlen(k->scope.parts[i].name);
	buf = dss_arena_alloc(&k->arena, cap, 1);
	if (!buf)
		return DS_ERR_NOMEM;
	ds_writer_init(&w, buf, cap);
	ds_put_u8(&w, RECORD_VERSION);
	ds_put_u8(&w, dss_scope_limits(k->r->config));
	/* What is new and not known yet is new to the next pull, too. */
	ds_put_blob(&w, k->key,
		    k->r->look && k->vanished && !k->same ? 0 : k->key_len);
	ds_put_u32(&w, (uint32_t)k->scope.nparts);
	for (size_t i = 0; i < k->scope.nparts; i++) {
		const struct dss_scope_part *part = &k->scope.parts[i];

		ds_put_blob(&w, part->name, strlen(part->name));
		ds_put_u8(&w, part->there);
		ds_put_blob(&w, part->guid.b, part->pinned ? DS_GUID_LEN : 0);
	}
	return w.err ? w.err : dss_txn_meta_put(k->m->txn, RECORD, buf, w.len);
}

/* ---- who is in it ---- */

static int visit(void *arg, const struct ds_guid *guid, const uint8_t *data,
		 size_t len)
{
	struct work *k = arg;

	if (k->count == k->cap)
		return DS_ERR_FORMAT;
	return dss_object_decode(guid, data, len, &k->objs[k->count++]);
}

static int load_objects(struct work *k)
{
	int err = dss_txn_count(k->m->txn, &k->cap);

	if (err)
		return err;
	k->objs = calloc(k->cap + 1, sizeof(*k->objs));
	k->in = calloc(k->cap + 1, sizeof(*k->in));
	if (!k->objs || !k->in)
		return DS_ERR_NOMEM;
	return dss_txn_each(k->m->txn, visit, k);
}

/* What of the configuration is not there, the first of it. */
static void complain(struct work *k, const struct dss_scope_part *part)
{
	struct dss_rescope *r = k->r;
	const char *key = part->group ? "groups" : "bases";
	const char *what =
	    part->taken   ? "meant a group that is gone, and another has its "
			    "name now: 'dssyncctl sync --accept-deletes' "
			    "takes that one"
	    : part->found ? "has no member"
	    : part->group ? "is not a group of the domain"
			  : "is not in the directory, or nothing below it "
			    "may be read";

	(void)snprintf(r->notice, sizeof(r->notice), "sync.%s: \"%s\" %s%s",
		       key, part->name, what,
		       r->kept > 0 ? "; nobody is taken out of the scope for "
				     "it"
				   : "");
}

/* Finds the scope; k->vanished: part of what it stands on fell away. */
static int find(struct work *k)
{
	size_t n = k->scope.nparts;
	bool *before = calloc(n + 1, sizeof(*before));
	int err;

	if (!before)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < n; i++) {
		before[i] = k->scope.parts[i].there;
		k->scope.parts[i].there = false;
	}
	err = dss_scope_find(&k->scope, k->objs, k->count, k->in);
	for (size_t i = 0; i < n && err == DS_OK; i++) {
		const struct dss_scope_part *part = &k->scope.parts[i];

		/* A new word in the configuration that means nothing. */
		if (!part->found && !k->same)
			k->vanished = true;
		if (!part->there && before[i])
			k->vanished = true;
	}
	free(before);
	return err;
}

/* ---- who was in it, and what becomes of them ---- */

static bool was_in(const struct work *k, const struct dss_object *obj)
{
	if (k->r->first)
		return false;
	return !k->limited || (obj->flags & (DSS_OBJ_IN | DSS_OBJ_KEPT));
}

/* False: those who are out of it now stay all the same. */
static bool may_leave(const struct work *k)
{
	size_t known = 0, leaving = 0;

	for (size_t i = 0; i < k->count; i++) {
		const struct dss_object *obj = &k->objs[i];

		if (!was_in(k, obj) || (obj->flags & DSS_OBJ_KEPT))
			continue;
		known++;
		leaving += !k->in[i];
	}
	if (k->r->accept)
		return true;
	if (k->vanished)
		return false;
	return !k->same || leaving == 0 ||
	       dss_valve_allows(leaving, known,
				k->r->config->sync.max_delete_percent);
}

static uint32_t new_flags(struct work *k, size_t i, bool leave)
{
	const struct dss_object *obj = &k->objs[i];
	bool kept = obj->flags & DSS_OBJ_KEPT;

	if (k->in[i])
		return DSS_OBJ_IN;
	if (!was_in(k, obj))
		return 0;
	/* The valve lets go whom it does not hold yet. */
	if (k->r->accept || (leave && (!kept || !k->same))) {
		k->r->left++;
		return 0;
	}
	k->r->kept += !kept;
	return DSS_OBJ_KEPT;
}

/* Stores the flags; the objects are borrowed, and change with the first. */
static int store_flags(struct work *k, bool limits)
{
	const uint32_t mask = DSS_OBJ_IN | DSS_OBJ_KEPT;
	bool leave = may_leave(k);
	struct dss_flagged {
		struct ds_guid guid;
		uint32_t flags;
	} *list = calloc(k->count + 1, sizeof(*list));
	size_t n = 0;
	int err = DS_OK;

	if (!list)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < k->count; i++) {
		uint32_t flags = limits ? new_flags(k, i, leave) : 0;

		if ((k->objs[i].flags & mask) == flags)
			continue;
		list[n].guid = k->objs[i].guid;
		list[n++].flags = (k->objs[i].flags & ~mask) | flags;
	}
	for (size_t i = 0; i < n && err == DS_OK; i++)
		err = dss_mirror_flag(k->m, &list[i].guid, list[i].flags);
	free(list);
	return err;
}

/* ---- is there anything to find? ---- */

/* DS_ERR_CONFLICT: there may be. */
static int visit_stored(void *arg, const struct dss_moved *moved)
{
	const struct work *k = arg;
	struct dss_object old, now;

	if (!moved->old || !moved->now ||
	    dss_object_decode(moved->guid, moved->old, moved->old_len, &old) ||
	    dss_object_decode(moved->guid, moved->now, moved->now_len, &now))
		return DS_ERR_CONFLICT;
	return dss_scope_same(k->r->config, &old, &now) ? DS_OK
							: DS_ERR_CONFLICT;
}

/* True if the pull changed some objects in what no scope asks for, and has
 * neither new ones nor took any away. */
static bool is_still(struct work *k)
{
	struct dss_txn *before;
	int err;

	if (!k->same || k->r->look || k->r->accept)
		return false;
	if (k->m->changed == 0)
		return true;
	/* What was taken away was changed, and not stored. */
	if (!k->r->store || k->m->changed != k->m->stored.count ||
	    dss_txn_begin(k->r->store, false, &before) != DS_OK)
		return false;
	err = dss_mirror_stored(k->m, before, visit_stored, k);
	dss_txn_abort(before);
	return err == DS_OK;
}

static int update(struct work *k)
{
	bool limits = dss_scope_limits(k->r->config);
	int err = make_key(k);

	/* The record beside no complete load is another domain's. */
	if (err == DS_OK && !k->r->first)
		err = load_record(k);
	if (err == DS_ERR_FORMAT) /* nothing but the pins is lost with it */
		err = DS_OK;
	if (err || (!limits && !k->limited))
		return err;
	if (is_still(k))
		return DS_OK;
	k->r->looked = true;
	err = load_objects(k);
	if (err == DS_OK && limits)
		err = find(k);
	if (err == DS_OK)
		err = store_flags(k, limits);
	for (size_t i = k->scope.nparts; limits && i > 0; i--) {
		if (!k->scope.parts[i - 1].there)
			complain(k, &k->scope.parts[i - 1]);
	}
	return err ? err : save_record(k);
}

int dss_rescope(struct dss_mirror *m, struct dss_rescope *r)
{
	struct work k = { .m = m, .r = r };
	int err =
	    dss_scope_init(&k.scope, r->config, r->domain_sid, r->netbios);

	k.scope.repin = r->accept;
	if (err == DS_OK)
		err = update(&k);
	free(k.objs);
	free(k.in);
	dss_scope_done(&k.scope);
	dss_arena_done(&k.arena);
	return err;
}

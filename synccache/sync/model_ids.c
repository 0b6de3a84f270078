/*
 * Where ids come from: which SID of an object counts, which slice of id_range
 * its domain has, and the groups that only on-premises domains have.
 *
 * Slices are hashes and may clash.  One that is taken is refused to others,
 * never moved: first come those that were pinned, then the domains in their
 * order, then their secondary slices by first RID.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/model_impl.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "lib/idmap.h"
#include "lib/siphash.h"

#define DOMAIN_USERS   513u        /* MS-DTYP 2.4.2.4 */
#define GROUP_SECURITY 0x80000002u /* MS-ADTS 2.2.12, global */

static int mapping(const struct dss_build *b)
{
	return b->facts->config->identity.id_mapping;
}

static bool uses_slices(const struct dss_build *b)
{
	return mapping(b) == DS_IDMAP_SID || mapping(b) == DS_IDMAP_SIDHISTORY;
}

static uint32_t id_min(const struct dss_build *b)
{
	return b->facts->config->identity.id_range.min;
}

static uint32_t id_max(const struct dss_build *b)
{
	return b->facts->config->identity.id_range.max;
}

static void choose_sid(const struct dss_build *b, const struct dss_object *obj,
		       struct ds_sid *ret_sid, const char **ret_why)
{
	*ret_sid = obj->sid;
	*ret_why = NULL;
	if (obj->sid.count == 0) /* nobody is published without one */
		return;
	if (b->domains.count > 1 && (obj->malformed & DSS_F_HISTORY))
		*ret_why = "a value of its sIDHistory breaks the format, so "
			   "that its id is uncertain";
	for (size_t i = 1; i < b->domains.count; i++) {
		int err = dss_history_sid(&b->domains, obj, i, ret_sid);

		if (err == DS_ERR_CONFLICT)
			*ret_why = "its sIDHistory has two SIDs of one domain "
				   "of sid_history_domains";
		if (err != DS_ERR_NOTFOUND)
			return;
	}
}

/* ---- groups that the directory lacks -------------------------------------
 */

static bool has_group(const struct dss_build *b, const struct dss_object *objs,
		      size_t count, const struct ds_sid *sid)
{
	for (size_t i = 0; i < count; i++) {
		struct ds_sid chosen;
		const char *why;

		if (objs[i].kind != DSS_KIND_GROUP || !objs[i].nhistory ||
		    !(objs[i].group_type & (GROUP_SECURITY ^ 2)))
			continue;
		choose_sid(b, &objs[i], &chosen, &why);
		if (!why && ds_sid_equal(&chosen, sid))
			return true;
	}
	return false;
}

static int make_group(struct dss_build *b, const struct ds_sid *sid,
		      struct dss_object *ret_obj)
{
	static const uint64_t key[2][2] = { { 1, 513 }, { 2, 513 } };
	char text[DS_SID_STR_MAX];
	struct ds_guid guid;

	ds_sid_to_str(sid, text);
	for (size_t i = 0; i < 2; i++) {
		uint64_t h = ds_siphash13(key[i], text, strlen(text));

		memcpy(guid.b + 8 * i, &h, sizeof(h));
	}
	dss_object_init(ret_obj, &guid);
	ret_obj->kind = DSS_KIND_GROUP;
	ret_obj->group_type = GROUP_SECURITY;
	ret_obj->sid = *sid;
	ret_obj->created = 0; /* older than whatever wants its name or id */
	ret_obj->present = DSS_F_CLASS | DSS_F_SID | DSS_F_SAM |
			   DSS_F_CREATED | DSS_F_GROUP_TYPE;
	ret_obj->sam =
	    dss_arena_strndup(dss_build_arena(b), text, strlen(text));
	return ret_obj->sam ? DS_OK : DS_ERR_NOMEM;
}

int dss_ids_begin(struct dss_build *b, const struct dss_object *objs,
		  size_t count, struct dss_object **ret_more, size_t *ret_n)
{
	struct dss_object *more;
	size_t n = 0;
	int err = dss_domains_list(b->facts->config, &b->facts->domain_sid,
				   dss_build_arena(b), &b->domains);

	if (err)
		return err;
	more = dss_arena_alloc(dss_build_arena(b), b->domains.count,
			       sizeof(*more));
	if (!more)
		return DS_ERR_NOMEM;
	for (size_t i = 1; i < b->domains.count && err == DS_OK; i++) {
		struct ds_sid sid;

		if (ds_sid_join(&b->domains.sid[i], DOMAIN_USERS, &sid) == 0 &&
		    !has_group(b, objs, count, &sid))
			err = make_group(b, &sid, &more[n++]);
	}
	*ret_more = more;
	*ret_n = n;
	return err;
}

/* ---- slices --------------------------------------------------------------
 */

/* "S-1-5-21-a-b-c", or with the first RID of a secondary slice. */
static const char *slice_name(struct dss_build *b, const struct ds_sid *sid)
{
	char text[DS_SID_STR_MAX];
	struct ds_sid domain;
	uint32_t rid = 0;

	if (ds_sid_split(sid, &domain, &rid) != 0)
		return NULL;
	rid -= rid % DS_IDMAP_SLICE;
	ds_sid_to_str(&domain, text);
	return rid ? dss_arena_printf(dss_build_arena(b), "%s-%" PRIu32, text,
				      rid)
		   : dss_arena_strndup(dss_build_arena(b), text, strlen(text));
}

static int claim_slice(struct dss_build *b, uint32_t slice, const char *name)
{
	uint32_t next = (uint32_t)b->model->nslices, found;
	struct dss_slice *entry = &b->model->slices[next];
	int err;

	if (!name)
		return DS_ERR_NOMEM;
	*entry = (struct dss_slice){ slice, name };
	err = dss_map_add(&b->slices, &entry->slice, sizeof(entry->slice),
			  next, &found);
	if (err == DS_OK && found == next)
		b->model->nslices++;
	return err;
}

static int claim_slice_of(struct dss_build *b, const struct ds_sid *sid)
{
	uint32_t slice;

	if (ds_idmap_slice(sid, id_min(b), id_max(b), &slice) != 0)
		return DS_OK; /* said of each object, when it is mapped */
	return claim_slice(b, slice, slice_name(b, sid));
}

struct far {
	size_t domain;
	uint32_t rid;
	const struct ds_sid *sid;
};

static int far_order(const void *a, const void *b)
{
	const struct far *x = a, *y = b;

	if (x->domain != y->domain)
		return x->domain < y->domain ? -1 : 1;
	return (x->rid > y->rid) - (x->rid < y->rid);
}

static int claim_secondary(struct dss_build *b, struct far *far)
{
	size_t n = 0;

	for (size_t i = 0; i < b->count; i++) {
		const struct ds_sid *sid = &b->nodes[i].id_sid;
		size_t domain = dss_domains_find(&b->domains, sid);
		uint32_t rid = sid->count ? sid->sub[sid->count - 1] : 0;

		if (domain < b->domains.count && rid >= DS_IDMAP_SLICE)
			far[n++] = (struct far){ domain, rid, sid };
	}
	if (n > 1)
		qsort(far, n, sizeof(*far), far_order);
	for (size_t i = 0; i < n; i++) {
		if (i > 0 && far[i].domain == far[i - 1].domain &&
		    far[i].rid / DS_IDMAP_SLICE ==
			far[i - 1].rid / DS_IDMAP_SLICE)
			continue;
		if (claim_slice_of(b, far[i].sid))
			return DS_ERR_NOMEM;
	}
	return DS_OK;
}

int dss_ids_ready(struct dss_build *b)
{
	size_t cap = b->facts->npins + b->domains.count + b->count + 1;
	struct dss_arena *arena = dss_build_arena(b);
	struct far *far = dss_arena_alloc(arena, b->count, sizeof(*far));
	int err = DS_OK;

	b->model->slices =
	    dss_arena_alloc(arena, cap, sizeof(*b->model->slices));
	if (!far || !b->model->slices)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < b->count; i++)
		choose_sid(b, b->nodes[i].obj, &b->nodes[i].id_sid,
			   &b->nodes[i].id_why);
	if (!uses_slices(b))
		return DS_OK;
	for (size_t i = 0; i < b->facts->npins && err == DS_OK; i++) {
		const struct dss_slice *pin = &b->facts->pins[i];

		err = claim_slice(
		    b, pin->slice,
		    dss_arena_strndup(arena, pin->name, strlen(pin->name)));
	}
	for (size_t i = 0; i < b->domains.count && err == DS_OK; i++) {
		struct ds_sid sid;

		if (ds_sid_join(&b->domains.sid[i], 1, &sid) == 0)
			err = claim_slice_of(b, &sid);
	}
	return err ? err : claim_secondary(b, far);
}

/* ---- ids -----------------------------------------------------------------
 */

/* True if the two SIDs are of one slice. */
static bool same_slice(const struct ds_sid *a, const struct ds_sid *b)
{
	uint32_t last = a->count - 1u;

	return a->count > 1 && a->count == b->count &&
	       a->authority == b->authority &&
	       memcmp(a->sub, b->sub, last * sizeof(*a->sub)) == 0 &&
	       a->sub[last] / DS_IDMAP_SLICE == b->sub[last] / DS_IDMAP_SLICE;
}

static int map_in_slice(struct dss_build *b, const struct ds_sid *sid,
			uint32_t *ret_id, const char **ret_why)
{
	uint32_t slice, owner;
	const char *name;
	int err;

	if (same_slice(sid, &b->last_sid)) {
		*ret_id =
		    b->last_first + sid->sub[sid->count - 1] % DS_IDMAP_SLICE;
		return *ret_id <= id_max(b) ? DS_OK : DS_ERR_RANGE;
	}
	err = ds_idmap_slice(sid, id_min(b), id_max(b), &slice);
	if (err)
		return err;
	name = slice_name(b, sid);
	if (!name)
		return DS_ERR_NOMEM;
	if (!dss_map_find(&b->slices, &slice, sizeof(slice), &owner))
		return DS_ERR_RANGE;
	if (strcmp(b->model->slices[owner].name, name) != 0) {
		*ret_why = dss_arena_printf(
		    dss_build_arena(b),
		    "the ids of %s would be those of %s, which has them "
		    "already",
		    name, b->model->slices[owner].name);
		return *ret_why ? DS_ERR_CONFLICT : DS_ERR_NOMEM;
	}
	err = ds_idmap_sid(sid, id_min(b), id_max(b), ret_id);
	if (err == DS_OK) {
		b->last_sid = *sid;
		b->last_first =
		    *ret_id - sid->sub[sid->count - 1] % DS_IDMAP_SLICE;
	}
	return err;
}

/* The directory's own number (RFC 2307); as dss_node_id(). */
static int map_number(const struct dss_object *obj, uint32_t *ret_id,
		      const char **ret_why)
{
	bool group = obj->kind == DSS_KIND_GROUP;
	uint32_t field = group ? DSS_F_GID_NUMBER : DSS_F_UID_NUMBER;

	if (obj->malformed & field) {
		*ret_why = group ? "its gidNumber is no number from 0 to "
				   "2147483647"
				 : "its uidNumber is no number from 0 to "
				   "2147483647";
		return DS_ERR_FORMAT;
	}
	if (!(obj->present & field)) {
		*ret_why = group ? "it has no gidNumber, which id_mapping = "
				   "attribute goes by"
				 : "it has no uidNumber, which id_mapping = "
				   "attribute goes by";
		return DS_ERR_NOTFOUND;
	}
	*ret_id = group ? obj->gid_number : obj->uid_number;
	return DS_OK;
}

int dss_node_id(struct dss_build *b, const struct dss_node *node,
		uint32_t *ret_id, const char **ret_why)
{
	const struct ds_sid *sid = &node->id_sid;

	*ret_why = node->id_why;
	if (node->id_why)
		return DS_ERR_CONFLICT;
	if (dss_domains_find(&b->domains, sid) == b->domains.count)
		return DS_ERR_FORMAT;
	if (mapping(b) == DS_IDMAP_ATTRIBUTE)
		return map_number(node->obj, ret_id, ret_why);
	if (mapping(b) == DS_IDMAP_RID)
		return ds_idmap_rid(sid, id_min(b), id_max(b), ret_id);
	return map_in_slice(b, sid, ret_id, ret_why);
}

uint32_t dss_find_group(const struct dss_build *b, const struct ds_sid *sid)
{
	uint8_t key[DS_SID_BIN_MAX];
	uint32_t group;

	return dss_map_find(&b->sids, key, ds_sid_to_bin(sid, key), &group)
		   ? group
		   : DSS_NO_NODE;
}

int dss_add_group_sid(struct dss_build *b, uint32_t node,
		      const struct ds_sid *sid)
{
	uint8_t *key;
	uint32_t found;

	if (sid->count == 0)
		return DS_OK;
	key = dss_arena_alloc(dss_build_arena(b), DS_SID_BIN_MAX, 1);
	if (!key)
		return DS_ERR_NOMEM;
	return dss_map_add(&b->sids, key, ds_sid_to_bin(sid, key), node,
			   &found);
}

/* Whose gid the user's own gidNumber is, as SSSD takes it. */
static uint32_t primary_by_number(const struct dss_build *b,
				  const struct dss_object *obj, uint32_t token)
{
	uint32_t group;

	if (obj->malformed & DSS_F_GID_NUMBER)
		return DSS_NO_NODE;
	if (!(obj->present & DSS_F_GID_NUMBER))
		return token;
	return dss_map_find(&b->gids, &obj->gid_number,
			    sizeof(obj->gid_number), &group)
		   ? group
		   : DSS_NO_NODE;
}

uint32_t dss_primary_of(const struct dss_build *b, const struct dss_node *node,
			uint32_t token, bool *ret_member)
{
	size_t domain = dss_domains_find(&b->domains, &node->id_sid);
	struct ds_sid sid;
	uint32_t group;

	*ret_member = true;
	if (mapping(b) == DS_IDMAP_ATTRIBUTE) {
		group = primary_by_number(b, node->obj, token);
		*ret_member = group == token;
		return group;
	}
	if (domain == 0 || domain == b->domains.count ||
	    ds_sid_join(&b->domains.sid[domain], DOMAIN_USERS, &sid) != 0)
		return token;
	return dss_find_group(b, &sid);
}

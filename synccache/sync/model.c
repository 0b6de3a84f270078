/*
 * The model's frame: order by age, ids, notes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/model.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "lib/resolve.h"
#include "synccache/sync/fields.h"
#include "synccache/sync/model_impl.h"
#include "synccache/sync/scope.h"

#define GROUP_SECURITY 0x80000000u /* MS-ADTS 2.2.12 */
#define UAC_DISABLED   0x2u        /* MS-ADTS 2.2.16 */
#define BUILTIN        32u
/* Where the managed domain keeps what it synchronizes. */
#define TENANT_OU "OU=AADDC Users,"

uint64_t dss_model_age(const struct dss_object *obj)
{
	return obj->present & DSS_F_CREATED ? obj->created : UINT64_MAX;
}

int dss_model_order(const struct dss_object *a, const struct dss_object *b)
{
	uint64_t age = dss_model_age(a), other = dss_model_age(b);

	if (age != other)
		return age < other ? -1 : 1;
	return memcmp(a->guid.b, b->guid.b, DS_GUID_LEN);
}

static int node_order(const void *a, const void *b)
{
	return dss_model_order(((const struct dss_node *)a)->obj,
			       ((const struct dss_node *)b)->obj);
}

/* The usual case: they come in order. */
static bool in_order(const struct dss_build *b)
{
	for (size_t i = 1; i < b->count; i++) {
		if (node_order(&b->nodes[i - 1], &b->nodes[i]) > 0)
			return false;
	}
	return true;
}

bool dss_in_scope(const struct dss_facts *facts, const struct dss_object *obj)
{
	if (!obj->dn[0]) /* made up here: only where somebody needs it */
		return false;
	return !dss_scope_limits(facts->config) ||
	       (obj->flags & (DSS_OBJ_IN | DSS_OBJ_KEPT));
}

static bool is_security_group(const struct dss_object *obj)
{
	return obj->kind == DSS_KIND_GROUP &&
	       (obj->group_type & GROUP_SECURITY) &&
	       !(obj->sid.authority == 5 && obj->sid.count >= 1 &&
		 obj->sid.sub[0] == BUILTIN);
}

bool dss_is_kept(const struct dss_facts *facts, const struct dss_object *obj)
{
	return (obj->flags & DSS_OBJ_KEPT) && dss_scope_limits(facts->config);
}

uint32_t dss_identity_flags(const struct dss_facts *facts,
			    const struct dss_object *obj)
{
	/* What the domain makes a sAMAccountName of, where it need not
	 * generate one. */
	const char *wanted =
	    obj->kind == DSS_KIND_GROUP ? obj->display : obj->nickname;
	size_t dn = strlen(obj->dn), base = strlen(facts->base_dn);
	const size_t ou = sizeof(TENANT_OU) - 1;
	uint32_t flags = 0;

	if (wanted[0] && strcasecmp(wanted, obj->sam) != 0)
		flags |= DS_ID_GENERATED;
	if (obj->nhistory > 0)
		flags |= DS_ID_ONPREM;
	if (obj->kind == DSS_KIND_USER && (obj->uac & UAC_DISABLED))
		flags |= DS_ID_DISABLED;
	if ((obj->flags & DSS_OBJ_HELD) || dss_is_kept(facts, obj))
		flags |= DS_ID_HELD;
	if (dn < ou + base ||
	    strcasecmp(obj->dn + dn - base, facts->base_dn) != 0 ||
	    strncasecmp(obj->dn + dn - base - ou, TENANT_OU, ou) != 0)
		flags |= DS_ID_CUSTOM_OU;
	return flags;
}

static const char *keep(struct dss_build *b, const char *s)
{
	return dss_arena_strndup(dss_build_arena(b), s, strlen(s));
}

int dss_note(struct dss_build *b, const struct dss_node *node,
	     enum ds_withheld reason, const char *name, const char *detail)
{
	struct dss_model *model = b->model;
	struct ds_snap_note *note;

	if (!detail)
		return DS_ERR_NOMEM;
	if (model->nnotes == b->notes_cap) {
		size_t cap = b->notes_cap ? b->notes_cap * 2 : 16;
		struct ds_snap_note *more =
		    dss_arena_alloc(dss_build_arena(b), cap, sizeof(*more));

		if (!more)
			return DS_ERR_NOMEM;
		if (model->nnotes > 0)
			memcpy(more, model->notes,
			       model->nnotes * sizeof(*more));
		model->notes = more;
		b->notes_cap = cap;
	}
	note = &model->notes[model->nnotes++];
	note->reason = reason;
	note->group = node->obj->kind == DSS_KIND_GROUP;
	note->guid = node->obj->guid;
	if (!name || !name[0])
		name = node->obj->dn;
	/* The object's bytes may move while the model lives. */
	note->name = keep(b, name);
	note->sam = keep(b, node->obj->sam);
	note->upn = keep(b, node->obj->upn);
	note->detail = detail;
	return note->name && note->sam && note->upn ? DS_OK : DS_ERR_NOMEM;
}

/* "created 2024-01-31 12:00:00 UTC"; NULL without memory. */
static const char *age_text(struct dss_build *b, const struct dss_object *obj)
{
	time_t when = (time_t)obj->created;
	char text[64];
	struct tm tm;

	if (!(obj->present & DSS_F_CREATED) || !gmtime_r(&when, &tm) ||
	    strftime(text, sizeof(text), "created %F %T UTC", &tm) == 0)
		return "of unknown age";
	return keep(b, text);
}

int dss_note_conflict(struct dss_build *b, const struct dss_node *node,
		      enum ds_withheld reason, const char *name,
		      uint32_t winner)
{
	const struct dss_object *other = b->nodes[winner].obj;
	const char *his = age_text(b, other), *mine = age_text(b, node->obj);
	char guid[DS_GUID_STR_MAX];

	if (!his || !mine)
		return DS_ERR_NOMEM;
	return dss_note(
	    b, node, reason, name,
	    dss_arena_printf(dss_build_arena(b),
			     "the older object \"%s\" (%s%s%s, objectGUID %s) "
			     "has the %s; this one is %s",
			     other->sam, other->upn, other->upn[0] ? ", " : "",
			     his, ds_guid_to_str(&other->guid, guid),
			     reason == DS_WH_ID_CONFLICT ? "id" : "name",
			     mine));
}

/* The reader's own rule, so that nothing is published that it refuses. */
static bool id_ok(const struct dss_facts *facts, uint32_t id)
{
	struct ds_snap reader;

	reader.stamp.id_min = facts->config->identity.id_range.min;
	reader.stamp.id_max = facts->config->identity.id_range.max;
	return ds_snap_id_ok(&reader, id);
}

/* Why the id may not be published; 0: it may. */
static int id_refused(const struct dss_facts *facts, uint32_t id)
{
	if (!id_ok(facts, id))
		return DS_WH_ID_RANGE;
	return dss_locals_has_id(facts->locals, id) ? DS_WH_LOCAL_ID : 0;
}

static int note_id(struct dss_build *b, const struct dss_node *node,
		   enum ds_withheld reason)
{
	struct dss_arena *arena = dss_build_arena(b);
	const char *text =
	    reason == DS_WH_MALFORMED
		? dss_arena_printf(arena, "its SID is missing or not "
					  "one of this domain")
	    : reason == DS_WH_LOCAL_ID
		? dss_arena_printf(arena,
				   "the id %u is in the local passwd or "
				   "group file",
				   node->id)
		: dss_arena_printf(arena, "its id falls outside "
					  "id_range or into a range "
					  "reserved for the system");

	return dss_note(b, node, reason, node->sam, text);
}

/* What dss_node_id()'s error means for the object. */
static enum ds_withheld no_id(int err)
{
	switch (err) {
	case DS_ERR_CONFLICT:
		return DS_WH_ID_CONFLICT;
	case DS_ERR_NOTFOUND:
		return DS_WH_NO_ID;
	case DS_ERR_RANGE:
		return DS_WH_ID_RANGE;
	default:
		return DS_WH_MALFORMED;
	}
}

int dss_claim_id(struct dss_build *b, struct dss_map *ids,
		 struct dss_node *node, bool report)
{
	uint32_t self = (uint32_t)(node - b->nodes), owner = self;
	const char *why = NULL;
	int err = dss_node_id(b, node, &node->id, &why);
	int reason;

	if (err == DS_ERR_NOMEM)
		return err;
	if (err != DS_OK && !report)
		return DS_OK;
	if (err != DS_OK)
		return why ? dss_note(b, node, no_id(err), node->sam, why)
			   : note_id(b, node, no_id(err));
	err = dss_map_add(ids, &node->id, sizeof(node->id), self, &owner);
	if (err)
		return err;
	if (owner != self)
		return report ? dss_note_conflict(b, node, DS_WH_ID_CONFLICT,
						  node->sam, owner)
			      : DS_OK;
	node->has_id = true;
	reason = id_refused(b->facts, node->id);
	node->usable = reason == 0;
	return reason && report ? note_id(b, node, reason) : DS_OK;
}

static bool name_refused(const struct dss_facts *facts, const char *name)
{
	return !ds_bare_ok(name) ||
	       dss_in_list(name, facts->config->identity.reserved_names) ||
	       dss_locals_has_name(facts->locals, name);
}

bool dss_bare_refused(const struct dss_build *b, const struct dss_node *node)
{
	/* The rules know no case. */
	return name_refused(b->facts, node->sam) ||
	       (strcasecmp(node->sam, node->obj->sam) != 0 &&
		name_refused(b->facts, node->obj->sam));
}

/* The sAMAccountName as it is published and looked up. */
static char *make_sam(struct dss_build *b, const struct dss_object *obj)
{
	char blank = b->facts->config->identity.space_replacement[0];
	char *sam = dss_fold(dss_build_arena(b), obj->sam);

	if (sam && blank)
		(void)dss_fill_blanks(sam, blank);
	return sam;
}

static int make_nodes(struct dss_build *b, const struct dss_object *objs)
{
	struct dss_object *more = NULL;
	size_t n = 0;
	int err = dss_ids_begin(b, objs, b->count, &more, &n);

	if (err)
		return err;
	b->count += n;
	b->nodes =
	    dss_arena_alloc(dss_build_arena(b), b->count, sizeof(*b->nodes));
	if (!b->nodes)
		return DS_ERR_NOMEM;
	/* Made-up objects are older than any other. */
	for (size_t i = 0; i < b->count; i++)
		b->nodes[i].obj = i < n ? &more[i] : &objs[i - n];
	if (!in_order(b))
		qsort(b->nodes, b->count, sizeof(*b->nodes), node_order);
	for (size_t i = 0; i < b->count; i++) {
		struct dss_node *node = &b->nodes[i];

		if (i + DSS_AHEAD < b->count)
			dss_object_ahead(b->nodes[i + DSS_AHEAD].obj);
		node->security = is_security_group(node->obj);
		node->in_scope = dss_in_scope(b->facts, node->obj);
		node->primary = node->token = node->published = DSS_NO_NODE;
		node->sam = make_sam(b, node->obj);
		if (!node->sam)
			return DS_ERR_NOMEM;
	}
	return dss_ids_ready(b);
}

int dss_model_build(const struct dss_object *objs, size_t count,
		    const struct dss_facts *facts, struct dss_model *ret_model)
{
	struct dss_model model = { .base_changed = true,
				   .accounts_changed = true };
	struct dss_build b = { .facts = facts,
			       .count = count,
			       .model = &model };
	int err;

	if (count > INT32_MAX)
		return DS_ERR_LIMIT;
	err = make_nodes(&b, objs);
	if (err == DS_OK)
		err = dss_build_group_ids(&b);
	if (err == DS_OK)
		err = dss_build_users(&b);
	if (err == DS_OK)
		err = dss_build_groups(&b);
	if (err == DS_OK)
		err = dss_build_members(&b);
	if (err == DS_OK)
		err = dss_build_notes(&b);
	dss_map_done(&b.names);
	dss_map_done(&b.user_sams);
	dss_map_done(&b.group_sams);
	dss_map_done(&b.uids);
	dss_map_done(&b.gids);
	dss_map_done(&b.slices);
	dss_map_done(&b.sids);
	if (err)
		dss_model_done(&model);
	else
		*ret_model = model;
	return err;
}

const struct dss_model_user *dss_model_find_user(const struct dss_model *model,
						 const struct ds_guid *guid)
{
	uint32_t number;

	return dss_guidmap_find(&model->links->by_guid, guid, &number) &&
		       DSS_IS_USER(number)
		   ? &model->users[DSS_NUMBER(number)]
		   : NULL;
}

void dss_model_done(struct dss_model *model)
{
	if (model->links)
		dss_guidmap_done(&model->links->by_guid);
	dss_arena_done(&model->arena);
	memset(model, 0, sizeof(*model));
}

/*
 * Which users are published, and under which name.
 *
 * A user claims up to three names: the UPN, the implicit sam@dnsdomain, and
 * the sAMAccountName.  Objects claim in the order of their age, also those
 * that are then withheld: a name must not change hands because its owner has
 * another fault.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/model_impl.h"

#include <string.h>
#include <strings.h>

#include "lib/resolve.h"
#include "synccache/sync/fields.h"

/* userAccountControl, MS-ADTS 2.2.16. */
#define UAC_NORMAL 0x200u
#define UAC_TRUSTS 0x3800u /* interdomain, workstation, server */
_Static_assert(DSS_UAC_KINDS == (UAC_NORMAL | UAC_TRUSTS), "model_impl.h");

#define ESSENTIAL                                                             \
	(DSS_F_SID | DSS_F_SAM | DSS_F_UPN | DSS_F_UAC | DSS_F_PRIMARY |      \
	 DSS_F_CREATED | DSS_F_EXPIRES | DSS_F_PWD_SET)

bool dss_is_user(const struct dss_object *obj)
{
	if (obj->kind != DSS_KIND_USER)
		return false;
	if (!(obj->present & DSS_F_UAC))
		return true; /* reported as malformed */
	return (obj->uac & UAC_NORMAL) && !(obj->uac & UAC_TRUSTS);
}

/* With its blanks it is typed too, and must not come to mean another. */
static int fold_spaced(struct dss_build *b, struct dss_node *node)
{
	const char *sam = dss_fold(dss_build_arena(b), node->obj->sam);

	if (!sam)
		return DS_ERR_NOMEM;
	node->spaced = dss_arena_join(dss_build_arena(b), sam, "@",
				      b->facts->config->domain.name);
	return node->spaced ? DS_OK : DS_ERR_NOMEM;
}

static int fold_claims(struct dss_build *b, struct dss_node *node)
{
	struct dss_arena *arena = dss_build_arena(b);

	if (node->obj->upn[0]) {
		node->upn = dss_fold(arena, node->obj->upn);
		if (!node->upn)
			return DS_ERR_NOMEM;
	}
	if (!ds_sam_ok(node->sam))
		return DS_OK;
	node->implicit = dss_arena_join(arena, node->sam, "@",
					b->facts->config->domain.name);
	if (!node->implicit)
		return DS_ERR_NOMEM;
	return strcasecmp(node->sam, node->obj->sam) == 0
		   ? DS_OK
		   : fold_spaced(b, node);
}

/* Claims a name; *ret_owner is whose it is. */
static int claim(struct dss_map *map, const char *name, uint32_t self,
		 uint32_t *ret_owner)
{
	*ret_owner = self;
	return name ? dss_map_add(map, name, strlen(name), self, ret_owner)
		    : DS_OK;
}

struct owners {
	uint32_t upn, implicit, sam;
};

/*
 * A UPN of this domain with blanks is also a spelling of whoever has it
 * without: that one keeps it if older.
 */
static int claim_upn(struct dss_build *b, const struct dss_node *node,
		     uint32_t self, uint32_t *ret_owner)
{
	char blank = b->facts->config->identity.space_replacement[0];
	const char *at = node->upn ? strrchr(node->upn, '@') : NULL;
	char *sam;

	if (blank && at &&
	    strcmp(at + 1, b->facts->config->domain.name) == 0) {
		sam = dss_fold(dss_build_arena(b), node->upn);
		if (!sam)
			return DS_ERR_NOMEM;
		sam[at - node->upn] = '\0';
		if (dss_fill_blanks(sam, blank) &&
		    dss_map_find(&b->user_sams, sam, strlen(sam), ret_owner))
			return DS_OK;
	}
	return claim(&b->names, node->upn, self, ret_owner);
}

static int claim_names(struct dss_build *b, struct dss_node *node,
		       struct owners *o)
{
	uint32_t self = (uint32_t)(node - b->nodes), ignored;
	int err = fold_claims(b, node);

	if (err == DS_OK)
		err = claim_upn(b, node, self, &o->upn);
	/* Most have both in one. */
	o->implicit = o->upn;
	if (err == DS_OK && !(node->upn && node->implicit && o->upn == self &&
			      strcmp(node->upn, node->implicit) == 0))
		err = claim(&b->names, node->implicit, self, &o->implicit);
	/* Else it is a spelling of the older one's. */
	if (err == DS_OK && o->implicit == self)
		err = claim(&b->names, node->spaced, self, &ignored);
	if (err == DS_OK)
		err = claim(&b->user_sams, node->implicit ? node->sam : NULL,
			    self, &o->sam);
	return err;
}

/* pw_name; NULL: the object has none that could be published. */
static const char *canonical(const struct dss_build *b,
			     const struct dss_node *node)
{
	const char *name = node->upn ? node->upn : node->implicit;

	if (b->facts->config->identity.name_format == DS_FORMAT_SAM)
		return node->implicit ? node->sam : NULL;
	if (!name || !ds_name_ok(name) || !strchr(name, '@'))
		return NULL;
	return name;
}

/*
 * Notes why the node's names keep it from being published, if they do;
 * *ret_name is NULL then, else its pw_name.
 */
static int check_names(struct dss_build *b, const struct dss_node *node,
		       const struct owners *o, const char **ret_name)
{
	uint32_t self = (uint32_t)(node - b->nodes);
	const char *name = canonical(b, node);
	const char *wanted = node->upn ? node->upn : node->sam;
	uint32_t owner;

	*ret_name = NULL;
	if (!name)
		return dss_note(b, node, DS_WH_NAME_SYNTAX, wanted,
				"the name holds characters that no name may "
				"have here, or is too long");
	if (b->facts->config->identity.name_format == DS_FORMAT_SAM &&
	    dss_bare_refused(b, node))
		return dss_note(b, node, DS_WH_NAME_SYNTAX, name,
				"a reserved or local name, or one that could "
				"be taken for a number, is never published "
				"without its domain");
	/* The UPN must be its own; so must whatever it is published as. */
	owner = node->upn ? o->upn : o->implicit;
	if (owner == self)
		owner = o->sam;
	if (owner != self)
		return dss_note_conflict(b, node, DS_WH_NAME_CONFLICT, wanted,
					 owner);
	*ret_name = name;
	return DS_OK;
}

/* Why there is no group for pw_gid; NULL without memory. */
static const char *no_primary(struct dss_build *b,
			      const struct dss_object *obj)
{
	if (b->facts->config->identity.id_mapping != DS_IDMAP_ATTRIBUTE)
		return "its primary group is unknown or cannot be published";
	if (obj->malformed & DSS_F_GID_NUMBER)
		return "its gidNumber is no number from 0 to 2147483647";
	if (!(obj->present & DSS_F_GID_NUMBER))
		return "neither it nor its primary group has a gidNumber that "
		       "can be published";
	return dss_arena_printf(dss_build_arena(b),
				"no group that can be published has its "
				"gidNumber %u",
				obj->gid_number);
}

/*
 * pw_gid and its group.  An account whose primary group may not be published
 * as a gid (a local one's, reserved) is withheld with it.
 */
static int find_primary(struct dss_build *b, struct dss_node *node,
			uint32_t *ret_gid, bool *ret_ok)
{
	uint32_t token = DSS_NO_NODE, group;
	struct ds_sid sid;
	bool member;

	*ret_ok = false;
	if (ds_sid_join(&b->facts->domain_sid, node->obj->primary_rid, &sid) ==
	    0)
		token = dss_find_group(b, &sid);
	group = dss_primary_of(b, node, token, &member);
	if (group == DSS_NO_NODE || !b->nodes[group].usable)
		return dss_note(b, node, DS_WH_FIELD,
				node->upn ? node->upn : node->sam,
				no_primary(b, node->obj));
	/* A number that is not the directory's word nests no further. */
	node->primary = member ? group : DSS_NO_NODE;
	node->token = token;
	b->nodes[group].wanted = true;
	if (token != DSS_NO_NODE)
		b->nodes[token].wanted = true;
	*ret_gid = b->nodes[group].id;
	*ret_ok = true;
	return DS_OK;
}

static int make_fields(struct dss_build *b, const struct dss_node *node,
		       struct dss_model_user *user, bool *ret_ok)
{
	const struct ds_config *config = b->facts->config;
	const struct dss_home with = { user->name, config->domain.name,
				       b->facts->netbios, node->id };
	int err = dss_home_expand(dss_build_arena(b), config->identity.home,
				  &with, &user->home);

	*ret_ok = false;
	if (err == DS_ERR_FORMAT)
		return dss_note(b, node, DS_WH_FIELD, user->name,
				"the home template does not give a plain "
				"absolute path for this name");
	if (err)
		return err;
	user->gecos =
	    dss_gecos(dss_build_arena(b), node->obj->display, user->name);
	if (!user->gecos)
		return DS_ERR_NOMEM;
	user->shell =
	    dss_locals_shell(b->facts->locals, config->identity.shell);
	*ret_ok = true;
	return DS_OK;
}

static int publish_user(struct dss_build *b, struct dss_node *node,
			const char *name)
{
	struct dss_model *model = b->model;
	struct dss_model_user *user = &model->users[model->nusers];
	bool ok;
	int err;

	user->obj = node->obj;
	user->name = name;
	user->uid = node->id;
	/* What is a pw_name is a good name. */
	user->key_upn =
	    name == node->upn || (node->upn && ds_name_ok(node->upn))
		? node->upn
		: NULL;
	user->key_sam = node->implicit ? node->sam : NULL;
	user->not_bare = dss_bare_refused(b, node);
	user->flags = dss_identity_flags(b->facts, node->obj);
	err = find_primary(b, node, &user->gid, &ok);
	if (err == DS_OK && ok)
		err = make_fields(b, node, user, &ok);
	if (err == DS_OK && ok)
		node->published = (uint32_t)model->nusers++;
	return err;
}

static int consider(struct dss_build *b, struct dss_node *node)
{
	const uint32_t needed = DSS_F_UAC | DSS_F_PRIMARY | DSS_F_SAM;
	uint32_t broken = node->obj->malformed & ESSENTIAL;
	uint32_t missing = needed & ~node->obj->present;
	struct owners owners;
	const char *name;
	int err = claim_names(b, node, &owners);

	if (err)
		return err;
	/* Its id is nobody else's, either, even if it cannot be published. */
	err = dss_claim_id(b, &b->uids, node, !(broken || missing));
	if (err)
		return err;
	if (broken || missing)
		return dss_note_malformed(b, node, broken, missing);
	if (!node->usable)
		return DS_OK; /* reported with its id */
	err = check_names(b, node, &owners, &name);
	if (err || !name)
		return err;
	return publish_user(b, node, name);
}

static void reserve(struct dss_build *b, const char *name, uint32_t self)
{
	uint32_t owner;

	if (name && ds_name_ok(name) &&
	    dss_map_find(&b->names, name, strlen(name), &owner) &&
	    owner == self)
		b->model->reserved[b->model->nreserved++] = name;
}

/* Otherwise a younger object's sam@dnsdomain would be found instead. */
static int reserve_names(struct dss_build *b)
{
	size_t withheld = 0;

	for (size_t i = 0; i < b->count; i++)
		withheld += b->nodes[i].published == DSS_NO_NODE;
	b->model->reserved = dss_arena_alloc(dss_build_arena(b), withheld * 2,
					     sizeof(*b->model->reserved));
	if (!b->model->reserved)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < b->count; i++) {
		const struct dss_node *node = &b->nodes[i];

		if (node->published != DSS_NO_NODE)
			continue;
		reserve(b, node->upn, (uint32_t)i);
		reserve(b, node->implicit, (uint32_t)i);
	}
	return DS_OK;
}

int dss_build_users(struct dss_build *b)
{
	b->model->users_cap = b->count + DSS_NEWCOMERS;
	b->model->users = dss_arena_alloc(
	    dss_build_arena(b), b->model->users_cap, sizeof(*b->model->users));
	if (!b->model->users || dss_map_reserve(&b->names, 2 * b->count) ||
	    dss_map_reserve(&b->user_sams, b->count) ||
	    dss_map_reserve(&b->uids, b->count))
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < b->count; i++) {
		struct dss_node *node = &b->nodes[i];
		int err;

		if (i + DSS_AHEAD < b->count)
			dss_object_ahead(b->nodes[i + DSS_AHEAD].obj);
		if (!dss_is_user(node->obj) || !node->in_scope)
			continue;
		err = consider(b, node);
		if (err)
			return err;
	}
	return reserve_names(b);
}

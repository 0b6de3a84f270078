/*
 * Which groups are published.  Distribution groups and BUILTIN never are;
 * those outside the scope only as somebody's primary group.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/model_impl.h"

#include <string.h>

#include "lib/resolve.h"

#define ESSENTIAL (DSS_F_SID | DSS_F_SAM | DSS_F_GROUP_TYPE | DSS_F_CREATED)

int dss_build_group_ids(struct dss_build *b)
{
	for (size_t i = 0; i < b->count; i++) {
		struct dss_node *node = &b->nodes[i];
		int err;

		if (!node->security)
			continue;
		err = dss_add_group_sid(b, (uint32_t)i, &node->obj->sid);
		if (err == DS_OK && !node->id_why)
			err = dss_add_group_sid(b, (uint32_t)i, &node->id_sid);
		if (err == DS_OK)
			err = dss_claim_id(b, &b->gids, node, node->in_scope);
		if (err)
			return err;
	}
	return DS_OK;
}

/* gr_name; *ret_name NULL: none that could be published, and noted. */
static int group_name(struct dss_build *b, const struct dss_node *node,
		      const char **ret_name)
{
	const struct ds_config *config = b->facts->config;
	bool bare = config->identity.group_format == DS_FORMAT_SAM;
	const char *name = node->sam;

	*ret_name = NULL;
	if (ds_sam_ok(node->sam) && !bare) {
		name = dss_arena_join(dss_build_arena(b), node->sam, "@",
				      config->domain.name);
		if (!name)
			return DS_ERR_NOMEM;
	}
	if (!ds_sam_ok(node->sam) || !ds_name_ok(name))
		return dss_note(b, node, DS_WH_NAME_SYNTAX, node->sam,
				"the name holds characters that no name may "
				"have here, or is too long");
	if (bare && dss_bare_refused(b, node))
		return dss_note(b, node, DS_WH_NAME_SYNTAX, name,
				"a reserved or local name, or one that could "
				"be taken for a number, is never published "
				"without its domain");
	*ret_name = name;
	return DS_OK;
}

static int consider(struct dss_build *b, struct dss_node *node)
{
	uint32_t self = (uint32_t)(node - b->nodes), owner = self;
	struct dss_model *model = b->model;
	struct dss_model_group *group = &model->groups[model->ngroups];
	const char *name;
	int err = dss_map_add(&b->group_sams, node->sam, strlen(node->sam),
			      self, &owner);

	if (err)
		return err;
	if (node->obj->malformed & ESSENTIAL)
		return dss_note_malformed(b, node,
					  node->obj->malformed & ESSENTIAL, 0);
	if (!node->usable)
		return DS_OK; /* reported with its id */
	err = group_name(b, node, &name);
	if (err || !name)
		return err;
	if (owner != self)
		return dss_note_conflict(b, node, DS_WH_NAME_CONFLICT, name,
					 owner);
	group->obj = node->obj;
	group->name = name;
	group->key_sam = node->sam;
	group->gid = node->id;
	group->flags = dss_identity_flags(b->facts, node->obj);
	node->published = (uint32_t)model->ngroups++;
	return DS_OK;
}

int dss_build_groups(struct dss_build *b)
{
	b->model->groups = dss_arena_alloc(dss_build_arena(b), b->count,
					   sizeof(*b->model->groups));
	if (!b->model->groups)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < b->count; i++) {
		struct dss_node *node = &b->nodes[i];
		int err;

		if (!node->security || !(node->in_scope || node->wanted))
			continue;
		err = consider(b, node);
		if (err)
			return err;
	}
	return DS_OK;
}

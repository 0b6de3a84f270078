/*
 * What the parts of the model share: one node an object, and the claims on
 * names and ids, which older objects make first.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_MODEL_IMPL_H
#define DSS_MODEL_IMPL_H

#include "synccache/sync/map.h"
#include "synccache/sync/model.h"

struct dss_node {
	const struct dss_object *obj;
	bool security; /* a group that counts in an access token */
	bool in_scope;
	bool wanted; /* a group that some user has as primary */
	bool has_id; /* id is this object's, by SID */
	bool usable; /* ... and may be published */
	uint32_t id;
	uint32_t primary; /* users: node of the primary group, or NO_NODE */
	uint32_t
	    published; /* index in the model's users or groups, or NO_NODE */
	/* Folded claims. */
	const char *upn, *sam, *implicit; /* NULL: none */
};
#define DSS_NO_NODE UINT32_MAX

struct dss_build {
	const struct dss_facts *facts;
	struct dss_node *nodes; /* oldest first */
	size_t count;
	struct dss_model *model;
	struct dss_map names; /* user names with a domain, to nodes */
	struct dss_map user_sams, group_sams;
	struct dss_map uids, gids; /* 4 bytes of id, to nodes */
	size_t notes_cap;
};

static inline struct dss_arena *dss_build_arena(struct dss_build *b)
{
	return &b->model->arena;
}

/* Reports a withheld object; detail is the arena's, NULL: no memory. */
DS_MUST_CHECK int dss_note(struct dss_build *b, const struct dss_node *node,
			   enum ds_withheld reason, const char *name,
			   const char *detail);
/* The same for a claim that `winner` has: names the older object. */
DS_MUST_CHECK int dss_note_conflict(struct dss_build *b,
				    const struct dss_node *node,
				    enum ds_withheld reason, const char *name,
				    uint32_t winner);

/* Chooses the users, then the groups (model_users.c, model_groups.c). */
DS_MUST_CHECK int dss_build_users(struct dss_build *b);
DS_MUST_CHECK int dss_build_groups(struct dss_build *b);
/* Group ids come first: users refer to them. */
DS_MUST_CHECK int dss_build_group_ids(struct dss_build *b);
/* Memberships of all that was chosen (model_members.c). */
DS_MUST_CHECK int dss_build_members(struct dss_build *b);

/* id_mapping of a SID of this domain. */
DS_MUST_CHECK int dss_map_id(const struct dss_facts *facts,
			     const struct ds_sid *sid, uint32_t *ret_id);
/*
 * Claims node's id in `ids`; DS_OK and node->usable says whether it may be
 * published, with a note if not.
 */
DS_MUST_CHECK int dss_claim_id(struct dss_build *b, struct dss_map *ids,
			       struct dss_node *node, bool report);
uint32_t dss_identity_flags(const struct dss_facts *facts,
			    const struct dss_object *obj);

#endif

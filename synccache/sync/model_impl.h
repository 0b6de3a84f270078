/*
 * What the parts of the model share: one node an object, and the claims on
 * names and ids, which older objects make first.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_MODEL_IMPL_H
#define DSS_MODEL_IMPL_H

#include "synccache/sync/graph.h"
#include "synccache/sync/guidmap.h"
#include "synccache/sync/history.h"
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
	struct ds_sid id_sid; /* the SID that the id is made from */
	const char *id_why;   /* why there can be no id, or NULL */
	uint32_t primary; /* users: the group of pw_gid, where the directory
			   * says so; or NO_NODE */
	uint32_t token;   /* ... and of the directory's primary group */
	uint32_t
	    published; /* index in the model's users or groups, or NO_NODE */
	/* Folded claims. */
	const char *upn, *sam, *implicit; /* NULL: none */
	const char *spaced; /* implicit with its blanks, if that differs */
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
	struct dss_map slices;     /* number, to the model's slices */
	struct dss_map sids;       /* binary SIDs of groups, to nodes */
	/* The slice that was asked for last, and its first id: neighbours
	 * share it. */
	struct ds_sid last_sid;
	uint32_t last_first;
	struct dss_domains domains;
	size_t notes_cap;
};

/* Who is in what, kept for the next change. */
struct dss_links {
	/* Published users, to DSS_USER() of their index in the model, and
	 * security groups, to DSS_GROUP() of their number in the graph. */
	struct dss_guidmap by_guid;
	struct dss_graph graph; /* its groups by rising id */
	uint32_t *group_of; /* graph's number -> model's group, or NO_NODE */
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

/*
 * True if the node's name, with or without its blanks, must not stand bare:
 * reserved, local, or of a form that could mean somebody else.
 */
bool dss_bare_refused(const struct dss_build *b, const struct dss_node *node);

/* A person's or service's account: computers and trusts never are. */
bool dss_is_user(const struct dss_object *obj);
/* The bits of userAccountControl that it looks at. */
#define DSS_UAC_KINDS 0x3a00u
/* False: the configuration leaves the object out (scope.h). */
bool dss_in_scope(const struct dss_facts *facts, const struct dss_object *obj);

/* True of what is out of the scope, and kept in it by the valve. */
bool dss_is_kept(const struct dss_facts *facts, const struct dss_object *obj);
/* Withholds it: fields that it needs break their format, or are missing. */
DS_MUST_CHECK int dss_note_malformed(struct dss_build *b,
				     const struct dss_node *node,
				     uint32_t broken, uint32_t missing);
/* The notes about all others (model_notes.c). */
DS_MUST_CHECK int dss_build_notes(struct dss_build *b);

/* Chooses the users, then the groups (model_users.c, model_groups.c). */
DS_MUST_CHECK int dss_build_users(struct dss_build *b);
DS_MUST_CHECK int dss_build_groups(struct dss_build *b);
/* Group ids come first: users refer to them. */
DS_MUST_CHECK int dss_build_group_ids(struct dss_build *b);
/* Memberships of all that was chosen (model_members.c). */
DS_MUST_CHECK int dss_build_members(struct dss_build *b);
/*
 * From groups of the graph that a user is in to the model's: those that are
 * published, without the primary one, by rising gid.
 */
void dss_keep_published(const struct dss_model *model,
			const struct dss_model_user *user,
			struct dss_list *groups);

/*
 * Ids (model_ids.c).  Before the nodes are made: the objects that have to be
 * made up, each on-premises domain's RID 513, from the arena.
 */
DS_MUST_CHECK int dss_ids_begin(struct dss_build *b,
				const struct dss_object *objs, size_t count,
				struct dss_object **ret_more, size_t *ret_n);
/* When they are made: chooses their SIDs and gives out the slices. */
DS_MUST_CHECK int dss_ids_ready(struct dss_build *b);
/*
 * id_mapping of a node.  DS_ERR_FORMAT: its SID is missing or a foreign one,
 * or *ret_why says it; DS_ERR_RANGE: outside id_range; DS_ERR_CONFLICT, or
 * DS_ERR_NOTFOUND (the directory gives it none): *ret_why says it.
 */
DS_MUST_CHECK int dss_node_id(struct dss_build *b, const struct dss_node *node,
			      uint32_t *ret_id, const char **ret_why);
/*
 * Groups by objectSid and by the SID that their id is made from; DSS_NO_NODE:
 * none.  The first of a SID stays.
 */
DS_MUST_CHECK int dss_add_group_sid(struct dss_build *b, uint32_t node,
				    const struct ds_sid *sid);
uint32_t dss_find_group(const struct dss_build *b, const struct ds_sid *sid);
/*
 * The group of pw_gid, where `token` is the directory's primary group.  With
 * id_mapping = attribute it need not be a group that the user is a member of:
 * *ret_member is false then.
 */
uint32_t dss_primary_of(const struct dss_build *b, const struct dss_node *node,
			uint32_t token, bool *ret_member);

/*
 * Claims node's id in `ids`; DS_OK and node->usable says whether it may be
 * published, with a note if not.
 */
DS_MUST_CHECK int dss_claim_id(struct dss_build *b, struct dss_map *ids,
			       struct dss_node *node, bool report);
uint32_t dss_identity_flags(const struct dss_facts *facts,
			    const struct dss_object *obj);

#endif

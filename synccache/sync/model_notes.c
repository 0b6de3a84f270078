/*
 * What is to be said of objects beside why they are withheld: who is held,
 * out of the scope, or published without all of its attributes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/model_impl.h"

/* Its id comes from a SID that the directory does not show any more. */
static bool has_kept_id(const struct dss_build *b, const struct dss_node *node)
{
	return (node->obj->flags & DSS_OBJ_HISTORY) &&
	       b->facts->config->identity.id_mapping == DS_IDMAP_SIDHISTORY;
}

/* What the valve keeps: published still, and reported. */
static int note_held(struct dss_build *b)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct dss_node *node = &b->nodes[i];
		bool held = node->obj->flags & DSS_OBJ_HELD;
		int err;

		bool kept = dss_is_kept(b->facts, node->obj);

		if (!held && !kept && !has_kept_id(b, node))
			continue;
		err = dss_note(
		    b, node, DS_WH_HELD_BACK, node->sam,
		    held   ? "gone from the directory together with "
			     "too many others: kept until it shows up "
			     "again or the deletions are accepted"
		    : kept ? "out of the scope together with too many "
			     "others, or with what the scope stands "
			     "on: kept until it is back in it or the "
			     "deletions are accepted"
			   : "the SID that its id comes from is not in "
			     "its sIDHistory any more, or may not be "
			     "read: its id is kept until the SID is "
			     "back, or 'dssyncctl sync "
			     "--accept-deletes' or '--renumber' gives "
			     "it another one");
		if (err)
			return err;
	}
	return DS_OK;
}

/* What the configuration leaves out: no fault, but somebody will ask. */
static int note_scope(struct dss_build *b)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct dss_node *node = &b->nodes[i];
		const struct dss_object *obj = node->obj;
		int err;

		if (node->in_scope || !obj->dn[0] ||
		    node->published != DSS_NO_NODE ||
		    !(node->security || dss_is_user(obj)))
			continue;
		err = dss_note(b, node, DS_WH_SCOPE,
			       obj->upn[0] ? obj->upn : node->sam,
			       "sync.bases, sync.origin or sync.groups of "
			       "this host's configuration leaves it out");
		if (err)
			return err;
	}
	return DS_OK;
}

/* A published object that has a value which breaks its format. */
static int note_refused(struct dss_build *b)
{
	uint32_t looked_at = UINT32_MAX;

	if (b->facts->config->identity.id_mapping != DS_IDMAP_ATTRIBUTE)
		looked_at &= ~(uint32_t)(DSS_F_UID_NUMBER | DSS_F_GID_NUMBER);
	for (size_t i = 0; i < b->count; i++) {
		const struct dss_node *node = &b->nodes[i];
		uint32_t broken = node->obj->malformed & looked_at;
		char fields[256];
		const char *name;
		int err;

		if (!broken || node->published == DSS_NO_NODE)
			continue;
		name = node->obj->kind == DSS_KIND_GROUP
			   ? b->model->groups[node->published].name
			   : b->model->users[node->published].name;
		err = dss_note(
		    b, node, DS_WH_IN_PART, name,
		    dss_arena_printf(
			dss_build_arena(b),
			"a value breaks its format, and counts "
			"as not there: %s",
			dss_object_fields(broken, fields, sizeof(fields))));
		if (err)
			return err;
	}
	return DS_OK;
}

int dss_build_notes(struct dss_build *b)
{
	int err = note_held(b);

	if (err == DS_OK)
		err = note_scope(b);
	return err ? err : note_refused(b);
}

int dss_note_malformed(struct dss_build *b, const struct dss_node *node,
		       uint32_t broken, uint32_t missing)
{
	char fields[256];

	return dss_note(
	    b, node, DS_WH_MALFORMED, node->upn ? node->upn : node->sam,
	    dss_arena_printf(dss_build_arena(b),
			     "an attribute that decides who it is or whether "
			     "it may log in %s: %s",
			     broken ? "breaks its format" : "is missing",
			     dss_object_fields(broken ? broken : missing,
					       fields, sizeof(fields))));
}

/*
 * What the parts of dss_model_update() share: the changes that decide who is
 * who (model_who.c), and those of memberships (model_relink.c).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_MODEL_UPDATE_H
#define DSS_MODEL_UPDATE_H

#include "synccache/sync/model_impl.h"

/* So many of one update; more are a build's. */
#define DSS_WHO_MAX 16

/* A user who came, went, or has other names now; or an object that is none
 * and never counts. */
struct dss_who {
	const struct dss_change *change;
	bool was, is; /* a published user */
	/* The group of pw_gid, where the user came. */
	const struct dss_object *primary;
	/* The model of the object as it is now, and of the group of pw_gid:
	 * what it is there it is in the whole. */
	struct dss_model alone;
};

struct dss_gid_delta {
	uint32_t group, user; /* of the model */
	bool gained;
};

struct dss_update {
	struct dss_model *model;
	const struct dss_facts *facts;
	const struct dss_object *objs; /* all, as they were before */
	size_t nobjs;
	const struct dss_change *changes;
	size_t nchanges;
	struct dss_who who[DSS_WHO_MAX];
	size_t nwho;
	struct dss_edge *added, *removed;
	size_t nadded, nremoved;
	bool *touched; /* one a user of the model */
	struct dss_gid_delta *deltas;
	size_t ndeltas, deltas_cap;
	struct dss_arena scratch;
};

/*
 * DS_OK: the change is within the fields that decide nothing, or, with `names`
 * and of a published user, within these and the names.  DS_ERR_CONFLICT,
 * DS_ERR_NOMEM.
 */
DS_MUST_CHECK int dss_update_within(struct dss_update *u,
				    const struct dss_change *change,
				    bool names);

/*
 * Looks at a change that decides who is who; DS_ERR_CONFLICT: it may touch
 * others than its object.
 */
DS_MUST_CHECK int dss_who_add(struct dss_update *u,
			      const struct dss_change *change);
/* Whether any of these has to do with another object's names or id. */
DS_MUST_CHECK int dss_who_check(const struct dss_update *u);
/* Takes them out of the model, or in.  DS_ERR_NOMEM, DS_ERR_CONFLICT. */
DS_MUST_CHECK int dss_who_apply(struct dss_update *u);

/* Which edges the changes take away or add; before they are taken over. */
DS_MUST_CHECK int dss_relink_find(struct dss_update *u);
/* Does so, and what follows for whom they touch. */
DS_MUST_CHECK int dss_relink(struct dss_update *u);

#endif

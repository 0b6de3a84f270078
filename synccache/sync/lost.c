/*
 * What a first load would take away.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/pull.h"

#include <stdio.h>

#include "lib/idmap.h"
#include "lib/snapshot.h"
#include "synccache/sync/history.h"
#include "synccache/sync/pins.h"
#include "synccache/sync/scope.h"

struct lost {
	struct dss_pull *p;
	const struct ds_snap *snap;
	/* Those that are published are to stay: none, or whose history
	 * counts. */
	struct dss_domains domains;
	size_t total, lost, moved;
};

static int user_of(const struct ds_snap *snap, uint32_t index,
		   struct ds_snap_identity *ret_id, uint32_t *ret_number)
{
	struct ds_snap_user user;
	int err = ds_snap_user_at(snap, index, &user);

	if (err)
		return err;
	*ret_number = user.uid;
	return ds_snap_user_identity(snap, index, ret_id);
}

static int group_of(const struct ds_snap *snap, uint32_t index,
		    struct ds_snap_identity *ret_id, uint32_t *ret_number)
{
	struct ds_snap_group group;
	int err = ds_snap_group_at(snap, index, &group);

	if (err)
		return err;
	*ret_number = group.gid;
	return ds_snap_group_identity(snap, index, ret_id);
}

/* True if the published id is not of the object's own SID: a history's. */
static bool has_others_id(const struct lost *l, const struct ds_sid *sid,
			  uint32_t number)
{
	const struct ds_config *config = &l->p->s->config;
	uint32_t own;

	return ds_idmap_sid(sid, config->identity.id_range.min,
			    config->identity.id_range.max, &own) != 0 ||
	       own != number;
}

/* Not there, not in the scope, or without what it cannot be without. */
static void look_at(struct lost *l, const struct ds_snap_identity *id,
		    uint32_t number)
{
	const struct ds_config *config = &l->p->s->config;
	struct dss_object obj;
	struct ds_sid sid;

	l->total++;
	if (dss_mirror_get(&l->p->m, &id->guid, &obj) != DS_OK ||
	    !dss_object_complete(&obj) ||
	    (dss_scope_limits(config) && !(obj.flags & DSS_OBJ_IN)))
		l->lost++;
	else if (l->domains.count > 0 && has_others_id(l, &id->sid, number) &&
		 !dss_history_first(&l->domains, &obj, &sid))
		l->moved++;
}

/* The published users (or groups) of this domain. */
static void look_at_all(struct lost *l, uint32_t count,
			int (*get)(const struct ds_snap *snap, uint32_t index,
				   struct ds_snap_identity *ret_id,
				   uint32_t *ret_number))
{
	for (uint32_t i = 0; i < count; i++) {
		struct ds_snap_identity id;
		uint32_t rid, number;
		struct ds_sid domain;

		if (get(l->snap, i, &id, &number) == 0 &&
		    ds_sid_split(&id.sid, &domain, &rid) == 0 &&
		    ds_sid_equal(&domain, &l->p->s->domain.sid))
			look_at(l, &id, number);
	}
}

/* Whether what is published has its ids by this configuration; another one
 * is refused where ids are given out. */
static bool same_ids(const struct dss_pull *p, const struct ds_snap *snap)
{
	struct dss_arena arena = { 0 };
	struct dss_pins pins;
	bool same = dss_pins_recover(snap, &p->s->domain.sid, &arena, &pins) ==
			DS_OK &&
		    pins.known && dss_pins_agree(&pins, &p->s->config, &arena);

	dss_arena_done(&arena);
	return same;
}

/*
 * The valve of a first load, which has no store to compare with: a store
 * that was made anew must not empty the host because the account can read
 * less than before.  What is published says what there was.
 */
int dss_lost_check(struct dss_pull *p)
{
	struct dss_sync *s = p->s;
	struct ds_snap snap;
	struct lost l = { .p = p, .snap = &snap };
	struct dss_arena arena = { 0 };
	int err = DS_OK;

	if (p->accept ||
	    ds_snap_open(DS_PUBLIC_SNAP, DS_SNAP_BASE, 0, &snap) != 0)
		return DS_OK;
	if (s->config.identity.id_mapping == DS_IDMAP_SIDHISTORY &&
	    !dss_pull_moves_ids(p) && same_ids(p, &snap))
		err = dss_domains_list(&s->config, &s->domain.sid, &arena,
				       &l.domains);
	if (err == DS_OK) {
		look_at_all(&l, ds_snap_user_count(&snap), user_of);
		look_at_all(&l, ds_snap_group_count(&snap), group_of);
	}
	ds_snap_close(&snap);
	dss_arena_done(&arena);
	if (err)
		return err;
	if (!dss_valve_allows(l.lost, l.total,
			      s->config.sync.max_delete_percent))
		(void)snprintf(
		    s->why, sizeof(s->why),
		    "the directory does not show %zu of %zu published users "
		    "and groups, or not all that matters of them: may the "
		    "host's account still read them? If they are gone: "
		    "dssyncctl sync --accept-deletes",
		    l.lost, l.total);
	else if (l.moved > 0)
		(void)snprintf(
		    s->why, sizeof(s->why),
		    "the ids of %zu published users and groups come from "
		    "SIDs that the directory does not show in their "
		    "sIDHistory: may the host's account still read it? If "
		    "ids may become others: dssyncctl sync --renumber",
		    l.moved);
	else
		return DS_OK;
	return DS_ERR_DENIED;
}

/*
 * What a first load would take away.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/pull.h"

#include <stdio.h>

#include "lib/snapshot.h"
#include "synccache/sync/scope.h"
#include "synccache/sync/valve.h"

typedef int (*identity_getter)(const struct ds_snap *snap, uint32_t index,
			       struct ds_snap_identity *ret_id);

static bool is_lost(struct dss_pull *p, const struct ds_guid *guid)
{
	struct dss_object obj;

	if (dss_mirror_get(&p->m, guid, &obj) != DS_OK)
		return true;
	return dss_scope_limits(&p->s->config) && !(obj.flags & DSS_OBJ_IN);
}

/*
 * How many published users (or groups) of this domain are not in the store,
 * or not in the scope.
 */
static size_t count_lost(struct dss_pull *p, const struct ds_snap *snap,
			 uint32_t count, identity_getter get, size_t *total)
{
	size_t lost = 0;

	for (uint32_t i = 0; i < count; i++) {
		struct ds_snap_identity id;
		struct ds_sid domain;
		uint32_t rid;

		if (get(snap, i, &id) != 0 ||
		    ds_sid_split(&id.sid, &domain, &rid) != 0 ||
		    !ds_sid_equal(&domain, &p->s->domain.sid))
			continue;
		++*total;
		lost += is_lost(p, &id.guid);
	}
	return lost;
}

/*
 * The valve of a first load, which has no store to compare with: a store
 * that was made anew must not empty the host because the account can read
 * less than before.  What is published says what there was.
 */
int dss_lost_check(struct dss_pull *p)
{
	struct ds_snap snap;
	size_t lost, total = 0;

	if (p->accept ||
	    ds_snap_open(DS_PUBLIC_SNAP, DS_SNAP_BASE, 0, &snap) != 0)
		return DS_OK;
	lost = count_lost(p, &snap, ds_snap_user_count(&snap),
			  ds_snap_user_identity, &total);
	lost += count_lost(p, &snap, ds_snap_group_count(&snap),
			   ds_snap_group_identity, &total);
	ds_snap_close(&snap);
	if (dss_valve_allows(lost, total,
			     p->s->config.sync.max_delete_percent))
		return DS_OK;
	(void)snprintf(p->s->why, sizeof(p->s->why),
		       "the directory does not show %zu of %zu published "
		       "users and groups: may the host's account still read "
		       "them? If they are gone: dssyncctl sync "
		       "--accept-deletes",
		       lost, total);
	return DS_ERR_DENIED;
}

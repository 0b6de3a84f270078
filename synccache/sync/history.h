/*
 * SID history: the domains whose accounts have ids here, and which SID of an
 * object is in one of them.  Pure.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_HISTORY_H
#define DSS_HISTORY_H

#include "lib/config.h"
#include "synccache/sync/arena.h"
#include "synccache/sync/object.h"

struct dss_domains {
	struct ds_sid
	    *sid; /* the managed one, then those whose history counts */
	size_t count;
};

/* In the order of sid_history_domains, if id_mapping goes by it.
 * DS_ERR_NOMEM. */
DS_MUST_CHECK int dss_domains_list(const struct ds_config *config,
				   const struct ds_sid *managed,
				   struct dss_arena *arena,
				   struct dss_domains *ret_domains);
/* The number of the account's domain; domains->count: none of these. */
size_t dss_domains_find(const struct dss_domains *domains,
			const struct ds_sid *account);

/*
 * The object's SID in one domain's history.  DS_ERR_NOTFOUND; DS_ERR_CONFLICT:
 * there are two, and no rule says which one counts; *ret_sid is the first.
 */
DS_MUST_CHECK int dss_history_sid(const struct dss_domains *domains,
				  const struct dss_object *obj, size_t domain,
				  struct ds_sid *ret_sid);
/* The one in the first domain of which it has any; false: there is none. */
bool dss_history_first(const struct dss_domains *domains,
		       const struct dss_object *obj, struct ds_sid *ret_sid);

#endif

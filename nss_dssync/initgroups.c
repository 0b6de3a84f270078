/*
 * The groups of a user, for initgroups(3) and getgrouplist(3).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

#include "lib/resolve.h"
#include "nss_dssync/nss_dssync.h"

/*
 * *groups is a malloc()ed array of *size gids, *start of them in use; it may
 * grow, to at most `limit` gids if that is positive, and then no more are
 * wanted.  `group` is in it already.
 */
NSS_EXPORT enum nss_status _nss_dssync_initgroups_dyn(const char *name,
						      gid_t group, long *start,
						      long *size,
						      gid_t **groups,
						      long limit, int *errnop);

/* Room for `more` gids, or for as many as the limit leaves. */
static int make_room(size_t more, long start, long *size, gid_t **groups,
		     long limit)
{
	size_t want = (size_t)start + more;
	gid_t *grown;

	if (want <= (size_t)*size)
		return 0;
	if (want < (size_t)*size * 2)
		want = (size_t)*size * 2;
	if (limit > 0 && want > (size_t)limit)
		want = (size_t)limit;
	if (want <= (size_t)*size)
		return 0;
	if (want > SIZE_MAX / sizeof(gid_t) || want > LONG_MAX)
		return DS_ERR_NOMEM;
	grown = realloc(*groups, want * sizeof(gid_t));
	if (!grown)
		return DS_ERR_NOMEM;
	*groups = grown;
	*size = (long)want;
	return 0;
}

static int add_groups(const struct ds_snap *snap,
		      const struct ds_snap_user *user, gid_t group,
		      long *start, long *size, gid_t **groups, long limit)
{
	int r =
	    make_room((size_t)user->ngids + 1, *start, size, groups, limit);

	if (r != 0)
		return r;
	/* The primary group too: the caller may have named another. */
	if (user->gid != group && *start < *size)
		(*groups)[(*start)++] = user->gid;
	*start += (long)ds_snap_copy_gids(snap, user, group, *groups + *start,
					  (size_t)(*size - *start));
	return 0;
}

enum nss_status _nss_dssync_initgroups_dyn(const char *name, gid_t group,
					   long *start, long *size,
					   gid_t **groups, long limit,
					   int *errnop)
{
	struct ds_snap_user user;
	struct nss_hold hold;
	int r = nss_snap_get(&hold);

	if (r != 0)
		return nss_result(r, errnop);
	r = ds_resolve_user(hold.snap, name, &user);
	if (r == 0)
		r = add_groups(hold.snap, &user, group, start, size, groups,
			       limit);
	nss_snap_put(&hold);
	return nss_result(r, errnop);
}

/*
 * group: by name, by gid, all.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stdint.h>
#include <string.h>

#include "lib/resolve.h"
#include "nss_dssync/nss_dssync.h"

NSS_EXPORT enum nss_status _nss_dssync_getgrnam_r(const char *name,
						  struct group *gr, char *buf,
						  size_t len, int *errnop);
NSS_EXPORT enum nss_status _nss_dssync_getgrgid_r(gid_t gid, struct group *gr,
						  char *buf, size_t len,
						  int *errnop);
NSS_EXPORT enum nss_status _nss_dssync_setgrent(int stayopen);
NSS_EXPORT enum nss_status _nss_dssync_getgrent_r(struct group *gr, char *buf,
						  size_t len, int *errnop);
NSS_EXPORT enum nss_status _nss_dssync_endgrent(void);

/*
 * Writes the members' names at p and points member[] at them; a member that
 * is damaged or out of range is left out, as its lookup would be.
 */
static int fill_members(const struct ds_snap *snap,
			const struct ds_snap_group *group, char **member,
			char *p, const char *end)
{
	struct ds_snap_user user;
	uint32_t i;

	for (i = 0; i < group->nmembers; i++) {
		if (ds_snap_user_at(snap, group->members[i], &user) != 0)
			continue;
		if ((size_t)(end - p) < user.passwd)
			return DS_ERR_RANGE; /* members_size was a lie */
		*member++ = memcpy(p, user.blob, user.passwd);
		p += user.passwd;
	}
	*member = NULL;
	return 0;
}

int nss_fill_group(const struct ds_snap *snap,
		   const struct ds_snap_group *group, struct group *gr,
		   char *buf, size_t len)
{
	size_t pad = -(uintptr_t)buf % _Alignof(char *);
	size_t array = ((size_t)group->nmembers + 1) * sizeof(char *);
	char *end = buf + len, *p;
	int r;

	/* No overflow: nmembers is less than 2^28, members_size 256 times. */
	if (len < pad + array + group->blob_len ||
	    len - pad - array - group->blob_len < group->members_size)
		return DS_ERR_RANGE;
	gr->gr_mem = (char **)(void *)(buf + pad);
	p = memcpy(buf + pad + array, group->blob, group->blob_len);
	gr->gr_name = p;
	gr->gr_passwd = p + group->passwd;
	gr->gr_gid = group->gid;
	r = fill_members(snap, group, gr->gr_mem, p + group->blob_len, end);
	return r;
}

enum nss_status _nss_dssync_getgrnam_r(const char *name, struct group *gr,
				       char *buf, size_t len, int *errnop)
{
	struct ds_snap_group group;
	struct nss_hold hold;
	int r = nss_snap_get(&hold);

	if (r != 0)
		return nss_result(r, errnop);
	r = ds_resolve_group(hold.snap, name, &group);
	if (r == 0)
		r = nss_fill_group(hold.snap, &group, gr, buf, len);
	nss_snap_put(&hold);
	return nss_result(r, errnop);
}

enum nss_status _nss_dssync_getgrgid_r(gid_t gid, struct group *gr, char *buf,
				       size_t len, int *errnop)
{
	struct ds_snap_group group;
	struct nss_hold hold;
	int r = nss_snap_get(&hold);

	if (r != 0)
		return nss_result(r, errnop);
	r = ds_snap_group_by_gid(hold.snap, gid, &group);
	if (r == 0)
		r = nss_fill_group(hold.snap, &group, gr, buf, len);
	nss_snap_put(&hold);
	return nss_result(r, errnop);
}

static int fill_next(const struct ds_snap *snap, uint32_t index, void *result,
		     char *buf, size_t len)
{
	struct ds_snap_group group;
	int r = ds_snap_group_at(snap, index, &group);

	return r != 0 ? r : nss_fill_group(snap, &group, result, buf, len);
}

enum nss_status _nss_dssync_setgrent(int stayopen)
{
	int ignored;

	(void)stayopen; /* lookups never disturb it */
	return nss_walk_start(&nss_walk_group, &ignored);
}

enum nss_status _nss_dssync_getgrent_r(struct group *gr, char *buf, size_t len,
				       int *errnop)
{
	return nss_walk_next(&nss_walk_group, fill_next, gr, buf, len, errnop);
}

enum nss_status _nss_dssync_endgrent(void)
{
	nss_walk_end(&nss_walk_group);
	return NSS_STATUS_SUCCESS;
}

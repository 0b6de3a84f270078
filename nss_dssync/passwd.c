/*
 * passwd: by name, by uid, all.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <string.h>

#include "lib/resolve.h"
#include "nss_dssync/nss_dssync.h"

NSS_EXPORT enum nss_status _nss_dssync_getpwnam_r(const char *name,
						  struct passwd *pw, char *buf,
						  size_t len, int *errnop);
NSS_EXPORT enum nss_status _nss_dssync_getpwuid_r(uid_t uid, struct passwd *pw,
						  char *buf, size_t len,
						  int *errnop);
NSS_EXPORT enum nss_status _nss_dssync_setpwent(int stayopen);
NSS_EXPORT enum nss_status _nss_dssync_getpwent_r(struct passwd *pw, char *buf,
						  size_t len, int *errnop);
NSS_EXPORT enum nss_status _nss_dssync_endpwent(void);

int nss_fill_passwd(const struct ds_snap_user *user, struct passwd *pw,
		    char *buf, size_t len)
{
	if (len < user->blob_len)
		return DS_ERR_RANGE;
	memcpy(buf, user->blob, user->blob_len);
	pw->pw_name = buf;
	pw->pw_passwd = buf + user->passwd;
	pw->pw_uid = user->uid;
	pw->pw_gid = user->gid;
	pw->pw_gecos = buf + user->gecos;
	pw->pw_dir = buf + user->home;
	pw->pw_shell = buf + user->shell;
	return 0;
}

enum nss_status _nss_dssync_getpwnam_r(const char *name, struct passwd *pw,
				       char *buf, size_t len, int *errnop)
{
	struct ds_snap_user user;
	struct nss_hold hold;
	int r = nss_snap_get(&hold);

	if (r != 0)
		return nss_result(r, errnop);
	r = ds_resolve_user(hold.snap, name, &user);
	if (r == 0)
		r = nss_fill_passwd(&user, pw, buf, len);
	nss_snap_put(&hold);
	return nss_result(r, errnop);
}

enum nss_status _nss_dssync_getpwuid_r(uid_t uid, struct passwd *pw, char *buf,
				       size_t len, int *errnop)
{
	struct ds_snap_user user;
	struct nss_hold hold;
	int r = nss_snap_get(&hold);

	if (r != 0)
		return nss_result(r, errnop);
	r = ds_snap_user_by_uid(hold.snap, uid, &user);
	if (r == 0)
		r = nss_fill_passwd(&user, pw, buf, len);
	nss_snap_put(&hold);
	return nss_result(r, errnop);
}

static int fill_next(const struct ds_snap *snap, uint32_t index, void *result,
		     char *buf, size_t len)
{
	struct ds_snap_user user;
	int r = ds_snap_user_at(snap, index, &user);

	return r != 0 ? r : nss_fill_passwd(&user, result, buf, len);
}

enum nss_status _nss_dssync_setpwent(int stayopen)
{
	int ignored;

	(void)stayopen; /* lookups never disturb it */
	return nss_walk_start(&nss_walk_passwd, &ignored);
}

enum nss_status _nss_dssync_getpwent_r(struct passwd *pw, char *buf,
				       size_t len, int *errnop)
{
	return nss_walk_next(&nss_walk_passwd, fill_next, pw, buf, len,
			     errnop);
}

enum nss_status _nss_dssync_endpwent(void)
{
	nss_walk_end(&nss_walk_passwd);
	return NSS_STATUS_SUCCESS;
}

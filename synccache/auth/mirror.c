/*
 * The two snapshots that a login decision reads.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "lib/log.h"
#include "synccache/auth/auth.h"

static void refresh(struct ds_snap *snap, const char *path,
		    enum ds_snap_kind kind)
{
	struct ds_snap fresh;
	int r;

	if (snap->base != NULL && !ds_snap_changed(snap, path))
		return;
	r = ds_snap_open(path, kind, 0, &fresh);
	if (r != 0) {
		/* A file that vanished or is damaged: the old one stands. */
		if (snap->base != NULL)
			ds_log(DS_LOG_WARN,
			       "%s: %s; the previous one is "
			       "used on",
			       path, ds_strerror(r));
		return;
	}
	ds_snap_close(snap);
	*snap = fresh;
}

void dsa_mirror_refresh(struct dsa_mirror *mirror)
{
	refresh(&mirror->base, DS_PUBLIC_SNAP, DS_SNAP_BASE);
	refresh(&mirror->accounts, DS_ACCOUNTS_SNAP, DS_SNAP_ACCOUNTS);
}

void dsa_mirror_done(struct dsa_mirror *mirror)
{
	ds_snap_close(&mirror->base);
	ds_snap_close(&mirror->accounts);
}

bool dsa_mirror_has_uid(struct dsa_mirror *mirror, uid_t uid)
{
	struct ds_snap_user user;

	dsa_mirror_refresh(mirror);
	return uid != 0 && mirror->base.base != NULL &&
	       ds_snap_user_by_uid(&mirror->base, uid, &user) == 0;
}

int dsa_mirror_find(const struct dsa_mirror *mirror,
		    const struct ds_guid *guid, struct ds_snap_user *ret_user,
		    struct ds_snap_account *ret_account)
{
	struct ds_snap_account account;
	struct ds_snap_identity id;
	struct ds_snap_user user;
	int r;

	if (mirror->base.base == NULL || mirror->accounts.base == NULL)
		return DS_ERR_UNAVAIL;
	r = ds_snap_account_by_guid(&mirror->accounts, guid, &account);
	if (r == 0)
		r = ds_snap_user_by_uid(&mirror->base, account.uid, &user);
	if (r == 0)
		r = ds_snap_user_identity(&mirror->base, user.index, &id);
	if (r != 0)
		return r;
	if (!ds_guid_equal(&id.guid, guid))
		return DS_ERR_CONFLICT;
	*ret_user = user;
	*ret_account = account;
	return 0;
}

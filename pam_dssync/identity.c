/*
 * Who is PAM_USER?  The module finds out itself, in the snapshot that only
 * root writes, so that a server that says yes to everything admits nobody who
 * is not a user of the domain, and no local user at all.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <syslog.h>

#include <security/pam_ext.h>

#include "lib/passwd.h"
#include "lib/resolve.h"
#include "lib/snapshot.h"
#include "pam_dssync/internal.h"

/* The name leads to an object of the snapshot that has this uid. */
static int match_object(struct pds_call *call, const struct ds_snap *snap,
			uid_t uid, struct pds_identity *ret_id)
{
	/* What to say of a user that does not match. */
	int no_match =
	    ds_snap_id_ok(snap, uid) ? DS_ERR_CONFLICT : DS_ERR_NOTFOUND;
	char quoted[PDS_QUOTED_MAX];
	struct ds_snap_identity object;
	struct ds_snap_user user;

	if (ds_resolve_user(snap, call->user, &user) != 0)
		return no_match;
	if (user.uid != uid || !ds_snap_id_ok(snap, user.uid)) {
		pds_log(call, LOG_NOTICE,
			"\"%s\" has uid %lu in passwd, but %lu in the domain: "
			"not taken for the domain's user",
			pds_quote(quoted, call->user), (unsigned long)uid,
			(unsigned long)user.uid);
		return no_match;
	}
	if (ds_snap_user_identity(snap, user.index, &object) != 0)
		return no_match;
	ret_id->guid = object.guid;
	ret_id->uid = user.uid;
	ret_id->gid = user.gid;
	return 0;
}

int pds_identify(struct pds_call *call, struct pds_identity *ret_id)
{
	struct ds_snap snap;
	uid_t uid;
	int err;

	err = ds_passwd_uid(call->user, &uid);
	if (err == 0 && uid == 0)
		err = DS_ERR_NOTFOUND;
	if (err)
		return err;
	err = ds_snap_open(PDS_SNAPSHOT, DS_SNAP_BASE, PDS_SNAPSHOT_OWNER,
			   &snap);
	if (err) {
		/* Local users log in without a snapshot, and without us. */
		if (uid < PDS_ID_FLOOR || uid > PDS_ID_CEILING)
			return DS_ERR_NOTFOUND;
		pds_log(call, LOG_ERR, "%s: %s", PDS_SNAPSHOT,
			err == DS_ERR_SYS ? strerror(errno)
					  : ds_strerror(err));
		return DS_ERR_UNAVAIL;
	}
	err = match_object(call, &snap, uid, ret_id);
	ds_snap_close(&snap);
	return err;
}

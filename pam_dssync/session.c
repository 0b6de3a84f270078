/*
 * setcred and session: the ticket that the password brought becomes the
 * user's ticket cache, and goes away at the end.
 *
 * Applications call setcred, open_session or both, in either order and some
 * in a process other than that of auth; whichever comes first does the work
 * and the other finds it done.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "pam_dssync/internal.h"

/*
 * Not ours is said with PAM_USER_UNKNOWN, which the profile ignores.  All
 * else is success: a login that was allowed does not fail for want of a
 * ticket, and a key login has none.
 */
static int ours(struct pds_call *call)
{
	struct pds_identity id;
	int err = pds_identify(call, &id);

	return err == DS_ERR_NOTFOUND || err == DS_ERR_CONFLICT
		   ? pds_err_to_pam(call->stage, err)
		   : PAM_SUCCESS;
}

int pds_setcred(struct pds_call *call)
{
	/*
	 * pam_setcred(3) allows one of these; without any it establishes.
	 * What is stored for a user who changed in between (sudo sets
	 * PAM_USER anew) is ccache.c's to judge, as is a handle for nobody.
	 */
	if (call->flags & PAM_DELETE_CRED)
		pds_ccache_destroy(call);
	else
		pds_ccache_store(call, call->flags & (PAM_REINITIALIZE_CRED |
						      PAM_REFRESH_CRED));
	return ours(call);
}

int pds_open_session(struct pds_call *call)
{
	pds_ccache_store(call, false);
	return ours(call);
}

int pds_close_session(struct pds_call *call)
{
	pds_ccache_destroy(call);
	return ours(call);
}

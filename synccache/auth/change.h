/*
 * A password change that a user asks for: the old password proven, the KDC
 * and the identity with it, then kpasswd.  Runs in a worker, blocks.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_CHANGE_H
#define DSA_CHANGE_H

#include "synccache/auth/login.h"

/*
 * CHANGE of lib/proto.h: both passwords empty asks whether this account's is
 * changed here at all; an empty new one proves the old one.  The new password
 * leaves the host only after all that dsa_login() proves, and in FAST armour
 * if the login had it.  After a forced change the new password is checked by
 * dsa_login() as well, which compares the SID: anything but its OK is the
 * result then.  All in 23 s.  *login is the result, wholly set, as by
 * dsa_login(); its ccache is never set.
 */
void dsa_change(const struct dsa_server *server,
		const struct ds_snap_account *account,
		const char *old_password, const char *new_password,
		struct dsa_login *login);

#endif

/*
 * password: where a password is changed.  Accounts of a managed domain change
 * theirs in the tenant, not here, so the user is told so, and before a new
 * password was typed for nothing.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <syslog.h>

#include <security/pam_ext.h>

#include "pam_dssync/internal.h"

#define ELSEWHERE                                                             \
	"The password of this account is changed where your organization "    \
	"keeps it, not on this computer."

int pds_chauthtok(struct pds_call *call)
{
	char quoted[PDS_QUOTED_MAX];
	const struct pds_login *login;
	struct pds_identity id;
	int err;

	err = pds_identify(call, &id);
	if (err)
		return pds_err_to_pam(PDS_PASSWORD, err);
	/* The server's own words, where it said how when it saw the login. */
	login = pds_login_recall(call, id.uid);
	pds_show(call, true,
		 login && login->new_password && *login->text ? login->text
							      : ELSEWHERE);
	pds_log(call, LOG_NOTICE,
		"\"%s\": the password cannot be changed on this host",
		pds_quote(quoted, call->user));
	return PAM_PERM_DENIED;
}

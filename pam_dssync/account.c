/*
 * account: may this user come in now?  Asked for every way in, SSH keys
 * included.  A uid of our range is permitted or denied, never ignored.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <string.h>
#include <syslog.h>

#include <security/pam_ext.h>

#include "pam_dssync/internal.h"

static void log_event(struct pds_call *call, const char *what, const char *why)
{
	char quoted[PDS_QUOTED_MAX];

	pds_log(call, LOG_NOTICE, "\"%s\"%s: %s",
		pds_quote(quoted, call->user), what, why);
}

int pds_account(struct pds_call *call)
{
	const struct pds_login *login;
	struct pds_identity id;
	struct pds_reply reply;
	bool denied;
	int err, code;

	err = pds_identify(call, &id);
	if (err) {
		pds_audit_error(call, "", err);
		return pds_err_to_pam(PDS_ACCOUNT, err);
	}
	err = pds_request_account(call, &id, &reply);
	if (err) {
		pds_audit_error(call, pds_socket(), err);
		return pds_err_to_pam(PDS_ACCOUNT, err);
	}
	/*
	 * The password stage of this login may know more than the mirror: the
	 * KDC itself said that the password must be changed.
	 */
	login = pds_login_recall(call, id.uid);
	if (reply.result == DS_AUTH_OK && login && login->new_password)
		reply.result = DS_AUTH_NEW_PASSWORD;
	code = pds_result_to_pam(PDS_ACCOUNT, reply.result);
	denied = code != PAM_SUCCESS && code != PAM_NEW_AUTHTOK_REQD;
	if (code != PAM_SUCCESS)
		log_event(call, denied ? " denied" : "",
			  pds_result_text(reply.result));
	/* Once is enough, where the password stage has said the same. */
	if (!login || strcmp(login->text, reply.text) != 0)
		pds_show(call, denied, reply.text);
	return code;
}

/*
 * auth: does the password belong to the object that PAM_USER means?
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <string.h>
#include <syslog.h>

#include <security/pam_ext.h>

#include "pam_dssync/internal.h"

/* Refused before anything is sent; returns a PAM code. */
static int check_form(struct pds_call *call, const char *password)
{
	/*
	 * An empty password is an unauthenticated bind to many services; a
	 * KDC never gets to see one, whatever the flags say.
	 */
	if (!*password)
		pds_audit(call, "bad-password", "the password is empty");
	else if (strlen(password) > DS_PASSWORD_MAX)
		pds_audit(call, "bad-password", "the password is too long");
	else
		return PAM_SUCCESS;
	return PAM_AUTH_ERR;
}

static void log_decision(struct pds_call *call, const struct pds_identity *id,
			 uint32_t result)
{
	char quoted[PDS_QUOTED_MAX], guid[DS_GUID_STR_MAX];

	if (result == DS_AUTH_OK || result == DS_AUTH_NEW_PASSWORD)
		pds_log(call, LOG_INFO, "\"%s\" authenticated as object %s%s",
			pds_quote(quoted, call->user),
			ds_guid_to_str(&id->guid, guid),
			result == DS_AUTH_OK
			    ? ""
			    : "; the password must be changed");
	else
		pds_log(call, LOG_NOTICE, "\"%s\" not authenticated: %s",
			pds_quote(quoted, call->user),
			pds_result_text(result));
}

/* Acts on a decision; returns a PAM code. */
static int decided(struct pds_call *call, const struct pds_identity *id,
		   const struct pds_reply *reply)
{
	int code = pds_result_to_pam(PDS_AUTH, reply->result);
	struct pds_login login = {
		.uid = id->uid,
		.new_password = reply->result == DS_AUTH_NEW_PASSWORD,
	};

	log_decision(call, id, reply->result);
	pds_show(call, code != PAM_SUCCESS, reply->text);
	if (code != PAM_SUCCESS)
		return code;
	memcpy(login.text, reply->text, sizeof(login.text));
	pds_login_remember(call, &login);
	if (reply->has_handle)
		pds_handle_remember(call, reply->handle);
	return code;
}

int pds_auth(struct pds_call *call)
{
	struct pds_identity id;
	struct pds_reply reply;
	const char *password;
	int err, code;

	/* Not ours: no prompt, no delay, nothing over the socket. */
	err = pds_identify(call, &id);
	if (err) {
		pds_audit_error(call, "", err);
		return pds_err_to_pam(PDS_AUTH, err);
	}
	/* libpam waits only if the whole stack fails. */
	if (!call->options.nodelay)
		pam_fail_delay(call->pamh, PDS_FAIL_DELAY_US);
	code = pds_password(call, &password);
	if (code != PAM_SUCCESS)
		return code;
	code = check_form(call, password);
	if (code != PAM_SUCCESS)
		return code;
	err = pds_request_auth(call, &id, password, &reply);
	if (err) {
		pds_audit_error(call, pds_socket(), err);
		return pds_err_to_pam(PDS_AUTH, err);
	}
	code = decided(call, &id, &reply);
	explicit_bzero(&reply, sizeof(reply));
	return code;
}

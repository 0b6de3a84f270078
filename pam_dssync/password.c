/*
 * password: changes the password of an account that has it in the domain, and
 * tells everybody else where theirs is changed, before a new one was typed
 * for nothing.
 *
 * libpam calls this twice for each change, first to hear whether it can
 * succeed.  That is when the old password is asked for and proven; it waits in
 * PAM_OLDAUTHTOK, which libpam wipes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <string.h>
#include <syslog.h>

#include <security/pam_ext.h>

#include "pam_dssync/internal.h"

static void log_event(struct pds_call *call, int priority, const char *what)
{
	char quoted[PDS_QUOTED_MAX];

	pds_log(call, priority, "\"%s\": %s", pds_quote(quoted, call->user),
		what);
}

/* One question; shows what the server says.  Returns a PAM code. */
static int ask(struct pds_call *call, const struct pds_identity *id,
	       const char *old_password, const char *new_password)
{
	struct pds_reply reply = { .result = DS_AUTH_UNAVAILABLE };
	int err =
	    pds_request_change(call, id, old_password, new_password, &reply);
	int code;

	if (err) {
		pds_audit_error(call, pds_socket(), err);
		pds_show(call, true,
			 "The password cannot be changed now; try again "
			 "later.");
		return pds_err_to_pam(PDS_PASSWORD, err);
	}
	code = pds_result_to_pam(PDS_PASSWORD, reply.result);
	if (code != PAM_SUCCESS)
		log_event(call, LOG_NOTICE, pds_result_text(reply.result));
	pds_show(call, code != PAM_SUCCESS, reply.text);
	return code;
}

/* What of an item is to be used without asking; else asks, if it may. */
static int get_token(struct pds_call *call, int item, const char *prompt,
		     bool ask_nobody, const char **ret_token)
{
	const void *token = NULL;
	const char *typed = NULL;
	int code = pam_get_item(call->pamh, item, &token);

	if (code == PAM_SUCCESS && !token && !ask_nobody) {
		code = pam_get_authtok(call->pamh, item, &typed, prompt);
		token = typed;
	}
	if (code == PAM_CONV_AGAIN)
		return PAM_INCOMPLETE;
	/* Two new ones that differ, which the user was told. */
	if (code == PAM_TRY_AGAIN)
		return code;
	if (code != PAM_SUCCESS || !token)
		return item == PAM_OLDAUTHTOK ? PAM_AUTHTOK_RECOVERY_ERR
					      : PAM_AUTHTOK_ERR;
	*ret_token = token;
	return PAM_SUCCESS;
}

static bool form_ok(struct pds_call *call, const char *token)
{
	if (*token && strlen(token) <= DS_PASSWORD_MAX)
		return true;
	pds_audit(call, "denied", "a password is empty or too long");
	return false;
}

/* Can it be changed from here, and is the old one right? */
static int prepare(struct pds_call *call, const struct pds_identity *id)
{
	const char *old_password = NULL;
	int code = ask(call, id, "", "");

	if (code != PAM_SUCCESS)
		return code;
	/* root is asked as well: the domain knows only its own. */
	code = get_token(call, PAM_OLDAUTHTOK,
			 "Current password: ", call->options.use_first_pass,
			 &old_password);
	if (code != PAM_SUCCESS)
		return code;
	if (!form_ok(call, old_password))
		return PAM_AUTHTOK_RECOVERY_ERR;
	return ask(call, id, old_password, "");
}

static int update(struct pds_call *call, const struct pds_identity *id)
{
	const char *old_password = NULL, *new_password = NULL;
	int code = get_token(call, PAM_OLDAUTHTOK, NULL, true, &old_password);

	if (code == PAM_SUCCESS)
		code = get_token(call, PAM_AUTHTOK, NULL,
				 call->options.use_authtok ||
				     call->options.use_first_pass,
				 &new_password);
	if (code != PAM_SUCCESS)
		return code;
	if (!form_ok(call, new_password) || !form_ok(call, old_password))
		return PAM_AUTHTOK_ERR;
	code = ask(call, id, old_password, new_password);
	if (code != PAM_SUCCESS)
		return code;
	log_event(call, LOG_NOTICE, "the password was changed");
	pds_login_changed(call, id->uid);
	return PAM_SUCCESS;
}

int pds_chauthtok(struct pds_call *call)
{
	struct pds_identity id;
	int err = pds_identify(call, &id);
	int code;

	if (err) {
		pds_audit_error(call, "", err);
		return pds_err_to_pam(PDS_PASSWORD, err);
	}
	code = call->flags & PAM_PRELIM_CHECK ? prepare(call, &id)
					      : update(call, &id);
	/*
	 * At a forced change sshd passes on what a module had to say only with
	 * this code: people have to hear why, and where to go.
	 */
	if ((call->flags & PAM_CHANGE_EXPIRED_AUTHTOK) &&
	    (code == PAM_PERM_DENIED || code == PAM_AUTHTOK_ERR))
		code = PAM_AUTH_ERR;
	return code;
}

/*
 * Where a call begins and ends, and the two mappings to PAM codes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>

#include "lib/log.h"
#include "pam_dssync/internal.h"

static const char *const stage_names[] = {
	[PDS_AUTH] = "auth",         [PDS_CRED] = "setcred",
	[PDS_ACCOUNT] = "account",   [PDS_SESSION] = "session",
	[PDS_PASSWORD] = "password",
};

int pds_begin(struct pds_call *call, int argc, const char **argv)
{
	char quoted[PDS_QUOTED_MAX];
	int code;

	pds_options_parse(call, argc, argv);
	code = pam_get_user(call->pamh, &call->user, NULL);
	if (code == PAM_CONV_AGAIN)
		return PAM_INCOMPLETE;
	if (code != PAM_SUCCESS)
		return code;
	if (!call->user || !*call->user)
		return PAM_USER_UNKNOWN;
	if (call->options.debug)
		pds_log(call, LOG_DEBUG, "%s: \"%s\", flags 0x%x",
			stage_names[call->stage],
			pds_quote(quoted, call->user),
			(unsigned int)call->flags);
	return PAM_SUCCESS;
}

int pds_end(struct pds_call *call, int code)
{
	if (call->options.debug)
		pds_log(call, LOG_DEBUG, "%s: %s", stage_names[call->stage],
			pam_strerror(call->pamh, code));
	return code;
}

/* "The service cannot be asked now", in the words of each stage. */
static int unavailable(enum pds_stage stage)
{
	switch (stage) {
	case PDS_CRED:
		return PAM_CRED_UNAVAIL;
	case PDS_SESSION:
		return PAM_SESSION_ERR;
	case PDS_PASSWORD:
		return PAM_TRY_AGAIN;
	case PDS_AUTH:
	case PDS_ACCOUNT:
		break;
	}
	return PAM_AUTHINFO_UNAVAIL;
}

/*
 * Every default is a refusal.  The profile ignores PAM_USER_UNKNOWN and
 * nothing else, so that code is given only where no uid of ours is at stake,
 * or where ignoring the module cannot let anyone in (auth, password).
 */
int pds_err_to_pam(enum pds_stage stage, int err)
{
	switch ((enum ds_err)err) {
	case DS_OK:
		return PAM_SUCCESS;
	case DS_ERR_NOTFOUND:
		return PAM_USER_UNKNOWN;
	case DS_ERR_CONFLICT:
		return stage == PDS_ACCOUNT ? PAM_PERM_DENIED
					    : PAM_USER_UNKNOWN;
	case DS_ERR_DENIED:
		return PAM_PERM_DENIED;
	case DS_ERR_NOMEM:
		return PAM_BUF_ERR;
	case DS_ERR_UNAVAIL:
	case DS_ERR_TIMEOUT:
	case DS_ERR_CLOSED:
	case DS_ERR_SYS:
	case DS_ERR_UNSAFE:
	/* A reply that breaks the protocol decides nothing. */
	case DS_ERR_FORMAT:
	case DS_ERR_VERSION:
	case DS_ERR_LIMIT:
		return unavailable(stage);
	case DS_ERR_RANGE:
	case DS_ERR_CONFIG:
	case DS_ERR_INVAL:
		break;
	}
	return PAM_SYSTEM_ERR;
}

/*
 * The error table of the design.  Two choices in it:
 *
 * A locked account gives PAM_PERM_DENIED, not PAM_MAXTRIES.  The KDC says
 * "locked" before it looks at the password, and programs treat PAM_MAXTRIES
 * visibly differently (sshd stops offering passwords, login hangs up), so it
 * would tell a stranger which accounts exist and are locked.
 *
 * A password that must be changed proves the user all the same, and is the
 * account stage's to report.
 */
int pds_result_to_pam(enum pds_stage stage, uint32_t result)
{
	switch (result) {
	case DS_AUTH_OK:
		return PAM_SUCCESS;
	case DS_AUTH_NEW_PASSWORD:
		return stage == PDS_AUTH ? PAM_SUCCESS : PAM_NEW_AUTHTOK_REQD;
	case DS_AUTH_BAD_PASSWORD:
	case DS_AUTH_DELAYED: /* not PAM_MAXTRIES, which would tell */
		return PAM_AUTH_ERR;
	case DS_AUTH_REJECTED:
		return stage == PDS_PASSWORD ? PAM_AUTHTOK_ERR
					     : PAM_SYSTEM_ERR;
	case DS_AUTH_UNKNOWN:
		/* In the account stage a uid of ours is never ignored. */
		return stage == PDS_AUTH ? PAM_USER_UNKNOWN : PAM_PERM_DENIED;
	case DS_AUTH_EXPIRED:
		return PAM_ACCT_EXPIRED;
	case DS_AUTH_DISABLED:
	case DS_AUTH_LOCKED:
	case DS_AUTH_HOURS:
	case DS_AUTH_DENIED:
		return PAM_PERM_DENIED;
	case DS_AUTH_UNAVAILABLE:
		return unavailable(stage);
	}
	return PAM_SYSTEM_ERR;
}

const char *pds_result_text(uint32_t result)
{
	static const char *const texts[] = {
		[DS_AUTH_OK] = "accepted",
		[DS_AUTH_NEW_PASSWORD] = "the password must be changed",
		[DS_AUTH_BAD_PASSWORD] = "the password is wrong",
		[DS_AUTH_UNKNOWN] = "dssync-auth does not know the user",
		[DS_AUTH_DISABLED] = "the account is disabled",
		[DS_AUTH_EXPIRED] = "the account has expired",
		[DS_AUTH_LOCKED] = "the account is locked",
		[DS_AUTH_HOURS] = "outside the logon hours",
		[DS_AUTH_DENIED] = "denied",
		[DS_AUTH_UNAVAILABLE] = "nobody can check the password now",
		[DS_AUTH_DELAYED] = "not checked after too many failures",
		[DS_AUTH_REJECTED] = "the domain rejects the new password",
	};

	if (result >= sizeof(texts) / sizeof(texts[0]))
		return "an unknown answer of dssync-auth";
	return texts[result];
}

const char *pds_item(struct pds_call *call, int type)
{
	const void *item = NULL;

	if (pam_get_item(call->pamh, type, &item) != PAM_SUCCESS || !item)
		return "";
	return item;
}

const char *pds_ruser(struct pds_call *call, char buf[PDS_RUSER_MAX])
{
	const char *said = pds_item(call, PAM_RUSER);

	if (*said)
		return said;
	*buf = '\0';
	if (getuid() != geteuid())
		snprintf(buf, PDS_RUSER_MAX, "#%lu", (unsigned long)getuid());
	return buf;
}

const char *pds_quote(char buf[PDS_QUOTED_MAX], const char *s)
{
	return ds_escape(buf, PDS_QUOTED_MAX, s);
}

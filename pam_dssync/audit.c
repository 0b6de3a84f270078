/*
 * Refusals of which dssync-auth never hears: a line each in the form of its
 * own, see dssync-audit(7), through syslog.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>

#include "lib/log.h"
#include "pam_dssync/internal.h"

static const char *or_null(const char *text)
{
	return *text ? text : NULL;
}

void pds_audit(struct pds_call *call, const char *result, const char *reason)
{
	static const char *const events[] = {
		[PDS_AUTH] = "auth",
		[PDS_ACCOUNT] = "account",
		[PDS_PASSWORD] = "password",
	};
	char ruser[PDS_RUSER_MAX], caller[16], text[4096];
	bool is_root = geteuid() == 0;
	/* What others may have made long comes last. */
	const struct ds_field fields[] = {
		{ "user", call->user, false },
		{ "caller", is_root ? NULL : caller, true },
		{ "result", result, false },
		{ "reason", reason, false },
		{ "service", or_null(pds_item(call, PAM_SERVICE)), false },
		{ "tty", or_null(pds_item(call, PAM_TTY)), false },
		{ "rhost", or_null(pds_item(call, PAM_RHOST)), false },
		{ "ruser", or_null(pds_ruser(call, ruser)), false },
	};

	snprintf(caller, sizeof(caller), "%lu", (unsigned long)geteuid());
	pds_log(call, LOG_NOTICE, "%s",
		ds_audit_text(text, sizeof(text), events[call->stage], fields,
			      sizeof(fields) / sizeof(*fields)));
}

void pds_audit_error(struct pds_call *call, const char *where, int err)
{
	const char *why = err == DS_ERR_SYS ? strerror(errno)
			  : err == DS_ERR_CONFLICT
			      ? "the uid is one of the domain's, the name is "
				"not its"
			      : ds_strerror(err);
	const char *result = "unavailable";
	char reason[256];

	/* Not ours: others decide. */
	if (err == DS_ERR_NOTFOUND && !*where)
		return;
	/* As nobody of ours; in the account stage that is a refusal. */
	if (err == DS_ERR_CONFLICT)
		result = call->stage == PDS_ACCOUNT ? "denied" : "unknown";
	snprintf(reason, sizeof(reason), "%s%s%s", where, *where ? ": " : "",
		 why);
	pds_audit(call, result, reason);
}

/*
 * What the module asks of the user and shows to them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <security/pam_ext.h>

#include "lib/log.h"
#include "pam_dssync/internal.h"

/*
 * pam_get_authtok(3) gives the password of an earlier module if there is one,
 * else it prompts and leaves the answer for later modules.  A password that
 * came from before and fails is not asked for again: at most one exchange
 * with the KDC for each password that somebody typed.
 */
int pds_password(struct pds_call *call, const char **ret_password)
{
	const void *item = NULL;
	const char *password = NULL;
	int code;

	if (call->options.use_first_pass) {
		code = pam_get_item(call->pamh, PAM_AUTHTOK, &item);
		password = item;
	} else {
		code = pam_get_authtok(call->pamh, PAM_AUTHTOK, &password,
				       "Password: ");
	}
	switch (code) {
	case PAM_SUCCESS:
		break;
	case PAM_CONV_AGAIN:
		return PAM_INCOMPLETE;
	case PAM_BUF_ERR:
		return PAM_BUF_ERR;
	default: /* the user gave up, or nobody is there to be asked */
		return PAM_AUTH_ERR;
	}
	if (!password)
		return PAM_AUTH_ERR;
	*ret_password = password;
	return PAM_SUCCESS;
}

void pds_show(struct pds_call *call, bool refusal, const char *text)
{
	/* Four bytes for one at worst, and the NUL. */
	char clean[4 * DS_TEXT_MAX + 8];

	if (!*text || (call->flags & PAM_SILENT))
		return;
	ds_clean(clean, sizeof(clean), text);
	/* Whether it could be shown changes nothing. */
	if (refusal)
		pam_error(call->pamh, "%s", clean);
	else
		pam_info(call->pamh, "%s", clean);
}

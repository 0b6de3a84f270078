/*
 * The six entry points of pam(3), and nothing else.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "pam_dssync/internal.h"

#define PDS_PUBLIC __attribute__((visibility("default")))

/* What every entry point does around its worker. */
static int run(struct pds_call *call, int argc, const char **argv,
	       int (*worker)(struct pds_call *call))
{
	int code = pds_begin(call, argc, argv);

	if (code == PAM_SUCCESS)
		code = worker(call);
	return pds_end(call, code);
}

PDS_PUBLIC int pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc,
				   const char **argv)
{
	struct pds_call call = { .pamh = pamh,
				 .stage = PDS_AUTH,
				 .flags = flags };

	return run(&call, argc, argv, pds_auth);
}

PDS_PUBLIC int pam_sm_setcred(pam_handle_t *pamh, int flags, int argc,
			      const char **argv)
{
	struct pds_call call = { .pamh = pamh,
				 .stage = PDS_CRED,
				 .flags = flags };

	return run(&call, argc, argv, pds_setcred);
}

PDS_PUBLIC int pam_sm_acct_mgmt(pam_handle_t *pamh, int flags, int argc,
				const char **argv)
{
	struct pds_call call = { .pamh = pamh,
				 .stage = PDS_ACCOUNT,
				 .flags = flags };

	return run(&call, argc, argv, pds_account);
}

PDS_PUBLIC int pam_sm_open_session(pam_handle_t *pamh, int flags, int argc,
				   const char **argv)
{
	struct pds_call call = { .pamh = pamh,
				 .stage = PDS_SESSION,
				 .flags = flags };

	return run(&call, argc, argv, pds_open_session);
}

PDS_PUBLIC int pam_sm_close_session(pam_handle_t *pamh, int flags, int argc,
				    const char **argv)
{
	struct pds_call call = { .pamh = pamh,
				 .stage = PDS_SESSION,
				 .flags = flags };

	return run(&call, argc, argv, pds_close_session);
}

PDS_PUBLIC int pam_sm_chauthtok(pam_handle_t *pamh, int flags, int argc,
				const char **argv)
{
	struct pds_call call = { .pamh = pamh,
				 .stage = PDS_PASSWORD,
				 .flags = flags };

	return run(&call, argc, argv, pds_chauthtok);
}

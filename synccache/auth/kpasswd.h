/*
 * Changing a password over kpasswd (RFC 3244, version 1): one exchange with
 * the KDC that has just authenticated the user, over the transport of kdc.h.
 * Blocks; in a worker.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_KPASSWD_H
#define DSA_KPASSWD_H

#include "synccache/auth/kdc.h"
#include "synccache/auth/kpwmsg.h"

struct dsa_kpasswd {
	uint16_t code;   /* enum dsa_kpw_code */
	char words[384]; /* the server's, "" none */
};

/*
 * `creds` are for kadmin/changepw, got with the old password.  0: the server
 * has answered, authentically, and *ret says what.  Else krb5's code: nothing
 * is known then, since a request whose answer was lost is not repeated.
 * `kdc` must have answered before; its port and clock are set anew.
 */
krb5_error_code dsa_kpasswd(krb5_context ctx, struct dsa_kdc *kdc,
			    krb5_creds *creds, const char *new_password,
			    struct dsa_kpasswd *ret);

#endif

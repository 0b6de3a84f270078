/*
 * One AS exchange: a password or a key for a ticket.  Blocks; in a worker.
 *
 * FAST (RFC 6113) wraps the exchange in a key that only the host and the
 * domain know, the session key of the host's own TGT.  A reply inside it
 * proves the KDC; an error inside it hides its e-data, so that the state of
 * an account has to be read from the mirror then.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_AS_H
#define DSA_AS_H

#include <krb5.h>
#include <stdbool.h>
#include <stdint.h>

#include "synccache/auth/kdc.h"

struct dsa_as {
	krb5_context ctx;
	krb5_principal client;
	const char *password; /* or NULL, and */
	krb5_keytab kt;       /* the client's keys */
	krb5_ccache armour;   /* the host's TGT: FAST or nothing; NULL: none */
	struct dsa_kdc *kdc;  /* whom to ask */
	/* Set by an exchange. */
	bool asked; /* the KDC wanted a proof, and the password went into it */
	uint32_t ntstatus;  /* enum dsa_ntstatus, of a failure's e-data */
	uint32_t kdc_error; /* KRB-ERROR's error-code, 0: there was none */
};

#define DSA_CHANGEPW "kadmin/changepw"

/* AES only; `service` NULL: a TGT.  *ret_creds is the caller's to free. */
krb5_error_code dsa_as_exchange(struct dsa_as *as, const char *service,
				krb5_creds *ret_creds);

#endif

/*
 * The proof behind a password: that the KDC which liked it knows the host's
 * key, and whom it says it authenticated.
 *
 * A TGT alone proves nothing, since a false KDC can make one.  A ticket for
 * the host itself does: only the domain can encrypt one in the host's key
 * together with the session key that the client was told.  Inside is the PAC,
 * signed with the same key, with the SID of the object that logged in; a name
 * can move to another object, a SID cannot.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_PROOF_H
#define DSA_PROOF_H

#include <krb5.h>
#include <stdbool.h>

#include "lib/sid.h"

struct dsa_proof {
	krb5_principal client; /* as the ticket names it; owned */
	struct ds_sid sid;     /* of the user, from the PAC */
	/* Of a failure: what, and krb5's code if it is one (else 0). */
	const char *problem;
	krb5_error_code code;
};

/*
 * Checks `service`, a ticket for the host that came with the password's TGT,
 * with the host's keys in kt; `host` is the principal that owns them.  Asks
 * no KDC.  True only if everything holds: no key, no PAC and no SID are
 * failures.  Sets *proof wholly; dsa_proof_done() in either case.
 */
bool dsa_proof_read(krb5_context ctx, krb5_keytab kt, krb5_principal host,
		    const krb5_creds *service, struct dsa_proof *proof);
void dsa_proof_done(krb5_context ctx, struct dsa_proof *proof);

#endif

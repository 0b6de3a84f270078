/*
 * What a Kerberos error means for a login: the boundary from krb5's codes to
 * ours, in one function (MS-KILE 3.3.5.6.3).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_KRBERR_H
#define DSA_KRBERR_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/proto.h"

struct dsa_verdict {
	enum ds_auth_result result;
	/* The KDC said so after it had seen the right password, so that the
	 * person at the keyboard may be told. */
	bool proven;
};

enum dsa_stage {
	DSA_STAGE_AS,     /* the client's own exchange */
	DSA_STAGE_VERIFY, /* the proof that the KDC knows the host's key */
};

/*
 * `code` is a krb5_error_code and not 0, `ntstatus` from e-data (or 0);
 * `preauth_sent`: the KDC had asked for a proof of the password and got it
 * before it answered this.  KEY_EXP gives NEW_PASSWORD, unproven: the caller
 * proves the password another way.  Never DS_AUTH_OK.  A code that is not in
 * the table is a refusal, so that nothing a KDC invents counts as "no KDC".
 */
struct dsa_verdict dsa_krb_verdict(enum dsa_stage stage, int32_t code,
				   uint32_t ntstatus, bool preauth_sent);

/*
 * Inside FAST a KDC gives no NTSTATUS, and "locked" may mean disabled, expired
 * or outside the logon hours too: `state`, what the mirror or a domain
 * controller says, makes it precise, and DENIED is a state that nobody says.
 * A KDC does not look at the password of a locked account, so the caller gives
 * LOCKED where the mirror knows of a lockout, whatever else it knows.  A
 * refusal stays one.
 */
struct dsa_verdict dsa_krb_silent(struct dsa_verdict verdict,
				  enum ds_auth_result state,
				  bool preauth_sent);

/*
 * Whether an exchange in armour failed because of the armour: nothing about
 * the password then.  `kdc_error` is KRB-ERROR's code, 0 if there was none.
 */
bool dsa_krb_bad_armour(int32_t code, uint32_t kdc_error, bool preauth_sent);

#endif

/*
 * "Revoked", says a KDC inside FAST, and not why: disabled, expired, locked,
 * or outside the logon hours.  The worker goes by the mirror, which may be
 * old; so a domain controller is asked before that is said to anyone.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_REVOKED_H
#define DSA_REVOKED_H

#include "synccache/auth/auth.h"
#include "synccache/auth/krberr.h"

enum dsa_revoked {
	DSA_REVOKED_NOT = 0,   /* the KDC has said something else, or why */
	DSA_REVOKED_FIRST = 1, /* it had not asked for the password */
	DSA_REVOKED_AFTER = 2, /* the password was in what it answered */
};

/*
 * Why, as `account` has it: not disabled, expired or logon hours where the
 * account is locked, or may be, since no password was looked at then.  DENIED:
 * it does not say.
 */
enum ds_auth_result dsa_revoked_state(const struct ds_snap_account *account,
				      uint64_t now_filetime);

/*
 * A domain controller is asked about subject, and said() called once, later,
 * with the verdict and its origin in words; not where the configuration has
 * the mirror decide alone (live_check = never), or on any failure.  False: it
 * will not be called.
 */
typedef void (*dsa_revoked_said)(void *arg, const struct dsa_verdict *verdict,
				 const char *origin);
DS_MUST_CHECK bool dsa_revoked_ask(struct dsa_server *server,
				   const struct dsa_subject *subject,
				   enum dsa_revoked revoked,
				   dsa_revoked_said said, void *arg);

#endif

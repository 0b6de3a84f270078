/*
 * A password against its verifier, and a new verifier from a password that
 * was right: in the worker that checks it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_OFFCHECK_H
#define DSA_OFFCHECK_H

#include "synccache/auth/auth.h"
#include "synccache/auth/login.h"

struct dsa_offcheck {
	const struct dsa_server *server;
	const struct ds_snap_account *account;
	struct dsa_secret key; /* made of the password; .p NULL: unusable */
	int dir;
	uint64_t epoch;
	struct dsa_health health; /* as the KDC's answer shows it */
};

/*
 * Before a KDC is asked, so that nothing is kept that was dropped while it
 * was.  Where offline logins are off the others do nothing.
 */
void dsa_offcheck_begin(struct dsa_offcheck *check,
			const struct dsa_server *server,
			const struct ds_snap_account *account,
			const char *password);
void dsa_offcheck_end(struct dsa_offcheck *check);

/*
 * Decides without the domain, and takes as long for every reason to refuse.
 * Waits until end_ms, ds_now_ms(), for those who came before; who waited in
 * vain is told DS_AUTH_UNAVAILABLE, and has used up no try.  False, and *login
 * untouched: offline logins are off.  Else *login is wholly set; it holds no
 * secrets.
 */
bool dsa_offcheck_run(const struct dsa_offcheck *check, int64_t end_ms,
		      struct dsa_login *login);

/*
 * The KDC has been proven, and the password and the identity by it.  After the
 * verdict: it takes the time of a KDF.  Logs what fails.
 */
void dsa_offcheck_keep(const struct dsa_offcheck *check);

/* How many verifiers there are now; 0: nobody knows. */
uint32_t dsa_offcheck_count(const struct dsa_server *server);

/* The password has been changed: the old one is good for nothing now. */
void dsa_offcheck_drop(const struct dsa_server *server,
		       const struct ds_snap_account *account);

#endif

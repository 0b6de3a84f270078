/*
 * One password against the domain's KDC.  Runs in a worker, blocks.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_LOGIN_H
#define DSA_LOGIN_H

#include "synccache/auth/auth.h"
#include "synccache/auth/revoked.h"

struct dsa_login {
	enum ds_auth_result result;
	/* Which result's text to show; `proven` as in krberr.h. */
	enum ds_auth_result say;
	bool proven;
	/* Of change.h: no password was looked at, so that this is neither a
	 * failure nor the end of one. */
	bool unasked;
	enum dsa_revoked revoked;        /* and nobody said why */
	char text[DS_TEXT_MAX + 1];      /* in place of that text; "": none */
	char reason[DSA_REASON_MAX + 1]; /* for the audit */
	char principal[DSA_PRINCIPAL_MAX + 1]; /* of the ticket */
	struct dsa_secret ccache; /* the TGT alone, if the result is OK */
	struct dsa_tgt tgt;       /* a new one of the host's, or none */
	struct dsa_found found;   /* about KDCs */
	struct dsa_health health; /* of the host */
	int64_t kdc_ms;           /* -1: no KDC was asked */
	enum dsa_kdc_word heard;  /* from the KDCs */
	/* Of offcheck.h: decided without a KDC. */
	bool offline;
	uint32_t offline_kdf_us;
	/* Of change.h: the old password may be good for nothing now. */
	bool changed;
};

/*
 * The AS exchange with the enterprise principal (in FAST armour if the config
 * and the domain have it so), the proof that the KDC knows the host's key
 * (fail closed), the comparison of the client's name and SID with the mirrored
 * object, and the object's state.  At most one exchange that counts as an
 * attempt: a wrong password is never sent twice.  It takes some 16 s at most,
 * and ends at `end_ms`, ds_now_ms(), if that is sooner.
 *
 * *login is the result, wholly set; its ccache and tgt are the caller's to
 * free.
 */
void dsa_login(const struct dsa_server *server,
	       const struct ds_snap_account *account, const char *password,
	       int64_t end_ms, struct dsa_login *login);

#endif

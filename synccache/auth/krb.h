/*
 * Kerberos contexts that no environment reaches, and the host's keytab.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_KRB_H
#define DSA_KRB_H

#include <krb5.h>
#include <stddef.h>

#include "lib/err.h"
#include "lib/snapshot.h"

#define DSA_KRB5_CONF DS_RUN_DIR "/krb5.conf" /* the monitor writes it */

/* The encryption types that are spoken at all; returns their number. */
size_t dsa_krb_etypes(krb5_enctype **ret_list);

/*
 * A context from the one file `conf` only, with `realm` as default realm.
 * Returns krb5's code; the caller frees the context.
 */
krb5_error_code dsa_krb_context(const char *conf, const char *realm,
				krb5_context *ret_ctx);

/* krb5's text for a code, cut to cap; returns buf. */
char *dsa_krb_text(krb5_context ctx, krb5_error_code code, char *buf,
		   size_t cap);

/*
 * The enterprise principal (RFC 6806 5; MS-KILE 3.3.5.6.1) of an account:
 * its UPN, or SAM@REALM if it has none, as one component of any bytes.
 */
krb5_error_code dsa_krb_enterprise(krb5_context ctx, const char *realm,
				   const struct ds_snap_account *account,
				   krb5_principal *ret_principal);

/*
 * Whether `who`, the client that the KDC named, is the mirrored account: one
 * component that is its sAMAccountName, in `realm`.  ASCII case is folded, as
 * the directory does; other bytes are exact.  Compares components and not
 * texts, so nothing is escaped.  A name can move to another object: the SID
 * of proof.h is compared as well.
 */
bool dsa_krb_is_account(krb5_const_principal who, const char *realm,
			const struct ds_snap_account *account);

/*
 * Seconds that the KDC's clock is ahead of ours, after an AS exchange, whose
 * reply tells it to libkrb5.  False: not known.
 */
bool dsa_krb_clock(krb5_context ctx, int32_t *ret_seconds);

#endif

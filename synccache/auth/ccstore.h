/*
 * A user's ticket cache, made and removed as that user.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_CCSTORE_H
#define DSA_CCSTORE_H

#include <krb5.h>
#include <stddef.h>

/*
 * Stores FILE format bytes (one principal, at least one credential) in a new
 * cache of the type that the context's default cache name has: FILE (as
 * FILE:/tmp/krb5cc_UID_XXXXXX, made with O_EXCL and mode 0600), DIR, KEYRING
 * or KCM.  A folder of DIR that is not the user's own, or that others can
 * write, is refused.  Returns krb5's code; on failure nothing is left.
 * *ret_name, the full name, is the caller's to free().
 */
krb5_error_code dsa_ccstore(krb5_context ctx, const void *p, size_t len,
			    char **ret_name);

/*
 * Puts them in the place of what is in a cache of one of those types that is
 * there, and has the same principal; a FILE at once, so that nobody ever finds
 * it empty.
 */
krb5_error_code dsa_ccrefresh(krb5_context ctx, const void *p, size_t len,
			      const char *name);

/* Removes a cache of one of those types by its full name. */
krb5_error_code dsa_ccdestroy(krb5_context ctx, const char *name);

#endif

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
 * or KCM.  Returns krb5's code; on failure nothing is left.  *ret_name, the
 * full name, is the caller's to free().
 */
krb5_error_code dsa_ccstore(krb5_context ctx, const void *p, size_t len,
			    char **ret_name);

/* Removes a cache of one of those types by its full name. */
krb5_error_code dsa_ccdestroy(krb5_context ctx, const char *name);

#endif

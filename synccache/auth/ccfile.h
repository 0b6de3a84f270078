/*
 * Ticket caches as bytes: the FILE format, version 4, as MIT's documentation
 * "Credential cache file format" has it (big-endian).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_CCFILE_H
#define DSA_CCFILE_H

#include <krb5.h>

#include "lib/buf.h"

/*
 * Writes a cache whose default principal is cred->client and that holds one
 * credential, filed under `server` (NULL: cred->server).  The writer's own
 * error says if it did not fit.
 */
void dsa_ccfile_put(struct ds_writer *w, const krb5_creds *cred,
		    krb5_const_principal server);

/*
 * Opens such bytes as a read-only cache.  *ret_fd must stay open as long as
 * the cache is used; the caller closes both.
 */
krb5_error_code dsa_ccfile_open(krb5_context ctx, const void *p, size_t len,
				krb5_ccache *ret_cc, int *ret_fd);

#endif

/*
 * A password check: what the worker does with the connection that it
 * inherits.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_CHECK_H
#define DSA_CHECK_H

#include "synccache/auth/auth.h"

#define DSA_REQUEST_MAX 4096 /* bytes of any request frame of PAM */
#ifndef DSA_CHECK_MS         /* only tests have others */
#define DSA_CHECK_MS   24000 /* a worker's whole life; see kdc.c, change.c */
#define DSA_OFFLINE_MS 10000 /* more, where many may wait for a KDF */
#endif

/*
 * Reads the AUTH or CHANGE frame from `conn`, decides, and reports SUBJECT and
 * VERDICT to `out` (job.h).  Never writes to `conn`: the main process answers.
 * `caller` is 0, or the only uid about which the caller may ask.
 */
void dsa_check_run(const struct dsa_server *server, int conn, uid_t caller,
		   int out);

#endif

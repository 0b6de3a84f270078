/*
 * Is there a KDC again?  In a worker: asks for a ticket of the host's own and
 * looks only at whether anybody answers.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_PROBE_H
#define DSA_PROBE_H

#include "synccache/auth/auth.h"

#define DSA_PROBE_MS 24000 /* kdc.c has less */

/* Sends a PROBED (job.h) to `out`. */
void dsa_probe_run(const struct dsa_server *server, int out);

#endif

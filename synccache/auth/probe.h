/*
 * A ticket of the host's own is asked for, and not kept.  Is there a KDC
 * again, whatever it says?  And does the domain know the host by its key?
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_PROBE_H
#define DSA_PROBE_H

#include "synccache/auth/auth.h"

#define DSA_PROBE_MS 24000 /* kdc.c has less */

/* In a worker: sends a PROBED (job.h) to `out`. */
void dsa_probe_run(const struct dsa_server *server, int out);

struct dsa_probed {
	uint32_t word; /* enum dsa_kdc_word */
	/* OK; DENIED: a KDC says no; UNAVAILABLE: none does, or there is no
	 * common time.  `why` says which, "" if well. */
	uint32_t result;
	char why[DS_TEXT_MAX + 1];
	struct dsa_health health;
};
DS_MUST_CHECK int dsa_probed_read(const struct ds_frame *frame,
				  struct dsa_probed *ret_probed);

/*
 * In the main process: HOST (proto.h).  `said` is called once, at once or
 * later.
 */
void dsa_host_ask(struct dsa_server *server, dsa_account_said said, void *arg);

#endif

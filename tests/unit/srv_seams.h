/*
 * Included first in the test build of srv_lookup.c: name servers and a clock
 * of the test's own.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef SRV_SEAMS_H
#define SRV_SEAMS_H

#include <resolv.h>

int srv_test_query(struct __res_state *state, const char *name, int class,
		   int type, unsigned char *answer, int cap);

#undef res_nquery
#define res_nquery srv_test_query
#define ds_now_ms  srv_test_now

#endif

/*
 * Included before every source of the gates where they are built for tests:
 * small numbers, and deadlines that a test sets.  Those that it does not try
 * are so long that no machine is too slow for them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef GATE_SEAMS_H
#define GATE_SEAMS_H

/* In ms; gate_world.c has what they are where no test says otherwise. */
extern int gate_request_ms, gate_rest_ms, gate_queue_ms, gate_check_ms,
    gate_delay_ms;

#define DSA_CONNS_MAX       6
#define DSA_USER_CONNS_MAX  4
#define DSA_UID_CONNS_MAX   3
#define DSA_UID_RESTS_MAX   2
#define DSA_UID_CHECKS_MAX  1
#define DSA_CHECKS_MAX      2
#define DSA_USER_CHECKS_MAX 2
#define DSA_PEER_UID        getuid()
#define DSA_REQUEST_MS      gate_request_ms
#define DSA_REST_MS         gate_rest_ms
#define DSA_QUEUE_MS        gate_queue_ms
#define DSA_LINGER_MS       5000
#define DSA_CHECK_MS        gate_check_ms
#define DSA_OFFLINE_MS      0
#define DSA_DELAY_FIRST_MS  gate_delay_ms
#define DSA_DELAY_LAST_MS   (gate_delay_ms + 200)

#endif

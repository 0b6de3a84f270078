/*
 * What the tests of offline logins share: a host, two of its users, and clocks
 * that are arguments, so that days, reboots and set clocks take no time.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TESTS_OFFLINE_WORLD_H
#define TESTS_OFFLINE_WORLD_H

#include "synccache/auth/verifier.h"

#define DAY_MS      INT64_C(86400000)
#define NOW_SECONDS INT64_C(1800000000)

extern const uint8_t host[DSA_HOST_KEY_LEN];
extern const uint8_t other_host[DSA_HOST_KEY_LEN];
extern const struct ds_guid alice;
extern const struct ds_guid bob;

/* A verifier of this password on `host`, made now. */
struct dsa_verifier make(const struct ds_guid *guid, const char *password);
/* A moment of the boot number `boot`. */
struct dsa_now at(int64_t real_ms, uint64_t boot_ms, uint8_t boot);
/* A house clock that starts then. */
struct dsa_clock started(struct dsa_now now);

/* For a group of tests: a folder, and in it the path of one of verifiers that
 * is not there yet, nor after the tests. */
extern char top[], path[];
int make_top(void **state);
int remove_top(void **state);

#endif

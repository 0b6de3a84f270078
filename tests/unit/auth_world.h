/*
 * dssync-auth's state with the small domain of snap_world.h as its mirror, and
 * a scripted live check.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TESTS_AUTH_WORLD_H
#define TESTS_AUTH_WORLD_H

#include "synccache/auth/auth.h"
#include "tests/unit/snap_world.h"

#define DRILEY "driley@aaddscontoso.com" /* W_DRILEY */

/* password_change_url is "https://x". */
extern struct dsa_server server;

int auth_world_setup(void **state);
int auth_world_teardown(void **state);
/* For each test: both snapshots are there, nobody was looked at. */
void auth_world_fresh(void);

/* Who answers a look, in place of dsa_look(): the test, by
 * look_heard(look_arg,
 * ...), which is NULL before. */
extern int looks;
extern int look_fails; /* what dsa_look() returns */
extern dsa_look_heard look_heard;
extern void *look_arg;

#endif

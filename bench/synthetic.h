/*
 * A synthetic domain: SYN_USERS users in SYN_GROUPS groups.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef BENCH_SYNTHETIC_H
#define BENCH_SYNTHETIC_H

#include <stdint.h>

#define SYN_USERS           20000u
#define SYN_GROUPS          1000u
#define SYN_GROUPS_PER_USER 21u
#define SYN_UID0            1100000u
#define SYN_GID0            1000000u /* every user's primary group */
#define SYN_DOMAIN          "aaddscontoso.com"

/* Once, before the others. */
void syn_names_make(void);
const char *syn_user_name(uint32_t i);
uint32_t syn_uid(uint32_t i);

/* Writes and stamps the snapshot at `path`; 0 or a ds_err. */
int syn_write(const char *path);

#endif

/*
 * Included first in every file of the NSS module's test build: another file,
 * another owner and a clock that a test can hurry.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef NSS_SEAMS_H
#define NSS_SEAMS_H

#include <sys/types.h>

extern char nss_test_path[];
extern uid_t nss_test_owner;
long nss_test_now(void);

#undef DS_PUBLIC_SNAP
#define DS_PUBLIC_SNAP nss_test_path
#define DS_SNAP_OWNER  nss_test_owner
#define DS_SNAP_NOW    nss_test_now()

#endif

/*
 * The module's seams where a test never opens a file with it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/nss_seams.h"

char nss_test_path[] = "/nonexistent";
uid_t nss_test_owner;

long nss_test_now(void)
{
	return 0;
}

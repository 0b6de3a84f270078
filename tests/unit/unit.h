/*
 * What every unit test includes: cmocka wants these first.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <dirent.h>
#include <stdlib.h>

#include <cmocka.h>

/*
 * For the longest loops: each n-th round where DSSYNC_TEST_STEP says so, as
 * under valgrind.  41, a prime, walks through all values of each of several
 * dimensions and through their pairs.
 */
static inline size_t unit_step(void)
{
	const char *text = getenv("DSSYNC_TEST_STEP");
	size_t step = text ? strtoul(text, NULL, 10) : 1;

	return step ? step : 1;
}

/* How many descriptors are open: to be compared with another such number. */
static inline int unit_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

#endif

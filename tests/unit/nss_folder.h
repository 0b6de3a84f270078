/*
 * The NSS module over a snapshot in a folder of the test's own, and over a
 * clock of its own.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TEST_NSS_FOLDER_H
#define TEST_NSS_FOLDER_H

#include "tests/unit/unit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/nss_seams.h"
#include "nss_dssync/nss_dssync.h"
#include "tests/unit/snap_world.h"

enum nss_status _nss_dssync_getpwnam_r(const char *, struct passwd *, char *,
				       size_t, int *);
enum nss_status _nss_dssync_getpwuid_r(uid_t, struct passwd *, char *, size_t,
				       int *);
enum nss_status _nss_dssync_setpwent(int);
enum nss_status _nss_dssync_getpwent_r(struct passwd *, char *, size_t, int *);
enum nss_status _nss_dssync_endpwent(void);
enum nss_status _nss_dssync_getgrnam_r(const char *, struct group *, char *,
				       size_t, int *);
enum nss_status _nss_dssync_getgrgid_r(gid_t, struct group *, char *, size_t,
				       int *);
enum nss_status _nss_dssync_setgrent(int);
enum nss_status _nss_dssync_getgrent_r(struct group *, char *, size_t, int *);
enum nss_status _nss_dssync_endgrent(void);
enum nss_status _nss_dssync_initgroups_dyn(const char *, gid_t, long *, long *,
					   gid_t **, long, int *);

#define DRILEY "driley@aaddscontoso.com"

char nss_test_path[64];
uid_t nss_test_owner;

/* The module's clock: stands still until a test lets a second pass. */
static atomic_long test_time = 1;
static atomic_bool test_time_flies;

long nss_test_now(void)
{
	return test_time_flies ? atomic_fetch_add(&test_time, 1) : test_time;
}

static char dir[] = "nss_XXXXXX";

static inline int setup(void **state)
{
	(void)state;
	nss_test_owner = geteuid();
	if (!mkdtemp(dir))
		return -1;
	snprintf(nss_test_path, sizeof(nss_test_path), "%s/base.1.snap", dir);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	unlink(nss_test_path);
	return rmdir(dir);
}

static inline void publish(uint32_t policy, uint64_t generation)
{
	size_t size;
	uint8_t *image = world_image(policy, generation, &size);

	world_publish(nss_test_path, image, size);
	free(image);
	test_time++;
}

#endif

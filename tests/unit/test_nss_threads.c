/*
 * The NSS module in many threads and their children, while snapshots are
 * published: every answer is one of a whole snapshot.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/unit/nss_folder.h"

static atomic_bool stop;
static atomic_ulong lookups;
static atomic_int wrong;

/*
 * One round of lookups; false if an answer is not one of a whole snapshot.
 * Nothing is allocated: after a fork, a sanitizer's heap may be locked.
 */
static bool round_ok(void)
{
	char b[1024];
	struct passwd p;
	struct group g;
	gid_t array[8], *groups = array;
	long start = 0, size = 8;
	bool ok = true;
	int err;

	ok &= _nss_dssync_getpwnam_r(DRILEY, &p, b, sizeof(b), &err) ==
		  NSS_STATUS_SUCCESS &&
	      p.pw_uid == WORLD_UID0 && strcmp(p.pw_name, DRILEY) == 0;
	ok &= _nss_dssync_getpwuid_r(WORLD_UID0 + W_SMITH, &p, b, sizeof(b),
				     &err) == NSS_STATUS_SUCCESS &&
	      strcmp(p.pw_dir, "/home/jane.smith@contoso.com") == 0;
	ok &= _nss_dssync_getgrgid_r(WORLD_GID0, &g, b, sizeof(b), &err) ==
		  NSS_STATUS_SUCCESS &&
	      g.gr_mem[W_USERS - 1] && !g.gr_mem[W_USERS];
	ok &= _nss_dssync_initgroups_dyn(DRILEY, WORLD_GID0, &start, &size,
					 &groups, -1,
					 &err) == NSS_STATUS_SUCCESS &&
	      start == 2;
	ok &= _nss_dssync_getpwnam_r("nobody@x", &p, b, sizeof(b), &err) ==
	      NSS_STATUS_NOTFOUND;
	return ok && groups == array;
}

static void *looker(void *arg)
{
	(void)arg;
	while (!stop) {
		if (!round_ok())
			wrong++;
		lookups++;
	}
	return NULL;
}

static uint8_t *next_image[2];
static size_t next_size[2];

static void *publisher(void *arg)
{
	int i;

	(void)arg;
	for (i = 0; !stop; i++)
		world_publish(nss_test_path, next_image[i % 2],
			      next_size[i % 2]);
	return NULL;
}

static unsigned mapped(void)
{
	char line[512];
	unsigned n = 0;
	FILE *f = fopen("/proc/self/maps", "re");

	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, "base.1.snap") != NULL;
	if (f)
		fclose(f);
	return n;
}

static int ms_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int)((now.tv_sec - then->tv_sec) * 1000 +
		     (now.tv_nsec - then->tv_nsec) / 1000000);
}

static void threads_and_forks(void **state)
{
	pthread_t threads[4], pub;
	struct timespec began;
	int i, forks = 0, status;

	(void)state;
	publish(0, 9);
	next_image[0] = world_image(0, 10, &next_size[0]);
	next_image[1] = world_image(DS_SNAP_SHORT_NAMES, 11, &next_size[1]);
	test_time_flies = true; /* each lookup looks at the file */
	clock_gettime(CLOCK_MONOTONIC, &began);
	assert_int_equal(pthread_create(&pub, NULL, publisher, NULL), 0);
	for (i = 0; i < 4; i++)
		assert_int_equal(
		    pthread_create(&threads[i], NULL, looker, NULL), 0);
	while (ms_since(&began) < 1500 || lookups <= 10 || forks < 2) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			alarm(120); /* a lock that nobody holds any more */
			for (i = 0; i < 20; i++)
				if (!round_ok())
					_exit(1);
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
		forks++;
	}
	stop = true;
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	pthread_join(pub, NULL);
	free(next_image[0]);
	free(next_image[1]);
	test_time_flies = false;
	assert_int_equal(wrong, 0);
	/* and what is replaced is unmapped: only the current one is left */
	assert_true(round_ok());
	assert_int_equal(mapped(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_and_forks),
	};
	return cmocka_run_group_tests_name("nss, threads", tests, setup,
					   teardown);
}

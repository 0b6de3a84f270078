/*
 * The NSS module, its real sources over a file of ours: answers, buffers,
 * errors, enumeration, files that are replaced.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/nss_folder.h"

static struct passwd pw;
static struct group gr;
static char buf[4096];

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* First: nothing is open yet. */
static void missing_and_bad_files(void **state)
{
	int err = 0;

	(void)state;
	assert_int_equal(
	    _nss_dssync_getpwnam_r(DRILEY, &pw, buf, sizeof(buf), &err),
	    NSS_STATUS_UNAVAIL);
	assert_int_equal(err, ENOENT);
	assert_int_equal(
	    _nss_dssync_getgrgid_r(WORLD_GID0, &gr, buf, sizeof(buf), &err),
	    NSS_STATUS_UNAVAIL);
	assert_int_equal(_nss_dssync_getpwent_r(&pw, buf, sizeof(buf), &err),
			 NSS_STATUS_UNAVAIL);
	assert_int_equal(_nss_dssync_setgrent(0), NSS_STATUS_UNAVAIL);
	world_publish(nss_test_path, "rubbish", 7);
	assert_int_equal(
	    _nss_dssync_getpwnam_r(DRILEY, &pw, buf, sizeof(buf), &err),
	    NSS_STATUS_UNAVAIL);
	publish(0, 1);
	nss_test_owner++; /* somebody else's */
	assert_int_equal(
	    _nss_dssync_getpwnam_r(DRILEY, &pw, buf, sizeof(buf), &err),
	    NSS_STATUS_UNAVAIL);
	nss_test_owner--;
	assert_int_equal(chmod(nss_test_path, 0666), 0);
	assert_int_equal(
	    _nss_dssync_getpwnam_r(DRILEY, &pw, buf, sizeof(buf), &err),
	    NSS_STATUS_UNAVAIL);
	/* And as soon as there is a good one, it answers; errno is kept. */
	publish(0, 1);
	errno = 4711;
	err = 4712;
	assert_int_equal(
	    _nss_dssync_getpwnam_r(DRILEY, &pw, buf, sizeof(buf), &err),
	    NSS_STATUS_SUCCESS);
	assert_int_equal(errno, 4711);
	assert_int_equal(err, 4712);
	/* A bad one after that changes nothing. */
	world_publish(nss_test_path, "rubbish", 7);
	test_time++;
	assert_int_equal(
	    _nss_dssync_getpwnam_r(DRILEY, &pw, buf, sizeof(buf), &err),
	    NSS_STATUS_SUCCESS);
	unlink(nss_test_path);
	test_time++;
	errno = 4711;
	assert_int_equal(
	    _nss_dssync_getpwnam_r(DRILEY, &pw, buf, sizeof(buf), &err),
	    NSS_STATUS_SUCCESS);
	assert_int_equal(errno, 4711);
	publish(0, 2);
}

static void passwd_fields(void **state)
{
	static const char *const typed[] = { DRILEY, "AADDSCONTOSO\\DRILEY",
					     "Driley@AADDSContoso.com" };
	int err = 0;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		memset(&pw, 0, sizeof(pw));
		if (i < 3)
			assert_int_equal(
			    _nss_dssync_getpwnam_r(typed[i], &pw, buf,
						   sizeof(buf), &err),
			    NSS_STATUS_SUCCESS);
		else
			assert_int_equal(
			    _nss_dssync_getpwuid_r(WORLD_UID0 + W_DRILEY, &pw,
						   buf, sizeof(buf), &err),
			    NSS_STATUS_SUCCESS);
		assert_string_equal(pw.pw_name, DRILEY);
		assert_string_equal(pw.pw_passwd, "*");
		assert_string_equal(pw.pw_gecos, "Dana Riley");
		assert_string_equal(pw.pw_dir, "/home/" DRILEY);
		assert_string_equal(pw.pw_shell, "/bin/bash");
		assert_int_equal(pw.pw_uid, WORLD_UID0 + W_DRILEY);
		assert_int_equal(pw.pw_gid, WORLD_GID0);
	}
	assert_int_equal(
	    _nss_dssync_getpwnam_r("driley", &pw, buf, sizeof(buf), &err),
	    NSS_STATUS_NOTFOUND);
	assert_int_equal(err, ENOENT);
	assert_int_equal(
	    _nss_dssync_getpwuid_r(0, &pw, buf, sizeof(buf), &err),
	    NSS_STATUS_NOTFOUND);
	assert_int_equal(
	    _nss_dssync_getpwuid_r((uid_t)-1, &pw, buf, sizeof(buf), &err),
	    NSS_STATUS_NOTFOUND);
}

/* Every size until it fits, each in a buffer of exactly that size. */
static void passwd_buffers(void **state)
{
	size_t need = sizeof(DRILEY) + 2 + sizeof("Dana Riley") +
		      sizeof("/home/" DRILEY) + sizeof("/bin/bash");
	size_t len;
	int err;

	(void)state;
	for (len = 0; len <= need + 8; len++) {
		char *exact = malloc(len ? len : 1);
		enum nss_status st[2];

		err = 0;
		st[0] = _nss_dssync_getpwnam_r(DRILEY, &pw, exact, len, &err);
		if (st[0] == NSS_STATUS_TRYAGAIN)
			assert_int_equal(err, ERANGE);
		st[1] =
		    _nss_dssync_getpwuid_r(WORLD_UID0, &pw, exact, len, &err);
		assert_int_equal(st[0], len < need ? NSS_STATUS_TRYAGAIN
						   : NSS_STATUS_SUCCESS);
		assert_int_equal(st[0], st[1]);
		free(exact);
	}
}

static void group_buffers(void **state)
{
	int tries = 0, err;
	size_t len, shift;

	(void)state;
	for (shift = 0; shift < sizeof(char *); shift++) {
		enum nss_status st = NSS_STATUS_TRYAGAIN;

		for (len = 0; st == NSS_STATUS_TRYAGAIN; len++, tries++) {
			char *exact = malloc(len + shift + 1);

			memset(exact, 0x5a, len + shift + 1);
			err = 0;
			st = _nss_dssync_getgrnam_r(
			    "aad dc administrators@aaddscontoso.com", &gr,
			    exact + shift, len, &err);
			assert_int_equal(exact[len + shift], 0x5a);
			if (st == NSS_STATUS_TRYAGAIN)
				assert_int_equal(err, ERANGE);
			else
				assert_string_equal(gr.gr_mem[1],
						    "jane.smith@contoso.com");
			if (st == NSS_STATUS_SUCCESS) {
				assert_int_equal(
				    (uintptr_t)gr.gr_mem % sizeof(char *), 0);
				assert_null(gr.gr_mem[2]);
			}
			free(exact);
		}
		assert_int_equal(st, NSS_STATUS_SUCCESS);
	}
	assert_true(tries > 8 * 80);
}

static void group_fields(void **state)
{
	int err, i;

	(void)state;
	assert_int_equal(
	    _nss_dssync_getgrgid_r(WORLD_GID0, &gr, buf, sizeof(buf), &err),
	    NSS_STATUS_SUCCESS);
	assert_string_equal(gr.gr_name, "domain users@aaddscontoso.com");
	assert_string_equal(gr.gr_passwd, "*");
	assert_int_equal(gr.gr_gid, WORLD_GID0);
	for (i = 0; i < W_USERS; i++) {
		assert_int_equal(_nss_dssync_getpwnam_r(gr.gr_mem[i], &pw,
							buf + 2048, 1024,
							&err),
				 NSS_STATUS_SUCCESS);
		assert_int_equal(pw.pw_uid, WORLD_UID0 + (uint32_t)i);
	}
	assert_null(gr.gr_mem[i]);
	assert_int_equal(_nss_dssync_getgrnam_r("AADDSCONTOSO\\empty", &gr,
						buf, sizeof(buf), &err),
			 NSS_STATUS_SUCCESS);
	assert_null(gr.gr_mem[0]);
	assert_int_equal(
	    _nss_dssync_getgrnam_r("sudo", &gr, buf, sizeof(buf), &err),
	    NSS_STATUS_NOTFOUND);
	assert_int_equal(
	    _nss_dssync_getgrgid_r(27, &gr, buf, sizeof(buf), &err),
	    NSS_STATUS_NOTFOUND);
}

static void enumeration(void **state)
{
	char small[8];
	int err, n = 0;

	(void)state;
	/* without set*ent() too */
	assert_int_equal(
	    _nss_dssync_getpwent_r(&pw, small, sizeof(small), &err),
	    NSS_STATUS_TRYAGAIN);
	assert_int_equal(err, ERANGE);
	while (_nss_dssync_getpwent_r(&pw, buf, sizeof(buf), &err) ==
	       NSS_STATUS_SUCCESS) {
		assert_int_equal(pw.pw_uid, WORLD_UID0 + (uint32_t)n);
		n++;
		/* a publication in between, with other names, is not seen */
		if (n == 2)
			publish(DS_SNAP_BARE_USERS, 3);
		assert_non_null(strchr(pw.pw_name, '@'));
	}
	assert_int_equal(n, W_USERS);
	assert_int_equal(_nss_dssync_getpwent_r(&pw, buf, sizeof(buf), &err),
			 NSS_STATUS_NOTFOUND);
	assert_int_equal(_nss_dssync_setpwent(1), NSS_STATUS_SUCCESS);
	assert_int_equal(_nss_dssync_getpwent_r(&pw, buf, sizeof(buf), &err),
			 NSS_STATUS_SUCCESS);
	assert_string_equal(pw.pw_name, "driley");
	assert_int_equal(_nss_dssync_endpwent(), NSS_STATUS_SUCCESS);
	assert_int_equal(_nss_dssync_endpwent(), NSS_STATUS_SUCCESS);
	publish(0, 4);

	assert_int_equal(_nss_dssync_setgrent(0), NSS_STATUS_SUCCESS);
	for (n = 0; _nss_dssync_getgrent_r(&gr, buf, sizeof(buf), &err) ==
		    NSS_STATUS_SUCCESS;
	     n++)
		assert_int_equal(gr.gr_gid, WORLD_GID0 + (uint32_t)n);
	assert_int_equal(n, W_GROUPS);
	assert_int_equal(_nss_dssync_endgrent(), NSS_STATUS_SUCCESS);
}

static void groups_of_a_user(void **state)
{
	static const uint32_t g1 = WORLD_GID0 + 1, g2 = WORLD_GID0 + 2;
	gid_t *groups = malloc(sizeof(*groups));
	long start = 1, size = 1;
	int err;

	(void)state;
	groups[0] = WORLD_GID0;
	assert_int_equal(_nss_dssync_initgroups_dyn(DRILEY, WORLD_GID0, &start,
						    &size, &groups, -1, &err),
			 NSS_STATUS_SUCCESS);
	assert_int_equal(start, 3);
	assert_true(size >= 3);
	assert_int_equal(groups[0], WORLD_GID0);
	assert_int_equal(groups[1], g1);
	assert_int_equal(groups[2], g2);

	/* `group` is there already, the primary one may not be */
	groups[0] = g1;
	start = 1;
	assert_int_equal(_nss_dssync_initgroups_dyn(DRILEY, g1, &start, &size,
						    &groups, 0, &err),
			 NSS_STATUS_SUCCESS);
	assert_int_equal(start, 3);
	assert_int_equal(groups[1], WORLD_GID0);
	assert_int_equal(groups[2], g2);
	free(groups);

	/* a limit: what fits, and no more room than that */
	for (size = 1; size <= 2; size++) {
		long room = size;

		groups = malloc((size_t)size * sizeof(*groups));
		start = 1;
		assert_int_equal(_nss_dssync_initgroups_dyn(DRILEY, WORLD_GID0,
							    &start, &room,
							    &groups, 2, &err),
				 NSS_STATUS_SUCCESS);
		assert_int_equal(start, 2);
		assert_int_equal(room, 2);
		assert_int_equal(groups[1], g1);
		free(groups);
	}
	groups = NULL;
	start = size = 0;
	assert_int_equal(_nss_dssync_initgroups_dyn("nobody@x", 5, &start,
						    &size, &groups, -1, &err),
			 NSS_STATUS_NOTFOUND);
	assert_int_equal(start, 0);
	/* no room at all is fine too */
	assert_int_equal(_nss_dssync_initgroups_dyn(DRILEY, 5, &start, &size,
						    &groups, -1, &err),
			 NSS_STATUS_SUCCESS);
	assert_int_equal(start, 3);
	free(groups);
}

static void new_files_are_noticed(void **state)
{
	int err, before;

	(void)state;
	publish(0, 5);
	assert_int_equal(
	    _nss_dssync_getpwnam_r("driley", &pw, buf, sizeof(buf), &err),
	    NSS_STATUS_NOTFOUND);
	publish(DS_SNAP_SHORT_NAMES, 6);
	test_time--; /* the same second: not looked at */
	assert_int_equal(
	    _nss_dssync_getpwnam_r("driley", &pw, buf, sizeof(buf), &err),
	    NSS_STATUS_NOTFOUND);
	test_time++;
	before = count_fds();
	assert_int_equal(
	    _nss_dssync_getpwnam_r("driley", &pw, buf, sizeof(buf), &err),
	    NSS_STATUS_SUCCESS);
	assert_string_equal(pw.pw_name, DRILEY);
	assert_int_equal(count_fds(), before);
	publish(0, 7);
}

static void *tiny_stack_thread(void *arg)
{
	char local[512];
	int err;

	(void)arg;
	test_time++; /* look, and open a new file, here */
	return (void *)(uintptr_t)(_nss_dssync_getpwnam_r(
				       DRILEY, &pw, local, sizeof(local),
				       &err) == NSS_STATUS_SUCCESS);
}

/* A process whose standard descriptors are closed, and little stack. */
static void poor_circumstances(void **state)
{
	pthread_attr_t attr;
	pthread_t thread;
	void *ok;
	int status;
	pid_t pid;

	(void)state;
	publish(0, 8);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int err;

		close(0);
		close(1);
		close(2);
		test_time++;
		_exit(_nss_dssync_getpwnam_r(DRILEY, &pw, buf, sizeof(buf),
					     &err) != NSS_STATUS_SUCCESS ||
		      fcntl(0, F_GETFD) != -1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	publish(0, 9);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, (size_t)PTHREAD_STACK_MIN);
	assert_int_equal(
	    pthread_create(&thread, &attr, tiny_stack_thread, NULL), 0);
	assert_int_equal(pthread_join(thread, &ok), 0);
	assert_non_null(ok);
	pthread_attr_destroy(&attr);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(missing_and_bad_files),
		cmocka_unit_test(passwd_fields),
		cmocka_unit_test(passwd_buffers),
		cmocka_unit_test(group_buffers),
		cmocka_unit_test(group_fields),
		cmocka_unit_test(enumeration),
		cmocka_unit_test(groups_of_a_user),
		cmocka_unit_test(new_files_are_noticed),
		cmocka_unit_test(poor_circumstances),
	};
	return cmocka_run_group_tests_name("nss", tests, setup, teardown);
}

/*
 * pam_dssync/child.c: a program run as the user, and an application that does
 * not notice.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/wire.h"
#include "pam_dssync/internal.h"

#define PATIENCE_MS 30000 /* half as long as the scripts sleep */

static char out[4096];
static uid_t test_uid;
static gid_t test_gid;

static int run_with(const char *script, const void *input, size_t len,
		    size_t cap, int timeout_ms)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	struct pds_child child = {
		.argv = argv,
		.uid = test_uid,
		.gid = test_gid,
		.input = input,
		.input_len = len,
	};
	int before = unit_fds(), err, status;

	memset(out, 'x', sizeof(out));
	err = pds_child_run(&child, ds_now_ms() + timeout_ms, out, cap);
	assert_int_equal(unit_fds(), before);
	/* Nobody is left behind, not even a zombie. */
	assert_int_equal(waitpid(-1, &status, __WALL | WNOHANG), -1);
	return err;
}

static int run(const char *script)
{
	return run_with(script, NULL, 0, sizeof(out), PATIENCE_MS);
}

static void expect(const char *script, const char *want)
{
	assert_int_equal(run(script), 0);
	assert_string_equal(out, want);
}

static void input_and_output(void **state)
{
	static uint8_t input[61440];
	char want[32];
	size_t i;

	(void)state;
	expect("echo FILE:/tmp/x", "FILE:/tmp/x\n");
	expect("cat", "");
	assert_int_equal(
	    run_with("cat", "TYPE:name\n", 10, sizeof(out), PATIENCE_MS), 0);
	assert_string_equal(out, "TYPE:name\n");
	for (i = 0; i < sizeof(input); i++)
		input[i] = (uint8_t)i;
	assert_int_equal(run_with("sleep 0.1; cksum | cut -d' ' -f2", input,
				  sizeof(input), sizeof(out), PATIENCE_MS),
			 0);
	snprintf(want, sizeof(want), "%zu\n", sizeof(input));
	assert_string_equal(out, want);
	/* One that never reads is judged by what it says. */
	assert_int_equal(run_with("exec <&-; echo ok", input, sizeof(input),
				  sizeof(out), PATIENCE_MS),
			 0);
}

static void failures(void **state)
{
	const char *const missing[] = { "/nonexistent", NULL };
	struct pds_child child = { .argv = missing,
				   .uid = test_uid,
				   .gid = test_gid };

	(void)state;
	assert_int_equal(run("echo no; exit 1"), DS_ERR_DENIED);
	assert_int_equal(run("kill -9 $$"), DS_ERR_DENIED);
	assert_int_equal(
	    pds_child_run(&child, ds_now_ms() + PATIENCE_MS, out, sizeof(out)),
	    DS_ERR_DENIED);
	assert_int_equal(run("printf 'a\\0b'"), DS_ERR_FORMAT);
	assert_int_equal(run("printf 12345678"), 0);
	assert_int_equal(run_with("printf 12345678", NULL, 0, 9, PATIENCE_MS),
			 0);
	assert_int_equal(run_with("printf 12345678", NULL, 0, 8, PATIENCE_MS),
			 DS_ERR_LIMIT);
	assert_int_equal(run("while :; do echo more; done"), DS_ERR_LIMIT);
}

static void deadlines(void **state)
{
	static const char *const scripts[] = {
		"sleep 60",
		"exec >&- <&-; sleep 60", /* quiet, but there */
		"sleep 60 &",             /* gone, but somebody holds on */
		"trap '' TERM; echo a; while :; do sleep 1; done",
	};
	static uint8_t input[1 << 20];
	int64_t start;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		start = ds_now_ms();
		assert_int_equal(
		    run_with(scripts[i], NULL, 0, sizeof(out), 200),
		    DS_ERR_TIMEOUT);
		assert_in_range(ds_now_ms() - start, 200, PATIENCE_MS);
	}
	/* More input than a socket holds, and nobody who reads. */
	assert_int_equal(
	    run_with("sleep 60", input, sizeof(input), sizeof(out), 200),
	    DS_ERR_TIMEOUT);
}

/* Gone, or dead and nobody's: init may be slow to collect it. */
static bool is_dead(int pid)
{
	char path[40], state = 'Z';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return true;
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 'Z';
	fclose(f);
	return state == 'Z' || state == 'X';
}

/* What is killed is the program, not only who waits for it. */
static void killed_program(void **state)
{
	int pid, i;

	(void)state;
	assert_int_equal(
	    run_with("echo $$; exec sleep 60", NULL, 0, sizeof(out), 2000),
	    DS_ERR_TIMEOUT);
	pid = atoi(out);
	assert_true(pid > 1);
	for (i = 0; i < PATIENCE_MS && !is_dead(pid); i++)
		poll(NULL, 0, 1);
	assert_true(is_dead(pid));
}

/* Even root's child is the user only, and never root. */
static void identity(void **state)
{
	const char *const argv[] = { "/bin/true", NULL };
	struct pds_child child = { .argv = argv };
	const gid_t groups[] = { 4, 27 };
	char want[128];

	(void)state;
	if (geteuid() == 0) {
		assert_int_equal(setgroups(2, groups), 0);
		snprintf(want, sizeof(want), "%u %u %u\n%u %u %u\n\n",
			 test_uid, test_uid, test_uid, test_gid, test_gid,
			 test_gid);
		expect("awk '/^[UG]id:/ { print $2, $3, $4 } "
		       "/^Groups:/ { $1 = \"\"; print }' /proc/self/status",
		       want);
		expect("grep CapEff /proc/self/status",
		       "CapEff:\t0000000000000000\n");
	} else {
		/* Not root: only the caller itself can be run as. */
		child.uid = test_uid + 1;
		child.gid = test_gid;
		assert_int_equal(pds_child_run(&child,
					       ds_now_ms() + PATIENCE_MS, out,
					       sizeof(out)),
				 DS_ERR_DENIED);
	}
	child.uid = 0;
	child.gid = test_gid;
	assert_int_equal(
	    pds_child_run(&child, ds_now_ms() + PATIENCE_MS, out, sizeof(out)),
	    DS_ERR_DENIED);
	child.uid = test_uid;
	child.gid = 0;
	assert_int_equal(
	    pds_child_run(&child, ds_now_ms() + PATIENCE_MS, out, sizeof(out)),
	    DS_ERR_DENIED);
}

static void surroundings(void **state)
{
	int fds[40], i;
	mode_t mask;

	(void)state;
	setenv("KRB5CCNAME", "FILE:/tmp/evil", 1);
	setenv("LD_PRELOAD_X", "evil", 1);
	expect("env | grep -v ^_= | sort",
	       "LANG=C\nPATH=/usr/bin:/bin\nPWD=/\n");
	unsetenv("KRB5CCNAME");
	unsetenv("LD_PRELOAD_X");

	for (i = 0; i < 40; i++)
		fds[i] = dup(2); /* not close-on-exec */
	/* 3 is the directory itself. */
	expect("cd /proc/$$/fd && echo *", "0 1 2 3\n");
	for (i = 0; i < 40; i++)
		close(fds[i]);

	mask = umask(022);
	expect("umask; pwd; ulimit -c", "0077\n/\n0\n");
	assert_int_equal(umask(mask), 022);
	expect("ps -o pgid=,sid= -p $$ | awk '{ print $1 == $2 }'", "1\n");
}

static volatile sig_atomic_t children;

static void on_child(int sig)
{
	int status;

	(void)sig;
	while (waitpid(-1, &status, WNOHANG) > 0)
		;
	children++;
}

/* An application that reaps everything, or ignores SIGCHLD, as sshd did. */
static void signals(void **state)
{
	struct sigaction reaper = { .sa_handler = on_child };
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old, now;
	sigset_t mask, after;
	int sig;

	(void)state;
	sigaction(SIGCHLD, &reaper, &old);
	children = 0;
	expect("echo ok", "ok\n");
	assert_int_equal(run("exit 3"), DS_ERR_DENIED);
	assert_int_equal(children, 0);
	sigaction(SIGCHLD, &ignore, NULL);
	sigaction(SIGPIPE, &ignore, NULL);
	expect("echo ok", "ok\n");
	assert_int_equal(run("exit 3"), DS_ERR_DENIED);

	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGUSR1);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	expect("grep SigBlk /proc/self/status", "SigBlk:\t0000000000000000\n");
	/* Not ignored in the child: it dies of it. */
	assert_int_equal(run("kill -PIPE $$; echo alive"), DS_ERR_DENIED);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (sig = 1; sig < 32; sig++)
		assert_int_equal(sigismember(&after, sig),
				 sig == SIGTERM || sig == SIGUSR1);
	sigaction(SIGCHLD, NULL, &now);
	assert_ptr_equal(now.sa_handler, SIG_IGN);
	sigemptyset(&mask);
	pthread_sigmask(SIG_SETMASK, &mask, NULL);
	sigaction(SIGCHLD, &old, NULL);
	sigaction(SIGPIPE, &old, NULL);
}

static volatile sig_atomic_t stop;

static void *busy(void *arg)
{
	while (!stop) {
		free(malloc(100));
		poll(NULL, 0, 1);
	}
	return arg;
}

/* libc's setresuid() would wait for threads that the child has not. */
static void among_threads(void **state)
{
	pthread_t threads[4];
	int i;

	(void)state;
	for (i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, busy, NULL);
	for (i = 0; i < 20; i++)
		expect("echo ok", "ok\n");
	stop = 1;
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

/* A daemon may have closed its standard descriptors. */
static void without_stdio(void **state)
{
	int saved[3], i;

	(void)state;
	fflush(NULL);
	for (i = 0; i < 3; i++) {
		saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
		close(i);
	}
	i = run_with("cat; test -w /dev/stderr", "TYPE:name\n", 10,
		     sizeof(out), PATIENCE_MS);
	for (int fd = 0; fd < 3; fd++) {
		dup2(saved[fd], fd);
		close(saved[fd]);
	}
	assert_int_equal(i, 0);
	assert_string_equal(out, "TYPE:name\n");
}

static int setup(void **state)
{
	(void)state;
	test_uid = geteuid() ? geteuid() : 54321;
	test_gid = geteuid() ? getegid() : 54322;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(input_and_output),
		cmocka_unit_test(failures),
		cmocka_unit_test(deadlines),
		cmocka_unit_test(killed_program),
		cmocka_unit_test(identity),
		cmocka_unit_test(surroundings),
		cmocka_unit_test(signals),
		cmocka_unit_test(among_threads),
		cmocka_unit_test(without_stdio),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}

/*
 * The worker that waits for a check: spare.c and job.c as they are, and a
 * check that tells what it has inherited.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/auth/auth.h"
#include "synccache/auth/check.h"

#define CALLER 4711u

static struct dsa_server server;

static bool dies; /* before it has a check */

int dsa_verifier_warm(void)
{
	if (dies)
		_exit(7);
	return 0;
}

/* ---- locks: what the sources under test ask the kernel for ---- */

static bool unlimited; /* RLIMIT_MEMLOCK */

static struct {
	pid_t pid; /* who has asked */
	int all;   /* mlockall(2): its flags */
	const void *p[8];
	size_t len[8], count;
} asked;

/* A worker begins with a record of its own, as it does with no locks. */
static void new_record(void)
{
	if (asked.pid != getpid())
		memset(&asked, 0, sizeof(asked));
	asked.pid = getpid();
}

int test_mlock(const void *p, size_t len)
{
	new_record();
	asked.p[asked.count % 8] = p;
	asked.len[asked.count++ % 8] = len;
	return 0;
}

int test_mlockall(int flags)
{
	new_record();
	asked.all = flags;
	return 0;
}

int test_getrlimit(__rlimit_resource_t resource, struct rlimit *ret_limit)
{
	assert_int_equal(resource, RLIMIT_MEMLOCK);
	ret_limit->rlim_cur = unlimited ? RLIM_INFINITY : 65536;
	return 0;
}

/* All that is locked in this process is this secret. */
static bool is_locked(const struct dsa_secret *secret)
{
	return asked.pid == getpid() && asked.count == 1 &&
	       asked.p[0] == secret->p && asked.len[0] == secret->cap;
}

/* ---- the check ---- */

static uint32_t open_descriptors(void)
{
	uint32_t n = 0;

	for (int fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			n++;
	return n;
}

void dsa_check_run(const struct dsa_server *s, int conn, uid_t caller, int out)
{
	uint8_t buf[512];
	struct ds_writer w;
	char name[16], script = '\0';

	if (read(conn, &script, 1) != 1)
		_exit(8);
	while (script == 'h') /* hangs */
		(void)pause();
	(void)prctl(PR_GET_NAME, name);
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DSA_MSG_VERDICT, 0);
	ds_put_u32(&w, (uint32_t)getpid());
	ds_put_u32(&w, caller);
	ds_put_u32(&w, open_descriptors());
	ds_put_str(&w, name);
	ds_put_str(&w, s->kdc);
	ds_put_u32(&w, asked.pid == getpid() ? (uint32_t)asked.all : 0);
	ds_put_u8(&w, is_locked(&s->host_tgt.ccache));
	if (ds_frame_end(&w) != 0 || ds_packet_send(out, &w, -1) != 0)
		_exit(9);
}

static struct {
	int times, ends;
	pid_t pid;
	uint32_t caller, descriptors, all_locked;
	bool ticket_locked;
	char name[16], kdc[64];
} told;

static bool on_check(void *arg, const struct ds_frame *frame)
{
	struct ds_reader r;

	assert_ptr_equal(arg, &told);
	if (frame == NULL) {
		told.ends++;
		return true;
	}
	assert_int_equal(frame->type, DSA_MSG_VERDICT);
	ds_reader_init(&r, frame->payload, frame->len);
	told.pid = (pid_t)ds_get_u32(&r);
	told.caller = ds_get_u32(&r);
	told.descriptors = ds_get_u32(&r);
	ds_get_str(&r, told.name, sizeof(told.name));
	ds_get_str(&r, told.kdc, sizeof(told.kdc));
	told.all_locked = ds_get_u32(&r);
	told.ticket_locked = ds_get_u8(&r);
	assert_int_equal(ds_reader_end(&r), 0);
	told.times++;
	return true;
}

/* Nobody forks for a check that is handed on. */
static void must_not_run(void *arg, int out)
{
	(void)arg;
	(void)out;
	_exit(77);
}

/* ---- the server ---- */

static void run_for(int ms)
{
	const struct timeval tv = { .tv_sec = ms / 1000,
				    .tv_usec = ms % 1000 * 1000 };

	(void)event_base_loopexit(server.base, &tv);
	(void)event_base_dispatch(server.base);
}

static bool soon(bool (*is_so)(void))
{
	for (int i = 0; i < 2000 && !is_so(); i++)
		run_for(5);
	return is_so();
}

static bool is_told(void)
{
	return told.times + told.ends > 0;
}

static bool none_is_left(void)
{
	return server.jobs.first == NULL;
}

static bool none_waits(void)
{
	return !dsa_job_is_waiting(&server.jobs);
}

static size_t waiting(void)
{
	return server.jobs.running[DSA_JOB_SPARE];
}

/* Hands a check on, whose caller sends the one byte; *ret_fd: its end. */
static int hand(char script, int timeout_ms, int *ret_fd)
{
	struct dsa_job_spec spec = {
		.kind = DSA_JOB_CHECK,
		.timeout_ms = timeout_ms,
		.run = must_not_run,
		.heard = on_check,
		.arg = &told,
	};
	int pair[2], r;

	memset(&told, 0, sizeof(told));
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(write(pair[1], &script, 1), 1);
	spec.keep_fd = pair[0];
	r = dsa_spare_hand(&server, &spec, CALLER);
	(void)close(pair[0]);
	*ret_fd = pair[1];
	return r;
}

static void check_is_served(void)
{
	int fd;

	assert_int_equal(hand('.', 5000, &fd), 0);
	assert_true(soon(is_told));
	assert_int_equal(told.times, 1);
	(void)close(fd);
}

static int setup(void **state)
{
	(void)state;
	memset(&server, 0, sizeof(server));
	server.base = event_base_new();
	assert_non_null(server.base);
	assert_true(dsa_jobs_init(&server.jobs, server.base));
	assert_true(dsa_spare_start(&server));
	(void)snprintf(server.kdc, sizeof(server.kdc), "192.0.2.1");
	dsa_spare_refresh(&server);
	assert_true(dsa_job_is_waiting(&server.jobs));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dsa_jobs_done(&server.jobs);
	dsa_spare_stop(&server);
	event_base_free(server.base);
	/* Killed, but not reaped by those that ended. */
	while (waitpid(-1, NULL, 0) > 0)
		;
	return 0;
}

/* ---- tests ---- */

static void test_serves(void **state)
{
	pid_t first;

	(void)state;
	run_for(20);
	assert_int_equal(server.jobs.running[DSA_JOB_CHECK], 0);
	check_is_served();
	assert_int_equal(told.caller, CALLER);
	/* The connection and the channel, nothing else of the server. */
	assert_int_equal(told.descriptors, 2);
	assert_string_equal(told.name, "dssync-auth");
	assert_string_equal(told.kdc, "192.0.2.1");
	assert_int_not_equal(told.pid, getpid());
	/* One check, and it is gone. */
	assert_true(soon(none_is_left));
	assert_int_equal(server.jobs.running[DSA_JOB_CHECK], 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	first = told.pid;
	dsa_spare_soon(&server);
	dsa_spare_soon(&server);
	assert_true(none_waits());
	for (int i = 0; i < 2000 && none_waits(); i++)
		run_for(5);
	assert_int_equal(waiting(), 1);
	check_is_served();
	assert_int_not_equal(told.pid, first);
}

static void test_only_one_waits(void **state)
{
	int fd;

	(void)state;
	for (int i = 0; i < 5; i++)
		dsa_spare_refresh(&server);
	assert_int_equal(waiting(), 1);
	check_is_served();
	/* The next one comes too soon. */
	assert_int_equal(hand('.', 5000, &fd), DS_ERR_NOTFOUND);
	(void)close(fd);
}

/* Each thing that a check reads and that can change, changed. */
static void change(int what)
{
	static uint8_t ticket;

	switch (what) {
	case 0:
		server.mirror.base.file.ino++;
		break;
	case 1:
		server.mirror.base.stamp.generation++;
		break;
	case 2:
		server.mirror.accounts.file.mtime.tv_nsec++;
		break;
	case 3:
		server.mirror.accounts.stamp.generation++;
		break;
	case 4:
		server.keytab.serial++;
		break;
	case 5:
		server.host_tgt.ccache.p = &ticket;
		break;
	case 6:
		server.host_tgt.end++;
		break;
	case 7:
		server.host_tgt.armour = true;
		break;
	case 8:
		server.kdc[8] = '2';
		break;
	case 9:
		server.kdc[0] = '\0';
		break;
	case 10:
		server.fast_seen = true;
		break;
	case 11:
		(void)snprintf(server.site, sizeof(server.site), "WEST");
		break;
	case 12:
		server.offline.clock.seen.real_ms++;
		break;
	case 13:
		(void)snprintf(server.site, sizeof(server.site), "EAST");
		break;
	default:
		server.offline.clock.total_ms++;
		break;
	}
}

#define CHANGES 15

/* Whoever has forgotten to say so: it does not get the check. */
static void test_old_facts_serve_nobody(void **state)
{
	char byte = '\0';
	int fd;

	(void)state;
	for (int i = 0; i < CHANGES; i++) {
		change(i);
		assert_int_equal(hand('.', 5000, &fd), DS_ERR_NOTFOUND);
		/* And it is gone, with all that it knew. */
		assert_false(dsa_job_is_waiting(&server.jobs));
		assert_true(soon(none_is_left));
		/* Nobody has read of the connection: unix(7). */
		assert_int_equal(read(fd, &byte, 1), -1);
		assert_int_equal(errno, ECONNRESET);
		(void)close(fd);
		assert_int_equal(told.times + told.ends, 0);
		dsa_spare_refresh(&server);
		assert_true(dsa_job_is_waiting(&server.jobs));
	}
	check_is_served();
	assert_string_equal(told.kdc, "");
}

static void test_refreshed(void **state)
{
	(void)state;
	for (int i = 0; i < CHANGES; i++) {
		change(i);
		dsa_spare_refresh(&server);
		assert_true(dsa_job_is_waiting(&server.jobs));
		for (int k = 0; k < 2000 && waiting() > 1; k++)
			run_for(5);
		assert_int_equal(waiting(), 1);
		if (i == 8) {
			check_is_served();
			assert_string_equal(told.kdc, "192.0.2.2");
			dsa_spare_refresh(&server);
		}
	}
}

/* The same deadline as any worker's. */
static void test_hangs(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(hand('h', 200, &fd), 0);
	assert_true(soon(is_told));
	assert_int_equal(told.ends, 1);
	assert_true(soon(none_is_left));
	(void)close(fd);
}

static void test_no_slot(void **state)
{
	int fd;

	(void)state;
	server.jobs.running[DSA_JOB_CHECK] = DSA_CHECKS_MAX;
	assert_int_equal(hand('.', 5000, &fd), DS_ERR_LIMIT);
	(void)close(fd);
	server.jobs.running[DSA_JOB_CHECK] = 0;
	check_is_served();
}

/* One that dies without a reason is not made anew again and again. */
static void test_dies(void **state)
{
	int fd;

	(void)state;
	dsa_job_dismiss(&server.jobs);
	server.offline.on = true;
	dies = true;
	dsa_spare_refresh(&server);
	dies = false;
	assert_true(soon(none_is_left));
	assert_true(none_waits());
	dsa_spare_refresh(&server);
	assert_true(none_waits());
	assert_int_equal(hand('.', 5000, &fd), DS_ERR_NOTFOUND);
	(void)close(fd);
	/* Later it is. */
	assert_true(server.spare.pause_until_ms > ds_now_ms());
	server.spare.pause_until_ms = ds_now_ms();
	dsa_spare_refresh(&server);
	check_is_served();
}

/* Locks are not inherited: a worker locks the secrets that it is born with. */
static void test_locks_its_secrets(void **state)
{
	struct dsa_secret *ticket = &server.host_tgt.ccache, gone;

	(void)state;
	assert_int_equal(dsa_secret_copy(&gone, "old", 3, DSA_SECRET_SHARED),
			 0);
	assert_int_equal(
	    dsa_secret_copy(ticket, "ticket", 6, DSA_SECRET_SHARED), 0);
	dsa_secret_done(&gone);
	dsa_spare_refresh(&server);
	check_is_served();
	assert_true(told.ticket_locked);
	assert_int_equal(told.all_locked, 0);
	assert_true(soon(none_is_left));
	/* And everything, where that is allowed. */
	unlimited = true;
	dsa_spare_refresh(&server);
	unlimited = false;
	check_is_served();
	assert_int_equal(told.all_locked,
			 MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
	dsa_secret_done(ticket);
}

/* One of which no worker would know is refused; and places come free. */
static void test_few_secrets_are_shared(void **state)
{
	struct dsa_secret many[64];
	size_t n;

	(void)state;
	for (int again = 0; again < 2; again++) {
		for (n = 0; n < 64; n++)
			if (dsa_secret_init(&many[n], 1, DSA_SECRET_SHARED) !=
			    0)
				break;
		assert_in_range(n, 4, 63);
		assert_int_equal(
		    dsa_secret_init(&many[n], 1, DSA_SECRET_PRIVATE), 0);
		for (size_t i = 0; i <= n; i++)
			dsa_secret_done(&many[i]);
	}
}

/* ---- a main process that is killed ---- */

static void hang(void *arg, int out)
{
	(void)out;
	(void)alarm(60); /* should the test fail */
	if (write(*(int *)arg, "x", 1) == 1)
		for (;;)
			(void)pause();
}

static bool on_hang(void *arg, const struct ds_frame *frame)
{
	(void)arg;
	(void)frame;
	return true;
}

static __attribute__((noreturn)) void main_process(int fd)
{
	struct dsa_job_spec spec = {
		.kind = DSA_JOB_CHECK,
		.keep_fd = fd,
		.run = hang,
		.heard = on_hang,
		.arg = &fd,
	};
	struct event_base *base = event_base_new();
	struct dsa_jobs jobs;

	if (base == NULL || !dsa_jobs_init(&jobs, base) ||
	    dsa_job_start(&jobs, &spec) != 0)
		_exit(1);
	(void)close(fd);
	for (;;)
		(void)pause();
}

static void test_no_worker_outlives_the_main_process(void **state)
{
	struct pollfd p = { .events = POLLIN };
	int fds[2], status;
	char byte;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0)
		main_process(fds[1]);
	(void)close(fds[1]);
	p.fd = fds[0];
	assert_int_equal(read(fds[0], &byte, 1), 1); /* the worker's */
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	/* The worker had the only other end. */
	assert_int_equal(poll(&p, 1, 30000), 1);
	assert_int_equal(read(fds[0], &byte, 1), 0);
	(void)close(fds[0]);
}

int main(void)
{
#define SPARE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		SPARE(test_serves),
		SPARE(test_only_one_waits),
		SPARE(test_old_facts_serve_nobody),
		SPARE(test_refreshed),
		SPARE(test_hangs),
		SPARE(test_no_slot),
		SPARE(test_dies),
		SPARE(test_locks_its_secrets),
		cmocka_unit_test(test_few_secrets_are_shared),
		cmocka_unit_test(test_no_worker_outlives_the_main_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

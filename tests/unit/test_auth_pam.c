/*
 * pam.sock, pam-user.sock and their workers: limits, queue, deadlines,
 * isolation, hostile callers.  pam.c, gate.c and job.c are the real ones,
 * built with small numbers; what a worker does is scripted by the "password"
 * that it is sent.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/auth/audit.h"
#include "synccache/auth/auth.h"
#include "synccache/auth/check.h"
#include "synccache/auth/delay.h"
#include "synccache/auth/fast.h"
#include "synccache/auth/gate.h"

static struct dsa_server server;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
static struct sockaddr_un user_address = { .sun_family = AF_UNIX };
static char dir[] = "/tmp/dsa-pam-XXXXXX";

/* ---- what stands around pam.c ---- */

static struct {
	enum ds_auth_result result;
	uid_t caller;
	char user[DS_USER_MAX + 1];
	char reason[DSA_REASON_MAX + 1];
} audited;

void dsa_audit(const char *event, const struct dsa_subject *subject,
	       enum ds_auth_result result, const char *reason, int64_t kdc_ms)
{
	(void)event;
	(void)kdc_ms;
	audited.result = result;
	audited.caller = subject->caller;
	(void)snprintf(audited.user, sizeof(audited.user), "%s",
		       subject->user);
	(void)snprintf(audited.reason, sizeof(audited.reason), "%s", reason);
}

void dsa_mirror_refresh(struct dsa_mirror *mirror)
{
	(void)mirror;
}

static bool mirrored = true; /* whether we are a user of the domain */

bool dsa_mirror_has_uid(struct dsa_mirror *mirror, uid_t uid)
{
	(void)mirror;
	assert_int_equal(uid, getuid());
	return mirrored;
}

void dsa_report_changed(struct dsa_server *s)
{
	(void)s;
}

void dsa_report_result(struct dsa_server *s, enum ds_auth_result result,
		       const char *reason)
{
	(void)s;
	(void)result;
	(void)reason;
}

/* Answers at once, or when test_account_later() says so. */
static bool answer_later;
static dsa_account_said later_said;
static void *later_arg;
static pid_t account_caller;

void dsa_account_ask(struct dsa_server *s, const struct dsa_caller *caller,
		     const struct ds_frame *frame, dsa_account_said said,
		     void *arg)
{
	(void)s;
	(void)frame;
	account_caller = caller->pid;
	later_said = said;
	later_arg = arg;
	if (!answer_later)
		said(arg, DS_AUTH_OK, "");
}

static int looks;

int dsa_look(struct dsa_looks *l, const struct ds_guid *guid,
	     dsa_look_heard heard, void *arg)
{
	(void)l;
	(void)guid;
	assert_null(heard);
	assert_null(arg);
	looks++;
	return 0;
}

void dsa_ticket_answer(struct dsa_server *s, uid_t caller,
		       const struct ds_frame *frame, struct ds_writer *reply)
{
	(void)s;
	(void)caller;
	(void)frame;
	(void)reply;
	fail();
}

/* ---- the worker ---- */

static uint32_t kept_serial;

void dsa_fast_keep(struct dsa_server *s, struct dsa_tgt *tgt)
{
	(void)s;
	kept_serial = tgt->serial;
}

static enum dsa_kdc_word heard;
static int probes;
static int asked = -1; /* its answer has to be there before the probe */

bool dsa_offline_away(const struct dsa_server *s)
{
	(void)s;
	return true;
}

void dsa_offline_heard(struct dsa_server *s, enum dsa_kdc_word word)
{
	(void)s;
	heard = word;
}

void dsa_offline_probe(struct dsa_server *s)
{
	struct pollfd p = { .fd = asked, .events = POLLIN };

	(void)s;
	probes++;
	assert_int_equal(poll(&p, 1, 0), 1);
}

void dsa_spare_soon(struct dsa_server *s)
{
	(void)s;
}

int dsa_spare_hand(struct dsa_server *s, const struct dsa_job_spec *spec,
		   uid_t caller)
{
	(void)s;
	(void)spec;
	(void)caller;
	return DS_ERR_NOTFOUND;
}

static int late_words;

void dsa_offline_kept(struct dsa_server *s, const struct ds_frame *frame)
{
	assert_ptr_equal(s, &server);
	assert_int_equal(frame->type, DSA_MSG_KEPT);
	late_words++;
}

static enum ds_auth_result verdict = DS_AUTH_OK;

static bool offline;   /* in a worker: by the verifier */
static bool unchecked; /* no password was looked at */

static void say(int out, uint16_t type, const struct dsa_subject *s,
		const char *reason)
{
	const struct dsa_health health = { 0 };
	const struct dsa_tgt tgt = { .serial = 9 };
	uint8_t buf[4096];
	struct ds_writer w;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, type, 0);
	if (type == DSA_MSG_SUBJECT) {
		dsa_subject_write(&w, s);
		ds_put_str(&w, s->user);
		ds_put_u32(&w, 700001);
	} else {
		ds_put_u32(&w, verdict);
		ds_put_u8(&w, verdict == DS_AUTH_OK && !unchecked ? 1 : 0);
		ds_put_u8(&w, unchecked ? 1 : 0);
		ds_put_str(&w, "text");
		ds_put_str(&w, reason);
		ds_put_u64(&w, unchecked ? UINT64_MAX : 5);
		ds_put_str(&w, "p@R");
		ds_put_blob(&w, "ticket", 6);
		ds_put_str(&w, "kdc.example.com");
		dsa_health_put(&w, &health);
		dsa_tgt_put(&w, &tgt);
		ds_put_u32(&w, DSA_KDC_SILENT);
		ds_put_u8(&w, offline ? 1 : 0);
		ds_put_u32(&w, 90000); /* of the KDF, */
		ds_put_u32(&w, 90500); /* and all of it */
	}
	if (ds_frame_end(&w) != 0 || ds_packet_send(out, &w, -1) != 0)
		_exit(9);
}

static size_t open_descriptors(void)
{
	size_t n = 0;

	for (int fd = 3; fd < 1024; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			n++;
	return n;
}

void dsa_check_run(const struct dsa_server *s, int conn, uid_t caller, int out)
{
	static uint8_t buf[DSA_REQUEST_MAX];
	size_t descriptors = open_descriptors();
	struct dsa_subject subject = { 0 };
	struct ds_frame frame;
	struct ds_reader r;
	char script[64], reason[64];

	(void)s;
	(void)caller;
	if (ds_wire_recv(conn, buf, sizeof(buf), ds_now_ms() + 1000, &frame) !=
	    0)
		return;
	ds_reader_init(&r, frame.payload, frame.len);
	dsa_subject_read(&r, &subject);
	ds_get_str(&r, script, sizeof(script));
	if (ds_reader_end(&r) != 0)
		return;
	say(out, DSA_MSG_SUBJECT, &subject, "");
	offline = strcmp(script, "offline") == 0;
	unchecked = strcmp(script, "unchecked") == 0;
	if (strcmp(script, "die") == 0)
		_exit(9);
	if (strcmp(script, "die-late") == 0) {
		(void)usleep(150000);
		_exit(9);
	}
	if (strcmp(script, "hang") == 0)
		for (;;)
			(void)pause();
	if (strcmp(script, "chatter") == 0)
		for (;;) {
			(void)usleep(20000);
			say(out, DSA_MSG_SUBJECT, &subject, "");
		}
	if (strcmp(script, "nonsense") == 0)
		say(out, 77, &subject, "");
	if (strcmp(script, "wrong") == 0)
		verdict = DS_AUTH_BAD_PASSWORD;
	if (strcmp(script, "no kdc") == 0)
		verdict = DS_AUTH_UNAVAILABLE;
	(void)snprintf(reason, sizeof(reason), "%zu descriptors", descriptors);
	say(out, DSA_MSG_VERDICT, &subject, reason);
	if (strcmp(script, "linger") != 0)
		return;
	/* What it says now is nobody's verdict. */
	verdict = DS_AUTH_DENIED;
	say(out, DSA_MSG_VERDICT, &subject, reason);
	say(out, DSA_MSG_KEPT, &subject, reason);
	(void)pause();
}

/* ---- the caller ---- */

static int call_at(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)at, sizeof(*at)),
			 0);
	return fd;
}

static int call(void)
{
	return call_at(&address);
}

static const char *rhost = "";

static struct ds_writer request(uint8_t *buf, size_t cap, uint16_t type,
				const char *script)
{
	struct dsa_subject s = { .user = "alice@example.com" };
	struct ds_writer w;

	(void)snprintf(s.rhost, sizeof(s.rhost), "%s", rhost);
	ds_writer_init(&w, buf, cap);
	ds_frame_begin(&w, type, 42);
	dsa_subject_write(&w, &s);
	if (type != DS_MSG_ACCOUNT)
		ds_put_str(&w, script);
	assert_int_equal(ds_frame_end(&w), 0);
	return w;
}

static int ask_at(const struct sockaddr_un *at, uint16_t type,
		  const char *script)
{
	uint8_t buf[512];
	struct ds_writer w = request(buf, sizeof(buf), type, script);
	int fd = call_at(at);

	assert_int_equal(write(fd, buf, w.len), w.len);
	return fd;
}

static int ask(uint16_t type, const char *script)
{
	return ask_at(&address, type, script);
}

/* As a screen locker does. */
static int ask_as_user(uint16_t type, const char *script)
{
	return ask_at(&user_address, type, script);
}

/* Lets the server work. */
static void run_for(int ms)
{
	const struct timeval tv = { .tv_sec = ms / 1000,
				    .tv_usec = ms % 1000 * 1000 };

	(void)event_base_loopexit(server.base, &tv);
	(void)event_base_dispatch(server.base);
}

/* The result of the reply that comes within ms; -1: the end, -2: nothing. */
static int result_of(int fd, int ms, bool *ret_handle)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t buf[DSA_REQUEST_MAX];
	struct ds_frame frame;
	struct ds_reader r;
	char text[DS_TEXT_MAX + 1];
	int64_t end = ds_now_ms() + ms;
	size_t len = 0;
	int result;

	while (poll(&p, 1, 0) == 0) {
		if (ds_now_ms() > end)
			return -2;
		run_for(10);
	}
	if (ds_wire_recv(fd, buf, sizeof(buf), ds_now_ms() + 100, &frame) != 0)
		return -1;
	assert_int_equal(frame.seq, 42);
	ds_reader_init(&r, frame.payload, frame.len);
	result = (int)ds_get_u32(&r);
	ds_get_str(&r, text, sizeof(text));
	if (frame.type == DS_MSG_AUTH_REPLY)
		(void)ds_get_blob(&r, &len);
	assert_int_equal(ds_reader_end(&r), 0);
	if (ret_handle != NULL)
		*ret_handle = len == DS_HANDLE_LEN;
	return result;
}

static int result_and_close(int fd, int ms)
{
	int result = result_of(fd, ms, NULL);

	(void)close(fd);
	return result;
}

static void no_worker_left(void)
{
	for (int i = 0; i < 200 && server.jobs.first != NULL; i++)
		run_for(50);
	assert_null(server.jobs.first);
	assert_int_equal(server.jobs.running[DSA_JOB_CHECK], 0);
	assert_int_equal(server.jobs.running[DSA_JOB_USER_CHECK], 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void listen_at(struct sockaddr_un *at, const char *name, int number)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)snprintf(at->sun_path, sizeof(at->sun_path), "%s/%s", dir, name);
	assert_int_equal(bind(fd, (struct sockaddr *)at, sizeof(*at)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(dup2(fd, number), number);
	if (fd != number)
		(void)close(fd);
}

static int setup(void **state)
{
	(void)state;
	assert_non_null(mkdtemp(dir));
	listen_at(&address, "root", DS_FD_PAM);
	listen_at(&user_address, "user", DS_FD_PAM_USER);
	server.base = event_base_new();
	assert_int_equal(event_base_priority_init(server.base, DSA_PRIORITIES),
			 0);
	server.handles = dsa_handles_new(64);
	assert_true(dsa_jobs_init(&server.jobs, server.base));
	assert_true(dsa_pam_start(&server));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dsa_jobs_done(&server.jobs);
	dsa_pam_stop(&server);
	event_base_free(server.base);
	dsa_handles_free(server.handles);
	(void)unlink(address.sun_path);
	(void)unlink(user_address.sun_path);
	return rmdir(dir);
}

/* ---- tests ---- */

static void test_answer(void **state)
{
	bool handle = false;
	int fd = ask(DS_MSG_AUTH, "ok");

	(void)state;
	assert_int_equal(result_of(fd, 1000, &handle), DS_AUTH_OK);
	assert_true(handle);
	assert_int_equal(dsa_handles_count(server.handles), 1);
	assert_string_equal(audited.user, "alice@example.com");
	assert_true(dsa_proven_has(&server.proven, ds_now_ms(), getpid(),
				   &(struct dsa_subject){ .uid = 1 }));
	/* The connection and the channel, nothing else of the server. */
	assert_string_equal(audited.reason, "2 descriptors");
	(void)close(fd);
	assert_int_equal(result_and_close(ask(DS_MSG_ACCOUNT, ""), 1000),
			 DS_AUTH_OK);
	no_worker_left();
}

/* Only what a KDC has accepted spares the account phase its live check. */
static void test_offline_proves_nothing(void **state)
{
	const struct dsa_subject nobody = { .uid = 1 };

	(void)state;
	memset(&server.proven, 0, sizeof(server.proven));
	probes = 0;
	asked = ask(DS_MSG_AUTH, "offline");
	assert_int_equal(result_and_close(asked, 1000), DS_AUTH_OK);
	assert_int_equal(probes, 1);
	assert_false(
	    dsa_proven_has(&server.proven, ds_now_ms(), getpid(), &nobody));
	assert_int_equal(result_and_close(ask(DS_MSG_AUTH, "ok"), 1000),
			 DS_AUTH_OK);
	assert_true(
	    dsa_proven_has(&server.proven, ds_now_ms(), getpid(), &nobody));
	no_worker_left();
}

/* One that waits for a live check holds up nobody. */
static void test_account_later(void **state)
{
	int slow;

	(void)state;
	answer_later = true;
	slow = ask(DS_MSG_ACCOUNT, "");
	assert_int_equal(result_of(slow, 50, NULL), -2);
	assert_int_equal(account_caller, getpid());
	answer_later = false;
	{
		dsa_account_said said = later_said;
		void *arg = later_arg;

		assert_int_equal(
		    result_and_close(ask(DS_MSG_ACCOUNT, ""), 1000),
		    DS_AUTH_OK);
		/* The request's own deadline is over, not the answer's. */
		run_for(DSA_REQUEST_MS + 100);
		said(arg, DS_AUTH_LOCKED, "text");
	}
	assert_int_equal(result_and_close(slow, 1000), DS_AUTH_LOCKED);
}

static void test_worker_dies(void **state)
{
	(void)state;
	assert_int_equal(result_and_close(ask(DS_MSG_AUTH, "die"), 1000),
			 DS_AUTH_UNAVAILABLE);
	assert_string_equal(audited.user, "alice@example.com");
	assert_int_equal(audited.result, DS_AUTH_UNAVAILABLE);
	assert_int_equal(result_and_close(ask(DS_MSG_AUTH, "nonsense"), 1000),
			 DS_AUTH_UNAVAILABLE);
	no_worker_left();
}

static void test_worker_deadline(void **state)
{
	int64_t begin = ds_now_ms();

	(void)state;
	assert_int_equal(result_and_close(ask(DS_MSG_AUTH, "hang"), 2000),
			 DS_AUTH_UNAVAILABLE);
	assert_in_range(ds_now_ms() - begin, DSA_CHECK_MS - 50,
			DSA_CHECK_MS + 700);
	/* Talk does not buy time. */
	begin = ds_now_ms();
	assert_int_equal(result_and_close(ask(DS_MSG_AUTH, "chatter"), 2000),
			 DS_AUTH_UNAVAILABLE);
	assert_in_range(ds_now_ms() - begin, DSA_CHECK_MS - 50,
			DSA_CHECK_MS + 700);
	no_worker_left();
	/* One that has answered and stays is ended too. */
	assert_int_equal(result_and_close(ask(DS_MSG_AUTH, "linger"), 1000),
			 DS_AUTH_OK);
	no_worker_left();
}

static void test_queue(void **state)
{
	int hang[DSA_CHECKS_MAX], late;

	(void)state;
	for (int i = 0; i < DSA_CHECKS_MAX; i++)
		hang[i] = ask(DS_MSG_AUTH, "hang");
	run_for(50);
	assert_int_equal(server.jobs.running[DSA_JOB_CHECK], DSA_CHECKS_MAX);
	late = ask(DS_MSG_AUTH, "ok");
	/* No slot, but others need none. */
	assert_int_equal(result_and_close(ask(DS_MSG_ACCOUNT, ""), 300),
			 DS_AUTH_OK);
	assert_int_equal(result_and_close(late, DSA_QUEUE_MS + 200),
			 DS_AUTH_UNAVAILABLE);
	assert_string_equal(audited.reason, "all workers are busy");
	/* One that waits when a slot comes free is served. */
	run_for(DSA_CHECK_MS - DSA_QUEUE_MS - 150);
	late = ask(DS_MSG_AUTH, "ok");
	assert_int_equal(result_and_close(late, DSA_QUEUE_MS), DS_AUTH_OK);
	for (int i = 0; i < DSA_CHECKS_MAX; i++)
		assert_int_equal(result_and_close(hang[i], 1000),
				 DS_AUTH_UNAVAILABLE);
	no_worker_left();
}

static void test_hanging_callers(void **state)
{
	int hang[DSA_CONNS_MAX], late;

	(void)state;
	for (int i = 0; i < DSA_CONNS_MAX; i++)
		hang[i] = call();
	run_for(50);
	/* Full: this one waits in the backlog until the others are cut off. */
	late = ask(DS_MSG_ACCOUNT, "");
	assert_int_equal(result_of(late, 100, NULL), -2);
	assert_int_equal(result_and_close(late, DSA_REQUEST_MS + 500),
			 DS_AUTH_OK);
	for (int i = 0; i < DSA_CONNS_MAX; i++)
		assert_int_equal(result_and_close(hang[i], 500), -1);
}

static void test_slow_writer(void **state)
{
	uint8_t buf[512];
	struct ds_writer w = request(buf, sizeof(buf), DS_MSG_AUTH, "ok");
	int fd = call();

	(void)state;
	for (size_t i = 0; i < w.len; i++) {
		assert_int_equal(write(fd, buf + i, 1), 1);
		if (i % 16 == 0)
			run_for(1);
	}
	assert_int_equal(result_and_close(fd, 1000), DS_AUTH_OK);
	/* A byte now and then does not keep a connection. */
	fd = call();
	for (int i = 0; i < 8; i++) {
		(void)!send(fd, buf + i, 1, MSG_NOSIGNAL);
		run_for(DSA_REQUEST_MS / 6);
	}
	assert_int_equal(result_and_close(fd, 0), -1);
	no_worker_left();
}

static void check_cut_off(const void *p, size_t len)
{
	int fd = call();

	assert_int_equal(write(fd, p, len), len);
	assert_int_equal(result_and_close(fd, DSA_REQUEST_MS / 2), -1);
}

static void test_hostile_headers(void **state)
{
	uint8_t buf[512];

	(void)state;
	check_cut_off("\0\0\0\0\0\0\0\0\0\0\0\0", 12);     /* version 0 */
	check_cut_off("\0\0\0\0\1\0\2\0\0\0\0\0", 12);     /* a reply */
	check_cut_off("\0\0\0\0\1\0\x20\0\0\0\0\0", 12);   /* ctl.sock's */
	check_cut_off("\xff\xff\0\0\1\0\1\0\0\0\0\0", 12); /* too large */
	check_cut_off("\xff\xff\xff\xff\1\0\1\0\0\0\0\0", 12);
	/* A frame that ends in the middle: the worker never starts. */
	(void)request(buf, sizeof(buf), DS_MSG_AUTH, "ok");
	{
		int fd = call();

		assert_int_equal(write(fd, buf, 40), 40);
		(void)shutdown(fd, SHUT_WR);
		/* At once: no place is kept for what cannot come. */
		assert_int_equal(result_and_close(fd, DSA_REQUEST_MS / 2), -1);
		assert_int_equal(server.jobs.running[DSA_JOB_CHECK], 0);
	}
}

/* ---- delays after failures ---- */

static void fail_times(int times)
{
	while (times-- > 0)
		assert_int_equal(
		    result_and_close(ask(DS_MSG_AUTH, "wrong"), 5000),
		    DS_AUTH_BAD_PASSWORD);
}

static void test_delay(void **state)
{
	int waiting, second;
	int64_t begin;

	(void)state;
	rhost = "192.0.2.1";
	/* No KDC, no failure. */
	for (int i = 0; i < 5; i++)
		assert_int_equal(
		    result_and_close(ask(DS_MSG_AUTH, "no kdc"), 5000),
		    DS_AUTH_UNAVAILABLE);
	begin = ds_now_ms();
	fail_times(2);
	/* "May it be changed here?" proves nothing. */
	assert_int_equal(
	    result_and_close(ask(DS_MSG_CHANGE, "unchecked"), 5000),
	    DS_AUTH_OK);
	fail_times(1);
	/* One waits for its turn; another is refused. */
	waiting = ask(DS_MSG_AUTH, "wrong");
	second = ask(DS_MSG_AUTH, "ok");
	assert_int_equal(result_and_close(second, 5000), DS_AUTH_DELAYED);
	assert_int_equal(audited.result, DS_AUTH_DELAYED);
	assert_string_equal(audited.user, "alice@example.com");
	assert_int_equal(result_and_close(waiting, 5000),
			 DS_AUTH_BAD_PASSWORD);
	assert_true(ds_now_ms() - begin >= DSA_DELAY_FIRST_MS);
	/* Who comes from elsewhere is not concerned. */
	waiting = ask(DS_MSG_AUTH, "ok");
	rhost = "192.0.2.2";
	assert_int_equal(result_and_close(ask(DS_MSG_AUTH, "ok"), 5000),
			 DS_AUTH_OK);
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_AUTH, "ok"), 5000),
	    DS_AUTH_OK);
	rhost = "192.0.2.1";
	/* The right password has waited as well, and ends it. */
	assert_int_equal(result_and_close(waiting, 5000), DS_AUTH_OK);
	fail_times(2);
	assert_int_equal(result_and_close(ask(DS_MSG_AUTH, "ok"), 5000),
			 DS_AUTH_OK);
	rhost = "";
	no_worker_left();
}

/* Who hangs up while waiting is not checked. */
static void test_delayed_and_gone(void **state)
{
	int fd;

	(void)state;
	rhost = "192.0.2.3";
	fail_times(3);
	audited.result = DS_AUTH_OK;
	fd = ask(DS_MSG_AUTH, "wrong");
	run_for(20);
	(void)close(fd);
	run_for(DSA_DELAY_FIRST_MS + 100);
	assert_int_equal(audited.result, DS_AUTH_OK);
	rhost = "";
	no_worker_left();
}

/* ---- pam-user.sock ---- */

/* Until nothing that was answered before counts. */
static void rest(void)
{
	run_for(DSA_REST_MS + 50);
}

static void test_user_answer(void **state)
{
	bool handle = false;
	int fd;

	(void)state;
	rest();
	fd = ask_as_user(DS_MSG_AUTH, "ok");
	assert_int_equal(result_of(fd, 1000, &handle), DS_AUTH_OK);
	assert_true(handle);
	(void)close(fd);
	assert_int_equal(audited.caller, getuid());
	assert_string_equal(audited.reason, "2 descriptors");
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_ACCOUNT, ""), 1000),
	    DS_AUTH_OK);
	no_worker_left();
	/* Who is nobody in the domain does not even get to hang. */
	mirrored = false;
	fd = call_at(&user_address);
	assert_int_equal(result_and_close(fd, DSA_REQUEST_MS / 2), -1);
	mirrored = true;
}

/* Whether there is no answer after so many, while the first rests. */
static bool is_refused_for_now(void)
{
	int fd[DSA_UID_RESTS_MAX];
	bool refused;

	rest();
	for (int i = 0; i < DSA_UID_RESTS_MAX; i++) {
		fd[i] = ask_as_user(DS_MSG_ACCOUNT, "");
		assert_int_equal(result_of(fd[i], 1000, NULL), DS_AUTH_OK);
		/* Its caller need not wait. */
		assert_int_equal(result_and_close(fd[i], 0), -1);
	}
	refused = result_and_close(ask_as_user(DS_MSG_ACCOUNT, ""), 1000) < 0;
	/* Not so at root's gate. */
	for (int i = 0; i < 2 * DSA_UID_RESTS_MAX; i++)
		assert_int_equal(
		    result_and_close(ask(DS_MSG_ACCOUNT, ""), 1000),
		    DS_AUTH_OK);
	return refused;
}

/* A user who asks and asks gets so many answers at a time. */
static void test_user_rests(void **state)
{
	int tries = 10; /* on a slow machine the rest may be over */

	(void)state;
	while (!is_refused_for_now())
		assert_true(--tries > 0);
	rest();
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_ACCOUNT, ""), 1000),
	    DS_AUTH_OK);
}

/* What works on after its answer is root's, or holds the user's own slot. */
static void test_user_does_not_linger(void **state)
{
	int before = late_words;

	(void)state;
	rest();
	server.offline.on = true;
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_AUTH, "linger"), 1000),
	    DS_AUTH_OK);
	assert_int_equal(server.jobs.running[DSA_JOB_LINGER], 0);
	assert_int_equal(server.jobs.running[DSA_JOB_USER_CHECK], 1);
	assert_int_equal(result_and_close(ask(DS_MSG_AUTH, "linger"), 1000),
			 DS_AUTH_OK);
	assert_int_equal(server.jobs.running[DSA_JOB_LINGER], 1);
	assert_int_equal(server.jobs.running[DSA_JOB_CHECK], 0);
	/* Both are heard, and neither lives longer for it. */
	for (int i = 0; i < 200 && late_words < before + 2; i++)
		run_for(10);
	assert_int_equal(late_words, before + 2);
	assert_int_equal(audited.result, DS_AUTH_OK);
	server.offline.on = false;
	no_worker_left();
}

/* Whether one more is cut off before the first of those that hang. */
static bool is_refused_at_once(void)
{
	int hang[DSA_UID_CONNS_MAX], more;
	bool at_once;

	for (int i = 0; i < DSA_UID_CONNS_MAX; i++)
		hang[i] = call_at(&user_address);
	more = call_at(&user_address);
	/* Root's gate has not noticed. */
	assert_int_equal(result_and_close(ask(DS_MSG_ACCOUNT, ""), 1000),
			 DS_AUTH_OK);
	assert_int_equal(result_and_close(more, 2000), -1);
	at_once = result_of(hang[0], 0, NULL) == -2;
	for (int i = 0; i < DSA_UID_CONNS_MAX; i++)
		assert_int_equal(
		    result_and_close(hang[i], DSA_REQUEST_MS + 500), -1);
	return at_once;
}

static void test_user_connections(void **state)
{
	int tries = 10; /* on a slow machine their time may be up, too */

	(void)state;
	rest();
	while (!is_refused_at_once())
		assert_true(--tries > 0);
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_AUTH, "ok"), 1000),
	    DS_AUTH_OK);
	no_worker_left();
}

static void test_user_workers(void **state)
{
	int first, second;

	(void)state;
	rest();
	/* One worker a user, though another is free. */
	first = ask_as_user(DS_MSG_AUTH, "hang");
	run_for(50);
	second = ask_as_user(DS_MSG_AUTH, "ok");
	run_for(50);
	assert_int_equal(server.jobs.running[DSA_JOB_USER_CHECK], 1);
	assert_int_equal(result_and_close(ask(DS_MSG_AUTH, "ok"), 1000),
			 DS_AUTH_OK);
	assert_int_equal(result_and_close(second, DSA_QUEUE_MS + 500),
			 DS_AUTH_UNAVAILABLE);
	assert_int_equal(result_and_close(first, DSA_CHECK_MS + 500),
			 DS_AUTH_UNAVAILABLE);
	/* Then the next is served, whoever waits. */
	rest();
	assert_int_equal(
	    result_and_close(ask_as_user(DS_MSG_AUTH, "ok"), 1000),
	    DS_AUTH_OK);
	no_worker_left();
}

/* Whoever hangs up before a worker is free costs none. */
static void test_gone_before_its_turn(void **state)
{
	int hang[DSA_CHECKS_MAX], gone;

	(void)state;
	for (int i = 0; i < DSA_CHECKS_MAX; i++)
		hang[i] = ask(DS_MSG_AUTH, "die-late");
	run_for(50);
	gone = ask(DS_MSG_AUTH, "ok");
	run_for(20);
	(void)close(gone);
	audited.reason[0] = '\0';
	for (int i = 0; i < DSA_CHECKS_MAX; i++)
		assert_int_equal(result_and_close(hang[i], 1000),
				 DS_AUTH_UNAVAILABLE);
	no_worker_left();
	assert_string_equal(audited.reason, "the worker gave no answer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_account_later),
		cmocka_unit_test(test_offline_proves_nothing),
		cmocka_unit_test(test_worker_dies),
		cmocka_unit_test(test_worker_deadline),
		cmocka_unit_test(test_queue),
		cmocka_unit_test(test_hanging_callers),
		cmocka_unit_test(test_slow_writer),
		cmocka_unit_test(test_hostile_headers),
		cmocka_unit_test(test_delay),
		cmocka_unit_test(test_delayed_and_gone),
		cmocka_unit_test(test_user_answer),
		cmocka_unit_test(test_user_rests),
		cmocka_unit_test(test_user_does_not_linger),
		cmocka_unit_test(test_user_connections),
		cmocka_unit_test(test_user_workers),
		cmocka_unit_test(test_gone_before_its_turn),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

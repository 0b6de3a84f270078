/*
 * What stands around pam.sock and pam-user.sock in tests.
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
#include "synccache/auth/fast.h"
#include "synccache/auth/gate.h"
#include "synccache/auth/probe.h"
#include "tests/unit/gate_world.h"

int gate_request_ms = PATIENCE_MS, gate_queue_ms = PATIENCE_MS,
    gate_check_ms = PATIENCE_MS;
int gate_rest_ms = 200, gate_delay_ms = 800;

struct dsa_server server;
static struct sockaddr_un address = { .sun_family = AF_UNIX };
struct sockaddr_un user_address = { .sun_family = AF_UNIX };
static char dir[] = "/tmp/dsa-pam-XXXXXX";

/* ---- what stands around pam.c ---- */

struct gate_audited audited;

void dsa_audit(const char *event, const struct dsa_subject *subject,
	       enum ds_auth_result result, const char *reason, int64_t kdc_ms)
{
	(void)event;
	(void)kdc_ms;
	audited.times++;
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

bool mirrored = true; /* whether we are a user of the domain */

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
bool answer_later;
dsa_account_said later_said;
void *later_arg;
pid_t account_caller;

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

bool may_ask_why;
dsa_revoked_said why_said;
void *why_arg;

bool dsa_revoked_ask(struct dsa_server *s, const struct dsa_subject *subject,
		     enum dsa_revoked after, dsa_revoked_said said, void *arg)
{
	assert_ptr_equal(s, &server);
	assert_string_equal(subject->name, "alice@example.com");
	why_said = said;
	why_arg = arg;
	return after == DSA_REVOKED_AFTER && may_ask_why;
}

void dsa_host_ask(struct dsa_server *s, dsa_account_said said_it, void *arg)
{
	assert_ptr_equal(s, &server);
	said_it(arg, DS_AUTH_DENIED, "why");
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
int probes;
int64_t heard_began; /* and when what was heard began */
int offline_used;

bool dsa_offline_away(const struct dsa_server *s)
{
	(void)s;
	return true;
}

void dsa_offline_heard(struct dsa_server *s, enum dsa_kdc_word word,
		       int64_t began_ms)
{
	(void)s;
	heard = word;
	heard_began = began_ms;
}

void dsa_offline_used(struct dsa_server *s)
{
	(void)s;
	offline_used++;
}

void dsa_offline_probe(struct dsa_server *s)
{
	/* Beside the check, and not before it. */
	assert_int_not_equal(s->jobs.running[DSA_JOB_CHECK] +
				 s->jobs.running[DSA_JOB_USER_CHECK],
			     0);
	probes++;
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

int late_words;

void dsa_offline_kept(struct dsa_server *s, const struct ds_frame *frame)
{
	assert_ptr_equal(s, &server);
	assert_int_equal(frame->type, DSA_MSG_KEPT);
	late_words++;
}

static enum ds_auth_result verdict = DS_AUTH_OK;

static bool offline; /* in a worker: by the verifier */
static enum dsa_revoked revoked;
static bool unchecked; /* no password was looked at */

static void say(int out, uint16_t type, const struct dsa_subject *s,
		const char *reason)
{
	const struct dsa_health health = { 0 };
	const struct dsa_found found = { .kdc = "192.0.2.1" };
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
		ds_put_u8(&w, revoked);
		ds_put_str(&w, "text");
		ds_put_str(&w, reason);
		ds_put_u64(&w, unchecked ? UINT64_MAX : 5);
		ds_put_str(&w, "p@R");
		ds_put_blob(&w, "ticket", 6);
		dsa_found_put(&w, &found);
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
	struct pollfd word = { .fd = conn, .events = POLLIN };

	(void)s;
	(void)caller;
	if (ds_wire_recv(conn, buf, sizeof(buf), ds_now_ms() + PATIENCE_MS,
			 &frame) != 0)
		return;
	ds_reader_init(&r, frame.payload, frame.len);
	dsa_subject_read(&r, &subject);
	ds_get_str(&r, script, sizeof(script));
	if (ds_reader_end(&r) != 0)
		return;
	say(out, DSA_MSG_SUBJECT, &subject, "");
	offline = strcmp(script, "offline") == 0;
	unchecked = strcmp(script, "unchecked") == 0;
	if (strcmp(script, "revoked") == 0) {
		verdict = DS_AUTH_DENIED;
		revoked = DSA_REVOKED_AFTER;
	}
	if (strcmp(script, "die") == 0)
		_exit(9);
	/* Until the caller says a word more. */
	if (strncmp(script, "told", 4) == 0 &&
	    (poll(&word, 1, -1) != 1 || recv(conn, reason, 1, 0) != 1))
		_exit(9);
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
	if (strstr(script, "wrong") != NULL)
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

int call_at(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)at, sizeof(*at)),
			 0);
	return fd;
}

int call(void)
{
	return call_at(&address);
}

const char *rhost = "";

struct ds_writer request(uint8_t *buf, size_t cap, uint16_t type,
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

int ask(uint16_t type, const char *script)
{
	return ask_at(&address, type, script);
}

/* As a screen locker does. */
int ask_as_user(uint16_t type, const char *script)
{
	return ask_at(&user_address, type, script);
}

/* Lets the server work. */
void run_for(int ms)
{
	const struct timeval tv = { .tv_sec = ms / 1000,
				    .tv_usec = ms % 1000 * 1000 };

	(void)event_base_loopexit(server.base, &tv);
	(void)event_base_dispatch(server.base);
}

char said_text[DS_TEXT_MAX + 1];

/* The result of the reply that comes within ms; -1: the end, -2: nothing. */
int result_of(int fd, int ms, bool *ret_handle)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint8_t buf[DSA_REQUEST_MAX];
	struct ds_frame frame;
	struct ds_reader r;
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
	ds_get_str(&r, said_text, sizeof(said_text));
	if (frame.type == DS_MSG_AUTH_REPLY)
		(void)ds_get_blob(&r, &len);
	assert_int_equal(ds_reader_end(&r), 0);
	if (ret_handle != NULL)
		*ret_handle = len == DS_HANDLE_LEN;
	return result;
}

int result_and_close(int fd, int ms)
{
	int result = result_of(fd, ms, NULL);

	(void)close(fd);
	return result;
}

void tell(int fd)
{
	assert_int_equal(write(fd, ".", 1), 1);
}

void workers_run(enum dsa_job_kind kind, size_t n)
{
	for (int i = 0; i < PATIENCE_MS / 10 && server.jobs.running[kind] != n;
	     i++)
		run_for(10);
	assert_int_equal(server.jobs.running[kind], n);
}

void no_worker_left(void)
{
	for (int i = 0; i < PATIENCE_MS / 50 && server.jobs.first != NULL; i++)
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

int setup(void **state)
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

int teardown(void **state)
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

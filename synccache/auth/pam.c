/*
 * pam.sock: one request a connection.  The main process looks at a frame's
 * header without taking it; a password is read by the worker that checks it.
 *
 * Bounds: connections, bytes of a request, time until a request is complete,
 * time in the queue, workers.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/auth/audit.h"
#include "synccache/auth/auth.h"
#include "synccache/auth/check.h"
#include "synccache/auth/fast.h"
#include "synccache/auth/policy.h"

/* Only tests build this with other numbers, or another root. */
#ifndef DSA_CONNS_MAX
#define DSA_CONNS_MAX  256
#define DSA_REQUEST_MS 5000  /* from accept to a whole request */
#define DSA_QUEUE_MS   30000 /* until a worker is free */
#define DSA_CHECK_MS   24000 /* a worker's whole life; kdc.c has less */
#define DSA_PEER_UID   0
#endif
#define DSA_KDC_KEEP_MS 600000
#define REPLY_MS        200 /* the socket buffer is empty: no wait at all */
#define RETRY_MS        200 /* after accept failed for want of resources */

#define TIMEVAL(ms)                                                           \
	{                                                                     \
		.tv_sec = (ms) / 1000, .tv_usec = (ms) % 1000 * 1000          \
	}
static const struct timeval request_patience = TIMEVAL(DSA_REQUEST_MS);
static const struct timeval queue_patience = TIMEVAL(DSA_QUEUE_MS);

TAILQ_HEAD(conn_list, conn);

struct conn {
	TAILQ_ENTRY(conn) all, queue;
	struct dsa_pam *pam;
	struct event *readable;
	struct event *deadline;
	int fd;
	bool queued;
	uint32_t seq;
	struct dsa_subject subject; /* once a worker has said it */
};

struct dsa_pam {
	struct dsa_server *server;
	struct event *listener, *retry;
	struct conn_list all, queue;
	size_t count;
};

static void conn_free(struct conn *c)
{
	struct dsa_pam *pam = c->pam;

	if (c->readable != NULL)
		event_free(c->readable);
	if (c->deadline != NULL)
		event_free(c->deadline);
	if (c->queued)
		TAILQ_REMOVE(&pam->queue, c, queue);
	TAILQ_REMOVE(&pam->all, c, all);
	(void)close(c->fd);
	free(c);
	if (pam->count-- == DSA_CONNS_MAX)
		(void)event_add(pam->listener, NULL);
}

/* Ends and sends a reply; whoever does not take it now never will. */
static void reply_and_free(struct conn *c, struct ds_writer *w)
{
	if (ds_frame_end(w) == 0 &&
	    ds_wire_send(c->fd, w, ds_now_ms() + REPLY_MS) != 0)
		ds_log(DS_LOG_INFO, "a caller went away before its answer");
	conn_free(c);
}

/* ---- AUTH ---- */

static void reply_auth(struct conn *c, enum ds_auth_result result,
		       const char *text, const uint8_t *handle)
{
	uint8_t buf[DS_HEADER_LEN + 4 + 4 + DS_TEXT_MAX + 4 + DS_HANDLE_LEN];
	struct ds_writer w;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_AUTH_REPLY, c->seq);
	ds_put_u32(&w, result);
	ds_put_str(&w, text);
	ds_put_blob(&w, handle, handle != NULL ? DS_HANDLE_LEN : 0);
	reply_and_free(c, &w);
	explicit_bzero(buf, sizeof(buf));
}

static void fail_auth(struct conn *c, const char *reason)
{
	struct dsa_server *server = c->pam->server;
	enum ds_auth_result result = DS_AUTH_UNAVAILABLE;
	char text[DS_TEXT_MAX + 1];

	dsa_audit("auth", &c->subject, result, reason, -1);
	dsa_report_result(server, result, reason);
	dsa_text(result, false, "", text, sizeof(text));
	reply_auth(c, result, text, NULL);
}

static void take_subject(struct conn *c, const struct ds_frame *frame)
{
	struct dsa_subject s = { 0 };
	struct ds_reader r;

	ds_reader_init(&r, frame->payload, frame->len);
	dsa_subject_read(&r, &s);
	ds_get_str(&r, s.name, sizeof(s.name));
	s.uid = ds_get_u32(&r);
	if (ds_reader_end(&r) == 0)
		c->subject = s;
}

struct verdict {
	uint32_t result;
	bool proven;
	char text[DS_TEXT_MAX + 1];
	char reason[DSA_REASON_MAX + 1];
	int64_t kdc_ms;
	char principal[DSA_PRINCIPAL_MAX + 1];
	const uint8_t *ccache; /* borrowed */
	size_t ccache_len;
	char kdc[256];
	struct dsa_tgt tgt; /* owned */
};

static int read_verdict(const struct ds_frame *frame, struct verdict *v)
{
	struct ds_reader r;

	ds_reader_init(&r, frame->payload, frame->len);
	v->result = ds_get_u32(&r);
	v->proven = ds_get_u8(&r) != 0;
	ds_get_str(&r, v->text, sizeof(v->text));
	ds_get_str(&r, v->reason, sizeof(v->reason));
	v->kdc_ms = (int64_t)ds_get_u64(&r);
	ds_get_str(&r, v->principal, sizeof(v->principal));
	v->ccache = ds_get_blob(&r, &v->ccache_len);
	ds_get_str(&r, v->kdc, sizeof(v->kdc));
	dsa_tgt_get(&r, &v->tgt);
	return frame->type == DSA_MSG_VERDICT ? ds_reader_end(&r)
					      : DS_ERR_FORMAT;
}

static void answer(struct conn *c, const struct verdict *v)
{
	struct dsa_server *server = c->pam->server;
	uint8_t handle[DS_HANDLE_LEN];
	bool kept = false;

	if (v->result == DS_AUTH_OK && v->ccache_len > 0) {
		int r = dsa_handles_put(server->handles, ds_now_ms(),
					c->subject.uid, v->principal,
					v->ccache, v->ccache_len, handle);

		kept = r == 0;
		if (!kept)
			ds_log(DS_LOG_WARN, "no ticket for the session: %s",
			       ds_strerror(r));
	}
	dsa_audit("auth", &c->subject, (enum ds_auth_result)v->result,
		  v->reason, v->kdc_ms);
	dsa_report_result(server, (enum ds_auth_result)v->result,
			  v->proven ? NULL : v->reason);
	reply_auth(c, (enum ds_auth_result)v->result, v->text,
		   kept ? handle : NULL);
	explicit_bzero(handle, sizeof(handle));
}

/*
 * The next worker asks the same KDC at once; now and then one asks DNS again,
 * because a domain controller that DNS no longer names still answers.
 */
static void keep_kdc(struct dsa_server *server, const char *address)
{
	int64_t now = ds_now_ms();

	if (address[0] == '\0')
		return;
	if (strcmp(server->kdc, address) != 0) {
		(void)snprintf(server->kdc, sizeof(server->kdc), "%s",
			       address);
		server->kdc_until = now + DSA_KDC_KEEP_MS;
	} else if (now >= server->kdc_until) {
		server->kdc[0] = '\0';
	}
}

static bool on_worker(void *arg, const struct ds_frame *frame)
{
	struct conn *c = arg;
	struct verdict v = { 0 };

	if (frame != NULL && frame->type == DSA_MSG_SUBJECT) {
		take_subject(c, frame);
		return false;
	}
	if (frame != NULL && read_verdict(frame, &v) == 0) {
		dsa_fast_keep(c->pam->server, &v.tgt);
		keep_kdc(c->pam->server, v.kdc);
		answer(c, &v);
	} else {
		fail_auth(c, "the worker gave no answer");
	}
	dsa_tgt_done(&v.tgt);
	return true;
}

static void run_worker(void *arg, int out)
{
	struct conn *c = arg;

	dsa_check_run(c->pam->server, c->fd, out);
}

static void start_worker(struct conn *c)
{
	struct dsa_server *server = c->pam->server;
	const struct dsa_job_spec spec = {
		.kind = DSA_JOB_CHECK,
		.keep_fd = c->fd,
		.timeout_ms = DSA_CHECK_MS,
		.run = run_worker,
		.heard = on_worker,
		.arg = c,
	};
	int r;

	TAILQ_REMOVE(&c->pam->queue, c, queue);
	c->queued = false;
	(void)event_del(c->deadline);
	dsa_mirror_refresh(&server->mirror);
	r = dsa_job_start(&server->jobs, &spec);
	if (r != 0) {
		ds_log(DS_LOG_ERR, "cannot start a worker: %s",
		       ds_strerror(r));
		fail_auth(c, "no worker could be started");
	}
}

static void start_workers(void *arg)
{
	struct dsa_pam *pam = arg;
	struct conn *c;

	while ((c = TAILQ_FIRST(&pam->queue)) != NULL &&
	       dsa_job_has_room(&pam->server->jobs, DSA_JOB_CHECK))
		start_worker(c);
	dsa_report_changed(pam->server);
}

static void enqueue(struct conn *c)
{

	(void)event_del(c->readable);
	(void)event_add(c->deadline, &queue_patience);
	TAILQ_INSERT_TAIL(&c->pam->queue, c, queue);
	c->queued = true;
	start_workers(c->pam);
}

/* ---- requests ---- */

/* ACCOUNT and TICKET, of which all bytes are here. */
static void answer_here(struct conn *c)
{
	struct dsa_server *server = c->pam->server;
	uint8_t in[DSA_REQUEST_MAX];
	struct dsa_secret out;
	struct ds_frame frame;
	struct ds_writer w;

	if (ds_wire_recv(c->fd, in, sizeof(in), ds_now_ms() + REPLY_MS,
			 &frame) != 0 ||
	    dsa_secret_init(&out, DS_PACKET_MAX, DSA_SECRET_PRIVATE) != 0) {
		conn_free(c);
		return;
	}
	ds_writer_init(&w, out.p, out.cap);
	if (frame.type == DS_MSG_ACCOUNT)
		dsa_account_answer(server, &frame, &w);
	else
		dsa_ticket_answer(server, &frame, &w);
	reply_and_free(c, &w);
	dsa_secret_done(&out);
	explicit_bzero(in, sizeof(in));
}

static bool is_complete(int fd, uint32_t payload)
{
	int waiting = 0;

	return ioctl(fd, FIONREAD, &waiting) == 0 &&
	       (size_t)waiting >= DS_HEADER_LEN + (size_t)payload;
}

/* Edge-triggered: called once for what has arrived, not for what waits. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	uint8_t header[DS_HEADER_LEN];
	uint32_t len;
	uint16_t type;
	ssize_t n = recv(fd, header, sizeof(header), MSG_PEEK | MSG_DONTWAIT);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && (size_t)n < sizeof(header))
		return; /* more is to come, or the deadline */
	if (n <= 0 ||
	    ds_frame_header(header, sizeof(header), &len, &type, &c->seq) !=
		0 ||
	    len > DSA_REQUEST_MAX - DS_HEADER_LEN ||
	    (type != DS_MSG_AUTH && type != DS_MSG_ACCOUNT &&
	     type != DS_MSG_TICKET)) {
		conn_free(c);
		return;
	}
	if (!is_complete(fd, len))
		return;
	if (type == DS_MSG_AUTH)
		enqueue(c);
	else
		answer_here(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd;
	(void)what;
	if (c->queued)
		fail_auth(c, "all workers are busy");
	else
		conn_free(c);
}

/* ---- connections ---- */

static bool is_root(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       peer.uid == DSA_PEER_UID;
}

static void conn_new(struct dsa_pam *pam, int fd)
{
	struct event_base *base = pam->server->base;
	struct conn *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		(void)close(fd);
		return;
	}
	c->pam = pam;
	c->fd = fd;
	if (pam->count++ == DSA_CONNS_MAX - 1)
		(void)event_del(pam->listener);
	TAILQ_INSERT_TAIL(&pam->all, c, all);
	c->readable =
	    event_new(base, fd, EV_READ | EV_ET | EV_PERSIST, on_readable, c);
	c->deadline = evtimer_new(base, on_deadline, c);
	if (c->readable == NULL || c->deadline == NULL ||
	    event_add(c->readable, NULL) != 0 ||
	    event_add(c->deadline, &request_patience) != 0)
		conn_free(c);
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval pause = TIMEVAL(RETRY_MS);
	struct dsa_pam *pam = arg;
	int conn = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (conn < 0) {
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		ds_log(DS_LOG_ERR, "pam.sock: accept: %s", strerror(errno));
		(void)event_del(pam->listener);
		(void)event_add(pam->retry, &pause);
		return;
	}
	if (is_root(conn)) {
		conn_new(pam, conn);
	} else {
		ds_log(DS_LOG_WARN, "pam.sock: a caller that is not root");
		(void)close(conn);
	}
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct dsa_pam *pam = arg;

	(void)fd;
	(void)what;
	if (pam->count < DSA_CONNS_MAX)
		(void)event_add(pam->listener, NULL);
}

bool dsa_pam_start(struct dsa_server *server)
{
	struct dsa_pam *pam = calloc(1, sizeof(*pam));

	if (pam == NULL)
		return false;
	pam->server = server;
	server->pam = pam;
	TAILQ_INIT(&pam->all);
	TAILQ_INIT(&pam->queue);
	server->jobs.slot_free = start_workers;
	server->jobs.slot_arg = pam;
	(void)evutil_make_socket_nonblocking(DS_FD_PAM);
	pam->listener = event_new(server->base, DS_FD_PAM,
				  EV_READ | EV_PERSIST, on_connection, pam);
	pam->retry = evtimer_new(server->base, on_retry, pam);
	return pam->listener != NULL && pam->retry != NULL &&
	       event_add(pam->listener, NULL) == 0;
}

void dsa_pam_stop(struct dsa_server *server)
{
	struct dsa_pam *pam = server->pam;
	struct conn *c;

	if (pam == NULL)
		return;
	while ((c = TAILQ_FIRST(&pam->all)) != NULL)
		conn_free(c);
	if (pam->listener != NULL)
		event_free(pam->listener);
	if (pam->retry != NULL)
		event_free(pam->retry);
	free(pam);
	server->pam = NULL;
}

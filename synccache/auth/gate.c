/*
 * Connections: accepting, limits, deadlines, framing.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/gate.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/auth/check.h"

#define RETRY_MS 200 /* after accept failed for want of resources */

static struct timeval timeval_of(int ms)
{
	return (struct timeval){ .tv_sec = ms / 1000,
				 .tv_usec = ms % 1000 * 1000 };
}

/* ---- a connection ---- */

void dsa_conn_free(struct dsa_conn *c)
{
	struct dsa_gate *gate = c->gate;

	if (c->readable != NULL)
		event_free(c->readable);
	if (c->deadline != NULL)
		event_free(c->deadline);
	if (c->state == DSA_CONN_QUEUED)
		TAILQ_REMOVE(&gate->queue, c, queue);
	TAILQ_REMOVE(&gate->all, c, all);
	(void)close(c->fd);
	free(c);
	if (gate->count-- == gate->max)
		(void)event_add(gate->listener, NULL);
}

void dsa_conn_reply(struct dsa_conn *c, struct ds_writer *w)
{
	/* Whoever does not take it now never will. */
	if (ds_frame_end(w) == 0 &&
	    ds_wire_send(c->fd, w, ds_now_ms() + DSA_REPLY_MS) != 0)
		ds_log(DS_LOG_INFO, "a caller went away before its answer");
	if (c->gate->uid_max == 0) {
		dsa_conn_free(c);
		return;
	}
	(void)shutdown(c->fd, SHUT_RDWR);
	dsa_conn_enter(c, DSA_CONN_RESTING, DSA_REST_MS);
}

void dsa_conn_enter(struct dsa_conn *c, enum dsa_conn_state state, int ms)
{
	const struct timeval patience = timeval_of(ms);

	(void)event_del(c->readable);
	(void)event_del(c->deadline);
	if (c->state == DSA_CONN_QUEUED)
		TAILQ_REMOVE(&c->gate->queue, c, queue);
	if (state == DSA_CONN_QUEUED)
		TAILQ_INSERT_TAIL(&c->gate->queue, c, queue);
	if (ms > 0)
		(void)event_add(c->deadline, &patience);
	c->state = state;
}

static bool has_event(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) > 0 && (p.revents & events) != 0;
}

bool dsa_conn_is_dead(const struct dsa_conn *c)
{
	return has_event(c->fd, POLLHUP | POLLERR);
}

bool dsa_conn_has_twin(const struct dsa_conn *c)
{
	const struct dsa_conn *other;

	TAILQ_FOREACH(other, &c->gate->all, all)
	if (other != c && other->delay_key == c->delay_key &&
	    (other->state == DSA_CONN_PARKED ||
	     other->state == DSA_CONN_CHECKING ||
	     other->state == DSA_CONN_ASKING))
		return true;
	return false;
}

size_t dsa_gate_parked(const struct dsa_gate *gate)
{
	const struct dsa_conn *c;
	size_t n = 0;

	TAILQ_FOREACH(c, &gate->all, all)
	n += c->state == DSA_CONN_PARKED ? 1 : 0;
	return n;
}

size_t dsa_conn_checks(const struct dsa_conn *c)
{
	const struct dsa_conn *other;
	size_t n = 0;

	TAILQ_FOREACH(other, &c->gate->all, all)
	if ((other->state == DSA_CONN_CHECKING ||
	     (other->state == DSA_CONN_RESTING &&
	      other->type == DS_MSG_AUTH)) &&
	    other->subject.caller == c->subject.caller)
		n++;
	return n;
}

/* ---- requests ---- */

static bool peek(int fd, uint8_t *buf, size_t len)
{
	return recv(fd, buf, len, MSG_PEEK | MSG_DONTWAIT) == (ssize_t)len;
}

/* Field by field, because only its length says where the next one is. */
int dsa_conn_peek(struct dsa_conn *c)
{
	uint8_t buf[DSA_REQUEST_MAX];
	size_t end = DS_HEADER_LEN;
	struct dsa_subject s = { 0 };
	struct ds_reader r;
	uint32_t len;
	int err;

	for (int i = 0; i < DSA_SUBJECT_FIELDS; i++) {
		if (end + 4 > sizeof(buf) || !peek(c->fd, buf, end + 4))
			return DS_ERR_FORMAT;
		ds_reader_init(&r, buf + end, 4);
		len = ds_get_u32(&r);
		if (len > DS_WORD_MAX)
			return DS_ERR_FORMAT;
		end += 4 + len;
	}
	if (end > sizeof(buf) || !peek(c->fd, buf, end))
		return DS_ERR_FORMAT;
	ds_reader_init(&r, buf + DS_HEADER_LEN, end - DS_HEADER_LEN);
	dsa_subject_read(&r, &s);
	err = ds_reader_end(&r);
	if (err != 0)
		return err;
	s.caller = c->subject.caller;
	c->subject = s;
	return 0;
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
	struct dsa_conn *c = arg;
	uint8_t header[DS_HEADER_LEN];
	uint32_t len;
	uint16_t type;
	/* Asked first: all that can come is here then. */
	bool all = has_event(fd, POLLRDHUP | POLLHUP | POLLERR);
	ssize_t n = recv(fd, header, sizeof(header), MSG_PEEK | MSG_DONTWAIT);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && (size_t)n < sizeof(header) && !all)
		return; /* more is to come, or the deadline */
	if (n < (ssize_t)sizeof(header) ||
	    ds_frame_header(header, sizeof(header), &len, &type, &c->seq) !=
		0 ||
	    len > DSA_REQUEST_MAX - DS_HEADER_LEN) {
		dsa_conn_free(c);
		return;
	}
	if (is_complete(fd, len))
		c->gate->request(c, type);
	else if (all)
		dsa_conn_free(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	struct dsa_conn *c = arg;

	(void)fd;
	(void)what;
	if (c->state == DSA_CONN_READING)
		dsa_conn_free(c);
	else
		c->gate->overdue(c);
}

/* ---- the gate ---- */

/* Root's gate is root's; at the other nobody but users of the mirror. */
static bool may_enter(struct dsa_gate *gate, uid_t uid)
{
	const struct dsa_conn *c;
	size_t n = 0, resting = 0;

	if (gate->uid_max == 0)
		return uid == DSA_PEER_UID;
	if (!dsa_mirror_has_uid(&gate->server->mirror, uid))
		return false;
	TAILQ_FOREACH(c, &gate->all, all)
	if (c->subject.caller == uid) {
		if (c->state == DSA_CONN_RESTING)
			resting++;
		else
			n++;
	}
	return n < gate->uid_max && resting < DSA_UID_RESTS_MAX;
}

static void conn_new(struct dsa_gate *gate, int fd, uid_t uid)
{
	const struct timeval patience = timeval_of(DSA_REQUEST_MS);
	struct event_base *base = gate->server->base;
	struct dsa_conn *c = calloc(1, sizeof(*c));

	if (c == NULL) {
		(void)close(fd);
		return;
	}
	c->gate = gate;
	c->fd = fd;
	c->subject.caller = gate->uid_max == 0 ? 0 : uid;
	if (gate->count++ == gate->max - 1)
		(void)event_del(gate->listener);
	TAILQ_INSERT_TAIL(&gate->all, c, all);
	c->readable =
	    event_new(base, fd, EV_READ | EV_ET | EV_PERSIST, on_readable, c);
	c->deadline = evtimer_new(base, on_deadline, c);
	if (c->readable == NULL || c->deadline == NULL ||
	    event_priority_set(c->readable, gate->priority) != 0 ||
	    event_priority_set(c->deadline, gate->priority) != 0 ||
	    event_add(c->readable, NULL) != 0 ||
	    event_add(c->deadline, &patience) != 0)
		dsa_conn_free(c);
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval pause = timeval_of(RETRY_MS);
	struct dsa_gate *gate = arg;
	struct ucred peer;
	socklen_t len = sizeof(peer);
	int conn = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)what;
	if (conn < 0) {
		if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
			return;
		ds_log(DS_LOG_ERR, "%s: accept: %s", gate->name,
		       strerror(errno));
		(void)event_del(gate->listener);
		(void)event_add(gate->retry, &pause);
		return;
	}
	/* Refusals are silent: whoever asks must not fill the log. */
	if (getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    may_enter(gate, peer.uid))
		conn_new(gate, conn, peer.uid);
	else
		(void)close(conn);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
	struct dsa_gate *gate = arg;

	(void)fd;
	(void)what;
	if (gate->count < gate->max)
		(void)event_add(gate->listener, NULL);
}

bool dsa_gate_open(struct dsa_gate *gate, int fd)
{
	struct event_base *base = gate->server->base;

	TAILQ_INIT(&gate->all);
	TAILQ_INIT(&gate->queue);
	(void)evutil_make_socket_nonblocking(fd);
	gate->listener =
	    event_new(base, fd, EV_READ | EV_PERSIST, on_connection, gate);
	gate->retry = evtimer_new(base, on_retry, gate);
	return gate->listener != NULL && gate->retry != NULL &&
	       event_priority_set(gate->listener, gate->priority) == 0 &&
	       event_priority_set(gate->retry, gate->priority) == 0 &&
	       event_add(gate->listener, NULL) == 0;
}

void dsa_gate_close(struct dsa_gate *gate)
{
	struct dsa_conn *c;

	if (gate->listener == NULL)
		return; /* never opened */
	while ((c = TAILQ_FIRST(&gate->all)) != NULL)
		dsa_conn_free(c);
	event_free(gate->listener);
	if (gate->retry != NULL)
		event_free(gate->retry);
	gate->listener = gate->retry = NULL;
}

/*
 * Live looks: see look.h.
 *
 * One line of control answers the questions in their order.  What waits is
 * answered by a timer when its time is up, whatever that line is doing; an
 * attempt to connect then goes on, for whoever asks next.  While the last one
 * found nobody, answers do not wait: further attempts follow without a
 * question, until one succeeds or nobody has asked for long.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/look.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/srv.h"
#include "lib/wire.h"
#include "synccache/sync/look_entry.h"

#define LOOK_MS 1700 /* of the two seconds of lib/proto.h */
#define IDLE_MS 300000
/* After no domain controller could be used, give or take half: with HURRY_MS
 * of dc.c for an attempt, one that is back is found in some ten seconds. */
#define RETRY_MS  5000
#define ASKED_MS  1800000 /* so long after a question, no more attempts */
#define QUEUE_MAX 64
#define RELAYS    4 /* the mirror asks for one ticket at a time */
#define GUID_DN   64

struct question {
	uint32_t seq;
	int64_t deadline;
	struct ds_guid guid;
};

struct relay {
	uint32_t ours, theirs;
};

struct looks {
	struct dss_sync *s;
	int link;
	int64_t look_ms, retry_ms;        /* as dss_look_serve() has them */
	struct question queue[QUEUE_MAX]; /* oldest first */
	size_t count;
	struct event *expiry;
	struct relay relays[RELAYS];
	unsigned next_relay;
	char wanted[DS_HOST_MAX + 1]; /* the mirror's server, or "" */
	bool moved;                   /* and that is news */
	char failed[256];             /* the one that gave no answer, or "" */
	bool down;                    /* the last attempt found nobody */
	int64_t again_at; /* an attempt without a question; 0: none */
	int64_t asked_at;
};

/* ---- answers ---- */

static void reply(struct looks *l, uint32_t seq, int code,
		  const struct dss_look *look)
{
	uint8_t buf[DSS_LOOK_PACKET];
	struct ds_writer w;
	int err;

	ds_writer_init(&w, buf, sizeof(buf));
	err = dss_look_reply(&w, seq, code, look);
	if (err == DS_OK)
		err = ds_packet_send(l->s->peer, &w, -1);
	if (err)
		ds_log(DS_LOG_WARN, "auth does not take an answer: %s",
		       ds_strerror(err));
}

static void forget_first(struct looks *l)
{
	l->count--;
	memmove(l->queue, l->queue + 1, l->count * sizeof(l->queue[0]));
}

/* The oldest has the least time left. */
static void plan_expiry(struct looks *l)
{
	int64_t left;
	struct timeval tv;

	if (l->count == 0)
		return;
	left = l->queue[0].deadline - ds_now_ms();
	if (left < 0)
		left = 0;
	tv.tv_sec = (time_t)(left / 1000);
	tv.tv_usec = (suseconds_t)(left % 1000) * 1000;
	(void)event_add(l->expiry, &tv);
}

static void on_expiry(evutil_socket_t fd, short what, void *arg)
{
	struct looks *l = arg;

	(void)fd;
	(void)what;
	while (l->count > 0 && l->queue[0].deadline <= ds_now_ms()) {
		reply(l, l->queue[0].seq, DS_ERR_TIMEOUT, NULL);
		forget_first(l);
	}
	plan_expiry(l);
}

static void refuse_all(struct looks *l, int err)
{
	for (; l->count > 0; forget_first(l))
		reply(l, l->queue[0].seq, err, NULL);
}

/* ---- the channels ---- */

static int on_look(struct looks *l, const struct ds_frame *frame)
{
	struct ds_reader r;
	const uint8_t *guid;
	size_t len;
	int err;

	ds_reader_init(&r, frame->payload, frame->len);
	guid = ds_get_blob(&r, &len);
	err = ds_reader_end(&r);
	if (err || len != DS_GUID_LEN)
		return DS_ERR_FORMAT;
	l->asked_at = ds_now_ms();
	if (l->down || l->count == QUEUE_MAX) {
		reply(l, frame->seq, l->down ? DS_ERR_UNAVAIL : DS_ERR_LIMIT,
		      NULL);
		return DS_OK;
	}
	l->queue[l->count].seq = frame->seq;
	l->queue[l->count].deadline = l->asked_at + l->look_ms;
	memcpy(l->queue[l->count].guid.b, guid, DS_GUID_LEN);
	if (l->count++ == 0)
		plan_expiry(l);
	return DS_OK;
}

/* The same frame with another number; it may hold a ticket. */
static int pass_on(int fd, const struct ds_frame *frame, uint32_t seq)
{
	static uint8_t buf[DS_PACKET_MAX];
	struct ds_writer w;
	int err;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, frame->type, seq);
	ds_put_bytes(&w, frame->payload, frame->len);
	err = ds_frame_end(&w);
	if (err == DS_OK)
		err = ds_packet_send(fd, &w, -1);
	explicit_bzero(buf, w.len);
	/* Whoever asked stops waiting by himself. */
	return err == DS_ERR_UNAVAIL ? DS_OK : err;
}

static int on_ticket(struct looks *l, const struct ds_frame *frame)
{
	for (size_t i = 0; i < RELAYS; i++) {
		if (l->relays[i].ours != frame->seq || frame->seq == 0)
			continue;
		l->relays[i].ours = 0;
		return pass_on(l->link, frame, l->relays[i].theirs);
	}
	return dss_channel_take_ticket(l->s, frame);
}

static int on_auth_frame(void *arg, const struct ds_frame *frame)
{
	switch (frame->type) {
	case DS_MSG_LOOK:
		return on_look(arg, frame);
	case DS_MSG_DC_TICKET_REPLY:
		return on_ticket(arg, frame);
	default:
		return DS_ERR_FORMAT;
	}
}

static int on_mirror_frame(void *arg, const struct ds_frame *frame)
{
	struct looks *l = arg;
	struct relay *relay;
	struct ds_reader r;
	int err;

	switch (frame->type) {
	case DS_MSG_DC_TICKET:
		relay = &l->relays[l->next_relay++ % RELAYS];
		*relay = (struct relay){ dss_channel_seq(l->s), frame->seq };
		return pass_on(l->s->peer, frame, relay->ours);
	case DSS_MSG_SERVER:
		ds_reader_init(&r, frame->payload, frame->len);
		ds_get_str(&r, l->wanted, sizeof(l->wanted));
		l->failed[0] = 0;
		l->moved = true;
		if (l->down)
			l->again_at = ds_now_ms();
		l->down = false;
		return ds_reader_end(&r);
	case DS_MSG_SITE:
		ds_reader_init(&r, frame->payload, frame->len);
		ds_get_str(&r, l->s->status.site, sizeof(l->s->status.site));
		err = ds_reader_end(&r);
		return err ? err : pass_on(l->s->peer, frame, frame->seq);
	default:
		return DS_ERR_FORMAT;
	}
}

static void on_auth(void *arg)
{
	struct looks *l = arg;

	dss_channel_drain(l->s, l->s->peer, on_auth_frame, l);
}

static void on_mirror(void *arg)
{
	struct looks *l = arg;

	dss_channel_drain(l->s, l->link, on_mirror_frame, l);
}

static void tell_gone(struct looks *l, const struct ds_guid *guid)
{
	uint8_t buf[DS_HEADER_LEN + 32];
	struct ds_writer w;
	int err;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DSS_MSG_GONE, dss_channel_seq(l->s));
	ds_put_blob(&w, guid->b, sizeof(guid->b));
	err = ds_frame_end(&w);
	if (err == DS_OK)
		err = ds_packet_send(l->link, &w, -1);
	if (err) /* the reconcile finds it, too */
		ds_log(DS_LOG_DEBUG, "the mirror is busy: %s",
		       ds_strerror(err));
}

/* ---- one look ---- */

struct found {
	const struct ds_guid *guid;
	struct dss_look look;
	int err; /* DS_ERR_NOTFOUND until an entry came */
};

static int on_entry(void *arg, const struct dss_entry *entry)
{
	struct found *f = arg;

	f->err = dss_look_read(entry, f->guid, &f->look);
	return DS_OK;
}

static int search(struct looks *l, const struct question *q, struct found *f)
{
	char base[GUID_DN], text[DS_GUID_STR_MAX];
	struct dss_search search = {
		.base = base,
		.scope = DSS_SCOPE_BASE,
		.filter = "(objectClass=*)",
		.attrs = dss_look_attributes,
		.entry = on_entry,
		.arg = f,
		.silence_ms = l->look_ms,
	};
	int err;

	(void)snprintf(base, sizeof(base), "<GUID=%s>",
		       ds_guid_to_str(&q->guid, text));
	f->guid = &q->guid;
	f->err = DS_ERR_NOTFOUND;
	err = dss_conn_search(l->s->conn, &search, false);
	return err ? err : f->err;
}

static bool is_answer(int err)
{
	return err == DS_OK || err == DS_ERR_NOTFOUND || err == DS_ERR_DENIED;
}

/* Also when nobody asks; l->moved: the mirror found one meanwhile. */
static int connect_somewhere(struct looks *l)
{
	const char *first =
	    strcasecmp(l->wanted, l->failed) == 0 ? "" : l->wanted;
	char tried[DSS_TEXT] = "";
	bool was_down = l->down;
	int err;

	l->again_at = 0;
	l->moved = false;
	err = dss_dc_open(l->s, first, l->failed, tried, sizeof(tried));
	if (err && !l->s->stop) {
		l->down = !l->moved;
		l->again_at =
		    ds_now_ms() + (l->down ? dss_jitter(l->retry_ms) : 0);
		ds_log(was_down ? DS_LOG_DEBUG : DS_LOG_NOTICE,
		       "live look: no domain controller can be used: %s",
		       tried[0] ? tried : ds_strerror(err));
	}
	if (err) /* no SRV record, say: that tells nothing of the object */
		return DS_ERR_UNAVAIL;
	l->down = false;
	if (was_down)
		ds_log(DS_LOG_NOTICE, "live look: %s can be used",
		       l->s->status.server);
	return DS_OK;
}

/* A connection that idled away is made anew, once. */
static int look(struct looks *l, const struct question *q, struct found *f)
{
	bool fresh = !l->s->conn;
	int err = fresh ? connect_somewhere(l) : DS_OK;

	if (err)
		return err;
	err = search(l, q, f);
	if (is_answer(err))
		return err;
	dss_dc_close(l->s);
	if (err == DS_ERR_TIMEOUT) /* it may hang: the others come first */
		(void)snprintf(l->failed, sizeof(l->failed), "%s",
			       l->s->status.server);
	l->again_at = ds_now_ms();
	if (fresh || l->s->stop || ds_now_ms() >= q->deadline)
		return err;
	return look(l, q, f);
}

static void answer_first(struct looks *l)
{
	struct question q = l->queue[0];
	struct found found = { .err = 0 };
	int err;

	if (l->moved && strcasecmp(l->s->status.server, l->wanted) != 0)
		dss_dc_close(l->s);
	l->moved = false;
	err = look(l, &q, &found);
	if (err == DS_ERR_NOTFOUND)
		tell_gone(l, &q.guid);
	if (l->count > 0 && l->queue[0].seq == q.seq) {
		reply(l, q.seq, err, &found.look);
		forget_first(l);
		plan_expiry(l);
	}
	if (l->down)
		refuse_all(l, DS_ERR_UNAVAIL);
}

/* So that the next question is answered at once, one way or the other. */
static void try_again(struct looks *l)
{
	if (ds_now_ms() < l->asked_at + ASKED_MS) {
		if (connect_somewhere(l) != DS_OK && l->down)
			refuse_all(l, DS_ERR_UNAVAIL);
		return;
	}
	l->again_at = 0;
	l->down = false;
}

/* Nobody asks: what the server says now can only be the end. */
static void rest(struct looks *l)
{
	struct dss_sync *s = l->s;
	int64_t until = ds_now_ms() + IDLE_MS;
	bool changed;

	if (s->conn)
		until = l->asked_at + IDLE_MS;
	else if (l->again_at)
		until = l->again_at;
	(void)!dss_wait(s, s->conn ? dss_conn_fd(s->conn) : -1, false, until);
	if (s->stop || l->count > 0)
		return;
	if (!s->conn) {
		if (l->again_at && ds_now_ms() >= l->again_at)
			try_again(l);
	} else if (ds_now_ms() >= l->asked_at + IDLE_MS) {
		dss_dc_close(s);
	} else if (dss_conn_notified(s->conn, &changed) != DS_OK) {
		dss_dc_close(s);
		l->again_at = ds_now_ms() + dss_spread(l->retry_ms);
	}
}

void dss_look_serve(struct dss_sync *s, int link, int64_t look_ms,
		    int64_t retry_ms)
{
	struct looks l = {
		.s = s, .link = link, .look_ms = look_ms, .retry_ms = retry_ms
	};

	l.expiry = event_new(s->base, -1, 0, on_expiry, &l);
	if (!l.expiry || dss_loop_watch(s, s->peer, on_auth, &l) != 0 ||
	    dss_loop_watch(s, link, on_mirror, &l) != 0)
		s->stop = true;
	while (!s->stop) {
		if (l.count > 0)
			answer_first(&l);
		else
			rest(&l);
	}
	if (l.expiry)
		event_free(l.expiry);
}

/* ---- the process ---- */

__attribute__((noreturn)) static void run(const struct ds_config *config,
					  int link)
{
	static struct dss_sync s;

	s.config = *config;
	s.peer = DS_FD_PEER;
	s.hurry = true;
	(void)prctl(PR_SET_NAME, "dssync-look");
	(void)close(DS_FD_MONITOR);
	if (dss_loop_init(&s) == 0)
		dss_look_serve(&s, link, LOOK_MS, RETRY_MS);
	_exit(EXIT_SUCCESS);
}

int dss_look_start(const struct ds_config *config, int *ret_link)
{
	pid_t parent = getpid(), pid;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0, pair) != 0)
		return DS_ERR_SYS;
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(EXIT_FAILURE);
		(void)close(pair[0]);
		run(config, pair[1]);
	}
	(void)close(pair[1]);
	if (pid < 0) {
		int saved = errno;

		(void)close(pair[0]);
		errno = saved;
		return DS_ERR_SYS;
	}
	(void)close(DS_FD_PEER);
	*ret_link = pair[0];
	return DS_OK;
}

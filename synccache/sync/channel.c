/*
 * The two channels (lib/proto.h): to the monitor on fd 3, and to auth on fd 4,
 * which the live looks hold (look.h).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/sync/look.h"
#include "synccache/sync/sync.h"

#define TICKET_MS  30000 /* auth talks to a KDC, which has deadlines too */
#define PUBLISH_MS 60000 /* the monitor copies and syncs two files */

static uint8_t packet[DS_PACKET_MAX];

static int on_pull(struct dss_sync *s, struct ds_reader *r)
{
	uint64_t ticket = ds_get_u64(r);
	uint32_t flags = ds_get_u32(r);
	int err = ds_reader_end(r);

	if (err)
		return err;
	if (ticket > s->pull_ticket)
		s->pull_ticket = ticket;
	s->pull_flags |= flags;
	return DS_OK;
}

static int on_published(struct dss_sync *s, struct ds_reader *r)
{
	uint64_t number = ds_get_u64(r);
	uint32_t code = ds_get_u32(r);
	uint64_t generation = ds_get_u64(r);
	uint32_t number_of_error = ds_get_u32(r);
	int err = ds_reader_end(r);

	if (err)
		return err;
	s->answered = number;
	s->publish_code = code;
	s->publish_errno = (int)number_of_error;
	if (code == 0)
		s->status.generation = generation;
	return DS_OK;
}

static int on_monitor_frame(void *arg, const struct ds_frame *frame)
{
	struct dss_sync *s = arg;
	struct ds_reader r;

	ds_reader_init(&r, frame->payload, frame->len);
	switch (frame->type) {
	case DS_MSG_PULL:
		return on_pull(s, &r);
	case DS_MSG_PUBLISHED:
		return on_published(s, &r);
	case DS_MSG_RESTAGE:
		s->restage = true;
		return ds_reader_end(&r);
	default:
		return DS_ERR_FORMAT;
	}
}

void dss_ticket_drop(struct dss_ticket *t)
{
	if (t->ccache)
		explicit_bzero(t->ccache, t->ccache_len);
	free(t->ccache);
	t->ccache = NULL;
	t->ccache_len = 0;
}

int dss_channel_take_ticket(struct dss_sync *s, const struct ds_frame *frame)
{
	char principal[DS_TEXT_MAX + 1];
	struct dss_ticket answer = { .seq = 0, .arrived = true };
	const uint8_t *ccache;
	size_t len = 0;
	struct ds_reader r;
	int err;

	ds_reader_init(&r, frame->payload, frame->len);
	answer.code = ds_get_u32(&r);
	ds_get_str(&r, answer.problem, sizeof(answer.problem));
	ds_get_str(&r, principal, sizeof(principal));
	(void)ds_get_u64(&r); /* end time: a new ticket is asked each time */
	ccache = ds_get_blob(&r, &len);
	err = ds_reader_end(&r);
	/* An answer that came too late is nobody's. */
	if (err || frame->seq != s->ticket.seq || s->ticket.arrived)
		return err;
	answer.ccache = malloc(len + 1);
	if (!answer.ccache)
		return DS_ERR_NOMEM;
	if (len > 0)
		memcpy(answer.ccache, ccache, len);
	answer.ccache_len = len;
	dss_ticket_drop(&s->ticket);
	s->ticket = answer;
	return DS_OK;
}

/* An object that a live look did not find: the next pull reads it again. */
static int on_gone(struct dss_sync *s, const struct ds_frame *frame)
{
	struct ds_reader r;
	struct ds_guid guid;
	const uint8_t *data;
	size_t len;
	int err;

	ds_reader_init(&r, frame->payload, frame->len);
	data = ds_get_blob(&r, &len);
	err = ds_reader_end(&r);
	if (err || len != DS_GUID_LEN)
		return DS_ERR_FORMAT;
	memcpy(guid.b, data, DS_GUID_LEN);
	for (size_t i = 0; i < s->nasked; i++)
		if (ds_guid_equal(&s->asked[i], &guid))
			return DS_OK;
	if (s->nasked < DSS_ASKED) /* else the reconcile finds it */
		s->asked[s->nasked++] = guid;
	return DS_OK;
}

static int on_peer_frame(void *arg, const struct ds_frame *frame)
{
	switch (frame->type) {
	case DS_MSG_DC_TICKET_REPLY:
		return dss_channel_take_ticket(arg, frame);
	case DSS_MSG_GONE:
		return on_gone(arg, frame);
	default:
		return DS_ERR_FORMAT;
	}
}

void dss_channel_drain(struct dss_sync *s, int channel,
		       int (*handler)(void *, const struct ds_frame *),
		       void *arg)
{
	for (;;) {
		struct ds_frame frame = { .len = 0 };
		int fd = -1;
		int err = ds_packet_recv(channel, packet, sizeof(packet),
					 &frame, &fd);

		if (err == DS_ERR_UNAVAIL)
			return;
		if (fd >= 0)
			(void)close(fd); /* none is expected */
		if (err == DS_OK)
			err = handler(arg, &frame);
		/* There may have been a ticket in it. */
		explicit_bzero(packet, DS_HEADER_LEN + frame.len);
		if (err == DS_OK)
			continue;
		if (err != DS_ERR_CLOSED)
			ds_log(DS_LOG_ERR, "channel %d: %s", channel,
			       ds_strerror(err));
		s->stop = true;
		return;
	}
}

static void on_monitor(void *arg)
{
	dss_channel_drain(arg, DS_FD_MONITOR, on_monitor_frame, arg);
}

static void on_peer(void *arg)
{
	struct dss_sync *s = arg;

	dss_channel_drain(s, s->peer, on_peer_frame, s);
}

int dss_channel_start(struct dss_sync *s)
{
	int err = dss_loop_watch(s, DS_FD_MONITOR, on_monitor, s);

	return err ? err : dss_loop_watch(s, s->peer, on_peer, s);
}

uint32_t dss_channel_seq(struct dss_sync *s)
{
	/* 0 is nobody's. */
	if (++s->last_seq == 0)
		s->last_seq++;
	return s->last_seq;
}

/* Sends a frame, waiting a while for room in the peer's queue. */
static int send_frame(struct dss_sync *s, int channel,
		      const struct ds_writer *w)
{
	int64_t deadline = ds_now_ms() + 5000;
	int err;

	while ((err = ds_packet_send(channel, w, -1)) == DS_ERR_UNAVAIL) {
		if (ds_now_ms() >= deadline)
			return DS_ERR_TIMEOUT;
		err = dss_wait(s, channel, true, deadline);
		if (err && err != DS_ERR_TIMEOUT)
			return err;
	}
	return err;
}

int dss_channel_publish(struct dss_sync *s)
{
	int64_t deadline = ds_now_ms() + PUBLISH_MS;
	uint8_t buf[DS_HEADER_LEN + 8];
	struct ds_writer w;
	int err;

	s->staged++;
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_STAGED, dss_channel_seq(s));
	ds_put_u64(&w, s->staged);
	err = ds_frame_end(&w);
	if (err == DS_OK)
		err = send_frame(s, DS_FD_MONITOR, &w);
	while (err == DS_OK && s->answered != s->staged)
		err = dss_wait(s, -1, false, deadline);
	if (err)
		return err;
	errno = s->publish_errno;
	return s->publish_code ? -(int)s->publish_code : DS_OK;
}

int dss_channel_ticket(struct dss_sync *s, const char *host)
{
	int64_t deadline = ds_now_ms() + TICKET_MS;
	uint8_t buf[DS_HEADER_LEN + 512];
	struct ds_writer w;
	int err;

	dss_ticket_drop(&s->ticket);
	s->ticket = (struct dss_ticket){ .seq = dss_channel_seq(s) };
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_DC_TICKET, s->ticket.seq);
	ds_put_str(&w, host);
	err = ds_frame_end(&w);
	if (err == DS_OK)
		err = send_frame(s, s->peer, &w);
	while (err == DS_OK && !s->ticket.arrived)
		err = dss_wait(s, -1, false, deadline);
	if (err)
		return err;
	if (s->ticket.code == 0)
		return DS_OK;
	return s->ticket.code > 64 ? DS_ERR_DENIED : -(int)s->ticket.code;
}

/* A hint: without it they find a server by themselves. */
static void send_hint(struct dss_sync *s, uint16_t type, const char *text)
{
	uint8_t buf[DS_HEADER_LEN + 512];
	struct ds_writer w;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, type, dss_channel_seq(s));
	ds_put_str(&w, text);
	if (ds_frame_end(&w) == DS_OK)
		(void)!ds_packet_send(s->peer, &w, -1);
}

void dss_channel_server(struct dss_sync *s, const char *host)
{
	send_hint(s, DSS_MSG_SERVER, host);
}

void dss_channel_site(struct dss_sync *s)
{
	send_hint(s, DS_MSG_SITE, s->status.site);
}

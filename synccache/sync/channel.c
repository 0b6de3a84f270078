/*
 * The two channels (lib/proto.h): to the monitor on fd 3, to auth on fd 4.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/wire.h"
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
	int err = ds_reader_end(r);

	if (err)
		return err;
	s->answered = number;
	s->publish_code = code;
	if (code == 0)
		s->status.generation = generation;
	return DS_OK;
}

static int on_monitor_frame(struct dss_sync *s, const struct ds_frame *frame)
{
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

static int on_peer_frame(struct dss_sync *s, const struct ds_frame *frame)
{
	char principal[DS_TEXT_MAX + 1];
	struct dss_ticket answer = { .seq = 0, .arrived = true };
	const uint8_t *ccache;
	size_t len = 0;
	struct ds_reader r;
	int err;

	if (frame->type != DS_MSG_DC_TICKET_REPLY)
		return DS_ERR_FORMAT;
	ds_reader_init(&r, frame->payload, frame->len);
	answer.code = ds_get_u32(&r);
	ds_get_str(&r, answer.problem, sizeof(answer.problem));
	ds_get_str(&r, principal, sizeof(principal));
	(void)ds_get_u64(&r); /* end time: a new ticket is asked each time */
	ccache = ds_get_blob(&r, &len);
	err = ds_reader_end(&r);
	/* An answer that came too late is nobody's. */
	if (err || frame->seq != s->ticket.seq)
		return err;
	answer.ccache = malloc(len + 1);
	if (!answer.ccache)
		return DS_ERR_NOMEM;
	if (len > 0)
		memcpy(answer.ccache, ccache, len);
	answer.ccache_len = len;
	free(s->ticket.ccache);
	s->ticket = answer;
	return DS_OK;
}

/* Reads frames until there are none; whoever breaks the protocol is gone. */
static void drain(struct dss_sync *s, int channel,
		  int (*handler)(struct dss_sync *, const struct ds_frame *))
{
	for (;;) {
		struct ds_frame frame;
		int fd = -1;
		int err = ds_packet_recv(channel, packet, sizeof(packet),
					 &frame, &fd);

		if (err == DS_ERR_UNAVAIL)
			return;
		if (fd >= 0)
			(void)close(fd); /* none is expected */
		if (err == DS_OK)
			err = handler(s, &frame);
		if (err == DS_OK)
			continue;
		if (err != DS_ERR_CLOSED)
			ds_log(DS_LOG_ERR, "channel %d: %s", channel,
			       ds_strerror(err));
		s->stop = true;
		return;
	}
}

void dss_channel_monitor(struct dss_sync *s)
{
	drain(s, DS_FD_MONITOR, on_monitor_frame);
}

void dss_channel_peer(struct dss_sync *s)
{
	drain(s, DS_FD_PEER, on_peer_frame);
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
	ds_frame_begin(&w, DS_MSG_STAGED, ++s->last_seq);
	ds_put_u64(&w, s->staged);
	err = ds_frame_end(&w);
	if (err == DS_OK)
		err = send_frame(s, DS_FD_MONITOR, &w);
	while (err == DS_OK && s->answered != s->staged)
		err = dss_wait(s, -1, false, deadline);
	if (err)
		return err;
	return s->publish_code ? -(int)s->publish_code : DS_OK;
}

int dss_channel_ticket(struct dss_sync *s, const char *host)
{
	int64_t deadline = ds_now_ms() + TICKET_MS;
	uint8_t buf[DS_HEADER_LEN + 512];
	struct ds_writer w;
	int err;

	free(s->ticket.ccache);
	s->ticket = (struct dss_ticket){ .seq = ++s->last_seq };
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_DC_TICKET, s->ticket.seq);
	ds_put_str(&w, host);
	err = ds_frame_end(&w);
	if (err == DS_OK)
		err = send_frame(s, DS_FD_PEER, &w);
	while (err == DS_OK && !s->ticket.arrived)
		err = dss_wait(s, -1, false, deadline);
	if (err)
		return err;
	if (s->ticket.code == 0)
		return DS_OK;
	return s->ticket.code > 64 ? DS_ERR_DENIED : -(int)s->ticket.code;
}

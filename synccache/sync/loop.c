/*
 * The event loop (libevent): channels, the status timer, and waiting.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <event2/event.h>
#include <event2/event_struct.h>

#include "lib/wire.h"
#include "synccache/sync/sync.h"

static void on_monitor(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	dss_channel_monitor(arg);
}

static void on_peer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	dss_channel_peer(arg);
}

static void on_status(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	dss_status_send(arg);
}

int dss_loop_init(struct dss_sync *s)
{
	s->base = event_base_new();
	if (!s->base)
		return DS_ERR_NOMEM;
	s->monitor_event = event_new(s->base, DS_FD_MONITOR,
				     EV_READ | EV_PERSIST, on_monitor, s);
	s->peer_event =
	    event_new(s->base, DS_FD_PEER, EV_READ | EV_PERSIST, on_peer, s);
	s->status_event = event_new(s->base, -1, 0, on_status, s);
	if (!s->monitor_event || !s->peer_event || !s->status_event ||
	    event_add(s->monitor_event, NULL) != 0 ||
	    event_add(s->peer_event, NULL) != 0)
		return DS_ERR_NOMEM;
	return DS_OK;
}

void dss_loop_done(struct dss_sync *s)
{
	if (s->monitor_event)
		event_free(s->monitor_event);
	if (s->peer_event)
		event_free(s->peer_event);
	if (s->status_event)
		event_free(s->status_event);
	if (s->base)
		event_base_free(s->base);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	bool *late = arg;

	(void)fd;
	*late = (what & EV_TIMEOUT) != 0;
}

int dss_wait(struct dss_sync *s, int fd, bool write, int64_t deadline_ms)
{
	int64_t left = deadline_ms - ds_now_ms();
	struct timeval tv = { 0, 0 };
	struct event event;
	bool late = false;

	if (s->stop)
		return DS_ERR_CLOSED;
	if (left <= 0) {
		(void)event_base_loop(s->base, EVLOOP_NONBLOCK);
		return s->stop ? DS_ERR_CLOSED : DS_ERR_TIMEOUT;
	}
	tv.tv_sec = (time_t)(left / 1000);
	tv.tv_usec = (suseconds_t)(left % 1000) * 1000;
	event_assign(&event, s->base, fd,
		     fd < 0  ? 0
		     : write ? EV_WRITE
			     : EV_READ,
		     on_late, &late);
	if (event_add(&event, &tv) != 0)
		return DS_ERR_NOMEM;
	(void)event_base_loop(s->base, EVLOOP_ONCE);
	(void)event_del(&event);
	if (s->stop)
		return DS_ERR_CLOSED;
	return late ? DS_ERR_TIMEOUT : DS_OK;
}

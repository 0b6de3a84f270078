/*
 * The event loop (libevent): descriptors, the status timer, and waiting.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/random.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/sync/pace.h"
#include "synccache/sync/sync.h"

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	const struct dss_watch *watch = arg;

	(void)fd;
	(void)what;
	watch->ready(watch->arg);
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
	s->status_event = event_new(s->base, -1, 0, on_status, s);
	return s->status_event ? DS_OK : DS_ERR_NOMEM;
}

int dss_loop_watch(struct dss_sync *s, int fd, void (*ready)(void *arg),
		   void *arg)
{
	struct dss_watch *watch = s->watches;

	while (watch->event)
		if (++watch == s->watches + DSS_WATCHES)
			return DS_ERR_LIMIT;
	watch->ready = ready;
	watch->arg = arg;
	watch->event =
	    event_new(s->base, fd, EV_READ | EV_PERSIST, on_ready, watch);
	if (!watch->event || event_add(watch->event, NULL) != 0)
		return DS_ERR_NOMEM;
	return DS_OK;
}

void dss_loop_done(struct dss_sync *s)
{
	for (size_t i = 0; i < DSS_WATCHES; i++)
		if (s->watches[i].event)
			event_free(s->watches[i].event);
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
		/* Once: a peer that is gone is readable for ever. */
		(void)event_base_loop(s->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
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

uint32_t dss_chance(void)
{
	uint32_t v = 0;

	if (getrandom(&v, sizeof(v), GRND_NONBLOCK) != (ssize_t)sizeof(v))
		v = ((uint32_t)ds_now_ms() ^ (uint32_t)getpid()) * 2654435761u;
	return v;
}

int64_t dss_spread(int64_t ms)
{
	return dss_pace_part(ms, dss_chance());
}

int64_t dss_jitter(int64_t ms)
{
	return ms / 2 + dss_spread(ms);
}

static int wait_readable(void *arg, int fd, int64_t deadline_ms)
{
	return dss_wait(arg, fd, false, deadline_ms);
}

struct dss_waiter dss_loop_waiter(struct dss_sync *s)
{
	return (struct dss_waiter){ wait_readable, s };
}

/*
 * What this process tells about itself, as JSON, over the monitor channel.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <event2/event.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/sync/sync.h"

#define STATUS_EVERY_MS 100

static const char *const state_names[] = {
	[DSS_IDLE] = "idle",       [DSS_CONNECTING] = "connecting",
	[DSS_PULLING] = "pulling", [DSS_PUBLISHING] = "publishing",
	[DSS_WAITING] = "waiting",
};

/* A server's text may be no UTF-8, which JSON must be. */
static json_t *text(const char *s)
{
	json_t *plain = json_string(s);
	char buf[DSS_TEXT];

	return plain ? plain : json_string(ds_escape(buf, sizeof(buf), s));
}

static json_t *held_list(const struct dss_status *st)
{
	json_t *list = json_array();

	for (size_t i = 0; i < st->nheld && i < DSS_HELD_SHOWN; i++)
		(void)json_array_append_new(list, text(st->held[i]));
	return list;
}

static json_t *notice_list(const struct dss_status *st)
{
	json_t *list = json_array();

	for (size_t i = 0; i < DSS_NOTICES; i++) {
		if (st->notice[i][0])
			(void)json_array_append_new(list, text(st->notice[i]));
	}
	return list;
}

static json_t *progress(const struct dss_status *st, int64_t now_ms)
{
	int64_t ms = now_ms - st->progress_since;
	uint64_t rate = ms > 0 ? st->progress * 1000 / (uint64_t)ms : 0;

	return json_pack("{s:I, s:I, s:I}", "objects",
			 (json_int_t)st->progress, "expected",
			 (json_int_t)st->expected, "rate", (json_int_t)rate);
}

#define AT(m) offsetof(struct dss_status, m)
static const struct {
	const char *name;
	size_t offset; /* of a uint64_t */
} numbers[] = {
	{ "done", AT(done) },
	{ "failed", AT(failed) },
	{ "objects", AT(objects) },
	{ "users", AT(users) },
	{ "groups", AT(groups) },
	{ "withheld", AT(withheld) },
	{ "in_part", AT(in_part) },
	{ "last_pull", AT(last_pull) },
	{ "last_change", AT(last_change) },
	{ "next_try", AT(next_try) },
	{ "lag_ms", AT(lag_ms) },
	{ "generation", AT(generation) },
};

/* malloc'ed; NULL: no memory. */
static char *json_of(const struct dss_status *st, int64_t now_ms)
{
	char *out = NULL;
	json_t *doc = json_pack(
	    "{s:s, s:s, s:o, s:o, s:s, s:o, s:s, s:o, s:s, s:o, s:o, s:o, "
	    "s:o, s:I, s:b}",
	    "state", state_names[st->state], "phase", st->phase, "server",
	    text(st->server), "site", text(st->site), "site_from",
	    st->site[0] ? st->site_from : "", "server_site",
	    text(st->server_site), "strategy",
	    st->strategy ? st->strategy : "", "strategy_why",
	    text(st->strategy_why), "transport", st->transport, "progress",
	    progress(st, now_ms), "last_error",
	    st->last_error[0] ? text(st->last_error) : json_null(), "notices",
	    notice_list(st), "held", held_list(st), "held_count",
	    (json_int_t)st->nheld, "notify", (int)st->notify);

	for (size_t i = 0; doc && i < sizeof(numbers) / sizeof(numbers[0]);
	     i++) {
		uint64_t n;

		memcpy(&n, (const char *)st + numbers[i].offset, sizeof(n));
		(void)json_object_set_new(doc, numbers[i].name,
					  json_integer((json_int_t)n));
	}
	if (doc)
		out = json_dumps(doc, JSON_COMPACT);
	json_decref(doc);
	return out;
}

void dss_status_send(struct dss_sync *s)
{
	static uint8_t buf[DS_PACKET_MAX];
	char *json = json_of(&s->status, ds_now_ms());
	struct ds_writer w;

	if (!json)
		return;
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_CHILD_STATUS, dss_channel_seq(s));
	ds_put_str(&w, json);
	free(json);
	s->status_sent = ds_now_ms();
	if (ds_frame_end(&w) == DS_OK &&
	    ds_packet_send(DS_FD_MONITOR, &w, -1) == DS_ERR_UNAVAIL)
		dss_status_changed(s); /* later, then */
}

void dss_status_changed(struct dss_sync *s)
{
	int64_t wait = s->status_sent + STATUS_EVERY_MS - ds_now_ms();
	struct timeval tv = { 0, 0 };

	if (!s->status_event ||
	    event_pending(s->status_event, EV_TIMEOUT, NULL))
		return;
	if (wait > 0)
		tv.tv_usec = (suseconds_t)(wait % 1000) * 1000;
	(void)event_add(s->status_event, &tv);
}

void dss_status_state(struct dss_sync *s, enum dss_state state,
		      const char *phase)
{
	s->status.state = state;
	s->status.phase = phase;
	dss_status_changed(s);
}

void dss_status_error(struct dss_sync *s, int err, const char *fmt, ...)
{
	char line[DSS_TEXT];
	bool told = err == DS_ERR_CONFIG; /* auth's to log, and it did */
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	/* Each retry may fail the same way: that is no news. */
	told |= strcmp(line, s->status.last_error) == 0;
	ds_log(told ? DS_LOG_DEBUG : DS_LOG_WARN, "%s", line);
	(void)snprintf(s->status.last_error, sizeof(s->status.last_error),
		       "%s", line);
	dss_status_changed(s);
}

void dss_status_done(struct dss_status *st)
{
	for (size_t i = 0; i < DSS_HELD_SHOWN; i++)
		free(st->held[i]);
}

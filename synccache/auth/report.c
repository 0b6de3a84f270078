/*
 * CHILD_STATUS: what `dssyncctl status` shows of auth, coalesced.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/auth/auth.h"

#define REPORT_MS 200 /* at most five a second */

struct dsa_report {
	struct dsa_server *server;
	struct event *timer;
};

/* JSON is UTF-8; what foreign bytes a KDC may have put in is escaped. */
static json_t *text_or_null(const char *text)
{
	char escaped[DSA_REASON_MAX + 1];
	json_t *json;

	if (text[0] == '\0')
		return json_null();
	json = json_string(text);
	if (json == NULL)
		json = json_string(ds_escape(escaped, sizeof(escaped), text));
	return json;
}

/* Who answered as a KDC and proved nothing, and how long it counts. */
static json_t *doubts_json(const struct dsa_doubts *doubts)
{
	int64_t now_ms = ds_now_ms(), now = time(NULL);
	json_t *list = json_array();

	for (size_t i = 0; i < DSA_KDCS_MAX; i++)
		if (doubts->at[i].until_ms > now_ms)
			(void)json_array_append_new(
			    list,
			    json_pack(
				"{s:s, s:I}", "kdc", doubts->at[i].address,
				"until",
				(json_int_t)(now + (doubts->at[i].until_ms -
						    now_ms) /
						       1000)));
	return list;
}

/* The document, the caller's to free; NULL: no memory, or foreign bytes. */
static char *document(const struct dsa_server *server)
{
	const struct dsa_keytab *keytab = &server->keytab;
	const struct dsa_stats *stats = &server->stats;
	char *text;
	json_t *json = json_pack(
	    "{s:s, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:I, s:I, "
	    "s:{s:I, s:I, s:I}, s:o, s:o}",
	    "keytab", keytab->state, "keytab_problem",
	    text_or_null(keytab->problem), "principal",
	    text_or_null(keytab->principal), "kvno", (json_int_t)keytab->kvno,
	    "kdc", text_or_null(server->kdc), "doubted",
	    doubts_json(&server->doubts), "trouble",
	    text_or_null(dsa_trouble_word(server->health.trouble)), "clock",
	    server->health.has_clock ? json_integer(server->health.clock)
				     : json_null(),
	    "workers",
	    (json_int_t)(server->jobs.running[DSA_JOB_CHECK] +
			 server->jobs.running[DSA_JOB_USER_CHECK]),
	    "tickets", (json_int_t)dsa_handles_count(server->handles),
	    "checks", "ok", (json_int_t)stats->ok, "refused",
	    (json_int_t)stats->refused, "unavailable",
	    (json_int_t)stats->unavailable, "last_error",
	    text_or_null(stats->last_error), "offline",
	    dsa_offline_json(server));

	if (json == NULL)
		return NULL;
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	return text;
}

static int send_report(const struct dsa_server *server)
{
	uint8_t buf[DS_HEADER_LEN + 4 + 8192];
	char *text = document(server);
	struct ds_writer w;
	int r;

	if (text == NULL)
		return DS_ERR_NOMEM;
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_CHILD_STATUS, 0);
	ds_put_str(&w, text);
	free(text);
	r = ds_frame_end(&w);
	if (r == 0)
		r = ds_packet_send(DS_FD_MONITOR, &w, -1);
	return r;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct dsa_report *report = arg;
	int r = send_report(report->server);

	(void)fd;
	(void)what;
	if (r == DS_ERR_UNAVAIL)
		dsa_report_changed(report->server); /* again, later */
	else if (r != 0)
		ds_log(DS_LOG_WARN, "no status for the monitor: %s",
		       ds_strerror(r));
}

void dsa_report_changed(struct dsa_server *server)
{
	const struct timeval delay = { .tv_usec = REPORT_MS * 1000 };

	if (!evtimer_pending(server->report->timer, NULL))
		(void)evtimer_add(server->report->timer, &delay);
}

void dsa_report_result(struct dsa_server *server, enum ds_auth_result result,
		       const char *reason)
{
	struct dsa_stats *stats = &server->stats;

	if (result == DS_AUTH_OK || result == DS_AUTH_NEW_PASSWORD)
		stats->ok++;
	else if (result == DS_AUTH_UNAVAILABLE)
		stats->unavailable++;
	else
		stats->refused++;
	/* A KDC that does not know the host's key, or means another object, is
	 * an error of the system; a typing error is none. */
	if (reason != NULL &&
	    (result == DS_AUTH_UNAVAILABLE || result == DS_AUTH_DENIED))
		(void)snprintf(stats->last_error, sizeof(stats->last_error),
			       "%s", reason);
	dsa_report_changed(server);
}

bool dsa_report_start(struct dsa_server *server)
{
	struct dsa_report *report = calloc(1, sizeof(*report));

	if (report == NULL)
		return false;
	report->server = server;
	server->report = report;
	report->timer = evtimer_new(server->base, on_timer, report);
	if (report->timer == NULL)
		return false;
	dsa_report_changed(server);
	return true;
}

void dsa_report_stop(struct dsa_server *server)
{
	if (server->report == NULL)
		return;
	if (server->report->timer != NULL)
		event_free(server->report->timer);
	free(server->report);
	server->report = NULL;
}

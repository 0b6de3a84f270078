/*
 * Fd 4: sync asks for tickets, and says in which site this host is.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/srv.h"
#include "lib/wire.h"
#include "synccache/auth/auth.h"
#include "synccache/auth/dcticket.h"
#include "synccache/auth/fast.h"

#define TICKET_MS 24000 /* kdc.c has less */

struct question {
	struct dsa_server *server;
	uint32_t seq;
	char host[DS_HOST_MAX + 1];
};

struct verdict {
	uint32_t err;
	char problem[DS_TEXT_MAX + 1];
	char principal[DSA_PRINCIPAL_MAX + 1];
	uint64_t end;
	const uint8_t *ccache; /* borrowed */
	size_t ccache_len;
	struct dsa_health health;
	struct dsa_found found;
	struct dsa_tgt tgt; /* owned */
};

static void reply(uint32_t seq, const struct verdict *v)
{
	struct dsa_secret packet;
	struct ds_writer w;
	int r = dsa_secret_init(&packet, DS_PACKET_MAX, DSA_SECRET_PRIVATE);

	if (r != 0)
		return;
	ds_writer_init(&w, packet.p, packet.cap);
	ds_frame_begin(&w, DS_MSG_DC_TICKET_REPLY, seq);
	ds_put_u32(&w, v->err);
	ds_put_str(&w, v->problem);
	ds_put_str(&w, v->principal);
	ds_put_u64(&w, v->end);
	ds_put_blob(&w, v->ccache, v->ccache_len);
	r = ds_frame_end(&w);
	if (r == 0)
		r = ds_packet_send(DS_FD_PEER, &w, -1);
	if (r != 0)
		ds_log(DS_LOG_WARN, "sync does not take its answer: %s",
		       ds_strerror(r));
	dsa_secret_done(&packet);
}

static void refuse(struct dsa_server *server, uint32_t seq, int err,
		   const char *problem)
{
	struct verdict v = { .err = (uint32_t)-err };

	(void)snprintf(v.problem, sizeof(v.problem), "%s", problem);
	/* A keytab's problem was logged when the keytab came. */
	if (server->keytab.kt != NULL &&
	    strcmp(server->stats.last_error, v.problem) != 0)
		ds_log(DS_LOG_WARN, "no ticket for sync: %s", v.problem);
	(void)snprintf(server->stats.last_error,
		       sizeof(server->stats.last_error), "%s", v.problem);
	dsa_report_changed(server);
	reply(seq, &v);
}

static int read_verdict(const struct ds_frame *frame, struct verdict *v)
{
	struct ds_reader r;

	ds_reader_init(&r, frame->payload, frame->len);
	v->err = ds_get_u32(&r);
	ds_get_str(&r, v->problem, sizeof(v->problem));
	ds_get_str(&r, v->principal, sizeof(v->principal));
	v->end = ds_get_u64(&r);
	v->ccache = ds_get_blob(&r, &v->ccache_len);
	dsa_health_get(&r, &v->health);
	dsa_found_get(&r, &v->found);
	dsa_tgt_get(&r, &v->tgt);
	if (frame->type != DSA_MSG_DC_VERDICT || v->ccache_len > DS_CCACHE_MAX)
		return DS_ERR_FORMAT;
	return ds_reader_end(&r);
}

static bool on_worker(void *arg, const struct ds_frame *frame)
{
	struct question *q = arg;
	struct verdict v = { 0 };

	if (frame == NULL || read_verdict(frame, &v) != 0) {
		refuse(q->server, q->seq, DS_ERR_TIMEOUT,
		       "the KDC gave no answer in time");
	} else if (v.err != 0) {
		dsa_found_keep(q->server, &v.found);
		dsa_health_keep(&q->server->health, &v.health);
		refuse(q->server, q->seq, -(int)v.err, v.problem);
	} else {
		dsa_found_keep(q->server, &v.found);
		dsa_health_keep(&q->server->health, &v.health);
		dsa_report_changed(q->server);
		dsa_fast_keep(q->server, &v.tgt);
		dsa_offline_heard(q->server, DSA_KDC_ANSWERED, ds_now_ms());
		reply(q->seq, &v);
	}
	dsa_tgt_done(&v.tgt);
	free(q);
	return true;
}

static void run_worker(void *arg, int out)
{
	struct question *q = arg;

	dsa_dc_run(q->server, q->host, out);
}

static void ask(struct question *q)
{
	struct dsa_server *server = q->server;
	const struct dsa_job_spec spec = {
		.kind = DSA_JOB_TICKET,
		.keep_fd = -1,
		.timeout_ms = TICKET_MS,
		.run = run_worker,
		.heard = on_worker,
		.arg = q,
	};
	int r = dsa_job_start(&server->jobs, &spec);

	if (r == 0)
		return;
	refuse(server, q->seq, DS_ERR_UNAVAIL,
	       r == DS_ERR_LIMIT ? "other tickets are being fetched"
				 : "no worker could be started");
	free(q);
}

static void on_dc_ticket(struct dsa_server *server,
			 const struct ds_frame *frame)
{
	struct question *q = calloc(1, sizeof(*q));
	struct ds_reader r;

	if (q == NULL) {
		refuse(server, frame->seq, DS_ERR_NOMEM, "out of memory");
		return;
	}
	q->server = server;
	q->seq = frame->seq;
	ds_reader_init(&r, frame->payload, frame->len);
	ds_get_str(&r, q->host, sizeof(q->host));
	if (ds_reader_end(&r) != 0 ||
	    !ds_host_in_domain(q->host, server->config.domain.name))
		refuse(server, q->seq, DS_ERR_DENIED,
		       "the server's name does not lie in the domain");
	else if (server->keytab.kt == NULL)
		refuse(server, q->seq, DS_ERR_CONFIG, server->keytab.problem);
	else {
		ask(q);
		return;
	}
	free(q);
}

/* Another site has other KDCs: the next worker asks DNS. */
static int on_site(struct dsa_server *server, const struct ds_frame *frame)
{
	char site[DS_HOST_MAX + 1];
	struct ds_reader r;

	ds_reader_init(&r, frame->payload, frame->len);
	ds_get_str(&r, site, sizeof(site));
	if (ds_reader_end(&r) != 0 ||
	    (site[0] != '\0' && !ds_site_usable(site)))
		return DS_ERR_FORMAT;
	if (server->config.domain.site[0] != '\0' ||
	    strcmp(server->site, site) == 0)
		return DS_OK;
	(void)snprintf(server->site, sizeof(server->site), "%s", site);
	server->kdc[0] = '\0';
	dsa_spare_refresh(server);
	return DS_OK;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct dsa_server *server = arg;
	static uint8_t buf[DS_PACKET_MAX];
	struct ds_frame frame;
	int passed = -1, r;

	(void)what;
	r = ds_packet_recv(fd, buf, sizeof(buf), &frame, &passed);
	if (r == 0 && passed >= 0)
		(void)close(passed);
	if (r == 0 && frame.type == DS_MSG_DC_TICKET) {
		on_dc_ticket(server, &frame);
	} else if (r == 0 && frame.type == DS_MSG_LOOK_REPLY) {
		if (dsa_look_reply(server->looks, &frame) != 0)
			ds_log(DS_LOG_WARN,
			       "sync answers a live check with a broken "
			       "message");
	} else if (r == 0 && frame.type == DS_MSG_SITE) {
		if (on_site(server, &frame) != 0)
			ds_log(DS_LOG_WARN, "sync names a site that is none");
	} else if (r == DS_ERR_CLOSED || r == DS_ERR_SYS) {
		ds_log(DS_LOG_ERR, "the channel to sync is closed");
		event_free(server->peer_event);
		server->peer_event = NULL;
	} else if (r != DS_ERR_UNAVAIL) {
		ds_log(DS_LOG_WARN, "sync sent what it must not: %s",
		       r == 0 ? "another message" : ds_strerror(r));
	}
}

bool dsa_peer_start(struct dsa_server *server)
{
	server->peer_event =
	    event_new(server->base, DS_FD_PEER, EV_READ | EV_PERSIST,
		      on_readable, server);
	return server->peer_event != NULL &&
	       event_add(server->peer_event, NULL) == 0;
}

/*
 * pam.sock and pam-user.sock: what is asked there, and the answers.  ACCOUNT,
 * HOST and TICKET are answered here; a password goes to a worker, or waits in
 * the queue of its gate for one.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/auth/audit.h"
#include "synccache/auth/auth.h"
#include "synccache/auth/check.h"
#include "synccache/auth/delay.h"
#include "synccache/auth/fast.h"
#include "synccache/auth/gate.h"
#include "synccache/auth/policy.h"
#include "synccache/auth/probe.h"
#include "synccache/auth/revoked.h"

#ifndef DSA_QUEUE_MS        /* only tests have others */
#define DSA_QUEUE_MS  30000 /* until a worker is free */
#define DSA_LINGER_MS 10000 /* to make a verifier after the answer */
#endif

struct dsa_pam {
	struct dsa_gate root, user;
	struct dsa_delays *delays;
};

/* ---- AUTH and CHANGE ---- */

static const char *event_of(const struct dsa_conn *c)
{
	return c->type == DS_MSG_CHANGE ? "password" : "auth";
}

static void reply_auth(struct dsa_conn *c, enum ds_auth_result result,
		       const char *text, const uint8_t *handle)
{
	uint8_t buf[DS_HEADER_LEN + 4 + 4 + DS_TEXT_MAX + 4 + DS_HANDLE_LEN];
	struct ds_writer w;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w,
		       c->type == DS_MSG_CHANGE ? DS_MSG_CHANGE_REPLY
						: DS_MSG_AUTH_REPLY,
		       c->seq);
	ds_put_u32(&w, result);
	ds_put_str(&w, text);
	if (c->type != DS_MSG_CHANGE)
		ds_put_blob(&w, handle, handle != NULL ? DS_HANDLE_LEN : 0);
	dsa_conn_reply(c, &w);
	explicit_bzero(buf, sizeof(buf));
}

/*
 * Before the password was proven any text says that there is such a user: on
 * this host getent(1) does as well, whoever comes from elsewhere hears none.
 */
static const char *text_for(const struct dsa_conn *c, bool proven,
			    const char *text)
{
	return proven || c->type == DS_MSG_CHANGE ||
		       c->subject.rhost[0] == '\0'
		   ? text
		   : "";
}

static void fail_auth(struct dsa_conn *c, enum ds_auth_result result,
		      const char *reason)
{
	struct dsa_server *server = c->gate->server;
	char text[DS_TEXT_MAX + 1];

	dsa_audit(event_of(c), &c->subject, result, reason, -1);
	dsa_report_result(server, result, reason);
	dsa_text(result, false, "", text, sizeof(text));
	reply_auth(c, result, text_for(c, false, text), NULL);
}

static void take_subject(struct dsa_conn *c, const struct ds_frame *frame)
{
	struct dsa_subject s = { 0 };
	struct ds_reader r;

	ds_reader_init(&r, frame->payload, frame->len);
	dsa_subject_read(&r, &s);
	ds_get_str(&r, s.name, sizeof(s.name));
	s.uid = ds_get_u32(&r);
	s.caller = c->subject.caller;
	if (ds_reader_end(&r) == 0)
		c->subject = s;
}

struct verdict {
	uint32_t result;
	bool proven, unasked;
	uint8_t revoked; /* enum dsa_revoked */
	char text[DS_TEXT_MAX + 1];
	char reason[DSA_REASON_MAX + 1];
	int64_t kdc_ms;
	char principal[DSA_PRINCIPAL_MAX + 1];
	const uint8_t *ccache; /* borrowed */
	size_t ccache_len;
	struct dsa_found found;
	struct dsa_health health;
	struct dsa_tgt tgt; /* owned */
	uint32_t heard;     /* enum dsa_kdc_word */
	bool offline;
	struct dsa_offline_cost cost;
};

static int read_verdict(const struct ds_frame *frame, struct verdict *v)
{
	struct ds_reader r;

	ds_reader_init(&r, frame->payload, frame->len);
	v->result = ds_get_u32(&r);
	v->proven = ds_get_u8(&r) != 0;
	v->unasked = ds_get_u8(&r) != 0;
	v->revoked = ds_get_u8(&r);
	ds_get_str(&r, v->text, sizeof(v->text));
	ds_get_str(&r, v->reason, sizeof(v->reason));
	v->kdc_ms = (int64_t)ds_get_u64(&r);
	ds_get_str(&r, v->principal, sizeof(v->principal));
	v->ccache = ds_get_blob(&r, &v->ccache_len);
	dsa_found_get(&r, &v->found);
	dsa_health_get(&r, &v->health);
	dsa_tgt_get(&r, &v->tgt);
	v->heard = ds_get_u32(&r);
	v->offline = ds_get_u8(&r) != 0;
	v->cost.kdf_us = ds_get_u32(&r);
	v->cost.check_us = ds_get_u32(&r);
	return frame->type == DSA_MSG_VERDICT ? ds_reader_end(&r)
					      : DS_ERR_FORMAT;
}

/* 0: not known, or not visible from here. */
static pid_t peer_pid(const struct dsa_conn *c)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(c->fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0
		   ? peer.pid
		   : 0;
}

/*
 * What the verdict means for later: the account phase of this login may take
 * the KDC's word; an object that the KDC does not know is looked at, so that
 * the mirror learns of it.
 */
static void learn(struct dsa_conn *c, const struct verdict *v)
{
	struct dsa_server *server = c->gate->server;

	if (v->found.kdc[0] == '\0' || v->offline)
		return; /* none has decided anything */
	if (v->result == DS_AUTH_OK && c->type == DS_MSG_AUTH)
		dsa_proven_put(&server->proven, ds_now_ms(), peer_pid(c),
			       &c->subject);
	else if (v->result == DS_AUTH_UNKNOWN)
		(void)!dsa_look(server->looks, &c->subject.guid, NULL, NULL);
}

/*
 * A refusal for want of a KDC is no failure, nor is one without a check; and
 * what nobody checked ends no delay.
 */
static void count(struct dsa_conn *c, const struct verdict *v)
{
	struct dsa_delays *delays = c->gate->server->pam->delays;

	if (v->unasked)
		return;
	if (v->proven)
		dsa_delays_passed(delays, c->delay_key);
	else if (v->result != DS_AUTH_UNAVAILABLE &&
		 v->result != DS_AUTH_UNKNOWN)
		dsa_delays_failed(delays, ds_now_ms(), c->delay_key);
}

/* False: the session gets no ticket. */
static bool keep_ticket(struct dsa_conn *c, const struct verdict *v,
			uint8_t handle[DS_HANDLE_LEN])
{
	struct dsa_handles *handles = c->gate->server->handles;
	int r;

	if (v->result != DS_AUTH_OK || v->ccache_len == 0)
		return false;
	/* No user fills the store with theirs. */
	if (c->subject.caller != 0)
		dsa_handles_forget(handles, c->subject.caller);
	r = dsa_handles_put(handles, ds_now_ms(), c->subject.uid, v->principal,
			    v->ccache, v->ccache_len, handle);
	if (r != 0)
		ds_log(DS_LOG_WARN, "no ticket for the session: %s",
		       ds_strerror(r));
	return r == 0;
}

static void answer(struct dsa_conn *c, const struct verdict *v)
{
	struct dsa_server *server = c->gate->server;
	uint8_t handle[DS_HANDLE_LEN];
	bool kept = keep_ticket(c, v, handle);

	count(c, v);
	learn(c, v);
	dsa_audit(event_of(c), &c->subject, (enum ds_auth_result)v->result,
		  v->reason, v->kdc_ms);
	dsa_report_result(server, (enum ds_auth_result)v->result,
			  v->proven || v->unasked ? NULL : v->reason);
	reply_auth(c, (enum ds_auth_result)v->result,
		   text_for(c, v->proven, v->text), kept ? handle : NULL);
	explicit_bzero(handle, sizeof(handle));
}

/* ---- a KDC that does not say why ---- */

struct held {
	struct dsa_conn *c;
	struct verdict v; /* a refusal: no ticket is borrowed */
};

static void on_revoked(void *arg, const struct dsa_verdict *why,
		       const char *origin)
{
	struct held *h = arg;
	struct verdict *v = &h->v;
	char kdc[sizeof(v->reason)];

	memcpy(kdc, v->reason, sizeof(kdc));
	v->result = why->result;
	v->proven = why->proven;
	(void)snprintf(v->reason, sizeof(v->reason), "%.*s; %s",
		       (int)sizeof(v->reason) - 64, kdc, origin);
	dsa_text(why->result, why->proven, "", v->text, sizeof(v->text));
	answer(h->c, v);
	free(h);
}

/* True: the answer comes when it is known why, or that nobody says. */
static bool is_held(struct dsa_conn *c, const struct verdict *v)
{
	struct held *h;

	if (v->revoked == DSA_REVOKED_NOT || v->result == DS_AUTH_OK)
		return false;
	h = malloc(sizeof(*h));
	if (h == NULL)
		return false;
	*h = (struct held){ c, *v };
	h->v.ccache = NULL;
	h->v.ccache_len = 0;
	h->v.tgt = (struct dsa_tgt){ 0 };
	if (!dsa_revoked_ask(c->gate->server, &c->subject,
			     (enum dsa_revoked)v->revoked, on_revoked, h)) {
		free(h);
		return false;
	}
	/* It has a deadline of its own. */
	dsa_conn_enter(c, DSA_CONN_ASKING, 0);
	return true;
}

static void note_offline(struct dsa_server *server, const struct verdict *v)
{
	dsa_offline_heard(server, (enum dsa_kdc_word)v->heard,
			  ds_now_ms() - v->cost.check_us / 1000);
	if (!v->offline)
		return;
	dsa_offline_used(server);
	server->offline.last = v->cost;
	if (v->result == DS_AUTH_OK)
		server->offline.signed_in++;
}

static bool on_worker(void *arg, const struct ds_frame *frame)
{
	struct dsa_conn *c = arg;
	struct dsa_server *server = c->gate->server;
	struct verdict v = { 0 };

	if (frame != NULL && frame->type == DSA_MSG_SUBJECT) {
		take_subject(c, frame);
		return false;
	}
	if (frame != NULL && read_verdict(frame, &v) == 0) {
		dsa_fast_keep(server, &v.tgt);
		if (v.kdc_ms >= 0)
			dsa_found_keep(server, &v.found);
		dsa_health_keep(&server->health, &v.health);
		note_offline(server, &v);
		if (!is_held(c, &v))
			answer(c, &v);
	} else {
		fail_auth(c, DS_AUTH_UNAVAILABLE, "the worker gave no answer");
	}
	dsa_tgt_done(&v.tgt);
	return true;
}

static void on_late(void *arg, const struct ds_frame *frame)
{
	if (frame->type == DSA_MSG_KEPT)
		dsa_offline_kept(arg, frame);
}

static void run_worker(void *arg, int out)
{
	struct dsa_conn *c = arg;

	dsa_check_run(c->gate->server, c->fd, c->subject.caller, out);
}

/*
 * Failures before cost time, and one check at a time.  One waits here, so that
 * a person who mistyped thrice is let in; more, which no person sends, are
 * refused at once and never reach a KDC.  False: the connection is cared for.
 */
static bool may_begin(struct dsa_conn *c)
{
	int64_t wait;

	if (!dsa_delays_apply(c->gate->server->pam->delays, ds_now_ms(),
			      c->delay_key, &wait))
		return true;
	if (dsa_conn_has_twin(c)) {
		fail_auth(c, DS_AUTH_DELAYED,
			  "another check waits for failures before it");
		return false;
	}
	if (wait == 0)
		return true;
	if (dsa_gate_parked(c->gate) < DSA_PARKED_MAX)
		dsa_conn_enter(c, DSA_CONN_PARKED, (int)wait);
	else
		fail_auth(c, DS_AUTH_DELAYED,
			  "too many wait for failures before them");
	return false;
}

static void start_worker(struct dsa_conn *c)
{
	struct dsa_server *server = c->gate->server;
	const struct dsa_job_spec spec = {
		.kind = c->gate->kind,
		.keep_fd = c->fd,
		.timeout_ms =
		    DSA_CHECK_MS + (server->offline.on ? DSA_OFFLINE_MS : 0),
		/* A user's keeps the user's slot, and has less time: what
		 * lingers for root is not for users to crowd out. */
		.linger_ms =
		    server->offline.on && c->gate->kind == DSA_JOB_CHECK
			? DSA_LINGER_MS
			: 0,
		.run = run_worker,
		.heard = on_worker,
		.arg = c,
		.late = on_late,
		.late_arg = server,
	};
	int r;

	if (dsa_conn_is_dead(c)) {
		dsa_conn_free(c);
		return;
	}
	if (!may_begin(c))
		return;
	dsa_conn_enter(c, DSA_CONN_CHECKING, 0);
	dsa_mirror_refresh(&server->mirror);
	r = dsa_spare_hand(server, &spec, c->subject.caller);
	if (r != 0)
		r = dsa_job_start(&server->jobs, &spec);
	if (r != 0) {
		ds_log(DS_LOG_ERR, "cannot start a worker: %s",
		       ds_strerror(r));
		fail_auth(c, DS_AUTH_UNAVAILABLE,
			  "no worker could be started");
	} else if (dsa_offline_away(server)) {
		dsa_offline_probe(server);
	}
}

/* The first in the queue whose user has not got all workers already. */
static struct dsa_conn *next_in(const struct dsa_gate *gate)
{
	struct dsa_conn *c;

	TAILQ_FOREACH(c, &gate->queue, queue)
	if (gate->uid_max == 0 || dsa_conn_checks(c) < DSA_UID_CHECKS_MAX)
		break;
	return c;
}

static void start_workers(struct dsa_gate *gate)
{
	struct dsa_conn *c;

	while (dsa_job_has_room(&gate->server->jobs, gate->kind) &&
	       (c = next_in(gate)) != NULL)
		start_worker(c);
}

static void on_slot_free(void *arg)
{
	struct dsa_pam *pam = arg;

	start_workers(&pam->root);
	start_workers(&pam->user);
	dsa_spare_soon(pam->root.server);
	dsa_report_changed(pam->root.server);
}

static void enqueue(struct dsa_conn *c)
{
	struct dsa_server *server = c->gate->server;

	if (dsa_conn_peek(c) != 0) {
		dsa_conn_free(c);
		return;
	}
	c->delay_key = dsa_delays_key(server->pam->delays, &c->subject);
	dsa_conn_enter(c, DSA_CONN_QUEUED, DSA_QUEUE_MS);
	start_workers(c->gate);
	dsa_report_changed(server);
}

static void overdue(struct dsa_conn *c)
{
	struct dsa_gate *gate = c->gate;

	if (c->state == DSA_CONN_RESTING) {
		dsa_conn_free(c);
		start_workers(gate);
	} else if (c->state == DSA_CONN_PARKED) {
		dsa_conn_enter(c, DSA_CONN_QUEUED, DSA_QUEUE_MS);
		start_workers(gate);
	} else {
		fail_auth(c, DS_AUTH_UNAVAILABLE, "all workers are busy");
	}
}

/* ---- requests ---- */

static void on_said(void *arg, enum ds_auth_result result, const char *text)
{
	uint8_t buf[DS_HEADER_LEN + 4 + 4 + DS_TEXT_MAX];
	struct dsa_conn *c = arg;
	struct ds_writer w;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w,
		       c->type == DS_MSG_HOST ? DS_MSG_HOST_REPLY
					      : DS_MSG_ACCOUNT_REPLY,
		       c->seq);
	ds_put_u32(&w, result);
	ds_put_str(&w, text);
	dsa_conn_reply(c, &w);
}

/* ACCOUNT, HOST and TICKET, of which all bytes are here. */
static void answer_here(struct dsa_conn *c)
{
	struct dsa_server *server = c->gate->server;
	const struct dsa_caller caller = { c->subject.caller, peer_pid(c) };
	uint8_t in[DSA_REQUEST_MAX];
	struct dsa_secret out;
	struct ds_frame frame;
	struct ds_writer w;

	if (ds_wire_recv(c->fd, in, sizeof(in), ds_now_ms() + DSA_REPLY_MS,
			 &frame) != 0 ||
	    (frame.type == DS_MSG_HOST && frame.len != 0)) {
		dsa_conn_free(c);
		return;
	}
	if (frame.type == DS_MSG_HOST) {
		dsa_conn_enter(c, DSA_CONN_ASKING, 0);
		dsa_host_ask(server, on_said, c);
		return;
	}
	if (frame.type == DS_MSG_ACCOUNT) {
		/* A live check has a deadline of its own. */
		dsa_conn_enter(c, DSA_CONN_ASKING, 0);
		dsa_account_ask(server, &caller, &frame, on_said, c);
		return;
	}
	if (dsa_secret_init(&out, DS_PACKET_MAX, DSA_SECRET_PRIVATE) == 0) {
		ds_writer_init(&w, out.p, out.cap);
		dsa_ticket_answer(server, caller.uid, &frame, &w);
		dsa_conn_reply(c, &w);
		dsa_secret_done(&out);
	} else {
		dsa_conn_free(c);
	}
	explicit_bzero(in, sizeof(in));
}

static void on_request(struct dsa_conn *c, uint16_t type)
{
	c->type = type;
	/* passwd(1) is root's, and so is doctor. */
	if (c->gate->uid_max != 0 &&
	    (type == DS_MSG_CHANGE || type == DS_MSG_HOST)) {
		dsa_conn_free(c);
		return;
	}
	switch (type) {
	case DS_MSG_CHANGE:
	case DS_MSG_AUTH:
		enqueue(c);
		break;
	case DS_MSG_ACCOUNT:
	case DS_MSG_HOST:
	case DS_MSG_TICKET:
		answer_here(c);
		break;
	default:
		dsa_conn_free(c);
	}
}

bool dsa_pam_start(struct dsa_server *server)
{
	struct dsa_pam *pam = calloc(1, sizeof(*pam));

	if (pam == NULL)
		return false;
	server->pam = pam;
	pam->delays = dsa_delays_new(DSA_DELAY_ENTRIES);
	if (pam->delays == NULL)
		return false;
	pam->root = (struct dsa_gate){
		.server = server,
		.name = "pam.sock",
		.max = DSA_CONNS_MAX,
		.kind = DSA_JOB_CHECK,
		.priority = DSA_PRIO_ROOT,
		.request = on_request,
		.overdue = overdue,
	};
	pam->user = pam->root;
	pam->user.name = "pam-user.sock";
	pam->user.max = DSA_USER_CONNS_MAX;
	pam->user.uid_max = DSA_UID_CONNS_MAX;
	pam->user.kind = DSA_JOB_USER_CHECK;
	pam->user.priority = DSA_PRIO_USER;
	server->jobs.slot_free = on_slot_free;
	server->jobs.slot_arg = pam;
	return dsa_gate_open(&pam->root, DS_FD_PAM) &&
	       dsa_gate_open(&pam->user, DS_FD_PAM_USER);
}

void dsa_pam_stop(struct dsa_server *server)
{
	if (server->pam == NULL)
		return;
	dsa_gate_close(&server->pam->root);
	dsa_gate_close(&server->pam->user);
	dsa_delays_free(server->pam->delays);
	free(server->pam);
	server->pam = NULL;
}

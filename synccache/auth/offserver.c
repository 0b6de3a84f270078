/*
 * Offline logins in the main process.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/offserver.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/auth/auth.h"
#include "synccache/auth/offline.h"
#include "synccache/auth/probe.h"

#define PROBE_MS      5000 /* from one probe to the next, in the window */
#define PROBE_SOON_MS 2    /* whose password is checked runs first */
#define TICK_SECONDS  600  /* of the house clock */
#define SLOTS_MAX     16
#define STORE_MS      10000 /* a job in the folder */

/* ---- the folder, before anybody is served ---- */

static int open_clock(struct dsa_offserver *o, int dir)
{
	uint8_t id[DSA_CLOCK_ID_LEN];
	struct dsa_now now;
	int r;

	dsa_now_read(&now);
	r = dsa_store_read_clock(dir, o->key.p, &o->clock);
	if (r == 0) {
		dsa_clock_advance(&o->clock, &now);
		return dsa_store_write_clock(dir, o->key.p, &o->clock);
	}
	if (r != DS_ERR_NOTFOUND)
		ds_log(DS_LOG_WARN,
		       DSA_OFFLINE_DIR "/clock: %s; all verifiers are too "
				       "old now",
		       ds_strerror(r));
	r = dsa_random(id, sizeof(id));
	if (r != 0)
		return r;
	dsa_clock_start(&o->clock, id, &now);
	return dsa_store_write_clock(dir, o->key.p, &o->clock);
}

static unsigned int processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > SLOTS_MAX ? SLOTS_MAX : (unsigned int)n;
}

static void fail(struct dsa_offserver *o, int err)
{
	ds_log(DS_LOG_ERR,
	       "%s: %s; nobody can log in while the domain is away",
	       DSA_OFFLINE_DIR,
	       err == DS_ERR_SYS ? strerror(errno) : ds_strerror(err));
	o->problem = "the folder of offline verifiers cannot be used";
	dsa_secret_done(&o->key);
}

void dsa_offline_start(struct dsa_server *server)
{
	struct dsa_offserver *o = &server->offline;
	int dir, r;

	o->problem = "";
	if (!server->config.login.offline) {
		r = dsa_store_remove(DSA_OFFLINE_DIR);
		if (r != 0)
			ds_log(DS_LOG_ERR,
			       DSA_OFFLINE_DIR ": %s; offline is off, but "
					       "verifiers may still be there",
			       r == DS_ERR_SYS ? strerror(errno)
					       : ds_strerror(r));
		return;
	}
	r = dsa_store_open(DSA_OFFLINE_DIR, true, &dir);
	if (r != 0) {
		fail(o, r);
		return;
	}
	r = dsa_store_key(dir, &o->key);
	if (r == 0)
		r = open_clock(o, dir);
	if (r == 0)
		r = dsa_verifier_warm();
	if (r == 0) {
		o->away = dsa_away_new();
		r = o->away != NULL ? 0 : DS_ERR_NOMEM;
	}
	(void)close(dir);
	if (r != 0) {
		fail(o, r);
		return;
	}
	o->slots = processors();
	o->on = true;
}

/* ---- is there a KDC? ---- */

bool dsa_offline_away(const struct dsa_server *server)
{
	return server->offline.on &&
	       dsa_away_is(server->offline.away, ds_now_ms());
}

bool dsa_offline_answered(const struct dsa_server *server, int64_t since_ms)
{
	return server->offline.on &&
	       dsa_away_answered(server->offline.away, since_ms);
}

static void probe_in(struct dsa_offserver *o, int ms)
{
	const struct timeval delay = { .tv_sec = ms / 1000,
				       .tv_usec = ms % 1000 * 1000 };

	(void)evtimer_add(o->probe, &delay);
}

void dsa_offline_heard(struct dsa_server *server, enum dsa_kdc_word word,
		       int64_t began_ms)
{
	struct dsa_offserver *o = &server->offline;

	if (!o->on)
		return;
	if (word == DSA_KDC_ANSWERED)
		dsa_away_answer(o->away, ds_now_ms());
	else if (word == DSA_KDC_SILENT)
		dsa_away_silence(o->away, began_ms, ds_now_ms());
	if (dsa_offline_away(server) && !evtimer_pending(o->probe, NULL))
		probe_in(o, PROBE_MS);
}

void dsa_offline_used(struct dsa_server *server)
{
	if (server->offline.on)
		dsa_away_used(server->offline.away, ds_now_ms());
}

static bool on_probe(void *arg, const struct ds_frame *frame)
{
	struct dsa_server *server = arg;
	struct dsa_offserver *o = &server->offline;
	struct dsa_probed probed = { .word = DSA_KDC_SILENT };

	if (frame != NULL && dsa_probed_read(frame, &probed) != 0)
		return true;
	if (probed.word == DSA_KDC_ANSWERED)
		dsa_offline_heard(server, DSA_KDC_ANSWERED, o->probe_began_ms);
	else if (probed.word == DSA_KDC_SILENT)
		dsa_away_probed(o->away, o->probe_began_ms);
	dsa_report_changed(server);
	return true;
}

static void run_probe(void *arg, int out)
{
	dsa_probe_run(arg, out);
}

static void start_probe(struct dsa_server *server)
{
	const struct dsa_job_spec spec = {
		.kind = DSA_JOB_PROBE,
		.keep_fd = -1,
		.timeout_ms = DSA_PROBE_MS,
		.run = run_probe,
		.heard = on_probe,
		.arg = server,
	};

	if (!dsa_job_has_room(&server->jobs, DSA_JOB_PROBE))
		return;
	server->offline.probe_began_ms = ds_now_ms();
	/* Without one the window just ends. */
	(void)!dsa_job_start(&server->jobs, &spec);
}

static void on_probe_time(evutil_socket_t fd, short what, void *arg)
{
	struct dsa_server *server = arg;

	(void)fd;
	(void)what;
	server->offline.probe_soon = false;
	if (!dsa_offline_away(server))
		return;
	start_probe(server);
	probe_in(&server->offline, PROBE_MS);
}

void dsa_offline_probe(struct dsa_server *server)
{
	struct dsa_offserver *o = &server->offline;

	/* One that is about to run is not put off by the next check. */
	if (!o->on || o->probe_soon ||
	    !dsa_job_has_room(&server->jobs, DSA_JOB_PROBE))
		return;
	o->probe_soon = true;
	probe_in(o, PROBE_SOON_MS);
}

/* ---- as long as it runs ---- */

static void save_clock(struct dsa_offserver *o)
{
	struct dsa_now now;
	int dir;

	dsa_now_read(&now);
	dsa_clock_advance(&o->clock, &now);
	if (dsa_store_open(DSA_OFFLINE_DIR, false, &dir) != 0)
		return;
	(void)!dsa_store_write_clock(dir, o->key.p, &o->clock);
	(void)close(dir);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct dsa_server *server = arg;

	(void)fd;
	(void)what;
	save_clock(&server->offline);
}

bool dsa_offline_tick(struct dsa_server *server)
{
	const struct timeval period = { .tv_sec = TICK_SECONDS };
	struct dsa_offserver *o = &server->offline;

	if (!o->on)
		return true;
	o->tick = event_new(server->base, -1, EV_PERSIST, on_tick, server);
	o->probe = evtimer_new(server->base, on_probe_time, server);
	if (o->tick == NULL || o->probe == NULL ||
	    event_add(o->tick, &period) != 0)
		return false;
	dsa_offline_reload(server);
	return true;
}

void dsa_offline_stop(struct dsa_server *server)
{
	struct dsa_offserver *o = &server->offline;

	if (o->tick != NULL)
		event_free(o->tick);
	if (o->probe != NULL)
		event_free(o->probe);
	if (o->on)
		save_clock(o);
	dsa_secret_done(&o->key);
	dsa_away_free(o->away);
	o->away = NULL;
	o->on = false;
}

/* ---- removing verifiers: in a worker, because disks may be slow ---- */

struct removal {
	struct dsa_server *server;
	bool asked; /* by DROP, with this seq: to be answered */
	uint32_t seq;
	bool all;
	struct ds_guid guid;
};

static void answer_drop(uint32_t seq, uint32_t code, uint32_t count)
{
	uint8_t buf[DS_HEADER_LEN + 8];
	struct ds_writer w;
	int r;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_DROPPED, seq);
	ds_put_u32(&w, code);
	ds_put_u32(&w, count);
	r = ds_frame_end(&w);
	if (r == 0)
		r = ds_packet_send(DS_FD_MONITOR, &w, -1);
	if (r != 0)
		ds_log(DS_LOG_WARN, "the monitor does not take an answer: %s",
		       ds_strerror(r));
}

/* An account whose verifier may become of use again. */
static bool is_wanted(const struct ds_guid *guid, const void *arg)
{
	const struct dsa_server *server = arg;
	struct ds_snap_account account;
	struct ds_snap_user user;
	struct dsa_now now;
	int r = dsa_mirror_find(&server->mirror, guid, &user, &account);

	if (r == DS_ERR_UNAVAIL)
		return true;
	dsa_now_read(&now);
	return r == 0 &&
	       dsa_offline_account(&account, now.real_ms / 1000).result ==
		   DS_AUTH_OK;
}

static void run_removal(void *arg, int out)
{
	const struct removal *m = arg;
	uint8_t buf[DS_HEADER_LEN + 12];
	struct ds_writer w;
	uint32_t count = 0, left = 0;
	int dir, r = dsa_store_open(DSA_OFFLINE_DIR, false, &dir);

	if (r == 0) {
		if (m->asked)
			r = dsa_store_drop(dir, m->all ? NULL : &m->guid,
					   &count);
		else
			r = dsa_store_sweep(dir, is_wanted, m->server, &count);
		left = dsa_store_count(dir);
		(void)close(dir);
	} else if (r == DS_ERR_NOTFOUND) {
		r = 0; /* nothing was ever there */
	}
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DSA_MSG_REMOVED, 0);
	ds_put_u32(&w, (uint32_t)-r);
	ds_put_u32(&w, count);
	ds_put_u32(&w, left);
	if (ds_frame_end(&w) == 0)
		(void)!ds_packet_send(out, &w, -1);
}

static bool on_removal(void *arg, const struct ds_frame *frame)
{
	struct removal *m = arg;
	uint32_t code = (uint32_t)-DS_ERR_TIMEOUT, count = 0, left;
	struct ds_reader r;

	if (frame != NULL && frame->type == DSA_MSG_REMOVED) {
		ds_reader_init(&r, frame->payload, frame->len);
		code = ds_get_u32(&r);
		count = ds_get_u32(&r);
		left = ds_get_u32(&r);
		if (ds_reader_end(&r) != 0)
			code = (uint32_t)-DS_ERR_FORMAT;
		else
			m->server->offline.verifiers = left;
	}
	if (m->asked)
		answer_drop(m->seq, code, count);
	if (code != 0)
		ds_log(DS_LOG_ERR,
		       "offline verifiers could not be removed: %s",
		       ds_strerror(-(int)code));
	else if (count > 0)
		ds_log(DS_LOG_NOTICE, "%u offline verifiers removed: %s",
		       (unsigned int)count,
		       m->asked ? "asked by root"
				: "the mirror has no use for them");
	dsa_report_changed(m->server);
	free(m);
	return true;
}

/* Takes *m. */
static int start_removal(struct removal *m)
{
	const struct dsa_job_spec spec = {
		.kind = DSA_JOB_STORE,
		.keep_fd = -1,
		.timeout_ms = STORE_MS,
		.run = run_removal,
		.heard = on_removal,
		.arg = m,
	};
	int r = dsa_job_start(&m->server->jobs, &spec);

	if (r != 0)
		free(m);
	return r;
}

void dsa_offline_reload(struct dsa_server *server)
{
	struct removal *m;

	/* One that cannot run now runs with the next mirror. */
	if (!server->offline.on ||
	    !dsa_job_has_room(&server->jobs, DSA_JOB_STORE))
		return;
	m = calloc(1, sizeof(*m));
	if (m == NULL)
		return;
	m->server = server;
	(void)!start_removal(m);
}

int dsa_offline_drop(struct dsa_server *server, const struct ds_frame *frame)
{
	struct removal *m = calloc(1, sizeof(*m));
	const uint8_t *guid;
	struct ds_reader r;
	size_t len = 0;
	int err;

	if (m == NULL) {
		answer_drop(frame->seq, (uint32_t)-DS_ERR_NOMEM, 0);
		return 0;
	}
	ds_reader_init(&r, frame->payload, frame->len);
	guid = ds_get_blob(&r, &len);
	err = ds_reader_end(&r);
	if (err != 0 || (len != 0 && len != DS_GUID_LEN)) {
		free(m);
		return DS_ERR_FORMAT;
	}
	*m = (struct removal){ .server = server,
			       .asked = true,
			       .all = len == 0,
			       .seq = frame->seq };
	if (len != 0)
		memcpy(m->guid.b, guid, DS_GUID_LEN);
	err = start_removal(m);
	if (err != 0)
		answer_drop(frame->seq, (uint32_t)-err, 0);
	return 0;
}

/* ---- status ---- */

void dsa_offline_kept(struct dsa_server *server, const struct ds_frame *frame)
{
	struct ds_reader r;
	uint32_t count;

	ds_reader_init(&r, frame->payload, frame->len);
	count = ds_get_u32(&r);
	if (ds_reader_end(&r) != 0)
		return;
	server->offline.verifiers = count;
	dsa_report_changed(server);
}

json_t *dsa_offline_json(const struct dsa_server *server)
{
	const struct dsa_offserver *o = &server->offline;

	return json_pack("{s:b, s:s, s:I, s:b, s:I, s:I, s:I}", "enabled",
			 server->config.login.offline, "problem", o->problem,
			 "verifiers", (json_int_t)o->verifiers, "kdc_away",
			 dsa_offline_away(server), "signed_in",
			 (json_int_t)o->signed_in, "kdf_us",
			 (json_int_t)o->last.kdf_us, "check_us",
			 (json_int_t)o->last.check_us);
}

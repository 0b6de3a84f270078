/*
 * A worker ahead of its check.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/spare.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/auth/auth.h"
#include "synccache/auth/check.h"

#define PAUSE_MS 5000
#define SOON_MS  10

/* Byte by byte comparable: what lies between the fields is zero. */
static void facts_of(const struct dsa_server *server, struct dsa_facts *f)
{
	const struct dsa_mirror *mirror = &server->mirror;

	memset(f, 0, sizeof(*f));
	f->base.file = mirror->base.file;
	f->base.generation = mirror->base.stamp.generation;
	f->accounts.file = mirror->accounts.file;
	f->accounts.generation = mirror->accounts.stamp.generation;
	f->keytab = server->keytab.serial;
	f->host_tgt = server->host_tgt;
	memcpy(f->kdc, server->kdc, strlen(server->kdc));
	memcpy(f->site, server->site, strlen(server->site));
	f->doubts = server->doubts;
	f->fast_seen = server->fast_seen;
	f->clock = server->offline.clock;
}

static bool is_current(const struct dsa_server *server)
{
	struct dsa_facts now;

	facts_of(server, &now);
	return memcmp(&now, &server->spare.facts, sizeof(now)) == 0;
}

/* ---- in the worker ---- */

static void name_process(const char *name)
{
	(void)prctl(PR_SET_NAME, name);
}

static void run_spare(void *arg, int out)
{
	const struct dsa_server *server = arg;
	struct pollfd told = { .fd = out, .events = POLLIN };
	uint8_t buf[DS_HEADER_LEN + 4];
	struct ds_frame frame;
	struct ds_reader r;
	uid_t caller;
	int conn = -1;

	name_process("dssync-spare");
	/* Has its pages at hand; a failure shows in the check. */
	if (server->offline.on)
		(void)!dsa_verifier_warm();
	while (poll(&told, 1, -1) < 0)
		if (errno != EINTR)
			return;
	if (ds_packet_recv(out, buf, sizeof(buf), &frame, &conn) != 0)
		return;
	ds_reader_init(&r, frame.payload, frame.len);
	caller = ds_get_u32(&r);
	if (frame.type != DSA_MSG_CHECK || ds_reader_end(&r) != 0 || conn < 0)
		return;
	name_process("dssync-auth");
	dsa_check_run(server, conn, caller, out);
}

/* ---- in the main process ---- */

/* It has no reason to speak or to die. */
static bool on_spare(void *arg, const struct ds_frame *frame)
{
	struct dsa_server *server = arg;

	(void)frame;
	ds_log(DS_LOG_WARN, "a worker died while it waited for a check");
	server->spare.pause_until_ms = ds_now_ms() + PAUSE_MS;
	return true;
}

void dsa_spare_refresh(struct dsa_server *server)
{
	const struct dsa_job_spec spec = {
		.kind = DSA_JOB_SPARE,
		.keep_fd = -1,
		.run = run_spare,
		.heard = on_spare,
		.arg = server,
	};

	if (dsa_job_is_waiting(&server->jobs) && is_current(server))
		return;
	dsa_job_dismiss(&server->jobs);
	/* Which may have freed a slot, and had this called already. */
	if (dsa_job_is_waiting(&server->jobs) ||
	    ds_now_ms() < server->spare.pause_until_ms)
		return;
	facts_of(server, &server->spare.facts);
	/* Without one a check waits for a fork. */
	(void)!dsa_job_start(&server->jobs, &spec);
}

static void on_soon(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	dsa_spare_refresh(arg);
}

bool dsa_spare_start(struct dsa_server *server)
{
	server->spare.soon = evtimer_new(server->base, on_soon, server);
	return server->spare.soon != NULL;
}

void dsa_spare_stop(struct dsa_server *server)
{
	if (server->spare.soon != NULL)
		event_free(server->spare.soon);
	server->spare.soon = NULL;
}

void dsa_spare_soon(struct dsa_server *server)
{
	const struct timeval delay = { .tv_usec = SOON_MS * 1000 };

	if (!evtimer_pending(server->spare.soon, NULL))
		(void)evtimer_add(server->spare.soon, &delay);
}

int dsa_spare_hand(struct dsa_server *server, const struct dsa_job_spec *spec,
		   uid_t caller)
{
	uint8_t buf[DS_HEADER_LEN + 4];
	struct ds_writer w;
	int r;

	if (!dsa_job_is_waiting(&server->jobs))
		return DS_ERR_NOTFOUND;
	if (!is_current(server)) {
		dsa_job_dismiss(&server->jobs);
		return DS_ERR_NOTFOUND;
	}
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DSA_MSG_CHECK, 0);
	ds_put_u32(&w, caller);
	r = ds_frame_end(&w);
	return r != 0 ? r : dsa_job_hand(&server->jobs, spec, &w);
}

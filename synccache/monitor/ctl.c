/*
 * ctl.sock: what dssyncctl asks of the daemon as root.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/monitor/monitor.h"

/*
 * Only root can connect, and root is trusted to send a whole small frame: one
 * exchange a turn, with a deadline that bounds what a stuck client costs.
 */
#define EXCHANGE_MS 2000

/* ---- status --------------------------------------------------------------
 */

static json_t *child_json(const struct dsm_child *child)
{
	return json_pack("{s:b, s:i, s:i, s:I}", "running", child->pid != 0,
			 "pid", (int)child->pid, "restarts",
			 (int)child->restarts, "next_start",
			 (json_int_t)child->next_start);
}

/* The monitor's own part as JSON text, to be freed; NULL: out of memory. */
static char *monitor_json(const struct dsm_monitor *m)
{
	json_t *root;
	char *text = NULL;

	root = json_pack(
	    "{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:o, s:o}", "version",
	    PACKAGE_VERSION, "domain", m->config->domain.name, "config",
	    m->config_path, "started", (json_int_t)m->started, "generation",
	    (json_int_t)m->generation, "published", (json_int_t)m->published,
	    "keytab_problem", m->keytab_problem, "snapshot_problem",
	    m->snapshot_problem, "sync", child_json(&m->child[DSM_SYNC]),
	    "auth", child_json(&m->child[DSM_AUTH]));
	if (root)
		text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	return text;
}

static void put_status(struct dsm_monitor *m, struct ds_writer *w)
{
	char *own = monitor_json(m);

	ds_put_str(w, own ? own : "{}");
	ds_put_str(w, m->child[DSM_SYNC].status);
	ds_put_str(w, m->child[DSM_AUTH].status);
	free(own);
}

/* ---- sync ----------------------------------------------------------------
 */

void dsm_ctl_send_pull(struct dsm_monitor *m)
{
	uint8_t buf[64];
	struct ds_writer w;

	if (m->ticket == 0)
		return;
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_PULL, 0);
	ds_put_u64(&w, m->ticket);
	ds_put_u32(&w, m->ticket_flags);
	dsm_child_send(m, DSM_SYNC, &w, -1);
}

static int ask_pull(struct dsm_monitor *m, struct ds_reader *r,
		    struct ds_writer *w)
{
	uint32_t flags = ds_get_u32(r);
	int err = ds_reader_end(r);

	if (err)
		return err;
	if (flags & ~(uint32_t)(DS_PULL_FULL | DS_PULL_ACCEPT_DELETES |
				DS_PULL_RENUMBER))
		return DS_ERR_FORMAT;
	m->ticket++;
	m->ticket_flags = flags;
	ds_put_u64(w, m->ticket);
	dsm_ctl_send_pull(m);
	return DS_OK;
}

/* ---- connections ---------------------------------------------------------
 */

static int answer(struct dsm_monitor *m, const struct ds_frame *frame,
		  struct ds_writer *w)
{
	struct ds_reader r;
	int err;

	ds_reader_init(&r, frame->payload, frame->len);
	switch (frame->type) {
	case DS_MSG_STATUS:
		err = ds_reader_end(&r);
		if (err)
			return err;
		ds_frame_begin(w, DS_MSG_STATUS_REPLY, frame->seq);
		put_status(m, w);
		break;
	case DS_MSG_SYNC:
		ds_frame_begin(w, DS_MSG_SYNC_REPLY, frame->seq);
		err = ask_pull(m, &r, w);
		if (err)
			return err;
		break;
	default:
		return DS_ERR_FORMAT;
	}
	return ds_frame_end(w);
}

/* Takes fd unless it fails. */
static int serve(struct dsm_monitor *m, int fd)
{
	static uint8_t in[4096], out[DS_PACKET_MAX];
	int64_t deadline = ds_now_ms() + EXCHANGE_MS;
	struct ds_frame frame;
	struct ds_writer w;
	int r;

	r = ds_wire_recv(fd, in, sizeof(in), deadline, &frame);
	if (r)
		return r;
	if (frame.type == DS_MSG_FORGET)
		return dsm_forget(m, &frame, fd);
	ds_writer_init(&w, out, sizeof(out));
	r = answer(m, &frame, &w);
	if (!r)
		r = ds_wire_send(fd, &w, deadline);
	if (!r)
		close(fd);
	return r;
}

static bool is_root(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       peer.uid == 0;
}

static void on_connection(evutil_socket_t sock, short what, void *arg)
{
	int fd = accept4(sock, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	int r;

	(void)what;
	if (fd < 0)
		return;
	r = is_root(fd) ? serve(arg, fd) : DS_ERR_DENIED;
	if (!r)
		return;
	if (r != DS_ERR_CLOSED)
		ds_log(DS_LOG_WARN, "a request on ctl.sock failed: %s",
		       ds_strerror(r));
	close(fd);
}

int dsm_ctl_start(struct dsm_monitor *m)
{
	struct event *ev = event_new(m->base, m->ctl_sock,
				     EV_READ | EV_PERSIST, on_connection, m);

	if (!ev || event_add(ev, NULL))
		return DS_ERR_NOMEM;
	return DS_OK;
}

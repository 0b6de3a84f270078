/*
 * Fd 3: the monitor brings the keytab, says when a new mirror is published,
 * and ends this process by closing.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/auth/auth.h"
#include "synccache/auth/gate.h"

static int on_keytab(struct dsa_server *server, const struct ds_frame *frame,
		     int fd)
{
	struct dsa_keytab *keytab = &server->keytab;
	char problem[sizeof(keytab->problem)];
	struct ds_reader r;
	uint32_t err;
	int e;

	ds_reader_init(&r, frame->payload, frame->len);
	err = ds_get_u32(&r);
	ds_get_str(&r, problem, sizeof(problem));
	e = ds_reader_end(&r);
	if (e != 0)
		return e;
	if (err != 0)
		dsa_keytab_fail(keytab,
				err <= INT16_MAX ? -(int)err : DS_ERR_FORMAT,
				problem);
	else if (fd < 0)
		dsa_keytab_fail(keytab, DS_ERR_FORMAT,
				"the monitor handed over no keytab");
	else
		e = dsa_keytab_load(keytab, fd, server->realm);
	dsa_tgt_done(&server->host_tgt);
	if (keytab->kt != NULL)
		ds_log(DS_LOG_INFO, "keytab: %s, kvno %u", keytab->principal,
		       keytab->kvno);
	else if (err == 0) /* else the monitor has logged it */
		ds_log(DS_LOG_ERR, "no password can be checked: %s",
		       keytab->problem);
	dsa_report_changed(server);
	(void)e; /* it is in the keytab's problem */
	return 0;
}

static int handle(struct dsa_server *server, const struct ds_frame *frame,
		  int fd)
{
	switch (frame->type) {
	case DS_MSG_KEYTAB:
		return on_keytab(server, frame, fd);
	case DS_MSG_AUDIT_FILE:
		if (fd < 0)
			return DS_ERR_FORMAT;
		dsa_audit_file(fd);
		return 0;
	case DS_MSG_RELOADED:
		dsa_mirror_refresh(&server->mirror);
		dsa_allow_refresh(server->allow, &server->mirror.base);
		dsa_offline_reload(server);
		return 0;
	case DS_MSG_DROP:
		return dsa_offline_drop(server, frame);
	default:
		return DS_ERR_FORMAT;
	}
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct dsa_server *server = arg;
	uint8_t buf[4096];
	struct ds_frame frame;
	int passed = -1, r;

	(void)what;
	r = ds_packet_recv(fd, buf, sizeof(buf), &frame, &passed);
	if (r == DS_ERR_UNAVAIL)
		return;
	if (r == DS_ERR_CLOSED || r == DS_ERR_SYS) {
		(void)event_base_loopbreak(server->base);
		return;
	}
	if (r == 0) {
		r = handle(server, &frame, passed);
		dsa_spare_refresh(server);
	}
	if (passed >= 0)
		(void)close(passed);
	if (r != 0)
		ds_log(DS_LOG_ERR, "the monitor sent what it must not: %s",
		       ds_strerror(r));
}

bool dsa_monitor_start(struct dsa_server *server)
{
	server->monitor_event =
	    event_new(server->base, DS_FD_MONITOR, EV_READ | EV_PERSIST,
		      on_readable, server);
	return server->monitor_event != NULL &&
	       event_priority_set(server->monitor_event, DSA_PRIO_MONITOR) ==
		   0 &&
	       event_add(server->monitor_event, NULL) == 0;
}

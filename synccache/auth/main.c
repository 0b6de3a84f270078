/*
 * dssync-auth: checks passwords for PAM, and gets tickets for dssync-sync.
 * Started by synccached as user dssync-auth, with its channels open; of no
 * use on its own.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/privdrop.h"
#include "lib/wire.h"
#include "synccache/auth/auth.h"
#include "synccache/auth/fast.h"
#include "synccache/auth/gate.h"
#include "synccache/auth/krb.h"

#define EXPIRE_SECONDS                                                        \
	5 /* how late a ticket that nobody took may be wiped                  \
	   */

static struct dsa_server server;

static bool load_config(const char *path)
{
	struct ds_problems problems = { 0 };
	int r = ds_config_load(path, &server.config, &problems);

	for (size_t i = 0; i < problems.count; i++)
		ds_log(DS_LOG_ERR, "%s", problems.line[i]);
	if (r != 0 && problems.count == 0)
		ds_log(DS_LOG_ERR, "%s: %s", path, ds_strerror(r));
	ds_problems_done(&problems);
	if (r != 0)
		return false;
	(void)ds_config_realm(&server.config, server.realm,
			      sizeof(server.realm));
	(void)snprintf(server.site, sizeof(server.site), "%s",
		       server.config.domain.site);
	return true;
}

/* Without a Kerberos configuration nothing can ever be checked. */
static bool open_kerberos(void)
{
	krb5_error_code code =
	    dsa_krb_context(DSA_KRB5_CONF, server.realm, &server.krb);

	if (code != 0) {
		ds_log(DS_LOG_ERR, "%s cannot be used (%d)", DSA_KRB5_CONF,
		       (int)code);
		return false;
	}
	dsa_keytab_init(&server.keytab, server.krb);
	return true;
}

/* By realm: another domain's objects are others. */
static bool load_allow(void)
{
	char path[512];

	(void)snprintf(path, sizeof(path), DS_STATE_DIR "/auth/allow.%s",
		       server.realm);
	server.allow = dsa_allow_new(&server.config, path);
	if (server.allow == NULL)
		return false;
	dsa_allow_refresh(server.allow, &server.mirror.base);
	return true;
}

static void on_stop(evutil_socket_t sig, short what, void *arg)
{
	(void)sig;
	(void)what;
	(void)arg;
	(void)event_base_loopbreak(server.base);
}

static void on_expire(evutil_socket_t fd, short what, void *arg)
{
	size_t before = dsa_handles_count(server.handles);

	(void)fd;
	(void)what;
	(void)arg;
	dsa_handles_expire(server.handles, ds_now_ms());
	if (dsa_handles_count(server.handles) != before)
		dsa_report_changed(&server);
	/* In time, whoever brought something new. */
	dsa_spare_refresh(&server);
}

static bool start(struct event *own[3])
{
	const struct timeval tick = { .tv_sec = EXPIRE_SECONDS };

	server.base = event_base_new();
	server.handles = dsa_handles_new(DSA_TICKETS_MAX);
	if (server.base == NULL || server.handles == NULL ||
	    event_base_priority_init(server.base, DSA_PRIORITIES) != 0)
		return false;
	server.looks = dsa_looks_new(server.base, DS_FD_PEER);
	if (server.looks == NULL)
		return false;
	own[0] = evsignal_new(server.base, SIGTERM, on_stop, NULL);
	own[1] = evsignal_new(server.base, SIGINT, on_stop, NULL);
	own[2] = event_new(server.base, -1, EV_PERSIST, on_expire, NULL);
	return own[0] != NULL && own[1] != NULL && own[2] != NULL &&
	       event_add(own[0], NULL) == 0 && event_add(own[1], NULL) == 0 &&
	       event_add(own[2], &tick) == 0 &&
	       dsa_jobs_init(&server.jobs, server.base) &&
	       dsa_spare_start(&server) && dsa_report_start(&server) &&
	       dsa_monitor_start(&server) && dsa_peer_start(&server) &&
	       dsa_pam_start(&server) && dsa_offline_tick(&server);
}

static void free_event(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

static void stop(struct event *own[3])
{
	dsa_jobs_done(&server.jobs);
	dsa_spare_stop(&server);
	dsa_looks_free(server.looks);
	dsa_pam_stop(&server);
	dsa_report_stop(&server);
	dsa_offline_stop(&server);
	free_event(server.monitor_event);
	free_event(server.peer_event);
	for (int i = 0; i < 3; i++)
		free_event(own[i]);
	if (server.base != NULL)
		event_base_free(server.base);
	dsa_handles_free(server.handles);
	dsa_allow_free(server.allow);
	dsa_tgt_done(&server.host_tgt);
	dsa_mirror_done(&server.mirror);
	if (server.krb != NULL) {
		dsa_keytab_done(&server.keytab);
		krb5_free_context(server.krb);
	}
	ds_config_done(&server.config);
}

int main(int argc, char **argv)
{
	struct event *own[3] = { NULL, NULL, NULL };
	int status = EXIT_FAILURE;

	if (ds_privdrop_verify(DS_AUTH_USER) != 0)
		return EXIT_FAILURE;
	ds_log_init("dssync-auth", DS_LOG_INFO);
	if (argc != 3 || strcmp(argv[1], "--config") != 0) {
		(void)fprintf(stderr, "usage: dssync-auth --config FILE; "
				      "synccached starts it\n");
		return EXIT_FAILURE;
	}
	if (!dsa_secret_lock_process())
		ds_log(DS_LOG_NOTICE,
		       "RLIMIT_MEMLOCK is not unlimited: only "
		       "the pages of passwords and tickets are locked");
	if (!load_config(argv[2]))
		return EXIT_FAILURE;
	if (!open_kerberos())
		goto out;
	dsa_fast_load(&server);
	dsa_offline_start(&server);
	dsa_mirror_refresh(&server.mirror);
	if (!load_allow() || !start(own)) {
		ds_log(DS_LOG_ERR, "cannot start: out of memory");
		goto out;
	}
	if (event_base_dispatch(server.base) == 0)
		status = EXIT_SUCCESS;
out:
	stop(own);
	return status;
}

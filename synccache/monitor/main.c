/*
 * synccached: start-up and the loop of the monitor.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "lib/log.h"
#include "synccache/monitor/monitor.h"

#define PAM_SOCK      DS_RUN_DIR "/pam.sock"
#define PAM_USER_SOCK DS_RUN_DIR "/pam-user.sock"
#define CTL_SOCK      DS_RUN_DIR "/ctl.sock"

#define CHECK_SECONDS 2 /* keytab and published file: two stat calls */

static void usage(FILE *out)
{
	fprintf(out,
		"usage: synccached [--config FILE] [--debug]\n"
		"       synccached --help | --version\n"
		"\n"
		"Mirrors the users and groups of a managed domain for this "
		"host, and checks\n"
		"passwords against it. Stays in the foreground and logs to "
		"standard error.\n"
		"\n"
		"  -c, --config FILE  read FILE instead of " DS_CONF_FILE "\n"
		"  -d, --debug        log more\n"
		"\n"
		"See synccached(8), dssync.conf(5), dssyncctl(1).\n");
}

/* Returns -1 to go on, else the exit status. */
static int parse_args(int argc, char **argv, const char **ret_config,
		      enum ds_level *ret_level)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "debug", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "c:dhV", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			*ret_config = optarg;
			break;
		case 'd':
			*ret_level = DS_LOG_DEBUG;
			break;
		case 'h':
			usage(stdout);
			return 0;
		case 'V':
			puts("synccached " PACKAGE_VERSION);
			return 0;
		default:
			usage(stderr);
			return EX_USAGE;
		}
	}
	if (optind < argc) {
		usage(stderr);
		return EX_USAGE;
	}
	return -1;
}

static int load_config(const char *path, struct ds_config *config)
{
	struct ds_problems problems = { 0 };
	size_t i;
	int r = ds_config_load(path, config, &problems);

	for (i = 0; i < problems.count; i++)
		ds_log(DS_LOG_ERR, "%s", problems.line[i]);
	if (r && !problems.count)
		ds_log(DS_LOG_ERR, "%s: %s", path, ds_strerror(r));
	ds_problems_done(&problems);
	return r;
}

/* ---- the loop ------------------------------------------------------------
 */

static void on_end(evutil_socket_t signum, short what, void *arg)
{
	struct dsm_monitor *m = arg;

	(void)what;
	ds_log(DS_LOG_INFO, "ending on signal %d", (int)signum);
	event_base_loopbreak(m->base);
}

static void on_child(evutil_socket_t signum, short what, void *arg)
{
	(void)signum;
	(void)what;
	dsm_children_reap(arg);
}

static void on_check(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	dsm_keytab_check(arg, false);
	dsm_audit_check(arg, false);
	dsm_publish_check(arg);
}

static void on_hangup(evutil_socket_t signum, short what, void *arg)
{
	(void)signum;
	(void)what;
	dsm_audit_check(arg, true);
}

static int add_events(struct dsm_monitor *m)
{
	const struct timeval often = { .tv_sec = CHECK_SECONDS };
	struct event *events[] = {
		evsignal_new(m->base, SIGTERM, on_end, m),
		evsignal_new(m->base, SIGINT, on_end, m),
		evsignal_new(m->base, SIGCHLD, on_child, m),
		evsignal_new(m->base, SIGHUP, on_hangup, m),
		event_new(m->base, -1, EV_PERSIST, on_check, m),
	};
	size_t i, n = sizeof(events) / sizeof(events[0]);

	for (i = 0; i < n; i++)
		if (!events[i] ||
		    event_add(events[i], i == n - 1 ? &often : NULL))
			return DS_ERR_NOMEM;
	return DS_OK;
}

static int start(struct dsm_monitor *m)
{
	int r;

	if ((r = dsm_places_make()) != 0 || (r = dsm_lock_instance()) != 0 ||
	    (r = dsm_write_krb5_conf(m->config)) != 0 ||
	    (r = dsm_listen(PAM_SOCK, 0600, &m->pam_sock)) != 0 ||
	    (r = dsm_listen(PAM_USER_SOCK, 0666, &m->pam_user_sock)) != 0 ||
	    (r = dsm_listen(CTL_SOCK, 0600, &m->ctl_sock)) != 0 ||
	    (r = add_events(m)) != 0 || (r = dsm_ctl_start(m)) != 0)
		return r;
	dsm_publish_init(m);
	return dsm_children_start(m);
}

static int run(struct dsm_monitor *m)
{
	int r;

	m->base = event_base_new();
	if (!m->base)
		return EX_OSERR;
	m->started = time(NULL);
	m->pam_sock = m->pam_user_sock = m->ctl_sock = -1;
	r = start(m);
	if (r) {
		ds_log(DS_LOG_ERR, "cannot start: %s", ds_strerror(r));
		return EX_OSERR;
	}
#ifdef HAVE_SYSTEMD
	sd_notify(0, "READY=1");
#endif
	event_base_dispatch(m->base);
	dsm_children_stop(m);
	unlink(PAM_SOCK);
	unlink(PAM_USER_SOCK);
	unlink(CTL_SOCK);
	return 0;
}

int main(int argc, char **argv)
{
	static struct dsm_monitor monitor;
	char resolved[PATH_MAX];
	struct ds_config config;
	const char *path = DS_CONF_FILE;
	enum ds_level level = DS_LOG_INFO;
	int status = parse_args(argc, argv, &path, &level);

	if (status >= 0)
		return status;
	ds_log_init("synccached", level);
	if (geteuid() != 0) {
		ds_log(DS_LOG_ERR, "must be started as root");
		return EX_NOPERM;
	}
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	/* The children start in "/". */
	if (path[0] != '/' && realpath(path, resolved))
		path = resolved;
	if (load_config(path, &config))
		return EX_CONFIG;
	monitor.config = &config;
	monitor.config_path = path;
	status = run(&monitor);
	ds_config_done(&config);
	return status;
}

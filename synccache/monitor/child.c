/*
 * The two children: started as their users with a fresh environment and
 * nothing open but their channels, restarted with a growing delay.
 *
 * The sync <-> auth channel outlives both: whoever starts gets the same end
 * of it, and skips what was meant for its predecessor by the frame's seq.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/privdrop.h"
#include "lib/wire.h"
#include "synccache/monitor/monitor.h"

#define FIRST_DELAY 1u /* seconds */
#define LAST_DELAY  60u
#define HEALTHY_MS  60000 /* a child that ran so long starts over at 1 s */
#define STOP_MS     5000  /* between SIGTERM and SIGKILL */
#define CHANNEL_BUF (4 * DS_PACKET_MAX)

static uint8_t packet[DS_PACKET_MAX];

static void start_child(struct dsm_monitor *m, enum dsm_role role);

/* ---- what a child says ---------------------------------------------------
 */

static int take_status(struct dsm_child *child, struct ds_reader *r)
{
	size_t len;
	const uint8_t *text = ds_get_blob(r, &len);
	int err = ds_reader_end(r);
	char *copy;

	if (err)
		return err;
	if (len > DS_STATUS_MAX || memchr(text, '\0', len))
		return DS_ERR_FORMAT;
	copy = strndup((const char *)text, len);
	if (!copy)
		return DS_ERR_NOMEM;
	free(child->status);
	child->status = copy;
	return DS_OK;
}

static int handle(struct dsm_monitor *m, enum dsm_role role,
		  const struct ds_frame *frame)
{
	struct ds_reader r;
	uint64_t stage;
	int err;

	ds_reader_init(&r, frame->payload, frame->len);
	if (frame->type == DS_MSG_CHILD_STATUS)
		return take_status(&m->child[role], &r);
	if (frame->type == DS_MSG_DROPPED && role == DSM_AUTH)
		return dsm_forget_answer(m, frame);
	if (frame->type != DS_MSG_STAGED || role != DSM_SYNC)
		return DS_ERR_DENIED;
	stage = ds_get_u64(&r);
	err = ds_reader_end(&r);
	if (!err)
		dsm_publish(m, stage);
	return err;
}

static enum dsm_role role_of(struct dsm_monitor *m, evutil_socket_t fd)
{
	return m->child[DSM_SYNC].channel == fd ? DSM_SYNC : DSM_AUTH;
}

/* One frame a turn, so that a chatty child starves nobody. */
static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct dsm_monitor *m = arg;
	enum dsm_role role = role_of(m, fd);
	struct dsm_child *child = &m->child[role];
	struct ds_frame frame;
	int passed = -1, r;

	(void)what;
	r = ds_packet_recv(fd, packet, sizeof(packet), &frame, &passed);
	if (passed >= 0)
		close(passed); /* no child has a descriptor to give */
	if (r == DS_ERR_UNAVAIL)
		return;
	if (r == DS_ERR_CLOSED) { /* SIGCHLD says the rest */
		event_del(child->readable);
		return;
	}
	if (!r)
		r = handle(m, role, &frame);
	if (r) {
		ds_log(DS_LOG_ERR,
		       "dssync-%s sent what it must not: %s; "
		       "killing it",
		       child->name, ds_strerror(r));
		event_del(child->readable);
		if (child->pid)
			kill(child->pid, SIGKILL);
	}
}

void dsm_child_send(struct dsm_monitor *m, enum dsm_role role,
		    struct ds_writer *frame, int pass_fd)
{
	struct dsm_child *child = &m->child[role];
	int r = ds_frame_end(frame);

	if (!child->pid)
		return;
	if (!r)
		r = ds_packet_send(child->channel, frame, pass_fd);
	if (r && r != DS_ERR_CLOSED)
		ds_log(DS_LOG_WARN, "dssync-%s does not take a message: %s",
		       child->name, ds_strerror(r));
}

/* ---- starting ------------------------------------------------------------
 */

/* In the child, between fork and exec: never returns. */
__attribute__((noreturn)) static void become(const struct dsm_monitor *m,
					     enum dsm_role role, int channel)
{
	const struct dsm_child *child = &m->child[role];
	char option[] = "--config";
	char *const argv[] = { (char *)(uintptr_t)child->path, option,
			       (char *)(uintptr_t)m->config_path, NULL };
	char path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin", lang[] = "LANG=C",
	     krb5[] = "KRB5_CONFIG=" DS_RUN_DIR "/krb5.conf",
	     ldap[] = "LDAPNOINIT=1",
	     locator[] = "SSSD_KRB5_LOCATOR_DISABLE=1", journal[128];
	char *env[] = { path, lang, krb5, ldap, locator, NULL, NULL };
	const int wanted[] = { channel, m->peer[role],
			       role == DSM_AUTH ? m->pam_sock : -1,
			       role == DSM_AUTH ? m->pam_user_sock : -1 };
	const char *stream = getenv("JOURNAL_STREAM");
	int high[4], i;
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	sigset_t none;

	if (stream && snprintf(journal, sizeof(journal), "JOURNAL_STREAM=%s",
			       stream) < (int)sizeof(journal))
		env[5] = journal;
	/* First out of the way of 3 to 6, then into place. */
	for (i = 0; i < 4; i++) {
		high[i] =
		    wanted[i] < 0 ? -1 : fcntl(wanted[i], F_DUPFD_CLOEXEC, 16);
		if (wanted[i] >= 0 && high[i] < 0)
			_exit(70);
	}
	for (i = 0; i < 4; i++) {
		close(DS_FD_MONITOR + i);
		if (high[i] >= 0 && dup2(high[i], DS_FD_MONITOR + i) < 0)
			_exit(70);
	}
	if (close_range(DS_FD_PAM_USER + 1, ~0u, 0))
		_exit(70);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	/* For auth to lock all its memory; it says so if it could not. */
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	if (ds_privdrop(child->user))
		_exit(71);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* nobody works for a dead monitor */
	if (chdir("/") == 0)
		execve(child->path, argv, env);
	ds_log(DS_LOG_ERR, "%s: %s", child->path, strerror(errno));
	_exit(72);
}

static void plan_restart(struct dsm_child *child)
{
	struct timeval delay = { .tv_sec = child->delay };

	child->next_start = time(NULL) + child->delay;
	event_add(child->restart, &delay);
	child->delay =
	    child->delay * 2 > LAST_DELAY ? LAST_DELAY : child->delay * 2;
}

static void on_restart(evutil_socket_t fd, short what, void *arg)
{
	struct dsm_monitor *m = arg;
	int role;

	(void)fd;
	(void)what;
	for (role = 0; role < DSM_ROLES; role++)
		if (!m->child[role].pid && m->child[role].next_start &&
		    !evtimer_pending(m->child[role].restart, NULL))
			start_child(m, role);
}

/* What a new child has to know. */
static void brief(struct dsm_monitor *m, enum dsm_role role)
{
	if (role == DSM_AUTH) {
		dsm_audit_check(m, true);
		dsm_keytab_check(m, true);
	} else {
		dsm_ctl_send_pull(m);
	}
}

static void start_child(struct dsm_monitor *m, enum dsm_role role)
{
	struct dsm_child *child = &m->child[role];
	const int size = CHANNEL_BUF;
	int pair[2];
	pid_t pid;

	child->next_start = 0;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0, pair)) {
		ds_log(DS_LOG_ERR, "socketpair: %s", strerror(errno));
		plan_restart(child);
		return;
	}
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	pid = fork();
	if (pid == 0)
		become(m, role, pair[1]);
	close(pair[1]);
	if (pid < 0) {
		ds_log(DS_LOG_ERR, "fork: %s", strerror(errno));
		close(pair[0]);
		plan_restart(child);
		return;
	}
	if (child->channel >= 0)
		close(child->channel);
	child->channel = pair[0];
	child->pid = pid;
	child->started_ms = ds_now_ms();
	event_assign(child->readable, m->base, child->channel,
		     EV_READ | EV_PERSIST, on_readable, m);
	event_add(child->readable, NULL);
	ds_log(DS_LOG_INFO, "started dssync-%s as %s, pid %d", child->name,
	       child->user, (int)pid);
	brief(m, role);
}

int dsm_children_start(struct dsm_monitor *m)
{
	static const char *const names[] = { "sync", "auth" };
	static const char *const users[] = { DS_SYNC_USER, DS_AUTH_USER };
	static const char *const paths[] = { DS_LIBEXEC_DIR "/dssync-sync",
					     DS_LIBEXEC_DIR "/dssync-auth" };
	const int size = CHANNEL_BUF;
	struct dsm_child *child;
	int role;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0, m->peer))
		return DS_ERR_SYS;
	setsockopt(m->peer[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	setsockopt(m->peer[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	for (role = 0; role < DSM_ROLES; role++) {
		child = &m->child[role];
		child->name = names[role];
		child->user = users[role];
		child->path = paths[role];
		child->channel = -1;
		child->delay = FIRST_DELAY;
		child->readable = event_new(m->base, -1, 0, on_readable, m);
		child->restart = evtimer_new(m->base, on_restart, m);
		if (!child->readable || !child->restart)
			return DS_ERR_NOMEM;
	}
	for (role = 0; role < DSM_ROLES; role++)
		start_child(m, role);
	return DS_OK;
}

/* ---- ending --------------------------------------------------------------
 */

static void log_end(const struct dsm_child *child, int status)
{
	if (WIFSIGNALED(status))
		ds_log(DS_LOG_ERR,
		       "dssync-%s was ended by signal %d (%s); "
		       "starting it again in %u s",
		       child->name, WTERMSIG(status),
		       strsignal(WTERMSIG(status)), child->delay);
	else
		ds_log(DS_LOG_ERR,
		       "dssync-%s ended with status %d; starting "
		       "it again in %u s",
		       child->name, WEXITSTATUS(status), child->delay);
}

static void child_ended(struct dsm_child *child, int status)
{
	if (ds_now_ms() - child->started_ms > HEALTHY_MS)
		child->delay = FIRST_DELAY;
	log_end(child, status);
	event_del(child->readable);
	child->pid = 0;
	child->restarts++;
	free(child->status);
	child->status = NULL;
	plan_restart(child);
}

void dsm_children_reap(struct dsm_monitor *m)
{
	int status, role;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (role = 0; role < DSM_ROLES; role++)
			if (m->child[role].pid == pid) {
				child_ended(&m->child[role], status);
				if (role == DSM_AUTH)
					dsm_forget_fail(m);
			}
}

static bool wait_all(struct dsm_monitor *m, int64_t deadline)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };
	int role, left;
	pid_t pid;

	do {
		left = 0;
		for (role = 0; role < DSM_ROLES; role++) {
			pid = m->child[role].pid;
			if (pid && waitpid(pid, NULL, WNOHANG) == 0)
				left++;
			else
				m->child[role].pid = 0;
		}
		if (left)
			nanosleep(&pause, NULL);
	} while (left && ds_now_ms() < deadline);
	return left == 0;
}

void dsm_children_stop(struct dsm_monitor *m)
{
	struct dsm_child *child;
	int role;

	for (role = 0; role < DSM_ROLES; role++)
		if (m->child[role].pid)
			kill(m->child[role].pid, SIGTERM);
	if (!wait_all(m, ds_now_ms() + STOP_MS)) {
		for (role = 0; role < DSM_ROLES; role++)
			if (m->child[role].pid)
				kill(m->child[role].pid, SIGKILL);
		wait_all(m, ds_now_ms() + STOP_MS);
	}
	for (role = 0; role < DSM_ROLES; role++) {
		child = &m->child[role];
		if (child->readable)
			event_free(child->readable);
		if (child->restart)
			event_free(child->restart);
		if (child->channel >= 0)
			close(child->channel);
		free(child->status);
	}
}

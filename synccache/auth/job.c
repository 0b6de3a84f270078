/*
 * Starting, hearing, timing out and reaping workers.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/job.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/wire.h"

struct dsa_job {
	struct dsa_job *next;
	struct dsa_jobs *jobs;
	struct dsa_job_spec spec;
	struct event *heard_event; /* NULL: its channel is closed */
	int64_t end_ms;
	pid_t pid; /* 0: reaped */
	int fd;
	bool over; /* it said its last, and only has to exit */
};

/* How long a worker may wipe and exit after its last word. */
#define EXIT_MS 1000

static const size_t slots[DSA_JOB_KINDS] = {
	[DSA_JOB_CHECK] = DSA_CHECKS_MAX,
	[DSA_JOB_USER_CHECK] = DSA_USER_CHECKS_MAX,
	[DSA_JOB_TICKET] = DSA_TICKET_JOBS_MAX,
	[DSA_JOB_LINGER] = DSA_LINGER_MAX,
	[DSA_JOB_PROBE] = 1,
	[DSA_JOB_STORE] = DSA_STORE_JOBS_MAX,
	[DSA_JOB_SPARE] = DSA_SPARES_MAX,
};

/* ---- in the worker ---- */

static bool close_all_but(int a, int b)
{
	unsigned int low = (unsigned int)(a < b ? a : b);
	unsigned int high = (unsigned int)(a < b ? b : a);

	if (a < 0)
		low = high;
	return (low <= 3 || close_range(3, low - 1, 0) == 0) &&
	       (high - low < 2 || close_range(low + 1, high - 1, 0) == 0) &&
	       close_range(high + 1, ~0U, 0) == 0;
}

static void default_signals(void)
{
	static const int used[] = { SIGCHLD, SIGTERM, SIGINT, SIGPIPE };

	for (size_t i = 0; i < sizeof(used) / sizeof(*used); i++)
		(void)signal(used[i], SIG_DFL);
}

static void worker(const struct dsa_job_spec *spec, int out, pid_t parent,
		   const sigset_t *mask)
{
	default_signals();
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	/* No worker outlives the process that would kill it in time. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent ||
	    !close_all_but(spec->keep_fd, out))
		_exit(1);
	dsa_secret_lock_forked();
	spec->run(spec->arg, out);
	_exit(0);
}

/* ---- in the main process ---- */

static void forget(struct dsa_job *job)
{
	struct dsa_jobs *jobs = job->jobs;
	struct dsa_job **at = &jobs->first;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	jobs->running[job->spec.kind]--;
	free(job);
	if (jobs->slot_free != NULL)
		jobs->slot_free(jobs->slot_arg);
}

/* The channel is of no more use, and the worker need not live on. */
static void close_channel(struct dsa_job *job)
{
	event_free(job->heard_event);
	job->heard_event = NULL;
	(void)close(job->fd);
	if (job->pid != 0)
		(void)kill(job->pid, SIGKILL);
	else
		forget(job);
}

static void become(struct dsa_job *job, enum dsa_job_kind kind)
{
	job->jobs->running[job->spec.kind]--;
	job->spec.kind = kind;
	job->jobs->running[kind]++;
}

/*
 * It has said its last, and only has to exit; or to do something more, but
 * then it gives its slot to one that somebody waits for.
 */
static void end_job(struct dsa_job *job)
{
	struct dsa_jobs *jobs = job->jobs;
	bool lingers =
	    job->spec.linger_ms > 0 && dsa_job_has_room(jobs, DSA_JOB_LINGER);

	job->end_ms = ds_now_ms() + (lingers ? job->spec.linger_ms : EXIT_MS);
	if (!lingers)
		return;
	become(job, DSA_JOB_LINGER);
	if (jobs->slot_free != NULL)
		jobs->slot_free(jobs->slot_arg);
}

/* Waits for a frame or the end, as long as is left. */
static int listen_on(struct dsa_job *job)
{
	int64_t left = job->end_ms - ds_now_ms();
	struct timeval timeout = { 0 };
	bool ends = job->spec.timeout_ms > 0 || job->over;

	if (left > 0) {
		timeout.tv_sec = left / 1000;
		timeout.tv_usec = left % 1000 * 1000;
	}
	return event_add(job->heard_event, ends ? &timeout : NULL) == 0
		   ? 0
		   : DS_ERR_NOMEM;
}

static int hear(struct dsa_job *job, short what, struct ds_frame *ret_frame)
{
	struct dsa_secret *buffer = &job->jobs->buffer;
	int passed = -1, r;

	if (!(what & EV_READ)) {
		ds_log(DS_LOG_WARN, "worker %ld is over its time: killed",
		       (long)job->pid);
		return DS_ERR_TIMEOUT;
	}
	r = ds_packet_recv(job->fd, buffer->p, buffer->cap, ret_frame,
			   &passed);
	if (r == 0 && passed >= 0)
		(void)close(passed);
	return r;
}

/* After its last word. */
static int hear_late(struct dsa_job *job, short what)
{
	struct ds_frame frame;
	int r;

	if (!(what & EV_READ) || job->spec.late == NULL)
		return DS_ERR_CLOSED;
	r = hear(job, what, &frame);
	if (r == 0)
		job->spec.late(job->spec.late_arg, &frame);
	return r;
}

static void on_heard(evutil_socket_t fd, short what, void *arg)
{
	struct dsa_job *job = arg;
	struct ds_frame frame;
	int r;

	(void)fd;
	r = job->over ? hear_late(job, what) : hear(job, what, &frame);
	if (r == 0 && !job->over) {
		job->over = job->spec.heard(job->spec.arg, &frame);
		explicit_bzero(job->jobs->buffer.p, DS_HEADER_LEN + frame.len);
		if (job->over)
			end_job(job);
	} else if (r != DS_ERR_UNAVAIL && !job->over) {
		(void)job->spec.heard(job->spec.arg, NULL);
	}
	if (r == 0 || r == DS_ERR_UNAVAIL) {
		if (listen_on(job) == 0)
			return;
		if (!job->over)
			(void)job->spec.heard(job->spec.arg, NULL);
	}
	close_channel(job);
}

static void on_child(evutil_socket_t sig, short what, void *arg)
{
	struct dsa_jobs *jobs = arg;
	struct dsa_job *job;
	pid_t pid;
	int status;

	(void)sig;
	(void)what;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (job = jobs->first; job != NULL; job = job->next)
			if (job->pid == pid)
				break;
		if (job == NULL)
			continue;
		job->pid = 0;
		/* Its last words may wait in the channel: they come first. */
		if (job->heard_event == NULL)
			forget(job);
	}
}

bool dsa_jobs_init(struct dsa_jobs *jobs, struct event_base *base)
{
	*jobs = (struct dsa_jobs){ .base = base };
	if (dsa_secret_init(&jobs->buffer, DS_PACKET_MAX,
			    DSA_SECRET_PRIVATE) != 0)
		return false;
	jobs->child_event = evsignal_new(base, SIGCHLD, on_child, jobs);
	return jobs->child_event != NULL &&
	       event_add(jobs->child_event, NULL) == 0;
}

void dsa_jobs_done(struct dsa_jobs *jobs)
{
	struct dsa_job *job;

	jobs->slot_free = NULL;
	while ((job = jobs->first) != NULL) {
		if (job->pid != 0)
			(void)kill(job->pid, SIGKILL);
		if (job->heard_event != NULL) {
			event_free(job->heard_event);
			(void)close(job->fd);
		}
		forget(job);
	}
	if (jobs->child_event != NULL)
		event_free(jobs->child_event);
	dsa_secret_done(&jobs->buffer);
}

bool dsa_job_has_room(const struct dsa_jobs *jobs, enum dsa_job_kind kind)
{
	return jobs->running[kind] < slots[kind];
}

/* Forks; no signal reaches the worker before it has its own handlers. */
static int start_process(struct dsa_job *job, int worker_end)
{
	sigset_t all, old;
	pid_t parent = getpid(), pid;

	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, &old);
	pid = fork();
	if (pid == 0)
		worker(&job->spec, worker_end, parent, &old);
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
	if (pid < 0)
		return DS_ERR_SYS;
	job->pid = pid;
	return 0;
}

static int open_channel(struct dsa_job *job)
{
	job->end_ms = ds_now_ms() + job->spec.timeout_ms;
	job->heard_event =
	    event_new(job->jobs->base, job->fd, EV_READ, on_heard, job);
	return job->heard_event != NULL ? listen_on(job) : DS_ERR_NOMEM;
}

int dsa_job_start(struct dsa_jobs *jobs, const struct dsa_job_spec *spec)
{
	struct dsa_job *job;
	int pair[2], r;

	if (!dsa_job_has_room(jobs, spec->kind))
		return DS_ERR_LIMIT;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       0, pair) != 0)
		return DS_ERR_SYS;
	job = calloc(1, sizeof(*job));
	if (job == NULL) {
		r = DS_ERR_NOMEM;
		goto out;
	}
	*job = (struct dsa_job){ .jobs = jobs, .spec = *spec, .fd = pair[0] };
	r = open_channel(job);
	if (r == 0)
		r = start_process(job, pair[1]);
	if (r != 0)
		goto out;
	job->next = jobs->first;
	jobs->first = job;
	jobs->running[spec->kind]++;
	(void)close(pair[1]);
	return 0;
out:
	if (job != NULL && job->heard_event != NULL)
		event_free(job->heard_event);
	free(job);
	(void)close(pair[0]);
	(void)close(pair[1]);
	return r;
}

/* ---- one that waits ---- */

static struct dsa_job *waiting(const struct dsa_jobs *jobs)
{
	struct dsa_job *job = jobs->first;

	while (job != NULL && (job->spec.kind != DSA_JOB_SPARE || job->over ||
			       job->heard_event == NULL))
		job = job->next;
	return job;
}

bool dsa_job_is_waiting(const struct dsa_jobs *jobs)
{
	return waiting(jobs) != NULL;
}

void dsa_job_dismiss(struct dsa_jobs *jobs)
{
	struct dsa_job *job = waiting(jobs);

	if (job != NULL)
		close_channel(job);
}

int dsa_job_hand(struct dsa_jobs *jobs, const struct dsa_job_spec *spec,
		 const struct ds_writer *told)
{
	struct dsa_job *job = waiting(jobs);
	int r;

	if (job == NULL)
		return DS_ERR_NOTFOUND;
	if (!dsa_job_has_room(jobs, spec->kind))
		return DS_ERR_LIMIT;
	become(job, spec->kind);
	job->spec = *spec;
	job->end_ms = ds_now_ms() + spec->timeout_ms;
	r = listen_on(job);
	if (r == 0)
		r = ds_packet_send(job->fd, told, spec->keep_fd);
	if (r != 0)
		close_channel(job);
	return r == DS_ERR_CLOSED ? DS_ERR_NOTFOUND : r;
}

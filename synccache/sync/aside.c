/*
 * A blocking call run aside.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/aside.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct job {
	void (*work)(void *arg);
	void *arg;
	int done; /* an eventfd */
};

static void *run(void *arg)
{
	static const uint64_t one = 1;
	struct job *job = arg;

	job->work(job->arg);
	(void)!write(job->done, &one, sizeof(one));
	return NULL;
}

/* Signals are the main thread's. */
static int start(struct job *job, pthread_t *ret_thread)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(ret_thread, NULL, run, job);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r == 0 ? DS_OK : DS_ERR_SYS;
}

static int wait_done(const struct dss_waiter *waiter, int done,
		     int64_t deadline_ms)
{
	uint64_t n;

	/* The wait ends for other reasons too. */
	while (read(done, &n, sizeof(n)) < 0) {
		int err = waiter->wait(waiter->arg, done, deadline_ms);

		if (err)
			return err;
	}
	return DS_OK;
}

int dss_aside(const struct dss_waiter *waiter, int fd, int64_t deadline_ms,
	      void (*work)(void *arg), void *arg)
{
	struct job job = { work, arg, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
	int flags = fcntl(fd, F_GETFL), err = DS_ERR_SYS;
	pthread_t thread;

	if (job.done >= 0 && flags >= 0 &&
	    fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0)
		err = start(&job, &thread);
	if (err == DS_OK) {
		err = wait_done(waiter, job.done, deadline_ms);
		if (err)
			(void)shutdown(fd, SHUT_RDWR);
		(void)pthread_join(thread, NULL);
	}
	if (flags >= 0)
		(void)fcntl(fd, F_SETFL, flags);
	if (job.done >= 0)
		(void)close(job.done);
	return err;
}

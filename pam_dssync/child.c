/*
 * A program run as the user, from inside somebody else's process.
 *
 * The child is made without an exit signal (clone(2), "the child termination
 * signal": 0).  So the application gets no SIGCHLD for a child that it does
 * not know, its handler's wait(2) cannot take the child from us, and it does
 * not matter whether it ignores SIGCHLD; no signal disposition of the
 * application is touched.  Because execve(2) sets the exit signal anew, that
 * child only waits for a second one, which becomes the user and the program.
 *
 * Signals are blocked in this thread until the child is on its way, so that no
 * handler of the application runs in it.  The children make nothing but system
 * calls, and change ids by syscall(2): libc's functions would try to take
 * along the threads that it thinks there are, and those are the parent's.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/wire.h"
#include "pam_dssync/internal.h"

/* The 16-bit calls of old 32-bit machines have successors. */
#ifdef SYS_setresuid32
#define SYS_SETGROUPS SYS_setgroups32
#define SYS_SETRESGID SYS_setresgid32
#define SYS_SETRESUID SYS_setresuid32
#define SYS_SETUID    SYS_setuid32
#else
#define SYS_SETGROUPS SYS_setgroups
#define SYS_SETRESGID SYS_setresgid
#define SYS_SETRESUID SYS_setresuid
#define SYS_SETUID    SYS_setuid
#endif

/* Descriptors to close one by one where close_range(2) is missing. */
#define FD_LIMIT 65536

/* ---- in the child ---- */

static bool all_ids_are(uid_t uid, gid_t gid)
{
	uid_t ru, eu, su;
	gid_t rg, eg, sg;

	return getresuid(&ru, &eu, &su) == 0 &&
	       getresgid(&rg, &eg, &sg) == 0 && ru == uid && eu == uid &&
	       su == uid && rg == gid && eg == gid && sg == gid;
}

/*
 * To the user, for good: no group but the primary, which is all that a ticket
 * cache needs.  Nothing to drop if the caller is that user already.
 */
static bool become(uid_t uid, gid_t gid)
{
	if (uid == 0 || gid == 0)
		return false;
	if (geteuid() == 0 && (syscall(SYS_SETGROUPS, 0, NULL) != 0 ||
			       syscall(SYS_SETRESGID, gid, gid, gid) != 0 ||
			       syscall(SYS_SETRESUID, uid, uid, uid) != 0))
		return false;
	return all_ids_are(uid, gid) && syscall(SYS_SETUID, 0) != 0;
}

static void close_from(unsigned int first)
{
	struct rlimit limit;
	unsigned int fd, end = FD_LIMIT;

#ifdef SYS_close_range
	if (syscall(SYS_close_range, first, UINT_MAX, 0) == 0)
		return;
#endif
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < end)
		end = (unsigned int)limit.rlim_cur;
	for (fd = first; fd < end; fd++)
		close((int)fd);
}

/* Nothing of the application's handlers, which are the parent's. */
static void default_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	int sig;

	for (sig = 1; sig < NSIG; sig++)
		sigaction(sig, &action, NULL); /* fails for SIGKILL, SIGSTOP */
}

/* fork(2) without libc's part and without an exit signal; the pid, or -1. */
static pid_t bare_fork(void)
{
	/* All zero, so the order, which differs by machine, is no matter. */
	return (pid_t)syscall(SYS_clone, 0UL, 0UL, 0UL, 0UL, 0UL);
}

static _Noreturn void become_program(const struct pds_child *child, int sock,
				     int null)
{
	static const char *const env[] = { "PATH=/usr/bin:/bin", "LANG=C",
					   NULL };
	const struct rlimit no_core = { 0, 0 };
	sigset_t none;

	umask(077);
	sigemptyset(&none);
	if (dup2(sock, 0) == 0 && dup2(sock, 1) == 1 && dup2(null, 2) == 2 &&
	    chdir("/") == 0 && setrlimit(RLIMIT_CORE, &no_core) == 0 &&
	    become(child->uid, child->gid)) {
		close_from(3);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execve(child->argv[0], (char **)(uintptr_t)child->argv,
		       (char **)(uintptr_t)env);
	}
	_exit(127);
}

/* The child that waits; its exit status is the program's. */
static _Noreturn void child_main(const struct pds_child *child, int sock,
				 int null)
{
	int status;
	pid_t pid;

	/* A group of its own, to be killed as one; and no ^C for us. */
	setsid();
	default_signals();
	pid = bare_fork();
	if (pid == 0)
		become_program(child, sock, null);
	close_from(0);
	while (pid > 0 && waitpid(pid, &status, __WALL) != pid)
		;
	_exit(pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : 126);
}

/* ---- in the parent ---- */

/* A copy of fd above the standard ones, which fd may be if those are closed.
 */
static int move_up(int fd)
{
	int copy, saved;

	if (fd < 0 || fd > 2)
		return fd;
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	saved = errno;
	close(fd);
	errno = saved;
	return copy;
}

/* Starts the child; the pid, or -1. */
static pid_t spawn(const struct pds_child *child, int sock, int null)
{
	sigset_t all, before;
	pid_t pid;
	int saved;

	sigfillset(&all);
	if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
		return -1;
	pid = bare_fork();
	if (pid == 0)
		child_main(child, sock, null);
	saved = errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	errno = saved;
	return pid;
}

/* Reads until the peer closes; out gets a NUL. */
static int read_all(int fd, char *out, size_t cap, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t len = 0;
	int64_t left;
	ssize_t n;

	for (;;) {
		left = deadline_ms - ds_now_ms();
		if (left <= 0)
			return DS_ERR_TIMEOUT;
		if (poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left) <= 0)
			continue;
		n = recv(fd, out + len, cap - len, MSG_DONTWAIT);
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n <= 0) /* a reset: it died with input unread */
			break;
		len += (size_t)n;
		if (len == cap)
			return DS_ERR_LIMIT;
	}
	out[len] = '\0';
	return memchr(out, '\0', len) ? DS_ERR_FORMAT : 0;
}

/* Feeds the child and listens to it. */
static int talk(const struct pds_child *child, int fd, int64_t deadline_ms,
		char *out, size_t cap)
{
	/* A writer that is full is as good as a frame to ds_wire_send(). */
	struct ds_writer input = {
		.base = (uint8_t *)(uintptr_t)child->input,
		.len = child->input_len,
	};
	int err;

	err = ds_wire_send(fd, &input, deadline_ms);
	/* One that does not care for its input may still have an answer. */
	if (err && err != DS_ERR_CLOSED)
		return err;
	shutdown(fd, SHUT_WR);
	return read_all(fd, out, cap, deadline_ms);
}

/* Waits for the child, which has closed its output or is killed now. */
static int reap(pid_t pid, int err, int64_t deadline_ms)
{
	int status;
	pid_t got;

	for (;;) {
		if (err || ds_now_ms() >= deadline_ms) {
			kill(-pid, SIGKILL); /* the program, too */
			kill(pid, SIGKILL);
		}
		/* __WALL: a child without an exit signal is hidden else. */
		got = waitpid(pid, &status, __WALL | (err ? 0 : WNOHANG));
		if (got == pid)
			break;
		if (got < 0 && errno != EINTR)
			return err ? err : DS_ERR_SYS;
		if (got == 0)
			poll(NULL, 0, 1);
	}
	if (err)
		return err;
	if (!WIFEXITED(status))
		return ds_now_ms() >= deadline_ms ? DS_ERR_TIMEOUT
						  : DS_ERR_DENIED;
	return WEXITSTATUS(status) == 0 ? 0 : DS_ERR_DENIED;
}

int pds_child_run(const struct pds_child *child, int64_t deadline_ms,
		  char *out, size_t cap)
{
	int sv[2], null, err = DS_ERR_SYS, saved;
	pid_t pid = -1;

	/* A socket, not pipes: those would raise SIGPIPE in the application.
	 */
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0)
		return DS_ERR_SYS;
	sv[0] = move_up(sv[0]);
	sv[1] = move_up(sv[1]);
	null = move_up(open("/dev/null", O_RDWR | O_CLOEXEC));
	if (sv[0] >= 0 && sv[1] >= 0 && null >= 0)
		pid = spawn(child, sv[1], null);
	saved = errno;
	if (sv[1] >= 0)
		close(sv[1]);
	if (null >= 0)
		close(null);
	if (pid > 0) {
		err = talk(child, sv[0], deadline_ms, out, cap);
		saved = errno;
		err = reap(pid, err, deadline_ms);
	}
	if (sv[0] >= 0)
		close(sv[0]);
	errno = saved;
	return err;
}

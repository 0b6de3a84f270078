/*
 * A password from the terminal, without echo, or from standard input.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include "dssyncctl/ctl.h"

static volatile sig_atomic_t interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = 1;
}

/* A byte; 0 at the end; -1, also if a signal came before or while waiting. */
static ssize_t read_byte(int fd, const sigset_t *unblocked, char *ret_c)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	ssize_t n;

	do {
		/* Signals come in here and nowhere else, so none is lost. */
		n = ppoll(&wait, 1, NULL, unblocked);
		if (n > 0)
			n = read(fd, ret_c, 1);
	} while (n < 0 && errno == EINTR && !interrupted);
	return interrupted ? -1 : n;
}

/*
 * One line without its newline.  Byte by byte: nothing of it stays in a
 * buffer of stdio, and nothing behind it is taken.
 */
static int read_line(int fd, const sigset_t *unblocked, char *buf, size_t cap)
{
	size_t len = 0;
	ssize_t n;
	char c;

	for (;;) {
		n = read_byte(fd, unblocked, &c);
		if (n < 0)
			return DS_ERR_SYS;
		if (n == 0 || c == '\n')
			break;
		if (c == '\0')
			return DS_ERR_FORMAT;
		if (len + 1 >= cap)
			return DS_ERR_LIMIT;
		buf[len++] = c;
	}
	buf[len] = '\0';
	return n == 0 && len == 0 ? DS_ERR_CLOSED : DS_OK;
}

/*
 * Whoever interrupts gets the terminal back with its echo.  The prompt comes
 * when the echo is off already: nothing typed after it is shown or lost.
 */
static int read_hidden(int tty, const char *prompt, char *buf, size_t cap)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct sigaction action = { .sa_handler = on_signal }, old[4], stop;
	const struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct termios before, hidden;
	sigset_t blocked, outside;
	size_t i;
	int r;

	if (tcgetattr(tty, &before) != 0)
		return DS_ERR_SYS;
	sigemptyset(&blocked);
	for (i = 0; i < 4; i++)
		sigaddset(&blocked, signals[i]);
	sigprocmask(SIG_BLOCK, &blocked, &outside);
	for (i = 0; i < 4; i++)
		sigaction(signals[i], &action, &old[i]);
	sigaction(SIGTSTP, &ignore, &stop);
	hidden = before;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	r = DS_ERR_SYS;
	if (tcsetattr(tty, TCSAFLUSH, &hidden) == 0 &&
	    write(tty, prompt, strlen(prompt)) >= 0)
		r = read_line(tty, &outside, buf, cap);
	(void)tcsetattr(tty, TCSAFLUSH, &before);
	sigaction(SIGTSTP, &stop, NULL);
	for (i = 0; i < 4; i++)
		sigaction(signals[i], &old[i], NULL);
	sigprocmask(SIG_SETMASK, &outside, NULL);
	return r;
}

void ctl_protect_secrets(char *buf, size_t cap)
{
	const struct rlimit none = { 0, 0 };

	/* The best that can be had; without privilege some of it fails. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	(void)mlock(buf, cap);
}

int ctl_read_password(bool from_stdin, const char *prompt, char *buf,
		      size_t cap)
{
	int tty, r;

	if (from_stdin)
		return read_line(STDIN_FILENO, NULL, buf, cap);
	tty = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (tty < 0)
		return DS_ERR_UNAVAIL;
	r = read_hidden(tty, prompt, buf, cap);
	(void)!write(tty, "\n", 1);
	close(tty);
	return r;
}

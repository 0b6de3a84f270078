/*
 * The KDCs of kdc_world.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/wire.h"
#include "tests/unit/kdc_world.h"

krb5_context ctx;
struct dsa_kdc kdc;
const char *near = "";
static char *hosts[KDCS + 1] = { NULL };
static struct ds_config config;
static pid_t servers[KDCS];
static int ports[KDCS];    /* bound, if nobody listens; -1 */
static int counters[KDCS]; /* a byte for each request that arrived */
static uint16_t port;

static void write_all(int fd, const void *p, size_t len)
{
	if (write(fd, p, len) != (ssize_t)len)
		_exit(0);
}

static void answer(int fd, enum manner manner, const uint8_t *frame,
		   size_t len)
{
	/* RFC 4120 5.9.1: pvno, msg-type, stime, susec, error-code, realm,
	 * sname. */
	static const uint8_t starting[4 + 64] =
	    "\0\0\0\x40\x7e\x3e\x30\x3c\xa0\x03\x02\x01\x05\xa1\x03\x02\x01"
	    "\x1e\xa4\x11\x18\x0f"
	    "20260101000000Z"
	    "\xa5\x03\x02\x01\x00"
	    "\xa6\x03\x02\x01\x1d\xa9\x03\x1b\x01"
	    "R"
	    "\xaa\x0e\x30\x0c"
	    "\xa0\x03\x02\x01\x01\xa1\x05\x30\x03\x1b\x01"
	    "K";
	static const uint8_t huge[4] = { 0x7f, 0xff, 0xff, 0xff };
	static const uint8_t more[4] = { 0, 4, 0, 1 };
	static const uint8_t zero[4] = { 0 };
	static const uint8_t much[3] = { 0, 1, 0 };

	switch (manner) {
	case STARTING:
		write_all(fd, starting, sizeof(starting));
		break;
	case BUSY:
	case ANSWER:
		write_all(fd, frame, len);
		break;
	case DRIBBLE:
		for (size_t i = 0; i < len; i++) {
			write_all(fd, frame + i, 1);
			(void)usleep(1000);
		}
		break;
	case CUT:
		write_all(fd, frame, len - 1);
		break;
	case HUGE:
		write_all(fd, huge, sizeof(huge));
		break;
	case TOO_MUCH:
		write_all(fd, more, sizeof(more));
		break;
	case NOTHING:
		write_all(fd, zero, sizeof(zero));
		break;
	case TRICKLE:
		write_all(fd, much, sizeof(much));
		for (;;) {
			write_all(fd, "x", 1);
			(void)usleep(20000);
		}
	default:
		(void)pause();
	}
}

static void serve(int listener, enum manner manner, int counter)
{
	uint8_t frame[64];
	int dropped = 0;

	(void)alarm(20);
	(void)signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		ssize_t n;

		if (manner == HANG_UP || (manner == BUSY && dropped++ < 2)) {
			(void)close(fd);
			continue;
		}
		n = recv(fd, frame, 4 + 7, MSG_WAITALL);
		if (n == 4 + 7) {
			write_all(counter, "", 1);
			answer(fd, manner, frame, (size_t)n);
		}
		(void)close(fd);
	}
}

/* KDC number i on 127.0.0.(i + 1). */
static void start(int i, enum manner manner)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int pipes[2], on = 1;
	socklen_t len = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)i);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	port = ntohs(at.sin_port);
	assert_int_equal(pipe(pipes), 0);
	counters[i] = pipes[0];
	servers[i] = 0;
	if (manner != REFUSE) {
		assert_int_equal(listen(fd, 8), 0);
		servers[i] = fork();
		if (servers[i] == 0)
			serve(fd, manner, pipes[1]);
		assert_true(servers[i] > 0);
		(void)close(fd);
		fd = -1;
	}
	/* Nobody else's, where it is to be refused. */
	ports[i] = fd;
	(void)close(pipes[1]);
}

static bool is_quiet(enum manner manner)
{
	return manner == SILENT || manner == TRICKLE;
}

void world(enum manner a, enum manner b, enum manner c)
{
	port = 0;
	start(0, a);
	start(1, b);
	start(2, c);
	dsa_kdc_init(&kdc, &config, "R", "", near);
	kdc.port = port;
	kdc.connect_ms = kdc.answer_ms = kdc.last_ms =
	    is_quiet(a) || is_quiet(b) || is_quiet(c) ? KDC_IMPATIENT
						      : KDC_PATIENT;
	kdc.deadline = kdc.patience = ds_now_ms() + KDC_PATIENT;
}

int stop_after(int i, int expected)
{
	int waiting = 0;
	char buf[64];
	ssize_t n;

	for (int ms = 0;
	     ms < KDC_PATIENT && servers[i] > 0 &&
	     ioctl(counters[i], FIONREAD, &waiting) == 0 && waiting < expected;
	     ms++)
		(void)poll(NULL, 0, 1);
	if (servers[i] > 0) {
		(void)kill(servers[i], SIGKILL);
		(void)waitpid(servers[i], NULL, 0);
		servers[i] = 0;
	}
	n = read(counters[i], buf, sizeof(buf));
	(void)close(counters[i]);
	if (ports[i] >= 0)
		(void)close(ports[i]);
	ports[i] = -1;
	return (int)n;
}

void stop(int i)
{
	(void)stop_after(i, 0);
}

krb5_error_code ask_them(bool once)
{
	krb5_data request = { .length = 7, .data = (char[]){ "request" } };
	krb5_data reply = { 0 };
	krb5_error_code code = dsa_kdc_send(&kdc, ctx, &request, once, &reply);

	if (code == 0) {
		assert_int_equal(reply.length, 7);
		assert_memory_equal(reply.data, "request", 7);
	} else {
		assert_null(reply.data);
	}
	krb5_free_data_contents(ctx, &reply);
	return code;
}

int setup(void **state)
{
	(void)state;
	for (int i = 0; i < KDCS; i++)
		if (asprintf(&hosts[i], "127.0.0.%d", i + 1) < 0)
			return -1;
	config.domain.servers = hosts;
	config.domain.name = config.domain.site = (char[]){ "" };
	return krb5_init_context(&ctx);
}

int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < KDCS; i++)
		free(hosts[i]);
	krb5_free_context(ctx);
	return 0;
}

void stop_all(void)
{
	for (int i = 0; i < KDCS; i++)
		stop(i);
}

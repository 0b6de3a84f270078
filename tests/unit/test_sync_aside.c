/*
 * What libraries do only by blocking: a call on a socket, run aside and ended
 * at its deadline, and names looked up in a child.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/sync/aside.h"
#include "synccache/sync/dns.h"

/* What loop.c wants of its neighbours. */
void dss_status_send(struct dss_sync *s)
{
	(void)s;
}

static int wait_fd(void *arg, int fd, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int64_t left = deadline_ms - ds_now_ms();

	if (*(bool *)arg)
		return DS_ERR_CLOSED;
	return poll(&pfd, 1, left > 0 ? (int)left : 0) > 0 ? DS_OK
							   : DS_ERR_TIMEOUT;
}

struct call {
	int fd;
	ssize_t got;
	char byte;
};

/* As a handshake does: it ends when the peer speaks, or the socket does. */
static void read_one(void *arg)
{
	struct call *call = arg;

	call->got = read(call->fd, &call->byte, 1);
}

static void test_aside(void **state)
{
	bool stop = false;
	const struct dss_waiter waiter = { wait_fd, &stop };
	struct call call = { .got = 0 };
	int pair[2];

	(void)state;
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	call.fd = pair[0];
	assert_int_equal(write(pair[1], "x", 1), 1);
	assert_int_equal(
	    dss_aside(&waiter, pair[0], ds_now_ms() + 30000, read_one, &call),
	    DS_OK);
	assert_int_equal(call.byte, 'x');
	assert_true(fcntl(pair[0], F_GETFL) & O_NONBLOCK);
	/* It would wait for ever. */
	assert_int_equal(
	    dss_aside(&waiter, pair[0], ds_now_ms() + 50, read_one, &call),
	    DS_ERR_TIMEOUT);
	assert_int_equal(call.got, 0); /* the end of the socket */
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static void test_aside_ends(void **state)
{
	bool stop = true;
	const struct dss_waiter waiter = { wait_fd, &stop };
	struct call call = { .got = 1 };
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	call.fd = pair[0];
	assert_int_equal(
	    dss_aside(&waiter, pair[0], ds_now_ms() + 30000, read_one, &call),
	    DS_ERR_CLOSED);
	assert_int_equal(call.got, 0);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

static bool is_loopback(const struct dss_address *a)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (a->sa.ss_family == AF_INET) {
		memcpy(&in, &a->sa, sizeof(in));
		return in.sin_addr.s_addr == htonl(INADDR_LOOPBACK) &&
		       in.sin_port == htons(389);
	}
	memcpy(&in6, &a->sa, sizeof(in6));
	return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr) &&
	       in6.sin6_port == htons(389);
}

static void test_addresses(void **state)
{
	struct dss_address list[DSS_ADDRESSES_MAX];
	struct dss_sync s = { .stop = false };
	size_t count = 0;

	(void)state;
	assert_int_equal(dss_loop_init(&s), 0);
	assert_int_equal(dss_dns_addresses(&s, "127.0.0.1", 389, list, &count),
			 0);
	assert_int_equal(count, 1);
	assert_true(is_loopback(&list[0]));
	assert_int_equal(
	    dss_dns_addresses(&s, "not a name", 389, list, &count),
	    DS_ERR_NOTFOUND);
	/* Nobody waits for the answer of a name server when it is to end. */
	s.stop = true;
	assert_int_equal(dss_dns_addresses(&s, "127.0.0.1", 389, list, &count),
			 DS_ERR_CLOSED);
	/* And no child is left. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	dss_loop_done(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_aside),
		cmocka_unit_test(test_aside_ends),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

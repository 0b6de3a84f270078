/*
 * A TCP connection with a deadline.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/tcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/sync/dns.h"

/* Dead peers: 30 s idle, 3 probes 10 s apart; 60 s with data in flight. */
#define KEEP_IDLE    30
#define KEEP_EVERY   10
#define KEEP_PROBES  3
#define IN_FLIGHT_MS 60000

static void set_int(int fd, int level, int option, int value)
{
	/* A kernel that lacks one of them still connects. */
	(void)setsockopt(fd, level, option, &value, sizeof(value));
}

static int connected(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
		return DS_ERR_SYS;
	errno = error;
	return error ? DS_ERR_SYS : DS_OK;
}

static int connect_one(struct dss_sync *s, const struct dss_address *to,
		       int64_t deadline, int *ret_fd)
{
	int fd = socket(to->sa.ss_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err = DS_OK;

	if (fd < 0)
		return DS_ERR_SYS;
	set_int(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	set_int(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE);
	set_int(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_EVERY);
	set_int(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_PROBES);
	set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, IN_FLIGHT_MS);
	set_int(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	if (connect(fd, (const struct sockaddr *)&to->sa, to->len) != 0) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof(peer);

		if (errno != EINPROGRESS)
			err = DS_ERR_SYS;
		/* The wait ends for other reasons too: ask until it is so. */
		while (err == DS_OK) {
			err = dss_wait(s, fd, true, deadline);
			if (err == DS_OK)
				err = connected(fd);
			if (err == DS_OK &&
			    getpeername(fd, (struct sockaddr *)&peer, &len) ==
				0)
				break;
		}
	}
	if (err) {
		int saved = errno;

		(void)close(fd);
		errno = saved;
		return err;
	}
	*ret_fd = fd;
	return DS_OK;
}

int dss_tcp_connect(struct dss_sync *s, const char *host, uint16_t port,
		    int64_t timeout_ms, int *ret_fd)
{
	struct dss_address list[DSS_ADDRESSES_MAX];
	int64_t deadline, now;
	size_t count = 0;
	int err = dss_dns_addresses(s, host, port, list, &count);

	if (err)
		return err;
	deadline = ds_now_ms() + timeout_ms;
	for (size_t i = 0; i < count; i++) {
		/* One that swallows everything leaves time for the others. */
		now = ds_now_ms();
		err = connect_one(
		    s, &list[i], now + (deadline - now) / (int64_t)(count - i),
		    ret_fd);
		if (err == DS_OK || err == DS_ERR_CLOSED)
			break;
	}
	return err;
}

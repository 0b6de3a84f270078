/*
 * One connection to a KDC.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/kdctcp.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/wire.h"

/* 0, or an errno; ETIMEDOUT at the deadline. */
static int wait_for(int fd, short events, int64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		int64_t left = deadline - ds_now_ms();
		int n = left > 0 ? poll(&p, 1, (int)left) : 0;

		if (n > 0)
			return 0;
		if (n == 0)
			return ETIMEDOUT;
		if (errno != EINTR)
			return errno;
	}
}

int dsa_tcp_connect(const struct addrinfo *ai, int64_t deadline, int *ret_fd)
{
	const int on = 1;
	int error = 0;
	socklen_t len = sizeof(error);
	int fd =
	    socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK,
		   ai->ai_protocol);

	if (fd < 0)
		return errno;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) != 0) {
		error = errno;
		if (error == EINPROGRESS)
			error = wait_for(fd, POLLOUT, deadline);
		if (error == 0 &&
		    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
			error = errno;
	}
	if (error != 0)
		(void)close(fd);
	else
		*ret_fd = fd;
	return error;
}

static int send_all(int fd, const uint8_t *p, size_t len, int64_t deadline)
{
	while (len > 0) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
		int error;

		if (n >= 0) {
			p += n;
			len -= (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return errno;
		error = wait_for(fd, POLLOUT, deadline);
		if (error != 0)
			return error;
	}
	return 0;
}

static int recv_all(int fd, uint8_t *p, size_t len, int64_t deadline)
{
	while (len > 0) {
		ssize_t n = recv(fd, p, len, 0);
		int error;

		if (n == 0)
			return ECONNRESET;
		if (n > 0) {
			p += n;
			len -= (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return errno;
		error = wait_for(fd, POLLIN, deadline);
		if (error != 0)
			return error;
	}
	return 0;
}

int dsa_tcp_send(int fd, const krb5_data *request, int64_t deadline)
{
	const uint32_t n = request->length;
	const uint8_t head[4] = { (uint8_t)(n >> 24), (uint8_t)(n >> 16),
				  (uint8_t)(n >> 8), (uint8_t)n };
	int error = send_all(fd, head, sizeof(head), deadline);

	if (error == 0)
		error =
		    send_all(fd, (const uint8_t *)request->data, n, deadline);
	return error;
}

int dsa_tcp_recv(int fd, int64_t deadline, krb5_data *ret_reply)
{
	uint8_t head[4], *p;
	size_t len;
	int error = recv_all(fd, head, sizeof(head), deadline);

	if (error != 0)
		return error;
	len = (size_t)head[0] << 24 | (size_t)head[1] << 16 |
	      (size_t)head[2] << 8 | (size_t)head[3];
	if (len == 0 || len > DSA_TCP_REPLY_MAX)
		return EMSGSIZE;
	p = malloc(len);
	if (p == NULL)
		return ENOMEM;
	error = recv_all(fd, p, len, deadline);
	if (error != 0) {
		free(p);
		return error;
	}
	*ret_reply = (krb5_data){ .magic = KV5M_DATA,
				  .length = (unsigned int)len,
				  .data = (char *)p };
	return 0;
}

/*
 * Frames over sockets: see wire.h for the contract, proto.h for the frames.
 *
 * Every call is non-blocking with poll(2) in between, so that a peer that
 * sends a byte a second is cut off by the deadline of the whole frame.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/wire.h"

/* Who must own a socket file; only tests build this with another owner. */
#ifndef DS_WIRE_OWNER
#define DS_WIRE_OWNER 0
#endif

int64_t ds_now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t ds_now_ms(void)
{
	return ds_now_us() / 1000;
}

/* close(2) on a path that already has an errno to report. */
static void close_quietly(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

/* A system call on a socket failed: what that means to the caller. */
static int socket_error(int code)
{
	switch (code) {
	case EPIPE:
	case ECONNRESET:
	case ENOTCONN:
		return DS_ERR_CLOSED;
	case EAGAIN:
	case ENOBUFS:
	case ETOOMANYREFS: /* descriptors in flight; unix(7) */
		return DS_ERR_UNAVAIL;
	case EMSGSIZE:
		return DS_ERR_LIMIT;
	default:
		return DS_ERR_SYS;
	}
}

/* Until fd is ready for `events`, or the deadline. */
static int wait_ready(int fd, short events, int64_t deadline_ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int64_t left;
	int n;

	for (;;) {
		left = deadline_ms - ds_now_ms();
		if (left <= 0)
			return DS_ERR_TIMEOUT;
		n = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
		if (n > 0)
			return 0; /* errors and hang-ups show in the next call
				   */
		if (n < 0 && errno != EINTR)
			return DS_ERR_SYS;
	}
}

/* The file at `path` is a socket that nobody but root could have put there. */
static int check_socket_file(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? DS_ERR_UNAVAIL : DS_ERR_SYS;
	if (!S_ISSOCK(st.st_mode) || st.st_uid != DS_WIRE_OWNER)
		return DS_ERR_UNSAFE;
	return 0;
}

/*
 * connect(2) to a full backlog blocks, and on a non-blocking socket fails at
 * once with nothing to poll for; SO_SNDTIMEO bounds the blocking one.
 */
static int connect_by(int fd, const struct sockaddr_un *addr,
		      int64_t deadline_ms)
{
	struct timeval tv;
	int64_t left;

	for (;;) {
		left = deadline_ms - ds_now_ms();
		if (left <= 0)
			return DS_ERR_TIMEOUT;
		tv.tv_sec = left / 1000;
		tv.tv_usec = left % 1000 * 1000;
		if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) <
		    0)
			return DS_ERR_SYS;
		if (connect(fd, (const struct sockaddr *)addr,
			    sizeof(*addr)) == 0)
			return 0;
		if (errno == ECONNREFUSED || errno == ENOENT)
			return DS_ERR_UNAVAIL;
		if (errno != EINTR && errno != EAGAIN)
			return DS_ERR_SYS;
	}
}

int ds_wire_connect(const char *path, int64_t deadline_ms, int *ret_fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	int fd, err;

	if (len >= sizeof(addr.sun_path))
		return DS_ERR_INVAL;
	memcpy(addr.sun_path, path, len + 1);
	err = check_socket_file(path);
	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return DS_ERR_SYS;
	err = connect_by(fd, &addr, deadline_ms);
	if (err) {
		close_quietly(fd);
		return err;
	}
	*ret_fd = fd;
	return 0;
}

int ds_wire_send(int fd, const struct ds_writer *frame, int64_t deadline_ms)
{
	size_t done = 0;
	ssize_t n;
	int err;

	if (frame->err)
		return frame->err;
	while (done < frame->len) {
		n = send(fd, frame->base + done, frame->len - done,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n >= 0) {
			done += (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return socket_error(errno);
		err = wait_ready(fd, POLLOUT, deadline_ms);
		if (err)
			return err;
	}
	return 0;
}

/*
 * Exactly len bytes.  DS_ERR_CLOSED: the peer closed before the first of
 * them; DS_ERR_FORMAT: after it.
 */
static int recv_exactly(int fd, uint8_t *buf, size_t len, int64_t deadline_ms)
{
	size_t done = 0;
	ssize_t n;
	int err;

	while (done < len) {
		n = recv(fd, buf + done, len - done, MSG_DONTWAIT);
		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		if (n == 0)
			return done ? DS_ERR_FORMAT : DS_ERR_CLOSED;
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return socket_error(errno);
		err = wait_ready(fd, POLLIN, deadline_ms);
		if (err)
			return err;
	}
	return 0;
}

int ds_wire_recv(int fd, uint8_t *buf, size_t cap, int64_t deadline_ms,
		 struct ds_frame *ret_frame)
{
	uint32_t len, seq;
	uint16_t type;
	int err;

	if (cap < DS_HEADER_LEN)
		return DS_ERR_INVAL;
	err = recv_exactly(fd, buf, DS_HEADER_LEN, deadline_ms);
	if (err)
		return err;
	err = ds_frame_header(buf, DS_HEADER_LEN, &len, &type, &seq);
	if (err)
		return err;
	if (len > cap - DS_HEADER_LEN)
		return DS_ERR_LIMIT;
	err = recv_exactly(fd, buf + DS_HEADER_LEN, len, deadline_ms);
	if (err) /* the header came, so an end here is a cut frame */
		return err == DS_ERR_CLOSED ? DS_ERR_FORMAT : err;
	return ds_frame_parse(buf, DS_HEADER_LEN + (size_t)len, ret_frame);
}

/* Room for one descriptor, aligned as CMSG_FIRSTHDR() wants it. */
union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(sizeof(int))];
};

int ds_packet_send(int fd, const struct ds_writer *frame, int pass_fd)
{
	struct iovec iov = { .iov_base = frame->base, .iov_len = frame->len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control;
	struct cmsghdr *c;
	ssize_t n;

	if (frame->err)
		return frame->err;
	if (pass_fd >= 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = control.buf;
		msg.msg_controllen = sizeof(control.buf);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &pass_fd, sizeof(int));
	}
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? socket_error(errno) : 0;
}

/*
 * Takes the descriptors out of a received message.  The first goes to *ret_fd
 * (-1: there was none); any more are closed, and the count is returned.
 */
static size_t take_fds(struct msghdr *msg, int *ret_fd)
{
	struct cmsghdr *c;
	size_t count = 0, i, n;
	int fd;

	*ret_fd = -1;
	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < n; i++, count++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int),
			       sizeof(fd));
			if (count == 0)
				*ret_fd = fd;
			else
				close(fd);
		}
	}
	return count;
}

int ds_packet_recv(int fd, uint8_t *buf, size_t cap,
		   struct ds_frame *ret_frame, int *ret_fd)
{
	struct iovec iov = { .iov_base = buf, .iov_len = cap };
	union control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = sizeof(control.buf),
	};
	size_t fds;
	ssize_t n;
	int passed, err;

	do
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return socket_error(errno);
	fds = take_fds(&msg, &passed);
	/* An empty packet looks like the end, and no frame is empty. */
	if (n == 0)
		err = DS_ERR_CLOSED;
	else if (msg.msg_flags & MSG_TRUNC)
		err = DS_ERR_LIMIT;
	else if (fds > 1 || (msg.msg_flags & MSG_CTRUNC))
		err = DS_ERR_FORMAT;
	else
		err = ds_frame_parse(buf, (size_t)n, ret_frame);
	if (err) {
		if (passed >= 0)
			close_quietly(passed);
		return err;
	}
	*ret_fd = passed;
	return 0;
}

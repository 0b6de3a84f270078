/*
 * lib/wire.c: whole frames, deadlines, descriptors; nothing left behind.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/wire.h"

#define PATIENCE_MS 60000 /* for what takes no time */

static uint8_t frame_buf[DS_PACKET_MAX], recv_buf[DS_PACKET_MAX];

static struct ds_writer make_frame(uint32_t seq, size_t payload)
{
	struct ds_writer w;
	size_t i;

	ds_writer_init(&w, frame_buf, sizeof(frame_buf));
	ds_frame_begin(&w, DS_MSG_STATUS, seq);
	for (i = 0; i < payload; i++)
		ds_put_u8(&w, (uint8_t)(i * 7));
	assert_int_equal(ds_frame_end(&w), 0);
	return w;
}

/* A stream or packet pair in state, and the count of descriptors. */
struct pair {
	int fd[2];
};

static struct pair open_pair(int type)
{
	struct pair p;

	assert_int_equal(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, p.fd), 0);
	return p;
}

static void close_pair(struct pair *p)
{
	close(p->fd[0]);
	close(p->fd[1]);
}

/* ---- streams ---- */

struct sender {
	int fd;
	const uint8_t *p;
	size_t len, chunk;
	int pause_ms;
	bool hold; /* leaves the socket open */
};

static void *send_slowly(void *arg)
{
	struct sender *s = arg;
	size_t i, n;

	for (i = 0; i < s->len; i += n) {
		n = s->len - i < s->chunk ? s->len - i : s->chunk;
		if (send(s->fd, s->p + i, n, MSG_NOSIGNAL) < 0)
			break;
		if (s->pause_ms)
			poll(NULL, 0, s->pause_ms);
	}
	if (!s->hold)
		shutdown(s->fd, SHUT_WR);
	return NULL;
}

static int recv_from(struct sender s, size_t cap, int timeout_ms,
		     struct ds_frame *ret_frame)
{
	struct pair p = open_pair(SOCK_STREAM);
	int before = unit_fds(), err;
	pthread_t thread;

	s.fd = p.fd[0];
	assert_int_equal(pthread_create(&thread, NULL, send_slowly, &s), 0);
	err = ds_wire_recv(p.fd[1], recv_buf, cap, ds_now_ms() + timeout_ms,
			   ret_frame);
	shutdown(p.fd[1], SHUT_RDWR);
	pthread_join(thread, NULL);
	assert_int_equal(unit_fds(), before);
	close_pair(&p);
	return err;
}

static void stream_pieces(void **state)
{
	static const size_t sizes[] = { 0, 1, 11, 12, 13, 4096, DS_FRAME_MAX };
	static const size_t chunks[] = { 1, 5, 12, 13, 1 << 20 };
	struct ds_frame frame;
	struct ds_writer w;
	size_t i, j;

	(void)state;
	for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		w = make_frame(77, sizes[i]);
		for (j = sizes[i] > 4096; j < 5; j++) {
			struct sender s = { .p = w.base,
					    .len = w.len,
					    .chunk = chunks[j] };

			assert_int_equal(recv_from(s, sizeof(recv_buf),
						   PATIENCE_MS, &frame),
					 0);
			assert_int_equal(frame.seq, 77);
			assert_int_equal(frame.type, DS_MSG_STATUS);
			assert_int_equal(frame.len, sizes[i]);
			assert_memory_equal(frame.payload,
					    w.base + DS_HEADER_LEN, sizes[i]);
		}
	}
}

/* Every way of ending early. */
static void stream_short(void **state)
{
	struct ds_writer w = make_frame(1, 20);
	struct ds_frame frame = { .type = 4711 };
	size_t len;
	int err;

	(void)state;
	for (len = 0; len < w.len; len++) {
		struct sender s = { .p = w.base, .len = len, .chunk = 64 };

		err = recv_from(s, sizeof(recv_buf), PATIENCE_MS, &frame);
		assert_int_equal(err, len ? DS_ERR_FORMAT : DS_ERR_CLOSED);
	}
	assert_int_equal(frame.type, 4711); /* untouched */
}

static void stream_limits(void **state)
{
	struct ds_writer w = make_frame(1, 100);
	struct sender s = { .p = w.base, .len = w.len, .chunk = 1 << 20 };
	struct ds_frame frame;

	(void)state;
	assert_int_equal(recv_from(s, w.len, PATIENCE_MS, &frame), 0);
	assert_int_equal(recv_from(s, w.len - 1, PATIENCE_MS, &frame),
			 DS_ERR_LIMIT);
	assert_int_equal(recv_from(s, DS_HEADER_LEN - 1, PATIENCE_MS, &frame),
			 DS_ERR_INVAL);
	w.base[2] = 2; /* a payload of 128 KiB and more */
	assert_int_equal(recv_from(s, sizeof(recv_buf), PATIENCE_MS, &frame),
			 DS_ERR_LIMIT);
	w.base[3] = 0xff;
	assert_int_equal(recv_from(s, sizeof(recv_buf), PATIENCE_MS, &frame),
			 DS_ERR_LIMIT);
	w = make_frame(1, 100);
	w.base[4]++;
	assert_int_equal(recv_from(s, sizeof(recv_buf), PATIENCE_MS, &frame),
			 DS_ERR_VERSION);
}

static void nothing(int sig)
{
	(void)sig;
}

static void *interrupt(void *arg)
{
	pthread_t *victim = arg;
	int i;

	for (i = 0; i < 20; i++) {
		poll(NULL, 0, 10);
		pthread_kill(*victim, SIGUSR1);
	}
	return NULL;
}

/* The deadline is the frame's: neither bytes nor signals move it. */
static void stream_deadline(void **state)
{
	struct sigaction action = { .sa_handler = nothing }, old;
	struct ds_writer w = make_frame(1, 100);
	struct sender s = { .p = w.base,
			    .len = w.len,
			    .chunk = 1,
			    .pause_ms = 20,
			    .hold = true };
	pthread_t self = pthread_self(), thread;
	struct ds_frame frame;
	int64_t start;

	(void)state;
	sigaction(SIGUSR1, &action, &old);
	assert_int_equal(pthread_create(&thread, NULL, interrupt, &self), 0);
	start = ds_now_ms();
	assert_int_equal(recv_from(s, sizeof(recv_buf), 100, &frame),
			 DS_ERR_TIMEOUT);
	assert_true(ds_now_ms() - start >= 100);
	/* And a frame that comes among signals is whole. */
	s.pause_ms = 1;
	assert_int_equal(recv_from(s, sizeof(recv_buf), PATIENCE_MS, &frame),
			 0);
	pthread_join(thread, NULL);
	sigaction(SIGUSR1, &old, NULL);
}

static void *drain(void *arg)
{
	int fd = *(int *)arg;
	char buf[1000];

	poll(NULL, 0, 50);
	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
	return NULL;
}

static void small_buffers(struct pair *p)
{
	int size = 4096;

	assert_int_equal(
	    setsockopt(p->fd[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)),
	    0);
}

static void stream_send(void **state)
{
	struct ds_writer w = make_frame(1, DS_FRAME_MAX);
	struct pair p = open_pair(SOCK_STREAM);
	pthread_t thread;

	(void)state;
	small_buffers(&p);
	assert_int_equal(ds_wire_send(p.fd[0], &w, ds_now_ms() + 50),
			 DS_ERR_TIMEOUT);
	close_pair(&p);

	p = open_pair(SOCK_STREAM);
	small_buffers(&p);
	assert_int_equal(pthread_create(&thread, NULL, drain, &p.fd[1]), 0);
	assert_int_equal(ds_wire_send(p.fd[0], &w, ds_now_ms() + PATIENCE_MS),
			 0);
	shutdown(p.fd[0], SHUT_WR);
	pthread_join(thread, NULL);

	/* No SIGPIPE, or the test would be dead. */
	close(p.fd[1]);
	assert_int_equal(ds_wire_send(p.fd[0], &w, ds_now_ms() + 50),
			 DS_ERR_CLOSED);
	close(p.fd[0]);
	assert_int_equal(ds_wire_send(p.fd[0], &w, ds_now_ms() + 50),
			 DS_ERR_SYS);
	assert_int_equal(errno, EBADF);
	w.err = DS_ERR_LIMIT; /* a frame that was never complete */
	assert_int_equal(ds_wire_send(-1, &w, 0), DS_ERR_LIMIT);
}

/* ---- connecting ---- */

static char dir[64], path[80];

static int listen_at(int backlog)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	unlink(path);
	strcpy(addr.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static int try_connect(int timeout_ms)
{
	int before = unit_fds(), fd = -1, err;

	err = ds_wire_connect(path, ds_now_ms() + timeout_ms, &fd);
	if (!err) {
		assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
		close(fd);
	} else {
		assert_int_equal(fd, -1);
	}
	assert_int_equal(unit_fds(), before);
	return err;
}

static void connecting(void **state)
{
	char too_long[200];
	int fd, fds[4], i;

	(void)state;
	assert_int_equal(try_connect(PATIENCE_MS), DS_ERR_UNAVAIL);
	fd = listen_at(8);
	assert_int_equal(try_connect(PATIENCE_MS), 0);
	close(fd);
	assert_int_equal(try_connect(PATIENCE_MS), DS_ERR_UNAVAIL);

	/* A backlog that stays full ends with the deadline. */
	fd = listen_at(0);
	for (i = 0; i < 4; i++) {
		fds[i] = -1;
		if (ds_wire_connect(path, ds_now_ms() + 1000, &fds[i]) != 0)
			break;
	}
	assert_in_range(i, 1, 3);
	assert_int_equal(try_connect(100), DS_ERR_TIMEOUT);
	while (i >= 0)
		close(fds[i--]);
	close(fd);

	memset(too_long, 'x', sizeof(too_long) - 1);
	too_long[sizeof(too_long) - 1] = '\0';
	assert_int_equal(ds_wire_connect(too_long, ds_now_ms() + 100, &fd),
			 DS_ERR_INVAL);
}

/* What is no socket of the owner is not even tried. */
static void unsafe_socket(void **state)
{
	char target[90];
	int fd;

	(void)state;
	unlink(path);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	close(fd);
	assert_int_equal(try_connect(PATIENCE_MS), DS_ERR_UNSAFE);

	fd = listen_at(8);
	snprintf(target, sizeof(target), "%s.real", path);
	assert_int_equal(rename(path, target), 0);
	assert_int_equal(symlink(target, path), 0);
	assert_int_equal(try_connect(PATIENCE_MS), DS_ERR_UNSAFE);
	unlink(target);
	close(fd);
}

/* ---- packets ---- */

static void packets(void **state)
{
	struct ds_writer w = make_frame(5, DS_FRAME_MAX);
	struct pair p = open_pair(SOCK_SEQPACKET);
	struct ds_frame frame;
	int fd = 99, i;

	(void)state;
	assert_int_equal(
	    ds_packet_recv(p.fd[1], recv_buf, sizeof(recv_buf), &frame, &fd),
	    DS_ERR_UNAVAIL);
	assert_int_equal(fd, 99);
	assert_int_equal(ds_packet_send(p.fd[0], &w, -1), 0);
	assert_int_equal(
	    ds_packet_recv(p.fd[1], recv_buf, sizeof(recv_buf), &frame, &fd),
	    0);
	assert_int_equal(fd, -1);
	assert_int_equal(frame.len, DS_FRAME_MAX);
	assert_memory_equal(frame.payload, w.base + DS_HEADER_LEN,
			    DS_FRAME_MAX);

	/* A peer that does not read. */
	for (i = 0; i < 1000; i++)
		if (ds_packet_send(p.fd[0], &w, -1) == DS_ERR_UNAVAIL)
			break;
	assert_in_range(i, 1, 999);

	close(p.fd[1]);
	assert_int_equal(ds_packet_send(p.fd[0], &w, -1), DS_ERR_CLOSED);
	close(p.fd[0]);
}

static void packet_end(void **state)
{
	struct pair p = open_pair(SOCK_SEQPACKET);
	struct ds_frame frame;
	int fd;

	(void)state;
	close(p.fd[0]);
	assert_int_equal(
	    ds_packet_recv(p.fd[1], recv_buf, sizeof(recv_buf), &frame, &fd),
	    DS_ERR_CLOSED);
	close(p.fd[1]);
}

/* A raw packet with n descriptors. */
static void send_raw(int sock, const void *buf, size_t len, int n)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(8 * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)buf,
			     .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c;
	int i, fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	memset(&control, 0, sizeof(control));
	if (n) {
		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
		for (i = 0; i < n; i++)
			memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &fd,
			       sizeof(fd));
	}
	assert_int_equal(sendmsg(sock, &msg, 0), (ssize_t)len);
	close(fd);
}

static void packet_fds(void **state)
{
	struct ds_writer w = make_frame(5, 10);
	struct pair p = open_pair(SOCK_SEQPACKET);
	int before = unit_fds(), fd = -1, n, null;
	struct ds_frame frame;

	(void)state;
	null = open("/dev/null", O_RDONLY);
	assert_int_equal(ds_packet_send(p.fd[0], &w, null), 0);
	close(null);
	assert_int_equal(
	    ds_packet_recv(p.fd[1], recv_buf, sizeof(recv_buf), &frame, &fd),
	    0);
	assert_true(fd >= 0 && (fcntl(fd, F_GETFD) & FD_CLOEXEC));
	close(fd);

	/* More than one is refused, however many fit, and none stays open. */
	for (n = 2; n <= 8; n++) {
		fd = -1;
		send_raw(p.fd[0], w.base, w.len, n);
		assert_int_equal(ds_packet_recv(p.fd[1], recv_buf,
						sizeof(recv_buf), &frame, &fd),
				 DS_ERR_FORMAT);
		assert_int_equal(fd, -1);
		assert_int_equal(unit_fds(), before);
	}
	close_pair(&p);
}

static void packet_bad(void **state)
{
	struct ds_writer w = make_frame(5, 10);
	struct pair p = open_pair(SOCK_SEQPACKET);
	int before = unit_fds(), fd = -1;
	struct ds_frame frame;

	(void)state;
	/* Too large for the buffer, with a descriptor. */
	send_raw(p.fd[0], w.base, w.len, 1);
	assert_int_equal(
	    ds_packet_recv(p.fd[1], recv_buf, w.len - 1, &frame, &fd),
	    DS_ERR_LIMIT);
	send_raw(p.fd[0], w.base, w.len - 1, 1);
	assert_int_equal(
	    ds_packet_recv(p.fd[1], recv_buf, sizeof(recv_buf), &frame, &fd),
	    DS_ERR_FORMAT);
	send_raw(p.fd[0], w.base, 3, 1);
	assert_int_equal(
	    ds_packet_recv(p.fd[1], recv_buf, sizeof(recv_buf), &frame, &fd),
	    DS_ERR_FORMAT);
	send_raw(p.fd[0], w.base, 0, 1); /* as good as the end */
	assert_int_equal(
	    ds_packet_recv(p.fd[1], recv_buf, sizeof(recv_buf), &frame, &fd),
	    DS_ERR_CLOSED);
	w.base[4] = 9;
	send_raw(p.fd[0], w.base, w.len, 1);
	assert_int_equal(
	    ds_packet_recv(p.fd[1], recv_buf, sizeof(recv_buf), &frame, &fd),
	    DS_ERR_VERSION);
	assert_int_equal(fd, -1);
	assert_int_equal(unit_fds(), before);
	close_pair(&p);
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/dssync-wire.XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/sock", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream_pieces),
		cmocka_unit_test(stream_short),
		cmocka_unit_test(stream_limits),
		cmocka_unit_test(stream_deadline),
		cmocka_unit_test(stream_send),
		cmocka_unit_test(connecting),
		cmocka_unit_test(unsafe_socket),
		cmocka_unit_test(packets),
		cmocka_unit_test(packet_end),
		cmocka_unit_test(packet_fds),
		cmocka_unit_test(packet_bad),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

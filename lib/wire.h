/*
 * Frames over sockets with deadlines.  No function raises SIGPIPE, leaves a
 * descriptor behind, or waits past its deadline.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_WIRE_H
#define DS_WIRE_H

#include "lib/proto.h"

/* CLOCK_MONOTONIC milliseconds, for deadlines. */
int64_t ds_now_ms(void);
/* The same clock in microseconds, for what things cost. */
int64_t ds_now_us(void);

/*
 * Connects to a stream socket whose peer runs as root or as the user who
 * opened it for root: the socket file must be owned by root, or it is refused
 * (DS_ERR_UNSAFE).  DS_ERR_UNAVAIL: nobody listens.  The caller closes.
 */
DS_MUST_CHECK int ds_wire_connect(const char *path, int64_t deadline_ms,
				  int *ret_fd);

/*
 * Stream sockets: a whole frame, or an error and the caller closes.  The
 * deadline is the whole frame's.  DS_ERR_CLOSED: the peer closed between
 * frames; DS_ERR_FORMAT: within one.
 */
DS_MUST_CHECK int ds_wire_send(int fd, const struct ds_writer *frame,
			       int64_t deadline_ms);
/* buf must hold DS_PACKET_MAX or less; DS_ERR_LIMIT if the frame does not
 * fit.  The frame's payload points into buf. */
DS_MUST_CHECK int ds_wire_recv(int fd, uint8_t *buf, size_t cap,
			       int64_t deadline_ms,
			       struct ds_frame *ret_frame);

/* SEQPACKET channels: one frame, at once; pass_fd -1: none.  DS_ERR_UNAVAIL:
 * the peer's queue is full; DS_ERR_CLOSED: it is gone. */
DS_MUST_CHECK int ds_packet_send(int fd, const struct ds_writer *frame,
				 int pass_fd);
/* DS_ERR_UNAVAIL: nothing there now.  *ret_fd is -1 or the caller's to close
 * (O_CLOEXEC). */
DS_MUST_CHECK int ds_packet_recv(int fd, uint8_t *buf, size_t cap,
				 struct ds_frame *ret_frame, int *ret_fd);

#endif

/*
 * Asking the daemon over its sockets.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "dssyncctl/ctl.h"
#include "lib/wire.h"

#define TIMEOUT_MS 5000

int ctl_exchange(const char *path, int timeout_ms, struct ds_writer *request,
		 uint16_t reply_type, uint8_t *buf, size_t cap,
		 struct ds_reader *ret_reader)
{
	int64_t deadline = ds_now_ms() + timeout_ms;
	struct ds_frame frame;
	int fd, r;

	r = ds_frame_end(request);
	if (!r)
		r = ds_wire_connect(path, deadline, &fd);
	if (r)
		return r;
	r = ds_wire_send(fd, request, deadline);
	if (!r)
		r = ds_wire_recv(fd, buf, cap, deadline, &frame);
	if (!r && frame.type != reply_type)
		r = DS_ERR_FORMAT;
	if (!r)
		ds_reader_init(ret_reader, frame.payload, frame.len);
	close(fd);
	return r;
}

/* A document of a child that has not spoken yet is "": NULL. */
static json_t *get_document(struct ds_reader *r)
{
	size_t len;
	const uint8_t *text = ds_get_blob(r, &len);

	if (!text || len == 0)
		return NULL;
	return json_loadb((const char *)text, len, 0, NULL);
}

int ctl_ask_status(struct ctl_daemon *ret_daemon)
{
	static uint8_t buf[DS_PACKET_MAX];
	uint8_t out[DS_HEADER_LEN];
	struct ctl_daemon daemon;
	struct ds_reader reader;
	struct ds_writer w;
	int r;

	ds_writer_init(&w, out, sizeof(out));
	ds_frame_begin(&w, DS_MSG_STATUS, 1);
	r = ctl_exchange(CTL_SOCK, TIMEOUT_MS, &w, DS_MSG_STATUS_REPLY, buf,
			 sizeof(buf), &reader);
	if (r)
		return r;
	daemon.monitor = get_document(&reader);
	daemon.sync = get_document(&reader);
	daemon.auth = get_document(&reader);
	r = ds_reader_end(&reader);
	if (!r && !json_is_object(daemon.monitor))
		r = DS_ERR_FORMAT;
	if (r)
		ctl_daemon_done(&daemon);
	else
		*ret_daemon = daemon;
	return r;
}

void ctl_daemon_done(struct ctl_daemon *daemon)
{
	json_decref(daemon->monitor);
	json_decref(daemon->sync);
	json_decref(daemon->auth);
}

int ctl_ask_sync(uint32_t flags, uint64_t *ret_ticket)
{
	uint8_t in[256], out[64];
	struct ds_reader reader;
	struct ds_writer w;
	uint64_t ticket;
	int r;

	ds_writer_init(&w, out, sizeof(out));
	ds_frame_begin(&w, DS_MSG_SYNC, 1);
	ds_put_u32(&w, flags);
	r = ctl_exchange(CTL_SOCK, TIMEOUT_MS, &w, DS_MSG_SYNC_REPLY, in,
			 sizeof(in), &reader);
	if (r)
		return r;
	ticket = ds_get_u64(&reader);
	r = ds_reader_end(&reader);
	if (!r)
		*ret_ticket = ticket;
	return r;
}

void ctl_complain_daemon(int err)
{
	if (geteuid() != 0)
		ctl_complain("only root may ask the daemon; run it with sudo");
	else if (err == DS_ERR_UNAVAIL ||
		 (err == DS_ERR_SYS && errno == ENOENT))
		ctl_complain("synccached does not run: nobody listens on %s",
			     CTL_SOCK);
	else
		ctl_complain("asking synccached failed: %s",
			     err == DS_ERR_SYS ? strerror(errno)
					       : ds_strerror(err));
}

const char *ctl_doubted(const json_t *auth, int64_t now, size_t *at)
{
	const json_t *list = json_object_get(auth, "doubted"), *doubt;

	while ((doubt = json_array_get(list, *at)) != NULL) {
		(*at)++;
		if (ctl_number(doubt, "until") > now)
			return ctl_string(doubt, "kdc");
	}
	return NULL;
}

int64_t ctl_number(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

const char *ctl_string(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

/*
 * FORGET: root's wish is passed on to auth, whose folder it is, and the caller
 * waits for its answer; nobody else does.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <string.h>
#include <unistd.h>

#include "lib/guid.h"
#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/monitor/monitor.h"

#define ANSWER_SECONDS 12  /* auth's worker has 10 */
#define SEND_MS        200 /* a small frame, to a caller who waits for it */

static void reply(int fd, uint32_t seq, uint32_t code, uint32_t count)
{
	uint8_t buf[DS_HEADER_LEN + 8];
	struct ds_writer w;
	int r;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_FORGET_REPLY, seq);
	ds_put_u32(&w, code);
	ds_put_u32(&w, count);
	r = ds_frame_end(&w);
	if (!r)
		r = ds_wire_send(fd, &w, ds_now_ms() + SEND_MS);
	if (r)
		ds_log(DS_LOG_INFO, "ctl.sock: a caller went away: %s",
		       ds_strerror(r));
	close(fd);
}

static void finish(struct dsm_forget *f, uint32_t code, uint32_t count)
{
	event_free(f->timer);
	f->timer = NULL;
	reply(f->fd, f->seq, code, count);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	finish(arg, (uint32_t)-DS_ERR_TIMEOUT, 0);
}

static struct dsm_forget *find_free(struct dsm_monitor *m)
{
	size_t i;

	for (i = 0; i < DSM_FORGETS; i++)
		if (!m->forget[i].timer)
			return &m->forget[i];
	return NULL;
}

static int check_guid(const struct ds_frame *frame, const uint8_t **ret_guid,
		      size_t *ret_len)
{
	struct ds_reader r;
	int err;

	ds_reader_init(&r, frame->payload, frame->len);
	*ret_guid = ds_get_blob(&r, ret_len);
	err = ds_reader_end(&r);
	if (!err && *ret_len != 0 && *ret_len != DS_GUID_LEN)
		err = DS_ERR_FORMAT;
	return err;
}

int dsm_forget(struct dsm_monitor *m, const struct ds_frame *frame, int fd)
{
	const struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	struct dsm_forget *f = find_free(m);
	uint8_t buf[DS_HEADER_LEN + 4 + DS_GUID_LEN];
	const uint8_t *guid = NULL;
	struct ds_writer w;
	size_t len = 0;
	int err = check_guid(frame, &guid, &len);

	if (err)
		return err;
	if (!m->child[DSM_AUTH].pid || !f) {
		reply(fd, frame->seq,
		      (uint32_t) - (f ? DS_ERR_UNAVAIL : DS_ERR_LIMIT), 0);
		return DS_OK;
	}
	*f = (struct dsm_forget){
		.m = m, .fd = fd, .seq = frame->seq, .drop = ++m->last_drop
	};
	f->timer = evtimer_new(m->base, on_timeout, f);
	if (!f->timer || event_add(f->timer, &patience)) {
		if (f->timer)
			event_free(f->timer);
		f->timer = NULL;
		reply(fd, frame->seq, (uint32_t)-DS_ERR_NOMEM, 0);
		return DS_OK;
	}
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_DROP, f->drop);
	ds_put_blob(&w, guid, len);
	dsm_child_send(m, DSM_AUTH, &w, -1);
	return DS_OK;
}

int dsm_forget_answer(struct dsm_monitor *m, const struct ds_frame *frame)
{
	struct ds_reader r;
	uint32_t code, count;
	size_t i;
	int err;

	ds_reader_init(&r, frame->payload, frame->len);
	code = ds_get_u32(&r);
	count = ds_get_u32(&r);
	err = ds_reader_end(&r);
	if (err)
		return err;
	for (i = 0; i < DSM_FORGETS; i++)
		if (m->forget[i].timer && m->forget[i].drop == frame->seq)
			finish(&m->forget[i], code, count);
	return DS_OK; /* one that came too late is nobody's */
}

void dsm_forget_fail(struct dsm_monitor *m)
{
	size_t i;

	for (i = 0; i < DSM_FORGETS; i++)
		if (m->forget[i].timer)
			finish(&m->forget[i], (uint32_t)-DS_ERR_UNAVAIL, 0);
}

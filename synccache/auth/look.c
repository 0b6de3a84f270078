/*
 * Questions about one object.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/look.h"

#include <stdlib.h>
#include <string.h>

#include "lib/wire.h"
#include "synccache/auth/secret.h"

struct look {
	struct look *next;
	struct dsa_looks *looks;
	struct event *deadline;
	uint32_t seq;
	dsa_look_heard heard;
	void *arg;
};

struct dsa_looks {
	struct event_base *base;
	int fd;
	struct look *first;
	size_t count;
	uint32_t seq;
};

static void get_hours(struct ds_reader *r, struct dsa_looked *looked)
{
	size_t len = 0;
	const uint8_t *p = ds_get_blob(r, &len);

	if (r->err == 0 && len != 0 && len != DS_HOURS_LEN)
		r->err = DS_ERR_FORMAT;
	if (r->err == 0 && len != 0) {
		looked->has_hours = true;
		memcpy(looked->hours, p, DS_HOURS_LEN);
	}
}

/* *ret_err is what sync said; *ret_looked is set if that is 0. */
static int parse(const struct ds_frame *frame, int *ret_err,
		 struct dsa_looked *ret_looked)
{
	struct dsa_looked looked = { 0 };
	struct ds_reader r;
	uint32_t code;
	size_t len;
	int err;

	ds_reader_init(&r, frame->payload, frame->len);
	code = ds_get_u32(&r);
	looked.uac = ds_get_u32(&r);
	looked.uac_computed = ds_get_u32(&r);
	looked.account_expires = ds_get_u64(&r);
	looked.pwd_last_set = ds_get_u64(&r);
	/* lockoutTime: the computed control says whether it is over. */
	(void)ds_get_u64(&r);
	looked.pwd_expires = ds_get_u64(&r);
	get_hours(&r, &looked);
	(void)ds_get_blob(&r, &len); /* userPrincipalName */
	(void)ds_get_blob(&r, &len); /* sAMAccountName */
	err = ds_reader_end(&r);
	if (err != 0)
		return err;
	if (code > INT16_MAX)
		return DS_ERR_FORMAT;
	*ret_err = -(int)code;
	if (code == 0)
		*ret_looked = looked;
	return 0;
}

/* Takes it out of the list; the caller calls back and frees. */
static void unlink_look(struct look *look)
{
	struct look **at = &look->looks->first;

	while (*at != look)
		at = &(*at)->next;
	*at = look->next;
	look->looks->count--;
	event_free(look->deadline);
}

static void finish(struct look *look, int err, const struct dsa_looked *looked)
{
	unlink_look(look);
	if (look->heard != NULL)
		look->heard(look->arg, err, err == 0 ? looked : NULL);
	free(look);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	finish(arg, DS_ERR_TIMEOUT, NULL);
}

struct dsa_looks *dsa_looks_new(struct event_base *base, int fd)
{
	struct dsa_looks *looks = calloc(1, sizeof(*looks));

	if (looks == NULL)
		return NULL;
	looks->base = base;
	looks->fd = fd;
	/* What still comes for a process before this one answers nothing. */
	if (dsa_random(&looks->seq, sizeof(looks->seq)) != 0) {
		free(looks);
		return NULL;
	}
	return looks;
}

void dsa_looks_free(struct dsa_looks *looks)
{
	struct look *look;

	if (looks == NULL)
		return;
	while ((look = looks->first) != NULL) {
		unlink_look(look);
		free(look);
	}
	free(looks);
}

static int ask(const struct dsa_looks *looks, const struct ds_guid *guid)
{
	uint8_t buf[DS_HEADER_LEN + 4 + DS_GUID_LEN];
	struct ds_writer w;
	int r;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_LOOK, looks->seq);
	ds_put_blob(&w, guid->b, DS_GUID_LEN);
	r = ds_frame_end(&w);
	return r == 0 ? ds_packet_send(looks->fd, &w, -1) : r;
}

int dsa_look(struct dsa_looks *looks, const struct ds_guid *guid,
	     dsa_look_heard heard, void *arg)
{
	const struct timeval patience = { .tv_sec = DSA_LOOK_MS / 1000,
					  .tv_usec =
					      DSA_LOOK_MS % 1000 * 1000 };
	struct look *look;
	int r;

	if (looks->count >= DSA_LOOKS_MAX)
		return DS_ERR_LIMIT;
	look = calloc(1, sizeof(*look));
	if (look == NULL)
		return DS_ERR_NOMEM;
	*look = (struct look){ .looks = looks, .heard = heard, .arg = arg };
	look->deadline = evtimer_new(looks->base, on_deadline, look);
	look->seq = ++looks->seq;
	r = look->deadline != NULL && event_add(look->deadline, &patience) == 0
		? ask(looks, guid)
		: DS_ERR_NOMEM;
	if (r != 0) {
		if (look->deadline != NULL)
			event_free(look->deadline);
		free(look);
		return r;
	}
	look->next = looks->first;
	looks->first = look;
	looks->count++;
	return 0;
}

int dsa_look_reply(struct dsa_looks *looks, const struct ds_frame *frame)
{
	struct dsa_looked looked;
	struct look *look;
	int err = 0, r = parse(frame, &err, &looked);

	for (look = looks->first; look != NULL; look = look->next)
		if (look->seq == frame->seq)
			break;
	/* One that came too late is nobody's. */
	if (look != NULL)
		finish(look, r != 0 ? r : err, &looked);
	return r;
}

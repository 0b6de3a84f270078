/*
 * Frame headers of the wire protocol.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/proto.h"

void ds_frame_begin(struct ds_writer *w, uint16_t type, uint32_t seq)
{
	ds_put_u32(w, 0); /* the length, known at the end */
	ds_put_u16(w, DS_PROTO_VERSION);
	ds_put_u16(w, type);
	ds_put_u32(w, seq);
}

int ds_frame_end(struct ds_writer *w)
{
	struct ds_writer head;

	if (w->err)
		return w->err;
	if (w->len < DS_HEADER_LEN)
		return DS_ERR_INVAL;
	if (w->len - DS_HEADER_LEN > DS_FRAME_MAX)
		return DS_ERR_LIMIT;
	ds_writer_init(&head, w->base, 4);
	ds_put_u32(&head, (uint32_t)(w->len - DS_HEADER_LEN));
	return head.err;
}

int ds_frame_header(const uint8_t *buf, size_t len, uint32_t *ret_len,
		    uint16_t *ret_type, uint32_t *ret_seq)
{
	struct ds_reader r;
	uint32_t payload, seq;
	uint16_t version, type;

	ds_reader_init(&r, buf, len);
	payload = ds_get_u32(&r);
	version = ds_get_u16(&r);
	type = ds_get_u16(&r);
	seq = ds_get_u32(&r);
	if (ds_reader_end(&r))
		return DS_ERR_FORMAT;
	if (version != DS_PROTO_VERSION)
		return DS_ERR_VERSION;
	if (payload > DS_FRAME_MAX)
		return DS_ERR_LIMIT;
	*ret_len = payload;
	*ret_type = type;
	*ret_seq = seq;
	return DS_OK;
}

int ds_frame_parse(const uint8_t *buf, size_t len, struct ds_frame *ret_frame)
{
	struct ds_frame frame;
	uint32_t payload;
	int r;

	if (len < DS_HEADER_LEN)
		return DS_ERR_FORMAT;
	r = ds_frame_header(buf, DS_HEADER_LEN, &payload, &frame.type,
			    &frame.seq);
	if (r)
		return r;
	if (len - DS_HEADER_LEN != payload)
		return DS_ERR_FORMAT;
	frame.payload = buf + DS_HEADER_LEN;
	frame.len = payload;
	*ret_frame = frame;
	return DS_OK;
}

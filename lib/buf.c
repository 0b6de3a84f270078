/*
 * Bounded writers and readers of little-endian bytes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/buf.h"

#include <string.h>

void ds_writer_init(struct ds_writer *w, void *base, size_t cap)
{
	w->base = base;
	w->cap = cap;
	w->len = 0;
	w->err = DS_OK;
}

void ds_put_bytes(struct ds_writer *w, const void *p, size_t len)
{
	if (w->err)
		return;
	if (w->cap - w->len < len) {
		w->err = DS_ERR_LIMIT;
		return;
	}
	if (len)
		memcpy(w->base + w->len, p, len);
	w->len += len;
}

static void put_le(struct ds_writer *w, uint64_t v, size_t size)
{
	uint8_t b[8];
	size_t i;

	for (i = 0; i < size; i++)
		b[i] = (uint8_t)(v >> (8 * i));
	ds_put_bytes(w, b, size);
}

void ds_put_u8(struct ds_writer *w, uint8_t v)
{
	put_le(w, v, 1);
}

void ds_put_u16(struct ds_writer *w, uint16_t v)
{
	put_le(w, v, 2);
}

void ds_put_u32(struct ds_writer *w, uint32_t v)
{
	put_le(w, v, 4);
}

void ds_put_u64(struct ds_writer *w, uint64_t v)
{
	put_le(w, v, 8);
}

void ds_put_blob(struct ds_writer *w, const void *p, size_t len)
{
	if (len > UINT32_MAX && !w->err)
		w->err = DS_ERR_LIMIT;
	put_le(w, len, 4);
	ds_put_bytes(w, p, len);
}

void ds_put_str(struct ds_writer *w, const char *s)
{
	ds_put_blob(w, s, s ? strlen(s) : 0);
}

void ds_reader_init(struct ds_reader *r, const void *base, size_t len)
{
	r->p = base;
	r->len = len;
	r->err = DS_OK;
}

/* The next len bytes, or NULL with err set. */
static const uint8_t *take(struct ds_reader *r, size_t len)
{
	const uint8_t *p = r->p;

	if (!r->err && r->len < len)
		r->err = DS_ERR_FORMAT;
	if (r->err)
		return NULL;
	r->p += len;
	r->len -= len;
	return p;
}

static uint64_t get_le(struct ds_reader *r, size_t size)
{
	const uint8_t *p = take(r, size);
	uint64_t v = 0;

	while (p && size--)
		v = v << 8 | p[size];
	return v;
}

uint8_t ds_get_u8(struct ds_reader *r)
{
	return (uint8_t)get_le(r, 1);
}

uint16_t ds_get_u16(struct ds_reader *r)
{
	return (uint16_t)get_le(r, 2);
}

uint32_t ds_get_u32(struct ds_reader *r)
{
	return (uint32_t)get_le(r, 4);
}

uint64_t ds_get_u64(struct ds_reader *r)
{
	return get_le(r, 8);
}

void ds_get_bytes(struct ds_reader *r, void *ret, size_t len)
{
	const uint8_t *p = take(r, len);

	if (p && len)
		memcpy(ret, p, len);
	else if (!p)
		memset(ret, 0, len);
}

const uint8_t *ds_get_blob(struct ds_reader *r, size_t *ret_len)
{
	size_t len = ds_get_u32(r);
	const uint8_t *p = take(r, len);

	*ret_len = p ? len : 0;
	return p;
}

void ds_get_str(struct ds_reader *r, char *dst, size_t cap)
{
	size_t len;
	const uint8_t *p = ds_get_blob(r, &len);

	dst[0] = '\0';
	if (!p)
		return;
	if (len >= cap || memchr(p, '\0', len)) {
		r->err = DS_ERR_FORMAT;
		return;
	}
	memcpy(dst, p, len);
	dst[len] = '\0';
}

int ds_reader_end(const struct ds_reader *r)
{
	if (r->err)
		return r->err;
	return r->len ? DS_ERR_FORMAT : DS_OK;
}

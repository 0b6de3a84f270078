/*
 * The snapshot writer: the finished file.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/snapshot_write_impl.h"

static int write_all(int fd, const void *data, size_t len)
{
	const uint8_t *p = data;
	ssize_t n;

	while (len) {
		n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return DS_ERR_SYS;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int write_padded(int fd, const void *data, size_t len)
{
	static const uint8_t zero[DS_FMT_ALIGN];
	int r = write_all(fd, data, len);

	return r != 0 ? r : write_all(fd, zero, -len % DS_FMT_ALIGN);
}

/* Tables become sections like the others. */
static int layout_tables(struct ds_snapw *w)
{
	uint32_t *buf;
	size_t len;
	int i, r;

	for (i = 0; i < DS_SEC_COUNT; i++) {
		if (!w->table[i].count)
			continue;
		r = dsw_table_layout(&w->table[i], w->hash_key, &buf, &len);
		if (r != 0)
			return r;
		dsw_vec_done(&w->sec[i]);
		w->sec[i] = (struct dsw_vec){ (uint8_t *)buf, len, len };
		w->count[i] = w->table[i].count;
	}
	return 0;
}

int ds_snapw_write(struct ds_snapw *w, int fd)
{
	static const uint8_t page0[DS_FMT_PAGE];
	uint64_t off = DS_FMT_PAGE + sizeof(struct ds_fmt_body);
	struct ds_fmt_body body = { 0 };
	int i, r;

	if ((r = w->err) != 0 || (r = layout_tables(w)) != 0)
		return r;
	w->count[DS_SEC_TEXT] = (uint32_t)w->sec[DS_SEC_TEXT].len;
	w->count[DS_SEC_LISTS] =
	    (uint32_t)(w->sec[DS_SEC_LISTS].len / sizeof(uint32_t));
	memcpy(body.hash_key, w->hash_key, sizeof(body.hash_key));
	memcpy(body.netbios, w->netbios, sizeof(body.netbios));
	for (i = 0; i < DS_SEC_COUNT; i++) {
		if (!w->count[i])
			continue;
		body.sec[i].off = off;
		body.sec[i].count = w->count[i];
		off += (w->sec[i].len + DS_FMT_ALIGN - 1) &
		       ~(uint64_t)(DS_FMT_ALIGN - 1);
	}
	if ((r = write_all(fd, page0, sizeof(page0))) != 0 ||
	    (r = write_all(fd, &body, sizeof(body))) != 0)
		return r;
	for (i = 0; i < DS_SEC_COUNT; i++) {
		if (!w->count[i])
			continue;
		r = write_padded(fd, w->sec[i].p, w->sec[i].len);
		if (r != 0)
			return r;
	}
	return 0;
}

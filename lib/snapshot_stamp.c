/*
 * Copying a staged snapshot under a page 0 of our own.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/snapshot_stamp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/siphash.h"
#include "lib/snapshot_format.h"

#define CHUNK 65536u

static const uint64_t sum_key[2] = DS_FMT_SUM_KEY;

/* Reads until the buffer is full or the file ends; its size or -1. */
static ssize_t read_full(int fd, uint8_t *buf, size_t cap, off_t off)
{
	size_t len = 0;
	ssize_t n;

	while (len < cap) {
		n = pread(fd, buf + len, cap - len, off + (off_t)len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static int write_full(int fd, const void *data, size_t len, off_t off)
{
	const uint8_t *p = data;
	ssize_t n;

	while (len) {
		n = pwrite(fd, p, len, off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return DS_ERR_SYS;
		p += n;
		len -= (size_t)n;
		off += n;
	}
	return 0;
}

/*
 * Copies what follows page 0.  The checksum is of the bytes that were written,
 * so it holds even if the staged file changes meanwhile.
 */
static int copy_body(int from, int to, size_t max_size, uint8_t *buf,
		     uint64_t *ret_size, uint64_t *ret_sum)
{
	off_t off = DS_FMT_PAGE;
	size_t len, whole;
	struct ds_sip sip;
	ssize_t n;
	int r;

	ds_sip_init(&sip, sum_key);
	for (;;) {
		n = read_full(from, buf, CHUNK, off);
		if (n < 0)
			return DS_ERR_SYS;
		len = (size_t)n;
		if ((uint64_t)off + len > max_size)
			return DS_ERR_LIMIT;
		r = write_full(to, buf, len, off);
		if (r != 0)
			return r;
		off += n;
		whole = len & ~(size_t)7;
		ds_sip_words(&sip, buf, whole);
		if (len < CHUNK)
			break;
	}
	*ret_sum = ds_sip_final(&sip, buf + whole, len - whole);
	*ret_size = (uint64_t)off;
	return 0;
}

static void fill_page0(struct ds_fmt_page0 *page,
		       const struct ds_snap_stamp *stamp)
{
	memset(page, 0, sizeof(*page));
	memcpy(page->magic, DS_FMT_MAGIC, sizeof(page->magic));
	page->kind = stamp->kind;
	page->major = DS_FMT_MAJOR;
	page->minor = DS_FMT_MINOR;
	page->policy = stamp->policy;
	page->generation = stamp->generation;
	page->published = stamp->published;
	page->id_min = stamp->id_min;
	page->id_max = stamp->id_max;
	memcpy(page->domain, stamp->domain,
	       strnlen(stamp->domain, sizeof(page->domain) - 1));
}

int ds_snap_stamp_copy(int from, int to, size_t max_size,
		       const struct ds_snap_stamp *stamp)
{
	struct ds_fmt_page0 *page;
	uint8_t *buf = malloc(CHUNK);
	uint64_t size, sum;
	int r = DS_ERR_SYS;
	ssize_t n;

	if (!buf)
		return DS_ERR_NOMEM;
	page = (void *)buf;
	n = read_full(from, buf, DS_FMT_PAGE, 0);
	if (n >= 0 && n < (ssize_t)DS_FMT_PAGE)
		r = DS_ERR_FORMAT;
	if (n < (ssize_t)DS_FMT_PAGE)
		goto out;
	r = copy_body(from, to, max_size, buf, &size, &sum);
	if (r != 0)
		goto out;
	fill_page0(page, stamp);
	page->file_size = size;
	page->body_sum = sum;
	page->page_sum = ds_siphash13(sum_key, page,
				      offsetof(struct ds_fmt_page0, page_sum));
	r = write_full(to, page, sizeof(*page), 0);
out:
	free(buf);
	return r;
}

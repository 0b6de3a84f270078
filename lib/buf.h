/*
 * Byte buffers with a hard maximum, to build frames, and cursors, to read
 * them.  A writer or reader that fails stays failed: a caller may chain calls
 * and check once.  Integers are little-endian; strings and blobs are a 32-bit
 * length and the bytes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_BUF_H
#define DS_BUF_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

/*
 * A writer over memory that the caller owns; it never allocates.  err is the
 * first error (DS_ERR_LIMIT: it did not fit).
 */
struct ds_writer {
	uint8_t *base;
	size_t cap;
	size_t len;
	int err;
};

void ds_writer_init(struct ds_writer *w, void *base, size_t cap);
void ds_put_u8(struct ds_writer *w, uint8_t v);
void ds_put_u16(struct ds_writer *w, uint16_t v);
void ds_put_u32(struct ds_writer *w, uint32_t v);
void ds_put_u64(struct ds_writer *w, uint64_t v);
void ds_put_bytes(struct ds_writer *w, const void *p, size_t len); /* as is */
void ds_put_blob(struct ds_writer *w, const void *p, size_t len);
void ds_put_str(struct ds_writer *w, const char *s); /* NULL is "" */

/*
 * A cursor over borrowed bytes.  A getter that runs past the end, or a string
 * with a NUL inside, sets err (DS_ERR_FORMAT) and yields zeros.
 */
struct ds_reader {
	const uint8_t *p;
	size_t len; /* bytes left */
	int err;
};

void ds_reader_init(struct ds_reader *r, const void *base, size_t len);
uint8_t ds_get_u8(struct ds_reader *r);
uint16_t ds_get_u16(struct ds_reader *r);
uint32_t ds_get_u32(struct ds_reader *r);
uint64_t ds_get_u64(struct ds_reader *r);
void ds_get_bytes(struct ds_reader *r, void *ret, size_t len);
/* The blob's bytes, borrowed from the frame; NULL after an error. */
const uint8_t *ds_get_blob(struct ds_reader *r, size_t *ret_len);
/*
 * Copies a string into dst (cap bytes, NUL included).  One that does not fit
 * or holds a NUL is an error, never cut.
 */
void ds_get_str(struct ds_reader *r, char *dst, size_t cap);
/* 0 if every getter succeeded and nothing is left over; else the error. */
DS_MUST_CHECK int ds_reader_end(const struct ds_reader *r);

#endif

/*
 * Strings in blocks of 8 and 16 bytes: for what every lookup does, and for
 * every name of a snapshot in the making.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_BLOCKS_H
#define DS_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* ---- eight bytes in a word ---- */

#define DS_ONES 0x0101010101010101u
#define DS_HIGH (0x80 * DS_ONES)

/* ASCII letters to lower case; other bytes stay. */
static inline uint64_t ds_fold8(uint64_t x)
{
	uint64_t low = x & ~DS_HIGH;
	uint64_t upper = (low + (0x80 - 'A') * DS_ONES) &
			 ~(low + (0x7f - 'Z') * DS_ONES) & ~x & DS_HIGH;

	return x | upper >> 2;
}

/* Not 0 if one of them is c. */
static inline uint64_t ds_has8(uint64_t x, unsigned char c)
{
	x ^= c * DS_ONES;
	return (x - DS_ONES) & ~x & DS_HIGH;
}

/* The last 0 to 7 bytes of a string of `len`, padded with zeros. */
static inline uint64_t ds_tail8(const char *s, size_t len)
{
	size_t rest = len % 8, i;
	uint64_t x = 0;

	if (rest && len >= 8) {
		memcpy(&x, s + len - 8, 8);
		return x >> (64 - 8 * rest);
	}
	for (i = rest; i-- > 0;)
		x = x << 8 | (unsigned char)s[i];
	return x;
}

/* ---- sixteen, with the compiler's own vectors ---- */

/*
 * A full vector is read where there are 16 bytes; the last ones of a string
 * overlap those before them.
 */
typedef uint8_t ds_bytes16 __attribute__((vector_size(16)));

static inline ds_bytes16 ds_load16(const char *p)
{
	ds_bytes16 c;

	memcpy(&c, p, sizeof(c));
	return c;
}

/* Fewer than 16 bytes, then letters. */
static inline ds_bytes16 ds_load_short(const char *p, size_t len)
{
	char s[16] = "aaaaaaaaaaaaaaa";

	s[15] = 'a';
	memcpy(s, p, len);
	return ds_load16(s);
}

static inline bool ds_any16(ds_bytes16 m)
{
	uint64_t half[2];

	memcpy(half, &m, sizeof(half));
	return (half[0] | half[1]) != 0;
}

/* Bytes that break a passwd line: controls but NUL, DEL, ':'. */
static inline ds_bytes16 ds_not_field(ds_bytes16 c)
{
	return (ds_bytes16)(((ds_bytes16)(c - 1) < 0x1f) | (c == 0x7f) |
			    (c == ':'));
}

static inline bool ds_field_ok(const char *p, size_t len)
{
	ds_bytes16 bad = { 0 };
	size_t i;

	if (len < 16)
		return !ds_any16(ds_not_field(ds_load_short(p, len)));
	for (i = 0; i + 16 <= len; i += 16)
		bad |= ds_not_field(ds_load16(p + i));
	return !ds_any16(bad | ds_not_field(ds_load16(p + len - 16)));
}

/* What a name has in it, anywhere. */
struct ds_name_scan {
	ds_bytes16 bad;  /* no name has it: see ds_name_ok() */
	ds_bytes16 at;   /* '@' */
	ds_bytes16 high; /* not ASCII */
};

static inline void ds_scan16(struct ds_name_scan *s, ds_bytes16 c)
{
	s->bad |= ds_not_field(c) | (ds_bytes16)((c == 0) | (c == ',') |
						 (c == '/') | (c == '\\'));
	s->at |= (ds_bytes16)(c == '@');
	s->high |= c & 0x80;
}

static inline struct ds_name_scan ds_scan_name(const char *name, size_t len)
{
	struct ds_name_scan s = { 0 };
	size_t i;

	if (len < 16) {
		ds_scan16(&s, ds_load_short(name, len));
		return s;
	}
	for (i = 0; i + 16 <= len; i += 16)
		ds_scan16(&s, ds_load16(name + i));
	ds_scan16(&s, ds_load16(name + len - 16));
	return s;
}

#endif

/*
 * SipHash-1-3 (Aumasson and Bernstein, "SipHash: a fast short-input PRF"; the
 * reduced-round variant that hash tables use): keyed, so that nobody who
 * chooses names can make them collide.  Words are little-endian.
 *
 * Pure functions, libc only.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_SIPHASH_H
#define DS_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t ds_siphash13(const uint64_t key[2], const void *data, size_t len);

/*
 * The same over a stream: any number of whole 8-byte words, then the rest.
 */
struct ds_sip {
	uint64_t v0, v1, v2, v3;
	size_t len;
};

void ds_sip_init(struct ds_sip *s, const uint64_t key[2]);
/* len is a multiple of 8. */
void ds_sip_words(struct ds_sip *s, const void *data, size_t len);
/* len is at most 7. */
uint64_t ds_sip_final(struct ds_sip *s, const void *data, size_t len);

#endif

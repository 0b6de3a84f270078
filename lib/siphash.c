/*
 * SipHash-1-3.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/siphash.h"

#include <string.h>

static inline uint64_t rotl(uint64_t x, int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline void sip_round(struct ds_sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(struct ds_sip *s, uint64_t m)
{
	s->v3 ^= m;
	sip_round(s);
	s->v0 ^= m;
}

static inline void init(struct ds_sip *s, const uint64_t key[2])
{
	s->v0 = key[0] ^ 0x736f6d6570736575u;
	s->v1 = key[1] ^ 0x646f72616e646f6du;
	s->v2 = key[0] ^ 0x6c7967656e657261u;
	s->v3 = key[1] ^ 0x7465646279746573u;
	s->len = 0;
}

static inline void words(struct ds_sip *s, const uint8_t *p, size_t len)
{
	const uint8_t *end = p + len;
	uint64_t m;

	for (; p < end; p += 8) {
		memcpy(&m, p, 8);
		sip_word(s, m);
	}
	s->len += len;
}

static inline uint64_t final(struct ds_sip *s, const uint8_t *p, size_t len)
{
	uint64_t m = 0;
	uint32_t four;
	uint16_t two;

	if (len & 1)
		m = p[len - 1];
	if (len & 2) {
		memcpy(&two, p + (len & 4), 2);
		m = m << 16 | two;
	}
	if (len & 4) {
		memcpy(&four, p, 4);
		m = m << 32 | four;
	}
	sip_word(s, m | (uint64_t)(s->len + len) << 56);
	s->v2 ^= 0xff;
	sip_round(s);
	sip_round(s);
	sip_round(s);
	return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

void ds_sip_init(struct ds_sip *s, const uint64_t key[2])
{
	init(s, key);
}

void ds_sip_words(struct ds_sip *s, const void *data, size_t len)
{
	struct ds_sip st = *s; /* stays in registers */

	words(&st, data, len);
	*s = st;
}

uint64_t ds_sip_final(struct ds_sip *s, const void *data, size_t len)
{
	return final(s, data, len);
}

uint64_t ds_siphash13(const uint64_t key[2], const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t whole = len & ~(size_t)7;
	struct ds_sip s;

	init(&s, key);
	words(&s, p, whole);
	return final(&s, p + whole, len - whole);
}

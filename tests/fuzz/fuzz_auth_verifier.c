/*
 * libFuzzer target: the blocks of an offline verifier, its tries, and the
 * house clock.  What is read is within bounds and, sealed again, reads the
 * same.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "synccache/auth/verifier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[DSA_HOST_KEY_LEN] = { 1 };

static void verifier(const uint8_t *data, size_t size)
{
	struct dsa_verifier v, again;
	uint8_t block[DSA_BLOCK_LEN];

	if (dsa_verifier_parse(data, size, &v) != 0)
		return;
	if (((uint64_t)128 << v.log_n) * v.r > (uint64_t)256 << 20 ||
	    v.p > 4 || dsa_verifier_seal(&v, key, block) != 0 ||
	    dsa_verifier_open(block, key, &again) != 0 ||
	    memcmp(block, data, DSA_BLOCK_LEN - 32) != 0)
		abort();
}

static void tries(const uint8_t *data, size_t size)
{
	struct dsa_tries t, again;
	uint8_t block[DSA_BLOCK_LEN];

	if (dsa_tries_parse(data, size, &t) != 0)
		return;
	if (dsa_tries_seal(&t, key, block) != 0 ||
	    dsa_tries_open(block, key, &again) != 0 ||
	    memcmp(block, data, DSA_BLOCK_LEN - 32) != 0)
		abort();
}

static void house_clock(const uint8_t *data, size_t size)
{
	struct dsa_clock c, before;
	struct dsa_now now;

	if (dsa_clock_parse(data, size, &c) != 0)
		return;
	before = c;
	dsa_now_read(&now);
	dsa_clock_advance(&c, &now);
	if (c.total_ms < before.total_ms)
		abort();
}

/* Most inputs have no magic: as if they had. */
static void with_magic(const char *magic, const uint8_t *data, size_t size,
		       void (*try)(const uint8_t *, size_t))
{
	uint8_t block[DSA_BLOCK_LEN] = { 0 };
	size_t n = size < DSA_BLOCK_LEN ? size : DSA_BLOCK_LEN;

	if (n > 0)
		memcpy(block, data, n);
	memcpy(block, magic, 8);
	try(block, DSA_BLOCK_LEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	verifier(data, size);
	tries(data, size);
	house_clock(data, size);
	with_magic("DSSYNCV1", data, size, verifier);
	with_magic("DSSYNCT1", data, size, tries);
	with_magic("DSSYNCC1", data, size, house_clock);
	return 0;
}

/*
 * Runs a fuzz target without libFuzzer: over the files named on the command
 * line, or, without any, over a small corpus made here: whole snapshots,
 * prefixes of them and edits of them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/snap_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#ifndef DSSYNC_LIBFUZZER /* which has a main() of its own */
/* An exact copy, so that a byte beyond is one too many. */
static void one(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);

	if (!copy)
		abort();
	memcpy(copy, data, size);
	LLVMFuzzerTestOneInput(copy, size);
	free(copy);
}

static int run_file(const char *path)
{
	static uint8_t data[1 << 20];
	FILE *f = fopen(path, "rb");
	size_t size;

	if (!f) {
		perror(path);
		return 1;
	}
	size = fread(data, 1, sizeof(data), f);
	fclose(f);
	one(data, size);
	return 0;
}

static void run_image(uint8_t *image, size_t size)
{
	uint64_t x = 88172645463325252u;
	size_t i, len;

	one(image, size);
	for (len = 0; len < size; len += 61)
		one(image, len);
	for (i = 0; i < 2000; i++) {
		uint8_t was;
		size_t at;

		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		at = (size_t)(x >> 8) % size;
		was = image[at];
		image[at] = (uint8_t)x;
		one(image, size);
		image[at] = was;
	}
}

int main(int argc, char **argv)
{
	uint32_t policy;
	size_t size;
	uint8_t *image;
	int i;

	if (argc > 1) {
		for (i = 1; i < argc; i++)
			if (run_file(argv[i]) != 0)
				return 1;
		return 0;
	}
	for (policy = 0; policy < 16; policy += 5) {
		image = world_image(policy, 1, &size);
		run_image(image, size);
		free(image);
	}
	image = world_accounts(&size);
	run_image(image, size);
	free(image);
	return 0;
}
#endif

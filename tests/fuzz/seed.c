/*
 * Writes the first corpus of a fuzz target: seed DIRECTORY TARGET
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/snap_world.h"

static void save(const char *dir, int number, const void *data, size_t size)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/seed-%d", dir, number);
	f = fopen(path, "wb");
	if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	static const char *const names[] = {
		"driley@aaddscontoso.com",
		"AADDSCONTOSO\\smithj (3AF2)",
		"driley",
		"j\303\274rgen@contoso.com",
		"0",
		"domain users",
	};
	size_t size;
	uint8_t *image;
	int i;

	if (argc != 3)
		return 2;
	if (strcmp(argv[2], "fuzz_resolve") == 0) {
		for (i = 0; i < 6; i++)
			save(argv[1], i, names[i], strlen(names[i]));
		return 0;
	}
	for (i = 0; i < 16; i++) {
		image = world_image((uint32_t)i, 1, &size);
		image[0] = (uint8_t)i; /* fuzz_snapshot's choice of policy */
		save(argv[1], i, image, size);
		free(image);
	}
	image = world_accounts(&size);
	image[0] = 0x10;
	save(argv[1], i, image, size);
	free(image);
	return 0;
}

/*
 * Damaged snapshots: every byte flipped, every length, and random edits with
 * good checksums.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "tests/unit/snap_edge.h"
#include "tests/unit/snap_exercise.h"
#include "tests/unit/snap_world.h"

static void whole_is_exercised(void **state)
{
	struct edge e;

	(void)state;
	edge_world(&e);
	/* all users and groups, twice and more */
	assert_true(snap_exercise_image(e.image, e.size) >=
		    2 * (W_USERS + W_GROUPS));
	edge_done(&e);
}

static void page0_flips_are_refused(void **state)
{
	struct ds_snap snap;
	struct edge e;
	size_t i;
	int bit, r;

	(void)state;
	edge_world(&e);
	for (i = 0; i < DS_FMT_PAGE; i += unit_step()) {
		for (bit = 0; bit < 8; bit++) {
			e.image[i] ^= (uint8_t)(1 << bit);
			r = ds_snap_attach(e.image, e.size, DS_SNAP_BASE,
					   &snap);
			if (r == 0 && i >= 320 && i < 4088)
				fail_msg("byte %zu", i);
			/* body_sum is covered too: all of the page is */
			assert_true(r == DS_ERR_FORMAT || r == DS_ERR_VERSION);
			e.image[i] ^= (uint8_t)(1 << bit);
		}
	}
	edge_done(&e);
}

static void flip_body(uint8_t *image, size_t size, enum ds_snap_kind kind)
{
	struct ds_snap snap;
	struct edge e;
	size_t i;
	int bit;

	edge_make(&e, image, size);
	for (i = DS_FMT_PAGE; i < size; i += unit_step()) {
		for (bit = 0; bit < 9; bit++) { /* each bit, then all */
			uint8_t flip = (uint8_t)(bit < 8 ? 1 << bit : 0xff);

			e.image[i] ^= flip;
			snap_exercise_image(e.image, e.size);
			if (ds_snap_attach(e.image, e.size, kind, &snap) ==
			    0) {
				/* the daemon notices */
				assert_int_equal(ds_snap_verify(&snap),
						 DS_ERR_FORMAT);
				ds_snap_close(&snap);
			}
			e.image[i] ^= flip;
		}
	}
	edge_done(&e);
}

static void body_flips_do_no_harm(void **state)
{
	size_t size;
	uint8_t *image = world_image(0, 1, &size);

	(void)state;
	flip_body(image, size, DS_SNAP_BASE);
	free(image);
	image = world_accounts(&size);
	flip_body(image, size, DS_SNAP_ACCOUNTS);
	free(image);
}

/* The monitor stamps what it gets: all lengths, checksums right. */
static void every_length(void **state)
{
	size_t size, len;
	uint8_t *image = world_image(0, 1, &size);
	struct ds_snap snap;
	struct edge e;

	(void)state;
	for (len = 0; len <= size; len += len < DS_FMT_PAGE ? 512 : 8) {
		edge_make(&e, image, len);
		if (len < size)
			assert_int_equal(
			    ds_snap_attach(e.image, len, DS_SNAP_BASE, &snap),
			    DS_ERR_FORMAT);
		if (len >= DS_FMT_PAGE)
			world_restamp(e.image, len);
		snap_exercise_image(e.image, len);
		edge_done(&e);
	}
	free(image);
}

/* Many random edits, checksums right; the seed is fixed. */
static void random_edits(void **state)
{
	static const uint32_t words[] = { 0,           1,          0x7fffffff,
					  0x80000000u, UINT32_MAX, 65535,
					  0xfffffff8u, 8 };
	uint64_t x = 88172645463325252u;
	size_t size, round;
	uint8_t *image[2] = { world_image(0, 1, &size), NULL };
	size_t sizes[2] = { size, 0 };

	(void)state;
	image[1] = world_accounts(&sizes[1]);
	for (round = 0; round < 6000 / unit_step(); round++) {
		int k, which = (int)(round % 8 == 7);
		struct edge e;

		edge_make(&e, image[which], sizes[which]);
		for (k = 0; k < 4; k++) {
			size_t at;

			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			at = DS_FMT_PAGE +
			     (size_t)(x >> 8) % (e.size - DS_FMT_PAGE - 4);
			if (x & 0x80)
				e.image[at] ^= (uint8_t)(x >> 56);
			else
				memcpy(e.image + at / 4 * 4, &words[x % 8], 4);
		}
		world_restamp(e.image, e.size);
		snap_exercise_image(e.image, e.size);
		edge_done(&e);
	}
	free(image[0]);
	free(image[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_is_exercised),
		cmocka_unit_test(page0_flips_are_refused),
		cmocka_unit_test(body_flips_do_no_harm),
		cmocka_unit_test(every_length),
		cmocka_unit_test(random_edits),
	};
	return cmocka_run_group_tests_name("damage", tests, NULL, NULL);
}

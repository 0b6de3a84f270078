/*
 * The record of how ids were given out: kept in the store, read again, and
 * compared with the configuration.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "synccache/sync/pins.h"
#include "tests/unit/names_world.h"

static char dir[] = "/tmp/dssync-pins.XXXXXX";
static struct names_world world;
static struct dss_store *store;
static struct dss_arena arena;

static int setup(void **state)
{
	bool rebuilt;

	(void)state;
	nw_init(&world);
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	return !mkdtemp(dir) || dss_store_open(dir, &rebuilt, &store);
}

static int teardown(void **state)
{
	(void)state;
	dss_store_close(store);
	assert_int_equal(dss_store_remove(dir), 0);
	dss_arena_done(&arena);
	nw_done(&world);
	return rmdir(dir);
}

static void save(void)
{
	struct dss_model model;
	const uint8_t *data;
	size_t len;

	nw_publish(&world, &model);
	assert_int_equal(
	    dss_pins_encode(&model, &world.facts, &arena, &data, &len), 0);
	assert_int_equal(dss_pins_save(store, data, len), 0);
	dss_model_done(&model);
}

static struct dss_pins load(void)
{
	struct dss_pins pins;
	struct dss_txn *txn;

	assert_int_equal(dss_txn_begin(store, false, &txn), 0);
	assert_int_equal(
	    dss_pins_load(txn, &world.facts.domain_sid, &arena, &pins), 0);
	dss_txn_abort(txn);
	return pins;
}

static bool agrees(void)
{
	struct dss_pins pins = load();

	return dss_pins_agree(&pins, &world.config, &arena);
}

static void kept(void **state)
{
	struct dss_pins pins = load();

	(void)state;
	assert_false(pins.known);
	assert_true(agrees());
	nw_user(&world, 250123, "far", "far@contoso.com");
	save();
	pins = load();
	assert_true(pins.known);
	assert_int_equal(pins.nslices, 2);
	assert_int_equal(pins.slices[0].slice, 1333);
	assert_string_equal(pins.slices[0].name, NW_DOMAIN_SID);
	assert_string_equal(pins.slices[1].name, NW_DOMAIN_SID "-200000");
	/* What was given out stays so when nobody needs it any more. */
	world.count = 1;
	world.facts.pins = pins.slices;
	world.facts.npins = pins.nslices;
	save();
	assert_int_equal(load().nslices, 2);
}

static void changes_are_seen(void **state)
{
	static char first[] = "S-1-5-21-1-2-3", second[] = "S-1-5-21-4-5-6";
	char *one[] = { first, NULL }, *two[] = { first, second, NULL },
	     *turned[] = { second, first, NULL };

	(void)state;
	save();
	assert_true(agrees());
	world.config.identity.sid_history_domains = one; /* not used yet */
	assert_true(agrees());
	world.config.identity.id_range.max++;
	assert_false(agrees());
	world.config.identity.id_range.max--;
	world.config.identity.id_range.min++;
	assert_false(agrees());
	world.config.identity.id_range.min--;
	world.config.identity.id_mapping = DS_IDMAP_RID;
	assert_false(agrees());
	world.config.identity.id_mapping = DS_IDMAP_SIDHISTORY;
	assert_false(agrees());
	world.config.identity.sid_history_domains = two;
	save();
	assert_true(agrees());
	world.config.identity.sid_history_domains = turned;
	assert_false(agrees());
	world.config.identity.sid_history_domains = one;
	assert_false(agrees());
}

/* Neither another domain's record nor a damaged one binds anybody. */
static void only_ours(void **state)
{
	struct dss_txn *txn;

	(void)state;
	save();
	world.config.identity.id_mapping = DS_IDMAP_RID;
	assert_false(agrees());
	world.facts.domain_sid.sub[3]++;
	assert_true(agrees());
	world.facts.domain_sid.sub[3]--;
	for (size_t len = 0; len < 40; len++) {
		assert_int_equal(dss_txn_begin(store, true, &txn), 0);
		assert_int_equal(
		    dss_txn_meta_put(
			txn, "ids",
			"\1\377\377\377\377\377\377\377\377\377"
			"\377\377\377\377\377\377\377\377\377\377"
			"\377\377\377\377\377\377\377\377\377\377"
			"\377\377\377\377\377\377\377\377\377\377",
			len),
		    0);
		assert_int_equal(dss_txn_commit(txn), 0);
		assert_true(agrees());
	}
}

#define PINS_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PINS_TEST(kept),
		PINS_TEST(changes_are_seen),
		PINS_TEST(only_ours),
	};

	return cmocka_run_group_tests(tests, nw_group_setup,
				      nw_group_teardown);
}

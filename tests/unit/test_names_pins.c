/*
 * The record of how ids were given out: kept in the store, read again, and
 * compared with the configuration.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "synccache/sync/pins.h"
#include "tests/unit/names_world.h"

/* Its RIDs from 200000 on fall into the slice of the managed domain's. */
#define CLASHING "S-1-5-21-7-7-8318"

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
	assert_string_equal(pins.slices[0].name, DOMAIN_SID);
	assert_string_equal(pins.slices[1].name, DOMAIN_SID "-200000");
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

static struct dss_pins recover(void)
{
	struct dss_pins pins;
	struct ds_snap snap;

	assert_int_equal(
	    ds_snap_open(nw_path(), DS_SNAP_BASE, geteuid(), &snap), 0);
	assert_int_equal(
	    dss_pins_recover(&snap, &world.facts.domain_sid, &arena, &pins),
	    0);
	ds_snap_close(&snap);
	return pins;
}

/*
 * The managed domain and another have one secondary slice, and the other one
 * had it first.  Ids given out must not become another's because the store
 * is gone.
 */
static void survive_the_store(void **state)
{
	static char onprem[] = CLASHING;
	char *list[] = { onprem, NULL };
	struct dss_object *old;
	struct dss_pins pins;
	struct dss_model model;
	uint32_t uid;

	(void)state;
	world.config.identity.id_mapping = DS_IDMAP_SIDHISTORY;
	world.config.identity.sid_history_domains = list;
	old = nw_user(&world, 1101, "old", "old@contoso.com");
	nw_history(&world, old, CLASHING "-200001");
	nw_publish(&world, &model);
	assert_int_equal(model.nusers, 1);
	uid = model.users[0].uid;
	dss_model_done(&model);
	pins = recover();
	assert_true(pins.known);
	assert_true(dss_pins_agree(&pins, &world.config, &arena));
	/* A newcomer of the managed domain wants the same id: */
	nw_user(&world, 200001, "new", "new@contoso.com");
	world.facts.pins = pins.slices;
	world.facts.npins = pins.nslices;
	nw_publish(&world, &model);
	assert_int_equal(model.nusers, 1);
	assert_int_equal(model.users[0].uid, uid);
	assert_string_equal(model.users[0].name, "old@contoso.com");
	dss_model_done(&model);
	/* ... and would have it if nobody knew. */
	world.facts.npins = 0;
	nw_publish(&world, &model);
	assert_int_equal(model.nusers, 1);
	assert_int_equal(model.users[0].uid, uid);
	assert_string_equal(model.users[0].name, "new@contoso.com");
	dss_model_done(&model);
	/* What is kept binds the configuration, too. */
	world.config.identity.id_mapping = DS_IDMAP_SID;
	assert_false(dss_pins_agree(&pins, &world.config, &arena));
	world.facts.domain_sid.sub[3]++;
	assert_false(recover().known);
	world.facts.domain_sid.sub[3]--;
}

#define PINS_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PINS_TEST(kept),
		PINS_TEST(changes_are_seen),
		PINS_TEST(only_ours),
		PINS_TEST(survive_the_store),
	};

	return cmocka_run_group_tests(tests, nw_group_setup,
				      nw_group_teardown);
}

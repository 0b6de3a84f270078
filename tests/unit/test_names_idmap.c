/*
 * Ids against the other implementation: SSSD's own libsss_idmap, loaded from
 * the system, must give the same number for every SID, secondary slices
 * included.  And those of winbind's idmap_rid, whose rule is one sum.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "lib/idmap.h"

#define SIDS 10000
#define MIN  200000u
#define MAX  2000200000u

/* What sss_idmap.h says of it. */
struct sss_range {
	uint32_t min, max;
};
static int (*idmap_init)(void *, void *, void *, void **);
static int (*idmap_free)(void *);
static int (*calculate_range)(void *, const char *, id_t *,
			      struct sss_range *);
static int (*add_domain)(void *, const char *, const char *,
			 struct sss_range *, const char *, uint32_t, bool,
			 void *, void *);
static int (*sid_to_unix)(void *, const char *, uint32_t *);

static void load(void *lib, const char *name, void *function)
{
	void *symbol = dlsym(lib, name);

	assert_non_null(symbol);
	memcpy(function, &symbol, sizeof(symbol));
}

static void load_library(void)
{
	void *lib = dlopen("libsss_idmap.so.0", RTLD_NOW);

	if (!lib)
		fail_msg("%s: packaging/install-deps test", dlerror());
	load(lib, "sss_idmap_init", &idmap_init);
	load(lib, "sss_idmap_free", &idmap_free);
	load(lib, "sss_idmap_calculate_range", &calculate_range);
	load(lib, "sss_idmap_add_auto_domain_ex", &add_domain);
	load(lib, "sss_idmap_sid_to_unix", &sid_to_unix);
}

/* A context per SID: SSSD's numbers depend on what it met before. */
static uint32_t their_id(const struct ds_sid *sid)
{
	struct ds_sid domain;
	char sid_text[DS_SID_STR_MAX], domain_text[DS_SID_STR_MAX];
	struct sss_range range;
	id_t slice = (id_t)-1;
	uint32_t rid, id = 0;
	void *ctx;

	assert_int_equal(ds_sid_split(sid, &domain, &rid), 0);
	ds_sid_to_str(&domain, domain_text);
	ds_sid_to_str(sid, sid_text);
	assert_int_equal(idmap_init(NULL, NULL, NULL, &ctx), 0);
	assert_int_equal(calculate_range(ctx, domain_text, &slice, &range), 0);
	assert_int_equal(add_domain(ctx, "d", domain_text, &range, NULL, 0,
				    false, NULL, NULL),
			 0);
	assert_int_equal(sid_to_unix(ctx, sid_text, &id), 0);
	assert_int_equal(idmap_free(ctx), 0);
	return id;
}

static uint32_t random_u32(void)
{
	static uint64_t x = 0x2545f4914f6cdd1d;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (uint32_t)(x >> 16);
}

static uint32_t random_rid(void)
{
	switch (random_u32() % 4) {
	case 0:
		return random_u32() % 2000; /* well-known and first ones */
	case 1:
		return random_u32() % DS_IDMAP_SLICE;
	case 2:
		return random_u32() % 2000000; /* secondary slices */
	default:
		return random_u32() >> 1;
	}
}

/* Their second slice is probed on where it falls on the first: we refuse. */
static bool slices_clash(const struct ds_sid *sid)
{
	struct ds_sid first = *sid;
	uint32_t a, b;

	first.sub[4] = 1;
	assert_int_equal(ds_idmap_slice(&first, MIN, MAX, &a), 0);
	assert_int_equal(ds_idmap_slice(sid, MIN, MAX, &b), 0);
	return sid->sub[4] >= DS_IDMAP_SLICE && a == b;
}

static void same_as_sssd(void **state)
{
	int compared = 0, secondary = 0, clashes = 0;

	(void)state;
	load_library();
	while (compared < SIDS) {
		struct ds_sid sid = { .authority = 5,
				      .count = 5,
				      .sub = { 21, random_u32(), random_u32(),
					       random_u32(), random_rid() } };
		char text[DS_SID_STR_MAX];
		uint32_t ours, theirs;

		if (slices_clash(&sid)) {
			clashes++;
			continue;
		}
		theirs = their_id(&sid);
		assert_int_equal(ds_idmap_sid(&sid, MIN, MAX, &ours), 0);
		if (ours != theirs)
			fail_msg("%s: %u, but SSSD says %u",
				 ds_sid_to_str(&sid, text), ours, theirs);
		compared++;
		secondary += sid.sub[4] >= DS_IDMAP_SLICE;
	}
	print_message("%d SIDs, %d in secondary slices; %d left out\n",
		      compared, secondary, clashes);
	assert_true(secondary > SIDS / 4);
	assert_true(clashes < 10);
}

/* The domain's ids in a context that may know others: its first id. */
static uint32_t their_first(void *ctx, const char *domain)
{
	struct sss_range range;
	id_t slice = (id_t)-1;

	assert_int_equal(calculate_range(ctx, domain, &slice, &range), 0);
	assert_int_equal(add_domain(ctx, domain, domain, &range, NULL, 0,
				    false, NULL, NULL),
			 0);
	return range.min;
}

/*
 * Two domains of one slice: SSSD's numbers depend on which it met first.  Ours
 * must not, so that the model refuses one (test_names_history.c).
 */
static void sssd_moves_a_clash(void **state)
{
	static const char *const domains[] = {
		"S-1-5-21-3623811015-3361044348-30300820", "S-1-5-21-7-7-20033"
	};
	struct ds_sid sid;
	char text[DS_SID_STR_MAX + 8];
	uint32_t slice;
	void *ctx;

	(void)state;
	load_library();
	for (int first = 0; first < 2; first++) {
		assert_int_equal(idmap_init(NULL, NULL, NULL, &ctx), 0);
		assert_int_equal(their_first(ctx, domains[first]), 674000000);
		assert_int_equal(their_first(ctx, domains[!first]), 674200000);
		assert_int_equal(idmap_free(ctx), 0);
		snprintf(text, sizeof(text), "%s-1000", domains[first]);
		assert_int_equal(ds_sid_parse_str(text, &sid), 0);
		assert_int_equal(ds_idmap_slice(&sid, MIN, MAX, &slice), 0);
		assert_int_equal(slice, 3369);
	}
}

/* RID - base_rid + range low, and nothing outside of the range. */
static void same_as_winbind(void **state)
{
	struct ds_sid sid = { .authority = 5,
			      .count = 5,
			      .sub = { 21, 1, 2, 3, 0 } };
	uint32_t id;

	(void)state;
	sid.sub[4] = 1107;
	assert_int_equal(ds_idmap_rid(&sid, 5000000, 5999999, &id), 0);
	assert_int_equal(id, 5001107);
	sid.sub[4] = 999999;
	assert_int_equal(ds_idmap_rid(&sid, 5000000, 5999999, &id), 0);
	assert_int_equal(id, 5999999);
	sid.sub[4] = 1000000;
	assert_int_equal(ds_idmap_rid(&sid, 5000000, 5999999, &id),
			 DS_ERR_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(same_as_sssd),
		cmocka_unit_test(sssd_moves_a_clash),
		cmocka_unit_test(same_as_winbind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * From objects to what is published: memberships, the scope, and the file
 * that comes of it, whatever order the objects are in.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "lib/resolve.h"
#include "lib/snapshot_stamp.h"
#include "synccache/sync/snapshots.h"
#include "tests/unit/model_world.h"

static void test_nesting(void **state)
{
	struct world *w = *state;
	struct dss_object *users, *a, *b, *c, *list, *held;
	struct dss_object *u;

	users = add_group(w, 513, "Domain Users");
	a = add_group(w, 1001, "a");
	b = add_group(w, 1002, "b");
	c = add_group(w, 1003, "c");
	list = add_group(w, 1004, "mailing list");
	held = add_group(w, 1005, "bad:name");
	add_group(w, 1006, "everyone");
	add_group(w, 1007, "by mail");
	u = add_user(w, 1101, "u", "u@contoso.com");
	add_user(w, 1102, "v", "v@contoso.com");
	list->group_type = 2;
	/* u in a in b in c in a: a ring. */
	join(w, a, u);
	join(w, b, a);
	join(w, c, b);
	join(w, a, c);
	/* Through the primary group. */
	join(w, &w->objs[6], users);
	/* A distribution list leads nowhere; a withheld group does. */
	join(w, list, u);
	join(w, &w->objs[7], list);
	join(w, held, u);
	join(w, b, held);
	build(w);
	assert_true(in_group(w, 1101, 1001));
	assert_true(in_group(w, 1101, 1002));
	assert_true(in_group(w, 1101, 1003));
	assert_true(in_group(w, 1101, 1006));
	assert_false(in_group(w, 1101, 513));
	assert_int_equal(user(w, 1101)->ngids, 4);
	assert_int_equal(user(w, 1102)->ngids, 1);
	assert_true(lists(w, 1003, 1101));
	assert_true(lists(w, 1006, 1102));
	assert_false(lists(w, 1003, 1102));
	assert_int_equal(group(w, 1007)->nmembers, 0);
	for (uint32_t i = 1; i < user(w, 1101)->ngids; i++)
		assert_true(user(w, 1101)->gids[i - 1] <
			    user(w, 1101)->gids[i]);
}

static void test_no_member_lists(void **state)
{
	struct world *w = *state;

	w->config.identity.group_members = DS_MEMBERS_NONE;
	add_group(w, 513, "Domain Users");
	add_group(w, 1001, "a");
	join(w, &w->objs[1], add_user(w, 1101, "u", "u@contoso.com"));
	build(w);
	assert_int_equal(group(w, 1001)->nmembers, 0);
	assert_true(in_group(w, 1101, 1001));
}

/* A member that the mirror does not know is no edge. */
static void test_unknown_member(void **state)
{
	struct world *w = *state;
	struct ds_guid stranger = { { 9, 9, 9 } };

	add_group(w, 513, "Domain Users");
	add_group(w, 1001, "a");
	assert_int_equal(
	    dss_members_change(&w->objs[1], true, &stranger, 1, &w->arena), 0);
	build(w);
	assert_int_equal(group(w, 1001)->nmembers, 0);
}

static void test_scope(void **state)
{
	static char base[] = "ou=wanted," BASE_DN;
	static char *bases[] = { base, NULL };
	struct world *w = *state;

	w->config.sync.bases = bases;
	/* Outside, but somebody's primary group. */
	add_group(w, 513, "Domain Users");
	add_group(w, 1001, "outside");
	add_group(w, 1002, "inside")->dn = "CN=i,OU=Wanted," BASE_DN;
	add_user(w, 1101, "in", "u@contoso.com")->dn =
	    "CN=u,OU=x,OU=Wanted," BASE_DN;
	/* Outside: claims no name either. */
	add_user(w, 1001, "out", "u@contoso.com");
	add_user(w, 1103, "near", "n@contoso.com")->dn =
	    "CN=nOU=Wanted," BASE_DN;
	build(w);
	assert_int_equal(w->model.nusers, 1);
	assert_non_null(user(w, 1101));
	assert_non_null(group(w, 513));
	assert_non_null(group(w, 1002));
	assert_null(group(w, 1001));
	/* Said, not published; what is published all the same is not. */
	assert_int_equal(w->model.nnotes, 3);
	assert_int_equal(withheld(w, 1001), DS_WH_SCOPE);
	assert_int_equal(withheld(w, 1103), DS_WH_SCOPE);
	assert_int_equal(withheld(w, 513), 0);
}

static void test_origin(void **state)
{
	struct world *w = *state;

	add_group(w, 513, "Domain Users");
	add_user(w, 1101, "cloud", "c@contoso.com");
	add_user(w, 1102, "onprem", "o@contoso.com")->nhistory = 1;
	w->config.sync.origin = DS_ORIGIN_ONPREM;
	build(w);
	assert_null(user(w, 1101));
	assert_int_equal(user(w, 1102)->flags, DS_ID_ONPREM);
	assert_non_null(group(w, 513));
	w->config.sync.origin = DS_ORIGIN_CLOUD;
	build(w);
	assert_non_null(user(w, 1101));
	assert_null(user(w, 1102));
}

static void shuffle(struct world *w, unsigned seed)
{
	for (size_t i = w->count; i > 1; i--) {
		size_t j;
		struct dss_object tmp = w->objs[i - 1];

		seed = seed * 1103515245u + 12345u;
		j = (seed >> 8) % i;
		w->objs[i - 1] = w->objs[j];
		w->objs[j] = tmp;
	}
}

/* The same objects in any order give the same bytes. */
static void test_order_does_not_matter(void **state)
{
	struct world *w = *state;
	struct image first, other;

	add_group(w, 513, "Domain Users");
	for (uint32_t i = 0; i < 8; i++)
		add_group(w, 1001 + i, "g")->sam =
		    dss_arena_printf(&w->arena, "g%u", i / 2 * 2);
	for (uint32_t i = 0; i < 40; i++) {
		struct dss_object *u = add_user(
		    w, 1101 + i, dss_arena_printf(&w->arena, "u%u", i),
		    dss_arena_printf(&w->arena, "u%u@c.com", i % 30));

		u->created = 5; /* the GUID decides */
		join(w, &w->objs[1 + i % 8], u);
	}
	join(w, &w->objs[1], &w->objs[3]);
	join(w, &w->objs[3], &w->objs[1]);
	build(w);
	assert_true(w->model.nnotes > 0);
	first = image_of(&w->model, true);
	for (unsigned seed = 1; seed < 20; seed++) {
		shuffle(w, seed);
		build(w);
		other = image_of(&w->model, true);
		same_image(&first, &other);
		free(other.p);
	}
	free(first.p);
}

/* Through the snapshot to the reader: names resolve as they should. */
static void test_resolves(void **state)
{
	static const uint64_t key[2] = { 1, 2 };
	struct ds_snap_stamp stamp = { .kind = DS_SNAP_BASE,
				       .generation = 1,
				       .id_min = 200000,
				       .id_max = 2000200000,
				       .domain = DOMAIN };
	char path[] = "/tmp/dssync-test-XXXXXX";
	struct world *w = *state;
	struct ds_snapw *writer = NULL;
	struct ds_snap_user found;
	struct ds_snap_group team;
	struct ds_snap snap;
	int from = memfd_create("stage", MFD_CLOEXEC), to = mkstemp(path);

	add_group(w, 513, "Domain Users");
	add_group(w, 1001, "Team One");
	add_user(w, 1101, "driley (1a)", "driley@contoso.com");
	join(w, &w->objs[1], &w->objs[2]);
	build(w);
	assert_int_equal(
	    dss_snapshot_base(&w->model, NETBIOS, key, from, &writer), 0);
	assert_int_equal(ds_snapw_write(writer, from), 0);
	ds_snapw_free(writer);
	assert_int_equal(ds_snap_stamp_copy(from, to, 1 << 20, &stamp), 0);
	assert_int_equal(ds_snap_open(path, DS_SNAP_BASE, getuid(), &snap), 0);
	assert_int_equal(ds_resolve_user(&snap, "DRiley@contoso.com", &found),
			 0);
	assert_int_equal(found.uid, BASE_ID + 1101);
	assert_int_equal(found.ngids, 1);
	assert_int_equal(
	    ds_resolve_user(&snap, "example\\DRILEY (1A)", &found), 0);
	assert_string_equal(found.blob, "driley@contoso.com");
	assert_int_equal(
	    ds_resolve_group(&snap, "Team One@example.com", &team), 0);
	assert_int_equal(team.nmembers, 1);
	ds_snap_close(&snap);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(close(from), 0);
	assert_int_equal(close(to), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MODEL_TEST(test_nesting),
		MODEL_TEST(test_no_member_lists),
		MODEL_TEST(test_unknown_member),
		MODEL_TEST(test_scope),
		MODEL_TEST(test_origin),
		MODEL_TEST(test_order_does_not_matter),
		MODEL_TEST(test_resolves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

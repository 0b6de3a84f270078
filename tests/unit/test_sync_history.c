/*
 * Random histories of a directory: the store after deltas is the store after
 * a full load, byte for byte, and so are the snapshots: those of the model
 * that is kept and follows the changes, and those of one built of a full load.
 * What is sent more than once is the same as once.  Objects come back from the
 * dead, and the configuration's scope changes in between.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "synccache/sync/mirror.h"
#include "synccache/sync/rescope.h"
#include "synccache/sync/resident.h"
#include "tests/unit/sync_play.h"

#define HISTORIES    60
#define PULLS        25
#define DOMAIN_USERS 1 /* the number of the primary group */

/* How changes come, by the strategy that is at work. */
enum way {
	SECURITY,    /* deltas; deletions are looked for */
	REPLICATION, /* deltas, and tombstones */
	PAGED,       /* objects, each whole; deletions are looked for */
	WAYS,
};

struct history {
	struct play play;
	enum way way;
	bool bare; /* name_format and group_format = sam */
	bool scoped;
	unsigned unit, team; /* of the scope, 0: any; a group's number */
	char dir[2][64];
	struct dss_store *store[2]; /* of deltas, of full loads */
	struct dss_resident kept;   /* of the deltas */
	struct image last[2];       /* its snapshots */
	unsigned alone;             /* publications after play_change_who() */
	unsigned rested[2];         /* how often they were not to be written */
	unsigned reread, rescoped;
};

/* ---- the configuration ---- */

struct world {
	struct ds_config config;
	struct dss_locals locals;
	struct dss_facts facts;
};

static void set_scope(const struct history *h, struct ds_config *config)
{
	static char unit[2][48] = { "OU=Linux,DC=example,DC=com",
				    "OU=AADDC Users, DC=example, DC=com" };
	static char team[64];
	static char *bases[] = { NULL, NULL }, *groups[] = { team, NULL };

	if (h->unit > 0) {
		bases[0] = unit[h->unit - 1];
		config->sync.bases = bases;
	}
	if (h->team > 0) {
		(void)snprintf(team, sizeof(team), "%s-%u", DOMAIN_SID,
			       1000 + h->team);
		config->sync.groups = groups;
	}
}

static void make_world(const struct history *h, struct world *w)
{
	static char reserved[][16] = { "name3", "name4105", "name4110",
				       "name4120" };
	static char *names[] = { reserved[0], reserved[1], reserved[2],
				 reserved[3], NULL };
	static char underscore[] = "_";
	struct ds_config *config = &w->config;

	memset(w, 0, sizeof(*w));
	default_config(config);
	config->identity.reserved_names = names;
	if (h->play.spaces)
		config->identity.space_replacement = underscore;
	if (h->bare)
		config->identity.name_format = config->identity.group_format =
		    DS_FORMAT_SAM;
	set_scope(h, config);
	w->facts = facts_of(config, &w->locals);
}

/* ---- the mirror ---- */

static void list(struct history *h, struct dss_mirror *m)
{
	for (unsigned i = 0; i < OBJECTS; i++) {
		struct test_entry t;

		if (h->play.now[i].number == 0)
			continue;
		entry_begin(&t, h->play.now[i].number);
		t.e.dn = play_dn(&h->play.now[i]);
		assert_int_equal(dss_mirror_listed(m, &t.e), 0);
	}
	assert_int_equal(m->incomplete.count, 0);
}

static void rescope(const struct history *h, struct dss_mirror *m, bool look)
{
	struct dss_rescope r = { .netbios = "EXAMPLE",
				 .store = h->store[m->full],
				 .look = look };
	struct ds_sid domain;
	struct world w;

	make_world(h, &w);
	assert_int_equal(ds_sid_parse_str(DOMAIN_SID, &domain), 0);
	r.config = &w.config;
	r.domain_sid = &domain;
	assert_int_equal(dss_rescope(m, &r), 0);
}

static void finish(const struct history *h, struct dss_mirror *m, bool sweep)
{
	size_t dropped, held;

	if (sweep)
		assert_int_equal(dss_mirror_missing(m), 0);
	assert_int_equal(dss_mirror_drop(m, 100, false, &dropped, &held), 0);
	assert_int_equal(held, 0);
	assert_int_equal(m->malformed, 0);
	rescope(h, m, false);
	assert_int_equal(dss_txn_commit(m->txn), 0);
	dss_mirror_done(m);
}

static void begin(struct history *h, unsigned store, struct dss_mirror *m)
{
	struct dss_txn *txn = NULL;

	assert_int_equal(dss_txn_begin(h->store[store], true, &txn), 0);
	dss_mirror_init(m, txn, store == 1);
}

/* A search says all of them, and not which are new. */
static void as_searched(struct message *msg)
{
	for (size_t i = 0; i < msg->t.e.count; i++) {
		struct dss_attr *attr = &msg->t.attrs[i];

		if (strcmp(attr->name, "member;range=1-1") == 0)
			attr->name = "member";
		if (strcmp(attr->name, "manager;range=1-1") == 0)
			attr->name = "manager";
	}
}

static void tell(struct history *h, struct dss_mirror *m, unsigned place,
		 const struct state *told)
{
	static const struct state blank;
	static struct message msg;

	play_say(&h->play, &msg, place, h->way == PAGED ? &blank : told);
	if (h->way == PAGED)
		as_searched(&msg);
	for (unsigned times = 1 + play_dice(&h->play, 2); times > 0; times--)
		assert_int_equal(h->way == PAGED
				     ? dss_mirror_whole(m, &msg.t.e)
				     : dss_mirror_delta(m, &msg.t.e),
				 0);
}

static void tell_deleted(struct dss_mirror *m, unsigned number)
{
	struct test_entry t;

	entry_begin(&t, number);
	entry_text(&t, "isDeleted", "TRUE");
	assert_int_equal(dss_mirror_delta(m, &t.e), 0);
}

/* What the mirror wants to see as a whole. */
static void reread(struct history *h, struct dss_mirror *m)
{
	static const struct state blank;
	static struct message msg;

	assert_int_equal(dss_mirror_relink(m), 0);
	for (size_t i = 0; i < m->partial.count; i++) {
		unsigned place = 0;

		while (place < OBJECTS) {
			struct ds_guid guid =
			    test_guid(h->play.now[place].number);

			if (ds_guid_equal(&guid, &m->partial.list[i]))
				break;
			place++;
		}
		if (place == OBJECTS) { /* gone, and nobody was told */
			assert_int_equal(
			    dss_mirror_gone(m, &m->partial.list[i]), 0);
			continue;
		}
		play_say(&h->play, &msg, place, &blank);
		as_searched(&msg);
		assert_int_equal(dss_mirror_whole(m, &msg.t.e), 0);
		h->reread++;
	}
	m->partial.count = 0;
}

static void pull_changes(struct history *h)
{
	static const struct state blank;
	struct dss_mirror m;

	begin(h, 0, &m);
	for (unsigned i = 0; i < OBJECTS; i++) {
		struct state *told = &h->play.told[i];
		bool fresh = told->number != h->play.now[i].number;

		if (fresh && told->number != 0 && h->way == REPLICATION)
			tell_deleted(&m, told->number);
		if (h->play.now[i].number == 0)
			continue;
		if (!fresh && told->lives != h->play.now[i].lives &&
		    h->way == REPLICATION && play_dice(&h->play, 2))
			tell_deleted(&m, told->number);
		if (fresh || memcmp(told, &h->play.now[i], sizeof(*told)) != 0)
			tell(h, &m, i, fresh ? &blank : told);
	}
	reread(h, &m);
	if (h->way != REPLICATION)
		list(h, &m);
	finish(h, &m, h->way != REPLICATION);
	memcpy(h->play.told, h->play.now, sizeof(h->play.told));
}

static void load_all(struct history *h)
{
	static const struct state blank;
	static struct message msg;
	struct dss_mirror m;

	begin(h, 1, &m);
	for (unsigned i = OBJECTS; i-- > 0;) {
		if (h->play.now[i].number == 0)
			continue;
		play_say(&h->play, &msg, i, &blank);
		assert_int_equal(dss_mirror_delta(&m, &msg.t.e), 0);
	}
	assert_int_equal(m.incomplete.count, 0);
	finish(h, &m, true);
}

/* Another configuration, which begins with the store as it is. */
static void change_scope(struct history *h)
{
	unsigned place = play_dice(&h->play, OBJECTS);

	h->unit = play_dice(&h->play, 3);
	h->team = 0;
	if (h->play.now[place].group)
		h->team = h->play.now[place].number;
	for (unsigned i = 0; i < 2; i++) {
		struct dss_mirror m;

		begin(h, i, &m);
		rescope(h, &m, true);
		assert_int_equal(dss_txn_commit(m.txn), 0);
		dss_mirror_done(&m);
	}
	dss_resident_done(&h->kept);
	h->rescoped++;
}

/* ---- the comparison ---- */

struct loaded {
	struct dss_object obj[OBJECTS];
	struct image stored[OBJECTS];
	size_t count;
};

static int visit(void *arg, const struct ds_guid *guid, const uint8_t *data,
		 size_t len)
{
	struct loaded *l = arg;
	size_t at;

	assert_true(l->count < OBJECTS);
	at = l->count++;
	l->stored[at].p = malloc(len);
	assert_non_null(l->stored[at].p);
	memcpy(l->stored[at].p, data, len);
	l->stored[at].size = len;
	return dss_object_decode(guid, l->stored[at].p, len, &l->obj[at]);
}

static void snapshots(const struct dss_model *model, struct image ret_image[2])
{
	ret_image[0] = image_of(model, true);
	ret_image[1] = image_of(model, false);
}

/* What is said not to have changed must be what it was. */
static void keep(struct history *h, unsigned which, bool *changed,
		 const struct image *image)
{
	struct image *last = &h->last[which];

	if (!*changed) {
		same_image(last, image);
		h->rested[which]++;
	}
	*changed = false;
	free(last->p);
	last->p = malloc(image->size);
	assert_non_null(last->p);
	memcpy(last->p, image->p, image->size);
	last->size = image->size;
}

/* What may have happened since the last pull. */
enum pull {
	ANYTHING,
	QUIET, /* nothing that decides about names and ids */
	WHO,   /* or for the changed objects alone */
	KINDS,
};

/* Of the deltas' store, by the model that is kept. */
static void follow(struct history *h, const struct world *world,
		   enum pull pull, struct image ret_image[2])
{
	uint64_t builds = h->kept.builds, updates = h->kept.updates;
	bool noted = h->kept.model.nnotes > 0;
	struct dss_txn *txn = NULL;
	size_t count;

	assert_int_equal(dss_txn_begin(h->store[0], false, &txn), 0);
	assert_int_equal(dss_txn_count(txn, &count), 0);
	assert_int_equal(
	    dss_resident_load(&h->kept, txn, count, &world->facts), 0);
	snapshots(&h->kept.model, ret_image);
	keep(h, 0, &h->kept.model.base_changed, &ret_image[0]);
	keep(h, 1, &h->kept.model.accounts_changed, &ret_image[1]);
	/* Each pull led to one of the two, a quiet one never to a build. */
	assert_int_equal(h->kept.builds + h->kept.updates,
			 builds + updates + 1);
	if (pull == QUIET && !h->scoped)
		assert_int_equal(h->kept.builds, builds);
	/* Where no two want one name, nor the changes bring that about. */
	if (pull == WHO && !noted && h->kept.model.nnotes == 0 &&
	    !h->play.implicit && !h->scoped) {
		assert_int_equal(h->kept.builds, builds);
		h->alone++;
	}
}

/* Of the other store, anew. */
static void rebuild(const struct loaded *l, const struct world *world,
		    struct image ret_image[2])
{
	struct dss_model model;

	assert_int_equal(
	    dss_model_build(l->obj, l->count, &world->facts, &model), 0);
	snapshots(&model, ret_image);
	dss_model_done(&model);
}

static void compare(struct history *h, enum pull pull)
{
	struct loaded l[2] = { { .count = 0 }, { .count = 0 } };
	struct image image[2][2];
	struct world world;

	for (unsigned i = 0; i < 2; i++) {
		struct dss_txn *txn = NULL;

		assert_int_equal(dss_txn_begin(h->store[i], false, &txn), 0);
		assert_int_equal(dss_txn_each(txn, visit, &l[i]), 0);
		dss_txn_abort(txn);
	}
	make_world(h, &world);
	follow(h, &world, pull, image[0]);
	rebuild(&l[1], &world, image[1]);
	assert_int_equal(l[0].count, l[1].count);
	for (size_t k = 0; k < l[0].count; k++)
		same_image(&l[0].stored[k], &l[1].stored[k]);
	same_image(&image[0][0], &image[1][0]);
	same_image(&image[0][1], &image[1][1]);
	for (unsigned i = 0; i < 2; i++) {
		free(image[i][0].p);
		free(image[i][1].p);
		for (size_t k = 0; k < l[i].count; k++)
			free(l[i].stored[k].p);
	}
}

static void open_stores(struct history *h)
{
	bool rebuilt;

	for (unsigned i = 0; i < 2; i++) {
		strcpy(h->dir[i], "/tmp/dssync-test-XXXXXX");
		assert_non_null(mkdtemp(h->dir[i]));
		assert_int_equal(
		    dss_store_open(h->dir[i], &rebuilt, &h->store[i]), 0);
	}
}

static void close_stores(struct history *h)
{
	dss_resident_done(&h->kept);
	free(h->last[0].p);
	free(h->last[1].p);
	for (unsigned i = 0; i < 2; i++) {
		dss_store_close(h->store[i]);
		assert_int_equal(dss_store_remove(h->dir[i]), 0);
		assert_int_equal(rmdir(h->dir[i]), 0);
	}
}

static void test_histories(void **state)
{
	const char *seed = getenv("DSSYNC_SEED");
	unsigned first = seed ? (unsigned)strtoul(seed, NULL, 10) : 1;
	unsigned rested[2] = { 0, 0 }, alone = 0, seen = 0, rescoped = 0;
	uint64_t updates = 0;

	(void)state;
	for (unsigned n = first; n < first + HISTORIES; n++) {
		struct history h = { .play = { .next = DOMAIN_USERS,
					       .seed = n,
					       .implicit = n % 4 == 3,
					       .spaces = n % 4 == 1,
					       .secret = n % WAYS != PAGED },
				     .way = n % WAYS,
				     .scoped = n % 5 == 4,
				     .bare = n % 4 == 2 };

		print_message("DSSYNC_SEED=%u\n", n);
		open_stores(&h);
		play_make(&h.play, 0, true);
		for (unsigned pull = 0; pull < PULLS; pull++) {
			enum pull kind =
			    pull ? play_dice(&h.play, KINDS) : ANYTHING;

			for (unsigned k = 1 + play_dice(&h.play, 2);
			     kind == WHO && k; k--)
				play_change_who(&h.play);
			for (unsigned k = play_dice(&h.play, kind ? 5 : 30);
			     k > 0; k--)
				play_change(&h.play, kind != ANYTHING);
			if (h.scoped && pull > 0 && play_dice(&h.play, 4) == 0)
				change_scope(&h);
			pull_changes(&h);
			load_all(&h);
			compare(&h, kind);
		}
		updates += h.kept.updates;
		alone += h.alone;
		seen += h.reread;
		rescoped += h.rescoped;
		rested[0] += h.rested[0];
		rested[1] += h.rested[1];
		close_stores(&h);
	}
	print_message("%llu of %u publications were updates\n",
		      (unsigned long long)updates,
		      (unsigned)(HISTORIES * PULLS));
	print_message("%u of them with users who came, went, or changed their "
		      "names\n",
		      alone);
	assert_true(updates > HISTORIES * PULLS / 3);
	assert_true(alone > HISTORIES);
	assert_true(seen > HISTORIES);
	assert_true(rescoped > HISTORIES / 5);
	assert_true(rested[0] > 0);
	assert_true(rested[1] > HISTORIES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_histories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

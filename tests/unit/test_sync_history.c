/*
 * Random histories of a directory: the store after deltas is the store after
 * a full load, byte for byte, and so are the snapshots: those of the model
 * that is kept and follows the changes, and those of one built of a full load.
 *
 * The directory is played here, with what Samba was seen to do: new values of
 * links with ";range=1-1", ended ones with ";range=0-0", a deleted object that
 * leaves its groups without a word, and the same entry more than once.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "synccache/sync/mirror.h"
#include "synccache/sync/resident.h"
#include "synccache/sync/snapshots.h"
#include "tests/unit/sync_entry.h"

#define OBJECTS      24 /* that exist at once, of ... */
#define NUMBERS      4096
#define TEXTS        4
#define HISTORIES    60
#define PULLS        25
#define DOMAIN_USERS 1 /* the number of the primary group */

/* What an object says; the n-th value of a text is made from its number. */
struct state {
	unsigned number; /* 0: there is none; also the GUID and the RID */
	bool group;
	bool disabled;
	bool broken;                      /* its lockoutTime */
	bool moved;                       /* to an OU of its own */
	unsigned password;                /* times it was set */
	unsigned sam, upn, city, display; /* 0: not there */
	unsigned proxies;                 /* so many */
	unsigned manager;                 /* an object's number */
	bool member[OBJECTS];             /* by place */
};

struct image {
	uint8_t *p;
	size_t size;
};

struct history {
	struct state now[OBJECTS], told[OBJECTS];
	unsigned next; /* number */
	unsigned seed;
	bool implicit; /* UPNs that others' sAMAccountNames stand for */
	bool spaces;   /* blanks in names, and space_replacement */
	bool bare;     /* name_format and group_format = sam */
	char dir[2][64];
	struct dss_store *store[2]; /* of deltas, of full loads */
	struct dss_resident kept;   /* of the deltas */
	struct image last[2];       /* its snapshots */
	unsigned alone;             /* publications after change_who() */
	unsigned rested[2];         /* how often they were not to be written */
};

static unsigned dice(struct history *h, unsigned sides)
{
	h->seed = h->seed * 1103515245u + 12345u;
	return (h->seed >> 16) % sides;
}

/* ---- the directory ---- */

static void make(struct history *h, unsigned place, bool group)
{
	struct state *s = &h->now[place];

	memset(s, 0, sizeof(*s));
	s->number = h->next++;
	s->group = group;
	s->sam = s->number;
}

/* The links to it end with it, and nobody is told. */
static void vanish(struct history *h, unsigned place)
{
	for (unsigned i = 0; i < OBJECTS; i++) {
		struct state *two[] = { &h->now[i], &h->told[i] };

		for (unsigned k = 0; k < 2; k++) {
			two[k]->member[place] = false;
			if (two[k]->manager == h->now[place].number)
				two[k]->manager = 0;
		}
	}
	memset(&h->now[place], 0, sizeof(h->now[place]));
}

/* A user comes, goes, or gets a name: mostly one that nobody ever had. */
static void change_who(struct history *h)
{
	unsigned place = 1 + dice(h, OBJECTS - 1);
	struct state *s = &h->now[place];

	if (s->group || h->next == NUMBERS)
		return;
	if (s->number == 0) {
		if (h->told[place].number != 0)
			return;
		make(h, place, false);
		s->broken = h->implicit && dice(h, 3) == 0;
		for (unsigned i = 0; i < OBJECTS; i++)
			h->now[i].member[place] =
			    h->now[i].group && dice(h, 3) == 0;
		return;
	}
	if (h->implicit && dice(h, 2)) { /* or that somebody else has */
		s->upn = h->now[dice(h, OBJECTS)].sam;
		s->broken = dice(h, 3) == 0;
		return;
	}
	switch (dice(h, 4)) {
	case 0:
		vanish(h, place);
		break;
	case 1:
		s->sam = h->next++ + NUMBERS;
		break;
	case 2:
		s->upn = s->upn ? 0 : NUMBERS + h->next++;
		break;
	default:
		s->upn = NUMBERS + h->next++;
		s->moved = !s->moved;
		s->disabled = dice(h, 2);
	}
}

/* Something happens; quiet: nothing that decides about names and ids. */
static void change(struct history *h, bool quiet)
{
	unsigned place = 1 + dice(h, OBJECTS - 1);
	unsigned other = dice(h, OBJECTS);
	struct state *s = &h->now[place];

	if (s->number == 0 && quiet)
		return;
	if (s->number == 0) {
		/* A place is used again when its end was noticed. */
		if (h->told[place].number == 0 && h->next < NUMBERS)
			make(h, place, dice(h, 3) == 0);
		return;
	}
	switch (quiet ? 3 + dice(h, 7) : dice(h, 10)) {
	case 0:
		if (dice(h, 2))
			vanish(h, place);
		break;
	case 1: /* sometimes somebody else's name */
		s->sam = dice(h, 3) ? s->number + NUMBERS
				    : 1 + dice(h, h->next - 1);
		break;
	case 2:
		s->upn = dice(h, 3) ? s->number : dice(h, 5);
		break;
	case 3:
		s->moved = dice(h, 2);
		s->city = dice(h, TEXTS);
		s->display = dice(h, TEXTS);
		break;
	case 4:
		s->proxies = dice(h, 4);
		break;
	case 5:
		if (dice(h, 2))
			s->disabled = !s->disabled;
		else
			s->password++;
		break;
	case 6:
		if (!s->group)
			s->manager = h->now[other].number;
		break;
	default:
		if (s->group && h->now[other].number)
			s->member[other] = !s->member[other];
	}
}

/* ---- what it sends ---- */

struct message {
	struct test_entry t;
	char text[16][64];
	char dn[OBJECTS + 2][128];
	unsigned ntext, ndn;
};

static void say(struct message *m, const char *name, const char *stem,
		unsigned n)
{
	char *text = m->text[m->ntext++];

	if (n == 0) {
		entry_attr(&m->t, name);
		return;
	}
	(void)snprintf(text, sizeof(m->text[0]), "%s%u", stem, n);
	entry_text(&m->t, name, text);
}

/* In a domain of its own, or in that of the sAMAccountNames. */
static void say_upn(const struct history *h, struct message *m, unsigned n)
{
	char *text = m->text[m->ntext++];

	entry_attr(&m->t, "userPrincipalName");
	if (n == 0)
		return;
	(void)snprintf(text, sizeof(m->text[0]),
		       h->implicit ? "name%u@example.com" : "U%u@example.org",
		       n);
	entry_value(&m->t, text, strlen(text));
}

static void say_created(struct message *m, unsigned number)
{
	char *text = m->text[m->ntext++];

	(void)snprintf(text, sizeof(m->text[0]), "20%02u0131120000.0Z",
		       number * 7 % 20);
	entry_text(&m->t, "whenCreated", text);
}

static void say_proxies(struct message *m, unsigned count)
{
	entry_attr(&m->t, "proxyAddresses");
	for (unsigned i = count; i-- > 0;) {
		char *text = m->text[m->ntext++];

		(void)snprintf(text, sizeof(m->text[0]), "smtp:p%u@x", i);
		entry_value(&m->t, text, strlen(text));
	}
}

static void say_link(struct message *m, unsigned number)
{
	char *dn = m->dn[m->ndn++];

	member_dn(number, dn);
	entry_value(&m->t, dn, strlen(dn));
}

static void say_members(struct history *h, struct message *m,
			const struct state *s, const struct state *told)
{
	for (int added = 1; added >= 0; added--) {
		bool begun = false;

		for (unsigned i = 0; i < OBJECTS; i++) {
			if (s->member[i] == told->member[i] ||
			    s->member[i] != added)
				continue;
			if (!begun)
				entry_attr(&m->t, added ? "member;range=1-1"
							: "member;range=0-0");
			begun = true;
			say_link(m, h->now[i].number);
		}
	}
}

static void say_manager(struct message *m, const struct state *s,
			const struct state *told)
{
	if (s->manager == told->manager)
		return;
	if (s->manager) {
		entry_attr(&m->t, "manager;range=1-1");
		say_link(m, s->manager);
	}
	if (told->manager) {
		entry_attr(&m->t, "manager;range=0-0");
		say_link(m, told->manager);
	}
}

static const char *dn_of(const struct state *s)
{
	return s->moved ? "CN=x,OU=Linux,DC=example,DC=com"
			: "CN=x,OU=AADDC Users,DC=example,DC=com";
}

/* What changed of an object since `told`; blank: all of it. */
static void say_object(struct history *h, struct message *m, unsigned place,
		       const struct state *told)
{
	const struct state *s = &h->now[place];
	bool whole = told->number == 0;

	memset(m, 0, sizeof(*m));
	if (!whole)
		entry_begin(&m->t, s->number);
	else if (s->group)
		entry_group(&m->t, s->number, "");
	else
		entry_user(&m->t, s->number, "");
	m->t.e.dn = dn_of(s);
	/* As good as any other order: a later value replaces. */
	if (whole || s->sam != told->sam)
		say(m, "sAMAccountName",
		    h->spaces ? (s->number % 2 ? "na me" : "Na_Me") : "name",
		    s->sam);
	if (s->upn != told->upn)
		say_upn(h, m, s->upn);
	if (s->city != told->city)
		say(m, "l", "City", s->city);
	if (s->display != told->display)
		say(m, "displayName", "Display ", s->display);
	if (s->proxies != told->proxies)
		say_proxies(m, s->proxies);
	if (!s->group && s->disabled != told->disabled)
		entry_text(&m->t, "userAccountControl",
			   s->disabled ? "514" : "512");
	if (!s->group && s->password != told->password)
		say(m, "pwdLastSet", "13300000000000000", s->password);
	say_manager(m, s, told);
	if (s->group)
		say_members(h, m, s, told);
	/* Whoever comes is not always the newest. */
	if (whole)
		say_created(m, s->number);
	if (s->broken)
		entry_text(&m->t, "lockoutTime", "x");
	else if (told->broken)
		entry_attr(&m->t, "lockoutTime");
	/* The primary group of everybody. */
	if (place == 0 && whole)
		entry_sid(&m->t, 513);
}

/* ---- the mirror ---- */

static void list(struct history *h, struct dss_mirror *m)
{
	for (unsigned i = 0; i < OBJECTS; i++) {
		struct test_entry t;

		if (h->now[i].number == 0)
			continue;
		entry_begin(&t, h->now[i].number);
		t.e.dn = dn_of(&h->now[i]);
		assert_int_equal(dss_mirror_listed(m, &t.e), 0);
	}
	assert_int_equal(m->incomplete.count, 0);
}

static void finish(struct dss_mirror *m, bool sweep)
{
	size_t dropped, held;

	if (sweep)
		assert_int_equal(dss_mirror_missing(m), 0);
	assert_int_equal(dss_mirror_drop(m, 100, false, &dropped, &held), 0);
	assert_int_equal(held, 0);
	assert_int_equal(m->malformed, 0);
	assert_int_equal(dss_txn_commit(m->txn), 0);
	dss_mirror_done(m);
}

static void begin(struct history *h, unsigned store, struct dss_mirror *m)
{
	struct dss_txn *txn = NULL;

	assert_int_equal(dss_txn_begin(h->store[store], true, &txn), 0);
	dss_mirror_init(m, txn, store == 1);
}

static void pull_changes(struct history *h)
{
	static const struct state blank;
	static struct message msg;
	struct dss_mirror m;

	begin(h, 0, &m);
	for (unsigned i = 0; i < OBJECTS; i++) {
		struct state *told = &h->told[i];
		bool fresh = told->number != h->now[i].number;

		if (h->now[i].number == 0)
			continue;
		if (!fresh && memcmp(told, &h->now[i], sizeof(*told)) == 0)
			continue;
		say_object(h, &msg, i, fresh ? &blank : told);
		for (unsigned times = 1 + dice(h, 2); times > 0; times--)
			assert_int_equal(dss_mirror_delta(&m, &msg.t.e), 0);
	}
	list(h, &m);
	finish(&m, true);
	memcpy(h->told, h->now, sizeof(h->told));
}

static void load_all(struct history *h)
{
	static const struct state blank;
	static struct message msg;
	struct dss_mirror m;

	begin(h, 1, &m);
	for (unsigned i = OBJECTS; i-- > 0;) {
		if (h->now[i].number == 0)
			continue;
		say_object(h, &msg, i, &blank);
		assert_int_equal(dss_mirror_delta(&m, &msg.t.e), 0);
	}
	assert_int_equal(m.incomplete.count, 0);
	finish(&m, true);
}

/* ---- the comparison ---- */

static struct image slurp(struct ds_snapw *w)
{
	struct image image;
	int fd = memfd_create("history", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ds_snapw_write(w, fd), 0);
	ds_snapw_free(w);
	image.size = (size_t)lseek(fd, 0, SEEK_END);
	image.p = malloc(image.size);
	assert_non_null(image.p);
	assert_int_equal(pread(fd, image.p, image.size, 0), image.size);
	(void)close(fd);
	return image;
}

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

struct world {
	struct ds_config config;
	struct dss_locals locals;
	struct dss_facts facts;
};

static void make_world(const struct history *h, struct world *w)
{
	static const char *none[] = { NULL };
	static const char *reserved[] = { "name3", "name4105", "name4110",
					  "name4120", NULL };
	static char name[] = "example.com", home[] = "/home/%u",
		    shell[] = "/bin/sh", empty[] = "", underscore[] = "_";
	struct ds_config *config = &w->config;

	memset(w, 0, sizeof(*w));
	config->domain.name = name;
	memcpy(&config->sync.bases, &(const char **){ none },
	       sizeof(config->sync.bases));
	config->sync.groups = config->sync.bases;
	memcpy(&config->identity.reserved_names, &(const char **){ reserved },
	       sizeof(config->identity.reserved_names));
	config->identity.home = home;
	config->identity.shell = shell;
	config->identity.space_replacement = h->spaces ? underscore : empty;
	config->identity.name_format = config->identity.group_format =
	    h->bare ? DS_FORMAT_SAM : 0;
	config->identity.id_range.min = 200000;
	config->identity.id_range.max = 2000200000;
	w->facts = (struct dss_facts){ .config = config,
				       .locals = &w->locals,
				       .netbios = "EXAMPLE",
				       .base_dn = "DC=example,DC=com" };
	assert_int_equal(ds_sid_parse_str(DOMAIN_SID, &w->facts.domain_sid),
			 0);
}

static void snapshots(const struct dss_model *model, struct image ret_image[2])
{
	static const uint64_t key[2] = { 1, 2 };
	struct ds_snapw *w;

	assert_int_equal(dss_snapshot_base(model, "EXAMPLE", key, &w), 0);
	ret_image[0] = slurp(w);
	assert_int_equal(
	    dss_snapshot_accounts(model, &(struct dss_policy){ .known = true },
				  "EXAMPLE", key, &w),
	    0);
	ret_image[1] = slurp(w);
}

static void same(const struct image *a, const struct image *b)
{
	assert_int_equal(a->size, b->size);
	assert_memory_equal(a->p, b->p, a->size);
}

/* What is said not to have changed must be what it was. */
static void keep(struct history *h, unsigned which, bool *changed,
		 const struct image *image)
{
	struct image *last = &h->last[which];

	if (!*changed) {
		same(last, image);
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
	if (pull == QUIET)
		assert_int_equal(h->kept.builds, builds);
	/* Where no two want one name, nor the changes bring that about. */
	if (pull == WHO && !noted && h->kept.model.nnotes == 0 &&
	    !h->implicit) {
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
		same(&l[0].stored[k], &l[1].stored[k]);
	same(&image[0][0], &image[1][0]);
	same(&image[0][1], &image[1][1]);
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
	unsigned rested[2] = { 0, 0 }, alone = 0;
	uint64_t updates = 0;

	(void)state;
	for (unsigned n = first; n < first + HISTORIES; n++) {
		struct history h = { .next = DOMAIN_USERS,
				     .seed = n,
				     .implicit = n % 4 == 3,
				     .spaces = n % 4 == 1,
				     .bare = n % 4 == 2 };

		print_message("DSSYNC_SEED=%u\n", n);
		open_stores(&h);
		make(&h, 0, true);
		for (unsigned pull = 0; pull < PULLS; pull++) {
			enum pull kind = pull ? dice(&h, KINDS) : ANYTHING;

			for (unsigned k = 1 + dice(&h, 2); kind == WHO && k;
			     k--)
				change_who(&h);
			for (unsigned k = dice(&h, kind ? 5 : 30); k > 0; k--)
				change(&h, kind != ANYTHING);
			pull_changes(&h);
			load_all(&h);
			compare(&h, kind);
		}
		updates += h.kept.updates;
		alone += h.alone;
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

/*
 * The model that is kept and follows changes is the one that a build gives,
 * byte for byte of both snapshots, over random directories, changes and
 * configurations: each id mapping, scopes, what is held, malformed, local or
 * reserved, far RIDs, two that want one name or id, GUIDs that go and return.
 *
 * The objects are made here, as the store keeps them: what no directory says
 * in this order is there too.  (test_sync_history goes through the mirror.)
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/idmap.h"
#include "synccache/sync/resident.h"
#include "tests/unit/sync_domain.h"

#define OBJECTS   24
#define HISTORIES 40
#define PULLS     40
#define PINS      64
#define CROWD     200 /* more than there is room for */

#define ONPREM "S-1-5-21-3623811015-3361044348-30300820"

/* Places of the groups that are there from the beginning. */
enum { DOMAIN_USERS, OTHER_USERS, SOME_GROUP, ANYBODY };

struct state {
	bool there;
	struct dss_object obj; /* without what it borrows */
	char sam[48], upn[64], dn[80], display[16];
	uint32_t history;     /* RID of an on-premises SID; 0: none */
	bool member[OBJECTS]; /* by place */
};

struct world {
	unsigned seed;
	unsigned serial; /* of names, and of ids */
	/* What this history is about. */
	bool hostile, spaces, scope, far;
	int mapping;
	struct state state[OBJECTS];
	struct ds_config config;
	struct dss_locals locals;
	struct dss_facts facts;
	struct dss_slice pins[PINS];
	char pin_name[PINS][128];
	char dir[32];
	struct dss_store *store;
	struct dss_resident kept;
};

static unsigned dice(struct world *w, unsigned sides)
{
	w->seed = w->seed * 1103515245u + 12345u;
	return (w->seed >> 16) % sides;
}

/* ---- objects ---- */

static struct ds_guid guid_of(unsigned place)
{
	uint64_t spread = (place + 1) * 0x9e3779b97f4a7c15u;
	struct ds_guid guid = { .b = { 0 } };

	memcpy(guid.b, &spread, sizeof(spread));
	return guid;
}

static struct ds_sid sid_of(const char *domain, uint32_t rid)
{
	struct ds_sid base, sid;

	assert_int_equal(ds_sid_parse_str(domain, &base), 0);
	assert_int_equal(ds_sid_join(&base, rid, &sid), 0);
	return sid;
}

static const struct state *any(struct world *w)
{
	return &w->state[dice(w, OBJECTS)];
}

static void name(struct world *w, struct state *s)
{
	unsigned n = ++w->serial;

	if (dice(w, 20) == 0)
		strcpy(s->sam, dice(w, 2) ? "root" : "");
	else if (dice(w, w->hostile ? 4 : 25) == 0)
		memcpy(s->sam, any(w)->sam, sizeof(s->sam));
	else if (w->spaces && dice(w, 2))
		(void)snprintf(s->sam, sizeof(s->sam), "Na%cm%u",
			       dice(w, 2) ? ' ' : '_', dice(w, 3) ? n : n % 5);
	else
		(void)snprintf(s->sam, sizeof(s->sam),
			       dice(w, 40) ? "U%u" : "x:%u", n);
}

static void login(struct world *w, struct state *s)
{
	unsigned n = ++w->serial;

	switch (dice(w, 10)) {
	case 0:
	case 1:
		s->upn[0] = '\0';
		break;
	case 2:
		if (w->hostile)
			(void)snprintf(s->upn, sizeof(s->upn),
				       "%s@Example.com", any(w)->sam);
		break;
	case 3:
		if (w->hostile)
			memcpy(s->upn, any(w)->upn, sizeof(s->upn));
		break;
	case 4:
		(void)snprintf(s->upn, sizeof(s->upn), "p%c%u@example.com",
			       w->spaces ? ' ' : '-', n);
		break;
	default:
		(void)snprintf(s->upn, sizeof(s->upn),
			       dice(w, 9) ? "Ab%u@example.org" : "ab%u", n);
	}
}

static void number(struct world *w, struct state *s)
{
	uint32_t rid = 1000 + ++w->serial;

	if (w->far && dice(w, 4) == 0)
		rid += DS_IDMAP_SLICE * (1 + dice(w, 6));
	s->obj.sid =
	    sid_of(w->hostile && dice(w, 30) == 0 ? ONPREM : DOMAIN_SID, rid);
	if (w->hostile && dice(w, 20) == 0)
		s->obj.sid = any(w)->obj.sid;
	s->obj.uid_number = 300100 + (dice(w, 10) ? w->serial : dice(w, 5));
	s->obj.gid_number = 400000 + dice(w, 4);
	if (s->obj.kind == DSS_KIND_GROUP)
		s->obj.gid_number = 400100 + w->serial;
	s->history = 0;
	if (w->mapping == DS_IDMAP_SIDHISTORY && dice(w, 3) == 0)
		s->history = dice(w, 10) ? 5000 + w->serial : 513;
	if (w->hostile && w->mapping == DS_IDMAP_SIDHISTORY &&
	    dice(w, 20) == 0)
		s->history = any(w)->history;
}

static void lacks(struct world *w, struct state *s)
{
	static const uint32_t fields[] = {
		DSS_F_CREATED, DSS_F_UAC,        DSS_F_PRIMARY,
		DSS_F_SID,     DSS_F_UID_NUMBER, DSS_F_GROUP_TYPE
	};

	s->obj.present = DSS_F_CLASS | DSS_F_SID | DSS_F_SAM | DSS_F_UPN |
			 DSS_F_UAC | DSS_F_GROUP_TYPE | DSS_F_PRIMARY |
			 DSS_F_CREATED | DSS_F_HISTORY | DSS_F_UID_NUMBER |
			 DSS_F_GID_NUMBER | DSS_F_DISPLAY | DSS_F_MEMBER;
	s->obj.malformed = 0;
	if (s->obj.kind != DSS_KIND_GROUP && dice(w, 3) == 0)
		s->obj.present &= ~(uint32_t)DSS_F_GID_NUMBER;
	if (dice(w, 15) == 0)
		s->obj.present &= ~fields[dice(w, 6)];
	if (dice(w, 40) == 0)
		s->obj.malformed = (uint32_t)1 << dice(w, 23);
	s->obj.present &= ~s->obj.malformed;
}

static void place(struct world *w, struct state *s)
{
	s->obj.flags = 0;
	if (w->scope)
		s->obj.flags = dice(w, 4)   ? DSS_OBJ_IN
			       : dice(w, 4) ? 0
					    : DSS_OBJ_KEPT;
	if (dice(w, 40) == 0)
		s->obj.flags |= dice(w, 2) ? DSS_OBJ_HELD : DSS_OBJ_HISTORY;
	(void)snprintf(s->dn, sizeof(s->dn), "CN=o%u,OU=%s,DC=example,DC=com",
		       ++w->serial, dice(w, 3) ? "AADDC Users" : "Linux");
}

static void make(struct world *w, unsigned at)
{
	struct state *s = &w->state[at];
	struct ds_guid guid = guid_of(at);

	memset(s, 0, sizeof(*s));
	dss_object_init(&s->obj, &guid);
	s->there = true;
	s->obj.kind = at < ANYBODY || dice(w, 4) == 0 ? DSS_KIND_GROUP
		      : dice(w, 15) == 0              ? DSS_KIND_NONE
						      : DSS_KIND_USER;
	s->obj.uac = dice(w, 15) ? 0x200 : 0x1000;
	s->obj.group_type = dice(w, 10) || at < ANYBODY ? 0x80000002u : 2u;
	s->obj.primary_rid = dice(w, 10) ? 513 : dice(w, 4) ? 600 : 4711;
	s->obj.created = dice(w, 8) * 1000;
	number(w, s);
	name(w, s);
	login(w, s);
	lacks(w, s);
	place(w, s);
	for (unsigned i = 0; i < OBJECTS; i++) {
		s->member[i] =
		    s->obj.kind == DSS_KIND_GROUP && dice(w, 5) == 0;
	}
	if (at < SOME_GROUP) {
		s->obj.sid =
		    sid_of(DOMAIN_SID, at == DOMAIN_USERS ? 513 : 600);
		s->obj.gid_number = 400000 + at;
		(void)snprintf(s->sam, sizeof(s->sam), "group%u", at);
	}
}

static void happen(struct world *w)
{
	unsigned at = dice(w, OBJECTS);
	struct state *s = &w->state[at];
	bool *member = &w->state[dice(w, ANYBODY)].member[at];

	if (!s->there) {
		make(w, at);
		return;
	}
	switch (dice(w, 12)) {
	case 0:
	case 1:
		s->there = at < ANYBODY && !w->hostile;
		break;
	case 2:
		if (at >= ANYBODY)
			name(w, s);
		break;
	case 3:
	case 4:
		login(w, s);
		break;
	case 5:
		s->obj.uac ^= dice(w, 20) ? 2 : 0x1200;
		break;
	case 6:
		(void)snprintf(s->display, sizeof(s->display), "d%u",
			       dice(w, 5));
		break;
	case 7:
		s->obj.pwd_last_set++;
		break;
	case 8:
		if (dice(w, 4) == 0)
			s->obj.primary_rid = dice(w, 2) ? 513 : 600;
		break;
	case 9: /* its GUID is another object's, now or for a while */
		if (at >= ANYBODY && dice(w, 4) == 0)
			make(w, at);
		else if (dice(w, 4) == 0)
			place(w, s);
		else if (dice(w, 4) == 0 && at >= ANYBODY)
			number(w, s);
		else if (dice(w, 4) == 0)
			lacks(w, s);
		break;
	default:
		*member = !*member;
	}
}

/* ---- in the store ---- */

static void add_history(struct state *s, uint8_t *buf, size_t cap)
{
	struct ds_sid sid = sid_of(ONPREM, s->history);
	uint8_t bin[DS_SID_BIN_MAX];
	struct ds_writer out;

	ds_writer_init(&out, buf, cap);
	ds_put_blob(&out, bin, ds_sid_to_bin(&sid, bin));
	assert_false(out.err);
	s->obj.history = buf;
	s->obj.history_len = out.len;
	s->obj.nhistory = 1;
}

static void put(struct dss_txn *txn, struct state *s)
{
	static struct ds_guid members[OBJECTS];
	uint8_t history[128];
	struct dss_arena arena = { 0 };
	const uint8_t *data, *before;
	size_t len, old;

	s->obj.sam = s->sam;
	s->obj.upn = s->upn;
	s->obj.dn = s->dn;
	s->obj.display = s->display;
	s->obj.members = members;
	s->obj.nmembers = 0;
	for (unsigned i = 0; i < OBJECTS; i++) {
		if (s->member[i])
			members[s->obj.nmembers++] = guid_of(i);
	}
	qsort(members, s->obj.nmembers, sizeof(*members), dss_guid_order);
	s->obj.nhistory = 0;
	s->obj.history_len = 0;
	if (s->history)
		add_history(s, history, sizeof(history));
	assert_int_equal(dss_object_encode(&s->obj, &arena, &data, &len), 0);
	if (dss_txn_get(txn, &s->obj.guid, &before, &old) != 0 || old != len ||
	    memcmp(before, data, len) != 0)
		assert_int_equal(dss_txn_put(txn, &s->obj.guid, data, len), 0);
	dss_arena_done(&arena);
}

static size_t store_all(struct world *w)
{
	struct dss_txn *txn = NULL;
	size_t count = 0;

	assert_int_equal(dss_txn_begin(w->store, true, &txn), 0);
	for (unsigned i = 0; i < OBJECTS; i++) {
		struct ds_guid guid = guid_of(i);

		if (w->state[i].there) {
			put(txn, &w->state[i]);
			count++;
		} else {
			(void)!dss_txn_del(txn, &guid);
		}
	}
	assert_int_equal(dss_txn_commit(txn), 0);
	return count;
}

/* ---- the comparison ---- */

static int visit(void *arg, const struct ds_guid *guid, const uint8_t *data,
		 size_t len)
{
	struct dss_object **next = arg;

	return dss_object_decode(guid, data, len, (*next)++);
}

static void same(const struct dss_model *a, const struct dss_model *b)
{
	assert_int_equal(a->nslices, b->nslices);
	for (int base = 0; base < 2; base++) {
		struct image p = image_of(a, base), q = image_of(b, base);

		same_image(&p, &q);
		free(p.p);
		free(q.p);
	}
}

/* As the store keeps them after each build. */
static void keep_pins(struct world *w)
{
	const struct dss_model *model = &w->kept.model;

	assert_true(model->nslices <= PINS);
	for (size_t i = 0; i < model->nslices; i++) {
		strcpy(w->pin_name[i], model->slices[i].name);
		w->pins[i] = (struct dss_slice){ model->slices[i].slice,
						 w->pin_name[i] };
	}
	w->facts.npins = model->nslices;
}

/* True if the kept model was not built. */
static bool follow(struct world *w, size_t count)
{
	static struct dss_object objs[OBJECTS + CROWD];
	struct dss_object *end = objs;
	struct dss_txn *txn = NULL, *again = NULL;
	uint64_t builds = w->kept.builds;
	struct dss_model built;

	assert_int_equal(dss_txn_begin(w->store, false, &txn), 0);
	assert_int_equal(dss_resident_load(&w->kept, txn, count, &w->facts),
			 0);
	assert_int_equal(dss_txn_begin(w->store, false, &again), 0);
	assert_int_equal(dss_txn_each(again, visit, &end), 0);
	assert_int_equal(end - objs, count);
	assert_int_equal(dss_model_build(objs, count, &w->facts, &built), 0);
	same(&w->kept.model, &built);
	dss_model_done(&built);
	dss_txn_abort(again);
	if (w->kept.builds == builds)
		return true;
	keep_pins(w);
	return false;
}

/* ---- configurations ---- */

static void configure(struct world *w)
{
	static char text[][64] = { "/home/%U.%i", "OU=x", "root", "u7",
				   "u12",         "u30",  ONPREM, "_" };
	static char *bases[] = { text[1], NULL };
	static char *reserved[] = { text[2], text[3], NULL };
	static char *names[] = { text[4], text[5] };
	static char *domains[] = { text[6], NULL };
	static uint32_t ids[] = { 201003, 300103, 400105 };
	struct ds_config *c = &w->config;

	default_config(c);
	if (w->scope)
		c->sync.bases = bases;
	c->identity.reserved_names = reserved;
	c->identity.sid_history_domains = domains;
	c->identity.home = text[0];
	if (w->spaces)
		c->identity.space_replacement = text[7];
	c->identity.name_format = dice(w, 4) ? DS_FORMAT_UPN : DS_FORMAT_SAM;
	c->identity.group_format =
	    dice(w, 4) ? DS_FORMAT_QUALIFIED : DS_FORMAT_SAM;
	c->identity.group_members =
	    dice(w, 8) ? DS_MEMBERS_FULL : DS_MEMBERS_NONE;
	c->identity.id_mapping = w->mapping;
	/* Few slices clash. */
	if (dice(w, 4) == 0)
		c->identity.id_range.max = 1600000;
	w->locals = (struct dss_locals){
		.ids = ids, .nids = 3, .names = names, .nnames = 2
	};
	w->facts = facts_of(c, &w->locals);
	w->facts.pins = w->pins;
}

static void begin(struct world *w, unsigned seed)
{
	bool rebuilt;

	memset(w, 0, sizeof(*w));
	w->seed = seed;
	w->mapping = (int)(seed % 4);
	w->hostile = dice(w, 3) == 0;
	w->spaces = dice(w, 3) == 0;
	w->scope = dice(w, 5) == 0;
	w->far = dice(w, 3) == 0;
	configure(w);
	strcpy(w->dir, "/tmp/dssync-test-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	assert_int_equal(dss_store_open(w->dir, &rebuilt, &w->store), 0);
	for (unsigned i = 0; i < OBJECTS; i++) {
		if (i < ANYBODY || dice(w, 3))
			make(w, i);
	}
}

static void end(struct world *w)
{
	dss_resident_done(&w->kept);
	dss_store_close(w->store);
	assert_int_equal(dss_store_remove(w->dir), 0);
	assert_int_equal(rmdir(w->dir), 0);
}

static void test_kept_is_built(void **state)
{
	static struct world w;
	const char *given = getenv("DSSYNC_SEED");
	unsigned first = given ? (unsigned)strtoul(given, NULL, 10) : 1;
	unsigned updates = 0, others = 0;

	(void)state;
	for (unsigned seed = first; seed < first + HISTORIES; seed++) {
		begin(&w, seed);
		print_message("DSSYNC_SEED=%u\n", seed);
		for (unsigned pull = 0; pull < PULLS; pull++) {
			size_t users = w.kept.model.nusers;

			for (unsigned n = pull ? 1 + dice(&w, 3) : 0; n; n--)
				happen(&w);
			if (!follow(&w, store_all(&w)))
				continue;
			updates++;
			others += users != w.kept.model.nusers;
		}
		end(&w);
	}
	print_message("%u updates, %u of them with users who came or went\n",
		      updates, others);
	assert_true(updates > HISTORIES * PULLS / 4);
	assert_true(others > HISTORIES);
}

/* Others than those that the histories are about. */
static void come(struct world *w, unsigned count)
{
	struct state *s = &w->state[ANYBODY];
	struct dss_txn *txn = NULL;

	assert_int_equal(dss_txn_begin(w->store, true, &txn), 0);
	for (unsigned i = 0; i < count; i++) {
		make(w, ANYBODY);
		s->obj.guid = guid_of(OBJECTS + i);
		put(txn, s);
	}
	assert_int_equal(dss_txn_commit(txn), 0);
	make(w, ANYBODY);
}

static void test_crowd(void **state)
{
	static struct world w;

	(void)state;
	for (unsigned seed = 1; seed <= 8; seed++) {
		begin(&w, seed);
		(void)follow(&w, store_all(&w));
		come(&w, CROWD);
		for (unsigned pull = 0; pull < PULLS; pull++) {
			(void)follow(&w, store_all(&w) + CROWD);
			happen(&w);
		}
		end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kept_is_built),
		cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

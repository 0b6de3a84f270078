/*
 * What a directory should never send, and what no network should do: it is
 * said of the object that has it, and never stops the rest.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/socket.h>

#include "synccache/sync/model.h"
#include "tests/unit/pull_world.h"

/* Users 1 (hostile), 2 and 3 (not), and their primary group. */
#define VICTIM  1
#define PRIMARY 4

/* ---- what becomes of the objects ---- */

struct result {
	struct dss_object objs[64];
	size_t count;
	struct dss_model model;
	struct dss_txn *txn;
};

static int visit(void *arg, const struct ds_guid *guid, const uint8_t *data,
		 size_t len)
{
	struct result *r = arg;

	assert_true(r->count < 64);
	return dss_object_decode(guid, data, len, &r->objs[r->count++]);
}

/* The model of what the store has; done with result_done(). */
static void build(struct pull_world *w, struct result *r)
{
	struct dss_locals locals = { 0 };
	struct dss_facts facts = facts_of(&w->s.config, &locals);

	memset(r, 0, sizeof(*r));
	assert_int_equal(dss_txn_begin(w->s.store, false, &r->txn), 0);
	assert_int_equal(dss_txn_each(r->txn, visit, r), 0);
	assert_int_equal(dss_model_build(r->objs, r->count, &facts, &r->model),
			 0);
}

static void result_done(struct result *r)
{
	dss_model_done(&r->model);
	dss_txn_abort(r->txn);
}

static bool is_published(const struct result *r, unsigned n)
{
	struct ds_guid guid = test_guid(n);

	for (size_t i = 0; i < r->model.nusers; i++) {
		if (ds_guid_equal(&r->model.users[i].obj->guid, &guid))
			return true;
	}
	return false;
}

/* What is said of the object; NULL: nothing. */
static const struct ds_snap_note *note_of(const struct result *r, unsigned n)
{
	struct ds_guid guid = test_guid(n);

	for (size_t i = 0; i < r->model.nnotes; i++) {
		if (ds_guid_equal(&r->model.notes[i].guid, &guid))
			return &r->model.notes[i];
	}
	return NULL;
}

/* ---- one attribute of one user ---- */

static char huge[2 << 20];

struct row {
	const char *name; /* of the attribute */
	const char *value;
	size_t len;    /* 0: strlen */
	size_t values; /* so many of it */
	bool published;
};
static const struct row rows[] = {
	{ "objectSid", "\1\377", 2, 1, false },
	{ "objectSid", "", 0, 1, false },
	{ "objectSid", "\1\5\0\0\0\0\0\5\1\0\0\0", 12, 1, false },
	{ "objectSid", "\1\0\0\0\0\0\0\5", 8, 2, false },
	{ "sAMAccountName", "a\0b", 3, 1, false },
	{ "sAMAccountName", "twice", 0, 2, false },
	{ "sAMAccountName", huge, sizeof(huge), 1, false },
	{ "sAMAccountName", NULL, 0, 0, false },
	{ "userPrincipalName", "a\0@contoso.com", 14, 1, false },
	{ "userPrincipalName", "two@contoso.com", 0, 2, false },
	{ "userAccountControl", "0x200", 0, 1, false },
	{ "userAccountControl", "", 0, 1, false },
	{ "userAccountControl", "512 ", 0, 1, false },
	{ "userAccountControl", "99999999999999999999", 0, 1, false },
	{ "userAccountControl", NULL, 0, 0, false },
	{ "primaryGroupID", "five hundred", 0, 1, false },
	{ "primaryGroupID", "-9223372036854775808", 0, 1, false },
	{ "primaryGroupID", NULL, 0, 0, false },
	{ "whenCreated", "2024", 0, 1, false },
	{ "whenCreated", "20241340000000.0Z", 0, 1, false },
	{ "accountExpires", "never", 0, 1, false },
	{ "pwdLastSet", "-1", 0, 1, false },
	{ "displayName", huge, sizeof(huge), 1, true },
	{ "displayName", "a\0b", 3, 1, true },
	{ "mail", "a@b", 0, 2, true },
	{ "msDS-aadObjectId", "a\0b", 3, 1, true },
	{ "sIDHistory", "\1\377", 2, 1, true },
	{ "manager", "nobody", 0, 1, true },
	{ "manager", "<GUID=zz>;CN=x", 0, 1, true },
	{ "department", "a\0b", 3, 1, true },
};

static const struct row *row;

/* The attribute of the entry, made if it is not there. */
static struct dss_attr *attr_of(struct test_entry *t, const char *name)
{
	for (size_t i = 0; i < t->e.count; i++) {
		if (strcmp(t->attrs[i].name, name) == 0)
			return &t->attrs[i];
	}
	entry_attr(t, name);
	return &t->attrs[t->e.count - 1];
}

static void send_victim(struct script_server *sv, int id)
{
	struct dss_value values[2];
	struct test_entry t;
	struct dss_attr *attr;

	entry_user(&t, VICTIM, "victim");
	attr = attr_of(&t, row->name);
	attr->count = row->values;
	attr->values = values;
	for (size_t i = 0; i < row->values; i++)
		values[i] =
		    (struct dss_value){ (const uint8_t *)row->value,
					row->len ? row->len
						 : strlen(row->value) };
	script_entry(sv, id, &t.e);
}

static void send_primary(struct script_server *sv, int id)
{
	struct test_entry t;

	entry_group(&t, PRIMARY, "Domain Users");
	t.e.count = 2; /* but for the SID, as it is */
	entry_sid(&t, 513);
	entry_text(&t, "sAMAccountName", "Domain Users");
	entry_text(&t, "groupType", "-2147483646");
	entry_text(&t, "whenCreated", "20240131120000.0Z");
	script_entry(sv, id, &t.e);
}

static void one_hostile(struct script_server *sv,
			const struct script_request *rq)
{
	if (rq->dirsync) {
		script_user(sv, rq->id, 2);
		send_victim(sv, rq->id);
		script_user(sv, rq->id, 3);
		send_primary(sv, rq->id);
		script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
	} else { /* what was incomplete is read again, and is the same */
		send_victim(sv, rq->id);
		script_done(sv, rq->id, LDAP_SUCCESS);
	}
}

static void check_row(struct pull_world *w)
{
	const struct ds_snap_note *note;
	struct result r;

	assert_int_equal(world_pull(w, DS_PULL_FULL, one_hostile), 0);
	build(w, &r);
	note = note_of(&r, VICTIM);
	if (!note || is_published(&r, VICTIM) != row->published)
		fail_msg("%s: %s", row->name, note ? note->detail : "no note");
	/* Each says which attribute it is. */
	if (strcmp(row->name, "department") != 0 &&
	    !strstr(note->detail, row->name) &&
	    !strstr(note->detail, "its SID"))
		fail_msg("%s: %s", row->name, note->detail);
	assert_int_equal(note->reason == DS_WH_IN_PART, row->published);
	assert_true(is_published(&r, 2));
	assert_true(is_published(&r, 3));
	assert_null(note_of(&r, 2));
	result_done(&r);
}

static void test_attributes(void **state)
{
	struct pull_world *w = *state;

	memset(huge, 'x', sizeof(huge));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		row = &rows[i];
		check_row(w);
	}
}

/* ---- objects that cannot be, or not beside each other ---- */

static void send_named(struct script_server *sv, int id, unsigned n,
		       const char *sam, const char *upn)
{
	struct test_entry t;

	entry_user(&t, n, sam);
	entry_text(&t, "userPrincipalName", upn);
	script_entry(sv, id, &t.e);
}

static void impossible(struct script_server *sv,
		       const struct script_request *rq)
{
	static const char *const guids[] = { "short", "",
					     "sixteen bytes and" };
	struct test_entry t;

	for (size_t i = 0; i < 3; i++) {
		memset(&t, 0, sizeof(t));
		t.e.attrs = t.attrs;
		t.e.dn = "CN=nobody\n";
		entry_text(&t, "objectGUID", guids[i]);
		script_entry(sv, rq->id, &t.e);
	}
	t.e.count = 0; /* not even that */
	script_entry(sv, rq->id, &t.e);
	send_primary(sv, rq->id);
	/* One UPN, twice; and one that is another's sam@domain. */
	send_named(sv, rq->id, 11, "first", "same@contoso.com");
	send_named(sv, rq->id, 12, "second", "SAME@contoso.com");
	send_named(sv, rq->id, 13, "third", "third@contoso.com");
	send_named(sv, rq->id, 14, "thief", "third@example.com");
	/* One object, twice: the same. */
	script_user(sv, rq->id, 2);
	script_user(sv, rq->id, 2);
	/* Neither user nor group, and with an attribute without a name. */
	entry_begin(&t, 20);
	entry_text(&t, "objectClass", "printQueue");
	entry_text(&t, "", "");
	script_entry(sv, rq->id, &t.e);
	script_reference(sv, rq->id);
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
}

static void test_impossible(void **state)
{
	struct pull_world *w = *state;
	const char *notice = w->s.status.notice[DSS_NOTICE_ENTRIES];
	struct result r;

	assert_int_equal(world_pull(w, 0, impossible), 0);
	assert_non_null(strstr(notice, "4, the first of them \"CN=nobody\\"));
	build(w, &r);
	assert_true(is_published(&r, 2));
	assert_true(is_published(&r, 11));
	assert_false(is_published(&r, 12));
	assert_int_equal(note_of(&r, 12)->reason, DS_WH_NAME_CONFLICT);
	assert_true(is_published(&r, 13));
	assert_false(is_published(&r, 14));
	assert_int_equal(note_of(&r, 14)->reason, DS_WH_NAME_CONFLICT);
	assert_int_equal(world_members(w, 20), -1);
	result_done(&r);
	/* Well again. */
	assert_int_equal(world_pull(w, DS_PULL_FULL, script_two_users), 0);
	assert_string_equal(notice, "");
}

static void bad_members(struct script_server *sv,
			const struct script_request *rq)
{
	struct test_entry t;
	char text[128];

	entry_group(&t, 30, "group");
	(void)member_dn(1, text);
	entry_text(&t, "member;range=1-1", text);
	entry_text(&t, "member;range=1-1", "<GUID=zz>;CN=x");
	entry_text(&t, "member;range=x", "y");
	entry_text(&t, "member;range=9-1", "y");
	entry_text(&t, "member;lang-en", "CN=a plain one");
	script_entry(sv, rq->id, &t.e);
	if (rq->dirsync)
		script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
	else
		script_done(sv, rq->id, LDAP_SUCCESS);
}

static void test_members(void **state)
{
	struct pull_world *w = *state;
	struct result r;

	assert_int_equal(world_pull(w, 0, bad_members), 0);
	build(w, &r);
	assert_int_equal(r.model.ngroups, 1);
	assert_non_null(strstr(note_of(&r, 30)->detail, "member"));
	result_done(&r);
}

/* 50,000 members by 1,500, as Windows has it (MaxValRange). */
#define CROWD (unit_step() > 1 ? 5000u : 50000u)
#define SLICE 1500
static void crowd(struct script_server *sv, const struct script_request *rq)
{
	unsigned first = 0, last;
	char name[64];

	(void)sscanf(rq->last_attr, "member;range=%u-", &first);
	last = first + SLICE - 1;
	if (last >= CROWD - 1)
		(void)snprintf(name, sizeof(name), "member;range=%u-*", first);
	else
		(void)snprintf(name, sizeof(name), "member;range=%u-%u", first,
			       last);
	script_group(sv, rq->id, 30, name, first,
		     last < CROWD ? last : CROWD - 1);
	if (rq->dirsync)
		script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
	else
		script_done(sv, rq->id, LDAP_SUCCESS);
}

static void test_crowd(void **state)
{
	struct pull_world *w = *state;

	assert_int_equal(world_pull(w, 0, crowd), 0);
	assert_int_equal(world_members(w, 30), CROWD);
	/* Each begins with the last member of the one before. */
	assert_int_equal(w->server.step,
			 1 + (CROWD - 1 + SLICE - 2) / (SLICE - 1));
}

/* ---- connection games ---- */

static void no_control(struct script_server *sv,
		       const struct script_request *rq)
{
	script_user(sv, rq->id, 7);
	script_done(sv, rq->id, LDAP_SUCCESS);
}

static void wrong_kind(struct script_server *sv,
		       const struct script_request *rq)
{
	script_end(sv, rq->id, LDAP_RES_EXTENDED, LDAP_PROTOCOL_ERROR, NULL,
		   NULL);
}

static void dies(struct script_server *sv, const struct script_request *rq)
{
	script_user(sv, rq->id, 7);
	(void)shutdown(sv->fd, SHUT_RDWR);
}

static void resets(struct script_server *sv, const struct script_request *rq)
{
	const struct linger at_once = { .l_onoff = 1 };

	script_user(sv, rq->id, 7);
	(void)setsockopt(sv->fd, SOL_SOCKET, SO_LINGER, &at_once,
			 sizeof(at_once));
	/* The thread that serves it closes it. */
	sv->over = true;
}

static void garbage(struct script_server *sv, const struct script_request *rq)
{
	script_user(sv, rq->id, 7);
	script_bytes(sv, "\x30\x84\xff\xff\xff\xff\x02", 7);
	(void)shutdown(sv->fd, SHUT_RDWR);
}

/* 1 GiB is announced, and nothing of it comes: nobody waits for that. */
static void too_large(struct script_server *sv,
		      const struct script_request *rq)
{
	(void)rq;
	script_bytes(sv, "\x30\x84\x40\x00\x00\x00\x02", 7);
}

static void no_ber(struct script_server *sv, const struct script_request *rq)
{
	(void)rq;
	script_bytes(sv, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	(void)shutdown(sv->fd, SHUT_RDWR);
}

static void busy(struct script_server *sv, const struct script_request *rq)
{
	script_done(sv, rq->id, LDAP_BUSY);
}

/* Half a cookie's worth: the pages end in the middle. */
static void dies_between(struct script_server *sv,
			 const struct script_request *rq)
{
	script_user(sv, rq->id, 7);
	if (rq->cookie[0] && strcmp(rq->cookie, "cookie-2") != 0)
		(void)shutdown(sv->fd, SHUT_RDWR);
	else
		script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 1, "half");
}

/* Whatever ends a pull: the store is what it was, and the next one goes on. */
static void test_failures(void **state)
{
	struct pull_world *w = *state;
	static const struct {
		const char *name;
		script_fn script;
		bool tcp;
	} games[] = {
		{ "no control", no_control, false },
		{ "wrong kind", wrong_kind, false },
		{ "dies", dies, false },
		{ "dies between", dies_between, false },
		{ "resets", resets, true },
		{ "garbage", garbage, false },
		{ "too large", too_large, false },
		{ "no BER", no_ber, false },
		{ "busy", busy, false },
	};

	assert_int_equal(world_pull(w, 0, script_two_users), 0);
	for (size_t i = 0; i < sizeof(games) / sizeof(games[0]); i++) {
		w->tcp = games[i].tcp;
		if (world_pull(w, 0, games[i].script) == 0)
			fail_msg("%s", games[i].name);
		assert_int_equal(world_objects(w), 2);
		assert_int_not_equal(dss_conn_text(w->s.conn)[0], 0);
		assert_null(strstr(dss_conn_text(w->s.conn), "in time"));
	}
	w->tcp = false;
	assert_int_equal(world_pull(w, 0, script_two_users), 0);
	assert_string_equal(w->server.last[0].cookie, "cookie-2");
}

/* A page's second half never comes. */
static void half_a_listing(struct script_server *sv,
			   const struct script_request *rq)
{
	if (rq->dirsync) {
		script_done(sv, rq->id, LDAP_INSUFFICIENT_ACCESS);
		return;
	}
	for (unsigned n = 1; n <= 30 && !rq->cookie[0]; n++)
		script_user(sv, rq->id, n);
	if (rq->cookie[0])
		(void)shutdown(sv->fd, SHUT_RDWR);
	else
		script_done_with(sv, rq->id, SCRIPT_PAGED, 0, "page-2");
}

static void test_death_between_pages(void **state)
{
	struct pull_world *w = *state;

	assert_int_not_equal(world_pull(w, 0, half_a_listing), 0);
	assert_int_equal(world_objects(w), 0);
	assert_false(dss_pull_complete(&w->s));
}

/* One byte at a time is slow, and no reason to give up. */
static void test_trickle(void **state)
{
	struct pull_world *w = *state;

	w->server.trickle = true;
	assert_int_equal(world_pull(w, 0, script_two_users), 0);
	assert_int_equal(world_objects(w), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_attributes),
		WORLD_TEST(test_impossible),
		WORLD_TEST(test_members),
		WORLD_TEST(test_crowd),
		WORLD_TEST(test_failures),
		WORLD_TEST(test_death_between_pages),
		WORLD_TEST(test_trickle),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

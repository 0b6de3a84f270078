/*
 * Pulls that lose something: objects, a base, what the account may read, a
 * history.  What is held back, what is not, and what an administrator says.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <signal.h>

#include "tests/unit/pull_world.h"

/* ---- objects that are gone ---- */

static void many(struct script_server *sv, const struct script_request *rq)
{
	for (unsigned n = 1; n <= 60; n++)
		script_user(sv, rq->id, n);
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
}

/* The account may read next to nothing any more. */
static void test_valve(void **state)
{
	struct pull_world *w = *state;

	assert_int_equal(world_pull(w, 0, many), 0);
	assert_int_equal(world_pull(w, DS_PULL_FULL, script_two_users), 0);
	assert_int_equal(world_objects(w), 60);
	assert_int_equal(world_pull(w, DS_PULL_FULL | DS_PULL_ACCEPT_DELETES,
				    script_two_users),
			 0);
	assert_int_equal(world_objects(w), 2);
}

/* Of the many, five are gone; and so is the base, or not. */
static void all_but_five(struct script_server *sv,
			 const struct script_request *rq)
{
	for (unsigned n = 6; n <= 60; n++)
		script_user(sv, rq->id, n);
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
}

static void base_says(struct script_server *sv,
		      const struct script_request *rq, int code)
{
	if (strcmp(rq->base, SCRIPT_BASE_DN) != 0)
		script_done(sv, rq->id, code);
	else
		all_but_five(sv, rq);
}

static void base_gone(struct script_server *sv,
		      const struct script_request *rq)
{
	base_says(sv, rq, LDAP_NO_SUCH_OBJECT);
}

/* Not readable: no error, and no entry. */
static void base_hidden(struct script_server *sv,
			const struct script_request *rq)
{
	base_says(sv, rq, LDAP_SUCCESS);
}

static void base_there(struct script_server *sv,
		       const struct script_request *rq)
{
	if (strcmp(rq->base, SCRIPT_BASE_DN) != 0)
		script_user(sv, rq->id, 6);
	base_says(sv, rq, LDAP_SUCCESS);
}

/* Five are few enough for the valve; not where their base is gone, too. */
static void test_vanished_base(void **state)
{
	static char ou[] = "OU=AADDC Users," SCRIPT_BASE_DN;
	char *bases[] = { ou, NULL };
	struct pull_world *w = *state;
	const char *notice = w->s.status.notice[DSS_NOTICE_BASES];

	assert_int_equal(world_pull(w, 0, many), 0);
	w->s.config.sync.bases = bases;
	assert_int_equal(world_pull(w, DS_PULL_FULL, base_gone), 0);
	assert_non_null(strstr(notice, ou));
	assert_int_equal(world_objects(w), 60);
	assert_int_equal(world_pull(w, DS_PULL_FULL, base_hidden), 0);
	assert_non_null(strstr(notice, ou));
	assert_int_equal(world_objects(w), 60);
	/* It is back without them: they wait to be let go all the same. */
	assert_int_equal(world_pull(w, DS_PULL_FULL, base_there), 0);
	assert_string_equal(notice, "");
	assert_int_equal(world_objects(w), 60);
	assert_int_equal(
	    world_pull(w, DS_PULL_FULL | DS_PULL_ACCEPT_DELETES, base_there),
	    0);
	assert_int_equal(world_objects(w), 55);
}

static void test_base_is_there(void **state)
{
	static char ou[] = "OU=AADDC Users," SCRIPT_BASE_DN;
	char *bases[] = { ou, NULL };
	struct pull_world *w = *state;

	w->s.config.sync.bases = bases;
	assert_int_equal(world_pull(w, 0, many), 0);
	assert_int_equal(world_pull(w, DS_PULL_FULL, base_there), 0);
	assert_int_equal(world_objects(w), 55);
}

/* No change, and nobody that is asked for by GUID but user 1. */
static void looked_for(struct script_server *sv,
		       const struct script_request *rq)
{
	if (rq->dirsync) {
		script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
	} else if (strstr(rq->base, "<GUID=070100d5")) {
		script_user(sv, rq->id, 1);
		script_done(sv, rq->id, LDAP_SUCCESS);
	} else {
		script_done(sv, rq->id, LDAP_NO_SUCH_OBJECT);
	}
}

static void dies(struct script_server *sv, const struct script_request *rq)
{
	script_user(sv, rq->id, 7);
	sv->over = true;
}

/* What a live look missed goes, alone, and only as far as the valve lets it.
 */
static void test_asked(void **state)
{
	struct pull_world *w = *state;

	assert_int_equal(world_pull(w, 0, many), 0);
	w->s.asked[0] = test_guid(1); /* it is there again */
	w->s.asked[1] = test_guid(2);
	w->s.asked[2] = test_guid(99); /* nobody we know */
	w->s.nasked = 3;
	assert_int_not_equal(world_pull(w, 0, dies), 0);
	assert_int_equal(w->s.nasked, 3);
	assert_int_equal(world_pull(w, 0, looked_for), 0);
	assert_int_equal(w->s.nasked, 0);
	assert_int_equal(world_objects(w), 59);
	assert_int_equal(world_members(w, 1), 0);
	assert_int_equal(world_members(w, 2), -1);
	/* One by one: 12 of 60 are 20 percent. */
	for (unsigned n = 3; n < 20; n++) {
		w->s.asked[0] = test_guid(n);
		w->s.nasked = 1;
		assert_int_equal(world_pull(w, 0, looked_for), 0);
	}
	assert_int_equal(world_objects(w), 48);
}

/* ---- attributes that are not to be read any more ---- */

/* What the account may read less than before, in the scripts below. */
static const char *unreadable;
static unsigned first_told, last_told; /* a delta's users */
static unsigned crowd = 60;            /* who there are in a load */

static void send_less(struct script_server *sv, int id, unsigned n)
{
	struct test_entry t;
	char sam[16];
	size_t kept = 0;

	(void)snprintf(sam, sizeof(sam), "user%u", n);
	entry_user(&t, n, sam);
	for (size_t i = 0; i < t.e.count; i++) {
		if (!unreadable || strcmp(t.attrs[i].name, unreadable) != 0)
			t.attrs[kept++] = t.attrs[i];
	}
	t.e.count = kept;
	script_entry(sv, id, &t.e);
}

/* All users, one by one where they are asked for so. */
static void faded(struct script_server *sv, const struct script_request *rq)
{
	unsigned first, second;

	if (rq->dirsync) {
		for (unsigned n = 1; n <= crowd; n++)
			send_less(sv, rq->id, n);
		script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
		return;
	}
	if (sscanf(rq->base, "<GUID=07%2x%2xd5", &first, &second) == 2)
		send_less(sv, rq->id, second << 8 | first);
	script_done(sv, rq->id, LDAP_SUCCESS);
}

/* A delta that tells of each that the attribute has no value. */
static void emptied(struct script_server *sv, const struct script_request *rq)
{
	for (unsigned n = first_told; n <= last_told && rq->dirsync; n++) {
		struct test_entry t;

		entry_begin(&t, n);
		entry_attr(&t, unreadable);
		script_entry(sv, rq->id, &t.e);
	}
	if (rq->dirsync)
		script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "d");
	else
		faded(sv, rq);
}

static uint32_t present(struct pull_world *w, unsigned n)
{
	struct dss_object obj;
	bool there;

	dss_txn_abort(world_object(w, n, &obj, &there));
	assert_true(there);
	return obj.present;
}

/* A right is withdrawn, and a load would begin each object blank. */
static void test_faded_load(void **state)
{
	struct pull_world *w = *state;
	const char *notice = w->s.status.notice[DSS_NOTICE_FADED];

	unreadable = NULL;
	assert_int_equal(world_pull(w, 0, faded), 0);
	unreadable = "userAccountControl";
	assert_int_equal(world_pull(w, DS_PULL_FULL, faded), DS_ERR_DENIED);
	assert_true(present(w, 1) & DSS_F_UAC);
	assert_non_null(strstr(notice, "60 of 60 objects, \"user1\""));
	assert_non_null(strstr(notice, ": userAccountControl."));
	assert_non_null(strstr(notice, "sync --full --accept-deletes"));
	assert_non_null(strstr(w->s.why, "userAccountControl"));
	/* What changes goes on, and the load is still to be mended. */
	first_told = 1;
	last_told = 0;
	assert_int_equal(world_pull(w, 0, emptied), 0);
	assert_string_not_equal(notice, "");
	assert_int_equal(
	    world_pull(w, DS_PULL_FULL | DS_PULL_ACCEPT_DELETES, faded), 0);
	assert_false(present(w, 1) & DSS_F_UAC);
	assert_string_equal(notice, "");
	/* It is back. */
	unreadable = NULL;
	assert_int_equal(world_pull(w, DS_PULL_FULL, faded), 0);
	assert_true(present(w, 1) & DSS_F_UAC);
}

/* So many that they are not remembered one by one. */
static void test_faded_crowd(void **state)
{
	struct pull_world *w = *state;
	const char *notice = w->s.status.notice[DSS_NOTICE_FADED];

	crowd = DSS_STORED_FEW + 200;
	unreadable = NULL;
	assert_int_equal(world_pull(w, 0, faded), 0);
	unreadable = "userAccountControl";
	assert_int_equal(world_pull(w, DS_PULL_FULL, faded), DS_ERR_DENIED);
	assert_non_null(strstr(notice, "1200 of 1200 objects, \"user1\""));
	crowd = 60;
	assert_true(present(w, 1) & DSS_F_UAC);
}

/* The same by changes, and little by little: 12 of 60 are 20 percent. */
static void test_faded_changes(void **state)
{
	struct pull_world *w = *state;
	const char *notice = w->s.status.notice[DSS_NOTICE_FADED];

	unreadable = NULL;
	assert_int_equal(world_pull(w, 0, faded), 0);
	unreadable = "accountExpires";
	first_told = 1;
	last_told = 60; /* which had none: nothing is lost */
	assert_int_equal(world_pull(w, 0, emptied), 0);
	unreadable = "primaryGroupID";
	last_told = 8;
	assert_int_equal(world_pull(w, 0, emptied), 0);
	assert_false(present(w, 8) & DSS_F_PRIMARY);
	first_told = 9;
	last_told = 12;
	assert_int_equal(world_pull(w, 0, emptied), 0);
	first_told = last_told = 13;
	assert_int_equal(world_pull(w, 0, emptied), DS_ERR_DENIED);
	assert_true(present(w, 13) & DSS_F_PRIMARY);
	assert_non_null(strstr(notice, "13 of 60 objects"));
	/* Until it is accepted, or told otherwise. */
	last_told = 12;
	assert_int_equal(world_pull(w, 0, emptied), 0);
	assert_string_equal(notice, "");
	last_told = 13;
	assert_int_equal(world_pull(w, DS_PULL_ACCEPT_DELETES, emptied), 0);
	assert_false(present(w, 13) & DSS_F_PRIMARY);
}

/* Groups 100 .. 139 of user 1 and one another; and what they are without. */
static void send_groups(struct script_server *sv,
			const struct script_request *rq, bool members,
			unsigned member)
{
	for (unsigned n = 100; n < 140 && rq->dirsync; n++) {
		if (members) {
			script_group(sv, rq->id, n, "member;range=1-1", member,
				     member);
		} else {
			struct test_entry t;

			entry_group(&t, n, "team");
			script_entry(sv, rq->id, &t.e);
		}
	}
	faded(sv, rq);
}

static void full_groups(struct script_server *sv,
			const struct script_request *rq)
{
	send_groups(sv, rq, true, 1);
}

static void empty_groups(struct script_server *sv,
			 const struct script_request *rq)
{
	send_groups(sv, rq, false, 0);
}

static void foreign_groups(struct script_server *sv,
			   const struct script_request *rq)
{
	send_groups(sv, rq, true, 900);
}

static void test_faded_members(void **state)
{
	struct pull_world *w = *state;

	unreadable = NULL;
	assert_int_equal(world_pull(w, 0, full_groups), 0);
	assert_int_equal(world_members(w, 100), 1);
	assert_int_equal(world_pull(w, DS_PULL_FULL, empty_groups),
			 DS_ERR_DENIED);
	assert_int_equal(world_members(w, 100), 1);
	/* Who was a member is gone, or never was to be seen. */
	assert_int_equal(world_pull(w, DS_PULL_FULL, foreign_groups), 0);
	assert_int_equal(world_pull(w, DS_PULL_FULL, empty_groups), 0);
	assert_int_equal(world_members(w, 100), 0);
}

/* ---- ids that come from a history ---- */

#define OLD_DOMAIN "S-1-5-21-11-22-33"
static unsigned old_rid; /* of user 1's history; 0: it shows none */

static void with_history(struct script_server *sv,
			 const struct script_request *rq)
{
	uint8_t bin[DS_SID_BIN_MAX];
	struct ds_sid domain, sid;
	struct test_entry t;

	entry_user(&t, 1, "user1");
	entry_attr(&t, "sIDHistory");
	assert_int_equal(ds_sid_parse_str(OLD_DOMAIN, &domain), 0);
	if (old_rid && ds_sid_join(&domain, old_rid, &sid) == 0)
		entry_value(&t, bin, ds_sid_to_bin(&sid, bin));
	script_entry(sv, rq->id, &t.e);
	if (rq->dirsync)
		script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
	else
		script_done(sv, rq->id, LDAP_SUCCESS);
}

/* The RID of user 1's history in the store, and whether that is kept. */
static unsigned stored_rid(struct pull_world *w, bool *ret_kept)
{
	struct ds_sid domain, sid;
	struct dss_object obj;
	uint32_t rid = 0;
	bool there;
	struct dss_txn *txn = world_object(w, 1, &obj, &there);

	assert_true(there);
	*ret_kept = obj.flags & DSS_OBJ_HISTORY;
	if (obj.nhistory == 1 &&
	    ds_sid_parse_bin(obj.history + 4, obj.history_len - 4, &sid) == 0)
		assert_int_equal(ds_sid_split(&sid, &domain, &rid), 0);
	dss_txn_abort(txn);
	return rid;
}

/* One object's id does not move because its history is not shown. */
static void test_kept_id(void **state)
{
	static char old_domain[] = OLD_DOMAIN;
	static char *domains[] = { old_domain, NULL };
	const uint32_t how[] = { 0, DS_PULL_FULL };
	struct pull_world *w = *state;
	bool kept;

	w->s.config.identity.id_mapping = DS_IDMAP_SIDHISTORY;
	w->s.config.identity.sid_history_domains = domains;
	for (size_t i = 0; i < 2; i++) {
		old_rid = 1234;
		assert_int_equal(world_pull(w, DS_PULL_FULL, with_history), 0);
		assert_int_equal(stored_rid(w, &kept), 1234);
		assert_false(kept);
		/* It is cleared, or another one's. */
		for (unsigned rid = 0; rid <= 77; rid += 77) {
			old_rid = rid;
			assert_int_equal(world_pull(w, how[i], with_history),
					 0);
			assert_int_equal(stored_rid(w, &kept), 1234);
			assert_true(kept);
		}
		/* It is back. */
		old_rid = 1234;
		assert_int_equal(world_pull(w, how[i], with_history), 0);
		assert_int_equal(stored_rid(w, &kept), 1234);
		assert_false(kept);
		/* Gone again, and so be it: by either word. */
		old_rid = 0;
		assert_int_equal(world_pull(w, how[i], with_history), 0);
		assert_int_equal(stored_rid(w, &kept), 1234);
		w->s.renumber = i == 0;
		assert_int_equal(
		    world_pull(w, i == 0 ? 0 : DS_PULL_ACCEPT_DELETES,
			       with_history),
		    0);
		w->s.renumber = false;
		assert_int_equal(stored_rid(w, &kept), 0);
		assert_false(kept);
	}
	/* Where ids do not come from it, it is not kept. */
	old_rid = 1234;
	assert_int_equal(world_pull(w, DS_PULL_FULL, with_history), 0);
	w->s.config.identity.id_mapping = DS_IDMAP_SID;
	old_rid = 0;
	assert_int_equal(world_pull(w, DS_PULL_FULL, with_history), 0);
	assert_int_equal(stored_rid(w, &kept), 0);
}

/* Sixty users that come from somewhere else, until nobody may read that. */
static void from_elsewhere(struct script_server *sv,
			   const struct script_request *rq)
{
	uint8_t bin[DS_SID_BIN_MAX];
	struct ds_sid domain, sid;
	struct test_entry t;

	assert_int_equal(ds_sid_parse_str(OLD_DOMAIN, &domain), 0);
	for (unsigned n = 1; n <= 60; n++) {
		entry_user(&t, n, "user");
		assert_int_equal(ds_sid_join(&domain, n, &sid), 0);
		if (!unreadable)
			entry_attr(&t, "sIDHistory");
		if (!unreadable)
			entry_value(&t, bin, ds_sid_to_bin(&sid, bin));
		script_entry(sv, rq->id, &t.e);
	}
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
}

/* Where the origin says who is shown, nobody comes from nowhere. */
static void test_faded_origin(void **state)
{
	struct pull_world *w = *state;
	const int origins[] = { DS_ORIGIN_CLOUD, DS_ORIGIN_ONPREM };

	for (size_t i = 0; i < 2; i++) {
		w->s.config.sync.origin = origins[i];
		unreadable = NULL;
		assert_int_equal(world_pull(w, DS_PULL_FULL, from_elsewhere),
				 0);
		unreadable = "sIDHistory";
		assert_int_equal(world_pull(w, DS_PULL_FULL, from_elsewhere),
				 DS_ERR_DENIED);
		assert_non_null(strstr(w->s.why, "sIDHistory"));
	}
	w->s.config.sync.origin = DS_ORIGIN_ALL;
	assert_int_equal(world_pull(w, DS_PULL_FULL, from_elsewhere), 0);
}

/* ---- little by little ---- */

static void tombstones(struct script_server *sv,
		       const struct script_request *rq)
{
	for (unsigned n = first_told; n <= last_told && rq->dirsync; n++) {
		struct test_entry t;

		entry_begin(&t, n);
		entry_text(&t, "isDeleted", "TRUE");
		script_entry(sv, rq->id, &t.e);
	}
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "d");
}

/* Each pull alone is harmless; 12 of 60 are 20 percent. */
static void test_many_small_deletions(void **state)
{
	struct pull_world *w = *state;
	bool rebuilt;

	assert_int_equal(world_pull(w, 0, many), 0);
	for (first_told = 1; first_told <= 13; first_told += 4) {
		last_told = first_told + 3;
		assert_int_equal(world_pull(w, 0, tombstones), 0);
		/* A restart is no new beginning. */
		dss_store_close(w->s.store);
		assert_int_equal(dss_store_open(w->dir, &rebuilt, &w->s.store),
				 0);
	}
	assert_int_equal(world_objects(w), 48);
	assert_int_equal(world_members(w, 12), -1);
	assert_int_equal(world_members(w, 13), 0);
	/* A look at everything is. */
	assert_int_equal(world_pull(w, DS_PULL_FULL, all_but_five), 0);
	first_told = 20;
	last_told = 25;
	assert_int_equal(world_pull(w, 0, tombstones), 0);
	assert_int_equal(world_members(w, 20), -1);
}

/* All from the first that is told on. */
static void fewer(struct script_server *sv, const struct script_request *rq)
{
	for (unsigned n = first_told; n <= 60; n++)
		script_user(sv, rq->id, n);
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
}

/* Where nobody asked for it, a look at everything is no new beginning. */
static void test_many_full_loads(void **state)
{
	struct pull_world *w = *state;

	assert_int_equal(world_pull(w, 0, many), 0);
	for (first_told = 11; first_told <= 51; first_told += 10) {
		w->server.invocation++;
		assert_int_equal(world_pull(w, 0, fewer), 0);
		assert_string_equal(w->server.last[0].cookie, "");
	}
	assert_int_equal(world_objects(w), 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_valve),
		WORLD_TEST(test_vanished_base),
		WORLD_TEST(test_base_is_there),
		WORLD_TEST(test_asked),
		WORLD_TEST(test_faded_load),
		WORLD_TEST(test_faded_crowd),
		WORLD_TEST(test_faded_changes),
		WORLD_TEST(test_faded_members),
		WORLD_TEST(test_kept_id),
		WORLD_TEST(test_faded_origin),
		WORLD_TEST(test_many_small_deletions),
		WORLD_TEST(test_many_full_loads),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

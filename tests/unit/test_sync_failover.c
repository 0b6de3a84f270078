/*
 * Another server, from the cookie of the one before, and one that falls
 * silent.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <sys/socket.h>

#include "tests/unit/pull_world.h"

/* A group and a user changed, as another server tells it. */
static void elsewhere(struct script_server *sv,
		      const struct script_request *rq)
{
	if (rq->dirsync) {
		script_user(sv, rq->id, 1);
		script_group(sv, rq->id, 30, "member;range=1-1", 1, 1);
		script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "c");
	} else if (strcmp(rq->first_attr, "objectGUID") == 0 &&
		   strstr(rq->base, "<GUID=071e00d5")) {
		script_group(sv, rq->id, 30, "member", 1, 1);
		script_done(sv, rq->id, LDAP_SUCCESS);
	} else {
		script_user(sv, rq->id, 1);
		script_done(sv, rq->id, LDAP_SUCCESS);
	}
}

static void group_of_three(struct script_server *sv,
			   const struct script_request *rq)
{
	for (unsigned n = 1; n <= 3; n++)
		script_user(sv, rq->id, n);
	script_group(sv, rq->id, 30, "member;range=1-1", 1, 3);
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "from dc1");
}

static void a_thousand(struct script_server *sv,
		       const struct script_request *rq)
{
	for (unsigned n = 1; n <= 1000; n++)
		script_user(sv, rq->id, n);
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "from dc3");
}

/* Another server goes on from the cookie; what it tells is read whole. */
static void test_another_server(void **state)
{
	struct pull_world *w = *state;

	assert_int_equal(world_pull(w, 0, group_of_three), 0);
	assert_int_equal(world_members(w, 30), 3);
	strcpy(w->s.status.server, "dc2.example.com");
	assert_int_equal(world_pull(w, 0, elsewhere), 0);
	assert_string_equal(w->server.last[0].cookie, "from dc1");
	/* Two that left the group meanwhile are not in its delta. */
	assert_int_equal(world_members(w, 30), 1);
	assert_int_equal(world_objects(w), 4);
	assert_int_equal(w->server.step, 3);
	/* The next time it is the same server's, and taken as it comes. */
	assert_int_equal(world_pull(w, 0, elsewhere), 0);
	assert_int_equal(w->server.step, 1);
	/* One that tells everything again is loaded from the start. */
	strcpy(w->s.status.server, "dc3.example.com");
	assert_int_equal(world_pull(w, 0, a_thousand), 0);
	assert_string_equal(w->server.last[0].cookie, "c");
	assert_string_equal(w->server.last[1].cookie, "");
	assert_int_equal(w->server.step, 2);
	assert_int_equal(world_objects(w), 1000);
}

struct silence {
	struct script_server *server;
	int asked, answer_at;
};

static void says_nothing(struct script_server *sv,
			 const struct script_request *rq)
{
	(void)sv;
	(void)rq;
}

/* The second look at the silent server; it may answer then. */
static int on_silence(void *arg)
{
	struct silence *silence = arg;

	if (++silence->asked == silence->answer_at)
		script_done(silence->server, 1, LDAP_SUCCESS);
	return silence->answer_at ? DS_OK : DS_ERR_TIMEOUT;
}

static int no_entry(void *arg, const struct dss_entry *entry)
{
	(void)arg;
	(void)entry;
	return DS_OK;
}

/* A server that lives may take its time; one that hangs may not. */
static void test_silence(void **state)
{
	const struct dss_waiter waiter = { script_wait, NULL };
	struct pull_world *w = *state;
	struct silence silence = { &w->server, 0, 3 };
	const struct dss_search search = {
		.base = "DC=x",
		.filter = "(objectClass=*)",
		.entry = no_entry,
		.silence_ms = 20,
		.silent = on_silence,
		.silent_arg = &silence,
	};
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	script_start(&w->server, pair[1], says_nothing);
	assert_int_equal(
	    dss_conn_new(pair[0], "dc1.example.com", &waiter, &w->s.conn), 0);
	assert_int_equal(dss_conn_search(w->s.conn, &search, false), 0);
	assert_int_equal(silence.asked, 3);
	silence = (struct silence){ &w->server, 0, 0 };
	assert_int_equal(dss_conn_search(w->s.conn, &search, false),
			 DS_ERR_TIMEOUT);
	assert_int_equal(silence.asked, 1);
	/* Nor for ever. */
	silence = (struct silence){ &w->server, 0, -1 };
	assert_int_equal(dss_conn_search(w->s.conn, &search, false),
			 DS_ERR_TIMEOUT);
	assert_int_equal(silence.asked, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_another_server),
		WORLD_TEST(test_silence),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * A store, and pulls into it from a scripted server.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TEST_PULL_WORLD_H
#define TEST_PULL_WORLD_H

#include "synccache/sync/mirror.h"
#include "synccache/sync/sync.h"
#include "tests/unit/ldap_script.h"

struct pull_world {
	struct dss_sync s;
	struct script_server server;
	char dir[64];
	bool tcp; /* the server is reached by TCP, not by a socket pair */
};

int world_setup(void **state);
int world_teardown(void **state);
#define WORLD_TEST(t)                                                         \
	cmocka_unit_test_setup_teardown(t, world_setup, world_teardown)

/* One pull from a fresh connection to a server that follows the script. */
int world_pull(struct pull_world *w, uint32_t flags, script_fn script);
size_t world_objects(struct pull_world *w);
/* The n-th object, if it is there: borrowed until the caller aborts. */
struct dss_txn *world_object(struct pull_world *w, unsigned n,
			     struct dss_object *ret_obj, bool *ret_there);
/* How many members the n-th object has; -1: it is not there. */
int world_members(struct pull_world *w, unsigned n);

/* Two users by DirSync, cookie "cookie-2". */
void script_two_users(struct script_server *sv,
		      const struct script_request *rq);

#endif

/*
 * The world of pull_world.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/pull_world.h"

/* The loop's; never the same. */
uint32_t dss_chance(void)
{
	static uint32_t seed;

	return seed += 2654435761u;
}

int world_setup(void **state)
{
	struct pull_world *w = calloc(1, sizeof(*w));
	bool rebuilt;

	if (!w)
		return -1;
	strcpy(w->dir, "/tmp/dssync-test-XXXXXX");
	if (!mkdtemp(w->dir) ||
	    dss_store_open(w->dir, &rebuilt, &w->s.store) != 0)
		return -1;
	default_config(&w->s.config);
	strcpy(w->s.domain.base_dn, SCRIPT_BASE_DN);
	strcpy(w->s.domain.netbios, "EXAMPLE");
	strcpy(w->s.status.server, "dc1.example.com");
	w->server.invocation = 'i';
	*state = w;
	return ds_sid_parse_str(DOMAIN_SID, &w->s.domain.sid);
}

static void disconnect(struct pull_world *w)
{
	if (!w->s.conn)
		return;
	dss_conn_free(w->s.conn);
	w->s.conn = NULL;
	script_join(&w->server);
}

int world_teardown(void **state)
{
	struct pull_world *w = *state;

	disconnect(w);
	dss_store_close(w->s.store);
	(void)!dss_store_remove(w->dir);
	(void)rmdir(w->dir);
	free(w);
	return 0;
}

/* A connection by TCP, which can be reset. */
static void tcp_pair(int pair[2])
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sin, &len), 0);
	pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(pair[0], (struct sockaddr *)&sin, len), 0);
	pair[1] = accept(fd, NULL, NULL);
	assert_true(pair[1] >= 0);
	assert_int_equal(close(fd), 0);
}

int world_pull(struct pull_world *w, uint32_t flags, script_fn script)
{
	const struct dss_waiter waiter = { script_wait, NULL };
	bool changed = false;
	int pair[2];

	disconnect(w);
	if (w->tcp)
		tcp_pair(pair);
	else
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	script_start(&w->server, pair[1], script);
	assert_int_equal(
	    dss_conn_new(pair[0], "dc1.example.com", &waiter, &w->s.conn), 0);
	return dss_pull(&w->s, flags, &changed);
}

size_t world_objects(struct pull_world *w)
{
	struct dss_txn *txn;
	size_t count = 0;

	assert_int_equal(dss_txn_begin(w->s.store, false, &txn), 0);
	assert_int_equal(dss_txn_count(txn, &count), 0);
	dss_txn_abort(txn);
	return count;
}

struct dss_txn *world_object(struct pull_world *w, unsigned n,
			     struct dss_object *ret_obj, bool *ret_there)
{
	struct ds_guid guid = test_guid(n);
	struct dss_txn *txn;
	const uint8_t *data;
	size_t len;

	assert_int_equal(dss_txn_begin(w->s.store, false, &txn), 0);
	*ret_there = dss_txn_get(txn, &guid, &data, &len) == 0;
	if (*ret_there)
		assert_int_equal(dss_object_decode(&guid, data, len, ret_obj),
				 0);
	return txn;
}

int world_members(struct pull_world *w, unsigned n)
{
	struct dss_object obj;
	bool there;
	struct dss_txn *txn = world_object(w, n, &obj, &there);
	int count = there ? (int)obj.nmembers : -1;

	dss_txn_abort(txn);
	return count;
}

void script_two_users(struct script_server *sv,
		      const struct script_request *rq)
{
	script_user(sv, rq->id, 1);
	script_user(sv, rq->id, 2);
	script_done_with(sv, rq->id, SCRIPT_DIRSYNC, 0, "cookie-2");
}

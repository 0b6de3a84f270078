/*
 * Whole pulls from a scripted server that does what Samba never does: DirSync
 * in several replies, cookies and DirSync refused, members in slices, pages,
 * referrals, answers of the wrong kind, hostile entries, a connection that
 * dies.  It speaks LDAP over a socket pair to the real client; only the bind
 * is left out.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <lber.h>
#include <ldap.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/sync/mirror.h"
#include "synccache/sync/sync.h"
#include "tests/unit/sync_entry.h"

#define DIRSYNC "1.2.840.113556.1.4.841"
#define PAGED   "1.2.840.113556.1.4.319"
#define BASE_DN "DC=example,DC=com"
#define SERVICE "CN=NTDS Settings,CN=DC1"

struct request {
	int id;
	char base[256], first_attr[64], last_attr[64];
	bool dirsync, paged, narrowed;
	char cookie[64];
};

struct server {
	int fd;
	int step; /* searches so far, the root DSE's apart */
	void (*serve)(struct server *sv, const struct request *rq);
	char invocation; /* its invocationId is 16 of these */
	struct request last[32];
};

struct world {
	struct dss_sync s;
	struct server server;
	pthread_t thread;
	char dir[64];
};

/* ---- what pull.c needs of its neighbours ---- */

void dss_status_changed(struct dss_sync *s)
{
	(void)s;
}

void dss_status_state(struct dss_sync *s, enum dss_state state,
		      const char *phase)
{
	s->status.state = state;
	s->status.phase = phase;
}

static int wait_fd(void *arg, int fd, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int64_t left = deadline_ms - ds_now_ms();

	(void)arg;
	return poll(&pfd, 1, left > 0 ? (int)left : 0) > 0 ? DS_OK
							   : DS_ERR_TIMEOUT;
}

/* ---- the server's answers ---- */

static void flush(struct server *sv, BerElement *ber)
{
	struct berval out;
	size_t sent = 0;

	if (ber_flatten2(ber, &out, 0) != 0)
		abort();
	while (sent < out.bv_len) {
		ssize_t n = send(sv->fd, out.bv_val + sent, out.bv_len - sent,
				 MSG_NOSIGNAL);

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	ber_free(ber, 1);
}

static BerElement *new_ber(void)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	if (!ber)
		abort();
	return ber;
}

static void send_entry(struct server *sv, int id, const struct dss_entry *e)
{
	BerElement *ber = new_ber();

	(void)ber_printf(ber, "{it{s{", id, LDAP_RES_SEARCH_ENTRY, e->dn);
	for (size_t i = 0; i < e->count; i++) {
		(void)ber_printf(ber, "{s[", e->attrs[i].name);
		for (size_t k = 0; k < e->attrs[i].count; k++)
			(void)ber_printf(
			    ber, "o", (const char *)e->attrs[i].values[k].data,
			    (ber_len_t)e->attrs[i].values[k].len);
		(void)ber_printf(ber, "]}");
	}
	(void)ber_printf(ber, "}}}");
	flush(sv, ber);
}

/* The end of a search; oid NULL: without a control. */
static void send_done(struct server *sv, int id, ber_tag_t tag, int code,
		      const char *oid, const struct berval *value)
{
	BerElement *ber = new_ber();

	(void)ber_printf(ber, "{it{ess}", id, tag, code, "", "scripted");
	if (oid)
		(void)ber_printf(ber, "t{{sO}}", (ber_tag_t)0xa0, oid, value);
	(void)ber_printf(ber, "}");
	flush(sv, ber);
}

static void done(struct server *sv, int id, int code)
{
	send_done(sv, id, LDAP_RES_SEARCH_RESULT, code, NULL, NULL);
}

/* {more, 0, cookie} of DirSync, or {0, cookie} of a page. */
static void done_with(struct server *sv, int id, const char *oid, int more,
		      const char *cookie)
{
	BerElement *ber = new_ber();
	struct berval value;

	if (strcmp(oid, DIRSYNC) == 0)
		(void)ber_printf(ber, "{iis}", more, 0, cookie);
	else
		(void)ber_printf(ber, "{is}", 0, cookie);
	if (ber_flatten2(ber, &value, 0) != 0)
		abort();
	send_done(sv, id, LDAP_RES_SEARCH_RESULT, LDAP_SUCCESS, oid, &value);
	ber_free(ber, 1);
}

static void send_reference(struct server *sv, int id)
{
	BerElement *ber = new_ber();

	(void)ber_printf(ber, "{it{s}}", id, LDAP_RES_SEARCH_REFERENCE,
			 "ldap://evil.example.net/DC=evil");
	flush(sv, ber);
}

static void send_user(struct server *sv, int id, unsigned n)
{
	struct test_entry t;
	char sam[16];

	(void)snprintf(sam, sizeof(sam), "user%u", n);
	entry_user(&t, n, sam);
	send_entry(sv, id, &t.e);
}

static void send_group(struct server *sv, int id, unsigned n,
		       const char *members, unsigned first, unsigned last)
{
	struct test_entry t;
	char text[32][128];

	entry_group(&t, n, "team");
	entry_attr(&t, members);
	for (unsigned i = first; i <= last; i++) {
		member_dn(i, text[i]);
		entry_value(&t, text[i], strlen(text[i]));
	}
	send_entry(sv, id, &t.e);
}

/* ---- the server's ears ---- */

static void read_control(BerElement *ber, struct request *rq)
{
	struct berval oid, value = { 0, NULL };
	ber_tag_t tag;
	ber_len_t len;
	ber_int_t a, b;

	(void)ber_scanf(ber, "{m", &oid);
	tag = ber_peek_tag(ber, &len);
	if (tag == LBER_BOOLEAN) {
		(void)ber_scanf(ber, "b", &a);
		tag = ber_peek_tag(ber, &len);
	}
	if (tag == LBER_OCTETSTRING)
		(void)ber_scanf(ber, "m", &value);
	(void)ber_scanf(ber, "}");
	rq->dirsync |= strcmp(oid.bv_val, DIRSYNC) == 0;
	rq->paged |= strcmp(oid.bv_val, PAGED) == 0;
	if (strcmp(oid.bv_val, DIRSYNC) == 0 ||
	    strcmp(oid.bv_val, PAGED) == 0) {
		BerElement *in = ber_init(&value);
		struct berval cookie = { 0, NULL };

		if (strcmp(oid.bv_val, DIRSYNC) == 0)
			(void)ber_scanf(in, "{iim}", &a, &b, &cookie);
		else
			(void)ber_scanf(in, "{im}", &a, &cookie);
		(void)snprintf(rq->cookie, sizeof(rq->cookie), "%.*s",
			       (int)cookie.bv_len, cookie.bv_val);
		ber_free(in, 1);
	}
}

/* False: nothing that is answered (unbind, abandon). */
static bool read_request(BerElement *ber, struct request *rq)
{
	struct berval base, filter, attr;
	ber_int_t n[5], id;
	ber_tag_t tag;
	ber_len_t len;
	char *cookie;

	memset(rq, 0, sizeof(*rq));
	if (ber_scanf(ber, "it", &id, &tag) == LBER_ERROR ||
	    tag != LDAP_REQ_SEARCH)
		return false;
	rq->id = id;
	(void)ber_scanf(ber, "{meeiib", &base, &n[0], &n[1], &n[2], &n[3],
			&n[4]);
	(void)snprintf(rq->base, sizeof(rq->base), "%s", base.bv_val);
	(void)ber_skip_element(ber, &filter);
	rq->narrowed = memmem(filter.bv_val, filter.bv_len, "uSNChanged", 10);
	for (tag = ber_first_element(ber, &len, &cookie); tag != LBER_DEFAULT;
	     tag = ber_next_element(ber, &len, cookie)) {
		(void)ber_scanf(ber, "m", &attr);
		if (!rq->first_attr[0])
			(void)snprintf(rq->first_attr, sizeof(rq->first_attr),
				       "%s", attr.bv_val);
		(void)snprintf(rq->last_attr, sizeof(rq->last_attr), "%s",
			       attr.bv_val);
	}
	(void)ber_scanf(ber, "}");
	if (ber_peek_tag(ber, &len) == 0xa0) {
		for (tag = ber_first_element(ber, &len, &cookie);
		     tag != LBER_DEFAULT;
		     tag = ber_next_element(ber, &len, cookie))
			read_control(ber, rq);
	}
	return true;
}

/* The root DSE and the server's own settings; every script has them. */
static bool serve_root(struct server *sv, const struct request *rq)
{
	struct test_entry t;
	char id[16];

	memset(&t, 0, sizeof(t));
	t.e.attrs = t.attrs;
	t.e.dn = rq->base;
	if (!rq->base[0]) {
		entry_text(&t, "highestCommittedUSN", "1000");
		entry_text(&t, "dsServiceName", SERVICE);
	} else if (strcmp(rq->base, SERVICE) == 0) {
		memset(id, sv->invocation, sizeof(id));
		entry_attr(&t, "invocationId");
		entry_value(&t, id, sizeof(id));
	} else {
		return false;
	}
	send_entry(sv, rq->id, &t.e);
	done(sv, rq->id, LDAP_SUCCESS);
	return true;
}

static void *serve(void *arg)
{
	struct server *sv = arg;
	Sockbuf *sb = ber_sockbuf_alloc();

	(void)ber_sockbuf_add_io(sb, &ber_sockbuf_io_tcp,
				 LBER_SBIOD_LEVEL_PROVIDER, &sv->fd);
	for (;;) {
		BerElement *ber = new_ber();
		struct request rq;
		ber_len_t len;

		if (ber_get_next(sb, &len, ber) != LDAP_TAG_MESSAGE) {
			ber_free(ber, 1);
			break;
		}
		if (read_request(ber, &rq) && !serve_root(sv, &rq)) {
			sv->last[sv->step % 32] = rq;
			sv->step++;
			sv->serve(sv, &rq);
		}
		ber_free(ber, 1);
	}
	ber_sockbuf_free(sb); /* closes sv->fd */
	return NULL;
}

/* ---- a test's world ---- */

static char domain_name[] = "example.com";
static char *no_list[] = { NULL };

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	bool rebuilt;

	if (!w)
		return -1;
	strcpy(w->dir, "/tmp/dssync-test-XXXXXX");
	if (!mkdtemp(w->dir) ||
	    dss_store_open(w->dir, &rebuilt, &w->s.store) != 0)
		return -1;
	w->s.config.domain.name = domain_name;
	w->s.config.sync.bases = w->s.config.sync.groups = no_list;
	w->s.config.sync.attributes = DS_ATTRIBUTES_MAPPED;
	w->s.config.sync.reconcile_interval = 3600;
	w->s.config.sync.max_delete_percent = 20;
	strcpy(w->s.domain.base_dn, BASE_DN);
	strcpy(w->s.domain.netbios, "EXAMPLE");
	strcpy(w->s.status.server, "dc1.example.com");
	w->server.invocation = 'i';
	*state = w;
	return ds_sid_parse_str(DOMAIN_SID, &w->s.domain.sid);
}

static void disconnect(struct world *w)
{
	if (!w->s.conn)
		return;
	dss_conn_free(w->s.conn);
	w->s.conn = NULL;
	(void)pthread_join(w->thread, NULL);
}

static int teardown(void **state)
{
	struct world *w = *state;

	disconnect(w);
	dss_store_close(w->s.store);
	(void)!dss_store_remove(w->dir);
	(void)rmdir(w->dir);
	free(w);
	return 0;
}

/* One pull from a fresh connection to a server that follows the script. */
static int pull(struct world *w, uint32_t flags,
		void (*script)(struct server *, const struct request *))
{
	const struct dss_waiter waiter = { wait_fd, NULL };
	bool changed = false;
	int pair[2];

	disconnect(w);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	w->server.fd = pair[1];
	w->server.step = 0;
	w->server.serve = script;
	assert_int_equal(
	    dss_conn_new(pair[0], "dc1.example.com", &waiter, &w->s.conn), 0);
	assert_int_equal(pthread_create(&w->thread, NULL, serve, &w->server),
			 0);
	return dss_pull(&w->s, flags, &changed);
}

static size_t objects(struct world *w)
{
	struct dss_txn *txn;
	size_t count = 0;

	assert_int_equal(dss_txn_begin(w->s.store, false, &txn), 0);
	assert_int_equal(dss_txn_count(txn, &count), 0);
	dss_txn_abort(txn);
	return count;
}

/* How many members the n-th object has; -1: it is not there. */
static int members(struct world *w, unsigned n)
{
	struct ds_guid guid = test_guid(n);
	struct dss_object obj;
	struct dss_txn *txn;
	const uint8_t *data;
	int count = -1;
	size_t len;

	assert_int_equal(dss_txn_begin(w->s.store, false, &txn), 0);
	if (dss_txn_get(txn, &guid, &data, &len) == 0) {
		assert_int_equal(dss_object_decode(&guid, data, len, &obj), 0);
		count = (int)obj.nmembers;
	}
	dss_txn_abort(txn);
	return count;
}

/* ---- scripts and tests ---- */

static void two_users(struct server *sv, const struct request *rq)
{
	send_user(sv, rq->id, 1);
	send_user(sv, rq->id, 2);
	done_with(sv, rq->id, DIRSYNC, 0, "cookie-2");
}

static void in_three(struct server *sv, const struct request *rq)
{
	char cookie[16];

	(void)snprintf(cookie, sizeof(cookie), "part-%d", sv->step);
	send_user(sv, rq->id, (unsigned)sv->step);
	done_with(sv, rq->id, DIRSYNC, sv->step < 3, cookie);
}

static void test_continuation(void **state)
{
	struct world *w = *state;

	assert_int_equal(pull(w, 0, in_three), 0);
	assert_int_equal(w->server.step, 3);
	assert_string_equal(w->server.last[0].cookie, "");
	assert_string_equal(w->server.last[1].cookie, "part-1");
	assert_string_equal(w->server.last[2].cookie, "part-2");
	assert_int_equal(objects(w), 3);
	assert_string_equal(w->s.status.strategy, "dirsync");
	assert_int_equal(pull(w, 0, two_users), 0);
	assert_string_equal(w->server.last[0].cookie, "part-3");
}

static void refuses_cookie(struct server *sv, const struct request *rq)
{
	if (rq->cookie[0])
		done(sv, rq->id, LDAP_UNWILLING_TO_PERFORM);
	else
		two_users(sv, rq);
}

static void test_cookie_refused(void **state)
{
	struct world *w = *state;

	assert_int_equal(pull(w, 0, two_users), 0);
	assert_int_equal(pull(w, 0, refuses_cookie), 0);
	assert_int_equal(w->server.step, 2);
	assert_string_equal(w->server.last[0].cookie, "cookie-2");
	assert_string_equal(w->server.last[1].cookie, "");
	assert_string_equal(w->s.status.strategy, "dirsync");
	assert_int_equal(objects(w), 2);
}

/* Ten users in two pages, with referrals between them. */
static void only_pages(struct server *sv, const struct request *rq)
{
	bool second = strcmp(rq->cookie, "page-2") == 0;

	if (rq->dirsync) {
		done(sv, rq->id, LDAP_INSUFFICIENT_ACCESS);
		return;
	}
	send_reference(sv, rq->id);
	for (unsigned n = 1; n <= 5 && !rq->narrowed; n++)
		send_user(sv, rq->id, second ? 5 + n : n);
	if (rq->narrowed)
		send_user(sv, rq->id, 11);
	send_reference(sv, rq->id);
	done_with(sv, rq->id, PAGED, 0,
		  second || rq->narrowed ? "" : "page-2");
}

static void test_paged(void **state)
{
	struct world *w = *state;

	assert_int_equal(pull(w, 0, only_pages), 0);
	assert_int_equal(objects(w), 10);
	assert_string_equal(w->s.status.strategy, "paged");
	assert_non_null(strstr(w->s.status.strategy_why, "scripted"));
	/* Then only what changed, and without asking for DirSync again. */
	assert_int_equal(pull(w, 0, only_pages), 0);
	assert_int_equal(w->server.step, 1);
	assert_true(w->server.last[0].narrowed);
	assert_int_equal(objects(w), 11);
	/* Another database: its numbers mean something else. */
	w->server.invocation = 'j';
	assert_int_equal(pull(w, 0, only_pages), 0);
	assert_true(w->server.last[0].dirsync);
	assert_false(w->server.last[1].narrowed);
	assert_int_equal(objects(w), 10);
}

/* A group's members come by twos, whatever is asked for. */
static void slices(struct server *sv, const struct request *rq)
{
	unsigned first = 0;
	char name[32];

	if (rq->dirsync) {
		send_group(sv, rq->id, 30, "member;range=0-1", 0, 1);
		for (unsigned n = 1; n <= 5; n++)
			send_user(sv, rq->id, n);
		done_with(sv, rq->id, DIRSYNC, 0, "c");
		return;
	}
	(void)sscanf(rq->last_attr, "member;range=%u-", &first);
	(void)snprintf(name, sizeof(name),
		       first < 4 ? "member;range=%u-%u" : "member;range=%u-*",
		       first, first + 1);
	send_group(sv, rq->id, 30, name, first, first + 1);
	done(sv, rq->id, LDAP_SUCCESS);
}

static void test_slices(void **state)
{
	struct world *w = *state;

	assert_int_equal(pull(w, 0, slices), 0);
	assert_int_equal(members(w, 30), 6);
	assert_int_equal(w->server.step, 4);
}

static void hostile(struct server *sv, const struct request *rq)
{
	static char huge[2 << 20];
	struct test_entry t;
	char text[2][128];

	memset(huge, 'x', sizeof(huge));
	memset(&t, 0, sizeof(t));
	t.e.attrs = t.attrs;
	t.e.dn = "CN=nobody";
	entry_text(&t, "objectGUID", "short");
	send_entry(sv, rq->id, &t.e);
	entry_user(&t, 1, "good");
	entry_attr(&t, "displayName");
	entry_value(&t, huge, sizeof(huge));
	entry_text(&t, "userAccountControl", "0x200");
	entry_text(&t, "member;range=x", "y");
	entry_text(&t, "", "");
	send_entry(sv, rq->id, &t.e);
	entry_user(&t, 2, "sid");
	t.attrs[2].values =
	    &(struct dss_value){ (const uint8_t *)"\1\377", 2 };
	send_entry(sv, rq->id, &t.e);
	entry_group(&t, 3, "group");
	entry_text(&t, "member;range=1-1", member_dn(1, text[0]));
	entry_value(&t, "<GUID=zz>;CN=x", 14);
	send_entry(sv, rq->id, &t.e);
	send_entry(sv, rq->id, &t.e);
	send_user(sv, rq->id, 4);
	done_with(sv, rq->id, DIRSYNC, 0, "c");
}

static void test_hostile(void **state)
{
	struct world *w = *state;

	assert_int_equal(pull(w, 0, hostile), 0);
	assert_int_equal(objects(w), 4);
	assert_int_equal(members(w, 3), 1);
	assert_int_equal(members(w, 4), 0);
}

static void no_control(struct server *sv, const struct request *rq)
{
	send_user(sv, rq->id, 7);
	done(sv, rq->id, LDAP_SUCCESS);
}

static void wrong_kind(struct server *sv, const struct request *rq)
{
	send_done(sv, rq->id, LDAP_RES_EXTENDED, LDAP_PROTOCOL_ERROR, NULL,
		  NULL);
}

static void dies(struct server *sv, const struct request *rq)
{
	send_user(sv, rq->id, 7);
	(void)shutdown(sv->fd, SHUT_RDWR);
}

static void garbage(struct server *sv, const struct request *rq)
{
	send_user(sv, rq->id, 7);
	(void)!write(sv->fd, "\x30\x84\xff\xff\xff\xff\x02", 7);
	(void)shutdown(sv->fd, SHUT_RDWR);
}

/* Whatever ends a pull: the store is what it was, and the next one goes on. */
static void test_failures(void **state)
{
	struct world *w = *state;
	void (*const scripts[])(struct server *, const struct request *) = {
		no_control, wrong_kind, dies, garbage
	};

	assert_int_equal(pull(w, 0, two_users), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_not_equal(pull(w, 0, scripts[i]), 0);
		assert_int_equal(objects(w), 2);
		assert_int_not_equal(dss_conn_text(w->s.conn)[0], 0);
	}
	assert_int_equal(pull(w, 0, two_users), 0);
	assert_string_equal(w->server.last[0].cookie, "cookie-2");
}

static void many(struct server *sv, const struct request *rq)
{
	for (unsigned n = 1; n <= 60; n++)
		send_user(sv, rq->id, n);
	done_with(sv, rq->id, DIRSYNC, 0, "c");
}

/* The account may read next to nothing any more. */
static void test_valve(void **state)
{
	struct world *w = *state;

	assert_int_equal(pull(w, 0, many), 0);
	assert_int_equal(pull(w, DS_PULL_FULL, two_users), 0);
	assert_int_equal(objects(w), 60);
	assert_int_equal(
	    pull(w, DS_PULL_FULL | DS_PULL_ACCEPT_DELETES, two_users), 0);
	assert_int_equal(objects(w), 2);
}

static void no_base(struct server *sv, const struct request *rq)
{
	if (strcmp(rq->base, BASE_DN) != 0)
		done(sv, rq->id, LDAP_NO_SUCH_OBJECT);
	else
		two_users(sv, rq);
}

static void test_vanished_base(void **state)
{
	static char ou[] = "OU=Gone," BASE_DN;
	char *bases[] = { ou, NULL };
	struct world *w = *state;

	assert_int_equal(pull(w, 0, two_users), 0);
	w->s.config.sync.bases = bases;
	assert_int_not_equal(pull(w, DS_PULL_FULL, no_base), 0);
	assert_non_null(strstr(w->s.why, ou));
	assert_int_equal(objects(w), 2);
	/* Changes go on. */
	assert_int_equal(pull(w, 0, no_base), 0);
}

#define WORLD_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_continuation), WORLD_TEST(test_cookie_refused),
		WORLD_TEST(test_paged),        WORLD_TEST(test_slices),
		WORLD_TEST(test_hostile),      WORLD_TEST(test_failures),
		WORLD_TEST(test_valve),        WORLD_TEST(test_vanished_base),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

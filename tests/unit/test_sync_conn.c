/*
 * One connection and a scripted server: the change notification, referrals
 * that nobody follows, pages without an end.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/sync/conn.h"
#include "tests/unit/ldap_script.h"

#define PATIENCE_MS 60000

static struct dss_conn *conn;
static struct script_server server;
static int seen; /* entries of the last search */

/* ---- the other one, that a referral names ---- */

static int elsewhere = -1;
static char elsewhere_url[64];
static _Atomic int came; /* connections */
static pthread_t door;

static void *receive(void *arg)
{
	int fd;

	(void)arg;
	while ((fd = accept(elsewhere, NULL, NULL)) >= 0) {
		came++;
		(void)close(fd);
	}
	return NULL;
}

static void listen_elsewhere(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	socklen_t len = sizeof(sin);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	elsewhere = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(elsewhere >= 0);
	assert_int_equal(bind(elsewhere, (struct sockaddr *)&sin, len), 0);
	assert_int_equal(listen(elsewhere, 1), 0);
	assert_int_equal(getsockname(elsewhere, (struct sockaddr *)&sin, &len),
			 0);
	(void)snprintf(elsewhere_url, sizeof(elsewhere_url),
		       "ldap://127.0.0.1:%u/" SCRIPT_BASE_DN,
		       (unsigned)ntohs(sin.sin_port));
	came = 0;
	assert_int_equal(pthread_create(&door, NULL, receive, NULL), 0);
}

static void close_elsewhere(void)
{
	(void)shutdown(elsewhere, SHUT_RDWR);
	(void)pthread_join(door, NULL);
	(void)close(elsewhere);
	elsewhere = -1;
}

static void refer(struct script_server *sv, int id, bool result)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);
	struct berval out;

	if (!ber)
		abort();
	if (result)
		(void)ber_printf(ber, "{it{esst{s}}}", id,
				 LDAP_RES_SEARCH_RESULT, LDAP_REFERRAL, "", "",
				 (ber_tag_t)0xa3, elsewhere_url);
	else
		(void)ber_printf(ber, "{it{s}}", id, LDAP_RES_SEARCH_REFERENCE,
				 elsewhere_url);
	if (ber_flatten2(ber, &out, 0) != 0)
		abort();
	script_bytes(sv, out.bv_val, out.bv_len);
	ber_free(ber, 1);
}

/* ---- a connection ---- */

static void connect_to(script_fn script)
{
	const struct dss_waiter waiter = { script_wait, NULL };
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	script_start(&server, pair[1], script);
	assert_int_equal(
	    dss_conn_new(pair[0], "dc1.example.com", &waiter, &conn), 0);
}

static int disconnect(void **state)
{
	(void)state;
	dss_conn_free(conn);
	script_join(&server);
	if (elsewhere >= 0)
		close_elsewhere();
	return 0;
}

static int count(void *arg, const struct dss_entry *entry)
{
	(void)arg;
	(void)entry;
	seen++;
	return DS_OK;
}

static int find(bool paged)
{
	static const char *const attrs[] = { "cn", NULL };
	const struct dss_search search = {
		.base = SCRIPT_BASE_DN,
		.scope = DSS_SCOPE_TREE,
		.filter = "(objectClass=*)",
		.attrs = attrs,
		.entry = count,
		.silence_ms = PATIENCE_MS,
	};

	seen = 0;
	return dss_conn_search(conn, &search, paged);
}

/* ---- the change notification ---- */

/* Waits for something to read, and reads it. */
static int hear(bool *ret_changed)
{
	assert_int_equal(
	    script_wait(NULL, dss_conn_fd(conn), ds_now_ms() + PATIENCE_MS),
	    DS_OK);
	return dss_conn_notified(conn, ret_changed);
}

static void tells_once(struct script_server *sv,
		       const struct script_request *rq)
{
	if (strcmp(rq->first_attr, "objectGUID") == 0)
		script_user(sv, rq->id, 1);
	else
		sv->over = true;
}

static void test_told_until_it_breaks(void **state)
{
	bool changed = false;

	(void)state;
	connect_to(tells_once);
	assert_int_equal(dss_conn_notify(conn, SCRIPT_BASE_DN), 0);
	assert_int_equal(hear(&changed), DS_OK);
	assert_true(changed);
	assert_int_equal(dss_conn_notified(conn, &changed), DS_OK);
	assert_false(changed);
	assert_int_equal(find(false), DS_ERR_UNAVAIL);
	assert_int_equal(dss_conn_notified(conn, &changed), DS_ERR_UNAVAIL);
	assert_int_not_equal(dss_conn_text(conn)[0], 0);
}

static void will_not_tell(struct script_server *sv,
			  const struct script_request *rq)
{
	if (strcmp(rq->first_attr, "objectGUID") == 0) {
		script_done(sv, rq->id, LDAP_UNAVAILABLE_CRITICAL_EXTENSION);
		return;
	}
	script_user(sv, rq->id, 1);
	script_done(sv, rq->id, LDAP_SUCCESS);
}

/* Where the control is refused the connection serves on. */
static void test_not_told(void **state)
{
	bool changed = true;

	(void)state;
	connect_to(will_not_tell);
	assert_int_equal(dss_conn_notify(conn, SCRIPT_BASE_DN), 0);
	assert_int_equal(hear(&changed), DS_ERR_NOTFOUND);
	assert_non_null(strstr(dss_conn_text(conn), "change notification"));
	assert_non_null(strstr(dss_conn_text(conn), "scripted"));
	assert_int_equal(find(false), DS_OK);
	assert_int_equal(seen, 1);
	assert_int_equal(dss_conn_notified(conn, &changed), DS_OK);
	assert_false(changed);
}

/* ---- referrals ---- */

static void refers(struct script_server *sv, const struct script_request *rq)
{
	refer(sv, rq->id, false);
	script_user(sv, rq->id, 1);
	refer(sv, rq->id, false);
	if (sv->step == 1)
		script_done(sv, rq->id, LDAP_SUCCESS);
	else
		refer(sv, rq->id, true);
}

static void test_no_referral_is_followed(void **state)
{
	(void)state;
	listen_elsewhere();
	connect_to(refers);
	assert_int_equal(find(false), DS_OK);
	assert_int_equal(seen, 1);
	assert_int_equal(find(false), DS_ERR_DENIED);
	assert_int_equal(seen, 1);
	assert_int_equal(find(true), DS_ERR_DENIED);
	close_elsewhere();
	assert_int_equal(came, 0);
}

/* ---- pages ---- */

static void never_ends(struct script_server *sv,
		       const struct script_request *rq)
{
	script_done_with(sv, rq->id, SCRIPT_PAGED, 0, "more");
}

static void test_endless_pages(void **state)
{
	(void)state;
	connect_to(never_ends);
	assert_int_equal(find(true), DS_ERR_FORMAT);
	assert_string_equal(dss_conn_text(conn),
			    "the server's pages do not end");
}

#define TEST(t) cmocka_unit_test_teardown(t, disconnect)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_told_until_it_breaks),
		TEST(test_not_told),
		TEST(test_no_referral_is_followed),
		TEST(test_endless_pages),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

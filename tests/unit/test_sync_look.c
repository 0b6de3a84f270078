/*
 * Live looks: questions from auth, answered from a scripted server over a
 * socket pair within their time, whatever that server or the connecting does;
 * and what passes between the mirror and auth meanwhile.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/sync/look.h"
#include "synccache/sync/look_entry.h"
#include "synccache/sync/site.h"
#include "tests/unit/ldap_script.h"

#define SECOND   1000
#define PATIENCE (30 * SECOND) /* a slow machine is no failure */
#define SHORT    200
#define RETRY    50

enum script { ANSWERS, NO_SUCH, SHOWS_NOTHING, SILENT, HANGS_UP, ANOTHER };

struct world {
	struct dss_sync s;
	pthread_t looks;
	struct script_server server;
	int auth, link; /* our ends */
	int64_t look_ms;
	/* Set before a question is asked, read by the other threads after. */
	_Atomic enum script script;
	_Atomic int opened, connected;
	_Atomic bool no_server, hold_open;
	char first[64], last[64], site[64]; /* of dss_dc_open() */
	uint8_t packet[DS_PACKET_MAX];
};

static struct world *world;

/* ---- a server that knows one object ---- */

static void show(struct script_server *sv, int id, unsigned n)
{
	static const char hours[DS_HOURS_LEN + 1] = "\xff\x01";
	struct test_entry t;

	entry_begin(&t, n);
	entry_text(&t, "userAccountControl", "66050");
	entry_text(&t, "msDS-User-Account-Control-Computed", "-2139095024");
	entry_text(&t, "accountExpires", "9223372036854775807");
	entry_text(&t, "pwdLastSet", "133500000000000000");
	entry_text(&t, "lockoutTime", "nonsense");
	entry_attr(&t, "logonHours");
	entry_value(&t, hours, DS_HOURS_LEN);
	entry_text(&t, "userPrincipalName", "user@example.com");
	entry_attr(&t, "sAMAccountName");
	entry_value(&t, "us\0er", 5);
	script_entry(sv, id, &t.e);
}

static void serve(struct script_server *sv, const struct script_request *rq)
{
	enum script script = world->script;

	if (script == SILENT)
		return;
	if (script == HANGS_UP) {
		world->script = ANSWERS;
		(void)shutdown(sv->fd, SHUT_RDWR);
		return;
	}
	if (script == ANSWERS)
		show(sv, rq->id, 1);
	if (script == ANOTHER)
		show(sv, rq->id, 2);
	script_done(sv, rq->id,
		    script == NO_SUCH ? LDAP_NO_SUCH_OBJECT : LDAP_SUCCESS);
}

/* ---- what look.c needs of its neighbours ---- */

void dss_status_send(struct dss_sync *s)
{
	(void)s;
}

void dss_dc_close(struct dss_sync *s)
{
	if (!s->conn)
		return;
	dss_conn_free(s->conn);
	s->conn = NULL;
	script_join(&world->server);
}

int dss_dc_open(struct dss_sync *s, const char *first, const char *last,
		char *tried, size_t cap)
{
	const struct dss_waiter waiter = dss_loop_waiter(s);
	int pair[2];

	(void)snprintf(world->first, sizeof(world->first), "%s", first);
	(void)snprintf(world->last, sizeof(world->last), "%s", last);
	(void)snprintf(world->site, sizeof(world->site), "%s", dss_site(s));
	(void)snprintf(s->status.server, sizeof(s->status.server), "%s",
		       first[0] ? first : "dc1.example.com");
	world->opened++;
	while (world->hold_open)
		if (dss_wait(s, -1, false, ds_now_ms() + 50) == DS_ERR_CLOSED)
			return DS_ERR_CLOSED;
	if (world->no_server) {
		(void)snprintf(tried, cap, "none is there");
		return DS_ERR_NOTFOUND; /* no SRV record */
	}
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		abort();
	script_start(&world->server, pair[1], serve);
	if (dss_conn_new(pair[0], "dc1.example.com", &waiter, &s->conn) != 0)
		abort();
	world->connected++;
	return DS_OK;
}

/* ---- a test's world ---- */

static char no_site[] = "";
static int link_end;

static void *run_looks(void *arg)
{
	struct world *w = arg;

	dss_look_serve(&w->s, link_end, w->look_ms, RETRY);
	dss_dc_close(&w->s);
	return NULL;
}

static int setup_with(void **state, int64_t look_ms)
{
	const int type = SOCK_SEQPACKET | SOCK_NONBLOCK;
	struct world *w = calloc(1, sizeof(*w));
	int auth[2], link[2];

	if (!w || socketpair(AF_UNIX, type, 0, auth) != 0 ||
	    socketpair(AF_UNIX, type, 0, link) != 0 ||
	    dss_loop_init(&w->s) != 0)
		return -1;
	w->auth = auth[0];
	w->link = link[0];
	w->s.peer = auth[1];
	w->s.config.domain.site = no_site;
	w->look_ms = look_ms;
	link_end = link[1];
	*state = world = w;
	return pthread_create(&w->looks, NULL, run_looks, w);
}

static int setup(void **state)
{
	return setup_with(state, PATIENCE);
}

/* For questions that are not to be answered in time. */
static int setup_short(void **state)
{
	return setup_with(state, SHORT);
}

static int teardown(void **state)
{
	struct world *w = *state;

	w->hold_open = false;
	(void)close(w->auth);
	(void)close(w->link);
	(void)pthread_join(w->looks, NULL);
	(void)close(w->s.peer);
	(void)close(link_end);
	dss_loop_done(&w->s);
	free(w->s.ticket.ccache);
	free(w);
	return 0;
}

static void send_text(int fd, uint16_t type, uint32_t seq, const void *p,
		      size_t len)
{
	uint8_t buf[512];
	struct ds_writer w;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, type, seq);
	ds_put_blob(&w, p, len);
	assert_int_equal(ds_frame_end(&w), 0);
	assert_int_equal(ds_packet_send(fd, &w, -1), 0);
}

static void tell(struct world *w, uint16_t type, uint32_t seq,
		 const char *text)
{
	send_text(w->link, type, seq, text, strlen(text));
}

static void ask(struct world *w, uint32_t seq)
{
	struct ds_guid guid = test_guid(1);

	send_text(w->auth, DS_MSG_LOOK, seq, guid.b, sizeof(guid.b));
}

/* The next frame; its payload is borrowed from the world. */
static struct ds_frame next(struct world *w, int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	struct ds_frame frame;
	int passed;

	assert_int_equal(poll(&pfd, 1, PATIENCE), 1);
	assert_int_equal(
	    ds_packet_recv(fd, w->packet, sizeof(w->packet), &frame, &passed),
	    0);
	assert_int_equal(passed, -1);
	return frame;
}

static void expect_code(struct world *w, uint32_t seq, int code)
{
	struct ds_frame frame = next(w, w->auth);
	struct ds_reader r;

	assert_int_equal(frame.type, DS_MSG_LOOK_REPLY);
	assert_int_equal(frame.seq, seq);
	ds_reader_init(&r, frame.payload, frame.len);
	assert_int_equal(-(int)ds_get_u32(&r), code);
}

/* A slow machine may need more than one question's time. */
static void ask_until_ok(struct world *w, uint32_t seq)
{
	struct ds_frame frame;

	do {
		ask(w, ++seq);
		frame = next(w, w->auth);
		assert_int_equal(frame.seq, seq);
	} while (frame.payload[0] == -DS_ERR_TIMEOUT);
	assert_int_equal(frame.payload[0], 0);
}

/* ---- tests ---- */

static void test_answer(void **state)
{
	char text[DSS_LOOK_NAME + 1];
	struct world *w = *state;
	struct ds_frame frame;
	const uint8_t *hours;
	struct ds_reader r;
	size_t len;

	ask(w, 7);
	frame = next(w, w->auth);
	assert_int_equal(frame.type, DS_MSG_LOOK_REPLY);
	assert_int_equal(frame.seq, 7);
	ds_reader_init(&r, frame.payload, frame.len);
	assert_int_equal(ds_get_u32(&r), 0);
	assert_int_equal(ds_get_u32(&r), 66050);
	assert_int_equal(ds_get_u32(&r), 0x80800010);
	assert_true(ds_get_u64(&r) == INT64_MAX);
	assert_true(ds_get_u64(&r) == 133500000000000000);
	assert_true(ds_get_u64(&r) == 0); /* of the wrong type */
	assert_true(ds_get_u64(&r) == 0); /* not there */
	hours = ds_get_blob(&r, &len);
	assert_int_equal(len, DS_HOURS_LEN);
	assert_memory_equal(hours, "\xff\x01\0", 3);
	ds_get_str(&r, text, sizeof(text));
	assert_string_equal(text, "user@example.com");
	ds_get_str(&r, text, sizeof(text));
	assert_string_equal(text, ""); /* with a NUL: no name */
	assert_int_equal(ds_reader_end(&r), 0);
	/* The connection stays. */
	ask(w, 8);
	expect_code(w, 8, DS_OK);
	assert_int_equal(w->opened, 1);
}

static void expect_gone(struct world *w, unsigned n)
{
	struct ds_frame frame = next(w, w->link);
	struct ds_guid guid = test_guid(n);

	assert_int_equal(frame.type, DSS_MSG_GONE);
	assert_int_equal(frame.len, 4 + DS_GUID_LEN);
	assert_memory_equal(frame.payload + 4, guid.b, DS_GUID_LEN);
}

static void test_not_there(void **state)
{
	struct world *w = *state;

	w->script = NO_SUCH;
	ask(w, 1);
	expect_code(w, 1, DS_ERR_NOTFOUND);
	expect_gone(w, 1);
	w->script = SHOWS_NOTHING;
	ask(w, 2);
	expect_code(w, 2, DS_ERR_NOTFOUND);
	expect_gone(w, 1);
	/* Another object's entry is no answer at all. */
	w->script = ANOTHER;
	ask(w, 3);
	expect_code(w, 3, DS_ERR_FORMAT);
}

static void test_silence(void **state)
{
	struct world *w = *state;
	struct ds_frame frame;
	uint32_t seq;

	w->script = SILENT;
	ask(w, 1);
	ask(w, 2);
	/* The mirror's question for a ticket does not wait for that. */
	send_text(w->link, DS_MSG_DC_TICKET, 55, "dc1.example.com", 15);
	frame = next(w, w->auth);
	assert_int_equal(frame.type, DS_MSG_DC_TICKET);
	assert_memory_equal(frame.payload + 4, "dc1.example.com", 15);
	seq = frame.seq;
	send_text(w->auth, DS_MSG_DC_TICKET_REPLY, seq, "a ticket", 8);
	frame = next(w, w->link);
	assert_int_equal(frame.type, DS_MSG_DC_TICKET_REPLY);
	assert_int_equal(frame.seq, 55);
	assert_memory_equal(frame.payload + 4, "a ticket", 8);
	expect_code(w, 1, DS_ERR_TIMEOUT);
	expect_code(w, 2, DS_ERR_TIMEOUT);
	/* A connection like that is not used again. */
	w->script = ANSWERS;
	ask_until_ok(w, 3);
	assert_true(w->opened >= 2);
	assert_string_equal(w->first, "");
	assert_string_equal(w->last, "dc1.example.com");
}

static void test_hung_up(void **state)
{
	struct world *w = *state;

	ask(w, 1);
	expect_code(w, 1, DS_OK);
	w->script = HANGS_UP;
	ask(w, 2);
	expect_code(w, 2, DS_OK);
	assert_int_equal(w->opened, 2);
}

/* Connecting takes longer than the question lives. */
static void test_slow_connect(void **state)
{
	struct world *w = *state;

	w->hold_open = true;
	ask(w, 1);
	expect_code(w, 1, DS_ERR_TIMEOUT);
	assert_int_equal(w->opened, 1);
	w->hold_open = false;
	ask_until_ok(w, 2);
}

static void test_no_server(void **state)
{
	struct world *w = *state;

	w->no_server = true;
	ask(w, 1);
	expect_code(w, 1, DS_ERR_UNAVAIL);
	ask(w, 2);
	expect_code(w, 2, DS_ERR_UNAVAIL);
	/* The mirror found one: it is asked for first, at once. */
	w->no_server = false;
	tell(w, DSS_MSG_SERVER, 1, "dc2.example.com");
	do {
		ask(w, 3);
	} while (next(w, w->auth).payload[0] != 0);
	assert_string_equal(w->first, "dc2.example.com");
	/* And when it moves on, so do the looks. */
	tell(w, DSS_MSG_SERVER, 2, "dc1.example.com");
	do {
		ask(w, 4);
	} while (next(w, w->auth).seq != 4 ||
		 strcmp(w->first, "dc1.example.com") != 0);
}

/* The mirror has learnt the site: for the next connection, and for auth. */
static void test_site(void **state)
{
	struct world *w = *state;
	struct ds_frame frame;
	struct ds_reader r;
	char site[64];

	tell(w, DS_MSG_SITE, 7, "EAST");
	frame = next(w, w->auth);
	assert_int_equal(frame.type, DS_MSG_SITE);
	ds_reader_init(&r, frame.payload, frame.len);
	ds_get_str(&r, site, sizeof(site));
	assert_int_equal(ds_reader_end(&r), 0);
	assert_string_equal(site, "EAST");
	ask_until_ok(w, 1);
	assert_string_equal(w->site, "EAST");
}

static void wait_for(_Atomic int *count, int least)
{
	for (int i = 0; *count < least; i++) {
		assert_true(i < PATIENCE);
		(void)poll(NULL, 0, 1);
	}
}

/* No answer waits for an attempt that nobody asked for. */
static void test_away_and_back(void **state)
{
	struct world *w = *state;
	int before;

	w->no_server = true;
	ask(w, 1);
	expect_code(w, 1, DS_ERR_UNAVAIL);
	w->hold_open = true;
	before = w->opened;
	wait_for(&w->opened, before + 1);
	ask(w, 2); /* or: DS_ERR_TIMEOUT, long after */
	expect_code(w, 2, DS_ERR_UNAVAIL);
	assert_int_equal(w->connected, 0);
	/* One that is back is found without a question. */
	w->no_server = w->hold_open = false;
	wait_for(&w->connected, 1);
	ask(w, 3);
	expect_code(w, 3, DS_OK);
	/* So is one that hung up, at once. */
	(void)shutdown(w->server.fd, SHUT_RDWR);
	wait_for(&w->connected, 2);
	ask(w, 4);
	expect_code(w, 4, DS_OK);
	assert_int_equal(w->connected, 2);
}

/* The mirror's news counts, even in the middle of an attempt that fails. */
static void test_news_meanwhile(void **state)
{
	struct world *w = *state;

	w->hold_open = w->no_server = true;
	ask(w, 1);
	wait_for(&w->opened, 1);
	tell(w, DSS_MSG_SERVER, 1, "dc2.example.com");
	send_text(w->link, DS_MSG_DC_TICKET, 2, "dc2.example.com", 15);
	assert_int_equal(next(w, w->auth).type, DS_MSG_DC_TICKET);
	w->hold_open = false;
	expect_code(w, 1, DS_ERR_UNAVAIL);
	w->no_server = false;
	wait_for(&w->connected, 1);
	assert_string_equal(w->first, "dc2.example.com");
}

static void test_too_many(void **state)
{
	struct world *w = *state;
	int full = 0;

	w->hold_open = true;
	for (uint32_t seq = 1; seq <= 70; seq++)
		ask(w, seq);
	for (int i = 0; i < 70; i++) {
		struct ds_frame frame = next(w, w->auth);

		full += frame.payload[0] == -DS_ERR_LIMIT;
	}
	assert_int_equal(full, 70 - 64);
}

static void test_nonsense(void **state)
{
	struct world *w = *state;
	struct pollfd pfd = { .fd = w->auth, .events = POLLIN };

	send_text(w->auth, DS_MSG_LOOK, 1, "short", 5);
	(void)pthread_join(w->looks, NULL);
	assert_true(w->s.stop);
	assert_int_equal(poll(&pfd, 1, 0), 0); /* no answer to that */
	assert_int_equal(pthread_create(&w->looks, NULL, run_looks, w), 0);
}

static void on_gone(void *arg)
{
	struct dss_sync *s = arg;

	s->stop = true;
}

/* A glance, its deadline past, ends although the peer is gone. */
static void test_glance(void **state)
{
	struct dss_sync s = { .stop = false };
	int pair[2];

	(void)state;
	assert_int_equal(dss_loop_init(&s), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	assert_int_equal(dss_loop_watch(&s, pair[0], on_gone, &s), 0);
	assert_int_equal(dss_wait(&s, -1, false, 0), DS_ERR_TIMEOUT);
	(void)close(pair[1]);
	(void)alarm(PATIENCE / SECOND);
	assert_int_equal(dss_wait(&s, -1, false, 0), DS_ERR_CLOSED);
	(void)alarm(0);
	dss_loop_done(&s);
	(void)close(pair[0]);
}

static void test_entry(void **state)
{
	struct ds_guid guid = test_guid(3);
	struct test_entry t;
	struct dss_look look;

	(void)state;
	entry_begin(&t, 3);
	assert_int_equal(dss_look_read(&t.e, &guid, &look), DS_ERR_DENIED);
	entry_text(&t, "userAccountControl", "99999999999");
	assert_int_equal(dss_look_read(&t.e, &guid, &look), DS_ERR_DENIED);
	entry_begin(&t, 3);
	entry_text(&t, "userAccountControl", "512");
	assert_int_equal(dss_look_read(&t.e, &guid, &look), DS_OK);
	assert_int_equal(look.hours_len, 0); /* not limited */
	entry_text(&t, "logonHours", "too short");
	entry_text(&t, "pwdLastSet", "-1");
	assert_int_equal(dss_look_read(&t.e, &guid, &look), DS_OK);
	assert_int_equal(look.control, 512);
	assert_int_equal(look.hours_len, DS_HOURS_LEN); /* at no hour */
	for (size_t i = 0; i < DS_HOURS_LEN; i++)
		assert_int_equal(look.hours[i], 0);
	assert_true(look.password_set == 0);
	guid = test_guid(4);
	assert_int_equal(dss_look_read(&t.e, &guid, &look), DS_ERR_FORMAT);
}

#define WORLD_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)
#define SHORT_TEST(t) cmocka_unit_test_setup_teardown(t, setup_short, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WORLD_TEST(test_answer),
		WORLD_TEST(test_not_there),
		SHORT_TEST(test_silence),
		WORLD_TEST(test_hung_up),
		SHORT_TEST(test_slow_connect),
		WORLD_TEST(test_no_server),
		WORLD_TEST(test_site),
		WORLD_TEST(test_away_and_back),
		WORLD_TEST(test_news_meanwhile),
		SHORT_TEST(test_too_many),
		WORLD_TEST(test_nonsense),
		cmocka_unit_test(test_glance),
		cmocka_unit_test(test_entry),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

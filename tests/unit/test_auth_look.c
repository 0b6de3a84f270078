/*
 * Questions to sync about one object: answers, deadlines, broken replies.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/auth/look.h"

static const struct ds_guid guid = { { 1, 2, 3 } };
static struct event_base *base;
static struct dsa_looks *looks;
static int pair[2];

static int heard, heard_err;
static struct dsa_looked found;

static void on_heard(void *arg, int err, const struct dsa_looked *looked)
{
	assert_ptr_equal(arg, &found);
	heard++;
	heard_err = err;
	assert_true((looked != NULL) == (err == 0));
	if (looked != NULL)
		found = *looked;
}

static int setup(void **state)
{
	(void)state;
	heard = 0;
	base = event_base_new();
	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	looks = dsa_looks_new(base, pair[0]);
	assert_non_null(looks);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	dsa_looks_free(looks);
	event_base_free(base);
	(void)close(pair[0]);
	(void)close(pair[1]);
	return 0;
}

/* The question that sync finds; its seq. */
static uint32_t asked(void)
{
	uint8_t buf[256];
	struct ds_frame frame;
	struct ds_reader r;
	const uint8_t *p;
	size_t len = 0;
	int passed;

	assert_int_equal(
	    ds_packet_recv(pair[1], buf, sizeof(buf), &frame, &passed), 0);
	assert_int_equal(frame.type, DS_MSG_LOOK);
	ds_reader_init(&r, frame.payload, frame.len);
	p = ds_get_blob(&r, &len);
	assert_int_equal(len, DS_GUID_LEN);
	assert_memory_equal(p, guid.b, DS_GUID_LEN);
	assert_int_equal(ds_reader_end(&r), 0);
	return frame.seq;
}

static size_t make_reply(uint8_t *buf, size_t cap, uint32_t code, size_t hours)
{
	static const uint8_t bits[22] = { 0xff };
	struct ds_writer w;

	ds_writer_init(&w, buf, cap);
	ds_put_u32(&w, code);
	ds_put_u32(&w, 0x200);
	ds_put_u32(&w, 0x10);
	for (uint64_t i = 1; i <= 4; i++)
		ds_put_u64(&w, i);
	ds_put_blob(&w, bits, hours);
	ds_put_str(&w, "u@x");
	ds_put_str(&w, "u");
	assert_int_equal(w.err, 0);
	return w.len;
}

static int reply(uint32_t seq, const uint8_t *p, size_t len)
{
	const struct ds_frame frame = {
		.type = DS_MSG_LOOK_REPLY, .seq = seq, .payload = p, .len = len
	};

	return dsa_look_reply(looks, &frame);
}

static void test_answers(void **state)
{
	uint8_t buf[256];
	uint32_t first, second;
	size_t len = make_reply(buf, sizeof(buf), 0, 21);

	(void)state;
	assert_int_equal(dsa_look(looks, &guid, on_heard, &found), 0);
	assert_int_equal(dsa_look(looks, &guid, on_heard, &found), 0);
	first = asked();
	second = asked();
	assert_int_equal(reply(second, buf, len), 0);
	assert_int_equal(heard, 1);
	assert_int_equal(heard_err, 0);
	assert_int_equal(found.uac, 0x200);
	assert_int_equal(found.uac_computed, 0x10);
	assert_int_equal(found.account_expires, 1);
	assert_int_equal(found.pwd_last_set, 2);
	assert_int_equal(found.pwd_expires, 4);
	assert_true(found.has_hours);
	assert_int_equal(found.hours[0], 0xff);
	/* Twice the same, and one that nobody asked for. */
	assert_int_equal(reply(second, buf, len), 0);
	assert_int_equal(reply(77, buf, len), 0);
	assert_int_equal(heard, 1);
	len = make_reply(buf, sizeof(buf), (uint32_t)-DS_ERR_NOTFOUND, 0);
	assert_int_equal(reply(first, buf, len), 0);
	assert_int_equal(heard, 2);
	assert_int_equal(heard_err, DS_ERR_NOTFOUND);
}

static void test_broken_replies(void **state)
{
	uint8_t buf[256];
	size_t len = make_reply(buf, sizeof(buf), 0, 0);

	(void)state;
	for (size_t cut = 0; cut < len; cut++) {
		assert_int_equal(dsa_look(looks, &guid, on_heard, &found), 0);
		assert_int_equal(reply(asked(), buf, cut), DS_ERR_FORMAT);
		assert_int_equal(heard_err, DS_ERR_FORMAT);
	}
	assert_int_equal(heard, len);
	for (size_t hours = 1; hours <= 22; hours++) {
		len = make_reply(buf, sizeof(buf), 0, hours);
		assert_int_equal(reply(0, buf, len),
				 hours == 21 ? 0 : DS_ERR_FORMAT);
	}
	len = make_reply(buf, sizeof(buf), 0x80000001, 0);
	assert_int_equal(reply(0, buf, len), DS_ERR_FORMAT);
}

static void test_deadline(void **state)
{
	uint8_t buf[256];
	size_t len = make_reply(buf, sizeof(buf), 0, 0);
	uint32_t seq;

	(void)state;
	assert_int_equal(dsa_look(looks, &guid, on_heard, &found), 0);
	assert_int_equal(dsa_look(looks, &guid, NULL, NULL), 0);
	seq = asked();
	while (heard == 0)
		(void)event_base_loop(base, EVLOOP_ONCE);
	assert_int_equal(heard_err, DS_ERR_TIMEOUT);
	/* Too late. */
	assert_int_equal(reply(seq, buf, len), 0);
	assert_int_equal(heard, 1);
}

/* What was meant for a process before this one finds no question. */
static void test_numbers_begin_anywhere(void **state)
{
	uint32_t before;

	(void)state;
	assert_int_equal(dsa_look(looks, &guid, NULL, NULL), 0);
	before = asked();
	dsa_looks_free(looks);
	looks = dsa_looks_new(base, pair[0]);
	assert_non_null(looks);
	assert_int_equal(dsa_look(looks, &guid, NULL, NULL), 0);
	assert_int_not_equal(asked(), before);
}

static void test_limits(void **state)
{
	int n = 0, r;

	(void)state;
	while ((r = dsa_look(looks, &guid, NULL, NULL)) == 0)
		n++;
	assert_true(n <= DSA_LOOKS_MAX);
	assert_true(r == DS_ERR_LIMIT || r == DS_ERR_UNAVAIL);
	(void)close(pair[1]);
	pair[1] = -1;
	dsa_looks_free(looks);
	looks = dsa_looks_new(base, pair[0]);
	assert_int_equal(dsa_look(looks, &guid, on_heard, &found),
			 DS_ERR_CLOSED);
	assert_int_equal(heard, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_broken_replies, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_deadline, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_numbers_begin_anywhere,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * Buffers and frames of the wire protocol.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/proto.h"

static void test_round_trip(void **state)
{
	uint8_t mem[256], bytes[3] = { 9, 8, 7 }, back[3];
	struct ds_writer w;
	struct ds_reader r;
	const uint8_t *blob;
	char text[16];
	size_t len;

	(void)state;
	ds_writer_init(&w, mem, sizeof(mem));
	ds_put_u8(&w, 0xfe);
	ds_put_u16(&w, 0xfedc);
	ds_put_u32(&w, 0xfedcba98);
	ds_put_u64(&w, 0xfedcba9876543210);
	ds_put_bytes(&w, bytes, 3);
	ds_put_blob(&w, bytes, 3);
	ds_put_str(&w, "driley");
	ds_put_str(&w, NULL);
	assert_int_equal(w.err, 0);
	assert_int_equal(mem[1], 0xdc); /* little-endian */

	ds_reader_init(&r, mem, w.len);
	assert_int_equal(ds_get_u8(&r), 0xfe);
	assert_int_equal(ds_get_u16(&r), 0xfedc);
	assert_int_equal(ds_get_u32(&r), 0xfedcba98);
	assert_true(ds_get_u64(&r) == 0xfedcba9876543210);
	ds_get_bytes(&r, back, 3);
	assert_memory_equal(back, bytes, 3);
	blob = ds_get_blob(&r, &len);
	assert_int_equal(len, 3);
	assert_memory_equal(blob, bytes, 3);
	ds_get_str(&r, text, sizeof(text));
	assert_string_equal(text, "driley");
	assert_int_equal(ds_reader_end(&r), DS_ERR_FORMAT); /* one is left */
	ds_get_str(&r, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(ds_reader_end(&r), 0);
}

static void test_writer_limit(void **state)
{
	uint8_t mem[4] = { 0, 0, 0, 0x55 };
	struct ds_writer w;

	(void)state;
	ds_writer_init(&w, mem, 3);
	ds_put_u32(&w, 1);
	assert_int_equal(w.err, DS_ERR_LIMIT);
	ds_put_u8(&w, 1); /* stays failed, though it would fit */
	assert_int_equal(w.len, 0);
	assert_int_equal(mem[3], 0x55);
}

static void test_reader_short(void **state)
{
	const uint8_t mem[] = { 5, 0, 0, 0, 'a', 'b', 'c' };
	const uint8_t huge[] = { 0xff, 0xff, 0xff, 0xff, 'a' };
	struct ds_reader r;
	char text[16] = "x";
	size_t len = 1;

	(void)state;
	ds_reader_init(&r, mem, sizeof(mem));
	ds_get_str(&r, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(ds_reader_end(&r), DS_ERR_FORMAT);
	ds_reader_init(&r, huge, sizeof(huge));
	assert_null(ds_get_blob(&r, &len));
	assert_int_equal(len, 0);
	assert_int_equal(ds_get_u8(&r), 0); /* stays failed */
	assert_int_equal(ds_reader_end(&r), DS_ERR_FORMAT);
}

static void test_strings_never_cut(void **state)
{
	uint8_t mem[64];
	struct ds_writer w;
	struct ds_reader r;
	char text[4];

	(void)state;
	ds_writer_init(&w, mem, sizeof(mem));
	ds_put_str(&w, "four");
	ds_reader_init(&r, mem, w.len);
	ds_get_str(&r, text, sizeof(text)); /* no room for the NUL */
	assert_int_equal(ds_reader_end(&r), DS_ERR_FORMAT);

	ds_writer_init(&w, mem, sizeof(mem));
	ds_put_blob(&w, "a\0b", 3);
	ds_reader_init(&r, mem, w.len);
	ds_get_str(&r, text, sizeof(text));
	assert_int_equal(ds_reader_end(&r), DS_ERR_FORMAT);
	assert_string_equal(text, "");
}

static size_t make_frame(uint8_t *mem, size_t cap)
{
	struct ds_writer w;

	ds_writer_init(&w, mem, cap);
	ds_frame_begin(&w, DS_MSG_STATUS, 77);
	ds_put_str(&w, "hello");
	assert_int_equal(ds_frame_end(&w), 0);
	return w.len;
}

static void test_frame(void **state)
{
	uint8_t mem[64];
	size_t len = make_frame(mem, sizeof(mem)), i;
	struct ds_frame frame;

	(void)state;
	assert_int_equal(ds_frame_parse(mem, len, &frame), 0);
	assert_int_equal(frame.type, DS_MSG_STATUS);
	assert_int_equal(frame.seq, 77);
	assert_int_equal(frame.len, 9);
	for (i = 0; i < len; i++)
		assert_int_equal(ds_frame_parse(mem, i, &frame),
				 DS_ERR_FORMAT);
	assert_int_equal(ds_frame_parse(mem, len + 1, &frame), DS_ERR_FORMAT);
}

static void test_frame_refused(void **state)
{
	uint8_t mem[64];
	size_t len = make_frame(mem, sizeof(mem));
	struct ds_frame frame;

	(void)state;
	mem[4]++; /* another version */
	assert_int_equal(ds_frame_parse(mem, len, &frame), DS_ERR_VERSION);
	mem[4]--;
	memset(mem, 0xff, 4); /* a length beyond the limit */
	assert_int_equal(ds_frame_parse(mem, len, &frame), DS_ERR_LIMIT);
}

static void test_frame_too_long(void **state)
{
	static uint8_t mem[DS_PACKET_MAX + 1];
	struct ds_writer w;

	(void)state;
	ds_writer_init(&w, mem, sizeof(mem));
	ds_frame_begin(&w, DS_MSG_STATUS, 0);
	w.len = sizeof(mem);
	assert_int_equal(ds_frame_end(&w), DS_ERR_LIMIT);
	w.len = DS_HEADER_LEN - 1;
	assert_int_equal(ds_frame_end(&w), DS_ERR_INVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_writer_limit),
		cmocka_unit_test(test_reader_short),
		cmocka_unit_test(test_strings_never_cut),
		cmocka_unit_test(test_frame),
		cmocka_unit_test(test_frame_refused),
		cmocka_unit_test(test_frame_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

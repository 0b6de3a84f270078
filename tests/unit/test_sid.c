/*
 * SIDs, GUIDs and the ids made from them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/guid.h"
#include "lib/idmap.h"
#include "lib/sid.h"

#define MIN 200000u
#define MAX 2000200000u

static const uint8_t sid_bin[] = {
	1,    5,    0,    0,    0,    0,    0,    5,    21,   0,
	0,    0,    0xc7, 0xf7, 0xfe, 0xd7, 0x7c, 0x77, 0x55, 0xc8,
	0x94, 0x5a, 0xce, 0x01, 0xf5, 0x03, 0,    0,
};
static const char sid_str[] = "S-1-5-21-3623811015-3361044348-30300820-1013";

static void test_sid_forms(void **state)
{
	char str[DS_SID_STR_MAX];
	uint8_t bin[DS_SID_BIN_MAX];
	struct ds_sid a, b;

	(void)state;
	assert_int_equal(ds_sid_parse_bin(sid_bin, sizeof(sid_bin), &a), 0);
	assert_string_equal(ds_sid_to_str(&a, str), sid_str);
	assert_int_equal(ds_sid_parse_str(sid_str, &b), 0);
	assert_true(ds_sid_equal(&a, &b));
	assert_int_equal(ds_sid_to_bin(&b, bin), sizeof(sid_bin));
	assert_memory_equal(bin, sid_bin, sizeof(sid_bin));
	b.sub[4]++;
	assert_false(ds_sid_equal(&a, &b));
}

static void test_sid_bad_binary(void **state)
{
	uint8_t bad[DS_SID_BIN_MAX + 4] = { 0 };
	struct ds_sid sid;
	size_t len;

	(void)state;
	for (len = 0; len < sizeof(sid_bin); len++)
		assert_int_equal(ds_sid_parse_bin(sid_bin, len, &sid),
				 DS_ERR_FORMAT);
	memcpy(bad, sid_bin, sizeof(sid_bin));
	assert_int_equal(ds_sid_parse_bin(bad, sizeof(sid_bin) + 1, &sid),
			 DS_ERR_FORMAT);
	bad[0] = 2; /* an unknown revision */
	assert_int_equal(ds_sid_parse_bin(bad, sizeof(sid_bin), &sid),
			 DS_ERR_FORMAT);
	bad[0] = 1;
	bad[1] = 0; /* no subauthority */
	assert_int_equal(ds_sid_parse_bin(bad, 8, &sid), DS_ERR_FORMAT);
	bad[1] = 16; /* one too many, though the bytes are there */
	assert_int_equal(ds_sid_parse_bin(bad, 8 + 64, &sid), DS_ERR_FORMAT);
}

static void test_sid_bad_strings(void **state)
{
	static const char *const bad[] = {
		"",          "S-1-",
		"S-1-5",     "S-1-5-",
		"S-1-5-21-", "s-1-5-21",
		"S-2-5-21",  "S-1-5-4294967296",
		"S-1-5-21x", "S-1-5--21",
		" S-1-5-21", "S-1-281474976710656-1",
		"S-1-5-+21", "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16",
	};
	struct ds_sid sid;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ds_sid_parse_str(bad[i], &sid),
				 DS_ERR_FORMAT);
}

static void test_sid_longest(void **state)
{
	char str[DS_SID_STR_MAX];
	struct ds_sid sid = { .authority = 0xffffffffffff, .count = 15 }, back;

	(void)state;
	memset(sid.sub, 0xff, sizeof(sid.sub));
	ds_sid_to_str(&sid, str);
	assert_int_equal(ds_sid_parse_str(str, &back), 0);
	assert_true(ds_sid_equal(&sid, &back));
	assert_int_equal(ds_sid_join(&sid, 1, &back), DS_ERR_LIMIT);
}

static void test_sid_split(void **state)
{
	struct ds_sid sid, domain, back;
	uint32_t rid;

	(void)state;
	assert_int_equal(ds_sid_parse_str(sid_str, &sid), 0);
	assert_int_equal(ds_sid_split(&sid, &domain, &rid), 0);
	assert_int_equal(rid, 1013);
	assert_int_equal(ds_sid_join(&domain, rid, &back), 0);
	assert_true(ds_sid_equal(&sid, &back));
	assert_int_equal(ds_sid_parse_str("S-1-1-0", &sid), 0);
	assert_int_equal(ds_sid_split(&sid, &domain, &rid), DS_ERR_FORMAT);
}

static void test_guid(void **state)
{
	/* MS-DTYP 2.3.4.2: the first three fields are little-endian. */
	const struct ds_guid guid = { { 0x33, 0x22, 0x11, 0x00, 0x55, 0x44,
					0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb,
					0xcc, 0xdd, 0xee, 0xff } };
	static const char text[] = "00112233-4455-6677-8899-aabbccddeeff";
	char str[DS_GUID_STR_MAX];
	struct ds_guid back;

	(void)state;
	assert_string_equal(ds_guid_to_str(&guid, str), text);
	assert_int_equal(
	    ds_guid_parse_str("00112233-4455-6677-8899-AABBCCDDEEFF", &back),
	    0);
	assert_true(ds_guid_equal(&guid, &back));
	assert_int_equal(ds_guid_parse_str("", &back), DS_ERR_FORMAT);
	assert_int_equal(
	    ds_guid_parse_str("00112233-4455-6677-8899-aabbccddeef", &back),
	    DS_ERR_FORMAT);
	assert_int_equal(
	    ds_guid_parse_str("00112233-4455-6677-8899-aabbccddeeff0", &back),
	    DS_ERR_FORMAT);
	assert_int_equal(
	    ds_guid_parse_str("0011223304455-6677-8899-aabbccddeeff", &back),
	    DS_ERR_FORMAT);
}

/* Checked against another implementation of the same mapping. */
static void test_idmap_vectors(void **state)
{
	static const struct {
		const char *sid;
		uint32_t slice, id;
	} v[] = {
		{ sid_str, 3369, 674001013 },
		{ "S-1-5-21-2153326666-2176343378-3404031434-1107", 3853,
		  770801107 },
		{ "S-1-5-21-1004336348-1177238915-682003330-512", 1333,
		  266800512 },
		{ "S-1-5-21-3623811015-3361044348-30300820-250123", 8935,
		  1787250123 },
	};
	struct ds_sid sid;
	uint32_t slice, id;
	size_t i;

	(void)state;
	assert_int_equal(ds_murmur3("", 0, 1), 0x514e28b7);
	assert_int_equal(ds_murmur3("test", 4, 0x9747b28c), 0x704b81dc);
	for (i = 0; i < sizeof(v) / sizeof(v[0]); i++) {
		assert_int_equal(ds_sid_parse_str(v[i].sid, &sid), 0);
		assert_int_equal(ds_idmap_slice(&sid, MIN, MAX, &slice), 0);
		assert_int_equal(slice, v[i].slice);
		assert_int_equal(ds_idmap_sid(&sid, MIN, MAX, &id), 0);
		assert_int_equal(id, v[i].id);
	}
}

static void test_idmap_rid(void **state)
{
	struct ds_sid sid;
	uint32_t id = 7;

	(void)state;
	assert_int_equal(ds_sid_parse_str(sid_str, &sid), 0);
	assert_int_equal(ds_idmap_rid(&sid, 100000, 200000, &id), 0);
	assert_int_equal(id, 101013);
	assert_int_equal(ds_idmap_rid(&sid, 100000, 101013, &id), 0);
	assert_int_equal(ds_idmap_rid(&sid, 100000, 101012, &id),
			 DS_ERR_RANGE);
}

static void test_idmap_refuses(void **state)
{
	static const char *const foreign[] = {
		"S-1-5-32-544",       "S-1-1-0",          "S-1-5-21-1-2-3",
		"S-1-5-21-1-2-3-4-5", "S-1-5-22-1-2-3-4", "S-1-4-21-1-2-3-4",
	};
	struct ds_sid sid;
	uint32_t id;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		assert_int_equal(ds_sid_parse_str(foreign[i], &sid), 0);
		assert_int_equal(ds_idmap_sid(&sid, MIN, MAX, &id),
				 DS_ERR_FORMAT);
		assert_int_equal(ds_idmap_rid(&sid, MIN, MAX, &id),
				 DS_ERR_FORMAT);
	}
	assert_int_equal(ds_sid_parse_str(sid_str, &sid), 0);
	assert_int_equal(ds_idmap_sid(&sid, MIN, MIN + 1000, &id),
			 DS_ERR_RANGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sid_forms),
		cmocka_unit_test(test_sid_bad_binary),
		cmocka_unit_test(test_sid_bad_strings),
		cmocka_unit_test(test_sid_longest),
		cmocka_unit_test(test_sid_split),
		cmocka_unit_test(test_guid),
		cmocka_unit_test(test_idmap_vectors),
		cmocka_unit_test(test_idmap_rid),
		cmocka_unit_test(test_idmap_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * What a single value says: numbers, times, ranges, extended DNs.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include "tests/unit/sync_entry.h"

static struct dss_value value(const char *s)
{
	return (struct dss_value){ (const uint8_t *)s, strlen(s) };
}

static void test_int(void **state)
{
	static const char *const bad[] = { "",
					   "-",
					   "+1",
					   "1 ",
					   " 1",
					   "0x1",
					   "9223372036854775808",
					   "-9223372036854775809",
					   "99999999999999999999" };
	struct dss_value v = value("-2147483646");
	int64_t n;

	(void)state;
	assert_int_equal(dss_value_int(&v, &n), 0);
	assert_int_equal(n, -2147483646);
	v = value("9223372036854775807");
	assert_int_equal(dss_value_int(&v, &n), 0);
	assert_true(n == INT64_MAX);
	v = value("-9223372036854775808");
	assert_int_equal(dss_value_int(&v, &n), 0);
	assert_true(n == INT64_MIN);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		v = value(bad[i]);
		assert_int_equal(dss_value_int(&v, &n), DS_ERR_FORMAT);
	}
}

static void test_time(void **state)
{
	static const char *const bad[] = { "",
					   "2024",
					   "20240131120000",
					   "20240131120000.0",
					   "20241331120000Z",
					   "20240131250000Z",
					   "2024013112000aZ",
					   "20240131120000.0ZZ" };
	struct dss_value v = value("20240131120000.0Z");
	uint64_t when;

	(void)state;
	assert_int_equal(dss_value_time(&v, &when), 0);
	assert_int_equal(when, 1706702400);
	v = value("20240131120000Z");
	assert_int_equal(dss_value_time(&v, &when), 0);
	assert_int_equal(when, 1706702400);
	v = value("16010101000000.0Z");
	assert_int_equal(dss_value_time(&v, &when), 0);
	assert_int_equal(when, 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		v = value(bad[i]);
		assert_int_equal(dss_value_time(&v, &when), DS_ERR_FORMAT);
	}
}

static void test_range(void **state)
{
	static const char *const bad[] = {
		"member;range=",     "member;range=1",
		"member;range=-1",   "member;range=1-",
		"member;range=1-2x", "member;range=4294967296-*",
		"member;range=*-1"
	};
	uint32_t low, high;
	size_t len;

	(void)state;
	assert_int_equal(
	    dss_range_parse("member;range=0-1499", &len, &low, &high), 0);
	assert_int_equal(len, 6);
	assert_int_equal(low, 0);
	assert_int_equal(high, 1499);
	assert_int_equal(
	    dss_range_parse("member;Range=1500-*", &len, &low, &high), 0);
	assert_int_equal(low, 1500);
	assert_true(high == UINT32_MAX);
	assert_int_equal(dss_range_parse("member", &len, &low, &high),
			 DS_ERR_NOTFOUND);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(dss_range_parse(bad[i], &len, &low, &high),
				 DS_ERR_FORMAT);
}

static void test_extdn(void **state)
{
	static const char *const bad[] = {
		"<GUID=xx>;CN=a",
		"<GUID=",
		"<",
		"<GUID=>;CN=a",
		"<GUID=00112233-4455-6677-8899-aabbccddeeff",
		"<GUID=00112233-4455-6677-8899-aabbccddeefg>;CN=a",
		"<GUID=00112233445566778899aabbccddeef>;CN=a",
		("<GUID=00112233445566778899aabbccddeeff>;"
		 "<GUID=00112233445566778899aabbccddeeff>;CN=a"),
	};
	struct dss_value v = value("<GUID=00112233-4455-6677-8899-"
				   "aabbccddeeff>;<SID=S-1-5-21-1>;CN=a,DC=b");
	struct ds_guid guid, other;
	const char *dn;

	(void)state;
	assert_int_equal(dss_extdn_parse(&v, &guid, &dn), 0);
	assert_string_equal(dn, "CN=a,DC=b");
	assert_int_equal(guid.b[0], 0x33);
	assert_int_equal(guid.b[15], 0xff);
	/* The hex form is the bytes as they are. */
	v = value("<guid=33221100554477668899aabbccddeeff>;CN=a");
	assert_int_equal(dss_extdn_parse(&v, &other, &dn), 0);
	assert_true(ds_guid_equal(&guid, &other));
	v = value("CN=plain");
	assert_int_equal(dss_extdn_parse(&v, &guid, &dn), DS_ERR_NOTFOUND);
	assert_string_equal(dn, "CN=plain");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		v = value(bad[i]);
		assert_int_equal(dss_extdn_parse(&v, &guid, &dn),
				 DS_ERR_FORMAT);
	}
	v = (struct dss_value){ (const uint8_t *)"CN=a\0b", 6 };
	assert_int_equal(dss_extdn_parse(&v, &guid, &dn), DS_ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_int),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_range),
		cmocka_unit_test(test_extdn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

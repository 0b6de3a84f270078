/*
 * From a keytab file to the keys that count; what is wrong is said.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "synccache/auth/keytab.h"
#include "synccache/auth/krb.h"

#define REALM "EXAMPLE.COM"

static krb5_context ctx;

static int setup(void **state)
{
	char conf[] = "/tmp/dsa-conf-XXXXXX";
	int fd = mkstemp(conf), r;

	(void)state;
	assert_true(fd >= 0);
	/* So that a keytab with RC4 can be made at all. */
	assert_true(dprintf(fd, "[libdefaults]\nallow_weak_crypto = true\n") >
		    0);
	(void)close(fd);
	r = dsa_krb_context(conf, REALM, &ctx);
	(void)unlink(conf);
	return r;
}

static int teardown(void **state)
{
	(void)state;
	krb5_free_context(ctx);
	return 0;
}

struct item {
	const char *principal;
	krb5_kvno kvno;
	krb5_enctype enctype;
};

/* A keytab file with these entries, open and already unlinked. */
static int make(const struct item *items, size_t count)
{
	char path[] = "FILE:/tmp/dsa-keytab-XXXXXX";
	int fd = mkstemp(path + 5), out;
	krb5_keytab kt;

	assert_true(fd >= 0);
	(void)unlink(path + 5);
	(void)close(fd);
	assert_int_equal(krb5_kt_resolve(ctx, path, &kt), 0);
	for (size_t i = 0; i < count; i++) {
		krb5_keytab_entry e = { .vno = items[i].kvno };

		assert_int_equal(
		    krb5_parse_name(ctx, items[i].principal, &e.principal), 0);
		assert_int_equal(
		    krb5_c_make_random_key(ctx, items[i].enctype, &e.key), 0);
		assert_int_equal(krb5_kt_add_entry(ctx, kt, &e), 0);
		(void)krb5_free_keytab_entry_contents(ctx, &e);
	}
	(void)krb5_kt_close(ctx, kt);
	out = open(path + 5, O_RDONLY | O_CLOEXEC);
	assert_true(out >= 0);
	(void)unlink(path + 5);
	return out;
}

static size_t entries(const struct dsa_keytab *keytab)
{
	krb5_keytab_entry e;
	krb5_kt_cursor cursor;
	size_t n = 0;

	assert_int_equal(krb5_kt_start_seq_get(ctx, keytab->kt, &cursor), 0);
	while (krb5_kt_next_entry(ctx, keytab->kt, &e, &cursor) == 0) {
		n++;
		(void)krb5_free_keytab_entry_contents(ctx, &e);
	}
	(void)krb5_kt_end_seq_get(ctx, keytab->kt, &cursor);
	return n;
}

#define AES ENCTYPE_AES256_CTS_HMAC_SHA1_96
#define RC4 ENCTYPE_ARCFOUR_HMAC

static void test_good(void **state)
{
	static const struct item items[] = {
		{ "host/h.example.com@" REALM, 3, AES },
		{ "OTHER$@OTHER.REALM", 9, AES },
		{ "H$@" REALM, 2, AES },
		{ "H$@" REALM, 3, RC4 },
		{ "H$@" REALM, 3, ENCTYPE_AES128_CTS_HMAC_SHA1_96 },
		{ "G$@" REALM, 8, AES },
	};
	struct dsa_keytab keytab;
	uint32_t serial;
	int fd = make(items, 6);

	(void)state;
	dsa_keytab_init(&keytab, ctx);
	assert_string_equal(keytab.state, "waiting");
	serial = keytab.serial;
	assert_int_equal(dsa_keytab_load(&keytab, fd, REALM), 0);
	assert_string_equal(keytab.state, "ok");
	assert_string_equal(keytab.problem, "");
	assert_string_equal(keytab.principal, "H$@" REALM);
	assert_int_equal(keytab.kvno, 3);
	assert_int_equal(entries(&keytab), 2);
	assert_int_not_equal(keytab.serial, serial);
	(void)close(fd);
	/* A bad one afterwards leaves no key behind. */
	dsa_keytab_fail(&keytab, DS_ERR_NOTFOUND, "gone");
	assert_null(keytab.kt);
	assert_string_equal(keytab.state, "missing");
	assert_string_equal(keytab.problem, "gone");
	dsa_keytab_done(&keytab);
}

static void check_bad(int fd, const char *problem)
{
	struct dsa_keytab keytab;

	dsa_keytab_init(&keytab, ctx);
	assert_int_not_equal(dsa_keytab_load(&keytab, fd, REALM), 0);
	assert_null(keytab.kt);
	assert_string_equal(keytab.state, "wrong");
	if (strstr(keytab.problem, problem) == NULL)
		fail_msg("\"%s\" is not in \"%s\"", problem, keytab.problem);
	dsa_keytab_done(&keytab);
	(void)close(fd);
}

static int file_of(const void *p, size_t len)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, p, len), len);
	return fd;
}

static void test_bad(void **state)
{
	static const struct item foreign[] = { { "H$@OTHER.REALM", 1, AES } };
	static const struct item service[] = { { "host/h@" REALM, 1, AES } };
	static const struct item weak[] = { { "H$@" REALM, 1, RC4 } };
	static char huge[DSA_KEYTAB_BYTES_MAX + 1];

	(void)state;
	check_bad(make(foreign, 1), "entries of another realm");
	check_bad(make(service, 1), "no computer principal");
	check_bad(make(weak, 1), "no AES keys");
	check_bad(file_of("", 0), "cannot be read");
	check_bad(file_of("\5\2", 2), "no entries");
	check_bad(file_of("\5\2\0\0\0\x20garbage", 13), "");
	check_bad(file_of(huge, sizeof(huge)), ds_strerror(DS_ERR_LIMIT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

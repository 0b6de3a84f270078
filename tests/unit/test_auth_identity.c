/*
 * Names at the Kerberos boundary, account state, and texts.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>
#include <unistd.h>

#include "synccache/auth/krb.h"
#include "synccache/auth/policy.h"

#define REALM "AADDSCONTOSO.COM"

static krb5_context ctx;

/* A context that reads no file but ours. */
static int setup(void **state)
{
	char conf[] = "/tmp/dsa-conf-XXXXXX";
	int fd = mkstemp(conf), r;

	(void)state;
	assert_true(fd >= 0);
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

static bool same(const char *realm, const char *name, size_t len,
		 const char *sam)
{
	struct ds_snap_account account = { .sam = sam, .upn = "" };
	krb5_principal p;
	bool is;

	assert_int_equal(
	    krb5_build_principal_ext(ctx, &p, (unsigned int)strlen(realm),
				     realm, (unsigned int)len, name, 0),
	    0);
	is = dsa_krb_is_account(p, REALM, &account);
	krb5_free_principal(ctx, p);
	return is;
}

static bool is(const char *name, const char *sam)
{
	return same(REALM, name, strlen(name), sam);
}

static void test_same_object(void **state)
{
	struct ds_snap_account alice = { .sam = "alice", .upn = "" };
	krb5_principal p;

	(void)state;
	assert_true(is("alice", "alice"));
	assert_true(is("ALICE", "alice"));
	assert_true(is("driley (3f2a)", "driley (3F2A)"));
	assert_true(same("aaddscontoso.com", "alice", 5, "alice"));
	assert_false(is("alice2", "alice"));
	assert_false(is("alic", "alice"));
	assert_false(is("", ""));
	assert_false(is("", "alice"));
	assert_false(same("OTHER.REALM", "alice", 5, "alice"));
	assert_false(same(REALM, "alice\0x", 7, "alice"));
	assert_false(is("alice@" REALM, "alice"));
	assert_false(is("alice\\@" REALM, "alice"));
	/* Only ASCII folds: U+00DC is not U+00FC. */
	assert_true(is("j\xc3\xbcrgen", "J\xc3\xbcRGEN"));
	assert_false(is("j\xc3\xbcrgen", "j\xc3\x9crgen"));
	/* Two components that look like one when written out. */
	assert_int_equal(krb5_parse_name(ctx, "alice/x@" REALM, &p), 0);
	assert_false(dsa_krb_is_account(p, REALM, &alice));
	krb5_free_principal(ctx, p);
}

static void check_enterprise(const char *upn, const char *sam,
			     const char *want)
{
	struct ds_snap_account account = { .upn = upn, .sam = sam };
	krb5_principal p;

	assert_int_equal(dsa_krb_enterprise(ctx, REALM, &account, &p), 0);
	assert_int_equal(p->type, KRB5_NT_ENTERPRISE_PRINCIPAL);
	assert_int_equal(p->length, 1);
	assert_int_equal(p->data[0].length, strlen(want));
	assert_memory_equal(p->data[0].data, want, strlen(want));
	assert_int_equal(p->realm.length, strlen(REALM));
	krb5_free_principal(ctx, p);
}

static void test_enterprise(void **state)
{
	(void)state;
	check_enterprise("bob@contoso.com", "bob", "bob@contoso.com");
	check_enterprise("", "svc (1)", "svc (1)@" REALM);
	/* Nothing is syntax: one component of just these bytes. */
	check_enterprise("a/b\\c@x@y", "a", "a/b\\c@x@y");
}

#define NOW 134397000000000000u

static void check_state(uint32_t uac, uint64_t expires,
			enum ds_auth_result want)
{
	struct ds_snap_account account = { .uac = uac,
					   .account_expires = expires };

	assert_int_equal(dsa_account_state(&account, NOW), want);
}

static void test_account_state(void **state)
{
	(void)state;
	check_state(0x200, 0, DS_AUTH_OK);
	check_state(0x200, INT64_MAX, DS_AUTH_OK);
	check_state(0x10200, UINT64_MAX, DS_AUTH_OK);
	check_state(0x200, NOW + 1, DS_AUTH_OK);
	check_state(0x200, NOW, DS_AUTH_EXPIRED);
	check_state(0x200, 1, DS_AUTH_EXPIRED);
	check_state(0x202, 0, DS_AUTH_DISABLED);
	check_state(0x202, 1, DS_AUTH_DISABLED);
	check_state(0x1000, 0, DS_AUTH_DENIED); /* a computer */
	check_state(0x800, 0, DS_AUTH_DENIED);  /* a trust */
	check_state(0, 0, DS_AUTH_DENIED);      /* not mirrored */
	/* 2026-11-21T00:00:00Z */
	assert_int_equal(dsa_filetime(1795219200), 134396928000000000u);
}

/* Nothing particular is said before the password was proven. */
static void test_text(void **state)
{
	char text[DS_TEXT_MAX + 1];

	(void)state;
	for (int r = 0; r < DS_AUTH_UNAVAILABLE; r++) {
		dsa_text((enum ds_auth_result)r, false, "https://x", text,
			 sizeof(text));
		assert_string_equal(text, "");
	}
	dsa_text(DS_AUTH_DISABLED, true, "", text, sizeof(text));
	assert_string_equal(text, "Your account is disabled.");
	dsa_text(DS_AUTH_NEW_PASSWORD, true, "https://x", text, sizeof(text));
	assert_string_equal(text, "Your password must be changed. Change it "
				  "at https://x");
	dsa_text(DS_AUTH_NEW_PASSWORD, true, "", text, sizeof(text));
	assert_string_equal(text, "Your password must be changed.");
	dsa_text(DS_AUTH_BAD_PASSWORD, true, "", text, sizeof(text));
	assert_string_equal(text, "");
	assert_string_equal(dsa_result_word((enum ds_auth_result)77),
			    "denied");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same_object),
		cmocka_unit_test(test_enterprise),
		cmocka_unit_test(test_account_state),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

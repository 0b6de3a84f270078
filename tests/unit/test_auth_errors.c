/*
 * What a KDC's refusal means: NTSTATUS in e-data, and the error table row by
 * row.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <krb5.h>
#include <stdlib.h>
#include <string.h>

#include "synccache/auth/edata.h"
#include "synccache/auth/krberr.h"

/* KERB-EXT-ERROR of a disabled account. */
#define EXT 0x72, 0, 0, 0xC0, 0, 0, 0, 0, 1, 0, 0, 0

/* KERB-ERROR-DATA, type 3 (MS-KILE 2.2.2). */
static const uint8_t kile[] = { 0x30, 0x15, 0xA1, 3, 2,  1,
				3,    0xA2, 0x0E, 4, 12, EXT };
/* METHOD-DATA with an element of type 3, after another one. */
static const uint8_t method[] = { 0x30, 0x22, 0x30, 0x09, 0xA1, 3, 2,
				  1,    2,    0xA2, 2,    4,    0, 0x30,
				  0x15, 0xA1, 3,    2,    1,    3, 0xA2,
				  0x0E, 4,    12,   EXT };
/* As Samba does it for a locked account: a salt of twelve bytes. */
static const uint8_t salt[] = { 0x30, 0x17, 0x30, 0x15, 0xA1, 3,   2,
				1,    3,    0xA2, 0x0E, 4,    12,  'R',
				'E',  'A',  'L',  'M',  'r',  'o', 'b',
				'e',  'r',  't',  's' };

static void test_both_forms(void **state)
{
	(void)state;
	assert_int_equal(dsa_edata_ntstatus(kile, sizeof(kile)),
			 DSA_NT_DISABLED);
	assert_int_equal(dsa_edata_ntstatus(method, sizeof(method)),
			 DSA_NT_DISABLED);
}

static void test_not_a_status(void **state)
{
	uint8_t bytes[sizeof(kile)];

	(void)state;
	assert_int_equal(dsa_edata_ntstatus(NULL, 0), DSA_NT_NONE);
	assert_int_equal(dsa_edata_ntstatus(salt, sizeof(salt)), DSA_NT_NONE);
	memcpy(bytes, kile, sizeof(kile));
	bytes[6] = 2; /* another type */
	assert_int_equal(dsa_edata_ntstatus(bytes, sizeof(bytes)),
			 DSA_NT_NONE);
	memcpy(bytes, kile, sizeof(kile));
	bytes[14] = 0x40; /* informational, not an error */
	assert_int_equal(dsa_edata_ntstatus(bytes, sizeof(bytes)),
			 DSA_NT_NONE);
}

/* An exact heap copy, so that a sanitizer sees a byte too far. */
static void run_copy(const uint8_t *p, size_t len)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	uint32_t status;

	assert_non_null(copy);
	memcpy(copy, p, len);
	status = dsa_edata_ntstatus(copy, len);
	assert_true(status == 0 || status >> 16 == 0xC000);
	free(copy);
}

static void test_hostile(void **state)
{
	static const uint8_t lengths[][8] = {
		{ 0x30, 0x80 },                         /* indefinite */
		{ 0x30, 0x84, 0xff, 0xff, 0xff, 0xff }, /* 4 GB */
		{ 0x30, 0x85, 1, 1, 1, 1, 1 }, /* longer than 4 bytes */
		{ 0x30, 0x82, 1 },             /* length cut off */
		{ 0x30, 0x02, 0x30, 0x7f },    /* inner one leaves outer */
		{ 0x30, 0xff },
	};
	uint8_t bytes[sizeof(method)];

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(*lengths); i++)
		for (size_t len = 0; len <= sizeof(*lengths); len++)
			run_copy(lengths[i], len);
	for (size_t len = 0; len <= sizeof(method); len++)
		run_copy(method, len);
	for (size_t len = 0; len < sizeof(kile); len++)
		assert_int_equal(dsa_edata_ntstatus(kile, len), DSA_NT_NONE);
	for (size_t i = 0; i < sizeof(method); i++) {
		for (int v = 0; v < 256; v++) {
			memcpy(bytes, method, sizeof(method));
			bytes[i] = (uint8_t)v;
			run_copy(bytes, sizeof(bytes));
		}
	}
}

struct row {
	const char *what;
	enum dsa_stage stage;
	int32_t code;
	uint32_t status;
	bool sent;
	struct dsa_verdict want;
};

static const struct row rows[] = {
	{ "disabled",
	  DSA_STAGE_AS,
	  KRB5KDC_ERR_CLIENT_REVOKED,
	  0xC0000072,
	  true,
	  { DS_AUTH_DISABLED, true } },
	{ "disabled, before any password",
	  DSA_STAGE_AS,
	  KRB5KDC_ERR_CLIENT_REVOKED,
	  0xC0000072,
	  false,
	  { DS_AUTH_DISABLED, false } },
	{ "expired",
	  DSA_STAGE_AS,
	  KRB5KDC_ERR_CLIENT_REVOKED,
	  0xC0000193,
	  true,
	  { DS_AUTH_EXPIRED, true } },
	{ "logon hours",
	  DSA_STAGE_AS,
	  KRB5KDC_ERR_CLIENT_REVOKED,
	  0xC000006F,
	  true,
	  { DS_AUTH_HOURS, true } },
	{ "locked, Samba",
	  DSA_STAGE_AS,
	  KRB5KDC_ERR_CLIENT_REVOKED,
	  0,
	  true,
	  { DS_AUTH_LOCKED, false } },
	{ "locked, Windows",
	  DSA_STAGE_AS,
	  KRB5KDC_ERR_CLIENT_REVOKED,
	  0xC0000234,
	  true,
	  { DS_AUTH_LOCKED, false } },
	{ "workstation",
	  DSA_STAGE_AS,
	  KRB5KDC_ERR_POLICY,
	  0,
	  true,
	  { DS_AUTH_DENIED, false } },
	{ "workstation, 18",
	  DSA_STAGE_AS,
	  KRB5KDC_ERR_CLIENT_REVOKED,
	  0xC0000070,
	  true,
	  { DS_AUTH_DENIED, false } },
	{ "must change",
	  DSA_STAGE_AS,
	  KRB5KDC_ERR_KEY_EXP,
	  0xC0000224,
	  true,
	  { DS_AUTH_NEW_PASSWORD, false } },
	{ "wrong password",
	  DSA_STAGE_AS,
	  KRB5KDC_ERR_PREAUTH_FAILED,
	  0,
	  true,
	  { DS_AUTH_BAD_PASSWORD, false } },
	{ "wrong password, with a status",
	  DSA_STAGE_AS,
	  KRB5KDC_ERR_PREAUTH_FAILED,
	  0xC0000072,
	  true,
	  { DS_AUTH_BAD_PASSWORD, false } },
	{ "wrong password, no preauthentication",
	  DSA_STAGE_AS,
	  KRB5KRB_AP_ERR_BAD_INTEGRITY,
	  0,
	  false,
	  { DS_AUTH_BAD_PASSWORD, false } },
	{ "unknown",
	  DSA_STAGE_AS,
	  KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN,
	  0,
	  false,
	  { DS_AUTH_UNKNOWN, false } },
	{ "no AES key",
	  DSA_STAGE_AS,
	  KRB5KDC_ERR_ETYPE_NOSUPP,
	  0,
	  false,
	  { DS_AUTH_DENIED, false } },
	{ "skew",
	  DSA_STAGE_AS,
	  KRB5KRB_AP_ERR_SKEW,
	  0,
	  true,
	  { DS_AUTH_UNAVAILABLE, false } },
	{ "unreachable",
	  DSA_STAGE_AS,
	  KRB5_KDC_UNREACH,
	  0,
	  false,
	  { DS_AUTH_UNAVAILABLE, false } },
	{ "no KDC known",
	  DSA_STAGE_AS,
	  KRB5_REALM_UNKNOWN,
	  0,
	  false,
	  { DS_AUTH_UNAVAILABLE, false } },
	{ "wrong realm",
	  DSA_STAGE_AS,
	  KRB5KDC_ERR_WRONG_REALM,
	  0,
	  false,
	  { DS_AUTH_UNAVAILABLE, false } },
	{ "invented",
	  DSA_STAGE_AS,
	  KRB5KDC_ERR_NONE + 99,
	  0,
	  true,
	  { DS_AUTH_DENIED, false } },
	{ "verify: no entry",
	  DSA_STAGE_VERIFY,
	  KRB5_KT_NOTFOUND,
	  0,
	  true,
	  { DS_AUTH_DENIED, false } },
	{ "verify: wrong key",
	  DSA_STAGE_VERIFY,
	  KRB5KRB_AP_ERR_BAD_INTEGRITY,
	  0,
	  true,
	  { DS_AUTH_DENIED, false } },
	{ "verify: kvno",
	  DSA_STAGE_VERIFY,
	  KRB5KRB_AP_ERR_BADKEYVER,
	  0,
	  true,
	  { DS_AUTH_DENIED, false } },
	{ "verify: no keytab",
	  DSA_STAGE_VERIFY,
	  ENOENT,
	  0,
	  true,
	  { DS_AUTH_DENIED, false } },
	{ "verify: revoked is no state of the user",
	  DSA_STAGE_VERIFY,
	  KRB5KDC_ERR_CLIENT_REVOKED,
	  0xC0000072,
	  true,
	  { DS_AUTH_DENIED, false } },
	{ "verify: unreachable",
	  DSA_STAGE_VERIFY,
	  KRB5_KDC_UNREACH,
	  0,
	  true,
	  { DS_AUTH_UNAVAILABLE, false } },
};

static void test_table(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		const struct row *r = &rows[i];
		struct dsa_verdict v =
		    dsa_krb_verdict(r->stage, r->code, r->status, r->sent);

		if (v.result != r->want.result || v.proven != r->want.proven)
			fail_msg("%s: %d %d", r->what, (int)v.result,
				 (int)v.proven);
	}
}

struct armour_row {
	const char *what;
	int32_t code;
	uint32_t kdc_error;
	bool asked, want;
};

static const struct armour_row armour_rows[] = {
	{ "empty cache", KRB5_CC_NOTFOUND, 0, false, true },
	{ "expired TGT", KRB5KRB_AP_ERR_TKT_EXPIRED, 0, false, true },
	{ "rejected TGT", KRB5KRB_AP_ERR_BAD_INTEGRITY, 31, false, true },
	{ "forgotten key", KRB5KRB_ERR_GENERIC, 60, false, true },
	{ "something after the password", KRB5KRB_ERR_GENERIC, 60, true,
	  false },
	{ "rejected late", KRB5KRB_AP_ERR_BAD_INTEGRITY, 31, true, true },
	{ "reply not readable, before a password",
	  KRB5KRB_AP_ERR_BAD_INTEGRITY, 0, false, true },
	{ "wrong password, no preauthentication", KRB5KRB_AP_ERR_BAD_INTEGRITY,
	  0, true, false },
	{ "an answer in the open", KRB5_ERR_FAST_REQUIRED, 0, true, true },
	{ "no FAST there", KRB5KDC_ERR_PREAUTH_REQUIRED, 25, false, true },
	{ "wrong password", KRB5KDC_ERR_PREAUTH_FAILED, 24, true, false },
	{ "disabled", KRB5KDC_ERR_CLIENT_REVOKED, 18, true, false },
	{ "must change", KRB5KDC_ERR_KEY_EXP, 23, true, false },
	{ "unknown", KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN, 6, false, false },
	{ "unreachable", KRB5_KDC_UNREACH, 0, false, false },
	{ "none", 0, 0, true, false },
};

static void test_bad_armour(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(armour_rows) / sizeof(*armour_rows);
	     i++) {
		const struct armour_row *r = &armour_rows[i];

		if (dsa_krb_bad_armour(r->code, r->kdc_error, r->asked) !=
		    r->want)
			fail_msg("%s", r->what);
	}
}

/* Where the KDC says "locked" and no more, the mirror may know better. */
static void test_silent(void **state)
{
	const struct dsa_verdict locked = { DS_AUTH_LOCKED, false };
	struct dsa_verdict v;

	(void)state;
	v = dsa_krb_silent(locked, DS_AUTH_DISABLED, true);
	assert_int_equal(v.result, DS_AUTH_DISABLED);
	assert_true(v.proven);
	v = dsa_krb_silent(locked, DS_AUTH_EXPIRED, false);
	assert_int_equal(v.result, DS_AUTH_EXPIRED);
	assert_false(v.proven);
	v = dsa_krb_silent(locked, DS_AUTH_HOURS, true);
	assert_int_equal(v.result, DS_AUTH_HOURS);
	assert_true(v.proven);
	v = dsa_krb_silent(locked, DS_AUTH_LOCKED, true);
	assert_int_equal(v.result, DS_AUTH_LOCKED);
	assert_false(v.proven);
	/* Nobody says why. */
	v = dsa_krb_silent(locked, DS_AUTH_OK, true);
	assert_int_equal(v.result, DS_AUTH_DENIED);
	assert_false(v.proven);
	/* Nothing else changes, and nothing becomes right. */
	for (uint32_t r = DS_AUTH_OK; r <= DS_AUTH_UNAVAILABLE; r++) {
		const struct dsa_verdict was = { (enum ds_auth_result)r,
						 false };

		v = dsa_krb_silent(was, DS_AUTH_DISABLED, true);
		assert_int_equal(v.result, r == DS_AUTH_LOCKED
					       ? DS_AUTH_DISABLED
					       : (enum ds_auth_result)r);
		v = dsa_krb_silent(locked, (enum ds_auth_result)r, true);
		assert_int_not_equal(v.result, DS_AUTH_OK);
	}
}

/* No code, with no status, lets anybody in. */
static void test_never_ok(void **state)
{
	(void)state;
	for (int32_t i = -300; i <= 300; i++) {
		int32_t code = (int32_t)KRB5KDC_ERR_NONE + i;

		assert_int_not_equal(
		    dsa_krb_verdict(DSA_STAGE_AS, code, 0, true).result,
		    DS_AUTH_OK);
		assert_int_not_equal(
		    dsa_krb_verdict(DSA_STAGE_VERIFY, code, 0, true).result,
		    DS_AUTH_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_forms),
		cmocka_unit_test(test_not_a_status),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_bad_armour),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_never_ok),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

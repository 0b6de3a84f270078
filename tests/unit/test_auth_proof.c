/*
 * The proof behind a password: tickets for the host, made here with a key
 * that is in the keytab or is not, with PACs of all sorts.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "synccache/auth/krb.h"
#include "synccache/auth/pac.h"
#include "synccache/auth/proof.h"

#define REALM "AADDSCONTOSO.COM"

/* Exported by libkrb5, declared in no header: what a KDC does. */
krb5_error_code krb5_encrypt_tkt_part(krb5_context ctx,
				      const krb5_keyblock *key,
				      krb5_ticket *ticket);
krb5_error_code encode_krb5_ticket(const krb5_ticket *ticket,
				   krb5_data **ret_code);

/* ---- UPN_DNS_INFO ---- */

#define SID_ALICE 1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0x50, 4, 0, 0
#define SID_BOB   1, 2, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0x51, 4, 0, 0

/* UPN "a" at 20, domain "b" at 22, name "c" at 24, the SID at 32. */
static const uint8_t info_alice[] = { 2,  0, 20,  0, 2,   0,        22,  0,  2,
				      0,  0, 0,   2, 0,   24,       0,   16, 0,
				      32, 0, 'a', 0, 'b', 0,        'c', 0,  0,
				      0,  0, 0,   0, 0,   SID_ALICE };
static const uint8_t info_bob[] = { 2,  0, 20,  0, 2,   0,      22,  0,  2,
				    0,  0, 0,   2, 0,   24,     0,   16, 0,
				    32, 0, 'a', 0, 'b', 0,      'c', 0,  0,
				    0,  0, 0,   0, 0,   SID_BOB };

/* An exact heap copy, so that a sanitizer sees a byte too far. */
static int read_copy(const uint8_t *p, size_t len, struct ds_sid *sid)
{
	uint8_t *copy = malloc(len > 0 ? len : 1);
	int r;

	assert_non_null(copy);
	memcpy(copy, p, len);
	r = dsa_pac_user_sid(copy, len, sid);
	free(copy);
	return r;
}

static void test_sid(void **state)
{
	struct ds_sid sid;
	char text[DS_SID_STR_MAX];

	(void)state;
	assert_int_equal(read_copy(info_alice, sizeof(info_alice), &sid), 0);
	assert_string_equal(ds_sid_to_str(&sid, text), "S-1-5-21-1104");
}

static void test_no_sid(void **state)
{
	uint8_t bytes[sizeof(info_alice)];
	struct ds_sid sid;

	(void)state;
	memcpy(bytes, info_alice, sizeof(bytes));
	bytes[8] = 1; /* no UPN attribute, and nothing more */
	assert_int_equal(read_copy(bytes, sizeof(bytes), &sid),
			 DS_ERR_NOTFOUND);
	assert_int_equal(read_copy(bytes, 12, &sid), DS_ERR_NOTFOUND);
	bytes[8] = 0;
	assert_int_equal(read_copy(bytes, 12, &sid), DS_ERR_NOTFOUND);
}

struct edit {
	const char *what;
	size_t at;
	uint8_t low, high;
};

static void test_hostile_fields(void **state)
{
	static const struct edit edits[] = {
		{ "SID one byte short", 16, 15, 0 },
		{ "SID one byte long", 16, 17, 0 },
		{ "SID of no bytes", 16, 0, 0 },
		{ "SID of 64 KiB", 16, 0xff, 0xff },
		{ "SID in the header", 18, 0, 0 },
		{ "SID in the header's last byte", 18, 19, 0 },
		{ "SID one byte beyond", 18, 33, 0 },
		{ "SID at the end", 18, 48, 0 },
		{ "SID after the end", 18, 49, 0 },
		{ "SID far away", 18, 0xff, 0xff },
		{ "another revision", 32, 2, 2 },
		{ "more subauthorities than bytes", 32, 1, 3 },
		{ "no subauthority", 32, 1, 0 },
	};
	uint8_t bytes[sizeof(info_alice)];
	struct ds_sid sid;

	(void)state;
	for (size_t i = 0; i < sizeof(edits) / sizeof(*edits); i++) {
		memcpy(bytes, info_alice, sizeof(bytes));
		bytes[edits[i].at] = edits[i].low;
		bytes[edits[i].at + 1] = edits[i].high;
		if (read_copy(bytes, sizeof(bytes), &sid) != DS_ERR_FORMAT)
			fail_msg("%s", edits[i].what);
	}
	/* A header that would be a SID itself. */
	memcpy(bytes, info_alice, sizeof(bytes));
	memcpy(bytes, info_alice + 32, 8);
	bytes[8] = 2;
	bytes[18] = 0;
	assert_int_equal(read_copy(bytes, sizeof(bytes), &sid), DS_ERR_FORMAT);
}

static void test_cut_and_edited(void **state)
{
	uint8_t bytes[sizeof(info_alice)];
	struct ds_sid sid;

	(void)state;
	assert_int_equal(dsa_pac_user_sid(NULL, 0, &sid), DS_ERR_FORMAT);
	for (size_t len = 0; len < sizeof(info_alice); len++)
		assert_int_equal(read_copy(info_alice, len, &sid),
				 DS_ERR_FORMAT);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		for (int v = 0; v < 256; v++) {
			memcpy(bytes, info_alice, sizeof(bytes));
			bytes[i] = (uint8_t)v;
			(void)read_copy(bytes, sizeof(bytes), &sid);
		}
	}
}

/* ---- tickets ---- */

static krb5_context ctx;
static krb5_keytab kt;
static krb5_principal host, alice, bob;
static krb5_keyblock host_key, other_key, session, other_session;

static void make_key(krb5_keyblock *key)
{
	assert_int_equal(
	    krb5_c_make_random_key(ctx, ENCTYPE_AES256_CTS_HMAC_SHA1_96, key),
	    0);
}

static int setup(void **state)
{
	char conf[] = "/tmp/dsa-conf-XXXXXX";
	krb5_keytab_entry entry = { .vno = 2 };
	int fd = mkstemp(conf);

	(void)state;
	assert_true(fd >= 0);
	(void)close(fd);
	assert_int_equal(dsa_krb_context(conf, REALM, &ctx), 0);
	(void)unlink(conf);
	assert_int_equal(krb5_parse_name(ctx, "HOST1$", &host), 0);
	assert_int_equal(krb5_parse_name(ctx, "alice", &alice), 0);
	assert_int_equal(krb5_parse_name(ctx, "bob", &bob), 0);
	make_key(&host_key);
	make_key(&other_key);
	make_key(&session);
	make_key(&other_session);
	assert_int_equal(krb5_kt_resolve(ctx, "MEMORY:proof", &kt), 0);
	entry.principal = host;
	entry.key = host_key;
	return krb5_kt_add_entry(ctx, kt, &entry);
}

static int teardown(void **state)
{
	(void)state;
	krb5_free_keyblock_contents(ctx, &host_key);
	krb5_free_keyblock_contents(ctx, &other_key);
	krb5_free_keyblock_contents(ctx, &session);
	krb5_free_keyblock_contents(ctx, &other_session);
	krb5_free_principal(ctx, host);
	krb5_free_principal(ctx, alice);
	krb5_free_principal(ctx, bob);
	(void)krb5_kt_close(ctx, kt);
	krb5_free_context(ctx);
	return 0;
}

/* What a KDC could put into a ticket; the default is all in order. */
struct recipe {
	const krb5_keyblock *key, *pac_key; /* of ticket and signature */
	const krb5_keyblock *inside;        /* session key in the ticket */
	krb5_principal pac_client;
	bool no_pac, two_pacs, no_info;
	const uint8_t *info;
	size_t info_len;
	int kvno;
	krb5_deltat age; /* seconds since the ticket ended */
};

static struct recipe good(void)
{
	return (struct recipe){
		.key = &host_key,
		.pac_key = &host_key,
		.inside = &session,
		.pac_client = alice,
		.info = info_alice,
		.info_len = sizeof(info_alice),
		.kvno = 2,
		.age = -3600,
	};
}

static void make_pac(const struct recipe *r, krb5_timestamp authtime,
		     krb5_data *ret_pac)
{
	krb5_data info = { .length = (unsigned int)r->info_len,
			   .data = (char *)(uintptr_t)r->info };
	krb5_pac pac;

	assert_int_equal(krb5_pac_init(ctx, &pac), 0);
	if (!r->no_info)
		assert_int_equal(krb5_pac_add_buffer(
				     ctx, pac, KRB5_PAC_UPN_DNS_INFO, &info),
				 0);
	assert_int_equal(krb5_pac_sign(ctx, pac, authtime, r->pac_client,
				       r->pac_key, &other_key, ret_pac),
			 0);
	krb5_pac_free(ctx, pac);
}

/* The PAC as tickets carry it: inside an AD-IF-RELEVANT. */
static krb5_authdata **wrap(krb5_data *pac, bool twice)
{
	krb5_authdata one = { .ad_type = KRB5_AUTHDATA_WIN2K_PAC,
			      .length = pac->length,
			      .contents = (krb5_octet *)pac->data };
	krb5_authdata *list[] = { &one, twice ? &one : NULL, NULL };
	krb5_authdata **ret;

	assert_int_equal(krb5_encode_authdata_container(
			     ctx, KRB5_AUTHDATA_IF_RELEVANT, list, &ret),
			 0);
	return ret;
}

static void make_ticket(const struct recipe *r, krb5_creds *ret_creds)
{
	krb5_timestamp now = (krb5_timestamp)time(NULL);
	krb5_enc_tkt_part part = { .client = alice };
	krb5_ticket ticket = { .server = host, .enc_part2 = &part };
	krb5_keyblock inside = *r->inside;
	krb5_data *code, pac = { 0 };

	part.session = &inside;
	part.times.authtime = part.times.starttime = now - 7200;
	part.times.endtime = now - r->age;
	if (!r->no_pac) {
		make_pac(r, part.times.authtime, &pac);
		part.authorization_data = wrap(&pac, r->two_pacs);
	}
	assert_int_equal(krb5_encrypt_tkt_part(ctx, r->key, &ticket), 0);
	ticket.enc_part.kvno = (krb5_kvno)r->kvno;
	assert_int_equal(encode_krb5_ticket(&ticket, &code), 0);
	*ret_creds = (krb5_creds){ .client = alice,
				   .server = host,
				   .keyblock = session,
				   .times = part.times,
				   .ticket = *code };
	free(code);
	krb5_free_data_contents(ctx, &ticket.enc_part.ciphertext);
	krb5_free_data_contents(ctx, &pac);
	krb5_free_authdata(ctx, part.authorization_data);
}

static bool try_recipe(const struct recipe *r, struct dsa_proof *proof)
{
	krb5_creds creds;
	bool ok;

	make_ticket(r, &creds);
	ok = dsa_proof_read(ctx, kt, host, &creds, proof);
	krb5_free_data_contents(ctx, &creds.ticket);
	return ok;
}

static void test_good(void **state)
{
	struct recipe r = good();
	struct dsa_proof proof;
	char text[DS_SID_STR_MAX];

	(void)state;
	assert_true(try_recipe(&r, &proof));
	assert_string_equal(ds_sid_to_str(&proof.sid, text), "S-1-5-21-1104");
	assert_true(krb5_principal_compare(ctx, proof.client, alice));
	dsa_proof_done(ctx, &proof);
	r.info = info_bob;
	assert_true(try_recipe(&r, &proof));
	assert_string_equal(ds_sid_to_str(&proof.sid, text), "S-1-5-21-1105");
	dsa_proof_done(ctx, &proof);
}

static void assert_refused(const struct recipe *r, const char *word)
{
	struct dsa_proof proof;

	assert_false(try_recipe(r, &proof));
	assert_non_null(proof.problem);
	if (strstr(proof.problem, word) == NULL)
		fail_msg("\"%s\" instead of \"%s\"", proof.problem, word);
	dsa_proof_done(ctx, &proof);
}

static void test_false_kdc(void **state)
{
	struct recipe r = good();

	(void)state;
	r.key = r.pac_key = &other_key;
	assert_refused(&r, "could not be verified");
	r = good();
	r.kvno = 7;
	assert_refused(&r, "could not be verified");
	r = good();
	r.age = 3600; /* it ended */
	assert_refused(&r, "could not be verified");
}

/* A true ticket of somebody's, captured; its session key is not known. */
static void test_captured(void **state)
{
	struct recipe r = good();

	(void)state;
	r.inside = &other_session;
	assert_refused(&r, "could not be verified");
}

static void test_no_pac(void **state)
{
	struct recipe r = good();

	(void)state;
	r.no_pac = true;
	assert_refused(&r, "no PAC");
	r = good();
	r.two_pacs = true;
	assert_refused(&r, "no PAC");
	r = good();
	r.no_info = true;
	assert_refused(&r, "no user SID");
	r = good();
	r.info_len = 20;
	assert_refused(&r, "no user SID");
}

static void test_pac_of_others(void **state)
{
	struct recipe r = good();

	(void)state;
	r.pac_key = &other_key; /* signed by another service */
	assert_refused(&r, "the PAC");
	r = good();
	r.pac_client = bob;
	assert_refused(&r, "the PAC");
}

static void test_no_keys(void **state)
{
	struct recipe r = good();
	struct dsa_proof proof;
	krb5_keytab full = kt;

	(void)state;
	assert_int_equal(krb5_kt_resolve(ctx, "MEMORY:empty", &kt), 0);
	assert_false(try_recipe(&r, &proof));
	assert_int_not_equal(proof.code, 0);
	dsa_proof_done(ctx, &proof);
	(void)krb5_kt_close(ctx, kt);
	kt = full;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sid),
		cmocka_unit_test(test_no_sid),
		cmocka_unit_test(test_hostile_fields),
		cmocka_unit_test(test_cut_and_edited),
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_false_kdc),
		cmocka_unit_test(test_captured),
		cmocka_unit_test(test_no_pac),
		cmocka_unit_test(test_pac_of_others),
		cmocka_unit_test(test_no_keys),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/*
 * What a KDC's answer is worth: one that does not know the host yet, one that
 * proves nothing, and what other workers hear of both.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <string.h>

#include "lib/wire.h"
#include "tests/unit/kdc_world.h"

#define UNKNOWN KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN

/* As one that does not know the host, n times, and then one that does. */
static krb5_error_code ask_elsewhere(int n)
{
	krb5_error_code code = 0, now;

	do {
		now = ask_them(false);
		if (now == 0 && n-- > 0)
			now = UNKNOWN;
	} while (dsa_kdc_elsewhere(&kdc, UNKNOWN, now, &code));
	return code;
}

/* Each KDC is asked once, whichever was the first. */
static void test_elsewhere(void **state)
{
	static const char *const last[] = { "127.0.0.3", "127.0.0.3",
					    "127.0.0.3", "127.0.0.2" };

	(void)state;
	for (int i = 0; i < 4; i++) {
		near = (const char *[]){ "", "127.0.0.1", "127.0.0.2",
					 "127.0.0.3" }[i];
		world(ANSWER, ANSWER, ANSWER);
		assert_int_equal(ask_elsewhere(2), 0);
		assert_string_equal(dsa_kdc_address(&kdc), last[i]);
		for (int k = 0; k < KDCS; k++)
			assert_asked(k, 1);
		world(ANSWER, ANSWER, ANSWER);
		assert_int_equal(ask_elsewhere(3), UNKNOWN);
		for (int k = 0; k < KDCS; k++)
			assert_asked(k, 1);
	}
	near = "";
	/* Silence elsewhere is no answer that counts. */
	world(ANSWER, SILENT, REFUSE);
	assert_int_equal(ask_elsewhere(1), UNKNOWN);
	assert_int_equal(dsa_kdc_word(&kdc, UNKNOWN), DSA_KDC_ANSWERED);
	stop_all();
	world(ANSWER, SILENT, ANSWER);
	assert_int_equal(ask_elsewhere(1), 0);
	assert_asked(0, 1);
	stop(1);
	assert_asked(2, 1);
}

/* Any other word is the last one. */
static void test_nowhere_else(void **state)
{
	static const krb5_error_code words[] = {
		0, KRB5KDC_ERR_POLICY, KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN,
		KRB5_KDC_UNREACH
	};

	(void)state;
	world(ANSWER, ANSWER, REFUSE);
	assert_int_equal(ask_them(false), 0);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		krb5_error_code code = 0;

		assert_false(
		    dsa_kdc_elsewhere(&kdc, UNKNOWN, words[i], &code));
		assert_int_equal(code, words[i]);
	}
	assert_int_equal(ask_them(false), 0);
	assert_asked(0, 2);
	assert_asked(1, 0);
	stop(2);
}

/* The host's own exchange fails n times, and then its key opens the answer. */
static krb5_error_code prove(int n)
{
	static const krb5_error_code bad[] = { KRB5KRB_ERR_GENERIC,
					       KRB5KRB_AP_ERR_BAD_INTEGRITY,
					       KRB5_BAD_MSIZE };
	krb5_error_code code = 0, now;

	do {
		now = ask_them(false);
		assert_true(now != 0 || dsa_kdc_is_doubtful(&kdc) ||
			    kdc.proven);
		if (now == 0 && n > 0)
			now = bad[--n];
	} while (dsa_kdc_unproven(&kdc, now, &code));
	dsa_kdc_prove(&kdc, code == 0);
	return code;
}

/* Whoever answers is asked for proof; the next one, if there is none. */
static void test_unproven(void **state)
{
	struct dsa_found found;

	(void)state;
	for (int i = 0; i < 2; i++) {
		near = i == 0 ? "" : "127.0.0.1";
		world(ANSWER, ANSWER, ANSWER);
		assert_int_equal(kdc.proven, i == 1);
		assert_int_equal(prove(2), 0);
		found = dsa_kdc_found(&kdc);
		assert_string_equal(found.kdc, "127.0.0.3");
		assert_int_equal(found.failed_count, 2);
		assert_string_equal(found.failed[0], "127.0.0.1");
		assert_string_equal(found.failed[1], "127.0.0.2");
		assert_false(dsa_kdc_is_doubtful(&kdc));
		for (int k = 0; k < KDCS; k++)
			assert_asked(k, 1);
		world(ANSWER, ANSWER, ANSWER);
		assert_int_equal(prove(3), KRB5KRB_ERR_GENERIC);
		found = dsa_kdc_found(&kdc);
		assert_string_equal(found.kdc, "");
		assert_int_equal(found.failed_count, 3);
		for (int k = 0; k < KDCS; k++)
			assert_asked(k, 1);
	}
	near = "";
	/* Silence is no proof of anything, and what was said stays said. */
	world(ANSWER, REFUSE, REFUSE);
	assert_int_equal(prove(1), KRB5KRB_ERR_GENERIC);
	assert_int_equal(dsa_kdc_word(&kdc, KRB5KRB_ERR_GENERIC),
			 DSA_KDC_ANSWERED);
	assert_int_equal(dsa_kdc_found(&kdc).failed_count, 1);
	stop_all();
	/* Nor is an answer before it. */
	near = "127.0.0.1";
	world(SILENT, REFUSE, REFUSE);
	kdc.answered = true;
	assert_int_equal(prove(1), KRB5_KDC_UNREACH);
	found = dsa_kdc_found(&kdc);
	assert_int_equal(found.failed_count, 1);
	assert_string_equal(found.failed[0], "127.0.0.1");
	stop_all();
	near = "";
	world(REFUSE, REFUSE, REFUSE);
	kdc.deadline = ds_now_ms() + 500;
	assert_int_equal(prove(1), KRB5_KDC_UNREACH);
	assert_int_equal(dsa_kdc_found(&kdc).failed_count, 0);
	stop_all();
}

/* A KDC that takes the place of one that was proven is not proven. */
static void test_proof_is_of_one_address(void **state)
{
	(void)state;
	near = "127.0.0.1";
	world(REFUSE, ANSWER, ANSWER);
	assert_int_equal(ask_them(true), 0);
	assert_true(dsa_kdc_is_doubtful(&kdc));
	assert_string_equal(dsa_kdc_found(&kdc).kdc, "");
	dsa_kdc_prove(&kdc, true);
	assert_int_equal(ask_them(true), 0);
	assert_string_equal(dsa_kdc_found(&kdc).kdc, "127.0.0.2");
	stop_all();
	near = "";
}

/* Asked after all others, and not left out. */
static void test_doubted(void **state)
{
	struct dsa_doubts doubts = { 0 };

	(void)state;
	assert_true(dsa_doubts_add(&doubts, ds_now_ms(), "127.0.0.1"));
	assert_false(dsa_doubts_add(&doubts, ds_now_ms(), "127.0.0.1"));
	world(ANSWER, REFUSE, ANSWER);
	kdc.doubts = &doubts;
	assert_int_equal(ask_them(true), 0);
	assert_string_equal(dsa_kdc_address(&kdc), "127.0.0.3");
	assert_asked(0, 0);
	stop(1);
	assert_asked(2, 1);
	world(ANSWER, REFUSE, REFUSE);
	kdc.doubts = &doubts;
	assert_int_equal(ask_them(true), 0);
	assert_string_equal(dsa_kdc_address(&kdc), "127.0.0.1");
	stop_all();
	/* One that is only busy is asked again before. */
	near = "127.0.0.3";
	world(ANSWER, REFUSE, BUSY);
	kdc.doubts = &doubts;
	assert_int_equal(ask_them(true), 0);
	assert_string_equal(dsa_kdc_address(&kdc), "127.0.0.3");
	assert_asked(0, 0);
	stop(1);
	stop(2);
	near = "";
	/* Here it has proven itself, meanwhile. */
	world(REFUSE, REFUSE, ANSWER);
	kdc.doubts = &doubts;
	assert_true(dsa_doubts_add(&doubts, ds_now_ms(), "127.0.0.3"));
	assert_int_equal(ask_them(false), 0);
	dsa_kdc_prove(&kdc, true);
	assert_int_equal(ask_them(true), 0);
	assert_string_equal(dsa_kdc_found(&kdc).kdc, "127.0.0.3");
	stop_all();
	dsa_doubts_drop(&doubts, "127.0.0.3");
	dsa_doubts_drop(&doubts, "127.0.0.1");
	world(ANSWER, ANSWER, REFUSE);
	kdc.doubts = &doubts;
	assert_int_equal(ask_them(true), 0);
	assert_asked(0, 1);
	assert_asked(1, 0);
	stop(2);
}

/* They end, and there are no more than fit. */
static void test_doubts(void **state)
{
	struct dsa_doubts doubts = { 0 };
	char address[32];

	(void)state;
	for (int i = 0; i <= DSA_KDCS_MAX; i++) {
		(void)snprintf(address, sizeof(address), "192.0.2.%d", i);
		assert_true(dsa_doubts_add(&doubts, 1000 + i, address));
	}
	assert_false(dsa_doubts_has(&doubts, 2000, "192.0.2.0"));
	assert_true(dsa_doubts_has(&doubts, 2000, "192.0.2.1"));
	assert_true(dsa_doubts_has(&doubts, 1000 + DSA_DOUBT_MS, "192.0.2.1"));
	assert_false(
	    dsa_doubts_has(&doubts, 1001 + DSA_DOUBT_MS, "192.0.2.1"));
	assert_true(dsa_doubts_add(&doubts, 1001 + DSA_DOUBT_MS, "192.0.2.1"));
	assert_false(dsa_doubts_has(&doubts, 2000, ""));
}

/* From one process to another, and not what is none. */
static void test_found_wire(void **state)
{
	struct dsa_found found = { .kdc = "192.0.2.1",
				   .failed = { "192.0.2.2", "fe80::1%eth0" },
				   .failed_count = 2 };
	struct dsa_found got = { 0 };
	uint8_t buf[1024];
	struct ds_writer w;
	struct ds_reader r;

	(void)state;
	ds_writer_init(&w, buf, sizeof(buf));
	dsa_found_put(&w, &found);
	assert_int_equal(w.err, 0);
	ds_reader_init(&r, buf, w.len);
	dsa_found_get(&r, &got);
	assert_int_equal(ds_reader_end(&r), 0);
	assert_memory_equal(&got, &found, sizeof(got));
	for (size_t len = 0; len < w.len; len++) {
		ds_reader_init(&r, buf, len);
		dsa_found_get(&r, &got);
		assert_int_not_equal(r.err, 0);
	}
	/* One more than there may be. */
	ds_writer_init(&w, buf, sizeof(buf));
	ds_put_str(&w, "");
	ds_put_u8(&w, DSA_KDCS_MAX + 1);
	for (int i = 0; i <= DSA_KDCS_MAX; i++)
		ds_put_str(&w, "x");
	ds_reader_init(&r, buf, w.len);
	dsa_found_get(&r, &got);
	assert_int_not_equal(r.err, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elsewhere),
		cmocka_unit_test(test_nowhere_else),
		cmocka_unit_test(test_unproven),
		cmocka_unit_test(test_proof_is_of_one_address),
		cmocka_unit_test(test_doubted),
		cmocka_unit_test(test_doubts),
		cmocka_unit_test(test_found_wire),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

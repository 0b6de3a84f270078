/*
 * SipHash-1-3 against two independent implementations: the 64-byte ramp of the
 * reference code, and CPython's hash(bytes) under the key of zeros.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/siphash.h"

static const uint64_t ramp_key[2] = { 0x0706050403020100u,
				      0x0f0e0d0c0b0a0908u };

static void reference_vectors(void **state)
{
	uint8_t in[16];
	int i;

	(void)state;
	for (i = 0; i < 16; i++)
		in[i] = (uint8_t)i;
	assert_int_equal(ds_siphash13(ramp_key, in, 0), 0xabac0158050fc4dcu);
	assert_int_equal(ds_siphash13(ramp_key, in, 1), 0xc9f49bf37d57ca93u);
	assert_int_equal(ds_siphash13(ramp_key, in, 7), 0xd3927d989bb11140u);
	assert_int_equal(ds_siphash13(ramp_key, in, 8), 0x369095118d299a8eu);
	assert_int_equal(ds_siphash13(ramp_key, in, 15), 0xd320d86d2a519956u);
}

static void python_vectors(void **state)
{
	static const uint64_t zero[2];

	(void)state;
	assert_int_equal(ds_siphash13(zero, "a", 1),
			 (uint64_t)INT64_C(4644417185603328019));
	assert_int_equal(ds_siphash13(zero, "driley@aaddscontoso.com", 23),
			 (uint64_t)INT64_C(-5679091339742223591));
}

static void stream_is_the_same(void **state)
{
	uint8_t in[203];
	size_t len, cut;
	struct ds_sip s;

	(void)state;
	for (len = 0; len < sizeof(in); len++)
		in[len] = (uint8_t)(len * 7 + 1);
	for (len = 0; len < sizeof(in); len++) {
		for (cut = 0; cut <= len; cut += 8) {
			size_t rest = len % 8;

			ds_sip_init(&s, ramp_key);
			ds_sip_words(&s, in, cut);
			ds_sip_words(&s, in + cut, len - rest - cut);
			assert_int_equal(
			    ds_sip_final(&s, in + len - rest, rest),
			    ds_siphash13(ramp_key, in, len));
			if (len - rest == cut)
				break;
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reference_vectors),
		cmocka_unit_test(python_vectors),
		cmocka_unit_test(stream_is_the_same),
	};
	return cmocka_run_group_tests_name("siphash", tests, NULL, NULL);
}

/*
 * libFuzzer target: the framing of a kpasswd reply, and its words.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/utf8.h"
#include "synccache/auth/kpwmsg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is shown is UTF-8 without control bytes, and fits. */
static void check_words(const char *words, size_t cap)
{
	if (strnlen(words, cap) == cap)
		abort();
	while (*words != '\0') {
		uint32_t cp;
		size_t n = ds_utf8_decode(words, &cp);

		if (n == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
			abort();
		words += n;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct dsa_kpw_parts parts;
	char words[384];

	check_words(dsa_kpw_words(data, size, words, sizeof(words)),
		    sizeof(words));
	if (dsa_kpw_split(data, size, &parts) == 0 &&
	    (parts.ap < data || parts.rest_len > size || parts.ap_len > size ||
	     parts.rest + parts.rest_len != data + size))
		abort();
	return 0;
}

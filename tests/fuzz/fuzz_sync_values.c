/*
 * libFuzzer target: the parsers of single values, extended DNs, ranges and
 * DNS answers.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "synccache/sync/cert.h"
#include "synccache/sync/entry.h"
#include "synccache/sync/fields.h"
#include "lib/srv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_value(const struct dss_value *value)
{
	const struct dss_home with = { (const char *)value->data, "d", "D",
				       1 };
	struct dss_arena arena = { 0 };
	const char *text, *home;
	struct ds_guid guid;
	uint32_t low, high;
	uint64_t when;
	int64_t n;
	size_t len;
	bool flag;

	(void)!dss_value_int(value, &n);
	(void)!dss_value_time(value, &when);
	(void)!dss_value_bool(value, &flag);
	if (dss_value_text(value, 100, &text) == 0 && strlen(text) > 100)
		abort();
	(void)!dss_extdn_parse(value, &guid, &text);
	(void)!dss_range_parse((const char *)value->data, &len, &low, &high);
	text = dss_gecos(&arena, (const char *)value->data, "x");
	if (!text || !text[0] || strlen(text) > DSS_GECOS_MAX ||
	    strpbrk(text, ":\n"))
		abort();
	if (dss_home_expand(&arena, "/home/%u", &with, &home) == 0 &&
	    (strstr(home, "/../") || strpbrk(home, ":\n")))
		abort();
	dss_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct ds_srv list[DS_SRV_MAX];
	struct dss_value value = { NULL, size };
	uint8_t *copy = malloc(size + 1);
	struct dss_cert cert;
	size_t count = 0;

	if (!copy)
		abort();
	memcpy(copy, data, size);
	copy[size] = 0;
	value.data = copy;
	parse_value(&value);
	free(copy);
	if (dss_cert_read(data, size, "dc1.example.com", &cert) == 0 &&
	    !memchr(cert.names, 0, sizeof(cert.names)))
		abort();
	if (ds_srv_parse(data, size, list, &count) == 0) {
		if (count > DS_SRV_MAX)
			abort();
		for (size_t i = 0; i < count; i++) {
			if (!memchr(list[i].host, 0, sizeof(list[i].host)))
				abort();
		}
	}
	return 0;
}

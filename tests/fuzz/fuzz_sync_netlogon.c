/*
 * libFuzzer target: a domain controller's answer to an LDAP ping, and what is
 * taken for a site's name.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "synccache/sync/netlogon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_site(const char *site, size_t cap)
{
	if (!memchr(site, 0, cap))
		abort();
	if (ds_site_usable(site) &&
	    (strpbrk(site, " \\/\"\n") || strstr(site, "..")))
		abort();
}

static void parse(const uint8_t *data, size_t size)
{
	struct dss_netlogon said;

	if (dss_netlogon_parse(data, size, &said) != 0)
		return;
	check_site(said.dc_site, sizeof(said.dc_site));
	check_site(said.client_site, sizeof(said.client_site));
}

/* As it is, and as the end of a sound answer, from somewhere on. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char sound[] =
	    "\x17\0\0\0\x7d\x13\0\0aaaabbbbccccdddd"
	    "\7example\3com\0\xc0\x18\3dc1\xc0\x18\7EXAMPLE\0\3DC1\0\0"
	    "\4WEST\0\4EAST\0\5\0\0\0\xff\xff\xff\xff";
	size_t keep = size ? data[0] % sizeof(sound) : 0;
	uint8_t *all = malloc(keep + size + 1);

	if (!all)
		abort();
	parse(data, size);
	memcpy(all, sound, keep);
	if (size > 0)
		memcpy(all + keep, data + 1, size - 1);
	parse(all, keep + (size > 0 ? size - 1 : 0));
	free(all);
	return 0;
}

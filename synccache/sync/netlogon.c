/*
 * The parser of netlogon.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/netlogon.h"

#include <string.h>

#define OPCODE    23 /* LOGON_SAM_LOGON_RESPONSE_EX, MS-ADTS 6.3.1.3 */
#define NAMES_AT  24 /* after opcode, Sbz, flags and the domain's GUID */
#define SKIPPED   6  /* forest, domain, host, both NetBIOS names, user */
#define TAIL      8  /* NtVersion and the two tokens */
#define POINTER   0xc0
#define LABEL_MAX 63

struct cursor {
	const uint8_t *data;
	size_t len;
	size_t pos; /* of the next name */
};

/* Adds a label to the text; one that would read as two is none. */
static int add_label(char text[DS_HOST_MAX + 1], size_t *used,
		     const uint8_t *label, size_t n)
{
	size_t dot = *used > 0 ? 1 : 0;

	if (n > DS_HOST_MAX - *used || dot > DS_HOST_MAX - *used - n ||
	    memchr(label, 0, n) || memchr(label, '.', n))
		return DS_ERR_FORMAT;
	if (dot)
		text[(*used)++] = '.';
	memcpy(text + *used, label, n);
	*used += n;
	return DS_OK;
}

/*
 * A pointer leads back to before the labels in which it stands, so that each
 * leads further back than the one before, and an end is reached.
 */
static int take_name(struct cursor *c, char text[DS_HOST_MAX + 1])
{
	size_t at = c->pos, begin = c->pos, end = 0, used = 0;

	for (;;) {
		uint8_t n;
		size_t to;

		if (at >= c->len)
			return DS_ERR_FORMAT;
		n = c->data[at++];
		if (n == 0)
			break;
		if (n <= LABEL_MAX) {
			if (n > c->len - at ||
			    add_label(text, &used, c->data + at, n) != 0)
				return DS_ERR_FORMAT;
			at += n;
			continue;
		}
		if ((n & POINTER) != POINTER || at >= c->len)
			return DS_ERR_FORMAT;
		to = (size_t)(n & ~POINTER) << 8 | c->data[at++];
		if (to < NAMES_AT || to >= begin)
			return DS_ERR_FORMAT;
		if (end == 0)
			end = at;
		at = begin = to;
	}
	text[used] = 0;
	c->pos = end ? end : at;
	return DS_OK;
}

int dss_netlogon_parse(const uint8_t *data, size_t len,
		       struct dss_netlogon *ret_netlogon)
{
	struct cursor c = { data, len, NAMES_AT };
	struct dss_netlogon sites = { .dc_site = "" };
	char skipped[DS_HOST_MAX + 1];
	int err = DS_OK;

	if (len < NAMES_AT || data[0] != OPCODE || data[1] != 0)
		return DS_ERR_FORMAT;
	for (int i = 0; i < SKIPPED && err == DS_OK; i++)
		err = take_name(&c, skipped);
	if (err == DS_OK)
		err = take_name(&c, sites.dc_site);
	if (err == DS_OK)
		err = take_name(&c, sites.client_site);
	if (err == DS_OK && len - c.pos < TAIL)
		err = DS_ERR_FORMAT;
	if (err == DS_OK)
		*ret_netlogon = sites;
	return err;
}

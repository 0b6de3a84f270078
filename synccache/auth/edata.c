/*
 * A reader for as much DER as e-data needs.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/auth/edata.h"

enum {
	DER_INTEGER = 0x02,
	DER_OCTETS = 0x04,
	DER_SEQUENCE = 0x30,
	DER_CONTEXT_1 = 0xA1,
	DER_CONTEXT_2 = 0xA2,
};

#define ERR_TYPE_EXTENDED 3 /* MS-KILE 2.2.2 */

struct der {
	const uint8_t *p;
	size_t len;
};

/* Reads a definite length of at most four bytes off the front. */
static bool take_length(struct der *d, size_t *ret_len)
{
	size_t n = 0;
	uint8_t first, bytes;

	if (d->len == 0)
		return false;
	first = *d->p++;
	d->len--;
	if (first < 0x80) {
		*ret_len = first;
		return true;
	}
	bytes = first & 0x7f;
	if (bytes == 0 || bytes > 4 || bytes > d->len)
		return false;
	for (; bytes > 0; bytes--) {
		n = n << 8 | *d->p++;
		d->len--;
	}
	*ret_len = n;
	return true;
}

/* Takes one element with this tag off the front of d. */
static bool take(struct der *d, uint8_t tag, struct der *ret_value)
{
	struct der rest = *d;
	size_t len;

	if (rest.len == 0 || *rest.p != tag)
		return false;
	rest.p++;
	rest.len--;
	if (!take_length(&rest, &len) || len > rest.len)
		return false;
	*ret_value = (struct der){ rest.p, len };
	*d = (struct der){ rest.p + len, rest.len - len };
	return true;
}

static uint32_t ext_error(struct der value)
{
	uint32_t status;

	if (value.len != 12)
		return DSA_NT_NONE;
	status = (uint32_t)value.p[0] | (uint32_t)value.p[1] << 8 |
		 (uint32_t)value.p[2] << 16 | (uint32_t)value.p[3] << 24;
	return status >> 16 == 0xC000 ? status : DSA_NT_NONE;
}

/* The fields of KERB-ERROR-DATA and of PA-DATA: both have these tags. */
static uint32_t typed_data(struct der fields)
{
	struct der type, value, number, octets;

	if (!take(&fields, DER_CONTEXT_1, &type) ||
	    !take(&type, DER_INTEGER, &number) || number.len != 1 ||
	    number.p[0] != ERR_TYPE_EXTENDED ||
	    !take(&fields, DER_CONTEXT_2, &value) ||
	    !take(&value, DER_OCTETS, &octets))
		return DSA_NT_NONE;
	return ext_error(octets);
}

uint32_t dsa_edata_ntstatus(const uint8_t *p, size_t len)
{
	struct der all = { p, len }, outer, element;
	uint32_t status;

	if (!take(&all, DER_SEQUENCE, &outer) || outer.len == 0)
		return DSA_NT_NONE;
	if (*outer.p == DER_CONTEXT_1)
		return typed_data(outer);
	while (take(&outer, DER_SEQUENCE, &element)) {
		status = typed_data(element);
		if (status != DSA_NT_NONE)
			return status;
	}
	return DSA_NT_NONE;
}

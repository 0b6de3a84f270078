/*
 * Security identifiers (MS-DTYP 2.4.2): the binary form that LDAP carries in
 * objectSid, and the "S-1-..." string form (2.4.2.1).
 *
 * All functions are pure, thread-safe and never allocate.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_SID_H
#define DS_SID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define DS_SID_MAX_SUBAUTHS 15
#define DS_SID_BIN_MAX      (8 + 4 * DS_SID_MAX_SUBAUTHS)
/* "S-1-" + 48-bit authority + 15 times "-4294967295" + NUL, rounded up. */
#define DS_SID_STR_MAX 192

struct ds_sid {
	uint64_t authority; /* 48 bits */
	uint32_t sub[DS_SID_MAX_SUBAUTHS];
	uint8_t count; /* subauthorities in use, 1..15 */
};

/* Reads a binary SID that fills exactly len bytes; else DS_ERR_FORMAT. */
DS_MUST_CHECK int ds_sid_parse_bin(const void *buf, size_t len,
				   struct ds_sid *ret_sid);
/* Reads "S-1-5-21-...", all of it; else DS_ERR_FORMAT. */
DS_MUST_CHECK int ds_sid_parse_str(const char *str, struct ds_sid *ret_sid);

/* Writes the binary form into buf (DS_SID_BIN_MAX bytes); returns its size. */
size_t ds_sid_to_bin(const struct ds_sid *sid, uint8_t *buf);
/* Writes the string form into buf (DS_SID_STR_MAX bytes); returns buf. */
char *ds_sid_to_str(const struct ds_sid *sid, char *buf);

bool ds_sid_equal(const struct ds_sid *a, const struct ds_sid *b);

/*
 * Splits a SID into its domain part (all but the last subauthority) and the
 * relative identifier.  DS_ERR_FORMAT if there is nothing left as a domain.
 */
DS_MUST_CHECK int ds_sid_split(const struct ds_sid *sid,
			       struct ds_sid *ret_domain, uint32_t *ret_rid);
/* Appends a RID to a domain SID; DS_ERR_LIMIT if it is full. */
DS_MUST_CHECK int ds_sid_join(const struct ds_sid *domain, uint32_t rid,
			      struct ds_sid *ret_sid);

#endif

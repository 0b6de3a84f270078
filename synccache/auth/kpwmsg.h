/*
 * Messages of the Kerberos password change (RFC 3244): their framing, and
 * what a server says when it refuses.  Pure.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_KPWMSG_H
#define DSA_KPWMSG_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define DSA_KPW_VERSION 1 /* change of one's own password */

/* Result codes, RFC 3244 2. */
enum dsa_kpw_code {
	DSA_KPW_SUCCESS = 0,
	DSA_KPW_MALFORMED = 1,
	DSA_KPW_HARDERROR = 2,
	DSA_KPW_AUTHERROR = 3,
	DSA_KPW_SOFTERROR = 4, /* the new password is not good enough */
	DSA_KPW_ACCESSDENIED = 5,
	DSA_KPW_BAD_VERSION = 6,
	DSA_KPW_INITIAL_FLAG_NEEDED = 7,
};

/* The parts of a message, borrowed. */
struct dsa_kpw_parts {
	const uint8_t *ap; /* AP-REQ or AP-REP */
	size_t ap_len;     /* 0 in a reply: `rest` is a KRB-ERROR */
	const uint8_t *rest;
	size_t rest_len;
};

/*
 * The six bytes before AP-REQ and KRB-PRIV (their lengths are given) into
 * buf.  DS_ERR_LIMIT: they do not fit their fields of 16 bits.
 */
DS_MUST_CHECK int dsa_kpw_header(uint8_t buf[6], size_t ap_len,
				 size_t priv_len);
/* DS_ERR_FORMAT: the lengths do not add up. */
DS_MUST_CHECK int dsa_kpw_split(const uint8_t *p, size_t len,
				struct dsa_kpw_parts *ret_parts);
/* The result code of a reply's clear text; DS_ERR_FORMAT: too short. */
DS_MUST_CHECK int dsa_kpw_code(const uint8_t *p, size_t len,
			       uint16_t *ret_code);

/*
 * What a clear reply says beside its code, for a person: the server's own
 * words where they are UTF-8 (control bytes become blanks), or those that
 * Active Directory's policy record of 30 bytes stands for, or "".  A
 * sentence, or a text of the server's, that does not fit cap is left out
 * whole; returns buf.
 */
char *dsa_kpw_words(const uint8_t *p, size_t len, char *buf, size_t cap);

#endif

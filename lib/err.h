/*
 * The one error type of the house.
 *
 * A function that can fail returns 0 (DS_OK) or one of these negative codes
 * and leaves its out-parameters untouched.  Each boundary (NSS, PAM, krb5,
 * LDAP) maps to or from this enum in exactly one function.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_ERR_H
#define DS_ERR_H

#define DS_MUST_CHECK        __attribute__((warn_unused_result))
#define DS_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

enum ds_err {
	DS_OK = 0,
	DS_ERR_NOMEM = -1,    /* an allocation failed */
	DS_ERR_SYS = -2,      /* a system call failed; errno says how */
	DS_ERR_NOTFOUND = -3, /* no such thing, and that is certain */
	DS_ERR_RANGE = -4,    /* the caller's buffer is too small */
	DS_ERR_FORMAT = -5,   /* bytes that break the rules of their format */
	DS_ERR_VERSION = -6, /* a format or protocol version not spoken here */
	DS_ERR_UNSAFE = -7,  /* owner or mode of a file allows tampering */
	DS_ERR_LIMIT = -8,   /* a documented limit would be exceeded */
	DS_ERR_TIMEOUT = -9, /* a deadline passed */
	DS_ERR_CLOSED = -10, /* the peer closed the connection */
	DS_ERR_UNAVAIL =
	    -11, /* a service is out of reach; nothing was decided */
	DS_ERR_DENIED = -12,   /* a service answered, and the answer is no */
	DS_ERR_CONFLICT = -13, /* two objects want what only one can have */
	DS_ERR_CONFIG = -14,   /* the configuration is missing or wrong */
	DS_ERR_INVAL = -15,    /* the caller broke the contract */
};

/*
 * A constant English text for a code, never NULL, without errno's part.
 */
const char *ds_strerror(int err);

#endif

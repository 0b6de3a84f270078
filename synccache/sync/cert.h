/*
 * What a certificate says of itself, to tell people why it was refused.  No
 * decision is made of it: those are the TLS library's.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_CERT_H
#define DSS_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define DSS_CERT_NAMES 256

struct dss_cert {
	uint64_t from, until; /* seconds since the epoch */
	bool names_host;      /* true if it has no DNS names at all, too */
	char names[DSS_CERT_NAMES]; /* those it has, as many as fit */
};

/*
 * Reads an X.509 certificate (RFC 5280 4.1, DER): its validity, and whether
 * its subjectAltName names host, a wildcard in the place of the first label
 * included (RFC 6125 6.4.3).  DS_ERR_FORMAT.  Pure.
 */
DS_MUST_CHECK int dss_cert_read(const uint8_t *der, size_t len,
				const char *host, struct dss_cert *ret_cert);

#endif

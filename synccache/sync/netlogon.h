/*
 * A domain controller's answer to an LDAP ping: the value of the root DSE's
 * attribute "netlogon" (MS-ADTS 6.3.3), of which only the sites are taken.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_NETLOGON_H
#define DSS_NETLOGON_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/srv.h"

/* The NtVer (MS-ADTS 6.3.1.1) that asks for the form that is parsed here:
 * V5 | V5EX, for a filter (RFC 4515). */
#define DSS_NETLOGON_NTVER "\\06\\00\\00\\00"

struct dss_netlogon {
	/* As they came, without NUL; not to be believed to be names. */
	char dc_site[DS_HOST_MAX + 1];     /* the server's own site */
	char client_site[DS_HOST_MAX + 1]; /* who asks; "": in none */
};

/*
 * NETLOGON_SAM_LOGON_RESPONSE_EX (MS-ADTS 6.3.1.9), names compressed as in
 * RFC 1035 4.1.4.  DS_ERR_FORMAT: anything else, or cut short.  Pure.
 */
DS_MUST_CHECK int dss_netlogon_parse(const uint8_t *data, size_t len,
				     struct dss_netlogon *ret_netlogon);

#endif

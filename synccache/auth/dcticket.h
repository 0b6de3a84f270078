/*
 * The proof that a host is a domain controller: a service ticket that the KDC
 * issued for ldap/HOST/DNSDOMAIN, a name that a member machine cannot give
 * itself (MS-DRSR 2.2.2).
 *
 * It is handed over filed under ldap/HOST@REALM, because that is what GSSAPI
 * looks for when a client says "ldap@HOST".  The ticket inside still names
 * the three-part principal and is encrypted in the key of the account that
 * owns it; so a bind with mutual authentication that succeeds with it was
 * answered by that account, and asks no KDC anything.  (Samba accepts it:
 * `Ticket server:` of klist shows the difference.)
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_DCTICKET_H
#define DSA_DCTICKET_H

#include "synccache/auth/auth.h"

/*
 * In a worker, blocks: gets the ticket with the host's TGT, the kept one or
 * a new one, and sends a DC_VERDICT (job.h) to `out`.
 */
void dsa_dc_run(const struct dsa_server *server, const char *host, int out);

#endif

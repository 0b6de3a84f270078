/*
 * Who is a typed name?  The one function that NSS, PAM, the daemon and
 * dssyncctl ask, so that they can never disagree.  The rules are those of
 * dssync.conf(5), [identity]: UPN, then sam@dnsdomain, NETBIOS\sam, and a bare
 * sAMAccountName only where the policy of page 0 says so.  ASCII case is
 * folded, other bytes are exact.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_RESOLVE_H
#define DS_RESOLVE_H

#include "lib/snapshot.h"

/* The longest name that is accepted as typed, in bytes without the NUL. */
#define DS_NAME_MAX 255

/*
 * DS_OK, or DS_ERR_NOTFOUND: nobody, ambiguous, longer than DS_NAME_MAX, or a
 * spelling that the policy refuses.
 */
DS_MUST_CHECK int ds_resolve_user(const struct ds_snap *snap,
				  const char *typed,
				  struct ds_snap_user *ret_user);
DS_MUST_CHECK int ds_resolve_group(const struct ds_snap *snap,
				   const char *typed,
				   struct ds_snap_group *ret_group);

/*
 * Who is the Kerberos client sam@REALM, where REALM is this domain's?  That is
 * a sAMAccountName and never a UPN, whatever spellings the policy accepts.
 * DS_ERR_NOTFOUND too where sam@dnsdomain is another object's UPN: KDCs differ
 * on whose ticket then says so (MS-KILE 3.3.5.6.1 looks at the sAMAccountName
 * first, others at the UPN).
 */
DS_MUST_CHECK int ds_resolve_client(const struct ds_snap *snap,
				    const char *sam,
				    struct ds_snap_user *ret_user);

/*
 * The names that may be published or matched at all: no ':' ',' '/' '\',
 * control bytes, invalid UTF-8, "." or "..", not empty, at most DS_NAME_MAX.
 */
bool ds_name_ok(const char *name);
/* A sAMAccountName besides must not contain '@'. */
bool ds_sam_ok(const char *sam);
/*
 * The form of a name that may stand bare, without '@': a ds_sam_ok() that is
 * no number ("0", "0x1"), does not begin with one of "#%+-~!@." and neither
 * begins nor ends with a blank.  Local and reserved names are the writer's to
 * know.
 */
bool ds_bare_ok(const char *name);

#endif

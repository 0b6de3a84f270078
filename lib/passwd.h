/*
 * What the host takes a login name for, through NSS as every program asks:
 * not for the NSS module, which would ask itself.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_PASSWD_H
#define DS_PASSWD_H

#include <sys/types.h>

#include "lib/err.h"

/*
 * The uid of getpwnam_r(3).  DS_ERR_NOTFOUND; DS_ERR_NOMEM; DS_ERR_SYS
 * (errno): nobody knows, which is not "no".
 */
DS_MUST_CHECK int ds_passwd_uid(const char *name, uid_t *ret_uid);

#endif

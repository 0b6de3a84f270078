/*
 * The host's own users and groups (/etc/passwd and /etc/group, not NSS): a
 * directory object never gets one of their ids, nor, bare, of their names.
 * And the host's shells (/etc/shells).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_LOCALS_H
#define DSS_LOCALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct dss_locals {
	uint32_t *ids; /* uids and gids, sorted */
	size_t nids;
	char **names; /* of users and groups, folded to lower case, sorted */
	size_t nnames;
	char **shells; /* NULL: there is no list of them */
	size_t nshells;
};

/* What stands in if the configured shell is not one of the host's. */
#define DSS_FALLBACK_SHELL "/bin/sh"

/*
 * DS_ERR_SYS: passwd or group cannot be read; nothing may be published then.
 * `shells` need not be there.
 */
DS_MUST_CHECK int dss_locals_load(const char *passwd, const char *group,
				  const char *shells,
				  struct dss_locals *ret_locals);
void dss_locals_done(struct dss_locals *locals);
bool dss_locals_has_id(const struct dss_locals *locals, uint32_t id);
/* `name` in any case. */
bool dss_locals_has_name(const struct dss_locals *locals, const char *name);

/*
 * The shell that users get: the one wanted, which is returned as it is, or
 * DSS_FALLBACK_SHELL where shells(5) does not list it.  Only a shell that lets
 * people do anything is replaced: what an administrator chose to restrict
 * them (nologin, git-shell, rbash, ...) is nothing to fall back from.
 */
const char *dss_locals_shell(const struct dss_locals *locals,
			     const char *wanted);

/* Changes whenever a file does; 0 if passwd or group is missing. */
uint64_t dss_locals_stamp(const char *passwd, const char *group,
			  const char *shells);

#endif

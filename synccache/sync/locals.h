/*
 * The host's own users and groups (/etc/passwd and /etc/group, not NSS): a
 * directory object never gets one of their ids, nor, bare, of their names.
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
};

/* DS_ERR_SYS: a file cannot be read; nothing may be published then. */
DS_MUST_CHECK int dss_locals_load(const char *passwd, const char *group,
				  struct dss_locals *ret_locals);
void dss_locals_done(struct dss_locals *locals);
bool dss_locals_has_id(const struct dss_locals *locals, uint32_t id);
/* `name` in any case. */
bool dss_locals_has_name(const struct dss_locals *locals, const char *name);

/* Changes whenever either file does; 0 if one is missing. */
uint64_t dss_locals_stamp(const char *passwd, const char *group);

#endif

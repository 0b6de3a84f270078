/*
 * Module arguments.  A new one is one line in the table and one field of
 * struct pds_options.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stddef.h>
#include <string.h>
#include <syslog.h>

#include <security/pam_ext.h>

#include "pam_dssync/internal.h"

static const struct option {
	const char *name;
	size_t offset; /* of a bool in struct pds_options; false by default */
} table[] = {
	{ "debug", offsetof(struct pds_options, debug) },
	{ "nodelay", offsetof(struct pds_options, nodelay) },
	/* What happens anyway; accepted because people write it. */
	{ "try_first_pass", offsetof(struct pds_options, try_first_pass) },
	{ "use_authtok", offsetof(struct pds_options, use_authtok) },
	{ "use_first_pass", offsetof(struct pds_options, use_first_pass) },
};

static bool set_option(struct pds_options *options, const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (strcmp(table[i].name, name) == 0) {
			*(bool *)((char *)options + table[i].offset) = true;
			return true;
		}
	}
	return false;
}

/* A mistyped option is said, and cannot lock anyone out. */
void pds_options_parse(struct pds_call *call, int argc, const char **argv)
{
	char quoted[PDS_QUOTED_MAX];
	int i;

	memset(&call->options, 0, sizeof(call->options));
	for (i = 0; i < argc; i++)
		if (!set_option(&call->options, argv[i]))
			pds_log(call, LOG_ERR, "unknown option \"%s\"",
				pds_quote(quoted, argv[i]));
}

/*
 * The fields of a passwd line, made from what the directory and the config
 * say so that nothing in them can break a line or climb a path.  Pure.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_FIELDS_H
#define DSS_FIELDS_H

#include <stdbool.h>

#include "synccache/sync/arena.h"
#include "lib/config.h"

#define DSS_GECOS_MAX 255  /* bytes */
#define DSS_HOME_MAX  1024 /* bytes */

/* ASCII lower case; NULL without memory. */
char *dss_fold(struct dss_arena *arena, const char *s);

/* space_replacement; true if there was a blank. */
bool dss_fill_blanks(char *s, char with);

/*
 * A display name as gecos: ':' and control characters (C0, DEL, C1) become
 * spaces, bytes that are not UTF-8 '?', and what is over DSS_GECOS_MAX is cut
 * between characters: a display name must not lock anybody out.  `name`, the
 * canonical one, where nothing but spaces is left.  NULL without memory.
 */
char *dss_gecos(struct dss_arena *arena, const char *display,
		const char *name);

struct dss_home {
	const char *name;    /* %u, canonical */
	const char *domain;  /* %d */
	const char *netbios; /* %D */
	uint32_t uid;        /* %i */
};
/*
 * Expands the template.  DS_ERR_FORMAT: not an absolute path without ':' and
 * control bytes, or one with an empty, "." or ".." component.
 */
DS_MUST_CHECK int dss_home_expand(struct dss_arena *arena,
				  const char *template,
				  const struct dss_home *with,
				  const char **ret_home);

/* True if the list, of names in any case, has this one. */
bool dss_in_list(const char *name, const ds_strv list);

#endif

/*
 * A hash map from bytes to a number: names and GUIDs to object indices.  Keys
 * are borrowed and must outlive the map.  The hash is keyed, so that names
 * chosen by directory users cannot be made to collide.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_MAP_H
#define DSS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct dss_map_slot;
struct dss_map_entry;
struct dss_map { /* all zero: empty */
	struct dss_map_slot *slot;
	struct dss_map_entry *entry; /* room for half as many */
	size_t cap, used;
};

/* Makes room for so many keys in all.  DS_ERR_NOMEM. */
DS_MUST_CHECK int dss_map_reserve(struct dss_map *map, size_t count);
/*
 * Adds key -> value unless the key is there; *ret_found is the value that now
 * belongs to the key.  DS_ERR_NOMEM.
 */
DS_MUST_CHECK int dss_map_add(struct dss_map *map, const void *key, size_t len,
			      uint32_t value, uint32_t *ret_found);
bool dss_map_find(const struct dss_map *map, const void *key, size_t len,
		  uint32_t *ret_value);
void dss_map_done(struct dss_map *map);

#endif

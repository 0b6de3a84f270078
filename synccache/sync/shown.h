/*
 * The mapped attributes that only people look at (city, department, proxy
 * addresses, ...): texts that decide nothing.  Pure.
 *
 * An object keeps them as one list of bytes: for each value the number of its
 * attribute, the text and a NUL, in the order of the numbers and then of the
 * texts, so that the same values are always the same bytes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_SHOWN_H
#define DSS_SHOWN_H

#include "synccache/sync/object.h"

/* LDAP names by number; NULL past the last. */
const char *dss_shown_name(unsigned number);

/*
 * Replaces the values of the attribute, if it is one of these: *ret_known.
 * What is no text, too long or too much is left out, and DSS_F_SHOWN is set in
 * `malformed`.  DS_ERR_NOMEM only.
 */
DS_MUST_CHECK int dss_shown_apply(struct dss_object *obj,
				  const struct dss_attr *attr,
				  struct dss_arena *arena, bool *ret_known);

/* Walks the values; *pos starts at 0.  False: no more. */
bool dss_shown_next(const struct dss_object *obj, size_t *pos,
		    const char **ret_name, const char **ret_value);

/* Whether these bytes are such a list. */
bool dss_shown_valid(const uint8_t *data, size_t len);

#endif

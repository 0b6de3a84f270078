/*
 * One value of dssync.conf, by the row of the table that says what it is.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_CONFIG_VALUE_H
#define DS_CONFIG_VALUE_H

#include "lib/config_table.h"

/*
 * Reads the text into the key's field of the config; `append`: a list goes on
 * with it.  DS_ERR_FORMAT if it will not do (the field then is as before),
 * DS_ERR_NOMEM.
 */
DS_MUST_CHECK int ds_value_parse(const struct ds_key *key, const char *value,
				 bool append, struct ds_config *config);
/* Prints the field as it can be read again. */
void ds_value_print(const struct ds_key *key, const struct ds_config *config,
		    FILE *out);
void ds_value_free(const struct ds_key *key, struct ds_config *config);
/* What would do, as part of a sentence; in buf, or a constant. */
const char *ds_value_expected(const struct ds_key *key, char *buf, size_t cap);

#endif

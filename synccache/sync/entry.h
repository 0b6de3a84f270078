/*
 * An entry as a directory sent it: attributes as bytes, nothing believed yet,
 * and the pure parsers of single values.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_ENTRY_H
#define DSS_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/guid.h"

/* All borrowed; data[len] is readable and 0, data may hold zeros before. */
struct dss_value {
	const uint8_t *data;
	size_t len;
};
struct dss_attr {
	const char *name; /* with its options: "member;range=1-1" */
	const struct dss_value *values;
	size_t count; /* 0: the attribute was cleared */
};
struct dss_entry {
	const char *dn; /* "<GUID=...>;<SID=...>;CN=..." or a plain DN */
	const struct dss_attr *attrs;
	size_t count;
};

/* The attribute of that name without options, any case; NULL: not there. */
const struct dss_attr *dss_entry_find(const struct dss_entry *entry,
				      const char *name);
/* The entry's objectGUID; DS_ERR_FORMAT if missing or not one of 16 bytes. */
DS_MUST_CHECK int dss_entry_guid(const struct dss_entry *entry,
				 struct ds_guid *ret_guid);

/* A decimal INTEGER or LargeInteger (RFC 4517 3.3.16): all of the value. */
DS_MUST_CHECK int dss_value_int(const struct dss_value *value,
				int64_t *ret_int);
/* GeneralizedTime in UTC (RFC 4517 3.3.13), seconds since the epoch. */
DS_MUST_CHECK int dss_value_time(const struct dss_value *value,
				 uint64_t *ret_time);
/* "TRUE" or "FALSE" (RFC 4517 3.3.3). */
DS_MUST_CHECK int dss_value_bool(const struct dss_value *value,
				 bool *ret_bool);
/* A C string of at most max bytes without NUL; borrowed from the value. */
DS_MUST_CHECK int dss_value_text(const struct dss_value *value, size_t max,
				 const char **ret_text);

/*
 * Splits "name;range=low-high" (MS-ADTS 3.1.1.3.1.3.3); high is UINT32_MAX
 * for '*'.  *ret_len is the length of the name proper.  DS_ERR_NOTFOUND: no
 * range option; DS_ERR_FORMAT: a broken one.
 */
DS_MUST_CHECK int dss_range_parse(const char *attr, size_t *ret_len,
				  uint32_t *ret_low, uint32_t *ret_high);

/*
 * An extended DN (MS-ADTS 3.1.1.3.4.1.5), string or hex form:
 * "<GUID=6f...>;<SID=S-1-5-...>;CN=x,DC=y".  *ret_dn points to the DN proper.
 * DS_ERR_NOTFOUND: a plain DN (*ret_dn is set); DS_ERR_FORMAT: broken.
 */
DS_MUST_CHECK int dss_extdn_parse(const struct dss_value *value,
				  struct ds_guid *ret_guid,
				  const char **ret_dn);

#endif

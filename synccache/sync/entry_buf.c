/*
 * The arrays behind a dss_entry.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/entry_buf.h"

#include <stdlib.h>

void dss_entry_buf_done(struct dss_entry_buf *buf)
{
	free(buf->attrs);
	free(buf->values);
}

void dss_entry_buf_begin(struct dss_entry_buf *buf)
{
	buf->count = buf->total = 0;
}

int dss_entry_buf_attr(struct dss_entry_buf *buf, const char *name)
{
	if (buf->count == buf->attrs_cap) {
		size_t cap = buf->count ? buf->count * 2 : 32;
		struct dss_attr *attrs =
		    reallocarray(buf->attrs, cap, sizeof(*attrs));

		if (!attrs)
			return DS_ERR_NOMEM;
		buf->attrs = attrs;
		buf->attrs_cap = cap;
	}
	buf->attrs[buf->count++] = (struct dss_attr){ .name = name };
	return DS_OK;
}

int dss_entry_buf_value(struct dss_entry_buf *buf, const void *data,
			size_t len)
{
	if (buf->total == buf->values_cap) {
		size_t cap = buf->total ? buf->total * 2 : 64;
		struct dss_value *values =
		    reallocarray(buf->values, cap, sizeof(*values));

		if (!values)
			return DS_ERR_NOMEM;
		buf->values = values;
		buf->values_cap = cap;
	}
	buf->values[buf->total++] = (struct dss_value){ data, len };
	buf->attrs[buf->count - 1].count++;
	return DS_OK;
}

/* `values` moves while it grows: each attribute finds its own only now. */
void dss_entry_buf_end(struct dss_entry_buf *buf, const char *dn,
		       struct dss_entry *ret_entry)
{
	size_t from = 0;

	for (size_t i = 0; i < buf->count; i++) {
		buf->attrs[i].values = buf->values + from;
		from += buf->attrs[i].count;
	}
	*ret_entry = (struct dss_entry){ dn, buf->attrs, buf->count };
}

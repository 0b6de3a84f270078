/*
 * The arrays behind a dss_entry.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/entry_buf.h"

#include <stdlib.h>

#include "synccache/sync/grow.h"

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
	struct dss_attr *attrs =
	    dss_grown(buf->attrs, buf->count, &buf->attrs_cap, sizeof(*attrs));

	if (!attrs)
		return DS_ERR_NOMEM;
	buf->attrs = attrs;
	buf->attrs[buf->count++] = (struct dss_attr){ .name = name };
	return DS_OK;
}

int dss_entry_buf_value(struct dss_entry_buf *buf, const void *data,
			size_t len)
{
	struct dss_value *values = dss_grown(
	    buf->values, buf->total, &buf->values_cap, sizeof(*values));

	if (!values)
		return DS_ERR_NOMEM;
	buf->values = values;
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

/*
 * The scope of a test's objects, as a pull marks it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TEST_SYNC_SCOPE_H
#define TEST_SYNC_SCOPE_H

#include <stdlib.h>

#include "synccache/sync/model.h"
#include "synccache/sync/scope.h"

/* Sets DSS_OBJ_IN of those that the configuration lets in. */
static inline int scope_mark(const struct dss_facts *facts,
			     struct dss_object *objs, size_t count)
{
	struct dss_scope_set set;
	bool *in = calloc(count + 1, sizeof(*in));
	int err = in ? dss_scope_init(&set, facts->config, &facts->domain_sid,
				      facts->netbios)
		     : DS_ERR_NOMEM;

	if (err == DS_OK) {
		err = dss_scope_find(&set, objs, count, in);
		dss_scope_done(&set);
	}
	for (size_t i = 0; i < count && err == DS_OK; i++)
		objs[i].flags = (objs[i].flags & ~(uint32_t)DSS_OBJ_IN) |
				(in[i] ? DSS_OBJ_IN : 0);
	free(in);
	return err;
}

#endif

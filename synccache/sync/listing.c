/*
 * The paged listing: DirSync's substitute, narrowed by uSNChanged while the
 * server's database stays the same, and the reconcile's look at what exists.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/pull.h"

#include <stdio.h>

static int on_whole(void *arg, const struct dss_entry *entry)
{
	struct dss_pull *p = arg;

	dss_pull_count(p->s);
	return dss_mirror_whole(&p->m, entry);
}

static int on_listed(void *arg, const struct dss_entry *entry)
{
	struct dss_pull *p = arg;

	dss_pull_count(p->s);
	return dss_mirror_listed(&p->m, entry);
}

/* The filter for what changed since the cookie; DS_ERR_VERSION: no use. */
static int narrow(struct dss_pull *p, char *buf, size_t cap)
{
	struct dss_usn last;

	if (!p->marked || !dss_usn_from_cookie(&p->cookie, &last) ||
	    !dss_usn_follows(&last, &p->usn)) {
		(void)snprintf(p->s->why, sizeof(p->s->why),
			       "its database is another one");
		return DS_ERR_VERSION;
	}
	(void)snprintf(buf, cap, "(&" DSS_PULL_FILTER "(uSNChanged>=%llu))",
		       (unsigned long long)last.highest + 1);
	return DS_OK;
}

/*
 * All objects, or those changed since the mark in the cookie's place, each as
 * a whole.  A server that does not say where it stands is listed from the
 * start each time.
 */
static int changes(struct dss_pull *p)
{
	struct dss_search search =
	    dss_pull_search(p, dss_pull_attributes(p->s), on_whole);
	char filter[sizeof(DSS_PULL_FILTER) + 64];
	int err;

	if (!p->full) {
		err = narrow(p, filter, sizeof(filter));
		if (err)
			return err;
		search.filter = filter;
	}
	search.extended_dn = true;
	err = dss_conn_search(p->s->conn, &search, true);
	if (err == DS_OK && p->marked)
		err = dss_usn_to_cookie(&p->usn, &p->cookie);
	return err;
}

int dss_listing_list(struct dss_pull *p)
{
	static const char *const attrs[] = { "objectGUID", NULL };
	struct dss_search search = dss_pull_search(p, attrs, on_listed);

	return dss_conn_search(p->s->conn, &search, true);
}

const struct dss_strategy dss_listing = {
	.key = "paged",
	.name = "paged",
	.why = "DirSync is refused",
	.changes = changes,
	.list = dss_listing_list,
};

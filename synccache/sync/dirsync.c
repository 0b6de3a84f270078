/*
 * DirSync (MS-ADTS 3.1.1.3.4.1.3), in two strengths.  With the right
 * DS-Replication-Get-Changes on the domain the server also tells of
 * deletions, as far as the account may read tombstones; with object security
 * it needs no right and tells what the account may read.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/pull.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS_MAX 1000000 /* of one pull */
#define MOVED_MAX  200     /* objects that are read one by one */

/*
 * A cookie is good at every server of the domain, but one that did not make
 * it may tell again what is known, as it is there (MS-ADTS 3.1.1.3.4.1.3): a
 * value that went meanwhile is then just not told.  So each such object is
 * read as a whole; a server that begins to tell everything gets the full load
 * that this amounts to.
 */
static int on_moved(struct dss_pull *p, const struct dss_entry *entry)
{
	struct ds_guid guid;

	if (dss_entry_guid(entry, &guid) != 0)
		return DS_OK;
	if (p->m.partial.count == MOVED_MAX) {
		(void)snprintf(p->s->why, sizeof(p->s->why),
			       "it is another server's, and it tells "
			       "everything anew");
		return DS_ERR_VERSION;
	}
	return dss_guids_add(&p->m.partial, &guid);
}

static int on_delta(void *arg, const struct dss_entry *entry)
{
	struct dss_pull *p = arg;
	int err = dss_mirror_delta(&p->m, entry);

	dss_pull_count(p->s);
	return err || !p->moved ? err : on_moved(p, entry);
}

/* Asks until the server says that this was all. */
static int rounds(struct dss_pull *p, const struct dss_search *search,
		  bool replication, struct dss_cookie *cookie)
{
	bool more = true;
	int err = DS_OK;

	for (int round = 0; more && err == DS_OK; round++) {
		if (round == ROUNDS_MAX) {
			(void)snprintf(p->s->why, sizeof(p->s->why),
				       "the server's changes do not end");
			return DS_ERR_FORMAT;
		}
		err = dss_conn_dirsync(p->s->conn, search, replication, cookie,
				       &more);
	}
	return err;
}

static int changes(struct dss_pull *p, bool replication)
{
	struct dss_search search =
	    dss_pull_search(p, dss_pull_attributes(p->s), on_delta);

	search.extended_dn = true;
	return rounds(p, &search, replication, &p->cookie);
}

static int replication_changes(struct dss_pull *p)
{
	return changes(p, true);
}

static int security_changes(struct dss_pull *p)
{
	return changes(p, false);
}

static int on_listed(void *arg, const struct dss_entry *entry)
{
	struct dss_pull *p = arg;

	dss_pull_count(p->s);
	return dss_mirror_listed(&p->m, entry);
}

/*
 * From the start and with next to no attributes: a search would not find
 * what only the right makes visible.
 */
static int replication_list(struct dss_pull *p)
{
	static const char *const attrs[] = { "objectClass", "isDeleted",
					     NULL };
	struct dss_search search = dss_pull_search(p, attrs, on_listed);
	struct dss_cookie cookie = { NULL, 0 };
	int err = rounds(p, &search, true, &cookie);

	free(cookie.data);
	return err;
}

const struct dss_strategy dss_dirsync_replication = {
	.key = "dirsync replication",
	.name = "dirsync",
	.why = "the host's account has the replication right, so that "
	       "deletions come as tombstones where it may read them",
	.beyond = true,
	.changes = replication_changes,
	.list = replication_list,
};

const struct dss_strategy dss_dirsync_security = {
	.key = "dirsync security",
	.name = "dirsync",
	.why = "the server takes it without the replication right, which "
	       "the host's account does not have; deletions are looked for",
	.changes = security_changes,
	.list = dss_listing_list,
};

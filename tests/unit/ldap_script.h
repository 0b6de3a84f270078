/*
 * A scripted directory server: it speaks LDAP over a socket to the real
 * client, and does what Samba never does.  A script is a function that is
 * called with each search; only the bind is left out.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TEST_LDAP_SCRIPT_H
#define TEST_LDAP_SCRIPT_H

#include <lber.h>
#include <ldap.h>
#include <pthread.h>
#include <stdbool.h>

#include "tests/unit/sync_entry.h"

#define SCRIPT_DIRSYNC "1.2.840.113556.1.4.841"
#define SCRIPT_PAGED   "1.2.840.113556.1.4.319"
#define SCRIPT_BASE_DN "DC=example,DC=com"
#define SCRIPT_LAST    32

struct script_request {
	int id;
	char base[256], first_attr[64], last_attr[64];
	bool dirsync, paged, narrowed;
	bool replication; /* DirSync without object security */
	char cookie[64];
};

struct script_server {
	int fd;
	int step; /* searches so far, the root DSE's apart */
	void (*serve)(struct script_server *sv,
		      const struct script_request *rq);
	/* For the root DSE; NULL: it has what a pull asks for. */
	void (*root)(struct script_server *sv,
		     const struct script_request *rq);
	bool right;      /* the account has the replication right */
	bool trickle;    /* what it sends comes byte by byte */
	bool over;       /* set by a script: the connection ends */
	char invocation; /* its invocationId is 16 of these */
	struct script_request last[SCRIPT_LAST];
	pthread_t thread;
};
typedef void (*script_fn)(struct script_server *sv,
			  const struct script_request *rq);

/* Serves fd, in a thread of its own, until the client is gone. */
void script_start(struct script_server *sv, int fd, script_fn serve);
void script_join(struct script_server *sv);

/* The client's patience, for struct dss_waiter. */
int script_wait(void *arg, int fd, int64_t deadline_ms);

/* Answers; a peer that is gone is no error. */
void script_entry(struct script_server *sv, int id, const struct dss_entry *e);
void script_bytes(struct script_server *sv, const void *data, size_t len);
void script_reference(struct script_server *sv, int id);
/* The end of a search; oid NULL: without a control. */
void script_end(struct script_server *sv, int id, ber_tag_t tag, int code,
		const char *oid, const struct berval *value);
void script_done(struct script_server *sv, int id, int code);
/* With the cookie of DirSync or of a page; `more` is DirSync's. */
void script_done_with(struct script_server *sv, int id, const char *oid,
		      int more, const char *cookie);

/* The n-th user "userN"; a group with the members first .. last. */
void script_user(struct script_server *sv, int id, unsigned n);
void script_group(struct script_server *sv, int id, unsigned n,
		  const char *members, unsigned first, unsigned last);

#endif

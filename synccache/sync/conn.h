/*
 * A connection to a directory server: bind and searches, with deadlines, in
 * types of our own.  Its implementation is the one file that knows libldap,
 * and imports nothing that could change a directory.
 *
 * No call blocks for good: where it must wait it asks its owner to, who goes
 * on serving everything else meanwhile.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_CONN_H
#define DSS_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "synccache/sync/entry.h"

/*
 * Waits until fd is readable: DS_OK, DS_ERR_TIMEOUT at the deadline
 * (ds_now_ms(); a past one only looks), DS_ERR_CLOSED if this process is to
 * end.
 */
struct dss_waiter {
	int (*wait)(void *arg, int fd, int64_t deadline_ms);
	void *arg;
};

struct dss_conn;

#define DSS_CONN_TEXT 512 /* bytes of an error text */

/*
 * Takes over fd, a connected socket, in any case.  host is the server's name
 * in its service principal.  DS_ERR_NOMEM.
 */
DS_MUST_CHECK int dss_conn_new(int fd, const char *host,
			       const struct dss_waiter *waiter,
			       struct dss_conn **ret_conn);
void dss_conn_free(struct dss_conn *conn);
int dss_conn_fd(const struct dss_conn *conn);

/*
 * What failed last, for a person; borrowed until the next call.
 */
const char *dss_conn_text(const struct dss_conn *conn);

/* Whether that was insufficientAccessRights (RFC 4511 4.1.9). */
bool dss_conn_forbidden(const struct dss_conn *conn);

struct dss_tls {
	bool starttls;       /* ask for it first (RFC 4511 4.14) */
	const char *ca_file; /* certificates that are trusted, PEM */
};

/*
 * TLS 1.2 or later, before anything else is said.  The server's certificate
 * must come from one of the CAs, be valid now, and name the host.
 * DS_ERR_INVAL: ca_file cannot be used; DS_ERR_UNSAFE: the certificate or
 * the protocol will not do; DS_ERR_DENIED: no StartTLS there; DS_ERR_TIMEOUT,
 * DS_ERR_CLOSED, DS_ERR_UNAVAIL.
 */
DS_MUST_CHECK int dss_conn_tls(struct dss_conn *conn,
			       const struct dss_tls *tls, int64_t deadline_ms);
/*
 * The certificate of a server that dss_conn_tls() refused, to say what is
 * wrong with it: on a new connection, which is of no use after that.
 * *ret_der is malloc'ed, the X.509 form.
 */
DS_MUST_CHECK int dss_conn_peek(struct dss_conn *conn,
				const struct dss_tls *tls, int64_t deadline_ms,
				uint8_t **ret_der, size_t *ret_len);

/*
 * SASL GSSAPI with the ticket cache that the environment names, sealed or,
 * inside of TLS, bound to that channel.  DS_ERR_DENIED,
 * DS_ERR_TIMEOUT, DS_ERR_CLOSED, DS_ERR_UNAVAIL.
 */
DS_MUST_CHECK int dss_conn_bind(struct dss_conn *conn, int64_t deadline_ms);

enum dss_scope { DSS_SCOPE_BASE, DSS_SCOPE_ONE, DSS_SCOPE_TREE };

struct dss_search {
	const char *base;
	enum dss_scope scope;
	const char *filter;
	const char *const *attrs; /* NULL-terminated; NULL: all */
	bool extended_dn;         /* DNs with GUID and SID */
	/* Called for each entry, borrowed until it returns; not DS_OK ends
	 * the search with that error. */
	int (*entry)(void *arg, const struct dss_entry *entry);
	void *arg;
	int64_t silence_ms; /* the longest wait for the next message ... */
	/* ... unless this (NULL: none) says DS_OK to waiting once more. */
	int (*silent)(void *silent_arg);
	void *silent_arg;
};

/*
 * Searches, in pages if paged.  Referrals are not followed.
 * DS_ERR_NOTFOUND: no such base; DS_ERR_DENIED: the server refused it;
 * DS_ERR_TIMEOUT, DS_ERR_CLOSED, DS_ERR_UNAVAIL (busy, unavailable): the
 * connection is of no more use.
 */
DS_MUST_CHECK int dss_conn_search(struct dss_conn *conn,
				  const struct dss_search *search, bool paged);

/*
 * One DirSync request (MS-ADTS 3.1.1.3.4.1.3) with INCREMENTAL_VALUES;
 * `replication`: by the right of that name, which tells of deletions, else
 * with OBJECT_SECURITY.  *cookie (malloc'ed or NULL) is replaced by the new
 * one on success; *ret_more: ask again at once.  DS_ERR_VERSION: the cookie
 * was refused, or DirSync itself if there was none; else as above.
 */
struct dss_cookie {
	uint8_t *data;
	size_t len;
};
DS_MUST_CHECK int dss_conn_dirsync(struct dss_conn *conn,
				   const struct dss_search *search,
				   bool replication, struct dss_cookie *cookie,
				   bool *ret_more);

/*
 * Asks to be told of changes anywhere below base (MS-ADTS 3.1.1.3.4.1.9).
 * Runs until the connection ends.
 */
DS_MUST_CHECK int dss_conn_notify(struct dss_conn *conn, const char *base);
/*
 * Reads what is there: DS_OK with *ret_changed, or the connection is of no
 * more use.  DS_ERR_NOTFOUND: the server ended the notification.
 */
DS_MUST_CHECK int dss_conn_notified(struct dss_conn *conn, bool *ret_changed);

#endif

/*
 * The LDAP client, on libldap: the one file that includes <ldap.h>.
 *
 * The socket does not block, and ldap_result() is asked with a zero timeout:
 * a reply that comes in drops, or not at all, keeps nobody waiting but the
 * waiter.  Every message that is not an entry or a reference ends its
 * operation: a server may answer a request that it dislikes with an extended
 * response (a loop that waits for a search result then never ends).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/conn.h"

#include <fcntl.h>
#include <lber.h>
#include <ldap.h>
#include <openldap.h>
#include <sasl/sasl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/sync/aside.h"
#include "synccache/sync/entry_buf.h"

#define SSF_MIN       56 /* sealed, not just signed */
#define PAGE_SIZE     1000
#define PAGES_MAX     10000 /* of one search */
#define DIRSYNC_BYTES (1 << 20)
#define BREATHE_EVERY 256 /* messages between two looks at everything else */
#define SILENCES_MAX  10  /* of one message */
#define MESSAGE_MAX   ((ber_len_t)256 << 20) /* a million members in one */
#define URL_MAX       300

struct dss_conn {
	LDAP *ld;
	int fd;
	struct dss_waiter waiter;
	int notify_id; /* message id of the notification; 0: none */
	char text[DSS_CONN_TEXT];
	int code; /* LDAP's, that the text is about */
	bool tls; /* it was made sure of */
	struct dss_entry_buf entry;
};

/* The one mapping of LDAP's result codes. */
static int ldap_err(int rc)
{
	switch (rc) {
	case LDAP_SUCCESS:
		return DS_OK;
	case LDAP_NO_MEMORY:
		return DS_ERR_NOMEM;
	case LDAP_NO_SUCH_OBJECT:
		return DS_ERR_NOTFOUND;
	case LDAP_TIMEOUT:
	case LDAP_TIMELIMIT_EXCEEDED:
		return DS_ERR_TIMEOUT;
	case LDAP_SERVER_DOWN:
	case LDAP_CONNECT_ERROR:
	case LDAP_BUSY:
	case LDAP_UNAVAILABLE:
		return DS_ERR_UNAVAIL;
	case LDAP_DECODING_ERROR:
	case LDAP_PROTOCOL_ERROR:
		return DS_ERR_FORMAT;
	default:
		return DS_ERR_DENIED;
	}
}

/* Keeps the text of what failed: our words, LDAP's, and the server's. */
static void keep_text(struct dss_conn *conn, const char *what, int rc,
		      const char *server)
{
	conn->code = rc;
	(void)snprintf(conn->text, sizeof(conn->text), "%s: %s%s%s", what,
		       ldap_err2string(rc), server && server[0] ? ": " : "",
		       server ? server : "");
}

static int fail(struct dss_conn *conn, const char *what, int rc)
{
	char *server = NULL;

	(void)ldap_get_option(conn->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &server);
	keep_text(conn, what, rc, server);
	ldap_memfree(server);
	return ldap_err(rc);
}

static int last_code(struct dss_conn *conn)
{
	int rc = LDAP_OTHER;

	(void)ldap_get_option(conn->ld, LDAP_OPT_RESULT_CODE, &rc);
	return rc == LDAP_SUCCESS ? LDAP_SERVER_DOWN : rc;
}

static int set_options(struct dss_conn *conn)
{
	const int version = LDAP_VERSION3;
	const ber_len_t ssf = SSF_MIN;
	ber_len_t most = MESSAGE_MAX;
	Sockbuf *sb = NULL;

	if (ldap_set_option(conn->ld, LDAP_OPT_PROTOCOL_VERSION, &version) ||
	    ldap_set_option(conn->ld, LDAP_OPT_REFERRALS, LDAP_OPT_OFF) ||
	    ldap_set_option(conn->ld, LDAP_OPT_X_SASL_NOCANON, LDAP_OPT_ON) ||
	    ldap_set_option(conn->ld, LDAP_OPT_X_SASL_SSF_MIN, &ssf))
		return DS_ERR_INVAL;
	/* libldap makes room for as much as a message says that it has. */
	if (ldap_get_option(conn->ld, LDAP_OPT_SOCKBUF, &sb) || !sb ||
	    ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &most) <= 0)
		return DS_ERR_INVAL;
	return DS_OK;
}

int dss_conn_new(int fd, const char *host, const struct dss_waiter *waiter,
		 struct dss_conn **ret_conn)
{
	struct dss_conn *conn = calloc(1, sizeof(*conn));
	char url[URL_MAX];
	int flags = fcntl(fd, F_GETFL);

	(void)snprintf(url, sizeof(url), "ldap://%s", host);
	if (!conn || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    ldap_init_fd(fd, LDAP_PROTO_TCP, url, &conn->ld)) {
		free(conn);
		(void)close(fd);
		return DS_ERR_NOMEM;
	}
	conn->fd = fd;
	conn->waiter = *waiter;
	if (set_options(conn) != 0) {
		dss_conn_free(conn);
		return DS_ERR_NOMEM;
	}
	*ret_conn = conn;
	return DS_OK;
}

void dss_conn_free(struct dss_conn *conn)
{
	if (!conn)
		return;
	(void)ldap_unbind_ext_s(conn->ld, NULL, NULL);
	dss_entry_buf_done(&conn->entry);
	free(conn);
}

int dss_conn_fd(const struct dss_conn *conn)
{
	return conn->fd;
}

const char *dss_conn_text(const struct dss_conn *conn)
{
	return conn->text;
}

bool dss_conn_forbidden(const struct dss_conn *conn)
{
	return conn->code == LDAP_INSUFFICIENT_ACCESS;
}

/* Bytes that TLS or SASL have read, so that the socket does not tell. */
static bool is_buffered(struct dss_conn *conn)
{
	Sockbuf *sb = NULL;

	return ldap_get_option(conn->ld, LDAP_OPT_SOCKBUF, &sb) == 0 && sb &&
	       ber_sockbuf_ctrl(sb, LBER_SB_OPT_DATA_READY, NULL) > 0;
}

/*
 * The next message of an operation.  Those of the notification that come in
 * between wait in libldap for dss_conn_notified().
 */
static int next_message(struct dss_conn *conn, int id, int64_t deadline_ms,
			LDAPMessage **ret_msg)
{
	for (;;) {
		struct timeval now = { 0, 0 };
		LDAPMessage *msg = NULL;
		int err,
		    type = ldap_result(conn->ld, id, LDAP_MSG_ONE, &now, &msg);

		if (type > 0) {
			*ret_msg = msg;
			return DS_OK;
		}
		if (type < 0)
			return fail(conn, "the connection broke",
				    last_code(conn));
		if (is_buffered(conn))
			continue;
		err =
		    conn->waiter.wait(conn->waiter.arg, conn->fd, deadline_ms);
		if (err == DS_ERR_TIMEOUT)
			(void)snprintf(conn->text, sizeof(conn->text),
				       "the server did not answer in time");
		if (err)
			return err;
	}
}

/* The result of an operation, with the controls that came along. */
static int read_result(struct dss_conn *conn, const char *what,
		       LDAPMessage *msg, LDAPControl ***ret_controls)
{
	int rc = LDAP_OTHER, parsed;
	char *text = NULL;

	parsed = ldap_parse_result(conn->ld, msg, &rc, NULL, &text, NULL,
				   ret_controls, 0);
	if (parsed != LDAP_SUCCESS)
		rc = parsed;
	if (rc != LDAP_SUCCESS)
		keep_text(conn, what, rc, text);
	ldap_memfree(text);
	return rc;
}

static int interact(LDAP *ld, unsigned flags, void *defaults, void *in)
{
	(void)ld;
	(void)flags;
	(void)defaults;
	/* The ticket cache says who we are: every question gets "". */
	for (sasl_interact_t *i = in; i->id != SASL_CB_LIST_END; i++) {
		i->result = "";
		i->len = 0;
	}
	return LDAP_SUCCESS;
}

/* ---- TLS ---- */

/*
 * Inside of TLS no layer of SASL's: Active Directory forbids it (MS-ADTS
 * 5.1.2.2).  The ticket is bound to the server's certificate instead, so that
 * it is of no use to one in between.
 */
static int set_tls_options(struct dss_conn *conn, const char *ca_file,
			   int check)
{
	const int oldest = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2, client = 0,
		  binding = LDAP_OPT_X_SASL_CBINDING_TLS_ENDPOINT;
	const ber_len_t none = 0;

	if (ldap_set_option(conn->ld, LDAP_OPT_X_TLS_REQUIRE_CERT, &check) ||
	    ldap_set_option(conn->ld, LDAP_OPT_X_TLS_PROTOCOL_MIN, &oldest) ||
	    ldap_set_option(conn->ld, LDAP_OPT_X_SASL_CBINDING, &binding) ||
	    ldap_set_option(conn->ld, LDAP_OPT_X_SASL_SSF_MIN, &none) ||
	    ldap_set_option(conn->ld, LDAP_OPT_X_SASL_SSF_MAX, &none))
		return DS_ERR_INVAL;
	if (ldap_set_option(conn->ld, LDAP_OPT_X_TLS_CACERTFILE, ca_file) ||
	    ldap_set_option(conn->ld, LDAP_OPT_X_TLS_NEWCTX, &client)) {
		(void)snprintf(conn->text, sizeof(conn->text),
			       "no CA certificates can be read from %s",
			       ca_file);
		return DS_ERR_INVAL;
	}
	return DS_OK;
}

static int ask_starttls(struct dss_conn *conn, int64_t deadline_ms)
{
	LDAPMessage *msg = NULL;
	int id, err, rc = ldap_start_tls(conn->ld, NULL, NULL, &id);

	if (rc != LDAP_SUCCESS)
		return fail(conn, "StartTLS", rc);
	err = next_message(conn, id, deadline_ms, &msg);
	if (err)
		return err;
	rc = read_result(conn, "StartTLS", msg, NULL);
	(void)ldap_msgfree(msg);
	return rc == LDAP_SUCCESS ? DS_OK : DS_ERR_DENIED;
}

struct handshake {
	LDAP *ld;
	int rc;
};

static void shake_hands(void *arg)
{
	struct handshake *h = arg;

	h->rc = ldap_install_tls(h->ld);
}

/* "TLS1.3", "TLSv1.2": whatever library libldap stands on. */
static bool is_recent(const char *version)
{
	unsigned major = 0, minor = 0;

	if (!version || strncmp(version, "TLS", 3) != 0)
		return false;
	version += 3;
	return sscanf(version + (*version == 'v'), "%u.%u", &major, &minor) ==
		   2 &&
	       (major > 1 || (major == 1 && minor >= 2));
}

static int check_tls(struct dss_conn *conn)
{
	char *version = NULL;
	bool ok;

	(void)ldap_get_option(conn->ld, LDAP_OPT_X_TLS_VERSION, &version);
	ok = ldap_tls_inplace(conn->ld) && is_recent(version);
	if (!ok)
		(void)snprintf(conn->text, sizeof(conn->text),
			       "TLS: %s is not good enough",
			       version ? version : "no TLS at all");
	ldap_memfree(version);
	return ok ? DS_OK : DS_ERR_UNSAFE;
}

static int start_tls(struct dss_conn *conn, const struct dss_tls *tls,
		     int check, int64_t deadline_ms)
{
	struct handshake h = { conn->ld, LDAP_OTHER };
	int err = set_tls_options(conn, tls->ca_file, check);

	if (err == DS_OK && tls->starttls)
		err = ask_starttls(conn, deadline_ms);
	if (err)
		return err;
	err = dss_aside(&conn->waiter, conn->fd, deadline_ms, shake_hands, &h);
	if (err == DS_ERR_TIMEOUT)
		(void)snprintf(conn->text, sizeof(conn->text),
			       "TLS: the server did not answer in time");
	if (err)
		return err;
	if (h.rc == LDAP_SUCCESS)
		return check_tls(conn);
	(void)fail(conn, "TLS", h.rc);
	return h.rc == LDAP_SERVER_DOWN ? DS_ERR_UNAVAIL : DS_ERR_UNSAFE;
}

int dss_conn_tls(struct dss_conn *conn, const struct dss_tls *tls,
		 int64_t deadline_ms)
{
	int err = start_tls(conn, tls, LDAP_OPT_X_TLS_HARD, deadline_ms);

	conn->tls = err == DS_OK;
	return err;
}

int dss_conn_peek(struct dss_conn *conn, const struct dss_tls *tls,
		  int64_t deadline_ms, uint8_t **ret_der, size_t *ret_len)
{
	struct berval der = { 0, NULL };
	int err = start_tls(conn, tls, LDAP_OPT_X_TLS_ALLOW, deadline_ms);
	uint8_t *copy;

	if (err)
		return err;
	if (ldap_get_option(conn->ld, LDAP_OPT_X_TLS_PEERCERT, &der) ||
	    !der.bv_val)
		return DS_ERR_NOTFOUND;
	copy = malloc(der.bv_len + 1);
	if (copy) {
		memcpy(copy, der.bv_val, der.bv_len);
		*ret_der = copy;
		*ret_len = der.bv_len;
	}
	ber_memfree(der.bv_val);
	return copy ? DS_OK : DS_ERR_NOMEM;
}

/* ---- the bind ---- */

static int check_sealed(struct dss_conn *conn)
{
	ber_len_t ssf = 0;

	if (conn->tls)
		return check_tls(conn);
	(void)ldap_get_option(conn->ld, LDAP_OPT_X_SASL_SSF, &ssf);
	if (ssf >= SSF_MIN)
		return DS_OK;
	(void)snprintf(conn->text, sizeof(conn->text),
		       "the connection is not sealed (SSF %lu)",
		       (unsigned long)ssf);
	return DS_ERR_DENIED;
}

int dss_conn_bind(struct dss_conn *conn, int64_t deadline_ms)
{
	const char *mech = NULL;
	LDAPMessage *msg = NULL;
	int rc, err, id = 0;

	for (;;) {
		rc = ldap_sasl_interactive_bind(
		    conn->ld, NULL, "GSSAPI", NULL, NULL, LDAP_SASL_QUIET,
		    interact, NULL, msg, &mech, &id);
		(void)ldap_msgfree(msg);
		msg = NULL;
		if (rc != LDAP_SASL_BIND_IN_PROGRESS)
			break;
		err = next_message(conn, id, deadline_ms, &msg);
		if (err)
			return err;
	}
	if (rc != LDAP_SUCCESS)
		return fail(conn, "GSSAPI bind", rc);
	return check_sealed(conn);
}

/*
 * Reads the attributes; the bytes stay in the message, where libldap puts a
 * NUL after each value.
 */
static int read_attrs(struct dss_conn *conn, LDAPMessage *msg, BerElement *ber)
{
	dss_entry_buf_begin(&conn->entry);
	for (;;) {
		struct berval name, *vals = NULL;
		int err, rc = ldap_get_attribute_ber(conn->ld, msg, ber, &name,
						     &vals);

		if (rc != LDAP_SUCCESS)
			return DS_ERR_FORMAT;
		if (!name.bv_val)
			return DS_OK;
		err = dss_entry_buf_attr(&conn->entry, name.bv_val);
		for (size_t i = 0; vals && vals[i].bv_val && err == DS_OK; i++)
			err = dss_entry_buf_value(&conn->entry, vals[i].bv_val,
						  vals[i].bv_len);
		ber_memfree(vals);
		if (err)
			return err;
	}
}

static int give_entry(struct dss_conn *conn, const struct dss_search *search,
		      LDAPMessage *msg)
{
	struct dss_entry entry = { 0 };
	BerElement *ber = NULL;
	struct berval dn;
	int err = DS_ERR_FORMAT;

	if (ldap_get_dn_ber(conn->ld, msg, &ber, &dn) == LDAP_SUCCESS)
		err = read_attrs(conn, msg, ber);
	if (err == DS_OK) {
		dss_entry_buf_end(&conn->entry, dn.bv_val ? dn.bv_val : "",
				  &entry);
		err = search->entry(search->arg, &entry);
	} else if (err == DS_ERR_FORMAT) {
		(void)snprintf(conn->text, sizeof(conn->text),
			       "the server sent an entry that cannot be read");
	}
	ber_free(ber, 0);
	return err;
}

/* A server that is silent may be at work on a large answer. */
static int next_of_search(struct dss_conn *conn,
			  const struct dss_search *search, int id,
			  LDAPMessage **ret_msg)
{
	int err = DS_ERR_TIMEOUT;

	for (int silences = 0; silences < SILENCES_MAX; silences++) {
		err = next_message(conn, id, ds_now_ms() + search->silence_ms,
				   ret_msg);
		if (err != DS_ERR_TIMEOUT || !search->silent ||
		    search->silent(search->silent_arg) != DS_OK)
			break;
	}
	return err;
}

/*
 * Reads an operation to its end.  *ret_code is LDAP's result code; the
 * controls are the caller's to free.
 */
static int read_operation(struct dss_conn *conn,
			  const struct dss_search *search, int id,
			  int *ret_code, LDAPControl ***ret_controls)
{
	unsigned seen = 0;

	for (;;) {
		LDAPMessage *msg = NULL;
		int err = next_of_search(conn, search, id, &msg), type;

		if (err)
			return err;
		type = ldap_msgtype(msg);
		if (type == LDAP_RES_SEARCH_ENTRY)
			err = give_entry(conn, search, msg);
		else if (type != LDAP_RES_SEARCH_REFERENCE)
			*ret_code =
			    read_result(conn, "search", msg, ret_controls);
		(void)ldap_msgfree(msg);
		if (type != LDAP_RES_SEARCH_ENTRY &&
		    type != LDAP_RES_SEARCH_REFERENCE)
			return DS_OK;
		if (err == DS_OK && ++seen % BREATHE_EVERY == 0 &&
		    conn->waiter.wait(conn->waiter.arg, conn->fd, 0) ==
			DS_ERR_CLOSED)
			err = DS_ERR_CLOSED;
		if (err) {
			(void)ldap_abandon_ext(conn->ld, id, NULL, NULL);
			return err;
		}
	}
}

/* At most three controls and the NULL. */
struct controls {
	LDAPControl *list[4];
	size_t count;
};

static int send_search(struct dss_conn *conn, const struct dss_search *search,
		       struct controls *c, int *ret_id)
{
	static const int scope[] = { LDAP_SCOPE_BASE, LDAP_SCOPE_ONELEVEL,
				     LDAP_SCOPE_SUBTREE };
	char **attrs = NULL;
	int rc;

	/* 1: GUID and SID as strings. */
	if (search->extended_dn &&
	    ldap_create_extended_dn_control(conn->ld, 1, &c->list[c->count++]))
		return DS_ERR_NOMEM;
	/* libldap's prototype lacks the const that it keeps. */
	memcpy(&attrs, &search->attrs, sizeof(attrs));
	rc = ldap_search_ext(conn->ld, search->base, scope[search->scope],
			     search->filter, attrs, 0,
			     c->count ? c->list : NULL, NULL, NULL,
			     LDAP_NO_LIMIT, ret_id);
	return rc == LDAP_SUCCESS ? DS_OK : fail(conn, "search", rc);
}

/* Sends it, with the controls, which it frees. */
static int start(struct dss_conn *conn, const struct dss_search *search,
		 struct controls *c, int *ret_id)
{
	int err = send_search(conn, search, c, ret_id);

	for (size_t i = 0; i < c->count; i++)
		ldap_control_free(c->list[i]);
	return err;
}

/* To its end, as read_operation(). */
static int run(struct dss_conn *conn, const struct dss_search *search,
	       struct controls *c, int *ret_code, LDAPControl ***ret_controls)
{
	int id = 0, err = start(conn, search, c, &id);

	return err ? err
		   : read_operation(conn, search, id, ret_code, ret_controls);
}

static int one_page(struct dss_conn *conn, const struct dss_search *search,
		    struct berval *cookie)
{
	struct controls c = { .count = 1 };
	LDAPControl **reply = NULL, *page;
	int code = LDAP_OTHER, err;
	ber_int_t total;

	if (ldap_create_page_control(conn->ld, PAGE_SIZE, cookie, 1,
				     &c.list[0]))
		return DS_ERR_NOMEM;
	err = run(conn, search, &c, &code, &reply);
	ber_memfree(cookie->bv_val);
	cookie->bv_val = NULL;
	cookie->bv_len = 0;
	if (err)
		return err;
	page = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, reply, NULL);
	if (code == LDAP_SUCCESS && page &&
	    ldap_parse_pageresponse_control(conn->ld, page, &total, cookie))
		code = LDAP_DECODING_ERROR;
	ldap_controls_free(reply);
	return ldap_err(code);
}

static int all_pages(struct dss_conn *conn, const struct dss_search *search)
{
	struct berval cookie = { 0, NULL };
	int page = 0, err;

	do {
		err = one_page(conn, search, &cookie);
	} while (err == DS_OK && cookie.bv_len > 0 && ++page < PAGES_MAX);
	if (err == DS_OK && cookie.bv_len > 0) {
		(void)snprintf(conn->text, sizeof(conn->text),
			       "the server's pages do not end");
		err = DS_ERR_FORMAT;
	}
	ber_memfree(cookie.bv_val);
	return err;
}

int dss_conn_search(struct dss_conn *conn, const struct dss_search *search,
		    bool paged)
{
	struct controls c = { .count = 0 };
	LDAPControl **reply = NULL;
	int code = LDAP_OTHER, err;

	if (paged)
		return all_pages(conn, search);
	err = run(conn, search, &c, &code, &reply);
	ldap_controls_free(reply);
	return err ? err : ldap_err(code);
}

static int take_cookie(struct dss_conn *conn, LDAPControl **reply,
		       struct dss_cookie *cookie, bool *ret_more)
{
	LDAPControl *ctl =
	    ldap_control_find(LDAP_CONTROL_X_DIRSYNC, reply, NULL);
	struct berval fresh = { 0, NULL };
	int more = 0;
	uint8_t *data;

	if (!ctl || ldap_parse_dirsync_control(conn->ld, ctl, &more, &fresh)) {
		(void)snprintf(conn->text, sizeof(conn->text),
			       "the server's DirSync reply lacks its cookie");
		return DS_ERR_FORMAT;
	}
	data = malloc(fresh.bv_len + 1);
	if (data) {
		if (fresh.bv_len > 0)
			memcpy(data, fresh.bv_val, fresh.bv_len);
		free(cookie->data);
		cookie->data = data;
		cookie->len = fresh.bv_len;
		*ret_more = more != 0;
	}
	ber_memfree(fresh.bv_val);
	return data ? DS_OK : DS_ERR_NOMEM;
}

/*
 * What says that the cookie is of no use: Windows has 0000203D with
 * unwillingToPerform or unavailableCriticalExtension, Samba the latter.
 * Without a cookie these mean DirSync itself, and so does a right that is
 * missing, or was withdrawn.
 */
static bool dirsync_refused(int code, const struct dss_cookie *cookie)
{
	if (code == LDAP_UNWILLING_TO_PERFORM ||
	    code == LDAP_UNAVAILABLE_CRITICAL_EXTENSION ||
	    code == LDAP_INSUFFICIENT_ACCESS)
		return true;
	return cookie->len > 0 &&
	       (code == LDAP_PROTOCOL_ERROR || code == LDAP_OPERATIONS_ERROR);
}

int dss_conn_dirsync(struct dss_conn *conn, const struct dss_search *search,
		     bool replication, struct dss_cookie *cookie,
		     bool *ret_more)
{
	const int security =
	    replication ? 0 : LDAP_CONTROL_X_DIRSYNC_OBJECT_SECURITY;
	const int flags =
	    security | (int)LDAP_CONTROL_X_DIRSYNC_INCREMENTAL_VALUES;
	struct berval old = { cookie->len, (char *)cookie->data };
	struct controls c = { .count = 1 };
	LDAPControl **reply = NULL;
	int code = LDAP_OTHER, err;

	if (ldap_create_dirsync_control(conn->ld, flags, DIRSYNC_BYTES, &old,
					&c.list[0]))
		return DS_ERR_NOMEM;
	err = run(conn, search, &c, &code, &reply);
	if (err == DS_OK && code == LDAP_SUCCESS)
		err = take_cookie(conn, reply, cookie, ret_more);
	else if (err == DS_OK)
		err = dirsync_refused(code, cookie) ? DS_ERR_VERSION
						    : ldap_err(code);
	ldap_controls_free(reply);
	return err;
}

int dss_conn_notify(struct dss_conn *conn, const char *base)
{
	static const char *const attrs[] = { "objectGUID", NULL };
	const struct dss_search search = {
		.base = base,
		.scope = DSS_SCOPE_TREE,
		.filter = "(objectClass=*)",
		.attrs = attrs,
	};
	struct controls c = { .count = 1 };

	if (ldap_control_create(LDAP_CONTROL_X_SERVER_NOTIFICATION, 1, NULL, 0,
				&c.list[0]))
		return DS_ERR_NOMEM;
	return start(conn, &search, &c, &conn->notify_id);
}

int dss_conn_notified(struct dss_conn *conn, bool *ret_changed)
{
	bool changed = false;

	for (;;) {
		struct timeval now = { 0, 0 };
		LDAPMessage *msg = NULL;
		int id = conn->notify_id ? conn->notify_id : LDAP_RES_ANY;
		int type = ldap_result(conn->ld, id, LDAP_MSG_ONE, &now, &msg);

		if (type < 0)
			return fail(conn, "the connection broke",
				    last_code(conn));
		if (type == 0 && is_buffered(conn))
			continue;
		if (type == 0)
			break;
		if (type == LDAP_RES_SEARCH_ENTRY) {
			changed = true;
		} else if (type != LDAP_RES_SEARCH_REFERENCE) {
			(void)read_result(conn, "change notification", msg,
					  NULL);
			(void)ldap_msgfree(msg);
			conn->notify_id = 0;
			return DS_ERR_NOTFOUND;
		}
		(void)ldap_msgfree(msg);
	}
	*ret_changed = changed;
	return DS_OK;
}

/*
 * Finding a domain controller, and proving that it is one.
 *
 * The proof is the KDC's: auth gets us a ticket for ldap/HOST/DNSDOMAIN, and
 * the sealed bind with it succeeds only at a server that has that key.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/sync/dns.h"
#include "synccache/sync/meta.h"
#include "synccache/sync/netlogon.h"
#include "synccache/sync/site.h"
#include "synccache/sync/sync.h"
#include "synccache/sync/tcp.h"
#include "synccache/sync/tls.h"

#define CONNECT_MS 5000
#define BIND_MS    5000 /* a server that lives answers at once */
#define ANSWER_MS  10000
#define HURRY_MS   2500 /* for each of them */
#define PROBE_MS   5000
#define RETURN_MS  900000 /* to a preferred server, give or take half */

#define AWAY (1u << 16) /* of a rank, above any priority */

static int64_t patience(const struct dss_sync *s, int64_t ms)
{
	return s->hurry && ms > HURRY_MS ? HURRY_MS : ms;
}

void dss_dc_close(struct dss_sync *s)
{
	dss_conn_free(s->conn);
	s->conn = NULL;
	s->status.notify = false;
}

/* One text value of an entry, if it fits. */
static void take_text(const struct dss_entry *entry, const char *name,
		      char *buf, size_t cap)
{
	const struct dss_attr *attr = dss_entry_find(entry, name);
	const char *s;

	if (attr && attr->count == 1 &&
	    dss_value_text(&attr->values[0], cap - 1, &s) == DS_OK)
		(void)snprintf(buf, cap, "%s", s);
}

struct facts {
	int64_t patience; /* ms for each answer */
	struct dss_domain domain;
	char server_base[512];
	bool has_sid;
	struct dss_netlogon netlogon;
	bool has_netlogon;
};

static int root_entry(void *arg, const struct dss_entry *entry)
{
	struct facts *f = arg;

	take_text(entry, "defaultNamingContext", f->server_base,
		  sizeof(f->server_base));
	take_text(entry, "configurationNamingContext", f->domain.config_dn,
		  sizeof(f->domain.config_dn));
	return DS_OK;
}

static int base_entry(void *arg, const struct dss_entry *entry)
{
	const struct dss_attr *attr = dss_entry_find(entry, "objectSid");
	struct facts *f = arg;

	dss_policy_read(entry, &f->domain.policy);
	f->has_sid =
	    attr && attr->count == 1 &&
	    ds_sid_parse_bin(attr->values[0].data, attr->values[0].len,
			     &f->domain.sid) == DS_OK;
	return DS_OK;
}

static int partition_entry(void *arg, const struct dss_entry *entry)
{
	struct facts *f = arg;

	take_text(entry, "nETBIOSName", f->domain.netbios,
		  sizeof(f->domain.netbios));
	return DS_OK;
}

static int ping_entry(void *arg, const struct dss_entry *entry)
{
	const struct dss_attr *attr = dss_entry_find(entry, "netlogon");
	struct facts *f = arg;

	f->has_netlogon =
	    attr && attr->count == 1 &&
	    dss_netlogon_parse(attr->values[0].data, attr->values[0].len,
			       &f->netlogon) == DS_OK;
	return DS_OK;
}

static int ask(struct dss_conn *conn, const char *base, enum dss_scope scope,
	       const char *filter, const char *const *attrs,
	       int (*entry)(void *, const struct dss_entry *), struct facts *f)
{
	const struct dss_search search = {
		.base = base,
		.scope = scope,
		.filter = filter,
		.attrs = attrs,
		.entry = entry,
		.arg = f,
		.silence_ms = f->patience,
	};

	return dss_conn_search(conn, &search, false);
}

static int read_root(struct dss_conn *conn, struct facts *f)
{
	static const char *const attrs[] = { "defaultNamingContext",
					     "configurationNamingContext",
					     NULL };

	return ask(conn, "", DSS_SCOPE_BASE, "(objectClass=*)", attrs,
		   root_entry, f);
}

static int read_facts(const struct dss_sync *s, struct dss_conn *conn,
		      struct facts *f)
{
	static const char *const sid[] = { "objectSid", "maxPwdAge",
					   "lockoutDuration", NULL };
	static const char *const netbios[] = { "nETBIOSName", NULL };
	char base[600], filter[600];
	int err = dss_meta_base_dn(s->config.domain.name, f->domain.base_dn,
				   sizeof(f->domain.base_dn));

	if (err == DS_OK)
		err = read_root(conn, f);
	if (err == DS_OK && strcasecmp(f->server_base, f->domain.base_dn) != 0)
		err = DS_ERR_CONFLICT;
	if (err == DS_OK)
		err = ask(conn, f->domain.base_dn, DSS_SCOPE_BASE,
			  "(objectClass=*)", sid, base_entry, f);
	if (err)
		return err;
	(void)snprintf(base, sizeof(base), "CN=Partitions,%s",
		       f->domain.config_dn);
	(void)snprintf(filter, sizeof(filter),
		       "(&(objectClass=crossRef)(nCName=%s))",
		       f->domain.base_dn);
	err = ask(conn, base, DSS_SCOPE_ONE, filter, netbios, partition_entry,
		  f);
	if (err)
		return err;
	return f->has_sid && f->domain.netbios[0] ? DS_OK : DS_ERR_FORMAT;
}

/*
 * In which site the server sees this host (MS-ADTS 6.3.3), by the address of
 * this connection.  One that does not say so, whatever it says instead, serves
 * all the same, if the connection does: that is asked once more then.
 */
static int read_site(const struct dss_sync *s, struct dss_conn *conn,
		     struct facts *f)
{
	static const char *const attrs[] = { "netlogon", NULL };
	char filter[600];
	int err;

	(void)snprintf(filter, sizeof(filter),
		       "(&(DnsDomain=%s)(NtVer=" DSS_NETLOGON_NTVER "))",
		       s->config.domain.name);
	err = ask(conn, "", DSS_SCOPE_BASE, filter, attrs, ping_entry, f);
	return err ? read_root(conn, f) : DS_OK;
}

/*
 * Binds with the ticket that auth gave.  It lies in a memory file while the
 * bind runs, and nowhere else.
 */
static int bind_with_ticket(struct dss_sync *s, struct dss_conn *conn)
{
	struct dss_ticket *t = &s->ticket;
	int fd = memfd_create("dssync-ldap-ticket", MFD_CLOEXEC);
	char name[64];
	int err = DS_ERR_SYS;

	if (fd >= 0 &&
	    write(fd, t->ccache, t->ccache_len) == (ssize_t)t->ccache_len) {
		(void)snprintf(name, sizeof(name), "FILE:/proc/self/fd/%d",
			       fd);
		err =
		    setenv("KRB5CCNAME", name, 1) == 0 ? DS_OK : DS_ERR_NOMEM;
	}
	if (err == DS_OK)
		err = dss_conn_bind(conn, ds_now_ms() + patience(s, BIND_MS));
	(void)unsetenv("KRB5CCNAME");
	if (fd >= 0)
		(void)close(fd);
	dss_ticket_drop(t);
	return err;
}

/* Not the live looks, which are told by the mirror. */
static bool asks_site(const struct dss_sync *s)
{
	return !s->hurry && dss_site_wanted(s);
}

/* Says in `why` (cap bytes) what was wrong with this host. */
static int try_host(struct dss_sync *s, const char *host, uint16_t port,
		    char *why, size_t cap)
{
	const struct dss_waiter waiter = dss_loop_waiter(s);
	struct facts facts = { .patience = patience(s, ANSWER_MS) };
	struct dss_conn *conn = NULL;
	int fd, err;

	err = dss_tcp_connect(s, host, port, patience(s, CONNECT_MS), &fd);
	if (err) {
		(void)snprintf(why, cap, "%s: %s", host,
			       err == DS_ERR_SYS        ? strerror(errno)
			       : err == DS_ERR_NOTFOUND ? "no address in DNS"
							: ds_strerror(err));
		return err;
	}
	err = dss_channel_ticket(s, host);
	if (err) {
		(void)close(fd);
		(void)snprintf(why, cap, "%s: %s", host,
			       s->ticket.problem[0] ? s->ticket.problem
						    : ds_strerror(err));
		return err;
	}
	err = dss_conn_new(fd, host, &waiter, &conn);
	if (err == DS_OK)
		err = dss_tls_protect(s, conn, host, port, why, cap);
	if (err) {
		dss_ticket_drop(&s->ticket);
		dss_conn_free(conn);
		return err;
	}
	err = bind_with_ticket(s, conn);
	if (err == DS_OK)
		err = read_facts(s, conn, &facts);
	if (err == DS_OK && asks_site(s))
		err = read_site(s, conn, &facts);
	if (err) {
		const char *text = dss_conn_text(conn);

		if (err == DS_ERR_CONFLICT)
			text = "it serves another domain than the configured";
		(void)snprintf(why, cap, "%s: %s", host,
			       text[0] ? text : ds_strerror(err));
		dss_conn_free(conn);
		return err;
	}
	s->conn = conn;
	s->domain = facts.domain;
	s->port = port;
	if (asks_site(s))
		dss_site_learn(s, host,
			       facts.has_netlogon ? &facts.netlogon : NULL);
	return DS_OK;
}

struct candidates {
	struct ds_srv list[DS_SRV_MAX];
	size_t count;
};

static int find_candidates(struct dss_sync *s, struct candidates *c)
{
	char **server = s->config.domain.servers;

	if (!*server)
		return dss_dns_servers(s, c->list, &c->count);
	for (; *server && c->count < DS_SRV_MAX; server++) {
		struct ds_srv *srv = &c->list[c->count++];

		srv->port = dss_tls_port(s);
		(void)snprintf(srv->host, sizeof(srv->host), "%s", *server);
	}
	return DS_OK;
}

/* 0 is the best: the order of `servers`, or the site and the priority. */
static uint32_t rank(const struct dss_sync *s, const struct candidates *c,
		     size_t i)
{
	if (*s->config.domain.servers)
		return (uint32_t)i;
	return (c->list[i].away ? AWAY : 0) | c->list[i].priority;
}

static uint32_t best_rank(const struct dss_sync *s, const struct candidates *c)
{
	uint32_t best = UINT32_MAX;

	for (size_t i = 0; i < c->count; i++)
		if (rank(s, c, i) < best)
			best = rank(s, c, i);
	return best;
}

/* Appends to what was tried; the same trouble is not told twice. */
static void tell(char *tried, size_t cap, const char *why)
{
	size_t len = strlen(tried);

	if (!strstr(tried, why))
		(void)snprintf(tried + len, cap - len, "%s%s", len ? "; " : "",
			       why);
}

/* One of them; what was wrong with it is added to `tried`. */
static int try_one(struct dss_sync *s, const struct ds_srv *srv, char *tried,
		   size_t cap)
{
	char why[DSS_TEXT] = "";
	int err;

	if (!ds_host_in_domain(srv->host, s->config.domain.name)) {
		(void)snprintf(why, sizeof(why),
			       "%s: not in the domain, not used", srv->host);
		err = DS_ERR_DENIED;
	} else {
		/* SRV records tell of the port without TLS. */
		err = try_host(s, srv->host,
			       s->config.domain.transport == DS_TRANSPORT_LDAPS
				   ? dss_tls_port(s)
				   : srv->port,
			       why, sizeof(why));
	}
	if (err == DS_OK)
		(void)snprintf(s->status.server, sizeof(s->status.server),
			       "%s", srv->host);
	else if (!s->stop)
		tell(tried, cap, why[0] ? why : ds_strerror(err));
	return err;
}

/* Those better than `below`, in their order, `but` apart. */
static int try_all(struct dss_sync *s, const struct candidates *c,
		   uint32_t below, const char *but, char *tried, size_t cap)
{
	uint32_t best = best_rank(s, c);
	int err = DS_ERR_UNAVAIL;

	for (size_t i = 0; i < c->count; i++) {
		if (rank(s, c, i) >= below ||
		    strcmp(c->list[i].host, but) == 0)
			continue;
		err = try_one(s, &c->list[i], tried, cap);
		if (err == DS_OK) {
			s->rank = rank(s, c, i);
			s->return_at =
			    s->rank > best || dss_site_elsewhere(s)
				? ds_now_ms() + dss_jitter(RETURN_MS)
				: 0;
		}
		if (err == DS_OK || s->stop)
			return err;
	}
	return err;
}

static void put_last(struct candidates *c, const char *last)
{
	for (size_t i = 0; i + 1 < c->count; i++) {
		const struct ds_srv srv = c->list[i];

		if (strcmp(srv.host, last) != 0)
			continue;
		memmove(&c->list[i], &c->list[i + 1],
			(c->count - i - 1) * sizeof(srv));
		c->list[c->count - 1] = srv;
		return;
	}
}

int dss_dc_open(struct dss_sync *s, const char *first, const char *last,
		char *tried, size_t cap)
{
	struct ds_srv srv = { .port = dss_tls_port(s) };
	struct candidates c = { .count = 0 };
	int err;

	if (first[0]) {
		(void)snprintf(srv.host, sizeof(srv.host), "%s", first);
		err = try_one(s, &srv, tried, cap);
		if (err == DS_OK || s->stop)
			return err;
	}
	err = find_candidates(s, &c);
	if (err) {
		char why[DSS_TEXT];

		(void)snprintf(
		    why, sizeof(why), "%s in DNS: %s", s->config.domain.name,
		    err == DS_ERR_NOTFOUND ? "there is no SRV record"
					   : "no name server answers");
		tell(tried, cap, why);
		return err;
	}
	put_last(&c, last);
	return try_all(s, &c, UINT32_MAX, first, tried, cap);
}

/* There is a new connection: who must know, and what was passed over. */
static void settle(struct dss_sync *s, const char *tried)
{
	ds_log(DS_LOG_INFO, "connected to %s", s->status.server);
	if (tried[0] && strcmp(tried, s->unused) != 0)
		ds_log(DS_LOG_WARN, "not used: %s", tried);
	(void)snprintf(s->unused, sizeof(s->unused), "%s", tried);
	dss_channel_server(s, s->status.server);
	dss_channel_site(s);
	if (s->config.sync.notify)
		s->status.notify =
		    dss_conn_notify(s->conn, s->domain.base_dn) == DS_OK;
}

/*
 * What DNS says of it now, which may have been asked for another site before;
 * one that it does not name (among so many) is not of the site, if that has
 * any.
 */
static uint32_t rank_of_mine(const struct dss_sync *s,
			     const struct candidates *c)
{
	uint32_t away = 0;

	for (size_t i = 0; i < c->count; i++) {
		if (strcasecmp(c->list[i].host, s->status.server) == 0)
			return rank(s, c, i);
		if (c->list[i].away)
			away = AWAY;
	}
	return s->rank | away;
}

static void look_for_better(struct dss_sync *s)
{
	struct dss_conn *before = s->conn;
	struct candidates c = { .count = 0 };
	char tried[DSS_TEXT] = "", site[DS_HOST_MAX + 1];

	(void)snprintf(site, sizeof(site), "%s", dss_site(s));
	s->return_at = ds_now_ms() + dss_jitter(RETURN_MS);
	if (find_candidates(s, &c) != 0)
		return;
	s->rank = rank_of_mine(s, &c);
	if (s->rank <= best_rank(s, &c)) {
		/* Its site may get a server of its own. */
		if (!dss_site_elsewhere(s))
			s->return_at = 0;
		return;
	}
	s->conn = NULL;
	if (try_all(s, &c, s->rank, "", tried, sizeof(tried)) != DS_OK) {
		s->conn = before;
		return;
	}
	dss_conn_free(before);
	settle(s, tried);
	/* Two that send this host to each other get one visit each. */
	if (strcasecmp(dss_site(s), site) != 0)
		s->return_at = 0;
}

int dss_dc_connect(struct dss_sync *s)
{
	char tried[DSS_TEXT] = "", site[DS_HOST_MAX + 1];
	int err;

	dss_status_state(s, DSS_CONNECTING, "connecting");
	(void)snprintf(site, sizeof(site), "%s", dss_site(s));
	err = dss_dc_open(s, "", "", tried, sizeof(tried));
	if (err == DS_OK) {
		settle(s, tried);
		/* DNS was asked for another site, or for none. */
		if (dss_site_elsewhere(s) &&
		    strcasecmp(dss_site(s), site) != 0)
			look_for_better(s);
	} else if (!s->stop) {
		dss_status_error(
		    s, err, "no domain controller can be used: %s", tried);
	}
	return err;
}

void dss_dc_return(struct dss_sync *s, bool now)
{
	if (s->return_at && (now || ds_now_ms() >= s->return_at))
		look_for_better(s);
}

static int on_anything(void *arg, const struct dss_entry *entry)
{
	(void)arg;
	(void)entry;
	return DS_OK;
}

/* The root DSE may be read by anyone: this is about life, not about trust. */
int dss_dc_probe(void *arg)
{
	static const char *const attrs[] = { "1.1", NULL };
	struct dss_sync *s = arg;
	const struct dss_waiter waiter = dss_loop_waiter(s);
	int64_t deadline = ds_now_ms() + PROBE_MS;
	struct dss_search search = {
		.base = "",
		.scope = DSS_SCOPE_BASE,
		.filter = "(objectClass=*)",
		.attrs = attrs,
		.entry = on_anything,
	};
	struct dss_conn *conn = NULL;
	char why[DSS_TEXT];
	int fd, err;

	err = dss_tcp_connect(s, s->status.server, s->port, PROBE_MS, &fd);
	if (err == DS_OK)
		err = dss_conn_new(fd, s->status.server, &waiter, &conn);
	if (err == DS_OK)
		err = dss_tls_protect(s, conn, s->status.server, s->port, why,
				      sizeof(why));
	search.silence_ms = deadline - ds_now_ms();
	if (err == DS_OK)
		err = dss_conn_search(conn, &search, false);
	dss_conn_free(conn);
	ds_log(DS_LOG_NOTICE, "%s is silent: %s", s->status.server,
	       err == DS_OK ? "it lives, waiting on" : "it hangs");
	return err;
}

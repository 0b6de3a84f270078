/*
 * The world of dc_world.h, and what dc.c needs of its neighbours.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "lib/wire.h"
#include "synccache/sync/dns.h"
#include "synccache/sync/site.h"
#include "synccache/sync/tcp.h"
#include "tests/unit/dc_world.h"

#define HEAD 24 /* of the netlogon answer, before its names */

static struct dc_world *world;

/* ---- the clock and the bind: dc_seams.h ---- */

int dc_test_bind(struct dss_conn *conn, int64_t deadline_ms);

int64_t dc_test_now(void)
{
	return ds_now_ms() + world->clock;
}

int dc_test_bind(struct dss_conn *conn, int64_t deadline_ms)
{
	(void)conn;
	(void)deadline_ms;
	return DS_OK;
}

/* ---- what a domain controller says ---- */

static struct dc_host *host_of(const struct script_server *sv)
{
	return &world->dcs[(unsigned char)sv->invocation];
}

static size_t put_name(uint8_t *buf, size_t at, const char *name)
{
	size_t len = strlen(name);

	buf[at++] = (uint8_t)len;
	memcpy(buf + at, name, len);
	at += len;
	if (len > 0)
		buf[at++] = 0;
	return at;
}

static void show_netlogon(struct script_server *sv,
			  const struct script_request *rq)
{
	struct dc_host *host = host_of(sv);
	uint8_t value[512] = { 23 };
	struct test_entry t = { .e.dn = "" };
	size_t len = HEAD;

	host->pinged++;
	if (host->refuses) {
		sv->over = host->refuses < 0;
		if (!sv->over)
			script_done(sv, rq->id, host->refuses);
		return;
	}
	for (int i = 0; i < 6; i++)
		len = put_name(value, len, "x");
	len = put_name(value, len, host->site);
	len = put_name(value, len, host->says ? host->says : "");
	memcpy(value + len, "\5\0\0\0\xff\xff\xff\xff", 8);
	t.e.attrs = t.attrs;
	entry_attr(&t, "netlogon");
	entry_value(&t, value, len + 8);
	if (host->says)
		script_entry(sv, rq->id, &t.e);
	script_done(sv, rq->id, LDAP_SUCCESS);
}

void dc_world_hush(struct dc_world *w, const struct script_server *sv,
		   bool silent)
{
	w->silent[sv - w->conns] = silent;
}

/* The root DSE without any attribute. */
static void answer_probe(struct script_server *sv,
			 const struct script_request *rq)
{
	struct dc_host *host = host_of(sv);

	host->probed++;
	if (world->probe)
		world->probe(world);
	if (host->hangs)
		dc_world_hush(world, sv, true);
	else
		script_done(sv, rq->id, LDAP_SUCCESS);
}

static void serve_root(struct script_server *sv,
		       const struct script_request *rq)
{
	struct test_entry t = { .e.dn = "" };

	if (strcmp(rq->first_attr, "1.1") == 0) {
		answer_probe(sv, rq);
		return;
	}
	if (strcmp(rq->first_attr, "netlogon") == 0) {
		show_netlogon(sv, rq);
		return;
	}
	t.e.attrs = t.attrs;
	entry_text(&t, "defaultNamingContext", SCRIPT_BASE_DN);
	entry_text(&t, "configurationNamingContext",
		   "CN=Configuration," SCRIPT_BASE_DN);
	script_entry(sv, rq->id, &t.e);
	script_done(sv, rq->id, LDAP_SUCCESS);
}

static void serve_facts(struct script_server *sv,
			const struct script_request *rq)
{
	struct test_entry t;

	if (rq->dirsync) {
		world->bulk(sv, rq);
		return;
	}
	entry_begin(&t, 1);
	entry_sid(&t, 1);
	entry_text(&t, "nETBIOSName", "EXAMPLE");
	script_entry(sv, rq->id, &t.e);
	script_done(sv, rq->id, LDAP_SUCCESS);
}

/* ---- what dc.c needs of its neighbours ---- */

static void name_all(struct dss_sync *s, bool site, struct ds_srv *list,
		     size_t *count)
{
	*count = 0;
	for (size_t i = 0; i < DC_WORLD_DCS && world->dcs[i].name; i++) {
		const struct dc_host *host = &world->dcs[i];
		struct ds_srv *srv = &list[*count];

		if ((host->unnamed && dss_site(s)[0]) ||
		    (site && !host->covers &&
		     strcasecmp(host->site, dss_site(s)) != 0))
			continue;
		*srv =
		    (struct ds_srv){ .priority = host->priority, .port = 389 };
		(void)snprintf(srv->host, sizeof(srv->host), "%s", host->name);
		++*count;
	}
}

int dss_dns_servers(struct dss_sync *s, struct ds_srv ret_list[DS_SRV_MAX],
		    size_t *ret_count)
{
	struct ds_srv all[DS_SRV_MAX];
	size_t len = strlen(world->asked), nall;

	(void)snprintf(world->asked + len, sizeof(world->asked) - len, "%s ",
		       dss_site(s)[0] ? dss_site(s) : "-");
	*ret_count = 0;
	if (dss_site(s)[0])
		name_all(s, true, ret_list, ret_count);
	name_all(s, false, all, &nall);
	ds_srv_append(ret_list, ret_count, all, nall);
	return *ret_count ? DS_OK : DS_ERR_NOTFOUND;
}

int dss_tcp_connect(struct dss_sync *s, const char *host, uint16_t port,
		    int64_t timeout_ms, int *ret_fd)
{
	struct script_server *sv = &world->conns[world->nconns];
	int pair[2], n = 0;

	(void)s;
	(void)port;
	(void)timeout_ms;
	while (strcmp(world->dcs[n].name, host) != 0)
		n++;
	if (world->dcs[n].down) {
		errno = ECONNREFUSED;
		return DS_ERR_SYS;
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_true(++world->nconns < DC_WORLD_CONNS);
	world->dcs[n].connected++;
	sv->invocation = (char)n;
	sv->root = serve_root;
	world->fds[sv - world->conns] = pair[0];
	script_start(sv, pair[1], serve_facts);
	*ret_fd = pair[0];
	return DS_OK;
}

int dss_channel_ticket(struct dss_sync *s, const char *host)
{
	(void)host;
	s->ticket = (struct dss_ticket){ .arrived = true };
	return DS_OK;
}

void dss_ticket_drop(struct dss_ticket *t)
{
	(void)t;
}

void dss_channel_server(struct dss_sync *s, const char *host)
{
	(void)s;
	(void)snprintf(world->told, sizeof(world->told), "%s", host);
}

void dss_channel_site(struct dss_sync *s)
{
	(void)snprintf(world->told_site, sizeof(world->told_site), "%s",
		       s->status.site);
}

static bool is_silent(int fd)
{
	int n = world->nconns;

	while (--n >= 0 && world->fds[n] != fd)
		;
	return n >= 0 && world->silent[n];
}

/* Patient with those that will answer; for the others the time goes by. */
static int wait_fd(void *arg, int fd, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	(void)arg;
	while (ds_now_ms() < deadline_ms) {
		bool silent = is_silent(fd);

		if (poll(&pfd, 1, silent ? 0 : 1) > 0)
			return DS_OK;
		if (silent) {
			world->clock += deadline_ms - ds_now_ms();
			break;
		}
	}
	return DS_ERR_TIMEOUT;
}

struct dss_waiter dss_loop_waiter(struct dss_sync *s)
{
	return (struct dss_waiter){ wait_fd, s };
}

uint32_t dss_chance(void)
{
	return 0;
}

int64_t dss_jitter(int64_t ms)
{
	return ms;
}

/* ---- a test's world ---- */

int dc_world_setup(void **state)
{
	struct dc_world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	default_config(&w->s.config);
	*state = world = w;
	return 0;
}

int dc_world_teardown(void **state)
{
	struct dc_world *w = *state;

	dss_conn_free(w->s.conn);
	for (int i = 0; i < w->nconns; i++)
		script_join(&w->conns[i]);
	free(w);
	return 0;
}

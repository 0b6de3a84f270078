/*
 * The transports ldaps and starttls.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/sync/cert.h"
#include "synccache/sync/tcp.h"

#define LDAP_PORT    389
#define LDAPS_PORT   636
#define HANDSHAKE_MS 5000
#define HURRY_MS     2000 /* the same, when somebody waits */
#define PEEK_MS      2000

static const struct {
	const char *name;
	uint16_t port;
} transports[] = {
	[DS_TRANSPORT_GSSAPI] = { "gssapi", LDAP_PORT },
	[DS_TRANSPORT_LDAPS] = { "ldaps", LDAPS_PORT },
	[DS_TRANSPORT_STARTTLS] = { "starttls", LDAP_PORT },
};

uint16_t dss_tls_port(const struct dss_sync *s)
{
	return transports[s->config.domain.transport].port;
}

const char *dss_tls_name(const struct dss_sync *s)
{
	return transports[s->config.domain.transport].name;
}

/* Where the distributions keep what the system trusts. */
static const char *system_cas(void)
{
	static const char *const files[] = {
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/ca-bundle.pem",
		"/etc/ssl/cert.pem",
	};

	for (size_t i = 1; i < sizeof(files) / sizeof(files[0]); i++)
		if (access(files[i - 1], R_OK) != 0 &&
		    access(files[i], R_OK) == 0)
			return files[i];
	return files[0];
}

static void date(char *buf, size_t cap, uint64_t when)
{
	time_t t = (time_t)when;
	struct tm tm;

	if (!gmtime_r(&t, &tm) ||
	    strftime(buf, cap, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		(void)snprintf(buf, cap, "another time");
}

/* What the library does not say: which of the checks it was. */
static void explain(struct dss_sync *s, const struct dss_tls *tls,
		    const char *host, uint16_t port, char *why, size_t cap)
{
	const struct dss_waiter waiter = dss_loop_waiter(s);
	int64_t deadline = ds_now_ms() + PEEK_MS;
	uint64_t now = (uint64_t)time(NULL);
	struct dss_conn *conn = NULL;
	struct dss_cert cert;
	uint8_t *der = NULL;
	char when[40];
	size_t len;
	int fd;

	if (dss_tcp_connect(s, host, port, PEEK_MS, &fd) != 0 ||
	    dss_conn_new(fd, host, &waiter, &conn) != 0)
		return;
	if (dss_conn_peek(conn, tls, deadline, &der, &len) == DS_OK &&
	    dss_cert_read(der, len, host, &cert) == DS_OK) {
		date(when, sizeof(when),
		     now > cert.until ? cert.until : cert.from);
		if (now > cert.until)
			(void)snprintf(why, cap,
				       "%s: its certificate expired on %s",
				       host, when);
		else if (now < cert.from)
			(void)snprintf(why, cap,
				       "%s: its certificate is not valid "
				       "before %s",
				       host, when);
		else if (!cert.names_host)
			(void)snprintf(why, cap,
				       "%s: its certificate is for another "
				       "host: %s",
				       host, cert.names);
		else
			(void)snprintf(why, cap,
				       "%s: its certificate is not from a CA "
				       "in %s",
				       host, tls->ca_file);
	}
	free(der);
	dss_conn_free(conn);
}

int dss_tls_protect(struct dss_sync *s, struct dss_conn *conn,
		    const char *host, uint16_t port, char *why, size_t cap)
{
	const char *ca_file = s->config.domain.ca_file;
	const struct dss_tls tls = {
		.starttls =
		    s->config.domain.transport == DS_TRANSPORT_STARTTLS,
		.ca_file = ca_file[0] ? ca_file : system_cas(),
	};
	int err;

	if (s->config.domain.transport == DS_TRANSPORT_GSSAPI)
		return DS_OK;
	err = dss_conn_tls(conn, &tls,
			   ds_now_ms() + (s->hurry ? HURRY_MS : HANDSHAKE_MS));
	if (err == DS_OK)
		return DS_OK;
	(void)snprintf(why, cap, "%s: %s", host, dss_conn_text(conn));
	if (err == DS_ERR_UNSAFE && !s->hurry && !s->stop)
		explain(s, &tls, host, port, why, cap);
	return err;
}

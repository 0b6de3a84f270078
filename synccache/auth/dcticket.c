/*
 * Service tickets for sync, in a worker.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/dcticket.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/srv.h"
#include "lib/wire.h"
#include "synccache/auth/ccfile.h"
#include "synccache/auth/krb.h"
#include "synccache/auth/krberr.h"

#define SERVICE "ldap"

struct work {
	const struct dsa_server *server;
	krb5_context ctx;
	krb5_keytab kt;
	struct dsa_kdc kdc;
	krb5_principal host;   /* the client: our computer account */
	krb5_principal wanted; /* ldap/HOST/DNSDOMAIN@REALM */
	krb5_principal filed;  /* ldap/HOST@REALM */
	struct dsa_tgt tgt;    /* new one, to be kept */
	const char *what;      /* what failed */
	bool own;              /* it was about the host's own key */
};

static krb5_error_code prepare(struct work *w, const char *host)
{
	const struct dsa_server *s = w->server;
	unsigned int realm_len = (unsigned int)strlen(s->realm);
	char name[DS_HOST_MAX + 1];
	krb5_error_code code;
	size_t i;

	for (i = 0; host[i] != '\0'; i++)
		name[i] = (char)tolower((unsigned char)host[i]);
	name[i] = '\0';
	w->what = "preparing the request";
	dsa_kdc_init(&w->kdc, &s->config, s->realm, s->site, s->kdc);
	w->kdc.doubts = &s->doubts;
	code = krb5_kt_resolve(w->ctx, s->keytab.name, &w->kt);
	if (code == 0)
		code = krb5_parse_name(w->ctx, s->keytab.principal, &w->host);
	if (code == 0)
		code = krb5_build_principal(w->ctx, &w->wanted, realm_len,
					    s->realm, SERVICE, name,
					    s->config.domain.name, NULL);
	if (code == 0)
		code = krb5_build_principal(w->ctx, &w->filed, realm_len,
					    s->realm, SERVICE, name, NULL);
	return code;
}

/* A new TGT into w->tgt. */
static krb5_error_code new_tgt(struct work *w)
{
	const struct dsa_server *s = w->server;

	w->what = "getting the host's own ticket";
	w->own = true;
	return dsa_tgt_new(
	    w->ctx, &w->kdc, w->kt, w->host, s->keytab.serial,
	    s->config.login.fast == DS_FAST_TRY && !s->fast_seen, &w->tgt);
}

static krb5_error_code tgs_exchange(struct work *w, const struct dsa_tgt *tgt,
				    krb5_creds *ret_creds)
{
	krb5_creds in = { .client = w->host, .server = w->wanted };
	krb5_error_code code;
	krb5_ccache cc;
	int fd;

	w->what = "asking for a ticket that proves the server";
	w->own = false;
	code =
	    dsa_ccfile_open(w->ctx, tgt->ccache.p, tgt->ccache.len, &cc, &fd);
	if (code != 0)
		return code;
	code = dsa_kdc_tgs(&w->kdc, w->ctx, cc, &in, ret_creds);
	if (code == 0)
		dsa_kdc_prove(&w->kdc, true);
	(void)krb5_cc_close(w->ctx, cc);
	(void)close(fd);
	return code;
}

/* No other KDC, and no other TGT, would make it better. */
static bool is_final(const struct work *w, krb5_error_code code)
{
	if (code == 0 || code == KRB5_KDC_UNREACH ||
	    code == KRB5_REALM_UNKNOWN)
		return true;
	return w->kdc.proven &&
	       (code == KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN ||
		dsa_krb_verdict(DSA_STAGE_VERIFY, code, 0, false).result ==
		    DS_AUTH_UNAVAILABLE);
}

/*
 * With the kept TGT, or if there is none, or the KDC does not like it any
 * more (its key changed, it was restored, it is none), with a new one, from a
 * KDC that proves itself with it.
 */
static krb5_error_code get_ticket(struct work *w, krb5_creds *ret_creds)
{
	krb5_error_code code;

	if (dsa_tgt_is_good(&w->server->host_tgt, w->server->keytab.serial)) {
		code = tgs_exchange(w, &w->server->host_tgt, ret_creds);
		if (is_final(w, code))
			return code;
	}
	code = new_tgt(w);
	if (code == 0)
		code = tgs_exchange(w, &w->tgt, ret_creds);
	return code;
}

static void send_ticket(struct work *w, const krb5_creds *creds, int out)
{
	const struct dsa_found found = dsa_kdc_found(&w->kdc);
	struct dsa_health health = { 0 };
	struct dsa_secret packet = { 0 }, ccache = { 0 };
	struct ds_writer bytes, frame;

	if (dsa_secret_init(&packet, DS_PACKET_MAX, DSA_SECRET_PRIVATE) != 0 ||
	    dsa_secret_init(&ccache, DS_CCACHE_MAX, DSA_SECRET_PRIVATE) != 0)
		goto out;
	ds_writer_init(&bytes, ccache.p, ccache.cap);
	dsa_ccfile_put(&bytes, creds, w->filed);
	ds_writer_init(&frame, packet.p, packet.cap);
	ds_frame_begin(&frame, DSA_MSG_DC_VERDICT, 0);
	ds_put_u32(&frame, (uint32_t)-bytes.err);
	ds_put_str(&frame, "");
	ds_put_str(&frame, w->server->keytab.principal);
	ds_put_u64(&frame, (uint64_t)creds->times.endtime);
	ds_put_blob(&frame, ccache.p, bytes.len);
	/* A ticket for the host's TGT, which its key has opened. */
	dsa_health_see(&health, 0, true);
	if (w->tgt.ccache.p != NULL)
		health.has_clock = dsa_krb_clock(w->ctx, &health.clock);
	dsa_health_put(&frame, &health);
	dsa_found_put(&frame, &found);
	dsa_tgt_put(&frame, &w->tgt);
	if (ds_frame_end(&frame) == 0)
		(void)!ds_packet_send(out, &frame, -1);
out:
	dsa_secret_done(&ccache);
	dsa_secret_done(&packet);
}

static void send_problem(int out, int err, const char *problem,
			 const struct dsa_health *health,
			 const struct dsa_found *found)
{
	const struct dsa_tgt none = { 0 };
	uint8_t buf[2048];
	struct ds_writer frame;

	ds_writer_init(&frame, buf, sizeof(buf));
	ds_frame_begin(&frame, DSA_MSG_DC_VERDICT, 0);
	ds_put_u32(&frame, (uint32_t)-err);
	ds_put_str(&frame, problem);
	ds_put_str(&frame, "");
	ds_put_u64(&frame, 0);
	ds_put_blob(&frame, NULL, 0);
	dsa_health_put(&frame, health);
	dsa_found_put(&frame, found);
	dsa_tgt_put(&frame, &none);
	if (ds_frame_end(&frame) == 0)
		(void)!ds_packet_send(out, &frame, -1);
}

static void send_code(struct work *w, const char *host, krb5_error_code code,
		      int out)
{
	char text[256], problem[DS_TEXT_MAX + 1];
	struct dsa_verdict v =
	    dsa_krb_verdict(DSA_STAGE_VERIFY, code, 0, false);
	bool away = v.result == DS_AUTH_UNAVAILABLE;
	const struct dsa_found found = dsa_kdc_found(&w->kdc);
	struct dsa_health health = { 0 };

	dsa_health_see(&health, code, w->own);
	if (code == KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN)
		(void)snprintf(problem, sizeof(problem),
			       "%s is no domain controller of %s: the KDC "
			       "knows no " SERVICE "/%s/%s",
			       host, w->server->config.domain.name, host,
			       w->server->config.domain.name);
	else
		(void)snprintf(problem, sizeof(problem), "%s: %s", w->what,
			       dsa_krb_text(w->ctx, code, text, sizeof(text)));
	send_problem(out, away ? DS_ERR_UNAVAIL : DS_ERR_DENIED, problem,
		     &health, &found);
}

void dsa_dc_run(const struct dsa_server *server, const char *host, int out)
{
	struct work w = { .server = server };
	const struct dsa_health unknown = { 0 };
	const struct dsa_found none = { 0 };
	krb5_creds creds = { 0 };
	krb5_error_code code;

	code = dsa_krb_context(DSA_KRB5_CONF, server->realm, &w.ctx);
	if (code != 0) {
		send_problem(out, DS_ERR_UNAVAIL,
			     "the Kerberos configuration cannot be used",
			     &unknown, &none);
		return;
	}
	code = prepare(&w, host);
	if (code == 0)
		code = get_ticket(&w, &creds);
	if (code == 0)
		send_ticket(&w, &creds, out);
	else
		send_code(&w, host, code, out);
	dsa_tgt_done(&w.tgt);
	krb5_free_cred_contents(w.ctx, &creds);
	krb5_free_principal(w.ctx, w.host);
	krb5_free_principal(w.ctx, w.wanted);
	krb5_free_principal(w.ctx, w.filed);
	if (w.kt != NULL)
		(void)krb5_kt_close(w.ctx, w.kt);
	krb5_free_context(w.ctx);
}

/*
 * Service tickets for sync, in a worker.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/dcticket.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/auth/ccfile.h"
#include "synccache/auth/krb.h"
#include "synccache/auth/krberr.h"

#define TGT_SPARE_SECONDS 600 /* a TGT that ends sooner is renewed */
#define SERVICE           "ldap"

bool dsa_dc_host_ok(const char *host, const char *domain)
{
	size_t len = strlen(host), dlen = strlen(domain);
	char before = '.';

	if (dlen == 0 || len > DSA_HOST_MAX || len < dlen + 2 ||
	    host[len - dlen - 1] != '.' ||
	    strcasecmp(host + len - dlen, domain) != 0)
		return false;
	for (const char *p = host; *p != '\0'; before = *p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		      (*p >= '0' && *p <= '9') || *p == '-' ||
		      (*p == '.' && before != '.')))
			return false;
	return true;
}

struct work {
	const struct dsa_server *server;
	krb5_context ctx;
	krb5_keytab kt;
	krb5_principal host;   /* the client: our computer account */
	krb5_principal wanted; /* ldap/HOST/DNSDOMAIN@REALM */
	krb5_principal filed;  /* ldap/HOST@REALM */
	struct dsa_secret tgt; /* new one, to be kept */
	int64_t tgt_end;
	const char *what; /* what failed */
};

static krb5_error_code prepare(struct work *w, const char *host)
{
	const struct dsa_server *s = w->server;
	unsigned int realm_len = (unsigned int)strlen(s->realm);
	char name[DSA_HOST_MAX + 1];
	krb5_error_code code;
	size_t i;

	for (i = 0; host[i] != '\0'; i++)
		name[i] = (char)tolower((unsigned char)host[i]);
	name[i] = '\0';
	w->what = "preparing the request";
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

static krb5_error_code as_exchange(struct work *w, krb5_creds *ret_creds)
{
	krb5_get_init_creds_opt *opt;
	krb5_enctype *etypes;
	size_t count = dsa_krb_etypes(&etypes);
	krb5_error_code code = krb5_get_init_creds_opt_alloc(w->ctx, &opt);

	if (code != 0)
		return code;
	krb5_get_init_creds_opt_set_etype_list(opt, etypes, (int)count);
	krb5_get_init_creds_opt_set_forwardable(opt, 0);
	krb5_get_init_creds_opt_set_proxiable(opt, 0);
	code = krb5_get_init_creds_keytab(w->ctx, ret_creds, w->host, w->kt, 0,
					  NULL, opt);
	krb5_get_init_creds_opt_free(w->ctx, opt);
	return code;
}

/* A new TGT into w->tgt. */
static krb5_error_code new_tgt(struct work *w)
{
	krb5_creds creds = { 0 };
	struct ds_writer bytes;
	krb5_error_code code;

	w->what = "getting the host's own ticket";
	code = as_exchange(w, &creds);
	if (code != 0)
		return code;
	if (dsa_secret_init(&w->tgt, DS_CCACHE_MAX, DSA_SECRET_PRIVATE) != 0) {
		code = ENOMEM;
		goto out;
	}
	ds_writer_init(&bytes, w->tgt.p, w->tgt.cap);
	dsa_ccfile_put(&bytes, &creds, NULL);
	if (bytes.err != 0)
		code = KRB5_CC_NOMEM;
	w->tgt.len = bytes.len;
	w->tgt_end = creds.times.endtime;
out:
	krb5_free_cred_contents(w->ctx, &creds);
	return code;
}

static krb5_error_code tgs_exchange(struct work *w,
				    const struct dsa_secret *tgt,
				    krb5_creds **ret_creds)
{
	krb5_creds in = { .client = w->host, .server = w->wanted };
	krb5_error_code code;
	krb5_ccache cc;
	int fd;

	w->what = "asking for a ticket that proves the server";
	code = dsa_ccfile_open(w->ctx, tgt->p, tgt->len, &cc, &fd);
	if (code != 0)
		return code;
	code =
	    krb5_get_credentials(w->ctx, KRB5_GC_NO_STORE, cc, &in, ret_creds);
	(void)krb5_cc_close(w->ctx, cc);
	(void)close(fd);
	return code;
}

static bool kept_is_good(const struct dsa_server *s)
{
	return s->host_tgt.p != NULL &&
	       s->host_tgt_serial == s->keytab.serial &&
	       s->host_tgt_end - (int64_t)time(NULL) > TGT_SPARE_SECONDS;
}

/*
 * With the kept TGT, or if there is none, or the KDC does not like it any
 * more (its key changed, it was restored), with a new one.
 */
static krb5_error_code get_ticket(struct work *w, krb5_creds **ret_creds)
{
	krb5_error_code code;

	if (kept_is_good(w->server)) {
		code = tgs_exchange(w, &w->server->host_tgt, ret_creds);
		if (code == 0 || code == KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN ||
		    dsa_krb_verdict(DSA_STAGE_VERIFY, code, 0, false).result ==
			DS_AUTH_UNAVAILABLE)
			return code;
	}
	code = new_tgt(w);
	if (code == 0)
		code = tgs_exchange(w, &w->tgt, ret_creds);
	return code;
}

static void send_ticket(struct work *w, const krb5_creds *creds, int out)
{
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
	ds_put_u64(&frame, (uint64_t)w->tgt_end);
	ds_put_blob(&frame, w->tgt.p, w->tgt.len);
	if (ds_frame_end(&frame) == 0)
		(void)!ds_packet_send(out, &frame, -1);
out:
	dsa_secret_done(&ccache);
	dsa_secret_done(&packet);
}

static void send_problem(int out, int err, const char *problem)
{
	uint8_t buf[1024];
	struct ds_writer frame;

	ds_writer_init(&frame, buf, sizeof(buf));
	ds_frame_begin(&frame, DSA_MSG_DC_VERDICT, 0);
	ds_put_u32(&frame, (uint32_t)-err);
	ds_put_str(&frame, problem);
	ds_put_str(&frame, "");
	ds_put_u64(&frame, 0);
	ds_put_blob(&frame, NULL, 0);
	ds_put_u64(&frame, 0);
	ds_put_blob(&frame, NULL, 0);
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

	if (code == KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN)
		(void)snprintf(problem, sizeof(problem),
			       "%s is no domain controller of %s: the KDC "
			       "knows no " SERVICE "/%s/%s",
			       host, w->server->config.domain.name, host,
			       w->server->config.domain.name);
	else
		(void)snprintf(problem, sizeof(problem), "%s: %s", w->what,
			       dsa_krb_text(w->ctx, code, text, sizeof(text)));
	send_problem(out, away ? DS_ERR_UNAVAIL : DS_ERR_DENIED, problem);
}

void dsa_dc_run(const struct dsa_server *server, const char *host, int out)
{
	struct work w = { .server = server };
	krb5_creds *creds = NULL;
	krb5_error_code code;

	code = dsa_krb_context(DSA_KRB5_CONF, server->realm, &w.ctx);
	if (code != 0) {
		send_problem(out, DS_ERR_UNAVAIL,
			     "the Kerberos configuration cannot be used");
		return;
	}
	code = prepare(&w, host);
	if (code == 0)
		code = get_ticket(&w, &creds);
	if (code == 0)
		send_ticket(&w, creds, out);
	else
		send_code(&w, host, code, out);
	dsa_secret_done(&w.tgt);
	krb5_free_creds(w.ctx, creds);
	krb5_free_principal(w.ctx, w.host);
	krb5_free_principal(w.ctx, w.wanted);
	krb5_free_principal(w.ctx, w.filed);
	if (w.kt != NULL)
		(void)krb5_kt_close(w.ctx, w.kt);
	krb5_free_context(w.ctx);
}

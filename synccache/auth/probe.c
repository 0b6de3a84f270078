/*
 * The probe.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/probe.h"

#include "lib/wire.h"
#include "synccache/auth/krb.h"

#define ANSWER_MS 5000

static enum dsa_kdc_word probe(const struct dsa_server *server,
			       krb5_context ctx)
{
	const struct dsa_keytab *keytab = &server->keytab;
	enum dsa_kdc_word word = DSA_KDC_UNASKED;
	krb5_principal host = NULL;
	struct dsa_tgt tgt = { 0 };
	struct dsa_kdc kdc;
	krb5_keytab kt;
	krb5_error_code code;

	if (krb5_kt_resolve(ctx, keytab->name, &kt) != 0)
		return word;
	dsa_kdc_init(&kdc, &server->config, server->realm, server->site,
		     server->kdc);
	kdc.doubts = &server->doubts;
	/* Another probe comes; one KDC that is silent, behind a network that
	 * was just mended, must not hold it up. */
	dsa_kdc_until(&kdc, ds_now_ms() + ANSWER_MS);
	dsa_kdc_hurry(&kdc, ANSWER_MS);
	code = krb5_parse_name(ctx, keytab->principal, &host);
	if (code == 0) {
		code = dsa_tgt_new(ctx, &kdc, kt, host, keytab->serial, false,
				   &tgt);
		word = dsa_kdc_word(&kdc, code);
	}
	dsa_tgt_done(&tgt);
	krb5_free_principal(ctx, host);
	(void)krb5_kt_close(ctx, kt);
	return word;
}

void dsa_probe_run(const struct dsa_server *server, int out)
{
	enum dsa_kdc_word word = DSA_KDC_UNASKED;
	uint8_t buf[DS_HEADER_LEN + 4];
	krb5_context ctx;
	struct ds_writer w;

	if (server->keytab.kt != NULL &&
	    dsa_krb_context(DSA_KRB5_CONF, server->realm, &ctx) == 0) {
		word = probe(server, ctx);
		krb5_free_context(ctx);
	}
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DSA_MSG_PROBED, 0);
	ds_put_u32(&w, word);
	if (ds_frame_end(&w) == 0)
		(void)!ds_packet_send(out, &w, -1);
}

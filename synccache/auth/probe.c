/*
 * The probe.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/probe.h"

#include <stdio.h>
#include <stdlib.h>

#include "lib/wire.h"
#include "synccache/auth/krb.h"
#include "synccache/auth/krberr.h"

#define ANSWER_MS 5000

/* ---- in the worker ---- */

static void see(const struct dsa_kdc *kdc, krb5_context ctx,
		krb5_error_code code, struct dsa_probed *probed)
{
	char text[256];

	probed->word = dsa_kdc_word(kdc, code);
	dsa_health_see(&probed->health, code, true);
	if (code == 0) {
		probed->result = DS_AUTH_OK;
		probed->health.has_clock =
		    dsa_krb_clock(ctx, &probed->health.clock);
		return;
	}
	probed->result =
	    dsa_krb_verdict(DSA_STAGE_VERIFY, code, 0, false).result;
	(void)snprintf(probed->why, sizeof(probed->why),
		       "no ticket of the host's own: %s",
		       dsa_krb_text(ctx, code, text, sizeof(text)));
}

static void probe(const struct dsa_server *server, krb5_context ctx,
		  struct dsa_probed *probed)
{
	const struct dsa_keytab *keytab = &server->keytab;
	krb5_principal host = NULL;
	struct dsa_tgt tgt = { 0 };
	struct dsa_kdc kdc;
	krb5_keytab kt;
	krb5_error_code code;

	if (krb5_kt_resolve(ctx, keytab->name, &kt) != 0)
		return;
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
		see(&kdc, ctx, code, probed);
	}
	dsa_tgt_done(&tgt);
	krb5_free_principal(ctx, host);
	(void)krb5_kt_close(ctx, kt);
}

void dsa_probe_run(const struct dsa_server *server, int out)
{
	struct dsa_probed probed = { .word = DSA_KDC_UNASKED,
				     .result = DS_AUTH_UNAVAILABLE };
	uint8_t buf[DS_HEADER_LEN + 64 + DS_TEXT_MAX];
	krb5_context ctx;
	struct ds_writer w;

	(void)snprintf(probed.why, sizeof(probed.why), "%s",
		       server->keytab.problem);
	if (server->keytab.kt != NULL &&
	    dsa_krb_context(DSA_KRB5_CONF, server->realm, &ctx) == 0) {
		probe(server, ctx, &probed);
		krb5_free_context(ctx);
	}
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DSA_MSG_PROBED, 0);
	ds_put_u32(&w, probed.word);
	ds_put_u32(&w, probed.result);
	ds_put_str(&w, probed.why);
	dsa_health_put(&w, &probed.health);
	if (ds_frame_end(&w) == 0)
		(void)!ds_packet_send(out, &w, -1);
}

/* ---- in the main process ---- */

int dsa_probed_read(const struct ds_frame *frame,
		    struct dsa_probed *ret_probed)
{
	struct dsa_probed probed = { 0 };
	struct ds_reader r;
	int err;

	ds_reader_init(&r, frame->payload, frame->len);
	probed.word = ds_get_u32(&r);
	probed.result = ds_get_u32(&r);
	ds_get_str(&r, probed.why, sizeof(probed.why));
	dsa_health_get(&r, &probed.health);
	err = ds_reader_end(&r);
	if (err == 0 && frame->type != DSA_MSG_PROBED)
		err = DS_ERR_FORMAT;
	if (err == 0)
		*ret_probed = probed;
	return err;
}

struct question {
	struct dsa_server *server;
	dsa_account_said said;
	void *arg;
};

static bool on_probed(void *arg, const struct ds_frame *frame)
{
	struct dsa_probed probed = { .result = DS_AUTH_UNAVAILABLE,
				     .why = "the worker gave no answer" };
	struct question *q = arg;

	if (frame != NULL && dsa_probed_read(frame, &probed) == 0)
		dsa_health_keep(&q->server->health, &probed.health);
	dsa_report_changed(q->server);
	q->said(q->arg, (enum ds_auth_result)probed.result, probed.why);
	free(q);
	return true;
}

static void run_probe(void *arg, int out)
{
	const struct question *q = arg;

	dsa_probe_run(q->server, out);
}

void dsa_host_ask(struct dsa_server *server, dsa_account_said said, void *arg)
{
	struct question *q = malloc(sizeof(*q));
	const struct dsa_job_spec spec = {
		.kind = DSA_JOB_TICKET,
		.keep_fd = -1,
		.timeout_ms = DSA_PROBE_MS,
		.run = run_probe,
		.heard = on_probed,
		.arg = q,
	};

	if (q != NULL) {
		*q = (struct question){ server, said, arg };
		if (dsa_job_start(&server->jobs, &spec) == 0)
			return;
	}
	free(q);
	said(arg, DS_AUTH_UNAVAILABLE,
	     "no worker could be started; ask again");
}

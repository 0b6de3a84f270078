/*
 * The Kerberos side of a login.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/login.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/auth/as.h"
#include "synccache/auth/ccfile.h"
#include "synccache/auth/edata.h"
#include "synccache/auth/krb.h"
#include "synccache/auth/krberr.h"
#include "synccache/auth/policy.h"
#include "synccache/auth/proof.h"

#define SKEW_SECONDS 300  /* of clocks that Kerberos tolerates */
#define HURRY_MS     2000 /* for a KDC where none answered a moment ago */

struct attempt {
	const struct dsa_server *server;
	const struct ds_snap_account *account;
	krb5_context ctx;
	krb5_keytab kt;
	krb5_principal host; /* the computer, owner of kt */
	struct dsa_kdc kdc;
	struct dsa_as as;     /* as.client: the enterprise name */
	krb5_error_code code; /* that decided last */
	int armour_fd;        /* behind as.armour */
	struct dsa_login *login;
};

/* A ticket for the host itself, with the TGT that the password got. */
static krb5_error_code host_ticket(struct attempt *a, krb5_creds *tgt,
				   krb5_creds *ret_service)
{
	krb5_creds want = { .client = tgt->client, .server = a->host };
	krb5_ccache cc;
	krb5_error_code now;
	krb5_error_code code = krb5_cc_new_unique(a->ctx, "MEMORY", NULL, &cc);

	if (code != 0)
		return code;
	code = krb5_cc_initialize(a->ctx, cc, tgt->client);
	if (code == 0)
		code = krb5_cc_store_cred(a->ctx, cc, tgt);
	if (code == 0)
		do
			now = dsa_kdc_tgs(&a->kdc, a->ctx, cc, &want,
					  ret_service);
		while (dsa_kdc_elsewhere(
		    &a->kdc, KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN, now, &code));
	(void)krb5_cc_destroy(a->ctx, cc);
	return code;
}

static void decide(struct dsa_login *login, enum ds_auth_result result,
		   bool proven, const char *reason)
{
	login->result = login->say = result;
	login->proven = proven;
	(void)snprintf(login->reason, sizeof(login->reason), "%s", reason);
}

static enum ds_auth_result state_now(const struct attempt *a)
{
	return dsa_account_state(a->account, dsa_filetime(time(NULL)));
}

/* Inside FAST a KDC gives no NTSTATUS; the mirror may know more. */
static struct dsa_verdict judge_silent(struct attempt *a, struct dsa_verdict v)
{
	bool asked = a->as.asked;

	if (v.result != DS_AUTH_LOCKED || a->as.armour == NULL ||
	    a->as.ntstatus != DSA_NT_NONE)
		return v;
	a->login->revoked = asked ? DSA_REVOKED_AFTER : DSA_REVOKED_FIRST;
	return dsa_krb_silent(
	    v, dsa_revoked_state(a->account, dsa_filetime(time(NULL))), asked);
}

static void decide_code(struct attempt *a, enum dsa_stage stage,
			krb5_error_code code, const char *what)
{
	const struct dsa_as *as = &a->as;
	struct dsa_verdict v =
	    dsa_krb_verdict(stage, code, as->ntstatus, as->asked);
	char text[256], reason[DSA_REASON_MAX + 1], status[32] = "";

	dsa_health_see(&a->login->health, code, stage == DSA_STAGE_VERIFY);
	a->code = code;
	if (stage == DSA_STAGE_AS)
		v = judge_silent(a, v);
	if (as->ntstatus != DSA_NT_NONE)
		(void)snprintf(status, sizeof(status), ", NTSTATUS %08X",
			       (unsigned int)as->ntstatus);
	(void)snprintf(reason, sizeof(reason), "%s%s%s", what,
		       dsa_krb_text(a->ctx, code, text, sizeof(text)), status);
	decide(a->login, v.result, v.proven, reason);
}

/* The object that the KDC authenticated must be the one that is meant. */
static bool same_name(struct attempt *a, krb5_const_principal client)
{
	char reason[DSA_REASON_MAX + 1];
	char *name = NULL;

	if (dsa_krb_is_account(client, a->server->realm, a->account))
		return true;
	if (krb5_unparse_name(a->ctx, client, &name) != 0)
		name = NULL;
	(void)snprintf(reason, sizeof(reason),
		       "the KDC authenticated %s, which is not the object "
		       "that the mirror has under this name",
		       name != NULL ? name : "somebody");
	krb5_free_unparsed_name(a->ctx, name);
	decide(a->login, DS_AUTH_DENIED, false, reason);
	return false;
}

static bool same_sid(struct attempt *a, const struct ds_sid *sid)
{
	char reason[DSA_REASON_MAX + 1];
	char theirs[DS_SID_STR_MAX], ours[DS_SID_STR_MAX];

	if (ds_sid_equal(&a->account->sid, sid))
		return true;
	(void)snprintf(reason, sizeof(reason),
		       "the KDC authenticated the object %s, and the mirror "
		       "has %s under this name",
		       ds_sid_to_str(sid, theirs),
		       ds_sid_to_str(&a->account->sid, ours));
	decide(a->login, DS_AUTH_DENIED, false, reason);
	return false;
}

/* The proof of the KDC has failed; no way to fail is a success. */
static void decide_unproven(struct attempt *a, const struct dsa_proof *proof)
{
	char what[256];

	if (proof->code == 0) {
		decide(a->login, DS_AUTH_DENIED, false, proof->problem);
		return;
	}
	(void)snprintf(what, sizeof(what), "%s: ", proof->problem);
	decide_code(a, DSA_STAGE_VERIFY, proof->code, what);
}

/* Is the KDC true, and is it the object that is meant? */
static bool proven(struct attempt *a, krb5_creds *tgt)
{
	struct dsa_proof proof;
	krb5_creds service = { 0 };
	krb5_error_code code = host_ticket(a, tgt, &service);
	bool ok = false;

	if (code != 0) {
		decide_code(a, DSA_STAGE_VERIFY, code,
			    "no ticket for the host: ");
		return false;
	}
	if (!dsa_proof_read(a->ctx, a->kt, a->host, &service, &proof)) {
		decide_unproven(a, &proof);
	} else {
		dsa_kdc_prove(&a->kdc, true);
		dsa_health_see(&a->login->health, 0, true);
		a->login->health.has_clock =
		    dsa_krb_clock(a->ctx, &a->login->health.clock);
		/* The TGT's client is kept with the ticket: both, then. */
		ok = same_name(a, proof.client) && same_name(a, tgt->client) &&
		     same_sid(a, &proof.sid);
	}
	dsa_proof_done(a->ctx, &proof);
	krb5_free_cred_contents(a->ctx, &service);
	return ok;
}

/*
 * The KDC says that the password must be changed, and gives no TGT.  The old
 * password is proven by a ticket for kadmin/changepw (MS-KILE 3.3.5.6.4).
 * There is no ticket for the host then, and so no proof of the KDC but FAST:
 * without it a false KDC could make its own password good enough for auth,
 * and the answer is no, with the reason.  There is no PAC for a SID either:
 * dsa_change() has one compared with the new password.
 */
static void prove_old(struct attempt *a)
{
	struct dsa_login *login = a->login;
	krb5_creds creds = { 0 };
	krb5_error_code code = dsa_as_exchange(&a->as, DSA_CHANGEPW, &creds);

	if (code != 0) {
		decide_code(a, DSA_STAGE_AS, code,
			    "password expired, and no proof of the old one: ");
		if (login->result == DS_AUTH_NEW_PASSWORD)
			login->result = login->say = DS_AUTH_DENIED;
		return;
	}
	if (!same_name(a, creds.client)) {
		/* decided */
	} else if (a->as.armour != NULL) {
		decide(login, DS_AUTH_NEW_PASSWORD, true,
		       "the password must be changed");
	} else {
		decide(login, DS_AUTH_DENIED, true,
		       "the password must be changed, says a KDC that "
		       "nothing proves without FAST");
		login->say = DS_AUTH_NEW_PASSWORD;
	}
	krb5_free_cred_contents(a->ctx, &creds);
}

static int keep_ticket(struct attempt *a, const krb5_creds *creds)
{
	struct dsa_login *login = a->login;
	struct ds_writer w;
	char *name = NULL;
	int r =
	    dsa_secret_init(&login->ccache, DS_CCACHE_MAX, DSA_SECRET_PRIVATE);

	if (r != 0)
		return r;
	ds_writer_init(&w, login->ccache.p, login->ccache.cap);
	dsa_ccfile_put(&w, creds, NULL);
	if (w.err == 0 && krb5_unparse_name(a->ctx, creds->client, &name) != 0)
		w.err = DS_ERR_NOMEM;
	if (w.err == 0 && strlen(name) >= sizeof(login->principal))
		w.err = DS_ERR_LIMIT;
	if (w.err == 0) {
		memcpy(login->principal, name, strlen(name) + 1);
		login->ccache.len = w.len;
	} else {
		dsa_secret_done(&login->ccache);
	}
	krb5_free_unparsed_name(a->ctx, name);
	return w.err;
}

/* A TGT has come: is the KDC true, the object right, the account in order? */
static void judge(struct attempt *a, krb5_creds *creds)
{
	enum ds_auth_result state;

	if (!proven(a, creds))
		return;
	state = state_now(a);
	if (state != DS_AUTH_OK) {
		decide(a->login, state, true, "the mirror says so");
		return;
	}
	decide(a->login, DS_AUTH_OK, true, "");
	/* A login without a ticket is better than none. */
	if (keep_ticket(a, creds) != 0)
		(void)snprintf(a->login->reason, sizeof(a->login->reason),
			       "the ticket could not be kept");
}

/* ---- FAST ---- */

static void drop_armour(struct attempt *a)
{
	if (a->as.armour == NULL)
		return;
	(void)krb5_cc_close(a->ctx, a->as.armour);
	(void)close(a->armour_fd);
	a->as.armour = NULL;
}

/* A new TGT of the host's, which the main process is to keep. */
static krb5_error_code renew_tgt(struct attempt *a)
{
	bool probe = a->server->config.login.fast == DS_FAST_TRY &&
		     !a->server->fast_seen;

	dsa_tgt_done(&a->login->tgt);
	return dsa_tgt_new(a->ctx, &a->kdc, a->kt, a->host,
			   a->server->keytab.serial, probe, &a->login->tgt);
}

/*
 * Armour has a time in it.  After an exchange without, libkrb5 goes by the
 * KDC's clock, here and not in the next worker: the same for all of them.
 */
static krb5_error_code open_armour(struct attempt *a,
				   const struct dsa_tgt *tgt)
{
	int32_t ahead;

	if (dsa_krb_clock(a->ctx, &ahead) &&
	    (ahead > SKEW_SECONDS || ahead < -SKEW_SECONDS))
		return KRB5KRB_AP_ERR_SKEW;
	drop_armour(a);
	return dsa_ccfile_open(a->ctx, tgt->ccache.p, tgt->ccache.len,
			       &a->as.armour, &a->armour_fd);
}

/*
 * Whatever `fast` asks for; after it as.armour says whether there is one.  The
 * KDC that is asked about the password first has shown that it has the
 * domain's keys: to another worker, or now, by a ticket of the host's own, for
 * which any number of KDCs can be asked.
 */
static krb5_error_code arm(struct attempt *a)
{
	const struct dsa_server *server = a->server;
	const struct dsa_tgt *tgt = &server->host_tgt;
	int fast = server->config.login.fast;
	krb5_error_code code;

	if (fast == DS_FAST_NEVER && a->kdc.proven)
		return 0;
	if (!a->kdc.proven || !dsa_tgt_is_good(tgt, server->keytab.serial)) {
		code = renew_tgt(a);
		if (code != 0)
			return code;
		tgt = &a->login->tgt;
	}
	if (fast == DS_FAST_NEVER ||
	    (fast == DS_FAST_TRY && !server->fast_seen && !tgt->armour))
		return 0;
	return open_armour(a, tgt);
}

/*
 * The password's exchange.  Armour that the KDC does not like (its key has
 * changed, it was restored, the clock was set) is replaced once; there is no
 * way back to an exchange without.
 */
static krb5_error_code exchange(struct attempt *a, krb5_creds *ret_creds,
				bool *ret_bad_armour)
{
	struct dsa_as *as = &a->as;
	krb5_error_code code = dsa_as_exchange(as, NULL, ret_creds), renewed;

	if (code == 0 && as->armour != NULL)
		dsa_kdc_prove(&a->kdc, true);
	*ret_bad_armour = as->armour != NULL &&
			  dsa_krb_bad_armour(code, as->kdc_error, as->asked);
	if (as->asked || code == 0)
		return code;
	/* Said by one that came in the stead of the one that was proven. */
	if (as->armour != NULL && dsa_kdc_is_doubtful(&a->kdc))
		*ret_bad_armour = true;
	if (!*ret_bad_armour)
		return code;
	renewed = renew_tgt(a);
	if (renewed == 0)
		renewed = open_armour(a, &a->login->tgt);
	if (renewed != 0)
		return renewed;
	code = dsa_as_exchange(as, NULL, ret_creds);
	*ret_bad_armour = dsa_krb_bad_armour(code, as->kdc_error, as->asked);
	return code;
}

static void ask_kdc(struct attempt *a)
{
	krb5_creds creds = { 0 };
	bool bad_armour = false;
	krb5_error_code code = arm(a);

	if (code != 0) {
		decide_code(a, DSA_STAGE_VERIFY, code,
			    "no ticket of the host's own: ");
		return;
	}
	code = exchange(a, &creds, &bad_armour);
	if (code == 0) {
		judge(a, &creds);
	} else if (bad_armour) {
		decide_code(
		    a, DSA_STAGE_VERIFY, code,
		    "the KDC does not take the host's armour (FAST): ");
	} else {
		decide_code(a, DSA_STAGE_AS, code, "");
		if (a->login->result == DS_AUTH_NEW_PASSWORD)
			prove_old(a);
	}
	krb5_free_cred_contents(a->ctx, &creds);
}

/*
 * A KDC that has not proven itself had the last word on this password.  So it
 * is: but whoever comes next is to find one that can be proven, and not this
 * one if it cannot.
 */
static void prove_next(struct attempt *a)
{
	struct dsa_login *login = a->login;

	/* Not a word on the password: no sign of a domain controller. */
	if (!login->proven && (login->result == DS_AUTH_DENIED ||
			       login->result == DS_AUTH_UNAVAILABLE))
		dsa_kdc_prove(&a->kdc, false);
	if (dsa_kdc_is_doubtful(&a->kdc))
		(void)!renew_tgt(a);
}

static krb5_error_code prepare(struct attempt *a)
{
	const struct dsa_keytab *keytab = &a->server->keytab;
	krb5_error_code code;

	a->as.ctx = a->ctx;
	a->as.kdc = &a->kdc;
	dsa_kdc_init(&a->kdc, &a->server->config, a->server->realm,
		     a->server->site, a->server->kdc);
	a->kdc.doubts = &a->server->doubts;
	if (dsa_offline_away(a->server))
		dsa_kdc_hurry(&a->kdc, HURRY_MS);
	code = krb5_kt_resolve(a->ctx, keytab->name, &a->kt);
	if (code == 0)
		code = krb5_parse_name(a->ctx, keytab->principal, &a->host);
	if (code == 0)
		code = dsa_krb_enterprise(a->ctx, a->server->realm, a->account,
					  &a->as.client);
	return code;
}

static void finish(struct attempt *a)
{
	drop_armour(a);
	krb5_free_principal(a->ctx, a->as.client);
	krb5_free_principal(a->ctx, a->host);
	if (a->kt != NULL)
		(void)krb5_kt_close(a->ctx, a->kt);
	krb5_free_context(a->ctx);
}

void dsa_login(const struct dsa_server *server,
	       const struct ds_snap_account *account, const char *password,
	       int64_t end_ms, struct dsa_login *login)
{
	struct attempt a = { .server = server,
			     .account = account,
			     .as.password = password,
			     .login = login };
	krb5_error_code code;
	int64_t begin;

	*login = (struct dsa_login){ .kdc_ms = -1 };
	if (server->keytab.kt == NULL) {
		decide(login, DS_AUTH_UNAVAILABLE, false,
		       server->keytab.problem);
		return;
	}
	code = dsa_krb_context(DSA_KRB5_CONF, server->realm, &a.ctx);
	if (code != 0) {
		decide(login, DS_AUTH_UNAVAILABLE, false,
		       "the Kerberos configuration cannot be used");
		return;
	}
	code = prepare(&a);
	if (code == 0) {
		dsa_kdc_until(&a.kdc, end_ms);
		begin = ds_now_ms();
		ask_kdc(&a);
		prove_next(&a);
		login->found = dsa_kdc_found(&a.kdc);
		login->kdc_ms = ds_now_ms() - begin;
		login->heard = dsa_kdc_word(
		    &a.kdc, login->result == DS_AUTH_UNAVAILABLE ? a.code : 0);
	} else {
		decide_code(&a, DSA_STAGE_VERIFY, code, "");
	}
	finish(&a);
}

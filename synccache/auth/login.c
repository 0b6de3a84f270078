/*
 * The Kerberos side of a login.
 *
 * FAST: the armour belongs into options(), from the host's TGT
 * (dsa_server.host_tgt).  Until it is there every exchange is unarmoured,
 * whatever `fast` says; lib/config refuses `demand` for that reason.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/login.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/wire.h"
#include "synccache/auth/ccfile.h"
#include "synccache/auth/edata.h"
#include "synccache/auth/krb.h"
#include "synccache/auth/krberr.h"
#include "synccache/auth/policy.h"

#define CHANGEPW         "kadmin/changepw"
#define CHANGEPW_SECONDS 300

struct attempt {
	krb5_context ctx;
	krb5_keytab kt;
	krb5_principal host;   /* the computer, owner of kt */
	krb5_principal client; /* enterprise name that is asked for */
	const char *password;
	bool asked; /* the KDC wanted a proof, and the password went into it */
	uint32_t ntstatus;
};

/*
 * krb5 asks here when the KDC has asked; giving it the password beforehand
 * would not tell whether an error came before or after the proof.
 */
static krb5_error_code prompter(krb5_context ctx, void *data, const char *name,
				const char *banner, int count,
				krb5_prompt prompts[])
{
	struct attempt *a = data;
	krb5_prompt_type *types = krb5_get_prompt_types(ctx);
	size_t len = strlen(a->password);

	(void)name;
	(void)banner;
	if (count == 0)
		return 0;
	if (count != 1 || types == NULL ||
	    types[0] != KRB5_PROMPT_TYPE_PASSWORD ||
	    len >= prompts[0].reply->length)
		return KRB5_LIBOS_CANTREADPWD;
	memcpy(prompts[0].reply->data, a->password, len + 1);
	prompts[0].reply->length = (unsigned int)len;
	a->asked = true;
	return 0;
}

static krb5_error_code options(struct attempt *a, bool changepw,
			       krb5_get_init_creds_opt **ret_opt)
{
	krb5_get_init_creds_opt *opt;
	krb5_enctype *etypes;
	size_t count = dsa_krb_etypes(&etypes);
	krb5_error_code code = krb5_get_init_creds_opt_alloc(a->ctx, &opt);

	if (code != 0)
		return code;
	krb5_get_init_creds_opt_set_etype_list(opt, etypes, (int)count);
	krb5_get_init_creds_opt_set_canonicalize(opt, 1);
	if (changepw) {
		krb5_get_init_creds_opt_set_tkt_life(opt, CHANGEPW_SECONDS);
		krb5_get_init_creds_opt_set_renew_life(opt, 0);
		krb5_get_init_creds_opt_set_forwardable(opt, 0);
		krb5_get_init_creds_opt_set_proxiable(opt, 0);
	}
	code = krb5_get_init_creds_opt_set_pac_request(a->ctx, opt, 1);
	if (code != 0)
		krb5_get_init_creds_opt_free(a->ctx, opt);
	else
		*ret_opt = opt;
	return code;
}

static uint32_t status_of(krb5_context ctx, krb5_init_creds_context icc)
{
	krb5_error *error = NULL;
	uint32_t status = DSA_NT_NONE;

	if (krb5_init_creds_get_error(ctx, icc, &error) == 0 && error != NULL)
		status = dsa_edata_ntstatus((uint8_t *)error->e_data.data,
					    error->e_data.length);
	krb5_free_error(ctx, error);
	return status;
}

/* One AS exchange; `service` NULL: a TGT. */
static krb5_error_code exchange(struct attempt *a, const char *service,
				krb5_creds *ret_creds)
{
	krb5_get_init_creds_opt *opt = NULL;
	krb5_init_creds_context icc = NULL;
	krb5_error_code code;

	code = options(a, service != NULL, &opt);
	if (code != 0)
		return code;
	code =
	    krb5_init_creds_init(a->ctx, a->client, prompter, a, 0, opt, &icc);
	if (code == 0 && service != NULL)
		code = krb5_init_creds_set_service(a->ctx, icc, service);
	if (code == 0) {
		code = krb5_init_creds_get(a->ctx, icc);
		if (code != 0)
			a->ntstatus = status_of(a->ctx, icc);
		else
			code =
			    krb5_init_creds_get_creds(a->ctx, icc, ret_creds);
	}
	krb5_init_creds_free(a->ctx, icc);
	krb5_get_init_creds_opt_free(a->ctx, opt);
	return code;
}

/*
 * The KDC proves that it knows the host's key.  Named explicitly, because
 * krb5 by itself tries only host/ principals; no key is never a success.
 */
static krb5_error_code verify(struct attempt *a, krb5_creds *creds)
{
	krb5_verify_init_creds_opt opt;
	krb5_error_code code = krb5_kt_have_content(a->ctx, a->kt);

	if (code != 0)
		return code;
	krb5_verify_init_creds_opt_init(&opt);
	krb5_verify_init_creds_opt_set_ap_req_nofail(&opt, 1);
	return krb5_verify_init_creds(a->ctx, creds, a->host, a->kt, NULL,
				      &opt);
}

static void decide(struct dsa_login *login, enum ds_auth_result result,
		   bool proven, const char *reason)
{
	login->result = login->say = result;
	login->proven = proven;
	(void)snprintf(login->reason, sizeof(login->reason), "%s", reason);
}

static void decide_code(struct dsa_login *login, struct attempt *a,
			enum dsa_stage stage, krb5_error_code code,
			const char *what)
{
	struct dsa_verdict v =
	    dsa_krb_verdict(stage, code, a->ntstatus, a->asked);
	char text[256], reason[DSA_REASON_MAX + 1], status[32] = "";

	if (a->ntstatus != DSA_NT_NONE)
		(void)snprintf(status, sizeof(status), ", NTSTATUS %08X",
			       (unsigned int)a->ntstatus);
	(void)snprintf(reason, sizeof(reason), "%s%s%s", what,
		       dsa_krb_text(a->ctx, code, text, sizeof(text)), status);
	decide(login, v.result, v.proven, reason);
}

/* The object that the KDC authenticated must be the one that is meant. */
static bool same_object(struct attempt *a, const char *realm,
			const struct ds_snap_account *account,
			const krb5_creds *creds, struct dsa_login *login)
{
	char reason[DSA_REASON_MAX + 1];
	char *name = NULL;

	if (dsa_krb_is_account(creds->client, realm, account))
		return true;
	if (krb5_unparse_name(a->ctx, creds->client, &name) != 0)
		name = NULL;
	(void)snprintf(reason, sizeof(reason),
		       "the KDC authenticated %s, which is not the object "
		       "that the mirror has under this name",
		       name != NULL ? name : "somebody");
	krb5_free_unparsed_name(a->ctx, name);
	decide(login, DS_AUTH_DENIED, false, reason);
	return false;
}

/*
 * The KDC says that the password must be changed, and gives no TGT.  The old
 * password is proven by a ticket for kadmin/changepw (MS-KILE 3.3.5.6.4).
 * Nothing can prove the KDC itself here without FAST; so it is believed only
 * where the mirror, which came from a proven server, says the same: a false
 * KDC must not make its own password good enough for auth.
 */
static void prove_old(struct attempt *a, const char *realm,
		      const struct ds_snap_account *account,
		      struct dsa_login *login)
{
	krb5_creds creds = { 0 };
	krb5_error_code code = exchange(a, CHANGEPW, &creds);

	if (code != 0) {
		decide_code(login, a, DSA_STAGE_AS, code,
			    "password expired, and no proof of the old one: ");
		if (login->result == DS_AUTH_NEW_PASSWORD)
			login->result = login->say = DS_AUTH_DENIED;
		return;
	}
	if (!same_object(a, realm, account, &creds, login)) {
		/* decided */
	} else if (dsa_must_change(account)) {
		decide(login, DS_AUTH_NEW_PASSWORD, true,
		       "the password must be changed");
	} else {
		decide(login, DS_AUTH_DENIED, true,
		       "the password has expired");
		login->say = DS_AUTH_NEW_PASSWORD;
	}
	krb5_free_cred_contents(a->ctx, &creds);
}

static int keep_ticket(struct attempt *a, const krb5_creds *creds,
		       struct dsa_login *login)
{
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
static void judge(struct attempt *a, const char *realm,
		  const struct ds_snap_account *account, krb5_creds *creds,
		  struct dsa_login *login)
{
	krb5_error_code code = verify(a, creds);
	enum ds_auth_result state;

	if (code != 0) {
		decide_code(login, a, DSA_STAGE_VERIFY, code,
			    "the KDC could not be verified with the host's "
			    "keytab: ");
		return;
	}
	if (!same_object(a, realm, account, creds, login))
		return;
	state = dsa_account_state(account, dsa_filetime(time(NULL)));
	if (state != DS_AUTH_OK) {
		decide(login, state, true, "the mirror says so");
		return;
	}
	decide(login, DS_AUTH_OK, true, "");
	/* A login without a ticket is better than none. */
	if (keep_ticket(a, creds, login) != 0)
		(void)snprintf(login->reason, sizeof(login->reason),
			       "the ticket could not be kept");
}

static krb5_error_code prepare(struct attempt *a,
			       const struct dsa_keytab *keytab,
			       const char *realm,
			       const struct ds_snap_account *account)
{
	krb5_error_code code;

	code = krb5_kt_resolve(a->ctx, keytab->name, &a->kt);
	if (code == 0)
		code = krb5_parse_name(a->ctx, keytab->principal, &a->host);
	if (code == 0)
		code = dsa_krb_enterprise(a->ctx, realm, account, &a->client);
	return code;
}

static void finish(struct attempt *a)
{
	krb5_free_principal(a->ctx, a->client);
	krb5_free_principal(a->ctx, a->host);
	if (a->kt != NULL)
		(void)krb5_kt_close(a->ctx, a->kt);
	krb5_free_context(a->ctx);
}

void dsa_login(const struct dsa_keytab *keytab, const char *conf,
	       const char *realm, const struct ds_snap_account *account,
	       const char *password, struct dsa_login *login)
{
	struct attempt a = { .password = password };
	krb5_creds creds = { 0 };
	krb5_error_code code;
	int64_t begin;

	*login = (struct dsa_login){ .kdc_ms = -1 };
	if (keytab->kt == NULL) {
		decide(login, DS_AUTH_UNAVAILABLE, false, keytab->problem);
		return;
	}
	code = dsa_krb_context(conf, realm, &a.ctx);
	if (code != 0) {
		decide(login, DS_AUTH_UNAVAILABLE, false,
		       "the Kerberos configuration cannot be used");
		return;
	}
	code = prepare(&a, keytab, realm, account);
	if (code != 0) {
		decide_code(login, &a, DSA_STAGE_VERIFY, code, "");
		finish(&a);
		return;
	}
	begin = ds_now_ms();
	code = exchange(&a, NULL, &creds);
	if (code == 0) {
		judge(&a, realm, account, &creds, login);
	} else {
		decide_code(login, &a, DSA_STAGE_AS, code, "");
		if (login->result == DS_AUTH_NEW_PASSWORD)
			prove_old(&a, realm, account, login);
	}
	login->kdc_ms = ds_now_ms() - begin;
	krb5_free_cred_contents(a.ctx, &creds);
	finish(&a);
}

/*
 * The AS exchange.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/as.h"

#include <string.h>

#include "synccache/auth/edata.h"
#include "synccache/auth/krb.h"

#define CHANGEPW_SECONDS 300

/*
 * krb5 asks here when the KDC has asked; giving it the password beforehand
 * would not tell whether an error came before or after the proof.
 */
static krb5_error_code prompter(krb5_context ctx, void *data, const char *name,
				const char *banner, int count,
				krb5_prompt prompts[])
{
	struct dsa_as *as = data;
	krb5_prompt_type *types = krb5_get_prompt_types(ctx);
	size_t len;

	(void)name;
	(void)banner;
	if (count == 0)
		return 0;
	if (as->password == NULL)
		return KRB5_LIBOS_CANTREADPWD;
	len = strlen(as->password);
	if (count != 1 || types == NULL ||
	    types[0] != KRB5_PROMPT_TYPE_PASSWORD ||
	    len >= prompts[0].reply->length)
		return KRB5_LIBOS_CANTREADPWD;
	memcpy(prompts[0].reply->data, as->password, len + 1);
	prompts[0].reply->length = (unsigned int)len;
	as->asked = true;
	return 0;
}

static krb5_error_code set_armour(struct dsa_as *as,
				  krb5_get_init_creds_opt *opt)
{
	krb5_error_code code;

	if (as->armour == NULL)
		return 0;
	code =
	    krb5_get_init_creds_opt_set_fast_ccache(as->ctx, opt, as->armour);
	if (code == 0)
		/* Else krb5 leaves it to the KDC's first, open answer. */
		code = krb5_get_init_creds_opt_set_fast_flags(
		    as->ctx, opt, KRB5_FAST_REQUIRED);
	return code;
}

/* What a user's ticket may do; a host's needs nothing of it. */
static void set_flags(const struct dsa_as *as, const char *service,
		      krb5_get_init_creds_opt *opt)
{
	if (as->password != NULL)
		krb5_get_init_creds_opt_set_canonicalize(opt, 1);
	if (as->password == NULL || service != NULL) {
		krb5_get_init_creds_opt_set_forwardable(opt, 0);
		krb5_get_init_creds_opt_set_proxiable(opt, 0);
	}
	if (service != NULL) {
		krb5_get_init_creds_opt_set_tkt_life(opt, CHANGEPW_SECONDS);
		krb5_get_init_creds_opt_set_renew_life(opt, 0);
	}
}

static krb5_error_code options(struct dsa_as *as, const char *service,
			       krb5_get_init_creds_opt **ret_opt)
{
	krb5_get_init_creds_opt *opt;
	krb5_enctype *etypes;
	size_t count = dsa_krb_etypes(&etypes);
	krb5_error_code code = krb5_get_init_creds_opt_alloc(as->ctx, &opt);

	if (code != 0)
		return code;
	krb5_get_init_creds_opt_set_etype_list(opt, etypes, (int)count);
	set_flags(as, service, opt);
	code = krb5_get_init_creds_opt_set_pac_request(as->ctx, opt, 1);
	if (code == 0)
		code = set_armour(as, opt);
	if (code != 0)
		krb5_get_init_creds_opt_free(as->ctx, opt);
	else
		*ret_opt = opt;
	return code;
}

static void read_error(struct dsa_as *as, krb5_init_creds_context icc)
{
	krb5_error *error = NULL;

	if (krb5_init_creds_get_error(as->ctx, icc, &error) == 0 &&
	    error != NULL) {
		as->kdc_error = error->error;
		as->ntstatus = dsa_edata_ntstatus(
		    (uint8_t *)error->e_data.data, error->e_data.length);
	}
	krb5_free_error(as->ctx, error);
}

static krb5_error_code run(struct dsa_as *as, const char *service,
			   krb5_init_creds_context icc, krb5_creds *ret_creds)
{
	krb5_error_code code = 0;

	if (as->password == NULL)
		code = krb5_init_creds_set_keytab(as->ctx, icc, as->kt);
	if (code == 0 && service != NULL)
		code = krb5_init_creds_set_service(as->ctx, icc, service);
	if (code != 0)
		return code;
	code = dsa_kdc_as(as->kdc, as->ctx, icc, &as->asked);
	if (code != 0) {
		read_error(as, icc);
		return code;
	}
	return krb5_init_creds_get_creds(as->ctx, icc, ret_creds);
}

krb5_error_code dsa_as_exchange(struct dsa_as *as, const char *service,
				krb5_creds *ret_creds)
{
	krb5_get_init_creds_opt *opt = NULL;
	krb5_init_creds_context icc = NULL;
	krb5_error_code code;

	as->asked = false;
	as->ntstatus = DSA_NT_NONE;
	as->kdc_error = 0;
	code = options(as, service, &opt);
	if (code != 0)
		return code;
	code = krb5_init_creds_init(as->ctx, as->client, prompter, as, 0, opt,
				    &icc);
	if (code == 0)
		code = run(as, service, icc, ret_creds);
	krb5_init_creds_free(as->ctx, icc);
	krb5_get_init_creds_opt_free(as->ctx, opt);
	return code;
}

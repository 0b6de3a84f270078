/*
 * Contexts, principals and texts.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/krb.h"

#include <profile.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

size_t dsa_krb_etypes(krb5_enctype **ret_list)
{
	/* AES with SHA-2 (RFC 8009) first, then what AD has had for long. */
	static krb5_enctype list[] = {
		ENCTYPE_AES256_CTS_HMAC_SHA384_192,
		ENCTYPE_AES128_CTS_HMAC_SHA256_128,
		ENCTYPE_AES256_CTS_HMAC_SHA1_96,
		ENCTYPE_AES128_CTS_HMAC_SHA1_96,
	};

	*ret_list = list;
	return sizeof(list) / sizeof(*list);
}

krb5_error_code dsa_krb_context(const char *conf, const char *realm,
				krb5_context *ret_ctx)
{
	const_profile_filespec_t files[] = { conf, NULL };
	profile_t profile = NULL;
	krb5_context ctx = NULL;
	krb5_error_code code;

	code = (krb5_error_code)profile_init(files, &profile);
	if (code != 0)
		return code;
	code =
	    krb5_init_context_profile(profile, KRB5_INIT_CONTEXT_SECURE, &ctx);
	profile_release(profile);
	if (code != 0)
		return code;
	code = krb5_set_default_realm(ctx, realm);
	if (code != 0)
		krb5_free_context(ctx);
	else
		*ret_ctx = ctx;
	return code;
}

char *dsa_krb_text(krb5_context ctx, krb5_error_code code, char *buf,
		   size_t cap)
{
	const char *text = krb5_get_error_message(ctx, code);

	(void)snprintf(buf, cap, "%s (%d)", text, (int)code);
	krb5_free_error_message(ctx, text);
	return buf;
}

krb5_error_code dsa_krb_enterprise(krb5_context ctx, const char *realm,
				   const struct ds_snap_account *account,
				   krb5_principal *ret_principal)
{
	char implicit[768];
	const char *name = account->upn;
	krb5_principal p;
	krb5_error_code code;

	if (name[0] == '\0') {
		int n = snprintf(implicit, sizeof(implicit), "%s@%s",
				 account->sam, realm);

		if (n < 0 || (size_t)n >= sizeof(implicit))
			return KRB5_PARSE_MALFORMED;
		name = implicit;
	}
	code = krb5_build_principal_ext(ctx, &p, (unsigned int)strlen(realm),
					realm, (unsigned int)strlen(name),
					name, 0);
	if (code != 0)
		return code;
	p->type = KRB5_NT_ENTERPRISE_PRINCIPAL;
	*ret_principal = p;
	return 0;
}

static bool same_text(const krb5_data *data, const char *text)
{
	return data->length == strlen(text) &&
	       strncasecmp(data->data, text, data->length) == 0;
}

bool dsa_krb_is_account(krb5_const_principal who, const char *realm,
			const struct ds_snap_account *account)
{
	return who->length == 1 && account->sam[0] != '\0' &&
	       same_text(&who->realm, realm) &&
	       same_text(&who->data[0], account->sam);
}

bool dsa_krb_clock(krb5_context ctx, int32_t *ret_seconds)
{
	krb5_int32 seconds, microseconds;

	if (krb5_get_time_offsets(ctx, &seconds, &microseconds) != 0)
		return false;
	*ret_seconds = seconds;
	return true;
}

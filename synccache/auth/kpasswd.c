/*
 * The kpasswd exchange.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/kpasswd.h"

#include <netdb.h>
#include <netinet/in.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/wire.h"

#define KPASSWD_PORT 464
#define ANSWER_MS    8000

/* A KRB-PRIV names the sender's address (RFC 4120 5.7.1). */
static krb5_error_code set_address(krb5_context ctx, krb5_auth_context ac,
				   const struct sockaddr_storage *sa)
{
	const struct sockaddr_in *in = (const void *)sa;
	const struct sockaddr_in6 *in6 = (const void *)sa;
	uint8_t bytes[sizeof(in6->sin6_addr)];
	krb5_address address = { .magic = KV5M_ADDRESS, .contents = bytes };

	if (sa->ss_family == AF_INET) {
		address.addrtype = ADDRTYPE_INET;
		address.length = sizeof(in->sin_addr);
		memcpy(bytes, &in->sin_addr, sizeof(in->sin_addr));
	} else {
		address.addrtype = ADDRTYPE_INET6;
		address.length = sizeof(in6->sin6_addr);
		memcpy(bytes, &in6->sin6_addr, sizeof(in6->sin6_addr));
	}
	return krb5_auth_con_setaddrs(ctx, ac, &address, NULL);
}

/* The address that packets to this KDC leave with; sends none. */
static bool own_address(const char *kdc, struct sockaddr_storage *ret_sa)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM,
					.ai_flags =
					    AI_NUMERICHOST | AI_NUMERICSERV };
	socklen_t len = sizeof(*ret_sa);
	struct addrinfo *ai = NULL;
	bool ok;
	int fd;

	if (getaddrinfo(kdc, "464", &hints, &ai) != 0)
		return false;
	fd = socket(ai->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ok = fd >= 0 && connect(fd, ai->ai_addr, ai->ai_addrlen) == 0 &&
	     getsockname(fd, (struct sockaddr *)ret_sa, &len) == 0;
	if (fd >= 0)
		(void)close(fd);
	freeaddrinfo(ai);
	return ok;
}

static krb5_error_code assemble(const krb5_data *ap, const krb5_data *priv,
				krb5_data *ret_request)
{
	size_t len = 6 + (size_t)ap->length + priv->length;
	uint8_t header[6], *p;

	if (dsa_kpw_header(header, ap->length, priv->length) != 0)
		return KRB5KRB_ERR_FIELD_TOOLONG;
	p = malloc(len);
	if (p == NULL)
		return ENOMEM;
	memcpy(p, header, sizeof(header));
	memcpy(p + 6, ap->data, ap->length);
	memcpy(p + 6 + ap->length, priv->data, priv->length);
	*ret_request = (krb5_data){ .magic = KV5M_DATA,
				    .length = (unsigned int)len,
				    .data = (char *)p };
	return 0;
}

static krb5_error_code make_request(krb5_context ctx, krb5_auth_context *ac,
				    krb5_creds *creds, const char *kdc,
				    const char *new_password,
				    krb5_data *ret_request)
{
	krb5_data ap = { 0 }, priv = { 0 },
		  clear = { .magic = KV5M_DATA,
			    .length = (unsigned int)strlen(new_password),
			    .data = (char *)(uintptr_t)new_password };
	struct sockaddr_storage own = { 0 };
	krb5_replay_data replay = { 0 };
	krb5_error_code code;

	if (!own_address(kdc, &own))
		return KRB5_KDC_UNREACH;
	code = krb5_mk_req_extended(ctx, ac, AP_OPTS_USE_SUBKEY, NULL, creds,
				    &ap);
	if (code == 0)
		code = krb5_auth_con_setflags(ctx, *ac,
					      KRB5_AUTH_CONTEXT_DO_SEQUENCE);
	if (code == 0)
		code = set_address(ctx, *ac, &own);
	if (code == 0)
		code = krb5_mk_priv(ctx, *ac, &clear, &priv, &replay);
	if (code == 0)
		code = assemble(&ap, &priv, ret_request);
	krb5_free_data_contents(ctx, &priv);
	krb5_free_data_contents(ctx, &ap);
	return code;
}

/*
 * The reply is in the subkey of the request, whatever subkey the AP-REP may
 * bring (RFC 3244 2).
 */
static krb5_error_code use_own_subkey(krb5_context ctx, krb5_auth_context ac)
{
	krb5_keyblock *key = NULL;
	krb5_error_code code = krb5_auth_con_getsendsubkey(ctx, ac, &key);

	if (code == 0)
		code = krb5_auth_con_setrecvsubkey(ctx, ac, key);
	krb5_free_keyblock(ctx, key);
	return code;
}

/* Only what the keys of the old password's ticket seal counts. */
static krb5_error_code open_reply(krb5_context ctx, krb5_auth_context ac,
				  const krb5_data *reply, krb5_data *ret_clear)
{
	krb5_ap_rep_enc_part *ap = NULL;
	struct dsa_kpw_parts parts;
	krb5_replay_data replay = { 0 };
	krb5_data ap_data, priv;
	krb5_error_code code;

	if (dsa_kpw_split((const uint8_t *)reply->data, reply->length,
			  &parts) != 0 ||
	    parts.ap_len == 0)
		return KRB5KRB_AP_ERR_MODIFIED;
	ap_data = (krb5_data){ .length = (unsigned int)parts.ap_len,
			       .data = (char *)(uintptr_t)parts.ap };
	priv = (krb5_data){ .length = (unsigned int)parts.rest_len,
			    .data = (char *)(uintptr_t)parts.rest };
	code = krb5_rd_rep(ctx, ac, &ap_data, &ap);
	krb5_free_ap_rep_enc_part(ctx, ap);
	if (code == 0)
		code = use_own_subkey(ctx, ac);
	if (code == 0)
		code = krb5_rd_priv(ctx, ac, &priv, ret_clear, &replay);
	return code;
}

static krb5_error_code read_reply(krb5_context ctx, krb5_auth_context ac,
				  const krb5_data *reply,
				  struct dsa_kpasswd *ret)
{
	krb5_data clear = { 0 };
	krb5_error_code code = open_reply(ctx, ac, reply, &clear);
	const uint8_t *p = (const uint8_t *)clear.data;

	if (code != 0)
		return code;
	if (dsa_kpw_code(p, clear.length, &ret->code) != 0)
		code = KRB5KRB_AP_ERR_MODIFIED;
	else
		(void)dsa_kpw_words(p, clear.length, ret->words,
				    sizeof(ret->words));
	krb5_free_data_contents(ctx, &clear);
	return code;
}

krb5_error_code dsa_kpasswd(krb5_context ctx, struct dsa_kdc *kdc,
			    krb5_creds *creds, const char *new_password,
			    struct dsa_kpasswd *ret)
{
	krb5_data request = { 0 }, reply = { 0 };
	krb5_auth_context ac = NULL;
	krb5_error_code code;

	kdc->port = KPASSWD_PORT;
	kdc->deadline = ds_now_ms() + ANSWER_MS;
	code = make_request(ctx, &ac, creds, dsa_kdc_address(kdc),
			    new_password, &request);
	if (code == 0)
		code = dsa_kdc_send(kdc, ctx, &request, true, &reply);
	if (code == 0)
		code = read_reply(ctx, ac, &reply, ret);
	krb5_free_data_contents(ctx, &reply);
	krb5_free_data_contents(ctx, &request);
	if (ac != NULL)
		(void)krb5_auth_con_free(ctx, ac);
	return code;
}

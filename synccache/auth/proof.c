/*
 * Reading the host's ticket.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/proof.h"

#include <string.h>

#include "synccache/auth/pac.h"

static bool fail(struct dsa_proof *proof, krb5_error_code code,
		 const char *problem)
{
	proof->code = code;
	proof->problem = problem;
	return false;
}

/*
 * krb5's own proof.  The ticket stands for the initial credentials, so that
 * no KDC is asked; named as the host, because krb5 by itself tries only host/
 * principals; and no key is never a success.
 */
static krb5_error_code verify(krb5_context ctx, krb5_keytab kt,
			      krb5_principal host, const krb5_creds *service)
{
	krb5_creds creds = *service; /* shallow, to be read only */
	krb5_verify_init_creds_opt opt;
	krb5_error_code code = krb5_kt_have_content(ctx, kt);

	if (code != 0)
		return code;
	creds.server = host;
	krb5_verify_init_creds_opt_init(&opt);
	krb5_verify_init_creds_opt_set_ap_req_nofail(&opt, 1);
	return krb5_verify_init_creds(ctx, &creds, host, kt, NULL, &opt);
}

static bool same_key(const krb5_keyblock *a, const krb5_keyblock *b)
{
	unsigned char differs = 0;

	if (a->enctype != b->enctype || a->length != b->length ||
	    a->length == 0)
		return false;
	for (unsigned int i = 0; i < a->length; i++)
		differs |= a->contents[i] ^ b->contents[i];
	return differs == 0;
}

/* The SID of a PAC that the host's key signed for this ticket's client. */
static bool read_pac(krb5_context ctx, const krb5_ticket *ticket,
		     const krb5_keyblock *key, const krb5_authdata *data,
		     struct dsa_proof *proof)
{
	const krb5_enc_tkt_part *in = ticket->enc_part2;
	krb5_data info = { 0 };
	krb5_pac pac = NULL;
	krb5_error_code code;
	bool ok = false;

	code = krb5_pac_parse(ctx, data->contents, data->length, &pac);
	if (code == 0)
		code = krb5_pac_verify(ctx, pac, in->times.authtime,
				       in->client, key, NULL);
	if (code != 0) {
		(void)fail(proof, code, "the PAC in the host's ticket");
		goto out;
	}
	code = krb5_pac_get_buffer(ctx, pac, KRB5_PAC_UPN_DNS_INFO, &info);
	if (code == 0 && dsa_pac_user_sid((uint8_t *)info.data, info.length,
					  &proof->sid) == 0)
		ok = true;
	else
		(void)fail(proof, 0,
			   "the PAC in the host's ticket has no user SID "
			   "(UPN_DNS_INFO)");
out:
	krb5_free_data_contents(ctx, &info);
	krb5_pac_free(ctx, pac);
	return ok;
}

static bool find_pac(krb5_context ctx, krb5_keytab kt,
		     const krb5_ticket *ticket, struct dsa_proof *proof)
{
	krb5_keytab_entry entry;
	krb5_authdata **list = NULL;
	krb5_error_code code;
	bool ok;

	code = krb5_find_authdata(ctx, ticket->enc_part2->authorization_data,
				  NULL, KRB5_AUTHDATA_WIN2K_PAC, &list);
	if (code != 0)
		return fail(proof, code, "the host's ticket");
	if (list == NULL || list[0] == NULL || list[1] != NULL) {
		krb5_free_authdata(ctx, list);
		return fail(proof, 0,
			    "the host's ticket has no PAC; is the computer "
			    "account set to do without "
			    "(NO_AUTH_DATA_REQUIRED)?");
	}
	code =
	    krb5_kt_get_entry(ctx, kt, ticket->server, ticket->enc_part.kvno,
			      ticket->enc_part.enctype, &entry);
	if (code != 0) {
		ok = fail(proof, code, "the host's key");
	} else {
		ok = read_pac(ctx, ticket, &entry.key, list[0], proof);
		(void)krb5_free_keytab_entry_contents(ctx, &entry);
	}
	krb5_free_authdata(ctx, list);
	return ok;
}

/*
 * The ticket opened with the host's key.  That it is the one which krb5 has
 * verified, and none that somebody captured earlier, shows in the session
 * key: the client was told the same.
 */
static bool open_ticket(krb5_context ctx, krb5_keytab kt,
			const krb5_creds *service, krb5_principal host,
			struct dsa_proof *proof)
{
	krb5_ticket *ticket = NULL;
	krb5_error_code code;
	bool ok = false;

	code = krb5_decode_ticket(&service->ticket, &ticket);
	if (code != 0)
		return fail(proof, code, "the host's ticket");
	/* The host's key it has to be, whatever it calls itself. */
	krb5_free_principal(ctx, ticket->server);
	ticket->server = NULL;
	code = krb5_copy_principal(ctx, host, &ticket->server);
	if (code == 0)
		code = krb5_server_decrypt_ticket_keytab(ctx, kt, ticket);
	if (code != 0)
		(void)fail(proof, code, "the host's ticket");
	else if (!same_key(&service->keyblock, ticket->enc_part2->session))
		(void)fail(proof, 0,
			   "the host's ticket belongs to another exchange");
	else if ((code = krb5_copy_principal(ctx, ticket->enc_part2->client,
					     &proof->client)) != 0)
		(void)fail(proof, code, "the host's ticket");
	else
		ok = find_pac(ctx, kt, ticket, proof);
	krb5_free_ticket(ctx, ticket);
	return ok;
}

bool dsa_proof_read(krb5_context ctx, krb5_keytab kt, krb5_principal host,
		    const krb5_creds *service, struct dsa_proof *proof)
{
	krb5_error_code code;

	*proof = (struct dsa_proof){ 0 };
	code = verify(ctx, kt, host, service);
	if (code != 0)
		return fail(proof, code,
			    "the KDC could not be verified with the host's "
			    "keytab");
	return open_ticket(ctx, kt, service, host, proof);
}

void dsa_proof_done(krb5_context ctx, struct dsa_proof *proof)
{
	krb5_free_principal(ctx, proof->client);
	proof->client = NULL;
}

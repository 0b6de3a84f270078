/*
 * Getting the host's TGT.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include <errno.h>
#include <unistd.h>

#include "lib/proto.h"
#include "synccache/auth/as.h"
#include "synccache/auth/ccfile.h"
#include "synccache/auth/tgt.h"

static int to_bytes(const krb5_creds *creds, struct dsa_secret *ret_bytes)
{
	struct dsa_secret bytes = { 0 };
	struct ds_writer w;
	int r = dsa_secret_init(&bytes, DS_CCACHE_MAX, DSA_SECRET_PRIVATE);

	if (r != 0)
		return r;
	ds_writer_init(&w, bytes.p, bytes.cap);
	dsa_ccfile_put(&w, creds, NULL);
	bytes.len = w.len;
	if (w.err != 0)
		dsa_secret_done(&bytes);
	else
		*ret_bytes = bytes;
	return w.err;
}

static bool does_as_armour(const struct dsa_as *plain,
			   const struct dsa_tgt *tgt)
{
	struct dsa_as as = *plain;
	krb5_creds creds = { 0 };
	krb5_error_code code;
	int fd;

	if (dsa_ccfile_open(as.ctx, tgt->ccache.p, tgt->ccache.len, &as.armour,
			    &fd) != 0)
		return false;
	code = dsa_as_exchange(&as, NULL, &creds);
	krb5_free_cred_contents(as.ctx, &creds);
	(void)krb5_cc_close(as.ctx, as.armour);
	(void)close(fd);
	return code == 0;
}

krb5_error_code dsa_tgt_new(krb5_context ctx, struct dsa_kdc *kdc,
			    krb5_keytab kt, krb5_principal host,
			    uint32_t serial, bool probe,
			    struct dsa_tgt *ret_tgt)
{
	struct dsa_as as = {
		.ctx = ctx, .client = host, .kt = kt, .kdc = kdc
	};
	struct dsa_tgt tgt = { .serial = serial };
	krb5_creds creds = { 0 };
	krb5_error_code code = 0, now;

	do
		now = dsa_as_exchange(&as, NULL, &creds);
	while (dsa_kdc_unproven(kdc, now, &code));
	if (code != 0)
		return code;
	dsa_kdc_prove(kdc, true); /* The host's key has opened the answer. */
	tgt.end = creds.times.endtime;
	if (to_bytes(&creds, &tgt.ccache) != 0)
		code = ENOMEM;
	krb5_free_cred_contents(ctx, &creds);
	if (code != 0)
		return code;
	tgt.armour = probe && does_as_armour(&as, &tgt);
	*ret_tgt = tgt;
	return 0;
}

/*
 * The host's own TGT: proof of domain controllers for sync, armour of FAST
 * for logins.  Workers get it; the main process keeps it between them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_TGT_H
#define DSA_TGT_H

#include <krb5.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"
#include "synccache/auth/kdc.h"
#include "synccache/auth/secret.h"

struct dsa_tgt {
	struct dsa_secret ccache; /* a FILE cache; .p NULL: there is none */
	int64_t end;              /* seconds since the epoch */
	uint32_t serial;          /* of the keytab that it came from */
	bool armour;              /* the KDC took it as armour of FAST */
};

/* Whether it came from this keytab and will be good for a while. */
bool dsa_tgt_is_good(const struct dsa_tgt *tgt, uint32_t serial);

/*
 * tgtnew.c: a new one, with the keys of `host` in kt; in a worker, blocks.
 * From a KDC that thereby proves itself: the next one is asked as long as one
 * does not.
 * `probe`: tries whether it does as armour, by getting another one inside it;
 * a domain that answers has FAST, and nobody else can answer.
 */
krb5_error_code dsa_tgt_new(krb5_context ctx, struct dsa_kdc *kdc,
			    krb5_keytab kt, krb5_principal host,
			    uint32_t serial, bool probe,
			    struct dsa_tgt *ret_tgt);
void dsa_tgt_done(struct dsa_tgt *tgt);

/*
 * A TGT on a worker's channel: u64 end, u32 keytab serial, u8 armour, blob
 * ccache (empty: none).  Reading borrows nothing: *ret_tgt owns a copy that
 * later workers inherit.
 */
void dsa_tgt_put(struct ds_writer *w, const struct dsa_tgt *tgt);
#define DSA_TGT_NONE_LEN 17 /* bytes of none */
void dsa_tgt_get(struct ds_reader *r, struct dsa_tgt *ret_tgt);

#endif

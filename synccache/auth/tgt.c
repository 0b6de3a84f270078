/*
 * Keeping and handing on the host's TGT.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/tgt.h"

#include <time.h>

#include "lib/proto.h"

#define SPARE_SECONDS 600 /* one that ends sooner is renewed */

bool dsa_tgt_is_good(const struct dsa_tgt *tgt, uint32_t serial)
{
	return tgt->ccache.p != NULL && tgt->serial == serial &&
	       tgt->end - (int64_t)time(NULL) > SPARE_SECONDS;
}

void dsa_tgt_done(struct dsa_tgt *tgt)
{
	dsa_secret_done(&tgt->ccache);
	*tgt = (struct dsa_tgt){ 0 };
}

void dsa_tgt_put(struct ds_writer *w, const struct dsa_tgt *tgt)
{
	ds_put_u64(w, (uint64_t)tgt->end);
	ds_put_u32(w, tgt->serial);
	ds_put_u8(w, tgt->armour ? 1 : 0);
	ds_put_blob(w, tgt->ccache.p, tgt->ccache.len);
}

void dsa_tgt_get(struct ds_reader *r, struct dsa_tgt *ret_tgt)
{
	struct dsa_tgt tgt = { 0 };
	const uint8_t *p;
	size_t len = 0;

	tgt.end = (int64_t)ds_get_u64(r);
	tgt.serial = ds_get_u32(r);
	tgt.armour = ds_get_u8(r) != 0;
	p = ds_get_blob(r, &len);
	if (r->err == 0 && len > DS_CCACHE_MAX)
		r->err = DS_ERR_LIMIT;
	if (r->err == 0 && len > 0)
		r->err =
		    dsa_secret_copy(&tgt.ccache, p, len, DSA_SECRET_SHARED);
	if (r->err == 0)
		*ret_tgt = tgt;
}

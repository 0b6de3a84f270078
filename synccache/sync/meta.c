/*
 * The records of meta.h: one for the facts, one for the cookie.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/meta.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"

int dss_meta_base_dn(const char *domain, char *buf, size_t cap)
{
	size_t used = 0;

	for (const char *p = domain; *p;) {
		size_t len = strcspn(p, ".");
		int n = snprintf(buf + used, cap - used, "%sDC=%.*s",
				 used ? "," : "", (int)len, p);

		if (n < 0 || (size_t)n >= cap - used)
			return DS_ERR_LIMIT;
		used += (size_t)n;
		p += len + (p[len] == '.');
	}
	return used ? DS_OK : DS_ERR_INVAL;
}

bool dss_meta_serves(const struct dss_meta *meta, const char *domain)
{
	char base_dn[sizeof(meta->base_dn)];

	return meta->complete &&
	       dss_meta_base_dn(domain, base_dn, sizeof(base_dn)) == 0 &&
	       strcasecmp(base_dn, meta->base_dn) == 0;
}

int dss_meta_load(struct dss_txn *txn, struct dss_meta *ret_meta)
{
	struct dss_meta meta;
	const uint8_t *data, *sid;
	size_t len, sid_len = 0;
	struct ds_reader r;
	int err = dss_txn_meta_get(txn, "facts", &data, &len);

	memset(&meta, 0, sizeof(meta));
	if (err == DS_ERR_NOTFOUND) {
		*ret_meta = meta;
		return DS_OK;
	}
	if (err)
		return err;
	ds_reader_init(&r, data, len);
	meta.complete = ds_get_u8(&r) != 0;
	ds_get_str(&r, meta.server, sizeof(meta.server));
	ds_get_str(&r, meta.request, sizeof(meta.request));
	ds_get_str(&r, meta.strategy, sizeof(meta.strategy));
	ds_get_str(&r, meta.base_dn, sizeof(meta.base_dn));
	ds_get_str(&r, meta.netbios, sizeof(meta.netbios));
	sid = ds_get_blob(&r, &sid_len);
	meta.reconciled = ds_get_u64(&r);
	meta.objects = ds_get_u64(&r);
	meta.hash_key[0] = ds_get_u64(&r);
	meta.hash_key[1] = ds_get_u64(&r);
	meta.policy.known = ds_get_u8(&r) != 0;
	meta.policy.max_age = (int64_t)ds_get_u64(&r);
	meta.policy.lockout = (int64_t)ds_get_u64(&r);
	err = ds_reader_end(&r);
	if (err == DS_OK && sid_len > 0)
		err = ds_sid_parse_bin(sid, sid_len, &meta.sid);
	if (err)
		return DS_ERR_FORMAT;
	*ret_meta = meta;
	return DS_OK;
}

int dss_meta_save(struct dss_txn *txn, const struct dss_meta *meta)
{
	uint8_t buf[sizeof(*meta) + 64], sid[DS_SID_BIN_MAX];
	struct ds_writer w;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_put_u8(&w, meta->complete);
	ds_put_str(&w, meta->server);
	ds_put_str(&w, meta->request);
	ds_put_str(&w, meta->strategy);
	ds_put_str(&w, meta->base_dn);
	ds_put_str(&w, meta->netbios);
	ds_put_blob(&w, sid,
		    meta->sid.count ? ds_sid_to_bin(&meta->sid, sid) : 0);
	ds_put_u64(&w, meta->reconciled);
	ds_put_u64(&w, meta->objects);
	ds_put_u64(&w, meta->hash_key[0]);
	ds_put_u64(&w, meta->hash_key[1]);
	ds_put_u8(&w, meta->policy.known);
	ds_put_u64(&w, (uint64_t)meta->policy.max_age);
	ds_put_u64(&w, (uint64_t)meta->policy.lockout);
	return w.err ? w.err : dss_txn_meta_put(txn, "facts", buf, w.len);
}

int dss_meta_cookie(struct dss_txn *txn, struct dss_cookie *ret_cookie)
{
	const uint8_t *data = NULL;
	size_t len = 0;
	int err = dss_txn_meta_get(txn, "cookie", &data, &len);
	uint8_t *copy;

	if (err == DS_ERR_NOTFOUND)
		len = 0;
	else if (err)
		return err;
	copy = malloc(len + 1);
	if (!copy)
		return DS_ERR_NOMEM;
	if (len > 0)
		memcpy(copy, data, len);
	ret_cookie->data = copy;
	ret_cookie->len = len;
	return DS_OK;
}

int dss_meta_set_cookie(struct dss_txn *txn, const struct dss_cookie *cookie)
{
	return dss_txn_meta_put(txn, "cookie", cookie->data, cookie->len);
}

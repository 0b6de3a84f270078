/*
 * The named facts of the store, typed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_META_H
#define DSS_META_H

#include "synccache/sync/limits.h"
#include "synccache/sync/store.h"
#include "synccache/sync/sync.h"

struct dss_meta {
	bool complete;      /* a first load ended well */
	char server[256];   /* where the cookie comes from */
	char request[1024]; /* filter and attributes that it covers */
	char strategy[32];  /* whose cookie it is: a key of pull.h */
	char base_dn[512], netbios[16];
	struct ds_sid sid;
	uint64_t reconciled; /* epoch seconds */
	uint64_t objects;    /* how many the store holds; fewer: damaged */
	uint64_t hash_key[2];
	struct dss_policy policy;
};

/*
 * The naming context of a DNS domain ("DC=example,DC=com"), which the config
 * table has checked to be a host name.  DS_ERR_LIMIT.
 */
DS_MUST_CHECK int dss_meta_base_dn(const char *domain, char *buf, size_t cap);
/*
 * True if the store holds a whole mirror of that domain: what is there of
 * another one is never published.
 */
bool dss_meta_serves(const struct dss_meta *meta, const char *domain);

/* Missing facts are zero; DS_ERR_FORMAT for a damaged record. */
DS_MUST_CHECK int dss_meta_load(struct dss_txn *txn,
				struct dss_meta *ret_meta);
DS_MUST_CHECK int dss_meta_save(struct dss_txn *txn,
				const struct dss_meta *meta);
/* malloc'ed bytes; none is not an error. */
DS_MUST_CHECK int dss_meta_cookie(struct dss_txn *txn,
				  struct dss_cookie *ret_cookie);
DS_MUST_CHECK int dss_meta_set_cookie(struct dss_txn *txn,
				      const struct dss_cookie *cookie);

#endif

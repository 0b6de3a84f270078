/*
 * SID -> uid/gid, frozen algorithms with test vectors.
 *
 * `sid` gives the numbers of SSSD's ldap_id_mapping with default settings:
 * id = min + slice * 200000 + RID, where slice is murmurhash3 (x86, 32 bit,
 * seed 0xdeadbeef) of the domain SID's string modulo the number of slices, and
 * RIDs above a slice go to secondary slices hashed from "SID-firstRID".
 * `rid` gives those of winbind's idmap_rid: min + RID.
 *
 * Pure functions, thread-safe.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_IDMAP_H
#define DS_IDMAP_H

#include "lib/sid.h"

#define DS_IDMAP_SLICE 200000u

/* The murmurhash3 that the slices come from. */
uint32_t ds_murmur3(const void *key, size_t len, uint32_t seed);

/*
 * DS_ERR_FORMAT: not a domain account's SID (S-1-5-21-a-b-c-RID);
 * DS_ERR_RANGE: the id falls outside min..max.
 */
DS_MUST_CHECK int ds_idmap_sid(const struct ds_sid *sid, uint32_t min,
			       uint32_t max, uint32_t *ret_id);
DS_MUST_CHECK int ds_idmap_rid(const struct ds_sid *sid, uint32_t min,
			       uint32_t max, uint32_t *ret_id);

/*
 * The slice that ds_idmap_sid() puts this SID in, to detect two domains that
 * clash: equal slices with different domains must be refused by the caller.
 */
DS_MUST_CHECK int ds_idmap_slice(const struct ds_sid *sid, uint32_t min,
				 uint32_t max, uint32_t *ret_slice);

#endif

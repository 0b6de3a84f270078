/*
 * SID history.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/history.h"

#include "lib/buf.h"

int dss_domains_list(const struct ds_config *config,
		     const struct ds_sid *managed, struct dss_arena *arena,
		     struct dss_domains *ret_domains)
{
	char **list = config->identity.sid_history_domains;
	struct dss_domains domains = { .count = 1 };
	size_t n = 0;

	while (list && list[n])
		n++;
	domains.sid = dss_arena_alloc(arena, n + 1, sizeof(*domains.sid));
	if (!domains.sid)
		return DS_ERR_NOMEM;
	domains.sid[0] = *managed;
	if (config->identity.id_mapping != DS_IDMAP_SIDHISTORY)
		n = 0;
	for (size_t i = 0; i < n; i++) {
		struct ds_sid sid;

		/* Its own SIDs are objectSids, whoever has them as history. */
		if (ds_sid_parse_str(list[i], &sid) == 0 &&
		    !ds_sid_equal(&sid, managed))
			domains.sid[domains.count++] = sid;
	}
	*ret_domains = domains;
	return DS_OK;
}

size_t dss_domains_find(const struct dss_domains *domains,
			const struct ds_sid *account)
{
	struct ds_sid domain;
	uint32_t rid;
	size_t i;

	if (ds_sid_split(account, &domain, &rid) != 0)
		return domains->count;
	for (i = 0; i < domains->count; i++) {
		if (ds_sid_equal(&domain, &domains->sid[i]))
			break;
	}
	return i;
}

int dss_history_sid(const struct dss_domains *domains,
		    const struct dss_object *obj, size_t domain,
		    struct ds_sid *ret_sid)
{
	struct ds_reader r;
	int found = DS_ERR_NOTFOUND;

	ds_reader_init(&r, obj->history, obj->history_len);
	for (uint32_t i = 0; i < obj->nhistory; i++) {
		size_t len = 0;
		const uint8_t *p = ds_get_blob(&r, &len);
		struct ds_sid sid;

		if (!p || ds_sid_parse_bin(p, len, &sid) ||
		    dss_domains_find(domains, &sid) != domain)
			continue;
		if (found == DS_OK && !ds_sid_equal(&sid, ret_sid))
			return DS_ERR_CONFLICT;
		*ret_sid = sid;
		found = DS_OK;
	}
	return found;
}

bool dss_history_first(const struct dss_domains *domains,
		       const struct dss_object *obj, struct ds_sid *ret_sid)
{
	for (size_t i = 1; i < domains->count; i++) {
		if (dss_history_sid(domains, obj, i, ret_sid) !=
		    DS_ERR_NOTFOUND)
			return true;
	}
	return false;
}

/*
 * KDCs that were found good, or not.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/found.h"

#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/auth/auth.h"

void dsa_found_put(struct ds_writer *w, const struct dsa_found *found)
{
	ds_put_str(w, found->kdc);
	ds_put_u8(w, (uint8_t)found->failed_count);
	for (size_t i = 0; i < found->failed_count; i++)
		ds_put_str(w, found->failed[i]);
}

void dsa_found_get(struct ds_reader *r, struct dsa_found *ret_found)
{
	struct dsa_found found = { 0 };

	ds_get_str(r, found.kdc, sizeof(found.kdc));
	found.failed_count = ds_get_u8(r);
	if (r->err == 0 && found.failed_count > DSA_KDCS_MAX)
		r->err = DS_ERR_FORMAT;
	for (size_t i = 0; r->err == 0 && i < found.failed_count; i++)
		ds_get_str(r, found.failed[i], sizeof(found.failed[i]));
	if (r->err == 0)
		*ret_found = found;
}

bool dsa_doubts_has(const struct dsa_doubts *doubts, int64_t now_ms,
		    const char *address)
{
	for (size_t i = 0; i < DSA_KDCS_MAX; i++)
		if (doubts->at[i].until_ms > now_ms &&
		    strcmp(doubts->at[i].address, address) == 0)
			return true;
	return false;
}

void dsa_doubts_drop(struct dsa_doubts *doubts, const char *address)
{
	for (size_t i = 0; i < DSA_KDCS_MAX; i++)
		if (strcmp(doubts->at[i].address, address) == 0)
			memset(&doubts->at[i], 0, sizeof(doubts->at[i]));
}

bool dsa_doubts_add(struct dsa_doubts *doubts, int64_t now_ms,
		    const char *address)
{
	bool had = dsa_doubts_has(doubts, now_ms, address);
	struct dsa_doubt *at = &doubts->at[0];

	dsa_doubts_drop(doubts, address);
	for (size_t i = 1; i < DSA_KDCS_MAX; i++)
		if (doubts->at[i].until_ms < at->until_ms)
			at = &doubts->at[i];
	memset(at, 0, sizeof(*at));
	(void)snprintf(at->address, sizeof(at->address), "%s", address);
	at->until_ms = now_ms + DSA_DOUBT_MS;
	return !had;
}

static void doubt(struct dsa_server *server, const char *address)
{
	if (strcmp(server->kdc, address) == 0)
		server->kdc[0] = '\0';
	if (dsa_doubts_add(&server->doubts, ds_now_ms(), address))
		ds_log(DS_LOG_WARN,
		       "%s answers as a KDC of the domain, but has not proven "
		       "to be one; for %d minutes it is asked after all "
		       "others",
		       address, DSA_DOUBT_MS / 60000);
}

void dsa_found_keep(struct dsa_server *server, const struct dsa_found *found)
{
	int64_t now = ds_now_ms();

	for (size_t i = 0; i < found->failed_count; i++)
		doubt(server, found->failed[i]);
	if (found->kdc[0] != '\0')
		dsa_doubts_drop(&server->doubts, found->kdc);
	if (strcmp(server->kdc, found->kdc) != 0) {
		(void)snprintf(server->kdc, sizeof(server->kdc), "%s",
			       found->kdc);
		server->kdc_until = now + DSA_KDC_KEEP_MS;
	} else if (now >= server->kdc_until) {
		server->kdc[0] = '\0';
	}
}

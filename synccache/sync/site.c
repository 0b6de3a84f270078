/*
 * The site of site.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/site.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/buf.h"
#include "lib/log.h"

/* A record of its own, str domain, str site: it is none of the mirror's. */
#define RECORD     "site"
#define RECORD_MAX 1024

const char *dss_site(const struct dss_sync *s)
{
	return s->config.domain.site[0] ? s->config.domain.site
					: s->status.site;
}

bool dss_site_wanted(const struct dss_sync *s)
{
	return !s->config.domain.site[0] && !s->config.domain.servers[0];
}

/* DS_ERR_NOTFOUND: none for this domain. */
static int load(const struct dss_sync *s, struct dss_txn *txn,
		char site[DS_HOST_MAX + 1])
{
	char domain[DS_HOST_MAX + 1], name[DS_HOST_MAX + 1];
	const uint8_t *data;
	struct ds_reader r;
	size_t len;
	int err = dss_txn_meta_get(txn, RECORD, &data, &len);

	if (err)
		return err;
	ds_reader_init(&r, data, len);
	ds_get_str(&r, domain, sizeof(domain));
	ds_get_str(&r, name, sizeof(name));
	if (ds_reader_end(&r) != 0 ||
	    strcasecmp(domain, s->config.domain.name) != 0 ||
	    (name[0] && !ds_site_usable(name)))
		return DS_ERR_NOTFOUND;
	memcpy(site, name, sizeof(name));
	return DS_OK;
}

void dss_site_start(struct dss_sync *s)
{
	struct dss_txn *txn;

	s->status.site_from =
	    s->config.domain.site[0] ? "configured" : "discovered";
	if (s->config.domain.site[0])
		(void)snprintf(s->status.site, sizeof(s->status.site), "%s",
			       s->config.domain.site);
	if (!dss_site_wanted(s) || !s->store ||
	    dss_txn_begin(s->store, false, &txn) != 0)
		return;
	/* A store that is damaged shows it elsewhere. */
	(void)!load(s, txn, s->status.site);
	dss_txn_abort(txn);
}

void dss_site_learn(struct dss_sync *s, const char *host,
		    const struct dss_netlogon *said)
{
	struct dss_status *st = &s->status;
	char shown[4 * DS_HOST_MAX + 1];
	const char *site;

	st->server_site[0] = 0;
	if (!said)
		return;
	site = said->client_site;
	if (site[0] && !ds_site_usable(site)) {
		ds_log(DS_LOG_WARN,
		       "%s: this host's site \"%s\" is ignored: its name is "
		       "not one for DNS",
		       host, ds_escape(shown, sizeof(shown), site));
		site = "";
	}
	(void)snprintf(st->server_site, sizeof(st->server_site), "%s",
		       said->dc_site);
	if (strcasecmp(st->site, site) == 0)
		return;
	(void)snprintf(st->site, sizeof(st->site), "%s", site);
	if (site[0])
		ds_log(DS_LOG_INFO, "%s: this host is in the site %s", host,
		       site);
	else
		ds_log(DS_LOG_INFO, "%s: this host is in no site", host);
}

bool dss_site_elsewhere(const struct dss_sync *s)
{
	const struct dss_status *st = &s->status;

	return st->site[0] && st->server_site[0] &&
	       strcasecmp(st->site, st->server_site) != 0;
}

int dss_site_save(const struct dss_sync *s, struct dss_txn *txn)
{
	char known[DS_HOST_MAX + 1] = "";
	uint8_t buf[RECORD_MAX];
	struct ds_writer w;
	int err;

	if (!dss_site_wanted(s))
		return DS_OK;
	err = load(s, txn, known);
	if (err && err != DS_ERR_NOTFOUND)
		return err;
	if (strcmp(known, s->status.site) == 0)
		return DS_OK;
	ds_writer_init(&w, buf, sizeof(buf));
	ds_put_str(&w, s->config.domain.name);
	ds_put_str(&w, s->status.site);
	return w.err ? w.err : dss_txn_meta_put(txn, RECORD, buf, w.len);
}

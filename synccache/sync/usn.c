/*
 * The marks of usn.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/usn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/buf.h"

#define MAGIC  "dssync usn 1"
#define RECORD "database"
#define LEN    (sizeof(MAGIC) + 8 + DS_GUID_LEN)

struct answer {
	struct dss_usn usn;
	bool highest, invocation;
	char service[1024]; /* DN of the server's settings */
};

static int on_root(void *arg, const struct dss_entry *entry)
{
	struct answer *a = arg;
	const struct dss_attr *usn =
	    dss_entry_find(entry, "highestCommittedUSN");
	const struct dss_attr *dn = dss_entry_find(entry, "dsServiceName");
	const char *text;
	int64_t n;

	if (usn && usn->count == 1 &&
	    dss_value_int(&usn->values[0], &n) == DS_OK && n >= 0) {
		a->usn.highest = (uint64_t)n;
		a->highest = true;
	}
	if (dn && dn->count == 1 &&
	    dss_value_text(&dn->values[0], sizeof(a->service) - 1, &text) ==
		DS_OK)
		(void)snprintf(a->service, sizeof(a->service), "%s", text);
	return DS_OK;
}

static int on_service(void *arg, const struct dss_entry *entry)
{
	struct answer *a = arg;
	const struct dss_attr *id = dss_entry_find(entry, "invocationId");

	if (!id || id->count != 1 || id->values[0].len != DS_GUID_LEN)
		return DS_OK;
	memcpy(a->usn.invocation.b, id->values[0].data, DS_GUID_LEN);
	a->invocation = true;
	return DS_OK;
}

int dss_usn_read(struct dss_conn *conn, int64_t silence_ms,
		 struct dss_usn *ret_usn)
{
	static const char *const root[] = { "highestCommittedUSN",
					    "dsServiceName", NULL };
	static const char *const service[] = { "invocationId", NULL };
	struct answer a = { .highest = false };
	struct dss_search search = {
		.base = "",
		.scope = DSS_SCOPE_BASE,
		.filter = "(objectClass=*)",
		.attrs = root,
		.entry = on_root,
		.arg = &a,
		.silence_ms = silence_ms,
	};
	int err = dss_conn_search(conn, &search, false);

	if (err == DS_OK && (!a.highest || !a.service[0]))
		err = DS_ERR_NOTFOUND;
	if (err)
		return err;
	search.base = a.service;
	search.attrs = service;
	search.entry = on_service;
	err = dss_conn_search(conn, &search, false);
	if (err == DS_OK && !a.invocation)
		err = DS_ERR_NOTFOUND;
	if (err == DS_OK)
		*ret_usn = a.usn;
	return err;
}

bool dss_usn_follows(const struct dss_usn *then, const struct dss_usn *now)
{
	return ds_guid_equal(&then->invocation, &now->invocation) &&
	       then->highest <= now->highest;
}

static int encode(const struct dss_usn *usn, uint8_t buf[LEN])
{
	struct ds_writer w;

	ds_writer_init(&w, buf, LEN);
	ds_put_bytes(&w, MAGIC, sizeof(MAGIC));
	ds_put_u64(&w, usn->highest);
	ds_put_bytes(&w, usn->invocation.b, DS_GUID_LEN);
	return w.err;
}

static bool decode(const uint8_t *data, size_t len, struct dss_usn *ret_usn)
{
	struct ds_reader r;

	if (len != LEN || memcmp(data, MAGIC, sizeof(MAGIC)) != 0)
		return false;
	ds_reader_init(&r, data + sizeof(MAGIC), len - sizeof(MAGIC));
	ret_usn->highest = ds_get_u64(&r);
	memcpy(ret_usn->invocation.b, data + sizeof(MAGIC) + 8, DS_GUID_LEN);
	return true;
}

int dss_usn_to_cookie(const struct dss_usn *usn, struct dss_cookie *cookie)
{
	uint8_t *data = malloc(LEN);

	if (!data)
		return DS_ERR_NOMEM;
	free(cookie->data);
	cookie->data = data;
	cookie->len = LEN;
	return encode(usn, data);
}

bool dss_usn_from_cookie(const struct dss_cookie *cookie,
			 struct dss_usn *ret_usn)
{
	return decode(cookie->data, cookie->len, ret_usn);
}

bool dss_usn_load(struct dss_txn *txn, struct dss_usn *ret_usn)
{
	const uint8_t *data;
	size_t len;

	return dss_txn_meta_get(txn, RECORD, &data, &len) == DS_OK &&
	       decode(data, len, ret_usn);
}

int dss_usn_save(struct dss_txn *txn, const struct dss_usn *usn)
{
	uint8_t buf[LEN];
	int err = usn ? encode(usn, buf) : DS_OK;

	return err ? err : dss_txn_meta_put(txn, RECORD, buf, usn ? LEN : 0);
}

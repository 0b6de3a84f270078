/*
 * The record of pins.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/pins.h"

#include <string.h>

#include "lib/buf.h"

#define RECORD       "ids"
#define PINS_VERSION 1
#define TEXT_MAX     4096
#define MAX_PINS     100000u

/* All that an id depends on besides the SID, as one text. */
static const char *settings_text(const struct ds_config *config,
				 struct dss_arena *arena)
{
	bool history = config->identity.id_mapping == DS_IDMAP_SIDHISTORY;
	const char *text = dss_arena_printf(
	    arena, "%d %u-%u", config->identity.id_mapping,
	    config->identity.id_range.min, config->identity.id_range.max);

	for (char **domain = config->identity.sid_history_domains;
	     text && history && *domain; domain++)
		text = dss_arena_printf(arena, "%s %s", text, *domain);
	return text;
}

static const char *get_text(struct ds_reader *r, struct dss_arena *arena)
{
	size_t len = 0;
	const uint8_t *p = ds_get_blob(r, &len);

	return p && len < TEXT_MAX
		   ? dss_arena_strndup(arena, (const char *)p, len)
		   : NULL;
}

static void put_text(struct ds_writer *w, const char *text)
{
	ds_put_blob(w, text, strlen(text));
}

static int decode(struct ds_reader *r, const struct ds_sid *domain,
		  struct dss_arena *arena, struct dss_pins *ret_pins)
{
	struct dss_pins pins = { .known = true };
	char sid[DS_SID_STR_MAX];
	const char *whose;

	if (ds_get_u8(r) != PINS_VERSION)
		return DS_ERR_FORMAT;
	whose = get_text(r, arena);
	pins.settings = get_text(r, arena);
	pins.nslices = ds_get_u32(r);
	if (!whose || !pins.settings || pins.nslices > MAX_PINS ||
	    strcmp(whose, ds_sid_to_str(domain, sid)) != 0)
		return DS_ERR_FORMAT;
	pins.slices =
	    dss_arena_alloc(arena, pins.nslices, sizeof(*pins.slices));
	if (!pins.slices)
		return DS_ERR_NOMEM;
	for (uint32_t i = 0; i < pins.nslices; i++) {
		pins.slices[i].slice = ds_get_u32(r);
		pins.slices[i].name = get_text(r, arena);
		if (!pins.slices[i].name)
			return DS_ERR_FORMAT;
	}
	if (ds_reader_end(r) != 0)
		return DS_ERR_FORMAT;
	*ret_pins = pins;
	return DS_OK;
}

int dss_pins_decode(const uint8_t *data, size_t len,
		    const struct ds_sid *domain, struct dss_arena *arena,
		    struct dss_pins *ret_pins)
{
	struct dss_pins pins = { .known = false };
	struct ds_reader r;
	int err;

	ds_reader_init(&r, data, len);
	err = decode(&r, domain, arena, &pins);
	if (err && err != DS_ERR_FORMAT)
		return err;
	*ret_pins = pins;
	return DS_OK;
}

int dss_pins_load(struct dss_txn *txn, const struct ds_sid *domain,
		  struct dss_arena *arena, struct dss_pins *ret_pins)
{
	const uint8_t *data;
	size_t len;
	int err = dss_txn_meta_get(txn, RECORD, &data, &len);

	if (err == DS_OK)
		return dss_pins_decode(data, len, domain, arena, ret_pins);
	if (err == DS_ERR_NOTFOUND)
		*ret_pins = (struct dss_pins){ .known = false };
	return err == DS_ERR_NOTFOUND ? DS_OK : err;
}

int dss_pins_recover(const struct ds_snap *snap, const struct ds_sid *domain,
		     struct dss_arena *arena, struct dss_pins *ret_pins)
{
	const uint8_t *data;
	size_t len;

	if (ds_snap_record(snap, &data, &len) == DS_OK)
		return dss_pins_decode(data, len, domain, arena, ret_pins);
	*ret_pins = (struct dss_pins){ .known = false };
	return DS_OK;
}

bool dss_pins_agree(const struct dss_pins *pins,
		    const struct ds_config *config, struct dss_arena *arena)
{
	const char *text = settings_text(config, arena);

	return !pins->known || (text && strcmp(text, pins->settings) == 0);
}

int dss_pins_encode(const struct dss_model *model,
		    const struct dss_facts *facts, struct dss_arena *arena,
		    const uint8_t **ret_data, size_t *ret_len)
{
	const char *settings = settings_text(facts->config, arena);
	size_t cap = 64 + DS_SID_STR_MAX + (settings ? strlen(settings) : 0) +
		     model->nslices * (8 + DS_SID_STR_MAX);
	uint8_t *data = dss_arena_alloc(arena, cap, 1);
	char sid[DS_SID_STR_MAX];
	struct ds_writer w;

	if (!settings || !data)
		return DS_ERR_NOMEM;
	ds_writer_init(&w, data, cap);
	ds_put_u8(&w, PINS_VERSION);
	put_text(&w, ds_sid_to_str(&facts->domain_sid, sid));
	put_text(&w, settings);
	ds_put_u32(&w, (uint32_t)model->nslices);
	for (size_t i = 0; i < model->nslices; i++) {
		ds_put_u32(&w, model->slices[i].slice);
		put_text(&w, model->slices[i].name);
	}
	if (w.err)
		return w.err;
	*ret_data = data;
	*ret_len = w.len;
	return DS_OK;
}

int dss_pins_publish(const struct dss_model *model,
		     const struct dss_facts *facts, struct ds_snapw *w)
{
	struct dss_arena arena = { 0 };
	const uint8_t *data;
	size_t len;
	int err = dss_pins_encode(model, facts, &arena, &data, &len);

	if (err == DS_OK)
		err = ds_snapw_record(w, data, (uint32_t)len);
	dss_arena_done(&arena);
	return err;
}

int dss_pins_save(struct dss_store *store, const uint8_t *data, size_t len)
{
	const uint8_t *have;
	struct dss_txn *txn;
	size_t have_len;
	int err = dss_txn_begin(store, true, &txn);

	if (err)
		return err;
	if (dss_txn_meta_get(txn, RECORD, &have, &have_len) == DS_OK &&
	    have_len == len && memcmp(have, data, len) == 0) {
		dss_txn_abort(txn);
		return DS_OK;
	}
	err = dss_txn_meta_put(txn, RECORD, data, len);
	if (err) {
		dss_txn_abort(txn);
		return err;
	}
	return dss_txn_commit(txn);
}

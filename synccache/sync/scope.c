/*
 * The rules of scope.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/scope.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "synccache/sync/guidmap.h"
#include "synccache/sync/model.h"

bool dss_scope_limits(const struct ds_config *config)
{
	return config->sync.bases[0] || config->sync.groups[0] ||
	       config->sync.origin != DS_ORIGIN_ALL;
}

int dss_scope_init(struct dss_scope_set *scope, const struct ds_config *config,
		   const struct ds_sid *domain_sid, const char *netbios)
{
	size_t bases = 0, groups = 0;

	while (config->sync.bases[bases])
		bases++;
	while (config->sync.groups[groups])
		groups++;
	*scope = (struct dss_scope_set){
		.config = config,
		.domain_sid = domain_sid,
		.netbios = netbios,
		.parts = calloc(bases + groups + 1, sizeof(*scope->parts)),
		.nparts = bases + groups,
	};
	if (!scope->parts)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < bases; i++)
		scope->parts[i].name = config->sync.bases[i];
	for (size_t i = 0; i < groups; i++) {
		scope->parts[bases + i].name = config->sync.groups[i];
		scope->parts[bases + i].group = true;
	}
	return DS_OK;
}

void dss_scope_done(struct dss_scope_set *scope)
{
	free(scope->parts);
	scope->parts = NULL;
}

/* ---- places ---- */

/* Where the blanks before `end` begin, if they only stand behind a comma:
 * people put them there (RFC 2253 section 4), the directory does not. */
static const char *skip_blanks(const char *base, const char *end)
{
	const char *p = end;

	while (p > base && p[-1] == ' ')
		p--;
	return p > base && p[-1] == ',' && !(p - 1 > base && p[-2] == '\\')
		   ? p
		   : end;
}

bool dss_scope_below(const char *dn, const char *base)
{
	const char *d = dn + strlen(dn), *b = base + strlen(base);

	while ((b = skip_blanks(base, b)) > base) {
		if (d == dn)
			return false;
		/* Most are the same, which costs no call. */
		if (*--d != *--b && strncasecmp(d, b, 1) != 0)
			return false;
	}
	return d == dn || d[-1] == ',';
}

static bool place_fits(struct dss_scope_set *scope,
		       const struct dss_object *obj)
{
	bool any = false, below = false;

	for (size_t i = 0; i < scope->nparts; i++) {
		struct dss_scope_part *part = &scope->parts[i];

		if (part->group)
			break;
		any = true;
		if (!dss_scope_below(obj->dn, part->name))
			continue;
		below = true;
		part->found = part->there = true;
	}
	return below || !any;
}

static bool origin_fits(const struct ds_config *config,
			const struct dss_object *obj)
{
	bool onprem = obj->nhistory > 0;

	switch (config->sync.origin) {
	case DS_ORIGIN_CLOUD:
		return !onprem;
	case DS_ORIGIN_ONPREM:
		return onprem;
	default:
		return true;
	}
}

bool dss_scope_same(const struct ds_config *config, const struct dss_object *a,
		    const struct dss_object *b)
{
	const uint32_t primary = DSS_F_PRIMARY;

	if (a->kind != b->kind || strcmp(a->dn, b->dn) != 0 ||
	    (a->nhistory > 0) != (b->nhistory > 0))
		return false;
	if (!config->sync.groups[0])
		return true;
	/* A group has members and a name; a user has a primary group. */
	return a->kind == DSS_KIND_USER &&
	       (a->present & primary) == (b->present & primary) &&
	       a->primary_rid == b->primary_rid;
}

/* ---- groups ---- */

struct walk {
	struct dss_scope_set *scope;
	const struct dss_object *objs;
	size_t count;
	struct dss_guidmap by_guid; /* to indices of objs */
	bool *member;               /* of any of the groups */
	uint32_t *queue;            /* groups to look into */
	size_t queued, done;
	uint32_t *rids; /* of the groups, for primaryGroupID */
	size_t nrids;
};

/* The bare sAMAccountName that the item means; NULL: another domain's. */
static const char *sam_of(const struct dss_scope_set *scope, const char *name,
			  size_t *ret_len)
{
	const char *slash = strchr(name, '\\'), *at = strrchr(name, '@');

	*ret_len = strlen(name);
	if (slash) {
		size_t len = (size_t)(slash - name);

		if (len != strlen(scope->netbios) ||
		    strncasecmp(name, scope->netbios, len) != 0)
			return NULL;
		*ret_len -= len + 1;
		return slash + 1;
	}
	if (at) {
		if (strcasecmp(at + 1, scope->config->domain.name) != 0)
			return NULL;
		*ret_len = (size_t)(at - name);
	}
	return name;
}

/* A blank may be spelled as it is published. */
static bool same_name(const struct dss_scope_set *scope, const char *sam,
		      const char *name, size_t len)
{
	char blank = scope->config->identity.space_replacement[0];

	if (strlen(sam) != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (strncasecmp(&sam[i], &name[i], 1) != 0 &&
		    !(blank && sam[i] == ' ' && name[i] == blank))
			return false;
	}
	return true;
}

static const struct dss_object *look_up(const struct walk *w, const char *item)
{
	const struct dss_object *found = NULL;
	struct ds_sid sid;
	bool by_sid = ds_sid_parse_str(item, &sid) == DS_OK;
	size_t len = 0;
	const char *name = by_sid ? item : sam_of(w->scope, item, &len);

	for (size_t i = 0; name && i < w->count; i++) {
		const struct dss_object *obj = &w->objs[i];

		if (obj->kind != DSS_KIND_GROUP ||
		    (obj->flags & DSS_OBJ_HELD) ||
		    !(by_sid ? ds_sid_equal(&obj->sid, &sid)
			     : same_name(w->scope, obj->sam, name, len)))
			continue;
		if (!found || dss_model_order(obj, found) < 0)
			found = obj;
	}
	return found;
}

/* The group that the item means; false: there is none. */
static bool resolve(struct walk *w, struct dss_scope_part *part,
		    uint32_t *ret_index)
{
	const struct dss_object *now;

	if (part->pinned &&
	    dss_guidmap_find(&w->by_guid, &part->guid, ret_index))
		return true;
	now = look_up(w, part->name);
	if (part->pinned && !w->scope->repin) {
		part->taken = now != NULL;
		return false;
	}
	part->pinned = now != NULL;
	if (!now)
		return false;
	part->guid = now->guid;
	*ret_index = (uint32_t)(now - w->objs);
	return true;
}

static void enter(struct walk *w, uint32_t index)
{
	struct ds_sid domain;
	uint32_t rid;

	if (w->member[index])
		return;
	w->member[index] = true;
	if (w->objs[index].kind != DSS_KIND_GROUP)
		return;
	w->queue[w->queued++] = index;
	if (ds_sid_split(&w->objs[index].sid, &domain, &rid) == DS_OK &&
	    ds_sid_equal(&domain, w->scope->domain_sid))
		w->rids[w->nrids++] = rid;
}

static void enter_nested(struct walk *w)
{
	for (; w->done < w->queued; w->done++) {
		const struct dss_object *group = &w->objs[w->queue[w->done]];

		for (size_t k = 0; k < group->nmembers; k++) {
			uint32_t index;

			if (dss_guidmap_find(&w->by_guid, &group->members[k],
					     &index))
				enter(w, index);
		}
	}
}

static int rid_order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void enter_primary(struct walk *w)
{
	if (w->nrids == 0)
		return;
	qsort(w->rids, w->nrids, sizeof(*w->rids), rid_order);
	for (size_t i = 0; i < w->count; i++) {
		const struct dss_object *obj = &w->objs[i];

		if (obj->kind == DSS_KIND_USER &&
		    (obj->present & DSS_F_PRIMARY) &&
		    bsearch(&obj->primary_rid, w->rids, w->nrids,
			    sizeof(*w->rids), rid_order))
			enter(w, (uint32_t)i);
	}
}

/* A user or group in it: what a group without anybody is not. */
static bool has_members(const struct walk *w, const struct dss_object *group)
{
	struct ds_sid sid;

	for (size_t k = 0; k < group->nmembers; k++) {
		uint32_t index;

		if (dss_guidmap_find(&w->by_guid, &group->members[k], &index))
			return true;
	}
	for (size_t i = 0; i < w->count; i++) {
		const struct dss_object *obj = &w->objs[i];

		if (obj->kind == DSS_KIND_USER &&
		    (obj->present & DSS_F_PRIMARY) &&
		    ds_sid_join(w->scope->domain_sid, obj->primary_rid,
				&sid) == DS_OK &&
		    ds_sid_equal(&sid, &group->sid))
			return true;
	}
	return false;
}

static int number(struct walk *w)
{
	bool fresh;

	for (size_t i = 0; i < w->count; i++) {
		const struct dss_object *obj = &w->objs[i];

		if (obj->kind != DSS_KIND_USER && obj->kind != DSS_KIND_GROUP)
			continue;
		if (dss_guidmap_add(&w->by_guid, &obj->guid, (uint32_t)i,
				    &fresh))
			return DS_ERR_NOMEM;
	}
	return DS_OK;
}

static int walk_groups(struct walk *w)
{
	int err;

	w->queue = calloc(w->count + 1, sizeof(*w->queue));
	w->rids = calloc(w->count + 1, sizeof(*w->rids));
	err = w->queue && w->rids ? number(w) : DS_ERR_NOMEM;
	if (err)
		return err;
	for (size_t i = 0; i < w->scope->nparts; i++) {
		struct dss_scope_part *part = &w->scope->parts[i];
		uint32_t index;

		if (!part->group || !resolve(w, part, &index))
			continue;
		part->found = true;
		part->there = has_members(w, &w->objs[index]);
		enter(w, index);
	}
	enter_nested(w);
	enter_primary(w);
	return DS_OK;
}

int dss_scope_find(struct dss_scope_set *scope, const struct dss_object *objs,
		   size_t count, bool *ret_in)
{
	struct walk w = { .scope = scope, .objs = objs, .count = count };
	bool by_group = scope->config->sync.groups[0] != NULL;
	int err = DS_ERR_NOMEM;

	w.member = calloc(count + 1, sizeof(*w.member));
	if (w.member)
		err = by_group ? walk_groups(&w) : DS_OK;
	for (size_t i = 0; i < count && err == DS_OK; i++) {
		/* The place is asked first: it notes which bases there are. */
		ret_in[i] = place_fits(scope, &objs[i]) &&
			    origin_fits(scope->config, &objs[i]) &&
			    (!by_group || w.member[i]);
	}
	free(w.member);
	free(w.queue);
	free(w.rids);
	dss_guidmap_done(&w.by_guid);
	return err;
}

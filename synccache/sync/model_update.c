/*
 * A change of a few objects, without building the model anew.
 *
 * Names, ids and who is published depend on the whole.  So a change is taken
 * over only where it cannot touch them, or where they are nobody else's
 * business (model_who.c).  What may differ is listed below, and anything else,
 * also what is added to objects later, asks for a build.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/model_update.h"

#include <stdlib.h>
#include <string.h>

#include "synccache/sync/fields.h"

/*
 * Fields that decide nothing, by their bits in `present`.  A value that breaks
 * its format is always said of its object.
 */
#define TEXTS                                                                 \
	(DSS_F_DISPLAY | DSS_F_NICKNAME | DSS_F_OBJECT_ID | DSS_F_LEGACY_ID | \
	 DSS_F_MAIL | DSS_F_MEMBER | DSS_F_MANAGER | DSS_F_SHOWN)
#define TIMES (DSS_F_LOCKOUT | DSS_F_HOURS | DSS_F_EXPIRES | DSS_F_PWD_SET)
#define NAMES (DSS_F_SAM | DSS_F_UPN)

/* ---- what may change ---- */

static uint32_t mix(uint32_t old, uint32_t now, uint32_t free_bits)
{
	return (now & ~free_bits) | (old & free_bits);
}

/* What only the base tells of an object, but for its DN. */
static void copy_texts(struct dss_object *obj, const struct dss_object *from)
{
	obj->present = mix(from->present, obj->present, TEXTS);
	obj->display = from->display;
	obj->nickname = from->nickname;
	obj->object_id = from->object_id;
	obj->legacy_id = from->legacy_id;
	obj->mail = from->mail;
	obj->manager = from->manager;
	obj->manager_dn = from->manager_dn;
	obj->shown = from->shown;
	obj->shown_len = from->shown_len;
	obj->members = from->members;
	obj->nmembers = from->nmembers;
}

/* What only the accounts tell. */
static void copy_times(struct dss_object *obj, const struct dss_object *from)
{
	obj->present = mix(from->present, obj->present, TIMES);
	obj->expires = from->expires;
	obj->pwd_last_set = from->pwd_last_set;
	obj->lockout_time = from->lockout_time;
	memcpy(obj->hours, from->hours, sizeof(obj->hours));
}

static void copy_names(struct dss_object *obj, const struct dss_object *from)
{
	obj->present = mix(from->present, obj->present, NAMES);
	obj->sam = from->sam;
	obj->upn = from->upn;
}

/* Whether two objects would be stored as the same; DS_ERR_NOMEM. */
static int same(struct dss_update *u, const struct dss_object *a,
		const struct dss_object *b, bool *ret_same)
{
	const uint8_t *p, *q;
	size_t len, other;

	dss_arena_reset(&u->scratch);
	if (dss_object_encode(a, &u->scratch, &p, &len) != 0 ||
	    dss_object_encode(b, &u->scratch, &q, &other) != 0)
		return DS_ERR_NOMEM;
	*ret_same = len == other && memcmp(p, q, len) == 0;
	return DS_OK;
}

int dss_update_within(struct dss_update *u, const struct dss_change *change,
		      bool names)
{
	const struct dss_object *old = change->obj, *now = change->now;
	struct dss_object obj = *now;
	bool equal = false;
	int err;

	copy_texts(&obj, old);
	copy_times(&obj, old);
	if (names)
		copy_names(&obj, old);
	obj.uac = mix(old->uac, now->uac, ~DSS_UAC_KINDS);
	/* Without a sAMAccountName a note may name it by its DN; without a DN
	 * it is none of the directory's. */
	if (old->sam[0] && old->dn[0] && now->dn[0])
		obj.dn = old->dn;
	err = same(u, old, &obj, &equal);
	if (err)
		return err;
	return equal ? DS_OK : DS_ERR_CONFLICT;
}

static int check(struct dss_update *u)
{
	int err = DS_OK;

	for (size_t i = 0; i < u->nchanges && err == DS_OK; i++) {
		err = dss_update_within(u, &u->changes[i], false);
		if (err == DS_ERR_CONFLICT)
			err = dss_who_add(u, &u->changes[i]);
	}
	return err ? err : dss_who_check(u);
}

/* ---- the object itself ---- */

/* Which of the two files tells of the difference. */
static int note_changed(struct dss_update *u, const struct dss_change *change)
{
	struct dss_object base = *change->obj, account = *change->obj;
	bool same_base = false, same_account = false;
	int err;

	copy_times(&base, change->now);
	copy_texts(&account, change->now);
	account.dn = change->now->dn;
	err = same(u, &base, change->now, &same_base);
	if (err == DS_OK)
		err = same(u, &account, change->now, &same_account);
	u->model->base_changed |= !same_base;
	u->model->accounts_changed |= !same_account;
	return err;
}

static int take_over(struct dss_update *u, const struct dss_change *change)
{
	struct dss_model *model = u->model;
	const struct dss_links *links = model->links;
	struct dss_model_user *user;
	uint32_t number, flags;
	int err;

	/* Of others there is nothing to be seen. */
	if (!dss_guidmap_find(&links->by_guid, &change->obj->guid, &number)) {
		*change->obj = *change->now;
		return DS_OK;
	}
	err = note_changed(u, change);
	*change->obj = *change->now;
	flags = dss_identity_flags(u->facts, change->obj);
	if (!DSS_IS_USER(number)) {
		number = links->group_of[DSS_NUMBER(number)];
		if (number != DSS_NO_NODE)
			model->groups[number].flags = flags;
		return err;
	}
	user = &model->users[DSS_NUMBER(number)];
	model->accounts_changed |= user->flags != flags;
	user->flags = flags;
	user->gecos =
	    dss_gecos(&model->arena, change->obj->display, user->name);
	return user->gecos ? err : DS_ERR_NOMEM;
}

static int take_over_all(struct dss_update *u)
{
	int err = DS_OK;

	for (size_t i = 0; i < u->nchanges && err == DS_OK; i++)
		err = take_over(u, &u->changes[i]);
	return err;
}

int dss_model_update(struct dss_model *model, const struct dss_facts *facts,
		     const struct dss_object *objs, size_t nobjs,
		     const struct dss_change *changes, size_t count)
{
	struct dss_update u = { .model = model,
				.facts = facts,
				.objs = objs,
				.nobjs = nobjs,
				.changes = changes,
				.nchanges = count };
	int err = check(&u);

	if (err == DS_OK)
		err = dss_who_apply(&u);
	if (err == DS_OK)
		err = dss_relink_find(&u);
	if (err == DS_OK)
		err = take_over_all(&u);
	if (err == DS_OK)
		err = dss_relink(&u);
	for (size_t i = 0; i < u.nwho; i++)
		dss_model_done(&u.who[i].alone);
	free(u.added);
	free(u.removed);
	free(u.touched);
	free(u.deltas);
	dss_arena_done(&u.scratch);
	return err;
}

/*
 * Filling the snapshot builder from the model.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/snapshots.h"

#include <stdbool.h>
#include <stdlib.h>

#include "lib/log.h"

#define LEFT_OUT UINT32_MAX

/* True if the object alone is at fault: it is left out, and the log says so.
 */
static bool leave_out(const char *name, int err)
{
	if (err != DS_ERR_CONFLICT && err != DS_ERR_LIMIT)
		return false;
	ds_log(DS_LOG_WARN, "\"%s\" is left out: %s", name, ds_strerror(err));
	return true;
}

static void fill_identity(const struct dss_object *obj, uint32_t flags,
			  const char *folded_upn, struct ds_snap_identity *id)
{
	id->guid = obj->guid;
	id->sid = obj->sid;
	id->upn = folded_upn ? folded_upn : "";
	id->sam = obj->sam;
	id->display_name = obj->display;
	id->nickname = obj->nickname;
	id->object_id = obj->object_id[0] ? obj->object_id : obj->legacy_id;
	id->dn = obj->dn;
	id->flags = flags;
}

static int add_users(struct ds_snapw *w, const struct dss_model *model,
		     uint32_t *index)
{
	for (size_t i = 0; i < model->nusers; i++) {
		const struct dss_model_user *u = &model->users[i];
		struct ds_snapw_user user = {
			.name = u->name,
			.gecos = u->gecos,
			.home = u->home,
			.shell = u->shell,
			.uid = u->uid,
			.gid = u->gid,
			.gids = u->gids,
			.ngids = u->ngids,
			.key_upn = u->key_upn,
			.key_sam = u->key_sam,
			.not_bare = u->not_bare,
		};
		int err;

		fill_identity(u->obj, u->flags, u->key_upn, &user.id);
		err = ds_snapw_user(w, &user, &index[i]);
		if (err && !leave_out(u->name, err))
			return err;
		if (err)
			index[i] = LEFT_OUT;
	}
	return DS_OK;
}

static int add_groups(struct ds_snapw *w, const struct dss_model *model,
		      const uint32_t *index)
{
	uint32_t *members = calloc(model->nusers + 1, sizeof(*members));
	int err = members ? DS_OK : DS_ERR_NOMEM;

	for (size_t i = 0; i < model->ngroups && err == DS_OK; i++) {
		const struct dss_model_group *g = &model->groups[i];
		struct ds_snapw_group group = {
			.name = g->name,
			.gid = g->gid,
			.members = members,
			.key_sam = g->key_sam,
		};

		for (uint32_t k = 0; k < g->nmembers; k++) {
			if (index[g->members[k]] != LEFT_OUT)
				members[group.nmembers++] =
				    index[g->members[k]];
		}
		fill_identity(g->obj, g->flags, NULL, &group.id);
		err = ds_snapw_group(w, &group);
		if (err && leave_out(g->name, err))
			err = DS_OK;
	}
	free(members);
	return err;
}

int dss_snapshot_base(const struct dss_model *model, const char *netbios,
		      const uint64_t hash_key[2], struct ds_snapw **ret_w)
{
	struct ds_snapw *w = ds_snapw_new(DS_SNAP_BASE, netbios, hash_key);
	uint32_t *index = calloc(model->nusers + 1, sizeof(*index));
	int err = w && index ? DS_OK : DS_ERR_NOMEM;

	if (err == DS_OK)
		err = add_users(w, model, index);
	if (err == DS_OK)
		err = add_groups(w, model, index);
	for (size_t i = 0; i < model->nnotes && err == DS_OK; i++) {
		err = ds_snapw_note(w, &model->notes[i]);
		if (err && leave_out(model->notes[i].name, err))
			err = DS_OK;
	}
	free(index);
	if (err)
		ds_snapw_free(w);
	else
		*ret_w = w;
	return err;
}

int dss_snapshot_accounts(const struct dss_model *model, const char *netbios,
			  const uint64_t hash_key[2], struct ds_snapw **ret_w)
{
	struct ds_snapw *w = ds_snapw_new(DS_SNAP_ACCOUNTS, netbios, hash_key);
	int err = w ? DS_OK : DS_ERR_NOMEM;

	for (size_t i = 0; i < model->nusers && err == DS_OK; i++) {
		const struct dss_model_user *u = &model->users[i];
		const struct ds_snap_account account = {
			.guid = u->obj->guid,
			.sid = u->obj->sid,
			.upn = u->key_upn ? u->key_upn : "",
			.sam = u->obj->sam,
			.name = u->name,
			.uid = u->uid,
			.uac = u->obj->uac,
			.account_expires = u->obj->expires,
			.pwd_last_set = u->obj->pwd_last_set,
			.flags = u->flags,
		};

		err = ds_snapw_account(w, &account);
		if (err && leave_out(u->name, err))
			err = DS_OK;
	}
	if (err)
		ds_snapw_free(w);
	else
		*ret_w = w;
	return err;
}

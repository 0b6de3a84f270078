/*
 * Filling the snapshot builder from the model.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/snapshots.h"

#include <stdbool.h>
#include <stdlib.h>

#include "lib/buf.h"
#include "lib/log.h"
#include "synccache/sync/shown.h"

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

/* What an object's descriptive attributes need. */
struct cold {
	struct ds_snapw *w;
	const struct dss_model *model;
};

static int add_text(const struct cold *cold, const char *name,
		    const char *value)
{
	return value[0] ? ds_snapw_attr(cold->w, name, value) : DS_OK;
}

static int add_number(const struct cold *cold, const char *name, int64_t n)
{
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;
	char text[24], *p = text + sizeof(text) - 1;

	/* By hand: there is one for each object, and printf(3) is slow. */
	for (*p = 0; left > 0 || !*p; left /= 10)
		*--p = (char)('0' + left % 10);
	if (n < 0)
		*--p = '-';
	return ds_snapw_attr(cold->w, name, p);
}

/* By the name that it has here; by its DN where it has none. */
static int add_manager(const struct cold *cold, const struct dss_object *obj)
{
	const struct dss_model_user *manager;

	if (!(obj->present & DSS_F_MANAGER))
		return DS_OK;
	manager = dss_model_find_user(cold->model, &obj->manager);
	if (manager)
		return add_text(cold, "manager", manager->name);
	return add_text(cold, "manager", obj->manager_dn);
}

static int add_history(const struct cold *cold, const struct dss_object *obj)
{
	struct ds_reader r;
	int err = DS_OK;

	ds_reader_init(&r, obj->history, obj->history_len);
	for (uint32_t i = 0; i < obj->nhistory && err == DS_OK; i++) {
		char text[DS_SID_STR_MAX];
		struct ds_sid sid;
		size_t len = 0;
		const uint8_t *bin = ds_get_blob(&r, &len);

		if (bin && ds_sid_parse_bin(bin, len, &sid) == DS_OK)
			err = add_text(cold, "sIDHistory",
				       ds_sid_to_str(&sid, text));
	}
	return err;
}

/* The identity has sAMAccountName, displayName and the nickname. */
static int add_attributes(const struct cold *cold,
			  const struct dss_object *obj)
{
	const char *name, *value;
	size_t pos = 0;
	int err = add_text(cold, "userPrincipalName", obj->upn);

	while (err == DS_OK && dss_shown_next(obj, &pos, &name, &value))
		err = add_text(cold, name, value);
	if (err == DS_OK)
		err = add_text(cold, "mail", obj->mail);
	if (err == DS_OK)
		err = add_manager(cold, obj);
	if (err == DS_OK)
		err = add_text(cold, "msDS-aadObjectId", obj->object_id);
	if (err == DS_OK)
		err = add_text(cold, "msDS-AzureADObjectId", obj->legacy_id);
	if (err == DS_OK && (obj->present & DSS_F_UAC))
		err = add_number(cold, "userAccountControl", obj->uac);
	if (err == DS_OK && (obj->present & DSS_F_GROUP_TYPE))
		err = add_number(cold, "groupType", (int32_t)obj->group_type);
	if (err == DS_OK && (obj->present & DSS_F_UID_NUMBER))
		err = add_number(cold, "uidNumber", obj->uid_number);
	if (err == DS_OK && (obj->present & DSS_F_GID_NUMBER))
		err = add_number(cold, "gidNumber", obj->gid_number);
	return err ? err : add_history(cold, obj);
}

static int add_users(const struct cold *cold, uint32_t *index)
{
	const struct dss_model *model = cold->model;

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

		if (i + DSS_AHEAD < model->nusers)
			dss_object_ahead(u[DSS_AHEAD].obj);
		fill_identity(u->obj, u->flags, u->key_upn, &user.id);
		err = ds_snapw_user(cold->w, &user, &index[i]);
		if (err && !leave_out(u->name, err))
			return err;
		if (err)
			index[i] = LEFT_OUT;
		else if ((err = add_attributes(cold, u->obj)) != DS_OK)
			return err;
	}
	return DS_OK;
}

static int add_groups(const struct cold *cold, const uint32_t *index)
{
	const struct dss_model *model = cold->model;
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
		err = ds_snapw_group(cold->w, &group);
		if (err == DS_OK)
			err = add_attributes(cold, g->obj);
		else if (leave_out(g->name, err))
			err = DS_OK;
	}
	free(members);
	return err;
}

static struct ds_snapw_size size_of(const struct dss_model *model)
{
	struct ds_snapw_size size = { .users = model->nusers,
				      .groups = model->ngroups };

	for (size_t i = 0; i < model->nusers; i++)
		size.lists += model->users[i].ngids;
	for (size_t i = 0; i < model->ngroups; i++)
		size.lists += model->groups[i].nmembers;
	return size;
}

int dss_snapshot_base(const struct dss_model *model, const char *netbios,
		      const uint64_t hash_key[2], int fd,
		      struct ds_snapw **ret_w)
{
	const struct ds_snapw_size size = size_of(model);
	struct ds_snapw *w = ds_snapw_new(DS_SNAP_BASE, netbios, hash_key);
	uint32_t *index = calloc(model->nusers + 1, sizeof(*index));
	struct cold cold = { .w = w, .model = model };
	int err = w && index ? DS_OK : DS_ERR_NOMEM;

	if (err == DS_OK)
		err = ds_snapw_begin(w, fd, &size);
	if (err == DS_OK)
		err = add_users(&cold, index);
	if (err == DS_OK)
		err = add_groups(&cold, index);
	for (size_t i = 0; i < model->nreserved && err == DS_OK; i++) {
		err = ds_snapw_reserve(w, DS_NS_UPN, model->reserved[i]);
		if (err == DS_ERR_CONFLICT)
			err = DS_OK;
	}
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

int dss_snapshot_accounts(const struct dss_model *model,
			  const struct dss_policy *policy, const char *netbios,
			  const uint64_t hash_key[2], int fd,
			  struct ds_snapw **ret_w)
{
	const struct ds_snapw_size size = { .users = model->nusers };
	struct ds_snapw *w = ds_snapw_new(DS_SNAP_ACCOUNTS, netbios, hash_key);
	int err = w ? ds_snapw_begin(w, fd, &size) : DS_ERR_NOMEM;

	for (size_t i = 0; i < model->nusers && err == DS_OK; i++) {
		const struct dss_model_user *u = &model->users[i];
		struct ds_snap_account account = {
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

		if (i + DSS_AHEAD < model->nusers)
			dss_object_ahead(u[DSS_AHEAD].obj);
		account.has_limits =
		    dss_limits(u->obj, policy, &account.limits);
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

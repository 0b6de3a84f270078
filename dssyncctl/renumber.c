/*
 * What `dssyncctl sync --renumber` changed: the ids of each object before and
 * after, so that somebody can give the files to their owners again.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "dssyncctl/ctl.h"

/* Walks over the ids of one kind: {GUID: id}. */
static json_t *ids_of(const struct ds_snap *snap, bool groups)
{
	uint32_t n =
	    groups ? ds_snap_group_count(snap) : ds_snap_user_count(snap);
	json_t *ids = json_object();
	char guid[DS_GUID_STR_MAX];

	for (uint32_t i = 0; i < n; i++) {
		struct ds_snap_identity id;
		struct ds_snap_group group;
		struct ds_snap_user user;
		int r = groups ? ds_snap_group_at(snap, i, &group)
			       : ds_snap_user_at(snap, i, &user);

		if (r || (groups ? ds_snap_group_identity(snap, i, &id)
				 : ds_snap_user_identity(snap, i, &id)))
			continue;
		json_object_set_new(
		    ids, ds_guid_to_str(&id.guid, guid),
		    json_pack("{s:o, s:I}", "name",
			      ctl_text(groups ? group.blob : user.blob), "id",
			      (json_int_t)(groups ? group.gid : user.uid)));
	}
	return ids;
}

static void print_changes(json_t *before, json_t *after, const char *kind)
{
	const char *guid;
	json_t *old, *new;

	json_object_foreach(before, guid, old)
	{
		json_int_t from = ctl_number(old, "id"), to;

		new = json_object_get(after, guid);
		to = ctl_number(new, "id");
		if (!new)
			ctl_row(kind, "%s: %jd, now withheld or gone",
				ctl_string(old, "name"), (intmax_t)from);
		else if (from != to)
			ctl_row(kind, "%s: %jd -> %jd",
				ctl_string(new, "name"), (intmax_t)from,
				(intmax_t)to);
	}
}

static void compare(const struct ds_snap *old, const struct ds_snap *new,
		    bool groups)
{
	json_t *before = ids_of(old, groups), *after = ids_of(new, groups);

	print_changes(before, after, groups ? "group" : "user");
	json_decref(before);
	json_decref(after);
}

int ctl_renumber(const struct ctl_args *args)
{
	struct ctl_args waiting = *args;
	struct ds_snap old, new;
	int status;

	waiting.wait = true;
	if (ctl_open_snapshot(&old))
		return CTL_UNAVAIL;
	status = ctl_sync(&waiting);
	if (status == CTL_OK && !args->json && !ctl_open_snapshot(&new)) {
		compare(&old, &new, false);
		compare(&old, &new, true);
		ds_snap_close(&new);
	}
	ds_snap_close(&old);
	return status;
}

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

/* Adds what differs; an object that is new has no files. */
static void compare_ids(json_t *before, json_t *after, const char *kind,
			json_t *changes)
{
	const char *guid;
	json_t *old, *new;

	json_object_foreach(before, guid, old)
	{
		new = json_object_get(after, guid);
		if (new &&ctl_number(old, "id") == ctl_number(new, "id"))
			continue;
		json_array_append_new(
		    changes,
		    json_pack("{s:s, s:O, s:O, s:O?, s:s}", "kind", kind,
			      "name", json_object_get(new ? new : old, "name"),
			      "old", json_object_get(old, "id"), "new",
			      json_object_get(new, "id"), "objectGUID", guid));
	}
}

static void compare(const struct ds_snap *old, const struct ds_snap *new,
		    json_t *changes)
{
	for (int groups = 0; groups < 2; groups++) {
		json_t *before = ids_of(old, groups);
		json_t *after = ids_of(new, groups);

		compare_ids(before, after, groups ? "group" : "user", changes);
		json_decref(before);
		json_decref(after);
	}
}

static void print_changes(const json_t *changes)
{
	const json_t *change;
	size_t i;

	json_array_foreach(changes, i, change)
	{
		const char *kind = ctl_string(change, "kind");
		const char *name = ctl_string(change, "name");
		intmax_t old = (intmax_t)ctl_number(change, "old");

		if (json_is_null(json_object_get(change, "new")))
			ctl_row(kind, "%s: %jd, now withheld or gone", name,
				old);
		else
			ctl_row(kind, "%s: %jd -> %jd", name, old,
				(intmax_t)ctl_number(change, "new"));
	}
}

int ctl_renumber(const struct ctl_args *args)
{
	json_t *changes = json_array(), *result = NULL;
	struct ds_snap old, new;
	int status = CTL_UNAVAIL;

	if (ctl_open_snapshot(&old))
		goto out;
	status = ctl_sync_wait(args->pull_flags, &result);
	if (status == CTL_OK && !ctl_open_snapshot(&new)) {
		compare(&old, &new, changes);
		ds_snap_close(&new);
		json_object_set(result, "changes", changes);
	}
	ds_snap_close(&old);
	status = ctl_sync_say(args, status, result);
	if (status == CTL_OK && !args->json)
		print_changes(changes);
out:
	json_decref(changes);
	return status;
}

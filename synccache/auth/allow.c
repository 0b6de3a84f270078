/*
 * The allow lists and their pins.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/allow.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/resolve.h"

#define LINE_LEN_MAX 512 /* of the file, with its NUL */

struct entry {
	const char *name; /* as configured */
	bool group;
	bool by_sid, pinned;
	struct ds_sid sid;
	struct ds_guid guid;
	struct ds_guid other; /* that the name means now, and was warned of */
};

struct dsa_allow {
	struct entry *entry;
	size_t count;
	char *path;
	bool broken;         /* the file is no good: names let nobody in */
	uint64_t generation; /* of the snapshot looked at last */
};

static const char *word(const struct entry *e)
{
	return e->group ? "group" : "user";
}

static void log_entry(const struct entry *e, enum ds_level level,
		      const char *what)
{
	char guid[DS_GUID_STR_MAX];

	ds_log(level, "login.allow_%ss: \"%s\" %s %s", word(e), e->name, what,
	       ds_guid_to_str(&e->guid, guid));
}

/* ---- the file ---- */

/* "group GUID NAME"; a name that is not configured any more is let go. */
static bool take_line(struct dsa_allow *allow, const char *line)
{
	char kind[8], text[DS_GUID_STR_MAX];
	struct ds_guid guid;
	int used = 0;

	if (sscanf(line, "%7s %36s %n", kind, text, &used) != 2 || used == 0 ||
	    ds_guid_parse_str(text, &guid) != 0 || line[used] == '\0')
		return false;
	for (size_t i = 0; i < allow->count; i++) {
		struct entry *e = &allow->entry[i];

		if (e->by_sid || strcmp(kind, word(e)) != 0 ||
		    strcasecmp(line + used, e->name) != 0)
			continue;
		e->guid = e->other = guid;
		e->pinned = true;
	}
	return true;
}

static bool read_lines(struct dsa_allow *allow, FILE *file)
{
	char line[LINE_LEN_MAX];

	while (fgets(line, sizeof(line), file) != NULL) {
		char *end = strchr(line, '\n');

		if (end == NULL)
			return false;
		*end = '\0';
		if (!take_line(allow, line))
			return false;
	}
	return ferror(file) == 0;
}

static void load(struct dsa_allow *allow)
{
	FILE *file = fopen(allow->path, "re");

	if (file == NULL && errno == ENOENT)
		return;
	allow->broken = file == NULL || !read_lines(allow, file);
	if (allow->broken)
		ds_log(DS_LOG_ERR,
		       "%s: %s; no name in allow_users or allow_groups lets "
		       "anyone in until it is repaired or removed",
		       allow->path,
		       file == NULL ? strerror(errno)
				    : "not lines of \"group GUID NAME\"");
	if (file != NULL)
		(void)fclose(file);
}

static bool write_lines(const struct dsa_allow *allow, FILE *file)
{
	for (size_t i = 0; i < allow->count; i++) {
		const struct entry *e = &allow->entry[i];
		char guid[DS_GUID_STR_MAX];

		if (e->pinned &&
		    fprintf(file, "%s %s %s\n", word(e),
			    ds_guid_to_str(&e->guid, guid), e->name) < 0)
			return false;
	}
	return fflush(file) == 0 && fsync(fileno(file)) == 0;
}

static void save(const struct dsa_allow *allow)
{
	char path[4096];
	FILE *file;
	bool ok;

	(void)snprintf(path, sizeof(path), "%s.new", allow->path);
	file = fopen(path, "we");
	ok = file != NULL && fchmod(fileno(file), 0600) == 0 &&
	     write_lines(allow, file);
	if (file != NULL && fclose(file) != 0)
		ok = false;
	if (!ok || rename(path, allow->path) != 0)
		ds_log(DS_LOG_ERR,
		       "%s: %s; until it can be written, every start trusts "
		       "the names in allow_users and allow_groups anew",
		       allow->path, strerror(errno));
}

/* ---- the entries ---- */

static size_t list_length(ds_strv list)
{
	size_t n = 0;

	while (list[n] != NULL)
		n++;
	return n;
}

static void add(struct dsa_allow *allow, ds_strv names, bool group)
{
	for (; *names != NULL; names++) {
		struct entry *e = &allow->entry[allow->count++];

		e->name = *names;
		e->group = group;
		e->by_sid = ds_sid_parse_str(*names, &e->sid) == 0;
	}
}

struct dsa_allow *dsa_allow_new(const struct ds_config *config,
				const char *path)
{
	ds_strv users = config->login.allow_users;
	ds_strv groups = config->login.allow_groups;
	struct dsa_allow *allow = calloc(1, sizeof(*allow));

	if (allow == NULL)
		return NULL;
	allow->path = strdup(path);
	allow->entry = calloc(list_length(users) + list_length(groups) + 1,
			      sizeof(*allow->entry));
	if (allow->path == NULL || allow->entry == NULL) {
		dsa_allow_free(allow);
		return NULL;
	}
	add(allow, users, false);
	add(allow, groups, true);
	load(allow);
	return allow;
}

void dsa_allow_free(struct dsa_allow *allow)
{
	if (allow == NULL)
		return;
	free(allow->path);
	free(allow->entry);
	free(allow);
}

static int meant(const struct ds_snap *base, const struct entry *e,
		 struct ds_guid *ret_guid)
{
	struct ds_snap_identity id;
	struct ds_snap_group group;
	struct ds_snap_user user;
	int r = e->group ? ds_resolve_group(base, e->name, &group)
			 : ds_resolve_user(base, e->name, &user);

	if (r == 0)
		r = e->group ? ds_snap_group_identity(base, group.index, &id)
			     : ds_snap_user_identity(base, user.index, &id);
	if (r == 0)
		*ret_guid = id.guid;
	return r;
}

/* Whether it was pinned now. */
static bool refresh(struct entry *e, const struct ds_snap *base)
{
	struct ds_guid guid;

	if (e->by_sid || meant(base, e, &guid) != 0)
		return false;
	if (!e->pinned) {
		e->guid = e->other = guid;
		e->pinned = true;
		log_entry(e, DS_LOG_NOTICE, "means, from now on, the object");
		return true;
	}
	if (!ds_guid_equal(&guid, &e->guid) &&
	    !ds_guid_equal(&guid, &e->other))
		log_entry(e, DS_LOG_WARN,
			  "is the name of another object now, which it does "
			  "not let in; it means the object");
	e->other = guid;
	return false;
}

void dsa_allow_refresh(struct dsa_allow *allow, const struct ds_snap *base)
{
	bool changed = false;

	if (base->base == NULL || allow->broken ||
	    allow->generation == base->stamp.generation)
		return;
	allow->generation = base->stamp.generation;
	for (size_t i = 0; i < allow->count; i++)
		if (refresh(&allow->entry[i], base))
			changed = true;
	if (changed)
		save(allow);
}

/* ---- the question ---- */

static bool is_object(const struct dsa_allow *allow, const struct entry *e,
		      const struct ds_snap_identity *id)
{
	if (e->by_sid)
		return ds_sid_equal(&e->sid, &id->sid);
	return e->pinned && !allow->broken &&
	       ds_guid_equal(&e->guid, &id->guid);
}

static bool listed(const struct dsa_allow *allow, bool group,
		   const struct ds_snap_identity *id)
{
	for (size_t i = 0; i < allow->count; i++)
		if (allow->entry[i].group == group &&
		    is_object(allow, &allow->entry[i], id))
			return true;
	return false;
}

static bool group_listed(const struct dsa_allow *allow,
			 const struct ds_snap *base, uint32_t gid)
{
	struct ds_snap_identity id;
	struct ds_snap_group group;

	return ds_snap_group_by_gid(base, gid, &group) == 0 &&
	       ds_snap_group_identity(base, group.index, &id) == 0 &&
	       listed(allow, true, &id);
}

bool dsa_allow_has(const struct dsa_allow *allow, const struct ds_snap *base,
		   const struct ds_snap_user *user)
{
	struct ds_snap_identity id;

	if (allow->count == 0)
		return true;
	if (ds_snap_user_identity(base, user->index, &id) == 0 &&
	    listed(allow, false, &id))
		return true;
	if (group_listed(allow, base, user->gid))
		return true;
	for (uint32_t i = 0; i < user->ngids; i++)
		if (group_listed(allow, base, user->gids[i]))
			return true;
	return false;
}

/*
 * dssyncctl doctor: the users of the snapshot, and what this host has for
 * them: shells, home folders, and uids that nobody else may act as.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dssyncctl/doctor.h"

/* ---- shells ---------------------------------------------------------------
 */

static bool shell_is_listed(const char *text, const char *shell)
{
	char word[512];
	const char *p;
	bool found = false;
	char *line;

	while ((line = doc_line(&text, false)) != NULL) {
		p = line;
		found |= doc_word(&p, word, sizeof(word)) &&
			 strcmp(word, shell) == 0;
		free(line);
	}
	return found;
}

static bool is_known(const json_t *seen, const char *shell)
{
	return json_object_get(seen, shell) != NULL;
}

/* True, and said, if this stands in for what the configuration wants. */
static bool falls_back(struct doc *d, const char *text, const char *shell)
{
	const char *wanted = d->config ? d->config->identity.shell : shell;

	if (strcmp(shell, wanted) == 0 || shell_is_listed(text, wanted))
		return false;
	doc_say(d, DOC_WARNING,
		"install it and list it in /etc/shells, or set another "
		"[identity] shell",
		"the configured shell %s is not in /etc/shells: users have %s",
		wanted, shell);
	return true;
}

void doc_check_shells(struct doc *d, const char *text)
{
	json_t *seen = json_object();
	struct ds_snap_user user;
	const char *shell;
	bool well = true;
	uint32_t i;

	for (i = 0; d->snap && i < ds_snap_user_count(d->snap); i++) {
		if (ds_snap_user_at(d->snap, i, &user))
			continue;
		shell = user.blob + user.shell;
		if (is_known(seen, shell) ||
		    json_object_set_new(seen, shell, json_true()))
			continue;
		if (falls_back(d, text, shell))
			well = false;
		if (shell_is_listed(text, shell) && access(shell, X_OK) == 0)
			continue;
		well = false;
		doc_say(d, DOC_WARNING,
			"install it and list it in /etc/shells, or set "
			"another [identity] shell",
			"the shell %s (of '%s' for one) is not usable here: "
			"not in /etc/shells, or not there",
			shell, user.blob);
	}
	if (well && d->snap)
		doc_say(d, DOC_OK, "", "every user's shell is in /etc/shells");
	json_decref(seen);
}

static int by_home(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Two users of one home folder: "%U" without what tells suffixes apart. */
void doc_check_homes(struct doc *d)
{
	const char **homes;
	struct ds_snap_user user;
	uint32_t i, n = 0;

	if (!d->snap || ds_snap_user_count(d->snap) == 0)
		return;
	homes = calloc(ds_snap_user_count(d->snap), sizeof(*homes));
	for (i = 0; homes && i < ds_snap_user_count(d->snap); i++)
		if (ds_snap_user_at(d->snap, i, &user) == 0)
			homes[n++] = user.blob + user.home;
	if (!homes)
		return;
	qsort(homes, n, sizeof(*homes), by_home);
	for (i = 1; i < n && strcmp(homes[i - 1], homes[i]) != 0; i++)
		;
	if (i < n)
		doc_say(d, DOC_PROBLEM,
			"let [identity] home have %u or %i: %U is the same "
			"for one name in two suffixes, and %d and %D for "
			"everybody",
			"two users share the home folder %s", homes[i]);
	else
		doc_say(d, DOC_OK, "",
			"every user has a home folder of his "
			"own");
	free(homes);
}

/* ---- subordinate ids ------------------------------------------------------
 */

/* The first user whose uid, or group whose gid, is in a range. */
static bool find_in_range(const struct ds_snap *snap, bool groups,
			  uint64_t first, uint64_t end, const char **ret_name)
{
	uint32_t count =
	    groups ? ds_snap_group_count(snap) : ds_snap_user_count(snap);
	struct ds_snap_group group;
	struct ds_snap_user user;

	for (uint32_t i = 0; i < count; i++) {
		if (groups && ds_snap_group_at(snap, i, &group) == 0 &&
		    group.gid >= first && group.gid < end) {
			*ret_name = group.blob;
			return true;
		}
		if (!groups && ds_snap_user_at(snap, i, &user) == 0 &&
		    user.uid >= first && user.uid < end) {
			*ret_name = user.blob;
			return true;
		}
	}
	return false;
}

/* A line of subuid(5) or subgid(5): OWNER:FIRST:COUNT. */
static bool read_range(char *line, uint64_t *ret_first, uint64_t *ret_end)
{
	char *first = strchr(line, ':');
	char *count = first ? strchr(first + 1, ':') : NULL;

	if (!count)
		return false;
	*first = '\0';
	*ret_first = strtoul(first + 1, NULL, 10);
	*ret_end = *ret_first + strtoul(count + 1, NULL, 10);
	return true;
}

/*
 * Inside a user namespace the owner of a range acts as every id of it, and
 * useradd(8) hands out ranges without asking whether somebody has the ids.
 */
static void check_subids(struct doc *d, const char *path, bool groups,
			 const char *text)
{
	uint64_t first, end;
	const char *name;
	bool well = true;
	char *line;

	while (d->snap && (line = doc_line(&text, false)) != NULL) {
		if (read_range(line, &first, &end) &&
		    find_in_range(d->snap, groups, first, end, &name)) {
			well = false;
			doc_say(d, DOC_PROBLEM,
				"give the local user another range, below "
				"id_range, and lower SUB_UID_MAX and "
				"SUB_GID_MAX in /etc/login.defs",
				"%s: the local user %s may act as '%s' (for "
				"one) in a user namespace",
				path, line, name);
		}
		free(line);
	}
	if (well && d->snap)
		doc_say(d, DOC_OK, "", "%s gives away no id of the domain",
			path);
}

void doc_check_subuid(struct doc *d, const char *text)
{
	check_subids(d, "/etc/subuid", false, text);
}

void doc_check_subgid(struct doc *d, const char *text)
{
	check_subids(d, "/etc/subgid", true, text);
}

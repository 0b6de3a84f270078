/*
 * dssyncctl doctor: lines and words of configuration files; nsswitch.conf, and
 * the age of the snapshot.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stdlib.h>
#include <string.h>

#include "dssyncctl/doctor.h"

#define BLANKS " \t\r"

/* ---- lines and words ------------------------------------------------------
 */

bool doc_word(const char **line, char *word, size_t cap)
{
	const char *p = *line + strspn(*line, BLANKS);
	bool quoted = false;
	size_t n = 0;

	if (*p == '\0')
		return false;
	for (; *p && (quoted || !strchr(BLANKS, *p)); p++) {
		if (*p == '"')
			quoted = !quoted;
		else if (n + 1 < cap)
			word[n++] = *p;
	}
	word[n] = '\0';
	*line = p;
	return true;
}

char *doc_line(const char **text, bool join)
{
	const char *p = *text;
	char *line, *out;
	size_t len;

	if (*p == '\0')
		return NULL;
	line = out = malloc(strlen(p) + 1);
	if (!line)
		return NULL;
	for (;;) {
		len = strcspn(p, "\n");
		memcpy(out, p, len);
		p += len + (p[len] == '\n');
		out += len;
		if (!join || len == 0 || out[-1] != '\\' || *p == '\0')
			break;
		out[-1] = ' ';
	}
	*out = '\0';
	*text = p;
	line[strcspn(line, "#")] = '\0';
	return line;
}

/* ---- names ----------------------------------------------------------------
 */

bool doc_spellings_differ(const struct doc *d)
{
	return !d->snap || !(d->snap->stamp.policy & DS_SNAP_CANONICAL);
}

bool doc_names_domain_user(const struct doc *d, const char *pattern)
{
	const uint32_t bare = DS_SNAP_SHORT_NAMES | DS_SNAP_BARE_USERS;

	if (strpbrk(pattern, "@\\"))
		return true;
	return d->snap && (d->snap->stamp.policy & bare) &&
	       strcmp(pattern, "root") != 0;
}

/* ---- nsswitch.conf --------------------------------------------------------
 */

/* What stands after "passwd:" in the last such line; false: there is none. */
static bool find_database(const char *text, const char *database, char *buf,
			  size_t cap)
{
	size_t len = strlen(database);
	bool found = false;
	const char *p;
	char *line;

	while ((line = doc_line(&text, false)) != NULL) {
		p = line + strspn(line, BLANKS);
		if (strncmp(p, database, len) == 0) {
			p += len + strspn(p + len, BLANKS);
			if (*p == ':') {
				snprintf(buf, cap, "%s", p + 1);
				found = true;
			}
		}
		free(line);
	}
	return found;
}

static void check_database(struct doc *d, const char *text,
			   const char *database)
{
	char services[512], word[64], advice[128];
	bool files = false, dssync = false, early = false, stops = false;
	const char *p = services;

	snprintf(advice, sizeof(advice),
		 "write '%s: files dssync' (and what else you have) in "
		 "/etc/nsswitch.conf",
		 database);
	if (!find_database(text, database, services, sizeof(services)))
		services[0] = '\0';
	while (doc_word(&p, word, sizeof(word))) {
		if (strcmp(word, "files") == 0 || strcmp(word, "compat") == 0)
			files = true;
		else if (strcmp(word, "dssync") == 0)
			early = !files, dssync = true;
		else if (!dssync && strcasestr(word, "notfound=return"))
			stops = true;
	}
	if (!dssync)
		doc_say(d, DOC_PROBLEM, advice,
			"nsswitch.conf: '%s' does not ask dssync: users of "
			"the domain are nobody here",
			database);
	else if (early)
		doc_say(d, DOC_PROBLEM, advice,
			"nsswitch.conf: '%s' asks dssync before files: local "
			"accounts come first",
			database);
	else if (stops)
		doc_say(d, DOC_PROBLEM, advice,
			"nsswitch.conf: '%s' ends with [NOTFOUND=return] "
			"before it asks dssync",
			database);
	else
		doc_say(d, DOC_OK, "", "nsswitch.conf: %s", database);
}

void doc_check_nsswitch(struct doc *d, const char *text)
{
	check_database(d, text, "passwd");
	check_database(d, text, "group");
}

/* ---- the snapshot ---------------------------------------------------------
 */

/* Without changes nothing is published: its age alone is no fault. */
void doc_check_snapshot(struct doc *d, int64_t now)
{
	char when[64];

	if (!d->snap) {
		doc_say(d, DOC_PROBLEM,
			"'dssyncctl status' as root says what hinders the "
			"first synchronization",
			"there is no snapshot: users of the domain are "
			"nobody here");
		return;
	}
	if ((int64_t)d->snap->stamp.published > now + 300)
		doc_say(d, DOC_WARNING, "check this host's clock",
			"the snapshot was published in the future");
	doc_say(
	    d, DOC_OK, "",
	    "snapshot %ju, published %s: %u users, %u "
	    "groups",
	    (uintmax_t)d->snap->stamp.generation,
	    ctl_when((int64_t)d->snap->stamp.published, when, sizeof(when)),
	    ds_snap_user_count(d->snap), ds_snap_group_count(d->snap));
}

/*
 * dssyncctl doctor: sshd_config.  What sshd reads as user@host, and rules by
 * the typed name, which another spelling escapes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dssyncctl/doctor.h"

#define DEPTH_MAX 4

struct sshd {
	struct doc *d;
	const char *folder; /* of relative Includes */
	bool in_match;
	bool pam_set, pam; /* UsePAM, the first one counts */
	bool complained;
};

static void read_config(struct sshd *s, const char *path, int depth);

/*
 * sshd splits a pattern at the last '@' (sshd_config(5)); a host is an
 * address, or a name of which we know that nobody's UPN ends with it.
 */
static bool host_part_is_suffix(const struct doc *d, const char *pattern)
{
	const char *at = strrchr(pattern, '@');
	struct ds_snap_user user;
	const char *suffix;
	uint32_t i;

	if (!at || !d->snap)
		return at != NULL && strpbrk(at, "0123456789*?/:") == NULL;
	if (strcmp(at, "@*") == 0)
		return true;
	for (i = 0; i < ds_snap_user_count(d->snap); i++) {
		if (ds_snap_user_at(d->snap, i, &user))
			continue;
		suffix = strrchr(user.blob, '@');
		if (suffix && strcasecmp(suffix, at) == 0)
			return true;
	}
	return strcasecmp(at + 1, d->snap->stamp.domain) == 0;
}

static void check_pattern(struct sshd *s, const char *keyword,
			  const char *pattern)
{
	bool deny = strcasecmp(keyword, "DenyUsers") == 0;
	const char *at = strrchr(pattern, '@');
	char advice[512];

	if (strchr(pattern, '\\')) {
		s->complained = true;
		doc_say(s->d, DOC_PROBLEM,
			"write the name that 'getent passwd' prints, with '?' "
			"for the '@'",
			"sshd_config: %s %s matches nobody: sshd compares it "
			"with the canonical name",
			keyword, pattern);
		return;
	}
	if (!host_part_is_suffix(s->d, pattern))
		return;
	s->complained = true;
	snprintf(advice, sizeof(advice), "write %s %.*s?%s", keyword,
		 (int)(at - pattern), pattern,
		 strcmp(at, "@*") == 0 ? "DOMAIN" : at + 1);
	doc_say(s->d, DOC_PROBLEM, advice,
		"sshd_config: %s %s means a user '%.*s' from a host '%s': %s",
		keyword, pattern, (int)(at - pattern), pattern, at + 1,
		deny ? "it keeps nobody out" : "it lets nobody in");
}

/* Match User a,b Host c: pairs of a criterion and its patterns. */
static void check_match(struct sshd *s, const char *rest)
{
	char word[64], patterns[1024], *pattern, *save = NULL;

	s->in_match = true;
	while (doc_word(&rest, word, sizeof(word))) {
		if (strcasecmp(word, "all") == 0 ||
		    strcasecmp(word, "canonical") == 0 ||
		    strcasecmp(word, "final") == 0)
			continue;
		if (!doc_word(&rest, patterns, sizeof(patterns)) ||
		    strcasecmp(word, "user") != 0 ||
		    !doc_spellings_differ(s->d))
			continue;
		for (pattern = strtok_r(patterns, ",", &save); pattern;
		     pattern = strtok_r(NULL, ",", &save)) {
			if (!doc_names_domain_user(s->d, pattern) &&
			    (!strpbrk(pattern, "*?") ||
			     strcmp(pattern, "*") == 0))
				continue;
			s->complained = true;
			doc_say(s->d, DOC_WARNING,
				"use 'Match Group', or set [identity] "
				"spellings = canonical",
				"sshd_config: 'Match User %s' looks at the "
				"name as typed: another spelling escapes it",
				pattern);
		}
	}
}

static void include(struct sshd *s, const char *rest, int depth)
{
	char pattern[1024], path[2048];
	glob_t found;
	size_t i;

	while (doc_word(&rest, pattern, sizeof(pattern))) {
		snprintf(path, sizeof(path), "%s%s",
			 pattern[0] == '/' ? "" : s->folder, pattern);
		if (glob(path, 0, NULL, &found) != 0)
			continue;
		for (i = 0; i < found.gl_pathc; i++)
			read_config(s, found.gl_pathv[i], depth + 1);
		globfree(&found);
	}
}

static void take(struct sshd *s, char *line, int depth)
{
	char keyword[64], word[512];
	const char *rest = line;
	char *p;

	/* "Keyword=value" and "Keyword = value" are allowed. */
	p = line + strspn(line, " \t");
	p += strcspn(p, " \t=");
	p += strspn(p, " \t");
	if (*p == '=')
		*p = ' ';
	if (!doc_word(&rest, keyword, sizeof(keyword)))
		return;
	if (strcasecmp(keyword, "Match") == 0) {
		check_match(s, rest);
	} else if (strcasecmp(keyword, "Include") == 0) {
		include(s, rest, depth);
	} else if (strcasecmp(keyword, "UsePAM") == 0) {
		if (!s->pam_set && !s->in_match &&
		    doc_word(&rest, word, sizeof(word))) {
			s->pam_set = true;
			s->pam = strcasecmp(word, "yes") == 0;
		}
	} else if (strcasecmp(keyword, "AllowUsers") == 0 ||
		   strcasecmp(keyword, "DenyUsers") == 0) {
		while (doc_word(&rest, word, sizeof(word)))
			check_pattern(s, keyword, word);
	}
}

static void read_config(struct sshd *s, const char *path, int depth)
{
	char *text = depth > DEPTH_MAX ? NULL : s->d->load(path);
	const char *p = text;
	bool in_match = s->in_match;
	char *line;

	if (!text) {
		doc_say(s->d, DOC_WARNING, "run it as root",
			"%s cannot be read: nothing is known of its rules",
			path);
		s->complained = true;
		return;
	}
	while ((line = doc_line(&p, false)) != NULL) {
		take(s, line, depth);
		free(line);
	}
	/* A Match block ends with its file (sshd_config(5), Include). */
	if (depth > 0)
		s->in_match = in_match;
	free(text);
}

void doc_check_sshd(struct doc *d, const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[512];
	struct sshd s = { .d = d, .folder = folder };

	snprintf(folder, sizeof(folder), "%.*s",
		 slash ? (int)(slash - path + 1) : 0, path);
	read_config(&s, path, 0);
	if (!s.complained)
		doc_say(
		    d, DOC_OK, "",
		    "sshd_config: no rule that misses users of the domain");
	if (s.pam)
		doc_say(d, DOC_OK, "", "sshd_config: UsePAM yes");
	else
		doc_say(d, DOC_PROBLEM, "set 'UsePAM yes'",
			"sshd does not use PAM: no password of the domain is "
			"taken, and SSH keys of disabled users are");
}

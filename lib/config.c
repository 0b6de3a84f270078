/*
 * Reading dssync.conf: inih splits the lines, the table says what they mean.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/config.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/config_value.h"
#include "lib/idmap.h"
#include "lib/log.h"
#include "lib/snapshot.h"

#define MAX_PROBLEMS 100

struct parse {
	const char *path;
	FILE *file;
	int line;       /* of the line that inih read last */
	bool continued; /* it goes on with the value of the line before */
	bool too_long;
	struct ds_config *config;
	struct ds_problems *problems;
	int *set_at; /* a key's line, or 0; as many as keys */
	int err;
};

/* ---- problems ------------------------------------------------------------
 */

void ds_problems_done(struct ds_problems *problems)
{
	while (problems->count)
		free(problems->line[--problems->count]);
	free(problems->line);
	problems->line = NULL;
}

DS_PRINTF(3, 4)
static void problem(struct parse *p, int line, const char *fmt, ...)
{
	struct ds_problems *all = p->problems;
	char what[1024], clean[1024], *text, **lines;
	va_list ap;
	int n;

	p->err = p->err ? p->err : DS_ERR_CONFIG;
	if (all->count == MAX_PROBLEMS)
		return;
	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	ds_clean(clean, sizeof(clean), what);
	if (line)
		n = asprintf(&text, "%s:%d: %s", p->path, line, clean);
	else
		n = asprintf(&text, "%s: %s", p->path, clean);
	lines = n < 0 ? NULL
		      : realloc(all->line, (all->count + 1) * sizeof(*lines));
	if (!lines) {
		if (n >= 0)
			free(text);
		p->err = DS_ERR_NOMEM;
		return;
	}
	all->line = lines;
	lines[all->count++] = text;
}

/* ---- the file ------------------------------------------------------------
 */

static bool is_section(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ds_config_key_count; i++)
		if (strlen(ds_config_keys[i].section) == len &&
		    memcmp(ds_config_keys[i].section, name, len) == 0)
			return true;
	return false;
}

/* inih tells of a section only with its keys: an empty one is seen here. */
static void check_section(struct parse *p, const char *line)
{
	size_t len;

	line += strspn(line, " \t");
	if (*line != '[')
		return;
	len = strcspn(line + 1, "]\n");
	if (line[len + 1] == ']' && !is_section(line + 1, len))
		problem(p, p->line,
			"unknown section [%.*s]; expected "
			"[domain], [sync], [identity] or [login]",
			(int)len, line + 1);
}

/* inih asks for one line a call: the place to count them. */
static char *read_line(char *str, int num, void *stream)
{
	struct parse *p = stream;
	char *line = fgets(str, num, p->file);
	size_t len;
	int c;

	if (!line)
		return NULL;
	p->line++;
	p->continued = line[0] == ' ' || line[0] == '\t';
	len = strlen(line);
	if (len && line[len - 1] != '\n' && !feof(p->file)) {
		if (!strchr("#;", line[strspn(line, " \t")]))
			problem(p, p->line,
				"the line is longer than %d bytes; expected a "
				"shorter one (a list goes on in lines that "
				"start with a blank)",
				num - 2);
		while ((c = getc(p->file)) != EOF && c != '\n')
			;
		str[0] = '\0';
	}
	check_section(p, line);
	return line;
}

static const struct ds_key *find_key(const char *section, const char *name)
{
	size_t i;

	for (i = 0; i < ds_config_key_count; i++)
		if (strcmp(ds_config_keys[i].section, section) == 0 &&
		    strcmp(ds_config_keys[i].name, name) == 0)
			return &ds_config_keys[i];
	return NULL;
}

static void unknown_key(struct parse *p, const char *section, const char *name)
{
	if (!*section)
		problem(p, p->line,
			"key '%s' stands before any section; "
			"expected [domain], [sync], [identity] or "
			"[login] first",
			name);
	else if (is_section(section, strlen(section)))
		problem(p, p->line,
			"unknown key '%s' in [%s]; expected one "
			"of those in dssync.conf(5)",
			name, section);
	/* else: the section was the problem, once for all its keys */
}

/* inih: 1 goes on, and that is always right: all problems are collected. */
static int on_value(void *user, const char *section, const char *name,
		    const char *value)
{
	struct parse *p = user;
	const struct ds_key *key = find_key(section, name);
	bool append;
	int *set_at;
	char words[256];
	int r;

	if (!key) {
		unknown_key(p, section, name);
		return 1;
	}
	set_at = &p->set_at[key - ds_config_keys];
	append = p->continued && *set_at;
	if (*set_at && (!append || key->type != DS_VALUE_LIST)) {
		problem(p, p->line,
			"[%s] %s is set twice; expected once (the "
			"other is in line %d)",
			section, name, *set_at);
		return 1;
	}
	*set_at = p->line;
	r = ds_value_parse(key, value, append, p->config);
	if (r == DS_ERR_NOMEM)
		p->err = r;
	else if (r)
		problem(p, p->line, "[%s] %s = '%s' will not do; expected %s",
			section, name, value,
			ds_value_expected(key, words, sizeof(words)));
	return 1;
}

static void require_keys(struct parse *p)
{
	const struct ds_key *key;
	size_t i;

	for (i = 0; i < ds_config_key_count; i++) {
		key = &ds_config_keys[i];
		if (!key->preset && !p->set_at[i])
			problem(p, p->line ? p->line : 1,
				"[%s] %s is missing at the end of the file; "
				"expected %s",
				key->section, key->name, key->expected);
	}
}

/* What the keys do not accept together. */
static void check_together(struct parse *p)
{
	const struct ds_config *c = p->config;
	uint32_t span = c->identity.id_range.max - c->identity.id_range.min;

	if (c->identity.id_mapping == DS_IDMAP_SIDHISTORY &&
	    !c->identity.sid_history_domains[0])
		problem(p, p->line,
			"[identity] id_mapping = sidhistory has nothing to "
			"go by; expected sid_history_domains, too");
	if ((c->identity.id_mapping == DS_IDMAP_SID ||
	     c->identity.id_mapping == DS_IDMAP_SIDHISTORY) &&
	    span < DS_IDMAP_SLICE)
		problem(p, p->line,
			"[identity] id_range is too small for "
			"id_mapping = sid; expected at least %u "
			"ids",
			DS_IDMAP_SLICE);
}

static int set_defaults(struct ds_config *config)
{
	const struct ds_key *key;
	size_t i;
	int r;

	for (i = 0; i < ds_config_key_count; i++) {
		key = &ds_config_keys[i];
		if (!key->preset)
			continue;
		r = ds_value_parse(key, key->preset, false, config);
		if (r)
			return r;
	}
	return DS_OK;
}

static void open_file(struct parse *p)
{
	struct stat st;

	p->file = fopen(p->path, "re");
	if (!p->file) {
		problem(p, 0,
			"cannot be read: %s; expected a file with "
			"[domain] and name = DOMAIN",
			strerror(errno));
		return;
	}
	if (fstat(fileno(p->file), &st) || !S_ISREG(st.st_mode))
		problem(p, 0, "is not a file; expected a regular one");
	else if ((st.st_uid != 0 && st.st_uid != geteuid()) ||
		 (st.st_mode & 022))
		problem(p, 0,
			"can be changed by others than root (owner %u, "
			"mode %04o); expected owner root and mode 0644",
			(unsigned)st.st_uid, (unsigned)(st.st_mode & 07777));
}

static void fold(char *s)
{
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			*s = (char)(*s - 'A' + 'a');
}

int ds_config_load(const char *path, struct ds_config *ret_config,
		   struct ds_problems *problems)
{
	struct ds_config config = { 0 };
	struct parse p = { .path = path,
			   .config = &config,
			   .problems = problems };
	int bad_line;

	p.set_at = calloc(ds_config_key_count, sizeof(*p.set_at));
	p.err = p.set_at ? set_defaults(&config) : DS_ERR_NOMEM;
	if (!p.err)
		open_file(&p);
	if (p.file && !p.err) {
		bad_line = ini_parse_stream(read_line, &p, on_value, &p);
		if (bad_line > 0)
			problem(&p, bad_line,
				"neither a [section] nor a 'key "
				"= value'; expected one of them");
		require_keys(&p);
		check_together(&p);
	}
	if (p.file)
		fclose(p.file);
	free(p.set_at);
	if (p.err) {
		ds_config_done(&config);
		return p.err;
	}
	fold(config.domain.name);
	*ret_config = config;
	return DS_OK;
}

void ds_config_done(struct ds_config *config)
{
	for (size_t i = 0; i < ds_config_key_count; i++)
		ds_value_free(&ds_config_keys[i], config);
	memset(config, 0, sizeof(*config));
}

/* ---- asked of it ---------------------------------------------------------
 */

void ds_config_print(const struct ds_config *config, FILE *out)
{
	const struct ds_key *key;
	const char *section = "";
	size_t i;

	for (i = 0; i < ds_config_key_count; i++) {
		key = &ds_config_keys[i];
		if (strcmp(section, key->section) != 0)
			fprintf(out, "%s[%s]\n", *section ? "\n" : "",
				key->section);
		section = key->section;
		fprintf(out, "%s = ", key->name);
		ds_value_print(key, config, out);
		fputc('\n', out);
	}
}

char *ds_config_realm(const struct ds_config *config, char *buf, size_t cap)
{
	size_t i;

	for (i = 0; config->domain.name[i] && i + 1 < cap; i++)
		buf[i] = (char)toupper((unsigned char)config->domain.name[i]);
	buf[i] = '\0';
	return buf;
}

uint32_t ds_config_policy(const struct ds_config *config)
{
	uint32_t policy = 0;

	if (config->identity.name_format == DS_FORMAT_SAM)
		policy |= DS_SNAP_BARE_USERS;
	if (config->identity.group_format == DS_FORMAT_SAM)
		policy |= DS_SNAP_BARE_GROUPS;
	if (config->identity.short_names == DS_SHORT_SAM)
		policy |= DS_SNAP_SHORT_NAMES;
	if (config->identity.spellings == DS_SPELLINGS_CANONICAL)
		policy |= DS_SNAP_CANONICAL;
	policy |=
	    (uint32_t)(unsigned char)config->identity.space_replacement[0]
	    << DS_SNAP_BLANK_SHIFT;
	return policy;
}

/*
 * Reading passwd(5) and group(5) without NSS, which would ask ourselves.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/locals.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static int add(struct dss_locals *locals, const char *name, uint32_t a,
	       uint32_t b)
{
	uint32_t *ids =
	    reallocarray(locals->ids, locals->nids + 2, sizeof(*ids));
	char **names;

	if (!ids)
		return DS_ERR_NOMEM;
	locals->ids = ids;
	names =
	    reallocarray(locals->names, locals->nnames + 1, sizeof(*names));
	if (!names)
		return DS_ERR_NOMEM;
	locals->names = names;
	names[locals->nnames] = strdup(name);
	if (!names[locals->nnames])
		return DS_ERR_NOMEM;
	locals->nnames++;
	ids[locals->nids++] = a;
	ids[locals->nids++] = b;
	return DS_OK;
}

/* The fget*ent functions say ENOENT or 0 at the end, by the libc's version. */
static int end_of_file(FILE *f)
{
	return ferror(f) || (errno != 0 && errno != ENOENT) ? DS_ERR_SYS
							    : DS_OK;
}

static int read_passwd(FILE *f, struct dss_locals *locals)
{
	const struct passwd *pw;
	int err;

	while (errno = 0, (pw = fgetpwent(f))) {
		err = add(locals, pw->pw_name, pw->pw_uid, pw->pw_gid);
		if (err)
			return err;
	}
	return end_of_file(f);
}

static int read_group(FILE *f, struct dss_locals *locals)
{
	const struct group *gr;
	int err;

	while (errno = 0, (gr = fgetgrent(f))) {
		err = add(locals, gr->gr_name, gr->gr_gid, gr->gr_gid);
		if (err)
			return err;
	}
	return end_of_file(f);
}

/* The path in a line of shells(5), as getusershell(3) finds it; or NULL. */
static char *shell_of(char *line)
{
	char *path = line + strcspn(line, "#/");

	if (*path != '/')
		return NULL;
	path[strcspn(path, "# \t\r\n")] = '\0';
	return path;
}

static int read_shells(FILE *f, struct dss_locals *locals)
{
	char *line = NULL, **shells;
	size_t cap = 0;
	int err = DS_OK;

	/* One more, so that a list of none is a list. */
	locals->shells = calloc(1, sizeof(*locals->shells));
	while (locals->shells && getline(&line, &cap, f) >= 0) {
		const char *path = shell_of(line);

		if (!path)
			continue;
		shells = reallocarray(locals->shells, locals->nshells + 2,
				      sizeof(*shells));
		if (!shells)
			break;
		locals->shells = shells;
		shells[locals->nshells] = strdup(path);
		if (!shells[locals->nshells])
			break;
		locals->nshells++;
	}
	if (ferror(f))
		err = DS_ERR_SYS;
	else if (!locals->shells || !feof(f))
		err = DS_ERR_NOMEM;
	free(line);
	return err;
}

static int read_file(const char *path,
		     int (*reader)(FILE *, struct dss_locals *),
		     struct dss_locals *locals)
{
	FILE *f = fopen(path, "re");
	int err, saved;

	if (!f)
		return DS_ERR_SYS;
	err = reader(f, locals);
	saved = errno;
	(void)fclose(f);
	errno = saved;
	return err;
}

static int id_order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int name_order(const void *a, const void *b)
{
	return strcasecmp(*(char *const *)a, *(char *const *)b);
}

int dss_locals_load(const char *passwd, const char *group, const char *shells,
		    struct dss_locals *ret_locals)
{
	struct dss_locals locals = { 0 };
	int err = read_file(passwd, read_passwd, &locals);

	if (err == DS_OK)
		err = read_file(group, read_group, &locals);
	if (err == DS_OK && access(shells, F_OK) == 0)
		err = read_file(shells, read_shells, &locals);
	if (err) {
		dss_locals_done(&locals);
		return err;
	}
	if (locals.nids > 0)
		qsort(locals.ids, locals.nids, sizeof(*locals.ids), id_order);
	if (locals.nnames > 0)
		qsort(locals.names, locals.nnames, sizeof(*locals.names),
		      name_order);
	*ret_locals = locals;
	return DS_OK;
}

void dss_locals_done(struct dss_locals *locals)
{
	for (size_t i = 0; i < locals->nnames; i++)
		free(locals->names[i]);
	for (size_t i = 0; i < locals->nshells; i++)
		free(locals->shells[i]);
	free(locals->shells);
	free(locals->names);
	free(locals->ids);
	memset(locals, 0, sizeof(*locals));
}

bool dss_locals_has_id(const struct dss_locals *locals, uint32_t id)
{
	return locals->nids > 0 &&
	       bsearch(&id, locals->ids, locals->nids, sizeof(id), id_order);
}

bool dss_locals_has_name(const struct dss_locals *locals, const char *name)
{
	return locals->nnames > 0 &&
	       bsearch(&name, locals->names, locals->nnames, sizeof(name),
		       name_order);
}

static bool in_list(const char *s, const char *const *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i], s) == 0)
			return true;
	}
	return false;
}

const char *dss_locals_shell(const struct dss_locals *locals,
			     const char *wanted)
{
	static const char *const open_ended[] = { "sh",   "bash", "dash",
						  "zsh",  "ksh",  "mksh",
						  "fish", "csh",  "tcsh" };
	const char *slash = strrchr(wanted, '/');

	if (!locals->shells ||
	    in_list(wanted, (const char *const *)locals->shells,
		    locals->nshells) ||
	    !in_list(slash ? slash + 1 : wanted, open_ended,
		     sizeof(open_ended) / sizeof(open_ended[0])))
		return wanted;
	return DSS_FALLBACK_SHELL;
}

uint64_t dss_locals_stamp(const char *passwd, const char *group,
			  const char *shells)
{
	const char *path[3] = { passwd, group, shells };
	uint64_t stamp = 1;

	for (size_t i = 0; i < 3; i++) {
		struct stat st;

		if (stat(path[i], &st) != 0) {
			if (i == 2)
				break;
			return 0;
		}
		stamp = stamp * 1000003 + (uint64_t)st.st_mtim.tv_sec;
		stamp = stamp * 1000003 + (uint64_t)st.st_mtim.tv_nsec;
		stamp = stamp * 1000003 + (uint64_t)st.st_ino;
	}
	return stamp ? stamp : 1;
}

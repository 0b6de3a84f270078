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

int dss_locals_load(const char *passwd, const char *group,
		    struct dss_locals *ret_locals)
{
	struct dss_locals locals = { 0 };
	int err = read_file(passwd, read_passwd, &locals);

	if (err == DS_OK)
		err = read_file(group, read_group, &locals);
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

uint64_t dss_locals_stamp(const char *passwd, const char *group)
{
	const char *path[2] = { passwd, group };
	uint64_t stamp = 1;

	for (size_t i = 0; i < 2; i++) {
		struct stat st;

		if (stat(path[i], &st) != 0)
			return 0;
		stamp = stamp * 1000003 + (uint64_t)st.st_mtim.tv_sec;
		stamp = stamp * 1000003 + (uint64_t)st.st_mtim.tv_nsec;
		stamp = stamp * 1000003 + (uint64_t)st.st_ino;
	}
	return stamp ? stamp : 1;
}

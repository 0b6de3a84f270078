/*
 * Storing and destroying ticket caches.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/ccstore.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "synccache/auth/ccfile.h"

/* The types that outlive this process; NULL: another. */
static const char *type_of(const char *name)
{
	static const char *const types[] = { "FILE", "DIR", "KEYRING", "KCM" };

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		size_t len = strlen(types[i]);

		if (strncmp(name, types[i], len) == 0 && name[len] == ':')
			return types[i];
	}
	return NULL;
}

static bool write_all(int fd, const void *p, size_t len)
{
	const char *at = p;

	while (len > 0) {
		ssize_t n = write(fd, at, len);

		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

/*
 * The bytes are a FILE cache already: they go in as they are.  `path` is
 * mkstemp(3)'s: O_EXCL, 0600.
 */
static bool make_file(char *path, const void *p, size_t len)
{
	int fd = mkstemp(path);

	if (fd < 0)
		return false;
	if (write_all(fd, p, len) && close(fd) == 0)
		return true;
	(void)unlink(path);
	return false; /* a descriptor more ends with us */
}

static krb5_error_code store_file(const void *p, size_t len, char **ret_name)
{
	char name[64];
	char *copy;

	(void)snprintf(name, sizeof(name), "FILE:/tmp/krb5cc_%u_XXXXXX",
		       (unsigned int)getuid());
	if (!make_file(name + strlen("FILE:"), p, len))
		return KRB5_CC_IO;
	copy = strdup(name);
	if (copy == NULL) {
		(void)unlink(name + strlen("FILE:"));
		return KRB5_CC_NOMEM;
	}
	*ret_name = copy;
	return 0;
}

/*
 * Whether the folder of "DIR:/folder" or "DIR::/folder/cache" is ours alone;
 * true for what is not there yet, and for other types.
 */
static bool folder_is_ours(const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	if (strncmp(name, "DIR:", 4) != 0)
		return true;
	name += name[4] == ':' ? 5 : 4;
	if (snprintf(path, sizeof(path), "%s", name) >= (int)sizeof(path))
		return false;
	if (name[-2] == ':' && strrchr(path, '/') != NULL)
		*strrchr(path, '/') = '\0';
	if (lstat(path, &st) != 0)
		return errno == ENOENT;
	return S_ISDIR(st.st_mode) && st.st_uid == getuid() &&
	       (st.st_mode & 022) == 0;
}

static krb5_error_code name_of(krb5_context ctx, krb5_ccache cc,
			       char **ret_name)
{
	char *name, *copy;
	krb5_error_code code = krb5_cc_get_full_name(ctx, cc, &name);

	if (code != 0)
		return code;
	copy = strdup(name);
	krb5_free_string(ctx, name);
	if (copy == NULL)
		return KRB5_CC_NOMEM;
	*ret_name = copy;
	return 0;
}

static krb5_error_code store_unique(krb5_context ctx, const char *type,
				    krb5_ccache from, krb5_principal owner,
				    char **ret_name)
{
	krb5_ccache to;
	krb5_error_code code;
	char *name = NULL;

	if (!folder_is_ours(krb5_cc_default_name(ctx)))
		return KRB5_FCC_PERM;
	code = krb5_cc_new_unique(ctx, type, NULL, &to);
	if (code != 0)
		return code;
	code = krb5_cc_initialize(ctx, to, owner);
	if (code == 0)
		code = krb5_cc_copy_creds(ctx, from, to);
	if (code == 0)
		code = name_of(ctx, to, &name);
	/* Made by somebody else in the meantime? */
	if (code == 0 && !folder_is_ours(name)) {
		free(name);
		code = KRB5_FCC_PERM;
	}
	if (code != 0) {
		(void)krb5_cc_destroy(ctx, to);
		return code;
	}
	(void)krb5_cc_close(ctx, to);
	*ret_name = name;
	return 0;
}

/* Reads it to its end, so that nothing half is stored. */
static krb5_error_code check(krb5_context ctx, krb5_ccache cc,
			     krb5_principal *ret_owner)
{
	krb5_principal owner;
	krb5_cc_cursor cursor;
	krb5_creds creds;
	krb5_error_code code, next;
	size_t count = 0;

	code = krb5_cc_get_principal(ctx, cc, &owner);
	if (code != 0)
		return code;
	code = krb5_cc_start_seq_get(ctx, cc, &cursor);
	if (code == 0) {
		while ((next = krb5_cc_next_cred(ctx, cc, &cursor, &creds)) ==
		       0) {
			krb5_free_cred_contents(ctx, &creds);
			count++;
		}
		(void)krb5_cc_end_seq_get(ctx, cc, &cursor);
		if (next != KRB5_CC_END)
			code = next;
		else if (count == 0)
			code = KRB5_CC_NOTFOUND;
	}
	if (code != 0)
		krb5_free_principal(ctx, owner);
	else
		*ret_owner = owner;
	return code;
}

krb5_error_code dsa_ccstore(krb5_context ctx, const void *p, size_t len,
			    char **ret_name)
{
	const char *wanted = krb5_cc_default_name(ctx);
	const char *type = wanted != NULL ? type_of(wanted) : NULL;
	krb5_principal owner;
	krb5_error_code code;
	krb5_ccache from;
	int fd;

	/* No type, or one that would be gone at once. */
	if (type == NULL)
		type = "FILE";
	code = dsa_ccfile_open(ctx, p, len, &from, &fd);
	if (code != 0)
		return code;
	code = check(ctx, from, &owner);
	if (code == 0) {
		if (strcmp(type, "FILE") == 0)
			code = store_file(p, len, ret_name);
		else
			code = store_unique(ctx, type, from, owner, ret_name);
		krb5_free_principal(ctx, owner);
	}
	(void)krb5_cc_close(ctx, from);
	(void)close(fd);
	return code;
}

/* In the same folder, then in its place. */
static krb5_error_code replace_file(const void *p, size_t len,
				    const char *path)
{
	char fresh[PATH_MAX];

	if (snprintf(fresh, sizeof(fresh), "%s.XXXXXX", path) >=
	    (int)sizeof(fresh))
		return KRB5_CC_BADNAME;
	if (!make_file(fresh, p, len))
		return KRB5_CC_IO;
	if (rename(fresh, path) == 0)
		return 0;
	(void)unlink(fresh);
	return KRB5_CC_IO;
}

/* The cache is there, and the same principal's. */
static krb5_error_code check_owner(krb5_context ctx, krb5_ccache cc,
				   krb5_const_principal owner)
{
	krb5_principal has;
	krb5_error_code code = krb5_cc_get_principal(ctx, cc, &has);

	if (code != 0)
		return code;
	if (!krb5_principal_compare(ctx, has, owner))
		code = KRB5_CC_NOTFOUND;
	krb5_free_principal(ctx, has);
	return code;
}

static krb5_error_code replace(krb5_context ctx, krb5_ccache from,
			       krb5_ccache to, krb5_principal owner)
{
	krb5_error_code code = krb5_cc_initialize(ctx, to, owner);

	return code != 0 ? code : krb5_cc_copy_creds(ctx, from, to);
}

krb5_error_code dsa_ccrefresh(krb5_context ctx, const void *p, size_t len,
			      const char *name)
{
	const char *type = type_of(name);
	krb5_principal owner = NULL;
	krb5_ccache from, to = NULL;
	krb5_error_code code;
	int fd;

	if (type == NULL)
		return KRB5_CC_UNKNOWN_TYPE;
	code = dsa_ccfile_open(ctx, p, len, &from, &fd);
	if (code != 0)
		return code;
	code = check(ctx, from, &owner);
	if (code == 0)
		code = krb5_cc_resolve(ctx, name, &to);
	if (code == 0)
		code = check_owner(ctx, to, owner);
	if (code == 0 && strcmp(type, "FILE") == 0)
		code = replace_file(p, len, name + strlen("FILE:"));
	else if (code == 0)
		code = replace(ctx, from, to, owner);
	if (to != NULL)
		(void)krb5_cc_close(ctx, to);
	krb5_free_principal(ctx, owner);
	(void)krb5_cc_close(ctx, from);
	(void)close(fd);
	return code;
}

krb5_error_code dsa_ccdestroy(krb5_context ctx, const char *name)
{
	krb5_ccache cc;
	krb5_error_code code;

	if (type_of(name) == NULL)
		return KRB5_CC_UNKNOWN_TYPE;
	code = krb5_cc_resolve(ctx, name, &cc);
	return code != 0 ? code : krb5_cc_destroy(ctx, cc);
}

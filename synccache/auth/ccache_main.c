/*
 * dssync-ccache: stores a ticket cache as the user whose it is, or removes
 * one.  pam_dssync runs it after it has become that user for good.
 *
 *   dssync-ccache store          reads FILE format bytes from standard input,
 *                                prints the new cache's full name
 *   dssync-ccache refresh NAME   puts them into that cache, and prints NAME
 *   dssync-ccache destroy NAME   removes a cache
 *
 * Exit status 0, or 1 with one line on standard error.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/proto.h"
#include "synccache/auth/ccstore.h"

static int complain(const char *what)
{
	(void)fprintf(stderr, "dssync-ccache: %s\n", what);
	return EXIT_FAILURE;
}

static int complain_code(krb5_context ctx, krb5_error_code code)
{
	const char *text = krb5_get_error_message(ctx, code);

	(void)complain(text);
	krb5_free_error_message(ctx, text);
	return EXIT_FAILURE;
}

/* Somebody, nobody else, and not on the way back to root. */
static bool ids_are_settled(void)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	return getresuid(&ruid, &euid, &suid) == 0 &&
	       getresgid(&rgid, &egid, &sgid) == 0 && ruid != 0 &&
	       ruid == euid && ruid == suid && rgid == egid && rgid == sgid;
}

/* The whole input, at most cap bytes; -1: more than that, or an error. */
static ssize_t read_input(uint8_t *buf, size_t cap)
{
	size_t len = 0;

	for (;;) {
		uint8_t more;
		ssize_t n = len < cap
				? read(STDIN_FILENO, buf + len, cap - len)
				: read(STDIN_FILENO, &more, 1);

		if (n == 0)
			return (ssize_t)len;
		if (n < 0 || len == cap)
			return -1;
		len += (size_t)n;
	}
}

/* Into a new cache, or (name not NULL) into that one. */
static int store(krb5_context ctx, const char *refresh)
{
	static uint8_t buf[DS_CCACHE_MAX];
	krb5_error_code code;
	char *name = NULL;
	ssize_t len = read_input(buf, sizeof(buf));
	int status = EXIT_SUCCESS;

	if (len < 0)
		return complain("the ticket cache on standard input cannot "
				"be read, or is too large");
	if (refresh != NULL)
		code = dsa_ccrefresh(ctx, buf, (size_t)len, refresh);
	else
		code = dsa_ccstore(ctx, buf, (size_t)len, &name);
	explicit_bzero(buf, sizeof(buf));
	if (code != 0)
		return complain_code(ctx, code);
	if (printf("%s\n", name != NULL ? name : refresh) < 0 ||
	    fflush(stdout) != 0) {
		/* Nobody would ever know its name. */
		if (name != NULL)
			(void)dsa_ccdestroy(ctx, name);
		status = complain("the name cannot be written");
	}
	free(name);
	return status;
}

static int destroy(krb5_context ctx, const char *name)
{
	krb5_error_code code = dsa_ccdestroy(ctx, name);

	/* Gone already is as good. */
	if (code != 0 && code != KRB5_FCC_NOFILE && code != KRB5_CC_NOTFOUND)
		return complain_code(ctx, code);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	const struct rlimit none = { 0, 0 };
	krb5_context ctx;
	int status;

	if (!ids_are_settled())
		return complain("must run as the user, and not as root");
	if (setrlimit(RLIMIT_CORE, &none) != 0)
		return complain("core dumps cannot be forbidden");
	/* Secure: the environment of a login is not to be trusted. */
	if (krb5_init_secure_context(&ctx) != 0)
		return complain("the Kerberos configuration cannot be used");
	if (argc == 2 && strcmp(argv[1], "store") == 0)
		status = store(ctx, NULL);
	else if (argc == 3 && strcmp(argv[1], "refresh") == 0)
		status = store(ctx, argv[2]);
	else if (argc == 3 && strcmp(argv[1], "destroy") == 0)
		status = destroy(ctx, argv[2]);
	else
		status =
		    complain("usage: dssync-ccache store | refresh NAME | "
			     "destroy NAME");
	krb5_free_context(ctx);
	return status;
}

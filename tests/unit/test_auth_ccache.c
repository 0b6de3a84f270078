/*
 * Ticket caches as bytes, and dssync-ccache, with an artificial ticket.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/proto.h"
#include "synccache/auth/ccfile.h"
#include "synccache/auth/ccstore.h"
#include "synccache/auth/krb.h"

#define REALM  "EXAMPLE.COM"
#define NOBODY 65534

static uint8_t cache[4096];
static size_t cache_len;

/* A context with this default cache name. */
static krb5_context context(const char *ccache_name)
{
	char conf[] = "/tmp/dsa-conf-XXXXXX";
	int fd = mkstemp(conf);
	krb5_context ctx;

	assert_true(fd >= 0);
	assert_true(dprintf(fd, "[libdefaults]\ndefault_ccache_name = %s\n",
			    ccache_name) > 0);
	(void)close(fd);
	assert_int_equal(dsa_krb_context(conf, REALM, &ctx), 0);
	(void)unlink(conf);
	return ctx;
}

/* A credential of every kind of field; borrowed, but for the principals. */
static krb5_creds artificial(krb5_context ctx)
{
	static krb5_octet key[32] = { 1, 2, 3 }, addr[4] = { 127, 0, 0, 1 };
	static krb5_address a = { .addrtype = ADDRTYPE_INET,
				  .length = 4,
				  .contents = addr };
	static krb5_address *addrs[] = { &a, NULL };
	static krb5_authdata d = { .ad_type = 1,
				   .length = 4,
				   .contents = addr };
	static krb5_authdata *data[] = { &d, NULL };
	static char ticket[] = "ticket";
	krb5_creds c = {
		.keyblock = { .enctype = ENCTYPE_AES256_CTS_HMAC_SHA1_96,
			      .length = 32,
			      .contents = key },
		.times = { 1, 2, 0x7fffffff, 4 },
		.ticket_flags = 0x40e10000,
		.addresses = addrs,
		.authdata = data,
		.ticket = { .length = 6, .data = ticket },
	};

	assert_int_equal(krb5_parse_name(ctx, "alice (1)@" REALM, &c.client),
			 0);
	assert_int_equal(krb5_parse_name(ctx,
					 "ldap/dc/"
					 "example.com@" REALM,
					 &c.server),
			 0);
	return c;
}

/*
 * A copy of the program where everybody may run it: the build folder may lie
 * below one that only its owner may enter.
 */
static char program_dir[] = "/tmp/dsa-program-XXXXXX";
static char program[sizeof(program_dir) + 16];

static int copy_program(void)
{
	char command[1024];

	if (!mkdtemp(program_dir) || chmod(program_dir, 0755) != 0)
		return -1;
	(void)snprintf(program, sizeof(program), "%s/dssync-ccache",
		       program_dir);
	(void)snprintf(command, sizeof(command), "cp '%s' '%s'",
		       DS_BUILDDIR "/synccache/auth/dssync-ccache", program);
	return system(command);
}

static int remove_program(void **state)
{
	(void)state;
	return unlink(program) == 0 ? rmdir(program_dir) : -1;
}

static int setup(void **state)
{
	krb5_context ctx = context("FILE:/nonexistent");
	krb5_creds c = artificial(ctx);
	struct ds_writer w;

	(void)state;
	ds_writer_init(&w, cache, sizeof(cache));
	dsa_ccfile_put(&w, &c, NULL);
	cache_len = w.len;
	krb5_free_principal(ctx, c.client);
	krb5_free_principal(ctx, c.server);
	krb5_free_context(ctx);
	return w.err ? w.err : copy_program();
}

static void test_round_trip(void **state)
{
	krb5_context ctx = context("FILE:/nonexistent");
	krb5_creds c = artificial(ctx), in = { 0 }, got;
	krb5_principal filed;
	uint8_t buf[1024];
	struct ds_writer w;
	krb5_ccache cc;
	int fd;

	(void)state;
	assert_int_equal(krb5_parse_name(ctx, "ldap/dc@" REALM, &filed), 0);
	ds_writer_init(&w, buf, sizeof(buf));
	dsa_ccfile_put(&w, &c, filed);
	assert_int_equal(w.err, 0);
	assert_int_equal(dsa_ccfile_open(ctx, buf, w.len, &cc, &fd), 0);
	in.client = c.client;
	in.server = filed;
	assert_int_equal(krb5_cc_retrieve_cred(ctx, cc, 0, &in, &got), 0);
	assert_int_equal(got.keyblock.enctype, c.keyblock.enctype);
	assert_memory_equal(got.keyblock.contents, c.keyblock.contents, 32);
	assert_int_equal(got.times.endtime, 0x7fffffff);
	assert_int_equal(got.times.renew_till, 4);
	assert_int_equal(got.ticket_flags, c.ticket_flags);
	assert_int_equal(got.ticket.length, 6);
	assert_memory_equal(got.ticket.data, "ticket", 6);
	assert_memory_equal(got.addresses[0]->contents, "\x7f\0\0\1", 4);
	assert_memory_equal(got.authdata[0]->contents, "\x7f\0\0\1", 4);
	krb5_free_cred_contents(ctx, &got);
	in.server = c.server; /* the true name is not what it is filed under */
	assert_int_not_equal(krb5_cc_retrieve_cred(ctx, cc, 0, &in, &got), 0);
	(void)krb5_cc_close(ctx, cc);
	(void)close(fd);
	/* What does not fit is an error, never cut. */
	ds_writer_init(&w, buf, 100);
	dsa_ccfile_put(&w, &c, NULL);
	assert_int_equal(w.err, DS_ERR_LIMIT);
	krb5_free_principal(ctx, filed);
	krb5_free_principal(ctx, c.client);
	krb5_free_principal(ctx, c.server);
	krb5_free_context(ctx);
}

static void check_stored(krb5_context ctx, const char *name)
{
	krb5_principal owner;
	krb5_ccache cc;
	char *text;

	assert_int_equal(krb5_cc_resolve(ctx, name, &cc), 0);
	assert_int_equal(krb5_cc_get_principal(ctx, cc, &owner), 0);
	assert_int_equal(krb5_unparse_name(ctx, owner, &text), 0);
	assert_string_equal(text, "alice (1)@" REALM);
	krb5_free_unparsed_name(ctx, text);
	krb5_free_principal(ctx, owner);
	(void)krb5_cc_close(ctx, cc);
}

static void test_store_file(void **state)
{
	krb5_context ctx = context("FILE:/nonexistent/x");
	char *a = NULL, *b = NULL;
	struct stat st;

	(void)state;
	assert_int_equal(dsa_ccstore(ctx, cache, cache_len, &a), 0);
	assert_int_equal(dsa_ccstore(ctx, cache, cache_len, &b), 0);
	assert_memory_equal(a, "FILE:/tmp/krb5cc_", 17);
	assert_string_not_equal(a, b);
	assert_int_equal(lstat(a + 5, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0600);
	check_stored(ctx, a);
	assert_int_equal(dsa_ccdestroy(ctx, a), 0);
	assert_int_not_equal(lstat(a + 5, &st), 0);
	assert_int_equal(dsa_ccdestroy(ctx, b), 0);
	assert_int_equal(dsa_ccdestroy(ctx, "MEMORY:x"), KRB5_CC_UNKNOWN_TYPE);
	assert_int_equal(dsa_ccdestroy(ctx, "/etc/passwd"),
			 KRB5_CC_UNKNOWN_TYPE);
	free(a);
	free(b);
	krb5_free_context(ctx);
}

static void test_store_dir(void **state)
{
	char dir[] = "/tmp/dsa-ccdir-XXXXXX", wanted[64], primary[64];
	krb5_context ctx;
	char *name = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(wanted, sizeof(wanted), "DIR:%s", dir);
	ctx = context(wanted);
	assert_int_equal(dsa_ccstore(ctx, cache, cache_len, &name), 0);
	(void)snprintf(wanted, sizeof(wanted), "DIR::%s/tkt", dir);
	assert_memory_equal(name, wanted, strlen(wanted));
	check_stored(ctx, name);
	assert_int_equal(dsa_ccdestroy(ctx, name), 0);
	free(name);
	krb5_free_context(ctx);
	(void)snprintf(primary, sizeof(primary), "%s/primary", dir);
	(void)unlink(primary);
	assert_int_equal(rmdir(dir), 0); /* nothing else was left */
}

/* Whoever owns the folder could take the caches away, and put others. */
static void test_folder_of_others(void **state)
{
	char dir[] = "/tmp/dsa-ccdir-XXXXXX", wanted[64];
	krb5_context ctx;
	char *name = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(wanted, sizeof(wanted), "DIR:%s", dir);
	ctx = context(wanted);
	assert_int_equal(chmod(dir, 0770), 0);
	assert_int_equal(dsa_ccstore(ctx, cache, cache_len, &name),
			 KRB5_FCC_PERM);
	assert_int_equal(chmod(dir, 0700), 0);
	if (geteuid() == 0) {
		assert_int_equal(chown(dir, NOBODY, NOBODY), 0);
		assert_int_equal(dsa_ccstore(ctx, cache, cache_len, &name),
				 KRB5_FCC_PERM);
	}
	assert_int_equal(rmdir(dir), 0); /* nothing was left in it */
	assert_int_equal(symlink("/tmp", dir), 0);
	assert_int_equal(dsa_ccstore(ctx, cache, cache_len, &name),
			 KRB5_FCC_PERM);
	assert_int_equal(unlink(dir), 0);
	assert_null(name);
	krb5_free_context(ctx);
}

/* Another ticket of the same principal, or of another. */
static size_t other_cache(const char *principal, uint8_t *buf, size_t cap)
{
	krb5_context ctx = context("MEMORY:x");
	krb5_creds c = artificial(ctx);
	struct ds_writer w;

	krb5_free_principal(ctx, c.client);
	assert_int_equal(krb5_parse_name(ctx, principal, &c.client), 0);
	c.times.endtime--;
	ds_writer_init(&w, buf, cap);
	dsa_ccfile_put(&w, &c, NULL);
	assert_int_equal(w.err, 0);
	krb5_free_principal(ctx, c.client);
	krb5_free_principal(ctx, c.server);
	krb5_free_context(ctx);
	return w.len;
}

static krb5_timestamp end_of(krb5_context ctx, const char *name)
{
	krb5_cc_cursor cursor;
	krb5_creds creds;
	krb5_ccache cc;
	krb5_timestamp end;

	assert_int_equal(krb5_cc_resolve(ctx, name, &cc), 0);
	assert_int_equal(krb5_cc_start_seq_get(ctx, cc, &cursor), 0);
	assert_int_equal(krb5_cc_next_cred(ctx, cc, &cursor, &creds), 0);
	end = creds.times.endtime;
	krb5_free_cred_contents(ctx, &creds);
	assert_int_equal(krb5_cc_next_cred(ctx, cc, &cursor, &creds),
			 KRB5_CC_END);
	(void)krb5_cc_end_seq_get(ctx, cc, &cursor);
	(void)krb5_cc_close(ctx, cc);
	return end;
}

static void check_refresh(krb5_context ctx, const char *name)
{
	uint8_t fresh[4096];
	size_t len = other_cache("alice (1)@" REALM, fresh, sizeof(fresh));

	assert_int_equal(end_of(ctx, name), 0x7fffffff);
	assert_int_equal(dsa_ccrefresh(ctx, fresh, len, name), 0);
	assert_int_equal(end_of(ctx, name), 0x7ffffffe);
	check_stored(ctx, name);
	/* Bytes that are no cache, and a stranger's, change nothing. */
	assert_int_not_equal(dsa_ccrefresh(ctx, fresh, len / 2, name), 0);
	len = other_cache("mallory@" REALM, fresh, sizeof(fresh));
	assert_int_equal(dsa_ccrefresh(ctx, fresh, len, name),
			 KRB5_CC_NOTFOUND);
	assert_int_equal(end_of(ctx, name), 0x7ffffffe);
}

static void test_refresh(void **state)
{
	char dir[] = "/tmp/dsa-ccdir-XXXXXX", wanted[64], path[128];
	krb5_context ctx = context("FILE:/nonexistent/x");
	struct stat before, after;
	char *name = NULL;

	(void)state;
	assert_int_equal(dsa_ccstore(ctx, cache, cache_len, &name), 0);
	assert_int_equal(stat(name + 5, &before), 0);
	check_refresh(ctx, name);
	assert_int_equal(stat(name + 5, &after), 0);
	assert_int_not_equal(before.st_ino, after.st_ino); /* at once */
	assert_int_equal(after.st_mode & 07777, 0600);
	assert_int_equal(dsa_ccdestroy(ctx, name), 0);
	/* What was removed stays removed. */
	assert_int_not_equal(dsa_ccrefresh(ctx, cache, cache_len, name), 0);
	assert_int_not_equal(access(name + 5, F_OK), 0);
	free(name);
	assert_int_equal(dsa_ccrefresh(ctx, cache, cache_len, "MEMORY:x"),
			 KRB5_CC_UNKNOWN_TYPE);
	krb5_free_context(ctx);

	assert_non_null(mkdtemp(dir));
	(void)snprintf(wanted, sizeof(wanted), "DIR:%s", dir);
	ctx = context(wanted);
	assert_int_equal(dsa_ccstore(ctx, cache, cache_len, &name), 0);
	check_refresh(ctx, name);
	assert_int_equal(dsa_ccdestroy(ctx, name), 0);
	free(name);
	krb5_free_context(ctx);
	(void)snprintf(path, sizeof(path), "%s/primary", dir);
	(void)unlink(path);
	assert_int_equal(rmdir(dir), 0);
}

static void test_store_bad(void **state)
{
	krb5_context ctx = context("FILE:/nonexistent/x");
	char *name = NULL;

	(void)state;
	for (size_t len = 0; len < cache_len; len += 7)
		assert_int_not_equal(dsa_ccstore(ctx, cache, len, &name), 0);
	assert_int_not_equal(dsa_ccstore(ctx, "garbage", 7, &name), 0);
	assert_null(name);
	krb5_free_context(ctx);
}

/*
 * Runs the real program, as somebody else if this is root and `drop`, with
 * input from a file; fills in what it printed.
 */
static int run(bool drop, const void *input, size_t len, const char *arg,
	       const char *arg2, char *ret_out, size_t cap)
{
	char *path = program;
	int in[2], out[2], status, exe = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;
	pid_t pid;

	assert_true(exe >= 0);
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	pid = fork();
	if (pid == 0) {
		char *argv[] = { path, strdup(arg),
				 arg2 != NULL ? strdup(arg2) : NULL, NULL };
		char *env[] = { NULL };

		if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 ||
		    dup2(out[1], 2) < 0 ||
		    (drop && geteuid() == 0 &&
		     (setgroups(0, NULL) != 0 ||
		      setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
		      setresuid(NOBODY, NOBODY, NOBODY) != 0)))
			_exit(99);
		(void)close(in[1]);
		(void)fexecve(exe, argv, env);
		_exit(98);
	}
	(void)close(in[0]);
	(void)close(out[1]);
	(void)!write(in[1], input, len);
	(void)close(in[1]);
	n = read(out[0], ret_out, cap - 1);
	ret_out[n > 0 ? n : 0] = '\0';
	(void)close(out[0]);
	(void)close(exe);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_program(void **state)
{
	static uint8_t large[DS_CCACHE_MAX + 1];
	char out[512], name[512];

	(void)state;
	assert_int_equal(
	    run(true, cache, cache_len, "store", NULL, name, sizeof(name)), 0);
	name[strcspn(name, "\n")] = '\0';
	assert_non_null(strchr(name, ':'));
	assert_int_equal(run(true, "", 0, "destroy", name, out, sizeof(out)),
			 0);
	if (strncmp(name, "FILE:", 5) == 0)
		assert_int_not_equal(access(name + 5, F_OK), 0);
	assert_int_equal(run(true, "", 0, "destroy", name, out, sizeof(out)),
			 0); /* gone already */
	assert_int_equal(
	    run(true, "garbage", 7, "store", NULL, out, sizeof(out)), 1);
	assert_int_equal(
	    run(true, large, sizeof(large), "store", NULL, out, sizeof(out)),
	    1);
	assert_non_null(strstr(out, "too large"));
	assert_int_equal(
	    run(true, "", 0, "destroy", "MEMORY:x", out, sizeof(out)), 1);
	assert_int_equal(run(true, "", 0, "nonsense", NULL, out, sizeof(out)),
			 1);
}

static void test_program_as_root(void **state)
{
	char out[512];

	(void)state;
	if (geteuid() != 0)
		return; /* nobody else can become root to be refused */
	assert_int_equal(
	    run(false, cache, cache_len, "store", NULL, out, sizeof(out)), 1);
	assert_non_null(strstr(out, "not as root"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_store_file),
		cmocka_unit_test(test_store_dir),
		cmocka_unit_test(test_folder_of_others),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_store_bad),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_program_as_root),
	};

	/* A program that refuses does not read its input. */
	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, setup, remove_program);
}

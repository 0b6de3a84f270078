/*
 * The localauth plugin: each client to its object and to no other, over a
 * snapshot, an owner and a passwd of the test's own.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char snapshot_path[] = "/tmp/dssync-localauth-XXXXXX";
static int test_getpwnam_r(const char *name, struct passwd *pw, char *buf,
			   size_t size, struct passwd **ret);

#define DSK_SNAPSHOT snapshot_path
#define DSK_OWNER    geteuid()
#define getpwnam_r   test_getpwnam_r
#include "krb5_dssync/localauth.c" /* NOLINT: its functions are static */
#include "lib/passwd.c"            /* NOLINT: with the seam */

#include "lib/snapshot_stamp.h"
#include "lib/snapshot_write.h"
#include "tests/unit/snap_world.h"

#define REALM "AADDSCONTOSO.COM"

static struct krb5_localauth_vtable_st vt;
static int passwd_error;   /* what getpwnam_r fails with, if not 0 */
static uid_t passwd_shift; /* passwd is of another generation */

/* ---- passwd: the mirror, and four local accounts before it ----------------
 */

static uid_t local_uid(const char *name)
{
	if (strcmp(name, "root") == 0)
		return 0;
	if (strcmp(name, "localuser") == 0)
		return 1000;
	/* Local accounts with spellings that the mirror has, too. */
	if (strcmp(name, "driley") == 0 || strcmp(name, "smithj (3af2)") == 0)
		return 1001;
	return (uid_t)-1;
}

static int test_getpwnam_r(const char *name, struct passwd *pw, char *buf,
			   size_t size, struct passwd **ret)
{
	struct ds_snap_user user;
	struct ds_snap snap;

	(void)buf;
	assert_true(size >= 4096);
	*ret = NULL;
	if (passwd_error)
		return passwd_error;
	pw->pw_uid = local_uid(name);
	if (pw->pw_uid == (uid_t)-1) {
		if (ds_snap_open(snapshot_path, DS_SNAP_BASE, geteuid(),
				 &snap) == 0) {
			if (ds_resolve_user(&snap, name, &user) == 0)
				pw->pw_uid = user.uid + passwd_shift;
			ds_snap_close(&snap);
		}
	}
	if (strcmp(name, "left.over@" WORLD_DOMAIN) == 0)
		pw->pw_uid = WORLD_UID0 + 5000; /* of an older generation */
	if (pw->pw_uid != (uid_t)-1)
		*ret = pw;
	return 0;
}

static void publish(uint32_t policy)
{
	size_t size;
	uint8_t *image = world_image(policy, 1, &size);

	world_publish(snapshot_path, image, size);
	free(image);
}

static int set_up(void **state)
{
	(void)state;
	passwd_error = 0;
	passwd_shift = 0;
	publish(0);
	return 0;
}

static int make_file(void **state)
{
	int fd = mkstemp(snapshot_path);

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(
	    localauth_dssync_initvt(NULL, 1, 1, (krb5_plugin_vtable)&vt), 0);
	return 0;
}

static int remove_file(void **state)
{
	(void)state;
	unlink(snapshot_path);
	return 0;
}

/* ---- principals -----------------------------------------------------------
 */

struct client {
	krb5_principal_data p;
	krb5_data part[2];
};

static krb5_data data_of(const char *s, size_t len)
{
	/* Exactly its bytes, so that a sanitizer sees who reads past them. */
	char *copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, s, len);
	return (krb5_data){ .data = copy, .length = (unsigned)len };
}

static void make_client(struct client *c, int type, const char *first,
			const char *second, const char *realm)
{
	memset(c, 0, sizeof(*c));
	c->part[0] = data_of(first, strlen(first));
	c->part[1] =
	    data_of(second ? second : "", second ? strlen(second) : 0);
	c->p.realm = data_of(realm, strlen(realm));
	c->p.data = c->part;
	c->p.length = second ? 2 : 1;
	c->p.type = type;
}

static void free_client(struct client *c)
{
	free(c->part[0].data);
	free(c->part[1].data);
	free(c->p.realm.data);
}

static krb5_error_code name_of(const char *sam, const char *realm, char *name,
			       size_t cap)
{
	krb5_error_code code;
	struct client c;
	char *out = NULL;

	make_client(&c, KRB5_NT_PRINCIPAL, sam, NULL, realm);
	code = vt.an2ln(NULL, NULL, NULL, NULL, &c.p, &out);
	free_client(&c);
	if (code != 0)
		assert_null(out);
	snprintf(name, cap, "%s", out ? out : "");
	if (out)
		vt.free_string(NULL, NULL, out);
	return code;
}

static krb5_error_code may(const char *sam, const char *account)
{
	krb5_error_code code;
	struct client c;

	make_client(&c, KRB5_NT_PRINCIPAL, sam, NULL, REALM);
	code = vt.userok(NULL, NULL, &c.p, account);
	free_client(&c);
	return code;
}

/* ---- a client's name ------------------------------------------------------
 */

static void a_client_is_its_object(void **state)
{
	static const struct {
		const char *sam, *name; /* NULL: nobody, for every module */
	} rows[] = {
		{ "driley", "driley@aaddscontoso.com" },
		{ "DRiley", "driley@aaddscontoso.com" },
		{ "smithj (3AF2)", "jane.smith@contoso.com" },
		{ "svc.backup", "svc.backup@aaddscontoso.com" },
		{ "bobby", "bob@aaddscontoso.com" },
		{ "j\303\274rgen", "j\303\274rgen@contoso.com" },
		{ "root", "root@aaddscontoso.com" },
		{ "0", "0@aaddscontoso.com" },
		/* bob is one's sAMAccountName, bob@domain another's UPN. */
		{ "bob", NULL },
		/* A UPN is not what the KDC calls its client. */
		{ "jane.smith", NULL },
		{ "alice", NULL },
		{ "driley@aaddscontoso.com", NULL },
		{ "jane.smith@contoso.com", NULL },
		{ "AADDSCONTOSO\\driley", NULL },
		{ "localuser", NULL },
		{ "driley$", NULL },
		{ "root$", NULL },
		{ "host1$", NULL },
		{ "driley\n", NULL },
		{ "driley ", NULL },
		{ "\377", NULL },
		{ "", NULL },
	};
	char name[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		krb5_error_code code =
		    name_of(rows[i].sam, REALM, name, sizeof(name));

		if (code != (rows[i].name ? 0 : KRB5_NO_LOCALNAME) ||
		    strcmp(name, rows[i].name ? rows[i].name : "") != 0)
			fail_msg("'%s' is '%s', %d", rows[i].sam, name,
				 (int)code);
	}
}

static void other_realms_are_left_to_others(void **state)
{
	static const char *const realms[] = { "aaddscontoso.com",
					      "AADDSCONTOSO.CO",
					      "AADDSCONTOSO.COMM",
					      "CONTOSO.COM", "" };
	char name[300];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(realms) / sizeof(*realms); i++)
		assert_int_equal(
		    name_of("driley", realms[i], name, sizeof(name)),
		    KRB5_LNAME_NOTRANS);
}

static void odd_principals_are_nobody(void **state)
{
	static const int types[] = { KRB5_NT_SRV_HST,
				     KRB5_NT_ENTERPRISE_PRINCIPAL,
				     KRB5_NT_SMTP_NAME, KRB5_NT_WELLKNOWN,
				     KRB5_NT_MS_PRINCIPAL };
	char longest[DS_NAME_MAX + 2] = "";
	struct client c;
	char *out = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(types) / sizeof(*types); i++) {
		make_client(&c, types[i], "driley", NULL, REALM);
		assert_int_equal(vt.an2ln(NULL, NULL, NULL, NULL, &c.p, &out),
				 KRB5_NO_LOCALNAME);
		assert_int_equal(
		    vt.userok(NULL, NULL, &c.p, "driley@aaddscontoso.com"),
		    EPERM);
		free_client(&c);
	}
	make_client(&c, KRB5_NT_PRINCIPAL, "driley", "admin", REALM);
	assert_int_equal(vt.an2ln(NULL, NULL, NULL, NULL, &c.p, &out),
			 KRB5_NO_LOCALNAME);
	c.p.length = 0;
	assert_int_equal(vt.an2ln(NULL, NULL, NULL, NULL, &c.p, &out),
			 KRB5_NO_LOCALNAME);
	free_client(&c);
	/* A NUL inside: "driley" is only its beginning. */
	make_client(&c, KRB5_NT_PRINCIPAL, "drileyXadmin", NULL, REALM);
	c.part[0].data[6] = '\0';
	assert_int_equal(vt.an2ln(NULL, NULL, NULL, NULL, &c.p, &out),
			 KRB5_NO_LOCALNAME);
	free_client(&c);
	memset(longest, 'a', sizeof(longest) - 1);
	make_client(&c, KRB5_NT_PRINCIPAL, longest, NULL, REALM);
	assert_int_equal(vt.an2ln(NULL, NULL, NULL, NULL, &c.p, &out),
			 KRB5_NO_LOCALNAME);
	free_client(&c);
	assert_null(out);
}

static void a_name_that_is_a_local_account_s_is_not_given(void **state)
{
	char name[300];

	(void)state;
	publish(DS_SNAP_BARE_USERS);
	assert_int_equal(name_of("driley", REALM, name, sizeof(name)),
			 KRB5_NO_LOCALNAME);
	assert_int_equal(name_of("bobby", REALM, name, sizeof(name)), 0);
	assert_string_equal(name, "bobby");
}

/* ---- may this client be that account? -------------------------------------
 */

static void the_own_account_in_every_spelling(void **state)
{
	(void)state;
	assert_int_equal(may("driley", "driley@aaddscontoso.com"), 0);
	assert_int_equal(may("driley", "DRiley@AADDSContoso.com"), 0);
	assert_int_equal(may("driley", "AADDSCONTOSO\\driley"), 0);
	assert_int_equal(may("smithj (3AF2)", "jane.smith@contoso.com"), 0);
	assert_int_equal(may("svc.backup", "svc.backup@aaddscontoso.com"), 0);
	assert_int_equal(may("root", "root@aaddscontoso.com"), 0);
	publish(DS_SNAP_CANONICAL);
	assert_int_equal(may("driley", "driley@aaddscontoso.com"), 0);
	/* passwd does not know it now, so nobody could be asked for. */
	assert_int_equal(may("driley", "AADDSCONTOSO\\driley"),
			 KRB5_PLUGIN_NO_HANDLE);
}

static void another_s_account_is_refused_firmly(void **state)
{
	static const char *const clients[] = { "bobby",       "bob",
					       "root",        "root$",
					       "driley$",     "jane.smith",
					       "nobody.here", "localuser" };
	struct client c;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(clients) / sizeof(*clients); i++)
		assert_int_equal(may(clients[i], "driley@aaddscontoso.com"),
				 EPERM);
	/* The UPN's owner and the sAMAccountName's: each his own, or nobody.
	 */
	assert_int_equal(may("bobby", "bob@aaddscontoso.com"), 0);
	assert_int_equal(may("bob", "bob@aaddscontoso.com"), EPERM);
	assert_int_equal(may("bob", "alice@contoso.com"), EPERM);
	make_client(&c, KRB5_NT_PRINCIPAL, "driley", NULL, "CONTOSO.COM");
	assert_int_equal(
	    vt.userok(NULL, NULL, &c.p, "driley@aaddscontoso.com"), EPERM);
	free_client(&c);
	make_client(&c, KRB5_NT_PRINCIPAL, "driley", "admin", REALM);
	assert_int_equal(
	    vt.userok(NULL, NULL, &c.p, "driley@aaddscontoso.com"), EPERM);
	free_client(&c);
}

static void local_accounts_are_left_to_others(void **state)
{
	static const char *const accounts[] = { "root", "localuser", "driley",
						"nobody.here", "" };
	size_t i, k;
	static const uint32_t policies[] = { 0, DS_SNAP_SHORT_NAMES,
					     DS_SNAP_BARE_USERS };

	(void)state;
	for (k = 0; k < sizeof(policies) / sizeof(*policies); k++) {
		publish(policies[k]);
		for (i = 0; i < sizeof(accounts) / sizeof(*accounts); i++) {
			assert_int_equal(may("driley", accounts[i]),
					 KRB5_PLUGIN_NO_HANDLE);
			assert_int_equal(may("root", accounts[i]),
					 KRB5_PLUGIN_NO_HANDLE);
		}
	}
}

static void a_uid_of_ours_without_an_object_is_refused(void **state)
{
	(void)state;
	assert_int_equal(may("driley", "left.over@aaddscontoso.com"), EPERM);
}

static void an_account_that_has_another_uid_is_refused(void **state)
{
	char name[300];

	(void)state;
	passwd_shift = 1;
	assert_int_equal(may("driley", "driley@aaddscontoso.com"), EPERM);
	assert_int_equal(name_of("driley", REALM, name, sizeof(name)),
			 KRB5_NO_LOCALNAME);
}

/* One account, with what the world has not. */
static void publish_one(const char *sam, uint32_t flags)
{
	static const uint64_t key[2] = { 1, 2 };
	struct ds_snap_stamp stamp = { .kind = DS_SNAP_BASE,
				       .id_min = WORLD_ID_MIN,
				       .id_max = WORLD_ID_MAX,
				       .domain = WORLD_DOMAIN };
	struct ds_snapw_user user = {
		.name = "one@contoso.com",
		.gecos = "",
		.home = "/home/one",
		.shell = "/bin/sh",
		.uid = WORLD_UID0,
		.gid = WORLD_UID0,
		.key_upn = "one@contoso.com",
		.key_sam = sam,
		.id = { .guid = { { 1 } },
			.sid = { .authority = 5,
				 .sub = { 21, 1, 2, 3, 1000 },
				 .count = 5 },
			.upn = "one@contoso.com",
			.sam = sam,
			.flags = flags }
	};
	struct ds_snapw *w = ds_snapw_new(DS_SNAP_BASE, "AADDSCONTOSO", key);
	FILE *from = tmpfile(), *to = tmpfile();
	static uint8_t image[1 << 20];
	uint32_t index;
	ssize_t size;

	assert_true(w && from && to);
	assert_int_equal(ds_snapw_user(w, &user, &index), 0);
	assert_int_equal(ds_snapw_write(w, fileno(from)), 0);
	ds_snapw_free(w);
	assert_int_equal(ds_snap_stamp_copy(fileno(from), fileno(to),
					    sizeof(image), &stamp),
			 0);
	size = pread(fileno(to), image, sizeof(image), 0);
	assert_true(size > 0);
	fclose(from);
	fclose(to);
	world_publish(snapshot_path, image, (size_t)size);
}

static void the_disabled_are_refused(void **state)
{
	char name[300];

	(void)state;
	publish_one("one", 0);
	assert_int_equal(may("one", "one@contoso.com"), 0);
	publish_one("one", DS_ID_DISABLED);
	assert_int_equal(may("one", "one@contoso.com"), EPERM);
	/* They still are who they are. */
	assert_int_equal(name_of("one", REALM, name, sizeof(name)), 0);
}

static void a_mirrored_machine_is_nobody(void **state)
{
	char name[300];

	(void)state;
	publish_one("one$", 0);
	assert_int_equal(may("one$", "one@contoso.com"), EPERM);
	assert_int_equal(may("one", "one@contoso.com"), EPERM);
	assert_int_equal(name_of("one$", REALM, name, sizeof(name)),
			 KRB5_NO_LOCALNAME);
}

static void errors_refuse(void **state)
{
	char name[300];

	(void)state;
	passwd_error = ENOMEM;
	assert_int_equal(may("driley", "driley@aaddscontoso.com"), EPERM);
	assert_int_equal(name_of("driley", REALM, name, sizeof(name)),
			 KRB5_NO_LOCALNAME);
}

static void without_a_snapshot(void **state)
{
	char name[300];

	(void)state;
	unlink(snapshot_path);
	/* Nobody is mapped, by no module: the realm may be ours. */
	assert_int_equal(name_of("driley", REALM, name, sizeof(name)),
			 KRB5_LNAME_CANTOPEN);
	assert_int_equal(may("driley", "left.over@aaddscontoso.com"), EPERM);
	assert_int_equal(may("driley", "root"), KRB5_PLUGIN_NO_HANDLE);
	assert_int_equal(may("driley", "localuser"), KRB5_PLUGIN_NO_HANDLE);
}

static void only_the_version_that_it_knows(void **state)
{
	struct krb5_localauth_vtable_st other = { NULL };

	(void)state;
	assert_int_equal(
	    localauth_dssync_initvt(NULL, 2, 1, (krb5_plugin_vtable)&other),
	    KRB5_PLUGIN_VER_NOTSUPP);
	assert_null(other.name);
	assert_string_equal(vt.name, "dssync");
	/* No types: it is asked whatever auth_to_local says. */
	assert_null(vt.an2ln_types);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_client_is_its_object, set_up),
		cmocka_unit_test_setup(other_realms_are_left_to_others,
				       set_up),
		cmocka_unit_test_setup(odd_principals_are_nobody, set_up),
		cmocka_unit_test_setup(
		    a_name_that_is_a_local_account_s_is_not_given, set_up),
		cmocka_unit_test_setup(the_own_account_in_every_spelling,
				       set_up),
		cmocka_unit_test_setup(another_s_account_is_refused_firmly,
				       set_up),
		cmocka_unit_test_setup(local_accounts_are_left_to_others,
				       set_up),
		cmocka_unit_test_setup(
		    a_uid_of_ours_without_an_object_is_refused, set_up),
		cmocka_unit_test_setup(
		    an_account_that_has_another_uid_is_refused, set_up),
		cmocka_unit_test_setup(the_disabled_are_refused, set_up),
		cmocka_unit_test_setup(a_mirrored_machine_is_nobody, set_up),
		cmocka_unit_test_setup(errors_refuse, set_up),
		cmocka_unit_test_setup(without_a_snapshot, set_up),
		cmocka_unit_test_setup(only_the_version_that_it_knows, set_up),
	};
	return cmocka_run_group_tests_name("localauth", tests, make_file,
					   remove_file);
}

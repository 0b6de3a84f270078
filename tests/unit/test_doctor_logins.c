/*
 * dssyncctl doctor: the rules of sshd_config and of PAM, and what of them
 * voids a refusal or looks at the name as typed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "dssyncctl/doctor.h"
#include "tests/unit/doctor_room.h"

/* ---- sshd_config ---- */

#define SSHD "/etc/ssh/sshd_config"

static void check_sshd(struct doc *d, const char *text)
{
	forget(d);
	files[0] = (struct file){ SSHD, text };
	doc_check_sshd(d, SSHD);
}

static void sshd_users_that_are_hosts(void **state)
{
	struct room r;

	(void)state;
	enter(&r, 0);
	check_sshd(&r.d, "UsePAM yes\nDenyUsers driley@aaddscontoso.com\n");
	expect(&r.d, "problem", "keeps nobody out", 1);
	expect(&r.d, "problem", "write DenyUsers driley?aaddscontoso.com", 1);
	assert_int_equal(r.d.worst, DOC_PROBLEM);
	check_sshd(&r.d, "UsePAM yes\nDenyUsers driley@x@contoso.com\n");
	expect(&r.d, "problem", "user 'driley@x'", 1);
	check_sshd(&r.d, "UsePAM yes\nallowusers root *@Contoso.com x@*\n");
	expect(&r.d, "problem", "lets nobody in", 2);
	expect(&r.d, "problem", "write allowusers *?contoso.com", 0);
	check_sshd(&r.d, "UsePAM yes\nAllowUsers=\"AADDSCONTOSO\\driley\"\n");
	expect(&r.d, "problem", "matches nobody", 1);
	/* Hosts that are hosts, patterns that work, local names. */
	check_sshd(&r.d, "UsePAM yes\nAllowUsers root admin@10.0.0.* "
			 "driley?aaddscontoso.com x@host.example.org\n"
			 "# DenyUsers driley@aaddscontoso.com\n");
	assert_int_equal(r.d.worst, DOC_OK);
	/* Without a snapshot nobody knows the suffixes: names are suspected.
	 */
	r.d.snap = NULL;
	check_sshd(&r.d, "UsePAM yes\nDenyUsers a@b.example c@10.1.2.3\n");
	expect(&r.d, "problem", "keeps nobody out", 1);
	leave(&r);
}

static void sshd_rules_by_the_typed_name(void **state)
{
	struct room r;

	(void)state;
	enter(&r, 0);
	check_sshd(&r.d,
		   "UsePAM yes\n"
		   "Match Address 10.0.0.1 User root,driley*,\"j@x.y\"\n"
		   "  ForceCommand /bin/false\n"
		   "Match Group staff\nMatch all\nMatch user localuser\n");
	expect(&r.d, "warning", "Match User driley*'", 1);
	expect(&r.d, "warning", "Match User j@x.y'", 1);
	expect(&r.d, "warning", "", 2);
	leave(&r);
	enter(&r, DS_SNAP_CANONICAL);
	check_sshd(&r.d, "UsePAM yes\nMatch User driley*\n");
	assert_int_equal(r.d.worst, DOC_OK);
	leave(&r);
	enter(&r, DS_SNAP_SHORT_NAMES);
	check_sshd(&r.d, "UsePAM yes\nMatch User root,driley\n");
	expect(&r.d, "warning", "Match User driley'", 1);
	leave(&r);
}

static void sshd_and_pam(void **state)
{
	struct room r;

	(void)state;
	enter(&r, 0);
	check_sshd(&r.d, "");
	expect(&r.d, "problem", "does not use PAM", 1);
	check_sshd(&r.d, "usepam no\nUsePAM yes\n");
	expect(&r.d, "problem", "does not use PAM", 1);
	check_sshd(&r.d, "Match User x\nUsePAM yes\n");
	expect(&r.d, "problem", "does not use PAM", 1);
	check_sshd(&r.d, "UsePAM = yes\nUsePAM no\n");
	expect(&r.d, "ok", "UsePAM", 1);
	files[0].path = NULL;
	forget(&r.d);
	doc_check_sshd(&r.d, SSHD);
	expect(&r.d, "warning", "cannot be read", 1);
	leave(&r);
}

static void write_file(const char *folder, const char *name, const char *text)
{
	char path[256];
	FILE *out;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	out = fopen(path, "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void sshd_includes(void **state)
{
	char folder[] = "/tmp/dssync-doctor-XXXXXX", path[256];
	struct room r;

	(void)state;
	assert_non_null(mkdtemp(folder));
	write_file(folder, "main",
		   "Match User a\nInclude *.conf\n"
		   "Include missing\n");
	write_file(folder, "1.conf", "DenyUsers bob@aaddscontoso.com\n");
	write_file(folder, "2.conf", "Include 2.conf\nUsePAM yes\n");
	enter(&r, 0);
	r.d.load = doc_load_file;
	snprintf(path, sizeof(path), "%s/main", folder);
	doc_check_sshd(&r.d, path);
	expect(&r.d, "problem", "DenyUsers bob@", 1);
	/* Inside a Match block; and a file that includes itself ends. */
	expect(&r.d, "problem", "does not use PAM", 1);
	leave(&r);
	snprintf(path, sizeof(path), "rm -r %s", folder);
	assert_int_equal(system(path), 0);
}

/* ---- PAM ---- */

#define DSSYNC "[default=bad success=ok user_unknown=ignore] pam_dssync.so\n"
#define AUTH   "auth [success=2 default=ignore] pam_unix.so\nauth " DSSYNC
#define ACCOUNT                                                               \
	"account [success=1 default=ignore] pam_unix.so\n"                    \
	"account " DSSYNC
#define SESSION  "session " DSSYNC
#define COMPLETE AUTH ACCOUNT SESSION

static void check_pam(struct doc *d, const char *sshd)
{
	forget(d);
	files[0] = (struct file){ "/p/sshd", sshd };
	doc_check_pam(d, "/p/");
}

static void pam_is_complete(void **state)
{
	struct room r;

	(void)state;
	enter(&r, 0);
	files[1] = (struct file){ "/p/common", AUTH };
	files[2] = (struct file){ "/p/all", COMPLETE };
	check_pam(&r.d, COMPLETE);
	expect(&r.d, "ok", "pam.d/sshd", 1);
	assert_int_equal(json_array_size(r.d.list), 1);
	/* Includes of three kinds, a path, a joined line, a dash. */
	check_pam(&r.d, "@include common\n-account\tinclude all\n"
			"session \\\n required /lib/security/pam_dssync.so\n");
	expect(&r.d, "ok", "pam.d/sshd", 1);
	check_pam(&r.d, "auth substack all\naccount include all\n");
	expect(&r.d, "warning", "no pam_dssync in 'session'", 1);
	check_pam(&r.d, "@include common\n#" ACCOUNT);
	expect(&r.d, "problem", "no pam_dssync in 'account'", 0);
	check_pam(&r.d, "@include common\n# account x pam_dssync.so\n");
	expect(&r.d, "problem", "no pam_dssync in 'account'", 1);
	check_pam(&r.d, "");
	expect(&r.d, "problem", "no pam_dssync", 2);
	check_pam(&r.d, "@include nothing\n" COMPLETE);
	expect(&r.d, "warning", "cannot be read", 1);
	check_pam(&r.d, "@include sshd\n" COMPLETE);
	expect(&r.d, "warning", "cannot be read", 1); /* and it ends */
	leave(&r);
}

static void pam_lines_that_void_the_refusal(void **state)
{
	struct room r;

	(void)state;
	enter(&r, 0);
	check_pam(&r.d, AUTH SESSION "account optional pam_dssync.so\n");
	expect(&r.d, "problem", "optional in 'account'", 1);
	expect(&r.d, "ok", "", 0);
	check_pam(&r.d, "account sufficient pam_unix.so\n" COMPLETE);
	expect(&r.d, "problem", "pam_unix.so ends 'account'", 1);
	check_pam(&r.d,
		  "account [success=done default=bad] pam_unix.so\n" COMPLETE);
	expect(&r.d, "problem", "pam_unix.so ends 'account'", 1);
	check_pam(&r.d, COMPLETE "account sufficient pam_unix.so\n");
	expect(&r.d, "ok", "pam.d/sshd", 1);
	check_pam(&r.d, "account sufficient pam_localuser.so\n"
			"auth sufficient pam_rootok.so\n" COMPLETE);
	expect(&r.d, "ok", "pam.d/sshd", 1);
	leave(&r);
}

/* Whatever its control says, as libpam takes it. */
static void pam_controls(void **state)
{
	static const struct {
		const char *type, *control, *part; /* "": well */
	} rows[] = {
		{ "account", "[default=bad success=ok user_unknown=ignore]",
		  "" },
		{ "account", "[success=ok user_unknown=ignore]", "" },
		{ "account", "[SUCCESS=ok Default=DIE user_unknown=ignore]",
		  "" },
		{ "account", "sufficient", "counts for nothing" },
		{ "account", "optional", "counts for nothing" },
		{ "account", "[success=ok default=ignore]",
		  "counts for nothing" },
		{ "account", "[default=bad perm_denied=1 user_unknown=ignore]",
		  "counts for nothing" },
		{ "account", "required", "keeps local users out" },
		{ "account", "requisite", "keeps local users out" },
		{ "account", "[success=ok default=bad]",
		  "keeps local users out" },
		{ "auth", "sufficient", "" },
		{ "auth", "[success=2 user_unknown=ignore default=die]", "" },
		{ "auth", "[success=1 default=ignore]", "" },
		{ "auth", "optional", "counts for nothing" },
		{ "auth", "required", "keeps local users out" },
	};
	char text[512];
	struct room r;

	(void)state;
	enter(&r, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		bool auth = strcmp(rows[i].type, "auth") == 0;

		(void)snprintf(text, sizeof(text), "%s%s %s pam_dssync.so\n%s",
			       auth ? ACCOUNT : AUTH, rows[i].type,
			       rows[i].control, SESSION);
		check_pam(&r.d, text);
		expect(&r.d, "ok", "pam.d/sshd", rows[i].part[0] == '\0');
		expect(&r.d, "problem", rows[i].part, rows[i].part[0] != '\0');
	}
	leave(&r);
}

static void pam_rules_by_the_typed_name(void **state)
{
	struct room r;

	(void)state;
	enter(&r, 0);
	check_pam(&r.d, COMPLETE
		  "auth required pam_succeed_if.so quiet user != root\n"
		  "auth required pam_succeed_if.so user ingroup a@b\n"
		  "auth required pam_succeed_if.so uid >= 1000 user = "
		  "driley@aaddscontoso.com\n");
	expect(&r.d, "warning", "pam_succeed_if", 1);
	expect(&r.d, "warning", "user = driley@", 1);
	files[1] = (struct file){ "/p/list", "root\njane@contoso.com\n" };
	files[2] = (struct file){ "/p/local", "root\nlocaluser\n" };
	check_pam(&r.d, COMPLETE "auth required pam_listfile.so item=user "
				 "sense=deny file=/p/list onerr=fail\n");
	expect(&r.d, "warning", "pam_listfile compares /p/list", 1);
	check_pam(&r.d, COMPLETE
		  "auth required pam_listfile.so item=user file=/p/local\n"
		  "auth required pam_listfile.so item=group file=/p/list\n"
		  "auth required pam_listfile.so item=user file=/p/none\n");
	expect(&r.d, "warning", "", 0);
	leave(&r);
	enter(&r, DS_SNAP_CANONICAL);
	check_pam(&r.d, COMPLETE "auth required pam_succeed_if.so user = "
				 "driley@aaddscontoso.com\n");
	assert_int_equal(r.d.worst, DOC_OK);
	leave(&r);
}

static void pam_access(void **state)
{
	struct room r;

	(void)state;
	enter(&r, 0);
	doc_check_access(&r.d, "x",
			 "-:driley@aaddscontoso.com:ALL\n"
			 "+ : root (wheel) @net jane@contoso.com : LOCAL\n"
			 "-:AADDSCONTOSO\\driley:ALL EXCEPT a:b\n"
			 "# -:bob@contoso.com:ALL\n"
			 "-:bob@contoso.com\n"
			 "-:ALL EXCEPT root localuser:ALL\n:::\n");
	expect(&r.d, "problem", "keeps nobody out", 2);
	expect(&r.d, "problem", "lets nobody in", 1);
	assert_int_equal(json_array_size(r.d.list), 3);
	forget(&r.d);
	files[1] = (struct file){ "/etc/security/access.conf",
				  "-:driley@aaddscontoso.com:ALL\n" };
	check_pam(&r.d, COMPLETE "account required pam_access.so\n");
	expect(&r.d, "problem", "keeps nobody out", 1);
	check_pam(&r.d, COMPLETE);
	expect(&r.d, "problem", "", 0);
	leave(&r);
}

static void pam_time(void **state)
{
	struct room r;

	(void)state;
	enter(&r, 0);
	doc_check_time(&r.d, "x",
		       "sshd;*;driley@aaddscontoso.com;!Al0000-2400\n"
		       "login & sshd ; tty* ; \\\n"
		       "!root & !DOM\\jane | @net ; Al0000-2400 # a@b\n"
		       "*;*;localuser|*;Wk0000-2400\n"
		       "# *;*;bob@contoso.com;Al\n;;\nbob@contoso.com\n");
	expect(&r.d, "problem", "'driley@aaddscontoso.com' is no user's", 1);
	expect(&r.d, "problem", "'DOM\\jane' is no user's", 1);
	assert_int_equal(json_array_size(r.d.list), 2);
	forget(&r.d);
	files[1] = (struct file){ "/etc/security/time.conf",
				  "*;*;driley@aaddscontoso.com;!Al\n" };
	check_pam(&r.d, COMPLETE "account required pam_time.so\n");
	expect(&r.d, "problem", "never means that user", 1);
	check_pam(&r.d, COMPLETE);
	expect(&r.d, "problem", "", 0);
	leave(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sshd_users_that_are_hosts),
		cmocka_unit_test(sshd_rules_by_the_typed_name),
		cmocka_unit_test(sshd_and_pam),
		cmocka_unit_test(sshd_includes),
		cmocka_unit_test(pam_is_complete),
		cmocka_unit_test(pam_lines_that_void_the_refusal),
		cmocka_unit_test(pam_controls),
		cmocka_unit_test(pam_rules_by_the_typed_name),
		cmocka_unit_test(pam_access),
		cmocka_unit_test(pam_time),
	};
	return cmocka_run_group_tests_name("doctor, logins", tests, NULL,
					   NULL);
}

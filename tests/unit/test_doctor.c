/*
 * dssyncctl doctor: nsswitch.conf, users, the keytab, what the daemon says.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dssyncctl/doctor.h"
#include "lib/snapshot_stamp.h"
#include "lib/snapshot_write.h"
#include "tests/unit/doctor_room.h"

/* ---- lines ---- */

static void lines_and_words(void **state)
{
	const char *text = "a \"b c\"\\\n d # no\n\nlast\\", *p;
	char word[4], *line;

	(void)state;
	line = doc_line(&text, true);
	p = line;
	assert_true(doc_word(&p, word, sizeof(word)));
	assert_string_equal(word, "a");
	assert_true(doc_word(&p, word, sizeof(word)));
	assert_string_equal(word, "b c");
	assert_true(doc_word(&p, word, sizeof(word)));
	assert_string_equal(word, "d");
	assert_false(doc_word(&p, word, sizeof(word)));
	free(line);
	line = doc_line(&text, true);
	assert_string_equal(line, "");
	free(line);
	line = doc_line(&text, true);
	assert_string_equal(line, "last\\");
	p = line;
	assert_true(doc_word(&p, word, sizeof(word)));
	assert_string_equal(word, "las");
	free(line);
	assert_null(doc_line(&text, true));
}

/* ---- nsswitch.conf ---- */

static void nsswitch(void **state)
{
	static const struct {
		const char *text, *level, *part;
	} rows[] = {
		{ "passwd: files dssync\n", "ok", "passwd" },
		{ "passwd:files systemd dssync", "ok", "passwd" },
		{ " passwd :\tcompat dssync # x\n", "ok", "passwd" },
		{ "passwd: files [SUCCESS=return] dssync", "ok", "passwd" },
		{ "passwd: files\npasswd: files dssync\n", "ok", "passwd" },
		{ "passwd: files dssync [NOTFOUND=return] x", "ok", "passwd" },
		{ "passwd: files\n", "problem", "does not ask dssync" },
		{ "", "problem", "does not ask dssync" },
		{ "#passwd: files dssync\n", "problem",
		  "does not ask dssync" },
		{ "passwd: files # dssync\n", "problem",
		  "does not ask dssync" },
		{ "passwdx: files dssync\n", "problem",
		  "does not ask dssync" },
		{ "passwd: dssync files\n", "problem", "before files" },
		{ "passwd: dssync\n", "problem", "before files" },
		{ "passwd: files [NotFound=return] dssync\n", "problem",
		  "NOTFOUND=return" },
	};
	struct room r;
	size_t i;

	(void)state;
	enter(&r, 0);
	for (i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		forget(&r.d);
		doc_check_nsswitch(&r.d, rows[i].text);
		expect(&r.d, rows[i].level, "passwd", 1);
		expect(&r.d, rows[i].level, rows[i].part,
		       strstr(rows[i].part, "does not") ? 2 : 1);
		expect(&r.d, "problem", "'group'", 1);
	}
	forget(&r.d);
	doc_check_nsswitch(&r.d, "passwd: files dssync\n"
				 "group: files dssync\n");
	assert_int_equal(r.d.worst, DOC_OK);
	leave(&r);
}

/* ---- users ---- */

static void shells(void **state)
{
	static char zsh[] = "/bin/zsh";
	struct ds_config config = { .domain.name = NULL };
	struct room r;

	(void)state;
	enter(&r, 0);
	doc_check_shells(&r.d, "# x\n/bin/sh\n/bin/bash\n");
	expect(&r.d, "ok", "shell", 1);
	forget(&r.d);
	doc_check_shells(&r.d, "/bin/sh\n#/bin/bash\n/bin/bashful\n");
	expect(&r.d, "warning", "/bin/bash", 1);
	assert_int_equal(json_array_size(r.d.list), 1);
	/* What the configuration wants, and users do not have. */
	forget(&r.d);
	config.identity.shell = zsh;
	r.d.config = &config;
	doc_check_shells(&r.d, "/bin/bash\n");
	expect(&r.d, "warning", "configured shell /bin/zsh", 1);
	forget(&r.d);
	doc_check_shells(&r.d, "/bin/bash\n/bin/zsh\n");
	expect(&r.d, "ok", "shell", 1);
	leave(&r);
}

/* The local user's range holds an id of the domain, or ends before it. */
static void subordinate_ids(void **state)
{
	struct ds_snap_group group;
	struct ds_snap_user user;
	char text[128];
	struct room r;

	(void)state;
	enter(&r, 0);
	assert_int_equal(ds_snap_user_at(r.d.snap, 0, &user), 0);
	assert_int_equal(ds_snap_group_at(r.d.snap, 0, &group), 0);
	doc_check_subuid(&r.d, "");
	doc_check_subgid(&r.d, "# none\nolaf:100000:65536\nolaf\n");
	expect(&r.d, "ok", "gives away no id", 2);
	forget(&r.d);
	snprintf(text, sizeof(text), "olaf:100000:65536\npeer:%u:1\n",
		 user.uid);
	doc_check_subuid(&r.d, text);
	expect(&r.d, "problem", "peer may act as", 1);
	assert_int_equal(json_array_size(r.d.list), 1);
	forget(&r.d);
	snprintf(text, sizeof(text), "olaf:100000:%u\n", group.gid - 99999);
	doc_check_subgid(&r.d, text);
	expect(&r.d, "problem", "olaf may act as", 1);
	forget(&r.d);
	snprintf(text, sizeof(text), "olaf:%u:5\n", user.uid - 5);
	doc_check_subuid(&r.d, text);
	expect(&r.d, "ok", "gives away no id", 1);
	leave(&r);
}

static void add_user(struct ds_snapw *w, uint32_t n, const char *home)
{
	char name[64], sam[16];
	struct ds_snapw_user user = {
		.name = name,
		.gecos = "",
		.home = home,
		.shell = "/nowhere/sh",
		.uid = WORLD_UID0 + n,
		.gid = WORLD_GID0,
		.key_upn = name,
		.key_sam = sam,
		.id = { .guid = { { (uint8_t)n } },
			.sid = { .authority = 5,
				 .sub = { 21, 1, 2, 3, 1000 + n },
				 .count = 5 },
			.upn = name,
			.sam = sam },
	};
	uint32_t index;

	snprintf(name, sizeof(name), "one@%u.contoso.com", n);
	snprintf(sam, sizeof(sam), "one%u", n);
	assert_int_equal(ds_snapw_user(w, &user, &index), 0);
}

static void homes(void **state)
{
	static const uint64_t key[2] = { 1, 2 };
	struct ds_snap_stamp stamp = { .kind = DS_SNAP_BASE,
				       .id_min = WORLD_ID_MIN,
				       .id_max = WORLD_ID_MAX,
				       .domain = WORLD_DOMAIN };
	struct ds_snapw *w = ds_snapw_new(DS_SNAP_BASE, "X", key);
	FILE *from = tmpfile(), *to = tmpfile();
	const size_t cap = 1 << 20;
	uint8_t *image = malloc(cap);
	struct room r;
	ssize_t size;

	(void)state;
	enter(&r, 0);
	doc_check_homes(&r.d);
	expect(&r.d, "ok", "home", 1);
	leave(&r);
	assert_true(w && from && to && image);
	add_user(w, 1, "/home/one");
	add_user(w, 2, "/home/other");
	add_user(w, 3, "/home/one");
	assert_int_equal(ds_snapw_write(w, fileno(from)), 0);
	ds_snapw_free(w);
	assert_int_equal(
	    ds_snap_stamp_copy(fileno(from), fileno(to), cap, &stamp), 0);
	size = pread(fileno(to), image, cap, 0);
	assert_true(size > 0);
	fclose(from);
	fclose(to);
	enter_image(&r, image, (size_t)size);
	doc_check_homes(&r.d);
	expect(&r.d, "problem", "share the home folder /home/one", 1);
	/* Listed, but not there. */
	doc_check_shells(&r.d, "/nowhere/sh\n");
	expect(&r.d, "warning", "/nowhere/sh", 1);
	leave(&r);
}

static void snapshot_age(void **state)
{
	struct room r;

	(void)state;
	enter(&r, 0);
	doc_check_snapshot(&r.d, 1700000000);
	assert_int_equal(r.d.worst, DOC_OK);
	doc_check_snapshot(&r.d, 1700000000 - 3600);
	expect(&r.d, "warning", "in the future", 1);
	r.d.snap = NULL;
	doc_check_snapshot(&r.d, 1700000000);
	expect(&r.d, "problem", "no snapshot", 1);
	doc_check_homes(&r.d);
	doc_check_shells(&r.d, "");
	leave(&r);
}

/* ---- the keytab, the daemon ---- */

static void keytab(void **state)
{
	char path[] = "/tmp/dssync-doctor-XXXXXX";
	int fd = mkstemp(path);
	struct room r;

	(void)state;
	assert_true(fd >= 0);
	enter(&r, 0);
	doc_check_keytab(&r.d, path);
	expect(&r.d, "problem", "no keys", 1);
	forget(&r.d);
	assert_int_equal(write(fd, "x", 1), 1);
	assert_int_equal(fchmod(fd, 0640), 0);
	doc_check_keytab(&r.d, path);
	expect(&r.d, "problem", "mode 640", 1);
	forget(&r.d);
	assert_int_equal(fchmod(fd, 0600), 0);
	doc_check_keytab(&r.d, path);
	expect(&r.d, geteuid() == 0 ? "ok" : "problem", path, 1);
	forget(&r.d);
	close(fd);
	unlink(path);
	doc_check_keytab(&r.d, path);
	expect(&r.d, "problem", "adcli join", 1);
	leave(&r);
}

static void say_status(struct doc *d, const char *sync, const char *auth,
		       bool running)
{
	struct ctl_daemon daemon = {
		.monitor = json_pack("{s:{s:b}, s:{s:b}, s:s}", "sync",
				     "running", running, "auth", "running", 1,
				     "keytab_problem", ""),
		.sync = json_loads(sync, 0, NULL),
		.auth = json_loads(auth, 0, NULL),
	};

	forget(d);
	d->daemon = &daemon;
	doc_check_daemon(d, 1000000);
	d->daemon = NULL;
	ctl_daemon_done(&daemon);
}

/* A KDC was asked just now: that counts, whatever went well before. */
static void say_host(struct doc *d)
{
	struct doc_host host = { DS_AUTH_OK, "" };

	d->host = &host;
	say_status(d, "{\"last_pull\":999999}", "{}", true);
	expect(d, "ok", "knows this host by its key", 1);
	host = (struct doc_host){ DS_AUTH_UNAVAILABLE, "nobody there" };
	say_status(d, "{\"last_pull\":999999}", "{}", true);
	expect(d, "problem", "KDC: nobody there", 1);
	expect(d, "ok", "KDC", 0);
	say_status(d, "{\"last_pull\":999999}",
		   "{\"trouble\":\"key\",\"last_error\":\"before\"}", true);
	expect(d, "problem", "KDC: nobody there", 1);
	expect(d, "problem", "another than the keytab: before", 1);
	host = (struct doc_host){ DS_AUTH_DENIED, "failed" };
	say_status(d, "{\"last_pull\":999999}", "{\"trouble\":\"key\"}", true);
	expect(d, "problem", "another than the keytab: failed", 1);
	expect(d, "problem", "", 1);
	say_status(d, "{\"last_pull\":999999}", "{}", true);
	expect(d, "problem", "KDC: failed", 1);
	say_status(d, "{\"last_pull\":999999}",
		   "{\"doubted\":[{\"kdc\":\"192.0.2.1\",\"until\":1000001},"
		   "{\"kdc\":\"192.0.2.2\",\"until\":999999}]}",
		   true);
	expect(d, "warning", "192.0.2.1 answers, and has not proven", 1);
	expect(d, "warning", "KDC", 1);
	/* Without a key there was nothing to ask with. */
	say_status(d, "{\"last_pull\":999999}",
		   "{\"keytab_problem\":\"none\"}", true);
	expect(d, "problem", "host key: none", 1);
	expect(d, "problem", "KDC", 0);
	d->host = NULL;
}

static void daemon_status(void **state)
{
	struct room r;

	(void)state;
	enter(&r, 0);
	say_status(&r.d,
		   "{\"server\":\"dc1.x\",\"transport\":\"gssapi\","
		   "\"last_error\":null,\"last_pull\":999990}",
		   "{\"principal\":\"H$@X\",\"kvno\":2}", true);
	assert_int_equal(r.d.worst, DOC_OK);
	expect(&r.d, "ok", "dc1.x proved itself", 1);
	expect(&r.d, "ok", "version 2", 1);
	say_status(&r.d,
		   "{\"server\":\"dc1.x\",\"last_pull\":900000,"
		   "\"last_error\":\"no proof\"}",
		   "{\"keytab_problem\":\"stale\",\"last_error\":\"late\"}",
		   false);
	expect(&r.d, "problem", "dssync-sync does not run", 1);
	expect(&r.d, "problem", "host key: stale", 1);
	expect(&r.d, "problem", "domain controller: no proof", 1);
	expect(&r.d, "ok", "proved itself", 0);
	expect(&r.d, "warning", "last synchronization was", 1);
	expect(&r.d, "warning", "late", 1);
	say_status(&r.d, "{\"last_error\":\"x\"}",
		   "{\"last_error\":\"late\",\"trouble\":\"clock\"}", true);
	expect(&r.d, "problem", "clock: it differs", 1);
	expect(&r.d, "problem", "nothing was synchronized", 1);
	say_status(
	    &r.d, "{\"last_pull\":999999}",
	    "{\"last_error\":\"no\",\"trouble\":\"key\",\"clock\":null}",
	    true);
	expect(&r.d, "problem", "another than the keytab", 1);
	expect(&r.d, "ok", "clock", 0);
	say_status(&r.d, "{\"last_pull\":999999}",
		   "{\"last_error\":\"Preauthentication failed\","
		   "\"trouble\":null,\"clock\":301}",
		   true);
	expect(&r.d, "problem", "clock: the domain's is +301", 1);
	expect(&r.d, "problem", "", 1);
	expect(&r.d, "warning", "Preauthentication failed", 1);
	say_status(&r.d, "{\"last_pull\":999999}", "{\"clock\":-61}", true);
	expect(&r.d, "warning", "clock: the domain's is -61", 1);
	say_status(&r.d, "{\"last_pull\":999999}", "{\"clock\":0}", true);
	expect(&r.d, "ok", "clock: the domain's is +0", 1);
	say_host(&r.d);
	forget(&r.d);
	doc_check_daemon(&r.d, 0);
	expect(&r.d, geteuid() == 0 ? "problem" : "warning", "synccached", 1);
	leave(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_and_words),
		cmocka_unit_test(nsswitch),
		cmocka_unit_test(shells),
		cmocka_unit_test(subordinate_ids),
		cmocka_unit_test(homes),
		cmocka_unit_test(snapshot_age),
		cmocka_unit_test(keytab),
		cmocka_unit_test(daemon_status),
	};
	return cmocka_run_group_tests_name("doctor", tests, NULL, NULL);
}

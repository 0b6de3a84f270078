/*
 * Everything that can be asked of a snapshot.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/snap_exercise.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/resolve.h"
#include "lib/snapshot_format.h"
#include "nss_dssync/nss_dssync.h"

#define CHECK(x)                                                              \
	((x) ? (void)0                                                        \
	     : (void)(fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x), \
		      abort()))

static const char *const names[] = {
	"driley@aaddscontoso.com",
	"DRILEY@AADDSCONTOSO.COM",
	"AADDSCONTOSO\\driley",
	"aaddscontoso\\smithj (3af2)",
	"driley",
	"jane.smith@contoso.com",
	"svc.backup@aaddscontoso.com",
	"bob",
	"bob@aaddscontoso.com",
	"j\303\274rgen@contoso.com",
	"root",
	"sudo",
	"0",
	"nobody@nowhere",
	"@",
	"\\",
	"",
	"AADDSCONTOSO\\",
	"domain users@aaddscontoso.com",
	"sudo@aaddscontoso.com",
	"AADDSCONTOSO\\Domain Users",
	"empty@aaddscontoso.com",
};
static const uint32_t ids[] = { 0,      27,         999,         1000,
				61184,  65534,      65535,       199999,
				200513, 200514,     300000,      300001,
				300007, 2147483647, 2147483648u, 4294967295u };

/* The ids that must never be answered, spelled out once more. */
static void check_id(const struct ds_snap *snap, uint32_t id)
{
	CHECK(id >= 1000 && id <= 2147483647u);
	CHECK(id < 61184 || id > 65535);
	CHECK(id >= snap->stamp.id_min && id <= snap->stamp.id_max);
}

static void check_string(const char *s)
{
	for (; *s; s++)
		CHECK(*s != ':' && *s != '\n' && (unsigned char)*s >= 0x20);
}

static void check_name(const char *s, bool bare)
{
	check_string(s);
	CHECK(ds_name_ok(s));
	CHECK(bare || strchr(s, '@'));
}

static void check_user(const struct ds_snap *snap,
		       const struct ds_snap_user *user)
{
	size_t size = user->blob_len, i, n;
	char *buf =
	    malloc(size); /* exact, so that a checker sees a byte more */
	uint32_t *gids;
	struct passwd pw;

	CHECK(buf &&
	      nss_fill_passwd(user, &pw, buf, size - 1) == DS_ERR_RANGE);
	CHECK(nss_fill_passwd(user, &pw, buf, size) == 0);
	check_id(snap, pw.pw_uid);
	check_id(snap, pw.pw_gid);
	check_name(pw.pw_name, snap->stamp.policy & DS_SNAP_BARE_USERS);
	CHECK(strcmp(pw.pw_passwd, "*") == 0 && pw.pw_dir[0] == '/');
	check_string(pw.pw_gecos);
	check_string(pw.pw_dir);
	check_string(pw.pw_shell);
	free(buf);
	gids = malloc(((size_t)user->ngids + 1) * sizeof(*gids));
	CHECK(gids);
	n = ds_snap_copy_gids(snap, user, user->gid, gids, user->ngids);
	CHECK(n <= user->ngids);
	for (i = 0; i < n; i++) {
		check_id(snap, gids[i]);
		CHECK(gids[i] != user->gid);
	}
	free(gids);
}

static void check_group(const struct ds_snap *snap,
			const struct ds_snap_group *group)
{
	size_t size = (size_t)group->blob_len + group->members_size +
		      ((size_t)group->nmembers + 1) * sizeof(char *);
	char *buf = malloc(size), **m;
	struct group gr;
	int r;

	CHECK(buf &&
	      nss_fill_group(snap, group, &gr, buf, size - 1) == DS_ERR_RANGE);
	r = nss_fill_group(snap, group, &gr, buf, size);
	CHECK(r == 0 || r == DS_ERR_RANGE); /* members_size may lie */
	if (r == 0) {
		check_id(snap, gr.gr_gid);
		check_name(gr.gr_name,
			   snap->stamp.policy & DS_SNAP_BARE_GROUPS);
		CHECK(strcmp(gr.gr_passwd, "*") == 0);
		for (m = gr.gr_mem; *m; m++)
			check_name(*m,
				   snap->stamp.policy & DS_SNAP_BARE_USERS);
	}
	free(buf);
}

static size_t lengths(const char *const *s, size_t n)
{
	size_t sum = 0;

	while (n--)
		sum += strlen(*s++); /* reads all of it */
	return sum;
}

static void check_cold(const struct ds_snap *snap)
{
	struct ds_snap_identity id;
	struct ds_snap_note note;
	struct ds_snap_account acc;
	struct ds_guid guid = { { 0 } };
	char sid[DS_SID_STR_MAX];
	volatile size_t sink = 0;
	const uint8_t *record;
	size_t len;
	uint32_t i;

	if (ds_snap_record(snap, &record, &len) == 0)
		for (i = 0; i < len; i++)
			sink += record[i];
	for (i = 0; i <= ds_snap_note_count(snap) && i < 64; i++)
		if (ds_snap_note_at(snap, i, &note) == 0)
			sink += strlen(note.name) + strlen(note.detail) +
				strlen(note.sam) + strlen(note.upn);
	for (i = 0; i < 64; i++) {
		if (ds_snap_user_identity(snap, i, &id) == 0 ||
		    ds_snap_group_identity(snap, i, &id) == 0) {
			const char *s[] = { id.upn,          id.sam,
					    id.display_name, id.nickname,
					    id.object_id,    id.dn };

			struct ds_snap_attr attr;
			uint32_t n;

			for (n = 0; n < 64; n++)
				if (ds_snap_user_attr(snap, i, n, &attr) ==
					0 ||
				    ds_snap_group_attr(snap, i, n, &attr) == 0)
					sink += strlen(attr.name) +
						strlen(attr.value);
			sink += lengths(s, 6);
			sink += strlen(ds_sid_to_str(&id.sid, sid));
		}
		guid.b[0] = (uint8_t)i;
		if (ds_snap_account_by_guid(snap, &guid, &acc) == 0) {
			const char *s[] = { acc.upn, acc.sam };

			check_id(snap, acc.uid);
			check_name(acc.name,
				   snap->stamp.policy & DS_SNAP_BARE_USERS);
			CHECK(ds_guid_equal(&acc.guid, &guid));
			sink += lengths(s, 2);
		}
	}
	(void)sink;
}

static unsigned exercise_name(const struct ds_snap *snap, const char *name)
{
	struct ds_snap_user user;
	struct ds_snap_group group;
	unsigned n = 0;
	int r = ds_resolve_user(snap, name, &user);

	CHECK(r == 0 || r == DS_ERR_NOTFOUND);
	if (r == 0) {
		check_user(snap, &user);
		n++;
		if (snap->stamp.policy & DS_SNAP_CANONICAL)
			CHECK(strcmp(user.blob, name) == 0);
	}
	r = ds_resolve_group(snap, name, &group);
	CHECK(r == 0 || r == DS_ERR_NOTFOUND);
	if (r == 0) {
		check_group(snap, &group);
		n++;
	}
	return n;
}

unsigned snap_exercise(const struct ds_snap *snap, const char *extra)
{
	struct ds_snap_user user;
	struct ds_snap_group group;
	unsigned n = 0;
	uint32_t i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		n += exercise_name(snap, names[i]);
	if (extra)
		n += exercise_name(snap, extra);
	for (i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
		if (ds_snap_user_by_uid(snap, ids[i], &user) == 0) {
			CHECK(user.uid == ids[i]);
			check_user(snap, &user);
			n++;
		}
		if (ds_snap_group_by_gid(snap, ids[i], &group) == 0) {
			CHECK(group.gid == ids[i]);
			check_group(snap, &group);
			n++;
		}
	}
	for (i = 0; i <= ds_snap_user_count(snap) && i < 256; i++)
		if (ds_snap_user_at(snap, i, &user) == 0) {
			check_user(snap, &user);
			n++;
		}
	for (i = 0; i <= ds_snap_group_count(snap) && i < 256; i++)
		if (ds_snap_group_at(snap, i, &group) == 0) {
			check_group(snap, &group);
			n++;
		}
	check_cold(snap);
	(void)!ds_snap_verify(snap);
	return n;
}

unsigned snap_exercise_image(const void *image, size_t size)
{
	struct ds_snap snap;
	unsigned n = 0;
	int kind;

	for (kind = DS_SNAP_BASE; kind <= DS_SNAP_ACCOUNTS; kind++) {
		if (ds_snap_attach(image, size, (enum ds_snap_kind)kind,
				   &snap) != 0)
			continue;
		n += snap_exercise(&snap, NULL);
		ds_snap_close(&snap);
	}
	return n;
}

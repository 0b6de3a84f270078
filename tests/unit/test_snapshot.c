/*
 * The snapshot: what the writer puts in comes out, and files that are none of
 * ours stay closed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/snapshot_stamp.h"
#include "lib/snapshot_write.h"
#include "tests/unit/snap_world.h"

static char dir[] = "snapshot_XXXXXX", path[64];

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/base.1.snap", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(dir);
}

static void round_trip(void **state)
{
	struct ds_snap_identity id;
	struct ds_snap_group group;
	struct ds_snap_user user;
	struct ds_snap_note note;
	const uint8_t *record;
	size_t len;
	struct ds_snap snap;
	uint32_t gids[4];
	uint8_t *image;
	size_t size;

	(void)state;
	image = world_image(0, 7, &size);
	assert_int_equal(ds_snap_attach(image, size, DS_SNAP_BASE, &snap), 0);
	assert_int_equal(ds_snap_verify(&snap), 0);
	assert_int_equal(snap.stamp.generation, 7);
	assert_int_equal(snap.stamp.published, 1700000000);
	assert_int_equal(snap.stamp.file_size, size);
	assert_string_equal(snap.stamp.domain, WORLD_DOMAIN);
	assert_string_equal(snap.netbios, "AADDSCONTOSO");
	assert_int_equal(ds_snap_user_count(&snap), W_USERS);
	assert_int_equal(ds_snap_group_count(&snap), W_GROUPS);

	assert_int_equal(
	    ds_snap_user_by_uid(&snap, WORLD_UID0 + W_SMITH, &user), 0);
	assert_string_equal(user.blob, "jane.smith@contoso.com");
	assert_string_equal(user.blob + user.passwd, "*");
	assert_string_equal(user.blob + user.gecos, "Jane Smith");
	assert_string_equal(user.blob + user.home,
			    "/home/jane.smith@contoso.com");
	assert_string_equal(user.blob + user.shell, "/bin/bash");
	assert_int_equal(user.gid, WORLD_GID0);
	assert_int_equal(ds_snap_copy_gids(&snap, &user, 0, gids, 4), 1);
	assert_int_equal(gids[0], WORLD_GID0 + WG_ADMINS);
	assert_int_equal(ds_snap_user_identity(&snap, user.index, &id), 0);
	assert_int_equal(id.guid.b[0], W_SMITH + 1);
	assert_int_equal(id.sid.sub[4], 1000 + W_SMITH);
	assert_string_equal(id.sam, "smithj (3AF2)");
	assert_string_equal(id.nickname, "");
	assert_int_equal(id.flags, DS_ID_GENERATED);

	assert_int_equal(ds_snap_group_by_gid(&snap, WORLD_GID0, &group), 0);
	assert_string_equal(group.blob, "domain users@" WORLD_DOMAIN);
	assert_int_equal(group.nmembers, W_USERS);
	assert_int_equal(ds_snap_group_identity(&snap, group.index, &id), 0);
	assert_string_equal(id.sam, "Domain Users");
	assert_int_equal(id.sid.sub[4], 513);

	assert_int_equal(ds_snap_note_count(&snap), 1);
	assert_int_equal(ds_snap_note_at(&snap, 0, &note), 0);
	assert_int_equal(note.reason, DS_WH_NAME_CONFLICT);
	assert_string_equal(note.name, "driley@" WORLD_DOMAIN);
	assert_string_equal(note.sam, "driley");
	assert_string_equal(note.upn, "driley@" WORLD_DOMAIN);
	assert_int_equal(ds_snap_note_at(&snap, 1, &note), DS_ERR_NOTFOUND);
	assert_int_equal(ds_snap_record(&snap, &record, &len), 0);
	assert_int_equal(len, 6);
	assert_memory_equal(record, "record", len);

	assert_int_equal(ds_snap_user_by_uid(&snap, 299999, &user),
			 DS_ERR_NOTFOUND);
	assert_int_equal(ds_snap_user_at(&snap, W_USERS, &user),
			 DS_ERR_NOTFOUND);
	ds_snap_close(&snap);
	free(image);
}

static void check_attr(int r, const struct ds_snap_attr *attr,
		       const char *name, const char *value)
{
	assert_int_equal(r, 0);
	assert_string_equal(attr->name, name);
	assert_string_equal(attr->value, value);
}

static void attributes_round_trip(void **state)
{
	struct ds_snap_attr attr;
	struct ds_snap snap;
	uint8_t *image;
	size_t size;

	(void)state;
	image = world_image(0, 7, &size);
	assert_int_equal(ds_snap_attach(image, size, DS_SNAP_BASE, &snap), 0);
	check_attr(ds_snap_user_attr(&snap, W_SMITH, 0, &attr), &attr, "l",
		   "Bern");
	check_attr(ds_snap_user_attr(&snap, W_SMITH, 1, &attr), &attr,
		   "proxyAddresses", "smtp:a@b");
	check_attr(ds_snap_user_attr(&snap, W_SMITH, 2, &attr), &attr,
		   "proxyAddresses", "Jane Smith");
	assert_int_equal(ds_snap_user_attr(&snap, W_SMITH, 3, &attr),
			 DS_ERR_NOTFOUND);
	assert_int_equal(ds_snap_user_attr(&snap, W_BACKUP, 0, &attr),
			 DS_ERR_NOTFOUND);
	check_attr(ds_snap_user_attr(&snap, W_ZERO, 0, &attr), &attr, "l",
		   "Thun");
	check_attr(ds_snap_group_attr(&snap, 0, 0, &attr), &attr,
		   "proxyAddresses", "Domain Users");
	check_attr(ds_snap_group_attr(&snap, W_GROUPS - 1, 0, &attr), &attr,
		   "proxyAddresses", "empty");
	assert_int_equal(ds_snap_group_attr(&snap, 0, 1, &attr),
			 DS_ERR_NOTFOUND);
	assert_int_equal(ds_snap_user_attr(&snap, W_USERS, 0, &attr),
			 DS_ERR_NOTFOUND);
	assert_int_equal(ds_snap_group_attr(&snap, W_GROUPS, 0, &attr),
			 DS_ERR_NOTFOUND);
	ds_snap_close(&snap);
	free(image);
}

static void accounts_round_trip(void **state)
{
	struct ds_guid guid = { { W_SMITH + 1 } };
	struct ds_snap_account acc;
	struct ds_fmt_account *rec;
	struct ds_snap snap;
	uint8_t *image;
	size_t size;

	(void)state;
	image = world_accounts(&size);
	assert_int_equal(ds_snap_attach(image, size, DS_SNAP_BASE, &snap),
			 DS_ERR_FORMAT);
	assert_int_equal(ds_snap_attach(image, size, DS_SNAP_ACCOUNTS, &snap),
			 0);
	assert_int_equal(ds_snap_account_by_guid(&snap, &guid, &acc), 0);
	assert_string_equal(acc.upn, "jane.smith@contoso.com");
	assert_string_equal(acc.sam, "smithj (3AF2)");
	assert_int_equal(acc.uid, WORLD_UID0 + W_SMITH);
	assert_int_equal(acc.uac, 512);
	assert_int_equal(acc.sid.sub[4], 1000 + W_SMITH);
	assert_int_equal(acc.pwd_last_set, 133000000000000000u + W_SMITH);
	assert_true(acc.has_limits);
	assert_true(acc.limits.pwd_expires == DS_NEVER);
	assert_false(acc.limits.has_hours);
	guid.b[0] = W_ROOT + 1;
	assert_int_equal(ds_snap_account_by_guid(&snap, &guid, &acc), 0);
	assert_int_equal(acc.limits.locked_until, 7);
	assert_true(acc.limits.has_hours);
	assert_int_equal(acc.limits.hours[0], 1);
	assert_int_equal(acc.limits.hours[20], 0x80);
	guid.b[0] = W_ZERO + 1;
	assert_int_equal(ds_snap_account_by_guid(&snap, &guid, &acc), 0);
	assert_false(acc.has_limits);
	guid.b[5] = 1;
	assert_int_equal(ds_snap_account_by_guid(&snap, &guid, &acc),
			 DS_ERR_NOTFOUND);
	/* Limits that lie outside the file are damage. */
	rec = world_section(image, DS_SEC_ACCOUNTS);
	rec[W_ROOT].limits += 2;
	guid = (struct ds_guid){ { W_ROOT + 1 } };
	assert_int_equal(ds_snap_account_by_guid(&snap, &guid, &acc),
			 DS_ERR_FORMAT);
	rec[W_ROOT].limits = 0xffffffffu;
	assert_int_equal(ds_snap_account_by_guid(&snap, &guid, &acc),
			 DS_ERR_FORMAT);
	ds_snap_close(&snap);
	free(image);
}

static void same_input_same_bytes(void **state)
{
	size_t size, size2;
	uint8_t *a = world_staged(0, &size), *b = world_staged(0, &size2);

	(void)state;
	assert_int_equal(size, size2);
	assert_memory_equal(a, b, size);
	free(a);
	free(b);
}

/* ---- the writer's refusals ---------------------------------------------- */

static void writer_refuses(void **state)
{
	struct ds_snapw *w = ds_snapw_new(DS_SNAP_BASE, "D", NULL);
	const struct ds_snapw_user good = { .name = "a@d",
					    .gecos = "",
					    .home = "/h",
					    .shell = "",
					    .uid = 300000,
					    .gid = 300000,
					    .key_upn = "a@d",
					    .key_sam = "a",
					    .id.sid = { .authority = 5,
							.count = 1 } };
	struct ds_snapw_group group = {
		.name = "g@d", .gid = 300000, .key_sam = "g", .id.sid.count = 1
	};
	struct ds_snapw_user u = good;
	char big[70000];
	uint32_t index = 77, member = 1;

	(void)state;
	assert_non_null(w);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	assert_int_equal(ds_snapw_user(w, &good, &index), 0);
	assert_int_equal(index, 0);
	index = 77;
#define REFUSED(code, field, value)                                           \
	do {                                                                  \
		u = good;                                                     \
		u.name = "b@d";                                               \
		u.uid = 300001;                                               \
		u.key_upn = "b@d";                                            \
		u.key_sam = "b";                                              \
		u.field = (value);                                            \
		assert_int_equal(ds_snapw_user(w, &u, &index), (code));       \
		assert_int_equal(index, 77);                                  \
	} while (0)
	REFUSED(DS_ERR_CONFLICT, name, "a@d");
	REFUSED(DS_ERR_CONFLICT, uid, 300000);
	REFUSED(DS_ERR_CONFLICT, key_upn, "A@D");
	REFUSED(DS_ERR_CONFLICT, key_sam, "A");
	REFUSED(DS_ERR_FORMAT, name, "b:c@d");
	REFUSED(DS_ERR_FORMAT, name, "");
	REFUSED(DS_ERR_FORMAT, gecos, "a:b");
	REFUSED(DS_ERR_FORMAT, gecos, "a\nb");
	REFUSED(DS_ERR_FORMAT, home, "home");
	REFUSED(DS_ERR_FORMAT, home, "");
	REFUSED(DS_ERR_FORMAT, shell, "bash");
	REFUSED(DS_ERR_LIMIT, name, big);
	REFUSED(DS_ERR_LIMIT, gecos, big);
	REFUSED(DS_ERR_LIMIT, ngids, DS_FMT_GIDS_MAX + 1);
	/* and nothing of all this was added: */
	u = good;
	u.name = "b@d";
	u.uid = 300001;
	u.key_upn = "b@d";
	u.key_sam = "b";
	assert_int_equal(ds_snapw_user(w, &u, &index), 0);
	assert_int_equal(index, 1);

	group.members = &member;
	group.nmembers = 1;
	assert_int_equal(ds_snapw_group(w, &group), 0);
	assert_int_equal(ds_snapw_group(w, &group), DS_ERR_CONFLICT);
	member = 2;
	group.name = "h@d";
	group.key_sam = "h";
	group.gid++;
	assert_int_equal(ds_snapw_group(w, &group), DS_ERR_INVAL);
	assert_int_equal(ds_snapw_reserve(w, DS_NS_UPN, "A@d"),
			 DS_ERR_CONFLICT);
	assert_int_equal(ds_snapw_reserve(w, DS_NS_UPN, "c@d"), 0);
	assert_int_equal(ds_snapw_reserve(w, DS_NS_UPN, "c@d"),
			 DS_ERR_CONFLICT);
	ds_snapw_free(w);
	ds_snapw_free(NULL);
	assert_null(ds_snapw_new(DS_SNAP_BASE, "SIXTEEN-LETTERS!", NULL));
}

static void many_users(void **state)
{
	struct ds_snapw *w = ds_snapw_new(DS_SNAP_BASE, "D", NULL);
	struct ds_snap_stamp stamp = { .kind = DS_SNAP_BASE,
				       .id_min = WORLD_ID_MIN,
				       .id_max = WORLD_ID_MAX };
	int from = memfd_create("a", MFD_CLOEXEC);
	int to = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	char name[32];
	struct ds_snapw_user u = { .name = name,
				   .gecos = "",
				   .home = "/h",
				   .shell = "",
				   .gid = WORLD_GID0,
				   .key_upn = name,
				   .id.sid.count = 1 };
	struct ds_snap_user user;
	struct ds_snap snap;
	uint32_t i, index;

	(void)state;
	assert_true(w && from >= 0 && to >= 0);
	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "user%u@d", i);
		u.uid = WORLD_UID0 + i * 7;
		assert_int_equal(ds_snapw_user(w, &u, &index), 0);
	}
	assert_int_equal(ds_snapw_write(w, from), 0);
	ds_snapw_free(w);
	assert_int_equal(ds_snap_stamp_copy(from, to, 1 << 24, &stamp), 0);
	close(from);
	close(to);
	assert_int_equal(ds_snap_open(path, DS_SNAP_BASE, geteuid(), &snap),
			 0);
	assert_int_equal(ds_snap_verify(&snap), 0);
	for (i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "user%u@d", i);
		assert_int_equal(
		    ds_snap_find(&snap, DS_NS_UPN, name, strlen(name), &index),
		    0);
		assert_int_equal(index, i);
		assert_int_equal(
		    ds_snap_user_by_uid(&snap, WORLD_UID0 + i * 7, &user), 0);
		assert_string_equal(user.blob, name);
		assert_int_equal(
		    ds_snap_user_by_uid(&snap, WORLD_UID0 + i * 7 + 1, &user),
		    DS_ERR_NOTFOUND);
	}
	assert_int_equal(
	    ds_snap_find(&snap, DS_NS_UPN, "user5000@d", 10, &index),
	    DS_ERR_NOTFOUND);
	ds_snap_close(&snap);
}

/* ---- the stamp ---------------------------------------------------------- */

static void stamp_limits(void **state)
{
	struct ds_snap_stamp stamp = { .kind = DS_SNAP_BASE,
				       .id_max = UINT32_MAX };
	int from = memfd_create("a", MFD_CLOEXEC), to;
	struct ds_snap snap;
	uint8_t *image;
	size_t size;

	(void)state;
	image = world_staged(0, &size);
	memset(image, 0xff, DS_FMT_PAGE); /* what sync says there is ignored */
	assert_int_equal(pwrite(from, image, size, 0), (ssize_t)size);
	to = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	assert_int_equal(ds_snap_stamp_copy(from, to, size - 1, &stamp),
			 DS_ERR_LIMIT);
	close(to);
	to = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	memset(stamp.domain, 'd', sizeof(stamp.domain)); /* no NUL */
	assert_int_equal(ds_snap_stamp_copy(from, to, size, &stamp), 0);
	assert_int_equal(lseek(to, 0, SEEK_END), size);
	assert_int_equal(ds_snap_open(path, DS_SNAP_BASE, geteuid(), &snap),
			 0);
	assert_int_equal(strlen(snap.stamp.domain), 255);
	assert_int_equal(ds_snap_verify(&snap), 0);
	ds_snap_close(&snap);
	assert_int_equal(ftruncate(from, DS_FMT_PAGE - 1), 0);
	assert_int_equal(ds_snap_stamp_copy(from, to, size, &stamp),
			 DS_ERR_FORMAT);
	close(to);
	close(from);
	free(image);
}

/* ---- files that are none of ours ---------------------------------------- */

static int try_open(uid_t owner)
{
	struct ds_snap snap;
	int r = ds_snap_open(path, DS_SNAP_BASE, owner, &snap);

	if (r == 0)
		ds_snap_close(&snap);
	return r;
}

static void open_refuses(void **state)
{
	struct ds_fmt_page0 *page;
	size_t size;
	uint8_t *image = world_image(0, 1, &size);
	char link[80];

	(void)state;
	unlink(path);
	errno = 0;
	assert_int_equal(try_open(geteuid()), DS_ERR_SYS);
	assert_int_equal(errno, ENOENT);
	world_publish(path, image, size);
	assert_int_equal(try_open(geteuid()), 0);
	assert_int_equal(try_open(geteuid() + 1), DS_ERR_UNSAFE);
	assert_int_equal(chmod(path, 0664), 0);
	assert_int_equal(try_open(geteuid()), DS_ERR_UNSAFE);
	assert_int_equal(chmod(path, 0646), 0);
	assert_int_equal(try_open(geteuid()), DS_ERR_UNSAFE);
	assert_int_equal(chmod(path, 0644), 0);

	snprintf(link, sizeof(link), "%s.real", path);
	assert_int_equal(rename(path, link), 0);
	assert_int_equal(symlink("base.1.snap.real", path), 0);
	assert_int_equal(try_open(geteuid()), DS_ERR_UNSAFE);
	unlink(path);
	unlink(link);
	assert_int_equal(mkfifo(path, 0644), 0); /* must not hang */
	assert_int_equal(try_open(geteuid()), DS_ERR_UNSAFE);
	unlink(path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(try_open(geteuid()), DS_ERR_UNSAFE);
	rmdir(path);

	world_publish(path, "", 0);
	assert_int_equal(try_open(geteuid()), DS_ERR_FORMAT);
	memset(image, 0, DS_FMT_PAGE); /* as staged */
	world_publish(path, image, size);
	assert_int_equal(try_open(geteuid()), DS_ERR_FORMAT);
	free(image);

	image = world_image(0, 1, &size);
	page = (void *)image;
	page->major = 2;
	world_restamp(image, size);
	world_publish(path, image, size);
	assert_int_equal(try_open(geteuid()), DS_ERR_VERSION);
	page->major = 1;
	page->minor = 9; /* newer, but compatible */
	world_restamp(image, size);
	world_publish(path, image, size);
	assert_int_equal(try_open(geteuid()), 0);
	page->id_min = page->id_max + 1;
	world_restamp(image, size);
	world_publish(path, image, size);
	assert_int_equal(try_open(geteuid()), DS_ERR_FORMAT);
	free(image);
}

static void notices_replacement(void **state)
{
	struct ds_snap snap;
	uint8_t *image;
	size_t size;

	(void)state;
	image = world_image(0, 1, &size);
	world_publish(path, image, size);
	assert_int_equal(ds_snap_open(path, DS_SNAP_BASE, geteuid(), &snap),
			 0);
	assert_false(ds_snap_changed(&snap, path));
	world_publish(path, image, size);
	assert_true(ds_snap_changed(&snap, path));
	unlink(path);
	assert_true(ds_snap_changed(&snap, path));
	/* and the mapping is still whole */
	assert_int_equal(ds_snap_verify(&snap), 0);
	ds_snap_close(&snap);
	ds_snap_close(&snap); /* twice is fine */
	free(image);
}

static void reserved_names_resolve_to_nothing(void **state)
{
	struct ds_snapw *w = ds_snapw_new(DS_SNAP_BASE, "D", NULL);
	struct ds_snap_stamp stamp = { .kind = DS_SNAP_BASE };
	int from = memfd_create("a", MFD_CLOEXEC);
	int to = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	struct ds_snap snap;
	uint32_t index;

	(void)state;
	assert_int_equal(ds_snapw_reserve(w, DS_NS_UPN, "Bob@D"), 0);
	assert_int_equal(ds_snapw_write(w, from), 0);
	assert_int_equal(ds_snap_stamp_copy(from, to, 1 << 20, &stamp), 0);
	assert_int_equal(ds_snap_open(path, DS_SNAP_BASE, geteuid(), &snap),
			 0);
	assert_int_equal(ds_snap_find(&snap, DS_NS_UPN, "bob@d", 5, &index),
			 DS_ERR_CONFLICT);
	assert_int_equal(ds_snap_find(&snap, DS_NS_UPN, "rob@d", 5, &index),
			 DS_ERR_NOTFOUND);
	ds_snap_close(&snap);
	ds_snapw_free(w);
	close(from);
	close(to);
}

static void id_ranges(void **state)
{
	static const uint32_t bad[] = {
		0, 1, 999, 61184, 65534, 65535, 0x80000000u, UINT32_MAX
	};
	static const uint32_t good[] = { 1000, 61183, 65536, 0x7fffffffu };
	struct ds_snap snap = { .stamp = { .id_min = 0,
					   .id_max = UINT32_MAX } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(ds_snap_id_ok(&snap, bad[i]));
	for (i = 0; i < sizeof(good) / sizeof(*good); i++)
		assert_true(ds_snap_id_ok(&snap, good[i]));
	snap.stamp.id_min = 200000;
	snap.stamp.id_max = 300000;
	assert_false(ds_snap_id_ok(&snap, 199999));
	assert_true(ds_snap_id_ok(&snap, 200000));
	assert_true(ds_snap_id_ok(&snap, 300000));
	assert_false(ds_snap_id_ok(&snap, 300001));
	snap.stamp.id_min = 0;
	snap.stamp.id_max = 500; /* nothing is left */
	for (i = 0; i <= 70000; i++)
		assert_false(ds_snap_id_ok(&snap, (uint32_t)i));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(attributes_round_trip),
		cmocka_unit_test(accounts_round_trip),
		cmocka_unit_test(same_input_same_bytes),
		cmocka_unit_test(writer_refuses),
		cmocka_unit_test(many_users),
		cmocka_unit_test(stamp_limits),
		cmocka_unit_test(open_refuses),
		cmocka_unit_test(notices_replacement),
		cmocka_unit_test(reserved_names_resolve_to_nothing),
		cmocka_unit_test(id_ranges),
	};
	return cmocka_run_group_tests_name("snapshot", tests, setup, teardown);
}

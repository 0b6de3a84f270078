/*
 * A snapshot that goes to its file by parts is the one that is made in memory,
 * and what is in the file already still counts.
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
#include <unistd.h>

#include "lib/snapshot_format.h"
#include "lib/snapshot_stamp.h"
#include "lib/snapshot_write.h"

/* Enough that each section goes there in several parts. */
#define USERS  4000
#define GROUPS 2500
#define GIDS   20

static const uint64_t key[2] = { 1, 2 };

static struct ds_guid guid_of(uint32_t i)
{
	struct ds_guid guid = { .b = { 1 } };

	memcpy(guid.b + 4, &i, sizeof(i));
	return guid;
}

static const struct ds_sid sid = { .authority = 5, .count = 1 };

/* The user of that number; their strings lie in buf. */
static struct ds_snapw_user user_of(uint32_t i, char buf[64],
				    uint32_t gids[GIDS])
{
	struct ds_snapw_user u = { .name = buf,
				   .gecos = "Some Body",
				   .home = "/home/somebody",
				   .shell = "/bin/sh",
				   .uid = 300000 + i,
				   .gid = 300000,
				   .gids = gids,
				   .ngids = i % (GIDS + 1),
				   .key_upn = buf,
				   .key_sam = buf + 32,
				   .id = { .guid = guid_of(i),
					   .sid = sid,
					   .upn = buf,
					   .sam = buf + 32,
					   .display_name = "Some Body",
					   .dn = "CN=Some Body,DC=d" } };

	(void)snprintf(buf, 32, "user%u@d", i);
	(void)snprintf(buf + 32, 32, "User%u", i);
	for (uint32_t k = 0; k < GIDS; k++)
		gids[k] = 400000 + i + k;
	return u;
}

static struct ds_snapw *writer(enum ds_snap_kind kind, int fd,
			       const struct ds_snapw_size *size)
{
	struct ds_snapw *w = ds_snapw_new(kind, "D", key);

	assert_non_null(w);
	if (size)
		assert_int_equal(ds_snapw_begin(w, fd, size), 0);
	return w;
}

static int file(void)
{
	int fd = memfd_create("snapshot", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void add_users(struct ds_snapw *w)
{
	static const char city[] = "l", note[] = "info";
	uint32_t gids[GIDS], index;
	char buf[64], words[200];

	for (uint32_t i = 0; i < USERS; i++) {
		struct ds_snapw_user u = user_of(i, buf, gids);

		assert_int_equal(ds_snapw_user(w, &u, &index), 0);
		/* Neighbours share it, also one whose name has gone. */
		assert_int_equal(
		    ds_snapw_attr(w, city, i / 900 % 2 ? "Bern" : "Thun"), 0);
		memset(words, 'a' + (int)(i / 2 % 20), sizeof(words));
		words[10 + i % 2 * 150] = '\0';
		assert_int_equal(ds_snapw_attr(w, note, words), 0);
	}
}

static void add_groups(struct ds_snapw *w)
{
	uint32_t members[GIDS];
	char name[32];

	for (uint32_t i = 0; i < GROUPS; i++) {
		struct ds_snapw_group g = { .name = name,
					    .gid = 500000 + i,
					    .members = members,
					    .nmembers = i % (GIDS + 1),
					    .key_sam = name,
					    .id = { .guid = guid_of(USERS + i),
						    .sid = sid,
						    .sam = name } };

		(void)snprintf(name, sizeof(name), "group%u", i);
		for (uint32_t k = 0; k < GIDS; k++)
			members[k] = (i + k) % USERS;
		assert_int_equal(ds_snapw_group(w, &g), 0);
	}
}

static void add_rest(struct ds_snapw *w)
{
	char name[32];

	for (uint32_t i = 0; i < USERS; i++) {
		struct ds_snap_note note = { .guid = guid_of(i),
					     .reason = DS_WH_NAME_CONFLICT,
					     .name = name,
					     .detail = "somebody has it, and "
						       "had it before" };

		(void)snprintf(name, sizeof(name), "noted%u", i);
		assert_int_equal(ds_snapw_note(w, &note), 0);
	}
	assert_int_equal(ds_snapw_reserve(w, DS_NS_UPN, "nobody@d"), 0);
	assert_int_equal(ds_snapw_record(w, "record", 6), 0);
}

static struct ds_snap_account account_of(uint32_t i, char buf[64])
{
	struct ds_snap_account acc = { .guid = guid_of(i),
				       .sid = sid,
				       .upn = buf,
				       .sam = buf + 32,
				       .name = buf,
				       .uid = 300000 + i,
				       .has_limits = true,
				       .limits = { .pwd_expires = i } };

	(void)snprintf(buf, 32, "user%u@d", i);
	(void)snprintf(buf + 32, 32, "User%u", i);
	return acc;
}

static void add_accounts(struct ds_snapw *w)
{
	char buf[64];

	for (uint32_t i = 0; i < USERS; i++) {
		struct ds_snap_account acc = account_of(i, buf);

		assert_int_equal(ds_snapw_account(w, &acc), 0);
	}
}

static struct ds_snapw_size size_of_base(void)
{
	struct ds_snapw_size size = { .users = USERS, .groups = GROUPS };

	for (uint32_t i = 0; i < USERS; i++)
		size.lists += i % (GIDS + 1);
	for (uint32_t i = 0; i < GROUPS; i++)
		size.lists += i % (GIDS + 1);
	return size;
}

static void fill(struct ds_snapw *w, enum ds_snap_kind kind)
{
	if (kind == DS_SNAP_ACCOUNTS) {
		add_accounts(w);
		return;
	}
	add_users(w);
	add_groups(w);
	add_rest(w);
}

static uint8_t *bytes_of(int fd, size_t *ret_size)
{
	off_t size = lseek(fd, 0, SEEK_END);
	uint8_t *p = malloc((size_t)size);

	assert_non_null(p);
	assert_int_equal(pread(fd, p, (size_t)size, 0), size);
	*ret_size = (size_t)size;
	return p;
}

static void same_bytes(enum ds_snap_kind kind,
		       const struct ds_snapw_size *size)
{
	int fd[2] = { file(), file() };
	uint8_t *bytes[2];
	size_t len[2];

	for (int parts = 0; parts < 2; parts++) {
		struct ds_snapw *w =
		    writer(kind, fd[parts], parts ? size : NULL);

		fill(w, kind);
		/* Most of it is in the file already. */
		if (parts)
			assert_true(lseek(fd[parts], 0, SEEK_END) > 400000);
		assert_int_equal(ds_snapw_write(w, fd[parts]), 0);
		ds_snapw_free(w);
		bytes[parts] = bytes_of(fd[parts], &len[parts]);
		close(fd[parts]);
	}
	assert_int_equal(len[0], len[1]);
	assert_memory_equal(bytes[0], bytes[1], len[0]);
	free(bytes[0]);
	free(bytes[1]);
}

static void parts_make_the_same_file(void **state)
{
	struct ds_snapw_size base = size_of_base();
	struct ds_snapw_size accounts = { .users = USERS };

	(void)state;
	same_bytes(DS_SNAP_BASE, &base);
	same_bytes(DS_SNAP_ACCOUNTS, &accounts);
}

/* What was added first went to the file long ago. */
static void what_has_gone_is_taken(void **state)
{
	struct ds_snapw_size size = { .users = USERS + 1, .lists = 100000 };
	int fd = file();
	struct ds_snapw *w = writer(DS_SNAP_BASE, fd, &size);
	uint32_t gids[GIDS], index;
	char buf[64], fresh[64];
	struct ds_snapw_user u;
	struct ds_snap_account acc;

	(void)state;
	add_users(w);
	u = user_of(0, buf, gids);
	(void)user_of(USERS, fresh, gids);
	u.uid = 300000 + USERS;
	u.name = u.key_upn = fresh;
	assert_int_equal(ds_snapw_user(w, &u, &index), DS_ERR_CONFLICT);
	u.key_upn = buf;
	u.key_sam = NULL;
	assert_int_equal(ds_snapw_user(w, &u, &index), DS_ERR_CONFLICT);
	u.name = buf; /* which is somebody's UPN */
	u.key_upn = NULL;
	assert_int_equal(ds_snapw_user(w, &u, &index), DS_ERR_CONFLICT);
	u.name = u.key_upn = fresh;
	assert_int_equal(ds_snapw_user(w, &u, &index), 0);
	ds_snapw_free(w);
	close(fd);

	fd = file();
	w = writer(DS_SNAP_ACCOUNTS, fd, &size);
	add_accounts(w);
	acc = account_of(0, buf);
	assert_int_equal(ds_snapw_account(w, &acc), DS_ERR_CONFLICT);
	acc.guid = guid_of(USERS);
	assert_int_equal(ds_snapw_account(w, &acc), 0);
	ds_snapw_free(w);
	close(fd);
}

/* Nothing runs over what comes behind it in the file. */
static void more_than_was_said(void **state)
{
	struct ds_snapw_size none = { 0 }, few = { .users = 1, .lists = 1 };
	uint32_t gids[GIDS], index;
	char buf[64], accbuf[64];
	int fd = file();
	struct ds_snapw *w = writer(DS_SNAP_BASE, fd, &few);
	struct ds_snapw_user u = user_of(2, buf, gids);
	struct ds_snap_account acc = account_of(0, accbuf);

	(void)state;
	assert_int_equal(ds_snapw_user(w, &u, &index), DS_ERR_INVAL);
	assert_int_equal(ds_snapw_write(w, fd), DS_ERR_INVAL);
	ds_snapw_free(w);
	w = writer(DS_SNAP_BASE, fd, &few);
	u = user_of(1, buf, gids);
	assert_int_equal(ds_snapw_user(w, &u, &index), 0);
	u = user_of(GIDS + 1, buf, gids);
	assert_int_equal(ds_snapw_user(w, &u, &index), DS_ERR_INVAL);
	ds_snapw_free(w);
	few.lists = 0;
	w = writer(DS_SNAP_BASE, fd, &few);
	u = user_of(1, buf, gids);
	assert_int_equal(ds_snapw_user(w, &u, &index), DS_ERR_INVAL);
	ds_snapw_free(w);
	w = writer(DS_SNAP_BASE, fd, &few);
	assert_int_equal(ds_snapw_account(w, &acc), DS_ERR_INVAL);
	ds_snapw_free(w);
	w = ds_snapw_new(DS_SNAP_BASE, "D", key);
	none.users = SIZE_MAX;
	assert_int_equal(ds_snapw_begin(w, fd, &none), DS_ERR_LIMIT);
	ds_snapw_free(w);
	close(fd);
}

/* What cannot be looked at may be there. */
static void what_cannot_be_read_is_final(void **state)
{
	struct ds_snapw_size size = { .users = USERS + 1, .lists = 100000 };
	int fd = file(), to;
	char path[64];
	uint32_t gids[GIDS], index;
	char buf[64], accbuf[64];
	struct ds_snapw *w;
	struct ds_snapw_user u = user_of(0, buf, gids);
	struct ds_snap_account acc = account_of(0, accbuf);

	(void)state;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	to = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(to >= 0);
	w = writer(DS_SNAP_BASE, to, &size);
	add_users(w);
	u.uid += USERS;
	assert_int_equal(ds_snapw_user(w, &u, &index), DS_ERR_SYS);
	assert_int_equal(errno, EBADF);
	assert_int_equal(ds_snapw_write(w, to), DS_ERR_SYS);
	ds_snapw_free(w);
	w = writer(DS_SNAP_ACCOUNTS, to, &size);
	add_accounts(w);
	assert_int_equal(ds_snapw_account(w, &acc), DS_ERR_SYS);
	assert_int_equal(ds_snapw_write(w, to), DS_ERR_SYS);
	ds_snapw_free(w);
	close(to);
	close(fd);
}

static void a_full_disk_is_final(void **state)
{
	struct ds_snapw_size size = size_of_base();
	int fd = open("/dev/full", O_RDWR | O_CLOEXEC), r = 0;
	struct ds_snapw *w = writer(DS_SNAP_BASE, fd, &size);
	uint32_t gids[GIDS], index;
	char buf[64];

	(void)state;
	for (uint32_t i = 0; i < USERS && r == 0; i++) {
		struct ds_snapw_user u = user_of(i, buf, gids);

		r = ds_snapw_user(w, &u, &index);
	}
	assert_int_equal(r, DS_ERR_SYS);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(ds_snapw_write(w, fd), DS_ERR_SYS);
	ds_snapw_free(w);
	close(fd);
}

/* The room that is left is zeros, and nobody reads it: each object is found.
 */
static void less_than_was_said(void **state)
{
	static const struct ds_snap_stamp stamp = { .kind = DS_SNAP_BASE,
						    .policy =
							DS_SNAP_BARE_GROUPS,
						    .id_min = 300000,
						    .id_max = 600000 };
	struct ds_snapw_size size = size_of_base();
	int from = file(), to = file();
	struct ds_snap_identity id;
	struct ds_snap_group group;
	struct ds_snap_user user;
	uint32_t gids[GIDS];
	struct ds_snapw *w;
	struct ds_snap snap;
	uint8_t *image;
	char buf[64];
	size_t len;

	(void)state;
	size.users += 777;
	size.groups *= 2;
	size.lists += 100001;
	w = writer(DS_SNAP_BASE, from, &size);
	fill(w, DS_SNAP_BASE);
	assert_int_equal(ds_snapw_write(w, from), 0);
	ds_snapw_free(w);
	assert_int_equal(ds_snap_stamp_copy(from, to, 1 << 24, &stamp), 0);
	image = bytes_of(to, &len);
	assert_int_equal(ds_snap_attach(image, len, DS_SNAP_BASE, &snap), 0);
	assert_int_equal(ds_snap_verify(&snap), 0);
	assert_int_equal(ds_snap_user_count(&snap), USERS);
	assert_int_equal(ds_snap_group_count(&snap), GROUPS);
	for (uint32_t i = 0; i < USERS; i++) {
		struct ds_snapw_user u = user_of(i, buf, gids);

		assert_int_equal(ds_snap_user_at(&snap, i, &user), 0);
		assert_string_equal(user.blob, u.name);
		assert_int_equal(user.uid, u.uid);
		assert_int_equal(user.ngids, u.ngids);
		assert_memory_equal(user.gids, gids, u.ngids * sizeof(*gids));
		assert_int_equal(ds_snap_user_identity(&snap, i, &id), 0);
		assert_true(ds_guid_equal(&id.guid, &u.id.guid));
		assert_string_equal(id.sam, u.id.sam);
	}
	for (uint32_t i = 0; i < GROUPS; i++) {
		const struct ds_guid guid = guid_of(USERS + i);

		assert_int_equal(ds_snap_group_at(&snap, i, &group), 0);
		assert_int_equal(group.gid, 500000 + i);
		assert_int_equal(ds_snap_group_identity(&snap, i, &id), 0);
		assert_true(ds_guid_equal(&id.guid, &guid));
	}
	ds_snap_close(&snap);
	free(image);
	close(from);
	close(to);
}

/* UPN, pw_name and its key are one string; display name and gecos another. */
static void nothing_is_stored_twice(void **state)
{
	struct ds_snapw *w = ds_snapw_new(DS_SNAP_BASE, "D", key);
	static const char upn[] = "userPrincipalName";
	uint32_t gids[GIDS], index;
	char buf[64];
	struct ds_snapw_user u = user_of(7, buf, gids);
	struct ds_fmt_body body;
	int fd = file();
	size_t expected;

	(void)state;
	assert_int_equal(ds_snapw_user(w, &u, &index), 0);
	assert_int_equal(ds_snapw_attr(w, upn, buf), 0);
	assert_int_equal(ds_snapw_write(w, fd), 0);
	assert_int_equal(pread(fd, &body, sizeof(body), DS_FMT_PAGE),
			 sizeof(body));
	expected = 1 + sizeof("user7@d") + sizeof("*") + sizeof("Some Body") +
		   sizeof("/home/somebody") + sizeof("/bin/sh") +
		   sizeof("User7") + sizeof("CN=Some Body,DC=d") +
		   sizeof("user7") + sizeof("userPrincipalName");
	assert_int_equal(body.sec[DS_SEC_TEXT].count, expected);
	ds_snapw_free(w);
	close(fd);
}

/* Short ones, long ones, those said before: each is read as it was added. */
static void each_value_is_its_own(void **state)
{
	static const struct ds_snap_stamp stamp = { .kind = DS_SNAP_BASE };
	static const char info[] = "info";
	struct ds_snapw *w = ds_snapw_new(DS_SNAP_BASE, "D", key);
	char buf[64], words[100], others[100];
	const char *const values[] = { "Bern", "Bern", words,   "Bern",
				       others, words,  others,  "Thun",
				       "Bern", "Barn", "user7", "User7",
				       words,  "",     "",      "Bern" };
	uint32_t gids[GIDS], index;
	struct ds_snapw_user u = user_of(7, buf, gids);
	int from = file(), to = file();
	struct ds_snap_attr attr;
	struct ds_snap snap;
	uint8_t *image;
	size_t size;

	(void)state;
	memset(words, 'w', sizeof(words));
	memset(others, 'o', sizeof(others));
	words[99] = others[99] = '\0';
	assert_int_equal(ds_snapw_user(w, &u, &index), 0);
	for (uint32_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		assert_int_equal(ds_snapw_attr(w, info, values[i]), 0);
	assert_int_equal(ds_snapw_write(w, from), 0);
	assert_int_equal(ds_snap_stamp_copy(from, to, 1 << 20, &stamp), 0);
	image = bytes_of(to, &size);
	assert_int_equal(ds_snap_attach(image, size, DS_SNAP_BASE, &snap), 0);
	for (uint32_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		assert_int_equal(ds_snap_user_attr(&snap, 0, i, &attr), 0);
		assert_string_equal(attr.value, values[i]);
	}
	ds_snap_close(&snap);
	free(image);
	ds_snapw_free(w);
	close(from);
	close(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_make_the_same_file),
		cmocka_unit_test(what_has_gone_is_taken),
		cmocka_unit_test(more_than_was_said),
		cmocka_unit_test(less_than_was_said),
		cmocka_unit_test(what_cannot_be_read_is_final),
		cmocka_unit_test(a_full_disk_is_final),
		cmocka_unit_test(nothing_is_stored_twice),
		cmocka_unit_test(each_value_is_its_own),
	};
	return cmocka_run_group_tests_name("snapshot by parts", tests, NULL,
					   NULL);
}

/*
 * The domain of the snapshot tests.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/snap_world.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/siphash.h"
#include "lib/snapshot_stamp.h"
#include "lib/snapshot_write.h"

static const uint64_t hash_key[2] = { 0x0123456789abcdefu,
				      0xfedcba987654321u };

static void must(int ok, const char *what)
{
	if (!ok) {
		perror(what);
		abort();
	}
}

static struct ds_sid sid(uint32_t rid)
{
	return (struct ds_sid){ .authority = 5,
				.sub = { 21, 1, 2, 3, rid },
				.count = 5 };
}

static const struct {
	const char *upn, *sam, *gecos;
	bool not_bare;
} people[W_USERS] = {
	[W_DRILEY] = { "driley@" WORLD_DOMAIN, "driley", "Dana Riley" },
	[W_SMITH] = { "jane.smith@contoso.com", "smithj (3AF2)",
		      "Jane Smith" },
	[W_BACKUP] = { NULL, "svc.backup", "" },
	[W_BOB_UPN] = { "bob@" WORLD_DOMAIN, "bobby", "Bob One" },
	[W_BOB_SAM] = { "alice@contoso.com", "bob", "Alice" },
	[W_JUERGEN] = { "j\303\274rgen@contoso.com", "j\303\274rgen",
			"J\303\274rgen" },
	[W_ROOT] = { "root@" WORLD_DOMAIN, "root", "Not Root", true },
	[W_ZERO] = { "0@" WORLD_DOMAIN, "0", "Zero" },
};

static const char city[] = "l", proxy[] = "proxyAddresses";

static void lower(char *dst, const char *src)
{
	do
		*dst++ = *src >= 'A' && *src <= 'Z' ? (char)(*src + 32) : *src;
	while (*src++);
}

static void add_user(struct ds_snapw *w, uint32_t policy, uint32_t i)
{
	static const uint32_t gids[] = { WORLD_GID0 + 1, WORLD_GID0 + 2 };
	char name[300], home[320];
	uint32_t index;
	struct ds_snapw_user u = {
		.name = name,
		.gecos = people[i].gecos,
		.home = home,
		.shell = "/bin/bash",
		.uid = WORLD_UID0 + i,
		.gid = WORLD_GID0,
		.gids = gids,
		.ngids = i == W_DRILEY  ? 2
			 : i == W_SMITH ? 1
					: 0,
		.key_upn = people[i].upn,
		.key_sam = people[i].sam,
		.not_bare = people[i].not_bare,
		.id = { .guid = { { (uint8_t)(i + 1) } },
			.sid = sid(1000 + i),
			.upn = people[i].upn,
			.sam = people[i].sam,
			.display_name = people[i].gecos,
			.dn = "CN=x,OU=AADDC Users,DC=aaddscontoso,DC=com",
			.flags = i == W_SMITH ? DS_ID_GENERATED : 0 },
	};

	if ((policy & DS_SNAP_BARE_USERS) && !people[i].not_bare &&
	    strcmp(people[i].sam, "0") != 0)
		lower(name, people[i].sam);
	else if (people[i].upn)
		lower(name, people[i].upn);
	else
		snprintf(name, sizeof(name), "%s@" WORLD_DOMAIN,
			 people[i].sam);
	snprintf(home, sizeof(home), "/home/%s", name);
	must(ds_snapw_user(w, &u, &index) == 0 && index == i, "user");
	if (i == W_BACKUP) /* has nothing to show */
		return;
	must(ds_snapw_attr(w, city, i < W_BOB_UPN ? "Bern" : "Thun") == 0,
	     "attribute");
	must(ds_snapw_attr(w, proxy, "smtp:a@b") == 0 &&
		 ds_snapw_attr(w, proxy, u.gecos) == 0,
	     "attribute");
}

static void add_group(struct ds_snapw *w, uint32_t policy, uint32_t i)
{
	static const char *const sams[] = { "Domain Users",
					    "AAD DC Administrators", "sudo",
					    "empty" };
	static const uint32_t nmembers[] = { W_USERS, 2, 1, 0 };
	uint32_t members[W_USERS], k;
	char name[300];
	struct ds_snapw_group g = {
		.name = name,
		.gid = WORLD_GID0 + i,
		.members = members,
		.nmembers = nmembers[i],
		.key_sam = sams[i],
		.id = { .guid = { { 0x80, (uint8_t)i } },
			.sid = sid(513 + i),
			.sam = sams[i] },
	};

	for (k = 0; k < W_USERS; k++)
		members[k] = k;
	lower(name, sams[i]);
	if (!(policy & DS_SNAP_BARE_GROUPS))
		strcat(name, "@" WORLD_DOMAIN);
	must(ds_snapw_group(w, &g) == 0, "group");
	must(ds_snapw_attr(w, proxy, sams[i]) == 0, "attribute");
}

static struct ds_snapw *build(uint32_t policy)
{
	struct ds_snapw *w =
	    ds_snapw_new(DS_SNAP_BASE, "aaddscontoso", hash_key);
	struct ds_snap_note note = { .reason = DS_WH_NAME_CONFLICT,
				     .guid = { { 0x99 } },
				     .name = "driley@" WORLD_DOMAIN,
				     .sam = "driley",
				     .upn = "driley@" WORLD_DOMAIN,
				     .detail =
					 "an older object has the name" };
	uint32_t i;

	must(w != NULL, "new");
	for (i = 0; i < W_USERS; i++)
		add_user(w, policy, i);
	for (i = 0; i < W_GROUPS; i++)
		add_group(w, policy, i);
	must(ds_snapw_note(w, &note) == 0, "note");
	must(ds_snapw_record(w, "record", 6) == 0, "record");
	return w;
}

static int memory_file(void)
{
	int fd = memfd_create("snap_world", MFD_CLOEXEC);

	must(fd >= 0, "memfd_create");
	return fd;
}

static uint8_t *slurp(int fd, size_t *ret_size)
{
	struct stat st;
	uint8_t *p;

	must(fstat(fd, &st) == 0, "fstat");
	p = malloc((size_t)st.st_size);
	must(p && pread(fd, p, (size_t)st.st_size, 0) == st.st_size, "read");
	close(fd);
	*ret_size = (size_t)st.st_size;
	return p;
}

static int staged(struct ds_snapw *w)
{
	int fd = memory_file();

	must(ds_snapw_write(w, fd) == 0, "write");
	ds_snapw_free(w);
	return fd;
}

static uint8_t *stamped(int from, const struct ds_snap_stamp *stamp,
			size_t *ret_size)
{
	int to = memory_file();

	must(ds_snap_stamp_copy(from, to, 1 << 20, stamp) == 0, "stamp");
	close(from);
	return slurp(to, ret_size);
}

uint8_t *world_staged(uint32_t policy, size_t *ret_size)
{
	return slurp(staged(build(policy)), ret_size);
}

uint8_t *world_image(uint32_t policy, uint64_t generation, size_t *ret_size)
{
	struct ds_snap_stamp stamp = { .kind = DS_SNAP_BASE,
				       .policy = policy,
				       .generation = generation,
				       .published = 1700000000,
				       .id_min = WORLD_ID_MIN,
				       .id_max = WORLD_ID_MAX,
				       .domain = WORLD_DOMAIN };

	return stamped(staged(build(policy)), &stamp, ret_size);
}

uint8_t *world_accounts(size_t *ret_size)
{
	struct ds_snap_stamp stamp = { .kind = DS_SNAP_ACCOUNTS,
				       .generation = 1,
				       .id_min = WORLD_ID_MIN,
				       .id_max = WORLD_ID_MAX,
				       .domain = WORLD_DOMAIN };
	struct ds_snapw *w =
	    ds_snapw_new(DS_SNAP_ACCOUNTS, "AADDSCONTOSO", hash_key);
	uint32_t i;

	must(w != NULL, "new");
	for (i = 0; i < W_USERS; i++) {
		struct ds_snap_account acc = {
			.guid = { { (uint8_t)(i + 1) } },
			.sid = sid(1000 + i),
			.upn = people[i].upn,
			.sam = people[i].sam,
			.name = people[i].upn ? people[i].upn
					      : "svc.backup@" WORLD_DOMAIN,
			.uid = WORLD_UID0 + i,
			.uac = 512,
			.pwd_last_set = 133000000000000000u + i,
			.account_expires = INT64_MAX,
			.has_limits = i != W_ZERO,
			.limits = { .pwd_expires = DS_NEVER,
				    .locked_until = i == W_ROOT ? 7 : 0,
				    .has_hours = i == W_ROOT,
				    .hours = { 1, [20] = 0x80 } },
		};
		must(ds_snapw_account(w, &acc) == 0, "account");
	}
	return stamped(staged(w), &stamp, ret_size);
}

void world_restamp(uint8_t *image, size_t size)
{
	static const uint64_t key[2] = DS_FMT_SUM_KEY;
	struct ds_fmt_page0 *page = (void *)image;

	page->file_size = size;
	page->body_sum =
	    ds_siphash13(key, image + DS_FMT_PAGE, size - DS_FMT_PAGE);
	page->page_sum =
	    ds_siphash13(key, page, offsetof(struct ds_fmt_page0, page_sum));
}

void *world_section(uint8_t *image, enum ds_fmt_section sec)
{
	struct ds_fmt_body *body = (void *)(image + DS_FMT_PAGE);

	return image + body->sec[sec].off;
}

void world_publish(const char *path, const void *image, size_t size)
{
	char tmp[512];
	int fd;

	snprintf(tmp, sizeof(tmp), "%s.new", path);
	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	must(fd >= 0 && write(fd, image, size) == (ssize_t)size &&
		 fchmod(fd, 0644) == 0 && close(fd) == 0 &&
		 rename(tmp, path) == 0,
	     tmp);
}

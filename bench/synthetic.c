/*
 * The synthetic domain of the benchmark.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "bench/synthetic.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/snapshot_stamp.h"
#include "lib/snapshot_write.h"

static char (*names)[48];

void syn_names_make(void)
{
	uint32_t i;

	names = calloc(SYN_USERS, sizeof(*names));
	if (!names)
		abort();
	for (i = 0; i < SYN_USERS; i++)
		snprintf(names[i], sizeof(names[i]),
			 "first%05u.last%u@" SYN_DOMAIN, i, i % 97);
}

const char *syn_user_name(uint32_t i)
{
	return names[i];
}

uint32_t syn_uid(uint32_t i)
{
	return SYN_UID0 + i * 3;
}

static struct ds_sid sid(uint32_t rid)
{
	return (struct ds_sid){ .authority = 5,
				.sub = { 21, 1, 2, 3, rid },
				.count = 5 };
}

/* User i is in group (i + 47 k) mod SYN_GROUPS, k = 0 .. 20; none twice. */
static int add_user(struct ds_snapw *w, uint32_t i)
{
	uint32_t gids[SYN_GROUPS_PER_USER], k, index;
	char sam[32], gecos[48], home[64];
	struct ds_snapw_user u = {
		.name = names[i],
		.gecos = gecos,
		.home = home,
		.shell = "/bin/bash",
		.uid = syn_uid(i),
		.gid = SYN_GID0,
		.gids = gids,
		.ngids = SYN_GROUPS_PER_USER,
		.key_upn = names[i],
		.key_sam = sam,
		.id = { .sid = sid(i + 2000), .upn = names[i], .sam = sam },
	};

	snprintf(sam, sizeof(sam), "first%05u", i);
	snprintf(gecos, sizeof(gecos), "First%05u Last%u", i, i % 97);
	snprintf(home, sizeof(home), "/home/%s", names[i]);
	for (k = 0; k < SYN_GROUPS_PER_USER; k++)
		gids[k] = SYN_GID0 + 1 + (i + 47 * k) % SYN_GROUPS;
	memcpy(u.id.guid.b, &i, sizeof(i));
	return ds_snapw_user(w, &u, &index);
}

static int add_group(struct ds_snapw *w, uint32_t g)
{
	static uint32_t members[SYN_USERS];
	char sam[32], name[64];
	struct ds_snapw_group grp = {
		.name = name,
		.gid = SYN_GID0 + 1 + g,
		.members = members,
		.key_sam = sam,
		.id = { .sid = sid(g + 100000), .sam = sam },
	};
	uint32_t i, k;

	snprintf(sam, sizeof(sam), "group %u", g);
	snprintf(name, sizeof(name), "%s@" SYN_DOMAIN, sam);
	for (i = 0; i < SYN_USERS; i++)
		for (k = 0; k < SYN_GROUPS_PER_USER; k++)
			if ((i + 47 * k) % SYN_GROUPS == g) {
				members[grp.nmembers++] = i;
				break;
			}
	return ds_snapw_group(w, &grp);
}

static int build(int fd)
{
	struct ds_snapw *w = ds_snapw_new(DS_SNAP_BASE, "AADDSCONTOSO", NULL);
	struct ds_snapw_group all = {
		.name = "domain users@" SYN_DOMAIN,
		.gid = SYN_GID0,
		.key_sam = "domain users",
		.id = { .sid = sid(513) },
	};
	uint32_t i;
	int r = w ? 0 : DS_ERR_NOMEM;

	for (i = 0; r == 0 && i < SYN_USERS; i++)
		r = add_user(w, i);
	if (r == 0)
		r = ds_snapw_group(w, &all);
	for (i = 0; r == 0 && i < SYN_GROUPS; i++)
		r = add_group(w, i);
	if (r == 0)
		r = ds_snapw_write(w, fd);
	ds_snapw_free(w);
	return r;
}

int syn_write(const char *path)
{
	static const struct ds_snap_stamp stamp = {
		.kind = DS_SNAP_BASE,
		.generation = 1,
		.id_min = 200000,
		.id_max = 2000200000,
		.domain = SYN_DOMAIN,
	};
	char stage[512];
	int from, to, r;

	snprintf(stage, sizeof(stage), "%s.stage", path);
	unlink(path);
	from = open(stage, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	to = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (from < 0 || to < 0)
		r = DS_ERR_SYS;
	else if ((r = build(from)) == 0)
		r = ds_snap_stamp_copy(from, to, (size_t)1 << 30, &stamp);
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	unlink(stage);
	return r;
}

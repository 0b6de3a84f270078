/*
 * The snapshot reader: opening a file and believing in its frame.  The
 * objects inside are snapshot_lookup.c's and snapshot_cold.c's.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/siphash.h"
#include "lib/snapshot_impl.h"

/* What an unmapped owner looks like inside a user namespace
 * (user_namespaces(7), the default of /proc/sys/kernel/overflowuid). */
#define OVERFLOW_UID 65534

static const uint64_t sum_key[2] = DS_FMT_SUM_KEY;

static const uint32_t elem_size[DS_SEC_COUNT] = {
	[DS_SEC_TEXT] = 1,
	[DS_SEC_LISTS] = sizeof(uint32_t),
	[DS_SEC_USERS] = sizeof(struct ds_fmt_user),
	[DS_SEC_GROUPS] = sizeof(struct ds_fmt_group),
	[DS_SEC_UPN] = sizeof(struct ds_fmt_name_entry),
	[DS_SEC_USER_SAM] = sizeof(struct ds_fmt_name_entry),
	[DS_SEC_GROUP_SAM] = sizeof(struct ds_fmt_name_entry),
	[DS_SEC_UID] = sizeof(struct ds_fmt_id_entry),
	[DS_SEC_GID] = sizeof(struct ds_fmt_id_entry),
	[DS_SEC_USER_IDENT] = sizeof(struct ds_fmt_ident),
	[DS_SEC_GROUP_IDENT] = sizeof(struct ds_fmt_ident),
	[DS_SEC_NOTES] = sizeof(struct ds_fmt_note),
	[DS_SEC_ACCOUNTS] = sizeof(struct ds_fmt_account),
	[DS_SEC_GUID] = sizeof(struct ds_fmt_guid_entry),
	[DS_SEC_ATTRS] = sizeof(struct ds_fmt_attr),
	[DS_SEC_RECORD] = 1,
};

static bool is_table(int sec)
{
	return (sec >= DS_SEC_UPN && sec <= DS_SEC_GID) || sec == DS_SEC_GUID;
}

/* The owner is shown as "nobody" because root is not mapped here. */
static bool in_user_namespace(void)
{
	char buf[64], *p = buf;
	unsigned long inside, outside, count;
	ssize_t len;
	int fd;

	fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	len = read(fd, buf, sizeof(buf) - 1);
	close(fd);
	if (len <= 0) /* nothing is mapped yet, or nothing is known */
		return len == 0;
	buf[len] = '\0';
	inside = strtoul(p, &p, 10);
	outside = strtoul(p, &p, 10);
	count = strtoul(p, &p, 10);
	return !(inside == 0 && outside == 0 && count == UINT32_MAX);
}

static bool file_safe(const struct stat *st, uid_t owner)
{
	if (!S_ISREG(st->st_mode) || (st->st_mode & (S_IWGRP | S_IWOTH)))
		return false;
	return st->st_uid == owner ||
	       (st->st_uid == OVERFLOW_UID && in_user_namespace());
}

/* Page 0: root wrote it, so this finds damage and other versions. */
static int check_page0(const struct ds_fmt_page0 *page, size_t size,
		       enum ds_snap_kind kind)
{
	if (memcmp(page->magic, DS_FMT_MAGIC, sizeof(page->magic)) != 0)
		return DS_ERR_FORMAT;
	if (page->major != DS_FMT_MAJOR)
		return DS_ERR_VERSION;
	if (ds_siphash13(sum_key, page,
			 offsetof(struct ds_fmt_page0, page_sum)) !=
	    page->page_sum)
		return DS_ERR_FORMAT;
	if (page->kind != kind || page->file_size != size ||
	    page->id_min > page->id_max ||
	    !memchr(page->domain, '\0', sizeof(page->domain)))
		return DS_ERR_FORMAT;
	return 0;
}

static bool check_section(const struct ds_fmt_section_entry *sec, int i,
			  size_t size)
{
	uint64_t head = 0;
	uint64_t max =
	    i <= DS_SEC_LISTS ? DS_FMT_TEXT_MAX : DS_FMT_OBJECTS_MAX;

	if (sec->count > max || sec->off % DS_FMT_ALIGN != 0)
		return false;
	if (is_table(i)) /* room for the start numbers */
		head =
		    (((uint64_t)1 << ds_fmt_bits((uint32_t)sec->count)) + 1) *
		    sizeof(uint32_t);
	/* Small enough not to overflow: 2^32 elements of 128 bytes. */
	return snap_inside(sec->off, head + sec->count * elem_size[i], size);
}

static int check_sections(const struct ds_fmt_body *body, size_t size,
			  struct ds_snap *snap)
{
	const struct ds_fmt_section_entry *sec;
	int i;

	for (i = 0; i < DS_SEC_COUNT; i++) {
		sec = &body->sec[i];
		if (!elem_size[i] || !sec->count) /* later, or not there */
			continue;
		if (!check_section(sec, i, size))
			return DS_ERR_FORMAT;
		snap->sec[i].off = sec->off;
		snap->sec[i].count = sec->count;
	}
	/* Identities are found by the number of their object. */
	if (snap->sec[DS_SEC_USER_IDENT].count !=
		snap->sec[DS_SEC_USERS].count ||
	    snap->sec[DS_SEC_GROUP_IDENT].count !=
		snap->sec[DS_SEC_GROUPS].count)
		return DS_ERR_FORMAT;
	if (!memchr(body->netbios, '\0', sizeof(body->netbios)))
		return DS_ERR_FORMAT;
	return 0;
}

int ds_snap_attach(const void *base, size_t size, enum ds_snap_kind kind,
		   struct ds_snap *ret_snap)
{
	const struct ds_fmt_page0 *page = base;
	const struct ds_fmt_body *body;
	struct ds_snap snap = { .base = base, .size = size };
	int r;

	if (size < DS_FMT_PAGE + sizeof(*body))
		return DS_ERR_FORMAT;
	body = (const void *)(snap.base + DS_FMT_PAGE);
	r = check_page0(page, size, kind);
	if (r == 0)
		r = check_sections(body, size, &snap);
	if (r != 0)
		return r;
	memcpy(snap.hash_key, body->hash_key, sizeof(snap.hash_key));
	snap.netbios = body->netbios;
	snap.stamp.kind = page->kind;
	snap.stamp.policy = page->policy;
	snap.stamp.file_size = page->file_size;
	snap.stamp.generation = page->generation;
	snap.stamp.published = page->published;
	snap.stamp.id_min = page->id_min;
	snap.stamp.id_max = page->id_max;
	memcpy(snap.stamp.domain, page->domain, sizeof(snap.stamp.domain));
	*ret_snap = snap;
	return 0;
}

static int map_file(int fd, enum ds_snap_kind kind, uid_t owner,
		    struct ds_snap *ret_snap)
{
	struct stat st;
	size_t size;
	void *base;
	int r;

	if (fstat(fd, &st) != 0)
		return DS_ERR_SYS;
	if (!file_safe(&st, owner))
		return DS_ERR_UNSAFE;
	size = (size_t)st.st_size;
	if (st.st_size < (off_t)DS_FMT_PAGE || (off_t)size != st.st_size)
		return DS_ERR_FORMAT;
	base = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		return DS_ERR_SYS;
	r = ds_snap_attach(base, size, kind, ret_snap);
	if (r != 0) {
		munmap(base, size);
		return r;
	}
	ret_snap->mapped = true;
	ret_snap->file = (struct ds_snap_file){ st.st_dev, st.st_ino,
						st.st_size, st.st_mtim };
	return 0;
}

int ds_snap_open(const char *path, enum ds_snap_kind kind, uid_t owner,
		 struct ds_snap *ret_snap)
{
	int fd, r, saved;

	/* O_NONBLOCK: a FIFO in this place must not hang the caller. */
	fd = open(path,
		  O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return errno == ELOOP ? DS_ERR_UNSAFE : DS_ERR_SYS;
	r = map_file(fd, kind, owner, ret_snap);
	saved = errno;
	close(fd);
	errno = saved;
	return r;
}

void ds_snap_close(struct ds_snap *snap)
{
	if (snap->base && snap->mapped)
		munmap((void *)(uintptr_t)snap->base, snap->size);
	memset(snap, 0, sizeof(*snap));
}

bool ds_snap_changed(const struct ds_snap *snap, const char *path)
{
	const struct ds_snap_file *f = &snap->file;
	struct stat st;

	if (lstat(path, &st) != 0)
		return true;
	return st.st_dev != f->dev || st.st_ino != f->ino ||
	       st.st_size != f->size || st.st_mtim.tv_sec != f->mtime.tv_sec ||
	       st.st_mtim.tv_nsec != f->mtime.tv_nsec;
}

int ds_snap_verify(const struct ds_snap *snap)
{
	const struct ds_fmt_page0 *page = (const void *)snap->base;
	size_t len = snap->size - DS_FMT_PAGE, whole = len & ~(size_t)7;
	const uint8_t *body = snap->base + DS_FMT_PAGE;
	struct ds_sip sip;

	ds_sip_init(&sip, sum_key);
	ds_sip_words(&sip, body, whole);
	if (ds_sip_final(&sip, body + whole, len - whole) != page->body_sum)
		return DS_ERR_FORMAT;
	return 0;
}

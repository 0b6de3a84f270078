/*
 * Users and groups of a snapshot: the hot path.  Every record is checked each
 * time it is asked for, so that no file, whoever wrote it, yields an id out of
 * range, a name that could be a local one, a usable password field, or memory
 * outside the mapping.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <limits.h>
#include <string.h>

#include "lib/blocks.h"
#include "lib/resolve.h"
#include "lib/siphash.h"
#include "lib/snapshot_impl.h"

/* Ids that are nobody's to hand out, whatever page 0 says. */
#define ID_LOWEST 1000u /* below: system users and groups */
#define ID_DYNAMIC_MIN                                                        \
	61184u /* systemd's dynamic users, nobody, (uid16)-1                  \
		*/
#define ID_DYNAMIC_MAX 65535u
#define ID_HIGHEST     2147483647u /* above: negative where uids are int */

struct id_range {
	uint32_t min, span;
};

static inline struct id_range id_range(const struct ds_snap *snap)
{
	uint32_t min = snap->stamp.id_min, max = snap->stamp.id_max;

	if (min < ID_LOWEST)
		min = ID_LOWEST;
	if (max > ID_HIGHEST)
		max = ID_HIGHEST;
	/* An empty range: one id, and that one is reserved. */
	if (min > max)
		return (struct id_range){ ID_DYNAMIC_MIN, 0 };
	return (struct id_range){ min, max - min };
}

static inline bool id_inside(struct id_range range, uint32_t id)
{
	return id - range.min <= range.span &&
	       id - ID_DYNAMIC_MIN > ID_DYNAMIC_MAX - ID_DYNAMIC_MIN;
}

bool ds_snap_id_ok(const struct ds_snap *snap, uint32_t id)
{
	return id_inside(id_range(snap), id);
}

bool snap_name_ok(const char *name, size_t len, bool bare)
{
	struct ds_name_scan scan;

	if (len == 0 || len > DS_NAME_MAX)
		return false;
	scan = ds_scan_name(name, len);
	if (ds_any16(scan.bad))
		return false;
	if (!ds_any16(scan.at) && !(bare && ds_bare_ok(name)))
		return false;
	/* The rest of ds_name_ok(): "." and ".." have no '@'. */
	return !ds_any16(scan.high) || ds_name_ok(name);
}

/*
 * The password field is "*" and nothing else: with a hash there, programs
 * that ask passwd themselves would let its author in.
 */
static inline bool passwd_ok(const char *blob, uint32_t passwd, uint32_t next)
{
	return next == passwd + 2 && blob[passwd] == '*';
}

static bool user_blob_ok(const struct ds_snap *snap, const char *b,
			 const struct ds_fmt_user *rec)
{
	if (rec->passwd < 2 || rec->gecos <= rec->passwd ||
	    rec->home <= rec->gecos || rec->shell <= rec->home ||
	    rec->blob_len <= rec->shell)
		return false;
	if ((b[rec->passwd - 1] | b[rec->gecos - 1] | b[rec->home - 1] |
	     b[rec->shell - 1] | b[rec->blob_len - 1]) != '\0')
		return false;
	if (!passwd_ok(b, rec->passwd, rec->gecos) || b[rec->home] != '/' ||
	    (b[rec->shell] != '/' && b[rec->shell] != '\0'))
		return false;
	return ds_field_ok(b + rec->gecos,
			   (size_t)rec->blob_len - rec->gecos) &&
	       snap_name_ok(b, rec->passwd - 1u,
			    snap->stamp.policy & DS_SNAP_BARE_USERS);
}

int ds_snap_user_at(const struct ds_snap *snap, uint32_t index,
		    struct ds_snap_user *ret_user)
{
	const struct ds_fmt_user *rec = snap_sec(snap, DS_SEC_USERS);
	const struct id_range range = id_range(snap);
	const char *text = snap_sec(snap, DS_SEC_TEXT);

	if (index >= snap_count(snap, DS_SEC_USERS))
		return DS_ERR_NOTFOUND;
	rec += index;
	if (!id_inside(range, rec->uid) || !id_inside(range, rec->gid) ||
	    !snap_inside(rec->blob, rec->blob_len,
			 snap->sec[DS_SEC_TEXT].count) ||
	    rec->ngids > DS_FMT_GIDS_MAX ||
	    !snap_inside(rec->gids, rec->ngids,
			 snap->sec[DS_SEC_LISTS].count) ||
	    !user_blob_ok(snap, text + rec->blob, rec))
		return DS_ERR_FORMAT;
	*ret_user = (struct ds_snap_user){
		.index = index,
		.uid = rec->uid,
		.gid = rec->gid,
		.blob = text + rec->blob,
		.blob_len = rec->blob_len,
		.passwd = rec->passwd,
		.gecos = rec->gecos,
		.home = rec->home,
		.shell = rec->shell,
		.not_bare = rec->flags & DS_FMT_NOT_BARE,
		.gids =
		    (const uint32_t *)snap_sec(snap, DS_SEC_LISTS) + rec->gids,
		.ngids = rec->ngids,
	};
	return 0;
}

static bool group_blob_ok(const struct ds_snap *snap, const char *b,
			  const struct ds_fmt_group *rec)
{
	if (rec->passwd < 2 || rec->blob_len <= rec->passwd)
		return false;
	if ((b[rec->passwd - 1] | b[rec->blob_len - 1]) != '\0')
		return false;
	return passwd_ok(b, rec->passwd, rec->blob_len) &&
	       snap_name_ok(b, rec->passwd - 1u,
			    snap->stamp.policy & DS_SNAP_BARE_GROUPS);
}

int ds_snap_group_at(const struct ds_snap *snap, uint32_t index,
		     struct ds_snap_group *ret_group)
{
	const struct ds_fmt_group *rec = snap_sec(snap, DS_SEC_GROUPS);
	const char *text = snap_sec(snap, DS_SEC_TEXT);

	if (index >= snap_count(snap, DS_SEC_GROUPS))
		return DS_ERR_NOTFOUND;
	rec += index;
	if (!ds_snap_id_ok(snap, rec->gid) ||
	    !snap_inside(rec->blob, rec->blob_len,
			 snap->sec[DS_SEC_TEXT].count) ||
	    rec->nmembers > snap_count(snap, DS_SEC_USERS) ||
	    !snap_inside(rec->members, rec->nmembers,
			 snap->sec[DS_SEC_LISTS].count) ||
	    rec->members_size > (uint64_t)rec->nmembers * (DS_NAME_MAX + 1) ||
	    !group_blob_ok(snap, text + rec->blob, rec))
		return DS_ERR_FORMAT;
	*ret_group = (struct ds_snap_group){
		.index = index,
		.gid = rec->gid,
		.blob = text + rec->blob,
		.blob_len = rec->blob_len,
		.passwd = rec->passwd,
		.members = (const uint32_t *)snap_sec(snap, DS_SEC_LISTS) +
			   rec->members,
		.nmembers = rec->nmembers,
		.members_size = rec->members_size,
	};
	return 0;
}

typedef uint32_t ids4 __attribute__((vector_size(16)));

size_t ds_snap_copy_gids(const struct ds_snap *snap,
			 const struct ds_snap_user *user, uint32_t skip,
			 uint32_t *dst, size_t max)
{
	const struct id_range range = id_range(snap);
	const uint32_t *gids = user->gids;
	uint32_t count = user->ngids, i = 0;
	ids4 id, bad;
	size_t n = 0;

	/* Nearly always all are good, which is seen four at a time; from the
	 * first that may not be, one by one. */
	for (; i + 4 <= count && n + 4 <= max; i += 4, n += 4) {
		memcpy(&id, gids + i, sizeof(id));
		bad = (ids4)((id - range.min > range.span) |
			     (id - ID_DYNAMIC_MIN <=
			      ID_DYNAMIC_MAX - ID_DYNAMIC_MIN) |
			     (id == skip));
		if (ds_any16((ds_bytes16)bad))
			break;
		memcpy(dst + n, &id, sizeof(id));
	}
	for (; i < count && n < max; i++)
		if (id_inside(range, gids[i]) && gids[i] != skip)
			dst[n++] = gids[i];
	return n;
}

uint32_t ds_snap_user_count(const struct ds_snap *snap)
{
	return snap_count(snap, DS_SEC_USERS);
}

uint32_t ds_snap_group_count(const struct ds_snap *snap)
{
	return snap_count(snap, DS_SEC_GROUPS);
}

static int find_id(const struct ds_snap *snap, enum ds_fmt_section sec,
		   uint32_t id, uint32_t *ret_index)
{
	const uint32_t *start = snap_sec(snap, sec);
	const struct ds_fmt_id_entry *entry;
	uint32_t count = snap_count(snap, sec), i, end;
	unsigned bits = ds_fmt_bits(count);

	if (count == 0 || !ds_snap_id_ok(snap, id))
		return DS_ERR_NOTFOUND;
	if (!snap_bucket(start, count,
			 ds_fmt_id_bucket(snap->hash_key, id, bits), &i, &end))
		return DS_ERR_FORMAT;
	entry = (const void *)(start + ((size_t)1 << bits) + 1);
	for (; i < end; i++) {
		if (entry[i].id == id) {
			*ret_index = entry[i].index;
			return 0;
		}
	}
	return DS_ERR_NOTFOUND;
}

int ds_snap_user_by_uid(const struct ds_snap *snap, uint32_t uid,
			struct ds_snap_user *ret_user)
{
	struct ds_snap_user user;
	uint32_t index;
	int r;

	if ((r = find_id(snap, DS_SEC_UID, uid, &index)) != 0 ||
	    (r = ds_snap_user_at(snap, index, &user)) != 0)
		return r;
	if (user.uid != uid)
		return DS_ERR_FORMAT;
	*ret_user = user;
	return 0;
}

int ds_snap_group_by_gid(const struct ds_snap *snap, uint32_t gid,
			 struct ds_snap_group *ret_group)
{
	struct ds_snap_group group;
	uint32_t index;
	int r;

	if ((r = find_id(snap, DS_SEC_GID, gid, &index)) != 0 ||
	    (r = ds_snap_group_at(snap, index, &group)) != 0)
		return r;
	if (group.gid != gid)
		return DS_ERR_FORMAT;
	*ret_group = group;
	return 0;
}

static bool key_is(const struct ds_snap *snap, uint32_t off, const char *key,
		   size_t len)
{
	const char *p = snap_sec(snap, DS_SEC_TEXT);

	return snap_inside(off, len + 1, snap->sec[DS_SEC_TEXT].count) &&
	       p[off + len] == '\0' && memcmp(p + off, key, len) == 0;
}

int ds_snap_find(const struct ds_snap *snap, enum ds_snap_ns ns,
		 const char *key, size_t len, uint32_t *ret_index)
{
	static const enum ds_fmt_section sections[] = {
		[DS_NS_UPN] = DS_SEC_UPN,
		[DS_NS_USER_SAM] = DS_SEC_USER_SAM,
		[DS_NS_GROUP_SAM] = DS_SEC_GROUP_SAM,
	};
	const enum ds_fmt_section sec = sections[ns];
	const uint32_t *start = snap_sec(snap, sec);
	const struct ds_fmt_name_entry *entry;
	uint32_t count = snap_count(snap, sec), i, end, mask;
	uint64_t h;

	if (count == 0)
		return DS_ERR_NOTFOUND;
	h = ds_siphash13(snap->hash_key, key, len);
	mask = ((uint32_t)1 << ds_fmt_bits(count)) - 1;
	if (!snap_bucket(start, count, (uint32_t)h & mask, &i, &end))
		return DS_ERR_FORMAT;
	entry = (const void *)(start + mask + 2);
	for (; i < end; i++) {
		if (entry[i].tag != (uint32_t)(h >> 32) ||
		    !key_is(snap, entry[i].key, key, len))
			continue;
		if (entry[i].index == DS_FMT_NOBODY)
			return DS_ERR_CONFLICT;
		*ret_index = entry[i].index;
		return 0;
	}
	return DS_ERR_NOTFOUND;
}

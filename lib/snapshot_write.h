/*
 * Builds a snapshot (see snapshot_format.h) and writes it out: in memory, or
 * for the most part straight to its file, as ds_snapw_begin() says.
 * For the sync process, tests and benchmarks; never linked into a module.
 *
 * The builder checks form (lengths, counts, duplicate names and ids), not
 * policy: which object gets a contested name is decided by its caller.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_SNAPSHOT_WRITE_H
#define DS_SNAPSHOT_WRITE_H

#include "lib/snapshot.h"

struct ds_snapw;

/*
 * The hash key comes from getrandom(2) unless the caller fixes it (NULL: not);
 * `netbios` is at most 15 bytes, NULL or "" if unknown, stored in upper case.
 * NULL if memory is short or the name is longer.
 */
struct ds_snapw *ds_snapw_new(enum ds_snap_kind kind, const char *netbios,
			      const uint64_t hash_key[2]);
void ds_snapw_free(struct ds_snapw *w);

/*
 * Says, before anything is added, how much there is to come at most, and to
 * which file (readable too, empty) it is going, so that little of it has to be
 * in memory at one time.  The bytes are the same where it is as much as was
 * said; else there are zeros between them.  DS_ERR_NOMEM, DS_ERR_LIMIT.  More
 * than was said is DS_ERR_INVAL, and final, as is DS_ERR_SYS (errno), where
 * something is added.
 */
struct ds_snapw_size {
	size_t users, groups;
	size_t lists; /* a base's gids of users and members of groups */
};
DS_MUST_CHECK int ds_snapw_begin(struct ds_snapw *w, int fd,
				 const struct ds_snapw_size *size);

struct ds_snapw_user {
	const char *name, *gecos, *home, *shell; /* the passwd fields */
	uint32_t uid, gid;
	const uint32_t *gids; /* supplementary, nested included */
	uint32_t ngids;
	/* Lookup keys; folded by the builder.  NULL: not to be found so. */
	const char *key_upn, *key_sam;
	/* A local or reserved name: key_sam is not to be found bare, even
	 * where the policy of page 0 accepts bare names. */
	bool not_bare;
	struct ds_snap_identity id; /* strings are copied; NULL is "" */
};
struct ds_snapw_group {
	const char *name;
	uint32_t gid;
	const uint32_t
	    *members; /* user indices as ds_snapw_user() gave them */
	uint32_t nmembers;
	const char *key_sam;
	struct ds_snap_identity id;
};

/*
 * Adds an object; everything is copied.  DS_ERR_CONFLICT: its name, key or id
 * is there already; DS_ERR_LIMIT: a string or list is longer than the format
 * holds; DS_ERR_FORMAT: a name, key or field that no reader would answer;
 * DS_ERR_INVAL: a member that is no user.  Nothing was added then.
 * Other errors, and a file that is full, are final: every later call fails
 * too.  Groups are added after all users.
 */
DS_MUST_CHECK int ds_snapw_user(struct ds_snapw *w,
				const struct ds_snapw_user *user,
				uint32_t *ret_index);
DS_MUST_CHECK int ds_snapw_group(struct ds_snapw *w,
				 const struct ds_snapw_group *group);
/*
 * Gives one more value of an attribute to the user or group added last.
 * Values of one attribute come one after another.  The name is a constant:
 * equal pointers are stored once.
 */
DS_MUST_CHECK int ds_snapw_attr(struct ds_snapw *w, const char *name,
				const char *value);
DS_MUST_CHECK int ds_snapw_note(struct ds_snapw *w,
				const struct ds_snap_note *note);
/*
 * Bytes that the writer wants to find again (ds_snap_record()), at least one;
 * once.  DS_ERR_INVAL.
 */
DS_MUST_CHECK int ds_snapw_record(struct ds_snapw *w, const void *data,
				  uint32_t len);
DS_MUST_CHECK int ds_snapw_account(struct ds_snapw *w,
				   const struct ds_snap_account *account);

/*
 * Reserves a name that must resolve to nothing, for instance because two
 * objects claim it.  DS_ERR_CONFLICT: somebody has it already.
 */
DS_MUST_CHECK int ds_snapw_reserve(struct ds_snapw *w, enum ds_snap_ns ns,
				   const char *key);

/*
 * Writes the file, or what is missing of it, to fd, which is empty or the one
 * that it was begun with: page 0 empty, then the body.  Once; nothing is added
 * then.  The same additions in the same order give the same bytes.  DS_ERR_SYS
 * (errno).
 */
DS_MUST_CHECK int ds_snapw_write(struct ds_snapw *w, int fd);

#endif

/*
 * The snapshot: an immutable, memory-mapped file that answers every lookup.
 * This header is the reader; snapshot_format.h is the file format in prose,
 * snapshot_write.h builds one, resolve.h turns typed names into objects.
 *
 * The reader needs nothing but libc, never allocates, never logs, and trusts
 * no byte of the file: every offset is checked before use.  A `struct ds_snap`
 * is read-only after ds_snap_open(), so any number of threads may share it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_SNAPSHOT_H
#define DS_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"
#include "lib/guid.h"
#include "lib/sid.h"

enum ds_snap_kind {
	DS_SNAP_BASE = 1,     /* public/base.1.snap */
	DS_SNAP_ACCOUNTS = 2, /* private/accounts.1.snap */
};

/*
 * How names are formed and matched.  Stamped into page 0 by root from the
 * config (not taken from the directory), and enforced by the reader on every
 * answer: without DS_SNAP_BARE_USERS no user name leaves it that has no '@',
 * without DS_SNAP_BARE_GROUPS no such group name.
 */
enum ds_snap_policy {
	DS_SNAP_BARE_USERS = 1 << 0,  /* name_format = sam */
	DS_SNAP_BARE_GROUPS = 1 << 1, /* group_format = sam */
	DS_SNAP_SHORT_NAMES = 1 << 2, /* short_names = sam: "driley" matches */
	DS_SNAP_CANONICAL = 1 << 3,   /* spellings = canonical */
};
/*
 * The second byte of the policy is space_replacement, 0 for none: blanks of a
 * sAMAccountName are that character in published names and in the keys of the
 * name tables, and are looked up as it.
 */
#define DS_SNAP_BLANK_SHIFT 8

/* What page 0 says: written by the monitor alone. */
struct ds_snap_stamp {
	uint32_t kind;       /* enum ds_snap_kind */
	uint32_t policy;     /* enum ds_snap_policy */
	uint64_t file_size;  /* bytes */
	uint64_t generation; /* grows by one a publication */
	uint64_t published;  /* seconds since the epoch */
	uint32_t id_min;     /* lowest and highest uid and gid, inclusive */
	uint32_t id_max;
	char domain[256]; /* DNS name, lower case, NUL-terminated */
};

/* Identity of an open file, to notice a replacement by one stat(). */
struct ds_snap_file {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec mtime;
};

struct ds_snap {
	const uint8_t *base; /* NULL: not open */
	size_t size;
	struct ds_snap_stamp stamp;
	struct ds_snap_file file;
	/* Checked section table; private to snapshot.c. */
	struct {
		uint64_t off;
		uint64_t count;
	} sec[16];
	uint64_t hash_key[2];
	const char *netbios; /* NetBIOS domain name, upper case; "" unknown */
	bool mapped;         /* by ds_snap_open(), not the caller's memory */
};

/*
 * Opens and maps `path` and checks page 0 and the section table (not the
 * checksum of the body: that is the daemon's).  Fails with DS_ERR_SYS (errno),
 * DS_ERR_UNSAFE (not owned by `owner`, or by the overflow uid inside a user
 * namespace; or writable by others; or not a regular file), DS_ERR_FORMAT or
 * DS_ERR_VERSION.  Production callers pass owner 0.
 */
DS_MUST_CHECK int ds_snap_open(const char *path, enum ds_snap_kind kind,
			       uid_t owner, struct ds_snap *ret_snap);
/*
 * The same checks over `size` bytes of memory that stays the caller's (8-byte
 * aligned, unchanged until ds_snap_close()); nothing is said about a file.
 */
DS_MUST_CHECK int ds_snap_attach(const void *base, size_t size,
				 enum ds_snap_kind kind,
				 struct ds_snap *ret_snap);
void ds_snap_close(struct ds_snap *snap);
/* True if `path` is no longer the file that is mapped (one stat call). */
bool ds_snap_changed(const struct ds_snap *snap, const char *path);
/* Whether the body still has page 0's checksum: reads the whole file. */
DS_MUST_CHECK int ds_snap_verify(const struct ds_snap *snap);

/*
 * The compiled-in shield: false for ids below 1000, 61184-65535 (systemd,
 * nobody) and above 2^31-1, and for ids outside the stamp's range.
 */
bool ds_snap_id_ok(const struct ds_snap *snap, uint32_t id);

/*
 * A user as NSS needs it.  The strings are borrowed from the mapping, NUL-
 * terminated inside it, and valid until ds_snap_close().  `blob` is all five
 * strings of the passwd entry back to back (name, passwd, gecos, home, shell),
 * `blob_len` bytes with their NULs, so that one memcpy carries them.
 */
struct ds_snap_user {
	uint32_t index;
	uint32_t uid;
	uint32_t gid;
	const char *blob;
	uint32_t blob_len;
	uint16_t passwd, gecos, home, shell; /* offsets in blob; name is 0 */
	bool
	    not_bare; /* not to be found by a bare name, whatever the policy */
	const uint32_t
	    *gids; /* supplementary, nested, without gid; unchecked */
	uint32_t ngids;
};

/* A group; the blob is name and passwd. */
struct ds_snap_group {
	uint32_t index;
	uint32_t gid;
	const char *blob;
	uint32_t blob_len;
	uint16_t passwd;
	const uint32_t *members; /* user indices, unchecked */
	uint32_t nmembers;
	uint32_t members_size; /* bytes of all member names with their NULs */
};

/* What people and the login decision ask about an object; the cold part. */
struct ds_snap_identity {
	struct ds_guid guid;
	struct ds_sid sid;
	const char *upn; /* as the directory has it, lower case; "" none */
	const char *sam; /* sAMAccountName as the directory has it */
	const char *display_name;
	const char *nickname;  /* msDS-AzureADMailNickname; "" none */
	const char *object_id; /* msDS-aadObjectId / -AzureADObjectId; "" */
	const char *dn;
	uint32_t flags; /* enum ds_identity_flags */
};

enum ds_identity_flags {
	DS_ID_GENERATED = 1 << 0, /* sAMAccountName is not what it is made of:
				   * a nickname, or a group's displayName */
	DS_ID_ONPREM = 1 << 1,    /* has SID history */
	DS_ID_DISABLED = 1 << 2,
	DS_ID_CUSTOM_OU = 1 << 3, /* lives outside OU=AADDC Users */
	DS_ID_HELD = 1 << 4,      /* gone, kept by the safety valve */
};

/*
 * Lookups.  DS_OK, DS_ERR_NOTFOUND (final), or DS_ERR_FORMAT for a damaged
 * entry (treated as not found by NSS).  Ids are checked with ds_snap_id_ok().
 */
DS_MUST_CHECK int ds_snap_user_by_uid(const struct ds_snap *snap, uint32_t uid,
				      struct ds_snap_user *ret_user);
DS_MUST_CHECK int ds_snap_group_by_gid(const struct ds_snap *snap,
				       uint32_t gid,
				       struct ds_snap_group *ret_group);
/*
 * Copies at most `max` of the user's supplementary gids, those that
 * ds_snap_id_ok() allows and that are not `skip`, to dst; returns how many.
 */
size_t ds_snap_copy_gids(const struct ds_snap *snap,
			 const struct ds_snap_user *user, uint32_t skip,
			 uint32_t *dst, size_t max);
/* By position, 0 .. count - 1, for enumeration and members. */
uint32_t ds_snap_user_count(const struct ds_snap *snap);
uint32_t ds_snap_group_count(const struct ds_snap *snap);
DS_MUST_CHECK int ds_snap_user_at(const struct ds_snap *snap, uint32_t index,
				  struct ds_snap_user *ret_user);
DS_MUST_CHECK int ds_snap_group_at(const struct ds_snap *snap, uint32_t index,
				   struct ds_snap_group *ret_group);
DS_MUST_CHECK int ds_snap_user_identity(const struct ds_snap *snap,
					uint32_t index,
					struct ds_snap_identity *ret_id);
DS_MUST_CHECK int ds_snap_group_identity(const struct ds_snap *snap,
					 uint32_t index,
					 struct ds_snap_identity *ret_id);

/*
 * The mapped attributes that only people look at, and those whose spelling
 * the identity does not keep: the n-th value of an object, those of one
 * attribute side by side.  DS_ERR_NOTFOUND past the last.
 */
struct ds_snap_attr {
	const char *name; /* in LDAP */
	const char *value;
};
DS_MUST_CHECK int ds_snap_user_attr(const struct ds_snap *snap, uint32_t index,
				    uint32_t n, struct ds_snap_attr *ret_attr);
DS_MUST_CHECK int ds_snap_group_attr(const struct ds_snap *snap,
				     uint32_t index, uint32_t n,
				     struct ds_snap_attr *ret_attr);

/*
 * A directory name looked up in one namespace: the hash tables behind
 * resolve.c, which alone should call it.  `key` is folded already (ASCII
 * lower case), `len` bytes.  DS_ERR_CONFLICT: the name is reserved, it must
 * resolve to nothing.
 */
enum ds_snap_ns {
	DS_NS_UPN = 1,       /* userPrincipalName of a user */
	DS_NS_USER_SAM = 2,  /* sAMAccountName of a user */
	DS_NS_GROUP_SAM = 3, /* sAMAccountName of a group */
};
DS_MUST_CHECK int ds_snap_find(const struct ds_snap *snap, enum ds_snap_ns ns,
			       const char *key, size_t len,
			       uint32_t *ret_index);

/*
 * Objects that are in the directory but withheld, for `dssyncctl explain`:
 * why, and what was wanted.  Never consulted by NSS or PAM.
 */
enum ds_withheld {
	DS_WH_NAME_SYNTAX = 1,   /* name cannot be published: resolve.h */
	DS_WH_NAME_CONFLICT = 2, /* an older object has the name */
	DS_WH_ID_CONFLICT = 3,   /* an older object has the id */
	DS_WH_ID_RANGE = 4,      /* id outside id_range or reserved */
	DS_WH_LOCAL_ID = 5,      /* a local passwd or group entry has the id */
	DS_WH_FIELD = 6,         /* an attribute cannot be a passwd field */
	DS_WH_MALFORMED = 7,     /* SID, GUID, ... break their format */
	DS_WH_HELD_BACK = 8,     /* reserved for the safety valve */
	DS_WH_SCOPE = 9,         /* left out by sync.bases or sync.origin */
	DS_WH_NO_ID = 10,        /* the directory gives it no id */
	DS_WH_IN_PART = 11,      /* published without a malformed attribute */
};
/* False: nothing is wrong with the object; it is held, or not wanted here. */
static inline bool ds_withheld_by_fault(enum ds_withheld reason)
{
	return reason != DS_WH_HELD_BACK && reason != DS_WH_SCOPE &&
	       reason != DS_WH_NO_ID && reason != DS_WH_IN_PART;
}
struct ds_snap_note {
	enum ds_withheld reason;
	bool group;
	struct ds_guid guid;
	const char *name;      /* the name that it would have had, or its DN */
	const char *detail;    /* one sentence for a person: what and why */
	const char *sam, *upn; /* as the directory has them; "" none */
};
/* What ds_snapw_record() left; borrowed from the snapshot.  DS_ERR_NOTFOUND.
 */
DS_MUST_CHECK int ds_snap_record(const struct ds_snap *snap,
				 const uint8_t **ret_data, size_t *ret_len);

uint32_t ds_snap_note_count(const struct ds_snap *snap);
DS_MUST_CHECK int ds_snap_note_at(const struct ds_snap *snap, uint32_t index,
				  struct ds_snap_note *ret_note);

/*
 * When an account may log in, from the directory's attributes and the domain's
 * policy.  Times are FILETIME; DS_NEVER is no time at all.
 */
#define DS_NEVER     ((uint64_t)INT64_MAX)
#define DS_HOURS_LEN 21 /* bytes: 168 hours */
struct ds_snap_limits {
	uint64_t pwd_expires; /* 0: the password must be changed */
	/* 0: not locked; DS_NEVER: until an administrator unlocks it */
	uint64_t locked_until;
	bool has_hours; /* false: at any hour */
	/* MS-SAMR 2.2.6.5: bit n % 8 of byte n / 8 is hour n since Sunday 0:00
	 * UTC. */
	uint8_t hours[DS_HOURS_LEN];
};

/*
 * An account of private/accounts.1.snap: what a login decision needs.
 * Times are FILETIME (100 ns since 1601-01-01 UTC), as the directory has them.
 */
struct ds_snap_account {
	struct ds_guid guid;
	struct ds_sid sid;
	const char *upn; /* "" none */
	const char *sam;
	const char *name; /* pw_name, canonical */
	uint32_t uid;
	uint32_t uac;             /* userAccountControl, MS-ADTS 2.2.16 */
	uint64_t account_expires; /* 0 or 0x7FFF...: never */
	uint64_t pwd_last_set;    /* 0: must change at next logon */
	uint32_t flags;           /* enum ds_identity_flags */
	bool has_limits;          /* false: not known */
	struct ds_snap_limits limits;
};
DS_MUST_CHECK int ds_snap_account_by_guid(const struct ds_snap *snap,
					  const struct ds_guid *guid,
					  struct ds_snap_account *ret_account);

#endif

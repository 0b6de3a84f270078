/*
 * The snapshot file, major version 1.  dssync-snapshot(5) says the same.
 *
 * An immutable file, replaced only by rename.  Integers are little-endian and
 * naturally aligned; a reader maps the file and reads them in place.  Offsets
 * count bytes from the start of the file or elements from the start of a
 * section; there are no pointers.
 *
 *   page 0      struct ds_fmt_page0, DS_FMT_PAGE bytes.  Written by the
 *               monitor (root), never by the process that made the rest.
 *   body        struct ds_fmt_body at DS_FMT_PAGE: hash key, NetBIOS name
 *               and the section table; the sections follow in any order,
 *               each aligned to 8 bytes, with zeros between them.
 *               Everything in it is untrusted: a reader checks each number
 *               before use and each id and name before an answer.
 *
 * Checksums: body_sum is SipHash-1-3 under the key DS_FMT_SUM_KEY of all bytes
 * from DS_FMT_PAGE to the end of the file, and page_sum that of page 0 up to
 * page_sum itself.  They notice damage, not malice.  page_sum is checked at
 * each open, body_sum by the monitor.
 *
 * Strings live in the section TEXT and end with a NUL inside it; whoever says
 * the same may share them.  A passwd entry is one "blob": its five strings
 * (name, passwd, gecos, home, shell) back to back, each with its NUL; a
 * group's is two (name, passwd).
 *
 * A table is a hash table without chains, so that no file can make a reader
 * loop: of n entries, with b = ds_fmt_bits(n), it is 2^b + 1 u32 start
 * numbers and then the n entries, sorted by bucket.  Bucket i holds entries
 * start[i] <= e < start[i + 1].  n is the section's count.
 *   - name tables (UPN, USER_SAM, GROUP_SAM): h = SipHash-1-3 under the
 *     file's hash key of the folded key (ASCII lower case) without NUL;
 *     bucket = h mod 2^b, tag = h >> 32, struct ds_fmt_name_entry.
 *   - id tables (UID, GID): bucket = ds_fmt_id_bucket(), struct
 *     ds_fmt_id_entry.
 *   - GUID (accounts): h of the 16 bytes, otherwise as a name table; struct
 *     ds_fmt_guid_entry.
 * An entry whose index is DS_FMT_NOBODY is a name that is taken and resolves
 * to nothing.
 *
 * Versions: a reader refuses another major version, and ignores minor
 * versions, flags and sections that it does not know.  The major version is
 * in the file's name.
 *
 * Later: delta.1.snap, a small file of this same format with its own kind,
 * whose page 0 names (in `generation` and a field after body_sum) the base
 * that it changes.  A reader asks it first: an entry there replaces the
 * base's, one with DS_FMT_NOBODY hides it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_SNAPSHOT_FORMAT_H
#define DS_SNAPSHOT_FORMAT_H

#include <stdint.h>

#define DS_FMT_MAGIC  "dssync\r\n" /* 8 bytes, no NUL */
#define DS_FMT_MAJOR  1
#define DS_FMT_MINOR  1 /* 1: an account's limits */
#define DS_FMT_PAGE   4096u
#define DS_FMT_ALIGN  8u
#define DS_FMT_NOBODY 0xffffffffu
#define DS_FMT_SUM_KEY                                                        \
	{                                                                     \
		0x636e797373643031u, 0x6d7573646f627934u                      \
	}

/* Limits: a writer keeps them, a reader refuses what breaks them. */
#define DS_FMT_BLOB_MAX    65535u      /* bytes of one blob */
#define DS_FMT_GIDS_MAX    65536u      /* groups of a user: NGROUPS_MAX */
#define DS_FMT_OBJECTS_MAX 0x10000000u /* users, groups, entries */
#define DS_FMT_TEXT_MAX    0xf0000000u /* bytes of TEXT, elements of LISTS */

struct ds_fmt_page0 {
	char magic[8];
	uint32_t kind; /* enum ds_snap_kind */
	uint16_t major;
	uint16_t minor;
	uint32_t policy; /* enum ds_snap_policy */
	uint32_t zero;
	uint64_t file_size;  /* bytes, page 0 included */
	uint64_t generation; /* one more with each publication */
	uint64_t published;  /* seconds since the epoch */
	uint32_t id_min; /* ids outside id_min..id_max are never answered */
	uint32_t id_max;
	char domain[256]; /* DNS name, lower case, NUL-terminated */
	uint64_t body_sum;
	uint8_t reserved[DS_FMT_PAGE - 328]; /* zero */
	uint64_t page_sum;
};

enum ds_fmt_section {
	DS_SEC_TEXT = 0,         /* bytes */
	DS_SEC_LISTS = 1,        /* u32: gids, members, limits */
	DS_SEC_USERS = 2,        /* struct ds_fmt_user */
	DS_SEC_GROUPS = 3,       /* struct ds_fmt_group */
	DS_SEC_UPN = 4,          /* name table: users by userPrincipalName */
	DS_SEC_USER_SAM = 5,     /* name table: users by sAMAccountName */
	DS_SEC_GROUP_SAM = 6,    /* name table: groups by sAMAccountName */
	DS_SEC_UID = 7,          /* id table of the users */
	DS_SEC_GID = 8,          /* id table of the groups */
	DS_SEC_USER_IDENT = 9,   /* struct ds_fmt_ident, one a user */
	DS_SEC_GROUP_IDENT = 10, /* struct ds_fmt_ident, one a group */
	DS_SEC_NOTES = 11,       /* struct ds_fmt_note */
	DS_SEC_ACCOUNTS = 12,    /* struct ds_fmt_account */
	DS_SEC_GUID = 13,        /* GUID table of the accounts */
	DS_SEC_ATTRS = 14,       /* struct ds_fmt_attr, by owner */
	DS_SEC_RECORD = 15,      /* bytes: the writer's own */
	DS_SEC_COUNT = 16,
};

struct ds_fmt_section_entry {
	uint64_t off;   /* from the start of the file; multiple of 8 */
	uint64_t count; /* elements; 0: there is no such section */
};

struct ds_fmt_body {
	uint64_t hash_key[2];
	char netbios[16]; /* domain name, upper case, NUL-terminated */
	struct ds_fmt_section_entry sec[DS_SEC_COUNT];
};

enum ds_fmt_user_flags {
	/* Never found by a bare name, whatever the policy (a reserved or
	 * local name). */
	DS_FMT_NOT_BARE = 1 << 0,
};

struct ds_fmt_user {
	uint32_t uid;
	uint32_t gid;
	uint32_t blob;                       /* offset in TEXT */
	uint16_t blob_len;                   /* bytes with the NULs */
	uint16_t flags;                      /* enum ds_fmt_user_flags */
	uint16_t passwd, gecos, home, shell; /* offsets in the blob */
	uint32_t gids; /* first element in LISTS: supplementary gids */
	uint32_t ngids;
};

struct ds_fmt_group {
	uint32_t gid;
	uint32_t blob;
	uint16_t blob_len;
	uint16_t passwd;
	uint32_t members; /* first element in LISTS: user indices */
	uint32_t nmembers;
	uint32_t members_size; /* bytes of the member names with their NULs */
};

struct ds_fmt_name_entry {
	uint32_t tag;
	uint32_t index; /* of the user or group, or DS_FMT_NOBODY */
	uint32_t key;   /* offset of the folded key in TEXT */
};
struct ds_fmt_id_entry {
	uint32_t id;
	uint32_t index;
};
struct ds_fmt_guid_entry {
	uint32_t tag;
	uint32_t index;
};

/* Strings are offsets in TEXT.  The SID is binary (MS-DTYP 2.4.2.2). */
struct ds_fmt_ident {
	uint8_t guid[16];
	uint8_t sid[68];
	uint32_t upn, sam, display_name, nickname, object_id, dn;
	uint32_t flags; /* enum ds_identity_flags */
};

struct ds_fmt_note {
	uint8_t guid[16];
	uint16_t reason; /* enum ds_withheld */
	uint16_t group;  /* 0 or 1 */
	uint32_t name, detail, sam, upn;
};

/*
 * A value of an attribute that only people look at.  The owner is the index
 * of a user, or of a group with DS_FMT_ATTR_GROUP; the section is sorted by
 * owner, so that a reader finds an object's values by halving.
 */
#define DS_FMT_ATTR_GROUP 0x80000000u
struct ds_fmt_attr {
	uint32_t owner;
	uint32_t name, value; /* the LDAP name; many records share it */
};

struct ds_fmt_account {
	uint64_t account_expires; /* FILETIME, as pwd_last_set */
	uint64_t pwd_last_set;
	uint8_t guid[16];
	uint8_t sid[68];
	uint32_t upn, sam, name;
	uint32_t uid;
	uint32_t uac;   /* userAccountControl */
	uint32_t flags; /* enum ds_identity_flags */
	/* 1 + the first element in LISTS of struct ds_fmt_limits; 0: they are
	 * not known. */
	uint32_t limits;
};

/* When an account may log in; times are FILETIME. */
struct ds_fmt_limits {
	uint64_t pwd_expires;  /* 0: has, since it must be changed */
	uint64_t locked_until; /* 0: not locked */
	uint8_t hours[21];     /* a bit an hour of the week, UTC */
	uint8_t has_hours;     /* 0: all of them */
	uint8_t zero[2];
};

_Static_assert(sizeof(struct ds_fmt_page0) == DS_FMT_PAGE, "page 0");
_Static_assert(sizeof(struct ds_fmt_body) == 288, "body");
_Static_assert(sizeof(struct ds_fmt_user) == 32, "user");
_Static_assert(sizeof(struct ds_fmt_group) == 24, "group");
_Static_assert(sizeof(struct ds_fmt_name_entry) == 12, "name entry");
_Static_assert(sizeof(struct ds_fmt_ident) == 112, "identity");
_Static_assert(sizeof(struct ds_fmt_note) == 36, "note");
_Static_assert(sizeof(struct ds_fmt_attr) == 12, "attribute");
_Static_assert(sizeof(struct ds_fmt_account) == 128, "account");
_Static_assert(sizeof(struct ds_fmt_limits) == 40, "limits");

/* The number of buckets of n entries is 2 to the power of this. */
static inline unsigned ds_fmt_bits(uint32_t n)
{
	return n < 2 ? 0 : 32 - (unsigned)__builtin_clz(n - 1);
}

/* The bucket of an id: multiply and shift, keyed. */
static inline uint32_t ds_fmt_id_bucket(const uint64_t key[2], uint32_t id,
					unsigned bits)
{
	uint64_t h = (id ^ (uint32_t)key[0]) * (key[1] | 1);

	return (uint32_t)((h >> 32) >> (32 - bits));
}

#endif

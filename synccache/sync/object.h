/*
 * A directory object as the store keeps it: what entries said about it so far,
 * checked for form, and nothing decided.  Pure: no LDAP, no database.
 *
 * A decoded object borrows from the bytes it was decoded from, an applied one
 * also from the entry and the arena: encode it before they go.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_OBJECT_H
#define DSS_OBJECT_H

#include "lib/sid.h"
#include "lib/snapshot.h"
#include "synccache/sync/arena.h"
#include "synccache/sync/entry.h"

enum dss_kind {
	DSS_KIND_NONE = 0, /* objectClass not seen */
	DSS_KIND_USER = 1,
	DSS_KIND_GROUP = 2,
	DSS_KIND_OTHER = 3, /* computers and whatever else */
};

/* Bits of `present` and `malformed`: one an attribute. */
enum dss_field {
	DSS_F_CLASS = 1 << 0,
	DSS_F_SID = 1 << 1,
	DSS_F_SAM = 1 << 2,
	DSS_F_UPN = 1 << 3,
	DSS_F_UAC = 1 << 4,
	DSS_F_GROUP_TYPE = 1 << 5,
	DSS_F_PRIMARY = 1 << 6,
	DSS_F_CREATED = 1 << 7,
	DSS_F_EXPIRES = 1 << 8,
	DSS_F_PWD_SET = 1 << 9,
	DSS_F_DISPLAY = 1 << 10,
	DSS_F_NICKNAME = 1 << 11,
	DSS_F_OBJECT_ID = 1 << 12,
	DSS_F_LEGACY_ID = 1 << 13,
	DSS_F_MAIL = 1 << 14,
	DSS_F_MEMBER = 1 << 15,
	DSS_F_HISTORY = 1 << 16,
	DSS_F_MANAGER = 1 << 17,
	DSS_F_SHOWN = 1 << 18, /* any of shown.h; malformed only */
	DSS_F_UID_NUMBER = 1 << 19,
	DSS_F_GID_NUMBER = 1 << 20,
	DSS_F_LOCKOUT = 1 << 21,
	DSS_F_HOURS = 1 << 22,
};

enum dss_object_flags {
	DSS_OBJ_HELD = 1 << 0, /* gone from the directory, kept by the valve */
	/* Where the configuration has a scope (scope.h): */
	DSS_OBJ_IN = 1 << 1,   /* in it */
	DSS_OBJ_KEPT = 1 << 2, /* out of it, kept there by the valve */
	/* The history is not what the directory shows, but what it showed. */
	DSS_OBJ_HISTORY = 1 << 3,
};

struct dss_object {
	struct ds_guid guid;
	uint32_t kind;      /* enum dss_kind */
	uint32_t flags;     /* enum dss_object_flags */
	uint32_t present;   /* enum dss_field: has a value */
	uint32_t malformed; /* enum dss_field: the last value was refused */
	uint32_t uac;
	uint32_t group_type;
	uint32_t primary_rid;
	uint32_t uid_number, gid_number; /* 0 to 2^31-1 */
	uint64_t created;                /* epoch seconds */
	uint64_t expires;                /* FILETIME */
	uint64_t pwd_last_set;           /* FILETIME */
	uint64_t lockout_time;           /* FILETIME; 0: not locked */
	uint8_t hours[DS_HOURS_LEN]; /* with DSS_F_HOURS (lib/snapshot.h) */
	struct ds_sid sid;
	const char *dn, *sam, *upn, *display, *nickname, *object_id,
	    *legacy_id, *mail;         /* never NULL; "" none */
	const char *manager_dn;        /* without its GUID; "" none */
	struct ds_guid manager;        /* with DSS_F_MANAGER */
	const struct ds_guid *members; /* sorted, unique */
	size_t nmembers;
	const uint8_t *history; /* blobs (lib/buf.h) of binary SIDs */
	size_t history_len;
	uint32_t nhistory;
	const uint8_t *shown; /* shown.h */
	size_t shown_len;
};

/*
 * The attributes to ask for, NULL-terminated; constant.  `mapped`: also those
 * that are only shown to people (sync.attributes).
 */
const char *const *dss_object_attributes(bool mapped);

/* Forgets what is asked for only if `mapped`. */
void dss_object_bare(struct dss_object *obj);

void dss_object_init(struct dss_object *obj, const struct ds_guid *guid);

/* How "member;range=a-b" is to be read. */
enum dss_apply {
	DSS_APPLY_DELTA, /* DirSync: 1-1 was added, 0-0 was removed */
	DSS_APPLY_READ,  /* a search: a slice of all values */
};

/*
 * Takes over what the entry says: its DN, and each attribute it carries; one
 * without values is cleared; others stay.  A value that breaks its format
 * counts as absent and sets its bit in `malformed`.  DS_ERR_NOMEM only.
 */
DS_MUST_CHECK int dss_object_apply(struct dss_object *obj,
				   const struct dss_entry *entry,
				   enum dss_apply how,
				   struct dss_arena *arena);

/*
 * The attributes of `malformed`, or of `missing` (enum dss_field), by their
 * names, separated by commas; cut to fit.  Returns buf.
 */
const char *dss_object_fields(uint32_t fields, char *buf, size_t cap);

/*
 * Says that a stored object is read soon: what it borrows lies together,
 * beginning with the DN, and far from its neighbours'.
 */
#define DSS_AHEAD 4 /* objects: so long before */
static inline void dss_object_ahead(const struct dss_object *obj)
{
	for (size_t at = 0; at < 512; at += 64)
		__builtin_prefetch(obj->dn + at);
}

/* How lists of GUIDs are sorted: for qsort(3) and bsearch(3). */
int dss_guid_order(const void *a, const void *b);
/* Whether a sorted list has the GUID. */
bool dss_guids_have(const struct ds_guid *list, size_t count,
		    const struct ds_guid *guid);

/* Adds (or removes) members; pure set operations.  DS_ERR_NOMEM. */
DS_MUST_CHECK int dss_members_change(struct dss_object *obj, bool add,
				     struct ds_guid *guids, size_t count,
				     struct dss_arena *arena);

/*
 * True if what a user or group cannot be without has been seen, even if
 * malformed: else the object is to be read again as a whole.
 */
bool dss_object_complete(const struct dss_object *obj);

/*
 * The stored form; *ret_data is from the arena.  DS_ERR_NOMEM, or
 * DS_ERR_LIMIT (more members than fit).
 */
DS_MUST_CHECK int dss_object_encode(const struct dss_object *obj,
				    struct dss_arena *arena,
				    const uint8_t **ret_data, size_t *ret_len);
/* The flags of a stored form; 0 of what cannot be one. */
uint32_t dss_object_flags(const void *data, size_t len);
/* DS_ERR_FORMAT for anything that dss_object_encode() did not write. */
DS_MUST_CHECK int dss_object_decode(const struct ds_guid *guid,
				    const void *data, size_t len,
				    struct dss_object *ret_obj);

#endif

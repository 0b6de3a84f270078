/*
 * What the files of the writer share; nobody else includes this.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_SNAPSHOT_WRITE_IMPL_H
#define DS_SNAPSHOT_WRITE_IMPL_H

#include "lib/resolve.h"
#include "lib/snapshot_format.h"
#include "lib/snapshot_table.h"
#include "lib/snapshot_write.h"

#define DSW_ATTR_NAMES  64 /* the names of more are stored again and again */
#define DSW_VALUE       48 /* so are longer values, in bytes with the NUL */
#define DSW_STRING_BITS 6

struct ds_snapw {
	enum ds_snap_kind kind;
	uint64_t hash_key[2];
	char netbios[16];
	int err; /* final: half an object may be in */
	/* Sections in the file's layout; those of tables stay empty. */
	struct dsw_vec sec[DS_SEC_COUNT];
	/* Those that go to the file by parts: where they begin there, and the
	 * bytes that they have room for.  0: in memory until the end. */
	struct dsw_place {
		uint64_t at, room;
	} place[DS_SEC_COUNT];
	int fd;
	uint32_t count[DS_SEC_COUNT];
	struct dsw_table table[DS_SEC_COUNT];
	/* pw_name and gr_name, which no table of the file has; without the
	 * users' that are their UPN too. */
	struct dsw_table user_names, group_names;
	/* Attributes that are in TEXT already, with their latest values:
	 * neighbours often share one. */
	struct dsw_attr {
		const char *name;
		uint32_t off, value;
		char last[DSW_VALUE];
	} attr[DSW_ATTR_NAMES + 1];
	size_t nattrs, next_attr;
	/* Strings in TEXT, by a hash of their own; those from `begin` are the
	 * object's: much of an object is said of it more than once. */
	struct dsw_string {
		uint32_t off, len; /* with the NUL */
	} string[1 << DSW_STRING_BITS];
	size_t begin;
};

/* Adders, to sections (snapshot_text.c).  DS_ERR_LIMIT, DS_ERR_NOMEM. */
DS_MUST_CHECK int dsw_add_bytes(struct ds_snapw *w, const void *data,
				size_t len, uint32_t *ret_off);
/* Begins an object: it shares no string with those before. */
DS_MUST_CHECK int dsw_begin(struct ds_snapw *w);
/* A string in TEXT that dsw_add_string() may use once more. */
void dsw_note_string(struct ds_snapw *w, uint32_t off, const char *s,
		     size_t len);
/* NULL is "", which is at offset 0. */
DS_MUST_CHECK int dsw_add_string(struct ds_snapw *w, const char *s,
				 uint32_t *ret_off);
DS_MUST_CHECK int dsw_add_list(struct ds_snapw *w, const uint32_t *list,
			       uint32_t count, uint32_t *ret_first);
DS_MUST_CHECK int dsw_add_record(struct ds_snapw *w, enum ds_fmt_section sec,
				 const void *rec, size_t size);
/* Whether `len` bytes of a section, from `off`, are those of `data`; true also
 * if they cannot be read, and then DS_ERR_SYS (errno) is final. */
bool dsw_is_at(struct ds_snapw *w, enum ds_fmt_section sec, size_t off,
	       const void *data, size_t len);
/*
 * To the file with what a section has in memory, if it goes there by parts:
 * for DSW_KEPT bytes, which is little enough for the processor's cache.
 * DS_ERR_SYS (errno).
 */
#define DSW_KEPT ((size_t)128 << 10)
DS_MUST_CHECK int dsw_spill(struct ds_snapw *w, enum ds_fmt_section sec);
/* DS_ERR_FORMAT: no SID. */
DS_MUST_CHECK int dsw_put_sid(uint8_t field[68], const struct ds_sid *sid);
/*
 * What was checked before cannot fail; memory and the file's limits can, and
 * leave half an object behind: an error is final.
 */
int dsw_finish(struct ds_snapw *w, int err);
/* DS_ERR_CONFLICT if it is taken, but the error if that was not to be seen. */
DS_MUST_CHECK int dsw_conflict(const struct ds_snapw *w, bool taken);

/* One name to be added to a table, folded if it is a key. */
struct dsw_key {
	struct dsw_table *table;     /* NULL: there is none to be added */
	char s[DS_NAME_MAX + 1 + 8]; /* written in whole words */
	size_t len;
	uint64_t h;
};
/*
 * `s` is NULL (no such key), or becomes a key of `table`, which is looked into
 * soon.  DS_ERR_LIMIT, DS_ERR_FORMAT: no name.
 */
DS_MUST_CHECK int dsw_key_make(struct ds_snapw *w, struct dsw_table *table,
			       bool fold, const char *s, struct dsw_key *key);
/* True if somebody has the key in its table already. */
bool dsw_key_taken(struct ds_snapw *w, const struct dsw_key *key);
/* True if the key is in the table: the item's number there. */
bool dsw_key_find(struct ds_snapw *w, const struct dsw_table *table,
		  const struct dsw_key *key, const struct dsw_item **ret_item);
/* `name`, at `name_off`, is reused where the key says the same. */
DS_MUST_CHECK int dsw_key_add(struct ds_snapw *w, const struct dsw_key *key,
			      const char *name, uint32_t name_off,
			      uint32_t index);

#endif

/*
 * The snapshot writer: the file, and what goes there before the end.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/snapshot_write_impl.h"

#define BODY_AT  DS_FMT_PAGE
#define FIRST_AT (BODY_AT + sizeof(struct ds_fmt_body))

/* As they follow each other in the file: first those whose sizes are known
 * before, then TEXT, and what is in memory until the end. */
static const enum ds_fmt_section order[] = {
	DS_SEC_LISTS,     DS_SEC_USER_IDENT, DS_SEC_GROUP_IDENT,
	DS_SEC_ACCOUNTS,  DS_SEC_TEXT,       DS_SEC_USERS,
	DS_SEC_GROUPS,    DS_SEC_UPN,        DS_SEC_USER_SAM,
	DS_SEC_GROUP_SAM, DS_SEC_UID,        DS_SEC_GID,
	DS_SEC_NOTES,     DS_SEC_GUID,       DS_SEC_ATTRS,
	DS_SEC_RECORD,
};
_Static_assert(sizeof(order) / sizeof(order[0]) == DS_SEC_COUNT,
	       "each section has its place");

static uint64_t aligned(uint64_t size)
{
	return (size + DS_FMT_ALIGN - 1) & ~(uint64_t)(DS_FMT_ALIGN - 1);
}

static int write_at(int fd, const void *data, size_t len, uint64_t at)
{
	const uint8_t *p = data;
	ssize_t n;

	while (len) {
		n = pwrite(fd, p, len, (off_t)at);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return DS_ERR_SYS;
		p += n;
		len -= (size_t)n;
		at += (uint64_t)n;
	}
	return 0;
}

/* ---- by parts ---- */

int dsw_spill(struct ds_snapw *w, enum ds_fmt_section sec)
{
	struct dsw_vec *v = &w->sec[sec];
	int r;

	if (!w->place[sec].at)
		return 0;
	r = write_at(w->fd, v->p, v->len, w->place[sec].at + v->before);
	if (r != 0)
		return r;
	v->before += v->len;
	v->len = 0;
	return 0;
}

static int reserve_tables(struct ds_snapw *w, const struct ds_snapw_size *size)
{
	const bool base = w->kind == DS_SNAP_BASE;
	const struct {
		enum ds_fmt_section sec;
		size_t count;
	} tables[] = {
		{ DS_SEC_UPN, base ? size->users : 0 },
		{ DS_SEC_USER_SAM, base ? size->users : 0 },
		{ DS_SEC_UID, base ? size->users : 0 },
		{ DS_SEC_GROUP_SAM, size->groups },
		{ DS_SEC_GID, size->groups },
		{ DS_SEC_GUID, base ? 0 : size->users },
	};
	int r = 0;

	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]) && r == 0;
	     i++)
		r = dsw_table_reserve(&w->table[tables[i].sec],
				      (uint32_t)tables[i].count);
	return r;
}

int ds_snapw_begin(struct ds_snapw *w, int fd,
		   const struct ds_snapw_size *size)
{
	const bool base = w->kind == DS_SNAP_BASE;
	const uint64_t room[DS_SEC_COUNT] = {
		[DS_SEC_LISTS] =
		    base ? size->lists * sizeof(uint32_t)
			 : size->users * sizeof(struct ds_fmt_limits),
		[DS_SEC_USER_IDENT] =
		    base ? size->users * sizeof(struct ds_fmt_ident) : 0,
		[DS_SEC_GROUP_IDENT] =
		    size->groups * sizeof(struct ds_fmt_ident),
		[DS_SEC_ACCOUNTS] =
		    base ? 0 : size->users * sizeof(struct ds_fmt_account),
		[DS_SEC_TEXT] = DS_FMT_TEXT_MAX,
	};
	uint64_t at = FIRST_AT;
	enum ds_fmt_section sec;
	size_t i = 0;

	if (size->users > DS_FMT_OBJECTS_MAX ||
	    size->groups > DS_FMT_OBJECTS_MAX || size->lists > DS_FMT_TEXT_MAX)
		return DS_ERR_LIMIT;
	/* Also one without room has a place: nothing comes before TEXT later
	 * on. */
	do {
		sec = order[i++];
		w->place[sec] = (struct dsw_place){ at, room[sec] };
		at += aligned(room[sec]);
	} while (sec != DS_SEC_TEXT);
	w->fd = fd;
	return reserve_tables(w, size);
}

/* ---- the end ---- */

/* Tables become sections like the others. */
static int layout_tables(struct ds_snapw *w)
{
	uint32_t *buf;
	size_t len;
	int i, r;

	for (i = 0; i < DS_SEC_COUNT; i++) {
		if (!w->table[i].count)
			continue;
		r = dsw_table_layout(&w->table[i], w->hash_key, &buf, &len);
		if (r != 0)
			return r;
		dsw_vec_done(&w->sec[i]);
		w->sec[i] = (struct dsw_vec){ (uint8_t *)buf, len, len, 0 };
		w->count[i] = w->table[i].count;
	}
	return 0;
}

/* The section's part that is in memory goes to the file, at *at or where the
 * rest is; *at moves behind it. */
static int write_section(struct ds_snapw *w, enum ds_fmt_section sec,
			 uint64_t *at, struct ds_fmt_section_entry *ret_entry)
{
	struct dsw_place *place = &w->place[sec];

	if (w->count[sec] == 0 && !place->at)
		return 0;
	if (!place->at)
		*place = (struct dsw_place){ *at, dsw_vec_size(&w->sec[sec]) };
	if (w->count[sec] > 0)
		*ret_entry =
		    (struct ds_fmt_section_entry){ place->at, w->count[sec] };
	/* TEXT has all the room there is, and what follows needs some. */
	*at =
	    place->at + aligned(sec == DS_SEC_TEXT ? dsw_vec_size(&w->sec[sec])
						   : place->room);
	return dsw_spill(w, sec);
}

int ds_snapw_write(struct ds_snapw *w, int fd)
{
	struct ds_fmt_body body = { 0 };
	uint64_t at = FIRST_AT;
	int r;

	if ((r = w->err) != 0 || (r = layout_tables(w)) != 0)
		return r;
	w->fd = fd;
	w->count[DS_SEC_TEXT] = (uint32_t)dsw_vec_size(&w->sec[DS_SEC_TEXT]);
	w->count[DS_SEC_LISTS] =
	    (uint32_t)(dsw_vec_size(&w->sec[DS_SEC_LISTS]) / sizeof(uint32_t));
	memcpy(body.hash_key, w->hash_key, sizeof(body.hash_key));
	memcpy(body.netbios, w->netbios, sizeof(body.netbios));
	for (size_t i = 0; i < DS_SEC_COUNT && r == 0; i++)
		r = write_section(w, order[i], &at, &body.sec[order[i]]);
	if (r == 0)
		r = write_at(fd, &body, sizeof(body), BODY_AT);
	/* Page 0, and what alignment left out, is zeros. */
	if (r == 0 && ftruncate(fd, (off_t)at) != 0)
		r = DS_ERR_SYS;
	return dsw_finish(w, r);
}

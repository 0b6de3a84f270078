/*
 * A doctor over files in memory and a snapshot.  A finding is asked for by its
 * level and a part of its text.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TEST_DOCTOR_ROOM_H
#define TEST_DOCTOR_ROOM_H

#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "dssyncctl/doctor.h"
#include "tests/unit/snap_world.h"

static struct file {
	const char *path, *text;
} files[8];

static inline char *load_from_memory(const char *path)
{
	size_t i;

	for (i = 0; i < sizeof(files) / sizeof(*files) && files[i].path; i++)
		if (strcmp(files[i].path, path) == 0)
			return strdup(files[i].text);
	errno = ENOENT;
	return NULL;
}

struct room {
	struct doc d;
	struct ds_snap snap;
	uint8_t *image;
};

static inline void enter_image(struct room *r, uint8_t *image, size_t size)
{
	memset(r, 0, sizeof(*r));
	r->image = image;
	assert_int_equal(ds_snap_attach(image, size, DS_SNAP_BASE, &r->snap),
			 0);
	r->d.list = json_array();
	r->d.snap = &r->snap;
	r->d.load = load_from_memory;
	memset(files, 0, sizeof(files));
}

static inline void enter(struct room *r, uint32_t policy)
{
	size_t size;
	uint8_t *image = world_image(policy, 1, &size);

	enter_image(r, image, size);
}

static inline void leave(struct room *r)
{
	ds_snap_close(&r->snap);
	free(r->image);
	json_decref(r->d.list);
}

static inline void forget(struct doc *d)
{
	json_array_clear(d->list);
	d->worst = DOC_OK;
}

/* How many findings have this level and this text in what they say. */
static inline int found(const struct doc *d, const char *level,
			const char *part)
{
	json_t *finding;
	size_t i;
	int n = 0;

	json_array_foreach(d->list, i, finding) n +=
	    strcmp(ctl_string(finding, "level"), level) == 0 &&
	    (strstr(ctl_string(finding, "what"), part) ||
	     strstr(ctl_string(finding, "advice"), part));
	return n;
}

static inline void expect(const struct doc *d, const char *level,
			  const char *part, int n)
{
	char *text;

	if (found(d, level, part) == n)
		return;
	text = json_dumps(d->list, JSON_INDENT(1));
	print_error("%s\n", text);
	free(text);
	fail_msg("%d times '%s' with '%s', not %d", found(d, level, part),
		 level, part, n);
}

#endif

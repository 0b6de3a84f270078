/*
 * The list of shown.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/shown.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define VALUE_MAX  1024 /* bytes; the directory's own limits are lower */
#define VALUES_MAX 1024 /* of one attribute */

/* The stored form has their places: new ones go to the end. */
static const char *const names[] = {
	"givenName",
	"sn",
	"title",
	"department",
	"company",
	"employeeID",
	"physicalDeliveryOfficeName",
	"streetAddress",
	"postalCode",
	"l",
	"st",
	"co",
	"telephoneNumber",
	"mobile",
	"facsimileTelephoneNumber",
	"preferredLanguage",
	"proxyAddresses",
};
#define NNAMES (sizeof(names) / sizeof(names[0]))

const char *dss_shown_name(unsigned number)
{
	return number < NNAMES ? names[number] : NULL;
}

static int text_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The values that are texts, sorted; *ret_bytes is what they take. */
static int take_texts(const struct dss_attr *attr, struct dss_arena *arena,
		      const char ***ret_texts, size_t *ret_count,
		      size_t *ret_bytes)
{
	const char **texts =
	    dss_arena_alloc(arena, attr->count + 1, sizeof(*texts));
	size_t count = 0, bytes = 0;

	if (!texts)
		return DS_ERR_NOMEM;
	for (size_t i = 0; i < attr->count && count < VALUES_MAX; i++) {
		if (dss_value_text(&attr->values[i], VALUE_MAX, &texts[count]))
			continue;
		bytes += strlen(texts[count++]) + 2;
	}
	if (count > 1)
		qsort(texts, count, sizeof(*texts), text_order);
	*ret_texts = texts;
	*ret_count = count;
	*ret_bytes = bytes;
	return DS_OK;
}

/* Where the values of `number` begin, or would. */
static size_t find(const struct dss_object *obj, size_t number, size_t from)
{
	while (from < obj->shown_len && obj->shown[from] < number)
		from += 1 + strlen((const char *)obj->shown + from + 1) + 1;
	return from;
}

static int replace(struct dss_object *obj, size_t number,
		   const struct dss_attr *attr, struct dss_arena *arena)
{
	size_t begin = find(obj, number, 0);
	size_t end = find(obj, number + 1, begin);
	size_t count, bytes, used = begin;
	const char **texts;
	uint8_t *data;

	if (take_texts(attr, arena, &texts, &count, &bytes))
		return DS_ERR_NOMEM;
	data = dss_arena_alloc(arena, obj->shown_len + bytes + 1, 1);
	if (!data)
		return DS_ERR_NOMEM;
	if (begin > 0)
		memcpy(data, obj->shown, begin);
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(texts[i]) + 1;

		data[used] = (uint8_t)number;
		memcpy(data + used + 1, texts[i], len);
		used += 1 + len;
	}
	if (end < obj->shown_len)
		memcpy(data + used, obj->shown + end, obj->shown_len - end);
	obj->shown_len = used + obj->shown_len - end;
	obj->shown = data;
	if (count < attr->count)
		obj->malformed |= DSS_F_SHOWN;
	return DS_OK;
}

int dss_shown_apply(struct dss_object *obj, const struct dss_attr *attr,
		    struct dss_arena *arena, bool *ret_known)
{
	for (size_t i = 0; i < NNAMES; i++) {
		if (strcasecmp(names[i], attr->name) != 0)
			continue;
		*ret_known = true;
		return replace(obj, i, attr, arena);
	}
	*ret_known = false;
	return DS_OK;
}

bool dss_shown_next(const struct dss_object *obj, size_t *pos,
		    const char **ret_name, const char **ret_value)
{
	const char *value;

	if (*pos >= obj->shown_len)
		return false;
	value = (const char *)obj->shown + *pos + 1;
	*ret_name = names[obj->shown[*pos]];
	*ret_value = value;
	*pos += 1 + strlen(value) + 1;
	return true;
}

bool dss_shown_valid(const uint8_t *data, size_t len)
{
	size_t pos = 0;
	uint8_t last = 0;

	while (pos < len) {
		const uint8_t *end = memchr(data + pos + 1, 0, len - pos - 1);

		if (!end || data[pos] >= NNAMES || data[pos] < last)
			return false;
		last = data[pos];
		pos = (size_t)(end - data) + 1;
	}
	return true;
}

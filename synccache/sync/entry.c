/*
 * The pure parsers of entry.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/entry.h"

#include <string.h>
#include <strings.h>
#include <time.h>

const struct dss_attr *dss_entry_find(const struct dss_entry *entry,
				      const char *name)
{
	for (size_t i = 0; i < entry->count; i++) {
		if (strcasecmp(entry->attrs[i].name, name) == 0)
			return &entry->attrs[i];
	}
	return NULL;
}

int dss_entry_guid(const struct dss_entry *entry, struct ds_guid *ret_guid)
{
	const struct dss_attr *attr = dss_entry_find(entry, "objectGUID");

	if (!attr || attr->count != 1 || attr->values[0].len != DS_GUID_LEN)
		return DS_ERR_FORMAT;
	memcpy(ret_guid->b, attr->values[0].data, DS_GUID_LEN);
	return DS_OK;
}

/* Up to `max` decimal digits of p; the number read, and how many digits. */
static uint64_t digits(const uint8_t *p, size_t max, size_t *ret_count)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < max && p[i] >= '0' && p[i] <= '9'; i++)
		n = n * 10 + (uint64_t)(p[i] - '0');
	*ret_count = i;
	return n;
}

int dss_value_int(const struct dss_value *value, int64_t *ret_int)
{
	bool negative = value->len > 0 && value->data[0] == '-';
	size_t skip = negative ? 1 : 0;
	size_t count;
	uint64_t n;

	/* 19 digits cannot overflow 64 bits unsigned. */
	if (value->len <= skip || value->len - skip > 19)
		return DS_ERR_FORMAT;
	n = digits(value->data + skip, value->len - skip, &count);
	if (count != value->len - skip || n > (uint64_t)INT64_MAX + negative)
		return DS_ERR_FORMAT;
	*ret_int = negative ? (int64_t)(0 - n) : (int64_t)n;
	return DS_OK;
}

int dss_value_time(const struct dss_value *value, uint64_t *ret_time)
{
	static const uint8_t width[6] = { 4, 2, 2, 2, 2, 2 };
	const uint8_t *p = value->data;
	uint64_t part[6];
	size_t count;
	struct tm tm = { 0 };
	time_t when;

	/* "20240131235959.0Z"; the fraction is optional, and ignored. */
	if (value->len < 15)
		return DS_ERR_FORMAT;
	for (size_t i = 0; i < 6; i++) {
		part[i] = digits(p, width[i], &count);
		if (count != width[i])
			return DS_ERR_FORMAT;
		p += count;
	}
	if (*p == '.' || *p == ',') {
		size_t left = value->len - (size_t)(p - value->data) - 1;

		(void)digits(p + 1, left < 9 ? left : 9, &count);
		p += 1 + count;
	}
	if (*p != 'Z' || (size_t)(p - value->data) + 1 != value->len)
		return DS_ERR_FORMAT;
	if (part[0] < 1601 || part[1] < 1 || part[1] > 12 || part[2] < 1 ||
	    part[2] > 31 || part[3] > 23 || part[4] > 59 || part[5] > 60)
		return DS_ERR_FORMAT;
	tm.tm_year = (int)part[0] - 1900;
	tm.tm_mon = (int)part[1] - 1;
	tm.tm_mday = (int)part[2];
	tm.tm_hour = (int)part[3];
	tm.tm_min = (int)part[4];
	tm.tm_sec = (int)part[5];
	when = timegm(&tm);
	*ret_time = when > 0 ? (uint64_t)when : 0;
	return DS_OK;
}

int dss_value_bool(const struct dss_value *value, bool *ret_bool)
{
	if (value->len == 4 && memcmp(value->data, "TRUE", 4) == 0)
		*ret_bool = true;
	else if (value->len == 5 && memcmp(value->data, "FALSE", 5) == 0)
		*ret_bool = false;
	else
		return DS_ERR_FORMAT;
	return DS_OK;
}

int dss_value_text(const struct dss_value *value, size_t max,
		   const char **ret_text)
{
	if (value->len > max || memchr(value->data, 0, value->len))
		return DS_ERR_FORMAT;
	*ret_text = (const char *)value->data;
	return DS_OK;
}

int dss_range_parse(const char *attr, size_t *ret_len, uint32_t *ret_low,
		    uint32_t *ret_high)
{
	const char *option = strchr(attr, ';');
	const uint8_t *p;
	uint64_t low, high = UINT32_MAX;
	size_t count;

	if (!option || strncasecmp(option, ";range=", 7) != 0)
		return DS_ERR_NOTFOUND;
	p = (const uint8_t *)option + 7;
	low = digits(p, 10, &count);
	if (count == 0 || low > UINT32_MAX || p[count] != '-')
		return DS_ERR_FORMAT;
	p += count + 1;
	count = 1;
	if (*p != '*')
		high = digits(p, 10, &count);
	if (count == 0 || p[count] != 0 || high > UINT32_MAX)
		return DS_ERR_FORMAT;
	*ret_len = (size_t)(option - attr);
	*ret_low = (uint32_t)low;
	*ret_high = (uint32_t)high;
	return DS_OK;
}

/*
 * One value of dssync.conf: from text, to text, and gone.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/config_value.h"

#include <stdlib.h>
#include <string.h>

#define ID_LIMIT 2147483647u

static void strv_free(ds_strv list)
{
	size_t i;

	for (i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

static int strv_add(ds_strv *list, const char *item, size_t len)
{
	size_t n = 0;
	ds_strv grown;

	while (*list && (*list)[n])
		n++;
	grown = realloc(*list, (n + 2) * sizeof(*grown));
	if (!grown)
		return DS_ERR_NOMEM;
	*list = grown;
	grown[n + 1] = NULL;
	grown[n] = strndup(item, len);
	return grown[n] ? DS_OK : DS_ERR_NOMEM;
}

/* Adds the items of a line to a list; DNs hold commas, so ';' splits too. */
static int add_items(const struct ds_key *key, const char *value,
		     ds_strv *list)
{
	const char *separators = strstr(key->expected, "';'") ? ";" : ",";
	char *one;
	size_t len;
	int r;

	while (*value) {
		value += strspn(value, " \t");
		len = strcspn(value, separators);
		one = strndup(value, len);
		if (!one)
			return DS_ERR_NOMEM;
		value += len;
		value += *value != '\0';
		while (len && (one[len - 1] == ' ' || one[len - 1] == '\t'))
			one[--len] = '\0';
		if (len == 0)
			r = DS_OK;
		else if (key->check && !key->check(one))
			r = DS_ERR_FORMAT;
		else
			r = strv_add(list, one, len);
		free(one);
		if (r)
			return r;
	}
	return DS_OK;
}

static int parse_list(const struct ds_key *key, const char *value, bool append,
		      ds_strv *field)
{
	ds_strv list = NULL;
	int r;

	if (append)
		return add_items(key, value, field);
	list = calloc(1, sizeof(*list));
	if (!list)
		return DS_ERR_NOMEM;
	r = add_items(key, value, &list);
	if (r) {
		strv_free(list);
		return r;
	}
	strv_free(*field);
	*field = list;
	return DS_OK;
}

/* Decimal digits alone, to the end or to what *ret_rest is set to. */
static bool parse_digits(const char *s, uint64_t limit, uint64_t *ret,
			 const char **ret_rest)
{
	uint64_t v = 0;
	const char *start = s;

	for (; *s >= '0' && *s <= '9'; s++) {
		v = v * 10 + (uint64_t)(*s - '0');
		if (v > limit)
			return false;
	}
	if (s == start || (!ret_rest && *s))
		return false;
	if (ret_rest)
		*ret_rest = s;
	*ret = v;
	return true;
}

static bool parse_duration(const char *s, uint64_t limit, uint64_t *ret)
{
	static const struct {
		char unit;
		unsigned int seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	const char *rest;
	uint64_t v;
	size_t i;

	if (!parse_digits(s, limit, &v, &rest))
		return false;
	if (*rest) {
		for (i = 0; i < 4 && units[i].unit != *rest; i++)
			;
		if (i == 4 || rest[1])
			return false;
		v *= units[i].seconds;
	}
	if (v < 1 || v > limit)
		return false;
	*ret = v;
	return true;
}

static bool parse_range(const char *s, struct ds_config *config)
{
	uint64_t min, max;
	const char *rest;

	if (!parse_digits(s, ID_LIMIT, &min, &rest) || *rest != '-' ||
	    !parse_digits(rest + 1, ID_LIMIT, &max, NULL) || min < 1000 ||
	    min >= max)
		return false;
	config->identity.id_range.min = (uint32_t)min;
	config->identity.id_range.max = (uint32_t)max;
	return true;
}

static int parse_text(const struct ds_key *key, const char *value,
		      char **field)
{
	char *copy;

	if (key->check && !key->check(value))
		return DS_ERR_FORMAT;
	copy = strdup(value);
	if (!copy)
		return DS_ERR_NOMEM;
	free(*field);
	*field = copy;
	return DS_OK;
}

static int parse_word(const struct ds_word *words, const char *value,
		      int *field)
{
	for (; words->word; words++) {
		if (strcmp(words->word, value) == 0) {
			*field = words->value;
			return DS_OK;
		}
	}
	return DS_ERR_FORMAT;
}

static int parse_bool(const char *value, bool *field)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return DS_ERR_FORMAT;
	*field = value[0] == 'y';
	return DS_OK;
}

int ds_value_parse(const struct ds_key *key, const char *value, bool append,
		   struct ds_config *config)
{
	void *field = (char *)config + key->offset;
	bool ok = false;

	switch (key->type) {
	case DS_VALUE_TEXT:
		return parse_text(key, value, field);
	case DS_VALUE_LIST:
		return parse_list(key, value, append, field);
	case DS_VALUE_WORD:
		return parse_word(key->words, value, field);
	case DS_VALUE_BOOL:
		return parse_bool(value, field);
	case DS_VALUE_NUMBER:
		ok = parse_digits(value, key->limit, field, NULL) &&
		     *(uint64_t *)field >= key->least;
		break;
	case DS_VALUE_DURATION:
		ok = parse_duration(value, key->limit, field);
		break;
	case DS_VALUE_RANGE:
		ok = parse_range(value, config);
		break;
	}
	return ok ? DS_OK : DS_ERR_FORMAT;
}

const char *ds_value_expected(const struct ds_key *key, char *buf, size_t cap)
{
	const struct ds_word *w;
	size_t len = 0;

	if (key->type == DS_VALUE_BOOL)
		return "yes or no";
	if (key->type != DS_VALUE_WORD)
		return key->expected;
	buf[0] = '\0';
	for (w = key->words; w->word && len < cap; w++)
		len += (size_t)snprintf(buf + len, cap - len, "%s%s",
					w == key->words     ? ""
					: w[1].word == NULL ? " or "
							    : ", ",
					w->word);
	return buf;
}

/* In lines that can be read back. */
static void print_list(const struct ds_key *key, const ds_strv list, FILE *out)
{
	const char *separator = strstr(key->expected, "';'") ? ";" : ",";
	size_t i, column = strlen(key->name) + 3;

	for (i = 0; list[i]; i++) {
		if (i > 0 && column + strlen(list[i]) > 76)
			column = (size_t)fprintf(out, "%s\n    ", separator);
		else if (i > 0)
			column += (size_t)fprintf(out, "%s ", separator);
		column += (size_t)fprintf(out, "%s", list[i]);
	}
}

void ds_value_print(const struct ds_key *key, const struct ds_config *config,
		    FILE *out)
{
	const void *field = (const char *)config + key->offset;
	const struct ds_word *w;

	switch (key->type) {
	case DS_VALUE_TEXT:
		fputs(*(char *const *)field, out);
		break;
	case DS_VALUE_LIST:
		print_list(key, *(const ds_strv *)field, out);
		break;
	case DS_VALUE_WORD:
		for (w = key->words; w->word; w++)
			if (w->value == *(const int *)field)
				fputs(w->word, out);
		break;
	case DS_VALUE_BOOL:
		fputs(*(const bool *)field ? "yes" : "no", out);
		break;
	case DS_VALUE_NUMBER:
		fprintf(out, "%ju", (uintmax_t) * (const uint64_t *)field);
		break;
	case DS_VALUE_DURATION:
		fprintf(out, "%jus", (uintmax_t) * (const uint64_t *)field);
		break;
	case DS_VALUE_RANGE:
		fprintf(out, "%u-%u", config->identity.id_range.min,
			config->identity.id_range.max);
		break;
	}
}

void ds_value_free(const struct ds_key *key, struct ds_config *config)
{
	void *field = (char *)config + key->offset;

	if (key->type == DS_VALUE_TEXT)
		free(*(char **)field);
	else if (key->type == DS_VALUE_LIST)
		strv_free(*(ds_strv *)field);
}

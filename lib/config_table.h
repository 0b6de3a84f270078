/*
 * The table behind dssync.conf: one row a key.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_CONFIG_TABLE_H
#define DS_CONFIG_TABLE_H

#include "lib/config.h"

enum ds_value_type {
	DS_VALUE_TEXT,     /* char * */
	DS_VALUE_LIST,     /* ds_strv: words between commas */
	DS_VALUE_WORD,     /* int: position in words[] maps to values[] */
	DS_VALUE_BOOL,     /* bool: yes, no */
	DS_VALUE_NUMBER,   /* uint64_t, least .. limit */
	DS_VALUE_DURATION, /* uint64_t seconds: 30s 5m 1h 7d, or plain */
	DS_VALUE_RANGE,    /* id_range: MIN-MAX */
};

struct ds_word {
	const char *word; /* NULL ends the list */
	int value;
};

struct ds_key {
	const char *section;
	const char *name;
	enum ds_value_type type;
	size_t offset;      /* in struct ds_config */
	const char *preset; /* default as text; NULL: the key is required */
	const struct ds_word *words; /* DS_VALUE_WORD */
	uint64_t limit;              /* greatest number, or 0 */
	uint64_t least;              /* and smallest, of DS_VALUE_NUMBER */
	/* Whether a text, or each item of a list, will do; NULL: any will. */
	bool (*check)(const char *value);
	const char *expected; /* what a value is, for people */
};

extern const struct ds_key ds_config_keys[];
extern const size_t ds_config_key_count;

#endif

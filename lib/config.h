/*
 * /etc/dssync/dssync.conf.  One table (config_table.c) drives the parser, the
 * defaults, `dssyncctl config` and the test of dssync.conf(5).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_CONFIG_H
#define DS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/err.h"

enum ds_transport {
	DS_TRANSPORT_GSSAPI,
	DS_TRANSPORT_LDAPS,
	DS_TRANSPORT_STARTTLS
};
enum ds_origin { DS_ORIGIN_ALL, DS_ORIGIN_CLOUD, DS_ORIGIN_ONPREM };
enum ds_attributes { DS_ATTRIBUTES_MAPPED, DS_ATTRIBUTES_IDENTITY };
enum ds_format { DS_FORMAT_UPN, DS_FORMAT_SAM, DS_FORMAT_QUALIFIED };
enum ds_short_names { DS_SHORT_NONE, DS_SHORT_SAM };
enum ds_spellings { DS_SPELLINGS_ANY, DS_SPELLINGS_CANONICAL };
enum ds_id_mapping {
	DS_IDMAP_SID,
	DS_IDMAP_SIDHISTORY,
	DS_IDMAP_RID,
	DS_IDMAP_ATTRIBUTE
};
enum ds_members { DS_MEMBERS_FULL, DS_MEMBERS_NONE };
enum ds_live_check { DS_LIVE_KEYS, DS_LIVE_ALWAYS, DS_LIVE_NEVER };
enum ds_fast { DS_FAST_TRY, DS_FAST_DEMAND, DS_FAST_NEVER };

/* A list value: NULL-terminated, never NULL itself. */
typedef char **ds_strv;

/* Every field is set after ds_config_load(); strings are owned by it. */
struct ds_config {
	struct {
		char *name; /* DNS name, lower case */
		ds_strv servers;
		char *site; /* "" : discovered */
		char *keytab;
		int transport; /* enum ds_transport */
		char *ca_file; /* "" : system */
	} domain;
	struct {
		ds_strv bases;
		int origin; /* enum ds_origin */
		ds_strv groups;
		uint64_t interval; /* seconds, as all durations here */
		bool notify;
		uint64_t reconcile_interval;
		uint64_t max_delete_percent;
		int attributes; /* enum ds_attributes */
	} sync;
	struct {
		int name_format;  /* enum ds_format: upn, sam */
		int short_names;  /* enum ds_short_names */
		int spellings;    /* enum ds_spellings */
		int group_format; /* enum ds_format: qualified, sam */
		int id_mapping;   /* enum ds_id_mapping */
		struct {
			uint32_t min, max; /* inclusive */
		} id_range;
		ds_strv sid_history_domains;
		char *home;
		char *shell;
		char *space_replacement; /* "" or one character */
		ds_strv reserved_names;
		int group_members; /* enum ds_members */
	} identity;
	struct {
		ds_strv allow_groups;
		ds_strv allow_users;
		bool offline;
		uint64_t offline_days;
		uint64_t offline_attempts;
		uint64_t offline_delay;
		int live_check; /* enum ds_live_check */
		int fast;       /* enum ds_fast */
		char *password_change_url;
		char *audit_file;
	} login;
};

/*
 * Collected problems, one line each: "FILE:LINE: what; expected ...".
 */
struct ds_problems {
	char **line;
	size_t count;
};
void ds_problems_done(struct ds_problems *problems);

/*
 * Reads the file, checks every key, fills in the defaults.  DS_ERR_CONFIG: at
 * least one line in *problems (all of them, not just the first); DS_ERR_NOMEM.
 * A file that is not root's, or that others can write, is a problem; so is a
 * missing one.  *ret_config is freed with ds_config_done().
 */
DS_MUST_CHECK int ds_config_load(const char *path,
				 struct ds_config *ret_config,
				 struct ds_problems *problems);
void ds_config_done(struct ds_config *config);

/* Prints the effective values as a config file. */
void ds_config_print(const struct ds_config *config, FILE *out);

/* The Kerberos realm: domain.name in upper case, into buf; returns buf. */
char *ds_config_realm(const struct ds_config *config, char *buf, size_t cap);
/* The snapshot policy bits (enum ds_snap_policy) of the config. */
uint32_t ds_config_policy(const struct ds_config *config);

#endif

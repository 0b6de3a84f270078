/*
 * dssyncctl doctor: what its parts share.  Each part looks at one thing and
 * adds findings; the readers of files take their text, so that tests can.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "dssyncctl/ctl.h"
#include "lib/config.h"

enum doc_level { DOC_OK, DOC_WARNING, DOC_PROBLEM };

/* What a KDC says to the host's key now. */
struct doc_host {
	uint32_t result; /* enum ds_auth_result; see HOST in lib/proto.h */
	char why[DS_TEXT_MAX + 1];
};

struct doc {
	json_t *list; /* of {level, what, advice} */
	enum doc_level worst;
	/* NULL: not known, the checks that need it are left out. */
	const struct ds_snap *snap;
	const struct ds_config *config;
	const struct ctl_daemon *daemon;
	const struct doc_host *host;
	/* The file's text, to be freed; NULL: errno says why not. */
	char *(*load)(const char *path);
};

/* One finding; advice "" where there is nothing to do. */
void doc_say(struct doc *d, enum doc_level level, const char *advice,
	     const char *fmt, ...) DS_PRINTF(4, 5);
/* A file's text, at most 1 MiB, to be freed; for struct doc's load. */
char *doc_load_file(const char *path);

/*
 * The next word of a line of configuration, with "..." taken off; false at
 * the end of the line.  A longer word than `cap` is cut.
 */
bool doc_word(const char **line, char *word, size_t cap);
/*
 * The next line of a text without its comment, lines that end in a backslash
 * joined if `join`; to be freed.  NULL at the end, or out of memory.
 */
char *doc_line(const char **text, bool join);
/*
 * Is this the name, or the pattern of one, of a user of the domain, or of
 * everybody?  Names without '@' and '\' are local, unless the policy accepts
 * bare ones.
 */
bool doc_names_domain_user(const struct doc *d, const char *pattern);
/* True where a typed name may differ from pw_name, so that rules by typed
 * name can be escaped. */
bool doc_spellings_differ(const struct doc *d);

void doc_check_nsswitch(struct doc *d, const char *text);
void doc_check_shells(struct doc *d, const char *text);
void doc_check_homes(struct doc *d);
/* subuid(5) and subgid(5): ranges that hold a published id. */
void doc_check_subuid(struct doc *d, const char *text);
void doc_check_subgid(struct doc *d, const char *text);
void doc_check_snapshot(struct doc *d, int64_t now);
void doc_check_sshd(struct doc *d, const char *path);
/* The stacks of the services in /etc/pam.d that exist; `folder` ends in '/'.
 */
void doc_check_pam(struct doc *d, const char *folder);
/* pam_access's rules. */
void doc_check_access(struct doc *d, const char *path, const char *text);
/* pam_time's rules. */
void doc_check_time(struct doc *d, const char *path, const char *text);

void doc_check_dns(struct doc *d);
void doc_check_keytab(struct doc *d, const char *path);
void doc_check_daemon(struct doc *d, int64_t now);

#endif

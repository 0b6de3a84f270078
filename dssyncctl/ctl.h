/*
 * dssyncctl: what its commands share.  Each command is one function that
 * returns the exit status; results go to standard output, for people or with
 * --json as one JSON document, problems to standard error.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef CTL_H
#define CTL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lib/proto.h"
#include "lib/snapshot.h"

enum ctl_exit {
	CTL_OK = 0,
	CTL_NO = 1,       /* the answer is no, or something is wrong */
	CTL_USAGE = 64,   /* EX_USAGE */
	CTL_UNAVAIL = 69, /* no snapshot, no daemon */
	CTL_CONFIG = 78,  /* EX_CONFIG */
};

struct ctl_args {
	const char *config; /* file */
	const char *name;   /* the argument of user, group, explain */
	bool json;
	bool wait;
	bool check;
	bool from_stdin;
	bool all;            /* instead of a name */
	uint32_t pull_flags; /* enum ds_pull_flags */
};

int ctl_status(const struct ctl_args *args);
int ctl_sync(const struct ctl_args *args);
/*
 * Asks for a pull and waits for it with progress.  CTL_OK or CTL_NO with a
 * *ret_result to be given to ctl_sync_say(); CTL_UNAVAIL, and said.
 */
int ctl_sync_wait(uint32_t pull_flags, json_t **ret_result);
/* Prints the result, which it takes over (NULL: none), and returns status. */
int ctl_sync_say(const struct ctl_args *args, int status, json_t *result);
/* sync --renumber, in renumber.c */
int ctl_renumber(const struct ctl_args *args);
int ctl_user(const struct ctl_args *args);
int ctl_group(const struct ctl_args *args);
int ctl_explain(const struct ctl_args *args);
int ctl_config(const struct ctl_args *args);
int ctl_doctor(const struct ctl_args *args);
int ctl_auth_test(const struct ctl_args *args);
int ctl_forget(const struct ctl_args *args);

/* out.c: a foreign string on a terminal, escaped; "field   value" lines. */
void ctl_row(const char *label, const char *fmt, ...) DS_PRINTF(2, 3);
void ctl_line(const char *fmt, ...) DS_PRINTF(1, 2);
void ctl_complain(const char *fmt, ...) DS_PRINTF(1, 2);
/* Prints the document and frees it; NULL is out of memory. */
int ctl_json(json_t *root);
/* Bytes of a directory as JSON text, bad UTF-8 escaped. */
json_t *ctl_text(const char *s);
/* "12 s ago", "in 3 min", "never" for 0; epoch seconds. */
const char *ctl_when(int64_t when, char *buf, size_t cap);

/* out.c: opens the public snapshot, or complains. */
DS_MUST_CHECK int ctl_open_snapshot(struct ds_snap *ret_snap);

/*
 * prompt.c: a password of at most cap - 1 bytes.  DS_ERR_UNAVAIL: no terminal;
 * DS_ERR_CLOSED: no input; DS_ERR_LIMIT: too long; DS_ERR_SYS: interrupted.
 */
DS_MUST_CHECK int ctl_read_password(bool from_stdin, const char *prompt,
				    char *buf, size_t cap);
/* Keeps the buffer out of swap and this process out of cores and debuggers. */
void ctl_protect_secrets(char *buf, size_t cap);

#define CTL_SOCK DS_RUN_DIR "/ctl.sock"
#define PAM_SOCK DS_RUN_DIR "/pam.sock"
/* After this the status says what dssync-auth, which reports every 200 ms,
 * has just seen. */
#define CTL_REPORT_MS 400

/*
 * client.c: one request to a socket of the daemon, one reply of the given
 * type; the payload lies in buf.
 */
DS_MUST_CHECK int ctl_exchange(const char *path, int timeout_ms,
			       struct ds_writer *request, uint16_t reply_type,
			       uint8_t *buf, size_t cap,
			       struct ds_reader *ret_reader);

/* client.c: the daemon's answers, or a code and *ret_why in words. */
struct ctl_daemon {
	json_t *monitor; /* all owned; sync and auth may be NULL */
	json_t *sync;
	json_t *auth;
};
DS_MUST_CHECK int ctl_ask_status(struct ctl_daemon *ret_daemon);
void ctl_daemon_done(struct ctl_daemon *daemon);
DS_MUST_CHECK int ctl_ask_sync(uint32_t flags, uint64_t *ret_ticket);
/* Says why the daemon could not be asked. */
void ctl_complain_daemon(int err);

/* client.c: numbers and texts out of the daemon's documents. */
/*
 * The first of the KDCs that answer and have proven nothing, from place *at
 * on; NULL: no more.
 */
const char *ctl_doubted(const json_t *auth, int64_t now, size_t *at);
int64_t ctl_number(const json_t *object, const char *key);
const char *ctl_string(const json_t *object, const char *key);

#endif

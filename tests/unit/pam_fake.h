/*
 * A scripted libpam: a handle whose items, answers and failures the test
 * sets, and which records every log line, every prompt and every text.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PAM_FAKE_H
#define PAM_FAKE_H

#include <stdbool.h>

#include <security/pam_modules.h>

#define FAKE_MAX 32

struct pam_handle {
	/* The script. */
	const char *items[FAKE_MAX]; /* by PAM_* item; PAM_USER too */
	const char *answer; /* of the next prompt; NULL: conversation fails */
	int get_user;       /* code of pam_get_user */
	int get_authtok;    /* code of pam_get_authtok; 0: its real work */
	bool fail_set_data;
	bool fail_putenv;

	/* The record. */
	char *log[FAKE_MAX]; /* "NOTICE text" */
	char *
	    shown[FAKE_MAX]; /* "PROMPT Password: ", "INFO ...", "ERROR ..." */
	char *env[FAKE_MAX]; /* "NAME=value" */
	unsigned int delay;  /* pam_fail_delay, microseconds */
	struct fake_data {
		char *name;
		void *data;
		void (*cleanup)(pam_handle_t *, void *, int);
	} data[FAKE_MAX];
};

pam_handle_t *fake_start(const char *user);
/* Ends the handle as pam_end does; fails the test on an unread record. */
void fake_end(pam_handle_t *pamh);
/* As fake_end, with nothing said about records. */
void fake_drop(pam_handle_t *pamh);
/*
 * The line of a decision that the module takes itself, with the items that a
 * handle has at first; valid until three more were asked for.
 */
const char *fake_audit(const char *event, const char *user, const char *result,
		       const char *reason);
/* What sshd does: a handle of another process gets this one's environment. */
void fake_copy_env(pam_handle_t *to, const pam_handle_t *from);

/* The recorded lines are exactly these, NULL-terminated; then forgotten. */
void fake_expect_log_(pam_handle_t *pamh, const char *const *lines,
		      const char *file, int line);
void fake_expect_shown_(pam_handle_t *pamh, const char *const *lines,
			const char *file, int line);
#define fake_expect_log(pamh, ...)                                            \
	fake_expect_log_(pamh, (const char *const[]){ __VA_ARGS__ },          \
			 __FILE__, __LINE__)
#define fake_expect_shown(pamh, ...)                                          \
	fake_expect_shown_(pamh, (const char *const[]){ __VA_ARGS__ },        \
			   __FILE__, __LINE__)

#endif

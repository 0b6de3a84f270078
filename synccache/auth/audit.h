/*
 * Who a request is about, and the one line that every decision leaves.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_AUDIT_H
#define DSA_AUDIT_H

#include <sys/types.h>

#include "lib/guid.h"
#include "lib/proto.h"

struct dsa_subject {
	char user[DS_USER_MAX + 1]; /* as typed */
	char service[DS_WORD_MAX + 1];
	char tty[DS_WORD_MAX + 1];
	char rhost[DS_WORD_MAX + 1];
	char ruser[DS_WORD_MAX + 1]; /* who asks on this host: su, sudo */
	char name[DS_USER_MAX + 1];  /* canonical; "" not resolved */
	struct ds_guid guid;
	uint32_t uid; /* valid if name is not "" */
	/* Who asks: 0 at pam.sock, else the peer's uid at pam-user.sock. */
	uid_t caller;
};

/*
 * The fields guid, user, service, tty, rhost, ruser, which requests begin
 * with.
 */
#define DSA_SUBJECT_FIELDS 6
void dsa_subject_read(struct ds_reader *r, struct dsa_subject *ret_subject);
void dsa_subject_write(struct ds_writer *w, const struct dsa_subject *subject);

#define DSA_AUDIT_VALUE_MAX 767 /* bytes of any one value */

/* Appends JSON lines to this file from now on; keeps a copy of fd. */
void dsa_audit_file(int fd);

/*
 * `event` is "auth", "account" or "password"; kdc_ms < 0: no KDC was asked.
 * Nothing that goes in here may be secret.
 */
void dsa_audit(const char *event, const struct dsa_subject *subject,
	       enum ds_auth_result result, const char *reason, int64_t kdc_ms);

#endif

/*
 * Logins whose password a KDC has just accepted: for a short while the account
 * phase of the same process and service takes the KDC's word on the state of
 * that object.  Written only by what the worker found; a caller's claim counts
 * for nothing.  Pure; the clock is the caller's.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_PROVEN_H
#define DSA_PROVEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "synccache/auth/audit.h"

#define DSA_PROVEN_MAX 256    /* the oldest makes room */
#define DSA_PROVEN_MS  120000 /* as long as a ticket waits */

struct dsa_proven {
	struct dsa_proven_login {
		int64_t end_ms; /* 0: none */
		pid_t pid;
		struct ds_guid guid;
		char service[DS_WORD_MAX + 1];
	} login[DSA_PROVEN_MAX];
	size_t next;
};

/* `pid` is the caller's by SO_PEERCRED; 0 (not visible here) is not kept. */
void dsa_proven_put(struct dsa_proven *proven, int64_t now_ms, pid_t pid,
		    const struct dsa_subject *subject);
bool dsa_proven_has(const struct dsa_proven *proven, int64_t now_ms, pid_t pid,
		    const struct dsa_subject *subject);

#endif

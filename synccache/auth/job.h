/*
 * Workers: one forked process a job, isolated, with a deadline.  Whatever
 * touches a KDC or a password runs in one, so that nothing a KDC does delays
 * the main process or another login.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_JOB_H
#define DSA_JOB_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/proto.h"
#include "synccache/auth/secret.h"

enum dsa_job_kind {
	DSA_JOB_CHECK,      /* one password */
	DSA_JOB_USER_CHECK, /* one that came by pam-user.sock */
	DSA_JOB_TICKET,     /* one service ticket for sync */
	DSA_JOB_LINGER,     /* was a check, and makes a verifier still */
	DSA_JOB_PROBE,      /* looks whether there is a KDC */
	DSA_JOB_STORE,      /* removes verifiers */
	DSA_JOB_SPARE,      /* waits for a check: spare.h */
	DSA_JOB_KINDS,
};

#define DSA_REASON_MAX 767 /* bytes without the NUL */
#ifndef DSA_CHECKS_MAX     /* only tests have another */
#define DSA_CHECKS_MAX      64
#define DSA_USER_CHECKS_MAX 8
#endif
#define DSA_TICKET_JOBS_MAX 2
#define DSA_LINGER_MAX      32
#define DSA_STORE_JOBS_MAX  4
#define DSA_SPARES_MAX      2 /* one, and one that was killed */

/*
 * What workers say, over their own channel (proto.h frames, never seen
 * outside this room):
 *
 * SUBJECT, from a check, before the KDC is asked: blob guid, str user, str
 *   service, str tty, str rhost, str ruser, str canonical name ("" unknown),
 *   u32 uid.
 * VERDICT, from a check, its last: u32 enum ds_auth_result, u8 whether the
 *   password was proven, u8 whether none was looked at, u8 enum
 *   dsa_revoked, str text, str reason,
 * u64 milliseconds at the KDC
 *   (-1: not asked), str principal, blob ccache (empty: no ticket), what was
 *   found out about KDCs (found.h), the host's health (health.h), a TGT of the
 * host's (tgt.h; none: the one that was there stays), u32 enum dsa_kdc_word,
 * u8 whether it was decided offline, u32 and u32 what that has cost (struct
 * dsa_offline_cost).
 *
 * DC_VERDICT, from a ticket job: u32 0 or -ds_err, str problem, str
 *   principal, u64 end, blob ccache, the host's health, what was found
 *   out about KDCs, a TGT of the host's.
 *
 * PROBED: u32 enum dsa_kdc_word, u32 enum ds_auth_result of the host's own
 *   exchange, str why, the host's health.
 * REMOVED, from a store job: u32 0 or -ds_err, u32 how many, u32 how many
 *   there are now.
 * KEPT, from a check, after its last: u32 how many verifiers there are now.
 * CHECK, to one that waits: u32 uid of the caller, with the connection.
 */
enum dsa_worker_msg {
	DSA_MSG_SUBJECT = 1000,
	DSA_MSG_VERDICT = 1001,
	DSA_MSG_DC_VERDICT = 1002,
	DSA_MSG_PROBED = 1003,
	DSA_MSG_REMOVED = 1004,
	DSA_MSG_CHECK = 1005,
	DSA_MSG_KEPT = 1006,
};

struct dsa_job_spec {
	enum dsa_job_kind kind;
	int keep_fd;    /* stays open in the worker beside `out`; -1: none */
	int timeout_ms; /* 0: waits for a job, and has all the time */
	int linger_ms;  /* that it may work on after its last word, or 0 */
	/* In the worker; when it returns, the worker exits. */
	void (*run)(void *arg, int out);
	/*
	 * In the main process: a frame arrived, borrowed and wiped after; true
	 * says that it was the last.  NULL: there will be none (the worker
	 * died, or its time is over).  Not called again after either.
	 */
	bool (*heard)(void *arg, const struct ds_frame *frame);
	void *arg;
	/* What it says after its last word, as long as it may work on; NULL:
	 * nobody listens. */
	void (*late)(void *late_arg, const struct ds_frame *frame);
	void *late_arg;
};

struct dsa_job;
struct dsa_jobs {
	struct event_base *base;
	struct event *child_event;
	struct dsa_job *first;
	size_t running[DSA_JOB_KINDS]; /* until they are reaped */
	struct dsa_secret buffer;      /* of the frame being read */
	void (*slot_free)(void *arg);  /* a worker is gone */
	void *slot_arg;
};

DS_MUST_CHECK bool dsa_jobs_init(struct dsa_jobs *jobs,
				 struct event_base *base);
/* Kills what runs, without a word to anyone. */
void dsa_jobs_done(struct dsa_jobs *jobs);
bool dsa_job_has_room(const struct dsa_jobs *jobs, enum dsa_job_kind kind);
/* DS_ERR_LIMIT: all slots busy; DS_ERR_NOMEM; DS_ERR_SYS. */
DS_MUST_CHECK int dsa_job_start(struct dsa_jobs *jobs,
				const struct dsa_job_spec *spec);

/* Whether a job of the kind SPARE waits for another. */
bool dsa_job_is_waiting(const struct dsa_jobs *jobs);
/* Kills it. */
void dsa_job_dismiss(struct dsa_jobs *jobs);
/*
 * Makes that one the job `spec`, of which it is told by a frame and the
 * descriptor spec->keep_fd; spec->run is not called.  On failure none of that
 * has reached it: DS_ERR_LIMIT; or, and it is gone, DS_ERR_NOTFOUND (it was
 * already), DS_ERR_SYS, DS_ERR_NOMEM.
 */
DS_MUST_CHECK int dsa_job_hand(struct dsa_jobs *jobs,
			       const struct dsa_job_spec *spec,
			       const struct ds_writer *told);

#endif

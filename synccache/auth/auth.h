/*
 * dssync-auth inside: what its parts share.
 *
 * The main process serves the sockets and keeps the keytab, the snapshots and
 * the tickets that wait; it never sees a password and never talks to a KDC.
 * For each password check, and for each ticket that sync asks for, it forks a
 * worker (job.h) that inherits all it needs, answers over a socket pair, and
 * exits; the one of the next check is forked ahead (spare.h).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_AUTH_H
#define DSA_AUTH_H

#include <event2/event.h>

#include "lib/config.h"
#include "lib/proto.h"
#include "lib/snapshot.h"
#include "synccache/auth/allow.h"
#include "synccache/auth/found.h"
#include "synccache/auth/handles.h"
#include "synccache/auth/health.h"
#include "synccache/auth/job.h"
#include "synccache/auth/keytab.h"
#include "synccache/auth/look.h"
#include "synccache/auth/offserver.h"
#include "synccache/auth/proven.h"
#include "synccache/auth/secret.h"
#include "synccache/auth/spare.h"
#include "synccache/auth/tgt.h"

/* The mirror as this process has it mapped; either may be missing. */
struct dsa_mirror {
	struct ds_snap base;     /* .base NULL: not open */
	struct ds_snap accounts; /* likewise */
};

struct dsa_stats {
	uint64_t ok, refused, unavailable;
	char last_error[DSA_REASON_MAX + 1]; /* "": none yet */
};

/* Sync queues 64 questions: users' never shut out root's. */
#define DSA_USER_LOOKS_MAX 16

struct dsa_pam;    /* pam.c: pam.sock, pam-user.sock */
struct dsa_report; /* report.c: CHILD_STATUS */

struct dsa_server {
	struct event_base *base;
	struct event *monitor_event, *peer_event;
	struct ds_config config;
	char realm[256];
	krb5_context krb;
	struct dsa_keytab keytab;
	struct dsa_mirror mirror;
	struct dsa_handles *handles;
	struct dsa_allow *allow;
	struct dsa_looks *looks;
	size_t user_looks;    /* of these, asked at pam-user.sock */
	size_t revoked_looks; /* ... and why an account is revoked */
	struct dsa_proven proven;
	struct dsa_jobs jobs;
	struct dsa_spare spare;
	struct dsa_pam *pam;
	struct dsa_report *report;
	struct dsa_stats stats;
	struct dsa_tgt host_tgt; /* between one worker and the next */
	struct dsa_health health;
	char kdc[256];     /* whose address proved itself last; "": none */
	int64_t kdc_until; /* when DNS is to be asked again */
	struct dsa_doubts doubts;
	char site[256]; /* of this host; "": not known, or in none */
	bool fast_seen; /* the domain has taken armour, once */
	struct dsa_offserver offline;
};

/* mirror.c: maps what is published now; a stat each if nothing changed. */
void dsa_mirror_refresh(struct dsa_mirror *mirror);
void dsa_mirror_done(struct dsa_mirror *mirror);

/*
 * mirror.c: the account of a GUID and its user entry.  DS_ERR_NOTFOUND: the
 * object is not published; DS_ERR_UNAVAIL: no snapshot; DS_ERR_CONFLICT: the
 * two snapshots disagree.
 */
DS_MUST_CHECK int dsa_mirror_find(const struct dsa_mirror *mirror,
				  const struct ds_guid *guid,
				  struct ds_snap_user *ret_user,
				  struct ds_snap_account *ret_account);

/* mirror.c: whether a published user has this uid. */
bool dsa_mirror_has_uid(struct dsa_mirror *mirror, uid_t uid);

/* monitor.c: fd 3.  peer.c: fd 4.  pam.c: fd 5, 6.  False: no memory. */
DS_MUST_CHECK bool dsa_monitor_start(struct dsa_server *server);
DS_MUST_CHECK bool dsa_peer_start(struct dsa_server *server);
DS_MUST_CHECK bool dsa_pam_start(struct dsa_server *server);
void dsa_pam_stop(struct dsa_server *server);
/* The reason of a refusal at pam-user.sock. */
#define DSA_NOT_YOURSELF "the caller is another user"

/* Who asks. */
struct dsa_caller {
	uid_t uid; /* 0, or of who asks at pam-user.sock: of nobody else */
	pid_t pid; /* 0: not known, or not visible from here */
};

/*
 * account.c: the requests that the main process answers itself.  ACCOUNT may
 * have to wait for a live check: `said` is called once, at once or later.
 */
typedef void (*dsa_account_said)(void *arg, enum ds_auth_result result,
				 const char *text);
void dsa_account_ask(struct dsa_server *server,
		     const struct dsa_caller *caller,
		     const struct ds_frame *frame, dsa_account_said said,
		     void *arg);
void dsa_ticket_answer(struct dsa_server *server, uid_t caller,
		       const struct ds_frame *frame, struct ds_writer *reply);

/* report.c: tells the monitor soon that something changed. */
DS_MUST_CHECK bool dsa_report_start(struct dsa_server *server);
void dsa_report_stop(struct dsa_server *server);
void dsa_report_changed(struct dsa_server *server);
/*
 * Counts a decision; its reason (NULL: about the person, not the system) is
 * kept for the status if it is worth showing.
 */
void dsa_report_result(struct dsa_server *server, enum ds_auth_result result,
		       const char *reason);

#endif

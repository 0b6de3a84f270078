/*
 * synccached, the monitor: root, no network.  It starts the two children that
 * face the domain, holds the sockets, stamps and publishes what sync staged,
 * and hands the keytab to auth.  It reads nothing that a directory wrote: the
 * bytes of a snapshot and of the children's status pass through unread.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSM_MONITOR_H
#define DSM_MONITOR_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "lib/config.h"
#include "lib/proto.h"

enum dsm_role { DSM_SYNC, DSM_AUTH, DSM_ROLES };
#define DSM_FORGETS 4 /* at a time */

struct dsm_child {
	const char *name; /* "sync" */
	const char *path; /* of its program */
	const char *user;
	pid_t pid; /* 0: not running */
	int channel;
	struct event *readable;
	struct event *restart; /* timer */
	unsigned int restarts;
	unsigned int delay; /* seconds before the next start */
	int64_t started_ms;
	int64_t next_start; /* epoch seconds, 0: none due */
	char *status;       /* its last CHILD_STATUS, or NULL */
};

struct dsm_monitor {
	const struct ds_config *config;
	const char *config_path;
	struct event_base *base;
	struct dsm_child child[DSM_ROLES];
	int peer[DSM_ROLES]; /* both ends of the sync <-> auth channel */
	int pam_sock;
	int pam_user_sock;
	int ctl_sock;
	int64_t started; /* epoch seconds */

	/* publish.c */
	uint64_t generation;
	int64_t published;       /* epoch seconds, 0: never */
	struct stat public_seen; /* of base.1.snap as published */
	bool public_known;
	int64_t verified_ms;
	char snapshot_problem[256];

	/* keytab.c */
	struct stat keytab_seen;
	bool keytab_known;
	char keytab_problem[512];

	/* audit.c */
	dev_t audit_dev; /* of the file that auth writes */
	ino_t audit_ino;
	bool audit_known;
	const char *audit_problem; /* NULL: none */

	/* forget.c: callers of ctl.sock that wait for auth */
	struct dsm_forget {
		struct event *timer; /* NULL: free */
		struct dsm_monitor *m;
		int fd;
		uint32_t seq;  /* the caller's */
		uint32_t drop; /* of our question to auth */
	} forget[DSM_FORGETS];
	uint32_t last_drop;

	/* ctl.c */
	uint64_t ticket; /* of the last pull that was asked for */
	uint32_t ticket_flags;
};

/* places.c: folders, krb5.conf, sockets.  All log what is wrong. */
DS_MUST_CHECK int dsm_places_make(void);
DS_MUST_CHECK int dsm_lock_instance(void); /* held until the process ends */
DS_MUST_CHECK int dsm_write_krb5_conf(const struct ds_config *config);
DS_MUST_CHECK int dsm_listen(const char *path, mode_t mode, int *ret_fd);
/* Whether two stat calls saw one file, and nobody touched it in between. */
bool dsm_same_file(const struct stat *a, const struct stat *b);

/* child.c */
DS_MUST_CHECK int dsm_children_start(struct dsm_monitor *m);
void dsm_children_stop(struct dsm_monitor *m);
/* SIGCHLD: collects whoever ended and plans the restart. */
void dsm_children_reap(struct dsm_monitor *m);
/* Sends a finished frame; a child that does not read loses it (logged). */
void dsm_child_send(struct dsm_monitor *m, enum dsm_role role,
		    struct ds_writer *frame, int pass_fd);

/*
 * publish.c.  What sync has staged, as its number `stage`, is published, or
 * that fails; both children are told.
 */
void dsm_publish(struct dsm_monitor *m, uint64_t stage);
/* At start: the generation that is published, if it can be used. */
void dsm_publish_init(struct dsm_monitor *m);
/* Later: checks the published files hourly, and when they changed. */
void dsm_publish_check(struct dsm_monitor *m);

/* keytab.c: hands the keytab to auth if it changed, or if force. */
void dsm_keytab_check(struct dsm_monitor *m, bool force);

/* audit.c: hands login.audit_file to auth if it is a new one, or if force. */
void dsm_audit_check(struct dsm_monitor *m, bool force);

/*
 * forget.c.  FORGET from root: takes fd, which is answered and closed later.
 * DS_ERR_FORMAT: fd stays the caller's.
 */
DS_MUST_CHECK int dsm_forget(struct dsm_monitor *m,
			     const struct ds_frame *frame, int fd);
/* DROPPED from auth; DS_ERR_FORMAT. */
DS_MUST_CHECK int dsm_forget_answer(struct dsm_monitor *m,
				    const struct ds_frame *frame);
/* Auth has ended: it will not answer any more. */
void dsm_forget_fail(struct dsm_monitor *m);

/* ctl.c */
DS_MUST_CHECK int dsm_ctl_start(struct dsm_monitor *m);
/* Asks sync for the pull that is due (again after its restart). */
void dsm_ctl_send_pull(struct dsm_monitor *m);

#endif

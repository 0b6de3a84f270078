/*
 * The worker of the next password check, forked ahead: who asks waits for no
 * fork, and not until a new process has all its pages.  It is a worker like
 * any other, of one check, and waits with no password in it.
 *
 * What it inherited may be out of date by the time it is needed.  So what a
 * check reads of the main process, and what may change there, is compared
 * with what it was at the fork, in one place, when the worker is needed: if
 * anything differs, that worker is killed and another one forked.  That it is
 * replaced as soon as something changes only saves the time.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_SPARE_H
#define DSA_SPARE_H

#include "lib/snapshot.h"
#include "synccache/auth/found.h"
#include "synccache/auth/houseclock.h"
#include "synccache/auth/job.h"
#include "synccache/auth/tgt.h"

struct dsa_server;

/*
 * All that a check reads of the server (check.c, login.c, change.c,
 * offcheck.c), but what never changes after the start: the configuration, the
 * realm, and the key of the verifiers; and what it sees change (away.h).
 */
struct dsa_facts {
	struct {
		struct ds_snap_file file;
		uint64_t generation;
	} base, accounts; /* zeros: not open */
	uint32_t keytab;  /* its serial */
	struct dsa_tgt host_tgt;
	char kdc[256], site[256];
	struct dsa_doubts doubts;
	bool fast_seen;
	struct dsa_clock clock;
};

struct dsa_spare {
	struct dsa_facts facts; /* as it inherited them */
	int64_t pause_until_ms; /* ds_now_ms(); after one died by itself */
	struct event *soon;
};

DS_MUST_CHECK bool dsa_spare_start(struct dsa_server *server);
void dsa_spare_stop(struct dsa_server *server);
/* Has one wait that knows what is known now. */
void dsa_spare_refresh(struct dsa_server *server);
/* The same in a moment: whoever was just answered is to run first. */
void dsa_spare_soon(struct dsa_server *server);

/*
 * Gives it the check of the connection spec->keep_fd, which `caller` opened;
 * spec->run and all that is the worker's is already done.  DS_ERR_NOTFOUND:
 * none waits that knows what is known now.  On any failure the connection is
 * untouched.
 */
DS_MUST_CHECK int dsa_spare_hand(struct dsa_server *server,
				 const struct dsa_job_spec *spec,
				 uid_t caller);

#endif

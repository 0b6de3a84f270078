/*
 * dssync-sync: the only LDAP client, the only writer of the store.
 *
 * Started by synccached as its own user, with a channel to it on descriptor 3
 * and one to dssync-auth on 4; ends when either does.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/privdrop.h"
#include "lib/wire.h"
#include "synccache/sync/guard.h"
#include "synccache/sync/look.h"
#include "synccache/sync/pace.h"
#include "synccache/sync/site.h"
#include "synccache/sync/sync.h"
#include "synccache/sync/tls.h"

#define STORE_DIR DS_STATE_DIR "/store"
#define STAGE_DIR DS_STATE_DIR "/stage"

#define COALESCE_MS 2000 /* between two publications */
/* The longest backoff: of a server that all hosts ask, and of a disk. */
#define PULL_LAST_MS    300000
#define PUBLISH_LAST_MS 60000
#define RECONNECT_MS    1000
#define LOCALS_MS       10000 /* how often passwd and group are looked at */

/* When what is due, in ds_now_ms(). */
struct plan {
	int64_t pull, not_before, locals;
	int64_t publish;                /* not before: the next */
	unsigned failures, unpublished; /* in a row */
	bool notified;
	bool behind;     /* the last pull failed */
	int64_t noticed; /* when something changed that is not published */
};

static int64_t interval_ms(const struct dss_sync *s)
{
	return (int64_t)s->config.sync.interval * 1000;
}

static int open_store(struct dss_sync *s)
{
	bool rebuilt = false;
	int err = DS_OK;

	if (dss_guard_enter(STORE_DIR) >= DSS_GUARD_STARTS) {
		ds_log(DS_LOG_WARN,
		       "the last %d starts ended early: the store is not "
		       "trusted, the mirror is loaded anew",
		       DSS_GUARD_STARTS);
		err = dss_store_remove(STORE_DIR);
	}
	if (err == DS_OK)
		err = dss_store_open(STORE_DIR, &rebuilt, &s->store);
	if (err) {
		ds_log(DS_LOG_ERR, "%s: %s", STORE_DIR,
		       err == DS_ERR_SYS ? strerror(errno) : ds_strerror(err));
		return err;
	}
	if (rebuilt)
		ds_log(DS_LOG_WARN,
		       "%s was damaged or of another version: "
		       "the mirror is loaded anew",
		       STORE_DIR);
	return DS_OK;
}

/*
 * A damaged store goes, and the mirror is loaded anew; what was published
 * before stays until then.
 */
static void replace_store(struct dss_sync *s)
{
	ds_log(DS_LOG_WARN, "%s is damaged: the mirror is loaded anew",
	       STORE_DIR);
	dss_publish_forget(s);
	dss_store_close(s->store);
	s->store = NULL;
	if (dss_store_remove(STORE_DIR) != 0 || open_store(s) != 0)
		s->stop = true; /* told already; synccached starts us again */
}

/* True if it was the store that was full, and is larger now. */
static bool grow_store(struct dss_sync *s)
{
	dss_publish_forget(s); /* which borrows from it */
	if (dss_store_grow(s->store, 0) != 0)
		return false;
	ds_log(DS_LOG_NOTICE, "%s is full: its limit is doubled", STORE_DIR);
	return true;
}

static bool try_publish(struct dss_sync *s, bool all)
{
	int err = dss_publish(s, all);

	if (err == DS_ERR_FORMAT) {
		replace_store(s);
		return false;
	}
	if (err == DS_OK)
		return true;
	if (err == DS_ERR_CONFLICT) {
		dss_status_error(
		    s, err,
		    "id_mapping, id_range or sid_history_domains "
		    "was changed, and would change the ids of "
		    "accounts that own files: nothing is "
		    "published until it is put back, or 'dssyncctl "
		    "sync --renumber' says so");
		return false;
	}
	if (!s->stop)
		dss_status_error(s, err,
				 "the snapshot could not be published: "
				 "%s%s%s",
				 ds_strerror(err),
				 err == DS_ERR_SYS ? ": " : "",
				 err == DS_ERR_SYS ? strerror(errno) : "");
	return false;
}

/*
 * Not before the last one is COALESCE_MS old, whoever asks.  One that failed
 * is owed, and tried again, ever more rarely.
 */
static bool publish(struct dss_sync *s, struct plan *plan)
{
	bool ok;

	dss_status_state(s, DSS_PUBLISHING, "waiting to publish");
	while (!s->stop && !plan->unpublished && ds_now_ms() < plan->publish)
		(void)!dss_wait(s, -1, false, plan->publish);
	/* The monitor may have asked for the files anew just now. */
	ok = !s->stop && try_publish(s, s->restage);
	s->restage |= !ok && dss_pull_complete(s);
	plan->unpublished = ok ? 0 : plan->unpublished + 1;
	plan->not_before = ds_now_ms() + COALESCE_MS;
	plan->publish = ds_now_ms() +
			(ok ? COALESCE_MS
			    : dss_pace_backoff(plan->unpublished,
					       PUBLISH_LAST_MS, dss_chance()));
	return ok;
}

/* Unless somebody asks, a publication that fails has to wait. */
static bool is_put_off(const struct plan *plan, uint64_t ticket)
{
	return plan->unpublished > 0 && !ticket && ds_now_ms() < plan->publish;
}

/* Connects where needed, and pulls; says why if not. */
static int pull(struct dss_sync *s, uint32_t flags, bool *ret_changed)
{
	const char *text = "";
	int err = DS_OK;

	if (!s->conn)
		err = dss_dc_connect(s);
	else
		dss_dc_return(s, flags & DS_PULL_FULL);
	if (err)
		return err; /* told already */
	err = dss_pull(s, flags, ret_changed);
	if (err == DS_ERR_LIMIT && grow_store(s))
		err = dss_pull(s, flags, ret_changed);
	if (err == DS_OK || s->stop)
		return err;
	if (err == DS_ERR_FORMAT && dss_publish_check(s) == DS_ERR_FORMAT)
		replace_store(s);
	if (s->why[0])
		text = s->why;
	else if (err == DS_ERR_NOTFOUND)
		text = "the directory shows no user or group: may the host's "
		       "account read them?";
	else if (err != DS_ERR_SYS && err != DS_ERR_NOMEM)
		text = dss_conn_text(s->conn);
	dss_status_error(s, err, "the pull from %s failed: %s",
			 s->status.server,
			 err == DS_ERR_SYS ? strerror(errno)
			 : text[0]         ? text
					   : ds_strerror(err));
	dss_dc_close(s);
	return err;
}

/* The next pull, unless something asks for one before. */
static void plan_pull(struct dss_sync *s, struct plan *plan, int64_t wait)
{
	plan->pull = ds_now_ms() + wait;
	s->status.next_try = (uint64_t)time(NULL) + (uint64_t)(wait / 1000);
	dss_status_changed(s);
}

static int64_t sooner(int64_t wait, int64_t other)
{
	if (other > wait)
		return wait;
	return other > 0 ? other : 0;
}

static void plan_next(struct dss_sync *s, struct plan *plan, bool ok)
{
	int64_t wait;

	if (ok) {
		plan->failures = 0;
		wait = dss_pace_wait(interval_ms(s), dss_chance());
		if (s->reconcile_at)
			wait = sooner(wait, s->reconcile_at - ds_now_ms());
		dss_status_state(s, DSS_IDLE, "up to date");
	} else {
		plan->failures++;
		wait = dss_pace_backoff(plan->failures, PULL_LAST_MS,
					dss_chance());
		dss_status_state(s, DSS_WAITING, "waiting to try again");
	}
	plan_pull(s, plan, wait);
	plan->not_before = ds_now_ms() + COALESCE_MS;
}

/* One pull and what it leads to. */
static void work(struct dss_sync *s, struct plan *plan)
{
	uint64_t ticket = s->pull_ticket;
	uint32_t flags = s->pull_flags & ~(uint32_t)DS_PULL_RENUMBER;
	bool changed = false, ok;

	s->renumber |= s->pull_flags & DS_PULL_RENUMBER;
	s->restage |= s->renumber;
	s->pull_ticket = 0;
	s->pull_flags = 0;
	if (!plan->noticed)
		plan->noticed = ds_now_ms();
	plan->notified = false;
	ok = pull(s, flags, &changed) == DS_OK;
	plan->behind = !ok;
	dss_guard_leave(STORE_DIR);
	if (ok && !s->stop) {
		s->status.last_pull = (uint64_t)time(NULL);
		if (!s->restage && !changed) {
			dss_publish_settle(s);
		} else if (is_put_off(plan, ticket)) {
			s->restage = true;
			ok = false;
		} else {
			ok = publish(s, plan);
			s->status.lag_ms =
			    (uint64_t)(ds_now_ms() - plan->noticed);
			plan->notified |=
			    ok && s->doubt && ds_now_ms() >= s->relist_at;
		}
	}
	if (s->stop)
		return;
	if (ok) {
		s->status.last_error[0] = 0;
		plan->noticed = 0;
	}
	if (ticket > 0 && ok)
		s->status.done = ticket;
	else if (ticket > 0)
		s->status.failed = ticket;
	plan_next(s, plan, ok);
}

/* The notification's messages; a connection that broke is made anew. */
static void listen(struct dss_sync *s, struct plan *plan)
{
	bool changed = false;
	int err = dss_conn_notified(s->conn, &changed);

	if (err == DS_OK) {
		plan->notified |= changed;
		if (changed && !plan->noticed)
			plan->noticed = ds_now_ms();
		return;
	}
	if (err == DS_ERR_NOTFOUND) {
		ds_log(DS_LOG_NOTICE,
		       "%s ended the change notification (%s): "
		       "asking every %llu s instead",
		       s->status.server, dss_conn_text(s->conn),
		       (unsigned long long)s->config.sync.interval);
		s->status.notify = false;
		dss_status_changed(s);
		return;
	}
	ds_log(DS_LOG_NOTICE, "%s: %s", s->status.server,
	       dss_conn_text(s->conn));
	dss_dc_close(s);
	/* All hosts lost it at this moment. */
	plan_pull(s, plan,
		  RECONNECT_MS +
		      dss_pace_start(interval_ms(s), true, dss_chance()));
}

static int64_t earliest(const struct plan *plan)
{
	int64_t when = plan->pull;

	if (plan->notified && plan->not_before < when)
		when = plan->not_before;
	return plan->locals < when ? plan->locals : when;
}

static void look_at_locals(struct dss_sync *s, struct plan *plan)
{
	plan->locals = ds_now_ms() + LOCALS_MS;
	if (dss_publish_stale(s) && dss_pull_complete(s))
		s->restage = true;
}

/* False: it is not known who may be shown; what is published stays. */
static bool rescope(struct dss_sync *s)
{
	int err = dss_pull_rescope(s);

	if (err == DS_ERR_LIMIT && grow_store(s))
		err = dss_pull_rescope(s);
	if (err == DS_ERR_FORMAT) {
		replace_store(s);
	} else if (err) {
		ds_log(DS_LOG_ERR, "the scope cannot be found: %s",
		       err == DS_ERR_SYS ? strerror(errno) : ds_strerror(err));
		s->stop = true; /* synccached starts us again */
	}
	return !s->stop;
}

/* What is owed, apart from a pull: the files anew. */
static void publish_owed(struct dss_sync *s, struct plan *plan)
{
	bool late = plan->unpublished > 0, ok = publish(s, plan);

	if (!dss_pull_complete(s))
		plan->pull = ds_now_ms();
	/* Nothing else was wrong. */
	if (ok && late && !plan->behind)
		s->status.last_error[0] = 0;
	if (!s->stop && ok)
		dss_status_state(s, DSS_IDLE, "up to date");
	else if (!s->stop)
		dss_status_state(s, DSS_WAITING, "waiting to try again");
}

static void plan_first(struct dss_sync *s, struct plan *plan)
{
	/* A store that was lost has left what is published. */
	bool served =
	    dss_pull_complete(s) || access(DS_PUBLIC_SNAP, F_OK) == 0;
	int64_t wait = dss_pace_start(interval_ms(s), served, dss_chance());

	plan_pull(s, plan, wait);
}

static void run(struct dss_sync *s)
{
	struct plan plan = { .pull = 0 };

	plan_first(s, &plan);
	if (!rescope(s))
		return;
	s->restage = dss_pull_complete(s);
	while (!s->stop) {
		int64_t now = ds_now_ms();

		if (now >= plan.locals)
			look_at_locals(s, &plan);
		if (s->restage && now >= plan.publish) {
			publish_owed(s, &plan);
		} else if (s->pull_ticket || now >= plan.pull ||
			   (plan.notified && now >= plan.not_before)) {
			work(s, &plan);
		} else {
			int64_t until = earliest(&plan);

			if (s->restage && plan.publish < until)
				until = plan.publish;
			(void)!dss_wait(s, s->conn ? dss_conn_fd(s->conn) : -1,
					false, until);
			if (s->conn && !s->stop)
				listen(s, &plan);
			/* Not around the backoff, where pulls fail. */
			plan.notified |= s->nasked > 0 && !plan.failures;
		}
	}
}

static int load_config(struct dss_sync *s, const char *path)
{
	struct ds_problems problems = { 0 };
	int err = ds_config_load(path, &s->config, &problems);

	for (size_t i = 0; i < problems.count; i++)
		ds_log(DS_LOG_ERR, "%s", problems.line[i]);
	ds_problems_done(&problems);
	return err;
}

int main(int argc, char **argv)
{
	static struct dss_sync s = { .stage_dir = STAGE_DIR };
	int err;

	ds_log_init("dssync-sync", DS_LOG_INFO);
	if (ds_privdrop_verify(DS_SYNC_USER) != 0)
		return EXIT_FAILURE;
	if (argc != 3 || strcmp(argv[1], "--config") != 0) {
		(void)fprintf(stderr, "usage: dssync-sync --config FILE; "
				      "synccached starts it\n");
		return EXIT_FAILURE;
	}
	/* Whatever happens to the monitor, nobody is left behind. */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	(void)umask(077);
	/*
	 * What a pull or a publication needs is large and short-lived: it is
	 * grown by remapping instead of copying, and returned at once.  What
	 * is small makes room for the next model: page by page it would cost
	 * more to get than to fill.
	 */
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 18);
	(void)mallopt(M_TRIM_THRESHOLD, 16 << 20);
	(void)signal(SIGPIPE, SIG_IGN);
	/* Host names: dead name servers must not hold us up for long. */
	(void)setenv("RES_OPTIONS", "timeout:1 attempts:2", 1);
	if (load_config(&s, argv[2]) != 0)
		return EXIT_FAILURE;
	/* So that no answer to an earlier process is taken for ours. */
	if (getrandom(&s.last_seq, sizeof(s.last_seq), GRND_NONBLOCK) < 0)
		s.last_seq = (uint32_t)ds_now_ms();
	if (dss_look_start(&s.config, &s.peer) != 0) {
		ds_log(DS_LOG_ERR, "no process for live looks: %s",
		       strerror(errno));
		return EXIT_FAILURE;
	}
	s.status.phase = "starting";
	s.status.transport = dss_tls_name(&s);
	s.silent = dss_dc_probe;
	err = open_store(&s);
	if (err == DS_OK)
		err = dss_loop_init(&s);
	if (err == DS_OK)
		err = dss_channel_start(&s);
	if (err == DS_OK) {
		dss_site_start(&s);
		dss_channel_site(&s);
		dss_status_changed(&s);
		run(&s);
	}
	dss_guard_leave(STORE_DIR);
	dss_dc_close(&s);
	dss_loop_done(&s);
	dss_publish_forget(&s);
	dss_store_close(s.store);
	dss_ticket_drop(&s.ticket);
	dss_status_done(&s.status);
	dss_guidmap_done(&s.told);
	ds_config_done(&s.config);
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}

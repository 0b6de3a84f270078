/*
 * dssync-sync: the state that its parts share.
 *
 * The program is one line of control: main.c decides what is next (pull,
 * publish, wait), and whatever has to wait does so in dss_wait(), which serves
 * the channels and timers meanwhile.  Handlers of messages only note what was
 * asked; nothing re-enters.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_SYNC_H
#define DSS_SYNC_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/config.h"
#include "lib/proto.h"
#include "lib/guid.h"
#include "lib/sid.h"
#include "synccache/sync/conn.h"
#include "synccache/sync/guidmap.h"
#include "synccache/sync/limits.h"
#include "synccache/sync/resident.h"
#include "synccache/sync/store.h"

struct event;
struct event_base;

#define DSS_WATCHES 2 /* descriptors that the loop serves */
#define DSS_ASKED   32

#define DSS_TEXT       1024 /* bytes of an error text */
#define DSS_HELD_SHOWN 20   /* names, of at most ... */
#define DSS_HELD_NAME  128  /* bytes: the status has DS_STATUS_MAX */

enum dss_state {
	DSS_IDLE,
	DSS_CONNECTING,
	DSS_PULLING,
	DSS_PUBLISHING,
	DSS_WAITING, /* backing off after a failure */
};

enum dss_notice {
	DSS_NOTICE_ENTRIES, /* the server shows some that nobody can be */
	DSS_NOTICE_BASES,   /* a base is not in the directory */
	DSS_NOTICE_SCOPE,   /* what the scope stands on is not there */
	DSS_NOTICE_FADED,   /* too many objects would lose too much */
	DSS_NOTICES
};

/* What `dssyncctl status` shows of this process. */
struct dss_status {
	enum dss_state state;
	const char *phase; /* constant text */
	char server[256];
	char site[256];        /* of this host (site.h); "": none */
	const char *site_from; /* constant text */
	char server_site[256]; /* as the server said, "": it was not asked */
	const char *transport; /* constant text */
	const char *strategy;  /* constant text; NULL: not known yet */
	char strategy_why[DSS_TEXT];
	uint64_t done, failed; /* tickets */
	uint64_t objects, users, groups, withheld;
	uint64_t in_part; /* published without a malformed attribute */
	uint64_t progress, expected; /* objects of the current pull */
	int64_t progress_since;      /* ds_now_ms() */
	uint64_t last_pull, last_change, next_try; /* epoch seconds; 0 never */
	char last_error[DSS_TEXT];
	/* Wrong, and not in the way of the rest; "": nothing. */
	char notice[DSS_NOTICES][DSS_TEXT];
	uint64_t lag_ms; /* of the last change: from noticed to published */
	uint64_t generation;
	char *held[DSS_HELD_SHOWN];
	size_t nheld; /* all of them, shown or not */
	bool notify;
};

/* auth's answer to DC_TICKET. */
struct dss_ticket {
	uint32_t seq; /* of the request that is waited for; 0: none */
	bool arrived;
	uint32_t code; /* 0 or -ds_err */
	char problem[DS_TEXT_MAX + 1];
	uint8_t *ccache;
	size_t ccache_len;
};

/* What is known of the domain beside its objects. */
struct dss_domain {
	char base_dn[512]; /* made from the configured name */
	char config_dn[512];
	char netbios[16];
	struct ds_sid sid;
	struct dss_policy policy;
};

/* What the resident model depends on besides the objects and the config. */
struct dss_basis {
	int64_t used_ms; /* when it was brought up to date last, ds_now_ms() */
	bool slack;      /* ... and what that left free is still ours */
	uint64_t locals_stamp, hash_key[2];
	struct dss_policy policy;
	struct ds_sid sid;
	char base_dn[512], netbios[16];
};

struct dss_sync {
	struct ds_config config;
	const char *stage_dir;

	struct event_base *base;
	struct dss_watch {
		struct event *event;
		void (*ready)(void *arg);
		void *arg;
	} watches[DSS_WATCHES];
	struct event *status_event;
	int peer; /* where tickets are asked for: auth, or who passes it on */
	bool hurry;             /* somebody waits: short deadlines */
	int (*silent)(void *s); /* dss_dc_probe(); NULL: silence is the end */
	bool stop;              /* a peer is gone */

	/* Asked by the monitor, not yet begun. */
	uint64_t pull_ticket;
	uint32_t pull_flags;
	bool restage;
	bool renumber; /* once: ids may be others than those given out */
	/* What a live look did not find, to be read again by the next pull;
	 * `away` of such went since everything was last listed. */
	struct ds_guid asked[DSS_ASKED];
	size_t nasked, away;
	/* A search did not find one of them, which is no proof, or there is
	 * an object that seems to have another's name: all are to be listed,
	 * not before (ds_now_ms()). */
	bool doubt;
	int64_t relist_at;
	/* When the listing that is due is to be done, ds_now_ms(); 0: none is
	 * due. */
	int64_t reconcile_at;
	/* A full load was refused for DSS_NOTICE_FADED. */
	bool faded_by_load;

	struct dss_ticket ticket;
	uint32_t last_seq;
	/* Publication: the stage that was announced, and its answer. */
	uint64_t staged, answered;
	uint32_t publish_code;
	int publish_errno;

	struct dss_store *store;
	struct dss_resident resident; /* ... has a transaction of it open */
	struct dss_basis basis;
	struct dss_conn *conn; /* NULL: not connected */
	/* How much its server is preferred, 0 most, and when to try for a
	 * better one (ds_now_ms(); 0: there is none). */
	uint32_t rank;
	int64_t return_at;
	uint16_t port;
	char unused[DSS_TEXT]; /* the servers that were passed over, told */
	struct dss_domain domain;
	uint64_t locals_stamp; /* of passwd and group when last published */
	struct dss_status status;
	struct dss_guidmap told; /* objects that the log has named */
	char why[DSS_TEXT];  /* of the pull that failed; "" nothing to add */
	int64_t status_sent; /* ds_now_ms() */
};

/* ---- loop.c ---- */
DS_MUST_CHECK int dss_loop_init(struct dss_sync *s);
void dss_loop_done(struct dss_sync *s);
/* Calls ready(arg) whenever fd is readable; at most DSS_WATCHES of them. */
DS_MUST_CHECK int dss_loop_watch(struct dss_sync *s, int fd,
				 void (*ready)(void *arg), void *arg);
/*
 * Serves everything once until fd (or -1) is readable, something else
 * happened, or the deadline passed.  DS_OK, DS_ERR_TIMEOUT, DS_ERR_CLOSED.
 */
DS_MUST_CHECK int dss_wait(struct dss_sync *s, int fd, bool write,
			   int64_t deadline_ms);
/* For pace.h: any number, each time another one. */
uint32_t dss_chance(void);
/* A random part of ms; half of it to one and a half. */
int64_t dss_spread(int64_t ms);
int64_t dss_jitter(int64_t ms);
/* Waits until a descriptor is readable in that way, for a connection. */
struct dss_waiter dss_loop_waiter(struct dss_sync *s);

/* ---- channel.c ---- */
/* Serves the monitor, and s->peer. */
DS_MUST_CHECK int dss_channel_start(struct dss_sync *s);
/* Reads all that is there; s->stop if the peer is gone or talks nonsense,
 * which is whatever the handler does not return DS_OK for. */
void dss_channel_drain(struct dss_sync *s, int channel,
		       int (*handler)(void *arg, const struct ds_frame *frame),
		       void *arg);
/* The number of the next request. */
uint32_t dss_channel_seq(struct dss_sync *s);
/* Wipes and frees the ticket of an answer. */
void dss_ticket_drop(struct dss_ticket *t);
/* A DC_TICKET_REPLY, into s->ticket if that is waited for. */
DS_MUST_CHECK int dss_channel_take_ticket(struct dss_sync *s,
					  const struct ds_frame *frame);
/* Tells the live looks which server the mirror comes from. */
void dss_channel_server(struct dss_sync *s, const char *host);
/* Tells them, and auth, the site of this host. */
void dss_channel_site(struct dss_sync *s);
/* Announces a stage and waits for the answer. */
DS_MUST_CHECK int dss_channel_publish(struct dss_sync *s);
/*
 * Asks auth for the ticket that proves host to be a domain controller; the
 * answer is in s->ticket.  DS_ERR_TIMEOUT, DS_ERR_CLOSED, or auth's error.
 */
DS_MUST_CHECK int dss_channel_ticket(struct dss_sync *s, const char *host);

/* ---- status.c ---- */
/* Something shown has changed: it is sent soon, at most 10 times a second. */
void dss_status_changed(struct dss_sync *s);
void dss_status_state(struct dss_sync *s, enum dss_state state,
		      const char *phase);
/* Remembers and logs why; one clear line. */
void dss_status_error(struct dss_sync *s, int err, const char *fmt, ...)
    DS_PRINTF(3, 4);
/* Sends it if it is due; the status timer's work. */
void dss_status_send(struct dss_sync *s);
void dss_status_done(struct dss_status *st);

/* ---- dc.c ---- */
/*
 * Connects, proves, binds, and reads the domain's facts; tries `first` if it
 * is not "", then all hosts, `last` after the others.  On success s->conn,
 * s->domain and the status' server are set; else `tried` (cap bytes) says what
 * was wrong with each.
 */
DS_MUST_CHECK int dss_dc_open(struct dss_sync *s, const char *first,
			      const char *last, char *tried, size_t cap);
/* The same for the mirror, with its status, and the notification. */
DS_MUST_CHECK int dss_dc_connect(struct dss_sync *s);
/*
 * From a server that was second choice to a better one, if one can be used;
 * else all stays as it is, and s->return_at says when to try again.  Before
 * that time it does nothing, unless `now`.
 */
void dss_dc_return(struct dss_sync *s, bool now);
/*
 * The server has been silent for long: DS_OK if it lives, by a second
 * connection, within 5 s.  Else it hangs.
 */
DS_MUST_CHECK int dss_dc_probe(void *s);
void dss_dc_close(struct dss_sync *s);

/* ---- pull.c ---- */
/*
 * Brings the store up to date over s->conn, all or nothing.  *ret_changed:
 * something that could be published changed.
 */
DS_MUST_CHECK int dss_pull(struct dss_sync *s, uint32_t flags,
			   bool *ret_changed);
/*
 * Finds anew who of the store is in the scope of the configuration, which may
 * be another one than before.
 */
DS_MUST_CHECK int dss_pull_rescope(struct dss_sync *s);
/* True once a first load of the configured domain was complete. */
bool dss_pull_complete(struct dss_sync *s);

/* ---- publish.c ---- */
/*
 * Builds and stages the snapshots from the store, and has them published;
 * what is the same as the last time is not written again, unless `all`: both
 * are, whatever lies there.
 * DS_ERR_FORMAT: the store is damaged; nothing was published.
 * DS_ERR_CONFLICT: the configuration gives other ids than before.
 */
DS_MUST_CHECK int dss_publish(struct dss_sync *s, bool all);
/* Whether all of the store can be read; DS_ERR_FORMAT: it is damaged. */
DS_MUST_CHECK int dss_publish_check(struct dss_sync *s);
/* After a pull that led to no publication: frees what is kept too long, or
 * has it follow the store. */
void dss_publish_settle(struct dss_sync *s);
/* Lets go of the store: before it is closed. */
void dss_publish_forget(struct dss_sync *s);
/* True if the local passwd or group changed since. */
bool dss_publish_stale(const struct dss_sync *s);

#endif

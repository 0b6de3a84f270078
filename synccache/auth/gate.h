/*
 * Gates: the listening sockets of dssync-auth, and who stands in them.
 *
 * pam.sock is root's.  pam-user.sock is for screen lockers and whatever else
 * asks as an ordinary user, about nobody but that user; each has a backlog, a
 * number of connections and workers of its own, and root's is served first, so
 * that nothing that users do at theirs delays or shuts out the other.
 *
 * One request a connection.  A gate looks at a request without taking it, and
 * never at the password: that is read by the worker that checks it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_GATE_H
#define DSA_GATE_H

#include <event2/event.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "synccache/auth/audit.h"
#include "synccache/auth/auth.h"

/* Only tests build this with other numbers, or another root. */
#ifndef DSA_CONNS_MAX
#define DSA_CONNS_MAX      256
#define DSA_USER_CONNS_MAX 128  /* of all users together */
#define DSA_UID_CONNS_MAX  4    /* of one user, */
#define DSA_UID_RESTS_MAX  8    /* and that many answered ones */
#define DSA_UID_CHECKS_MAX 2    /* of these, with a worker */
#define DSA_REQUEST_MS     5000 /* from accept to a whole request */
#define DSA_REST_MS        500  /* so a user has 16 answers a second */
#define DSA_PEER_UID       0
#endif
#define DSA_PARKED_MAX 64  /* of the connections of a gate */
#define DSA_REPLY_MS   200 /* the socket buffer is empty: no wait at all */

/* Priorities of libevent, the first being the most urgent. */
enum {
	DSA_PRIO_MONITOR,
	DSA_PRIO_ROOT,
	DSA_PRIO_USER,
	DSA_PRIORITIES,
};

enum dsa_conn_state {
	DSA_CONN_READING,
	DSA_CONN_PARKED,   /* after failures: it has to wait */
	DSA_CONN_QUEUED,   /* until a worker is free */
	DSA_CONN_CHECKING, /* a worker has it */
	DSA_CONN_ASKING,   /* a domain controller is asked */
	DSA_CONN_RESTING,  /* a user's that is answered, and counts still */
};

TAILQ_HEAD(dsa_conn_list, dsa_conn);

struct dsa_conn {
	TAILQ_ENTRY(dsa_conn) all, queue;
	struct dsa_gate *gate;
	struct event *readable, *deadline;
	int fd;
	enum dsa_conn_state state;
	uint32_t seq;
	uint64_t delay_key;         /* of a password check (delay.h) */
	uint16_t type;              /* of the request: enum ds_msg */
	struct dsa_subject subject; /* .caller from the start */
};

struct dsa_gate {
	struct dsa_server *server;
	const char *name;       /* of its socket, for the log */
	size_t max, uid_max;    /* uid_max 0: root's */
	enum dsa_job_kind kind; /* whose slots its checks use */
	int priority;
	struct event *listener, *retry;
	struct dsa_conn_list all, queue;
	size_t count;
	/* A whole request of this type waits: read by ds_wire_recv(), or by a
	 * worker. */
	void (*request)(struct dsa_conn *c, uint16_t type);
	/* The deadline passed in another state than READING. */
	void (*overdue)(struct dsa_conn *c);
};

/* Listens on fd, which has to be a listening socket.  False: no memory. */
DS_MUST_CHECK bool dsa_gate_open(struct dsa_gate *gate, int fd);
void dsa_gate_close(struct dsa_gate *gate);

/*
 * Fills in guid, user, service, tty, rhost and ruser of a whole AUTH request
 * without reading on to the password.  DS_ERR_FORMAT.
 */
DS_MUST_CHECK int dsa_conn_peek(struct dsa_conn *c);
/* Another state, with another deadline (ms; 0: none). */
void dsa_conn_enter(struct dsa_conn *c, enum dsa_conn_state state, int ms);
/* The caller is gone; nobody would hear the answer. */
bool dsa_conn_is_dead(const struct dsa_conn *c);
/* Another connection, parked or with a worker, has the same delay_key. */
bool dsa_conn_has_twin(const struct dsa_conn *c);
/* How many connections of the gate are parked. */
size_t dsa_gate_parked(const struct dsa_gate *gate);
/* How many connections of the same user are with a worker, or were just now.
 */
size_t dsa_conn_checks(const struct dsa_conn *c);
/*
 * Ends a reply (with the connection's seq), sends it, and hangs up.  At the
 * users' gate the place stays taken for DSA_REST_MS: that bounds how often a
 * user can ask.
 */
void dsa_conn_reply(struct dsa_conn *c, struct ds_writer *w);
void dsa_conn_free(struct dsa_conn *c);

#endif

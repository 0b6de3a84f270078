/*
 * Offline logins in the main process: the host key, the house clock, whether
 * a KDC has answered lately, and the jobs that remove verifiers.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_OFFSERVER_H
#define DSA_OFFSERVER_H

#include <event2/event.h>
#include <jansson.h>

#include "lib/proto.h"
#include "synccache/auth/away.h"
#include "synccache/auth/kdc.h"
#include "synccache/auth/offstore.h"

#ifndef DSA_OFFLINE_DIR /* only tests have another */
#define DSA_OFFLINE_DIR DS_STATE_DIR "/auth/offline"
#endif

struct dsa_server;

/* What a check without the domain has cost, in microseconds. */
struct dsa_offline_cost {
	uint32_t kdf_us;
	uint32_t check_us; /* from the whole request to the decision */
};

struct dsa_offserver {
	bool on;             /* offline = yes, and the folder can be used */
	const char *problem; /* why not, "" if it is just not wanted */
	unsigned int slots;  /* KDFs at a time */
	struct dsa_secret key;
	struct dsa_clock clock;
	struct event *tick, *probe;
	struct dsa_away *away; /* not NULL if on */
	bool probe_soon;
	int64_t probe_began_ms;
	uint32_t verifiers; /* that are there, as workers have counted */
	uint64_t signed_in; /* offline, since the start */
	struct dsa_offline_cost last;
};

/*
 * offline = no: removes all that earlier starts have left.  Else opens the
 * folder, and sweeps it; what fails is logged and leaves offline logins off.
 */
void dsa_offline_start(struct dsa_server *server);
/* The events of it; false: no memory. */
DS_MUST_CHECK bool dsa_offline_tick(struct dsa_server *server);
void dsa_offline_stop(struct dsa_server *server);

/* Whether to try the verifier first.  In a worker as well. */
bool dsa_offline_away(const struct dsa_server *server);
/*
 * Whether any KDC has answered since, ds_now_ms(): in a worker as well, which
 * sees what others have heard meanwhile.
 */
bool dsa_offline_answered(const struct dsa_server *server, int64_t since_ms);
/* What a worker has seen that began then, ds_now_ms(). */
void dsa_offline_heard(struct dsa_server *server, enum dsa_kdc_word word,
		       int64_t began_ms);
/* A check was decided without asking a KDC. */
void dsa_offline_used(struct dsa_server *server);
/*
 * A check begins, and will not ask a KDC first: is there one again?  Forks,
 * but in a moment.
 */
void dsa_offline_probe(struct dsa_server *server);

/* A new mirror: verifiers of accounts that it refuses are removed. */
void dsa_offline_reload(struct dsa_server *server);
/* KEPT from a worker. */
void dsa_offline_kept(struct dsa_server *server, const struct ds_frame *frame);
/* DROP from the monitor; answered with DROPPED.  DS_ERR_FORMAT. */
DS_MUST_CHECK int dsa_offline_drop(struct dsa_server *server,
				   const struct ds_frame *frame);

/* For the status; NULL: no memory. */
json_t *dsa_offline_json(const struct dsa_server *server);

#endif

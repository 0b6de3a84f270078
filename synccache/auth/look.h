/*
 * The live check: what a domain controller says about one object now.  Sync
 * asks it for us (LOOK in lib/proto.h); nobody waits for it but who asked.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_LOOK_H
#define DSA_LOOK_H

#include <event2/event.h>

#include "lib/proto.h"
#include "lib/snapshot.h"

#ifndef DSA_LOOK_MS /* only tests have another */
#define DSA_LOOK_MS 2000
#endif
#define DSA_LOOKS_MAX 256 /* that wait at once */

/* LOOK_REPLY of an object that is there; times are FILETIME. */
struct dsa_looked {
	uint32_t uac;
	uint32_t uac_computed;
	uint64_t account_expires;
	uint64_t pwd_last_set;
	uint64_t pwd_expires;
	bool has_hours;
	uint8_t hours[DS_HOURS_LEN];
};

/*
 * err 0: the object is there, as *looked says; DS_ERR_NOTFOUND: a domain
 * controller does not show it; any other: nobody knows (looked is NULL).
 */
typedef void (*dsa_look_heard)(void *arg, int err,
			       const struct dsa_looked *looked);

struct dsa_looks;
/* Asks over `fd`, which stays the caller's; NULL: no memory, or randomness.
 */
struct dsa_looks *dsa_looks_new(struct event_base *base, int fd);
/* Without a word to those who wait. */
void dsa_looks_free(struct dsa_looks *looks);
/*
 * `heard` is called once, later, after at most DSA_LOOK_MS; NULL: the question
 * alone matters, since sync learns from the answer too.  DS_ERR_LIMIT,
 * DS_ERR_NOMEM, DS_ERR_UNAVAIL, DS_ERR_CLOSED: it is not called.
 */
DS_MUST_CHECK int dsa_look(struct dsa_looks *looks, const struct ds_guid *guid,
			   dsa_look_heard heard, void *arg);
/* A LOOK_REPLY has come; DS_ERR_FORMAT: a broken one. */
DS_MUST_CHECK int dsa_look_reply(struct dsa_looks *looks,
				 const struct ds_frame *frame);

#endif

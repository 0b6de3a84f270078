/*
 * Whether a password may be checked without the domain: the rules.  Pure.
 *
 * Asked only where no KDC answered.  Whoever can cut the network can bring
 * that about, so everything that the mirror and the clocks know is asked
 * first, and a doubt is a no.  Which attack each rule stops:
 * - the account's state as the mirror has it: a disabled, expired, locked or
 *   deleted account, one that the safety valve holds, one that needs a smart
 *   card or a new password, and the hours in which it may not log in;
 * - pwdLastSet: the password that was changed because somebody knew it;
 * - offline_days, by the house clock: the laptop that never comes back;
 * - tries, counted on disk before the password is looked at: guessing, over
 *   parallel logins, crashes and restarts.  By the object alone: whatever else
 *   they were counted by, whoever guesses would have another of it;
 * - offline_delay, by the uptime: a clock that is set forward, or a reboot,
 *   does not end a pause sooner.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_OFFLINE_H
#define DSA_OFFLINE_H

#include "lib/config.h"
#include "lib/proto.h"
#include "lib/snapshot.h"
#include "synccache/auth/health.h"
#include "synccache/auth/houseclock.h"
#include "synccache/auth/verifier.h"

struct dsa_offline_verdict {
	enum ds_auth_result result; /* DS_AUTH_OK: look at the password */
	const char *reason;         /* for the audit; "" if OK */
	uint64_t left_ms;           /* until offline_days are over, if OK */
};

/*
 * The account alone: what makes every verifier of it worthless for good.
 * `now_real`: seconds since the epoch.
 */
struct dsa_offline_verdict
dsa_offline_account(const struct ds_snap_account *account, int64_t now_real);

/*
 * And with its verifier; `now` is of this moment, `clock` advanced to it.
 * offline_attempts tries, then one in every offline_delay.
 */
struct dsa_offline_verdict dsa_offline_judge(
    const struct ds_config *config, const struct ds_snap_account *account,
    const struct dsa_verifier *verifier, const struct dsa_tries *tries,
    const struct dsa_clock *clock, const struct dsa_now *now);

/*
 * When a verifier of this moment is made, in the KDC's seconds since the
 * epoch: the host's own clock may be wrong without Kerberos minding.  0: the
 * KDC has not said its time, and only an equal pwdLastSet will do.
 */
int64_t dsa_offline_made(const struct dsa_now *now,
			 const struct dsa_health *health);

/* One more try, now. */
void dsa_tries_count(struct dsa_tries *tries, const struct dsa_now *now);

/*
 * What the person reads: that it was offline, and for how many more days that
 * works; or, if refused, one text for every reason, because nothing was
 * proven.
 */
void dsa_offline_text(enum ds_auth_result result, uint64_t left_ms, char *buf,
		      size_t cap);

#endif

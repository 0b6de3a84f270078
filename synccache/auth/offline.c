/*
 * The rules of offline logins.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/offline.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "synccache/auth/policy.h"

#define DAY_MS             86400000u
#define SKEW_SECONDS       300      /* of clocks that Kerberos tolerates */
#define UAC_SMARTCARD_ONLY 0x40000u /* MS-ADTS 2.2.16 */

static struct dsa_offline_verdict no(enum ds_auth_result result,
				     const char *reason)
{
	return (struct dsa_offline_verdict){ result, reason, 0 };
}

struct dsa_offline_verdict
dsa_offline_account(const struct ds_snap_account *account, int64_t now_real)
{
	enum ds_auth_result state =
	    dsa_account_state(account, dsa_filetime(now_real));

	if (state != DS_AUTH_OK)
		return no(state, "offline: the mirror says so");
	if (account->uac & UAC_SMARTCARD_ONLY)
		return no(DS_AUTH_DENIED,
			  "offline: the account needs a smart card");
	return no(DS_AUTH_OK, "");
}

/* What may pass, or be taken back. */
static struct dsa_offline_verdict
judge_now(const struct ds_snap_account *account, int64_t now_real)
{
	uint64_t now = dsa_filetime(now_real);
	enum ds_auth_result state = dsa_account_now(account, now);

	if (account->flags & DS_ID_HELD)
		return no(DS_AUTH_DENIED, "offline: the account is gone from "
					  "the domain, and only held");
	if (!account->has_limits)
		return no(DS_AUTH_DENIED, "offline: the mirror does not know "
					  "the domain's policy");
	if (state != DS_AUTH_OK)
		return no(state, "offline: the mirror says so");
	if (dsa_password_expired(&account->limits, now))
		return no(DS_AUTH_UNAVAILABLE,
			  "offline: the password must be changed, which only "
			  "the domain can do");
	return no(DS_AUTH_OK, "");
}

/*
 * The mirror's pwdLastSet is the verifier's, or the change came before the
 * login that made the verifier, and by more than two clocks may differ: then
 * the KDC has judged the new password, and the mirror heard of it later.
 */
static bool same_password(const struct ds_snap_account *account,
			  const struct dsa_verifier *v)
{
	if (account->pwd_last_set == v->pwd_last_set)
		return true;
	return account->pwd_last_set > v->pwd_last_set && v->made_real > 0 &&
	       account->pwd_last_set <=
		   dsa_filetime(v->made_real - SKEW_SECONDS);
}

/* Without a boot id nobody knows what the uptime counts from. */
static bool is_pausing(const struct ds_config *config,
		       const struct dsa_tries *tries,
		       const struct dsa_now *now)
{
	return tries->count >= config->login.offline_attempts &&
	       (!dsa_boot_is_known(now->boot_id) ||
		!dsa_boot_is_known(tries->boot_id) ||
		dsa_since(now, tries->boot_id, tries->boot_ms) <
		    config->login.offline_delay * 1000);
}

struct dsa_offline_verdict dsa_offline_judge(
    const struct ds_config *config, const struct ds_snap_account *account,
    const struct dsa_verifier *verifier, const struct dsa_tries *tries,
    const struct dsa_clock *clock, const struct dsa_now *now)
{
	uint64_t life = config->login.offline_days * DAY_MS, age;
	struct dsa_offline_verdict v =
	    dsa_offline_account(account, now->real_ms / 1000);

	if (v.result == DS_AUTH_OK)
		v = judge_now(account, now->real_ms / 1000);
	if (v.result != DS_AUTH_OK)
		return v;
	if (!ds_guid_equal(&verifier->guid, &account->guid) ||
	    memcmp(verifier->salt, tries->salt, DSA_SALT_LEN) != 0)
		return no(DS_AUTH_DENIED,
			  "offline: the verifier is of something else");
	if (memcmp(verifier->clock_id, clock->id, DSA_CLOCK_ID_LEN) != 0 ||
	    verifier->made_ms > clock->total_ms)
		return no(DS_AUTH_UNAVAILABLE,
			  "offline: nobody knows how old the verifier is");
	age = clock->total_ms - verifier->made_ms;
	if (age >= life)
		return no(DS_AUTH_UNAVAILABLE,
			  "offline: the last login at the domain was more "
			  "than offline_days ago");
	if (!same_password(account, verifier))
		return no(DS_AUTH_UNAVAILABLE,
			  "offline: the password was changed since the last "
			  "login at the domain");
	if (is_pausing(config, tries, now))
		return no(DS_AUTH_UNAVAILABLE,
			  "offline: too many tries; the pause of "
			  "offline_delay is not over");
	v.left_ms = life - age;
	return v;
}

int64_t dsa_offline_made(const struct dsa_now *now,
			 const struct dsa_health *health)
{
	return health->has_clock ? now->real_ms / 1000 + health->clock : 0;
}

void dsa_tries_count(struct dsa_tries *tries, const struct dsa_now *now)
{
	if (tries->count < UINT32_MAX)
		tries->count++;
	memcpy(tries->boot_id, now->boot_id, sizeof(tries->boot_id));
	tries->boot_ms = now->boot_ms;
}

void dsa_offline_text(enum ds_auth_result result, uint64_t left_ms, char *buf,
		      size_t cap)
{
	uint64_t days = left_ms / DAY_MS;

	if (result != DS_AUTH_OK)
		(void)snprintf(buf, cap,
			       "The domain cannot be reached, and the "
			       "password was not accepted offline.");
	else if (days == 0)
		(void)snprintf(buf, cap,
			       "Signed in offline: the domain cannot be "
			       "reached. This works for less than a day "
			       "more.");
	else
		(void)snprintf(buf, cap,
			       "Signed in offline: the domain cannot be "
			       "reached. This works for %" PRIu64
			       " more day%s.",
			       days, days == 1 ? "" : "s");
}

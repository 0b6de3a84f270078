/*
 * Account state, allow lists and texts.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/policy.h"

#include <stdio.h>
#include <string.h>

#define EPOCH_1601_SECONDS 11644473600 /* from 1601 to 1970 */
#define FILETIME_SECOND    10000000
#define FILETIME_HOUR      ((uint64_t)3600 * FILETIME_SECOND)
#define FILETIME_DAY       (24 * FILETIME_HOUR)
#define WEEK_HOURS         168

uint64_t dsa_filetime(int64_t epoch_seconds)
{
	return (uint64_t)(epoch_seconds + EPOCH_1601_SECONDS) *
	       FILETIME_SECOND;
}

enum ds_auth_result dsa_account_state(const struct ds_snap_account *account,
				      uint64_t now_filetime)
{
	uint64_t end = account->account_expires;

	/* Computers and trusts have passwords as well. */
	if (!(account->uac & DSA_UAC_NORMAL))
		return DS_AUTH_DENIED;
	if (account->uac & DSA_UAC_DISABLED)
		return DS_AUTH_DISABLED;
	if (end != 0 && end < DS_NEVER && end <= now_filetime)
		return DS_AUTH_EXPIRED;
	return DS_AUTH_OK;
}

enum ds_auth_result dsa_account_limits(const struct ds_snap_limits *limits,
				       uint64_t now_filetime)
{
	/* 1601 began on a Monday, the week of logonHours on a Sunday. */
	uint64_t hour = (now_filetime / FILETIME_HOUR + 24) % WEEK_HOURS;

	if (limits->locked_until > now_filetime)
		return DS_AUTH_LOCKED;
	if (limits->has_hours &&
	    !(limits->hours[hour / 8] & (1u << (hour % 8))))
		return DS_AUTH_HOURS;
	return DS_AUTH_OK;
}

enum ds_auth_result dsa_account_now(const struct ds_snap_account *account,
				    uint64_t now_filetime)
{
	enum ds_auth_result state = dsa_account_state(account, now_filetime);

	if (state != DS_AUTH_OK)
		return state;
	if (!account->has_limits)
		return DS_AUTH_DENIED;
	return dsa_account_limits(&account->limits, now_filetime);
}

bool dsa_password_expired(const struct ds_snap_limits *limits,
			  uint64_t now_filetime)
{
	return limits->pwd_expires <= now_filetime;
}

bool dsa_password_expires_soon(const struct ds_snap_limits *limits,
			       uint64_t now_filetime)
{
	return limits->pwd_expires <
	       now_filetime + DSA_WARN_DAYS * FILETIME_DAY;
}

/*
 * msDS-UserPasswordExpiryTimeComputed is 0 where pwdLastSet is (MS-ADTS
 * 3.1.1.4.5); a 0 beside another pwdLastSet was not readable.
 */
static uint64_t looked_expiry(const struct ds_snap_account *account,
			      const struct dsa_looked *looked)
{
	if (looked->pwd_expires != 0 || looked->pwd_last_set == 0)
		return looked->uac & DSA_UAC_DONT_EXPIRE ? DS_NEVER
							 : looked->pwd_expires;
	if (looked->uac_computed & DSA_UAC_PASSWORD_EXPIRED)
		return 0;
	if (account->has_limits &&
	    account->pwd_last_set == looked->pwd_last_set)
		return account->limits.pwd_expires;
	return DS_NEVER;
}

void dsa_account_look(struct ds_snap_account *account,
		      const struct dsa_looked *looked)
{
	struct ds_snap_limits limits = {
		.pwd_expires = looked_expiry(account, looked),
		/* The DC has compared the times, with the policy that counts
		 * for this account. */
		.locked_until =
		    looked->uac_computed & DSA_UAC_LOCKOUT ? DS_NEVER : 0,
		.has_hours = looked->has_hours,
	};

	memcpy(limits.hours, looked->hours, sizeof(limits.hours));
	account->uac = looked->uac;
	account->account_expires = looked->account_expires;
	account->pwd_last_set = looked->pwd_last_set;
	account->limits = limits;
	account->has_limits = true;
}

const char *dsa_change_url(const struct ds_config *config,
			   const struct ds_snap_account *account)
{
	return account->flags & DS_ID_CUSTOM_OU
		   ? ""
		   : config->login.password_change_url;
}

char *dsa_expiry_text(const struct ds_config *config,
		      const struct ds_snap_account *account,
		      uint64_t now_filetime, char *buf, size_t cap)
{
	const char *url = dsa_change_url(config, account);
	uint64_t left = account->limits.pwd_expires - now_filetime;
	uint64_t days = left / FILETIME_DAY;
	char when[32] = "today", how[300] = "";

	buf[0] = '\0';
	if (!account->has_limits ||
	    dsa_password_expired(&account->limits, now_filetime) ||
	    !dsa_password_expires_soon(&account->limits, now_filetime))
		return buf;
	if (days > 0)
		(void)snprintf(when, sizeof(when), "in %u day%s",
			       (unsigned int)days, days == 1 ? "" : "s");
	if (account->flags & DS_ID_CUSTOM_OU)
		(void)snprintf(how, sizeof(how), " Change it with passwd.");
	else if (url[0] != '\0')
		(void)snprintf(how, sizeof(how), " Change it at %s", url);
	(void)snprintf(buf, cap, "Your password expires %s.%s", when, how);
	return buf;
}

static const char *proven_text(enum ds_auth_result result)
{
	switch (result) {
	case DS_AUTH_NEW_PASSWORD:
		return "Your password must be changed.";
	case DS_AUTH_DISABLED:
		return "Your account is disabled.";
	case DS_AUTH_EXPIRED:
		return "Your account has expired.";
	case DS_AUTH_LOCKED:
		return "Your account is locked; try again later.";
	case DS_AUTH_HOURS:
		return "Your account may not log in at this time.";
	case DS_AUTH_DENIED:
		return "Your account may not log in here.";
	default:
		return "";
	}
}

void dsa_text(enum ds_auth_result result, bool proven, const char *url,
	      char *buf, size_t cap)
{
	const char *text = proven ? proven_text(result) : "";

	if (result == DS_AUTH_UNAVAILABLE)
		text = "The domain cannot check passwords now; "
		       "try again later.";
	if (proven && result == DS_AUTH_NEW_PASSWORD && url[0] != '\0')
		(void)snprintf(buf, cap, "%s Change it at %s", text, url);
	else
		(void)snprintf(buf, cap, "%s", text);
}

const char *dsa_result_word(enum ds_auth_result result)
{
	static const char *const words[] = {
		[DS_AUTH_OK] = "ok",
		[DS_AUTH_NEW_PASSWORD] = "new-password",
		[DS_AUTH_BAD_PASSWORD] = "bad-password",
		[DS_AUTH_UNKNOWN] = "unknown",
		[DS_AUTH_DISABLED] = "disabled",
		[DS_AUTH_EXPIRED] = "expired",
		[DS_AUTH_LOCKED] = "locked",
		[DS_AUTH_HOURS] = "hours",
		[DS_AUTH_DENIED] = "denied",
		[DS_AUTH_UNAVAILABLE] = "unavailable",
		[DS_AUTH_DELAYED] = "delayed",
		[DS_AUTH_REJECTED] = "rejected",
	};

	if ((size_t)result >= sizeof(words) / sizeof(*words))
		return "denied";
	return words[result];
}

/*
 * Account state, allow lists and texts.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/policy.h"

#include <stdio.h>

#define EPOCH_1601_SECONDS 11644473600 /* from 1601 to 1970 */
#define FILETIME_SECOND    10000000
#define FILETIME_NEVER     INT64_MAX

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
	if (end != 0 && end < FILETIME_NEVER && end <= now_filetime)
		return DS_AUTH_EXPIRED;
	return DS_AUTH_OK;
}

bool dsa_must_change(const struct ds_snap_account *account)
{
	return account->pwd_last_set == 0 &&
	       !(account->uac & DSA_UAC_DONT_EXPIRE);
}

static bool user_listed(ds_strv names, const struct ds_snap *snap,
			const struct ds_snap_user *user)
{
	struct ds_snap_user named;

	for (; *names != NULL; names++)
		if (ds_resolve_user(snap, *names, &named) == 0 &&
		    named.index == user->index)
			return true;
	return false;
}

static bool in_group(const struct ds_snap_user *user, uint32_t gid)
{
	if (user->gid == gid)
		return true;
	for (uint32_t i = 0; i < user->ngids; i++)
		if (user->gids[i] == gid)
			return true;
	return false;
}

static bool group_listed(ds_strv names, const struct ds_snap *snap,
			 const struct ds_snap_user *user)
{
	struct ds_snap_group named;

	for (; *names != NULL; names++)
		if (ds_resolve_group(snap, *names, &named) == 0 &&
		    in_group(user, named.gid))
			return true;
	return false;
}

enum ds_auth_result dsa_policy(const struct ds_config *config,
			       const struct ds_snap *snap,
			       const struct ds_snap_user *user)
{
	ds_strv users = config->login.allow_users;
	ds_strv groups = config->login.allow_groups;

	if (*users == NULL && *groups == NULL)
		return DS_AUTH_OK;
	if (user_listed(users, snap, user) || group_listed(groups, snap, user))
		return DS_AUTH_OK;
	return DS_AUTH_DENIED;
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
	};

	if ((size_t)result >= sizeof(words) / sizeof(*words))
		return "denied";
	return words[result];
}

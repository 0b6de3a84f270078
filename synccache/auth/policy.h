/*
 * Decisions from the mirror: what state an account is in, whom the config
 * lets in, and what a person is told.  Pure.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_POLICY_H
#define DSA_POLICY_H

#include "lib/config.h"
#include "lib/proto.h"
#include "lib/resolve.h"

/* userAccountControl, MS-ADTS 2.2.16. */
enum dsa_uac {
	DSA_UAC_DISABLED = 0x2,
	DSA_UAC_NORMAL = 0x200,
	DSA_UAC_DONT_EXPIRE = 0x10000,
};

/* FILETIME (100 ns since 1601) of seconds since 1970. */
uint64_t dsa_filetime(int64_t epoch_seconds);

/*
 * DS_AUTH_OK, DISABLED, EXPIRED, or DENIED for what is no user account.
 * Whether the password must be changed is another question.
 */
enum ds_auth_result dsa_account_state(const struct ds_snap_account *account,
				      uint64_t now_filetime);
/* The administrator asked for a new password (pwdLastSet 0). */
bool dsa_must_change(const struct ds_snap_account *account);

/*
 * allow_users and allow_groups: DS_AUTH_OK if both are empty, or one names
 * the user or a group that the user is in, nested groups included; else
 * DENIED.  A name that resolves to nothing grants nothing.
 */
enum ds_auth_result dsa_policy(const struct ds_config *config,
			       const struct ds_snap *snap,
			       const struct ds_snap_user *user);

/*
 * The text for the person at the keyboard, "" for none.  What is particular
 * to an account is said only if the password was proven (or the caller came
 * in another way: account phase); `url` is login.password_change_url.
 */
void dsa_text(enum ds_auth_result result, bool proven, const char *url,
	      char *buf, size_t cap);
/* One word for audit and statistics. */
const char *dsa_result_word(enum ds_auth_result result);

#endif

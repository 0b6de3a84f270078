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
#include "lib/snapshot.h"
#include "synccache/auth/look.h"

/* userAccountControl, MS-ADTS 2.2.16; the last two are only in
 * msDS-User-Account-Control-Computed (3.1.1.4.5.17). */
enum dsa_uac {
	DSA_UAC_DISABLED = 0x2,
	DSA_UAC_NORMAL = 0x200,
	DSA_UAC_LOCKOUT = 0x10,
	DSA_UAC_DONT_EXPIRE = 0x10000,
	DSA_UAC_PASSWORD_EXPIRED = 0x800000,
};

#define DSA_WARN_DAYS 14 /* before a password expires */

/* FILETIME (100 ns since 1601) of seconds since 1970. */
uint64_t dsa_filetime(int64_t epoch_seconds);

/*
 * DS_AUTH_OK, DISABLED, EXPIRED, or DENIED for what is no user account.
 * Whether the password must be changed is another question.
 */
enum ds_auth_result dsa_account_state(const struct ds_snap_account *account,
				      uint64_t now_filetime);
/* DS_AUTH_OK, LOCKED, or HOURS outside the logon hours (which are UTC). */
enum ds_auth_result dsa_account_limits(const struct ds_snap_limits *limits,
				       uint64_t now_filetime);
/* All of it: state, then limits; DENIED if the limits are not known. */
enum ds_auth_result dsa_account_now(const struct ds_snap_account *account,
				    uint64_t now_filetime);
/* Has expired, by age or because the administrator asked for a new one. */
bool dsa_password_expired(const struct ds_snap_limits *limits,
			  uint64_t now_filetime);

/* It has, or will within DSA_WARN_DAYS. */
bool dsa_password_expires_soon(const struct ds_snap_limits *limits,
			       uint64_t now_filetime);

/*
 * What a domain controller said just now takes the place of what the mirror
 * has.  An expiry that the host may not read stays the mirror's, unless the
 * password is another one since.
 */
void dsa_account_look(struct ds_snap_account *account,
		      const struct dsa_looked *looked);

/*
 * Where this account's password is changed, for dsa_text(): the configured
 * address, or "" for an account of a custom unit, which does it here.
 */
const char *dsa_change_url(const struct ds_config *config,
			   const struct ds_snap_account *account);
/*
 * "Your password expires in 3 days. ..." within DSA_WARN_DAYS, else "";
 * returns buf.
 */
char *dsa_expiry_text(const struct ds_config *config,
		      const struct ds_snap_account *account,
		      uint64_t now_filetime, char *buf, size_t cap);

/*
 * The text for the person at the keyboard, "" for none.  What is particular
 * to an account is said only if the password was proven (or the caller came
 * in another way: account phase); `url` is dsa_change_url().
 */
void dsa_text(enum ds_auth_result result, bool proven, const char *url,
	      char *buf, size_t cap);
/* One word for audit and statistics. */
const char *dsa_result_word(enum ds_auth_result result);

#endif

/*
 * The error table.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/krberr.h"

#include <errno.h>
#include <krb5.h>

#include "synccache/auth/edata.h"

/*
 * CLIENT_REVOKED.  Samba says so with an NTSTATUS only after a right
 * password; a Windows KDC may before any.  Without an NTSTATUS (Samba's
 * lockout, or under FAST) nothing was proven.
 */
static struct dsa_verdict revoked(uint32_t ntstatus, bool preauth_sent)
{
	switch (ntstatus) {
	case DSA_NT_DISABLED:
		return (struct dsa_verdict){ DS_AUTH_DISABLED, preauth_sent };
	case DSA_NT_ACCOUNT_EXPIRED:
		return (struct dsa_verdict){ DS_AUTH_EXPIRED, preauth_sent };
	case DSA_NT_LOGON_HOURS:
		return (struct dsa_verdict){ DS_AUTH_HOURS, preauth_sent };
	case DSA_NT_WORKSTATION:
		return (struct dsa_verdict){ DS_AUTH_DENIED, false };
	default:
		return (struct dsa_verdict){ DS_AUTH_LOCKED, false };
	}
}

/* Nothing was decided: no KDC, or no common time or realm with it. */
static bool is_unavailable(krb5_error_code code)
{
	switch (code) {
	case KRB5_KDC_UNREACH:
	case KRB5_REALM_UNKNOWN:
	case KRB5_REALM_CANT_RESOLVE:
	case KRB5KDC_ERR_SVC_UNAVAILABLE:
	case KRB5KDC_ERR_WRONG_REALM:
	case KRB5KRB_AP_ERR_SKEW:
	case KRB5_KDCREP_SKEW:
	case KRB5_CONFIG_CANTOPEN:
	case KRB5_CONFIG_BADFORMAT:
	case ENOMEM:
	case ETIMEDOUT:
	case ECONNREFUSED:
	case ECONNRESET:
	case ENETUNREACH:
	case EHOSTUNREACH:
		return true;
	default:
		return false;
	}
}

struct dsa_verdict dsa_krb_verdict(enum dsa_stage stage, int32_t code,
				   uint32_t ntstatus, bool preauth_sent)
{
	enum ds_auth_result result = DS_AUTH_DENIED;

	if (is_unavailable(code))
		result = DS_AUTH_UNAVAILABLE;
	else if (stage == DSA_STAGE_VERIFY)
		result = DS_AUTH_DENIED;
	else if (code == KRB5KDC_ERR_CLIENT_REVOKED)
		return revoked(ntstatus, preauth_sent);
	else if (code == KRB5KDC_ERR_PREAUTH_FAILED ||
		 /* no preauthentication asked, and the reply not readable */
		 code == KRB5KRB_AP_ERR_BAD_INTEGRITY)
		result = DS_AUTH_BAD_PASSWORD;
	else if (code == KRB5KDC_ERR_KEY_EXP)
		result = DS_AUTH_NEW_PASSWORD;
	else if (code == KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN)
		result = DS_AUTH_UNKNOWN;
	return (struct dsa_verdict){ result, false };
}

struct dsa_verdict dsa_krb_silent(struct dsa_verdict verdict,
				  enum ds_auth_result state, bool preauth_sent)
{
	if (verdict.result != DS_AUTH_LOCKED || state == DS_AUTH_LOCKED)
		return verdict;
	if (state == DS_AUTH_DISABLED || state == DS_AUTH_EXPIRED ||
	    state == DS_AUTH_HOURS)
		return (struct dsa_verdict){ state, preauth_sent };
	return (struct dsa_verdict){ DS_AUTH_DENIED, false };
}

bool dsa_krb_bad_armour(int32_t code, uint32_t kdc_error, bool preauth_sent)
{
	switch (code) {
	case KRB5_CC_NOTFOUND:
	case KRB5_CC_END:
	case KRB5_CC_FORMAT:
	case KRB5_ERR_FAST_REQUIRED: /* answered without */
	case KRB5KRB_AP_ERR_TKT_EXPIRED:
	case KRB5KRB_AP_ERR_TKT_NYV:
	case KRB5KRB_AP_ERR_TKT_INVALID:
	case KRB5KRB_AP_ERR_NOT_US:
	case KRB5KRB_AP_ERR_BADMATCH:
	case KRB5KRB_AP_ERR_MODIFIED:
	case KRB5KRB_AP_ERR_BADKEYVER:
	case KRB5KRB_AP_ERR_NOKEY:
	case KRB5KDC_ERR_TGT_REVOKED:
	case KRB5_KDCREP_MODIFIED:
		return true;
	case KRB5KRB_AP_ERR_BAD_INTEGRITY:
		/* The KDC's word is about the armour; krb5's own, after the
		 * password was asked for, about the password. */
		return kdc_error != 0 || !preauth_sent;
	case KRB5KRB_ERR_GENERIC: /* Samba, of a key that it has forgotten */
		return !preauth_sent;
	case KRB5KDC_ERR_PREAUTH_REQUIRED: /* in the open, and no more */
		return true;
	default:
		return false;
	}
}

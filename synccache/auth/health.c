/*
 * Trouble with the clock or the host's key.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/health.h"

/* Of the exchanges with the host's own key, and of the proof with it. */
static bool is_about_the_key(krb5_error_code code)
{
	switch (code) {
	case KRB5KDC_ERR_PREAUTH_FAILED:
	case KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN:
	case KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN:
	case KRB5KDC_ERR_CLIENT_REVOKED: /* the computer account is disabled */
	case KRB5KDC_ERR_KEY_EXP:
	case KRB5KRB_AP_ERR_BAD_INTEGRITY:
	case KRB5KRB_AP_ERR_BADKEYVER:
	case KRB5KRB_AP_ERR_NOKEY:
	case KRB5_KT_KVNONOTFOUND:
	case KRB5_KT_NOTFOUND:
		return true;
	default:
		return false;
	}
}

void dsa_health_see(struct dsa_health *health, krb5_error_code code, bool own)
{
	if (code == KRB5KRB_AP_ERR_SKEW || code == KRB5_KDCREP_SKEW)
		health->trouble = DSA_TROUBLE_CLOCK;
	else if (own && is_about_the_key(code))
		health->trouble = DSA_TROUBLE_KEY;
	else if (own && code == 0)
		health->trouble = DSA_TROUBLE_NONE;
	else
		return;
	health->known = true;
}

void dsa_health_keep(struct dsa_health *kept, const struct dsa_health *seen)
{
	if (seen->known) {
		kept->known = true;
		kept->trouble = seen->trouble;
	}
	if (seen->has_clock) {
		kept->has_clock = true;
		kept->clock = seen->clock;
	}
}

void dsa_health_put(struct ds_writer *w, const struct dsa_health *health)
{
	ds_put_u8(w, health->known ? 1 : 0);
	ds_put_u8(w, (uint8_t)health->trouble);
	ds_put_u8(w, health->has_clock ? 1 : 0);
	ds_put_u32(w, (uint32_t)health->clock);
}

void dsa_health_get(struct ds_reader *r, struct dsa_health *ret_health)
{
	struct dsa_health health = { 0 };
	uint8_t trouble;

	health.known = ds_get_u8(r) != 0;
	trouble = ds_get_u8(r);
	health.has_clock = ds_get_u8(r) != 0;
	health.clock = (int32_t)ds_get_u32(r);
	if (r->err == 0 && trouble > DSA_TROUBLE_KEY)
		r->err = DS_ERR_FORMAT;
	if (r->err != 0)
		return;
	health.trouble = (enum dsa_trouble)trouble;
	*ret_health = health;
}

const char *dsa_trouble_word(enum dsa_trouble trouble)
{
	switch (trouble) {
	case DSA_TROUBLE_CLOCK:
		return "clock";
	case DSA_TROUBLE_KEY:
		return "key";
	case DSA_TROUBLE_NONE:
		break;
	}
	return "";
}

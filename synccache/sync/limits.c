/*
 * Limits of accounts.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/limits.h"

#include <string.h>

#include "synccache/sync/object.h"

/* userAccountControl, MS-ADTS 2.2.16: whose password never expires. */
#define UAC_NO_EXPIRY (0x10000u | 0x40000u | 0x800u | 0x1000u | 0x2000u)

static bool read_interval(const struct dss_entry *entry, const char *name,
			  int64_t *ret_interval)
{
	const struct dss_attr *attr = dss_entry_find(entry, name);

	return attr && attr->count == 1 &&
	       dss_value_int(&attr->values[0], ret_interval) == DS_OK;
}

bool dss_policy_equal(const struct dss_policy *a, const struct dss_policy *b)
{
	return a->known == b->known && a->max_age == b->max_age &&
	       a->lockout == b->lockout;
}

void dss_policy_read(const struct dss_entry *entry,
		     struct dss_policy *ret_policy)
{
	struct dss_policy policy = { .known = false };

	policy.known =
	    read_interval(entry, "maxPwdAge", &policy.max_age) &&
	    read_interval(entry, "lockoutDuration", &policy.lockout);
	*ret_policy = policy;
}

/* `interval` is negative and not INT64_MIN. */
static uint64_t after(uint64_t time, int64_t interval)
{
	uint64_t length = (uint64_t)-interval;

	return time >= DS_NEVER - length ? DS_NEVER : time + length;
}

/* Effective-MaximumPasswordAge: 0 and the lowest number are "never". */
static uint64_t password_end(const struct dss_object *obj,
			     const struct dss_policy *policy)
{
	if (obj->uac & UAC_NO_EXPIRY)
		return DS_NEVER;
	if (obj->pwd_last_set == 0)
		return 0;
	if (policy->max_age >= 0 || policy->max_age == INT64_MIN)
		return DS_NEVER;
	return after(obj->pwd_last_set, policy->max_age);
}

static uint64_t lockout_end(const struct dss_object *obj,
			    const struct dss_policy *policy)
{
	if (obj->malformed & DSS_F_LOCKOUT)
		return DS_NEVER;
	if (obj->lockout_time == 0)
		return 0;
	if (policy->lockout >= 0 || policy->lockout == INT64_MIN)
		return DS_NEVER;
	return after(obj->lockout_time, policy->lockout);
}

bool dss_limits(const struct dss_object *obj, const struct dss_policy *policy,
		struct ds_snap_limits *ret_limits)
{
	struct ds_snap_limits limits;

	if (!policy->known)
		return false;
	limits = (struct ds_snap_limits){
		.pwd_expires = password_end(obj, policy),
		.locked_until = lockout_end(obj, policy),
		.has_hours =
		    ((obj->present | obj->malformed) & DSS_F_HOURS) != 0,
	};
	memcpy(limits.hours, obj->hours, sizeof(limits.hours));
	*ret_limits = limits;
	return true;
}

/*
 * When an account may log in, as the mirror can tell: the domain's own
 * password policy, and what an object's attributes make of it.  Pure.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_LIMITS_H
#define DSS_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/snapshot.h"

struct dss_entry;
struct dss_object;

/*
 * maxPwdAge and lockoutDuration of the domain object (MS-ADTS 3.1.1.4.5.17):
 * intervals in units of 100 ns, negative as the directory has them.
 */
struct dss_policy {
	bool known;
	int64_t max_age; /* 0 or INT64_MIN: passwords never expire */
	int64_t lockout; /* 0 or above, or INT64_MIN: until unlocked */
};

bool dss_policy_equal(const struct dss_policy *a, const struct dss_policy *b);

/* From the domain's entry; not known if either is missing or broken. */
void dss_policy_read(const struct dss_entry *entry,
		     struct dss_policy *ret_policy);

/*
 * False: not known, and *ret_limits is untouched.  What the directory gives
 * in a broken form restricts: logon hours are none then, and a lockout has no
 * end.  (Fine-grained policies are not in the attributes that a mirror can
 * follow; a live look at the object knows them.)
 */
bool dss_limits(const struct dss_object *obj, const struct dss_policy *policy,
		struct ds_snap_limits *ret_limits);

#endif

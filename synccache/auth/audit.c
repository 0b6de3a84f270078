/*
 * The audit lines.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/audit.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/log.h"
#include "synccache/auth/policy.h"

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

void dsa_audit(const char *event, const struct dsa_subject *subject,
	       enum ds_auth_result result, const char *reason, int64_t kdc_ms)
{
	bool known = subject->name[0] != '\0';
	char uid[16], ms[24], guid[DS_GUID_STR_MAX];

	(void)snprintf(uid, sizeof(uid), "%" PRIu32, subject->uid);
	(void)snprintf(ms, sizeof(ms), "%" PRId64, kdc_ms);

	const struct ds_field fields[] = {
		{ "user", subject->user },
		{ "name", or_null(subject->name) },
		{ "guid", ds_guid_to_str(&subject->guid, guid) },
		{ "uid", known ? uid : NULL },
		{ "service", or_null(subject->service) },
		{ "tty", or_null(subject->tty) },
		{ "rhost", or_null(subject->rhost) },
		{ "result", dsa_result_word(result) },
		{ "reason", or_null(reason) },
		{ "kdc_ms", kdc_ms >= 0 ? ms : NULL },
	};

	ds_audit(event, fields, sizeof(fields) / sizeof(*fields));
}

/*
 * Subjects and audit lines.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "synccache/auth/policy.h"

void dsa_subject_read(struct ds_reader *r, struct dsa_subject *ret_subject)
{
	struct dsa_subject s = { 0 };
	size_t len = 0;
	const uint8_t *guid = ds_get_blob(r, &len);

	if (r->err == 0 && len != DS_GUID_LEN)
		r->err = DS_ERR_FORMAT;
	if (r->err == 0)
		memcpy(s.guid.b, guid, DS_GUID_LEN);
	ds_get_str(r, s.user, sizeof(s.user));
	ds_get_str(r, s.service, sizeof(s.service));
	ds_get_str(r, s.tty, sizeof(s.tty));
	ds_get_str(r, s.rhost, sizeof(s.rhost));
	if (r->err == 0)
		*ret_subject = s;
}

void dsa_subject_write(struct ds_writer *w, const struct dsa_subject *subject)
{
	ds_put_blob(w, subject->guid.b, DS_GUID_LEN);
	ds_put_str(w, subject->user);
	ds_put_str(w, subject->service);
	ds_put_str(w, subject->tty);
	ds_put_str(w, subject->rhost);
}

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

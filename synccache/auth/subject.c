/*
 * Subjects on the wire.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include <string.h>

#include "synccache/auth/audit.h"

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
	ds_get_str(r, s.ruser, sizeof(s.ruser));
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
	ds_put_str(w, subject->ruser);
}

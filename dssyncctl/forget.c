/*
 * dssyncctl forget: no login without the domain any more, for one account or
 * for all, until each has logged in with the domain again.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <string.h>

#include "dssyncctl/ctl.h"
#include "lib/resolve.h"

/* The daemon's patience with its own worker is 12 s. */
#define FORGET_MS 15000

/*
 * Whom a name means, or a GUID: an object that is gone from the mirror has no
 * name any more, but may have left something.
 */
static int find_object(const char *name, struct ds_guid *ret_guid)
{
	struct ds_snap_identity id;
	struct ds_snap_user user;
	struct ds_snap snap;
	int r;

	if (ds_guid_parse_str(name, ret_guid) == 0)
		return CTL_OK;
	if (ctl_open_snapshot(&snap))
		return CTL_UNAVAIL;
	r = ds_resolve_user(&snap, name, &user);
	if (!r)
		r = ds_snap_user_identity(&snap, user.index, &id);
	ds_snap_close(&snap);
	if (r) {
		ctl_complain("'%s' is nobody in the mirror, so nobody logs in "
			     "by that name; what a deleted account has left "
			     "goes by itself, or by its objectGUID, or with "
			     "--all",
			     name);
		return CTL_NO;
	}
	*ret_guid = id.guid;
	return CTL_OK;
}

static const char *refusal(uint32_t code)
{
	switch (-(int)code) {
	case DS_ERR_UNAVAIL:
		return "dssync-auth does not run; nothing was dropped, and it "
		       "is started again by itself";
	case DS_ERR_TIMEOUT:
		return "dssync-auth does not answer; ask again";
	case DS_ERR_LIMIT:
		return "others are being dropped; ask again";
	default:
		return "dssync-auth could not remove it; its log says why";
	}
}

static int report(const struct ctl_args *args, uint32_t code, uint32_t count)
{
	if (code != 0)
		ctl_complain("%s", refusal(code));
	if (args->json)
		return ctl_json(json_pack("{s:b, s:I}", "ok", code == 0,
					  "forgotten", (json_int_t)count))
			   ? CTL_NO
		       : code ? CTL_NO
			      : CTL_OK;
	if (code != 0)
		return CTL_NO;
	if (args->all)
		ctl_line("%u offline verifiers dropped; nobody can log in "
			 "without the domain before logging in with it",
			 (unsigned)count);
	else if (count)
		ctl_line("dropped; '%s' cannot log in without the domain "
			 "before logging in with it",
			 args->name);
	else
		ctl_line("there was none; '%s' could not log in without the "
			 "domain",
			 args->name);
	return CTL_OK;
}

int ctl_forget(const struct ctl_args *args)
{
	uint8_t in[256], out[64];
	struct ds_reader reader;
	struct ds_writer w;
	struct ds_guid guid;
	uint32_t code, count;
	int r;

	if (!args->all) {
		r = find_object(args->name, &guid);
		if (r)
			return r;
	}
	ds_writer_init(&w, out, sizeof(out));
	ds_frame_begin(&w, DS_MSG_FORGET, 1);
	ds_put_blob(&w, guid.b, args->all ? 0 : DS_GUID_LEN);
	r = ctl_exchange(CTL_SOCK, FORGET_MS, &w, DS_MSG_FORGET_REPLY, in,
			 sizeof(in), &reader);
	if (!r) {
		code = ds_get_u32(&reader);
		count = ds_get_u32(&reader);
		r = ds_reader_end(&reader);
	}
	if (r) {
		ctl_complain_daemon(r);
		return CTL_UNAVAIL;
	}
	return report(args, code, count);
}

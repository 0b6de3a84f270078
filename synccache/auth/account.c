/*
 * ACCOUNT and TICKET: what the main process answers from what it has.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/auth/audit.h"
#include "synccache/auth/auth.h"
#include "synccache/auth/policy.h"

/*
 * For every way in, SSH keys included.  Errors deny.  (The live check by GUID
 * and the states that only a server knows come with issue-sized work of their
 * own: lockout and logon hours are not in the mirror.)
 */
static enum ds_auth_result judge(struct dsa_server *server,
				 struct dsa_subject *subject,
				 const char **ret_reason)
{
	struct ds_snap_account account;
	struct ds_snap_user user;
	enum ds_auth_result result;
	int r;

	dsa_mirror_refresh(&server->mirror);
	r = dsa_mirror_find(&server->mirror, &subject->guid, &user, &account);
	if (r != 0) {
		*ret_reason =
		    r == DS_ERR_NOTFOUND ? "no such object" : ds_strerror(r);
		return r == DS_ERR_NOTFOUND  ? DS_AUTH_UNKNOWN
		       : r == DS_ERR_UNAVAIL ? DS_AUTH_UNAVAILABLE
					     : DS_AUTH_DENIED;
	}
	(void)snprintf(subject->name, sizeof(subject->name), "%s", user.blob);
	subject->uid = user.uid;
	if (subject->caller != 0 && subject->caller != user.uid) {
		*ret_reason = DSA_NOT_YOURSELF;
		return DS_AUTH_DENIED;
	}
	*ret_reason = "the mirror says so";
	result = dsa_account_state(&account, dsa_filetime(time(NULL)));
	if (result != DS_AUTH_OK)
		return result;
	*ret_reason = "not in allow_users or allow_groups";
	result = dsa_policy(&server->config, &server->mirror.base, &user);
	if (result != DS_AUTH_OK)
		return result;
	*ret_reason = "the password must be changed";
	if (dsa_must_change(&account))
		return DS_AUTH_NEW_PASSWORD;
	*ret_reason = "";
	return DS_AUTH_OK;
}

void dsa_account_answer(struct dsa_server *server, uid_t caller,
			const struct ds_frame *frame, struct ds_writer *reply)
{
	struct dsa_subject subject = { 0 };
	enum ds_auth_result result = DS_AUTH_DENIED;
	const char *reason = "a malformed request";
	char text[DS_TEXT_MAX + 1];
	struct ds_reader r;

	ds_reader_init(&r, frame->payload, frame->len);
	dsa_subject_read(&r, &subject);
	subject.caller = caller;
	if (ds_reader_end(&r) == 0)
		result = judge(server, &subject, &reason);
	/* Who comes here has shown who they are, or asks in vain. */
	dsa_text(result, true, server->config.login.password_change_url, text,
		 sizeof(text));
	ds_frame_begin(reply, DS_MSG_ACCOUNT_REPLY, frame->seq);
	ds_put_u32(reply, result);
	ds_put_str(reply, text);
	dsa_audit("account", &subject, result, reason, -1);
	dsa_report_changed(server);
}

void dsa_ticket_answer(struct dsa_server *server, uid_t caller,
		       const struct ds_frame *frame, struct ds_writer *reply)
{
	struct dsa_ticket ticket = { 0 };
	const uint8_t *handle;
	struct ds_reader r;
	size_t len = 0;
	uint32_t uid;
	int err;

	ds_reader_init(&r, frame->payload, frame->len);
	handle = ds_get_blob(&r, &len);
	uid = ds_get_u32(&r);
	err = ds_reader_end(&r);
	if (err == 0 && len != DS_HANDLE_LEN)
		err = DS_ERR_FORMAT;
	if (err == 0 && caller != 0 && caller != uid)
		err = DS_ERR_DENIED;
	if (err == 0)
		err = dsa_handles_take(server->handles, ds_now_ms(), handle,
				       uid, &ticket);
	if (err != 0)
		ds_log(DS_LOG_NOTICE, "no ticket for uid %u: %s",
		       (unsigned int)uid, ds_strerror(err));
	ds_frame_begin(reply, DS_MSG_TICKET_REPLY, frame->seq);
	ds_put_u32(reply, err == 0 ? DS_AUTH_OK : DS_AUTH_UNAVAILABLE);
	ds_put_str(reply, ticket.principal);
	ds_put_blob(reply, ticket.ccache.p, ticket.ccache.len);
	dsa_secret_done(&ticket.ccache);
}

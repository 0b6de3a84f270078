/*
 * ACCOUNT and TICKET: what the main process answers itself.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/auth/audit.h"
#include "synccache/auth/auth.h"
#include "synccache/auth/policy.h"

/* One question of the account phase. */
struct ask {
	struct dsa_server *server;
	struct dsa_subject subject;
	bool proven;  /* a KDC has just accepted this login's password */
	int look_err; /* what became of the live check, and */
	const struct dsa_looked *looked; /* what it said, if that is 0 */
	dsa_account_said said;
	void *arg;
};

struct decision {
	enum ds_auth_result result;
	const char *reason;
	char text[DS_TEXT_MAX + 1];
};

static int find(struct ask *a, struct ds_snap_user *ret_user,
		struct ds_snap_account *ret_account)
{
	struct dsa_server *server = a->server;
	int r;

	dsa_mirror_refresh(&server->mirror);
	r = dsa_mirror_find(&server->mirror, &a->subject.guid, ret_user,
			    ret_account);
	if (r != 0)
		return r;
	dsa_allow_refresh(server->allow, &server->mirror.base);
	(void)snprintf(a->subject.name, sizeof(a->subject.name), "%s",
		       ret_user->blob);
	a->subject.uid = ret_user->uid;
	if (a->subject.caller != 0 && a->subject.caller != ret_user->uid)
		return DS_ERR_DENIED;
	return 0;
}

static enum ds_auth_result not_found(int err, const char **ret_reason)
{
	*ret_reason = err == DS_ERR_NOTFOUND ? "no such object"
		      : err == DS_ERR_DENIED ? DSA_NOT_YOURSELF
					     : ds_strerror(err);
	return err == DS_ERR_NOTFOUND  ? DS_AUTH_UNKNOWN
	       : err == DS_ERR_UNAVAIL ? DS_AUTH_UNAVAILABLE
				       : DS_AUTH_DENIED;
}

/*
 * What the live check has to say, before any state: OK to go on.  Without an
 * answer the mirror decides, unless the configuration wants an answer, or the
 * object is one that the mirror only keeps.
 */
static enum ds_auth_result judge_look(const struct ask *a,
				      const struct ds_snap_account *account,
				      const char **ret_reason)
{
	if (a->looked != NULL)
		return DS_AUTH_OK;
	if (a->look_err == DS_ERR_NOTFOUND) {
		*ret_reason = "the domain does not show this object any more";
		return DS_AUTH_DENIED;
	}
	if (a->server->config.login.live_check == DS_LIVE_ALWAYS) {
		*ret_reason = "no domain controller could be asked "
			      "(live_check = always)";
		return DS_AUTH_UNAVAILABLE;
	}
	if (!a->proven && (account->flags & DS_ID_HELD)) {
		*ret_reason = "the object was gone when last seen, and no "
			      "domain controller shows it now";
		return DS_AUTH_DENIED;
	}
	return DS_AUTH_OK;
}

/* `account` is as a domain controller has it now, if one was asked. */
static enum ds_auth_result judge_state(const struct ask *a,
				       const struct ds_snap_account *account,
				       uint64_t now, const char **ret_reason)
{
	*ret_reason =
	    a->looked != NULL ? "the domain says so" : "the mirror says so";
	if (a->proven && a->looked == NULL)
		return dsa_account_state(account, now);
	if (!account->has_limits) {
		*ret_reason = "the mirror does not know the domain's policy";
		return DS_AUTH_DENIED;
	}
	return dsa_account_now(account, now);
}

/* For every way in, SSH keys included.  Errors deny. */
static void judge(struct ask *a, struct decision *d)
{
	const struct dsa_server *server = a->server;
	uint64_t now = dsa_filetime(time(NULL));
	struct ds_snap_account account = { 0 };
	struct ds_snap_user user;
	int r = find(a, &user, &account);

	if (r != 0) {
		d->result = not_found(r, &d->reason);
		goto out;
	}
	d->result = judge_look(a, &account, &d->reason);
	if (d->result != DS_AUTH_OK)
		goto out;
	if (a->looked != NULL)
		dsa_account_look(&account, a->looked);
	d->result = judge_state(a, &account, now, &d->reason);
	if (d->result != DS_AUTH_OK)
		goto out;
	if (!dsa_allow_has(server->allow, &server->mirror.base, &user)) {
		d->result = DS_AUTH_DENIED;
		d->reason = "not in allow_users or allow_groups";
	} else if (!(a->proven && a->looked == NULL) &&
		   dsa_password_expired(&account.limits, now)) {
		d->result = DS_AUTH_NEW_PASSWORD;
		d->reason = "the password must be changed";
	} else {
		d->reason = a->looked != NULL ? "checked live" : "";
		(void)dsa_expiry_text(&server->config, &account, now, d->text,
				      sizeof(d->text));
		return;
	}
out:
	if (d->result == DS_AUTH_UNAVAILABLE) {
		(void)snprintf(d->text, sizeof(d->text),
			       "The domain cannot be asked about your account "
			       "now; try again later.");
		return;
	}
	/* Who comes here has shown who they are. */
	dsa_text(d->result, true, dsa_change_url(&server->config, &account),
		 d->text, sizeof(d->text));
}

static void decide(struct ask *a)
{
	struct decision d = { .result = DS_AUTH_DENIED };

	judge(a, &d);
	dsa_audit("account", &a->subject, d.result, d.reason, -1);
	dsa_report_changed(a->server);
	a->said(a->arg, d.result, d.text);
}

static void on_look(void *arg, int err, const struct dsa_looked *looked)
{
	struct ask *a = arg;

	if (a->subject.caller != 0)
		a->server->user_looks--;
	a->look_err = err;
	a->looked = looked;
	decide(a);
	free(a);
}

/* By the mirror, which does not know of fine-grained password policies. */
static bool expires_soon(const struct ask *a)
{
	const struct dsa_mirror *mirror = &a->server->mirror;
	uint64_t now = dsa_filetime(time(NULL));
	struct ds_snap_account account;
	struct ds_snap_user user;

	return dsa_mirror_find(mirror, &a->subject.guid, &user, &account) ==
		   0 &&
	       account.has_limits &&
	       dsa_password_expires_soon(&account.limits, now);
}

/*
 * Whether a domain controller is asked first: for a login that no KDC has
 * just decided, before somebody is warned of what the mirror can only guess,
 * and where the configuration wants it each time.
 */
static bool wants_look(const struct ask *a)
{
	switch (a->server->config.login.live_check) {
	case DS_LIVE_NEVER:
		return false;
	case DS_LIVE_ALWAYS:
		return true;
	default:
		return !a->proven || expires_soon(a);
	}
}

/* True: on_look() will decide, with a copy. */
static bool look(const struct ask *a, int *ret_err)
{
	struct dsa_server *server = a->server;
	bool users = a->subject.caller != 0;
	struct ask *copy;

	if (users && server->user_looks >= DSA_USER_LOOKS_MAX) {
		*ret_err = DS_ERR_LIMIT;
		return false;
	}
	copy = malloc(sizeof(*copy));
	if (copy == NULL) {
		*ret_err = DS_ERR_NOMEM;
		return false;
	}
	*copy = *a;
	*ret_err = dsa_look(server->looks, &a->subject.guid, on_look, copy);
	if (*ret_err != 0)
		free(copy);
	else if (users)
		server->user_looks++;
	return *ret_err == 0;
}

void dsa_account_ask(struct dsa_server *server,
		     const struct dsa_caller *caller,
		     const struct ds_frame *frame, dsa_account_said said,
		     void *arg)
{
	struct ask a = { .server = server,
			 .look_err = DS_ERR_UNAVAIL,
			 .said = said,
			 .arg = arg };
	struct ds_snap_account account;
	struct ds_snap_user user;
	struct ds_reader r;

	ds_reader_init(&r, frame->payload, frame->len);
	dsa_subject_read(&r, &a.subject);
	a.subject.caller = caller->uid;
	if (ds_reader_end(&r) != 0) {
		dsa_audit("account", &a.subject, DS_AUTH_DENIED,
			  "a malformed request", -1);
		said(arg, DS_AUTH_DENIED, "");
		return;
	}
	a.proven = dsa_proven_has(&server->proven, ds_now_ms(), caller->pid,
				  &a.subject);
	/* No domain controller is asked about others for an ordinary user. */
	if (caller->uid != 0 && find(&a, &user, &account) != 0)
		decide(&a);
	else if (!wants_look(&a) || !look(&a, &a.look_err))
		decide(&a);
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

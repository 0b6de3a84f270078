/*
 * Why an account is revoked.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/revoked.h"

#include <stdlib.h>
#include <time.h>

#include "synccache/auth/policy.h"

/* Who tries one account again and again is to leave the looks to others. */
#define REVOKED_LOOKS_MAX 16

struct question {
	struct dsa_server *server;
	struct dsa_subject subject;
	enum dsa_revoked revoked;
	dsa_revoked_said said;
	void *arg;
};

enum ds_auth_result dsa_revoked_state(const struct ds_snap_account *account,
				      uint64_t now_filetime)
{
	enum ds_auth_result state;

	if (!account->has_limits)
		return DS_AUTH_DENIED;
	if (account->limits.locked_until > now_filetime)
		return DS_AUTH_LOCKED;
	state = dsa_account_now(account, now_filetime);
	return state == DS_AUTH_OK ? DS_AUTH_DENIED : state;
}

/* As `looked` has it, or without that the mirror. */
static enum ds_auth_result state_of(const struct question *q,
				    const struct dsa_looked *looked)
{
	struct ds_snap_account account;
	struct ds_snap_user user;

	if (dsa_mirror_find(&q->server->mirror, &q->subject.guid, &user,
			    &account) != 0)
		return DS_AUTH_DENIED;
	if (looked != NULL)
		dsa_account_look(&account, looked);
	return dsa_revoked_state(&account, dsa_filetime(time(NULL)));
}

static void on_look(void *arg, int err, const struct dsa_looked *looked)
{
	const struct dsa_verdict locked = { DS_AUTH_LOCKED, false };
	struct question *q = arg;
	enum ds_auth_result state = state_of(q, looked);
	struct dsa_verdict v =
	    dsa_krb_silent(locked, state, q->revoked == DSA_REVOKED_AFTER);

	q->server->revoked_looks--;
	if (q->subject.caller != 0)
		q->server->user_looks--;
	q->said(q->arg, &v,
		err == DS_ERR_NOTFOUND ? "the domain does not show it"
		: v.result == DS_AUTH_DENIED
		    ? "nobody says why"
		    : (looked != NULL ? "the domain says why"
				      : "the mirror says why"));
	free(q);
}

bool dsa_revoked_ask(struct dsa_server *server,
		     const struct dsa_subject *subject,
		     enum dsa_revoked revoked, dsa_revoked_said said,
		     void *arg)
{
	bool users = subject->caller != 0;
	struct question *q;

	if (revoked == DSA_REVOKED_NOT ||
	    server->config.login.live_check == DS_LIVE_NEVER ||
	    server->revoked_looks >= REVOKED_LOOKS_MAX ||
	    (users && server->user_looks >= DSA_USER_LOOKS_MAX))
		return false;
	q = malloc(sizeof(*q));
	if (q == NULL)
		return false;
	*q = (struct question){ server, *subject, revoked, said, arg };
	if (dsa_look(server->looks, &subject->guid, on_look, q) != 0) {
		free(q);
		return false;
	}
	server->revoked_looks++;
	if (users)
		server->user_looks++;
	return true;
}

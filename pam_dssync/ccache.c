/*
 * The user's ticket cache.  This process, root, only carries bytes: the ticket
 * comes from dssync-auth for a one-time handle, and dssync-ccache, running as
 * the user, puts it into a cache of the type that krb5.conf names and prints
 * "TYPE:residual".
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>

#include "lib/wire.h"
#include "pam_dssync/internal.h"

#define CCNAME_ENV "KRB5CCNAME"

static void log_failure(struct pds_call *call, const char *what, int err)
{
	char quoted[PDS_QUOTED_MAX];

	pds_log(call, LOG_WARNING, "%s of \"%s\": %s", what,
		pds_quote(quoted, call->user),
		err == DS_ERR_SYS ? strerror(errno) : ds_strerror(err));
}

/*
 * "TYPE:residual", nothing but printable ASCII, which the user could have
 * influenced.  It ends up in the user's environment and in an argument vector,
 * never in a shell or a path of ours.
 */
static bool is_name(const char *name)
{
	size_t len = strlen(name), type, i;

	type = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
	if (type == 0 || name[type] != ':' || len == type + 1 ||
	    len >= PDS_CCNAME_MAX)
		return false;
	for (i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return false;
	return true;
}

/* What dssync-ccache printed: a line with a name. */
static int check_line(char *line)
{
	size_t len = strlen(line);

	if (len == 0 || line[len - 1] != '\n')
		return DS_ERR_FORMAT;
	line[len - 1] = '\0';
	return is_name(line) ? 0 : DS_ERR_FORMAT;
}

/*
 * Has dssync-ccache store the ticket in a new cache, or (refresh not NULL) in
 * that one; fills in ccache->name.
 */
static int run_store(struct pds_ccache *ccache, const void *ticket, size_t len,
		     const char *refresh)
{
	const char *const argv[] = { PDS_CCACHE_HELPER,
				     refresh ? "refresh" : "store", refresh,
				     NULL };
	struct pds_child child = {
		.argv = argv,
		.uid = ccache->id.uid,
		.gid = ccache->id.gid,
		.input = ticket,
		.input_len = len,
	};
	int err;

	err = pds_child_run(&child, ds_now_ms() + PDS_HELPER_TIMEOUT,
			    ccache->name, sizeof(ccache->name));
	return err ? err : check_line(ccache->name);
}

static void run_destroy(struct pds_call *call, const struct pds_ccache *ccache)
{
	const char *const argv[] = { PDS_CCACHE_HELPER, "destroy",
				     ccache->name, NULL };
	struct pds_child child = {
		.argv = argv,
		.uid = ccache->id.uid,
		.gid = ccache->id.gid,
	};
	char out[256]; /* nothing is expected */
	int err;

	err = pds_child_run(&child, ds_now_ms() + PDS_HELPER_TIMEOUT, out,
			    sizeof(out));
	if (err)
		log_failure(call, "cannot remove the ticket cache", err);
}

/* Points the session at the cache, and remembers it for the end. */
static int publish(struct pds_call *call, const struct pds_ccache *ccache)
{
	const struct pds_ccache *old = pds_ccache_recall(call);
	char var[sizeof(CCNAME_ENV) + PDS_CCNAME_MAX];
	int err;

	if (old && strcmp(old->name, ccache->name) != 0)
		run_destroy(call, old);
	err = pds_ccache_remember(call, ccache);
	if (err)
		return err;
	snprintf(var, sizeof(var), CCNAME_ENV "=%s", ccache->name);
	if (pam_putenv(call->pamh, var) != PAM_SUCCESS)
		return DS_ERR_NOMEM;
	return 0;
}

/*
 * The cache that a re-authentication makes new again: this session's, or the
 * one that a screen locker has from the session in which it runs.  A program
 * of more privilege than its user does not look there: what it says is the
 * user's to choose.
 */
static const char *known_cache(struct pds_call *call, uid_t uid)
{
	const struct pds_ccache *ccache = pds_ccache_recall(call);
	const char *name;

	if (ccache)
		return ccache->id.uid == uid ? ccache->name : NULL;
	if (geteuid() == 0)
		return NULL;
	name = secure_getenv(CCNAME_ENV);
	return name && is_name(name) ? name : NULL;
}

static int store(struct pds_call *call, const uint8_t handle[DS_HANDLE_LEN],
		 bool again)
{
	struct pds_ccache ccache = { 0 };
	const char *refresh = NULL;
	uint8_t *ticket;
	size_t len;
	int err;

	/*
	 * PAM_USER as it is now: where sudo has set it to another user since,
	 * the server refuses the handle for that uid, and the ticket is lost.
	 */
	err = pds_identify(call, &ccache.id);
	if (err)
		return err;
	if (again)
		refresh = known_cache(call, ccache.id.uid);
	/*
	 * What unlocks a screen opens no session that would remove a new one;
	 * sudo does, and then it is stored.
	 */
	if (again && !refresh) {
		if (geteuid() == 0)
			pds_handle_remember(call, handle);
		return 0;
	}
	err = pds_request_ticket(handle, ccache.id.uid, &ticket, &len);
	if (err)
		return err;
	err = run_store(&ccache, ticket, len, refresh);
	pds_secret_free(ticket, len);
	/* One that was there is the session's to know and to remove. */
	if (err || refresh)
		return err;
	err = publish(call, &ccache);
	if (err)
		run_destroy(call, &ccache);
	return err;
}

void pds_ccache_store(struct pds_call *call, bool again)
{
	uint8_t handle[DS_HANDLE_LEN];
	int err;

	if (!pds_handle_take(call, handle))
		return; /* a key login, or done already */
	err = store(call, handle, again);
	explicit_bzero(handle, sizeof(handle));
	if (err && err != DS_ERR_NOTFOUND)
		log_failure(call, "no ticket cache for the session", err);
}

void pds_ccache_destroy(struct pds_call *call)
{
	const struct pds_ccache *ccache = pds_ccache_recall(call);
	uint8_t handle[DS_HANDLE_LEN];

	/* One that nobody took must not outlive the session. */
	if (pds_handle_take(call, handle))
		explicit_bzero(handle, sizeof(handle));
	if (!ccache)
		return;
	run_destroy(call, ccache);
	pds_ccache_forget(call);
	if (pam_getenv(call->pamh, CCNAME_ENV) &&
	    pam_putenv(call->pamh, CCNAME_ENV) != PAM_SUCCESS)
		pds_log(call, LOG_ERR, "cannot remove " CCNAME_ENV);
}

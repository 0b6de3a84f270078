/*
 * dssyncctl auth-test: walks the way of a login, step by step, and says where
 * and why it stops.  Nothing is stored: the ticket's handle is never redeemed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dssyncctl/ctl.h"
#include "lib/passwd.h"
#include "lib/resolve.h"
#include "lib/wire.h"

#define PAM_SERVICE "dssyncctl" /* in the audit line */
#define AUTH_MS     70000
#define ACCOUNT_MS  30000
#define REQUEST_MAX 4096
#define REPLY_MAX   4096

/* MS-ADTS 2.2.16; FILETIME is 100 ns since 1601. */
#define UAC_DISABLED        0x2u
#define UAC_NEVER_EXPIRES   0x10000u
#define FILETIME_NEVER      0x7fffffffffffffffu
#define FILETIME_EPOCH      11644473600u
#define FILETIME_PER_SECOND 10000000u

struct walk {
	const struct ctl_args *args;
	json_t *steps;
	struct ds_snap snap;
	struct ds_snap_user user;
	struct ds_snap_identity id;
	bool must_change;
	int status; /* enum ctl_exit of the step that stopped */
	double ms;  /* that the daemon took for this step; < 0: not asked */
};

/* ---- what is said
 * ----------------------------------------------------------- */

/* Notes a step; gives back `well`, so that a step can end with it. */
static bool say(struct walk *w, const char *step, bool well, const char *fmt,
		...) DS_PRINTF(4, 5);
static bool say(struct walk *w, const char *step, bool well, const char *fmt,
		...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return false;
	if (!w->args->json) {
		ctl_line("%-9s %-5s %s", step, well ? "ok" : "stops", text);
		fflush(stdout);
	}
	json_array_append_new(
	    w->steps, json_pack("{s:s, s:b, s:o, s:o*}", "step", step, "ok",
				well, "text", ctl_text(text), "ms",
				w->ms < 0 ? NULL : json_real(w->ms)));
	w->ms = -1;
	free(text);
	return well;
}

/* What a result means for whom it concerns, and what to do. */
static const char *result_words(uint32_t result)
{
	switch (result) {
	case DS_AUTH_OK:
		return "accepted";
	case DS_AUTH_NEW_PASSWORD:
		return "the password is right, but must be changed first";
	case DS_AUTH_BAD_PASSWORD:
		return "the password was refused (an account that has no "
		       "password in the managed domain yet looks the same)";
	case DS_AUTH_UNKNOWN:
		return "the object is not known to the domain any more, or "
		       "not mirrored";
	case DS_AUTH_DISABLED:
		return "the account is disabled";
	case DS_AUTH_EXPIRED:
		return "the account has expired";
	case DS_AUTH_LOCKED:
		return "the account is locked after too many wrong passwords; "
		       "in a managed domain this ends by itself after 30 "
		       "minutes";
	case DS_AUTH_HOURS:
		return "outside the account's logon hours";
	case DS_AUTH_DENIED:
		return "denied: allow_users or allow_groups, or the KDC or "
		       "the object could not be trusted";
	case DS_AUTH_DELAYED:
		return "too many passwords have failed lately; wait half a "
		       "minute";
	case DS_AUTH_UNAVAILABLE:
		return "no KDC answered, there is no usable host key, or the "
		       "clock is off: 'dssyncctl doctor' says which";
	default:
		return "denied, by a reason that this version does not know";
	}
}

/* ---- the steps
 * -------------------------------------------------------------- */

static bool step_resolve(struct walk *w)
{
	const char *name = w->args->name;

	if (ds_resolve_user(&w->snap, name, &w->user) != 0 ||
	    ds_snap_user_identity(&w->snap, w->user.index, &w->id) != 0)
		return say(w, "name", false,
			   "it is nobody in the mirror: 'dssyncctl explain' "
			   "says why");
	return say(w, "name", true, "'%s', uid %u, sAMAccountName '%s'",
		   w->user.blob, w->user.uid, w->id.sam);
}

/* As pam_dssync does: getpwnam(3) must mean the same object. */
static bool step_passwd(struct walk *w)
{
	uid_t uid;
	int r = ds_passwd_uid(w->args->name, &uid);

	if (r)
		return say(w, "passwd", false,
			   "getpwnam finds nobody%s%s: /etc/nsswitch.conf "
			   "lacks dssync?",
			   r == DS_ERR_SYS ? ": " : "",
			   r == DS_ERR_SYS ? strerror(errno) : "");
	if (uid != w->user.uid)
		return say(w, "passwd", false,
			   "getpwnam finds another account, uid %u: a local "
			   "one of that name?",
			   (unsigned)uid);
	return say(w, "passwd", true, "getpwnam finds the same");
}

static bool step_account(struct walk *w)
{
	uint64_t now =
	    ((uint64_t)time(NULL) + FILETIME_EPOCH) * FILETIME_PER_SECOND;
	struct ds_snap_account account;
	struct ds_snap accounts;
	bool must_change;
	int r;

	r = ds_snap_open(DS_ACCOUNTS_SNAP, DS_SNAP_ACCOUNTS, 0, &accounts);
	if (r)
		return say(w, "account", false, "%s: %s", DS_ACCOUNTS_SNAP,
			   r == DS_ERR_SYS ? strerror(errno) : ds_strerror(r));
	r = ds_snap_account_by_guid(&accounts, &w->id.guid, &account);
	ds_snap_close(&accounts);
	if (r)
		return say(w, "account", false,
			   "nothing is known of its state: %s",
			   ds_strerror(r));
	if (account.uac & UAC_DISABLED)
		return say(w, "account", false,
			   "the mirror shows it disabled");
	if (account.account_expires != 0 &&
	    account.account_expires != FILETIME_NEVER &&
	    account.account_expires <= now)
		return say(w, "account", false, "the mirror shows it expired");
	/* Which the domain may know better by now: it is asked next. */
	must_change =
	    account.pwd_last_set == 0 && !(account.uac & UAC_NEVER_EXPIRES);
	return say(w, "account", true, "enabled%s%s",
		   must_change ? ", its password had to be changed when the "
				 "mirror saw it last"
			       : "",
		   w->id.flags & DS_ID_HELD
		       ? ", but gone from the domain: a held deletion"
		       : "");
}

static bool step_prompt(struct walk *w, char *password, size_t cap)
{
	char prompt[DS_NAME_MAX + 32];
	int r;

	/* The name is the mirror's: no control bytes. */
	snprintf(prompt, sizeof(prompt), "Password of %s: ", w->user.blob);
	r = ctl_read_password(w->args->from_stdin, prompt, password, cap);
	if (r == 0 && password[0])
		return true;
	w->status = r == DS_ERR_SYS ? CTL_NO : CTL_USAGE;
	return say(w, "password", false, "%s",
		   r == 0                ? "an empty password is never asked "
					   "of a KDC"
		   : r == DS_ERR_UNAVAIL ? "no terminal to ask on; --stdin "
					   "reads it from standard input"
		   : r == DS_ERR_LIMIT   ? "longer than 1024 bytes"
		   : r == DS_ERR_CLOSED  ? "there was none"
					 : "it could not be read");
}

/* Where the fault may be the system's: what dssync-auth says of it. */
static void say_why(struct walk *w, uint32_t result)
{
	const struct timespec settle = { .tv_nsec = CTL_REPORT_MS * 1000000L };
	struct ctl_daemon daemon;

	if (result != DS_AUTH_DENIED && result != DS_AUTH_UNAVAILABLE)
		return;
	(void)nanosleep(&settle, NULL);
	if (ctl_ask_status(&daemon) != 0)
		return;
	if (*ctl_string(daemon.auth, "last_error"))
		(void)say(w, "why", false, "%s",
			  ctl_string(daemon.auth, "last_error"));
	ctl_daemon_done(&daemon);
}

static double now_ms(void)
{
	return (double)ds_now_us() / 1000;
}

/* AUTH with a password, ACCOUNT without; the reply in words. */
static bool ask(struct walk *w, const char *step, const char *password)
{
	uint8_t out[REQUEST_MAX], in[REPLY_MAX];
	char text[DS_TEXT_MAX + 1];
	struct ds_reader reader;
	struct ds_writer writer;
	uint32_t result = DS_AUTH_DENIED;
	bool well;
	size_t len;
	int r;

	ds_writer_init(&writer, out, sizeof(out));
	ds_frame_begin(&writer, password ? DS_MSG_AUTH : DS_MSG_ACCOUNT, 1);
	ds_put_blob(&writer, w->id.guid.b, DS_GUID_LEN);
	ds_put_str(&writer, w->args->name);
	ds_put_str(&writer, PAM_SERVICE);
	ds_put_str(&writer, ""); /* tty */
	ds_put_str(&writer, ""); /* rhost */
	ds_put_str(&writer, ""); /* ruser */
	if (password)
		ds_put_str(&writer, password);
	w->ms = -now_ms();
	r = ctl_exchange(PAM_SOCK, password ? AUTH_MS : ACCOUNT_MS, &writer,
			 password ? DS_MSG_AUTH_REPLY : DS_MSG_ACCOUNT_REPLY,
			 in, sizeof(in), &reader);
	w->ms += now_ms();
	explicit_bzero(out, sizeof(out));
	if (r == 0) {
		result = ds_get_u32(&reader);
		ds_get_str(&reader, text, sizeof(text));
		if (password)
			(void)ds_get_blob(&reader, &len); /* the handle */
		r = ds_reader_end(&reader);
	}
	explicit_bzero(in, sizeof(in));
	if (r) {
		w->status = CTL_UNAVAIL;
		return say(w, step, false, "synccached does not answer: %s",
			   r == DS_ERR_SYS ? strerror(errno) : ds_strerror(r));
	}
	w->must_change |= result == DS_AUTH_NEW_PASSWORD;
	well = say(
	    w, step, result == DS_AUTH_OK || result == DS_AUTH_NEW_PASSWORD,
	    "%s%s%s%s", result_words(result),
	    *text ? "; the user reads: \"" : "", text, *text ? "\"" : "");
	say_why(w, result);
	return well;
}

static bool step_by_step(struct walk *w)
{
	static char password[DS_PASSWORD_MAX + 1];
	bool well = false;

	if (!step_resolve(w) || !step_passwd(w) || !step_account(w))
		return false;
	ctl_protect_secrets(password, sizeof(password));
	if (step_prompt(w, password, sizeof(password)))
		well = ask(w, "password", password);
	explicit_bzero(password, sizeof(password));
	return well && ask(w, "policy", NULL);
}

/* ---- the command
 * ------------------------------------------------------------ */

static int finish(struct walk *w, bool well)
{
	bool admitted = well && !w->must_change;
	int status = admitted ? CTL_OK : w->status;

	if (w->args->json)
		return ctl_json(json_pack("{s:o, s:b, s:b, s:O}", "name",
					  ctl_text(w->args->name), "admitted",
					  admitted, "must_change",
					  well && w->must_change, "steps",
					  w->steps))
			   ? CTL_NO
			   : status;
	if (admitted)
		ctl_line("result    a login as '%s' would be admitted",
			 w->user.blob);
	else if (well)
		ctl_line("result    a login would have to change the password "
			 "first");
	else
		ctl_line("result    a login as '%s' would be refused",
			 w->args->name);
	return status;
}

int ctl_auth_test(const struct ctl_args *args)
{
	struct walk w = { .args = args, .status = CTL_NO, .ms = -1 };
	int status;

	if (geteuid() != 0) {
		ctl_complain("only root may ask for a check; run it with "
			     "sudo");
		return CTL_UNAVAIL;
	}
	if (ctl_open_snapshot(&w.snap))
		return CTL_UNAVAIL;
	w.steps = json_array();
	status = finish(&w, step_by_step(&w));
	ds_snap_close(&w.snap);
	json_decref(w.steps);
	return status;
}

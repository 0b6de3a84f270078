/*
 * dssyncctl status: is everything well, and if not, what is wrong?
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "dssyncctl/ctl.h"

/* ---- problems: one line each ---------------------------------------------
 */

static void add_problem(json_t *problems, const char *text)
{
	if (*text)
		json_array_append_new(problems, ctl_text(text));
}

static void add_child_problem(json_t *problems, const json_t *monitor,
			      const char *name)
{
	const json_t *child = json_object_get(monitor, name);
	char text[128];

	if (json_is_true(json_object_get(child, "running")))
		return;
	snprintf(text, sizeof(text),
		 "dssync-%s does not run; it is started "
		 "again by itself",
		 name);
	add_problem(problems, text);
}

static json_t *find_problems(const struct ctl_daemon *d,
			     const json_t *snapshot)
{
	json_t *problems = json_array();
	const json_t *notices;
	const char *keytab;
	size_t i;
	char text[128];
	int64_t held;

	if (!json_is_object(snapshot))
		add_problem(problems, "nothing is published: lookups of "
				      "domain users find nobody");
	if (!d->monitor) {
		add_problem(problems, "synccached does not run; lookups are "
				      "answered from the last snapshot");
		return problems;
	}
	add_child_problem(problems, d->monitor, "sync");
	add_child_problem(problems, d->monitor, "auth");
	keytab = ctl_string(d->monitor, "keytab_problem");
	if (!*keytab)
		keytab = ctl_string(d->auth, "keytab_problem");
	add_problem(problems, keytab);
	/* Sync cannot work without it either, and need not say so again. */
	if (!*keytab || !strstr(ctl_string(d->sync, "last_error"), keytab))
		add_problem(problems, ctl_string(d->sync, "last_error"));
	notices = json_object_get(d->sync, "notices");
	for (i = 0; i < json_array_size(notices); i++)
		add_problem(problems,
			    json_string_value(json_array_get(notices, i)));
	add_problem(problems, ctl_string(json_object_get(d->auth, "offline"),
					 "problem"));
	held = ctl_number(d->sync, "held_count");
	if (held > 0) {
		snprintf(text, sizeof(text),
			 "%jd changes are held back; "
			 "'dssyncctl sync --accept-deletes' lets them go",
			 (intmax_t)held);
		add_problem(problems, text);
	}
	return problems;
}

/* ---- the snapshot, which everybody may read ------------------------------
 */

/*
 * Who is withheld, and who is published in part.  Held deletions are counted
 * apart: those objects still resolve.
 */
static int count_notes(const struct ds_snap *snap, int *ret_in_part)
{
	struct ds_snap_note note;
	uint32_t i;
	int n = 0, in_part = 0;

	for (i = 0; i < ds_snap_note_count(snap); i++) {
		if (ds_snap_note_at(snap, i, &note))
			continue;
		n += ds_withheld_by_fault(note.reason);
		in_part += note.reason == DS_WH_IN_PART;
	}
	*ret_in_part = in_part;
	return n;
}

static json_t *snapshot_json(void)
{
	struct ds_snap snap;
	int withheld, in_part;
	json_t *root;

	if (ds_snap_open(DS_PUBLIC_SNAP, DS_SNAP_BASE, 0, &snap))
		return json_null();
	withheld = count_notes(&snap, &in_part);
	root = json_pack("{s:s, s:s, s:I, s:I, s:i, s:i, s:i, s:i, s:I, s:I}",
			 "domain", snap.stamp.domain, "netbios", snap.netbios,
			 "generation", (json_int_t)snap.stamp.generation,
			 "published", (json_int_t)snap.stamp.published,
			 "users", (int)ds_snap_user_count(&snap), "groups",
			 (int)ds_snap_group_count(&snap), "withheld", withheld,
			 "in_part", in_part, "id_min",
			 (json_int_t)snap.stamp.id_min, "id_max",
			 (json_int_t)snap.stamp.id_max);
	ds_snap_close(&snap);
	return root;
}

/* ---- for people ----------------------------------------------------------
 */

static void print_snapshot(const json_t *s)
{
	int64_t in_part = ctl_number(s, "in_part");
	char when[64];

	if (!json_is_object(s)) {
		ctl_row("snapshot", "none");
		return;
	}
	ctl_row("domain", "%s (%s)", ctl_string(s, "domain"),
		ctl_string(s, "netbios"));
	ctl_row("snapshot", "generation %jd, published %s",
		(intmax_t)ctl_number(s, "generation"),
		ctl_when(ctl_number(s, "published"), when, sizeof(when)));
	ctl_row("mirrored", "%jd users, %jd groups, %jd withheld",
		(intmax_t)ctl_number(s, "users"),
		(intmax_t)ctl_number(s, "groups"),
		(intmax_t)ctl_number(s, "withheld"));
	if (in_part > 0)
		ctl_row("in part",
			"%jd with a malformed attribute; "
			"'dssyncctl explain NAME' says which",
			(intmax_t)in_part);
}

/* How far a pull has come; "" where there is none. */
static const char *progress_of(const json_t *s, char *buf, size_t cap)
{
	const json_t *progress = json_object_get(s, "progress");
	int64_t expected = ctl_number(progress, "expected");
	int n;

	buf[0] = '\0';
	if (strcmp(ctl_string(s, "state"), "pulling") != 0)
		return buf;
	n = snprintf(buf, cap, ", %jd objects, %jd/s",
		     (intmax_t)ctl_number(progress, "objects"),
		     (intmax_t)ctl_number(progress, "rate"));
	if (expected > 0 && n > 0 && (size_t)n < cap)
		snprintf(buf + n, cap - (size_t)n, " of about %jd",
			 (intmax_t)expected);
	return buf;
}

static void print_site(const json_t *s)
{
	const char *site = ctl_string(s, "site");
	const char *other = ctl_string(s, "server_site");

	if (!*site && !*other)
		return;
	if (strcasecmp(site, other) == 0)
		other = "";
	ctl_row("site", "%s%s%s%s%s%s", *site ? site : "none",
		*site ? " (" : "", ctl_string(s, "site_from"),
		*site ? ")" : "", *other ? "; the server is in " : "", other);
}

static void print_sync(const json_t *s)
{
	char last[64], next[64], counted[96];
	int64_t lag = ctl_number(s, "lag_ms");

	ctl_row("sync", "%s%s%s%s", ctl_string(s, "state"),
		*ctl_string(s, "phase") ? ": " : "", ctl_string(s, "phase"),
		progress_of(s, counted, sizeof(counted)));
	ctl_row("server", "%s (%s%s%s%s)",
		*ctl_string(s, "server") ? ctl_string(s, "server") : "none",
		ctl_string(s, "strategy"),
		*ctl_string(s, "strategy") ? " over " : "",
		ctl_string(s, "transport"),
		json_is_true(json_object_get(s, "notify"))
		    ? ", with change notification"
		    : "");
	print_site(s);
	if (*ctl_string(s, "strategy_why"))
		ctl_row("changes", "by %s: %s", ctl_string(s, "strategy"),
			ctl_string(s, "strategy_why"));
	ctl_row("last pull", "%s, next %s",
		ctl_when(ctl_number(s, "last_pull"), last, sizeof(last)),
		ctl_when(ctl_number(s, "next_try"), next, sizeof(next)));
	if (ctl_number(s, "last_change") > 0)
		ctl_row(
		    "last change",
		    "published %s, %jd.%03jd s after it was noticed",
		    ctl_when(ctl_number(s, "last_change"), last, sizeof(last)),
		    (intmax_t)lag / 1000, (intmax_t)lag % 1000);
}

static void print_offline(const json_t *o)
{
	if (!json_is_true(json_object_get(o, "enabled")))
		return;
	ctl_row("offline",
		"%jd verifiers, %jd logins by them since the "
		"start%s",
		(intmax_t)ctl_number(o, "verifiers"),
		(intmax_t)ctl_number(o, "signed_in"),
		json_is_true(json_object_get(o, "kdc_away"))
		    ? "; no KDC answers now"
		    : "");
}

static void print_auth(const json_t *a)
{
	const json_t *checks = json_object_get(a, "checks");
	const char *doubted;
	size_t at = 0;

	ctl_row("keytab", "%s, key version %jd",
		*ctl_string(a, "principal") ? ctl_string(a, "principal")
					    : "none",
		(intmax_t)ctl_number(a, "kvno"));
	ctl_row("KDC", "%s",
		*ctl_string(a, "kdc") ? ctl_string(a, "kdc")
				      : "none has answered yet");
	while ((doubted = ctl_doubted(a, (int64_t)time(NULL), &at)) != NULL)
		ctl_row("doubted KDC",
			"%s has not proven to be one, and is asked last",
			doubted);
	ctl_row("password checks",
		"%jd accepted, %jd refused, %jd without an "
		"answer since the start",
		(intmax_t)ctl_number(checks, "ok"),
		(intmax_t)ctl_number(checks, "refused"),
		(intmax_t)ctl_number(checks, "unavailable"));
	print_offline(json_object_get(a, "offline"));
}

static void print_held(const json_t *sync)
{
	const json_t *held = json_object_get(sync, "held");
	size_t i, n = json_array_size(held);
	int64_t more = ctl_number(sync, "held_count") - (int64_t)n;

	for (i = 0; i < n; i++)
		ctl_row(i == 0 ? "held back" : "", "%s",
			json_string_value(json_array_get(held, i)));
	if (more > 0)
		ctl_row("", "and %jd more", (intmax_t)more);
}

static void print_all(const struct ctl_daemon *d, const json_t *snapshot,
		      const json_t *problems)
{
	char when[64];
	size_t i;

	print_snapshot(snapshot);
	if (d->monitor)
		ctl_row("daemon", "running, started %s",
			ctl_when(ctl_number(d->monitor, "started"), when,
				 sizeof(when)));
	if (d->sync)
		print_sync(d->sync);
	if (d->auth)
		print_auth(d->auth);
	print_held(d->sync);
	for (i = 0; i < json_array_size(problems); i++)
		ctl_row("problem", "%s",
			json_string_value(json_array_get(problems, i)));
	if (i == 0)
		ctl_row("problems", "none");
}

/* ---- the command ---------------------------------------------------------
 */

/* Without privilege only the snapshot can be asked, and that is no fault. */
static int status_public(const struct ctl_args *args, json_t *snapshot)
{
	int status = json_is_object(snapshot) ? CTL_OK : CTL_NO;

	if (args->json)
		return ctl_json(json_pack("{s:o}", "snapshot", snapshot))
			   ? CTL_NO
			   : status;
	print_snapshot(snapshot);
	json_decref(snapshot);
	ctl_row("daemon", "only root may ask it");
	return status;
}

static json_t *or_null(json_t *value)
{
	return value ? json_incref(value) : json_null();
}

int ctl_status(const struct ctl_args *args)
{
	struct ctl_daemon d = { NULL, NULL, NULL };
	json_t *snapshot = snapshot_json(), *problems;
	int r, status;

	if (!snapshot)
		return ctl_json(NULL);
	if (geteuid() != 0)
		return status_public(args, snapshot);
	r = ctl_ask_status(&d);
	if (r && r != DS_ERR_UNAVAIL)
		ctl_complain_daemon(r);
	problems = find_problems(&d, snapshot);
	status = json_array_size(problems) ? CTL_NO : CTL_OK;
	if (args->json) {
		if (ctl_json(json_pack("{s:o, s:o, s:o, s:O, s:O}", "monitor",
				       or_null(d.monitor), "sync",
				       or_null(d.sync), "auth",
				       or_null(d.auth), "snapshot", snapshot,
				       "problems", problems)))
			status = CTL_NO;
	} else {
		print_all(&d, snapshot, problems);
	}
	json_decref(problems);
	json_decref(snapshot);
	ctl_daemon_done(&d);
	return status;
}

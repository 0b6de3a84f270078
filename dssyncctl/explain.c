/*
 * dssyncctl explain: who is a typed name, by which rule, or why is it nobody,
 * and what to type instead.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dssyncctl/ctl.h"
#include "lib/resolve.h"

#define MAX_HINTS 8

/* What is found out, said as lines or as JSON at the end. */
struct finding {
	bool resolves;
	json_t *users; /* canonical names; 0 or 1 */
	json_t *groups;
	json_t *reasons;  /* sentences */
	json_t *withheld; /* objects that would answer to the name */
	json_t *instead;  /* names to type instead */
};

static void add(json_t *list, const char *fmt, ...) DS_PRINTF(2, 3);
static void add(json_t *list, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	json_array_append_new(list, ctl_text(text));
	free(text);
}

/* ---- a name that resolves ------------------------------------------------
 */

static const char *rule_for(const char *typed, const char *upn)
{
	if (strcasecmp(typed, upn) == 0)
		return "it is the userPrincipalName";
	if (strchr(typed, '\\'))
		return "it is NETBIOS\\sAMAccountName";
	if (strchr(typed, '@'))
		return "it is sAMAccountName@domain, and nobody has it as "
		       "userPrincipalName";
	return "it is the sAMAccountName, which name_format = sam or "
	       "short_names = sam accepts";
}

static void explain_user(const struct ds_snap *snap, const char *typed,
			 struct finding *f)
{
	struct ds_snap_identity id;
	struct ds_snap_user user;

	if (ds_resolve_user(snap, typed, &user) ||
	    ds_snap_user_identity(snap, user.index, &id))
		return;
	f->resolves = true;
	json_array_append_new(f->users, ctl_text(user.blob));
	add(f->reasons, "user '%s' (uid %u): %s", user.blob, user.uid,
	    rule_for(typed, id.upn));
	if (id.flags & DS_ID_GENERATED)
		add(f->reasons,
		    "the domain generated its sAMAccountName '%s' "
		    "because the nickname '%s' was taken or too "
		    "long",
		    id.sam, id.nickname);
	if (id.flags & DS_ID_DISABLED)
		add(f->reasons, "the account is disabled: it owns files, but "
				"cannot log in");
}

static void explain_group(const struct ds_snap *snap, const char *typed,
			  struct finding *f)
{
	struct ds_snap_group group;

	if (ds_resolve_group(snap, typed, &group))
		return;
	f->resolves = true;
	json_array_append_new(f->groups, ctl_text(group.blob));
	add(f->reasons, "group '%s' (gid %u)", group.blob, group.gid);
}

/* ---- a name that does not ------------------------------------------------
 */

/* The sAMAccountName part of the spelling, or the part before the '@'. */
static const char *bare_part(const char *typed, char *buf, size_t cap)
{
	const char *start = strchr(typed, '\\');
	size_t len;

	start = start ? start + 1 : typed;
	len = strcspn(start, "@");
	snprintf(buf, cap, "%.*s", (int)len, start);
	return buf;
}

static bool prefix_is(const char *upn, const char *bare)
{
	size_t len = strlen(bare);

	return strncasecmp(upn, bare, len) == 0 && upn[len] == '@';
}

static void hint_users(const struct ds_snap *snap, const char *bare,
		       struct finding *f)
{
	struct ds_snap_identity id;
	struct ds_snap_user user;
	uint32_t i;

	for (i = 0; i < ds_snap_user_count(snap) &&
		    json_array_size(f->instead) < MAX_HINTS;
	     i++) {
		if (ds_snap_user_at(snap, i, &user) ||
		    ds_snap_user_identity(snap, i, &id))
			continue;
		if (strcasecmp(id.sam, bare) == 0 ||
		    strcasecmp(id.nickname, bare) == 0 ||
		    prefix_is(id.upn, bare))
			json_array_append_new(f->instead, ctl_text(user.blob));
	}
}

static void hint_groups(const struct ds_snap *snap, const char *bare,
			struct finding *f)
{
	struct ds_snap_identity id;
	struct ds_snap_group group;
	uint32_t i;

	for (i = 0; i < ds_snap_group_count(snap) &&
		    json_array_size(f->instead) < MAX_HINTS;
	     i++) {
		if (ds_snap_group_at(snap, i, &group) ||
		    ds_snap_group_identity(snap, i, &id))
			continue;
		if (strcasecmp(id.sam, bare) == 0)
			json_array_append_new(f->instead,
					      ctl_text(group.blob));
	}
}

/* Case aside, and whether its blanks are there or replaced. */
static bool same_sam(const struct ds_snap *snap, const char *typed, size_t len,
		     const char *sam)
{
	const char blank = (char)(snap->stamp.policy >> DS_SNAP_BLANK_SHIFT);
	size_t i;

	if (strlen(sam) != len)
		return false;
	for (i = 0; i < len; i++) {
		if (strncasecmp(typed + i, sam + i, 1) != 0 &&
		    !(blank && sam[i] == ' ' && typed[i] == blank) &&
		    !(blank && typed[i] == ' ' && sam[i] == blank))
			return false;
	}
	return true;
}

/* Is it one of the spellings that the object would have? */
static bool answers(const struct ds_snap *snap, const char *typed,
		    const struct ds_snap_note *note)
{
	const char *slash = strchr(typed, '\\'), *at = strrchr(typed, '@');
	size_t len = strlen(typed);

	if (strcasecmp(typed, note->name) == 0 ||
	    (*note->upn && strcasecmp(typed, note->upn) == 0))
		return true;
	if (slash && strlen(snap->netbios) == (size_t)(slash - typed) &&
	    strncasecmp(typed, snap->netbios, (size_t)(slash - typed)) == 0)
		return same_sam(snap, slash + 1, strlen(slash + 1), note->sam);
	if (at && strcasecmp(at + 1, snap->stamp.domain) == 0)
		len = (size_t)(at - typed);
	return !slash && same_sam(snap, typed, len, note->sam);
}

/* The rule behind the reason, as dssync.conf(5) and dssync-idmap(7) have it.
 */
static const char *rule_of(enum ds_withheld reason)
{
	switch (reason) {
	case DS_WH_NAME_SYNTAX:
		return "a name that could break a file, or mean a local "
		       "account, is never published";
	case DS_WH_NAME_CONFLICT:
		return "of two objects that want one name the older keeps it "
		       "(by whenCreated, then by objectGUID), and the newer "
		       "is withheld";
	case DS_WH_ID_CONFLICT:
		return "an id belongs to one object: the older keeps it (by "
		       "whenCreated, then by objectGUID), and an id that is "
		       "in doubt is nobody's";
	case DS_WH_ID_RANGE:
		return "only ids inside id_range and outside of the ranges "
		       "reserved for the system are published";
	case DS_WH_LOCAL_ID:
		return "an id of the local passwd or group file is never the "
		       "directory's";
	case DS_WH_FIELD:
		return "a user is published with a whole passwd entry or not "
		       "at all";
	case DS_WH_MALFORMED:
		return "an object fails the sanity checks where an attribute "
		       "is missing or unreadable that decides who it is";
	case DS_WH_HELD_BACK:
		return "more deletions than max_delete_percent at once, and "
		       "an id that would move, wait "
		       "for 'dssyncctl sync --accept-deletes'";
	case DS_WH_SCOPE:
		return "[sync] of dssync.conf says who is mirrored here";
	case DS_WH_IN_PART:
		return "a value that breaks its format is passed over; where "
		       "it decides nothing, the rest is published";
	case DS_WH_NO_ID:
		return "id_mapping = attribute publishes what has a uidNumber "
		       "or gidNumber";
	}
	return "";
}

static const char *state_of(enum ds_withheld reason)
{
	return reason == DS_WH_SCOPE       ? "out of scope"
	       : reason == DS_WH_HELD_BACK ? "held back"
	       : reason == DS_WH_IN_PART   ? "published in part"
					   : "withheld";
}

static void add_withheld(struct finding *f, const struct ds_snap_note *note)
{
	const char *kind = note->group ? "group" : "user";
	char guid[DS_GUID_STR_MAX];

	ds_guid_to_str(&note->guid, guid);
	add(f->reasons, "the %s '%s' (objectGUID %s) is %s: %s", kind,
	    note->name, guid, state_of(note->reason), note->detail);
	add(f->reasons, "the rule: %s", rule_of(note->reason));
	json_array_append_new(
	    f->withheld,
	    json_pack("{s:s, s:o, s:s, s:o, s:o, s:s, s:o, s:s}", "kind", kind,
		      "name", ctl_text(note->name), "objectGUID", guid,
		      "userPrincipalName", ctl_text(note->upn),
		      "sAMAccountName", ctl_text(note->sam), "state",
		      state_of(note->reason), "detail", ctl_text(note->detail),
		      "rule", rule_of(note->reason)));
}

/* Not asked for by any of its names, but perhaps meant. */
static bool resembles(const char *bare, const struct ds_snap_note *note)
{
	char part[DS_NAME_MAX + 1];

	return *bare && (strcasecmp(note->sam, bare) == 0 ||
			 prefix_is(note->upn, bare) ||
			 strcasecmp(bare_part(note->name, part, sizeof(part)),
				    bare) == 0);
}

static void explain_withheld(const struct ds_snap *snap, const char *typed,
			     struct finding *f)
{
	char bare[DS_NAME_MAX + 1];
	struct ds_snap_note note;
	uint32_t i;

	bare_part(typed, bare, sizeof(bare));
	for (i = 0; i < ds_snap_note_count(snap); i++) {
		if (ds_snap_note_at(snap, i, &note))
			continue;
		if (answers(snap, typed, &note))
			add_withheld(f, &note);
		else if (!f->resolves && resembles(bare, &note))
			add(f->reasons,
			    "of a similar name: the %s '%s' is %s: %s",
			    note.group ? "group" : "user",
			    *note.upn ? note.upn : note.name,
			    state_of(note.reason), note.detail);
	}
}

static void explain_spelling(const struct ds_snap *snap, const char *typed,
			     struct finding *f)
{
	const char *slash = strchr(typed, '\\'), *at = strrchr(typed, '@');
	const char *domain = snap->stamp.domain;
	size_t len = slash ? (size_t)(slash - typed) : 0;

	if (strlen(typed) > DS_NAME_MAX)
		add(f->reasons, "it is longer than %d bytes", DS_NAME_MAX);
	else if (slash && (strlen(snap->netbios) != len ||
			   strncasecmp(typed, snap->netbios, len) != 0))
		add(f->reasons, "the domain before the '\\' is not %s",
		    snap->netbios);
	else if (slash && (snap->stamp.policy & DS_SNAP_CANONICAL))
		add(f->reasons, "spellings = canonical accepts nothing but "
				"the name that getent prints");
	else if (slash)
		add(f->reasons, "no sAMAccountName in the domain %s reads so",
		    snap->netbios);
	else if (at && strcasecmp(at + 1, domain) == 0)
		add(f->reasons,
		    "it is nobody's userPrincipalName, and no "
		    "sAMAccountName in the domain %s reads like "
		    "the part before the '@'",
		    domain);
	else if (at)
		add(f->reasons, "it is nobody's userPrincipalName");
	else if (!(snap->stamp.policy &
		   (DS_SNAP_SHORT_NAMES | DS_SNAP_BARE_USERS)))
		add(f->reasons,
		    "a bare name is never looked up in the domain "
		    "(short_names = none): type the "
		    "userPrincipalName, or %s\\%s",
		    snap->netbios, typed);
	else
		add(f->reasons, "it is no sAMAccountName in the domain %s",
		    domain);
}

static void explain_nobody(const struct ds_snap *snap, const char *typed,
			   struct finding *f)
{
	char bare[DS_NAME_MAX + 1];

	explain_spelling(snap, typed, f);
	explain_withheld(snap, typed, f);
	bare_part(typed, bare, sizeof(bare));
	if (!*bare)
		return;
	hint_users(snap, bare, f);
	hint_groups(snap, bare, f);
	if (json_array_size(f->instead) + json_array_size(f->withheld) == 0)
		add(f->reasons, "if the account exists in the tenant: it "
				"reaches the managed domain only after its "
				"password was changed there once, and only "
				"inside the scope of the synchronization");
}

/* ---- the command ---------------------------------------------------------
 */

static void print_list(const char *label, const json_t *list)
{
	size_t i;

	for (i = 0; i < json_array_size(list); i++)
		ctl_row(i == 0 ? label : "", "%s",
			json_string_value(json_array_get(list, i)));
}

static int say(const struct ctl_args *args, const struct finding *f)
{
	int status = f->resolves ? CTL_OK : CTL_NO;

	if (args->json)
		return ctl_json(json_pack(
			   "{s:o, s:b, s:O, s:O, s:O, s:O, s:O}", "name",
			   ctl_text(args->name), "resolves", f->resolves,
			   "users", f->users, "groups", f->groups, "reasons",
			   f->reasons, "withheld", f->withheld, "instead",
			   f->instead))
			   ? CTL_NO
			   : status;
	ctl_row("name", "%s", args->name);
	ctl_row("resolves", f->resolves ? "yes" : "no");
	print_list("why", f->reasons);
	print_list("type instead", f->instead);
	return status;
}

int ctl_explain(const struct ctl_args *args)
{
	struct finding f = { false,        json_array(), json_array(),
			     json_array(), json_array(), json_array() };
	struct ds_snap snap;
	int status = CTL_UNAVAIL;

	if (ctl_open_snapshot(&snap))
		goto out;
	explain_user(&snap, args->name, &f);
	explain_group(&snap, args->name, &f);
	if (f.resolves)
		explain_withheld(&snap, args->name, &f);
	else
		explain_nobody(&snap, args->name, &f);
	status = say(args, &f);
	ds_snap_close(&snap);
out:
	json_decref(f.users);
	json_decref(f.groups);
	json_decref(f.reasons);
	json_decref(f.withheld);
	json_decref(f.instead);
	return status;
}

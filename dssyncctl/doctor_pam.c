/*
 * dssyncctl doctor: the PAM stacks.  Is pam_dssync in them, is it reached, and
 * which rules look at the typed name, which another spelling escapes?
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dssyncctl/doctor.h"

#define DEPTH_MAX   8
#define ACCESS_CONF "/etc/security/access.conf"
#define TIME_CONF   "/etc/security/time.conf"

struct pam_line {
	char type[16];
	char control[160];
	char module[256]; /* without its folder */
	char args[512];
};

enum { AUTH, ACCOUNT, SESSION, TYPES };
static const char *const types[TYPES] = { "auth", "account", "session" };

/* What was seen of a service, type by type. */
struct stack {
	struct doc *d;
	const char *folder, *service;
	bool present[TYPES];
	/* The control of a line of pam_dssync's that is none for it, or "":
	 * what it refuses comes in, or who is local does not. */
	char vain[TYPES][160], strict[TYPES][160];
	char skipped_by[256]; /* ends the account phase before pam_dssync */
	bool by_name;         /* a rule by the typed name was reported */
	bool access, time;    /* pam_access, pam_time is used */
	bool unreadable;
};

static void read_service(struct stack *s, const char *name, const char *only,
			 int depth);

/* ---- one line --------------------------------------------------------------
 */

/* A word, or "[...]" with what it holds (pam.d(5)). */
static bool bracket_word(const char **line, char *word, size_t cap)
{
	const char *p = *line + strspn(*line, " \t\r"), *end;
	size_t len;

	if (*p != '[')
		return doc_word(line, word, cap);
	end = strchr(p, ']');
	if (!end)
		return false;
	len = (size_t)(end - p) + 1;
	snprintf(word, cap, "%.*s", (int)len, p);
	*line = p + len;
	return true;
}

static bool parse_line(const char *line, struct pam_line *ret)
{
	const char *slash;
	char path[256];

	memset(ret, 0, sizeof(*ret));
	if (!doc_word(&line, ret->type, sizeof(ret->type)))
		return false;
	if (strcmp(ret->type, "@include") == 0)
		return doc_word(&line, ret->module, sizeof(ret->module));
	if (!bracket_word(&line, ret->control, sizeof(ret->control)) ||
	    !doc_word(&line, path, sizeof(path)))
		return false;
	slash = strrchr(path, '/');
	snprintf(ret->module, sizeof(ret->module), "%s",
		 slash ? slash + 1 : path);
	line += strspn(line, " \t");
	snprintf(ret->args, sizeof(ret->args), "%s", line);
	return true;
}

/* -1: none of the three. */
static int type_of(const struct pam_line *line)
{
	/* "-auth": silent where the module is missing. */
	const char *type = line->type + (line->type[0] == '-');
	int i;

	for (i = 0; i < TYPES; i++)
		if (strcasecmp(type, types[i]) == 0)
			return i;
	return -1;
}

/* ---- modules that look at the typed name
 * ------------------------------------ */

/* "user OP VALUE" anywhere in pam_succeed_if's arguments. */
static void check_succeed_if(struct stack *s, const struct pam_line *line)
{
	static const char *const ops[] = {
		"=", "!=", "=~", "!~", "in", "notin"
	};
	const char *p = line->args;
	char word[64], op[64], value[256];
	size_t i;

	while (doc_word(&p, word, sizeof(word))) {
		if (strcmp(word, "user") != 0 || !doc_word(&p, op, sizeof(op)))
			continue;
		for (i = 0; i < sizeof(ops) / sizeof(*ops); i++)
			if (strcmp(op, ops[i]) == 0)
				break;
		if (i == sizeof(ops) / sizeof(*ops) ||
		    !doc_word(&p, value, sizeof(value)) ||
		    !doc_names_domain_user(s->d, value))
			continue;
		s->by_name = true;
		doc_say(s->d, DOC_WARNING,
			"ask for a uid or a group ('uid ...', 'user ingroup "
			"...'), or set [identity] spellings = canonical",
			"pam.d/%s: pam_succeed_if user %s %s looks at the "
			"name as typed: another spelling escapes it",
			s->service, op, value);
	}
}

/* item=user file=PATH, where the file names a user of the domain. */
static void check_listfile(struct stack *s, const struct pam_line *line)
{
	char word[512], file[512] = "", name[512];
	const char *p = line->args, *text_at;
	bool user = false, ours = false;
	char *text, *row;

	while (doc_word(&p, word, sizeof(word))) {
		user |= strcmp(word, "item=user") == 0;
		if (strncmp(word, "file=", 5) == 0)
			snprintf(file, sizeof(file), "%.506s", word + 5);
	}
	text = user ? s->d->load(file) : NULL;
	text_at = text;
	while (text && (row = doc_line(&text_at, false)) != NULL) {
		p = row;
		ours |= doc_word(&p, name, sizeof(name)) &&
			doc_names_domain_user(s->d, name);
		free(row);
	}
	if (ours) {
		s->by_name = true;
		doc_say(s->d, DOC_WARNING,
			"use item=group, or [login] allow_users and "
			"allow_groups, or set [identity] spellings = "
			"canonical",
			"pam.d/%s: pam_listfile compares %s with the name as "
			"typed: another spelling escapes it",
			s->service, file);
	}
	free(text);
}

/* ---- the stack
 * --------------------------------------------------------------- */

/*
 * What a return value of a module does: "ok", "ignore", "bad", "die", ... as
 * pam.d(5) has it, the four words included.
 */
static void action_of(const char *control, const char *value, char *action,
		      size_t cap)
{
	static const char *const words[][2] = {
		{ "required", "bad" },
		{ "requisite", "die" },
		{ "sufficient", "ignore" },
		{ "optional", "ignore" },
	};
	char word[64], found[64] = "bad"; /* what is not named, is bad */
	const char *p = control;
	size_t i, len;

	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcasecmp(control, words[i][0]) == 0)
			snprintf(found, sizeof(found), "%s", words[i][1]);
	while (*p) {
		p += strspn(p, "[] \t");
		len = strcspn(p, "[] \t");
		snprintf(word, sizeof(word), "%.*s", (int)len, p);
		p += len;
		len = strcspn(word, "=");
		if (word[len] == '\0')
			continue;
		word[len] = '\0';
		if (strcasecmp(word, value) == 0) {
			snprintf(action, cap, "%s", word + len + 1);
			return;
		}
		if (strcasecmp(word, "default") == 0)
			snprintf(found, sizeof(found), "%s", word + len + 1);
	}
	snprintf(action, cap, "%s", found);
}

static bool refuses(const char *control, const char *value)
{
	char action[64];

	action_of(control, value, action, sizeof(action));
	return strcasecmp(action, "bad") == 0 ||
	       strcasecmp(action, "die") == 0;
}

/* In auth there is another module that has to say yes. */
static void take_control(struct stack *s, const char *control, int type)
{
	if (type == ACCOUNT ? !refuses(control, "perm_denied")
			    : strcasecmp(control, "optional") == 0)
		snprintf(s->vain[type], sizeof(s->vain[type]), "%s", control);
	if (refuses(control, "user_unknown"))
		snprintf(s->strict[type], sizeof(s->strict[type]), "%s",
			 control);
}

static bool ends_phase(const char *control)
{
	return strcasecmp(control, "sufficient") == 0 ||
	       strstr(control, "success=done") != NULL;
}

/* A module that says yes to users of the domain too. */
static bool says_yes(const char *module)
{
	return strcmp(module, "pam_unix.so") == 0 ||
	       strcmp(module, "pam_permit.so") == 0;
}

static void take_module(struct stack *s, const struct pam_line *line, int type)
{
	if (strcmp(line->module, "pam_dssync.so") == 0) {
		s->present[type] = true;
		if (type != SESSION)
			take_control(s, line->control, type);
	} else if (type == ACCOUNT && !s->present[ACCOUNT] &&
		   ends_phase(line->control) && says_yes(line->module)) {
		snprintf(s->skipped_by, sizeof(s->skipped_by), "%s",
			 line->module);
	} else if (strcmp(line->module, "pam_succeed_if.so") == 0 &&
		   doc_spellings_differ(s->d)) {
		check_succeed_if(s, line);
	} else if (strcmp(line->module, "pam_listfile.so") == 0 &&
		   doc_spellings_differ(s->d)) {
		check_listfile(s, line);
	} else if (strcmp(line->module, "pam_access.so") == 0) {
		s->access = true;
	} else if (strcmp(line->module, "pam_time.so") == 0) {
		s->time = true;
	}
}

/* `only`: the type that is included; NULL: all. */
static void take_line(struct stack *s, const char *text, const char *only,
		      int depth)
{
	struct pam_line line;
	int type;

	if (!parse_line(text, &line))
		return;
	if (strcmp(line.type, "@include") == 0) {
		read_service(s, line.module, only, depth + 1);
		return;
	}
	type = type_of(&line);
	if (type < 0 || (only && strcasecmp(only, types[type]) != 0))
		return;
	if (strcasecmp(line.control, "include") == 0 ||
	    strcasecmp(line.control, "substack") == 0)
		read_service(s, line.module, types[type], depth + 1);
	else
		take_module(s, &line, type);
}

static void read_service(struct stack *s, const char *name, const char *only,
			 int depth)
{
	char path[512], *text, *line;
	const char *p;

	snprintf(path, sizeof(path), "%s%s", name[0] == '/' ? "" : s->folder,
		 name);
	text = depth > DEPTH_MAX ? NULL : s->d->load(path);
	if (!text) {
		s->unreadable = true;
		return;
	}
	p = text;
	while ((line = doc_line(&p, true)) != NULL) {
		take_line(s, line, only, depth);
		free(line);
	}
	free(text);
}

static void judge_type(struct stack *s, int type)
{
	static const char *const controls[TYPES] = {
		("write [success=2 user_unknown=ignore module_unknown=ignore "
		 "default=die] as in pam_dssync(8)"),
		"write [default=bad success=ok user_unknown=ignore]",
		"",
	};
	static const char *const without[TYPES] = {
		"no password of the domain is taken",
		"disabled, expired and not allowed users are not kept out",
		"sessions get no Kerberos ticket",
	};

	if (!s->present[type])
		doc_say(s->d, type == SESSION ? DOC_WARNING : DOC_PROBLEM,
			"see pam_dssync(8), 'pam-auth-update' or the "
			"distribution's tool for it",
			"pam.d/%s: no pam_dssync in '%s': %s", s->service,
			types[type], without[type]);
	if (s->vain[type][0])
		doc_say(s->d, DOC_PROBLEM, controls[type],
			"pam.d/%s: pam_dssync is %s in '%s': its refusal "
			"counts for nothing",
			s->service, s->vain[type], types[type]);
	if (s->strict[type][0])
		doc_say(s->d, DOC_PROBLEM, controls[type],
			"pam.d/%s: pam_dssync is %s in '%s': it keeps local "
			"users out, root too",
			s->service, s->strict[type], types[type]);
}

static void judge(struct stack *s)
{
	int type;

	if (s->unreadable)
		doc_say(s->d, DOC_WARNING, "",
			"pam.d/%s: a file that it "
			"includes cannot be read",
			s->service);
	for (type = 0; type < TYPES; type++)
		judge_type(s, type);
	if (s->present[ACCOUNT] && s->skipped_by[0])
		doc_say(s->d, DOC_PROBLEM,
			"put pam_dssync before it, or make it 'required'",
			"pam.d/%s: %s ends 'account' before pam_dssync is "
			"asked",
			s->service, s->skipped_by);
	else if (s->present[AUTH] && s->present[ACCOUNT] &&
		 s->present[SESSION] && !s->vain[AUTH][0] &&
		 !s->vain[ACCOUNT][0] && !s->strict[AUTH][0] &&
		 !s->strict[ACCOUNT][0])
		doc_say(s->d, DOC_OK, "",
			"pam.d/%s: pam_dssync in auth, account and session",
			s->service);
}

/* ---- pam_access
 * --------------------------------------------------------------- */

static void check_access_user(struct doc *d, const char *path, bool deny,
			      const char *user)
{
	/* access.conf(5): "@netgroup", "(group)", and user@host elsewhere. */
	if (user[0] == '(' || user[0] == '@' || !strchr(user, '@')) {
		if (strchr(user, '\\'))
			goto complain;
		return;
	}
complain:
	doc_say(d, DOC_PROBLEM,
		"name a group in parentheses, with listsep=, where its name "
		"has blanks; or use [login] allow_users",
		"%s: '%s' is no user's name to pam_access: %s", path, user,
		deny ? "the rule keeps nobody out"
		     : "the rule lets nobody in");
}

void doc_check_access(struct doc *d, const char *path, const char *text)
{
	char *line, *users, *origins, *user, *save = NULL;
	char sign[8];
	const char *p;

	while ((line = doc_line(&text, false)) != NULL) {
		p = line;
		users = strchr(line, ':');
		origins = users ? strchr(users + 1, ':') : NULL;
		if (origins) {
			*users++ = '\0';
			*origins = '\0';
			if (!doc_word(&p, sign, sizeof(sign)))
				sign[0] = '\0';
			for (user = strtok_r(users, " \t,", &save); user;
			     user = strtok_r(NULL, " \t,", &save))
				check_access_user(d, path, sign[0] == '-',
						  user);
		}
		free(line);
	}
}

/* ---- pam_time ------------------------------------------------------------
 */

/* services;ttys;users;times (time.conf(5)); the users, with "&", "|", "!". */
void doc_check_time(struct doc *d, const char *path, const char *text)
{
	char *line, *field, *user, *save = NULL;
	int i;

	while ((line = doc_line(&text, true)) != NULL) {
		for (field = line, i = 0; field && i < 2; i++)
			field =
			    (field = strchr(field, ';')) ? field + 1 : NULL;
		if (field)
			field[strcspn(field, ";")] = '\0';
		for (user = field ? strtok_r(field, "&|! \t", &save) : NULL;
		     user; user = strtok_r(NULL, "&|! \t", &save))
			if (user[0] != '@' && strpbrk(user, "@\\"))
				doc_say(d, DOC_PROBLEM,
					"set logon hours in the domain, or "
					"decide with pam_succeed_if by uid or "
					"group",
					"%s: '%s' is no user's name to "
					"pam_time: the rule never means that "
					"user",
					path, user);
		free(line);
	}
}

/* ---- the services
 * -------------------------------------------------------------- */

void doc_check_pam(struct doc *d, const char *folder)
{
	static const char *const services[] = { "sshd", "login", "su", "sudo",
						"sudo-i" };
	char path[512], *text;
	bool access = false, time = false;
	size_t i;

	for (i = 0; i < sizeof(services) / sizeof(*services); i++) {
		struct stack s = { .d = d,
				   .folder = folder,
				   .service = services[i] };

		snprintf(path, sizeof(path), "%s%s", folder, services[i]);
		text = d->load(path);
		if (!text)
			continue; /* the program is not installed */
		free(text);
		read_service(&s, services[i], NULL, 0);
		judge(&s);
		access |= s.access;
		time |= s.time;
	}
	text = access ? d->load(ACCESS_CONF) : NULL;
	if (text)
		doc_check_access(d, ACCESS_CONF, text);
	free(text);
	text = time ? d->load(TIME_CONF) : NULL;
	if (text)
		doc_check_time(d, TIME_CONF, text);
	free(text);
}

/*
 * The scripted libpam of pam_fake.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <security/pam_ext.h>

#include "lib/err.h"
#include "tests/unit/pam_fake.h"

pam_handle_t *fake_start(const char *user)
{
	pam_handle_t *pamh = calloc(1, sizeof(*pamh));

	assert_non_null(pamh);
	pamh->items[PAM_USER] = user;
	pamh->items[PAM_SERVICE] = "sshd";
	pamh->items[PAM_TTY] = "ssh";
	pamh->items[PAM_RHOST] = "192.0.2.7";
	return pamh;
}

const char *fake_audit(const char *event, const char *user, const char *result,
		       const char *reason)
{
	static char lines[4][1024];
	static unsigned int n;
	char *line = lines[n++ % 4], caller[32] = "";

	if (geteuid() != 0)
		snprintf(caller, sizeof(caller), " caller=\"%u\"", geteuid());
	snprintf(line, sizeof(lines[0]),
		 "NOTICE audit event=%s user=\"%s\"%s result=\"%s\" "
		 "reason=\"%s\" service=\"sshd\" tty=\"ssh\" "
		 "rhost=\"192.0.2.7\"",
		 event, user, caller, result, reason);
	return line;
}

static void clear(char **list)
{
	int i;

	for (i = 0; i < FAKE_MAX; i++) {
		free(list[i]);
		list[i] = NULL;
	}
}

void fake_drop(pam_handle_t *pamh)
{
	int i;

	for (i = 0; i < FAKE_MAX; i++) {
		if (pamh->data[i].cleanup)
			pamh->data[i].cleanup(pamh, pamh->data[i].data, 0);
		free(pamh->data[i].name);
	}
	clear(pamh->log);
	clear(pamh->shown);
	clear(pamh->env);
	free(pamh);
}

void fake_end(pam_handle_t *pamh)
{
	fake_expect_log(pamh, NULL);
	fake_expect_shown(pamh, NULL);
	fake_drop(pamh);
}

void fake_copy_env(pam_handle_t *to, const pam_handle_t *from)
{
	int i;

	for (i = 0; i < FAKE_MAX; i++)
		if (from->env[i])
			assert_int_equal(pam_putenv(to, from->env[i]), 0);
}

static void DS_PRINTF(3, 0)
    append(char **list, const char *head, const char *fmt, va_list args)
{
	char text[4096];
	int i;

	vsnprintf(text, sizeof(text), fmt, args);
	for (i = 0; i < FAKE_MAX && list[i]; i++)
		;
	assert_in_range(i, 0, FAKE_MAX - 1);
	assert_true(asprintf(&list[i], "%s %s", head, text) > 0);
}

static void expect(char **list, const char *const *lines, const char *file,
		   int line)
{
	int i;

	for (i = 0; lines[i] && list[i]; i++)
		_assert_string_equal(list[i], lines[i], file, line);
	if (list[i])
		print_error("not expected: %s\n", list[i]);
	if (lines[i])
		print_error("missing: %s\n", lines[i]);
	_assert_true(!list[i] && !lines[i], "nothing more, nothing less", file,
		     line);
	clear(list);
}

void fake_expect_log_(pam_handle_t *pamh, const char *const *lines,
		      const char *file, int line)
{
	expect(pamh->log, lines, file, line);
}

void fake_expect_shown_(pam_handle_t *pamh, const char *const *lines,
			const char *file, int line)
{
	expect(pamh->shown, lines, file, line);
}

/* ---- what the module calls ---- */

int pam_get_user(pam_handle_t *pamh, const char **user, const char *prompt)
{
	assert_null(prompt);
	if (pamh->get_user != PAM_SUCCESS)
		return pamh->get_user;
	*user = pamh->items[PAM_USER];
	return PAM_SUCCESS;
}

int pam_get_item(const pam_handle_t *pamh, int type, const void **item)
{
	*item = pamh->items[type];
	return PAM_SUCCESS;
}

int pam_get_authtok(pam_handle_t *pamh, int item, const char **authtok,
		    const char *prompt)
{
	assert_true(item == PAM_AUTHTOK || item == PAM_OLDAUTHTOK);
	if (pamh->get_authtok)
		return pamh->get_authtok;
	if (!pamh->items[item]) {
		pam_prompt(pamh, PAM_PROMPT_ECHO_OFF, NULL, "%s",
			   prompt ? prompt : "New password: ");
		if (!pamh->answer)
			return PAM_AUTHTOK_ERR;
		pamh->items[item] = pamh->answer;
	}
	*authtok = pamh->items[item];
	return PAM_SUCCESS;
}

int pam_prompt(pam_handle_t *pamh, int style, char **response, const char *fmt,
	       ...)
{
	va_list args;

	assert_null(response);
	va_start(args, fmt);
	append(pamh->shown,
	       style == PAM_PROMPT_ECHO_OFF ? "PROMPT"
	       : style == PAM_ERROR_MSG     ? "ERROR"
	       : style == PAM_TEXT_INFO     ? "INFO"
					    : "?",
	       fmt, args);
	va_end(args);
	return PAM_SUCCESS;
}

void pam_syslog(const pam_handle_t *pamh, int priority, const char *fmt, ...)
{
	static const char *const names[] = {
		"EMERG", "ALERT",  "CRIT", "ERR",
		"WARN",  "NOTICE", "INFO", "DEBUG"
	};
	va_list args;

	assert_in_range(priority, 0, 7); /* the facility is libpam's */
	va_start(args, fmt);
	append(((pam_handle_t *)(uintptr_t)pamh)->log, names[priority], fmt,
	       args);
	va_end(args);
}

const char *pam_strerror(pam_handle_t *pamh, int code)
{
	static char text[16];

	(void)pamh;
	snprintf(text, sizeof(text), "code %d", code);
	return text;
}

int pam_fail_delay(pam_handle_t *pamh, unsigned int usec)
{
	pamh->delay = usec;
	return PAM_SUCCESS;
}

int pam_set_data(pam_handle_t *pamh, const char *name, void *data,
		 void (*cleanup)(pam_handle_t *, void *, int))
{
	struct fake_data *d = pamh->data, *end = d + FAKE_MAX;

	if (pamh->fail_set_data)
		return PAM_BUF_ERR;
	while (d < end && d->name && strcmp(d->name, name) != 0)
		d++;
	assert_true(d < end);
	if (d->cleanup)
		d->cleanup(pamh, d->data, PAM_DATA_REPLACE);
	if (!d->name)
		d->name = strdup(name);
	d->data = data;
	d->cleanup = cleanup;
	return PAM_SUCCESS;
}

int pam_get_data(const pam_handle_t *pamh, const char *name, const void **data)
{
	int i;

	for (i = 0; i < FAKE_MAX && pamh->data[i].name; i++) {
		if (strcmp(pamh->data[i].name, name) == 0) {
			*data = pamh->data[i].data;
			return PAM_SUCCESS;
		}
	}
	return PAM_NO_MODULE_DATA;
}

/* The slot of a variable, or a free one. */
static char **env_slot(const pam_handle_t *pamh, const char *name, size_t len)
{
	char **slot = ((pam_handle_t *)(uintptr_t)pamh)->env, **unused = NULL;
	int i;

	for (i = 0; i < FAKE_MAX; i++, slot++) {
		if (!*slot)
			unused = unused ? unused : slot;
		else if (strncmp(*slot, name, len) == 0 && (*slot)[len] == '=')
			return slot;
	}
	assert_non_null(unused);
	return unused;
}

int pam_putenv(pam_handle_t *pamh, const char *pair)
{
	size_t len = strcspn(pair, "=");
	char **slot = env_slot(pamh, pair, len);

	if (pamh->fail_putenv)
		return PAM_BUF_ERR;
	if (!pair[len] && !*slot)
		return PAM_BAD_ITEM; /* as Linux-PAM has it */
	free(*slot);
	*slot = pair[len] ? strdup(pair) : NULL;
	return PAM_SUCCESS;
}

const char *pam_getenv(pam_handle_t *pamh, const char *name)
{
	const char *pair = *env_slot(pamh, name, strlen(name));

	return pair ? pair + strlen(name) + 1 : NULL;
}

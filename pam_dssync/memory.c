/*
 * What one call leaves for a later one, in the PAM handle.
 *
 * Two carriers.  pam_set_data(3) is private memory, wiped by our cleanup.  The
 * one-time handle of the ticket goes into the PAM environment instead: sshd
 * asks keyboard-interactive passwords in a process of its own, whose PAM data
 * is lost, and brings only the PAM environment back to the process that opens
 * the session.  The next setcred or open_session takes it out again, before
 * the user's shell could inherit it.  Should an application never get there,
 * no harm is done: the handle works once, within two minutes, for that uid
 * only, and is taken from nobody but root and that user.  Nothing is ever
 * granted because of what the environment says.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include <security/pam_ext.h>

#include "pam_dssync/internal.h"

#define LOGIN_DATA  "dssync_login"
#define CCACHE_DATA "dssync_ccache"
#define HANDLE_ENV  "DSSYNC_HANDLE"

static void login_free(pam_handle_t *pamh, void *data, int status)
{
	(void)pamh;
	(void)status;
	pds_secret_free(data, sizeof(struct pds_login));
}

static void ccache_free(pam_handle_t *pamh, void *data, int status)
{
	(void)pamh;
	(void)status;
	free(data);
}

static int remember(struct pds_call *call, const char *key, const void *data,
		    size_t size, void (*cleanup)(pam_handle_t *, void *, int))
{
	void *copy = malloc(size);

	if (!copy)
		return DS_ERR_NOMEM;
	memcpy(copy, data, size);
	if (pam_set_data(call->pamh, key, copy, cleanup) != PAM_SUCCESS) {
		free(copy);
		return DS_ERR_NOMEM;
	}
	return 0;
}

static const void *recall(struct pds_call *call, const char *key)
{
	const void *data = NULL;

	if (pam_get_data(call->pamh, key, &data) != PAM_SUCCESS)
		return NULL;
	return data;
}

void pds_login_remember(struct pds_call *call, const struct pds_login *login)
{
	/* The account stage asks the server again, and need not trust us. */
	if (remember(call, LOGIN_DATA, login, sizeof(*login), login_free) != 0)
		pds_log(call, LOG_ERR, "no memory to remember the login");
}

const struct pds_login *pds_login_recall(struct pds_call *call, uid_t uid)
{
	const struct pds_login *login = recall(call, LOGIN_DATA);

	return login && login->uid == uid ? login : NULL;
}

void pds_login_changed(struct pds_call *call, uid_t uid)
{
	const struct pds_login done = { .uid = uid };

	if (pds_login_recall(call, uid))
		pds_login_remember(call, &done);
}

void pds_handle_remember(struct pds_call *call,
			 const uint8_t handle[DS_HANDLE_LEN])
{
	static const char hex[] = "0123456789abcdef";
	char var[sizeof(HANDLE_ENV) + 2 * DS_HANDLE_LEN + 1];
	char *p = var + sizeof(HANDLE_ENV);
	size_t i;

	memcpy(var, HANDLE_ENV "=", sizeof(HANDLE_ENV));
	for (i = 0; i < DS_HANDLE_LEN; i++) {
		*p++ = hex[handle[i] >> 4];
		*p++ = hex[handle[i] & 15];
	}
	*p = '\0';
	if (pam_putenv(call->pamh, var) != PAM_SUCCESS)
		pds_log(call, LOG_ERR, "no memory to remember the ticket");
	explicit_bzero(var, sizeof(var));
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

static bool parse_handle(const char *hex, uint8_t ret[DS_HANDLE_LEN])
{
	int high, low;
	size_t i;

	if (strlen(hex) != 2 * (size_t)DS_HANDLE_LEN)
		return false;
	for (i = 0; i < DS_HANDLE_LEN; i++) {
		high = hex_digit(hex[2 * i]);
		low = hex_digit(hex[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		ret[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

bool pds_handle_take(struct pds_call *call, uint8_t ret[DS_HANDLE_LEN])
{
	const char *hex = pam_getenv(call->pamh, HANDLE_ENV);
	bool ok;

	if (!hex)
		return false;
	ok = parse_handle(hex, ret);
	/* A name without "=" removes it, and libpam wipes the copy. */
	if (pam_putenv(call->pamh, HANDLE_ENV) != PAM_SUCCESS)
		pds_log(call, LOG_ERR, "cannot remove " HANDLE_ENV);
	return ok;
}

int pds_ccache_remember(struct pds_call *call, const struct pds_ccache *ccache)
{
	return remember(call, CCACHE_DATA, ccache, sizeof(*ccache),
			ccache_free);
}

const struct pds_ccache *pds_ccache_recall(struct pds_call *call)
{
	return recall(call, CCACHE_DATA);
}

void pds_ccache_forget(struct pds_call *call)
{
	/* The old value goes through its cleanup. */
	if (pam_set_data(call->pamh, CCACHE_DATA, NULL, NULL) != PAM_SUCCESS)
		pds_log(call, LOG_ERR, "cannot forget the ticket cache");
}

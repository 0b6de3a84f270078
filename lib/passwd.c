/*
 * getpwnam_r(3) with a buffer that grows.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/passwd.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>

/* Far above any passwd entry; ends the loop if a service lies. */
#define PASSWD_BUFFER_MAX (1u << 20)

/* What getpwnam(3) lists as "not found". */
static bool means_nobody(int err)
{
	return err == 0 || err == ENOENT || err == ESRCH || err == EBADF ||
	       err == EPERM;
}

int ds_passwd_uid(const char *name, uid_t *ret_uid)
{
	struct passwd pw, *found = NULL;
	size_t size = 4096;
	char *buf = NULL, *bigger;
	int err;

	do {
		bigger = realloc(buf, size);
		if (!bigger) {
			free(buf);
			return DS_ERR_NOMEM;
		}
		buf = bigger;
		err = getpwnam_r(name, &pw, buf, size, &found);
		size *= 2;
	} while (err == EINTR || (err == ERANGE && size <= PASSWD_BUFFER_MAX));
	if (found)
		*ret_uid = pw.pw_uid;
	free(buf);
	if (found)
		return DS_OK;
	if (means_nobody(err))
		return DS_ERR_NOTFOUND;
	errno = err;
	return DS_ERR_SYS;
}

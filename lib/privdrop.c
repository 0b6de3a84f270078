/*
 * Becoming an unprivileged user for good, and proving it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/privdrop.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static int complain(const char *user, const char *what)
{
	fprintf(stderr, "dssync: cannot run as %s: %s\n", user, what);
	return DS_ERR_DENIED;
}

int ds_privdrop(const char *user)
{
	struct passwd *pw = getpwnam(user);

	if (!pw)
		return complain(user, "there is no such user");
	if (pw->pw_uid == 0 || pw->pw_gid == 0)
		return complain(user, "its uid or gid is 0");
	if (setgroups(1, &pw->pw_gid) ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid))
		return complain(user, strerror(errno));
	return DS_OK;
}

static bool ids_are(uid_t uid, gid_t gid)
{
	uid_t ruid, euid, suid;
	gid_t rgid, egid, sgid;

	return getresuid(&ruid, &euid, &suid) == 0 && ruid == uid &&
	       euid == uid && suid == uid &&
	       getresgid(&rgid, &egid, &sgid) == 0 && rgid == gid &&
	       egid == gid && sgid == gid;
}

/* Exactly the user's own group: nothing was inherited from root. */
static bool groups_are(gid_t gid)
{
	gid_t groups[2];

	return getgroups(2, groups) == 1 && groups[0] == gid;
}

/* A raw call: no other thread exists yet, and libcap is not worth it. */
static bool has_capabilities(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
	size_t i;

	memset(data, 0, sizeof(data));
	if (syscall(SYS_capget, &head, data) != 0)
		return true;
	for (i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		if (data[i].effective || data[i].permitted)
			return true;
	return false;
}

static bool can_return(void)
{
	return setuid(0) == 0 || setgid(0) == 0 || seteuid(0) == 0 ||
	       setegid(0) == 0 || setresuid(0, 0, 0) == 0 ||
	       setresgid(0, 0, 0) == 0 || setgroups(0, NULL) == 0;
}

int ds_privdrop_verify(const char *user)
{
	const struct rlimit none = { 0, 0 };
	struct passwd *pw = getpwnam(user);

	if (!pw)
		return complain(user, "there is no such user");
	if (pw->pw_uid == 0 || pw->pw_gid == 0)
		return complain(user, "its uid or gid is 0");
	if (!ids_are(pw->pw_uid, pw->pw_gid) || !groups_are(pw->pw_gid))
		return complain(user, "started as somebody else; synccached "
				      "starts this program");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ||
	    setrlimit(RLIMIT_CORE, &none))
		return complain(user, strerror(errno));
	if (has_capabilities())
		return complain(user, "capabilities are left");
	if (can_return())
		return complain(user, "root can be reached again");
	return DS_OK;
}

/*
 * The folders, files and sockets that the house needs, with their owners.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/log.h"
#include "synccache/monitor/monitor.h"

#define KRB5_CONF DS_RUN_DIR "/krb5.conf"
#define LOCK_FILE DS_RUN_DIR "/synccached.lock"

static int make_folder(const char *path, uid_t uid, gid_t gid, mode_t mode)
{
	int fd, r = DS_ERR_SYS;

	if (mkdir(path, 0700) && errno != EEXIST)
		goto out;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		goto out;
	if (fchown(fd, uid, gid) == 0 && fchmod(fd, mode) == 0)
		r = DS_OK;
	close(fd);
out:
	if (r)
		ds_log(DS_LOG_ERR, "cannot make the folder %s: %s", path,
		       strerror(errno));
	return r;
}

/* Parents first; a folder that is there keeps its content. */
static int make_parents(const char *path)
{
	char copy[256];
	char *p;

	if (snprintf(copy, sizeof(copy), "%s", path) >= (int)sizeof(copy))
		return DS_ERR_LIMIT;
	for (p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(copy, 0755) && errno != EEXIST) {
			ds_log(DS_LOG_ERR, "cannot make the folder %s: %s",
			       copy, strerror(errno));
			return DS_ERR_SYS;
		}
		*p = '/';
	}
	return DS_OK;
}

static int find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
	struct passwd *pw = getpwnam(name);

	if (!pw) {
		ds_log(DS_LOG_ERR,
		       "there is no user %s; expected a system "
		       "user of that name (useradd --system %s)",
		       name, name);
		return DS_ERR_CONFIG;
	}
	*ret_uid = pw->pw_uid;
	*ret_gid = pw->pw_gid;
	return DS_OK;
}

int dsm_places_make(void)
{
	uid_t sync_uid, auth_uid;
	gid_t sync_gid, auth_gid;
	int r;

	if ((r = find_user(DS_SYNC_USER, &sync_uid, &sync_gid)) != 0 ||
	    (r = find_user(DS_AUTH_USER, &auth_uid, &auth_gid)) != 0 ||
	    (r = make_parents(DS_STATE_DIR)) != 0 ||
	    (r = make_parents(DS_RUN_DIR)) != 0 ||
	    (r = make_folder(DS_STATE_DIR, 0, 0, 0755)) != 0 ||
	    (r = make_folder(DS_STATE_DIR "/public", 0, 0, 0755)) != 0 ||
	    (r = make_folder(DS_STATE_DIR "/private", 0, auth_gid, 0750)) !=
		0 ||
	    (r = make_folder(DS_STATE_DIR "/stage", sync_uid, sync_gid,
			     0700)) != 0 ||
	    (r = make_folder(DS_STATE_DIR "/store", sync_uid, sync_gid,
			     0700)) != 0 ||
	    (r = make_folder(DS_STATE_DIR "/auth", auth_uid, auth_gid,
			     0700)) != 0 ||
	    (r = make_folder(DS_RUN_DIR, 0, 0, 0755)) != 0)
		return r;
	return DS_OK;
}

int dsm_lock_instance(void)
{
	int fd =
	    open(LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0) {
		ds_log(DS_LOG_ERR, "%s: %s", LOCK_FILE, strerror(errno));
		return DS_ERR_SYS;
	}
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		ds_log(DS_LOG_ERR, "%s is locked: synccached runs already",
		       LOCK_FILE);
		close(fd);
		return DS_ERR_CONFLICT;
	}
	return DS_OK; /* fd stays open, and with it the lock */
}

/*
 * The children's Kerberos configuration: ours, so that neither the host's
 * krb5.conf nor an environment changes whom they trust.
 */
static void put_krb5_conf(FILE *out, const struct ds_config *config)
{
	char realm[256];
	size_t i;

	ds_config_realm(config, realm, sizeof(realm));
	fprintf(out,
		"# Written by synccached at each start.\n"
		"[libdefaults]\n"
		"\tdefault_realm = %s\n"
		"\tdns_lookup_realm = false\n"
		"\tdns_lookup_kdc = true\n"
		"\tdns_canonicalize_hostname = false\n"
		"\trdns = false\n"
		"\tpermitted_enctypes = aes256-cts-hmac-sha1-96 "
		"aes128-cts-hmac-sha1-96 aes256-cts-hmac-sha384-192 "
		"aes128-cts-hmac-sha256-128\n"
		"\tudp_preference_limit = 1\n"
		"\tdefault_ccache_name = MEMORY:\n"
		"\tplugin_base_dir = /nonexistent\n"
		"[realms]\n"
		"\t%s = {\n",
		realm, realm);
	for (i = 0; config->domain.servers[i]; i++)
		fprintf(out, "\t\tkdc = %s\n", config->domain.servers[i]);
	fprintf(out,
		"\t}\n"
		"[domain_realm]\n"
		"\t.%s = %s\n"
		"\t%s = %s\n",
		config->domain.name, realm, config->domain.name, realm);
}

int dsm_write_krb5_conf(const struct ds_config *config)
{
	const char *tmp = KRB5_CONF ".tmp";
	int fd, bad;
	FILE *out;

	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		  0644);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out) {
		ds_log(DS_LOG_ERR, "%s: %s", tmp, strerror(errno));
		if (fd >= 0)
			close(fd);
		return DS_ERR_SYS;
	}
	put_krb5_conf(out, config);
	bad = ferror(out) | fchmod(fd, 0644);
	if (fclose(out) || bad || rename(tmp, KRB5_CONF)) {
		ds_log(DS_LOG_ERR, "%s: %s", KRB5_CONF, strerror(errno));
		unlink(tmp);
		return DS_ERR_SYS;
	}
	return DS_OK;
}

int dsm_listen(const char *path, mode_t mode, int *ret_fd)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mode_t old;
	int fd, bad;

	if (strlen(path) >= sizeof(addr.sun_path))
		return DS_ERR_LIMIT;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		ds_log(DS_LOG_ERR, "%s: %s", path, strerror(errno));
		return DS_ERR_SYS;
	}
	unlink(path); /* the instance lock is ours, so it is a leftover */
	old = umask(~mode & 0777);
	bad = bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) ||
	      listen(fd, 128);
	umask(old);
	if (bad) {
		ds_log(DS_LOG_ERR, "%s: %s", path, strerror(errno));
		close(fd);
		return DS_ERR_SYS;
	}
	*ret_fd = fd;
	return DS_OK;
}

bool dsm_same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size && a->st_mode == b->st_mode &&
	       a->st_uid == b->st_uid &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

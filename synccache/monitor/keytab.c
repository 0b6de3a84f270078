/*
 * The keytab: root's file, read here and handed to auth as a sealed memory
 * file, again whenever it changes.  Its content is auth's to parse.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "lib/log.h"
#include "synccache/monitor/monitor.h"

#define KEYTAB_MAX (256 * 1024)

/* Whether the file may be used; if not, *problem says why. */
static int judge(const struct dsm_monitor *m, const struct stat *st,
		 char *problem, size_t cap)
{
	const char *path = m->config->domain.keytab;

	if (!S_ISREG(st->st_mode)) {
		snprintf(problem, cap, "keytab %s is not a regular file",
			 path);
		return DS_ERR_FORMAT;
	}
	if (st->st_uid != 0 || (st->st_mode & 077)) {
		snprintf(problem, cap,
			 "keytab %s can be read by others than root (owner "
			 "%u, mode %04o); expected owner root and mode 0600",
			 path, (unsigned)st->st_uid,
			 (unsigned)(st->st_mode & 07777));
		return DS_ERR_UNSAFE;
	}
	if (st->st_size == 0)
		snprintf(problem, cap,
			 "keytab %s is empty; join the host to "
			 "the domain (adcli join)",
			 path);
	else if (st->st_size > KEYTAB_MAX)
		snprintf(problem, cap, "keytab %s is larger than %d bytes",
			 path, KEYTAB_MAX);
	else
		return DS_OK;
	return DS_ERR_FORMAT;
}

/* A read-only copy in memory; -1 with errno. */
static int copy_sealed(int from)
{
	uint8_t buf[4096];
	ssize_t n = -1;
	int fd, copy = -1;
	char name[64];

	fd = memfd_create("keytab", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (write(fd, buf, (size_t)n) != n)
			goto out;
	if (n < 0 || fchmod(fd, 0400) ||
	    fcntl(fd, F_ADD_SEALS,
		  F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE))
		goto out;
	/* A description that cannot write, at offset 0. */
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	copy = open(name, O_RDONLY | O_CLOEXEC);
out:
	explicit_bzero(buf, sizeof(buf));
	close(fd);
	return copy;
}

static void hand_over(struct dsm_monitor *m, int err, int fd)
{
	uint8_t buf[1024];
	struct ds_writer w;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_KEYTAB, 0);
	ds_put_u32(&w, (uint32_t)-err);
	ds_put_str(&w, m->keytab_problem);
	dsm_child_send(m, DSM_AUTH, &w, fd);
}

void dsm_keytab_check(struct dsm_monitor *m, bool force)
{
	const char *path = m->config->domain.keytab;
	char problem[sizeof(m->keytab_problem)] = "";
	struct stat st = { 0 };
	int fd, sealed = -1, err = DS_OK;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st)) {
		err = errno == ENOENT ? DS_ERR_NOTFOUND : DS_ERR_SYS;
		snprintf(problem, sizeof(problem),
			 "keytab %s: %s; join the host to the domain (adcli "
			 "join)",
			 path, strerror(errno));
	}
	if (!force && m->keytab_known && dsm_same_file(&st, &m->keytab_seen))
		goto out;
	m->keytab_seen = st;
	if (!err)
		err = judge(m, &st, problem, sizeof(problem));
	if (!err) {
		sealed = copy_sealed(fd);
		if (sealed < 0) {
			err = DS_ERR_SYS;
			snprintf(problem, sizeof(problem), "keytab %s: %s",
				 path, strerror(errno));
		}
	}
	if (!m->keytab_known || strcmp(problem, m->keytab_problem) != 0) {
		if (problem[0])
			ds_log(DS_LOG_ERR,
			       "%s; nobody can log in with a "
			       "password, and nothing is "
			       "synchronized",
			       problem);
		else if (m->keytab_known)
			ds_log(DS_LOG_NOTICE, "keytab %s is usable now", path);
	}
	m->keytab_known = true;
	strcpy(m->keytab_problem, problem);
	hand_over(m, err, sealed);
	if (sealed >= 0)
		close(sealed);
out:
	if (fd >= 0)
		close(fd);
}

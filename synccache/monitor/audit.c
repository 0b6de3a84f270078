/*
 * login.audit_file: opened here, because its folder is root's, and written by
 * auth.  A file that was renamed (logrotate) or removed is made anew.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "synccache/monitor/monitor.h"

/* Nobody else can have written what is in it, or can read it. */
static const char *fault_of(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		return "not a regular file";
	if (st->st_uid != 0)
		return "it does not belong to root";
	if (st->st_nlink != 1)
		return "it has other names (hard links)";
	if (st->st_mode & 027)
		return "its mode lets others read it, or its group write it";
	return NULL;
}

/* An open file; -1 and what is wrong. */
static int open_file(const char *path, struct stat *ret_stat,
		     const char **ret_problem)
{
	/* Not blocking: a pipe that nobody reads must not stop us. */
	int fd = open(path,
		      O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK |
			  O_NOCTTY | O_CLOEXEC,
		      0640);

	if (fd < 0 || fstat(fd, ret_stat)) {
		*ret_problem = strerror(errno);
	} else {
		*ret_problem = fault_of(ret_stat);
		if (!*ret_problem)
			return fd;
	}
	if (fd >= 0)
		close(fd);
	return -1;
}

static void send_file(struct dsm_monitor *m, int fd)
{
	uint8_t buf[DS_HEADER_LEN];
	struct ds_writer w;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_AUDIT_FILE, 0);
	dsm_child_send(m, DSM_AUTH, &w, fd);
}

void dsm_audit_check(struct dsm_monitor *m, bool force)
{
	const char *path = m->config->login.audit_file, *problem = NULL;
	struct stat st;
	int fd;

	if (!*path)
		return;
	if (!force && m->audit_known && lstat(path, &st) == 0 &&
	    st.st_dev == m->audit_dev && st.st_ino == m->audit_ino)
		return;
	fd = open_file(path, &st, &problem);
	if (fd >= 0) {
		m->audit_dev = st.st_dev;
		m->audit_ino = st.st_ino;
		m->audit_known = true;
		send_file(m, fd);
		close(fd);
	} else if (force || m->audit_known || !m->audit_problem ||
		   strcmp(m->audit_problem, problem) != 0) {
		/* Once, not every two seconds. */
		ds_log(DS_LOG_ERR, "audit_file %s: %s", path, problem);
		m->audit_known = false;
	}
	m->audit_problem = problem;
}

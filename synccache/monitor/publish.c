/*
 * Publishing: what sync staged becomes, byte for byte, the file that every
 * process of the host maps.  Root writes page 0, and nobody else ever does.
 *
 * The accounts file goes first, so that no published user lacks an account.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/snapshot.h"
#include "lib/snapshot_stamp.h"
#include "lib/wire.h"
#include "synccache/monitor/monitor.h"

#define SIZE_MAX_BYTES ((size_t)2 << 30)
#define VERIFY_MS      (3600 * 1000)

struct target {
	enum ds_snap_kind kind;
	const char *staged, *folder, *tmp, *path;
	mode_t mode;
};

static const struct target targets[] = {
	{ DS_SNAP_ACCOUNTS, DS_STATE_DIR "/stage/accounts.1.snap",
	  DS_STATE_DIR "/private", DS_STATE_DIR "/private/.accounts.tmp",
	  DS_ACCOUNTS_SNAP, 0640 },
	{ DS_SNAP_BASE, DS_STATE_DIR "/stage/base.1.snap",
	  DS_STATE_DIR "/public", DS_STATE_DIR "/public/.base.tmp",
	  DS_PUBLIC_SNAP, 0644 },
};
#define TARGETS (sizeof(targets) / sizeof(targets[0]))

static int fail(const char *what)
{
	int saved = errno;

	ds_log(DS_LOG_ERR, "cannot publish: %s: %s", what, strerror(saved));
	errno = saved;
	return DS_ERR_SYS;
}

/* The folder is sync's, so anything may lie there under that name. */
static int open_staged(const char *path, int *ret_fd)
{
	const struct passwd *pw = getpwnam(DS_SYNC_USER);
	struct stat st;
	int fd;

	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return fail(path);
	if (fstat(fd, &st) || !pw || !S_ISREG(st.st_mode) ||
	    st.st_uid != pw->pw_uid) {
		ds_log(DS_LOG_ERR, "cannot publish: %s is not a file of %s",
		       path, DS_SYNC_USER);
		close(fd);
		return DS_ERR_UNSAFE;
	}
	*ret_fd = fd;
	return DS_OK;
}

static int sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int bad = fd < 0 || fsync(fd);

	if (fd >= 0)
		close(fd);
	return bad ? fail(path) : DS_OK;
}

static int fill(const struct target *t, int from, int to,
		const struct ds_snap_stamp *stamp)
{
	const struct group *gr = getgrnam(DS_AUTH_USER);
	gid_t gid = t->kind == DS_SNAP_BASE ? 0 : gr ? gr->gr_gid : 0;
	int r;

	if (fchown(to, 0, gid) || fchmod(to, t->mode))
		return fail(t->tmp);
	r = ds_snap_stamp_copy(from, to, SIZE_MAX_BYTES, stamp);
	if (r == DS_ERR_SYS)
		return fail(t->tmp);
	if (r)
		ds_log(DS_LOG_ERR, "cannot publish %s: %s", t->staged,
		       ds_strerror(r));
	else if (fsync(to))
		return fail(t->tmp);
	return r;
}

static int publish_one(const struct target *t,
		       const struct ds_snap_stamp *stamp)
{
	int from, to, r, saved;

	r = open_staged(t->staged, &from);
	if (r)
		return r;
	unlink(t->tmp);
	to = open(t->tmp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		  0600);
	r = to < 0 ? fail(t->tmp) : fill(t, from, to, stamp);
	if (!r && rename(t->tmp, t->path))
		r = fail(t->path);
	if (!r)
		r = sync_folder(t->folder);
	saved = errno;
	if (r)
		unlink(t->tmp);
	if (to >= 0)
		close(to);
	close(from);
	errno = saved;
	return r;
}

static int publish_all(struct dsm_monitor *m)
{
	struct ds_snap_stamp stamp = {
		.policy = ds_config_policy(m->config),
		.generation = m->generation + 1,
		.published = (uint64_t)time(NULL),
		.id_min = m->config->identity.id_range.min,
		.id_max = m->config->identity.id_range.max,
	};
	size_t i;
	int r;

	snprintf(stamp.domain, sizeof(stamp.domain), "%s",
		 m->config->domain.name);
	for (i = 0; i < TARGETS; i++) {
		stamp.kind = targets[i].kind;
		r = publish_one(&targets[i], &stamp);
		if (r)
			return r;
	}
	m->generation = stamp.generation;
	m->published = (int64_t)stamp.published;
	return DS_OK;
}

static void tell_children(struct dsm_monitor *m, uint64_t stage, int r,
			  int error)
{
	uint8_t buf[64];
	struct ds_writer w;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_PUBLISHED, 0);
	ds_put_u64(&w, stage);
	ds_put_u32(&w, (uint32_t)-r);
	ds_put_u64(&w, m->generation);
	ds_put_u32(&w, r == DS_ERR_SYS ? (uint32_t)error : 0);
	dsm_child_send(m, DSM_SYNC, &w, -1);
	if (r)
		return;
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_RELOADED, 0);
	dsm_child_send(m, DSM_AUTH, &w, -1);
}

void dsm_publish(struct dsm_monitor *m, uint64_t stage)
{
	int r = publish_all(m), error = errno;

	if (!r) {
		ds_log(DS_LOG_INFO, "published generation %ju",
		       (uintmax_t)m->generation);
		m->snapshot_problem[0] = '\0';
		m->verified_ms = ds_now_ms();
		m->public_known = stat(DS_PUBLIC_SNAP, &m->public_seen) == 0;
	}
	tell_children(m, stage, r, error);
}

/* The checksum of each file; the first problem in words. */
static int verify(char *problem, size_t cap, uint64_t *ret_generation,
		  int64_t *ret_published)
{
	struct ds_snap snap;
	size_t i;
	int r;

	for (i = 0; i < TARGETS; i++) {
		r = ds_snap_open(targets[i].path, targets[i].kind, 0, &snap);
		if (!r) {
			*ret_generation = snap.stamp.generation;
			*ret_published = (int64_t)snap.stamp.published;
			r = ds_snap_verify(&snap);
			ds_snap_close(&snap);
		}
		if (r) {
			snprintf(problem, cap, "%s: %s", targets[i].path,
				 r == DS_ERR_SYS ? strerror(errno)
						 : ds_strerror(r));
			return r;
		}
	}
	problem[0] = '\0';
	return DS_OK;
}

static bool seen_before(const struct dsm_monitor *m)
{
	struct stat st;

	if (stat(DS_PUBLIC_SNAP, &st))
		return !m->public_known;
	return m->public_known && dsm_same_file(&st, &m->public_seen);
}

void dsm_publish_check(struct dsm_monitor *m)
{
	uint8_t buf[64];
	struct ds_writer w;
	uint64_t generation = 0;
	int64_t published = 0;

	if (seen_before(m) && ds_now_ms() - m->verified_ms < VERIFY_MS)
		return;
	m->verified_ms = ds_now_ms();
	m->public_known = stat(DS_PUBLIC_SNAP, &m->public_seen) == 0;
	if (verify(m->snapshot_problem, sizeof(m->snapshot_problem),
		   &generation, &published) == 0)
		return;
	ds_log(DS_LOG_WARN,
	       "the published snapshot is damaged or gone (%s); "
	       "writing it again",
	       m->snapshot_problem);
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_RESTAGE, 0);
	dsm_child_send(m, DSM_SYNC, &w, -1);
}

/* Where an earlier run left off; a new host has nothing yet. */
void dsm_publish_init(struct dsm_monitor *m)
{
	if (verify(m->snapshot_problem, sizeof(m->snapshot_problem),
		   &m->generation, &m->published))
		ds_log(DS_LOG_NOTICE, "no usable snapshot yet: %s",
		       m->snapshot_problem);
	m->verified_ms = ds_now_ms();
	m->public_known = stat(DS_PUBLIC_SNAP, &m->public_seen) == 0;
}

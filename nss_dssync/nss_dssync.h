/*
 * libnss_dssync.so.2: what its files share.  The module answers from the
 * mapped snapshot and nothing else: no sockets, no locks shared with other
 * processes, no memory of its own but initgroups' array.  See nss(5) and the
 * GNU C Library manual, "Extending NSS".
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef NSS_DSSYNC_H
#define NSS_DSSYNC_H

#include <grp.h>
#include <nss.h>
#include <pwd.h>
#include <stddef.h>

#include "lib/snapshot.h"

#define NSS_EXPORT __attribute__((visibility("default")))

/* Tests and the benchmark build the module with their own file, owner and
 * clock (seconds, of any origin). */
#ifndef DS_SNAP_OWNER
#define DS_SNAP_OWNER 0
#endif
#ifndef DS_SNAP_NOW
#define DS_SNAP_NOW nss_now()
#endif

/*
 * Borrows the current snapshot, opening it or a newer one if needed; it stays
 * mapped until nss_snap_put().  Any number of threads may hold one, a fork in
 * between is harmless in parent and child, and nothing blocks.  errno is
 * untouched on success.  DS_ERR_UNAVAIL: there is no usable file.
 */
struct nss_hold {
	struct ds_snap *snap;
	struct nss_slot *slot; /* NULL: snap is `own` */
	struct ds_snap own;
};
DS_MUST_CHECK int nss_snap_get(struct nss_hold *hold);
void nss_snap_put(struct nss_hold *hold);

/*
 * ds_err -> what glibc wants to hear; the only such mapping.  A damaged entry
 * is one that does not exist.
 */
enum nss_status nss_result(int err, int *errnop);

/*
 * The answers: strings go to the caller's buffer.  DS_ERR_RANGE: it is too
 * small.
 */
DS_MUST_CHECK int nss_fill_passwd(const struct ds_snap_user *user,
				  struct passwd *pw, char *buf, size_t len);
DS_MUST_CHECK int nss_fill_group(const struct ds_snap *snap,
				 const struct ds_snap_group *group,
				 struct group *gr, char *buf, size_t len);

/*
 * Walking through all entries, with a mapping of its own, so that a
 * publication in between changes nothing: the state is the process's, as that
 * of getpwent(3) is, and locked, not forked into trouble by anything that
 * glibc's own lock around it would survive.
 */
struct nss_walk;
extern struct nss_walk nss_walk_passwd, nss_walk_group;
enum nss_status nss_walk_start(struct nss_walk *walk, int *errnop);
void nss_walk_end(struct nss_walk *walk);
/*
 * Calls `fill` with the next index until it neither returns DS_ERR_FORMAT (a
 * damaged entry, passed over) nor DS_ERR_NOTFOUND is all that is left.  The
 * position stays where the buffer was too small.
 */
typedef int nss_fill_fn(const struct ds_snap *snap, uint32_t index,
			void *result, char *buf, size_t len);
enum nss_status nss_walk_next(struct nss_walk *walk, nss_fill_fn *fill,
			      void *result, char *buf, size_t len,
			      int *errnop);

#endif

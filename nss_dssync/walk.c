/*
 * Enumeration.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <pthread.h>

#include "nss_dssync/nss_dssync.h"

struct nss_walk {
	pthread_mutex_t lock;
	struct ds_snap snap; /* base NULL: not begun */
	uint32_t next;
};

struct nss_walk nss_walk_passwd = { .lock = PTHREAD_MUTEX_INITIALIZER };
struct nss_walk nss_walk_group = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Opening is a cancellation point, and the lock must not be lost. */
static int walk_lock(struct nss_walk *walk)
{
	int state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	pthread_mutex_lock(&walk->lock);
	return state;
}

static void walk_unlock(struct nss_walk *walk, int state)
{
	pthread_mutex_unlock(&walk->lock);
	pthread_setcancelstate(state, NULL);
}

static int start(struct nss_walk *walk)
{
	int saved = errno;

	ds_snap_close(&walk->snap);
	walk->next = 0;
	if (ds_snap_open(DS_PUBLIC_SNAP, DS_SNAP_BASE, DS_SNAP_OWNER,
			 &walk->snap) != 0)
		return DS_ERR_UNAVAIL;
	errno = saved;
	return 0;
}

enum nss_status nss_walk_start(struct nss_walk *walk, int *errnop)
{
	int state = walk_lock(walk);
	int r = start(walk);

	walk_unlock(walk, state);
	return nss_result(r, errnop);
}

void nss_walk_end(struct nss_walk *walk)
{
	int saved = errno, state = walk_lock(walk);

	ds_snap_close(&walk->snap);
	walk_unlock(walk, state);
	errno = saved;
}

enum nss_status nss_walk_next(struct nss_walk *walk, nss_fill_fn *fill,
			      void *result, char *buf, size_t len, int *errnop)
{
	int state = walk_lock(walk);
	int r = walk->snap.base ? 0 : start(walk);

	while (r == 0) {
		r = fill(&walk->snap, walk->next, result, buf, len);
		if (r == DS_ERR_NOTFOUND || r == DS_ERR_RANGE)
			break;
		walk->next++;
		if (r == 0)
			break;
		r = 0; /* a damaged entry */
	}
	walk_unlock(walk, state);
	return nss_result(r, errnop);
}

/*
 * Which snapshot answers: a few slots with a reference count each, the current
 * one among them.  All of it is atomic operations; a lock could be held
 * by another thread when a process forks, and the child would wait for ever.
 *
 * A slot is FREE, or claimed by one thread that opens a file into it, or READY
 * with refs > 0: one for being current, one for each lookup under way.  Who
 * drops the last one unmaps.  Readers only ever raise a count that is not 0,
 * so a slot that is being emptied or filled is never entered; a slot that was
 * refilled meanwhile is as good as the one that was meant.
 *
 * What a fork in the middle of another thread's lookup costs the child is
 * a reference that nobody drops: a mapping that stays.  If ever all slots are
 * gone, each lookup opens the file for itself.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "nss_dssync/nss_dssync.h"

#define SLOTS 8

struct nss_slot {
	atomic_uint refs;
	atomic_bool claimed;
	struct ds_snap snap;
};

static struct nss_slot slots[SLOTS];
static struct nss_slot *_Atomic current;
static atomic_long checked; /* the second in which the file was looked at */

static bool slot_ref(struct nss_slot *slot)
{
	unsigned refs =
	    atomic_load_explicit(&slot->refs, memory_order_relaxed);

	while (refs != 0)
		if (atomic_compare_exchange_weak_explicit(
			&slot->refs, &refs, refs + 1, memory_order_acquire,
			memory_order_relaxed))
			return true;
	return false;
}

static void slot_unref(struct nss_slot *slot)
{
	if (atomic_fetch_sub_explicit(&slot->refs, 1, memory_order_acq_rel) !=
	    1)
		return;
	ds_snap_close(&slot->snap);
	atomic_store_explicit(&slot->claimed, false, memory_order_release);
}

static struct nss_slot *slot_claim(void)
{
	int i;

	for (i = 0; i < SLOTS; i++)
		if (!atomic_exchange_explicit(&slots[i].claimed, true,
					      memory_order_acquire))
			return &slots[i];
	return NULL;
}

/* Makes *snap current, and the hold's; without a free slot just the hold's. */
static void publish(struct nss_hold *hold, const struct ds_snap *snap)
{
	struct nss_slot *slot = slot_claim(), *old;

	hold->slot = slot;
	if (!slot) {
		hold->own = *snap;
		hold->snap = &hold->own;
		return;
	}
	slot->snap = *snap;
	hold->snap = &slot->snap;
	atomic_store_explicit(&slot->refs, 2, memory_order_release);
	old = atomic_exchange_explicit(&current, slot, memory_order_acq_rel);
	if (old)
		slot_unref(old);
}

static bool hold_current(struct nss_hold *hold)
{
	struct nss_slot *slot;

	/* A slot that is not current any more may be on its way out; then
	 * there is another by now. */
	while ((slot = atomic_load_explicit(&current, memory_order_acquire))) {
		if (slot_ref(slot)) {
			hold->slot = slot;
			hold->snap = &slot->snap;
			return true;
		}
	}
	return false;
}

static inline __attribute__((unused)) long nss_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec;
}

/* True for one thread, once a second. */
static bool time_to_check(void)
{
	long now = DS_SNAP_NOW;
	long last = atomic_load_explicit(&checked, memory_order_relaxed);

	return now != last &&
	       atomic_compare_exchange_strong(&checked, &last, now);
}

static int open_file(struct nss_hold *hold)
{
	struct ds_snap snap;
	int state, r;

	/* open() is a cancellation point, and the slot must not be lost. */
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
	r = ds_snap_open(DS_PUBLIC_SNAP, DS_SNAP_BASE, DS_SNAP_OWNER, &snap);
	if (r == 0) {
		if (hold->snap)
			nss_snap_put(hold);
		publish(hold, &snap);
	}
	pthread_setcancelstate(state, NULL);
	return r;
}

int nss_snap_get(struct nss_hold *hold)
{
	int saved = errno;

	hold->snap = NULL;
	if (!hold_current(hold)) {
		if (open_file(hold) != 0)
			return DS_ERR_UNAVAIL;
	} else if (time_to_check() &&
		   ds_snap_changed(hold->snap, DS_PUBLIC_SNAP)) {
		/* Where the new file is no good, or gone for a moment, the
		 * old one still is. */
		(void)!open_file(hold);
	}
	errno = saved;
	return 0;
}

void nss_snap_put(struct nss_hold *hold)
{
	if (hold->slot)
		slot_unref(hold->slot);
	else
		ds_snap_close(&hold->own);
	hold->snap = NULL;
}

enum nss_status nss_result(int err, int *errnop)
{
	switch (err) {
	case DS_OK:
		return NSS_STATUS_SUCCESS;
	case DS_ERR_RANGE:
		*errnop = ERANGE;
		return NSS_STATUS_TRYAGAIN;
	case DS_ERR_NOMEM:
		*errnop = ENOMEM;
		return NSS_STATUS_TRYAGAIN;
	case DS_ERR_UNAVAIL:
		*errnop = ENOENT;
		return NSS_STATUS_UNAVAIL;
	default:
		*errnop = ENOENT;
		return NSS_STATUS_NOTFOUND;
	}
}

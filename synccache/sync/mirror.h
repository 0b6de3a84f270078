/*
 * Changes to the stored objects inside one transaction: what a pull is made
 * of.  No LDAP here: entries come in, from a server or from a test.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_MIRROR_H
#define DSS_MIRROR_H

#include "synccache/sync/guidmap.h"
#include "synccache/sync/object.h"
#include "synccache/sync/store.h"
#include "synccache/sync/valve.h"

struct dss_guids {
	struct ds_guid *list;
	size_t count, cap;
};
DS_MUST_CHECK int dss_guids_add(struct dss_guids *guids,
				const struct ds_guid *guid);

#define DSS_STORED_FEW 1000

struct dss_mirror {
	struct dss_txn *txn; /* borrowed */
	bool full;           /* a first load: every object starts blank */
	uint64_t changed;    /* objects whose stored form is now another */
	struct dss_guids
	    stored;             /* theirs, not sorted, some twice: while few */
	uint64_t malformed;     /* entries without a usable objectGUID */
	char malformed_dn[256]; /* the first of them */
	struct dss_guidmap seen; /* GUIDs that this load or listing showed */
	struct dss_guids incomplete; /* to be read again as a whole */
	struct dss_guids partial;    /* with a slice of their members */
	/* Deleted and there again: the links to them ended without a word. */
	struct dss_guids back;
	/* Said not to be there any more; those in `dead` were not shown
	 * again since: the last word counts. */
	struct dss_guids gone;
	struct dss_guidmap dead;
	/* What was deleted shortly before; the caller sets it, and
	 * dss_mirror_drop() adds to it. */
	struct dss_tally went;
	struct dss_arena scratch; /* of one entry */
};

void dss_mirror_init(struct dss_mirror *m, struct dss_txn *txn, bool full);
void dss_mirror_done(struct dss_mirror *m);

/* An entry of a DirSync reply.  Store errors and DS_ERR_NOMEM only. */
DS_MUST_CHECK int dss_mirror_delta(struct dss_mirror *m,
				   const struct dss_entry *entry);
/* An entry of a search for all attributes: the object is just that. */
DS_MUST_CHECK int dss_mirror_whole(struct dss_mirror *m,
				   const struct dss_entry *entry);
/* An entry of a listing (objectGUID and DN): notes that it is there. */
DS_MUST_CHECK int dss_mirror_listed(struct dss_mirror *m,
				    const struct dss_entry *entry);
/* The whole object as read; what was stored of it before is replaced. */
DS_MUST_CHECK int dss_mirror_replace(struct dss_mirror *m,
				     const struct dss_object *obj);
/* Adds to `partial` what has links to an object of `back`. */
DS_MUST_CHECK int dss_mirror_relink(struct dss_mirror *m);
/* Adds one membership that a member's memberOf tells of. */
DS_MUST_CHECK int dss_mirror_join(struct dss_mirror *m,
				  const struct ds_guid *member,
				  const struct ds_guid *group);
/* Sets the flags of a stored object, of those of the scope, too. */
DS_MUST_CHECK int dss_mirror_flag(struct dss_mirror *m,
				  const struct ds_guid *guid, uint32_t flags);
/*
 * Gives the object of this GUID the history that `old` has, and marks it
 * (DSS_OBJ_HISTORY).
 */
DS_MUST_CHECK int dss_mirror_keep_history(struct dss_mirror *m,
					  const struct dss_object *old);
/* Every object without what is only shown to people (dss_object_bare()). */
DS_MUST_CHECK int dss_mirror_bare(struct dss_mirror *m);
/* DS_ERR_NOTFOUND, or the object, borrowed until the next change. */
DS_MUST_CHECK int dss_mirror_get(struct dss_mirror *m,
				 const struct ds_guid *guid,
				 struct dss_object *ret_obj);

/*
 * Visits each object that was stored, as the store had it before and as it is
 * now, like dss_txn_diff(); of many, that one does it.
 */
DS_MUST_CHECK int dss_mirror_stored(struct dss_mirror *m,
				    struct dss_txn *before,
				    dss_visit_moved visit, void *arg);

/* Says that an object is not there any more; DS_ERR_NOMEM, store errors. */
DS_MUST_CHECK int dss_mirror_gone(struct dss_mirror *m,
				  const struct ds_guid *guid);
/* Says that it is; true: the word before was that it is not. */
bool dss_mirror_there(struct dss_mirror *m, const struct ds_guid *guid);
/* Adds every stored object that `seen` lacks to `gone`. */
DS_MUST_CHECK int dss_mirror_missing(struct dss_mirror *m);

/*
 * Deletes what is in `gone`, with their memberships, as far as the safety
 * valve lets it; the others are held.  `accept` opens the valve, also for
 * what was held before.  Where the host shows a part of the domain, both the
 * domain and that part must not lose too much.
 */
DS_MUST_CHECK int dss_mirror_drop(struct dss_mirror *m, uint64_t max_percent,
				  bool accept, size_t *ret_dropped,
				  size_t *ret_held);

#endif

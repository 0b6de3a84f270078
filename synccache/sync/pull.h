/*
 * What the parts of a pull share: the pull itself, the strategies that bring
 * the changes, and the reading of single objects.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_PULL_H
#define DSS_PULL_H

#include "synccache/sync/meta.h"
#include "synccache/sync/mirror.h"
#include "synccache/sync/sync.h"
#include "synccache/sync/usn.h"
#include "synccache/sync/valve.h"

struct dss_strategy;

/* One pull, all in one transaction. */
struct dss_pull {
	struct dss_sync *s;
	struct dss_mirror m;
	struct dss_meta meta;
	struct dss_valve valve;
	struct dss_cookie cookie;            /* where the strategy stands */
	struct dss_usn usn;                  /* where the server stood, */
	bool marked;                         /* ... if it says so */
	const struct dss_strategy *strategy; /* NULL: to be chosen */
	bool first;                          /* nothing whole was there */
	bool full, reconcile, accept;
	bool asked_full;       /* for somebody who wants it */
	bool moved;            /* the cookie is from another server */
	size_t asked;          /* of s->asked that were read again */
	bool unseen;           /* the one read last, which may exist still */
	uint64_t refused;      /* objects that may not be read, */
	struct ds_guid barred; /* ... the first of them */
	bool policy_changed;   /* all limits of accounts are others then */
};

/*
 * A way to learn what changed.  The first that the server lets us use is
 * chosen with a full load, and stays until the next one.
 */
struct dss_strategy {
	const char *key;  /* of the store: which one the cookie belongs to */
	const char *name; /* for people */
	const char *why;
	/* Object security apart: the server tells of objects that the
	 * account could not find by a search. */
	bool beyond;
	/*
	 * All objects of a full load, else what changed since the cookie,
	 * which is replaced.  DS_ERR_VERSION: refused, or the cookie was.
	 */
	int (*changes)(struct dss_pull *p);
	/* Every object there is, to dss_mirror_listed(). */
	int (*list)(struct dss_pull *p);
};

/* With the replication right, and without (dirsync.c). */
extern const struct dss_strategy dss_dirsync_replication;
extern const struct dss_strategy dss_dirsync_security;
/* Where DirSync is refused (listing.c). */
extern const struct dss_strategy dss_listing;
/* list() by a search. */
DS_MUST_CHECK int dss_listing_list(struct dss_pull *p);

/* Every user and group, computers apart. */
#define DSS_PULL_FILTER                                                       \
	"(|(&(objectClass=user)(!(objectClass=computer)))(objectClass=group)" \
	")"
#define DSS_PULL_SILENCE_MS 60000

/* A search of the whole domain for them, one entry at a time to `entry`. */
struct dss_search dss_pull_search(struct dss_pull *p, const char *const *attrs,
				  int (*entry)(void *arg,
					       const struct dss_entry *entry));
/* The attributes that the configuration asks for. */
const char *const *dss_pull_attributes(const struct dss_sync *s);
/* For the status: a phase begins, an object is done. */
void dss_pull_phase(struct dss_sync *s, const char *phase, uint64_t expected);
void dss_pull_count(struct dss_sync *s);
/* Remembers what is wrong, or ("") that it is well; logged as it changes. */
void dss_pull_notice(struct dss_sync *s, enum dss_notice which,
		     const char *text);
/* True if ids may become others than those given out. */
bool dss_pull_moves_ids(const struct dss_pull *p);

/* Reads what came in slices, to its end (reread.c). */
DS_MUST_CHECK int dss_reread_partial(struct dss_pull *p);
/* What a delta told only in part, or a listing showed for the first time. */
DS_MUST_CHECK int dss_reread_incomplete(struct dss_pull *p);
/*
 * What a live look did not find (s->asked).  Each goes if it is not there for
 * this connection either; but no more of them between two listings than the
 * valve lets go at once, as each looks harmless alone.
 */
DS_MUST_CHECK int dss_reread_asked(struct dss_pull *p);

/*
 * The valve of a first load, which has no store to compare with: what is
 * published says what there was.  DS_ERR_DENIED with s->why: too much of it
 * is missing, or an id would move (lost.c).
 */
DS_MUST_CHECK int dss_lost_check(struct dss_pull *p);

/*
 * The valve for what objects lose that stay (faded.c): DS_ERR_DENIED with
 * s->why and a notice if an attribute that matters goes from too many.  The
 * SIDs of a history that give an id stay even if it is one object's only.
 */
DS_MUST_CHECK int dss_faded_check(struct dss_pull *p);
/* Has those whose history was kept read again, where it need not be kept. */
DS_MUST_CHECK int dss_faded_accept(struct dss_pull *p);

#endif

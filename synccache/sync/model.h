/*
 * From the mirror to what is published: who gets which name and id, who is
 * withheld and why, who is in which group.  Pure: no LDAP, no database, no
 * clock; the same objects in any order give the same result.
 *
 * The rules are those of dssync.conf(5), [identity], and dssync-idmap(7).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_MODEL_H
#define DSS_MODEL_H

#include "lib/config.h"
#include "lib/snapshot.h"
#include "synccache/sync/arena.h"
#include "synccache/sync/locals.h"
#include "synccache/sync/object.h"

/* A slice of id_range, and whose it is: "DOMAIN-SID" or "DOMAIN-SID-RID". */
struct dss_slice {
	uint32_t slice;
	const char *name;
};

/* What is known besides the objects; borrowed while building. */
struct dss_facts {
	const struct ds_config *config;
	const struct dss_locals *locals;
	struct ds_sid domain_sid;
	const char *netbios;
	const char *base_dn; /* the domain's naming context */
	/* Slices given away before, which nobody else gets. */
	const struct dss_slice *pins;
	size_t npins;
};

struct dss_model_user {
	const struct dss_object *obj;
	const char *name, *gecos, *home, *shell;
	const char *key_upn, *key_sam; /* NULL: not to be found so */
	bool not_bare; /* the bare sAMAccountName means somebody else */
	uint32_t uid, gid;
	const uint32_t *gids; /* rising, without gid */
	uint32_t ngids;
	uint32_t flags; /* enum ds_identity_flags */
};

struct dss_model_group {
	const struct dss_object *obj;
	const char *name;
	const char *key_sam;
	uint32_t gid;
	uint32_t *members; /* indices of users, rising */
	uint32_t nmembers;
	uint32_t flags;
};

struct dss_links; /* model_impl.h */

/* So many users may come before everything is built anew. */
#define DSS_NEWCOMERS 64

struct dss_model {
	struct dss_model_user *users; /* oldest first */
	size_t nusers, users_cap;
	struct dss_model_group *groups;
	size_t ngroups;
	struct ds_snap_note *notes;
	size_t nnotes;
	/* Names with a domain that mean nobody, folded: their owners are
	 * withheld, and nobody else may answer to them. */
	const char **reserved;
	size_t nreserved;
	struct dss_slice *slices; /* the pins, and those added */
	size_t nslices;
	/* The base, or the accounts, are others than when these were last
	 * cleared: by whoever wrote them. */
	bool base_changed, accounts_changed;
	struct dss_links *links; /* what dss_model_update() needs */
	struct dss_arena arena;  /* owns it all but the objects */
};

/*
 * The objects stay borrowed by the result.  DS_ERR_NOMEM, or DS_ERR_LIMIT
 * above 2^31 objects.
 */
DS_MUST_CHECK int dss_model_build(const struct dss_object *objs, size_t count,
				  const struct dss_facts *facts,
				  struct dss_model *ret_model);
void dss_model_done(struct dss_model *model);

/* The published user of that GUID, or NULL. */
const struct dss_model_user *dss_model_find_user(const struct dss_model *model,
						 const struct ds_guid *guid);

/*
 * What the model sorts objects by, oldest first and then by GUID.  One whose
 * age is unknown is the newest: it takes nothing away.
 */
uint64_t dss_model_age(const struct dss_object *obj);
/* In that order: as strcmp(). */
int dss_model_order(const struct dss_object *a, const struct dss_object *b);

/*
 * An object that the model was built of, and what it is now.  One that is not
 * there, before or now, is one of no kind, with its GUID alone.  Of the old
 * one the bytes that it borrows must still be there.
 */
struct dss_change {
	struct dss_object *obj; /* becomes `now` */
	const struct dss_object *now;
};

/*
 * Takes over changes that decide nothing about anybody's name, id or being
 * published: texts, times, flags, and members, where only those are looked at
 * again whom a changed membership touches; and those that decide it for their
 * own object alone: users who come, go, or get other names, which nobody else
 * has to do with.  `objs`: all objects, the changed ones among them; one of no
 * kind is none.  The result is what a build would give, but for the room it
 * takes in the arena.
 *
 * DS_ERR_CONFLICT: the model has to be built anew; it is good for nothing any
 * more.  DS_ERR_NOMEM: likewise.
 */
DS_MUST_CHECK int dss_model_update(struct dss_model *model,
				   const struct dss_facts *facts,
				   const struct dss_object *objs, size_t nobjs,
				   const struct dss_change *changes,
				   size_t count);

#endif

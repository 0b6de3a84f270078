/*
 * The part of the domain that this host shows: sync.bases, sync.origin and
 * sync.groups.  Pure: no LDAP, no database.
 *
 * The store has the whole domain, so that a change of these keys needs no
 * reload; who is in the scope is a flag of each record (rescope.h).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_SCOPE_H
#define DSS_SCOPE_H

#include "lib/config.h"
#include "synccache/sync/object.h"

/* One item of sync.bases or sync.groups. */
struct dss_scope_part {
	const char *name; /* as configured */
	bool group;       /* else a base */
	bool found;       /* a base: something lies below it */
	bool there;       /* found, and somebody is in it */
	bool taken;       /* the name is another object's by now */
	/*
	 * A group's name is pinned to the object that it first meant: neither
	 * a rename nor a newcomer changes who is in the scope.
	 */
	bool pinned;
	struct ds_guid guid;
};

struct dss_scope_set {
	const struct ds_config *config; /* borrowed, as all of these */
	const struct ds_sid *domain_sid;
	const char *netbios;
	bool repin; /* a pin on what is not there any more is void */
	struct dss_scope_part *parts; /* owned; the bases first */
	size_t nparts;
};

/* True if the configuration leaves anything out. */
bool dss_scope_limits(const struct ds_config *config);

/* True if dn, as the directory has it, is base or lies below it. */
bool dss_scope_below(const char *dn, const char *base);

/*
 * True if an object that changes from one to the other leaves everybody where
 * they are, in the scope or out of it.
 */
bool dss_scope_same(const struct ds_config *config, const struct dss_object *a,
		    const struct dss_object *b);

/* DS_ERR_NOMEM. */
DS_MUST_CHECK int dss_scope_init(struct dss_scope_set *scope,
				 const struct ds_config *config,
				 const struct ds_sid *domain_sid,
				 const char *netbios);
void dss_scope_done(struct dss_scope_set *scope);

/*
 * Who is in the scope: ret_in[i] for objs[i].  With groups these are the
 * groups themselves, their members, nested through groups of any kind (as
 * LDAP_MATCHING_RULE_IN_CHAIN, MS-ADTS 3.1.1.3.4.4.3, goes), and those whose
 * primary group is one of them.  Pins what is not pinned and can be found;
 * fills in the parts.  DS_ERR_NOMEM.
 */
DS_MUST_CHECK int dss_scope_find(struct dss_scope_set *scope,
				 const struct dss_object *objs, size_t count,
				 bool *ret_in);

#endif

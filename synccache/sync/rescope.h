/*
 * Who of the store is in the scope, kept up to date: inside the pull's
 * transaction, and when the configuration is another one than before.
 *
 * The safety valve also stands here: where a base or group of the scope
 * vanishes or is emptied, or too many leave the scope at once, those who were
 * in it stay (DSS_OBJ_KEPT) until they are back or deletions are accepted.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_RESCOPE_H
#define DSS_RESCOPE_H

#include "synccache/sync/mirror.h"
#include "synccache/sync/scope.h"

struct dss_rescope {
	const struct ds_config *config;
	const struct ds_sid *domain_sid;
	const char *netbios;
	/* With what was committed before; NULL: that is not asked. */
	struct dss_store *store;
	bool first;  /* the store was empty: nobody was in the scope before */
	bool accept; /* whoever is out of it goes */
	/* Not in a pull; also if nothing changed, for the notice. */
	bool look;
	/* Results. */
	bool looked;
	size_t left, kept; /* who went out of the scope, or only should have */
	char notice[1024]; /* what of the configuration is not there; "" */
};

/* Store errors and DS_ERR_NOMEM. */
DS_MUST_CHECK int dss_rescope(struct dss_mirror *m, struct dss_rescope *r);

#endif

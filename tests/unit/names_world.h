/*
 * A directory of a test's own, taken the whole way: objects, the real model,
 * the real writer, a stamped file; and then asked for names through the NSS
 * module, the PAM module's identity code and dssyncctl.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef NAMES_WORLD_H
#define NAMES_WORLD_H

#include "lib/config.h"
#include "synccache/sync/locals.h"
#include "synccache/sync/model.h"
#include "synccache/sync/object.h"
#include "tests/unit/sync_domain.h"

#define NW_USERS_RID 513u
#define NW_OBJECTS   128
#define NW_NAME      320 /* bytes that hold any typed name */

struct names_world {
	struct ds_config config;
	struct dss_locals locals;
	struct dss_facts facts;
	struct dss_object objs[NW_OBJECTS];
	size_t count;
	struct dss_arena arena; /* the objects' strings may live here */
	uint64_t generation;
};

/* For the whole group of tests: the directory that the file is in. */
int nw_group_setup(void **state);
int nw_group_teardown(void **state);

/* The defaults of the configuration; no objects but "Domain Users". */
void nw_init(struct names_world *w);
void nw_done(struct names_world *w);
/* Forgets the objects, keeps the configuration. */
void nw_clear(struct names_world *w);

/*
 * Objects are the older the lower their RID is.  uidNumber or gidNumber is
 * what id_mapping = sid comes to: both give the same ids.
 */
struct dss_object *nw_user(struct names_world *w, uint32_t rid,
			   const char *sam, const char *upn);
struct dss_object *nw_group(struct names_world *w, uint32_t rid,
			    const char *sam);

/* Adds a value to the object's SID history. */
void nw_history(struct names_world *w, struct dss_object *obj,
		const char *sid);

/* Builds the model into *ret_model if that is wanted (else NULL), writes the
 * snapshot, and puts it where the modules look. */
void nw_publish(struct names_world *w, struct dss_model *ret_model);
/* The file that was published. */
const char *nw_path(void);

/* A local passwd entry that comes before the domain's; NULL: none. */
void nw_local_user(const char *name, uint32_t uid);

/* A name resolved on one way. */
struct nw_answer {
	uint32_t id;        /* 0: nobody */
	char name[NW_NAME]; /* canonical; "" where that way does not say */
};
enum nw_way { NW_NSS, NW_PAM, NW_CLI, NW_EXPLAIN, NW_WAYS };
extern const char *const nw_way_names[NW_WAYS];
void nw_ask_user(enum nw_way way, const char *typed,
		 struct nw_answer *ret_answer);
/* PAM knows no groups: it answers as NSS. */
void nw_ask_group(enum nw_way way, const char *typed,
		  struct nw_answer *ret_answer);
/* What dssyncctl said last (user, group or explain), as JSON text. */
const char *nw_explained(void);

#endif

/*
 * A few objects, and the model that is built of them.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TEST_MODEL_WORLD_H
#define TEST_MODEL_WORLD_H

#include "tests/unit/unit.h"

#include "synccache/sync/model.h"
#include "tests/unit/sync_domain.h"
#include "tests/unit/sync_scope.h"

#define UAC_NORMAL  0x200u
#define SECURITY    0x80000002u
#define MAX_OBJECTS 64

struct world {
	struct ds_config config;
	struct dss_locals locals;
	struct dss_facts facts;
	struct dss_object objs[MAX_OBJECTS];
	size_t count;
	struct dss_arena arena; /* of member lists */
	struct dss_model model;
};

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	default_config(&w->config);
	w->facts = facts_of(&w->config, &w->locals);
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	struct world *w = *state;

	dss_model_done(&w->model);
	dss_arena_done(&w->arena);
	free(w);
	return 0;
}

/* The object's number is also its RID. */
static inline struct dss_object *add(struct world *w, enum dss_kind kind,
				     uint32_t rid, const char *sam)
{
	struct ds_guid guid = { { (uint8_t)(rid >> 8), (uint8_t)rid, 1 } };
	struct dss_object *obj = &w->objs[w->count++];

	assert_true(w->count <= MAX_OBJECTS);
	dss_object_init(obj, &guid);
	obj->kind = kind;
	obj->sam = sam;
	obj->dn = "CN=x,OU=AADDC Users," BASE_DN;
	obj->created = 1000 + rid; /* older: a lower number */
	obj->present = DSS_F_CLASS | DSS_F_SID | DSS_F_SAM | DSS_F_CREATED;
	assert_int_equal(ds_sid_join(&w->facts.domain_sid, rid, &obj->sid), 0);
	return obj;
}

static inline struct dss_object *add_user(struct world *w, uint32_t rid,
					  const char *sam, const char *upn)
{
	struct dss_object *obj = add(w, DSS_KIND_USER, rid, sam);

	obj->upn = upn;
	obj->uac = UAC_NORMAL;
	obj->primary_rid = 513;
	obj->present |= DSS_F_UAC | DSS_F_PRIMARY;
	return obj;
}

static inline struct dss_object *add_group(struct world *w, uint32_t rid,
					   const char *sam)
{
	struct dss_object *obj = add(w, DSS_KIND_GROUP, rid, sam);

	obj->group_type = SECURITY;
	obj->present |= DSS_F_GROUP_TYPE;
	return obj;
}

static inline void join(struct world *w, struct dss_object *group,
			const struct dss_object *member)
{
	struct ds_guid guid = member->guid;

	assert_int_equal(dss_members_change(group, true, &guid, 1, &w->arena),
			 0);
}

static inline void build(struct world *w)
{
	dss_model_done(&w->model);
	assert_int_equal(scope_mark(&w->facts, w->objs, w->count), 0);
	assert_int_equal(
	    dss_model_build(w->objs, w->count, &w->facts, &w->model), 0);
}

static inline const struct dss_model_user *user(const struct world *w,
						uint32_t rid)
{
	for (size_t i = 0; i < w->model.nusers; i++) {
		if (w->model.users[i].obj->created == 1000 + rid)
			return &w->model.users[i];
	}
	return NULL;
}

static inline const struct dss_model_group *group(const struct world *w,
						  uint32_t rid)
{
	for (size_t i = 0; i < w->model.ngroups; i++) {
		if (w->model.groups[i].obj->created == 1000 + rid)
			return &w->model.groups[i];
	}
	return NULL;
}

/* The reason for which the object is withheld; 0: none. */
static inline int withheld(const struct world *w, uint32_t rid)
{
	for (size_t i = 0; i < w->model.nnotes; i++) {
		const uint8_t *b = w->model.notes[i].guid.b;

		if (((uint32_t)b[0] << 8 | b[1]) == rid)
			return (int)w->model.notes[i].reason;
	}
	return 0;
}

static inline bool in_group(const struct world *w, uint32_t rid,
			    uint32_t group_rid)
{
	const struct dss_model_user *u = user(w, rid);

	assert_non_null(u);
	for (uint32_t i = 0; i < u->ngids; i++) {
		if (u->gids[i] == BASE_ID + group_rid)
			return true;
	}
	return false;
}

static inline bool lists(const struct world *w, uint32_t group_rid,
			 uint32_t rid)
{
	const struct dss_model_group *g = group(w, group_rid);

	assert_non_null(g);
	for (uint32_t i = 0; i < g->nmembers; i++) {
		if (w->model.users[g->members[i]].obj->created == 1000 + rid)
			return true;
	}
	return false;
}

#define MODEL_TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

#endif

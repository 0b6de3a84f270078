/*
 * A user who comes, goes, or gets other names, without building the model
 * anew.
 *
 * Such a change may be taken over where nobody else has to do with the names
 * and the id, before and after.  Then a model of the object and of its
 * pw_gid's group alone says what it is in the whole: so the rules stand in one
 * place. Any doubt is a build's.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <string.h>
#include <strings.h>

#include "synccache/sync/model_update.h"

/* Objects: so long before they are read, their names are asked for. */
#define AHEAD 8

/* ---- may it be taken over? ---- */

/* Neither claims anything nor is ever spoken of: also what is not there. */
static bool is_nobody(const struct dss_object *obj)
{
	return !dss_is_user(obj) && obj->kind != DSS_KIND_GROUP &&
	       !(obj->flags & (DSS_OBJ_HELD | DSS_OBJ_KEPT | DSS_OBJ_HISTORY));
}

/* True if something is said of the object, also as the one that has what
 * another wants. */
static bool is_noted(const struct dss_model *model, const struct ds_guid *guid)
{
	char text[DS_GUID_STR_MAX];

	ds_guid_to_str(guid, text);
	for (size_t i = 0; i < model->nnotes; i++) {
		if (ds_guid_equal(&model->notes[i].guid, guid) ||
		    strstr(model->notes[i].detail, text))
			return true;
	}
	return false;
}

static const struct dss_model_group *
published_group(const struct dss_model *model, const struct ds_guid *guid)
{
	const struct dss_links *links = model->links;
	uint32_t number;

	if (!dss_guidmap_find(&links->by_guid, guid, &number) ||
	    DSS_IS_USER(number))
		return NULL;
	number = links->group_of[DSS_NUMBER(number)];
	return number == DSS_NO_NODE ? NULL : &model->groups[number];
}

/* The group of a newcomer's pw_gid, by the SID that the directory says; NULL:
 * none, or more than one. */
static const struct dss_model_group *find_primary(const struct dss_update *u,
						  const struct dss_object *obj)
{
	const struct dss_object *found = NULL;
	struct ds_sid sid;

	if (ds_sid_join(&u->facts->domain_sid, obj->primary_rid, &sid) != 0)
		return NULL;
	for (size_t i = 0; i < u->nobjs; i++) {
		if (u->objs[i].kind != DSS_KIND_GROUP ||
		    !ds_sid_equal(&u->objs[i].sid, &sid))
			continue;
		if (found)
			return NULL;
		found = &u->objs[i];
	}
	return found ? published_group(u->model, &found->guid) : NULL;
}

static const struct dss_model_group *group_of_gid(const struct dss_model *m,
						  uint32_t gid)
{
	for (size_t i = 0; i < m->ngroups; i++) {
		if (m->groups[i].gid == gid)
			return &m->groups[i];
	}
	return NULL;
}

/* Others' ids may come from the same place. */
static bool is_tied(const struct dss_update *u, const struct dss_object *obj)
{
	int mapping = u->facts->config->identity.id_mapping;

	return mapping == DS_IDMAP_ATTRIBUTE ||
	       (mapping == DS_IDMAP_SIDHISTORY && obj->nhistory > 0);
}

/*
 * The model of the object as it is now and of the group of its pw_gid: nothing
 * is said of it there, no slice is new, and it has that group.
 */
static int build_alone(const struct dss_update *u, struct dss_who *who,
		       const struct dss_model_group *group)
{
	struct dss_object objs[2] = { *who->change->now };
	const struct dss_model *alone = &who->alone;
	size_t count = 1;
	int err;

	if (group && group->obj->dn[0]) /* else it is made up there too */
		objs[count++] = *group->obj;
	err = dss_model_build(objs, count, u->facts, &who->alone);
	if (err)
		return err;
	if (is_noted(alone, &objs[0].guid) || alone->nusers != who->is ||
	    alone->nslices != u->model->nslices)
		return DS_ERR_CONFLICT;
	return !who->is || (group && alone->users[0].gid == group->gid)
		   ? DS_OK
		   : DS_ERR_CONFLICT;
}

static int look_at_renamed(struct dss_update *u, struct dss_who *who,
			   const struct dss_model_user *user)
{
	int err = dss_update_within(u, who->change, true);

	if (err == DS_OK)
		err = build_alone(u, who, group_of_gid(u->model, user->gid));
	if (err == DS_OK && who->alone.users[0].uid != user->uid)
		err = DS_ERR_CONFLICT;
	return err;
}

/* A group that is shown for its users alone may go with the last of them. */
static int look_at_gone(const struct dss_update *u, struct dss_who *who,
			const struct dss_model_user *user)
{
	const struct dss_model_group *group =
	    group_of_gid(u->model, user->gid);

	if (is_tied(u, who->change->obj) || !group ||
	    !dss_in_scope(u->facts, group->obj))
		return DS_ERR_CONFLICT;
	return build_alone(u, who, NULL); /* an object that is no user's */
}

static int look_at_newcomer(const struct dss_update *u, struct dss_who *who)
{
	const struct dss_model_group *group =
	    find_primary(u, who->change->now);

	if (is_tied(u, who->change->now) || !group)
		return DS_ERR_CONFLICT;
	who->primary = group->obj;
	return build_alone(u, who, group);
}

static int look_at(struct dss_update *u, struct dss_who *who)
{
	const struct dss_object *old = who->change->obj;
	const struct dss_object *now = who->change->now;
	const struct dss_model_user *user =
	    dss_model_find_user(u->model, &old->guid);

	who->was = user != NULL;
	who->is = dss_is_user(now);
	if ((!who->was && !is_nobody(old)) || (!who->is && !is_nobody(now)) ||
	    is_noted(u->model, &old->guid))
		return DS_ERR_CONFLICT;
	if (who->was && who->is)
		return look_at_renamed(u, who, user);
	if (who->was)
		return look_at_gone(u, who, user);
	return who->is ? look_at_newcomer(u, who) : build_alone(u, who, NULL);
}

int dss_who_add(struct dss_update *u, const struct dss_change *change)
{
	if (u->nwho == DSS_WHO_MAX)
		return DS_ERR_CONFLICT;
	u->who[u->nwho] = (struct dss_who){ .change = change };
	return look_at(u, &u->who[u->nwho++]);
}

/* ---- does it touch others? ---- */

/* One for a letter in both cases, and for a blank and what stands for it. */
static inline char plain(char c, char blank)
{
	if (c == ' ' && blank)
		return blank;
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool alike(const char *a, const char *b, char blank)
{
	while (*a && plain(*a, blank) == plain(*b, blank)) {
		a++;
		b++;
	}
	return !*a && !*b;
}

/* True if the UPN is the sAMAccountName in the domain. */
static bool is_implicit(const char *upn, const char *sam, const char *domain,
			char blank)
{
	while (*sam && plain(*upn, blank) == plain(*sam, blank)) {
		upn++;
		sam++;
	}
	return !*sam && *upn == '@' && strcasecmp(upn + 1, domain) == 0;
}

/* True if any name, or the SID, may be that of both. */
static bool are_rivals(const struct dss_facts *facts,
		       const struct dss_object *a, const struct dss_object *b)
{
	const char *domain = facts->config->domain.name;
	char blank = facts->config->identity.space_replacement[0];

	return a->kind == DSS_KIND_USER && b->kind == DSS_KIND_USER &&
	       ((a->upn[0] && alike(a->upn, b->upn, blank)) ||
		(a->sam[0] && alike(a->sam, b->sam, blank)) ||
		is_implicit(a->upn, b->sam, domain, blank) ||
		is_implicit(b->upn, a->sam, domain, blank) ||
		ds_sid_equal(&a->sid, &b->sid));
}

/* Another object, before or after what changed. */
static bool is_rival(const struct dss_update *u, const struct dss_who *who,
		     const struct dss_object *obj)
{
	return !ds_guid_equal(&obj->guid, &who->change->now->guid) &&
	       (are_rivals(u->facts, obj, who->change->obj) ||
		are_rivals(u->facts, obj, who->change->now));
}

static bool has_rival(const struct dss_update *u, const struct dss_who *who)
{
	for (size_t i = 0; i < u->nobjs; i++) {
		if (i + AHEAD < u->nobjs) {
			__builtin_prefetch(u->objs[i + AHEAD].upn);
			__builtin_prefetch(u->objs[i + AHEAD].sam);
		}
		if (is_rival(u, who, &u->objs[i]))
			return true;
	}
	for (size_t i = 0; i < u->nchanges; i++) {
		if (is_rival(u, who, u->changes[i].now))
			return true;
	}
	return false;
}

int dss_who_check(const struct dss_update *u)
{
	for (size_t i = 0; i < u->nwho; i++) {
		if (has_rival(u, &u->who[i]))
			return DS_ERR_CONFLICT;
	}
	return DS_OK;
}

/* ---- taking it over ---- */

/* A user's number in the model that others have already, or would have. */
static uint32_t place_of(const struct dss_model *model,
			 const struct dss_object *obj)
{
	size_t low = 0, high = model->nusers;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (dss_model_order(model->users[mid].obj, obj) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return (uint32_t)low;
}

struct shift {
	uint32_t from;
	bool back;
};

static void shift_number(void *arg, uint32_t *value)
{
	const struct shift *shift = arg;

	if (!DSS_IS_USER(*value) || DSS_NUMBER(*value) < shift->from)
		return;
	*value = shift->back ? *value - DSS_USER(1) : *value + DSS_USER(1);
}

/* The user at `place` goes, or makes room for another. */
static void renumber(struct dss_model *model, uint32_t place, bool back)
{
	struct shift shift = { place, back };

	dss_guidmap_each(&model->links->by_guid, shift_number, &shift);
	for (size_t i = 0; i < model->ngroups; i++) {
		struct dss_model_group *group = &model->groups[i];
		uint32_t used = 0;

		for (uint32_t k = 0; k < group->nmembers; k++) {
			uint32_t user = group->members[k];

			if (back && user == place)
				continue;
			group->members[used++] = user < place ? user
						 : back       ? user - 1
							      : user + 1;
		}
		group->nmembers = used;
	}
}

static void take_out(struct dss_model *model, const struct dss_who *who)
{
	const struct dss_object *obj = who->change->obj;
	uint32_t place = place_of(model, obj);
	struct dss_model_user *user = &model->users[place];

	dss_guidmap_remove(&model->links->by_guid, &obj->guid);
	dss_graph_remove(&model->links->graph, place);
	renumber(model, place, true);
	model->nusers--;
	memmove(user, user + 1, (model->nusers - place) * sizeof(*user));
}

static const char *keep(struct dss_model *model, const char *s, bool *failed)
{
	const char *copy =
	    s ? dss_arena_strndup(&model->arena, s, strlen(s)) : NULL;

	*failed |= s && !copy;
	return copy;
}

/* What the object is called, as its own model says. */
static int name_user(struct dss_model *model, const struct dss_who *who,
		     struct dss_model_user *user)
{
	const struct dss_model_user *alone = &who->alone.users[0];
	bool failed = false;

	user->name = keep(model, alone->name, &failed);
	user->home = keep(model, alone->home, &failed);
	user->key_upn = keep(model, alone->key_upn, &failed);
	user->key_sam = keep(model, alone->key_sam, &failed);
	user->not_bare = alone->not_bare;
	return failed ? DS_ERR_NOMEM : DS_OK;
}

static int put_in(struct dss_model *model, const struct dss_who *who)
{
	struct dss_object *obj = who->change->obj;
	struct dss_model_user *user;
	uint32_t place;
	bool fresh;
	int err;

	*obj = *who->change->now;
	place = place_of(model, obj);
	user = &model->users[place];
	if (model->nusers == model->users_cap ||
	    dss_graph_insert(&model->links->graph, place) != 0)
		return DS_ERR_CONFLICT;
	renumber(model, place, false);
	err = dss_guidmap_add(&model->links->by_guid, &obj->guid,
			      DSS_USER(place), &fresh);
	if (err)
		return err;
	memmove(user + 1, user, (model->nusers - place) * sizeof(*user));
	model->nusers++;
	*user = (struct dss_model_user){
		.obj = obj,
		.shell = who->alone.users[0].shell,
		.uid = who->alone.users[0].uid,
		.gid = who->alone.users[0].gid,
	};
	return name_user(model, who, user);
}

int dss_who_apply(struct dss_update *u)
{
	struct dss_model *model = u->model;
	int err = DS_OK;

	for (size_t i = 0; i < u->nwho && err == DS_OK; i++) {
		const struct dss_who *who = &u->who[i];

		if (who->was || who->is)
			model->base_changed = model->accounts_changed = true;
		if (who->was && !who->is)
			take_out(model, who);
		else if (!who->was && who->is)
			err = put_in(model, who);
		else if (who->is)
			err = name_user(
			    model, who,
			    &model->users[place_of(model, who->change->obj)]);
	}
	return err;
}

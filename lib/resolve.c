/*
 * Typed name -> object.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/resolve.h"

#include <stdio.h>
#include <string.h>

#include "lib/blocks.h"

/*
 * A typed name, folded.  It is qualified by the first backslash
 * (NETBIOS\sam) or else by the last '@' (sam@dnsdomain).
 */
struct typed {
	char s[DS_NAME_MAX + 1 + 8]; /* written and read in whole words */
	size_t len;
	bool backslash, at; /* at: and no backslash */
};

static bool fold(struct typed *t, const char *typed)
{
	size_t len = strnlen(typed, DS_NAME_MAX + 1), i;
	uint64_t x, backslash = 0, at = 0;

	if (len == 0 || len > DS_NAME_MAX)
		return false;
	for (i = 0; i <= len; i += 8) {
		if (len - i >= 8)
			memcpy(&x, typed + i, 8);
		else
			x = ds_tail8(typed, len);
		backslash |= ds_has8(x, '\\');
		at |= ds_has8(x, '@');
		x = ds_fold8(x);
		memcpy(t->s + i, &x, 8);
	}
	t->len = len;
	t->backslash = backslash != 0;
	t->at = at != 0 && backslash == 0;
	return true;
}

static bool equal_folded(const char *folded, size_t len, const char *other)
{
	size_t i;

	for (i = 0; i < len; i++) {
		unsigned char c = (unsigned char)other[i];

		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		if (c == '\0' || c != (unsigned char)folded[i])
			return false;
	}
	return other[len] == '\0';
}

/*
 * The sAMAccountName that a qualified name is made with, if it is qualified by
 * this domain: the part of t->s from *ret_sam, *ret_len bytes.
 */
static bool qualified_sam(const struct ds_snap *snap, const struct typed *t,
			  const char **ret_sam, size_t *ret_len)
{
	const char *end = t->s + t->len, *sep;

	if (t->backslash) {
		sep = memchr(t->s, '\\', t->len);
		*ret_sam = sep + 1;
		*ret_len = (size_t)(end - *ret_sam);
		return snap->netbios[0] != '\0' &&
		       equal_folded(t->s, (size_t)(sep - t->s),
				    snap->netbios) &&
		       !memchr(*ret_sam, '@', *ret_len);
	}
	sep = memrchr(t->s, '@', t->len);
	*ret_sam = t->s;
	*ret_len = (size_t)(sep - t->s);
	return snap->stamp.domain[0] != '\0' &&
	       equal_folded(sep + 1, (size_t)(end - sep - 1),
			    snap->stamp.domain) &&
	       !memchr(*ret_sam, '@', *ret_len);
}

/* A sAMAccountName as it was typed: its blanks are what the keys have. */
static int find_sam(const struct ds_snap *snap, enum ds_snap_ns ns,
		    const char *sam, size_t len, uint32_t *ret_index)
{
	const char blank = (char)(snap->stamp.policy >> DS_SNAP_BLANK_SHIFT);
	char key[DS_NAME_MAX];
	size_t i;

	if (!blank || !memchr(sam, ' ', len))
		return ds_snap_find(snap, ns, sam, len, ret_index);
	for (i = 0; i < len; i++)
		key[i] = sam[i] == ' ' ? blank : sam[i];
	return ds_snap_find(snap, ns, key, len, ret_index);
}

static int find_user(const struct ds_snap *snap, const struct typed *t,
		     uint32_t *ret_index)
{
	const char *sam;
	size_t len;
	int r;

	if (!t->at && !t->backslash)
		return find_sam(snap, DS_NS_USER_SAM, t->s, t->len, ret_index);
	if (t->at) {
		/* Neither a damaged table nor a reserved name may make the
		 * name mean somebody else. */
		r = ds_snap_find(snap, DS_NS_UPN, t->s, t->len, ret_index);
		if (r != DS_ERR_NOTFOUND)
			return r;
	}
	if (!qualified_sam(snap, t, &sam, &len))
		return DS_ERR_NOTFOUND;
	return find_sam(snap, DS_NS_USER_SAM, sam, len, ret_index);
}

/* What the policy says beyond finding the user. */
static bool user_allowed(const struct ds_snap *snap, const char *typed,
			 bool bare, uint32_t index)
{
	bool canonical = snap->stamp.policy & DS_SNAP_CANONICAL;
	struct ds_snap_user user;

	if (!bare && !canonical)
		return true;
	return ds_snap_user_at(snap, index, &user) == 0 &&
	       !(bare && user.not_bare) &&
	       !(canonical && strcmp(typed, user.blob) != 0);
}

int ds_resolve_user(const struct ds_snap *snap, const char *typed,
		    struct ds_snap_user *ret_user)
{
	const uint32_t bare_policy = DS_SNAP_SHORT_NAMES | DS_SNAP_BARE_USERS;
	struct typed t;
	uint32_t index;
	bool bare;

	if (!fold(&t, typed))
		return DS_ERR_NOTFOUND;
	bare = !t.at && !t.backslash;
	if (bare && (!(snap->stamp.policy & bare_policy) || !ds_bare_ok(t.s)))
		return DS_ERR_NOTFOUND;
	if (find_user(snap, &t, &index) != 0 ||
	    !user_allowed(snap, typed, bare, index) ||
	    ds_snap_user_at(snap, index, ret_user) != 0)
		return DS_ERR_NOTFOUND;
	return 0;
}

int ds_resolve_client(const struct ds_snap *snap, const char *sam,
		      struct ds_snap_user *ret_user)
{
	char upn[DS_NAME_MAX + 1 + sizeof(snap->stamp.domain)];
	struct ds_snap_identity id;
	uint32_t index, other;
	struct typed t;
	int len, r;

	if (!fold(&t, sam) || t.at || t.backslash ||
	    find_sam(snap, DS_NS_USER_SAM, t.s, t.len, &index) != 0 ||
	    /* space_replacement makes two names one, a KDC does not. */
	    ds_snap_user_identity(snap, index, &id) != 0 ||
	    !equal_folded(t.s, t.len, id.sam))
		return DS_ERR_NOTFOUND;
	len = snprintf(upn, sizeof(upn), "%s@%s", t.s, snap->stamp.domain);
	r = ds_snap_find(snap, DS_NS_UPN, upn, (size_t)len, &other);
	if ((r == 0 ? other != index : r != DS_ERR_NOTFOUND) ||
	    ds_snap_user_at(snap, index, ret_user) != 0)
		return DS_ERR_NOTFOUND;
	return 0;
}

int ds_resolve_group(const struct ds_snap *snap, const char *typed,
		     struct ds_snap_group *ret_group)
{
	struct ds_snap_group group;
	struct typed t;
	const char *sam = t.s;
	uint32_t index;
	size_t len;

	if (!fold(&t, typed))
		return DS_ERR_NOTFOUND;
	len = t.len;
	if (t.at || t.backslash) {
		if (!qualified_sam(snap, &t, &sam, &len))
			return DS_ERR_NOTFOUND;
	} else if (!(snap->stamp.policy & DS_SNAP_BARE_GROUPS) ||
		   !ds_bare_ok(t.s)) {
		return DS_ERR_NOTFOUND;
	}
	if (find_sam(snap, DS_NS_GROUP_SAM, sam, len, &index) != 0 ||
	    ds_snap_group_at(snap, index, &group) != 0)
		return DS_ERR_NOTFOUND;
	if ((snap->stamp.policy & DS_SNAP_CANONICAL) &&
	    strcmp(typed, group.blob) != 0)
		return DS_ERR_NOTFOUND;
	*ret_group = group;
	return 0;
}

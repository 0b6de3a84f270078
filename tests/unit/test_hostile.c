/*
 * Snapshots as an attacker who has the sync process would write them: the
 * checksums are good, what they say is not.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "lib/resolve.h"
#include "nss_dssync/nss_dssync.h"
#include "tests/unit/snap_edge.h"
#include "tests/unit/snap_exercise.h"
#include "tests/unit/snap_world.h"

struct hostile {
	struct edge e;
	struct ds_fmt_body *body;
	struct ds_fmt_user *user;
	struct ds_fmt_group *group;
	char *text;
	uint32_t *lists;
	struct ds_snap snap;
};

static void hostile_make(struct hostile *h, uint32_t policy)
{
	size_t size;
	uint8_t *image = world_image(policy, 1, &size);

	edge_make(&h->e, image, size);
	free(image);
	image = h->e.image;
	h->body = (void *)(image + DS_FMT_PAGE);
	h->user = world_section(image, DS_SEC_USERS);
	h->group = world_section(image, DS_SEC_GROUPS);
	h->text = world_section(image, DS_SEC_TEXT);
	h->lists = world_section(image, DS_SEC_LISTS);
}

/* Stamps and opens it, asks everything; then the test asks for its own. */
static void hostile_open(struct hostile *h)
{
	world_restamp(h->e.image, h->e.size);
	snap_exercise_image(h->e.image, h->e.size);
	assert_int_equal(
	    ds_snap_attach(h->e.image, h->e.size, DS_SNAP_BASE, &h->snap), 0);
}

static void hostile_done(struct hostile *h)
{
	ds_snap_close(&h->snap);
	edge_done(&h->e);
}

/* driley is not answered, in any way; the next user is. */
static void driley_is_gone(struct hostile *h)
{
	struct ds_snap_user user;

	hostile_open(h);
	assert_int_equal(
	    ds_resolve_user(&h->snap, "driley@aaddscontoso.com", &user),
	    DS_ERR_NOTFOUND);
	assert_int_not_equal(ds_snap_user_by_uid(&h->snap, WORLD_UID0, &user),
			     0);
	assert_int_equal(ds_snap_user_at(&h->snap, W_DRILEY, &user),
			 DS_ERR_FORMAT);
	assert_int_equal(ds_snap_user_at(&h->snap, W_SMITH, &user), 0);
	hostile_done(h);
}

static void ids_out_of_range(void **state)
{
	static const uint32_t bad[] = { 0,
					27,
					999,
					1000,
					61184,
					65534,
					65535,
					WORLD_ID_MIN - 1,
					WORLD_ID_MAX + 1,
					0x80000000u,
					UINT32_MAX };
	struct ds_fmt_id_entry *entry;
	struct ds_snap_user user;
	struct ds_snap_group group;
	struct hostile h;
	size_t i, k;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		hostile_make(&h, 0);
		h.user[W_DRILEY].uid = bad[i];
		/* the table agrees: all of its entries say so */
		entry =
		    (void *)((uint32_t *)world_section(h.e.image, DS_SEC_UID) +
			     (1 << ds_fmt_bits(W_USERS)) + 1);
		for (k = 0; k < W_USERS; k++)
			entry[k] =
			    (struct ds_fmt_id_entry){ bad[i], W_DRILEY };
		hostile_open(&h);
		assert_int_not_equal(
		    ds_snap_user_by_uid(&h.snap, bad[i], &user), 0);
		hostile_done(&h);

		hostile_make(&h, 0);
		h.user[W_DRILEY].uid = bad[i];
		driley_is_gone(&h);
		hostile_make(&h, 0);
		h.user[W_DRILEY].gid = bad[i]; /* primary */
		driley_is_gone(&h);

		hostile_make(&h, 0);
		h.group[WG_SUDO].gid = bad[i];
		hostile_open(&h);
		assert_int_equal(
		    ds_resolve_group(&h.snap, "sudo@aaddscontoso.com", &group),
		    DS_ERR_NOTFOUND);
		hostile_done(&h);
	}
}

static void supplementary_ids_out_of_range(void **state)
{
	struct ds_snap_user user;
	uint32_t gids[8];
	struct hostile h;

	(void)state;
	hostile_make(&h, 0);
	h.lists[h.user[W_DRILEY].gids] = 27;
	hostile_open(&h);
	assert_int_equal(
	    ds_resolve_user(&h.snap, "driley@aaddscontoso.com", &user), 0);
	assert_int_equal(ds_snap_copy_gids(&h.snap, &user, user.gid, gids, 8),
			 1);
	assert_int_equal(gids[0], WORLD_GID0 + 2);
	hostile_done(&h);

	/* long lists take another path: bad ones at each place */
	hostile_make(&h, 0);
	h.user[W_DRILEY].gids = 0;
	h.user[W_DRILEY].ngids = (uint32_t)h.body->sec[DS_SEC_LISTS].count;
	hostile_open(&h); /* user numbers 0.. are among them */
	assert_int_equal(ds_snap_user_at(&h.snap, W_DRILEY, &user), 0);
	assert_int_equal(
	    ds_snap_copy_gids(&h.snap, &user, WORLD_GID0 + 1, gids, 8), 1);
	assert_int_equal(gids[0], WORLD_GID0 + 2);
	hostile_done(&h);
}

static void strings_that_are_none(void **state)
{
	static const struct {
		int at; /* offset in driley's blob, -1: see below */
		char with;
	} edits[] = {
		{ 0, ':' },   { 0, '\n' },  { 1, '/' },    { 0, '\\' },
		{ 0, ',' },   { 0, '\0' },  { 5, '\177' }, { 2, '\200' },
		{ 6, 'x' },                 /* no '@': a bare name */
		{ 23, 'x' },                /* the name's NUL */
		{ 24, 'x' },                /* a password hash */
		{ 25, '$' },                /* the password's NUL */
		{ 26, ':' },  { 27, '\n' }, /* gecos */
		{ 36, 'x' },                /* gecos' NUL */
		{ 37, 'h' },                /* home without '/' */
		{ 37, '\0' }, { 66, 'x' },  /* home's NUL */
		{ 67, 'b' },                /* shell without '/' */
		{ 76, 'x' },                /* the end */
	};
	struct hostile h;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(edits) / sizeof(*edits); i++) {
		hostile_make(&h, 0);
		h.text[h.user[W_DRILEY].blob + (uint32_t)edits[i].at] =
		    edits[i].with;
		driley_is_gone(&h);
	}
}

static void offsets_that_lie(void **state)
{
	struct hostile h;
	uint32_t size;

#define LIE(what, value)                                                      \
	do {                                                                  \
		hostile_make(&h, 0);                                          \
		size = (uint32_t)h.body->sec[DS_SEC_TEXT].count;              \
		(void)size;                                                   \
		h.user[W_DRILEY].what = (value);                              \
		driley_is_gone(&h);                                           \
	} while (0)
	(void)state;
	LIE(blob, UINT32_MAX);
	LIE(blob, size);
	LIE(blob, size - 1);
	LIE(blob, size - 76);
	LIE(blob_len, 65535);
	LIE(blob_len, 0);
	LIE(blob_len, 1);
	LIE(passwd, 0);
	LIE(passwd, 1);
	LIE(passwd, 65535);
	LIE(gecos, 0);
	LIE(home, 65535);
	LIE(shell, 0);
	LIE(shell, 77);
	LIE(gids, UINT32_MAX);
	LIE(ngids, UINT32_MAX);
	LIE(ngids, DS_FMT_GIDS_MAX);
	LIE(gids, UINT32_MAX - 1);
}

static void groups_that_lie(void **state)
{
	struct ds_snap_group group;
	struct group gr;
	char buf[4096];
	struct hostile h;
	uint32_t i;

	(void)state;
	for (i = 0; i < 7; i++) {
		hostile_make(&h, 0);
		switch (i) {
		case 6: /* the last one is beyond */
			h.group[WG_USERS].members =
			    (uint32_t)h.body->sec[DS_SEC_LISTS].count -
			    W_USERS + 1;
			break;
		case 0:
			h.group[WG_USERS].members = UINT32_MAX;
			break;
		case 1:
			h.group[WG_USERS].nmembers = UINT32_MAX;
			break;
		case 2:
			h.group[WG_USERS].members_size = UINT32_MAX;
			break;
		case 3:
			h.group[WG_USERS].blob_len = 65535;
			break;
		case 4:
			h.group[WG_USERS].passwd = 1;
			break;
		default: /* a bare name */
			*strchr(h.text + h.group[WG_USERS].blob, '@') = 'x';
		}
		hostile_open(&h);
		assert_int_equal(
		    ds_snap_group_by_gid(&h.snap, WORLD_GID0, &group),
		    DS_ERR_FORMAT);
		hostile_done(&h);
	}
	/* Members that are nobody are left out. */
	hostile_make(&h, 0);
	h.lists[h.group[WG_ADMINS].members] = UINT32_MAX;
	hostile_open(&h);
	assert_int_equal(ds_snap_group_at(&h.snap, WG_ADMINS, &group), 0);
	assert_int_equal(
	    nss_fill_group(&h.snap, &group, &gr, buf, sizeof(buf)), 0);
	assert_string_equal(gr.gr_mem[0], "jane.smith@contoso.com");
	assert_null(gr.gr_mem[1]);
	hostile_done(&h);
	/* A size that is too small never writes past the buffer. */
	hostile_make(&h, 0);
	h.group[WG_ADMINS].members_size = 0;
	hostile_open(&h);
	assert_int_equal(ds_snap_group_at(&h.snap, WG_ADMINS, &group), 0);
	assert_int_equal(nss_fill_group(&h.snap, &group, &gr, buf, 64),
			 DS_ERR_RANGE);
	assert_int_equal(
	    nss_fill_group(&h.snap, &group, &gr, buf, sizeof(buf)), 0);
	hostile_done(&h);
}

static void tables_that_lie(void **state)
{
	struct ds_fmt_name_entry *entry;
	struct ds_snap_user user;
	struct hostile h;
	uint32_t *start, i, nb = 1 << ds_fmt_bits(W_USERS);

	(void)state;
	/* every bucket: backwards, beyond the end, and all of the table */
	for (i = 0; i < 3; i++) {
		uint32_t k;

		hostile_make(&h, 0);
		start = world_section(h.e.image, DS_SEC_UID);
		for (k = 0; k <= nb; k++)
			start[k] = i == 0   ? nb - k
				   : i == 1 ? UINT32_MAX - (nb - k)
					    : (k % 2) * W_USERS;
		hostile_open(&h);
		(void)!ds_snap_user_by_uid(&h.snap, WORLD_UID0, &user);
		hostile_done(&h);
	}
	/* names that lead nowhere, or out of the file */
	for (i = 0; i < 2; i++) {
		uint32_t k, count;

		hostile_make(&h, 0);
		count = (uint32_t)h.body->sec[DS_SEC_UPN].count;
		entry =
		    (void *)((uint32_t *)world_section(h.e.image, DS_SEC_UPN) +
			     (1 << ds_fmt_bits(count)) + 1);
		for (k = 0; k < count; k++) {
			if (i == 0)
				entry[k].index = UINT32_MAX - 1;
			else
				entry[k].key = UINT32_MAX - k;
		}
		hostile_open(&h);
		assert_int_equal(
		    ds_resolve_user(&h.snap, "jane.smith@contoso.com", &user),
		    DS_ERR_NOTFOUND);
		hostile_done(&h);
	}
}

static void sections_that_lie(void **state)
{
	static const uint64_t offs[] = { 1,          4,
					 0,          8,
					 UINT64_MAX, UINT64_MAX - 7,
					 1u << 31,   UINT64_MAX / 2 + 1 };
	static const uint64_t counts[] = {
		UINT64_MAX,        1u << 28, (uint64_t)1 << 32,
		(uint64_t)1 << 61, 1000,     1
	};
	struct hostile h;
	size_t i, k;
	bool there;

	(void)state;
	for (i = 0; i < DS_SEC_COUNT; i++) {
		for (k = 0; k < 8 + 6; k++) {
			hostile_make(&h, 0);
			there = h.body->sec[i].count != 0;
			if (k < 8)
				h.body->sec[i].off = offs[k];
			else
				h.body->sec[i].count = counts[k - 8];
			world_restamp(h.e.image, h.e.size);
			snap_exercise_image(h.e.image, h.e.size);
			/* Not aligned, or outside, is seen at once. */
			if (there && k < 8 && offs[k] != 0 && offs[k] != 8)
				assert_int_equal(
				    ds_snap_attach(h.e.image, h.e.size,
						   DS_SNAP_BASE, &h.snap),
				    DS_ERR_FORMAT);
			edge_done(&h.e);
		}
	}
}

/* Strings that would end in another section, or not at all. */
static void strings_without_end(void **state)
{
	struct ds_snap_identity id;
	struct ds_fmt_ident *ident;
	struct ds_snap_note note;
	struct hostile h;

	(void)state;
	hostile_make(&h, 0);
	ident = world_section(h.e.image, DS_SEC_GROUP_IDENT);
	ident += WG_EMPTY; /* what comes last of all identities */
	h.body->sec[DS_SEC_TEXT].count = ident->sam + 3;
	hostile_open(&h);
	assert_int_equal(ds_snap_group_identity(&h.snap, WG_EMPTY, &id),
			 DS_ERR_FORMAT);
	assert_int_equal(ds_snap_note_at(&h.snap, 0, &note), DS_ERR_FORMAT);
	assert_int_equal(ds_snap_group_identity(&h.snap, WG_SUDO, &id), 0);
	hostile_done(&h);

	/* There is an identity for each object, or the file is no good. */
	hostile_make(&h, 0);
	h.body->sec[DS_SEC_USER_IDENT].count--;
	world_restamp(h.e.image, h.e.size);
	assert_int_equal(
	    ds_snap_attach(h.e.image, h.e.size, DS_SNAP_BASE, &h.snap),
	    DS_ERR_FORMAT);
	edge_done(&h.e);
}

/* Bare names, where root's policy allows them, still have a form. */
static void bare_names(void **state)
{
	static const char *const names[] = { "0",  "0x1", "-x",    "+x", " x",
					     "x ", "#",   "12345", ".x" };
	struct ds_snap_user user;
	struct hostile h;
	size_t i, len;

	(void)state;
	hostile_make(&h, DS_SNAP_BARE_USERS);
	hostile_open(&h);
	assert_int_equal(ds_resolve_user(&h.snap, "driley", &user), 0);
	assert_string_equal(user.blob, "driley");
	hostile_done(&h);
	for (i = 0; i < sizeof(names) / sizeof(*names); i++) {
		hostile_make(&h, DS_SNAP_BARE_USERS);
		len = strlen(names[i]);
		/* "driley" ends where it did: begin later in the blob */
		h.user[W_DRILEY].blob += 6 - (uint32_t)len;
		h.user[W_DRILEY].blob_len -= (uint16_t)(6 - len);
		h.user[W_DRILEY].passwd -= (uint16_t)(6 - len);
		h.user[W_DRILEY].gecos -= (uint16_t)(6 - len);
		h.user[W_DRILEY].home -= (uint16_t)(6 - len);
		h.user[W_DRILEY].shell -= (uint16_t)(6 - len);
		memcpy(h.text + h.user[W_DRILEY].blob, names[i], len);
		hostile_open(&h);
		assert_int_equal(ds_snap_user_at(&h.snap, W_DRILEY, &user),
				 DS_ERR_FORMAT);
		hostile_done(&h);
	}
	/* the same file under another policy */
	hostile_make(&h, DS_SNAP_BARE_USERS | DS_SNAP_BARE_GROUPS);
	((struct ds_fmt_page0 *)(void *)h.e.image)->policy = 0;
	hostile_open(&h);
	for (i = 0; i < W_USERS; i++)
		if (ds_snap_user_at(&h.snap, (uint32_t)i, &user) == 0)
			assert_non_null(strchr(user.blob, '@'));
	hostile_done(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_out_of_range),
		cmocka_unit_test(supplementary_ids_out_of_range),
		cmocka_unit_test(strings_that_are_none),
		cmocka_unit_test(offsets_that_lie),
		cmocka_unit_test(groups_that_lie),
		cmocka_unit_test(tables_that_lie),
		cmocka_unit_test(sections_that_lie),
		cmocka_unit_test(strings_without_end),
		cmocka_unit_test(bare_names),
	};
	return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}

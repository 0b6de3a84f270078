/*
 * Entries into objects: what is taken, members, the stored form.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include "synccache/sync/limits.h"
#include "synccache/sync/object.h"
#include "synccache/sync/shown.h"
#include "tests/unit/sync_entry.h"

static void apply(struct dss_object *obj, const struct test_entry *t,
		  enum dss_apply how, struct dss_arena *arena)
{
	assert_int_equal(dss_object_apply(obj, &t->e, how, arena), 0);
}

static void test_user(void **state)
{
	struct dss_arena arena = { 0 };
	struct dss_object obj;
	struct test_entry t;

	(void)state;
	entry_user(&t, 7, "driley");
	entry_text(&t, "displayName", "Dana Riley");
	entry_text(&t, "pwdLastSet", "133000000000000000");
	entry_text(&t, "uidNumber", "2147483647");
	entry_text(&t, "gidNumber", "10000");
	entry_attr(&t, "msDS-aadObjectId");
	entry_value(&t,
		    "\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb"
		    "\xcc\xdd\xee\xff",
		    16);
	dss_object_init(&obj, &t.guid);
	assert_false(dss_object_complete(&obj));
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	assert_true(dss_object_complete(&obj));
	assert_int_equal(obj.kind, DSS_KIND_USER);
	assert_int_equal(obj.malformed, 0);
	assert_int_equal(obj.uac, 512);
	assert_int_equal(obj.primary_rid, 513);
	assert_string_equal(obj.sam, "driley");
	assert_string_equal(obj.object_id,
			    "00112233-4455-6677-8899-aabbccddeeff");
	assert_true(obj.pwd_last_set == 133000000000000000u);
	assert_int_equal(obj.uid_number, 2147483647);
	assert_int_equal(obj.gid_number, 10000);

	/* A delta: one attribute changed, one cleared, one broken. */
	entry_begin(&t, 7);
	entry_text(&t, "samaccountname", "dana");
	entry_attr(&t, "displayName");
	entry_text(&t, "pwdLastSet", "never");
	entry_attr(&t, "gidNumber");
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	assert_string_equal(obj.sam, "dana");
	assert_string_equal(obj.display, "");
	assert_false(obj.present & DSS_F_DISPLAY);
	assert_false(obj.present & DSS_F_PWD_SET);
	assert_int_equal(obj.malformed, DSS_F_PWD_SET);
	assert_int_equal(obj.pwd_last_set, 0);
	assert_int_equal(obj.primary_rid, 513);
	assert_true(obj.present & DSS_F_UID_NUMBER);
	assert_int_equal(obj.uid_number, 2147483647);
	assert_false(obj.present & DSS_F_GID_NUMBER);
	assert_int_equal(obj.gid_number, 0);
	dss_arena_done(&arena);
}

/* What is no id is no number either: -1 would be 4294967295. */
static void test_bad_numbers(void **state)
{
	static const char *const bad[] = { "-1",   "-2147483648", "2147483648",
					   "0x10", "4294967295",  "" };
	struct dss_arena arena = { NULL };
	struct dss_object obj;
	struct test_entry t;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		entry_user(&t, 7, "driley");
		entry_text(&t, "uidNumber", bad[i]);
		entry_text(&t, "gidNumber", bad[i]);
		dss_object_init(&obj, &t.guid);
		obj.uid_number = 5;
		apply(&obj, &t, DSS_APPLY_DELTA, &arena);
		assert_int_equal(obj.malformed,
				 DSS_F_UID_NUMBER | DSS_F_GID_NUMBER);
		assert_false(obj.present & DSS_F_UID_NUMBER);
		assert_int_equal(obj.uid_number, 0);
	}
	entry_user(&t, 7, "driley");
	entry_text(&t, "uidNumber", "0"); /* a number: refused as an id */
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	assert_true(obj.present & DSS_F_UID_NUMBER);
	dss_arena_done(&arena);
}

static void test_login_limits(void **state)
{
	const struct dss_policy policy = { .known = true,
					   .max_age = -1000,
					   .lockout = -500 },
				none = { .known = true, .max_age = INT64_MIN },
				unknown = { .known = false };
	struct dss_object obj = { .pwd_last_set = 100, .uac = 0x200 };
	struct dss_arena arena = { 0 };
	struct ds_snap_limits l = { .pwd_expires = 77 };
	struct test_entry t;

	(void)state;
	assert_false(dss_limits(&obj, &unknown, &l));
	assert_int_equal(l.pwd_expires, 77);
	assert_true(dss_limits(&obj, &policy, &l));
	assert_int_equal(l.pwd_expires, 1100);
	assert_int_equal(l.locked_until, 0);
	assert_false(l.has_hours);
	assert_true(dss_limits(&obj, &none, &l));
	assert_true(l.pwd_expires == DS_NEVER);
	obj.pwd_last_set = 0;
	assert_true(dss_limits(&obj, &none, &l));
	assert_int_equal(l.pwd_expires, 0); /* must be changed */
	obj.uac |= 0x10000;
	assert_true(dss_limits(&obj, &policy, &l));
	assert_true(l.pwd_expires == DS_NEVER);
	obj = (struct dss_object){ .pwd_last_set = DS_NEVER - 5,
				   .lockout_time = 100 };
	assert_true(dss_limits(&obj, &policy, &l));
	assert_true(l.pwd_expires == DS_NEVER);
	assert_int_equal(l.locked_until, 600);
	assert_true(dss_limits(&obj, &none, &l)); /* lockoutDuration 0 */
	assert_true(l.locked_until == DS_NEVER);

	/* Attributes in a broken form restrict. */
	entry_user(&t, 7, "driley");
	entry_text(&t, "lockoutTime", "5");
	entry_attr(&t, "logonHours");
	entry_value(&t, "abcdefghijklmnopqrstu", 21);
	dss_object_init(&obj, &t.guid);
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	assert_true(dss_limits(&obj, &policy, &l));
	assert_int_equal(l.locked_until, 505);
	assert_true(l.has_hours);
	assert_memory_equal(l.hours, "abcdefghijklmnopqrstu", 21);
	entry_begin(&t, 7);
	entry_text(&t, "lockoutTime", "-1");
	entry_text(&t, "logonHours", "abc");
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	assert_true(dss_limits(&obj, &policy, &l));
	assert_true(l.locked_until == DS_NEVER);
	assert_true(l.has_hours);
	assert_int_equal(l.hours[0] | l.hours[20], 0);
	entry_begin(&t, 7);
	entry_attr(&t, "lockoutTime");
	entry_attr(&t, "logonHours");
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	assert_true(dss_limits(&obj, &policy, &l));
	assert_int_equal(l.locked_until, 0);
	assert_false(l.has_hours);
	dss_arena_done(&arena);
}

static void test_policy(void **state)
{
	struct dss_policy policy;
	struct test_entry t;

	(void)state;
	entry_begin(&t, 1);
	entry_text(&t, "maxPwdAge", "-77760000000000");
	entry_text(&t, "lockoutDuration", "-9223372036854775808");
	dss_policy_read(&t.e, &policy);
	assert_true(policy.known);
	assert_true(policy.max_age == -77760000000000);
	assert_true(policy.lockout == INT64_MIN);
	entry_begin(&t, 1);
	entry_text(&t, "maxPwdAge", "-77760000000000");
	dss_policy_read(&t.e, &policy);
	assert_false(policy.known);
	entry_text(&t, "lockoutDuration", "x");
	dss_policy_read(&t.e, &policy);
	assert_false(policy.known);
}

static void test_hostile_values(void **state)
{
	struct dss_arena arena = { 0 };
	struct dss_object obj;
	struct test_entry t;
	char big[2000];

	(void)state;
	memset(big, 'a', sizeof(big) - 1);
	big[sizeof(big) - 1] = 0;
	entry_begin(&t, 1);
	entry_text(&t, "userPrincipalName", big);
	entry_attr(&t, "sAMAccountName");
	entry_value(&t, "a\0b", 3);
	entry_attr(&t, "objectSid");
	entry_value(&t, "\x01\x05\x00", 3);
	entry_text(&t, "userAccountControl", "4294967296");
	entry_attr(&t, "mail");
	entry_value(&t, "a", 1);
	entry_value(&t, "b", 1);
	entry_text(&t, "accountExpires", "-1");
	dss_object_init(&obj, &t.guid);
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	assert_int_equal(obj.present, 0);
	assert_int_equal(obj.malformed, DSS_F_UPN | DSS_F_SAM | DSS_F_SID |
					    DSS_F_UAC | DSS_F_MAIL |
					    DSS_F_EXPIRES);
	assert_string_equal(obj.upn, "");
	assert_int_equal(obj.sid.count, 0);
	dss_arena_done(&arena);
}

static bool asks_for(bool mapped, const char *name)
{
	const char *const *list = dss_object_attributes(mapped);

	while (*list && strcmp(*list, name) != 0)
		list++;
	return *list != NULL;
}

static void test_attributes(void **state)
{
	(void)state;
	assert_true(asks_for(true, "displayName"));
	assert_true(asks_for(true, "pwdLastSet"));
	assert_true(asks_for(false, "pwdLastSet"));
	assert_true(asks_for(false, "member"));
	assert_true(asks_for(false, "uidNumber"));
	assert_true(asks_for(false, "gidNumber"));
	assert_false(asks_for(false, "displayName"));
	assert_false(asks_for(false, "mail"));
}

static void test_computer(void **state)
{
	struct dss_arena arena = { 0 };
	struct dss_object obj;
	struct test_entry t;

	(void)state;
	entry_begin(&t, 1);
	entry_attr(&t, "objectClass");
	entry_value(&t, "user", 4);
	entry_value(&t, "Computer", 8);
	dss_object_init(&obj, &t.guid);
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	assert_int_equal(obj.kind, DSS_KIND_OTHER);
	dss_arena_done(&arena);
}

/* Members first .. last under an attribute name. */
static void members(struct test_entry *t, const char *name, unsigned first,
		    unsigned last, char text[][128])
{
	entry_attr(t, name);
	for (unsigned i = first; i <= last; i++) {
		member_dn(i, text[i]);
		entry_value(t, text[i], strlen(text[i]));
	}
}

static void expect_members(const struct dss_object *obj, unsigned first,
			   unsigned last)
{
	assert_int_equal(obj->nmembers, last + 1 - first);
	for (unsigned i = first; i <= last; i++) {
		struct ds_guid guid = test_guid(i);

		assert_memory_equal(&obj->members[i - first], &guid,
				    sizeof(guid));
	}
}

static void test_members_delta(void **state)
{
	struct dss_arena arena = { 0 };
	struct dss_object obj;
	struct test_entry t;
	char text[32][128];

	(void)state;
	entry_group(&t, 1, "team");
	members(&t, "member;range=1-1", 10, 14, text);
	dss_object_init(&obj, &t.guid);
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	expect_members(&obj, 10, 14);

	/* Adds and removals in one entry; both are idempotent. */
	entry_begin(&t, 1);
	members(&t, "member;range=1-1", 14, 18, text);
	members(&t, "member;range=0-0", 8, 11, text);
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	expect_members(&obj, 12, 18);
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	expect_members(&obj, 12, 18);

	/* Without increments the value is the whole set. */
	entry_begin(&t, 1);
	members(&t, "member", 20, 22, text);
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	expect_members(&obj, 20, 22);
	entry_begin(&t, 1);
	entry_attr(&t, "member");
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	assert_int_equal(obj.nmembers, 0);

	/* Other ranges mean nothing in a delta. */
	entry_begin(&t, 1);
	members(&t, "member;range=0-5", 20, 22, text);
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	assert_int_equal(obj.nmembers, 0);
	assert_int_equal(obj.malformed, DSS_F_MEMBER);
	dss_arena_done(&arena);
}

static void test_members_read(void **state)
{
	struct dss_arena arena = { 0 };
	struct dss_object obj;
	struct test_entry t;
	char text[32][128];

	(void)state;
	entry_group(&t, 1, "big");
	entry_attr(&t, "member"); /* empty beside the range */
	members(&t, "member;range=0-4", 10, 14, text);
	dss_object_init(&obj, &t.guid);
	apply(&obj, &t, DSS_APPLY_READ, &arena);
	expect_members(&obj, 10, 14);
	entry_begin(&t, 1);
	members(&t, "member;range=5-*", 15, 18, text);
	apply(&obj, &t, DSS_APPLY_READ, &arena);
	expect_members(&obj, 10, 18);
	/* One member that cannot be read does not cost the others. */
	entry_begin(&t, 1);
	members(&t, "member", 20, 21, text);
	entry_value(&t, "CN=who", 6);
	apply(&obj, &t, DSS_APPLY_READ, &arena);
	expect_members(&obj, 20, 21);
	assert_int_equal(obj.malformed, DSS_F_MEMBER);
	dss_arena_done(&arena);
}

/* The values that are shown, as "name=value;". */
static const char *shown(const struct dss_object *obj)
{
	static char text[1024];
	const char *name, *value;
	size_t pos = 0, used = 0;

	text[0] = 0;
	while (dss_shown_next(obj, &pos, &name, &value))
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%s=%s;", name, value);
	return text;
}

static void test_shown(void **state)
{
	struct dss_arena arena = { NULL };
	struct test_entry t;
	struct dss_object obj;
	char big[1100];

	(void)state;
	entry_user(&t, 3, "anna");
	entry_text(&t, "l", "Bern");
	entry_attr(&t, "proxyAddresses");
	entry_value(&t, "smtp:b@x", 8);
	entry_value(&t, "SMTP:a@x", 8);
	entry_text(&t, "GIVENNAME", "Anna");
	dss_object_init(&obj, &t.guid);
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	assert_string_equal(shown(&obj), "givenName=Anna;l=Bern;"
					 "proxyAddresses=SMTP:a@x;"
					 "proxyAddresses=smtp:b@x;");
	assert_int_equal(obj.malformed, 0);
	/* One is cleared, one is another, the rest stay. */
	entry_begin(&t, 3);
	entry_attr(&t, "l");
	entry_text(&t, "proxyAddresses", "SMTP:c@x");
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	assert_string_equal(shown(&obj),
			    "givenName=Anna;proxyAddresses=SMTP:c@x;");
	/* What is no text is not shown, nor does it spoil the others. */
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = 0;
	entry_begin(&t, 3);
	entry_text(&t, "st", big);
	entry_attr(&t, "sn");
	entry_value(&t, "a\0b", 3);
	entry_text(&t, "title", "Boss");
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	assert_string_equal(
	    shown(&obj), "givenName=Anna;title=Boss;proxyAddresses=SMTP:c@x;");
	assert_true(obj.malformed & DSS_F_SHOWN);
	dss_arena_done(&arena);
}

static void test_manager(void **state)
{
	struct dss_arena arena = { NULL };
	struct test_entry t;
	struct dss_object obj;
	struct ds_guid guid;
	char text[2][128];

	(void)state;
	entry_user(&t, 3, "anna");
	entry_text(&t, "manager;range=1-1", member_dn(4, text[0]));
	dss_object_init(&obj, &t.guid);
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	guid = test_guid(4);
	assert_true(ds_guid_equal(&obj.manager, &guid));
	assert_string_equal(obj.manager_dn, "CN=m,DC=example,DC=com");
	/* Another one, in either order. */
	entry_begin(&t, 3);
	entry_text(&t, "manager;range=1-1", member_dn(5, text[1]));
	entry_text(&t, "manager;range=0-0", member_dn(4, text[0]));
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	guid = test_guid(5);
	assert_true(ds_guid_equal(&obj.manager, &guid));
	entry_begin(&t, 3);
	entry_text(&t, "manager;range=0-0", member_dn(5, text[1]));
	entry_text(&t, "manager;range=1-1", member_dn(4, text[0]));
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	guid = test_guid(4);
	assert_true(ds_guid_equal(&obj.manager, &guid));
	entry_begin(&t, 3);
	entry_text(&t, "manager;range=0-0", member_dn(4, text[0]));
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	assert_false(obj.present & DSS_F_MANAGER);
	assert_string_equal(obj.manager_dn, "");
	/* A plain DN names nobody that could be found. */
	entry_begin(&t, 3);
	entry_text(&t, "manager", "CN=m,DC=example,DC=com");
	apply(&obj, &t, DSS_APPLY_DELTA, &arena);
	assert_false(obj.present & DSS_F_MANAGER);
	assert_true(obj.malformed & DSS_F_MANAGER);
	dss_arena_done(&arena);
}

static void full_object(struct dss_object *obj, struct test_entry *t,
			char text[][128], struct dss_arena *arena)
{
	entry_user(t, 3, "anna");
	entry_text(t, "userPrincipalName", "Anna@Example.com");
	entry_attr(t, "sIDHistory");
	entry_value(t, t->sid, t->attrs[2].values[0].len);
	entry_value(t, "junk", 4);
	entry_text(t, "l", "Bern");
	entry_text(t, "uidNumber", "10001");
	entry_text(t, "gidNumber", "10002");
	entry_text(t, "manager", member_dn(4, text[31]));
	members(t, "member", 5, 9, text);
	dss_object_init(obj, &t->guid);
	apply(obj, t, DSS_APPLY_DELTA, arena);
}

static void test_codec(void **state)
{
	struct dss_arena arena = { 0 };
	struct dss_object obj, back;
	struct test_entry t;
	char text[32][128];
	const uint8_t *data, *again;
	size_t len, len2;

	(void)state;
	full_object(&obj, &t, text, &arena);
	assert_int_equal(obj.nhistory, 1);
	assert_int_equal(dss_object_encode(&obj, &arena, &data, &len), 0);
	assert_int_equal(dss_object_decode(&t.guid, data, len, &back), 0);
	assert_string_equal(back.sam, "anna");
	assert_string_equal(back.upn, "Anna@Example.com");
	assert_string_equal(back.dn, t.e.dn);
	assert_true(ds_sid_equal(&back.sid, &obj.sid));
	assert_int_equal(back.nhistory, 1);
	assert_int_equal(back.malformed, DSS_F_HISTORY);
	assert_int_equal(back.uid_number, 10001);
	assert_int_equal(back.gid_number, 10002);
	assert_string_equal(shown(&back), "l=Bern;");
	assert_true(ds_guid_equal(&back.manager, &obj.manager));
	assert_string_equal(back.manager_dn, "CN=m,DC=example,DC=com");
	expect_members(&back, 5, 9);
	assert_int_equal(dss_object_encode(&back, &arena, &again, &len2), 0);
	assert_int_equal(len, len2);
	assert_memory_equal(data, again, len);
	dss_arena_done(&arena);
}

/* No byte of the stored form can be cut or changed unnoticed. */
static void test_codec_damage(void **state)
{
	struct dss_arena arena = { 0 };
	struct dss_object obj, back;
	struct test_entry t;
	char text[32][128];
	const uint8_t *data;
	uint8_t *copy;
	size_t len;

	(void)state;
	full_object(&obj, &t, text, &arena);
	assert_int_equal(dss_object_encode(&obj, &arena, &data, &len), 0);
	for (size_t i = 0; i < len; i++) {
		/* Its own block, so that a step over the end is seen. */
		copy = malloc(i + 1);
		assert_non_null(copy);
		memcpy(copy, data, i);
		assert_int_equal(dss_object_decode(&t.guid, copy, i, &back),
				 DS_ERR_FORMAT);
		free(copy);
	}
	copy = malloc(len);
	assert_non_null(copy);
	for (size_t i = 0; i < len; i++) {
		memcpy(copy, data, len);
		copy[i] ^= 0x41;
		assert_int_equal(dss_object_decode(&t.guid, copy, len, &back),
				 DS_ERR_FORMAT);
	}
	free(copy);
	dss_arena_done(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_user),
		cmocka_unit_test(test_bad_numbers),
		cmocka_unit_test(test_login_limits),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_hostile_values),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_computer),
		cmocka_unit_test(test_members_delta),
		cmocka_unit_test(test_members_read),
		cmocka_unit_test(test_shown),
		cmocka_unit_test(test_manager),
		cmocka_unit_test(test_codec),
		cmocka_unit_test(test_codec_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

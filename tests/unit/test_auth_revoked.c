/*
 * "Revoked", says a KDC, and not why: who is asked then, and what is said.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>

#include "synccache/auth/revoked.h"
#include "tests/unit/auth_world.h"

static uid_t caller;
static struct dsa_looked looked;

static int fresh(void **state)
{
	(void)state;
	auth_world_fresh();
	server.config.login.live_check = DS_LIVE_KEYS;
	caller = 0;
	looked = (struct dsa_looked){ .uac = 0x200,
				      .pwd_last_set = 1,
				      .pwd_expires = DS_NEVER };
	return 0;
}

static struct dsa_verdict told;
static const char *origin;

static void on_told(void *arg, const struct dsa_verdict *verdict,
		    const char *from)
{
	assert_ptr_equal(arg, &told);
	told = *verdict;
	origin = from;
}

static bool ask_why(enum dsa_revoked revoked)
{
	const struct dsa_subject subject = { .guid = { { W_DRILEY + 1 } },
					     .caller = caller };

	origin = NULL;
	return dsa_revoked_ask(&server, &subject, revoked, on_told, &told);
}

static void assert_told(enum ds_auth_result result, bool proven,
			const char *from)
{
	assert_int_equal(told.result, result);
	assert_int_equal(told.proven, proven);
	assert_string_equal(origin, from);
}

/* As the domain has it now, whatever the mirror has. */
static void test_revoked(void **state)
{
	(void)state;
	for (int after = 0; after < 2; after++) {
		enum dsa_revoked revoked =
		    after ? DSA_REVOKED_AFTER : DSA_REVOKED_FIRST;

		looked.uac = 0x202;
		looked.uac_computed = 0;
		assert_true(ask_why(revoked));
		assert_null(origin);
		look_heard(look_arg, 0, &looked);
		assert_told(DS_AUTH_DISABLED, after, "the domain says why");
		/* Then no password was looked at. */
		looked.uac_computed = 0x10;
		assert_true(ask_why(revoked));
		look_heard(look_arg, 0, &looked);
		assert_told(DS_AUTH_LOCKED, false, "the domain says why");
		looked.uac = 0x200;
		assert_true(ask_why(revoked));
		look_heard(look_arg, 0, &looked);
		assert_told(DS_AUTH_LOCKED, false, "the domain says why");
	}
	looked.uac_computed = 0;
	looked.has_hours = true;
	assert_true(ask_why(DSA_REVOKED_AFTER));
	look_heard(look_arg, 0, &looked);
	assert_told(DS_AUTH_HOURS, true, "the domain says why");
	looked.has_hours = false;
	looked.account_expires = 1;
	assert_true(ask_why(DSA_REVOKED_AFTER));
	look_heard(look_arg, 0, &looked);
	assert_told(DS_AUTH_EXPIRED, true, "the domain says why");
}

/* What nobody knows is not called a lockout. */
static void test_revoked_and_nobody_says_why(void **state)
{
	static const int errors[] = { DS_ERR_TIMEOUT, DS_ERR_UNAVAIL };

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		assert_true(ask_why(DSA_REVOKED_AFTER));
		look_heard(look_arg, errors[i], NULL);
		assert_told(DS_AUTH_DENIED, false, "nobody says why");
	}
	assert_true(ask_why(DSA_REVOKED_AFTER));
	look_heard(look_arg, DS_ERR_NOTFOUND, NULL);
	assert_told(DS_AUTH_DENIED, false, "the domain does not show it");
	/* Another domain controller may not know it yet. */
	assert_true(ask_why(DSA_REVOKED_AFTER));
	look_heard(look_arg, 0, &looked);
	assert_told(DS_AUTH_DENIED, false, "nobody says why");
	/* Nobody is to be asked, or can be. */
	assert_false(ask_why(DSA_REVOKED_NOT));
	look_fails = DS_ERR_LIMIT;
	assert_false(ask_why(DSA_REVOKED_AFTER));
	look_fails = 0;
	server.config.login.live_check = DS_LIVE_NEVER;
	assert_false(ask_why(DSA_REVOKED_AFTER));
}

/* Ordinary users' questions never shut out root's. */
static void test_revoked_at_the_users_gate(void **state)
{
	void *args[DSA_USER_LOOKS_MAX];

	(void)state;
	caller = 1000;
	for (int i = 0; i < DSA_USER_LOOKS_MAX; i++) {
		assert_true(ask_why(DSA_REVOKED_AFTER));
		args[i] = look_arg;
	}
	assert_false(ask_why(DSA_REVOKED_AFTER));
	for (int i = 0; i < DSA_USER_LOOKS_MAX; i++)
		look_heard(args[i], DS_ERR_TIMEOUT, NULL);
	assert_int_equal(server.user_looks, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_revoked, fresh),
		cmocka_unit_test_setup(test_revoked_and_nobody_says_why,
				       fresh),
		cmocka_unit_test_setup(test_revoked_at_the_users_gate, fresh),
	};

	return cmocka_run_group_tests(tests, auth_world_setup,
				      auth_world_teardown);
}

/*
 * The window without a KDC: what opens it, keeps it open, and ends it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <sys/wait.h>
#include <unistd.h>

#include "synccache/auth/away.h"

static void test_window(void **state)
{
	struct dsa_away *away = dsa_away_new();

	(void)state;
	assert_non_null(away);
	assert_false(dsa_away_is(away, 1000));
	assert_false(dsa_away_answered(away, 1000));
	dsa_away_silence(away, 1000, 17000);
	assert_true(dsa_away_is(away, 17000 + DSA_AWAY_MS - 1));
	assert_false(dsa_away_is(away, 17000 + DSA_AWAY_MS));
	/* A probe that hears nothing keeps it open as long as it is used. */
	dsa_away_probed(away, 22000);
	assert_false(dsa_away_is(away, 17000 + DSA_AWAY_MS));
	dsa_away_used(away, 30000);
	assert_false(dsa_away_is(away, 17000 + DSA_AWAY_MS));
	dsa_away_probed(away, 32000);
	assert_true(dsa_away_is(away, 30000 + DSA_AWAY_MS - 1));
	assert_false(dsa_away_is(away, 30000 + DSA_AWAY_MS));
	/* The first answer ends it, */
	dsa_away_answer(away, 33000);
	assert_false(dsa_away_is(away, 33000));
	assert_true(dsa_away_answered(away, 33000));
	assert_true(dsa_away_answered(away, 20000));
	assert_false(dsa_away_answered(away, 33001));
	/* and who began before it and waited in vain does not open it. */
	dsa_away_silence(away, 33000, 49000);
	assert_false(dsa_away_is(away, 49000));
	dsa_away_used(away, 49000);
	dsa_away_probed(away, 32000);
	assert_false(dsa_away_is(away, 49000));
	dsa_away_silence(away, 33001, 49001);
	assert_true(dsa_away_is(away, 49001));
	dsa_away_free(away);
}

/* Workers see it that were there before. */
static void test_window_of_a_worker(void **state)
{
	struct dsa_away *away = dsa_away_new();
	int status, go[2];
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(go), 0);
	pid = fork();
	if (pid == 0)
		_exit(read(go[0], &c, 1) == 1 && dsa_away_is(away, 5001) &&
			      dsa_away_answered(away, 7)
			  ? 0
			  : 1);
	dsa_away_answer(away, 7);
	dsa_away_silence(away, 5000, 5000);
	assert_int_equal(write(go[1], "", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	(void)close(go[0]);
	(void)close(go[1]);
	dsa_away_free(away);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window),
		cmocka_unit_test(test_window_of_a_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

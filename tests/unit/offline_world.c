/*
 * A host and its users, for the tests of offline logins.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include "tests/unit/offline_world.h"

#include <stdio.h>
#include <unistd.h>

#include "synccache/auth/policy.h"

const uint8_t host[DSA_HOST_KEY_LEN] = { 7, 7, 7 };
const uint8_t other_host[DSA_HOST_KEY_LEN] = { 8 };
const struct ds_guid alice = { { 0xa1, 2, 3 } };
const struct ds_guid bob = { { 0xb0, 2, 3 } };
char top[] = "/tmp/dsa-offline-XXXXXX";
char path[64];

struct dsa_verifier make(const struct ds_guid *guid, const char *password)
{
	struct dsa_verifier v = { .guid = *guid,
				  .made_ms = 1000,
				  .made_real = NOW_SECONDS,
				  .pwd_last_set =
				      dsa_filetime(NOW_SECONDS - 86400),
				  .clock_id = "house clock one" };
	uint8_t key[DSA_CHECK_LEN];

	assert_int_equal(dsa_verifier_key(host, guid, password, key), 0);
	assert_int_equal(dsa_verifier_make(key, &v), 0);
	return v;
}

struct dsa_now at(int64_t real_ms, uint64_t boot_ms, uint8_t boot)
{
	return (struct dsa_now){ .real_ms = real_ms,
				 .boot_ms = boot_ms,
				 .boot_id = { boot } };
}

struct dsa_clock started(struct dsa_now now)
{
	struct dsa_clock c;

	dsa_clock_start(&c, (const uint8_t *)"house clock one", &now);
	return c;
}

int make_top(void **state)
{
	(void)state;
	if (mkdtemp(top) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/offline", top);
	return 0;
}

int remove_top(void **state)
{
	(void)state;
	return rmdir(top);
}

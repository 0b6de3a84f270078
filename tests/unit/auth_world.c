/*
 * The world of auth_world.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include "tests/unit/auth_world.h"

#include <string.h>

struct dsa_server server;
int looks, look_fails;
dsa_look_heard look_heard;
void *look_arg;

static struct dsa_mirror mirror;
static uint8_t *base_image, *accounts_image;

int dsa_look(struct dsa_looks *l, const struct ds_guid *guid,
	     dsa_look_heard heard, void *arg)
{
	(void)l;
	(void)guid;
	looks++;
	if (look_fails != 0)
		return look_fails;
	look_heard = heard;
	look_arg = arg;
	return 0;
}

int auth_world_setup(void **state)
{
	size_t len;

	(void)state;
	base_image = world_image(0, 1, &len);
	assert_int_equal(
	    ds_snap_attach(base_image, len, DS_SNAP_BASE, &mirror.base), 0);
	accounts_image = world_accounts(&len);
	assert_int_equal(ds_snap_attach(accounts_image, len, DS_SNAP_ACCOUNTS,
					&mirror.accounts),
			 0);
	server.config.login.password_change_url = strdup("https://x");
	return 0;
}

int auth_world_teardown(void **state)
{
	(void)state;
	free(server.config.login.password_change_url);
	free(base_image);
	free(accounts_image);
	return 0;
}

void auth_world_fresh(void)
{
	server.mirror = mirror;
	looks = look_fails = 0;
	look_heard = NULL;
}

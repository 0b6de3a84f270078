/*
 * A domain of scripted domain controllers in several sites, with a DNS of
 * their own, for dc.c.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TEST_DC_WORLD_H
#define TEST_DC_WORLD_H

#include "lib/srv.h"
#include "synccache/sync/sync.h"
#include "tests/unit/ldap_script.h"

#define DC_WORLD_DCS   4
#define DC_WORLD_CONNS 32

struct dc_host {
	const char *name; /* NULL: there is none */
	const char *site; /* its own, of which DNS has it */
	const char *says; /* the site of whoever asks; NULL: nothing */
	bool down;
	bool unnamed; /* DNS does not have it where a site is asked for */
	bool covers;  /* DNS has it of every site */
	int refuses;  /* the ping, with this code; -1: hangs up */
	uint16_t priority;
	int connected, pinged;
	int probed; /* by dss_dc_probe() */
	bool hangs; /* no probe is answered */
};

struct dc_world {
	struct dss_sync s;
	struct dc_host dcs[DC_WORLD_DCS];
	struct script_server conns[DC_WORLD_CONNS];
	int fds[DC_WORLD_CONNS];             /* the clients' ends */
	_Atomic bool silent[DC_WORLD_CONNS]; /* it says no more */
	int nconns;
	script_fn bulk;                    /* for DirSync */
	void (*probe)(struct dc_world *w); /* before it is answered */
	char asked[256]; /* what DNS was asked for, "SITE " each */
	int64_t clock;   /* ms that the time is ahead; waiting in vain adds */
	char told[256], told_site[256]; /* the live looks */
};

/* The time as dc.c has it. */
int64_t dc_test_now(void);
/* This connection says no more, for now. */
void dc_world_hush(struct dc_world *w, const struct script_server *sv,
		   bool silent);

int dc_world_setup(void **state);
int dc_world_teardown(void **state);

#endif

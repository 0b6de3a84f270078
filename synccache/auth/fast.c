/*
 * The mark of FAST.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/fast.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"

#ifndef DSA_FAST_DIR /* only tests have another */
#define DSA_FAST_DIR DS_STATE_DIR "/auth"
#endif

/* By realm: another domain has not shown anything yet. */
static void mark_path(const struct dsa_server *server, char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "%s/fast.%s", DSA_FAST_DIR, server->realm);
}

void dsa_fast_load(struct dsa_server *server)
{
	char path[512];

	mark_path(server, path, sizeof(path));
	/* In doubt it was there: what cannot be read is no way around it. */
	server->fast_seen = access(path, F_OK) == 0 || errno != ENOENT;
}

static void set_mark(struct dsa_server *server)
{
	char path[512];
	int fd;

	if (server->fast_seen)
		return;
	server->fast_seen = true;
	mark_path(server, path, sizeof(path));
	fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0 || fsync(fd) != 0)
		ds_log(DS_LOG_WARN,
		       "%s: %s; until it can be written, every start trusts "
		       "the first answer about FAST",
		       path, strerror(errno));
	else
		ds_log(DS_LOG_INFO, "the domain speaks FAST; from now on "
				    "passwords are sent in no other way");
	if (fd >= 0)
		(void)close(fd);
}

void dsa_fast_keep(struct dsa_server *server, struct dsa_tgt *tgt)
{
	if (tgt->ccache.p == NULL || tgt->serial != server->keytab.serial) {
		dsa_tgt_done(tgt);
		return;
	}
	if (tgt->armour)
		set_mark(server);
	dsa_tgt_done(&server->host_tgt);
	server->host_tgt = *tgt;
	*tgt = (struct dsa_tgt){ 0 };
}

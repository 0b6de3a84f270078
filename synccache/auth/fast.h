/*
 * Whether to use FAST: the config's word, and what the domain has shown.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_FAST_H
#define DSA_FAST_H

#include "synccache/auth/auth.h"

/*
 * fast = try is sticky: once a KDC has taken armour, a mark on disk keeps it
 * required, so that nobody on the way can talk a login out of it later.
 */
void dsa_fast_load(struct dsa_server *server);

/* A worker's new TGT, owned by *tgt: kept, with what it has shown. */
void dsa_fast_keep(struct dsa_server *server, struct dsa_tgt *tgt);

#endif

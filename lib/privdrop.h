/*
 * Becoming an unprivileged user for good, and proving it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_PRIVDROP_H
#define DS_PRIVDROP_H

#include "lib/err.h"

/*
 * Called by a child's main() first: the monitor started it as `user` already.
 * Verifies that all uids and gids are that user's, that no way leads back to
 * root (setuid(0) and friends fail, no capabilities are left), and forbids
 * new privileges, core dumps and ptrace.  DS_ERR_DENIED with a line on
 * standard error says what is wrong.
 */
DS_MUST_CHECK int ds_privdrop_verify(const char *user);

/*
 * Between fork and exec as root: drops groups, gid and uid to `user`.
 */
DS_MUST_CHECK int ds_privdrop(const char *user);

#endif

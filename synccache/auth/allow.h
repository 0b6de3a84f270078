/*
 * allow_users and allow_groups.  A name is pinned to the object that it meant
 * when it was first found, and from then on means that object only: who may
 * rename objects in the directory gains nothing on this host.  A SID needs no
 * pin.
 *
 * The pins are a text file of ours, a line each: "user" or "group", the
 * objectGUID, the name.  A name that left the configuration loses its pin at
 * the next start; removing its line is how an administrator has it pinned
 * anew.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_ALLOW_H
#define DSA_ALLOW_H

#include <stdbool.h>

#include "lib/config.h"
#include "lib/snapshot.h"

struct dsa_allow;

/*
 * Reads the pins of this config's names in the file `path`, which need not
 * exist.  A file that cannot be read, or that is not of this form, is logged,
 * and then no name lets anyone in.  NULL: no memory.  The config is borrowed.
 */
struct dsa_allow *dsa_allow_new(const struct ds_config *config,
				const char *path);
void dsa_allow_free(struct dsa_allow *allow);

/*
 * Pins what has no pin yet, and writes the file then; warns of names that
 * have come to mean another object.  Cheap if the snapshot is the one of last
 * time.
 */
void dsa_allow_refresh(struct dsa_allow *allow, const struct ds_snap *base);

/*
 * True if both lists are empty, or one names the user or a group that the
 * user is in, nested and primary groups included.
 */
bool dsa_allow_has(const struct dsa_allow *allow, const struct ds_snap *base,
		   const struct ds_snap_user *user);

#endif

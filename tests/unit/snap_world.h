/*
 * A small domain with every awkward name, as an image in memory.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef SNAP_WORLD_H
#define SNAP_WORLD_H

#include <stddef.h>
#include <stdint.h>

#include "lib/snapshot.h"
#include "lib/snapshot_format.h"

#define WORLD_ID_MIN 200000u
#define WORLD_ID_MAX 2000200000u
#define WORLD_DOMAIN "aaddscontoso.com"
#define WORLD_UID0   300000u /* user i has WORLD_UID0 + i */
#define WORLD_GID0   200513u /* "domain users", everyone's primary group */

enum {
	W_DRILEY,  /* driley@aaddscontoso.com, sam driley */
	W_SMITH,   /* jane.smith@contoso.com, sam "smithj (3AF2)" */
	W_BACKUP,  /* no UPN: svc.backup@aaddscontoso.com */
	W_BOB_UPN, /* bob@aaddscontoso.com, sam bobby */
	W_BOB_SAM, /* alice@contoso.com, sam bob */
	W_JUERGEN, /* j<u-umlaut>rgen@contoso.com, sam the same prefix */
	W_ROOT,    /* root@aaddscontoso.com, sam root, not bare */
	W_ZERO,    /* 0@aaddscontoso.com, sam 0 */
	W_USERS,
};
enum {
	WG_USERS,  /* domain users: all are members */
	WG_ADMINS, /* aad dc administrators: driley, smith */
	WG_SUDO,   /* sudo: driley */
	WG_EMPTY,  /* empty */
	W_GROUPS,
};

/*
 * Images are malloc()ed to their exact size; the caller frees them.  NULL
 * never: a failure aborts.  With DS_SNAP_BARE_USERS or _GROUPS in the policy
 * the published names are bare where they may be.
 */
uint8_t *world_image(uint32_t policy, uint64_t generation, size_t *ret_size);
uint8_t *world_accounts(size_t *ret_size);
/* The bytes before they were stamped (page 0 empty). */
uint8_t *world_staged(uint32_t policy, size_t *ret_size);

/* Makes an image's size and checksums right again after it was changed. */
void world_restamp(uint8_t *image, size_t size);
/* A section's first element. */
void *world_section(uint8_t *image, enum ds_fmt_section sec);

/* Writes the image beside `path` and renames it there, mode 0644. */
void world_publish(const char *path, const void *image, size_t size);

#endif

/*
 * The domain of sync's tests, the defaults of a configuration for it, and what
 * is published of it, as bytes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TEST_SYNC_DOMAIN_H
#define TEST_SYNC_DOMAIN_H

#include "tests/unit/unit.h"

#include <sys/mman.h>
#include <unistd.h>

#include "synccache/sync/model.h"
#include "synccache/sync/snapshots.h"

#define DOMAIN     "example.com"
#define NETBIOS    "EXAMPLE"
#define DOMAIN_SID "S-1-5-21-1004336348-1177238915-682003330"
#define BASE_DN    "DC=example,DC=com"
#define BASE_ID    266800000u /* its slice, dssync-idmap(7) */

/* Those of dssync.conf(5), without reserved names; not to be freed. */
static inline void default_config(struct ds_config *config)
{
	static char domain[] = DOMAIN, home[] = "/home/%u",
		    shell[] = "/bin/bash", empty[] = "";
	static char *none[] = { NULL };

	*config = (struct ds_config){
		.domain = { .name = domain,
			    .site = empty,
			    .servers = none,
			    .ca_file = empty },
		.sync = { .bases = none,
			  .groups = none,
			  .attributes = DS_ATTRIBUTES_MAPPED,
			  .reconcile_interval = 3600,
			  .max_delete_percent = 20 },
		.identity = { .name_format = DS_FORMAT_UPN,
			      .group_format = DS_FORMAT_QUALIFIED,
			      .id_range = { 200000, 2000200000 },
			      .sid_history_domains = none,
			      .home = home,
			      .shell = shell,
			      .space_replacement = empty,
			      .reserved_names = none },
	};
}

/* Borrows both. */
static inline struct dss_facts facts_of(const struct ds_config *config,
					const struct dss_locals *locals)
{
	struct dss_facts facts = { .config = config,
				   .locals = locals,
				   .netbios = NETBIOS,
				   .base_dn = BASE_DN };

	assert_int_equal(ds_sid_parse_str(DOMAIN_SID, &facts.domain_sid), 0);
	return facts;
}

struct image {
	uint8_t *p; /* malloc()ed */
	size_t size;
};

/* Of one snapshot of the model: base, or accounts. */
static inline struct image image_of(const struct dss_model *model, bool base)
{
	static const struct dss_policy policy = { .known = true };
	static const uint64_t key[2] = { 1, 2 };
	int fd = memfd_create("snapshot", MFD_CLOEXEC);
	struct ds_snapw *w = NULL;
	struct image image;

	assert_int_equal(
	    base ? dss_snapshot_base(model, NETBIOS, key, fd, &w)
		 : dss_snapshot_accounts(model, &policy, NETBIOS, key, fd, &w),
	    0);
	assert_true(fd >= 0);
	assert_int_equal(ds_snapw_write(w, fd), 0);
	ds_snapw_free(w);
	image.size = (size_t)lseek(fd, 0, SEEK_END);
	image.p = malloc(image.size);
	assert_non_null(image.p);
	assert_int_equal(pread(fd, image.p, image.size, 0), image.size);
	assert_int_equal(close(fd), 0);
	return image;
}

static inline void same_image(const struct image *a, const struct image *b)
{
	assert_int_equal(a->size, b->size);
	assert_memory_equal(a->p, b->p, a->size);
}

#endif

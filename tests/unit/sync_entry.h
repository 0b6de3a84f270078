/*
 * Entries for the tests of sync, made from literals.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TEST_SYNC_ENTRY_H
#define TEST_SYNC_ENTRY_H

#include <stdio.h>
#include <string.h>

#include "lib/sid.h"
#include "synccache/sync/entry.h"
#include "tests/unit/sync_domain.h"

struct test_entry {
	struct dss_entry e;
	struct dss_attr attrs[24];
	struct dss_value values[64];
	size_t nvalues;
	struct ds_guid guid;
	uint8_t sid[DS_SID_BIN_MAX + 1]; /* a value ends with a NUL */
};

/* The n-th of a family of GUIDs. */
static inline struct ds_guid test_guid(unsigned n)
{
	struct ds_guid guid = { { 0xd5, (uint8_t)(n >> 8), (uint8_t)n, 7 } };

	return guid;
}

static inline void entry_value(struct test_entry *t, const void *data,
			       size_t len)
{
	struct dss_attr *attr = &t->attrs[t->e.count - 1];

	t->values[t->nvalues] = (struct dss_value){ data, len };
	if (attr->count++ == 0)
		attr->values = &t->values[t->nvalues];
	t->nvalues++;
}

static inline void entry_attr(struct test_entry *t, const char *name)
{
	t->attrs[t->e.count++] = (struct dss_attr){ .name = name };
}

static inline void entry_text(struct test_entry *t, const char *name,
			      const char *text)
{
	entry_attr(t, name);
	entry_value(t, text, strlen(text));
}

static inline void entry_begin(struct test_entry *t, unsigned n)
{
	memset(t, 0, sizeof(*t));
	t->e.attrs = t->attrs;
	t->e.dn = "CN=x,OU=AADDC Users,DC=example,DC=com";
	t->guid = test_guid(n);
	entry_attr(t, "objectGUID");
	entry_value(t, t->guid.b, DS_GUID_LEN);
}

static inline void entry_sid(struct test_entry *t, uint32_t rid)
{
	struct ds_sid domain, sid;

	if (ds_sid_parse_str(DOMAIN_SID, &domain) != 0 ||
	    ds_sid_join(&domain, rid, &sid) != 0)
		return;
	entry_attr(t, "objectSid");
	entry_value(t, t->sid, ds_sid_to_bin(&sid, t->sid));
}

/* What DirSync sends of a new user. */
static inline void entry_user(struct test_entry *t, unsigned n,
			      const char *sam)
{
	entry_begin(t, n);
	entry_attr(t, "objectClass");
	entry_value(t, "top", 3);
	entry_value(t, "user", 4);
	entry_sid(t, 1000 + n);
	entry_text(t, "sAMAccountName", sam);
	entry_text(t, "userAccountControl", "512");
	entry_text(t, "primaryGroupID", "513");
	entry_text(t, "whenCreated", "20240131120000.0Z");
}

static inline void entry_group(struct test_entry *t, unsigned n,
			       const char *sam)
{
	entry_begin(t, n);
	entry_attr(t, "objectClass");
	entry_value(t, "top", 3);
	entry_value(t, "group", 5);
	entry_sid(t, 1000 + n);
	entry_text(t, "sAMAccountName", sam);
	entry_text(t, "groupType", "-2147483646");
	entry_text(t, "whenCreated", "20240131120000.0Z");
}

/* "<GUID=...>;CN=x" of the n-th GUID, in buf. */
static inline const char *member_dn(unsigned n, char buf[128])
{
	struct ds_guid guid = test_guid(n);
	char text[DS_GUID_STR_MAX];

	(void)snprintf(buf, 128, "<GUID=%s>;<SID=%s-1>;CN=m,DC=example,DC=com",
		       ds_guid_to_str(&guid, text), DOMAIN_SID);
	return buf;
}

#endif

/*
 * What an X.509 certificate says of itself: as much DER as that takes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/cert.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "synccache/sync/entry.h"

#define TAG_INTEGER      0x02
#define TAG_UTC_TIME     0x17
#define TAG_GENERAL_TIME 0x18
#define TAG_SEQUENCE     0x30
#define TAG_VERSION      0xa0
#define TAG_EXTENSIONS   0xa3
#define TAG_BOOLEAN      0x01
#define TAG_OCTETS       0x04
#define TAG_OID          0x06
#define TAG_DNS_NAME     0x82

struct der {
	const uint8_t *p;
	size_t len;
};

/* Takes one element off `in`; its contents in *ret. */
static int take(struct der *in, uint8_t tag, struct der *ret)
{
	size_t head = 2, len;

	if (in->len < 2 || in->p[0] != tag)
		return DS_ERR_FORMAT;
	len = in->p[1];
	if (len & 0x80) {
		size_t bytes = len & 0x7f;

		if (bytes == 0 || bytes > 3 || in->len - 2 < bytes)
			return DS_ERR_FORMAT;
		len = 0;
		for (size_t i = 0; i < bytes; i++)
			len = len << 8 | in->p[2 + i];
		head += bytes;
	}
	if (in->len - head < len)
		return DS_ERR_FORMAT;
	*ret = (struct der){ in->p + head, len };
	in->p += head + len;
	in->len -= head + len;
	return DS_OK;
}

/* Both forms are GeneralizedTime, but for the century (4.1.2.5.1). */
static int take_time(struct der *in, uint64_t *ret_time)
{
	char text[32];
	struct dss_value v = { (const uint8_t *)text, 0 };
	struct der time;

	if (take(in, TAG_UTC_TIME, &time) == DS_OK) {
		if (time.len != 13)
			return DS_ERR_FORMAT;
		(void)snprintf(text, sizeof(text), "%s%.13s",
			       time.p[0] >= '5' ? "19" : "20",
			       (const char *)time.p);
	} else if (take(in, TAG_GENERAL_TIME, &time) == DS_OK &&
		   time.len == 15) {
		(void)snprintf(text, sizeof(text), "%.15s",
			       (const char *)time.p);
	} else {
		return DS_ERR_FORMAT;
	}
	v.len = strlen(text);
	return dss_value_time(&v, ret_time);
}

static bool names(const char *pattern, const char *host)
{
	const char *rest = strchr(host, '.');

	if (strncmp(pattern, "*.", 2) == 0)
		return rest && strcasecmp(pattern + 1, rest) == 0;
	return strcasecmp(pattern, host) == 0;
}

/* Letters, digits and what else stands in a host name, or nothing. */
static void take_name(const struct der *name, const char *host,
		      struct dss_cert *cert)
{
	size_t len = strlen(cert->names);
	char text[DSS_CERT_NAMES];

	if (name->len == 0 || name->len >= sizeof(text))
		return;
	memcpy(text, name->p, name->len);
	text[name->len] = 0;
	if (text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789"
			      "ABCDEFGHIJKLMNOPQRSTUVWXYZ.-_*")])
		return;
	cert->names_host |= names(text, host);
	if (len + name->len + 3 <= sizeof(cert->names))
		(void)snprintf(cert->names + len, sizeof(cert->names) - len,
			       "%s%s", len ? ", " : "", text);
}

/* GeneralNames (4.2.1.6), of which those of DNS. */
static void read_names(struct der value, const char *host,
		       struct dss_cert *cert)
{
	struct der list, name;

	if (take(&value, TAG_SEQUENCE, &list) != 0)
		return;
	while (list.len > 0) {
		uint8_t tag = list.p[0];

		if (take(&list, tag, &name) != 0)
			return;
		if (tag == TAG_DNS_NAME)
			take_name(&name, host, cert);
	}
}

static void read_extensions(struct der *tbs, const char *host,
			    struct dss_cert *cert)
{
	static const uint8_t alt_name[] = { 0x55, 0x1d, 0x11 };
	struct der outer, list, one, oid, value;

	if (take(tbs, TAG_EXTENSIONS, &outer) != 0 ||
	    take(&outer, TAG_SEQUENCE, &list) != 0)
		return;
	while (take(&list, TAG_SEQUENCE, &one) == DS_OK) {
		if (take(&one, TAG_OID, &oid) != 0)
			return;
		(void)!take(&one, TAG_BOOLEAN, &value); /* critical */
		if (oid.len == sizeof(alt_name) &&
		    memcmp(oid.p, alt_name, sizeof(alt_name)) == 0 &&
		    take(&one, TAG_OCTETS, &value) == DS_OK)
			read_names(value, host, cert);
	}
}

int dss_cert_read(const uint8_t *der, size_t len, const char *host,
		  struct dss_cert *ret_cert)
{
	struct der in = { der, len }, whole, tbs, skipped, validity;
	struct dss_cert cert = { .names_host = false };

	if (take(&in, TAG_SEQUENCE, &whole) != 0 ||
	    take(&whole, TAG_SEQUENCE, &tbs) != 0)
		return DS_ERR_FORMAT;
	(void)!take(&tbs, TAG_VERSION, &skipped); /* optional */
	if (take(&tbs, TAG_INTEGER, &skipped) != 0 ||
	    take(&tbs, TAG_SEQUENCE, &skipped) != 0 ||
	    take(&tbs, TAG_SEQUENCE, &skipped) != 0 ||
	    take(&tbs, TAG_SEQUENCE, &validity) != 0 ||
	    take_time(&validity, &cert.from) != 0 ||
	    take_time(&validity, &cert.until) != 0 ||
	    take(&tbs, TAG_SEQUENCE, &skipped) != 0 ||
	    take(&tbs, TAG_SEQUENCE, &skipped) != 0)
		return DS_ERR_FORMAT;
	read_extensions(&tbs, host, &cert);
	cert.names_host |= !cert.names[0];
	*ret_cert = cert;
	return DS_OK;
}

/*
 * SRV answers: parsing and ordering, both pure.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/srv.h"

#include <arpa/nameser.h>
#include <ctype.h>
#include <limits.h>
#include <resolv.h>
#include <string.h>
#include <strings.h>

#define RDATA_NAME 6 /* after priority, weight and port */
#define LABEL_MAX  63

static bool parse_one(ns_msg handle, const ns_rr *rr, struct ds_srv *srv)
{
	const uint8_t *rdata = ns_rr_rdata(*rr);
	char name[NS_MAXDNAME];
	size_t len;

	if (ns_rr_type(*rr) != ns_t_srv || ns_rr_class(*rr) != ns_c_in ||
	    ns_rr_rdlen(*rr) <= RDATA_NAME)
		return false;
	if (ns_name_uncompress(ns_msg_base(handle), ns_msg_end(handle),
			       rdata + RDATA_NAME, name, sizeof(name)) < 0)
		return false;
	len = strlen(name);
	if (len > 0 && name[len - 1] == '.')
		name[--len] = 0;
	if (len == 0 || len >= sizeof(srv->host))
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (!isascii(c) || (!isalnum(c) && !strchr("-._", c)))
			return false;
		srv->host[i] = (char)tolower(c);
	}
	srv->host[len] = 0;
	srv->priority = (uint16_t)ns_get16(rdata);
	srv->weight = (uint16_t)ns_get16(rdata + 2);
	srv->port = (uint16_t)ns_get16(rdata + 4);
	srv->away = false;
	return srv->port != 0;
}

int ds_srv_parse(const uint8_t *msg, size_t len, struct ds_srv *ret_list,
		 size_t *ret_count)
{
	size_t count = 0;
	ns_msg handle;
	ns_rr rr;

	if (len > INT_MAX || ns_initparse(msg, (int)len, &handle) != 0)
		return DS_ERR_FORMAT;
	for (int i = 0; i < ns_msg_count(handle, ns_s_an); i++) {
		if (count == DS_SRV_MAX)
			break;
		if (ns_parserr(&handle, ns_s_an, i, &rr) != 0)
			break;
		if (parse_one(handle, &rr, &ret_list[count]))
			count++;
	}
	*ret_count = count;
	return DS_OK;
}

static void swap(struct ds_srv *a, struct ds_srv *b)
{
	struct ds_srv tmp = *a;

	*a = *b;
	*b = tmp;
}

/* RFC 2782: a running sum over the weights, those of 0 first. */
static size_t draw(const struct ds_srv *list, size_t count,
		   uint32_t (*random)(void *, uint32_t), void *arg)
{
	uint32_t sum = 0, pick;

	for (size_t i = 0; i < count; i++)
		sum += list[i].weight;
	pick = random(arg, sum + 1);
	for (size_t pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < count; i++) {
			if ((list[i].weight != 0) != (pass == 1))
				continue;
			if (pick <= list[i].weight)
				return i;
			pick -= list[i].weight;
		}
	}
	return 0;
}

void ds_srv_order(struct ds_srv *list, size_t count,
		  uint32_t (*random)(void *arg, uint32_t n), void *arg)
{
	for (size_t i = 1; i < count; i++) {
		for (size_t j = i;
		     j > 0 && list[j].priority < list[j - 1].priority; j--)
			swap(&list[j], &list[j - 1]);
	}
	for (size_t i = 0; i < count; i++) {
		size_t same = 1;

		while (i + same < count &&
		       list[i + same].priority == list[i].priority)
			same++;
		swap(&list[i], &list[i + draw(list + i, same, random, arg)]);
	}
}

void ds_srv_append(struct ds_srv *list, size_t *count,
		   const struct ds_srv *domain, size_t ndomain)
{
	size_t nsite = *count;

	for (size_t i = 0; i < ndomain && *count < DS_SRV_MAX; i++) {
		size_t k = 0;

		while (k < nsite && strcmp(list[k].host, domain[i].host) != 0)
			k++;
		if (k < nsite)
			continue;
		list[*count] = domain[i];
		list[*count].away = nsite > 0;
		++*count;
	}
}

bool ds_host_in_domain(const char *host, const char *domain)
{
	size_t len = strlen(host), dlen = strlen(domain);
	char before = '.';
	const char *p;

	if (dlen == 0 || len > DS_HOST_MAX || len < dlen + 2 ||
	    host[len - dlen - 1] != '.' ||
	    strcasecmp(host + len - dlen, domain) != 0)
		return false;
	for (p = host; *p; before = *p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
		      (*p >= '0' && *p <= '9') || *p == '-' ||
		      (*p == '.' && before != '.')))
			return false;
	return true;
}

bool ds_site_usable(const char *site)
{
	size_t label = 0;
	const char *p;

	for (p = site; *p; p++) {
		if (*p == '.' && label == 0)
			return false;
		label = *p == '.' ? 0 : label + 1;
		if (label > LABEL_MAX ||
		    (*p != '.' && *p != '-' && *p != '_' &&
		     (!isascii((unsigned char)*p) ||
		      !isalnum((unsigned char)*p))))
			return false;
	}
	return label > 0 && p - site <= DS_HOST_MAX;
}

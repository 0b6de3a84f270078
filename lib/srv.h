/*
 * Which domain controllers there are: DNS SRV records (RFC 2782).  They are
 * hints; who is a domain controller is proven by the KDC later.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_SRV_H
#define DS_SRV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

#define DS_HOST_MAX 253 /* RFC 1035, without a final dot */
#define DS_SRV_MAX  64  /* records that are looked at */

struct ds_srv {
	uint16_t priority, weight, port;
	char host[DS_HOST_MAX + 1]; /* lower case, without the final dot */
	bool away;                  /* not of the site that was asked for */
};

/*
 * The SRV records of a DNS answer (RFC 1035), at most DS_SRV_MAX, into
 * ret_list.  Records that break their format, or whose target is ".", are
 * left out.  DS_ERR_FORMAT: not an answer at all.  Pure.
 */
DS_MUST_CHECK int ds_srv_parse(const uint8_t *msg, size_t len,
			       struct ds_srv *ret_list, size_t *ret_count);

/*
 * Puts them in the order in which to try them: by priority, inside one by a
 * draw among the weights.  random(arg, n) returns 0 .. n - 1.
 */
void ds_srv_order(struct ds_srv *list, size_t count,
		  uint32_t (*random)(void *arg, uint32_t n), void *arg);

/*
 * Adds the whole domain's to those of the site, as `away`, without those that
 * are there already; at most DS_SRV_MAX.  Both keep their order.
 */
void ds_srv_append(struct ds_srv *list, size_t *count,
		   const struct ds_srv *domain, size_t ndomain);

/*
 * True if host is a name below the DNS domain, any case, of letters, digits,
 * '-' and single dots, so that it may become part of a principal.
 */
bool ds_host_in_domain(const char *host, const char *domain);

/*
 * True if a site's name, which somebody else said, may become part of a
 * question: labels (RFC 1035) of ASCII letters, digits, '-' and '_'.
 */
bool ds_site_usable(const char *site);

/*
 * Asks DNS for the domain's controllers, in the order in which to try them:
 * those of the site first if it is not "".  Blocks for a few seconds at most
 * for each of these two questions, and asks one if nobody answers.
 * DS_ERR_UNAVAIL: no answer; DS_ERR_NOTFOUND: none registered.
 */
DS_MUST_CHECK int ds_srv_lookup(const char *domain, const char *site,
				struct ds_srv *ret_list, size_t *ret_count);

#endif

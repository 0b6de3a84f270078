/*
 * The DNS question behind srv.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/srv.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define QUERY_SECONDS 2
#define QUERY_TRIES   1

static uint32_t draw_number(void *arg, uint32_t n)
{
	uint32_t v = 0;

	(void)arg;
	if (getrandom(&v, sizeof(v), GRND_NONBLOCK) != (ssize_t)sizeof(v))
		return 0;
	return n ? v % n : 0;
}

static int ask(const char *name, struct ds_srv *ret_list, size_t *ret_count)
{
	static uint8_t answer[65536]; /* any DNS message over TCP */
	struct __res_state state;
	int len, h_error;

	memset(&state, 0, sizeof(state));
	if (res_ninit(&state) != 0)
		return DS_ERR_UNAVAIL;
	state.retrans = QUERY_SECONDS;
	state.retry = QUERY_TRIES;
	len = res_nquery(&state, name, ns_c_in, ns_t_srv, answer,
			 (int)sizeof(answer));
	h_error = state.res_h_errno;
	res_nclose(&state);
	if (len < 0)
		return h_error == HOST_NOT_FOUND || h_error == NO_DATA
			   ? DS_ERR_NOTFOUND
			   : DS_ERR_UNAVAIL;
	return ds_srv_parse(answer, (size_t)len, ret_list, ret_count);
}

int ds_srv_lookup(const char *domain, const char *site,
		  struct ds_srv *ret_list, size_t *ret_count)
{
	char name[NS_MAXDNAME];
	size_t count = 0;
	int err = DS_OK;

	if (site[0] && (size_t)snprintf(name, sizeof(name),
					"_ldap._tcp.%s._sites.dc._msdcs.%s",
					site, domain) < sizeof(name))
		err = ask(name, ret_list, &count);
	/* A site without controllers is served by the others. */
	if (err == DS_ERR_NOTFOUND || count == 0) {
		if ((size_t)snprintf(name, sizeof(name),
				     "_ldap._tcp.dc._msdcs.%s",
				     domain) >= sizeof(name))
			return DS_ERR_INVAL;
		err = ask(name, ret_list, &count);
	}
	if (err)
		return err;
	if (count == 0)
		return DS_ERR_NOTFOUND;
	ds_srv_order(ret_list, count, draw_number, NULL);
	*ret_count = count;
	return DS_OK;
}

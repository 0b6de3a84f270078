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

#include "lib/wire.h"

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

/* The records of that name, in order; none is no error. */
static int ask(const char *name, struct ds_srv *ret_list, size_t *ret_count)
{
	static uint8_t answer[65536]; /* any DNS message over TCP */
	struct __res_state state;
	int err, len, h_error;

	memset(&state, 0, sizeof(state));
	if (res_ninit(&state) != 0)
		return DS_ERR_UNAVAIL;
	state.retrans = QUERY_SECONDS;
	state.retry = QUERY_TRIES;
	len = res_nquery(&state, name, ns_c_in, ns_t_srv, answer,
			 (int)sizeof(answer));
	h_error = state.res_h_errno;
	res_nclose(&state);
	if (len < 0 && h_error != HOST_NOT_FOUND && h_error != NO_DATA)
		return DS_ERR_UNAVAIL;
	*ret_count = 0;
	if (len < 0)
		return DS_OK;
	err = ds_srv_parse(answer, (size_t)len, ret_list, ret_count);
	if (err == DS_OK)
		ds_srv_order(ret_list, *ret_count, draw_number, NULL);
	return err;
}

int ds_srv_lookup(const char *domain, const char *site,
		  struct ds_srv *ret_list, size_t *ret_count)
{
	static struct ds_srv all[DS_SRV_MAX];
	int64_t since = ds_now_ms();
	char name[NS_MAXDNAME];
	size_t count = 0, nall = 0;
	int err = DS_OK;

	if (site[0] && (size_t)snprintf(name, sizeof(name),
					"_ldap._tcp.%s._sites.dc._msdcs.%s",
					site, domain) < sizeof(name))
		err = ask(name, ret_list, &count);
	/* Who let that much time pass will not answer another question. */
	if (err && ds_now_ms() - since >= QUERY_SECONDS * 1000)
		return err;
	if (err)
		count = 0;
	if ((size_t)snprintf(name, sizeof(name), "_ldap._tcp.dc._msdcs.%s",
			     domain) >= sizeof(name))
		return DS_ERR_INVAL;
	err = ask(name, all, &nall);
	if (err && count == 0)
		return err;
	ds_srv_append(ret_list, &count, all, err ? 0 : nall);
	if (count == 0)
		return DS_ERR_NOTFOUND;
	*ret_count = count;
	return DS_OK;
}

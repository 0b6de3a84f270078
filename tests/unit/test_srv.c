/*
 * Which questions are asked for the domain controllers, and what is made of
 * the answers: name servers that are scripted, and a clock that they turn.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "lib/srv.h"
#include "tests/unit/srv_seams.h"

#define SITE_NAME   "_ldap._tcp.EAST._sites.dc._msdcs.example.com"
#define DOMAIN_NAME "_ldap._tcp.dc._msdcs.example.com"

static struct {
	/* Names of one label, "" at the end; no list: h_error. */
	const char *const *site, *const *domain;
	int h_error;
	int64_t ms; /* that an answer takes, or its lack */
	int64_t now;
	char asked[256]; /* "NAME " each */
} dns;

static struct ds_srv list[DS_SRV_MAX];
static size_t count;

/* ---- the name servers: srv_seams.h ---- */

int64_t srv_test_now(void);

/* One SRV record (RFC 2782) of the root, port 389. */
static size_t put_record(uint8_t *p, const char *label)
{
	static const uint8_t head[] = { 0, 0, 33, 0, 1, 0, 0, 0, 9, 0 };
	size_t len = strlen(label);

	memcpy(p, head, sizeof(head));
	p[10] = (uint8_t)(6 + len + 2);
	memcpy(p + 11, "\0\0\0\0\x01\x85", 6);
	p[17] = (uint8_t)len;
	memcpy(p + 18, label, len);
	p[18 + len] = 0;
	return 19 + len;
}

int64_t srv_test_now(void)
{
	return dns.now;
}

int srv_test_query(struct __res_state *state, const char *name, int class,
		   int type, unsigned char *answer, int cap)
{
	const char *const *label =
	    strcmp(name, SITE_NAME) == 0 ? dns.site : dns.domain;
	size_t len = 12, used = strlen(dns.asked);

	assert_int_equal(class, ns_c_in);
	assert_int_equal(type, ns_t_srv);
	assert_true(cap >= 4096);
	(void)snprintf(dns.asked + used, sizeof(dns.asked) - used, "%s ",
		       name);
	dns.now += dns.ms;
	if (!label) {
		state->res_h_errno = dns.h_error;
		return -1;
	}
	memset(answer, 0, 12);
	answer[2] = 0x80; /* an answer */
	for (; **label; label++) {
		len += put_record(answer + len, *label);
		answer[7]++;
	}
	return (int)len;
}

/* ---- the tests ---- */

static const char *const dc2[] = { "dc2", "" };
static const char *const both[] = { "dc2", "dc1", "" };

static int look_up(const char *site)
{
	dns.asked[0] = 0;
	count = 99;
	return ds_srv_lookup("example.com", site, list, &count);
}

static int setup(void **state)
{
	(void)state;
	memset(&dns, 0, sizeof(dns));
	dns.h_error = TRY_AGAIN;
	return 0;
}

static void test_site_first(void **state)
{
	(void)state;
	dns.site = dc2;
	dns.domain = both;
	assert_int_equal(look_up("EAST"), 0);
	assert_string_equal(dns.asked, SITE_NAME " " DOMAIN_NAME " ");
	assert_int_equal(count, 2);
	assert_string_equal(list[0].host, "dc2");
	assert_false(list[0].away);
	assert_string_equal(list[1].host, "dc1");
	assert_true(list[1].away);
	assert_int_equal(list[1].port, 389);
	/* One that answers slowly answers twice. */
	dns.ms = 3000;
	assert_int_equal(look_up("EAST"), 0);
	assert_int_equal(count, 2);
	/* No site, no question. */
	assert_int_equal(look_up(""), 0);
	assert_string_equal(dns.asked, DOMAIN_NAME " ");
	assert_false(list[0].away || list[1].away);
}

static void test_no_such_site(void **state)
{
	(void)state;
	dns.domain = both;
	dns.h_error = HOST_NOT_FOUND;
	assert_int_equal(look_up("EAST"), 0);
	assert_int_equal(count, 2);
	assert_false(list[0].away || list[1].away);
	/* Refused at once: the other question may fare better. */
	dns.h_error = TRY_AGAIN;
	assert_int_equal(look_up("EAST"), 0);
	assert_int_equal(count, 2);
	dns.domain = NULL;
	dns.h_error = NO_DATA;
	assert_int_equal(look_up("EAST"), DS_ERR_NOTFOUND);
	assert_int_equal(count, 99);
	/* The site's alone are better than nobody. */
	dns.site = dc2;
	dns.h_error = TRY_AGAIN;
	assert_int_equal(look_up("EAST"), 0);
	assert_int_equal(count, 1);
}

/* Nobody answers: a site does not double what that costs. */
static void test_nobody_answers(void **state)
{
	(void)state;
	dns.ms = 2000;
	assert_int_equal(look_up("EAST"), DS_ERR_UNAVAIL);
	assert_string_equal(dns.asked, SITE_NAME " ");
	assert_int_equal(look_up(""), DS_ERR_UNAVAIL);
	assert_string_equal(dns.asked, DOMAIN_NAME " ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_site_first, setup),
		cmocka_unit_test_setup(test_no_such_site, setup),
		cmocka_unit_test_setup(test_nobody_answers, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/*
 * The site of this host: the domain controller's answer to an LDAP ping, what
 * is remembered of it, and whom it makes the first choice.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <signal.h>
#include <unistd.h>

#include "synccache/sync/site.h"
#include "tests/unit/dc_world.h"

#define RETURN_MS 900000 /* as in dc.c; dc_world.c has no jitter */

/* ---- the parser ---- */

/* What Samba 4.17 answers, up to the server's site, at offset 70. */
#define HEAD                                                                  \
	"\x17\0\0\0\x7d\x13\0\0\x5b\xf9\x96\x44\x70\x2b\xa1\x48\x8c\xc1\xe7"  \
	"\xb3\x6d\x9f\x15\x9d"                                                \
	"\x0c"                                                                \
	"aaddscontoso\3com\0\xc0\x18\3dc1\xc0\x18\x0c"                        \
	"AADDSCONTOSO\0\3DC1\0\0"
#define FIRST                                                                 \
	"\x17"                                                                \
	"Default-First-Site-Name\0"
#define TAIL "\5\0\0\0\xff\xff\xff\xff"

#define EXPECT(ret, bytes)                                                    \
	assert_int_equal(parse(bytes, sizeof(bytes) - 1), ret)

static struct dss_netlogon got;

/* From memory that ends where the value does. */
static int parse(const char *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	int err;

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	memset(&got, '#', sizeof(got));
	err = dss_netlogon_parse(copy, len, &got);
	free(copy);
	if (err)
		assert_int_equal(got.dc_site[0], '#');
	return err;
}

static void test_answers(void **state)
{
	(void)state;
	EXPECT(DS_OK, HEAD FIRST "\xc0\x46" TAIL);
	assert_string_equal(got.dc_site, "Default-First-Site-Name");
	assert_string_equal(got.client_site, "Default-First-Site-Name");
	EXPECT(DS_OK, HEAD FIRST "\4EAST\0" TAIL);
	assert_string_equal(got.client_site, "EAST");
	/* In no site; and a server that is in none. */
	EXPECT(DS_OK, HEAD FIRST "\0" TAIL);
	assert_string_equal(got.client_site, "");
	EXPECT(DS_OK, HEAD "\0\0" TAIL);
	assert_string_equal(got.dc_site, "");
	/* Labels, of which the second ones are shared. */
	EXPECT(DS_OK, HEAD "\1a\1b\1c\0\1x\xc0\x48" TAIL);
	assert_string_equal(got.dc_site, "a.b.c");
	assert_string_equal(got.client_site, "x.b.c");
	/* Anything else in them is not the parser's to judge. */
	EXPECT(DS_OK, HEAD "\3\xc3\xbcx\0\2 \n\0" TAIL);
	assert_string_equal(got.dc_site, "\xc3\xbcx");
	assert_string_equal(got.client_site, " \n");
	/* A user; what a later version may put before the tail. */
	EXPECT(DS_OK, "\x17\0\0\0aaaabbbbccccddddeeee\0\0\0\0\0\5HOST$\0"
		      "\1a\0\1b\0more" TAIL);
	assert_string_equal(got.client_site, "b");
}

static void test_cut_short(void **state)
{
	static const char sample[] = HEAD FIRST "\4EAST\0" TAIL;
	static const char shared[] = HEAD FIRST "\xc0\x46" TAIL;

	(void)state;
	for (size_t len = 0; len < sizeof(sample) - 1; len++)
		assert_int_equal(parse(sample, len), DS_ERR_FORMAT);
	for (size_t len = 0; len < sizeof(shared) - 1; len++)
		assert_int_equal(parse(shared, len), DS_ERR_FORMAT);
}

static void test_broken(void **state)
{
	(void)state;
	/* Another answer: the user is not known (25), or not even this. */
	EXPECT(DS_ERR_FORMAT, "\x19\0\0\0aaaabbbbccccddddeeee"
			      "\0\0\0\0\0\0\0\0" TAIL);
	EXPECT(DS_ERR_FORMAT, "\x17\1\0\0aaaabbbbccccddddeeee"
			      "\0\0\0\0\0\0\0\0" TAIL);
	/* To itself, to each other, forward, into the header, nowhere. */
	EXPECT(DS_ERR_FORMAT, HEAD FIRST "\xc0\x5f" TAIL);
	EXPECT(DS_ERR_FORMAT, HEAD "\1a\xc0\x46\0" TAIL);
	EXPECT(DS_ERR_FORMAT, HEAD "\xc0\x48\xc0\x46\0" TAIL);
	EXPECT(DS_ERR_FORMAT, HEAD "\xc0\x4a\0\1a\0" TAIL);
	EXPECT(DS_ERR_FORMAT, HEAD FIRST "\xc0\x02" TAIL);
	EXPECT(DS_ERR_FORMAT, HEAD FIRST "\xff\xff" TAIL);
	/* Kinds of labels that there are not; labels that are two. */
	EXPECT(DS_ERR_FORMAT, HEAD FIRST "\x41"
					 "a\0" TAIL);
	EXPECT(DS_ERR_FORMAT, HEAD FIRST "\x81"
					 "a\0" TAIL);
	EXPECT(DS_ERR_FORMAT, HEAD FIRST "\3a.b\0" TAIL);
	EXPECT(DS_ERR_FORMAT, HEAD FIRST "\3a\0b\0" TAIL);
}

/* A name has at most 253 bytes, however its labels are shared. */
static void test_long_names(void **state)
{
	char value[24 + 6 + 512] = { 23 };
	size_t len = 24 + 6;

	(void)state;
	for (int i = 0; i < 4; i++) {
		value[len] = 63;
		memset(value + len + 1, 'a', 63);
		len += 64;
	}
	len -= 2; /* 63 + 63 + 63 + 61 and three dots */
	value[len - 62] = 61;
	value[len] = 0;
	memcpy(value + len + 1, "\0" TAIL, 9);
	assert_int_equal(parse(value, len + 10), DS_OK);
	assert_int_equal(strlen(got.dc_site), 253);
	/* The same once more, with one more label before it. */
	memcpy(value + len + 1, "\1b\xc0\x1e" TAIL, 12);
	assert_int_equal(parse(value, len + 13), DS_ERR_FORMAT);
	/* From its second label on there is room. */
	memcpy(value + len + 1, "\1b\xc0\x5e" TAIL, 12);
	assert_int_equal(parse(value, len + 13), DS_OK);
	assert_int_equal(strlen(got.client_site), 191);
	/* One byte more in the last label. */
	value[len - 62] = 62;
	memcpy(value + len, "a\0\0" TAIL, 11);
	assert_int_equal(parse(value, len + 11), DS_ERR_FORMAT);
}

static void test_usable(void **state)
{
	char longest[260];

	(void)state;
	assert_true(ds_site_usable("Default-First-Site-Name"));
	assert_true(ds_site_usable("berlin_2.example"));
	assert_false(ds_site_usable(""));
	assert_false(ds_site_usable("."));
	assert_false(ds_site_usable("a..b"));
	assert_false(ds_site_usable(".a"));
	assert_false(ds_site_usable("a."));
	assert_false(ds_site_usable("two words"));
	assert_false(ds_site_usable("a\\.b"));
	assert_false(ds_site_usable("a\nb"));
	assert_false(ds_site_usable("z\xc3\xbcrich"));
	memset(longest, 'a', sizeof(longest));
	longest[63] = 0;
	assert_true(ds_site_usable(longest));
	longest[63] = 'a';
	longest[64] = 0;
	assert_false(ds_site_usable(longest));
	memset(longest, 'a', sizeof(longest));
	longest[63] = longest[127] = longest[191] = '.';
	longest[253] = 0;
	assert_true(ds_site_usable(longest));
	longest[253] = 'a';
	longest[254] = 0;
	assert_false(ds_site_usable(longest));
}

/* ---- the choice ---- */

/* dc1 is in WEST, dc2 in EAST; both say that this host is in EAST. */
static void two_sites(struct dc_world *w)
{
	w->dcs[0] = (struct dc_host){ .name = "dc1.example.com",
				      .site = "WEST",
				      .says = "EAST" };
	w->dcs[1] = (struct dc_host){ .name = "dc2.example.com",
				      .site = "EAST",
				      .says = "EAST" };
}

static void connect_anew(struct dc_world *w)
{
	dss_conn_free(w->s.conn);
	w->s.conn = NULL;
	w->asked[0] = 0;
	assert_int_equal(dss_dc_connect(&w->s), 0);
}

static void expect(struct dc_world *w, const char *asked, const char *server,
		   int first, int second)
{
	assert_string_equal(w->asked, asked);
	assert_string_equal(w->s.status.server, server);
	assert_int_equal(w->dcs[0].connected, first);
	assert_int_equal(w->dcs[1].connected, second);
}

/* Anybody tells where this host is; then its own site's are used, at once. */
static void test_first_contact(void **state)
{
	struct dc_world *w = *state;

	two_sites(w);
	connect_anew(w);
	expect(w, "- EAST ", "dc2.example.com", 1, 1);
	assert_string_equal(w->s.status.site, "EAST");
	assert_string_equal(w->s.status.server_site, "EAST");
	assert_string_equal(w->told, "dc2.example.com");
	assert_string_equal(w->told_site, "EAST");
	assert_int_equal(w->s.return_at, 0);
	/* From now on it is asked for first. */
	connect_anew(w);
	expect(w, "EAST ", "dc2.example.com", 1, 2);
	assert_int_equal(w->dcs[1].pinged, 2);
	/* Who is of that site itself is not left. */
	w->dcs[0].says = "WEST";
	w->s.status.site[0] = 0;
	connect_anew(w);
	expect(w, "- ", "dc1.example.com", 2, 2);
	assert_string_equal(w->s.status.site, "WEST");
}

/* The site's are down: who was found stays, and they are looked for later. */
static void test_site_is_down(void **state)
{
	struct dc_world *w = *state;

	two_sites(w);
	w->dcs[1].down = true;
	connect_anew(w);
	expect(w, "- EAST ", "dc1.example.com", 1, 0);
	assert_non_null(w->s.conn);
	assert_true(w->s.return_at > 0);
	/* Not before a quarter of an hour is over, ... */
	w->clock += RETURN_MS - 60000;
	w->dcs[1].down = false;
	dss_dc_return(&w->s, false);
	expect(w, "- EAST ", "dc1.example.com", 1, 0);
	/* ... then at each such time, */
	w->dcs[1].down = true;
	w->clock += 60001;
	dss_dc_return(&w->s, false);
	expect(w, "- EAST EAST ", "dc1.example.com", 1, 0);
	dss_dc_return(&w->s, false);
	expect(w, "- EAST EAST ", "dc1.example.com", 1, 0);
	w->dcs[1].down = false;
	w->clock += RETURN_MS + 1;
	dss_dc_return(&w->s, false);
	expect(w, "- EAST EAST EAST ", "dc2.example.com", 1, 1);
	/* and never again from the best. */
	w->clock += 10 * (int64_t)RETURN_MS;
	dss_dc_return(&w->s, true);
	expect(w, "- EAST EAST EAST ", "dc2.example.com", 1, 1);
}

/* A full sync looks at once. */
static void test_return_now(void **state)
{
	struct dc_world *w = *state;

	two_sites(w);
	strcpy(w->s.status.site, "EAST");
	w->dcs[1].down = true;
	connect_anew(w);
	expect(w, "EAST ", "dc1.example.com", 1, 0);
	w->dcs[1].down = false;
	dss_dc_return(&w->s, true);
	expect(w, "EAST EAST ", "dc2.example.com", 1, 1);
	assert_int_equal(w->s.return_at, 0);
}

/* Nobody serves the site, or a server of another does: it stays. */
static void test_site_is_served(void **state)
{
	struct dc_world *w = *state;

	two_sites(w);
	w->dcs[0].says = w->dcs[1].says = "NORTH";
	connect_anew(w);
	expect(w, "- NORTH ", "dc1.example.com", 1, 0);
	dss_dc_return(&w->s, true);
	expect(w, "- NORTH NORTH ", "dc1.example.com", 1, 0);
	w->dcs[0].covers = true;
	connect_anew(w);
	expect(w, "NORTH ", "dc1.example.com", 2, 0);
	dss_dc_return(&w->s, true);
	expect(w, "NORTH NORTH ", "dc1.example.com", 2, 0);
	/* Until it gets one of its own. */
	w->dcs[0].covers = false;
	w->dcs[1].site = "NORTH";
	w->clock += RETURN_MS + 1;
	dss_dc_return(&w->s, false);
	expect(w, "NORTH NORTH NORTH ", "dc2.example.com", 2, 1);
	assert_int_equal(w->s.return_at, 0);
}

/* DNS names so many that the server in use is not among them. */
static void test_not_named(void **state)
{
	struct dc_world *w = *state;

	two_sites(w);
	w->dcs[2] =
	    (struct dc_host){ .name = "dc3.example.com", .site = "SOUTH" };
	w->dcs[0].unnamed = true;
	w->dcs[0].says = "NORTH";
	connect_anew(w);
	expect(w, "- NORTH ", "dc1.example.com", 1, 0);
	/* The site has servers, but none can be used. */
	strcpy(w->s.status.site, "EAST");
	w->dcs[1].down = true;
	w->asked[0] = 0;
	dss_dc_return(&w->s, true);
	expect(w, "EAST ", "dc1.example.com", 1, 0);
	w->dcs[1].down = false;
	dss_dc_return(&w->s, true);
	expect(w, "EAST EAST ", "dc2.example.com", 1, 1);
	assert_int_equal(w->dcs[2].connected, 0);
}

/* Two that send this host to each other get a visit each, not more. */
static void test_two_words(void **state)
{
	struct dc_world *w = *state;

	two_sites(w);
	w->dcs[1].says = "WEST";
	connect_anew(w);
	expect(w, "- EAST ", "dc2.example.com", 1, 1);
	assert_string_equal(w->s.status.site, "WEST");
	for (int i = 0; i < 3; i++) {
		w->clock += 2 * RETURN_MS;
		dss_dc_return(&w->s, true);
	}
	expect(w, "- EAST ", "dc2.example.com", 1, 1);
	connect_anew(w);
	expect(w, "WEST EAST ", "dc2.example.com", 2, 2);
	/* Also by way of the timer. */
	w->dcs[1].down = true;
	connect_anew(w);
	expect(w, "WEST EAST ", "dc1.example.com", 3, 2);
	w->dcs[1].down = false;
	for (int i = 0; i < 3; i++) {
		w->clock += 2 * RETURN_MS;
		dss_dc_return(&w->s, true);
	}
	expect(w, "WEST EAST EAST ", "dc2.example.com", 3, 3);
}

static void test_configured(void **state)
{
	static char west[] = "WEST", dc1[] = "dc1.example.com";
	static char *servers[] = { dc1, NULL };
	struct dc_world *w = *state;

	two_sites(w);
	w->s.config.domain.site = west;
	dss_site_start(&w->s);
	connect_anew(w);
	expect(w, "WEST ", "dc1.example.com", 1, 0);
	assert_string_equal(w->s.status.site, "WEST");
	assert_string_equal(w->s.status.site_from, "configured");
	w->s.config.domain.servers = servers;
	w->s.config.domain.site = west + 4;
	w->s.status.site[0] = 0;
	connect_anew(w);
	expect(w, "", "dc1.example.com", 2, 0);
	assert_int_equal(w->dcs[0].pinged, 0);
	assert_string_equal(w->s.status.site, "");
}

/* What was known stays where nothing is said, and goes where that is said. */
static void test_words(void **state)
{
	struct dc_world *w = *state;

	two_sites(w);
	strcpy(w->s.status.site, "EAST");
	w->dcs[1].says = NULL;
	connect_anew(w);
	assert_string_equal(w->s.status.site, "EAST");
	w->dcs[1].says = "";
	connect_anew(w);
	assert_string_equal(w->s.status.site, "");
	/* A name that is none never comes near DNS. */
	strcpy(w->s.status.site, "EAST");
	w->dcs[1].says = "EA ST";
	connect_anew(w);
	expect(w, "EAST ", "dc2.example.com", 0, 3);
	assert_string_equal(w->s.status.site, "");
	w->dcs[0].says = "EA ST";
	connect_anew(w);
	expect(w, "- ", "dc1.example.com", 1, 3);
}

/* The live looks are told by the mirror, and lose no time. */
static void test_looks(void **state)
{
	struct dc_world *w = *state;
	char tried[DSS_TEXT] = "";

	two_sites(w);
	w->s.hurry = true;
	assert_int_equal(dss_dc_open(&w->s, "", "", tried, sizeof(tried)), 0);
	assert_int_equal(w->dcs[0].pinged, 0);
	expect(w, "- ", "dc1.example.com", 1, 0);
}

/* ---- what is remembered ---- */

static void save(struct dc_world *w, struct dss_store *store)
{
	struct dss_txn *txn;

	assert_int_equal(dss_txn_begin(store, true, &txn), 0);
	assert_int_equal(dss_site_save(&w->s, txn), 0);
	assert_int_equal(dss_txn_commit(txn), 0);
}

static const char *remembered(struct dc_world *w, struct dss_store *store)
{
	w->s.status.site[0] = 0;
	w->s.store = store;
	dss_site_start(&w->s);
	return w->s.status.site;
}

static void test_remembered(void **state)
{
	static char other[] = "example.net", configured[] = "SOUTH";
	struct dc_world *w = *state;
	struct dss_store *store;
	char dir[] = "/tmp/dssync-test-XXXXXX";
	bool rebuilt;

	assert_non_null(mkdtemp(dir));
	assert_int_equal(dss_store_open(dir, &rebuilt, &store), 0);
	assert_string_equal(remembered(w, store), "");
	save(w, store);
	assert_string_equal(remembered(w, store), "");
	strcpy(w->s.status.site, "EAST");
	save(w, store);
	assert_string_equal(remembered(w, store), "EAST");
	assert_string_equal(w->s.status.site_from, "discovered");
	/* Another domain's is none; a configured one leaves it alone. */
	w->s.config.domain.name = other;
	assert_string_equal(remembered(w, store), "");
	w->s.config.domain.name = (char[]){ "EXAMPLE.com" };
	w->s.config.domain.site = configured;
	assert_string_equal(remembered(w, store), "SOUTH");
	save(w, store);
	w->s.config.domain.site = configured + 5;
	assert_string_equal(remembered(w, store), "EAST");
	w->s.status.site[0] = 0;
	save(w, store);
	assert_string_equal(remembered(w, store), "");
	dss_store_close(store);
	assert_int_equal(dss_store_remove(dir), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* Whatever it says to the ping: it is a domain controller. */
static void test_ping_refused(void **state)
{
	static const int codes[] = {
		LDAP_PROTOCOL_ERROR,   LDAP_BUSY,
		LDAP_UNAVAILABLE,      LDAP_TIMELIMIT_EXCEEDED,
		LDAP_OPERATIONS_ERROR, LDAP_INSUFFICIENT_ACCESS,
		LDAP_NO_SUCH_OBJECT
	};
	struct dc_world *w = *state;

	w->dcs[0] =
	    (struct dc_host){ .name = "dc1.example.com", .site = "WEST" };
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		w->dcs[0].refuses = codes[i];
		assert_int_equal(dss_dc_connect(&w->s), 0);
		assert_int_equal(w->dcs[0].pinged, (int)i + 1);
		dss_dc_close(&w->s);
	}
	/* A connection that broke is of no use. */
	w->dcs[0].refuses = -1;
	assert_int_not_equal(dss_dc_connect(&w->s), 0);
	assert_null(w->s.conn);
}

#define WORLD_TEST(t)                                                         \
	cmocka_unit_test_setup_teardown(t, dc_world_setup, dc_world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_usable),
		WORLD_TEST(test_first_contact),
		WORLD_TEST(test_site_is_down),
		WORLD_TEST(test_return_now),
		WORLD_TEST(test_site_is_served),
		WORLD_TEST(test_not_named),
		WORLD_TEST(test_two_words),
		WORLD_TEST(test_configured),
		WORLD_TEST(test_words),
		WORLD_TEST(test_looks),
		WORLD_TEST(test_ping_refused),
		WORLD_TEST(test_remembered),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

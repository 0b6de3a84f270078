/*
 * Password changes: what is decided before, by and after the exchange, the
 * framing of kpasswd, and what a server's refusal is in words.  change.c,
 * kpwmsg.c and krberr.c are the real ones; the KDC is scripted.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/wire.h"
#include "synccache/auth/as.h"
#include "synccache/auth/ccfile.h"
#include "synccache/auth/change.h"
#include "synccache/auth/kpasswd.h"
#include "synccache/auth/krb.h"

static struct dsa_server server;
static struct ds_snap_account account;
static struct dsa_login login;

/* ---- the KDC ---- */

static struct {
	int logins, tickets, changes;
	enum ds_auth_result login, again; /* with the old, the new password */
	krb5_error_code ticket, change;
	bool other_client;
	struct dsa_kpasswd answer;
	char new_password[32];
	int64_t end_ms[3]; /* of both logins and the ticket */
} kdc;

void dsa_login(const struct dsa_server *with, const struct ds_snap_account *of,
	       const char *password, int64_t end_ms, struct dsa_login *ret)
{
	bool again = kdc.changes > 0;
	enum ds_auth_result result = again ? kdc.again : kdc.login;

	assert_ptr_equal(with, &server);
	assert_ptr_equal(of, &account);
	kdc.logins++;
	kdc.end_ms[again ? 1 : 0] = end_ms;
	assert_string_equal(again ? kdc.new_password : "old", password);
	*ret = (struct dsa_login){ .result = result,
				   .say = result,
				   .found.kdc = "10.0.0.1",
				   .principal = "p@R",
				   .reason = "why" };
	assert_int_equal(
	    dsa_secret_copy(&ret->ccache, "x", 1, DSA_SECRET_PRIVATE), 0);
}

krb5_error_code dsa_krb_context(const char *conf, const char *realm,
				krb5_context *ret_ctx)
{
	(void)conf;
	(void)realm;
	*ret_ctx = NULL;
	return 0;
}

char *dsa_krb_text(krb5_context ctx, krb5_error_code code, char *buf,
		   size_t cap)
{
	(void)ctx;
	(void)snprintf(buf, cap, "code %d", (int)code);
	return buf;
}

krb5_error_code dsa_krb_enterprise(krb5_context ctx, const char *realm,
				   const struct ds_snap_account *of,
				   krb5_principal *ret_principal)
{
	(void)ctx;
	(void)realm;
	(void)of;
	*ret_principal = NULL;
	return 0;
}

bool dsa_krb_is_account(krb5_const_principal who, const char *realm,
			const struct ds_snap_account *of)
{
	(void)who;
	(void)realm;
	(void)of;
	return !kdc.other_client;
}

krb5_error_code dsa_ccfile_open(krb5_context ctx, const void *p, size_t len,
				krb5_ccache *ret_cc, int *ret_fd)
{
	(void)ctx;
	(void)p;
	(void)len;
	(void)ret_cc;
	(void)ret_fd;
	fail();
	return 0;
}

void dsa_kdc_init(struct dsa_kdc *k, const struct ds_config *config,
		  const char *realm, const char *site, const char *near)
{
	(void)k;
	(void)config;
	(void)realm;
	(void)site;
	assert_string_equal(near, "10.0.0.1");
}

void dsa_kdc_until(struct dsa_kdc *k, int64_t end_ms)
{
	(void)k;
	kdc.end_ms[2] = end_ms;
}

krb5_error_code dsa_as_exchange(struct dsa_as *as, const char *service,
				krb5_creds *ret_creds)
{
	(void)ret_creds;
	assert_string_equal(service, "kadmin/changepw");
	assert_string_equal(as->password, "old");
	kdc.tickets++;
	return kdc.ticket;
}

krb5_error_code dsa_kpasswd(krb5_context ctx, struct dsa_kdc *k,
			    krb5_creds *creds, const char *new_password,
			    struct dsa_kpasswd *ret)
{
	(void)ctx;
	(void)k;
	(void)creds;
	kdc.changes++;
	(void)snprintf(kdc.new_password, sizeof(kdc.new_password), "%s",
		       new_password);
	*ret = kdc.answer;
	return kdc.change;
}

/* ---- the decisions ---- */

static int fresh(void **state)
{
	static char url[] = "";

	(void)state;
	memset(&kdc, 0, sizeof(kdc));
	server.config.login.fast = DS_FAST_TRY;
	server.config.login.password_change_url = url;
	server.fast_seen = false;
	account.flags = DS_ID_CUSTOM_OU;
	return 0;
}

static enum ds_auth_result change(const char *old_password,
				  const char *new_password)
{
	kdc.changes = kdc.logins = 0;
	dsa_change(&server, &account, old_password, new_password, &login);
	assert_null(login.ccache.p);
	assert_string_equal(login.principal, "");
	/* What no KDC was asked counts as nothing, and proves nothing. */
	assert_true(login.unasked == (kdc.logins == 0));
	if (login.unasked)
		assert_false(login.proven);
	else if (login.result == DS_AUTH_OK ||
		 login.result == DS_AUTH_REJECTED)
		assert_true(login.proven);
	return login.result;
}

static void test_elsewhere(void **state)
{
	static char url[] = "https://x";

	(void)state;
	account.flags = 0;
	assert_int_equal(change("old", "new"), DS_AUTH_DENIED);
	assert_non_null(strstr(login.text, "your organization"));
	server.config.login.password_change_url = url;
	assert_int_equal(change("", ""), DS_AUTH_DENIED);
	assert_non_null(strstr(login.text, "changed at https://x"));
	assert_int_equal(kdc.logins, 0);
}

static void test_before_the_kdc(void **state)
{
	(void)state;
	assert_int_equal(change("", ""), DS_AUTH_OK);
	assert_int_equal(change("", "new"), DS_AUTH_BAD_PASSWORD);
	assert_int_equal(change("old", "n\xffw"), DS_AUTH_REJECTED);
	assert_int_equal(kdc.logins, 0);
	assert_false(login.changed);
}

static void test_old_password(void **state)
{
	(void)state;
	assert_int_equal(change("old", ""), DS_AUTH_OK);
	assert_false(login.changed);
	kdc.login = DS_AUTH_NEW_PASSWORD;
	assert_int_equal(change("old", ""), DS_AUTH_OK);
	for (int r = DS_AUTH_BAD_PASSWORD; r <= DS_AUTH_UNAVAILABLE; r++) {
		kdc.login = (enum ds_auth_result)r;
		assert_int_equal(change("old", "new"), r);
	}
	assert_int_equal(kdc.tickets, 0);
	assert_int_equal(kdc.changes, 0);
}

static void test_change(void **state)
{
	(void)state;
	assert_int_equal(change("old", "n\303\244w"), DS_AUTH_OK);
	assert_string_equal(kdc.new_password, "n\303\244w");
	assert_int_equal(kdc.changes, 1);
	assert_int_equal(kdc.logins, 1);
	assert_true(login.changed);
}

/* The new password's login has the last word, since the old one had no SID. */
static void test_forced(void **state)
{
	(void)state;
	kdc.login = DS_AUTH_NEW_PASSWORD;
	assert_int_equal(change("old", "new"), DS_AUTH_OK);
	assert_string_equal(login.reason, "the password was changed");
	assert_int_equal(kdc.changes, 1);
	assert_int_equal(kdc.logins, 2);
	assert_true(login.changed);
	for (int r = DS_AUTH_NEW_PASSWORD; r <= DS_AUTH_UNAVAILABLE; r++) {
		bool unheard = r == DS_AUTH_NEW_PASSWORD ||
			       r == DS_AUTH_BAD_PASSWORD ||
			       r == DS_AUTH_UNAVAILABLE;

		kdc.again = (enum ds_auth_result)r;
		assert_int_equal(change("old", "new"),
				 unheard ? DS_AUTH_UNAVAILABLE : r);
		assert_true(login.changed);
		assert_string_equal(login.reason,
				    "the password was changed; then: why");
		assert_true((login.text[0] != '\0') == unheard);
	}
	/* What was not changed is not tried. */
	kdc.answer.code = DSA_KPW_SOFTERROR;
	assert_int_equal(change("old", "new"), DS_AUTH_REJECTED);
	assert_false(login.changed);
	assert_int_equal(kdc.logins, 1);
}

/* All of it ends before the worker's 24 s do, with 8 s for kpasswd. */
static void test_time(void **state)
{
	int64_t begin = ds_now_ms(), end;

	(void)state;
	kdc.login = DS_AUTH_NEW_PASSWORD;
	assert_int_equal(change("old", "new"), DS_AUTH_OK);
	end = ds_now_ms();
	assert_in_range(kdc.end_ms[0], begin + 15000, end + 15000);
	assert_int_equal(kdc.end_ms[2], kdc.end_ms[0]);
	assert_int_equal(kdc.end_ms[1], kdc.end_ms[0] + 8000);
}

static void test_answers(void **state)
{
	(void)state;
	for (unsigned int code = 1; code < 70000; code = code * 3 + 1) {
		kdc.answer.code = (uint16_t)code;
		assert_int_equal(change("old", "new"),
				 code == DSA_KPW_SOFTERROR ? DS_AUTH_REJECTED
							   : DS_AUTH_DENIED);
		assert_true(login.text[0] != '\0');
	}
	kdc.answer.code = DSA_KPW_HARDERROR;
	assert_int_equal(change("old", "new"), DS_AUTH_REJECTED);
	(void)snprintf(kdc.answer.words, sizeof(kdc.answer.words),
		       "Too short.");
	assert_int_equal(change("old", "new"), DS_AUTH_REJECTED);
	assert_string_equal(login.text, "Too short.");
}

/* A lost answer is said to be one, and no failure is a success. */
static void test_failures(void **state)
{
	(void)state;
	kdc.change = KRB5_KDC_UNREACH;
	assert_int_equal(change("old", "new"), DS_AUTH_UNAVAILABLE);
	assert_non_null(strstr(login.text, "not known"));
	assert_true(login.changed); /* perhaps */
	kdc.change = KRB5KRB_AP_ERR_MODIFIED;
	assert_int_equal(change("old", "new"), DS_AUTH_DENIED);
	kdc.other_client = true;
	assert_int_equal(change("old", "new"), DS_AUTH_DENIED);
	assert_false(login.changed);
	assert_int_equal(kdc.changes, 0);
	kdc.ticket = KRB5KDC_ERR_PREAUTH_FAILED;
	assert_int_equal(change("old", "new"), DS_AUTH_DENIED);
	/* The login had armour, and there is none for the change. */
	kdc.ticket = 0;
	kdc.other_client = false;
	server.fast_seen = true;
	assert_int_equal(change("old", "new"), DS_AUTH_DENIED);
	assert_int_equal(kdc.changes, 0);
}

/* ---- the messages ---- */

static void test_framing(void **state)
{
	struct dsa_kpw_parts parts;
	uint8_t buf[16] = { 0 };
	uint16_t code;

	(void)state;
	assert_int_equal(dsa_kpw_header(buf, 4, 6), 0);
	assert_memory_equal(buf, "\0\x10\0\1\0\4", 6);
	assert_int_equal(dsa_kpw_split(buf, 16, &parts), 0);
	assert_ptr_equal(parts.ap, buf + 6);
	assert_int_equal(parts.ap_len, 4);
	assert_ptr_equal(parts.rest, buf + 10);
	assert_int_equal(parts.rest_len, 6);
	for (size_t len = 0; len < 16; len++)
		assert_int_equal(dsa_kpw_split(buf, len, &parts),
				 DS_ERR_FORMAT);
	buf[5] = 11;
	assert_int_equal(dsa_kpw_split(buf, 16, &parts), DS_ERR_FORMAT);
	buf[5] = 10;
	assert_int_equal(dsa_kpw_split(buf, 16, &parts), 0);
	assert_int_equal(parts.rest_len, 0);
	assert_int_equal(dsa_kpw_header(buf, 65530, 0), DS_ERR_LIMIT);
	assert_int_equal(dsa_kpw_header(buf, SIZE_MAX, 1), DS_ERR_LIMIT);
	assert_int_equal(dsa_kpw_header(buf, 65529, 0), 0);
	assert_int_equal(dsa_kpw_code(buf, 1, &code), DS_ERR_FORMAT);
	assert_int_equal(dsa_kpw_code((const uint8_t *)"\1\4", 2, &code), 0);
	assert_int_equal(code, 0x104);
}

static void check_words(const char *bytes, size_t len, const char *want)
{
	uint8_t *copy = malloc(len); /* its end is watched */
	char buf[384];

	assert_non_null(copy);
	memcpy(copy, bytes, len);
	assert_string_equal(dsa_kpw_words(copy, len, buf, sizeof(buf)), want);
	free(copy);
}

static void test_words(void **state)
{
	/* 7 characters, 24 passwords, complex, 90 days, 1 day. */
	static const char policy[] = "\0\4"
				     "\0\0\0\0\0\7\0\0\0\30\0\0\0\1"
				     "\0\0\x46\xb9\x03\x68\x80\0"
				     "\0\0\0\xc9\x2a\x69\xc0\0";
	char other[sizeof(policy)];

	(void)state;
	check_words("\0\4Password too short.", 21, "Password too short.");
	check_words("\0\4", 2, "");
	check_words("", 0, "");
	check_words("\0", 1, "");
	check_words("\0\4J\303\244\r\n\033[2Jx", 12, "J\303\244   [2Jx");
	check_words("\0\4a\xff", 4, ""); /* not UTF-8 */
	check_words("\0\4a\303", 4, ""); /* cut within a character */
	check_words("\0\4a\0b", 5, "a"); /* ends at a NUL */
	check_words("\0\4 \n ", 5, "");  /* nothing to read */
	check_words(
	    policy, 32,
	    "The domain does not take this password. It must have at least 7 "
	    "characters. It must differ from the last 24 passwords. It must "
	    "mix at least three of upper case, lower case, digits and other "
	    "characters, and must not contain your name. It can be changed "
	    "again only after 1 day.");
	memset(other, 0, sizeof(other));
	check_words(other, 32, "The domain does not take this password.");
	memcpy(other, policy, sizeof(other));
	other[7] = 1;
	other[11] = 1;
	other[15] = 0;
	memcpy(other + 24, "\0\0\0\x08\x61\xc4\x68\0", 8); /* one hour */
	check_words(other, 32,
		    "The domain does not take this password. It must have at "
		    "least 1 character. It must differ from the last 1 "
		    "password. It can be changed again only after 1 hour.");
	other[2] = 1; /* not the record */
	check_words(other, 32, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_elsewhere, fresh),
		cmocka_unit_test_setup(test_before_the_kdc, fresh),
		cmocka_unit_test_setup(test_old_password, fresh),
		cmocka_unit_test_setup(test_change, fresh),
		cmocka_unit_test_setup(test_forced, fresh),
		cmocka_unit_test_setup(test_time, fresh),
		cmocka_unit_test_setup(test_answers, fresh),
		cmocka_unit_test_setup(test_failures, fresh),
		cmocka_unit_test(test_framing),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

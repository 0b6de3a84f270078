/*
 * Password changes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/change.h"

#include <stdio.h>
#include <unistd.h>

#include "lib/utf8.h"
#include "lib/wire.h"
#include "synccache/auth/as.h"
#include "synccache/auth/ccfile.h"
#include "synccache/auth/kpasswd.h"
#include "synccache/auth/krb.h"
#include "synccache/auth/krberr.h"

/* Of a worker's 24 s; kpasswd has 8 s of its own between the two. */
#define TICKET_MS 15000
#define ALL_MS    23000

struct change {
	const struct dsa_server *server;
	const struct ds_snap_account *account;
	struct dsa_login *login;
	krb5_context ctx;
	struct dsa_kdc kdc;
	struct dsa_as as;
	int armour_fd;
	int64_t begin_ms;
};

/* Once the old password is proven, so that all may be told. */
static void decide(struct dsa_login *login, enum ds_auth_result result,
		   const char *text, const char *reason)
{
	login->result = login->say = result;
	login->proven = true;
	(void)snprintf(login->text, sizeof(login->text), "%s", text);
	(void)snprintf(login->reason, sizeof(login->reason), "%s", reason);
}

/* Before any password is looked at. */
static void decide_unasked(struct dsa_login *login, enum ds_auth_result result,
			   const char *text, const char *reason)
{
	decide(login, result, text, reason);
	login->proven = false;
	login->unasked = true;
}

/* Synchronization into the domain is one way (Microsoft's rules). */
static void send_elsewhere(const struct dsa_server *server,
			   struct dsa_login *login)
{
	const char *url = server->config.login.password_change_url;
	char text[DS_TEXT_MAX + 1];

	if (url[0] != '\0')
		(void)snprintf(text, sizeof(text),
			       "The password of this account is changed at %s",
			       url);
	else
		(void)snprintf(text, sizeof(text),
			       "The password of this account is changed where "
			       "your organization keeps it, not on this "
			       "computer.");
	decide_unasked(login, DS_AUTH_DENIED, text,
		       "the account's password is changed in the tenant");
}

static bool is_utf8(const char *s)
{
	while (*s != '\0') {
		uint32_t cp;
		size_t n = ds_utf8_decode(s, &cp);

		if (n == 0)
			return false;
		s += n;
	}
	return true;
}

static void decide_code(struct change *c, krb5_error_code code,
			const char *what, const char *text)
{
	struct dsa_verdict v =
	    dsa_krb_verdict(DSA_STAGE_VERIFY, code, 0, false);
	char said[256], reason[DSA_REASON_MAX + 1];

	(void)snprintf(reason, sizeof(reason), "%s: %s", what,
		       dsa_krb_text(c->ctx, code, said, sizeof(said)));
	decide(c->login, v.result, text, reason);
}

/* Whatever armour the login had just now. */
static krb5_error_code arm(struct change *c)
{
	const struct dsa_server *server = c->server;
	const struct dsa_tgt *tgt = c->login->tgt.ccache.p != NULL
					? &c->login->tgt
					: &server->host_tgt;
	int fast = server->config.login.fast;

	if (fast == DS_FAST_NEVER ||
	    (fast == DS_FAST_TRY && !server->fast_seen && !tgt->armour))
		return 0;
	if (tgt->ccache.p == NULL)
		return KRB5_CC_NOTFOUND;
	return dsa_ccfile_open(c->ctx, tgt->ccache.p, tgt->ccache.len,
			       &c->as.armour, &c->armour_fd);
}

static krb5_error_code get_ticket(struct change *c, krb5_creds *ret_creds)
{
	const struct dsa_server *server = c->server;
	krb5_error_code code;

	c->as.ctx = c->ctx;
	c->as.kdc = &c->kdc;
	dsa_kdc_init(&c->kdc, &server->config, server->realm, server->site,
		     c->login->found.kdc);
	c->kdc.doubts = &server->doubts;
	dsa_kdc_until(&c->kdc, c->begin_ms + TICKET_MS);
	code = dsa_krb_enterprise(c->ctx, server->realm, c->account,
				  &c->as.client);
	if (code == 0)
		code = arm(c);
	if (code == 0)
		code = dsa_as_exchange(&c->as, DSA_CHANGEPW, ret_creds);
	return code;
}

/* What the server's answer means; in its own words where it has any. */
static void decide_answer(struct dsa_login *login,
			  const struct dsa_kpasswd *answer)
{
	const char *words = answer->words;
	char reason[64];

	(void)snprintf(reason, sizeof(reason), "kpasswd result %u",
		       (unsigned int)answer->code);
	switch (answer->code) {
	case DSA_KPW_SUCCESS:
		decide(login, DS_AUTH_OK, "", "the password was changed");
		break;
	case DSA_KPW_SOFTERROR:
	case DSA_KPW_HARDERROR:
		decide(login, DS_AUTH_REJECTED,
		       words[0] != '\0'
			   ? words
			   : "The domain does not take this password.",
		       reason);
		break;
	default:
		decide(login, DS_AUTH_DENIED,
		       words[0] != '\0' ? words
					: "You may not change this password.",
		       reason);
	}
}

static void set_new(struct change *c, krb5_creds *creds,
		    const char *new_password)
{
	struct dsa_kpasswd answer = { 0 };
	krb5_error_code code;

	/* The SID as well was or will be compared, with a TGT's PAC. */
	if (!dsa_krb_is_account(creds->client, c->server->realm, c->account)) {
		decide(c->login, DS_AUTH_DENIED, "",
		       "the KDC authenticated another object");
		return;
	}
	code = dsa_kpasswd(c->ctx, &c->kdc, creds, new_password, &answer);
	/* An answer that was lost may have been a yes. */
	c->login->changed = code != 0 || answer.code == DSA_KPW_SUCCESS;
	if (code != 0)
		decide_code(c, code, "kpasswd",
			    "There was no answer; whether the password was "
			    "changed is not known.");
	else
		decide_answer(c->login, &answer);
}

static void change(struct change *c, const char *new_password)
{
	krb5_creds creds = { 0 };
	krb5_error_code code =
	    dsa_krb_context(DSA_KRB5_CONF, c->server->realm, &c->ctx);

	if (code != 0) {
		decide(c->login, DS_AUTH_UNAVAILABLE, "",
		       "the Kerberos configuration cannot be used");
		return;
	}
	code = get_ticket(c, &creds);
	if (code != 0)
		decide_code(c, code, "no ticket for kadmin/changepw",
			    "The domain cannot change the password now.");
	else
		set_new(c, &creds, new_password);
	krb5_free_cred_contents(c->ctx, &creds);
	if (c->as.armour != NULL) {
		(void)krb5_cc_close(c->ctx, c->as.armour);
		(void)close(c->armour_fd);
	}
	krb5_free_principal(c->ctx, c->as.client);
	krb5_free_context(c->ctx);
}

static void forget_ticket(struct dsa_login *login)
{
	dsa_secret_done(&login->ccache);
	login->principal[0] = '\0';
}

/*
 * A forced change: the old password got no TGT, and so no PAC.  The name that
 * was compared may be another object's by now; the new password's TGT tells.
 */
static void prove_object(struct change *c, const char *new_password)
{
	struct dsa_login *login = c->login;
	char why[sizeof(login->reason)];

	dsa_tgt_done(&login->tgt);
	dsa_login(c->server, c->account, new_password, c->begin_ms + ALL_MS,
		  login);
	forget_ticket(login);
	login->changed = true;
	if (login->result == DS_AUTH_OK) {
		decide(login, DS_AUTH_OK, "", "the password was changed");
		return;
	}
	/* Says a domain controller that has not heard of the change. */
	if (login->result == DS_AUTH_BAD_PASSWORD ||
	    login->result == DS_AUTH_NEW_PASSWORD)
		login->result = login->say = DS_AUTH_UNAVAILABLE;
	(void)snprintf(why, sizeof(why), "%s", login->reason);
	(void)snprintf(login->reason, sizeof(login->reason),
		       "the password was changed; then: %.*s",
		       DSA_REASON_MAX - 32, why);
	if (login->result == DS_AUTH_UNAVAILABLE)
		(void)snprintf(login->text, sizeof(login->text),
			       "The password was changed. Log in again with "
			       "the new one.");
}

void dsa_change(const struct dsa_server *server,
		const struct ds_snap_account *account,
		const char *old_password, const char *new_password,
		struct dsa_login *login)
{
	struct change c = { .server = server,
			    .account = account,
			    .as.password = old_password,
			    .login = login,
			    .begin_ms = ds_now_ms() };
	bool forced;

	*login = (struct dsa_login){ .kdc_ms = -1 };
	if (!(account->flags & DS_ID_CUSTOM_OU)) {
		send_elsewhere(server, login);
		return;
	}
	if (old_password[0] == '\0' && new_password[0] == '\0') {
		decide_unasked(login, DS_AUTH_OK, "", "may be changed here");
		return;
	}
	if (old_password[0] == '\0') {
		decide_unasked(login, DS_AUTH_BAD_PASSWORD, "",
			       "empty password");
		return;
	}
	if (!is_utf8(new_password)) {
		decide_unasked(login, DS_AUTH_REJECTED,
			       "The new password is not UTF-8 text.",
			       "not UTF-8");
		return;
	}
	dsa_login(server, account, old_password, c.begin_ms + TICKET_MS,
		  login);
	forget_ticket(login);
	forced = login->result == DS_AUTH_NEW_PASSWORD;
	if (login->result != DS_AUTH_OK && !forced)
		return;
	if (new_password[0] == '\0')
		decide(login, DS_AUTH_OK, "", "the old password is right");
	else
		change(&c, new_password);
	if (forced && login->changed && login->result == DS_AUTH_OK)
		prove_object(&c, new_password);
}

/*
 * Checking and making verifiers.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/offcheck.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/wire.h"
#include "synccache/auth/offline.h"

#define NICENESS 10 /* of what nobody waits for */

void dsa_offcheck_begin(struct dsa_offcheck *check,
			const struct dsa_server *server,
			const struct ds_snap_account *account,
			const char *password)
{
	struct dsa_offcheck c = { .server = server,
				  .account = account,
				  .dir = -1 };

	if (!server->offline.on ||
	    dsa_store_open(DSA_OFFLINE_DIR, false, &c.dir) != 0 ||
	    dsa_store_epoch(c.dir, &c.epoch) != 0 ||
	    dsa_secret_init(&c.key, DSA_CHECK_LEN, DSA_SECRET_PRIVATE) != 0 ||
	    dsa_verifier_key(server->offline.key.p, &account->guid, password,
			     c.key.p) != 0)
		dsa_secret_done(&c.key);
	*check = c;
}

void dsa_offcheck_end(struct dsa_offcheck *check)
{
	dsa_secret_done(&check->key);
	if (check->dir >= 0)
		(void)close(check->dir);
	check->dir = -1;
}

static void decide(struct dsa_login *login, enum ds_auth_result result,
		   const char *reason)
{
	login->result = login->say = result;
	(void)snprintf(login->reason, sizeof(login->reason), "%s", reason);
}

/* ---- checking ---- */

static const char *no_record(int err)
{
	switch (err) {
	case DS_ERR_NOTFOUND:
		return "offline: there is no verifier; it is made when a "
		       "login reaches the domain";
	case DS_ERR_DENIED:
	case DS_ERR_FORMAT:
		return "offline: the verifier is damaged, or another host's";
	default:
		return "offline: the verifier cannot be read";
	}
}

/*
 * May the password be looked at?  Then this try is counted already, where the
 * next one sees it, whatever becomes of this process.
 */
static bool admit(const struct dsa_offcheck *c, struct dsa_record *record,
		  struct dsa_login *login, uint64_t *ret_left_ms)
{
	const struct dsa_server *server = c->server;
	struct dsa_clock clock = server->offline.clock;
	struct dsa_offline_verdict v;
	struct dsa_now now;

	dsa_now_read(&now);
	dsa_clock_advance(&clock, &now);
	v = dsa_offline_judge(&server->config, c->account, &record->verifier,
			      &record->tries, &clock, &now);
	decide(login, v.result, v.reason);
	*ret_left_ms = v.left_ms;
	if (v.result != DS_AUTH_OK)
		return false;
	dsa_tries_count(&record->tries, &now);
	if (dsa_record_count(record, server->offline.key.p) != 0)
		decide(login, DS_AUTH_UNAVAILABLE,
		       "offline: the try could not be counted");
	return login->result == DS_AUTH_OK;
}

/* NULL: it decides nothing, so that a refusal's time tells nothing. */
static int run_kdf(const struct dsa_offcheck *c,
		   const struct dsa_verifier *verifier,
		   struct dsa_login *login)
{
	struct dsa_verifier nobody = { .log_n = 0 };
	int64_t begin = ds_now_us();
	int r = verifier != NULL ? dsa_verifier_check(c->key.p, verifier)
				 : dsa_verifier_make(c->key.p, &nobody);

	login->offline_kdf_us = (uint32_t)(ds_now_us() - begin);
	return r;
}

/* What the KDF has found, once the try is on the disk. */
static void judge(const struct dsa_offcheck *c, struct dsa_record *record,
		  int r, struct dsa_login *login)
{
	/* No answer leaves before the count of it is on the disk. */
	if (dsa_record_settle(record) != 0)
		decide(login, DS_AUTH_UNAVAILABLE,
		       "offline: the try could not be counted");
	else if (r == DS_ERR_DENIED)
		decide(login, DS_AUTH_BAD_PASSWORD, "offline: wrong password");
	else if (r != 0)
		decide(login, DS_AUTH_UNAVAILABLE,
		       "offline: no memory to check the password");
	else
		decide(login, DS_AUTH_OK, "offline: by the verifier");
	if (login->result == DS_AUTH_OK)
		dsa_record_forgive(record, c->server->offline.key.p);
}

/* With the record, if there is one, and a place to look at it. */
static void look(const struct dsa_offcheck *c, int found,
		 struct dsa_record *record, struct dsa_login *login,
		 uint64_t *ret_left_ms)
{
	bool admitted = found == 0 && admit(c, record, login, ret_left_ms);
	int r;

	if (found != 0)
		decide(login, DS_AUTH_UNAVAILABLE, no_record(found));
	r = run_kdf(c, admitted ? &record->verifier : NULL, login);
	if (admitted)
		judge(c, record, r, login);
}

/*
 * One person's tries go one after the other, so that a right one has made up
 * for itself before the next is judged.  They wait for each other first: only
 * who can go on takes a place for a KDF, and only who has got one uses up a
 * try.
 */
bool dsa_offcheck_run(const struct dsa_offcheck *c, int64_t end_ms,
		      struct dsa_login *login)
{
	const struct dsa_offserver *offline = &c->server->offline;
	struct dsa_record record = { .fd = -1 };
	uint64_t left_ms = 0;
	int slot = -1, found, r;

	if (c->key.p == NULL)
		return false;
	*login = (struct dsa_login){ .kdc_ms = -1, .offline = true };
	found = dsa_record_open(c->dir, &c->account->guid, offline->key.p,
				end_ms, &record);
	r = found;
	if (found != DS_ERR_TIMEOUT)
		r = dsa_store_slot(c->dir, offline->slots, end_ms, &slot);
	if (r == 0)
		look(c, found, &record, login, &left_ms);
	else
		decide(login, DS_AUTH_UNAVAILABLE,
		       r == DS_ERR_TIMEOUT
			   ? "offline: too many passwords are checked now"
			   : "offline: no place to check the password");
	if (record.fd >= 0)
		dsa_record_close(&record);
	if (slot >= 0)
		(void)close(slot);
	login->proven = login->result == DS_AUTH_OK;
	dsa_offline_text(login->result, left_ms, login->text,
			 sizeof(login->text));
	return true;
}

/* ---- making ---- */

void dsa_offcheck_keep(const struct dsa_offcheck *c)
{
	const struct dsa_offserver *offline = &c->server->offline;
	struct dsa_clock clock = offline->clock;
	struct dsa_verifier v = { .guid = c->account->guid,
				  .pwd_last_set = c->account->pwd_last_set };
	char guid[DS_GUID_STR_MAX];
	struct dsa_now now;
	int slot, r;

	if (c->key.p == NULL)
		return;
	dsa_now_read(&now);
	dsa_clock_advance(&clock, &now);
	v.made_ms = clock.total_ms;
	v.made_real = dsa_offline_made(&now, &c->health);
	memcpy(v.clock_id, clock.id, sizeof(v.clock_id));
	(void)!nice(NICENESS);
	r = dsa_store_slot(c->dir, offline->slots, INT64_MAX, &slot);
	if (r == 0) {
		r = dsa_verifier_make(c->key.p, &v);
		(void)close(slot);
	}
	if (r == 0)
		r = dsa_store_keep(c->dir, c->epoch, offline->key.p, &v);
	if (r != 0 && r != DS_ERR_CONFLICT)
		ds_log(DS_LOG_WARN,
		       "no offline verifier for the object %s: %s",
		       ds_guid_to_str(&v.guid, guid), ds_strerror(r));
	explicit_bzero(&v, sizeof(v));
}

void dsa_offcheck_drop(const struct dsa_server *server,
		       const struct ds_snap_account *account)
{
	uint32_t count;
	int dir, r;

	if (!server->offline.on)
		return;
	r = dsa_store_open(DSA_OFFLINE_DIR, false, &dir);
	if (r == 0) {
		r = dsa_store_drop(dir, &account->guid, &count);
		(void)close(dir);
	}
	if (r != 0)
		ds_log(DS_LOG_ERR,
		       "the verifier of an old password is still there: %s",
		       ds_strerror(r));
}

uint32_t dsa_offcheck_count(const struct dsa_server *server)
{
	uint32_t count;
	int dir;

	if (!server->offline.on ||
	    dsa_store_open(DSA_OFFLINE_DIR, false, &dir) != 0)
		return 0;
	count = dsa_store_count(dir);
	(void)close(dir);
	return count;
}

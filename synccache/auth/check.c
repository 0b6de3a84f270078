/*
 * From an AUTH frame to a verdict, in a worker.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/resolve.h"
#include "lib/wire.h"
#include "synccache/auth/audit.h"
#include "synccache/auth/change.h"
#include "synccache/auth/offcheck.h"
#include "synccache/auth/policy.h"

#define READ_MS  5000
#define TAIL_LEN 13   /* of a VERDICT, after the TGT */
#define REST_LEN 4096 /* and all of it but the tickets */
#define REST_MS  3000 /* of the worker's time: for a KDF, and the answer */
#define ASK_MS   6000 /* a KDC, after the verifier */

struct check {
	const struct dsa_server *server;
	struct dsa_subject subject;
	struct dsa_secret frame;        /* as it came */
	struct dsa_secret password;     /* NUL-terminated */
	struct dsa_secret new_password; /* likewise; of a change */
	bool change;
	struct ds_snap_account account;
	struct dsa_login login; /* the outcome */
	struct dsa_offcheck offline;
	int64_t begin_ms; /* of the worker's time */
	int64_t begin_us; /* when the whole request was there */
};

static int read_request(struct check *c, int conn)
{
	struct ds_frame frame;
	struct ds_reader r;
	int err;

	err = dsa_secret_init(&c->frame, DSA_REQUEST_MAX, DSA_SECRET_PRIVATE);
	if (err == 0)
		err = dsa_secret_init(&c->password, DS_PASSWORD_MAX + 1,
				      DSA_SECRET_PRIVATE);
	if (err == 0)
		err = dsa_secret_init(&c->new_password, DS_PASSWORD_MAX + 1,
				      DSA_SECRET_PRIVATE);
	if (err == 0)
		err = ds_wire_recv(conn, c->frame.p, c->frame.cap,
				   ds_now_ms() + READ_MS, &frame);
	if (err != 0)
		return err;
	if (frame.type != DS_MSG_AUTH && frame.type != DS_MSG_CHANGE)
		return DS_ERR_FORMAT;
	c->change = frame.type == DS_MSG_CHANGE;
	ds_reader_init(&r, frame.payload, frame.len);
	dsa_subject_read(&r, &c->subject);
	ds_get_str(&r, (char *)c->password.p, c->password.cap);
	if (c->change)
		ds_get_str(&r, (char *)c->new_password.p, c->new_password.cap);
	err = ds_reader_end(&r);
	dsa_secret_done(&c->frame);
	return err;
}

static bool refuse(struct check *c, enum ds_auth_result result,
		   const char *reason)
{
	c->login = (struct dsa_login){ .result = result,
				       .say = result,
				       .kdc_ms = -1 };
	(void)snprintf(c->login.reason, sizeof(c->login.reason), "%s", reason);
	return false;
}

/*
 * Who is meant, by the same function and file as everywhere; false: decided
 * without a KDC.
 */
static bool identify(struct check *c)
{
	const struct dsa_mirror *mirror = &c->server->mirror;
	struct ds_snap_identity id;
	struct ds_snap_user user;
	int r;

	if (mirror->base.base == NULL)
		return refuse(c, DS_AUTH_UNAVAILABLE, "no mirror yet");
	r = ds_resolve_user(&mirror->base, c->subject.user, &user);
	if (r == 0)
		r = ds_snap_user_identity(&mirror->base, user.index, &id);
	if (r != 0)
		return refuse(c, DS_AUTH_UNKNOWN, "no such user");
	if (!ds_guid_equal(&id.guid, &c->subject.guid))
		return refuse(c, DS_AUTH_DENIED,
			      "the name means another object than the caller "
			      "found");
	(void)snprintf(c->subject.name, sizeof(c->subject.name), "%s",
		       user.blob);
	c->subject.uid = user.uid;
	if (c->subject.caller != 0 && c->subject.caller != user.uid)
		return refuse(c, DS_AUTH_DENIED, DSA_NOT_YOURSELF);
	r = dsa_mirror_find(mirror, &id.guid, &user, &c->account);
	if (r == DS_ERR_UNAVAIL)
		return refuse(c, DS_AUTH_UNAVAILABLE, "no mirror yet");
	if (r != 0)
		return refuse(c, DS_AUTH_DENIED, "no account record");
	return true;
}

static void send_subject(const struct check *c, int out)
{
	uint8_t buf[DSA_REQUEST_MAX];
	struct ds_writer w;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DSA_MSG_SUBJECT, 0);
	dsa_subject_write(&w, &c->subject);
	ds_put_str(&w, c->subject.name);
	ds_put_u32(&w, c->subject.uid);
	if (ds_frame_end(&w) == 0)
		/* A lost one shows when the verdict is lost too. */
		(void)!ds_packet_send(out, &w, -1);
}

static void send_verdict(const struct check *c, int out)
{
	const struct dsa_login *login = &c->login;
	const struct dsa_tgt none = { 0 };
	char text[DS_TEXT_MAX + 1];
	size_t len = REST_LEN + login->ccache.len + login->tgt.ccache.len;
	struct dsa_secret buffer;
	struct ds_writer w;

	/* No more than it takes: every page of it is locked. */
	if (dsa_secret_init(&buffer, len < DS_PACKET_MAX ? len : DS_PACKET_MAX,
			    DSA_SECRET_PRIVATE) != 0)
		return;
	dsa_text(login->say, login->proven,
		 dsa_change_url(&c->server->config, &c->account), text,
		 sizeof(text));
	if (login->text[0] != '\0')
		(void)snprintf(text, sizeof(text), "%s", login->text);
	ds_writer_init(&w, buffer.p, buffer.cap);
	ds_frame_begin(&w, DSA_MSG_VERDICT, 0);
	ds_put_u32(&w, login->result);
	ds_put_u8(&w, login->proven ? 1 : 0);
	ds_put_u8(&w, login->unasked ? 1 : 0);
	ds_put_u8(&w, (uint8_t)login->revoked);
	ds_put_str(&w, text);
	ds_put_str(&w, login->reason);
	ds_put_u64(&w, (uint64_t)login->kdc_ms);
	ds_put_str(&w, login->principal);
	ds_put_blob(&w, login->ccache.p, login->ccache.len);
	dsa_found_put(&w, &login->found);
	dsa_health_put(&w, &login->health);
	/* What does not fit is fetched again by the next one. */
	dsa_tgt_put(&w, login->tgt.ccache.len + DSA_TGT_NONE_LEN + TAIL_LEN <=
				w.cap - w.len
			    ? &login->tgt
			    : &none);
	ds_put_u32(&w, login->heard);
	ds_put_u8(&w, login->offline ? 1 : 0);
	ds_put_u32(&w, login->offline_kdf_us);
	ds_put_u32(&w, (uint32_t)(ds_now_us() - c->begin_us));
	if (ds_frame_end(&w) == 0)
		(void)!ds_packet_send(out, &w, -1);
	dsa_secret_done(&buffer);
}

/* The main process does not look itself: disks may be slow. */
static void send_kept(const struct check *c, int out)
{
	uint8_t buf[DS_HEADER_LEN + 4];
	struct ds_writer w;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DSA_MSG_KEPT, 0);
	ds_put_u32(&w, dsa_offcheck_count(c->server));
	if (ds_frame_end(&w) == 0)
		(void)!ds_packet_send(out, &w, -1);
}

/* What the KDCs say; false: nothing. */
static bool ask_domain(struct check *c, int64_t end_ms)
{
	dsa_login(c->server, &c->account, (const char *)c->password.p, end_ms,
		  &c->login);
	c->offline.health = c->login.health;
	return c->login.heard != DSA_KDC_SILENT;
}

/* Whether a yes of the verifier's is one still: no KDC has come back. */
static bool stands(const struct check *c)
{
	return c->login.result == DS_AUTH_OK &&
	       !dsa_offline_answered(c->server, c->begin_ms);
}

/*
 * The domain decides where it can be asked; the verifier only where no KDC
 * answered, now or a moment ago.  Then it is asked before the KDC, so that
 * nobody waits; but its no is the last word only if the KDC says nothing
 * again, and its yes only if no KDC has answered anybody meanwhile: whoever
 * waits for the KDF has a probe run beside it.
 */
static void check_password(struct check *c)
{
	int64_t end_ms = c->begin_ms + DSA_CHECK_MS + DSA_OFFLINE_MS - REST_MS;
	bool tried = dsa_offline_away(c->server) &&
		     dsa_offcheck_run(&c->offline, end_ms - ASK_MS, &c->login);
	struct dsa_login offline = c->login;

	if (tried && stands(c))
		return;
	if (ask_domain(c, end_ms))
		return;
	if (!tried && dsa_offcheck_run(&c->offline, end_ms, &c->login)) {
		tried = true;
		offline = c->login;
		if (offline.result == DS_AUTH_OK && !stands(c) &&
		    ask_domain(c, end_ms))
			return;
	}
	if (tried)
		c->login = offline;
	c->login.heard = DSA_KDC_SILENT;
}

static void decide(struct check *c)
{
	const char *password = (const char *)c->password.p;

	if (c->change) {
		dsa_change(c->server, &c->account, password,
			   (const char *)c->new_password.p, &c->login);
		return;
	}
	if (password[0] == '\0') {
		(void)refuse(c, DS_AUTH_BAD_PASSWORD, "empty password");
		return;
	}
	dsa_offcheck_begin(&c->offline, c->server, &c->account, password);
	check_password(c);
}

void dsa_check_run(const struct dsa_server *server, int conn, uid_t caller,
		   int out)
{
	struct check c = { .server = server,
			   .offline.dir = -1,
			   .begin_ms = ds_now_ms() };
	bool go_on;

	if (read_request(&c, conn) != 0)
		goto out; /* the main process hears that nothing came */
	c.subject.caller = caller;
	c.begin_us = ds_now_us();
	go_on = identify(&c);
	send_subject(&c, out);
	if (go_on)
		decide(&c);
	dsa_secret_done(&c.password);
	dsa_secret_done(&c.new_password);
	send_verdict(&c, out);
	if (c.login.changed)
		dsa_offcheck_drop(server, &c.account);
	else if (go_on && !c.change && c.login.result == DS_AUTH_OK &&
		 !c.login.offline)
		dsa_offcheck_keep(&c.offline);
	else
		goto out;
	if (server->offline.on)
		send_kept(&c, out);
out:
	dsa_offcheck_end(&c.offline);
	dsa_secret_done(&c.frame);
	dsa_secret_done(&c.password);
	dsa_secret_done(&c.new_password);
	dsa_secret_done(&c.login.ccache);
	dsa_tgt_done(&c.login.tgt);
}

/*
 * AUTH and CHANGE: who is meant, what is refused at once, and whose word
 * counts.  check.c, policy.c and mirror.c are the real ones over a small
 * domain's snapshots; the KDC and the verifier are scripted.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/auth/audit.h"
#include "synccache/auth/auth.h"
#include "synccache/auth/change.h"
#include "synccache/auth/check.h"
#include "synccache/auth/login.h"
#include "synccache/auth/offcheck.h"
#include "tests/unit/auth_world.h"

#define SMITH "jane.smith@contoso.com"

/* ---- the KDC ---- */

static int kdc_calls;
static char kdc_sam[64], kdc_password[64];
static enum ds_auth_result kdc_result;
static enum dsa_kdc_word kdc_word;
static int kdc_second; /* what it answers when asked again; -1: likewise */

void dsa_login(const struct dsa_server *with,
	       const struct ds_snap_account *account, const char *password,
	       int64_t end_ms, struct dsa_login *login)
{
	assert_ptr_equal(with, &server);
	assert_true(end_ms > ds_now_ms());
	kdc_calls++;
	(void)snprintf(kdc_sam, sizeof(kdc_sam), "%s", account->sam);
	(void)snprintf(kdc_password, sizeof(kdc_password), "%s", password);
	*login = (struct dsa_login){ .result = kdc_result,
				     .say = kdc_result,
				     .kdc_ms = 7,
				     .heard = kdc_word };
	if (kdc_calls == 2 && kdc_second >= 0) {
		login->result = (enum ds_auth_result)kdc_second;
		login->heard = DSA_KDC_ANSWERED;
	}
	if (kdc_result != DS_AUTH_OK)
		return;
	(void)snprintf(login->principal, sizeof(login->principal), "p@R");
	assert_int_equal(
	    dsa_secret_copy(&login->ccache, "ticket", 6, DSA_SECRET_PRIVATE),
	    0);
}

static char kdc_new[64];
static enum ds_auth_result change_result;
static bool changed;

void dsa_change(const struct dsa_server *with,
		const struct ds_snap_account *account,
		const char *old_password, const char *new_password,
		struct dsa_login *login)
{
	assert_ptr_equal(with, &server);
	kdc_calls++;
	(void)snprintf(kdc_sam, sizeof(kdc_sam), "%s", account->sam);
	(void)snprintf(kdc_password, sizeof(kdc_password), "%s", old_password);
	(void)snprintf(kdc_new, sizeof(kdc_new), "%s", new_password);
	*login = (struct dsa_login){ .result = change_result,
				     .changed = changed,
				     .text = "Too short." };
}

/* ---- no KDC ---- */

static bool away;
static int offline_checks, offline_kept;
static enum ds_auth_result offline_result;

bool dsa_offline_away(const struct dsa_server *with)
{
	assert_ptr_equal(with, &server);
	return away;
}

static bool answered; /* by a KDC, to somebody else meanwhile */

bool dsa_offline_answered(const struct dsa_server *with, int64_t since_ms)
{
	assert_ptr_equal(with, &server);
	assert_true(since_ms > 0 && since_ms <= ds_now_ms());
	return answered;
}

void dsa_offcheck_begin(struct dsa_offcheck *check,
			const struct dsa_server *with,
			const struct ds_snap_account *account,
			const char *password)
{
	(void)password;
	*check = (struct dsa_offcheck){ .server = with,
					.account = account,
					.dir = -1 };
}

void dsa_offcheck_end(struct dsa_offcheck *check)
{
	(void)check;
}

bool dsa_offcheck_run(const struct dsa_offcheck *check, int64_t end_ms,
		      struct dsa_login *login)
{
	(void)check;
	assert_true(end_ms > ds_now_ms());
	offline_checks++;
	if (!server.offline.on)
		return false;
	*login = (struct dsa_login){ .result = offline_result,
				     .say = offline_result,
				     .kdc_ms = -1,
				     .offline = true,
				     .text = "Signed in offline" };
	return true;
}

void dsa_offcheck_keep(const struct dsa_offcheck *check)
{
	(void)check;
	offline_kept++;
}

uint32_t dsa_offcheck_count(const struct dsa_server *with)
{
	assert_ptr_equal(with, &server);
	return 3;
}

static int offline_dropped;

void dsa_offcheck_drop(const struct dsa_server *with,
		       const struct ds_snap_account *account)
{
	assert_ptr_equal(with, &server);
	assert_string_equal(account->sam, kdc_sam);
	offline_dropped++;
}

/* ---- the world ---- */

static int fresh(void **state)
{
	(void)state;
	auth_world_fresh();
	kdc_calls = offline_checks = offline_kept = 0;
	kdc_result = offline_result = DS_AUTH_OK;
	kdc_word = DSA_KDC_ANSWERED;
	kdc_second = -1;
	change_result = DS_AUTH_REJECTED;
	server.offline.on = away = answered = false;
	return 0;
}

static struct ds_guid guid_of(int user)
{
	struct ds_guid g = { { (uint8_t)(user + 1) } };

	return g;
}

/* ---- AUTH ---- */

struct heard {
	struct dsa_subject subject;
	int result; /* -1: no verdict came */
	char text[DS_TEXT_MAX + 1];
	char reason[DSA_REASON_MAX + 1];
	enum dsa_kdc_word word;
	bool offline;
	uint32_t verifiers; /* that it says there are, after its verdict */
};

static void read_tail(struct ds_reader *r, struct heard *h)
{
	char text[1024];
	struct dsa_health health;
	struct dsa_found found;
	struct dsa_tgt tgt;
	size_t len;

	(void)ds_get_u64(r);
	ds_get_str(r, text, sizeof(text));
	(void)ds_get_blob(r, &len);
	dsa_found_get(r, &found);
	dsa_health_get(r, &health);
	dsa_tgt_get(r, &tgt);
	h->word = (enum dsa_kdc_word)ds_get_u32(r);
	h->offline = ds_get_u8(r) != 0;
	(void)ds_get_u32(r);
	(void)ds_get_u32(r);
}

static struct heard hear(int fd)
{
	static uint8_t buf[DS_PACKET_MAX];
	struct heard h = { .result = -1 };
	struct ds_frame frame;
	struct ds_reader r;
	int passed;

	while (ds_packet_recv(fd, buf, sizeof(buf), &frame, &passed) == 0) {
		ds_reader_init(&r, frame.payload, frame.len);
		if (frame.type == DSA_MSG_SUBJECT) {
			dsa_subject_read(&r, &h.subject);
			ds_get_str(&r, h.subject.name, sizeof(h.subject.name));
			h.subject.uid = ds_get_u32(&r);
			assert_int_equal(ds_reader_end(&r), 0);
		} else if (frame.type == DSA_MSG_KEPT) {
			assert_int_not_equal(h.result, -1);
			h.verifiers = ds_get_u32(&r);
			assert_int_equal(ds_reader_end(&r), 0);
		} else {
			assert_int_equal(frame.type, DSA_MSG_VERDICT);
			h.result = (int)ds_get_u32(&r);
			(void)ds_get_u8(&r);
			(void)ds_get_u8(&r);
			(void)ds_get_u8(&r);
			ds_get_str(&r, h.text, sizeof(h.text));
			ds_get_str(&r, h.reason, sizeof(h.reason));
			read_tail(&r, &h);
			assert_int_equal(ds_reader_end(&r), 0);
		}
	}
	return h;
}

static uid_t caller; /* 0: root, who may ask about anybody */

static struct heard check_bytes(const void *p, size_t len)
{
	int conn[2], out[2];
	struct heard h;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, conn), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, out), 0);
	assert_int_equal(write(conn[0], p, len), len);
	(void)shutdown(conn[0], SHUT_WR);
	dsa_check_run(&server, conn[1], caller, out[1]);
	h = hear(out[0]);
	for (int i = 0; i < 2; i++) {
		(void)close(conn[i]);
		(void)close(out[i]);
	}
	return h;
}

static struct heard check_frame(const struct ds_guid *guid, const char *user,
				const char *password)
{
	struct dsa_subject s = { .guid = *guid };
	uint8_t buf[DSA_REQUEST_MAX + 100];
	struct ds_writer w;

	(void)snprintf(s.user, sizeof(s.user), "%s", user);
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_AUTH, 1);
	dsa_subject_write(&w, &s);
	ds_put_str(&w, password);
	assert_int_equal(ds_frame_end(&w), 0);
	return check_bytes(buf, w.len);
}

static struct heard check(int user, const char *typed, const char *password)
{
	struct ds_guid g = guid_of(user);

	return check_frame(&g, typed, password);
}

static void test_auth(void **state)
{
	struct heard h;

	(void)state;
	h = check(W_DRILEY, "DRiley@AADDSCONTOSO.com", "pw");
	assert_int_equal(h.result, DS_AUTH_OK);
	assert_string_equal(h.subject.user, "DRiley@AADDSCONTOSO.com");
	assert_string_equal(h.subject.name, DRILEY);
	assert_int_equal(h.subject.uid, WORLD_UID0 + W_DRILEY);
	assert_string_equal(kdc_sam, "driley");
	assert_string_equal(kdc_password, "pw");
	h = check(W_SMITH, "AADDSCONTOSO\\SmithJ (3af2)", "pw");
	assert_int_equal(h.result, DS_AUTH_OK);
	assert_string_equal(h.subject.name, SMITH);
	assert_int_equal(kdc_calls, 2);
}

static struct heard change(const char *typed, const char *old_password,
			   const char *new_password)
{
	struct dsa_subject s = { .guid = guid_of(W_DRILEY) };
	uint8_t buf[DSA_REQUEST_MAX];
	struct ds_writer w;

	(void)snprintf(s.user, sizeof(s.user), "%s", typed);
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_CHANGE, 1);
	dsa_subject_write(&w, &s);
	ds_put_str(&w, old_password);
	ds_put_str(&w, new_password);
	assert_int_equal(ds_frame_end(&w), 0);
	return check_bytes(buf, w.len);
}

static void test_change(void **state)
{
	struct heard h = change(DRILEY, "old", "new");

	(void)state;
	assert_int_equal(h.result, DS_AUTH_REJECTED);
	assert_string_equal(h.text, "Too short.");
	assert_string_equal(kdc_sam, "driley");
	assert_string_equal(kdc_password, "old");
	assert_string_equal(kdc_new, "new");
	assert_int_equal(change(DRILEY, "", "").result, DS_AUTH_REJECTED);
	assert_int_equal(kdc_calls, 2);
	/* Another object than the caller found, and nobody. */
	assert_int_equal(change(SMITH, "old", "new").result, DS_AUTH_DENIED);
	assert_int_equal(change("x@y", "old", "new").result, DS_AUTH_UNKNOWN);
	assert_int_equal(kdc_calls, 2);
	/* What opened the door before a change does so no more. */
	change_result = DS_AUTH_OK;
	assert_int_equal(change(DRILEY, "", "").result, DS_AUTH_OK);
	assert_int_equal(change(DRILEY, "old", "").result, DS_AUTH_OK);
	assert_int_equal(offline_dropped, 0);
	changed = true;
	assert_int_equal(change(DRILEY, "old", "new").result, DS_AUTH_OK);
	assert_int_equal(offline_dropped, 1);
	/* Nor what perhaps did: the answer was lost. */
	change_result = DS_AUTH_UNAVAILABLE;
	assert_int_equal(change(DRILEY, "old", "new").result,
			 DS_AUTH_UNAVAILABLE);
	assert_int_equal(offline_dropped, 2);
	assert_int_equal(offline_kept, 0);
}

/* ---- whose word counts: the domain's, or the verifier's ---- */

static void assert_asked(int kdc, int verifier, int kept)
{
	assert_int_equal(kdc_calls, kdc);
	assert_int_equal(offline_checks, verifier);
	assert_int_equal(offline_kept, kept);
	kdc_calls = offline_checks = offline_kept = 0;
}

static void test_a_kdc_that_answers_decides(void **state)
{
	static const enum ds_auth_result refusals[] = {
		DS_AUTH_BAD_PASSWORD, DS_AUTH_DISABLED, DS_AUTH_LOCKED,
		DS_AUTH_DENIED,       DS_AUTH_UNKNOWN,  DS_AUTH_NEW_PASSWORD,
		DS_AUTH_UNAVAILABLE, /* its clock is off, say */
	};

	struct heard h;

	(void)state;
	server.offline.on = true;
	h = check(W_DRILEY, DRILEY, "pw");
	assert_int_equal(h.result, DS_AUTH_OK);
	assert_int_equal(h.verifiers, 3);
	assert_asked(1, 0, 1);
	for (size_t i = 0; i < sizeof(refusals) / sizeof(*refusals); i++) {
		kdc_result = refusals[i];
		h = check(W_DRILEY, DRILEY, "pw");
		assert_int_equal(h.result, refusals[i]);
		assert_int_equal(h.verifiers, 0);
		assert_asked(1, 0, 0);
	}
	/* Nor where nobody was asked: there is no host key, say. */
	kdc_result = DS_AUTH_UNAVAILABLE;
	kdc_word = DSA_KDC_UNASKED;
	assert_int_equal(check(W_DRILEY, DRILEY, "pw").result,
			 DS_AUTH_UNAVAILABLE);
	assert_asked(1, 0, 0);
}

static void test_no_kdc_answers(void **state)
{
	struct heard h;

	(void)state;
	kdc_result = DS_AUTH_UNAVAILABLE;
	kdc_word = DSA_KDC_SILENT;
	assert_int_equal(check(W_DRILEY, DRILEY, "pw").result,
			 DS_AUTH_UNAVAILABLE);
	server.offline.on = true;
	h = check(W_DRILEY, DRILEY, "pw");
	assert_int_equal(h.result, DS_AUTH_OK);
	assert_string_equal(h.text, "Signed in offline");
	assert_int_equal(h.word, DSA_KDC_SILENT);
	assert_true(h.offline);
	/* What opened a door offline makes no verifier. */
	assert_asked(2, 2, 0);
	offline_result = DS_AUTH_BAD_PASSWORD;
	assert_int_equal(check(W_DRILEY, DRILEY, "pw").result,
			 DS_AUTH_BAD_PASSWORD);
	assert_asked(1, 1, 0);
	assert_int_equal(check(W_DRILEY, DRILEY, "").result,
			 DS_AUTH_BAD_PASSWORD);
	assert_asked(0, 0, 0);
}

static void test_none_answered_a_moment_ago(void **state)
{
	(void)state;
	server.offline.on = away = true;
	assert_int_equal(check(W_DRILEY, DRILEY, "pw").result, DS_AUTH_OK);
	assert_asked(0, 1, 0);
	/* The verifier's no: perhaps the password is a new one. */
	offline_result = DS_AUTH_BAD_PASSWORD;
	assert_int_equal(check(W_DRILEY, DRILEY, "pw").result, DS_AUTH_OK);
	assert_asked(1, 1, 1);
	kdc_result = DS_AUTH_LOCKED;
	assert_int_equal(check(W_DRILEY, DRILEY, "pw").result, DS_AUTH_LOCKED);
	assert_asked(1, 1, 0);
	/* And one try is one, not two. */
	kdc_result = DS_AUTH_UNAVAILABLE;
	kdc_word = DSA_KDC_SILENT;
	assert_int_equal(check(W_DRILEY, DRILEY, "pw").result,
			 DS_AUTH_BAD_PASSWORD);
	assert_asked(1, 1, 0);
}

/* The domain is back while the verifier is looked at: its word counts. */
static void test_a_kdc_came_back_meanwhile(void **state)
{
	(void)state;
	server.offline.on = away = answered = true;
	kdc_result = DS_AUTH_BAD_PASSWORD;
	assert_int_equal(check(W_DRILEY, DRILEY, "pw").result,
			 DS_AUTH_BAD_PASSWORD);
	assert_asked(1, 1, 0);
	/* Or so it seemed. */
	kdc_result = DS_AUTH_UNAVAILABLE;
	kdc_word = DSA_KDC_SILENT;
	assert_int_equal(check(W_DRILEY, DRILEY, "pw").result, DS_AUTH_OK);
	assert_asked(1, 1, 0);
	/* None answered this check, but one has answered another. */
	away = false;
	assert_int_equal(check(W_DRILEY, DRILEY, "pw").result, DS_AUTH_OK);
	assert_asked(2, 1, 0);
	kdc_second = DS_AUTH_BAD_PASSWORD;
	assert_int_equal(check(W_DRILEY, DRILEY, "pw").result,
			 DS_AUTH_BAD_PASSWORD);
	assert_asked(2, 1, 0);
	/* A no of the verifier's is not shown to the KDC again. */
	offline_result = DS_AUTH_BAD_PASSWORD;
	assert_int_equal(check(W_DRILEY, DRILEY, "pw").result,
			 DS_AUTH_BAD_PASSWORD);
	assert_asked(1, 1, 0);
}

static void test_refused_at_once(void **state)
{
	(void)state;
	assert_int_equal(check(W_DRILEY, DRILEY, "").result,
			 DS_AUTH_BAD_PASSWORD);
	assert_int_equal(check(W_DRILEY, "nobody@contoso.com", "x").result,
			 DS_AUTH_UNKNOWN);
	assert_int_equal(check(W_DRILEY, "", "x").result, DS_AUTH_UNKNOWN);
	/* The caller found another object than this name means. */
	assert_int_equal(check(W_SMITH, DRILEY, "x").result, DS_AUTH_DENIED);
	server.mirror.accounts = (struct ds_snap){ 0 };
	assert_int_equal(check(W_DRILEY, DRILEY, "x").result,
			 DS_AUTH_UNAVAILABLE);
	server.mirror.base = (struct ds_snap){ 0 };
	assert_int_equal(check(W_DRILEY, DRILEY, "x").result,
			 DS_AUTH_UNAVAILABLE);
	assert_int_equal(kdc_calls, 0);
}

static void test_password_limits(void **state)
{
	char password[DS_PASSWORD_MAX + 2];

	(void)state;
	memset(password, 'x', sizeof(password));
	password[DS_PASSWORD_MAX + 1] = '\0';
	assert_int_equal(check(W_DRILEY, DRILEY, password).result, -1);
	password[DS_PASSWORD_MAX] = '\0';
	assert_int_equal(check(W_DRILEY, DRILEY, password).result, DS_AUTH_OK);
	assert_int_equal(kdc_calls, 1);
}

/* Every cut of a good frame, and one byte more: no verdict, no KDC. */
static void test_cut_frames(void **state)
{
	struct dsa_subject s = { .guid = guid_of(W_DRILEY), .user = DRILEY };
	uint8_t buf[512];
	struct ds_writer w;

	(void)state;
	ds_writer_init(&w, buf, sizeof(buf));
	ds_frame_begin(&w, DS_MSG_AUTH, 1);
	dsa_subject_write(&w, &s);
	ds_put_str(&w, "secret");
	assert_int_equal(ds_frame_end(&w), 0);
	for (size_t len = 0; len < w.len; len++)
		assert_int_equal(check_bytes(buf, len).result, -1);
	for (size_t i = 0; i < w.len; i++) {
		uint8_t was = buf[i];

		buf[i] ^= 0x80;
		(void)check_bytes(buf, w.len); /* anything but a crash */
		buf[i] = was;
	}
	kdc_calls = 0;
	ds_put_u8(&w, 0);
	assert_int_equal(ds_frame_end(&w), 0);
	assert_int_equal(check_bytes(buf, w.len).result, -1);
	assert_int_equal(kdc_calls, 0);
}

/* ---- at pam-user.sock: about oneself, or nobody ---- */

static void test_another_user_asks(void **state)
{
	struct heard h;

	(void)state;
	caller = WORLD_UID0 + W_SMITH;
	h = check(W_DRILEY, DRILEY, "pw");
	assert_int_equal(h.result, DS_AUTH_DENIED);
	assert_string_equal(h.reason, DSA_NOT_YOURSELF);
	assert_string_equal(h.text, "");
	assert_int_equal(kdc_calls, 0);
	caller = WORLD_UID0 + W_DRILEY;
	assert_int_equal(check(W_DRILEY, DRILEY, "pw").result, DS_AUTH_OK);
	caller = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_auth, fresh),
		cmocka_unit_test_setup(test_change, fresh),
		cmocka_unit_test_setup(test_a_kdc_that_answers_decides, fresh),
		cmocka_unit_test_setup(test_no_kdc_answers, fresh),
		cmocka_unit_test_setup(test_none_answered_a_moment_ago, fresh),
		cmocka_unit_test_setup(test_a_kdc_came_back_meanwhile, fresh),
		cmocka_unit_test_setup(test_refused_at_once, fresh),
		cmocka_unit_test_setup(test_password_limits, fresh),
		cmocka_unit_test_setup(test_cut_frames, fresh),
		cmocka_unit_test_setup(test_another_user_asks, fresh),
	};

	return cmocka_run_group_tests(tests, auth_world_setup,
				      auth_world_teardown);
}

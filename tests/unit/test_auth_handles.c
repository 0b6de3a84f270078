/*
 * One-time handles of tickets, and the memory of secrets.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/auth/auth.h"
#include "synccache/auth/handles.h"

#define UID 700001

static uint8_t big[DS_CCACHE_MAX + 1];

static int put(struct dsa_handles *h, int64_t now, uint8_t *handle)
{
	return dsa_handles_put(h, now, UID, "alice@R", "ticket", 6, handle);
}

static void test_once(void **state)
{
	struct dsa_handles *h = dsa_handles_new(4);
	uint8_t handle[DS_HANDLE_LEN], wrong[DS_HANDLE_LEN];
	struct dsa_ticket t;

	(void)state;
	assert_non_null(h);
	assert_int_equal(put(h, 0, handle), 0);
	memcpy(wrong, handle, sizeof(wrong));
	wrong[31] ^= 1;
	assert_int_equal(dsa_handles_take(h, 1, wrong, UID, &t),
			 DS_ERR_NOTFOUND);
	assert_int_equal(dsa_handles_take(h, 1, handle, UID, &t), 0);
	assert_int_equal(t.ccache.len, 6);
	assert_memory_equal(t.ccache.p, "ticket", 6);
	assert_string_equal(t.principal, "alice@R");
	dsa_secret_done(&t.ccache);
	assert_null(t.ccache.p);
	assert_int_equal(dsa_handles_take(h, 1, handle, UID, &t),
			 DS_ERR_NOTFOUND);
	assert_int_equal(dsa_handles_count(h), 0);
	dsa_handles_free(h);
}

static void test_wrong_uid_destroys(void **state)
{
	struct dsa_handles *h = dsa_handles_new(4);
	uint8_t handle[DS_HANDLE_LEN];
	struct dsa_ticket t;

	(void)state;
	assert_int_equal(put(h, 0, handle), 0);
	assert_int_equal(dsa_handles_take(h, 1, handle, UID + 1, &t),
			 DS_ERR_NOTFOUND);
	assert_int_equal(dsa_handles_count(h), 0);
	assert_int_equal(dsa_handles_take(h, 1, handle, UID, &t),
			 DS_ERR_NOTFOUND);
	dsa_handles_free(h);
}

static void test_forget(void **state)
{
	struct dsa_handles *h = dsa_handles_new(4);
	uint8_t mine[DS_HANDLE_LEN], other[DS_HANDLE_LEN];
	struct dsa_ticket t;

	(void)state;
	assert_int_equal(put(h, 0, mine), 0);
	assert_int_equal(put(h, 0, mine), 0);
	assert_int_equal(
	    dsa_handles_put(h, 0, UID + 1, "bob@R", "ticket", 6, other), 0);
	dsa_handles_forget(h, UID);
	assert_int_equal(dsa_handles_count(h), 1);
	assert_int_equal(dsa_handles_take(h, 1, mine, UID, &t),
			 DS_ERR_NOTFOUND);
	assert_int_equal(dsa_handles_take(h, 1, other, UID + 1, &t), 0);
	dsa_secret_done(&t.ccache);
	dsa_handles_free(h);
}

static void test_expiry(void **state)
{
	struct dsa_handles *h = dsa_handles_new(4);
	uint8_t a[DS_HANDLE_LEN], b[DS_HANDLE_LEN];
	struct dsa_ticket t;

	(void)state;
	assert_int_equal(put(h, 1000, a), 0);
	assert_int_equal(put(h, 1000, b), 0);
	assert_int_equal(
	    dsa_handles_take(h, 1000 + DSA_TICKET_MS - 1, a, UID, &t), 0);
	dsa_secret_done(&t.ccache);
	assert_int_equal(dsa_handles_take(h, 1000 + DSA_TICKET_MS, b, UID, &t),
			 DS_ERR_NOTFOUND);
	assert_int_equal(dsa_handles_count(h), 0);
	dsa_handles_free(h);
}

static void test_full(void **state)
{
	struct dsa_handles *h = dsa_handles_new(3);
	uint8_t a[DS_HANDLE_LEN], b[DS_HANDLE_LEN];
	struct dsa_ticket t;

	(void)state;
	assert_int_equal(put(h, 0, a), 0);
	assert_int_equal(put(h, 10, b), 0);
	assert_int_equal(put(h, 10, b), 0);
	assert_int_equal(put(h, 20, b), DS_ERR_LIMIT);
	/* The oldest ends, and there is room again. */
	assert_int_equal(put(h, DSA_TICKET_MS, b), 0);
	assert_int_equal(dsa_handles_take(h, DSA_TICKET_MS, a, UID, &t),
			 DS_ERR_NOTFOUND);
	assert_int_equal(dsa_handles_take(h, DSA_TICKET_MS, b, UID, &t), 0);
	dsa_secret_done(&t.ccache);
	dsa_handles_free(h);
}

static void test_sizes(void **state)
{
	struct dsa_handles *h = dsa_handles_new(1000);
	char principal[DSA_PRINCIPAL_MAX + 2];
	uint8_t a[DS_HANDLE_LEN];
	size_t n = 0;

	(void)state;
	assert_int_equal(dsa_handles_put(h, 0, UID, "p", big, sizeof(big), a),
			 DS_ERR_LIMIT);
	assert_int_equal(dsa_handles_put(h, 0, UID, "p", big, 0, a),
			 DS_ERR_LIMIT);
	memset(principal, 'p', sizeof(principal));
	principal[DSA_PRINCIPAL_MAX + 1] = '\0';
	assert_int_equal(dsa_handles_put(h, 0, UID, principal, big, 1, a),
			 DS_ERR_LIMIT);
	while (dsa_handles_put(h, 0, UID + (uid_t)n, "p", big, DS_CCACHE_MAX,
			       a) == 0)
		n++;
	assert_int_equal(n, DSA_TICKET_BYTES_MAX / DS_CCACHE_MAX);
	dsa_handles_free(h);
	dsa_handles_free(NULL);
}

/* Who has passwords checked and opens no session crowds out nobody else. */
static void test_share(void **state)
{
	struct dsa_handles *h = dsa_handles_new(DSA_TICKETS_UID_MAX + 1);
	uint8_t first[DS_HANDLE_LEN], last[DS_HANDLE_LEN];
	struct dsa_ticket t;

	(void)state;
	assert_int_equal(put(h, 0, first), 0);
	for (int i = 0; i < 3 * DSA_TICKETS_UID_MAX; i++)
		assert_int_equal(put(h, 1 + i, last), 0);
	assert_int_equal(dsa_handles_count(h), DSA_TICKETS_UID_MAX);
	assert_int_equal(dsa_handles_take(h, 1000, first, UID, &t),
			 DS_ERR_NOTFOUND);
	assert_int_equal(
	    dsa_handles_put(h, 1000, UID + 1, "bob@R", "ticket", 6, first), 0);
	assert_int_equal(dsa_handles_take(h, 1000, first, UID + 1, &t), 0);
	dsa_secret_done(&t.ccache);
	assert_int_equal(dsa_handles_take(h, 1000, last, UID, &t), 0);
	dsa_secret_done(&t.ccache);
	/* Neither by the number of them nor by their size. */
	for (int i = 0; i < DSA_TICKETS_UID_MAX; i++)
		assert_int_equal(dsa_handles_put(h, 1000, UID, "p", big,
						 DS_CCACHE_MAX, last),
				 0);
	assert_int_equal(dsa_handles_count(h),
			 DSA_TICKET_BYTES_UID_MAX / DS_CCACHE_MAX);
	dsa_handles_free(h);
}

/* A worker of another user's login finds zeros. */
static void test_fork(void **state)
{
	struct dsa_secret mine, shared;
	int status;
	pid_t pid;

	(void)state;
	assert_int_equal(
	    dsa_secret_copy(&mine, "secret", 6, DSA_SECRET_PRIVATE), 0);
	assert_int_equal(
	    dsa_secret_copy(&shared, "secret", 6, DSA_SECRET_SHARED), 0);
	pid = fork();
	if (pid == 0)
		_exit(mine.p[0] == 0 && memcmp(shared.p, "secret", 6) == 0
			  ? 0
			  : 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	dsa_secret_done(&mine);
	dsa_secret_done(&shared);
}

/* ---- TICKET, as account.c answers it ---- */

static struct dsa_server server;
static uid_t caller;

static int open_server(void **state)
{
	(void)state;
	caller = 0;
	server.handles = dsa_handles_new(4);
	return server.handles == NULL;
}

static int close_server(void **state)
{
	(void)state;
	dsa_handles_free(server.handles);
	return 0;
}

static enum ds_auth_result redeem(const void *handle, size_t len, uint32_t uid,
				  size_t *ret_ccache)
{
	uint8_t in[128], out[1024];
	struct ds_frame frame = { .type = DS_MSG_TICKET, .payload = in };
	struct ds_writer w;
	struct ds_reader r;
	char principal[DSA_PRINCIPAL_MAX + 1];
	enum ds_auth_result result;

	ds_writer_init(&w, in, sizeof(in));
	ds_put_blob(&w, handle, len);
	ds_put_u32(&w, uid);
	frame.len = w.len;
	ds_writer_init(&w, out, sizeof(out));
	dsa_ticket_answer(&server, caller, &frame, &w);
	assert_int_equal(ds_frame_end(&w), 0);
	ds_reader_init(&r, out + DS_HEADER_LEN, w.len - DS_HEADER_LEN);
	result = (enum ds_auth_result)ds_get_u32(&r);
	ds_get_str(&r, principal, sizeof(principal));
	(void)ds_get_blob(&r, ret_ccache);
	assert_int_equal(ds_reader_end(&r), 0);
	return result;
}

static void test_ticket(void **state)
{
	uint8_t handle[DS_HANDLE_LEN];
	size_t len;

	(void)state;
	assert_int_equal(dsa_handles_put(server.handles, ds_now_ms(), 5, "p@R",
					 "ticket", 6, handle),
			 0);
	assert_int_equal(redeem(handle, DS_HANDLE_LEN - 1, 5, &len),
			 DS_AUTH_UNAVAILABLE);
	assert_int_equal(redeem(handle, DS_HANDLE_LEN, 5, &len), DS_AUTH_OK);
	assert_int_equal(len, 6);
	assert_int_equal(redeem(handle, DS_HANDLE_LEN, 5, &len),
			 DS_AUTH_UNAVAILABLE);
	assert_int_equal(len, 0);
}

/* At pam-user.sock nobody gets another's. */
static void test_ticket_of_another(void **state)
{
	uint8_t handle[DS_HANDLE_LEN];
	size_t len;

	(void)state;
	assert_int_equal(dsa_handles_put(server.handles, ds_now_ms(), UID,
					 "p@R", "ticket", 6, handle),
			 0);
	caller = UID + 1;
	assert_int_equal(redeem(handle, DS_HANDLE_LEN, UID, &len),
			 DS_AUTH_UNAVAILABLE);
	/* The attempt of the other has not spoilt it. */
	caller = UID;
	assert_int_equal(redeem(handle, DS_HANDLE_LEN, UID, &len), DS_AUTH_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_wrong_uid_destroys),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_fork),
		cmocka_unit_test_setup_teardown(test_ticket, open_server,
						close_server),
		cmocka_unit_test_setup_teardown(test_ticket_of_another,
						open_server, close_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

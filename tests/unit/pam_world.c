/*
 * The world of pam_world.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/snapshot_stamp.h"
#include "lib/snapshot_write.h"
#include "tests/unit/pam_seams.h"
#include "tests/unit/pam_world.h"

/* The module of test_pam_real finds these in the program. */
#define SEAM __attribute__((visibility("default")))

SEAM char pam_test_socket[PAM_TEST_PATH_MAX];
SEAM char pam_test_snapshot[PAM_TEST_PATH_MAX];
SEAM char pam_test_helper[PAM_TEST_PATH_MAX];
SEAM uid_t pam_test_owner, pam_test_socket_owner;
SEAM int pam_test_timeout;

char world_dir[64];
const struct ds_guid world_guid = {
	.b = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
};
const uint8_t world_handle[DS_HANDLE_LEN] = {
	0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa,
	0xab, 0xac, 0xad, 0xae, 0xaf, 0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5,
	0xb6, 0xb7, 0xb8, 0xb9, 0xba, 0xbb, 0xbc, 0xbd, 0xbe, 0xbf,
};

/* ---- passwd ---- */

static struct {
	const char *name;
	uid_t uid;
} passwd[16];
static int passwd_count, passwd_error;

void world_passwd(const char *name, uid_t uid)
{
	int i;

	for (i = 0; i < passwd_count; i++)
		if (strcmp(passwd[i].name, name) == 0)
			break;
	assert_in_range(i, 0, 15);
	passwd[i].name = name;
	passwd[i].uid = uid;
	if (i == passwd_count)
		passwd_count++;
}

void world_passwd_error(int error)
{
	passwd_error = error;
}

SEAM int pam_test_getpwnam_r(const char *name, struct passwd *pw, char *buf,
			     size_t size, struct passwd **ret)
{
	int i;

	*ret = NULL;
	if (passwd_error)
		return passwd_error;
	if (size < 6000) /* once at least, the caller must grow */
		return ERANGE;
	for (i = 0; i < passwd_count; i++) {
		if (strcasecmp(passwd[i].name, name) != 0)
			continue;
		memset(pw, 0, sizeof(*pw));
		pw->pw_name = strcpy(buf, name);
		pw->pw_uid = passwd[i].uid;
		*ret = pw;
		return 0;
	}
	return 0;
}

/* ---- the snapshot ---- */

static void build(int fd, uint32_t uid)
{
	const uint64_t key[2] = { 1, 2 };
	struct ds_snapw *w = ds_snapw_new(DS_SNAP_BASE, "AADDSCONTOSO", key);
	struct ds_snapw_user user = {
		.name = WORLD_UPN,
		.gecos = "Driley",
		.home = "/home/driley",
		.shell = "/bin/sh",
		.uid = uid,
		.gid = WORLD_GID,
		.key_upn = WORLD_UPN,
		.key_sam = "driley (1a2b)",
		.id = { .guid = world_guid },
	};
	uint32_t index;

	assert_non_null(w);
	assert_int_equal(ds_sid_parse_str("S-1-5-21-1-2-3-1104", &user.id.sid),
			 0);
	assert_int_equal(ds_snapw_user(w, &user, &index), 0);
	assert_int_equal(ds_snapw_write(w, fd), 0);
	ds_snapw_free(w);
}

void world_publish(uint32_t uid)
{
	const struct ds_snap_stamp stamp = {
		.kind = DS_SNAP_BASE,
		.generation = 1,
		.id_min = WORLD_ID_MIN,
		.id_max = WORLD_ID_MAX,
		.domain = "aaddscontoso.com",
	};
	char stage[128];
	int from, to;

	snprintf(stage, sizeof(stage), "%s/stage", world_dir);
	from = open(stage, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(from >= 0);
	build(from, uid);
	unlink(pam_test_snapshot);
	to = open(pam_test_snapshot, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
		  0644);
	assert_true(to >= 0);
	assert_int_equal(ds_snap_stamp_copy(from, to, 1 << 20, &stamp), 0);
	assert_int_equal(fchmod(to, 0644), 0);
	close(from);
	close(to);
	unlink(stage);
}

/* ---- the server ---- */

#define STEPS 8

static struct {
	pthread_t thread;
	bool running;
	int sock;
	int stop[2]; /* closing [1] ends the thread */
	struct world_step steps[STEPS];
	int step_count;
	struct world_request requests[STEPS];
	int request_count; /* written by the thread, atomically */
} server;

/* Reads what comes until a frame is whole. */
static void read_request(int fd, struct world_request *request)
{
	uint32_t payload;
	uint16_t type;
	uint32_t seq;
	ssize_t n;

	request->len = 0;
	for (;;) {
		n = recv(fd, request->buf + request->len,
			 sizeof(request->buf) - request->len, 0);
		if (n <= 0)
			return;
		request->len += (size_t)n;
		if (request->len >= DS_HEADER_LEN &&
		    ds_frame_header(request->buf, DS_HEADER_LEN, &payload,
				    &type, &seq) == 0 &&
		    request->len >= DS_HEADER_LEN + payload)
			return;
	}
}

static void write_reply(int fd, const struct world_step *step)
{
	struct pollfd p = { .fd = server.stop[0] };
	size_t i, chunk = step->byte_ms ? 1 : step->len;

	if (step->delay_ms && poll(&p, 1, step->delay_ms) > 0)
		return; /* nobody waits any more */
	for (i = 0; i < step->len; i += chunk) {
		if (send(fd, step->reply + i, chunk, MSG_NOSIGNAL) < 0)
			return;
		if (step->byte_ms)
			poll(NULL, 0, step->byte_ms);
	}
}

static void serve(int fd, int n)
{
	const struct world_step *step = &server.steps[n];
	struct pollfd p = { .fd = server.stop[0] };

	if (step->deaf) {
		poll(&p, 1, 60000);
		return;
	}
	read_request(fd, &server.requests[n]);
	__atomic_store_n(&server.request_count, n + 1, __ATOMIC_RELEASE);
	write_reply(fd, step);
}

static void *server_main(void *arg)
{
	struct pollfd p[2] = { { .fd = server.sock, .events = POLLIN },
			       { .fd = server.stop[0] } };
	int fd, n;

	for (n = 0; n < STEPS; n++) {
		while (poll(p, 2, -1) < 0)
			;
		if (p[1].revents)
			break;
		fd = accept4(server.sock, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			break;
		serve(fd, n);
		close(fd);
	}
	return arg;
}

void world_server_start(void)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	unlink(pam_test_socket);
	strcpy(addr.sun_path, pam_test_socket);
	server.sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(server.sock >= 0);
	assert_int_equal(
	    bind(server.sock, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(server.sock, 1), 0);
	assert_int_equal(pipe2(server.stop, O_CLOEXEC), 0);
	memset(server.steps, 0, sizeof(server.steps));
	server.step_count = 0;
	server.request_count = 0;
	assert_int_equal(
	    pthread_create(&server.thread, NULL, server_main, NULL), 0);
	server.running = true;
}

void world_server_stop(void)
{
	if (!server.running)
		return;
	close(server.stop[1]);
	pthread_join(server.thread, NULL);
	close(server.stop[0]);
	close(server.sock);
	server.running = false;
}

struct world_step *world_step(void)
{
	assert_true(server.running && server.step_count < STEPS);
	return &server.steps[server.step_count++];
}

static void begin(struct ds_writer *w, struct world_step *step, uint16_t type)
{
	ds_writer_init(w, step->reply, sizeof(step->reply));
	ds_frame_begin(w, type, 1);
}

static void end(struct ds_writer *w, struct world_step *step)
{
	assert_int_equal(ds_frame_end(w), 0);
	step->len = w->len;
}

struct world_step *world_reply_auth(uint32_t result, const char *text,
				    bool handle)
{
	struct world_step *step = world_step();
	struct ds_writer w;

	begin(&w, step, DS_MSG_AUTH_REPLY);
	ds_put_u32(&w, result);
	ds_put_str(&w, text);
	ds_put_blob(&w, world_handle, handle ? DS_HANDLE_LEN : 0);
	end(&w, step);
	return step;
}

static struct world_step *reply_text(uint16_t type, uint32_t result,
				     const char *text)
{
	struct world_step *step = world_step();
	struct ds_writer w;

	begin(&w, step, type);
	ds_put_u32(&w, result);
	ds_put_str(&w, text);
	end(&w, step);
	return step;
}

struct world_step *world_reply_account(uint32_t result, const char *text)
{
	return reply_text(DS_MSG_ACCOUNT_REPLY, result, text);
}

struct world_step *world_reply_change(uint32_t result, const char *text)
{
	return reply_text(DS_MSG_CHANGE_REPLY, result, text);
}

struct world_step *world_reply_ticket(uint32_t result, const void *ccache,
				      size_t len)
{
	struct world_step *step = world_step();
	struct ds_writer w;

	begin(&w, step, DS_MSG_TICKET_REPLY);
	ds_put_u32(&w, result);
	ds_put_str(&w, "driley@AADDSCONTOSO.COM");
	ds_put_blob(&w, ccache, len);
	end(&w, step);
	return step;
}

int world_requests(void)
{
	return __atomic_load_n(&server.request_count, __ATOMIC_ACQUIRE);
}

const struct world_request *world_request(int n)
{
	assert_in_range(n, 0, world_requests() - 1);
	return &server.requests[n];
}

/* ---- the directory ---- */

int world_setup(void **state)
{
	(void)state;
	strcpy(world_dir, "/tmp/dssync-pam.XXXXXX");
	if (!mkdtemp(world_dir) || chmod(world_dir, 0755) < 0)
		return -1;
	snprintf(pam_test_socket, sizeof(pam_test_socket), "%s/pam.sock",
		 world_dir);
	snprintf(pam_test_snapshot, sizeof(pam_test_snapshot), "%s/base.snap",
		 world_dir);
	snprintf(pam_test_helper, sizeof(pam_test_helper), "%s/helper",
		 world_dir);
	return 0;
}

int world_teardown(void **state)
{
	DIR *dir = opendir(world_dir);
	struct dirent *e;

	(void)state;
	world_server_stop();
	while (dir && (e = readdir(dir)))
		unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
	return rmdir(world_dir);
}

int world_fresh(void **state)
{
	(void)state;
	world_server_stop();
	unlink(pam_test_socket);
	pam_test_owner = pam_test_socket_owner = geteuid();
	pam_test_timeout = 10000;
	passwd_count = 0;
	passwd_error = 0;
	world_passwd("root", 0);
	world_passwd("local", 1000);
	world_passwd(WORLD_UPN, WORLD_UID);
	world_publish(WORLD_UID);
	return 0;
}

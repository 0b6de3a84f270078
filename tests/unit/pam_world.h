/*
 * The world around the PAM module in tests: a directory of its own with a
 * snapshot and a pam.sock, a passwd table, and a server that answers as told.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PAM_WORLD_H
#define PAM_WORLD_H

#include <stdbool.h>
#include <sys/types.h>

#include "lib/proto.h"
#include "lib/snapshot.h"

#define WORLD_UPN       "driley@aaddscontoso.com"
#define WORLD_UID       200001u
#define WORLD_GID       200513u
#define WORLD_ID_MIN    200000u
#define WORLD_ID_MAX    300000u
#define WORLD_GUID_TEXT "03020100-0504-0706-0809-0a0b0c0d0e0f"

extern char world_dir[64];
extern const struct ds_guid world_guid;

/* For cmocka_run_group_tests(): makes and removes the directory. */
int world_setup(void **state);
int world_teardown(void **state);
/* For each test: the default snapshot and passwd, no server, a second. */
int world_fresh(void **state);

/* Publishes a snapshot with the one user WORLD_UPN, uid as given. */
void world_publish(uint32_t uid);
/* The default passwd: root, a local user, WORLD_UPN; more can be added. */
void world_passwd(const char *name, uid_t uid);
/* The error that the next lookups give; 0: none. */
void world_passwd_error(int error);

/* What the server does with one connection, after it has read a request. */
struct world_step {
	uint8_t reply[DS_PACKET_MAX + 16];
	size_t len;
	int delay_ms; /* before the reply */
	int byte_ms;  /* between its bytes; 0: at once */
	bool deaf;    /* accepts, and neither reads nor answers */
};
struct world_request {
	uint8_t buf[DS_PACKET_MAX];
	size_t len;
};

void world_server_start(void);
/* Joins the thread; the socket file stays, and refuses. */
void world_server_stop(void);
/* The step for the next connection; valid until the server stops. */
struct world_step *world_step(void);
struct world_step *world_reply_auth(uint32_t result, const char *text,
				    bool handle);
struct world_step *world_reply_account(uint32_t result, const char *text);
struct world_step *world_reply_change(uint32_t result, const char *text);
struct world_step *world_reply_ticket(uint32_t result, const void *ccache,
				      size_t len);
/* How many requests came, and the n-th. */
int world_requests(void);
const struct world_request *world_request(int n);

extern const uint8_t world_handle[DS_HANDLE_LEN];
#define WORLD_HANDLE_ENV                                                      \
	"DSSYNC_HANDLE=a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"                      \
	"b0b1b2b3b4b5b6b7b8b9babbbcbdbebf"

#endif

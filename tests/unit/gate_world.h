/*
 * pam.sock and pam-user.sock without a daemon around them: pam.c, gate.c and
 * job.c are the real ones, with the numbers of gate_seams.h; what a worker
 * does is scripted by the "password" that it is sent.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TESTS_GATE_WORLD_H
#define TESTS_GATE_WORLD_H

#include <sys/un.h>

#include "synccache/auth/auth.h"
#include "synccache/auth/revoked.h"

extern struct dsa_server server;
extern struct sockaddr_un user_address;

/* How long a test waits for what has to come. */
#define PATIENCE_MS 30000

/* The last audit line, and how many there were. */
struct gate_audited {
	int times;
	enum ds_auth_result result;
	uid_t caller;
	char user[DS_USER_MAX + 1];
	char reason[DSA_REASON_MAX + 1];
};
extern struct gate_audited audited;

extern bool mirrored;     /* whether we are a user of the domain */
extern const char *rhost; /* in requests */
extern int probes;
extern int64_t heard_began; /* when what KDCs have said last began */
extern int offline_used;
extern int late_words; /* that workers said after their last */

/* ACCOUNT is answered at once, or when the test says so. */
extern bool answer_later;
extern dsa_account_said later_said;
extern void *later_arg;
extern pid_t account_caller;

/* Why an account is revoked is asked, or cannot be; the test says the answer.
 */
extern bool may_ask_why;
extern dsa_revoked_said why_said;
extern void *why_arg;

int setup(void **state);
int teardown(void **state);

/* A connection; one with a request on it, as root's or as a locker's. */
int call(void);
int call_at(const struct sockaddr_un *at);
int ask(uint16_t type, const char *script);
int ask_as_user(uint16_t type, const char *script);
struct ds_writer request(uint8_t *buf, size_t cap, uint16_t type,
			 const char *script);

/* Lets the server work. */
void run_for(int ms);
/* The result of the reply that comes within ms; -1: the end, -2: nothing. */
int result_of(int fd, int ms, bool *ret_handle);
extern char said_text[]; /* the text in it */
int result_and_close(int fd, int ms);
/* A word more, for a worker whose "password" begins with "told". */
void tell(int fd);
/* Wait for that. */
void workers_run(enum dsa_job_kind kind, size_t n);
void no_worker_left(void);

#endif

/*
 * Inside of pam_dssync.so.
 *
 * public.c holds the six entry points; each makes a `struct pds_call`, hands
 * it to one worker and returns the worker's PAM code.  The workers speak
 * ds_err among themselves and with lib/; support.c turns that, and what the
 * server decided, into PAM codes by stage.  There is no global state: what
 * must outlive a call is kept in the PAM handle (memory.c).
 *
 * The module runs inside sshd, sudo and login.  It never exits, never changes
 * a signal, the umask, the directory or the environment of its caller, and
 * leaves no descriptor or child behind.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PDS_INTERNAL_H
#define PDS_INTERNAL_H

#include <stdbool.h>
#include <sys/types.h>

#include <security/pam_modules.h>

#include "lib/guid.h"
#include "lib/proto.h"

/*
 * Where things are.  Compiled in: the environment never changes them.  Tests
 * build the same sources with other values.
 */
#ifndef PDS_SOCKET
#define PDS_SOCKET DS_RUN_DIR "/pam.sock"
#endif
#ifndef PDS_USER_SOCKET
#define PDS_USER_SOCKET DS_RUN_DIR "/pam-user.sock"
#endif
#ifndef PDS_SNAPSHOT
#define PDS_SNAPSHOT DS_PUBLIC_SNAP
#endif
#ifndef PDS_SNAPSHOT_OWNER
#define PDS_SNAPSHOT_OWNER 0
#endif
#ifndef PDS_CCACHE_HELPER
#define PDS_CCACHE_HELPER DS_LIBEXEC_DIR "/dssync-ccache"
#endif

/* How long the caller may be kept waiting, in milliseconds. */
#ifndef PDS_AUTH_TIMEOUT
#define PDS_AUTH_TIMEOUT 70000 /* a queue, and a KDC that is slow */
#endif
#ifndef PDS_ACCOUNT_TIMEOUT
#define PDS_ACCOUNT_TIMEOUT 30000
#endif
#ifndef PDS_TICKET_TIMEOUT
#define PDS_TICKET_TIMEOUT 10000
#endif
#ifndef PDS_HELPER_TIMEOUT
#define PDS_HELPER_TIMEOUT 10000
#endif

/*
 * Without a readable page 0 the id range is unknown.  A uid from here up may
 * be ours then, and is not waved through (the default id_range starts here).
 */
#define PDS_ID_FLOOR   200000u
#define PDS_ID_CEILING 0x7fffffffu

/* What pam_fail_delay(3) is asked for, as pam_unix does. */
#define PDS_FAIL_DELAY_US 2000000u

/* "TYPE:residual" of a ticket cache, with the NUL. */
#define PDS_CCNAME_MAX 1024

enum pds_stage {
	PDS_AUTH,
	PDS_CRED,
	PDS_ACCOUNT,
	PDS_SESSION,
	PDS_PASSWORD,
};

/* Module arguments; options.c has the table. */
struct pds_options {
	bool debug;
	bool use_first_pass;
	bool try_first_pass;
	bool use_authtok;
	bool nodelay;
};

/* One call of the application into the module. */
struct pds_call {
	pam_handle_t *pamh;
	enum pds_stage stage;
	int flags;
	struct pds_options options;
	const char *user; /* PAM_USER as typed, borrowed; never NULL or set */
};

/* The object that PAM_USER means, once that is proven. */
struct pds_identity {
	struct ds_guid guid;
	uid_t uid;
	gid_t gid;
};

/* ---- options.c ---- */
void pds_options_parse(struct pds_call *call, int argc, const char **argv);

/* ---- support.c ---- */
/* PAM_SUCCESS with call->user set, or the code to return at once. */
int pds_begin(struct pds_call *call, int argc, const char **argv);
/* Passes `code` on, after a debug line. */
int pds_end(struct pds_call *call, int code);
/* The only place where a ds_err becomes a PAM code. */
int pds_err_to_pam(enum pds_stage stage, int err);
/* The only place where a decision of the server does. */
int pds_result_to_pam(enum pds_stage stage, uint32_t result);
/* A constant phrase for the log: "the password is wrong", ... */
const char *pds_result_text(uint32_t result);
/* Writes a line of authpriv; strings of others only through pds_quote(). */
#define pds_log(call, priority, ...)                                          \
	pam_syslog((call)->pamh, (priority), __VA_ARGS__)
/* Escapes for a log line into the caller's buffer, and returns that. */
#define PDS_QUOTED_MAX 320
const char *pds_quote(char buf[PDS_QUOTED_MAX], const char *s);

/* An item of the PAM handle that is a string; "" if it is not set. */
const char *pds_item(struct pds_call *call, int type);
/*
 * Who asks on this host: su and sudo say it (then that is borrowed); of other
 * set-uid programs the kernel knows, "#uid" in buf; else "".
 */
#define PDS_RUSER_MAX 16
const char *pds_ruser(struct pds_call *call, char buf[PDS_RUSER_MAX]);

/* ---- audit.c: decisions that are not dssync-auth's ---- */
/* A line of dssync-audit(7); `result` is one of its words. */
void pds_audit(struct pds_call *call, const char *result, const char *reason);
/*
 * The same for what went wrong: `where` and the error's words.  "" stands for
 * pds_identify(): then there is no line about a user who is not ours.
 */
void pds_audit_error(struct pds_call *call, const char *where, int err);

/* ---- identity.c ---- */
/*
 * DS_OK: the user is ours, *ret_id is who.  DS_ERR_NOTFOUND: not ours, and
 * that is certain.  DS_ERR_CONFLICT: the account has a uid of our range, but
 * the name does not lead to that object.  DS_ERR_UNAVAIL: the snapshot cannot
 * be read and the uid may be ours.  DS_ERR_NOMEM, DS_ERR_SYS.
 */
DS_MUST_CHECK int pds_identify(struct pds_call *call,
			       struct pds_identity *ret_id);

/* ---- prompting.c ---- */
/*
 * The password that the user gave to an earlier module or gives now, borrowed
 * from libpam.  Returns a PAM code.
 */
int pds_password(struct pds_call *call, const char **ret_password);
/* Shows a text of the server; nothing if it is empty or PAM_SILENT is set. */
void pds_show(struct pds_call *call, bool refusal, const char *text);

/* ---- request.c ---- */
struct pds_reply {
	uint32_t result; /* enum ds_auth_result, or a number unknown here */
	char text[DS_TEXT_MAX + 1];
	uint8_t handle[DS_HANDLE_LEN];
	bool has_handle;
};
/* The wire protocol's AUTH, CHANGE, ACCOUNT and TICKET; nothing is logged. */
DS_MUST_CHECK int pds_request_auth(struct pds_call *call,
				   const struct pds_identity *id,
				   const char *password,
				   struct pds_reply *ret_reply);
DS_MUST_CHECK int pds_request_change(struct pds_call *call,
				     const struct pds_identity *id,
				     const char *old_password,
				     const char *new_password,
				     struct pds_reply *ret_reply);
DS_MUST_CHECK int pds_request_account(struct pds_call *call,
				      const struct pds_identity *id,
				      struct pds_reply *ret_reply);
/*
 * DS_ERR_DENIED: the handle is not good (any more).  The ticket cache is on
 * the heap: pds_secret_free().
 */
DS_MUST_CHECK int pds_request_ticket(const uint8_t handle[DS_HANDLE_LEN],
				     uid_t uid, uint8_t **ret_ccache,
				     size_t *ret_len);
/* The socket that this process may ask at: root's, or everybody's. */
const char *pds_socket(void);
/* Wipes and frees; NULL is fine. */
void pds_secret_free(void *secret, size_t len);

/* ---- memory.c: what outlives a call ---- */
struct pds_login {
	uid_t uid; /* whom it was about */
	bool new_password;
	char text[DS_TEXT_MAX + 1];
};
void pds_login_remember(struct pds_call *call, const struct pds_login *login);
/* The password was changed: it need not be any more. */
void pds_login_changed(struct pds_call *call, uid_t uid);
/* NULL: nothing is remembered about this user. */
const struct pds_login *pds_login_recall(struct pds_call *call, uid_t uid);

void pds_handle_remember(struct pds_call *call,
			 const uint8_t handle[DS_HANDLE_LEN]);
/* Takes the handle out of the PAM handle; false: there was none. */
bool pds_handle_take(struct pds_call *call, uint8_t ret[DS_HANDLE_LEN]);

struct pds_ccache {
	struct pds_identity id;
	char name[PDS_CCNAME_MAX];
};
DS_MUST_CHECK int pds_ccache_remember(struct pds_call *call,
				      const struct pds_ccache *ccache);
const struct pds_ccache *pds_ccache_recall(struct pds_call *call);
void pds_ccache_forget(struct pds_call *call);

/* ---- ccache.c ---- */
/* Neither can deny a login: what goes wrong is logged. */
/* `again`: of a cache that is there already, if one is known. */
void pds_ccache_store(struct pds_call *call, bool again);
void pds_ccache_destroy(struct pds_call *call);

/* ---- child.c ---- */
struct pds_child {
	const char *const *argv; /* argv[0] is the absolute path */
	uid_t uid;
	gid_t gid;
	const void *input;
	size_t input_len;
};
/*
 * Runs a program as a user who has no way back, feeds it `input` and reads
 * what it prints into out (NUL-terminated).  DS_ERR_DENIED: it failed;
 * DS_ERR_TIMEOUT: it was killed; DS_ERR_LIMIT: it printed more than cap - 1
 * bytes; DS_ERR_FORMAT: a NUL; DS_ERR_SYS: it could not be started.
 */
DS_MUST_CHECK int pds_child_run(const struct pds_child *child,
				int64_t deadline_ms, char *out, size_t cap);

/* ---- the workers: each returns a PAM code ---- */
int pds_auth(struct pds_call *call);
int pds_account(struct pds_call *call);
int pds_setcred(struct pds_call *call);
int pds_open_session(struct pds_call *call);
int pds_close_session(struct pds_call *call);
int pds_chauthtok(struct pds_call *call);

#endif

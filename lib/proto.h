/*
 * The wire protocol: every message that crosses a privilege boundary.
 *
 * A frame is a 12-byte header and a payload of at most DS_FRAME_MAX bytes,
 * integers little-endian (lib/buf.h):
 *
 *     u32 payload length   u16 version (DS_PROTO_VERSION)   u16 type   u32 seq
 *
 * A payload is the fields of its type in the order given below, `str` being a
 * u32 length and that many bytes without NUL, `blob` the same with any bytes.
 * Fields may be added only with a new version: a receiver refuses a frame
 * whose version is not its own, that is too long, too short, or has bytes
 * left over (DS_ERR_FORMAT), and closes the connection.  A reply carries the
 * seq of its request.
 *
 * Two carriers: stream sockets (pam.sock, ctl.sock) with a deadline for a
 * whole frame, and the SOCK_SEQPACKET channels between our own processes, one
 * frame a packet, at most DS_PACKET_MAX bytes; descriptors ride along as
 * SCM_RIGHTS where it says so.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DS_PROTO_H
#define DS_PROTO_H

#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/err.h"

#define DS_PROTO_VERSION 1
#define DS_HEADER_LEN    12
#define DS_FRAME_MAX     65536u /* payload bytes: a ticket cache fits */
#define DS_PACKET_MAX    (DS_HEADER_LEN + DS_FRAME_MAX)

/* Limits of single fields, in bytes without the NUL. */
#define DS_USER_MAX     255 /* login name as typed */
#define DS_PASSWORD_MAX 1024
#define DS_WORD_MAX     255   /* PAM service, tty, rhost */
#define DS_TEXT_MAX     511   /* message for a person, UTF-8 */
#define DS_STATUS_MAX   32768 /* a JSON status document */
#define DS_HANDLE_LEN   32    /* random one-time handle of a ticket */
#define DS_CCACHE_MAX   61440 /* serialized ticket cache */

/* Descriptors that the monitor's children find open. */
#define DS_FD_MONITOR  3 /* SOCK_SEQPACKET to the monitor */
#define DS_FD_PEER     4 /* SOCK_SEQPACKET between sync and auth */
#define DS_FD_PAM      5 /* auth: listening pam.sock */
#define DS_FD_PAM_USER 6 /* auth: listening pam-user.sock */

enum ds_msg {
	/*
	 * pam.sock.  Only root connects (mode 0600; the server checks
	 * SO_PEERCRED again).  pam-user.sock: the same for users of the
	 * domain, about nobody but the user as whom the caller runs
	 * (SO_PEERCRED; uid of the object, and of TICKET).
	 *
	 * AUTH: blob guid(16), str user, str service, str tty, str rhost,
	 *   str ruser, str password.  `user` is PAM_USER as typed; `guid` the
	 *   objectGUID that the caller resolved it to.  The server resolves it
	 *   again and refuses if that gives another object.  `ruser` is who
	 *   asks on this host (PAM_RUSER, or "#uid" of a set-uid program's
	 *   user), "" where that is nobody.
	 *   -> AUTH_REPLY: u32 enum ds_auth_result, str text for the user (may
	 *   be empty), blob handle (DS_HANDLE_LEN bytes, or empty: no ticket).
	 * ACCOUNT: blob guid, str user, str service, str tty, str rhost, str
	 *   ruser.
	 *   -> ACCOUNT_REPLY: u32 enum ds_auth_result, str text.
	 * TICKET: blob handle, u32 uid.  Redeems the handle, once, within 120
	 * s.
	 *   -> TICKET_REPLY: u32 enum ds_auth_result (OK or UNAVAILABLE),
	 *   str principal, blob ccache (FILE format version 4, one TGT).
	 * CHANGE: the fields of ACCOUNT, str old password, str new password
	 *   (UTF-8).  Both empty: may this account's password be changed from
	 *   here?  The new one empty: is the old one right?
	 *   -> CHANGE_REPLY: u32 enum ds_auth_result (OK; DENIED: changed
	 *   elsewhere, as the text says; BAD_PASSWORD: the old one; REJECTED:
	 *   the new one, in the domain's words; or a state as for AUTH), str
	 *   text.
	 * HOST, root's only: empty.  Does the domain know this host by its
	 *   key?  A KDC is asked for a ticket of the host's own.
	 *   -> HOST_REPLY: u32 enum ds_auth_result (OK; DENIED: no;
	 *   UNAVAILABLE: nobody says), str why.
	 */
	DS_MSG_AUTH = 1,
	DS_MSG_AUTH_REPLY = 2,
	DS_MSG_ACCOUNT = 3,
	DS_MSG_ACCOUNT_REPLY = 4,
	DS_MSG_TICKET = 5,
	DS_MSG_TICKET_REPLY = 6,
	DS_MSG_CHANGE = 7,
	DS_MSG_CHANGE_REPLY = 8,
	DS_MSG_HOST = 9,
	DS_MSG_HOST_REPLY = 10,

	/*
	 * ctl.sock, root only; the monitor answers.
	 *
	 * STATUS: empty. -> STATUS_REPLY: str monitor, str sync, str auth: a
	 *   JSON object each; the children's are passed on unread, "" if that
	 *   child has not spoken since it started.
	 * SYNC: u32 enum ds_pull_flags. -> SYNC_REPLY: u64 ticket: the pull is
	 *   done and published when status' sync.done >= ticket.
	 * FORGET: blob guid(16), or empty: of all objects.  Drops what lets
	 *   them log in while no domain controller answers; whether the mirror
	 *   still has such an object does not matter.
	 *   -> FORGET_REPLY: u32 0 or -ds_err (DS_ERR_UNAVAIL: dssync-auth
	 * does not run, DS_ERR_TIMEOUT: it does not answer; then nobody
	 * knows), u32 how many there were.
	 */
	DS_MSG_STATUS = 32,
	DS_MSG_STATUS_REPLY = 33,
	DS_MSG_SYNC = 34,
	DS_MSG_SYNC_REPLY = 35,
	DS_MSG_FORGET = 36,
	DS_MSG_FORGET_REPLY = 37,

	/*
	 * Monitor channel (fd 3).
	 *
	 * PULL, to sync: u64 ticket, u32 enum ds_pull_flags.
	 * STAGED, from sync: u64 stage number.  Both files are complete in
	 *   stage/ and stay untouched until the answer.
	 * PUBLISHED, to sync: u64 stage number, u32 0 or -ds_err, u64
	 *   generation, u32 errno (of DS_ERR_SYS).
	 * RESTAGE, to sync: empty.  What was published is damaged or gone:
	 *   write it again from the store.
	 * KEYTAB, to auth: u32 0 or -ds_err, str problem; with the keytab as a
	 *   read-only memory file if 0.  Sent at start and when it changes.
	 * CHILD_STATUS, from both: str JSON object, at most DS_STATUS_MAX;
	 *   sent at start and on change, at most 10 a second.
	 * RELOADED, to auth: empty.  A new generation is published: map it.
	 * DROP, to auth: blob guid(16), or empty: all.  Its verifiers are to
	 *   go, and none that a login under way would make is to come.
	 * DROPPED, from auth, with DROP's seq: u32 0 or -ds_err, u32 how many.
	 * AUDIT_FILE, to auth: empty; with login.audit_file, opened to append.
	 */
	DS_MSG_PULL = 64,
	DS_MSG_STAGED = 65,
	DS_MSG_PUBLISHED = 66,
	DS_MSG_RESTAGE = 67,
	DS_MSG_KEYTAB = 68,
	DS_MSG_CHILD_STATUS = 69,
	DS_MSG_RELOADED = 70,
	DS_MSG_DROP = 71,
	DS_MSG_DROPPED = 72,
	DS_MSG_AUDIT_FILE = 73,

	/*
	 * Sync <-> auth (fd 4).
	 *
	 * DC_TICKET, from sync: str host (FQDN of a domain controller, checked
	 *   to lie in the domain's suffix by both).
	 *   -> DC_TICKET_REPLY: u32 0 or -ds_err, str problem, str principal
	 * of the host (client), u64 end time (epoch seconds), blob ccache
	 * (FILE format version 4) with nothing but a service ticket that the
	 * KDC issued for ldap/HOST/DNSDOMAIN: the proof that HOST is a DC
	 *   (MS-DRSR 2.2.2; a member machine cannot register that name).
	 *   DS_ERR_CONFIG: the keytab will not do, which was logged by whom
	 *   it concerns.
	 *
	 * LOOK, from auth: blob guid(16).  Sync reads that one object, over a
	 *   connection that no bulk read keeps busy, and answers within 2 s.
	 *   -> LOOK_REPLY: u32 0 or -ds_err (DS_ERR_NOTFOUND: a proven DC does
	 *   not show such an object; anything else: nobody knows), then, zeros
	 *   unless that is 0: u32 userAccountControl, u32
	 *   msDS-User-Account-Control-Computed, u64 accountExpires, u64
	 *   pwdLastSet, u64 lockoutTime, u64
	 *   msDS-UserPasswordExpiryTimeComputed (times: FILETIME), blob
	 *   logonHours (empty or 21 bytes, MS-SAMR 2.2.6.5), str
	 *   userPrincipalName, str sAMAccountName.
	 *
	 * SITE, from sync: str site, of this host as a proven DC said, "": in
	 *   none.  Not answered; a configured site counts more.
	 */
	DS_MSG_DC_TICKET = 96,
	DS_MSG_DC_TICKET_REPLY = 97,
	DS_MSG_LOOK = 98,
	DS_MSG_LOOK_REPLY = 99,
	DS_MSG_SITE = 100,
};

enum ds_pull_flags {
	DS_PULL_FULL = 1 << 0,           /* forget the cookie */
	DS_PULL_ACCEPT_DELETES = 1 << 1, /* open the safety valve once */
	DS_PULL_RENUMBER = 1 << 2,       /* ids may change, once */
};

/*
 * What auth decided.  The PAM module maps it by stage (one function); the
 * words that people read are in synccache/auth/policy.h.  Everything but OK,
 * NEW_PASSWORD and UNKNOWN is a refusal; an unknown number is one too.
 */
enum ds_auth_result {
	DS_AUTH_OK = 0,
	DS_AUTH_NEW_PASSWORD = 1, /* password proven, but must be changed */
	DS_AUTH_BAD_PASSWORD = 2,
	DS_AUTH_UNKNOWN = 3, /* not our user */
	DS_AUTH_DISABLED = 4,
	DS_AUTH_EXPIRED = 5, /* account expired */
	DS_AUTH_LOCKED = 6,
	DS_AUTH_HOURS = 7,       /* outside logon hours */
	DS_AUTH_DENIED = 8,      /* policy, identity mismatch, fail-closed */
	DS_AUTH_UNAVAILABLE = 9, /* no KDC reached, no keytab, overload */
	DS_AUTH_DELAYED = 10,    /* too many failures: not even checked */
	DS_AUTH_REJECTED = 11,   /* CHANGE: the new password will not do */
};

struct ds_frame {
	uint16_t type;
	uint32_t seq;
	const uint8_t *payload;
	size_t len;
};

/*
 * Starts a frame in `w` (room for DS_HEADER_LEN and the payload); fields are
 * then added with ds_put_*(); ds_frame_end() fills in the length and gives
 * the writer's error, if any.
 */
void ds_frame_begin(struct ds_writer *w, uint16_t type, uint32_t seq);
DS_MUST_CHECK int ds_frame_end(struct ds_writer *w);

/*
 * Reads a header: payload length, type and seq.  DS_ERR_VERSION,
 * DS_ERR_LIMIT (payload over DS_FRAME_MAX) or DS_ERR_FORMAT (len is not
 * DS_HEADER_LEN).
 */
DS_MUST_CHECK int ds_frame_header(const uint8_t *buf, size_t len,
				  uint32_t *ret_len, uint16_t *ret_type,
				  uint32_t *ret_seq);
/* A whole frame that fills buf exactly; the payload is borrowed from it. */
DS_MUST_CHECK int ds_frame_parse(const uint8_t *buf, size_t len,
				 struct ds_frame *ret_frame);

#endif

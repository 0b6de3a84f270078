/*
 * Questions to dssync-auth: a connection each, one request, one reply, a
 * deadline for the whole.  See lib/proto.h for the fields.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/wire.h"
#include "pam_dssync/internal.h"

/* Larger than the largest request and than any reply without a ticket. */
#define SMALL_FRAME_MAX 4096
#define SEQ             1 /* one request a connection */

const char *pds_socket(void)
{
	return geteuid() == 0 ? PDS_SOCKET : PDS_USER_SOCKET;
}

/* Sends the request and reads the reply into buf. */
static int exchange(struct ds_writer *request, uint16_t reply_type,
		    int timeout_ms, uint8_t *buf, size_t cap,
		    struct ds_frame *ret_frame)
{
	int64_t deadline = ds_now_ms() + timeout_ms;
	struct ds_frame frame;
	int fd, err, saved;

	err = ds_frame_end(request);
	if (err)
		return err;
	err = ds_wire_connect(pds_socket(), deadline, &fd);
	if (err)
		return err;
	err = ds_wire_send(fd, request, deadline);
	if (!err)
		err = ds_wire_recv(fd, buf, cap, deadline, &frame);
	saved = errno;
	close(fd);
	errno = saved;
	if (err)
		return err;
	if (frame.seq != SEQ || frame.type != reply_type)
		return DS_ERR_FORMAT;
	*ret_frame = frame;
	return 0;
}

/*
 * These are for audit and delays only, so one that is too long is cut rather
 * than refused.
 */
static void put_cut(struct ds_writer *w, const char *text)
{
	ds_put_blob(w, text, strnlen(text, DS_WORD_MAX));
}

/* The fields that AUTH and ACCOUNT begin with. */
static void put_who(struct ds_writer *w, struct pds_call *call,
		    const struct pds_identity *id)
{
	char ruser[PDS_RUSER_MAX];

	ds_put_blob(w, id->guid.b, DS_GUID_LEN);
	ds_put_str(w, call->user);
	put_cut(w, pds_item(call, PAM_SERVICE));
	put_cut(w, pds_item(call, PAM_TTY));
	put_cut(w, pds_item(call, PAM_RHOST));
	put_cut(w, pds_ruser(call, ruser));
}

static int parse_reply(const struct ds_frame *frame, bool auth,
		       struct pds_reply *ret_reply)
{
	struct pds_reply reply = { 0 };
	const uint8_t *handle;
	struct ds_reader r;
	size_t len = 0;
	int err;

	ds_reader_init(&r, frame->payload, frame->len);
	reply.result = ds_get_u32(&r);
	ds_get_str(&r, reply.text, sizeof(reply.text));
	handle = auth ? ds_get_blob(&r, &len) : NULL;
	err = ds_reader_end(&r);
	if (err)
		return err;
	if (len != 0 && len != DS_HANDLE_LEN)
		return DS_ERR_FORMAT;
	if (len) {
		memcpy(reply.handle, handle, DS_HANDLE_LEN);
		reply.has_handle = true;
	}
	*ret_reply = reply;
	explicit_bzero(&reply, sizeof(reply));
	return 0;
}

/* A request in `out`, of which its own fields are still to come. */
static struct ds_writer begin(uint8_t out[SMALL_FRAME_MAX], uint16_t type,
			      struct pds_call *call,
			      const struct pds_identity *id)
{
	struct ds_writer w;

	ds_writer_init(&w, out, SMALL_FRAME_MAX);
	ds_frame_begin(&w, type, SEQ);
	put_who(&w, call, id);
	return w;
}

/* Sends it and wipes it. */
static int finish(struct ds_writer *request, uint16_t reply_type,
		  int timeout_ms, struct pds_reply *ret_reply)
{
	uint8_t in[SMALL_FRAME_MAX];
	struct ds_frame frame;
	int err;

	err =
	    exchange(request, reply_type, timeout_ms, in, sizeof(in), &frame);
	if (!err)
		err = parse_reply(&frame, reply_type == DS_MSG_AUTH_REPLY,
				  ret_reply);
	explicit_bzero(request->base, request->cap);
	explicit_bzero(in, sizeof(in));
	return err;
}

int pds_request_auth(struct pds_call *call, const struct pds_identity *id,
		     const char *password, struct pds_reply *ret_reply)
{
	uint8_t out[SMALL_FRAME_MAX];
	struct ds_writer w = begin(out, DS_MSG_AUTH, call, id);

	ds_put_str(&w, password);
	return finish(&w, DS_MSG_AUTH_REPLY, PDS_AUTH_TIMEOUT, ret_reply);
}

int pds_request_change(struct pds_call *call, const struct pds_identity *id,
		       const char *old_password, const char *new_password,
		       struct pds_reply *ret_reply)
{
	uint8_t out[SMALL_FRAME_MAX];
	struct ds_writer w = begin(out, DS_MSG_CHANGE, call, id);

	ds_put_str(&w, old_password);
	ds_put_str(&w, new_password);
	return finish(&w, DS_MSG_CHANGE_REPLY, PDS_AUTH_TIMEOUT, ret_reply);
}

int pds_request_account(struct pds_call *call, const struct pds_identity *id,
			struct pds_reply *ret_reply)
{
	uint8_t out[SMALL_FRAME_MAX];
	struct ds_writer w = begin(out, DS_MSG_ACCOUNT, call, id);

	return finish(&w, DS_MSG_ACCOUNT_REPLY, PDS_ACCOUNT_TIMEOUT,
		      ret_reply);
}

/* Moves the ticket cache of a reply to memory of its own. */
static int parse_ticket(const struct ds_frame *frame, uint8_t **ret_ccache,
			size_t *ret_len)
{
	char principal[2 * DS_USER_MAX + 2];
	const uint8_t *blob;
	struct ds_reader r;
	uint8_t *copy;
	uint32_t result;
	size_t len = 0;
	int err;

	ds_reader_init(&r, frame->payload, frame->len);
	result = ds_get_u32(&r);
	ds_get_str(&r, principal, sizeof(principal));
	blob = ds_get_blob(&r, &len);
	err = ds_reader_end(&r);
	if (err)
		return err;
	if (result != DS_AUTH_OK)
		return DS_ERR_DENIED;
	if (len == 0 || len > DS_CCACHE_MAX)
		return DS_ERR_FORMAT;
	copy = malloc(len);
	if (!copy)
		return DS_ERR_NOMEM;
	memcpy(copy, blob, len);
	*ret_ccache = copy;
	*ret_len = len;
	return 0;
}

int pds_request_ticket(const uint8_t handle[DS_HANDLE_LEN], uid_t uid,
		       uint8_t **ret_ccache, size_t *ret_len)
{
	uint8_t out[DS_HEADER_LEN + 4 + DS_HANDLE_LEN + 4];
	struct ds_writer w;
	struct ds_frame frame;
	uint8_t *in;
	int err;

	in = malloc(DS_PACKET_MAX);
	if (!in)
		return DS_ERR_NOMEM;
	ds_writer_init(&w, out, sizeof(out));
	ds_frame_begin(&w, DS_MSG_TICKET, SEQ);
	ds_put_blob(&w, handle, DS_HANDLE_LEN);
	ds_put_u32(&w, uid);
	err = exchange(&w, DS_MSG_TICKET_REPLY, PDS_TICKET_TIMEOUT, in,
		       DS_PACKET_MAX, &frame);
	if (!err)
		err = parse_ticket(&frame, ret_ccache, ret_len);
	explicit_bzero(out, sizeof(out));
	pds_secret_free(in, DS_PACKET_MAX);
	return err;
}

void pds_secret_free(void *secret, size_t len)
{
	if (!secret)
		return;
	explicit_bzero(secret, len);
	free(secret);
}

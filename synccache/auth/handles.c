/*
 * The store of one-time handles.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/handles.h"

#include <stdlib.h>
#include <string.h>

struct entry {
	struct dsa_ticket ticket; /* ccache.p NULL: free */
	int64_t end_ms;
	uid_t uid;
	uint8_t handle[DS_HANDLE_LEN];
};

struct dsa_handles {
	struct dsa_secret memory; /* the entries: handles are secrets too */
	struct entry *entry;
	size_t max;
	size_t count;
	size_t bytes;
};

struct dsa_handles *dsa_handles_new(size_t max)
{
	struct dsa_handles *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return NULL;
	if (dsa_secret_init(&h->memory, max * sizeof(struct entry),
			    DSA_SECRET_PRIVATE) != 0) {
		free(h);
		return NULL;
	}
	h->entry = (struct entry *)(void *)h->memory.p;
	h->max = max;
	return h;
}

/* Forgets an entry; with its ticket, unless the ticket has moved away. */
static void drop(struct dsa_handles *h, struct entry *e)
{
	h->count--;
	h->bytes -= e->ticket.ccache.len;
	dsa_secret_done(&e->ticket.ccache);
	explicit_bzero(e, sizeof(*e));
}

void dsa_handles_free(struct dsa_handles *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; i < h->max; i++)
		if (h->entry[i].ticket.ccache.p != NULL)
			drop(h, &h->entry[i]);
	dsa_secret_done(&h->memory);
	free(h);
}

static struct entry *free_entry(struct dsa_handles *h)
{
	for (size_t i = 0; i < h->max; i++)
		if (h->entry[i].ticket.ccache.p == NULL)
			return &h->entry[i];
	return NULL;
}

/* Drops what has waited longest for this uid; false: nothing has to go. */
static bool make_room(struct dsa_handles *h, uid_t uid, size_t len)
{
	size_t count = 0, bytes = 0;
	struct entry *oldest = NULL;

	for (size_t i = 0; i < h->max; i++) {
		struct entry *e = &h->entry[i];

		if (e->ticket.ccache.p == NULL || e->uid != uid)
			continue;
		count++;
		bytes += e->ticket.ccache.len;
		if (oldest == NULL || e->end_ms < oldest->end_ms)
			oldest = e;
	}
	if (oldest == NULL || (count < DSA_TICKETS_UID_MAX &&
			       bytes + len <= DSA_TICKET_BYTES_UID_MAX))
		return false;
	drop(h, oldest);
	return true;
}

int dsa_handles_put(struct dsa_handles *h, int64_t now_ms, uid_t uid,
		    const char *principal, const void *ccache, size_t len,
		    uint8_t ret_handle[DS_HANDLE_LEN])
{
	struct entry *e;
	int r;

	dsa_handles_expire(h, now_ms);
	while (make_room(h, uid, len))
		;
	e = free_entry(h);
	if (e == NULL || len == 0 || len > DS_CCACHE_MAX ||
	    h->bytes + len > DSA_TICKET_BYTES_MAX ||
	    strlen(principal) > DSA_PRINCIPAL_MAX)
		return DS_ERR_LIMIT;
	r = dsa_random(e->handle, sizeof(e->handle));
	if (r == 0)
		r = dsa_secret_copy(&e->ticket.ccache, ccache, len,
				    DSA_SECRET_PRIVATE);
	if (r != 0)
		return r;
	memcpy(e->ticket.principal, principal, strlen(principal) + 1);
	e->uid = uid;
	e->end_ms = now_ms + DSA_TICKET_MS;
	h->count++;
	h->bytes += len;
	memcpy(ret_handle, e->handle, DS_HANDLE_LEN);
	return 0;
}

/* Takes the same time wherever the first difference is. */
static bool same_handle(const uint8_t *a, const uint8_t *b)
{
	uint8_t diff = 0;

	for (size_t i = 0; i < DS_HANDLE_LEN; i++)
		diff |= a[i] ^ b[i];
	return diff == 0;
}

int dsa_handles_take(struct dsa_handles *h, int64_t now_ms,
		     const uint8_t handle[DS_HANDLE_LEN], uid_t uid,
		     struct dsa_ticket *ret_ticket)
{
	struct entry *e = NULL;

	dsa_handles_expire(h, now_ms);
	for (size_t i = 0; i < h->max; i++)
		if (h->entry[i].ticket.ccache.p != NULL &&
		    same_handle(h->entry[i].handle, handle))
			e = &h->entry[i];
	if (e == NULL)
		return DS_ERR_NOTFOUND;
	if (e->uid != uid) {
		drop(h, e);
		return DS_ERR_NOTFOUND;
	}
	*ret_ticket = e->ticket;
	h->bytes -= e->ticket.ccache.len;
	e->ticket.ccache = (struct dsa_secret){ 0 };
	drop(h, e);
	return 0;
}

void dsa_handles_forget(struct dsa_handles *h, uid_t uid)
{
	for (size_t i = 0; i < h->max; i++)
		if (h->entry[i].ticket.ccache.p != NULL &&
		    h->entry[i].uid == uid)
			drop(h, &h->entry[i]);
}

void dsa_handles_expire(struct dsa_handles *h, int64_t now_ms)
{
	for (size_t i = 0; i < h->max; i++)
		if (h->entry[i].ticket.ccache.p != NULL &&
		    now_ms >= h->entry[i].end_ms)
			drop(h, &h->entry[i]);
}

size_t dsa_handles_count(const struct dsa_handles *h)
{
	return h->count;
}

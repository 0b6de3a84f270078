/*
 * The server of ldap_script.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/ldap_script.h"

#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/wire.h"

#define SERVICE "CN=NTDS Settings,CN=DC1"

int script_wait(void *arg, int fd, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int64_t left = deadline_ms - ds_now_ms();

	(void)arg;
	return poll(&pfd, 1, left > 0 ? (int)left : 0) > 0 ? DS_OK
							   : DS_ERR_TIMEOUT;
}

/* ---- the server's answers ---- */

static void flush(struct script_server *sv, BerElement *ber)
{
	struct berval out;
	size_t sent = 0;

	if (ber_flatten2(ber, &out, 0) != 0)
		abort();
	while (sent < out.bv_len) {
		size_t left = sv->trickle ? 1 : out.bv_len - sent;
		ssize_t n =
		    send(sv->fd, out.bv_val + sent, left, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	ber_free(ber, 1);
}

static BerElement *new_ber(void)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	if (!ber)
		abort();
	return ber;
}

void script_entry(struct script_server *sv, int id, const struct dss_entry *e)
{
	BerElement *ber = new_ber();

	(void)ber_printf(ber, "{it{s{", id, LDAP_RES_SEARCH_ENTRY, e->dn);
	for (size_t i = 0; i < e->count; i++) {
		(void)ber_printf(ber, "{s[", e->attrs[i].name);
		for (size_t k = 0; k < e->attrs[i].count; k++)
			(void)ber_printf(
			    ber, "o", (const char *)e->attrs[i].values[k].data,
			    (ber_len_t)e->attrs[i].values[k].len);
		(void)ber_printf(ber, "]}");
	}
	(void)ber_printf(ber, "}}}");
	flush(sv, ber);
}

/* The end of a search; oid NULL: without a control. */
void script_end(struct script_server *sv, int id, ber_tag_t tag, int code,
		const char *oid, const struct berval *value)
{
	BerElement *ber = new_ber();

	(void)ber_printf(ber, "{it{ess}", id, tag, code, "", "scripted");
	if (oid)
		(void)ber_printf(ber, "t{{sO}}", (ber_tag_t)0xa0, oid, value);
	(void)ber_printf(ber, "}");
	flush(sv, ber);
}

void script_done(struct script_server *sv, int id, int code)
{
	script_end(sv, id, LDAP_RES_SEARCH_RESULT, code, NULL, NULL);
}

/* {more, 0, cookie} of DirSync, or {0, cookie} of a page. */
void script_done_with(struct script_server *sv, int id, const char *oid,
		      int more, const char *cookie)
{
	BerElement *ber = new_ber();
	struct berval value;

	if (strcmp(oid, SCRIPT_DIRSYNC) == 0)
		(void)ber_printf(ber, "{iis}", more, 0, cookie);
	else
		(void)ber_printf(ber, "{is}", 0, cookie);
	if (ber_flatten2(ber, &value, 0) != 0)
		abort();
	script_end(sv, id, LDAP_RES_SEARCH_RESULT, LDAP_SUCCESS, oid, &value);
	ber_free(ber, 1);
}

void script_bytes(struct script_server *sv, const void *data, size_t len)
{
	(void)!send(sv->fd, data, len, MSG_NOSIGNAL);
}

void script_reference(struct script_server *sv, int id)
{
	BerElement *ber = new_ber();

	(void)ber_printf(ber, "{it{s}}", id, LDAP_RES_SEARCH_REFERENCE,
			 "ldap://evil.example.net/DC=evil");
	flush(sv, ber);
}

void script_user(struct script_server *sv, int id, unsigned n)
{
	struct test_entry t;
	char sam[16];

	(void)snprintf(sam, sizeof(sam), "user%u", n);
	entry_user(&t, n, sam);
	script_entry(sv, id, &t.e);
}

void script_group(struct script_server *sv, int id, unsigned n,
		  const char *members, unsigned first, unsigned last)
{
	size_t count = last - first + 1;
	char(*text)[128] = calloc(count, sizeof(*text));
	struct dss_value *values = calloc(count, sizeof(*values));
	struct test_entry t;

	if (!text || !values)
		abort();
	entry_group(&t, n, "team");
	entry_attr(&t, members);
	for (size_t i = 0; i < count; i++) {
		member_dn(first + (unsigned)i, text[i]);
		values[i] = (struct dss_value){ (const uint8_t *)text[i],
						strlen(text[i]) };
	}
	t.attrs[t.e.count - 1].values = values;
	t.attrs[t.e.count - 1].count = count;
	script_entry(sv, id, &t.e);
	free(values);
	free(text);
}

/* ---- the server's ears ---- */

static void read_control(BerElement *ber, struct script_request *rq)
{
	struct berval oid, value = { 0, NULL };
	ber_tag_t tag;
	ber_len_t len;
	ber_int_t a, b;

	(void)ber_scanf(ber, "{m", &oid);
	tag = ber_peek_tag(ber, &len);
	if (tag == LBER_BOOLEAN) {
		(void)ber_scanf(ber, "b", &a);
		tag = ber_peek_tag(ber, &len);
	}
	if (tag == LBER_OCTETSTRING)
		(void)ber_scanf(ber, "m", &value);
	(void)ber_scanf(ber, "}");
	rq->dirsync |= strcmp(oid.bv_val, SCRIPT_DIRSYNC) == 0;
	rq->paged |= strcmp(oid.bv_val, SCRIPT_PAGED) == 0;
	if (strcmp(oid.bv_val, SCRIPT_DIRSYNC) == 0 ||
	    strcmp(oid.bv_val, SCRIPT_PAGED) == 0) {
		BerElement *in = ber_init(&value);
		struct berval cookie = { 0, NULL };

		if (strcmp(oid.bv_val, SCRIPT_DIRSYNC) == 0)
			(void)ber_scanf(in, "{iim}", &a, &b, &cookie);
		else
			(void)ber_scanf(in, "{im}", &a, &cookie);
		rq->replication = rq->dirsync && !(a & 1);
		(void)snprintf(rq->cookie, sizeof(rq->cookie), "%.*s",
			       (int)cookie.bv_len, cookie.bv_val);
		ber_free(in, 1);
	}
}

/* False: nothing that is answered (unbind, abandon). */
static bool read_request(BerElement *ber, struct script_request *rq)
{
	struct berval base, filter, attr;
	ber_int_t n[5], id;
	ber_tag_t tag;
	ber_len_t len;
	char *cookie;

	memset(rq, 0, sizeof(*rq));
	if (ber_scanf(ber, "it", &id, &tag) == LBER_ERROR ||
	    tag != LDAP_REQ_SEARCH)
		return false;
	rq->id = id;
	(void)ber_scanf(ber, "{meeiib", &base, &n[0], &n[1], &n[2], &n[3],
			&n[4]);
	(void)snprintf(rq->base, sizeof(rq->base), "%s", base.bv_val);
	(void)ber_skip_element(ber, &filter);
	rq->narrowed = memmem(filter.bv_val, filter.bv_len, "uSNChanged", 10);
	for (tag = ber_first_element(ber, &len, &cookie); tag != LBER_DEFAULT;
	     tag = ber_next_element(ber, &len, cookie)) {
		(void)ber_scanf(ber, "m", &attr);
		if (!rq->first_attr[0])
			(void)snprintf(rq->first_attr, sizeof(rq->first_attr),
				       "%s", attr.bv_val);
		(void)snprintf(rq->last_attr, sizeof(rq->last_attr), "%s",
			       attr.bv_val);
	}
	(void)ber_scanf(ber, "}");
	if (ber_peek_tag(ber, &len) == 0xa0) {
		for (tag = ber_first_element(ber, &len, &cookie);
		     tag != LBER_DEFAULT;
		     tag = ber_next_element(ber, &len, cookie))
			read_control(ber, rq);
	}
	return true;
}

/* The root DSE and the server's own settings; every script has them. */
static bool serve_root(struct script_server *sv,
		       const struct script_request *rq)
{
	struct test_entry t;
	char id[16];

	memset(&t, 0, sizeof(t));
	t.e.attrs = t.attrs;
	t.e.dn = rq->base;
	if (!rq->base[0] && sv->root) {
		sv->root(sv, rq);
		return true;
	}
	if (!rq->base[0]) {
		entry_text(&t, "highestCommittedUSN", "1000");
		entry_text(&t, "dsServiceName", SERVICE);
	} else if (strcmp(rq->base, SERVICE) == 0) {
		memset(id, sv->invocation, sizeof(id));
		entry_attr(&t, "invocationId");
		entry_value(&t, id, sizeof(id));
	} else {
		return false;
	}
	script_entry(sv, rq->id, &t.e);
	script_done(sv, rq->id, LDAP_SUCCESS);
	return true;
}

/* An ordinary account lacks the replication right. */
static bool refuse(struct script_server *sv, const struct script_request *rq)
{
	if (!rq->replication || sv->right)
		return false;
	script_done(sv, rq->id, LDAP_INSUFFICIENT_ACCESS);
	return true;
}

static void *serve(void *arg)
{
	struct script_server *sv = arg;
	Sockbuf *sb = ber_sockbuf_alloc();

	(void)ber_sockbuf_add_io(sb, &ber_sockbuf_io_tcp,
				 LBER_SBIOD_LEVEL_PROVIDER, &sv->fd);
	while (!sv->over) {
		BerElement *ber = new_ber();
		struct script_request rq;
		ber_len_t len;

		if (ber_get_next(sb, &len, ber) != LDAP_TAG_MESSAGE) {
			ber_free(ber, 1);
			break;
		}
		if (read_request(ber, &rq) && !refuse(sv, &rq) &&
		    !serve_root(sv, &rq)) {
			sv->last[sv->step % SCRIPT_LAST] = rq;
			sv->step++;
			sv->serve(sv, &rq);
		}
		ber_free(ber, 1);
	}
	ber_sockbuf_free(sb); /* closes sv->fd */
	return NULL;
}

void script_start(struct script_server *sv, int fd, script_fn script)
{
	sv->fd = fd;
	sv->step = 0;
	sv->over = false;
	sv->serve = script;
	if (pthread_create(&sv->thread, NULL, serve, sv) != 0)
		abort();
}

void script_join(struct script_server *sv)
{
	(void)pthread_join(sv->thread, NULL);
}

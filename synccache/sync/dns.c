/*
 * Questions to the C library's resolver, each in a child: see dns.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "synccache/sync/dns.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/sync/site.h"

#define ANSWER_MS 5000 /* for each question to the name servers */

union items {
	struct ds_srv servers[DS_SRV_MAX];
	struct dss_address addresses[DSS_ADDRESSES_MAX];
};

/* What the child writes: this, and `count` items.  A pipe holds all of it. */
struct head {
	int err;
	size_t count;
};

struct question {
	int (*ask)(const struct question *q, union items *items,
		   size_t *ret_count);
	const char *name, *site;
	uint16_t port;
	size_t size; /* of an item */
	size_t max;
};

static int ask_servers(const struct question *q, union items *items,
		       size_t *ret_count)
{
	return ds_srv_lookup(q->name, q->site, items->servers, ret_count);
}

static int ask_addresses(const struct question *q, union items *items,
			 size_t *ret_count)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_ADDRCONFIG };
	struct addrinfo *list = NULL;
	char service[8];
	size_t count = 0;

	(void)snprintf(service, sizeof(service), "%u", q->port);
	if (getaddrinfo(q->name, service, &hints, &list) != 0)
		return DS_ERR_NOTFOUND;
	for (const struct addrinfo *ai = list; ai && count < q->max;
	     ai = ai->ai_next) {
		struct dss_address *a = &items->addresses[count];

		if (ai->ai_addrlen > sizeof(a->sa))
			continue;
		memcpy(&a->sa, ai->ai_addr, ai->ai_addrlen);
		a->len = ai->ai_addrlen;
		count++;
	}
	freeaddrinfo(list);
	*ret_count = count;
	return count ? DS_OK : DS_ERR_NOTFOUND;
}

__attribute__((noreturn)) static void answer(const struct question *q,
					     union items *items, int fd)
{
	struct head head;

	/* Every byte is written, the gaps too. */
	memset(&head, 0, sizeof(head));
	memset(items, 0, sizeof(*items));
	head.err = q->ask(q, items, &head.count);
	if (write(fd, &head, sizeof(head)) != sizeof(head) ||
	    (head.count > 0 && write(fd, items, head.count * q->size) < 0))
		_exit(1);
	_exit(0);
}

/* All that comes until the child is done: *ret_len bytes, at most cap. */
static int read_all(struct dss_sync *s, int fd, int64_t deadline, uint8_t *buf,
		    size_t cap, size_t *ret_len)
{
	size_t len = 0;

	for (;;) {
		ssize_t n = read(fd, buf + len, cap - len);
		int err = DS_OK;

		if (n > 0)
			len += (size_t)n;
		else if (n == 0)
			break;
		else if (errno == EAGAIN)
			err = dss_wait(s, fd, false, deadline);
		else if (errno != EINTR)
			err = DS_ERR_SYS;
		if (err)
			return err;
	}
	*ret_len = len;
	return DS_OK;
}

static int read_answer(struct dss_sync *s, const struct question *q, int fd,
		       union items *items, size_t *ret_count)
{
	struct {
		struct head head;
		union items items;
		uint8_t end; /* so that an answer never fills all of it */
	} in;
	size_t len;
	int64_t patience = q->site && q->site[0] ? 2 * ANSWER_MS : ANSWER_MS;
	int err = read_all(s, fd, ds_now_ms() + patience, (uint8_t *)&in,
			   sizeof(in), &len);

	if (err)
		return err;
	if (len < sizeof(in.head))
		return DS_ERR_UNAVAIL; /* the child died */
	if (in.head.err)
		return in.head.err;
	if (in.head.count > q->max ||
	    len < offsetof(__typeof__(in), items) + in.head.count * q->size)
		return DS_ERR_UNAVAIL;
	memcpy(items, &in.items, in.head.count * q->size);
	*ret_count = in.head.count;
	return DS_OK;
}

static int ask(struct dss_sync *s, const struct question *q,
	       union items *items, size_t *ret_count)
{
	pid_t parent = getpid(), pid;
	int pair[2], err;

	if (s->stop)
		return DS_ERR_CLOSED;
	if (pipe2(pair, O_CLOEXEC | O_NONBLOCK) != 0)
		return DS_ERR_SYS;
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		answer(q, items, pair[1]);
	}
	(void)close(pair[1]);
	err = pid < 0 ? DS_ERR_SYS
		      : read_answer(s, q, pair[0], items, ret_count);
	(void)close(pair[0]);
	if (pid > 0) {
		(void)kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	return err;
}

int dss_dns_servers(struct dss_sync *s, struct ds_srv ret_list[DS_SRV_MAX],
		    size_t *ret_count)
{
	const struct question q = {
		.ask = ask_servers,
		.name = s->config.domain.name,
		.site = dss_site(s),
		.size = sizeof(struct ds_srv),
		.max = DS_SRV_MAX,
	};
	union items items;
	int err = ask(s, &q, &items, ret_count);

	if (err == DS_OK)
		memcpy(ret_list, items.servers, *ret_count * q.size);
	return err;
}

int dss_dns_addresses(struct dss_sync *s, const char *host, uint16_t port,
		      struct dss_address ret_list[DSS_ADDRESSES_MAX],
		      size_t *ret_count)
{
	const struct question q = {
		.ask = ask_addresses,
		.name = host,
		.port = port,
		.size = sizeof(struct dss_address),
		.max = DSS_ADDRESSES_MAX,
	};
	union items items;
	int err = ask(s, &q, &items, ret_count);

	if (err == DS_OK)
		memcpy(ret_list, items.addresses, *ret_count * q.size);
	return err;
}

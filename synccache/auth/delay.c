/*
 * The table of failed checks.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/delay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/siphash.h"
#include "synccache/auth/secret.h"

struct entry {
	uint64_t key;
	int64_t last_ms;       /* the last failure */
	unsigned int failures; /* 0: free */
};

struct dsa_delays {
	uint64_t secret[2];
	size_t max;
	struct entry entry[];
};

struct dsa_delays *dsa_delays_new(size_t max)
{
	struct dsa_delays *d =
	    calloc(1, sizeof(*d) + max * sizeof(struct entry));

	if (d == NULL)
		return NULL;
	d->max = max;
	if (dsa_random(d->secret, sizeof(d->secret)) != 0) {
		free(d);
		return NULL;
	}
	return d;
}

void dsa_delays_free(struct dsa_delays *d)
{
	free(d);
}

/* ---- keys ---- */

/* What of a remote host is one place: an address, a /64, or the name. */
static void put_place(struct ds_writer *w, const char *rhost)
{
	char text[DS_WORD_MAX + 1];
	struct in6_addr six;
	struct in_addr four;

	memcpy(text, rhost, strlen(rhost) + 1);
	text[strcspn(text, "%")] = '\0'; /* the interface of fe80::1%eth0 */
	if (inet_pton(AF_INET6, text, &six) == 1 &&
	    !IN6_IS_ADDR_V4MAPPED(&six))
		ds_put_blob(w, &six, 8);
	else if (inet_pton(AF_INET6, text, &six) == 1)
		ds_put_blob(w, six.s6_addr + 12, 4);
	else if (inet_pton(AF_INET, text, &four) == 1)
		ds_put_blob(w, &four, 4);
	else
		ds_put_str(w, rhost);
}

uint64_t dsa_delays_key(const struct dsa_delays *d,
			const struct dsa_subject *subject)
{
	uint8_t buf[4 + DS_GUID_LEN + 2 * (4 + DS_WORD_MAX)];
	struct ds_writer w;

	ds_writer_init(&w, buf, sizeof(buf));
	ds_put_u32(&w, subject->caller);
	/* What else an ordinary user says is no more than that. */
	if (subject->caller == 0) {
		ds_put_blob(&w, subject->guid.b, DS_GUID_LEN);
		put_place(&w, subject->rhost);
		ds_put_str(&w, subject->ruser);
	}
	return ds_siphash13(d->secret, buf, w.len);
}

/* ---- the table ---- */

static bool is_forgotten(const struct entry *e, int64_t now_ms)
{
	return e->failures == 0 || now_ms - e->last_ms >= DSA_DELAY_FORGET_MS;
}

/*
 * Every look goes through the whole table: 4,096 entries are a few
 * microseconds, beside a password check.
 */
static size_t find(const struct dsa_delays *d, uint64_t key)
{
	size_t i = 0;

	while (i < d->max &&
	       (d->entry[i].failures == 0 || d->entry[i].key != key))
		i++;
	return i;
}

/* The one that has been quiet for longest of those that may go. */
static struct entry *make_room(struct dsa_delays *d, int64_t now_ms)
{
	struct entry *oldest = NULL;

	for (size_t i = 0; i < d->max; i++) {
		struct entry *e = &d->entry[i];

		if (is_forgotten(e, now_ms))
			return e;
		if (e->failures < DSA_DELAY_FREE &&
		    (oldest == NULL || e->last_ms < oldest->last_ms))
			oldest = e;
	}
	return oldest;
}

static int64_t delay_of(unsigned int failures)
{
	int64_t ms = DSA_DELAY_FIRST_MS;

	while (failures-- > DSA_DELAY_FREE && ms < DSA_DELAY_LAST_MS)
		ms *= 2;
	return ms < DSA_DELAY_LAST_MS ? ms : DSA_DELAY_LAST_MS;
}

bool dsa_delays_apply(const struct dsa_delays *d, int64_t now_ms, uint64_t key,
		      int64_t *ret_wait_ms)
{
	size_t i = find(d, key);
	const struct entry *e = &d->entry[i];
	int64_t wait;

	if (i == d->max || is_forgotten(e, now_ms) ||
	    e->failures < DSA_DELAY_FREE)
		return false;
	wait = e->last_ms + delay_of(e->failures) - now_ms;
	*ret_wait_ms = wait > 0 ? wait : 0;
	return true;
}

void dsa_delays_failed(struct dsa_delays *d, int64_t now_ms, uint64_t key)
{
	size_t i = find(d, key);
	struct entry *e = i < d->max ? &d->entry[i] : make_room(d, now_ms);

	if (e == NULL)
		return;
	if (e->key != key || is_forgotten(e, now_ms))
		*e = (struct entry){ .key = key };
	if (e->failures < UINT16_MAX)
		e->failures++;
	e->last_ms = now_ms;
}

void dsa_delays_passed(struct dsa_delays *d, uint64_t key)
{
	size_t i = find(d, key);

	if (i < d->max)
		d->entry[i] = (struct entry){ 0 };
}

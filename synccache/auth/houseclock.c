/*
 * The house clock.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/houseclock.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/guid.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static const char magic[8] = { 'D', 'S', 'S', 'Y', 'N', 'C', 'C', '1' };
static const uint8_t none[DSA_BOOT_ID_LEN];

static void read_boot_id(uint8_t id[DSA_BOOT_ID_LEN])
{
	char text[DS_GUID_STR_MAX];
	struct ds_guid guid;
	int fd = open(BOOT_ID, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	if (fd >= 0)
		(void)close(fd);
	if (n != (ssize_t)sizeof(text) - 1)
		return;
	text[n] = '\0';
	if (ds_guid_parse_str(text, &guid) == 0)
		memcpy(id, guid.b, DSA_BOOT_ID_LEN);
}

static int64_t milliseconds(clockid_t id)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool dsa_boot_is_known(const uint8_t boot_id[DSA_BOOT_ID_LEN])
{
	return memcmp(boot_id, none, DSA_BOOT_ID_LEN) != 0;
}

void dsa_now_read(struct dsa_now *ret_now)
{
	static uint8_t boot_id[DSA_BOOT_ID_LEN];

	if (!dsa_boot_is_known(boot_id))
		read_boot_id(boot_id);
	ret_now->real_ms = milliseconds(CLOCK_REALTIME);
	ret_now->boot_ms = (uint64_t)milliseconds(CLOCK_BOOTTIME);
	memcpy(ret_now->boot_id, boot_id, sizeof(boot_id));
}

uint64_t dsa_since(const struct dsa_now *now,
		   const uint8_t boot_id[DSA_BOOT_ID_LEN], uint64_t boot_ms)
{
	if (!dsa_boot_is_known(boot_id) ||
	    memcmp(boot_id, now->boot_id, DSA_BOOT_ID_LEN) != 0)
		return now->boot_ms;
	return now->boot_ms > boot_ms ? now->boot_ms - boot_ms : 0;
}

void dsa_clock_start(struct dsa_clock *clock,
		     const uint8_t id[DSA_CLOCK_ID_LEN],
		     const struct dsa_now *now)
{
	*clock = (struct dsa_clock){ .seen = *now };
	memcpy(clock->id, id, DSA_CLOCK_ID_LEN);
}

void dsa_clock_advance(struct dsa_clock *clock, const struct dsa_now *now)
{
	uint64_t passed =
	    dsa_since(now, clock->seen.boot_id, clock->seen.boot_ms);

	/* Unsigned, because the wall clock may be anything. */
	if (now->real_ms > clock->seen.real_ms &&
	    (uint64_t)now->real_ms - (uint64_t)clock->seen.real_ms > passed)
		passed =
		    (uint64_t)now->real_ms - (uint64_t)clock->seen.real_ms;
	if (clock->total_ms > UINT64_MAX - passed)
		clock->total_ms = UINT64_MAX;
	else
		clock->total_ms += passed;
	clock->seen = *now;
}

int dsa_clock_parse(const uint8_t *block, size_t len,
		    struct dsa_clock *ret_clock)
{
	struct dsa_clock clock;
	struct ds_reader r;
	char head[sizeof(magic)];

	ds_reader_init(&r, block, len);
	ds_get_bytes(&r, head, sizeof(head));
	ds_get_bytes(&r, clock.id, sizeof(clock.id));
	clock.total_ms = ds_get_u64(&r);
	clock.seen.real_ms = (int64_t)ds_get_u64(&r);
	ds_get_bytes(&r, clock.seen.boot_id, sizeof(clock.seen.boot_id));
	clock.seen.boot_ms = ds_get_u64(&r);
	if (r.err != 0 || memcmp(head, magic, sizeof(magic)) != 0)
		return DS_ERR_FORMAT;
	*ret_clock = clock;
	return 0;
}

void dsa_clock_put(const struct dsa_clock *clock, uint8_t *block, size_t len)
{
	struct ds_writer w;

	memset(block, 0, len);
	ds_writer_init(&w, block, len);
	ds_put_bytes(&w, magic, sizeof(magic));
	ds_put_bytes(&w, clock->id, sizeof(clock->id));
	ds_put_u64(&w, clock->total_ms);
	ds_put_u64(&w, (uint64_t)clock->seen.real_ms);
	ds_put_bytes(&w, clock->seen.boot_id, sizeof(clock->seen.boot_id));
	ds_put_u64(&w, clock->seen.boot_ms);
}

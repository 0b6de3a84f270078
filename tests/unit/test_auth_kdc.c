/*
 * Talking to KDCs: scripted ones on loopback addresses, good and bad.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/auth/kdc.h"

#define KDCS 3

/* What a KDC does with requests. */
enum manner {
	ANSWER,   /* echoes it */
	DRIBBLE,  /* echoes it, byte by byte */
	REFUSE,   /* does not listen */
	SILENT,   /* takes it and says nothing */
	HANG_UP,  /* closes at once */
	BUSY,     /* closes twice at once, then echoes */
	CUT,      /* closes within the answer */
	HUGE,     /* promises 2 GB */
	TOO_MUCH, /* promises a byte too much */
	NOTHING,  /* an answer of no bytes */
	TRICKLE,  /* never ends */
	STARTING, /* KRB-ERROR 29, KDC_ERR_SVC_UNAVAILABLE */
};

static krb5_context ctx;
static char *hosts[KDCS + 1] = { NULL };
static struct ds_config config;
static struct dsa_kdc kdc;
static pid_t servers[KDCS];
static int counters[KDCS]; /* a byte for each request that arrived */
static uint16_t port;
static const char *near = "";

static void write_all(int fd, const void *p, size_t len)
{
	if (write(fd, p, len) != (ssize_t)len)
		_exit(0);
}

static void answer(int fd, enum manner manner, const uint8_t *frame,
		   size_t len)
{
	/* RFC 4120 5.9.1: pvno, msg-type, stime, susec, error-code, realm,
	 * sname. */
	static const uint8_t starting[4 + 64] =
	    "\0\0\0\x40\x7e\x3e\x30\x3c\xa0\x03\x02\x01\x05\xa1\x03\x02\x01"
	    "\x1e\xa4\x11\x18\x0f"
	    "20260101000000Z"
	    "\xa5\x03\x02\x01\x00"
	    "\xa6\x03\x02\x01\x1d\xa9\x03\x1b\x01"
	    "R"
	    "\xaa\x0e\x30\x0c"
	    "\xa0\x03\x02\x01\x01\xa1\x05\x30\x03\x1b\x01"
	    "K";
	static const uint8_t huge[4] = { 0x7f, 0xff, 0xff, 0xff };
	static const uint8_t more[4] = { 0, 4, 0, 1 };
	static const uint8_t zero[4] = { 0 };
	static const uint8_t much[3] = { 0, 1, 0 };

	switch (manner) {
	case STARTING:
		write_all(fd, starting, sizeof(starting));
		break;
	case BUSY:
	case ANSWER:
		write_all(fd, frame, len);
		break;
	case DRIBBLE:
		for (size_t i = 0; i < len; i++) {
			write_all(fd, frame + i, 1);
			(void)usleep(1000);
		}
		break;
	case CUT:
		write_all(fd, frame, len - 1);
		break;
	case HUGE:
		write_all(fd, huge, sizeof(huge));
		break;
	case TOO_MUCH:
		write_all(fd, more, sizeof(more));
		break;
	case NOTHING:
		write_all(fd, zero, sizeof(zero));
		break;
	case TRICKLE:
		write_all(fd, much, sizeof(much));
		for (;;) {
			write_all(fd, "x", 1);
			(void)usleep(20000);
		}
	default:
		(void)pause();
	}
}

static void serve(int listener, enum manner manner, int counter)
{
	uint8_t frame[64];
	int dropped = 0;

	(void)alarm(20);
	(void)signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		ssize_t n;

		if (manner == HANG_UP || (manner == BUSY && dropped++ < 2)) {
			(void)close(fd);
			continue;
		}
		n = recv(fd, frame, 4 + 7, MSG_WAITALL);
		if (n == 4 + 7) {
			write_all(counter, "", 1);
			answer(fd, manner, frame, (size_t)n);
		}
		(void)close(fd);
	}
}

/* KDC number i on 127.0.0.(i + 1). */
static void start(int i, enum manner manner)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int pipes[2], on = 1;
	socklen_t len = sizeof(at);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)i);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	port = ntohs(at.sin_port);
	assert_int_equal(pipe(pipes), 0);
	counters[i] = pipes[0];
	servers[i] = 0;
	if (manner != REFUSE) {
		assert_int_equal(listen(fd, 8), 0);
		servers[i] = fork();
		if (servers[i] == 0)
			serve(fd, manner, pipes[1]);
		assert_true(servers[i] > 0);
		(void)close(fd);
	} else {
		(void)close(fd);
	}
	(void)close(pipes[1]);
}

static void world(enum manner a, enum manner b, enum manner c)
{
	port = 0;
	start(0, a);
	start(1, b);
	start(2, c);
	dsa_kdc_init(&kdc, &config, "R", "", near);
	kdc.port = port;
	kdc.connect_ms = 300;
	kdc.answer_ms = kdc.last_ms = 300;
	kdc.deadline = ds_now_ms() + 5000;
}

/* How many requests came to KDC i; it is gone after. */
static int stop(int i)
{
	char buf[64];
	ssize_t n;

	if (servers[i] > 0) {
		(void)kill(servers[i], SIGKILL);
		(void)waitpid(servers[i], NULL, 0);
		servers[i] = 0;
	}
	n = read(counters[i], buf, sizeof(buf));
	(void)close(counters[i]);
	return (int)n;
}

static krb5_error_code ask_them(bool once)
{
	krb5_data request = { .length = 7, .data = (char[]){ "request" } };
	krb5_data reply = { 0 };
	krb5_error_code code = dsa_kdc_send(&kdc, ctx, &request, once, &reply);

	if (code == 0) {
		assert_int_equal(reply.length, 7);
		assert_memory_equal(reply.data, "request", 7);
	} else {
		assert_null(reply.data);
	}
	krb5_free_data_contents(ctx, &reply);
	return code;
}

static int setup(void **state)
{
	(void)state;
	for (int i = 0; i < KDCS; i++)
		if (asprintf(&hosts[i], "127.0.0.%d", i + 1) < 0)
			return -1;
	config.domain.servers = hosts;
	config.domain.name = config.domain.site = (char[]){ "" };
	return krb5_init_context(&ctx);
}

static int teardown(void **state)
{
	(void)state;
	for (int i = 0; i < KDCS; i++)
		free(hosts[i]);
	krb5_free_context(ctx);
	return 0;
}

static void test_first(void **state)
{
	(void)state;
	world(ANSWER, ANSWER, ANSWER);
	assert_int_equal(ask_them(false), 0);
	assert_int_equal(stop(0), 1);
	assert_int_equal(stop(1), 0);
	assert_int_equal(stop(2), 0);
}

/* Another worker has found out which one answers; no list is made then. */
static void test_near(void **state)
{
	(void)state;
	near = "127.0.0.2";
	world(SILENT, ANSWER, ANSWER);
	assert_string_equal(dsa_kdc_address(&kdc), "");
	assert_int_equal(ask_them(true), 0);
	assert_string_equal(dsa_kdc_address(&kdc), "127.0.0.2");
	assert_int_equal(kdc.count, 0);
	assert_int_equal(stop(0), 0);
	assert_int_equal(stop(1), 1);
	(void)stop(2);
	near = "";
}

/* ... and now it does not: asked once, then the others. */
static void test_near_fails(void **state)
{
	static const enum manner bad[] = { REFUSE, SILENT, HANG_UP };

	(void)state;
	near = "127.0.0.1";
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		world(bad[i], ANSWER, REFUSE);
		assert_int_equal(ask_them(false), 0);
		assert_string_equal(dsa_kdc_address(&kdc), "127.0.0.2");
		assert_int_equal(stop(0), bad[i] == SILENT ? 1 : 0);
		assert_int_equal(stop(1), 1);
		(void)stop(2);
	}
	/* A password that it may have is not sent to another. */
	world(SILENT, ANSWER, ANSWER);
	kdc.deadline = ds_now_ms() + 500;
	assert_int_equal(ask_them(true), KRB5_KDC_UNREACH);
	assert_string_equal(dsa_kdc_address(&kdc), "");
	assert_int_equal(stop(0), 1);
	assert_int_equal(stop(1), 0);
	(void)stop(2);
	near = "";
}

static void test_slow_but_complete(void **state)
{
	(void)state;
	world(DRIBBLE, REFUSE, REFUSE);
	assert_int_equal(ask_them(true), 0);
	for (int i = 0; i < KDCS; i++)
		(void)stop(i);
}

static void test_failover(void **state)
{
	static const enum manner bad[] = { REFUSE,  SILENT,  HANG_UP,
					   CUT,     HUGE,    TOO_MUCH,
					   NOTHING, TRICKLE, STARTING };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		world(bad[i], REFUSE, ANSWER);
		assert_int_equal(ask_them(false), 0);
		/* It is the first one from now on. */
		assert_string_equal(dsa_kdc_address(&kdc), "127.0.0.3");
		assert_int_equal(ask_them(true), 0);
		(void)stop(0);
		(void)stop(1);
		assert_int_equal(stop(2), 2);
	}
}

static void test_busy(void **state)
{
	(void)state;
	world(BUSY, REFUSE, REFUSE);
	assert_int_equal(ask_them(true), 0);
	assert_int_equal(stop(0), 1);
	(void)stop(1);
	(void)stop(2);
}

/* A password that may have arrived is not sent to the next one as well. */
static void test_once(void **state)
{
	(void)state;
	world(SILENT, ANSWER, ANSWER);
	kdc.deadline = ds_now_ms() + 500;
	assert_int_equal(ask_them(true), KRB5_KDC_UNREACH);
	assert_int_equal(stop(0), 1);
	assert_int_equal(stop(1), 0);
	assert_int_equal(stop(2), 0);
	/* One that hung up has not read it. */
	world(HANG_UP, ANSWER, ANSWER);
	assert_int_equal(ask_them(true), 0);
	(void)stop(0);
	assert_int_equal(stop(1), 1);
	(void)stop(2);
	/* One that was not reached never had it. */
	world(REFUSE, ANSWER, ANSWER);
	assert_int_equal(ask_them(true), 0);
	(void)stop(0);
	assert_int_equal(stop(1), 1);
	(void)stop(2);
}

#define UNKNOWN KRB5KDC_ERR_S_PRINCIPAL_UNKNOWN

/* As one that does not know the host, n times, and then one that does. */
static krb5_error_code ask_elsewhere(int n)
{
	krb5_error_code code = 0, now;

	do {
		now = ask_them(false);
		if (now == 0 && n-- > 0)
			now = UNKNOWN;
	} while (dsa_kdc_elsewhere(&kdc, UNKNOWN, now, &code));
	return code;
}

/* Each KDC is asked once, whichever was the first. */
static void test_elsewhere(void **state)
{
	static const char *const last[] = { "127.0.0.3", "127.0.0.3",
					    "127.0.0.3", "127.0.0.2" };

	(void)state;
	for (int i = 0; i < 4; i++) {
		near = (const char *[]){ "", "127.0.0.1", "127.0.0.2",
					 "127.0.0.3" }[i];
		world(ANSWER, ANSWER, ANSWER);
		assert_int_equal(ask_elsewhere(2), 0);
		assert_string_equal(dsa_kdc_address(&kdc), last[i]);
		for (int k = 0; k < KDCS; k++)
			assert_int_equal(stop(k), 1);
		world(ANSWER, ANSWER, ANSWER);
		assert_int_equal(ask_elsewhere(3), UNKNOWN);
		for (int k = 0; k < KDCS; k++)
			assert_int_equal(stop(k), 1);
	}
	near = "";
	/* Silence elsewhere is no answer that counts. */
	world(ANSWER, SILENT, REFUSE);
	assert_int_equal(ask_elsewhere(1), UNKNOWN);
	assert_int_equal(dsa_kdc_word(&kdc, UNKNOWN), DSA_KDC_ANSWERED);
	for (int k = 0; k < KDCS; k++)
		(void)stop(k);
	world(ANSWER, SILENT, ANSWER);
	assert_int_equal(ask_elsewhere(1), 0);
	assert_int_equal(stop(0), 1);
	(void)stop(1);
	assert_int_equal(stop(2), 1);
}

/* Any other word is the last one. */
static void test_nowhere_else(void **state)
{
	static const krb5_error_code words[] = {
		0, KRB5KDC_ERR_POLICY, KRB5KDC_ERR_C_PRINCIPAL_UNKNOWN,
		KRB5_KDC_UNREACH
	};

	(void)state;
	world(ANSWER, ANSWER, REFUSE);
	assert_int_equal(ask_them(false), 0);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
		krb5_error_code code = 0;

		assert_false(
		    dsa_kdc_elsewhere(&kdc, UNKNOWN, words[i], &code));
		assert_int_equal(code, words[i]);
	}
	assert_int_equal(ask_them(false), 0);
	assert_int_equal(stop(0), 2);
	assert_int_equal(stop(1), 0);
	(void)stop(2);
}

static void test_none(void **state)
{
	const char *text;

	(void)state;
	world(REFUSE, REFUSE, REFUSE);
	assert_int_equal(ask_them(false), KRB5_KDC_UNREACH);
	text = krb5_get_error_message(ctx, KRB5_KDC_UNREACH);
	assert_non_null(strstr(text, "127.0.0.3: Connection refused"));
	krb5_free_error_message(ctx, text);
	for (int i = 0; i < KDCS; i++)
		(void)stop(i);
}

/* In a hurry too, the one that says nothing leaves time for the next. */
static void test_hurry(void **state)
{
	int64_t begin = ds_now_ms();

	(void)state;
	world(SILENT, SILENT, ANSWER);
	kdc.connect_ms = kdc.answer_ms = kdc.last_ms = 60000;
	dsa_kdc_hurry(&kdc, 1500);
	assert_int_equal(ask_them(false), 0);
	assert_string_equal(dsa_kdc_address(&kdc), "127.0.0.3");
	/* It is over with the first answer. */
	assert_int_equal(kdc.share_ms, 0);
	assert_true(kdc.deadline > begin + 1500);
	for (int i = 0; i < KDCS; i++)
		assert_int_equal(stop(i), 1);
	begin = ds_now_ms();
	world(SILENT, SILENT, SILENT);
	kdc.connect_ms = kdc.answer_ms = kdc.last_ms = 60000;
	dsa_kdc_hurry(&kdc, 600);
	assert_int_equal(ask_them(false), KRB5_KDC_UNREACH);
	assert_true(kdc.deadline < begin + 5000);
	for (int i = 0; i < KDCS; i++)
		(void)stop(i);
}

/* The last one may take all the time that there is. */
static void test_patience_with_the_last(void **state)
{
	int64_t begin = ds_now_ms();

	(void)state;
	world(REFUSE, REFUSE, SILENT);
	kdc.deadline = begin + 800;
	assert_int_equal(ask_them(false), KRB5_KDC_UNREACH);
	assert_true(ds_now_ms() - begin >= 750);
	for (int i = 0; i < KDCS; i++)
		(void)stop(i);
}

static void test_time(void **state)
{
	int64_t begin = ds_now_ms();

	(void)state;
	world(SILENT, TRICKLE, SILENT);
	dsa_kdc_until(&kdc, begin + 500);
	/* Also after an answer. */
	assert_int_equal(kdc.patience, begin + 500);
	dsa_kdc_until(&kdc, INT64_MAX);
	assert_int_equal(kdc.deadline, begin + 500);
	assert_int_equal(ask_them(false), KRB5_KDC_UNREACH);
	assert_true(ds_now_ms() - begin >= 450);
	assert_true(ds_now_ms() - begin < 1500);
	(void)stop(0);
	(void)stop(1);
	assert_int_equal(stop(2), 0); /* its turn never came */
}

/* It has looked at nothing, so that even a password goes to the next one; if
 * there is none, no KDC has answered. */
static void test_starting(void **state)
{
	(void)state;
	world(STARTING, ANSWER, REFUSE);
	assert_int_equal(ask_them(true), 0);
	assert_string_equal(dsa_kdc_address(&kdc), "127.0.0.2");
	assert_int_equal(stop(0), 1);
	assert_int_equal(stop(1), 1);
	(void)stop(2);
	world(STARTING, REFUSE, REFUSE);
	kdc.deadline = ds_now_ms() + 500;
	assert_int_equal(ask_them(false), KRB5_KDC_UNREACH);
	assert_int_equal(dsa_kdc_word(&kdc, KRB5_KDC_UNREACH), DSA_KDC_SILENT);
	for (int k = 0; k < KDCS; k++)
		(void)stop(k);
}

/* The host's own exchange fails n times, and then its key opens the answer. */
static krb5_error_code prove(int n)
{
	static const krb5_error_code bad[] = { KRB5KRB_ERR_GENERIC,
					       KRB5KRB_AP_ERR_BAD_INTEGRITY,
					       KRB5_BAD_MSIZE };
	krb5_error_code code = 0, now;

	do {
		now = ask_them(false);
		assert_true(now != 0 || dsa_kdc_is_doubtful(&kdc) ||
			    kdc.proven);
		if (now == 0 && n > 0)
			now = bad[--n];
	} while (dsa_kdc_unproven(&kdc, now, &code));
	dsa_kdc_prove(&kdc, code == 0);
	return code;
}

/* Whoever answers is asked for proof; the next one, if there is none. */
static void test_unproven(void **state)
{
	struct dsa_found found;

	(void)state;
	for (int i = 0; i < 2; i++) {
		near = i == 0 ? "" : "127.0.0.1";
		world(ANSWER, ANSWER, ANSWER);
		assert_int_equal(kdc.proven, i == 1);
		assert_int_equal(prove(2), 0);
		found = dsa_kdc_found(&kdc);
		assert_string_equal(found.kdc, "127.0.0.3");
		assert_int_equal(found.failed_count, 2);
		assert_string_equal(found.failed[0], "127.0.0.1");
		assert_string_equal(found.failed[1], "127.0.0.2");
		assert_false(dsa_kdc_is_doubtful(&kdc));
		for (int k = 0; k < KDCS; k++)
			assert_int_equal(stop(k), 1);
		world(ANSWER, ANSWER, ANSWER);
		assert_int_equal(prove(3), KRB5KRB_ERR_GENERIC);
		found = dsa_kdc_found(&kdc);
		assert_string_equal(found.kdc, "");
		assert_int_equal(found.failed_count, 3);
		for (int k = 0; k < KDCS; k++)
			assert_int_equal(stop(k), 1);
	}
	near = "";
	/* Silence is no proof of anything, and what was said stays said. */
	world(ANSWER, REFUSE, REFUSE);
	assert_int_equal(prove(1), KRB5KRB_ERR_GENERIC);
	assert_int_equal(dsa_kdc_word(&kdc, KRB5KRB_ERR_GENERIC),
			 DSA_KDC_ANSWERED);
	assert_int_equal(dsa_kdc_found(&kdc).failed_count, 1);
	for (int k = 0; k < KDCS; k++)
		(void)stop(k);
	/* Nor is an answer before it. */
	near = "127.0.0.1";
	world(SILENT, REFUSE, REFUSE);
	kdc.answered = true;
	assert_int_equal(prove(1), KRB5_KDC_UNREACH);
	found = dsa_kdc_found(&kdc);
	assert_int_equal(found.failed_count, 1);
	assert_string_equal(found.failed[0], "127.0.0.1");
	for (int k = 0; k < KDCS; k++)
		(void)stop(k);
	near = "";
	world(REFUSE, REFUSE, REFUSE);
	kdc.deadline = ds_now_ms() + 500;
	assert_int_equal(prove(1), KRB5_KDC_UNREACH);
	assert_int_equal(dsa_kdc_found(&kdc).failed_count, 0);
	for (int k = 0; k < KDCS; k++)
		(void)stop(k);
}

/* A KDC that takes the place of one that was proven is not proven. */
static void test_proof_is_of_one_address(void **state)
{
	(void)state;
	near = "127.0.0.1";
	world(REFUSE, ANSWER, ANSWER);
	assert_int_equal(ask_them(true), 0);
	assert_true(dsa_kdc_is_doubtful(&kdc));
	assert_string_equal(dsa_kdc_found(&kdc).kdc, "");
	dsa_kdc_prove(&kdc, true);
	assert_int_equal(ask_them(true), 0);
	assert_string_equal(dsa_kdc_found(&kdc).kdc, "127.0.0.2");
	for (int k = 0; k < KDCS; k++)
		(void)stop(k);
	near = "";
}

/* Asked after all others, and not left out. */
static void test_doubted(void **state)
{
	struct dsa_doubts doubts = { 0 };

	(void)state;
	assert_true(dsa_doubts_add(&doubts, ds_now_ms(), "127.0.0.1"));
	assert_false(dsa_doubts_add(&doubts, ds_now_ms(), "127.0.0.1"));
	world(ANSWER, REFUSE, ANSWER);
	kdc.doubts = &doubts;
	assert_int_equal(ask_them(true), 0);
	assert_string_equal(dsa_kdc_address(&kdc), "127.0.0.3");
	assert_int_equal(stop(0), 0);
	(void)stop(1);
	assert_int_equal(stop(2), 1);
	world(ANSWER, REFUSE, REFUSE);
	kdc.doubts = &doubts;
	assert_int_equal(ask_them(true), 0);
	assert_string_equal(dsa_kdc_address(&kdc), "127.0.0.1");
	for (int k = 0; k < KDCS; k++)
		(void)stop(k);
	/* One that is only busy is asked again before. */
	near = "127.0.0.3";
	world(ANSWER, REFUSE, BUSY);
	kdc.doubts = &doubts;
	assert_int_equal(ask_them(true), 0);
	assert_string_equal(dsa_kdc_address(&kdc), "127.0.0.3");
	assert_int_equal(stop(0), 0);
	(void)stop(1);
	(void)stop(2);
	near = "";
	/* Here it has proven itself, meanwhile. */
	world(REFUSE, REFUSE, ANSWER);
	kdc.doubts = &doubts;
	assert_true(dsa_doubts_add(&doubts, ds_now_ms(), "127.0.0.3"));
	assert_int_equal(ask_them(false), 0);
	dsa_kdc_prove(&kdc, true);
	assert_int_equal(ask_them(true), 0);
	assert_string_equal(dsa_kdc_found(&kdc).kdc, "127.0.0.3");
	for (int k = 0; k < KDCS; k++)
		(void)stop(k);
	dsa_doubts_drop(&doubts, "127.0.0.3");
	dsa_doubts_drop(&doubts, "127.0.0.1");
	world(ANSWER, ANSWER, REFUSE);
	kdc.doubts = &doubts;
	assert_int_equal(ask_them(true), 0);
	assert_int_equal(stop(0), 1);
	assert_int_equal(stop(1), 0);
	(void)stop(2);
}

/* They end, and there are no more than fit. */
static void test_doubts(void **state)
{
	struct dsa_doubts doubts = { 0 };
	char address[32];

	(void)state;
	for (int i = 0; i <= DSA_KDCS_MAX; i++) {
		(void)snprintf(address, sizeof(address), "192.0.2.%d", i);
		assert_true(dsa_doubts_add(&doubts, 1000 + i, address));
	}
	assert_false(dsa_doubts_has(&doubts, 2000, "192.0.2.0"));
	assert_true(dsa_doubts_has(&doubts, 2000, "192.0.2.1"));
	assert_true(dsa_doubts_has(&doubts, 1000 + DSA_DOUBT_MS, "192.0.2.1"));
	assert_false(
	    dsa_doubts_has(&doubts, 1001 + DSA_DOUBT_MS, "192.0.2.1"));
	assert_true(dsa_doubts_add(&doubts, 1001 + DSA_DOUBT_MS, "192.0.2.1"));
	assert_false(dsa_doubts_has(&doubts, 2000, ""));
}

/* From one process to another, and not what is none. */
static void test_found_wire(void **state)
{
	struct dsa_found found = { .kdc = "192.0.2.1",
				   .failed = { "192.0.2.2", "fe80::1%eth0" },
				   .failed_count = 2 };
	struct dsa_found got = { 0 };
	uint8_t buf[1024];
	struct ds_writer w;
	struct ds_reader r;

	(void)state;
	ds_writer_init(&w, buf, sizeof(buf));
	dsa_found_put(&w, &found);
	assert_int_equal(w.err, 0);
	ds_reader_init(&r, buf, w.len);
	dsa_found_get(&r, &got);
	assert_int_equal(ds_reader_end(&r), 0);
	assert_memory_equal(&got, &found, sizeof(got));
	for (size_t len = 0; len < w.len; len++) {
		ds_reader_init(&r, buf, len);
		dsa_found_get(&r, &got);
		assert_int_not_equal(r.err, 0);
	}
	/* One more than there may be. */
	ds_writer_init(&w, buf, sizeof(buf));
	ds_put_str(&w, "");
	ds_put_u8(&w, DSA_KDCS_MAX + 1);
	for (int i = 0; i <= DSA_KDCS_MAX; i++)
		ds_put_str(&w, "x");
	ds_reader_init(&r, buf, w.len);
	dsa_found_get(&r, &got);
	assert_int_not_equal(r.err, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_near),
		cmocka_unit_test(test_near_fails),
		cmocka_unit_test(test_slow_but_complete),
		cmocka_unit_test(test_failover),
		cmocka_unit_test(test_busy),
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_elsewhere),
		cmocka_unit_test(test_nowhere_else),
		cmocka_unit_test(test_starting),
		cmocka_unit_test(test_unproven),
		cmocka_unit_test(test_proof_is_of_one_address),
		cmocka_unit_test(test_doubted),
		cmocka_unit_test(test_doubts),
		cmocka_unit_test(test_found_wire),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_hurry),
		cmocka_unit_test(test_patience_with_the_last),
		cmocka_unit_test(test_time),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

/*
 * Scripted KDCs on loopback addresses, good and bad.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef TESTS_KDC_WORLD_H
#define TESTS_KDC_WORLD_H

#include "synccache/auth/kdc.h"

#define KDCS 3
/* ms for each but the last one, where one of them says nothing; and for all,
 * and for each where none is to be waited for. */
#define KDC_IMPATIENT 1500
#define KDC_PATIENT   20000

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

extern krb5_context ctx;
extern struct dsa_kdc kdc;
extern const char *near; /* as dsa_kdc_init() is told; "" after a test */

int setup(void **state);
int teardown(void **state);

/* 127.0.0.1 to 127.0.0.3, and a fresh `kdc` that knows them. */
void world(enum manner a, enum manner b, enum manner c);
/* How many requests came to KDC i, which may be late to count those that are
 * expected; it is gone after. */
int stop_after(int i, int expected);
#define assert_asked(i, requests)                                             \
	assert_int_equal(stop_after(i, requests), requests)
void stop(int i);
void stop_all(void);
/* One request, one echo of it, or an error. */
krb5_error_code ask_them(bool once);

#endif

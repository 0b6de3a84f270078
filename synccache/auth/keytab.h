/*
 * The host's keys.  The monitor hands the keytab over as a memory file; what
 * is needed of it lives in a MEMORY keytab that forked workers inherit.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_KEYTAB_H
#define DSA_KEYTAB_H

#include <krb5.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

#define DSA_KEYTAB_BYTES_MAX (256u << 10)

struct dsa_keytab {
	krb5_context ctx;    /* keeps the MEMORY keytab alive; borrowed */
	krb5_keytab kt;      /* NULL: there are no usable keys */
	char name[64];       /* of kt, to resolve in another context */
	char principal[320]; /* HOST$@REALM */
	unsigned int kvno;   /* the highest */
	uint32_t serial;     /* counts changes: cached tickets are older */
	const char *state; /* "waiting", "ok", "missing", "unsafe", "wrong" */
	char problem[512]; /* one sentence, "" if ok */
};

/* ctx stays the caller's and must live longer. */
void dsa_keytab_init(struct dsa_keytab *keytab, krb5_context ctx);
void dsa_keytab_done(struct dsa_keytab *keytab);

/*
 * Replaces the keys by those of the keytab file in `fd` (read from its
 * start): of the first computer principal (NAME$) of `realm`, every kvno,
 * AES only.  On failure there are no keys afterwards, because keys that root
 * took away must not go on working; state and problem say why.
 */
DS_MUST_CHECK int dsa_keytab_load(struct dsa_keytab *keytab, int fd,
				  const char *realm);
/* The monitor could not read it: `err` and its own words. */
void dsa_keytab_fail(struct dsa_keytab *keytab, int err, const char *problem);

#endif

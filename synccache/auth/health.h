/*
 * How this host stands with its domain, as a worker saw it in passing: what
 * `dssyncctl doctor` judges by, instead of by words in a message.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_HEALTH_H
#define DSA_HEALTH_H

#include <krb5.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/buf.h"

enum dsa_trouble {
	DSA_TROUBLE_NONE,
	DSA_TROUBLE_CLOCK, /* no common time with the domain */
	DSA_TROUBLE_KEY,   /* the host's key is not the domain's */
};

struct dsa_health {
	bool known; /* whether there is trouble, or none */
	enum dsa_trouble trouble;
	/* Seconds that the KDC's clock is ahead, if it said its time. */
	bool has_clock;
	int32_t clock;
};

/*
 * What an exchange that ended in `code` (0: well) shows.  own: it was about
 * the host's own key, not about a user's password.
 */
void dsa_health_see(struct dsa_health *health, krb5_error_code code, bool own);
/* What was seen last is kept; what was not seen stays. */
void dsa_health_keep(struct dsa_health *kept, const struct dsa_health *seen);

/* Between processes; a trouble that is none of ours is an error of r. */
void dsa_health_put(struct ds_writer *w, const struct dsa_health *health);
void dsa_health_get(struct ds_reader *r, struct dsa_health *ret_health);

/* "clock", "key", or "". */
const char *dsa_trouble_word(enum dsa_trouble trouble);

#endif

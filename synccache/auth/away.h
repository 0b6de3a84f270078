/*
 * Whether a KDC answers, as the main process has heard it; its workers see
 * the same at the same moment.
 *
 * Where none answered, verifiers are tried before a KDC is asked again: in the
 * window, DSA_AWAY_MS from the last check that was decided without one, which
 * the first answer of any KDC ends.  An answer also ends what began before it:
 * a silence that is reported late opens no window, and a verdict without the
 * domain does not stand (check.c).
 *
 * Times are ds_now_ms().
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_AWAY_H
#define DSA_AWAY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define DSA_AWAY_MS 30000

struct dsa_away {                 /* shared with workers, which only read it */
	_Atomic int64_t until_ms; /* of the window */
	_Atomic int64_t answered_ms; /* by some KDC, last; 0: by none yet */
	int64_t used_ms; /* when a check was decided without one, last */
};

/* Before workers are forked.  NULL: no memory. */
struct dsa_away *dsa_away_new(void);
void dsa_away_free(struct dsa_away *away);

bool dsa_away_is(const struct dsa_away *away, int64_t now_ms);
bool dsa_away_answered(const struct dsa_away *away, int64_t since_ms);

void dsa_away_answer(struct dsa_away *away, int64_t now_ms);
/* A check that began then has asked all KDCs, and none answered. */
void dsa_away_silence(struct dsa_away *away, int64_t began_ms, int64_t now_ms);
/* A check was decided in the window, without asking. */
void dsa_away_used(struct dsa_away *away, int64_t now_ms);
/*
 * A probe that began then got no answer: the window lasts as long as it is
 * used.  Without probes it ends by itself.
 */
void dsa_away_probed(struct dsa_away *away, int64_t began_ms);

#endif

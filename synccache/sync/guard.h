/*
 * Against a crash loop: LMDB believes what its pages say, and one damaged in
 * an unlucky place ends the process.  Starts that did not end well are
 * counted; after a few the store is not trusted any more.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_GUARD_H
#define DSS_GUARD_H

#define DSS_GUARD_STARTS                                                      \
	3 /* a kill or two during a sync is nobody's fault                    \
	   */

/*
 * Counts this start in a file in dir; returns how many before it in a row did
 * not come to dss_guard_leave().  0 if it cannot count.
 */
unsigned dss_guard_enter(const char *dir);
/* The store has stood the use: forgets the count. */
void dss_guard_leave(const char *dir);

#endif

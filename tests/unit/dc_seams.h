/*
 * Included first in the test build of dc.c: no Kerberos, and a clock that a
 * test can set.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DC_SEAMS_H
#define DC_SEAMS_H

#define dss_conn_bind dc_test_bind
#define ds_now_ms     dc_test_now

#endif

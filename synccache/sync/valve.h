/*
 * The safety valve: a broken pull never empties the host.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_VALVE_H
#define DSS_VALVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * True if so many deletions at once (objects not held back before), out of
 * `known` objects, may happen: at most the larger of max_percent and 10.
 */
bool dss_valve_allows(size_t deletions, size_t known, uint64_t max_percent);

#endif

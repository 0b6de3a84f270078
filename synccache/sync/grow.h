/*
 * Lists that are filled one by one, and grow by doubling.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_GROW_H
#define DSS_GROW_H

#include <stdlib.h>

#define DSS_GROW_FIRST 64 /* elements */

/*
 * The list (malloc'ed; NULL: *cap is 0) of `count` elements of `size` bytes
 * with room for one more, perhaps elsewhere.  NULL: no memory, and it is as it
 * was.
 */
static inline void *dss_grown(void *list, size_t count, size_t *cap,
			      size_t size)
{
	size_t more = count > 0 ? count * 2 : DSS_GROW_FIRST;

	if (count < *cap)
		return list;
	list = reallocarray(list, more, size);
	if (list)
		*cap = more;
	return list;
}

#endif

/*
 * fdatasync(2) of one file while its caller goes on: by io_submit(2), so that
 * a worker stays a process of one thread.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_DATASYNC_H
#define DSA_DATASYNC_H

#include <linux/aio_abi.h>
#include <stdbool.h>

#include "lib/err.h"

struct dsa_datasync {
	struct iocb request; /* the kernel's until the end */
	bool running;
};

/* One at a time in a process; fd stays open until the end. */
void dsa_datasync_begin(struct dsa_datasync *sync, int fd);
/*
 * Waits until all that was written before the beginning is on the disk; where
 * the kernel could not begin, for fdatasync(2).  DS_ERR_SYS: it is not there.
 */
DS_MUST_CHECK int dsa_datasync_end(struct dsa_datasync *sync);

#endif

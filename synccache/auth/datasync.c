/*
 * Data on its way to the disk.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/datasync.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/*
 * Of this process: a fork has none.  It goes with the process, because
 * io_destroy(2) takes milliseconds.
 */
static aio_context_t context;
static pid_t owner;

static bool has_context(void)
{
	if (owner == getpid())
		return true;
	context = 0;
	if (syscall(SYS_io_setup, 1, &context) != 0)
		return false;
	owner = getpid();
	return true;
}

void dsa_datasync_begin(struct dsa_datasync *sync, int fd)
{
	struct iocb *list[] = { &sync->request };

	memset(sync, 0, sizeof(*sync));
	sync->request.aio_fildes = (uint32_t)fd;
	sync->request.aio_lio_opcode = IOCB_CMD_FDSYNC;
	sync->running =
	    has_context() && syscall(SYS_io_submit, context, 1, list) == 1;
}

int dsa_datasync_end(struct dsa_datasync *sync)
{
	struct io_event event;
	long n;

	if (!sync->running)
		return fdatasync((int)sync->request.aio_fildes) == 0
			   ? 0
			   : DS_ERR_SYS;
	do
		n = syscall(SYS_io_getevents, context, 1, 1, &event, NULL);
	while (n < 0 && errno == EINTR);
	sync->running = false;
	if (n == 1 && event.res < 0)
		errno = (int)-event.res;
	return n == 1 && event.res == 0 ? 0 : DS_ERR_SYS;
}

/*
 * Memory for secrets.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/secret.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>

/*
 * Where the shared ones are: the host's ticket and the key of the verifiers,
 * each twice while a new one takes an old one's place.
 */
#define SHARED_MAX 16
static struct {
	void *p; /* NULL: a free entry */
	size_t cap;
} shared[SHARED_MAX];

static bool share(void *p, size_t cap)
{
	for (size_t i = 0; i < SHARED_MAX; i++)
		if (shared[i].p == NULL) {
			shared[i].p = p;
			shared[i].cap = cap;
			return true;
		}
	return false;
}

static void unshare_gone(const void *p)
{
	for (size_t i = 0; i < SHARED_MAX; i++)
		if (shared[i].p == p)
			shared[i].p = NULL;
}

int dsa_secret_init(struct dsa_secret *ret_secret, size_t cap,
		    enum dsa_secret_fork fork)
{
	void *p = mmap(NULL, cap, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return DS_ERR_NOMEM;
	/* One of which a worker would not know would not be locked there. */
	if (fork == DSA_SECRET_PRIVATE ? madvise(p, cap, MADV_WIPEONFORK) != 0
				       : !share(p, cap)) {
		(void)munmap(p, cap);
		return DS_ERR_NOMEM;
	}
	/* Core dumps are forbidden already; both calls are a second wall. */
	(void)mlock(p, cap);
	(void)madvise(p, cap, MADV_DONTDUMP);
	*ret_secret = (struct dsa_secret){ .p = p, .cap = cap };
	return 0;
}

int dsa_secret_copy(struct dsa_secret *ret_secret, const void *p, size_t len,
		    enum dsa_secret_fork fork)
{
	int r = dsa_secret_init(ret_secret, len > 0 ? len : 1, fork);

	if (r != 0)
		return r;
	if (len > 0)
		memcpy(ret_secret->p, p, len);
	ret_secret->len = len;
	return 0;
}

void dsa_secret_done(struct dsa_secret *secret)
{
	if (secret->p != NULL) {
		explicit_bzero(secret->p, secret->cap);
		unshare_gone(secret->p);
		(void)munmap(secret->p, secret->cap);
	}
	*secret = (struct dsa_secret){ 0 };
}

bool dsa_secret_lock_process(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0 ||
	    limit.rlim_cur != RLIM_INFINITY)
		return false;
	return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
}

void dsa_secret_lock_forked(void)
{
	if (dsa_secret_lock_process())
		return;
	for (size_t i = 0; i < SHARED_MAX; i++)
		if (shared[i].p != NULL)
			(void)mlock(shared[i].p, shared[i].cap);
}

int dsa_random(void *buf, size_t len)
{
	return getrandom(buf, len, 0) == (ssize_t)len ? 0 : DS_ERR_SYS;
}

/*
 * What one call of the NSS module costs: the real code, built with a file of
 * its own (BENCH_SNAP), loaded with dlopen(), on a synthetic domain of 20,000
 * users in 1,000 groups, 21 groups a user.  Each call is timed by itself, both
 * clock reads included, and the median is printed.  See bench/nss.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <nss.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench/synthetic.h"

#define CALLS       200000
#define PASSES      5
#define FIRST_CALLS 101
#define UNKNOWN     "nobody.knows.me@aaddscontoso.com"

typedef enum nss_status pwnam_fn(const char *, struct passwd *, char *, size_t,
				 int *);
typedef enum nss_status pwuid_fn(uid_t, struct passwd *, char *, size_t,
				 int *);
typedef enum nss_status init_fn(const char *, gid_t, long *, long *, gid_t **,
				long, int *);
struct module {
	pwnam_fn *getpwnam_r;
	pwuid_fn *getpwuid_r;
	init_fn *initgroups_dyn;
};

static char buf[65536];
static struct passwd pw;
static gid_t *groups;
static long groups_size = 64;
static double floor_hot, floor_spread;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "nss_bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double median_us(uint32_t *ns, size_t n)
{
	qsort(ns, n, sizeof(*ns), compare);
	return ns[n / 2] / 1000.0;
}

/*
 * "Hot" is HOT users, as a busy host has them; "spread" a different
 * one of all each time, in no order that a cache could guess.
 */
#define HOT 32
static uint32_t next_user(uint32_t *seed, uint32_t users)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (uint32_t)(((uint64_t)*seed * users) >> 32) *
	       (SYN_USERS / users);
}

/* ---- the calls ---------------------------------------------------------- */

/* The same as each of these is compared with: an in-memory hash table of
 * fixed records, found by name and copied, with no check at all. */
struct bare {
	char name[48];
	char rest[80];
};
static struct bare *bare_record;
static uint32_t *bare_slot;
#define BARE_SLOTS 65536u
static struct bare bare_out;

static uint32_t bare_hash(const char *name)
{
	uint32_t h = 2166136261u;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h & (BARE_SLOTS - 1);
}

static void bare_fill(void)
{
	uint32_t i, s;

	bare_record = calloc(SYN_USERS, sizeof(*bare_record));
	bare_slot = calloc(BARE_SLOTS, sizeof(*bare_slot));
	if (!bare_record || !bare_slot)
		die("calloc");
	for (i = 0; i < SYN_USERS; i++) {
		snprintf(bare_record[i].name, sizeof(bare_record[i].name),
			 "%s", syn_user_name(i));
		for (s = bare_hash(bare_record[i].name); bare_slot[s];
		     s = (s + 1) & (BARE_SLOTS - 1))
			;
		bare_slot[s] = i + 1;
	}
}

static int call_nothing(const struct module *m, uint32_t i)
{
	(void)m;
	(void)i;
	return 0;
}

static int call_bare(const struct module *m, uint32_t i)
{
	const char *name = syn_user_name(i);
	uint32_t s = bare_hash(name);

	(void)m;
	for (; bare_slot[s]; s = (s + 1) & (BARE_SLOTS - 1)) {
		const struct bare *b = &bare_record[bare_slot[s] - 1];

		if (strcmp(b->name, name) == 0) {
			memcpy(&bare_out, b, sizeof(bare_out));
			return 0;
		}
	}
	return -1;
}

static const char *one_name; /* --sss: the same name each time */

static int call_pwnam(const struct module *m, uint32_t i)
{
	int err;

	return m->getpwnam_r(one_name ? one_name : syn_user_name(i), &pw, buf,
			     sizeof(buf), &err) == NSS_STATUS_SUCCESS
		   ? 0
		   : -1;
}

static uid_t one_uid;

static int call_pwuid(const struct module *m, uint32_t i)
{
	int err;

	return m->getpwuid_r(one_name ? one_uid : syn_uid(i), &pw, buf,
			     sizeof(buf), &err) == NSS_STATUS_SUCCESS
		   ? 0
		   : -1;
}

static int call_init(const struct module *m, uint32_t i)
{
	long start = 0;
	int err;

	if (m->initgroups_dyn(one_name ? one_name : syn_user_name(i), SYN_GID0,
			      &start, &groups_size, &groups, -1,
			      &err) != NSS_STATUS_SUCCESS)
		return -1;
	return one_name || start == SYN_GROUPS_PER_USER ? 0 : -1;
}

static int call_unknown(const struct module *m, uint32_t i)
{
	int err;

	(void)i;
	return m->getpwnam_r(UNKNOWN, &pw, buf, sizeof(buf), &err) ==
		       NSS_STATUS_NOTFOUND
		   ? 0
		   : -1;
}

static int call_local(const struct module *m, uint32_t i)
{
	int err;

	(void)i;
	return m->getpwnam_r("postgres", &pw, buf, sizeof(buf), &err) ==
		       NSS_STATUS_NOTFOUND
		   ? 0
		   : -1;
}

typedef int call_fn(const struct module *, uint32_t);

static double measure(const struct module *m, call_fn *call, uint32_t users,
		      double *ret_p99)
{
	uint32_t *ns = malloc(CALLS * sizeof(*ns)), seed = 1;
	size_t i;
	double us;

	if (!ns)
		die("malloc");
	for (i = 0; i < CALLS; i++) {
		uint32_t user = next_user(&seed, users);
		uint64_t t;

		t = now_ns();
		if (call(m, user) != 0) {
			fprintf(stderr, "nss_bench: a call failed\n");
			exit(1);
		}
		ns[i] = (uint32_t)(now_ns() - t);
	}
	us = median_us(ns, CALLS);
	*ret_p99 = ns[CALLS / 100 * 99] / 1000.0;
	free(ns);
	return us;
}

/* The quietest of some passes: other programs are not what is measured. */
static double quietest(const struct module *m, call_fn *call, uint32_t users,
		       double *ret_p99)
{
	double us = 0, p99, least = 0;
	int i;

	for (i = 0; i < PASSES; i++) {
		us = measure(m, call, users, &p99);
		if (i > 0 && us >= least)
			continue;
		least = us;
		*ret_p99 = p99;
	}
	return least;
}

static void row(const char *what, const struct module *m, call_fn *call,
		double limit)
{
	double p99, all99, hot, spread;

	spread = quietest(m, call, SYN_USERS, &all99);
	hot = quietest(m, call, HOT, &p99);
	if (call == call_bare) {
		floor_hot = hot;
		floor_spread = spread;
	}
	printf("%-42s %8.3f %7.3f", what, hot, p99);
	if (floor_hot > 0)
		printf(" %7.2f", hot / floor_hot);
	else
		printf(" %7s", "");
	printf(" %8.3f %7.3f", spread, all99);
	if (floor_spread > 0)
		printf(" %7.2f", spread / floor_spread);
	else
		printf(" %7s", "");
	if (limit > 0)
		printf("  %s", hot <= limit ? "ok" : "TOO SLOW");
	printf("\n");
}

/* A fresh process each: open, check, map, answer. */
static void first_row(const char *what, const struct module *m, call_fn *call,
		      double limit)
{
	uint32_t ns[FIRST_CALLS];
	double us;
	int i, p[2];

	for (i = 0; i < FIRST_CALLS; i++) {
		pid_t pid;

		if (pipe(p) != 0 || (pid = fork()) < 0)
			die("fork");
		if (pid == 0) {
			uint64_t t;
			uint32_t took;

			memset(buf, 0,
			       sizeof(buf)); /* our pages, not theirs */
			memset(&pw, 0, sizeof(pw));
			t = now_ns();
			if (call(m, (uint32_t)i * 97) != 0)
				_exit(1);
			took = (uint32_t)(now_ns() - t);
			_exit(write(p[1], &took, sizeof(took)) !=
			      (ssize_t)sizeof(took));
		}
		close(p[1]);
		if (read(p[0], &ns[i], sizeof(ns[i])) != sizeof(ns[i])) {
			fprintf(stderr, "nss_bench: a first call failed\n");
			exit(1);
		}
		close(p[0]);
		waitpid(pid, NULL, 0);
	}
	us = median_us(ns, FIRST_CALLS);
	printf("%-42s %8.3f %7.3f %32s", what, us,
	       ns[FIRST_CALLS - 2] / 1000.0, "");
	if (limit > 0)
		printf("  %s", us <= limit ? "ok" : "TOO SLOW");
	printf("\n");
}

/* ---- memory ------------------------------------------------------------- */

static long status_kb(const char *key)
{
	char line[256];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			kb = strtol(line + strlen(key) + 1, NULL, 10);
	if (f)
		fclose(f);
	return kb;
}

static void memory(const char *when)
{
	printf("%-42s %8ld kB, of it private %ld, file pages (shared) %ld\n",
	       when, status_kb("VmRSS"), status_kb("RssAnon"),
	       status_kb("RssFile"));
}

/* ---- modules ------------------------------------------------------------ */

static int load(const char *path, const char *name, struct module *m)
{
	char sym[64];
	void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (!so)
		return -1;
	snprintf(sym, sizeof(sym), "_nss_%s_getpwnam_r", name);
	*(void **)&m->getpwnam_r = dlsym(so, sym);
	snprintf(sym, sizeof(sym), "_nss_%s_getpwuid_r", name);
	*(void **)&m->getpwuid_r = dlsym(so, sym);
	snprintf(sym, sizeof(sym), "_nss_%s_initgroups_dyn", name);
	*(void **)&m->initgroups_dyn = dlsym(so, sym);
	return m->getpwnam_r && m->getpwuid_r && m->initgroups_dyn ? 0 : -1;
}

/*
 * The same rows for SSSD, with one user that it knows: it has no synthetic
 * domain, so this flatters it (all in the nearest cache).
 */
static void sss_rows(const char *user)
{
	struct module sss;
	struct stat st;

	printf("\nlibnss_sss: ");
	if (load("libnss_sss.so.2", "sss", &sss) != 0) {
		printf("not installed\n");
		return;
	}
	if (stat("/var/lib/sss/pipes/nss", &st) != 0) {
		printf("installed, not running\n");
		return;
	}
	if (!user) {
		printf("running; name one of its users with --sss NAME\n");
		return;
	}
	printf("user %s\n", user);
	one_name = user;
	first_row("sss first call", &sss, call_pwnam, 0);
	if (call_pwnam(&sss, 0) != 0) {
		printf("  it does not know that user\n");
		return;
	}
	one_uid = pw.pw_uid;
	row("sss getpwnam_r", &sss, call_pwnam, 0);
	row("sss getpwuid_r", &sss, call_pwuid, 0);
	row("sss initgroups_dyn", &sss, call_init, 0);
	row("sss getpwnam_r, unknown name", &sss, call_unknown, 0);
	one_name = NULL;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "sss", required_argument, NULL, 's' }, { NULL, 0, NULL, 0 }
	};
	const char *sss_user = NULL;
	struct module m;
	struct stat st;
	int c;

	while ((c = getopt_long(argc, argv, "s:", options, NULL)) != -1) {
		if (c != 's')
			return 2;
		sss_user = optarg;
	}
	if (optind + 1 != argc) {
		fprintf(stderr, "usage: nss_bench [--sss USER] MODULE.so\n");
		return 2;
	}
	groups = calloc((size_t)groups_size, sizeof(*groups));
	if (!groups)
		die("calloc");
	syn_names_make();
	if (syn_write(BENCH_SNAP) != 0)
		die(BENCH_SNAP);
	if (stat(BENCH_SNAP, &st) != 0)
		die(BENCH_SNAP);
	printf("%u users, %u groups, %u groups a user; file %.1f MB\n",
	       SYN_USERS, SYN_GROUPS, SYN_GROUPS_PER_USER,
	       (double)st.st_size / 1e6);
	printf("Median of %d calls, each timed by itself, both clock reads "
	       "included; the quietest\nof %d passes.  Hot: %d users; "
	       "spread: all, at random.\n\n",
	       CALLS, PASSES, HOT);
	printf("%-42s %24s %24s\n", "", "hot", "spread");
	printf("%-42s %8s %7s %7s %8s %7s %7s\n", "microseconds", "median",
	       "p99", "x floor", "median", "p99", "x floor");
	if (load(argv[optind], "dssync", &m) != 0) {
		fprintf(stderr, "nss_bench: %s\n", dlerror());
		return 1;
	}
	memory("memory before the first call");
	bare_fill();
	row("two clock reads, no call", &m, call_nothing, 0);
	row("floor: bare hash table, one record copied", &m, call_bare, 0);
	first_row("first call: open, check, map, getpwnam_r", &m, call_pwnam,
		  50);
	row("getpwnam_r", &m, call_pwnam, 0.15);
	row("getpwuid_r", &m, call_pwuid, 0.15);
	row("initgroups_dyn, 21 groups", &m, call_init, 0.15);
	row("getpwnam_r, unknown name", &m, call_unknown, 0.15);
	row("getpwnam_r, a local name", &m, call_local, 0.15);
	memory("memory after all calls");
	sss_rows(sss_user);
	unlink(BENCH_SNAP);
	return 0;
}

/*
 * dssyncctl sync: ask for a pull, and with --wait see it through.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dssyncctl/ctl.h"

#define POLL_NS   (100 * 1000 * 1000)
#define BAR_WIDTH 30
/* How long a daemon may be silent, restarts of its children included. */
#define PATIENCE 600

static void draw_bar(int64_t done, int64_t expected)
{
	int filled, i;

	if (expected <= 0)
		return;
	filled =
	    (int)(done >= expected ? BAR_WIDTH : done * BAR_WIDTH / expected);
	fputs(" [", stderr);
	for (i = 0; i < BAR_WIDTH; i++)
		fputc(i < filled ? '#' : '.', stderr);
	fprintf(stderr, "] %3d%%",
		(int)(done >= expected ? 100 : done * 100 / expected));
}

/* One line that is drawn over and over; nothing where nobody looks. */
static void show_progress(const json_t *sync)
{
	const json_t *progress = json_object_get(sync, "progress");
	const char *phase = ctl_string(sync, "phase");
	int64_t objects = ctl_number(progress, "objects");

	if (!isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[K%s", *phase ? phase : "waiting");
	draw_bar(objects, ctl_number(progress, "expected"));
	if (objects)
		fprintf(stderr, " %jd objects, %jd/s", (intmax_t)objects,
			(intmax_t)ctl_number(progress, "rate"));
	fflush(stderr);
}

static void end_progress(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

static int report(const struct ctl_args *args, const json_t *sync)
{
	if (args->json)
		return ctl_json(json_pack(
		    "{s:b, s:I, s:I, s:I, s:I}", "ok", 1, "users",
		    (json_int_t)ctl_number(sync, "users"), "groups",
		    (json_int_t)ctl_number(sync, "groups"), "withheld",
		    (json_int_t)ctl_number(sync, "withheld"), "generation",
		    (json_int_t)ctl_number(sync, "generation")));
	printf("synchronized: %jd users, %jd groups, %jd withheld, generation "
	       "%jd\n",
	       (intmax_t)ctl_number(sync, "users"),
	       (intmax_t)ctl_number(sync, "groups"),
	       (intmax_t)ctl_number(sync, "withheld"),
	       (intmax_t)ctl_number(sync, "generation"));
	return CTL_OK;
}

static int report_failure(const struct ctl_args *args, const char *why)
{
	ctl_complain("the synchronization failed: %s", why);
	if (args->json)
		ctl_json(
		    json_pack("{s:b, s:o}", "ok", 0, "error", ctl_text(why)));
	return CTL_NO;
}

/* -1: go on waiting; else the exit status. */
static int look(const struct ctl_args *args, uint64_t ticket)
{
	struct ctl_daemon d;
	int r = ctl_ask_status(&d), status = -1;

	if (r) {
		end_progress();
		ctl_complain_daemon(r);
		return CTL_UNAVAIL;
	}
	if ((uint64_t)ctl_number(d.sync, "done") >= ticket) {
		end_progress();
		status = report(args, d.sync);
	} else if ((uint64_t)ctl_number(d.sync, "failed") >= ticket) {
		end_progress();
		status =
		    report_failure(args, ctl_string(d.sync, "last_error"));
	} else {
		show_progress(d.sync);
	}
	ctl_daemon_done(&d);
	return status;
}

static int wait_for(const struct ctl_args *args, uint64_t ticket)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	time_t start = time(NULL);
	int status;

	do {
		status = look(args, ticket);
		if (status >= 0)
			return status;
		nanosleep(&pause, NULL);
	} while (time(NULL) - start < PATIENCE);
	end_progress();
	return report_failure(args, "no answer for 10 minutes");
}

int ctl_sync(const struct ctl_args *args)
{
	uint64_t ticket;
	int r = ctl_ask_sync(args->pull_flags, &ticket);

	if (r) {
		ctl_complain_daemon(r);
		return CTL_UNAVAIL;
	}
	if (args->wait)
		return wait_for(args, ticket);
	if (args->json)
		return ctl_json(
		    json_pack("{s:I}", "ticket", (json_int_t)ticket));
	puts("asked for a synchronization; 'dssyncctl status' shows it");
	return CTL_OK;
}

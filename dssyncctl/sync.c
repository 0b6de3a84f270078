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
	/* What was counted before is not of this phase. */
	if (strcmp(ctl_string(sync, "state"), "pulling") != 0)
		objects = 0;
	if (objects)
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

/* What became of it, as in --json; NULL without memory. */
static json_t *success(const json_t *sync)
{
	return json_pack(
	    "{s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "ok", 1, "objects",
	    (json_int_t)ctl_number(sync, "objects"), "held_count",
	    (json_int_t)ctl_number(sync, "held_count"), "users",
	    (json_int_t)ctl_number(sync, "users"), "groups",
	    (json_int_t)ctl_number(sync, "groups"), "withheld",
	    (json_int_t)ctl_number(sync, "withheld"), "generation",
	    (json_int_t)ctl_number(sync, "generation"));
}

static json_t *failure(const char *why)
{
	return json_pack("{s:b, s:o}", "ok", 0, "error", ctl_text(why));
}

/* True if it is over: *ret_status and *ret_result say how. */
static bool look(uint64_t ticket, int *ret_status, json_t **ret_result)
{
	struct ctl_daemon d;
	int r = ctl_ask_status(&d);
	bool over = true;

	if (r) {
		end_progress();
		ctl_complain_daemon(r);
		*ret_status = CTL_UNAVAIL;
		return true;
	}
	if ((uint64_t)ctl_number(d.sync, "done") >= ticket) {
		*ret_status = CTL_OK;
		*ret_result = success(d.sync);
	} else if ((uint64_t)ctl_number(d.sync, "failed") >= ticket) {
		*ret_status = CTL_NO;
		*ret_result = failure(ctl_string(d.sync, "last_error"));
	} else {
		over = false;
	}
	if (over)
		end_progress();
	else
		show_progress(d.sync);
	ctl_daemon_done(&d);
	return over;
}

int ctl_sync_wait(uint32_t pull_flags, json_t **ret_result)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	time_t start = time(NULL);
	uint64_t ticket;
	int status = ctl_ask_sync(pull_flags, &ticket);

	*ret_result = NULL;
	if (status) {
		ctl_complain_daemon(status);
		return CTL_UNAVAIL;
	}
	do {
		if (look(ticket, &status, ret_result))
			return status;
		nanosleep(&pause, NULL);
	} while (time(NULL) - start < PATIENCE);
	end_progress();
	*ret_result = failure("no answer for 10 minutes");
	return CTL_NO;
}

int ctl_sync_say(const struct ctl_args *args, int status, json_t *result)
{
	if (status == CTL_NO)
		ctl_complain("the synchronization failed: %s",
			     ctl_string(result, "error"));
	if (result && args->json)
		return ctl_json(result) ? CTL_NO : status;
	if (status == CTL_OK)
		printf("synchronized: %jd users, %jd groups, %jd withheld, "
		       "generation %jd\n",
		       (intmax_t)ctl_number(result, "users"),
		       (intmax_t)ctl_number(result, "groups"),
		       (intmax_t)ctl_number(result, "withheld"),
		       (intmax_t)ctl_number(result, "generation"));
	if (status == CTL_OK && ctl_number(result, "held_count") > 0)
		printf("held back: %jd; 'dssyncctl status' names them, "
		       "'dssyncctl sync --accept-deletes' lets them go\n",
		       (intmax_t)ctl_number(result, "held_count"));
	json_decref(result);
	return status;
}

int ctl_sync(const struct ctl_args *args)
{
	json_t *result;
	uint64_t ticket;
	int r;

	if (args->wait) {
		r = ctl_sync_wait(args->pull_flags, &result);
		return ctl_sync_say(args, r, result);
	}
	r = ctl_ask_sync(args->pull_flags, &ticket);
	if (r) {
		ctl_complain_daemon(r);
		return CTL_UNAVAIL;
	}
	if (args->json)
		return ctl_json(
		    json_pack("{s:I}", "ticket", (json_int_t)ticket));
	puts("asked for a synchronization; 'dssyncctl status' shows it");
	return CTL_OK;
}

/*
 * dssyncctl doctor: looks at everything around dssync that a login needs, and
 * says what to do about what it finds.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "dssyncctl/doctor.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FILE_MAX   (1u << 20)
#define HOST_MS    30000 /* the worker has 24 s */
#define SSHD_CONF  "/etc/ssh/sshd_config"
#define PAM_FOLDER "/etc/pam.d/"

static const char *const level_names[] = { "ok", "warning", "problem" };

/* ---- findings --------------------------------------------------------------
 */

void doc_say(struct doc *d, enum doc_level level, const char *advice,
	     const char *fmt, ...)
{
	char *what;
	va_list ap;
	int n;

	if (level > d->worst)
		d->worst = level;
	va_start(ap, fmt);
	n = vasprintf(&what, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	json_array_append_new(d->list, json_pack("{s:s, s:o, s:o}", "level",
						 level_names[level], "what",
						 ctl_text(what), "advice",
						 ctl_text(advice)));
	free(what);
}

char *doc_load_file(const char *path)
{
	FILE *in = fopen(path, "re");
	char *text = NULL;
	size_t len;

	if (!in)
		return NULL;
	text = malloc(FILE_MAX + 1);
	if (text) {
		len = fread(text, 1, FILE_MAX, in);
		text[len] = '\0';
		/* A text ends at a NUL, whoever wrote one. */
		if (ferror(in)) {
			free(text);
			text = NULL;
		}
	}
	fclose(in);
	return text;
}

/* ---- the parts -------------------------------------------------------------
 */

static void check_config(struct doc *d, const char *path,
			 struct ds_config *config)
{
	struct ds_problems problems = { NULL, 0 };
	size_t i;
	int r = ds_config_load(path, config, &problems);

	for (i = 0; i < problems.count; i++)
		doc_say(d, DOC_PROBLEM, "correct it; see dssync.conf(5)",
			"configuration: %s", problems.line[i]);
	if (r && problems.count == 0)
		doc_say(d, DOC_PROBLEM, "", "configuration %s: %s", path,
			ds_strerror(r));
	if (r == 0) {
		doc_say(d, DOC_OK, "", "configuration %s", path);
		d->config = config;
	}
	ds_problems_done(&problems);
}

/* A check of one file's text; a file that is missing is an empty one. */
static void check_text(struct doc *d, const char *path,
		       void (*check)(struct doc *, const char *))
{
	char *text = d->load(path);

	check(d, text ? text : "");
	free(text);
}

static void check_all(struct doc *d)
{
	int64_t now = (int64_t)time(NULL);

	doc_check_dns(d);
	doc_check_keytab(d, d->config ? d->config->domain.keytab
				      : "/etc/krb5.keytab");
	doc_check_daemon(d, now);
	doc_check_snapshot(d, now);
	check_text(d, "/etc/nsswitch.conf", doc_check_nsswitch);
	doc_check_pam(d, PAM_FOLDER);
	if (access(SSHD_CONF, F_OK) == 0)
		doc_check_sshd(d, SSHD_CONF);
	doc_check_homes(d);
	check_text(d, "/etc/shells", doc_check_shells);
	check_text(d, "/etc/subuid", doc_check_subuid);
	check_text(d, "/etc/subgid", doc_check_subgid);
}

/* ---- the command
 * ------------------------------------------------------------ */

static void print_findings(const struct doc *d)
{
	const char *advice;
	json_t *finding;
	size_t i;

	json_array_foreach(d->list, i, finding)
	{
		advice = ctl_string(finding, "advice");
		ctl_line("%-8s %s%s%s%s", ctl_string(finding, "level"),
			 ctl_string(finding, "what"), *advice ? "  (" : "",
			 advice, *advice ? ")" : "");
	}
}

/* Has a KDC asked, and waits until the status tells of it. */
static bool ask_host(struct doc_host *ret_host)
{
	const struct timespec settle = { .tv_nsec = CTL_REPORT_MS * 1000000L };
	uint8_t in[DS_TEXT_MAX + 64], out[DS_HEADER_LEN];
	struct ds_reader reader;
	struct ds_writer w;

	ds_writer_init(&w, out, sizeof(out));
	ds_frame_begin(&w, DS_MSG_HOST, 1);
	if (ctl_exchange(PAM_SOCK, HOST_MS, &w, DS_MSG_HOST_REPLY, in,
			 sizeof(in), &reader) != 0)
		return false;
	ret_host->result = ds_get_u32(&reader);
	ds_get_str(&reader, ret_host->why, sizeof(ret_host->why));
	if (ds_reader_end(&reader) != 0)
		return false;
	(void)nanosleep(&settle, NULL);
	return true;
}

int ctl_doctor(const struct ctl_args *args)
{
	struct doc d = { .list = json_array(), .load = doc_load_file };
	struct doc_host host;
	struct ctl_daemon daemon = { NULL, NULL, NULL };
	struct ds_config config;
	struct ds_snap snap;
	int status;

	if (!d.list)
		return ctl_json(NULL);
	check_config(&d, args->config, &config);
	if (geteuid() == 0 && ask_host(&host))
		d.host = &host;
	if (geteuid() == 0 && ctl_ask_status(&daemon) == 0)
		d.daemon = &daemon;
	if (ds_snap_open(DS_PUBLIC_SNAP, DS_SNAP_BASE, 0, &snap) == 0)
		d.snap = &snap;
	check_all(&d);
	status = d.worst == DOC_PROBLEM ? CTL_NO : CTL_OK;
	if (!args->json)
		print_findings(&d);
	else if (ctl_json(json_pack("{s:b, s:O}", "ok", status == CTL_OK,
				    "findings", d.list)))
		status = CTL_NO;
	if (d.snap)
		ds_snap_close(&snap);
	if (d.config)
		ds_config_done(&config);
	ctl_daemon_done(&daemon);
	json_decref(d.list);
	return status;
}

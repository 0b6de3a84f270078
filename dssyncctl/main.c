/*
 * dssyncctl: the command line of dssync.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <getopt.h>
#include <string.h>

#include "dssyncctl/ctl.h"

enum takes { NAME = 1, WAIT = 2, CHECK = 4, STDIN = 8, ALL = 16 };

static const struct command {
	const char *name;
	int takes;
	int (*run)(const struct ctl_args *args);
	const char *help;
} commands[] = {
	{ "status", 0, ctl_status, "is everything well, and if not, what?" },
	{ "sync", WAIT, ctl_sync,
	  "synchronize now; --wait shows the progress to the end" },
	{ "user", NAME, ctl_user, "all that is known of a user" },
	{ "group", NAME, ctl_group, "all that is known of a group" },
	{ "explain", NAME, ctl_explain,
	  "who is this name, or why is it nobody?" },
	{ "auth-test", NAME | STDIN, ctl_auth_test,
	  "would this password log in, and if not, why?" },
	{ "forget", NAME | ALL, ctl_forget,
	  "no login without the domain any more, until one with it" },
	{ "doctor", 0, ctl_doctor,
	  "what around dssync keeps people out, and what to do" },
	{ "config", CHECK, ctl_config,
	  "the effective configuration; --check: only its problems" },
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void usage(FILE *out)
{
	size_t i;

	fputs("usage: dssyncctl COMMAND [OPTION...] [NAME]\n\ncommands:\n",
	      out);
	for (i = 0; i < COMMANDS; i++)
		fprintf(out, "  %-9s %-5s %s\n", commands[i].name,
			commands[i].takes & NAME ? "NAME" : "",
			commands[i].help);
	fputs("\noptions:\n"
	      "  --json            one JSON document instead of text\n"
	      "  --wait            sync: until it is published\n"
	      "  --full            sync: forget the cookie, load everything\n"
	      "  --accept-deletes  sync: let held deletions go, once\n"
	      "  --renumber        sync: let ids change, and print which\n"
	      "  --stdin           auth-test: read the password there\n"
	      "  --all             forget: everybody, instead of a NAME\n"
	      "  --check           config: print nothing but problems\n"
	      "  --config FILE     read FILE instead of " DS_CONF_FILE "\n"
	      "  --help, --version\n"
	      "\n"
	      "exit status: 0 yes or well, 1 no or something is wrong, 64 "
	      "wrong usage,\n"
	      "69 no snapshot or no daemon, 78 wrong configuration; see "
	      "dssyncctl(1)\n",
	      out);
}

static int misuse(const char *what)
{
	if (what)
		ctl_complain("%s", what);
	fputs("try 'dssyncctl --help'\n", stderr);
	return CTL_USAGE;
}

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; i < COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

enum letter {
	JSON = 256,
	WAITING,
	FULL,
	ACCEPT,
	RENUMBER,
	STANDARD_INPUT,
	EVERYBODY,
	CHECKING,
	CONFIG,
	HELP,
	RELEASE
};

/* -1: go on; else the exit status. */
static int take_option(int c, struct ctl_args *args, int *takes)
{
	switch (c) {
	case JSON:
		args->json = true;
		return -1;
	case WAITING:
		args->wait = true;
		*takes |= WAIT;
		return -1;
	case FULL:
		args->pull_flags |= DS_PULL_FULL;
		*takes |= WAIT;
		return -1;
	case ACCEPT:
		args->pull_flags |= DS_PULL_ACCEPT_DELETES;
		*takes |= WAIT;
		return -1;
	case RENUMBER:
		args->pull_flags |= DS_PULL_RENUMBER;
		*takes |= WAIT;
		return -1;
	case STANDARD_INPUT:
		args->from_stdin = true;
		*takes |= STDIN;
		return -1;
	case EVERYBODY:
		args->all = true;
		*takes |= ALL;
		return -1;
	case CHECKING:
		args->check = true;
		*takes |= CHECK;
		return -1;
	case CONFIG:
		args->config = optarg;
		return -1;
	case HELP:
		usage(stdout);
		return CTL_OK;
	case RELEASE:
		puts("dssyncctl " PACKAGE_VERSION);
		return CTL_OK;
	default:
		return misuse(NULL);
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, JSON },
		{ "wait", no_argument, NULL, WAITING },
		{ "full", no_argument, NULL, FULL },
		{ "accept-deletes", no_argument, NULL, ACCEPT },
		{ "renumber", no_argument, NULL, RENUMBER },
		{ "stdin", no_argument, NULL, STANDARD_INPUT },
		{ "all", no_argument, NULL, EVERYBODY },
		{ "check", no_argument, NULL, CHECKING },
		{ "config", required_argument, NULL, CONFIG },
		{ "help", no_argument, NULL, HELP },
		{ "version", no_argument, NULL, RELEASE },
		{ NULL, 0, NULL, 0 },
	};
	struct ctl_args args = { .config = DS_CONF_FILE };
	const struct command *command;
	int c, status, takes = 0;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		status = take_option(c, &args, &takes);
		if (status >= 0)
			return status;
	}
	command = optind < argc ? find_command(argv[optind]) : NULL;
	if (!command)
		return misuse(optind < argc ? "no such command"
					    : "a command is expected");
	optind++;
	if ((command->takes & NAME) && !args.all)
		args.name = argv[optind++];
	if (optind > argc ||
	    ((command->takes & NAME) && !args.all && !args.name))
		return misuse("a name is expected");
	if (optind < argc)
		return misuse("too many arguments; a name with blanks is "
			      "quoted");
	if (takes & ~command->takes)
		return misuse("this option does not go with this command");
	return args.pull_flags & DS_PULL_RENUMBER ? ctl_renumber(&args)
						  : command->run(&args);
}

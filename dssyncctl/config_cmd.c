/*
 * dssyncctl config: the effective configuration, or what is wrong with it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "dssyncctl/ctl.h"
#include "lib/config.h"

static json_t *problems_json(const struct ds_problems *problems)
{
	json_t *list = json_array();
	size_t i;

	for (i = 0; i < problems->count; i++)
		json_array_append_new(list, ctl_text(problems->line[i]));
	return list;
}

static int say_problems(const struct ctl_args *args,
			const struct ds_problems *problems)
{
	size_t i;

	for (i = 0; i < problems->count; i++)
		fprintf(stderr, "%s\n", problems->line[i]);
	if (args->json)
		ctl_json(json_pack("{s:b, s:o}", "ok", 0, "problems",
				   problems_json(problems)));
	return CTL_CONFIG;
}

int ctl_config(const struct ctl_args *args)
{
	struct ds_problems problems = { NULL, 0 };
	struct ds_config config;
	int r, status = CTL_OK;

	r = ds_config_load(args->config, &config, &problems);
	if (r) {
		if (problems.count == 0)
			ctl_complain("%s: %s", args->config, ds_strerror(r));
		status = say_problems(args, &problems);
		ds_problems_done(&problems);
		return status;
	}
	if (args->json)
		status =
		    ctl_json(json_pack("{s:b, s:[]}", "ok", 1, "problems"));
	else if (args->check)
		printf("%s: no problem found\n", args->config);
	else
		ds_config_print(&config, stdout);
	ds_config_done(&config);
	return status;
}

/*
 * The ring of proven logins.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/proven.h"

#include <stdio.h>
#include <string.h>

void dsa_proven_put(struct dsa_proven *proven, int64_t now_ms, pid_t pid,
		    const struct dsa_subject *subject)
{
	struct dsa_proven_login *l = &proven->login[proven->next];

	if (pid <= 0)
		return;
	proven->next = (proven->next + 1) % DSA_PROVEN_MAX;
	l->end_ms = now_ms + DSA_PROVEN_MS;
	l->pid = pid;
	l->guid = subject->guid;
	(void)snprintf(l->service, sizeof(l->service), "%s", subject->service);
}

bool dsa_proven_has(const struct dsa_proven *proven, int64_t now_ms, pid_t pid,
		    const struct dsa_subject *subject)
{
	for (size_t i = 0; i < DSA_PROVEN_MAX; i++) {
		const struct dsa_proven_login *l = &proven->login[i];

		if (pid > 0 && l->pid == pid && now_ms < l->end_ms &&
		    ds_guid_equal(&l->guid, &subject->guid) &&
		    strcmp(l->service, subject->service) == 0)
			return true;
	}
	return false;
}

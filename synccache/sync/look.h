/*
 * Live looks (DS_MSG_LOOK, lib/proto.h): one object by its GUID, within two
 * seconds, whatever a bulk read, a publication or a name server is doing.
 *
 * So they are a process of their own, forked before there is a store: it has
 * a connection of its own to a proven domain controller (the one that the
 * mirror comes from, where that can be used), and holds the channel to auth.
 * What the rest of dssync-sync wants of auth, it passes on.  Between the two
 * runs a SOCK_SEQPACKET pair with the frames of lib/proto.h and two more.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSS_LOOK_H
#define DSS_LOOK_H

#include "synccache/sync/sync.h"

enum dss_look_msg {
	/* To the looks: str host, the mirror's domain controller; "": none. */
	DSS_MSG_SERVER = 2000,
	/* From them: blob guid(16): a proven DC does not show this object. */
	DSS_MSG_GONE = 2001,
};

/*
 * Starts the process; *ret_link is the caller's end of the pair, and the
 * channel to auth is closed here.  It ends with the caller, or ends the pair
 * when it fails.  DS_ERR_SYS (errno).
 */
DS_MUST_CHECK int dss_look_start(const struct ds_config *config,
				 int *ret_link);

/*
 * What that process does, until a peer is gone: s has a loop, s->peer is the
 * channel to auth, link the other end of the pair.  A question is answered
 * within look_ms; at once while no domain controller could be used at the last
 * attempt, of which the next follows in retry_ms, give or take half.  For the
 * tests.
 */
void dss_look_serve(struct dss_sync *s, int link, int64_t look_ms,
		    int64_t retry_ms);

#endif

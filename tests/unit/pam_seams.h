/*
 * Included before every source of the PAM module where it is built for tests:
 * the places and clocks of the module become variables of the test, and passwd
 * the test's own.  The production build knows none of this.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef PAM_SEAMS_H
#define PAM_SEAMS_H

#include <pwd.h>
#include <stddef.h>
#include <unistd.h>

#define PAM_TEST_PATH_MAX 100 /* fits a socket address */

extern char pam_test_socket[PAM_TEST_PATH_MAX];
extern char pam_test_snapshot[PAM_TEST_PATH_MAX];
extern char pam_test_helper[PAM_TEST_PATH_MAX];
extern uid_t pam_test_owner; /* of the snapshot */
extern uid_t pam_test_socket_owner;
extern int pam_test_timeout; /* milliseconds, for every wait */

int pam_test_getpwnam_r(const char *name, struct passwd *pw, char *buf,
			size_t size, struct passwd **ret);

#define PDS_SOCKET          pam_test_socket
#define PDS_USER_SOCKET     pam_test_socket
#define PDS_SNAPSHOT        pam_test_snapshot
#define PDS_CCACHE_HELPER   pam_test_helper
#define PDS_SNAPSHOT_OWNER  pam_test_owner
#define DS_WIRE_OWNER       pam_test_socket_owner
#define PDS_AUTH_TIMEOUT    pam_test_timeout
#define PDS_ACCOUNT_TIMEOUT pam_test_timeout
#define PDS_TICKET_TIMEOUT  pam_test_timeout
#define PDS_HELPER_TIMEOUT  pam_test_timeout
#define getpwnam_r          pam_test_getpwnam_r

#endif

/*
 * Texts of the error codes.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/err.h"

const char *ds_strerror(int err)
{
	switch (err) {
	case DS_OK:
		return "success";
	case DS_ERR_NOMEM:
		return "out of memory";
	case DS_ERR_SYS:
		return "system error";
	case DS_ERR_NOTFOUND:
		return "not found";
	case DS_ERR_RANGE:
		return "buffer too small or value out of range";
	case DS_ERR_FORMAT:
		return "malformed data";
	case DS_ERR_VERSION:
		return "unknown version";
	case DS_ERR_UNSAFE:
		return "unsafe owner or mode";
	case DS_ERR_LIMIT:
		return "limit exceeded";
	case DS_ERR_TIMEOUT:
		return "timed out";
	case DS_ERR_CLOSED:
		return "connection closed";
	case DS_ERR_UNAVAIL:
		return "unavailable";
	case DS_ERR_DENIED:
		return "denied";
	case DS_ERR_CONFLICT:
		return "conflict";
	case DS_ERR_CONFIG:
		return "configuration error";
	case DS_ERR_INVAL:
		return "invalid argument";
	}
	return "unknown error";
}

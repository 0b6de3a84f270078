/*
 * Every key of dssync.conf: its type, default, check and what to say if a
 * value will not do.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "lib/config_table.h"

#include <string.h>

#include "lib/sid.h"

static const struct ds_word transports[] = {
	{ "gssapi", DS_TRANSPORT_GSSAPI },
	{ "ldaps", DS_TRANSPORT_LDAPS },
	{ "starttls", DS_TRANSPORT_STARTTLS },
	{ NULL, 0 },
};
static const struct ds_word origins[] = {
	{ "all", DS_ORIGIN_ALL },
	{ "cloud", DS_ORIGIN_CLOUD },
	{ "onprem", DS_ORIGIN_ONPREM },
	{ NULL, 0 },
};
static const struct ds_word attribute_sets[] = {
	{ "mapped", DS_ATTRIBUTES_MAPPED },
	{ "identity", DS_ATTRIBUTES_IDENTITY },
	{ NULL, 0 },
};
static const struct ds_word name_formats[] = {
	{ "upn", DS_FORMAT_UPN },
	{ "sam", DS_FORMAT_SAM },
	{ NULL, 0 },
};
static const struct ds_word group_formats[] = {
	{ "qualified", DS_FORMAT_QUALIFIED },
	{ "sam", DS_FORMAT_SAM },
	{ NULL, 0 },
};
static const struct ds_word short_name_words[] = {
	{ "none", DS_SHORT_NONE },
	{ "sam", DS_SHORT_SAM },
	{ NULL, 0 },
};
static const struct ds_word spelling_words[] = {
	{ "any", DS_SPELLINGS_ANY },
	{ "canonical", DS_SPELLINGS_CANONICAL },
	{ NULL, 0 },
};
static const struct ds_word id_mappings[] = {
	{ "sid", DS_IDMAP_SID },
	{ "sidhistory", DS_IDMAP_SIDHISTORY },
	{ "rid", DS_IDMAP_RID },
	{ "attribute", DS_IDMAP_ATTRIBUTE },
	{ NULL, 0 },
};
static const struct ds_word member_words[] = {
	{ "full", DS_MEMBERS_FULL },
	{ "none", DS_MEMBERS_NONE },
	{ NULL, 0 },
};
static const struct ds_word live_checks[] = {
	{ "keys", DS_LIVE_KEYS },
	{ "always", DS_LIVE_ALWAYS },
	{ "never", DS_LIVE_NEVER },
	{ NULL, 0 },
};
static const struct ds_word fast_words[] = {
	{ "try", DS_FAST_TRY },
	{ "demand", DS_FAST_DEMAND },
	{ "never", DS_FAST_NEVER },
	{ NULL, 0 },
};

/* Letters, digits and '-' between single dots (RFC 1123), two labels. */
static bool is_dns_name(const char *s)
{
	size_t label = 0, dots = 0;

	if (strlen(s) > 253)
		return false;
	for (; *s; s++) {
		if (*s == '.') {
			if (label == 0 || s[-1] == '-')
				return false;
			label = 0;
			dots++;
		} else if ((*s >= 'a' && *s <= 'z') ||
			   (*s >= 'A' && *s <= 'Z') ||
			   (*s >= '0' && *s <= '9') || (*s == '-' && label)) {
			if (++label > 63)
				return false;
		} else {
			return false;
		}
	}
	return dots > 0 && label > 0 && s[-1] != '-';
}

/* What may stand in a passwd field, and is an absolute path. */
static bool is_path(const char *s)
{
	const char *p;

	if (s[0] != '/')
		return false;
	for (p = s; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == ':')
			return false;
	return !strstr(s, "/../") && strcmp(p - (p - s >= 3 ? 3 : 0), "/..");
}

static bool is_path_or_empty(const char *s)
{
	return *s == '\0' || is_path(s);
}

static bool is_home_template(const char *s)
{
	bool unique = false;
	const char *p;

	if (!is_path(s))
		return false;
	for (p = s; *p; p++) {
		if (*p != '%')
			continue;
		p++;
		if (*p == '\0' || !strchr("uUdDi", *p))
			return false;
		unique |= *p == 'u' || *p == 'U' || *p == 'i';
	}
	return unique;
}

/* S-1-5-21-a-b-c, MS-DTYP 2.4.2.4. */
static bool is_domain_sid(const char *s)
{
	struct ds_sid sid;

	return ds_sid_parse_str(s, &sid) == 0 && sid.authority == 5 &&
	       sid.count == 4 && sid.sub[0] == 21;
}

static bool is_replacement(const char *s)
{
	return *s == '\0' || (s[1] == '\0' && strchr("_-.+", *s));
}

#define AT(field) offsetof(struct ds_config, field)

#define RESERVED_NAMES                                                        \
	"root, sudo, wheel, admin, adm, docker, lxd, libvirt, kvm, disk, "    \
	"shadow, staff, sys, daemon, bin, kmem, tty, mail, man, lp, news, "   \
	"backup, operator, utmp, video, sasl, plugdev, users, nogroup, "      \
	"nobody, input, render, sgx, netdev, crontab, ssh, _ssh, "            \
	"systemd-journal, systemd-network, systemd-resolve, "                 \
	"systemd-timesync, systemd-coredump, messagebus, polkitd, "           \
	"wireshark, incus, incus-admin, microk8s, postgres, mysql, "          \
	"www-data, apache, nginx, sshd, sync, games, uucp, proxy, list, "     \
	"irc, gnats, dip, fax, voice, cdrom, floppy, tape, audio, src, "      \
	"dssync, dssync-auth"

const struct ds_key ds_config_keys[] = {
	{ "domain", "name", DS_VALUE_TEXT, AT(domain.name), NULL,
	  .check = is_dns_name,
	  .expected = "the DNS name of the managed domain, such as "
		      "aaddscontoso.com" },
	{ "domain", "servers", DS_VALUE_LIST, AT(domain.servers), "",
	  .check = is_dns_name,
	  .expected = "host names of domain controllers, separated by "
		      "commas; empty: ask DNS" },
	{ "domain", "site", DS_VALUE_TEXT, AT(domain.site), "",
	  .expected = "the name of an Active Directory site; empty: what the "
		      "domain says" },
	{ "domain", "keytab", DS_VALUE_TEXT, AT(domain.keytab),
	  "/etc/krb5.keytab", .check = is_path,
	  .expected = "the absolute path of the host's keytab" },
	{ "domain", "transport", DS_VALUE_WORD, AT(domain.transport), "gssapi",
	  .words = transports },
	{ "domain", "ca_file", DS_VALUE_TEXT, AT(domain.ca_file), "",
	  .check = is_path_or_empty,
	  .expected = "the absolute path of CA certificates in PEM form; "
		      "empty: the system's" },

	{ "sync", "bases", DS_VALUE_LIST, AT(sync.bases), "",
	  .expected = "distinguished names, separated by ';'; empty: the "
		      "whole domain" },
	{ "sync", "origin", DS_VALUE_WORD, AT(sync.origin), "all",
	  .words = origins },
	{ "sync", "groups", DS_VALUE_LIST, AT(sync.groups), "",
	  .expected = "names or SIDs of groups, separated by commas; empty: "
		      "everyone" },
	{ "sync", "interval", DS_VALUE_DURATION, AT(sync.interval), "30s",
	  .limit = 86400,
	  .expected = "a time such as 30s, 5m or 1h, from 1s to 1d" },
	{ "sync", "notify", DS_VALUE_BOOL, AT(sync.notify), "yes" },
	{ "sync", "reconcile_interval", DS_VALUE_DURATION,
	  AT(sync.reconcile_interval), "1h", .limit = 604800,
	  .expected = "a time such as 30m, 1h or 1d, from 1s to 7d" },
	{ "sync", "max_delete_percent", DS_VALUE_NUMBER,
	  AT(sync.max_delete_percent), "20", .limit = 100,
	  .expected = "a percentage from 0 to 100" },
	{ "sync", "attributes", DS_VALUE_WORD, AT(sync.attributes), "mapped",
	  .words = attribute_sets },

	{ "identity", "name_format", DS_VALUE_WORD, AT(identity.name_format),
	  "upn", .words = name_formats },
	{ "identity", "short_names", DS_VALUE_WORD, AT(identity.short_names),
	  "none", .words = short_name_words },
	{ "identity", "spellings", DS_VALUE_WORD, AT(identity.spellings),
	  "any", .words = spelling_words },
	{ "identity", "group_format", DS_VALUE_WORD, AT(identity.group_format),
	  "qualified", .words = group_formats },
	{ "identity", "id_mapping", DS_VALUE_WORD, AT(identity.id_mapping),
	  "sid", .words = id_mappings },
	{ "identity", "id_range", DS_VALUE_RANGE, AT(identity.id_range),
	  "200000-2000200000",
	  .expected = "MIN-MAX, with 1000 <= MIN < MAX <= 2147483647" },
	{ "identity", "sid_history_domains", DS_VALUE_LIST,
	  AT(identity.sid_history_domains), "", .check = is_domain_sid,
	  .expected = "domain SIDs such as S-1-5-21-1-2-3, separated by "
		      "commas" },
	{ "identity", "home", DS_VALUE_TEXT, AT(identity.home), "/home/%u",
	  .check = is_home_template,
	  .expected = "an absolute path with %u, %U or %i in it, and "
		      "perhaps %d or %D" },
	{ "identity", "shell", DS_VALUE_TEXT, AT(identity.shell), "/bin/bash",
	  .check = is_path, .expected = "the absolute path of a login shell" },
	{ "identity", "space_replacement", DS_VALUE_TEXT,
	  AT(identity.space_replacement), "", .check = is_replacement,
	  .expected = "one of _ - . + or nothing" },
	{ "identity", "reserved_names", DS_VALUE_LIST,
	  AT(identity.reserved_names), RESERVED_NAMES,
	  .expected = "names, separated by commas" },
	{ "identity", "group_members", DS_VALUE_WORD,
	  AT(identity.group_members), "full", .words = member_words },

	{ "login", "allow_groups", DS_VALUE_LIST, AT(login.allow_groups), "",
	  .expected = "names of groups, separated by commas; empty: "
		      "no restriction" },
	{ "login", "allow_users", DS_VALUE_LIST, AT(login.allow_users), "",
	  .expected = "names of users, separated by commas; empty: no "
		      "restriction" },
	{ "login", "offline", DS_VALUE_BOOL, AT(login.offline), "no" },
	{ "login", "offline_days", DS_VALUE_NUMBER, AT(login.offline_days),
	  "7", .limit = 3650, .least = 1,
	  .expected = "a number of days from 1 to 3650" },
	{ "login", "offline_attempts", DS_VALUE_NUMBER,
	  AT(login.offline_attempts), "5", .limit = 1000, .least = 1,
	  .expected = "a number from 1 to 1000" },
	{ "login", "offline_delay", DS_VALUE_DURATION, AT(login.offline_delay),
	  "30m", .limit = 604800,
	  .expected = "a time such as 90s, 30m or 1h, from 1s to 7d" },
	{ "login", "live_check", DS_VALUE_WORD, AT(login.live_check), "keys",
	  .words = live_checks },
	{ "login", "fast", DS_VALUE_WORD, AT(login.fast), "try",
	  .words = fast_words },
	{ "login", "password_change_url", DS_VALUE_TEXT,
	  AT(login.password_change_url), "",
	  .expected = "the address of the page where people change their "
		      "password" },
	{ "login", "audit_file", DS_VALUE_TEXT, AT(login.audit_file), "",
	  .check = is_path_or_empty,
	  .expected = "the absolute path of a file for audit lines; empty: "
		      "none" },
};
const size_t ds_config_key_count =
    sizeof(ds_config_keys) / sizeof(ds_config_keys[0]);

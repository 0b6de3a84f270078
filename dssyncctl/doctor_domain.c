/*
 * dssyncctl doctor: DNS, the keytab, and what the daemon says of the domain
 * controller, the KDC and the clock.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <arpa/nameser.h>

#include "dssyncctl/doctor.h"

/* ---- DNS -------------------------------------------------------------------
 */

/* How many SRV records the name has; -1: nobody answered. */
static int count_srv(const char *name)
{
	unsigned char answer[NS_MAXMSG];
	ns_msg msg;
	ns_rr rr;
	int len, i, n = 0;

	len = res_query(name, ns_c_in, ns_t_srv, answer, sizeof(answer));
	if (len < 0)
		return h_errno == HOST_NOT_FOUND || h_errno == NO_DATA ? 0
								       : -1;
	if (len > (int)sizeof(answer) || ns_initparse(answer, len, &msg))
		return -1;
	for (i = 0; i < ns_msg_count(msg, ns_s_an); i++)
		if (ns_parserr(&msg, ns_s_an, i, &rr) == 0 &&
		    ns_rr_type(rr) == ns_t_srv)
			n++;
	return n;
}

/* The site's own servers, which the whole domain's stand in for. */
static void check_site(struct doc *d, bool needed)
{
	const char *site = d->config->domain.site;
	const char *from = "configured";
	char name[512];
	int n;

	if (!site[0] && d->daemon && d->daemon->sync) {
		site = ctl_string(d->daemon->sync, "site");
		from = ctl_string(d->daemon->sync, "site_from");
	}
	if (!needed || !*site)
		return;
	snprintf(name, sizeof(name), "_ldap._tcp.%s._sites.dc._msdcs.%s.",
		 site, d->config->domain.name);
	n = count_srv(name);
	if (n > 0)
		doc_say(d, DOC_OK, "", "DNS: %d servers of the site %s (%s)",
			n, site, from);
	else
		doc_say(d, DOC_WARNING,
			"the domain's others are used; see site in "
			"dssync.conf(5)",
			n < 0 ? "DNS: nobody answers for the site %s (%s)"
			      : "DNS: there are no servers of the site %s "
				"(%s)",
			site, from);
}

void doc_check_dns(struct doc *d)
{
	static const char *const services[] = { "_ldap._tcp.dc._msdcs",
						"_kerberos._tcp" };
	bool needed = d->config && !d->config->domain.servers[0];
	char name[512];
	size_t i;
	int n;

	if (!d->config)
		return;
	if (res_init() == 0) {
		_res.retrans = 2; /* seconds */
		_res.retry = 2;
	}
	for (i = 0; i < sizeof(services) / sizeof(*services); i++) {
		snprintf(name, sizeof(name), "%s.%s.", services[i],
			 d->config->domain.name);
		n = count_srv(name);
		if (n > 0)
			doc_say(d, DOC_OK, "", "DNS: %d servers for %s", n,
				name);
		else
			doc_say(
			    d, needed ? DOC_PROBLEM : DOC_WARNING,
			    "let /etc/resolv.conf name the managed "
			    "domain's DNS servers, or set [domain] servers",
			    n < 0 ? "DNS: nobody answers for %s"
				  : "DNS: there are no servers for %s",
			    name);
	}
	check_site(d, needed);
}

/* ---- the keytab
 * -------------------------------------------------------------- */

void doc_check_keytab(struct doc *d, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0) {
		doc_say(d, DOC_PROBLEM,
			errno == ENOENT ? "join the domain: 'adcli join'" : "",
			"keytab %s: %s", path, strerror(errno));
		return;
	}
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		doc_say(d, DOC_PROBLEM, "join the domain again",
			"keytab %s: no keys in it", path);
	else if (st.st_uid != 0 || (st.st_mode & 077))
		doc_say(d, DOC_PROBLEM,
			"chown root:root and chmod 600; who could read it "
			"can be this host, so join again",
			"keytab %s: others than root may read it (mode %03o, "
			"uid %u)",
			path, (unsigned)st.st_mode & 0777,
			(unsigned)st.st_uid);
	else
		doc_say(d, DOC_OK, "", "keytab %s is root's alone", path);
}

/* ---- the daemon's word
 * --------------------------------------------------------- */

static void check_child(struct doc *d, const char *name)
{
	const json_t *child = json_object_get(d->daemon->monitor, name);

	if (!json_is_true(json_object_get(child, "running")))
		doc_say(d, DOC_PROBLEM,
			"read the log of synccached; it is started again by "
			"itself",
			"dssync-%s does not run", name);
}

static void check_keys(struct doc *d)
{
	const char *monitor = ctl_string(d->daemon->monitor, "keytab_problem");
	const char *problem =
	    *monitor ? monitor : ctl_string(d->daemon->auth, "keytab_problem");

	if (*problem)
		doc_say(d, DOC_PROBLEM, "join again, or 'adcli update'",
			"host key: %s", problem);
	else if (*ctl_string(d->daemon->auth, "principal"))
		doc_say(d, DOC_OK, "", "host key: %s, version %jd",
			ctl_string(d->daemon->auth, "principal"),
			(intmax_t)ctl_number(d->daemon->auth, "kvno"));
	else
		doc_say(d, DOC_WARNING, "ask again in a second",
			"host key: dssync-auth has not said a word yet");
}

#define CLOCK_MOST 300 /* seconds that Kerberos allows (MS-KILE 3.1.5) */
#define CLOCK_ADVICE                                                          \
	"set this host's clock by the domain's (chrony, "                     \
	"systemd-timesyncd)"

/* The KDC's clock against ours, as the last exchange has shown it. */
static void check_clock(struct doc *d)
{
	const json_t *clock = json_object_get(d->daemon->auth, "clock");
	intmax_t seconds = (intmax_t)json_integer_value(clock);

	if (!json_is_integer(clock))
		return;
	if (seconds > CLOCK_MOST || seconds < -CLOCK_MOST)
		doc_say(
		    d, DOC_PROBLEM, CLOCK_ADVICE,
		    "clock: the domain's is %+jd seconds from this host's, "
		    "Kerberos allows %d",
		    seconds, CLOCK_MOST);
	else
		doc_say(d,
			seconds > CLOCK_MOST / 5 || seconds < -CLOCK_MOST / 5
			    ? DOC_WARNING
			    : DOC_OK,
			"",
			"clock: the domain's is %+jd seconds from this "
			"host's",
			seconds);
}

/* The daemon's own word for what the last error was about. */
static void check_trouble(struct doc *d)
{
	const char *trouble = ctl_string(d->daemon->auth, "trouble");
	const char *error = d->host && d->host->result == DS_AUTH_DENIED
				? d->host->why
				: ctl_string(d->daemon->auth, "last_error");

	if (strcmp(trouble, "clock") == 0)
		doc_say(d, DOC_PROBLEM, CLOCK_ADVICE,
			"clock: it differs by more than 5 minutes from the "
			"domain's: %s",
			error);
	else if (strcmp(trouble, "key") == 0)
		doc_say(d, DOC_PROBLEM,
			"compare 'klist -k' with the computer account's "
			"msDS-KeyVersionNumber; join again",
			"host key: the domain has another than the keytab: %s",
			error);
}

static void check_sync(struct doc *d, int64_t now)
{
	const json_t *sync = d->daemon->sync;
	const char *server = ctl_string(sync, "server");
	const char *error = ctl_string(sync, "last_error");
	int64_t last = ctl_number(sync, "last_pull");
	int64_t late =
	    d->config ? (int64_t)d->config->sync.interval * 10 : 300;
	char when[64];

	if (*error)
		doc_say(d, DOC_PROBLEM, "", "domain controller: %s", error);
	if (*server && !*error)
		doc_say(d, DOC_OK, "",
			"domain controller %s proved itself, over %s", server,
			ctl_string(sync, "transport"));
	ctl_when(last, when, sizeof(when));
	if (last == 0)
		doc_say(d, DOC_PROBLEM, "",
			"nothing was synchronized since "
			"synccached started");
	else if (now - last > (late > 300 ? late : 300))
		doc_say(d, DOC_WARNING, "'dssyncctl sync --wait' says more",
			"the last synchronization was %s", when);
	else
		doc_say(d, DOC_OK, "", "last synchronization %s", when);
}

/* What a KDC says now, if it was not said already. */
static void check_kdc(struct doc *d)
{
	const json_t *auth = d->daemon->auth;
	bool key = strcmp(ctl_string(auth, "trouble"), "key") == 0;

	if (d->host->result == DS_AUTH_OK)
		doc_say(d, DOC_OK, "",
			"KDC: it answers, and knows this host by its key");
	else if (!*ctl_string(auth, "keytab_problem") &&
		 !(key && d->host->result == DS_AUTH_DENIED))
		doc_say(d, DOC_PROBLEM, "", "KDC: %s", d->host->why);
}

static void check_auth(struct doc *d, int64_t now)
{
	const json_t *auth = d->daemon->auth;
	const char *error = ctl_string(auth, "last_error");
	const char *doubted;
	size_t at = 0;

	while ((doubted = ctl_doubted(auth, now, &at)) != NULL)
		doc_say(d, DOC_WARNING, "is it a domain controller?",
			"KDC: %s answers, and has not proven to be one of "
			"the domain; it is asked last",
			doubted);
	check_clock(d);
	check_trouble(d);
	if (d->host)
		check_kdc(d);
	if (*error) /* the last one, which may be long ago */
		doc_say(d, DOC_WARNING, "'dssyncctl auth-test NAME' tries now",
			"KDC: the last failed check: %s", error);
	else if (!d->host)
		doc_say(d, DOC_OK, "",
			"KDC: every check got its answer so far");
}

void doc_check_daemon(struct doc *d, int64_t now)
{
	if (!d->daemon) {
		if (geteuid() != 0)
			doc_say(d, DOC_WARNING, "run it as root",
				"synccached was not asked: only root may");
		else
			doc_say(d, DOC_PROBLEM,
				"systemctl enable --now synccached",
				"synccached does not run: nothing is "
				"synchronized, no password is checked");
		return;
	}
	check_child(d, "sync");
	check_child(d, "auth");
	check_keys(d);
	check_sync(d, now);
	check_auth(d, now);
}

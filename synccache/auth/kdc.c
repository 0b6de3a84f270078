/*
 * Which KDC is asked, and which next.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/kdc.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <resolv.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/srv.h"
#include "lib/wire.h"
#include "synccache/auth/kdctcp.h"

#define KDC_PORT        88
#define CONNECT_MS      2000
#define ANSWER_MS       5000
#define LAST_MS         8000 /* SYN after 0, 1, 3 and 7 s */
#define ALL_MS          16000
#define SHARES          3   /* of the time in a hurry; one is a KDC's */
#define HURRY_SECONDS   1   /* for such a question then */
#define LEFT_MS         50  /* less is not worth a connection */
#define PASSES          5   /* over busy ones, */
#define PAUSE_MS        100 /* 200, 400, 800 and 1600 apart */
#define RESOLVE_SECONDS 2   /* for one question to one name server */
#define ROUNDS_MAX      16  /* of one exchange; a KDC has no end of errors */

void dsa_kdc_init(struct dsa_kdc *kdc, const struct ds_config *config,
		  const char *realm, const char *site, const char *near)
{
	*kdc = (struct dsa_kdc){ .config = config,
				 .realm = realm,
				 .site = site,
				 .port = KDC_PORT,
				 .connect_ms = CONNECT_MS,
				 .answer_ms = ANSWER_MS,
				 .last_ms = LAST_MS,
				 .deadline = ds_now_ms() + ALL_MS };
	(void)snprintf(kdc->near, sizeof(kdc->near), "%s", near);
	kdc->proven = near[0] != '\0';
	kdc->patience = kdc->deadline;
}

void dsa_kdc_until(struct dsa_kdc *kdc, int64_t end_ms)
{
	if (kdc->deadline > end_ms)
		kdc->deadline = end_ms;
	if (kdc->patience > end_ms)
		kdc->patience = end_ms;
}

void dsa_kdc_hurry(struct dsa_kdc *kdc, int ms)
{
	int64_t end_ms = ds_now_ms() + ms;

	if (kdc->deadline > end_ms)
		kdc->deadline = end_ms;
	kdc->share_ms = ms / SHARES;
}

enum dsa_kdc_word dsa_kdc_word(const struct dsa_kdc *kdc, krb5_error_code code)
{
	if (kdc->answered || code == 0)
		return DSA_KDC_ANSWERED;
	return code == KRB5_KDC_UNREACH || code == KRB5_REALM_UNKNOWN
		   ? DSA_KDC_SILENT
		   : DSA_KDC_UNASKED;
}

const char *dsa_kdc_address(const struct dsa_kdc *kdc)
{
	return kdc->answered ? kdc->near : "";
}

void dsa_kdc_prove(struct dsa_kdc *kdc, bool proven)
{
	kdc->proven = proven && kdc->near[0] != '\0';
}

bool dsa_kdc_is_doubtful(const struct dsa_kdc *kdc)
{
	return kdc->answered && kdc->near[0] != '\0' && !kdc->proven;
}

struct dsa_found dsa_kdc_found(const struct dsa_kdc *kdc)
{
	struct dsa_found found = kdc->found;

	if (kdc->answered && kdc->proven)
		memcpy(found.kdc, kdc->near, sizeof(found.kdc));
	return found;
}

/* ---- where they are ---- */

static void add_host(struct dsa_kdc *kdc, const char *host)
{
	if (kdc->count < DSA_KDCS_MAX && strlen(host) < sizeof(kdc->host[0])) {
		(void)snprintf(kdc->host[kdc->count], sizeof(kdc->host[0]),
			       "%s", host);
		kdc->count++;
	}
}

/* Every domain controller is a KDC (MS-ADTS 6.3.2.3). */
static int find(struct dsa_kdc *kdc)
{
	struct ds_srv list[DS_SRV_MAX];
	size_t count = 0;
	int err = 0;

	if (kdc->count > 0)
		return 0;
	/* This process asks few questions and has little time. */
	if (res_init() == 0) {
		_res.retrans =
		    kdc->share_ms > 0 ? HURRY_SECONDS : RESOLVE_SECONDS;
		_res.retry = 1;
	}
	for (ds_strv s = kdc->config->domain.servers; *s != NULL; s++)
		add_host(kdc, *s);
	if (kdc->count == 0)
		err = ds_srv_lookup(kdc->config->domain.name, kdc->site, list,
				    &count);
	for (size_t i = 0; err == 0 && i < count; i++)
		add_host(kdc, list[i].host);
	return err;
}

/* ---- one of them ---- */

static int64_t within(const struct dsa_kdc *kdc, int ms)
{
	int64_t end = ds_now_ms() + ms;

	return end < kdc->deadline ? end : kdc->deadline;
}

static bool is_passed(const struct dsa_kdc *kdc, const char *address)
{
	for (size_t i = 0; i < kdc->passed_count; i++)
		if (strcmp(address, kdc->passed[i]) == 0)
			return true;
	return kdc->count > 1 && strcmp(address, kdc->failed) == 0;
}

static bool is_doubted(const struct dsa_kdc *kdc, const char *address)
{
	/* What it was before this worker had its proof. */
	return kdc->doubts != NULL && strcmp(address, kdc->near) != 0 &&
	       dsa_doubts_has(kdc->doubts, ds_now_ms(), address);
}

/*
 * Any of a name's addresses; 0 or an errno, ENOENT if none is to be asked
 * now.  One that has just failed is passed over, if there is anything else.
 * *ret_address is "" for one that cannot be written in it.
 */
static int connect_host(const struct dsa_kdc *kdc, const char *host,
			int timeout_ms,
			char ret_address[DSA_KDC_ADDRESS_MAX + 1], int *ret_fd)
{
	char address[DSA_KDC_ADDRESS_MAX + 1];
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags =
					    AI_ADDRCONFIG | AI_NUMERICSERV };
	struct addrinfo *list = NULL;
	char service[8];
	int error = ENOENT;

	(void)snprintf(service, sizeof(service), "%u",
		       (unsigned int)kdc->port);
	if (getaddrinfo(host, service, &hints, &list) != 0)
		return EHOSTUNREACH;
	for (const struct addrinfo *ai = list; ai != NULL; ai = ai->ai_next) {
		if (getnameinfo(ai->ai_addr, ai->ai_addrlen, address,
				sizeof(address), NULL, 0, NI_NUMERICHOST) != 0)
			address[0] = '\0';
		if (address[0] != '\0' && is_passed(kdc, address))
			continue;
		if (is_doubted(kdc, address) != kdc->late)
			continue;
		error = dsa_tcp_connect(ai, within(kdc, timeout_ms), ret_fd);
		if (error == 0) {
			memcpy(ret_address, address, sizeof(address));
			break;
		}
	}
	freeaddrinfo(list);
	return error;
}

/*
 * A KDC that starts, or has lost its database, and has looked at nothing
 * (RFC 4120 7.5.9, KDC_ERR_SVC_UNAVAILABLE).
 */
static bool says_unavailable(krb5_context ctx, const krb5_data *reply)
{
	krb5_error *error = NULL;
	bool is;

	if (krb5_rd_error(ctx, reply, &error) != 0)
		return false;
	is = error->error ==
	     KRB5KDC_ERR_SVC_UNAVAILABLE - ERROR_TABLE_BASE_krb5;
	krb5_free_error(ctx, error);
	return is;
}

static int in_share(const struct dsa_kdc *kdc, int ms)
{
	return kdc->share_ms > 0 && ms > kdc->share_ms ? kdc->share_ms : ms;
}

/* *ret_sent: it may have the request. */
static int ask(struct dsa_kdc *kdc, krb5_context ctx, const char *host,
	       bool last, const krb5_data *request, bool *ret_sent,
	       krb5_data *ret_reply)
{
	char address[DSA_KDC_ADDRESS_MAX + 1];
	int connect_ms = last ? kdc->last_ms : in_share(kdc, kdc->connect_ms);
	int fd = -1, error = connect_host(kdc, host, connect_ms, address, &fd);
	int64_t deadline;

	*ret_sent = false;
	if (error != 0)
		return error;
	*ret_sent = true;
	/* Where no other is asked there is nothing to hurry for. */
	deadline = last || kdc->once
		       ? kdc->deadline
		       : within(kdc, in_share(kdc, kdc->answer_ms));
	error = dsa_tcp_send(fd, request, deadline);
	if (error == 0)
		error = dsa_tcp_recv(fd, deadline, ret_reply);
	(void)close(fd);
	if (error == 0 && says_unavailable(ctx, ret_reply)) {
		krb5_free_data_contents(ctx, ret_reply);
		return EAGAIN;
	}
	if (error == 0) {
		if (strcmp(kdc->near, address) != 0)
			kdc->proven = false;
		memcpy(kdc->near, address, sizeof(kdc->near));
		kdc->failed[0] = '\0';
		kdc->answered = true;
		kdc->deadline = kdc->patience;
		kdc->share_ms = 0;
	}
	return error;
}

/* ---- all of them ---- */

enum outcome { ANSWERED, AWAY, BUSY, PERHAPS };

/*
 * A connection that a KDC drops without a word tells of one with too much to
 * do; it has read nothing, or it would have answered.  One that was open
 * until the time was over may have.
 */
static enum outcome outcome_of(int error, bool sent)
{
	if (error == 0)
		return ANSWERED;
	if (error == ECONNRESET || error == EPIPE || error == EAGAIN)
		return BUSY;
	return sent ? PERHAPS : AWAY;
}

/* From the one that answered last on; why is a phrase, if none does. */
static enum outcome ask_list(struct dsa_kdc *kdc, krb5_context ctx,
			     const krb5_data *request, krb5_data *ret_reply,
			     char *why, size_t why_cap)
{
	bool busy = false;

	for (size_t i = 0;
	     i < kdc->count && kdc->deadline - ds_now_ms() > LEFT_MS; i++) {
		size_t at = (kdc->current + i) % kdc->count;
		bool sent;
		int error = ask(kdc, ctx, kdc->host[at], i == kdc->count - 1,
				request, &sent, ret_reply);
		enum outcome outcome = outcome_of(error, sent);

		if (outcome == ANSWERED)
			kdc->current = at;
		else if (error != ENOENT)
			(void)snprintf(why, why_cap, "%s: %s", kdc->host[at],
				       strerror(error));
		if (outcome == ANSWERED || (outcome == PERHAPS && kdc->once))
			return outcome;
		busy = busy || outcome == BUSY;
	}
	return busy ? BUSY : AWAY;
}

/*
 * Those that proved nothing lately come after all others, and after all passes
 * over others that are busy.
 */
static enum outcome ask_all(struct dsa_kdc *kdc, krb5_context ctx, bool again,
			    const krb5_data *request, krb5_data *ret_reply,
			    char *why, size_t why_cap)
{
	enum outcome first =
	    ask_list(kdc, ctx, request, ret_reply, why, why_cap);
	enum outcome late;

	if (first == ANSWERED || first == PERHAPS ||
	    (first == BUSY && again) || kdc->doubts == NULL)
		return first;
	kdc->late = true;
	late = ask_list(kdc, ctx, request, ret_reply, why, why_cap);
	kdc->late = false;
	return late == AWAY ? first : late;
}

/* The one that answered last; the list comes after it. */
static enum outcome ask_near(struct dsa_kdc *kdc, krb5_context ctx,
			     const krb5_data *request, krb5_data *ret_reply,
			     char *why, size_t why_cap)
{
	char near[DSA_KDC_ADDRESS_MAX + 1];
	enum outcome outcome;
	bool sent;
	int error;

	memcpy(near, kdc->near, sizeof(near));
	error = ask(kdc, ctx, near, false, request, &sent, ret_reply);
	outcome = outcome_of(error, sent);
	if (outcome == ANSWERED)
		return outcome;
	(void)snprintf(why, why_cap, "%s: %s", near, strerror(error));
	kdc->near[0] = '\0';
	kdc->proven = false;
	if (outcome != BUSY) /* which may be so for a moment only */
		memcpy(kdc->failed, near, sizeof(near));
	return outcome;
}

krb5_error_code dsa_kdc_send(struct dsa_kdc *kdc, krb5_context ctx,
			     const krb5_data *request, bool once,
			     krb5_data *ret_reply)
{
	enum outcome outcome = BUSY;
	char why[512] = "no time is left";

	kdc->once = once;
	if (kdc->near[0] != '\0')
		outcome =
		    ask_near(kdc, ctx, request, ret_reply, why, sizeof(why));
	if (outcome == ANSWERED)
		return 0;
	if (outcome == PERHAPS && once)
		goto unreachable;
	if (find(kdc) != 0 || kdc->count == 0) {
		krb5_set_error_message(ctx, KRB5_REALM_UNKNOWN,
				       "DNS names no domain controller of %s",
				       kdc->config->domain.name);
		return KRB5_REALM_UNKNOWN;
	}
	for (int i = 0; i < PASSES && (i == 0 || outcome == BUSY); i++) {
		if (i > 0)
			(void)poll(NULL, 0, PAUSE_MS << i);
		outcome = ask_all(kdc, ctx, i < PASSES - 1, request, ret_reply,
				  why, sizeof(why));
	}
	if (outcome == ANSWERED)
		return 0;
unreachable:
	krb5_set_error_message(ctx, KRB5_KDC_UNREACH,
			       "no KDC answers; the last one asked: %s", why);
	return KRB5_KDC_UNREACH;
}

/* What a step asks for; another realm is none of ours. */
static krb5_error_code talk(struct dsa_kdc *kdc, krb5_context ctx,
			    krb5_data *out, krb5_data *realm, bool once,
			    krb5_data *ret_in)
{
	krb5_error_code code;

	if (realm->length != strlen(kdc->realm) ||
	    memcmp(realm->data, kdc->realm, realm->length) != 0)
		code = KRB5KDC_ERR_WRONG_REALM;
	else
		code = dsa_kdc_send(kdc, ctx, out, once, ret_in);
	krb5_free_data_contents(ctx, out);
	krb5_free_data_contents(ctx, realm);
	return code;
}

krb5_error_code dsa_kdc_as(struct dsa_kdc *kdc, krb5_context ctx,
			   krb5_init_creds_context icc, const bool *once)
{
	krb5_data in = { 0 }, out, realm;
	krb5_error_code code;

	for (int i = 0; i < ROUNDS_MAX; i++) {
		unsigned int flags = 0;

		out = realm = (krb5_data){ 0 };
		code =
		    krb5_init_creds_step(ctx, icc, &in, &out, &realm, &flags);
		krb5_free_data_contents(ctx, &in);
		in = (krb5_data){ 0 };
		if (code != 0 || !(flags & KRB5_INIT_CREDS_STEP_FLAG_CONTINUE))
			return code;
		code = talk(kdc, ctx, &out, &realm, *once, &in);
		if (code != 0)
			return code;
	}
	krb5_free_data_contents(ctx, &in);
	return KRB5_GET_IN_TKT_LOOP;
}

static krb5_error_code tgs_steps(struct dsa_kdc *kdc, krb5_context ctx,
				 krb5_tkt_creds_context tcc)
{
	krb5_data in = { 0 }, out, realm;
	krb5_error_code code;

	for (int i = 0; i < ROUNDS_MAX; i++) {
		unsigned int flags = 0;

		out = realm = (krb5_data){ 0 };
		code =
		    krb5_tkt_creds_step(ctx, tcc, &in, &out, &realm, &flags);
		krb5_free_data_contents(ctx, &in);
		in = (krb5_data){ 0 };
		if (code != 0 || !(flags & KRB5_TKT_CREDS_STEP_FLAG_CONTINUE))
			return code;
		code = talk(kdc, ctx, &out, &realm, false, &in);
		if (code != 0)
			return code;
	}
	krb5_free_data_contents(ctx, &in);
	return KRB5_GET_IN_TKT_LOOP;
}

krb5_error_code dsa_kdc_tgs(struct dsa_kdc *kdc, krb5_context ctx,
			    krb5_ccache cc, krb5_creds *want,
			    krb5_creds *ret_creds)
{
	krb5_tkt_creds_context tcc = NULL;
	krb5_error_code code =
	    krb5_tkt_creds_init(ctx, cc, want, KRB5_GC_NO_STORE, &tcc);

	if (code == 0)
		code = tgs_steps(kdc, ctx, tcc);
	if (code == 0)
		code = krb5_tkt_creds_get_creds(ctx, tcc, ret_creds);
	krb5_tkt_creds_free(ctx, tcc);
	return code;
}

static bool is_away(krb5_error_code code)
{
	return code == KRB5_KDC_UNREACH || code == KRB5_REALM_UNKNOWN;
}

/* Not the one that answered last again; false: there is no other. */
static bool pass_on(struct dsa_kdc *kdc)
{
	if (kdc->near[0] == '\0' || kdc->passed_count == DSA_KDCS_MAX)
		return false;
	memcpy(kdc->passed[kdc->passed_count++], kdc->near, sizeof(kdc->near));
	kdc->near[0] = '\0';
	kdc->proven = false;
	return true;
}

bool dsa_kdc_elsewhere(struct dsa_kdc *kdc, krb5_error_code unknown,
		       krb5_error_code now, krb5_error_code *code)
{
	if (*code == unknown && is_away(now))
		return false;
	*code = now;
	return now == unknown && pass_on(kdc);
}

static void doubt(struct dsa_kdc *kdc, const char *address)
{
	struct dsa_found *found = &kdc->found;

	if (address[0] != '\0' && found->failed_count < DSA_KDCS_MAX)
		memcpy(found->failed[found->failed_count++], address,
		       sizeof(kdc->near));
}

bool dsa_kdc_unproven(struct dsa_kdc *kdc, krb5_error_code now,
		      krb5_error_code *code)
{
	if (*code != 0 && is_away(now))
		return false;
	*code = now;
	if (is_away(now) && kdc->answered) /* and then said nothing more */
		doubt(kdc, kdc->failed);
	if (now == 0 || is_away(now) || !kdc->answered || kdc->near[0] == '\0')
		return false;
	doubt(kdc, kdc->near);
	return pass_on(kdc);
}

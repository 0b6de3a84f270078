/*
 * Talking to KDCs: over TCP, each step with a deadline, one KDC after the
 * other.  krb5's own way waits 18 s for a dead one.  Blocks; in a worker.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_KDC_H
#define DSA_KDC_H

#include <krb5.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/config.h"
#include "synccache/auth/found.h"

struct dsa_kdc {
	/* Where they are: config.domain.servers, or what DNS says, asked when
	 * the first is needed. */
	const struct ds_config *config;
	const char *realm, *site;
	char host[DSA_KDCS_MAX][256];
	size_t count;
	size_t current; /* where the list begins: at one that answered */
	/* The address that answered last, here or another worker, is asked
	 * first: without a name server.  "": none has. */
	char near[DSA_KDC_ADDRESS_MAX + 1];
	char failed[DSA_KDC_ADDRESS_MAX + 1]; /* what was `near` */
	bool proven; /* `near` has shown that it has the domain's keys */
	const struct dsa_doubts *doubts; /* asked last; NULL: nobody */
	bool late;                       /* it is their turn */
	struct dsa_found found;          /* .failed alone; dsa_kdc_found() */
	/* What does not know the host yet, or proved nothing, and is not
	 * asked again. */
	char passed[DSA_KDCS_MAX][DSA_KDC_ADDRESS_MAX + 1];
	size_t passed_count;
	uint16_t port;
	/* For one KDC while there are others; a busy one drops connections
	 * and is slow, so that the last one gets last_ms to connect, and all
	 * that is left to answer. */
	int connect_ms, answer_ms, last_ms;
	int share_ms; /* no longer for one; 0: there is no hurry */
	bool answered;
	bool once;        /* the request in hand goes to no second one */
	int64_t deadline; /* for all of it; ds_now_ms() */
	int64_t patience; /* what it becomes with the first answer */
};

/* What an exchange has shown about the KDCs. */
enum dsa_kdc_word {
	DSA_KDC_UNASKED = 0, /* nothing */
	DSA_KDC_ANSWERED = 1,
	DSA_KDC_SILENT = 2, /* none could be reached, or none answered */
};

/*
 * The clock starts here.  config, realm and site (the host's, or "") are
 * borrowed; near: what a KDC's address was that proved itself to another
 * worker, or "".  Doubts are the caller's to set.
 */
void dsa_kdc_init(struct dsa_kdc *kdc, const struct ds_config *config,
		  const char *realm, const char *site, const char *near);
/* The numeric address that answered last, "" if none has. */
const char *dsa_kdc_address(const struct dsa_kdc *kdc);
/* `near` has just shown that it has the domain's keys, or not. */
void dsa_kdc_prove(struct dsa_kdc *kdc, bool proven);
/* It has answered, and nothing has shown yet that it is a KDC. */
bool dsa_kdc_is_doubtful(const struct dsa_kdc *kdc);
/* What is to be kept for other workers. */
struct dsa_found dsa_kdc_found(const struct dsa_kdc *kdc);
/* All ends at `end_ms` at the latest, ds_now_ms(). */
void dsa_kdc_until(struct dsa_kdc *kdc, int64_t end_ms);
/*
 * None answered a moment ago: waits so long for the first answer, and of that
 * a part for each but the last KDC.
 */
void dsa_kdc_hurry(struct dsa_kdc *kdc, int ms);
/*
 * After an exchange that ended with `code`.  Any answer, whatever it says, is
 * one; a failure that has nothing to do with KDCs shows nothing.
 */
enum dsa_kdc_word dsa_kdc_word(const struct dsa_kdc *kdc,
			       krb5_error_code code);

/*
 * One request, one answer (RFC 4120 7.2.2).  The next KDC is asked if one
 * does not answer, unless `once` and it may have the request: a wrong password
 * must not be counted twice.  One that drops connections, or says that it
 * can do nothing now (KDC_ERR_SVC_UNAVAILABLE, which is no answer), is asked
 * again.
 * KRB5_KDC_UNREACH or KRB5_REALM_UNKNOWN, with krb5's message for it.
 * *ret_reply is freed by krb5_free_data_contents().
 */
krb5_error_code dsa_kdc_send(struct dsa_kdc *kdc, krb5_context ctx,
			     const krb5_data *request, bool once,
			     krb5_data *ret_reply);

/* krb5_init_creds_get() this way; *once is looked at before each request. */
krb5_error_code dsa_kdc_as(struct dsa_kdc *kdc, krb5_context ctx,
			   krb5_init_creds_context icc, const bool *once);
/* krb5_get_credentials() without storing; the caller frees the contents. */
krb5_error_code dsa_kdc_tgs(struct dsa_kdc *kdc, krb5_context ctx,
			    krb5_ccache cc, krb5_creds *want,
			    krb5_creds *ret_creds);

/*
 * Domain controllers hear of each other's changes late, and one may not know
 * yet a host that has just joined.  After an exchange about the host that
 * ended with `now`: true if that is `unknown`, and it is to be tried again,
 * because there may be a KDC that was not asked yet.  *code, 0 before the
 * first time, is what the exchange has come to: `now`, unless that says only
 * that no other KDC could be reached.  Never for a user's own exchange.
 */
bool dsa_kdc_elsewhere(struct dsa_kdc *kdc, krb5_error_code unknown,
		       krb5_error_code now, krb5_error_code *code);
/*
 * Likewise after an exchange with the host's own key, in which only what that
 * key opens is an answer: any failure leads to the next KDC, and the one that
 * it came from is doubted.
 */
bool dsa_kdc_unproven(struct dsa_kdc *kdc, krb5_error_code now,
		      krb5_error_code *code);

#endif

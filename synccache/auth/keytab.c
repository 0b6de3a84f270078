/*
 * From a keytab in a memory file to the keys that are needed of it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/keytab.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "synccache/auth/krb.h"

/* What a keytab has that this realm could use. */
struct scan {
	krb5_principal computer; /* owned; NULL: none yet */
	bool other_realm, any, weak;
	unsigned int kvno;
	size_t added;
};

void dsa_keytab_init(struct dsa_keytab *keytab, krb5_context ctx)
{
	*keytab = (struct dsa_keytab){
		.ctx = ctx,
		.state = "waiting",
		.problem = "the monitor has not handed over a keytab yet"
	};
}

static void forget_keys(struct dsa_keytab *keytab)
{
	if (keytab->kt != NULL) /* the last handle: krb5 wipes the keys */
		(void)krb5_kt_close(keytab->ctx, keytab->kt);
	keytab->kt = NULL;
	keytab->principal[0] = '\0';
	keytab->kvno = 0;
	keytab->serial++;
}

void dsa_keytab_done(struct dsa_keytab *keytab)
{
	forget_keys(keytab);
}

static int fail(struct dsa_keytab *keytab, const char *state, int err,
		const char *fmt, ...) DS_PRINTF(4, 5);
static int fail(struct dsa_keytab *keytab, const char *state, int err,
		const char *fmt, ...)
{
	va_list ap;

	forget_keys(keytab);
	keytab->state = state;
	va_start(ap, fmt);
	(void)vsnprintf(keytab->problem, sizeof(keytab->problem), fmt, ap);
	va_end(ap);
	return err;
}

void dsa_keytab_fail(struct dsa_keytab *keytab, int err, const char *problem)
{
	const char *state = err == DS_ERR_NOTFOUND ? "missing"
			    : err == DS_ERR_UNSAFE ? "unsafe"
						   : "wrong";

	(void)fail(keytab, state, err, "%s",
		   problem[0] != '\0' ? problem : ds_strerror(err));
}

/*
 * A file of our own with the same bytes: krb5 opens it by its name in /proc,
 * and the mode of the one that was handed over is not ours to open again.
 */
static int private_copy(int from)
{
	char buf[4096];
	size_t total = 0;
	ssize_t n;
	int fd = memfd_create("keytab", MFD_CLOEXEC);

	if (fd < 0)
		return DS_ERR_SYS;
	while ((n = pread(from, buf, sizeof(buf), (off_t)total)) > 0) {
		total += (size_t)n;
		if (total > DSA_KEYTAB_BYTES_MAX ||
		    write(fd, buf, (size_t)n) != n)
			break;
	}
	explicit_bzero(buf, sizeof(buf));
	if (n != 0) {
		(void)close(fd);
		return n > 0 ? DS_ERR_LIMIT : DS_ERR_SYS;
	}
	return fd;
}

static bool is_aes(krb5_enctype enctype)
{
	krb5_enctype *list;
	size_t count = dsa_krb_etypes(&list);

	while (count > 0)
		if (list[--count] == enctype)
			return true;
	return false;
}

static bool is_computer(krb5_const_principal p)
{
	return p->length == 1 && p->data[0].length > 1 &&
	       p->data[0].data[p->data[0].length - 1] == '$';
}

/* Adds one entry to keytab->kt if it is one that is wanted. */
static krb5_error_code take_entry(struct dsa_keytab *keytab, const char *realm,
				  krb5_keytab_entry *entry, struct scan *scan)
{
	krb5_const_principal p = entry->principal;
	krb5_error_code code;

	scan->any = true;
	if (p->realm.length != strlen(realm) ||
	    memcmp(p->realm.data, realm, p->realm.length) != 0) {
		scan->other_realm = true;
		return 0;
	}
	if (!is_computer(p) ||
	    (scan->computer != NULL &&
	     !krb5_principal_compare(keytab->ctx, scan->computer, p)))
		return 0;
	if (!is_aes(entry->key.enctype)) {
		scan->weak = true;
		return 0;
	}
	if (scan->computer == NULL) {
		code = krb5_copy_principal(keytab->ctx, p, &scan->computer);
		if (code != 0)
			return code;
	}
	code = krb5_kt_add_entry(keytab->ctx, keytab->kt, entry);
	if (code == 0)
		scan->added++;
	if (entry->vno > scan->kvno)
		scan->kvno = entry->vno;
	return code;
}

static krb5_error_code take_entries(struct dsa_keytab *keytab,
				    krb5_keytab from, const char *realm,
				    struct scan *scan)
{
	krb5_context ctx = keytab->ctx;
	krb5_kt_cursor cursor;
	krb5_keytab_entry entry;
	krb5_error_code code, next;

	code = krb5_kt_start_seq_get(ctx, from, &cursor);
	if (code != 0)
		return code;
	while ((next = krb5_kt_next_entry(ctx, from, &entry, &cursor)) == 0) {
		code = take_entry(keytab, realm, &entry, scan);
		(void)krb5_free_keytab_entry_contents(ctx, &entry);
		if (code != 0)
			break;
	}
	(void)krb5_kt_end_seq_get(ctx, from, &cursor);
	if (code == 0 && next != KRB5_KT_END)
		code = next;
	return code;
}

/* Names what is wrong with a keytab that had nothing for us. */
static int fail_empty(struct dsa_keytab *keytab, const char *realm,
		      const struct scan *scan)
{
	if (!scan->any)
		return fail(keytab, "wrong", DS_ERR_NOTFOUND,
			    "the keytab has no entries");
	if (scan->weak)
		return fail(keytab, "wrong", DS_ERR_NOTFOUND,
			    "the keytab has no AES keys for the computer "
			    "account; join again, or run adcli update");
	if (scan->other_realm)
		return fail(keytab, "wrong", DS_ERR_NOTFOUND,
			    "the keytab has no computer principal (NAME$) of "
			    "the realm %s, but entries of another realm",
			    realm);
	return fail(keytab, "wrong", DS_ERR_NOTFOUND,
		    "the keytab has no computer principal (NAME$) of the "
		    "realm %s",
		    realm);
}

/* Fills keytab->kt, which is new and empty, from the file. */
static int fill(struct dsa_keytab *keytab, krb5_keytab from, const char *realm)
{
	struct scan scan = { 0 };
	krb5_error_code code;
	char *name = NULL, text[256];
	int r = 0;

	code = take_entries(keytab, from, realm, &scan);
	if (code == 0 && scan.added > 0)
		code = krb5_unparse_name(keytab->ctx, scan.computer, &name);
	if (code != 0)
		r = fail(keytab, "wrong", DS_ERR_FORMAT,
			 "the keytab cannot be read: %s",
			 dsa_krb_text(keytab->ctx, code, text, sizeof(text)));
	else if (scan.added == 0)
		r = fail_empty(keytab, realm, &scan);
	else if (strlen(name) >= sizeof(keytab->principal))
		r = fail(keytab, "wrong", DS_ERR_LIMIT,
			 "the keytab's principal is too long");
	if (r == 0) {
		memcpy(keytab->principal, name, strlen(name) + 1);
		keytab->kvno = scan.kvno;
		keytab->state = "ok";
		keytab->problem[0] = '\0';
	}
	krb5_free_unparsed_name(keytab->ctx, name);
	krb5_free_principal(keytab->ctx, scan.computer);
	return r;
}

int dsa_keytab_load(struct dsa_keytab *keytab, int fd, const char *realm)
{
	char path[64];
	krb5_keytab from = NULL;
	krb5_error_code code;
	int r, copy;

	forget_keys(keytab);
	copy = private_copy(fd);
	if (copy < 0)
		return fail(keytab, "wrong", copy,
			    "the keytab cannot be read: %s",
			    ds_strerror(copy));
	(void)snprintf(path, sizeof(path), "FILE:/proc/self/fd/%d", copy);
	(void)snprintf(keytab->name, sizeof(keytab->name), "MEMORY:dsa.%u",
		       keytab->serial);
	code = krb5_kt_resolve(keytab->ctx, path, &from);
	if (code == 0)
		code = krb5_kt_resolve(keytab->ctx, keytab->name, &keytab->kt);
	if (code != 0)
		r = fail(keytab, "wrong", DS_ERR_NOMEM, "out of memory");
	else
		r = fill(keytab, from, realm);
	if (from != NULL)
		(void)krb5_kt_close(keytab->ctx, from);
	(void)close(copy);
	return r;
}

/*
 * MIT krb5 localauth plugin: which local account is a Kerberos client of the
 * mirrored domain (GSSAPI single sign-on)?  Both questions are answered from
 * the snapshot that only root writes: no network, no state between calls.
 *
 * Clients of other realms are left to other modules.  Clients of our realm are
 * ours alone: what the mirror does not map is nobody, so that no rule of
 * krb5.conf makes a local account of a name that the directory chose (the
 * ticket of a machine `root$` may say root@REALM).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <krb5/localauth_plugin.h>

#include "lib/passwd.h"
#include "lib/resolve.h"
#include "lib/snapshot.h"

/* Seams of the unit tests. */
#ifndef DSK_SNAPSHOT
#define DSK_SNAPSHOT DS_PUBLIC_SNAP
#define DSK_OWNER    0
#endif

/* Without a snapshot nobody knows the range; local accounts are below. */
#define ID_FLOOR 200000u

#define DSK_PUBLIC __attribute__((visibility("default")))

/* The initvt function's name is its declaration (localauth_plugin.h). */
DSK_PUBLIC krb5_error_code localauth_dssync_initvt(krb5_context context,
						   int maj_ver, int min_ver,
						   krb5_plugin_vtable vtable);

/* ---- the client ----------------------------------------------------------
 */

/* The realm is the domain's DNS name in ASCII capitals. */
static bool realm_is_ours(const struct ds_snap *snap, const krb5_data *realm)
{
	const char *domain = snap->stamp.domain;
	size_t len = strlen(domain), i;

	if (len == 0 || realm->length != len)
		return false;
	for (i = 0; i < len; i++) {
		char c = domain[i];

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 'a' + 'A');
		if (realm->data[i] != c)
			return false;
	}
	return true;
}

/*
 * The one component of a person's principal.  An enterprise name or an alias
 * (other types) is not what the KDC calls the client, and nobody here guesses.
 */
static bool client_sam(krb5_const_principal client, char *sam, size_t cap)
{
	const krb5_data *name;

	if (client->length != 1 || (client->type != KRB5_NT_PRINCIPAL &&
				    client->type != KRB5_NT_UNKNOWN))
		return false;
	name = &client->data[0];
	if (name->length == 0 || name->length >= cap ||
	    memchr(name->data, '\0', name->length))
		return false;
	memcpy(sam, name->data, name->length);
	sam[name->length] = '\0';
	/* '$' at the end: a machine, which nobody logs in as. */
	return ds_sam_ok(sam) && sam[name->length - 1] != '$';
}

static int find_client(const struct ds_snap *snap, krb5_const_principal client,
		       struct ds_snap_user *ret_user)
{
	char sam[DS_NAME_MAX + 1];
	struct ds_snap_user user;
	int r;

	if (!realm_is_ours(snap, &client->realm) ||
	    !client_sam(client, sam, sizeof(sam)))
		return DS_ERR_NOTFOUND;
	r = ds_resolve_client(snap, sam, &user);
	if (r == 0 && !ds_snap_id_ok(snap, user.uid))
		r = DS_ERR_NOTFOUND;
	if (r == 0)
		*ret_user = user;
	return r;
}

/* ---- the account ---------------------------------------------------------
 */

static bool is_disabled(const struct ds_snap *snap,
			const struct ds_snap_user *user)
{
	struct ds_snap_identity id;

	return ds_snap_user_identity(snap, user->index, &id) != 0 ||
	       (id.flags & DS_ID_DISABLED) != 0;
}

/*
 * May the client be the account `account`, which passwd says is in our range?
 * Only if the typed name, the uid and the client are one object.
 */
static bool same_object(const struct ds_snap *snap,
			krb5_const_principal client, const char *account,
			uid_t uid)
{
	struct ds_snap_user owner, user;

	return ds_resolve_user(snap, account, &owner) == 0 &&
	       find_client(snap, client, &user) == 0 &&
	       user.index == owner.index && user.uid == uid &&
	       !is_disabled(snap, &user);
}

/* ---- the vtable ----------------------------------------------------------
 */

/* EPERM refuses for all modules: no ~/.k5login lets another client in. */
static krb5_error_code userok(krb5_context context,
			      krb5_localauth_moddata data,
			      krb5_const_principal client, const char *account)
{
	krb5_error_code code = KRB5_PLUGIN_NO_HANDLE;
	struct ds_snap snap;
	uid_t uid;
	int r;

	(void)context;
	(void)data;
	/* A local account of that name is noticed by its uid. */
	r = ds_passwd_uid(account, &uid);
	if (r)
		return r == DS_ERR_NOTFOUND ? KRB5_PLUGIN_NO_HANDLE : EPERM;
	if (ds_snap_open(DSK_SNAPSHOT, DS_SNAP_BASE, DSK_OWNER, &snap) != 0)
		return uid < ID_FLOOR ? KRB5_PLUGIN_NO_HANDLE : EPERM;
	if (ds_snap_id_ok(&snap, uid))
		code = same_object(&snap, client, account, uid) ? 0 : EPERM;
	ds_snap_close(&snap);
	return code;
}

/* KRB5_LNAME_NOTRANS lets other modules answer; any other code ends it. */
static krb5_error_code an2ln(krb5_context context, krb5_localauth_moddata data,
			     const char *type, const char *residual,
			     krb5_const_principal client, char **ret_name)
{
	krb5_error_code code = KRB5_LNAME_NOTRANS;
	struct ds_snap_user user;
	struct ds_snap snap;
	char *name;
	uid_t uid;

	(void)context;
	(void)data;
	(void)type;
	(void)residual;
	if (ds_snap_open(DSK_SNAPSHOT, DS_SNAP_BASE, DSK_OWNER, &snap) != 0)
		return KRB5_LNAME_CANTOPEN;
	if (!realm_is_ours(&snap, &client->realm))
		goto out;
	code = KRB5_NO_LOCALNAME;
	if (find_client(&snap, client, &user) != 0 ||
	    ds_passwd_uid(user.blob, &uid) != 0 || uid != user.uid)
		goto out;
	name = strdup(user.blob);
	code = name ? 0 : ENOMEM;
	if (name)
		*ret_name = name;
out:
	ds_snap_close(&snap);
	return code;
}

static void free_string(krb5_context context, krb5_localauth_moddata data,
			char *str)
{
	(void)context;
	(void)data;
	free(str);
}

krb5_error_code localauth_dssync_initvt(krb5_context context, int maj_ver,
					int min_ver, krb5_plugin_vtable vtable)
{
	krb5_localauth_vtable vt = (krb5_localauth_vtable)vtable;

	(void)context;
	(void)min_ver;
	if (maj_ver != 1)
		return KRB5_PLUGIN_VER_NOTSUPP;
	vt->name = "dssync";
	vt->userok = userok;
	vt->an2ln = an2ln;
	vt->free_string = free_string;
	return 0;
}

/*
 * Ticket caches to bytes and back.
 *
 * krb5 has no call that writes a cache to a descriptor, so that half is here;
 * reading is left to krb5, over a memory file's name in /proc.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/ccfile.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define CCFILE_VERSION 0x0504

static void put_be16(struct ds_writer *w, uint16_t v)
{
	ds_put_u8(w, (uint8_t)(v >> 8));
	ds_put_u8(w, (uint8_t)v);
}

static void put_be32(struct ds_writer *w, uint32_t v)
{
	put_be16(w, (uint16_t)(v >> 16));
	put_be16(w, (uint16_t)v);
}

static void put_data(struct ds_writer *w, const krb5_data *data)
{
	put_be32(w, data->length);
	ds_put_bytes(w, data->data, data->length);
}

static void put_octets(struct ds_writer *w, const krb5_octet *p,
		       unsigned int len)
{
	put_be32(w, len);
	ds_put_bytes(w, p, len);
}

static void put_principal(struct ds_writer *w, krb5_const_principal p)
{
	put_be32(w, (uint32_t)p->type);
	put_be32(w, (uint32_t)p->length);
	put_data(w, &p->realm);
	for (krb5_int32 i = 0; i < p->length; i++)
		put_data(w, &p->data[i]);
}

static void put_addresses(struct ds_writer *w, krb5_address *const *list)
{
	uint32_t count = 0;

	while (list != NULL && list[count] != NULL)
		count++;
	put_be32(w, count);
	for (uint32_t i = 0; i < count; i++) {
		put_be16(w, (uint16_t)list[i]->addrtype);
		put_octets(w, list[i]->contents, list[i]->length);
	}
}

static void put_authdata(struct ds_writer *w, krb5_authdata *const *list)
{
	uint32_t count = 0;

	while (list != NULL && list[count] != NULL)
		count++;
	put_be32(w, count);
	for (uint32_t i = 0; i < count; i++) {
		put_be16(w, (uint16_t)list[i]->ad_type);
		put_octets(w, list[i]->contents, list[i]->length);
	}
}

static void put_times(struct ds_writer *w, const krb5_ticket_times *times)
{
	put_be32(w, (uint32_t)times->authtime);
	put_be32(w, (uint32_t)times->starttime);
	put_be32(w, (uint32_t)times->endtime);
	put_be32(w, (uint32_t)times->renew_till);
}

void dsa_ccfile_put(struct ds_writer *w, const krb5_creds *cred,
		    krb5_const_principal server)
{
	put_be16(w, CCFILE_VERSION);
	put_be16(w, 0); /* no header fields: the clocks agree */
	put_principal(w, cred->client);

	put_principal(w, cred->client);
	put_principal(w, server != NULL ? server : cred->server);
	put_be16(w, (uint16_t)cred->keyblock.enctype);
	put_octets(w, cred->keyblock.contents, cred->keyblock.length);
	put_times(w, &cred->times);
	ds_put_u8(w, cred->is_skey ? 1 : 0);
	put_be32(w, (uint32_t)cred->ticket_flags);
	put_addresses(w, cred->addresses);
	put_authdata(w, cred->authdata);
	put_data(w, &cred->ticket);
	put_data(w, &cred->second_ticket);
}

krb5_error_code dsa_ccfile_open(krb5_context ctx, const void *p, size_t len,
				krb5_ccache *ret_cc, int *ret_fd)
{
	char name[64];
	krb5_error_code code;
	int fd = memfd_create("ccache", MFD_CLOEXEC);

	if (fd < 0)
		return KRB5_CC_IO;
	if (write(fd, p, len) != (ssize_t)len) {
		(void)close(fd);
		return KRB5_CC_IO;
	}
	(void)snprintf(name, sizeof(name), "FILE:/proc/self/fd/%d", fd);
	code = krb5_cc_resolve(ctx, name, ret_cc);
	if (code != 0)
		(void)close(fd);
	else
		*ret_fd = fd;
	return code;
}

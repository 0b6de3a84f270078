/*
 * The record of a verifier, and the KDF behind it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/verifier.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#include "lib/buf.h"
#include "synccache/auth/secret.h"

#define CODE_LEN   32
#define BODY_LEN   (DSA_BLOCK_LEN - CODE_LEN)
#define LOG_N_MIN  10
#define LOG_N_MAX  17
#define R_MAX      16
#define P_MAX      4
#define MAGIC_LEN  8
#define HMAC_PARTS 3
/* OpenSSL asks for a little more than 128 N r. */
#define KDF_SLACK (1u << 20)

static const char verifier_magic[MAGIC_LEN] = { 'D', 'S', 'S', 'Y',
						'N', 'C', 'V', '1' };
static const char tries_magic[MAGIC_LEN] = { 'D', 'S', 'S', 'Y',
					     'N', 'C', 'T', '1' };
/* Each with its NUL, so that no label is the start of another. */
static const char password_label[] = "dssync offline 1 password";
static const char block_label[] = "dssync offline 1 block";

/* ---- HMAC-SHA-256 ---- */

struct part {
	const void *p;
	size_t len;
};

static int hmac(const uint8_t key[DSA_HOST_KEY_LEN],
		const struct part part[HMAC_PARTS], uint8_t ret[CODE_LEN])
{
	char digest[] = "SHA256";
	const OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest,
						 0),
		OSSL_PARAM_construct_end(),
	};
	EVP_MAC *mac = EVP_MAC_fetch(NULL, OSSL_MAC_NAME_HMAC, NULL);
	EVP_MAC_CTX *ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
	size_t len = 0;
	bool ok = ctx != NULL &&
		  EVP_MAC_init(ctx, key, DSA_HOST_KEY_LEN, params) == 1;

	for (int i = 0; ok && i < HMAC_PARTS; i++)
		ok = EVP_MAC_update(ctx, part[i].p, part[i].len) == 1;
	ok = ok && EVP_MAC_final(ctx, ret, &len, CODE_LEN) == 1 &&
	     len == CODE_LEN;
	EVP_MAC_CTX_free(ctx); /* wipes the key */
	EVP_MAC_free(mac);
	return ok ? 0 : DS_ERR_NOMEM;
}

static int block_code(const uint8_t block[DSA_BLOCK_LEN],
		      const uint8_t key[DSA_HOST_KEY_LEN],
		      uint8_t ret[CODE_LEN])
{
	const struct part parts[HMAC_PARTS] = {
		{ block_label, sizeof(block_label) },
		{ block, BODY_LEN },
		{ "", 0 },
	};

	return hmac(key, parts, ret);
}

int dsa_block_seal(uint8_t block[DSA_BLOCK_LEN],
		   const uint8_t key[DSA_HOST_KEY_LEN])
{
	return block_code(block, key, block + BODY_LEN);
}

int dsa_block_check(const uint8_t block[DSA_BLOCK_LEN],
		    const uint8_t key[DSA_HOST_KEY_LEN])
{
	uint8_t code[CODE_LEN];
	int r = block_code(block, key, code);

	if (r != 0)
		return r;
	return CRYPTO_memcmp(code, block + BODY_LEN, CODE_LEN) == 0
		   ? 0
		   : DS_ERR_DENIED;
}

/* ---- the blocks ---- */

/* What follows the fields, up to the code, is zero. */
static int end_of_block(const struct ds_reader *r, const char *head,
			const char *magic)
{
	if (r->err != 0 || r->len < CODE_LEN ||
	    memcmp(head, magic, MAGIC_LEN) != 0)
		return DS_ERR_FORMAT;
	for (size_t i = 0; i < r->len - CODE_LEN; i++)
		if (r->p[i] != 0)
			return DS_ERR_FORMAT;
	return 0;
}

static bool kdf_in_bounds(const struct dsa_verifier *v)
{
	return v->log_n >= LOG_N_MIN && v->log_n <= LOG_N_MAX && v->r >= 1 &&
	       v->r <= R_MAX && v->p >= 1 && v->p <= P_MAX;
}

int dsa_verifier_parse(const uint8_t *block, size_t len,
		       struct dsa_verifier *ret_verifier)
{
	struct dsa_verifier v;
	struct ds_reader r;
	char head[MAGIC_LEN];

	ds_reader_init(&r, block, len);
	ds_get_bytes(&r, head, sizeof(head));
	ds_get_bytes(&r, v.guid.b, DS_GUID_LEN);
	v.log_n = ds_get_u32(&r);
	v.r = ds_get_u32(&r);
	v.p = ds_get_u32(&r);
	ds_get_bytes(&r, v.salt, sizeof(v.salt));
	ds_get_bytes(&r, v.check, sizeof(v.check));
	v.made_ms = ds_get_u64(&r);
	v.made_real = (int64_t)ds_get_u64(&r);
	v.pwd_last_set = ds_get_u64(&r);
	ds_get_bytes(&r, v.clock_id, sizeof(v.clock_id));
	if (len != DSA_BLOCK_LEN || end_of_block(&r, head, verifier_magic) ||
	    !kdf_in_bounds(&v))
		return DS_ERR_FORMAT;
	*ret_verifier = v;
	return 0;
}

int dsa_verifier_seal(const struct dsa_verifier *v,
		      const uint8_t key[DSA_HOST_KEY_LEN],
		      uint8_t ret_block[DSA_BLOCK_LEN])
{
	struct ds_writer w;

	memset(ret_block, 0, DSA_BLOCK_LEN);
	ds_writer_init(&w, ret_block, BODY_LEN);
	ds_put_bytes(&w, verifier_magic, MAGIC_LEN);
	ds_put_bytes(&w, v->guid.b, DS_GUID_LEN);
	ds_put_u32(&w, v->log_n);
	ds_put_u32(&w, v->r);
	ds_put_u32(&w, v->p);
	ds_put_bytes(&w, v->salt, sizeof(v->salt));
	ds_put_bytes(&w, v->check, sizeof(v->check));
	ds_put_u64(&w, v->made_ms);
	ds_put_u64(&w, (uint64_t)v->made_real);
	ds_put_u64(&w, v->pwd_last_set);
	ds_put_bytes(&w, v->clock_id, sizeof(v->clock_id));
	return dsa_block_seal(ret_block, key);
}

int dsa_tries_parse(const uint8_t *block, size_t len,
		    struct dsa_tries *ret_tries)
{
	struct dsa_tries t;
	struct ds_reader r;
	char head[MAGIC_LEN];

	ds_reader_init(&r, block, len);
	ds_get_bytes(&r, head, sizeof(head));
	ds_get_bytes(&r, t.salt, sizeof(t.salt));
	t.count = ds_get_u32(&r);
	ds_get_bytes(&r, t.boot_id, sizeof(t.boot_id));
	t.boot_ms = ds_get_u64(&r);
	if (len != DSA_BLOCK_LEN || end_of_block(&r, head, tries_magic))
		return DS_ERR_FORMAT;
	*ret_tries = t;
	return 0;
}

int dsa_tries_seal(const struct dsa_tries *t,
		   const uint8_t key[DSA_HOST_KEY_LEN],
		   uint8_t ret_block[DSA_BLOCK_LEN])
{
	struct ds_writer w;

	memset(ret_block, 0, DSA_BLOCK_LEN);
	ds_writer_init(&w, ret_block, BODY_LEN);
	ds_put_bytes(&w, tries_magic, MAGIC_LEN);
	ds_put_bytes(&w, t->salt, sizeof(t->salt));
	ds_put_u32(&w, t->count);
	ds_put_bytes(&w, t->boot_id, sizeof(t->boot_id));
	ds_put_u64(&w, t->boot_ms);
	return dsa_block_seal(ret_block, key);
}

int dsa_verifier_open(const uint8_t block[DSA_BLOCK_LEN],
		      const uint8_t key[DSA_HOST_KEY_LEN],
		      struct dsa_verifier *ret_verifier)
{
	int r = dsa_block_check(block, key);

	return r != 0 ? r
		      : dsa_verifier_parse(block, DSA_BLOCK_LEN, ret_verifier);
}

int dsa_tries_open(const uint8_t block[DSA_BLOCK_LEN],
		   const uint8_t key[DSA_HOST_KEY_LEN],
		   struct dsa_tries *ret_tries)
{
	int r = dsa_block_check(block, key);

	return r != 0 ? r : dsa_tries_parse(block, DSA_BLOCK_LEN, ret_tries);
}

/* ---- the password ---- */

int dsa_verifier_key(const uint8_t host[DSA_HOST_KEY_LEN],
		     const struct ds_guid *guid, const char *password,
		     uint8_t ret_key[DSA_CHECK_LEN])
{
	const struct part parts[HMAC_PARTS] = {
		{ password_label, sizeof(password_label) },
		{ guid->b, DS_GUID_LEN },
		{ password, strlen(password) },
	};

	return hmac(host, parts, ret_key);
}

static int kdf(const uint8_t key[DSA_CHECK_LEN], const struct dsa_verifier *v,
	       uint8_t ret_check[DSA_CHECK_LEN])
{
	uint8_t secret[DSA_CHECK_LEN], salt[DSA_SALT_LEN];
	uint64_t n = (uint64_t)1 << v->log_n;
	uint32_t r = v->r, p = v->p;
	uint64_t room = 128 * n * r + KDF_SLACK;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PASSWORD,
						  secret, sizeof(secret)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt,
						  sizeof(salt)),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_N, &n),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_R, &r),
		OSSL_PARAM_construct_uint32(OSSL_KDF_PARAM_SCRYPT_P, &p),
		OSSL_PARAM_construct_uint64(OSSL_KDF_PARAM_SCRYPT_MAXMEM,
					    &room),
		OSSL_PARAM_construct_end(),
	};
	EVP_KDF *fetched = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_SCRYPT, NULL);
	EVP_KDF_CTX *ctx = fetched != NULL ? EVP_KDF_CTX_new(fetched) : NULL;
	int ok = 0;

	memcpy(secret, key, sizeof(secret));
	memcpy(salt, v->salt, sizeof(salt));
	if (ctx != NULL)
		ok = EVP_KDF_derive(ctx, ret_check, DSA_CHECK_LEN, params);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(fetched);
	explicit_bzero(secret, sizeof(secret));
	return ok == 1 ? 0 : DS_ERR_NOMEM;
}

int dsa_verifier_make(const uint8_t key[DSA_CHECK_LEN],
		      struct dsa_verifier *verifier)
{
	int r = dsa_random(verifier->salt, sizeof(verifier->salt));

	verifier->log_n = DSA_KDF_LOG_N;
	verifier->r = DSA_KDF_R;
	verifier->p = DSA_KDF_P;
	return r != 0 ? r : kdf(key, verifier, verifier->check);
}

int dsa_verifier_check(const uint8_t key[DSA_CHECK_LEN],
		       const struct dsa_verifier *verifier)
{
	uint8_t check[DSA_CHECK_LEN];
	int r = kdf(key, verifier, check);

	if (r == 0 &&
	    CRYPTO_memcmp(check, verifier->check, sizeof(check)) != 0)
		r = DS_ERR_DENIED;
	explicit_bzero(check, sizeof(check));
	return r;
}

int dsa_verifier_warm(void)
{
	static const uint8_t host[DSA_HOST_KEY_LEN];
	const struct ds_guid guid = { { 0 } };
	struct dsa_verifier v = { .log_n = 1, .r = 1, .p = 1 };
	uint8_t key[DSA_CHECK_LEN];
	int r = dsa_verifier_key(host, &guid, "", key);

	return r != 0 ? r : kdf(key, &v, v.check);
}

/*
 * Verifiers: what is kept of a password that the domain has just accepted, so
 * that the same password can be told from another one while no KDC answers.
 *
 *     key   = HMAC-SHA-256(host key, "dssync offline 1 password" 00 GUID
 *             password)
 *     check = scrypt(key, salt, N, r, p), 32 bytes       (RFC 7914)
 *
 * Which attack each part stops:
 * - the host key, 32 random bytes that never leave the host: without it the
 *   record of a backup, or of another host, is nothing to guess at;
 * - the object's GUID: a record moved to another account's name is no record
 *   of that account, whatever both passwords are;
 * - the salt: equal passwords leave unequal records;
 * - scrypt, about 100 ms and 32 MiB a guess: who has the host key as well
 *   still guesses slowly.  N, r and p are stored, so that records outlive a
 *   change of what is thought to be enough, and bounded when read;
 * - a code over every stored byte, keyed like the rest: a record that was
 *   written half, or edited to live longer, is none.
 *
 * The record is DSA_RECORD_LEN bytes, two blocks of DSA_BLOCK_LEN, integers
 * little-endian.  Unused bytes are zero; each block ends in
 * HMAC-SHA-256(host key, "dssync offline 1 block" 00 and all bytes before).
 *
 *     verifier: "DSSYNCV1"  GUID(16)  u32 log2 N  u32 r  u32 p  salt(16)
 *               check(32)  u64 made, milliseconds of the house clock
 *               u64 made, seconds since 1970  u64 pwdLastSet as the mirror
 *               had it (FILETIME)  house clock's id(16)
 *     tries:    "DSSYNCT1"  salt(16) of the verifier  u32 tries since a
 *               password was right  boot id(16) and u64 CLOCK_BOOTTIME in
 *               milliseconds of the last one
 *
 * The verifier is written once; a new one replaces the file.  Tries are
 * written in place: no room is needed, so a full disk stops no count, and a
 * block is a sector, so that one is there whole or does not pass its code.
 *
 * This is the only file with a cryptographic library in it.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_VERIFIER_H
#define DSA_VERIFIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/guid.h"
#include "synccache/auth/houseclock.h"

#define DSA_HOST_KEY_LEN 32
#define DSA_SALT_LEN     16
#define DSA_CHECK_LEN    32
#define DSA_BLOCK_LEN    512
#define DSA_RECORD_LEN   (2 * DSA_BLOCK_LEN)

/* What new verifiers have; tests build this with less. */
#ifndef DSA_KDF_LOG_N
#define DSA_KDF_LOG_N 15
#endif
#define DSA_KDF_R 8
#define DSA_KDF_P 1

struct dsa_verifier {
	struct ds_guid guid;
	uint32_t log_n, r, p;
	uint8_t salt[DSA_SALT_LEN];
	uint8_t check[DSA_CHECK_LEN];
	uint64_t made_ms; /* of the house clock */
	int64_t
	    made_real; /* by the KDC's clock, since the epoch; 0: unknown */
	uint64_t pwd_last_set; /* FILETIME; the mirror's when it was made */
	uint8_t clock_id[DSA_CLOCK_ID_LEN];
};

struct dsa_tries {
	uint8_t salt[DSA_SALT_LEN]; /* of the verifier that they are for */
	uint32_t count;
	uint8_t boot_id[DSA_BOOT_ID_LEN]; /* of the last one */
	uint64_t boot_ms;
};

/*
 * From bytes: pure, any bytes will do.  DS_ERR_FORMAT: not DSA_BLOCK_LEN
 * bytes, another magic, bytes that should be zero, or parameters out of
 * bounds (2^10 to 2^17, r 1 to 16, p 1 to 4: at most 256 MiB).  Says nothing
 * about the code.
 */
DS_MUST_CHECK int dsa_verifier_parse(const uint8_t *block, size_t len,
				     struct dsa_verifier *ret_verifier);
DS_MUST_CHECK int dsa_tries_parse(const uint8_t *block, size_t len,
				  struct dsa_tries *ret_tries);

/*
 * The same with the code checked first: DS_ERR_DENIED if it is not the host
 * key's, DS_ERR_NOMEM.
 */
DS_MUST_CHECK int dsa_verifier_open(const uint8_t block[DSA_BLOCK_LEN],
				    const uint8_t key[DSA_HOST_KEY_LEN],
				    struct dsa_verifier *ret_verifier);
DS_MUST_CHECK int dsa_tries_open(const uint8_t block[DSA_BLOCK_LEN],
				 const uint8_t key[DSA_HOST_KEY_LEN],
				 struct dsa_tries *ret_tries);

/* To bytes, with their code.  DS_ERR_NOMEM. */
DS_MUST_CHECK int dsa_verifier_seal(const struct dsa_verifier *verifier,
				    const uint8_t key[DSA_HOST_KEY_LEN],
				    uint8_t ret_block[DSA_BLOCK_LEN]);
DS_MUST_CHECK int dsa_tries_seal(const struct dsa_tries *tries,
				 const uint8_t key[DSA_HOST_KEY_LEN],
				 uint8_t ret_block[DSA_BLOCK_LEN]);
/* And any other block of this family: adds the code to what is there. */
DS_MUST_CHECK int dsa_block_seal(uint8_t block[DSA_BLOCK_LEN],
				 const uint8_t key[DSA_HOST_KEY_LEN]);
DS_MUST_CHECK int dsa_block_check(const uint8_t block[DSA_BLOCK_LEN],
				  const uint8_t key[DSA_HOST_KEY_LEN]);

/*
 * The password in the one form that is kept until a KDF can run; takes
 * microseconds.  The result is as secret as the password.
 */
DS_MUST_CHECK int dsa_verifier_key(const uint8_t host[DSA_HOST_KEY_LEN],
				   const struct ds_guid *guid,
				   const char *password,
				   uint8_t ret_key[DSA_CHECK_LEN]);

/*
 * The KDF: in a worker only.  Fills in a new salt, parameters and check.
 * DS_ERR_SYS: no randomness; DS_ERR_NOMEM: the KDF did not get its memory.
 */
DS_MUST_CHECK int dsa_verifier_make(const uint8_t key[DSA_CHECK_LEN],
				    struct dsa_verifier *verifier);
/* 0: it is that password; DS_ERR_DENIED: another; DS_ERR_NOMEM. */
DS_MUST_CHECK int dsa_verifier_check(const uint8_t key[DSA_CHECK_LEN],
				     const struct dsa_verifier *verifier);

/*
 * Has the library load what the above needs, so that each forked worker does
 * not have to.  DS_ERR_NOMEM: it has no HMAC, SHA-256 or scrypt.
 */
DS_MUST_CHECK int dsa_verifier_warm(void);

#endif

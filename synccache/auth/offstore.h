/*
 * The folder of verifiers, /var/lib/dssync/auth/offline: 0700 dssync-auth's.
 *
 *     GUID.verifier  a record (verifier.h); at most DSA_VERIFIERS_MAX, the one
 *                    used longest ago makes room
 *     host.key       32 random bytes, made once; new ones make every record
 *                    worthless
 *     clock          the house clock
 *     lock           held to add or remove records; holds a counter that grows
 *                    when records are dropped, so that a login that was under
 *                    way then leaves none behind
 *     slot.N         held while a KDF runs, one a processor
 *
 * Files are replaced by writing a new one, syncing it, and renaming it; a
 * crash leaves the old or the new one.  Every file is opened below the
 * folder's descriptor without following links, and has to be a plain file of
 * this user's with one name and nobody else's to read, of the right size: else
 * it is refused (DS_ERR_UNSAFE, DS_ERR_FORMAT), whoever put it there.
 *
 * All of this may block on the disk, and some on a lock: only workers call
 * it, and the main process before it serves anybody (and for the clock, which
 * is not synced).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#ifndef DSA_OFFSTORE_H
#define DSA_OFFSTORE_H

#include "synccache/auth/datasync.h"
#include "synccache/auth/secret.h"
#include "synccache/auth/verifier.h"

#ifndef DSA_VERIFIERS_MAX /* tests have fewer */
#define DSA_VERIFIERS_MAX 1024
#endif

/*
 * Opens the folder, and makes it if `create`.  DS_ERR_NOTFOUND, DS_ERR_UNSAFE
 * (another's, or open to others), DS_ERR_SYS.  The caller closes *ret_dir.
 */
DS_MUST_CHECK int dsa_store_open(const char *path, bool create, int *ret_dir);
/*
 * Removes all that is in the folder, and the folder; 0 if there is none.
 * DS_ERR_UNSAFE, as above, and nothing is touched; DS_ERR_SYS (errno): not
 * all is gone.
 */
DS_MUST_CHECK int dsa_store_remove(const char *path);

/* Reads the host key or makes one; to be freed. */
DS_MUST_CHECK int dsa_store_key(int dir, struct dsa_secret *ret_key);

DS_MUST_CHECK int dsa_store_read_clock(int dir,
				       const uint8_t key[DSA_HOST_KEY_LEN],
				       struct dsa_clock *ret_clock);
DS_MUST_CHECK int dsa_store_write_clock(int dir,
					const uint8_t key[DSA_HOST_KEY_LEN],
					const struct dsa_clock *clock);

/*
 * Waits for one of `slots` slots until end_ms, ds_now_ms(); closing *ret_fd
 * frees it.  DS_ERR_TIMEOUT: none was free in time.
 */
DS_MUST_CHECK int dsa_store_slot(int dir, unsigned int slots, int64_t end_ms,
				 int *ret_fd);

/* The counter of the lock, to be given to dsa_store_keep() later. */
DS_MUST_CHECK int dsa_store_epoch(int dir, uint64_t *ret_epoch);

/* A record, locked against other checks until it is closed. */
struct dsa_record {
	int fd;
	struct dsa_verifier verifier;
	struct dsa_tries tries;
	struct dsa_datasync sync; /* of the count; not moved meanwhile */
};
/*
 * Waits for who has it until end_ms, ds_now_ms(): DS_ERR_TIMEOUT.
 * DS_ERR_NOTFOUND: there is none; DS_ERR_DENIED: not this host's, or damaged.
 */
DS_MUST_CHECK int dsa_record_open(int dir, const struct ds_guid *guid,
				  const uint8_t key[DSA_HOST_KEY_LEN],
				  int64_t end_ms,
				  struct dsa_record *ret_record);
/*
 * Writes record->tries in place, and has them brought to the disk: the disk
 * works while the caller does.  Once a record.
 */
DS_MUST_CHECK int dsa_record_count(struct dsa_record *record,
				   const uint8_t key[DSA_HOST_KEY_LEN]);
/* Waits until they are there, and says whether they are. */
DS_MUST_CHECK int dsa_record_settle(struct dsa_record *record);
/* A password was right: no tries, unless another verifier has come. */
void dsa_record_forgive(struct dsa_record *record,
			const uint8_t key[DSA_HOST_KEY_LEN]);
void dsa_record_close(struct dsa_record *record);

/*
 * Adds or replaces a record without tries.  DS_ERR_CONFLICT: records were
 * dropped since `epoch`, perhaps this one.
 */
DS_MUST_CHECK int dsa_store_keep(int dir, uint64_t epoch,
				 const uint8_t key[DSA_HOST_KEY_LEN],
				 const struct dsa_verifier *verifier);
/* Of one object, or (NULL) all.  How many there were. */
DS_MUST_CHECK int dsa_store_drop(int dir, const struct ds_guid *guid,
				 uint32_t *ret_count);
/* All that `wanted` does not want, and what a crash left half-written. */
DS_MUST_CHECK int dsa_store_sweep(int dir,
				  bool (*wanted)(const struct ds_guid *guid,
						 const void *arg),
				  const void *arg, uint32_t *ret_count);
/* How many records there are. */
uint32_t dsa_store_count(int dir);

#endif

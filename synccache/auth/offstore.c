/*
 * Verifiers on disk: the folder and its single files.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "config.h"

#include "synccache/auth/offstore.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/wire.h"

#define KEY_FILE     "host.key"
#define CLOCK_FILE   "clock"
#define LOCK_FILE    "lock"
#define NEW_PREFIX   "new."
#define SUFFIX       ".verifier"
#define NAME_MAX_    (DS_GUID_STR_MAX + sizeof(SUFFIX))
#define EPOCH_LEN    8
#define ENTRIES_MAX  (2 * DSA_VERIFIERS_MAX + 256) /* of a folder in order */
#define REPLACED     8 /* times that a file may be while it is opened */
#define LOCK_POLL_MS 10

/* ---- files ---- */

static bool is_private(const struct stat *st, mode_t type)
{
	return (st->st_mode & S_IFMT) == type && st->st_uid == geteuid() &&
	       (st->st_mode & 077) == 0;
}

int dsa_store_open(const char *path, bool create, int *ret_dir)
{
	struct stat st;
	int dir;

	if (create && mkdir(path, 0700) != 0 && errno != EEXIST)
		return DS_ERR_SYS;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir < 0)
		return errno == ENOENT                      ? DS_ERR_NOTFOUND
		       : errno == ELOOP || errno == ENOTDIR ? DS_ERR_UNSAFE
							    : DS_ERR_SYS;
	if (fstat(dir, &st) != 0 || !is_private(&st, S_IFDIR)) {
		(void)close(dir);
		return DS_ERR_UNSAFE;
	}
	*ret_dir = dir;
	return 0;
}

/* One of ours, or nothing; size < 0: any. */
static int open_file(int dir, const char *name, int flags, off_t size,
		     int *ret_fd)
{
	struct stat st;
	int fd = openat(dir, name, flags | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
			0600);

	if (fd < 0)
		return errno == ENOENT  ? DS_ERR_NOTFOUND
		       : errno == ELOOP ? DS_ERR_UNSAFE
					: DS_ERR_SYS;
	if (fstat(fd, &st) != 0 || !is_private(&st, S_IFREG) ||
	    st.st_nlink > 1) {
		(void)close(fd);
		return DS_ERR_UNSAFE;
	}
	if (size >= 0 && st.st_size != size) {
		(void)close(fd);
		return DS_ERR_FORMAT;
	}
	*ret_fd = fd;
	return 0;
}

static int read_file(int dir, const char *name, void *buf, size_t len)
{
	int fd, r = open_file(dir, name, O_RDONLY, (off_t)len, &fd);

	if (r != 0)
		return r;
	if (pread(fd, buf, len, 0) != (ssize_t)len)
		r = DS_ERR_SYS;
	(void)close(fd);
	return r;
}

/* The old file or the whole new one, whatever happens. */
static int replace_file(int dir, const char *name, const void *buf, size_t len)
{
	char fresh[sizeof(NEW_PREFIX) + NAME_MAX_];
	int fd, r = DS_ERR_SYS;

	(void)snprintf(fresh, sizeof(fresh), NEW_PREFIX "%s", name);
	(void)unlinkat(dir, fresh, 0);
	fd =
	    openat(dir, fresh,
		   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return DS_ERR_SYS;
	if (write(fd, buf, len) == (ssize_t)len && fsync(fd) == 0)
		r = 0;
	(void)close(fd);
	if (r == 0 && renameat(dir, fresh, dir, name) != 0)
		r = DS_ERR_SYS;
	if (r == 0 && fsync(dir) != 0)
		r = DS_ERR_SYS;
	if (r != 0)
		(void)unlinkat(dir, fresh, 0);
	return r;
}

static int lock_folder(int dir, int *ret_fd)
{
	int fd, r = open_file(dir, LOCK_FILE, O_RDWR | O_CREAT, -1, &fd);

	if (r != 0)
		return r;
	while (flock(fd, LOCK_EX) != 0)
		if (errno != EINTR) {
			(void)close(fd);
			return DS_ERR_SYS;
		}
	*ret_fd = fd;
	return 0;
}

/*
 * flock(2) waits for ever.  Whoever is killed gives its locks away; one that
 * runs has them for a KDF, beside which looking now and then is nothing.
 */
static int lock_until(int fd, int64_t end_ms)
{
	while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return DS_ERR_SYS;
		if (ds_now_ms() >= end_ms)
			return DS_ERR_TIMEOUT;
		(void)poll(NULL, 0, LOCK_POLL_MS);
	}
	return 0;
}

/* ---- names ---- */

static char *record_name(const struct ds_guid *guid, char name[NAME_MAX_])
{
	(void)ds_guid_to_str(guid, name);
	memcpy(name + DS_GUID_STR_MAX - 1, SUFFIX, sizeof(SUFFIX));
	return name;
}

static bool is_record(const char *name, struct ds_guid *ret_guid)
{
	char text[DS_GUID_STR_MAX];

	if (strlen(name) != DS_GUID_STR_MAX - 1 + sizeof(SUFFIX) - 1 ||
	    strcmp(name + DS_GUID_STR_MAX - 1, SUFFIX) != 0)
		return false;
	memcpy(text, name, DS_GUID_STR_MAX - 1);
	text[DS_GUID_STR_MAX - 1] = '\0';
	return ds_guid_parse_str(text, ret_guid) == 0;
}

/*
 * Shows every name to see(), which may remove it; the folder is no longer
 * than a folder in order is.
 */
static int each_name(int dir,
		     void (*see)(int dir, const char *name, void *arg),
		     void *arg)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (list == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return DS_ERR_SYS;
	}
	for (int i = 0; i < ENTRIES_MAX && (entry = readdir(list)) != NULL;
	     i++)
		if (entry->d_name[0] != '.')
			see(dir, entry->d_name, arg);
	(void)closedir(list);
	return 0;
}

/* ---- the folder ---- */

static void remove_name(int dir, const char *name, void *arg)
{
	(void)arg;
	(void)unlinkat(dir, name, 0);
}

int dsa_store_remove(const char *path)
{
	int dir, r = dsa_store_open(path, false, &dir);

	if (r != 0)
		return r == DS_ERR_NOTFOUND ? 0 : r;
	r = each_name(dir, remove_name, NULL);
	(void)close(dir);
	/* What could not be removed keeps the folder. */
	return r == 0 && rmdir(path) == 0 ? 0 : DS_ERR_SYS;
}

int dsa_store_key(int dir, struct dsa_secret *ret_key)
{
	struct dsa_secret key;
	int r = dsa_secret_init(&key, DSA_HOST_KEY_LEN, DSA_SECRET_SHARED);

	if (r != 0)
		return r;
	if (read_file(dir, KEY_FILE, key.p, DSA_HOST_KEY_LEN) != 0) {
		r = dsa_random(key.p, DSA_HOST_KEY_LEN);
		if (r == 0)
			r = replace_file(dir, KEY_FILE, key.p,
					 DSA_HOST_KEY_LEN);
	}
	if (r != 0) {
		dsa_secret_done(&key);
		return r;
	}
	key.len = DSA_HOST_KEY_LEN;
	*ret_key = key;
	return 0;
}

int dsa_store_read_clock(int dir, const uint8_t key[DSA_HOST_KEY_LEN],
			 struct dsa_clock *ret_clock)
{
	uint8_t block[DSA_BLOCK_LEN];
	int r = read_file(dir, CLOCK_FILE, block, sizeof(block));

	if (r == 0)
		r = dsa_block_check(block, key);
	return r != 0 ? r : dsa_clock_parse(block, sizeof(block), ret_clock);
}

/* In place once it is there, as tries are: no room is needed. */
int dsa_store_write_clock(int dir, const uint8_t key[DSA_HOST_KEY_LEN],
			  const struct dsa_clock *clock)
{
	uint8_t block[DSA_BLOCK_LEN];
	int fd, r;

	dsa_clock_put(clock, block, sizeof(block));
	r = dsa_block_seal(block, key);
	if (r != 0)
		return r;
	if (open_file(dir, CLOCK_FILE, O_WRONLY, sizeof(block), &fd) != 0)
		return replace_file(dir, CLOCK_FILE, block, sizeof(block));
	if (pwrite(fd, block, sizeof(block), 0) != sizeof(block))
		r = DS_ERR_SYS;
	(void)close(fd);
	return r;
}

int dsa_store_slot(int dir, unsigned int slots, int64_t end_ms, int *ret_fd)
{
	char name[32];
	int fd = -1, r;

	for (unsigned int i = 0;; i++) {
		(void)snprintf(name, sizeof(name), "slot.%u", i % slots);
		r = open_file(dir, name, O_RDWR | O_CREAT, -1, &fd);
		if (r == 0)
			r = lock_until(fd, 0);
		if (r == 0) {
			*ret_fd = fd;
			return 0;
		}
		if (fd >= 0)
			(void)close(fd);
		fd = -1;
		if (r != DS_ERR_TIMEOUT)
			return r;
		if (i % slots < slots - 1)
			continue;
		if (ds_now_ms() >= end_ms)
			return DS_ERR_TIMEOUT;
		(void)poll(NULL, 0, LOCK_POLL_MS);
	}
}

static uint64_t read_epoch(int fd)
{
	uint8_t bytes[EPOCH_LEN] = { 0 };
	struct ds_reader r;

	if (pread(fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
		return 0;
	ds_reader_init(&r, bytes, sizeof(bytes));
	return ds_get_u64(&r);
}

static int grow_epoch(int fd)
{
	uint8_t bytes[EPOCH_LEN];
	struct ds_writer w;

	ds_writer_init(&w, bytes, sizeof(bytes));
	ds_put_u64(&w, read_epoch(fd) + 1);
	return pwrite(fd, bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes)
		   ? 0
		   : DS_ERR_SYS;
}

int dsa_store_epoch(int dir, uint64_t *ret_epoch)
{
	int fd, r = open_file(dir, LOCK_FILE, O_RDWR | O_CREAT, -1, &fd);

	if (r != 0)
		return r;
	*ret_epoch = read_epoch(fd);
	(void)close(fd);
	return 0;
}

/* ---- one record ---- */

/* Locked, and still the one that has the name. */
static int open_locked(int dir, const char *name, int64_t end_ms, int *ret_fd)
{
	struct stat st;

	for (int i = 0; i < REPLACED; i++) {
		int fd, r = open_file(dir, name, O_RDWR, DSA_RECORD_LEN, &fd);

		if (r != 0)
			return r;
		r = lock_until(fd, end_ms);
		if (r == 0 && fstat(fd, &st) == 0 && st.st_nlink == 1) {
			*ret_fd = fd;
			return 0;
		}
		(void)close(fd);
		if (r != 0)
			return r;
	}
	return DS_ERR_SYS;
}

static int read_record(int fd, const uint8_t key[DSA_HOST_KEY_LEN],
		       struct dsa_record *ret_record)
{
	struct dsa_record record = { .fd = fd };
	uint8_t bytes[DSA_RECORD_LEN];
	int r = pread(fd, bytes, sizeof(bytes), 0) == (ssize_t)sizeof(bytes)
		    ? 0
		    : DS_ERR_SYS;

	if (r == 0)
		r = dsa_verifier_open(bytes, key, &record.verifier);
	if (r == 0)
		r = dsa_tries_open(bytes + DSA_BLOCK_LEN, key, &record.tries);
	if (r == 0)
		*ret_record = record;
	explicit_bzero(bytes, sizeof(bytes));
	explicit_bzero(&record, sizeof(record));
	return r;
}

int dsa_record_open(int dir, const struct ds_guid *guid,
		    const uint8_t key[DSA_HOST_KEY_LEN], int64_t end_ms,
		    struct dsa_record *ret_record)
{
	char name[NAME_MAX_];
	int fd = -1,
	    r = open_locked(dir, record_name(guid, name), end_ms, &fd);

	if (r != 0)
		return r;
	r = read_record(fd, key, ret_record);
	if (r != 0)
		(void)close(fd);
	return r;
}

static int write_tries(const struct dsa_record *record,
		       const uint8_t key[DSA_HOST_KEY_LEN])
{
	uint8_t block[DSA_BLOCK_LEN];
	int r = dsa_tries_seal(&record->tries, key, block);

	if (r == 0 && pwrite(record->fd, block, sizeof(block),
			     DSA_BLOCK_LEN) != (ssize_t)sizeof(block))
		r = DS_ERR_SYS;
	return r;
}

int dsa_record_count(struct dsa_record *record,
		     const uint8_t key[DSA_HOST_KEY_LEN])
{
	int r = write_tries(record, key);

	if (r == 0)
		dsa_datasync_begin(&record->sync, record->fd);
	return r;
}

int dsa_record_settle(struct dsa_record *record)
{
	return dsa_datasync_end(&record->sync);
}

void dsa_record_forgive(struct dsa_record *record,
			const uint8_t key[DSA_HOST_KEY_LEN])
{
	/* A record that was replaced meanwhile is nobody's any more. */
	record->tries.count = 0;
	(void)!write_tries(record, key);
}

void dsa_record_close(struct dsa_record *record)
{
	if (record->sync.running)
		(void)!dsa_record_settle(record);
	(void)close(record->fd);
	explicit_bzero(record, sizeof(*record));
	record->fd = -1;
}

/* ---- all records ---- */

static void count_record(int dir, const char *name, void *arg)
{
	struct ds_guid guid;
	uint32_t *count = arg;

	(void)dir;
	if (is_record(name, &guid))
		(*count)++;
}

uint32_t dsa_store_count(int dir)
{
	uint32_t count = 0;

	return each_name(dir, count_record, &count) == 0 ? count : 0;
}

struct oldest {
	uint32_t count;
	struct timespec used;
	char name[NAME_MAX_];
};

static void find_oldest(int dir, const char *name, void *arg)
{
	struct oldest *o = arg;
	struct ds_guid guid;
	struct stat st;

	if (!is_record(name, &guid) ||
	    fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return;
	if (o->count++ == 0 || st.st_mtim.tv_sec < o->used.tv_sec ||
	    (st.st_mtim.tv_sec == o->used.tv_sec &&
	     st.st_mtim.tv_nsec < o->used.tv_nsec)) {
		o->used = st.st_mtim;
		memcpy(o->name, name, strlen(name) + 1);
	}
}

static void make_room(int dir, const char *name)
{
	struct oldest o = { 0 };

	if (faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return;
	while (each_name(dir, find_oldest, &o) == 0 &&
	       o.count >= DSA_VERIFIERS_MAX && unlinkat(dir, o.name, 0) == 0)
		o = (struct oldest){ 0 };
}

int dsa_store_keep(int dir, uint64_t epoch,
		   const uint8_t key[DSA_HOST_KEY_LEN],
		   const struct dsa_verifier *verifier)
{
	struct dsa_tries tries = { .count = 0 };
	uint8_t bytes[DSA_RECORD_LEN];
	char name[NAME_MAX_];
	int lock, r;

	memcpy(tries.salt, verifier->salt, sizeof(tries.salt));
	r = dsa_verifier_seal(verifier, key, bytes);
	if (r == 0)
		r = dsa_tries_seal(&tries, key, bytes + DSA_BLOCK_LEN);
	if (r == 0)
		r = lock_folder(dir, &lock);
	if (r != 0)
		return r;
	if (read_epoch(lock) != epoch)
		r = DS_ERR_CONFLICT;
	if (r == 0) {
		(void)record_name(&verifier->guid, name);
		make_room(dir, name);
		r = replace_file(dir, name, bytes, sizeof(bytes));
	}
	(void)close(lock);
	explicit_bzero(bytes, sizeof(bytes));
	return r;
}

/* ---- removing ---- */

struct sweep {
	bool (*wanted)(const struct ds_guid *guid, const void *arg);
	const void *arg;
	uint32_t count;
	bool failed;
};

static void sweep_name(int dir, const char *name, void *arg)
{
	struct sweep *s = arg;
	struct ds_guid guid;

	if (strncmp(name, NEW_PREFIX, sizeof(NEW_PREFIX) - 1) == 0) {
		(void)unlinkat(dir, name, 0);
	} else if (is_record(name, &guid) && !s->wanted(&guid, s->arg)) {
		if (unlinkat(dir, name, 0) == 0)
			s->count++;
		else
			s->failed = true;
	}
}

/* `drop`: nothing that is being made now is to stay either. */
static int remove_unwanted(int dir, struct sweep *s, bool drop)
{
	int lock, r = lock_folder(dir, &lock);

	if (r != 0)
		return r;
	if (drop)
		r = grow_epoch(lock);
	if (r == 0)
		r = each_name(dir, sweep_name, s);
	if (r == 0 && (s->failed || fsync(dir) != 0))
		r = DS_ERR_SYS;
	(void)close(lock);
	return r;
}

int dsa_store_sweep(int dir,
		    bool (*wanted)(const struct ds_guid *guid,
				   const void *arg),
		    const void *arg, uint32_t *ret_count)
{
	struct sweep s = { .wanted = wanted, .arg = arg };
	int r = remove_unwanted(dir, &s, false);

	if (r == 0)
		*ret_count = s.count;
	return r;
}

static bool is_another(const struct ds_guid *guid, const void *arg)
{
	return arg != NULL && !ds_guid_equal(guid, arg);
}

int dsa_store_drop(int dir, const struct ds_guid *guid, uint32_t *ret_count)
{
	struct sweep s = { .wanted = is_another, .arg = guid };
	int r = remove_unwanted(dir, &s, true);

	if (r == 0)
		*ret_count = s.count;
	return r;
}

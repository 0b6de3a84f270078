/*
 * The folder of verifiers on a real disk: what is kept, counted, refused and
 * removed.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/wire.h"
#include "synccache/auth/offstore.h"
#include "tests/unit/offline_world.h"

static int dir = -1;
static struct dsa_verifier verifier; /* of alice */

static int open_folder(void **state)
{
	(void)state;
	verifier = make(&alice, "Correct-Horse-1");
	return dsa_store_open(path, true, &dir);
}

static int close_folder(void **state)
{
	(void)state;
	(void)close(dir);
	/* All that was made is gone. */
	return dsa_store_remove(path) != 0 || access(path, F_OK) == 0;
}

static void keep(const struct dsa_verifier *v)
{
	uint64_t epoch;

	assert_int_equal(dsa_store_epoch(dir, &epoch), 0);
	assert_int_equal(dsa_store_keep(dir, epoch, host, v), 0);
}

static char *name_of(const struct ds_guid *guid)
{
	static char name[128];
	char text[DS_GUID_STR_MAX];

	(void)snprintf(name, sizeof(name), "%s/%s.verifier", path,
		       ds_guid_to_str(guid, text));
	return name;
}

static void test_keep(void **state)
{
	struct dsa_record r;
	struct stat st;

	(void)state;
	assert_int_equal(dsa_record_open(dir, &alice, host, 0, &r),
			 DS_ERR_NOTFOUND);
	keep(&verifier);
	assert_int_equal(dsa_store_count(dir), 1);
	assert_int_equal(stat(name_of(&alice), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, DSA_RECORD_LEN);
	assert_int_equal(dsa_record_open(dir, &alice, host, 0, &r), 0);
	assert_memory_equal(r.verifier.check, verifier.check, DSA_CHECK_LEN);
	assert_int_equal(r.tries.count, 0);
	dsa_record_close(&r);
	assert_int_equal(dsa_record_open(dir, &bob, host, 0, &r),
			 DS_ERR_NOTFOUND);
	/* As another host finds it, in a copy of the folder. */
	assert_int_equal(dsa_record_open(dir, &alice, other_host, 0, &r),
			 DS_ERR_DENIED);
}

static void test_moved_to_another_name(void **state)
{
	char from[128];
	struct dsa_record r;

	(void)state;
	keep(&verifier);
	(void)snprintf(from, sizeof(from), "%s", name_of(&alice));
	assert_int_equal(rename(from, name_of(&bob)), 0);
	assert_int_equal(dsa_record_open(dir, &bob, host, 0, &r), 0);
	/* The rules take it for nobody else's. */
	assert_true(ds_guid_equal(&r.verifier.guid, &alice));
	dsa_record_close(&r);
}

/* What another process has counted is there, whatever became of it. */
static void count_in_child(bool killed)
{
	struct dsa_record r;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (dsa_record_open(dir, &alice, host, INT64_MAX, &r) != 0)
			_exit(1);
		r.tries.count++;
		r.tries.boot_ms = 2;
		if (dsa_record_count(&r, host) != 0)
			_exit(2);
		if (killed)
			(void)kill(getpid(), SIGKILL);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(killed ? WIFSIGNALED(status) : status == 0);
}

static void test_count_survives(void **state)
{
	struct dsa_record r;

	(void)state;
	keep(&verifier);
	for (int i = 0; i < 4; i++)
		count_in_child(i % 2 != 0);
	/* A restart. */
	(void)close(dir);
	assert_int_equal(dsa_store_open(path, true, &dir), 0);
	assert_int_equal(dsa_record_open(dir, &alice, host, 0, &r), 0);
	assert_int_equal(r.tries.count, 4);
	assert_int_equal(r.tries.boot_ms, 2);
	r.tries.count++;
	assert_int_equal(dsa_record_count(&r, host), 0);
	assert_int_equal(dsa_record_settle(&r), 0);
	dsa_record_forgive(&r, host);
	dsa_record_close(&r);
	assert_int_equal(dsa_record_open(dir, &alice, host, 0, &r), 0);
	assert_int_equal(r.tries.count, 0);
	dsa_record_close(&r);
	/* And a login with the domain starts anew. */
	count_in_child(false);
	keep(&verifier);
	assert_int_equal(dsa_record_open(dir, &alice, host, 0, &r), 0);
	assert_int_equal(r.tries.count, 0);
	dsa_record_close(&r);
}

static void put_file(const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	(void)close(fd);
}

/* Nothing is taken for written that is not. */
static void test_datasync(void **state)
{
	struct dsa_datasync sync;
	int ends[2];

	(void)state;
	put_file("some");
	dsa_datasync_begin(&sync, openat(dir, "some", O_WRONLY));
	assert_int_equal(dsa_datasync_end(&sync), 0);
	(void)close((int)sync.request.aio_fildes);
	/* What the kernel does not even begin. */
	dsa_datasync_begin(&sync, -1);
	assert_int_equal(dsa_datasync_end(&sync), DS_ERR_SYS);
	assert_int_equal(pipe(ends), 0);
	dsa_datasync_begin(&sync, ends[1]);
	assert_int_equal(dsa_datasync_end(&sync), DS_ERR_SYS);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* Many at once: none of their counts is lost. */
static void test_counts_of_many(void **state)
{
	struct dsa_record r;
	pid_t pid[8];
	int status;

	(void)state;
	keep(&verifier);
	for (int i = 0; i < 8; i++) {
		pid[i] = fork();
		if (pid[i] == 0) {
			for (int k = 0; k < 5; k++)
				count_in_child(false);
			_exit(0);
		}
	}
	for (int i = 0; i < 8; i++) {
		assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(dsa_record_open(dir, &alice, host, 0, &r), 0);
	assert_int_equal(r.tries.count, 40);
	dsa_record_close(&r);
}

static void test_cut_files(void **state)
{
	struct dsa_record r;

	(void)state;
	keep(&verifier);
	for (off_t len = DSA_RECORD_LEN - 1; len >= 0; len -= 93) {
		assert_int_equal(truncate(name_of(&alice), len), 0);
		assert_int_equal(dsa_record_open(dir, &alice, host, 0, &r),
				 DS_ERR_FORMAT);
	}
	/* As long as it should be, and empty, as after a crash. */
	assert_int_equal(truncate(name_of(&alice), DSA_RECORD_LEN), 0);
	assert_int_equal(dsa_record_open(dir, &alice, host, 0, &r),
			 DS_ERR_DENIED);
}

/* No count is torn, so the whole record is worth nothing. */
static void test_damaged_tries(void **state)
{
	struct dsa_record r;
	int fd;

	(void)state;
	keep(&verifier);
	fd = open(name_of(&alice), O_WRONLY);
	assert_int_equal(pwrite(fd, "", 1, DSA_BLOCK_LEN + 24 + 1), 1);
	assert_int_equal(pwrite(fd, "x", 1, DSA_BLOCK_LEN + 24), 1);
	(void)close(fd);
	assert_int_equal(dsa_record_open(dir, &alice, host, 0, &r),
			 DS_ERR_DENIED);
}

static void test_files_that_are_not_ours(void **state)
{
	char elsewhere[96];
	struct dsa_record r;

	(void)state;
	(void)snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", top);
	keep(&verifier);
	/* A good record, behind a link. */
	assert_int_equal(rename(name_of(&alice), elsewhere), 0);
	assert_int_equal(symlink(elsewhere, name_of(&alice)), 0);
	assert_int_equal(dsa_record_open(dir, &alice, host, 0, &r),
			 DS_ERR_UNSAFE);
	/* A new one takes the name, and leaves alone what it led to. */
	assert_int_equal(truncate(elsewhere, 3), 0);
	keep(&verifier);
	assert_int_equal(dsa_record_open(dir, &alice, host, 0, &r), 0);
	dsa_record_close(&r);
	/* Two names. */
	assert_int_equal(unlink(elsewhere), 0);
	assert_int_equal(link(name_of(&alice), elsewhere), 0);
	assert_int_equal(dsa_record_open(dir, &alice, host, 0, &r),
			 DS_ERR_UNSAFE);
	assert_int_equal(unlink(elsewhere), 0);
	/* Open to others. */
	assert_int_equal(chmod(name_of(&alice), 0640), 0);
	assert_int_equal(dsa_record_open(dir, &alice, host, 0, &r),
			 DS_ERR_UNSAFE);
	/* A pipe: nobody waits for its writer. */
	assert_int_equal(unlink(name_of(&alice)), 0);
	assert_int_equal(mkfifo(name_of(&alice), 0600), 0);
	assert_int_equal(dsa_record_open(dir, &alice, host, 0, &r),
			 DS_ERR_UNSAFE);
}

static void test_folder_that_is_not_ours(void **state)
{
	char link_path[96];
	int fd;

	(void)state;
	assert_int_equal(chmod(path, 0750), 0);
	assert_int_equal(dsa_store_open(path, true, &fd), DS_ERR_UNSAFE);
	assert_int_equal(chmod(path, 0700), 0);
	(void)snprintf(link_path, sizeof(link_path), "%s/link", top);
	assert_int_equal(symlink(path, link_path), 0);
	assert_int_equal(dsa_store_open(link_path, true, &fd), DS_ERR_UNSAFE);
	/* Nor is anything removed behind it. */
	keep(&verifier);
	assert_int_equal(dsa_store_remove(link_path), DS_ERR_UNSAFE);
	assert_int_equal(dsa_store_count(dir), 1);
	assert_int_equal(unlink(link_path), 0);
	assert_int_equal(dsa_store_open(link_path, false, &fd),
			 DS_ERR_NOTFOUND);
}

/* Somebody must hear of what stays. */
static void test_remove(void **state)
{
	char name[96];

	(void)state;
	keep(&verifier);
	(void)snprintf(name, sizeof(name), "%s/folder", path);
	assert_int_equal(mkdir(name, 0700), 0);
	assert_int_equal(dsa_store_remove(path), DS_ERR_SYS);
	assert_int_equal(errno, ENOTEMPTY);
	assert_int_equal(dsa_store_count(dir), 0);
	assert_int_equal(rmdir(name), 0);
	assert_int_equal(dsa_store_remove(path), 0);
	assert_int_equal(dsa_store_remove(path), 0);
}

static void test_host_key(void **state)
{
	struct dsa_secret one, two;
	char name[96];
	struct stat st;

	(void)state;
	(void)snprintf(name, sizeof(name), "%s/host.key", path);
	assert_int_equal(dsa_store_key(dir, &one), 0);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(dsa_store_key(dir, &two), 0);
	assert_memory_equal(one.p, two.p, DSA_HOST_KEY_LEN);
	dsa_secret_done(&two);
	/* Others have read it, or it was cut: it is no secret any more. */
	assert_int_equal(chmod(name, 0644), 0);
	assert_int_equal(dsa_store_key(dir, &two), 0);
	assert_memory_not_equal(one.p, two.p, DSA_HOST_KEY_LEN);
	assert_int_equal(stat(name, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	dsa_secret_done(&one);
	assert_int_equal(truncate(name, 5), 0);
	assert_int_equal(dsa_store_key(dir, &one), 0);
	assert_memory_not_equal(one.p, two.p, DSA_HOST_KEY_LEN);
	dsa_secret_done(&one);
	dsa_secret_done(&two);
}

static void test_clock_file(void **state)
{
	struct dsa_clock clock = started(at(1, 2, 3)), read;

	(void)state;
	assert_int_equal(dsa_store_read_clock(dir, host, &read),
			 DS_ERR_NOTFOUND);
	for (uint64_t i = 1; i < 4; i++) {
		clock.total_ms = i;
		assert_int_equal(dsa_store_write_clock(dir, host, &clock), 0);
		assert_int_equal(dsa_store_read_clock(dir, host, &read), 0);
		assert_int_equal(read.total_ms, i);
	}
	assert_int_equal(dsa_store_read_clock(dir, other_host, &read),
			 DS_ERR_DENIED);
}

static void test_no_more_than_there_may_be(void **state)
{
	struct dsa_verifier v = verifier;
	struct dsa_record r;

	(void)state;
	for (uint8_t i = 0; i < 4; i++) {
		struct timespec used[2] = { { .tv_sec = 1000 + i },
					    { .tv_sec = 1000 + i } };

		v.guid.b[0] = i;
		keep(&v);
		assert_int_equal(
		    utimensat(AT_FDCWD, name_of(&v.guid), used, 0), 0);
	}
	/* One that is there already needs no room. */
	v.guid.b[0] = 3;
	keep(&v);
	assert_int_equal(dsa_store_count(dir), 4);
	v.guid.b[0] = 9;
	keep(&v);
	assert_int_equal(dsa_store_count(dir), 4);
	assert_int_equal(dsa_record_open(dir, &v.guid, host, 0, &r), 0);
	dsa_record_close(&r);
	v.guid.b[0] = 0;
	assert_int_equal(dsa_record_open(dir, &v.guid, host, 0, &r),
			 DS_ERR_NOTFOUND);
}

static void test_drop(void **state)
{
	struct dsa_verifier b = verifier;
	uint32_t count = 77;

	(void)state;
	b.guid = bob;
	keep(&verifier);
	keep(&b);
	assert_int_equal(dsa_store_drop(dir, &alice, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(dsa_store_count(dir), 1);
	assert_int_equal(dsa_store_drop(dir, &alice, &count), 0);
	assert_int_equal(count, 0);
	keep(&verifier);
	assert_int_equal(dsa_store_drop(dir, NULL, &count), 0);
	assert_int_equal(count, 2);
	assert_int_equal(dsa_store_count(dir), 0);
}

/* A login that was under way when its verifier was dropped leaves none. */
static void test_drop_during_a_login(void **state)
{
	uint32_t count;
	uint64_t epoch;

	(void)state;
	assert_int_equal(dsa_store_epoch(dir, &epoch), 0);
	assert_int_equal(dsa_store_drop(dir, &alice, &count), 0);
	assert_int_equal(dsa_store_keep(dir, epoch, host, &verifier),
			 DS_ERR_CONFLICT);
	assert_int_equal(dsa_store_count(dir), 0);
	keep(&verifier);
	assert_int_equal(dsa_store_count(dir), 1);
}

static bool is_alice(const struct ds_guid *guid, const void *arg)
{
	assert_ptr_equal(arg, &verifier);
	return ds_guid_equal(guid, &alice);
}

static void test_sweep(void **state)
{
	struct dsa_verifier b = verifier;
	struct dsa_secret key;
	uint32_t count;
	uint64_t epoch;

	(void)state;
	b.guid = bob;
	keep(&verifier);
	keep(&b);
	assert_int_equal(dsa_store_key(dir, &key), 0);
	dsa_secret_done(&key);
	put_file("new.a1020300-half-written");
	assert_int_equal(dsa_store_epoch(dir, &epoch), 0);
	assert_int_equal(dsa_store_sweep(dir, is_alice, &verifier, &count), 0);
	assert_int_equal(count, 1);
	assert_int_equal(dsa_store_count(dir), 1);
	assert_int_equal(access(name_of(&alice), F_OK), 0);
	assert_int_equal(faccessat(dir, "new.a1020300-half-written", F_OK, 0),
			 -1);
	assert_int_equal(faccessat(dir, "host.key", F_OK, 0), 0);
	/* Logins under way are none of its business. */
	assert_int_equal(dsa_store_keep(dir, epoch, host, &verifier), 0);
}

/* A record is one check's at a time; the next waits, as long as it may. */
static void test_record_is_locked(void **state)
{
	struct dsa_record r, again;

	(void)state;
	keep(&verifier);
	assert_int_equal(dsa_record_open(dir, &alice, host, 0, &r), 0);
	assert_int_equal(
	    dsa_record_open(dir, &alice, host, ds_now_ms() + 30, &again),
	    DS_ERR_TIMEOUT);
	/* A login with the domain waits for nobody, and what it has made is
	 * another record. */
	keep(&verifier);
	assert_int_equal(dsa_record_open(dir, &alice, host, 0, &again), 0);
	dsa_record_close(&again);
	dsa_record_close(&r);
}

/* As many as there are slots at once, and the next waits. */
static void test_slots(void **state)
{
	int one, two, three, status;
	pid_t pid;

	(void)state;
	assert_int_equal(dsa_store_slot(dir, 2, 0, &one), 0);
	assert_int_equal(dsa_store_slot(dir, 2, 0, &two), 0);
	assert_int_equal(dsa_store_slot(dir, 2, ds_now_ms() + 30, &three),
			 DS_ERR_TIMEOUT);
	pid = fork();
	if (pid == 0) {
		/* A lock is its descriptor's, and a worker has none. */
		(void)close(one);
		(void)close(two);
		_exit(dsa_store_slot(dir, 2, INT64_MAX, &three) == 0 ? 0 : 1);
	}
	assert_true(pid > 0);
	(void)usleep(50000);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	/* Whichever it waits for. */
	(void)close(one);
	(void)close(two);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/*
 * A disk that takes nothing more, as a process sees it: the limit on a file's
 * size.  What was there stays whole, and tries are still counted.
 */
static void test_full_disk(void **state)
{
	struct rlimit none = { 0, RLIM_INFINITY }, before;
	struct dsa_verifier v = verifier;
	struct dsa_record r;
	uint64_t epoch;
	int result;

	(void)state;
	keep(&verifier);
	assert_int_equal(dsa_store_epoch(dir, &epoch), 0);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	none.rlim_max = before.rlim_max;
	none.rlim_cur = DSA_RECORD_LEN - 1;
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	v.made_ms = 99;
	result = dsa_store_keep(dir, epoch, host, &v);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(result, DS_ERR_SYS);
	assert_int_equal(dsa_store_count(dir), 1);
	assert_int_equal(dsa_record_open(dir, &alice, host, 0, &r), 0);
	assert_int_equal(r.verifier.made_ms, verifier.made_ms);
	/* A try that cannot be counted is none: the caller hears of it. */
	none.rlim_cur = DSA_BLOCK_LEN;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	result = dsa_record_count(&r, host);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(result, DS_ERR_SYS);
	dsa_record_close(&r);
}

#define IN_FOLDER(test)                                                       \
	cmocka_unit_test_setup_teardown(test, open_folder, close_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_keep),
		IN_FOLDER(test_moved_to_another_name),
		IN_FOLDER(test_count_survives),
		IN_FOLDER(test_datasync),
		IN_FOLDER(test_counts_of_many),
		IN_FOLDER(test_cut_files),
		IN_FOLDER(test_damaged_tries),
		IN_FOLDER(test_files_that_are_not_ours),
		IN_FOLDER(test_folder_that_is_not_ours),
		IN_FOLDER(test_remove),
		IN_FOLDER(test_host_key),
		IN_FOLDER(test_clock_file),
		IN_FOLDER(test_no_more_than_there_may_be),
		IN_FOLDER(test_drop),
		IN_FOLDER(test_drop_during_a_login),
		IN_FOLDER(test_sweep),
		IN_FOLDER(test_record_is_locked),
		IN_FOLDER(test_slots),
		IN_FOLDER(test_full_disk),
	};

	return cmocka_run_group_tests(tests, make_top, remove_top);
}

/*
 * The host's TGT between workers, and the mark that keeps FAST required.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char dir[64] = "/tmp/dsa-fast-XXXXXX";
#define DSA_FAST_DIR dir
/* What is tested, with a directory of its own. */
#include "synccache/auth/fast.c"

static struct dsa_server server;

static struct dsa_tgt make(uint32_t serial, bool armour)
{
	struct dsa_tgt tgt = { .serial = serial, .armour = armour };

	tgt.end = (int64_t)time(NULL) + 3600;
	assert_int_equal(
	    dsa_secret_copy(&tgt.ccache, "cache", 5, DSA_SECRET_PRIVATE), 0);
	return tgt;
}

static int setup(void **state)
{
	(void)state;
	ds_log_init("test", DS_LOG_ERR);
	return mkdtemp(dir) == NULL;
}

static int fresh(void **state)
{
	char path[512];

	(void)state;
	dsa_tgt_done(&server.host_tgt);
	memset(&server, 0, sizeof(server));
	(void)snprintf(server.realm, sizeof(server.realm), "EXAMPLE.COM");
	server.keytab.serial = 3;
	mark_path(&server, path, sizeof(path));
	(void)unlink(path);
	return 0;
}

static int teardown(void **state)
{
	(void)fresh(state);
	return rmdir(dir);
}

static void test_wire(void **state)
{
	struct dsa_tgt out = make(7, true), in = { 0 };
	const struct dsa_tgt none = { 0 };
	uint8_t buf[64];
	struct ds_writer w;
	struct ds_reader r;

	(void)state;
	ds_writer_init(&w, buf, sizeof(buf));
	dsa_tgt_put(&w, &none);
	assert_int_equal(w.len, DSA_TGT_NONE_LEN);
	ds_writer_init(&w, buf, sizeof(buf));
	dsa_tgt_put(&w, &out);
	ds_reader_init(&r, buf, w.len);
	dsa_tgt_get(&r, &in);
	assert_int_equal(ds_reader_end(&r), 0);
	assert_int_equal(in.end, out.end);
	assert_int_equal(in.serial, 7);
	assert_true(in.armour);
	assert_int_equal(in.ccache.len, 5);
	assert_memory_equal(in.ccache.p, "cache", 5);
	dsa_tgt_done(&in);
	dsa_tgt_done(&out);
	/* Cut off: nothing is given, nothing to free. */
	for (size_t len = 0; len < w.len; len++) {
		ds_reader_init(&r, buf, len);
		dsa_tgt_get(&r, &in);
		assert_int_not_equal(r.err, 0);
		assert_null(in.ccache.p);
	}
}

static void test_good(void **state)
{
	struct dsa_tgt tgt = { 0 };

	(void)state;
	assert_false(dsa_tgt_is_good(&tgt, 0));
	tgt = make(3, false);
	assert_true(dsa_tgt_is_good(&tgt, 3));
	assert_false(dsa_tgt_is_good(&tgt, 4)); /* of other keys */
	tgt.end = (int64_t)time(NULL) + 60;
	assert_false(dsa_tgt_is_good(&tgt, 3)); /* ends soon */
	dsa_tgt_done(&tgt);
}

static void test_sticky(void **state)
{
	struct dsa_tgt tgt = make(3, false);

	(void)state;
	dsa_fast_load(&server);
	assert_false(server.fast_seen);
	dsa_fast_keep(&server, &tgt);
	assert_null(tgt.ccache.p);
	assert_non_null(server.host_tgt.ccache.p);
	assert_false(server.fast_seen);
	tgt = make(3, true);
	dsa_fast_keep(&server, &tgt);
	assert_true(server.fast_seen);
	/* One that has not shown it does not take it back. */
	tgt = make(3, false);
	dsa_fast_keep(&server, &tgt);
	assert_true(server.fast_seen);
	/* Nor does a restart; another realm has not shown it. */
	server.fast_seen = false;
	dsa_fast_load(&server);
	assert_true(server.fast_seen);
	(void)snprintf(server.realm, sizeof(server.realm), "OTHER.COM");
	dsa_fast_load(&server);
	assert_false(server.fast_seen);
	(void)snprintf(server.realm, sizeof(server.realm), "EXAMPLE.COM");
}

static void test_what_is_not_kept(void **state)
{
	struct dsa_tgt tgt = make(2, true), none = { .armour = true };

	(void)state;
	dsa_fast_keep(&server, &tgt); /* of keys that are gone */
	dsa_fast_keep(&server, &none);
	assert_null(tgt.ccache.p);
	assert_null(server.host_tgt.ccache.p);
	assert_false(server.fast_seen);
}

static void test_no_link_is_followed(void **state)
{
	char path[512], target[128];
	struct dsa_tgt tgt = make(3, true);
	struct stat st;

	(void)state;
	mark_path(&server, path, sizeof(path));
	(void)snprintf(target, sizeof(target), "%s/target", dir);
	assert_int_equal(symlink(target, path), 0);
	dsa_fast_keep(&server, &tgt);
	assert_true(server.fast_seen);
	assert_int_not_equal(stat(target, &st), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_wire, fresh),
		cmocka_unit_test_setup(test_good, fresh),
		cmocka_unit_test_setup(test_sticky, fresh),
		cmocka_unit_test_setup(test_what_is_not_kept, fresh),
		cmocka_unit_test_setup(test_no_link_is_followed, fresh),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}

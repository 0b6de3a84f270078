/*
 * What a call of the application leaves on its stack: no password, and no
 * handle of a ticket.  Each call runs on a stack of the test's, which is
 * looked through afterwards.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later
 */
#include "tests/unit/unit.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/pam_fake.h"
#include "tests/unit/pam_seams.h"
#include "tests/unit/pam_world.h"

#define OLD_PASSWORD "Tr0ub4dor&3-of-old"
#define NEW_PASSWORD "c0rrect-h0rse-and-new"
#define MARK         "whoever-looks-finds-this"
#define STACK        ((size_t)1 << 20)

/* The same pages twice: valgrind lets nobody look at a stack that ended. */
static uint8_t *stack, *seen;

static struct {
	pam_handle_t *pamh;
	int (*run)(pam_handle_t *pamh);
	int code;
} call;

/* Of its stack something is left, as it would be of a careless call. */
__attribute__((noinline, no_sanitize("address"))) static void leave_mark(void)
{
	char buf[8192];

	memcpy(buf, MARK, sizeof(MARK));
	__asm__ volatile("" : : "r"(buf) : "memory");
}

static void *thread_main(void *arg)
{
	(void)arg;
	if (call.run)
		call.code = call.run(call.pamh);
	else
		leave_mark();
	return NULL;
}

/* Whether the bytes are anywhere on the stack that the call had. */
static bool is_left(const void *bytes, size_t len)
{
	return memmem(seen, STACK, bytes, len) != NULL;
}

static void on_own_stack(pam_handle_t *pamh, int (*run)(pam_handle_t *pamh))
{
	pthread_attr_t attr;
	pthread_t thread;

	memset(seen, 0, STACK);
	call.pamh = pamh;
	call.run = run;
	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstack(&attr, stack, STACK), 0);
	assert_int_equal(pthread_create(&thread, &attr, thread_main, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(pthread_attr_destroy(&attr), 0);
}

static int authenticate(pam_handle_t *pamh)
{
	return pam_sm_authenticate(pamh, PAM_SILENT, 0, NULL);
}

static int change(pam_handle_t *pamh)
{
	return pam_sm_chauthtok(pamh, PAM_UPDATE_AUTHTOK, 0, NULL);
}

static int set_credentials(pam_handle_t *pamh)
{
	return pam_sm_setcred(pamh, PAM_ESTABLISH_CRED, 0, NULL);
}

/* The test can see what is left. */
static void careless(void **state)
{
	(void)state;
	on_own_stack(NULL, NULL);
	assert_true(is_left(MARK, strlen(MARK)));
	assert_false(is_left(OLD_PASSWORD, strlen(OLD_PASSWORD)));
}

static void nothing_is_left(void)
{
	assert_false(is_left(OLD_PASSWORD, strlen(OLD_PASSWORD)));
	assert_false(is_left(NEW_PASSWORD, strlen(NEW_PASSWORD)));
	assert_false(is_left(world_handle, DS_HANDLE_LEN));
	/* Nor its digits in the PAM environment's form. */
	assert_false(is_left("a0a1a2a3a4a5a6a7", 16));
}

/* Whatever the answer is, and without one. */
static void password(void **state)
{
	static const uint32_t results[] = { DS_AUTH_OK, DS_AUTH_BAD_PASSWORD,
					    DS_AUTH_UNAVAILABLE };
	pam_handle_t *pamh = fake_start(WORLD_UPN);
	size_t i;

	(void)state;
	pamh->items[PAM_AUTHTOK] = OLD_PASSWORD;
	world_server_start();
	for (i = 0; i < 3; i++) {
		world_reply_auth(results[i], "Text.", true);
		on_own_stack(pamh, authenticate);
		assert_int_equal(call.code == PAM_SUCCESS, i == 0);
		nothing_is_left();
	}
	world_reply_auth(DS_AUTH_OK, "", true)->len = DS_HEADER_LEN + 20;
	on_own_stack(pamh, authenticate);
	assert_int_equal(call.code, PAM_AUTHINFO_UNAVAIL);
	nothing_is_left();
	world_server_stop();
	on_own_stack(pamh, authenticate);
	assert_int_equal(call.code, PAM_AUTHINFO_UNAVAIL);
	nothing_is_left();
	fake_drop(pamh);
}

static void new_password(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	pamh->items[PAM_OLDAUTHTOK] = OLD_PASSWORD;
	pamh->items[PAM_AUTHTOK] = NEW_PASSWORD;
	world_server_start();
	world_reply_change(DS_AUTH_OK, "");
	on_own_stack(pamh, change);
	assert_int_equal(call.code, PAM_SUCCESS);
	nothing_is_left();
	fake_drop(pamh);
}

/* The handle goes back to the server. */
static void handle(void **state)
{
	pam_handle_t *pamh = fake_start(WORLD_UPN);

	(void)state;
	assert_int_equal(pam_putenv(pamh, WORLD_HANDLE_ENV), PAM_SUCCESS);
	world_server_start();
	world_reply_ticket(DS_AUTH_DENIED, "", 0);
	on_own_stack(pamh, set_credentials);
	assert_int_equal(call.code, PAM_SUCCESS);
	assert_int_equal(world_requests(), 1);
	nothing_is_left();
	fake_drop(pamh);
}

static int setup(void **state)
{
	int fd = memfd_create("stack", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, (off_t)STACK) != 0)
		return -1;
	stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	seen = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (stack == MAP_FAILED || seen == MAP_FAILED)
		return -1;
	return world_setup(state);
}

#define TEST(f) cmocka_unit_test_setup(f, world_fresh)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(careless),
		TEST(password),
		TEST(new_password),
		TEST(handle),
	};

	return cmocka_run_group_tests(tests, setup, world_teardown);
}

/* SPDX-License-Identifier: MIT */
/* What a host does with its loop, and fluv's handles in it: walking over all
 * of them, going on in a forked child. */
#include "fluv-test.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/loop.h"

static void count(uv_handle_t* handle, void* arg) {
  *(int*) arg += !uv_is_closing(handle);
}

static void count_owned(uv_handle_t* handle, void* arg) {
  if (!uv_is_closing(handle) && fluv_owns_handle(handle))
    ++*(int*) arg;
}

static void close_mine(uv_handle_t* handle, void* arg) {
  (void) arg;
  if (!uv_is_closing(handle) && !fluv_owns_handle(handle))
    uv_close(handle, NULL);
}

static void close_any(uv_handle_t* handle, void* arg) {
  (void) arg;
  if (!uv_is_closing(handle))
    uv_close(handle, NULL);
}

static int count_handles(uv_loop_t* uv) {
  int n = 0;

  uv_walk(uv, count, &n);
  return n;
}

static void open_loop(uv_loop_t* uv) {
  ck_assert_int_eq(uv_loop_init(uv), 0);
  ck_assert_err(fluv_attach(uv), 0);
}

static int64_t nothing(void* arg) {
  (void) arg;
  return 7;
}

static int64_t sleep_long(void* arg) {
  (void) arg;
  return fluv_await(fluv_sleep(100000));
}

START_TEST(a_host_can_tell_fluvs_handles_from_its_own) {
  uv_loop_t uv;
  uv_timer_t timer;
  fluv_listener_t* listener;
  fluv_future_t* signal;
  int owned = 0;

  open_loop(&uv);
  uv_walk(&uv, count_owned, &owned);
  ck_assert_int_eq(owned, count_handles(&uv));
  uv_timer_init(&uv, &timer);
  ck_assert(!fluv_owns_handle((uv_handle_t*) &timer));
  ck_assert(!fluv_owns_handle(NULL));
  ck_assert_err(fluv_tcp_listen("127.0.0.1:0", NULL, &listener), 0);
  signal = fluv_shutdown_signal();
  owned = 0;
  uv_walk(&uv, count_owned, &owned);
  ck_assert_int_eq(owned, count_handles(&uv) - 1);
  fluv_drop(signal);
  fluv_drop(fluv_listener_close(listener));
  uv_walk(&uv, close_mine, NULL);
  ck_assert_err(fluv_block_on(fluv_spawn(nothing, NULL)), 7);
  ck_assert_err(fluv_loop_close(), 0);
  uv_run(&uv, UV_RUN_DEFAULT);
  ck_assert_int_eq(uv_loop_close(&uv), 0);
}
END_TEST

/* A host that closes all handles there are. */

static void close_everything(void* arg) {
  fluv_listener_t* listener;
  uv_loop_t uv;

  (void) arg;
  open_loop(&uv);
  fluv_detach(fluv_spawn(sleep_long, NULL));
  ck_assert_err(fluv_tcp_listen("127.0.0.1:0", NULL, &listener), 0);
  fluv_detach(fluv_accept(listener, &(fluv_stream_t*){ NULL }));
  fluv_detach(fluv_shutdown_signal());
  uv_run(&uv, UV_RUN_NOWAIT);
  uv_walk(&uv, close_any, NULL);
  uv_run(&uv, UV_RUN_DEFAULT);
  fluv_drop(fluv_spawn(nothing, NULL));
  fluv_drop(fluv_sleep(1));
  uv_run(&uv, UV_RUN_DEFAULT);
  ck_assert_err(fluv_loop_close(), 0);
  ck_assert_int_eq(uv_loop_close(&uv), 0);
  ck_assert_ptr_null(fluv_loop_current());
  open_loop(&uv);
  ck_assert_err(fluv_block_on(fluv_spawn(nothing, NULL)), 7);
  ck_assert_err(fluv_loop_close(), 0);
  uv_run(&uv, UV_RUN_DEFAULT);
  ck_assert_int_eq(uv_loop_close(&uv), 0);
  fflush(NULL);
  _exit(0); /* what was given up is no leak of the test's */
}

START_TEST(a_host_that_closes_all_handles_survives) {
  int status = 0;
  char* text = test_stderr_of(close_everything, NULL, &status);

  ck_assert_msg(status == 0, "status %d: %s", status, text);
  ck_assert_has(text, "sleep_long");
  free(text);
}
END_TEST

/* Going on in a forked child. */

static void on_timer(uv_timer_t* timer) {
  ++*(int*) timer->data;
}

static void goes_on(uv_loop_t* uv) {
  uv_timer_t timer;
  int fired = 0;

  ck_assert_int_eq(uv_loop_fork(uv), 0);
  ck_assert_int_eq(uv_timer_init(uv, &timer), 0);
  timer.data = &fired;
  uv_timer_start(&timer, on_timer, 1, 0);
  ck_assert_int_eq(uv_run(uv, UV_RUN_DEFAULT), 0);
  ck_assert_int_eq(fired, 1);
  uv_close((uv_handle_t*) &timer, NULL);
  ck_assert_ptr_null(fluv_loop_current());
  ck_assert_err(fluv_loop_close(), FLUV_ENOLOOP);
  ck_assert_err(fluv_attach(uv), 0);
  ck_assert_err(fluv_block_on(fluv_spawn(nothing, NULL)), 7);
  ck_assert_err(fluv_loop_close(), 0);
  uv_run(uv, UV_RUN_DEFAULT);
  ck_assert_int_eq(uv_loop_close(uv), 0); /* nothing of fluv's is left */
}

static void wake(void* arg) {
  ck_assert_err(fluv_promise_resolve(arg, 3), 0);
  fluv_promise_free(arg);
}

/* The parent's loop has been woken, and has not heard of it yet: the child
 * must not take the wakeup away. */
static void fork_and_go_on(void* arg) {
  fluv_listener_t* listener;
  fluv_future_t* f;
  uv_loop_t uv;
  int status = 0;
  pid_t child;

  (void) arg;
  open_loop(&uv);
  ck_assert_err(fluv_tcp_listen("127.0.0.1:0", NULL, &listener), 0);
  fluv_detach(fluv_shutdown_signal());
  fluv_detach(fluv_spawn(sleep_long, NULL));
  f = fluv_accept(listener, &(fluv_stream_t*){ NULL });
  fluv_start(f);
  fluv_detach(f);
  uv_run(&uv, UV_RUN_NOWAIT);
  {
    fluv_promise_t* promise;
    fluv_future_t* promised;

    ck_assert_err(fluv_promise_new(&promise, &promised), 0);
    fluv_start(promised);
    uv_run(&uv, UV_RUN_NOWAIT);
    test_on_thread(wake, promise);
    child = fork();
    if (child == 0) {
      goes_on(&uv);
      _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(status == 0, "the child's status is %d", status);
    ck_assert_err(fluv_block_on(promised), 3);
  }
  fflush(NULL);
  _exit(0);
}

START_TEST(a_child_goes_on_with_its_parents_loop_without_fluv) {
  int status = 0;
  char* text = test_stderr_of(fork_and_go_on, NULL, &status);

  ck_assert_msg(status == 0, "status %d: %s", status, text);
  free(text);
}
END_TEST

#if FLUV_EVENTFD

/* The C library's, with failures for eventfds; the rest as it is. */
static volatile int failures;
static volatile int failure;
static volatile int failing_fd = -1;

ssize_t write(int fd, const void* data, size_t size) {
  if (fd == failing_fd && failures > 0) {
    failures--;
    errno = failure;
    return -1;
  }
  return (ssize_t) syscall(SYS_write, fd, data, size);
}

START_TEST(a_wakeup_survives_writes_that_fail) {
  const int errors[] = { EINTR, EIO, ENOMEM };
  fluv_promise_t* promise;
  fluv_future_t* f;

  ck_assert_err(fluv_promise_new(&promise, &f), 0);
  fluv_start(f);
  test_turn(2);
  failing_fd = fluv__loop->inbox.wakeup.fd;
  failure = errors[_i];
  failures = 3;
  test_on_thread(wake, promise);
  ck_assert_err(fluv_block_on(f), 3);
  ck_assert_int_eq(failures, 0);
}
END_TEST

static void wake_closed(void* arg) {
  fluv_promise_t* promise;
  fluv_future_t* f;
  uv_loop_t uv;

  (void) arg;
  open_loop(&uv);
  ck_assert_err(fluv_promise_new(&promise, &f), 0);
  fluv_start(f);
  uv_run(&uv, UV_RUN_NOWAIT);
  close(fluv__loop->inbox.wakeup.fd);
  test_on_thread(wake, promise);
}

START_TEST(a_descriptor_that_the_program_has_closed_is_reported) {
  test_aborts(wake_closed, NULL, "cannot be woken", "EBADF");
}
END_TEST

#endif

static Suite* host_suite(void) {
  Suite* s = suite_create("host");
  TCase* tc;

  tc = test_case(s, "basic", NULL, NULL);
  ADD(tc,
      a_host_can_tell_fluvs_handles_from_its_own,
      a_host_that_closes_all_handles_survives,
      a_child_goes_on_with_its_parents_loop_without_fluv);
#if FLUV_EVENTFD
  ADD(tc, a_descriptor_that_the_program_has_closed_is_reported);
  tc = test_case(s, "regress", test_setup, test_teardown);
  tcase_add_loop_test(tc, a_wakeup_survives_writes_that_fail, 0, 3);
#endif
  return s;
}

TEST_MAIN(host_suite)

/* SPDX-License-Identifier: MIT */
/* The signals that end a server. */
#include "fluv-test-io.h"

#include <sys/wait.h>
#include <unistd.h>

static void* default_action(int signum) {
  struct sigaction action;

  ck_assert_int_eq(sigaction(signum, NULL, &action), 0);
  return (void*) (uintptr_t) (action.sa_handler == SIG_DFL);
}

TEST_TASK(signals_are_waited_for_once) {
  static const int signums[] = { SIGINT, SIGTERM };
  fluv_future_t* f;
  int i;

  for (i = 0; i < 2; i++) {
    f = fluv_shutdown_signal();
    ck_assert_ptr_null(default_action(SIGINT));
    ck_assert_ptr_null(default_action(SIGTERM));
    raise(signums[i]);
    ck_assert_err(fluv_await(f), signums[i]);
    ck_assert_ptr_nonnull(default_action(SIGINT));
    ck_assert_ptr_nonnull(default_action(SIGTERM));
  }
  return 0;
}

TEST_TASK(signal_that_is_not_wanted_any_more) {
  fluv_future_t* f = fluv_shutdown_signal();

  fluv_cancel(f);
  ck_assert_err(fluv_await(f), FLUV_ECANCELED);
  ck_assert_ptr_nonnull(default_action(SIGINT));
  fluv_drop(fluv_shutdown_signal());
  ck_assert_ptr_nonnull(default_action(SIGTERM));
  return 0;
}

TEST_TASK(two_may_wait_for_the_signal) {
  fluv_future_t* fs[2] = { fluv_shutdown_signal(), fluv_shutdown_signal() };
  int64_t results[2];

  raise(SIGTERM);
  ck_assert_err(fluv_await(fluv_join_all(fs, 2, results)), 0);
  ck_assert_err(results[0], SIGTERM);
  ck_assert_err(results[1], SIGTERM);
  return 0;
}

/* The parent does not get the child's signals; they end the child. */
TEST_TASK(child_has_signals_of_its_own) {
  fluv_future_t* f = fluv_shutdown_signal();
  pid_t child = fork();
  int status;

  if (child == 0) {
    raise(SIGTERM);
    _exit(0);
  }
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  ck_assert(WIFSIGNALED(status));
  ck_assert_int_eq(WTERMSIG(status), SIGTERM);
  io_turns(2);
  ck_assert(!fluv_future_is_done(f));
  fluv_drop(f);
  return 0;
}

static int64_t interrupted_twice(void* arg) {
  (void) arg;
  fluv_start(fluv_shutdown_signal());
  raise(SIGINT); /* And the loop never learns of it. */
  raise(SIGINT);
  return 0;
}

static void interrupt_twice(void* arg) {
  (void) fluv_run(interrupted_twice, arg, NULL);
}

START_TEST(second_interrupt_ends_the_process) {
  int status;

  free(test_stderr_of(interrupt_twice, NULL, &status));
  ck_assert(WIFSIGNALED(status));
  ck_assert_int_eq(WTERMSIG(status), SIGINT);
}
END_TEST

static int64_t signal_once(void* arg) {
  fluv_future_t* f = fluv_shutdown_signal();
  int64_t n;

  (void) arg;
  if (!fluv_future_is_done(f))
    raise(SIGTERM);
  n = fluv_await(f);
  return n < 0 ? n : 0;
}

START_TEST(signals_survive_a_lack_of_memory) {
  TEST_OOM(signal_once, NULL);
}
END_TEST

static Suite* signal_suite(void) {
  Suite* s = suite_create("signal");
  TCase* tc = test_case(s, "basic", test_setup, test_teardown);

  ADD(tc,
      signals_are_waited_for_once,
      signal_that_is_not_wanted_any_more,
      two_may_wait_for_the_signal,
      child_has_signals_of_its_own);

  tc = test_case(s, "basic", NULL, NULL);
  ADD(tc, second_interrupt_ends_the_process);

  tc = test_case(s, "oom", NULL, NULL);
  ADD(tc, signals_survive_a_lack_of_memory);
  return s;
}

TEST_MAIN(signal_suite)

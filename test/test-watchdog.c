/* SPDX-License-Identifier: MIT */
/* The watchdog: tasks that block their loop until they are reported. */
#include "fluv-test.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "core/watchdog.h"

enum {
  LIMIT_MS = 20,
  /* For tasks that must not be reported even if the machine is slow. */
  LONG_LIMIT_MS = 200,
  MAX_FRAMES = 64
};

/* TSan defers signals while a task is in a system call. */
#if defined(FLUV_TSAN) && FLUV_TSAN
# define ANSWERS 0
#else
# define ANSWERS 1
#endif

/* The last report that the hook got. */
static struct {
  fluv_stuck_t stuck;
  char task[64];
  void* frames[MAX_FRAMES];
} report;
static atomic_int report_count;
static atomic_int wake_fd = -1; /* the hook writes a byte there */

static void on_stuck(const fluv_stuck_t* stuck, void* arg) {
  size_t i;

  ck_assert_ptr_eq(arg, &report);
  report.stuck = *stuck;
  snprintf(report.task,
           sizeof(report.task),
           "%s",
           stuck->task != NULL ? stuck->task : "(none)");
  for (i = 0; i < stuck->frame_count && i < MAX_FRAMES; i++)
    report.frames[i] = stuck->frames[i];
  atomic_fetch_add(&report_count, 1);
  if (wake_fd >= 0)
    ck_assert_int_eq(write(wake_fd, "x", 1), 1);
}

/* However busy the machine is. */
static void wait_for_answers(void) {
  if (ANSWERS)
    atomic_store(&fluv__watchdog_answer_ms, 60000);
}

static void attach_with_limit(unsigned limit_ms) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  wait_for_answers();
  options.watchdog_ms = limit_ms;
  test_setup_with(&options);
  fluv_watchdog_set_hook(on_stuck, &report);
}

static void setup_watched(void) {
  attach_with_limit(LIMIT_MS);
}

static void setup_watched_long(void) {
  attach_with_limit(LONG_LIMIT_MS);
}

static void setup_by_environment(void) {
  setenv("FLUV_WATCHDOG_MS", "20", 1);
  attach_with_limit(0);
}

static void setup_never(void) {
  setenv("FLUV_WATCHDOG_MS", "20", 1);
  attach_with_limit(FLUV_WATCHDOG_NEVER);
}

/* Hold the loop until it has been reported so often. */
__attribute__((noinline)) static int64_t hold_until(int count) {
  while (atomic_load(&report_count) < count)
    continue;
  return 0;
}

static int64_t hold(void* arg) {
  return hold_until((int) (intptr_t) arg);
}

static void hold_for(uint64_t ms) {
  uint64_t end = uv_hrtime() + ms * 1000000;

  while (uv_hrtime() < end)
    continue;
}

static int64_t hold_named(void* arg) {
  ck_assert_err(fluv_task_set_name("holder"), 0);
  return hold(arg);
}

START_TEST(task_that_holds_its_loop_is_named) {
  const fluv_loc_t* here = FLUV_LOC;

  ck_assert_err(test_run_loc(hold_named, (void*) 1, here), 0);
  ck_assert_int_eq(report_count, 1);
  ck_assert_ptr_eq(report.stuck.loop, fluv_loop_current());
  ck_assert_uint_ge(report.stuck.stuck_ms, LIMIT_MS);
  ck_assert_str_eq(report.task, "holder");
  ck_assert_ptr_eq(report.stuck.spawned, here);
  ck_assert_ptr_null(report.stuck.awaited);
}
END_TEST

static int awaited_line;

static int64_t await_and_hold(void* arg) {
  awaited_line = __LINE__ + 1;
  fluv_await(fluv_ready(0));
  awaited_line = __LINE__ + 1;
  fluv_yield();
  return hold(arg);
}

START_TEST(last_await_of_the_task_is_reported) {
  ck_assert_err(test_run(await_and_hold, (void*) 1), 0);
  ck_assert_ptr_nonnull(report.stuck.awaited);
  ck_assert_int_eq(report.stuck.awaited->line, awaited_line);
  ck_assert_str_eq(report.stuck.awaited->func, "await_and_hold");
  ck_assert_str_eq(report.task, "last_await_of_the_task_is_reported_fn");
}
END_TEST

START_TEST(stack_of_the_task_is_reported) {
#ifdef HAVE_EXECINFO_H
  bool found = false;
  size_t i;

  ck_assert_err(test_run(hold, (void*) 1), 0);
  for (i = 0; i < report.stuck.frame_count; i++)
    if ((uintptr_t) report.frames[i] - (uintptr_t) hold_until < 256)
      found = true;
  ck_assert_uint_gt(report.stuck.frame_count, 0);
  ck_assert(found);
#endif
}
END_TEST

/* Blocked in the kernel, not computing: the signal does not end the read. */
static int64_t read_byte(void* arg) {
  char byte;

  return read(*(int*) arg, &byte, 1);
}

START_TEST(task_that_blocks_in_a_system_call_is_named) {
  int fds[2];

  ck_assert_int_eq(pipe(fds), 0);
  wake_fd = fds[1];
  ck_assert_err(test_run(read_byte, &fds[0]), 1);
  ck_assert_int_eq(report_count, 1);
  if (ANSWERS)
    ck_assert_ptr_nonnull(report.stuck.task);
  close(fds[0]);
  close(fds[1]);
}
END_TEST

static int64_t spawn_here(void* arg) {
  return fluv_await(fluv_spawn(hold, arg));
}

static int64_t hold_a_while(void* arg) {
  if (atomic_load(&report_count) == (int) (intptr_t) arg)
    hold_for(LIMIT_MS * 8);
  return 0;
}

/* Both from the same place. */
static int64_t spawn_one_place(fluv_task_fn fn, void* arg) {
  return test_run(fn, arg);
}

START_TEST(each_place_is_reported_once) {
  ck_assert_err(spawn_one_place(hold, (void*) 1), 0);
  ck_assert_err(test_run(spawn_here, (void*) 2), 0);
  ck_assert_str_eq(report.stuck.spawned->func, "spawn_here");
  ck_assert_err(spawn_one_place(hold_a_while, (void*) 2), 0);
  ck_assert_int_eq(report_count, 2);
}
END_TEST

static fluv_future_t* continue_and_hold(int64_t result, void* arg) {
  hold(arg);
  return fluv_ready(result);
}

START_TEST(continuation_that_holds_its_loop_is_reported) {
  fluv_future_t* f =
      fluv_then(fluv_ready(4), continue_and_hold, (void*) 1, NULL);

  ck_assert_err(fluv_block_on(f), 4);
  ck_assert_int_eq(report_count, 1);
  ck_assert_ptr_null(report.stuck.task);
  ck_assert_ptr_null(report.stuck.spawned);
}
END_TEST

START_TEST(limit_may_come_from_the_environment) {
  ck_assert_err(test_run(hold, (void*) 1), 0);
  ck_assert_int_eq(report_count, 1);
}
END_TEST

#if !FLUV_TSAN
START_TEST(thread_that_blocks_all_signals_is_reported_without_its_task) {
  sigset_t all;
  sigset_t before;

  atomic_store(&fluv__watchdog_answer_ms, 1); /* no answer is to come */
  sigfillset(&all);
  ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &all, &before), 0);
  ck_assert_err(test_run(hold, (void*) 1), 0);
  ck_assert_ptr_null(report.stuck.task);
  ck_assert_uint_eq(report.stuck.frame_count, 0);
  /* A late signal arrives after the watchdog has stopped waiting. */
  ck_assert_int_eq(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
  wait_for_answers();
  ck_assert_err(test_run(spawn_here, (void*) 2), 0);
  ck_assert_ptr_nonnull(report.stuck.task);
}
END_TEST
#endif

/* What is not stuck. */

static int64_t sleep_long(void* arg) {
  (void) arg;
  return fluv_await(fluv_sleep((uint64_t) LONG_LIMIT_MS * 3));
}

START_TEST(loop_that_sleeps_is_not_stuck) {
  ck_assert_err(test_run(sleep_long, NULL), 0);
  ck_assert_int_eq(report_count, 0);
}
END_TEST

static int64_t yield_long(void* arg) {
  uint64_t end = uv_hrtime() + UINT64_C(1000000) * LONG_LIMIT_MS * 3;

  (void) arg;
  while (uv_hrtime() < end)
    fluv_yield();
  return 0;
}

START_TEST(loop_that_turns_is_not_stuck) {
  ck_assert_err(test_run(yield_long, NULL), 0);
  ck_assert_int_eq(report_count, 0);
}
END_TEST

START_TEST(loop_that_its_host_does_not_run_is_not_stuck) {
  fluv_future_t* task = fluv_spawn(hold_named, NULL);

  hold_for((uint64_t) LONG_LIMIT_MS * 3);
  ck_assert_err(fluv_block_on(task), 0);
  ck_assert_int_eq(report_count, 0);
}
END_TEST

static int64_t hold_for_a_while(void* arg) {
  (void) arg;
  hold_for(LIMIT_MS * 8);
  return 0;
}

START_TEST(loop_that_is_not_watched_is_not_reported) {
  ck_assert_err(test_run(hold_for_a_while, NULL), 0);
  ck_assert_int_eq(report_count, 0);
}
END_TEST

/* What is printed where there is no hook. */

static int stderr_fd;

static int64_t read_report(void* arg) {
  char text[4096];
  char* want = arg;
  size_t len = 0;

  ck_assert_err(fluv_task_set_name("reader"), 0);
  do {
    ck_assert_uint_lt(len, sizeof(text) - 1);
    ck_assert_int_eq(read(stderr_fd, text + len, 1), 1);
    text[++len] = '\0';
  } while (text[len - 1] != '\n');
  ck_assert_has(text, "fluv: event loop stalled for ");
  if (!ANSWERS)
    return 0;
  ck_assert_has(text, "task \"reader\", spawned at ");
  ck_assert_has(text, want);
  ck_assert_has(text, ", which has not awaited yet");
  return 0;
}

START_TEST(report_goes_to_stderr_with_name_and_place) {
  char want[64];
  int fds[2];

  fluv_watchdog_set_hook(NULL, NULL);
  ck_assert_int_eq(pipe(fds), 0);
  ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
  close(fds[1]);
  stderr_fd = fds[0];
  snprintf(want, sizeof(want), "test-watchdog.c:%d (", __LINE__ + 1);
  ck_assert_err(test_run(read_report, want), 0);
  /* No more is written once the loop is gone: then nobody needs to read. */
  ck_assert_err(fluv_loop_close(), 0);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  close(fds[0]);
  ck_assert_err(fluv_attach(test_uv), 0);
}
END_TEST

/* Threads. */

enum {
  THREADS = 4,
  ROUNDS = 50
};

static int64_t yield_once(void* arg) {
  (void) arg;
  return fluv_yield();
}

static void run_watched_loops(void* arg) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  int i;

  (void) arg;
  options.watchdog_ms = 1000;
  for (i = 0; i < ROUNDS; i++)
    ck_assert_err(fluv_run(yield_once, NULL, &options), 0);
}

START_TEST(loops_come_and_go_on_many_threads) {
  uv_thread_t threads[THREADS];
  int i;

  for (i = 0; i < THREADS; i++)
    ck_assert_int_eq(uv_thread_create(&threads[i], run_watched_loops, NULL), 0);
  for (i = 0; i < THREADS; i++)
    uv_thread_join(&threads[i]);
}
END_TEST

static void hold_on_a_loop(void* arg) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  options.watchdog_ms = LIMIT_MS;
  ck_assert_err(fluv_run(hold_named, arg, &options), 0);
}

START_TEST(each_of_two_loops_is_reported_separately) {
  ck_assert_err(test_run(hold, (void*) 1), 0);
  ck_assert_ptr_eq(report.stuck.loop, fluv_loop_current());
  test_on_thread(hold_on_a_loop, (void*) 2);
  ck_assert_ptr_ne(report.stuck.loop, fluv_loop_current());
  ck_assert_str_eq(report.task, "holder");
}
END_TEST

/* Out of memory. */

START_TEST(loop_does_without_a_watchdog_if_memory_runs_out) {
  setenv("FLUV_WATCHDOG_MS", "1000", 1);
  TEST_OOM(yield_once, NULL);
}
END_TEST

static Suite* watchdog_suite(void) {
  Suite* s = suite_create("watchdog");
  TCase* tc = test_case(s, "basic", setup_watched, test_teardown);

  ADD(tc,
      task_that_holds_its_loop_is_named,
      last_await_of_the_task_is_reported,
      stack_of_the_task_is_reported,
      task_that_blocks_in_a_system_call_is_named,
      each_place_is_reported_once,
      continuation_that_holds_its_loop_is_reported,
      report_goes_to_stderr_with_name_and_place);
#if !FLUV_TSAN
  /* ThreadSanitizer delivers a signal late, perhaps never to a busy loop. */
  ADD(tc, thread_that_blocks_all_signals_is_reported_without_its_task);
#endif
  tc = test_case(s, "basic", setup_by_environment, test_teardown);
  ADD(tc, limit_may_come_from_the_environment);

  tc = test_case(s, "basic", setup_watched_long, test_teardown);
  ADD(tc,
      loop_that_sleeps_is_not_stuck,
      loop_that_turns_is_not_stuck,
      loop_that_its_host_does_not_run_is_not_stuck);
  tc = test_case(s, "basic", setup_never, test_teardown);
  ADD(tc, loop_that_is_not_watched_is_not_reported);

  tc = test_case(s, "threads", setup_watched, test_teardown);
  ADD(tc,
      loops_come_and_go_on_many_threads,
      each_of_two_loops_is_reported_separately);

  tc = test_case(s, "oom", NULL, NULL);
  ADD(tc, loop_does_without_a_watchdog_if_memory_runs_out);
  return s;
}

TEST_MAIN(watchdog_suite)

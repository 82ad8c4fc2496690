/* SPDX-License-Identifier: MIT */
/* Interrupting tasks: cancel, drop, detach, and tasks that ignore it. */
#include "core/loop.h"
#include "fluv-test.h"

#include <stdio.h>

#define MS 1000000ull

/* Cancel. */

static int64_t note_two_awaits(void* arg) {
  test_note("start ");
  test_note(fluv_err_name(fluv_await(fluv_sleep(10))));
  test_note(" ");
  test_note(fluv_err_name(fluv_await(fluv_sleep(10))));
  return (int64_t) (intptr_t) arg;
}

START_TEST(cancelled_before_it_starts_a_task_still_runs) {
  fluv_future_t* f = fluv_spawn(note_two_awaits, (void*) 5);

  fluv_cancel(f);
  ck_assert(!fluv_future_is_done(f));
  ck_assert_err(fluv_block_on(f), 5);
  ck_assert_trace("start ECANCELED ECANCELED");
}
END_TEST

START_TEST(cancelled_while_it_waits_a_task_hears_of_it) {
  uint64_t before = fluv_now();
  fluv_future_t* f = fluv_spawn(note_two_awaits, (void*) 6);

  test_turn(2);
  ck_assert_trace("start ");
  fluv_cancel(f);
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), 6);
  ck_assert_trace("start ECANCELED ECANCELED");
  ck_assert_uint_eq(fluv_now(), before);
}
END_TEST

START_TEST(cancelled_after_it_returned_a_task_keeps_its_result) {
  fluv_future_t* f = fluv_spawn(note_two_awaits, (void*) 7);

  test_advance(30);
  ck_assert(fluv_future_is_done(f));
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), 7);
}
END_TEST

static int64_t try_everything(void* arg) {
  fluv_future_t* cold = fluv_sleep(0);
  (void) arg;

  ck_assert_err(fluv_task_get_interrupt(), FLUV_ECANCELED);
  ck_assert_err(fluv_await(fluv_ready(3)), 3);
  ck_assert_err(fluv_await(fluv_failed(FLUV_EPIPE)), FLUV_EPIPE);
  ck_assert_err(fluv_await(cold), FLUV_ECANCELED);
  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  ck_assert_err(fluv_yield(), FLUV_ECANCELED);
  ck_assert_err(fluv_await(fluv_timeout(fluv_never(), 10)), FLUV_ECANCELED);
  ck_assert_err(fluv_await(fluv_ready(4)), 4);
  ck_assert_err(fluv_task_get_interrupt(), FLUV_ECANCELED);
  return 1;
}

START_TEST(cancel_sticks_but_results_that_are_there_are_returned) {
  fluv_future_t* f = fluv_spawn(try_everything, NULL);
  uint64_t before = fluv_now();

  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), 1);
  ck_assert_uint_eq(fluv_now(), before);
}
END_TEST

TEST_TASK(a_task_may_cancel_itself) {
  ck_assert_err(fluv_task_get_interrupt(), 0);
  fluv_cancel(fluv_task_self());
  ck_assert_err(fluv_task_get_interrupt(), FLUV_ECANCELED);
  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  return 0;
}

static int64_t await_stubborn(void* arg) {
  int64_t result = fluv_await(fluv_spawn(test_clean_up_slow, arg));

  test_note(".");
  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  return result;
}

START_TEST(cancel_flows_into_the_awaited_task_and_waits_for_it) {
  fluv_future_t* f = fluv_spawn(await_stubborn, (void*) 9);

  test_turn(3);
  ck_assert_trace("[");
  fluv_cancel(f);
  test_advance(19);
  ck_assert_trace("[");
  ck_assert(!fluv_future_is_done(f));
  /* The child's value is not lost. */
  ck_assert_err(fluv_block_on(f), 9);
  ck_assert_trace("[].");
}
END_TEST

static fluv_future_t* shared;

static int64_t cancel_shared(void* arg) {
  fluv_cancel(shared);
  test_note("c");
  return (int64_t) (intptr_t) arg;
}

START_TEST(a_task_may_cancel_another) {
  shared = fluv_spawn(note_two_awaits, (void*) 2);
  ck_assert_err(test_run(cancel_shared, NULL), 0);
  ck_assert_err(fluv_block_on(shared), 2);
  ck_assert_trace("start cECANCELED ECANCELED");
}
END_TEST

static int64_t fail_when_cancelled(void* arg) {
  int64_t err = fluv_await(fluv_never());

  test_note(fluv_err_name(err));
  (void) arg;
  return FLUV_EPIPE;
}

static int heard;

static void hear(int64_t err, const char* what, void* arg) {
  (void) err;
  (void) what;
  (void) arg;
  heard++;
}

START_TEST(dropped_task_runs_to_its_end_unheard) {
  heard = 0;
  fluv_set_unhandled(hear, NULL);
  fluv_drop(fluv_spawn(fail_when_cancelled, NULL));
  test_turn(2);
  ck_assert_trace("ECANCELED");
  ck_assert_int_eq(heard, 0);
  ck_assert_uint_eq(fluv_loop_count_tasks(fluv_loop_current()), 0);
}
END_TEST

START_TEST(dropped_task_is_cancelled_while_it_waits) {
  fluv_future_t* f = fluv_spawn(note_two_awaits, NULL);

  test_turn(2);
  fluv_drop(f);
  test_turn(2);
  ck_assert_trace("start ECANCELED ECANCELED");
}
END_TEST

START_TEST(detached_task_runs_on) {
  fluv_detach(fluv_spawn(note_two_awaits, NULL));
  test_turn(2);
  ck_assert_trace("start ");
  test_advance(20);
  ck_assert_trace("start UNKNOWN UNKNOWN");
}
END_TEST

static int64_t count_cancelled(void* arg) {
  int* count = arg;

  if (fluv_await(fluv_never()) == FLUV_ECANCELED)
    ++*count;
  return *count;
}

START_TEST(a_thousand_tasks_are_cancelled) {
  fluv_future_t* tasks[1000];
  int count = 0;
  int i;

  for (i = 0; i < 1000; i++)
    tasks[i] = fluv_spawn(count_cancelled, &count);
  for (i = 0; i < 500; i++)
    fluv_cancel(tasks[i]);
  /* A turn may end before all have had theirs: it is bounded in time. */
  test_turn(1000);
  ck_assert_int_eq(count, 500);
  for (i = 0; i < 1000; i++)
    fluv_cancel(tasks[i]);
  for (i = 0; i < 1000; i++)
    ck_assert_err(fluv_block_on(tasks[i]), i + 1);
  ck_assert_int_eq(count, 1000);
}
END_TEST

static int64_t note_cancel(void* arg) {
  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  test_note(arg);
  return FLUV_ECANCELED;
}

static int64_t await_three(void* arg) {
  fluv_future_t* f[3];

  f[0] = fluv_spawn(note_cancel, TEXT("a"));
  f[1] = fluv_spawn(note_cancel, TEXT("b"));
  f[2] = fluv_spawn(note_cancel, TEXT("c"));
  (void) arg;
  return fluv_await(fluv_join_all(f, 3, NULL));
}

START_TEST(cancelled_tasks_wake_in_order) {
  fluv_future_t* f = fluv_spawn(await_three, NULL);

  test_turn(3);
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  ck_assert_trace("abc");
}
END_TEST

static int64_t chain(void* arg) {
  intptr_t depth = (intptr_t) arg;
  fluv_future_t* f;

  if (depth == 0)
    return fluv_await(fluv_never());
  f = fluv_spawn(chain, (void*) (depth - 1));
  return fluv_await(fluv_join_all(&f, 1, NULL));
}

static int64_t cancel_a_deep_chain(void* arg) {
  fluv_future_t* f = fluv_spawn(chain, arg);
  int i;

  for (i = 0; i < 3000; i++)
    fluv_yield();
  /* On the small stack of a task. */
  fluv_cancel(f);
  return fluv_await(f);
}

START_TEST(cancel_reaches_down_a_chain_of_thousands) {
  ck_assert_err(test_run(cancel_a_deep_chain, (void*) 2000), FLUV_ECANCELED);
}
END_TEST

/* Tasks that ignore their cancellation. */

static bool deaf_stop;
static unsigned deaf_awaits;

static int64_t await_deafly(void* arg) {
  (void) arg;
  while (!deaf_stop) {
    deaf_awaits++;
    fluv_await(fluv_sleep(1000));
  }
  return 5;
}

static int64_t yield_deafly(void* arg) {
  (void) arg;
  while (!deaf_stop) {
    deaf_awaits++;
    fluv_yield();
  }
  return 5;
}

static int64_t miss_a_deadline_deafly(void* arg) {
  ck_assert_err(fluv_deadline_begin(0), 0);
  await_deafly(arg);
  ck_assert(fluv_deadline_end());
  return 5;
}

/* It has its turns all the same: if the deaf one starved us, we would wait
 * here for ever. */
static void let_it_await(unsigned times) {
  unsigned end = deaf_awaits + times;

  while (deaf_awaits < end)
    ck_assert_err(fluv_yield(), 0);
}

/* fluv_clock_advance() waits until no task is ready: that never comes. */
static void move_clock(uint64_t ms) {
  fluv__loop->timers.paused_ns += ms * MS;
}

static int64_t watch_it_for_a_second(void* arg) {
  fluv_future_t* f = arg;

  let_it_await(5000);
  move_clock(999);
  let_it_await(5000);
  fprintf(stderr, "a second is over\n");
  move_clock(1);
  let_it_await(5000);
  move_clock(5000);
  let_it_await(5000);
  deaf_stop = true;
  return fluv_await(f);
}

static int64_t cancel_the_deaf(void* arg) {
  fluv_future_t* f = fluv_spawn(await_deafly, arg);

  ck_assert_err(fluv_yield(), 0);
  fluv_cancel(f);
  return watch_it_for_a_second(f);
}

static int64_t cancel_the_deaf_yielder(void* arg) {
  fluv_future_t* f = fluv_spawn(yield_deafly, arg);

  ck_assert_err(fluv_yield(), 0);
  fluv_cancel(f);
  return watch_it_for_a_second(f);
}

static int64_t let_the_deaf_miss_a_deadline(void* arg) {
  fluv_future_t* f = fluv_spawn(miss_a_deadline_deafly, arg);

  return watch_it_for_a_second(f);
}

/* Many requests, each of which misses its deadline: nothing goes on. */
static int64_t miss_many_deadlines(void* arg) {
  int i;
  int k;

  (void) arg;
  for (i = 0; i < 2000; i++) {
    ck_assert_err(fluv_deadline_begin(1), 0);
    ck_assert_err(fluv_await(fluv_sleep(5)), FLUV_ETIMEDOUT);
    for (k = 0; k < 3; k++)
      ck_assert_err(fluv_await(fluv_sleep(5)), FLUV_ETIMEDOUT);
    ck_assert(fluv_deadline_end());
  }
  return 5;
}

static void run_paused(void* arg) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  const fluv_task_fn* fn = arg;

  options.clock_paused = true;
  ck_assert_err(fluv_run(*fn, NULL, &options), 5);
}

/* The messages on stderr while `fn` runs; free them. */
static char* said_of(fluv_task_fn fn) {
  int status;
  char* text = test_stderr_of(run_paused, &fn, &status);

  ck_assert_msg(status == 0, "%#x: %s", (unsigned) status, text);
  return text;
}

static void check_reported_once(fluv_task_fn fn, const char* what) {
  char* text = said_of(fn);
  char* marker = strstr(text, "a second is over");

  ck_assert_ptr_nonnull(marker);
  *marker = '\0';
  ck_assert_str_eq(text, "");
  ck_assert_has(marker + 1, what);
  ck_assert_has(marker + 1, "goes on awaiting at");
  ck_assert_has(marker + 1, "test-task-cancel.c:");
  ck_assert_ptr_null(strstr(strstr(marker + 1, "goes on") + 1, "goes on"));
  free(text);
}

START_TEST(task_that_ignores_its_cancellation_is_named_once) {
  check_reported_once(cancel_the_deaf, "was cancelled 1000 ms ago");
}
END_TEST

START_TEST(task_that_yields_though_cancelled_is_named_once) {
  check_reported_once(cancel_the_deaf_yielder, "was cancelled 1000 ms ago");
}
END_TEST

START_TEST(task_that_ignores_its_deadline_is_named_once) {
  check_reported_once(let_the_deaf_miss_a_deadline, "has passed its deadline");
}
END_TEST

START_TEST(task_that_misses_many_deadlines_is_not_named) {
  char* text = said_of(miss_many_deadlines);

  ck_assert_str_eq(text, "");
  free(text);
}
END_TEST

static Suite* task_cancel_suite(void) {
  Suite* s = suite_create("task-cancel");
  TCase* tc = test_case(s, "cancel", test_setup_paused, test_teardown);

  ADD(tc,
      cancelled_before_it_starts_a_task_still_runs,
      cancelled_while_it_waits_a_task_hears_of_it,
      cancelled_after_it_returned_a_task_keeps_its_result,
      cancel_sticks_but_results_that_are_there_are_returned,
      a_task_may_cancel_itself,
      cancel_flows_into_the_awaited_task_and_waits_for_it,
      a_task_may_cancel_another,
      dropped_task_runs_to_its_end_unheard,
      dropped_task_is_cancelled_while_it_waits,
      detached_task_runs_on,
      a_thousand_tasks_are_cancelled);

  tc = test_case(s, "regress", test_setup, test_teardown);
  ADD(tc,
      cancelled_tasks_wake_in_order,
      cancel_reaches_down_a_chain_of_thousands);

  tc = test_case(s, "misuse", NULL, NULL);
  ADD(tc,
      task_that_ignores_its_cancellation_is_named_once,
      task_that_yields_though_cancelled_is_named_once,
      task_that_ignores_its_deadline_is_named_once,
      task_that_misses_many_deadlines_is_not_named);
  return s;
}

TEST_MAIN(task_cancel_suite)

/* SPDX-License-Identifier: MIT */
/* Interrupting tasks: cancel, drop, detach, shields, deadlines. */
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

static int64_t stubborn(void* arg) {
  test_note("[");
  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  ck_assert_err(fluv_await(fluv_sleep(20)), 0);
  fluv_shield_end();
  test_note("]");
  return (int64_t) (intptr_t) arg;
}

static int64_t await_stubborn(void* arg) {
  int64_t result = fluv_await(fluv_spawn(stubborn, arg));

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

/* Shields. */

static int64_t clean_up(void* arg) {
  uint64_t limit = *(uint64_t*) arg;
  uint64_t before = fluv_now();
  int64_t err;

  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  ck_assert_err(fluv_shield_begin(limit), 0);
  ck_assert_err(fluv_task_get_interrupt(), 0);
  err = fluv_await(fluv_sleep(50));
  fluv_shield_end();
  ck_assert_err(fluv_task_get_interrupt(), FLUV_ECANCELED);
  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  ck_assert_uint_eq(fluv_now() - before, (err == 0 ? 50 : limit) * MS);
  return err;
}

START_TEST(shield_lets_clean_up_await) {
  uint64_t limit = FLUV_FOREVER;
  fluv_future_t* f = fluv_spawn(clean_up, &limit);

  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), 0);
}
END_TEST

START_TEST(shield_holds_until_its_limit) {
  uint64_t limits[] = { 60, 51, 49, 10, 1 };
  int i;

  for (i = 0; i < 5; i++) {
    fluv_future_t* f = fluv_spawn(clean_up, &limits[i]);
    fluv_cancel(f);
    ck_assert_err(fluv_block_on(f), limits[i] > 50 ? 0 : FLUV_ECANCELED);
  }
}
END_TEST

static int64_t sleep_shielded(void* arg) {
  ck_assert_err(fluv_shield_begin(*(uint64_t*) arg), 0);
  test_note(fluv_err_name(fluv_await(fluv_sleep(20))));
  fluv_shield_end();
  test_note(" ");
  test_note(fluv_err_name(fluv_await(fluv_never())));
  return 0;
}

START_TEST(shield_opened_before_the_cancel_holds_it_off) {
  uint64_t limit = FLUV_FOREVER;
  uint64_t before = fluv_now();
  fluv_future_t* f = fluv_spawn(sleep_shielded, &limit);

  test_turn(2);
  fluv_cancel(f);
  test_turn(2);
  ck_assert_err(fluv_block_on(f), 0);
  ck_assert_trace("UNKNOWN ECANCELED");
  ck_assert_uint_eq(fluv_now() - before, 20 * MS);
}
END_TEST

START_TEST(cancel_held_off_arrives_when_the_shield_expires) {
  uint64_t limit = 15;
  uint64_t before = fluv_now();
  fluv_future_t* f = fluv_spawn(sleep_shielded, &limit);

  test_turn(2);
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), 0);
  ck_assert_trace("ECANCELED ECANCELED");
  ck_assert_uint_eq(fluv_now() - before, 15 * MS);
}
END_TEST

START_TEST(expired_shield_without_a_cancel_changes_nothing) {
  uint64_t limit = 5;
  fluv_future_t* f = fluv_spawn(sleep_shielded, &limit);

  test_advance(100);
  ck_assert_trace("UNKNOWN ");
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), 0);
}
END_TEST

TEST_TASK(shields_nest) {
  fluv_cancel(fluv_task_self());
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  ck_assert_err(fluv_shield_begin(10), 0);
  ck_assert_err(fluv_await(fluv_sleep(5)), 0);
  fluv_shield_end();
  ck_assert_err(fluv_task_get_interrupt(), 0);
  ck_assert_err(fluv_await(fluv_sleep(30)), 0);
  fluv_shield_end();
  ck_assert_err(fluv_await(fluv_sleep(5)), FLUV_ECANCELED);
  return 0;
}

static void defer_clean_up(void* arg) {
  (void) arg;
  ck_assert_err(fluv_await(fluv_sleep(1)), FLUV_ECANCELED);
  ck_assert_err(fluv_shield_begin(100), 0);
  ck_assert_err(fluv_await(fluv_sleep(30)), 0);
  test_note("clean");
  /* Left open: the task that returns ends it. */
}

static int64_t defer_and_wait(void* arg) {
  ck_assert_err(fluv_defer(defer_clean_up, arg), 0);
  return fluv_await(fluv_never());
}

START_TEST(deferred_clean_up_awaits_behind_a_shield) {
  fluv_future_t* f = fluv_spawn(defer_and_wait, NULL);

  test_turn(2);
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  ck_assert_trace("clean");
}
END_TEST

static int64_t return_with_all_open(void* arg) {
  (void) arg;
  ck_assert_err(fluv_shield_begin(1000), 0);
  ck_assert_err(fluv_deadline_begin(1000), 0);
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  return 4;
}

START_TEST(a_task_that_returns_ends_what_it_left_open) {
  ck_assert_err(test_run(return_with_all_open, NULL), 4);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
}
END_TEST

/* Deadlines. */

TEST_TASK(deadline_interrupts_the_await_and_sticks) {
  uint64_t before = fluv_now();

  ck_assert_err(fluv_deadline_begin(10), 0);
  ck_assert_err(fluv_task_get_interrupt(), 0);
  ck_assert_err(fluv_await(fluv_sleep(4)), 0);
  ck_assert_err(fluv_await(fluv_never()), FLUV_ETIMEDOUT);
  ck_assert_uint_eq(fluv_now() - before, 10 * MS);
  ck_assert_err(fluv_task_get_interrupt(), FLUV_ETIMEDOUT);
  ck_assert_err(fluv_await(fluv_sleep(1)), FLUV_ETIMEDOUT);
  ck_assert_err(fluv_yield(), FLUV_ETIMEDOUT);
  ck_assert_err(fluv_await(fluv_ready(6)), 6);
  ck_assert(fluv_deadline_end());

  ck_assert_err(fluv_task_get_interrupt(), 0);
  ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  return 0;
}

TEST_TASK(deadline_that_is_kept_leaves_no_trace) {
  ck_assert_err(fluv_deadline_begin(10), 0);
  ck_assert_err(fluv_await(fluv_sleep(9)), 0);
  ck_assert(!fluv_deadline_end());
  ck_assert_err(fluv_await(fluv_sleep(50)), 0);
  return 0;
}

TEST_TASK(deadline_passes_without_an_await_too) {
  ck_assert_err(fluv_deadline_begin(10), 0);
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  ck_assert_err(fluv_await(fluv_sleep(20)), 0);
  fluv_shield_end();
  ck_assert(fluv_deadline_end());
  return 0;
}

TEST_TASK(deadline_of_no_time_refuses_every_wait) {
  uint64_t before = fluv_now();

  ck_assert_err(fluv_deadline_begin(0), 0);
  ck_assert_err(fluv_await(fluv_never()), FLUV_ETIMEDOUT);
  ck_assert_err(fluv_await(fluv_ready(1)), 1);
  ck_assert(fluv_deadline_end());
  ck_assert_uint_eq(fluv_now(), before);
  return 0;
}

TEST_TASK(deadline_far_away_or_never_is_fine) {
  ck_assert_err(fluv_deadline_begin(FLUV_FOREVER), 0);
  ck_assert_err(fluv_deadline_begin(FLUV_FOREVER - 1), 0);
  ck_assert_err(fluv_deadline_begin(1ull << 40), 0);
  ck_assert_err(fluv_await(fluv_sleep(1000000)), 0);
  ck_assert(!fluv_deadline_end());
  ck_assert(!fluv_deadline_end());
  ck_assert(!fluv_deadline_end());
  return 0;
}

TEST_TASK(the_earlier_of_nested_deadlines_counts_when_outside) {
  uint64_t before = fluv_now();

  ck_assert_err(fluv_deadline_begin(10), 0);
  ck_assert_err(fluv_deadline_begin(50), 0);
  ck_assert_err(fluv_await(fluv_never()), FLUV_ETIMEDOUT);
  ck_assert_uint_eq(fluv_now() - before, 10 * MS);
  ck_assert(!fluv_deadline_end());
  ck_assert_err(fluv_await(fluv_never()), FLUV_ETIMEDOUT);
  ck_assert(fluv_deadline_end());
  ck_assert_err(fluv_await(fluv_sleep(100)), 0);
  return 0;
}

TEST_TASK(the_earlier_of_nested_deadlines_counts_when_inside) {
  uint64_t before = fluv_now();

  ck_assert_err(fluv_deadline_begin(50), 0);
  ck_assert_err(fluv_deadline_begin(10), 0);
  ck_assert_err(fluv_await(fluv_never()), FLUV_ETIMEDOUT);
  ck_assert_uint_eq(fluv_now() - before, 10 * MS);
  ck_assert(fluv_deadline_end());
  ck_assert_err(fluv_await(fluv_sleep(20)), 0);
  ck_assert_err(fluv_await(fluv_never()), FLUV_ETIMEDOUT);
  ck_assert_uint_eq(fluv_now() - before, 50 * MS);
  ck_assert(fluv_deadline_end());
  return 0;
}

static int64_t see_the_interrupt(void* arg) {
  int64_t err = fluv_await(fluv_never());
  int64_t* seen = arg;

  *seen = err;
  return err;
}

static int64_t await_a_child(void* arg) {
  return fluv_await(fluv_spawn(see_the_interrupt, arg));
}

TEST_TASK(deadline_flows_into_children_and_grandchildren) {
  uint64_t before = fluv_now();
  int64_t seen = 0;

  ck_assert_err(fluv_deadline_begin(10), 0);
  ck_assert_err(fluv_await(fluv_spawn(await_a_child, &seen)), FLUV_ETIMEDOUT);
  ck_assert_uint_eq(fluv_now() - before, 10 * MS);
  ck_assert_msg(seen == FLUV_ECANCELED || seen == FLUV_ETIMEDOUT,
                "the grandchild saw %s",
                fluv_err_name(seen));
  ck_assert(fluv_deadline_end());
  ck_assert_uint_eq(fluv_loop_count_tasks(fluv_loop_current()), 1);
  return 0;
}

TEST_TASK(deadline_waits_for_a_child_that_cleans_up) {
  uint64_t before = fluv_now();
  int64_t result;

  ck_assert_err(fluv_deadline_begin(10), 0);
  result = fluv_await(fluv_spawn(stubborn, (void*) 3));
  ck_assert_uint_eq(fluv_now() - before, 30 * MS);
  /* A result that arrives nevertheless is not lost. */
  ck_assert_err(result, 3);
  ck_assert(fluv_deadline_end());
  ck_assert_trace("[]");
  return 0;
}

TEST_TASK(a_shield_holds_off_outer_deadlines_not_inner_ones) {
  uint64_t before = fluv_now();

  ck_assert_err(fluv_deadline_begin(10), 0);
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  ck_assert_err(fluv_await(fluv_sleep(20)), 0);
  ck_assert_err(fluv_deadline_begin(5), 0);
  ck_assert_err(fluv_await(fluv_never()), FLUV_ETIMEDOUT);
  ck_assert_uint_eq(fluv_now() - before, 25 * MS);
  ck_assert(fluv_deadline_end());
  fluv_shield_end();
  ck_assert_err(fluv_await(fluv_never()), FLUV_ETIMEDOUT);
  ck_assert(fluv_deadline_end());
  return 0;
}

TEST_TASK(a_sleep_that_ends_with_the_deadline_is_no_loss) {
  int64_t result;

  ck_assert_err(fluv_deadline_begin(10), 0);
  result = fluv_await(fluv_sleep(10));
  ck_assert_msg(result == 0 || result == FLUV_ETIMEDOUT, "%d", (int) result);
  ck_assert(fluv_deadline_end());
  return 0;
}

static int64_t wait_with_deadline(void* arg) {
  int64_t err;

  ck_assert_err(fluv_deadline_begin(100), 0);
  err = fluv_await(fluv_never());
  ck_assert(!fluv_deadline_end());
  (void) arg;
  return err;
}

START_TEST(cancel_reaches_a_task_inside_a_deadline) {
  fluv_future_t* f = fluv_spawn(wait_with_deadline, NULL);
  uint64_t before = fluv_now();

  test_turn(2);
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  ck_assert_uint_eq(fluv_now(), before);
}
END_TEST

static void compute_for(uint64_t ms) {
  uint64_t end = fluv_now() + ms * MS;

  while (fluv_now() < end)
    continue;
}

TEST_TASK(deadline_passes_while_the_task_computes) {
  ck_assert_err(fluv_deadline_begin(2), 0);
  compute_for(4);
  ck_assert_err(fluv_task_get_interrupt(), FLUV_ETIMEDOUT);
  ck_assert_err(fluv_await(fluv_sleep(1)), FLUV_ETIMEDOUT);
  ck_assert(fluv_deadline_end());
  ck_assert_err(fluv_await(fluv_sleep(1)), 0);

  ck_assert_err(fluv_deadline_begin(2), 0);
  compute_for(4);
  ck_assert(fluv_deadline_end());
  return 0;
}

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
      a_thousand_tasks_are_cancelled,
      shield_lets_clean_up_await,
      shield_holds_until_its_limit,
      shield_opened_before_the_cancel_holds_it_off,
      cancel_held_off_arrives_when_the_shield_expires,
      expired_shield_without_a_cancel_changes_nothing,
      shields_nest,
      deferred_clean_up_awaits_behind_a_shield,
      a_task_that_returns_ends_what_it_left_open,
      deadline_interrupts_the_await_and_sticks,
      deadline_that_is_kept_leaves_no_trace,
      deadline_passes_without_an_await_too,
      deadline_of_no_time_refuses_every_wait,
      deadline_far_away_or_never_is_fine,
      the_earlier_of_nested_deadlines_counts_when_outside,
      the_earlier_of_nested_deadlines_counts_when_inside,
      deadline_flows_into_children_and_grandchildren,
      deadline_waits_for_a_child_that_cleans_up,
      a_shield_holds_off_outer_deadlines_not_inner_ones,
      a_sleep_that_ends_with_the_deadline_is_no_loss,
      cancel_reaches_a_task_inside_a_deadline);

  tc = test_case(s, "regress", test_setup, test_teardown);
  ADD(tc,
      deadline_passes_while_the_task_computes,
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

/* SPDX-License-Identifier: MIT */
/* Deadlines: when they interrupt a task, nested, and behind a shield. */
#include "fluv-test.h"

#define MS 1000000ull

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
  result = fluv_await(fluv_spawn(test_clean_up_slow, (void*) 3));
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

static Suite* deadline_suite(void) {
  Suite* s = suite_create("deadline");
  TCase* tc;

  tc = test_case(s, "cancel", test_setup_paused, test_teardown);
  ADD(tc,
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
  ADD(tc, deadline_passes_while_the_task_computes);
  return s;
}

TEST_MAIN(deadline_suite)

/* SPDX-License-Identifier: MIT */
/* Join sets: results in the order in which members end. */
#include "fluv-test.h"

#define MS 1000000ull

static fluv_joinset_t* set;

static void setup_set(void) {
  test_setup_paused();
  set = fluv_joinset_new();
  ck_assert_ptr_nonnull(set);
}

static void teardown_set(void) {
  ck_assert_err(fluv_block_on(fluv_joinset_close(set)), 0);
  test_teardown();
}

/* Sleep for as many ms as the argument says and return that number. */
static int64_t sleep_for(void* arg) {
  int64_t ms = (intptr_t) arg;
  int64_t err = fluv_await(fluv_sleep((uint64_t) ms));

  return err < 0 ? err : ms;
}

static void* tag_of(intptr_t number) {
  return (void*) number;
}

static void take(int64_t want_result, intptr_t want_tag) {
  int64_t result = -1;
  void* tag = NULL;

  ck_assert_err(fluv_await(fluv_joinset_next(set, &result, &tag)), 1);
  ck_assert_err(result, want_result);
  ck_assert_int_eq((intptr_t) tag, want_tag);
}

TEST_TASK(results_come_as_members_end) {
  uint64_t before = fluv_now();

  ck_assert_err(fluv_joinset_spawn(set, sleep_for, tag_of(30)), 0);
  ck_assert_err(fluv_joinset_spawn(set, sleep_for, tag_of(10)), 0);
  ck_assert_err(fluv_joinset_add(set, fluv_sleep(20), tag_of(7)), 0);
  ck_assert_uint_eq(fluv_joinset_count(set), 3);

  take(10, 10);
  ck_assert_uint_eq(fluv_now() - before, 10 * MS);
  ck_assert_uint_eq(fluv_joinset_count(set), 2);
  take(0, 7);
  take(30, 30);
  ck_assert_uint_eq(fluv_joinset_count(set), 0);
  ck_assert_err(fluv_await(fluv_joinset_next(set, NULL, NULL)), 0);
  return 0;
}

TEST_TASK(empty_set_has_nothing_to_give) {
  int64_t result = 99;
  void* tag = &result;

  ck_assert_err(fluv_await(fluv_joinset_next(set, &result, &tag)), 0);
  ck_assert_err(result, 99);
  ck_assert_ptr_eq(tag, &result);
  return 0;
}

TEST_TASK(members_start_when_they_are_added) {
  uint64_t before = fluv_now();

  ck_assert_err(fluv_joinset_add(set, fluv_sleep(10), NULL), 0);
  ck_assert_err(fluv_await(fluv_sleep(10)), 0);
  ck_assert_err(fluv_await(fluv_joinset_next(set, NULL, NULL)), 1);
  ck_assert_uint_eq(fluv_now() - before, 10 * MS);
  return 0;
}

TEST_TASK(members_that_are_done_come_in_the_order_added) {
  intptr_t i;

  for (i = 0; i < 10; i++)
    ck_assert_err(fluv_joinset_add(set, fluv_ready(i), tag_of(i + 100)), 0);
  ck_assert_uint_eq(fluv_joinset_count(set), 10);
  for (i = 0; i < 10; i++)
    take(i, i + 100);
  return 0;
}

TEST_TASK(errors_are_results) {
  ck_assert_err(fluv_joinset_add(set, fluv_failed(FLUV_EPIPE), set), 0);
  take(FLUV_EPIPE, (intptr_t) set);
  return 0;
}

TEST_TASK(out_parameters_may_be_left_out) {
  void* tag = NULL;
  int64_t result = 0;

  ck_assert_err(fluv_joinset_add(set, fluv_ready(1), tag_of(1)), 0);
  ck_assert_err(fluv_joinset_add(set, fluv_ready(2), tag_of(2)), 0);
  ck_assert_err(fluv_joinset_add(set, fluv_ready(3), tag_of(3)), 0);
  ck_assert_err(fluv_await(fluv_joinset_next(set, NULL, &tag)), 1);
  ck_assert_int_eq((intptr_t) tag, 1);
  ck_assert_err(fluv_await(fluv_joinset_next(set, &result, NULL)), 1);
  ck_assert_err(result, 2);
  ck_assert_err(fluv_await(fluv_joinset_next(set, NULL, NULL)), 1);
  return 0;
}

static int64_t add_later(void* arg) {
  (void) arg;
  fluv_await(fluv_sleep(5));
  return fluv_joinset_add(set, fluv_sleep(10), tag_of(2));
}

TEST_TASK(members_may_be_added_while_a_task_waits) {
  fluv_future_t* adder = fluv_spawn(add_later, NULL);
  uint64_t before = fluv_now();

  ck_assert_err(fluv_joinset_add(set, fluv_sleep(50), tag_of(1)), 0);
  take(0, 2);
  ck_assert_uint_eq(fluv_now() - before, 15 * MS);
  take(0, 1);
  return fluv_await(adder);
}

TEST_TASK(a_loop_may_add_as_it_takes) {
  int64_t result;
  int left = 500;
  int taken = 0;

  ck_assert_err(fluv_joinset_spawn(set, sleep_for, tag_of(3)), 0);
  while (fluv_await(fluv_joinset_next(set, &result, NULL)) == 1) {
    ck_assert_err(result, 3);
    taken++;
    if (left-- > 0)
      ck_assert_err(fluv_joinset_spawn(set, sleep_for, tag_of(3)), 0);
  }
  ck_assert_int_eq(taken, 501);
  return 0;
}

TEST_TASK(a_thousand_members_come_sorted_by_their_end) {
  int64_t last = -1;
  int64_t result = 0;
  intptr_t i;

  for (i = 0; i < 1000; i++)
    ck_assert_err(fluv_joinset_spawn(set, sleep_for, tag_of(i * 7919 % 1000)),
                  0);
  for (i = 0; i < 1000; i++) {
    ck_assert_err(fluv_await(fluv_joinset_next(set, &result, NULL)), 1);
    ck_assert_int_eq(result, last + 1);
    last = result;
  }
  ck_assert_uint_eq(fluv_joinset_count(set), 0);
  return 0;
}

/* Cancel. */

TEST_TASK(cancelled_members_still_give_their_results) {
  uint64_t before = fluv_now();

  ck_assert_err(fluv_joinset_add(set, fluv_ready(8), tag_of(1)), 0);
  ck_assert_err(fluv_joinset_spawn(set, sleep_for, tag_of(30)), 0);
  ck_assert_err(fluv_joinset_add(set, fluv_never(), tag_of(3)), 0);
  ck_assert_err(fluv_yield(), 0);
  fluv_joinset_cancel(set);
  ck_assert_uint_eq(fluv_joinset_count(set), 3);
  take(8, 1);
  take(FLUV_ECANCELED, 3);
  take(FLUV_ECANCELED, 30);
  ck_assert_uint_eq(fluv_now(), before);
  return 0;
}

TEST_TASK(cancelled_next_leaves_the_results_in_the_set) {
  fluv_future_t* next;
  int64_t result = 77;

  ck_assert_err(fluv_joinset_add(set, fluv_sleep(10), tag_of(4)), 0);
  next = fluv_timeout(fluv_joinset_next(set, &result, NULL), 5);
  ck_assert_err(fluv_await(next), FLUV_ETIMEDOUT);
  ck_assert_err(result, 77);
  ck_assert_uint_eq(fluv_joinset_count(set), 1);

  next = fluv_joinset_next(set, &result, NULL);
  fluv_start(next);
  fluv_drop(next);
  fluv_drop(fluv_joinset_next(set, &result, NULL));
  ck_assert_err(fluv_await(fluv_sleep(20)), 0);
  ck_assert_err(result, 77);
  take(0, 4);
  return 0;
}

/* Close. */

static int64_t linger(void* arg) {
  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  ck_assert_err(fluv_shield_begin(100), 0);
  ck_assert_err(fluv_await(fluv_sleep(7)), 0);
  fluv_shield_end();
  test_note("l");
  (void) arg;
  return 3;
}

TEST_TASK(close_cancels_and_waits) {
  uint64_t before = fluv_now();
  fluv_joinset_t* other = fluv_joinset_new();

  ck_assert_err(fluv_joinset_spawn(other, linger, NULL), 0);
  ck_assert_err(fluv_joinset_spawn(other, sleep_for, tag_of(100)), 0);
  ck_assert_err(fluv_joinset_add(other, fluv_ready(1), NULL), 0);
  ck_assert_err(fluv_yield(), 0);
  ck_assert_err(fluv_await(fluv_joinset_close(other)), 0);
  ck_assert_trace("l");
  ck_assert_uint_eq(fluv_now() - before, 7 * MS);
  return 0;
}

TEST_TASK(close_cannot_be_cancelled) {
  fluv_joinset_t* other = fluv_joinset_new();
  fluv_future_t* closing;

  ck_assert_err(fluv_joinset_spawn(other, linger, NULL), 0);
  ck_assert_err(fluv_yield(), 0);
  closing = fluv_joinset_close(other);
  fluv_cancel(closing);
  ck_assert_err(fluv_await(closing), 0);
  ck_assert_trace("l");
  return 0;
}

START_TEST(dropped_close_goes_on) {
  fluv_joinset_t* other = fluv_joinset_new();

  ck_assert_err(fluv_joinset_spawn(other, linger, NULL), 0);
  test_turn(2);
  fluv_drop(fluv_joinset_close(other));
  test_advance(10);
  ck_assert_trace("l");
  ck_assert_uint_eq(fluv_loop_count_tasks(fluv_loop_current()), 0);
}
END_TEST

TEST_TASK(close_cancels_who_waits) {
  fluv_joinset_t* other = fluv_joinset_new();
  fluv_future_t* next = fluv_joinset_next(other, NULL, NULL);

  ck_assert_err(fluv_joinset_add(other, fluv_never(), NULL), 0);
  fluv_start(next);
  ck_assert_err(fluv_await(fluv_joinset_close(other)), 0);
  ck_assert_err(fluv_await(next), FLUV_ECANCELED);
  return 0;
}

static int64_t end_late(void* arg) {
  (void) arg;
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  ck_assert_err(fluv_await(fluv_sleep(20)), 0);
  return 5;
}

START_TEST(dropped_close_leaves_the_callers_memory_alone) {
  fluv_joinset_t* other = fluv_joinset_new();
  fluv_future_t* f = fluv_spawn(end_late, NULL);
  int64_t result = 77;

  ck_assert_err(fluv_joinset_add(other, fluv_select(&f, 1, &result), NULL), 0);
  test_turn(2);
  fluv_drop(fluv_joinset_close(other));
  test_advance(30);
  ck_assert_err(result, 77);
}
END_TEST

START_TEST(close_of_null_and_of_an_empty_set_is_done) {
  ck_assert_err(fluv_block_on(fluv_joinset_close(NULL)), 0);
  ck_assert_err(fluv_block_on(fluv_joinset_close(fluv_joinset_new())), 0);
  fluv_drop(fluv_joinset_close(fluv_joinset_new()));
}
END_TEST

/* Misuse. */

TEST_TASK(only_one_may_wait) {
  fluv_future_t* first = fluv_joinset_next(set, NULL, NULL);
  fluv_future_t* second;

  ck_assert_err(fluv_joinset_add(set, fluv_sleep(5), NULL), 0);
  fluv_start(first);
  second = fluv_joinset_next(set, NULL, NULL);
  ck_assert_err(fluv_await(second), FLUV_EBUSY);
  ck_assert_err(fluv_await(first), 1);
  return 0;
}

START_TEST(null_arguments_are_refused) {
  fluv_future_t* next = fluv_joinset_next(NULL, NULL, NULL);

  ck_assert_err(fluv_block_on(next), FLUV_EINVAL);
  ck_assert_err(fluv_joinset_add(NULL, fluv_never(), NULL), FLUV_EINVAL);
  ck_assert_err(fluv_joinset_add(set, NULL, NULL), FLUV_EINVAL);
  ck_assert_uint_eq(fluv_joinset_count(set), 0);
}
END_TEST

START_TEST(a_task_that_could_not_be_made_is_a_failed_member) {
  int64_t result = 0;

  ck_assert_err(fluv_joinset_spawn(set, NULL, NULL), 0);
  ck_assert_err(fluv_block_on(fluv_joinset_next(set, &result, NULL)), 1);
  ck_assert_err(result, FLUV_EINVAL);
}
END_TEST

static void new_without_a_loop(void* arg) {
  *(bool*) arg = fluv_joinset_new() == NULL;
}

START_TEST(new_needs_a_loop) {
  bool refused = false;

  test_on_thread(new_without_a_loop, &refused);
  ck_assert(refused);
}
END_TEST

static Suite* joinset_suite(void) {
  Suite* s = suite_create("joinset");
  TCase* tc = test_case(s, "basic", setup_set, teardown_set);

  ADD(tc,
      results_come_as_members_end,
      empty_set_has_nothing_to_give,
      members_start_when_they_are_added,
      members_that_are_done_come_in_the_order_added,
      errors_are_results,
      out_parameters_may_be_left_out,
      members_may_be_added_while_a_task_waits,
      a_loop_may_add_as_it_takes,
      a_thousand_members_come_sorted_by_their_end);

  tc = test_case(s, "cancel", setup_set, teardown_set);
  ADD(tc,
      cancelled_members_still_give_their_results,
      cancelled_next_leaves_the_results_in_the_set);

  tc = test_case(s, "close", setup_set, teardown_set);
  ADD(tc,
      close_cancels_and_waits,
      close_cannot_be_cancelled,
      close_cancels_who_waits,
      dropped_close_goes_on,
      close_of_null_and_of_an_empty_set_is_done);

  tc = test_case(s, "misuse", setup_set, teardown_set);
  ADD(tc,
      only_one_may_wait,
      null_arguments_are_refused,
      a_task_that_could_not_be_made_is_a_failed_member,
      new_needs_a_loop);

  tc = test_case(s, "regress", setup_set, teardown_set);
  ADD(tc, dropped_close_leaves_the_callers_memory_alone);
  return s;
}

TEST_MAIN(joinset_suite)

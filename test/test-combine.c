/* SPDX-License-Identifier: MIT */
/* Combinators: join_all, try_join_all, timeout, nesting. */
#include "fluv-test.h"

#include <stdio.h>

#define MS 1000000ull

/* A task that sleeps, notes how that ended, and returns its argument. */
static int64_t sleep_for(void* arg) {
  int64_t ms = (intptr_t) arg;
  int64_t err = fluv_await(fluv_sleep((uint64_t) ms));

  test_note(err == 0 ? "d" : "c");
  return err < 0 ? err : ms;
}

static fluv_future_t* sleeper(intptr_t ms) {
  return fluv_spawn(sleep_for, (void*) ms);
}

/* A task that needs 7 ms to end once it was cancelled. */
static int64_t linger(void* arg) {
  int64_t err = fluv_await(fluv_never());

  ck_assert_err(fluv_shield_begin(100), 0);
  ck_assert_err(fluv_await(fluv_sleep(7)), 0);
  fluv_shield_end();
  test_note("l");
  return arg == NULL ? err : (int64_t) (intptr_t) arg;
}

/* join_all. */

TEST_TASK(join_all_waits_for_all_side_by_side) {
  uint64_t before = fluv_now();
  fluv_future_t* f[] = { sleeper(30), fluv_sleep(10), sleeper(20) };
  int64_t results[3] = { -1, -1, -1 };

  ck_assert_err(fluv_await(fluv_join_all(f, 3, results)), 0);
  ck_assert_uint_eq(fluv_now() - before, 30 * MS);
  ck_assert_err(results[0], 30);
  ck_assert_err(results[1], 0);
  ck_assert_err(results[2], 20);
  return 0;
}

TEST_TASK(join_all_starts_nothing_before_it_is_waited_for) {
  uint64_t before = fluv_now();
  fluv_future_t* f[] = { fluv_sleep(10), fluv_sleep(20) };
  fluv_future_t* all = fluv_join_all(f, 2, NULL);

  ck_assert_err(fluv_await(fluv_sleep(50)), 0);
  ck_assert(!fluv_future_is_done(all));
  ck_assert_err(fluv_await(all), 0);
  ck_assert_uint_eq(fluv_now() - before, 70 * MS);
  return 0;
}

TEST_TASK(join_all_gives_the_first_error_in_the_array) {
  uint64_t before = fluv_now();
  fluv_future_t* f[] = {
    fluv_sleep(10),
    fluv_timeout(fluv_never(), 20),
    fluv_failed(FLUV_EPIPE),
    sleeper(30),
  };
  int64_t results[4];

  ck_assert_err(fluv_await(fluv_join_all(f, 4, results)), FLUV_ETIMEDOUT);
  ck_assert_uint_eq(fluv_now() - before, 30 * MS);
  ck_assert_err(results[0], 0);
  ck_assert_err(results[1], FLUV_ETIMEDOUT);
  ck_assert_err(results[2], FLUV_EPIPE);
  ck_assert_err(results[3], 30);
  return 0;
}

START_TEST(join_of_nothing_and_of_what_is_done_is_done) {
  fluv_future_t* f[] = { fluv_ready(1), fluv_ready(2) };
  int64_t results[2];

  ck_assert_err(fluv_block_on(fluv_join_all(NULL, 0, NULL)), 0);
  ck_assert_err(fluv_block_on(fluv_try_join_all(f, 0, results)), 0);
  ck_assert_err(fluv_block_on(fluv_join_all(f, 2, results)), 0);
  ck_assert_err(results[0], 1);
  ck_assert_err(results[1], 2);
}
END_TEST

TEST_TASK(join_of_one) {
  fluv_future_t* f[] = { sleeper(10) };
  int64_t result = 0;

  ck_assert_err(fluv_await(fluv_join_all(f, 1, &result)), 0);
  ck_assert_err(result, 10);
  return 0;
}

TEST_TASK(join_of_a_thousand) {
  fluv_future_t* f[1000];
  int64_t results[1000];
  intptr_t i;

  for (i = 0; i < 1000; i++)
    f[i] = i % 2 == 0 ? sleeper(i) : fluv_ready(i);
  ck_assert_err(fluv_await(fluv_join_all(f, 1000, results)), 0);
  for (i = 0; i < 1000; i++)
    ck_assert_err(results[i], i);

  for (i = 0; i < 1000; i++)
    f[i] = i == 600 ? fluv_failed(FLUV_EACCES) : fluv_never();
  ck_assert_err(fluv_await(fluv_try_join_all(f, 1000, NULL)), FLUV_EACCES);
  return 0;
}

TEST_TASK(the_array_may_go_after_the_call) {
  fluv_future_t** f = malloc(2 * sizeof(*f));
  fluv_future_t* all;

  f[0] = fluv_sleep(1);
  f[1] = fluv_sleep(2);
  all = fluv_join_all(f, 2, NULL);
  free(f);
  return fluv_await(all);
}

START_TEST(cancelled_join_waits_for_all_and_fills_in_results) {
  uint64_t before = fluv_now();
  fluv_future_t* f[] = { fluv_spawn(linger, (void*) 5), sleeper(50) };
  int64_t results[2] = { -1, -1 };
  fluv_future_t* all = fluv_join_all(f, 2, results);

  fluv_start(all);
  test_turn(2);
  fluv_cancel(all);
  ck_assert(!fluv_future_is_done(all));
  ck_assert_err(fluv_block_on(all), FLUV_ECANCELED);
  ck_assert_err(results[0], 5);
  ck_assert_err(results[1], FLUV_ECANCELED);
  ck_assert_uint_eq(fluv_now() - before, 7 * MS);
}
END_TEST

START_TEST(dropped_join_leaves_results_alone) {
  fluv_future_t* f[] = { fluv_spawn(linger, (void*) 5), sleeper(50) };
  int64_t results[2] = { -1, -1 };
  fluv_future_t* all = fluv_join_all(f, 2, results);

  fluv_start(all);
  test_turn(2);
  fluv_drop(all);
  test_advance(10);
  ck_assert_err(results[0], -1);
  ck_assert_err(results[1], -1);
  ck_assert_trace("cl");
  ck_assert_uint_eq(fluv_loop_count_tasks(fluv_loop_current()), 0);
}
END_TEST

START_TEST(dropped_cold_combinators_take_their_arms_along) {
  fluv_future_t* a[] = { sleeper(10), fluv_sleep(5) };
  fluv_future_t* b[] = { sleeper(10), fluv_never() };
  fluv_future_t* c[] = { sleeper(10), fluv_ready(1) };

  fluv_drop(fluv_join_all(a, 2, NULL));
  fluv_drop(fluv_select(b, 2, NULL));
  fluv_drop(fluv_try_join_all(c, 2, NULL));
  fluv_drop(fluv_timeout(sleeper(10), 5));
  test_turn(4);
  ck_assert_trace("cccc");
}
END_TEST

START_TEST(cancelled_cold_combinators_end) {
  fluv_future_t* a[] = { fluv_sleep(10), fluv_never() };
  fluv_future_t* b[] = { fluv_sleep(10), fluv_never() };
  fluv_future_t* all = fluv_join_all(a, 2, NULL);
  fluv_future_t* any = fluv_select(b, 2, NULL);

  fluv_cancel(all);
  fluv_cancel(any);
  ck_assert(fluv_future_is_done(all));
  ck_assert(fluv_future_is_done(any));
  ck_assert_err(fluv_block_on(all), FLUV_ECANCELED);
  ck_assert_err(fluv_block_on(any), FLUV_ECANCELED);
}
END_TEST

/* try_join_all. */

TEST_TASK(try_join_all_ends_with_the_first_error_in_time) {
  uint64_t before = fluv_now();
  fluv_future_t* f[] = {
    fluv_timeout(fluv_never(), 20),
    sleeper(2),
    sleeper(50),
    fluv_timeout(fluv_never(), 5),
  };
  int64_t results[4] = { 0 };

  ck_assert_err(fluv_await(fluv_try_join_all(f, 4, results)), FLUV_ETIMEDOUT);
  ck_assert_uint_eq(fluv_now() - before, 5 * MS);
  ck_assert_err(results[0], FLUV_ECANCELED);
  ck_assert_err(results[1], 2);
  ck_assert_err(results[2], FLUV_ECANCELED);
  ck_assert_err(results[3], FLUV_ETIMEDOUT);
  ck_assert_trace("dc");
  return 0;
}

TEST_TASK(try_join_all_waits_for_what_it_cancelled) {
  uint64_t before = fluv_now();
  fluv_future_t* f[] = { fluv_spawn(linger, (void*) 5),
                         sleeper(3),
                         fluv_failed(FLUV_EPIPE) };
  int64_t results[3];

  ck_assert_err(fluv_await(fluv_try_join_all(f, 3, results)), FLUV_EPIPE);
  ck_assert_uint_eq(fluv_now() - before, 7 * MS);
  ck_assert_err(results[0], 5);
  ck_assert_err(results[1], FLUV_ECANCELED);
  return 0;
}

TEST_TASK(try_join_all_is_zero_when_all_went_well) {
  fluv_future_t* f[] = { sleeper(3), fluv_ready(8) };
  int64_t results[2];

  ck_assert_err(fluv_await(fluv_try_join_all(f, 2, results)), 0);
  ck_assert_err(results[0], 3);
  ck_assert_err(results[1], 8);
  return 0;
}

/* timeout. */

TEST_TASK(timeout_cancels_what_takes_too_long) {
  uint64_t before = fluv_now();

  ck_assert_err(fluv_await(fluv_timeout(sleeper(50), 10)), FLUV_ETIMEDOUT);
  ck_assert_trace("c");
  ck_assert_uint_eq(fluv_now() - before, 10 * MS);
  return 0;
}

TEST_TASK(timeout_gives_the_result_in_time) {
  uint64_t before = fluv_now();

  ck_assert_err(fluv_await(fluv_timeout(sleeper(10), 50)), 10);
  ck_assert_err(fluv_await(fluv_timeout(fluv_failed(-7), 50)), -7);
  ck_assert_err(fluv_await(fluv_timeout(sleeper(5), FLUV_FOREVER)), 5);
  ck_assert_err(fluv_await(fluv_timeout_at(sleeper(5), FLUV_FOREVER)), 5);
  ck_assert_uint_eq(fluv_now() - before, 20 * MS);
  return 0;
}

TEST_TASK(timeout_counts_from_its_start) {
  fluv_future_t* f = fluv_timeout(fluv_sleep(5), 10);

  ck_assert_err(fluv_await(fluv_sleep(100)), 0);
  ck_assert_err(fluv_await(f), 0);
  f = fluv_timeout_at(fluv_sleep(5), fluv_now() + 10 * MS);
  ck_assert_err(fluv_await(fluv_sleep(100)), 0);
  ck_assert_err(fluv_await(f), FLUV_ETIMEDOUT);
  return 0;
}

TEST_TASK(timeout_at_ends_at_that_point) {
  uint64_t end = fluv_now() + 25 * MS;

  ck_assert_err(fluv_await(fluv_timeout_at(sleeper(50), end)), FLUV_ETIMEDOUT);
  ck_assert_uint_eq(fluv_now(), end);
  ck_assert_err(fluv_await(fluv_timeout_at(fluv_never(), 0)), FLUV_ETIMEDOUT);
  ck_assert_uint_eq(fluv_now(), end);
  return 0;
}

TEST_TASK(a_ready_result_beats_a_timeout_of_zero) {
  ck_assert_err(fluv_await(fluv_timeout(fluv_ready(5), 0)), 5);
  ck_assert_err(fluv_await(fluv_timeout_at(fluv_ready(6), 0)), 6);
  ck_assert_err(fluv_await(fluv_timeout(fluv_never(), 0)), FLUV_ETIMEDOUT);
  return 0;
}

TEST_TASK(a_result_of_the_same_millisecond_beats_the_timeout) {
  ck_assert_err(fluv_await(fluv_timeout(fluv_sleep(10), 10)), 0);
  ck_assert_err(fluv_await(fluv_timeout(sleeper(10), 11)), 10);
  return 0;
}

static fluv_promise_t* late;

/* Resolves when the timeout has passed but has not been handled yet. */
static int64_t answer_late(void* arg) {
  uint64_t end = fluv_now() + 5 * MS;

  (void) arg;
  while (fluv_now() < end)
    continue;
  return fluv_promise_resolve(late, 9);
}

TEST_TASK(a_result_that_is_ready_beats_a_timeout_that_is_due) {
  fluv_future_t* f;
  fluv_future_t* answerer;

  ck_assert_err(fluv_promise_new(&late, &f), 0);
  answerer = fluv_spawn(answer_late, NULL);
  ck_assert_err(fluv_await(fluv_timeout(f, 1)), 9);
  ck_assert_err(fluv_await(answerer), 0);
  fluv_promise_free(late);
  return 0;
}

TEST_TASK(a_value_returned_while_being_cancelled_beats_the_timeout) {
  uint64_t before = fluv_now();
  fluv_future_t* f = fluv_spawn(linger, (void*) 4);

  ck_assert_err(fluv_await(fluv_timeout(f, 10)), 4);
  ck_assert_uint_eq(fluv_now() - before, 17 * MS);
  return 0;
}

TEST_TASK(an_error_returned_while_being_cancelled_is_a_timeout) {
  uint64_t before = fluv_now();
  fluv_future_t* f = fluv_spawn(linger, NULL);

  ck_assert_err(fluv_await(fluv_timeout(f, 10)), FLUV_ETIMEDOUT);
  ck_assert_uint_eq(fluv_now() - before, 17 * MS);
  return 0;
}

START_TEST(cancelled_timeout_cancels_its_future) {
  fluv_future_t* f = fluv_timeout(sleeper(50), 100);

  fluv_start(f);
  test_turn(2);
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  ck_assert_trace("c");
}
END_TEST

/* Nesting. */

TEST_TASK(combinators_nest) {
  uint64_t before = fluv_now();
  fluv_future_t* a[] = { sleeper(10), fluv_timeout(fluv_never(), 20) };
  fluv_future_t* b[] = { sleeper(30), fluv_timeout(sleeper(40), 35) };
  fluv_future_t* c[2];
  int64_t in_a[2];
  int64_t in_b = -1;
  int64_t outer[2];

  c[0] = fluv_join_all(a, 2, in_a);
  c[1] = fluv_select(b, 2, &in_b);
  ck_assert_err(fluv_await(fluv_join_all(c, 2, outer)), FLUV_ETIMEDOUT);
  ck_assert_uint_eq(fluv_now() - before, 30 * MS);
  ck_assert_err(in_a[0], 10);
  ck_assert_err(in_a[1], FLUV_ETIMEDOUT);
  ck_assert_err(outer[0], FLUV_ETIMEDOUT);
  ck_assert_err(outer[1], 0);
  ck_assert_err(in_b, 30);
  return 0;
}

TEST_TASK(a_timeout_reaches_into_nested_combinators) {
  fluv_future_t* a[] = { sleeper(50), sleeper(60) };
  fluv_future_t* b[] = { sleeper(70), NULL };
  fluv_future_t* f;

  b[1] = fluv_join_all(a, 2, NULL);
  f = fluv_timeout(fluv_try_join_all(b, 2, NULL), 20);
  ck_assert_err(fluv_await(f), FLUV_ETIMEDOUT);
  ck_assert_trace("ccc");
  return 0;
}

TEST_TASK(timeouts_to_any_depth) {
  fluv_future_t* f = fluv_never();
  uint64_t before = fluv_now();
  int i;

  for (i = 0; i < 300; i++)
    f = fluv_timeout(f, (uint64_t) (5 + i));
  ck_assert_err(fluv_await(f), FLUV_ETIMEDOUT);
  ck_assert_uint_eq(fluv_now() - before, 5 * MS);
  return 0;
}

TEST_TASK(selects_to_any_depth) {
  fluv_future_t* f = fluv_sleep(5);
  int64_t result = -1;
  int i;

  for (i = 0; i < 300; i++) {
    fluv_future_t* arms[] = { fluv_never(), f };
    f = fluv_select(arms, 2, i == 0 ? &result : NULL);
  }
  ck_assert_err(fluv_await(f), 1);
  ck_assert_err(result, 0);
  return 0;
}

START_TEST(describe_tells_how_many_are_left) {
  fluv_future_t* f[] = { fluv_sleep(5), fluv_never(), fluv_ready(1) };
  fluv_future_t* all = fluv_join_all(f, 3, NULL);
  char text[256];

  fluv_future_describe(all, text, sizeof(text));
  ck_assert_has(text, "join_all");
  ck_assert_has(text, "3");
  fluv_start(all);
  test_advance(5);
  fluv_future_describe(all, text, sizeof(text));
  ck_assert_has(text, "1 left");
  ck_assert_has(text, "test-combine.c:");
  fluv_drop(all);
}
END_TEST

/* Misuse. */

START_TEST(a_null_arm_is_refused_and_the_others_dropped) {
  fluv_future_t* a[] = { sleeper(10), NULL, fluv_never() };
  fluv_future_t* b[] = { sleeper(10), NULL };
  fluv_future_t* c[] = { NULL, sleeper(10) };

  ck_assert_err(fluv_block_on(fluv_join_all(a, 3, NULL)), FLUV_EINVAL);
  ck_assert_err(fluv_block_on(fluv_try_join_all(b, 2, NULL)), FLUV_EINVAL);
  ck_assert_err(fluv_block_on(fluv_select(c, 2, NULL)), FLUV_EINVAL);
  test_turn(3);
  ck_assert_trace("ccc");
}
END_TEST

START_TEST(no_array_no_arms_and_wrong_flags_are_refused) {
  fluv_future_t* f[] = { sleeper(10) };

  ck_assert_err(fluv_block_on(fluv_join_all(NULL, 2, NULL)), FLUV_EINVAL);
  ck_assert_err(fluv_block_on(fluv_try_join_all(NULL, 2, NULL)), FLUV_EINVAL);
  ck_assert_err(fluv_block_on(fluv_select(NULL, 2, NULL)), FLUV_EINVAL);
  ck_assert_err(fluv_block_on(fluv_select(NULL, 0, NULL)), FLUV_EINVAL);
  ck_assert_err(fluv_block_on(fluv_select_with(f, 1, 1 << 7, NULL)),
                FLUV_EINVAL);
  test_turn(2);
  ck_assert_trace("c");
}
END_TEST

START_TEST(timeout_cancelled_before_its_limit_says_so) {
  fluv_future_t* f = fluv_timeout(fluv_spawn(linger, NULL), 5);

  fluv_start(f);
  test_turn(2);
  /* The task needs 7 ms to end, past the limit. */
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
}
END_TEST

START_TEST(dropped_combinators_of_many_arms_that_end_at_once) {
  fluv_future_t* f[40];
  int kind;
  int i;

  for (kind = 0; kind < 3; kind++) {
    for (i = 0; i < 40; i++)
      f[i] = fluv_never();
    if (kind == 0)
      fluv_drop(fluv_join_all(f, 40, NULL));
    else if (kind == 1)
      fluv_drop(fluv_select(f, 40, NULL));
    else
      fluv_drop(fluv_timeout(fluv_try_join_all(f, 40, NULL), 10));
  }
  test_turn(2);
}
END_TEST

static int64_t take_a_member(void* arg) {
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  return fluv_await(fluv_joinset_next(arg, NULL, NULL));
}

START_TEST(block_on_that_gave_up_leaves_the_callers_memory_alone) {
  fluv_joinset_t* set = fluv_joinset_new();
  fluv_future_t* f = fluv_spawn(take_a_member, set);
  int64_t result = 77;

  /* The report of the task that nothing can wake is tested elsewhere. */
  ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
  ck_assert_err(fluv_joinset_add(set, fluv_never(), NULL), 0);
  ck_assert_err(fluv_block_on(fluv_select(&f, 1, &result)), FLUV_EDEADLK);
  ck_assert_err(fluv_joinset_add(set, fluv_ready(1), NULL), 0);
  test_turn(3);
  ck_assert_err(result, 77);
  ck_assert_uint_eq(fluv_loop_count_tasks(fluv_loop_current()), 0);
  ck_assert_err(fluv_block_on(fluv_joinset_close(set)), 0);
}
END_TEST

static Suite* combine_suite(void) {
  Suite* s = suite_create("combine");
  TCase* tc = test_case(s, "basic", test_setup_paused, test_teardown);

  ADD(tc,
      join_all_waits_for_all_side_by_side,
      join_all_starts_nothing_before_it_is_waited_for,
      join_all_gives_the_first_error_in_the_array,
      join_of_nothing_and_of_what_is_done_is_done,
      join_of_one,
      join_of_a_thousand,
      the_array_may_go_after_the_call,
      try_join_all_ends_with_the_first_error_in_time,
      try_join_all_waits_for_what_it_cancelled,
      try_join_all_is_zero_when_all_went_well,
      timeout_cancels_what_takes_too_long,
      timeout_gives_the_result_in_time,
      timeout_counts_from_its_start,
      timeout_at_ends_at_that_point,
      a_ready_result_beats_a_timeout_of_zero,
      a_result_of_the_same_millisecond_beats_the_timeout,
      a_value_returned_while_being_cancelled_beats_the_timeout,
      an_error_returned_while_being_cancelled_is_a_timeout,
      combinators_nest,
      a_timeout_reaches_into_nested_combinators,
      describe_tells_how_many_are_left,
      timeouts_to_any_depth,
      selects_to_any_depth);

  tc = test_case(s, "basic", test_setup, test_teardown);
  ADD(tc, a_result_that_is_ready_beats_a_timeout_that_is_due);

  tc = test_case(s, "cancel", test_setup_paused, test_teardown);
  ADD(tc,
      cancelled_join_waits_for_all_and_fills_in_results,
      dropped_join_leaves_results_alone,
      dropped_cold_combinators_take_their_arms_along,
      cancelled_cold_combinators_end,
      cancelled_timeout_cancels_its_future);

  tc = test_case(s, "misuse", test_setup_paused, test_teardown);
  ADD(tc,
      a_null_arm_is_refused_and_the_others_dropped,
      no_array_no_arms_and_wrong_flags_are_refused);

  tc = test_case(s, "regress", test_setup_paused, test_teardown);
  ADD(tc,
      timeout_cancelled_before_its_limit_says_so,
      dropped_combinators_of_many_arms_that_end_at_once,
      block_on_that_gave_up_leaves_the_callers_memory_alone);
  return s;
}

TEST_MAIN(combine_suite)

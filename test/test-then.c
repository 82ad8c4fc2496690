/* SPDX-License-Identifier: MIT */
/* Continuations: then, catch, finally. */
#include "fluv-test.h"

static void count_free(void* arg) {
  (*(int*) arg)++;
}

static int64_t note_x(void* arg) {
  (void) arg;
  test_note("x");
  return 0;
}

static fluv_future_t* plus_one(int64_t result, void* arg) {
  if (arg != NULL)
    (*(int*) arg)++;
  test_note("+");
  ck_assert_ptr_null(fluv_task_self());
  return fluv_ready(result + 1);
}

static fluv_future_t* pass_result(int64_t result, void* arg) {
  (void) result;
  (*(int*) arg)++;
  return NULL;
}

static fluv_future_t* sleep_it(int64_t result, void* arg) {
  (void) arg;
  test_note("s");
  return fluv_sleep((uint64_t) result);
}

START_TEST(then_runs_after_the_call_and_gives_the_result_on) {
  int ran = 0;
  fluv_future_t* f = fluv_then(fluv_ready(1), plus_one, &ran, NULL);

  ck_assert_int_eq(ran, 0);
  f = fluv_then(f, plus_one, &ran, NULL);
  ck_assert_int_eq(ran, 0);
  ck_assert_err(fluv_block_on(f), 3);
  ck_assert_int_eq(ran, 2);
}
END_TEST

START_TEST(then_that_returns_null_hands_the_result_on) {
  int ran = 0;
  fluv_future_t* f = fluv_then(fluv_ready(5), pass_result, &ran, NULL);

  ck_assert_err(fluv_block_on(f), 5);
  ck_assert_int_eq(ran, 1);
}
END_TEST

START_TEST(then_starts_at_once_and_waits_for_what_it_returned) {
  fluv_future_t* f = fluv_then(fluv_sleep(10), sleep_it, NULL, NULL);
  fluv_future_t* g = fluv_then(fluv_ready(20), sleep_it, NULL, NULL);

  test_advance(10);
  ck_assert_trace("ss");
  ck_assert(fluv_future_is_done(f));
  ck_assert(!fluv_future_is_done(g));
  test_advance(10);
  ck_assert(fluv_future_is_done(g));
  fluv_drop(f);
  fluv_drop(g);
}
END_TEST

START_TEST(then_is_left_out_on_error) {
  int freed = 0;
  fluv_future_t* f = fluv_failed(FLUV_EPIPE);

  f = fluv_then(f, plus_one, &freed, count_free);
  ck_assert_err(fluv_block_on(f), FLUV_EPIPE);
  ck_assert_int_eq(freed, 1);
  ck_assert_trace("");
}
END_TEST

START_TEST(catch_runs_on_error_only) {
  int ran = 0;
  int freed = 0;
  fluv_future_t* f = fluv_catch(fluv_ready(5), plus_one, &freed, count_free);

  ck_assert_err(fluv_block_on(f), 5);
  ck_assert_int_eq(freed, 1);
  f = fluv_catch(fluv_failed(-100), plus_one, &ran, NULL);
  ck_assert_err(fluv_block_on(f), -99);
  ck_assert_int_eq(ran, 1);
  f = fluv_catch(fluv_failed(FLUV_EPIPE), pass_result, &ran, NULL);
  ck_assert_err(fluv_block_on(f), FLUV_EPIPE);
  ck_assert_int_eq(ran, 2);
}
END_TEST

START_TEST(finally_runs_in_both_cases) {
  int ran = 0;
  fluv_future_t* f = fluv_finally(fluv_ready(5), pass_result, &ran, NULL);

  ck_assert_err(fluv_block_on(f), 5);
  f = fluv_finally(fluv_failed(FLUV_EPIPE), pass_result, &ran, NULL);
  ck_assert_err(fluv_block_on(f), FLUV_EPIPE);
  ck_assert_int_eq(ran, 2);
}
END_TEST

START_TEST(continuations_free_their_argument_once_if_they_ran) {
  int arg = 0;
  fluv_future_t* f = fluv_then(fluv_sleep(1), plus_one, &arg, count_free);

  f = fluv_catch(f, plus_one, &arg, count_free);
  f = fluv_finally(f, plus_one, &arg, count_free);
  ck_assert_int_eq(arg, 0);
  ck_assert_err(fluv_block_on(f), 2);
  test_turn(2);
  ck_assert_trace("++");
  /* Twice it ran, three times it was freed. */
  ck_assert_int_eq(arg, 5);
}
END_TEST

START_TEST(continuations_without_a_function_fail) {
  int freed = 0;
  fluv_future_t* f = fluv_then(fluv_ready(1), NULL, &freed, count_free);

  ck_assert_err(fluv_block_on(f), FLUV_EINVAL);
  f = fluv_catch(fluv_never(), NULL, &freed, count_free);
  ck_assert_err(fluv_block_on(f), FLUV_EINVAL);
  f = fluv_finally(fluv_sleep(10), NULL, &freed, count_free);
  ck_assert_err(fluv_block_on(f), FLUV_EINVAL);
  ck_assert_int_eq(freed, 3);
}
END_TEST

START_TEST(a_chain_of_thousands_is_no_recursion) {
  fluv_future_t* f = fluv_sleep(1);
  int ran = 0;
  int i;

  for (i = 0; i < 20000; i++)
    f = fluv_then(f, pass_result, &ran, NULL);
  ck_assert_err(fluv_block_on(f), 0);
  ck_assert_int_eq(ran, 20000);
}
END_TEST

static fluv_future_t* count_down(int64_t result, void* arg) {
  int* left = arg;

  if (--*left == 0)
    return fluv_ready(result);
  return fluv_then(fluv_ready(result + 1), count_down, arg, NULL);
}

START_TEST(a_loop_made_of_continuations_ends) {
  int left = 5000;
  fluv_future_t* f = fluv_then(fluv_ready(0), count_down, &left, NULL);

  ck_assert_err(fluv_block_on(f), 4999);
}
END_TEST

static fluv_promise_t* far_end;

static int64_t fail_the_far_end(void* arg) {
  (void) arg;
  return fluv_promise_resolve(far_end, FLUV_EPIPE);
}

START_TEST(an_error_passes_a_chain_of_thousands) {
  fluv_future_t* f;
  int freed = 0;
  int i;

  ck_assert_err(fluv_promise_new(&far_end, &f), 0);
  for (i = 0; i < 5000; i++)
    f = fluv_then(f, plus_one, &freed, count_free);
  /* Answered on the small stack of a task. */
  ck_assert_err(test_run(fail_the_far_end, NULL), 0);
  ck_assert_err(fluv_block_on(f), FLUV_EPIPE);
  ck_assert_int_eq(freed, 5000);
  ck_assert_trace("");
  fluv_promise_free(far_end);
}
END_TEST

static fluv_future_t* spawn_it(int64_t result, void* arg) {
  (void) result;
  return fluv_spawn(note_x, arg);
}

TEST_TASK(then_may_return_a_task_and_be_awaited_by_one) {
  fluv_future_t* f = fluv_then(fluv_ready(0), spawn_it, NULL, NULL);

  ck_assert_err(fluv_await(f), 0);
  ck_assert_trace("x");
  return 0;
}

/* Cancelling continuations. */

START_TEST(cancelled_then_does_not_run) {
  int freed = 0;
  fluv_future_t* f = fluv_then(fluv_never(), plus_one, &freed, count_free);

  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  f = fluv_then(fluv_ready(1), plus_one, &freed, count_free);
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  f = fluv_catch(fluv_never(), plus_one, &freed, count_free);
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  test_turn(2);
  ck_assert_trace("");
  ck_assert_int_eq(freed, 3);
}
END_TEST

START_TEST(cancel_reaches_what_the_continuation_returned) {
  uint64_t before = fluv_now();
  int freed = 0;
  fluv_future_t* f = fluv_then(fluv_ready(50), sleep_it, &freed, count_free);

  test_turn(3);
  ck_assert_trace("s");
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  ck_assert_uint_eq(fluv_now(), before);
  ck_assert_int_eq(freed, 1);
}
END_TEST

static fluv_future_t* see_cancel(int64_t result, void* arg) {
  (*(int*) arg)++;
  ck_assert_err(result, FLUV_ECANCELED);
  return NULL;
}

START_TEST(finally_runs_when_it_is_cancelled_or_dropped) {
  int ran = 0;
  fluv_future_t* f = fluv_finally(fluv_never(), see_cancel, &ran, NULL);

  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  ck_assert_int_eq(ran, 1);
  fluv_drop(fluv_finally(fluv_sleep(9), see_cancel, &ran, count_free));
  test_turn(3);
  /* It ran once more and its argument was freed. */
  ck_assert_int_eq(ran, 3);
}
END_TEST

START_TEST(dropped_continuations_free_their_argument) {
  int freed = 0;

  fluv_drop(fluv_then(fluv_ready(1), plus_one, &freed, count_free));
  fluv_drop(fluv_then(fluv_never(), plus_one, &freed, count_free));
  fluv_drop(fluv_catch(fluv_never(), plus_one, &freed, count_free));
  fluv_drop(fluv_then(fluv_then(fluv_never(), plus_one, &freed, count_free),
                      plus_one,
                      &freed,
                      count_free));
  test_turn(3);
  ck_assert_int_eq(freed, 5);
  ck_assert_trace("");
}
END_TEST

static int64_t outlast(void* arg) {
  (void) arg;
  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  ck_assert_err(fluv_await(fluv_sleep(10)), 0);
  test_note("t");
  return 8;
}

START_TEST(cancelled_then_ends_when_its_task_has) {
  int freed = 0;
  fluv_future_t* f = fluv_spawn(outlast, NULL);
  int64_t result;

  f = fluv_then(f, plus_one, &freed, count_free);
  test_turn(2);
  fluv_cancel(f);
  test_advance(9);
  ck_assert(!fluv_future_is_done(f));
  result = fluv_block_on(f);
  ck_assert_trace("t");
  /* The task's value is not lost, but the continuation does not run. */
  ck_assert_msg(result == 8 || result == FLUV_ECANCELED, "%d", (int) result);
  ck_assert_int_eq(freed, 1);
}
END_TEST

static Suite* then_suite(void) {
  Suite* s = suite_create("then");
  TCase* tc;

  tc = test_case(s, "basic", test_setup_paused, test_teardown);
  ADD(tc,
      then_runs_after_the_call_and_gives_the_result_on,
      then_that_returns_null_hands_the_result_on,
      then_starts_at_once_and_waits_for_what_it_returned,
      then_is_left_out_on_error,
      catch_runs_on_error_only,
      finally_runs_in_both_cases,
      continuations_free_their_argument_once_if_they_ran,
      a_chain_of_thousands_is_no_recursion,
      a_loop_made_of_continuations_ends,
      an_error_passes_a_chain_of_thousands,
      then_may_return_a_task_and_be_awaited_by_one);

  tc = test_case(s, "cancel", test_setup_paused, test_teardown);
  ADD(tc,
      cancelled_then_does_not_run,
      cancel_reaches_what_the_continuation_returned,
      finally_runs_when_it_is_cancelled_or_dropped,
      dropped_continuations_free_their_argument,
      cancelled_then_ends_when_its_task_has);

  tc = test_case(s, "misuse", test_setup_paused, test_teardown);
  ADD(tc, continuations_without_a_function_fail);
  return s;
}

TEST_MAIN(then_suite)

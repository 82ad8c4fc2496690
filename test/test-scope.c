/* SPDX-License-Identifier: MIT */
/* Scopes: children end with the block, the first error ends the others. */
#include "fluv-test.h"

#define MS 1000000ull

static int64_t sleep_for(void* arg) {
  int64_t err = fluv_await(fluv_sleep((uint64_t) (intptr_t) arg));

  test_note(err == 0 ? "d" : err == FLUV_ECANCELED ? "c" : "?");
  return err;
}

static int64_t fail_after(void* arg) {
  int64_t err = fluv_await(fluv_sleep((uint64_t) (intptr_t) arg));

  test_note("f");
  return err < 0 ? err : FLUV_EPIPE;
}

TEST_TASK(end_waits_for_all_children) {
  uint64_t before = fluv_now();
  fluv_scope_t* scope;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_spawn(scope, sleep_for, (void*) 10), 0);
  ck_assert_err(fluv_scope_spawn(scope, sleep_for, (void*) 30), 0);
  ck_assert_err(fluv_scope_add(scope, fluv_sleep(20)), 0);
  ck_assert_err(fluv_scope_end(scope), 0);
  ck_assert_uint_eq(fluv_now() - before, 30 * MS);
  ck_assert_trace("dd");
  return 0;
}

TEST_TASK(empty_scope_ends_at_once) {
  fluv_scope_t* scope;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_end(scope), 0);
  return 0;
}

TEST_TASK(children_that_have_ended_are_no_burden) {
  fluv_scope_t* scope;
  int i;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  for (i = 0; i < 3000; i++)
    ck_assert_err(fluv_scope_add(scope, fluv_ready(i)), 0);
  ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  ck_assert_err(fluv_scope_end(scope), 0);
  return 0;
}

TEST_TASK(children_run_while_the_owner_waits_for_other_things) {
  fluv_scope_t* scope;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_spawn(scope, sleep_for, (void*) 10), 0);
  ck_assert_err(fluv_await(fluv_sleep(20)), 0);
  ck_assert_trace("d");
  ck_assert_err(fluv_scope_end(scope), 0);
  return 0;
}

TEST_TASK(a_thousand_children) {
  fluv_scope_t* scope;
  intptr_t i;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  for (i = 0; i < 1000; i++)
    ck_assert_err(fluv_scope_spawn(scope, sleep_for, (void*) (i % 50)), 0);
  ck_assert_err(fluv_scope_end(scope), 0);
  ck_assert_uint_eq(strlen(test_trace), 1000);
  return 0;
}

TEST_TASK(first_error_cancels_the_others_and_is_the_result) {
  uint64_t before = fluv_now();
  fluv_scope_t* scope;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_spawn(scope, sleep_for, (void*) 100), 0);
  ck_assert_err(fluv_scope_spawn(scope, fail_after, (void*) 10), 0);
  ck_assert_err(fluv_scope_spawn(scope, sleep_for, (void*) 5), 0);
  ck_assert_err(fluv_scope_end(scope), FLUV_EPIPE);
  ck_assert_uint_eq(fluv_now() - before, 10 * MS);
  ck_assert_trace("dfc");
  return 0;
}

static int64_t fail_late_with_another(void* arg) {
  (void) arg;
  fluv_await(fluv_never());
  return FLUV_ECONNRESET;
}

TEST_TASK(the_error_that_came_first_is_kept) {
  fluv_scope_t* scope;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_spawn(scope, fail_late_with_another, NULL), 0);
  ck_assert_err(fluv_scope_spawn(scope, fail_after, (void*) 10), 0);
  ck_assert_err(fluv_scope_end(scope), FLUV_EPIPE);
  return 0;
}

TEST_TASK(a_failed_future_is_refused_and_fails_the_scope) {
  fluv_scope_t* scope;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_spawn(scope, sleep_for, (void*) 100), 0);
  ck_assert_err(fluv_scope_add(scope, fluv_failed(FLUV_EACCES)), FLUV_EACCES);
  ck_assert_err(fluv_scope_end(scope), FLUV_EACCES);
  ck_assert_trace("c");
  return 0;
}

TEST_TASK(a_task_that_could_not_be_made_fails_the_scope) {
  fluv_scope_t* scope;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_spawn(scope, NULL, NULL), FLUV_EINVAL);
  ck_assert_err(fluv_scope_end(scope), FLUV_EINVAL);
  return 0;
}

static int64_t spawn_into(void* arg) {
  fluv_scope_t* scope = arg;

  fluv_await(fluv_sleep(5));
  ck_assert_err(fluv_scope_spawn(scope, sleep_for, (void*) 5), 0);
  test_note("s");
  return 0;
}

TEST_TASK(children_may_add_children) {
  uint64_t before = fluv_now();
  fluv_scope_t* scope;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_spawn(scope, spawn_into, scope), 0);
  ck_assert_err(fluv_scope_end(scope), 0);
  ck_assert_uint_eq(fluv_now() - before, 10 * MS);
  ck_assert_trace("sd");
  return 0;
}

TEST_TASK(scopes_nest) {
  fluv_scope_t* outer;
  fluv_scope_t* inner;

  ck_assert_err(fluv_scope_begin(&outer), 0);
  ck_assert_err(fluv_scope_spawn(outer, sleep_for, (void*) 10), 0);
  ck_assert_err(fluv_scope_begin(&inner), 0);
  ck_assert_err(fluv_scope_spawn(inner, fail_after, (void*) 5), 0);
  ck_assert_err(fluv_scope_end(inner), FLUV_EPIPE);
  ck_assert_trace("f");
  ck_assert_err(fluv_scope_end(outer), 0);
  ck_assert_trace("fd");
  return 0;
}

static int64_t leave_open(void* arg) {
  fluv_scope_t* outer;
  fluv_scope_t* inner;

  ck_assert_err(fluv_scope_begin(&outer), 0);
  ck_assert_err(fluv_scope_begin(&inner), 0);
  ck_assert_err(fluv_scope_spawn(outer, sleep_for, (void*) 20), 0);
  ck_assert_err(fluv_scope_spawn(inner, sleep_for, (void*) 10), 0);
  (void) arg;
  return 5;
}

START_TEST(a_task_that_returns_with_a_scope_open_waits_for_it) {
  uint64_t before = fluv_now();

  ck_assert_err(test_run(leave_open, NULL), 5);
  ck_assert_trace("dd");
  ck_assert_uint_eq(fluv_now() - before, 20 * MS);
}
END_TEST

/* Cancel. */

TEST_TASK(cancelled_children_are_no_failure) {
  uint64_t before = fluv_now();
  fluv_scope_t* scope;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_spawn(scope, sleep_for, (void*) 10), 0);
  ck_assert_err(fluv_scope_add(scope, fluv_never()), 0);
  ck_assert_err(fluv_yield(), 0);
  fluv_scope_cancel(scope);
  fluv_scope_cancel(scope);
  ck_assert_err(fluv_scope_end(scope), 0);
  ck_assert_trace("c");
  ck_assert_uint_eq(fluv_now(), before);
  return 0;
}

TEST_TASK(children_added_after_the_cancel_are_cancelled) {
  uint64_t before = fluv_now();
  fluv_scope_t* scope;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  fluv_scope_cancel(scope);
  fluv_scope_spawn(scope, sleep_for, (void*) 10);
  fluv_scope_add(scope, fluv_never());
  ck_assert_err(fluv_scope_end(scope), 0);
  ck_assert_trace("c");
  ck_assert_uint_eq(fluv_now(), before);
  return 0;
}

static int64_t end_a_long_scope(void* arg) {
  fluv_scope_t* scope;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_spawn(scope, sleep_for, (void*) 100), 0);
  ck_assert_err(fluv_scope_spawn(scope, sleep_for, (void*) 200), 0);
  (void) arg;
  return fluv_scope_end(scope);
}

START_TEST(cancelling_the_owner_cancels_the_children) {
  uint64_t before = fluv_now();
  fluv_future_t* f = fluv_spawn(end_a_long_scope, NULL);

  test_turn(2);
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  ck_assert_trace("cc");
  ck_assert_uint_eq(fluv_now(), before);
}
END_TEST

START_TEST(the_owners_deadline_ends_the_children) {
  uint64_t before = fluv_now();
  fluv_future_t* f = fluv_timeout(fluv_spawn(end_a_long_scope, NULL), 150);

  ck_assert_err(fluv_block_on(f), FLUV_ETIMEDOUT);
  ck_assert_trace("dc");
  ck_assert_uint_eq(fluv_now() - before, 150 * MS);
}
END_TEST

TEST_TASK(a_deadline_around_the_end_is_the_result) {
  fluv_scope_t* scope;

  ck_assert_err(fluv_deadline_begin(10), 0);
  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_spawn(scope, sleep_for, (void*) 100), 0);
  ck_assert_err(fluv_scope_end(scope), FLUV_ETIMEDOUT);
  ck_assert(fluv_deadline_end());
  ck_assert_trace("c");
  return 0;
}

START_TEST(dropping_the_owner_ends_the_children) {
  fluv_future_t* f = fluv_spawn(end_a_long_scope, NULL);

  test_turn(2);
  fluv_drop(f);
  test_turn(3);
  ck_assert_trace("cc");
  ck_assert_uint_eq(fluv_loop_count_tasks(fluv_loop_current()), 0);
}
END_TEST

static int64_t end_after_the_cancel(void* arg) {
  fluv_scope_t* scope;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_add(scope, fluv_sleep(100)), 0);
  ck_assert_err(fluv_scope_add(scope, fluv_never()), 0);
  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  (void) arg;
  return fluv_scope_end(scope);
}

START_TEST(an_owner_cancelled_before_the_end_cancels_the_children) {
  uint64_t before = fluv_now();
  fluv_future_t* f = fluv_spawn(end_after_the_cancel, NULL);

  test_turn(2);
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  ck_assert_uint_eq(fluv_now(), before);
}
END_TEST

static int64_t linger(void* arg) {
  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  ck_assert_err(fluv_shield_begin(100), 0);
  ck_assert_err(fluv_await(fluv_sleep(7)), 0);
  fluv_shield_end();
  test_note("l");
  (void) arg;
  return FLUV_ECANCELED;
}

TEST_TASK(end_waits_for_children_that_clean_up) {
  uint64_t before = fluv_now();
  fluv_scope_t* scope;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_spawn(scope, linger, NULL), 0);
  ck_assert_err(fluv_scope_spawn(scope, fail_after, (void*) 3), 0);
  ck_assert_err(fluv_scope_end(scope), FLUV_EPIPE);
  ck_assert_trace("fl");
  ck_assert_uint_eq(fluv_now() - before, 10 * MS);
  return 0;
}

/* Misuse. */

TEST_TASK(null_arguments_are_refused) {
  fluv_scope_t* scope;

  ck_assert_err(fluv_scope_begin(NULL), FLUV_EINVAL);
  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_add(NULL, fluv_never()), FLUV_EINVAL);
  ck_assert_err(fluv_scope_add(scope, NULL), FLUV_EINVAL);
  fluv_scope_end(scope);
  return 0;
}

static int64_t end_outer_first(void* arg) {
  fluv_scope_t* outer;
  fluv_scope_t* inner;

  (void) arg;
  ck_assert_err(fluv_scope_begin(&outer), 0);
  ck_assert_err(fluv_scope_begin(&inner), 0);
  return fluv_scope_end(outer);
}

static int64_t end_it(void* arg) {
  return fluv_scope_end(arg);
}

static int64_t end_in_a_child(void* arg) {
  fluv_scope_t* scope;

  (void) arg;
  ck_assert_err(fluv_scope_begin(&scope), 0);
  return fluv_await(fluv_spawn(end_it, scope));
}

static void run_task(void* arg) {
  test_setup_paused();
  test_run(*(fluv_task_fn*) arg, NULL);
}

static void begin_outside(void* arg) {
  fluv_scope_t* scope;

  (void) arg;
  test_setup_paused();
  ck_assert_err(fluv_scope_begin(&scope), 0);
}

START_TEST(ending_scopes_in_the_wrong_order_aborts) {
  fluv_task_fn fn = end_outer_first;

  test_aborts(run_task, &fn, "scope", NULL);
}
END_TEST

START_TEST(ending_another_tasks_scope_aborts) {
  fluv_task_fn fn = end_in_a_child;

  test_aborts(run_task, &fn, "scope", NULL);
}
END_TEST

START_TEST(beginning_a_scope_outside_a_task_aborts) {
  test_aborts(begin_outside, NULL, "scope", NULL);
}
END_TEST

static Suite* scope_suite(void) {
  Suite* s = suite_create("scope");
  TCase* tc = test_case(s, "basic", test_setup_paused, test_teardown);

  ADD(tc,
      end_waits_for_all_children,
      empty_scope_ends_at_once,
      children_that_have_ended_are_no_burden,
      children_run_while_the_owner_waits_for_other_things,
      a_thousand_children,
      first_error_cancels_the_others_and_is_the_result,
      the_error_that_came_first_is_kept,
      a_failed_future_is_refused_and_fails_the_scope,
      a_task_that_could_not_be_made_fails_the_scope,
      children_may_add_children,
      scopes_nest,
      a_task_that_returns_with_a_scope_open_waits_for_it);

  tc = test_case(s, "cancel", test_setup_paused, test_teardown);
  ADD(tc,
      cancelled_children_are_no_failure,
      children_added_after_the_cancel_are_cancelled,
      cancelling_the_owner_cancels_the_children,
      an_owner_cancelled_before_the_end_cancels_the_children,
      the_owners_deadline_ends_the_children,
      a_deadline_around_the_end_is_the_result,
      dropping_the_owner_ends_the_children,
      end_waits_for_children_that_clean_up);

  tc = test_case(s, "misuse", test_setup_paused, test_teardown);
  ADD(tc, null_arguments_are_refused);
  tc = test_case(s, "misuse", NULL, NULL);
  ADD(tc,
      ending_scopes_in_the_wrong_order_aborts,
      ending_another_tasks_scope_aborts,
      beginning_a_scope_outside_a_task_aborts);
  return s;
}

TEST_MAIN(scope_suite)

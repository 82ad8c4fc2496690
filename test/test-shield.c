/* SPDX-License-Identifier: MIT */
/* Shields: what a task awaits before its cancellation reaches it. */
#include "fluv-test.h"

#define MS 1000000ull

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

static Suite* shield_suite(void) {
  Suite* s = suite_create("shield");
  TCase* tc = test_case(s, "cancel", test_setup_paused, test_teardown);

  ADD(tc,
      shield_lets_clean_up_await,
      shield_holds_until_its_limit,
      shield_opened_before_the_cancel_holds_it_off,
      cancel_held_off_arrives_when_the_shield_expires,
      expired_shield_without_a_cancel_changes_nothing,
      shields_nest,
      deferred_clean_up_awaits_behind_a_shield,
      a_task_that_returns_ends_what_it_left_open);
  return s;
}

TEST_MAIN(shield_suite)

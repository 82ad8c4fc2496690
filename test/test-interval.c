/* SPDX-License-Identifier: MIT */
/* Intervals: steady ticks, late ticks, missed ticks. */
#include "fluv-test.h"

#define MS 1000000ull

static uint64_t zero; /* the clock at the start of the test */

static void setup_zero(void) {
  test_setup_paused();
  zero = fluv_now();
}

static uint64_t elapsed_ms(void) {
  return (fluv_now() - zero) / MS;
}

static void take_tick(fluv_interval_t* interval, uint64_t due_ms) {
  int64_t due = fluv_await(fluv_interval_tick(interval));

  ck_assert_int_ge(due, 0);
  ck_assert_uint_eq(((uint64_t) due - zero) / MS, due_ms);
}

TEST_TASK(interval_ticks_at_once_and_then_steadily) {
  fluv_interval_t* interval = fluv_interval_new(10, FLUV_INTERVAL_BURST);

  take_tick(interval, 0);
  ck_assert_uint_eq(elapsed_ms(), 0);
  take_tick(interval, 10);
  ck_assert_uint_eq(elapsed_ms(), 10);
  /* Time spent between the ticks does not move them. */
  ck_assert_err(fluv_await(fluv_sleep(7)), 0);
  take_tick(interval, 20);
  ck_assert_uint_eq(elapsed_ms(), 20);
  fluv_interval_free(interval);
  return 0;
}

TEST_TASK(interval_burst_delivers_what_was_missed) {
  fluv_interval_t* interval = fluv_interval_new(10, FLUV_INTERVAL_BURST);

  take_tick(interval, 0);
  ck_assert_err(fluv_await(fluv_sleep(35)), 0);
  take_tick(interval, 10);
  take_tick(interval, 20);
  take_tick(interval, 30);
  ck_assert_uint_eq(elapsed_ms(), 35);
  take_tick(interval, 40);
  ck_assert_uint_eq(elapsed_ms(), 40);
  fluv_interval_free(interval);
  return 0;
}

TEST_TASK(interval_delay_restarts_from_the_late_tick) {
  fluv_interval_t* interval = fluv_interval_new(10, FLUV_INTERVAL_DELAY);

  take_tick(interval, 0);
  ck_assert_err(fluv_await(fluv_sleep(37)), 0);
  take_tick(interval, 10);
  ck_assert_uint_eq(elapsed_ms(), 37);
  take_tick(interval, 47);
  take_tick(interval, 57);
  fluv_interval_free(interval);
  return 0;
}

TEST_TASK(interval_skip_keeps_to_multiples_of_the_period) {
  fluv_interval_t* interval = fluv_interval_new(10, FLUV_INTERVAL_SKIP);

  take_tick(interval, 0);
  ck_assert_err(fluv_await(fluv_sleep(37)), 0);
  take_tick(interval, 10);
  ck_assert_uint_eq(elapsed_ms(), 37);
  take_tick(interval, 40);
  ck_assert_uint_eq(elapsed_ms(), 40);
  take_tick(interval, 50);
  fluv_interval_free(interval);
  return 0;
}

TEST_TASK(interval_forgives_five_milliseconds) {
  fluv_interval_missed_t kinds[] = { FLUV_INTERVAL_DELAY, FLUV_INTERVAL_SKIP };
  int i;

  for (i = 0; i < 2; i++) {
    fluv_interval_t* interval = fluv_interval_new(10, kinds[i]);
    zero = fluv_now();
    take_tick(interval, 0);
    ck_assert_err(fluv_await(fluv_sleep(15)), 0);
    take_tick(interval, 10);
    take_tick(interval, 20);
    ck_assert_uint_eq(elapsed_ms(), 20);
    fluv_interval_free(interval);
  }
  return 0;
}

TEST_TASK(interval_reset_starts_one_period_from_now) {
  fluv_interval_t* interval = fluv_interval_new(10, FLUV_INTERVAL_BURST);
  fluv_future_t* tick;

  ck_assert_err(fluv_interval_reset(interval), 0);
  take_tick(interval, 10);
  ck_assert_err(fluv_await(fluv_sleep(4)), 0);
  ck_assert_err(fluv_interval_reset(interval), 0);
  tick = fluv_interval_tick(interval);
  fluv_start(tick);
  ck_assert_err(fluv_interval_reset(interval), FLUV_EBUSY);
  ck_assert_uint_eq(((uint64_t) fluv_await(tick) - zero) / MS, 24);
  fluv_interval_free(interval);
  return 0;
}

TEST_TASK(cancelled_tick_is_still_to_come) {
  fluv_interval_t* interval = fluv_interval_new(10, FLUV_INTERVAL_BURST);
  fluv_future_t* f;

  take_tick(interval, 0);
  f = fluv_timeout(fluv_interval_tick(interval), 5);
  ck_assert_err(fluv_await(f), FLUV_ETIMEDOUT);
  take_tick(interval, 10);
  f = fluv_interval_tick(interval);
  fluv_start(f);
  fluv_drop(f);
  take_tick(interval, 20);
  fluv_interval_free(interval);
  return 0;
}

TEST_TASK(only_one_may_wait_for_a_tick) {
  fluv_interval_t* interval = fluv_interval_new(10, FLUV_INTERVAL_BURST);
  fluv_future_t* first;

  take_tick(interval, 0);
  first = fluv_interval_tick(interval);
  fluv_start(first);
  ck_assert_err(fluv_await(fluv_interval_tick(interval)), FLUV_EBUSY);
  ck_assert_int_ge(fluv_await(first), 0);
  fluv_interval_free(interval);
  return 0;
}

TEST_TASK(freed_interval_cancels_its_tick) {
  fluv_interval_t* interval = fluv_interval_new(10, FLUV_INTERVAL_BURST);
  fluv_future_t* f;

  take_tick(interval, 0);
  f = fluv_interval_tick(interval);
  fluv_start(f);
  fluv_interval_free(interval);
  ck_assert_err(fluv_await(f), FLUV_ECANCELED);
  ck_assert_uint_eq(fluv_now(), zero);
  return 0;
}

/* The first tick comes, and no other ever does. */
TEST_TASK(interval_of_no_end_ticks_once) {
  const uint64_t periods[] = { FLUV_FOREVER, UINT64_MAX / MS, UINT64_MAX / 2 };
  const fluv_interval_missed_t kinds[] = { FLUV_INTERVAL_BURST,
                                           FLUV_INTERVAL_DELAY,
                                           FLUV_INTERVAL_SKIP };
  size_t i;

  for (i = 0; i < 3; i++) {
    fluv_interval_t* interval = fluv_interval_new(periods[i], kinds[i]);
    int64_t now = (int64_t) fluv_now();

    ck_assert_ptr_nonnull(interval);
    ck_assert_err(fluv_await(fluv_sleep(20)), 0);
    ck_assert_err(fluv_await(fluv_interval_tick(interval)), now);
    ck_assert_err(
        fluv_await(fluv_timeout(fluv_interval_tick(interval), 1000000)),
        FLUV_ETIMEDOUT);
    ck_assert_err(fluv_interval_reset(interval), 0);
    ck_assert_err(
        fluv_await(fluv_timeout(fluv_interval_tick(interval), 1000000)),
        FLUV_ETIMEDOUT);
    fluv_interval_free(interval);
  }
  return 0;
}

START_TEST(interval_refuses_nonsense) {
  fluv_interval_free(NULL);
  ck_assert_ptr_null(fluv_interval_new(0, FLUV_INTERVAL_BURST));
  ck_assert_err(fluv_block_on(fluv_interval_tick(NULL)), FLUV_EINVAL);
}
END_TEST

TEST_TASK(real_interval_ticks_when_due) {
  fluv_interval_t* interval = fluv_interval_new(1, FLUV_INTERVAL_BURST);
  int64_t last = 0;
  int i;

  for (i = 0; i < 5; i++) {
    int64_t due = fluv_await(fluv_interval_tick(interval));
    ck_assert_uint_ge(fluv_now(), (uint64_t) due);
    if (i > 0)
      ck_assert_int_eq(due - last, MS);
    last = due;
  }
  fluv_interval_free(interval);
  return 0;
}

static Suite* interval_suite(void) {
  Suite* s = suite_create("interval");
  TCase* tc;

  tc = test_case(s, "basic", setup_zero, test_teardown);
  ADD(tc,
      interval_ticks_at_once_and_then_steadily,
      interval_burst_delivers_what_was_missed,
      interval_delay_restarts_from_the_late_tick,
      interval_skip_keeps_to_multiples_of_the_period,
      interval_forgives_five_milliseconds,
      interval_of_no_end_ticks_once,
      interval_reset_starts_one_period_from_now);

  tc = test_case(s, "basic", test_setup, test_teardown);
  ADD(tc, real_interval_ticks_when_due);

  tc = test_case(s, "cancel", setup_zero, test_teardown);
  ADD(tc, cancelled_tick_is_still_to_come, freed_interval_cancels_its_tick);

  tc = test_case(s, "misuse", setup_zero, test_teardown);
  ADD(tc, only_one_may_wait_for_a_tick, interval_refuses_nonsense);
  return s;
}

TEST_MAIN(interval_suite)

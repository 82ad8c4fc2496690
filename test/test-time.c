/* SPDX-License-Identifier: MIT */
/* Time: sleeps, and the clock that tests hold in their hand. */
#include "fluv-test.h"

#include <stdio.h>

#define MS      1000000ull
#define YEAR_MS (365ull * 24 * 3600 * 1000)

static uint64_t zero; /* the clock at the start of the test */

static void setup_zero(void) {
  test_setup_paused();
  zero = fluv_now();
}

static uint64_t elapsed_ms(void) {
  return (fluv_now() - zero) / MS;
}

/* Sleep as long as the argument says and note when that was over. */
static int64_t note_time(void* arg) {
  char word[32];
  int64_t err = fluv_await(fluv_sleep((uint64_t) (intptr_t) arg));

  snprintf(word,
           sizeof(word),
           "%d@%d ",
           (int) (intptr_t) arg,
           (int) elapsed_ms());
  test_note(word);
  return err;
}

static void spawn_noter(intptr_t ms) {
  fluv_detach(fluv_spawn(note_time, (void*) ms));
}

static int64_t note_arg(void* arg) {
  test_note(arg);
  return 0;
}

/* Sleep. */

TEST_TASK(sleep_takes_its_time_to_the_nanosecond) {
  ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  ck_assert_uint_eq(fluv_now() - zero, MS);
  ck_assert_err(fluv_await(fluv_sleep(1234)), 0);
  ck_assert_uint_eq(fluv_now() - zero, 1235 * MS);
  return 0;
}

START_TEST(sleeps_end_in_order_of_time) {
  spawn_noter(30);
  spawn_noter(10);
  spawn_noter(20);
  spawn_noter(5000);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_trace("10@10 20@20 30@30 5000@5000 ");
}
END_TEST

static int64_t sleep_and_note(void* arg) {
  fluv_await(fluv_sleep(100));
  test_note(arg);
  return 0;
}

START_TEST(equal_sleeps_end_in_the_order_in_which_they_began) {
  static const char* letters[] = { "a", "b", "c", "d", "e", "f", "g", "h" };
  int i;

  for (i = 0; i < 8; i++)
    fluv_detach(fluv_spawn(sleep_and_note, TEXT(letters[i])));
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_trace("abcdefgh");
}
END_TEST

static int64_t sleep_40_then_60(void* arg) {
  fluv_await(fluv_sleep(40));
  fluv_await(fluv_sleep(60));
  test_note(arg);
  return 0;
}

START_TEST(of_equal_ends_the_sleep_that_began_first_comes_first) {
  fluv_detach(fluv_spawn(sleep_40_then_60, TEXT("late ")));
  fluv_detach(fluv_spawn(sleep_and_note, TEXT("early ")));
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_trace("early late ");
}
END_TEST

TEST_TASK(sleep_of_nothing_lets_the_others_run_first) {
  fluv_future_t* a = fluv_spawn(note_arg, TEXT("a"));
  fluv_future_t* b = fluv_spawn(note_arg, TEXT("b"));

  ck_assert_err(fluv_await(fluv_sleep(0)), 0);
  ck_assert_trace("ab");
  ck_assert_uint_eq(fluv_now(), zero);
  ck_assert_err(fluv_await(a), 0);
  ck_assert_err(fluv_await(b), 0);
  return 0;
}

TEST_TASK(sleep_until_ends_at_that_point) {
  fluv_future_t* other = fluv_spawn(note_arg, TEXT("a"));

  ck_assert_err(fluv_await(fluv_sleep_until(zero + 25 * MS)), 0);
  ck_assert_uint_eq(fluv_now(), zero + 25 * MS);
  ck_assert_err(fluv_await(other), 0);

  /* Between two milliseconds it rounds up. */
  ck_assert_err(fluv_await(fluv_sleep_until(zero + 26 * MS + 1)), 0);
  ck_assert_uint_eq(fluv_now(), zero + 27 * MS);
  return 0;
}

TEST_TASK(sleep_until_the_past_is_a_sleep_of_nothing) {
  fluv_future_t* a = fluv_spawn(note_arg, TEXT("a"));
  fluv_future_t* b;

  ck_assert_err(fluv_await(fluv_sleep_until(zero)), 0);
  ck_assert_trace("a");
  b = fluv_spawn(note_arg, TEXT("b"));
  ck_assert_err(fluv_await(fluv_sleep_until(0)), 0);
  ck_assert_trace("ab");
  ck_assert_uint_eq(fluv_now(), zero);
  ck_assert_err(fluv_await(a), 0);
  return fluv_await(b);
}

static bool spin_stop;

static int64_t spin(void* arg) {
  int64_t turns = 0;

  (void) arg;
  while (!spin_stop) {
    turns++;
    fluv_yield();
  }
  return turns;
}

/* How often another task runs meanwhile. */
static int64_t spins_during(fluv_future_t* sleep) {
  fluv_future_t* f = fluv_spawn(spin, NULL);

  spin_stop = false;
  ck_assert_err(fluv_await(sleep), 0);
  spin_stop = true;
  return fluv_await(f);
}

/* Others are resumed as often, and not until the turn is over. */
TEST_TASK(sleep_until_the_past_lasts_as_long_as_a_sleep_of_nothing) {
  int64_t spins = spins_during(fluv_sleep(0));

  ck_assert_err(spins_during(fluv_sleep_until(zero)), spins);
  ck_assert_err(spins_during(fluv_sleep_until(0)), spins);
  return 0;
}

TEST_TASK(sleep_until_the_past_is_cancelled_in_its_turn) {
  fluv_future_t* f = fluv_sleep_until(0);

  fluv_start(f);
  fluv_cancel(f);
  ck_assert(!fluv_future_is_done(f));
  ck_assert_err(fluv_await(f), FLUV_ECANCELED);
  fluv_drop(fluv_sleep_until(0));
  return 0;
}

TEST_TASK(sleep_for_centuries) {
  ck_assert_err(fluv_await(fluv_sleep(3 * YEAR_MS)), 0);
  ck_assert_uint_eq(elapsed_ms(), 3 * YEAR_MS);
  ck_assert_err(fluv_await(fluv_sleep(200 * YEAR_MS)), 0);
  ck_assert_uint_eq(elapsed_ms(), 203 * YEAR_MS);
  return 0;
}

TEST_TASK(sleep_forever_ends_by_cancel_only) {
  uint64_t delays[] = { FLUV_FOREVER, FLUV_FOREVER - 1, 1ull << 62 };
  int i;

  for (i = 0; i < 3; i++) {
    fluv_future_t* f = fluv_timeout(fluv_sleep(delays[i]), 1000);
    ck_assert_err(fluv_await(f), FLUV_ETIMEDOUT);
    f = fluv_timeout(fluv_sleep_until(delays[i]), 1000);
    ck_assert_err(fluv_await(f), FLUV_ETIMEDOUT);
  }
  ck_assert_uint_eq(elapsed_ms(), 6000);
  return 0;
}

static int64_t check_own_sleep(void* arg) {
  uint64_t delay = (uint64_t) (uintptr_t) arg;
  uint64_t start = fluv_now();

  ck_assert_err(fluv_await(fluv_sleep(delay)), 0);
  ck_assert_uint_eq(fluv_now() - start, delay * MS);
  return 0;
}

START_TEST(five_thousand_sleeps_at_a_time) {
  uintptr_t i;

  for (i = 0; i < 5000; i++)
    fluv_detach(fluv_spawn(check_own_sleep, (void*) (i * 104729 % 100000)));
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_uint_eq(fluv_loop_count_tasks(fluv_loop_current()), 0);
}
END_TEST

START_TEST(cancelled_sleeps_leave_no_timer_behind) {
  fluv_future_t* f[100];
  int i;

  for (i = 0; i < 100; i++) {
    f[i] = fluv_sleep((uint64_t) i * 10);
    fluv_start(f[i]);
  }
  test_turn(1);
  for (i = 0; i < 100; i++)
    fluv_cancel(f[i]);
  for (i = 1; i < 100; i++)
    ck_assert_err(fluv_block_on(f[i]), FLUV_ECANCELED);
  /* A sleep of nothing may have ended in the turn before. */
  ck_assert_int_le(fluv_block_on(f[0]), 0);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_uint_eq(fluv_now(), zero);
}
END_TEST

START_TEST(cancelled_sleep_of_nothing) {
  fluv_future_t* f = fluv_sleep(0);

  fluv_start(f);
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
}
END_TEST

/* The test clock. */

START_TEST(time_stands_while_the_host_has_work) {
  uv_timer_t timer;
  fluv_future_t* f = fluv_sleep(10);
  int i;

  uv_timer_init(test_uv, &timer);
  uv_timer_start(&timer, (uv_timer_cb) abort, 1000000, 0);
  fluv_start(f);
  for (i = 0; i < 20; i++)
    uv_run(test_uv, UV_RUN_NOWAIT);
  ck_assert(!fluv_future_is_done(f));
  ck_assert_uint_eq(fluv_now(), zero);

  uv_close((uv_handle_t*) &timer, NULL);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert(fluv_future_is_done(f));
  ck_assert_uint_eq(elapsed_ms(), 10);
  ck_assert_err(fluv_block_on(f), 0);
}
END_TEST

static int64_t answer_after_a_sleep(void* arg) {
  fluv_await(fluv_sleep(10));
  return fluv_promise_resolve(arg, 1);
}

START_TEST(time_passes_while_a_promise_is_waited_for) {
  fluv_promise_t* p;
  fluv_future_t* f;

  ck_assert_err(fluv_promise_new(&p, &f), 0);
  fluv_detach(fluv_spawn(answer_after_a_sleep, p));
  ck_assert_err(fluv_block_on(f), 1);
  ck_assert_uint_eq(elapsed_ms(), 10);
  fluv_promise_free(p);
}
END_TEST

static void answer(void* arg) {
  fluv_promise_resolve(arg, 1);
}

START_TEST(a_thread_may_answer_while_the_clock_is_paused) {
  fluv_promise_t* p;
  fluv_future_t* f;
  uv_thread_t thread;

  ck_assert_err(fluv_promise_new(&p, &f), 0);
  fluv_start(f);
  test_turn(2);
  ck_assert_int_eq(uv_thread_create(&thread, answer, p), 0);
  ck_assert_err(fluv_block_on(f), 1);
  uv_thread_join(&thread);
  ck_assert_uint_eq(fluv_now(), zero);
  fluv_promise_free(p);
}
END_TEST

START_TEST(time_stands_while_a_task_is_ready) {
  int i;

  spawn_noter(10);
  for (i = 0; i < 5; i++)
    fluv_detach(fluv_spawn(note_arg, TEXT(".")));
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_trace(".....10@10 ");
}
END_TEST

START_TEST(advance_fires_what_comes_due_and_no_more) {
  spawn_noter(10);
  spawn_noter(11);
  test_advance(9);
  ck_assert_trace("");
  ck_assert_uint_eq(elapsed_ms(), 9);
  test_advance(1);
  ck_assert_trace("10@10 ");
  ck_assert_uint_eq(elapsed_ms(), 10);
  test_advance(0);
  ck_assert_trace("10@10 ");
  test_advance(100);
  ck_assert_trace("10@10 11@11 ");
  ck_assert_uint_eq(elapsed_ms(), 110);
}
END_TEST

static int64_t sleep_in_steps(void* arg) {
  int i;

  (void) arg;
  for (i = 0; i < 4; i++)
    ck_assert_err(note_time((void*) 10), 0);
  return 0;
}

START_TEST(advance_lets_tasks_run_in_between) {
  fluv_detach(fluv_spawn(sleep_in_steps, NULL));
  spawn_noter(15);
  test_advance(35);
  ck_assert_trace("10@10 15@15 10@20 10@30 ");
  test_advance(5);
  ck_assert_trace("10@10 15@15 10@20 10@30 10@40 ");
}
END_TEST

TEST_TASK(advance_works_from_a_task) {
  spawn_noter(10);
  ck_assert_err(fluv_yield(), 0);
  ck_assert_err(fluv_await(fluv_clock_advance(50)), 0);
  ck_assert_uint_eq(elapsed_ms(), 50);
  ck_assert_trace("10@10 ");
  return 0;
}

START_TEST(cancelled_advance_leaves_the_clock_where_it_is) {
  fluv_future_t* f = fluv_clock_advance(100);

  fluv_start(f);
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  fluv_drop(fluv_clock_advance(100));
  test_turn(3);
  ck_assert_uint_eq(fluv_now(), zero);
  test_advance(7);
  ck_assert_uint_eq(elapsed_ms(), 7);
}
END_TEST

START_TEST(resume_cancels_an_advance) {
  fluv_future_t* f = fluv_clock_advance(3600000);

  fluv_start(f);
  ck_assert_err(fluv_clock_resume(), 0);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  ck_assert_uint_lt(fluv_now() - zero, 3600000 * MS);
}
END_TEST

START_TEST(advance_needs_a_paused_clock) {
  ck_assert_err(fluv_clock_resume(), 0);
  ck_assert_err(fluv_block_on(fluv_clock_advance(5)), FLUV_EINVAL);
}
END_TEST

START_TEST(pause_and_resume_know_their_state) {
  uint64_t before;

  ck_assert_err(fluv_clock_pause(), FLUV_EALREADY);
  ck_assert_err(fluv_clock_resume(), 0);
  ck_assert_err(fluv_clock_resume(), FLUV_EALREADY);
  ck_assert_uint_ge(fluv_now(), zero);
  ck_assert_err(fluv_clock_pause(), 0);
  before = fluv_now();
  ck_assert_uint_ge(before, zero);
  test_advance(7);
  ck_assert_uint_eq(fluv_now() - before, 7 * MS);
}
END_TEST

START_TEST(resume_goes_on_from_where_the_clock_stands) {
  uint64_t after;

  test_advance(3600000);
  ck_assert_err(fluv_clock_resume(), 0);
  after = fluv_now();
  ck_assert_uint_ge(after - zero, 3600000 * MS);
  ck_assert_uint_lt(after - zero, 3660000 * MS);
  ck_assert_err(fluv_block_on(fluv_sleep(2)), 0);
  ck_assert_uint_ge(fluv_now() - after, 2 * MS);
}
END_TEST

START_TEST(sleeps_survive_pause_and_resume) {
  fluv_future_t* f = fluv_sleep(3);

  fluv_start(f);
  test_turn(1);
  ck_assert_err(fluv_clock_resume(), 0);
  test_turn(1);
  ck_assert_err(fluv_clock_pause(), 0);
  test_turn(1);
  ck_assert_err(fluv_clock_resume(), 0);
  ck_assert_err(fluv_block_on(f), 0);
  ck_assert_uint_ge(fluv_now() - zero, 3 * MS);
}
END_TEST

static void use_clock_without_a_loop(void* arg) {
  uint64_t now = uv_hrtime();
  int* errs = arg;

  errs[0] = fluv_clock_pause();
  errs[1] = fluv_clock_resume();
  errs[2] = fluv_now() >= now && fluv_now() - now < 60000 * MS;
  errs[3] = fluv_interval_new(10, FLUV_INTERVAL_BURST) == NULL;
}

START_TEST(without_a_loop_there_is_only_the_real_clock) {
  int errs[4] = { 0 };

  test_on_thread(use_clock_without_a_loop, errs);
  ck_assert_err(errs[0], FLUV_ENOLOOP);
  ck_assert_err(errs[1], FLUV_ENOLOOP);
  ck_assert(errs[2]);
  ck_assert(errs[3]);
}
END_TEST

/* The real clock. */

static int64_t sleep_for_real(void* arg) {
  uint64_t delay = (uint64_t) (uintptr_t) arg;
  uint64_t start = fluv_now();

  ck_assert_err(fluv_await(fluv_sleep(delay)), 0);
  ck_assert_uint_ge(fluv_now() - start, delay * MS);
  ck_assert_err(fluv_await(fluv_sleep_until(start + 6 * MS + 1)), 0);
  ck_assert_uint_ge(fluv_now() - start, 6 * MS + 1);
  return 0;
}

START_TEST(real_sleeps_never_end_early) {
  uintptr_t i;

  for (i = 0; i < 60; i++)
    fluv_detach(fluv_spawn(sleep_for_real, (void*) (i % 6)));
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_uint_eq(fluv_loop_count_tasks(fluv_loop_current()), 0);
}
END_TEST

static int64_t sleep_after_work(void* arg) {
  uint64_t start = fluv_now();
  uint64_t before_sleep;

  /* libuv's own clock is behind by now. */
  while (fluv_now() - start < 3 * MS)
    continue;
  before_sleep = fluv_now();
  ck_assert_err(fluv_await(fluv_sleep(2)), 0);
  ck_assert_uint_ge(fluv_now() - before_sleep, 2 * MS);
  (void) arg;
  return 0;
}

START_TEST(real_sleeps_after_long_work_never_end_early) {
  ck_assert_err(test_run(sleep_after_work, NULL), 0);
  ck_assert_err(test_run(sleep_after_work, NULL), 0);
}
END_TEST

TEST_TASK(real_timeouts_never_end_early) {
  uint64_t start = fluv_now();
  fluv_future_t* f = fluv_timeout(fluv_never(), 3);

  ck_assert_err(fluv_await(f), FLUV_ETIMEDOUT);
  ck_assert_uint_ge(fluv_now() - start, 3 * MS);
  start = fluv_now();
  ck_assert_err(fluv_deadline_begin(2), 0);
  ck_assert_err(fluv_await(fluv_never()), FLUV_ETIMEDOUT);
  ck_assert(fluv_deadline_end());
  ck_assert_uint_ge(fluv_now() - start, 2 * MS);
  return 0;
}

START_TEST(a_short_sleep_is_not_held_up_by_a_long_one) {
  fluv_future_t* longer = fluv_sleep(3600000);
  uint64_t start = fluv_now();

  fluv_start(longer);
  test_turn(2);
  ck_assert_err(fluv_block_on(fluv_sleep(2)), 0);
  ck_assert_uint_lt(fluv_now() - start, 60000 * MS);
  fluv_drop(longer);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
}
END_TEST

static Suite* time_suite(void) {
  Suite* s = suite_create("time");
  TCase* tc = test_case(s, "basic", setup_zero, test_teardown);

  ADD(tc,
      sleep_takes_its_time_to_the_nanosecond,
      sleeps_end_in_order_of_time,
      equal_sleeps_end_in_the_order_in_which_they_began,
      of_equal_ends_the_sleep_that_began_first_comes_first,
      sleep_of_nothing_lets_the_others_run_first,
      sleep_until_ends_at_that_point,
      sleep_until_the_past_is_a_sleep_of_nothing,
      sleep_until_the_past_lasts_as_long_as_a_sleep_of_nothing,
      sleep_until_the_past_is_cancelled_in_its_turn,
      sleep_for_centuries,
      sleep_forever_ends_by_cancel_only,
      five_thousand_sleeps_at_a_time,
      time_stands_while_the_host_has_work,
      time_passes_while_a_promise_is_waited_for,
      a_thread_may_answer_while_the_clock_is_paused,
      time_stands_while_a_task_is_ready,
      advance_fires_what_comes_due_and_no_more,
      advance_lets_tasks_run_in_between,
      advance_works_from_a_task,
      pause_and_resume_know_their_state,
      resume_goes_on_from_where_the_clock_stands,
      sleeps_survive_pause_and_resume);

  tc = test_case(s, "basic", test_setup, test_teardown);
  ADD(tc,
      real_sleeps_never_end_early,
      real_sleeps_after_long_work_never_end_early,
      real_timeouts_never_end_early,
      a_short_sleep_is_not_held_up_by_a_long_one);

  tc = test_case(s, "cancel", setup_zero, test_teardown);
  ADD(tc,
      cancelled_advance_leaves_the_clock_where_it_is,
      resume_cancels_an_advance,
      cancelled_sleeps_leave_no_timer_behind,
      cancelled_sleep_of_nothing);

  tc = test_case(s, "misuse", setup_zero, test_teardown);
  ADD(tc,
      advance_needs_a_paused_clock,
      without_a_loop_there_is_only_the_real_clock);
  return s;
}

TEST_MAIN(time_suite)

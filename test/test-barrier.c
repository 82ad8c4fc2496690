/* SPDX-License-Identifier: MIT */
/* Barrier: tasks and threads that meet. */
#include "fluv-test.h"

static fluv_barrier_t* barrier;

static void setup(void) {
  test_setup_paused();
  ck_assert_err(fluv_barrier_new(3, &barrier), 0);
}

static void teardown(void) {
  fluv_barrier_free(barrier);
  test_teardown();
}

static int64_t meet(void* arg) {
  int64_t result = fluv_await(fluv_barrier_wait(barrier));

  test_note(result == 1 ? "L" : arg);
  return result;
}

TEST_TASK(barrier_grants_all_with_one_leader) {
  fluv_future_t* f[3];
  int round;
  int i;

  for (round = 0; round < 2; round++) {
    for (i = 0; i < 2; i++)
      f[i] = fluv_spawn(meet, TEXT("."));
    fluv_yield();
    ck_assert(!fluv_future_is_done(f[0]));
    f[2] = fluv_spawn(meet, TEXT("."));
    ck_assert_err(fluv_await(fluv_join_all(f, 3, NULL)), 0);
  }
  ck_assert_trace("L..L..");
  return 0;
}

TEST_TASK(a_cancelled_wait_has_not_come) {
  fluv_future_t* f[3];
  int i;

  for (i = 0; i < 2; i++)
    f[i] = fluv_spawn(meet, TEXT("."));
  fluv_yield();
  fluv_cancel(f[0]);
  ck_assert_err(fluv_await(f[0]), FLUV_ECANCELED);
  f[0] = fluv_spawn(meet, TEXT("."));
  fluv_yield();
  ck_assert(!fluv_future_is_done(f[1]));
  f[2] = fluv_spawn(meet, TEXT("."));
  ck_assert_err(fluv_await(fluv_join_all(f, 3, NULL)), 0);
  return 0;
}

static void meet_too_long(void* arg) {
  int64_t* result = arg;

  *result = fluv_barrier_wait_blocking(barrier, 1);
}

TEST_TASK(a_thread_that_times_out_has_not_come) {
  fluv_future_t* f[2] = { fluv_barrier_wait(barrier),
                          fluv_barrier_wait(barrier) };
  int64_t result = -1;

  test_on_thread(meet_too_long, &result);
  ck_assert_err(result, FLUV_ETIMEDOUT);
  fluv_start(f[0]);
  fluv_start(f[1]);
  fluv_yield();
  ck_assert(!fluv_future_is_done(f[1]));
  ck_assert_err(fluv_await(fluv_barrier_wait(barrier)), 1);
  ck_assert_err(fluv_await(f[0]), 0);
  ck_assert_err(fluv_await(f[1]), 0);
  return 0;
}

static int64_t meet_alone(void* arg) {
  fluv_barrier_t* b = NULL;
  int64_t err = fluv_barrier_new(1, &b);

  (void) arg;
  if (err == 0 && (err = fluv_await(fluv_barrier_wait(b))) == 1)
    err = 0;
  fluv_barrier_free(b);
  return err;
}

START_TEST(out_of_memory) {
  TEST_OOM(meet_alone, NULL);
}
END_TEST

static Suite* barrier_suite(void) {
  Suite* s = suite_create("barrier");
  TCase* tc = test_case(s, "barrier", setup, teardown);

  ADD(tc,
      barrier_grants_all_with_one_leader,
      a_cancelled_wait_has_not_come,
      a_thread_that_times_out_has_not_come);
  tc = test_case(s, "limits", NULL, NULL);
  ADD(tc, out_of_memory);
  return s;
}

TEST_MAIN(barrier_suite)

/* SPDX-License-Identifier: MIT */
/* Task trackers. */
#include "fluv-test.h"

#include <pthread.h>

static fluv_tracker_t* tracker;

static void setup(void) {
  test_setup_paused();
  ck_assert_err(fluv_tracker_new(&tracker), 0);
}

static void teardown(void) {
  fluv_tracker_free(tracker);
  test_teardown();
}

static int64_t sleeps(void* arg) {
  return fluv_await(fluv_sleep((uint64_t) * (int*) arg));
}

TEST_TASK(tracker_waits_until_closed_and_empty) {
  fluv_future_t* wait = fluv_tracker_wait(tracker);
  fluv_future_t* f;
  int ms = 5;

  fluv_start(wait);
  f = fluv_tracker_spawn(tracker, sleeps, &ms);
  ck_assert_uint_eq(fluv_tracker_get_count(tracker), 1);
  ck_assert(fluv_tracker_close(tracker));
  ck_assert(!fluv_tracker_close(tracker));
  ck_assert(!fluv_future_is_done(wait));
  fluv_detach(fluv_tracker_spawn(tracker, sleeps, &ms));
  ck_assert_err(fluv_await(f), 0);
  ck_assert_err(fluv_await(wait), 0);
  ck_assert_uint_eq(fluv_tracker_get_count(tracker), 0);
  ck_assert(fluv_tracker_reopen(tracker));
  ck_assert_err(fluv_await(fluv_timeout(fluv_tracker_wait(tracker), 1)),
                FLUV_ETIMEDOUT);
  ck_assert_err(fluv_tracker_leave(tracker), FLUV_EPERM);
  return 0;
}

TEST_TASK(tracker_counts_what_is_cancelled_and_dropped) {
  int ms = 5;
  fluv_future_t* f = fluv_tracker_spawn(tracker, sleeps, &ms);

  fluv_cancel(f);
  ck_assert_err(fluv_await(f), FLUV_ECANCELED);
  f = fluv_tracker_spawn(tracker, sleeps, &ms);
  fluv_yield();
  fluv_drop(f);
  fluv_tracker_close(tracker);
  ck_assert_err(fluv_await(fluv_tracker_wait(tracker)), 0);
  return 0;
}

static void* leave_on_thread(void* arg) {
  (void) arg;
  ck_assert_err(fluv_tracker_wait_blocking(tracker, 1), FLUV_ETIMEDOUT);
  ck_assert_err(fluv_tracker_leave(tracker), 0);
  ck_assert_err(fluv_tracker_wait_blocking(tracker, FLUV_FOREVER), 0);
  return NULL;
}

TEST_TASK(tracker_across_threads) {
  pthread_t thread;

  fluv_tracker_enter(tracker);
  fluv_tracker_close(tracker);
  ck_assert_int_eq(pthread_create(&thread, NULL, leave_on_thread, NULL), 0);
  ck_assert_err(fluv_await(fluv_tracker_wait(tracker)), 0);
  pthread_join(thread, NULL);
  return 0;
}

static int64_t spawn_and_wait(void* arg) {
  fluv_tracker_t* t = NULL;
  int64_t err = fluv_tracker_new(&t);
  int ms = 1;

  (void) arg;
  if (err == 0)
    err = fluv_await(fluv_tracker_spawn(t, sleeps, &ms));
  if (err == 0) {
    fluv_tracker_close(t);
    err = fluv_await(fluv_tracker_wait(t));
  }
  fluv_tracker_free(t);
  return err;
}

START_TEST(out_of_memory) {
  TEST_OOM(spawn_and_wait, NULL);
}
END_TEST

static Suite* tracker_suite(void) {
  Suite* s = suite_create("tracker");
  TCase* tc = test_case(s, "tracker", setup, teardown);

  ADD(tc,
      tracker_waits_until_closed_and_empty,
      tracker_counts_what_is_cancelled_and_dropped,
      tracker_across_threads);
  tc = test_case(s, "limits", NULL, NULL);
  ADD(tc, out_of_memory);
  return s;
}

TEST_MAIN(tracker_suite)

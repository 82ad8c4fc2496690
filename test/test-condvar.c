/* SPDX-License-Identifier: MIT */
/* Condition variables. */
#include "fluv-test.h"

static fluv_condvar_t* cv;
static fluv_mutex_t* mutex;

static void setup(void) {
  test_setup_paused();
  ck_assert_err(fluv_condvar_new(&cv), 0);
  ck_assert_err(fluv_mutex_new(&mutex), 0);
}

static void teardown(void) {
  fluv_condvar_free(cv);
  fluv_mutex_free(mutex);
  test_teardown();
}

/* Wait for the condition variable under the mutex. */
static int64_t wait_cv(void* arg) {
  int64_t err;

  ck_assert_err(fluv_await(fluv_mutex_lock(mutex)), 0);
  err = fluv_await(fluv_condvar_wait(cv, mutex));
  ck_assert(fluv_mutex_is_locked(mutex));
  test_note(arg);
  ck_assert_err(fluv_mutex_unlock(mutex), 0);
  return err;
}

TEST_TASK(condvar_wakes_under_the_mutex) {
  fluv_future_t* f[3] = { fluv_spawn(wait_cv, TEXT("a")),
                          fluv_spawn(wait_cv, TEXT("b")),
                          fluv_spawn(wait_cv, TEXT("c")) };

  fluv_yield();
  ck_assert_err(fluv_await(fluv_mutex_lock(mutex)), 0);
  fluv_condvar_notify_one(cv);
  fluv_yield();
  ck_assert_trace(""); /* it waits for the mutex */
  ck_assert_err(fluv_mutex_unlock(mutex), 0);
  fluv_yield();
  ck_assert_trace("a");
  fluv_condvar_notify_all(cv);
  ck_assert_err(fluv_await(fluv_join_all(f, 3, NULL)), 0);
  ck_assert_trace("abc");
  return 0;
}

TEST_TASK(a_cancelled_condvar_wait_holds_the_mutex) {
  fluv_future_t* f = fluv_spawn(wait_cv, TEXT("a"));

  fluv_yield();
  fluv_cancel(f);
  ck_assert_err(fluv_await(f), FLUV_ECANCELED);
  ck_assert_trace("a");
  ck_assert(!fluv_mutex_is_locked(mutex));
  return 0;
}

static void notify_cv(void* arg) {
  (void) arg;
  fluv_condvar_notify_one(cv);
}

TEST_TASK(a_cancelled_wait_passes_its_notification_on) {
  fluv_future_t* first = fluv_spawn(wait_cv, TEXT("a"));
  fluv_future_t* second = fluv_spawn(wait_cv, TEXT("b"));

  fluv_yield();
  test_on_thread(notify_cv, NULL);
  fluv_cancel(first);
  ck_assert_err(fluv_await(first), FLUV_ECANCELED);
  ck_assert_err(fluv_await(second), 0);
  return 0;
}

TEST_TASK(a_dropped_condvar_wait_leaves_the_mutex) {
  fluv_future_t* f;

  ck_assert_err(fluv_await(fluv_mutex_lock(mutex)), 0);
  f = fluv_condvar_wait(cv, mutex);
  fluv_start(f);
  ck_assert(!fluv_mutex_is_locked(mutex));
  fluv_drop(f);
  ck_assert(!fluv_mutex_is_locked(mutex));
  /* A wait that was never started does not unlock. */
  ck_assert_err(fluv_await(fluv_mutex_lock(mutex)), 0);
  fluv_drop(fluv_condvar_wait(cv, mutex));
  ck_assert(fluv_mutex_is_locked(mutex));
  ck_assert_err(fluv_mutex_unlock(mutex), 0);
  return 0;
}

static int64_t wait_too_long(void* arg) {
  fluv_condvar_t* c = NULL;
  fluv_mutex_t* m = NULL;
  int64_t err = fluv_condvar_new(&c);

  (void) arg;
  if (err == 0)
    err = fluv_mutex_new(&m);
  if (err == 0 && (err = fluv_await(fluv_mutex_lock(m))) == 0) {
    err = fluv_await(fluv_timeout(fluv_condvar_wait(c, m), 1));
    ck_assert(err == FLUV_ETIMEDOUT || err == FLUV_ENOMEM);
    ck_assert_err(fluv_mutex_unlock(m), 0);
    err = err == FLUV_ETIMEDOUT ? 0 : err;
  }
  fluv_mutex_free(m);
  fluv_condvar_free(c);
  return err;
}

START_TEST(out_of_memory) {
  TEST_OOM(wait_too_long, NULL);
}
END_TEST

static Suite* condvar_suite(void) {
  Suite* s = suite_create("condvar");
  TCase* tc = test_case(s, "condvar", setup, teardown);

  ADD(tc,
      condvar_wakes_under_the_mutex,
      a_cancelled_condvar_wait_holds_the_mutex,
      a_cancelled_wait_passes_its_notification_on,
      a_dropped_condvar_wait_leaves_the_mutex);
  tc = test_case(s, "limits", NULL, NULL);
  ADD(tc, out_of_memory);
  return s;
}

TEST_MAIN(condvar_suite)

/* SPDX-License-Identifier: MIT */
/* Semaphore: order, closing, cancelling, other threads. */
#include "fluv-test.h"

static fluv_semaphore_t* sem;

static void setup(void) {
  test_setup_paused();
  ck_assert_err(fluv_semaphore_new(3, &sem), 0);
}

static void teardown(void) {
  ck_assert_uint_eq(fluv_semaphore_get_permits(sem), 3);
  fluv_semaphore_free(sem);
  test_teardown();
}

static int64_t acquire(void* arg) {
  size_t n = strlen(arg);
  int64_t err = fluv_await(fluv_semaphore_acquire(sem, n));

  if (err < 0)
    return err;
  test_note(arg);
  return 0;
}

TEST_TASK(semaphore_does_not_starve_big_requests) {
  fluv_future_t* f[3];

  ck_assert_err(fluv_semaphore_try_acquire(sem, 2), 0);
  f[0] = fluv_spawn(acquire, TEXT("bbb"));
  f[1] = fluv_spawn(acquire, TEXT("c"));
  fluv_yield();
  ck_assert_trace("");
  ck_assert_err(fluv_semaphore_try_acquire(sem, 1), FLUV_EAGAIN);
  ck_assert_err(fluv_semaphore_release(sem, 2), 0);
  fluv_yield();
  ck_assert_trace("bbb");
  ck_assert_err(fluv_semaphore_release(sem, 3), 0);
  ck_assert_err(fluv_await(fluv_join_all(f, 2, NULL)), 0);
  ck_assert_trace("bbbc");
  ck_assert_err(fluv_semaphore_release(sem, 1), 0);
  return 0;
}

TEST_TASK(a_cancelled_acquire_grants_the_next) {
  fluv_future_t* f[2];

  ck_assert_err(fluv_await(fluv_semaphore_acquire(sem, 2)), 0);
  f[0] = fluv_spawn(acquire, TEXT("bbb"));
  f[1] = fluv_spawn(acquire, TEXT("c"));
  fluv_yield();
  fluv_cancel(f[0]);
  ck_assert_err(fluv_await(f[0]), FLUV_ECANCELED);
  ck_assert_err(fluv_await(f[1]), 0);
  ck_assert_err(fluv_semaphore_release(sem, 3), 0);
  ck_assert_err(fluv_semaphore_release(sem, SIZE_MAX), FLUV_EOVERFLOW);
  ck_assert_uint_eq(fluv_semaphore_forget(sem, 2), 2);
  ck_assert_uint_eq(fluv_semaphore_forget(sem, 2), 1);
  ck_assert_err(fluv_semaphore_release(sem, 3), 0);
  return 0;
}

TEST_TASK(semaphore_closed) {
  fluv_future_t* f = fluv_spawn(acquire, TEXT("bbbb"));

  fluv_yield();
  fluv_semaphore_close(sem);
  ck_assert_err(fluv_await(f), FLUV_ECLOSED);
  ck_assert(fluv_semaphore_is_closed(sem));
  ck_assert_err(fluv_await(fluv_semaphore_acquire(sem, 1)), FLUV_ECLOSED);
  ck_assert_err(fluv_semaphore_try_acquire(sem, 1), FLUV_ECLOSED);
  return 0;
}

static void acquire_on_thread(void* arg) {
  (void) arg;
  ck_assert_err(fluv_semaphore_acquire_blocking(sem, 4, 1), FLUV_ETIMEDOUT);
  ck_assert_err(fluv_semaphore_acquire_blocking(sem, 3, FLUV_FOREVER), 0);
}

static void release_on_thread(void* arg) {
  ck_assert_err(fluv_semaphore_release(sem, *(size_t*) arg), 0);
}

TEST_TASK(semaphore_across_threads) {
  fluv_future_t* first = fluv_semaphore_acquire(sem, 3);
  fluv_future_t* second = fluv_semaphore_acquire(sem, 2);
  size_t n = 3;

  ck_assert_err(fluv_semaphore_acquire_blocking(sem, 1, 1), FLUV_EDEADLK);
  test_on_thread(acquire_on_thread, NULL);
  fluv_start(first);
  fluv_start(second);
  test_on_thread(release_on_thread, &n);
  fluv_cancel(first); /* it is granted, and has not arrived */
  ck_assert_err(fluv_await(first), FLUV_ECANCELED);
  ck_assert_err(fluv_await(second), 0);
  ck_assert_err(fluv_semaphore_release(sem, 2), 0);
  return 0;
}

static int64_t acquire_once(void* arg) {
  fluv_semaphore_t* s = NULL;
  int64_t err = fluv_semaphore_new(1, &s);

  (void) arg;
  if (err == 0)
    err = fluv_await(fluv_semaphore_acquire(s, 1));
  fluv_semaphore_free(s);
  return err;
}

START_TEST(out_of_memory) {
  TEST_OOM(acquire_once, NULL);
}
END_TEST

static Suite* semaphore_suite(void) {
  Suite* s = suite_create("semaphore");
  TCase* tc = test_case(s, "semaphore", setup, teardown);

  ADD(tc,
      semaphore_does_not_starve_big_requests,
      a_cancelled_acquire_grants_the_next,
      semaphore_closed,
      semaphore_across_threads);
  tc = test_case(s, "limits", NULL, NULL);
  ADD(tc, out_of_memory);
  return s;
}

TEST_MAIN(semaphore_suite)

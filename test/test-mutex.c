/* SPDX-License-Identifier: MIT */
/* Mutex: order, holders, cancelling, other threads. */
#include "fluv-test.h"

#include <pthread.h>

static fluv_mutex_t* mutex;

static void setup(void) {
  test_setup_paused();
  ck_assert_err(fluv_mutex_new(&mutex), 0);
}

static void teardown(void) {
  fluv_mutex_free(mutex);
  test_teardown();
}

static int64_t lock_and_note(void* arg) {
  int64_t err = fluv_await(fluv_mutex_lock(mutex));

  if (err < 0)
    return err;
  test_note(arg);
  fluv_yield();
  return fluv_mutex_unlock(mutex);
}

TEST_TASK(mutex_is_fifo) {
  fluv_future_t* f[3];

  ck_assert_err(fluv_await(fluv_mutex_lock(mutex)), 0);
  f[0] = fluv_spawn(lock_and_note, TEXT("a"));
  f[1] = fluv_spawn(lock_and_note, TEXT("b"));
  f[2] = fluv_spawn(lock_and_note, TEXT("c"));
  fluv_yield();
  ck_assert_err(fluv_mutex_try_lock(mutex), FLUV_EAGAIN);
  fluv_cancel(f[1]);
  ck_assert_err(fluv_await(f[1]), FLUV_ECANCELED);
  ck_assert_err(fluv_mutex_unlock(mutex), 0);
  /* It is granted to the first waiter, and cannot be taken by others. */
  ck_assert_err(fluv_mutex_try_lock(mutex), FLUV_EAGAIN);
  ck_assert_err(fluv_await(f[0]), 0);
  ck_assert_err(fluv_await(f[2]), 0);
  ck_assert_trace("ac");
  return 0;
}

TEST_TASK(mutex_timed_and_tried) {
  fluv_future_t* f;

  ck_assert_err(fluv_mutex_try_lock(mutex), 0);
  f = fluv_spawn(lock_and_note, TEXT("a"));
  ck_assert_err(fluv_await(fluv_timeout(f, 1)), FLUV_ETIMEDOUT);
  ck_assert_err(fluv_mutex_unlock(mutex), 0);
  ck_assert_err(fluv_await(fluv_timeout(fluv_mutex_lock(mutex), 0)), 0);
  ck_assert_err(fluv_mutex_unlock(mutex), 0);
  return 0;
}

static int64_t unlock_others(void* arg) {
  (void) arg;
  return fluv_mutex_unlock(mutex);
}

TEST_TASK(mutex_knows_its_holder) {
  fluv_future_t* self = fluv_task_self();
  char text[1024];

  ck_assert_err(fluv_mutex_unlock(mutex), FLUV_EPERM);
  ck_assert_err(fluv_await(fluv_mutex_lock(mutex)), 0);
  ck_assert_err(fluv_await(fluv_mutex_lock(mutex)), FLUV_EDEADLK);
  ck_assert_err(fluv_await(fluv_spawn(unlock_others, NULL)), FLUV_EPERM);
  fluv_future_describe(self, text, sizeof(text));
  ck_assert_has(text, "holding a mutex locked at");
  ck_assert_has(text, "test-mutex.c");
  ck_assert_err(fluv_mutex_unlock(mutex), 0);
  fluv_future_describe(self, text, sizeof(text));
  ck_assert_has_not(text, "holding");
  return 0;
}

static long counter;

static int64_t count(void* arg) {
  int i;

  for (i = 0; i < *(int*) arg; i++) {
    if (fluv_await(fluv_mutex_lock(mutex)) != 0)
      return -1;
    counter++;
    if (i % 16 == 0)
      fluv_yield();
    fluv_mutex_unlock(mutex);
  }
  return 0;
}

static void* count_on_loop(void* arg) {
  ck_assert_err(fluv_run(count, arg, NULL), 0);
  return NULL;
}

static void* count_on_thread(void* arg) {
  int i;

  for (i = 0; i < *(int*) arg; i++) {
    ck_assert_err(fluv_mutex_lock_blocking(mutex, FLUV_FOREVER), 0);
    counter++;
    ck_assert_err(fluv_mutex_unlock(mutex), 0);
  }
  return NULL;
}

TEST_TASK(mutex_across_threads) {
  pthread_t loop;
  pthread_t thread;
  int n = 500;

  counter = 0;
  ck_assert_int_eq(pthread_create(&loop, NULL, count_on_loop, &n), 0);
  ck_assert_int_eq(pthread_create(&thread, NULL, count_on_thread, &n), 0);
  ck_assert_err(fluv_await(fluv_spawn(count, &n)), 0);
  pthread_join(loop, NULL);
  pthread_join(thread, NULL);
  ck_assert_int_eq(counter, 3 * n);
  return 0;
}

static void unlock_on_thread(void* arg) {
  ck_assert_err(fluv_mutex_unlock(arg), 0);
}

static void lock_on_thread(void* arg) {
  ck_assert_err(fluv_mutex_lock_blocking(arg, FLUV_FOREVER), 0);
  ck_assert_err(fluv_mutex_lock_blocking(arg, 1), FLUV_EDEADLK);
}

static void* hold_on_thread(void* arg) {
  uv_sem_t* sems = arg;

  lock_on_thread(mutex);
  uv_sem_post(&sems[0]);
  uv_sem_wait(&sems[1]);
  unlock_on_thread(mutex);
  uv_sem_post(&sems[0]);
  return NULL;
}

TEST_TASK(a_cancelled_lock_passes_the_mutex_on) {
  fluv_future_t* first = fluv_mutex_lock(mutex);
  fluv_future_t* second = fluv_spawn(lock_and_note, TEXT("b"));
  pthread_t thread;
  uv_sem_t sems[2];

  uv_sem_init(&sems[0], 0);
  uv_sem_init(&sems[1], 0);
  ck_assert_int_eq(pthread_create(&thread, NULL, hold_on_thread, sems), 0);
  uv_sem_wait(&sems[0]);
  fluv_start(first);
  fluv_yield();
  uv_sem_post(&sems[1]);
  uv_sem_wait(&sems[0]); /* granted to the first, which has not arrived */
  fluv_cancel(first);
  ck_assert_err(fluv_await(first), FLUV_ECANCELED);
  ck_assert_err(fluv_await(second), 0);
  ck_assert_trace("b");
  pthread_join(thread, NULL);
  uv_sem_destroy(&sems[0]);
  uv_sem_destroy(&sems[1]);
  return 0;
}

static int64_t ends_with_lock(void* arg) {
  fluv_mutex_t* own;
  int64_t err = fluv_mutex_new(&own);

  (void) arg;
  if (err == 0)
    err = fluv_await(fluv_mutex_lock(own));
  return err;
}

static int64_t waits_for_other(void* arg) {
  fluv_mutex_t** m = arg;
  int64_t err = fluv_await(fluv_mutex_lock(m[0]));

  fluv_yield();
  if (err == 0)
    err = fluv_await(fluv_timeout(fluv_mutex_lock(m[1]), 10));
  return err;
}

static int64_t wait_for_each_other(void* arg) {
  fluv_mutex_t* m[3];
  fluv_future_t* f[2];
  int64_t err = fluv_mutex_new(&m[0]);

  (void) arg;
  if (err == 0)
    err = fluv_mutex_new(&m[1]);
  m[2] = m[0];
  if (err != 0)
    return err;
  f[0] = fluv_spawn(waits_for_other, &m[0]);
  f[1] = fluv_spawn(waits_for_other, &m[1]);
  return fluv_await(fluv_join_all(f, 2, NULL));
}

static void run_plain(void* arg) {
  (void) fluv_run((fluv_task_fn) (uintptr_t) arg, NULL, NULL);
}

static char* stderr_of_task(fluv_task_fn fn) {
  int status;

  return test_stderr_of(run_plain, (void*) (uintptr_t) fn, &status);
}

START_TEST(a_task_that_returns_with_a_mutex_is_named) {
  char* text = stderr_of_task(ends_with_lock);

  ck_assert_has(text, "has returned with a mutex");
  ck_assert_has(text, "test-mutex.c");
  free(text);
}
END_TEST

START_TEST(a_cycle_of_tasks_and_locks_is_named) {
#ifdef FLUV_DEBUG
  char* text = stderr_of_task(wait_for_each_other);

  ck_assert_has(text, "these tasks wait for each other");
  ck_assert_has(text, "waits at");
  free(text);
#else
  (void) wait_for_each_other;
#endif
}
END_TEST

static void free_locked(void* arg) {
  (void) arg;
  if (fluv_mutex_new(&mutex) == 0 &&
      fluv_mutex_lock_blocking(mutex, FLUV_FOREVER) == 0)
    fluv_mutex_free(mutex);
}

START_TEST(free_while_locked_aborts) {
  test_aborts(free_locked, NULL, "freed while it is locked", "test-mutex.c");
}
END_TEST

static int64_t lock_and_unlock(void* arg) {
  fluv_mutex_t* m = NULL;
  int64_t err = fluv_mutex_new(&m);

  (void) arg;
  if (err == 0 && (err = fluv_await(fluv_mutex_lock(m))) == 0)
    fluv_mutex_unlock(m);
  fluv_mutex_free(m);
  return err;
}

START_TEST(out_of_memory) {
  TEST_OOM(lock_and_unlock, NULL);
}
END_TEST

static Suite* mutex_suite(void) {
  Suite* s = suite_create("mutex");
  TCase* tc = test_case(s, "mutex", setup, teardown);

  ADD(tc,
      mutex_is_fifo,
      mutex_timed_and_tried,
      mutex_knows_its_holder,
      mutex_across_threads,
      a_cancelled_lock_passes_the_mutex_on);
  tc = test_case(s, "mistakes", NULL, NULL);
  ADD(tc,
      a_task_that_returns_with_a_mutex_is_named,
      a_cycle_of_tasks_and_locks_is_named,
      free_while_locked_aborts,
      out_of_memory);
  return s;
}

TEST_MAIN(mutex_suite)

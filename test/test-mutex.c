/* SPDX-License-Identifier: MIT */
/* Mutex, rwlock and semaphore: order, owners, cancelling, other threads. */
#include "fluv-test.h"

#include <pthread.h>
#include <stdio.h>

static fluv_mutex_t* mutex;
static fluv_rwlock_t* lock;
static fluv_semaphore_t* sem;

static void setup(void) {
  test_setup_paused();
  ck_assert_err(fluv_mutex_new(&mutex), 0);
  ck_assert_err(fluv_rwlock_new(&lock), 0);
  ck_assert_err(fluv_semaphore_new(3, &sem), 0);
}

static void teardown(void) {
  fluv_mutex_free(mutex);
  fluv_rwlock_free(lock);
  ck_assert_uint_eq(fluv_semaphore_get_permits(sem), 3);
  fluv_semaphore_free(sem);
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
  /* It is on its way to the first: nobody overtakes. */
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

TEST_TASK(mutex_on_its_way_is_handed_on) {
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
  uv_sem_wait(&sems[0]); /* given to the first, which has not got it yet */
  fluv_cancel(first);
  ck_assert_err(fluv_await(first), FLUV_ECANCELED);
  ck_assert_err(fluv_await(second), 0);
  ck_assert_trace("b");
  pthread_join(thread, NULL);
  uv_sem_destroy(&sems[0]);
  uv_sem_destroy(&sems[1]);
  return 0;
}

static int64_t read_and_note(void* arg) {
  int64_t err = fluv_await(fluv_rwlock_read(lock));

  if (err < 0)
    return err;
  test_note(arg);
  fluv_await(fluv_sleep(1));
  return fluv_rwlock_unlock_read(lock);
}

static int64_t write_and_note(void* arg) {
  int64_t err = fluv_await(fluv_rwlock_write(lock));

  if (err < 0)
    return err;
  test_note(arg);
  fluv_await(fluv_sleep(1));
  return fluv_rwlock_unlock_write(lock);
}

TEST_TASK(rwlock_does_not_starve_writers) {
  fluv_future_t* f[5];

  f[0] = fluv_spawn(read_and_note, TEXT("a"));
  f[1] = fluv_spawn(read_and_note, TEXT("b"));
  f[2] = fluv_spawn(write_and_note, TEXT("W"));
  f[3] = fluv_spawn(read_and_note, TEXT("c"));
  f[4] = fluv_spawn(read_and_note, TEXT("d"));
  fluv_yield();
  ck_assert_trace("ab");
  ck_assert_err(fluv_rwlock_try_read(lock), FLUV_EAGAIN);
  ck_assert_err(fluv_await(fluv_join_all(f, 5, NULL)), 0);
  ck_assert_trace("abWcd");
  return 0;
}

TEST_TASK(rwlock_goes_on_when_a_writer_gives_up) {
  fluv_future_t* f[3];

  f[0] = fluv_spawn(read_and_note, TEXT("a"));
  f[1] = fluv_spawn(write_and_note, TEXT("W"));
  f[2] = fluv_spawn(read_and_note, TEXT("b"));
  fluv_yield();
  ck_assert_trace("a");
  fluv_cancel(f[1]);
  ck_assert_err(fluv_await(f[1]), FLUV_ECANCELED);
  fluv_yield();
  ck_assert_trace("ab");
  ck_assert_err(fluv_await(f[0]), 0);
  ck_assert_err(fluv_await(f[2]), 0);
  return 0;
}

TEST_TASK(rwlock_downgrades_and_knows_its_writer) {
  fluv_future_t* f[2];

  ck_assert_err(fluv_rwlock_downgrade(lock), FLUV_EPERM);
  ck_assert_err(fluv_rwlock_unlock_read(lock), FLUV_EPERM);
  ck_assert_err(fluv_await(fluv_rwlock_write(lock)), 0);
  ck_assert_err(fluv_await(fluv_rwlock_write(lock)), FLUV_EDEADLK);
  ck_assert_err(fluv_await(fluv_rwlock_read(lock)), FLUV_EDEADLK);
  f[0] = fluv_spawn(read_and_note, TEXT("a"));
  f[1] = fluv_spawn(write_and_note, TEXT("W"));
  fluv_yield();
  ck_assert_trace("");
  ck_assert_err(fluv_rwlock_downgrade(lock), 0);
  fluv_yield();
  ck_assert_trace("a");
  ck_assert_err(fluv_rwlock_unlock_write(lock), FLUV_EPERM);
  ck_assert_err(fluv_rwlock_unlock_read(lock), 0);
  ck_assert_err(fluv_await(fluv_join_all(f, 2, NULL)), 0);
  ck_assert_trace("aW");
  return 0;
}

#ifdef FLUV_DEBUG

/* Who reads and would wait for himself. */
TEST_TASK(rwlock_knows_its_readers) {
  fluv_future_t* writer;

  ck_assert_err(fluv_await(fluv_rwlock_read(lock)), 0);
  ck_assert_err(fluv_await(fluv_rwlock_read(lock)), 0);
  ck_assert_err(fluv_rwlock_unlock_read(lock), 0);
  ck_assert_err(fluv_await(fluv_rwlock_write(lock)), FLUV_EDEADLK);
  writer = fluv_spawn(write_and_note, TEXT("W"));
  fluv_yield();
  ck_assert_err(fluv_await(fluv_rwlock_read(lock)), FLUV_EDEADLK);
  ck_assert_err(fluv_rwlock_unlock_read(lock), 0);
  ck_assert_err(fluv_await(writer), 0);
  ck_assert_trace("W");

  ck_assert_err(fluv_await(fluv_rwlock_write(lock)), 0);
  ck_assert_err(fluv_rwlock_downgrade(lock), 0);
  ck_assert_err(fluv_await(fluv_rwlock_write(lock)), FLUV_EDEADLK);
  ck_assert_err(fluv_rwlock_unlock_read(lock), 0);
  return 0;
}

static void read_and_write(void* arg) {
  (void) arg;
  ck_assert_err(fluv_rwlock_read_blocking(lock, 0), 0);
  ck_assert_err(fluv_rwlock_write_blocking(lock, FLUV_FOREVER), FLUV_EDEADLK);
  ck_assert_err(fluv_rwlock_unlock_read(lock), 0);
}

START_TEST(rwlock_knows_threads_that_read) {
  test_on_thread(read_and_write, NULL);
}
END_TEST

#endif

static void* rwlock_on_thread(void* arg) {
  long seen;
  int i;

  for (i = 0; i < *(int*) arg; i++) {
    ck_assert_err(fluv_rwlock_write_blocking(lock, FLUV_FOREVER), 0);
    counter++;
    ck_assert_err(fluv_rwlock_unlock_write(lock), 0);
    ck_assert_err(fluv_rwlock_read_blocking(lock, FLUV_FOREVER), 0);
    seen = counter;
    ck_assert_int_ge(seen, i);
    ck_assert_err(fluv_rwlock_unlock_read(lock), 0);
  }
  return NULL;
}

TEST_TASK(rwlock_across_threads) {
  pthread_t thread;
  int n = 500;
  int i;

  counter = 0;
  ck_assert_int_eq(pthread_create(&thread, NULL, rwlock_on_thread, &n), 0);
  for (i = 0; i < n; i++) {
    ck_assert_err(fluv_await(fluv_rwlock_write(lock)), 0);
    counter++;
    ck_assert_err(fluv_rwlock_unlock_write(lock), 0);
  }
  pthread_join(thread, NULL);
  ck_assert_int_eq(counter, 2 * n);
  return 0;
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

TEST_TASK(semaphore_goes_on_when_the_first_gives_up) {
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
  fluv_cancel(first); /* its permits are on their way */
  ck_assert_err(fluv_await(first), FLUV_ECANCELED);
  ck_assert_err(fluv_await(second), 0);
  ck_assert_err(fluv_semaphore_release(sem, 2), 0);
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

static int64_t locks(void* arg) {
  fluv_mutex_t* m = NULL;
  fluv_rwlock_t* l = NULL;
  fluv_semaphore_t* s = NULL;
  int64_t err = fluv_mutex_new(&m);

  (void) arg;
  if (err == 0)
    err = fluv_rwlock_new(&l);
  if (err == 0)
    err = fluv_semaphore_new(1, &s);
  if (err == 0)
    err = fluv_await(fluv_semaphore_acquire(s, 1));
  if (err == 0 && (err = fluv_await(fluv_mutex_lock(m))) == 0)
    fluv_mutex_unlock(m);
  if (err == 0 && (err = fluv_await(fluv_rwlock_write(l))) == 0)
    fluv_rwlock_unlock_write(l);
  fluv_mutex_free(m);
  fluv_rwlock_free(l);
  fluv_semaphore_free(s);
  return err;
}

START_TEST(out_of_memory) {
  TEST_OOM(locks, NULL);
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
      mutex_on_its_way_is_handed_on);
  tc = test_case(s, "rwlock", setup, teardown);
  ADD(tc,
      rwlock_does_not_starve_writers,
      rwlock_goes_on_when_a_writer_gives_up,
      rwlock_downgrades_and_knows_its_writer,
      rwlock_across_threads);
#ifdef FLUV_DEBUG
  ADD(tc, rwlock_knows_its_readers, rwlock_knows_threads_that_read);
#endif
  tc = test_case(s, "semaphore", setup, teardown);
  ADD(tc,
      semaphore_does_not_starve_big_requests,
      semaphore_goes_on_when_the_first_gives_up,
      semaphore_closed,
      semaphore_across_threads);
  tc = test_case(s, "mistakes", NULL, NULL);
  ADD(tc,
      a_task_that_returns_with_a_mutex_is_named,
      a_cycle_of_tasks_and_locks_is_named,
      free_while_locked_aborts,
      out_of_memory);
  return s;
}

TEST_MAIN(mutex_suite)

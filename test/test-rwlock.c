/* SPDX-License-Identifier: MIT */
/* RwLock: order, writers, cancelling, other threads. */
#include "fluv-test.h"

#include <pthread.h>

static fluv_rwlock_t* lock;

static void setup(void) {
  test_setup_paused();
  ck_assert_err(fluv_rwlock_new(&lock), 0);
}

static void teardown(void) {
  fluv_rwlock_free(lock);
  test_teardown();
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

TEST_TASK(a_cancelled_writer_lets_readers_in) {
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

/* A task that reads and would wait for its own unlock. */
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

static long counter;

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

static int64_t write_once(void* arg) {
  fluv_rwlock_t* l = NULL;
  int64_t err = fluv_rwlock_new(&l);

  (void) arg;
  if (err == 0 && (err = fluv_await(fluv_rwlock_write(l))) == 0)
    fluv_rwlock_unlock_write(l);
  fluv_rwlock_free(l);
  return err;
}

START_TEST(out_of_memory) {
  TEST_OOM(write_once, NULL);
}
END_TEST

static Suite* rwlock_suite(void) {
  Suite* s = suite_create("rwlock");
  TCase* tc = test_case(s, "rwlock", setup, teardown);

  ADD(tc,
      rwlock_does_not_starve_writers,
      a_cancelled_writer_lets_readers_in,
      rwlock_downgrades_and_knows_its_writer,
      rwlock_across_threads);
#ifdef FLUV_DEBUG
  ADD(tc, rwlock_knows_its_readers, rwlock_knows_threads_that_read);
#endif
  tc = test_case(s, "limits", NULL, NULL);
  ADD(tc, out_of_memory);
  return s;
}

TEST_MAIN(rwlock_suite)

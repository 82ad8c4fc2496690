/* SPDX-License-Identifier: MIT */
/* Notify, barrier, once, condition variable: waking without a message. */
#include "fluv-test.h"

static fluv_notify_t* notify;
static fluv_barrier_t* barrier;
static fluv_once_t* once;
static fluv_condvar_t* cv;
static fluv_mutex_t* mutex;
static int made; /* values that initialisers made */

static void setup(void) {
  test_setup_paused();
  ck_assert_err(fluv_notify_new(&notify), 0);
  ck_assert_err(fluv_barrier_new(3, &barrier), 0);
  ck_assert_err(fluv_once_new(&once), 0);
  ck_assert_err(fluv_condvar_new(&cv), 0);
  ck_assert_err(fluv_mutex_new(&mutex), 0);
  made = 0;
}

static void teardown(void) {
  fluv_notify_free(notify);
  fluv_barrier_free(barrier);
  fluv_once_free(once);
  fluv_condvar_free(cv);
  fluv_mutex_free(mutex);
  test_teardown();
}

/* A task that waits and notes its name. */
static int64_t wait_notified(void* arg) {
  int64_t err = fluv_await(fluv_notified(notify));

  test_note(arg);
  return err;
}

TEST_TASK(notify_keeps_one_wake) {
  fluv_notify_one(notify);
  fluv_notify_one(notify);
  ck_assert_err(fluv_await(fluv_notified(notify)), 0);
  ck_assert_err(fluv_await(fluv_timeout(fluv_notified(notify), 1)),
                FLUV_ETIMEDOUT);
  return 0;
}

TEST_TASK(notify_one_is_fifo_and_last_is_not) {
  fluv_future_t* f[3] = { fluv_spawn(wait_notified, TEXT("a")),
                          fluv_spawn(wait_notified, TEXT("b")),
                          fluv_spawn(wait_notified, TEXT("c")) };

  fluv_yield();
  fluv_notify_last(notify);
  fluv_notify_one(notify);
  fluv_yield();
  ck_assert_trace("ca");
  fluv_notify_one(notify);
  ck_assert_err(fluv_await(fluv_join_all(f, 3, NULL)), 0);
  ck_assert_trace("cab");
  return 0;
}

TEST_TASK(notify_waiters_reaches_who_is_there) {
  fluv_future_t* cold = fluv_notified(notify);
  fluv_future_t* task = fluv_spawn(wait_notified, TEXT("a"));

  fluv_yield();
  fluv_notify_waiters(notify);
  ck_assert_err(fluv_await(cold), 0);
  ck_assert_err(fluv_await(task), 0);
  /* Nothing is kept. */
  ck_assert_err(fluv_await(fluv_timeout(fluv_notified(notify), 1)),
                FLUV_ETIMEDOUT);
  return 0;
}

TEST_TASK(a_started_notified_stands_in_line) {
  fluv_future_t* f = fluv_notified(notify);

  fluv_start(f);
  fluv_notify_one(notify);
  ck_assert(fluv_future_is_done(f));
  ck_assert_err(fluv_await(f), 0);
  return 0;
}

TEST_TASK(a_cancelled_notified_leaves_the_wake) {
  fluv_future_t* f = fluv_notified(notify);

  fluv_start(f);
  fluv_drop(f);
  fluv_notify_one(notify);
  ck_assert_err(fluv_await(fluv_notified(notify)), 0);
  return 0;
}

static void notify_from_thread(void* arg) {
  (void) arg;
  fluv_notify_one(notify);
}

/* The wake is on its way from another thread when the wait is cancelled. */
TEST_TASK(a_wake_on_its_way_is_handed_on) {
  fluv_future_t* first = fluv_notified(notify);
  fluv_future_t* second = fluv_notified(notify);

  fluv_start(first);
  fluv_start(second);
  test_on_thread(notify_from_thread, NULL);
  ck_assert(!fluv_future_is_done(first));
  fluv_cancel(first);
  ck_assert_err(fluv_await(first), FLUV_ECANCELED);
  ck_assert_err(fluv_await(second), 0);
  return 0;
}

static void wait_on_thread(void* arg) {
  int64_t* result = arg;

  *result = fluv_notified_blocking(notify, FLUV_FOREVER);
  if (*result == 0)
    *result = fluv_notified_blocking(notify, 1);
}

START_TEST(notify_wakes_a_thread) {
  int64_t result = -1;

  fluv_notify_one(notify);
  test_on_thread(wait_on_thread, &result);
  ck_assert_err(result, FLUV_ETIMEDOUT);
  ck_assert_err(fluv_notified_blocking(notify, 1), FLUV_EDEADLK);
}
END_TEST

static int64_t meet(void* arg) {
  int64_t result = fluv_await(fluv_barrier_wait(barrier));

  test_note(result == 1 ? "L" : arg);
  return result;
}

TEST_TASK(barrier_lets_all_go_with_one_leader) {
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

TEST_TASK(a_thread_that_gives_up_has_not_come) {
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

static int64_t make(void* arg) {
  int64_t err = fluv_await(fluv_sleep(10));

  made++;
  return err < 0 ? err : *(int64_t*) arg;
}

static int64_t get(void* arg) {
  return fluv_await(fluv_once_get(once, make, arg));
}

TEST_TASK(once_is_made_once) {
  int64_t values[3] = { 5, 6, 7 };
  fluv_future_t* f[4];
  int64_t results[4];
  int i;

  f[3] = fluv_once_wait(once);
  fluv_start(f[3]);
  ck_assert_err(fluv_once_try_get(once), FLUV_EAGAIN);
  for (i = 0; i < 3; i++)
    f[i] = fluv_spawn(get, &values[i]);
  fluv_yield();
  ck_assert_err(fluv_once_set(once, 1), FLUV_EBUSY);
  ck_assert_err(fluv_await(fluv_join_all(f, 4, results)), 0);
  for (i = 0; i < 4; i++)
    ck_assert_err(results[i], 5);
  ck_assert_int_eq(made, 1);
  ck_assert_err(fluv_once_set(once, 1), FLUV_EALREADY);
  ck_assert_err(fluv_once_try_get(once), 5);
  return 0;
}

TEST_TASK(once_is_tried_by_the_next) {
  int64_t values[2] = { FLUV_EPIPE, 6 };
  fluv_future_t* f[3];
  int64_t results[3];

  f[0] = fluv_spawn(get, &values[0]);
  f[1] = fluv_spawn(get, &values[1]);
  f[2] = fluv_spawn(get, &values[1]);
  fluv_yield();
  fluv_yield();
  fluv_cancel(f[1]); /* one in line leaves */
  ck_assert_err(fluv_await(fluv_join_all(f, 3, results)), FLUV_EPIPE);
  ck_assert_err(results[0], FLUV_EPIPE);
  ck_assert_err(results[1], FLUV_ECANCELED);
  ck_assert_err(results[2], 6);
  return 0;
}

TEST_TASK(once_cancelled_while_it_is_made) {
  int64_t values[2] = { 5, 6 };
  fluv_future_t* first = fluv_spawn(get, &values[0]);
  fluv_future_t* second = fluv_spawn(get, &values[1]);

  fluv_await(fluv_sleep(1));
  fluv_cancel(first);
  ck_assert_err(fluv_await(first), FLUV_ECANCELED);
  ck_assert_err(fluv_await(second), 6);
  return 0;
}

/* The waits' two halves: under the mutex, and away. */
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

TEST_TASK(a_notification_on_its_way_is_handed_on) {
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
  /* Never started: nothing has happened. */
  ck_assert_err(fluv_await(fluv_mutex_lock(mutex)), 0);
  fluv_drop(fluv_condvar_wait(cv, mutex));
  ck_assert(fluv_mutex_is_locked(mutex));
  ck_assert_err(fluv_mutex_unlock(mutex), 0);
  return 0;
}

static int64_t many(void* arg) {
  fluv_notify_t* n = NULL;
  fluv_barrier_t* b = NULL;
  fluv_once_t* o = NULL;
  fluv_condvar_t* c = NULL;
  fluv_mutex_t* m = NULL;
  int64_t value = 3;
  int64_t err;

  (void) arg;
  err = fluv_notify_new(&n);
  if (err == 0)
    err = fluv_barrier_new(1, &b);
  if (err == 0)
    err = fluv_once_new(&o);
  if (err == 0)
    err = fluv_condvar_new(&c);
  if (err == 0)
    err = fluv_mutex_new(&m);
  if (err == 0) {
    fluv_notify_one(n);
    err = fluv_await(fluv_notified(n));
  }
  if (err == 0 && (err = fluv_await(fluv_barrier_wait(b))) == 1)
    err = fluv_await(fluv_once_get(o, make, &value));
  if (err == 3 && (err = fluv_await(fluv_mutex_lock(m))) == 0) {
    err = fluv_await(fluv_timeout(fluv_condvar_wait(c, m), 1));
    ck_assert(err == FLUV_ETIMEDOUT || err == FLUV_ENOMEM);
    ck_assert_err(fluv_mutex_unlock(m), 0);
    err = err == FLUV_ETIMEDOUT ? 0 : err;
  }
  fluv_mutex_free(m);
  fluv_condvar_free(c);
  fluv_once_free(o);
  fluv_barrier_free(b);
  fluv_notify_free(n);
  return err;
}

START_TEST(out_of_memory) {
  TEST_OOM(many, NULL);
}
END_TEST

static void free_under_waiter(void* arg) {
  fluv_future_t* f;
  uv_loop_t uv;

  (void) arg;
  uv_loop_init(&uv);
  if (fluv_attach(&uv) != 0 || fluv_notify_new(&notify) != 0)
    return;
  f = fluv_notified(notify);
  fluv_start(f);
  fluv_notify_free(notify);
}

START_TEST(free_under_a_waiter_aborts) {
  test_aborts(free_under_waiter, NULL, "a future waits", "test-notify.c");
}
END_TEST

static Suite* notify_suite(void) {
  Suite* s = suite_create("notify");
  TCase* tc = test_case(s, "notify", setup, teardown);

  ADD(tc,
      notify_keeps_one_wake,
      notify_one_is_fifo_and_last_is_not,
      notify_waiters_reaches_who_is_there,
      a_started_notified_stands_in_line,
      a_cancelled_notified_leaves_the_wake,
      a_wake_on_its_way_is_handed_on,
      notify_wakes_a_thread);
  tc = test_case(s, "barrier", setup, teardown);
  ADD(tc,
      barrier_lets_all_go_with_one_leader,
      a_cancelled_wait_has_not_come,
      a_thread_that_gives_up_has_not_come);
  tc = test_case(s, "once", setup, teardown);
  ADD(tc,
      once_is_made_once,
      once_is_tried_by_the_next,
      once_cancelled_while_it_is_made);
  tc = test_case(s, "condvar", setup, teardown);
  ADD(tc,
      condvar_wakes_under_the_mutex,
      a_cancelled_condvar_wait_holds_the_mutex,
      a_notification_on_its_way_is_handed_on,
      a_dropped_condvar_wait_leaves_the_mutex);
  tc = test_case(s, "limits", NULL, NULL);
  ADD(tc, out_of_memory, free_under_a_waiter_aborts);
  return s;
}

TEST_MAIN(notify_suite)

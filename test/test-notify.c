/* SPDX-License-Identifier: MIT */
/* Notify: waking without a message. */
#include "fluv-test.h"

static fluv_notify_t* notify;

static void setup(void) {
  test_setup_paused();
  ck_assert_err(fluv_notify_new(&notify), 0);
}

static void teardown(void) {
  fluv_notify_free(notify);
  test_teardown();
}

/* A task that waits, and notes its name when it is woken. */
static int64_t wait_notified(void* arg) {
  int64_t err = fluv_await(fluv_notified(notify));

  test_note(arg);
  return err;
}

TEST_TASK(notify_stores_one_wakeup) {
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

TEST_TASK(notify_waiters_wakes_all_made_before) {
  fluv_future_t* cold = fluv_notified(notify);
  fluv_future_t* task = fluv_spawn(wait_notified, TEXT("a"));

  fluv_yield();
  fluv_notify_waiters(notify);
  ck_assert_err(fluv_await(cold), 0);
  ck_assert_err(fluv_await(task), 0);
  /* No wakeup is stored. */
  ck_assert_err(fluv_await(fluv_timeout(fluv_notified(notify), 1)),
                FLUV_ETIMEDOUT);
  return 0;
}

TEST_TASK(a_started_notified_is_queued) {
  fluv_future_t* f = fluv_notified(notify);

  fluv_start(f);
  fluv_notify_one(notify);
  ck_assert(fluv_future_is_done(f));
  ck_assert_err(fluv_await(f), 0);
  return 0;
}

TEST_TASK(a_dropped_notified_takes_no_wakeup) {
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

/* The wait is cancelled after another thread has granted it. */
TEST_TASK(a_cancelled_notified_passes_its_wakeup_on) {
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

static int64_t notify_and_wait(void* arg) {
  fluv_notify_t* n = NULL;
  int64_t err = fluv_notify_new(&n);

  (void) arg;
  if (err == 0) {
    fluv_notify_one(n);
    err = fluv_await(fluv_notified(n));
  }
  fluv_notify_free(n);
  return err;
}

START_TEST(out_of_memory) {
  TEST_OOM(notify_and_wait, NULL);
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
      notify_stores_one_wakeup,
      notify_one_is_fifo_and_last_is_not,
      notify_waiters_wakes_all_made_before,
      a_started_notified_is_queued,
      a_dropped_notified_takes_no_wakeup,
      a_cancelled_notified_passes_its_wakeup_on,
      notify_wakes_a_thread);
  tc = test_case(s, "limits", NULL, NULL);
  ADD(tc, out_of_memory, free_under_a_waiter_aborts);
  return s;
}

TEST_MAIN(notify_suite)

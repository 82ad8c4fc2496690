/* SPDX-License-Identifier: MIT */
/* Watch: a channel of the last message. */
#include "fluv-test.h"

TEST_TASK(watch_reports_changes) {
  fluv_watch_tx_t* tx;
  fluv_watch_rx_t* rx;
  fluv_watch_rx_t* other;
  int value = 1;

  ck_assert_err(fluv_watch_new(sizeof(value), &value, &tx, &rx), 0);
  ck_assert_err(fluv_watch_has_changed(rx), 0);
  value = 2;
  ck_assert_err(fluv_watch_send(tx, &value), 0);
  value = 3;
  ck_assert_err(fluv_watch_send(tx, &value), 0);
  ck_assert_err(fluv_watch_subscribe(tx, &other), 0);
  ck_assert_err(fluv_watch_has_changed(other), 0);
  ck_assert_err(fluv_watch_has_changed(rx), 1);
  ck_assert_err(fluv_await(fluv_watch_changed(rx)), 0);
  fluv_watch_get(rx, &value);
  ck_assert_int_eq(value, 3);
  ck_assert(!fluv_watch_get_and_see(rx, &value));
  ck_assert_err(fluv_await(fluv_timeout(fluv_watch_changed(rx), 1)),
                FLUV_ETIMEDOUT);
  fluv_watch_tx_free(tx);
  ck_assert_err(fluv_await(fluv_watch_changed(rx)), FLUV_ECLOSED);
  ck_assert_err(fluv_watch_has_changed(rx), FLUV_ECLOSED);
  fluv_watch_rx_free(rx);
  fluv_watch_rx_free(other);
  return 0;
}

static bool is_above(const void* value, void* arg) {
  return *(const int*) value > *(int*) arg;
}

static bool add_unless_five(void* value, void* arg) {
  int* n = value;

  (void) arg;
  if (*n == 5)
    return false;
  ++*n;
  return true;
}

static int64_t count_up(void* arg) {
  int i;

  for (i = 0; i < 10; i++) {
    fluv_watch_modify(arg, add_unless_five, NULL);
    fluv_yield();
  }
  return 0;
}

TEST_TASK(watch_waits_for_a_value) {
  fluv_future_t* task;
  fluv_watch_tx_t* tx;
  fluv_watch_rx_t* rx;
  int value = 0;
  int bound = 3;

  ck_assert_err(fluv_watch_new(sizeof(value), &value, &tx, &rx), 0);
  task = fluv_spawn(count_up, tx);
  ck_assert_err(fluv_await(fluv_watch_wait_for(rx, is_above, &bound, &value)),
                0);
  ck_assert_int_eq(value, 4);
  ck_assert_err(fluv_await(task), 0);
  bound = 4;
  ck_assert_err(fluv_await(fluv_watch_wait_for(rx, is_above, &bound, &value)),
                0);
  ck_assert_int_eq(value, 5);
  ck_assert(!fluv_watch_modify(tx, add_unless_five, NULL));
  ck_assert_err(fluv_watch_has_changed(rx), 0);
  bound = 5;
  fluv_watch_tx_free(tx);
  ck_assert_err(fluv_await(fluv_watch_wait_for(rx, is_above, &bound, NULL)),
                FLUV_ECLOSED);
  fluv_watch_rx_free(rx);
  return 0;
}

TEST_TASK(watch_without_receivers) {
  fluv_future_t* closed;
  fluv_watch_tx_t* tx;
  fluv_watch_rx_t* rx;
  int value = 1;
  int old = 0;

  ck_assert_err(fluv_watch_new(sizeof(value), &value, &tx, &rx), 0);
  ck_assert_uint_eq(fluv_watch_count_receivers(tx), 1);
  closed = fluv_watch_closed(tx);
  fluv_start(closed);
  fluv_watch_rx_free(rx);
  ck_assert_err(fluv_await(closed), 0);
  value = 2;
  ck_assert_err(fluv_watch_send(tx, &value), FLUV_ECLOSED);
  fluv_watch_replace(tx, &value, &old);
  ck_assert_int_eq(old, 1);
  ck_assert_err(fluv_watch_subscribe(tx, &rx), 0);
  fluv_watch_get(rx, &old);
  ck_assert_int_eq(old, 2);
  fluv_watch_rx_free(rx);
  fluv_watch_tx_free(tx);
  return 0;
}

typedef struct ends {
  fluv_watch_tx_t* tx;
  fluv_watch_rx_t* rx;
} ends_t;

static void change_on_thread(void* arg) {
  ends_t* w = arg;
  int value;

  for (value = 1; value <= 100; value++)
    ck_assert_err(fluv_watch_send(w->tx, &value), 0);
}

static void watch_on_thread(void* arg) {
  ends_t* w = arg;
  int value = 0;

  while (value < 100) {
    ck_assert_err(fluv_watch_changed_blocking(w->rx, FLUV_FOREVER), 0);
    fluv_watch_get_and_see(w->rx, &value);
  }
  ck_assert_err(fluv_watch_changed_blocking(w->rx, 1), FLUV_ETIMEDOUT);
}

TEST_TASK(watch_across_threads) {
  ends_t w;
  int value = 0;

  ck_assert_err(fluv_watch_new(sizeof(value), &value, &w.tx, &w.rx), 0);
  test_on_thread(change_on_thread, &w);
  test_on_thread(watch_on_thread, &w);
  fluv_watch_rx_free(w.rx);
  fluv_watch_tx_free(w.tx);
  return 0;
}

static bool always(const void* value, void* arg) {
  (void) value;
  (void) arg;
  return true;
}

TEST_TASK(watch_without_bytes) {
  fluv_watch_tx_t* tx;
  fluv_watch_rx_t* rx;

  ck_assert_err(fluv_watch_new(1, NULL, &tx, &rx), FLUV_EINVAL);
  ck_assert_err(fluv_watch_new(0, NULL, &tx, &rx), 0);
  ck_assert_err(fluv_watch_has_changed(rx), 0);
  ck_assert_err(fluv_watch_send(tx, NULL), 0);
  ck_assert_err(fluv_await(fluv_watch_changed(rx)), 0);
  fluv_watch_replace(tx, NULL, NULL);
  ck_assert(fluv_watch_get_and_see(rx, NULL));
  fluv_watch_get(rx, NULL);
  ck_assert_err(fluv_await(fluv_watch_wait_for(rx, always, NULL, NULL)), 0);
  fluv_watch_rx_free(rx);
  fluv_watch_tx_free(tx);
  return 0;
}

static int64_t send_and_watch(void* arg) {
  fluv_watch_tx_t* tx;
  fluv_watch_rx_t* rx;
  int value = 1;
  int64_t err = fluv_watch_new(sizeof(value), &value, &tx, &rx);

  (void) arg;
  if (err == 0 && (err = fluv_watch_send(tx, &value)) == 0) {
    err = fluv_await(fluv_watch_changed(rx));
    fluv_watch_rx_free(rx);
    fluv_watch_tx_free(tx);
  }
  return err;
}

START_TEST(out_of_memory) {
  TEST_OOM(send_and_watch, NULL);
}
END_TEST

static Suite* watch_suite(void) {
  Suite* s = suite_create("watch");
  TCase* tc = test_case(s, "watch", test_setup_paused, test_teardown);

  ADD(tc,
      watch_reports_changes,
      watch_waits_for_a_value,
      watch_without_receivers,
      watch_across_threads,
      watch_without_bytes);
  tc = test_case(s, "limits", NULL, NULL);
  ADD(tc, out_of_memory);
  return s;
}

TEST_MAIN(watch_suite)

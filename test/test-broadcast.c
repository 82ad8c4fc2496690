/* SPDX-License-Identifier: MIT */
/* Broadcast: a channel whose receivers all get every message. */
#include "fluv-test.h"

TEST_TASK(broadcast_gives_every_message_to_all) {
  fluv_broadcast_tx_t* tx;
  fluv_broadcast_rx_t* rx[2];
  int value = 0;
  int i;
  int k;

  ck_assert_err(fluv_broadcast_new(3, sizeof(int), &tx, &rx[0]), 0);
  ck_assert_err(fluv_broadcast_send(tx, &value), 1);
  ck_assert_err(fluv_broadcast_subscribe(tx, &rx[1]), 0);
  for (i = 1; i < 4; i++)
    ck_assert_err(fluv_broadcast_send(tx, &i), 2);
  ck_assert_uint_eq(fluv_broadcast_get_length(rx[0]), 4);
  fluv_broadcast_tx_free(tx);
  for (k = 0; k < 2; k++) {
    for (i = k; i < 4; i++) {
      ck_assert_err(fluv_await(fluv_broadcast_recv(rx[k], &value)), 0);
      ck_assert_int_eq(value, i);
    }
    ck_assert_err(fluv_await(fluv_broadcast_recv(rx[k], &value)), FLUV_ECLOSED);
    fluv_broadcast_rx_free(rx[k]);
  }
  return 0;
}

TEST_TASK(broadcast_reports_a_lag_once) {
  fluv_broadcast_tx_t* tx;
  fluv_broadcast_rx_t* rx;
  int value;
  int i;

  ck_assert_err(fluv_broadcast_new(4, sizeof(int), &tx, &rx), 0);
  for (i = 0; i < 10; i++)
    ck_assert_err(fluv_broadcast_send(tx, &i), 1);
  ck_assert_err(fluv_await(fluv_broadcast_recv(rx, &value)), FLUV_ELAGGED);
  ck_assert_uint_eq(fluv_broadcast_get_lag(rx), 6);
  for (i = 6; i < 10; i++) {
    ck_assert_err(fluv_broadcast_try_recv(rx, &value), 0);
    ck_assert_int_eq(value, i);
  }
  ck_assert_err(fluv_broadcast_try_recv(rx, &value), FLUV_EAGAIN);
  fluv_broadcast_rx_free(rx);
  ck_assert_err(fluv_broadcast_send(tx, &value), FLUV_ECLOSED);
  fluv_broadcast_tx_free(tx);
  return 0;
}

TEST_TASK(broadcast_handles) {
  fluv_broadcast_tx_t* tx;
  fluv_broadcast_tx_t* again;
  fluv_broadcast_weak_t* weak;
  fluv_broadcast_rx_t* rx;
  fluv_broadcast_rx_t* other;
  fluv_future_t* closed;
  int value = 1;

  ck_assert_err(fluv_broadcast_new(1, sizeof(int), &tx, &rx), 0);
  weak = fluv_broadcast_downgrade(tx);
  again = fluv_broadcast_upgrade(weak);
  ck_assert_ptr_nonnull(again);
  fluv_broadcast_tx_free(again);
  ck_assert_err(fluv_broadcast_resubscribe(rx, &other), 0);
  closed = fluv_broadcast_closed(tx);
  fluv_start(closed);
  fluv_broadcast_rx_free(rx);
  ck_assert(!fluv_future_is_done(closed));
  fluv_broadcast_rx_free(other);
  ck_assert_err(fluv_await(closed), 0);
  ck_assert_err(fluv_broadcast_send(tx, &value), FLUV_ECLOSED);
  fluv_broadcast_tx_free(tx);
  ck_assert_ptr_null(fluv_broadcast_upgrade(weak));
  fluv_broadcast_weak_free(weak);
  return 0;
}

typedef struct ends {
  fluv_broadcast_tx_t* tx;
  fluv_broadcast_rx_t* rx;
} ends_t;

static void send_on_thread(void* arg) {
  ends_t* h = arg;
  int i;

  for (i = 1; i <= 1000; i++)
    ck_assert(fluv_broadcast_send(h->tx, &i) > 0);
  fluv_broadcast_tx_free(h->tx);
}

static void recv_on_thread(void* arg) {
  ends_t* h = arg;
  int value;

  ck_assert_err(fluv_broadcast_recv_blocking(h->rx, &value, 1), FLUV_ETIMEDOUT);
  send_on_thread(arg);
  ck_assert_err(fluv_broadcast_recv_blocking(h->rx, &value, FLUV_FOREVER), 0);
  ck_assert_int_eq(value, 1);
}

TEST_TASK(broadcast_across_threads) {
  fluv_broadcast_rx_t* rx;
  ends_t h;
  int value = 0;
  int i;

  ck_assert_err(fluv_broadcast_new(1024, sizeof(int), &h.tx, &h.rx), 0);
  ck_assert_err(fluv_broadcast_subscribe(h.tx, &rx), 0);
  test_on_thread(recv_on_thread, &h);
  for (i = 1; i <= 1000; i++) {
    ck_assert_err(fluv_await(fluv_broadcast_recv(rx, &value)), 0);
    ck_assert_int_eq(value, i);
  }
  ck_assert_err(fluv_await(fluv_broadcast_recv(rx, &value)), FLUV_ECLOSED);
  fluv_broadcast_rx_free(rx);
  fluv_broadcast_rx_free(h.rx);
  return 0;
}

TEST_TASK(broadcast_without_bytes) {
  fluv_broadcast_tx_t* tx;
  fluv_broadcast_rx_t* rx;

  ck_assert_err(fluv_broadcast_new(2, 0, &tx, &rx), 0);
  ck_assert_err(fluv_broadcast_send(tx, NULL), 1);
  ck_assert_err(fluv_broadcast_send(tx, NULL), 1);
  ck_assert_err(fluv_await(fluv_broadcast_recv(rx, NULL)), 0);
  ck_assert_err(fluv_broadcast_try_recv(rx, NULL), 0);
  ck_assert_err(fluv_broadcast_try_recv(rx, NULL), FLUV_EAGAIN);
  fluv_broadcast_rx_free(rx);
  fluv_broadcast_tx_free(tx);
  ck_assert_err(fluv_broadcast_new(2, 1, &tx, &rx), 0);
  ck_assert_err(fluv_broadcast_send(tx, NULL), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_broadcast_recv(rx, NULL)), FLUV_EINVAL);
  ck_assert_err(fluv_broadcast_try_recv(rx, NULL), FLUV_EINVAL);
  fluv_broadcast_rx_free(rx);
  fluv_broadcast_tx_free(tx);
  return 0;
}

static int64_t send_and_recv(void* arg) {
  fluv_broadcast_tx_t* tx;
  fluv_broadcast_rx_t* rx;
  int value = 1;
  int64_t err = fluv_broadcast_new(4, sizeof(value), &tx, &rx);

  (void) arg;
  if (err == 0 && (err = fluv_broadcast_send(tx, &value)) == 1) {
    err = fluv_await(fluv_broadcast_recv(rx, &value));
    fluv_broadcast_rx_free(rx);
    fluv_broadcast_tx_free(tx);
  }
  return err;
}

START_TEST(out_of_memory) {
  TEST_OOM(send_and_recv, NULL);
}
END_TEST

static Suite* broadcast_suite(void) {
  Suite* s = suite_create("broadcast");
  TCase* tc = test_case(s, "broadcast", test_setup_paused, test_teardown);

  ADD(tc,
      broadcast_gives_every_message_to_all,
      broadcast_reports_a_lag_once,
      broadcast_handles,
      broadcast_across_threads,
      broadcast_without_bytes);
  tc = test_case(s, "limits", NULL, NULL);
  ADD(tc, out_of_memory);
  return s;
}

TEST_MAIN(broadcast_suite)

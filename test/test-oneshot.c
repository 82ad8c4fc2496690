/* SPDX-License-Identifier: MIT */
/* Oneshot: a channel of one message. */
#include "fluv-test.h"

static int destroyed;

static void count_destroyed(void* item) {
  destroyed += *(int*) item;
}

static void setup(void) {
  test_setup_paused();
  destroyed = 0;
}

TEST_TASK(oneshot_carries_one_message) {
  fluv_oneshot_tx_t* tx;
  fluv_oneshot_rx_t* rx;
  int out = 0;
  int in = 7;

  ck_assert_err(fluv_oneshot_new(sizeof(in), count_destroyed, &tx, &rx), 0);
  ck_assert_err(fluv_oneshot_try_recv(rx, &out), FLUV_EAGAIN);
  ck_assert_err(fluv_oneshot_send(tx, &in), 0);
  ck_assert_err(fluv_await(fluv_oneshot_recv(rx, &out)), 0);
  ck_assert_int_eq(out, 7);
  ck_assert_err(fluv_await(fluv_oneshot_recv(rx, &out)), FLUV_ECLOSED);
  fluv_oneshot_rx_free(rx);
  ck_assert_int_eq(destroyed, 0);
  return 0;
}

typedef struct shot {
  fluv_oneshot_tx_t* tx;
  fluv_oneshot_rx_t* rx;
} shot_t;

static int64_t send_later(void* arg) {
  shot_t* shot = arg;
  int in = 9;

  fluv_await(fluv_sleep(1));
  return fluv_oneshot_send(shot->tx, &in);
}

static void send_on_thread(void* arg) {
  shot_t* shot = arg;
  int in = 9;

  ck_assert_err(fluv_oneshot_send(shot->tx, &in), 0);
}

TEST_TASK(oneshot_from_a_task_and_a_thread) {
  shot_t shot;
  int out = 0;
  int i;

  for (i = 0; i < 2; i++) {
    ck_assert_err(fluv_oneshot_new(sizeof(int), NULL, &shot.tx, &shot.rx), 0);
    if (i == 0)
      fluv_detach(fluv_spawn(send_later, &shot));
    else
      test_on_thread(send_on_thread, &shot);
    ck_assert_err(fluv_await(fluv_oneshot_recv(shot.rx, &out)), 0);
    ck_assert_int_eq(out, 9);
    fluv_oneshot_rx_free(shot.rx);
  }
  return 0;
}

TEST_TASK(a_cancelled_oneshot_recv_keeps_the_message) {
  shot_t shot;
  fluv_future_t* f;
  int out = 0;

  ck_assert_err(fluv_oneshot_new(sizeof(int), NULL, &shot.tx, &shot.rx), 0);
  f = fluv_oneshot_recv(shot.rx, &out);
  fluv_start(f);
  test_on_thread(send_on_thread, &shot);
  fluv_cancel(f);
  ck_assert_err(fluv_await(f), FLUV_ECANCELED);
  ck_assert_int_eq(out, 0);
  ck_assert_err(fluv_oneshot_try_recv(shot.rx, &out), 0);
  ck_assert_int_eq(out, 9);
  fluv_oneshot_rx_free(shot.rx);
  return 0;
}

TEST_TASK(oneshot_broken_and_closed) {
  fluv_oneshot_tx_t* tx;
  fluv_oneshot_rx_t* rx;
  fluv_future_t* f;
  int in = 5;
  int out;

  ck_assert_err(fluv_oneshot_new(sizeof(in), NULL, &tx, &rx), 0);
  f = fluv_oneshot_recv(rx, &out);
  fluv_start(f);
  fluv_oneshot_tx_free(tx);
  ck_assert_err(fluv_await(f), FLUV_EBROKEN);
  fluv_oneshot_rx_free(rx);

  ck_assert_err(fluv_oneshot_new(sizeof(in), count_destroyed, &tx, &rx), 0);
  f = fluv_oneshot_closed(tx);
  fluv_start(f);
  ck_assert(!fluv_oneshot_is_closed(tx));
  fluv_oneshot_rx_free(rx);
  ck_assert_err(fluv_await(f), 0);
  ck_assert_err(fluv_oneshot_send(tx, &in), FLUV_ECLOSED);
  fluv_oneshot_tx_free(tx);
  ck_assert_int_eq(destroyed, 0);

  ck_assert_err(fluv_oneshot_new(sizeof(in), count_destroyed, &tx, &rx), 0);
  ck_assert_err(fluv_oneshot_send(tx, &in), 0);
  fluv_oneshot_close(rx);
  fluv_oneshot_rx_free(rx);
  ck_assert_int_eq(destroyed, 5);
  return 0;
}

static void recv_on_thread(void* arg) {
  shot_t* shot = arg;
  int out = 0;

  ck_assert_err(fluv_oneshot_recv_blocking(shot->rx, &out, 1), FLUV_ETIMEDOUT);
  send_on_thread(arg);
  ck_assert_err(fluv_oneshot_recv_blocking(shot->rx, &out, FLUV_FOREVER), 0);
  ck_assert_int_eq(out, 9);
}

START_TEST(oneshot_on_a_thread) {
  shot_t shot;

  ck_assert_err(fluv_oneshot_new(sizeof(int), NULL, &shot.tx, &shot.rx), 0);
  test_on_thread(recv_on_thread, &shot);
  fluv_oneshot_rx_free(shot.rx);
}
END_TEST

/* A pointer to a message may be NULL if its size is 0. */
TEST_TASK(oneshot_without_bytes) {
  fluv_oneshot_tx_t* tx;
  fluv_oneshot_rx_t* rx;

  ck_assert_err(fluv_oneshot_new(0, NULL, &tx, &rx), 0);
  ck_assert_err(fluv_oneshot_send(tx, NULL), 0);
  ck_assert_err(fluv_await(fluv_oneshot_recv(rx, NULL)), 0);
  ck_assert_err(fluv_oneshot_try_recv(rx, NULL), FLUV_ECLOSED);
  fluv_oneshot_rx_free(rx);
  ck_assert_err(fluv_oneshot_new(1, NULL, &tx, &rx), 0);
  ck_assert_err(fluv_oneshot_send(tx, NULL), FLUV_EINVAL);
  ck_assert_err(fluv_await(fluv_oneshot_recv(rx, NULL)), FLUV_EINVAL);
  ck_assert_err(fluv_oneshot_try_recv(rx, NULL), FLUV_EINVAL);
  fluv_oneshot_tx_free(tx);
  fluv_oneshot_rx_free(rx);
  return 0;
}

static int64_t send_and_recv(void* arg) {
  fluv_oneshot_tx_t* tx;
  fluv_oneshot_rx_t* rx;
  int value = 1;
  int64_t err = fluv_oneshot_new(sizeof(value), count_destroyed, &tx, &rx);

  (void) arg;
  if (err == 0 && (err = fluv_oneshot_send(tx, &value)) == 0) {
    err = fluv_await(fluv_oneshot_recv(rx, &value));
    fluv_oneshot_rx_free(rx);
  }
  return err;
}

START_TEST(out_of_memory) {
  TEST_OOM(send_and_recv, NULL);
}
END_TEST

static Suite* oneshot_suite(void) {
  Suite* s = suite_create("oneshot");
  TCase* tc = test_case(s, "oneshot", setup, test_teardown);

  ADD(tc,
      oneshot_carries_one_message,
      oneshot_from_a_task_and_a_thread,
      a_cancelled_oneshot_recv_keeps_the_message,
      oneshot_broken_and_closed,
      oneshot_on_a_thread,
      oneshot_without_bytes);
  tc = test_case(s, "limits", NULL, NULL);
  ADD(tc, out_of_memory);
  return s;
}

TEST_MAIN(oneshot_suite)

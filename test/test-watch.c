/* SPDX-License-Identifier: MIT */
/* Oneshot, watch and broadcast: channels of one message, of the last one, and
 * of every one to everybody. */
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

TEST_TASK(oneshot_cancelled_on_its_way_keeps_the_message) {
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

TEST_TASK(watch_tells_of_changes) {
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

typedef struct watching {
  fluv_watch_tx_t* tx;
  fluv_watch_rx_t* rx;
} watching_t;

static void change_on_thread(void* arg) {
  watching_t* w = arg;
  int value;

  for (value = 1; value <= 100; value++)
    ck_assert_err(fluv_watch_send(w->tx, &value), 0);
}

static void watch_on_thread(void* arg) {
  watching_t* w = arg;
  int value = 0;

  while (value < 100) {
    ck_assert_err(fluv_watch_changed_blocking(w->rx, FLUV_FOREVER), 0);
    fluv_watch_get_and_see(w->rx, &value);
  }
  ck_assert_err(fluv_watch_changed_blocking(w->rx, 1), FLUV_ETIMEDOUT);
}

TEST_TASK(watch_across_threads) {
  watching_t w;
  int value = 0;

  ck_assert_err(fluv_watch_new(sizeof(value), &value, &w.tx, &w.rx), 0);
  test_on_thread(change_on_thread, &w);
  test_on_thread(watch_on_thread, &w);
  fluv_watch_rx_free(w.rx);
  fluv_watch_tx_free(w.tx);
  return 0;
}

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

TEST_TASK(broadcast_says_once_what_was_missed) {
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

typedef struct hearing {
  fluv_broadcast_tx_t* tx;
  fluv_broadcast_rx_t* rx;
} hearing_t;

static void speak_on_thread(void* arg) {
  hearing_t* h = arg;
  int i;

  for (i = 1; i <= 1000; i++)
    ck_assert(fluv_broadcast_send(h->tx, &i) > 0);
  fluv_broadcast_tx_free(h->tx);
}

static void hear_on_thread(void* arg) {
  hearing_t* h = arg;
  int value;

  ck_assert_err(fluv_broadcast_recv_blocking(h->rx, &value, 1), FLUV_ETIMEDOUT);
  speak_on_thread(arg);
  ck_assert_err(fluv_broadcast_recv_blocking(h->rx, &value, FLUV_FOREVER), 0);
  ck_assert_int_eq(value, 1);
}

TEST_TASK(broadcast_across_threads) {
  fluv_broadcast_rx_t* rx;
  hearing_t h;
  int value = 0;
  int i;

  ck_assert_err(fluv_broadcast_new(1024, sizeof(int), &h.tx, &h.rx), 0);
  ck_assert_err(fluv_broadcast_subscribe(h.tx, &rx), 0);
  test_on_thread(hear_on_thread, &h);
  for (i = 1; i <= 1000; i++) {
    ck_assert_err(fluv_await(fluv_broadcast_recv(rx, &value)), 0);
    ck_assert_int_eq(value, i);
  }
  ck_assert_err(fluv_await(fluv_broadcast_recv(rx, &value)), FLUV_ECLOSED);
  fluv_broadcast_rx_free(rx);
  fluv_broadcast_rx_free(h.rx);
  return 0;
}

static int64_t shots(void) {
  fluv_oneshot_tx_t* tx;
  fluv_oneshot_rx_t* rx;
  int value = 1;
  int64_t err = fluv_oneshot_new(sizeof(value), count_destroyed, &tx, &rx);

  if (err == 0 && (err = fluv_oneshot_send(tx, &value)) == 0) {
    err = fluv_await(fluv_oneshot_recv(rx, &value));
    fluv_oneshot_rx_free(rx);
  }
  return err;
}

static int64_t watches(void) {
  fluv_watch_tx_t* tx;
  fluv_watch_rx_t* rx;
  int value = 1;
  int64_t err = fluv_watch_new(sizeof(value), &value, &tx, &rx);

  if (err == 0 && (err = fluv_watch_send(tx, &value)) == 0) {
    err = fluv_await(fluv_watch_changed(rx));
    fluv_watch_rx_free(rx);
    fluv_watch_tx_free(tx);
  }
  return err;
}

static int64_t all_kinds(void* arg) {
  fluv_broadcast_tx_t* tx;
  fluv_broadcast_rx_t* rx;
  int value = 1;
  int64_t err = shots();

  (void) arg;
  if (err == 0)
    err = watches();
  if (err == 0)
    err = fluv_broadcast_new(4, sizeof(value), &tx, &rx);
  if (err == 0 && (err = fluv_broadcast_send(tx, &value)) == 1) {
    err = fluv_await(fluv_broadcast_recv(rx, &value));
    fluv_broadcast_rx_free(rx);
    fluv_broadcast_tx_free(tx);
  }
  return err;
}

/* One rule for all kinds: a pointer may be NULL if there are no bytes. */
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

START_TEST(out_of_memory) {
  TEST_OOM(all_kinds, NULL);
}
END_TEST

static Suite* watch_suite(void) {
  Suite* s = suite_create("watch");
  TCase* tc = test_case(s, "oneshot", setup, test_teardown);

  ADD(tc,
      oneshot_carries_one_message,
      oneshot_from_a_task_and_a_thread,
      oneshot_cancelled_on_its_way_keeps_the_message,
      oneshot_broken_and_closed,
      oneshot_on_a_thread,
      oneshot_without_bytes);
  tc = test_case(s, "watch", setup, test_teardown);
  ADD(tc,
      watch_tells_of_changes,
      watch_waits_for_a_value,
      watch_without_receivers,
      watch_across_threads,
      watch_without_bytes);
  tc = test_case(s, "broadcast", setup, test_teardown);
  ADD(tc,
      broadcast_gives_every_message_to_all,
      broadcast_says_once_what_was_missed,
      broadcast_handles,
      broadcast_across_threads,
      broadcast_without_bytes);
  tc = test_case(s, "limits", NULL, NULL);
  ADD(tc, out_of_memory);
  return s;
}

TEST_MAIN(watch_suite)

/* SPDX-License-Identifier: MIT */
/* Channels between loops and threads: who is woken when, without the guard. */
#include "fluv-test.h"

#include "sync/channel.h"

static fluv_sender_t* tx;
static fluv_receiver_t* rx;

static void make(size_t capacity) {
  ck_assert_err(fluv_channel_new(capacity, sizeof(int), NULL, &tx, &rx), 0);
}

static void unmake(void) {
  fluv_sender_free(tx);
  fluv_receiver_free(rx);
}

/* A thread with a loop for one task. */
typedef struct other {
  uv_thread_t thread;
  fluv_task_fn fn;
} other_t;

static void other_main(void* arg) {
  ck_assert_err(fluv_run(((other_t*) arg)->fn, NULL, NULL), 0);
}

static void other_start(other_t* other, fluv_task_fn fn) {
  other->fn = fn;
  ck_assert_int_eq(uv_thread_create(&other->thread, other_main, other), 0);
}

static void other_join(other_t* other) {
  ck_assert_int_eq(uv_thread_join(&other->thread), 0);
}

static void recv_one(int want) {
  int item = -1;

  ck_assert_err(fluv_await(fluv_recv(rx, &item)), 0);
  ck_assert_int_eq(item, want);
}

static int64_t recv_when_two_are_there(void* arg) {
  (void) arg;
  recv_one(0);
  /* The first in the queue has been granted the slot, and has filled it. */
  while (fluv_receiver_get_length(rx) < 2)
    ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  recv_one(1);
  recv_one(2);
  recv_one(3);
  return 0;
}

/* They began to wait when no other thread had used the channel, so that nobody
 * had to be told of them. */
TEST_TASK(senders_that_wait_when_a_thread_comes_are_served) {
  int items[4] = { 0, 1, 2, 3 };
  fluv_future_t* f[4];
  other_t other;
  int i;

  make(2);
  for (i = 0; i < 4; i++) {
    f[i] = fluv_send(tx, &items[i]);
    fluv_start(f[i]);
  }
  other_start(&other, recv_when_two_are_there);
  ck_assert_err(fluv_await(fluv_join_all(f, 4, NULL)), 0);
  other_join(&other);
  unmake();
  return 0;
}

static Suite* channel_threads_suite(void) {
  Suite* s = suite_create("channel threads");
  TCase* tc = test_case(s, "threads", test_setup, test_teardown);

  ADD(tc, senders_that_wait_when_a_thread_comes_are_served);
  return s;
}

TEST_MAIN(channel_threads_suite)

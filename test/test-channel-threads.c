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
 * had to be notified of them. */
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

static void recv_blocking(void* arg) {
  int item = -1;

  ck_assert_err(fluv_recv_blocking(rx, &item, 1, FLUV_FOREVER), 1);
  *(int*) arg = item;
}

/* How many receivers wait, and is the first of them a plain thread? */
static size_t count_queue(bool* out_thread_first) {
  fluv__channel_t* ch = fluv__channel_of(rx);
  fluv__list_t* it;
  size_t n = 0;

  fluv__guard_lock(&ch->guard);
  fluv__list_foreach (it, &ch->rx_queue)
    n++;
  *out_thread_first =
      n > 0 && fluv__wait_queue_first(&ch->rx_queue)->loop == NULL;
  fluv__guard_unlock(&ch->guard);
  return n;
}

static bool wait_for_queue(size_t n) {
  bool thread_first;

  while (count_queue(&thread_first) < n)
    ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  return thread_first;
}

/* Another receiver took what it was woken for. */
static void wake_for_nothing(void) {
  fluv__channel_t* ch = fluv__channel_of(rx);
  fluv__wake_list_t wakes;

  fluv__wake_list_init(&wakes);
  fluv__guard_lock(&ch->guard);
  fluv__channel_wake_receiver(ch, &wakes);
  fluv__guard_unlock(&ch->guard);
  fluv__wake_list_send(&wakes);
}

static int64_t thread_waits_on_in_front(size_t capacity) {
  int items[2] = { 1, 2 };
  int by_thread = 0;
  int by_task = 0;
  fluv_future_t* f;
  uv_thread_t thread;

  make(capacity);
  ck_assert_int_eq(uv_thread_create(&thread, recv_blocking, &by_thread), 0);
  (void) wait_for_queue(1);
  f = fluv_recv(rx, &by_task);
  fluv_start(f);
  ck_assert(wait_for_queue(2));
  wake_for_nothing();
  ck_assert(wait_for_queue(2));
  ck_assert_err(fluv_await(fluv_send(tx, &items[0])), 0);
  ck_assert_int_eq(uv_thread_join(&thread), 0);
  ck_assert_err(fluv_await(fluv_send(tx, &items[1])), 0);
  ck_assert_err(fluv_await(f), 0);
  ck_assert_int_eq(by_thread, 1);
  ck_assert_int_eq(by_task, 2);
  unmake();
  return 0;
}

TEST_TASK(a_thread_that_finds_nothing_waits_on_in_front) {
  return thread_waits_on_in_front(1);
}

TEST_TASK(in_a_rendezvous_a_thread_waits_on_in_front) {
  return thread_waits_on_in_front(0);
}

enum {
  MANY = 2000
};

static int64_t recv_until_closed(void* arg) {
  int item;
  int64_t err;

  (void) arg;
  while ((err = fluv_await(fluv_recv(rx, &item))) == 0)
    continue;
  fluv_receiver_free(rx);
  return err == FLUV_ECLOSED ? 0 : err;
}

/* For TSan: both are receivers, so what only one may use is not tested. */
TEST_TASK(a_receiver_is_cloned_while_another_receives) {
  other_t other;
  int i;

  make(4);
  (void) fluv_receiver_clone(rx);
  other_start(&other, recv_until_closed);
  for (i = 0; i < MANY; i++) {
    ck_assert_err(fluv_await(fluv_send(tx, &i)), 0);
    fluv_receiver_free(fluv_receiver_clone(rx));
  }
  fluv_receiver_close(rx);
  other_join(&other);
  unmake();
  return 0;
}

static Suite* channel_threads_suite(void) {
  Suite* s = suite_create("channel threads");
  TCase* tc = test_case(s, "threads", test_setup, test_teardown);

  ADD(tc,
      senders_that_wait_when_a_thread_comes_are_served,
      a_thread_that_finds_nothing_waits_on_in_front,
      in_a_rendezvous_a_thread_waits_on_in_front,
      a_receiver_is_cloned_while_another_receives);
  return s;
}

TEST_MAIN(channel_threads_suite)

/* SPDX-License-Identifier: MIT */
/* Waiting in a queue, whatever for: what all channels and locks share. */
#include "fluv-test.h"

#include "core/loop.h"
#include "core/object.h"

static int item;
static atomic_long live; /* allocations */

static void* count_malloc(size_t size) {
  void* ptr = malloc(size);

  if (ptr != NULL)
    atomic_fetch_add(&live, 1);
  return ptr;
}

static void count_free(void* ptr) {
  if (ptr != NULL)
    atomic_fetch_sub(&live, 1);
  free(ptr);
}

/* Two futures wait on each object, and are left to a loop that closes; then
 * this thread, which has no loop any more, ends what they waited for. */
typedef struct abandoned {
  void (*start)(void);
  void (*grant)(void);
} abandoned_t;

static void leave(fluv_future_t* f) {
  fluv_start(f);
  ck_assert(!fluv_future_is_done(f));
  fluv_detach(f);
}

static fluv_sender_t* tx;
static fluv_receiver_t* rx;

static void start_recv(void) {
  ck_assert_err(fluv_channel_new(1, sizeof(int), NULL, &tx, &rx), 0);
  leave(fluv_recv(rx, &item));
  leave(fluv_recv_many(rx, &item, 1));
}

static void grant_recv(void) {
  ck_assert_err(fluv_try_send(tx, &item), 0);
  fluv_sender_free(tx);
  fluv_receiver_free(rx);
}

static fluv_permit_t permit;

static void start_send(void) {
  ck_assert_err(fluv_channel_new(1, sizeof(int), NULL, &tx, &rx), 0);
  ck_assert_err(fluv_try_send(tx, &item), 0);
  leave(fluv_send(tx, &item));
  leave(fluv_reserve(tx, 1, &permit));
}

static void grant_send(void) {
  ck_assert_err(fluv_try_recv(rx, &item), 0);
  ck_assert_err(fluv_try_recv(rx, &item), FLUV_EAGAIN);
  fluv_sender_free(tx);
  fluv_receiver_free(rx);
}

static void start_closed(void) {
  ck_assert_err(fluv_channel_new(1, sizeof(int), NULL, &tx, &rx), 0);
  leave(fluv_sender_closed(tx));
}

static void grant_closed(void) {
  fluv_receiver_free(rx);
  fluv_sender_free(tx);
}

static fluv_oneshot_tx_t* once_tx;
static fluv_oneshot_rx_t* once_rx;

static void start_oneshot(void) {
  ck_assert_err(fluv_oneshot_new(sizeof(int), NULL, &once_tx, &once_rx), 0);
  leave(fluv_oneshot_recv(once_rx, &item));
  leave(fluv_oneshot_closed(once_tx));
}

static void grant_oneshot(void) {
  fluv_oneshot_close(once_rx);
  fluv_oneshot_tx_free(once_tx);
  fluv_oneshot_rx_free(once_rx);
}

static fluv_broadcast_tx_t* all_tx;
static fluv_broadcast_rx_t* all_rx;

static void start_broadcast(void) {
  ck_assert_err(fluv_broadcast_new(1, sizeof(int), &all_tx, &all_rx), 0);
  leave(fluv_broadcast_recv(all_rx, &item));
  leave(fluv_broadcast_closed(all_tx));
}

static void grant_broadcast(void) {
  ck_assert_err(fluv_broadcast_send(all_tx, &item), 1);
  fluv_broadcast_rx_free(all_rx);
  fluv_broadcast_tx_free(all_tx);
}

static fluv_watch_tx_t* watch_tx;
static fluv_watch_rx_t* watch_rx;

static void start_watch(void) {
  ck_assert_err(fluv_watch_new(sizeof(int), &item, &watch_tx, &watch_rx), 0);
  leave(fluv_watch_changed(watch_rx));
  leave(fluv_watch_closed(watch_tx));
}

static void grant_watch(void) {
  ck_assert_err(fluv_watch_send(watch_tx, &item), 0);
  fluv_watch_rx_free(watch_rx);
  fluv_watch_tx_free(watch_tx);
}

static const abandoned_t abandoned[] = {
  { start_recv, grant_recv },           { start_send, grant_send },
  { start_closed, grant_closed },       { start_oneshot, grant_oneshot },
  { start_broadcast, grant_broadcast }, { start_watch, grant_watch },
};

static void abandon(const abandoned_t* a) {
  uv_loop_t uv;

  ck_assert_int_eq(uv_loop_init(&uv), 0);
  ck_assert_err(fluv_attach(&uv), 0);
  a->start();
  /* As fluv_run() does it, whatever is left. */
  fluv__loop_begin_close(fluv__loop);
  fluv__loop = NULL;
  a->grant();
  ck_assert_int_eq(uv_run(&uv, UV_RUN_DEFAULT), 0);
  ck_assert_int_eq(uv_loop_close(&uv), 0);
}

START_TEST(what_an_abandoned_wait_refers_to_is_given_back) {
  long before;

  /* What the first loop leaves is for the life of the process. */
  ck_assert_err(fluv_set_allocator(count_malloc, realloc, count_free), 0);
  abandon(&abandoned[_i]);
  fluv__object_flush();
  before = atomic_load(&live);
  abandon(&abandoned[_i]);
  fluv__object_flush();
  ck_assert_int_eq(atomic_load(&live), before);
}
END_TEST

static Suite* wait_suite(void) {
  Suite* s = suite_create("wait");
  TCase* tc = test_case(s, "close", NULL, NULL);

  tcase_add_loop_test(tc,
                      what_an_abandoned_wait_refers_to_is_given_back,
                      0,
                      sizeof(abandoned) / sizeof(abandoned[0]));
  return s;
}

TEST_MAIN(wait_suite)

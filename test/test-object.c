/* SPDX-License-Identifier: MIT */
/* Handles used after they were freed: the process aborts with a message. */
#include "fluv-test.h"

#include <stdio.h>

#include "fluv-test-io.h"

/* Debug builds keep freed handles for a while. In others the memory is free,
 * and AddressSanitizer has its own words for that. */
#if defined(FLUV_DEBUG) && FLUV_DEBUG
# define MADE "it was made"
#else
# define MADE NULL
#endif

static int64_t give(void* arg) {
  (void) arg;
  return 0;
}

/* A function for each kind of handle: make it, free it, use it. */
#define MISUSE(kind, type, make, end, use)                                     \
 static void misuse_##kind(void* arg) {                                        \
  type* x = NULL;                                                              \
  (void) arg;                                                                  \
  ck_assert_err((make), 0);                                                    \
  end;                                                                         \
  ck_assert_err((use), 0);                                                     \
 }

MISUSE(barrier,
       fluv_barrier_t,
       fluv_barrier_new(1, &x),
       fluv_barrier_free(x),
       fluv_barrier_wait_blocking(x, 0))
MISUSE(condvar,
       fluv_condvar_t,
       fluv_condvar_new(&x),
       fluv_condvar_free(x),
       (fluv_condvar_notify_one(x), 0))
MISUSE(mutex,
       fluv_mutex_t,
       fluv_mutex_new(&x),
       fluv_mutex_free(x),
       fluv_mutex_try_lock(x))
MISUSE(mutex_twice,
       fluv_mutex_t,
       fluv_mutex_new(&x),
       fluv_mutex_free(x),
       (fluv_mutex_free(x), 0))
MISUSE(notify,
       fluv_notify_t,
       fluv_notify_new(&x),
       fluv_notify_free(x),
       (fluv_notify_one(x), 0))
MISUSE(once,
       fluv_once_t,
       fluv_once_new(&x),
       fluv_once_free(x),
       fluv_once_set(x, 1))
MISUSE(rwlock,
       fluv_rwlock_t,
       fluv_rwlock_new(&x),
       fluv_rwlock_free(x),
       fluv_rwlock_try_read(x))
MISUSE(semaphore,
       fluv_semaphore_t,
       fluv_semaphore_new(1, &x),
       fluv_semaphore_free(x),
       fluv_semaphore_release(x, 1))
MISUSE(tracker,
       fluv_tracker_t,
       fluv_tracker_new(&x),
       fluv_tracker_free(x),
       (fluv_tracker_enter(x), 0))
MISUSE(token,
       fluv_token_t,
       fluv_token_new(&x),
       fluv_token_free(x),
       (fluv_token_cancel(x, 0), 0))
MISUSE(runtime,
       fluv_runtime_t,
       fluv_runtime_new(NULL, &x),
       fluv_runtime_free(x),
       fluv_runtime_count_workers(x))

static void misuse_sender(void* arg) {
  fluv_sender_t* tx;
  fluv_receiver_t* rx;
  int item = 1;

  (void) arg;
  ck_assert_err(fluv_channel_new(1, sizeof(item), NULL, &tx, &rx), 0);
  fluv_sender_free(tx);
  fluv_receiver_free(rx);
  ck_assert_err(fluv_try_send(tx, &item), 0);
}

static void misuse_sender_twice(void* arg) {
  fluv_sender_t* tx;
  fluv_receiver_t* rx;

  (void) arg;
  ck_assert_err(fluv_channel_new(1, 1, NULL, &tx, &rx), 0);
  fluv_sender_free(tx);
  fluv_sender_free(tx);
}

static void misuse_oneshot_twice(void* arg) {
  fluv_oneshot_tx_t* tx;
  fluv_oneshot_rx_t* rx;
  char item = 1;

  (void) arg;
  ck_assert_err(fluv_oneshot_new(1, NULL, &tx, &rx), 0);
  ck_assert_err(fluv_oneshot_send(tx, &item), 0);
  fluv_oneshot_tx_free(tx);
}

static void misuse_watch(void* arg) {
  fluv_watch_tx_t* tx;
  fluv_watch_rx_t* rx;
  char value = 1;

  (void) arg;
  ck_assert_err(fluv_watch_new(1, &value, &tx, &rx), 0);
  fluv_watch_rx_free(rx);
  (void) fluv_watch_has_changed(rx);
}

static void misuse_broadcast(void* arg) {
  fluv_broadcast_tx_t* tx;
  fluv_broadcast_rx_t* rx;

  (void) arg;
  ck_assert_err(fluv_broadcast_new(1, 1, &tx, &rx), 0);
  fluv_broadcast_rx_free(rx);
  (void) fluv_broadcast_get_lag(rx);
}

static void misuse_remote(void* arg) {
  fluv_runtime_t* rt;
  fluv_remote_t* remote;

  (void) arg;
  ck_assert_err(fluv_runtime_new(NULL, &rt), 0);
  ck_assert_err(fluv_runtime_spawn_remote(rt, give, NULL, &remote), 0);
  ck_assert_err(fluv_wait(remote, FLUV_FOREVER), 0);
  fluv_remote_free(remote);
}

static int64_t use_promise(void* arg) {
  fluv_promise_t* p;
  fluv_future_t* f;

  (void) arg;
  ck_assert_err(fluv_promise_new(&p, &f), 0);
  fluv_promise_free(p);
  (void) fluv_promise_resolve(p, 1); /* the future still holds it */
  return 0;
}

static int64_t use_interval(void* arg) {
  fluv_interval_t* interval = fluv_interval_new(1, FLUV_INTERVAL_BURST);

  (void) arg;
  fluv_interval_free(interval);
  return fluv_interval_reset(interval);
}

static int64_t use_joinset(void* arg) {
  fluv_joinset_t* set = fluv_joinset_new();

  (void) arg;
  fluv_await(fluv_joinset_close(set));
  return (int64_t) fluv_joinset_count(set);
}

static int64_t close_joinset_twice(void* arg) {
  fluv_joinset_t* set = fluv_joinset_new();

  (void) arg;
  ck_assert_err(fluv_joinset_add(set, fluv_spawn(give, NULL), NULL), 0);
  fluv_drop(fluv_joinset_close(set));
  fluv_drop(fluv_joinset_close(set));
  return 0;
}

static int64_t use_scope(void* arg) {
  fluv_scope_t* scope;

  (void) arg;
  ck_assert_err(fluv_scope_begin(&scope), 0);
  fluv_scope_end(scope);
  fluv_scope_cancel(scope);
  return 0;
}

static int64_t use_stream(void* arg) {
  io_wire_t wire;
  char byte;

  (void) arg;
  io_wire_open(&wire);
  fluv_await(fluv_close(wire.stream));
  return fluv_await(fluv_read(wire.stream, &byte, 1));
}

static int64_t use_listener(void* arg) {
  fluv_listener_t* listener;
  fluv_stream_t* peer;

  (void) arg;
  ck_assert_err(fluv_tcp_listen("127.0.0.1:0", NULL, &listener), 0);
  fluv_await(fluv_listener_close(listener));
  return fluv_await(fluv_accept(listener, &peer));
}

static int64_t close_as_listener(void* arg) {
  io_wire_t wire;

  (void) arg;
  io_wire_open(&wire);
  fluv_drop(fluv_listener_close((fluv_listener_t*) (void*) wire.stream));
  return 0;
}

static int64_t serve(fluv_stream_t* peer, void* arg) {
  (void) peer;
  (void) arg;
  return 0;
}

static int64_t close_server_twice(void* arg) {
  fluv_server_t* server;

  (void) arg;
  ck_assert_err(fluv_tcp_serve("127.0.0.1:0", serve, NULL, NULL, &server), 0);
  fluv_drop(fluv_server_close(server, 0));
  fluv_drop(fluv_server_close(server, 0));
  return 0;
}

static void run(void* arg) {
  fluv_task_fn* fn = arg;

  (void) fluv_run(*fn, NULL, NULL);
}

#define RUN(fn, part, other)                                                   \
 do {                                                                          \
  fluv_task_fn task_fn = (fn);                                                 \
  test_aborts(run, (void*) &task_fn, (part), (other));                         \
 } while (0)

/* What is still there, since another reference holds it. */
START_TEST(handles_that_are_given_back_twice_are_named) {
  test_aborts(misuse_sender_twice, NULL, "fluv_sender_free()", MADE);
  test_aborts(misuse_oneshot_twice, NULL, "fluv_oneshot_tx_free()", NULL);
  RUN(use_promise, "fluv_promise_resolve(): the promise was freed", MADE);
  RUN(close_joinset_twice, "fluv_joinset_close()", MADE);
  RUN(close_server_twice, "fluv_server_close()", MADE);
  RUN(close_as_listener, "this is a stream, not a listener", MADE);
}
END_TEST

#if !defined(TEST_SANITIZED) || (defined(FLUV_DEBUG) && FLUV_DEBUG)

START_TEST(handles_that_were_freed_are_named) {
  test_aborts(misuse_barrier, NULL, "barrier_wait_blocking(): th", MADE);
  test_aborts(misuse_condvar, NULL, "fluv_condvar_notify_one(): th", MADE);
  test_aborts(misuse_mutex, NULL, "fluv_mutex_try_lock(): th", MADE);
  test_aborts(misuse_mutex_twice, NULL, "fluv_mutex_free(): th", MADE);
  test_aborts(misuse_notify, NULL, "fluv_notify_one(): th", MADE);
  test_aborts(misuse_once, NULL, "fluv_once_set(): th", MADE);
  test_aborts(misuse_rwlock, NULL, "fluv_rwlock_try_read(): th", MADE);
  test_aborts(misuse_semaphore, NULL, "fluv_semaphore_release(): th", MADE);
  test_aborts(misuse_tracker, NULL, "fluv_tracker_enter(): th", MADE);
  test_aborts(misuse_token, NULL, "fluv_token_cancel(): th", MADE);
  test_aborts(misuse_runtime, NULL, "count_workers(): th", MADE);
  test_aborts(misuse_sender, NULL, "fluv_try_send(): th", MADE);
  test_aborts(misuse_watch, NULL, "fluv_watch_has_changed(): th", MADE);
  test_aborts(misuse_broadcast, NULL, "broadcast_get_lag(): th", MADE);
  test_aborts(misuse_remote, NULL, "fluv_remote_free(): th", MADE);
  RUN(use_interval, "fluv_interval_reset(): th", MADE);
  RUN(use_joinset, "fluv_joinset_count(): th", MADE);
  RUN(use_scope, "fluv_scope_cancel(): th", MADE);
  RUN(use_stream, "read(): th", MADE);
  RUN(use_listener, "fluv_accept(): th", MADE);
}
END_TEST

#endif

static Suite* object_suite(void) {
  Suite* s = suite_create("object");
  TCase* tc = test_case(s, "misuse", NULL, NULL);

  ADD(tc, handles_that_are_given_back_twice_are_named);
#if !defined(TEST_SANITIZED) || (defined(FLUV_DEBUG) && FLUV_DEBUG)
  ADD(tc, handles_that_were_freed_are_named);
#endif
  return s;
}

TEST_MAIN(object_suite)

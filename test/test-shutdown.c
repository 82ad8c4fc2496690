/* SPDX-License-Identifier: MIT */
/* What tasks may wait for when their runtime, or fluv_run(), ends: they are
 * cancelled, clean up, and are waited for. */
#include "fluv-test-waits.h"

static fluv_sender_t* tx;
static fluv_receiver_t* rx;
static fluv_sender_t* full_tx;
static fluv_receiver_t* full_rx;
static fluv_oneshot_tx_t* once_tx;
static fluv_oneshot_rx_t* once_rx;
static fluv_broadcast_tx_t* all_tx;
static fluv_broadcast_rx_t* all_rx;
static fluv_watch_tx_t* watch_tx;
static fluv_watch_rx_t* watch_rx;
static fluv_mutex_t* mutex;
static fluv_condvar_t* cv;
static fluv_rwlock_t* lock;
static fluv_semaphore_t* permits;
static fluv_notify_t* notify;
static fluv_barrier_t* barrier;
static fluv_once_t* once;
static fluv_token_t* token;
static fluv_tracker_t* tracker;
static fluv_runtime_t* elsewhere; /* is not shut down */
static int item;

static void begin_pipes(void) {
  ck_assert_err(fluv_channel_new(1, sizeof(item), NULL, &tx, &rx), 0);
  ck_assert_err(fluv_channel_new(1, sizeof(item), NULL, &full_tx, &full_rx), 0);
  ck_assert_err(fluv_try_send(full_tx, &item), 0);
  ck_assert_err(fluv_oneshot_new(sizeof(item), NULL, &once_tx, &once_rx), 0);
  ck_assert_err(fluv_broadcast_new(2, sizeof(item), &all_tx, &all_rx), 0);
  ck_assert_err(fluv_watch_new(sizeof(item), &item, &watch_tx, &watch_rx), 0);
}

static void begin_locks(void) {
  ck_assert_err(fluv_mutex_new(&mutex), 0);
  ck_assert_err(fluv_condvar_new(&cv), 0);
  ck_assert_err(fluv_rwlock_new(&lock), 0);
  ck_assert_err(fluv_semaphore_new(1, &permits), 0);
  ck_assert_err(fluv_notify_new(&notify), 0);
  ck_assert_err(fluv_barrier_new(2, &barrier), 0);
  ck_assert_err(fluv_once_new(&once), 0);
  ck_assert_err(fluv_token_new(&token), 0);
  ck_assert_err(fluv_tracker_new(&tracker), 0);
  fluv_tracker_enter(tracker);
  ck_assert(fluv_tracker_close(tracker));
}

static void begin(void) {
  begin_pipes();
  begin_locks();
  ck_assert_err(fluv_runtime_new(NULL, &elsewhere), 0);
}

/* Nothing was taken, and nothing is held. */
static void finish_pipes(void) {
  ck_assert_uint_eq(fluv_sender_get_room(tx), 1);
  ck_assert_uint_eq(fluv_receiver_get_length(full_rx), 1);
  ck_assert_err(fluv_try_recv(full_rx, &item), 0);
  ck_assert_uint_eq(fluv_sender_get_room(full_tx), 1);
  ck_assert_err(fluv_oneshot_send(once_tx, &item), 0);
  ck_assert_err(fluv_oneshot_try_recv(once_rx, &item), 0);
  ck_assert_err(fluv_broadcast_send(all_tx, &item), 1);
  ck_assert_err(fluv_broadcast_try_recv(all_rx, &item), 0);
  ck_assert_err(fluv_watch_send(watch_tx, &item), 0);
  fluv_sender_free(tx);
  fluv_receiver_free(rx);
  fluv_sender_free(full_tx);
  fluv_receiver_free(full_rx);
  fluv_oneshot_rx_free(once_rx);
  fluv_broadcast_tx_free(all_tx);
  fluv_broadcast_rx_free(all_rx);
  fluv_watch_tx_free(watch_tx);
  fluv_watch_rx_free(watch_rx);
}

static void finish_locks(void) {
  ck_assert(!fluv_mutex_is_locked(mutex));
  ck_assert_err(fluv_rwlock_try_write(lock), 0);
  ck_assert_err(fluv_rwlock_unlock_write(lock), 0);
  ck_assert_uint_eq(fluv_semaphore_get_permits(permits), 1);
  ck_assert_err(fluv_once_set(once, 1), 0);
  ck_assert(!fluv_token_is_cancelled(token));
  ck_assert_uint_eq(fluv_tracker_get_count(tracker), 1);
  ck_assert_err(fluv_tracker_leave(tracker), 0);
  fluv_mutex_free(mutex);
  fluv_condvar_free(cv);
  fluv_rwlock_free(lock);
  fluv_semaphore_free(permits);
  fluv_notify_free(notify);
  fluv_barrier_free(barrier);
  fluv_once_free(once);
  fluv_token_free(token);
  fluv_tracker_free(tracker);
}

static void finish(void) {
  fluv_runtime_free(elsewhere);
  finish_pipes();
  finish_locks();
}

/* Holds the locks meanwhile. */
static int64_t hold(void* arg) {
  ck_assert_err(fluv_await(fluv_mutex_lock(mutex)), 0);
  ck_assert_err(fluv_await(fluv_rwlock_write(lock)), 0);
  ck_assert_err(waits_child(arg), FLUV_ECANCELED);
  ck_assert_err(fluv_rwlock_unlock_write(lock), 0);
  ck_assert_err(fluv_mutex_unlock(mutex), 0);
  return 0;
}

static void start_holder(void) {
  fluv_detach(fluv_spawn(hold, NULL));
  while (!fluv_mutex_is_locked(mutex))
    ck_assert_err(fluv_yield(), 0);
}

static bool is_one(const void* value, void* arg) {
  (void) arg;
  return *(const int*) value == 1;
}

static fluv_future_t* go_on(int64_t result, void* arg) {
  (void) arg;
  ck_assert_err(result, FLUV_ECANCELED);
  atomic_fetch_add(&waits_ended, 1);
  return NULL;
}

static fluv_loop_t* other_loop(void) {
  fluv_runtime_t* rt = fluv_runtime_current();
  fluv_loop_t* loop = fluv_runtime_get_loop(rt, 0);

  return loop != fluv_loop_current() ? loop : fluv_runtime_get_loop(rt, 1);
}

WAITS_FOR(sleep, fluv_sleep(WAITS_HOUR))
WAITS_FOR(sleep_forever, fluv_sleep(FLUV_FOREVER))
WAITS_FOR(never, fluv_never())
WAITS_FOR(timeout, fluv_timeout(fluv_never(), WAITS_HOUR))
WAITS_FOR(recv, fluv_recv(rx, &item))
WAITS_FOR(recv_many, fluv_recv_many(rx, &item, 1))
WAITS_FOR(send, fluv_send(full_tx, &item))
WAITS_FOR(sender_closed, fluv_sender_closed(tx))
WAITS_FOR(oneshot_recv, fluv_oneshot_recv(once_rx, &item))
WAITS_FOR(oneshot_closed, fluv_oneshot_closed(once_tx))
WAITS_FOR(broadcast_recv, fluv_broadcast_recv(all_rx, &item))
WAITS_FOR(broadcast_closed, fluv_broadcast_closed(all_tx))
WAITS_FOR(watch_changed, fluv_watch_changed(watch_rx))
WAITS_FOR(watch_value, fluv_watch_wait_for(watch_rx, is_one, NULL, &item))
WAITS_FOR(watch_closed, fluv_watch_closed(watch_tx))
WAITS_FOR(semaphore, fluv_semaphore_acquire(permits, 2))
WAITS_FOR(notify, fluv_notified(notify))
WAITS_FOR(barrier, fluv_barrier_wait(barrier))
WAITS_FOR(once, fluv_once_wait(once))
WAITS_FOR(once_made, fluv_once_get(once, waits_child, NULL))
WAITS_FOR(token, fluv_token_cancelled(token))
WAITS_FOR(until_cancelled, fluv_run_until_cancelled(token, fluv_never()))
WAITS_FOR(tracker, fluv_tracker_wait(tracker))
WAITS_FOR(tracked, fluv_tracker_spawn(tracker, waits_child, NULL))
WAITS_FOR(task, fluv_spawn(waits_child, NULL))
WAITS_FOR(task_of_any, fluv_spawn_any(waits_child, NULL))
WAITS_FOR(task_of_other_loop, fluv_spawn_on(other_loop(), waits_child, NULL))
WAITS_FOR(task_elsewhere, fluv_runtime_spawn(elsewhere, waits_child, NULL))

/* A continuation counts like a task. */
static int64_t wait_then(void) {
  atomic_fetch_add(&waits_started, 1);
  return waits_await(fluv_finally(fluv_never(), go_on, NULL, NULL));
}

static int64_t wait_promise(void) {
  fluv_promise_t* promise;
  fluv_future_t* f;
  int64_t err;

  ck_assert_err(fluv_promise_new(&promise, &f), 0);
  err = waits_await(f);
  fluv_promise_free(promise);
  return err;
}

static int64_t wait_reserve(void) {
  fluv_permit_t permit = { NULL, 0 };
  int64_t err = waits_await(fluv_reserve(full_tx, 1, &permit));

  ck_assert_uint_eq(permit.count, 0);
  return err;
}

static int64_t wait_mutex(void) {
  start_holder();
  return waits_await(fluv_mutex_lock(mutex));
}

static int64_t wait_read_lock(void) {
  start_holder();
  return waits_await(fluv_rwlock_read(lock));
}

static int64_t wait_write_lock(void) {
  start_holder();
  return waits_await(fluv_rwlock_write(lock));
}

static int64_t wait_condvar(void) {
  int64_t err;

  ck_assert_err(fluv_await(fluv_mutex_lock(mutex)), 0);
  err = waits_await(fluv_condvar_wait(cv, mutex));
  ck_assert_err(fluv_mutex_unlock(mutex), 0);
  return err;
}

static int64_t wait_select(void) {
  fluv_future_t* arms[] = {
    fluv_recv(rx, &item),
    fluv_spawn(waits_child, NULL),
    fluv_sleep(WAITS_HOUR),
  };

  return waits_await(fluv_select(arms, 3, NULL));
}

static int64_t wait_join_all(void) {
  fluv_future_t* all[] = { fluv_spawn(waits_child, NULL),
                           fluv_spawn_any(waits_child, NULL) };

  return waits_await(fluv_join_all(all, 2, NULL));
}

static int64_t wait_deadline(void) {
  int64_t err;

  ck_assert_err(fluv_deadline_begin(WAITS_HOUR), 0);
  err = waits_await(fluv_never());
  ck_assert(!fluv_deadline_end());
  return err;
}

static int64_t wait_scope(void) {
  fluv_scope_t* scope;

  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_spawn(scope, waits_child, NULL), 0);
  waits_announce();
  return fluv_scope_end(scope);
}

static int64_t wait_joinset(void) {
  fluv_joinset_t* set = fluv_joinset_new();
  int64_t err;

  ck_assert_err(fluv_joinset_spawn(set, waits_child, NULL), 0);
  err = waits_await(fluv_joinset_next(set, NULL, NULL));
  ck_assert_err(fluv_await(fluv_joinset_close(set)), 0);
  return err;
}

static int64_t wait_interval(void) {
  fluv_interval_t* interval =
      fluv_interval_new(WAITS_HOUR, FLUV_INTERVAL_BURST);
  int64_t err;

  ck_assert_int_gt(fluv_await(fluv_interval_tick(interval)), 0);
  err = waits_await(fluv_interval_tick(interval));
  fluv_interval_free(interval);
  return err;
}

static const wait_t waits[] = {
  WAIT(sleep, 1),
  WAIT(sleep_forever, 1),
  WAIT(never, 1),
  WAIT(then, 1),
  WAIT(timeout, 1),
  WAIT(deadline, 1),
  WAIT(interval, 1),
  WAIT(promise, 1),
  WAIT(recv, 1),
  WAIT(recv_many, 1),
  WAIT(send, 1),
  WAIT(reserve, 1),
  WAIT(sender_closed, 1),
  WAIT(oneshot_recv, 1),
  WAIT(oneshot_closed, 1),
  WAIT(broadcast_recv, 1),
  WAIT(broadcast_closed, 1),
  WAIT(watch_changed, 1),
  WAIT(watch_value, 1),
  WAIT(watch_closed, 1),
  WAIT(mutex, 2),
  WAIT(read_lock, 2),
  WAIT(write_lock, 2),
  WAIT(condvar, 1),
  WAIT(semaphore, 1),
  WAIT(notify, 1),
  WAIT(barrier, 1),
  WAIT(once, 1),
  WAIT(once_made, 2),
  WAIT(token, 1),
  WAIT(until_cancelled, 1),
  WAIT(tracker, 1),
  WAIT(tracked, 2),
  WAIT(task, 2),
  WAIT(task_of_any, 2),
  WAIT(task_of_other_loop, 2),
  WAIT(task_elsewhere, 2),
  WAIT(select, 2),
  WAIT(join_all, 3),
  WAIT(scope, 2),
  WAIT(joinset, 2),
};

enum {
  WAITS = sizeof(waits) / sizeof(waits[0])
};

START_TEST(a_runtime_ends_what_waits) {
  begin();
  waits_shut_runtime(&waits[_i]);
  finish();
}
END_TEST

START_TEST(fluv_run_ends_what_waits) {
  begin();
  waits_end_run(&waits[_i]);
  finish();
}
END_TEST

static Suite* shutdown_suite(void) {
  Suite* s = suite_create("shutdown");
  TCase* tc = test_case(s, "shutdown", waits_setup, waits_teardown);

  tcase_add_loop_test(tc, a_runtime_ends_what_waits, 0, WAITS);
  tc = test_case(s, "shutdown", waits_setup, waits_teardown);
  tcase_add_loop_test(tc, fluv_run_ends_what_waits, 0, WAITS);
  return s;
}

TEST_MAIN(shutdown_suite)

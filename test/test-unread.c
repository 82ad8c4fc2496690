/* SPDX-License-Identifier: MIT */
/* Results that are not read: the objects that they stand for are freed. */
#include "fluv-test.h"

/* Ways to leave a future that is done unread. */
enum {
  DROP,
  SELECT,  /* it is the winner of a select that is dropped */
  JOIN,    /* in a join_all that is dropped */
  FAILED,  /* in one that fails, and says nothing of the others */
  TIMEOUT, /* in a timeout that is dropped */
  UNTIL,   /* in run_until_cancelled */
  CATCH,   /* in a continuation that it passes by */
  CLOSE,   /* in a join set that is closed */
  NEXT,    /* taken from one by a next that is dropped */
  NEST,    /* all of these around each other */
  WAYS
};

static fluv_token_t* token;

static fluv_future_t* no_op(int64_t result, void* arg) {
  (void) result;
  (void) arg;
  return NULL;
}

static fluv_future_t* wrap(fluv_future_t* f, int way) {
  fluv_future_t* arms[2];

  arms[0] = f;
  switch (way) {
  case SELECT:
    arms[1] = fluv_never();
    return fluv_select_biased(arms, 2, NULL);
  case JOIN:
    arms[1] = fluv_ready(0);
    return fluv_join_all(arms, 2, NULL);
  case TIMEOUT:
    return fluv_timeout(f, 100);
  case UNTIL:
    return fluv_run_until_cancelled(token, f);
  case CATCH:
    return fluv_catch(f, no_op, NULL, NULL);
  default:
    return f;
  }
}

static void leave_in_set(fluv_future_t* f, bool take) {
  fluv_joinset_t* set = fluv_joinset_new();
  fluv_future_t* next;

  ck_assert_err(fluv_joinset_add(set, f, NULL), 0);
  ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  if (take) {
    next = fluv_joinset_next(set, NULL, NULL);
    fluv_start(next);
    ck_assert(fluv_future_is_done(next));
    fluv_drop(next);
    ck_assert_uint_eq(fluv_joinset_count(set), 1);
    next = fluv_joinset_next(set, NULL, NULL);
    fluv_start(next);
    ck_assert_err(fluv_await(fluv_joinset_close(set)), 0);
    fluv_drop(next);
  } else {
    ck_assert_err(fluv_await(fluv_joinset_close(set)), 0);
  }
}

/* Let it end well, and leave it. */
static void leave(fluv_future_t* f, int way) {
  fluv_future_t* arms[2];
  int i;

  if (way == CLOSE || way == NEXT) {
    leave_in_set(f, way == NEXT);
    return;
  }
  if (way == FAILED) {
    arms[0] = f;
    arms[1] = fluv_failed(FLUV_EPIPE);
    ck_assert_err(fluv_await(fluv_join_all(arms, 2, NULL)), FLUV_EPIPE);
    return;
  }
  for (i = way == NEST ? SELECT : way; i <= (way == NEST ? CATCH : way); i++)
    f = wrap(f, i);
  fluv_start(f);
  ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  ck_assert(fluv_future_is_done(f));
  fluv_drop(f);
}

static void begin(void) {
  ck_assert_err(fluv_token_new(&token), 0);
}

static void end(void) {
  fluv_token_free(token);
}

TEST_TASK(lock_that_nobody_reads_is_unlocked) {
  fluv_mutex_t* mutex;
  fluv_rwlock_t* lock;
  int way;

  begin();
  ck_assert_err(fluv_mutex_new(&mutex), 0);
  ck_assert_err(fluv_rwlock_new(&lock), 0);
  for (way = 0; way < WAYS; way++) {
    leave(fluv_mutex_lock(mutex), way);
    ck_assert_msg(!fluv_mutex_is_locked(mutex), "way %d", way);
    leave(fluv_rwlock_read(lock), way);
    ck_assert_err(fluv_rwlock_try_write(lock), 0);
    ck_assert_err(fluv_rwlock_unlock_write(lock), 0);
    leave(fluv_rwlock_write(lock), way);
    ck_assert_err(fluv_rwlock_try_write(lock), 0);
    ck_assert_err(fluv_rwlock_unlock_write(lock), 0);
  }
  fluv_mutex_free(mutex);
  fluv_rwlock_free(lock);
  end();
  return 0;
}

TEST_TASK(permit_that_nobody_reads_is_free_again) {
  fluv_semaphore_t* sem;
  int way;

  begin();
  ck_assert_err(fluv_semaphore_new(3, &sem), 0);
  for (way = 0; way < WAYS; way++) {
    leave(fluv_semaphore_acquire(sem, 2), way);
    ck_assert_uint_eq(fluv_semaphore_get_permits(sem), 3);
  }
  fluv_semaphore_free(sem);
  end();
  return 0;
}

TEST_TASK(wake_that_nobody_reads_is_for_the_next) {
  fluv_notify_t* notify;
  int way;

  begin();
  ck_assert_err(fluv_notify_new(&notify), 0);
  for (way = 0; way < WAYS; way++) {
    fluv_notify_one(notify);
    leave(fluv_notified(notify), way);
    ck_assert_err(fluv_await(fluv_timeout(fluv_notified(notify), 0)), 0);
  }
  fluv_notify_free(notify);
  end();
  return 0;
}

TEST_TASK(message_that_nobody_reads_is_the_first_again) {
  fluv_receiver_t* rx;
  fluv_sender_t* tx;
  size_t capacity[] = { 2, FLUV_UNBOUNDED };
  uint64_t item[2];
  uint64_t i;
  size_t c;
  int way;

  begin();
  for (c = 0; c < 2; c++) {
    ck_assert_err(
        fluv_channel_new(capacity[c], sizeof(item[0]), NULL, &tx, &rx),
        0);
    for (way = 0; way < WAYS; way++) {
      for (i = 1; i <= 2; i++)
        ck_assert_err(fluv_await(fluv_send(tx, &i)), 0);
      leave(fluv_recv(rx, &item[0]), way);
      leave(fluv_recv_many(rx, item, 2), way);
      for (i = 1; i <= 2; i++) {
        ck_assert_err(fluv_await(fluv_recv(rx, &item[0])), 0);
        ck_assert_uint_eq(item[0], i);
      }
    }
    fluv_sender_free(tx);
    fluv_receiver_free(rx);
  }
  end();
  return 0;
}

/* The ring was filled up again meanwhile. */
TEST_TASK(messages_go_back_in_order_into_a_channel_that_is_full) {
  uint64_t got[2];
  fluv_future_t* arms[2];
  fluv_future_t* f;
  fluv_receiver_t* rx;
  fluv_sender_t* tx;
  uint64_t i;

  ck_assert_err(fluv_channel_new(8, sizeof(i), NULL, &tx, &rx), 0);
  for (i = 0; i < 8; i++)
    ck_assert_err(fluv_try_send(tx, &i), 0);
  arms[0] = fluv_recv(rx, &got[0]);
  arms[1] = fluv_recv(rx, &got[1]);
  f = fluv_join_all(arms, 2, NULL);
  fluv_start(f);
  for (; i < 10; i++)
    ck_assert_err(fluv_try_send(tx, &i), 0);
  fluv_drop(f);
  ck_assert_err(fluv_try_send(tx, &i), FLUV_EAGAIN);
  for (i = 0; i < 10; i++) {
    ck_assert_err(fluv_try_recv(rx, &got[0]), 0);
    ck_assert_uint_eq(got[0], i);
  }
  fluv_sender_free(tx);
  fluv_receiver_free(rx);
  return 0;
}

TEST_TASK(oneshot_and_places_that_nobody_reads_are_there_again) {
  fluv_oneshot_tx_t* one_tx;
  fluv_oneshot_rx_t* one_rx;
  fluv_receiver_t* rx;
  fluv_sender_t* tx;
  fluv_permit_t permit;
  uint64_t item = 7;
  uint64_t got = 0;
  int way;

  begin();
  ck_assert_err(fluv_channel_new(1, sizeof(item), NULL, &tx, &rx), 0);
  for (way = 0; way < WAYS; way++) {
    ck_assert_err(fluv_oneshot_new(sizeof(item), NULL, &one_tx, &one_rx), 0);
    ck_assert_err(fluv_oneshot_send(one_tx, &item), 0);
    leave(fluv_oneshot_recv(one_rx, &got), way);
    ck_assert_err(fluv_await(fluv_oneshot_recv(one_rx, &got)), 0);
    ck_assert_uint_eq(got, 7);
    fluv_oneshot_rx_free(one_rx);
    leave(fluv_reserve(tx, 1, &permit), way);
    ck_assert_err(fluv_try_send(tx, &item), 0);
    ck_assert_err(fluv_try_recv(rx, &got), 0);
  }
  fluv_sender_free(tx);
  fluv_receiver_free(rx);
  end();
  return 0;
}

TEST_TASK(condvar_that_nobody_reads_leaves_the_mutex_unlocked) {
  fluv_mutex_t* mutex;
  fluv_condvar_t* cv;
  fluv_future_t* f;

  ck_assert_err(fluv_mutex_new(&mutex), 0);
  ck_assert_err(fluv_condvar_new(&cv), 0);
  ck_assert_err(fluv_await(fluv_mutex_lock(mutex)), 0);
  f = fluv_condvar_wait(cv, mutex);
  fluv_start(f);
  fluv_condvar_notify_one(cv);
  ck_assert(fluv_future_is_done(f));
  ck_assert(fluv_mutex_is_locked(mutex));
  fluv_drop(f);
  ck_assert(!fluv_mutex_is_locked(mutex));
  fluv_mutex_free(mutex);
  fluv_condvar_free(cv);
  return 0;
}

/* What is read, or detached, stays with the reader. */
TEST_TASK(what_is_read_stays) {
  fluv_semaphore_t* sem;
  fluv_future_t* arms[2];
  fluv_joinset_t* set = fluv_joinset_new();

  begin();
  ck_assert_err(fluv_semaphore_new(8, &sem), 0);
  arms[0] = fluv_semaphore_acquire(sem, 1);
  arms[1] = fluv_semaphore_acquire(sem, 1);
  ck_assert_err(fluv_await(fluv_join_all(arms, 2, NULL)), 0);
  arms[0] = fluv_semaphore_acquire(sem, 1);
  arms[1] = fluv_semaphore_acquire(sem, 1);
  ck_assert_int_ge(fluv_await(fluv_select(arms, 2, NULL)), 0);
  ck_assert_uint_eq(fluv_semaphore_get_permits(sem), 5);
  fluv_detach(fluv_semaphore_acquire(sem, 1));
  ck_assert_err(fluv_joinset_add(set, fluv_semaphore_acquire(sem, 1), NULL), 0);
  ck_assert_err(fluv_await(fluv_joinset_next(set, NULL, NULL)), 1);
  ck_assert_err(fluv_await(fluv_joinset_close(set)), 0);
  ck_assert_err(fluv_await(fluv_timeout(fluv_semaphore_acquire(sem, 1), 1)), 0);
  ck_assert_uint_eq(fluv_semaphore_get_permits(sem), 2);
  fluv_semaphore_free(sem);
  end();
  return 0;
}

/* A receiver that never has to wait sees its stop signal. */
TEST_TASK(cancelled_token_stops_what_is_always_ready) {
  fluv_receiver_t* rx;
  fluv_sender_t* tx;
  fluv_future_t* f;
  uint64_t item = 1;

  begin();
  ck_assert_err(fluv_channel_new(4, sizeof(item), NULL, &tx, &rx), 0);
  ck_assert_err(fluv_try_send(tx, &item), 0);
  f = fluv_ready(5);
  fluv_token_cancel(token, FLUV_EPIPE);
  ck_assert_err(
      fluv_await(fluv_run_until_cancelled(token, fluv_recv(rx, &item))),
      FLUV_EPIPE);
  ck_assert_err(fluv_await(fluv_run_until_cancelled(token, f)), 5);
  ck_assert_err(fluv_try_recv(rx, &item), 0);
  fluv_sender_free(tx);
  fluv_receiver_free(rx);
  end();
  return 0;
}

static void cancel_parent(fluv_promise_t* p, void* arg) {
  (void) p;
  fluv_cancel(arg);
}

/* A hook cancels the timeout while that starts what it bounds. */
TEST_TASK(timeout_cancelled_during_its_start_is_no_timeout) {
  fluv_promise_t* p;
  fluv_future_t* f[2];
  fluv_future_t* timeout;

  ck_assert_err(fluv_promise_new(&p, &f[0]), 0);
  f[1] = fluv_ready(0);
  f[0] = fluv_select_biased(f, 2, NULL); /* cancels the promise */
  f[1] = fluv_never();
  timeout = fluv_timeout(fluv_join_all(f, 2, NULL), 5);
  fluv_promise_on_cancel(p, cancel_parent, timeout);
  fluv_start(timeout);
  ck_assert_err(fluv_await(fluv_sleep(10)), 0);
  fluv_promise_free(p);
  ck_assert_err(fluv_await(timeout), FLUV_ECANCELED);
  return 0;
}

static Suite* unread_suite(void) {
  Suite* s = suite_create("unread");
  TCase* tc = test_case(s, "basic", test_setup_paused, test_teardown);

  ADD(tc,
      lock_that_nobody_reads_is_unlocked,
      permit_that_nobody_reads_is_free_again,
      wake_that_nobody_reads_is_for_the_next,
      message_that_nobody_reads_is_the_first_again,
      messages_go_back_in_order_into_a_channel_that_is_full,
      oneshot_and_places_that_nobody_reads_are_there_again,
      condvar_that_nobody_reads_leaves_the_mutex_unlocked,
      what_is_read_stays);
  tc = test_case(s, "cancel", test_setup_paused, test_teardown);
  ADD(tc,
      cancelled_token_stops_what_is_always_ready,
      timeout_cancelled_during_its_start_is_no_timeout);
  return s;
}

TEST_MAIN(unread_suite)

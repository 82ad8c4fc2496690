/* SPDX-License-Identifier: MIT */
/* Results that are not read: what they stand for goes back. */
#include "fluv-test-io.h"

#include <string.h>
#include <unistd.h>

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

/* Frees what a result came from, after its arrival and before its drop. */
static void (*free_first)(void* arg);
static void* free_first_arg;

static void call_free_first(void) {
  if (free_first != NULL)
    free_first(free_first_arg);
}

static void wait_until_done(const fluv_future_t* f) {
  do
    ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  while (!fluv_future_is_done(f));
}

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
  wait_until_done(f);
  if (take) {
    next = fluv_joinset_next(set, NULL, NULL);
    fluv_start(next);
    ck_assert(fluv_future_is_done(next));
    call_free_first();
    fluv_drop(next);
    ck_assert_uint_eq(fluv_joinset_count(set), 1);
    next = fluv_joinset_next(set, NULL, NULL);
    fluv_start(next);
    ck_assert_err(fluv_await(fluv_joinset_close(set)), 0);
    fluv_drop(next);
  } else {
    call_free_first();
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
  wait_until_done(f);
  call_free_first();
  fluv_drop(f);
}

static void begin(void) {
  free_first = NULL;
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

/* What a result came from is freed first. Sanitizers and valgrind see whether
 * fluv touches it afterwards. */

/* FAILED gives back before anybody could free anything. */
#define NEXT_WAY(way) ((way) + 1 == FAILED ? FAILED + 1 : (way) + 1)

typedef struct ends {
  fluv_sender_t* tx;
  fluv_receiver_t* rx;
  fluv_oneshot_rx_t* one_rx;
} ends_t;

static uint64_t destroyed;

static void destroy(void* item) {
  destroyed += *(uint64_t*) item;
}

static void free_ends(void* arg) {
  ends_t* ends = arg;

  fluv_receiver_free(ends->rx);
  fluv_sender_free(ends->tx);
  fluv_oneshot_rx_free(ends->one_rx);
  memset(ends, 0, sizeof(*ends));
}

static int64_t send_two(void* arg) {
  ends_t* ends = arg;
  uint64_t i;

  for (i = 1; i <= 2; i++)
    ck_assert_err(fluv_try_send(ends->tx, &i), 0);
  return 0;
}

/* A receive that takes its message at once, and one that waits for it. */
TEST_TASK(message_whose_channel_is_gone_is_destroyed) {
  uint64_t item[2];
  ends_t ends;
  int way;
  int waits;
  int many;

  begin();
  free_first = free_ends;
  free_first_arg = &ends;
  for (way = 0; way < WAYS; way = NEXT_WAY(way))
    for (waits = 0; waits < 2; waits++)
      for (many = 0; many < 2; many++) {
        memset(&ends, 0, sizeof(ends));
        destroyed = 0;
        ck_assert_err(
            fluv_channel_new(4, sizeof(item[0]), destroy, &ends.tx, &ends.rx),
            0);
        if (waits)
          fluv_detach(fluv_spawn(send_two, &ends));
        else
          send_two(&ends);
        leave(many ? fluv_recv_many(ends.rx, item, 2)
                   : fluv_recv(ends.rx, &item[0]),
              way);
        ck_assert_msg(destroyed == 3, "way %d", way);
      }
  end();
  return 0;
}

static int64_t send_oneshot(void* arg) {
  uint64_t item = 7;

  return fluv_oneshot_send(arg, &item);
}

TEST_TASK(message_whose_oneshot_is_gone_is_destroyed) {
  fluv_oneshot_tx_t* tx;
  uint64_t got;
  ends_t ends;
  int way;
  int waits;

  begin();
  free_first = free_ends;
  free_first_arg = &ends;
  for (way = 0; way < WAYS; way = NEXT_WAY(way))
    for (waits = 0; waits < 2; waits++) {
      memset(&ends, 0, sizeof(ends));
      destroyed = 0;
      ck_assert_err(fluv_oneshot_new(sizeof(got), destroy, &tx, &ends.one_rx),
                    0);
      if (waits)
        fluv_detach(fluv_spawn(send_oneshot, tx));
      else
        send_oneshot(tx);
      leave(fluv_oneshot_recv(ends.one_rx, &got), way);
      ck_assert_msg(destroyed == 7, "way %d", way);
    }
  end();
  return 0;
}

TEST_TASK(places_whose_channel_is_gone) {
  fluv_permit_t permit;
  ends_t ends;
  int way;

  begin();
  free_first = free_ends;
  free_first_arg = &ends;
  for (way = 0; way < WAYS; way = NEXT_WAY(way)) {
    memset(&ends, 0, sizeof(ends));
    ck_assert_err(
        fluv_channel_new(1, sizeof(uint64_t), NULL, &ends.tx, &ends.rx),
        0);
    leave(fluv_reserve(ends.tx, 1, &permit), way);
    ck_assert_ptr_null(permit.tx);
  }
  end();
  return 0;
}

static void free_semaphore(void* arg) {
  fluv_semaphore_free(arg);
}

static void free_notify(void* arg) {
  fluv_notify_free(arg);
}

static void unlock_and_free_mutex(void* arg) {
  ck_assert_err(fluv_mutex_unlock(arg), 0);
  fluv_mutex_free(arg);
}

static void unlock_and_free_rwlock(void* arg) {
  ck_assert_err(fluv_rwlock_unlock_write(arg), 0);
  fluv_rwlock_free(arg);
}

static int64_t release_two(void* arg) {
  return fluv_semaphore_release(arg, 2);
}

static int64_t notify(void* arg) {
  fluv_notify_one(arg);
  return 0;
}

TEST_TASK(permits_and_wakes_whose_object_is_gone) {
  fluv_semaphore_t* sem;
  fluv_notify_t* n;
  int way;
  int waits;

  begin();
  for (way = 0; way < WAYS; way = NEXT_WAY(way))
    for (waits = 0; waits < 2; waits++) {
      ck_assert_err(fluv_semaphore_new(waits ? 0 : 2, &sem), 0);
      free_first = free_semaphore;
      free_first_arg = sem;
      if (waits)
        fluv_detach(fluv_spawn(release_two, sem));
      leave(fluv_semaphore_acquire(sem, 2), way);
      ck_assert_err(fluv_notify_new(&n), 0);
      free_first = free_notify;
      free_first_arg = n;
      if (waits)
        fluv_detach(fluv_spawn(notify, n));
      else
        fluv_notify_one(n);
      leave(fluv_notified(n), way);
    }
  end();
  return 0;
}

/* Unlocked although nobody has read that it was locked. */
TEST_TASK(locks_that_are_gone) {
  fluv_mutex_t* mutex;
  fluv_rwlock_t* lock;
  int way;

  begin();
  for (way = 0; way < WAYS; way = NEXT_WAY(way)) {
    ck_assert_err(fluv_mutex_new(&mutex), 0);
    free_first = unlock_and_free_mutex;
    free_first_arg = mutex;
    leave(fluv_mutex_lock(mutex), way);
    ck_assert_err(fluv_rwlock_new(&lock), 0);
    free_first = unlock_and_free_rwlock;
    free_first_arg = lock;
    leave(fluv_rwlock_write(lock), way);
  }
  end();
  return 0;
}

TEST_TASK(condvar_that_is_gone) {
  fluv_mutex_t* mutex;
  fluv_condvar_t* cv;
  fluv_future_t* f;
  int i;

  for (i = 0; i < 2; i++) {
    ck_assert_err(fluv_mutex_new(&mutex), 0);
    ck_assert_err(fluv_condvar_new(&cv), 0);
    ck_assert_err(fluv_await(fluv_mutex_lock(mutex)), 0);
    f = fluv_condvar_wait(cv, mutex);
    fluv_start(f);
    if (i == 0)
      fluv_condvar_notify_one(cv);
    else
      fluv_cancel(f);
    ck_assert(fluv_future_is_done(f));
    ck_assert_err(fluv_mutex_unlock(mutex), 0);
    fluv_condvar_free(cv);
    fluv_mutex_free(mutex);
    fluv_drop(f);
  }
  return 0;
}

/* A result that is read after all, when what it came from is gone. */
TEST_TASK(result_is_read_after_its_object_is_gone) {
  fluv_semaphore_t* sem;
  fluv_future_t* f;
  uint64_t item = 0;
  ends_t ends = { 0 };

  ck_assert_err(fluv_semaphore_new(1, &sem), 0);
  f = fluv_semaphore_acquire(sem, 1);
  fluv_start(f);
  fluv_semaphore_free(sem);
  ck_assert_err(fluv_await(f), 0);
  destroyed = 0;
  ck_assert_err(fluv_channel_new(4, sizeof(item), destroy, &ends.tx, &ends.rx),
                0);
  send_two(&ends);
  f = fluv_recv(ends.rx, &item);
  fluv_start(f);
  free_ends(&ends);
  ck_assert_err(fluv_await(f), 0);
  ck_assert_uint_eq(item, 1);
  ck_assert_uint_eq(destroyed, 2);
  return 0;
}

static int64_t free_locked_mutex(void* arg) {
  fluv_mutex_t* mutex;
  fluv_future_t* f;

  (void) arg;
  ck_assert_err(fluv_mutex_new(&mutex), 0);
  f = fluv_mutex_lock(mutex);
  fluv_start(f);
  fluv_mutex_free(mutex);
  fluv_drop(f);
  return 0;
}

static int64_t free_locked_rwlock(void* arg) {
  fluv_rwlock_t* lock;
  fluv_future_t* f;

  ck_assert_err(fluv_rwlock_new(&lock), 0);
  f = arg != NULL ? fluv_rwlock_write(lock) : fluv_rwlock_read(lock);
  fluv_start(f);
  fluv_rwlock_free(lock);
  fluv_drop(f);
  return 0;
}

static void in_task(void* arg) {
  static char write;

  if (arg == NULL)
    (void) fluv_run(free_locked_mutex, NULL, NULL);
  else
    (void) fluv_run(free_locked_rwlock,
                    *(const char*) arg == 'w' ? &write : NULL,
                    NULL);
}

START_TEST(lock_with_an_unread_result_is_not_freed) {
  char write = 'w';
  char read = 'r';

  test_aborts(in_task, NULL, "mutex is freed while it is locked", NULL);
  test_aborts(in_task, &write, "rwlock is freed while it is held", NULL);
  test_aborts(in_task, &read, "rwlock is freed while 1 reader", NULL);
}
END_TEST

/* Connections. */

static void close_listener(void* arg) {
  fluv_drop(fluv_listener_close(arg));
}

TEST_TASK(accepted_connection_that_nobody_reads_is_closed) {
  fluv_listener_t* listener;
  fluv_stream_t* stream;
  int way;
  int gone;
  int fd;

  begin();
  for (way = 0; way < WAYS; way = NEXT_WAY(way))
    for (gone = 0; gone < 2; gone++) {
      listener = io_listen();
      free_first = gone ? close_listener : NULL;
      free_first_arg = listener;
      fd = io_connect(listener);
      leave(fluv_accept(listener, &stream), way);
      io_turns(2);
      io_recv_eof(fd);
      close(fd);
      if (!gone)
        io_listener_close(listener);
    }
  end();
  return 0;
}

TEST_TASK(connection_made_that_nobody_reads_is_closed) {
  fluv_listener_t* listener = io_listen();
  char address[IO_ADDRESS];
  fluv_stream_t* stream;
  fluv_stream_t* peer;
  char byte;
  int way;

  begin();
  io_address_on(address, "127.0.0.1", listener);
  for (way = 0; way < WAYS; way = NEXT_WAY(way)) {
    leave(fluv_tcp_connect(address, NULL, &stream), way);
    ck_assert_err(fluv_await(fluv_accept(listener, &peer)), 0);
    ck_assert_err(fluv_await(fluv_read(peer, &byte, 1)), 0);
    ck_assert_err(fluv_await(fluv_close(peer)), 0);
  }
  io_listener_close(listener);
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
  tc = test_case(s, "freed", test_setup_paused, test_teardown);
  ADD(tc,
      message_whose_channel_is_gone_is_destroyed,
      message_whose_oneshot_is_gone_is_destroyed,
      places_whose_channel_is_gone,
      permits_and_wakes_whose_object_is_gone,
      locks_that_are_gone,
      condvar_that_is_gone,
      result_is_read_after_its_object_is_gone);
  tc = test_case(s, "abort", NULL, NULL);
  ADD(tc, lock_with_an_unread_result_is_not_freed);
  tc = test_case(s, "connections", test_setup, test_teardown);
  ADD(tc,
      accepted_connection_that_nobody_reads_is_closed,
      connection_made_that_nobody_reads_is_closed);
  return s;
}

TEST_MAIN(unread_suite)

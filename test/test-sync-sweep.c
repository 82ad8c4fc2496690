/* SPDX-License-Identifier: MIT */
/* Each scenario is run again and again: its first task is cancelled at once,
 * then one step later, and so on until it ends undisturbed. After each run
 * nothing is lost: messages, permits, locks. */
#include "fluv-test.h"

typedef struct scenario {
  void (*begin)(void);
  fluv_task_fn task; /* is cancelled */
  fluv_task_fn partner;
  void (*check)(void);
} scenario_t;

static fluv_sender_t* tx;
static fluv_receiver_t* rx;
static fluv_mutex_t* mutex;
static fluv_rwlock_t* lock;
static fluv_semaphore_t* sem;
static fluv_condvar_t* cv;
static int sent;
static int received;

static int64_t send_some(void* arg) {
  int64_t err = 0;
  int item;

  (void) arg;
  for (item = 0; item < 5 && err == 0; item++) {
    err = fluv_await(fluv_send(tx, &item));
    sent += err == 0;
  }
  return err;
}

static int64_t recv_some(void* arg) {
  int64_t err = 0;
  int item;

  (void) arg;
  while (err == 0) {
    err = fluv_await(fluv_recv(rx, &item));
    received += err == 0;
  }
  return err;
}

static void begin_channel(void) {
  ck_assert_err(fluv_channel_new(1, sizeof(int), NULL, &tx, &rx), 0);
  sent = 0;
  received = 0;
}

static void check_channel(void) {
  int item;

  while (fluv_try_recv(rx, &item) == 0)
    received++;
  ck_assert_int_eq(sent, received);
  ck_assert_uint_eq(fluv_sender_get_room(tx), 1);
  fluv_sender_free(tx);
  fluv_receiver_free(rx);
}

static int64_t use_permits(void* arg) {
  fluv_permit_t permit = { NULL, 0 };
  int64_t err = 0;
  int item = 0;
  int i;

  (void) arg;
  for (i = 0; i < 4 && err == 0; i++) {
    err = fluv_await(fluv_reserve(tx, 1, &permit));
    if (err == 0)
      err = fluv_yield();
    if (err == 0 && fluv_permit_send(&permit, &item) == 0)
      sent++;
    fluv_permit_release(&permit);
  }
  return err;
}

static void begin_locks(void) {
  ck_assert_err(fluv_mutex_new(&mutex), 0);
  ck_assert_err(fluv_rwlock_new(&lock), 0);
  ck_assert_err(fluv_semaphore_new(2, &sem), 0);
  ck_assert_err(fluv_condvar_new(&cv), 0);
}

static void check_locks(void) {
  ck_assert(!fluv_mutex_is_locked(mutex));
  ck_assert_err(fluv_rwlock_try_write(lock), 0);
  ck_assert_err(fluv_rwlock_unlock_write(lock), 0);
  ck_assert_uint_eq(fluv_semaphore_get_permits(sem), 2);
  fluv_mutex_free(mutex);
  fluv_rwlock_free(lock);
  fluv_semaphore_free(sem);
  fluv_condvar_free(cv);
}

static int64_t use_locks(void* arg) {
  int64_t err = 0;
  int i;

  (void) arg;
  for (i = 0; i < 3 && err == 0; i++) {
    if ((err = fluv_await(fluv_mutex_lock(mutex))) == 0) {
      err = fluv_yield();
      ck_assert_err(fluv_mutex_unlock(mutex), 0);
    }
    if (err == 0 && (err = fluv_await(fluv_rwlock_read(lock))) == 0) {
      err = fluv_yield();
      ck_assert_err(fluv_rwlock_unlock_read(lock), 0);
    }
    if (err == 0 && (err = fluv_await(fluv_rwlock_write(lock))) == 0) {
      err = fluv_yield();
      ck_assert_err(fluv_rwlock_downgrade(lock), 0);
      ck_assert_err(fluv_rwlock_unlock_read(lock), 0);
    }
    if (err == 0 && (err = fluv_await(fluv_semaphore_acquire(sem, 2))) == 0) {
      err = fluv_yield();
      ck_assert_err(fluv_semaphore_release(sem, 2), 0);
    }
  }
  return err;
}

static int64_t wait_cv(void* arg) {
  int64_t err = fluv_await(fluv_mutex_lock(mutex));

  (void) arg;
  if (err != 0)
    return err;
  /* Held again whatever this says. */
  err = fluv_await(fluv_condvar_wait(cv, mutex));
  ck_assert_err(fluv_mutex_unlock(mutex), 0);
  return err;
}

static int64_t notify_cv(void* arg) {
  int64_t err = 0;
  int i;

  (void) arg;
  for (i = 0; i < 6 && err == 0; i++) {
    if ((err = fluv_await(fluv_mutex_lock(mutex))) != 0)
      break;
    fluv_condvar_notify_one(cv);
    err = fluv_yield();
    ck_assert_err(fluv_mutex_unlock(mutex), 0);
  }
  return err;
}

static const scenario_t scenarios[] = {
  { begin_channel, send_some, recv_some, check_channel },
  { begin_channel, recv_some, send_some, check_channel },
  { begin_channel, use_permits, recv_some, check_channel },
  { begin_locks, use_locks, use_locks, check_locks },
  { begin_locks, wait_cv, notify_cv, check_locks },
  { begin_locks, notify_cv, wait_cv, check_locks },
};

enum {
  SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]),
  MAX_STEPS = 60
};

/* Whether the task was still there to be cancelled after `steps`. */
static bool run_once(const scenario_t* s, int steps) {
  fluv_future_t* task;
  fluv_future_t* partner;
  bool disturbed;
  int i;

  s->begin();
  task = fluv_spawn(s->task, NULL);
  partner = fluv_spawn(s->partner, NULL);
  for (i = 0; i < steps; i++)
    fluv_yield();
  disturbed = !fluv_future_is_done(task);
  fluv_cancel(task);
  (void) fluv_await(task);
  fluv_yield();
  fluv_cancel(partner);
  (void) fluv_await(partner);
  s->check();
  return disturbed;
}

static int64_t sweep(void* arg) {
  const scenario_t* s = arg;
  int steps = 0;

  /* One that waits for its partner for ever ends with the bound. */
  while (steps < MAX_STEPS && run_once(s, steps))
    steps++;
  ck_assert_int_gt(steps, 1);
  return 0;
}

START_TEST(cancelled_at_every_step) {
  ck_assert_err(test_run(sweep, (void*) (uintptr_t) &scenarios[_i]), 0);
}
END_TEST

static Suite* sync_sweep_suite(void) {
  Suite* s = suite_create("sync-sweep");
  TCase* tc = test_case(s, "cancel", test_setup_paused, test_teardown);

  tcase_add_loop_test(tc, cancelled_at_every_step, 0, SCENARIOS);
  return s;
}

TEST_MAIN(sync_sweep_suite)

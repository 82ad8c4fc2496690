/* SPDX-License-Identifier: MIT */
/* Waits that block a thread, while the system's clock is set. */
#include "fluv-test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/event.h"

enum {
  LIMIT_MS = 20
};

/* The system's clock, set by a user: the library must not notice. */
static atomic_long wall_shift_s;
static atomic_int wall_reads;

FLUV_EXTERN
int clock_gettime(clockid_t id, struct timespec* out) {
  int err = (int) syscall(SYS_clock_gettime, id, out);

  if (id == CLOCK_REALTIME) {
    out->tv_sec += atomic_load(&wall_shift_s);
    atomic_fetch_add(&wall_reads, 1);
  }
  return err;
}

/* Events. */

START_TEST(event_that_is_set_ends_the_wait_at_once) {
  fluv__event_t event;

  fluv__event_init(&event);
  fluv__event_set(&event);
  ck_assert(fluv__event_wait(&event, 0));
  ck_assert(fluv__event_wait(&event, FLUV__NO_LIMIT));
  fluv__event_destroy(&event);
}
END_TEST

START_TEST(event_that_is_not_set_waits_until_the_limit) {
  uint64_t limit = fluv__limit_after(LIMIT_MS);
  fluv__event_t event;

  fluv__event_init(&event);
  ck_assert(!fluv__event_wait(&event, 0));
  ck_assert(!fluv__event_wait(&event, limit));
  ck_assert_uint_ge(uv_hrtime(), limit);
  fluv__event_set(&event);
  ck_assert(fluv__event_wait(&event, 0));
  fluv__event_destroy(&event);
}
END_TEST

enum {
  ROUNDS = 20000
};

/* Each lies on its waiter's stack and is gone as soon as it is set. */
static _Atomic(fluv__event_t*) passed_on;

static void* set_many(void* arg) {
  int i;

  (void) arg;
  for (i = 0; i < ROUNDS; i++) {
    fluv__event_t* event;

    while ((event = atomic_exchange(&passed_on, NULL)) == NULL)
      sched_yield();
    fluv__event_set(event);
  }
  return NULL;
}

START_TEST(no_set_is_slept_over) {
  pthread_t thread;
  int i;

  ck_assert_int_eq(pthread_create(&thread, NULL, set_many, NULL), 0);
  for (i = 0; i < ROUNDS; i++) {
    fluv__event_t event;

    fluv__event_init(&event);
    atomic_store(&passed_on, &event);
    ck_assert(fluv__event_wait(
        &event,
        i % 2 == 0 ? FLUV__NO_LIMIT : fluv__limit_after(60000)));
    fluv__event_destroy(&event);
  }
  pthread_join(thread, NULL);
}
END_TEST

START_TEST(limits_too_far_away_are_none) {
  ck_assert_uint_eq(fluv__limit_after(FLUV_FOREVER), FLUV__NO_LIMIT);
  ck_assert_uint_eq(fluv__limit_after(FLUV_FOREVER - 1), FLUV__NO_LIMIT);
  ck_assert_uint_lt(fluv__limit_after(86400000), FLUV__NO_LIMIT);
}
END_TEST

/* The waits of plain threads. */

static fluv_runtime_t* rt;
static fluv_token_t* token;
static fluv_sender_t* tx;
static fluv_receiver_t* rx;
static fluv_remote_t* remote;
static atomic_bool released;
static atomic_bool held;

static int64_t hold_the_worker(void* arg) {
  (void) arg;
  atomic_store(&held, true);
  while (!atomic_load(&released))
    sched_yield();
  return 0;
}

static int wait_for_a_token(void) {
  return fluv_token_cancelled_blocking(token, LIMIT_MS);
}

static int wait_for_a_message(void) {
  char item;

  return (int) fluv_recv_blocking(rx, &item, 1, LIMIT_MS);
}

static int wait_for_a_task(void) {
  return (int) fluv_wait(remote, LIMIT_MS);
}

static int wait_for_a_worker(void) {
  return fluv_runtime_shutdown(rt, LIMIT_MS);
}

static int (*const waits[])(void) = {
  wait_for_a_token,
  wait_for_a_message,
  wait_for_a_task,
  wait_for_a_worker,
};

static void setup_waits(void) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;

  options.workers = 1;
  ck_assert_err(fluv_runtime_new(&options, &rt), 0);
  ck_assert_err(fluv_token_new(&token), 0);
  ck_assert_err(fluv_channel_new(1, 1, NULL, &tx, &rx), 0);
  ck_assert_err(fluv_runtime_spawn_remote(rt, hold_the_worker, NULL, &remote),
                0);
  while (!atomic_load(&held))
    sched_yield();
}

static void teardown_waits(void) {
  atomic_store(&released, true);
  ck_assert_err(fluv_wait(remote, FLUV_FOREVER), 0);
  fluv_receiver_free(rx);
  fluv_sender_free(tx);
  fluv_token_free(token);
  fluv_runtime_free(rt);
}

/* Set back, such a wait would last an hour; set forward, it would be over at
 * once. */
static void wait_while_the_clock_is_off(long shift_s) {
  int i;

  for (i = 0; i < (int) (sizeof(waits) / sizeof(waits[0])); i++) {
    uint64_t before = uv_hrtime();

    atomic_store(&wall_reads, 0);
    atomic_store(&wall_shift_s, shift_s);
    ck_assert_err(waits[i](), FLUV_ETIMEDOUT);
    atomic_store(&wall_shift_s, 0);
    ck_assert_int_eq(atomic_load(&wall_reads), 0);
    ck_assert_uint_ge(uv_hrtime() - before, LIMIT_MS * UINT64_C(1000000));
  }
}

START_TEST(waits_of_threads_do_not_see_the_clock_set_back) {
  wait_while_the_clock_is_off(-3600);
}
END_TEST

START_TEST(waits_of_threads_do_not_see_the_clock_set_forward) {
  wait_while_the_clock_is_off(3600);
}
END_TEST

static Suite* event_suite(void) {
  Suite* s = suite_create("event");
  TCase* tc = test_case(s, "basic", NULL, NULL);

  ADD(tc,
      event_that_is_set_ends_the_wait_at_once,
      event_that_is_not_set_waits_until_the_limit,
      limits_too_far_away_are_none);
  tc = test_case(s, "threads", NULL, NULL);
  ADD(tc, no_set_is_slept_over);
  tc = test_case(s, "threads", setup_waits, teardown_waits);
  ADD(tc,
      waits_of_threads_do_not_see_the_clock_set_back,
      waits_of_threads_do_not_see_the_clock_set_forward);
  return s;
}

TEST_MAIN(event_suite)

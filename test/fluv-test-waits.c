/* SPDX-License-Identifier: MIT */
/* What the tests of shutting down share. */
#include "fluv-test-waits.h"

#include <sched.h>

enum {
  /* Times that a loop has come round before a task is taken to wait. */
  HOPS = 4
};

atomic_int waits_waiting;
atomic_int waits_started;
atomic_int waits_ended;
static atomic_int cleaned;
static _Atomic int64_t outcome;

static void hop(void* arg) {
  intptr_t left = (intptr_t) arg;

  if (left == 0)
    atomic_fetch_add(&waits_waiting, 1);
  else
    ck_assert_err(fluv_post(fluv_loop_current(), hop, (void*) (left - 1)), 0);
}

void waits_announce(void) {
  hop((void*) HOPS);
}

int64_t waits_await(fluv_future_t* f) {
  waits_announce();
  return fluv_await(f);
}

static void count_end(void* arg) {
  (void) arg;
  atomic_fetch_add(&waits_ended, 1);
}

void waits_begin_task(void) {
  atomic_fetch_add(&waits_started, 1);
  ck_assert_err(fluv_defer(count_end, NULL), 0);
}

/* A task that others wait for, on whatever loop. */
int64_t waits_child(void* arg) {
  int64_t err;

  (void) arg;
  waits_begin_task();
  err = waits_await(fluv_never());
  ck_assert_err(err, FLUV_ECANCELED);
  return err;
}

static int64_t wait_and_clean_up(void* arg) {
  const wait_t* w = arg;

  waits_begin_task();
  atomic_store(&outcome, w->fn());
  /* One more await is refused; behind a shield it is not. */
  ck_assert_err(fluv_await(fluv_sleep(WAITS_HOUR)), FLUV_ECANCELED);
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  fluv_shield_end();
  atomic_fetch_add(&cleaned, 1);
  return atomic_load(&outcome);
}

static void check(const wait_t* w) {
  ck_assert_msg(atomic_load(&outcome) == FLUV_ECANCELED,
                "%s: %s",
                w->name,
                fluv_err_name(atomic_load(&outcome)));
  ck_assert_msg(atomic_load(&cleaned) == 1, "%s: not cleaned up", w->name);
  ck_assert_msg(atomic_load(&waits_waiting) == w->waiters,
                "%s: %d wait",
                w->name,
                atomic_load(&waits_waiting));
  ck_assert_msg(atomic_load(&waits_started) == atomic_load(&waits_ended),
                "%s: %d of %d have ended",
                w->name,
                atomic_load(&waits_ended),
                atomic_load(&waits_started));
}

/* Longer than a test may take: a wait that never ends is noticed. */
static fluv_loop_options_t patient(void) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  options.shutdown_ms = WAITS_HOUR;
  return options;
}

static void shut_runtime(void* arg) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;
  fluv_loop_options_t loop_options = patient();
  const wait_t* w = arg;
  fluv_remote_t* remote;
  fluv_runtime_t* rt;

  options.workers = 2;
  options.loop = &loop_options;
  ck_assert_err(fluv_runtime_new(&options, &rt), 0);
  ck_assert_err(fluv_runtime_spawn_remote(rt, wait_and_clean_up, arg, &remote),
                0);
  while (atomic_load(&waits_waiting) < w->waiters)
    sched_yield();
  ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
  check(w);
  ck_assert_err(fluv_wait(remote, 0), FLUV_ECANCELED);
  fluv_runtime_free(rt);
}

void waits_shut_runtime(const wait_t* w) {
  test_on_thread(shut_runtime, (void*) (uintptr_t) w);
}

static int64_t leave_behind(void* arg) {
  const wait_t* w = arg;

  fluv_detach(fluv_spawn(wait_and_clean_up, arg));
  while (atomic_load(&waits_waiting) < w->waiters)
    ck_assert_err(fluv_yield(), 0);
  return 3;
}

static void end_run(void* arg) {
  fluv_loop_options_t options = patient();

  ck_assert_err(fluv_run(leave_behind, arg, &options), 3);
  check(arg);
}

void waits_end_run(const wait_t* w) {
  test_on_thread(end_run, (void*) (uintptr_t) w);
}

void waits_setup(void) {
  setenv("UV_THREADPOOL_SIZE", "1", 1);
  setenv("FLUV_WORKERS", "2", 1);
  jobs_setup();
}

void waits_teardown(void) {
  jobs_teardown();
}

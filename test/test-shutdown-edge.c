/* SPDX-License-Identifier: MIT */
/* Shutting down under difficulties: tasks that do not end, two who shut down,
 * others who start, spawn and post meanwhile, and afterwards. */
#include "fluv-test.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef TEST_SANITIZED
# define ROUNDS 20
#else
# define ROUNDS 50
#endif

enum {
  HOUR = 3600000,
  THREADS = 4,
  MANY = 2000,
  LEAD = 100 /* of what was spawned over what has run */
};

static atomic_int started;
static atomic_int ended;
static atomic_bool released;
static fluv_runtime_t* rt;

/* With a limit that is longer than a test may take, if it is 0. */
static void open_with(fluv_runtime_options_t* options, unsigned shutdown_ms) {
  fluv_loop_options_t loop_options = FLUV_LOOP_OPTIONS_INIT;

  loop_options.shutdown_ms = shutdown_ms != 0 ? shutdown_ms : HOUR;
  options->workers = 2;
  options->loop = &loop_options;
  ck_assert_err(fluv_runtime_new(options, &rt), 0);
}

static void open_runtime(unsigned shutdown_ms) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;

  open_with(&options, shutdown_ms);
}

/* Leave the processor to the threads that are waited for. */
static void pause_thread(void) {
  const struct timespec t = { 0, 100000 };

  nanosleep(&t, NULL);
}

static void wait_for_count(atomic_int* counter, int n) {
  while (atomic_load(counter) < n)
    pause_thread();
}

static void assert_same(atomic_int* a, atomic_int* b) {
  int is = atomic_load(a);
  int want = atomic_load(b);

  ck_assert_int_eq(is, want);
}

static void on_threads(void* (*fn)(void* arg), pthread_t threads[THREADS]) {
  int i;

  for (i = 0; i < THREADS; i++)
    ck_assert_int_eq(pthread_create(&threads[i], NULL, fn, NULL), 0);
}

static void join_threads(pthread_t threads[THREADS]) {
  int i;

  for (i = 0; i < THREADS; i++)
    ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

static void bump(void* arg) {
  (void) arg;
  atomic_fetch_add(&started, 1);
}

static int64_t bump_task(void* arg) {
  bump(arg);
  return 7;
}

static int64_t sleep_long(void* arg) {
  int64_t err;

  (void) arg;
  atomic_fetch_add(&started, 1);
  err = fluv_await(fluv_sleep(HOUR));
  ck_assert_err(err, FLUV_ECANCELED);
  atomic_fetch_add(&ended, 1);
  return err;
}

/* Tasks that do not end. */

static int64_t yield_for_ever(void* arg) {
  (void) arg;
  ck_assert_err(fluv_task_set_name("stubborn"), 0);
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  for (;;) {
    atomic_store(&started, 1);
    fluv_yield();
  }
  return 0;
}

static void shut_stubborn_down(void* arg) {
  uint64_t start;

  (void) arg;
  open_runtime(50);
  ck_assert_err(fluv_runtime_spawn_remote(rt, yield_for_ever, NULL, NULL), 0);
  wait_for_count(&started, 1);
  start = uv_hrtime();
  ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
  ck_assert_uint_ge(uv_hrtime() - start, 50 * 1000000);
  fluv_runtime_free(rt);
}

START_TEST(a_task_that_does_not_end_is_named) {
  int status;
  char* text = test_stderr_of(shut_stubborn_down, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "the program ends without");
  ck_assert_has(text, "\"stubborn\"");
  ck_assert_has(text, "test-shutdown-edge.c:");
  ck_assert_has_not(text, "abandoned");
  free(text);
}
END_TEST

static int64_t spin(void* arg) {
  (void) arg;
  atomic_store(&started, 1);
  while (!atomic_load(&released))
    sched_yield();
  atomic_fetch_add(&ended, 1);
  return 0;
}

/* One of the workers is abandoned, and joined later. */
static void shut_spinner_down(void* arg) {
  (void) arg;
  open_runtime(0);
  ck_assert_err(fluv_runtime_spawn_remote(rt, spin, NULL, NULL), 0);
  wait_for_count(&started, 1);
  ck_assert_err(fluv_runtime_shutdown(rt, 20), FLUV_ETIMEDOUT);
  ck_assert_err(fluv_runtime_shutdown(rt, 0), FLUV_ETIMEDOUT);
  ck_assert_int_eq(atomic_load(&ended), 0);
  ck_assert_err(fluv_runtime_start(rt), FLUV_ESTOPPED);
  atomic_store(&released, true);
  ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
  ck_assert_int_eq(atomic_load(&ended), 1);
  fluv_runtime_free(rt);
}

START_TEST(a_thread_that_does_not_come_back_is_left_behind) {
  int status;
  char* text = test_stderr_of(shut_spinner_down, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "worker fluv-");
  ck_assert_has(text, "abandoned");
  free(text);
}
END_TEST

/* Afterwards. */

static int64_t never_served(fluv_stream_t* peer, void* arg) {
  (void) peer;
  (void) arg;
  return 0;
}

static void assert_refuses(fluv_loop_t* loop) {
  fluv_server_options_t options = FLUV_SERVER_OPTIONS_INIT;
  fluv_server_t* server;
  fluv_remote_t* remote;

  ck_assert_err(fluv_block_on(fluv_runtime_spawn(rt, bump_task, NULL)),
                FLUV_ESTOPPED);
  ck_assert_err(fluv_runtime_spawn_remote(rt, bump_task, NULL, &remote),
                FLUV_ESTOPPED);
  ck_assert_err(fluv_runtime_spawn_remote(rt, bump_task, NULL, NULL),
                FLUV_ESTOPPED);
  ck_assert_err(fluv_runtime_start(rt), FLUV_ESTOPPED);
  ck_assert_err(fluv_runtime_join(rt), FLUV_ESTOPPED);
  ck_assert_ptr_null(fluv_runtime_get_loop(rt, 0));
  ck_assert_ptr_null(fluv_runtime_get_loop(rt, 1));
  options.runtime = rt;
  ck_assert_err(
      fluv_tcp_serve("127.0.0.1:0", never_served, NULL, &options, &server),
      FLUV_ESTOPPED);
  if (loop == NULL)
    return;
  ck_assert_err(fluv_block_on(fluv_spawn_on(loop, bump_task, NULL)),
                FLUV_ESTOPPED);
  ck_assert_err(fluv_spawn_remote(loop, bump_task, NULL, &remote),
                FLUV_ESTOPPED);
  ck_assert_err(fluv_spawn_remote(loop, bump_task, NULL, NULL), FLUV_ESTOPPED);
  ck_assert_err(fluv_post(loop, bump, NULL), FLUV_ESTOPPED);
}

START_TEST(nothing_is_taken_afterwards) {
  fluv_loop_t* loop;

  open_runtime(0);
  ck_assert_err(fluv_block_on(fluv_runtime_spawn(rt, bump_task, NULL)), 7);
  loop = fluv_loop_ref(fluv_runtime_get_loop(rt, 1));
  ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
  assert_refuses(loop);
  ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
  ck_assert_err(fluv_runtime_shutdown(rt, 0), 0);
  assert_refuses(loop);
  fluv_runtime_free(rt);
  /* The reference keeps the memory. */
  ck_assert_err(fluv_post(loop, bump, NULL), FLUV_ESTOPPED);
  fluv_loop_unref(loop);
  ck_assert_int_eq(atomic_load(&started), 1);
}
END_TEST

START_TEST(a_runtime_that_was_never_started_is_shut_down) {
  open_runtime(0);
  ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
  assert_refuses(NULL);
  fluv_runtime_free(rt);
  ck_assert_int_eq(atomic_load(&started), 0);
}
END_TEST

/* From inside. */

static void assert_deadlk(unsigned worker, void* arg) {
  (void) worker;
  (void) arg;
  ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), FLUV_EDEADLK);
  atomic_fetch_add(&ended, 1);
}

static void assert_stopped(unsigned worker, void* arg) {
  assert_deadlk(worker, arg);
  ck_assert_err(fluv_runtime_spawn_remote(rt, bump_task, NULL, NULL),
                FLUV_ESTOPPED);
  ck_assert_err(fluv_runtime_spawn_remote(NULL, bump_task, NULL, NULL),
                FLUV_ESTOPPED);
  ck_assert_ptr_eq(fluv_runtime_current(), rt);
}

static int64_t shut_down_from_inside(void* arg) {
  assert_deadlk(0, arg);
  atomic_fetch_add(&started, 1);
  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  assert_stopped(0, arg);
  ck_assert_err(fluv_await(fluv_spawn_any(bump_task, NULL)), FLUV_ESTOPPED);
  return 0;
}

START_TEST(a_worker_cannot_shut_down) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;

  options.on_start = assert_deadlk;
  options.on_stop = assert_stopped;
  open_with(&options, 0);
  ck_assert_err(
      fluv_runtime_spawn_remote(rt, shut_down_from_inside, NULL, NULL),
      0);
  wait_for_count(&started, 1);
  ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
  /* Twice in the task, and two workers start and stop. */
  ck_assert_int_eq(atomic_load(&ended), 6);
  ck_assert_int_eq(atomic_load(&started), 1);
  fluv_runtime_free(rt);
}
END_TEST

static int64_t free_from_inside(void* arg) {
  fluv_runtime_free(arg);
  return 0;
}

static void free_in_a_worker(void* arg) {
  (void) arg;
  open_runtime(0);
  ck_assert_err(fluv_runtime_spawn_remote(rt, free_from_inside, rt, NULL), 0);
  for (;;)
    sched_yield();
}

static int64_t free_own(void* arg) {
  (void) arg;
  fluv_runtime_free(fluv_runtime_current());
  return 0;
}

static void free_the_run(void* arg) {
  (void) arg;
  (void) fluv_run(free_own, NULL, NULL);
}

START_TEST(a_runtime_is_not_freed_by_its_own_worker) {
  test_aborts(free_in_a_worker, NULL, "on a worker of the runtime", NULL);
  test_aborts(free_the_run, NULL, "fluv_run()'s own", NULL);
}
END_TEST

/* What begins when all is being cancelled is cancelled too. */

/* Keeps no loop alive, unlike a sleep. */
static int64_t wait_never(void* arg) {
  int64_t err;

  (void) arg;
  atomic_fetch_add(&started, 1);
  err = fluv_await(fluv_never());
  atomic_fetch_add(&ended, 1);
  return err;
}

static void spawn_sleep(void) {
  fluv_detach(fluv_spawn(sleep_long, NULL));
}

static void spawn_never(void) {
  fluv_detach(fluv_spawn(wait_never, NULL));
}

static void hand_over_sleep(void) {
  ck_assert_err(fluv_spawn_remote(fluv_loop_current(), sleep_long, NULL, NULL),
                0);
}

static void (*const late_spawns[])(void) = {
  spawn_sleep,
  spawn_never,
  hand_over_sleep,
};

static int64_t spawn_late(void* arg) {
  void (*const* spawn)(void) = arg;

  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  (*spawn)();
  return 0;
}

static int64_t leave_late_spawner(void* arg) {
  fluv_detach(fluv_spawn(spawn_late, arg));
  return fluv_yield();
}

START_TEST(a_task_that_is_spawned_in_cleaning_up_is_cancelled) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  options.shutdown_ms = HOUR;
  ck_assert_err(fluv_run(leave_late_spawner,
                         (void*) (uintptr_t) &late_spawns[_i],
                         &options),
                0);
  ck_assert_int_eq(atomic_load(&started), 1);
  ck_assert_int_eq(atomic_load(&ended), 1);
}
END_TEST

/* Several at once. */

static void* shut_down(void* arg) {
  (void) arg;
  wait_for_count(&started, 2);
  ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
  /* Both callers return only after the end. */
  ck_assert_int_eq(atomic_load(&ended), 2);
  return NULL;
}

START_TEST(several_shut_down_at_once) {
  pthread_t threads[THREADS];
  int i;

  for (i = 0; i < ROUNDS; i++) {
    atomic_store(&started, 0);
    atomic_store(&ended, 0);
    open_runtime(0);
    on_threads(shut_down, threads);
    ck_assert_err(fluv_runtime_spawn_remote(rt, sleep_long, NULL, NULL), 0);
    ck_assert_err(fluv_runtime_spawn_remote(rt, sleep_long, NULL, NULL), 0);
    join_threads(threads);
    fluv_runtime_free(rt);
  }
}
END_TEST

static void* start(void* arg) {
  (void) arg;
  ck_assert_err(fluv_runtime_start(rt), 0);
  ck_assert_ptr_nonnull(fluv_runtime_get_loop(rt, 0));
  ck_assert_ptr_nonnull(fluv_runtime_get_loop(rt, 1));
  return NULL;
}

START_TEST(several_start_at_once) {
  pthread_t threads[THREADS];
  int i;

  for (i = 0; i < ROUNDS; i++) {
    open_runtime(0);
    on_threads(start, threads);
    join_threads(threads);
    fluv_runtime_free(rt);
  }
}
END_TEST

static void* start_or_not(void* arg) {
  int err = fluv_runtime_start(rt);

  (void) arg;
  ck_assert(err == 0 || err == FLUV_ESTOPPED);
  return NULL;
}

/* A shutdown while another thread starts ends what was started, permanently. */
START_TEST(a_start_meets_a_shutdown) {
  pthread_t threads[THREADS];
  fluv_metrics_t metrics = FLUV_METRICS_INIT;
  int i;

  for (i = 0; i < ROUNDS; i++) {
    open_runtime(0);
    on_threads(start_or_not, threads);
    ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
    join_threads(threads);
    ck_assert_err(fluv_runtime_start(rt), FLUV_ESTOPPED);
    ck_assert_ptr_null(fluv_runtime_get_loop(rt, 0));
    ck_assert_err(fluv_runtime_get_metrics(rt, -1, &metrics), 0);
    fluv_runtime_free(rt);
  }
}
END_TEST

/* Meanwhile. */

static atomic_int promised; /* accepted, so they will run */
static fluv_loop_t* loop_of_one;

/* Whether it was taken. */
static bool spawn_and_wait(bool on_loop) {
  fluv_remote_t* remote;
  int64_t result;
  int err;

  err = on_loop ? fluv_spawn_remote(loop_of_one, bump_task, NULL, &remote)
                : fluv_runtime_spawn_remote(rt, bump_task, NULL, &remote);
  if (err != 0) {
    ck_assert_err(err, FLUV_ESTOPPED);
    return false;
  }
  result = fluv_wait(remote, FLUV_FOREVER);
  if (result == 7)
    atomic_fetch_add(&promised, 1);
  else
    ck_assert_err(result, FLUV_ESTOPPED);
  return true;
}

static bool was_promised(int err) {
  if (err == 0)
    atomic_fetch_add(&promised, 1);
  else
    ck_assert_err(err, FLUV_ESTOPPED);
  return err == 0;
}

/* Threads that only spawn get more of a busy machine than the one loop that
 * runs what they spawn: the backlog must not grow without bound, since all of
 * it runs before the loop ends. */
static void stay_near(void) {
  sched_yield();
  while (atomic_load(&promised) - atomic_load(&started) > LEAD)
    pause_thread();
}

static void* spawn_on_and_on(void* arg) {
  bool taken = true;

  (void) arg;
  while (taken) {
    taken = spawn_and_wait(false);
    taken = spawn_and_wait(true) || taken;
  }
  return NULL;
}

static void* post_on_and_on(void* arg) {
  (void) arg;
  while (was_promised(fluv_post(loop_of_one, bump, NULL)))
    stay_near();
  return NULL;
}

static void* spawn_detached_repeatedly(void* arg) {
  (void) arg;
  while (was_promised(fluv_spawn_remote(loop_of_one, bump_task, NULL, NULL)))
    stay_near();
  return NULL;
}

static void* (*const spawners[])(void* arg) = {
  spawn_on_and_on,
  post_on_and_on,
  spawn_detached_repeatedly,
};

START_TEST(what_is_spawned_meanwhile_runs_or_is_refused) {
  pthread_t threads[THREADS];
  int i;

  for (i = 0; i < ROUNDS; i++) {
    atomic_store(&started, 0);
    atomic_store(&promised, 0);
    open_runtime(0);
    loop_of_one = fluv_loop_ref(fluv_runtime_get_loop(rt, 0));
    on_threads(spawners[_i], threads);
    wait_for_count(&started, MANY / 10);
    ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
    join_threads(threads);
    assert_same(&started, &promised);
    fluv_loop_unref(loop_of_one);
    fluv_runtime_free(rt);
  }
}
END_TEST

/* Sleepers, until the loop refuses them: all must be woken. */
static void* spawn_sleepers(void* arg) {
  fluv_remote_t* remotes[MANY];
  int err = 0;
  int n = 0;

  (void) arg;
  while (n < MANY && err == 0) {
    err = fluv_spawn_remote(loop_of_one, sleep_long, NULL, &remotes[n]);
    if (err == 0)
      n++;
    sched_yield();
  }
  ck_assert(err == 0 || err == FLUV_ESTOPPED);
  while (n-- > 0)
    ck_assert_err(fluv_wait(remotes[n], FLUV_FOREVER), FLUV_ECANCELED);
  return NULL;
}

START_TEST(what_is_spawned_meanwhile_is_cancelled) {
  pthread_t threads[THREADS];
  int i;

  for (i = 0; i < ROUNDS; i++) {
    atomic_store(&started, 0);
    atomic_store(&ended, 0);
    open_runtime(0);
    loop_of_one = fluv_loop_ref(fluv_runtime_get_loop(rt, 0));
    on_threads(spawn_sleepers, threads);
    wait_for_count(&started, THREADS);
    ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
    join_threads(threads);
    assert_same(&started, &ended);
    fluv_loop_unref(loop_of_one);
    fluv_runtime_free(rt);
  }
}
END_TEST

static Suite* shutdown_edge_suite(void) {
  Suite* s = suite_create("shutdown-edge");
  TCase* tc = test_case(s, "shutdown", NULL, NULL);

  ADD(tc,
      a_task_that_does_not_end_is_named,
      a_runtime_is_not_freed_by_its_own_worker,
      a_thread_that_does_not_come_back_is_left_behind);
  tc = test_case(s, "shutdown", NULL, NULL);
  tcase_add_loop_test(tc,
                      a_task_that_is_spawned_in_cleaning_up_is_cancelled,
                      0,
                      3);
  tc = test_case(s, "basic", test_setup, test_teardown);
  ADD(tc,
      nothing_is_taken_afterwards,
      a_runtime_that_was_never_started_is_shut_down,
      a_worker_cannot_shut_down);
  tc = test_case(s, "threads", test_setup, test_teardown);
  tcase_set_timeout(tc, 60);
  ADD(tc,
      several_shut_down_at_once,
      several_start_at_once,
      a_start_meets_a_shutdown,
      what_is_spawned_meanwhile_is_cancelled);
  tcase_add_loop_test(tc, what_is_spawned_meanwhile_runs_or_is_refused, 0, 3);
  return s;
}

TEST_MAIN(shutdown_edge_suite)

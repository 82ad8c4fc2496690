/* SPDX-License-Identifier: MIT */
/* Loops with threads of their own as members of a runtime: those of fluv_run(),
 * and a host's. Counters, and children of fork(2). */
#include "fluv-test.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static atomic_int count;

static int64_t bump(void* arg) {
  atomic_fetch_add(&count, 1);
  return (int64_t) (intptr_t) arg;
}

static int64_t where(void* arg) {
  *(pthread_t*) arg = pthread_self();
  return 0;
}

/* Holds its worker until all that are asked for hold one. */
static int64_t meet(void* arg) {
  int all = (int) (intptr_t) arg;

  atomic_fetch_add(&count, 1);
  while (atomic_load(&count) < all)
    sched_yield();
  return 0;
}

static int64_t spawn_many(void* arg) {
  enum {
    TASKS = 200
  };
  fluv_future_t* f[TASKS];
  int64_t sum = 0;
  intptr_t i;

  (void) arg;
  for (i = 0; i < TASKS; i++)
    f[i] = fluv_spawn_any(bump, (void*) i);
  for (i = 0; i < TASKS; i++)
    sum += fluv_await(f[i]);
  return sum;
}

/* fluv_run(). */

static void set_workers(const char* workers) {
  setenv("FLUV_WORKERS", workers, 1);
  atomic_store(&count, 0);
}

START_TEST(run_spreads_over_workers) {
  static const char* const workers[] = { "1", "2", "4", "8" };

  set_workers(workers[_i]);
  ck_assert_err(fluv_run(spawn_many, NULL, NULL), 19900);
  ck_assert_int_eq(atomic_load(&count), 200);
}
END_TEST

/* All of three workers at once, of which the main thread is one. */
static int64_t meet_on_three(void* arg) {
  fluv_future_t* f[3];
  fluv_metrics_t metrics = FLUV_METRICS_INIT;
  fluv_runtime_t* rt = fluv_runtime_current();
  int i;

  (void) arg;
  ck_assert_ptr_nonnull(rt);
  ck_assert_ptr_eq(fluv_runtime_get_loop(rt, 0), fluv_loop_current());
  for (i = 0; i < 3; i++)
    f[i] = fluv_spawn_any(meet, (void*) 3);
  for (i = 0; i < 3; i++)
    ck_assert_err(fluv_await(f[i]), 0);
  ck_assert_err(fluv_runtime_get_metrics(rt, -1, &metrics), 0);
  ck_assert_uint_eq(metrics.workers, 3);
  ck_assert_err(fluv_runtime_get_metrics(rt, 0, &metrics), 0);
  ck_assert_uint_eq(metrics.taken + metrics.stolen, 1);
  ck_assert_err(fluv_runtime_shutdown(rt, 0), FLUV_EDEADLK);
  ck_assert_err(fluv_runtime_join(rt), FLUV_EALREADY);
  ck_assert_err(fluv_runtime_leave(), FLUV_EINVAL);
  return 0;
}

START_TEST(the_main_thread_is_a_worker) {
  set_workers("3");
  ck_assert_err(fluv_run(meet_on_three, NULL, NULL), 0);
}
END_TEST

static int64_t count_threads(void* arg) {
  fluv_metrics_t metrics = FLUV_METRICS_INIT;
  pthread_t thread;
  bool one = arg != NULL;

  ck_assert_ptr_nonnull(fluv_runtime_current());
  ck_assert_err(fluv_runtime_get_metrics(fluv_runtime_current(), -1, &metrics),
                0);
  ck_assert_uint_eq(metrics.workers, 1); /* the others have not been needed */
  ck_assert_err(fluv_await(fluv_spawn_any(where, &thread)), 0);
  if (one)
    ck_assert(pthread_equal(thread, pthread_self()));
  return 0;
}

START_TEST(threads_start_when_they_are_needed) {
  set_workers("1");
  ck_assert_err(fluv_run(count_threads, TEXT("one"), NULL), 0);
  set_workers("2");
  ck_assert_err(fluv_run(count_threads, NULL, NULL), 0);
}
END_TEST

static int64_t wait_long(void* arg) {
  uv_sem_t* started = arg;
  int64_t err;

  uv_sem_post(started);
  err = fluv_await(fluv_sleep(100000));
  if (err == FLUV_ECANCELED)
    atomic_fetch_add(&count, 1);
  /* The main task is gone: nothing begins any more. */
  ck_assert_err(fluv_await(fluv_spawn_any(bump, NULL)), FLUV_ESTOPPED);
  return err;
}

/* Returns while tasks are on all workers. */
static int64_t leave_behind(void* arg) {
  int i;

  for (i = 0; i < 4; i++)
    fluv_detach(fluv_spawn_any(wait_long, arg));
  for (i = 0; i < 4; i++)
    while (uv_sem_trywait(arg) != 0)
      fluv_yield();
  return 5;
}

START_TEST(run_ends_what_its_workers_do) {
  uv_sem_t started;

  set_workers("2");
  uv_sem_init(&started, 0);
  ck_assert_err(fluv_run(leave_behind, &started, NULL), 5);
  ck_assert_int_eq(atomic_load(&count), 4);
  uv_sem_destroy(&started);
}
END_TEST

typedef struct visit {
  fluv_loop_t* home;
  uv_sem_t started;
} visit_t;

/* Has something to do on the main loop before it ends. */
static int64_t clean_up_at_home(void* arg) {
  visit_t* visit = arg;

  uv_sem_post(&visit->started);
  ck_assert_err(fluv_await(fluv_sleep(100000)), FLUV_ECANCELED);
  fluv_shield_begin(100000);
  ck_assert_err(fluv_await(fluv_sleep(20)), 0);
  ck_assert_err(fluv_await(fluv_spawn_on(visit->home, bump, (void*) 6)), 6);
  fluv_shield_end();
  return 0;
}

static int64_t return_early(void* arg) {
  visit_t* visit = arg;
  fluv_loop_t* other = fluv_runtime_get_loop(fluv_runtime_current(), 1);

  visit->home = fluv_loop_current();
  ck_assert_err(fluv_spawn_remote(other, clean_up_at_home, visit, NULL), 0);
  uv_sem_wait(&visit->started);
  return 0;
}

START_TEST(workers_clean_up_with_the_main_loop) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  visit_t visit;

  set_workers("2");
  options.shutdown_ms = 3600000;
  uv_sem_init(&visit.started, 0);
  ck_assert_err(fluv_run(return_early, &visit, &options), 0);
  ck_assert_int_eq(atomic_load(&count), 1);
  uv_sem_destroy(&visit.started);
}
END_TEST

static void run_main(void* arg) {
  ck_assert_err(fluv_run(spawn_many, arg, NULL), 19900);
}

/* Several at once, each with workers of its own. */
START_TEST(each_run_has_its_own) {
  uv_thread_t threads[3];
  int i;

  set_workers("2");
  for (i = 0; i < 3; i++)
    ck_assert_int_eq(uv_thread_create(&threads[i], run_main, NULL), 0);
  for (i = 0; i < 3; i++)
    uv_thread_join(&threads[i]);
  ck_assert_int_eq(atomic_load(&count), 600);
}
END_TEST

static int64_t make_and_use(void* arg) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;
  fluv_runtime_t* made;
  int64_t result;

  (void) arg;
  options.workers = 2;
  result = fluv_runtime_new(&options, &made);
  if (result < 0)
    return result;
  result = fluv_block_on(fluv_runtime_spawn(made, bump, NULL));
  fluv_runtime_free(made);
  return result;
}

START_TEST(without_memory_there_is_no_runtime) {
  TEST_OOM_PLAIN(make_and_use, NULL);
}
END_TEST

/* A host's loop. */

static fluv_runtime_t* rt;

static void setup(void) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;

  test_setup();
  atomic_store(&count, 0);
  options.workers = 1;
  ck_assert_err(fluv_runtime_new(&options, &rt), 0);
}

static void teardown(void) {
  fluv_runtime_free(rt);
  test_teardown();
}

static int64_t meet_two(void* arg) {
  fluv_future_t* f[2] = { fluv_runtime_spawn(arg, meet, (void*) 2),
                          fluv_runtime_spawn(arg, meet, (void*) 2) };
  int64_t results[2];

  return fluv_await(fluv_join_all(f, 2, results));
}

START_TEST(host_takes_part) {
  ck_assert_ptr_null(fluv_runtime_current());
  ck_assert_err(fluv_runtime_join(rt), 0);
  ck_assert_ptr_eq(fluv_runtime_current(), rt);
  ck_assert_err(fluv_runtime_join(rt), FLUV_EALREADY);
  /* Two that wait for each other: one is taken here. */
  ck_assert_err(test_run(meet_two, rt), 0);
  ck_assert_err(fluv_runtime_shutdown(rt, 0), FLUV_EDEADLK);
  ck_assert_err(fluv_runtime_leave(), 0);
  ck_assert_ptr_null(fluv_runtime_current());
  ck_assert_err(fluv_runtime_leave(), FLUV_EINVAL);
  ck_assert_err(fluv_runtime_join(NULL), FLUV_EINVAL);
}
END_TEST

/* What is spawned between two turns is not forgotten. */
START_TEST(host_spawns_outside_its_turns) {
  int i;

  ck_assert_err(fluv_runtime_join(rt), 0);
  for (i = 0; i < 50; i++) {
    ck_assert_err(fluv_block_on(fluv_spawn_any(bump, (void*) 3)), 3);
    test_turn(i % 3);
  }
  ck_assert_int_eq(atomic_load(&count), 50);
  ck_assert_err(fluv_runtime_leave(), 0);
}
END_TEST

/* Left in the queue of a loop that has left. */
START_TEST(what_a_leaver_has_queued_is_done_by_others) {
  fluv_remote_t* remotes[20];
  uv_sem_t started;
  int i;

  uv_sem_init(&started, 0);
  ck_assert_err(fluv_runtime_join(rt), 0);
  for (i = 0; i < 20; i++)
    ck_assert_err(fluv_runtime_spawn_remote(NULL, bump, (void*) 1, &remotes[i]),
                  0);
  ck_assert_err(fluv_runtime_leave(), 0);
  /* With the loop closed it is a plain thread, which may wait. */
  ck_assert_err(fluv_loop_close(), 0);
  uv_run(test_uv, UV_RUN_DEFAULT);
  for (i = 0; i < 20; i++)
    ck_assert_err(fluv_wait(remotes[i], FLUV_FOREVER), 1);
  ck_assert_int_eq(atomic_load(&count), 20);
  ck_assert_err(fluv_attach(test_uv), 0);
  uv_sem_destroy(&started);
}
END_TEST

static void come_and_go(void* arg) {
  uv_loop_t loop;
  int i;

  ck_assert_int_eq(uv_loop_init(&loop), 0);
  for (i = 0; i < 20; i++) {
    ck_assert_err(fluv_attach(&loop), 0);
    ck_assert_err(fluv_runtime_join(arg), 0);
    ck_assert_err(fluv_block_on(fluv_spawn(spawn_many, NULL)), 19900);
    if (i % 2 == 0)
      ck_assert_err(fluv_runtime_leave(), 0);
    ck_assert_err(fluv_loop_close(), 0); /* leaves, too */
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  ck_assert_int_eq(uv_loop_close(&loop), 0);
}

START_TEST(loops_come_and_go) {
  uv_thread_t threads[4];
  int i;

  for (i = 0; i < 4; i++)
    ck_assert_int_eq(uv_thread_create(&threads[i], come_and_go, rt), 0);
  for (i = 0; i < 4; i++)
    uv_thread_join(&threads[i]);
  ck_assert_int_eq(atomic_load(&count), 4 * 20 * 200);
}
END_TEST

/* A call may be on its way to one that has left. */
START_TEST(runtime_goes_when_its_guest_has_left) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;
  int i;

  options.workers = 1;
  for (i = 0; i < 100; i++) {
    fluv_runtime_t* made;
    fluv_remote_t* remotes[8];
    int k;

    ck_assert_err(fluv_runtime_new(&options, &made), 0);
    ck_assert_err(fluv_runtime_join(made), 0);
    test_turn(1); /* other members see it as idle */
    for (k = 0; k < 8; k++)
      ck_assert_err(
          fluv_runtime_spawn_remote(made, bump, (void*) 1, &remotes[k]),
          0);
    for (k = 0; k < 8; k++)
      fluv_remote_free(remotes[k]);
    ck_assert_err(fluv_runtime_leave(), 0);
    fluv_runtime_free(made);
    test_turn(1);
  }
}
END_TEST

START_TEST(nobody_joins_what_is_shut_down) {
  ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
  ck_assert_err(fluv_runtime_join(rt), FLUV_ESTOPPED);
}
END_TEST

/* Counters. */

/* After a poll, so that the loop has turned. */
static int64_t hold_for_20_ms(void* arg) {
  int64_t err = fluv_await(fluv_sleep(1));
  uint64_t end = uv_hrtime() + 20 * UINT64_C(1000000);

  (void) arg;
  while (uv_hrtime() < end)
    continue;
  return err;
}

static void nothing(void* arg) {
  (void) arg;
}

START_TEST(counters_tell_what_was_done) {
  fluv_metrics_t metrics = FLUV_METRICS_INIT;
  int i;

  ck_assert_err(fluv_block_on(fluv_runtime_spawn(rt, hold_for_20_ms, NULL)), 0);
  for (i = 0; i < 10; i++)
    ck_assert_err(fluv_post(fluv_runtime_get_loop(rt, 0), nothing, NULL), 0);
  ck_assert_err(
      fluv_block_on(fluv_spawn_on(fluv_runtime_get_loop(rt, 0), bump, NULL)),
      0);
  ck_assert_err(fluv_runtime_shutdown(rt, FLUV_FOREVER), 0);
  ck_assert_err(fluv_runtime_get_metrics(rt, 0, &metrics), 0);
  ck_assert_uint_eq(metrics.taken, 1);
  ck_assert_uint_ge(metrics.handed_over, 11);
  ck_assert_uint_ge(metrics.turns, 1);
  ck_assert_uint_ge(metrics.busy_ns, 20 * UINT64_C(1000000));
  ck_assert_uint_eq(metrics.tasks, 0);
  ck_assert_err(fluv_runtime_get_metrics(rt, 0, NULL), FLUV_EINVAL);
}
END_TEST

/* Idle. */

enum {
  MAX_SAMPLES = 200
};

/* How often threads of workers have gone to sleep so far. */
static long count_sleeps(void) {
  DIR* dir = opendir("/proc/self/task");
  struct dirent* entry;
  long sum = 0;

  ck_assert_ptr_nonnull(dir);
  while ((entry = readdir(dir)) != NULL) {
    char line[128];
    char path[64];
    bool worker = false;
    FILE* file;

    snprintf(path, sizeof(path), "/proc/self/task/%.16s/status", entry->d_name);
    file = entry->d_name[0] != '.' ? fopen(path, "r") : NULL;
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
      worker |= strncmp(line, "Name:\tfluv-", 11) == 0;
      if (worker && strncmp(line, "voluntary_ctxt_switches:", 24) == 0)
        sum += atol(line + 24);
    }
    if (file != NULL)
      fclose(file);
  }
  closedir(dir);
  return sum;
}

static void pause_10_ms(void) {
  const struct timespec t = { 0, 10000000 };

  nanosleep(&t, NULL);
}

/* In real time, because nothing must happen in it. A worker may spin for a
 * while after it was busy; then no worker wakes up and no time is computed. */
START_TEST(idle_workers_sleep) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;
  fluv_loop_options_t loop_options = FLUV_LOOP_OPTIONS_INIT;
  fluv_runtime_t* four;
  clock_t busy;
  long sleeps;
  int i;

  options.workers = 4;
  options.loop = &loop_options;
  loop_options.watchdog_ms = FLUV_WATCHDOG_NEVER;
  ck_assert_err(fluv_runtime_new(&options, &four), 0);
  for (i = 0; i < 100; i++)
    ck_assert_err(fluv_block_on(fluv_runtime_spawn(four, bump, NULL)), 0);
  for (i = 0; i < MAX_SAMPLES; i++) {
    sleeps = count_sleeps();
    busy = clock();
    pause_10_ms();
    if (count_sleeps() == sleeps && clock() - busy < CLOCKS_PER_SEC / 500)
      break;
  }
  ck_assert_int_gt(sleeps, 0);
  ck_assert_int_lt(i, MAX_SAMPLES);
  fluv_runtime_free(four);
}
END_TEST

/* fork(2). */

static int refused(void) {
  uv_loop_t* uv = test_uv;
  fluv_loop_t* loop = fluv_runtime_get_loop(rt, 0);

  (void) uv;
  if (fluv_loop_current() != NULL || loop != NULL)
    return 1;
  if (fluv_runtime_spawn_remote(rt, bump, NULL, NULL) != FLUV_EPERM)
    return 2;
  fluv_runtime_free(rt); /* is the parent's */
                         /* A loop of the child's own works. */
#if defined(FLUV_TSAN) && FLUV_TSAN
  set_workers("1"); /* it allows the child no threads */
#else
  set_workers("2");
#endif
  return fluv_run(spawn_many, NULL, NULL) == 19900 ? 0 : 3;
}

static int status_of_child(pid_t child) {
  int status;

  ck_assert_int_eq(waitpid(child, &status, 0), child);
  return status;
}

START_TEST(child_has_no_loop_and_no_workers) {
  fluv_loop_t* loop = fluv_loop_ref(fluv_loop_current());
  pid_t child;

  if (test_is_emulated("a forked child may make no threads"))
    return;
  ck_assert_err(fluv_runtime_start(rt), 0);
  child = fork();
  if (child == 0) {
    int status = refused();

    if (status == 0 && fluv_post(loop, nothing, NULL) != FLUV_EPERM)
      status = 4;
    if (status == 0 && fluv_spawn_remote(loop, bump, NULL, NULL) != FLUV_EPERM)
      status = 5;
    _exit(status);
  }
  ck_assert_int_eq(status_of_child(child), 0);
  fluv_loop_unref(loop);
  ck_assert_err(fluv_block_on(fluv_runtime_spawn(rt, bump, (void*) 4)), 4);
}
END_TEST

static Suite* member_suite(void) {
  Suite* s = suite_create("member");
  TCase* tc = test_case(s, "shutdown", NULL, NULL);

  tcase_add_loop_test(tc, run_spreads_over_workers, 0, 4);
  ADD(tc,
      the_main_thread_is_a_worker,
      threads_start_when_they_are_needed,
      run_ends_what_its_workers_do,
      workers_clean_up_with_the_main_loop,
      each_run_has_its_own,
      without_memory_there_is_no_runtime);

  tc = test_case(s, "basic", setup, teardown);
  ADD(tc,
      host_takes_part,
      host_spawns_outside_its_turns,
      what_a_leaver_has_queued_is_done_by_others,
      loops_come_and_go,
      runtime_goes_when_its_guest_has_left,
      nobody_joins_what_is_shut_down,
      counters_tell_what_was_done,
      idle_workers_sleep,
      child_has_no_loop_and_no_workers);
  return s;
}

TEST_MAIN(member_suite)

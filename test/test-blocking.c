/* SPDX-License-Identifier: MIT */
/* Blocking work: results, lines, letting go of what runs, shutdown. */
#include "fluv-test.h"

#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "runtime/jobs.h"

#define SLOTS 3 /* of a pool of four */

/* A job that says when it runs and goes on when it is told to. */
typedef struct gate {
  sem_t started;
  sem_t go;
  atomic_int ran;
  atomic_int freed;   /* calls of free_arg */
  atomic_int dropped; /* calls of drop_result */
  atomic_bool saw_cancel;
  int64_t value;
} gate_t;

static gate_t gate;

static void gate_init(gate_t* g, int64_t value) {
  memset(g, 0, sizeof(*g));
  sem_init(&g->started, 0, 0);
  sem_init(&g->go, 0, 0);
  g->value = value;
}

static void wait_for(sem_t* sem) {
  while (sem_wait(sem) != 0)
    continue;
}

static int64_t pass_gate(void* arg) {
  gate_t* g = arg;

  atomic_fetch_add(&g->ran, 1);
  sem_post(&g->started);
  wait_for(&g->go);
  atomic_store(&g->saw_cancel, fluv_blocking_is_cancelled());
  return g->value;
}

static void gate_free(void* arg) {
  atomic_fetch_add(&((gate_t*) arg)->freed, 1);
}

static void gate_drop(int64_t result, void* arg) {
  gate_t* g = arg;

  ck_assert_err(result, g->value);
  atomic_fetch_add(&g->dropped, 1);
}

static fluv_blocking_options_t gate_options(void) {
  fluv_blocking_options_t options = FLUV_BLOCKING_OPTIONS_INIT;

  options.name = "gate";
  options.free_arg = gate_free;
  options.drop_result = gate_drop;
  return options;
}

static fluv_future_t* spawn_gate(gate_t* g) {
  fluv_blocking_options_t options = gate_options();

  return fluv_spawn_blocking_with(pass_gate, g, &options);
}

/* A job that runs until it is let through. */
static fluv_future_t* run_gate(gate_t* g) {
  fluv_future_t* f = spawn_gate(g);

  wait_for(&g->started);
  return f;
}

static fluv_blocking_stats_t stats_now(void) {
  fluv_blocking_stats_t stats = FLUV_BLOCKING_STATS_INIT;

  ck_assert_err(fluv_blocking_get_stats(&stats), 0);
  return stats;
}

/* Jobs that have returned may still be on their way. */
static void wait_until_done(uint64_t done) {
  while (stats_now().done < done)
    sched_yield();
}

static void wait_until_free(void) {
  while (stats_now().running > 0)
    sched_yield();
}

/* All places of the pool taken. */
static gate_t taken[SLOTS];
static fluv_future_t* takers[SLOTS];

static void take_all(void) {
  int i;

  for (i = 0; i < SLOTS; i++) {
    gate_init(&taken[i], i);
    takers[i] = run_gate(&taken[i]);
  }
}

static void let_all_go(void) {
  int i;

  for (i = 0; i < SLOTS; i++)
    sem_post(&taken[i].go);
  for (i = 0; i < SLOTS; i++)
    ck_assert_err(fluv_block_on(takers[i]), i);
}

static int64_t give(void* arg) {
  return (int64_t) (intptr_t) arg;
}

static int64_t warm_up(void* arg) {
  return fluv_await(fluv_spawn_blocking(give, arg));
}

/* The pool opens descriptors with the first job, and keeps them. */
static void open_pool(void) {
  ck_assert_err(fluv_run(warm_up, NULL, NULL), 0);
  wait_until_free();
}

static void setup_jobs(void) {
  test_open_more = open_pool;
  test_setup();
  gate_init(&gate, 7);
}

static void setup_paused_jobs(void) {
  test_open_more = open_pool;
  test_setup_paused();
  gate_init(&gate, 7);
}

static void setup_one_thread(void) {
  setenv("UV_THREADPOOL_SIZE", "1", 1);
  setup_jobs();
}

static void teardown_jobs(void) {
  wait_until_free();
  test_teardown();
}

/* Basic. */

TEST_TASK(job_gives_its_result) {
  ck_assert_err(fluv_await(fluv_spawn_blocking(give, (void*) 12)), 12);
  ck_assert_err(fluv_await(fluv_spawn_blocking(give, (void*) FLUV_EPIPE)),
                FLUV_EPIPE);
  return 0;
}

static int64_t look_around(void* arg) {
  pthread_t* thread = arg;

  ck_assert(!pthread_equal(*thread, pthread_self()));
  ck_assert_ptr_null(fluv_loop_current());
  ck_assert_ptr_null(fluv_task_self());
  ck_assert(!fluv_blocking_is_cancelled());
  return 0;
}

START_TEST(job_runs_on_a_thread_without_a_loop) {
  pthread_t self = pthread_self();

  ck_assert_err(fluv_block_on(fluv_spawn_blocking(look_around, &self)), 0);
  ck_assert(!fluv_blocking_is_cancelled());
}
END_TEST

START_TEST(job_runs_although_nobody_waits_yet) {
  fluv_future_t* f = run_gate(&gate);

  ck_assert(!fluv_future_is_done(f));
  sem_post(&gate.go);
  ck_assert_err(fluv_block_on(f), 7);
  ck_assert_int_eq(gate.freed, 0);
  ck_assert_int_eq(gate.dropped, 0);
}
END_TEST

START_TEST(result_is_there_for_who_waits_later) {
  fluv_future_t* f = run_gate(&gate);
  uint64_t done = stats_now().done;

  sem_post(&gate.go);
  wait_until_done(done + 1);
  while (!fluv_future_is_done(f))
    test_turn(1);
  ck_assert_err(fluv_block_on(f), 7);
}
END_TEST

static int64_t wait_for_go(void* arg) {
  fluv_future_t* f = run_gate(arg);

  sem_post(&((gate_t*) arg)->go);
  return fluv_await(f);
}

START_TEST(job_keeps_its_loop_alive) {
  fluv_future_t* task = fluv_spawn(wait_for_go, &gate);

  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert(fluv_future_is_done(task));
  ck_assert_err(fluv_block_on(task), 7);
}
END_TEST

static int64_t unread;

static void note_unhandled(int64_t err, const char* what, void* arg) {
  (void) arg;
  ck_assert_has(what, "blocking job #");
  ck_assert_has(what, "test-blocking.c:");
  unread = err;
}

START_TEST(error_of_a_detached_job_goes_to_the_hook) {
  fluv_set_unhandled(note_unhandled, NULL);
  fluv_detach(fluv_spawn_blocking(give, (void*) FLUV_EPERM));
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  fluv_set_unhandled(NULL, NULL);
  ck_assert_err(unread, FLUV_EPERM);
}
END_TEST

static atomic_int order;

static int64_t take_number(void* arg) {
  (void) arg;
  return atomic_fetch_add(&order, 1);
}

START_TEST(jobs_of_a_full_pool_run_in_order) {
  enum {
    COUNT = 100
  };
  fluv_future_t* futures[COUNT];
  fluv_future_t* first = run_gate(&gate);
  int i;

  for (i = 0; i < COUNT; i++)
    futures[i] = fluv_spawn_blocking(take_number, NULL);
  ck_assert_uint_eq(stats_now().queued, COUNT);
  sem_post(&gate.go);
  for (i = 0; i < COUNT; i++)
    ck_assert_err(fluv_block_on(futures[i]), i);
  ck_assert_err(fluv_block_on(first), 7);
}
END_TEST

static int64_t await_small(void* arg) {
  return warm_up(arg);
}

static int64_t spawn_small(void* arg) {
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;

  options.stack_size = 16384;
  return fluv_await(fluv_spawn_with(await_small, arg, &options));
}

/* The first job opens the pool and its threads, from a task's stack. */
START_TEST(smallest_stack_is_enough_for_the_first_job) {
  ck_assert_err(fluv_run(spawn_small, (void*) 5, NULL), 5);
}
END_TEST

START_TEST(stats_count_jobs) {
  fluv_blocking_stats_t before = stats_now();
  fluv_blocking_stats_t stats;
  fluv_future_t* queued;

  ck_assert_uint_eq(before.pool_size, SLOTS + 1);
  ck_assert_uint_eq(before.slots, SLOTS);
  ck_assert_uint_eq(before.done, 1); /* that opened the pool */
  take_all();
  queued = spawn_gate(&gate);
  stats = stats_now();
  ck_assert_uint_eq(stats.running, SLOTS);
  ck_assert_uint_eq(stats.queued, 1);
  ck_assert_uint_ge(stats.most_queued, 1);
  ck_assert_uint_eq(stats.abandoned, 0);
  fluv_cancel(takers[0]);
  ck_assert_err(fluv_block_on(takers[0]), FLUV_ECANCELED);
  ck_assert_uint_eq(stats_now().abandoned, 1);
  fluv_drop(queued);
  ck_assert_uint_eq(stats_now().queued, 0);
  takers[0] = fluv_ready(0);
  let_all_go();
  wait_until_free();
  stats = stats_now();
  ck_assert_uint_eq(stats.abandoned, 0);
  ck_assert_uint_eq(stats.done, before.done + SLOTS);
}
END_TEST

START_TEST(limit_refuses_what_comes_on_top) {
  fluv_future_t* queued;

  take_all();
  fluv_blocking_set_limit(1);
  queued = fluv_spawn_blocking(give, (void*) 3);
  ck_assert_err(fluv_block_on(spawn_gate(&gate)), FLUV_EAGAIN);
  ck_assert_int_eq(gate.freed, 1);
  ck_assert_int_eq(gate.ran, 0);
  let_all_go();
  ck_assert_err(fluv_block_on(queued), 3);
  ck_assert_err(fluv_block_on(fluv_spawn_blocking(give, (void*) 4)), 4);
}
END_TEST

/* Files and names beside jobs. */

static int64_t stat_root(void* arg) {
  uv_fs_t req;
  int64_t err =
      fluv_await(FLUV_UV(&req, uv_fs_stat(test_uv, &req, "/", fluv_uv_on_fs)));

  (void) arg;
  uv_fs_req_cleanup(&req);
  return err;
}

static int64_t look_up(void* arg) {
  uv_getaddrinfo_cb on_found = fluv_uv_on_getaddrinfo;
  uv_getaddrinfo_t req;
  struct addrinfo hints;
  int64_t err;

  (void) arg;
  memset(&hints, 0, sizeof(hints));
  hints.ai_flags = AI_NUMERICHOST;
  err = fluv_await(FLUV_UV(
      &req,
      uv_getaddrinfo(test_uv, &req, on_found, "127.0.0.1", NULL, &hints)));
  uv_freeaddrinfo(req.addrinfo);
  return err;
}

START_TEST(files_and_names_go_on_while_the_pool_is_full) {
  fluv_future_t* more[2 * SLOTS];
  int i;

  take_all();
  for (i = 0; i < 2 * SLOTS; i++)
    more[i] = fluv_spawn_blocking(give, NULL);
  for (i = 0; i < 3; i++) {
    ck_assert_err(test_run(stat_root, NULL), 0);
    ck_assert_err(test_run(look_up, NULL), 0);
  }
  ck_assert_uint_eq(stats_now().queued, 2 * SLOTS);
  let_all_go();
  for (i = 0; i < 2 * SLOTS; i++)
    ck_assert_err(fluv_block_on(more[i]), 0);
}
END_TEST

static int64_t stat_and_number(void* arg) {
  int64_t err = stat_root(arg);

  return err < 0 ? err : (int64_t) stats_now().queued;
}

START_TEST(one_thread_is_shared_with_files) {
  fluv_future_t* first = run_gate(&gate);
  fluv_future_t* second;
  fluv_future_t* third;
  fluv_future_t* file;
  gate_t others[2];

  ck_assert_uint_eq(stats_now().slots, 1);
  gate_init(&others[0], 1);
  gate_init(&others[1], 2);
  second = spawn_gate(&others[0]);
  third = spawn_gate(&others[1]);
  file = fluv_spawn(stat_and_number, NULL);
  test_turn(2);
  sem_post(&gate.go);
  /* Neither of the others is let through: the file does not wait for them. */
  ck_assert_err(fluv_block_on(first), 7);
  ck_assert_int_ge(fluv_block_on(file), 1);
  sem_post(&others[0].go);
  sem_post(&others[1].go);
  ck_assert_err(fluv_block_on(second), 1);
  ck_assert_err(fluv_block_on(third), 2);
}
END_TEST

/* Cancel. */

START_TEST(queued_job_that_is_cancelled_never_runs) {
  fluv_future_t* f;

  take_all();
  f = spawn_gate(&gate);
  fluv_cancel(f);
  ck_assert(fluv_future_is_done(f));
  ck_assert_int_eq(gate.freed, 1);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  let_all_go();
  ck_assert_err(fluv_block_on(fluv_spawn_blocking(give, NULL)), 0);
  ck_assert_int_eq(gate.ran, 0);
  ck_assert_int_eq(gate.freed, 1);
  ck_assert_int_eq(gate.dropped, 0);
}
END_TEST

START_TEST(queued_job_that_is_dropped_never_runs) {
  take_all();
  fluv_drop(spawn_gate(&gate));
  ck_assert_int_eq(gate.freed, 1);
  let_all_go();
  ck_assert_int_eq(gate.ran, 0);
}
END_TEST

START_TEST(cancel_of_a_running_job_frees_its_waiter_at_once) {
  fluv_future_t* f = run_gate(&gate);

  fluv_cancel(f);
  ck_assert(fluv_future_is_done(f));
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  ck_assert_uint_eq(stats_now().abandoned, 1);
  sem_post(&gate.go);
  wait_until_free();
  ck_assert(gate.saw_cancel);
  ck_assert_int_eq(gate.dropped, 1);
  ck_assert_int_eq(gate.freed, 0);
}
END_TEST

START_TEST(drop_of_a_running_job_drops_its_result) {
  fluv_drop(run_gate(&gate));
  sem_post(&gate.go);
  wait_until_free();
  ck_assert(gate.saw_cancel);
  ck_assert_int_eq(gate.dropped, 1);
}
END_TEST

START_TEST(cancel_comes_too_late_for_a_job_that_has_returned) {
  fluv_future_t* f = run_gate(&gate);
  uint64_t done = stats_now().done;

  sem_post(&gate.go);
  wait_until_done(done + 1);
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), 7);
  ck_assert(!gate.saw_cancel);
  ck_assert_int_eq(gate.dropped, 0);
}
END_TEST

START_TEST(result_that_is_dropped_on_its_way_is_given_back) {
  fluv_future_t* f = run_gate(&gate);
  uint64_t done = stats_now().done;

  sem_post(&gate.go);
  wait_until_done(done + 1);
  fluv_drop(f);
  while (atomic_load(&gate.dropped) == 0)
    test_turn(1);
  ck_assert_int_eq(gate.dropped, 1);
}
END_TEST

START_TEST(result_that_is_cancelled_and_dropped_is_given_back_once) {
  fluv_future_t* f = run_gate(&gate);
  uint64_t done = stats_now().done;

  sem_post(&gate.go);
  wait_until_done(done + 1);
  fluv_cancel(f);
  fluv_drop(f);
  while (atomic_load(&gate.dropped) == 0)
    test_turn(1);
  test_turn(2);
  ck_assert_int_eq(gate.dropped, 1);
}
END_TEST

static int64_t await_gate(void* arg) {
  return fluv_await(spawn_gate(arg));
}

START_TEST(cancelled_task_goes_on_while_its_job_runs) {
  fluv_future_t* task = fluv_spawn(await_gate, &gate);

  test_turn(1);
  wait_for(&gate.started);
  fluv_cancel(task);
  ck_assert_err(fluv_block_on(task), FLUV_ECANCELED);
  sem_post(&gate.go);
  wait_until_free();
  ck_assert_int_eq(gate.dropped, 1);
}
END_TEST

static int64_t spawn_cancelled(void* arg) {
  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  return fluv_await(spawn_gate(arg));
}

START_TEST(cancelled_task_starts_no_job_that_must_wait) {
  fluv_future_t* task;

  take_all();
  task = fluv_spawn(spawn_cancelled, &gate);
  test_turn(1);
  fluv_cancel(task);
  ck_assert_err(fluv_block_on(task), FLUV_ECANCELED);
  ck_assert_int_eq(gate.freed, 1);
  let_all_go();
}
END_TEST

TEST_TASK(select_lets_go_of_a_running_job) {
  fluv_future_t* arms[] = { run_gate(&gate), fluv_ready(3) };
  int64_t result = 0;

  ck_assert_err(fluv_await(fluv_select(arms, 2, &result)), 1);
  ck_assert_err(result, 3);
  sem_post(&gate.go);
  wait_until_free();
  ck_assert_int_eq(gate.dropped, 1);
  return 0;
}

TEST_TASK(timeout_lets_go_of_a_running_job) {
  fluv_future_t* f = fluv_timeout(run_gate(&gate), 100);

  fluv_start(f);
  ck_assert_err(fluv_await(fluv_clock_advance(100)), 0);
  ck_assert_err(fluv_await(f), FLUV_ETIMEDOUT);
  sem_post(&gate.go);
  wait_until_free();
  return 0;
}

static int64_t sleep_long(void* arg) {
  return fluv_await(fluv_sleep(1000)) + *(int64_t*) arg;
}

START_TEST(paused_clock_stands_still_while_a_job_runs) {
  int64_t three = 3;
  fluv_future_t* job = run_gate(&gate);
  fluv_future_t* task = fluv_spawn(sleep_long, &three);
  int i;

  for (i = 0; i < 10; i++)
    uv_run(test_uv, UV_RUN_NOWAIT);
  ck_assert(!fluv_future_is_done(task));
  sem_post(&gate.go);
  ck_assert_err(fluv_block_on(job), 7);
  ck_assert_err(fluv_block_on(task), 3);
}
END_TEST

/* Close. */

/* Reads what is written to stderr until it holds a text. */
static int catch_stderr(void) {
  int fds[2];

  ck_assert_int_eq(pipe(fds), 0);
  ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
  close(fds[1]);
  return fds[0];
}

static void read_until(int fd, const char* part) {
  char text[8192];
  size_t len = 0;

  text[0] = '\0';
  while (strstr(text, part) == NULL) {
    ssize_t n;

    ck_assert_uint_lt(len, sizeof(text) - 1);
    n = read(fd, text + len, 1);
    ck_assert_int_eq(n, 1);
    text[++len] = '\0';
  }
}

static void close_while_waited_for(void* arg) {
  fluv_future_t* f;

  (void) arg;
  setup_jobs();
  f = run_gate(&gate);
  ck_assert_err(fluv_loop_close(), FLUV_EBUSY);
  sem_post(&gate.go);
  ck_assert_err(fluv_block_on(f), 7);
  teardown_jobs();
}

START_TEST(close_names_a_job_that_is_waited_for) {
  int status;
  char* text = test_stderr_of(close_while_waited_for, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "blocking job");
  ck_assert_has(text, "\"gate\"");
  ck_assert_has(text, "test-blocking.c:");
  free(text);
}
END_TEST

static void close_over_a_job(void* arg) {
  (void) arg;
  setup_jobs();
  fluv_drop(run_gate(&gate));
  ck_assert_err(fluv_loop_close(), 0);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  sem_post(&gate.go);
  wait_until_free();
  ck_assert_int_eq(gate.dropped, 1);
  ck_assert_err(fluv_attach(test_uv), 0);
  test_teardown();
}

START_TEST(abandoned_job_outlives_its_loop_and_is_named) {
  int status;
  char* text = test_stderr_of(close_over_a_job, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "the loop ends without blocking job \"gate\"");
  ck_assert_has(text, "test-blocking.c:");
  free(text);
}
END_TEST

static int64_t leave_job(void* arg) {
  fluv_drop(run_gate(arg));
  return 3;
}

static int64_t leave_detached_job(void* arg) {
  fluv_detach(run_gate(arg));
  return 3;
}

static int64_t stubborn(void* arg) {
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  return fluv_await(spawn_gate(arg));
}

static int64_t leave_stubborn_task(void* arg) {
  fluv_detach(fluv_spawn(stubborn, arg));
  fluv_yield();
  wait_for(&((gate_t*) arg)->started);
  return 3;
}

/* The main task leaves a job behind that only ends after fluv_run(). */
static void run_short(void* arg) {
  fluv_task_fn fn = *(fluv_task_fn*) arg;
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  options.shutdown_ms = 5;
  gate_init(&gate, 9);
  ck_assert_err(fluv_run(fn, &gate, &options), 3);
  ck_assert_int_eq(gate.dropped, 0);
  sem_post(&gate.go);
  wait_until_free();
  while (atomic_load(&gate.dropped) == 0)
    sched_yield();
  ck_assert_int_eq(gate.freed, 0);
}

START_TEST(run_leaves_a_job_that_does_not_end_in_time_and_names_it) {
  static fluv_task_fn fns[] = { leave_job, leave_detached_job };
  size_t i;

  for (i = 0; i < 2; i++) {
    int status;
    char* text = test_stderr_of(run_short, &fns[i], &status);

    ck_assert_int_eq(status, 0);
    ck_assert_has(text, "without blocking job \"gate\"");
    ck_assert_has(text, "test-blocking.c:");
    free(text);
  }
}
END_TEST

START_TEST(run_leaves_a_job_that_a_stubborn_task_waits_for) {
  fluv_task_fn fn = leave_stubborn_task;
  int status;
  char* text = test_stderr_of(run_short, &fn, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "waiting for blocking job");
  free(text);
}
END_TEST

static int64_t end_when_cancelled(void* arg) {
  gate_t* g = arg;

  sem_post(&g->started);
  while (!fluv_blocking_is_cancelled())
    sched_yield();
  return g->value;
}

static int64_t leave_polite_job(void* arg) {
  fluv_blocking_options_t options = gate_options();
  fluv_future_t* f =
      fluv_spawn_blocking_with(end_when_cancelled, arg, &options);

  wait_for(&((gate_t*) arg)->started);
  fluv_detach(f);
  return 3;
}

static void run_polite(void* arg) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  (void) arg;
  options.shutdown_ms = 60000;
  gate_init(&gate, 9);
  ck_assert_err(fluv_run(leave_polite_job, &gate, &options), 3);
  ck_assert_int_eq(gate.dropped, 1);
  ck_assert_uint_eq(stats_now().running, 0);
}

START_TEST(run_waits_for_jobs_that_end_in_time) {
  int status;
  char* text = test_stderr_of(run_polite, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_str_eq(text, "");
  free(text);
}
END_TEST

START_TEST(full_pool_is_reported_once_an_episode_with_the_names) {
  char line[64];
  int fd;
  int i;

  fluv__jobs_patience = 5000000;
  fd = catch_stderr();
  for (i = 0; i < 2; i++) {
    fluv_future_t* f;

    take_all();
    f = fluv_spawn_blocking(give, (void*) 2);
    read_until(fd, "1 blocking jobs wait, ");
    snprintf(line,
             sizeof(line),
             "all %d places of the pool are taken\n",
             SLOTS);
    read_until(fd, line);
    for (int k = 0; k < SLOTS; k++)
      read_until(fd, "taken by blocking job \"gate\", made at ");
    read_until(fd, " ms\n");
    let_all_go();
    ck_assert_err(fluv_block_on(f), 2);
  }
  close(fd);
}
END_TEST

/* Threads. */

enum {
  THREADS = 4,
  ROUNDS = 200,
  BURST = 20
};

static atomic_int made;
static atomic_int ended; /* ran, was freed, or was dropped */

static int64_t short_job(void* arg) {
  if (fluv_blocking_is_cancelled())
    sched_yield();
  return (int64_t) (intptr_t) arg;
}

static void count_free(void* arg) {
  (void) arg;
  atomic_fetch_add(&ended, 1);
}

static void count_drop(int64_t result, void* arg) {
  ck_assert_err(result, (int64_t) (intptr_t) arg);
  atomic_fetch_add(&ended, 1);
}

static int64_t stress_loop(void* arg) {
  fluv_blocking_options_t options = FLUV_BLOCKING_OPTIONS_INIT;
  unsigned seed = *(unsigned*) arg;
  fluv_future_t* futures[BURST];
  int round;
  int i;

  options.free_arg = count_free;
  options.drop_result = count_drop;
  for (round = 0; round < ROUNDS; round++) {
    for (i = 0; i < BURST; i++) {
      futures[i] =
          fluv_spawn_blocking_with(short_job, (void*) (intptr_t) i, &options);
      atomic_fetch_add(&made, 1);
    }
    for (i = 0; i < BURST; i++) {
      int what = rand_r(&seed) % 4;
      int64_t result;

      if (what == 0) {
        /* Done, it is dropped as every result that nobody reads. */
        if (fluv_future_is_done(futures[i]))
          atomic_fetch_add(&ended, 1);
        fluv_drop(futures[i]);
        continue;
      }
      if (what == 1)
        fluv_cancel(futures[i]);
      result = fluv_await(futures[i]);
      ck_assert(result == i || (what == 1 && result == FLUV_ECANCELED));
      if (result == i)
        atomic_fetch_add(&ended, 1);
    }
  }
  return 0;
}

static void stress_thread(void* arg) {
  ck_assert_err(fluv_run(stress_loop, arg, NULL), 0);
}

START_TEST(jobs_of_many_loops_are_lost_nowhere) {
  unsigned seed = (unsigned) time(NULL);
  unsigned seeds[THREADS];
  uv_thread_t threads[THREADS];
  int i;

  printf("# seed %u\n", seed);
  for (i = 0; i < THREADS; i++) {
    seeds[i] = seed + (unsigned) i;
    ck_assert_int_eq(uv_thread_create(&threads[i], stress_thread, &seeds[i]),
                     0);
  }
  for (i = 0; i < THREADS; i++)
    uv_thread_join(&threads[i]);
  wait_until_free();
  ck_assert_int_eq(made, THREADS * ROUNDS * BURST);
  while (atomic_load(&ended) < atomic_load(&made))
    sched_yield();
  ck_assert_int_eq(ended, made);
  ck_assert_uint_eq(stats_now().queued, 0);
}
END_TEST

static void run_job_here(void* arg) {
  *(int64_t*) arg = fluv_run(warm_up, (void*) 6, NULL);
}

START_TEST(job_of_another_loop_waits_in_the_same_line) {
  int64_t result = 0;
  uv_thread_t thread;

  take_all();
  ck_assert_int_eq(uv_thread_create(&thread, run_job_here, &result), 0);
  while (stats_now().queued == 0)
    sched_yield();
  let_all_go();
  uv_thread_join(&thread);
  ck_assert_err(result, 6);
}
END_TEST

static int64_t run_a_loop(void* arg) {
  return fluv_run(warm_up, arg, NULL);
}

START_TEST(job_may_run_a_loop_of_its_own) {
  ck_assert_err(fluv_block_on(fluv_spawn_blocking(run_a_loop, (void*) 8)), 8);
}
END_TEST

static void run_in_a_child(void* arg) {
  int64_t result = 0;

  (void) arg;
  /* Not on this thread: it has its parent's loop. */
  test_on_thread(run_job_here, &result);
  ck_assert_err(result, 6);
}

START_TEST(child_of_a_fork_has_a_pool_of_its_own) {
  fluv_future_t* f;
  int status = 0;
  char* text;

#if defined(FLUV_TSAN) && FLUV_TSAN
  return; /* it allows no threads there */
#endif
  f = run_gate(&gate);
  text = test_stderr_of(run_in_a_child, NULL, &status);
  ck_assert_int_eq(status, 0);
  free(text);
  sem_post(&gate.go);
  ck_assert_err(fluv_block_on(f), 7);
}
END_TEST

/* Out of memory. */

static int64_t one_job(void* arg) {
  return fluv_await(fluv_spawn_blocking(give, arg));
}

START_TEST(out_of_memory_for_a_job) {
  test_open_more = open_pool;
  TEST_OOM(one_job, NULL);
}
END_TEST

static int64_t refused_job(void* arg) {
  gate_t* g = arg;
  fluv_future_t* f;
  int64_t result;

  gate_init(g, 1);
  f = spawn_gate(g);
  sem_post(&g->go);
  result = fluv_await(f);
  if (result == FLUV_ENOMEM)
    ck_assert_int_eq(g->freed, 1);
  else
    ck_assert_int_eq(g->freed, 0);
  return result;
}

START_TEST(job_that_is_not_made_gives_its_argument_back) {
  test_open_more = open_pool;
  TEST_OOM(refused_job, &gate);
}
END_TEST

/* Misuse. */

START_TEST(spawn_refuses_what_makes_no_sense) {
  fluv_blocking_options_t options = gate_options();
  fluv_blocking_stats_t stats = { 0 };

  ck_assert_err(fluv_block_on(fluv_spawn_blocking_with(NULL, &gate, &options)),
                FLUV_EINVAL);
  ck_assert_int_eq(gate.freed, 1);
  options.size = 1;
  ck_assert_err(fluv_block_on(fluv_spawn_blocking_with(give, &gate, &options)),
                FLUV_EINVAL);
  ck_assert_err(fluv_blocking_get_stats(NULL), FLUV_EINVAL);
  ck_assert_err(fluv_blocking_get_stats(&stats), FLUV_EINVAL);
}
END_TEST

static void spawn_without_a_loop(void* arg) {
  *(int64_t*) arg = fluv_future_get_result(fluv_spawn_blocking(give, NULL));
}

START_TEST(spawn_needs_a_loop) {
  int64_t result = 0;

  test_on_thread(spawn_without_a_loop, &result);
  ck_assert_err(result, FLUV_ENOLOOP);
}
END_TEST

static void add_own_process_tests(Suite* s) {
  TCase* tc = test_case(s, "basic", NULL, NULL);

  ADD(tc, smallest_stack_is_enough_for_the_first_job);
  tc = test_case(s, "close", NULL, NULL);
  ADD(tc,
      close_names_a_job_that_is_waited_for,
      abandoned_job_outlives_its_loop_and_is_named,
      run_leaves_a_job_that_does_not_end_in_time_and_names_it,
      run_leaves_a_job_that_a_stubborn_task_waits_for,
      run_waits_for_jobs_that_end_in_time);
  tc = test_case(s, "oom", NULL, NULL);
  ADD(tc,
      out_of_memory_for_a_job,
      job_that_is_not_made_gives_its_argument_back);
}

static Suite* blocking_suite(void) {
  Suite* s = suite_create("blocking");
  TCase* tc = test_case(s, "basic", setup_jobs, teardown_jobs);

  ADD(tc,
      job_gives_its_result,
      job_runs_on_a_thread_without_a_loop,
      job_runs_although_nobody_waits_yet,
      result_is_there_for_who_waits_later,
      job_keeps_its_loop_alive,
      error_of_a_detached_job_goes_to_the_hook,
      stats_count_jobs,
      limit_refuses_what_comes_on_top,
      files_and_names_go_on_while_the_pool_is_full,
      full_pool_is_reported_once_an_episode_with_the_names);

  tc = test_case(s, "basic", setup_one_thread, teardown_jobs);
  ADD(tc, jobs_of_a_full_pool_run_in_order, one_thread_is_shared_with_files);

  tc = test_case(s, "basic", setup_paused_jobs, teardown_jobs);
  ADD(tc,
      timeout_lets_go_of_a_running_job,
      paused_clock_stands_still_while_a_job_runs);

  tc = test_case(s, "cancel", setup_jobs, teardown_jobs);
  ADD(tc,
      queued_job_that_is_cancelled_never_runs,
      queued_job_that_is_dropped_never_runs,
      cancel_of_a_running_job_frees_its_waiter_at_once,
      drop_of_a_running_job_drops_its_result,
      cancel_comes_too_late_for_a_job_that_has_returned,
      result_that_is_dropped_on_its_way_is_given_back,
      result_that_is_cancelled_and_dropped_is_given_back_once,
      cancelled_task_goes_on_while_its_job_runs,
      cancelled_task_starts_no_job_that_must_wait,
      select_lets_go_of_a_running_job);

  tc = test_case(s, "threads", setup_jobs, teardown_jobs);
  ADD(tc,
      jobs_of_many_loops_are_lost_nowhere,
      job_of_another_loop_waits_in_the_same_line,
      job_may_run_a_loop_of_its_own,
      child_of_a_fork_has_a_pool_of_its_own);

  tc = test_case(s, "misuse", setup_jobs, teardown_jobs);
  ADD(tc, spawn_refuses_what_makes_no_sense, spawn_needs_a_loop);
  add_own_process_tests(s);
  return s;
}

TEST_MAIN(blocking_suite)

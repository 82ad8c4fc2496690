/* SPDX-License-Identifier: MIT */
/* Blocking work: results, lines, a pool shared with files, loops in threads. */
#include "fluv-test-jobs.h"

#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "runtime/jobs.h"

static void setup_one_thread(void) {
  setenv("UV_THREADPOOL_SIZE", "1", 1);
  jobs_setup();
}

/* Basic. */

TEST_TASK(job_gives_its_result) {
  ck_assert_err(fluv_await(fluv_spawn_blocking(jobs_give, (void*) 12)), 12);
  ck_assert_err(fluv_await(fluv_spawn_blocking(jobs_give, (void*) FLUV_EPIPE)),
                FLUV_EPIPE);
  return 0;
}

static int64_t query_all(void* arg) {
  pthread_t* thread = arg;

  ck_assert(!pthread_equal(*thread, pthread_self()));
  ck_assert_ptr_null(fluv_loop_current());
  ck_assert_ptr_null(fluv_task_self());
  ck_assert(!fluv_blocking_is_cancelled());
  return 0;
}

START_TEST(job_runs_on_a_thread_without_a_loop) {
  pthread_t self = pthread_self();

  ck_assert_err(fluv_block_on(fluv_spawn_blocking(query_all, &self)), 0);
  ck_assert(!fluv_blocking_is_cancelled());
}
END_TEST

START_TEST(job_runs_although_nobody_waits_yet) {
  fluv_future_t* f = gate_run(&gate);

  ck_assert(!fluv_future_is_done(f));
  sem_post(&gate.go);
  ck_assert_err(fluv_block_on(f), 7);
  ck_assert_int_eq(gate.freed, 0);
  ck_assert_int_eq(gate.dropped, 0);
}
END_TEST

START_TEST(result_is_there_for_who_waits_later) {
  fluv_future_t* f = gate_run(&gate);
  uint64_t done = jobs_stats().done;

  sem_post(&gate.go);
  jobs_wait_done(done + 1);
  while (!fluv_future_is_done(f))
    test_turn(1);
  ck_assert_err(fluv_block_on(f), 7);
}
END_TEST

static int64_t wait_for_go(void* arg) {
  fluv_future_t* f = gate_run(arg);

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
  fluv_detach(fluv_spawn_blocking(jobs_give, (void*) FLUV_EPERM));
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
  fluv_future_t* first = gate_run(&gate);
  int i;

  for (i = 0; i < COUNT; i++)
    futures[i] = fluv_spawn_blocking(take_number, NULL);
  ck_assert_uint_eq(jobs_stats().queued, COUNT);
  sem_post(&gate.go);
  for (i = 0; i < COUNT; i++)
    ck_assert_err(fluv_block_on(futures[i]), i);
  ck_assert_err(fluv_block_on(first), 7);
}
END_TEST

static int64_t await_small(void* arg) {
  return jobs_warm_up(arg);
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
  fluv_blocking_stats_t before = jobs_stats();
  fluv_blocking_stats_t stats;
  fluv_future_t* queued;

  ck_assert_uint_eq(before.pool_size, JOBS_SLOTS + 1);
  ck_assert_uint_eq(before.slots, JOBS_SLOTS);
  ck_assert_uint_eq(before.done, 1); /* that opened the pool */
  jobs_take_all();
  queued = gate_spawn(&gate);
  stats = jobs_stats();
  ck_assert_uint_eq(stats.running, JOBS_SLOTS);
  ck_assert_uint_eq(stats.queued, 1);
  ck_assert_uint_ge(stats.most_queued, 1);
  ck_assert_uint_eq(stats.abandoned, 0);
  fluv_cancel(jobs_takers[0]);
  ck_assert_err(fluv_block_on(jobs_takers[0]), FLUV_ECANCELED);
  ck_assert_uint_eq(jobs_stats().abandoned, 1);
  fluv_drop(queued);
  ck_assert_uint_eq(jobs_stats().queued, 0);
  jobs_takers[0] = fluv_ready(0);
  jobs_release();
  jobs_wait_free();
  stats = jobs_stats();
  ck_assert_uint_eq(stats.abandoned, 0);
  ck_assert_uint_eq(stats.done, before.done + JOBS_SLOTS);
}
END_TEST

START_TEST(limit_refuses_what_comes_on_top) {
  fluv_future_t* queued;

  jobs_take_all();
  fluv_blocking_set_limit(1);
  queued = fluv_spawn_blocking(jobs_give, (void*) 3);
  ck_assert_err(fluv_block_on(gate_spawn(&gate)), FLUV_EAGAIN);
  ck_assert_int_eq(gate.freed, 1);
  ck_assert_int_eq(gate.ran, 0);
  jobs_release();
  ck_assert_err(fluv_block_on(queued), 3);
  ck_assert_err(fluv_block_on(fluv_spawn_blocking(jobs_give, (void*) 4)), 4);
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
  fluv_future_t* more[2 * JOBS_SLOTS];
  int i;

  jobs_take_all();
  for (i = 0; i < 2 * JOBS_SLOTS; i++)
    more[i] = fluv_spawn_blocking(jobs_give, NULL);
  for (i = 0; i < 3; i++) {
    ck_assert_err(test_run(stat_root, NULL), 0);
    ck_assert_err(test_run(look_up, NULL), 0);
  }
  ck_assert_uint_eq(jobs_stats().queued, 2 * JOBS_SLOTS);
  jobs_release();
  for (i = 0; i < 2 * JOBS_SLOTS; i++)
    ck_assert_err(fluv_block_on(more[i]), 0);
}
END_TEST

static int64_t stat_and_number(void* arg) {
  int64_t err = stat_root(arg);

  return err < 0 ? err : (int64_t) jobs_stats().queued;
}

START_TEST(one_thread_is_shared_with_files) {
  fluv_future_t* first = gate_run(&gate);
  fluv_future_t* second;
  fluv_future_t* third;
  fluv_future_t* file;
  gate_t others[2];

  ck_assert_uint_eq(jobs_stats().slots, 1);
  gate_init(&others[0], 1);
  gate_init(&others[1], 2);
  second = gate_spawn(&others[0]);
  third = gate_spawn(&others[1]);
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

static int64_t sleep_long(void* arg) {
  return fluv_await(fluv_sleep(1000)) + *(int64_t*) arg;
}

START_TEST(paused_clock_stands_still_while_a_job_runs) {
  int64_t three = 3;
  fluv_future_t* job = gate_run(&gate);
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

/* A pool that is full for long. */

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

START_TEST(full_pool_is_reported_once_an_episode_with_the_names) {
  char line[64];
  int fd;
  int i;

  fluv__jobs_starvation = 5000000;
  fd = catch_stderr();
  for (i = 0; i < 2; i++) {
    fluv_future_t* f;

    jobs_take_all();
    f = fluv_spawn_blocking(jobs_give, (void*) 2);
    read_until(fd, "1 blocking jobs are queued, ");
    snprintf(line,
             sizeof(line),
             "all %d threads for jobs are busy\n",
             JOBS_SLOTS);
    read_until(fd, line);
    for (int k = 0; k < JOBS_SLOTS; k++)
      read_until(fd, "busy with blocking job \"gate\", made at ");
    read_until(fd, " ms\n");
    jobs_release();
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
        /* Done: it is dropped like every result that is not read. */
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
  jobs_wait_free();
  ck_assert_int_eq(made, THREADS * ROUNDS * BURST);
  while (atomic_load(&ended) < atomic_load(&made))
    sched_yield();
  ck_assert_int_eq(ended, made);
  ck_assert_uint_eq(jobs_stats().queued, 0);
}
END_TEST

static void run_job_here(void* arg) {
  *(int64_t*) arg = fluv_run(jobs_warm_up, (void*) 6, NULL);
}

START_TEST(job_of_another_loop_waits_in_the_same_line) {
  int64_t result = 0;
  uv_thread_t thread;

  jobs_take_all();
  ck_assert_int_eq(uv_thread_create(&thread, run_job_here, &result), 0);
  while (jobs_stats().queued == 0)
    sched_yield();
  jobs_release();
  uv_thread_join(&thread);
  ck_assert_err(result, 6);
}
END_TEST

static int64_t run_a_loop(void* arg) {
  return fluv_run(jobs_warm_up, arg, NULL);
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

  if (test_is_emulated("a forked child may make no threads"))
    return;
#if defined(FLUV_TSAN) && FLUV_TSAN
  return; /* it allows no threads there */
#endif
  f = gate_run(&gate);
  text = test_stderr_of(run_in_a_child, NULL, &status);
  ck_assert_int_eq(status, 0);
  free(text);
  sem_post(&gate.go);
  ck_assert_err(fluv_block_on(f), 7);
}
END_TEST

/* Out of memory. */

static int64_t one_job(void* arg) {
  return fluv_await(fluv_spawn_blocking(jobs_give, arg));
}

START_TEST(out_of_memory_for_a_job) {
  test_open_more = jobs_open_pool;
  TEST_OOM(one_job, NULL);
}
END_TEST

static int64_t refused_job(void* arg) {
  gate_t* g = arg;
  fluv_future_t* f;
  int64_t result;

  gate_init(g, 1);
  f = gate_spawn(g);
  sem_post(&g->go);
  result = fluv_await(f);
  if (result == FLUV_ENOMEM)
    ck_assert_int_eq(g->freed, 1);
  else
    ck_assert_int_eq(g->freed, 0);
  return result;
}

START_TEST(job_that_is_not_made_gives_its_argument_back) {
  test_open_more = jobs_open_pool;
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
  ck_assert_err(
      fluv_block_on(fluv_spawn_blocking_with(jobs_give, &gate, &options)),
      FLUV_EINVAL);
  ck_assert_err(fluv_blocking_get_stats(NULL), FLUV_EINVAL);
  stats.size = 1;
  ck_assert_err(fluv_blocking_get_stats(&stats), FLUV_EINVAL);
}
END_TEST

static void spawn_without_a_loop(void* arg) {
  *(int64_t*) arg =
      fluv_future_get_result(fluv_spawn_blocking(jobs_give, NULL));
}

START_TEST(spawn_needs_a_loop) {
  int64_t result = 0;

  test_on_thread(spawn_without_a_loop, &result);
  ck_assert_err(result, FLUV_ENOLOOP);
}
END_TEST

static Suite* blocking_suite(void) {
  Suite* s = suite_create("blocking");
  TCase* tc = test_case(s, "basic", jobs_setup, jobs_teardown);

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
  tc = test_case(s, "basic", setup_one_thread, jobs_teardown);
  ADD(tc, jobs_of_a_full_pool_run_in_order, one_thread_is_shared_with_files);
  tc = test_case(s, "basic", jobs_setup_paused, jobs_teardown);
  ADD(tc, paused_clock_stands_still_while_a_job_runs);
  tc = test_case(s, "basic", NULL, NULL);
  ADD(tc, smallest_stack_is_enough_for_the_first_job);

  tc = test_case(s, "threads", jobs_setup, jobs_teardown);
  ADD(tc,
      jobs_of_many_loops_are_lost_nowhere,
      job_of_another_loop_waits_in_the_same_line,
      job_may_run_a_loop_of_its_own,
      child_of_a_fork_has_a_pool_of_its_own);

  tc = test_case(s, "misuse", jobs_setup, jobs_teardown);
  ADD(tc, spawn_refuses_what_makes_no_sense, spawn_needs_a_loop);

  tc = test_case(s, "oom", NULL, NULL);
  ADD(tc,
      out_of_memory_for_a_job,
      job_that_is_not_made_gives_its_argument_back);
  return s;
}

TEST_MAIN(blocking_suite)

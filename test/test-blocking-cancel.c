/* SPDX-License-Identifier: MIT */
/* Blocking jobs that are abandoned: cancelled, dropped, or orphaned by their
 * loop. */
#include "fluv-test-jobs.h"

#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/jobs.h"

/* Cancel. */

START_TEST(queued_job_that_is_cancelled_never_runs) {
  fluv_future_t* f;

  jobs_take_all();
  f = gate_spawn(&gate);
  fluv_cancel(f);
  ck_assert(fluv_future_is_done(f));
  ck_assert_int_eq(gate.freed, 1);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  jobs_release();
  ck_assert_err(fluv_block_on(fluv_spawn_blocking(jobs_give, NULL)), 0);
  ck_assert_int_eq(gate.ran, 0);
  ck_assert_int_eq(gate.freed, 1);
  ck_assert_int_eq(gate.dropped, 0);
}
END_TEST

START_TEST(queued_job_that_is_dropped_never_runs) {
  jobs_take_all();
  fluv_drop(gate_spawn(&gate));
  ck_assert_int_eq(gate.freed, 1);
  jobs_release();
  ck_assert_int_eq(gate.ran, 0);
}
END_TEST

START_TEST(cancel_of_a_running_job_frees_its_waiter_at_once) {
  fluv_future_t* f = gate_run(&gate);

  fluv_cancel(f);
  ck_assert(fluv_future_is_done(f));
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  ck_assert_uint_eq(jobs_stats().abandoned, 1);
  sem_post(&gate.go);
  jobs_wait_free();
  ck_assert(gate.saw_cancel);
  ck_assert_int_eq(gate.dropped, 1);
  ck_assert_int_eq(gate.freed, 0);
}
END_TEST

START_TEST(drop_of_a_running_job_drops_its_result) {
  fluv_drop(gate_run(&gate));
  sem_post(&gate.go);
  jobs_wait_free();
  ck_assert(gate.saw_cancel);
  ck_assert_int_eq(gate.dropped, 1);
}
END_TEST

START_TEST(cancel_comes_too_late_for_a_job_that_has_returned) {
  fluv_future_t* f = gate_run(&gate);
  uint64_t done = jobs_stats().done;

  sem_post(&gate.go);
  jobs_wait_done(done + 1);
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), 7);
  ck_assert(!gate.saw_cancel);
  ck_assert_int_eq(gate.dropped, 0);
}
END_TEST

START_TEST(result_that_is_dropped_on_its_way_is_given_back) {
  fluv_future_t* f = gate_run(&gate);
  uint64_t done = jobs_stats().done;

  sem_post(&gate.go);
  jobs_wait_done(done + 1);
  fluv_drop(f);
  while (atomic_load(&gate.dropped) == 0)
    test_turn(1);
  ck_assert_int_eq(gate.dropped, 1);
}
END_TEST

START_TEST(result_that_is_cancelled_and_dropped_is_given_back_once) {
  fluv_future_t* f = gate_run(&gate);
  uint64_t done = jobs_stats().done;

  sem_post(&gate.go);
  jobs_wait_done(done + 1);
  fluv_cancel(f);
  fluv_drop(f);
  while (atomic_load(&gate.dropped) == 0)
    test_turn(1);
  test_turn(2);
  ck_assert_int_eq(gate.dropped, 1);
}
END_TEST

static int64_t await_gate(void* arg) {
  return fluv_await(gate_spawn(arg));
}

START_TEST(cancelled_task_goes_on_while_its_job_runs) {
  fluv_future_t* task = fluv_spawn(await_gate, &gate);

  test_turn(1);
  gate_wait(&gate.started);
  fluv_cancel(task);
  ck_assert_err(fluv_block_on(task), FLUV_ECANCELED);
  sem_post(&gate.go);
  jobs_wait_free();
  ck_assert_int_eq(gate.dropped, 1);
}
END_TEST

static int64_t spawn_cancelled(void* arg) {
  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  return fluv_await(gate_spawn(arg));
}

START_TEST(cancelled_task_starts_no_job_that_must_wait) {
  fluv_future_t* task;

  jobs_take_all();
  task = fluv_spawn(spawn_cancelled, &gate);
  test_turn(1);
  fluv_cancel(task);
  ck_assert_err(fluv_block_on(task), FLUV_ECANCELED);
  ck_assert_int_eq(gate.freed, 1);
  jobs_release();
}
END_TEST

TEST_TASK(select_abandons_a_running_job) {
  fluv_future_t* arms[] = { gate_run(&gate), fluv_ready(3) };
  int64_t result = 0;

  ck_assert_err(fluv_await(fluv_select(arms, 2, &result)), 1);
  ck_assert_err(result, 3);
  sem_post(&gate.go);
  jobs_wait_free();
  ck_assert_int_eq(gate.dropped, 1);
  return 0;
}

TEST_TASK(timeout_abandons_a_running_job) {
  fluv_future_t* f = fluv_timeout(gate_run(&gate), 100);

  fluv_start(f);
  ck_assert_err(fluv_await(fluv_clock_advance(100)), 0);
  ck_assert_err(fluv_await(f), FLUV_ETIMEDOUT);
  sem_post(&gate.go);
  jobs_wait_free();
  return 0;
}

/* Close. */

static void close_while_waited_for(void* arg) {
  fluv_future_t* f;

  (void) arg;
  jobs_setup();
  f = gate_run(&gate);
  ck_assert_err(fluv_loop_close(), FLUV_EBUSY);
  sem_post(&gate.go);
  ck_assert_err(fluv_block_on(f), 7);
  jobs_teardown();
}

START_TEST(close_names_a_job_that_is_waited_for) {
  int status;
  char* text = test_stderr_of(close_while_waited_for, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "blocking job");
  ck_assert_has(text, "\"gate\"");
  ck_assert_has(text, "fluv-test-jobs.c:");
  free(text);
}
END_TEST

static void close_over_a_job(void* arg) {
  (void) arg;
  jobs_setup();
  fluv_drop(gate_run(&gate));
  ck_assert_err(fluv_loop_close(), 0);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  sem_post(&gate.go);
  jobs_wait_free();
  ck_assert_int_eq(gate.dropped, 1);
  ck_assert_err(fluv_attach(test_uv), 0);
  test_teardown();
}

START_TEST(abandoned_job_outlives_its_loop_and_is_named) {
  int status;
  char* text = test_stderr_of(close_over_a_job, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "the loop ends without blocking job \"gate\"");
  ck_assert_has(text, "fluv-test-jobs.c:");
  free(text);
}
END_TEST

static int64_t leave_job(void* arg) {
  fluv_drop(gate_run(arg));
  return 3;
}

static int64_t leave_detached_job(void* arg) {
  fluv_detach(gate_run(arg));
  return 3;
}

static int64_t stubborn(void* arg) {
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  return fluv_await(gate_spawn(arg));
}

static int64_t leave_stubborn_task(void* arg) {
  fluv_detach(fluv_spawn(stubborn, arg));
  fluv_yield();
  gate_wait(&((gate_t*) arg)->started);
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
  jobs_wait_free();
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
    ck_assert_has(text, "fluv-test-jobs.c:");
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

#ifdef HAVE_ON_EXIT

static int64_t never_return(void* arg) {
  sem_post(arg);
  while (pause() != 0)
    continue;
  return 0;
}

static int64_t abandon_it(void* arg) {
  fluv_future_t* f = fluv_spawn_blocking(never_return, arg);

  gate_wait(arg);
  fluv_drop(f);
  return 0;
}

static void exit_with_a_job(void* arg) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  sem_t started;

  (void) arg;
  fluv__jobs_starvation = 20 * UINT64_C(1000000);
  options.shutdown_ms = 5;
  sem_init(&started, 0, 0);
  ck_assert_err(fluv_run(abandon_it, &started, &options), 0);
  exit(7);
}

START_TEST(exit_does_not_wait_for_ever_for_an_abandoned_job) {
  int status;
  char* text = test_stderr_of(exit_with_a_job, NULL, &status);

  ck_assert(WIFEXITED(status));
  ck_assert_int_eq(WEXITSTATUS(status), 7);
  ck_assert_has(text, "the process ends without blocking job");
  ck_assert_has(text, "abandon_it");
  free(text);
}
END_TEST

static int64_t exit_and_await(void* arg) {
  fluv_future_t* waited_for = fluv_spawn_blocking(never_return, arg);

  gate_wait(arg);
  fluv_detach(fluv_spawn_blocking(jobs_give, NULL));
  (void) waited_for;
  exit(8);
  return 0;
}

static void exit_in_a_task(void* arg) {
  sem_t started;

  (void) arg;
  fluv__jobs_starvation = 20 * UINT64_C(1000000);
  sem_init(&started, 0, 0);
  (void) fluv_run(exit_and_await, &started, NULL);
}

START_TEST(exit_does_not_wait_for_ever_for_a_job_that_is_waited_for) {
  int status;
  char* text = test_stderr_of(exit_in_a_task, NULL, &status);

  ck_assert(WIFEXITED(status));
  ck_assert_int_eq(WEXITSTATUS(status), 8);
  ck_assert_has(text, "the process ends without blocking job");
  ck_assert_has(text, "exit_and_await");
  free(text);
}
END_TEST

#endif

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

  gate_wait(&((gate_t*) arg)->started);
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
  ck_assert_uint_eq(jobs_stats().running, 0);
}

START_TEST(run_waits_for_jobs_that_end_in_time) {
  int status;
  char* text = test_stderr_of(run_polite, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_str_eq(text, "");
  free(text);
}
END_TEST

static Suite* blocking_cancel_suite(void) {
  Suite* s = suite_create("blocking-cancel");
  TCase* tc = test_case(s, "cancel", jobs_setup, jobs_teardown);

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
      select_abandons_a_running_job);
  tc = test_case(s, "cancel", jobs_setup_paused, jobs_teardown);
  ADD(tc, timeout_abandons_a_running_job);

  tc = test_case(s, "close", NULL, NULL);
  ADD(tc,
      close_names_a_job_that_is_waited_for,
      abandoned_job_outlives_its_loop_and_is_named,
      run_leaves_a_job_that_does_not_end_in_time_and_names_it,
      run_leaves_a_job_that_a_stubborn_task_waits_for,
      run_waits_for_jobs_that_end_in_time);
#ifdef HAVE_ON_EXIT
  ADD(tc,
      exit_does_not_wait_for_ever_for_an_abandoned_job,
      exit_does_not_wait_for_ever_for_a_job_that_is_waited_for);
#endif
  return s;
}

TEST_MAIN(blocking_cancel_suite)

/* SPDX-License-Identifier: MIT */
/* The loop: guest of a host's loop, or one of its own; closing; reports. */
#include "fluv-test.h"

#include <stdio.h>
#include <sys/wait.h>

#define MS 1000000ull

static int64_t note_arg(void* arg) {
  test_note(arg);
  return 0;
}

static int64_t give(void* arg) {
  return (int64_t) (intptr_t) arg;
}

static int64_t wait_forever(void* arg) {
  (void) arg;
  return fluv_await(fluv_never());
}

/* Does not end when it is cancelled. */
static int64_t stubborn(void* arg) {
  fluv_future_t** wait_for = arg;

  ck_assert_err(fluv_task_set_name("stubborn"), 0);
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  fluv_await(wait_for == NULL ? fluv_never() : *wait_for);
  test_note("end ");
  return 0;
}

/* A guest. */

START_TEST(host_keeps_its_data_and_handles) {
  ck_assert_ptr_null(test_uv->data);
  test_uv->data = test_trace;
  fluv_detach(fluv_spawn(note_arg, TEXT("a")));
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_ptr_eq(test_uv->data, test_trace);
  ck_assert_trace("a");
}
END_TEST

START_TEST(current_loop_and_its_uv_loop) {
  fluv_loop_t* loop = fluv_loop_current();

  ck_assert_ptr_nonnull(loop);
  ck_assert_ptr_eq(fluv_loop_get_uv(loop), test_uv);
  ck_assert_uint_eq(fluv_loop_count_tasks(loop), 0);
  fluv_drop(fluv_spawn(wait_forever, NULL));
  ck_assert_uint_eq(fluv_loop_count_tasks(loop), 1);
  test_turn(2);
  ck_assert_uint_eq(fluv_loop_count_tasks(loop), 0);
}
END_TEST

START_TEST(idle_fluv_does_not_keep_the_loop_alive) {
  fluv_future_t* cold = fluv_sleep(1000);

  ck_assert_int_eq(uv_loop_alive(test_uv), 0);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_ONCE), 0);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_NOWAIT), 0);
  fluv_drop(cold);
}
END_TEST

START_TEST(ready_tasks_and_sleeps_keep_the_loop_alive) {
  fluv_future_t* f = fluv_spawn(give, NULL);

  ck_assert_int_ne(uv_loop_alive(test_uv), 0);
  ck_assert_err(fluv_block_on(f), 0);
  f = fluv_sleep(1);
  fluv_start(f);
  ck_assert_int_ne(uv_loop_alive(test_uv), 0);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert(fluv_future_is_done(f));
  fluv_drop(f);
  ck_assert_int_eq(uv_loop_alive(test_uv), 0);
}
END_TEST

START_TEST(a_dropped_sleep_lets_the_loop_go) {
  fluv_future_t* f = fluv_sleep(3600000);

  fluv_start(f);
  test_turn(2);
  ck_assert_int_ne(uv_loop_alive(test_uv), 0);
  fluv_drop(f);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
}
END_TEST

START_TEST(run_once_runs_what_is_ready_and_does_not_block) {
  fluv_detach(fluv_spawn(note_arg, TEXT("a")));
  uv_run(test_uv, UV_RUN_ONCE);
  ck_assert_trace("a");
}
END_TEST

START_TEST(run_nowait_runs_what_is_ready) {
  fluv_detach(fluv_spawn(note_arg, TEXT("a")));
  uv_run(test_uv, UV_RUN_NOWAIT);
  ck_assert_trace("a");
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_NOWAIT), 0);
}
END_TEST

START_TEST(run_once_waits_for_a_sleep) {
  fluv_future_t* f = fluv_sleep(2);
  uint64_t before = fluv_now();

  fluv_start(f);
  while (!fluv_future_is_done(f))
    uv_run(test_uv, UV_RUN_ONCE);
  ck_assert_uint_ge(fluv_now() - before, 2 * MS);
  fluv_drop(f);
}
END_TEST

static void spawn_from_callback(uv_timer_t* handle) {
  fluv_detach(fluv_spawn(note_arg, TEXT("t")));
  test_note("cb ");
  uv_close((uv_handle_t*) handle, NULL);
}

START_TEST(tasks_spawned_in_a_host_callback_run_in_the_same_iteration) {
  uv_timer_t timer;

  uv_timer_init(test_uv, &timer);
  uv_timer_start(&timer, spawn_from_callback, 0, 0);
  uv_run(test_uv, UV_RUN_NOWAIT);
  /* From 1.45 on libuv runs timers last in an iteration, not first. */
  if (uv_version() >= 0x012d00)
    uv_run(test_uv, UV_RUN_NOWAIT);
  ck_assert_trace("cb t");
  test_turn(1);
}
END_TEST

static int64_t stop_and_yield(void* arg) {
  test_note("a");
  uv_stop(arg);
  fluv_yield();
  test_note("b");
  fluv_await(fluv_sleep(1));
  test_note("c");
  return 0;
}

START_TEST(uv_stop_returns_and_the_next_run_goes_on) {
  fluv_detach(fluv_spawn(stop_and_yield, test_uv));
  ck_assert_int_ne(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_ptr_null(strchr(test_trace, 'c'));
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_trace("abc");
}
END_TEST

static int64_t stop_then_wait(void* arg) {
  uv_stop(arg);
  return fluv_await(fluv_sleep(3600000));
}

START_TEST(uv_stop_ends_block_on) {
  ck_assert_err(test_run(stop_then_wait, test_uv), FLUV_ECANCELED);
  ck_assert_err(fluv_block_on(fluv_sleep(1)), 0);
}
END_TEST

START_TEST(block_on_leaves_the_other_tasks_running) {
  fluv_future_t* other = fluv_spawn(note_arg, TEXT("x"));
  fluv_future_t* sleeping = fluv_sleep(3600000);

  fluv_start(sleeping);
  ck_assert_err(fluv_block_on(fluv_ready(3)), 3);
  ck_assert_trace("");
  ck_assert_err(fluv_block_on(fluv_sleep(1)), 0);
  ck_assert_trace("x");
  ck_assert(!fluv_future_is_done(sleeping));
  fluv_drop(sleeping);
  ck_assert_err(fluv_block_on(other), 0);
}
END_TEST

START_TEST(block_on_what_nobody_can_deliver) {
  int i;

  for (i = 0; i < 3; i++) {
    ck_assert_err(fluv_block_on(fluv_never()), FLUV_EDEADLK);
    /* And the loop works on. */
    ck_assert_err(fluv_block_on(fluv_sleep(1)), 0);
    ck_assert_err(test_run(give, (void*) 7), 7);
  }
}
END_TEST

static void host_tick(uv_timer_t* handle) {
  (*(int*) handle->data)++;
}

START_TEST(block_on_lets_the_host_run_too) {
  uv_timer_t timer;
  int ticks = 0;

  uv_timer_init(test_uv, &timer);
  timer.data = &ticks;
  uv_timer_start(&timer, host_tick, 1, 1);
  ck_assert_err(fluv_block_on(fluv_sleep(10)), 0);
  ck_assert_int_ge(ticks, 1);
  ck_assert_ptr_eq(timer.data, &ticks);
  uv_close((uv_handle_t*) &timer, NULL);
  test_turn(2);
}
END_TEST

/* Attach and close. */

START_TEST(attach_and_close_many_times) {
  uv_loop_t uv;
  int i;

  for (i = 0; i < 100; i++) {
    ck_assert_int_eq(uv_loop_init(&uv), 0);
    ck_assert_err(fluv_attach(&uv), 0);
    ck_assert_err(test_run(give, (void*) 5), 5);
    ck_assert_err(fluv_loop_close(), 0);
    ck_assert_ptr_null(fluv_loop_current());
    ck_assert_int_eq(uv_run(&uv, UV_RUN_DEFAULT), 0);
    ck_assert_int_eq(uv_loop_close(&uv), 0);
  }
}
END_TEST

START_TEST(attach_again_to_the_same_loop) {
  ck_assert_err(fluv_loop_close(), 0);
  ck_assert_err(fluv_attach(test_uv), 0);
  ck_assert_err(test_run(give, (void*) 5), 5);
  ck_assert_err(fluv_loop_close(), 0);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_err(fluv_attach(test_uv), 0);
  ck_assert_err(test_run(give, (void*) 6), 6);
}
END_TEST

START_TEST(attach_twice_is_refused) {
  uv_loop_t other;

  ck_assert_int_eq(uv_loop_init(&other), 0);
  ck_assert_err(fluv_attach(test_uv), FLUV_EALREADY);
  ck_assert_err(fluv_attach(&other), FLUV_EALREADY);
  ck_assert_err(fluv_run(give, NULL, NULL), FLUV_EBUSY);
  ck_assert_int_eq(uv_loop_close(&other), 0);
}
END_TEST

START_TEST(attach_refuses_null_and_options_out_of_range) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  uv_loop_t uv;

  ck_assert_int_eq(uv_loop_init(&uv), 0);
  ck_assert_err(fluv_attach(NULL), FLUV_EINVAL);
  options.stack_size = 1000;
  ck_assert_err(fluv_attach_with(&uv, &options), FLUV_EINVAL);
  ck_assert_err(fluv_run(give, NULL, &options), FLUV_EINVAL);
  options.stack_size = SIZE_MAX;
  ck_assert_err(fluv_attach_with(&uv, &options), FLUV_EINVAL);
  ck_assert_err(fluv_run(NULL, NULL, NULL), FLUV_EINVAL);
  ck_assert_ptr_null(fluv_loop_current());
  /* A refused attach leaves nothing in the loop. */
  ck_assert_int_eq(uv_loop_close(&uv), 0);
}
END_TEST

START_TEST(close_cancels_tasks_and_lets_them_end) {
  fluv_detach(fluv_spawn(wait_forever, NULL));
  test_turn(1);
  fluv_detach(fluv_spawn(wait_forever, NULL));
  ck_assert_err(fluv_loop_close(), 0);
  ck_assert_err(fluv_attach(test_uv), 0);
}
END_TEST

START_TEST(without_a_loop_nothing_runs) {
  ck_assert_err(fluv_loop_close(), FLUV_ENOLOOP);
  ck_assert_err(fluv_block_on(fluv_ready(1)), FLUV_ENOLOOP);
  ck_assert_err(fluv_block_on(fluv_spawn(give, NULL)), FLUV_ENOLOOP);
}
END_TEST

static int64_t close_from_inside(void* arg) {
  (void) arg;
  return fluv_loop_close();
}

START_TEST(close_in_a_task_is_refused) {
  ck_assert_err(test_run(close_from_inside, NULL), FLUV_EBUSY);
}
END_TEST

START_TEST(spawn_after_close_fails) {
  fluv_future_t* f;

  ck_assert_err(fluv_loop_close(), 0);
  f = fluv_spawn(give, NULL);
  ck_assert(fluv_future_is_done(f));
  ck_assert_err(fluv_future_get_result(f), FLUV_ENOLOOP);
  fluv_drop(f);
  ck_assert_err(fluv_attach(test_uv), 0);
}
END_TEST

START_TEST(close_again_once_the_last_task_has_ended) {
  fluv_future_t* f;
  fluv_promise_t* p;

  ck_assert_err(fluv_promise_new(&p, &f), 0);
  fluv_detach(fluv_spawn(stubborn, &f));
  test_turn(2);
  ck_assert_err(fluv_loop_close(), FLUV_EBUSY);
  ck_assert_ptr_nonnull(fluv_loop_current());
  ck_assert_err(fluv_promise_resolve(p, 0), 0);
  fluv_promise_free(p);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_trace("end ");
}
END_TEST

static void close_with_a_task(void* arg) {
  (void) arg;
  test_setup();
  fluv_detach(fluv_spawn(stubborn, NULL));
  test_turn(2);
  ck_assert_err(fluv_loop_close(), FLUV_EBUSY);
}

START_TEST(close_names_the_tasks_that_are_alive) {
  int status;
  char* text = test_stderr_of(close_with_a_task, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "stubborn");
  ck_assert_has(text, "test-loop.c:");
  free(text);
}
END_TEST

static void close_with_many_tasks(void* arg) {
  int i;

  (void) arg;
  test_setup();
  for (i = 0; i < 500; i++)
    fluv_detach(fluv_spawn(stubborn, NULL));
  test_turn(20);
  ck_assert_err(fluv_loop_close(), FLUV_EBUSY);
}

START_TEST(close_reports_a_few_of_many) {
  int status;
  char* text = test_stderr_of(close_with_many_tasks, NULL, &status);
  int lines = 0;
  char* p;

  ck_assert_int_eq(status, 0);
  for (p = text; (p = strchr(p, '\n')) != NULL; p++)
    lines++;
  ck_assert_int_ge(lines, 5);
  ck_assert_int_le(lines, 50);
  ck_assert_has(text, "more");
  free(text);
}
END_TEST

static void close_with_a_future(void* arg) {
  (void) arg;
  test_setup();
  (void) !fluv_future_is_done(fluv_sleep(77));
  ck_assert_err(fluv_loop_close(), FLUV_EBUSY);
}

START_TEST(close_names_the_futures_that_were_forgotten) {
  int status;
  char* text = test_stderr_of(close_with_a_future, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "sleep");
  ck_assert_has(text, "test-loop.c:");
  free(text);
}
END_TEST

/* Nothing can wake them. */

static void block_on_a_stubborn_task(void* arg) {
  (void) arg;
  test_setup();
  ck_assert_err(test_run(stubborn, NULL), FLUV_EDEADLK);
  ck_assert_err(fluv_block_on(fluv_sleep(1)), 0);
}

START_TEST(block_on_a_task_that_does_not_end) {
  int status;
  char* text = test_stderr_of(block_on_a_stubborn_task, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "stubborn");
  free(text);
}
END_TEST

static int64_t wait_named(void* arg) {
  fluv_task_set_name(arg);
  return fluv_await(fluv_never());
}

static void run_stuck_tasks(void* arg) {
  (void) arg;
  test_setup();
  fluv_detach(fluv_spawn(wait_named, TEXT("left behind")));
  fluv_detach(fluv_spawn(wait_named, TEXT("forgotten")));
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  test_teardown();
}

START_TEST(tasks_that_nothing_can_wake_are_reported) {
  int status;
  char* text = test_stderr_of(run_stuck_tasks, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "left behind");
  ck_assert_has(text, "forgotten");
  ck_assert_has(text, "test-loop.c:");
  ck_assert_has(text, "never");
  free(text);
}
END_TEST

static void run_tasks_that_end(void* arg) {
  (void) arg;
  test_setup();
  fluv_detach(fluv_spawn(give, NULL));
  ck_assert_err(fluv_block_on(fluv_sleep(2)), 0);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  test_teardown();
}

START_TEST(a_clean_run_says_nothing) {
  int status;
  char* text = test_stderr_of(run_tasks_that_end, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_str_eq(text, "");
  free(text);
}
END_TEST

static Suite* loop_suite(void) {
  Suite* s = suite_create("loop");
  TCase* tc = test_case(s, "basic", test_setup, test_teardown);

  ADD(tc,
      host_keeps_its_data_and_handles,
      current_loop_and_its_uv_loop,
      idle_fluv_does_not_keep_the_loop_alive,
      ready_tasks_and_sleeps_keep_the_loop_alive,
      a_dropped_sleep_lets_the_loop_go,
      run_once_runs_what_is_ready_and_does_not_block,
      run_nowait_runs_what_is_ready,
      run_once_waits_for_a_sleep,
      tasks_spawned_in_a_host_callback_run_in_the_same_iteration,
      uv_stop_returns_and_the_next_run_goes_on,
      uv_stop_ends_block_on,
      block_on_leaves_the_other_tasks_running,
      block_on_what_nobody_can_deliver,
      block_on_lets_the_host_run_too,
      attach_again_to_the_same_loop);

  tc = test_case(s, "basic", NULL, NULL);
  ADD(tc,
      attach_and_close_many_times,
      tasks_that_nothing_can_wake_are_reported,
      block_on_a_task_that_does_not_end,
      a_clean_run_says_nothing);

  tc = test_case(s, "close", test_setup, test_teardown);
  ADD(tc,
      close_cancels_tasks_and_lets_them_end,
      spawn_after_close_fails,
      close_in_a_task_is_refused,
      close_again_once_the_last_task_has_ended);
  tc = test_case(s, "close", NULL, NULL);
  ADD(tc,
      without_a_loop_nothing_runs,
      close_reports_a_few_of_many,
      close_names_the_tasks_that_are_alive,
      close_names_the_futures_that_were_forgotten);

  tc = test_case(s, "misuse", test_setup, test_teardown);
  ADD(tc, attach_twice_is_refused);
  tc = test_case(s, "misuse", NULL, NULL);
  ADD(tc, attach_refuses_null_and_options_out_of_range);
  return s;
}

TEST_MAIN(loop_suite)

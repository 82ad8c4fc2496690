/* SPDX-License-Identifier: MIT */
/* fluv_run: how it ends what is left when its task returns. */
#include "fluv-test.h"

#include <stdio.h>

static int64_t wait_forever(void* arg) {
  (void) arg;
  return fluv_await(fluv_never());
}

/* A run whose task returns 3, and how long it may take to end the rest. */
typedef struct ending {
  fluv_task_fn fn;
  unsigned shutdown_ms;
  bool clock_paused;
} ending_t;

static void run_to_its_end(void* arg) {
  const ending_t* ending = arg;
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  options.shutdown_ms = ending->shutdown_ms;
  options.clock_paused = ending->clock_paused;
  ck_assert_err(fluv_run(ending->fn, NULL, &options), 3);
}

/* What `fn` writes to stderr, which must return; free it. */
static char* said_by(void (*fn)(void* arg), void* arg) {
  int status;
  char* text = test_stderr_of(fn, arg, &status);

  ck_assert_msg(status == 0, "%#x: %s", (unsigned) status, text);
  return text;
}

/* Such a run must say `part`. */
static void check_ending(ending_t ending, const char* part) {
  char* text = said_by(run_to_its_end, &ending);

  ck_assert_has(text, part);
  free(text);
}

/* Does not end when it is cancelled. */
static int64_t stubborn(void* arg) {
  fluv_future_t** wait_for = arg;

  ck_assert_err(fluv_task_set_name("stubborn"), 0);
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  fluv_await(wait_for == NULL ? fluv_never() : *wait_for);
  return 0;
}

static int64_t clean_up_slow(void* arg) {
  ck_assert_err(fluv_await(fluv_never()), FLUV_ECANCELED);
  ck_assert_err(fluv_shield_begin(100), 0);
  ck_assert_err(fluv_await(fluv_sleep(2)), 0);
  *(bool*) arg = true;
  return 0;
}

static int64_t leave_others_behind(void* arg) {
  fluv_detach(fluv_spawn(clean_up_slow, arg));
  fluv_detach(fluv_spawn(wait_forever, NULL));
  fluv_await(fluv_sleep(1));
  return 3;
}

START_TEST(run_cancels_the_other_tasks_and_waits_for_them) {
  bool cleaned = false;

  ck_assert_err(fluv_run(leave_others_behind, &cleaned, NULL), 3);
  ck_assert(cleaned);
}
END_TEST

static void run_with_others(void* arg) {
  bool cleaned = false;

  (void) arg;
  ck_assert_err(fluv_run(leave_others_behind, &cleaned, NULL), 3);
}

START_TEST(run_says_nothing_of_tasks_that_it_ends) {
  char* text = said_by(run_with_others, NULL);

  ck_assert_str_eq(text, "");
  free(text);
}
END_TEST

static int64_t leave_stubborn_behind(void* arg) {
  (void) arg;
  fluv_detach(fluv_spawn(stubborn, NULL));
  fluv_await(fluv_sleep(1));
  return 3;
}

START_TEST(run_reports_tasks_that_do_not_end_in_time) {
  ending_t ending = { leave_stubborn_behind, 5, false };
  char* text = said_by(run_to_its_end, &ending);

  ck_assert_has(text, "stubborn");
  ck_assert_has(text, "test-run-end.c:");
  free(text);
}
END_TEST

static int64_t shut_down_late(void* arg) {
  fluv_future_t* sleep = fluv_sleep(3600000);

  (void) arg;
  stubborn(&sleep);
  return 0;
}

static int64_t leave_a_sleeper_behind(void* arg) {
  (void) arg;
  fluv_detach(fluv_spawn(shut_down_late, NULL));
  fluv_await(fluv_sleep(1));
  return 3;
}

START_TEST(run_does_not_wait_for_a_sleep_behind_a_shield) {
  check_ending((ending_t){ leave_a_sleeper_behind, 5, false }, "stubborn");
}
END_TEST

static int key;

/* Holds some of everything and does not end. */
static int64_t hold_all(void* arg) {
  fluv_future_t* f = *(fluv_future_t**) arg;
  fluv_future_t* arms[2];
  fluv_joinset_t* set;
  fluv_scope_t* scope;

  ck_assert_err(fluv_task_set_local(&key, malloc(10), free), 0);
  ck_assert_err(fluv_defer(free, NULL), 0);
  ck_assert_err(fluv_deadline_begin(1000000), 0);
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_spawn(scope, stubborn, NULL), 0);
  set = fluv_joinset_new();
  ck_assert_ptr_nonnull(set);
  ck_assert_err(fluv_joinset_spawn(set, stubborn, NULL), 0);
  arms[0] = f;
  arms[1] = fluv_timeout(fluv_never(), 1000000);
  return fluv_await(fluv_join_all(arms, 2, NULL));
}

static int64_t leave_all_behind(void* arg) {
  fluv_future_t* f;

  ck_assert_err(fluv_promise_new((fluv_promise_t**) arg, &f), 0);
  fluv_detach(fluv_spawn(hold_all, &f));
  fluv_await(fluv_sleep(1));
  return 3;
}

START_TEST(run_frees_what_abandoned_tasks_hold) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  fluv_promise_t* p;

  /* The report of the tasks is tested above. */
  ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
  options.shutdown_ms = 5;
  ck_assert_err(fluv_run(leave_all_behind, &p, &options), 3);
  ck_assert_err(fluv_promise_resolve(p, 1), FLUV_ECANCELED);
  fluv_promise_free(p);
}
END_TEST

/* What is pending when the main task returns. */

static int64_t return_at_once(void* arg) {
  (void) arg;
  return 3;
}

static fluv_future_t* note_finally(int64_t result, void* arg) {
  ck_assert_err(result, FLUV_ECANCELED);
  test_note("ran ");
  (void) arg;
  return NULL;
}

static void drop_arg(void* arg) {
  ck_assert_ptr_nonnull(fluv_loop_current());
  test_note("freed ");
  fluv_drop(arg);
}

static int64_t leave_a_chain_behind(void* arg) {
  fluv_future_t* f =
      fluv_finally(fluv_sleep(3600000), note_finally, fluv_never(), drop_arg);

  fluv_detach(f);
  return return_at_once(arg);
}

START_TEST(run_ends_pending_continuations) {
  ck_assert_err(fluv_run(leave_a_chain_behind, NULL, NULL), 3);
  ck_assert_trace("ran freed ");
}
END_TEST

static int64_t leave_sleeps_behind(void* arg) {
  fluv_future_t* f[] = { fluv_sleep(3600000), fluv_never() };

  fluv_detach(fluv_sleep(3600000));
  fluv_detach(fluv_select(f, 2, NULL));
  fluv_detach(fluv_timeout(fluv_never(), 3600000));
  return return_at_once(arg);
}

START_TEST(run_does_not_wait_for_detached_sleeps) {
  uint64_t before = uv_hrtime();

  ck_assert_err(fluv_run(leave_sleeps_behind, NULL, NULL), 3);
  ck_assert_uint_lt(uv_hrtime() - before, 3000 * 1000000ull);
}
END_TEST

static uv_timer_t host_timer;

static void on_host_timer(uv_timer_t* handle) {
  (void) handle;
}

static int64_t leave_a_host_timer_behind(void* arg) {
  uv_loop_t* uv = fluv_loop_get_uv(fluv_loop_current());

  uv_timer_init(uv, &host_timer);
  uv_timer_start(&host_timer, on_host_timer, 1, 1);
  return return_at_once(arg);
}

START_TEST(run_ends_and_warns_of_active_handles_of_the_users) {
  check_ending((ending_t){ leave_a_host_timer_behind, 20, false }, "handles");
}
END_TEST

static int64_t leave_all_on_a_paused_clock(void* arg) {
  fluv_detach(fluv_spawn(stubborn, NULL));
  return leave_a_host_timer_behind(arg);
}

START_TEST(run_winds_down_in_time_on_a_paused_clock) {
  check_ending((ending_t){ leave_all_on_a_paused_clock, 5, true }, "stubborn");
}
END_TEST

static int made;
static int freed;

static void count_and_free(void* arg) {
  freed++;
  free(arg);
}

/* Each task spawns another: there is always one that has not started. */
static int64_t spawn_again(void* arg) {
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;

  count_and_free(arg);
  made++;
  options.free_arg = count_and_free;
  fluv_detach(fluv_spawn_with(spawn_again, malloc(16), &options));
  return 3;
}

START_TEST(run_frees_the_argument_of_a_task_that_never_starts) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
  made = 1;
  freed = 0;
  options.shutdown_ms = 5;
  ck_assert_err(fluv_run(spawn_again, malloc(16), &options), 3);
  ck_assert_int_eq(made, freed);
}
END_TEST

static int closed;
static int refused;

static void close_in_each_iteration(uv_check_t* handle) {
  (void) handle;
  if (fluv_loop_current() == NULL)
    return;
  if (fluv_loop_close() == FLUV_EBUSY)
    refused++;
  else
    closed++;
}

static uv_check_t host_check;

static int64_t leave_a_closer_behind(void* arg) {
  uv_loop_t* uv = fluv_loop_get_uv(fluv_loop_current());

  uv_check_init(uv, &host_check);
  uv_check_start(&host_check, close_in_each_iteration);
  fluv_detach(fluv_spawn(clean_up_slow, arg));
  fluv_yield();
  return 3;
}

static void run_with_a_closer(void* arg) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  bool cleaned = false;

  (void) arg;
  options.shutdown_ms = 100;
  closed = 0;
  refused = 0;
  ck_assert_err(fluv_run(leave_a_closer_behind, &cleaned, &options), 3);
  ck_assert(cleaned);
  ck_assert_int_eq(closed, 0);
  ck_assert_int_gt(refused, 0);
}

START_TEST(close_in_callbacks_during_run_is_refused) {
  /* The report of what is alive goes to stderr each time. */
  free(said_by(run_with_a_closer, NULL));
}
END_TEST

/* A task that cleans up uses what it had started before. */
static int64_t hold_and_clean_up(void* arg) {
  fluv_future_t* held[3];
  fluv_promise_t* p;

  held[0] = fluv_sleep(3600000);
  fluv_start(held[0]);
  held[2] = fluv_spawn(wait_forever, NULL);
  ck_assert_err(fluv_promise_new(&p, &held[1]), 0);
  ck_assert_err(fluv_await(fluv_sleep(3600000)), FLUV_ECANCELED);
  ck_assert_err(fluv_shield_begin(1000), 0);
  ck_assert_err(fluv_await(fluv_sleep(2)), 0);
  ck_assert_err(fluv_await(fluv_timeout(held[0], 1)), FLUV_ETIMEDOUT);
  ck_assert_err(fluv_promise_resolve(p, 4), 0);
  ck_assert_err(fluv_await(held[1]), 4);
  ck_assert_err(fluv_await(held[2]), FLUV_ECANCELED);
  fluv_promise_free(p);
  *(bool*) arg = true;
  return 0;
}

static int64_t leave_a_holder_behind(void* arg) {
  fluv_detach(fluv_spawn(hold_and_clean_up, arg));
  fluv_yield();
  return 3;
}

START_TEST(run_leaves_to_its_tasks_what_they_hold) {
  bool cleaned = false;

  ck_assert_err(fluv_run(leave_a_holder_behind, &cleaned, NULL), 3);
  ck_assert(cleaned);
}
END_TEST

static int64_t leave_a_stubborn_task_alive(void* arg) {
  static bool cleaned;
  fluv_future_t* f;

  /* The promise keeps the loop alive to the end; the other task ends between
   * two of libuv's milliseconds. */
  ck_assert_err(fluv_promise_new((fluv_promise_t**) arg, &f), 0);
  fluv_detach(fluv_spawn(stubborn, &f));
  fluv_detach(fluv_spawn(clean_up_slow, &cleaned));
  return fluv_yield();
}

START_TEST(run_winds_down_in_any_fraction_of_a_millisecond) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  int i;

  ck_assert_ptr_nonnull(freopen("/dev/null", "w", stderr));
  options.shutdown_ms = 4;
  for (i = 0; i < 60; i++) {
    fluv_promise_t* p;
    ck_assert_err(fluv_run(leave_a_stubborn_task_alive, &p, &options), 0);
    fluv_promise_free(p);
  }
}
END_TEST

static uv_work_t late_request;

static void work_past_the_limit(uv_work_t* req) {
  (void) req;
  uv_sleep(30);
}

static void fail_late(uv_work_t* req, int status) {
  (void) status;
  fluv_uv_done((uv_req_t*) req, FLUV_EPIPE);
}

static int64_t leave_a_request_behind(void* arg) {
  uv_loop_t* uv = fluv_loop_get_uv(fluv_loop_current());
  fluv_future_t* f =
      FLUV_UV(&late_request,
              uv_queue_work(uv, &late_request, work_past_the_limit, fail_late));

  fluv_detach(f);
  fluv_await(fluv_sleep(2));
  (void) arg;
  return 3;
}

static void hear_late(int64_t err, const char* what, void* arg) {
  ck_assert_err(err, FLUV_EPIPE);
  ck_assert_has(what, "test-run-end.c:");
  (void) arg;
}

static void run_with_a_late_request(void* arg) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  (void) arg;
  fluv_set_unhandled(hear_late, NULL);
  options.shutdown_ms = 5;
  ck_assert_err(fluv_run(leave_a_request_behind, NULL, &options), 3);
}

START_TEST(run_survives_a_request_that_fails_after_its_limit) {
  free(said_by(run_with_a_late_request, NULL));
}
END_TEST

static Suite* run_end_suite(void) {
  Suite* s = suite_create("run-end");
  TCase* tc;

  tc = test_case(s, "basic", NULL, NULL);
  ADD(tc,
      run_cancels_the_other_tasks_and_waits_for_them,
      run_says_nothing_of_tasks_that_it_ends,
      run_reports_tasks_that_do_not_end_in_time,
      run_does_not_wait_for_a_sleep_behind_a_shield,
      run_frees_what_abandoned_tasks_hold);

  tc = test_case(s, "regress", NULL, NULL);
  ADD(tc,
      run_ends_pending_continuations,
      run_does_not_wait_for_detached_sleeps,
      run_ends_and_warns_of_active_handles_of_the_users,
      run_winds_down_in_time_on_a_paused_clock,
      run_frees_the_argument_of_a_task_that_never_starts,
      close_in_callbacks_during_run_is_refused,
      run_leaves_to_its_tasks_what_they_hold,
      run_winds_down_in_any_fraction_of_a_millisecond,
      run_survives_a_request_that_fails_after_its_limit);
  return s;
}

TEST_MAIN(run_end_suite)

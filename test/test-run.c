/* SPDX-License-Identifier: MIT */
/* fluv_run: a loop of its own, what it leaves behind, several in threads. */
#include "fluv-test.h"

#include <stdio.h>

static int64_t give(void* arg) {
  return (int64_t) (intptr_t) arg;
}

static int64_t wait_forever(void* arg) {
  (void) arg;
  return fluv_await(fluv_never());
}

static int64_t wait_named(void* arg) {
  fluv_task_set_name(arg);
  return fluv_await(fluv_never());
}

/* Does not end when it is cancelled. */
static int64_t stubborn(void* arg) {
  fluv_future_t** wait_for = arg;

  ck_assert_err(fluv_task_set_name("stubborn"), 0);
  ck_assert_err(fluv_shield_begin(FLUV_FOREVER), 0);
  fluv_await(wait_for == NULL ? fluv_never() : *wait_for);
  return 0;
}

static int64_t check_own_loop(void* arg) {
  uv_loop_t* uv = fluv_loop_get_uv(fluv_loop_current());

  ck_assert_ptr_nonnull(uv);
  ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  ck_assert_err(fluv_run(give, NULL, NULL), FLUV_EBUSY);
  return give(arg);
}

START_TEST(run_returns_what_the_task_returns) {
  int fds;

  ck_assert_err(fluv_run(give, (void*) 9, NULL), 9);
  fds = test_count_fds();
  ck_assert_err(fluv_run(give, (void*) -7, NULL), -7);
  ck_assert_err(fluv_run(check_own_loop, (void*) 11, NULL), 11);
  ck_assert_ptr_null(fluv_loop_current());
  ck_assert_int_eq(test_count_fds(), fds);
}
END_TEST

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
  int status;
  char* text = test_stderr_of(run_with_others, NULL, &status);

  ck_assert_int_eq(status, 0);
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

static void run_with_a_stubborn_task(void* arg) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  (void) arg;
  options.shutdown_ms = 5;
  ck_assert_err(fluv_run(leave_stubborn_behind, NULL, &options), 3);
}

START_TEST(run_reports_tasks_that_do_not_end_in_time) {
  int status;
  char* text = test_stderr_of(run_with_a_stubborn_task, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "stubborn");
  ck_assert_has(text, "test-run.c:");
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

static void run_with_a_sleeper(void* arg) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  (void) arg;
  options.shutdown_ms = 5;
  ck_assert_err(fluv_run(leave_a_sleeper_behind, NULL, &options), 3);
}

START_TEST(run_does_not_wait_for_a_sleep_behind_a_shield) {
  int status;
  char* text = test_stderr_of(run_with_a_sleeper, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "stubborn");
  free(text);
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

static void run_what_nobody_delivers(void* arg) {
  (void) arg;
  ck_assert_err(fluv_run(wait_named, TEXT("hermit"), NULL), FLUV_EDEADLK);
}

START_TEST(run_says_when_nobody_can_deliver) {
  int status;
  char* text = test_stderr_of(run_what_nobody_delivers, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "hermit");
  ck_assert_has(text, "test-run.c:");
  free(text);
}
END_TEST

/* Threads. */

enum {
  LOOPS = 4,
  ROUNDS = 100
};

typedef struct relay {
  fluv_promise_t* inbound[LOOPS][ROUNDS];
  uv_barrier_t ready;
  int64_t sums[LOOPS];
} relay_t;

typedef struct runner {
  relay_t* relay;
  int me;
} runner_t;

/* Wait for a number in each round and hand it to the next loop. */
static int64_t pass_on(void* arg) {
  runner_t* runner = arg;
  relay_t* relay = runner->relay;
  fluv_future_t* futures[ROUNDS];
  int64_t sum = 0;
  int next = (runner->me + 1) % LOOPS;
  int i;

  for (i = 0; i < ROUNDS; i++)
    if (fluv_promise_new(&relay->inbound[runner->me][i], &futures[i]) != 0)
      return FLUV_ENOMEM;
  uv_barrier_wait(&relay->ready);

  for (i = 0; i < ROUNDS; i++) {
    if (runner->me == 0)
      fluv_promise_resolve(relay->inbound[next][i], i);
    sum += fluv_await(futures[i]);
    if (runner->me != 0)
      fluv_promise_resolve(relay->inbound[next][i], i);
    fluv_yield();
  }
  /* The neighbour has used its last promise once all are here. */
  uv_barrier_wait(&relay->ready);
  for (i = 0; i < ROUNDS; i++)
    fluv_promise_free(relay->inbound[runner->me][i]);
  return sum;
}

static void run_a_loop(void* arg) {
  runner_t* runner = arg;

  runner->relay->sums[runner->me] = fluv_run(pass_on, runner, NULL);
}

START_TEST(loops_in_four_threads_answer_each_other) {
  uv_thread_t threads[LOOPS];
  runner_t runners[LOOPS];
  relay_t relay;
  int i;

  memset(&relay, 0, sizeof(relay));
  ck_assert_int_eq(uv_barrier_init(&relay.ready, LOOPS), 0);
  for (i = 0; i < LOOPS; i++) {
    runners[i].relay = &relay;
    runners[i].me = i;
    ck_assert_int_eq(uv_thread_create(&threads[i], run_a_loop, &runners[i]), 0);
  }
  for (i = 0; i < LOOPS; i++)
    uv_thread_join(&threads[i]);
  for (i = 0; i < LOOPS; i++)
    ck_assert_err(relay.sums[i], ROUNDS * (ROUNDS - 1) / 2);
  uv_barrier_destroy(&relay.ready);
}
END_TEST

static int64_t spawn_hundreds(void* arg) {
  fluv_future_t* f[300];
  int i;

  for (i = 0; i < 300; i++)
    f[i] = fluv_timeout(fluv_sleep((uint64_t) (i % 3)), 60000);
  (void) arg;
  return fluv_await(fluv_join_all(f, 300, NULL));
}

static void run_hundreds(void* arg) {
  *(int64_t*) arg = fluv_run(spawn_hundreds, NULL, NULL);
}

START_TEST(loops_in_eight_threads_do_not_meet) {
  uv_thread_t threads[8];
  int64_t results[8];
  int i;

  for (i = 0; i < 8; i++) {
    results[i] = -1;
    ck_assert_int_eq(uv_thread_create(&threads[i], run_hundreds, &results[i]),
                     0);
  }
  for (i = 0; i < 8; i++) {
    uv_thread_join(&threads[i]);
    ck_assert_err(results[i], 0);
  }
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

static void run_with_a_host_timer(void* arg) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  (void) arg;
  options.shutdown_ms = 20;
  ck_assert_err(fluv_run(leave_a_host_timer_behind, NULL, &options), 3);
}

START_TEST(run_ends_and_warns_of_active_handles_of_the_users) {
  int status;
  char* text = test_stderr_of(run_with_a_host_timer, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "handles");
  free(text);
}
END_TEST

static int64_t leave_all_on_a_paused_clock(void* arg) {
  fluv_detach(fluv_spawn(stubborn, NULL));
  return leave_a_host_timer_behind(arg);
}

static void run_on_a_paused_clock(void* arg) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  (void) arg;
  options.clock_paused = true;
  options.shutdown_ms = 5;
  ck_assert_err(fluv_run(leave_all_on_a_paused_clock, NULL, &options), 3);
}

START_TEST(run_winds_down_in_time_on_a_paused_clock) {
  int status;
  char* text = test_stderr_of(run_on_a_paused_clock, NULL, &status);

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "stubborn");
  free(text);
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
  int status;
  char* text = test_stderr_of(run_with_a_closer, NULL, &status);

  /* The report of what is alive goes to stderr each time. */
  ck_assert_msg(status == 0, "%#x: %s", (unsigned) status, text);
  free(text);
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
  ck_assert_has(what, "test-run.c:");
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
  int status;
  char* text = test_stderr_of(run_with_a_late_request, NULL, &status);

  ck_assert_msg(status == 0, "%#x: %s", (unsigned) status, text);
  free(text);
}
END_TEST

/* Nothing can release it: there is no other thread. */
static int64_t acquire_in_vain(void* arg) {
  fluv_semaphore_t* sem;
  int64_t err = fluv_semaphore_new(0, &sem);

  (void) arg;
  if (err < 0)
    return err;
  err = fluv_await(fluv_semaphore_acquire(sem, 1));
  fluv_semaphore_free(sem);
  return err;
}

static void wait_alone(void* arg) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  int64_t* result = arg;

  options.watchdog_ms = FLUV_WATCHDOG_NEVER; /* that is a thread, too */
  *result = fluv_run(acquire_in_vain, NULL, &options);
  fprintf(stderr, "it was %s\n", fluv_err_name(*result));
}

/* Does this build, or what runs it, have a thread of its own? */
static bool is_never_alone(void) {
#if defined(FLUV_TSAN) && FLUV_TSAN
  return true;
#else
  return test_is_emulated("has threads of its own");
#endif
}

START_TEST(wait_in_line_of_the_only_thread_ends) {
  int64_t result;
  int status;
  char* text;

  if (is_never_alone())
    return;
  text = test_stderr_of(wait_alone, &result, &status);
  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "acquire_in_vain");
  ck_assert_has(text, "semaphore acquire");
  ck_assert_has(text, "it was EDEADLK");
  free(text);
}
END_TEST

/* A thread that does not exist yet may end a wait. */

typedef struct late {
  fluv_sender_t* tx;
  fluv_receiver_t* rx;
  uv_thread_t thread;
  uv_timer_t timer;
} late_t;

static int64_t receive_one(void* arg) {
  late_t* late = arg;
  int number = 0;
  int64_t err = fluv_await(fluv_recv(late->rx, &number));

  return err < 0 ? err : number;
}

static void send_one(void* arg) {
  late_t* late = arg;
  int number = 7;

  /* Later than the loop would have ended; what is sent counts then, too. */
  uv_sleep(20);
  ck_assert_err(fluv_try_send(late->tx, &number), 0);
}

static int64_t begin_thread_after_a_sleep(void* arg) {
  late_t late;
  fluv_future_t* consumer;
  int64_t result;

  (void) arg;
  ck_assert_err(fluv_channel_new(1, sizeof(int), NULL, &late.tx, &late.rx), 0);
  consumer = fluv_spawn(receive_one, &late);
  ck_assert_err(fluv_await(fluv_sleep(5)), 0);
  ck_assert_int_eq(uv_thread_create(&late.thread, send_one, &late), 0);
  result = fluv_await(consumer);
  ck_assert_int_eq(uv_thread_join(&late.thread), 0);
  fluv_sender_free(late.tx);
  fluv_receiver_free(late.rx);
  return result;
}

static void send_on_timer(uv_timer_t* timer) {
  int number = 8;

  ck_assert_err(fluv_try_send(((late_t*) timer->data)->tx, &number), 0);
}

/* libuv does not wait for its timer, but it may come. */
static int64_t wait_for_an_unrefd_handle(void* arg) {
  late_t late;
  int64_t result;

  (void) arg;
  ck_assert_err(fluv_channel_new(1, sizeof(int), NULL, &late.tx, &late.rx), 0);
  uv_timer_init(fluv_loop_get_uv(fluv_loop_current()), &late.timer);
  late.timer.data = &late;
  uv_timer_start(&late.timer, send_on_timer, 5, 0);
  uv_unref((uv_handle_t*) &late.timer);
  result = fluv_await(fluv_spawn(receive_one, &late));
  uv_close((uv_handle_t*) &late.timer, NULL);
  fluv_yield();
  fluv_await(fluv_sleep(1));
  fluv_sender_free(late.tx);
  fluv_receiver_free(late.rx);
  return result;
}

/* Only the program itself, between its calls of uv_run(). */
static int64_t wait_for_the_host(void* arg) {
  uv_loop_t uv;
  late_t late;
  fluv_future_t* consumer;
  int number = 9;
  int i;

  (void) arg;
  ck_assert_int_eq(uv_loop_init(&uv), 0);
  ck_assert_err(fluv_attach(&uv), 0);
  ck_assert_err(fluv_channel_new(1, sizeof(int), NULL, &late.tx, &late.rx), 0);
  consumer = fluv_spawn(receive_one, &late);
  for (i = 0; i < 5; i++)
    ck_assert_int_ne(uv_run(&uv, UV_RUN_NOWAIT), 0);
  ck_assert_err(fluv_try_send(late.tx, &number), 0);
  number = (int) fluv_block_on(consumer);
  fluv_sender_free(late.tx);
  fluv_receiver_free(late.rx);
  ck_assert_err(fluv_loop_close(), 0);
  uv_run(&uv, UV_RUN_DEFAULT);
  ck_assert_int_eq(uv_loop_close(&uv), 0);
  return number;
}

static int64_t acquire_after_a_sleep(void* arg) {
  fluv_await(fluv_sleep(2));
  return acquire_in_vain(arg);
}

typedef struct scenario {
  fluv_task_fn fn;
  bool in_host; /* it runs the loop itself */
} scenario_t;

static void run_quietly(void* arg) {
  const scenario_t* scenario = arg;
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  int64_t result;

  options.watchdog_ms = FLUV_WATCHDOG_NEVER;
  result = scenario->in_host ? scenario->fn(NULL)
                             : fluv_run(scenario->fn, NULL, &options);
  fprintf(stderr, "it was %s\n", fluv_err_name(result));
  if (result > 0)
    fprintf(stderr, "number %d\n", (int) result);
}

static void check_quiet_run(fluv_task_fn fn, bool in_host, const char* part) {
  scenario_t scenario = { fn, in_host };
  int status;
  char* text = test_stderr_of(run_quietly, &scenario, &status);

  ck_assert_msg(status == 0, "%#x: %s", (unsigned) status, text);
  ck_assert_has(text, part);
  free(text);
}

START_TEST(wait_that_a_later_thread_ends_is_no_deadlock) {
  check_quiet_run(begin_thread_after_a_sleep, false, "number 7");
}
END_TEST

START_TEST(wait_that_an_unreferenced_handle_ends_is_no_deadlock) {
  check_quiet_run(wait_for_an_unrefd_handle, false, "number 8");
}
END_TEST

START_TEST(wait_that_the_host_ends_keeps_its_loop_alive) {
  check_quiet_run(wait_for_the_host, true, "number 9");
}
END_TEST

START_TEST(wait_of_the_only_thread_ends_after_a_sleep_too) {
  if (!is_never_alone())
    check_quiet_run(acquire_after_a_sleep, false, "it was EDEADLK");
}
END_TEST

/* What is forgotten. */

static int64_t forget_things(void* arg) {
  fluv_future_t* cold = fluv_sleep(1);
  fluv_future_t* done = fluv_ready(3);
  fluv_future_t* used = fluv_sleep(2);
  static fluv_listener_t* listener; /* static: valgrind then sees no leak */

  (void) arg;
  (void) cold;
  (void) done;
  fluv_drop(used);
  fluv_detach(fluv_never());
  return fluv_tcp_listen("127.0.0.1:0", NULL, &listener);
}

static void run_and_forget(void* arg) {
  (void) arg;
  ck_assert_err(fluv_run(forget_things, NULL, NULL), 0);
}

START_TEST(run_names_what_was_forgotten) {
  int status;
  char* text = test_stderr_of(run_and_forget, NULL, &status);
  char* rest;

  ck_assert_msg(status == 0, "%#x: %s", (unsigned) status, text);
  ck_assert_has(text, "nobody awaited, dropped or detached sleep #");
  ck_assert_has(text, "nobody awaited, dropped or detached ready #");
  ck_assert_has(text, "nobody closed listener, made at ");
  ck_assert_has(text, "(forget_things)");
  rest = strstr(text, "sleep #") + 1;
  ck_assert_ptr_null(strstr(rest, "sleep #"));
  ck_assert_has_not(text, "never");
  free(text);
}
END_TEST

static Suite* run_suite(void) {
  Suite* s = suite_create("run");
  TCase* tc;

  tc = test_case(s, "basic", NULL, NULL);
  ADD(tc,
      run_returns_what_the_task_returns,
      run_cancels_the_other_tasks_and_waits_for_them,
      run_says_nothing_of_tasks_that_it_ends,
      run_reports_tasks_that_do_not_end_in_time,
      run_does_not_wait_for_a_sleep_behind_a_shield,
      run_frees_what_abandoned_tasks_hold,
      run_says_when_nobody_can_deliver,
      run_names_what_was_forgotten);

  tc = test_case(s, "threads", NULL, NULL);
  ADD(tc,
      loops_in_four_threads_answer_each_other,
      loops_in_eight_threads_do_not_meet);

  tc = test_case(s, "regress", NULL, NULL);
  ADD(tc,
      run_ends_pending_continuations,
      wait_in_line_of_the_only_thread_ends,
      wait_of_the_only_thread_ends_after_a_sleep_too,
      wait_that_a_later_thread_ends_is_no_deadlock,
      wait_that_an_unreferenced_handle_ends_is_no_deadlock,
      wait_that_the_host_ends_keeps_its_loop_alive,
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

TEST_MAIN(run_suite)

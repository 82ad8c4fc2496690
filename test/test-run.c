/* SPDX-License-Identifier: MIT */
/* fluv_run: a loop of its own, several in threads, waits that nobody ends. */
#include "fluv-test.h"

#include <stdio.h>

static int64_t give(void* arg) {
  return (int64_t) (intptr_t) arg;
}

static int64_t wait_named(void* arg) {
  fluv_task_set_name(arg);
  return fluv_await(fluv_never());
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

/* Nothing can release it: there is no other thread. */
static int64_t acquire_forever(void* arg) {
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
  *result = fluv_run(acquire_forever, NULL, &options);
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

START_TEST(queued_wait_of_the_only_thread_ends) {
  int64_t result;
  int status;
  char* text;

  if (is_never_alone())
    return;
  text = test_stderr_of(wait_alone, &result, &status);
  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "acquire_forever");
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
  return acquire_forever(arg);
}

static int64_t nap(void* arg) {
  (void) arg;
  return fluv_await(fluv_sleep(1));
}

/* Spare stacks are then freed by a timer of the loop's, for a while. */
static int64_t acquire_after_a_burst(void* arg) {
  enum {
    BURST = 3000
  };
  static fluv_future_t* tasks[BURST];
  int i;

  for (i = 0; i < BURST; i++)
    tasks[i] = fluv_spawn(nap, NULL);
  ck_assert_err(fluv_await(fluv_join_all(tasks, BURST, NULL)), 0);
  return acquire_forever(arg);
}

/* The listener still polls, and no accept waits. */
static int64_t acquire_beside_a_listener(void* arg) {
  fluv_listener_t* listener;
  fluv_stream_t* stream;
  fluv_future_t* accepted;
  int64_t result;

  ck_assert_err(fluv_tcp_listen("127.0.0.1:0", NULL, &listener), 0);
  accepted = fluv_accept(listener, &stream);
  fluv_start(accepted);
  ck_assert_err(fluv_yield(), 0);
  fluv_drop(accepted);
  result = acquire_forever(arg);
  fluv_drop(fluv_listener_close(listener));
  return result;
}

static void close_timer(uv_timer_t* timer) {
  uv_close((uv_handle_t*) timer, NULL);
}

/* It keeps the loop alive at first, and its end wakes no task. */
static int64_t acquire_beside_a_timer(void* arg) {
  static uv_timer_t timer;

  uv_timer_init(fluv_loop_get_uv(fluv_loop_current()), &timer);
  uv_timer_start(&timer, close_timer, 2, 0);
  return acquire_forever(arg);
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

START_TEST(deadlock_is_seen_when_what_kept_the_loop_alive_has_ended) {
  static const fluv_task_fn functions[] = { acquire_after_a_burst,
                                            acquire_beside_a_listener,
                                            acquire_beside_a_timer };

  if (!is_never_alone())
    check_quiet_run(functions[_i], false, "it was EDEADLK");
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
      run_says_when_nobody_can_deliver,
      run_names_what_was_forgotten);

  tc = test_case(s, "threads", NULL, NULL);
  ADD(tc,
      loops_in_four_threads_answer_each_other,
      loops_in_eight_threads_do_not_meet);

  tc = test_case(s, "regress", NULL, NULL);
  ADD(tc,
      queued_wait_of_the_only_thread_ends,
      wait_of_the_only_thread_ends_after_a_sleep_too,
      wait_that_a_later_thread_ends_is_no_deadlock,
      wait_that_an_unreferenced_handle_ends_is_no_deadlock,
      wait_that_the_host_ends_keeps_its_loop_alive);
  tcase_add_loop_test(tc,
                      deadlock_is_seen_when_what_kept_the_loop_alive_has_ended,
                      0,
                      3);
  return s;
}

TEST_MAIN(run_suite)

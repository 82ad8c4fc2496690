/* SPDX-License-Identifier: MIT */
/* Objects of another thread's loop: who uses them aborts, in every build. */
#include "fluv-test-misuse.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int64_t give(void* arg) {
  return (int64_t) (intptr_t) arg;
}

static fluv_future_t* foreign;

static int64_t await_foreign(void* arg) {
  (void) arg;
  EXPECT_LINE(__LINE__ + 1);
  return fluv_await(foreign);
}

static void await_foreign_on_own_loop(void* arg) {
  (void) arg;
  fluv_run(await_foreign, NULL, NULL);
}

static void awaiting_a_foreign_future(void* arg) {
  (void) arg;
  test_setup();
  EXPECT_LINE(__LINE__ + 1);
  foreign = fluv_never();
  test_on_thread(await_foreign_on_own_loop, NULL);
}

START_TEST(awaiting_another_loops_future_names_both_places) {
  check_abort(awaiting_a_foreign_future, "thread");
}
END_TEST

static void drop_foreign(void* arg) {
  (void) arg;
  EXPECT_LINE(__LINE__ + 1);
  fluv_drop(foreign);
}

static void cancel_foreign(void* arg) {
  (void) arg;
  fluv_cancel(foreign);
}

static void ask_foreign(void* arg) {
  (void) arg;
  fluv_future_is_done(foreign);
}

static void use_foreign(void (*fn)(void* arg)) {
  test_setup();
  EXPECT_LINE(__LINE__ + 1);
  foreign = fluv_never();
  test_on_thread(fn, NULL);
}

static void dropping_a_foreign_future(void* arg) {
  (void) arg;
  use_foreign(drop_foreign);
}

static void cancelling_a_foreign_future(void* arg) {
  (void) arg;
  use_foreign(cancel_foreign);
}

static void asking_a_foreign_future(void* arg) {
  (void) arg;
  use_foreign(ask_foreign);
}

START_TEST(using_a_future_on_a_thread_without_a_loop_aborts) {
  check_abort(dropping_a_foreign_future, "thread");
  check_abort(cancelling_a_foreign_future, "thread");
  check_abort(asking_a_foreign_future, "thread");
}
END_TEST

static fluv_interval_t* foreign_interval;
static fluv_joinset_t* foreign_set;

static int64_t tick_foreign(void* arg) {
  (void) arg;
  EXPECT_LINE(__LINE__ + 1);
  return fluv_await(fluv_interval_tick(foreign_interval));
}

static int64_t next_foreign(void* arg) {
  (void) arg;
  return fluv_await(fluv_joinset_next(foreign_set, NULL, NULL));
}

static void run_task_on_thread(void* arg) {
  fluv_run(*(fluv_task_fn*) arg, NULL, NULL);
}

static void ticking_a_foreign_interval(void* arg) {
  fluv_task_fn fn = tick_foreign;

  (void) arg;
  test_setup();
  foreign_interval = fluv_interval_new(10, FLUV_INTERVAL_BURST);
  test_on_thread(run_task_on_thread, &fn);
}

static void taking_from_a_foreign_set(void* arg) {
  fluv_task_fn fn = next_foreign;

  (void) arg;
  test_setup();
  foreign_set = fluv_joinset_new();
  test_on_thread(run_task_on_thread, &fn);
}

START_TEST(using_another_loops_objects_aborts) {
  check_abort(ticking_a_foreign_interval, "interval");
  check_abort(taking_from_a_foreign_set, "set");
}
END_TEST

static fluv_promise_t* foreign_promise;

static void hook_foreign(void* arg) {
  (void) arg;
  fluv_promise_on_cancel(foreign_promise, NULL, NULL);
}

static void hooking_a_foreign_promise(void* arg) {
  (void) arg;
  test_setup();
  ck_assert_err(fluv_promise_new(&foreign_promise, &foreign), 0);
  test_on_thread(hook_foreign, NULL);
}

static fluv_scope_t* foreign_scope;

static void add_to_foreign_scope(void* arg) {
  (void) arg;
  fluv_scope_add(foreign_scope, fluv_ready(1));
}

static void cancel_foreign_scope(void* arg) {
  (void) arg;
  fluv_scope_cancel(foreign_scope);
}

static int64_t open_scope_for_others(void* arg) {
  ck_assert_err(fluv_scope_begin(&foreign_scope), 0);
  test_on_thread(*(uv_thread_cb*) arg, NULL);
  return fluv_scope_end(foreign_scope);
}

static void adding_to_a_foreign_scope(void* arg) {
  uv_thread_cb fn = add_to_foreign_scope;

  (void) arg;
  test_setup();
  test_run(open_scope_for_others, &fn);
}

static void cancelling_a_foreign_scope(void* arg) {
  uv_thread_cb fn = cancel_foreign_scope;

  (void) arg;
  test_setup();
  test_run(open_scope_for_others, &fn);
}

START_TEST(using_another_loops_scope_or_promise_aborts) {
  check_abort(hooking_a_foreign_promise, "promise");
  check_abort(adding_to_a_foreign_scope, "fluv_scope_add");
  check_abort(cancelling_a_foreign_scope, "fluv_scope_cancel");
}
END_TEST

static fluv_loop_t* foreign_loop;

static void reset_foreign_interval(void* arg) {
  (void) arg;
  fluv_interval_reset(foreign_interval);
}

static void free_foreign_interval(void* arg) {
  (void) arg;
  fluv_interval_free(foreign_interval);
}

static void count_foreign_set(void* arg) {
  (void) arg;
  fluv_joinset_count(foreign_set);
}

static void count_foreign_tasks(void* arg) {
  (void) arg;
  fluv_loop_count_tasks(foreign_loop);
}

static void name_foreign_task(void* arg) {
  (void) arg;
  fluv_task_get_name(foreign);
}

static void using_foreign(void* arg) {
  test_setup();
  foreign = fluv_spawn(give, NULL);
  foreign_interval = fluv_interval_new(10, FLUV_INTERVAL_BURST);
  foreign_set = fluv_joinset_new();
  foreign_loop = fluv_loop_current();
  test_on_thread(*(uv_thread_cb*) arg, NULL);
}

START_TEST(questions_from_another_thread_abort) {
  uv_thread_cb fns[] = { reset_foreign_interval,
                         free_foreign_interval,
                         count_foreign_set,
                         count_foreign_tasks,
                         name_foreign_task };
  size_t i;

  for (i = 0; i < sizeof(fns) / sizeof(*fns); i++)
    test_aborts(using_foreign, &fns[i], "thread", NULL);
}
END_TEST

/* A child of fork(2) has no loop. */

/* Runs `fn` in a child, and ends as the child does. */
static void in_a_child(void (*fn)(void)) {
  pid_t child = fork();
  int status = 0;

  if (child == 0) {
    fn();
    _exit(0);
  }
  ck_assert_int_eq(waitpid(child, &status, 0), child);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT)
    abort();
}

static void cancel_the_parents(void) {
  fluv_cancel(foreign);
}

static void use_in_a_child(void* arg) {
  (void) arg;
  test_setup();
  EXPECT_LINE(__LINE__ + 1);
  foreign = fluv_never();
  in_a_child(cancel_the_parents);
}

static void await_in_the_child(void) {
  EXPECT_LINE(__LINE__ + 1);
  fluv_await(fluv_sleep(1));
}

static int64_t fork_in_a_task(void* arg) {
  (void) arg;
  in_a_child(await_in_the_child);
  return 0;
}

static void await_in_a_child(void* arg) {
  (void) arg;
  fluv_run(fork_in_a_task, NULL, NULL);
}

START_TEST(the_abort_of_a_forked_child_says_why) {
  check_abort(use_in_a_child, "belongs to a loop of the parent process");
  check_abort(await_in_a_child, "forked inside a task: it has no loop");
}
END_TEST

static Suite* misuse_thread_suite(void) {
  Suite* s = suite_create("misuse-thread");
  TCase* tc = test_case(s, "misuse", NULL, NULL);

  ADD(tc,
      awaiting_another_loops_future_names_both_places,
      using_a_future_on_a_thread_without_a_loop_aborts,
      using_another_loops_objects_aborts,
      using_another_loops_scope_or_promise_aborts,
      questions_from_another_thread_abort,
      the_abort_of_a_forked_child_says_why);
  return s;
}

TEST_MAIN(misuse_thread_suite)

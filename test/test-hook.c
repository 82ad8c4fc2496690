/* SPDX-License-Identifier: MIT */
/* Hooks: user code that is called in the middle of things and interferes. */
#include "fluv-test.h"

static fluv_future_t* victim;
static fluv_joinset_t* set;

/* A promise whose future is cancelled at once when it is started, so that the
 * hook runs inside the start of whatever waits for it. */
static fluv_future_t* cancelled_at_start(fluv_promise_t** out_promise,
                                         void (*hook)(fluv_promise_t* p,
                                                      void* arg)) {
  fluv_future_t* f;

  ck_assert_err(fluv_promise_new(out_promise, &f), 0);
  fluv_promise_on_cancel(*out_promise, hook, NULL);
  return fluv_timeout(f, 0);
}

static void cancel_victim(fluv_promise_t* p, void* arg) {
  (void) arg;
  fluv_cancel(victim);
  fluv_promise_resolve(p, 1);
}

static int64_t await_what_cancels_me(void* arg) {
  fluv_promise_t* p;
  fluv_future_t* arms[2];
  int64_t result;

  arms[0] = cancelled_at_start(&p, cancel_victim);
  arms[1] = fluv_sleep(3000);
  result = fluv_await(fluv_join_all(arms, 2, NULL));
  fluv_promise_free(p);
  (void) arg;
  return result;
}

START_TEST(cancel_of_the_task_that_is_about_to_wait) {
  uint64_t before = fluv_now();

  victim = fluv_spawn(await_what_cancels_me, NULL);
  ck_assert_err(fluv_block_on(victim), FLUV_ECANCELED);
  ck_assert_uint_eq(fluv_now(), before);
}
END_TEST

TEST_TASK(cancel_of_the_select_that_is_starting_its_arms) {
  uint64_t before = fluv_now();
  fluv_promise_t* p;
  fluv_future_t* inner[2];
  fluv_future_t* outer[1];

  inner[0] = cancelled_at_start(&p, cancel_victim);
  inner[1] = fluv_sleep(3000);
  outer[0] = fluv_join_all(inner, 2, NULL);
  victim = fluv_select(outer, 1, NULL);
  fluv_start(victim);
  ck_assert_err(fluv_await(victim), FLUV_ECANCELED);
  ck_assert_uint_eq(fluv_now(), before);
  fluv_promise_free(p);
  return 0;
}

static void close_set(fluv_promise_t* p, void* arg) {
  fluv_promise_resolve(p, 1);
  fluv_detach(fluv_joinset_close(set));
  (void) arg;
}

TEST_TASK(close_of_the_set_that_is_cancelling_its_members) {
  fluv_promise_t* p;
  fluv_future_t* f;

  set = fluv_joinset_new();
  ck_assert_err(fluv_promise_new(&p, &f), 0);
  fluv_promise_on_cancel(p, close_set, NULL);
  ck_assert_err(fluv_joinset_add(set, fluv_never(), NULL), 0);
  ck_assert_err(fluv_joinset_add(set, f, NULL), 0);
  ck_assert_err(fluv_joinset_add(set, fluv_never(), NULL), 0);
  fluv_joinset_cancel(set);
  ck_assert_err(fluv_yield(), 0);
  fluv_promise_free(p);
  return 0;
}

static void add_to_set(fluv_promise_t* p, void* arg) {
  (void) arg;
  ck_assert_err(fluv_joinset_add(set, fluv_ready(5), NULL), 0);
  fluv_promise_resolve(p, 1);
}

TEST_TASK(add_to_the_set_that_is_cancelling_its_members) {
  fluv_promise_t* p;
  fluv_future_t* f;
  int64_t sum = 0;
  int64_t result;

  set = fluv_joinset_new();
  ck_assert_err(fluv_promise_new(&p, &f), 0);
  fluv_promise_on_cancel(p, add_to_set, NULL);
  ck_assert_err(fluv_joinset_add(set, f, NULL), 0);
  fluv_joinset_cancel(set);
  while (fluv_await(fluv_joinset_next(set, &result, NULL)) == 1)
    sum += result;
  ck_assert_err(sum, 6);
  fluv_promise_free(p);
  return fluv_await(fluv_joinset_close(set));
}

static void query_all(fluv_promise_t* p, void* arg) {
  test_note(fluv_task_self() == NULL ? "out" : "in");
  fluv_promise_resolve(p, 1);
  (void) arg;
}

/* Lose a select to a sleep that ends in the ready queue, while the other task
 * is the one that yields. */
static int64_t lose_a_select(void* arg) {
  fluv_promise_t* p;
  fluv_future_t* arms[2];

  ck_assert_err(fluv_promise_new(&p, &arms[0]), 0);
  fluv_promise_on_cancel(p, *(void (**)(fluv_promise_t*, void*)) arg, NULL);
  arms[1] = fluv_sleep(0);
  ck_assert_err(fluv_await(fluv_select_biased(arms, 2, NULL)), 1);
  fluv_promise_free(p);
  return 0;
}

static int64_t do_yield(void* arg) {
  (void) arg;
  fluv_task_set_name("innocent");
  fluv_yield();
  return fluv_await(fluv_sleep(5));
}

static void run_both(void (*hook)(fluv_promise_t*, void*)) {
  fluv_future_t* f[2];

  f[0] = fluv_spawn(lose_a_select, &hook);
  f[1] = fluv_spawn(do_yield, NULL);
  ck_assert_err(fluv_block_on(fluv_join_all(f, 2, NULL)), 0);
}

START_TEST(hooks_run_outside_all_tasks) {
  run_both(query_all);
  ck_assert_trace("out");
}
END_TEST

static void await_in_hook(fluv_promise_t* p, void* arg) {
  (void) arg;
  fluv_await(fluv_sleep(5));
  fluv_promise_resolve(p, 1);
}

static void awaiting_in_a_hook(void* arg) {
  (void) arg;
  test_setup_paused();
  run_both(await_in_hook);
}

START_TEST(await_in_a_hook_aborts) {
  test_aborts(awaiting_in_a_hook, NULL, "outside a task", "test-hook.c:");
}
END_TEST

/* Continuations and their arguments may do everything but await. */

static fluv_future_t* cancel_own_chain(int64_t result, void* arg) {
  (void) result;
  (void) arg;
  test_note("run ");
  fluv_cancel(victim);
  return fluv_sleep(1000);
}

static void note_free(void* arg) {
  (void) arg;
  test_note("free ");
}

START_TEST(continuation_cancels_its_own_chain) {
  uint64_t before = fluv_now();

  victim = fluv_then(fluv_ready(1), cancel_own_chain, NULL, note_free);
  ck_assert_err(fluv_block_on(victim), FLUV_ECANCELED);
  ck_assert_uint_eq(fluv_now(), before);
  ck_assert_trace("run free ");
}
END_TEST

static fluv_future_t* drop_own_chain(int64_t result, void* arg) {
  (void) result;
  (void) arg;
  test_note("run ");
  fluv_drop(victim);
  return fluv_sleep(1000);
}

START_TEST(continuation_drops_its_own_chain) {
  victim = fluv_then(fluv_ready(1), drop_own_chain, NULL, note_free);
  test_turn(4);
  ck_assert_trace("run free ");
}
END_TEST

static void drop_victim(void* arg) {
  (void) arg;
  test_note("drop ");
  fluv_drop(victim);
}

START_TEST(freeing_an_argument_drops_another_chain) {
  fluv_future_t* f = fluv_then(fluv_never(), drop_own_chain, NULL, drop_victim);

  victim = fluv_then(fluv_never(), drop_own_chain, NULL, note_free);
  fluv_drop(f);
  test_turn(4);
  ck_assert_trace("drop free ");
}
END_TEST

static void spawn_from_unhandled(int64_t err, const char* what, void* arg) {
  (void) what;
  (void) arg;
  ck_assert_err(err, FLUV_EPIPE);
  test_note(fluv_task_self() == NULL ? "out " : "in ");
  fluv_detach(fluv_sleep(1));
}

static int64_t fail_now(void* arg) {
  (void) arg;
  return FLUV_EPIPE;
}

START_TEST(unhandled_hook_may_start_things) {
  fluv_set_unhandled(spawn_from_unhandled, NULL);
  fluv_detach(fluv_spawn(fail_now, NULL));
  fluv_detach(fluv_failed(FLUV_EPIPE));
  test_turn(3);
  test_advance(5);
  ck_assert_trace("out out ");
}
END_TEST

static int key;

static void note_value(void* value) {
  test_note(value);
}

static void replace_in_destroy(void* value) {
  test_note(value);
  ck_assert_err(fluv_task_set_local(&key, TEXT("second "), note_value), 0);
}

static int64_t leave_a_local(void* arg) {
  return fluv_task_set_local(&key, arg, replace_in_destroy);
}

START_TEST(destroying_a_local_may_set_it_again) {
  ck_assert_err(test_run(leave_a_local, TEXT("first ")), 0);
  ck_assert_trace("first second ");
}
END_TEST

static Suite* hook_suite(void) {
  Suite* s = suite_create("hook");
  TCase* tc = test_case(s, "regress", test_setup_paused, test_teardown);

  ADD(tc,
      cancel_of_the_task_that_is_about_to_wait,
      cancel_of_the_select_that_is_starting_its_arms,
      close_of_the_set_that_is_cancelling_its_members,
      add_to_the_set_that_is_cancelling_its_members,
      hooks_run_outside_all_tasks,
      continuation_cancels_its_own_chain,
      continuation_drops_its_own_chain,
      freeing_an_argument_drops_another_chain,
      unhandled_hook_may_start_things,
      destroying_a_local_may_set_it_again);
  tc = test_case(s, "misuse", NULL, NULL);
  ADD(tc, await_in_a_hook_aborts);
  return s;
}

TEST_MAIN(hook_suite)

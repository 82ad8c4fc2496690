/* SPDX-License-Identifier: MIT */
/* Tasks: order, results, names, locals, deferred calls, fairness. */
#include "fluv-test.h"

static int64_t note_arg(void* arg) {
  test_note(arg);
  return 0;
}

static int64_t give(void* arg) {
  return *(int64_t*) arg;
}

static void count_free(void* arg) {
  (*(int*) arg)++;
}

/* Spawning. */

START_TEST(task_never_runs_at_once) {
  fluv_future_t* f = fluv_spawn(note_arg, TEXT("a"));

  ck_assert_trace("");
  ck_assert(!fluv_future_is_done(f));
  ck_assert_err(fluv_future_get_result(f), FLUV_EAGAIN);
  test_turn(2);
  ck_assert_trace("a");
  ck_assert(fluv_future_is_done(f));
  ck_assert_err(fluv_block_on(f), 0);
}
END_TEST

static int64_t spawn_and_note(void* arg) {
  fluv_future_t* f = fluv_spawn(note_arg, TEXT("child "));

  (void) arg;
  test_note("parent ");
  fluv_await(f);
  test_note("parent");
  return 0;
}

START_TEST(task_spawned_in_a_task_waits_its_turn) {
  ck_assert_err(test_run(spawn_and_note, NULL), 0);
  ck_assert_trace("parent child parent");
}
END_TEST

START_TEST(tasks_start_in_the_order_in_which_they_were_spawned) {
  fluv_detach(fluv_spawn(note_arg, TEXT("a")));
  fluv_detach(fluv_spawn(note_arg, TEXT("b")));
  fluv_detach(fluv_spawn(note_arg, TEXT("c")));
  test_turn(2);
  ck_assert_trace("abc");
}
END_TEST

START_TEST(result_is_what_the_function_returns) {
  int64_t values[] = { 0, 1, INT64_MAX, -1, FLUV_EPIPE, INT64_MIN };
  size_t i;

  for (i = 0; i < sizeof(values) / sizeof(*values); i++)
    ck_assert_err(test_run(give, &values[i]), values[i]);
}
END_TEST

START_TEST(result_stays_until_it_is_awaited) {
  int64_t value = 17;
  fluv_future_t* f = fluv_spawn(give, &value);

  test_turn(3);
  ck_assert_err(fluv_future_get_result(f), 17);
  ck_assert_err(fluv_future_get_result(f), 17);
  ck_assert_err(fluv_block_on(f), 17);
}
END_TEST

static int64_t nest(void* arg) {
  int64_t depth = (intptr_t) arg;

  if (depth == 0)
    return 0;
  return 1 + fluv_await(fluv_spawn(nest, (void*) (intptr_t) (depth - 1)));
}

START_TEST(tasks_may_wait_for_tasks_to_any_depth) {
  ck_assert_err(test_run(nest, (void*) (intptr_t) 200), 200);
}
END_TEST

static int64_t count_up(void* arg) {
  int* count = arg;

  if (*count % 2 == 0)
    fluv_yield();
  ++*count;
  return 0;
}

START_TEST(two_thousand_tasks_run_at_a_time) {
  int count = 0;
  int i;

  for (i = 0; i < 2000; i++)
    fluv_detach(fluv_spawn(count_up, &count));
  ck_assert_uint_eq(fluv_loop_count_tasks(fluv_loop_current()), 2000);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_int_eq(count, 2000);
  ck_assert_uint_eq(fluv_loop_count_tasks(fluv_loop_current()), 0);
}
END_TEST

START_TEST(one_task_after_the_other_reuses_its_memory) {
  int64_t value = 1;
  int i;

  for (i = 0; i < 5000; i++)
    ck_assert_err(test_run(give, &value), 1);
}
END_TEST

START_TEST(free_arg_is_for_tasks_that_never_start) {
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;
  fluv_future_t* f;
  int64_t value = 4;
  int freed = 0;

  options.free_arg = count_free;
  f = fluv_spawn_with(NULL, &freed, &options);
  ck_assert_err(fluv_block_on(f), FLUV_EINVAL);
  ck_assert_int_eq(freed, 1);

  f = fluv_spawn_with(give, &value, &options);
  ck_assert_err(fluv_block_on(f), 4);
  ck_assert_int_eq(value, 4);
}
END_TEST

/* Taking turns. */

static int64_t note_three_times(void* arg) {
  int i;

  for (i = 0; i < 3; i++) {
    test_note(arg);
    ck_assert_err(fluv_yield(), 0);
  }
  return 0;
}

START_TEST(yield_lets_the_others_run_in_turn) {
  fluv_detach(fluv_spawn(note_three_times, TEXT("a")));
  fluv_detach(fluv_spawn(note_three_times, TEXT("b")));
  fluv_detach(fluv_spawn(note_three_times, TEXT("c")));
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert_trace("abcabcabc");
}
END_TEST

TEST_TASK(yield_alone_comes_back) {
  int i;

  for (i = 0; i < 10000; i++)
    ck_assert_err(fluv_yield(), 0);
  return 0;
}

TEST_TASK(ready_awaits_yield_every_128) {
  fluv_future_t* other;
  int i;

  /* An await that suspends resets the count. */
  ck_assert_err(fluv_yield(), 0);
  other = fluv_spawn(note_arg, TEXT("x"));
  for (i = 0; i < 127; i++)
    ck_assert_err(fluv_await(fluv_ready(i)), i);
  ck_assert_trace("");
  for (i = 0; i < 2; i++)
    ck_assert_err(fluv_await(fluv_ready(i)), i);
  ck_assert_trace("x");
  return fluv_await(other);
}

static fluv_future_t* waiting_for[2];

static int64_t wait_for_first(void* arg) {
  int64_t err = fluv_await(waiting_for[0]);

  test_note(arg);
  return err;
}

static int64_t wait_for_second(void* arg) {
  int64_t err = fluv_await(waiting_for[1]);

  test_note(arg);
  return err;
}

START_TEST(tasks_wake_in_the_order_of_their_events) {
  fluv_promise_t* promises[2];

  ck_assert_err(fluv_promise_new(&promises[0], &waiting_for[0]), 0);
  ck_assert_err(fluv_promise_new(&promises[1], &waiting_for[1]), 0);
  fluv_detach(fluv_spawn(wait_for_first, TEXT("a")));
  fluv_detach(fluv_spawn(wait_for_second, TEXT("b")));
  test_turn(2);
  fluv_promise_resolve(promises[1], 0);
  fluv_promise_resolve(promises[0], 0);
  ck_assert_trace("");
  test_turn(2);
  ck_assert_trace("ba");
  fluv_promise_free(promises[0]);
  fluv_promise_free(promises[1]);
}
END_TEST

/* A turn is bounded. */

static int turns;

static void count_turn(uv_prepare_t* handle) {
  (void) handle;
  turns++;
}

static int64_t yield_a_lot(void* arg) {
  int i;

  for (i = 0; i < 800; i++)
    fluv_yield();
  return (int64_t) (intptr_t) arg;
}

static void setup_short_turns(void) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;

  options.turn_count = 8;
  test_setup_with(&options);
}

START_TEST(turn_is_bounded_in_count) {
  uv_prepare_t prepare;

  turns = 0;
  uv_prepare_init(test_uv, &prepare);
  uv_prepare_start(&prepare, count_turn);
  ck_assert_err(test_run(yield_a_lot, NULL), 0);
  ck_assert_int_ge(turns, 800 / 8 - 2);
  ck_assert_int_le(turns, 800);
  uv_close((uv_handle_t*) &prepare, NULL);
  test_turn(1);
}
END_TEST

static bool stop_yielding;

static void on_host_timer(uv_timer_t* handle) {
  (void) handle;
  stop_yielding = true;
}

static void on_host_async(uv_async_t* handle) {
  (void) handle;
  stop_yielding = true;
}

static int64_t yield_until_stopped(void* arg) {
  (void) arg;
  while (!stop_yielding)
    ck_assert_err(fluv_yield(), 0);
  return 0;
}

static int64_t stop_after_a_sleep(void* arg) {
  (void) arg;
  fluv_await(fluv_sleep(2));
  stop_yielding = true;
  return 0;
}

START_TEST(yielding_tasks_do_not_starve_the_hosts_timers) {
  uv_timer_t timer;

  stop_yielding = false;
  uv_timer_init(test_uv, &timer);
  uv_timer_start(&timer, on_host_timer, 2, 0);
  fluv_detach(fluv_spawn(yield_until_stopped, NULL));
  ck_assert_err(test_run(yield_until_stopped, NULL), 0);
  uv_close((uv_handle_t*) &timer, NULL);
  test_turn(2);
}
END_TEST

START_TEST(yielding_tasks_do_not_starve_io) {
  uv_async_t async;

  stop_yielding = false;
  uv_async_init(test_uv, &async, on_host_async);
  uv_async_send(&async);
  fluv_detach(fluv_spawn(yield_until_stopped, NULL));
  ck_assert_err(test_run(yield_until_stopped, NULL), 0);
  uv_close((uv_handle_t*) &async, NULL);
  test_turn(2);
}
END_TEST

START_TEST(yielding_tasks_do_not_starve_sleeps) {
  stop_yielding = false;
  fluv_detach(fluv_spawn(yield_until_stopped, NULL));
  fluv_detach(fluv_spawn(yield_until_stopped, NULL));
  ck_assert_err(test_run(stop_after_a_sleep, NULL), 0);
  test_turn(2);
}
END_TEST

static int64_t await_ready_until_stopped(void* arg) {
  (void) arg;
  while (!stop_yielding)
    ck_assert_err(fluv_await(fluv_ready(0)), 0);
  return 0;
}

START_TEST(ready_awaits_do_not_starve_sleeps) {
  stop_yielding = false;
  fluv_detach(fluv_spawn(await_ready_until_stopped, NULL));
  ck_assert_err(test_run(stop_after_a_sleep, NULL), 0);
  test_turn(2);
}
END_TEST

/* Names and the task itself. */

static int64_t compare_self(void* arg) {
  ck_assert_ptr_eq(fluv_task_self(), *(fluv_future_t**) arg);
  fluv_yield();
  ck_assert_ptr_eq(fluv_task_self(), *(fluv_future_t**) arg);
  return 0;
}

START_TEST(self_is_the_running_task) {
  fluv_future_t* f;
  fluv_future_t* g;

  ck_assert_ptr_null(fluv_task_self());
  f = fluv_spawn(compare_self, &f);
  g = fluv_spawn(compare_self, &g);
  test_turn(3);
  ck_assert_ptr_null(fluv_task_self());
  ck_assert_err(fluv_block_on(f), 0);
  ck_assert_err(fluv_block_on(g), 0);
}
END_TEST

static fluv_future_t* spawn_for_me(void) {
  return fluv_spawn(note_arg, TEXT(""));
}

static fluv_future_t* spawn_a_cast_for_me(void) {
  return fluv_spawn((fluv_task_fn) note_arg, TEXT(""));
}

START_TEST(name_is_the_tasks_functions_by_default) {
  fluv_future_t* f = spawn_for_me();
  fluv_future_t* cast = spawn_a_cast_for_me();
  fluv_future_t* plain = fluv_never();

  ck_assert_str_eq(fluv_task_get_name(f), "note_arg");
  ck_assert_str_eq(fluv_task_get_name(cast), "spawn_a_cast_for_me");
  ck_assert_str_eq(fluv_task_get_name(plain), "");
  fluv_drop(plain);
  ck_assert_err(fluv_block_on(f), 0);
  ck_assert_err(fluv_block_on(cast), 0);
}
END_TEST

static int64_t is_own_name(void* arg) {
  (void) arg;
  return strcmp(fluv_task_get_name(fluv_task_self()), "is_own_name");
}

/* By whatever function it was spawned. */
TEST_TASK(name_is_the_tasks_functions_with_every_spawn) {
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;
  fluv_loop_t* loop = fluv_loop_current();
  fluv_tracker_t* tracker;
  fluv_joinset_t* set;
  fluv_scope_t* scope;
  int64_t result;
  void* tag;

  (void) arg;
  ck_assert_err(fluv_await(fluv_spawn(is_own_name, NULL)), 0);
  ck_assert_err(fluv_await(fluv_spawn_with(is_own_name, NULL, &options)), 0);
  ck_assert_err(fluv_await(fluv_spawn_on(loop, is_own_name, NULL)), 0);
  ck_assert_err(fluv_tracker_new(&tracker), 0);
  ck_assert_err(fluv_await(fluv_tracker_spawn(tracker, is_own_name, NULL)), 0);
  fluv_tracker_free(tracker);
  ck_assert_ptr_nonnull(set = fluv_joinset_new());
  ck_assert_err(fluv_joinset_spawn(set, is_own_name, NULL), 0);
  ck_assert_err(fluv_await(fluv_joinset_next(set, &result, &tag)), 1);
  ck_assert_err(result, 0);
  ck_assert_err(fluv_await(fluv_joinset_close(set)), 0);
  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_spawn(scope, is_own_name, NULL), 0);
  ck_assert_err(fluv_scope_end(scope), 0);
  return 0;
}

START_TEST(name_is_copied_and_cut) {
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;
  char name[] = "0123456789012345678901234567890123456789";
  fluv_future_t* f;

  options.name = name;
  f = fluv_spawn_with(note_arg, TEXT(""), &options);
  memset(name, 'x', sizeof(name) - 1);
  ck_assert_str_eq(fluv_task_get_name(f), "0123456789012345678901234567890");
  ck_assert_err(fluv_block_on(f), 0);
}
END_TEST

TEST_TASK(name_can_be_set_from_inside) {
  const fluv_future_t* self = fluv_task_self();
  char name[] = "first";

  ck_assert_err(fluv_task_set_name(name), 0);
  name[0] = 'F';
  ck_assert_str_eq(fluv_task_get_name(self), "first");
  ck_assert_err(fluv_task_set_name("0123456789012345678901234567890123456789"),
                0);
  ck_assert_str_eq(fluv_task_get_name(self), "0123456789012345678901234567890");
  ck_assert_err(fluv_task_set_name(NULL), FLUV_EINVAL);
  return 0;
}

/* Locals. */

static int keys[64];

static void note_free(void* value) {
  test_note(value);
}

static int64_t has_no_local(void* arg) {
  ck_assert_ptr_null(fluv_task_get_local(arg));
  ck_assert_err(fluv_task_set_local(arg, TEXT("other"), NULL), 0);
  return 0;
}

TEST_TASK(locals_belong_to_one_task) {
  ck_assert_ptr_null(fluv_task_get_local(&keys[0]));
  ck_assert_err(fluv_task_set_local(&keys[0], TEXT("mine"), NULL), 0);
  ck_assert_err(fluv_await(fluv_spawn(has_no_local, &keys[0])), 0);
  ck_assert_str_eq(fluv_task_get_local(&keys[0]), "mine");
  ck_assert_ptr_null(fluv_task_get_local(&keys[1]));
  ck_assert_err(fluv_task_set_local(&keys[0], NULL, NULL), 0);
  ck_assert_ptr_null(fluv_task_get_local(&keys[0]));
  return 0;
}

static int64_t set_and_replace(void* arg) {
  (void) arg;
  fluv_task_set_local(&keys[0], TEXT("a"), note_free);
  fluv_task_set_local(&keys[1], TEXT("b"), note_free);
  ck_assert_trace("");
  fluv_task_set_local(&keys[0], TEXT("c"), note_free);
  ck_assert_trace("a");
  fluv_yield();
  ck_assert_trace("a");
  return 0;
}

START_TEST(locals_are_destroyed_when_replaced_and_at_the_end) {
  ck_assert_err(test_run(set_and_replace, NULL), 0);
  ck_assert_uint_eq(strlen(test_trace), 3);
  ck_assert_ptr_nonnull(strchr(test_trace, 'b'));
  ck_assert_ptr_nonnull(strchr(test_trace, 'c'));
}
END_TEST

static int64_t set_many(void* arg) {
  int i;

  (void) arg;
  for (i = 0; i < 64; i++)
    ck_assert_err(fluv_task_set_local(&keys[i], TEXT("z"), note_free), 0);
  for (i = 0; i < 64; i++)
    ck_assert_ptr_nonnull(fluv_task_get_local(&keys[i]));
  return 0;
}

START_TEST(locals_may_be_many) {
  ck_assert_err(test_run(set_many, NULL), 0);
  ck_assert_uint_eq(strlen(test_trace), 64);
  ck_assert_ptr_null(fluv_task_get_local(&keys[0]));
}
END_TEST

/* Deferred calls. */

static void defer_note(void* arg) {
  test_note(arg);
}

static void defer_and_await(void* arg) {
  ck_assert_ptr_nonnull(fluv_task_self());
  ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  ck_assert_str_eq(fluv_task_get_local(&keys[0]), "L");
  fluv_defer(defer_note, TEXT("n"));
  test_note(arg);
}

static int64_t defer_several(void* arg) {
  (void) arg;
  fluv_task_set_local(&keys[0], TEXT("L"), note_free);
  ck_assert_err(fluv_defer(NULL, NULL), FLUV_EINVAL);
  ck_assert_err(fluv_defer(defer_note, TEXT("1")), 0);
  ck_assert_err(fluv_defer(defer_and_await, TEXT("2")), 0);
  ck_assert_err(fluv_defer(defer_note, TEXT("3")), 0);
  test_note("0");
  return 55;
}

START_TEST(deferred_calls_run_last_in_first_out_and_may_await) {
  ck_assert_err(test_run(defer_several, NULL), 55);
  ck_assert_trace("032n1L");
}
END_TEST

static int64_t note_child(void* arg) {
  ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  test_note(arg);
  return 0;
}

static void note_interrupt(void* arg) {
  (void) arg;
  test_note(fluv_task_get_interrupt() == FLUV_ETIMEDOUT ? "T" : "-");
}

static int64_t open_several(void* arg) {
  fluv_scope_t* scope;

  ck_assert_err(fluv_defer(defer_note, TEXT("1")), 0);
  ck_assert_err(fluv_scope_begin(&scope), 0);
  ck_assert_err(fluv_scope_spawn(scope, note_child, TEXT("c")), 0);
  ck_assert_err(fluv_defer(defer_note, TEXT("2")), 0);
  ck_assert_err(fluv_deadline_begin(0), 0);
  ck_assert_err(fluv_defer(note_interrupt, NULL), 0);
  (void) arg;
  return 0;
}

START_TEST(what_was_opened_last_ends_first) {
  ck_assert_err(test_run(open_several, NULL), 0);
  ck_assert_trace("T2c1");
}
END_TEST

static Suite* task_suite(void) {
  Suite* s = suite_create("task");
  TCase* tc = test_case(s, "basic", test_setup, test_teardown);

  ADD(tc,
      task_never_runs_at_once,
      task_spawned_in_a_task_waits_its_turn,
      tasks_start_in_the_order_in_which_they_were_spawned,
      result_is_what_the_function_returns,
      result_stays_until_it_is_awaited,
      tasks_may_wait_for_tasks_to_any_depth,
      two_thousand_tasks_run_at_a_time,
      one_task_after_the_other_reuses_its_memory,
      free_arg_is_for_tasks_that_never_start,
      yield_lets_the_others_run_in_turn,
      yield_alone_comes_back,
      ready_awaits_yield_every_128,
      tasks_wake_in_the_order_of_their_events,
      yielding_tasks_do_not_starve_the_hosts_timers,
      yielding_tasks_do_not_starve_io,
      yielding_tasks_do_not_starve_sleeps,
      ready_awaits_do_not_starve_sleeps,
      self_is_the_running_task,
      name_is_the_tasks_functions_by_default,
      name_is_the_tasks_functions_with_every_spawn,
      name_is_copied_and_cut,
      name_can_be_set_from_inside,
      locals_belong_to_one_task,
      locals_are_destroyed_when_replaced_and_at_the_end,
      locals_may_be_many,
      deferred_calls_run_last_in_first_out_and_may_await,
      what_was_opened_last_ends_first);

  tc = test_case(s, "basic", setup_short_turns, test_teardown);
  ADD(tc, turn_is_bounded_in_count);
  return s;
}

TEST_MAIN(task_suite)

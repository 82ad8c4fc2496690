/* SPDX-License-Identifier: MIT */
/* Out of memory: every call with its first, second, ... allocation failing. */
#include "fluv-test.h"

/* Each scenario gives back what it made however far it got, and returns the
 * first error. */

static int64_t first_error(int64_t a, int64_t b) {
  return a < 0 ? a : b;
}

static void count_free(void* arg) {
  (*(int*) arg)++;
}

static int64_t give(void* arg) {
  return (int64_t) (intptr_t) arg;
}

static int64_t wait_for_cancel(void* arg) {
  int64_t err = fluv_await(fluv_never());

  (void) arg;
  return err == FLUV_ECANCELED ? 0 : err;
}

static int64_t sleep_a_little(void* arg) {
  return fluv_await(fluv_sleep((uint64_t) (intptr_t) arg));
}

/* Futures. */

static int64_t make_futures(void* arg) {
  int64_t err = fluv_await(fluv_ready(1));
  fluv_future_t* f = fluv_never();

  (void) arg;
  fluv_cancel(f);
  if (fluv_await(f) == FLUV_ENOMEM)
    err = FLUV_ENOMEM;
  f = fluv_sleep(1);
  fluv_start(f);
  err = first_error(err, fluv_await(f));
  fluv_drop(fluv_sleep(1));
  fluv_detach(fluv_sleep(2));
  fluv_detach(fluv_failed(FLUV_EPIPE));
  return first_error(err, fluv_await(fluv_sleep(5)));
}

static int64_t describe_futures(void* arg) {
  fluv_future_t* f = fluv_never();
  char text[200];

  (void) arg;
  ck_assert_int_gt(fluv_future_describe(f, text, sizeof(text)), 0);
  ck_assert_uint_gt(fluv_future_get_id(f), 0);
  fluv_drop(f);
  return 0;
}

START_TEST(futures) {
  TEST_OOM(make_futures, NULL);
}
END_TEST

START_TEST(describing) {
  TEST_OOM(describe_futures, NULL);
}
END_TEST

static fluv_future_t* sleep_on(int64_t result, void* arg) {
  (void) result;
  (void) arg;
  return fluv_sleep(1);
}

static int64_t continue_futures(void* arg) {
  int freed = 0;
  fluv_future_t* f = fluv_sleep(1);
  int64_t err;
  int i;

  (void) arg;
  f = fluv_then(f, sleep_on, &freed, count_free);
  f = fluv_catch(f, sleep_on, &freed, count_free);
  f = fluv_finally(f, sleep_on, &freed, count_free);
  err = fluv_await(f);
  fluv_drop(fluv_then(fluv_never(), sleep_on, &freed, count_free));
  fluv_drop(fluv_finally(fluv_never(), sleep_on, &freed, count_free));
  err = first_error(err, fluv_await(fluv_sleep(3)));
  /* Each argument is freed once, whatever failed; the wait may have, and
   * then there are other turns for it. */
  for (i = 0; i < 8; i++)
    fluv_yield();
  ck_assert_int_eq(freed, 5);
  return err;
}

START_TEST(continuations) {
  TEST_OOM(continue_futures, NULL);
}
END_TEST

/* Promises. */

static int64_t use_promises(void* arg) {
  fluv_promise_t* p = NULL;
  fluv_future_t* f = NULL;
  int64_t err = fluv_promise_new(&p, &f);

  (void) arg;
  if (err < 0) {
    ck_assert_ptr_null(p);
    ck_assert_ptr_null(f);
    return err;
  }
  ck_assert_err(fluv_promise_resolve(p, 3), 0);
  ck_assert_err(fluv_await(f), 3);
  fluv_promise_free(p);

  err = fluv_promise_new(&p, &f);
  if (err < 0)
    return err;
  fluv_promise_free(p);
  ck_assert_err(fluv_await(f), FLUV_EBROKEN);
  return 0;
}

START_TEST(promises) {
  TEST_OOM(use_promises, NULL);
}
END_TEST

static void answer_and_free(void* arg) {
  fluv_promise_resolve(arg, 3);
  fluv_promise_free(arg);
}

static int64_t answer_on_a_thread(void* arg) {
  fluv_promise_t* p = NULL;
  fluv_future_t* f = NULL;
  uv_thread_t thread;
  int64_t err = fluv_promise_new(&p, &f);

  (void) arg;
  if (err < 0)
    return err;
  ck_assert_int_eq(uv_thread_create(&thread, answer_and_free, p), 0);
  /* An answer from a thread needs no memory. */
  ck_assert_err(fluv_block_on(f), 3);
  uv_thread_join(&thread);
  return 0;
}

START_TEST(promises_answered_on_a_thread) {
  TEST_OOM_PLAIN(answer_on_a_thread, NULL);
}
END_TEST

/* Tasks. */

static int64_t spawn_tasks(void* arg) {
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;
  fluv_future_t* f[40];
  int64_t err = 0;
  int freed = 0;
  int i;

  (void) arg;
  options.name = "worker";
  options.stack_size = 32 << 10;
  options.free_arg = count_free;
  for (i = 0; i < 20; i++)
    f[i] = fluv_spawn(sleep_a_little, (void*) (intptr_t) (i % 4));
  for (; i < 40; i++)
    f[i] = fluv_spawn_with(wait_for_cancel, &freed, &options);
  err = first_error(err, fluv_yield());
  for (i = 20; i < 40; i++)
    fluv_cancel(f[i]);
  for (i = 0; i < 40; i++)
    err = first_error(err, fluv_await(f[i]));
  /* A task that could not be made, or started, frees its argument. */
  ck_assert_int_le(freed, 1);
  ck_assert(freed == 0 || err < 0);
  return err;
}

START_TEST(tasks) {
  TEST_OOM(spawn_tasks, NULL);
}
END_TEST

static int64_t spawn_plain(void* arg) {
  fluv_future_t* f[3];

  f[0] = fluv_spawn(sleep_a_little, (void*) 1);
  f[1] = fluv_spawn(give, arg);
  f[2] = fluv_timeout(fluv_spawn(sleep_a_little, (void*) 2), 10);
  return fluv_block_on(fluv_join_all(f, 3, NULL));
}

START_TEST(tasks_from_plain_code) {
  TEST_OOM_PLAIN(spawn_plain, NULL);
}
END_TEST

static int keys[8];

static int64_t set_locals(void* arg) {
  int destroyed = 0;
  int set = 0;
  int64_t err = 0;
  int i;

  (void) arg;
  for (i = 0; i < 8; i++) {
    int rc = fluv_task_set_local(&keys[i], &destroyed, count_free);
    set += rc == 0;
    ck_assert_ptr_eq(fluv_task_get_local(&keys[i]),
                     rc == 0 ? &destroyed : NULL);
    err = first_error(err, rc);
  }
  ck_assert_int_eq(destroyed, 0);
  for (i = 0; i < 8; i++)
    err = first_error(err, fluv_task_set_local(&keys[i], NULL, NULL));
  ck_assert_int_ge(set, 7);
  return first_error(err, fluv_task_set_name("local"));
}

START_TEST(locals) {
  TEST_OOM(set_locals, NULL);
}
END_TEST

static int64_t defer_some(void* arg) {
  static int ran;
  int64_t err = 0;
  int i;

  (void) arg;
  for (i = 0; i < 4; i++)
    err = first_error(err, fluv_defer(count_free, &ran));
  return err;
}

START_TEST(deferred_calls) {
  TEST_OOM(defer_some, NULL);
}
END_TEST

static int64_t set_frames(void* arg) {
  int64_t err = fluv_deadline_begin(10);
  int shield;

  (void) arg;
  if (err < 0)
    return err;
  shield = fluv_shield_begin(100);
  if (shield == 0) {
    err = fluv_await(fluv_sleep(20));
    fluv_shield_end();
    if (err == 0)
      ck_assert(fluv_deadline_end());
    else
      fluv_deadline_end();
    return err;
  }
  fluv_deadline_end();
  return shield;
}

START_TEST(shields_and_deadlines) {
  TEST_OOM(set_frames, NULL);
}
END_TEST

/* Combinators. */

static int64_t join_some(void* arg) {
  fluv_future_t* f[20];
  int64_t results[20];
  int64_t err;
  int i;

  (void) arg;
  for (i = 0; i < 20; i++)
    f[i] = i % 2 == 0 ? fluv_spawn(sleep_a_little, (void*) 1) : fluv_sleep(2);
  err = fluv_await(fluv_join_all(f, 20, results));
  for (i = 0; i < 20; i++)
    f[i] = i % 2 == 0 ? fluv_ready(1) : fluv_sleep(2);
  err = first_error(err, fluv_await(fluv_try_join_all(f, 20, results)));
  err = first_error(err, fluv_await(fluv_join_all(f, 0, NULL)));
  for (i = 0; i < 3; i++)
    f[i] = fluv_never();
  fluv_drop(fluv_join_all(f, 3, results));
  return err;
}

START_TEST(joins) {
  TEST_OOM(join_some, NULL);
}
END_TEST

static int64_t select_some(void* arg) {
  fluv_future_t* f[20];
  int64_t result = 0;
  int64_t err;
  int i;

  (void) arg;
  for (i = 0; i < 20; i++)
    f[i] = i % 2 == 0 ? fluv_spawn(wait_for_cancel, NULL)
                      : fluv_sleep((uint64_t) i);
  err = fluv_await(fluv_select(f, 20, &result));
  err = first_error(err, result);
  result = 0;
  f[0] = fluv_sleep(3);
  f[1] = fluv_sleep(2);
  err = first_error(err, fluv_await(fluv_select_ok(f, 2, &result)));
  f[0] = fluv_never();
  f[1] = fluv_spawn(wait_for_cancel, NULL);
  fluv_drop(fluv_select_biased(f, 2, NULL));
  return first_error(err, result);
}

START_TEST(selects) {
  TEST_OOM(select_some, NULL);
}
END_TEST

static int64_t time_out_some(void* arg) {
  int64_t err = fluv_await(fluv_timeout(fluv_sleep(1), 10));
  int64_t late = fluv_await(fluv_timeout(fluv_never(), 2));
  uint64_t end = fluv_now() + 5000000;

  (void) arg;
  ck_assert(late == FLUV_ETIMEDOUT || late == FLUV_ENOMEM);
  if (late == FLUV_ENOMEM)
    err = late;
  late = fluv_await(fluv_timeout_at(fluv_spawn(wait_for_cancel, NULL), end));
  /* The task returns a value when it is cancelled, which beats the timeout. */
  return first_error(err, late);
}

START_TEST(timeouts) {
  TEST_OOM(time_out_some, NULL);
}
END_TEST

static int64_t nest_some(void* arg) {
  fluv_future_t* a[] = { fluv_sleep(1), fluv_sleep(2) };
  fluv_future_t* b[] = { fluv_sleep(3), fluv_timeout(fluv_sleep(4), 5) };
  fluv_future_t* c[2];
  int64_t result = 0;

  (void) arg;
  c[0] = fluv_join_all(a, 2, NULL);
  c[1] = fluv_select(b, 2, &result);
  return first_error(fluv_await(fluv_timeout(fluv_try_join_all(c, 2, NULL), 9)),
                     result);
}

START_TEST(nested_combinators) {
  TEST_OOM(nest_some, NULL);
}
END_TEST

/* Scopes and join sets. */

static int64_t use_a_scope(void* arg) {
  fluv_scope_t* scope = NULL;
  int64_t err = fluv_scope_begin(&scope);
  int64_t add = 0;
  int64_t end;
  intptr_t i;

  (void) arg;
  if (err < 0)
    return err;
  for (i = 0; i < 6; i++) {
    add = first_error(add, fluv_scope_spawn(scope, sleep_a_little, (void*) i));
    add = first_error(add, fluv_scope_add(scope, fluv_sleep(2)));
    add = first_error(add, fluv_scope_add(scope, fluv_ready(0)));
  }
  end = fluv_scope_end(scope);
  /* A scope that could not take a child fails at its end. */
  ck_assert(add >= 0 || end == add);
  return end;
}

START_TEST(scopes) {
  TEST_OOM(use_a_scope, NULL);
}
END_TEST

static int64_t leave_a_scope_open(void* arg) {
  fluv_scope_t* scope = NULL;
  int64_t err = fluv_scope_begin(&scope);

  (void) arg;
  if (err < 0)
    return err;
  return fluv_scope_spawn(scope, sleep_a_little, (void*) 3);
}

START_TEST(scopes_left_open) {
  TEST_OOM(leave_a_scope_open, NULL);
}
END_TEST

static int64_t use_a_joinset(void* arg) {
  fluv_joinset_t* set = fluv_joinset_new();
  int64_t err = 0;
  int64_t result;
  int64_t more;
  intptr_t i;

  (void) arg;
  if (set == NULL)
    return FLUV_ENOMEM;
  for (i = 0; i < 6; i++) {
    err = first_error(err, fluv_joinset_spawn(set, sleep_a_little, (void*) i));
    err = first_error(err, fluv_joinset_add(set, fluv_sleep(2), NULL));
  }
  result = 0;
  while ((more = fluv_await(fluv_joinset_next(set, &result, NULL))) == 1)
    err = first_error(err, result);
  err = first_error(err, more);
  err = first_error(err, fluv_joinset_add(set, fluv_never(), NULL));
  more = fluv_await(fluv_joinset_close(set));
  /* Closing frees the set even without memory for a future. */
  ck_assert(more == 0 || more == FLUV_ENOMEM);
  return first_error(err, more);
}

START_TEST(joinsets) {
  TEST_OOM(use_a_joinset, NULL);
}
END_TEST

static int64_t close_a_busy_joinset(void* arg) {
  fluv_joinset_t* set = fluv_joinset_new();
  int64_t err = 0;
  int i;

  (void) arg;
  if (set == NULL)
    return FLUV_ENOMEM;
  for (i = 0; i < 3; i++)
    err = first_error(err, fluv_joinset_spawn(set, wait_for_cancel, NULL));
  err = first_error(err, fluv_yield());
  fluv_drop(fluv_joinset_close(set));
  return first_error(err, fluv_yield());
}

START_TEST(joinsets_closed_while_busy) {
  TEST_OOM(close_a_busy_joinset, NULL);
}
END_TEST

/* Time. */

static int64_t use_time(void* arg) {
  fluv_interval_t* interval = fluv_interval_new(10, FLUV_INTERVAL_SKIP);
  int64_t err = 0;
  int i;

  (void) arg;
  if (interval == NULL)
    return FLUV_ENOMEM;
  for (i = 0; i < 3; i++)
    err = first_error(err, fluv_await(fluv_interval_tick(interval)));
  err = first_error(err, fluv_await(fluv_sleep_until(fluv_now() + 1000000)));
  err = first_error(err, fluv_await(fluv_clock_advance(100)));
  fluv_interval_free(interval);
  return err;
}

START_TEST(time_and_intervals) {
  TEST_OOM(use_time, NULL);
}
END_TEST

/* A loop of its own: attach is in every sweep, fluv_run() only here. */

static int64_t run_inside(void* arg) {
  fluv_future_t* f[] = { fluv_sleep(1), fluv_spawn(give, arg) };

  fluv_detach(fluv_spawn(wait_for_cancel, NULL));
  return fluv_await(fluv_join_all(f, 2, NULL));
}

static void run_on_thread(void* arg) {
  *(int64_t*) arg = fluv_run(run_inside, NULL, NULL);
}

static int64_t run_a_second_loop(void* arg) {
  int64_t result = 1;

  (void) arg;
  test_on_thread(run_on_thread, &result);
  return result;
}

START_TEST(a_loop_of_its_own) {
  TEST_OOM_PLAIN(run_a_second_loop, NULL);
}
END_TEST

static Suite* oom_suite(void) {
  Suite* s = suite_create("oom");
  TCase* tc = test_case(s, "oom", NULL, NULL);

  tcase_set_timeout(tc, 20);
  ADD(tc,
      futures,
      describing,
      continuations,
      promises,
      promises_answered_on_a_thread,
      tasks,
      tasks_from_plain_code,
      locals,
      deferred_calls,
      shields_and_deadlines,
      joins,
      selects,
      timeouts,
      nested_combinators,
      scopes,
      scopes_left_open,
      joinsets,
      joinsets_closed_while_busy,
      time_and_intervals,
      a_loop_of_its_own);
  return s;
}

TEST_MAIN(oom_suite)

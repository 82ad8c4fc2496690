/* SPDX-License-Identifier: MIT */
/* Programmer mistakes: they abort and name the places, in every build. */
#include "fluv-test-misuse.h"

#include <pthread.h>

static int64_t give(void* arg) {
  return (int64_t) (intptr_t) arg;
}

static void run(fluv_task_fn fn) {
  test_setup();
  test_run(fn, NULL);
}

/* Used twice. */

static int64_t await_two_times(fluv_future_t* f) {
  EXPECT_LINE(__LINE__ + 2);
  EXPECT_LINE(__LINE__ + 2);
  fluv_await(f);
  return fluv_await(f);
}

static int64_t await_twice(void* arg) {
  (void) arg;
  return await_two_times(fluv_ready(1));
}

static void awaiting_twice(void* arg) {
  (void) arg;
  run(await_twice);
}

START_TEST(awaiting_twice_names_both_places) {
  check_abort(awaiting_twice, "twice");
}
END_TEST

static int64_t await_pending_twice(void* arg) {
  (void) arg;
  return await_two_times(fluv_sleep(1));
}

static void awaiting_pending_twice(void* arg) {
  (void) arg;
  run(await_pending_twice);
}

START_TEST(awaiting_what_had_to_wait_twice_names_both_places) {
  check_abort(awaiting_pending_twice, "twice");
}
END_TEST

static void dropping_twice(void* arg) {
  fluv_future_t* f;

  (void) arg;
  test_setup();
  f = fluv_never();
  EXPECT_LINE(__LINE__ + 2);
  EXPECT_LINE(__LINE__ + 2);
  fluv_drop(f);
  fluv_drop(f);
}

START_TEST(dropping_twice_names_both_places) {
  check_abort(dropping_twice, "twice");
}
END_TEST

static void awaiting_a_detached_task(void* arg) {
  fluv_future_t* f;

  (void) arg;
  test_setup();
  f = fluv_spawn(give, NULL);
  EXPECT_LINE(__LINE__ + 2);
  EXPECT_LINE(__LINE__ + 2);
  fluv_detach(f);
  fluv_block_on(f);
}

START_TEST(waiting_for_a_detached_task_names_both_places) {
  check_abort(awaiting_a_detached_task, "twice");
}
END_TEST

static void selecting_one_twice(void* arg) {
  fluv_future_t* f[2];

  (void) arg;
  test_setup();
  f[0] = fluv_never();
  f[1] = f[0];
  EXPECT_LINE(__LINE__ + 1);
  fluv_drop(fluv_select(f, 2, NULL));
}

START_TEST(one_future_as_two_arms_aborts) {
  check_abort(selecting_one_twice, "twice");
}
END_TEST

static void using_an_arm_again(void* arg) {
  fluv_future_t* f;
  fluv_future_t* outer;

  (void) arg;
  test_setup();
  f = fluv_never();
  EXPECT_LINE(__LINE__ + 2);
  EXPECT_LINE(__LINE__ + 2);
  outer = fluv_timeout(f, 10);
  fluv_drop(f);
  fluv_drop(outer);
}

START_TEST(using_an_arm_again_names_both_places) {
  check_abort(using_an_arm_again, "twice");
}
END_TEST

static void cancelling_what_was_dropped(void* arg) {
  fluv_future_t* f;

  (void) arg;
  test_setup();
  f = fluv_never();
  EXPECT_LINE(__LINE__ + 1);
  fluv_drop(f);
  fluv_cancel(f);
}

START_TEST(cancelling_what_was_dropped_aborts) {
  check_abort(cancelling_what_was_dropped, "used");
}
END_TEST

/* At the wrong place. */

static void awaiting_outside(void* arg) {
  (void) arg;
  test_setup();
  EXPECT_LINE(__LINE__ + 1);
  fluv_await(fluv_ready(1));
}

START_TEST(await_outside_a_task_aborts) {
  check_abort(awaiting_outside, "outside a task");
}
END_TEST

static fluv_future_t* await_in_continuation(int64_t result, void* arg) {
  (void) arg;
  EXPECT_LINE(__LINE__ + 1);
  fluv_await(fluv_ready(result));
  return NULL;
}

static int64_t continue_badly(void* arg) {
  (void) arg;
  return fluv_await(
      fluv_then(fluv_sleep(1), await_in_continuation, NULL, NULL));
}

static void awaiting_in_a_continuation(void* arg) {
  (void) arg;
  run(continue_badly);
}

START_TEST(await_in_a_continuation_aborts) {
  check_abort(awaiting_in_a_continuation, "outside a task");
}
END_TEST

static void await_in_callback(uv_timer_t* handle) {
  (void) handle;
  EXPECT_LINE(__LINE__ + 1);
  fluv_await(fluv_ready(1));
}

static void awaiting_in_a_host_callback(void* arg) {
  uv_timer_t timer;

  (void) arg;
  test_setup();
  uv_timer_init(test_uv, &timer);
  uv_timer_start(&timer, await_in_callback, 0, 0);
  uv_run(test_uv, UV_RUN_DEFAULT);
}

START_TEST(await_in_a_host_callback_aborts) {
  check_abort(awaiting_in_a_host_callback, "outside a task");
}
END_TEST

static void yielding_outside(void* arg) {
  (void) arg;
  test_setup();
  EXPECT_LINE(__LINE__ + 1);
  fluv_yield();
}

static void naming_outside(void* arg) {
  (void) arg;
  test_setup();
  fluv_task_set_name("nobody");
}

static void deferring_outside(void* arg) {
  (void) arg;
  test_setup();
  fluv_defer(free, NULL);
}

static void setting_a_local_outside(void* arg) {
  static int key;

  (void) arg;
  test_setup();
  fluv_task_set_local(&key, &key, NULL);
}

static void shielding_outside(void* arg) {
  (void) arg;
  test_setup();
  fluv_shield_begin(10);
}

static void setting_a_deadline_outside(void* arg) {
  (void) arg;
  test_setup();
  fluv_deadline_begin(10);
}

START_TEST(what_is_for_tasks_aborts_outside) {
  check_abort(yielding_outside, "outside a task");
  check_abort(naming_outside, "fluv_task_set_name");
  check_abort(deferring_outside, "fluv_defer");
  check_abort(setting_a_local_outside, "fluv_task_set_local");
  check_abort(shielding_outside, "fluv_shield_begin");
  check_abort(setting_a_deadline_outside, "fluv_deadline_begin");
}
END_TEST

static int64_t block_in_task(void* arg) {
  (void) arg;
  EXPECT_LINE(__LINE__ + 1);
  return fluv_block_on(fluv_sleep(1));
}

static void blocking_in_a_task(void* arg) {
  (void) arg;
  run(block_in_task);
}

START_TEST(block_on_in_a_task_aborts) {
  check_abort(blocking_in_a_task, "fluv_block_on");
}
END_TEST

static void block_in_hook(fluv_promise_t* p, void* arg) {
  (void) p;
  (void) arg;
  EXPECT_LINE(__LINE__ + 1);
  fluv_block_on(fluv_sleep(1));
}

/* A combinator is being cancelled, from plain code: what ends meanwhile is put
 * into a list until the hook has returned. */
static void blocking_in_a_hook(void* arg) {
  fluv_future_t* arms[2];
  fluv_promise_t* p;
  fluv_future_t* f;

  (void) arg;
  test_setup();
  ck_assert_err(fluv_promise_new(&p, &arms[0]), 0);
  fluv_promise_on_cancel(p, block_in_hook, NULL);
  arms[1] = fluv_never();
  f = fluv_select(arms, 2, NULL);
  fluv_start(f);
  fluv_cancel(f);
}

START_TEST(block_on_in_a_hook_aborts) {
  check_abort(blocking_in_a_hook, "fluv_block_on() inside a function");
}
END_TEST

static void block_in_callback(uv_timer_t* handle) {
  (void) handle;
  EXPECT_LINE(__LINE__ + 1);
  fluv_block_on(fluv_sleep(1));
}

static void blocking_in_a_host_callback(void* arg) {
  uv_timer_t timer;

  (void) arg;
  test_setup();
  uv_timer_init(test_uv, &timer);
  uv_timer_start(&timer, block_in_callback, 0, 0);
  fluv_block_on(fluv_sleep(1000));
}

START_TEST(block_on_in_a_callback_of_its_loop_aborts) {
  check_abort(blocking_in_a_host_callback, "fluv_block_on");
}
END_TEST

static int64_t run_uv_in_task(void* arg) {
  (void) arg;
  fluv_task_set_name("greedy");
  uv_run(test_uv, UV_RUN_NOWAIT);
  return 0;
}

static void running_uv_in_a_task(void* arg) {
  (void) arg;
  run(run_uv_in_task);
}

START_TEST(uv_run_in_a_task_aborts_and_names_it) {
  check_abort(running_uv_in_a_task, "greedy");
}
END_TEST

static fluv_future_t* run_uv_in_continuation(int64_t result, void* arg) {
  (void) result;
  (void) arg;
  uv_run(test_uv, UV_RUN_NOWAIT);
  return NULL;
}

static void running_uv_in_a_continuation(void* arg) {
  fluv_future_t* f;

  (void) arg;
  test_setup();
  f = fluv_then(fluv_ready(1), run_uv_in_continuation, NULL, NULL);
  fluv_block_on(f);
}

static void run_uv_here(void* arg) {
  uv_run(arg, UV_RUN_DEFAULT);
}

static void running_uv_on_another_thread(void* arg) {
  (void) arg;
  test_setup();
  fluv_detach(fluv_spawn(give, NULL));
  test_on_thread(run_uv_here, test_uv);
}

START_TEST(uv_run_in_other_wrong_places_aborts) {
  check_abort(running_uv_in_a_continuation, "uv_run()");
  check_abort(running_uv_on_another_thread, "uv_run()");
}
END_TEST

static int64_t end_shield_as_deadline(void* arg) {
  (void) arg;
  fluv_shield_begin(10);
  return fluv_deadline_end();
}

static int64_t end_nothing(void* arg) {
  (void) arg;
  fluv_shield_end();
  return 0;
}

static void crossing_frames(void* arg) {
  (void) arg;
  run(end_shield_as_deadline);
}

static void ending_nothing(void* arg) {
  (void) arg;
  run(end_nothing);
}

START_TEST(ending_frames_out_of_order_aborts) {
  check_abort(crossing_frames, "fluv_deadline_end");
  check_abort(ending_nothing, "fluv_shield_end");
}
END_TEST

/* NULL. */

static int64_t await_null(void* arg) {
  (void) arg;
  EXPECT_LINE(__LINE__ + 1);
  return fluv_await(NULL);
}

static void awaiting_null(void* arg) {
  (void) arg;
  run(await_null);
}

static void detaching_null(void* arg) {
  (void) arg;
  test_setup();
  EXPECT_LINE(__LINE__ + 1);
  fluv_detach(NULL);
}

static void cancelling_null(void* arg) {
  (void) arg;
  test_setup();
  fluv_cancel(NULL);
}

static void continuing_null(void* arg) {
  (void) arg;
  test_setup();
  EXPECT_LINE(__LINE__ + 1);
  fluv_drop(fluv_then(NULL, NULL, NULL, NULL));
}

START_TEST(null_as_a_future_aborts) {
  check_abort(awaiting_null, "NULL");
  check_abort(detaching_null, "NULL");
  check_abort(cancelling_null, "NULL");
  check_abort(continuing_null, "NULL");
}
END_TEST

/* Options. */

START_TEST(options_of_the_wrong_size_are_refused) {
  fluv_task_options_t task = FLUV_TASK_OPTIONS_INIT;
  fluv_loop_options_t loop = FLUV_LOOP_OPTIONS_INIT;
  uv_loop_t uv;

  task.size = 1;
  ck_assert_err(fluv_block_on(fluv_spawn_with(give, NULL, &task)), FLUV_EINVAL);
  task.size = sizeof(task) - 1;
  ck_assert_err(fluv_block_on(fluv_spawn_with(give, NULL, &task)), FLUV_EINVAL);

  test_teardown();
  loop.size = 1;
  ck_assert_err(fluv_run(give, NULL, &loop), FLUV_EINVAL);
  ck_assert_int_eq(uv_loop_init(&uv), 0);
  ck_assert_err(fluv_attach_with(&uv, &loop), FLUV_EINVAL);
  ck_assert_int_eq(uv_loop_close(&uv), 0);
  test_setup();
}
END_TEST

START_TEST(allocator_refuses_null_and_comes_first) {
  ck_assert_err(fluv_set_allocator(NULL, realloc, free), FLUV_EINVAL);
  ck_assert_err(fluv_set_allocator(malloc, NULL, free), FLUV_EINVAL);
  ck_assert_err(fluv_set_allocator(malloc, realloc, NULL), FLUV_EINVAL);
  ck_assert_err(fluv_set_allocator(malloc, realloc, free), FLUV_EBUSY);
}
END_TEST

/* Ending the thread inside a task. TSan aborts before us. */

#if !defined(FLUV_TSAN) || !FLUV_TSAN

static int64_t end_the_thread(void* arg) {
  fluv_task_set_name("leaver");
  fluv_await(fluv_sleep(1));
  pthread_exit(arg);
}

static void run_the_leaver(void* arg) {
  (void) arg;
  fluv_run(end_the_thread, NULL, NULL);
}

static void run_the_leaver_on_a_thread(void* arg) {
  test_on_thread(run_the_leaver, arg);
}

START_TEST(task_that_ends_its_thread_aborts) {
  test_aborts(run_the_leaver, NULL, "pthread_exit()", "leaver");
  test_aborts(run_the_leaver_on_a_thread, NULL, "pthread_exit()", "leaver");
}
END_TEST

#endif

/* Errors and versions. */

START_TEST(errors_have_names_and_texts) {
  int own[] = { FLUV_EBROKEN, FLUV_ENOLOOP, FLUV_EDEADLK, FLUV_ESTACK };
  size_t i;

  ck_assert_str_eq(fluv_err_name(FLUV_ECANCELED), "ECANCELED");
  ck_assert_str_eq(fluv_err_name(FLUV_EOF), "EOF");
  ck_assert_str_eq(fluv_err_name(FLUV_ENOLOOP), "ENOLOOP");
  ck_assert_str_eq(fluv_err_name(FLUV_EBROKEN), "EBROKEN");
  ck_assert_str_eq(fluv_err_name(UV_ENOSPC), "ENOSPC");
  ck_assert_str_eq(fluv_strerror(UV_ENOSPC), uv_strerror(UV_ENOSPC));
  for (i = 0; i < sizeof(own) / sizeof(*own); i++) {
    ck_assert_str_ne(fluv_err_name(own[i]), "UNKNOWN");
    ck_assert_str_ne(fluv_strerror(own[i]), "unknown error");
  }
  ck_assert_str_eq(fluv_err_name(0), "UNKNOWN");
  ck_assert_str_eq(fluv_err_name(7), "UNKNOWN");
  ck_assert_str_eq(fluv_err_name(-99999), "UNKNOWN");
  ck_assert_str_eq(fluv_err_name(INT64_MIN), "UNKNOWN");
  ck_assert_str_eq(fluv_strerror(-99999), "unknown error");
  ck_assert_str_eq(fluv_strerror(0), "success");
  ck_assert_str_eq(fluv_strerror(7), "success");
  /* Its low half equals an error number of libuv's. */
  ck_assert_str_eq(fluv_err_name(FLUV_EPIPE - (1ll << 32)), "UNKNOWN");
}
END_TEST

/* A loop that is attached twice has no connection, and a deadline passes in
 * programs that know no network. */
START_TEST(errors_that_fluv_gives_itself_have_words_of_its_own) {
  const int errs[] = { FLUV_EALREADY, FLUV_EBUSY, FLUV_ETIMEDOUT, FLUV_EBADF };
  size_t i;

  for (i = 0; i < sizeof(errs) / sizeof(*errs); i++) {
    ck_assert_str_eq(fluv_err_name(errs[i]), uv_err_name(errs[i]));
    ck_assert_str_ne(fluv_strerror(errs[i]), uv_strerror(errs[i]));
    ck_assert_ptr_null(strstr(fluv_strerror(errs[i]), "connection"));
  }
}
END_TEST

START_TEST(errors_of_the_programs_own_have_a_range) {
  const int64_t users[] = { FLUV_EUSER_FIRST,
                            FLUV_EUSER_FIRST - 1,
                            FLUV_EUSER_LAST };
  size_t i;

  for (i = 0; i < sizeof(users) / sizeof(*users); i++) {
    ck_assert_str_eq(fluv_err_name(users[i]), "EUSER");
    ck_assert_str_eq(fluv_strerror(users[i]), "an error of the program's own");
  }
  ck_assert_str_eq(fluv_err_name(FLUV_EUSER_FIRST + 1), "UNKNOWN");
  ck_assert_str_eq(fluv_err_name(FLUV_EUSER_LAST - 1), "UNKNOWN");
}
END_TEST

START_TEST(header_and_library_are_of_one_version) {
  char text[32];

  snprintf(text,
           sizeof(text),
           "%d.%d.%d",
           FLUV_VERSION_MAJOR,
           FLUV_VERSION_MINOR,
           FLUV_VERSION_PATCH);
  ck_assert_uint_eq(fluv_version(), FLUV_VERSION_HEX);
  ck_assert_str_eq(fluv_version_string(), text);
}
END_TEST

static Suite* misuse_suite(void) {
  Suite* s = suite_create("misuse");
  TCase* tc = test_case(s, "misuse", NULL, NULL);

  ADD(tc,
      awaiting_twice_names_both_places,
      awaiting_what_had_to_wait_twice_names_both_places,
      dropping_twice_names_both_places,
      waiting_for_a_detached_task_names_both_places,
      one_future_as_two_arms_aborts,
      using_an_arm_again_names_both_places,
      cancelling_what_was_dropped_aborts,
      await_outside_a_task_aborts,
      await_in_a_continuation_aborts,
      await_in_a_host_callback_aborts,
      what_is_for_tasks_aborts_outside,
      block_on_in_a_task_aborts,
      block_on_in_a_hook_aborts,
      block_on_in_a_callback_of_its_loop_aborts,
      uv_run_in_a_task_aborts_and_names_it,
      uv_run_in_other_wrong_places_aborts,
      ending_frames_out_of_order_aborts,
      null_as_a_future_aborts,
      header_and_library_are_of_one_version,
      errors_have_names_and_texts,
      errors_that_fluv_gives_itself_have_words_of_its_own,
      errors_of_the_programs_own_have_a_range);
#if !defined(FLUV_TSAN) || !FLUV_TSAN
  ADD(tc, task_that_ends_its_thread_aborts);
#endif

  tc = test_case(s, "misuse", test_setup, test_teardown);
  ADD(tc,
      options_of_the_wrong_size_are_refused,
      allocator_refuses_null_and_comes_first);
  return s;
}

TEST_MAIN(misuse_suite)

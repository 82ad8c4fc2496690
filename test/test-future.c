/* SPDX-License-Identifier: MIT */
/* Futures: results, cancelling, dropping, descriptions. */
#include "fluv-test.h"

#include <stdio.h>

/* What the hook for unhandled errors has heard. */
static struct {
  int count;
  int64_t err;
  char what[256];
} heard;

static void hear(int64_t err, const char* what, void* arg) {
  heard.count++;
  heard.err = err;
  snprintf(heard.what, sizeof(heard.what), "%s", what);
  ck_assert_ptr_eq(arg, &heard);
}

static void setup_hearing(void) {
  memset(&heard, 0, sizeof(heard));
  fluv_set_unhandled(hear, &heard);
  test_setup_paused();
}

START_TEST(ready_is_done_and_keeps_its_value) {
  fluv_future_t* f = fluv_ready(7);

  ck_assert(fluv_future_is_done(f));
  ck_assert_err(fluv_future_get_result(f), 7);
  ck_assert_err(fluv_block_on(f), 7);
}
END_TEST

START_TEST(ready_carries_the_whole_range) {
  ck_assert_err(fluv_block_on(fluv_ready(0)), 0);
  ck_assert_err(fluv_block_on(fluv_ready(INT64_MAX)), INT64_MAX);
  ck_assert_err(fluv_block_on(fluv_ready(INT64_MIN)), INT64_MIN);
}
END_TEST

START_TEST(failed_gives_its_error) {
  fluv_future_t* f = fluv_failed(FLUV_EPIPE);

  ck_assert(fluv_future_is_done(f));
  ck_assert_err(fluv_block_on(f), FLUV_EPIPE);
}
END_TEST

START_TEST(never_is_pending_until_it_is_cancelled) {
  fluv_future_t* f = fluv_never();

  test_turn(3);
  ck_assert(!fluv_future_is_done(f));
  ck_assert_err(fluv_future_get_result(f), FLUV_EAGAIN);
  fluv_cancel(f);
  ck_assert(fluv_future_is_done(f));
  ck_assert_err(fluv_future_get_result(f), FLUV_ECANCELED);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
}
END_TEST

START_TEST(ids_are_positive_and_never_used_again) {
  fluv_future_t* kept = fluv_never();
  uint64_t seen[200];
  int i;
  int k;

  for (i = 0; i < 200; i++) {
    fluv_future_t* f = i % 2 == 0 ? fluv_never() : fluv_ready(i);
    seen[i] = fluv_future_get_id(f);
    fluv_drop(f);
  }
  for (i = 0; i < 200; i++) {
    ck_assert_uint_gt(seen[i], 0);
    ck_assert_uint_ne(seen[i], fluv_future_get_id(kept));
    for (k = 0; k < i; k++)
      ck_assert_uint_ne(seen[i], seen[k]);
  }
  fluv_drop(kept);
}
END_TEST

TEST_TASK(await_returns_what_the_future_says) {
  ck_assert_err(fluv_await(fluv_ready(42)), 42);
  ck_assert_err(fluv_await(fluv_failed(FLUV_EACCES)), FLUV_EACCES);
  ck_assert_err(fluv_await(fluv_sleep(5)), 0);
  return 0;
}

static int64_t note_x(void* arg) {
  (void) arg;
  test_note("x");
  return 0;
}

TEST_TASK(await_of_a_result_that_is_there_does_not_yield) {
  fluv_future_t* other = fluv_spawn(note_x, NULL);

  ck_assert_err(fluv_await(fluv_ready(1)), 1);
  ck_assert_trace("");
  ck_assert_err(fluv_await(other), 0);
  ck_assert_trace("x");
  return 0;
}

TEST_TASK(sleep_is_cold_until_it_is_waited_for) {
  uint64_t before = fluv_now();
  fluv_future_t* cold = fluv_sleep(10);

  ck_assert_err(fluv_await(fluv_sleep(30)), 0);
  ck_assert(!fluv_future_is_done(cold));
  ck_assert_err(fluv_await(cold), 0);
  ck_assert_uint_eq(fluv_now() - before, 40 * 1000000ull);
  return 0;
}

TEST_TASK(start_lets_a_future_run_before_it_is_awaited) {
  uint64_t before = fluv_now();
  fluv_future_t* a = fluv_sleep(10);
  fluv_future_t* b = fluv_sleep(30);

  fluv_start(a);
  fluv_start(b);
  fluv_start(b);
  ck_assert_err(fluv_await(fluv_sleep(20)), 0);
  ck_assert(fluv_future_is_done(a));
  ck_assert(!fluv_future_is_done(b));
  ck_assert_err(fluv_await(b), 0);
  fluv_start(a);
  ck_assert_err(fluv_await(a), 0);
  ck_assert_uint_eq(fluv_now() - before, 30 * 1000000ull);
  return 0;
}

/* Cancel. */

START_TEST(cancel_leaves_a_result_alone) {
  fluv_future_t* f = fluv_ready(3);

  fluv_cancel(f);
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), 3);
}
END_TEST

START_TEST(cancel_ends_a_cold_future_at_once) {
  fluv_future_t* f = fluv_sleep(1000);

  fluv_cancel(f);
  ck_assert(fluv_future_is_done(f));
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
}
END_TEST

START_TEST(cancel_ends_a_started_sleep_at_once) {
  uint64_t before = fluv_now();
  fluv_future_t* f = fluv_sleep(1000);

  fluv_start(f);
  test_turn(1);
  fluv_cancel(f);
  fluv_cancel(f);
  ck_assert_err(fluv_block_on(f), FLUV_ECANCELED);
  ck_assert_uint_eq(fluv_now(), before);
}
END_TEST

START_TEST(drop_takes_any_state) {
  fluv_future_t* started = fluv_sleep(10);
  fluv_future_t* cancelled = fluv_never();

  fluv_start(started);
  fluv_cancel(cancelled);
  fluv_drop(NULL);
  fluv_drop(fluv_never());
  fluv_drop(fluv_sleep(10));
  fluv_drop(started);
  fluv_drop(cancelled);
  fluv_drop(fluv_ready(1));
  fluv_drop(fluv_failed(FLUV_EPIPE));
  fluv_drop(fluv_catch(fluv_failed(FLUV_EPIPE), NULL, NULL, NULL));
  test_turn(3);
  ck_assert_int_eq(heard.count, 0);
}
END_TEST

/* Detach and unhandled errors. */

START_TEST(detach_reports_an_error_once_with_its_place) {
  char place[64];

  snprintf(place, sizeof(place), "test-future.c:%d", __LINE__ + 1);
  fluv_detach(fluv_failed(FLUV_EPIPE));
  test_turn(3);
  ck_assert_int_eq(heard.count, 1);
  ck_assert_err(heard.err, FLUV_EPIPE);
  ck_assert_has(heard.what, place);
}
END_TEST

START_TEST(detach_reports_no_value_and_no_cancel) {
  fluv_future_t* f = fluv_never();

  fluv_cancel(f);
  fluv_detach(f);
  fluv_detach(fluv_ready(0));
  fluv_detach(fluv_ready(9));
  test_turn(3);
  ck_assert_int_eq(heard.count, 0);
}
END_TEST

START_TEST(detach_starts_a_cold_future) {
  fluv_detach(fluv_timeout(fluv_never(), 10));
  test_advance(9);
  ck_assert_int_eq(heard.count, 0);
  test_advance(1);
  ck_assert_int_eq(heard.count, 1);
  ck_assert_err(heard.err, FLUV_ETIMEDOUT);
}
END_TEST

static int64_t fail_later(void* arg) {
  (void) arg;
  fluv_task_set_name("the loser");
  fluv_await(fluv_sleep(5));
  return FLUV_ECONNRESET;
}

START_TEST(detach_reports_a_task_by_name_when_it_fails) {
  fluv_detach(fluv_spawn(fail_later, NULL));
  test_turn(2);
  ck_assert_int_eq(heard.count, 0);
  test_advance(5);
  ck_assert_int_eq(heard.count, 1);
  ck_assert_err(heard.err, FLUV_ECONNRESET);
  ck_assert_has(heard.what, "the loser");
}
END_TEST

static void detach_a_failure(void* arg) {
  (void) arg;
  fluv_set_unhandled(hear, &heard);
  fluv_set_unhandled(NULL, NULL);
  test_setup_paused();
  fluv_detach(fluv_spawn(fail_later, NULL));
  test_advance(10);
  test_teardown();
}

START_TEST(detach_writes_one_line_to_stderr_by_default) {
  int status;
  char* text = test_stderr_of(detach_a_failure, NULL, &status);
  char* end;

  ck_assert_int_eq(status, 0);
  ck_assert_has(text, "unhandled error in task \"the loser\" #");
  ck_assert_has(text, ": ECONNRESET (connection reset by peer)");
  ck_assert_has(text, "test-future.c:");
  end = strchr(text, '\n');
  ck_assert_msg(end != NULL && end[1] == '\0', "not one line: %s", text);
  free(text);
}
END_TEST

/* Describing. */

START_TEST(describe_tells_the_place) {
  char place[64];
  char text[256];
  fluv_future_t* f;
  int len;

  snprintf(place, sizeof(place), "test-future.c:%d", __LINE__ + 1);
  f = fluv_never();
  len = fluv_future_describe(f, text, sizeof(text));
  ck_assert_int_eq(len, (int) strlen(text));
  ck_assert_has(text, place);
  ck_assert_has(text, "never");
  ck_assert_ptr_null(strchr(text, '\n'));
  fluv_drop(f);
}
END_TEST

START_TEST(describe_cuts_and_counts_as_snprintf_does) {
  fluv_future_t* f = fluv_sleep(10);
  char whole[256];
  char part[8] = "-------";
  int len = fluv_future_describe(f, whole, sizeof(whole));

  ck_assert_int_gt(len, 8);
  ck_assert_int_eq(fluv_future_describe(f, NULL, 0), len);
  ck_assert_int_eq(fluv_future_describe(f, part, 1), len);
  ck_assert_str_eq(part, "");
  ck_assert_int_eq(fluv_future_describe(f, part, sizeof(part)), len);
  ck_assert_uint_eq(strlen(part), sizeof(part) - 1);
  ck_assert_int_eq(strncmp(part, whole, sizeof(part) - 1), 0);
  fluv_drop(f);
}
END_TEST

START_TEST(describe_tells_the_state) {
  char before[256];
  char after[256];
  fluv_future_t* f = fluv_never();

  fluv_future_describe(f, before, sizeof(before));
  fluv_cancel(f);
  fluv_future_describe(f, after, sizeof(after));
  ck_assert_str_ne(before, after);
  ck_assert_has(after, "done");
  fluv_drop(f);
}
END_TEST

START_TEST(describe_tells_a_tasks_name) {
  fluv_task_options_t options = FLUV_TASK_OPTIONS_INIT;
  fluv_future_t* f;
  char text[256];

  options.name = "night watch";
  f = fluv_spawn_with(note_x, NULL, &options);
  fluv_future_describe(f, text, sizeof(text));
  ck_assert_has(text, "night watch");
  ck_assert_has(text, "test-future.c:");
  ck_assert_err(fluv_block_on(f), 0);
}
END_TEST

static void use_without_a_loop(void* arg) {
  fluv_future_t* f = fluv_ready(1);

  (void) arg;
  ck_assert_ptr_nonnull(f);
  fluv_drop(f);
  f = fluv_spawn(note_x, NULL);
  ck_assert(fluv_future_is_done(f));
  ck_assert_err(fluv_future_get_result(f), FLUV_ENOLOOP);
  fluv_drop(f);
  fluv_detach(fluv_spawn(note_x, NULL));
}

START_TEST(futures_without_a_loop_are_never_null) {
  test_on_thread(use_without_a_loop, NULL);
  ck_assert_int_eq(heard.count, 1);
  ck_assert_err(heard.err, FLUV_ENOLOOP);
}
END_TEST

static Suite* future_suite(void) {
  Suite* s = suite_create("future");
  TCase* tc = test_case(s, "basic", setup_hearing, test_teardown);

  ADD(tc,
      ready_is_done_and_keeps_its_value,
      ready_carries_the_whole_range,
      failed_gives_its_error,
      never_is_pending_until_it_is_cancelled,
      ids_are_positive_and_never_used_again,
      await_returns_what_the_future_says,
      await_of_a_result_that_is_there_does_not_yield,
      sleep_is_cold_until_it_is_waited_for,
      start_lets_a_future_run_before_it_is_awaited,
      detach_reports_an_error_once_with_its_place,
      detach_reports_no_value_and_no_cancel,
      detach_starts_a_cold_future,
      detach_reports_a_task_by_name_when_it_fails,
      describe_tells_the_place,
      describe_cuts_and_counts_as_snprintf_does,
      describe_tells_the_state,
      describe_tells_a_tasks_name);

  tc = test_case(s, "cancel", setup_hearing, test_teardown);
  ADD(tc,
      cancel_leaves_a_result_alone,
      cancel_ends_a_cold_future_at_once,
      cancel_ends_a_started_sleep_at_once,
      drop_takes_any_state);

  tc = test_case(s, "misuse", setup_hearing, test_teardown);
  ADD(tc, futures_without_a_loop_are_never_null);

  tc = test_case(s, "basic", NULL, NULL);
  ADD(tc, detach_writes_one_line_to_stderr_by_default);
  return s;
}

TEST_MAIN(future_suite)

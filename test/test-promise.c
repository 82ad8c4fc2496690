/* SPDX-License-Identifier: MIT */
/* Promises: answers from here, from other threads, too late or never. */
#include "fluv-test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define THREADS 4

static fluv_promise_t* promise;
static fluv_future_t* future;

static void setup_promise(void) {
  test_setup();
  ck_assert_err(fluv_promise_new(&promise, &future), 0);
}

static void teardown_promise(void) {
  fluv_promise_free(promise);
  test_teardown();
}

START_TEST(answer_is_there_for_who_waits_later) {
  ck_assert(!fluv_future_is_done(future));
  ck_assert_err(fluv_promise_resolve(promise, 12), 0);
  ck_assert(fluv_future_is_done(future));
  ck_assert_err(fluv_block_on(future), 12);
}
END_TEST

START_TEST(error_is_an_answer_too) {
  ck_assert_err(fluv_promise_resolve(promise, FLUV_EPIPE), 0);
  ck_assert_err(fluv_block_on(future), FLUV_EPIPE);
}
END_TEST

static int64_t answer(void* arg) {
  (void) arg;
  test_note("a");
  return fluv_promise_resolve(promise, 12);
}

START_TEST(answer_wakes_who_waits) {
  fluv_future_t* task = fluv_spawn(answer, NULL);

  ck_assert_err(fluv_block_on(future), 12);
  ck_assert_trace("a");
  ck_assert_err(fluv_block_on(task), 0);
}
END_TEST

START_TEST(first_answer_counts) {
  ck_assert_err(fluv_promise_resolve(promise, 1), 0);
  ck_assert_err(fluv_promise_resolve(promise, 2), FLUV_EALREADY);
  ck_assert_err(fluv_block_on(future), 1);
}
END_TEST

START_TEST(unanswered_promise_breaks_its_future) {
  fluv_promise_free(promise);
  promise = NULL;
  ck_assert(fluv_future_is_done(future));
  ck_assert_err(fluv_block_on(future), FLUV_EBROKEN);
}
END_TEST

START_TEST(answered_promise_may_be_freed_before_the_await) {
  ck_assert_err(fluv_promise_resolve(promise, 5), 0);
  fluv_promise_free(promise);
  promise = NULL;
  ck_assert_err(fluv_block_on(future), 5);
}
END_TEST

START_TEST(two_promises_in_the_wrong_order) {
  fluv_promise_t* p;
  fluv_future_t* f;
  fluv_future_t* both[2];
  int64_t results[2];

  ck_assert_err(fluv_promise_new(&p, &f), 0);
  both[0] = future;
  both[1] = f;
  ck_assert_err(fluv_promise_resolve(p, 2), 0);
  ck_assert_err(fluv_promise_resolve(promise, 1), 0);
  ck_assert_err(fluv_block_on(fluv_join_all(both, 2, results)), 0);
  ck_assert_err(results[0], 1);
  ck_assert_err(results[1], 2);
  fluv_promise_free(p);
}
END_TEST

START_TEST(nobody_waiting_keeps_no_loop_alive) {
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert(!fluv_future_is_done(future));
  fluv_drop(future);
}
END_TEST

/* Cancel. */

START_TEST(cancelled_future_ends_at_once_and_wants_no_answer) {
  ck_assert(!fluv_promise_is_cancelled(promise));
  fluv_cancel(future);
  ck_assert(fluv_future_is_done(future));
  ck_assert(fluv_promise_is_cancelled(promise));
  ck_assert_err(fluv_promise_resolve(promise, 1), FLUV_ECANCELED);
  ck_assert_err(fluv_block_on(future), FLUV_ECANCELED);
}
END_TEST

START_TEST(dropped_future_wants_no_answer) {
  fluv_drop(future);
  ck_assert(fluv_promise_is_cancelled(promise));
  ck_assert_err(fluv_promise_resolve(promise, 1), FLUV_ECANCELED);
}
END_TEST

START_TEST(cancel_comes_too_late_for_an_answer) {
  ck_assert_err(fluv_promise_resolve(promise, 4), 0);
  fluv_cancel(future);
  ck_assert_err(fluv_block_on(future), 4);
}
END_TEST

static void on_cancel(fluv_promise_t* p, void* arg) {
  ck_assert_ptr_eq(p, promise);
  (*(int*) arg)++;
}

START_TEST(cancel_hook_holds_the_future_until_the_answer) {
  int called = 0;

  fluv_promise_on_cancel(promise, on_cancel, &called);
  fluv_start(future);
  fluv_cancel(future);
  fluv_cancel(future);
  ck_assert_int_eq(called, 1);
  ck_assert(fluv_promise_is_cancelled(promise));
  test_turn(3);
  ck_assert(!fluv_future_is_done(future));
  fluv_promise_resolve(promise, 6);
  ck_assert_err(fluv_block_on(future), 6);
}
END_TEST

START_TEST(cancel_hook_holds_the_future_until_the_promise_is_freed) {
  int called = 0;

  fluv_promise_on_cancel(promise, on_cancel, &called);
  fluv_cancel(future);
  ck_assert_int_eq(called, 1);
  ck_assert(!fluv_future_is_done(future));
  fluv_promise_free(promise);
  promise = NULL;
  ck_assert(fluv_block_on(future) < 0);
}
END_TEST

static void answer_now(fluv_promise_t* p, void* arg) {
  fluv_promise_resolve(p, *(int64_t*) arg);
}

START_TEST(cancel_hook_may_answer_itself) {
  int64_t value = 31;

  fluv_promise_on_cancel(promise, answer_now, &value);
  fluv_cancel(future);
  ck_assert_err(fluv_block_on(future), 31);
}
END_TEST

START_TEST(cancel_hook_hears_of_a_drop_once) {
  int called = 0;

  fluv_promise_on_cancel(promise, on_cancel, &called);
  fluv_cancel(future);
  fluv_drop(future);
  test_turn(2);
  ck_assert_int_eq(called, 1);
  fluv_promise_resolve(promise, 1);
}
END_TEST

START_TEST(cancel_hook_is_not_called_after_the_answer) {
  int called = 0;

  fluv_promise_on_cancel(promise, on_cancel, &called);
  ck_assert_err(fluv_promise_resolve(promise, 1), 0);
  fluv_cancel(future);
  fluv_drop(future);
  ck_assert_int_eq(called, 0);
}
END_TEST

static int64_t await_it(void* arg) {
  (void) arg;
  return fluv_await(future);
}

START_TEST(cancelled_await_waits_for_a_hooked_promise) {
  int called = 0;
  fluv_future_t* task = fluv_spawn(await_it, NULL);

  fluv_promise_on_cancel(promise, on_cancel, &called);
  test_turn(2);
  fluv_cancel(task);
  test_turn(2);
  ck_assert_int_eq(called, 1);
  ck_assert(!fluv_future_is_done(task));
  fluv_promise_resolve(promise, 77);
  ck_assert_err(fluv_block_on(task), 77);
}
END_TEST

/* Other threads. */

static int written;

static void answer_from_here(void* arg) {
  (void) arg;
  written = fluv_loop_current() == NULL ? 4711 : -1;
  fluv_promise_resolve(promise, 1);
}

START_TEST(answer_from_a_thread_carries_its_memory) {
  uv_thread_t thread;

  ck_assert_int_eq(uv_thread_create(&thread, answer_from_here, NULL), 0);
  ck_assert_err(fluv_block_on(future), 1);
  ck_assert_int_eq(written, 4711);
  uv_thread_join(&thread);
}
END_TEST

START_TEST(waiting_keeps_the_loop_alive_until_a_thread_answers) {
  fluv_future_t* task = fluv_spawn(await_it, NULL);
  uv_thread_t thread;

  test_turn(2);
  ck_assert_int_ne(uv_loop_alive(test_uv), 0);
  ck_assert_int_eq(uv_thread_create(&thread, answer_from_here, NULL), 0);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  ck_assert(fluv_future_is_done(task));
  ck_assert_err(fluv_block_on(task), 1);
  uv_thread_join(&thread);
}
END_TEST

static void free_from_here(void* arg) {
  (void) arg;
  fluv_promise_free(promise);
}

START_TEST(freed_by_another_thread_breaks_the_future) {
  test_on_thread(free_from_here, NULL);
  promise = NULL;
  ck_assert_err(fluv_block_on(future), FLUV_EBROKEN);
}
END_TEST

static void answer_and_free(void* arg) {
  fluv_promise_t* p = *(fluv_promise_t**) arg;

  fluv_promise_resolve(p, 3);
  fluv_promise_free(p);
}

START_TEST(answered_and_freed_by_another_thread_after_a_drop) {
  fluv_drop(future);
  test_on_thread(answer_and_free, &promise);
  promise = NULL;
}
END_TEST

/* One promise, several threads that all try to answer it. */

typedef struct race {
  pthread_barrier_t start;
  fluv_promise_t* promise;
  atomic_int next;
  int rc[THREADS];
} race_t;

static void race_to_answer(void* arg) {
  race_t* race = arg;
  int me = atomic_fetch_add(&race->next, 1);

  pthread_barrier_wait(&race->start);
  race->rc[me] = fluv_promise_resolve(race->promise, me);
}

static void one_race(void) {
  race_t race = { .rc = { 0 } };
  uv_thread_t threads[THREADS];
  fluv_future_t* f;
  int64_t winner;
  int i;

  pthread_barrier_init(&race.start, NULL, THREADS);
  atomic_init(&race.next, 0);
  ck_assert_err(fluv_promise_new(&race.promise, &f), 0);
  for (i = 0; i < THREADS; i++)
    ck_assert_int_eq(uv_thread_create(&threads[i], race_to_answer, &race), 0);
  winner = fluv_block_on(f);
  for (i = 0; i < THREADS; i++)
    uv_thread_join(&threads[i]);

  ck_assert_int_ge(winner, 0);
  ck_assert_int_lt(winner, THREADS);
  for (i = 0; i < THREADS; i++) {
    if (i == winner)
      ck_assert_err(race.rc[i], 0);
    else
      ck_assert_msg(race.rc[i] == FLUV_EALREADY || race.rc[i] == FLUV_ECANCELED,
                    "loser got %d",
                    race.rc[i]);
  }
  fluv_promise_free(race.promise);
  pthread_barrier_destroy(&race.start);
}

START_TEST(one_of_four_racing_threads_wins) {
  int i;

  for (i = 0; i < 100; i++)
    one_race();
  fluv_drop(future);
}
END_TEST

/* A cancel on the loop against an answer from a thread: they agree. */

typedef struct duel {
  pthread_barrier_t start;
  fluv_promise_t* promise;
  int rc;
} duel_t;

static void duel_answer(void* arg) {
  duel_t* duel = arg;

  pthread_barrier_wait(&duel->start);
  duel->rc = fluv_promise_resolve(duel->promise, 8);
  fluv_promise_free(duel->promise);
}

START_TEST(cancel_and_answer_agree_on_who_was_first) {
  int i;

  for (i = 0; i < 200; i++) {
    duel_t duel;
    uv_thread_t thread;
    fluv_future_t* f;
    int64_t result;

    pthread_barrier_init(&duel.start, NULL, 2);
    ck_assert_err(fluv_promise_new(&duel.promise, &f), 0);
    fluv_start(f);
    ck_assert_int_eq(uv_thread_create(&thread, duel_answer, &duel), 0);
    pthread_barrier_wait(&duel.start);
    fluv_cancel(f);
    result = fluv_block_on(f);
    uv_thread_join(&thread);
    ck_assert_err(duel.rc, result == 8 ? 0 : FLUV_ECANCELED);
    ck_assert(result == 8 || result == FLUV_ECANCELED);
    pthread_barrier_destroy(&duel.start);
  }
  fluv_drop(future);
}
END_TEST

#define MANY 1000

static fluv_promise_t* many[MANY];
static atomic_int many_next;

static void answer_many(void* arg) {
  int i;

  (void) arg;
  while ((i = atomic_fetch_add(&many_next, 1)) < MANY) {
    fluv_promise_resolve(many[i], i);
    fluv_promise_free(many[i]);
  }
}

START_TEST(a_thousand_promises_answered_by_four_threads) {
  fluv_future_t* futures[MANY];
  int64_t results[MANY];
  uv_thread_t threads[THREADS];
  int i;

  for (i = 0; i < MANY; i++)
    ck_assert_err(fluv_promise_new(&many[i], &futures[i]), 0);
  for (i = 0; i < THREADS; i++)
    ck_assert_int_eq(uv_thread_create(&threads[i], answer_many, NULL), 0);
  ck_assert_err(fluv_block_on(fluv_join_all(futures, MANY, results)), 0);
  for (i = 0; i < MANY; i++)
    ck_assert_err(results[i], i);
  for (i = 0; i < THREADS; i++)
    uv_thread_join(&threads[i]);
  fluv_drop(future);
}
END_TEST

static void ping(void* arg) {
  fluv_promise_t* p = arg;

  fluv_promise_resolve(p, 1);
  fluv_promise_free(p);
}

START_TEST(no_wake_is_lost_in_a_thousand_round_trips) {
  int i;

  for (i = 0; i < 1000; i++) {
    fluv_promise_t* p;
    fluv_future_t* f;
    uv_thread_t thread;

    ck_assert_err(fluv_promise_new(&p, &f), 0);
    ck_assert_int_eq(uv_thread_create(&thread, ping, p), 0);
    ck_assert_err(fluv_block_on(f), 1);
    uv_thread_join(&thread);
  }
  fluv_drop(future);
}
END_TEST

/* Close. */

START_TEST(close_waits_for_the_future_of_a_promise) {
  ck_assert_err(fluv_loop_close(), FLUV_EBUSY);
  ck_assert_err(fluv_promise_resolve(promise, 3), 0);
  ck_assert_err(fluv_block_on(future), 3);
}
END_TEST

static void answer_too_late(void* arg) {
  *(int*) arg = fluv_promise_resolve(promise, 1);
  if (!fluv_promise_is_cancelled(promise))
    *(int*) arg = 1;
  fluv_promise_free(promise);
}

START_TEST(a_promise_may_outlive_its_loop) {
  int rc = 0;

  fluv_drop(future);
  ck_assert_err(fluv_loop_close(), 0);
  ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
  test_on_thread(answer_too_late, &rc);
  ck_assert_err(rc, FLUV_ECANCELED);
  promise = NULL;
  ck_assert_err(fluv_attach(test_uv), 0);
}
END_TEST

START_TEST(a_promise_may_be_freed_while_its_loop_is_closed) {
  uv_thread_t thread;
  int err;
  int i;

  fluv_drop(future);
  fluv_promise_free(promise);
  promise = NULL;
  for (i = 0; i < 50; i++) {
    ck_assert_err(fluv_promise_new(&promise, &future), 0);
    ck_assert_int_eq(uv_thread_create(&thread, answer_and_free, &promise), 0);
    fluv_drop(future);
    /* An answer that came before the drop may still be on its way. */
    while ((err = fluv_loop_close()) == FLUV_EBUSY)
      uv_run(test_uv, UV_RUN_NOWAIT);
    ck_assert_err(err, 0);
    ck_assert_int_eq(uv_run(test_uv, UV_RUN_DEFAULT), 0);
    uv_thread_join(&thread);
    ck_assert_err(fluv_attach(test_uv), 0);
  }
  promise = NULL;
}
END_TEST

static char place[64];

static void close_with_a_promise_out(void* arg) {
  (void) arg;
  test_setup();
  snprintf(place, sizeof(place), "test-promise.c:%d", __LINE__ + 1);
  ck_assert_err(fluv_promise_new(&promise, &future), 0);
  fprintf(stderr, "made at %s.\n", place);
  ck_assert_err(fluv_loop_close(), FLUV_EBUSY);
  fluv_promise_free(promise);
  fluv_drop(future);
  test_teardown();
}

START_TEST(close_names_the_place_of_a_promise_that_is_out) {
  int status;
  char* text = test_stderr_of(close_with_a_promise_out, NULL, &status);
  char* report = strchr(text, '\n');

  ck_assert_int_eq(status, 0);
  ck_assert_ptr_nonnull(report);
  *report++ = '\0';
  /* Our own line names the place; the report must name the same. */
  text[strlen(text) - 1] = '\0';
  ck_assert_has(report, text + strlen("made at "));
  ck_assert_has(report, "promise");
  free(text);
}
END_TEST

/* Misuse. */

START_TEST(new_refuses_null) {
  fluv_promise_t* p = NULL;
  fluv_future_t* f = NULL;

  ck_assert_err(fluv_promise_new(NULL, &f), FLUV_EINVAL);
  ck_assert_err(fluv_promise_new(&p, NULL), FLUV_EINVAL);
  ck_assert_ptr_null(p);
  ck_assert_ptr_null(f);
  fluv_drop(future);
}
END_TEST

static void new_without_a_loop(void* arg) {
  fluv_promise_t* p = NULL;
  fluv_future_t* f = NULL;

  *(int*) arg = fluv_promise_new(&p, &f);
}

START_TEST(new_needs_a_loop) {
  int err = 0;

  test_on_thread(new_without_a_loop, &err);
  ck_assert_err(err, FLUV_ENOLOOP);
  fluv_drop(future);
}
END_TEST

static Suite* promise_suite(void) {
  Suite* s = suite_create("promise");
  TCase* tc = test_case(s, "basic", setup_promise, teardown_promise);

  ADD(tc,
      answer_is_there_for_who_waits_later,
      error_is_an_answer_too,
      answer_wakes_who_waits,
      first_answer_counts,
      unanswered_promise_breaks_its_future,
      answered_promise_may_be_freed_before_the_await,
      two_promises_in_the_wrong_order,
      nobody_waiting_keeps_no_loop_alive);

  tc = test_case(s, "cancel", setup_promise, teardown_promise);
  ADD(tc,
      cancelled_future_ends_at_once_and_wants_no_answer,
      dropped_future_wants_no_answer,
      cancel_comes_too_late_for_an_answer,
      cancel_hook_holds_the_future_until_the_answer,
      cancel_hook_holds_the_future_until_the_promise_is_freed,
      cancel_hook_may_answer_itself,
      cancel_hook_hears_of_a_drop_once,
      cancel_hook_is_not_called_after_the_answer,
      cancelled_await_waits_for_a_hooked_promise);

  tc = test_case(s, "threads", setup_promise, teardown_promise);
  ADD(tc,
      answer_from_a_thread_carries_its_memory,
      waiting_keeps_the_loop_alive_until_a_thread_answers,
      freed_by_another_thread_breaks_the_future,
      answered_and_freed_by_another_thread_after_a_drop,
      one_of_four_racing_threads_wins,
      cancel_and_answer_agree_on_who_was_first,
      a_thousand_promises_answered_by_four_threads,
      no_wake_is_lost_in_a_thousand_round_trips);

  tc = test_case(s, "close", setup_promise, teardown_promise);
  ADD(tc,
      close_waits_for_the_future_of_a_promise,
      a_promise_may_outlive_its_loop,
      a_promise_may_be_freed_while_its_loop_is_closed);
  tc = test_case(s, "close", NULL, NULL);
  ADD(tc, close_names_the_place_of_a_promise_that_is_out);

  tc = test_case(s, "misuse", setup_promise, teardown_promise);
  ADD(tc, new_refuses_null, new_needs_a_loop);
  return s;
}

TEST_MAIN(promise_suite)

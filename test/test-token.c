/* SPDX-License-Identifier: MIT */
/* Cancellation tokens, and futures bounded by them. */
#include "fluv-test.h"

#include <pthread.h>

static fluv_token_t* root;

static void setup(void) {
  test_setup_paused();
  ck_assert_err(fluv_token_new(&root), 0);
}

static void teardown(void) {
  fluv_token_free(root);
  test_teardown();
}

START_TEST(cancelling_reaches_all_below) {
  fluv_token_t* child[2];
  fluv_token_t* grandchild;
  fluv_token_t* late;

  ck_assert_err(fluv_token_child(root, &child[0]), 0);
  ck_assert_err(fluv_token_child(root, &child[1]), 0);
  ck_assert_err(fluv_token_child(child[0], &grandchild), 0);
  fluv_token_cancel(child[0], FLUV_EPIPE);
  ck_assert(fluv_token_is_cancelled(grandchild));
  ck_assert(!fluv_token_is_cancelled(child[1]));
  ck_assert(!fluv_token_is_cancelled(root));
  fluv_token_cancel(root, 0);
  fluv_token_cancel(root, FLUV_EBUSY);
  ck_assert_err(fluv_token_get_reason(root), FLUV_ECANCELED);
  ck_assert_err(fluv_token_get_reason(child[0]), FLUV_EPIPE);
  ck_assert_err(fluv_token_get_reason(child[1]), FLUV_ECANCELED);
  ck_assert_err(fluv_token_child(grandchild, &late), 0);
  ck_assert_err(fluv_token_get_reason(late), FLUV_EPIPE);
  fluv_token_free(late);
  fluv_token_free(grandchild);
  fluv_token_free(child[0]);
  fluv_token_free(child[1]);
}
END_TEST

START_TEST(a_parent_may_go_before_its_children) {
  fluv_token_t* child;
  fluv_token_t* grandchild;

  ck_assert_err(fluv_token_child(root, &child), 0);
  ck_assert_err(fluv_token_child(child, &grandchild), 0);
  fluv_token_free(child);
  fluv_token_cancel(root, FLUV_ECANCELED);
  ck_assert(fluv_token_is_cancelled(grandchild));
  fluv_token_free(grandchild);
}
END_TEST

/* A tree that is too deep for recursion. */
START_TEST(a_deep_tree_is_cancelled) {
  enum {
    DEPTH = 100000
  };
  fluv_token_t* at = fluv_token_clone(root);
  fluv_token_t* below;
  int i;

  for (i = 0; i < DEPTH; i++) {
    ck_assert_err(fluv_token_child(at, &below), 0);
    if (i % 1000 != 0) {
      fluv_token_free(at);
    } else {
      fluv_token_t* side;

      ck_assert_err(fluv_token_child(at, &side), 0);
      fluv_token_free(at);
      fluv_token_free(side);
    }
    at = below;
  }
  fluv_token_cancel(root, FLUV_EPIPE);
  ck_assert_err(fluv_token_get_reason(at), FLUV_EPIPE);
  fluv_token_free(at);
}
END_TEST

static int64_t wait_cancelled(void* arg) {
  int64_t err = fluv_await(fluv_token_cancelled(arg));

  test_note("c");
  return err;
}

TEST_TASK(cancelling_wakes_waiters) {
  fluv_future_t* f[2] = { fluv_spawn(wait_cancelled, root),
                          fluv_spawn(wait_cancelled, root) };
  fluv_future_t* dropped = fluv_token_cancelled(root);

  fluv_start(dropped);
  fluv_drop(dropped);
  fluv_yield();
  fluv_token_cancel(root, FLUV_ECANCELED);
  ck_assert_err(fluv_await(fluv_join_all(f, 2, NULL)), 0);
  ck_assert_trace("cc");
  ck_assert_err(fluv_await(fluv_token_cancelled(root)), 0);
  return 0;
}

static void cancel_on_thread(void* arg) {
  fluv_token_cancel(arg, FLUV_EPIPE);
}

static void* wait_on_thread(void* arg) {
  int64_t* result = arg;

  *result = fluv_token_cancelled_blocking(root, 1);
  if (*result == FLUV_ETIMEDOUT)
    *result = fluv_token_cancelled_blocking(root, FLUV_FOREVER);
  return NULL;
}

TEST_TASK(threads_cancel_and_wait) {
  int64_t result = -1;
  pthread_t thread;
  fluv_future_t* f = fluv_spawn(wait_cancelled, root);

  ck_assert_int_eq(pthread_create(&thread, NULL, wait_on_thread, &result), 0);
  test_on_thread(cancel_on_thread, root);
  ck_assert_err(fluv_await(f), 0);
  pthread_join(thread, NULL);
  ck_assert_err(result, 0);
  return 0;
}

static int64_t sleeps(void* arg) {
  return fluv_await(fluv_sleep((uint64_t) * (int*) arg));
}

TEST_TASK(run_until_cancelled_ends_by_result_or_token) {
  fluv_token_t* child;
  fluv_future_t* f;
  int ms = 10;

  ck_assert_err(fluv_token_child(root, &child), 0);
  ck_assert_err(fluv_await(fluv_run_until_cancelled(child, fluv_ready(3))), 3);
  ck_assert_err(
      fluv_await(fluv_run_until_cancelled(child, fluv_spawn(sleeps, &ms))),
      0);
  f = fluv_run_until_cancelled(child, fluv_spawn(sleeps, &ms));
  fluv_start(f);
  fluv_token_cancel(root, FLUV_EPIPE);
  ck_assert_err(fluv_await(f), FLUV_EPIPE);
  /* A result that is ready counts. Another future is not started. */
  ck_assert_err(fluv_await(fluv_run_until_cancelled(child, fluv_ready(3))), 3);
  ck_assert_err(fluv_await(fluv_run_until_cancelled(child, fluv_sleep(1))),
                FLUV_EPIPE);
  fluv_token_free(child);
  return 0;
}

TEST_TASK(run_until_cancelled_itself_cancelled) {
  int ms = 10;
  fluv_future_t* f = fluv_run_until_cancelled(root, fluv_spawn(sleeps, &ms));

  fluv_start(f);
  fluv_cancel(f);
  ck_assert_err(fluv_await(f), FLUV_ECANCELED);
  f = fluv_run_until_cancelled(root, fluv_spawn(sleeps, &ms));
  fluv_cancel(f); /* cold, but its task is live */
  ck_assert_err(fluv_await(f), FLUV_ECANCELED);
  f = fluv_run_until_cancelled(root, fluv_sleep(1));
  fluv_start(f);
  fluv_drop(f);
  fluv_drop(fluv_run_until_cancelled(root, fluv_sleep(1)));
  ck_assert_err(fluv_await(fluv_run_until_cancelled(NULL, fluv_sleep(1))),
                FLUV_EINVAL);
  return 0;
}

static int64_t cancels_at_end(void* arg) {
  return fluv_token_cancel_at_end(arg, FLUV_EPIPE);
}

TEST_TASK(a_token_is_cancelled_at_the_end_of_a_task) {
  ck_assert_err(fluv_await(fluv_spawn(cancels_at_end, root)), 0);
  ck_assert_err(fluv_token_get_reason(root), FLUV_EPIPE);
  return 0;
}

static int64_t tokens(void* arg) {
  fluv_tracker_t* t = NULL;
  fluv_token_t* token = NULL;
  fluv_token_t* child = NULL;
  int64_t err = fluv_token_new(&token);
  int ms = 1;

  (void) arg;
  if (err == 0)
    err = fluv_token_child(token, &child);
  if (err == 0)
    err = fluv_tracker_new(&t);
  if (err == 0)
    err = fluv_await(
        fluv_run_until_cancelled(child, fluv_tracker_spawn(t, sleeps, &ms)));
  if (err == 0)
    fluv_token_cancel(token, FLUV_EPIPE);
  if (err == 0)
    err = fluv_await(fluv_token_cancelled(child));
  /* A task that was dropped for lack of memory has not ended yet. */
  while (t != NULL && fluv_tracker_get_count(t) > 0)
    fluv_yield();
  fluv_tracker_free(t);
  fluv_token_free(token);
  fluv_token_free(child);
  return err;
}

START_TEST(out_of_memory) {
  TEST_OOM(tokens, NULL);
}
END_TEST

static Suite* token_suite(void) {
  Suite* s = suite_create("token");
  TCase* tc = test_case(s, "token", setup, teardown);

  ADD(tc,
      cancelling_reaches_all_below,
      a_parent_may_go_before_its_children,
      a_deep_tree_is_cancelled,
      cancelling_wakes_waiters,
      threads_cancel_and_wait,
      run_until_cancelled_ends_by_result_or_token,
      run_until_cancelled_itself_cancelled,
      a_token_is_cancelled_at_the_end_of_a_task);
  tc = test_case(s, "limits", NULL, NULL);
  ADD(tc, out_of_memory);
  return s;
}

TEST_MAIN(token_suite)

/* SPDX-License-Identifier: MIT */
/* Nesting: thousands of futures, each waiting for another, on a small stack. */
#include "fluv-test.h"

#include <pthread.h>
#include <stdio.h>

enum {
  DEEP = 3000,
  MANY = 500
};

#define KINDS 6

static fluv_future_t* pass_on(int64_t result, void* arg) {
  (void) result;
  (void) arg;
  return NULL;
}

/* `f` inside DEEP combinators of one kind, or of all in turn. */
static fluv_future_t* nest(fluv_future_t* f, int kind, fluv_token_t* token) {
  int i;

  for (i = 0; i < DEEP; i++) {
    fluv_future_t* arms[2];

    arms[0] = f;
    switch (kind < KINDS ? kind : i % KINDS) {
    case 0:
      arms[1] = fluv_never();
      f = fluv_select_biased(arms, 2, NULL);
      break;
    case 1:
      f = fluv_join_all(arms, 1, NULL);
      break;
    case 2:
      arms[1] = fluv_ready(0);
      f = fluv_try_join_all(arms, 2, NULL);
      break;
    case 3:
      f = fluv_timeout(f, 1000);
      break;
    case 4:
      f = fluv_run_until_cancelled(token, f);
      break;
    default:
      f = fluv_finally(f, pass_on, NULL, NULL);
      break;
    }
  }
  return f;
}

static fluv_token_t* new_token(void) {
  fluv_token_t* token;

  ck_assert_err(fluv_token_new(&token), 0);
  return token;
}

TEST_TASK(deep_combinators_end_when_what_they_wait_for_does) {
  fluv_token_t* token = new_token();
  int kind;

  for (kind = 0; kind <= KINDS; kind++) {
    ck_assert_err(fluv_await(nest(fluv_sleep(1), kind, token)), 0);
    ck_assert_err(fluv_await(nest(fluv_ready(0), kind, token)), 0);
  }
  fluv_token_free(token);
  return 0;
}

TEST_TASK(deep_combinators_are_cancelled_and_dropped) {
  fluv_token_t* token = new_token();
  fluv_future_t* f;
  int kind;

  for (kind = 0; kind <= KINDS; kind++) {
    fluv_drop(nest(fluv_sleep(1), kind, token));
    f = nest(fluv_sleep(1), kind, token);
    fluv_cancel(f);
    ck_assert_err(fluv_await(f), FLUV_ECANCELED);
    f = nest(fluv_sleep(1), kind, token);
    fluv_start(f);
    fluv_cancel(f);
    ck_assert_err(fluv_await(f), FLUV_ECANCELED);
    f = nest(fluv_sleep(1), kind, token);
    fluv_start(f);
    fluv_drop(f);
    f = nest(fluv_sleep(2000), kind, token);
    ck_assert_err(fluv_await(fluv_timeout(f, 1)), FLUV_ETIMEDOUT);
  }
  fluv_token_free(token);
  return 0;
}

/* The first arm that is ready wins, however deep it is. */
TEST_TASK(deep_arm_that_is_ready_beats_the_next_one) {
  fluv_future_t* arms[2];
  int64_t result = -1;
  int kind;

  for (kind = 0; kind < 4; kind++) {
    arms[0] = nest(fluv_ready(0), kind, NULL);
    arms[1] = fluv_ready(7);
    ck_assert_err(fluv_await(fluv_select_biased(arms, 2, &result)), 0);
    ck_assert_err(result, 0);
    ck_assert_err(fluv_await(fluv_timeout(nest(fluv_ready(0), kind, NULL), 0)),
                  0);
  }
  return 0;
}

static int64_t ends_of_selects;

static int64_t acquire_either(void* arg) {
  fluv_semaphore_t* sem = arg;
  fluv_future_t* arms[] = { fluv_semaphore_acquire(sem, 1),
                            fluv_semaphore_acquire(sem, 1) };

  ck_assert_err(fluv_await(fluv_select_biased(arms, 2, NULL)), 0);
  ends_of_selects++;
  return 0;
}

TEST_TASK(one_release_ends_hundreds_of_selects) {
  fluv_semaphore_t* sem;
  int i;

  ck_assert_err(fluv_semaphore_new(0, &sem), 0);
  for (i = 0; i < MANY; i++)
    fluv_detach(fluv_spawn(acquire_either, sem));
  ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  ck_assert_err(fluv_semaphore_release(sem, MANY), 0);
  ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  ck_assert_err(ends_of_selects, MANY);
  ck_assert_uint_eq(fluv_semaphore_get_permits(sem), 0);
  fluv_semaphore_free(sem);
  return 0;
}

/* Each member of a set waits for the next result of the set before it. */
TEST_TASK(join_sets_that_wait_for_each_other_end_one_by_one) {
  static fluv_joinset_t* set[DEEP];
  int i;

  for (i = 0; i < DEEP; i++) {
    set[i] = fluv_joinset_new();
    ck_assert_ptr_nonnull(set[i]);
    ck_assert_err(
        fluv_joinset_add(
            set[i],
            i == 0 ? fluv_sleep(1) : fluv_joinset_next(set[i - 1], NULL, NULL),
            NULL),
        0);
  }
  ck_assert_err(fluv_await(fluv_joinset_next(set[DEEP - 1], NULL, NULL)), 1);
  for (i = 0; i < DEEP; i++)
    ck_assert_err(fluv_await(fluv_joinset_close(set[i])), 0);
  return 0;
}

/* Once, with tasks that cannot be made. The first function fails on a loop of
 * its own, and the loop of those who wait has no memory for a task. */

static __thread bool refuse;

static void* poor_malloc(size_t size) {
  return refuse ? NULL : malloc(size);
}

static void* poor_realloc(void* ptr, size_t size) {
  return refuse ? NULL : realloc(ptr, size);
}

typedef struct first {
  fluv_once_t* once;
  fluv_oneshot_tx_t* running;
  fluv_oneshot_rx_t* go_on;
} first_t;

static int64_t fail_when_notified(void* arg) {
  first_t* first = arg;

  ck_assert_err(fluv_oneshot_send(first->running, NULL), 0);
  ck_assert_err(fluv_await(fluv_oneshot_recv(first->go_on, NULL)), 0);
  return FLUV_EPIPE;
}

static int64_t get_first(void* arg) {
  first_t* first = arg;

  return fluv_await(fluv_once_get(first->once, fail_when_notified, first));
}

static void* run_first(void* arg) {
  ck_assert_err(fluv_run(get_first, arg, NULL), FLUV_EPIPE);
  return NULL;
}

static int64_t wait_for_ever(void* arg) {
  (void) arg;
  return fluv_await(fluv_never());
}

static int64_t never_called(void* arg) {
  (void) arg;
  ck_abort_msg("there is no memory for this task");
  return 0;
}

/* Use up the memory that the loop has for tasks. */
static size_t fill_up(fluv_future_t** tasks, size_t max) {
  size_t n;

  refuse = true;
  for (n = 0; n < max; n++) {
    tasks[n] = fluv_spawn(wait_for_ever, NULL);
    if (fluv_future_is_done(tasks[n]))
      break;
  }
  ck_assert_uint_lt(n, max);
  refuse = false;
  ck_assert_err(fluv_await(fluv_sleep(1)), 0);
  return n;
}

static int64_t spawns_fail(void* arg) {
  static fluv_future_t* f[DEEP];
  static fluv_future_t* tasks[DEEP];
  fluv_oneshot_rx_t* running;
  fluv_oneshot_tx_t* go_on;
  first_t first;
  pthread_t thread;
  size_t filled;
  size_t i;

  ck_assert_err(fluv_once_new(&first.once), 0);
  ck_assert_err(fluv_oneshot_new(0, NULL, &first.running, &running), 0);
  ck_assert_err(fluv_oneshot_new(0, NULL, &go_on, &first.go_on), 0);
  ck_assert_int_eq(pthread_create(&thread, NULL, run_first, &first), 0);
  ck_assert_err(fluv_await(fluv_oneshot_recv(running, NULL)), 0);
  for (i = 0; i < DEEP; i++) {
    f[i] = fluv_once_get(first.once, never_called, NULL);
    fluv_start(f[i]);
  }
  filled = fill_up(tasks, DEEP);
  refuse = true;
  ck_assert_err(fluv_oneshot_send(go_on, NULL), 0);
  for (i = 0; i < DEEP; i++)
    ck_assert_err(fluv_await(f[i]), FLUV_ENOMEM);
  refuse = false;
  for (i = 0; i < filled; i++)
    fluv_drop(tasks[i]);
  ck_assert_int_eq(pthread_join(thread, NULL), 0);
  fluv_once_free(first.once);
  fluv_oneshot_rx_free(running);
  fluv_oneshot_rx_free(first.go_on);
  (void) arg;
  return 0;
}

START_TEST(once_goes_round_those_whose_task_cannot_be_made) {
  ck_assert_err(fluv_set_allocator(poor_malloc, poor_realloc, free), 0);
  ck_assert_err(fluv_run(spawns_fail, NULL, NULL), 0);
}
END_TEST

static Suite* nest_suite(void) {
  Suite* s = suite_create("nest");
  TCase* tc = test_case(s, "basic", test_setup_paused, test_teardown);

  ADD(tc,
      deep_combinators_end_when_what_they_wait_for_does,
      deep_arm_that_is_ready_beats_the_next_one,
      one_release_ends_hundreds_of_selects,
      join_sets_that_wait_for_each_other_end_one_by_one);
  tc = test_case(s, "cancel", test_setup_paused, test_teardown);
  ADD(tc, deep_combinators_are_cancelled_and_dropped);
  tc = test_case(s, "oom", NULL, NULL);
  ADD(tc, once_goes_round_those_whose_task_cannot_be_made);
  return s;
}

TEST_MAIN(nest_suite)

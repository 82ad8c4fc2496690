/* SPDX-License-Identifier: MIT */
/* Once: a value that is made once. */
#include "fluv-test.h"

static fluv_once_t* once;
static int made; /* values that initialisers made */

static void setup(void) {
  test_setup_paused();
  ck_assert_err(fluv_once_new(&once), 0);
  made = 0;
}

static void teardown(void) {
  fluv_once_free(once);
  test_teardown();
}

static int64_t make(void* arg) {
  int64_t err = fluv_await(fluv_sleep(10));

  made++;
  return err < 0 ? err : *(int64_t*) arg;
}

static int64_t get(void* arg) {
  return fluv_await(fluv_once_get(once, make, arg));
}

TEST_TASK(once_is_made_once) {
  int64_t values[3] = { 5, 6, 7 };
  fluv_future_t* f[4];
  int64_t results[4];
  int i;

  f[3] = fluv_once_wait(once);
  fluv_start(f[3]);
  ck_assert_err(fluv_once_try_get(once), FLUV_EAGAIN);
  for (i = 0; i < 3; i++)
    f[i] = fluv_spawn(get, &values[i]);
  fluv_yield();
  ck_assert_err(fluv_once_set(once, 1), FLUV_EBUSY);
  ck_assert_err(fluv_await(fluv_join_all(f, 4, results)), 0);
  for (i = 0; i < 4; i++)
    ck_assert_err(results[i], 5);
  ck_assert_int_eq(made, 1);
  ck_assert_err(fluv_once_set(once, 1), FLUV_EALREADY);
  ck_assert_err(fluv_once_try_get(once), 5);
  return 0;
}

TEST_TASK(the_next_getter_tries_after_a_failure) {
  int64_t values[2] = { FLUV_EPIPE, 6 };
  fluv_future_t* f[3];
  int64_t results[3];

  f[0] = fluv_spawn(get, &values[0]);
  f[1] = fluv_spawn(get, &values[1]);
  f[2] = fluv_spawn(get, &values[1]);
  fluv_yield();
  fluv_yield();
  fluv_cancel(f[1]); /* a queued getter leaves */
  ck_assert_err(fluv_await(fluv_join_all(f, 3, results)), FLUV_EPIPE);
  ck_assert_err(results[0], FLUV_EPIPE);
  ck_assert_err(results[1], FLUV_ECANCELED);
  ck_assert_err(results[2], 6);
  return 0;
}

TEST_TASK(once_cancelled_while_it_is_made) {
  int64_t values[2] = { 5, 6 };
  fluv_future_t* first = fluv_spawn(get, &values[0]);
  fluv_future_t* second = fluv_spawn(get, &values[1]);

  fluv_await(fluv_sleep(1));
  fluv_cancel(first);
  ck_assert_err(fluv_await(first), FLUV_ECANCELED);
  ck_assert_err(fluv_await(second), 6);
  return 0;
}

static int64_t make_and_get(void* arg) {
  fluv_once_t* o = NULL;
  int64_t value = 3;
  int64_t err = fluv_once_new(&o);

  (void) arg;
  if (err == 0 && (err = fluv_await(fluv_once_get(o, make, &value))) == 3)
    err = 0;
  fluv_once_free(o);
  return err;
}

START_TEST(out_of_memory) {
  TEST_OOM(make_and_get, NULL);
}
END_TEST

static Suite* once_suite(void) {
  Suite* s = suite_create("once");
  TCase* tc = test_case(s, "once", setup, teardown);

  ADD(tc,
      once_is_made_once,
      the_next_getter_tries_after_a_failure,
      once_cancelled_while_it_is_made);
  tc = test_case(s, "limits", NULL, NULL);
  ADD(tc, out_of_memory);
  return s;
}

TEST_MAIN(once_suite)

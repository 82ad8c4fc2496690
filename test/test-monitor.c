/* SPDX-License-Identifier: MIT */
/* The monitor, which looks at things now and then. */
#include "fluv-test.h"

#include <sched.h>
#include <stdatomic.h>

#include "core/monitor.h"

enum {
  MANY = 20000,
  MS = 1000000
};

static fluv__watch_t watches[MANY];
static atomic_int looks;

static uint64_t look_always(fluv__watch_t* watch, uint64_t now) {
  (void) watch;
  (void) now;
  atomic_fetch_add(&looks, 1);
  return 1;
}

static uint64_t look_once(fluv__watch_t* watch, uint64_t now) {
  ck_assert_uint_ge(now, watch->due);
  atomic_fetch_add(&looks, 1);
  return 0;
}

static void wait_for_looks(int n) {
  while (atomic_load(&looks) < n)
    sched_yield();
}

/* There is always something to look at: nobody may starve for that. */
START_TEST(others_add_and_remove_while_everything_is_due) {
  int i;

  for (i = 0; i < MANY; i++) {
    watches[i].look = look_always;
    ck_assert(fluv__monitor_add(&watches[i], 1));
  }
  wait_for_looks(3 * MANY);
  for (i = 0; i < MANY; i++) {
    fluv__monitor_remove(&watches[i]);
    ck_assert(!watches[i].listed);
  }
}
END_TEST

START_TEST(watch_that_has_had_its_look_may_be_added_again) {
  int i;

  watches[0].look = look_once;
  for (i = 1; i <= 20; i++) {
    while (atomic_load(&looks) < i)
      (void) fluv__monitor_add(&watches[0], 1);
  }
  fluv__monitor_remove(&watches[0]);
}
END_TEST

/* One that is due later does not hold up one that is due sooner. */
START_TEST(watch_that_is_due_first_is_looked_at_first) {
  watches[0].look = look_once;
  watches[1].look = look_once;
  ck_assert(fluv__monitor_add(&watches[0], UINT64_C(3600000) * MS));
  ck_assert(fluv__monitor_add(&watches[1], 1));
  wait_for_looks(1);
  fluv__monitor_remove(&watches[1]);
  ck_assert(watches[0].listed);
  fluv__monitor_remove(&watches[0]);
  ck_assert_int_eq(atomic_load(&looks), 1);
}
END_TEST

static Suite* monitor_suite(void) {
  Suite* s = suite_create("monitor");
  TCase* tc = test_case(s, "threads", NULL, NULL);

  tcase_set_timeout(tc, 60);
  ADD(tc,
      others_add_and_remove_while_everything_is_due,
      watch_that_has_had_its_look_may_be_added_again,
      watch_that_is_due_first_is_looked_at_first);
  return s;
}

TEST_MAIN(monitor_suite)

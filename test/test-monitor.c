/* SPDX-License-Identifier: MIT */
/* The monitor, which checks things at intervals. */
#include "fluv-test.h"

#include <sched.h>
#include <stdatomic.h>

#include "core/monitor.h"

enum {
  MANY = 20000,
  MS = 1000000
};

static fluv__monitor_entry_t entries[MANY];
static atomic_int checks;

static uint64_t check_always(fluv__monitor_entry_t* entry, uint64_t now) {
  (void) entry;
  (void) now;
  atomic_fetch_add(&checks, 1);
  return 1;
}

static uint64_t check_once(fluv__monitor_entry_t* entry, uint64_t now) {
  ck_assert_uint_ge(now, entry->due);
  atomic_fetch_add(&checks, 1);
  return 0;
}

static void wait_for_checks(int n) {
  while (atomic_load(&checks) < n)
    sched_yield();
}

/* There is always something to check: add and remove must not starve. */
START_TEST(others_add_and_remove_while_everything_is_due) {
  int i;

  for (i = 0; i < MANY; i++) {
    entries[i].check = check_always;
    ck_assert(fluv__monitor_add(&entries[i], 1));
  }
  wait_for_checks(3 * MANY);
  for (i = 0; i < MANY; i++) {
    fluv__monitor_remove(&entries[i]);
    ck_assert(!entries[i].listed);
  }
}
END_TEST

START_TEST(entry_that_was_checked_may_be_added_again) {
  int i;

  entries[0].check = check_once;
  for (i = 1; i <= 20; i++) {
    while (atomic_load(&checks) < i)
      (void) fluv__monitor_add(&entries[0], 1);
  }
  fluv__monitor_remove(&entries[0]);
}
END_TEST

/* One that is due later does not hold up one that is due sooner. */
START_TEST(entry_that_is_due_first_is_checked_first) {
  entries[0].check = check_once;
  entries[1].check = check_once;
  ck_assert(fluv__monitor_add(&entries[0], UINT64_C(3600000) * MS));
  ck_assert(fluv__monitor_add(&entries[1], 1));
  wait_for_checks(1);
  fluv__monitor_remove(&entries[1]);
  ck_assert(entries[0].listed);
  fluv__monitor_remove(&entries[0]);
  ck_assert_int_eq(atomic_load(&checks), 1);
}
END_TEST

static Suite* monitor_suite(void) {
  Suite* s = suite_create("monitor");
  TCase* tc = test_case(s, "threads", NULL, NULL);

  tcase_set_timeout(tc, 60);
  ADD(tc,
      others_add_and_remove_while_everything_is_due,
      entry_that_was_checked_may_be_added_again,
      entry_that_is_due_first_is_checked_first);
  return s;
}

TEST_MAIN(monitor_suite)

/* SPDX-License-Identifier: MIT */
/* A task some calls deep. test-backtrace.sh stops it in deepest(), before and
 * after the task has waited, and checks the debugger's backtrace. */
#include "expect.h"

static volatile int visits;

EXPECT_FRAME
static void deepest(void) {
  visits++;
}

EXPECT_FRAME
static int64_t middle(int level) {
  int64_t err = level > 0 ? middle(level - 1) : 0;

  deepest();
  if (err == 0)
    err = fluv_await(fluv_sleep(1));
  deepest();
  visits++; /* so that the call above is not the last thing done here */
  return err;
}

EXPECT_FRAME
static int64_t task_entry(void* arg) {
  int64_t err = middle(*(int*) arg);

  visits++;
  return err;
}

static int64_t main_task(void* arg) {
  return fluv_await(fluv_spawn(task_entry, arg));
}

int main(void) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  int level = 2;

  options.clock_paused = true;
  return fluv_run(main_task, &level, &options) < 0;
}

/* SPDX-License-Identifier: 0BSD */
/* A pitfall: blocking inside a task. Wrong, and right.
 *
 * Shows:   fluv_spawn_blocking
 * Run:     samples/pitfall_blocking
 * Prints:  samples/pitfall_blocking.out
 * Next:    samples/spread.c
 */
#include <fluv.h>
#include <stdio.h>
#include <time.h>

enum {
  BLOCK_MS = 60
};

static int ticks;

/* Shows whether the loop gets on. */
static int64_t ticker(void* arg) {
  (void) arg;
  while (fluv_await(fluv_sleep(5)) == 0)
    ticks++;
  return 0;
}

/* Work that blocks its thread: a library call, a long computation. */
static int64_t block(void* arg) {
  struct timespec time = { 0, BLOCK_MS * 1000000L };

  (void) arg;
  nanosleep(&time, NULL);
  return 0;
}

static int64_t both(void* arg) {
  fluv_future_t* task = fluv_spawn(ticker, NULL);
  int64_t err;

  (void) arg;
  /* Wrong: this blocks the whole loop. */
  fluv_yield();
  err = block(NULL);
  printf("blocking in a task: the ticker %s\n",
         ticks == 0 ? "stands still" : "goes on");

  /* Right: on the thread pool. */
  ticks = 0;
  if (err == 0)
    err = fluv_await(fluv_spawn_blocking(block, NULL));
  printf("blocking on the pool: the ticker %s\n",
         ticks == 0 ? "stands still" : "goes on");
  fluv_drop(task);
  return err;
}

int main(void) {
  fluv_loop_options_t options = FLUV_LOOP_OPTIONS_INIT;
  int64_t err;

  options.watchdog_ms = FLUV_WATCHDOG_NEVER; /* it would tell of the first */
  err = fluv_run(both, NULL, &options);
  if (err < 0)
    fprintf(stderr, "pitfall_blocking: %s\n", fluv_strerror(err));
  return err < 0;
}

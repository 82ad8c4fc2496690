/* SPDX-License-Identifier: MIT */
/* Timers: one that is cancelled at once, and a million that are not. */
#include <stdlib.h>

#include "bench.h"

enum {
  CANCELS = 100000, /* in a round */
  MILLION = 1000000,
  LONGEST_MS = 1000,
  /* Delays in an order that has nothing to do with their length: a prime
   * steps through all of them. */
  STRIDE = 7919,
  /* What a million tasks, their stacks and page tables take, and some. */
  MILLION_MB = 6000
};

#define NS_PER_S 1e9

static void run_create_cancel(double* values) {
  bench_clock_t clock;
  int i;

  bench_start(&clock);
  for (i = 0; i < CANCELS; i++) {
    fluv_future_t* sleep = fluv_sleep(1 + (uint64_t) (i % LONGEST_MS));

    fluv_start(sleep);
    fluv_drop(sleep);
  }
  values[0] = bench_stop(&clock, CANCELS);
}

static int64_t sleep_once(void* arg) {
  return fluv_await(fluv_sleep((uint64_t) (uintptr_t) arg));
}

static void run_timers_1m(double* values) {
  fluv_future_t** futures = calloc(MILLION, sizeof(fluv_future_t*));
  bench_clock_t start = bench_now();
  bench_clock_t now;
  uint64_t i;

  if (futures == NULL)
    bench_die("out of memory");
  for (i = 0; i < MILLION; i++)
    futures[i] =
        fluv_spawn(sleep_once,
                   (void*) (uintptr_t) (i * STRIDE % (LONGEST_MS + 1)));
  for (i = 0; i < MILLION; i++)
    bench_expect(fluv_await(futures[i]), 0);
  now = bench_now();
  free(futures);
  values[0] = (double) (now.wall_ns - start.wall_ns) / NS_PER_S;
  /* All that the process has used, not only from `start` on. */
  values[1] = (double) now.cpu_ns / NS_PER_S;
}

const bench_t bench_timer_table[] = {
  { BENCH_TASK,
    false,
    run_create_cancel,
    { { "sleep_create_cancel", "ns" } },
    0 },
  { BENCH_TASK,
    true,
    run_timers_1m,
    { { "timers_1m", "s" }, { "timers_1m_cpu", "s" } },
    MILLION_MB },
  { 0 },
};

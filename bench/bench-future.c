/* SPDX-License-Identifier: MIT */
/* Futures without tasks of their own: ready ones, select, timeout. */
#include "bench.h"

enum {
  COUNT = 50000,  /* in a round */
  LONG_MS = 10000 /* never ends here, but is armed like any other */
};

static void run_ready_await(double* values) {
  bench_clock_t clock;
  int i;

  bench_start(&clock);
  for (i = 0; i < COUNT * 5; i++)
    bench_expect(fluv_await(fluv_ready(i)), i);
  values[0] = bench_stop(&clock, COUNT * 5);
}

/* Selects a ready future against a long sleep. */
static double select_ready(unsigned flags) {
  bench_clock_t clock;
  int64_t result = 0;
  int i;

  bench_start(&clock);
  for (i = 0; i < COUNT; i++) {
    fluv_future_t* arms[] = { fluv_ready(i), fluv_sleep(LONG_MS) };

    bench_expect(fluv_await(fluv_select_with(arms, 2, flags, &result)), 0);
    bench_expect(result, i);
  }
  return bench_stop(&clock, COUNT);
}

static void run_select_ready(double* values) {
  values[0] = select_ready(0);
}

static void run_select_ready_biased(double* values) {
  values[0] = select_ready(FLUV_SELECT_BIASED);
}

/* The future is ready after one yield: a sleep of 0 is just that. */
static void run_timeout_ready(double* values) {
  bench_clock_t clock;
  int i;

  bench_start(&clock);
  for (i = 0; i < COUNT; i++)
    bench_expect(fluv_await(fluv_timeout(fluv_sleep(0), LONG_MS)), 0);
  values[0] = bench_stop(&clock, COUNT);
}

const bench_t bench_future_table[] = {
  { BENCH_TASK, false, run_ready_await, { { "ready_await", "ns" } }, 0 },
  { BENCH_TASK, false, run_select_ready, { { "select_ready", "ns" } }, 0 },
  { BENCH_TASK,
    false,
    run_select_ready_biased,
    { { "select_ready_biased", "ns" } },
    0 },
  { BENCH_TASK, false, run_timeout_ready, { { "timeout_ready", "ns" } }, 0 },
  { 0 },
};

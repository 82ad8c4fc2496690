/* SPDX-License-Identifier: MIT */
/* The same with plain libuv, where it has something alike. Not one of these
 * does what a task does; they say what the loop below costs. */
#include <stdlib.h>
#include <uv.h>

#include "bench.h"

enum {
  ITERATIONS = 200000, /* of the loop, in a round */
  MANY = 1000,
  CALLS_MANY = 1000, /* of each of 1,000 idle handles */
  CANCELS = 100000,
  BATCH = 100, /* timers that are closed together */
  MILLION = 1000000,
  LONGEST_MS = 1000,
  STRIDE = 7919,
  MILLION_MB = 400
};

#define NS_PER_S 1e9

static uint64_t calls_left;

static void on_idle(uv_idle_t* idle) {
  if (--calls_left == 0)
    uv_stop(idle->loop);
}

/* Idle handles that are called in turn, from the first call to the last. */
static double run_idles(int count, uint64_t calls) {
  static uv_idle_t idles[MANY];
  bench_clock_t clock;
  double value;
  uv_loop_t loop;
  int i;

  bench_expect(uv_loop_init(&loop), 0);
  for (i = 0; i < count; i++) {
    uv_idle_init(&loop, &idles[i]);
    uv_idle_start(&idles[i], on_idle);
  }
  calls_left = calls;
  bench_start(&clock);
  uv_run(&loop, UV_RUN_DEFAULT);
  value = bench_stop(&clock, calls);
  for (i = 0; i < count; i++)
    uv_close((uv_handle_t*) &idles[i], NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  bench_expect(uv_loop_close(&loop), 0);
  return value;
}

static void run_idle_yield(double* values) {
  values[0] = run_idles(1, ITERATIONS);
}

static void run_idle_yield_1000(double* values) {
  values[0] = run_idles(MANY, (uint64_t) MANY * CALLS_MANY);
}

static void on_timer(uv_timer_t* timer) {
  (void) timer;
}

/* From nothing to nothing: made, set, stopped and closed. */
static void run_timer_create_cancel(double* values) {
  static uv_timer_t timers[BATCH];
  bench_clock_t clock;
  uv_loop_t loop;
  int round;
  int i;

  bench_expect(uv_loop_init(&loop), 0);
  bench_start(&clock);
  for (round = 0; round < CANCELS / BATCH; round++) {
    for (i = 0; i < BATCH; i++) {
      uv_timer_init(&loop, &timers[i]);
      uv_timer_start(&timers[i], on_timer, 1 + (uint64_t) i, 0);
      uv_timer_stop(&timers[i]);
      uv_close((uv_handle_t*) &timers[i], NULL);
    }
    uv_run(&loop, UV_RUN_NOWAIT);
  }
  values[0] = bench_stop(&clock, CANCELS);
  bench_expect(uv_loop_close(&loop), 0);
}

static uint64_t fired;

static void on_closed(uv_handle_t* handle) {
  free(handle);
}

static void on_one_of_many(uv_timer_t* timer) {
  fired++;
  uv_close((uv_handle_t*) timer, on_closed);
}

static void run_timers_1m(double* values) {
  bench_clock_t start = bench_now();
  bench_clock_t now;
  uv_loop_t loop;
  uint64_t i;

  bench_expect(uv_loop_init(&loop), 0);
  for (i = 0; i < MILLION; i++) {
    uv_timer_t* timer = malloc(sizeof(*timer));

    if (timer == NULL)
      bench_die("out of memory");
    uv_timer_init(&loop, timer);
    uv_timer_start(timer, on_one_of_many, i * STRIDE % (LONGEST_MS + 1), 0);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  bench_expect((int64_t) fired, MILLION);
  now = bench_now();
  values[0] = (double) (now.wall_ns - start.wall_ns) / NS_PER_S;
  values[1] = (double) now.cpu_ns / NS_PER_S;
}

const bench_t bench_uv_table[] = {
  { BENCH_PLAIN, false, run_idle_yield, { { "uv_idle_yield", "ns" } }, 0 },
  { BENCH_PLAIN,
    false,
    run_idle_yield_1000,
    { { "uv_idle_yield_1000", "ns" } },
    0 },
  { BENCH_PLAIN,
    false,
    run_timer_create_cancel,
    { { "uv_timer_create_cancel", "ns" } },
    0 },
  { BENCH_PLAIN,
    true,
    run_timers_1m,
    { { "uv_timers_1m", "s" }, { "uv_timers_1m_cpu", "s" } },
    MILLION_MB },
  { 0 },
};

/* SPDX-License-Identifier: MIT */
/* Blocking work: a job that does nothing, awaited, and the same with plain
 * libuv beside it. */
#include <uv.h>

#include "bench.h"

enum {
  ONE_BY_ONE = 5000, /* in a round */
  MANY = 1000,       /* at once */
  TIMES = 50         /* in a round */
};

#define NS_PER_US 1000.0

static int64_t answer(void* arg) {
  return (int64_t) (intptr_t) arg;
}

static void run_one(double* values) {
  bench_clock_t clock;
  int i;

  bench_start(&clock);
  for (i = 0; i < ONE_BY_ONE; i++)
    bench_expect(fluv_await(fluv_spawn_blocking(answer, (void*) (intptr_t) i)),
                 i);
  values[0] = bench_stop(&clock, ONE_BY_ONE) / NS_PER_US;
}

static void run_many(double* values) {
  static fluv_future_t* futures[MANY];
  bench_clock_t clock;
  int round;
  int i;

  bench_start(&clock);
  for (round = 0; round < TIMES; round++) {
    for (i = 0; i < MANY; i++)
      futures[i] = fluv_spawn_blocking(answer, (void*) (intptr_t) i);
    for (i = 0; i < MANY; i++)
      bench_expect(fluv_await(futures[i]), i);
  }
  values[0] = bench_stop(&clock, TIMES * MANY);
}

/* libuv: as many requests at a time, until none is left to be made. */
static uv_work_t works[MANY];
static int to_make;
static int to_end;

static void work(uv_work_t* req) {
  (void) req;
}

static void on_one_done(uv_work_t* req, int status) {
  bench_expect(status, 0);
  if (--to_make > 0)
    bench_expect(uv_queue_work(req->loop, req, work, on_one_done), 0);
}

static void run_uv_one(double* values) {
  bench_clock_t clock;
  uv_loop_t loop;

  bench_expect(uv_loop_init(&loop), 0);
  to_make = ONE_BY_ONE;
  bench_start(&clock);
  uv_queue_work(&loop, &works[0], work, on_one_done);
  uv_run(&loop, UV_RUN_DEFAULT);
  values[0] = bench_stop(&clock, ONE_BY_ONE) / NS_PER_US;
  bench_expect(uv_loop_close(&loop), 0);
}

static void on_done(uv_work_t* req, int status) {
  (void) req;
  bench_expect(status, 0);
  to_end--;
}

static void run_uv_many(double* values) {
  bench_clock_t clock;
  uv_loop_t loop;
  int round;
  int i;

  bench_expect(uv_loop_init(&loop), 0);
  bench_start(&clock);
  for (round = 0; round < TIMES; round++) {
    to_end = MANY;
    for (i = 0; i < MANY; i++)
      uv_queue_work(&loop, &works[i], work, on_done);
    uv_run(&loop, UV_RUN_DEFAULT);
    bench_expect(to_end, 0);
  }
  values[0] = bench_stop(&clock, TIMES * MANY);
  bench_expect(uv_loop_close(&loop), 0);
}

const bench_t bench_blocking_table[] = {
  { BENCH_TASK, false, run_one, { { "spawn_blocking", "us" } }, 0 },
  { BENCH_TASK, false, run_many, { { "spawn_blocking_1000", "ns" } }, 0 },
  { BENCH_PLAIN, false, run_uv_one, { { "uv_queue_work", "us" } }, 0 },
  { BENCH_PLAIN, false, run_uv_many, { { "uv_queue_work_1000", "ns" } }, 0 },
  { 0 },
};

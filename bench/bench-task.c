/* SPDX-License-Identifier: MIT */
/* Tasks: giving way, spawning, waiting for one or many. */
#include "bench.h"

enum {
  YIELDS = 500000,    /* of one task in a round */
  YIELDS_MANY = 5000, /* of each of 1,000 tasks */
  MANY = 1000,
  SPAWNS = 50000, /* one after the other, in a round */
  BATCH = 10000,  /* tasks at once */
  BATCHES = 5     /* in a round */
};

/* Tasks that yield side by side, timed from when all run to when all are
 * through: making and ending them does not count. */
typedef struct relay {
  int tasks;
  int yields;
  int ready;
  int through;
  bench_clock_t clock;
  double value;
} relay_t;

static int64_t runner(void* arg) {
  relay_t* relay = arg;
  int i;

  if (++relay->ready == relay->tasks)
    bench_start(&relay->clock);
  bench_expect(fluv_yield(), 0);
  for (i = 0; i < relay->yields; i++)
    fluv_yield();
  if (++relay->through == relay->tasks)
    relay->value =
        bench_stop(&relay->clock,
                   (uint64_t) relay->tasks * ((uint64_t) relay->yields + 1));
  return 0;
}

static double run_relay(int tasks, int yields) {
  relay_t relay = { tasks, yields, 0, 0, { 0, 0 }, 0 };
  fluv_future_t* futures[MANY];
  int i;

  for (i = 0; i < tasks; i++)
    futures[i] = fluv_spawn(runner, &relay);
  for (i = 0; i < tasks; i++)
    bench_expect(fluv_await(futures[i]), 0);
  return relay.value;
}

static void run_yield(double* values) {
  values[0] = run_relay(1, YIELDS);
}

static void run_yield_2(double* values) {
  values[0] = run_relay(2, YIELDS / 2);
}

static void run_yield_1000(double* values) {
  values[0] = run_relay(MANY, YIELDS_MANY);
}

static int64_t answer(void* arg) {
  return (int64_t) (intptr_t) arg;
}

static void run_spawn_await(double* values) {
  bench_clock_t clock;
  int i;

  bench_start(&clock);
  for (i = 0; i < SPAWNS; i++)
    bench_expect(fluv_await(fluv_spawn(answer, (void*) (intptr_t) i)), i);
  values[0] = bench_stop(&clock, SPAWNS);
}

static void run_spawn_many(double* values) {
  static fluv_future_t* futures[BATCH];
  bench_clock_t clock;
  int round;
  int i;

  bench_start(&clock);
  for (round = 0; round < BATCHES; round++) {
    for (i = 0; i < BATCH; i++)
      futures[i] = fluv_spawn(answer, (void*) (intptr_t) i);
    for (i = 0; i < BATCH; i++)
      bench_expect(fluv_await(futures[i]), i);
  }
  values[0] = bench_stop(&clock, (uint64_t) BATCHES * BATCH);
}

static int64_t yield_once(void* arg) {
  (void) arg;
  return fluv_yield();
}

static void run_join_all(double* values) {
  static fluv_future_t* futures[MANY];
  static int64_t results[MANY];
  bench_clock_t clock;
  int round;
  int i;

  bench_start(&clock);
  for (round = 0; round < SPAWNS / MANY; round++) {
    for (i = 0; i < MANY; i++)
      futures[i] = fluv_spawn(yield_once, NULL);
    bench_expect(fluv_await(fluv_join_all(futures, MANY, results)), 0);
  }
  values[0] = bench_stop(&clock, SPAWNS);
}

const bench_t bench_task_table[] = {
  { BENCH_TASK, false, run_yield, { { "yield", "ns" } }, 0 },
  { BENCH_TASK, false, run_yield_2, { { "yield_2", "ns" } }, 0 },
  { BENCH_TASK, false, run_yield_1000, { { "yield_1000", "ns" } }, 0 },
  { BENCH_TASK, false, run_spawn_await, { { "spawn_await", "ns" } }, 0 },
  { BENCH_TASK, false, run_spawn_many, { { "spawn_many", "ns" } }, 0 },
  { BENCH_TASK, false, run_join_all, { { "join_all", "ns" } }, 0 },
  { 0 },
};

/* SPDX-License-Identifier: MIT */
/* Handing work to another thread's loop, and sharing it between workers. */
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <uv.h>

#include "bench.h"

enum {
  HANDED = 500000,
  STOLEN = 10000,
  WORK_US = 10
};

/* Workers that the figure is for. */
enum {
  WORKERS = 2
};

static int64_t nothing(void* arg) {
  ++*(uint64_t*) arg;
  return 0;
}

static void nothing_plain(void* arg) {
  ++*(uint64_t*) arg;
}

/* Each on a core of its own: for as short as this takes, kernels like to leave
 * two threads on one. */
static fluv_runtime_t* runtime_of(unsigned workers) {
  fluv_runtime_options_t options = FLUV_RUNTIME_OPTIONS_INIT;
  fluv_runtime_t* rt;

  options.workers = workers;
  options.pin = workers > 1;
  bench_expect(fluv_runtime_new(&options, &rt), 0);
  bench_expect(fluv_runtime_start(rt), 0);
  return rt;
}

/* Wait until every function that was posted before has run. */
static void wait_for(fluv_loop_t* loop, uint64_t* count) {
  fluv_remote_t* last;

  bench_expect(fluv_spawn_remote(loop, nothing, count, &last), 0);
  bench_expect(fluv_wait(last, FLUV_FOREVER), 0);
}

static void run_handoff(double* values) {
  fluv_runtime_t* rt = runtime_of(1);
  fluv_loop_t* loop = fluv_runtime_get_loop(rt, 0);
  bench_clock_t clock;
  uint64_t count = 0;
  int i;

  bench_start(&clock);
  for (i = 0; i < HANDED; i++)
    bench_expect(fluv_post(loop, nothing_plain, &count), 0);
  wait_for(loop, &count);
  values[0] = bench_stop(&clock, HANDED);
  bench_start(&clock);
  for (i = 0; i < HANDED; i++)
    bench_expect(fluv_spawn_remote(loop, nothing, &count, NULL), 0);
  wait_for(loop, &count);
  values[1] = bench_stop(&clock, HANDED);
  fluv_runtime_free(rt);
}

/* bench_now() also asks for the time of the processors, which takes a tenth of
 * the work. */
static int64_t burn(void* arg) {
  uint64_t end = uv_hrtime() + WORK_US * 1000;

  (void) arg;
  while (uv_hrtime() < end)
    continue;
  return 0;
}

static int64_t fan_out(void* arg) {
  static fluv_future_t* f[STOLEN];
  int i;

  (void) arg;
  for (i = 0; i < STOLEN; i++)
    f[i] = fluv_spawn_any(burn, NULL);
  for (i = 0; i < STOLEN; i++)
    bench_expect(fluv_await(f[i]), 0);
  return 0;
}

/* How many times the ideal, which is all work spread evenly, it takes. */
static void run_steal(double* values) {
  fluv_runtime_t* rt = runtime_of(WORKERS);
  fluv_remote_t* remote;
  bench_clock_t clock;

  bench_start(&clock);
  bench_expect(fluv_runtime_spawn_remote(rt, fan_out, NULL, &remote), 0);
  bench_expect(fluv_wait(remote, FLUV_FOREVER), 0);
  values[0] = bench_stop(&clock, STOLEN / WORKERS) / (WORK_US * 1000);
  fluv_runtime_free(rt);
}

static void sleep_ms(long ms) {
  const struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

  nanosleep(&t, NULL);
}

/* What a runtime costs that has been busy and has nothing to do any more. */
static void run_idle(double* values) {
  fluv_runtime_t* rt = runtime_of(WORKERS);
  struct rusage before;
  struct rusage after;
  clock_t cpu;
  uint64_t count = 0;

  wait_for(fluv_runtime_get_loop(rt, 0), &count);
  wait_for(fluv_runtime_get_loop(rt, 1), &count);
  sleep_ms(500);
  cpu = clock();
  getrusage(RUSAGE_SELF, &before);
  sleep_ms(2000);
  getrusage(RUSAGE_SELF, &after);
  values[0] = (double) (clock() - cpu) / CLOCKS_PER_SEC / 2 * 1000000;
  values[1] = (double) (after.ru_nvcsw - before.ru_nvcsw - 1) / 2;
  fluv_runtime_free(rt);
}

const bench_t bench_runtime_table[] = {
  { BENCH_PLAIN,
    false,
    run_handoff,
    { { "handoff", "ns" }, { "remote_spawn", "ns" } },
    0 },
  { BENCH_PLAIN, false, run_steal, { { "steal", "x" } }, 0 },
  { BENCH_PLAIN,
    false,
    run_idle,
    { { "idle_cpu", "us/s" }, { "idle_sleeps", "1/s" } },
    0 },
  { 0 },
};

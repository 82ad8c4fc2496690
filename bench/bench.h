/* SPDX-License-Identifier: MIT */
/* What the benchmarks share: the table that names them, and their clock. */
#ifndef FLUV_BENCH_H
#define FLUV_BENCH_H

#include <fluv.h>

/* Most figures that one measurement yields. */
enum {
  BENCH_FIGURES = 3
};

/* Where a measurement runs. */
typedef enum bench_place {
  BENCH_TASK, /* in the main task of a loop that stays for all rounds */
  BENCH_PLAIN /* on a thread without a loop of fluv's */
} bench_place_t;

typedef struct bench {
  bench_place_t place;
  bool fresh; /* in a process of its own, for each round */
  /* Measure once: fill in a value for each name. */
  void (*run)(double* values);
  struct {
    const char* name; /* NULL: there are no more */
    const char* unit;
  } figures[BENCH_FIGURES];
  /* Memory that a round takes, in MiB; skipped where there is less. */
  unsigned need_mb;
} bench_t;

/* Each ends with an entry whose run is NULL. */
extern const bench_t bench_task_table[];
extern const bench_t bench_future_table[];
extern const bench_t bench_timer_table[];
extern const bench_t bench_memory_table[];
extern const bench_t bench_blocking_table[];
extern const bench_t bench_sync_table[];
extern const bench_t bench_runtime_table[];
extern const bench_t bench_uv_table[];

typedef struct bench_clock {
  uint64_t wall_ns;
  uint64_t cpu_ns; /* of the process */
} bench_clock_t;

/* A round is measured from here ... */
void bench_start(bench_clock_t* clock);

/* ... to here. Nanoseconds for each of `count`. */
double bench_stop(const bench_clock_t* clock, uint64_t count);

/* The clock of now. */
bench_clock_t bench_now(void);

/* Say why on stderr and exit. */
void bench_die(const char* format, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/* For results that can only be wrong if the benchmark is. */
static inline void bench_expect(int64_t result, int64_t expected) {
  if (__builtin_expect(result != expected, 0))
    bench_die("a result is %lld instead of %lld",
              (long long) result,
              (long long) expected);
}

#endif /* FLUV_BENCH_H */

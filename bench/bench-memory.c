/* SPDX-License-Identifier: MIT */
/* Memory: what a task costs that sleeps. */
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

enum {
  MANY = 100000,
  MILLION = 1000000,
  MANY_MB = 700,
  MILLION_MB = 6000
};

/* Longer than any round takes. */
#define LONG_MS UINT64_C(3600000)

static int asleep;

static int64_t sleep_long(void* arg) {
  (void) arg;
  asleep++;
  return fluv_await(fluv_sleep(LONG_MS));
}

/* Resident bytes of this process. */
static double resident(void) {
  unsigned long pages = 0;
  FILE* file = fopen("/proc/self/statm", "r");

  if (file == NULL || fscanf(file, "%*s %lu", &pages) != 1)
    bench_die("/proc/self/statm cannot be read");
  fclose(file);
  return (double) pages * (double) sysconf(_SC_PAGESIZE);
}

/* Bytes of its page tables, which are the kernel's and not resident. */
static double page_tables(void) {
  unsigned long kb = 0;
  char line[256];
  FILE* file = fopen("/proc/self/status", "r");

  if (file == NULL)
    bench_die("/proc/self/status cannot be read");
  while (fgets(line, sizeof(line), file) != NULL)
    if (sscanf(line, "VmPTE: %lu", &kb) == 1)
      break;
  fclose(file);
  return (double) kb * 1024;
}

static void measure(int count, double* values) {
  double resident_before = resident();
  double tables_before = page_tables();
  int i;

  asleep = 0;
  for (i = 0; i < count; i++)
    fluv_detach(fluv_spawn(sleep_long, NULL));
  /* All have gone to sleep, and all their timers are set, once a sleep that
   * started after theirs has ended. */
  while (asleep < count)
    fluv_yield();
  bench_expect(fluv_await(fluv_sleep(1)), 0);
  values[0] = (resident() - resident_before) / count;
  values[1] = (page_tables() - tables_before) / count;
}

static void run_idle(double* values) {
  measure(MANY, values);
}

static void run_idle_1m(double* values) {
  measure(MILLION, values);
}

const bench_t bench_memory_table[] = {
  { BENCH_TASK,
    true,
    run_idle,
    { { "idle_mem", "bytes" }, { "idle_mem_page_tables", "bytes" } },
    MANY_MB },
  { BENCH_TASK,
    true,
    run_idle_1m,
    { { "idle_mem_1m", "bytes" }, { "idle_mem_1m_page_tables", "bytes" } },
    MILLION_MB },
  { 0 },
};

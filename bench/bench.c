/* SPDX-License-Identifier: MIT */
/* Runs the benchmarks and prints a line "NAME VALUE UNIT" for each.
 *
 * Usage: bench [-l] [-v] [-r ROUNDS] [NAME]...
 *
 * A value is the median of the rounds, after one to warm up. A round during
 * which something else had the processor is thrown away and measured again, a
 * for a limited time. What counts memory or sleeps has a process of its
 * own for each round, which nothing else has used before.
 */
#include "bench.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  ROUNDS = 5,
  ROUNDS_MAX = 1000
};

/* A round in which the process had the processor for less than this share of
 * the time is not believed. */
#define UNDISTURBED 0.97

/* For how long a disturbed round is repeated. */
#define RETRY_NS UINT64_C(2000000000)

typedef struct options {
  int rounds;
  bool verbose;
  char** names;
  int name_count;
} options_t;

typedef struct rounds {
  const bench_t* bench;
  const options_t* options;
  double* values[BENCH_FIGURES];
  int disturbed; /* rounds that count although they were */
} rounds_t;

/* What the last measurement had of the processor. */
static double last_share;

static const bench_t* const tables[] = {
  bench_task_table,     bench_future_table, bench_timer_table,
  bench_memory_table,   bench_sync_table,   bench_runtime_table,
  bench_blocking_table, bench_uv_table,
};

void bench_die(const char* format, ...) {
  va_list args;

  fputs("bench: ", stderr);
  va_start(args, format);
  vfprintf(stderr, format, args);
  va_end(args);
  fputc('\n', stderr);
  exit(1);
}

static uint64_t read_clock(clockid_t id) {
  struct timespec now;

  if (clock_gettime(id, &now) != 0)
    bench_die("clock_gettime: %s", strerror(errno));
  return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

bench_clock_t bench_now(void) {
  bench_clock_t now;

  now.cpu_ns = read_clock(CLOCK_PROCESS_CPUTIME_ID);
  now.wall_ns = read_clock(CLOCK_MONOTONIC);
  return now;
}

void bench_start(bench_clock_t* clock) {
  *clock = bench_now();
}

double bench_stop(const bench_clock_t* clock, uint64_t count) {
  uint64_t wall_ns = read_clock(CLOCK_MONOTONIC) - clock->wall_ns;
  uint64_t cpu_ns = read_clock(CLOCK_PROCESS_CPUTIME_ID) - clock->cpu_ns;

  last_share = (double) cpu_ns / (double) wall_ns;
  return (double) wall_ns / (double) count;
}

static int compare(const void* a, const void* b) {
  const double* x = a;
  const double* y = b;

  return (*x > *y) - (*x < *y);
}

static double median(double* values, int count) {
  qsort(values, (size_t) count, sizeof(*values), compare);
  return count % 2 != 0 ? values[count / 2]
                        : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static bool is_wanted(const options_t* options, const char* name) {
  int i;

  for (i = 0; i < options->name_count; i++)
    if (strcmp(options->names[i], name) == 0)
      return true;
  return options->name_count == 0;
}

static void print_value(const char* name, double value, const char* unit) {
  printf("%s %.*f %s\n",
         name,
         value < 10    ? 2
         : value < 100 ? 1
                       : 0,
         value,
         unit);
  fflush(stdout);
}

/* Measure one round of what runs in this process: once undisturbed, or as often
 * as there is time for, and then what was disturbed least. */
static void measure_here(rounds_t* rounds, double* values) {
  uint64_t end = read_clock(CLOCK_MONOTONIC) + RETRY_NS;
  double best = -1;

  do {
    double again[BENCH_FIGURES] = { 0 };

    last_share = 1;
    rounds->bench->run(again);
    if (last_share > best) {
      best = last_share;
      memcpy(values, again, sizeof(again));
    }
  } while (best < UNDISTURBED && read_clock(CLOCK_MONOTONIC) < end);
  if (best < UNDISTURBED)
    rounds->disturbed++;
}

/* The child's side: values in full, read by the parent. */
static int64_t child_main(void* arg) {
  const bench_t* bench = arg;
  double values[BENCH_FIGURES] = { 0 };
  int i;

  bench->run(values);
  for (i = 0; i < BENCH_FIGURES; i++)
    printf("%.17g\n", values[i]);
  fflush(stdout);
  /* What it has built up is of no interest any more: leave at once. */
  _exit(0);
}

/* Measure one round in a fresh process. */
static void measure_child(const rounds_t* rounds, double* values) {
  const char* name = rounds->bench->figures[0].name;
  int fds[2];
  pid_t pid;
  FILE* pipe_end;
  int status;
  int i;

  if (pipe(fds) != 0)
    bench_die("pipe: %s", strerror(errno));
  pid = fork();
  if (pid < 0)
    bench_die("fork: %s", strerror(errno));
  if (pid == 0) {
    dup2(fds[1], STDOUT_FILENO);
    close(fds[0]);
    close(fds[1]);
    execl("/proc/self/exe", "bench", "--child", name, (char*) NULL);
    bench_die("exec: %s", strerror(errno));
  }
  close(fds[1]);
  pipe_end = fdopen(fds[0], "r");
  if (pipe_end == NULL)
    bench_die("fdopen: %s", strerror(errno));
  for (i = 0; i < BENCH_FIGURES; i++)
    if (fscanf(pipe_end, "%lf", &values[i]) != 1)
      bench_die("%s: its process has failed", name);
  fclose(pipe_end);
  if (waitpid(pid, &status, 0) != pid || status != 0)
    bench_die("%s: its process has failed", name);
}

static int64_t run_rounds(void* arg) {
  rounds_t* rounds = arg;
  const bench_t* bench = rounds->bench;
  double values[BENCH_FIGURES];
  int first = bench->fresh ? 0 : -1; /* -1: to warm up */
  int i;
  int k;

  for (i = first; i < rounds->options->rounds; i++) {
    if (bench->fresh)
      measure_child(rounds, values);
    else if (i < 0)
      bench->run(values);
    else
      measure_here(rounds, values);
    for (k = 0; i >= 0 && k < BENCH_FIGURES; k++)
      rounds->values[k][i] = values[k];
  }
  return 0;
}

static void report(rounds_t* rounds) {
  const bench_t* bench = rounds->bench;
  int count = rounds->options->rounds;
  int i;
  int k;

  for (k = 0; k < BENCH_FIGURES && bench->figures[k].name != NULL; k++) {
    if (!is_wanted(rounds->options, bench->figures[k].name))
      continue;
    if (rounds->options->verbose) {
      printf("# %s:", bench->figures[k].name);
      for (i = 0; i < count; i++)
        printf(" %.4g", rounds->values[k][i]);
      printf("\n");
    }
    print_value(bench->figures[k].name,
                median(rounds->values[k], count),
                bench->figures[k].unit);
  }
  if (rounds->disturbed > 0)
    fprintf(stderr,
            "bench: %s: disturbed in %d of %d rounds\n",
            bench->figures[0].name,
            rounds->disturbed,
            count);
}

/* MemAvailable in MiB; practically unlimited if it is unknown. */
static unsigned long available_mb(void) {
  unsigned long kb = (unsigned long) -1;
  FILE* file = fopen("/proc/meminfo", "r");
  char line[256];

  if (file == NULL)
    return kb;
  while (fgets(line, sizeof(line), file) != NULL)
    if (sscanf(line, "MemAvailable: %lu", &kb) == 1)
      break;
  fclose(file);
  return kb / 1024;
}

static void run_bench(const bench_t* bench, const options_t* options) {
  static double values[BENCH_FIGURES][ROUNDS_MAX];
  rounds_t rounds = { bench, options, { values[0], values[1], values[2] }, 0 };

  if (bench->need_mb > available_mb()) {
    fprintf(stderr,
            "bench: %s: skipped, it takes %u MiB of memory\n",
            bench->figures[0].name,
            bench->need_mb);
    return;
  }
  if (bench->place != BENCH_TASK || bench->fresh)
    run_rounds(&rounds);
  else if (fluv_run(run_rounds, &rounds, NULL) != 0)
    bench_die("%s: fluv_run() has failed", bench->figures[0].name);
  report(&rounds);
}

/* Call fn for every measurement that has a figure of interest. */
static void each(const options_t* options,
                 void (*fn)(const bench_t* bench, const options_t* options)) {
  const bench_t* bench;
  size_t i;
  int k;

  for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
    for (bench = tables[i]; bench->run != NULL; bench++)
      for (k = 0; k < BENCH_FIGURES && bench->figures[k].name != NULL; k++)
        if (is_wanted(options, bench->figures[k].name)) {
          fn(bench, options);
          break;
        }
}

static void list(const bench_t* bench, const options_t* options) {
  int k;

  (void) options;
  for (k = 0; k < BENCH_FIGURES && bench->figures[k].name != NULL; k++)
    printf("%s\n", bench->figures[k].name);
}

static void run_child(const bench_t* bench, const options_t* options) {
  (void) options;
  if (bench->fresh && bench->place == BENCH_TASK)
    fluv_run(child_main, (void*) (uintptr_t) bench, NULL);
  else if (bench->fresh)
    child_main((void*) (uintptr_t) bench);
}

static bool has_name(const char* name) {
  const bench_t* bench;
  size_t i;
  int k;

  for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
    for (bench = tables[i]; bench->run != NULL; bench++)
      for (k = 0; k < BENCH_FIGURES && bench->figures[k].name != NULL; k++)
        if (strcmp(bench->figures[k].name, name) == 0)
          return true;
  return false;
}

static void usage(void) {
  fputs(
      "usage: bench [-l] [-v] [-r ROUNDS] [NAME]...\n"
      "  -l  list the names\n"
      "  -v  print the value of every round too\n"
      "  -r  rounds, of which the median counts (default 5)\n",
      stderr);
  exit(2);
}

int main(int argc, char** argv) {
  options_t options = { ROUNDS, false, NULL, 0 };
  bool only_list = false;
  int option;
  int i;

  if (argc == 3 && strcmp(argv[1], "--child") == 0) {
    options.names = argv + 2;
    options.name_count = 1;
    each(&options, run_child);
    return 1;
  }
  while ((option = getopt(argc, argv, "lvr:")) != -1) {
    if (option == 'l')
      only_list = true;
    else if (option == 'v')
      options.verbose = true;
    else if (option == 'r')
      options.rounds = atoi(optarg);
    else
      usage();
  }
  if (options.rounds < 1 || options.rounds > ROUNDS_MAX)
    usage();
  options.names = argv + optind;
  options.name_count = argc - optind;
  for (i = 0; i < options.name_count; i++)
    if (!has_name(options.names[i]))
      bench_die("there is no \"%s\"; -l lists what there is", options.names[i]);
  each(&options, only_list ? list : run_bench);
  return 0;
}
